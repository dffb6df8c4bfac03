//! `lcz predict`: class probabilities for every patch of a file.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::data::predictions::{self, Details};
use lcz::data::so2sat::So2Sat;
use lcz::models::Device;
use lcz::predictions::StoredTemperature;
use lcz::run::Run;
use lcz::uncertainty::{EntropyParts, MeanEntropy, Members};
use serde::Serialize;

use super::output;

/// Predict class probabilities, at the run's temperature if `lcz temp-scale` has fitted one; labels, votes
/// and groups are copied where the file has them.
#[derive(Debug, Args)]
#[command(
    after_help = "The output holds `probabilities` [N, K] and the attribute `classes`; the temperature and how it was fitted
are attributes too (`temperature`, `temperature_procedure`, `temperature_data`, `temperature_patches`).
Of an ensemble, or with --mc-dropout, they are the members' mean, and `entropy_total`,
`entropy_aleatoric` and `entropy_epistemic` [N] (nats) say how unsure each member is and how far they
disagree: of the members as they are, whatever the temperature of their mean.

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

    /// Leave the run's temperature aside.
    #[arg(long)]
    unscaled: bool,

    /// Ask a network so many times, each with another draw of its dropout, and take the mean; 20 are usual.
    /// The run's temperature is left aside: it was fitted to single passes without dropout.
    #[arg(long, value_name = "PASSES")]
    mc_dropout: Option<usize>,

    /// What the passes with dropout are drawn from.
    #[arg(long, default_value_t = 0, requires = "mc_dropout")]
    seed: u64,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    patches: usize,
    classes: Vec<String>,
    /// How often each class was predicted.
    predicted: Vec<usize>,
    mean_confidence: f64,
    /// Networks of an ensemble or passes with dropout; else 1.
    members: usize,
    /// Where there are several members, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    entropy: Option<MeanEntropy>,
    /// The temperature, and how it was fitted; none if the model's own probabilities were kept.
    temperature: Option<StoredTemperature>,
}

impl Predict {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        predictions::check_free(&self.out)?;
        let model = match self.mc_dropout {
            Some(passes) => run.mc_dropout(passes, self.seed, self.device)?,
            None => run.classifier(self.device)?,
        };
        let patches = So2Sat::open(&self.data)?.bands(&model.imagery().bands).patches()?;
        progress.begin("predict", patches.len() as u64);
        let stored = run.temperature()?;
        let by = stored.as_ref().filter(|_| !self.unscaled && self.mc_dropout.is_none());
        let members = Members::new(model.members(&patches)?)?;
        progress.end("");
        let p = match by {
            Some(by) => &by.scale(members.mean())?,
            None => members.mean(),
        };
        let entropy = (members.all().len() > 1).then(|| members.entropy());
        let numbers = entropy.as_ref().map(|entropy| {
            [
                ("entropy_total", entropy.total.as_slice()),
                ("entropy_aleatoric", &entropy.aleatoric),
                ("entropy_epistemic", &entropy.epistemic),
            ]
        });
        let numbers = numbers.as_ref().map_or(&[][..], |numbers| numbers.as_slice());
        predictions::write_with(&self.out, p, Details { numbers, temperature: by }, &patches)?;
        let report = Report {
            patches: p.len(),
            classes: p.classes().codes().to_vec(),
            predicted: p.predicted().counts(),
            mean_confidence: p.mean_confidence(),
            members: members.all().len(),
            entropy: entropy.as_ref().map(EntropyParts::mean),
            temperature: by.cloned(),
        };
        if self.json {
            return output::json(&report);
        }
        if !predictions::labels_fit(p, &patches) {
            output::line("labels and votes are not copied: the file's classes are not the model's")?;
        }
        let scaling = match (&stored, by) {
            (Some(by), Some(_)) => {
                format!(", at the run's {by}; --unscaled leaves it aside")
            }
            (Some(by), None) => format!(", the run's T = {:.4} left aside", by.temperature),
            (None, _) => String::new(),
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
