//! The second half of the study: real ground on several dates. A network is trained on all dates but one, and tested
//! on that one.
//!
//! All dates show the same ground with one map of its land cover: this tests transfer to another day's light, season and
//! air, not to other ground. A second test has both: a network is trained on the western part only, and tested on the
//! eastern one on the date held out.

use std::path::Path;

use ndarray::{Array2, Array3, Axis, s, stack};
use serde::{Deserialize, Serialize};

use super::cities::{baselines, examples, score};
use super::{CoverScores, CoverTask, LandcoverStudy, NetworkScores, SCORES, Steps};
use crate::data::eopatch::EoPatch;
use crate::data::{Masks, Patches};
use crate::figures::{Caption, Provenance, Source, segmentation_named};
use crate::mapping::blend::{Ground, blend};
use crate::models::unet::UnetSettings;
use crate::models::{Device, Model};
use crate::provenance::UNKNOWN;
use crate::run::{Run, TrainingSets};
use crate::studies::study::{Study, StudyContext, read_json};
use crate::{Classes, Error, Keep, Probabilities, Progress, Result, Schedule, Training};

/// Stride of the patches of a date, in pixels: the ground has room for hardly more than one patch.
const STRIDE: usize = 12;
/// Columns between the western ground and the eastern ground that is tested.
const EAST: usize = 4;

/// One date held out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DateScores {
    /// The date, counted from 0.
    pub date: usize,
    /// Mean reflectance of blue light (B2): above 0.2 there are clouds.
    pub blue: f64,
    /// The network, on all ground of the date.
    pub network: CoverScores,
    /// The same, trained on the other dates' western ground only, on the eastern ground of the date.
    pub elsewhere: CoverScores,
    /// Baselines, on all ground of the date.
    pub baselines: Vec<(String, CoverScores)>,
}

/// Where the real sample is from.
pub(super) fn provenance(sample: &EoPatch) -> String {
    let (file, dates) = (sample.name(), sample.dates());
    format!("{UNKNOWN}: {file} in the layout of eo-learn's sample, {dates} dates of one place")
}

