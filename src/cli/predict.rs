//! `lcz predict`: class probabilities of every patch or pixel of a file.

use clap::Args;
use lcz::display::fixed;
use lcz::run::{self, Prediction};
use lcz::uncertainty::MeanEntropy;

use super::options::{Context, MonteCarloDropout, Output, Provenance, RunAndData, Seed, Unscaled};
use super::output;

/// Predict class probabilities of patches or pixels
///
/// Uses the run's temperature if `lcz temp-scale` has fitted one. --mc-dropout ignores it, because it was fitted to single
/// passes without dropout. Labels, votes, masks and groups are copied if the file of patches has them.
#[derive(Debug, Args)]
#[command(
    mut_arg("data", |data| data.required(true).help("File of patches; labels are not needed")),
    mut_arg("out", |out| out.value_name("FILE").help("File of the predictions: .h5, .npz or .csv")),
    mut_arg("seed", |seed| seed.requires("mc_dropout")),
    after_help = "The ending of the output sets its format: .h5, .npz (the same arrays), or .csv
(label, group and probabilities). The output holds `probabilities` [N, K], or
[N, S, S, K] from a model of pixels, and the attributes `classes`,
`temperature`, `temperature_procedure`, `temperature_data` and
`temperature_patches`. An ensemble, or --mc-dropout, predicts the mean of its
members, and adds the entropy of the mean (`entropy_total`), the mean entropy of
the members (`entropy_aleatoric`) and their difference (`entropy_epistemic`), in
nats per patch or pixel, at T = 1.

Examples:
  lcz predict runs/first --data data/testing.h5 --out predictions.h5
  lcz predict runs/first --data data/testing.h5 --out unscaled.h5 --unscaled
  lcz predict runs/first --data data/testing.h5 --out mean.h5 --mc-dropout 20
  lcz predict runs/imported --data unlabelled.h5 --out predictions.csv"
)]
pub struct Predict {
    #[command(flatten)]
    on: RunAndData,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    unscaled: Unscaled,

    #[command(flatten)]
    dropout: MonteCarloDropout,

    #[command(flatten)]
    seed: Seed,

    #[command(flatten)]
    provenance: Provenance,
}

impl Predict {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let ((run, data), out) = (self.on.open("testing.h5")?, self.out.out);
        let run = run.with_provenance(self.provenance.provenance);
        let how = Prediction {
            unscaled: self.unscaled.unscaled,
            passes: self.dropout.mc_dropout,
            seed: self.seed.get(),
            device: cx.device,
        };
        let report = run::predict(&run, &data, &out, how, &mut cx.progress)?;
        if cx.json {
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
            out.display(),
            report.patches,
            report.mean_confidence
        ))?;
        match report.entropy {
            Some(MeanEntropy { total, aleatoric, epistemic }) => output::line(format!(
                "mean of {} members; mean entropy {} nats: {} aleatoric, {} epistemic",
                report.members,
                fixed(total, 3),
                fixed(aleatoric, 3),
                fixed(epistemic, 3)
            )),
            None => Ok(()),
        }
    }
}
