//! Layers: named parameters and the forward pass over them.

use std::collections::BTreeMap;
use std::fmt::Display;

use dfdx::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::ops::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Matrix, PixelScores, Rows, Statistics, Vector,
    Window,
};
use super::tape::{Taped, fork};

/// One forward pass: training (batch statistics, dropout), inference (moving averages, no dropout), or
/// sampling (moving averages, dropout).
pub(crate) struct Pass<E: Dtype, D: Backend<E>> {
    /// Draws the dropout, where there is one.
    random: Option<ChaCha8Rng>,
    /// The batch statistics met so far, in training.
    statistics: Option<BTreeMap<String, Statistics<E, D>>>,
    /// The layers met so far, in a pass that describes them.
    met: Option<Vec<Layer>>,
}

/// A layer or an operation, as a pass has met it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Layer {
    /// What it is, such as `conv1: convolution 7 × 7, stride 2, batch norm, ReLU`.
    pub(crate) text: String,
    /// The shape of its output for one patch.
    pub(crate) output: Vec<usize>,
    /// The beginning of its weights' names; empty where it has none.
    pub(crate) weights: String,
    /// Floating-point operations for one patch: two for each multiplication with a weight.
    pub(crate) operations: u64,
    /// Whether it holds a batch norm.
    pub(crate) normalises: bool,
    /// The share of numbers that it sets to zero in training.
    pub(crate) dropout: f64,
}

impl<E: Dtype, D: Backend<E>> Pass<E, D> {
    /// A pass that infers.
    pub(crate) fn inference() -> Self {
        Self { random: None, statistics: None, met: None }
    }

    /// A pass that trains; `random` draws the dropout.
    pub(crate) fn training(random: ChaCha8Rng) -> Self {
        Self { random: Some(random), statistics: Some(BTreeMap::new()), met: None }
    }

    /// A pass of Monte Carlo dropout: an inference in which `random` draws the dropout.
    pub(crate) fn sampling(random: ChaCha8Rng) -> Self {
        Self { random: Some(random), statistics: None, met: None }
    }

    /// An inference that notes the layers it meets.
    pub(crate) fn describing() -> Self {
        Self { random: None, statistics: None, met: Some(Vec::new()) }
    }

    /// The layers that a [describing](Self::describing) pass has met, in order.
    pub(crate) fn into_layers(self) -> Vec<Layer> {
        self.met.unwrap_or_default()
    }

    /// Names the operation without weights that has given `x`, for the description of the network.
    pub(crate) fn named<S: Shape>(&mut self, text: impl Display, x: Taped<S, E, D>) -> Taped<S, E, D> {
        self.note(x.shape(), || Layer { text: text.to_string(), ..Layer::default() });
        x
    }

    /// Notes a layer by its output's shape, batch first, in a describing pass.
    fn note(&mut self, shape: &impl Shape, layer: impl FnOnce() -> Layer) {
        if let Some(met) = &mut self.met {
            let output = shape.concrete().into_iter().skip(1).collect();
            met.push(Layer { output, ..layer() });
        }
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
    /// A layer with these weights; ε = 1e-3 as in Keras.
    pub(super) fn of(
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

    /// The layer with swish in place of its ReLU.
    pub(crate) fn swish(self) -> Self {
        Self { activation: Activation::Swish, ..self }
    }

    /// The layer without a bias before its batch norm.
    pub(crate) fn without_bias(self) -> Self {
        Self { has_bias: false, ..self }
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
        pass.note(&layer.places(*x.shape()), || self.description(&layer, *x.shape(), shortcut.is_some()));
        if let Some(met) = &mut pass.statistics {
            let (out, statistics) = D::conv_norm(x, shortcut, &layer);
            met.insert(self.name.clone(), statistics);
            out
        } else {
            let statistics = Statistics { mean: self.mean.clone(), variance: self.variance.clone() };
            D::conv_norm_frozen(x, shortcut, &layer, &statistics)
        }
    }

    fn description(
        &self,
        layer: &ConvNorm<'_, E, D>,
        maps: (usize, usize, usize, usize),
        has_shortcut: bool,
    ) -> Layer {
        let Self { name, window: Window { kernel, stride, .. }, .. } = self;
        let (_, rows, columns, _) = layer.places(maps);
        let (kind, places) = match self.kind {
            Kind::Full => ("", rows * columns),
            Kind::Depthwise => ("depthwise ", rows * columns),
            // Each pixel of the small maps meets the whole window once.
            Kind::Transposed => ("transposed ", maps.1 * maps.2),
        };
        let stride = if *stride == 1 { String::new() } else { format!(", stride {stride}") };
        let shortcut = if has_shortcut { ", shortcut" } else { "" };
        let activation = match self.activation {
            Activation::None => "",
            Activation::Relu => ", ReLU",
            Activation::Swish => ", swish",
        };
        Layer {
            text: format!(
                "{name}: {kind}convolution {kernel} × {kernel}{stride}, batch norm{shortcut}{activation}"
            ),
            weights: name.clone(),
            operations: operations(places, &self.weight),
            normalises: true,
            ..Layer::default()
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
    /// A layer with these weights.
    pub(super) fn of(name: String, device: &D, weight: Matrix<E, D>) -> Self {
        let bias = device.zeros_like(&(weight.shape().1,));
        Self { name, weight, bias, relu: false, passes_back: true }
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
    pub(crate) fn forward(&self, x: Rows<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let Self { name, weight, bias, relu, passes_back } = self;
        let y = D::dense(x, &DenseLayer { weight, bias, relu: *relu, passes_back: *passes_back });
        pass.note(y.shape(), || Layer {
            text: format!("{name}: dense{}", if *relu { ", ReLU" } else { "" }),
            weights: name.clone(),
            operations: operations(1, weight),
            ..Layer::default()
        });
        y
    }

    /// Meets the layer's tensors.
    pub(crate) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        visitor.matrix(&format!("{}.weight", self.name), &mut self.weight);
        visitor.vector(&format!("{}.bias", self.name), &mut self.bias);
    }
}

/// Operations of weights that are applied at so many places.
fn operations<E: Dtype, D: Backend<E>>(places: usize, weight: &Matrix<E, D>) -> u64 {
    2 * (places * weight.shape().num_elements()) as u64
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
    /// A layer with these weights.
    pub(super) fn of(name: String, device: &D, window: Window, weight: Matrix<E, D>) -> Self {
        Self { name, window, bias: device.zeros_like(&(weight.shape().1,)), weight }
    }

    /// (B, S, S, inputs) → (B S S, classes).
    pub(crate) fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let Self { name, window, weight, bias } = self;
        let (batch, rows, columns, _) = *x.shape();
        pass.note(&(batch, rows, columns, bias.shape().0), || Layer {
            text: format!("{name}: convolution {0} × {0}, softmax", window.kernel),
            weights: name.clone(),
            operations: operations(rows * columns, weight),
            ..Layer::default()
        });
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
    if rate == 0.0 {
        return x;
    }
    pass.note(x.shape(), || Layer { text: format!("dropout {rate}"), dropout: rate, ..Layer::default() });
    let Some(random) = &mut pass.random else { return x };
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
