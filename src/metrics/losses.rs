//! Losses of predicted probabilities against one class per sample or against label distributions.
//!
//! N samples, K classes, y a label, p a prediction, natural logarithms, 0 · ln 0 = 0.

use super::check_same_samples;
use crate::labels::x_ln_y;
use crate::{Classes, Error, LabelDistributions, Labels, Logits, Probabilities, Result};

/// What a prediction is compared with: one class per sample, or a distribution over the classes. Only
/// [`Labels`] and [`LabelDistributions`] are targets.
///
/// ```
/// use lcz::metrics::{Floor, Target, brier_loss, cross_entropy_loss};
/// use lcz::{Classes, Labels, Probabilities};
/// fn losses(p: &Probabilities, y: &impl Target) -> lcz::Result<[f64; 2]> {
///     Ok([brier_loss(p, y)?, cross_entropy_loss(p, y, Floor::SCIKIT_LEARN)?])
/// }
/// # fn main() -> lcz::Result<()> {
/// let classes = Classes::named(["forest", "river"])?;
/// let y = Labels::new(classes.clone(), vec![0])?;
/// let p = Probabilities::new(classes, ndarray::array![[1.0, 0.0]])?;
/// assert_eq!(losses(&p, &y)?, losses(&p, &y.one_hot())?);
/// # Ok(())
/// # }
/// ```
pub trait Target: sealed::Sealed {
    /// How many samples, and the class list.
    #[doc(hidden)]
    fn extent(&self) -> (usize, &Classes);
    /// `y_k` of the sample `row`.
    #[doc(hidden)]
    fn y(&self, row: usize, k: usize) -> f64;
}

impl Target for Labels {
    fn extent(&self) -> (usize, &Classes) {
        (self.len(), self.classes())
    }

    fn y(&self, row: usize, k: usize) -> f64 {
        f64::from(u8::from(self.indices()[row] == k))
    }
}

impl Target for LabelDistributions {
    fn extent(&self) -> (usize, &Classes) {
        (self.len(), self.classes())
    }

    fn y(&self, row: usize, k: usize) -> f64 {
        self.view()[[row, k]]
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::Labels {}
    impl Sealed for crate::LabelDistributions {}
}

/// The least probability that a logarithm is given: smaller ones, 0 above all, are raised to it.
///
/// A prediction of exactly 0 for the true class costs infinitely much. That is the exact value
/// ([`Floor::NONE`]), and it hides every other sample; with a floor ε such a sample costs −ln ε.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Floor(f64);

impl Floor {
    /// No floor: p = 0 where y > 0 makes the loss +∞.
    pub const NONE: Self = Self(0.0);

    /// ε = 2⁻⁵² ≈ 2.2e-16, the floor of scikit-learn's `log_loss` in double precision: at most 36.04
    /// nats per sample.
    pub const SCIKIT_LEARN: Self = Self(f64::EPSILON);

    /// `max(p, ε)`.
    pub(crate) fn raise(self, p: f64) -> f64 {
        p.max(self.0)
    }

    /// A floor of one's own.
    ///
    /// # Errors
    /// A number outside 0–1.
    pub fn new(epsilon: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&epsilon) {
            Ok(Self(epsilon))
        } else {
            Err(Error::input("floor of probabilities", format!("{epsilon}"), "choose 0 to 1, such as 1e-7"))
        }
    }
}

/// Cross-entropy `−(1/N) Σ_n Σ_k y_nk ln p_nk`, in nats. Against [`Labels`] it is the negative
/// log-likelihood (scikit-learn's `log_loss`); against distributions its least value is not 0 but the
/// labels' mean entropy.
///
/// # Errors
/// No sample, or different lengths or class lists.
///
/// ```
/// use lcz::metrics::{Floor, cross_entropy_loss};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.5, 0.5], [0.0, 1.0]])?;
/// let y = Labels::new(classes, vec![0, 0])?;
/// assert_eq!(cross_entropy_loss(&p, &y, Floor::NONE)?, f64::INFINITY);
/// let clipped = cross_entropy_loss(&p, &y, Floor::SCIKIT_LEARN)?;
/// assert!((clipped - (2f64.ln() + 52.0 * 2f64.ln()) / 2.0).abs() < 1e-12);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn cross_entropy_loss(p: &Probabilities, y: &impl Target, floor: Floor) -> Result<f64> {
    // `0 − …`, not `−…`: a certain and correct prediction costs 0 nats, not −0.
    mean_over_terms(p, y, |y, p| 0.0 - x_ln_y(y, floor.raise(p)))
}

