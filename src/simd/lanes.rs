//! A vector of f32 lanes, the same arithmetic on every instruction set.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::{
    float32x4_t, vaddq_f32, vandq_u32, vbslq_f32, vcgtq_f32, vcgtzq_f32, vdivq_f32, vdupq_n_f32, vfmaq_f32,
    vld1q_f32, vreinterpretq_f32_u32, vreinterpretq_u32_f32, vst1q_f32,
};
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, __m512, __m512d, _CMP_GT_OQ, _MM_HINT_T1, _mm_prefetch, _mm256_add_ps, _mm256_and_ps,
    _mm256_cmp_ps, _mm256_div_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_max_ps, _mm256_set1_ps,
    _mm256_storeu_ps, _mm512_add_ps, _mm512_cmp_ps_mask, _mm512_div_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_maskz_mov_ps, _mm512_max_ps, _mm512_set1_ps, _mm512_storeu_ps,
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

/// Prefetches a number's cache line.
#[inline(always)]
pub(crate) fn prefetch(number: &f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, which reads nothing that the program sees.
    unsafe {
        _mm_prefetch::<_MM_HINT_T1>(std::ptr::from_ref(number).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = number;
}

/// The vectors that cover `len` numbers: first number and lanes of each.
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
    inlined! {
        fn splat(x: f32) -> Self { Self([x; 8]) }
        // An array of floats needs no more alignment than they do.
        fn load(from: *const f32) -> Self { Self(from.cast::<[f32; 8]>().read()) }
        fn store(self, to: *mut f32) { to.cast::<[f32; 8]>().write(self.0) }
        // Not f32::mul_add: without the instruction that is a library call per lane.
        fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(std::array::from_fn(|i| self.0[i] * b.0[i] + c.0[i]))
        }
        fn add(self, b: Self) -> Self { Self(std::array::from_fn(|i| self.0[i] + b.0[i])) }
        fn divide(self, b: Self) -> Self { Self(std::array::from_fn(|i| self.0[i] / b.0[i])) }
        fn max(self, b: Self) -> Self {
            Self(std::array::from_fn(|i| if self.0[i] > b.0[i] { self.0[i] } else { b.0[i] }))
        }
        fn where_positive(self, z: Self) -> Self {
            Self(std::array::from_fn(|i| if z.0[i] > 0.0 { self.0[i] } else { 0.0 }))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for __m512 {
    const WIDTH: usize = 16;
    type Doubles = __m512d;
    inlined! {
        fn splat(x: f32) -> Self { _mm512_set1_ps(x) }
        fn load(from: *const f32) -> Self { _mm512_loadu_ps(from) }
        fn store(self, to: *mut f32) { _mm512_storeu_ps(to, self) }
        fn multiply_add(self, b: Self, c: Self) -> Self { _mm512_fmadd_ps(self, b, c) }
        fn add(self, b: Self) -> Self { _mm512_add_ps(self, b) }
        fn divide(self, b: Self) -> Self { _mm512_div_ps(self, b) }
        fn max(self, b: Self) -> Self { _mm512_max_ps(self, b) }
        fn where_positive(self, z: Self) -> Self {
            _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(z, _mm512_set1_ps(0.0)), self)
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Lanes for __m256 {
    const WIDTH: usize = 8;
    type Doubles = Pair;
    inlined! {
        fn splat(x: f32) -> Self { _mm256_set1_ps(x) }
        fn load(from: *const f32) -> Self { _mm256_loadu_ps(from) }
        fn store(self, to: *mut f32) { _mm256_storeu_ps(to, self) }
        fn multiply_add(self, b: Self, c: Self) -> Self { _mm256_fmadd_ps(self, b, c) }
        fn add(self, b: Self) -> Self { _mm256_add_ps(self, b) }
        fn divide(self, b: Self) -> Self { _mm256_div_ps(self, b) }
        fn max(self, b: Self) -> Self { _mm256_max_ps(self, b) }
        fn where_positive(self, z: Self) -> Self {
            _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(z, _mm256_set1_ps(0.0)), self)
        }
    }
}

/// Eight lanes in two vectors of NEON.
#[cfg(target_arch = "aarch64")]
#[derive(Clone, Copy)]
pub(crate) struct Halves(float32x4_t, float32x4_t);

#[cfg(target_arch = "aarch64")]
impl Halves {
    /// The same on both halves.
    #[inline(always)]
    fn zip(self, b: Self, of: impl Fn(float32x4_t, float32x4_t) -> float32x4_t) -> Self {
        Self(of(self.0, b.0), of(self.1, b.1))
    }
}

#[cfg(target_arch = "aarch64")]
impl Lanes for Halves {
    const WIDTH: usize = 8;
    type Doubles = PlainDoubles;
    inlined! {
        fn splat(x: f32) -> Self { Self(vdupq_n_f32(x), vdupq_n_f32(x)) }
        fn load(from: *const f32) -> Self { Self(vld1q_f32(from), vld1q_f32(from.add(4))) }
        fn store(self, to: *mut f32) {
            vst1q_f32(to, self.0);
            vst1q_f32(to.add(4), self.1)
        }
        fn multiply_add(self, b: Self, c: Self) -> Self {
            Self(vfmaq_f32(c.0, self.0, b.0), vfmaq_f32(c.1, self.1, b.1))
        }
        fn add(self, b: Self) -> Self { self.zip(b, |a, b| vaddq_f32(a, b)) }
        fn divide(self, b: Self) -> Self { self.zip(b, |a, b| vdivq_f32(a, b)) }
        // Not vmaxq_f32, which gives NaN where either is.
        fn max(self, b: Self) -> Self { self.zip(b, |a, b| vbslq_f32(vcgtq_f32(a, b), a, b)) }
        fn where_positive(self, z: Self) -> Self {
            self.zip(z, |x, z| vreinterpretq_f32_u32(vandq_u32(vcgtzq_f32(z), vreinterpretq_u32_f32(x))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Kernel, Level, Set};
    use super::*;

    /// Operations on the numbers of three vectors: multiply_add, add, divide, max, where_positive.
    struct Operations<'a> {
        numbers: [[f32; 16]; 3],
        found: &'a mut [[f32; 16]; 5],
    }

    // SAFETY: the arrays hold the widest vector.
    unsafe impl Kernel for Operations<'_> {
        fn check(&self) {}

        #[inline(always)]
        unsafe fn run<L: Lanes>(self) {
            // SAFETY: the caller has the instructions.
            unsafe {
                let [a, b, c] = self.numbers.map(|numbers| L::load(numbers.as_ptr()));
                let found = [a.multiply_add(b, c), a.add(b), a.divide(b), a.max(b), a.where_positive(b)];
                for (found, to) in found.into_iter().zip(self.found) {
                    found.store(to.as_mut_ptr());
                }
            }
        }
    }

    #[test]
    fn every_lane_of_every_level_computes_as_plain_numbers_do() {
        let half = [0.0, 1.0, 3.1, 1e-40, 1e30, f32::MAX, f32::INFINITY, f32::NAN];
        let rotated =
            |by: usize| std::array::from_fn(|i| [half, half.map(|x| -x)].as_flattened()[(i + by) % 16]);
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
        for level in Level::available() {
            // Each number meets each in every lane.
            for rotations in 0..256 {
                let numbers = [rotations % 16, rotations / 16, 3].map(rotated);
                let mut found = [[0.0; 16]; 5];
                level.run(Operations { numbers, found: &mut found });
                for lane in 0..level.width() {
                    let [a, b, c] = numbers.map(|numbers| numbers[lane]);
                    let product = if level == Level(Set::Portable) { a * b + c } else { a.mul_add(b, c) };
                    let max = if a > b { a } else { b };
                    let expected = [product, a + b, a / b, max, if b > 0.0 { a } else { 0.0 }];
                    for (operation, expected) in expected.into_iter().enumerate() {
                        let found = found[operation][lane];
                        assert!(same(found, expected), "{level:?}: {operation} of {a}, {b}, {c}: {found}");
                    }
                }
            }
        }
    }
}
