//! Two baselines for a network: the majority class, and a classifier of single pixels without their
//! surroundings.
//!
//! [`PixelGaussian`] is the Gaussian maximum-likelihood classifier of remote sensing, with covariances
//! shrunk as in Friedman (1989), *Regularized Discriminant Analysis*, Journal of the American
//! Statistical Association 84, so that rare classes have usable ones.

mod density;
mod majority;

use ndarray::{Array2, Array4, ArrayView2, s};
use serde::{Deserialize, Serialize};

pub use self::density::Shrinkage;
use self::density::{Density, Moments, densities};
pub use self::majority::MajorityClass;
use super::{Classifier, check_imagery, check_labels, described_as};
use crate::data::{Masks, Patches};
use crate::{Classes, Error, Imagery, Labels, Logits, Probabilities, Progress, Result, Temperature};

/// Patches read at once.
const BATCH: usize = 256;

/// A normal distribution of the centre pixel's bands for each class (Gaussian maximum likelihood).
///
/// `p(k|x) ∝ π_k N(x; μ_k, Σ_k)`, with the training frequency `π_k`, the class mean `μ_k`, and the
/// covariance `Σ_k = [(1 − λ) S_k + λ S] / [(1 − λ) n_k + λ N]` of Friedman (1989): `S_k` is
/// the sum of squares and products about the class mean over its `n_k` samples, `S` and `N` are the
/// sums of these over classes. The fewer samples a class has, the more it takes from the others.
///
/// The centre pixel of an S × S patch lies in row and column ⌊S/2⌋, counted from 0: of the four around
/// the centre of a patch of even size, the lower right one.
///
/// A class with fewer than two training samples has no covariance: its probability is 0.
///
/// ```
/// use lcz::data::Patches;
/// use lcz::models::{Classifier, baselines::PixelGaussian};
/// use lcz::{Bands, Classes, Imagery, Labels, progress::Silent};
///
/// let imagery = Imagery { patch_size: 1, bands: Bands::named(["B4", "B8"])?, ..Imagery::so2sat() };
/// let classes = Classes::named(["meadow", "water"])?;
/// let pixels = vec![0.05, 0.40, 0.06, 0.45, 0.04, 0.37, 0.03, 0.02, 0.04, 0.01, 0.02, 0.02];
/// let images = ndarray::Array4::from_shape_vec((6, 1, 1, 2), pixels).unwrap();
/// let patches = Patches::in_memory(imagery, classes.clone(), images)?;
/// let labels = Labels::new(classes, vec![0, 0, 0, 1, 1, 1])?;
///
/// let baseline = PixelGaussian::fit(&patches, &labels, &mut Silent)?;
/// assert_eq!(baseline.predict(&patches)?.predicted(), labels);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredGaussian")]
pub struct PixelGaussian {
    imagery: Imagery,
    classes: Classes,
    shrinkage: Shrinkage,
    /// None: a class with fewer than two training samples.
    densities: Vec<Option<Density>>,
}

impl PixelGaussian {
    /// Fits with the default [`Shrinkage`], in one pass over the patches.
    ///
    /// # Errors
    /// Another number of labels than patches, no class with two samples, or patches that cannot be
    /// read.
    pub fn fit(patches: &Patches, labels: &Labels, progress: &mut dyn Progress) -> Result<Self> {
        Self::fit_shrunk(patches, labels, Shrinkage::default(), progress)
    }

    /// Fits with this shrinkage, in one pass over the patches.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_shrunk(
        patches: &Patches,
        labels: &Labels,
        shrinkage: Shrinkage,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        check_labels(patches, labels)?;
        let mut moments = vec![Moments::of_nothing(patches.imagery().bands.len()); labels.classes().len()];
        progress.begin("fitting the per-pixel baseline", patches.len() as u64);
        for batch in patches.batches(BATCH) {
            let (range, images) = batch?;
            for (pixel, &k) in centre_pixels(&images).outer_iter().zip(&labels.indices()[range.clone()]) {
                moments[k].add(&pixel);
            }
            progress.advance(range.len() as u64, "");
            if progress.interrupted() {
                return Err(Error::Interrupted { place: "before the first epoch".to_owned() });
            }
        }
        progress.end("");
        Ok(Self {
            imagery: patches.imagery().clone(),
            classes: labels.classes().clone(),
            shrinkage,
            densities: densities(&moments, shrinkage)?,
        })
    }
}

