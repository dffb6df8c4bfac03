//! Batch norm, residual and activation of a batch of images, image by image.

use rayon::prelude::*;

use super::super::Activation;
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::norm::{self, Applied, Normal};
use crate::nn::kernels::swish;
use crate::simd::Level;

/// The normal of one image of a batch of them.
fn of_image(normal: Normal<'_>, image: usize, len: usize) -> Normal<'_> {
    Normal { residual: normal.residual.map(|residual| &residual[image * len..][..len]), ..normal }
}

/// What stands behind the activation; `image` numbers to an image.
pub(super) fn activated(
    level: Level,
    y: &[f32],
    image: usize,
    normal: Normal<'_>,
    activation: Activation,
) -> Vec<f32> {
    filled(y.len(), image, |k, out| {
        let (y, relu) = (&y[k * image..][..image], activation == Activation::Relu);
        level.run(norm::ScaleShift { y, normal: of_image(normal, k, image), relu, out });
        if activation == Activation::Swish {
            level.run(swish::Swish { z: out });
        }
    })
}

/// g ← g · swish′.
pub(super) fn multiply_derivative(level: Level, y: &[f32], image: usize, normal: Normal<'_>, g: &mut [f32]) {
    let images = g.par_chunks_exact_mut(image).zip(y.par_chunks_exact(image));
    images.enumerate().for_each(|(k, (g, y))| {
        level.run(swish::MultiplyDerivative { y, normal: of_image(normal, k, image), g });
    });
}

/// Sets a gradient to 0 where the ReLU's `out` is (where there was one), and adds it to the residual's.
pub(super) fn mask_and_add(level: Level, out: Option<&[f32]>, g: &mut [f32], residual: &mut [f32]) {
    /// Numbers of a task.
    const PART: usize = 1 << 14;
    let parts = g.par_chunks_mut(PART).zip(residual.par_chunks_mut(PART)).enumerate();
    parts.for_each(|(number, (g, sum))| {
        if let Some(out) = out {
            level.run(norm::Mask { out: &out[number * PART..][..g.len()], g });
        }
        level.run(norm::Add { sum, part: g });
    });
}

/// Mean and variance of each channel over the batch: moments of each image, merged in order
/// (Chan, Golub & LeVeque 1979).
pub(super) fn batch_moments(level: Level, y: &[f32], image: usize, channels: usize) -> (Vec<f64>, Vec<f64>) {
    let batch = y.len() / image;
    let mut moments = vec![0f32; batch * 2 * channels];
    moments.par_chunks_exact_mut(2 * channels).zip(y.par_chunks_exact(image)).for_each(|(moments, y)| {
        let (sums, squares) = moments.split_at_mut(channels);
        level.run(norm::Moments { y, sums, squares });
    });
    let pixels = (image / channels) as f64;
    let (mut mean, mut squares) = (vec![0f64; channels], vec![0f64; channels]);
    for (seen, moments) in moments.chunks_exact(2 * channels).enumerate() {
        let before = seen as f64 * pixels;
        for c in 0..channels {
            let delta = f64::from(moments[c]) / pixels - mean[c];
            mean[c] += delta * pixels / (before + pixels);
            squares[c] +=
                f64::from(moments[channels + c]) + delta * delta * before * pixels / (before + pixels);
        }
    }
    let n = batch as f64 * pixels;
    (mean, squares.into_iter().map(|s| s / n).collect())
}

/// Σ g and Σ g (y − μ) over the batch, with g behind the ReLU.
pub(super) fn gradient_sums(
    level: Level,
    y: &[f32],
    g: &[f32],
    image: usize,
    applied: Applied<'_>,
) -> (Vec<f64>, Vec<f64>) {
    let channels = applied.mean.len();
    let mut parts = vec![0f32; y.len() / image * 2 * channels];
    let images = y.par_chunks_exact(image).zip(g.par_chunks_exact(image));
    parts.par_chunks_exact_mut(2 * channels).zip(images).for_each(|(parts, (y, g))| {
        let (sums, products) = parts.split_at_mut(channels);
        level.run(norm::GradientSums { y, gradient: g, applied, sums, products });
    });
    let (mut sums, mut products) = (vec![0f64; channels], vec![0f64; channels]);
    for part in parts.chunks_exact(2 * channels) {
        for c in 0..channels {
            sums[c] += f64::from(part[c]);
            products[c] += f64::from(part[channels + c]);
        }
    }
    (sums, products)
}

/// What the gradient behind a batch norm over n pixels is made of, for the kernel: dy = (γ/σ) (g − dβ/n − ŷ dγ/n), written
/// with ŷ = (y − μ)/σ.
pub(super) fn factors(
    scale: &[f32],
    inverse: &[f64],
    [of_beta, of_gamma]: [&[f64]; 2],
    n: usize,
) -> [Vec<f32>; 3] {
    let (n, rates) = (n as f64, scale.iter().map(|scale| f64::from(*scale)));
    let of_deviation =
        rates.clone().zip(inverse).zip(of_gamma).map(|((rate, inverse), g)| -rate * inverse * g / n);
    let constant = rates.zip(of_beta).map(|(rate, b)| -rate * b / n);
    [scale.to_vec(), of_deviation.map(|x| x as f32).collect(), constant.map(|x| x as f32).collect()]
}
