//! From a configuration to a run: data, network, training, baselines, learning curves.

use std::path::Path;

use serde::Serialize;

use super::run::Baselines;
use super::{Config, DataSettings, LabelKind, Run};
use crate::checkpoint::Description;
use crate::data::Patches;
use crate::data::so2sat::So2Sat;
use crate::figures::{self, Caption, Source};
use crate::models::{Device, build};
use crate::nn::{EpochRecord, Labelled, Observer, Standardisation, Weights};
use crate::{Error, LabelDistributions, Progress, Result};

/// Validation patches read at once to check them.
const CHECKED_AT_ONCE: usize = 256;

/// What a training came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// Patches trained on.
    pub training_patches: usize,
    /// Patches the best epoch was chosen by.
    pub validation_patches: usize,
    /// Where the patches are from, as their file says.
    pub provenance: String,
    /// All numbers of the network, moving averages included.
    pub parameters: usize,
    /// The epoch whose weights were kept.
    pub best: EpochRecord,
    /// Epochs in all.
    pub epochs: usize,
    /// Seconds in all epochs.
    pub seconds: f64,
}

impl DataSettings {
    /// A data set with these bands and without these zones.
    ///
    /// # Errors
    /// A zone that does not exist.
    pub(super) fn choose(&self, mut so2sat: So2Sat) -> Result<So2Sat> {
        if let Some(bands) = &self.bands {
            so2sat = so2sat.bands(bands);
        }
        for zone in &self.without {
            so2sat = so2sat.without(zone.parse()?);
        }
        Ok(so2sat)
    }

    /// One set's labels of the chosen kind.
    ///
    /// # Errors
    /// The file has none.
    pub fn labels_of(&self, patches: &Patches) -> Result<LabelDistributions> {
        match self.labels {
            LabelKind::OneHot => Ok(patches.labels()?.one_hot()),
            LabelKind::Votes => patches.distributions(),
        }
    }
}

/// Trains a network into a new run folder. The folder is made when data and settings have been
/// checked; `model.safetensors` is the best epoch so far at any time.
///
/// # Errors
/// A folder that exists, unusable data or settings, or a loss that is not finite.
pub fn train(config: &Config, folder: &Path, device: Device, progress: &mut dyn Progress) -> Result<Outcome> {
    Run::check_free(folder)?;
    let (train, validation, _) = config.data.choose(So2Sat::open(&config.data.path)?)?.splits()?;
    let (train_labels, validation_labels) =
        (config.data.labels_of(&train)?, config.data.labels_of(&validation)?);
    let seed = config.training.seed;
    let mut network = build(&config.model, train.imagery(), train.classes(), seed, device)?;
    network.set_standardisation(Standardisation::of(&train, progress)?)?;

    let majority = if train.has_labels() { train.labels()? } else { train_labels.majority() };
    let baselines = Baselines::fit(&train, &majority, progress)?;
    // The training pixels have been read by now; these would else be met after the first epoch.
    validation.batches(CHECKED_AT_ONCE).try_for_each(|batch| batch.map(drop))?;

    let run = Run::create(folder, |run| {
        run.write_config(config)?;
        run.write_baselines(&baselines)
    })?;

    let mut recorder =
        Recorder { run: &run, description: Description::of(&*network), epochs: Vec::new(), progress };
    let history = network.fit(
        Labelled { patches: &train, labels: &train_labels },
        Some(Labelled { patches: &validation, labels: &validation_labels }),
        &config.training,
        &mut recorder,
    )?;
    let best = history.epochs.iter().find(|e| e.epoch == history.best_epoch);
    let best =
        best.ok_or(Error::Internal { what: "training", detail: "no epoch was the best".to_owned() })?;

    let caption = Caption::new(
        format!("Learning curves, {}", config.model.name()),
        format!("{}, n = {}, seed {seed}", train.provenance(), train.len()),
    );
    let source = Source::Training { run: folder.display().to_string() };
    figures::learning_curves(&run.curves()?, &caption)?
        .with_provenance(&run.provenance(&train, source)?)
        .save(&run.figures(), "learning-curves")?;
    Ok(Outcome {
        training_patches: train.len(),
        validation_patches: validation.len(),
        provenance: train.provenance().to_owned(),
        parameters: network.parameters().total,
        best: best.clone(),
        epochs: history.epochs.len(),
        seconds: history.epochs.iter().map(|e| e.seconds).sum(),
    })
}

/// Writes each epoch down as it ends.
struct Recorder<'a> {
    run: &'a Run,
    description: Description,
    epochs: Vec<EpochRecord>,
    progress: &'a mut dyn Progress,
}

impl Observer for Recorder<'_> {
    fn progress(&mut self) -> &mut dyn Progress {
        self.progress
    }

    fn epoch(&mut self, record: &EpochRecord, best: Option<&Weights>) -> Result<()> {
        self.epochs.push(record.clone());
        self.run.write_history(&self.epochs)?;
        match best {
            Some(weights) => self.description.save(weights, &self.run.model_file()),
            None => Ok(()),
        }
    }
}
