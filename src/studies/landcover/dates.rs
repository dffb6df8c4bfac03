//! The second half of the study: real ground, seen on several dates. A network learns from all dates but one, and is
//! tested on that one.
//!
//! All dates show the same ground, and its land cover is one map: what is tested is whether a network reads another day's
//! light, season and air, not whether it knows other ground. A second test asks for both: it learns from the western
//! part only, and is tested on the eastern one on the date held out.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, s};
use serde::{Deserialize, Serialize};

use super::LandcoverStudy;
use super::cities::{baselines_on, score};
use super::runs;
use super::scores::CoverScores;
use crate::data::eopatch::EoPatch;
use crate::data::{Masks, Patches};
use crate::mapping::blend::{InMemory, blend};
use crate::models::unet::UnetSettings;
use crate::models::{Device, Model};
use crate::nn::{Keep, Masked, Schedule, Training};
use crate::{Classes, Error, Probabilities, Progress, Result};

/// Pixels from patch to patch of a date: the ground has room for hardly more than one.
const STRIDE: usize = 12;
/// Columns east of the part that a network has learnt from, which count in the test of other ground.
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

/// Holds out each of the study's dates in turn.
pub(super) fn held_out(
    study: &LandcoverStudy,
    ground: &EoPatch,
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<(Vec<DateScores>, Vec<DatePicture>)> {
    let network = UnetSettings { width: study.date_width, ..UnetSettings::default() };
    // No ground is left to watch over the training: the last epoch's weights are taken.
    let epochs = study.date_epochs;
    let schedule = Schedule::Cosine { epochs, floor: 0.0 };
    let training = Training { epochs, schedule, keep: Keep::Last, ..study.training.clone() };
    let dates: Vec<usize> = study.dates.iter().copied().filter(|&date| date < ground.dates()).collect();
    let size = study.patch_size;
    let (mut all, mut pictures) = (Vec::new(), Vec::new());
    for date in dates {
        let others: Vec<usize> = (0..ground.dates()).filter(|&other| other != date).collect();
        let (patches, masks) = ground.patches(&others, size, STRIDE)?;
        let at = |what: &str| out.join("networks").join(format!("date-{date}{what}"));
        let fit = |folder: &Path, set: (&Patches, &Masks), progress: &mut dyn Progress| {
            let train = Masked { patches: set.0, masks: set.1 };
            Ok::<_, Error>(runs::train(folder, (&network, &training), train, None, device, progress)?.0)
        };
        let segmenter = fit(&at(""), (&patches, &masks), progress)?;
        let (picture, p) = whole(&*segmenter, ground, date, progress)?;
        let test = format!("date {date}");
        let scores = of_cover(&test, &p, ground.classes(), ground.cover())?;

        // Patches at the western edge: their columns end where the test begins.
        let west = western(ground, &others, size)?;
        let western = fit(&at("-west"), (&west.0, &west.1), progress)?;
        let (_, p) = whole(&*western, ground, date, progress)?;
        let mut east = ground.cover().clone();
        east.slice_mut(s![.., ..size + EAST]).fill(Masks::IGNORED);
        let elsewhere = of_cover(&format!("date {date}, eastern ground"), &p, ground.classes(), &east)?;

        let single = as_pixels(ground, date)?;
        let baselines = baselines_on((&patches, &masks), &[(test, single)], progress)?;
        let image = ground.image(date)?;
        all.push(DateScores {
            date,
            blue: image.slice(s![.., .., 1]).iter().map(|v| f64::from(*v)).sum::<f64>()
                / (image.dim().0 * image.dim().1) as f64,
            network: scores,
            elsewhere,
            baselines: baselines
                .into_iter()
                .map(|(name, scores)| (name.to_owned(), scores[0].clone()))
                .collect(),
        });
        pictures.push(picture);
    }
    Ok((all, pictures))
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
