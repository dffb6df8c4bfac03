//! Training: settings, the loop over epochs, and its history.
//!
//! The defaults are those of LCZ_LDL (Nadam, learning rate 0.002 halved every 5 epochs, batch 64, early
//! stopping with patience 20, best epoch kept), but for the batch-norm momentum: see
//! [`Training::batch_norm_momentum`].
//!
//! A training may stop between any two steps and be resumed from its [`TrainingState`]: its weights are bit-identical to
//! those of an uninterrupted training.

mod class_weights;
mod observer;
mod settings;
mod state;
mod tally;
mod targets;

use std::time::Instant;

use ndarray::{Array2, Array4};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::augmentation::Views;
use super::inference::{Inference, array, maps};
use super::layers::Pass;
use super::module::{Module, cross_entropy};
use super::ops::{Backend, Maps, Matrix};
use super::optimizer::{OptimizerState, gradient_norm};
use super::out_of_memory::within_memory;
use super::standardisation::Standardisation;
use super::tape::{AnyTape, backward};
use super::weights::{self, MovingAverages, Weights};
use crate::data::{Masks, Patches};
use crate::{Error, LabelDistributions, Result};

pub use class_weights::ClassWeights;
pub use observer::Observer;
pub use settings::{Keep, Training};
pub(crate) use state::Position;
pub use state::TrainingState;
use tally::{Tally, counts};
pub use targets::{Examples, IntoExamples};

/// A batch's mean cross-entropy from which no training recovers, in nats: the labels' classes have
/// probabilities of e^−10000. Batch norm keeps the loss finite at any learning rate, so that waiting
/// for NaN may take for ever.
const DIVERGED: f64 = 1e4;

/// Patches and their labels, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Labelled<'a> {
    /// The patches.
    pub patches: &'a Patches,
    /// A distribution for each.
    pub labels: &'a LabelDistributions,
}

/// Patches and the classes of their pixels, patch by patch.
#[derive(Debug, Clone, Copy)]
pub struct Masked<'a> {
    /// The patches.
    pub patches: &'a Patches,
    /// A mask for each.
    pub masks: &'a Masks,
}

/// Training set, validation set and settings of a training.
#[derive(Debug, Clone)]
pub struct Fit<'a> {
    /// The training set.
    pub train: Examples<'a>,
    /// The validation set, by which the best epoch is chosen.
    pub validation: Option<Examples<'a>>,
    /// The settings.
    pub training: &'a Training,
}

/// The record of an epoch. In segmentation its samples are the pixels that have a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// The learning rate it ran with.
    pub learning_rate: f64,
    /// Cross-entropy over the epoch, against the smoothed labels, while the weights moved, dropout on; all
    /// classes count equally in it.
    pub training_loss: f64,
    /// Share of samples whose majority class was predicted, likewise.
    pub training_accuracy: f64,
    /// Cross-entropy on the validation set after the epoch, against its labels as they are.
    pub validation_loss: Option<f64>,
    /// Share of validation samples whose majority class is predicted.
    pub validation_accuracy: Option<f64>,
    /// Seconds, validation included.
    pub seconds: f64,
    /// Seconds of them in which the processor waited for patches to be read; a GPU may have been at work meanwhile.
    pub waiting: f64,
}

/// All epochs of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// In order.
    pub epochs: Vec<EpochRecord>,
    /// The epoch whose weights were kept: the one with the lowest validation loss, or the last one
    /// where there is no validation set or with [`Keep::Last`].
    pub best_epoch: usize,
}

/// Trains a module from a state on; it ends with the best epoch's weights, or after an error with those
/// it had.
pub(crate) fn fit<D: Backend<f32>, M: Module<f32, D>>(
    module: &mut M,
    device: &D,
    standardisation: &Standardisation,
    of: Fit<'_>,
    start: TrainingState,
    observer: &mut dyn Observer,
) -> Result<History> {
    let training = of.training;
    training.check()?;
    let TrainingState { position, weights: first, moments, best } = start;
    let before = weights::read(module);
    weights::write(module, &first)?;
    // Batches that have been passed on are not held while the network trains.
    drop(first);
    let done = (position.steps, position.warmed);
    let optimizer = OptimizerState::restored(training.optimizer, device, done, &moments, &before);
    drop(moments);
    let history = optimizer.and_then(|optimizer| {
        let class_weights = training.class_weights.of(&of.train)?;
        let trainer =
            Trainer { module, device, standardisation, training, class_weights, optimizer, position, best };
        within_memory(training.batch_size, || trainer.run(&of, observer))
    });
    if history.is_err() {
        weights::write(module, &before)?;
    }
    history
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
    /// A factor for each class, if they do not count equally.
    class_weights: Option<Vec<f64>>,
    optimizer: OptimizerState<D>,
    position: Position,
    /// The weights to end with, so far: see [`Keep`].
    best: Option<Weights>,
}

