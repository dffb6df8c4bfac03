//! `lcz reproduce`: a paper's study, from data to table and figures.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lcz::Progress;
use lcz::models::Device;
use lcz::studies;
use lcz::studies::{LandcoverStudy, LdlStudy, Part, Shard, UncertaintyStudy};

use super::output::{self, Table};

/// Reproduce a paper's study.
#[derive(Debug, Args)]
#[command(after_help = "Interrupted, it goes on where it was: runs that are there are not trained again.

Examples:
  lcz reproduce ldl --quick --out study
  lcz reproduce ldl --data data --out study
  lcz reproduce uncertainty --quick --out study
  lcz reproduce uncertainty --data data --out study --jobs 2
  lcz reproduce uncertainty --data data --out study --extractor runs/resnet50
  lcz reproduce landcover --quick --out study

Over several machines with a shared folder, as an array of Slurm jobs (a killed one is started again):
  lcz reproduce uncertainty --data data --out study --prepare
  sbatch --array=1-8 --wrap \
    'lcz reproduce uncertainty --data data --out study --shard $SLURM_ARRAY_TASK_ID/8'
  lcz reproduce uncertainty --data data --out study --collect")]
pub struct Reproduce {
    #[command(subcommand)]
    study: Study,
}

#[derive(Debug, Subcommand)]
enum Study {
    Ldl(Ldl),
    Uncertainty(Uncertainty),
    Landcover(Landcover),
}

/// One-hot labels against the experts' votes, with and without smoothing: table and figures of the label
/// distribution paper.
#[derive(Debug, Args)]
#[command(after_help = "Interrupted, it goes on where it was: runs that are there are not trained again.

