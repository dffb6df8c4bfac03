//! `lcz reproduce`: a study, from data to tables and figures.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lcz::studies::{
    self, ActiveStudy, LandcoverStudy, LdlStudy, Study, StudyContext, StudyPart, UncertaintyStudy,
};
use lcz::uncertainty::Acquisition;

use super::options::{
    Context, Data, Epochs, IgnoreRadiometry, Output, Seed, Settings, ShardOption, SyntheticPatches,
};
use super::output;

/// Reproduce a study from a paper
///
/// Trains the networks of a study and writes tables, figures and a README. Started again after an interruption, it
/// resumes: complete runs are kept.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz reproduce ldl --quick --out study
  lcz reproduce uncertainty --data data --out study --jobs 2
  lcz reproduce active --quick --out study
  lcz reproduce landcover --quick --out study

On several machines with a shared folder, as a Slurm job array:
  lcz reproduce uncertainty --data data --out study --prepare
  sbatch --array=1-8 --wrap 'lcz reproduce uncertainty --data data \\
    --out study --shard $SLURM_ARRAY_TASK_ID/8'
  lcz reproduce uncertainty --data data --out study --collect")]
pub struct Reproduce {
    #[command(subcommand)]
    study: StudyArguments,
}

#[derive(Debug, Subcommand)]
enum StudyArguments {
    Ldl(Box<Ldl>),
    Uncertainty(Box<Uncertainty>),
    Active(Box<Active>),
    Landcover(Box<Landcover>),
}

/// The options of all studies.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
#[command(
    mut_arg("out", |out| out.value_name("FOLDER").help("Folder of the study; an interrupted one is resumed")),
    mut_arg("shard", |shard| shard.help("Do runs i, i+n, i+2n, ... of a prepared study"))
)]
struct Shared {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    out: Output,

    /// Quick mode: small network, few epochs, small synthetic data set; takes minutes
    #[arg(long)]
    quick: bool,

    #[command(flatten)]
    seed: Seed,

    /// Number of runs in parallel [default: number of cores, at most 4]
    #[arg(long)]
    jobs: Option<usize>,

    /// Only prepare the data and the feature extractor that all runs need
    #[arg(long, conflicts_with_all = ["shard", "collect"])]
    prepare: bool,

    #[command(flatten)]
    shard: ShardOption,

    /// Only write tables and figures from the stored runs; nothing is trained
    #[arg(long, alias = "redraw", conflicts_with = "shard")]
    collect: bool,

    #[command(flatten)]
    guard: IgnoreRadiometry,
}

/// The options of studies of patches.
#[derive(Debug, Args)]
#[command(mut_arg("patches", |patches| patches.conflicts_with("data")))]
struct OfPatches {
    #[command(flatten)]
    patches: SyntheticPatches,

    #[command(flatten)]
    epochs: Epochs,

    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Args)]
struct Seeds {
    /// Number of random seeds [default: ldl 5, active 3; quick mode: 3 and 2]
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,
}

impl OfPatches {
    /// The settings, with those of other options over them.
    fn settings(self, shared: &Shared, width: Option<usize>) -> Vec<String> {
        self.settings.get(&[
            ("training.epochs", self.epochs.epochs.map(|epochs| epochs.to_string())),
            ("model.width", width.map(|width| width.to_string())),
            ("training.seed", shared.seed.seed.map(|seed| seed.to_string())),
        ])
    }

    fn is_given(&self) -> bool {
        self.patches.patches.is_some() || self.epochs.epochs.is_some() || self.settings.is_given()
    }
}

impl Shared {
    /// Runs the study. `given`: whether the command line has settings, which are then compared with those of the
    /// folder where it is only collected.
    fn run<S: Study>(self, study: &S, given: bool, cx: &mut Context) -> anyhow::Result<()> {
        if let Some(data) = self.data.data.as_deref().filter(|_| !self.collect) {
            self.guard.check(data, "training.h5", None)?;
        }
        let context = StudyContext { data: self.data.data.as_deref(), out: &self.out.out, device: cx.device };
        let part = match self.shard.shard {
            Some(shard) => StudyPart::Runs(shard),
            None if self.prepare => StudyPart::Preparation,
            None if self.collect => StudyPart::Tables,
            None => StudyPart::All,
        };
        let outcome = if self.collect && !given && !self.quick && self.seed.seed.is_none() {
            Some(studies::collect::<S>(context, &mut cx.progress)?)
        } else {
            let cores = || std::thread::available_parallelism().map_or(1, usize::from);
            let jobs = self.jobs.unwrap_or_else(|| cores().min(4));
            studies::reproduce(study, part, jobs, context, &mut cx.progress)?
        };
        let Some(outcome) = outcome else { return Ok(()) };
        if cx.json {
            return output::json(&outcome);
        }
        for table in S::tables(&outcome) {
            output::line(table.to_string())?;
        }
        output::line(format!("all results: {}", self.out.out.join("README.md").display()))
    }
}

