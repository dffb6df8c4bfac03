//! The operations that dfdx lacks on stable Rust, attached to its tape.
//!
//! Each exists in a composed version made of dfdx's own operations ([`composed`]), which runs on any
//! dfdx device in f32 and f64, and is the default of [`Backend`]. A device may bring a faster one:
//! the CPU's fused operations in f32 are in [`fused`]. Tests hold the one against the other and both
//! against finite differences.

pub(crate) mod composed;
mod dense;
mod fused;
#[cfg(test)]
mod tests;

use dfdx::prelude::*;
use ndarray::ArrayView4;

use super::kernels::update::{Before, Step};
pub(crate) use super::kernels::window::{Padding, Window};
use super::tape::Taped;

/// Maps: batch, rows, columns, channels (NHWC).
pub(crate) type Maps<E, D> = Taped<(usize, usize, usize, usize), E, D>;
/// One row a sample.
pub(crate) type Rows<E, D> = Taped<(usize, usize), E, D>;
/// A matrix of weights.
pub(crate) type Matrix<E, D> = Tensor<(usize, usize), E, D>;
/// One number a channel.
pub(crate) type Vector<E, D> = Tensor<(usize,), E, D>;

/// Which channels a convolution connects, and in which direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Every input with every output.
    Full,
    /// Each channel with itself.
    Depthwise,
    /// A full convolution of the outputs backwards (Zeiler et al. 2010, *Deconvolutional Networks*), as Keras's
    /// `Conv2DTranspose`: the maps grow by the stride.
    Transposed,
}

/// What comes last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    None,
    /// max(0, ·).
    Relu,
    /// z / (1 + e^−z), also called SiLU (Ramachandran, Zoph & Le 2017).
    Swish,
}

/// The parameters of a convolution with batch normalisation and an activation.
pub(crate) struct ConvNorm<'a, E: Dtype, D: Device<E>> {
    pub(crate) kind: Kind,
    /// Keras's order, flattened: (kernel · kernel · inputs, outputs), depthwise (kernel · kernel, channels),
    /// transposed (kernel · kernel · outputs, inputs).
    pub(crate) weight: &'a Matrix<E, D>,
    pub(crate) bias: &'a Vector<E, D>,
    /// γ.
    pub(crate) scale: &'a Vector<E, D>,
    /// β.
    pub(crate) shift: &'a Vector<E, D>,
    /// ε, added to the variance.
    pub(crate) epsilon: f64,
    pub(crate) window: Window,
    pub(crate) activation: Activation,
}

impl<E: Dtype, D: Device<E>> ConvNorm<'_, E, D> {
    /// The output's shape.
    pub(crate) fn places(&self, maps: (usize, usize, usize, usize)) -> (usize, usize, usize, usize) {
        let (batch, height, width, _) = maps;
        let side = |size| match self.kind {
            Kind::Full | Kind::Depthwise => self.window.outputs(size),
            Kind::Transposed => size * self.window.stride,
        };
        (batch, side(height), side(width), self.scale.shape().0)
    }
}

/// The parameters of a dense layer.
pub(crate) struct DenseLayer<'a, E: Dtype, D: Device<E>> {
    /// (inputs, outputs).
    pub(crate) weight: &'a Matrix<E, D>,
    pub(crate) bias: &'a Vector<E, D>,
    /// Whether max(0, ·) follows.
    pub(crate) relu: bool,
    /// Whether something before the layer is learnt; else its input needs no gradient.
    pub(crate) passes_back: bool,
}

/// The parameters of a layer that scores each pixel: a convolution with a bias, `same` padding and stride 1.
pub(crate) struct PixelScores<'a, E: Dtype, D: Device<E>> {
    /// (kernel · kernel · inputs, classes).
    pub(crate) weight: &'a Matrix<E, D>,
    pub(crate) bias: &'a Vector<E, D>,
    pub(crate) window: Window,
}

/// Mean and (biased) variance of each channel.
pub(crate) struct Statistics<E: Dtype, D: Device<E>> {
    pub(crate) mean: Vector<E, D>,
    pub(crate) variance: Vector<E, D>,
}

/// What several threads may look at together. In a build for CUDA that is nothing: the streams of its driver
/// belong to one thread, and a network is generic over its device.
#[cfg(not(feature = "cuda"))]
pub(crate) trait Shared: Send + Sync {}
#[cfg(not(feature = "cuda"))]
impl<T: Send + Sync> Shared for T {}
#[cfg(feature = "cuda")]
pub(crate) trait Shared {}
#[cfg(feature = "cuda")]
impl<T> Shared for T {}

