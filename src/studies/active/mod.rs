//! Active learning: a network learns from few labelled patches, asks for the labels of some more, and learns again
//! from the weights it began with; accuracy against the number of labels, for each way of asking, beside asking by lot.
//!
//! The labels are there, and hidden until they are asked for. A study is a grid of independent curves, one a way of
//! asking and seed. The curves of a seed begin with the same patches, drawn by lot, and the same weights. Each round is
//! written under a hidden name and renamed when it is whole: a study that was killed goes on where it was.

mod comparison;
mod report;
mod rounds;

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::synthetic_set;
use super::uncertainty::preparation::json;
use crate::figures::Figure;
use crate::models::Device;
use crate::run::Config;
use crate::run::fingerprint::Fingerprint;
use crate::scorecard::Interval;
use crate::uncertainty::Acquisition;
use crate::{Error, Progress, Result, write_whole};

use rounds::{Curve, Data};

/// What a study's folder says of itself, what it came to, and its figure.
const STUDY: &str = "study.json";
const OUTCOME: &str = "outcome.json";
const FIGURE: &str = "accuracy-by-labels";

/// What is asked, how often, and of which data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveStudy {
    /// The network, its training and the data; without a path of data, a synthetic set.
    pub config: Config,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Ways of asking; by lot is always among them.
    pub acquisitions: Vec<Acquisition>,
    /// Labelled patches in the beginning, drawn by lot.
    pub start: usize,
    /// Patches that each round asks for.
    pub budget: usize,
    /// Rounds of asking.
    pub rounds: usize,
    /// Seeds: other first patches, first weights and orders.
    pub seeds: u64,
    /// Passes of dropout for BALD.
    pub passes: usize,
}

impl ActiveStudy {
    /// Ten rounds of 100 patches, with the published Sen2LCZ; these settings go over its configuration.
    ///
    /// # Errors
    /// A setting that does not exist or has the wrong type.
    pub fn full(settings: &[String]) -> Result<Self> {
        let config = Config::read(None, "sen2lcz", settings)?;
        let acquisitions = Acquisition::ALL.to_vec();
        Ok(Self {
            config,
            patches: 6000,
            acquisitions,
            start: 100,
            budget: 100,
            rounds: 10,
            seeds: 3,
            passes: 20,
        })
    }

    /// A small one, to see everything work.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn quick(settings: &[String]) -> Result<Self> {
        let small = ["model.width=8", "training.epochs=8", "training.batch_size=32"].map(str::to_owned);
        let settings: Vec<String> = small.into_iter().chain(settings.iter().cloned()).collect();
        let base = Self::full(&settings)?;
        Ok(Self { patches: 2000, start: 60, budget: 60, rounds: 6, seeds: 2, ..base })
    }

    /// Labelled patches after so many rounds.
    fn labelled(&self, round: usize) -> usize {
        self.start + round * self.budget
    }

    fn check(&self) -> Result<()> {
        for (name, value) in [("start", self.start), ("budget", self.budget), ("passes", self.passes)] {
            if value == 0 {
                return Err(Error::input(name, "0", "choose 1 or more"));
            }
        }
        if self.seeds == 0 {
            return Err(Error::input("seeds", "0", "choose 1 or more; 2 show how much chance does"));
        }
        self.config.training.check()
    }
}

/// What a study came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveOutcome {
    /// Where the patches are from, as their files say.
    pub provenance: String,
    /// Test patches.
    pub test_patches: usize,
    /// Patches that could be asked for.
    pub pool_patches: usize,
    /// Overall accuracy of networks that learn from all of them, one a seed.
    pub all_labelled: Vec<f64>,
    /// One a way of asking, by lot first.
    pub curves: Vec<ActiveCurve>,
}

/// How one way of asking came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveCurve {
    /// The way of asking.
    pub acquisition: Acquisition,
    /// Labelled patches, round by round.
    pub labelled: Vec<usize>,
    /// Overall accuracy on the test set: seeds of rounds.
    pub overall_accuracy: Vec<Vec<f64>>,
    /// Average accuracy likewise.
    pub average_accuracy: Vec<Vec<f64>>,
    /// Mean overall accuracy over the rounds after the first asking, less that of asking by lot; none by lot.
    pub gain: Option<f64>,
    /// Its 95 % interval, from drawing test patches (whole groups of them where there are groups) and seeds anew.
    pub gain_interval: Option<Interval>,
}

/// What a study's folder says of it: no other is continued there.
#[derive(Serialize, Deserialize, PartialEq)]
struct Identity {
    config: Config,
    start: usize,
    budget: usize,
    /// They decide how often few patches are gone through, in every round.
    rounds: usize,
    passes: usize,
    training: Fingerprint,
    validation: Fingerprint,
    testing: Fingerprint,
}

