//! From a configuration to a run: data, network, training, baselines, learning curves; and a run that was interrupted
//! resumed.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::folder::Baselines;
use super::{Config, DataSettings, LabelKind, Run, TrainingSets};
use crate::checkpoint::{Description, load_training, save_training};
use crate::data::{Patches, So2Sat};
use crate::figures::{self, Caption, Source};
use crate::models::{Device, Model};
use crate::progress::pass_progress_on;
use crate::{EpochRecord, History, Observer, Standardisation, TrainingState, Weights, files};
use crate::{Error, LabelDistributions, Progress, Result};

/// Validation patches read at once to check them.
const CHECKED_AT_ONCE: usize = 256;

/// Summary of a training.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The network.
    pub model: String,
    /// Patches trained on.
    pub training_patches: usize,
    /// Patches the best epoch was chosen by.
    pub validation_patches: usize,
    /// Description of the split.
    pub split: String,
    /// Provenance of the patches, as their file states it.
    pub provenance: String,
    /// All numbers of the network, moving averages included.
    pub parameters: usize,
    /// The epoch whose weights were kept.
    pub best: EpochRecord,
    /// Epochs in all.
    pub epochs: usize,
    /// Seconds in all epochs.
    pub seconds: f64,
    /// Seconds of them that training waited for patches to be read.
    pub waiting: f64,
    /// Where it was resumed, if it was not begun.
    pub resumed: Option<Resumed>,
    /// Warnings about settings without effect.
    pub warnings: Vec<String>,
    /// All epochs.
    #[serde(skip)]
    pub history: History,
}

/// Where a training was resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resumed {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Steps of it that were done.
    pub batch: usize,
    /// Whether nothing was left to do.
    pub was_over: bool,
}

/// Settings that may change when a training is resumed.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// Epochs in all. The learning rate of an epoch does not depend on how many there are, so that a
    /// run of 20 epochs that is resumed to 40 ends as one of 40 does, with the schedule of its `config.toml`.
    pub epochs: Option<usize>,
    /// Where the data are now, if they have moved.
    pub data: Option<PathBuf>,
}

/// What a checkpoint holds next to the training's state.
#[derive(Serialize, Deserialize)]
struct Notes {
    config: Config,
    train: Fingerprint,
    validation: Option<Fingerprint>,
}

impl DataSettings {
    /// A data set with these bands and this split, without these zones.
    ///
    /// # Errors
    /// A zone that does not exist.
    pub(crate) fn choose(&self, so2sat: So2Sat) -> Result<So2Sat> {
        let mut so2sat = so2sat.split_by(self.split).described(self.provenance.as_deref());
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
            LabelKind::Posterior => {
                let alpha = self.alpha.unwrap_or(1.0 / patches.classes().len() as f64);
                patches.votes()?.posterior_mean(alpha).map_err(|_| {
                    let advice = "choose a number above 0, such as 0.1";
                    Error::input("data.alpha", alpha.to_string(), advice)
                })
            }
        }
    }
}

/// Trains a network into a new run folder. The folder is made when data and settings have been
/// checked; `model.safetensors` is the best epoch so far at any time, and `checkpoint.safetensors` what
/// it takes to [`resume`].
///
/// See the [module's example](crate::run).
///
/// # Errors
/// A folder that exists, unusable data or settings, a loss that is not finite, or
/// [`Error::Interrupted`].
pub fn train(
    config: &Config,
    folder: impl AsRef<Path>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let folder = folder.as_ref();
    Run::check_free(folder)?;
    let sets = TrainingSets::open(&config.data, config.model.sample())?;
    begin(config, &sets, folder, device, progress)
}