/// Label distributions: train on one-hot labels or on votes
///
/// Trains Sen2LCZ on one-hot labels and on the votes of experts, with and without label smoothing, and compares
/// accuracy and calibration: the study of the label distribution paper.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz reproduce ldl --quick --out study   # synthetic, minutes
  lcz reproduce ldl --data data --out study   # full run
  lcz reproduce ldl --data data --out study --seeds 3 --epochs 60 --width 8
  lcz reproduce ldl --out study --collect   # tables and figures only")]
struct Ldl {
    #[command(flatten)]
    shared: Shared,

    #[command(flatten)]
    of_patches: OfPatches,

    #[command(flatten)]
    seeds: Seeds,

    /// Width of the network [default: 16; quick mode: 8]
    #[arg(long, value_name = "N")]
    width: Option<usize>,
}

impl Ldl {
    fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let base = if self.shared.quick { LdlStudy::quick } else { LdlStudy::full };
        let given = self.of_patches.is_given() || self.seeds.seeds.is_some() || self.width.is_some();
        let patches = self.of_patches.patches.patches;
        let mut study = base(&self.of_patches.settings(&self.shared, self.width))?;
        study.patches = patches.unwrap_or(study.patches);
        study.seeds = self.seeds.seeds.unwrap_or(study.seeds);
        self.shared.run(&study, given, cx)
    }
}

/// Uncertainty-guided learning: train on uncertain, certain or random patches
///
/// Trains a network, ranks the training patches by the distance of their features from the median of their class, and
/// trains networks on subsets: the study of the paper on uncertainty-guided representation learning.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz reproduce uncertainty --quick --out study
  lcz reproduce uncertainty --data data --out study --jobs 2
  lcz reproduce uncertainty --data data --out study --extractor runs/resnet50")]
struct Uncertainty {
    #[command(flatten)]
    shared: Shared,

    #[command(flatten)]
    of_patches: OfPatches,

    /// Sizes of the subsets in per cent [default: 5,10,15,20,30]
    #[arg(long, value_delimiter = ',')]
    shares: Option<Vec<f64>>,

    /// Number of runs per subset [default: 3]
    #[arg(long)]
    runs: Option<u64>,

    /// Run folder of a network to extract features with, such as a ResNet-50 [default: one is trained]
    #[arg(long, value_name = "RUN")]
    extractor: Option<PathBuf>,

    /// Stratify by equal counts per class instead of equal shares
    #[arg(long)]
    equal_counts: bool,
}

impl Uncertainty {
    fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let base = if self.shared.quick { UncertaintyStudy::quick } else { UncertaintyStudy::full };
        let given =
            self.of_patches.is_given() || self.shares.is_some() || self.runs.is_some() || self.equal_counts;
        let patches = self.of_patches.patches.patches;
        let mut study = base(&self.of_patches.settings(&self.shared, None))?;
        study.patches = patches.unwrap_or(study.patches);
        study.shares = self.shares.unwrap_or(study.shares);
        study.runs = self.runs.unwrap_or(study.runs);
        study.extractor = self.extractor;
        study.equal_counts = self.equal_counts;
        self.shared.run(&study, given, cx)
    }
}

/// Active learning: choose the patches that experts label next
///
/// Trains a network on few labelled patches, adds the labels of patches that an acquisition strategy chooses, and
/// trains again. Measures accuracy against the number of labels, with random sampling as baseline. The labels of the
/// training set are hidden until they are acquired.
#[derive(Debug, Args)]
#[command(after_help = "Acquisition strategies:
  random     random sampling, the baseline
  entropy    highest entropy of the prediction
  margin     smallest difference between the two most probable classes
  bald       highest mutual information between Monte Carlo dropout passes
  core-set   k-centre cover of the features
  distance   largest distance from the geometric median of the predicted class

More seeds or strategies can be added to a study. The number of rounds cannot
change: it determines how often an epoch repeats the labelled patches.

