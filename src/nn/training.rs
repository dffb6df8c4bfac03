//! Training: settings, the loop over epochs, and its history.
//!
//! The defaults are those of LCZ_LDL (Nadam, learning rate 0.002 halved every 5 epochs, batch 64, early
//! stopping with patience 20, best epoch kept), but for the batch-norm momentum: see
//! [`Training::batch_norm_momentum`].

use std::time::Instant;

use dfdx::prelude::*;
use ndarray::{Array2, Array4, ArrayView2};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmentation::Augmentation;
use super::inference::{array, log_probabilities, maps};
use super::layers::Pass;
use super::module::{Module, cross_entropy};
use super::ops::Backend;
use super::optimizer::{Optimizer, OptimizerState, Schedule};
use super::standardisation::Standardisation;
use super::tape::{AnyTape, backward};
use super::weights::{self, MovingAverages, Weights};
use crate::data::Patches;
use crate::labels::first_largest;
use crate::{Error, LabelDistributions, Progress, Result};

/// A batch's mean cross-entropy from which no training comes back, in nats: the labels' classes have
/// probabilities of e^−10000. Batch norm keeps the loss finite at any learning rate, so that waiting
/// for NaN may mean waiting for ever.
const DIVERGED: f64 = 1e4;

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Passes over the training set, at most.
    pub epochs: usize,
    /// Patches a step.
    pub batch_size: usize,
    /// The optimiser's rule.
    pub optimizer: Optimizer,
    /// The learning rate of the first epoch.
    pub learning_rate: f64,
    /// How it falls.
    pub schedule: Schedule,
    /// Epochs without a better validation loss before training stops; 0 never stops early.
    pub patience: usize,
    /// Share that batch norm's moving averages keep at each step. Keras's default of 0.99 needs some
    /// 500 steps to forget where it started: a shorter training tests near chance with it.
    pub batch_norm_momentum: f64,
    /// ε of label smoothing, (1 − ε) y + ε / K; 0 leaves the labels.
    pub label_smoothing: f64,
    /// What is done to each patch before it is learnt from.
    pub augmentation: Augmentation,
    /// What the first weights, the order of the patches and dropout are drawn from.
    pub seed: u64,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 300,
            batch_size: 64,
            optimizer: Optimizer::Nadam,
            learning_rate: 0.002,
            schedule: Schedule::Step { every: 5, factor: 0.5 },
            patience: 20,
            batch_norm_momentum: 0.9,
            label_smoothing: 0.0,
            augmentation: Augmentation::None,
            seed: 0,
        }
    }
}

impl Training {
    /// Checks the settings.
    ///
    /// # Errors
    /// A setting outside its range: names it.
    pub fn check(&self) -> Result<()> {
        let refuse = |name: &str, value: String, advice: &str| {
            Err(Error::input(format!("training.{name}"), value, advice.to_owned()))
        };
        if self.epochs == 0 {
            return refuse("epochs", "0".into(), "choose at least 1");
        }
        if self.batch_size == 0 {
            return refuse("batch_size", "0".into(), "choose at least 1 (64 is usual)");
        }
        if !(self.learning_rate.is_finite() && self.learning_rate > 0.0) {
            return refuse("learning_rate", self.learning_rate.to_string(), "choose a number above 0");
        }
        if !(0.0..1.0).contains(&self.batch_norm_momentum) {
            let value = self.batch_norm_momentum.to_string();
            return refuse("batch_norm_momentum", value, "choose 0 to below 1");
        }
        if !(0.0..=1.0).contains(&self.label_smoothing) {
            return refuse("label_smoothing", self.label_smoothing.to_string(), "choose 0 to 1");
        }
        self.schedule.check()
    }
}

/// Patches and their labels, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The patches.
    pub patches: &'a Patches,
    /// A distribution for each.
    pub labels: &'a LabelDistributions,
}

/// What is known of an epoch when it ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// The learning rate it ran with.
    pub learning_rate: f64,
    /// Cross-entropy over the epoch, against the smoothed labels, while the weights moved, dropout on.
    pub training_loss: f64,
    /// Share of patches whose majority class was predicted, likewise.
    pub training_accuracy: f64,
    /// Cross-entropy on the validation set after the epoch, against its labels as they are.
    pub validation_loss: Option<f64>,
    /// Share of validation patches whose majority class is predicted.
    pub validation_accuracy: Option<f64>,
    /// Seconds, validation included.
    pub seconds: f64,
}

/// All epochs of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// In order.
    pub epochs: Vec<EpochRecord>,
    /// The epoch whose weights were kept: the one with the lowest validation loss, or the last one
    /// where there is no validation set.
    pub best_epoch: usize,
}

