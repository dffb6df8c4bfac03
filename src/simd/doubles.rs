//! Eight f64 lanes, the same arithmetic on every instruction set: for sums of f32 that need more
//! digits.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256d, __m512d, _mm_loadu_ps, _mm256_cvtps_pd, _mm256_fmadd_pd, _mm256_loadu_pd, _mm256_loadu_ps,
    _mm256_set1_pd, _mm256_storeu_pd, _mm256_sub_pd, _mm512_cvtps_pd, _mm512_fmadd_pd, _mm512_loadu_pd,
    _mm512_set1_pd, _mm512_storeu_pd, _mm512_sub_pd,
};

/// Numbers a vector.
pub(crate) const DOUBLES: usize = 8;

/// A vector of eight f64.
///
/// # Safety
/// The methods may only be called on a processor that has the vector's instructions.
pub(crate) trait Doubles: Copy {
    /// One number in every lane.
    unsafe fn splat(x: f64) -> Self;
    /// From memory.
    unsafe fn load(from: &[f64; DOUBLES]) -> Self;
    /// From f32 in memory; exact.
    unsafe fn widen(from: &[f32; DOUBLES]) -> Self;
    /// To memory.
    unsafe fn store(self, to: &mut [f64; DOUBLES]);
    /// `self − b`.
    unsafe fn subtract(self, b: Self) -> Self;
    /// `self · b + c`, rounded once (twice in portable code).
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;

    /// The sum of the lanes, from the first to the last.
    #[inline(always)]
    unsafe fn sum(self) -> f64 {
        let mut lanes = [0.0; DOUBLES];
        // SAFETY: the caller vouches for the processor.
        unsafe { self.store(&mut lanes) };
        lanes.iter().sum()
    }
}

/// Eight lanes of plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct PlainDoubles([f64; DOUBLES]);

impl Doubles for PlainDoubles {
    inlined! {
        fn splat(x: f64) -> Self { Self([x; DOUBLES]) }
        fn load(from: &[f64; DOUBLES]) -> Self { Self(*from) }
        fn widen(from: &[f32; DOUBLES]) -> Self { Self(from.map(f64::from)) }
        fn store(self, to: &mut [f64; DOUBLES]) { *to = self.0 }
        fn subtract(self, b: Self) -> Self { Self(std::array::from_fn(|l| self.0[l] - b.0[l])) }
        fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(std::array::from_fn(|l| self.0[l] * b.0[l] + c.0[l]))
        }
    }
}

// The references point at eight numbers.
#[cfg(target_arch = "x86_64")]
impl Doubles for __m512d {
    inlined! {
        fn splat(x: f64) -> Self { _mm512_set1_pd(x) }
        fn load(from: &[f64; DOUBLES]) -> Self { _mm512_loadu_pd(from.as_ptr()) }
        fn widen(from: &[f32; DOUBLES]) -> Self { _mm512_cvtps_pd(_mm256_loadu_ps(from.as_ptr())) }
        fn store(self, to: &mut [f64; DOUBLES]) { _mm512_storeu_pd(to.as_mut_ptr(), self) }
        fn subtract(self, b: Self) -> Self { _mm512_sub_pd(self, b) }
        fn multiply_add(self, b: Self, c: Self) -> Self { _mm512_fmadd_pd(self, b, c) }
    }
}

/// Eight lanes in two vectors of AVX2.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Pair(__m256d, __m256d);

#[cfg(target_arch = "x86_64")]
impl Doubles for Pair {
    inlined! {
        fn splat(x: f64) -> Self { Self(_mm256_set1_pd(x), _mm256_set1_pd(x)) }
        fn load(from: &[f64; DOUBLES]) -> Self {
            Self(_mm256_loadu_pd(from.as_ptr()), _mm256_loadu_pd(from[4..].as_ptr()))
        }
        fn widen(from: &[f32; DOUBLES]) -> Self {
            Self(
                _mm256_cvtps_pd(_mm_loadu_ps(from.as_ptr())),
                _mm256_cvtps_pd(_mm_loadu_ps(from[4..].as_ptr())),
            )
        }
        fn store(self, to: &mut [f64; DOUBLES]) {
            _mm256_storeu_pd(to.as_mut_ptr(), self.0);
            _mm256_storeu_pd(to[4..].as_mut_ptr(), self.1)
        }
        fn subtract(self, b: Self) -> Self { Self(_mm256_sub_pd(self.0, b.0), _mm256_sub_pd(self.1, b.1)) }
        fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(_mm256_fmadd_pd(self.0, b.0, c.0), _mm256_fmadd_pd(self.1, b.1, c.1))
        }
    }
}
