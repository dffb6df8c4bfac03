//! The study of Koller, Shahzad & Zhu, *Uncertainty-guided representation learning in local climate zone
//! classification*: a network's features of the training patches, their distances from the geometric median
//! of their class, and networks trained on the most uncertain, the most certain or random patches, from the
//! first weights of the extractor. Table 1, its learning curves, and differences with intervals.
//!
//! As there, water is left out, the patches that choose the epoch lie in other places than the training patches, and
//! the test set is a part of them that is held out. Everything is measured on the data's own test set too.

mod effects;
mod plane;
mod preparation;
mod report;
mod runs;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::study::{Inputs, Study, StudyContext, StudyFolder, TaskAt};
use crate::display::Table;
use crate::figures::{Figure, StudyName};
use crate::run::Config;
use crate::uncertainty::Percent;
use crate::{Error, Progress, Result};

pub use effects::Effect;
pub use plane::PlaneFit;
pub use runs::Strategy;

use preparation::{EXTRACTOR, UncertaintyData};
use report::Scored;
use runs::{Cell, Measured, Task};

/// The settings of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UncertaintyStudy {
    /// The network, its training and the choice of the data; the seed is that of the extractor and of all first
    /// weights.
    pub config: Config,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Runs of each subset, which differ by their order of the patches, their dropout and, of random subsets,
    /// the patches.
    pub runs: u64,
    /// Sizes of the subsets, in per cent of the training patches.
    pub shares: Vec<f64>,
    /// The run of a network that was trained elsewhere, whose features are used; none: the study trains its own
    /// extractor.
    #[serde(skip)]
    pub extractor: Option<PathBuf>,
    /// Whether the stratified subsets have equal counts of each class, instead of equal shares.
    pub equal_counts: bool,
}

impl UncertaintyStudy {
    /// The paper's sizes and runs, with the published Sen2LCZ; the settings override its configuration.
    ///
    /// # Errors
    /// A setting that does not exist or has the wrong type.
    pub fn full(settings: &[String]) -> Result<Self> {
        Self::of(&[], settings, 6000)
    }

    /// A small study, for the quick mode.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn quick(settings: &[String]) -> Result<Self> {
        Self::of(&super::SMALL, settings, 2000)
    }

    fn of(small: &[&str], settings: &[String], patches: usize) -> Result<Self> {
        let config = super::config(&[small, &["data.without=[\"G\"]"]].concat(), settings)?;
        let shares = vec![5.0, 10.0, 15.0, 20.0, 30.0];
        Ok(Self { config, patches, runs: 3, shares, extractor: None, equal_counts: false })
    }

    fn largest_share(&self) -> f64 {
        self.shares.iter().copied().fold(0.0, f64::max)
    }

    fn cells(&self) -> Vec<Cell> {
        let of_share = |&share| Strategy::CHOOSING.map(|strategy| Cell { strategy, share });
        let full = Cell { strategy: Strategy::Full, share: 100.0 };
        self.shares.iter().flat_map(of_share).chain([full]).collect()
    }
}

/// What the study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UncertaintyOutcome {
    /// Provenance of the patches, as their files state it.
    pub provenance: String,
    /// The features on a plane, as the paper's Fig. 1 shows them.
    pub plane: PlaneFit,
    /// The test sets, the paper's held-out part first.
    pub tests: Vec<TestOutcome>,
}

/// The results on one test set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestOutcome {
    /// `held-out` or `testing`.
    pub name: &'static str,
    /// Its patches.
    pub patches: usize,
    /// Table 1.
    pub table: Table,
    /// Differences between subsets.
    pub effects: Vec<Effect>,
}

impl Study for UncertaintyStudy {
    const NAME: StudyName = StudyName::Uncertainty;
    type Data = UncertaintyData;
    type Task = Task;
    type Outcome = UncertaintyOutcome;