/// Does a study in a folder: `curves/` (each round's patches, predictions and what it asks for), and of them `table.md`,
/// `table.csv`, `outcome.json`, a figure and a `README.md`. What is there is not done again; more seeds or ways of asking than
/// before are added. Rounds are not: how often few patches are gone through depends on how many are asked for in all, so
/// that the first rounds of a longer study are others.
///
/// # Errors
/// Unusable data or settings, a folder of a study of other settings or data, or a file that cannot be written.
pub fn active(
    study: &ActiveStudy,
    out: &Path,
    jobs: usize,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<ActiveOutcome> {
    study.check()?;
    let mut study = study.clone();
    // By lot first: it is what the others are held against.
    study.acquisitions.push(Acquisition::Random);
    study.acquisitions.sort_unstable();
    study.acquisitions.dedup();
    check_settings(&study, out)?;
    let mut config = study.config.clone();
    if config.data.path.as_os_str().is_empty() {
        config.data.path = out.join("synthetic");
        synthetic_set(&config.data.path, study.patches, progress)?;
    }
    let data = Data::open(&config, progress)?;
    let most = study.labelled(study.rounds);
    if most > data.pool.labels.len() {
        let problem = format!("{most} patches are to be labelled, {} are there", data.pool.labels.len());
        return Err(Error::input("active learning", problem, "ask less often or for fewer"));
    }
    identify(&study, &data, out)?;
    rounds::run(&study, &data, out, jobs, device, progress)?;
    let read = |acquisition| Curve::read(acquisition, (study.seeds, study.rounds), out);
    let curves = study.acquisitions.iter().map(|&acquisition| read(Some(acquisition)));
    let curves = curves.collect::<Result<Vec<_>>>()?;
    let all = read(None)?;
    let outcome = comparison::outcome(&study, &data, &curves, &all)?;
    report::write(&study, &outcome, out)?;
    Ok(outcome)
}

/// The figure of what a study's rounds have stored: accuracies are worked out again from predictions.
pub(super) fn figures(out: &Path) -> Result<Vec<(&'static str, Figure)>> {
    let identity: Identity = read(&out.join(STUDY))?;
    let mut outcome: ActiveOutcome = read(&out.join(OUTCOME))?;
    let seeds = outcome.all_labelled.len() as u64;
    for curve in &mut outcome.curves {
        let asking = curve.labelled.len().saturating_sub(1);
        let stored = Curve::read(Some(curve.acquisition), (seeds, asking), out)?;
        [curve.overall_accuracy, curve.average_accuracy] = comparison::accuracies(&stored)?;
    }
    outcome.all_labelled = comparison::accuracies(&Curve::read(None, (seeds, 0), out)?)?[0].concat();
    Ok(vec![(FIGURE, report::figure(&outcome, identity.config.training.seed)?)])
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text).map_err(|e| {
        Error::file(path, format!("cannot be read ({e})"), "give another folder, or do the study again")
    })
}

const ADVICE: &str = "give another --out, or the settings of before";

/// Refuses to go on with a study of other settings than the one that the folder holds, if it holds one; needs no data.
fn check_settings(study: &ActiveStudy, out: &Path) -> Result<()> {
    let path = out.join(STUDY);
    if !path.is_file() {
        return Ok(());
    }
    let before: Identity = read(&path)?;
    if before.rounds != study.rounds {
        let problem = format!(
            "{} rounds, the study there has {}, which decide how often its patches are gone through",
            study.rounds, before.rounds
        );
        return Err(Error::file(&path, problem, ADVICE));
    }
    let mut config = study.config.clone();
    config.data.path = "".into();
    let sizes = (study.start, study.budget, study.passes);
    if before.config == config && (before.start, before.budget, before.passes) == sizes {
        return Ok(());
    }
    Err(Error::file(&path, "a study of other settings", ADVICE))
}

/// Refuses to go on with other data than those of the study that the folder holds.
fn identify(study: &ActiveStudy, data: &Data, out: &Path) -> Result<()> {
    let mut config = study.config.clone();
    // Data may move.
    config.data.path = "".into();
    let now = Identity {
        config,
        start: study.start,
        budget: study.budget,
        rounds: study.rounds,
        passes: study.passes,
        training: Fingerprint::of(data.pool.labelled())?,
        validation: Fingerprint::of(data.validation.labelled())?,
        testing: Fingerprint::of(data.testing.labelled())?,
    };
    let path = out.join(STUDY);
    if !path.is_file() {
        fs::create_dir_all(out).map_err(Error::io(out))?;
        return write_whole(&path, json(&now)?.as_bytes());
    }
    let before: Identity = read(&path)?;
    if before == now {
        return Ok(());
    }
    Err(Error::file(&path, "a study of other data", "give another --out, or the data of before"))
}
