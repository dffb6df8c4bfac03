//! Layers: named parameters and the forward pass over them.

use std::collections::BTreeMap;
use std::ops::Range;

use dfdx::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rayon::prelude::*;

use super::ops::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Matrix, Padding, PixelScores, Rows, Statistics,
    Vector, Window,
};
use super::tape::{Taped, fork};

/// One forward pass: training (batch statistics, dropout), inference (moving averages, no dropout), or
/// sampling (moving averages, dropout).
pub(crate) struct Pass<E: Dtype, D: Backend<E>> {
    /// Draws the dropout, where there is one.
    random: Option<ChaCha8Rng>,
    /// The batch statistics met so far, in training.
    statistics: Option<BTreeMap<String, Statistics<E, D>>>,
}

impl<E: Dtype, D: Backend<E>> Pass<E, D> {
    /// A pass that infers.
    pub(crate) fn inference() -> Self {
        Self { random: None, statistics: None }
    }

    /// A pass that trains; `random` draws the dropout.
    pub(crate) fn training(random: ChaCha8Rng) -> Self {
        Self { random: Some(random), statistics: Some(BTreeMap::new()) }
    }

    /// A pass of Monte Carlo dropout: an inference in which `random` draws the dropout.
    pub(crate) fn sampling(random: ChaCha8Rng) -> Self {
        Self { random: Some(random), statistics: None }
    }

    /// The batch statistics that the pass has met, by layer.
    pub(crate) fn into_statistics(self) -> BTreeMap<String, Statistics<E, D>> {
        self.statistics.unwrap_or_default()
    }
}

/// Meets every number of a network, in one order, under the names that checkpoints use.
pub(crate) trait Visitor<E: Dtype, D: Backend<E>> {
    /// A matrix that training changes.
    fn matrix(&mut self, name: &str, tensor: &mut Matrix<E, D>);
    /// A vector that training changes.
    fn vector(&mut self, name: &str, tensor: &mut Vector<E, D>);
    /// A moving average of batch norm layer `layer`.
    fn statistic(&mut self, layer: &str, kind: Moment, tensor: &mut Vector<E, D>);
}

/// Which moving average of a batch norm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Mean,
    Variance,
}

impl Moment {
    /// The tensor's name behind the layer's.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mean => "moving_mean",
            Self::Variance => "moving_variance",
        }
    }
}

/// Numbers from He's normal distribution, truncated at two deviations as Keras's `he_normal` is
/// (He et al. 2015): the deviation after truncation is √(2 / inputs).
fn he_normal(random: &mut ChaCha8Rng, inputs: usize, len: usize) -> Vec<f64> {
    /// Deviation of a standard normal truncated at ±2.
    const TRUNCATED: f64 = 0.879_625_661_034_239_8;
    let normal = Normal::new(0.0, 1.0).expect("a deviation of 1");
    let scale = (2.0 / inputs as f64).sqrt() / TRUNCATED;
    let mut draw = || loop {
        let x: f64 = normal.sample(random);
        if x.abs() <= 2.0 {
            return scale * x;
        }
    };
    (0..len).map(|_| draw()).collect()
}

/// Numbers from the uniform distribution on ±√(6 / (inputs + outputs)), Keras's `glorot_uniform`
/// (Glorot & Bengio 2010).
fn glorot_uniform(random: &mut ChaCha8Rng, inputs: usize, outputs: usize, len: usize) -> Vec<f64> {
    let limit = (6.0 / (inputs + outputs) as f64).sqrt();
    uniform(random, -limit..limit, len)
}

/// What `gen_range` would give so many times, drawn by all threads: each number takes two words of the stream, whose
/// places are known.
fn uniform(random: &mut ChaCha8Rng, range: Range<f64>, len: usize) -> Vec<f64> {
    const WORDS: u128 = 2;
    /// Numbers that a thread draws at once.
    const PART: usize = 1 << 15;
    let first = random.get_word_pos();
    let place = |n: usize| first + WORDS * n as u128;
    let mut numbers = vec![0.0; len];
    let parts = numbers.par_chunks_mut(PART).enumerate();
    let plain = parts.map(|(n, part)| {
        let mut random = random.clone();
        random.set_word_pos(place(n * PART));
        part.fill_with(|| random.gen_range(range.clone()));
        random.get_word_pos() == place(n * PART + part.len())
    });
    // One in 2⁵² is rounded up to the range's end and drawn again, so that all behind it move on.
    if plain.reduce(|| true, |a, b| a && b) {
        random.set_word_pos(place(len));
    } else {
        numbers.fill_with(|| random.gen_range(range.clone()));
    }
    numbers
}

