//! Rounds of learning and asking, and what each leaves behind.

use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::ActiveStudy;
use crate::data::predictions::{self, Stated};
use crate::data::so2sat::So2Sat;
use crate::models::{Device, Model, build};
use crate::nn::{Labelled, Standardisation, Training};
use crate::progress::Silent;
use crate::run::{Config, Run};
use crate::studies::jobs;
use crate::studies::sets::{Set, in_memory};
use crate::uncertainty::{Acquisition, Centre, ClassCentres, Members, Uncertainty, Weiszfeld, k_centres};
use crate::{Error, Labels, Probabilities, Progress, Result};

/// Positions of the patches that a round learns from, and of those it asks for then.
const LABELLED: &str = "labelled.csv";
const ASKED: &str = "asked.csv";
const PREDICTIONS: &str = "testing.h5";

/// The data of a study.
pub(super) struct Data {
    /// The training set, whose labels are asked for.
    pub pool: Set,
    /// Chooses the epoch.
    pub validation: Set,
    pub testing: Set,
    standardisation: Standardisation,
}

impl Data {
    pub fn open(config: &Config, progress: &mut dyn Progress) -> Result<Self> {
        let so2sat = config.data.choose(So2Sat::open(&config.data.path)?)?;
        let (pool, validation, testing) = so2sat.splits()?;
        let pool = Set::of(in_memory(&pool)?)?;
        // Pixels are known without asking.
        let standardisation = Standardisation::of(&pool.patches, progress)?;
        let validation = Set::of(in_memory(&validation)?)?;
        Ok(Self { pool, validation, testing: Set::of(in_memory(&testing)?)?, standardisation })
    }
}

/// One way of asking with one seed; without a way of asking, all patches are labelled.
#[derive(Debug, Clone, Copy)]
struct Task {
    acquisition: Option<Acquisition>,
    seed: u64,
}

impl Task {
    fn folder(self, out: &Path, round: usize) -> PathBuf {
        let name = self.acquisition.map_or("all", Acquisition::name);
        out.join("curves").join(format!("{name}-seed-{}", self.seed)).join(format!("round-{round}"))
    }

    /// Rounds of learning, where it is asked so often.
    fn rounds(self, asking: usize) -> usize {
        if self.acquisition.is_some() { asking + 1 } else { 1 }
    }
}

