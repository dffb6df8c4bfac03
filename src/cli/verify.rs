//! `lcz verify`: whether a figure shows what its run gives.

use std::path::PathBuf;

use clap::Args;
use lcz::studies;

use super::options::{Context, Data};
use super::output;

/// Check a figure against its run and its data
///
/// Its files against one another, and its numbers against those computed again from the run and the data that it names,
/// or --run and --data where they have moved. Fails if anything differs. Nothing is written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz verify runs/first/figures/testing-confusion-matrix.svg
  lcz verify paper/figure-3.png --run runs/first
  lcz verify figures/ldl/confusion.svg --run study     # of lcz reproduce
  lcz verify figures/voting-entropy.svg --data so2sat_vote_patterns.csv")]
pub struct Verify {
    /// The figure's .svg, .png or .csv; the other two lie next to it
    figure: PathBuf,

    /// Run folder
    #[arg(long)]
    run: Option<PathBuf>,

    #[command(flatten)]
    data: Data,
}

impl Verify {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, data) = (self.run.as_deref(), self.data.data.as_deref());
        let verification = studies::verify(&self.figure, run, data, cx.device, &mut cx.progress)?;
        if cx.json {
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
