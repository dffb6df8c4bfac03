//! Spectral signatures: how each class reflects in each band; and normalised differences of two bands.

use ndarray::{Axis, s};

use super::{Moments, Patches};
use crate::{Bands, Classes, Error, Progress, Result};

/// Patches read at a time.
const BATCH: usize = 256;

/// Mean and standard deviation of each band over all pixels of each class.
///
/// The deviation is that of single pixels (divisor: their number), not of the mean: it describes how far
/// the pixels of a class lie apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Signatures {
    classes: Classes,
    bands: Bands,
    unit: String,
    patches: Vec<usize>,
    moments: Vec<Moments>,
}

impl Signatures {
    /// Reads every pixel of the patches.
    ///
    /// # Errors
    /// No labels, a file that cannot be read, a pixel that is NaN or infinite.
    ///
    /// ```
    /// use lcz::data::{Patches, Signatures};
    /// use lcz::{Bands, Classes, Imagery, Labels};
    /// let imagery = Imagery { patch_size: 1, bands: Bands::named(["B4", "B8"])?, ..Imagery::so2sat() };
    /// let classes = Classes::named(["wood", "sand"])?;
    /// let pixels = ndarray::Array4::from_shape_vec((3, 1, 1, 2), vec![0.03, 0.3, 0.05, 0.5, 0.2, 0.3]).unwrap();
    /// let patches = Patches::in_memory(imagery, classes.clone(), pixels)?
    ///     .with_labels(&Labels::new(classes, vec![0, 0, 1])?)?;
    /// let signatures = Signatures::compute(&patches, &mut lcz::progress::Silent)?;
    /// assert!((signatures.mean(0).unwrap()[1] - 0.4).abs() < 1e-7);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(patches: &Patches, progress: &mut dyn Progress) -> Result<Self> {
        let labels = patches.labels()?;
        let (k, c) = (labels.classes().len(), patches.imagery().bands.len());
        let mut moments = vec![Moments::none(c); k];
        progress.begin("spectral signatures", patches.len() as u64);
        for batch in patches.batches(BATCH) {
            let (range, images) = batch?;
            for (image, &class) in images.outer_iter().zip(&labels.indices()[range.clone()]) {
                moments[class].merge(&Moments::of(image));
            }
            progress.advance(range.len() as u64, "");
        }
        progress.end("");
        Ok(Self {
            classes: labels.classes().clone(),
            bands: patches.imagery().bands.clone(),
            unit: patches.imagery().unit.clone(),
            patches: labels.counts(),
            moments,
        })
    }

    /// The classes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The bands.
    pub fn bands(&self) -> &Bands {
        &self.bands
    }

    /// What the numbers are: `reflectance`.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// How many patches class `k` has.
    pub fn patches(&self, k: usize) -> usize {
        self.patches[k]
    }

    /// Mean of each band over the pixels of class `k`; none where it has no patch.
    pub fn mean(&self, k: usize) -> Option<Vec<f64>> {
        (self.patches[k] > 0).then(|| self.moments[k].mean.clone())
    }

    /// Standard deviation of each band over the pixels of class `k`; none where it has no patch.
    pub fn standard_deviation(&self, k: usize) -> Option<Vec<f64>> {
        (self.patches[k] > 0).then(|| self.moments[k].standard_deviation())
    }
}