impl<D: Backend<f32>, M: Module<f32, D>> Trainer<'_, D, M> {
    /// The loop over epochs.
    fn run(mut self, of: &Fit<'_>, observer: &mut dyn Observer) -> Result<History> {
        while !self.position.is_over(self.training) {
            let record = self.epoch(of, observer)?;
            let left = self.time_left(&record);
            observer.end(&format!("{}{left}", summary(&record, of.train.patches.len())));
            tracing::info!(
                "epoch {}: {:.1} % of the time waiting for patches",
                record.epoch,
                100.0 * record.waiting / record.seconds
            );
            let improved = self.position.is_best(record.validation_loss);
            let kept = improved || self.training.keep == Keep::Last;
            if kept {
                // One copy at a time: a large network's are its training's peak of memory.
                self.best = None;
                let weights = weights::read(self.module);
                // The last step's weights have met no loss yet.
                if !weights.are_finite() {
                    let (epoch, batch) = (record.epoch, self.position.batch);
                    return Err(Error::Diverged { epoch, batch, loss: f64::NAN });
                }
                self.best = Some(weights);
            }
            if improved {
                self.position.best_epoch = Some(record.epoch);
            }
            observer.epoch(&record, self.best.as_ref().filter(|_| kept))?;
            self.position.end_epoch(record);
            if observer.wants_checkpoint(true) {
                observer.checkpoint(&self.state(Instant::now()))?;
            }
        }
        let (Some(best), Some(best_epoch)) = (&self.best, self.position.best_epoch) else {
            return Err(Error::Internal { what: "training", detail: "no epoch was run".to_owned() });
        };
        weights::write(self.module, best)?;
        let epochs = self.position.epochs;
        let best_epoch = if self.training.keep == Keep::Last { epochs.len() } else { best_epoch };
        Ok(History { epochs, best_epoch })
    }

    /// The remaining time, if each epoch takes as long as those so far, as text.
    fn time_left(&self, record: &EpochRecord) -> String {
        let epochs = &self.position.epochs;
        let left = self.training.epochs.saturating_sub(record.epoch);
        let spent: f64 = epochs.iter().map(|epoch| epoch.seconds).sum::<f64>() + record.seconds;
        let seconds = (spent / (epochs.len() + 1) as f64 * left as f64).ceil();
        let most = if self.training.patience > 0 { "at most " } else { "" };
        match seconds {
            s if s < 3.0 => String::new(),
            s if s < 120.0 => format!(", {most}{s:.0} s left"),
            s if s < 7200.0 => format!(", {most}{:.0} min left", s / 60.0),
            s => format!(", {most}{:.1} h left", s / 3600.0),
        }
    }

    /// The state to resume from here; `since` is when this epoch began or was resumed.
    fn state(&self, since: Instant) -> TrainingState {
        let (steps, warmed) = self.optimizer.steps();
        let seconds = self.position.seconds + since.elapsed().as_secs_f64();
        TrainingState {
            position: Position { seconds, steps, warmed, ..self.position.clone() },
            weights: weights::read(self.module),
            moments: self.optimizer.moments(),
            best: self.best.clone(),
        }
    }

    /// The rest of an epoch: batches, then the validation set.
    fn epoch(&mut self, of: &Fit<'_>, observer: &mut dyn Observer) -> Result<EpochRecord> {
        let since = Instant::now();
        let epoch = self.position.epoch();
        let learning_rate = self.training.learning_rate * self.training.schedule.factor(epoch);
        self.pass(epoch, learning_rate, &of.train, since, observer)?;
        let validated = of.validation.as_ref().map(|set| self.validate(set, since, observer)).transpose()?;
        let trained = &self.position.tally;
        let record = EpochRecord {
            epoch,
            learning_rate,
            training_loss: trained.mean_loss(),
            training_accuracy: trained.accuracy(),
            validation_loss: validated.as_ref().map(Tally::mean_loss),
            validation_accuracy: validated.as_ref().map(Tally::accuracy),
            seconds: self.position.seconds + since.elapsed().as_secs_f64(),
            waiting: self.position.waiting,
        };
        match record.validation_loss {
            Some(loss) if !loss.is_finite() => {
                Err(Error::Diverged { epoch, batch: self.position.batch, loss })
            }
            _ => Ok(record),
        }
    }

    fn validate(&self, set: &Examples<'_>, since: Instant, observer: &mut dyn Observer) -> Result<Tally> {
        let (mut tally, as_they_are) = (Tally::default(), Views::default());
        let inference = Inference {
            module: &*self.module,
            device: self.device,
            standardisation: self.standardisation,
            patches: set.patches,
        };
        let go_on = || self.stop_if_interrupted(since, observer);
        inference.each_log_probabilities(
            |log_p| log_p,
            go_on,
            |part, log_p| {
                let y = set.rows(&part.collect::<Vec<_>>(), &as_they_are, 0.0);
                tally.add(log_p.view(), y.view());
                Ok(())
            },
        )?;
        Ok(tally)
    }

    /// The batches of an epoch that are left.
    fn pass(
        &mut self,
        epoch: usize,
        learning_rate: f64,
        train: &Examples<'_>,
        since: Instant,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let stage = format!("epoch {epoch}/{}", self.training.epochs);
        observer.begin(&stage, train.patches.len() as u64);
        let done = (self.position.batch * self.training.batch_size).min(train.patches.len());
        observer.advance(done as u64, "");
        // Another order each epoch, from the seed alone.
        let order = self.training.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(epoch as u64);
        let mut batches = train.patches.shuffled_from(self.training.batch_size, order, self.position.batch);
        let mut next_staged = |trainer: &mut Self, batch: usize| {
            let asked = Instant::now();
            let rows = batches.next().transpose()?;
            trainer.position.waiting += asked.elapsed().as_secs_f64();
            Ok(rows.map(|(positions, images)| trainer.stage([epoch, batch], train, &positions, images)))
        };
        let mut staged = next_staged(self, self.position.batch)?;
        while let Some(batch) = staged {
            let patches = batch.patches;
            let (log_p, y) = self.step(learning_rate, batch);
            // A GPU is still at work on this one.
            let following: Result<_> = next_staged(self, self.position.batch + 1);
            let mut of_batch = Tally::default();
            // Reading what the network made of the batch waits for the step.
            of_batch.add(array(&log_p).view(), y.view());
            self.position.batch += 1;
            let loss = of_batch.mean_loss();
            if loss.is_nan() || loss >= DIVERGED {
                return Err(Error::Diverged { epoch, batch: self.position.batch, loss });
            }
            self.position.tally.merge(&of_batch);
            let note = format!("loss {:.4}", self.position.tally.mean_loss());
            observer.advance(patches as u64, &note);
            self.stop_if_interrupted(since, observer)?;
            if observer.wants_checkpoint(false) {
                observer.checkpoint(&self.state(since))?;
            }
            staged = following?;
        }
        Ok(())
    }

    /// If the training is interrupted, passes its state to the observer and returns an error.
    fn stop_if_interrupted(&self, since: Instant, observer: &mut dyn Observer) -> Result<()> {
        if !observer.interrupted() {
            return Ok(());
        }
        observer.checkpoint(&self.state(since))?;
        let (epoch, batch) = (self.position.epoch(), self.position.batch);
        Err(Error::Interrupted { place: format!("in epoch {epoch} after batch {batch}") })
    }

    /// Moves a batch to the network's device.
    fn stage(
        &self,
        [epoch, batch]: [usize; 2],
        train: &Examples<'_>,
        positions: &[usize],
        mut images: Array4<f32>,
    ) -> Staged<D> {
        // Each step draws from a stream of its own, so that training can be resumed at any step.
        let mut random = ChaCha8Rng::seed_from_u64(self.training.seed);
        random.set_stream(((epoch as u64) << 32) | (batch as u64 + 1));
        let Training { augmentation, crops, label_smoothing, .. } = *self.training;
        let size = (positions.len(), train.patches.imagery().patch_size);
        let views = Views::draw(augmentation, crops, size, &mut random);
        views.apply(&mut images);
        let y = train.rows(positions, &views, label_smoothing);
        let weighted: Vec<f32> = match &self.class_weights {
            None => y.iter().map(|y| *y as f32).collect(),
            Some(weights) => y
                .rows()
                .into_iter()
                .flat_map(|y| y.into_iter().zip(weights))
                .map(|(y, w)| (y * w) as f32)
                .collect(),
        };
        Staged {
            patches: positions.len(),
            x: maps(self.device, self.standardisation, images.view(), AnyTape::recording_from_data()),
            weighted: self.device.tensor_from_vec(weighted, y.dim()),
            y,
            random,
        }
    }

    /// One step; returns what the network made of the batch before it, still where the network is, and the targets.
    fn step(&mut self, learning_rate: f64, batch: Staged<D>) -> (Matrix<f32, D>, Array2<f64>) {
        let Staged { x, y, weighted, random, .. } = batch;
        let mut pass = Pass::training(random);
        let log_p = self.module.log_probabilities(x, &mut pass);
        let made = log_p.retaped();
        let samples = y.outer_iter().filter(counts).count();
        let loss = cross_entropy(log_p, weighted, samples);
        let mut gradients = backward(loss);
        let Training { clip_norm, weight_decay, .. } = *self.training;
        let norm = if clip_norm > 0.0 { gradient_norm(self.module, &mut gradients) } else { 0.0 };
        let shrink = if norm > clip_norm { clip_norm / norm } else { 1.0 };
        let kept = 1.0 - learning_rate * weight_decay;
        self.module.visit(&mut self.optimizer.step(learning_rate, [kept, shrink], &mut gradients));
        let momentum = self.training.batch_norm_momentum;
        self.module.visit(&mut MovingAverages { statistics: pass.into_statistics(), momentum });
        (made, y)
    }
}

/// A batch on the network's device.
struct Staged<D: Backend<f32>> {
    patches: usize,
    x: Maps<f32, D>,
    /// The targets, one row per sample, and the same with the classes' weights.
    y: Array2<f64>,
    weighted: Matrix<f32, D>,
    /// Draws the dropout.
    random: ChaCha8Rng,
}