/// What a convolution's first weights are drawn from.
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
    /// So many first weights of a layer that has so many inputs and outputs a number.
    fn draw<E: Dtype>(self, random: &mut ChaCha8Rng, [inputs, outputs]: [usize; 2], len: usize) -> Vec<E> {
        numbers(match self {
            Self::He => he_normal(random, inputs, len),
            Self::HeUniform => glorot_uniform(random, inputs, 0, len),
            Self::HeOutputs => he_normal(random, outputs, len),
            Self::Glorot => glorot_uniform(random, inputs, outputs, len),
        })
    }
}

/// Numbers in the network's own type.
fn numbers<E: Dtype>(values: Vec<f64>) -> Vec<E> {
    values.into_iter().map(|x| E::from_f64(x).expect("f32 and f64 hold any number")).collect()
}

/// Convolution, batch norm and an activation: ReLU, unless it is made [`linear`](Self::linear) or
/// [`swish`](Self::swish).
#[derive(Clone)]
pub(crate) struct Convolution<E: Dtype, D: Backend<E>> {
    name: String,
    kind: Kind,
    window: Window,
    activation: Activation,
    epsilon: f64,
    weight: Matrix<E, D>,
    bias: Vector<E, D>,
    /// Without, the bias is 0 and no parameter: batch norm has its own.
    has_bias: bool,
    scale: Vector<E, D>,
    shift: Vector<E, D>,
    mean: Vector<E, D>,
    variance: Vector<E, D>,
}

impl<E: Dtype, D: Backend<E>> Convolution<E, D> {
    /// A layer with first weights drawn at random; ε = 1e-3 as in Keras.
    pub(crate) fn new(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        initial: Initial,
        window: Window,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let sides = (window.kernel * window.kernel * inputs, outputs);
        let fans = [sides.0, window.kernel * window.kernel * outputs];
        let weight = initial.draw(random, fans, sides.0 * sides.1);
        Self::of(name.into(), device, Kind::Full, window, device.tensor_from_vec(weight, sides), outputs)
    }

    fn of(
        name: String,
        device: &D,
        kind: Kind,
        window: Window,
        weight: Matrix<E, D>,
        outputs: usize,
    ) -> Self {
        Self {
            name,
            kind,
            window,
            activation: Activation::Relu,
            epsilon: 1e-3,
            weight,
            bias: device.zeros_like(&(outputs,)),
            has_bias: true,
            scale: device.ones_like(&(outputs,)),
            shift: device.zeros_like(&(outputs,)),
            mean: device.zeros_like(&(outputs,)),
            variance: device.ones_like(&(outputs,)),
        }
    }

    /// The layer with another ε.
    pub(crate) fn epsilon(self, epsilon: f64) -> Self {
        Self { epsilon, ..self }
    }

    /// The layer without its ReLU.
    pub(crate) fn linear(self) -> Self {
        Self { activation: Activation::None, ..self }
    }

    /// (B, H, W, inputs) → (B, H', W', outputs).
    pub(crate) fn forward(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        self.run(x, None, pass)
    }

    /// As [`forward`](Self::forward), with a shortcut added before the ReLU (He et al. 2016, Eq. 1).
    pub(crate) fn forward_onto(
        &self,
        x: Maps<E, D>,
        shortcut: Maps<E, D>,
        pass: &mut Pass<E, D>,
    ) -> Maps<E, D> {
        self.run(x, Some(shortcut), pass)
    }

    fn run(&self, x: Maps<E, D>, shortcut: Option<Maps<E, D>>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let layer = ConvNorm {
            kind: self.kind,
            weight: &self.weight,
            bias: &self.bias,
            scale: &self.scale,
            shift: &self.shift,
            epsilon: self.epsilon,
            window: self.window,
            activation: self.activation,
        };
        if let Some(met) = &mut pass.statistics {
            let (out, statistics) = D::conv_norm(x, shortcut, &layer);
            met.insert(self.name.clone(), statistics);
            out
        } else {
            let statistics = Statistics { mean: self.mean.clone(), variance: self.variance.clone() };
            D::conv_norm_frozen(x, shortcut, &layer, &statistics)
        }
    }

