//! The study of Koller, Shahzad & Zhu, *Uncertainty-guided representation learning in local climate zone
//! classification*: a network's features of the training patches, their distances from the geometric median
//! of their class, and networks trained on the most uncertain, the most certain or random patches, from the
//! very weights that the extractor started with. Table 1, its learning curves, and what the differences are
//! worth.
//!
//! As there, water is left out, the patches that choose the epoch lie in other places than those that are
//! learnt from, and the test set is a part of them that is held out. Where the data have a test set of their
//! own, everything is measured on that one too.
//!
//! A study is a grid of independent runs. Each is written under a hidden name and renamed when it is whole, and
//! the tables are made of what is written: a study that was killed, or spread over machines, ends with
//! the same tables.

mod curves;
mod effects;
mod grid;
mod plane;
pub(super) mod preparation;
mod readme;
mod table;

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::figures::Figure;
use crate::models::Device;
use crate::run::Config;
use crate::{Error, Progress, Result, write_whole};

pub use effects::Effect;
pub use grid::{Shard, Strategy};
pub use plane::PlaneFit;

use grid::Grid;
use preparation::Prepared;
use table::{Scored, Table};

/// What is done, and how large it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UncertaintyStudy {
    /// The network, its training and the data; the seed is that of the extractor, and of the first weights of
    /// all. Without a path of data: a synthetic set.
    pub config: Config,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Runs of each subset, which differ by their order of the patches, their dropout and, of random subsets,
    /// the patches.
    pub runs: u64,
    /// Sizes of the subsets, in per cent of the training patches.
    pub shares: Vec<f64>,
    /// The run of a network that was trained elsewhere, whose features are taken; none: the study trains its own, and
    /// its runs start from that one's first weights.
    pub extractor: Option<PathBuf>,
    /// Whether the stratified subsets have equal counts of each class, instead of a share of each.
    pub equal_counts: bool,
}

impl UncertaintyStudy {
    /// The paper's sizes and runs, with the published Sen2LCZ; these settings go over its configuration.
    ///
    /// # Errors
    /// A setting that does not exist or has the wrong type.
    pub fn full(settings: &[String]) -> Result<Self> {
        Self::of(&[], settings, 6000)
    }

    /// A small one, to see everything work.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn quick(settings: &[String]) -> Result<Self> {
        let small = ["model.width=8", "training.epochs=8", "training.batch_size=32"];
        Self::of(&small, settings, 2000)
    }

    fn of(small: &[&str], settings: &[String], patches: usize) -> Result<Self> {
        let water = "data.without=[\"G\"]".to_owned();
        let small = small.iter().map(|setting| (*setting).to_owned());
        let settings: Vec<String> = small.chain([water]).chain(settings.iter().cloned()).collect();
        let config = Config::read(None, "sen2lcz", &settings)?;
        let shares = vec![5.0, 10.0, 15.0, 20.0, 30.0];
        Ok(Self { config, patches, runs: 3, shares, extractor: None, equal_counts: false })
    }
}

/// Which part of a study is done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All that is missing.
    All,
    /// What all runs need: the extractor and the distances.
    Preparation,
    /// A shard's runs, of a study that is prepared.
    Runs(Shard),
    /// Tables and figures, of runs that are all there.
    Tables,
}

/// What a study came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UncertaintyOutcome {
    /// Where the patches are from, as their files say.
    pub provenance: String,
    /// How the features came out on a plane, as the paper's Fig. 1 shows them.
    pub plane: PlaneFit,
    /// What is measured on, the paper's held-out part first.
    pub tests: Vec<TestOutcome>,
}

/// One test set's part.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestOutcome {
    /// `held-out` or `testing`.
    pub name: &'static str,
    /// Its patches.
    pub patches: usize,
    /// Table 1, as Markdown.
    pub table: String,
    /// Subsets against each other.
    pub effects: Vec<Effect>,
}

