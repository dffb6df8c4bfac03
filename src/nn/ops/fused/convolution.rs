//! Convolution, batch norm, residual and ReLU in one.

use std::borrow::Cow;

use dfdx::prelude::*;
use rayon::prelude::*;

use super::super::{ConvNorm, Maps, Statistics, Window, composed};
use super::{of, record};
use crate::nn::kernels::conv::{self, Finish, Geometry, Packed};
use crate::nn::kernels::linked::{self, Sides};
use crate::nn::kernels::norm::{self, Applied};
use crate::nn::kernels::{Level, lend};
use crate::nn::tape::AnyTape;

/// Groups of images whose weight gradients are summed apart: as parallel as a laptop can use, and
/// few enough that adding up the groups costs little.
const GROUPS: usize = 8;

/// Columns from which on the pixels of a row, rather than those of several images, are convolved side by
/// side: less of such maps lies at their edge, and their channels are few.
const WIDE: usize = 12;

/// The sides of a layer on these maps.
fn sides(shape: (usize, usize, usize, usize), layer: &ConvNorm<'_, f32, Cpu>) -> Sides {
    let (batch, height, width, inputs) = shape;
    Sides { batch, height, width, inputs, outputs: layer.weight.shape().1, window: layer.window }
}

/// The direct convolution's geometry, where it serves.
fn direct(sides: Sides) -> Option<Geometry> {
    let Sides { height, width, inputs, outputs, window, .. } = sides;
    let kernel = window.kernel;
    let serves = window == Window::same(kernel) && kernel > 1 && kernel % 2 == 1 && width >= WIDE;
    serves.then_some(Geometry { height, width, inputs, outputs, kernel })
}

/// A zeroed frame for one image of so many channels.
fn frame(geometry: Geometry, channels: usize) -> impl Fn() -> Vec<f32> + Sync + Send {
    move || vec![0f32; geometry.padded_len(channels)]
}

/// y = x ∗ w + b for every image, directly.
fn convolve_directly(geometry: Geometry, x: &[f32], weights: &Packed, finish: Finish<'_>, y: &mut [f32]) {
    let Geometry { height, width, inputs, outputs, .. } = geometry;
    let images = x.par_chunks_exact(height * width * inputs);
    y.par_chunks_exact_mut(height * width * outputs).zip(images).for_each_init(
        frame(geometry, inputs),
        |padded, (y, image)| {
            geometry.pad(inputs, image, padded);
            conv::convolve(padded, weights, finish, y);
        },
    );
}

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
    let sides = sides(*x.shape(), layer);
    let (rows, columns) = sides.places();
    let outputs = sides.outputs;
    let [bias, gamma, beta, mean, variance] =
        [layer.bias, layer.scale, layer.shift, &statistics.mean, &statistics.variance].map(lend::numbers);
    let scale: Vec<f32> = (0..outputs)
        .map(|c| (f64::from(gamma[c]) / (f64::from(variance[c]) + layer.epsilon).sqrt()) as f32)
        .collect();
    let shift: Vec<f32> = (0..outputs).map(|c| (bias[c] - mean[c]) * scale[c] + beta[c]).collect();
    let residual = residual.map(|residual| residual.split_tape().0);
    let residual = residual.as_ref().map(lend::numbers);
    let (level, relu) = (Level::best(), layer.relu);
    let mut y = vec![0f32; sides.output_len()];
    if let (Some(geometry), None) = (direct(sides), residual) {
        let mut weights = lend::numbers(layer.weight).to_vec();
        for row in weights.chunks_exact_mut(outputs) {
            for (w, s) in row.iter_mut().zip(&scale) {
                *w *= s;
            }
        }
        let weights = Packed::new(level, geometry, &weights);
        let finish = if relu { Finish::BiasRelu(&shift) } else { Finish::Bias(&shift) };
        convolve_directly(geometry, lend::numbers(&x), &weights, finish, &mut y);
    } else {
        let finish = linked::Finish { bias: &shift, residual, relu };
        let weights = lend::numbers(layer.weight);
        linked::convolve(level, sides, lend::numbers(&x), weights, Some(&scale), finish, &mut y);
    }
    x.device().tensor_from_vec(y, (sides.batch, rows, columns, outputs)).put_tape(tape)
}

