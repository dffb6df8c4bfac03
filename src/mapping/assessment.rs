//! Accuracy of a class map, made by lcz or any other program, against reference polygons or a reference raster.

use std::path::Path;

use ndarray::Array2;
use serde::Serialize;

use crate::data::predictions::{Predictions, Stated};
use crate::metrics::{ClassScores, ConfusionMatrix, adjusted_areas};
use crate::provenance::UNKNOWN;
use crate::run;
use crate::scene::{GeoTiff, GeoTiffWriter, Grid, LabelReport, Labelling};
use crate::scorecard::{Scorecard, ScorecardSettings};
use crate::{Error, Labels, Progress, Result};

/// How a map is assessed.
#[derive(Debug, Clone, Default)]
pub struct Assessing {
    /// How the reference is read; its classes are those of the map.
    pub labelling: Labelling,
    /// The map's band of classes, by description or number. If it is not named, the one that is called `lcz`, else the only one
    /// that can be meant.
    pub band: Option<String>,
    /// The measures' settings.
    pub settings: ScorecardSettings,
    /// Provenance of the reference, if its file does not state it.
    pub data: Option<String>,
}

/// A map compared with its reference.
#[derive(Debug, Serialize)]
pub struct Assessment {
    /// Where map and reference come from.
    pub provenance: String,
    /// The map's band of classes, if it has several.
    pub band: Option<String>,
    /// The reference.
    pub labels: LabelReport,
    /// Pixels of the map with a reference class.
    pub pixels: usize,
    /// Those of them that have no class on the map, which do not count.
    pub without_class: usize,
    /// The measures; intervals over polygons (of a raster: connected regions), which the pixels of each belong to.
    #[serde(flatten)]
    pub card: Scorecard,
    /// Reference in rows, map in columns.
    #[serde(skip)]
    pub confusion: ConfusionMatrix,
    /// Pixels of each class on the whole map.
    #[serde(skip)]
    pub mapped: Vec<u64>,
    /// Square metres of a pixel on the ground at the map's centre.
    #[serde(skip)]
    pub pixel_area: Option<f64>,
    #[serde(skip)]
    errors: Errors,
}

/// A class of the map or the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AssessedClass {
    /// Its name.
    pub class: String,
    /// TP / (TP + FP), also user's accuracy; none where the map lacks the class.
    pub precision: Option<f64>,
    /// TP / (TP + FN), also producer's accuracy; none where the reference lacks the class.
    pub recall: Option<f64>,
    /// 2 TP / (2 TP + FP + FN).
    pub f1: Option<f64>,
    /// Pixels of the reference.
    pub support: u64,
    /// Square kilometres of the whole map, where known.
    pub square_kilometres: Option<f64>,
    /// The same adjusted for the map's errors ([`adjusted_areas`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted_square_kilometres: Option<f64>,
    /// Its 95 % interval; none where the sample is not of single pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<[f64; 2]>,
}

/// Where the map is right and wrong.
#[derive(Debug)]
struct Errors {
    grid: Grid,
    /// 0 not compared, 1 right, 2 wrong.
    pixels: Array2<u8>,
}

