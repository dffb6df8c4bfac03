//! The majority class: the baseline that ignores the pixels.

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::damaged;
use crate::data::Patches;
use crate::models::{Classifier, check_labels, described_as};
use crate::{Classes, Error, Imagery, Labels, Probabilities, Result};

/// Predicts the most frequent training class for every sample.
///
/// The probabilities are the training frequencies: no constant prediction has a lower cross-entropy
/// on the training set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredMajority")]
pub struct MajorityClass {
    imagery: Imagery,
    classes: Classes,
    counts: Vec<usize>,
}

impl MajorityClass {
    /// Counts the labels of the training patches.
    ///
    /// # Errors
    /// No label, or another number of labels than patches.
    pub fn fit(patches: &Patches, labels: &Labels) -> Result<Self> {
        check_labels(patches, labels)?;
        Ok(Self {
            imagery: patches.imagery().clone(),
            classes: labels.classes().clone(),
            counts: labels.counts(),
        })
    }
}

impl Classifier for MajorityClass {
    described_as!("majority class");

    /// The same frequencies for each patch; no pixel is read.
    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        let total = self.counts.iter().sum::<usize>() as f64;
        let frequency = |(_, k): (usize, usize)| self.counts[k] as f64 / total;
        let p = Array2::from_shape_fn((patches.len(), self.counts.len()), frequency);
        Probabilities::new(self.classes.clone(), p)
    }
}

/// A [`MajorityClass`] as a file holds it, not yet checked.
#[derive(Deserialize)]
struct StoredMajority {
    imagery: Imagery,
    classes: Classes,
    counts: Vec<usize>,
}

impl TryFrom<StoredMajority> for MajorityClass {
    type Error = Error;

    fn try_from(stored: StoredMajority) -> Result<Self> {
        let StoredMajority { imagery, classes, counts } = stored;
        if counts.len() != classes.len() || counts.iter().all(|&count| count == 0) {
            return Err(damaged("majority class"));
        }
        Ok(Self { imagery, classes, counts })
    }
}
