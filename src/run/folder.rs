//! A run folder: `config.toml`, `history.csv`, `model.safetensors`, `checkpoint.safetensors`,
//! `baselines.json`, `metrics.json`, `figures/`.

use std::cmp::Ordering;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use super::config::{Config, DataSettings, load_table, to_toml};
use super::members::{Members, member};
use super::provenance::data_checksum;
use super::sets::ExampleSet;
use crate::checkpoint::{self, StoredTemperature};
use crate::data::reflectance::so2sat_statistics;
use crate::data::{BandStatistics, Patches, So2Sat};
use crate::figures::Curves;
use crate::files::Partial;
use crate::models::baselines::{MajorityClass, PixelGaussian};
use crate::models::{Classifier, Device, Ensemble, McDropout, Model};
use crate::{EpochRecord, Error, Imagery, Keep, Progress, Result, Standardisation, Training, write_whole};

/// A run's folder and the names in it.
#[derive(Debug, Clone)]
pub struct Run {
    folder: PathBuf,
    /// Provenance of the data that it is used on, where their files do not state it.
    provenance: Option<String>,
}

/// The baselines of a run, fitted to its training set.
#[derive(Serialize, Deserialize)]
pub(super) struct Baselines {
    pub(super) majority: MajorityClass,
    pub(super) pixel: PixelGaussian,
    /// The checksum of that set, by which it is known again wherever it lies; older runs have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    training_set: Option<String>,
}

/// A part of a data set that a run was not trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeldOut {
    Validation,
    Test,
}

impl Baselines {
    /// Of patches with a class each, or pixels, from a training set.
    pub(super) fn fit(set: &ExampleSet, progress: &mut dyn Progress) -> Result<Self> {
        let (train, labels) = set.for_baselines()?;
        Ok(Self {
            majority: MajorityClass::fit(&train, &labels)?,
            pixel: PixelGaussian::fit(&train, &labels, progress)?,
            training_set: Some(data_checksum(&set.patches)?),
        })
    }
}

/// What figures show of an epoch of `history.csv`.
#[derive(Deserialize)]
struct Point {
    epoch: usize,
    training_loss: f64,
    validation_loss: Option<f64>,
    validation_accuracy: Option<f64>,
}

/// The place of the lowest validation loss, the first of equals as training keeps it; none without validation.
fn lowest_loss(curves: &Curves) -> Option<usize> {
    let losses = curves.validation_loss.iter().enumerate().filter_map(|(n, loss)| Some((n, (*loss)?)));
    losses.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(n, _)| n)
}

impl Run {
    /// Checks that a folder is free for a new run, without making it.
    ///
    /// # Errors
    /// It exists.
    pub fn check_free(folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        if folder.symlink_metadata().is_ok() {
            return Err(Error::file(folder, "the run folder exists", "choose another, or remove it"));
        }
        Ok(())
    }

    /// Makes the folder of a new run, which appears with what `fill` puts into it, or not at all.
    ///
    /// # Errors
    /// It exists, or cannot be made; `fill`'s errors.
    pub fn create(folder: impl AsRef<Path>, fill: impl FnOnce(&Self) -> Result<()>) -> Result<Self> {
        let folder = folder.as_ref();
        Self::check_free(folder)?;
        let partial = Partial::folder(folder)?;
        fill(&Self { folder: partial.path().to_owned(), provenance: None })?;
        partial.become_new()?;
        Ok(Self { folder: folder.to_owned(), provenance: None })
    }

    /// A folder that is not one of a U-Net's as lcz made them before a run was the same for all models.
    fn at(folder: &Path) -> Result<Self> {
        if folder.join("training.json").is_file() && !folder.join("config.toml").exists() {
            let problem = "made by `lcz landcover train`, which no longer exists";
            let advice = "cut the scene with `lcz patches --masks`, and train with `lcz train unet`";
            return Err(Error::file(folder, problem, advice));
        }
        Ok(Self { folder: folder.to_owned(), provenance: None })
    }

    /// Opens the folder of a run whose training is to be resumed.
    ///
    /// # Errors
    /// There is no checkpoint.
    pub(super) fn open_training(folder: &Path) -> Result<Self> {
        let run = Self::at(folder)?;
        if !run.checkpoint_file().is_file() {
            let problem = "no checkpoint.safetensors there";
            return Err(Error::file(folder, problem, "give the folder that `lcz train` has made"));
        }
        Ok(run)
    }

