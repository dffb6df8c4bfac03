//! `lcz train`: a network, from a data set to a run folder.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::experiment::{self, Config};
use lcz::models::Device;

use super::output;

/// Train a network; the run folder holds its configuration, history, best weights and figures.
#[derive(Debug, Args)]
#[command(after_help = "Settings, with their defaults:
  training.epochs=300               training.optimizer=nadam        (adam, sgd)
  training.batch_size=64            training.learning_rate=0.002
  training.patience=20              training.schedule={kind=\"step\", every=5, factor=0.5}
  training.label_smoothing=0.0      training.batch_norm_momentum=0.9
  training.augmentation=none        (flips-and-turns)
  training.seed=0                   model.fusion=softmaxes          (logits)
  model.depth=17  model.width=16    model.dropout=0.2
  data.bands (all, in the file's order)  data.without=[]

Examples:
  lcz train sen2lcz --data data --run runs/first --epochs 20
  lcz train sen2lcz --data data --run runs/votes --labels votes --seed 1
  lcz train sen2lcz --data data --run runs/wide --set model.width=32 --set training.batch_size=32
  lcz train sen2lcz --data data --run runs/rgb --set 'data.bands=[\"B4\", \"B3\", \"B2\"]'
  lcz train sen2lcz --data data --run runs/land --set 'data.without=[\"G\"]'
  lcz train sen2lcz --config runs/first/config.toml --run runs/again")]
pub struct Train {
    /// The network: sen2lcz.
    model: String,

    /// A folder of training.h5, validation.h5, testing.h5, or one file, which is split.
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder to make for this run.
    #[arg(long)]
    run: PathBuf,

    /// A TOML file of settings; what the command line says overrules it.
    #[arg(long)]
    config: Option<PathBuf>,

    /// What is learnt: one-hot or votes [default: one-hot].
    #[arg(long)]
    labels: Option<String>,

    /// Passes over the training set, at most [default: 300].
    #[arg(long)]
    epochs: Option<usize>,

    /// What weights, order and dropout are drawn from [default: 0].
    #[arg(long)]
    seed: Option<u64>,

    /// Another setting, as often as needed.
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let mut settings = self.set;
        settings.extend(self.labels.map(|labels| format!("data.labels={labels}")));
        settings.extend(self.epochs.map(|epochs| format!("training.epochs={epochs}")));
        settings.extend(self.seed.map(|seed| format!("training.seed={seed}")));
        let mut config = Config::read(self.config.as_deref(), &self.model, &settings)?;
        if let Some(data) = self.data {
            config.data.path = data;
        }
        anyhow::ensure!(!config.data.path.as_os_str().is_empty(), "--data: no data; give a folder or a file");
        let outcome = experiment::train(&config, &self.run, self.device, progress)?;
        if self.json {
            return output::json(&outcome);
        }
        let best = &outcome.best;
        output::line(format!(
            "{}: {} parameters, {} training and {} validation patches ({})",
            self.model,
            outcome.parameters,
            outcome.training_patches,
            outcome.validation_patches,
            outcome.provenance
        ))?;
        output::line(format!(
            "best of {} epochs in {:.0} s: epoch {}, validation loss {:.4}, accuracy {:.3}",
            outcome.epochs,
            outcome.seconds,
            best.epoch,
            best.validation_loss.unwrap_or(f64::NAN),
            best.validation_accuracy.unwrap_or(f64::NAN)
        ))?;
        output::line(format!("kept in {}", self.run.display()))
    }
}
