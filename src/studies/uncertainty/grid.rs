//! The grid of runs: which there are, who does which, and what each leaves behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Serialize;

use super::UncertaintyStudy;
use super::preparation::Prepared;
use crate::data::predictions::{self, Stated};
use crate::models::{Device, build};
use crate::nn::{Labelled, Training};
use crate::progress::Silent;
use crate::run::Run;
use crate::studies::jobs;
use crate::studies::sets::in_memory;
use crate::uncertainty::{Percent, Subset};
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result};

/// The sets that runs are measured on: the held-out part of the validation set, as in the paper, and the data's
/// own test set.
pub(super) const TESTS: [&str; 2] = ["held-out", "testing"];

/// Which patches are learnt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// R: drawn at random.
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

    /// The paper's abbreviation, and ours beside it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Random => "R",
            Self::Uncertain => "UT",
            Self::UncertainStratified => "UTS",
            Self::Certain => "CT",
            Self::CertainStratified => "CTS",
            Self::Full => "full",
        }
    }

    /// In words.
    pub fn title(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Uncertain => "most uncertain",
            Self::UncertainStratified => "most uncertain, stratified",
            Self::Certain => "most certain",
            Self::CertainStratified => "most certain, stratified",
            Self::Full => "all patches",
        }
    }
}

/// Every n-th run of a grid, from the i-th on: one task of a cluster's scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    of: usize,
}

impl Shard {
    /// All runs.
    pub const WHOLE: Self = Self { index: 1, of: 1 };

    fn has(self, number: usize) -> bool {
        number % self.of == self.index - 1
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// `i/n`, i from 1 to n.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(Error::input(format!("shard '{text}'"), "not i/n with i from 1 to n", "write 2/8, say")),
        }
    }
}

/// One subset's size and choice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Cell {
    pub strategy: Strategy,
    /// In per cent; 100 of all patches.
    pub share: f64,
}

impl Cell {
    fn folder(self, out: &Path, run: u64) -> PathBuf {
        let name = match self.strategy {
            Strategy::Full => format!("full-run-{run}"),
            strategy => format!("{}-{}-run-{run}", strategy.code(), self.share),
        };
        out.join("runs").join(name)
    }

    /// The patches that a run learns from, by position among the training patches.
    fn subset(self, prepared: &Prepared, run: u64, equal_counts: bool) -> Result<Subset> {
        let (u, labels) = (&prepared.distances, &prepared.parts.train.labels);
        let share = Percent::new(self.share)?;
        let stratified = |ranking: crate::uncertainty::Ranking<'_>| {
            if equal_counts { ranking.balanced(labels) } else { ranking.stratified(labels) }
        };
        Ok(match self.strategy {
            Strategy::Random => u.random(share, run),
            Strategy::Uncertain | Strategy::Full => u.most_uncertain(share).overall(),
            Strategy::UncertainStratified => stratified(u.most_uncertain(share))?,
            Strategy::Certain => u.most_certain(share).overall(),
            Strategy::CertainStratified => stratified(u.most_certain(share))?,
        })
    }
}

/// All cells of a study, with the runs of each.
pub(super) struct Grid {
    cells: Vec<Cell>,
    runs: u64,
    equal_counts: bool,
    /// Subsets below this share are gone through several times an epoch.
    largest: f64,
}

/// What a study's runs say of a test set.
pub(super) struct Measured {
    pub name: &'static str,
    pub cells: Vec<(Cell, Vec<Outcome>)>,
    pub labels: Labels,
    /// The experts' votes, where the set has them.
    pub y: Option<LabelDistributions>,
    pub groups: Option<Vec<i32>>,
    pub provenance: String,
}

/// What one run says of a test set.
pub(super) struct Outcome {
    pub predicted: Probabilities,
    /// How many patches it has learnt from.
    pub patches: usize,
}

impl Grid {
    pub fn of(study: &UncertaintyStudy) -> Result<Self> {
        if study.runs == 0 {
            return Err(Error::input("runs", "0", "choose one or more; the paper has 3"));
        }
        let mut cells = Vec::new();
        for (n, &share) in study.shares.iter().enumerate() {
            Percent::new(share)?;
            if study.shares[..n].iter().any(|other| other.total_cmp(&share).is_eq()) {
                return Err(Error::input("shares", format!("{share} twice"), "give each size once"));
            }
            cells.extend(Strategy::CHOOSING.map(|strategy| Cell { strategy, share }));
        }
        cells.push(Cell { strategy: Strategy::Full, share: 100.0 });
        let largest = study.shares.iter().copied().fold(0.0, f64::max);
        Ok(Self { cells, runs: study.runs, equal_counts: study.equal_counts, largest })
    }

