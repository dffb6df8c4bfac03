//! The networks and other classifiers, behind three traits: everything above this floor sees only
//! [`Classifier`], [`Network`] and [`Segmenter`].

mod device;
mod ensemble;
pub mod forest;
pub mod mlp;
mod network;
pub mod pixel;
pub mod resnet50;
mod segmenter;
pub mod sen2lcz;
#[cfg(test)]
mod squares;
mod summary;
pub mod unet;

use serde::{Deserialize, Serialize};

use crate::data::Patches;
use crate::display::Table;
use crate::nn::{
    History, Labelled, Observer, ParameterCount, Standardisation, Training, TrainingState, Weights,
};
use crate::{Classes, Error, Features, Imagery, Labels, Logits, Probabilities, Result};

pub use crate::nn::keep_memory;
pub use device::{Device, DeviceSummary, devices};
pub use ensemble::{Ensemble, McDropout};
use mlp::MlpSettings;
pub use network::{build, build_segmenter};
use resnet50::ResNet50Settings;
pub use segmenter::Segmenter;
use sen2lcz::Sen2LczSettings;
use summary::Layer;
use unet::UnetSettings;

/// Anything that gives each patch a probability for each class.
pub trait Classifier {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// The patches that it takes.
    fn imagery(&self) -> &Imagery;

    /// The classes that it tells apart.
    fn classes(&self) -> &Classes;

    /// Class probabilities. Shape: (N, K).
    ///
    /// # Errors
    /// Patches unlike those it was trained on, or that cannot be read.
    fn predict(&self, patches: &Patches) -> Result<Probabilities>;

    /// What each of its members says, of which [`predict`](Self::predict) is the mean: the networks of an
    /// ensemble, the passes of dropout; any other model is its own only member. Shape of each: (N, K).
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    fn members(&self, patches: &Patches) -> Result<Vec<Probabilities>> {
        Ok(vec![self.predict(patches)?])
    }
}

/// A neural network.
pub trait Network: Classifier {
    /// Its kind and size.
    fn architecture(&self) -> &Architecture;

    /// What is done to its input first; `None` before it is trained.
    fn standardisation(&self) -> Option<&Standardisation>;

    /// Sets what is done to its input, for weights that come with one.
    ///
    /// # Errors
    /// Another number of bands, or a deviation that is not above 0.
    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()>;

    /// Trains it, from the weights it has, and keeps those of the best epoch. A network without a
    /// standardisation takes that of the training set first. After an error it is as it was before.
    ///
    /// # Errors
    /// Unusable settings or data, a loss that is not finite or beyond return, or an observer's error.
    fn fit(
        &mut self,
        train: Labelled<'_>,
        validation: Option<Labelled<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        self.fit_from(TrainingState::start(self.weights()), train, validation, training, observer)
    }

    /// As [`fit`](Self::fit), from a state that such a training, on the same data with the same
    /// settings, has handed its observer: it ends with the same weights, bit by bit, as if it had never
    /// stopped. The network's own weights do not matter; its standardisation does.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); a state of another network.
    fn fit_from(
        &mut self,
        start: TrainingState,
        train: Labelled<'_>,
        validation: Option<Labelled<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History>;

    /// Logits (ln p̄ where softmaxes are averaged). Shape: (N, K).
    ///
    /// # Errors
    /// As [`Classifier::predict`].
    fn logits(&self, patches: &Patches) -> Result<Logits>;

    /// Monte Carlo dropout (Gal & Ghahramani 2016): class probabilities of so many passes, in each of which
    /// dropout is drawn anew; batch norm is as in inference. Shape of each: (N, K).
    ///
    /// The same seed gives the same passes. See [`McDropout`] for their mean.
    ///
    /// # Errors
    /// No pass, a network without dropout, and as [`Classifier::predict`].
    fn mc_dropout(&self, patches: &Patches, passes: usize, seed: u64) -> Result<Vec<Probabilities>>;

    /// The penultimate layer. Shape: (N, D).
    ///
    /// # Errors
    /// As [`Classifier::predict`].
    fn features(&self, patches: &Patches) -> Result<Features>;

    /// How many numbers it has.
    fn parameters(&self) -> ParameterCount;

    /// All of them.
    fn weights(&self) -> Weights;

    /// Replaces all of them, or none.
    ///
    /// # Errors
    /// Weights of another architecture.
    fn set_weights(&mut self, weights: &Weights) -> Result<()>;
}

impl dyn Network {
    /// Its layers with the shape of what they give and their parameters, as Keras's `summary` shows them.
    ///
    /// ```
    /// use lcz::{Classes, Imagery, models};
    /// let sen2lcz = models::Architecture::sen2lcz();
    /// let network = models::build(&sen2lcz, &Imagery::so2sat(), &Classes::lcz(), 0, models::Device::Cpu)?;
    /// assert!(network.summary().to_string().contains("793,348"));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn summary(&self) -> Table {
        let (imagery, classes) = (self.imagery(), self.classes());
        let layers = self.architecture().layers(imagery, classes);
        summary::table(self.name(), (imagery, classes), layers, &self.weights())
    }