/// x ∗ w + b.
fn convolved(
    level: Level,
    sides: Sides,
    x: &Tensor<(usize, usize, usize, usize), f32, Cpu>,
    layer: &ConvNorm<'_, f32, Cpu>,
) -> Vec<f32> {
    let mut y = vec![0f32; sides.output_len()];
    let [weights, x] = [lend::numbers(layer.weight), lend::numbers(x)];
    let bias = lend::numbers(layer.bias);
    if let Some(geometry) = direct(sides) {
        let weights = Packed::new(level, geometry, weights);
        convolve_directly(geometry, x, &weights, Finish::Bias(bias), &mut y);
    } else {
        let finish = linked::Finish { bias, residual: None, relu: false };
        linked::convolve(level, sides, x, weights, None, finish, &mut y);
    }
    y
}

/// See [`Backend::conv_norm`](super::Backend::conv_norm).
pub(super) fn conv_norm(
    x: Maps<f32, Cpu>,
    residual: Option<Maps<f32, Cpu>>,
    layer: &ConvNorm<'_, f32, Cpu>,
) -> (Maps<f32, Cpu>, Statistics<f32, Cpu>) {
    let level = Level::best();
    let sides = sides(*x.shape(), layer);
    let (rows, columns) = sides.places();
    let channels = sides.outputs;
    let (x, mut tape) = x.split_tape();
    let wants_input = tape.wants_gradient();
    let residual = residual.map(|residual| {
        let (residual, of_residual) = residual.split_tape();
        tape = std::mem::replace(&mut tape, AnyTape::off()).merge(of_residual);
        residual
    });
    let device = x.device().clone();

    let y = convolved(level, sides, &x, layer);
    let image = rows * columns * channels;
    let (mean, variance) = batch_moments(level, &y, image, channels);
    let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + layer.epsilon).sqrt()).collect();
    let (gamma, beta) = (lend::numbers(layer.scale), lend::numbers(layer.shift));
    let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| (f64::from(*g) * i) as f32).collect();
    let to_f32 = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
    let (mean, variance) = (to_f32(&mean), to_f32(&variance));
    let shift: Vec<f32> = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let mut out = vec![0f32; y.len()];
    {
        let residual = residual.as_ref().map(lend::numbers);
        out.par_chunks_exact_mut(image).zip(y.par_chunks_exact(image)).enumerate().for_each(
            |(k, (out, y))| {
                let residual = residual.as_ref().map(|r| &r[k * image..][..image]);
                norm::scale_shift(level, y, &scale, &shift, residual, layer.relu, out);
            },
        );
    }

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
    let (weights, relu) = (layer.weight.clone(), layer.relu);
    let kept = (of_residual.is_some() && relu && tape.is_recording()).then(|| out.clone());
    let shape = (sides.batch, rows, columns, channels);
    let out = record(&device, tape, inputs, out, shape, move |g, gradients| {
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
        let applied = Applied { scale: &scale_of_relu, shift: &shift_of_relu };
        // With ŷ the normalised y, n pixels in all: dβ = Σ g, dγ = Σ g ŷ, and
        // dy = (γ/σ) (g − dβ/n − ŷ dγ/n), written here with ŷ = (y − μ)/σ.
        let (sums, products) = gradient_sums(level, &y, g, image, applied, &mean);
        let n = (sides.batch * rows * columns) as f64;
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
            norm::input_gradient(level, y, g, applied, &mean, &factors, out);
        };
        if let Some(geometry) = direct(sides) {
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
            linked::add_weight_gradient(level, sides, pixels, &gy, gw);
            if wants_input {
                linked::add_input_gradient(level, sides, &gy, weights, gx);
            }
        }
    });
    (out, statistics)
}

