//! Standardisation of a network's input, band by band.

use ndarray::ArrayView4;
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
    /// Patches that cannot be read, or a pixel that is NaN or infinite.
    pub fn fit(patches: &Patches, progress: &mut dyn Progress) -> Result<Self> {
        let statistics = patches.band_statistics(progress)?;
        let deviation =
            statistics.standard_deviation.iter().map(|&s| if s > 0.0 { s } else { 1.0 }).collect();
        Ok(Self { mean: statistics.mean, deviation })
    }

    /// Leaves this number of bands as they are: for weights trained on plain reflectance.
    pub fn identity(bands: usize) -> Self {
        Self { mean: vec![0.0; bands], deviation: vec![1.0; bands] }
    }

    /// (x − mean) / deviation, image by image, row by row. Shape: (N, S, S, C).
    pub(super) fn applied(&self, images: ArrayView4<'_, f32>) -> Vec<f32> {
        let [mean, inverse]: [Vec<f32>; 2] = [
            self.mean.iter().map(|m| *m as f32).collect(),
            self.deviation.iter().map(|d| (1.0 / d) as f32).collect(),
        ];
        // A row of pixels at a time: the few bands of one pixel do not fill a vector.
        let row = images.dim().2;
        let (mean, inverse) = (mean.repeat(row), inverse.repeat(row));
        let images = images.as_standard_layout();
        let pixels = images.as_slice().unwrap_or_default();
        let mut standardised = Vec::with_capacity(pixels.len());
        for pixels in pixels.chunks_exact(mean.len().max(1)) {
            let numbers = pixels.iter().zip(mean.iter().zip(&inverse));
            standardised.extend(numbers.map(|(x, (mean, inverse))| (x - mean) * inverse));
        }
        standardised
    }
}
