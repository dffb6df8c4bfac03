//! Predictions of several members for the same samples: an ensemble's networks, or dropout's passes.

use serde::Serialize;

use crate::{Probabilities, Result};

/// The predictions of M members for the same N samples: networks that were trained from different seeds,
/// or passes of one network with dropout left on.
#[derive(Debug, Clone, PartialEq)]
pub struct Members {
    all: Vec<Probabilities>,
    mean: Probabilities,
}

/// The entropy of each sample's prediction, and its two parts, in nats. Shape: N each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntropyParts {
    /// `H(p̄)`, the entropy of the members' mean.
    pub total: Vec<f64>,
    /// `(1/M) Σ_m H(p_m)`, the mean of the members' entropies: the uncertainty of each member, however many
    /// there are.
    pub aleatoric: Vec<f64>,
    /// `H(p̄) − (1/M) Σ_m H(p_m)`, what the members disagree about: the mutual information of prediction
    /// and member, from 0 to ln M.
    pub epistemic: Vec<f64>,
}

/// The means of [`EntropyParts`] over samples, in nats; NaN without samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanEntropy {
    /// Mean of `H(p̄)`.
    pub total: f64,
    /// Mean aleatoric part.
    pub aleatoric: f64,
    /// Mean epistemic part.
    pub epistemic: f64,
}

impl EntropyParts {
    /// The mean of each part over the samples.
    pub fn mean(&self) -> MeanEntropy {
        let mean = |h: &[f64]| h.iter().sum::<f64>() / h.len() as f64;
        MeanEntropy {
            total: mean(&self.total),
            aleatoric: mean(&self.aleatoric),
            epistemic: mean(&self.epistemic),
        }
    }
}

impl Members {
    /// Members, each (N, K).
    ///
    /// # Errors
    /// No member, or members of different samples or classes.
    pub fn new(members: Vec<Probabilities>) -> Result<Self> {
        let mean = Probabilities::mean_of(&members)?;
        Ok(Self { all: members, mean })
    }

    /// The members' own predictions.
    pub fn all(&self) -> &[Probabilities] {
        &self.all
    }

    /// `p̄ = (1/M) Σ_m p_m`, the ensemble's prediction; its confidence is max p̄. Shape: (N, K).
    ///
    /// ```
    /// use lcz::uncertainty::Members;
    /// use lcz::{Classes, Probabilities};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = |a: f64| Probabilities::new(classes.clone(), ndarray::array![[a, 1.0 - a]]);
    /// let members = Members::new(vec![p(1.0)?, p(0.0)?])?;
    /// assert_eq!(members.mean().confidence(), [0.5]);
    /// // Each is sure, and they disagree: all of ln 2 is epistemic.
    /// let entropy = members.entropy();
    /// assert_eq!((entropy.aleatoric[0], entropy.epistemic[0]), (0.0, 2f64.ln()));
    /// // The paper's confidence does not see that.
    /// assert_eq!(members.confidence_as_in_ldl_paper(), [1.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn mean(&self) -> &Probabilities {
        &self.mean
    }

    /// The entropy of p̄ and its aleatoric and epistemic parts. Shape: N each.
    pub fn entropy(&self) -> EntropyParts {
        let total = self.mean.entropy();
        let mut aleatoric = vec![0.0; total.len()];
        for member in &self.all {
            for (sum, h) in aleatoric.iter_mut().zip(member.entropy()) {
                *sum += h / self.all.len() as f64;
            }
        }
        // By Jensen's inequality it is not negative; rounding may be.
        let epistemic = total.iter().zip(&aleatoric).map(|(h, a)| (h - a).max(0.0)).collect();
        EntropyParts { total, aleatoric, epistemic }
    }

    /// The label distribution paper's confidence of an ensemble, `(1/M) Σ_m max_k p_mk`: the mean of the
    /// members' maxima, which may be of different classes. Never below [`mean`](Self::mean)'s confidence.
    /// Shape: N.
    pub fn confidence_as_in_ldl_paper(&self) -> Vec<f64> {
        let mut mean = vec![0.0; self.mean.len()];
        for member in &self.all {
            for (sum, confidence) in mean.iter_mut().zip(member.confidence()) {
                *sum += confidence / self.all.len() as f64;
            }
        }
        mean
    }
}
