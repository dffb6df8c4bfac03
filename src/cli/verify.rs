//! `lcz verify`: whether a figure shows what its run gives.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::models::Device;
use lcz::studies;

use super::output;

/// Check a figure: its files against one another, and its numbers against those computed again.
#[derive(Debug, Args)]
#[command(after_help = "Fails if anything disagrees. Nothing is written.

Examples:
  lcz verify runs/first/figures/testing-confusion-matrix.svg
  lcz verify paper/figure-3.png --run runs/first        (the run has moved)
  lcz verify figures/ldl/confusion.svg --run study      (of lcz reproduce; from its predictions)
  lcz verify figures/voting-entropy.svg --data so2sat_vote_patterns.csv")]
pub struct Verify {
    /// The figure's .svg, .png or .csv; the other two lie next to it.
    figure: PathBuf,

    /// The folder of its run or study [default: where the figure says it is].
    #[arg(long)]
    run: Option<PathBuf>,

    /// The file that it was computed from [default: where the figure says it is].
    #[arg(long)]
    data: Option<PathBuf>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let verification =
            studies::verify(&self.figure, self.run.as_deref(), self.data.as_deref(), self.device, progress)?;
        if self.json {
            output::json(&verification)?;
        } else {
            for check in &verification.checks {
                let word = if check.agrees { "agrees" } else { "DIFFERS" };
                output::line(format!("{word:<8} {}", check.finding))?;
            }
        }
        let figure = self.figure.display();
        anyhow::ensure!(verification.agrees(), "{figure}: not what its run or study gives; draw it again");
        Ok(())
    }
}
