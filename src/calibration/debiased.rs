//! The squared calibration error without the bias of noise, with an interval.

use serde::Serialize;

use super::{Bins, check_pairs};
use crate::Result;
use crate::metrics::t_quantile;

/// The squared calibration error `Σ_b w_b (acc_b − conf_b)²` in bins, w their shares of the samples, estimated
/// without bias (Kumar, Liang & Ma 2019, *Verified Uncertainty Calibration*, §5).
///
/// The square of a bin's mean gap is larger than the gap's square by the noise's variance; here it is the mean
/// of the products of two different samples' gaps. So it may come out below 0, of a calibrated classifier in
/// about half of all cases. The ECE of Guo et al. is an average of |gaps| and has this bias too.
///
/// The interval holds whether the classifier is calibrated or not, where the estimate has other rates
/// (Sun, Chaudhari, Barnett & Dobriban 2024, *A Confidence Interval for the ℓ₂ Expected Calibration Error*):
/// it consists of the errors η ≥ 0 that a test with the variance `v₀ + v₁ η + v₂ η²` does not reject, `v₀` that
/// of a calibrated classifier. Samples must be independent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DebiasedError {
    /// The estimate, a squared error; it may be negative.
    pub value: f64,
    /// Lower end, at least 0.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
}

impl DebiasedError {
    /// Of confidences and outcomes: 0 and 1, or shares of votes. Bins of one sample are ignored. Shape: N, N.
    ///
    /// # Errors
    /// No sample, different lengths, no bin, or a confidence outside 0–1: names the row.
    ///
    /// ```
    /// use lcz::calibration::{Bins, DebiasedError};
    /// // Always 0.9, and right in 8 of 10 cases: the square of the gap, less the variance of its mean.
    /// let right: Vec<f64> = (0..10).map(|n| if n < 8 { 1.0 } else { 0.0 }).collect();
    /// let error = DebiasedError::compute(&[0.9; 10], &right, Bins::default(), 0.95)?;
    /// assert!((error.value - (0.1_f64.powi(2) - 0.16 / 9.0)).abs() < 1e-12);
    /// assert_eq!(error.lower, 0.0);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(confidence: &[f64], outcome: &[f64], bins: Bins, level: f64) -> Result<Self> {
        check_pairs("debiased calibration error", confidence, outcome)?;
        let binning = bins.cut(confidence)?;
        let mut sums = vec![[0.0; 4]; binning.len()]; // samples, Σ gap, Σ gap², Σ outcome
        for ((&b, c), y) in binning.of.iter().zip(confidence).zip(outcome) {
            let gap = y - c;
            let [n, sum, squares, outcomes] = &mut sums[b];
            (*n, *sum, *squares, *outcomes) = (*n + 1.0, *sum + gap, *squares + gap * gap, *outcomes + y);
        }
        let total = confidence.len() as f64;
        let (mut value, mut at_zero) = (0.0, 0.0);
        // Σ w g², Σ w g² s², Σ w g⁴ with the plain squares of the gaps: the shape of the error over the bins.
        let (mut plain, mut noisy, mut fourth) = (0.0, 0.0, 0.0);
        for [n, sum, squares, outcomes] in sums.into_iter().filter(|[n, ..]| *n > 1.0) {
            let (weight, square) = (n / total, (sum / n).powi(2));
            // A bin that is all right shows no variance: then that of one sample more of each outcome.
            let share = (outcomes + 1.0) / (n + 2.0);
            let variance = ((squares - n * square) / (n - 1.0)).max(share * (1.0 - share));
            value += weight * (sum * sum - squares) / (n * (n - 1.0));
            at_zero += weight * weight * 2.0 * variance * variance / (n * (n - 1.0));
            plain += weight * square;
            noisy += weight * square * variance;
            fourth += weight * square * square;
        }
        let z = t_quantile(0.5 + level / 2.0, 1e6);
        let ratio = |x: f64| if plain > 0.0 { x / plain } else { 0.0 };
        let v1 = 4.0 * ratio(noisy) / total;
        let v2 = (ratio(ratio(fourth)) - 1.0).max(0.0) / total;
        // (T − η)² ≤ z² (v₀ + v₁ η + v₂ η²); far below 0 the estimate is luck, not evidence.
        let t = value.max(-at_zero.sqrt());
        let (a, half) = (1.0 - z * z * v2, t + z * z * v1 / 2.0);
        let root = (half * half - a * (t * t - z * z * at_zero)).max(0.0).sqrt();
        let (lower, upper) = if a > 0.0 { ((half - root) / a, (half + root) / a) } else { (0.0, 1.0) };
        Ok(Self { value, lower: lower.max(0.0), upper: upper.clamp(0.0, 1.0) })
    }
}
