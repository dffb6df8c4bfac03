//! The networks and other classifiers, behind two traits: everything above this module sees only [`Classifier`] and
//! [`Model`].
//!
//! A sample is a patch or a pixel ([`Sample`]); everything else is the same for both.

mod architecture;
pub mod baselines;
mod blueprint;
mod calibrated;
mod device;
mod ensemble;
pub mod forest;
#[cfg(test)]
mod gradient_norms;
pub mod mlp;
mod network;
pub mod resnet20;
pub mod resnet50;
pub mod sen2lcz;
mod summary;
pub mod unet;

use std::fmt;

use self::forest::RandomForest;
use crate::data::Patches;
use crate::display::Table;
use crate::metrics::Scores;
use crate::nn::{
    Fit, History, IntoExamples, Observer, ParameterCount, Standardisation, Training, TrainingState, Weights,
};
use crate::predictions::StoredTemperature;
use crate::{Classes, Error, Features, Imagery, Labels, Logits, Probabilities, Result};

pub use crate::data::Sample;
pub use crate::nn::{Shared, keep_memory};
pub use architecture::Architecture;
pub use calibrated::Calibrated;
pub(crate) use calibrated::FLOOR;
pub use device::{Device, DeviceSummary, check_instruction_set, devices};
pub use ensemble::{Ensemble, McDropout};
pub use network::build;

/// Anything that gives each sample, patch or pixel, a probability for each class. Threads may share it, except in a build for
/// CUDA ([`Shared`]).
///
/// ```
/// use lcz::models::Classifier;
/// use lcz::prelude::*;
///
/// /// Calls all patches the first class.
/// struct First(Imagery, Classes);
///
/// impl Classifier for First {
///     fn name(&self) -> &str { "first" }
///     fn imagery(&self) -> &Imagery { &self.0 }
///     fn classes(&self) -> &Classes { &self.1 }
///     fn predict(&self, patches: &Patches) -> lcz::Result<Probabilities> {
///         let k = self.1.len();
///         let p = ndarray::Array2::from_shape_fn((patches.len(), k), |(_, class)| f64::from(u8::from(class == 0)));
///         Probabilities::new(self.1.clone(), p)
///     }
/// }
/// ```
pub trait Classifier: Shared {
    /// Its name in tables.
    fn name(&self) -> &str;

    /// The patches that it takes.
    fn imagery(&self) -> &Imagery;

    /// Its classes.
    fn classes(&self) -> &Classes;

    /// The unit of classification.
    fn sample(&self) -> Sample {
        Sample::Patch
    }

    /// Class probabilities, a row per patch, or per pixel: patch by patch and row by row. Shape: (N, K) or (N S S, K).
    ///
    /// # Errors
    /// Other patches than those it was trained on, or that cannot be read.
    fn predict(&self, patches: &Patches) -> Result<Probabilities>;

    /// The predictions of its members, whose mean is [`predict`](Self::predict): the networks of an
    /// ensemble, the passes of dropout; any other model is its only member. Shape of each: as that of `predict`.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    fn members(&self, patches: &Patches) -> Result<Vec<Probabilities>> {
        Ok(vec![self.predict(patches)?])
    }

    /// The temperature that scales its probabilities, if it has one ([`Calibrated`]).
    fn temperature(&self) -> Option<&StoredTemperature> {
        None
    }

    /// The network or forest that it is, for [`Calibrated::save`]; any other classifier is not stored.
    fn storable(&self) -> Option<Storable<'_>> {
        None
    }

    /// Its scores against the labels (or the majority) of these patches, and against their votes; of a classifier of pixels
    /// against the masks. With intervals: [`Scorecard`](crate::scorecard::Scorecard).
    ///
    /// # Errors
    /// As [`predict`](Self::predict); patches without labels, votes or masks.
    fn evaluate(&self, patches: &Patches) -> Result<Scores> {
        let p = self.predict(patches)?;
        if self.sample() == Sample::Pixel {
            let (labels, positions) = patches.masks()?.labels()?;
            return Scores::compute(&p.select(&positions), &labels, None);
        }
        let y = patches.has_distributions().then(|| patches.distributions()).transpose()?;
        Scores::compute(&p, &patches.labels_or_majority()?, y.as_ref())
    }
}

