//! `lcz temp-scale`: one number that makes a network as sure as it is right.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use lcz::Progress;
use lcz::calibration::Bound;
use lcz::models::Device;
use lcz::run;
use lcz::run::{LabelKind, Run};

use super::output;

/// Fit the temperature of a run to validation data; it is kept in the run's folder, and `lcz evaluate`
/// then shows the scores before and after.
#[derive(Debug, Args)]
#[command(
    after_help = "The data must not be those that the network was trained on: it would stay overconfident. Of the one file
that a run was trained on, its validation part is taken.
An ensemble gets one temperature for the mean of its members, whose logits are ln p.

Examples:
  lcz temp-scale runs/first --data data                  (its validation.h5)
  lcz temp-scale runs/five --data data                   (of lcz train --ensemble 5)
  lcz temp-scale runs/first --data data/validation.h5 --procedure ldl-paper"
)]
pub struct TempScale {
    /// The run's folder.
    run: PathBuf,

    /// A labelled HDF5 file, or a folder with a validation.h5.
    #[arg(long)]
    data: PathBuf,

    /// Labels of the loss [default: votes where there are votes, else those of training].
    #[arg(long)]
    labels: Option<Labels>,

    /// The exact minimum, or the label distribution paper's 10,000 steps of Adam.
    #[arg(long, default_value = "exact")]
    procedure: Procedure,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Labels {
    OneHot,
    Votes,
    Posterior,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Procedure {
    Exact,
    LdlPaper,
}

impl TempScale {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let labels = self.labels.map(|labels| match labels {
            Labels::OneHot => LabelKind::OneHot,
            Labels::Votes => LabelKind::Votes,
            Labels::Posterior => LabelKind::Posterior,
        });
        let procedure = match self.procedure {
            Procedure::Exact => run::Procedure::Exact,
            Procedure::LdlPaper => run::Procedure::LdlPaper,
        };
        let fit = run::temp_scale(&run, &self.data, labels, procedure, self.device, progress)?;
        if self.json {
            return output::json(&fit);
        }
        output::line(format!(
            "T = {:.4}: cross-entropy {:.4} before, {:.4} after; kept in {}",
            fit.temperature.value(),
            fit.loss_before,
            fit.loss_after,
            self.run.display()
        ))?;
        match fit.bound {
            Some(Bound::Coldest) => {
                output::line("the search ended at its coldest: every prediction is right")
            }
            Some(Bound::Hottest) => {
                output::line("the search ended at its hottest: a uniform prediction would be as good")
            }
            None => Ok(()),
        }
    }
}
