//! `lcz predict`: class probabilities of every patch or pixel of a file.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::models::Device;
use lcz::run;
use lcz::run::{Prediction, Run};
use lcz::uncertainty::MeanEntropy;

use super::output;

/// Predict class probabilities, at the run's temperature if `lcz temp-scale` has fitted one; labels, votes, masks
/// and groups are copied where the file has them.
#[derive(Debug, Args)]
#[command(
    after_help = "The output holds `probabilities` [N, K], or [N, S, S, K] of a model that gives each pixel a class, and the
attribute `classes`; the temperature and how it was fitted
are attributes too (`temperature`, `temperature_procedure`, `temperature_data`, `temperature_patches`).
Of an ensemble, or with --mc-dropout, they are the members' mean, and `entropy_total`,
`entropy_aleatoric` and `entropy_epistemic` (nats, per patch or pixel) are the entropy of the mean, the mean entropy of
the members and their difference: of the members without temperature.

Examples:
  lcz predict runs/first --data data/testing.h5 --out predictions.h5
  lcz predict runs/first --data data/testing.h5 --out unscaled.h5 --unscaled
  lcz predict runs/first --data data/testing.h5 --out sampled.h5 --mc-dropout 20
  lcz predict runs/imported --data unlabelled.h5 --out predictions.h5"
)]
pub struct Predict {
    /// The run's folder.
    run: PathBuf,

    /// An HDF5 file of patches; it needs no labels.
    #[arg(long)]
    data: PathBuf,

    /// The HDF5 file to write.
    #[arg(long)]
    out: PathBuf,

    /// Ignore the run's temperature.
    #[arg(long)]
    unscaled: bool,

    /// Passes of Monte Carlo dropout; their mean is taken (20 are usual).
    /// The run's temperature is ignored: it was fitted to single passes without dropout.
    #[arg(long, value_name = "PASSES")]
    mc_dropout: Option<usize>,

    /// Random seed of the passes with dropout.
    #[arg(long, default_value_t = 0, requires = "mc_dropout")]
    seed: u64,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Predict {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let how = Prediction {
            unscaled: self.unscaled,
            passes: self.mc_dropout,
            seed: self.seed,
            device: self.device,
        };
        let report = run::predict(&run, &self.data, &self.out, how, progress)?;
        if self.json {
            return output::json(&report);
        }
        if report.other_classes {
            output::line("labels, votes and masks are not copied: the file's classes are not the model's")?;
        }
        let scaling = match (&report.temperature, &report.ignored) {
            (Some(by), _) => format!(", at the run's {by}; --unscaled ignores it"),
            (None, Some(by)) => format!(", the run's T = {:.4} ignored", by.temperature),
            (None, None) => String::new(),
        };
        output::line(format!(
            "{}: {} patches, mean confidence {:.3}{scaling}",
            self.out.display(),
            report.patches,
            report.mean_confidence
        ))?;
        match report.entropy {
            Some(MeanEntropy { total, aleatoric, epistemic }) => output::line(format!(
                "mean of {} members; mean entropy {total:.3} nats: {aleatoric:.3} aleatoric, {epistemic:.3} epistemic",
                report.members
            )),
            None => Ok(()),
        }
    }
}
