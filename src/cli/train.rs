//! `lcz train`: a network or a forest, from a data set to a run folder.

use std::path::{Path, PathBuf};

use clap::Args;
use lcz::models::{Architecture, Device};
use lcz::run::{self, Changes, Config, DataSettings, ForestConfig, Outcome};
use lcz::{Error, Progress};

use super::options::{Context, Data, Epochs, IgnoreRadiometry, Provenance, Seed, Settings, Target};
use super::output::{self, Table};

/// All settings, as help shows them.
pub const SETTINGS: &str = "Settings, with their defaults:
  training.epochs=300               (of unet: 50)
  training.batch_size=64            (of unet: 8)
  training.learning_rate=0.002
  training.optimizer=nadam          (adam, sgd)
  training.patience=20
  training.schedule={kind=\"step\", every=5, factor=0.5}
                                    (or {kind=\"constant\"},
                                    {kind=\"cosine\", epochs=50, floor=0.0};
                                    of unet: a cosine over all epochs)
  training.keep=best                (the lowest validation loss; or last)
  training.label_smoothing=0.0
  training.batch_norm_momentum=0.9
  training.augmentation=none        (flips-and-turns: --augment, usual of unet)
  training.crops=1.0                (random resized crops: the smallest share of
                                    the area that a crop keeps; 1 for none)
  training.class_weights=none       (balanced: each class counts N / (K n_k);
                                    or a list, one number per class)
  training.weight_decay=0.0         (decoupled, as in AdamW)
  training.clip_norm=0.0            (bound on the norm of the whole gradient;
                                    0 for none)
  training.seed=0
  training.checkpoint_seconds=300.0
  model.fusion=softmaxes            (of sen2lcz; or logits)
  model.depth=17  model.width=16    (of sen2lcz)
  model.width=16                    (of resnet20)
  model.dropout=0.2                 (of mlp with model.hidden=128)
  model.variant=standard            (of resnet50; or course) with
                                    model.width=64, model.head=0
  model.encoder=efficientnet-b0     (of unet; or plain) with model.width=1.0
                                    (multiplier), model.depth=4 (of plain)
  data.bands                        (all, in the file's order)
  data.without=[]                   (zones left out, by code)
  data.labels=one-hot               (--target)  data.alpha (1/K; of posterior)
  data.split=auto                   (one file: by group if there are groups;
                                    group, position)
Settings of a forest, next to data and training.seed:
  model.trees=100    model.max_features=sqrt  (all, or a number)
  model.min_leaf=1   model.max_depth          (none: full trees)
  model.bootstrap=true
  model.features=pixels             (statistics: mean, deviation per band)
";

/// Train a network or a random forest
///
/// The run folder holds its configuration, history, best weights and figures. A unet predicts a class per pixel and is
/// trained on masks (`lcz patches --masks`); the other models predict a class per patch. A single file of data is split:
/// by group (city) if it has groups, else by position. The target is one-hot labels by default.
///
/// Ctrl-C ends the training of a network after the current step and keeps a checkpoint (a second Ctrl-C
/// ends it at once); checkpoints are also written at the end of each epoch and every five minutes.
/// `--resume` continues from the last one: the weights are bit-identical to those of an uninterrupted training.
#[derive(Debug, Args)]
#[command(
    mut_arg("target", |target| target.help("Target of the training: one-hot labels, shares of the votes, or these smoothed so that no class is ruled out (posterior) [default: one-hot]")),
    after_help = format!("{SETTINGS}
Examples:
  lcz train sen2lcz --data data --run runs/first --epochs 20
  lcz train sen2lcz --data data --run runs/votes --target votes --seed 1
  lcz train sen2lcz --data data --run runs/posterior --target posterior \\
      --set data.alpha=0.1
  lcz train sen2lcz --data data --run runs/wide --batch-size 32 \\
      --set model.width=32
  lcz train sen2lcz --data data --run runs/rgb \\
      --set 'data.bands=[\"B4\", \"B3\", \"B2\"]'
  lcz train sen2lcz --data data --run runs/land --set 'data.without=[\"G\"]'
  lcz train sen2lcz --data data --run runs/five --ensemble 5 --epochs 20
  lcz train mlp --data data --run runs/mlp --epochs 20
  lcz train resnet50 --data data --run runs/course --set model.variant=course
  lcz train resnet50 --data data/eurosat --run runs/eurosat --augment \\
      --set training.crops=0.25
  lcz train forest --data data --run runs/forest --set model.trees=500
  lcz train unet --data cover --run runs/cover     # of lcz patches --masks
  lcz train unet --data cover --run runs/plain --set model.encoder=plain \\
      --set model.width=0.25
  lcz train sen2lcz --config runs/first/config.toml --run runs/again
  lcz train --resume runs/first                    # after an interruption
  lcz train --resume runs/first --epochs 40        # more epochs"))]
pub struct Train {
    #[arg(required_unless_present = "resume", conflicts_with = "resume")]
    #[arg(help = format!("Model: {} or forest", Architecture::NAMES.join(", ")))]
    model: Option<String>,

    #[command(flatten)]
    data: Data,

    /// Run folder
    #[arg(long, required_unless_present = "resume", conflicts_with = "resume")]
    run: Option<PathBuf>,

    /// Run to resume with its own settings; --epochs for more epochs, --data where the data have moved
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["config", "target", "keep", "seed", "augment", "ensemble", "batch_size", "learning_rate", "set", "provenance"]
    )]
    resume: Option<PathBuf>,

    /// TOML file of settings; options of the command line take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    #[command(flatten)]
    target: Target,

    /// Epoch whose weights are kept: best (lowest validation loss) or last [default: best]
    #[arg(long, value_name = "EPOCH")]
    keep: Option<String>,

    #[command(flatten)]
    epochs: Epochs,

    #[command(flatten)]
    seed: Seed,

    /// Flip and turn each patch at random in each epoch
    #[arg(long)]
    augment: bool,

    /// Number of networks to train with seeds s, s + 1, ...; the run is one model, which predicts their mean
    #[arg(long, value_name = "N")]
    ensemble: Option<usize>,

    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    guard: IgnoreRadiometry,

    #[command(flatten)]
    provenance: Provenance,
}

impl Train {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (json, device, progress) = (cx.json, cx.device, &mut cx.progress);
        if let Some(folder) = self.resume {
            let changes = Changes { epochs: self.epochs.epochs, data: self.data.data };
            match run::resume_ensemble(&folder, &changes, device, progress) {
                Ok(None) => {}
                outcomes => return ensemble(outcomes.map(Option::unwrap_or_default), &folder, json),
            }
            return print(run::resume(&folder, &changes, device, progress), &folder, json);
        }
        let (Some(model), Some(folder)) = (self.model, self.run) else {
            anyhow::bail!("no model or no run folder; give MODEL and --run, or --resume");
        };
        let settings = self.settings.get(&[
            ("training.keep", self.keep),
            ("training.epochs", self.epochs.epochs.map(|epochs| epochs.to_string())),
            ("training.seed", self.seed.seed.map(|seed| seed.to_string())),
            ("training.augmentation", self.augment.then(|| "flips-and-turns".to_owned())),
        ]);
        let config = self.config.as_deref();
        let choose = |data: &mut DataSettings| {
            data.path = self.data.data.unwrap_or_else(|| data.path.clone());
            data.labels = self.target.get().unwrap_or(data.labels);
            data.provenance = self.provenance.provenance.or_else(|| data.provenance.take());
            anyhow::ensure!(!data.path.as_os_str().is_empty(), "--data: no data; give a folder or a file");
            Ok(())
        };
        if model == "forest" {
            anyhow::ensure!(!self.augment, "--augment: a forest is not trained in epochs; leave it out");
            anyhow::ensure!(
                self.ensemble.is_none(),
                "--ensemble: a forest is an ensemble of trees; set model.trees instead"
            );
            let cpu = device == Device::Cpu;
            anyhow::ensure!(cpu, "--device {device}: a forest is trained on the processor; use --device cpu");
            let mut config = ForestConfig::read(config, &settings)?;
            choose(&mut config.data)?;
            self.guard.check(&config.data.path, "training.h5", None)?;
            return forest(&config, &folder, json, progress);
        }
        let mut config = Config::read(config, &model, &settings)?;
        choose(&mut config.data)?;
        self.guard.check(&config.data.path, "training.h5", None)?;
        if let Some(members) = self.ensemble {
            return ensemble(run::train_ensemble(&config, members, &folder, device, progress), &folder, json);
        }
        print(run::train(&config, &folder, device, progress), &folder, json)
    }
}

/// The error of an interrupted training, with the command that resumes it.
fn with_resume_advice(error: Error, folder: &Path) -> anyhow::Error {
    if matches!(error, Error::Interrupted { .. }) && folder.exists() {
        let advice = format!("{error}; resume with: lcz train --resume {}", folder.display());
        return anyhow::Error::from(error).context(advice);
    }
    error.into()
}

fn print(outcome: lcz::Result<Outcome>, folder: &Path, json: bool) -> anyhow::Result<()> {
    let outcome = outcome.map_err(|error| with_resume_advice(error, folder))?;
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
        Some(at) if at.was_over => {
            output::line("the training was complete: all epochs were done, or early stopping had ended it")?;
        }
        Some(at) => output::line(format!("resumed in epoch {} after batch {}", at.epoch, at.batch))?,
        None => {}
    }
    for warning in &outcome.warnings {
        output::line(format!("warning: {warning}"))?;
    }
    output::line(format!(
        "{} in {:.0} s; best epoch {}: validation loss {:.4}, accuracy {:.3}",
        if outcome.epochs == 1 { "1 epoch".to_owned() } else { format!("{} epochs", outcome.epochs) },
        outcome.seconds,
        best.epoch,
        best.validation_loss.unwrap_or(f64::NAN),
        best.validation_accuracy.unwrap_or(f64::NAN)
    ))?;
    output::line(format!("kept in {}", folder.display()))
}

fn ensemble(members: lcz::Result<Vec<Outcome>>, run: &Path, json: bool) -> anyhow::Result<()> {
    let members = members.map_err(|error| with_resume_advice(error, run))?;
    if json {
        return output::json_list("members", &members);
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
