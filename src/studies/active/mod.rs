//! Active learning: a network is trained on few labelled patches, chooses patches to be labelled, and is trained again
//! from its first weights; accuracy against the number of labels for each acquisition strategy, with random sampling
//! as baseline.
//!
//! The labels are known, and hidden until they are requested. A task of the grid is a curve: one acquisition strategy
//! with one random seed. The curves of a seed begin with the same random patches and the same weights. Each round is
//! written under a hidden name and renamed when it is complete.

mod report;
mod rounds;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Difference, Inputs, Study, StudyContext, StudyFolder, TaskAt};
use crate::display::Table;
use crate::figures::{Figure, StudyName};
use crate::metrics::Influence;
use crate::run::Config;
use crate::uncertainty::Acquisition;
use crate::{Error, Progress, Result};

use rounds::{ActiveData, Curve, Task};

/// The settings of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActiveStudy {
    /// The network, its training and the choice of the data.
    pub config: Config,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Acquisition strategies; random sampling is always added.
    pub acquisitions: Vec<Acquisition>,
    /// Labelled patches at the start, chosen at random.
    pub start: usize,
    /// Patches that are labelled in each round.
    pub budget: usize,
    /// Rounds of labelling. They determine how often an epoch repeats few patches, in every round.
    pub rounds: usize,
    /// Random seeds: each has its own first patches, first weights and order of the patches.
    pub seeds: u64,
    /// Passes of dropout for BALD.
    pub passes: usize,
}

impl ActiveStudy {
    /// Ten rounds of 100 patches, with the published Sen2LCZ; the settings override its configuration.
    ///
    /// # Errors
    /// A setting that does not exist or has the wrong type.
    pub fn full(settings: &[String]) -> Result<Self> {
        let config = super::config(&[], settings)?;
        let acquisitions = Acquisition::ALL.to_vec();
        let (patches, start, budget, rounds, seeds, passes) = (6000, 100, 100, 10, 3, 20);
        Ok(Self { config, patches, acquisitions, start, budget, rounds, seeds, passes })
    }

    /// A small study, for the quick mode.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn quick(settings: &[String]) -> Result<Self> {
        let config = super::config(&super::SMALL, settings)?;
        Ok(Self { config, patches: 2000, start: 60, budget: 60, rounds: 6, seeds: 2, ..Self::full(&[])? })
    }

    /// The strategies, the baseline first.
    fn strategies(&self) -> Vec<Acquisition> {
        let mut strategies = self.acquisitions.clone();
        strategies.push(Acquisition::Random);
        strategies.sort_unstable();
        strategies.dedup();
        strategies
    }

    /// Labelled patches after a number of rounds.
    fn labelled(&self, round: usize) -> usize {
        self.start + round * self.budget
    }
}

/// What the study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveOutcome {
    /// Provenance of the patches, as their files state it.
    pub provenance: String,
    /// Test patches.
    pub test_patches: usize,
    /// Patches that could be labelled.
    pub pool_patches: usize,
    /// Overall accuracy of networks trained on all of them, one per seed.
    pub all_labelled: Vec<f64>,
    /// One per acquisition strategy, the baseline first.
    pub curves: Vec<ActiveCurve>,
}

/// The results of one acquisition strategy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ActiveCurve {
    /// The strategy.
    pub acquisition: Acquisition,
    /// Labelled patches, round by round.
    pub labelled: Vec<usize>,
    /// Overall accuracy on the test set: seeds of rounds.
    pub overall_accuracy: Vec<Vec<f64>>,
    /// Average accuracy likewise.
    pub average_accuracy: Vec<Vec<f64>>,
    /// Mean overall accuracy over the rounds after the first acquisition, minus that of random sampling; none for the
    /// baseline itself.
    pub gain: Option<Difference>,
}