/// Follows a training: its progress, and each epoch's end.
pub trait Observer {
    /// Where progress is reported.
    fn progress(&mut self) -> &mut dyn Progress;

    /// An epoch has ended; `best` holds the weights if they are the best so far.
    ///
    /// # Errors
    /// Any error stops the training.
    fn epoch(&mut self, record: &EpochRecord, best: Option<&Weights>) -> Result<()>;
}

/// Any [`Progress`] follows a training, and keeps nothing of it.
impl<P: Progress> Observer for P {
    fn progress(&mut self) -> &mut dyn Progress {
        self
    }

    fn epoch(&mut self, _: &EpochRecord, _: Option<&Weights>) -> Result<()> {
        Ok(())
    }
}

/// Sums over samples: cross-entropy, and how often the majority class is the predicted one.
#[derive(Default)]
struct Tally {
    loss: f64,
    correct: usize,
    samples: usize,
}

impl Tally {
    fn add(&mut self, log_p: ArrayView2<'_, f32>, y: ArrayView2<'_, f64>) {
        for (log_p, y) in log_p.outer_iter().zip(y.outer_iter()) {
            self.loss -= log_p
                .iter()
                .zip(y)
                .map(|(l, y)| if *y == 0.0 { 0.0 } else { y * f64::from(*l) })
                .sum::<f64>();
            self.correct += usize::from(first_largest(log_p) == first_largest(y));
            self.samples += 1;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
    }

    fn mean_loss(&self) -> f64 {
        self.loss / self.samples as f64
    }

    fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples as f64
    }
}

/// Trains a module; it ends with the best epoch's weights, or after an error with those it had.
pub(crate) fn fit<D: Backend<f32>, M: Module<f32, D>>(
    module: &mut M,
    device: &D,
    standardisation: &Standardisation,
    train: Labelled<'_>,
    validation: Option<Labelled<'_>>,
    training: &Training,
    observer: &mut dyn Observer,
) -> Result<History> {
    training.check()?;
    for set in [Some(train), validation].into_iter().flatten() {
        if set.patches.len() != set.labels.len() || set.patches.is_empty() {
            return Err(Error::input(
                set.patches.name(),
                format!("{} patches and {} labels", set.patches.len(), set.labels.len()),
                "give each patch a label, and at least one",
            ));
        }
    }
    let before = weights::read(module);
    let history = run(module, device, standardisation, train, validation, training, observer);
    if history.is_err() {
        weights::write(module, &before)?;
    }
    history
}

/// The weights of the epoch with the lowest validation loss so far; without validation, of the last.
struct Best {
    loss: f64,
    epoch: usize,
    weights: Weights,
}

/// The loop over epochs.
fn run<D: Backend<f32>, M: Module<f32, D>>(
    module: &mut M,
    device: &D,
    standardisation: &Standardisation,
    train: Labelled<'_>,
    validation: Option<Labelled<'_>>,
    training: &Training,
    observer: &mut dyn Observer,
) -> Result<History> {
    let targets = train.labels.smoothed(training.label_smoothing)?;
    let optimizer = OptimizerState::new(training.optimizer);
    let mut trainer = Trainer { module, device, standardisation, training, optimizer };
    let mut epochs = Vec::<EpochRecord>::new();
    let mut best: Option<Best> = None;
    for epoch in 1..=training.epochs {
        let record = trainer.epoch(epoch, train.patches, &targets, validation, observer.progress())?;
        observer.progress().end(&summary(&record, train.patches.len()));
        let loss = record.validation_loss.unwrap_or(f64::NEG_INFINITY);
        let improved = best.as_ref().is_none_or(|best| loss < best.loss || validation.is_none());
        if improved {
            let weights = weights::read(trainer.module);
            // The last step's weights have met no loss yet.
            if !weights.are_finite() {
                return Err(Error::Diverged { epoch, batch: trainer.steps(train.patches), loss: f64::NAN });
            }
            best = Some(Best { loss, epoch, weights });
        }
        observer.epoch(&record, best.as_ref().filter(|_| improved).map(|best| &best.weights))?;
        epochs.push(record);
        let since_best = best.as_ref().map_or(0, |best| epoch - best.epoch);
        if training.patience > 0 && since_best >= training.patience {
            break;
        }
    }
    let best = best.ok_or(Error::Internal { what: "training", detail: "no epoch was run".to_owned() })?;
    weights::write(trainer.module, &best.weights)?;
    Ok(History { epochs, best_epoch: best.epoch })
}

