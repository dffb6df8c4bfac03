//! The smooth calibration error, which has no bins (Błasiok & Nakkiran 2023, *Smooth ECE: Principled Reliability
//! Diagrams via Kernel Smoothing*).

use serde::Serialize;

use super::{check_confidences, check_pairs};
use crate::Result;

/// Cells of the grid on [0, 1] that residuals are smoothed on.
const CELLS: usize = 400;
/// Bandwidths of the curve.
const CURVE: [f64; 2] = [0.03, 0.06];
/// No bandwidth is smaller.
const LEAST_BANDWIDTH: f64 = 1e-3;

/// The smooth calibration error of confidences and its curve.
///
/// `smECE_σ = ∫ |(1/N) Σ_n (y_n − c_n) K_σ(t, c_n)| dt` with the Gaussian kernel reflected at 0 and 1; the
/// error is the one σ that equals its own `smECE_σ`. It is within a constant factor of the distance to the
/// nearest calibrated predictor, which no binned error is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SmoothCalibration {
    /// smECE, from 0 to 1.
    pub error: f64,
    /// The bandwidth of the curve: the error, but from 0.03 to 0.06; a wider one would flatten the curve's ends.
    pub bandwidth: f64,
    /// Accuracy as a function of confidence, smoothed with this bandwidth.
    pub curve: Vec<SmoothPoint>,
}

/// A point of the smoothed curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SmoothPoint {
    /// Confidence.
    pub confidence: f64,
    /// Smoothed accuracy.
    pub accuracy: f64,
    /// Share of the samples per unit of confidence.
    pub density: f64,
}

impl SmoothCalibration {
    /// Of confidences and outcomes: 0 and 1, or shares of votes. Shape: N, N.
    ///
    /// # Errors
    /// No sample, different lengths, or a confidence outside 0–1: names the row.
    ///
    /// ```
    /// use lcz::calibration::SmoothCalibration;
    /// // Always 0.8, and right in 8 of 10 cases.
    /// let right: Vec<f64> = (0..10).map(|n| if n < 8 { 1.0 } else { 0.0 }).collect();
    /// assert!(SmoothCalibration::compute(&[0.8; 10], &right)?.error < 1e-6);
    /// // Always 0.9: off by 0.1, and so is its smooth error.
    /// assert!((SmoothCalibration::compute(&[0.9; 10], &right)?.error - 0.1).abs() < 1e-3);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(confidence: &[f64], outcome: &[f64]) -> Result<Self> {
        check_pairs("smooth calibration", confidence, outcome)?;
        check_confidences(confidence)?;
        let (mut residuals, mut density, mut outcomes) =
            (vec![0.0; CELLS], vec![0.0; CELLS], vec![0.0; CELLS]);
        let share = 1.0 / confidence.len() as f64;
        for (&c, &y) in confidence.iter().zip(outcome) {
            let spot = Spot::of(c);
            spot.add(&mut residuals, (y - c) * share);
            spot.add(&mut density, share);
            spot.add(&mut outcomes, y * share);
        }
        let mut smoother = Smoother::default();
        let error = smoother.error(&residuals);
        let bandwidth = error.clamp(CURVE[0], CURVE[1]);
        let smooth = |values: &[f64]| Smoother::default().smoothed(values, bandwidth).to_vec();
        let (density, outcomes) = (smooth(&density), smooth(&outcomes));
        let point = |cell: usize| SmoothPoint {
            confidence: (cell as f64 + 0.5) / CELLS as f64,
            accuracy: outcomes[cell] / density[cell],
            density: density[cell] * CELLS as f64,
        };
        // Where there are practically no samples, the quotient is one of rounding errors.
        let curve = (0..CELLS).filter(|&cell| density[cell] > 1e-9).map(point).collect();
        Ok(Self { error, bandwidth, curve })
    }
}

/// Where a confidence lies on the grid: its mass is divided between two cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spot {
    cell: usize,
    next: f64,
}