Examples:
  lcz reproduce ldl --quick --out study                (synthetic, minutes)
  lcz reproduce ldl --data data --out study            (the paper's size)
  lcz reproduce ldl --data data --out study --seeds 3 --epochs 60 --width 8
  lcz reproduce ldl --redraw --out study               (table and figures again, nothing trained)")]
struct Ldl {
    /// A folder of training.h5, validation.h5 and testing.h5 with votes [default: a synthetic set].
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder of everything that comes out.
    #[arg(long)]
    out: PathBuf,

    /// A small network, few epochs and, without --data, few patches: minutes instead of hours.
    #[arg(long)]
    quick: bool,

    /// Seeds of each variant.
    #[arg(long)]
    seeds: Option<u64>,

    /// Passes over the training set, at most.
    #[arg(long)]
    epochs: Option<usize>,

    /// Patches of the synthetic set.
    #[arg(long, conflicts_with = "data")]
    patches: Option<usize>,

    /// Width of the network.
    #[arg(long)]
    width: Option<usize>,

    /// Only table and figures, of the predictions that the study has stored.
    #[arg(long, conflicts_with_all = ["data", "quick", "seeds", "epochs", "patches", "width"])]
    redraw: bool,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Uncertain, certain or random patches to learn from: table and learning curves of the paper on
/// uncertainty-guided representation learning.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
struct Uncertainty {
    /// A folder of training.h5, validation.h5 and testing.h5, or one file [default: a synthetic set].
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder of everything that comes out.
    #[arg(long)]
    out: PathBuf,

    /// A small network, few epochs and, without --data, few patches: minutes instead of hours.
    #[arg(long)]
    quick: bool,

    /// Any other setting, as of lcz train; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,

    /// Sizes of the subsets, in per cent.
    #[arg(long, value_delimiter = ',')]
    shares: Option<Vec<f64>>,

    /// Runs of each subset.
    #[arg(long)]
    runs: Option<u64>,

    /// Patches of the synthetic set.
    #[arg(long, conflicts_with = "data")]
    patches: Option<usize>,

    /// A run whose network gives the features (a ResNet-50, or imported weights) [default: one is trained].
    #[arg(long, value_name = "RUN")]
    extractor: Option<PathBuf>,

    /// Stratified subsets of equal counts a class instead of equal shares.
    #[arg(long)]
    equal_counts: bool,

    /// Runs at a time [default: one a core, at most 4].
    #[arg(long)]
    jobs: Option<usize>,

    /// Only what all runs need: data, extractor, distances.
    #[arg(long, conflicts_with_all = ["shard", "collect"])]
    prepare: bool,

    /// Only every n-th run, from the i-th on; the study must be prepared.
    #[arg(long, value_name = "I/N", conflicts_with = "collect")]
    shard: Option<Shard>,

    /// Only tables and figures, of runs that are all there.
    #[arg(long)]
    collect: bool,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Uncertainty {
    fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let base = if self.quick { UncertaintyStudy::quick } else { UncertaintyStudy::full };
        let mut study = base(&self.settings)?;
        study.config.data.path = self.data.unwrap_or_default();
        study.shares = self.shares.unwrap_or(study.shares);
        study.runs = self.runs.unwrap_or(study.runs);
        study.patches = self.patches.unwrap_or(study.patches);
        study.extractor = self.extractor;
        study.equal_counts = self.equal_counts;
        let part = match self.shard {
            Some(shard) => Part::Runs(shard),
            None if self.prepare => Part::Preparation,
            None if self.collect => Part::Tables,
            None => Part::All,
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.unwrap_or_else(|| cores().min(4));
        let outcome = studies::reproduce_uncertainty(&study, part, &self.out, jobs, self.device, progress)?;
        let Some(outcome) = outcome else { return Ok(()) };
        if self.json {
            return output::json(&outcome);
        }
        for test in &outcome.tests {
            output::line(format!(
                "{} ({}), {} patches\n\n{}",
                test.name, outcome.provenance, test.patches, test.table
            ))?;
        }
        output::line(format!("all of it in {}", self.out.join("README.md").display()))
    }
}

impl Reproduce {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        match self.study {
            Study::Ldl(ldl) => ldl.run(progress),
            Study::Uncertainty(uncertainty) => uncertainty.run(progress),
            Study::Landcover(landcover) => landcover.run(progress),
        }
    }
}

/// Land cover, pixel by pixel: U-Nets on two made-up cities, each tested on held-out ground and on the other city, and on
/// real ground seen on several dates.
#[derive(Debug, Args)]
#[command(after_help = "Interrupted, it goes on where it was: networks that are there are not trained again.

The real sample is slovenia_lulc.h5 of eo-learn's examples (the file, or a folder that holds it, itself or in
eolearn/); it is looked for in $LCZ_REAL_DATA, too. Without it that half of the study is left out.

Examples:
  lcz reproduce landcover --quick --out study          (some minutes on two cores)
  lcz reproduce landcover --out study --data data/eolearn    (a quarter of an hour of one idle core)")]
struct Landcover {
    /// The real sample, or its folder [default: $LCZ_REAL_DATA, else none].
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder of everything that comes out.
    #[arg(long)]
    out: PathBuf,

    /// Smaller scenes and networks, fewer epochs, one date: minutes.
    #[arg(long)]
    quick: bool,

    /// Passes over the training patches of a city, at most.
    #[arg(long)]
    epochs: Option<usize>,

    /// Lines and columns of a city's scene.
    #[arg(long, value_name = "PIXELS")]
    side: Option<usize>,

    /// Dates of the real sample that are held out in turn, from 0.
    #[arg(long, value_delimiter = ',')]
    dates: Option<Vec<usize>>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Landcover {
    fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let base = if self.quick { LandcoverStudy::quick() } else { LandcoverStudy::full() };
        let real = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
        let mut study = LandcoverStudy {
            data: self.data.or(real),
            side: self.side.unwrap_or(base.side),
            dates: self.dates.unwrap_or_else(|| base.dates.clone()),
            ..base
        };
        if let Some(epochs) = self.epochs {
            study = study.with_epochs(epochs);
        }
        let outcome = studies::reproduce_landcover(&study, &self.out, self.device, progress)?;
        if self.json {
            return output::json(&outcome);
        }
        output::line(format!("{}\n", outcome.provenance))?;
        let mut table = Table::new(["learnt from", "model", "tested on", "OA", "mean IoU", "macro F1"]);
        let mut row = |from: &str, model: &str, scores: &studies::CoverScores| {
            let three = |value: f64| format!("{value:.3}");
            table.row([
                from.to_owned(),
                model.to_owned(),
                scores.test.clone(),
                three(scores.overall_accuracy),
                three(scores.mean_iou),
                three(scores.macro_f1),
            ]);
        };
        for scores in &outcome.scores {
            scores.tests.iter().for_each(|test| row(&scores.city, &scores.model, test));
        }
        for date in &outcome.dates {
            row("Slovenia, other dates", "U-Net", &date.network);
            row("Slovenia, other dates, west", "U-Net", &date.elsewhere);
            date.baselines.iter().for_each(|(model, scores)| row("Slovenia, other dates", model, scores));
        }
        table.print()?;
        output::line(format!("\nall of it in {}", self.out.join("README.md").display()))
    }
}

impl Ldl {
    fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let base = if self.quick { LdlStudy::quick() } else { LdlStudy::full() };
        let study = LdlStudy {
            data: self.data,
            seeds: self.seeds.unwrap_or(base.seeds),
            epochs: self.epochs.unwrap_or(base.epochs),
            patches: self.patches.unwrap_or(base.patches),
            width: self.width.unwrap_or(base.width),
            ..base
        };
        let outcome = if self.redraw {
            studies::redraw_ldl(&self.out, progress)?
        } else {
            studies::reproduce_ldl(&study, &self.out, self.device, progress)?
        };
        if self.json {
            return output::json(&outcome);
        }
        output::line(format!("votes less one-hot ({}); below 0 the votes are better\n", outcome.provenance))?;
        let mut table = Table::new(["measure", "method", "difference", "95 % interval"]);
        for difference in &outcome.differences {
            let interval = difference.interval;
            table.row([
                difference.measure.to_owned(),
                difference.method.to_owned(),
                format!("{:+.4}", difference.value),
                format!("{:+.4} to {:+.4}", interval.lower, interval.upper),
            ]);
        }
        table.print()?;
        output::line(format!("\nall of it in {}", self.out.join("README.md").display()))
    }
}
