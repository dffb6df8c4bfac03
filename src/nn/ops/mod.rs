//! The operations that dfdx lacks on stable Rust, attached to its tape.
//!
//! Each exists in a composed version made of dfdx's own operations, which runs on any dfdx device in f32 and f64: the
//! default of [`Backend`]. A device may bring a faster one: the CPU's fused operations in f32 are in [`fused`]. Tests
//! compare the one with the other and both with finite differences.

mod backend;
mod fused;
#[cfg(test)]
mod tests;

use dfdx::prelude::*;

pub(crate) use super::kernels::geometry::{Padding, Window};
use super::tape::Taped;
pub(crate) use backend::{Backend, number, swish};

/// Maps: batch, rows, columns, channels (NHWC).
pub(crate) type Maps<E, D> = Taped<(usize, usize, usize, usize), E, D>;
/// Maps, and a residual of the output's shape.
pub(crate) type Onto<E, D> = (Maps<E, D>, Option<Maps<E, D>>);
/// One row per sample.
pub(crate) type Rows<E, D> = Taped<(usize, usize), E, D>;
/// A matrix of weights.
pub(crate) type Matrix<E, D> = Tensor<(usize, usize), E, D>;
/// One number per channel.
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

/// The activation.
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
    /// Whether the layer's input needs a gradient.
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

/// What several threads may use together: [`Send`] and [`Sync`]. In a build for CUDA that is nothing: the streams of its
/// driver belong to one thread, and a network is generic over its device.
#[cfg(not(feature = "cuda"))]
pub trait Shared: Send + Sync {}
#[cfg(not(feature = "cuda"))]
impl<T: Send + Sync + ?Sized> Shared for T {}
/// What several threads may use together: nothing in a build for CUDA, where the streams of the driver belong to one
/// thread.
#[cfg(feature = "cuda")]
pub trait Shared {}
#[cfg(feature = "cuda")]
impl<T: ?Sized> Shared for T {}
