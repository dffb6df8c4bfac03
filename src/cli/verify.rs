//! `lcz verify`: compare a figure with its run.

use std::path::PathBuf;

use clap::Args;
use lcz::studies;

use super::options::{Context, Data};
use super::output;

/// Check a figure against its run and its data
///
/// Compares the three files with each other, and the numbers with those computed again from the run and the data that
/// the figure names, or from --run and --data if they have moved. Fails if anything differs. Writes nothing.
#[derive(Debug, Args)]
#[command(
    mut_arg("data", |data| data.help("Data of the figure [default: where the figure says]")),
    after_help = "Examples:
  lcz verify runs/first/figures/testing-confusion-matrix.svg
  lcz verify paper/figure-3.png --run runs/first
  lcz verify figures/ldl/confusion.svg --run study     # of lcz reproduce
  lcz verify figures/voting-entropy.svg --data so2sat_vote_patterns.csv"
)]
pub struct Verify {
    /// The figure's .svg, .png or .csv; the other two lie next to it
    figure: PathBuf,

    /// Run folder [default: around the figure, else where the figure says]
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
        anyhow::ensure!(verification.agrees(), "{figure}: it differs from its run or study; draw it again");
        Ok(())
    }
}
