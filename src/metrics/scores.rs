//! The headline numbers of an evaluation, gathered for a table or a JSON file.

use std::fmt;

use serde::Serialize;

use super::{
    ClassScores, ClassSet, ConfusionMatrix, Floor, brier_loss, cross_entropy_loss, kl_divergence_loss,
};
use crate::{LabelDistributions, Labels, Probabilities, Result};

/// What is reported of a classifier on a labelled set.
///
/// Macro averages go over the classes present in the reference or the prediction
/// ([`ClassSet::Present`]). Losses are clipped as scikit-learn clips them ([`Floor::SCIKIT_LEARN`]), so
/// that one impossible sample does not hide the others; [`ruled_out`](Self::ruled_out) counts such
/// samples. A score that is not defined is NaN, `null` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scores {
    /// How many samples (or pixels), N.
    pub samples: usize,
    /// OA.
    pub overall_accuracy: f64,
    /// AA, over classes present in the reference.
    pub average_accuracy: f64,
    /// Cohen's κ.
    pub kappa: f64,
    /// Macro precision.
    pub macro_precision: f64,
    /// Macro recall.
    pub macro_recall: f64,
    /// Macro F1.
    pub macro_f1: f64,
    /// Macro IoU.
    pub mean_iou: f64,
    /// Precision weighted by support.
    pub weighted_precision: f64,
    /// Recall weighted by support.
    pub weighted_recall: f64,
    /// F1 weighted by support.
    pub weighted_f1: f64,
    /// `OA_u`, where all classes are zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_accuracy: Option<f64>,
    /// `OA_bu`, where all classes are zones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_or_natural_accuracy: Option<f64>,
    /// Cross-entropy against the one class, in nats.
    pub cross_entropy: f64,
    /// Brier's loss against the one class, 0–2.
    pub brier: f64,
    /// Samples whose own class was predicted to be impossible (p = 0); unclipped, the cross-entropy of
    /// one such sample is infinite.
    pub ruled_out: usize,
    /// Losses against the experts' votes, where there are votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes: Option<VoteScores>,
    /// The table of classes.
    pub classes: Vec<ClassScores>,
}

/// Losses against label distributions, such as the votes of several experts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VoteScores {
    /// Cross-entropy, in nats; at best [`entropy`](Self::entropy).
    pub cross_entropy: f64,
    /// KL(y‖p), in nats; at best 0.
    pub kl_divergence: f64,
    /// Brier's loss, 0–2.
    pub brier: f64,
    /// The mean entropy of the label distributions themselves, in nats.
    pub entropy: f64,
}

impl fmt::Display for Scores {
    /// One line: `OA 0.850, AA 0.720, kappa 0.810, cross-entropy 0.440 nats (N = 200)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { overall_accuracy, average_accuracy, kappa, cross_entropy, samples, .. } = self;
        write!(f, "OA {overall_accuracy:.3}, AA {average_accuracy:.3}, kappa {kappa:.3}, ")?;
        write!(f, "cross-entropy {cross_entropy:.3} nats")?;
        if let Some(votes) = &self.votes {
            write!(f, ", {:.3} against the votes", votes.cross_entropy)?;
        }
        write!(f, " (N = {samples})")
    }
}

impl Scores {
    /// Scores predictions against one class per sample and, where there are any, against the same
    /// samples' label distributions.
    ///
    /// # Errors
    /// No sample, or different lengths or class lists.
    ///
    /// ```
    /// use lcz::metrics::Scores;
    /// use lcz::{Classes, Labels, Probabilities, Votes};
    ///
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = Probabilities::new(classes.clone(), ndarray::array![[0.8, 0.2], [0.5, 0.5]])?;
    /// let labels = Labels::new(classes.clone(), vec![0, 1])?;
    /// let votes = Votes::new(classes, ndarray::array![[8.0, 2.0], [5.0, 5.0]])?;
    /// let scores = Scores::compute(&p, &labels, Some(&votes.distributions()))?;
    /// let text = "OA 0.500, AA 0.500, kappa 0.000, cross-entropy 0.458 nats, 0.597 against the votes (N = 2)";
    /// assert_eq!(scores.to_string(), text);
    /// assert_eq!(scores.overall_accuracy, 0.5); // a tie goes to the first class
    /// assert!(scores.votes.is_some_and(|votes| votes.kl_divergence.abs() < 1e-12));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(
        predicted: &Probabilities,
        reference: &Labels,
        votes: Option<&LabelDistributions>,
    ) -> Result<Self> {
        let cross_entropy = cross_entropy_loss(predicted, reference, Floor::SCIKIT_LEARN)?;
        let confusion = ConfusionMatrix::from_labels(reference, &predicted.predicted())?;
        let p = predicted.view();
        let ruled_out = reference.indices().iter().enumerate().filter(|&(n, &k)| p[[n, k]] == 0.0).count();
        Ok(Self {
            samples: reference.len(),
            overall_accuracy: confusion.overall_accuracy_score(),
            average_accuracy: confusion.average_accuracy_score(),
            kappa: confusion.kappa_score(),
            macro_precision: confusion.macro_precision_score(ClassSet::Present),
            macro_recall: confusion.macro_recall_score(ClassSet::Present),
            macro_f1: confusion.macro_f1_score(ClassSet::Present),
            mean_iou: confusion.mean_iou_score(ClassSet::Present),
            weighted_precision: confusion.weighted_precision_score(),
            weighted_recall: confusion.weighted_recall_score(),
            weighted_f1: confusion.weighted_f1_score(),
            built_accuracy: confusion.built_accuracy_score(),
            built_or_natural_accuracy: confusion.built_or_natural_accuracy_score(),
            cross_entropy,
            brier: brier_loss(predicted, reference)?,
            ruled_out,
            votes: votes.map(|y| VoteScores::compute(predicted, y)).transpose()?,
            classes: confusion.per_class(),
        })
    }
}

impl VoteScores {
    /// Scores predictions against label distributions; clipped as in [`Scores`].
    ///
    /// # Errors
    /// No sample, or different lengths or class lists.
    pub fn compute(predicted: &Probabilities, y: &LabelDistributions) -> Result<Self> {
        let cross_entropy = cross_entropy_loss(predicted, y, Floor::SCIKIT_LEARN)?;
        Ok(Self {
            cross_entropy,
            kl_divergence: kl_divergence_loss(predicted, y, Floor::SCIKIT_LEARN)?,
            brier: brier_loss(predicted, y)?,
            entropy: y.entropy().iter().sum::<f64>() / y.len() as f64,
        })
    }
}