/// As [`train`], on sets that the caller has; a training that the folder holds is resumed, and one that is over is left as
/// it is.
///
/// # Errors
/// As [`train`] and [`resume`]; a folder with a training of other settings or data.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::data::Patches;
/// use lcz::models::Device;
/// use lcz::run::{self, Config, ExampleSet, Targets, TrainingSets};
/// fn train(train: Patches) -> lcz::Result<()> {
///     let targets = Targets::Labels(train.distributions()?.smoothed(0.1)?);
///     let train = ExampleSet { patches: train, targets };
///     let sets = TrainingSets { split: "all patches".to_owned(), train, validation: None };
///     let config = Config::read(None, "sen2lcz", &[])?;
///     run::train_on(&sets, &config, "runs/smoothed", Device::Cpu, &mut lcz::progress::Silent)?;
///     Ok(())
/// }
/// # Ok(())
/// # }
/// ```
pub fn train_on(
    sets: &TrainingSets,
    config: &Config,
    folder: impl AsRef<Path>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let folder = folder.as_ref();
    if !folder.exists() {
        return begin(config, sets, folder, device, progress);
    }
    let _lock = files::lock(folder)?;
    let (run, begun) = Begun::read(folder)?;
    begun.check_settings(config, folder)?;
    begun.go_on(&run, config.clone(), sets, device, progress)
}

/// Checks everything, makes the folder, and trains.
fn begin(
    config: &Config,
    sets: &TrainingSets,
    folder: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let mut network = sets.network(config, device)?;
    config.training.check()?;
    let train = &sets.train.patches;
    config.model.check_batches(train, config.training.batch_size)?;
    network.set_standardisation(Standardisation::fit(train, progress)?)?;

    let baselines = Baselines::fit(&sets.train, progress)?;
    // The training pixels have been read by now; these would else be met after the first epoch.
    if let Some(set) = &sets.validation {
        set.patches.batches(CHECKED_AT_ONCE).try_for_each(|batch| batch.map(drop))?;
    }

    let train = Fingerprint::of(&sets.train)?;
    let validation = sets.validation.as_ref().map(Fingerprint::of).transpose()?;
    let notes = Notes { config: config.clone(), train, validation };
    let description = Description::from_model(&*network);
    let state = TrainingState::start(network.weights());
    let run = Run::create(folder, |run| {
        run.write_config(config)?;
        run.write_baselines(&baselines)?;
        save_training(&run.checkpoint_file(), &description, &state, &notes)
    })?;
    let _lock = files::lock(folder)?;
    let recorder = Recorder::new(&run, description, notes, &state, progress);
    go_on(sets, network, state, recorder)
}

