//! `lcz temp-scale`: recalibrate a run by one number, the temperature.

use clap::Args;
use lcz::calibration::Bound;
use lcz::run;
use lcz::run::Procedure;

use super::options::{Context, IgnoreRadiometry, RunAndData, Target};
use super::output;

/// Fit the temperature of a run
///
/// Fits it to validation data: validation.h5 of a folder, or the validation part of the one file that the run was
/// trained on. The temperature is stored in the run folder; `lcz evaluate` then shows the scores before and after.
///
/// The loss is against the votes if the data have votes, else against the target of the training.
#[derive(Debug, Args)]
#[command(after_help = "The data must not be those that the network was trained on: it would stay
overconfident. An ensemble gets one temperature for the mean of its members,
whose logits are ln p; so does a random forest, whose probabilities are raised
to 0.001 first.

Examples:
  lcz temp-scale runs/first                  # on the data of its config.toml
  lcz temp-scale runs/five --data data       # of lcz train --ensemble 5
  lcz temp-scale runs/first --data data/validation.h5 --procedure ldl-paper")]
pub struct TempScale {
    #[command(flatten)]
    on: RunAndData,

    #[command(flatten)]
    target: Target,

    /// Exact minimum, or the label distribution paper's 10,000 steps of Adam
    #[arg(long, default_value = "exact", value_parser = ["exact", "ldl-paper"])]
    procedure: String,

    /// Keep the temperature even if it is at a bound of the search
    #[arg(long)]
    force: bool,

    #[command(flatten)]
    guard: IgnoreRadiometry,
}

impl TempScale {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, data) = self.on.open()?;
        self.guard.check(&data, "validation.h5", Some(&run))?;
        let exact = self.procedure == "exact";
        let procedure = if exact { Procedure::Exact } else { Procedure::LdlPaper };
        let fit = run::temp_scale(
            &run,
            &data,
            self.target.get(),
            procedure,
            self.force,
            cx.device,
            &mut cx.progress,
        )?;
        if cx.json {
            return output::json(&fit);
        }
        let kept =
            if fit.bound.is_none() || self.force { "kept in" } else { "not kept (--force keeps it) in" };
        output::line(format!(
            "T = {}: cross-entropy {:.4} before, {:.4} after; {kept} {}",
            fit.temperature,
            fit.loss_before,
            fit.loss_after,
            run.folder().display()
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
