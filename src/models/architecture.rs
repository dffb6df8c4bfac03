//! The list of all networks. Each has its own file: settings, layers, forward pass.

use dfdx::prelude::Cpu;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use super::mlp::MlpSettings;
use super::resnet20::ResNet20Settings;
use super::resnet50::ResNet50Settings;
use super::sen2lcz::Sen2LczSettings;
use super::unet::UnetSettings;
use super::{Device, Model, build};
use crate::data::{Patches, Sample};
use crate::nn::{Layer, Training, layers_of};
use crate::{Classes, Error, Imagery, Result};

/// The kind of a network and its size, as a configuration file gives it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
#[non_exhaustive]
pub enum Architecture {
    /// See [`sen2lcz`](super::sen2lcz).
    Sen2lcz(Sen2LczSettings),
    /// See [`mlp`](super::mlp).
    Mlp(MlpSettings),
    /// See [`resnet20`](super::resnet20).
    Resnet20(ResNet20Settings),
    /// See [`resnet50`](super::resnet50).
    Resnet50(ResNet50Settings),
    /// See [`unet`](super::unet).
    Unet(UnetSettings),
}

macro_rules! from_settings {
    ($($name:ident($settings:ty)),*) => {$(
        impl From<$settings> for Architecture {
            fn from(settings: $settings) -> Self {
                Self::$name(settings)
            }
        }
    )*};
}
from_settings!(
    Sen2lcz(Sen2LczSettings),
    Mlp(MlpSettings),
    Resnet20(ResNet20Settings),
    Resnet50(ResNet50Settings),
    Unet(UnetSettings)
);

/// Evaluates an expression with the settings of the network, whichever it is.
macro_rules! with_settings {
    ($architecture:expr, $settings:ident => $expression:expr) => {
        match $architecture {
            Architecture::Sen2lcz($settings) => $expression,
            Architecture::Mlp($settings) => $expression,
            Architecture::Resnet20($settings) => $expression,
            Architecture::Resnet50($settings) => $expression,
            Architecture::Unet($settings) => $expression,
        }
    };
}
pub(super) use with_settings;

/// A blueprint's name, and whether its network classifies patches or pixels.
fn facts_of<B: Blueprint>(_: &B) -> (&'static str, Sample) {
    (B::NAME, B::SAMPLE)
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

    /// The So2Sat project's ResNet-20.
    pub fn resnet20() -> Self {
        Self::Resnet20(ResNet20Settings::default())
    }

    /// The published ResNet-50.
    pub fn resnet50() -> Self {
        Self::Resnet50(ResNet50Settings::default())
    }

    /// The U-Net with the encoder EfficientNet-B0.
    pub fn unet() -> Self {
        Self::Unet(UnetSettings::default())
    }

    /// A network of this kind for such patches and their classes, on the processor, with random weights drawn from `seed`.
    ///
    /// # Errors
    /// As [`build`](super::build).
    ///
    /// ```
    /// use lcz::{Classes, Imagery, data::Patches, models::Architecture};
    /// let images = ndarray::Array4::zeros((1, 32, 32, 10));
    /// let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?;
    /// assert_eq!(Architecture::sen2lcz().build_for(&patches, 0)?.parameters().total, 793_348);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn build_for(&self, patches: &Patches, seed: u64) -> Result<Box<dyn Model>> {
        build(self, patches.imagery(), patches.classes(), seed, Device::Cpu)
    }

    /// The names of the networks, in the order of lists.
    pub const NAMES: [&str; 5] = [
        Sen2LczSettings::NAME,
        ResNet20Settings::NAME,
        ResNet50Settings::NAME,
        MlpSettings::NAME,
        UnetSettings::NAME,
    ];

    /// A network of this name with its default settings, `None` if there is no such network.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::json!({ "name": name })).ok()
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        with_settings!(self, settings => facts_of(settings)).0
    }

    /// The unit of classification: each patch, or each pixel.
    pub fn sample(&self) -> Sample {
        with_settings!(self, settings => facts_of(settings)).1
    }

    /// The default settings of its training.
    pub fn training(&self) -> Training {
        with_settings!(self, settings => settings.training())
    }

    /// Refuses invalid settings, and settings that do not fit patches of this size.
    ///
    /// # Errors
    /// Names the setting.
    pub fn check(&self, patch_size: usize) -> Result<()> {
        with_settings!(self, settings => settings.check(patch_size))
    }

    /// Its layers and other operations between patch and prediction, in the order of the forward pass. Found by a forward
    /// pass, of one patch through a network with any weights.
    ///
    /// # Errors
    /// Settings that do not fit the patches.
    pub(super) fn layers(&self, imagery: &Imagery, classes: &Classes) -> Result<Vec<Layer>> {
        let device = Cpu::default();
        with_settings!(self, settings => {
            let module = settings.build(&device, imagery, classes, 0)?;
            Ok(layers_of(&module, &device, imagery.patch_size, imagery.bands.len()))
        })
    }

    /// The layers of a network that has been built.
    pub(super) fn layers_of_built(&self, imagery: &Imagery, classes: &Classes) -> Vec<Layer> {
        self.layers(imagery, classes).expect("a network that was built fits its patches")
    }

    /// Floating-point operations of a forward pass of one patch.
    pub(super) fn operations(&self, imagery: &Imagery, classes: &Classes) -> u64 {
        self.layers_of_built(imagery, classes).iter().map(|layer| layer.operations).sum()
    }

    /// Refuses batches of one patch where batch norm would take the variance of one number, which is 0.
    pub(crate) fn check_batches(&self, patches: &Patches, batch_size: usize) -> Result<()> {
        let left = patches.len() % batch_size.max(1);
        if batch_size != 1 && left != 1 {
            return Ok(());
        }
        let layers = self.layers(patches.imagery(), patches.classes())?;
        // One pixel: one number per channel.
        if layers.iter().any(|layer| layer.normalises && layer.output[..2] == [1, 1]) {
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

    /// Refuses zero passes, and passes of a network without dropout, which would all be equal.
    pub(super) fn check_passes(&self, imagery: &Imagery, classes: &Classes, passes: usize) -> Result<()> {
        if passes == 0 {
            return Err(Error::input("MC dropout", "0 passes", "choose 1 or more; 20 are usual"));
        }
        if self.layers(imagery, classes)?.iter().all(|layer| layer.dropout == 0.0) {
            let problem = "the network has no dropout, so that all passes would be equal";
            let advice = "train with model.dropout above 0, or an ensemble";
            return Err(Error::input("MC dropout", problem, advice));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_found_by_its_name() {
        let found = Architecture::NAMES.map(|name| Architecture::named(name).unwrap());
        assert_eq!(found.each_ref().map(Architecture::name), Architecture::NAMES);
        let each = [
            Architecture::sen2lcz(),
            Architecture::resnet20(),
            Architecture::resnet50(),
            Architecture::mlp(),
            Architecture::unet(),
        ];
        assert_eq!(found, each);
        assert_eq!(Architecture::named("resnet99"), None);
    }
}