/// Compares a map with a reference: each pixel of the map whose centre lies in a reference polygon (or pixel) with its class.
///
/// # Errors
/// Files that cannot be read, a map without place, coordinates of an unknown system, classes that are not those of the
/// map, no pixel in common.
///
/// ```no_run
/// use lcz::{mapping::{Assessing, assess}, progress::Silent};
/// let assessment = assess("map.tif", "polygons.kml", &Assessing::default(), &mut Silent)?;
/// println!("{} pixels", assessment.pixels);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn assess(
    map: impl AsRef<Path>,
    reference: impl AsRef<Path>,
    how: &Assessing,
    progress: &mut dyn Progress,
) -> Result<Assessment> {
    let (map, reference) = (map.as_ref(), reference.as_ref());
    let raster = GeoTiff::open(map)?;
    let grid = raster.grid().clone();
    let stated = raster.description().unwrap_or(UNKNOWN).to_owned();
    let classes = how.labelling.classes.clone();
    // Of raw and smoothed classes, as `lcz map` and the LCZ Generator write them, the raw ones.
    let raw = raster
        .tags()
        .iter()
        .find_map(|tags| tags.name.clone().filter(|name| name == "lcz" || name == "class"));
    let band = how.band.clone().or(raw);
    let of_map = Labelling { classes: classes.clone(), layer: band.clone(), ..Labelling::default() };
    let (numbers, _) = of_map.numbers_on(map, &grid, map)?;
    let by_polygon = how.labelling.group_field.is_none();
    let labelling = Labelling { by_polygon, ..how.labelling.clone() };
    let labels = labelling.on(reference, &grid, map)?.with_provenance(how.data.as_deref());

    let mut errors = Array2::zeros(numbers.dim());
    let (mut truth, mut predicted, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for site in labels.sites() {
        let Some(class) = usize::from(numbers[[site.row, site.column]]).checked_sub(1) else { continue };
        truth.push(site.class);
        predicted.push(class);
        groups.push(i32::try_from(site.region).unwrap_or(i32::MAX));
        errors[[site.row, site.column]] = if class == site.class { 1 } else { 2 };
    }
    if truth.is_empty() {
        let problem = format!("no pixel with a reference class has one on {}", map.display());
        return Err(Error::file(reference, problem, "check that both show the same place"));
    }
    let (pixels, compared) = (labels.sites().len(), truth.len());
    let labels_of = |indices| Labels::new(classes.clone(), indices);
    let (truth, predicted) = (labels_of(truth)?, labels_of(predicted)?);
    let confusion = ConfusionMatrix::from_labels(&truth, &predicted)?;
    let of_reference = labels.report().provenance.clone().unwrap_or_else(|| UNKNOWN.to_owned());
    let predictions = Predictions {
        predicted: Stated::Classes(predicted),
        labels: truth,
        votes: None,
        distributions: None,
        groups: Some(groups),
        provenance: format!("map: {stated}; reference: {of_reference}"),
        temperature: None,
    };
    let card = run::score(&predictions, how.settings, progress)?;
    let mut mapped = vec![0; classes.len()];
    numbers.iter().filter(|&&number| number > 0).for_each(|&number| mapped[usize::from(number) - 1] += 1);
    Ok(Assessment {
        provenance: predictions.provenance,
        band,
        labels: labels.report().clone(),
        pixels,
        without_class: pixels - compared,
        card,
        confusion,
        mapped,
        pixel_area: grid.pixel_area(),
        errors: Errors { grid, pixels: errors },
    })
}

impl Assessment {
    /// The classes that occur, with adjusted areas if the reference is a probability sample.
    ///
    /// # Errors
    /// Of a probability sample: a class of the map without a sample, a map whose pixels have no known size.
    pub fn classes(&self, probability_sample: bool) -> Result<Vec<AssessedClass>> {
        let kilometres = self
            .pixel_area
            .map(|area| self.mapped.iter().map(|&n| n as f64 * area / 1e6).collect::<Vec<_>>());
        let adjusted = match (&kilometres, probability_sample) {
            (Some(mapped), true) => Some(adjusted_areas(&self.confusion, mapped)?),
            (None, true) => {
                let problem = "the map does not say how large its pixels are";
                return Err(Error::input(
                    "adjusted areas",
                    problem,
                    "set its coordinate system: gdal_edit.py -a_srs EPSG:n",
                ));
            }
            (_, false) => None,
        };
        // The interval is of sampled units: pixels of one polygon are one.
        let of_pixels = self.card.groups.is_none_or(|groups| groups == self.card.samples);
        let defined = |score: f64| Some(score).filter(|score| score.is_finite());
        let class = |(k, scores): (usize, ClassScores)| AssessedClass {
            class: self.confusion.classes().name(k),
            precision: defined(scores.precision),
            recall: defined(scores.recall),
            f1: defined(scores.f1),
            support: scores.support,
            square_kilometres: kilometres.as_ref().map(|areas| areas[k]),
            adjusted_square_kilometres: adjusted.as_ref().map(|areas| areas[k].adjusted),
            interval: adjusted.as_ref().filter(|_| of_pixels).and_then(|areas| areas[k].interval),
        };
        let occurs = |(k, scores): &(usize, ClassScores)| scores.support > 0 || self.mapped[*k] > 0;
        Ok(self.confusion.per_class().into_iter().enumerate().filter(occurs).map(class).collect())
    }

    /// Writes where the map is right (1) and wrong (2) on its grid; 0 is not compared.
    ///
    /// # Errors
    /// A name that is taken, a full disk.
    pub fn write_errors(&self, path: impl AsRef<Path>) -> Result<()> {
        let writer = GeoTiffWriter::<u8>::create(path, &self.errors.grid)?.bands(&["errors"]).no_data(0);
        let colours = [[255, 255, 255], [160, 160, 160], [213, 94, 0]];
        let about = format!("0 = not compared, 1 = right, 2 = wrong; {}", self.provenance);
        let mut writer = writer.colours(&colours).describe(&about);
        self.errors.pixels.outer_iter().try_for_each(|line| writer.append(&line.to_vec()))?;
        writer.finish()
    }
}
