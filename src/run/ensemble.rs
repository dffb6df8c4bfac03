//! Deep ensembles: runs that differ by their seed alone, in one run folder.
//!
//! The folder holds `config.toml` (with the first member's seed), `ensemble.toml` (how many members, and the
//! temperature of their mean once one was fitted) and `member-0`, `member-1`, …, each a run of its own.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Changes, Config, Outcome, Run, config, resume, train};
use crate::models::Device;
use crate::predictions::StoredTemperature;
use crate::{Error, Progress, Result, write_whole};

/// Members, at most: more is a mistyped number.
const MOST: usize = 1_000;

/// `ensemble.toml`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ensemble {
    members: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temperature: Option<StoredTemperature>,
}

impl Ensemble {
    fn read(folder: &Path) -> Result<Option<Self>> {
        let file = file(folder);
        if !file.is_file() {
            return Ok(None);
        }
        let (table, place) = config::load_table(&file)?;
        let ensemble: Self = config::of_table(table, &place)?;
        check(ensemble.members)?;
        Ok(Some(ensemble))
    }

    fn write(&self, folder: &Path) -> Result<()> {
        write_whole(&file(folder), config::to_toml(self)?.as_bytes())
    }
}

/// The folder of a member.
pub(super) fn member(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("member-{number}"))
}

fn file(folder: &Path) -> PathBuf {
    folder.join("ensemble.toml")
}

/// How many members the ensemble in a folder has; none if there is no ensemble.
pub(super) fn count(folder: &Path) -> Result<Option<usize>> {
    Ok(Ensemble::read(folder)?.map(|ensemble| ensemble.members))
}

/// The temperature of the members' mean; none if none was fitted, or there is no ensemble.
pub(super) fn temperature(folder: &Path) -> Result<Option<StoredTemperature>> {
    Ok(Ensemble::read(folder)?.and_then(|ensemble| ensemble.temperature))
}

/// Keeps the temperature of an ensemble's mean, in place of one that is there, or takes it away.
pub(super) fn store_temperature(folder: &Path, temperature: Option<StoredTemperature>) -> Result<()> {
    match Ensemble::read(folder)? {
        Some(ensemble) if ensemble.temperature != temperature => {
            Ensemble { temperature, ..ensemble }.write(folder)
        }
        _ => Ok(()),
    }
}

fn check(members: usize) -> Result<()> {
    if (2..=MOST).contains(&members) {
        return Ok(());
    }
    Err(Error::input("ensemble", format!("{members} members"), format!("choose 2 to {MOST}; 5 are usual")))
}

/// Trains networks with the seeds `s, s + 1, …` of a configuration with seed s into a new run folder.
///
/// # Errors
/// As [`train`](super::train()), or fewer than two members.
pub fn train_ensemble(
    config: &Config,
    members: usize,
    folder: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Vec<Outcome>> {
    check(members)?;
    Run::create(folder, |run| {
        run.write_config(config)?;
        Ensemble { members, temperature: None }.write(run.folder())
    })?;
    let mut outcomes = Vec::with_capacity(members);
    for number in 0..members {
        let run = member(folder, number);
        let outcome = train(&of_member(config, number), &run, device, progress);
        if outcome.is_err() && number == 0 && !run.exists() {
            // Refused before any work was done: nothing is left behind, as with a single network.
            fs::remove_dir_all(folder).map_err(Error::io(folder))?;
        }
        outcomes.push(outcome?);
    }
    Ok(outcomes)
}

/// Goes on with the training of an ensemble: members that are done are left as they are, the one that was
/// interrupted goes on from its checkpoint, the others are trained. None if the folder holds no ensemble.
///
/// # Errors
/// As [`resume`] and [`train`](super::train()).
pub fn resume_ensemble(
    folder: &Path,
    changes: &Changes,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Option<Vec<Outcome>>> {
    let Some(members) = count(folder)? else { return Ok(None) };
    let mut config = Config::load(&folder.join("config.toml"))?;
    config.training.epochs = changes.epochs.unwrap_or(config.training.epochs);
    config.data.path = changes.data.clone().unwrap_or(config.data.path);
    let one = |number: usize| {
        let run = member(folder, number);
        if run.exists() {
            return resume(&run, changes, device, progress);
        }
        train(&of_member(&config, number), &run, device, progress)
    };
    let outcomes: Vec<Outcome> = (0..members).map(one).collect::<Result<_>>()?;
    if !outcomes.iter().all(|outcome| outcome.resumed.is_some_and(|resumed| resumed.was_over)) {
        // It was that of other weights.
        store_temperature(folder, None)?;
    }
    write_whole(&folder.join("config.toml"), config::to_toml(&config)?.as_bytes())?;
    Ok(Some(outcomes))
}

fn of_member(config: &Config, number: usize) -> Config {
    let mut config = config.clone();
    config.training.seed = config.training.seed.wrapping_add(number as u64);
    config
}
