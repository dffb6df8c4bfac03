//! The first half of the study: two synthetic cities; each network is tested on held-out blocks of its own city and on
//! the other city.

use std::path::Path;

use super::{CityCounts, CoverScores, LandcoverStudy, Steps};
use crate::data::{Masks, Patches};
use crate::metrics::ConfusionMatrix;
use crate::models::baselines::{MajorityClass, PixelGaussian, single_pixels};
use crate::models::{Classifier, Device};
use crate::run::{ExampleSet, Targets, TrainingSets};
use crate::scene::{
    BlockSplit, CloudFilter, Codes, CutScene, Fate, GeoTiff, LabelRaster, Labelling, Part, Raster, Scene,
    Tiling,
};
use crate::synthetic::SyntheticScene;
use crate::{Bands, Error, Probabilities, Progress, Result, write_whole};

/// Which land cover of the generator's polygons belongs to which class, as `--codes` takes it.
const CODES: &str = "code,class
11210,discontinuous urban fabric
11220,discontinuous urban fabric
11240,discontinuous urban fabric
14100,green urban areas
31000,forests
21000,arable land
50000,water
11100,continuous urban fabric
12100,industry and commerce
32000,herbaceous and open land
33000,herbaceous and open land
";
/// One in this many training pixels is used for the baseline of single pixels.
const EVERY: usize = 5;

/// A city, cut.
#[derive(Debug)]
pub(super) struct City {
    pub name: String,
    pub scene: Scene,
    pub labels: LabelRaster,
    pub tiling: Tiling,
    pub filter: CloudFilter,
    pub cut: CutScene,
    /// The part of each patch.
    pub parts: Vec<Option<Part>>,
    pub provenance: String,
}

impl City {
    /// Makes the scene of a seed in the study's folder, where it is not there yet, and cuts it.
    pub fn of(study: &LandcoverStudy, seed: u64, folder: &Path, progress: &mut dyn Progress) -> Result<Self> {
        let maker =
            SyntheticScene { rows: study.side, columns: study.side, seed, clouds: study.clouds as f32 };
        let at = folder.join(format!("city-{seed}"));
        if !at.is_dir() {
            maker.write(&at, progress)?;
        }
        let codes = folder.join("codes.csv");
        write_whole(&codes, CODES.as_bytes())?;
        let files =
            Bands::sentinel2().names().iter().map(|band| at.join(format!("{band}.tif"))).collect::<Vec<_>>();
        let scene = Scene::open(files)?;
        let labelling = Labelling {
            label_field: Some("LC_CODE".to_owned()),
            codes: Some(Codes::read(&codes)?),
            ..Labelling::default()
        };
        let labels = labelling.open(at.join("districts.shp"), std::slice::from_ref(&scene), progress)?;
        let tiling = Tiling { patch_size: study.patch_size, stride: study.patch_size, ..Tiling::default() };
        let filter = CloudFilter::default();
        let scl = Raster::from(GeoTiff::open(at.join("SCL.tif"))?);
        let mut cut = tiling.cut(&scene, &labels, Some((&scl, &filter)), progress)?;
        let provenance = maker.provenance();
        cut.patches = cut.patches.with_provenance(&provenance);
        let parts = BlockSplit { side: study.block, ..BlockSplit::default() }.split(&cut)?;
        Ok(Self { name: format!("city {seed}"), scene, labels, tiling, filter, cut, parts, provenance })
    }

    /// Positions of the patches of a part.
    pub fn of_part(&self, part: Part) -> Vec<usize> {
        (0..self.parts.len()).filter(|&k| self.parts[k] == Some(part)).collect()
    }

    /// Patches and masks at these positions.
    pub fn select(&self, positions: &[usize]) -> Result<(Patches, Masks)> {
        Ok((self.cut.patches.select(positions)?, self.cut.masks.select(positions)?))
    }

    /// How it was cut.
    pub fn counts(&self) -> CityCounts {
        let tiles = &self.cut.tiles;
        let count = |fate: Fate| tiles.iter().filter(|tile| tile.fate == fate).count();
        let [kept, no_data, cloud, unlabelled] =
            [Fate::Kept, Fate::NoData, Fate::Cloud, Fate::Unlabelled].map(count);
        let tiles = [tiles.len(), kept, no_data, cloud, unlabelled];
        CityCounts { city: self.name.clone(), tiles, parts: Part::ALL.map(|part| self.of_part(part).len()) }
    }
}

/// The scores of all of the classes' pixels.
pub(super) fn score(test: &str, p: &Probabilities, masks: &Masks) -> Result<CoverScores> {
    let (labels, positions) = masks.labels()?;
    Ok(CoverScores::of(test, &ConfusionMatrix::from_labels(&labels, &p.select(&positions).predicted())?))
}

/// Patches with their classes, and what they are.
pub(super) type Test = (String, (Patches, Masks));

/// What is tested of a city's networks: its own test patches, and all patches of the others.
pub(super) fn tests(cities: &[City], city: usize) -> Result<Vec<Test>> {
    let of = |(k, other): (usize, &City)| {
        let all = || (0..other.cut.patches.len()).collect();
        let (positions, what): (Vec<usize>, _) =
            if k == city { (other.of_part(Part::Testing), "held out") } else { (all(), "all of it") };
        Ok((format!("{}, {what}", other.name), other.select(&positions)?))
    };
    let mut tests = cities.iter().enumerate().map(of).collect::<Result<Vec<_>>>()?;
    tests[..=city].rotate_right(1);
    Ok(tests)
}

/// Trains a network on a city, and tests it.
pub(super) fn train(
    study: &LandcoverStudy,
    cities: &[City],
    (city, network): (usize, usize),
    at: (&Path, Device, &Steps<'_>),
) -> Result<()> {
    let of = &cities[city];
    let part = |part| Ok::<_, Error>(examples(of.select(&of.of_part(part))?));
    let (train, validation) = (part(Part::Training)?, Some(part(Part::Validation)?));
    let sets = TrainingSets { split: "by blocks of ground".to_owned(), train, validation };
    super::train((&study.networks[network], study.training.clone()), &sets, at, |model| {
        let test = |(name, (patches, masks)): &Test| score(name, &model.predict(patches)?, masks);
        tests(cities, city)?.iter().map(test).collect()
    })
}

/// Patches with their masks, to train on.
pub(super) fn examples((patches, masks): (Patches, Masks)) -> ExampleSet {
    ExampleSet { patches, targets: Targets::Masks(masks) }
}

/// Scores of the baselines, the majority class and single pixels, on some tests.
pub(super) fn baselines(
    (patches, masks): (&Patches, &Masks),
    tests: &[Test],
    progress: &mut dyn Progress,
) -> Result<[(&'static str, Vec<CoverScores>); 2]> {
    let (train, labels) = single_pixels(patches, masks, EVERY)?;
    let score = |model: &dyn Classifier| {
        let of_test = |(test, (patches, masks)): &Test| {
            let (single, labels) = single_pixels(patches, masks, 1)?;
            Ok(CoverScores::of(
                test,
                &ConfusionMatrix::from_labels(&labels, &model.predict(&single)?.predicted())?,
            ))
        };
        tests.iter().map(of_test).collect::<Result<Vec<_>>>()
    };
    let (majority, pixel) =
        (MajorityClass::fit(&train, &labels)?, PixelGaussian::fit(&train, &labels, progress)?);
    Ok([("majority class", score(&majority)?), ("single pixels, Gaussian", score(&pixel)?)])
}