/// A device that networks run on. Every default is composed of dfdx's own operations; its ReLU takes
/// NaN to 0 where the fused one lets it through.
pub(crate) trait Backend<E: Dtype>: Device<E> + Shared {
    /// f(batch norm(x ∗ w + b) + residual) with the batch's own statistics, which it also returns; the residual
    /// (of the output's shape) is optional, f the layer's activation.
    fn conv_norm(
        x: Maps<E, Self>,
        residual: Option<Maps<E, Self>>,
        layer: &ConvNorm<'_, E, Self>,
    ) -> (Maps<E, Self>, Statistics<E, Self>) {
        composed::conv_norm(x, residual, layer)
    }

    /// As [`conv_norm`](Self::conv_norm) with given statistics: inference.
    fn conv_norm_frozen(
        x: Maps<E, Self>,
        residual: Option<Maps<E, Self>>,
        layer: &ConvNorm<'_, E, Self>,
        statistics: &Statistics<E, Self>,
    ) -> Maps<E, Self> {
        composed::conv_norm_frozen(x, residual, layer, statistics)
    }

    /// Maximum under a window: (B, H, W, C) → (B, H', W', C). What lies outside the maps does not count.
    fn max_pool(x: Maps<E, Self>, window: Window) -> Maps<E, Self> {
        composed::max_pool(x, window)
    }

    /// The channels of both, side by side: (B, H, W, C), (B, H, W, C') → (B, H, W, C + C').
    fn concat(a: Maps<E, Self>, b: Maps<E, Self>) -> Maps<E, Self> {
        composed::concat(a, b)
    }

    /// Each channel of an image times σ(z) of its own: (B, H, W, C), (B, C) → (B, H, W, C).
    fn gate(x: Maps<E, Self>, z: Rows<E, Self>) -> Maps<E, Self> {
        composed::gate(x, z)
    }

    /// Each pixel four times, as the nearest of maps of twice the size: (B, H, W, C) → (B, 2H, 2W, C).
    fn doubled(x: Maps<E, Self>) -> Maps<E, Self> {
        composed::doubled(x)
    }

    /// ln softmax(x ∗ w + b) of each pixel: (B, H, W, C) → (B H W, K).
    fn pixel_log_softmax(x: Maps<E, Self>, layer: &PixelScores<'_, E, Self>) -> Rows<E, Self> {
        composed::pixel_log_softmax(x, layer)
    }

    /// c Σ y x over all numbers.
    fn weighted_sum(x: Rows<E, Self>, y: Matrix<E, Self>, c: E) -> Taped<(), E, Self> {
        composed::weighted_sum(x, y, c)
    }

    /// All numbers, last side fastest, off the device.
    fn numbers<S: Shape>(x: &Tensor<S, E, Self>) -> Vec<E> {
        x.as_vec()
    }

    /// Maximum and mean over 2 × 2 windows, side by side: (B, H, W, C) → (B, H/2, W/2, 2C).
    fn max_mean_pool(x: Maps<E, Self>) -> Maps<E, Self> {
        composed::max_mean_pool(x)
    }

    /// x · factors, number by number; the factors are not learnt.
    fn times<S: Shape>(x: Taped<S, E, Self>, factors: Tensor<S, E, Self>) -> Taped<S, E, Self> {
        x * factors
    }

    /// Mean over all pixels: (B, H, W, C) → (B, C).
    fn global_mean(x: Maps<E, Self>) -> Rows<E, Self> {
        composed::global_mean(x)
    }

    /// x · w + b, and max(0, ·) of it where the layer says so: (B, inputs) → (B, outputs).
    fn dense(x: Rows<E, Self>, layer: &DenseLayer<'_, E, Self>) -> Rows<E, Self> {
        composed::dense(x, layer)
    }

    /// Runs `forward` on a batch of images in parts of `size`, each with its number, and gives the results in
    /// order. The parts depend on the batch alone, never on the number of threads.
    fn in_parts<T: Send>(
        images: ArrayView4<'_, f32>,
        _size: usize,
        forward: impl Fn(usize, ArrayView4<'_, f32>) -> T + Shared,
    ) -> Vec<T> {
        vec![forward(0, images)]
    }

    /// Σ g² over a tensor's gradient.
    fn squared_norm<S: Shape>(parameters: &Tensor<S, E, Self>, gradients: &mut Gradients<E, Self>) -> f64 {
        composed::squared_norm(parameters, gradients)
    }

    /// One optimiser step: parameters, both moments, gradient.
    fn update<S: Shape>(
        step: (Step, Before),
        parameters: &mut Tensor<S, E, Self>,
        moments: &mut [Tensor<S, E, Self>; 2],
        gradients: &mut Gradients<E, Self>,
    ) {
        composed::update(step, parameters, moments, gradients);
    }
}

impl Backend<f64> for Cpu {}

#[cfg(feature = "cuda")]
impl Backend<f32> for Cuda {}
