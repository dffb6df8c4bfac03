//! Convolution of any kind, batch norm, residual and activation in one.

use std::borrow::Cow;

use dfdx::prelude::*;
use rayon::prelude::*;

use super::super::{Activation, ConvNorm, Maps, Statistics, composed};
use super::linear::{Linear, add_direct_gradients};
use super::{of, record};
use crate::nn::kernels::conv::Packed;
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::norm::{self, Applied, Normal};
use crate::nn::kernels::{lend, swish};
use crate::nn::tape::AnyTape;
use crate::simd::Level;

/// See [`Backend::conv_norm_frozen`](super::Backend::conv_norm_frozen): batch norm folded into the weights.
pub(super) fn conv_norm_frozen(
    x: Maps<f32, Cpu>,
    residual: Option<Maps<f32, Cpu>>,
    layer: &ConvNorm<'_, f32, Cpu>,
    statistics: &Statistics<f32, Cpu>,
) -> Maps<f32, Cpu> {
    let (x, tape) = x.split_tape();
    // The folded version has no backward pass; a recorded pass takes the composed one.
    if tape.is_recording() {
        return composed::conv_norm_frozen(x.put_tape(tape), residual, layer, statistics);
    }
    let shape = layer.places(*x.shape());
    let outputs = shape.3;
    let [bias, gamma, beta, mean, variance] =
        [layer.bias, layer.scale, layer.shift, &statistics.mean, &statistics.variance].map(lend::numbers);
    let scale: Vec<f32> = (0..outputs)
        .map(|c| (f64::from(gamma[c]) / (f64::from(variance[c]) + layer.epsilon).sqrt()) as f32)
        .collect();
    let shift: Vec<f32> = (0..outputs).map(|c| (bias[c] - mean[c]) * scale[c] + beta[c]).collect();
    let residual = residual.map(|residual| residual.split_tape().0);
    let residual = residual.as_ref().map(lend::numbers);
    let linear = Linear::new(*x.shape(), layer);
    let finish = (shift.as_slice(), residual, layer.activation);
    let y = linear.run(Level::best(), lend::numbers(&x), lend::numbers(layer.weight), Some(&scale), finish);
    x.device().tensor_from_vec(y, shape).put_tape(tape)
}