/// One line on an epoch.
fn summary(record: &EpochRecord, patches: usize) -> String {
    let EpochRecord { epoch, training_loss, training_accuracy, seconds, .. } = record;
    let validation = match (record.validation_loss, record.validation_accuracy) {
        (Some(loss), Some(accuracy)) => format!("; validation loss {loss:.4}, accuracy {accuracy:.3}"),
        _ => String::new(),
    };
    let speed = patches as f64 / seconds;
    format!(
        "epoch {epoch}: loss {training_loss:.4}, accuracy {training_accuracy:.3}{validation}; {seconds:.1} s, {speed:.0} patches/s"
    )
}

/// A training at work.
struct Trainer<'a, D: Backend<f32>, M> {
    module: &'a mut M,
    device: &'a D,
    standardisation: &'a Standardisation,
    training: &'a Training,
    optimizer: OptimizerState<D>,
}

impl<D: Backend<f32>, M: Module<f32, D>> Trainer<'_, D, M> {
    /// Steps of an epoch.
    fn steps(&self, patches: &Patches) -> usize {
        patches.len().div_ceil(self.training.batch_size)
    }

    /// One pass over the training set, and one over the validation set.
    fn epoch(
        &mut self,
        epoch: usize,
        patches: &Patches,
        targets: &LabelDistributions,
        validation: Option<Labelled<'_>>,
        progress: &mut dyn Progress,
    ) -> Result<EpochRecord> {
        let started = Instant::now();
        let learning_rate = self.training.learning_rate * self.training.schedule.factor(epoch);
        let trained = self.pass(epoch, learning_rate, patches, targets, progress)?;
        let validated = validation.map(|set| self.validate(set)).transpose()?;
        let record = EpochRecord {
            epoch,
            learning_rate,
            training_loss: trained.mean_loss(),
            training_accuracy: trained.accuracy(),
            validation_loss: validated.as_ref().map(Tally::mean_loss),
            validation_accuracy: validated.as_ref().map(Tally::accuracy),
            seconds: started.elapsed().as_secs_f64(),
        };
        match record.validation_loss {
            Some(loss) if !loss.is_finite() => {
                Err(Error::Diverged { epoch, batch: self.steps(patches), loss })
            }
            _ => Ok(record),
        }
    }

    fn validate(&self, set: Labelled<'_>) -> Result<Tally> {
        let log_p = log_probabilities(self.module, self.device, self.standardisation, set.patches)?;
        let mut tally = Tally::default();
        tally.add(log_p.view(), set.labels.view());
        Ok(tally)
    }

    /// All batches of an epoch.
    fn pass(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        patches: &Patches,
        targets: &LabelDistributions,
        progress: &mut dyn Progress,
    ) -> Result<Tally> {
        let stage = format!("epoch {epoch}/{}", self.training.epochs);
        progress.begin(&stage, patches.len() as u64);
        let mut tally = Tally::default();
        // Another order each epoch, from the seed alone.
        let order = self.training.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(epoch as u64);
        for (batch, rows) in patches.shuffled(self.training.batch_size, order).enumerate() {
            let (positions, images) = rows?;
            let y = targets.select(&positions);
            let log_p = self.step(epoch, batch, learning_rate, images, y.view());
            let mut of_batch = Tally::default();
            of_batch.add(log_p.view(), y.view());
            let loss = of_batch.mean_loss();
            if loss.is_nan() || loss >= DIVERGED {
                return Err(Error::Diverged { epoch, batch: batch + 1, loss });
            }
            tally.merge(&of_batch);
            progress.advance(positions.len() as u64, &format!("loss {:.4}", tally.mean_loss()));
        }
        Ok(tally)
    }

    /// One step; returns the batch's ln p before it.
    fn step(
        &mut self,
        epoch: usize,
        batch: usize,
        learning_rate: f64,
        mut images: Array4<f32>,
        y: ArrayView2<'_, f64>,
    ) -> Array2<f32> {
        // Each step draws from a stream of its own, so that training can start again anywhere.
        let mut random = ChaCha8Rng::seed_from_u64(self.training.seed);
        random.set_stream(((epoch as u64) << 32) | (batch as u64 + 1));
        self.training.augmentation.apply(&mut images, &mut random);
        let mut pass = Pass::training(random);
        let x = maps(self.device, self.standardisation, images, AnyTape::recording());
        let log_p = self.module.log_probabilities(x, &mut pass);
        let before = array(&log_p);
        let y: Vec<f32> = y.iter().map(|y| *y as f32).collect();
        let y = self.device.tensor_from_vec(y, *log_p.shape());
        let loss = cross_entropy(log_p, y);
        let mut gradients = backward(loss);
        self.module.visit(&mut self.optimizer.step(learning_rate, &mut gradients));
        let momentum = self.training.batch_norm_momentum;
        self.module.visit(&mut MovingAverages { statistics: pass.into_statistics(), momentum });
        before
    }
}