    /// Floating-point operations that a forward pass of one sample takes: two for each multiplication in a
    /// convolution or a dense layer.
    pub fn forward_operations(&self) -> u64 {
        summary::operations(self.architecture().layers(self.imagery(), self.classes()), &self.weights())
    }

    /// Shows its summary below a notebook cell.
    pub fn evcxr_display(&self) {
        self.summary().evcxr_display();
    }
}

/// The kind of a network and its size, as a configuration file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum Architecture {
    /// See [`sen2lcz`].
    Sen2lcz(Sen2LczSettings),
    /// See [`mlp`].
    Mlp(MlpSettings),
    /// See [`resnet50`].
    Resnet50(ResNet50Settings),
    /// See [`unet`]: a [`Segmenter`], which [`build_segmenter`] makes.
    Unet(UnetSettings),
}

impl Architecture {
    /// The published Sen2LCZ.
    pub fn sen2lcz() -> Self {
        Self::Sen2lcz(Sen2LczSettings::default())
    }

    /// The course's multilayer perceptron.
    pub fn mlp() -> Self {
        Self::Mlp(MlpSettings::default())
    }

    /// A network of this name with its default settings, `None` if there is no such network.
    pub fn named(name: &str) -> Option<Self> {
        [Self::sen2lcz(), Self::mlp(), Self::resnet50(), Self::unet()]
            .into_iter()
            .find(|architecture| architecture.name() == name)
    }

    /// The published ResNet-50.
    pub fn resnet50() -> Self {
        Self::Resnet50(ResNet50Settings::default())
    }

    /// The U-Net with the encoder EfficientNet-B0.
    pub fn unet() -> Self {
        Self::Unet(UnetSettings::default())
    }

    /// Whether it gives each pixel a class, not each patch.
    pub fn is_of_pixels(&self) -> bool {
        matches!(self, Self::Unet(_))
    }

    /// The share of numbers that dropout sets to zero in training.
    pub fn dropout(&self) -> f64 {
        match self {
            Self::Sen2lcz(settings) => settings.dropout,
            Self::Mlp(settings) => settings.dropout,
            Self::Resnet50(_) | Self::Unet(_) => 0.0,
        }
    }

    /// The layers, in the order in which data pass them.
    fn layers(&self, imagery: &Imagery, classes: &Classes) -> Vec<Layer> {
        let layers = match self {
            Self::Sen2lcz(settings) => settings.layers(imagery, classes),
            Self::Mlp(settings) => settings.layers(imagery, classes),
            Self::Resnet50(settings) => settings.layers(imagery, classes),
            Self::Unet(settings) => return settings.layers(imagery, classes),
        };
        layers.into_iter().map(Layer::from).collect()
    }

    /// The side of its smallest maps behind which a batch norm stands.
    fn smallest_map(&self, patch_size: usize) -> usize {
        match self {
            Self::Sen2lcz(_) => patch_size / 8,
            Self::Mlp(_) => patch_size,
            Self::Resnet50(settings) => settings.maps(patch_size)[5],
            Self::Unet(settings) => patch_size >> settings.halvings(),
        }
    }

    /// Refuses batches of one patch where batch norm would take the variance of one number, which is 0.
    pub(crate) fn check_batches(&self, patches: &Patches, batch_size: usize) -> Result<()> {
        let left = patches.len() % batch_size.max(1);
        if (batch_size == 1 || left == 1) && self.smallest_map(patches.imagery().patch_size) == 1 {
            let which = if batch_size == 1 { "each batch" } else { "the last batch of an epoch" };
            let problem = format!(
                "{which} is one patch, and {}'s smallest maps are one pixel: batch norm has no variance",
                self.name()
            );
            let advice = "choose another training.batch_size";
            return Err(Error::input(patches.name(), problem, advice));
        }
        Ok(())
    }

    /// Refuses passes with dropout that would be none, or all alike.
    fn check_passes(&self, passes: usize) -> Result<()> {
        if passes == 0 {
            return Err(Error::input("MC dropout", "0 passes", "choose 1 or more; 20 are usual"));
        }
        if self.dropout() == 0.0 {
            let problem = "the network has no dropout, so that all passes would be alike";
            return Err(Error::input(
                "MC dropout",
                problem,
                "train with model.dropout above 0, or an ensemble",
            ));
        }
        Ok(())
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sen2lcz(_) => "sen2lcz",
            Self::Mlp(_) => "mlp",
            Self::Resnet50(_) => "resnet50",
            Self::Unet(_) => "unet",
        }
    }
}

/// Refuses labels that are not one a patch, and sets without a patch.
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