/// A classifier that a file can hold.
#[derive(Debug)]
pub enum Storable<'a> {
    /// A network.
    Network(&'a dyn Model),
    /// A forest.
    Forest(&'a RandomForest),
}

/// A classifier behind a pointer.
macro_rules! pass_classifier_on {
    ($($pointer:ty),*) => {$(
        impl<C: Classifier + ?Sized> Classifier for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn imagery(&self) -> &Imagery {
                (**self).imagery()
            }

            fn classes(&self) -> &Classes {
                (**self).classes()
            }

            fn sample(&self) -> Sample {
                (**self).sample()
            }

            fn predict(&self, patches: &Patches) -> Result<Probabilities> {
                (**self).predict(patches)
            }

            fn members(&self, patches: &Patches) -> Result<Vec<Probabilities>> {
                (**self).members(patches)
            }

            fn temperature(&self) -> Option<&StoredTemperature> {
                (**self).temperature()
            }

            fn storable(&self) -> Option<Storable<'_>> {
                (**self).storable()
            }

            fn evaluate(&self, patches: &Patches) -> Result<Scores> {
                (**self).evaluate(patches)
            }
        }
    )*};
}
pass_classifier_on!(&C, Box<C>);

/// A neural network that can be trained.
pub trait Model: Classifier {
    /// Its kind and size.
    fn architecture(&self) -> &Architecture;

    /// The standardisation of its input; `None` before it is trained.
    fn standardisation(&self) -> Option<&Standardisation>;

    /// Sets the standardisation of its input, for weights that come with one.
    ///
    /// # Errors
    /// Another number of bands, or a deviation that is not above 0.
    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()>;

    /// As [`fit_from`](#method.fit_from) on `dyn Model`, which takes labels and masks as they are.
    ///
    /// # Errors
    /// As there.
    fn fit_examples(
        &mut self,
        of: Fit<'_>,
        start: TrainingState,
        observer: &mut dyn Observer,
    ) -> Result<History>;

    /// Logits (ln p̄ where softmaxes are averaged). Shape: as that of [`predict`](Classifier::predict).
    ///
    /// # Errors
    /// As [`Classifier::predict`].
    fn logits(&self, patches: &Patches) -> Result<Logits>;

    /// Monte Carlo dropout (Gal & Ghahramani 2016): class probabilities of N passes, each with another random draw of
    /// the dropout; batch norm is as in inference. Shape of each: as that of [`predict`](Classifier::predict).
    ///
    /// The same seed gives the same passes. See [`McDropout`] for their mean.
    ///
    /// # Errors
    /// No pass, a network without dropout, and as [`Classifier::predict`].
    fn mc_dropout(&self, patches: &Patches, passes: usize, seed: u64) -> Result<Vec<Probabilities>>;

    /// Features of each patch: the penultimate layer, or of a U-Net the mean of the encoder's smallest
    /// maps. Shape: (N, D).
    ///
    /// # Errors
    /// As [`Classifier::predict`].
    fn features(&self, patches: &Patches) -> Result<Features>;

    /// Its number of parameters.
    fn parameters(&self) -> ParameterCount {
        self.weights().count()
    }

    /// All parameters.
    fn weights(&self) -> Weights;

    /// Replaces all parameters, or none.
    ///
    /// # Errors
    /// Weights of another architecture.
    fn set_weights(&mut self, weights: &Weights) -> Result<()>;
}

/// Its name.
impl fmt::Debug for dyn Classifier + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Its architecture.
impl fmt::Debug for dyn Model + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.architecture().fmt(f)
    }
}

