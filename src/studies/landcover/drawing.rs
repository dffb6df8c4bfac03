//! The study's figures, and the map of its first city.

use super::{City, CoverScores, CoverTask, LandcoverOutcome, LandcoverStudy};
use crate::figures::{self, Caption, CountScale, Figure, Provenance, Source, TilesPicture};
use crate::mapping::{MapOutput, Mapping, Seams, map_with};
use crate::models::unet::{Encoder, UnetSettings};
use crate::run::Run;
use crate::scene::{Distance, Part};
use crate::studies::study::{Study, StudyContext};
use crate::{Progress, Result};

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
    context: StudyContext<'_>,
    progress: &mut dyn Progress,
) -> Result<Seams> {
    let (city, out) = (&cities[0], context.out);
    let provenance = Provenance { seed: Some(0), ..Provenance::new(city.provenance.clone(), Source::Other) };
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
        Run::open(out.join(study.folder(&CoverTask::City { city: 0, network })))?.network(context.device)
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

/// The figures drawn from the stored outcome only: learning curves and confusion of the first city's networks, confusion
/// of the last date of the real sample.
pub(super) fn of_outcome(
    outcome: &LandcoverOutcome,
    of: impl Fn(&str) -> Result<Provenance>,
) -> Result<Vec<(String, Figure)>> {
    let mut drawn = Vec::new();
    let mut put = |stem: String, figure: Figure, data: &str| -> Result<()> {
        drawn.push((stem, figure.with_provenance(&of(data)?)));
        Ok(())
    };
    let confusion = |scores: &CoverScores, scale, title: &str, data: &str| {
        figures::confusion_counts(&scores.confusion()?, scale, &Caption::new(title, data))
    };
    let data = &outcome.provenance;
    let first = outcome.cities.first().map(|city| city.city.as_str());
    for scores in outcome.scores.iter().filter(|scores| Some(scores.city.as_str()) == first) {
        let (Some(network), Some(curves)) = (&scores.network, &scores.curves) else { continue };
        let (title, end) = (format!("{}, trained on {}", scores.model, scores.city), stem(network));
        let curves = figures::learning_curves(curves, &Caption::new(&title, data))?;
        put(format!("learning-curves-{end}"), curves, data)?;
        for (test, of) in scores.tests.iter().zip(["own", "other"]) {
            for (scale, name) in SCALES {
                let title = format!("{title}, tested on {}", test.test);
                put(format!("confusion-{name}-{of}-{end}"), confusion(test, scale, &title, data)?, data)?;
            }
        }
    }
    if let (Some(last), Some(data)) = (outcome.dates.last(), &outcome.sample) {
        let title = format!("Slovenia, date {}: trained on the other dates of the same ground", last.date);
        for (scale, name) in SCALES {
            let figure = confusion(&last.network, scale, &title, data)?;
            put(format!("slovenia-confusion-{name}"), figure, data)?;
        }
    }
    Ok(drawn)
}