Examples:
  lcz reproduce active --quick --out study
  lcz reproduce active --data data --out study --acquisition bald,margin \\
      --start 200 --rounds 8 --budget 100
  lcz reproduce active --data data --out study --acquisition entropy --seeds 5 \\
      --set model.width=8")]
struct Active {
    #[command(flatten)]
    shared: Shared,

    #[command(flatten)]
    of_patches: OfPatches,

    /// Acquisition strategies; random is always included [default: all]
    #[arg(long, value_delimiter = ',')]
    acquisition: Option<Vec<Acquisition>>,

    /// Number of labelled patches at the start [default: 100; quick mode: 60]
    #[arg(long)]
    start: Option<usize>,

    /// Number of rounds of labelling [default: 10; quick mode: 6]
    #[arg(long)]
    rounds: Option<usize>,

    /// Number of patches labelled per round [default: 100; quick mode: 60]
    #[arg(long)]
    budget: Option<usize>,

    #[command(flatten)]
    seeds: Seeds,

    /// Number of Monte Carlo dropout passes of bald [default: 20]
    #[arg(long)]
    passes: Option<usize>,
}

impl Active {
    fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let base = if self.shared.quick { ActiveStudy::quick } else { ActiveStudy::full };
        let numbers = [self.start, self.rounds, self.budget, self.passes];
        let given = self.of_patches.is_given()
            || self.acquisition.is_some()
            || self.seeds.seeds.is_some()
            || numbers.iter().any(Option::is_some);
        let patches = self.of_patches.patches.patches;
        let mut study = base(&self.of_patches.settings(&self.shared, None))?;
        study.patches = patches.unwrap_or(study.patches);
        study.acquisitions = self.acquisition.unwrap_or(study.acquisitions);
        study.start = self.start.unwrap_or(study.start);
        study.rounds = self.rounds.unwrap_or(study.rounds);
        study.budget = self.budget.unwrap_or(study.budget);
        study.passes = self.passes.unwrap_or(study.passes);
        study.seeds = self.seeds.seeds.unwrap_or(study.seeds);
        self.shared.run(&study, given, cx)
    }
}

/// Land cover of each pixel: train U-Nets on synthetic cities and on real ground
///
/// Trains U-Nets on two synthetic cities and tests each on held-out blocks of its own city and on the other city. With
/// the real sample, trains on all dates but one and tests on that date.
#[derive(Debug, Args)]
#[command(after_help = "The real sample is slovenia_lulc.h5 of eo-learn's examples. --data is this file,
or a folder that holds it (itself or in eolearn/); the default is
$LCZ_REAL_DATA. Without it the study has the synthetic cities only.

Examples:
  lcz reproduce landcover --quick --out study   # minutes
  lcz reproduce landcover --out study --data data/eolearn")]
struct Landcover {
    #[command(flatten)]
    shared: Shared,

    #[command(flatten)]
    epochs: Epochs,

    /// Rows and columns of the scene of a city [default: 1216; quick mode: 704]
    #[arg(long, value_name = "PIXELS")]
    side: Option<usize>,

    /// Dates of the real sample to hold out in turn, from 0 [default: all; quick mode: 4]
    #[arg(long, value_delimiter = ',')]
    dates: Option<Vec<usize>>,
}

impl Landcover {
    fn run(mut self, cx: &mut Context) -> anyhow::Result<()> {
        let mut study = if self.shared.quick { LandcoverStudy::quick() } else { LandcoverStudy::full() };
        let given = self.epochs.epochs.is_some() || self.side.is_some() || self.dates.is_some();
        let real = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
        self.shared.data.data = self.shared.data.data.or(real);
        study.dates = match self.dates {
            Some(dates) => dates,
            None if self.shared.data.data.is_none() => Vec::new(),
            None => study.dates,
        };
        study.side = self.side.unwrap_or(study.side);
        study.training.seed = self.shared.seed.seed.unwrap_or(study.training.seed);
        if let Some(epochs) = self.epochs.epochs {
            study = study.with_epochs(epochs);
        }
        self.shared.run(&study, given, cx)
    }
}

impl Reproduce {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        match self.study {
            StudyArguments::Ldl(study) => study.run(cx),
            StudyArguments::Uncertainty(study) => study.run(cx),
            StudyArguments::Active(study) => study.run(cx),
            StudyArguments::Landcover(study) => study.run(cx),
        }
    }
}
