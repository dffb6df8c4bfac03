//! One study: a grid of runs, and the table, figures and README computed from their stored
//! results.
//!
//! A study defines its settings, its tasks, what one task stores, and what follows from all of it ([`Study`]). What
//! all studies share is here: `study.json` with settings and fingerprints of the data, the grid with its jobs and
//! shards, resuming, `outcome.json`, and the figures for `lcz verify`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jobs::{Steps, side_by_side};
use crate::data::so2sat::So2Sat;
use crate::display::Table;
use crate::figures::{Figure, Provenance, Source, StudyName};
use crate::files::NewFolders;
use crate::hash::checksum;
use crate::models::Device;
use crate::run::fingerprint::Fingerprint;
use crate::run::write_json;
use crate::shard::Shard;
use crate::synthetic::Synthetic;
use crate::{Error, Labelled, Progress, Result};

const STUDY: &str = "study.json";
const OUTCOME: &str = "outcome.json";

/// A study. Its own value holds its settings, which `study.json` keeps.
///
/// # Errors
/// Invalid settings, data and stored files that cannot be read, a training
/// that fails, a file that cannot be written.
#[allow(clippy::missing_errors_doc, reason = "they are those of the trait")]
pub trait Study: Serialize + DeserializeOwned + Sync {
    /// Which study it is.
    const NAME: StudyName;
    /// Settings that may grow when a study is resumed: more runs are added.
    const MAY_GROW: &'static [&'static str] = &[];
    /// The data that the tasks need.
    type Data: Sync;
    /// An independent part of the grid of runs.
    type Task: Sync;
    /// What the study found, as `outcome.json` keeps it.
    type Outcome: Serialize;

    /// Checks the settings.
    fn check(&self) -> Result<()>;

    /// Opens the data, or generates synthetic data.
    fn open(&self, context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<Self::Data>;

    /// Opens the data again that the study was done with.
    fn reopen(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<Self::Data> {
        let StudyFolder { inputs, context } = at;
        let data = self.open(*context, progress)?;
        match inputs.change(&self.inputs(&data)?) {
            Some(problem) => {
                Err(Error::file(context.out.join(STUDY), problem, "give the study's with --data"))
            }
            None => Ok(data),
        }
    }

    /// What identifies the data.
    fn inputs(&self, data: &Self::Data) -> Result<Inputs>;

    /// Computes what all tasks need and is not there yet.
    fn prepare(&self, _: &Self::Data, _: StudyContext<'_>, _: &mut dyn Progress) -> Result<()> {
        Ok(())
    }

    /// Whether [`prepare`](Self::prepare) has done its work.
    fn is_prepared(&self, _: &Path) -> bool {
        true
    }

    /// The grid of runs, in an order in which a study that is cut short has whole rows.
    fn tasks(&self) -> Vec<Self::Task>;

    /// The folder of a task, below that of the study.
    fn folder(&self, task: &Self::Task) -> PathBuf;

    /// How many steps of a task are not done yet.
    fn missing(&self, task: &Self::Task, out: &Path) -> usize {
        usize::from(!out.join(self.folder(task)).exists())
    }

    /// Does the missing steps of a task, and reports each one.
    fn run(&self, task: &Self::Task, data: &Self::Data, at: TaskAt<'_>) -> Result<()>;

    /// Writes the tables and a README from what all tasks have stored, and returns what the study found.
    fn collect(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<Self::Outcome>;

    /// The figures of the stored results, by name.
    fn figures(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<Vec<(String, Figure)>>;

    /// Where the numbers of a figure come from.
    fn provenance(&self, at: &StudyFolder<'_>, data: &str, seed: u64) -> Result<Provenance> {
        let sum = |value: Value| checksum(value.to_string().into_bytes());
        let test = at.inputs.sets.get(TEST).map(value_of).transpose()?;
        Ok(Provenance {
            data_checksum: test.map(sum),
            seed: Some(seed),
            configuration: Some(sum(value_of(self)?)),
            ..Provenance::new(data, Source::Study { name: Self::NAME })
        })
    }

    /// The main results, for people.
    fn tables(outcome: &Self::Outcome) -> Vec<Table>;
}

/// Where a task of a study reads, writes and computes, and what it reports its steps to.
pub type TaskAt<'a> = (StudyContext<'a>, &'a Steps<'a>);

/// Where a study reads, writes and computes.
#[derive(Debug, Clone, Copy)]
pub struct StudyContext<'a> {
    /// The data; none: synthetic data in the study's folder.
    pub data: Option<&'a Path>,
    /// The study's folder.
    pub out: &'a Path,
    /// The device that trains.
    pub device: Device,
}

impl StudyContext<'_> {
    /// The folder or file of patches, generated where none was given.
    pub(super) fn patches(self, patches: usize, progress: &mut dyn Progress) -> Result<PathBuf> {
        if let Some(data) = self.data {
            return Ok(data.to_owned());
        }
        let folder = self.out.join("synthetic");
        synthetic_set(&folder, patches, progress)?;
        Ok(folder)
    }
}

/// The contents of a study's folder.
#[derive(Debug)]
pub struct StudyFolder<'a> {
    /// The data of the study.
    pub inputs: Inputs,
    /// Where it is.
    pub context: StudyContext<'a>,
}