/// Sets a gradient to 0 where the ReLU's `out` is (where there was one), and adds it to the residual's.
fn mask_and_add(level: Level, out: Option<&[f32]>, g: &mut [f32], residual: &mut [f32]) {
    /// Numbers of a task.
    const PART: usize = 1 << 14;
    let parts = g.par_chunks_mut(PART).zip(residual.par_chunks_mut(PART));
    match out {
        Some(out) => parts
            .zip(out.par_chunks(PART))
            .for_each(|((g, residual), out)| norm::mask_and_add(level, out, g, residual)),
        None => parts.for_each(|(g, residual)| norm::add(level, residual, g)),
    }
}

/// Mean and variance of each channel over the batch: moments of each image, merged in order
/// (Chan, Golub & LeVeque 1979).
fn batch_moments(level: Level, y: &[f32], image: usize, channels: usize) -> (Vec<f64>, Vec<f64>) {
    let batch = y.len() / image;
    let mut moments = vec![0f32; batch * 2 * channels];
    moments.par_chunks_exact_mut(2 * channels).zip(y.par_chunks_exact(image)).for_each(|(moments, y)| {
        let (sums, squares) = moments.split_at_mut(channels);
        norm::moments(level, y, sums, squares);
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
    mean: &[f32],
) -> (Vec<f64>, Vec<f64>) {
    let channels = mean.len();
    let mut parts = vec![0f32; y.len() / image * 2 * channels];
    let images = y.par_chunks_exact(image).zip(g.par_chunks_exact(image));
    parts.par_chunks_exact_mut(2 * channels).zip(images).for_each(|(parts, (y, g))| {
        let (sums, products) = parts.split_at_mut(channels);
        norm::gradient_sums(level, y, g, applied, mean, sums, products);
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

/// Adds the gradients of a convolution to its input's and its weights'. `fill` writes the gradient
/// of one image's sums into a frame; without `backward` the input's gradient is not wanted.
#[allow(clippy::too_many_arguments)]
fn add_direct_gradients(
    level: Level,
    geometry: Geometry,
    pixels: &[f32],
    y: &[f32],
    g: &[f32],
    backward: Option<&Packed>,
    fill: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
    gx: &mut [f32],
    gw: &mut [f32],
) {
    let Geometry { height, width, inputs, outputs, .. } = geometry;
    let (image_in, image_out) = (height * width * inputs, height * width * outputs);
    let group = (pixels.len() / image_in).div_ceil(GROUPS).max(1);
    let groups = pixels
        .par_chunks(group * image_in)
        .zip(y.par_chunks(group * image_out))
        .zip(g.par_chunks(group * image_out));
    let run = |gx: Option<&mut [f32]>, ((pixels, y), g): ((&[f32], &[f32]), &[f32])| {
        let (mut padded, mut of_y) = (frame(geometry, inputs)(), frame(geometry, outputs)());
        let mut weights = vec![0f32; geometry.weight_len()];
        let images =
            pixels.chunks_exact(image_in).zip(y.chunks_exact(image_out).zip(g.chunks_exact(image_out)));
        let mut gx = gx.map(|gx| gx.chunks_exact_mut(image_in));
        for (pixels, (y, g)) in images {
            geometry.pad(inputs, pixels, &mut padded);
            fill(y, g, &mut of_y);
            conv::add_weight_gradient(level, geometry, &padded, &of_y, &mut weights);
            if let Some((backward, gx)) = backward.zip(gx.as_mut().and_then(Iterator::next)) {
                conv::convolve(&of_y, backward, Finish::Accumulate, gx);
            }
        }
        weights
    };
    let parts: Vec<Vec<f32>> = if backward.is_some() {
        gx.par_chunks_mut(group * image_in).zip(groups).map(|(gx, group)| run(Some(gx), group)).collect()
    } else {
        groups.map(|group| run(None, group)).collect()
    };
    for part in parts {
        norm::add(level, gw, &part);
    }
}
