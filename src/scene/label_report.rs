//! Where labels come from, and what became of polygons.

use std::path::Path;

use serde::Serialize;

use super::crs::Crs;

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
        let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        Self { file, crs: crs.to_string(), reprojected, polygons: None }
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