/// Which part of a study is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StudyPart {
    /// All that is missing.
    All,
    /// What all runs need.
    Preparation,
    /// The runs of a shard, of a study that is prepared.
    Runs(Shard),
    /// Tables and figures, of runs that are all there.
    Tables,
}

/// What identifies the data of a study.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// Fingerprints of its sets of patches.
    pub(crate) sets: BTreeMap<String, Fingerprint>,
    /// Checksums of other files.
    #[serde(default)]
    pub(crate) files: BTreeMap<String, String>,
}

/// The name of the test set among the inputs.
pub(super) const TEST: &str = "test";

impl Inputs {
    /// Of sets of patches and their targets.
    pub(super) fn of<'a>(sets: impl IntoIterator<Item = (&'a str, Labelled<'a>)>) -> Result<Self> {
        let print = |(name, set): (&str, _)| Ok((name.to_owned(), Fingerprint::of(set)?));
        Ok(Self { sets: sets.into_iter().map(print).collect::<Result<_>>()?, files: BTreeMap::new() })
    }

    /// How many patches a set has.
    pub(super) fn patches(&self, set: &str) -> usize {
        self.sets.get(set).map_or(0, Fingerprint::patches)
    }

    /// The first difference, in a few words.
    fn change(&self, now: &Self) -> Option<String> {
        let of_set = |(name, before): (&String, &Fingerprint)| {
            before.change(now.sets.get(name)?).map(|how| format!("a study of other data ({name} set: {how})"))
        };
        let changed = self.sets.iter().find_map(of_set);
        changed.or_else(|| {
            let mut names = self.files.keys().chain(now.files.keys());
            let name = names.find(|name| self.files.get(*name) != now.files.get(*name))?;
            Some(format!("a study of other settings (another {name}, or none)"))
        })
    }
}

/// `study.json`. No other study is continued in its folder.
#[derive(Serialize, Deserialize)]
struct Identity {
    study: StudyName,
    settings: Value,
    #[serde(flatten)]
    inputs: Inputs,
}

impl Identity {
    fn of(study: &impl Study, name: StudyName, inputs: Inputs) -> Result<Self> {
        Ok(Self { study: name, settings: value_of(study)?, inputs })
    }

    /// That of a folder, if it holds a study.
    fn read<S: Study>(out: &Path) -> Result<Option<Self>> {
        let path = out.join(STUDY);
        if !path.is_file() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        let Ok(identity) = serde_json::from_str::<Self>(&text) else {
            let problem = "not a study of this version of lcz";
            return Err(Error::file(&path, problem, "give another --out to repeat the study"));
        };
        if identity.study != S::NAME {
            let problem = format!("a study of `lcz reproduce {}`", identity.study);
            return Err(Error::file(&path, problem, "give another --out"));
        }
        Ok(Some(identity))
    }