/// Trains a network on all dates but one, and tests it on that one: on all ground, or on the eastern ground a network
/// of the western ground.
pub(super) fn train(
    study: &LandcoverStudy,
    ground: &EoPatch,
    (date, west): (usize, bool),
    at: (&Path, Device, &Steps<'_>),
) -> Result<()> {
    let network = UnetSettings { width: study.date_width, ..UnetSettings::default() };
    // No ground is left to validate on: the last epoch's weights are kept.
    let epochs = study.date_epochs;
    let schedule = Schedule::Cosine { epochs, floor: 0.0 };
    let training = Training { epochs, schedule, keep: Keep::Last, ..study.training.clone() };
    let (size, others) = (study.patch_size, others(ground, date));
    let train = if west { western(ground, &others, size)? } else { ground.patches(&others, size, STRIDE)? };
    let split = "by dates".to_owned();
    let sets = TrainingSets { split, train: examples(train), validation: None };
    let steps = at.2;
    super::train((&network, training), &sets, at, |model| {
        let p = whole(model, ground, date, &mut &*steps)?;
        let (mut name, mut cover) = (format!("date {date}"), ground.cover().clone());
        if west {
            // The columns of the western patches end where the test begins.
            cover.slice_mut(s![.., ..size + EAST]).fill(Masks::IGNORED);
            name += ", eastern ground";
        }
        Ok(vec![of_cover(&name, &p, ground.classes(), &cover)?])
    })
}

fn others(ground: &EoPatch, date: usize) -> Vec<usize> {
    (0..ground.dates()).filter(|&other| other != date).collect()
}

/// The scores of all dates, with the figure of their networks.
pub(super) fn collect(
    study: &LandcoverStudy,
    ground: &EoPatch,
    context: StudyContext<'_>,
    progress: &mut dyn Progress,
) -> Result<Vec<DateScores>> {
    let (mut all, mut predicted) = (Vec::new(), Vec::new());
    for &date in &study.dates {
        let folder = |west| context.out.join(study.folder(&CoverTask::Date { date, west }));
        let scores = |west| -> Result<CoverScores> {
            let path = folder(west).join(SCORES);
            let NetworkScores { tests, .. } = read_json(&path)?;
            let missing = || Error::file(&path, "no scores", "remove it, and repeat the study");
            tests.into_iter().next().ok_or_else(missing)
        };
        let model = Run::open(folder(false))?.network(context.device)?;
        predicted.push(whole(&*model, ground, date, progress)?);
        let (patches, masks) = ground.patches(&others(ground, date), study.patch_size, STRIDE)?;
        let single = (format!("date {date}"), as_pixels(ground, date)?);
        let baselines = baselines((&patches, &masks), &[single], progress)?;
        let image = ground.image(date)?;
        all.push(DateScores {
            date,
            blue: image.slice(s![.., .., 1]).iter().map(|v| f64::from(*v)).sum::<f64>()
                / (image.dim().0 * image.dim().1) as f64,
            network: scores(false)?,
            elsewhere: scores(true)?,
            baselines: baselines.map(|(name, scores)| (name.to_owned(), scores[0].clone())).to_vec(),
        });
    }
    if !all.is_empty() {
        draw(ground, &study.dates, &predicted, context.out)?;
    }
    Ok(all)
}

/// The figure of all dates: the largest square of the ground, with the networks' predictions.
fn draw(ground: &EoPatch, dates: &[usize], predicted: &[Array3<f64>], out: &Path) -> Result<()> {
    let side = ground.size()[0].min(ground.size()[1]);
    let square = s![..side, ..side, ..];
    let images: Vec<_> = dates.iter().map(|&date| ground.image(date)).collect::<Result<_>>()?;
    let images: Vec<_> = images.iter().map(|image| image.slice(square)).collect();
    let cover = ground.cover().slice(s![..side, ..side]);
    let p: Vec<_> = predicted.iter().map(|p| p.slice(square)).collect();
    let images = stack(Axis(0), &images).map_err(shaped)?;
    let cover = stack(Axis(0), &vec![cover; dates.len()]).map_err(shaped)?;
    let p = stack(Axis(0), &p).map_err(shaped)?;
    let p = p.into_shape_with_order((dates.len() * side * side, ground.classes().len())).map_err(shaped)?;
    let patches = Patches::in_memory(ground.imagery(side), ground.classes().clone(), images)?;
    let (masks, p) =
        (Masks::new(ground.classes().clone(), cover)?, Probabilities::new(ground.classes().clone(), p)?);
    let names: Vec<_> = dates.iter().enumerate().map(|(n, date)| (n, format!("date {date}"))).collect();
    let data = provenance(ground);
    let caption = Caption::new("Slovenia: each date by a network trained on the other dates", &data);
    let provenance = Provenance { seed: Some(0), ..Provenance::new(data, Source::Other) };
    let figure = segmentation_named((&patches, &masks, &p), &names, true, &caption)?;
    figure.with_provenance(&provenance).save(out, "slovenia")
}

fn shaped(error: ndarray::ShapeError) -> Error {
    Error::Internal { what: "arranging the pixels of dates", detail: error.to_string() }
}

/// The patches of the western edge.
fn western(ground: &EoPatch, dates: &[usize], size: usize) -> Result<(Patches, Masks)> {
    let [rows, _] = ground.size();
    let (patches, masks) = ground.patches(dates, size, STRIDE)?;
    let rows = (rows - size).div_ceil(STRIDE) + 1;
    let across = patches.len() / dates.len() / rows;
    let first: Vec<usize> = (0..patches.len()).step_by(across).collect();
    Ok((patches.select(&first)?, masks.select(&first)?))
}

/// A network's prediction for a whole date. Shape: (rows, columns, K).
fn whole(
    model: &dyn Model,
    ground: &EoPatch,
    date: usize,
    progress: &mut dyn Progress,
) -> Result<Array3<f64>> {
    let image = ground.image(date)?;
    let size = model.imagery().patch_size;
    let source = Ground::image(&image, ground.imagery(size));
    let [rows, columns] = ground.size();
    let mut p = Array3::zeros((rows, columns, model.classes().len()));
    blend(model, &[source], (size / 4, 0..rows), progress, &mut |part| {
        p.slice_mut(s![part.first..part.first + part.p.dim().0, .., ..]).assign(&part.p);
        Ok(())
    })?;
    Ok(p)
}

/// Scores on a cover of the same pixels.
fn of_cover(test: &str, p: &Array3<f64>, classes: &Classes, cover: &Array2<u8>) -> Result<CoverScores> {
    let (rows, columns, k) = p.dim();
    let p = p.to_shape((rows * columns, k)).map_err(shaped)?.into_owned();
    let masks = Masks::new(classes.clone(), cover.clone().insert_axis(Axis(0)))?;
    score(test, &Probabilities::new(classes.clone(), p)?, &masks)
}

/// Each pixel of a date as a patch of its own.
fn as_pixels(ground: &EoPatch, date: usize) -> Result<(Patches, Masks)> {
    let image = ground.image(date)?;
    let (rows, columns, bands) = image.dim();
    let images = image.to_shape((rows * columns, 1, 1, bands)).map_err(shaped)?.into_owned();
    let cover = ground.cover().to_shape((rows * columns, 1, 1)).map_err(shaped)?.into_owned();
    let patches = Patches::in_memory(ground.imagery(1), ground.classes().clone(), images)?;
    Ok((patches, Masks::new(ground.classes().clone(), cover)?))
}