/// Does the rounds that are not there yet.
pub(super) fn run(
    study: &ActiveStudy,
    data: &Data,
    out: &Path,
    jobs: usize,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<()> {
    let ways = || study.acquisitions.iter().copied().map(Some).chain([None]);
    let tasks = (0..study.seeds).flat_map(|seed| ways().map(move |acquisition| Task { acquisition, seed }));
    let missing = |task: &Task| {
        (0..task.rounds(study.rounds)).filter(|&round| !task.folder(out, round).exists()).count()
    };
    let tasks: Vec<Task> = tasks.filter(|task| missing(task) > 0).collect();
    let steps = tasks.iter().map(missing).sum();
    jobs::side_by_side("rounds", (&tasks, steps), jobs, progress, |&task, report| {
        for round in 0..task.rounds(study.rounds) {
            if !task.folder(out, round).exists() {
                report(one(study, data, out, (task, round), device)?);
            }
        }
        Ok(())
    })
}

/// One round, into its folder; returns a line on it.
fn one(
    study: &ActiveStudy,
    data: &Data,
    out: &Path,
    (task, round): (Task, usize),
    device: Device,
) -> Result<String> {
    let pool = data.pool.labels.len();
    let labelled = match (task.acquisition, round.checked_sub(1)) {
        (None, _) => (0..pool).collect(),
        (Some(_), None) => {
            // The same for every way of asking.
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            let mut drawn = sample(&mut random, pool, study.start).into_vec();
            drawn.sort_unstable();
            drawn
        }
        (Some(_), Some(before)) => {
            let folder = task.folder(out, before);
            let (mut labelled, asked) = (positions(&folder.join(LABELLED))?, positions(&folder.join(ASKED))?);
            labelled.extend(asked);
            labelled.sort_unstable();
            labelled
        }
    };
    let network = learn(study, data, &labelled, task.seed, device)?;
    let asked = match task.acquisition {
        Some(acquisition) => ask(study, data, &*network, &labelled, (acquisition, task.seed, round))?,
        None => Vec::new(),
    };
    let predicted = network.predict(&data.testing.patches)?;
    let (taken_for, truth) = (predicted.predicted(), data.testing.labels.indices());
    let right = taken_for.indices().iter().zip(truth).filter(|(a, b)| a == b).count();
    let accuracy = right as f64 / truth.len() as f64;
    let write = |path: PathBuf, positions: &[usize]| {
        let lines: Vec<String> = positions.iter().map(|n| format!("{n}\n")).collect();
        fs::write(&path, format!("sample\n{}", lines.concat())).map_err(Error::io(&path))
    };
    let folder = task.folder(out, round);
    if let Some(curve) = folder.parent() {
        fs::create_dir_all(curve).map_err(Error::io(curve))?;
    }
    Run::create(&folder, |run| {
        write(run.folder().join(LABELLED), &labelled)?;
        write(run.folder().join(ASKED), &asked)?;
        predictions::write(&run.folder().join(PREDICTIONS), &predicted, &data.testing.patches)
    })?;
    let name = task.acquisition.map_or("all labelled", Acquisition::title);
    Ok(format!("{name}, {} labels, seed {}: accuracy {accuracy:.3}", labelled.len(), task.seed))
}

/// A network that has learnt from the labelled patches, from the first weights of the seed.
fn learn(
    study: &ActiveStudy,
    data: &Data,
    labelled: &[usize],
    seed: u64,
    device: Device,
) -> Result<Box<dyn Model>> {
    // Few patches are gone through several times an epoch, so that they take no fewer steps than the most that are asked
    // for.
    let most = study.labelled(study.rounds);
    let times = (most as f64 / labelled.len() as f64).round().max(1.0) as usize;
    let positions: Vec<usize> = labelled.repeat(times);
    let (patches, y) = (data.pool.patches.select(&positions)?, data.pool.y.select(&positions));
    let config = &study.config;
    let training = Training { seed: config.training.seed + seed, ..config.training.clone() };
    let (imagery, classes) = (data.pool.patches.imagery(), data.pool.patches.classes());
    let mut network = build(&config.model, imagery, classes, training.seed, device)?;
    network.set_standardisation(data.standardisation.clone())?;
    let learnt = Labelled { patches: &patches, labels: &y };
    network.fit(learnt, Some(data.validation.labelled()), &training, &mut Silent)?;
    Ok(network)
}

/// The positions of the patches that are asked for next, rising.
fn ask(
    study: &ActiveStudy,
    data: &Data,
    network: &dyn Model,
    labelled: &[usize],
    (acquisition, seed, round): (Acquisition, u64, usize),
) -> Result<Vec<usize>> {
    let all = data.pool.labels.len();
    let others: Vec<usize> = (0..all).filter(|n| labelled.binary_search(n).is_err()).collect();
    let budget = study.budget.min(others.len());
    if budget == 0 {
        return Ok(Vec::new());
    }
    let unlabelled = data.pool.patches.select(&others)?;
    let most = |u: Uncertainty| u.top(budget).positions().to_vec();
    let chosen = match acquisition {
        Acquisition::Random => {
            // Another stream than that of the first patches.
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream(1 + round as u64);
            sample(&mut random, others.len(), budget).into_vec()
        }
        Acquisition::Entropy => most(Uncertainty::of_predictions(&network.predict(&unlabelled)?)?),
        Acquisition::Margin => most(Uncertainty::of_margins(&network.predict(&unlabelled)?)?),
        Acquisition::Bald => {
            let passes = network.mc_dropout(&unlabelled, study.passes, seed)?;
            most(Uncertainty::of_disagreement(&Members::new(passes)?)?)
        }
        Acquisition::CoreSet => {
            let chosen = k_centres(&network.features(&data.pool.patches)?, labelled, budget)?;
            return Ok(sorted(chosen));
        }
        Acquisition::Distance => {
            let known = network.features(&data.pool.patches.select(labelled)?)?;
            let indices = labelled.iter().map(|&n| data.pool.labels.indices()[n]).collect();
            let labels = Labels::new(data.pool.labels.classes().clone(), indices)?;
            let (median, settings) = (Centre::GeometricMedian, Weiszfeld::default());
            let centres = ClassCentres::find(median, &known, &labels, settings, &mut Silent)?;
            let predicted = network.predict(&unlabelled)?.predicted();
            most(Uncertainty::of_distances(&network.features(&unlabelled)?, &centres, &predicted)?)
        }
    };
    Ok(sorted(chosen.into_iter().map(|n| others[n]).collect()))
}

fn sorted(mut positions: Vec<usize>) -> Vec<usize> {
    positions.sort_unstable();
    positions
}

/// What the rounds of one way of asking say of the test set.
pub(super) struct Curve {
    pub acquisition: Option<Acquisition>,
    /// Seeds of rounds.
    pub predicted: Vec<Vec<Probabilities>>,
    /// The test patches' own.
    pub labels: Labels,
}

impl Curve {
    /// Of so many seeds and rounds of asking.
    pub fn read(acquisition: Option<Acquisition>, (seeds, asking): (u64, usize), out: &Path) -> Result<Self> {
        let mut labels = None;
        let mut of_round = |task: Task, round: usize| {
            let path = task.folder(out, round).join(PREDICTIONS);
            let stored = predictions::read(&path, None)?;
            labels = Some(stored.labels);
            match stored.predicted {
                Stated::Probabilities(predicted) => Ok(predicted),
                _ => Err(Error::file(&path, "no probabilities", "remove the round's folder")),
            }
        };
        let mut of_seed = |seed: u64| {
            let task = Task { acquisition, seed };
            (0..task.rounds(asking)).map(|round| of_round(task, round)).collect()
        };
        let predicted = (0..seeds).map(&mut of_seed).collect::<Result<_>>()?;
        let labels = labels.ok_or_else(|| Error::file(out, "no seed of a study", "do the study again"))?;
        Ok(Self { acquisition, predicted, labels })
    }
}

fn positions(path: &Path) -> Result<Vec<usize>> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let number = |(n, line): (usize, &str)| {
        let problem = format!("line {}: not a position", n + 1);
        line.parse().map_err(|_| Error::file(path, problem, "remove the round's folder"))
    };
    text.lines().enumerate().skip(1).map(number).collect()
}