    fn settings<S: Study>(&self, out: &Path) -> Result<S> {
        S::deserialize(&self.settings).map_err(|e| {
            let problem = format!("its settings cannot be read ({e})");
            Error::file(out.join(STUDY), problem, "give another --out to repeat the study")
        })
    }

    /// Refuses settings that the folder's study cannot be continued with.
    fn check_settings<S: Study>(&self, now: &Value, out: &Path) -> Result<()> {
        let fixed = |settings: &Value| {
            let mut settings = settings.clone();
            if let Value::Object(fields) = &mut settings {
                for name in S::MAY_GROW {
                    fields.remove(*name);
                }
            }
            settings
        };
        let Some(how) = difference("", &fixed(&self.settings), &fixed(now)) else { return Ok(()) };
        let problem = format!("a study of other settings ({how})");
        Err(Error::file(out.join(STUDY), problem, "give another --out, or the previous settings"))
    }
}

fn value_of(value: &impl Serialize) -> Result<Value> {
    serde_json::to_value(value).map_err(Error::internal("writing JSON"))
}

/// The first setting in which two studies differ.
fn difference(name: &str, before: &Value, now: &Value) -> Option<String> {
    match (before, now) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let name = if name.is_empty() { key.clone() } else { format!("{name}.{key}") };
                difference(&name, a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null))
            })
        }
        _ if before == now => None,
        _ => Some(format!("{name} is {before} there, {now} here")),
    }
}

/// Runs a study, or a part of it, in a folder. Complete runs are kept. Returns the outcome once all runs are
/// complete.
///
/// See the [module's example](crate::studies).
///
/// # Errors
/// Unusable data or settings, a folder of a study of other settings or data, runs that are missing where the tables
/// are requested, or a file that cannot be written.
pub fn reproduce<S: Study>(
    study: &S,
    part: StudyPart,
    jobs: usize,
    context: StudyContext<'_>,
    progress: &mut dyn Progress,
) -> Result<Option<S::Outcome>> {
    study.check()?;
    let before = Identity::read::<S>(context.out)?;
    let settings = value_of(study)?;
    if let Some(before) = &before {
        before.check_settings::<S>(&settings, context.out)?;
    }
    if part == StudyPart::Tables {
        return collect::<S>(context, progress).map(Some);
    }
    if matches!(part, StudyPart::Runs(_)) && !(before.is_some() && study.is_prepared(context.out)) {
        let advice = format!("run `lcz reproduce {} --prepare` with the same settings first", S::NAME);
        return Err(Error::file(context.out, "not prepared", advice));
    }
    let data = study.open(context, progress)?;
    let now = Identity::of(study, S::NAME, study.inputs(&data)?)?;
    let path = context.out.join(STUDY);
    if let Some(problem) = before.as_ref().and_then(|before| before.inputs.change(&now.inputs)) {
        return Err(Error::file(&path, problem, "give another --out, or the previous data and settings"));
    }
    if before.is_none_or(|before| before.settings != now.settings) {
        let _folder = NewFolders::make(context.out)?;
        write_json(&path, &now)?;
    }
    if !study.is_prepared(context.out) {
        study.prepare(&data, context, progress)?;
    }
    let shard = match part {
        StudyPart::Runs(shard) => shard,
        StudyPart::Preparation => return Ok(None),
        _ => Shard { index: 1, of: 1 },
    };
    let tasks = study.tasks().into_iter().enumerate().filter(|(number, _)| shard.has(*number));
    let tasks = tasks.map(|(_, task)| (study.missing(&task, context.out), task));
    let tasks: Vec<(usize, S::Task)> = tasks.filter(|(missing, _)| *missing > 0).collect();
    let steps = tasks.iter().map(|(missing, _)| missing).sum();
    let run = |(_, task): &(usize, S::Task), steps: &Steps<'_>| study.run(task, &data, (context, steps));
    side_by_side("runs", (&tasks, steps), jobs, progress, run)?;
    drop(data);
    if part == StudyPart::All { collect::<S>(context, progress).map(Some) } else { Ok(None) }
}

