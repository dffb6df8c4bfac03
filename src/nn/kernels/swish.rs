//! Swish, z · σ(z), also called SiLU (Ramachandran, Zoph & Le 2017, *Searching for Activation Functions*;
//! Elfwing, Uchibe & Doya 2018), and its derivative.

use super::norm::Normal;
use super::{Kernel, Lanes};

/// e^x to within 2 units in the last place for −87 ≤ x ≤ 88, e^−87 below and infinity above 89; NaN stays NaN.
///
/// x = (n + f) ln 2 with n whole and |f| ≤ ½: e^x = 2ⁿ · e^(f ln 2), the latter as its Taylor polynomial. Plain
/// arithmetic without a branch, which the compiler turns into any level's vectors.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it leaves a number's nearest whole number in the last bits: 1.5 · 2²³.
    const WHOLE: f32 = 12_582_912.0;
    /// ln 2 in two parts, the first with so few digits that n times it is exact (Cody & Waite 1980).
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    // From here on n is 128, and 2ⁿ infinite.
    let x = if x > 89.0 { 89.0 } else { x };
    let x = if x < -87.0 { -87.0 } else { x };
    let whole = x * std::f32::consts::LOG2_E + WHOLE;
    let n = whole - WHOLE;
    let rest = (x - n * LN_2[0]) - n * LN_2[1];
    let mut sum = 1.0 / 5040.0;
    for term in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        sum = sum * rest + term;
    }
    let power = whole.to_bits().wrapping_sub(WHOLE.to_bits()).wrapping_add(127) << 23;
    sum * f32::from_bits(power)
}

/// σ(z) = 1 / (1 + e^−z).
#[inline(always)]
fn sigmoid(z: f32) -> f32 {
    1.0 / (1.0 + exp(-z))
}

/// z ← z · σ(z).
pub(crate) struct Swish<'a> {
    pub(crate) z: &'a mut [f32],
}

// SAFETY: a plain loop.
unsafe impl Kernel for Swish<'_> {
    fn check(&self) {}

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for z in self.z {
            *z *= sigmoid(*z);
        }
    }
}

/// g ← g · swish′(z), z being the normal of y; swish′(z) = σ(z) (1 + z (1 − σ(z))).
pub(crate) struct MultiplyDerivative<'a> {
    pub(crate) y: &'a [f32],
    pub(crate) normal: Normal<'a>,
    pub(crate) g: &'a mut [f32],
}

// SAFETY: plain loops.
unsafe impl Kernel for MultiplyDerivative<'_> {
    fn check(&self) {
        self.normal.check(self.y);
        assert_eq!(self.y.len(), self.g.len(), "a gradient of another size");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Normal { scale, shift, residual } = self.normal;
        let channels = scale.len();
        let derivative = |z: f32| {
            let s = sigmoid(z);
            s * (1.0 + z * (1.0 - s))
        };
        let pixels = self.g.chunks_exact_mut(channels).zip(self.y.chunks_exact(channels));
        for (pixel, (g, y)) in pixels.enumerate() {
            let numbers = g.iter_mut().zip(y).zip(scale.iter().zip(shift));
            match residual {
                None => numbers.for_each(|((g, y), (a, b))| *g *= derivative(y * a + b)),
                Some(residual) => numbers
                    .zip(&residual[pixel * channels..])
                    .for_each(|(((g, y), (a, b)), r)| *g *= derivative(y * a + b + r)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Level;

    /// In f64, by the library's own exponential.
    fn expected(z: f64) -> (f64, f64) {
        let s = 1.0 / (1.0 + (-z).exp());
        (z * s, s * (1.0 + z * (1.0 - s)))
    }

    #[test]
    fn swish_and_its_derivative_are_those_of_the_library_s_exponential_at_every_level() {
        let z: Vec<f32> = (-4000..=4000).map(|k| k as f32 / 40.0).collect();
        for level in Level::available() {
            let (mut y, mut g) = (z.clone(), vec![1.0; z.len()]);
            level.run(Swish { z: &mut y });
            let (third, two_thirds) = (z.iter().map(|z| z / 3.0), z.iter().map(|z| z - z / 3.0 - 0.25));
            let (third, residual): (Vec<f32>, Vec<f32>) = (third.collect(), two_thirds.collect());
            let normal = Normal { scale: &[1.0], shift: &[0.25], residual: Some(&residual) };
            level.run(MultiplyDerivative { y: &third, normal, g: &mut g });
            for ((z, y), g) in z.iter().zip(&y).zip(&g) {
                let (of_z, slope) = expected(f64::from(*z));
                assert!(
                    (f64::from(*y) - of_z).abs() <= 5e-7 * of_z.abs().max(1e-28),
                    "{level:?}: {z}: {y}, {of_z}"
                );
                assert!((f64::from(*g) - slope).abs() < 2e-5, "{level:?}: {z}: {g}, {slope}");
            }
            let mut odd = [f32::NAN, f32::INFINITY, -90.0, -1e30, -1e37, f32::MIN];
            level.run(Swish { z: &mut odd });
            let zeros = odd[2..].iter().all(|y| y.abs() <= 0.0);
            assert!(odd[0].is_nan() && odd[1].is_infinite() && odd[1] > 0.0 && zeros, "{odd:?}");
            let (y, normal) = ([-1e37], Normal { scale: &[1.0], shift: &[0.0], residual: None });
            let mut g = [1.0];
            level.run(MultiplyDerivative { y: &y, normal, g: &mut g });
            assert!(g[0].abs() <= 0.0, "{level:?}: {g:?}");
        }
    }
}