impl dyn Model + '_ {
    /// Trains it, from the weights it has, and keeps those of the best epoch. A network without a
    /// standardisation takes that of the training set first. After an error it is as it was before.
    ///
    /// `&Patches` are trained on with their vote shares, or their labels where they have no votes; a network of pixels with
    /// their masks. [`Labelled`](crate::Labelled) and [`Masked`](crate::Masked) give other targets. The loss of a batch is the mean over its patches, or over its pixels that have a
    /// class, of −Σ_k w_k y_k ln p_k, w being the [`ClassWeights`](crate::ClassWeights); a batch without any has a loss of 0.
    /// Augmentation rotates, mirrors and crops a mask in the same way as its patch.
    ///
    /// ```no_run
    /// # fn example(train: &lcz::data::Patches, validation: &lcz::data::Patches) -> lcz::Result<()> {
    /// use lcz::{Training, models::Architecture, progress::Lines};
    /// let mut network = Architecture::sen2lcz().build_for(train, 0)?;
    /// let training = Training { epochs: 20, ..Training::default() };
    /// let history = network.fit(train, Some(validation), &training, &mut Lines::on_stderr())?;
    /// println!("best epoch {} of {}", history.best_epoch, history.epochs.len());
    /// network.save("model.safetensors")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Unusable settings or data, labels where masks are needed or the other way round, a loss that is not finite or
    /// beyond return, or an observer's error.
    pub fn fit<'a, E: IntoExamples<'a>>(
        &mut self,
        train: E,
        validation: Option<E>,
        training: &Training,
        observer: &mut (impl Observer + ?Sized),
    ) -> Result<History> {
        self.fit_from(TrainingState::start(self.weights()), train, validation, training, observer)
    }

    /// As [`fit`](#method.fit), from a state that such a training, on the same data with the same settings, gave its
    /// observer: it ends with weights bit-identical to those of an uninterrupted training. The network's own weights do
    /// not matter; its standardisation does.
    ///
    /// # Errors
    /// As [`fit`](#method.fit); a state of another network.
    pub fn fit_from<'a, E: IntoExamples<'a>>(
        &mut self,
        start: TrainingState,
        train: E,
        validation: Option<E>,
        training: &Training,
        observer: &mut (impl Observer + ?Sized),
    ) -> Result<History> {
        let train = train.into_examples(self.sample())?;
        let validation = validation.map(|set| set.into_examples(self.sample())).transpose()?;
        let of = Fit { train, validation, training };
        self.fit_examples(of, start, &mut &mut *observer)
    }

    /// Its layers with their output shapes and parameters, as Keras's `summary` shows them.
    ///
    /// ```
    /// use lcz::{Classes, Imagery, models};
    /// let sen2lcz = models::Architecture::sen2lcz();
    /// let network = models::build(&sen2lcz, &Imagery::so2sat(), &Classes::lcz(), 0, models::Device::Cpu)?;
    /// assert!(network.summary().to_string().contains("793,348"));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn summary(&self) -> Table {
        summary::table(self.architecture(), self.imagery(), self.classes(), &self.weights())
    }

    /// Floating-point operations that a forward pass of one patch takes: two for each multiplication in a
    /// convolution or a dense layer.
    pub fn forward_operations(&self) -> u64 {
        self.architecture().operations(self.imagery(), self.classes())
    }
}

/// Name, imagery and classes of a classifier that holds the two.
macro_rules! described_as {
    ($name:literal) => {
        fn name(&self) -> &'static str {
            $name
        }

        fn imagery(&self) -> &Imagery {
            &self.imagery
        }

        fn classes(&self) -> &Classes {
            &self.classes
        }
    };
}
use described_as;

/// Refuses patches of another kind than those that a model takes.
fn check_imagery(model: &dyn Classifier, patches: &Patches) -> Result<()> {
    match model.imagery().mismatch(patches.imagery()) {
        None => Ok(()),
        Some(difference) => {
            let problem = format!("the model does not fit: {difference}");
            let advice = "use data like that it was trained on, or train a model on this";
            Err(Error::input(patches.name(), problem, advice))
        }
    }
}

/// Refuses sets without a patch, and labels that are not one per patch.
fn check_labels(patches: &Patches, labels: &Labels) -> Result<()> {
    if patches.len() != labels.len() {
        let problem = format!("{} labels for {} patches", labels.len(), patches.len());
        return Err(Error::input(patches.name(), problem, "give one label a patch"));
    }
    if labels.is_empty() {
        return Err(Error::input(patches.name(), "no patch", "give labelled patches"));
    }
    Ok(())
}

#[cfg(all(test, not(feature = "cuda")))]
mod tests {
    use super::*;

    #[test]
    fn threads_share_a_model_and_get_the_same_predictions() {
        fn shared<T: Send + Sync + ?Sized>(_: &T) {}
        let (imagery, classes) = (Imagery::so2sat(), Classes::lcz());
        let network: Box<dyn Model> =
            build(&Architecture::mlp(), &imagery, &classes, 0, Device::Cpu).unwrap();
        shared(&network);
        let images =
            ndarray::Array4::from_shape_fn((3, 32, 32, 10), |(n, r, c, b)| (n + r * b + c) as f32 / 99.0);
        let patches = Patches::in_memory(imagery, classes, images).unwrap();
        let predicted = std::thread::scope(|scope| {
            [(); 2]
                .map(|()| scope.spawn(|| network.predict(&patches).unwrap()))
                .map(|thread| thread.join().unwrap())
        });
        assert_eq!(predicted[0], predicted[1]);
        std::thread::spawn(move || assert_eq!(network.predict(&patches).unwrap(), predicted[0]))
            .join()
            .unwrap();
    }
}
