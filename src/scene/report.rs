//! Report of the patches cut, and of those left out by reason.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::{Crs, Part, Radiometry, Scaling, Scene};
use crate::display::printable;
use crate::{Bands, Result};

/// Report of the patches cut, and of those left out by reason: the text of `report.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CutReport {
    /// Where the labels come from.
    pub labels: LabelReport,
    /// Whether patches carry the class of each pixel, rather than one class each.
    pub masks: bool,
    /// The coordinate system of the bands.
    pub crs: String,
    /// The box that was cut, `west,south,east,north` in degrees; none for the whole scene.
    pub bbox: Option<String>,
    /// Rows and columns of a patch.
    pub patch_size: usize,
    /// The bands in the order of the channels.
    pub bands: Bands,
    /// Metres on the ground per pixel, where the files say.
    pub ground_sampling_distance: Option<f64>,
    /// Width and height of the files' pixels in metres, where these were not square and were resampled.
    pub resampled_from: Option<[f64; 2]>,
    /// The unit of the pixels.
    pub unit: String,
    /// The percentages of training/validation/testing that were aimed at.
    pub split: String,
    /// Without masks: pixels of the finest band that lie at least between windows of different parts.
    pub buffer: usize,
    /// With masks: pixels from tile to tile, else 0.
    pub stride: usize,
    /// With masks: tiles along a block of ground, else 0.
    pub block: usize,
    /// The seed of the split.
    pub seed: u64,
    /// Classes that the labels hold, with their pixels and regions.
    pub classes: Vec<LabelledClass>,
    /// What each date gave.
    pub dates: Vec<DateReport>,
}

/// A class of the labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LabelledClass {
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

/// The candidates of one date: windows around labelled pixels, or tiles. Those left out and those of the three parts add
/// up to all.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DateReport {
    /// The scene: a product, a folder, or its files.
    pub scene: String,
    /// The date's files.
    pub files: Vec<String>,
    /// How the values of each band became pixels.
    pub scaling: Vec<Scaling>,
    /// The same in words; none where the pixels are the values.
    pub conversion: Option<String>,
    /// Windows left out because they leave the scene or the box.
    pub at_border: usize,
    /// Windows or tiles left out because they hold a pixel without data.
    pub without_data: usize,
    /// Windows or tiles left out because clouds and shadows hide too much of them.
    pub cloudy: usize,
    /// Tiles left out because no pixel has a class.
    pub unlabelled: usize,
    /// Tiles left out because they reach into blocks of two parts.
    pub across_blocks: usize,
    /// What became of the training regions.
    pub training: PartReport,
    /// What became of the validation regions.
    pub validation: PartReport,
    /// What became of the test regions.
    pub testing: PartReport,
}

/// The patches of one part and date.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PartReport {
    /// Patches that were kept.
    pub patches: usize,
    /// Windows dropped because they overlap a test window.
    pub overlapping_testing: usize,
    /// Windows dropped because they overlap a validation window.
    pub overlapping_validation: usize,
    /// Per class of the label columns: patches kept, or with masks the pixels of these.
    pub classes: Vec<usize>,
}

impl DateReport {
    /// Nothing counted yet.
    pub(super) fn new(date: &Scene, radiometry: &Radiometry, classes: usize) -> Result<Self> {
        let part = || PartReport { classes: vec![0; classes], ..PartReport::default() };
        Ok(Self {
            scene: date.name(),
            files: date.file_names(),
            scaling: date.scaling(radiometry)?,
            conversion: date.conversion(radiometry)?,
            training: part(),
            validation: part(),
            testing: part(),
            ..Self::default()
        })
    }

    /// The patches of one part.
    pub fn part(&self, part: Part) -> &PartReport {
        match part {
            Part::Training => &self.training,
            Part::Validation => &self.validation,
            Part::Testing => &self.testing,
        }
    }

    pub(super) fn part_mut(&mut self, part: Part) -> &mut PartReport {
        match part {
            Part::Training => &mut self.training,
            Part::Validation => &mut self.validation,
            Part::Testing => &mut self.testing,
        }
    }

    /// Windows dropped because they overlap one of another part.
    pub fn overlapping(&self) -> usize {
        let parts = Part::ALL.map(|part| self.part(part));
        parts.iter().map(|p| p.overlapping_testing + p.overlapping_validation).sum()
    }
}

impl CutReport {
    /// Patches of a part, over all dates.
    pub fn patches(&self, part: Part) -> usize {
        self.dates.iter().map(|date| date.part(part).patches).sum()
    }

    /// Patches of a class in a part, over all dates; with masks their pixels of it.
    pub fn of_class(&self, class: &LabelledClass, part: Part) -> usize {
        self.dates.iter().map(|date| date.part(part).classes[class.index]).sum()
    }

    /// Labelled pixels, all classes together.
    pub fn labelled_pixels(&self) -> usize {
        self.classes.iter().map(|class| class.pixels).sum()
    }
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
    /// Its provenance, where it states one.
    pub provenance: Option<String>,
    /// For polygons: which fields, and what they cover.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polygons: Option<PolygonReport>,
}

/// What became of polygons.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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
    /// The first of them, by its place in the file, counted from 1.
    pub first_unlabelled: Option<usize>,
    /// What the first of them are called, where polygons have names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unlabelled_names: Vec<String>,
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
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { file, crs: crs.to_string(), reprojected, provenance: None, polygons: None }
    }
}

impl fmt::Display for PolygonReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { label_field, labelled, unlabelled, outside, between_centres, .. } = self;
        write!(
            f,
            "{labelled} polygons with a class in {label_field} ({unlabelled} without, {outside} outside, \
             {between_centres} too small to cover a pixel's centre)"
        )
    }
}

/// The names of some of `of` polygons: ` ('park', 'old town', …)`.
pub(super) fn named(names: &[String], of: usize) -> String {
    if names.is_empty() {
        return String::new();
    }
    let names: Vec<String> = names.iter().map(|name| format!("'{}'", printable(name, 40))).collect();
    format!(" ({}{})", names.join(", "), if of > names.len() { ", …" } else { "" })
}

impl PolygonReport {
    /// Logs what a user should know of.
    pub(super) fn warn(&self, path: &Path) {
        let path = path.display();
        if let Some(first) = self.first_unlabelled {
            tracing::warn!(
                "{path}: {} of {} polygons have no class or no shape, first polygon {first}{}: they cover nothing",
                self.unlabelled,
                self.labelled + self.unlabelled,
                named(&self.unlabelled_names, self.unlabelled)
            );
        }
        if self.disputed_pixels > 0 {
            tracing::warn!(
                "{path}: polygons of different classes overlap in {} pixels: the later one counts",
                self.disputed_pixels
            );
        }
        if let Some(first) = self.first_crossing {
            tracing::warn!(
                "{path}: {} of {} polygons cross themselves, first polygon {first}: what they go round twice is taken as \
                 outside; fix them (ogr2ogr -makevalid) if that is not meant",
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
