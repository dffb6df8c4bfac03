//! What a model is trained and watched on: patches with labels, or with the classes of their pixels.

use super::{Config, DataSettings, LabelKind};
use crate::data::so2sat::So2Sat;
use crate::data::{Masks, Patches};
use crate::models::pixel::single_pixels;
use crate::models::{Device, Model, Sample, build};
use crate::nn::{Examples, Labelled, Masked};
use crate::{Error, LabelDistributions, Labels, Result};

/// Pixels that the baselines of a model of pixels are fitted to, at most, and how many pixels lie between two of them,
/// at least: neighbours are nearly equal.
const PIXELS: usize = 1_000_000;
const EVERY: usize = 5;

/// Patches and what is to be learnt of them.
#[derive(Debug, Clone)]
pub struct ExampleSet {
    /// The patches.
    pub patches: Patches,
    /// Their targets.
    pub targets: Targets,
}

/// What is to be learnt of patches.
#[derive(Debug, Clone)]
pub enum Targets {
    /// A distribution for each patch.
    Labels(LabelDistributions),
    /// A mask for each patch.
    Masks(Masks),
}

/// A training set, and the set that the best epoch is chosen by.
#[derive(Debug, Clone)]
pub struct TrainingSets {
    /// How the data were split, in words.
    pub split: String,
    /// The training set.
    pub train: ExampleSet,
    /// The validation set, if there is one.
    pub validation: Option<ExampleSet>,
}

impl<'a> From<&'a ExampleSet> for Examples<'a> {
    fn from(ExampleSet { patches, targets }: &'a ExampleSet) -> Self {
        match targets {
            Targets::Labels(labels) => Labelled { patches, labels }.into(),
            Targets::Masks(masks) => Masked { patches, masks }.into(),
        }
    }
}

impl ExampleSet {
    /// What simple classifiers are fitted to: the patches with a class each, or some of the pixels that have one.
    pub(super) fn for_baselines(&self) -> Result<(Patches, Labels)> {
        match &self.targets {
            Targets::Labels(_) => Ok((self.patches.clone(), self.patches.labels_or_majority()?)),
            Targets::Masks(masks) => {
                let with_class = masks.view().len() - masks.ignored();
                single_pixels(&self.patches, masks, EVERY.max(with_class.div_ceil(PIXELS)))
            }
        }
    }
}

impl TrainingSets {
    /// The training and the validation set of a configuration, for a model of such samples.
    pub(super) fn open(data: &DataSettings, sample: Sample) -> Result<Self> {
        let so2sat = data.choose(So2Sat::open(&data.path)?)?;
        let (train, validation, _) = so2sat.splits()?;
        Ok(Self {
            split: so2sat.split_in_words()?,
            train: data.set_of(train, sample)?,
            validation: Some(data.set_of(validation, sample)?),
        })
    }

    /// The network of a configuration, for such patches and classes, with random weights.
    pub(super) fn network(&self, config: &Config, device: Device) -> Result<Box<dyn Model>> {
        let patches = &self.train.patches;
        let classes = match &self.train.targets {
            Targets::Labels(labels) => labels.classes(),
            Targets::Masks(masks) => masks.classes(),
        };
        build(&config.model, patches.imagery(), classes, config.training.seed, device)
    }

    /// The training set, and the validation set if there is one.
    pub(super) fn all(&self) -> impl Iterator<Item = &ExampleSet> {
        std::iter::once(&self.train).chain(&self.validation)
    }
}

impl DataSettings {
    /// Patches with their targets of the chosen kind, for a model of such samples.
    ///
    /// # Errors
    /// Patches without them.
    pub(super) fn set_of(&self, patches: Patches, sample: Sample) -> Result<ExampleSet> {
        let targets = match sample {
            Sample::Patch if patches.has_masks() && !patches.has_labels() && !patches.has_distributions() => {
                let problem = "masks and no labels: a class per pixel, not per patch";
                return Err(Error::input(patches.name(), problem, "train a unet, or give labelled patches"));
            }
            Sample::Patch => Targets::Labels(self.labels_of(&patches)?),
            Sample::Pixel if self.labels != LabelKind::OneHot => {
                let problem = format!("{}, which are per patch: the model learns masks", self.labels.name());
                return Err(Error::input("data.labels", problem, "leave out --labels"));
            }
            Sample::Pixel => Targets::Masks(masks_of(&patches)?),
        };
        Ok(ExampleSet { patches, targets })
    }
}

/// The masks of patches, or what to do where there are none.
pub(super) fn masks_of(patches: &Patches) -> Result<Masks> {
    if !patches.has_masks() {
        let advice = "cut a scene with `lcz patches --masks`, or take a model of patches";
        return Err(Error::input(patches.name(), "no masks: the model gives each pixel a class", advice));
    }
    patches.masks()
}