impl Study for ActiveStudy {
    const NAME: StudyName = StudyName::Active;
    const MAY_GROW: &'static [&'static str] = &["seeds", "acquisitions"];
    type Data = ActiveData;
    type Task = Task;
    type Outcome = ActiveOutcome;

    fn check(&self) -> Result<()> {
        for (name, value) in [("start", self.start), ("budget", self.budget), ("passes", self.passes)] {
            if value == 0 {
                return Err(Error::input(name, "0", "choose 1 or more"));
            }
        }
        if self.seeds == 0 {
            return Err(Error::input("seeds", "0", "choose 1 or more; 2 show the effect of chance"));
        }
        self.config.training.check()
    }

    fn open(&self, context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<ActiveData> {
        let data = ActiveData::open(self, context, progress)?;
        let (most, there) = (self.labelled(self.rounds), data.pool.labels.len());
        if most > there {
            let problem = format!("{most} patches to label, but the training set has {there}");
            return Err(Error::input("active learning", problem, "reduce --rounds, --budget or --start"));
        }
        Ok(data)
    }

    fn inputs(&self, data: &ActiveData) -> Result<Inputs> {
        Ok(data.inputs.clone())
    }

    fn tasks(&self) -> Vec<Task> {
        let strategies: Vec<_> = self.strategies().into_iter().map(Some).chain([None]).collect();
        let of_seed = |seed| strategies.iter().map(move |&acquisition| Task { acquisition, seed });
        (0..self.seeds).flat_map(of_seed).collect()
    }

    fn folder(&self, task: &Task) -> PathBuf {
        task.folder()
    }

    fn missing(&self, task: &Task, out: &Path) -> usize {
        (0..task.rounds(self.rounds)).filter(|&round| !out.join(task.round(round)).exists()).count()
    }

    fn run(&self, task: &Task, data: &ActiveData, (context, steps): TaskAt<'_>) -> Result<()> {
        for round in 0..task.rounds(self.rounds) {
            if !context.out.join(task.round(round)).exists() {
                rounds::one(self, data, (*task, round), (context, steps))?;
            }
        }
        Ok(())
    }

    fn collect(&self, at: &StudyFolder<'_>, _: &mut dyn Progress) -> Result<ActiveOutcome> {
        let outcome = self.outcome(&at.inputs, at.context.out)?;
        report::write(self, &outcome, at.context.out)?;
        Ok(outcome)
    }

    fn figures(&self, at: &StudyFolder<'_>, _: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
        let outcome = self.outcome(&at.inputs, at.context.out)?;
        let provenance = self.provenance(at, &outcome.provenance, self.config.training.seed)?;
        let figure = report::figure(&outcome)?.with_provenance(&provenance);
        Ok(vec![("accuracy-by-labels".to_owned(), figure)])
    }

    fn tables(outcome: &ActiveOutcome) -> Vec<Table> {
        let caption = format!(
            "mean overall accuracy minus that of random sampling ({}, {} test patches)\n",
            outcome.provenance, outcome.test_patches
        );
        vec![report::gains(outcome).captioned(caption)]
    }
}

impl ActiveStudy {
    /// What the predictions of all rounds show.
    fn outcome(&self, inputs: &Inputs, out: &Path) -> Result<ActiveOutcome> {
        let read = |acquisition| Curve::read(acquisition, (self.seeds, self.rounds), out);
        let all = read(None)?;
        let groups = all.test.groups.as_deref();
        let mut baseline: Option<Vec<Influence>> = None;
        let mut curves = Vec::new();
        for acquisition in self.strategies() {
            let curve = read(Some(acquisition))?;
            let [overall_accuracy, average_accuracy] = curve.accuracies()?;
            let right = curve.right()?;
            // Without a round of labelling nothing is gained.
            let gain = baseline.as_ref().filter(|_| self.rounds > 0);
            let gain = gain.map(|baseline| Difference::of(&right, baseline, groups, true));
            baseline.get_or_insert(right);
            curves.push(ActiveCurve {
                acquisition,
                labelled: (0..=self.rounds).map(|round| self.labelled(round)).collect(),
                overall_accuracy,
                average_accuracy,
                gain,
            });
        }
        Difference::correct(curves.iter_mut().filter_map(|curve: &mut ActiveCurve| curve.gain.as_mut()));
        Ok(ActiveOutcome {
            test_patches: all.test.labels.len(),
            pool_patches: inputs.patches("training"),
            all_labelled: all.accuracies()?[0].concat(),
            provenance: all.test.provenance,
            curves,
        })
    }
}
