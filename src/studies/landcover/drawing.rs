//! The study's figures, and the map of its first city.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, Axis, concatenate};

use super::cities::City;
use super::dates::{DatePicture, DateScores};
use super::{CoverTask, LandcoverOutcome, LandcoverStudy};
use crate::data::eopatch::EoPatch;
use crate::data::{Masks, Patches};
use crate::figures::{self, Caption, CountScale, Figure, Provenance, Source, TilesPicture};
use crate::mapping::{MapOutput, Mapping, Seams, map_with};
use crate::models::unet::{Encoder, UnetSettings};
use crate::run::Run;
use crate::scene::{Distance, Fate, Part};
use crate::studies::study::{Place, Study};
use crate::{Error, Probabilities, Progress, Result};

/// Colours of confusion, with what files are called.
const SCALES: [(CountScale, &str); 2] = [(CountScale::Linear, "counts"), (CountScale::Logarithmic, "log")];
/// Patches in a figure of samples.
const SAMPLES: usize = 6;

/// A network's name in tables: `U-Net (EfficientNet-B0)`.
pub(super) fn title(network: &UnetSettings) -> String {
    let (kind, depth) = match network.encoder {
        Encoder::Plain => ("plain U-Net", format!(", depth {}", network.depth)),
        Encoder::EfficientnetB0 => ("U-Net, EfficientNet-B0", String::new()),
    };
    format!("{kind} ({} width{depth})", network.width)
}

/// In names of files.
pub(super) fn stem(network: &UnetSettings) -> &'static str {
    match network.encoder {
        Encoder::Plain => "plain",
        Encoder::EfficientnetB0 => "efficientnet-b0",
    }
}

/// Figures of the first city and its networks; its map by the first of them.
pub(super) fn of_cities(
    study: &LandcoverStudy,
    cities: &[City],
    place: Place<'_>,
    progress: &mut dyn Progress,
) -> Result<Seams> {
    let (city, out) = (&cities[0], place.out);
    let provenance = Provenance { seed: Some(0), ..Provenance::of(city.provenance.clone(), Source::Other) };
    let save = |name: &str, figure: Figure| figure.with_provenance(&provenance).save(out, name);
    let caption = |title: String| Caption::new(title, city.provenance.clone());

    let ground = city.tiling.over(&city.scene)?;
    let overview = ground.overview(Some(&city.labels))?;
    let picture = TilesPicture {
        overview: &overview,
        classes: city.labels.classes(),
        tiles: &city.cut.tiles,
        patch_size: city.tiling.patch_size,
        clouds: city.filter.sentence(),
    };
    save(
        "scene",
        figures::cut_scene(&picture, &caption(format!("How the scene of {} was cut", city.name)))?,
    )?;

    let load = |network| {
        Run::open(&out.join(study.folder(&CoverTask::City { city: 0, network })))?.network(place.device)
    };
    for (n, network) in study.networks.iter().enumerate() {
        let testing = city.of_part(Part::Testing);
        let count = SAMPLES.min(testing.len());
        let chosen: Vec<usize> =
            (0..count).map(|n| testing[(2 * n + 1) * testing.len() / (2 * count)]).collect();
        let (patches, masks) = city.select(&chosen)?;
        let p = load(n)?.predict(&patches)?;
        let all: Vec<usize> = (0..count).collect();
        let title = format!("{}: test patches of {}", title(network), city.name);
        save(
            &format!("samples-{}", stem(network)),
            figures::segmentation(&patches, &masks, &p, &all, &caption(title))?,
        )?;
    }

    let (first, network) = (load(0)?, title(&study.networks[0]));
    let title = format!("Map of {} by {network}, trained on 60 % of it", city.name);
    let size = city.tiling.patch_size;
    let apart = |stride: usize| Mapping {
        stride: Some(Distance::Pixels(stride)),
        resample: false,
        radiometry: city.tiling.radiometry.clone(),
        data: Some(city.provenance.clone()),
        ..Mapping::default()
    };
    let path = out.join("map.tif");
    let output = MapOutput {
        out: Some(&path),
        replace: true,
        title: Some(&title),
        seed: Some(0),
        ..MapOutput::default()
    };
    let (model, scene) = (&*first, &city.scene);
    let overlapping = map_with(model, scene.clone(), &apart(size / 2), &output, progress)?;
    let side_by_side = map_with(model, scene.clone(), &apart(size), &MapOutput::default(), progress)?;
    Ok(Seams::of(&side_by_side.numbers, &overlapping.numbers, size))
}

