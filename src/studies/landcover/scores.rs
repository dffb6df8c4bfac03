//! Scores of pixels.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use crate::metrics::{ClassSet, ConfusionMatrix};
use crate::{Classes, Result};

/// A test of a network, and its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverScores {
    /// The test set, in a few words.
    pub test: String,
    /// Pixels with a class, by their class (lines) and the predicted one (columns).
    pub counts: Vec<Vec<u64>>,
    /// Pixels that have a class.
    pub pixels: u64,
    /// Share of them that is right.
    pub overall_accuracy: f64,
    /// Mean over classes that the truth or the prediction holds of |both| / |either|.
    pub mean_iou: f64,
    /// Mean F1 of the same classes.
    pub macro_f1: f64,
    /// κ.
    pub kappa: f64,
    /// Classes, all of them.
    pub classes: Vec<CoverClass>,
}

/// One class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CoverClass {
    /// Its name.
    pub name: String,
    /// Its pixels in the truth.
    pub support: u64,
    /// |both| / |either|; none where neither truth nor prediction holds it.
    pub iou: Option<f64>,
    /// Harmonic mean of precision and recall, likewise.
    pub f1: Option<f64>,
}

impl CoverScores {
    /// Of a confusion matrix.
    pub(super) fn of(test: impl Into<String>, confusion: &ConfusionMatrix) -> Self {
        let per_class = confusion.per_class();
        let of_class = |k: usize| {
            let class = &per_class[k];
            let known = class.support + class.predicted > 0;
            CoverClass {
                name: confusion.classes().name(k),
                support: class.support,
                iou: known.then_some(class.iou),
                f1: known.then_some(class.f1),
            }
        };
        Self {
            test: test.into(),
            counts: confusion.counts().outer_iter().map(|row| row.to_vec()).collect(),
            pixels: confusion.total(),
            overall_accuracy: confusion.overall_accuracy_score(),
            mean_iou: confusion.mean_iou_score(ClassSet::Present),
            macro_f1: confusion.macro_f1_score(ClassSet::Present),
            kappa: confusion.kappa_score(),
            classes: (0..per_class.len()).map(of_class).collect(),
        }
    }

    /// The confusion matrix that it is of.
    ///
    /// # Errors
    /// Counts that do not form a square matrix, such as edited ones.
    pub(super) fn confusion(&self) -> Result<ConfusionMatrix> {
        let classes = Classes::named(self.classes.iter().map(|class| class.name.clone()))?;
        let k = classes.len();
        let at = |(i, j): (usize, usize)| self.counts.get(i).and_then(|row| row.get(j)).copied().unwrap_or(0);
        ConfusionMatrix::from_counts(classes, Array2::from_shape_fn((k, k), at))
    }
}
