//! A network with its input, classes and standardisation, of any architecture, on any device.

use std::ops::Range;

use dfdx::prelude::Cpu;
use ndarray::Array2;

use super::architecture::{Blueprint, with_settings};
use super::device::Device;
use super::unet::{Unet, UnetSettings};
use super::{Architecture, Classifier, Network, Segmenter};
use crate::data::Patches;
use crate::nn::inference::{each_log_probabilities, infer, log_probabilities, sampled_log_probabilities};
use crate::nn::training::fit;
use crate::nn::{
    Backend, Examples, History, Labelled, Masked, Module, Observer, ParameterCount, PatchModule,
    Standardisation, Training, TrainingState, Weights, weights,
};
use crate::{Classes, Error, Features, Imagery, Logits, Probabilities, Result, Temperature};

/// Makes a network with random weights drawn from `seed`.
///
/// # Errors
/// An architecture that does not fit the patches, or a device that cannot be used.
///
/// ```
/// use lcz::{Classes, Imagery, models};
/// let network = models::build(
///     &models::Architecture::sen2lcz(), &Imagery::so2sat(), &Classes::lcz(), 0, models::Device::Cpu)?;
/// assert_eq!(network.parameters().total, 793_348);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn build(
    architecture: &Architecture,
    imagery: &Imagery,
    classes: &Classes,
    seed: u64,
    device: Device,
) -> Result<Box<dyn Network>> {
    match device {
        Device::Cpu => build_on(&Cpu::default(), architecture, imagery, classes, seed),
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => build_on(&gpu(number, seed)?, architecture, imagery, classes, seed),
    }
}

/// Makes a network that gives each pixel a class, with random weights drawn from `seed`.
///
/// # Errors
/// Settings that do not fit the patches, or a device that cannot be used.
///
/// ```
/// use lcz::{Bands, Classes, Imagery, models};
/// let imagery = Imagery { patch_size: 64, bands: Bands::of_count(3), ..Imagery::so2sat() };
/// let settings = models::unet::UnetSettings::default();
/// let network = models::build_segmenter(&settings, &imagery, &Classes::of_count(2), 0, models::Device::Cpu)?;
/// assert_eq!(network.name(), "unet");
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn build_segmenter(
    settings: &UnetSettings,
    imagery: &Imagery,
    classes: &Classes,
    seed: u64,
    device: Device,
) -> Result<Box<dyn Segmenter>> {
    match device {
        Device::Cpu => segmenter_on(&Cpu::default(), settings, imagery, classes, seed),
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => segmenter_on(&gpu(number, seed)?, settings, imagery, classes, seed),
    }
}

/// A GPU by its number.
#[cfg(feature = "cuda")]
fn gpu(number: usize, seed: u64) -> Result<dfdx::prelude::Cuda> {
    dfdx::prelude::Cuda::try_build(number, seed).map_err(|error| {
        let place = Device::Cuda(number).to_string();
        Error::input(place, format!("{error:?}"), "choose another device, such as cpu")
    })
}

fn segmenter_on<D: Backend<f32>>(
    device: &D,
    settings: &UnetSettings,
    imagery: &Imagery,
    classes: &Classes,
    seed: u64,
) -> Result<Box<dyn Segmenter>> {
    let module = settings.build(device, imagery, classes, seed)?;
    Ok(Box::new(Trained::new(module, device, &Architecture::Unet(settings.clone()), imagery, classes)))
}

fn build_on<D: Backend<f32>>(
    device: &D,
    architecture: &Architecture,
    imagery: &Imagery,
    classes: &Classes,
    seed: u64,
) -> Result<Box<dyn Network>> {
    with_settings!(
        architecture,
        settings => {
            let module = settings.build(device, imagery, classes, seed)?;
            Ok(Trained::boxed(module, device, architecture, imagery, classes))
        },
        _ => {
            let problem = "it gives each pixel a class, not each patch";
            let advice =
                "train it on masks with `lcz landcover train` (build_segmenter), or choose another network";
            Err(Error::input(architecture.name(), problem, advice))
        }
    )
}

/// A module with all that surrounds it.
struct Trained<M, D> {
    architecture: Architecture,
    imagery: Imagery,
    classes: Classes,
    standardisation: Option<Standardisation>,
    module: M,
    device: D,
}

impl<D: Backend<f32>, M: PatchModule<f32, D> + 'static> Trained<M, D> {
    /// A network that has not been trained.
    fn boxed(
        module: M,
        device: &D,
        architecture: &Architecture,
        imagery: &Imagery,
        classes: &Classes,
    ) -> Box<dyn Network> {
        Box::new(Self::new(module, device, architecture, imagery, classes))
    }
}

impl<M, D: Clone> Trained<M, D> {
    fn new(module: M, device: &D, architecture: &Architecture, imagery: &Imagery, classes: &Classes) -> Self {
        Self {
            architecture: architecture.clone(),
            imagery: imagery.clone(),
            classes: classes.clone(),
            standardisation: None,
            module,
            device: device.clone(),
        }
    }

    /// Refuses patches unlike those that the network takes.
    fn check(&self, patches: &Patches) -> Result<()> {
        match self.imagery.mismatch(patches.imagery()) {
            None => Ok(()),
            Some(difference) => {
                let advice = "use data like that it was trained on, or train a model on this";
                Err(Error::input(patches.name(), format!("the model does not fit: {difference}"), advice))
            }
        }
    }

