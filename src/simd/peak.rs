//! How many multiplications and additions a core can do at best: what every other kernel is measured by.

use std::hint::black_box;

use super::{Kernel, Lanes, Level};

/// Sums under way at once: more than the latency of a fused multiply-add times the units that do them.
const SUMS: usize = 12;

/// Does `rounds` times twelve vectors of fused multiply-adds, which need nothing but registers, and gives the
/// number of floating-point operations in them.
pub(crate) fn multiply_add(level: Level, rounds: usize) -> u64 {
    black_box(total(level, rounds));
    (2 * SUMS * level.width()) as u64 * rounds as u64
}

/// The sum of what these rounds come to.
fn total(level: Level, rounds: usize) -> f32 {
    let mut total = 0.0;
    level.run(MultiplyAdd { rounds, total: &mut total });
    total
}

struct MultiplyAdd<'a> {
    rounds: usize,
    total: &'a mut f32,
}

// SAFETY: it has no slices.
unsafe impl Kernel for MultiplyAdd<'_> {
    fn check(&self) {}

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the caller has the instructions; the buffer holds the widest vector.
        unsafe {
            // Numbers that the compiler does not know; the sums converge.
            let [factor, term] = black_box([0.5f32, 1.0]).map(|x| L::splat(x));
            let mut sums = [L::splat(black_box(0.25)); SUMS];
            for _ in 0..self.rounds {
                for sum in &mut sums {
                    *sum = sum.multiply_add(factor, term);
                }
            }
            let total = sums.into_iter().fold(L::splat(0.0), |total, sum| total.add(sum));
            let mut numbers = [0f32; 16];
            total.store(numbers.as_mut_ptr());
            *self.total = numbers.iter().sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_level_does_the_operations_that_it_counts() {
        for level in Level::available() {
            // s ← s / 2 + 1 tends to 2 in every lane of every sum.
            let total = total(level, 100);
            assert_eq!(total as usize, 2 * SUMS * level.width(), "{level:?}");
            assert_eq!(multiply_add(level, 100), 200 * (SUMS * level.width()) as u64);
        }
    }
}
