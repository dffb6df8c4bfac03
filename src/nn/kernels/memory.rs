//! Memory that is freed in one step and wanted in the next.

/// Has the C library keep freed memory for the next step, where it would hand it back to the system and have each
/// page of it zeroed and mapped anew. To be called once, at a process's start; does nothing without glibc.
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
        for (parameter, value) in [(TRIM, i32::MAX), (MAPPED, 32 << 20), (HEAPS, 1)] {
            // SAFETY: glibc's function of this signature, which any thread may call at any time; a value that it
            // refuses leaves things as they are.
            unsafe { mallopt(parameter, value) };
        }
    }
}
