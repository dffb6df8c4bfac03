//! Labelled sets of a study of many runs.

use crate::data::Patches;
use crate::nn::Labelled;
use crate::{LabelDistributions, Labels, Result};

/// Patches of at most so many bytes are read once, for all runs.
const KEPT_IN_MEMORY: usize = 1 << 30;

/// A labelled set.
pub(super) struct Set {
    pub patches: Patches,
    pub labels: Labels,
    /// What is learnt: the experts' votes, or the labels where there are none.
    pub y: LabelDistributions,
}

impl Set {
    pub fn of(patches: Patches) -> Result<Self> {
        let labels = patches.labels_or_majority()?;
        let y = if patches.has_distributions() { patches.distributions()? } else { labels.one_hot() };
        Ok(Self { patches, labels, y })
    }

    pub fn labelled(&self) -> Labelled<'_> {
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
