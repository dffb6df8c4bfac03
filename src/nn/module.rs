//! The trait of networks for training and inference, and the fusion of heads to log-probabilities.

use dfdx::prelude::*;

use super::layers::{Layer, Pass, Visitor};
use super::ops::{Backend, Maps, Matrix, Rows, Shared, number};
use super::tape::{AnyTape, Taped};

/// A network: patches in, log-probabilities out, a row for each patch or for each pixel (patch by patch, row by
/// row).
pub(crate) trait Module<E: Dtype, D: Backend<E>>: Clone + Shared {
    /// Images that go through the network together in inference: enough that folding and packing the weights, once
    /// a part, costs little; few enough that their maps stay in a core's cache.
    const PART: usize = 32;

    /// Images that inference has in memory together.
    const BATCH: usize = 256;

    /// ln p for each class: (B, S, S, C) → (B, K), or (B S S, K).
    fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D>;

    /// Features of a patch, the penultimate layer: (B, S, S, C) → (B, features).
    fn features(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D>;

    /// Meets every tensor.
    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V);
}

/// The layers that a patch of this size meets on its way through a network, in order.
pub(crate) fn layers_of<E: Dtype, D: Backend<E>>(
    module: &impl Module<E, D>,
    device: &D,
    patch_size: usize,
    bands: usize,
) -> Vec<Layer> {
    let mut pass = Pass::describing();
    let patch = device.zeros_like(&(1, patch_size, patch_size, bands));
    module.log_probabilities(patch.put_tape(AnyTape::off()), &mut pass);
    pass.into_layers()
}

/// ln of the mean of the heads' softmaxes, without leaving the logarithm:
/// ln Σ_h exp(log_softmax(z_h)) − ln H.
pub(crate) fn mean_of_softmaxes<E: Dtype, D: Backend<E>>(heads: Vec<Rows<E, D>>) -> Rows<E, D> {
    let count = heads.len() as f64;
    let heads: Vec<_> = heads.into_iter().map(Tensor::log_softmax::<Axis<1>>).collect();
    let stacked: Taped<(usize, usize, usize), E, D> = heads.stack(); // (H, B, K)
    let sum: Rows<E, D> = stacked.logsumexp::<_, Axis<0>>();
    sum - number::<E>(count.ln())
}

/// log_softmax of the mean of the heads' logits.
pub(crate) fn mean_of_logits<E: Dtype, D: Backend<E>>(heads: Vec<Rows<E, D>>) -> Rows<E, D> {
    let stacked: Taped<(usize, usize, usize), E, D> = heads.stack(); // (H, B, K)
    let mean: Rows<E, D> = stacked.mean::<_, Axis<0>>();
    mean.log_softmax::<Axis<1>>()
}

/// Cross-entropy −(1 / samples) Σ Σ_k y_k ln p_k against distributions; rows of zeros do not count, and where nothing
/// counts it is 0.
pub(crate) fn cross_entropy<E: Dtype, D: Backend<E>>(
    log_p: Rows<E, D>,
    y: Matrix<E, D>,
    samples: usize,
) -> Taped<(), E, D> {
    D::weighted_sum(log_p, y, number::<E>(-1.0 / samples.max(1) as f64))
}