/// See [`Backend::conv_norm`](super::Backend::conv_norm).
pub(super) fn conv_norm(
    x: Maps<f32, Cpu>,
    residual: Option<Maps<f32, Cpu>>,
    layer: &ConvNorm<'_, f32, Cpu>,
) -> (Maps<f32, Cpu>, Statistics<f32, Cpu>) {
    let level = Level::best();
    let linear = Linear::new(*x.shape(), layer);
    let shape = layer.places(*x.shape());
    let (batch, rows, columns, channels) = shape;
    assert!(batch > 0, "no image, of which batch norm could take mean and variance");
    let (x, mut tape) = x.split_tape();
    let wants_input = tape.wants_gradient();
    let residual = residual.map(|residual| {
        let (residual, of_residual) = residual.split_tape();
        tape = std::mem::replace(&mut tape, AnyTape::off()).merge(of_residual);
        residual
    });
    let device = x.device().clone();

    let finish = (lend::numbers(layer.bias), None, Activation::None);
    let y = linear.run(level, lend::numbers(&x), lend::numbers(layer.weight), None, finish);
    let image = rows * columns * channels;
    let (mean, variance) = batch_moments(level, &y, image, channels);
    let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + layer.epsilon).sqrt()).collect();
    let (gamma, beta) = (lend::numbers(layer.scale), lend::numbers(layer.shift));
    let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| (f64::from(*g) * i) as f32).collect();
    let to_f32 = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
    let (mean, variance) = (to_f32(&mean), to_f32(&variance));
    let shift: Vec<f32> = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let activation = layer.activation;
    let normal = Normal { scale: &scale, shift: &shift, residual: residual.as_ref().map(lend::numbers) };
    let out = activated(level, &y, image, normal, activation);

    let statistics = Statistics {
        mean: device.tensor_from_vec(mean.clone(), (channels,)),
        variance: device.tensor_from_vec(variance, (channels,)),
    };
    // The bias shifts y and its mean alike: its gradient is exactly zero, and none is recorded.
    let mut inputs = vec![of(layer.weight), of(layer.scale), of(layer.shift)];
    let [of_residual, of_input] = [residual.as_ref(), wants_input.then_some(&x)].map(|tensor| {
        tensor.map(|tensor| {
            inputs.push(of(tensor));
            inputs.len() - 1
        })
    });
    let (weights, relu) = (layer.weight.clone(), activation == Activation::Relu);
    let kept = (of_residual.is_some() && relu && tape.is_recording()).then(|| out.clone());
    let out = record(&device, tape, inputs, out, shape, move |g, gradients| {
        if activation == Activation::Swish {
            let residual = residual.as_ref().map(lend::numbers);
            multiply_derivative(level, &y, image, Normal { scale: &scale, shift: &shift, residual }, g);
        }
        // With a residual, what comes out of the ReLU says where it was positive; without, y does.
        if let Some(at) = of_residual {
            mask_and_add(level, kept.as_deref(), g, &mut gradients[at]);
        }
        let (scale_of_relu, shift_of_relu) = if relu && of_residual.is_none() {
            (Cow::Borrowed(&scale), Cow::Borrowed(&shift))
        } else {
            // Positive everywhere.
            (Cow::Owned(vec![0.0; channels]), Cow::Owned(vec![1.0; channels]))
        };
        let applied = Applied { scale: &scale_of_relu, shift: &shift_of_relu, mean: &mean };
        // With ŷ the normalised y, n pixels in all: dβ = Σ g, dγ = Σ g ŷ, and
        // dy = (γ/σ) (g − dβ/n − ŷ dγ/n), written here with ŷ = (y − μ)/σ.
        let (sums, products) = gradient_sums(level, &y, g, image, applied);
        let n = (batch * rows * columns) as f64;
        let mut factors = [vec![0f32; channels], vec![0f32; channels], vec![0f32; channels]];
        for c in 0..channels {
            let of_gamma = products[c] * inverse[c];
            gradients[1][c] += of_gamma as f32;
            gradients[2][c] += sums[c] as f32;
            let rate = f64::from(scale[c]);
            factors[0][c] = rate as f32;
            factors[1][c] = (-rate * inverse[c] * of_gamma / n) as f32;
            factors[2][c] = (-rate * sums[c] / n) as f32;
        }
        let mut none = Vec::new();
        let [gw, rest @ ..] = gradients else { unreachable!("the weight comes first") };
        let gx = of_input.map_or(&mut none, |at| &mut rest[at - 1]);
        let (pixels, weights) = (lend::numbers(&x), lend::numbers(&weights));
        let of_y = |y: &[f32], g: &[f32], out: &mut [f32]| {
            level.run(norm::InputGradient { y, gradient: g, applied, factors: &factors, out });
        };
        if let Some(geometry) = linear.direct() {
            let backward = wants_input.then(|| Packed::transposed(level, geometry, weights));
            let fill = |image_y: &[f32], image_g: &[f32], frame: &mut [f32]| {
                let row = geometry.width * channels;
                let rows = image_y.chunks_exact(row).zip(image_g.chunks_exact(row));
                for ((y, g), at) in rows.zip(geometry.padded_rows(channels)) {
                    of_y(y, g, &mut frame[at]);
                }
            };
            add_direct_gradients(level, geometry, pixels, &y, g, backward.as_ref(), fill, gx, gw);
        } else {
            let of_image = |y: &mut [f32], g: &[f32], out: &mut [f32]| {
                of_y(y, g, out);
                y.copy_from_slice(out);
            };
            let mut gy = y;
            gy.par_chunks_exact_mut(image)
                .zip(g.par_chunks_exact(image))
                .for_each_init(|| vec![0f32; image], |out, (y, g)| of_image(y, g, out));
            let gx = wants_input.then_some(gx.as_mut_slice());
            linear.add_gradients(level, pixels, &gy, weights, gw, gx);
        }
    });
    (out, statistics)
}

/// The normal of one image of a batch of them.
fn of_image(normal: Normal<'_>, image: usize, len: usize) -> Normal<'_> {
    Normal { residual: normal.residual.map(|residual| &residual[image * len..][..len]), ..normal }
}

/// What stands behind the activation; `image` numbers to an image.
fn activated(level: Level, y: &[f32], image: usize, normal: Normal<'_>, activation: Activation) -> Vec<f32> {
    filled(y.len(), image, |k, out| {
        let (y, relu) = (&y[k * image..][..image], activation == Activation::Relu);
        level.run(norm::ScaleShift { y, normal: of_image(normal, k, image), relu, out });
        if activation == Activation::Swish {
            level.run(swish::Swish { z: out });
        }
    })
}

/// g ← g · swish′.
fn multiply_derivative(level: Level, y: &[f32], image: usize, normal: Normal<'_>, g: &mut [f32]) {
    let images = g.par_chunks_exact_mut(image).zip(y.par_chunks_exact(image));
    images.enumerate().for_each(|(k, (g, y))| {
        level.run(swish::MultiplyDerivative { y, normal: of_image(normal, k, image), g });
    });
}

/// Sets a gradient to 0 where the ReLU's `out` is (where there was one), and adds it to the residual's.
fn mask_and_add(level: Level, out: Option<&[f32]>, g: &mut [f32], residual: &mut [f32]) {
    /// Numbers of a task.
    const PART: usize = 1 << 14;
    let parts = g.par_chunks_mut(PART).zip(residual.par_chunks_mut(PART));
    match out {
        Some(out) => parts
            .zip(out.par_chunks(PART))
            .for_each(|((g, sum), out)| level.run(norm::MaskAndAdd { out, g, sum })),
        None => parts.for_each(|(part, sum)| level.run(norm::Add { sum, part })),
    }
}

/// Mean and variance of each channel over the batch: moments of each image, merged in order
/// (Chan, Golub & LeVeque 1979).
fn batch_moments(level: Level, y: &[f32], image: usize, channels: usize) -> (Vec<f64>, Vec<f64>) {
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
fn gradient_sums(
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
