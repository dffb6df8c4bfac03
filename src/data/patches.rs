//! Labelled image patches, wherever they lie: the one form in which models see data.

/// A set of patches.
#[derive(Debug, Clone)]
pub struct Patches;