    /// Meets the layer's tensors.
    pub(crate) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        let name = |part: &str| format!("{}.{part}", self.name);
        visitor.matrix(&name("weight"), &mut self.weight);
        if self.has_bias {
            visitor.vector(&name("bias"), &mut self.bias);
        }
        visitor.vector(&name("gamma"), &mut self.scale);
        visitor.vector(&name("beta"), &mut self.shift);
        visitor.statistic(&self.name, Moment::Mean, &mut self.mean);
        visitor.statistic(&self.name, Moment::Variance, &mut self.variance);
    }
}

/// Depthwise and transposed layers, and what goes with them.
impl<E: Dtype, D: Backend<E>> Convolution<E, D> {
    /// As [`new`](Self::new), of each channel by itself (Keras's `DepthwiseConv2D`).
    pub(crate) fn depthwise(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        initial: Initial,
        window: Window,
        channels: usize,
    ) -> Self {
        let taps = window.kernel * window.kernel;
        // Keras counts a kernel of (side, side, channels, 1).
        let weight = initial.draw(random, [taps * channels, taps], taps * channels);
        let weight = device.tensor_from_vec(weight, (taps, channels));
        Self::of(name.into(), device, Kind::Depthwise, window, weight, channels)
    }

    /// As [`new`](Self::new), transposed (Keras's `Conv2DTranspose` with `same` padding): the maps grow by the
    /// window's stride.
    ///
    /// # Panics
    /// A window of other padding.
    pub(crate) fn transposed(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        initial: Initial,
        window: Window,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        assert_eq!(window.padding, Padding::Same, "transposed convolutions are of `same` padding");
        let taps = window.kernel * window.kernel;
        let weight = initial.draw(random, [taps * outputs, taps * inputs], taps * outputs * inputs);
        let weight = device.tensor_from_vec(weight, (taps * outputs, inputs));
        Self::of(name.into(), device, Kind::Transposed, window, weight, outputs)
    }

    /// The layer with swish in place of its ReLU.
    pub(crate) fn swish(self) -> Self {
        Self { activation: Activation::Swish, ..self }
    }

    /// The layer without a bias before its batch norm.
    pub(crate) fn without_bias(self) -> Self {
        Self { has_bias: false, ..self }
    }
}

/// y = x · w + b, or max(0, y).
#[derive(Clone)]
pub(crate) struct Dense<E: Dtype, D: Backend<E>> {
    name: String,
    weight: Matrix<E, D>,
    bias: Vector<E, D>,
    relu: bool,
    passes_back: bool,
}

impl<E: Dtype, D: Backend<E>> Dense<E, D> {
    /// A layer with He-normal weights.
    pub(crate) fn new(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self::drawn(name, device, random, Initial::He, inputs, outputs)
    }

    /// A layer with Glorot-uniform weights, as Keras makes one that is not told otherwise.
    pub(crate) fn glorot(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        Self::drawn(name, device, random, Initial::Glorot, inputs, outputs)
    }

    /// A layer with weights drawn as a convolution's are.
    pub(crate) fn drawn(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        initial: Initial,
        inputs: usize,
        outputs: usize,
    ) -> Self {
        let weights = initial.draw(random, [inputs, outputs], inputs * outputs);
        Self::of(name.into(), device, weights, (inputs, outputs))
    }

    fn of(name: String, device: &D, weights: Vec<E>, shape: (usize, usize)) -> Self {
        let weight = device.tensor_from_vec(weights, shape);
        Self { name, weight, bias: device.zeros_like(&(shape.1,)), relu: false, passes_back: true }
    }

    /// The same layer with max(0, ·) behind it.
    pub(crate) fn with_relu(self) -> Self {
        Self { relu: true, ..self }
    }

    /// The same layer as a network's first: nothing before it is learnt.
    pub(crate) fn first(self) -> Self {
        Self { passes_back: false, ..self }
    }

    /// (B, inputs) → (B, outputs).
    pub(crate) fn forward(&self, x: Rows<E, D>) -> Rows<E, D> {
        let Self { weight, bias, relu, passes_back, .. } = self;
        D::dense(x, &DenseLayer { weight, bias, relu: *relu, passes_back: *passes_back })
    }

    /// Meets the layer's tensors.
    pub(crate) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        visitor.matrix(&format!("{}.weight", self.name), &mut self.weight);
        visitor.vector(&format!("{}.bias", self.name), &mut self.bias);
    }
}

/// The classes' ln p of each pixel: a convolution with a bias, and the softmax.
#[derive(Clone)]
pub(crate) struct PixelHead<E: Dtype, D: Backend<E>> {
    name: String,
    window: Window,
    weight: Matrix<E, D>,
    bias: Vector<E, D>,
}