    /// What is done to the input: nothing, until training or an import says so.
    fn input(&self) -> Standardisation {
        self.standardisation.clone().unwrap_or_else(|| Standardisation::identity(self.imagery.bands.len()))
    }
}

impl<D: Backend<f32>, M: Module<f32, D>> Trained<M, D> {
    /// See [`Network::set_standardisation`].
    fn standardise(&mut self, standardisation: Standardisation) -> Result<()> {
        let Standardisation { mean, deviation } = &standardisation;
        let bands = self.imagery.bands.len();
        let usable =
            mean.iter().all(|m| m.is_finite()) && deviation.iter().all(|d| d.is_finite() && *d > 0.0);
        if mean.len() != bands || deviation.len() != bands || !usable {
            return Err(Error::input(
                "standardisation",
                format!(
                    "{} means and {} deviations for {bands} bands, or not positive",
                    mean.len(),
                    deviation.len()
                ),
                "give one finite mean and one deviation above 0 a band",
            ));
        }
        self.standardisation = Some(standardisation);
        Ok(())
    }

    /// See [`Network::fit_from`].
    fn learn(
        &mut self,
        start: TrainingState,
        train: Examples<'_>,
        validation: Option<Examples<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        for set in [Some(train), validation].into_iter().flatten() {
            self.check(set.patches)?;
            if set.classes() != &self.classes {
                return Err(Error::input(
                    set.patches.name(),
                    format!("classes {}, the model's are {}", set.classes(), self.classes),
                    "give labels of the model's classes",
                ));
            }
            set.check()?;
        }
        self.architecture.check_batches(train.patches, training.batch_size)?;
        let input = match &self.standardisation {
            Some(input) => input.clone(),
            None => Standardisation::of(train.patches, observer.progress())?,
        };
        let (module, device) = (&mut self.module, &self.device);
        let history = fit(module, device, &input, train, validation, training, start, observer)?;
        self.standardisation = Some(input);
        Ok(history)
    }
}

impl<D: Backend<f32>, M: PatchModule<f32, D>> Classifier for Trained<M, D> {
    fn name(&self) -> &str {
        self.architecture.name()
    }

    fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        Ok(self.logits(patches)?.softmax(Temperature::ONE))
    }
}

impl<D: Backend<f32>, M: PatchModule<f32, D>> Network for Trained<M, D> {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }

    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()> {
        self.standardise(standardisation)
    }

    fn fit_from(
        &mut self,
        start: TrainingState,
        train: Labelled<'_>,
        validation: Option<Labelled<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        self.learn(start, train.into(), validation.map(Examples::from), training, observer)
    }

    fn logits(&self, patches: &Patches) -> Result<Logits> {
        self.check(patches)?;
        let log_p = log_probabilities(&self.module, &self.device, &self.input(), patches)?;
        Logits::new(self.classes.clone(), log_p.mapv(f64::from))
    }

    fn mc_dropout(&self, patches: &Patches, passes: usize, seed: u64) -> Result<Vec<Probabilities>> {
        self.check(patches)?;
        self.architecture.check_passes(&self.imagery, &self.classes, passes)?;
        let (input, module) = (self.input(), &self.module);
        let sampled = sampled_log_probabilities(module, &self.device, &input, patches, passes, seed)?;
        let p = |log_p: Array2<f32>| {
            Ok(Logits::new(self.classes.clone(), log_p.mapv(f64::from))?.softmax(Temperature::ONE))
        };
        sampled.into_iter().map(p).collect()
    }

    fn features(&self, patches: &Patches) -> Result<Features> {
        self.check(patches)?;
        let features = |x| self.module.features(x);
        let h = infer::<_, M>(&self.device, &self.input(), patches, features, || Ok(()))?;
        Ok(Features::new(h))
    }

    fn parameters(&self) -> ParameterCount {
        self.weights().count()
    }

    fn weights(&self) -> Weights {
        weights::read(&self.module)
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights::write(&mut self.module, weights)
    }
}

impl<D: Backend<f32>> Segmenter for Trained<Unet<f32, D>, D> {
    fn name(&self) -> &str {
        self.architecture.name()
    }

    fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn settings(&self) -> &UnetSettings {
        match &self.architecture {
            Architecture::Unet(settings) => settings,
            _ => unreachable!("a U-Net's architecture is one"),
        }
    }

    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }

    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()> {
        self.standardise(standardisation)
    }

    fn fit_from(
        &mut self,
        start: TrainingState,
        train: Masked<'_>,
        validation: Option<Masked<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        self.learn(start, train.into(), validation.map(Examples::from), training, observer)
    }

    fn predict_each(
        &self,
        patches: &Patches,
        take: &mut dyn FnMut(Range<usize>, Probabilities) -> Result<()>,
    ) -> Result<()> {
        self.check(patches)?;
        let probabilities = |log_p: Array2<f32>| {
            Ok(Logits::new(self.classes.clone(), log_p.mapv(f64::from))?.softmax(Temperature::ONE))
        };
        let (module, device, input) = (&self.module, &self.device, self.input());
        each_log_probabilities(module, device, &input, patches, probabilities, |part, p| take(part, p?))
    }

    fn weights(&self) -> Weights {
        weights::read(&self.module)
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights::write(&mut self.module, weights)
    }
}
