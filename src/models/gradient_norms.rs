//! The fused networks compared with the composed ones: the loss, and how large each tensor's gradient is.

use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::blueprint::Blueprint;
use super::resnet20::ResNet20Settings;
use super::resnet50::{ResNet50Settings, Variant};
use super::unet::UnetSettings;
use crate::data::Sample;
use crate::nn::{AnyTape, Backend, Builder, Module, Pass, Visitor, backward, cross_entropy};
use crate::{Bands, Imagery};

/// Reads the norm of every tensor's gradient.
struct Norms<'a, E: Dtype> {
    gradients: &'a mut Gradients<E, Cpu>,
    found: Vec<(String, f64)>,
}

impl<E: Dtype> Visitor<E, Cpu> for Norms<'_, E>
where
    Cpu: Backend<E>,
{
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, E, Cpu>) {
        let square = <Cpu as Backend<E>>::squared_norm(tensor, self.gradients);
        self.found.push((name.to_owned(), square.sqrt()));
    }
}

/// The loss of a small network on random patches, and the norm of each tensor's gradient.
fn loss_and_norms<E: Dtype, B: Blueprint>(
    settings: &B,
    [batch, size]: [usize; 2],
) -> (f64, Vec<(String, f64)>)
where
    Cpu: Backend<E>,
{
    let (device, mut random) = (Cpu::default(), ChaCha8Rng::seed_from_u64(5));
    let imagery = Imagery { patch_size: size, bands: Bands::from_count(3), ..Imagery::so2sat() };
    let mut network: B::Module<E, Cpu> =
        settings.module(&mut Builder::new(&device, &mut random, &imagery, 4));
    let mut draw = |len: usize| -> Vec<E> {
        (0..len).map(|_| E::from_f64(random.gen_range(0.0..1.0)).unwrap()).collect()
    };
    let samples = if B::SAMPLE == Sample::Pixel { batch * size * size } else { batch };
    let x = device.tensor_from_vec(draw(batch * size * size * 3), (batch, size, size, 3usize));
    let y = device.tensor_from_vec(draw(samples * 4), (samples, 4usize));
    let mut pass = Pass::training(ChaCha8Rng::seed_from_u64(0));
    let x = x.put_tape(AnyTape::recording_from_data());
    let loss = cross_entropy(network.log_probabilities(x, &mut pass), y, samples);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    let mut norms = Norms { gradients: &mut gradients, found: Vec::new() };
    network.visit(&mut norms);
    (value, norms.found)
}

#[track_caller]
fn compare<B: Blueprint>(settings: &B, sides: [usize; 2]) {
    let (fused, of_fused) = loss_and_norms::<f32, B>(settings, sides);
    let (composed, of_composed) = loss_and_norms::<f64, B>(settings, sides);
    assert!((fused - composed).abs() < 1e-4 * composed, "{}: {fused}, not {composed}", B::NAME);
    for ((name, fused), (_, composed)) in of_fused.into_iter().zip(of_composed) {
        // A convolution's bias shifts its mean equally: the rest is rounding.
        let is_nothing = name.ends_with("bias") && composed < 1e-10;
        let near = (fused - composed).abs() <= 0.01 * composed + 1e-6;
        assert!(is_nothing || near && composed > 0.0, "{}, {name}: {fused}, {composed}", B::NAME);
    }
}

#[test]
fn the_fused_networks_have_the_loss_and_the_gradients_of_the_composed_ones() {
    for variant in [Variant::Standard, Variant::Course] {
        compare(&ResNet50Settings { variant, width: 4, head: 6 }, [6, 40]);
    }
    compare(&ResNet20Settings { width: 4 }, [6, 20]);
    compare(&UnetSettings { width: 0.0625, depth: 3, ..UnetSettings::plain() }, [4, 32]);
    compare(&UnetSettings { width: 0.1, ..UnetSettings::default() }, [4, 32]);
}
