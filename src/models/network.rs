//! A network with its input, classes and standardisation, of any architecture, on any device.

use dfdx::prelude::Cpu;
use ndarray::{Array2, s};

use super::architecture::with_settings;
use super::blueprint::Blueprint;
use super::{Architecture, Classifier, Device, Model, Storable, check_imagery};
use crate::data::{Patches, Sample};
use crate::nn::inference::Inference;
use crate::nn::training::fit;
use crate::nn::{Backend, Fit, History, Module, Observer, Standardisation, TrainingState, Weights, weights};
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
) -> Result<Box<dyn Model>> {
    match device {
        Device::Cpu => build_on(&Cpu::default(), architecture, imagery, classes, seed),
        #[cfg(feature = "cuda")]
        Device::Cuda(number) => build_on(&gpu(number, seed)?, architecture, imagery, classes, seed),
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

fn build_on<D: Backend<f32>>(
    device: &D,
    architecture: &Architecture,
    imagery: &Imagery,
    classes: &Classes,
    seed: u64,
) -> Result<Box<dyn Model>> {
    with_settings!(architecture, settings => {
        Ok(Box::new(Trained {
            architecture: architecture.clone(),
            imagery: imagery.clone(),
            classes: classes.clone(),
            standardisation: None,
            module: settings.build(device, imagery, classes, seed)?,
            device: device.clone(),
        }))
    })
}

/// A module with its imagery, classes and standardisation.
struct Trained<M, D> {
    architecture: Architecture,
    imagery: Imagery,
    classes: Classes,
    standardisation: Option<Standardisation>,
    module: M,
    device: D,
}

impl<D: Backend<f32>, M: Module<f32, D>> Trained<M, D> {
    /// Does something with patches on their way through the network. Nothing is done to the input, until training or
    /// an import says so.
    fn through<T>(&self, patches: &Patches, run: impl FnOnce(Inference<'_, D, M>) -> Result<T>) -> Result<T> {
        check_imagery(self, patches)?;
        let identity = || {
            tracing::warn!(
                "{}: no standardisation, as of a network that was not trained; its predictions on {} mean little",
                self.name(),
                patches.name()
            );
            Standardisation::identity(self.imagery.bands.len())
        };
        let standardisation = &self.standardisation.clone().unwrap_or_else(identity);
        run(Inference { module: &self.module, device: &self.device, standardisation, patches })
    }

    /// ln p as probabilities.
    fn probabilities(&self, log_p: &Array2<f32>) -> Result<Probabilities> {
        Ok(Logits::new(self.classes.clone(), log_p.mapv(f64::from))?.softmax(Temperature::ONE))
    }
}

impl<D: Backend<f32>, M: Module<f32, D>> Classifier for Trained<M, D> {
    fn name(&self) -> &str {
        self.architecture.name()
    }

    fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    fn classes(&self) -> &Classes {
        &self.classes
    }

    fn sample(&self) -> Sample {
        self.architecture.sample()
    }

    fn storable(&self) -> Option<Storable<'_>> {
        Some(Storable::Network(self))
    }

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        let each = self.sample().rows(self.imagery.patch_size);
        let mut p = Array2::zeros((patches.len() * each, self.classes.len()));
        let finish = |log_p: Array2<f32>| self.probabilities(&log_p);
        self.through(patches, |inference| {
            inference.each_log_probabilities(
                finish,
                || Ok(()),
                |part, of_part| {
                    p.slice_mut(s![part.start * each..part.end * each, ..]).assign(&of_part?.view());
                    Ok(())
                },
            )
        })?;
        Ok(Probabilities::from_checked(self.classes.clone(), p))
    }
}

impl<D: Backend<f32>, M: Module<f32, D>> Model for Trained<M, D> {
    fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }

    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()> {
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

    fn fit_examples(
        &mut self,
        of: Fit<'_>,
        start: TrainingState,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        let train = of.train.patches;
        for set in std::iter::once(&of.train).chain(&of.validation) {
            check_imagery(self, set.patches)?;
            if set.classes() != &self.classes {
                let problem = format!("classes {}, the model's are {}", set.classes(), self.classes);
                return Err(Error::input(set.patches.name(), problem, "give labels of the model's classes"));
            }
            set.check_for(self.name(), self.sample())?;
        }
        self.architecture.check_batches(train, of.training.batch_size)?;
        let input = match &self.standardisation {
            Some(input) => input.clone(),
            None => Standardisation::fit(train, observer)?,
        };
        let history = fit(&mut self.module, &self.device, &input, of, start, observer)?;
        self.standardisation = Some(input);
        Ok(history)
    }

    fn logits(&self, patches: &Patches) -> Result<Logits> {
        let log_p = self.through(patches, |inference| inference.rows(M::log_probabilities))?;
        Logits::new(self.classes.clone(), log_p.mapv(f64::from))
    }

    fn mc_dropout(&self, patches: &Patches, passes: usize, seed: u64) -> Result<Vec<Probabilities>> {
        self.through(patches, |inference| {
            self.architecture.check_passes(&self.imagery, &self.classes, passes)?;
            let sampled = inference.sampled_log_probabilities(passes, seed)?;
            sampled.iter().map(|log_p| self.probabilities(log_p)).collect()
        })
    }

    fn features(&self, patches: &Patches) -> Result<Features> {
        Ok(Features::new(self.through(patches, |inference| inference.rows(M::features))?))
    }

    fn weights(&self) -> Weights {
        weights::read(&self.module)
    }

    fn set_weights(&mut self, weights: &Weights) -> Result<()> {
        weights::write(&mut self.module, weights)
    }
}
