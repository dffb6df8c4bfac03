//! Rounds of training and labelling, and what each stores.

use std::fs;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::ActiveStudy;
use crate::data::predictions;
use crate::data::so2sat::So2Sat;
use crate::metrics::Scores;
use crate::models::{Device, Model, build};
use crate::nn::{Labelled, Standardisation, Training};
use crate::progress::Silent;
use crate::run::{Config, Run};
use crate::studies::differences::Sums;
use crate::studies::jobs::Steps;
use crate::studies::sets::{LabelledSet, TestSet, in_memory, read_predictions};
use crate::studies::study::Place;
use crate::uncertainty::{Acquisition, Centre, ClassCentres, Members, Uncertainty, Weiszfeld, k_centres};
use crate::{Error, Labels, Probabilities, Progress, Result};

/// Positions of the patches that a round is trained on, and of those that are labelled next.
const LABELLED: &str = "labelled.csv";
const ASKED: &str = "asked.csv";
const PREDICTIONS: &str = "testing.h5";

/// The data of a study.
pub struct ActiveData {
    /// The training set, whose labels are asked for.
    pub pool: LabelledSet,
    /// Chooses the epoch.
    pub validation: LabelledSet,
    /// Measures the accuracy.
    pub testing: LabelledSet,
    standardisation: Standardisation,
}

impl ActiveData {
    pub(super) fn open(config: &Config, progress: &mut dyn Progress) -> Result<Self> {
        let so2sat = config.data.choose(So2Sat::open(&config.data.path)?)?;
        let (pool, validation, testing) = so2sat.splits()?;
        let set = |patches| LabelledSet::of(in_memory(&patches)?);
        let pool = set(pool)?;
        // Pixels are known without labels.
        let standardisation = Standardisation::of(&pool.patches, progress)?;
        Ok(Self { pool, validation: set(validation)?, testing: set(testing)?, standardisation })
    }
}

/// One acquisition strategy with one random seed; without a strategy, all patches are labelled.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub(super) acquisition: Option<Acquisition>,
    pub(super) seed: u64,
}

impl Task {
    pub(super) fn folder(self) -> PathBuf {
        let name = self.acquisition.map_or("all", Acquisition::name);
        Path::new("curves").join(format!("{name}-seed-{}", self.seed))
    }

    /// The folder of a round.
    pub(super) fn round(self, round: usize) -> PathBuf {
        self.folder().join(format!("round-{round}"))
    }

    /// Rounds of training, for so many rounds of labelling.
    pub(super) fn rounds(self, labelling: usize) -> usize {
        if self.acquisition.is_some() { labelling + 1 } else { 1 }
    }
}

/// One round, into its folder.
pub(super) fn one(
    study: &ActiveStudy,
    data: &ActiveData,
    place: Place<'_>,
    (task, round): (Task, usize),
    steps: &Steps<'_>,
) -> Result<()> {
    let at = |round| place.out.join(task.round(round));
    let pool = data.pool.labels.len();
    let labelled = match (task.acquisition, round.checked_sub(1)) {
        (None, _) => (0..pool).collect(),
        (Some(_), None) => {
            // The same for every strategy.
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            let mut drawn = sample(&mut random, pool, study.start).into_vec();
            drawn.sort_unstable();
            drawn
        }
        (Some(_), Some(before)) => {
            let folder = at(before);
            let (mut labelled, asked) = (positions(&folder.join(LABELLED))?, positions(&folder.join(ASKED))?);
            labelled.extend(asked);
            labelled.sort_unstable();
            labelled
        }
    };
    let network = learn(study, data, &labelled, (task.seed, place.device), steps)?;
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
    let folder = at(round);
    Run::create(&folder, |run| {
        write(run.folder().join(LABELLED), &labelled)?;
        write(run.folder().join(ASKED), &asked)?;
        predictions::write(&run.folder().join(PREDICTIONS), &predicted, &data.testing.patches)
    })?;
    let name = task.acquisition.map_or("all labelled", Acquisition::title);
    steps.done(format!("{name}, {} labels, seed {}: accuracy {accuracy:.3}", labelled.len(), task.seed));
    Ok(())
}