/// Does a study, or a part of it, in a folder: `extractor/` (the network, each patch's distance), `runs/`, and
/// of them `table.md`, `table.csv`, `table.tex`, `effects.csv`, figures and a `README.md`. What is there is not
/// done again. Returns what it came to, once all runs are there.
///
/// # Errors
/// Unusable data or settings, a folder of a study of other settings or data, runs that are missing where the
/// tables are asked for, or a file that cannot be written.
pub fn reproduce_uncertainty(
    study: &UncertaintyStudy,
    part: Part,
    out: &Path,
    jobs: usize,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Option<UncertaintyOutcome>> {
    let grid = Grid::of(study)?;
    match part {
        Part::All => {
            let prepared = Prepared::make(study, out, device, progress)?;
            grid.run(&prepared, out, Shard::WHOLE, jobs, device, progress)?;
        }
        Part::Preparation => drop(Prepared::make(study, out, device, progress)?),
        Part::Runs(shard) => {
            let prepared = Prepared::open(study, out)?;
            grid.run(&prepared, out, shard, jobs, device, progress)?;
        }
        Part::Tables => preparation::check_settings(study, out)?,
    }
    match part {
        Part::All | Part::Tables => collect(out, progress).map(Some),
        Part::Preparation | Part::Runs(_) => Ok(None),
    }
}

/// Tables and figures of runs that are all there, of the study that the folder holds.
fn collect(out: &Path, progress: &mut dyn Progress) -> Result<UncertaintyOutcome> {
    let stored = preparation::stored(out)?;
    let study = &stored.study;
    let grid = Grid::of(study)?;
    let mut tests = Vec::new();
    let fit = preparation::plane(out)?;
    let mut provenance = String::new();
    let put = |name: String, text: &str| write_whole(&out.join(name), text.as_bytes());
    for name in grid::TESTS {
        let Some(measured) = grid.read(out, name, progress)? else { continue };
        provenance.clone_from(&measured.provenance);
        if tests.is_empty() {
            let of = (&*out.join(preparation::EXTRACTOR), measured.labels.classes(), &*provenance);
            plane::draw(study, fit, of)?.save(out, "features")?;
        }
        let suffix = if name == grid::TESTS[0] { String::new() } else { format!("-{name}") };
        let scored = Scored::of(&measured)?;
        let effects = effects::all(&measured);
        let table = Table::of(&scored)?;
        let text = table::markdown(&table);
        put(format!("table{suffix}.md"), &text)?;
        put(format!("table{suffix}.csv"), &table::csv(&table))?;
        put(format!("table{suffix}.tex"), &table::latex(&table))?;
        effects::table(&effects, &provenance).write(&out.join(format!("effects{suffix}.csv")))?;
        curves::draw(study, &scored)?.save(out, &curves::stem(name))?;
        tests.push(TestOutcome { name, patches: measured.labels.len(), table: text, effects });
    }
    if tests.is_empty() {
        return Err(Error::file(out, "no run there", "do the study's runs first"));
    }
    let outcome = UncertaintyOutcome { provenance, plane: fit, tests };
    put("README.md".to_owned(), &readme::text(&stored, &outcome))?;
    Ok(outcome)
}

/// The figures of what a study's extractor and runs have stored.
pub(super) fn figures(out: &Path, progress: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
    let study = &preparation::stored(out)?.study;
    let grid = Grid::of(study)?;
    let mut figures = Vec::new();
    for name in grid::TESTS {
        if let Some(measured) = grid.read(out, name, progress)? {
            if figures.is_empty() {
                let of =
                    (&*out.join(preparation::EXTRACTOR), measured.labels.classes(), &*measured.provenance);
                let fit = preparation::plane(out)?;
                figures.push(("features".to_owned(), plane::draw(study, fit, of)?));
            }
            figures.push((curves::stem(name), curves::draw(study, &Scored::of(&measured)?)?));
        }
    }
    Ok(figures)
}

/// The study's own data, where none are given.
fn synthetic(out: &Path) -> PathBuf {
    out.join("synthetic")
}
