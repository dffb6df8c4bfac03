//! `lcz active`: which patches to ask experts about, by active learning.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::models::Device;
use lcz::studies;
use lcz::studies::ActiveStudy;
use lcz::uncertainty::Acquisition;

use super::output::{self, Table};

/// Learn from few labels, ask for more, learn again: accuracy against labels for each way of asking, beside
/// asking by lot.
///
/// The labels of the training set are hidden until they are asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Ways of asking: random, entropy (of the prediction), margin (between the first two classes), bald
(disagreement of dropout's passes), core-set (cover the features), distance (from the geometric
median of the class a patch is taken for). Interrupted, it goes on where it was; more seeds or ways
of asking are added to what is there. The number of rounds stays: it decides how often the patches of
every round are gone through.

Examples:
  lcz active --quick --out study
  lcz active --data data --out study --acquisition bald,margin --start 200 --rounds 8 --budget 100
  lcz active --data data --out study --acquisition entropy --seeds 5 --set model.width=8"
)]
pub struct Active {
    /// A folder of training.h5, validation.h5 and testing.h5, or one file [default: a synthetic set].
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder of everything that comes out.
    #[arg(long)]
    out: PathBuf,

    /// A small network, few epochs and labels and, without --data, few patches: minutes.
    #[arg(long)]
    quick: bool,

    /// Ways of asking, beside random [default: all].
    #[arg(long, value_delimiter = ',')]
    acquisition: Option<Vec<Acquisition>>,

    /// Labelled patches in the beginning [default: 100, with --quick 60].
    #[arg(long)]
    start: Option<usize>,

    /// Rounds of asking [default: 10, with --quick 6].
    #[arg(long)]
    rounds: Option<usize>,

    /// Patches that each round asks for [default: 100, with --quick 60].
    #[arg(long)]
    budget: Option<usize>,

    /// Seeds: other first patches, weights and orders [default: 3, with --quick 2].
    #[arg(long)]
    seeds: Option<u64>,

    /// Passes of dropout for bald.
    #[arg(long)]
    passes: Option<usize>,

    /// Any other setting, as of lcz train; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,

    /// Patches of the synthetic set.
    #[arg(long, conflicts_with = "data")]
    patches: Option<usize>,

    /// Curves at a time [default: one a core, at most 4].
    #[arg(long)]
    jobs: Option<usize>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Active {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let base = if self.quick { ActiveStudy::quick } else { ActiveStudy::full };
        let mut study = base(&self.settings)?;
        study.config.data.path = self.data.unwrap_or_default();
        study.patches = self.patches.unwrap_or(study.patches);
        study.acquisitions = self.acquisition.unwrap_or(study.acquisitions);
        study.start = self.start.unwrap_or(study.start);
        study.budget = self.budget.unwrap_or(study.budget);
        study.rounds = self.rounds.unwrap_or(study.rounds);
        study.seeds = self.seeds.unwrap_or(study.seeds);
        study.passes = self.passes.unwrap_or(study.passes);
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.unwrap_or_else(|| cores().min(4));
        let outcome = studies::active(&study, &self.out, jobs, self.device, progress)?;
        if self.json {
            return output::json(&outcome);
        }
        output::line(format!(
            "overall accuracy after asking, less that by lot ({}, {} test patches)\n",
            outcome.provenance, outcome.test_patches
        ))?;
        let mut table = Table::new(["asking by", "gain", "95 % interval"]);
        for curve in &outcome.curves {
            if let (Some(gain), Some(interval)) = (curve.gain, curve.gain_interval) {
                table.row([
                    curve.acquisition.title().to_owned(),
                    format!("{gain:+.4}"),
                    format!("{:+.4} to {:+.4}", interval.lower, interval.upper),
                ]);
            }
        }
        table.print()?;
        output::line(format!("\nall of it in {}", self.out.join("README.md").display()))
    }
}
