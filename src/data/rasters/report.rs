//! What was cut, and what was left out for which reason.

use serde::Serialize;

use super::split::{Fate, Part};
use crate::Bands;

/// What was cut, and what was left out for which reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The label raster's file.
    pub labels: String,
    /// Rows and columns of a patch.
    pub patch_size: usize,
    /// The bands in the order of the channels.
    pub bands: Bands,
    /// Metres on the ground a pixel, where the files say.
    pub ground_sampling_distance: Option<f64>,
    /// What a pixel's number is.
    pub unit: String,
    /// A value in the files is multiplied by this,
    pub scale: f64,
    /// and this is added.
    pub offset: f64,
    /// The percentages of training/validation/testing that were aimed at.
    pub split: String,
    /// The seed of the split.
    pub seed: u64,
    /// Classes that the raster holds, with their pixels and regions.
    pub classes: Vec<ClassCount>,
    /// What each date gave.
    pub dates: Vec<DateCount>,
}

/// A class of the label raster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ClassCount {
    /// The class's code.
    pub code: String,
    /// The class's code and name.
    pub name: String,
    /// Its index in label columns.
    pub index: usize,
    /// Labelled pixels.
    pub pixels: usize,
    /// Connected regions.
    pub regions: usize,
}

/// The labelled pixels of one date: those at the border, without data, and in the three parts add up
/// to all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DateCount {
    /// The date's files.
    pub files: Vec<String>,
    /// Pixels left out because their window leaves the scene.
    pub at_border: usize,
    /// Pixels left out because their window holds a pixel without data.
    pub without_data: usize,
    /// What became of the training regions.
    pub training: PartCount,
    /// What became of the validation regions.
    pub validation: PartCount,
    /// What became of the test regions.
    pub testing: PartCount,
}

/// The windows of one part and date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartCount {
    /// Patches that were kept.
    pub patches: usize,
    /// Windows dropped because they overlap a test window.
    pub overlapping_testing: usize,
    /// Windows dropped because they overlap a validation window.
    pub overlapping_validation: usize,
    /// Patches kept, a class of the label columns.
    pub classes: Vec<usize>,
}

impl DateCount {
    /// Nothing counted yet.
    pub(super) fn new(files: Vec<String>, classes: usize) -> Self {
        let part = || PartCount { classes: vec![0; classes], ..PartCount::default() };
        Self { files, at_border: 0, without_data: 0, training: part(), validation: part(), testing: part() }
    }

    /// The windows of one part.
    pub fn part(&self, part: Part) -> &PartCount {
        match part {
            Part::Training => &self.training,
            Part::Validation => &self.validation,
            Part::Testing => &self.testing,
        }
    }

    /// Counts a pixel whose window holds data.
    pub(super) fn count(&mut self, class: usize, fate: Fate) {
        let part = match fate {
            Fate::Kept(part) | Fate::OverlapsTesting(part) => part,
            Fate::OverlapsValidation => Part::Training,
        };
        let count = match part {
            Part::Training => &mut self.training,
            Part::Validation => &mut self.validation,
            Part::Testing => &mut self.testing,
        };
        match fate {
            Fate::Kept(_) => {
                count.patches += 1;
                count.classes[class] += 1;
            }
            Fate::OverlapsTesting(_) => count.overlapping_testing += 1,
            Fate::OverlapsValidation => count.overlapping_validation += 1,
        }
    }
}

impl Report {
    /// Patches of a part, over all dates.
    pub fn patches(&self, part: Part) -> usize {
        self.dates.iter().map(|date| date.part(part).patches).sum()
    }

    /// Patches of a class in a part, over all dates.
    pub fn patches_of(&self, class: &ClassCount, part: Part) -> usize {
        self.dates.iter().map(|date| date.part(part).classes[class.index]).sum()
    }

    /// Labelled pixels, all classes together.
    pub fn labelled_pixels(&self) -> usize {
        self.classes.iter().map(|class| class.pixels).sum()
    }
}
