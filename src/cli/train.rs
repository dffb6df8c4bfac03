//! `lcz train`: a network or a forest, from a data set to a run folder.

use std::path::{Path, PathBuf};

use clap::Args;
use lcz::models::{Architecture, Device};
use lcz::run;
use lcz::run::{Changes, Config, ForestConfig, Outcome};
use lcz::{Error, Progress};

use super::output::{self, Table};

/// Train a network or a random forest; the run folder holds its configuration, history, best weights and
/// figures.
///
/// A unet gives each pixel a class and is trained on masks (`lcz patches --masks`); the other models give each patch one.
///
/// Ctrl-C ends the training of a network after the current step and keeps a checkpoint (a second Ctrl-C
/// ends it at once); checkpoints are also written at the end of each epoch and every five minutes.
/// `--resume` resumes from the last one: the weights are bit-identical to those of an uninterrupted training.
#[derive(Debug, Args)]
#[command(after_help = "Settings, with their defaults:
  training.epochs=300               training.optimizer=nadam        (adam, sgd)
  training.batch_size=64            training.learning_rate=0.002
  training.patience=20              training.schedule={kind=\"step\", every=5, factor=0.5}
                                    (or {kind=\"constant\"}, {kind=\"cosine\", epochs=50, floor=0.0})
  training.keep=best                (the lowest validation loss; or last)
  training.label_smoothing=0.0      training.batch_norm_momentum=0.9
  training.augmentation=none        (flips-and-turns: --augment)
  training.crops=1.0                (random resized crops: the smallest share of a patch's area that one keeps; 1 for none)
  training.class_weights=none       (balanced: each class counts N / (K n_k); or a list, one number a class)
  training.weight_decay=0.0         (decoupled, as in AdamW)
  training.clip_norm=0.0            (bound on the norm of the whole gradient; 0 for none)
  training.seed=0                   training.checkpoint_seconds=300.0
  model.fusion=softmaxes            (logits)
  model.depth=17  model.width=16    model.dropout=0.2  (of mlp: model.hidden=128, model.dropout)
  model.variant=standard            (of resnet50; or course) with model.width=64, model.head=0
  model.encoder=efficientnet-b0     (of unet; or plain) with model.width=1.0, a multiplier of all channels, and
                                    model.depth=4, halvings of the plain encoder
Defaults of unet: training.epochs=50, batch_size=8, augmentation=flips-and-turns, schedule a cosine over all epochs.
  data.bands (all, in the file's order)  data.without=[]
  data.split=auto                   (one file: by group if there are groups; group, position)
Settings of a forest, next to data and training.seed:
  model.trees=100    model.max_features=sqrt  (all, or a number)
  model.min_leaf=1   model.max_depth          (none: full trees)
  model.bootstrap=true  model.features=pixels (statistics: mean and deviation of each band)

Examples:
  lcz train sen2lcz --data data --run runs/first --epochs 20
  lcz train sen2lcz --data data --run runs/votes --labels votes --seed 1
  lcz train sen2lcz --data data --run runs/posterior --labels posterior --set data.alpha=0.1
  lcz train sen2lcz --data data --run runs/wide --set model.width=32 --set training.batch_size=32
  lcz train sen2lcz --data data --run runs/rgb --set 'data.bands=[\"B4\", \"B3\", \"B2\"]'
  lcz train sen2lcz --data data --run runs/land --set 'data.without=[\"G\"]'
  lcz train sen2lcz --data data --run runs/five --ensemble 5 --epochs 20
  lcz train mlp --data data --run runs/mlp --epochs 20
  lcz train resnet50 --data data --run runs/resnet50 --set model.variant=course
  lcz train resnet50 --data data/eurosat --run runs/eurosat --augment --set training.crops=0.25
  lcz train forest --data data --run runs/forest --set model.trees=500
  lcz train unet --data cover --run runs/cover       (a folder of lcz patches --masks)
  lcz train unet --data cover --run runs/plain --set model.encoder=plain --set model.width=0.25
  lcz train sen2lcz --config runs/first/config.toml --run runs/again
  lcz train --resume runs/first                      (after Ctrl-C, or a power cut)
  lcz train --resume runs/first --epochs 40          (more epochs than the run had)")]
pub struct Train {
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    #[arg(help = format!("The model: {} or forest", Architecture::NAMES.join(", ")))]
    model: Option<String>,

    /// A folder of training.h5, validation.h5, testing.h5, or one file, which is split: by group
    /// (city) where it has groups, else by position.
    #[arg(long)]
    data: Option<PathBuf>,

    /// The folder to make for this run.
    #[arg(long, required_unless_present = "resume", conflicts_with = "resume")]
    run: Option<PathBuf>,

    /// The run of a network or an ensemble to resume, with its own settings; --epochs for more epochs,
    /// --data where the same data are now.
    #[arg(long, value_name = "RUN", conflicts_with_all = ["config", "labels", "seed", "augment", "ensemble", "set"])]
    resume: Option<PathBuf>,

    /// A TOML file of settings; what the command line says overrules it.
    #[arg(long)]
    config: Option<PathBuf>,

    /// Labels to train on: one-hot, votes (shares), or posterior (the mean of Dirichlet(α + votes), which rules no
    /// class out; data.alpha, 1/K if not set) [default: one-hot].
    #[arg(long)]
    labels: Option<String>,

    /// Which epoch's weights are kept: best, of the lowest validation loss, or last [default: best].
    #[arg(long, conflicts_with = "resume")]
    keep: Option<String>,

    /// Passes over the training set, at most [default: 300; unet: 50].
    #[arg(long)]
    epochs: Option<usize>,

    /// Random seed of weights, order and dropout, or of trees [default: 0].
    #[arg(long)]
    seed: Option<u64>,

    /// Turn and mirror each patch at random in each epoch.
    #[arg(long)]
    augment: bool,

    /// Train N networks with the seeds s, s + 1, …; the run is then one model, whose prediction is
    /// their mean.
    #[arg(long, value_name = "MEMBERS")]
    ensemble: Option<usize>,

    /// Another setting, as often as needed.
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Train {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        if let Some(folder) = self.resume {
            let changes = Changes { epochs: self.epochs, data: self.data };
            match run::resume_ensemble(&folder, &changes, self.device, progress) {
                Ok(None) => {}
                outcomes => return ensemble(outcomes.map(Option::unwrap_or_default), &folder, self.json),
            }
            let outcome = run::resume(&folder, &changes, self.device, progress);
            return print(outcome, &folder, self.json);
        }
        let (Some(model), Some(folder)) = (self.model, self.run) else {
            anyhow::bail!("no model and no run; name both, or give --resume");
        };
        let mut settings = self.set;
        settings.extend(self.labels.map(|labels| format!("data.labels={labels}")));
        settings.extend(self.keep.map(|keep| format!("training.keep={keep}")));
        settings.extend(self.epochs.map(|epochs| format!("training.epochs={epochs}")));
        settings.extend(self.seed.map(|seed| format!("training.seed={seed}")));
        if self.augment {
            anyhow::ensure!(model != "forest", "--augment: a forest is not trained in epochs; leave it out");
            settings.push("training.augmentation=flips-and-turns".to_owned());
        }
        if model == "forest" {
            anyhow::ensure!(self.ensemble.is_none(), "--ensemble: a forest is one; set model.trees instead");
            let device = self.device;
            anyhow::ensure!(
                device == Device::Cpu,
                "--device {device}: a forest grows on the processor; say cpu"
            );
            let mut config = ForestConfig::read(self.config.as_deref(), &settings)?;
            config.data.path = given_or(self.data, config.data.path)?;
            return forest(&config, &folder, self.json, progress);
        }
        let mut config = Config::read(self.config.as_deref(), &model, &settings)?;
        config.data.path = given_or(self.data, config.data.path)?;
        if let Some(members) = self.ensemble {
            let outcomes = run::train_ensemble(&config, members, &folder, self.device, progress);
            return ensemble(outcomes, &folder, self.json);
        }
        let outcome = run::train(&config, &folder, self.device, progress);
        print(outcome, &folder, self.json)
    }
}

/// An interrupted training that has a run says how to resume it.
fn how_to_go_on(error: Error, folder: &Path) -> anyhow::Error {
    if matches!(error, Error::Interrupted { .. }) && folder.exists() {
        let advice = format!("{error}; resume with: lcz train --resume {}", folder.display());
        return anyhow::Error::from(error).context(advice);
    }
    error.into()
}

fn print(outcome: lcz::Result<Outcome>, folder: &Path, json: bool) -> anyhow::Result<()> {
    let outcome = outcome.map_err(|error| how_to_go_on(error, folder))?;
    if json {
        return output::json(&outcome);
    }
    let Outcome { best, resumed, .. } = &outcome;
    output::line(format!(
        "{}: {} parameters, {} training and {} validation patches ({}), split {}",
        outcome.model,
        outcome.parameters,
        outcome.training_patches,
        outcome.validation_patches,
        outcome.provenance,
        outcome.split
    ))?;
    match resumed {
        Some(at) if at.was_over => output::line(
            "nothing was left to do: all epochs were done, or too many in a row without a better one",
        )?,
        Some(at) => output::line(format!("resumed in epoch {} after batch {}", at.epoch, at.batch))?,
        None => {}
    }
    for warning in &outcome.warnings {
        output::line(format!("warning: {warning}"))?;
    }
    output::line(format!(
        "best of {} epochs in {:.0} s: epoch {}, validation loss {:.4}, accuracy {:.3}",
        outcome.epochs,
        outcome.seconds,
        best.epoch,
        best.validation_loss.unwrap_or(f64::NAN),
        best.validation_accuracy.unwrap_or(f64::NAN)
    ))?;
    output::line(format!("kept in {}", folder.display()))
}

/// The data of the command line, else of the configuration.
fn given_or(given: Option<PathBuf>, configured: PathBuf) -> anyhow::Result<PathBuf> {
    let path = given.unwrap_or(configured);
    anyhow::ensure!(!path.as_os_str().is_empty(), "--data: no data; give a folder or a file");
    Ok(path)
}

fn ensemble(members: lcz::Result<Vec<Outcome>>, run: &Path, json: bool) -> anyhow::Result<()> {
    let members = members.map_err(|error| how_to_go_on(error, run))?;
    if json {
        return output::json(&members);
    }
    let mut table = Table::new(["member", "epochs", "best", "validation loss", "accuracy"]);
    for (number, outcome) in members.iter().enumerate() {
        let best = &outcome.best;
        let [loss, accuracy] =
            [best.validation_loss, best.validation_accuracy].map(|x| x.unwrap_or(f64::NAN));
        table.row([
            number.to_string(),
            outcome.epochs.to_string(),
            best.epoch.to_string(),
            format!("{loss:.4}"),
            format!("{accuracy:.3}"),
        ]);
    }
    table.print()?;
    output::line(format!("kept in {}", run.display()))
}

fn forest(config: &ForestConfig, run: &Path, json: bool, progress: &mut dyn Progress) -> anyhow::Result<()> {
    let outcome = run::train_forest(config, run, progress)?;
    if json {
        return output::json(&outcome);
    }
    output::line(format!(
        "forest: {} trees of {} nodes in all, {} training patches ({})",
        outcome.trees, outcome.nodes, outcome.training_patches, outcome.provenance
    ))?;
    if let Some(out_of_bag) = outcome.out_of_bag {
        let score = out_of_bag.score;
        output::line(format!("out-of-bag accuracy {score:.3} on {} patches", out_of_bag.patches))?;
    }
    let mut table = Table::new(["band", "importance"]);
    for row in &outcome.importance {
        table.row([row.band.clone(), format!("{:.3}", row.importance)]);
    }
    table.print()?;
    output::line(format!("kept in {}", run.display()))
}
