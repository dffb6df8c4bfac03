//! What follows a training as it runs.

use super::{EpochRecord, TrainingState};
use crate::nn::Weights;
use crate::progress::{Lines, Silent};
use crate::{Progress, Result};

/// Follows a training: its progress, and each epoch's end. Without methods of its own it keeps nothing.
///
/// ```
/// use lcz::{EpochRecord, Observer, Progress, Result, Weights};
/// struct Losses(Vec<f64>);
/// impl Progress for Losses {}
/// impl Observer for Losses {
///     fn epoch(&mut self, record: &EpochRecord, _: Option<&Weights>) -> Result<()> {
///         self.0.push(record.training_loss);
///         Ok(())
///     }
/// }
/// ```
pub trait Observer: Progress {
    /// An epoch has ended; `best` holds the weights if they are the best so far.
    ///
    /// # Errors
    /// Any error stops the training.
    fn epoch(&mut self, _record: &EpochRecord, _best: Option<&Weights>) -> Result<()> {
        Ok(())
    }

    /// Whether the training's state is wanted now, after a step or at the end of an epoch (after
    /// [`epoch`](Self::epoch)).
    fn wants_checkpoint(&mut self, _epoch_ended: bool) -> bool {
        false
    }

    /// The training's state: as wanted, and where [`Progress::interrupted`] ends it.
    ///
    /// # Errors
    /// Any error stops the training.
    fn checkpoint(&mut self, _state: &TrainingState) -> Result<()> {
        Ok(())
    }
}

impl Observer for Silent {}
impl Observer for Lines {}
impl Observer for dyn Progress + '_ {}

impl<O: Observer + ?Sized> Observer for &mut O {
    fn epoch(&mut self, record: &EpochRecord, best: Option<&Weights>) -> Result<()> {
        (**self).epoch(record, best)
    }

    fn wants_checkpoint(&mut self, epoch_ended: bool) -> bool {
        (**self).wants_checkpoint(epoch_ended)
    }

    fn checkpoint(&mut self, state: &TrainingState) -> Result<()> {
        (**self).checkpoint(state)
    }
}
