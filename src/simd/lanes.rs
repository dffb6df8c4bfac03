//! A vector of f32 lanes, the same arithmetic on every instruction set.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, __m512d, _CMP_GT_OQ, _mm256_add_ps, _mm256_and_ps, _mm256_cmp_ps, _mm256_div_ps,
    _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps, _mm256_storeu_ps, _mm512_add_ps,
    _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_maskz_mov_ps, _mm512_max_ps,
    _mm512_set1_ps, _mm512_storeu_ps,
};

#[cfg(target_arch = "x86_64")]
use super::doubles::Pair;
use super::doubles::{Doubles, PlainDoubles};

/// A vector of `WIDTH` lanes.
///
/// # Safety
/// The methods may only be called on a processor that has the vector's instructions, with pointers
/// that are valid for `WIDTH` floats (for `n` of them where one is given).
pub(crate) trait Lanes: Copy {
    /// How many lanes.
    const WIDTH: usize;
    /// The f64 vectors of the same instruction set.
    type Doubles: Doubles;
    /// One number in every lane.
    unsafe fn splat(x: f32) -> Self;
    /// `WIDTH` floats from memory, aligned or not.
    unsafe fn load(from: *const f32) -> Self;
    /// `WIDTH` floats to memory.
    unsafe fn store(self, to: *mut f32);
    /// `self · b + c`, rounded once (twice in portable code).
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self;
    /// `self + b`.
    unsafe fn add(self, b: Self) -> Self;
    /// `self / b`.
    unsafe fn divide(self, b: Self) -> Self;
    /// The larger, lane by lane; `b` where either is NaN.
    unsafe fn max(self, b: Self) -> Self;

    /// `self` where `z` is above zero, zero elsewhere.
    unsafe fn where_positive(self, z: Self) -> Self;

    /// The first `n ≤ WIDTH` floats to memory.
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, n: usize) {
        // SAFETY: the buffer holds the widest vector, and the caller vouches for `n` floats at `to`.
        unsafe {
            if n >= Self::WIDTH {
                self.store(to);
            } else {
                let mut all = [0f32; 16];
                self.store(all.as_mut_ptr());
                to.copy_from_nonoverlapping(all.as_ptr(), n);
            }
        }
    }

    /// The first `n ≤ WIDTH` floats from memory, zeros behind them.
    #[inline(always)]
    unsafe fn load_first(from: *const f32, n: usize) -> Self {
        // SAFETY: as in `store_first`.
        unsafe {
            if n >= Self::WIDTH {
                Self::load(from)
            } else {
                let mut all = [0f32; 16];
                all.as_mut_ptr().copy_from_nonoverlapping(from, n);
                Self::load(all.as_ptr())
            }
        }
    }
}

/// The vectors that cover so many numbers: first number and lanes of each.
#[inline(always)]
pub(crate) fn vectors<L: Lanes>(len: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..len).step_by(L::WIDTH).map(move |first| (first, L::WIDTH.min(len - first)))
}

/// Eight lanes of plain Rust.
#[derive(Clone, Copy)]
pub(crate) struct Plain([f32; 8]);

impl Lanes for Plain {
    const WIDTH: usize = 8;
    type Doubles = PlainDoubles;
    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        Self([x; 8])
    }
    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller vouches for eight floats; an array of them needs no more alignment.
        Self(unsafe { from.cast::<[f32; 8]>().read() })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as in `load`.
        unsafe { to.cast::<[f32; 8]>().write(self.0) }
    }
    #[inline(always)]
    unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
        // Not f32::mul_add: without the instruction that is a library call a lane.
        Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
    }
    #[inline(always)]
    unsafe fn add(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] + b.0[i]))
    }
    #[inline(always)]
    unsafe fn divide(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| self.0[i] / b.0[i]))
    }
    #[inline(always)]
    unsafe fn max(self, b: Self) -> Self {
        Self(std::array::from_fn(|i| if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] }))
    }
    #[inline(always)]
    unsafe fn where_positive(self, z: Self) -> Self {
        Self(std::array::from_fn(|i| if z.0[i] > 0.0 { self.0[i] } else { 0.0 }))
    }
}

/// [`Lanes::where_positive`] in AVX-512.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn where_positive_512(x: __m512, z: __m512) -> __m512 {
    // SAFETY: the caller has a processor with the instructions.
    unsafe { _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(z, _mm512_set1_ps(0.0)), x) }
}

/// [`Lanes::where_positive`] in AVX2.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn where_positive_256(x: __m256, z: __m256) -> __m256 {
    // SAFETY: the caller has a processor with the instructions.
    unsafe { _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(z, _mm256_set1_ps(0.0)), x) }
}

/// Implements [`Lanes`] for a vector type by its instructions.
#[cfg(target_arch = "x86_64")]
macro_rules! lanes {
    ($vector:ty, $doubles:ty, $width:literal, $splat:ident, $load:ident, $store:ident, $fma:ident, $add:ident, $divide:ident, $max:ident, $positive:ident) => {
        // SAFETY (of every block): the trait's contract is the instruction's own.
        impl Lanes for $vector {
            const WIDTH: usize = $width;
            type Doubles = $doubles;
            #[inline(always)]
            unsafe fn splat(x: f32) -> Self {
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(from: *const f32) -> Self {
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32) {
                unsafe { $store(to, self) }
            }
            #[inline(always)]
            unsafe fn multiply_add(self, b: Self, c: Self) -> Self {
                unsafe { $fma(self, b, c) }
            }
            #[inline(always)]
            unsafe fn add(self, b: Self) -> Self {
                unsafe { $add(self, b) }
            }
            #[inline(always)]
            unsafe fn divide(self, b: Self) -> Self {
                unsafe { $divide(self, b) }
            }
            #[inline(always)]
            unsafe fn max(self, b: Self) -> Self {
                unsafe { $max(self, b) }
            }
            #[inline(always)]
            unsafe fn where_positive(self, z: Self) -> Self {
                unsafe { $positive(self, z) }
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
lanes!(
    __m512,
    __m512d,
    16,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_fmadd_ps,
    _mm512_add_ps,
    _mm512_div_ps,
    _mm512_max_ps,
    where_positive_512
);
#[cfg(target_arch = "x86_64")]
lanes!(
    __m256,
    Pair,
    8,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    _mm256_div_ps,
    _mm256_max_ps,
    where_positive_256
);
