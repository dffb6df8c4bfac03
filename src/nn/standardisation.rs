//! What is done to a patch before a network sees it.

use ndarray::{Array4, Axis};
use serde::{Deserialize, Serialize};

use crate::data::Patches;
use crate::{Progress, Result};

/// Per-band standardisation, (x − mean) / deviation, stored with a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standardisation {
    /// Mean of each band over the training set.
    pub mean: Vec<f64>,
    /// Standard deviation of each band, above 0.
    pub deviation: Vec<f64>,
}

impl Standardisation {
    /// The bands of these patches as they are, brought to mean 0 and deviation 1. A constant band is
    /// only centred.
    ///
    /// # Errors
    /// Whatever reading the patches meets.
    pub fn of(patches: &Patches, progress: &mut dyn Progress) -> Result<Self> {
        let statistics = patches.band_statistics(progress)?;
        let deviation =
            statistics.standard_deviation.iter().map(|&s| if s > 0.0 { s } else { 1.0 }).collect();
        Ok(Self { mean: statistics.mean, deviation })
    }

    /// Leaves so many bands as they are: for weights trained on plain reflectance.
    pub fn identity(bands: usize) -> Self {
        Self { mean: vec![0.0; bands], deviation: vec![1.0; bands] }
    }

    /// (x − mean) / deviation, in place. Shape: (N, S, S, C).
    pub(super) fn apply(&self, images: &mut Array4<f32>) {
        let [mean, inverse]: [Vec<f32>; 2] = [
            self.mean.iter().map(|m| *m as f32).collect(),
            self.deviation.iter().map(|d| (1.0 / d) as f32).collect(),
        ];
        let row = images.dim().2;
        let Some(pixels) = images.as_slice_mut() else {
            for mut pixel in images.lanes_mut(Axis(3)) {
                let numbers = pixel.iter_mut().zip(mean.iter().zip(&inverse));
                numbers.for_each(|(x, (mean, inverse))| *x = (*x - mean) * inverse);
            }
            return;
        };
        // A row of pixels at a time: the few bands of one pixel do not fill a vector.
        let (mean, inverse) = (mean.repeat(row), inverse.repeat(row));
        for pixels in pixels.chunks_exact_mut(mean.len().max(1)) {
            for (x, (mean, inverse)) in pixels.iter_mut().zip(mean.iter().zip(&inverse)) {
                *x = (*x - mean) * inverse;
            }
        }
    }
}
