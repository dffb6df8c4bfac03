//! The networks and other classifiers, behind two traits: everything above this floor sees only
//! [`Classifier`] and [`Network`].

mod device;
mod ensemble;
pub mod forest;
pub mod mlp;
mod network;
pub mod pixel;
pub mod resnet50;
pub mod sen2lcz;

use serde::{Deserialize, Serialize};

use crate::data::Patches;
use crate::display::{Table, grouped};
use crate::nn::{
    History, Labelled, Observer, ParameterCount, Standardisation, Training, TrainingState, Weights,
};
use crate::{Classes, Error, Features, Imagery, Labels, Logits, Probabilities, Result};

pub use crate::nn::keep_memory;
pub use device::{Device, DeviceSummary, devices};
pub use ensemble::{Ensemble, McDropout};
use mlp::MlpSettings;
pub use network::build;
use resnet50::ResNet50Settings;
use sen2lcz::Sen2LczSettings;

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
        let ParameterCount { total, trainable } = self.parameters();
        let weights = self.weights();
        let of = |layer: &str| -> usize {
            let named = weights
                .iter()
                .filter(|(name, _)| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.')));
            named.map(|(_, weight)| weight.values.len()).sum()
        };
        let shape = |sides: &[usize]| sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        let Imagery { patch_size, bands, .. } = self.imagery();
        let mut table = Table::new(["layer", "output", "parameters"]).captioned(format!(
            "{}: {} classes",
            self.name(),
            self.classes().len()
        ));
        table.row(["input".to_owned(), shape(&[*patch_size, *patch_size, bands.len()]), String::new()]);
        for (name, output, prefix) in self.architecture().layers(self.imagery(), self.classes()) {
            let parameters = if prefix.is_empty() { String::new() } else { grouped(of(&prefix) as u64) };
            table.row([name, shape(&output), parameters]);
        }
        table.row(["all".to_owned(), String::new(), grouped(total as u64)]);
        table.row(["of these trained".to_owned(), String::new(), grouped(trainable as u64)]);
        table
    }

    /// Floating-point operations that a forward pass of one sample takes: two for each multiplication in a
    /// convolution or a dense layer.
    pub fn forward_operations(&self) -> u64 {
        let weights = self.weights();
        let layers = self.architecture().layers(self.imagery(), self.classes());
        let layers = layers.into_iter().filter_map(|(_, output, prefix)| {
            let weight = weights.get(&format!("{prefix}.weight"))?;
            // All sides but that of the channels.
            let places: usize = output[..output.len() - 1].iter().product();
            Some(2 * (places * weight.values.len()) as u64)
        });
        layers.sum()
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
        [Self::sen2lcz(), Self::mlp(), Self::resnet50()]
            .into_iter()
            .find(|architecture| architecture.name() == name)
    }

    /// The published ResNet-50.
    pub fn resnet50() -> Self {
        Self::Resnet50(ResNet50Settings::default())
    }

    /// The share of numbers that dropout sets to zero in training.
    pub fn dropout(&self) -> f64 {
        match self {
            Self::Sen2lcz(settings) => settings.dropout,
            Self::Mlp(settings) => settings.dropout,
            Self::Resnet50(_) => 0.0,
        }
    }

    /// Names and output shapes of the layers, in the order in which data pass them, each with the beginning of
    /// its weights' names; empty where it has none.
    fn layers(&self, imagery: &Imagery, classes: &Classes) -> Vec<(String, Vec<usize>, String)> {
        match self {
            Self::Sen2lcz(settings) => settings.layers(imagery, classes),
            Self::Mlp(settings) => settings.layers(imagery, classes),
            Self::Resnet50(settings) => settings.layers(imagery, classes),
        }
    }

    /// The side of its smallest maps behind which a batch norm stands.
    fn smallest_map(&self, patch_size: usize) -> usize {
        match self {
            Self::Sen2lcz(_) => patch_size / 8,
            Self::Mlp(_) => patch_size,
            Self::Resnet50(settings) => settings.maps(patch_size)[5],
        }
    }

    /// Refuses batches of one patch where batch norm would take the variance of one number, which is 0.
    pub(crate) fn check_batches(&self, patches: &Patches, batch_size: usize) -> Result<()> {
        let left = patches.len() % batch_size.max(1);
        if (batch_size == 1 || left == 1) && self.smallest_map(patches.imagery().patch_size) == 1 {
            let which = if batch_size == 1 { "each batch" } else { "the last batch of an epoch" };
            let problem = format!(
                "{which} is one patch, and {}'s last maps are one pixel: batch norm has no variance",
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
