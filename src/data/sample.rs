//! The unit of classification: patches, or pixels.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The unit of classification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sample {
    /// Each patch.
    #[default]
    Patch,
    /// Each pixel of a patch.
    Pixel,
}

impl Sample {
    /// Samples of a patch of this size.
    pub(crate) fn rows(self, patch_size: usize) -> usize {
        match self {
            Self::Patch => 1,
            Self::Pixel => patch_size * patch_size,
        }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Patch => "patch",
            Self::Pixel => "pixel",
        })
    }
}