impl Classifier for PixelGaussian {
    described_as!("per-pixel Gaussian");

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        check_imagery(self, patches)?;
        let mut z = Array2::from_elem((patches.len(), self.classes.len()), f64::NEG_INFINITY);
        let mut u = vec![0.0; self.imagery.bands.len()];
        for batch in patches.batches(BATCH) {
            let (range, images) = batch?;
            for (pixel, n) in centre_pixels(&images).outer_iter().zip(range) {
                for (k, density) in self.densities.iter().enumerate() {
                    if let Some(density) = density {
                        z[[n, k]] = density.log(&pixel, &mut u);
                    }
                }
            }
        }
        Ok(Logits::new(self.classes.clone(), z)?.softmax(Temperature::ONE))
    }
}

/// Every n-th pixel with a class, patch by patch and row by row, as patches of one pixel.
///
/// # Errors
/// No pixel with a class, or patches that cannot be read.
pub(crate) fn single_pixels(patches: &Patches, masks: &Masks, every: usize) -> Result<(Patches, Labels)> {
    let size = patches.imagery().patch_size;
    let (labels, positions) = masks.labels()?;
    let bands = patches.imagery().bands.len();
    let (mut values, mut indices) = (Vec::new(), Vec::new());
    let mut chosen = positions.iter().zip(labels.indices()).step_by(every).peekable();
    for batch in patches.batches(BATCH) {
        let (range, images) = batch?;
        while let Some((&at, &k)) = chosen.next_if(|(at, _)| **at < range.end * size * size) {
            let (patch, row, column) = (at / (size * size) - range.start, at / size % size, at % size);
            values.extend(images.slice(s![patch, row, column, ..]));
            indices.push(k);
        }
    }
    let images = Array4::from_shape_vec((indices.len(), 1, 1, bands), values)
        .map_err(Error::internal("taking single pixels"))?;
    let imagery = Imagery { patch_size: 1, ..patches.imagery().clone() };
    let classes = labels.classes();
    let pixels = Patches::in_memory(imagery, classes.clone(), images)?.with_provenance(patches.provenance());
    Ok((pixels, Labels::new(classes.clone(), indices)?))
}

/// The pixels in row and column ⌊S/2⌋. Shape: (n, S, S, C) → (n, C).
fn centre_pixels(images: &Array4<f32>) -> ArrayView2<'_, f32> {
    let centre = images.dim().1 / 2;
    images.slice(s![.., centre, centre, ..])
}

/// A [`PixelGaussian`] as a file holds it, not yet checked.
#[derive(Deserialize)]
struct StoredGaussian {
    imagery: Imagery,
    classes: Classes,
    shrinkage: Shrinkage,
    densities: Vec<Option<StoredDensity>>,
}

#[derive(Deserialize)]
struct StoredDensity {
    prior: f64,
    mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
}

impl TryFrom<StoredGaussian> for PixelGaussian {
    type Error = Error;

    fn try_from(stored: StoredGaussian) -> Result<Self> {
        let StoredGaussian { imagery, classes, shrinkage, densities } = stored;
        let bands = imagery.bands.len();
        let check = |density: StoredDensity| {
            Density::new(density.prior, density.mean, density.covariance)
                .filter(|density| density.mean.len() == bands)
                .ok_or_else(|| damaged("per-pixel baseline"))
        };
        if densities.len() != classes.len() || densities.iter().all(Option::is_none) {
            return Err(damaged("per-pixel baseline"));
        }
        let densities = densities.into_iter().map(|density| density.map(check).transpose());
        Ok(Self { imagery, classes, shrinkage, densities: densities.collect::<Result<_>>()? })
    }
}

fn damaged(what: &str) -> Error {
    Error::input(what, "the stored numbers do not fit together", "fit it again")
}