/// Figures of the real sample.
pub(super) fn of_dates(
    sample: &EoPatch,
    scores: &[DateScores],
    pictures: &[DatePicture],
    out: &Path,
) -> Result<()> {
    if scores.is_empty() {
        return Ok(());
    }
    let data = slovenia(&sample.name(), sample.dates());
    let provenance = Provenance { seed: Some(0), ..Provenance::of(data.clone(), Source::Other) };
    let save = |name: &str, figure: Figure| figure.with_provenance(&provenance).save(out, name);
    let shaped = |e: ndarray::ShapeError| Error::Internal { what: "drawing dates", detail: e.to_string() };

    let images: Vec<Array4<f32>> =
        pictures.iter().map(|one| one.patches.images(0..1)).collect::<Result<_>>()?;
    let masks: Vec<Array3<u8>> = pictures.iter().map(|one| one.masks.view().to_owned()).collect();
    let p: Vec<Array2<f64>> = pictures.iter().map(|one| one.p.view().to_owned()).collect();
    let images =
        concatenate(Axis(0), &images.iter().map(|one| one.view()).collect::<Vec<_>>()).map_err(shaped)?;
    let masks =
        concatenate(Axis(0), &masks.iter().map(|one| one.view()).collect::<Vec<_>>()).map_err(shaped)?;
    let p = concatenate(Axis(0), &p.iter().map(|one| one.view()).collect::<Vec<_>>()).map_err(shaped)?;
    let classes = sample.classes().clone();
    let patches = Patches::in_memory(pictures[0].patches.imagery().clone(), classes.clone(), images)?;
    let names: Vec<String> = scores.iter().map(|date| format!("date {}", date.date)).collect();
    let caption =
        Caption::new("Slovenia: each date by a network that learnt from the other dates", data.clone());
    let (masks, p) = (Masks::new(classes.clone(), masks)?, Probabilities::new(classes.clone(), p)?);
    save("slovenia", figures::segmentation_of_dates(&patches, &masks, &p, &names, &caption)?)?;

    Ok(())
}

impl City {
    /// How it was cut.
    pub(super) fn counts(&self) -> super::CityCounts {
        let tiles = &self.cut.tiles;
        let count = |fate: Fate| tiles.iter().filter(|tile| tile.fate == fate).count();
        let part = |part: Part| self.of_part(part).len();
        super::CityCounts {
            city: self.name.clone(),
            tiles: [
                tiles.len(),
                count(Fate::Kept),
                count(Fate::NoData),
                count(Fate::Cloud),
                count(Fate::Unlabelled),
            ],
            parts: Part::ALL.map(part),
        }
    }
}

/// Where the real sample is from.
pub(super) fn slovenia(file: &str, dates: usize) -> String {
    format!("real: {file} (eo-learn's sample of Slovenia), Sentinel-2 L1C, {dates} dates of one place")
}

/// The figures that the stored outcome alone gives: learning curves and confusion of the first city's networks, confusion
/// of the last date of the real sample.
pub(super) fn of_outcome(
    outcome: &LandcoverOutcome,
    of: impl Fn(&str) -> Result<Provenance>,
) -> Result<Vec<(String, Figure)>> {
    let provenance = of(&outcome.provenance)?;
    let mut drawn = Vec::new();
    let first = outcome.cities.first().map(|city| city.city.as_str());
    for scores in outcome.scores.iter().filter(|scores| Some(scores.city.as_str()) == first) {
        let (Some(network), Some(curves)) = (&scores.network, &scores.curves) else { continue };
        let caption = |title: String| Caption::new(title, outcome.provenance.clone());
        let title = format!("{}, trained on {}", scores.model, scores.city);
        let curves = figures::learning_curves(curves, &caption(title.clone()))?;
        drawn.push((format!("learning-curves-{}", stem(network)), curves.with_provenance(&provenance)));
        for (test, place) in scores.tests.iter().zip(["own", "other"]) {
            let confusion = test.confusion()?;
            for (scale, name) in SCALES {
                let caption = caption(format!("{title}, tested on {}", test.test));
                let figure = figures::confusion_counts(&confusion, scale, &caption)?;
                let stem = format!("confusion-{name}-{place}-{}", stem(network));
                drawn.push((stem, figure.with_provenance(&provenance)));
            }
        }
    }
    if let (Some(last), Some(data)) = (outcome.dates.last(), &outcome.sample) {
        let provenance = of(data)?;
        let confusion = last.network.confusion()?;
        let title = format!(
            "Slovenia, date {} held out: the other dates of the same ground were learnt from",
            last.date
        );
        for (scale, name) in SCALES {
            let caption = Caption::new(title.clone(), data.clone());
            let figure = figures::confusion_counts(&confusion, scale, &caption)?;
            drawn.push((format!("slovenia-confusion-{name}"), figure.with_provenance(&provenance)));
        }
    }
    Ok(drawn)
}
