//! Labelled sets of a study of many runs, and the predictions that runs store.

use std::path::Path;

use crate::data::Patches;
use crate::data::predictions::{self, Predictions, Stated};
use crate::nn::Labelled;
use crate::scorecard::Reference;
use crate::{Error, LabelDistributions, Labels, Probabilities, Result, Votes};

/// Patches of at most so many bytes are read once, for all runs.
const KEPT_IN_MEMORY: usize = 1 << 30;

/// A labelled set.
pub struct LabelledSet {
    /// The patches.
    pub patches: Patches,
    /// One class per patch.
    pub labels: Labels,
    /// The training targets: the experts' votes, or the labels where there are none.
    pub y: LabelDistributions,
}

impl LabelledSet {
    pub(super) fn of(patches: Patches) -> Result<Self> {
        let labels = patches.labels_or_majority()?;
        let y = if patches.has_distributions() { patches.distributions()? } else { labels.one_hot() };
        Ok(Self { patches, labels, y })
    }

    pub(super) fn labelled(&self) -> Labelled<'_> {
        Labelled { patches: &self.patches, labels: &self.y }
    }
}

/// The same patches, read once, unless they are many.
pub(super) fn in_memory(patches: &Patches) -> Result<Patches> {
    let imagery = patches.imagery();
    let bytes = patches.len() * imagery.patch_size * imagery.patch_size * imagery.bands.len() * 4;
    if bytes > KEPT_IN_MEMORY {
        return Ok(patches.clone());
    }
    let images = patches.images(0..patches.len())?;
    let mut kept = Patches::in_memory(imagery.clone(), patches.classes().clone(), images)?
        .with_provenance(patches.provenance());
    if patches.has_labels() {
        kept = kept.with_labels(&patches.labels()?)?;
    }
    if patches.has_votes() {
        kept = kept.with_votes(&patches.votes()?)?;
    }
    if let Some(groups) = patches.groups() {
        kept = kept.with_groups(groups)?;
    }
    // Distributions that are no votes stay with the file.
    if patches.has_distributions() && !kept.has_distributions() { Ok(patches.clone()) } else { Ok(kept) }
}

/// The test set that runs have stored predictions of.
#[derive(Debug, Clone)]
pub(super) struct TestSet {
    pub labels: Labels,
    /// The experts' votes as distributions, or the label distributions of the file.
    pub y: Option<LabelDistributions>,
    pub votes: Option<Votes>,
    pub groups: Option<Vec<i32>>,
    pub provenance: String,
}

impl TestSet {
    /// Labels, distributions and groups: for measures without resampled votes.
    pub fn reference(&self) -> Reference<'_> {
        let mut reference = Reference::new(&self.labels);
        if let Some(y) = &self.y {
            reference = reference.with_distributions(y);
        }
        if let Some(groups) = &self.groups {
            reference = reference.with_groups(groups);
        }
        reference
    }
}

/// Predictions that a run has stored, with the temperature that they were scaled by, and their test set.
pub(super) fn read_predictions(path: &Path) -> Result<(Probabilities, Option<f64>, TestSet)> {
    if !path.is_file() {
        return Err(Error::file(path, "not there", "repeat the study in its folder"));
    }
    let Predictions { predicted, labels, votes, distributions, groups, provenance, temperature } =
        predictions::read(path, None)?;
    let Stated::Probabilities(p) = predicted else {
        return Err(Error::file(path, "no probabilities", "remove it, and repeat the study"));
    };
    let y = votes.as_ref().map(Votes::distributions).or(distributions);
    let test = TestSet { labels, y, votes, groups, provenance };
    Ok((p, temperature.map(|by| by.temperature), test))
}
