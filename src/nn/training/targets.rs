//! The targets of a training: a distribution for each patch, or a class for each pixel.

use std::borrow::Cow;

use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::{Labelled, Masked};
use crate::data::{Masks, Patches, Sample};
use crate::nn::augmentation::Views;
use crate::{Classes, Error, LabelDistributions, Result};

/// Patches and their targets: made of [`Labelled`], [`Masked`] or patches that have them ([`IntoExamples`]).
#[derive(Debug, Clone)]
pub struct Examples<'a> {
    pub(crate) patches: &'a Patches,
    targets: Targets<'a>,
}

#[derive(Debug, Clone)]
enum Targets<'a> {
    /// One row per patch.
    Patches(Cow<'a, LabelDistributions>),
    /// One row per pixel: patch by patch, row by row.
    Pixels(Cow<'a, Masks>),
}

impl<'a> From<Labelled<'a>> for Examples<'a> {
    fn from(Labelled { patches, labels }: Labelled<'a>) -> Self {
        Self { patches, targets: Targets::Patches(Cow::Borrowed(labels)) }
    }
}

impl<'a> From<Masked<'a>> for Examples<'a> {
    fn from(Masked { patches, masks }: Masked<'a>) -> Self {
        Self { patches, targets: Targets::Pixels(Cow::Borrowed(masks)) }
    }
}

/// What a network is trained on: [`Labelled`], [`Masked`], or patches with the targets that they have.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::data::{Patches, Sample};
/// use lcz::{Classes, Imagery, IntoExamples, Labelled, Labels};
/// let labels = Labels::new(Classes::named(["a", "b"])?, vec![1])?;
/// let images = ndarray::Array4::zeros((1, 8, 8, 1));
/// let patches = Patches::in_memory(Imagery::new(8, ["B4"])?, labels.classes().clone(), images)?;
/// let patches = patches.with_labels(&labels)?;
/// (&patches).into_examples(Sample::Patch)?; // with the labels that they have
/// Labelled { patches: &patches, labels: &labels.one_hot().smoothed(0.1)? }.into_examples(Sample::Patch)?;
/// assert!((&patches).into_examples(Sample::Pixel).is_err()); // they have no masks
/// # Ok(())
/// # }
/// ```
pub trait IntoExamples<'a> {
    /// The examples of a network that classifies such samples.
    ///
    /// # Errors
    /// Patches without targets, or whose targets cannot be read.
    fn into_examples(self, sample: Sample) -> Result<Examples<'a>>;
}

impl<'a, T: Into<Examples<'a>>> IntoExamples<'a> for T {
    fn into_examples(self, _: Sample) -> Result<Examples<'a>> {
        Ok(self.into())
    }
}

/// For a network of patches their vote shares or distributions, without these their labels (one-hot); for a network of
/// pixels their masks.
impl<'a> IntoExamples<'a> for &'a Patches {
    fn into_examples(self, sample: Sample) -> Result<Examples<'a>> {
        let targets = match sample {
            Sample::Patch => Targets::Patches(Cow::Owned(self.targets()?)),
            Sample::Pixel => Targets::Pixels(Cow::Owned(self.masks()?)),
        };
        Ok(Examples { patches: self, targets })
    }
}

