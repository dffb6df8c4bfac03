//! Training and test sets: patches with labels, or with the classes of their pixels.

use ndarray::{Array2, Axis, s};

use super::{Config, DataSettings, LabelKind};
use crate::data::{Masks, Patches, So2Sat};
use crate::models::baselines::single_pixels;
use crate::models::{Classifier, Device, Model, Sample, build};
use crate::uncertainty::Members;
use crate::{Error, Examples, LabelDistributions, Labelled, Labels, Masked, Probabilities, Result};

/// Pixels that the baselines of a model of pixels are fitted to, at most, and how many pixels lie between two of them,
/// at least: neighbours are nearly equal.
const PIXELS: usize = 1_000_000;
const EVERY: usize = 5;

/// Patches whose pixels are predicted together.
const AT_ONCE: usize = 64;

/// Patches and their targets.
#[derive(Debug, Clone)]
pub struct ExampleSet {
    /// The patches.
    pub patches: Patches,
    /// Their targets.
    pub targets: Targets,
}

/// The targets of a training.
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
    /// Description of the split.
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
            split: so2sat.split_description()?,
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
    /// Refuses labels of another kind than a model of such samples is trained on.
    pub(super) fn check_for(&self, sample: Sample) -> Result<()> {
        if sample == Sample::Patch || self.labels == LabelKind::OneHot {
            return Ok(());
        }
        let problem = format!("{}, which are per patch: the model is trained on masks", self.labels.name());
        Err(Error::input("data.labels", problem, "leave out --target"))
    }

    /// Patches with their targets of the chosen kind, for a model of such samples.
    fn set_of(&self, patches: Patches, sample: Sample) -> Result<ExampleSet> {
        self.check_for(sample)?;
        let targets = match sample {
            Sample::Patch => {
                check_labelled(&patches)?;
                Targets::Labels(self.labels_of(&patches)?)
            }
            Sample::Pixel => Targets::Masks(masks_of(&patches)?),
        };
        Ok(ExampleSet { patches, targets })
    }
}

/// What a model is tested on: the patches of a set, or their pixels that have a class.
pub(super) struct Samples {
    pub(super) patches: Patches,
    /// The class of each sample.
    pub(super) labels: Labels,
    /// The masks, and which pixels have a class: positions patch by patch and row by row; none where samples are
    /// patches.
    pub(super) pixels: Option<(Masks, Vec<usize>)>,
}

impl Samples {
    /// Of labelled patches, or of patches with masks.
    pub(super) fn of(patches: Patches, sample: Sample) -> Result<Self> {
        if sample == Sample::Patch {
            check_labelled(&patches)?;
            let labels = patches.labels_or_majority()?;
            return Ok(Self { patches, labels, pixels: None });
        }
        let masks = masks_of(&patches)?;
        let (labels, positions) = masks.labels()?;
        Ok(Self { patches, labels, pixels: Some((masks, positions)) })
    }

    /// The city or region of each sample. The pixels of a patch without a group form one: neighbours are
    /// nearly equal.
    pub(super) fn groups(&self) -> Option<Vec<i32>> {
        let of_patches = self.patches.groups();
        let Some((_, positions)) = &self.pixels else { return of_patches };
        let size = self.patches.imagery().patch_size;
        let of_patch = |patch: usize| of_patches.as_ref().map_or(patch as i32, |groups| groups[patch]);
        Some(positions.iter().map(|at| of_patch(at / (size * size))).collect())
    }

    /// The predictions of a model's members.
    pub(super) fn members(&self, model: &dyn Classifier) -> Result<Members> {
        let members = self
            .rows(|patches| Ok(model.members(patches)?.into_iter().map(|p| p.view().to_owned()).collect()))?;
        let classes = model.classes();
        let members = members.into_iter().map(|p| Probabilities::from_checked(classes.clone(), p)).collect();
        Members::new(members)
    }

    /// The predictions of a baseline, each pixel being a patch of its own.
    pub(super) fn simple(&self, model: &dyn Classifier) -> Result<Probabilities> {
        match &self.pixels {
            None => model.predict(&self.patches),
            Some((masks, _)) => model.predict(&single_pixels(&self.patches, masks, 1)?.0),
        }
    }

    /// The rows of the samples in each of several tables that have a row per patch or per pixel. Only some patches' tables
    /// are in memory as a whole.
    pub(super) fn rows(
        &self,
        tables: impl Fn(&Patches) -> Result<Vec<Array2<f64>>>,
    ) -> Result<Vec<Array2<f64>>> {
        let Some((_, positions)) = &self.pixels else { return tables(&self.patches) };
        let each = self.patches.imagery().patch_size.pow(2);
        let (mut all, mut done) = (Vec::new(), 0);
        for (part, patches) in self.patches.parts(AT_ONCE) {
            let until = positions.partition_point(|at| *at < part.end * each);
            let chosen: Vec<usize> = positions[done..until].iter().map(|at| at - part.start * each).collect();
            for (m, table) in tables(&patches)?.into_iter().enumerate() {
                if m == all.len() {
                    all.push(Array2::zeros((positions.len(), table.ncols())));
                }
                all[m].slice_mut(s![done..until, ..]).assign(&table.select(Axis(0), &chosen));
            }
            done = until;
        }
        Ok(all)
    }
}

/// Refuses patches that have masks only, for a model of patches.
pub(super) fn check_labelled(patches: &Patches) -> Result<()> {
    if !patches.has_masks() || patches.has_labels() || patches.has_distributions() {
        return Ok(());
    }
    let problem = "masks and no labels: a class per pixel, not per patch";
    Err(Error::input(patches.name(), problem, "take a unet, or give labelled patches"))
}

/// The masks of patches, or what to do where there are none.
pub(super) fn masks_of(patches: &Patches) -> Result<Masks> {
    if !patches.has_masks() {
        let advice = "cut a scene with `lcz patches --masks`, or take a model of patches";
        return Err(Error::input(patches.name(), "no masks: the model gives each pixel a class", advice));
    }
    patches.masks()
}