    /// Runs of the grid, numbered through: the same run of all cells together, so that a study that is cut
    /// short has whole rows.
    fn all(&self) -> impl Iterator<Item = (Cell, u64)> + '_ {
        (0..self.runs).flat_map(|run| self.cells.iter().map(move |&cell| (cell, run)))
    }

    /// Does a shard's runs that are not there yet, so many at a time.
    pub fn run(
        &self,
        prepared: &Prepared,
        out: &Path,
        shard: Shard,
        jobs: usize,
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let mine = self.all().enumerate().filter(|(number, _)| shard.has(*number)).map(|(_, run)| run);
        let missing: Vec<(Cell, u64)> = mine.filter(|(cell, run)| !cell.folder(out, *run).exists()).collect();
        jobs::side_by_side("runs", (&missing, missing.len()), jobs, progress, |&(cell, run), report| {
            report(self.one(prepared, out, cell, run, device)?);
            Ok(())
        })
    }

    /// One run, into its folder; returns a line on it.
    fn one(&self, prepared: &Prepared, out: &Path, cell: Cell, run: u64, device: Device) -> Result<String> {
        let train = &prepared.parts.train;
        let subset = cell.subset(prepared, run, self.equal_counts)?;
        let chosen = subset.positions();
        let patches = in_memory(&train.patches.select(chosen)?)?;
        // A small subset is gone through several times an epoch, so that it takes no fewer steps than the
        // largest one.
        let times = (self.largest / cell.share).round().max(1.0) as usize;
        let positions: Vec<usize> = (0..times).flat_map(|_| 0..chosen.len()).collect();
        let (patches, y) = (patches.select(&positions)?, train.y.select(chosen).select(&positions));

        let config = &prepared.config;
        let (imagery, classes) = (train.patches.imagery(), train.patches.classes());
        // The weights that the extractor started with.
        let mut network = build(&config.model, imagery, classes, config.training.seed, device)?;
        network.set_standardisation(prepared.standardisation.clone())?;
        let training = Training { seed: config.training.seed + 1 + run, ..config.training.clone() };
        let learnt = Labelled { patches: &patches, labels: &y };
        let history =
            network.fit(learnt, Some(prepared.parts.validation.labelled()), &training, &mut Silent)?;
        let best = history.epochs.iter().find(|epoch| epoch.epoch == history.best_epoch);
        let note = format!(
            "{}, {} %, run {}: validation loss {:.3}",
            cell.strategy.title(),
            cell.share,
            run + 1,
            best.and_then(|epoch| epoch.validation_loss).unwrap_or(f64::NAN)
        );
        let lines: Vec<String> = chosen.iter().map(usize::to_string).collect();
        Run::create(&cell.folder(out, run), |folder| {
            let at = folder.folder();
            folder.write_history(&history.epochs)?;
            fs::write(at.join(SUBSET), format!("sample\n{}\n", lines.join("\n"))).map_err(Error::io(at))?;
            for (name, set) in TESTS.into_iter().zip([&prepared.parts.held_out, &prepared.parts.testing]) {
                let predicted = network.predict(&set.patches)?;
                predictions::write(&at.join(format!("{name}.h5")), &predicted, &set.patches)?;
            }
            Ok(())
        })?;
        Ok(note)
    }

    /// What all runs say of a test set; none if the study has no such set.
    pub fn read(
        &self,
        out: &Path,
        name: &'static str,
        progress: &mut dyn Progress,
    ) -> Result<Option<Measured>> {
        let folders = self.all().map(|(cell, run)| cell.folder(out, run));
        let missing: Vec<PathBuf> = folders.filter(|folder| !folder.is_dir()).collect();
        if let Some(first) = missing.first() {
            let (of, runs) = (missing.len(), self.cells.len() * self.runs as usize);
            let problem = format!("{of} of {runs} runs are missing, this one first");
            return Err(Error::file(
                first,
                problem,
                "do the missing runs: the same command without --collect",
            ));
        }
        let mut measured: Option<Measured> = None;
        progress.begin("predictions", self.cells.len() as u64);
        for &cell in &self.cells {
            let mut outcomes = Vec::new();
            for run in 0..self.runs {
                let folder = cell.folder(out, run);
                let path = folder.join(format!("{name}.h5"));
                let read = predictions::read(&path, None)?;
                let Stated::Probabilities(predicted) = read.predicted else {
                    return Err(Error::file(&path, "no probabilities", "remove the run's folder"));
                };
                let subset = folder.join(SUBSET);
                let text = fs::read_to_string(&subset).map_err(Error::io(&subset))?;
                outcomes.push(Outcome { predicted, patches: text.lines().count().saturating_sub(1) });
                measured.get_or_insert_with(|| Measured {
                    name,
                    cells: Vec::new(),
                    labels: read.labels,
                    y: read.votes.map(|votes| votes.distributions()),
                    groups: read.groups,
                    provenance: read.provenance,
                });
            }
            if let Some(measured) = &mut measured {
                measured.cells.push((cell, outcomes));
            }
            progress.advance(1, "");
        }
        progress.end("");
        Ok(measured)
    }
}

/// The file of the positions that a run has learnt from.
const SUBSET: &str = "subset.csv";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_asked_for_once() {
        let study =
            UncertaintyStudy { shares: vec![5.0, 30.0, 5.0], ..UncertaintyStudy::quick(&[]).unwrap() };
        let error = Grid::of(&study).err().unwrap().to_string();
        assert_eq!(error, "shares: 5 twice; give each size once");
    }

    #[test]
    fn shards_share_the_runs_without_gap_or_overlap() {
        let study = UncertaintyStudy::quick(&[]).unwrap();
        let grid = Grid::of(&study).unwrap();
        let runs = grid.all().count();
        assert_eq!(runs, (5 * 5 + 1) * 3);
        let shards: Vec<Shard> = (1..=4).map(|i| format!("{i}/4").parse().unwrap()).collect();
        for number in 0..runs {
            assert_eq!(shards.iter().filter(|shard| shard.has(number)).count(), 1);
        }
        for text in ["0/4", "5/4", "1", "a/b", "1/0", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