impl Examples<'_> {
    /// The classes of the targets.
    pub(crate) fn classes(&self) -> &Classes {
        match &self.targets {
            Targets::Patches(labels) => labels.classes(),
            Targets::Pixels(masks) => masks.classes(),
        }
    }

    /// Refuses targets on which a model of this name cannot be trained.
    pub(crate) fn check_for(&self, model: &str, sample: Sample) -> Result<()> {
        let given = match self.targets {
            Targets::Patches(_) => Sample::Patch,
            Targets::Pixels(_) => Sample::Pixel,
        };
        if given == sample {
            return self.check();
        }
        let problem = format!("a class per {given}, where {model} is trained on one per {sample}");
        let advice = match sample {
            Sample::Patch => "give labels or votes, or train a unet",
            Sample::Pixel => "give masks, or train a network of patches",
        };
        Err(Error::input(self.patches.name(), problem, advice))
    }

    /// The fingerprint of these targets: all their numbers, as bytes.
    pub(crate) fn bytes(&self) -> Box<dyn Iterator<Item = u8> + '_> {
        match &self.targets {
            Targets::Patches(labels) => {
                Box::new(labels.view().into_iter().flat_map(|y| y.to_bits().to_le_bytes()))
            }
            Targets::Pixels(masks) => Box::new(masks.view().into_iter().copied()),
        }
    }

    /// Refuses targets that are not those of the patches, and sets without a target.
    fn check(&self) -> Result<()> {
        let patches = self.patches;
        let refuse = |problem: String, advice: &str| Err(Error::input(patches.name(), problem, advice));
        match &self.targets {
            Targets::Patches(labels) if patches.len() != labels.len() || patches.is_empty() => refuse(
                format!("{} patches and {} labels", patches.len(), labels.len()),
                "give each patch a label, and at least one",
            ),
            Targets::Patches(_) => Ok(()),
            Targets::Pixels(masks) => {
                let size = patches.imagery().patch_size;
                let (count, rows, columns) = masks.view().dim();
                if (count, rows, columns) != (patches.len(), size, size) {
                    let problem = format!(
                        "{} patches of {size} x {size} pixels, {count} masks of {rows} x {columns}",
                        patches.len()
                    );
                    return refuse(problem, "give each patch a mask of its size");
                }
                masks.check_some(masks.view().len() - masks.ignored(), &patches.name())
            }
        }
    }

    /// How much each class has of all samples: patches, or pixels that have a class.
    pub(super) fn masses(&self) -> (usize, Vec<f64>) {
        match &self.targets {
            Targets::Patches(labels) => {
                let masses = labels.view().columns().into_iter().map(|y| y.sum()).collect();
                (labels.len(), masses)
            }
            Targets::Pixels(masks) => {
                let counts = masks.counts();
                (counts.iter().sum(), counts.into_iter().map(|n| n as f64).collect())
            }
        }
    }

    /// The targets of some patches that are seen in these `views`, smoothed: (1 − ε) y + ε / K. Rows of zeros are
    /// pixels without a class.
    pub(super) fn rows(&self, positions: &[usize], views: &Views, epsilon: f64) -> Array2<f64> {
        let classes = self.classes().len();
        let uniform = epsilon / classes as f64;
        match &self.targets {
            // Orientation and crops do not change the class of a patch.
            Targets::Patches(labels) => {
                labels.view().select(Axis(0), positions).mapv_into(|y| (1.0 - epsilon) * y + uniform)
            }
            Targets::Pixels(masks) => {
                let values = masks.view();
                let pixels = values.dim().1 * values.dim().2;
                let mut y = Array2::zeros((positions.len() * pixels, classes));
                let of_patches: Vec<_> = y.axis_chunks_iter_mut(Axis(0), pixels).collect();
                of_patches.into_par_iter().zip(positions).enumerate().for_each(|(n, (mut y, &position))| {
                    let mask = views.of_mask(n, values.index_axis(Axis(0), position));
                    for (value, mut y) in mask.iter().zip(y.outer_iter_mut()) {
                        if *value != Masks::IGNORED {
                            y.fill(uniform);
                            y[usize::from(*value)] = (1.0 - epsilon) + uniform;
                        }
                    }
                });
                y
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bands, Imagery};
    use ndarray::{Array3, Array4};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// Patches of one band, and masks.
    fn masked(classes: usize, images: Array4<f32>, masks: Array3<u8>) -> (Patches, Masks) {
        let (classes, patch_size) = (Classes::from_count(classes), images.dim().1);
        let imagery = Imagery { patch_size, bands: Bands::from_count(1), ..Imagery::so2sat() };
        let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap();
        (patches, Masks::new(classes, masks).unwrap())
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "pixels are moved, not computed")]
    fn a_mask_is_laid_as_its_patch_is() {
        // The pixel's number is its class, 5 for none.
        let images = Array4::from_shape_fn((30, 6, 6, 1), |(n, r, c, _)| ((n + 2 * r + r * c) % 6) as f32);
        let masks = images.index_axis(Axis(3), 0).mapv(|x| if x == 5.0 { Masks::IGNORED } else { x as u8 });
        let (patches, masks) = masked(5, images, masks);
        let examples = Examples::from(Masked { patches: &patches, masks: &masks });
        examples.check().unwrap();
        let positions = [7, 29, 3, 3, 8, 15, 0, 11];
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let size = (positions.len(), 6);
        let views = Views::draw(crate::nn::Augmentation::FlipsAndTurns, 1.0, size, &mut random);
        let mut laid = patches.images_at(&positions).unwrap();
        let before = laid.clone();
        views.apply(&mut laid);
        assert_ne!(laid, before);
        let y = examples.rows(&positions, &views, 0.1);
        for (pixel, y) in laid.iter().zip(y.outer_iter()) {
            let expected = |k: usize| match *pixel as usize {
                5 => 0.0,
                class if class == k => 0.9 + 0.02,
                _ => 0.02,
            };
            assert!((0..5).all(|k| (y[k] - expected(k)).abs() < 1e-12), "{pixel}: {y}");
        }
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "a class's share of a pixel is 0 or 1")]
    fn a_mask_is_cropped_as_its_patch_is() {
        // The classes meet in a straight line, so that a pixel well on one side has its class in patch and mask.
        let edge = |n: usize| 4 + n % 16;
        let across = |n: usize, [row, column]: [usize; 2]| if n.is_multiple_of(2) { row } else { column };
        let images = Array4::from_shape_fn((40, 24, 24, 1), |(n, r, c, _)| {
            f32::from(u8::from(across(n, [r, c]) >= edge(n)))
        });
        let mut values = images.index_axis(Axis(3), 0).mapv(|x| x as u8);
        values.index_axis_mut(Axis(0), 5).fill(Masks::IGNORED);
        let (patches, masks) = masked(2, images, values);
        let examples = Examples::from(Masked { patches: &patches, masks: &masks });
        let positions: Vec<usize> = (0..40).rev().collect();
        let mut random = ChaCha8Rng::seed_from_u64(8);
        let views = Views::draw(crate::nn::Augmentation::FlipsAndTurns, 0.1, (40, 24), &mut random);
        let mut seen = patches.images_at(&positions).unwrap();
        views.apply(&mut seen);
        let y = examples.rows(&positions, &views, 0.0);
        let (mut certain, mut moved) = (0, 0);
        for ((at, pixel), y) in seen.indexed_iter().zip(y.outer_iter()) {
            let n = positions[at.0];
            let class = usize::from(*pixel > 0.5);
            moved += usize::from(class != usize::from(across(n, [at.1, at.2]) >= edge(n)));
            if n == 5 {
                assert_eq!(y.sum(), 0.0);
            } else if (pixel - 0.5).abs() > 0.01 {
                certain += 1;
                assert_eq!(y[class], 1.0, "{at:?}: {pixel} {y}");
            }
        }
        assert!(certain > 39 * 24 * 23 && moved > 2000, "{certain} {moved}");
    }

    #[test]
    fn masks_that_are_not_the_patches_own_are_refused_in_a_line() {
        let refused = |shape: (usize, usize, usize), value: u8| {
            let (patches, masks) = masked(3, Array4::zeros((2, 4, 4, 1)), Array3::from_elem(shape, value));
            Examples::from(Masked { patches: &patches, masks: &masks }).check().unwrap_err().to_string()
        };
        assert!(refused((3, 4, 4), 0).contains("2 patches of 4 x 4 pixels, 3 masks of 4 x 4;"));
        assert!(refused((2, 4, 5), 0).contains("2 masks of 4 x 5"));
        assert!(refused((2, 4, 4), Masks::IGNORED).contains("all 32 pixels are ignored"));
    }
}