/// Resumes a training that was interrupted or killed from its last checkpoint: it ends with weights bit-identical to those
/// of an uninterrupted training. One that is over is left as it is.
///
/// See the [module's example](crate::run).
///
/// # Errors
/// No checkpoint, a run that another process is training, settings or data that are not those it began with, and as
/// [`train`].
pub fn resume(
    folder: impl AsRef<Path>,
    changes: &Changes,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Outcome> {
    let folder = folder.as_ref();
    let _lock = files::lock(folder)?;
    let (run, begun) = Begun::read(folder)?;
    let Some(mut config) = run.config()? else {
        return Err(Error::file(folder, "no config.toml there", "give the folder that `lcz train` has made"));
    };
    begun.check_settings(&config, folder)?;
    config.training.epochs = changes.epochs.unwrap_or(config.training.epochs);
    config.data.path = changes.data.clone().unwrap_or(config.data.path);
    config.training.check()?;
    let sets = TrainingSets::open(&config.data, config.model.sample())?;
    begun.go_on(&run, config, &sets, device, progress)
}

/// A training that has begun: its last checkpoint.
struct Begun {
    description: Description,
    state: TrainingState,
    notes: Notes,
}

impl Begun {
    fn read(folder: &Path) -> Result<(Run, Self)> {
        let run = Run::open_training(folder)?;
        let (description, state, notes) = load_training(&run.checkpoint_file())?;
        Ok((run, Self { description, state, notes }))
    }

    /// Refuses settings that would change the training.
    fn check_settings(&self, config: &Config, folder: &Path) -> Result<()> {
        let Some(key) = self.notes.config.difference(config)? else { return Ok(()) };
        let problem = format!("{key} is not what the run began with");
        let advice = "set it back, or train again with --config";
        Err(Error::file(folder.join("config.toml"), problem, advice))
    }

    /// Trains on, on sets that must be those that it began with.
    fn go_on(
        self,
        run: &Run,
        config: Config,
        sets: &TrainingSets,
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<Outcome> {
        let Self { description, state, mut notes } = self;
        let done = state.epochs().len();
        if config.training.epochs < done {
            let problem = format!("{} epochs where {done} are done", config.training.epochs);
            return Err(Error::file(run.folder(), problem, "choose more epochs"));
        }
        for (before, set) in std::iter::once(&notes.train).chain(&notes.validation).zip(sets.all()) {
            if let Some(change) = before.change(&Fingerprint::of(set)?) {
                let problem = format!("not the data that the run began with: {change}");
                let advice = "give those with --data, or train again";
                return Err(Error::input(set.patches.name(), problem, advice));
            }
        }
        let mut network = sets.network(&config, device)?;
        if let Some(standardisation) = description.standardisation() {
            let at = run.checkpoint_file();
            network.set_standardisation(standardisation.clone()).map_err(|e| e.within(&at))?;
        }
        run.write_config(&config)?;
        notes.config = config;
        let recorder = Recorder::new(run, description, notes, &state, progress);
        go_on(sets, network, state, recorder)
    }
}

/// Trains from a state to the end, and draws the learning curves.
fn go_on(
    sets: &TrainingSets,
    mut network: Box<dyn Model>,
    state: TrainingState,
    mut recorder: Recorder<'_>,
) -> Result<Outcome> {
    let config = recorder.notes.config.clone();
    let train = &sets.train.patches;
    let (epoch, batch) = state.position();
    let was_over = state.is_over(&config.training);
    let resumed = ((epoch, batch) != (1, 0)).then_some(Resumed { epoch, batch, was_over });
    let validation = sets.validation.as_ref();
    let warnings = Vec::from_iter(config.training.warning().filter(|_| !was_over));
    for warning in &warnings {
        recorder.progress.begin("checking the settings", 1);
        recorder.progress.end(&format!("warning: {warning}"));
    }
    let history = network.fit_from(state, &sets.train, validation, &config.training, &mut recorder)?;
    let best = history.epochs.iter().find(|e| e.epoch == history.best_epoch);
    let best = best
        .cloned()
        .ok_or(Error::Internal { what: "training", detail: "no epoch was the best".to_owned() })?;

    let caption = Caption::new(
        format!("Learning curves, {}", config.model.name()),
        format!("{}, n = {}, seed {}", train.provenance(), train.len(), config.training.seed),
    );
    let run = recorder.run;
    let source = Source::Training { run: run.folder().display().to_string() };
    figures::learning_curves(&run.curves()?, &caption)?
        .with_provenance(&run.provenance(train, source)?)
        .save(run.figures(), "learning-curves")?;
    Ok(Outcome {
        model: config.model.name().to_owned(),
        training_patches: train.len(),
        validation_patches: validation.map_or(0, |set| set.patches.len()),
        split: sets.split.clone(),
        provenance: train.provenance().to_owned(),
        parameters: network.parameters().total,
        best,
        epochs: history.epochs.len(),
        seconds: history.epochs.iter().map(|e| e.seconds).sum(),
        waiting: history.epochs.iter().map(|e| e.waiting).sum(),
        resumed,
        warnings,
        history,
    })
}

/// Records each epoch as it ends, and writes checkpoints at intervals.
struct Recorder<'a> {
    run: &'a Run,
    description: Description,
    notes: Notes,
    epochs: Vec<EpochRecord>,
    checkpoint_at: Instant,
    progress: &'a mut dyn Progress,
}

impl<'a> Recorder<'a> {
    fn new(
        run: &'a Run,
        description: Description,
        notes: Notes,
        state: &TrainingState,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let epochs = state.epochs().to_vec();
        Self { run, description, notes, epochs, checkpoint_at: Instant::now(), progress }
    }
}

impl Progress for Recorder<'_> {
    pass_progress_on!(self => self.progress);
}

impl Observer for Recorder<'_> {
    fn epoch(&mut self, record: &EpochRecord, best: Option<&Weights>) -> Result<()> {
        self.epochs.push(record.clone());
        self.run.write_history(&self.epochs)?;
        match best {
            Some(weights) => self.description.save(weights, self.run.model_file()),
            None => Ok(()),
        }
    }

    fn wants_checkpoint(&mut self, epoch_ended: bool) -> bool {
        let passed = self.checkpoint_at.elapsed().as_secs_f64();
        epoch_ended || passed >= self.notes.config.training.checkpoint_seconds
    }

    fn checkpoint(&mut self, state: &TrainingState) -> Result<()> {
        self.checkpoint_at = Instant::now();
        save_training(&self.run.checkpoint_file(), &self.description, state, &self.notes)
    }
}
