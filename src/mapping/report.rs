//! Summary of a map, and its accuracy against a reference.

use ndarray::Array2;
use serde::Serialize;

use crate::data::Sample;
use crate::metrics::{ClassSet, ConfusionMatrix};
use crate::scene::LabelReport;
use crate::{Classes, Error, Labels, Palette, Result, Zone};

/// What `lcz map` has made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapReport {
    /// What was given a class: windows, each a pixel of the map, or the scene's own pixels.
    pub sample: Sample,
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// The coordinate system.
    pub crs: String,
    /// Width and height of a pixel of the map on the ground in metres, where known.
    pub pixel_metres: Option<[f64; 2]>,
    /// Rows and columns of the scene as the network saw it.
    pub input_size: [usize; 2],
    /// Size on the ground, in metres, of a pixel that the network saw, where known.
    pub input_metres: Option<f64>,
    /// Size on the ground, in metres, of a pixel of the scene, where it was resampled.
    pub resampled_from: Option<f64>,
    /// How values became pixels, in words; none where the pixels are the values.
    pub conversion: Option<String>,
    /// The stride in pixels that the network saw, down and across.
    pub stride: [usize; 2],
    /// What each date left out.
    pub dates: Vec<MapDate>,
    /// Networks whose probabilities were averaged: one, or one for each sensor.
    pub networks: usize,
    /// Largest share of a window under clouds and their shadows, of those that count as clear.
    pub max_cloud: f64,
    /// Whether what clouds hide has no class.
    pub clouds_masked: bool,
    /// Windows or pixels that were classified.
    pub classified: usize,
    /// Windows with a pixel without data, or pixels without data, which have no class; with `clouds_masked`, those under clouds too.
    pub without_data: usize,
    /// Seconds from the first pixel read to the last one classified.
    pub seconds: f64,
    /// Windows or pixels per second in that time.
    pub classified_per_second: f64,
    /// Mean of the highest probability.
    pub mean_confidence: f64,
    /// Classes that the map holds.
    pub classes: Vec<ClassArea>,
    /// The map against the reference.
    pub scores: Option<MapScores>,
    /// The filtered map against the reference, where there is one.
    pub filtered_scores: Option<MapScores>,
    /// Where the reference comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<LabelReport>,
    /// The files, by their names.
    pub files: Vec<String>,
}

/// How much of a map is of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassArea {
    /// The number in the GeoTIFF.
    pub number: u8,
    /// Code and name.
    pub name: String,
    /// Pixels of the map.
    pub pixels: usize,
    /// Share of the pixels with a class.
    pub share: f64,
    /// Square kilometres, where known.
    pub square_kilometres: Option<f64>,
}

impl ClassArea {
    /// The classes of a map, by number; `area` is a pixel's, in square metres.
    pub(super) fn of(map: &Array2<u8>, table: &MapNumbers, area: Option<f64>) -> Vec<Self> {
        let mut pixels = [0_usize; 256];
        map.iter().for_each(|&number| pixels[usize::from(number)] += 1);
        let total: usize = pixels[1..].iter().sum();
        let one = |number: u8| {
            let pixels = pixels[usize::from(number)];
            let name = table.class(number).map_or_else(String::new, |k| table.classes.name(k));
            let square_kilometres = area.map(|area| pixels as f64 * area / 1e6);
            Self { number, name, pixels, share: pixels as f64 / total as f64, square_kilometres }
        };
        (1..=u8::MAX).map(one).filter(|class| class.pixels > 0).collect()
    }
}

/// A date of a map, and what it left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapDate {
    /// The scene: its files, or the product.
    pub scene: String,
    /// Windows or pixels without data.
    pub without_data: usize,
    /// Of the others, windows under more than `max_cloud` of clouds and their shadows, or pixels under them; none where
    /// the date has no scene classes.
    pub under_clouds: Option<usize>,
}

/// Which number of the GeoTIFF a class has: a zone 1–17, whichever of them the model knows; any other class its
/// place, from 1.
pub(super) struct MapNumbers {
    classes: Classes,
    numbers: Vec<u8>,
    palette: Palette,
}

impl MapNumbers {
    pub(super) fn of(classes: &Classes, palette: Palette) -> Result<Self> {
        let zone = |k: usize| classes.zone(k).map(Zone::number);
        let numbers: Option<Vec<usize>> = (0..classes.len()).map(zone).collect();
        let numbers = numbers.unwrap_or_else(|| (1..=classes.len()).collect());
        let numbers: std::result::Result<Vec<u8>, _> = numbers.into_iter().map(u8::try_from).collect();
        let numbers = numbers.map_err(|_| {
            let problem = format!("{} classes do not fit into a map's bytes", classes.len());
            Error::input("model", problem, "train with 255 classes at most")
        })?;
        Ok(Self { classes: classes.clone(), numbers, palette })
    }

    pub(super) fn palette(&self) -> Palette {
        self.palette
    }

    pub(super) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The number of the k-th class.
    pub(super) fn number(&self, k: usize) -> u8 {
        self.numbers[k]
    }