    /// Opens the folder of a run that has a model.
    ///
    /// # Errors
    /// There is none, or none yet: the first epoch has not ended.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let run = Self::at(folder)?;
        if run.ensemble()?.is_some() {
            return Ok(run);
        }
        if !run.model_file().is_file() {
            if run.checkpoint_file().is_file() {
                let problem = "no epoch has ended yet, so that there is no model";
                let advice = "wait for the first one, or resume with `lcz train --resume`";
                return Err(Error::file(folder, problem, advice));
            }
            let advice = "give the folder that `lcz train` or `lcz import` has made";
            return Err(Error::file(folder, "no model.safetensors there", advice));
        }
        run.warn_if_unfinished();
        Ok(run)
    }

    /// Says that the training was not over, by `history.csv`; nothing of an imported network.
    fn warn_if_unfinished(&self) {
        let (Ok(Some(config)), Ok(curves)) = (self.config(), self.curves()) else { return };
        let Training { epochs, patience, .. } = config.training;
        let done = curves.epochs.len();
        let best = lowest_loss(&curves).map_or(done, |n| n + 1);
        if done < epochs && !(patience > 0 && done - best >= patience) {
            tracing::warn!(
                "{0}: trained {done} of {epochs} epochs; resume with: lcz train --resume {0}",
                self.folder.display()
            );
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where figures go.
    pub fn figures(&self) -> PathBuf {
        self.folder.join("figures")
    }

    /// The last checkpoint of a training.
    pub(super) fn checkpoint_file(&self) -> PathBuf {
        self.folder.join("checkpoint.safetensors")
    }

    pub(crate) fn model_file(&self) -> PathBuf {
        self.folder.join("model.safetensors")
    }

    /// Whether its model is a random forest, or its members are.
    ///
    /// # Errors
    /// A model that cannot be read.
    pub(super) fn is_forest(&self) -> Result<bool> {
        if let Some(members) = self.ensemble()? {
            return members.first().map_or(Ok(false), Self::is_forest);
        }
        let built = checkpoint::architecture(&self.model_file())?;
        Ok(built.get("name").and_then(Value::as_str) == Some("forest"))
    }

    /// The network with its best weights.
    ///
    /// # Errors
    /// The file cannot be read, holds a forest or another network than that of `config.toml`, the run is an ensemble, or the
    /// device cannot be used.
    pub fn network(&self, device: Device) -> Result<Box<dyn Model>> {
        if let Some(members) = self.ensemble()? {
            let problem = format!("an ensemble of {}, not one network", members.len());
            let advice = format!("give one of them, such as {}", members[0].folder.display());
            return Err(Error::file(&self.folder, problem, advice));
        }
        self.check_model()?;
        checkpoint::load(self.model_file(), device)
    }

    /// What its model was trained on: the imagery, and the mean and the standard deviation of each band where known. An
    /// imported network takes reflectance as it is, and was trained on So2Sat.
    ///
    /// # Errors
    /// A model that cannot be read.
    pub fn trained_on(&self) -> Result<(Imagery, Option<BandStatistics>)> {
        if let Some(member) = self.ensemble()?.and_then(|members| members.into_iter().next()) {
            return member.trained_on();
        }
        let (imagery, standardisation) = checkpoint::trained_on(&self.model_file())?;
        let statistics = standardisation.and_then(|Standardisation { mean, deviation }| {
            let identity = Standardisation::identity(mean.len());
            if (&mean, &deviation) == (&identity.mean, &identity.deviation) {
                return so2sat_statistics(&imagery);
            }
            Some(BandStatistics { mean, standard_deviation: deviation })
        });
        Ok((imagery, statistics))
    }

    /// The model, of any kind, without its [`temperature`](Self::temperature).
    ///
    /// # Errors
    /// The file, or one of the members' of an ensemble, cannot be read or holds another model than that of `config.toml`; the
    /// device cannot be used.
    pub fn classifier(&self, device: Device) -> Result<Box<dyn Classifier>> {
        if let Some(members) = self.ensemble()? {
            let members = members.iter().map(|member| member.classifier(device));
            return Ok(Box::new(Ensemble::new(members.collect::<Result<_>>()?)?));
        }
        self.check_model()?;
        checkpoint::load_uncalibrated(&self.model_file(), device)
    }

    /// Refuses a model that is not the one that `config.toml` names: data would be chosen for another one.
    fn check_model(&self) -> Result<()> {
        let path = self.folder.join("config.toml");
        if !path.exists() {
            return Ok(());
        }
        let (config, place) = load_table(&path)?;
        let Some(Value::Table(named)) = config.get("model") else { return Ok(()) };
        let built = checkpoint::architecture(&self.model_file())?;
        // The kind first; a setting that is missing on either side is not compared.
        let mut keys: Vec<&String> = named.keys().collect();
        keys.sort_by_key(|key| *key != "name");
        for key in keys {
            if let (Some(named), Some(built)) = (named.get(key), built.get(key))
                && !same_setting(named, built)
            {
                let problem =
                    format!("model.{key} = {named}, but model.safetensors in the same folder has {built}");
                let advice = "put the one back that belongs to the other, or train again";
                return Err(Error::input(place, problem, advice));
            }
        }
        Ok(())
    }

    /// The network with Monte Carlo dropout: the mean of N passes with this random seed.
    ///
    /// # Errors
    /// As [`network`](Self::network) and [`McDropout::new`].
    pub fn mc_dropout(&self, passes: usize, seed: u64, device: Device) -> Result<Box<dyn Classifier>> {
        Ok(Box::new(McDropout::new(self.network(device)?, passes, seed)?))
    }

    /// The temperature that was fitted to the run's network, or to its ensemble's mean, if one was.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn temperature(&self) -> Result<Option<StoredTemperature>> {
        match Members::read(&self.folder)? {
            Some(members) => Ok(members.temperature),
            None => checkpoint::temperature(self.model_file()),
        }
    }

    /// Keeps a temperature, in place of one that is there.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub(super) fn store_temperature(&self, temperature: StoredTemperature) -> Result<()> {
        match Members::read(&self.folder)? {
            Some(members) => Members { temperature: Some(temperature), ..members }.write(&self.folder),
            None => checkpoint::store_temperature(self.model_file(), &temperature),
        }
    }

    /// The runs of the members, if this is the run of an ensemble.
    ///
    /// # Errors
    /// A member that is missing or has no model yet.
    pub fn ensemble(&self) -> Result<Option<Vec<Self>>> {
        let Some(Members { members: count, .. }) = Members::read(&self.folder)? else { return Ok(None) };
        let open = |number| {
            let folder = member(&self.folder, number);
            if folder.exists() {
                return Self::open(&folder);
            }
            let problem = format!("member {number} of {count} is not trained yet");
            let advice = format!("resume with: lcz train --resume {}", self.folder.display());
            Err(Error::file(&self.folder, problem, advice))
        };
        (0..count).map(open).collect::<Result<_>>().map(Some)
    }

    /// Keeps a network that was trained elsewhere.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, network: &dyn Model) -> Result<()> {
        network.save(self.model_file())
    }

    /// The configuration that the run's network was trained with; an imported network has none.
    ///
    /// # Errors
    /// A file that is there but cannot be read.
    pub fn config(&self) -> Result<Option<Config>> {
        let path = self.folder.join("config.toml");
        if path.exists() { Config::load(&path).map(Some) } else { Ok(None) }
    }

    /// The data that the run was trained on; none for an imported network.
    ///
    /// # Errors
    /// A configuration that is there but cannot be read.
    pub fn data(&self) -> Result<Option<DataSettings>> {
        let path = self.folder.join("config.toml");
        if path.exists() { DataSettings::load(&path).map(Some) } else { Ok(None) }
    }

    /// A data set with the bands and without the zones that the run was trained with.
    ///
    /// # Errors
    /// A configuration that cannot be read.
    pub fn as_trained(&self, so2sat: So2Sat) -> Result<So2Sat> {
        let Some(mut data) = self.data()? else { return Ok(self.described(so2sat)) };
        // The provenance given for the training data holds for these only.
        if self.provenance.is_some() || !so2sat.path().starts_with(&data.path) {
            data.provenance.clone_from(&self.provenance);
        }
        data.choose(so2sat)
    }

    /// The same run, whose results state this provenance of the data where their files do not.
    #[must_use]
    pub fn with_provenance(mut self, provenance: Option<String>) -> Self {
        self.provenance = provenance;
        self
    }

    /// A data set with the provenance that is given for it.
    pub(super) fn described(&self, so2sat: So2Sat) -> So2Sat {
        so2sat.described(self.provenance.as_deref())
    }

    /// The labelled patches of a file, with the bands and without the zones that the run was trained with. Of the one
    /// file that a run was trained on, or a copy of it, only this part: never the rows that the model was trained on.
    ///
    /// # Errors
    /// A file that cannot be read, or is not of the kind that the run was trained on.
    pub(super) fn held_out(&self, file: &Path, part: HeldOut) -> Result<Patches> {
        let so2sat = self.as_trained(So2Sat::open(file)?)?;
        if !self.trained_on_part_of(file, &so2sat)? {
            return so2sat.patches();
        }
        let (_, validation, test) = so2sat.splits()?;
        Ok(match part {
            HeldOut::Validation => validation,
            HeldOut::Test => test,
        })
    }

    /// Whether the run was trained on a part of this file.
    fn trained_on_part_of(&self, file: &Path, so2sat: &So2Sat) -> Result<bool> {
        let Some(data) = self.data()? else { return Ok(false) };
        if data.path.is_dir() {
            return Ok(false);
        }
        if let (Ok(trained), Ok(file)) = (data.path.canonicalize(), file.canonicalize())
            && trained == file
        {
            return Ok(true);
        }
        let Some(known) = self.baselines()?.and_then(|baselines| baselines.training_set) else {
            return Ok(false);
        };
        // What cannot be split was not split.
        so2sat.splits().map_or(Ok(false), |(train, ..)| Ok(data_checksum(&train)? == known))
    }

    pub(crate) fn write_config(&self, config: &impl Serialize) -> Result<()> {
        write_whole(&self.folder.join("config.toml"), to_toml(config)?.as_bytes())
    }

    pub(crate) fn write_history(&self, epochs: &[EpochRecord]) -> Result<()> {
        let (path, mut csv) = (self.folder.join("history.csv"), csv::Writer::from_writer(Vec::new()));
        let milliseconds = |seconds: f64| (1000.0 * seconds).round() / 1000.0;
        for epoch in epochs {
            let [seconds, waiting] = [epoch.seconds, epoch.waiting].map(milliseconds);
            let row = EpochRecord { seconds, waiting, ..epoch.clone() };
            csv.serialize(row).map_err(|e| Error::io(&path)(e.into()))?;
        }
        write_whole(&path, &csv.into_inner().map_err(|e| Error::io(&path)(e.into_error()))?)
    }

    /// The history as its figure takes it.
    ///
    /// # Errors
    /// No history, or one that is not as `lcz train` writes it: names the line; a configuration that cannot be read.
    pub(crate) fn curves(&self) -> Result<Curves> {
        let path = self.folder.join("history.csv");
        let mut file = csv::Reader::from_reader(fs::File::open(&path).map_err(Error::io(&path))?);
        let mut curves = Curves::default();
        for row in file.deserialize() {
            let row: Point = row.map_err(|e| {
                let problem = e.to_string().replace('\n', " ");
                Error::file(&path, problem, "give a history that `lcz train` has written")
            })?;
            curves.epochs.push(row.epoch);
            curves.training_loss.push(row.training_loss);
            curves.validation_loss.push(row.validation_loss);
            curves.validation_accuracy.push(row.validation_accuracy);
        }
        // Without validation, or if requested, the last epoch.
        let keep = self.config()?.map_or(Keep::Best, |config| config.training.keep);
        let best = lowest_loss(&curves).filter(|_| keep == Keep::Best).map(|n| curves.epochs[n]);
        let kept = best.or_else(|| curves.epochs.last().copied());
        Ok(Curves { best_epoch: kept, ..curves })
    }

    pub(super) fn write_baselines(&self, baselines: &Baselines) -> Result<()> {
        write_json(&self.folder.join("baselines.json"), baselines)
    }

    /// The baselines; an imported network has none.
    pub(super) fn baselines(&self) -> Result<Option<Baselines>> {
        if let Some(members) = self.ensemble()? {
            // All members were trained on the same patches.
            return members[0].baselines();
        }
        let path = self.folder.join("baselines.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let parsed = serde_json::from_str(&text);
        parsed
            .map(Some)
            .map_err(|e| Error::file(&path, format!("cannot be read ({e})"), "train the run again"))
    }

    /// Puts an evaluation into `metrics.json`, next to those of other files.
    pub(super) fn add_metrics(&self, name: &str, evaluation: &impl Serialize) -> Result<()> {
        let path = self.folder.join("metrics.json");
        let mut all: serde_json::Map<String, serde_json::Value> = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| {
                Error::file(&path, format!("cannot be read ({e})"), "remove it and evaluate again")
            })?,
            Err(e) if e.kind() == ErrorKind::NotFound => serde_json::Map::new(),
            Err(e) => return Err(Error::io(&path)(e)),
        };
        let value = serde_json::to_value(evaluation).map_err(Error::internal("writing JSON"))?;
        all.insert(name.to_owned(), value);
        write_json(&path, &all)
    }
}

/// Whether two settings mean the same: 0 is 0.0.
fn same_setting(a: &Value, b: &Value) -> bool {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a.partial_cmp(&b).is_some_and(Ordering::is_eq),
        _ => a == b,
    }
}

/// A file of JSON, whole or not at all.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value).map_err(Error::internal("writing JSON"))?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epoch_that_curves_mark_is_the_one_whose_weights_were_kept() {
        let columns = "epoch,training_loss,training_accuracy,validation_loss,validation_accuracy";
        let history = format!("{columns}\n1,2,0.5,1.5,0.5\n2,1,0.6,1.2,0.6\n3,0.5,0.7,1.9,0.5\n");
        for (setting, kept) in [("training.keep=best", 2), ("training.keep=last", 3)] {
            let place = tempfile::tempdir().unwrap();
            let run = Run { folder: place.path().to_owned(), provenance: None };
            fs::write(place.path().join("history.csv"), &history).unwrap();
            run.write_config(&Config::read(None, "mlp", &[setting.to_owned()]).unwrap()).unwrap();
            let curves = run.curves().unwrap();
            assert_eq!((curves.best_epoch, curves.epochs.len()), (Some(kept), 3), "{setting}");
        }
    }
}
