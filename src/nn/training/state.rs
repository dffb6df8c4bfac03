//! A training between two steps: all that is needed to resume it bit for bit.

use serde::{Deserialize, Serialize};

use super::tally::Tally;
use super::{EpochRecord, Training};
use crate::nn::Weights;

/// A training between two steps. The order of the patches, their augmentation and dropout are drawn
/// again each step from the seed, the epoch and the batch: no random number generator has to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingState {
    pub(crate) position: Position,
    /// The network's tensors, moving averages included.
    pub(crate) weights: Weights,
    /// The optimiser's first and second moments; none before the first step.
    pub(crate) moments: [Weights; 2],
    /// The weights to end with if no better epoch follows.
    pub(crate) best: Option<Weights>,
}

/// The progress of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The epochs behind it.
    pub(crate) epochs: Vec<EpochRecord>,
    /// The best of them.
    pub(crate) best_epoch: Option<usize>,
    /// Steps done in the current epoch.
    pub(crate) batch: usize,
    /// Their losses and accuracy.
    pub(super) tally: Tally,
    /// Seconds spent in this epoch.
    pub(super) seconds: f64,
    /// Those of them spent waiting for patches.
    pub(super) waiting: f64,
    /// Steps of the optimiser over all epochs.
    pub(super) steps: u64,
    /// The product of Nadam's μ over these steps.
    pub(super) warmed: f64,
}

impl TrainingState {
    /// Before the first step.
    pub fn start(weights: Weights) -> Self {
        let position = Position {
            epochs: Vec::new(),
            best_epoch: None,
            batch: 0,
            tally: Tally::default(),
            seconds: 0.0,
            waiting: 0.0,
            steps: 0,
            warmed: 1.0,
        };
        Self { position, weights, moments: [Weights::default(), Weights::default()], best: None }
    }

    /// The current epoch, counted from 1, and the steps done in it.
    pub fn position(&self) -> (usize, usize) {
        (self.position.epoch(), self.position.batch)
    }

    /// The epochs that are done.
    pub fn epochs(&self) -> &[EpochRecord] {
        &self.position.epochs
    }

    /// Whether nothing is left to do: all epochs are done, or too many without a better one.
    pub fn is_over(&self, training: &Training) -> bool {
        self.position.is_over(training)
    }
}

impl Position {
    /// The current epoch, counted from 1.
    pub(super) fn epoch(&self) -> usize {
        self.epochs.len() + 1
    }

    /// Whether an epoch of this validation loss is the best so far; without one each is better than the
    /// last.
    pub(super) fn is_best(&self, validation_loss: Option<f64>) -> bool {
        let best = self.best_epoch.and_then(|best| self.epochs.get(best - 1));
        match (validation_loss, best.and_then(|best| best.validation_loss)) {
            (Some(loss), Some(best)) => loss < best,
            _ => true,
        }
    }

    pub(super) fn is_over(&self, training: &Training) -> bool {
        let since_best = self.best_epoch.map_or(0, |best| self.epochs.len() - best);
        self.epochs.len() >= training.epochs || (training.patience > 0 && since_best >= training.patience)
    }

    /// An epoch has ended; the next begins.
    pub(super) fn end_epoch(&mut self, record: EpochRecord) {
        self.epochs.push(record);
        self.batch = 0;
        self.tally = Tally::default();
        (self.seconds, self.waiting) = (0.0, 0.0);
    }
}
