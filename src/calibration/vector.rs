//! Vector scaling: a scale and a shift for each class (Guo et al. 2017, §4.2).

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::lbfgs::minimise;
use crate::metrics::{Target, check_samples, logits_cross_entropy_loss};
use crate::{Classes, Error, Logits, Result};

/// `z'_k = w_k z_k + b_k`: 2 K numbers, where a temperature is one. It can correct what a temperature cannot,
/// a classifier that predicts one class too often, and may change the predicted class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredScaling")]
pub struct VectorScaling {
    classes: Classes,
    /// w. Shape: K.
    scale: Vec<f64>,
    /// b, of mean 0 (a shift that all classes share does nothing). Shape: K.
    shift: Vec<f64>,
}

#[derive(Deserialize)]
struct StoredScaling {
    classes: Classes,
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl TryFrom<StoredScaling> for VectorScaling {
    type Error = String;

    fn try_from(StoredScaling { classes, scale, shift }: StoredScaling) -> std::result::Result<Self, String> {
        let [k, scales, shifts] = [classes.len(), scale.len(), shift.len()];
        if scales != k || shifts != k {
            return Err(format!("{scales} scales and {shifts} shifts for {k} classes"));
        }
        Ok(Self { classes, scale, shift })
    }
}

/// A fitted vector scaling, which `serde_json` stores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VectorFit {
    /// The scaling.
    pub scaling: VectorScaling,
    /// Cross-entropy before, in nats.
    pub loss_before: f64,
    /// Cross-entropy after, in nats.
    pub loss_after: f64,
    /// Whether the minimum was reached. There is none where some class can be separated without error:
    /// its scale then grows without limit.
    pub converged: bool,
    /// Steps taken.
    pub steps: usize,
}

impl VectorFit {
    /// The scale and shift of each class that minimise the cross-entropy, by L-BFGS from w = 1, b = 0
    /// (the problem is convex). Fit it on validation data.
    ///
    /// # Shape
    /// (N, K) logits, N labels or (N, K) label distributions → K scales, K shifts.
    ///
    /// # Errors
    /// No sample, different lengths or class lists, or a logit of −∞: names the row.
    ///
    /// ```
    /// use lcz::calibration::VectorFit;
    /// use lcz::{Classes, Labels, Logits};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let z = Logits::new(classes.clone(), ndarray::array![[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])?;
    /// let y = Labels::new(classes, vec![0, 1, 1, 0])?;
    /// let fit = VectorFit::fit(&z, &y)?;
    /// assert!(fit.converged && fit.loss_after < fit.loss_before);
    /// let mended = fit.scaling.apply(&z)?;
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn fit(z: &Logits, y: &impl Target) -> Result<Self> {
        check_samples((z.view().nrows(), z.classes()), y.extent())?;
        if let Some(row) = z.view().outer_iter().position(|row| row.iter().any(|z| !z.is_finite())) {
            let advice = "raise the probabilities to a small floor before the logarithm";
            return Err(Error::input(format!("logits, row {row}"), "a class has probability 0", advice));
        }
        let k = z.classes().len();
        let mut start = vec![1.0; 2 * k];
        start[k..].fill(0.0);
        let minimum = minimise(|theta| loss_and_gradient(z, y, theta), start);
        let (scale, shift) = minimum.at.split_at(k);
        let mean = shift.iter().sum::<f64>() / k as f64;
        let scaling = VectorScaling {
            classes: z.classes().clone(),
            scale: scale.to_vec(),
            shift: shift.iter().map(|b| b - mean).collect(),
        };
        Ok(Self {
            scaling,
            loss_before: logits_cross_entropy_loss(z, y)?,
            loss_after: minimum.value,
            converged: minimum.converged,
            steps: minimum.steps,
        })
    }
}

impl VectorScaling {
    /// w. Shape: K.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// b, of mean 0. Shape: K.
    pub fn shift(&self) -> &[f64] {
        &self.shift
    }

    /// `w_k z_k + b_k`. Shape: (N, K) → (N, K).
    ///
    /// # Errors
    /// Logits of another class list, or of −∞ where w is not positive.
    pub fn apply(&self, z: &Logits) -> Result<Logits> {
        if *z.classes() != self.classes {
            let problem = format!("classes {}, fitted to {}", z.classes(), self.classes);
            return Err(Error::input("vector scaling", problem, "use it on logits of the same classes"));
        }
        let scaled = |(n, k)| self.scale[k] * z.view()[[n, k]] + self.shift[k];
        Logits::new(self.classes.clone(), Array2::from_shape_fn(z.view().dim(), scaled))
    }
}

/// The cross-entropy at θ = (w, b), and its gradient: `(1/N) Σ_n (p_nk − y_nk) z_nk` and
/// `(1/N) Σ_n (p_nk − y_nk)`.
fn loss_and_gradient(z: &Logits, y: &impl Target, theta: &[f64]) -> (f64, Vec<f64>) {
    let k = z.classes().len();
    let (scale, shift) = theta.split_at(k);
    let mut gradient = vec![0.0; 2 * k];
    let mut loss = 0.0;
    let mut scaled = vec![0.0; k];
    for (n, row) in z.view().outer_iter().enumerate() {
        for j in 0..k {
            scaled[j] = scale[j] * row[j] + shift[j];
        }
        let largest = scaled.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let sum: f64 = scaled.iter().map(|z| (z - largest).exp()).sum();
        let log_sum = largest + sum.ln();
        for j in 0..k {
            let y = y.y(n, j);
            let p = (scaled[j] - log_sum).exp();
            loss += y * (log_sum - scaled[j]);
            gradient[j] += (p - y) * row[j];
            gradient[k + j] += p - y;
        }
    }
    let count = z.view().nrows() as f64;
    for g in &mut gradient {
        *g /= count;
    }
    (loss / count, gradient)
}
