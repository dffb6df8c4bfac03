//! The trait of a network's settings: its name, and how to build it.

use dfdx::prelude::Dtype;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::data::Sample;
use crate::nn::{Backend, Builder, Module, Training};
use crate::{Classes, Imagery, Result};

/// The settings of a network, from which it is built.
pub(super) trait Blueprint {
    /// Its name in configurations and tables: its variant of `Architecture` in kebab case.
    const NAME: &'static str;

    /// The unit of classification.
    const SAMPLE: Sample = Sample::Patch;

    /// The network that they describe.
    type Module<E: Dtype, D: Backend<E>>: Module<E, D>;

    /// The default settings of its training.
    fn training(&self) -> Training {
        Training::default()
    }

    /// Refuses invalid settings, and settings that do not fit patches of this size.
    fn check(&self, patch_size: usize) -> Result<()>;

    /// The network with random weights, for settings that have been checked.
    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> Self::Module<E, D>;

    /// Checks the settings, and gives the network with weights drawn from a seed.
    fn build<D: Backend<f32>>(
        &self,
        device: &D,
        imagery: &Imagery,
        classes: &Classes,
        seed: u64,
    ) -> Result<Self::Module<f32, D>> {
        self.check(imagery.patch_size)?;
        let random = &mut ChaCha8Rng::seed_from_u64(seed);
        Ok(self.module(&mut Builder::new(device, random, imagery, classes.len())))
    }
}