/// Tables, figures and README of the study that a folder holds, whose runs are all there.
///
/// See the [module's example](crate::studies).
///
/// # Errors
/// A folder without a study, runs that are missing, or a file that cannot be written.
pub fn collect<S: Study>(context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<S::Outcome> {
    let (study, at) = stored::<S>(context)?;
    let tasks = study.tasks();
    let missing: Vec<&S::Task> = tasks.iter().filter(|task| study.missing(task, context.out) > 0).collect();
    if let Some(first) = missing.first() {
        let problem = format!("{} of {} runs are missing, this one first", missing.len(), tasks.len());
        let advice = "run the same command without --collect";
        return Err(Error::file(context.out.join(study.folder(first)), problem, advice));
    }
    let outcome = study.collect(&at, progress)?;
    write_json(&context.out.join(OUTCOME), &outcome)?;
    for (name, figure) in study.figures(&at, progress)? {
        figure.save(context.out, &name)?;
    }
    Ok(outcome)
}

/// The study that a folder holds.
fn stored<S: Study>(context: StudyContext<'_>) -> Result<(S, StudyFolder<'_>)> {
    let out = context.out;
    let Some(identity) = Identity::read::<S>(out)? else {
        let advice = format!("give the folder that `lcz reproduce {}` has made", S::NAME);
        return Err(Error::file(out, "no study.json there", advice));
    };
    Ok((identity.settings(out)?, StudyFolder { inputs: identity.inputs, context }))
}

/// What the study of a folder found.
pub(super) fn outcome<T: DeserializeOwned>(out: &Path) -> Result<T> {
    read_json(&out.join(OUTCOME))
}

/// The figures of what the study of a folder has stored, by name.
pub(super) fn figures<S: Study>(out: &Path, progress: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
    let (study, at) = stored::<S>(StudyContext { data: None, out, device: Device::Cpu })?;
    study.figures(&at, progress)
}

/// Whether a folder is that of a study.
pub(super) fn is_study(folder: &Path) -> bool {
    folder.join(STUDY).is_file()
}

/// A file of JSON that a study has written.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(path, format!("cannot be read ({e})"), "remove it, and repeat the study"))
}

/// Generates the synthetic set in a folder, where it is missing or was cut short. Refuses a set of another size.
fn synthetic_set(folder: &Path, patches: usize, progress: &mut dyn Progress) -> Result<()> {
    let files = ["training.h5", "validation.h5", "testing.h5"].map(|file| folder.join(file));
    if files.iter().all(|file| file.is_file()) {
        let (training, validation, testing) = So2Sat::open(folder)?.splits()?;
        let there = training.len() + validation.len() + testing.len();
        if there == patches {
            return Ok(());
        }
        let problem = format!("a synthetic set of {there} patches, not {patches}");
        return Err(Error::file(folder, problem, "give another --out, or --patches as before"));
    }
    for file in files.iter().filter(|file| file.is_file()) {
        fs::remove_file(file).map_err(Error::io(file))?;
    }
    Synthetic { patches, ..Synthetic::default() }.write(folder, progress)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_setting_that_differs_is_named_with_its_table() {
        let before = json!({"seeds": 3, "config": {"model": {"width": 8}, "training": {"epochs": 2}}});
        let mut now = before.clone();
        assert_eq!(difference("", &before, &now), None);
        now["config"]["model"]["width"] = json!(16);
        assert_eq!(difference("", &before, &now).unwrap(), "config.model.width is 8 there, 16 here");
    }
}