    fn check(&self) -> Result<()> {
        if self.runs == 0 {
            return Err(Error::input("runs", "0", "choose one or more; the paper has 3"));
        }
        for (n, &share) in self.shares.iter().enumerate() {
            Percent::new(share)?;
            if self.shares[..n].iter().any(|other| other.total_cmp(&share).is_eq()) {
                return Err(Error::input("shares", format!("{share} twice"), "give each size once"));
            }
        }
        self.config.training.check()
    }

    fn open(&self, context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<UncertaintyData> {
        UncertaintyData::open(self, context, progress)
    }

    fn inputs(&self, data: &UncertaintyData) -> Result<Inputs> {
        let mut inputs = data.inputs.clone();
        if let Some(run) = &self.extractor {
            inputs.files.insert(EXTRACTOR.to_owned(), preparation::weights_checksum(run)?);
        }
        Ok(inputs)
    }

    fn prepare(
        &self,
        data: &UncertaintyData,
        context: StudyContext<'_>,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        preparation::extract(self, data, context, progress)
    }

    fn is_prepared(&self, out: &Path) -> bool {
        out.join(EXTRACTOR).is_dir()
    }

    fn tasks(&self) -> Vec<Task> {
        let cells = self.cells();
        (0..self.runs).flat_map(|run| cells.iter().map(move |&cell| Task { cell, run })).collect()
    }

    fn folder(&self, task: &Task) -> PathBuf {
        task.folder()
    }

    fn run(&self, task: &Task, data: &UncertaintyData, at: TaskAt<'_>) -> Result<()> {
        runs::one(self, task, data, at)
    }

    fn collect(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<UncertaintyOutcome> {
        let mut tests = Vec::new();
        let mut provenance = String::new();
        for name in runs::TESTS {
            let measured = Measured::read(self, at.context.out, name, progress)?;
            tests.push(report::write(&Scored::of(&measured)?, at.context.out)?);
            provenance.clone_from(&measured.test.provenance);
        }
        let plane = preparation::Extracted::read(at.context.out)?.plane;
        let outcome = UncertaintyOutcome { provenance, plane, tests };
        report::readme(self, &outcome, at.inputs.files.contains_key(EXTRACTOR)).write(at.context.out)?;
        Ok(outcome)
    }

    fn figures(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
        let fit = preparation::Extracted::read(at.context.out)?.plane;
        let mut figures = Vec::new();
        for name in runs::TESTS {
            let measured = Measured::read(self, at.context.out, name, progress)?;
            let test = &measured.test;
            let provenance = self.provenance(at, &test.provenance, self.config.training.seed)?;
            if figures.is_empty() {
                let figure = plane::draw(
                    fit,
                    &at.context.out.join(EXTRACTOR),
                    test.labels.classes(),
                    &test.provenance,
                )?;
                figures.push(("features".to_owned(), figure.with_provenance(&provenance)));
            }
            let figure = report::curves(self.runs, &Scored::of(&measured)?)?;
            let stem = format!("learning-curves{}", runs::suffix(name));
            figures.push((stem, figure.with_provenance(&provenance)));
        }
        Ok(figures)
    }

    fn tables(outcome: &UncertaintyOutcome) -> Vec<Table> {
        let table = |test: &TestOutcome| {
            let caption = format!("{} ({}), {} patches\n", test.name, outcome.provenance, test.patches);
            test.table.clone().captioned(caption)
        };
        outcome.tests.iter().map(table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_given_once() {
        let study =
            UncertaintyStudy { shares: vec![5.0, 30.0, 5.0], ..UncertaintyStudy::quick(&[]).unwrap() };
        assert_eq!(study.check().unwrap_err().to_string(), "shares: 5 twice; give each size once");
    }

    #[test]
    fn the_grid_has_five_subsets_of_each_size_and_all_patches() {
        assert_eq!(UncertaintyStudy::quick(&[]).unwrap().tasks().len(), (5 * 5 + 1) * 3);
    }
}