impl Patches {
    /// The normalised difference (a − b) / (a + b) of two bands, patch by patch: the mean over the
    /// patch's pixels. Shape: N, each between −1 and 1.
    ///
    /// A pixel whose a + b is not above 0 (no light in either band, or noise below it) is left out, and
    /// one whose difference exceeds the sum counts as −1 or 1.
    ///
    /// # Errors
    /// A band that the patches lack, pixels that cannot be read, or a patch without a usable pixel
    /// (names it).
    ///
    /// ```
    /// # use lcz::{Bands, Classes, Imagery, data::Patches};
    /// let imagery = Imagery { patch_size: 1, bands: Bands::named(["B4", "B8"])?, ..Imagery::so2sat() };
    /// let pixels = ndarray::Array4::from_shape_vec((1, 1, 1, 2), vec![0.1, 0.3]).unwrap();
    /// let patches = Patches::in_memory(imagery, Classes::lcz(), pixels)?;
    /// assert!((patches.normalised_difference("B8", "B4")?[0] - 0.5).abs() < 1e-6);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn normalised_difference(&self, a: &str, b: &str) -> Result<Vec<f64>> {
        let two = self.bands(&Bands::named([a, b])?)?;
        let mut values = Vec::with_capacity(self.len());
        for batch in two.batches(BATCH) {
            let (range, images) = batch?;
            for (position, image) in range.zip(images.axis_iter(Axis(0))) {
                let (mut sum, mut pixels) = (0.0, 0_u32);
                for (&a, &b) in image.slice(s![.., .., 0]).iter().zip(image.slice(s![.., .., 1])) {
                    let (a, b) = (f64::from(a), f64::from(b));
                    if a + b > 0.0 {
                        sum += ((a - b) / (a + b)).clamp(-1.0, 1.0);
                        pixels += 1;
                    }
                }
                if pixels == 0 {
                    let place = format!("{}, patch {position}", self.name());
                    let problem = format!("{a} + {b} is nowhere above 0");
                    return Err(Error::input(place, problem, "leave the patch out"));
                }
                values.push(sum / f64::from(pixels));
            }
        }
        Ok(values)
    }

    /// Normalised difference vegetation index (B8 − B4) / (B8 + B4), patch by patch: leaves reflect
    /// near infrared and absorb red (Tucker 1979). See [`normalised_difference`](Self::normalised_difference).
    ///
    /// # Errors
    /// As there.
    pub fn ndvi(&self) -> Result<Vec<f64>> {
        self.normalised_difference("B8", "B4")
    }

    /// Normalised difference built-up index (B11 − B8) / (B11 + B8), patch by patch: roofs and dry
    /// soil reflect more short-wave infrared than near infrared (Zha, Gao & Ni 2003).
    ///
    /// # Errors
    /// As [`normalised_difference`](Self::normalised_difference).
    pub fn ndbi(&self) -> Result<Vec<f64>> {
        self.normalised_difference("B11", "B8")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;
    use crate::{Imagery, Labels};
    use ndarray::Array4;

    fn patches(pixels: Vec<f32>, labels: Vec<usize>) -> Patches {
        let n = labels.len();
        let imagery =
            Imagery { patch_size: 2, bands: Bands::named(["B8", "B4"]).unwrap(), ..Imagery::so2sat() };
        let images = Array4::from_shape_vec((n, 2, 2, 2), pixels).unwrap();
        let labels = Labels::new(Classes::lcz(), labels).unwrap();
        Patches::in_memory(imagery, Classes::lcz(), images).unwrap().with_labels(&labels).unwrap()
    }

    #[test]
    fn a_signature_is_the_mean_and_deviation_over_the_pixels_of_a_class() {
        // Class 0: band 0 is 1, 2, 3, 4 and 5, 5, 5, 5; band 1 is 0 and 8.
        let pixels = vec![1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0, 0.0, 5.0, 8.0, 5.0, 8.0, 5.0, 8.0, 5.0, 8.0];
        let signatures = Signatures::compute(&patches(pixels, vec![0, 0]), &mut Silent).unwrap();
        assert_eq!(signatures.mean(0).unwrap(), [3.75, 4.0]);
        let deviation = signatures.standard_deviation(0).unwrap();
        // Squares about 3.75: 7.5625 + 3.0625 + 0.5625 + 0.0625 + 4 * 1.5625 = 17.5, over 8 pixels.
        assert!((deviation[0] - (17.5_f64 / 8.0).sqrt()).abs() < 1e-12 && (deviation[1] - 4.0).abs() < 1e-12);
        assert_eq!((signatures.mean(1), signatures.patches(0)), (None, 2));
    }

    #[test]
    fn a_normalised_difference_is_the_mean_over_the_pixels_that_have_light() {
        // 0.5, -1 (clamped from -3), left out, 0.
        let pixels = vec![0.3, 0.1, -0.1, 0.2, 0.0, 0.0, 0.2, 0.2];
        let value = patches(pixels, vec![0]).ndvi().unwrap()[0];
        assert!((value - (0.5 - 1.0 + 0.0) / 3.0).abs() < 1e-6, "{value}");
    }

    #[test]
    fn a_patch_without_light_is_named_and_so_is_a_band_that_is_missing() {
        let dark = patches(vec![0.1; 8].into_iter().chain(vec![0.0; 8]).collect(), vec![0, 0]);
        let error = dark.ndvi().unwrap_err().to_string();
        assert!(error.contains("patch 1: B8 + B4 is nowhere above 0"), "{error}");
        assert!(dark.ndbi().unwrap_err().to_string().starts_with("band 'B11'"));
    }
}
