//! Memory that is freed in one step and needed in the next, and vectors that are filled in parallel.

use std::mem::MaybeUninit;
use std::ptr;

use rayon::prelude::*;

/// A vector of `len` numbers, in parts of `part`, the last of which may be shorter, that are filled side by side: `fill`
/// receives the part's place and the part, full of zeros.
pub(crate) fn filled(len: usize, part: usize, fill: impl Fn(usize, &mut [f32]) + Sync + Send) -> Vec<f32> {
    filled_with(len, part, || (), |(), place, part| fill(place, part))
}

/// As [`filled`]; `fill` first receives the value that `begin` returns for the thread.
///
/// `vec![0.0; len]` has one thread write all of it before the others write it again; here each part is zeroed by the
/// thread that fills it, while it lies in that core's cache.
pub(crate) fn filled_with<T>(
    len: usize,
    part: usize,
    begin: impl Fn() -> T + Sync + Send,
    fill: impl Fn(&mut T, usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut numbers: Vec<f32> = Vec::with_capacity(len);
    if len == 0 {
        return numbers;
    }
    let parts = numbers.spare_capacity_mut()[..len].par_chunks_mut(part).enumerate();
    parts.for_each_init(begin, |begun, (place, spare)| {
        spare.fill(MaybeUninit::new(0.0));
        // SAFETY: all of the part has just been written, and nothing else borrows it.
        let part = unsafe { &mut *(ptr::from_mut(spare) as *mut [f32]) };
        fill(begun, place, part);
    });
    // SAFETY: the parts, each of them written, make up the first `len` numbers.
    unsafe { numbers.set_len(len) };
    numbers
}

/// Makes the C library keep freed memory for the next step, instead of returning it to the system and having each
/// page of it zeroed and mapped again. To be called once, at a process's start: does nothing where other threads run, nor
/// without glibc on Linux.
///
/// Training Sen2LCZ, nine of ten page faults are of such memory. What a process holds at most does not change; it
/// keeps it until it ends.
pub fn keep_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: i32, value: i32) -> i32;
        }
        /// Free bytes at the end of the heap from which on they are handed back (M_TRIM_THRESHOLD).
        const TRIM: i32 = -1;
        /// Bytes of an allocation from which on it is mapped by itself (M_MMAP_THRESHOLD), 32 MiB at most.
        const MAPPED: i32 = -3;
        /// Heaps (M_ARENA_MAX). Any but the first is handed back whenever it is empty.
        const HEAPS: i32 = -8;
        // mallopt changes what other threads may be reading.
        if !std::fs::read_dir("/proc/self/task").is_ok_and(|threads| threads.count() == 1) {
            return;
        }
        for (parameter, value) in [(TRIM, i32::MAX), (MAPPED, 32 << 20), (HEAPS, 1)] {
            // SAFETY: glibc's function of this signature, called by the only thread; a value that it refuses leaves
            // things as they are.
            unsafe { mallopt(parameter, value) };
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "numbers are put in places, not computed")]
mod tests {
    use super::*;

    #[test]
    fn parts_begin_as_zeros_and_keep_what_is_put_into_them() {
        let numbers = filled_with(
            12,
            3,
            || 7.0,
            |seven, place, part| {
                assert_eq!(part, [0.0; 3]);
                part[1] = place as f32;
                part[2] = *seven;
            },
        );
        assert_eq!(numbers, [0.0, 0.0, 7.0, 0.0, 1.0, 7.0, 0.0, 2.0, 7.0, 0.0, 3.0, 7.0]);
        assert!(filled(0, 3, |_, _| ()).is_empty());
        assert_eq!(filled(4, 3, |place, part| part.fill(place as f32)), [0.0, 0.0, 0.0, 1.0]);
    }
}