impl Spot {
    pub fn of(confidence: f64) -> Self {
        let place = (confidence * CELLS as f64 - 0.5).clamp(0.0, (CELLS - 1) as f64);
        let cell = (place as usize).min(CELLS - 2);
        Self { cell, next: place - cell as f64 }
    }

    pub fn add(self, grid: &mut [f64], mass: f64) {
        grid[self.cell] += (1.0 - self.next) * mass;
        grid[self.cell + 1] += self.next * mass;
    }
}

/// An empty grid.
pub(crate) fn grid() -> Vec<f64> {
    vec![0.0; CELLS]
}

/// Smooths grids, in memory that it keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Smoother {
    kernel: Vec<f64>,
    reflected: Vec<f64>,
    smoothed: Vec<f64>,
}

impl Smoother {
    /// smECE of residuals on the grid, each `(y − c) / N`: the zero of the falling function `smECE_σ − σ`, by
    /// the Illinois method.
    pub fn error(&mut self, residuals: &[f64]) -> f64 {
        let mut excess = |sigma: f64| {
            let smoothed = self.smoothed(residuals, sigma);
            smoothed.iter().map(|r| r.abs()).sum::<f64>() - sigma
        };
        // A bracket around a usual error, since wide kernels cost most.
        let (mut low, mut high) = (0.02, 0.02);
        let (mut at_low, mut at_high) = (excess(low), f64::NEG_INFINITY);
        if at_low > 0.0 {
            while at_high.is_infinite() || at_high > 0.0 {
                (low, at_low) = if at_high > 0.0 { (high, at_high) } else { (low, at_low) };
                high = 2.0 * low;
                at_high = excess(high);
            }
        } else {
            at_high = at_low;
            while at_low <= 0.0 {
                (high, at_high) = (low, at_low);
                low = 0.5 * high;
                if low < LEAST_BANDWIDTH {
                    return (excess(LEAST_BANDWIDTH) + LEAST_BANDWIDTH).min(high);
                }
                at_low = excess(low);
            }
        }
        let mut side = 0;
        for _ in 0..60 {
            if high - low < 1e-6 {
                break;
            }
            let middle = (low * at_high - high * at_low) / (at_high - at_low);
            let at_middle = excess(middle);
            if at_middle.abs() < 1e-6 {
                return middle;
            }
            if at_middle > 0.0 {
                (low, at_low) = (middle, at_middle);
                if side == 1 {
                    at_high *= 0.5;
                }
                side = 1;
            } else {
                (high, at_high) = (middle, at_middle);
                if side == -1 {
                    at_low *= 0.5;
                }
                side = -1;
            }
        }
        0.5 * (low + high)
    }

    /// The convolution with a Gaussian of width σ, the grid reflected at both ends.
    fn smoothed(&mut self, values: &[f64], sigma: f64) -> &[f64] {
        let width = sigma * CELLS as f64;
        let reach = (4.0 * width).ceil() as usize;
        self.kernel.clear();
        self.kernel
            .extend((0..=2 * reach).map(|d| (-0.5 * ((d as f64 - reach as f64) / width).powi(2)).exp()));
        let total: f64 = self.kernel.iter().sum();
        let reflect = |at: usize| {
            let place = (at as isize - reach as isize).rem_euclid(2 * CELLS as isize) as usize;
            values[if place < CELLS { place } else { 2 * CELLS - 1 - place }] / total
        };
        self.reflected.clear();
        self.reflected.extend((0..CELLS + 2 * reach).map(reflect));
        self.smoothed.clear();
        self.smoothed.resize(CELLS, 0.0);
        for (d, weight) in self.kernel.iter().enumerate() {
            for (sum, value) in self.smoothed.iter_mut().zip(&self.reflected[d..]) {
                *sum += weight * value;
            }
        }
        &self.smoothed
    }
}
