//! Rounds of training and labelling, and what each stores.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::ActiveStudy;
use crate::data::predictions;
use crate::metrics::{ConfusionMatrix, Influence, Scores};
use crate::models::Model;
use crate::progress::Silent;
use crate::run::Run;
use crate::scorecard::{Measure, Predicted, influences};
use crate::studies::sets::{
    LabelledSet, PatchSets, Start, TestSet, in_memory, read_positions, read_predictions, train_on_part,
    write_positions,
};
use crate::studies::study::{Inputs, StudyContext, TaskAt};
use crate::uncertainty::{Acquisition, Centre, ClassCentres, Members, Uncertainty, Weiszfeld, k_centres};
use crate::{Error, Labels, Probabilities, Progress, Result, Standardisation};

/// Positions of the patches that a round is trained on, and of those that are labelled next.
const LABELLED: &str = "labelled.csv";
const ASKED: &str = "asked.csv";
const PREDICTIONS: &str = "testing.h5";

/// The data of a study.
#[derive(Debug)]
pub struct ActiveData {
    /// The training set, whose labels are requested round by round.
    pub pool: LabelledSet,
    /// Chooses the epoch.
    pub validation: LabelledSet,
    /// Measures the accuracy.
    pub testing: LabelledSet,
    /// What identifies them.
    pub inputs: Inputs,
    standardisation: Standardisation,
}

impl ActiveData {
    pub(super) fn open(
        study: &ActiveStudy,
        context: StudyContext<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let sets = PatchSets::open(&study.config, context, study.patches, progress)?;
        let inputs = sets.inputs()?;
        let kept =
            |set: LabelledSet| Ok::<_, Error>(LabelledSet { patches: in_memory(&set.patches)?, ..set });
        let pool = kept(sets.training)?;
        // Pixels are known without labels.
        let standardisation = Standardisation::fit(&pool.patches, progress)?;
        let (validation, testing) = (kept(sets.validation)?, kept(sets.testing)?);
        Ok(Self { pool, validation, testing, inputs, standardisation })
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

    /// Rounds of training, for a number of rounds of labelling.
    pub(super) fn rounds(self, labelling: usize) -> usize {
        if self.acquisition.is_some() { labelling + 1 } else { 1 }
    }
}

/// One round, into its folder.
pub(super) fn one(
    study: &ActiveStudy,
    data: &ActiveData,
    (task, round): (Task, usize),
    (context, steps): TaskAt<'_>,
) -> Result<()> {
    let at = |round| context.out.join(task.round(round));
    let pool = data.pool.labels.len();
    let labelled = match (task.acquisition, round.checked_sub(1)) {
        (None, _) => (0..pool).collect(),
        (Some(_), None) => {
            // The same for every strategy.
            let mut random = ChaCha8Rng::seed_from_u64(task.seed);
            sorted(sample(&mut random, pool, study.start).into_vec())
        }
        (Some(_), Some(before)) => {
            let folder = at(before);
            let of = |name| read_positions(&folder.join(name));
            sorted([of(LABELLED)?, of(ASKED)?].concat())
        }
    };
    // An epoch repeats few patches, so that it has no fewer steps than that of the last round.
    let most = study.labelled(study.rounds);
    let times = (most as f64 / labelled.len() as f64).round().max(1.0) as usize;
    let start = Start {
        config: &study.config,
        seeds: [study.config.training.seed + task.seed; 2],
        standardisation: data.standardisation.clone(),
        device: context.device,
        steps,
    };
    let (network, _) = train_on_part(start, (&data.pool, &labelled, times), &data.validation)?;
    let asked = match task.acquisition {
        Some(acquisition) => acquire(study, data, &*network, &labelled, (acquisition, task.seed, round))?,
        None => Vec::new(),
    };
    let predicted = network.predict(&data.testing.patches)?;
    let accuracy =
        ConfusionMatrix::from_labels(&data.testing.labels, &predicted.predicted())?.overall_accuracy_score();
    let folder = at(round);
    Run::create(&folder, |run| {
        write_positions(&run.folder().join(LABELLED), &labelled)?;
        write_positions(&run.folder().join(ASKED), &asked)?;
        predictions::write(run.folder().join(PREDICTIONS), &predicted, &data.testing.patches)
    })?;
    let name = task.acquisition.map_or("all labelled", Acquisition::title);
    steps.done(format!("{name}, {} labels, seed {}: accuracy {accuracy:.3}", labelled.len(), task.seed));
    Ok(())
}

/// The positions of the patches that are labelled next, rising.
fn acquire(
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
        Acquisition::Entropy => most(Uncertainty::from_predictions(&network.predict(&unlabelled)?)?),
        Acquisition::Margin => most(Uncertainty::from_margins(&network.predict(&unlabelled)?)?),
        Acquisition::Bald => {
            let passes = network.mc_dropout(&unlabelled, study.passes, seed)?;
            most(Uncertainty::from_disagreement(&Members::new(passes)?)?)
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
            most(Uncertainty::from_distances(&network.features(&unlabelled)?, &centres, &predicted)?)
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
    /// Of a number of seeds and rounds of labelling.
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
            let of_round = |p: &Probabilities| Ok(measure(&Scores::compute(p, &self.test.labels, None)?));
            self.predicted.iter().map(|seed| seed.iter().map(of_round).collect()).collect::<Result<_>>()
        };
        Ok([of(|scores| scores.overall_accuracy)?, of(|scores| scores.average_accuracy)?])
    }

    /// Overall accuracy of each seed, the mean over the rounds after the first acquisition.
    pub fn right(&self) -> Result<Vec<Influence>> {
        let of_round = |p: &Probabilities| {
            let of =
                influences(Predicted::Probabilities(p), self.test.reference(), &[Measure::OverallAccuracy])?;
            Ok(of.into_iter().flatten())
        };
        let of_seed = |rounds: &Vec<Probabilities>| {
            let later = rounds[1.min(rounds.len())..].iter().map(of_round).collect::<Result<Vec<_>>>()?;
            Ok(Influence::mean(&later.into_iter().flatten().collect::<Vec<_>>()))
        };
        self.predicted.iter().map(of_seed).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use crate::studies::differences::Difference;
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
        let right = |first: usize, second: usize| {
            let provenance = "synthetic".to_owned();
            let test = TestSet { labels: labels.clone(), y: None, votes: None, groups: None, provenance };
            let predicted = vec![vec![predicted(2), predicted(first), predicted(second)]; 2];
            Curve { predicted, test }.right().unwrap()
        };
        let gain = Difference::of(&right(10, 20), &right(4, 5), Some(&groups), true);
        // 4 and 2 of 40 wrong, against 10 and 8.
        assert!((gain.value - (18.0 - 6.0) / 80.0).abs() < 1e-12, "{gain:?}");
        let interval = gain.interval.unwrap();
        assert!(interval.lower > 0.0 && interval.lower <= gain.value && gain.value <= interval.upper);
    }
}
