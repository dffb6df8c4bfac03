//! Mean and standard deviation of each band, in one pass over patches that need not fit in memory.

use ndarray::{ArrayView, Dimension};
use serde::Serialize;

use super::Patches;
use crate::{Error, Progress, Result};

/// Patches read at a time.
const BATCH: usize = 256;

/// Statistics for the standardisation of a network's input and the check of reflectance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BandStatistics {
    /// Mean of each band over all pixels. Shape: C.
    pub mean: Vec<f64>,
    /// Standard deviation of each band over all pixels (divisor: the number of pixels). Shape: C.
    pub standard_deviation: Vec<f64>,
}

impl Patches {
    /// Mean and standard deviation of each band over every pixel, in f64: the moments of each batch
    /// are taken about its own mean and merged (Chan, Golub & LeVeque 1983), so that nothing cancels.
    ///
    /// # Errors
    /// A file that cannot be read, a pixel that is NaN or infinite.
    pub fn band_statistics(&self, progress: &mut dyn Progress) -> Result<BandStatistics> {
        progress.begin("band statistics", self.len() as u64);
        let mut total = Moments::none(self.imagery().bands.len());
        for batch in self.batches(BATCH) {
            let (range, images) = batch?;
            total.merge(&Moments::of(images.view()));
            progress.advance(range.len() as u64, "");
            if progress.interrupted() {
                return Err(Error::Interrupted { place: "before the first epoch".to_owned() });
            }
        }
        progress.end("");
        let standard_deviation = total.standard_deviation();
        Ok(BandStatistics { mean: total.mean, standard_deviation })
    }
}

/// Number of pixels, and for each band the mean and the sum of squared distances from it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Moments {
    pixels: f64,
    pub(crate) mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    pub(crate) fn none(bands: usize) -> Self {
        Self { pixels: 0.0, mean: vec![0.0; bands], squares: vec![0.0; bands] }
    }

    /// Of pixels whose bands lie along the last axis.
    pub(crate) fn of<D: Dimension>(images: ArrayView<'_, f32, D>) -> Self {
        let bands = images.shape().last().copied().unwrap_or(0);
        let pixels = (images.len() / bands) as f64;
        let mut moments = Self { pixels, ..Self::none(bands) };
        for pixel in images.rows() {
            for (sum, &value) in moments.mean.iter_mut().zip(pixel) {
                *sum += f64::from(value);
            }
        }
        for sum in &mut moments.mean {
            *sum /= pixels;
        }
        for pixel in images.rows() {
            for ((square, &mean), &value) in moments.squares.iter_mut().zip(&moments.mean).zip(pixel) {
                *square += (f64::from(value) - mean).powi(2);
            }
        }
        moments
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        let pixels = self.pixels + other.pixels;
        for c in 0..self.mean.len() {
            let apart = other.mean[c] - self.mean[c];
            self.mean[c] += apart * other.pixels / pixels;
            self.squares[c] += other.squares[c] + apart.powi(2) * self.pixels * other.pixels / pixels;
        }
        self.pixels = pixels;
    }

    /// Divisor: the number of pixels.
    pub(crate) fn standard_deviation(&self) -> Vec<f64> {
        self.squares.iter().map(|square| (square / self.pixels).sqrt()).collect()
    }
}