    /// The class of a number.
    pub(super) fn class(&self, number: u8) -> Option<usize> {
        self.numbers.iter().position(|&of| of == number)
    }

    /// Whether all classes are zones.
    pub(super) fn are_zones(&self) -> bool {
        (0..self.classes.len()).all(|k| self.classes.zone(k).is_some())
    }

    /// The classes that a truth is to be read by, all zones if the model tells zones apart: those whose numbers are their places
    /// from 1 on. They have the colours of the model's.
    pub(super) fn of_truth(&self) -> Classes {
        if !self.are_zones() {
            return self.classes.clone();
        }
        let zones = Classes::lcz();
        let colour = |zone: Zone| match self.classes.position(zone) {
            Some(k) => self.palette.colour(&self.classes, k),
            None => self.palette.zone(zone),
        };
        zones.clone().with_colours(Zone::all().map(colour)).unwrap_or(zones)
    }

    /// What the numbers mean, in a line: the zones' are known.
    pub(super) fn legend(&self) -> String {
        if self.of_truth() == Classes::lcz() {
            return "class numbers".to_owned();
        }
        let name = |(k, number): (usize, &u8)| format!("{number} {}", self.classes.name(k));
        let names: Vec<String> = self.numbers.iter().enumerate().map(name).collect();
        format!("class numbers ({})", names.join(", "))
    }

    /// A colour for each number from 0 on.
    pub(super) fn colours(&self) -> Vec<[u8; 3]> {
        let last = self.numbers.iter().copied().max().unwrap_or(0);
        let colour = |number| self.class(number).map_or([0; 3], |k| self.palette.colour(&self.classes, k));
        (0..=last).map(colour).collect()
    }
}

/// A map compared with a raster of true classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapScores {
    /// Pixels of the map that have a true class.
    pub pixels: usize,
    /// Of these, pixels to which the map gives none.
    pub without_class: usize,
    /// OA, of the pixels that have both.
    pub overall_accuracy: f64,
    /// OA_u: of pixels that are built (LCZ 1–10) in truth and map.
    pub built_accuracy: Option<f64>,
    /// OA_bu: accuracy of built against natural.
    pub built_or_natural_accuracy: Option<f64>,
    /// κ.
    pub kappa: f64,
    /// Mean F1 of the classes in the truth or the map.
    pub macro_f1: f64,
    /// Classes that the truth or the map holds at these pixels.
    pub classes: Vec<MapClass>,
}

/// One class of a map, against the reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MapClass {
    /// Code and name.
    pub name: String,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Share of the reference's area.
    pub reference_share: f64,
    /// Share of the map's area, at the same pixels.
    pub mapped_share: f64,
}

impl MapScores {
    /// `truth` and `map` have the numbers of `classes` from 1 on, 0 where there is none.
    pub(super) fn of(truth: &Array2<u8>, map: &Array2<u8>, classes: &Classes) -> Result<Self> {
        let known = || truth.iter().zip(map).filter(|(truth, _)| **truth > 0);
        let both = known().filter(|(_, map)| **map > 0);
        let (reference, predicted): (Vec<usize>, Vec<usize>) =
            both.map(|(&truth, &map)| (usize::from(truth) - 1, usize::from(map) - 1)).unzip();
        let (pixels, scored) = (known().count(), reference.len() as f64);
        let confusion = ConfusionMatrix::from_labels(
            &Labels::new(classes.clone(), reference)?,
            &Labels::new(classes.clone(), predicted)?,
        )?;
        let present: Vec<(usize, _)> = confusion
            .per_class()
            .into_iter()
            .enumerate()
            .filter(|(_, class)| class.support + class.predicted > 0)
            .collect();
        Ok(Self {
            pixels,
            without_class: pixels - scored as usize,
            overall_accuracy: confusion.overall_accuracy_score(),
            built_accuracy: confusion.built_accuracy_score(),
            built_or_natural_accuracy: confusion.built_or_natural_accuracy_score(),
            kappa: confusion.kappa_score(),
            macro_f1: confusion.macro_f1_score(ClassSet::Present),
            classes: present
                .into_iter()
                .map(|(k, class)| MapClass {
                    name: classes.name(k),
                    f1: class.f1,
                    reference_share: class.support as f64 / scored,
                    mapped_share: class.predicted as f64 / scored,
                })
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_the_colours_of_the_geotiff() {
        let classes = Classes::named(["G", "2"]).unwrap().with_colours([[1; 3], [2; 3]]).unwrap();
        let table = MapNumbers::of(&classes, Palette::Generator).unwrap();
        let (zones, of_raster) = (table.of_truth(), table.colours());
        assert_eq!([17, 2].map(|number| of_raster[number]), [[1; 3], [2; 3]]);
        assert_eq!([17, 2].map(|number| zones.colour(number - 1)), [[1; 3], [2; 3]]);
        assert_eq!(zones.colour(0), Palette::Generator.colour(&Classes::lcz(), 0));
    }
}
