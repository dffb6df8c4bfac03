//! `lcz reproduce`: a paper's study, from data to table and figures.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lcz::Progress;
use lcz::experiment::{self, LdlStudy};
use lcz::models::Device;

use super::output::{self, Table};

/// Reproduce a paper's study.
#[derive(Debug, Args)]
#[command(after_help = "Interrupted, it goes on where it was: runs that are there are not trained again.

Examples:
  lcz reproduce ldl --quick --out study
  lcz reproduce ldl --data data --out study")]
pub struct Reproduce {
    #[command(subcommand)]
    study: Study,
}

#[derive(Debug, Subcommand)]
enum Study {
    Ldl(Ldl),
}

/// One-hot labels against the experts' votes, with and without smoothing: table and figures of the label
/// distribution paper.
#[derive(Debug, Args)]
struct Ldl {
    /// A folder of training.h5, validation.h5 and testing.h5 with votes [default: a synthetic set].
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder of everything that comes out.
    #[arg(long, default_value = "figures/ldl")]
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

    /// Where it runs: cpu, or cuda:0 in a build for CUDA.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Reproduce {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        match self.study {
            Study::Ldl(ldl) => ldl.run(progress),
        }
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
        let outcome = experiment::reproduce_ldl(&study, &self.out, self.device, progress)?;
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
