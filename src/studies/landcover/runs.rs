//! Networks of pixels in folders: trained once, kept with their history.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::checkpoint;
use crate::models::unet::UnetSettings;
use crate::models::{Architecture, Device, Model, build};
use crate::nn::{EpochRecord, History, Masked, Observer, Training, Weights};
use crate::run::write_json;
use crate::studies::study::read_json;
use crate::{Error, Progress, Result};

/// The network.
const MODEL: &str = "model.safetensors";
/// What it was trained with and how that went; written last.
const TRAINED: &str = "training.json";

/// `training.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Trained {
    pub network: UnetSettings,
    pub training: Training,
    /// Patches that it has learnt from, and that watched over it.
    pub patches: [usize; 2],
    pub parameters: usize,
    pub seconds: f64,
    pub history: History,
}

/// Hands on the progress of a training, and keeps nothing of it.
struct Reporter<'a>(&'a mut dyn Progress);

impl Observer for Reporter<'_> {
    fn progress(&mut self) -> &mut dyn Progress {
        self.0
    }

    fn epoch(&mut self, _: &EpochRecord, _: Option<&Weights>) -> Result<()> {
        Ok(())
    }
}

/// The network of a folder, if its training is over.
pub(super) fn kept(folder: &Path, device: Device) -> Result<Option<(Box<dyn Model>, Trained)>> {
    if !folder.join(TRAINED).is_file() {
        return Ok(None);
    }
    Ok(Some((checkpoint::load(&folder.join(MODEL), device)?, trained(folder)?)))
}

/// The training of a folder's network.
pub(super) fn trained(folder: &Path) -> Result<Trained> {
    read_json(&folder.join(TRAINED))
}

/// The network of a folder.
pub(crate) fn load(folder: &Path, device: Device) -> Result<Box<dyn Model>> {
    let model = folder.join(MODEL);
    if !model.is_file() {
        let advice = "give a folder that `lcz landcover train` has made";
        return Err(Error::file(folder, format!("no {MODEL} there"), advice));
    }
    checkpoint::load(&model, device)
}

/// Trains a network and keeps it in a folder; takes the one that is there if it was trained so.
///
/// # Errors
/// A folder with a network of other settings, and as [`Segmenter::fit`].
pub(super) fn train(
    folder: &Path,
    (network, training): (&UnetSettings, &Training),
    train: Masked<'_>,
    validation: Option<Masked<'_>>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<(Box<dyn Model>, Trained)> {
    let patches = [train.patches.len(), validation.map_or(0, |set| set.patches.len())];
    if let Some((segmenter, trained)) = kept(folder, device)? {
        if trained.network == *network && trained.training == *training && trained.patches == patches {
            return Ok((segmenter, trained));
        }
        let advice = "give another --out, or the settings and data of before";
        return Err(Error::file(folder, "a network of other settings or data", advice));
    }
    let (imagery, classes) = (train.patches.imagery(), train.masks.classes());
    let mut segmenter = build(&Architecture::Unet(network.clone()), imagery, classes, training.seed, device)?;
    let began = std::time::Instant::now();
    let history = segmenter.fit(train, validation, training, &mut Reporter(progress))?;
    let trained = Trained {
        network: network.clone(),
        training: training.clone(),
        patches,
        parameters: segmenter.parameters().total,
        seconds: began.elapsed().as_secs_f64(),
        history,
    };
    fs::create_dir_all(folder).map_err(Error::io(folder))?;
    checkpoint::save(&*segmenter, &folder.join(MODEL))?;
    write_json(&folder.join(TRAINED), &trained)?;
    Ok((segmenter, trained))
}