impl<E: Dtype, D: Backend<E>> PixelHead<E, D> {
    /// A layer with Glorot-uniform weights that sees so many pixels a side.
    pub(crate) fn new(
        name: impl Into<String>,
        device: &D,
        random: &mut ChaCha8Rng,
        kernel: usize,
        inputs: usize,
        classes: usize,
    ) -> Self {
        let taps = kernel * kernel;
        let weight = Initial::Glorot.draw(random, [taps * inputs, taps * classes], taps * inputs * classes);
        Self {
            name: name.into(),
            window: Window::same(kernel),
            weight: device.tensor_from_vec(weight, (taps * inputs, classes)),
            bias: device.zeros_like(&(classes,)),
        }
    }

    /// (B, S, S, inputs) → (B S S, classes).
    pub(crate) fn log_probabilities(&self, x: Maps<E, D>) -> Rows<E, D> {
        let Self { window, weight, bias, .. } = self;
        D::pixel_log_softmax(x, &PixelScores { weight, bias, window: *window })
    }

    /// Meets the layer's tensors.
    pub(crate) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        visitor.matrix(&format!("{}.weight", self.name), &mut self.weight);
        visitor.vector(&format!("{}.bias", self.name), &mut self.bias);
    }
}

/// z σ(z) of a few rows.
pub(crate) fn swish<E: Dtype, D: Backend<E>>(z: Rows<E, D>) -> Rows<E, D> {
    let (z, again) = fork(z);
    z * again.sigmoid()
}

/// Sets a share `rate` of the numbers to zero while training or sampling, and scales the others so that the
/// expectation stays (Srivastava et al. 2014). The draw is the pass's own, the same on every device.
pub(crate) fn dropout<S: Shape, E: Dtype, D: Backend<E>>(
    x: Taped<S, E, D>,
    rate: f64,
    pass: &mut Pass<E, D>,
) -> Taped<S, E, D> {
    let Some(random) = &mut pass.random else { return x };
    if rate == 0.0 {
        return x;
    }
    let shape = *x.shape();
    let factors = dropout_factors(shape.num_elements(), rate, random);
    let factors: Tensor<S, E, D> = x.device().tensor_from_vec(factors, shape);
    D::times(x, factors)
}

/// 0 for a share `rate` of the numbers, 1 / (1 − rate) for the others. Threads draw parts of one stream, which goes
/// on behind them: the same numbers as if one drew them all.
fn dropout_factors<E: Dtype>(len: usize, rate: f64, random: &mut ChaCha8Rng) -> Vec<E> {
    /// Numbers of a task.
    const PART: usize = 1 << 14;
    let [zero, kept] =
        [0.0, 1.0 / (1.0 - rate)].map(|x| E::from_f64(x).expect("f32 and f64 hold any number"));
    let start = random.get_word_pos();
    let mut factors = vec![zero; len];
    factors.par_chunks_mut(PART).enumerate().for_each(|(part, factors)| {
        let mut random = random.clone();
        // A number takes one word of the stream.
        random.set_word_pos(start + (part * PART) as u128);
        for factor in factors {
            if random.r#gen::<f32>() >= rate as f32 {
                *factor = kept;
            }
        }
    });
    random.set_word_pos(start + len as u128);
    factors
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn first_weights_are_drawn_by_any_number_of_threads_as_one_draws_them() {
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let _: u32 = random.r#gen();
        let mut alone = random.clone();
        for len in [0, 7, 1 << 15, 80_001] {
            let expected: Vec<f64> = (0..len).map(|_| alone.gen_range(-0.3..0.3)).collect();
            assert_eq!(uniform(&mut random, -0.3..0.3, len), expected);
        }
        assert_eq!(random.r#gen::<u32>(), alone.r#gen::<u32>());
    }

    #[test]
    fn dropout_is_drawn_by_any_number_of_threads_as_one_draws_it() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        random.set_stream(5);
        let _: u32 = random.r#gen();
        let mut alone = random.clone();
        for len in [0, 7, 40_000] {
            let factors: Vec<f64> = dropout_factors(len, 0.2, &mut random);
            let expected: Vec<f64> =
                (0..len).map(|_| if alone.r#gen::<f32>() < 0.2 { 0.0 } else { 1.25 }).collect();
            assert_eq!(factors, expected);
        }
        assert_eq!(random.r#gen::<u32>(), alone.r#gen::<u32>());
    }
}
