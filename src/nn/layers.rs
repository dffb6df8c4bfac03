//! Layers: named parameters and the forward pass over them.

use std::collections::BTreeMap;
use std::fmt::Display;

use dfdx::prelude::*;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::fill::fill;
use super::ops::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Matrix, Onto, PixelScores, Rows, Statistics,
    Vector, Window, number,
};
use super::tape::Taped;

/// One forward pass: training (batch statistics, dropout), inference (moving averages, no dropout), or
/// sampling (moving averages, dropout).
pub(crate) struct Pass<E: Dtype, D: Backend<E>> {
    /// Draws the dropout, where there is one.
    random: Option<ChaCha8Rng>,
    /// The batch statistics met so far, in training, by the names of the moving averages.
    statistics: Option<BTreeMap<String, Vector<E, D>>>,
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
            met.push(Layer { output: sides(shape)[1..].to_vec(), ..layer() });
        }
    }

    /// The batch statistics that the pass has met, by the names of the moving averages.
    pub(crate) fn into_statistics(self) -> BTreeMap<String, Vector<E, D>> {
        self.statistics.unwrap_or_default()
    }
}

/// The sides of a tensor.
pub(super) fn sides(shape: &impl Shape) -> Vec<usize> {
    shape.concrete().into_iter().collect()
}

/// Meets every number of a network, in one order, under the names that checkpoints use.
pub(crate) trait Visitor<E: Dtype, D: Backend<E>> {
    /// A tensor that training changes.
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, E, D>);

    /// A moving average of a batch norm.
    fn average(&mut self, _name: &str, _tensor: &mut Vector<E, D>) {}
}

/// What a batch norm's moving averages are called behind the layer's name.
const MEAN: &str = "moving_mean";
const VARIANCE: &str = "moving_variance";

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
    /// Without, the weight is 1 and no parameter: batch norm alone.
    has_weight: bool,
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
            has_weight: true,
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

    /// Batch norm and ReLU alone, for pre-activation (He et al. 2016, *Identity Mappings in Deep Residual Networks*).
    pub(super) fn norm_alone(name: String, device: &D, channels: usize) -> Self {
        let weight = device.ones_like(&(1, channels));
        let layer = Self::of(name, device, Kind::Depthwise, Window::same(1), weight, channels);
        Self { has_weight: false, has_bias: false, ..layer }
    }

    /// (B, H, W, inputs) → (B, H', W', outputs).
    pub(crate) fn forward(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        self.forward_onto((x, None), pass)
    }

    /// As [`forward`](Self::forward), with a shortcut, where there is one, added before the ReLU (He et al. 2016, Eq. 1).
    pub(crate) fn forward_onto(&self, (x, shortcut): Onto<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
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
            let (out, Statistics { mean, variance }) = D::conv_norm((x, shortcut), &layer);
            met.insert(format!("{}.{MEAN}", self.name), mean);
            met.insert(format!("{}.{VARIANCE}", self.name), variance);
            out
        } else {
            let statistics = Statistics { mean: self.mean.clone(), variance: self.variance.clone() };
            D::conv_norm_frozen((x, shortcut), &layer, &statistics)
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
        if !self.has_weight {
            let text = format!("{name}: batch norm{activation}");
            return Layer { text, weights: name.clone(), normalises: true, ..Layer::default() };
        }
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
        if self.has_weight {
            visitor.tensor(&name("weight"), &mut self.weight);
        }
        if self.has_bias {
            visitor.tensor(&name("bias"), &mut self.bias);
        }
        visitor.tensor(&name("gamma"), &mut self.scale);
        visitor.tensor(&name("beta"), &mut self.shift);
        visitor.average(&name(MEAN), &mut self.mean);
        visitor.average(&name(VARIANCE), &mut self.variance);
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

    /// The same layer as a network's first: its input needs no gradient.
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

    /// ln p of the classes whose logits the layer gives: (B, inputs) → (B, classes).
    pub(crate) fn log_probabilities(&self, x: Rows<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let z = self.forward(x, pass);
        pass.named("softmax", z.log_softmax::<Axis<1>>())
    }

    /// The layer at each pixel, a convolution of 1 × 1 without batch norm: (B, H, W, inputs) → (B, H, W, outputs).
    pub(crate) fn forward_at_pixels(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let Self { name, weight, bias, relu, passes_back } = self;
        let (batch, rows, columns, channels) = *x.shape();
        let shape = (batch, rows, columns, bias.shape().0);
        pass.note(&shape, || Layer {
            text: format!("{name}: convolution 1 × 1"),
            weights: name.clone(),
            operations: operations(rows * columns, weight),
            ..Layer::default()
        });
        let pixels = x.reshape_like(&(batch * rows * columns, channels));
        let layer = DenseLayer { weight, bias, relu: *relu, passes_back: *passes_back };
        D::dense(pixels, &layer).reshape_like(&shape)
    }

    /// Meets the layer's tensors.
    pub(crate) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        visitor.tensor(&format!("{}.weight", self.name), &mut self.weight);
        visitor.tensor(&format!("{}.bias", self.name), &mut self.bias);
    }
}

/// Operations of weights that are applied at this number of places.
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
        visitor.tensor(&format!("{}.weight", self.name), &mut self.weight);
        visitor.tensor(&format!("{}.bias", self.name), &mut self.bias);
    }
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
    let [zero, kept] = [0.0, 1.0 / (1.0 - rate)].map(number::<E>);
    let mut factors = vec![zero; shape.num_elements()];
    fill(&mut factors, 1, random, |random| if random.r#gen::<f32>() < rate as f32 { zero } else { kept });
    let factors: Tensor<S, E, D> = x.device().tensor_from_vec(factors, shape);
    D::times(x, factors)
}
