//! The random first weights of layers.

use std::marker::PhantomData;

use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::fill::fill;
use super::layers::{Convolution, Dense, PixelHead};
use super::ops::{Backend, Kind, Matrix, Padding, Window, number};
use crate::Imagery;

/// Numbers from He's normal distribution, truncated at two deviations as Keras's `he_normal` is
/// (He et al. 2015): the deviation after truncation is √(2 / inputs).
fn he_normal(random: &mut ChaCha8Rng, inputs: usize, len: usize) -> Vec<f64> {
    /// Deviation of a standard normal truncated at ±2.
    const TRUNCATED: f64 = 0.879_625_661_034_239_8;
    /// Numbers that are worth several threads.
    const MANY: usize = 1 << 20;
    let normal = Normal::new(0.0, 1.0).expect("a deviation of 1");
    let scale = (2.0 / inputs as f64).sqrt() / TRUNCATED;
    let draw = |random: &mut ChaCha8Rng| loop {
        let x: f64 = normal.sample(random);
        if x.abs() <= 2.0 {
            return scale * x;
        }
    };
    if len < MANY {
        return (0..len).map(|_| draw(random)).collect();
    }
    // A draw takes as many random numbers as it needs: parts with streams of their own do not wait for each other.
    let mut numbers = vec![0.0; len];
    let begun = ChaCha8Rng::from_rng(random).expect("a generator that does not fail");
    numbers.par_chunks_mut(MANY / 16).enumerate().for_each(|(part, numbers)| {
        let mut random = begun.clone();
        random.set_stream(part as u64);
        numbers.fill_with(|| draw(&mut random));
    });
    numbers
}

/// Numbers from the uniform distribution on ±√(6 / (inputs + outputs)), Keras's `glorot_uniform`
/// (Glorot & Bengio 2010).
fn glorot_uniform(random: &mut ChaCha8Rng, inputs: usize, outputs: usize, len: usize) -> Vec<f64> {
    let limit = (6.0 / (inputs + outputs) as f64).sqrt();
    let mut numbers = vec![0.0; len];
    fill(&mut numbers, 2, random, |random| random.gen_range(-limit..limit));
    numbers
}

/// The distribution of a layer's first weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Initial {
    /// He's normal distribution.
    He,
    /// He's uniform distribution, on ±√(6 / inputs).
    HeUniform,
    /// He's normal distribution of the outputs' number: EfficientNet's.
    HeOutputs,
    /// Glorot's uniform distribution.
    Glorot,
}

impl Initial {
    /// The first weights of a layer whose outputs have `inputs` inputs each, and whose inputs `outputs` outputs.
    fn draw<E: Dtype>(self, random: &mut ChaCha8Rng, [inputs, outputs]: [usize; 2], len: usize) -> Vec<E> {
        let numbers = match self {
            Self::He => he_normal(random, inputs, len),
            Self::HeUniform => glorot_uniform(random, inputs, 0, len),
            Self::HeOutputs => he_normal(random, outputs, len),
            Self::Glorot => glorot_uniform(random, inputs, outputs, len),
        };
        numbers.into_iter().map(number::<E>).collect()
    }
}

/// Makes layers with random first weights, in the order of the calls: another order gives other weights.
pub(crate) struct Builder<'a, E, D> {
    device: &'a D,
    random: &'a mut ChaCha8Rng,
    /// The input of the network.
    pub(crate) imagery: &'a Imagery,
    /// Its number of classes.
    pub(crate) classes: usize,
    numbers: PhantomData<E>,
}

impl<'a, E: Dtype, D: Backend<E>> Builder<'a, E, D> {
    /// Makes them for a network of this input and number of classes.
    pub(crate) fn new(
        device: &'a D,
        random: &'a mut ChaCha8Rng,
        imagery: &'a Imagery,
        classes: usize,
    ) -> Self {
        Self { device, random, imagery, classes, numbers: PhantomData }
    }

    fn matrix(&mut self, initial: Initial, fans: [usize; 2], sides: (usize, usize)) -> Matrix<E, D> {
        self.device.tensor_from_vec(initial.draw(self.random, fans, sides.0 * sides.1), sides)
    }

    /// A convolution with batch norm and ReLU; ε = 1e-3 as in Keras. A depthwise one (Keras's `DepthwiseConv2D`) has as many
    /// inputs as outputs; a transposed one (`Conv2DTranspose`) has maps that grow by the window's stride.
    ///
    /// # Panics
    /// A transposed convolution of another padding than `same`.
    pub(crate) fn convolution(
        &mut self,
        kind: Kind,
        initial: Initial,
        name: impl Into<String>,
        window: Window,
        [inputs, outputs]: [usize; 2],
    ) -> Convolution<E, D> {
        let is_same = window.padding == Padding::Same;
        assert!(kind != Kind::Transposed || is_same, "transposed convolutions are of `same` padding");
        let taps = window.kernel * window.kernel;
        let (fans, sides) = match kind {
            Kind::Full => ([taps * inputs, taps * outputs], (taps * inputs, outputs)),
            // Keras counts a kernel of (side, side, channels, 1).
            Kind::Depthwise => ([taps * outputs, taps], (taps, outputs)),
            Kind::Transposed => ([taps * outputs, taps * inputs], (taps * outputs, inputs)),
        };
        let weight = self.matrix(initial, fans, sides);
        Convolution::of(name.into(), self.device, kind, window, weight, outputs)
    }

    /// Batch norm and ReLU without a convolution; ε = 1e-3 as in Keras.
    pub(crate) fn norm(&mut self, name: impl Into<String>, channels: usize) -> Convolution<E, D> {
        Convolution::norm_alone(name.into(), self.device, channels)
    }

    /// A dense layer.
    pub(crate) fn dense(
        &mut self,
        initial: Initial,
        name: impl Into<String>,
        [inputs, outputs]: [usize; 2],
    ) -> Dense<E, D> {
        let weight = self.matrix(initial, [inputs, outputs], (inputs, outputs));
        Dense::of(name.into(), self.device, weight)
    }

    /// The last layer of a network of pixels, with Glorot-uniform weights, which sees `kernel` pixels per side.
    pub(crate) fn pixel_head(
        &mut self,
        name: impl Into<String>,
        kernel: usize,
        [inputs, classes]: [usize; 2],
    ) -> PixelHead<E, D> {
        let taps = kernel * kernel;
        let weight = self.matrix(Initial::Glorot, [taps * inputs, taps * classes], (taps * inputs, classes));
        PixelHead::of(name.into(), self.device, Window::same(kernel), weight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_layers_have_he_s_deviation_and_the_same_bits_at_any_number_of_threads() {
        let draw = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| he_normal(&mut ChaCha8Rng::seed_from_u64(1), 50, (1 << 20) + 3))
        };
        let numbers = draw(1);
        assert_eq!(draw(3), numbers);
        let deviation = (numbers.iter().map(|x| x * x).sum::<f64>() / numbers.len() as f64).sqrt();
        assert!((deviation - 0.2).abs() < 1e-3, "{deviation}");
        // Parts do not repeat each other.
        assert!((numbers[0] - numbers[1 << 16]).abs() > 1e-9);
    }
}
