//! Losses and accuracy that training counts over its samples.

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::labels::first_largest;

/// Rows that one thread tallies: more than most batches of patches have, few of the pixels of one.
const ROWS: usize = 4096;

/// Sums over samples: cross-entropy, and how often the majority class is the predicted one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    loss: f64,
    correct: usize,
    samples: usize,
}

impl Tally {
    /// Rows of zeros do not count.
    pub(super) fn add(&mut self, log_p: ArrayView2<'_, f32>, y: ArrayView2<'_, f64>) {
        // Part by part and these in order: the same bits at any number of threads.
        let parts = log_p.axis_chunks_iter(Axis(0), ROWS).zip(y.axis_chunks_iter(Axis(0), ROWS));
        let parts: Vec<_> = parts.collect();
        let parts: Vec<Self> = parts.into_par_iter().map(|(log_p, y)| Self::of(log_p, y)).collect();
        for part in &parts {
            self.merge(part);
        }
    }

    fn of(log_p: ArrayView2<'_, f32>, y: ArrayView2<'_, f64>) -> Self {
        let mut tally = Self::default();
        for (log_p, y) in log_p.outer_iter().zip(y.outer_iter()).filter(|(_, y)| counts(y)) {
            tally.loss -= log_p
                .iter()
                .zip(y)
                .map(|(l, y)| if *y == 0.0 { 0.0 } else { y * f64::from(*l) })
                .sum::<f64>();
            tally.correct += usize::from(first_largest(log_p) == first_largest(y));
            tally.samples += 1;
        }
        tally
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
    }

    /// 0 of no sample, as a batch may have of pixels that have a class.
    pub(super) fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }

    pub(super) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples as f64
    }
}

/// Whether a row is a sample's, not that of a pixel without a class.
pub(super) fn counts(y: &ArrayView1<'_, f64>) -> bool {
    y.iter().any(|y| *y > 0.0)
}
