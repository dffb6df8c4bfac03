//! The second half of the study: real ground on several dates. A network is trained on all dates but one, and tested
//! on that one.
//!
//! All dates show the same ground with one map of its land cover: this tests transfer to another day's light, season and
//! air, not to other ground. A second test has both: a network is trained on the western part only, and tested on the
//! eastern one on the date held out.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, s};
use serde::{Deserialize, Serialize};

use super::cities::{baselines_on, examples, score};
use super::scores::CoverScores;
use super::{CoverTask, LandcoverStudy, NetworkScores, SCORES, Steps, drawing};
use crate::data::eopatch::EoPatch;
use crate::data::{Masks, Patches};
use crate::mapping::blend::{InMemory, blend};
use crate::models::unet::UnetSettings;
use crate::models::{Device, Model};
use crate::nn::{Keep, Schedule, Training};
use crate::run::{Run, TrainingSets};
use crate::studies::study::{Place, Study, read_json};
use crate::{Classes, Error, Probabilities, Progress, Result};

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

/// A date as a picture: one square patch with its classes and what the network says of it.
pub(super) struct DatePicture {
    pub patches: Patches,
    pub masks: Masks,
    pub p: Probabilities,
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
        let (_, p) = whole(model, ground, date, &mut &*steps)?;
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
    place: Place<'_>,
    progress: &mut dyn Progress,
) -> Result<Vec<DateScores>> {
    let (mut all, mut pictures) = (Vec::new(), Vec::new());
    for &date in &study.dates {
        let folder = |west| place.out.join(study.folder(&CoverTask::Date { date, west }));
        let scores = |west| -> Result<CoverScores> {
            let path = folder(west).join(SCORES);
            let NetworkScores { tests, .. } = read_json(&path)?;
            let missing = || Error::file(&path, "no scores", "remove it, and repeat the study");
            tests.into_iter().next().ok_or_else(missing)
        };
        let model = Run::open(&folder(false))?.network(place.device)?;
        pictures.push(whole(&*model, ground, date, progress)?.0);
        let (patches, masks) = ground.patches(&others(ground, date), study.patch_size, STRIDE)?;
        let single = (format!("date {date}"), as_pixels(ground, date)?);
        let baselines = baselines_on((&patches, &masks), &[single], progress)?;
        let image = ground.image(date)?;
        all.push(DateScores {
            date,
            blue: image.slice(s![.., .., 1]).iter().map(|v| f64::from(*v)).sum::<f64>()
                / (image.dim().0 * image.dim().1) as f64,
            network: scores(false)?,
            elsewhere: scores(true)?,
            baselines: baselines
                .into_iter()
                .map(|(name, scores)| (name.to_owned(), scores[0].clone()))
                .collect(),
        });
    }
    drawing::of_dates(ground, &all, &pictures, place.out)?;
    Ok(all)
}

/// The patches of the western edge.
fn western(ground: &EoPatch, dates: &[usize], size: usize) -> Result<(Patches, Masks)> {
    let [rows, _] = ground.size();
    let (patches, masks) = ground.patches(dates, size, STRIDE)?;
    let across = patches.len() / dates.len() / rows_of(rows, size);
    let first: Vec<usize> = (0..patches.len()).step_by(across).collect();
    Ok((patches.select(&first)?, masks.select(&first)?))
}

/// How many rows of patches there are.
fn rows_of(rows: usize, size: usize) -> usize {
    (rows - size).div_ceil(STRIDE) + 1
}

/// What a network says of a whole date. Shape: (rows · columns, K), and the largest square of it as a picture.
fn whole(
    segmenter: &dyn Model,
    ground: &EoPatch,
    date: usize,
    progress: &mut dyn Progress,
) -> Result<(DatePicture, Array3<f64>)> {
    let image = ground.image(date)?;
    let size = segmenter.imagery().patch_size;
    let source = InMemory { image: &image, imagery: ground.imagery(size) };
    let [rows, columns] = ground.size();
    let mut p = Array3::zeros((rows, columns, segmenter.classes().len()));
    blend(segmenter, &source, size / 4, progress, &mut |part| {
        p.slice_mut(s![part.first..part.first + part.p.dim().0, .., ..]).assign(&part.p);
        Ok(())
    })?;
    let side = rows.min(columns);
    let shaped =
        |e: ndarray::ShapeError| Error::Internal { what: "cutting a picture", detail: e.to_string() };
    let bands = image.dim().2;
    let square = image.slice(s![..side, ..side, ..]).iter().copied().collect();
    let square = Array4::from_shape_vec((1, side, side, bands), square).map_err(shaped)?;
    let imagery = ground.imagery(side);
    let cover = ground.cover().slice(s![..side, ..side]).insert_axis(ndarray::Axis(0)).to_owned();
    let of_square = p.slice(s![..side, ..side, ..]).iter().copied().collect();
    let of_square =
        Array2::from_shape_vec((side * side, segmenter.classes().len()), of_square).map_err(shaped)?;
    let picture = DatePicture {
        patches: Patches::in_memory(imagery, ground.classes().clone(), square)?,
        masks: Masks::new(ground.classes().clone(), cover)?,
        p: Probabilities::new(ground.classes().clone(), of_square)?,
    };
    Ok((picture, p))
}

/// Scores on a cover of the same pixels.
fn of_cover(test: &str, p: &Array3<f64>, classes: &Classes, cover: &Array2<u8>) -> Result<CoverScores> {
    let (rows, columns, k) = p.dim();
    let p = Array2::from_shape_vec((rows * columns, k), p.iter().copied().collect())
        .map_err(|e| Error::Internal { what: "scoring a date", detail: e.to_string() })?;
    let masks = Masks::new(classes.clone(), cover.clone().insert_axis(ndarray::Axis(0)))?;
    score(test, &Probabilities::new(classes.clone(), p)?, &masks)
}

/// Each pixel of a date as a patch of its own.
fn as_pixels(ground: &EoPatch, date: usize) -> Result<(Patches, Masks)> {
    let image = ground.image(date)?;
    let (rows, columns, bands) = image.dim();
    let shaped =
        |e: ndarray::ShapeError| Error::Internal { what: "taking single pixels", detail: e.to_string() };
    let values = image.iter().copied().collect();
    let images = Array4::from_shape_vec((rows * columns, 1, 1, bands), values).map_err(shaped)?;
    let cover = ground.cover().iter().copied().collect();
    let cover = Array3::from_shape_vec((rows * columns, 1, 1), cover).map_err(shaped)?;
    let patches = Patches::in_memory(ground.imagery(1), ground.classes().clone(), images)?;
    Ok((patches, Masks::new(ground.classes().clone(), cover)?))
}