/// A network trained on the labelled patches, from the first weights of the seed.
fn learn(
    study: &ActiveStudy,
    data: &ActiveData,
    labelled: &[usize],
    (seed, device): (u64, Device),
    steps: &Steps<'_>,
) -> Result<Box<dyn Model>> {
    // An epoch repeats few patches, so that it has no fewer steps than that of the last round.
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
    network.fit(learnt, Some(data.validation.labelled()), &training, &mut &*steps)?;
    Ok(network)
}

/// The positions of the patches that are labelled next, rising.
fn ask(
    study: &ActiveStudy,
    data: &ActiveData,
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

/// The predictions of all rounds of one strategy for the test set.
pub(super) struct Curve {
    /// Seeds of rounds.
    predicted: Vec<Vec<Probabilities>>,
    pub test: TestSet,
}

impl Curve {
    /// Of so many seeds and rounds of labelling.
    pub fn read(
        acquisition: Option<Acquisition>,
        (seeds, labelling): (u64, usize),
        out: &Path,
    ) -> Result<Self> {
        let mut test = None;
        let mut of_round = |path: PathBuf| {
            let (p, _, set) = read_predictions(&out.join(path).join(PREDICTIONS))?;
            test = Some(set);
            Ok(p)
        };
        let mut of_seed = |seed: u64| {
            let task = Task { acquisition, seed };
            (0..task.rounds(labelling)).map(|round| of_round(task.round(round))).collect()
        };
        let predicted = (0..seeds).map(&mut of_seed).collect::<Result<_>>()?;
        let test = test.ok_or_else(|| Error::file(out, "no seed of a study", "repeat the study"))?;
        Ok(Self { predicted, test })
    }

    /// Overall and average accuracy of each seed's rounds.
    pub fn accuracies(&self) -> Result<[Vec<Vec<f64>>; 2]> {
        let of = |measure: fn(&Scores) -> f64| {
            let of_round = |p: &Probabilities| Ok(measure(&Scores::of(p, &self.test.labels, None)?));
            self.predicted.iter().map(|seed| seed.iter().map(of_round).collect()).collect::<Result<_>>()
        };
        Ok([of(|scores| scores.overall_accuracy)?, of(|scores| scores.average_accuracy)?])
    }

    /// Right predictions per seed and unit of test patches, the mean over the rounds after the first acquisition.
    pub fn right(&self, units: &[Vec<usize>]) -> Sums<1> {
        let labels = self.test.labels.indices();
        let of_seed = |rounds: &Vec<Probabilities>| {
            let later = &rounds[1.min(rounds.len())..];
            let mut sums = vec![[0.0]; units.len()];
            for predicted in later {
                let predicted = predicted.predicted();
                for ([sum], unit) in sums.iter_mut().zip(units) {
                    let right = unit.iter().filter(|&&n| predicted.indices()[n] == labels[n]).count();
                    *sum += right as f64 / later.len() as f64;
                }
            }
            sums
        };
        self.predicted.iter().map(of_seed).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use crate::studies::differences::{Difference, differences, units};
    use ndarray::Array2;

    #[test]
    fn a_gain_is_the_difference_of_mean_accuracies_after_the_first_acquisition() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let labels = Labels::new(classes.clone(), (0..40).map(|n| n % 2).collect()).unwrap();
        // Every n-th patch is wrong.
        let predicted = |every: usize| {
            let p = |(n, k): (usize, usize)| if (k == n % 2) == (n % every != 0) { 0.8 } else { 0.2 };
            Probabilities::new(classes.clone(), Array2::from_shape_fn((40, 2), p)).unwrap()
        };
        let groups: Vec<i32> = (0..40).map(|n| n / 4).collect();
        let units = units(Some(&groups), 40);
        let right = |first: usize, second: usize| {
            let provenance = "synthetic".to_owned();
            let test = TestSet { labels: labels.clone(), y: None, votes: None, groups: None, provenance };
            let predicted = vec![vec![predicted(2), predicted(first), predicted(second)]; 2];
            Curve { predicted, test }.right(&units)
        };
        let [Difference { value: gain, interval }] =
            differences([&right(10, 20), &right(4, 5)], &units, true);
        // 4 and 2 of 40 wrong, against 10 and 8.
        assert!((gain - (18.0 - 6.0) / 80.0).abs() < 1e-12, "{gain}");
        let interval = interval.unwrap();
        assert!(interval.lower > 0.0 && interval.lower <= gain && gain <= interval.upper);
    }
}
