//! What was cut, and what was left out for which reason.

use std::path::Path;

use serde::Serialize;

use super::crs::Crs;
use super::split::{Fate, Part};
use crate::Bands;

/// What was cut, and what was left out for which reason.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Where the labels come from.
    pub labels: LabelReport,
    /// The coordinate system of the bands.
    pub crs: String,
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
    /// Pixels of the finest band that lie at least between windows of different parts.
    pub buffer: usize,
    /// The seed of the split.
    pub seed: u64,
    /// Classes that the labels hold, with their pixels and regions.
    pub classes: Vec<ClassCount>,
    /// What each date gave.
    pub dates: Vec<DateCount>,
}

/// Where labels come from, and how they were brought to the grid of the bands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelReport {
    /// The file's name.
    pub file: String,
    /// Its coordinate system.
    pub crs: String,
    /// Whether it was reprojected to the grid of the bands.
    pub reprojected: bool,
    /// For polygons: which fields, and what they cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polygons: Option<PolygonReport>,
}

/// What became of polygons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolygonReport {
    /// The field that holds the classes.
    pub label_field: String,
    /// The field that holds the groups.
    pub group_field: Option<String>,
    /// What the group numbers 1, 2, … mean, if the groups are not numbers themselves.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_names: Vec<String>,
    /// Polygons with a class.
    pub labelled: usize,
    /// Polygons of class 0, without class or without shape.
    pub unlabelled: usize,
    /// Polygons with a class that lie outside the bands.
    pub outside: usize,
    /// Polygons with a class that lie between the centres of pixels and so cover none.
    pub between_centres: usize,
    /// Pixels that polygons of different classes cover: the later polygon counts.
    pub disputed_pixels: usize,
    /// Polygons with a class whose outline crosses itself: what they go round twice is outside.
    pub crossing: usize,
    /// The first of them, by its place in the file, counted from 1.
    pub first_crossing: Option<usize>,
}

impl LabelReport {
    pub(super) fn new(path: &Path, crs: &Crs, reprojected: bool) -> Self {
        Self { file: shown(path), crs: crs.to_string(), reprojected, polygons: None }
    }
}

impl PolygonReport {
    /// Logs what a user should know of.
    pub(super) fn warn(&self, path: &Path) {
        let path = path.display();
        if self.disputed_pixels > 0 {
            tracing::warn!(
                "{path}: polygons of different classes overlap in {} pixels: the later one counts",
                self.disputed_pixels
            );
        }
        if let Some(first) = self.first_crossing {
            tracing::warn!(
                "{path}: {} of {} polygons cross themselves, first polygon {first}: what they go round twice is taken as \
                 outside; mend them (ogr2ogr -makevalid) if that is not meant",
                self.crossing,
                self.labelled
            );
        }
        if self.outside > 0 {
            tracing::warn!("{path}: {} of {} polygons lie outside the bands", self.outside, self.labelled);
        }
        if self.between_centres > 0 {
            tracing::warn!(
                "{path}: {} of {} polygons are so small or thin that they cover no pixel's centre",
                self.between_centres,
                self.labelled
            );
        }
    }
}

/// A path's last part, which names the file without telling where it lay.
pub(super) fn shown(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// A class of the labels.
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
    /// Regions: connected ones, or groups of polygons.
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
