//! The runs: networks trained on subsets, what each stores, and what all of them predict.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::UncertaintyStudy;
use super::preparation::{EXTRACTOR, Extracted, UncertaintyData, read_distances};
use crate::data::predictions;
use crate::run::Run;
use crate::studies::sets::{
    Start, TestSet, read_positions, read_predictions, train_on_part, write_positions,
};
use crate::studies::study::TaskAt;
use crate::uncertainty::{Percent, Ranking, Subset, Uncertainty};
use crate::{Error, Labels, Probabilities, Progress, Result};

/// The sets that runs are measured on: the held-out part of the validation set, as in the paper, and the data's
/// own test set.
pub(super) const TESTS: [&str; 2] = ["held-out", "testing"];

/// What the names of a test set's files end with.
pub(super) fn suffix(test: &str) -> &'static str {
    if test == TESTS[0] { "" } else { "-testing" }
}

/// Which patches a network is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// R: a random sample.
    Random,
    /// UT: the most uncertain of all.
    Uncertain,
    /// UTS: the most uncertain, class by class.
    UncertainStratified,
    /// CT: the most certain of all.
    Certain,
    /// CTS: the most certain, class by class.
    CertainStratified,
    /// All of them.
    Full,
}

impl Strategy {
    /// Those that choose.
    pub const CHOOSING: [Self; 5] =
        [Self::Random, Self::Uncertain, Self::UncertainStratified, Self::Certain, Self::CertainStratified];

    /// The paper's abbreviation.
    pub fn code(self) -> &'static str {
        self.names()[0]
    }

    /// As text.
    pub fn title(self) -> &'static str {
        self.names()[1]
    }

    fn names(self) -> [&'static str; 2] {
        match self {
            Self::Random => ["R", "random"],
            Self::Uncertain => ["UT", "most uncertain"],
            Self::UncertainStratified => ["UTS", "most uncertain, stratified"],
            Self::Certain => ["CT", "most certain"],
            Self::CertainStratified => ["CTS", "most certain, stratified"],
            Self::Full => ["full", "all patches"],
        }
    }
}

/// One subset's size and choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The choice.
    pub strategy: Strategy,
    /// In per cent; 100 of all patches.
    pub share: f64,
}

/// One run of a cell.
#[derive(Debug, Clone, Copy)]
pub struct Task {
    pub(super) cell: Cell,
    pub(super) run: u64,
}

impl Task {
    pub(super) fn folder(self) -> PathBuf {
        let name = match self.cell.strategy {
            Strategy::Full => format!("full-run-{}", self.run),
            strategy => format!("{}-{}-run-{}", strategy.code(), self.cell.share, self.run),
        };
        Path::new("runs").join(name)
    }

    /// The patches that it is trained on, by position among the training patches.
    fn subset(self, u: &Uncertainty, labels: &Labels, equal_counts: bool) -> Result<Subset> {
        let share = Percent::new(self.cell.share)?;
        let stratified = |ranking: Ranking<'_>| {
            if equal_counts { ranking.balanced(labels) } else { ranking.stratified(labels) }
        };
        Ok(match self.cell.strategy {
            Strategy::Random => u.random(share, self.run),
            Strategy::Uncertain | Strategy::Full => u.most_uncertain(share).overall(),
            Strategy::UncertainStratified => stratified(u.most_uncertain(share))?,
            Strategy::Certain => u.most_certain(share).overall(),
            Strategy::CertainStratified => stratified(u.most_certain(share))?,
        })
    }
}

/// One run, into its folder.
pub(super) fn one(
    study: &UncertaintyStudy,
    task: &Task,
    data: &UncertaintyData,
    (context, steps): TaskAt<'_>,
) -> Result<()> {
    let (Task { cell, run }, train, config) = (*task, &data.train, &study.config);
    let distances = read_distances(context.out)?;
    let (distant, patches) = (distances.values().len(), train.patches.len());
    if distant != patches {
        let problem = format!("{distant} distances of {patches} patches");
        let advice = "remove the folder, and repeat the study";
        return Err(Error::file(context.out.join(EXTRACTOR), problem, advice));
    }
    let subset = task.subset(&distances, &train.labels, study.equal_counts)?;
    let chosen = subset.positions();
    // An epoch repeats a small subset, so that it has no fewer steps than that of the largest one.
    let times = (study.largest_share() / cell.share).round().max(1.0) as usize;
    // The weights that the extractor started with.
    let first = config.training.seed;
    let start = Start {
        config,
        seeds: [first, first + 1 + run],
        standardisation: Extracted::read(context.out)?.standardisation(),
        device: context.device,
        steps,
    };
    let (network, history) = train_on_part(start, (train, chosen, times), &data.validation)?;
    let best = history.epochs.iter().find(|epoch| epoch.epoch == history.best_epoch);
    let note = format!(
        "{}, {} %, run {}: validation loss {:.3}",
        cell.strategy.title(),
        cell.share,
        run + 1,
        best.and_then(|epoch| epoch.validation_loss).unwrap_or(f64::NAN)
    );
    Run::create(context.out.join(task.folder()), |folder| {
        let at = folder.folder();
        folder.write_history(&history.epochs)?;
        write_positions(&at.join(SUBSET), chosen)?;
        for (name, set) in TESTS.into_iter().zip([&data.held_out, &data.testing]) {
            let predicted = network.predict(&set.patches)?;
            predictions::write(at.join(format!("{name}.h5")), &predicted, &set.patches)?;
        }
        Ok(())
    })?;
    steps.done(note);
    Ok(())
}

/// The predictions of all runs for a test set.
pub(super) struct Measured {
    pub name: &'static str,
    pub cells: Vec<(Cell, Vec<RunPredictions>)>,
    pub test: TestSet,
}

/// The predictions of one run for a test set.
pub(super) struct RunPredictions {
    pub predicted: Probabilities,
    /// How many patches it was trained on.
    pub patches: usize,
}

impl Measured {
    pub fn read(
        study: &UncertaintyStudy,
        out: &Path,
        name: &'static str,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let cells = study.cells();
        let mut test = None;
        let mut read = |task: Task| {
            let folder = out.join(task.folder());
            let (predicted, _, set) = read_predictions(&folder.join(format!("{name}.h5")))?;
            test.get_or_insert(set);
            Ok(RunPredictions { predicted, patches: read_positions(&folder.join(SUBSET))?.len() })
        };
        let mut of_cells = Vec::with_capacity(cells.len());
        progress.begin("predictions", cells.len() as u64);
        for cell in cells {
            let runs = (0..study.runs).map(|run| read(Task { cell, run })).collect::<Result<_>>()?;
            of_cells.push((cell, runs));
            progress.advance(1, "");
        }
        progress.end("");
        let test = test.ok_or_else(|| Error::file(out, "no complete run", "run the study first"))?;
        Ok(Self { name, cells: of_cells, test })
    }
}

/// The file of the positions that a run was trained on.
const SUBSET: &str = "subset.csv";
