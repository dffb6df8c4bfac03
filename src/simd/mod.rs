//! Inner loops in the processor's widest vectors: AVX-512, AVX2 with FMA, NEON, or portable code, chosen at run time.
//! NEON is tested under emulation (`tests/neon.sh`); its speed has not been measured.
//!
//! A [`Kernel`] is written once over [`Lanes`] and compiled for each [`Level`]. Here are those that several parts of the
//! crate share; those of networks are in `nn/kernels`.
#![allow(unsafe_code)]
// A kernel is compiled for an instruction set by being inlined into a function that has it.
#![allow(clippy::inline_always)]

/// Implements methods of a vector by its instructions, each inlined into the function whose instruction set it takes on.
macro_rules! inlined {
    ($(fn $name:ident($($parameter:tt)*) $(-> $out:ty)? { $($body:tt)* })*) => {$(
        #[inline(always)]
        #[allow(unused_unsafe, reason = "plain Rust needs none")]
        unsafe fn $name($($parameter)*) $(-> $out)? {
            // SAFETY: the trait's contract is the instructions' own, and the caller keeps it.
            unsafe { $($body)* }
        }
    )*};
}

pub(crate) mod distances;
mod doubles;
mod lanes;
pub(crate) mod peak;
pub(crate) mod repulsion;

use std::sync::OnceLock;

pub(crate) use lanes::{Lanes, prefetch, vectors};

use crate::{Error, Result};

/// Chooses the level instead of the machine.
const VARIABLE: &str = "LCZ_SIMD";

/// An instruction set that kernels are compiled for and that this machine has: only
/// [`available`](Self::available) makes one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Level(Set);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Set {
    /// 16 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 8 lanes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// 8 lanes in two vectors; every 64-bit ARM processor has it.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// 8 lanes as plain Rust, on any processor.
    Portable,
}

impl Level {
    /// The widest level of this machine, or the one that the environment's `LCZ_SIMD` names; looked up once.
    pub(crate) fn best() -> Self {
        static BEST: OnceLock<Level> = OnceLock::new();
        #[cfg(test)]
        if let Some(level) = FORCED.get() {
            return level;
        }
        *BEST.get_or_init(|| {
            let widest = *Self::available().first().expect("the portable level is always there");
            Self::stated().ok().flatten().unwrap_or(widest)
        })
    }

    /// The level that `LCZ_SIMD` names, if it is set: `avx512`, `avx2`, `neon` or `portable`, so that one machine can measure each.
    ///
    /// # Errors
    /// A name that is none, or a level that this machine does not have.
    pub(crate) fn stated() -> Result<Option<Self>> {
        let Some(stated) = std::env::var_os(VARIABLE).filter(|stated| !stated.is_empty()) else {
            return Ok(None);
        };
        let setting = |level: &Self| level.name().replace('-', "").replace(" code", "").to_lowercase();
        let levels = Self::available();
        let found = levels.iter().find(|level| stated.to_string_lossy().to_lowercase() == setting(level));
        found.copied().map(Some).ok_or_else(|| {
            let problem = format!("{}, no instruction set of this machine", stated.display());
            let known: Vec<String> = levels.iter().map(setting).collect();
            Error::input(
                format!("environment variable {VARIABLE}"),
                problem,
                format!("choose of {}", known.join(", ")),
            )
        })
    }

    /// All levels that this machine can run, widest first.
    pub(crate) fn available() -> Vec<Self> {
        #[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_mut))]
        let mut levels = vec![Self(Set::Portable)];
        #[cfg(target_arch = "aarch64")]
        levels.insert(0, Self(Set::Neon));
        #[cfg(target_arch = "x86_64")]
        {
            let fma = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if fma {
                levels.insert(0, Self(Set::Avx2));
            }
            if fma && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
                levels.insert(0, Self(Set::Avx512));
            }
        }
        levels
    }

    /// What the instruction set is called.
    pub(crate) fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => "AVX-512",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Set::Neon => "NEON",
            Set::Portable => "portable code",
        }
    }

    /// Lanes of a vector.
    pub(crate) fn width(self) -> usize {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => 16,
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => 8,
            #[cfg(target_arch = "aarch64")]
            Set::Neon => 8,
            Set::Portable => 8,
        }
    }

    /// Checks a kernel and runs it, compiled for this level.
    pub(crate) fn run<K: Kernel>(self, kernel: K) {
        kernel.check();
        match self.0 {
            // SAFETY: only `available` makes a level, and it has detected these features; the kernel has been checked.
            #[cfg(target_arch = "x86_64")]
            Set::Avx512 => unsafe { on_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => unsafe { on_avx2(kernel) },
            // SAFETY: the target has NEON, without a feature to turn on; the kernel has been checked.
            #[cfg(target_arch = "aarch64")]
            Set::Neon => unsafe { kernel.run::<lanes::Halves>() },
            // SAFETY: plain Rust arithmetic runs anywhere; the kernel has been checked.
            Set::Portable => unsafe { kernel.run::<lanes::Plain>() },
        }
    }
}

/// A loop that can be compiled for every level.
///
/// # Safety
/// Once [`check`](Self::check) has returned, [`run`](Self::run) must be sound on any processor that has the instructions
/// of `L`, for any values of the fields that safe code can set.
pub(crate) unsafe trait Kernel {
    /// Panics unless the slices have the lengths that the loop relies on.
    fn check(&self);

    /// The loop; `#[inline(always)]`, so that it takes on the instruction set of the function it is called from.
    ///
    /// # Safety
    /// The processor must have the instructions of `L`, and the kernel must have been checked.
    unsafe fn run<L: Lanes>(self);
}

/// Compiles a kernel for AVX-512.
///
/// # Safety
/// The processor must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
unsafe fn on_avx512<K: Kernel>(kernel: K) {
    // SAFETY: the caller vouches for the features and for the check.
    unsafe { kernel.run::<std::arch::x86_64::__m512>() }
}

/// Compiles a kernel for AVX2 with FMA.
///
/// # Safety
/// The processor must have these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn on_avx2<K: Kernel>(kernel: K) {
    // SAFETY: as in `on_avx512`.
    unsafe { kernel.run::<std::arch::x86_64::__m256>() }
}

#[cfg(test)]
thread_local! {
    /// What a test takes for the best level.
    static FORCED: std::cell::Cell<Option<Level>> = const { std::cell::Cell::new(None) };
}

/// Runs a test at each level of this machine, in threads that take it for the best.
#[cfg(test)]
pub(crate) fn at_each_level(test: impl Fn(Level) + Sync) {
    for level in Level::available() {
        let pool = rayon::ThreadPoolBuilder::new().start_handler(move |_| FORCED.set(Some(level)));
        pool.build().unwrap().install(|| test(level));
    }
}
