//! Deep ensembles: runs that differ only by their seed, in one run folder.
//!
//! The folder holds `config.toml` (with the first member's seed), `ensemble.toml` and the members' runs.

use std::fs;
use std::path::Path;

use super::members::{Members, member};
use super::{Changes, Config, Outcome, Run, config, resume, train};
use crate::models::Device;
use crate::{Error, Progress, Result, files, write_whole};

/// Trains networks with the seeds `s, s + 1, …` of a configuration with seed s into a new run folder.
///
/// # Errors
/// As [`train`](super::train()), or fewer than two members.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::models::Device;
/// use lcz::run::{self, Changes, Config};
/// let progress = &mut lcz::progress::Lines::on_stderr();
/// let config = Config::read(None, "sen2lcz", &["data.path='data'".to_owned()])?;
/// run::train_ensemble(&config, 5, "runs/ensemble", Device::Cpu, progress)?;
/// // After an interruption:
/// run::resume_ensemble("runs/ensemble", &Changes::default(), Device::Cpu, progress)?;
/// # Ok(())
/// # }
/// ```
pub fn train_ensemble(
    config: &Config,
    members: usize,
    folder: impl AsRef<Path>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Vec<Outcome>> {
    let folder = folder.as_ref();
    let ensemble = Members::new(members)?;
    Run::create(folder, |run| {
        run.write_config(config)?;
        ensemble.write(run.folder())
    })?;
    let _lock = files::lock(folder)?;
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

/// Resumes the training of an ensemble: members that are done are left as they are, the one that was
/// interrupted is resumed from its checkpoint, the others are trained. None if the folder holds no ensemble.
///
/// See the example of [`train_ensemble`].
///
/// # Errors
/// As [`resume`] and [`train`](super::train()).
pub fn resume_ensemble(
    folder: impl AsRef<Path>,
    changes: &Changes,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Option<Vec<Outcome>>> {
    let folder = folder.as_ref();
    let Some(ensemble) = Members::read(folder)? else { return Ok(None) };
    let _lock = files::lock(folder)?;
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
    let outcomes: Vec<Outcome> = (0..ensemble.members).map(one).collect::<Result<_>>()?;
    if !outcomes.iter().all(|outcome| outcome.resumed.is_some_and(|resumed| resumed.was_over)) {
        // Its temperature was that of other weights.
        Members { temperature: None, ..ensemble }.write(folder)?;
    }
    write_whole(&folder.join("config.toml"), config::to_toml(&config)?.as_bytes())?;
    Ok(Some(outcomes))
}

fn of_member(config: &Config, number: usize) -> Config {
    let mut config = config.clone();
    config.training.seed = config.training.seed.wrapping_add(number as u64);
    config
}