/// Cross-entropy of logits z, by way of the log-softmax: `(1/N) Σ_n [ln Σ_j exp z_nj − Σ_k y_nk z_nk]`,
/// in nats. It stays exact where the softmax would round to 0. A logit of −∞ is a true p = 0: the loss
/// is +∞ where its y > 0.
///
/// # Errors
/// No sample, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::metrics::logits_cross_entropy_loss;
/// use lcz::{Classes, Labels, Logits};
/// let classes = Classes::named(["forest", "river"])?;
/// let z = Logits::new(classes.clone(), ndarray::array![[3f64.ln(), 0.0]])?; // p = 3/4, 1/4
/// let loss = logits_cross_entropy_loss(&z, &Labels::new(classes, vec![0])?)?;
/// assert!((loss + 0.75f64.ln()).abs() < 1e-12);
/// # Ok(())
/// # }
/// ```
pub fn logits_cross_entropy_loss(z: &Logits, y: &impl Target) -> Result<f64> {
    check_samples((z.view().nrows(), z.classes()), y.extent())?;
    let mut sum = 0.0;
    for (n, row) in z.view().outer_iter().enumerate() {
        let largest = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let log_sum = row.iter().map(|z| (z - largest).exp()).sum::<f64>().ln();
        for (k, z) in row.iter().enumerate() {
            let y = y.y(n, k);
            if y > 0.0 {
                sum += y * (log_sum - (z - largest));
            }
        }
    }
    Ok(sum / z.view().nrows() as f64)
}

/// Kullback–Leibler divergence `KL(y‖p) = (1/N) Σ_n Σ_k y_nk ln(y_nk / p_nk)`, in nats: the
/// cross-entropy less the labels' entropy, 0 where the prediction is the label.
///
/// # Errors
/// No sample, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::metrics::{Floor, kl_divergence_loss};
/// use lcz::{Classes, LabelDistributions, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.5, 0.5]])?;
/// let of = |y: [f64; 2]| LabelDistributions::new(classes.clone(), ndarray::array![y]);
/// let (unanimous, split) = (of([1.0, 0.0])?, of([0.5, 0.5])?);
/// assert!((kl_divergence_loss(&p, &unanimous, Floor::NONE)? - 2f64.ln()).abs() < 1e-12);
/// assert_eq!(kl_divergence_loss(&p, &split, Floor::NONE)?, 0.0);
/// # Ok(())
/// # }
/// ```
pub fn kl_divergence_loss(p: &Probabilities, y: &impl Target, floor: Floor) -> Result<f64> {
    mean_over_terms(p, y, |y, p| x_ln_y(y, y / floor.raise(p)))
}

/// Brier's loss `(1/N) Σ_n Σ_k (p_nk − y_nk)²`, from 0 to 2 (Brier 1950, *Verification of Forecasts
/// Expressed in Terms of Probability*). Some texts halve it, or give the binary form.
///
/// # Errors
/// No sample, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::metrics::brier_loss;
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25]])?;
/// assert_eq!(brier_loss(&p, &Labels::new(classes, vec![0])?)?, 0.125); // (3/4 − 1)² + (1/4)²
/// # Ok(())
/// # }
/// ```
pub fn brier_loss(p: &Probabilities, y: &impl Target) -> Result<f64> {
    mean_over_terms(p, y, |y, p| (p - y).powi(2))
}

/// `(1/N) Σ_n Σ_k term(y_nk, p_nk)`.
fn mean_over_terms(p: &Probabilities, y: &impl Target, term: impl Fn(f64, f64) -> f64) -> Result<f64> {
    check_samples((p.len(), p.classes()), y.extent())?;
    let terms = p.view().indexed_iter().map(|((n, k), &p)| term(y.y(n, k), p)).sum::<f64>();
    Ok(terms / p.len() as f64)
}

/// Labels and predictions must be of the same samples, one at least, over the same classes.
pub(crate) fn check_samples(predictions: (usize, &Classes), labels: (usize, &Classes)) -> Result<()> {
    check_same_samples(labels, predictions)?;
    if labels.0 == 0 {
        return Err(Error::input("scores", "no sample", "give at least one label and its prediction"));
    }
    Ok(())
}
