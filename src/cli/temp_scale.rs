//! `lcz temp-scale`: recalibrate a run by one number, the temperature.

use clap::Args;
use lcz::run::{self, Procedure, Scaling};
use lcz::scorecard::BINS;

use super::options::{Context, RunAndData, Target};
use super::output;

/// From fewer patches, a temperature is off by more than a fifth.
const CERTAIN: usize = 100;

/// Fit the temperature of a run
///
/// Fits it to validation data: validation.h5 of a folder, or the validation part of the one file that the run was
/// trained on. The temperature is kept in the run folder; `lcz evaluate` then shows the scores before and after. One that
/// is from fewer than 30 patches or at a bound of its search is not kept, and the exit code is 1.
///
/// Minimises the cross-entropy against the votes if the data have votes, else against the target of the training.
#[derive(Debug, Args)]
#[command(
    mut_arg("target", |target| target.help("Target of the fit: one-hot labels, shares of the votes, or these smoothed so that no class is ruled out (posterior) [default: votes where there are any, else that of the training]")),
    after_help = "Use data that the model was not trained on, or it stays overconfident. The
logits of an ensemble are ln p of the mean of its members; those of a random
forest are ln p, too, with probabilities below 0.001 raised to 0.001.

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

    /// Keep the temperature even if it is from fewer than 30 patches or at a bound of the search
    #[arg(long)]
    force: bool,
}

impl TempScale {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, data) = self.on.open("validation.h5")?;
        let exact = self.procedure == "exact";
        let procedure = if exact { Procedure::Exact } else { Procedure::LdlPaper };
        let scaling = run::temp_scale(
            &run,
            &data,
            self.target.get(),
            procedure,
            self.force,
            cx.device,
            &mut cx.progress,
        )?;
        let folder = run.folder().display();
        if cx.json {
            output::json(&scaling)?;
        } else if scaling.kept {
            let fit = &scaling.fit;
            output::line(format!(
                "T = {}: cross-entropy {:.4} before, {:.4} after; kept in {folder}",
                fit.temperature, fit.loss_before, fit.loss_after
            ))?;
            let (before, after) = (scaling.ece_before, scaling.ece_after);
            output::line(format!(
                "ECE of the {} patches {before:.4} before, {after:.4} after, in {BINS} bins",
                scaling.patches
            ))?;
        }
        match &scaling.doubt {
            Some(doubt) if scaling.kept => tracing::warn!("{doubt}; kept, as --force says"),
            Some(doubt) => {
                let active =
                    scaling.active.map_or_else(String::new, |t| format!("; T = {t:.4} of before stays"));
                anyhow::bail!("{doubt}; not kept in {folder} (--force keeps it){active}")
            }
            None => {
                if scaling.patches < CERTAIN {
                    tracing::warn!(
                        "a temperature fitted to {} patches is uncertain; use {CERTAIN} or more",
                        scaling.patches
                    );
                }
                warn_of_rises(&scaling);
            }
        }
        Ok(())
    }
}

/// Names the measures that a temperature makes worse on the very data that it was fitted to.
fn warn_of_rises(Scaling { fit, ece_before, ece_after, .. }: &Scaling) {
    let rises = [("cross-entropy", fit.loss_before, fit.loss_after), ("ECE", *ece_before, *ece_after)];
    for (measure, before, after) in rises.into_iter().filter(|(_, before, after)| after > before) {
        tracing::warn!(
            "T = {} raises the {measure} of the validation data from {before:.4} to {after:.4}; compare before and after with lcz evaluate",
            fit.temperature
        );
    }
}
