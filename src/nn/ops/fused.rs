//! The CPU's operations in f32: convolution, batch norm and ReLU in one, parallel over images.
//!
//! Sums over the batch are taken image by image and then in the order of the images (weight
//! gradients: over a fixed number of groups), never in the order in which threads finish: the same
//! bits at any number of threads.

use dfdx::prelude::*;
use ndarray::Array4;
use rayon::prelude::*;

use super::dense::dense;
use super::{Backend, ConvNorm, DenseLayer, Maps, Rows, Shared, Statistics, composed};
use crate::nn::kernels::conv::{self, Finish, Geometry, Packed};
use crate::nn::kernels::norm::{self, Applied};
use crate::nn::kernels::update::{self, Before, Step};
use crate::nn::kernels::{Level, lend, pool};
use crate::nn::tape::{AnyTape, Taped};

/// Groups of images whose weight gradients are summed apart: as parallel as a laptop can use, and
/// few enough that adding up the groups costs little.
const GROUPS: usize = 8;

/// Images of a part in inference: enough that folding and packing the weights, once a part, costs little.
const PART: usize = 32;

/// Parameters that an optimiser's step moves at once: few enough for a core's cache, enough to be worth a
/// thread.
const UPDATED: usize = 1 << 15;

impl Backend<f32> for Cpu {
    fn conv_norm_relu(
        x: Maps<f32, Cpu>,
        layer: &ConvNorm<'_, f32, Cpu>,
    ) -> (Maps<f32, Cpu>, Statistics<f32, Cpu>) {
        if layer.kernel.is_multiple_of(2) {
            composed::conv_norm_relu(x, layer)
        } else {
            conv_norm_relu(x, layer)
        }
    }

    fn conv_norm_relu_frozen(
        x: Maps<f32, Cpu>,
        layer: &ConvNorm<'_, f32, Cpu>,
        statistics: &Statistics<f32, Cpu>,
    ) -> Maps<f32, Cpu> {
        let (x, tape) = x.split_tape();
        // The folded version has no backward pass; a recorded pass takes the composed one.
        if tape.is_recording() || layer.kernel.is_multiple_of(2) {
            composed::conv_norm_relu_frozen(x.put_tape(tape), layer, statistics)
        } else {
            conv_norm_relu_folded(&x, layer, statistics).put_tape(tape)
        }
    }

    fn max_mean_pool(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        max_mean_pool(x)
    }

    fn global_mean(x: Maps<f32, Cpu>) -> Rows<f32, Cpu> {
        global_mean(x)
    }

    fn dense(x: Rows<f32, Cpu>, layer: &DenseLayer<'_, f32, Cpu>) -> Rows<f32, Cpu> {
        dense(x, layer)
    }

    /// Whole networks in parallel rather than the images of one layer: what a part makes stays in its
    /// core's cache, and nobody waits between layers. A build for CUDA takes one part after the other.
    fn in_parts<T: Send>(images: Array4<f32>, forward: impl Fn(usize, Array4<f32>) -> T + Shared) -> Vec<T> {
        let parts: Vec<_> = images.axis_chunks_iter(ndarray::Axis(0), PART).collect();
        #[cfg(not(feature = "cuda"))]
        let parts = parts.into_par_iter();
        #[cfg(feature = "cuda")]
        let parts = parts.into_iter();
        parts.enumerate().map(|(number, part)| forward(number, part.to_owned())).collect()
    }

    fn squared_norm<S: Shape>(parameters: &Tensor<S, f32, Cpu>, gradients: &mut Gradients<f32, Cpu>) -> f64 {
        let g = gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let square = |g: &f32| f64::from(*g) * f64::from(*g);
        let parts: Vec<f64> = g.par_chunks(UPDATED).map(|g| g.iter().map(square).sum()).collect();
        parts.iter().sum()
    }

    fn update<S: Shape>(
        step: (Step, Before),
        parameters: &mut Tensor<S, f32, Cpu>,
        moments: &mut [Tensor<S, f32, Cpu>; 2],
        gradients: &mut Gradients<f32, Cpu>,
    ) {
        let g = gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let [m, v] = moments;
        let [p, m, v] = [lend::numbers_mut(parameters), lend::numbers_mut(m), lend::numbers_mut(v)];
        let parts = p.par_chunks_mut(UPDATED).zip(m.par_chunks_mut(UPDATED));
        parts
            .zip(v.par_chunks_mut(UPDATED).zip(g.par_chunks(UPDATED)))
            .for_each(|((p, m), (v, g))| update::apply(Level::best(), step, p, m, v, g));
    }
}

/// A tensor's numbers, copied: dfdx does not lend them.
fn numbers<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Vec<f32> {
    let mut numbers = vec![0f32; x.shape().num_elements()];
    x.copy_into(&mut numbers);
    numbers
}

/// Puts `y` on the tape as an operation on `x` and parameters.
///
/// `run` is handed the output's gradient, the input's and those of the parameters, and *adds* to the
/// latter. The buffers are moved out of the tape's store and back, not copied; the output's gradient,
/// which nothing else reads, is freed.
fn record<SI: Shape, SO: Shape>(
    x: &Tensor<SI, f32, Cpu>,
    mut tape: AnyTape<f32, Cpu>,
    parameters: Vec<Parameter>,
    y: Vec<f32>,
    shape: SO,
    run: impl FnOnce(&[f32], &mut [f32], &mut [Vec<f32>]) + 'static,
) -> Taped<SO, f32, Cpu> {
    let out = x.device().tensor_from_vec(y, shape);
    if tape.is_recording() {
        let (input, output) = (x.ghost(), out.ghost());
        tape.add_backward_op(move |gradients| {
            let of_output = std::mem::take(&mut **gradients.get_or_alloc_mut(&output)?);
            let mut of_input = std::mem::take(&mut **gradients.get_or_alloc_mut(&input)?);
            let mut of_parameters = Vec::with_capacity(parameters.len());
            for parameter in &parameters {
                of_parameters.push(std::mem::take(parameter.gradient(gradients)?));
            }
            run(&of_output, &mut of_input, &mut of_parameters);
            **gradients.get_or_alloc_mut(&input)? = of_input;
            for (parameter, gradient) in parameters.iter().zip(of_parameters) {
                *parameter.gradient(gradients)? = gradient;
            }
            Ok(())
        });
    }
    out.put_tape(tape)
}

/// A parameter of either rank.
enum Parameter {
    Matrix(Tensor<(usize, usize), f32, Cpu>),
    Vector(Tensor<(usize,), f32, Cpu>),
}

impl Parameter {
    fn gradient<'a>(&self, gradients: &'a mut Gradients<f32, Cpu>) -> Result<&'a mut Vec<f32>, CpuError> {
        Ok(match self {
            Self::Matrix(tensor) => &mut **gradients.get_or_alloc_mut(tensor)?,
            Self::Vector(tensor) => &mut **gradients.get_or_alloc_mut(tensor)?,
        })
    }
}

/// The geometry of a layer on these maps.
fn geometry(shape: (usize, usize, usize, usize), layer: &ConvNorm<'_, f32, Cpu>) -> Geometry {
    let (_, height, width, inputs) = shape;
    Geometry { height, width, inputs, outputs: layer.weight.shape().1, kernel: layer.kernel }
}

/// A zeroed frame for one image of so many channels.
fn frame(geometry: Geometry, channels: usize) -> impl Fn() -> Vec<f32> + Sync + Send {
    move || vec![0f32; geometry.padded_len(channels)]
}

/// y = x ∗ w + b for every image.
fn convolve_batch(geometry: Geometry, x: &[f32], weights: &Packed, finish: Finish<'_>, y: &mut [f32]) {
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

/// See [`Backend::conv_norm_relu_frozen`]: batch norm folded into the weights.
fn conv_norm_relu_folded(
    x: &Tensor<(usize, usize, usize, usize), f32, Cpu>,
    layer: &ConvNorm<'_, f32, Cpu>,
    statistics: &Statistics<f32, Cpu>,
) -> Tensor<(usize, usize, usize, usize), f32, Cpu> {
    let geometry = geometry(*x.shape(), layer);
    let (batch, height, width, outputs) = (x.shape().0, geometry.height, geometry.width, geometry.outputs);
    let [bias, gamma, beta] = [layer.bias, layer.scale, layer.shift].map(numbers);
    let (mean, variance) = (numbers(&statistics.mean), numbers(&statistics.variance));
    let scale: Vec<f32> = (0..outputs)
        .map(|c| (f64::from(gamma[c]) / (f64::from(variance[c]) + layer.epsilon).sqrt()) as f32)
        .collect();
    let shift: Vec<f32> = (0..outputs).map(|c| (bias[c] - mean[c]) * scale[c] + beta[c]).collect();
    let mut weights = numbers(layer.weight);
    for row in weights.chunks_exact_mut(outputs) {
        for (w, s) in row.iter_mut().zip(&scale) {
            *w *= s;
        }
    }
    let weights = Packed::new(Level::best(), geometry, &weights);
    let mut y = vec![0f32; batch * height * width * outputs];
    convolve_batch(geometry, &numbers(x), &weights, Finish::BiasRelu(&shift), &mut y);
    x.device().tensor_from_vec(y, (batch, height, width, outputs))
}

/// See [`Backend::conv_norm_relu`].
fn conv_norm_relu(
    x: Maps<f32, Cpu>,
    layer: &ConvNorm<'_, f32, Cpu>,
) -> (Maps<f32, Cpu>, Statistics<f32, Cpu>) {
    let level = Level::best();
    let geometry = geometry(*x.shape(), layer);
    let (batch, height, width, channels) = (x.shape().0, geometry.height, geometry.width, geometry.outputs);
    let (x, tape) = x.split_tape();
    let device = x.device().clone();
    let pixels = numbers(&x);
    let weights = numbers(layer.weight);
    let [bias, gamma, beta] = [layer.bias, layer.scale, layer.shift].map(numbers);

    let mut y = vec![0f32; batch * height * width * channels];
    let packed = Packed::new(level, geometry, &weights);
    convolve_batch(geometry, &pixels, &packed, Finish::Bias(&bias), &mut y);

    let image = height * width * channels;
    let (mean, variance) = batch_moments(level, &y, image, channels);
    let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + layer.epsilon).sqrt()).collect();
    let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| (f64::from(*g) * i) as f32).collect();
    let to_f32 = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
    let (mean, variance) = (to_f32(&mean), to_f32(&variance));
    let shift: Vec<f32> = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let mut out = vec![0f32; y.len()];
    out.par_chunks_exact_mut(image)
        .zip(y.par_chunks_exact(image))
        .for_each(|(out, y)| norm::scale_shift_relu(level, y, &scale, &shift, out));

    let statistics = Statistics {
        mean: device.tensor_from_vec(mean.clone(), (channels,)),
        variance: device.tensor_from_vec(variance, (channels,)),
    };
    let parameters = vec![
        Parameter::Matrix(layer.weight.clone()),
        Parameter::Vector(layer.scale.clone()),
        Parameter::Vector(layer.shift.clone()),
    ];
    let out =
        record(&x, tape, parameters, out, (batch, height, width, channels), move |g, gx, parameters| {
            let applied = Applied { scale: &scale, shift: &shift };
            // With ŷ the normalised y, n pixels in all: dβ = Σ g, dγ = Σ g ŷ, and
            // dy = (γ/σ) (g − dβ/n − ŷ dγ/n), written here with ŷ = (y − μ)/σ.
            let (sums, products) = gradient_sums(level, &y, g, image, applied, &mean);
            let n = (batch * height * width) as f64;
            let mut factors = [vec![0f32; channels], vec![0f32; channels], vec![0f32; channels]];
            for c in 0..channels {
                let of_gamma = products[c] * inverse[c];
                parameters[1][c] += of_gamma as f32;
                parameters[2][c] += sums[c] as f32;
                let rate = f64::from(scale[c]);
                factors[0][c] = rate as f32;
                factors[1][c] = (-rate * inverse[c] * of_gamma / n) as f32;
                factors[2][c] = (-rate * sums[c] / n) as f32;
            }
            // The bias shifts y and its mean alike: its gradient is exactly zero, and none is recorded.
            let backward = Packed::transposed(level, geometry, &weights);
            let row_of_y = |image_y: &[f32], image_g: &[f32], frame: &mut [f32]| {
                let rows = image_y.chunks_exact(width * channels).zip(image_g.chunks_exact(width * channels));
                for ((y, g), at) in rows.zip(geometry.padded_rows(channels)) {
                    norm::input_gradient(level, y, g, applied, &mean, &factors, &mut frame[at]);
                }
            };
            add_conv_gradients(level, geometry, &pixels, &y, g, &backward, row_of_y, gx, &mut parameters[0]);
        });
    (out, statistics)
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
/// of one image's sums into a frame.
#[allow(clippy::too_many_arguments)]
fn add_conv_gradients(
    level: Level,
    geometry: Geometry,
    pixels: &[f32],
    y: &[f32],
    g: &[f32],
    backward: &Packed,
    fill: impl Fn(&[f32], &[f32], &mut [f32]) + Sync,
    gx: &mut [f32],
    gw: &mut [f32],
) {
    let Geometry { height, width, inputs, outputs, .. } = geometry;
    let (image_in, image_out) = (height * width * inputs, height * width * outputs);
    let group = (pixels.len() / image_in).div_ceil(GROUPS).max(1);
    let groups = gx
        .par_chunks_mut(group * image_in)
        .zip(pixels.par_chunks(group * image_in))
        .zip(y.par_chunks(group * image_out))
        .zip(g.par_chunks(group * image_out));
    let parts: Vec<Vec<f32>> = groups
        .map(|(((gx, pixels), y), g)| {
            let (mut padded, mut of_y) = (frame(geometry, inputs)(), frame(geometry, outputs)());
            let mut weights = vec![0f32; geometry.weight_len()];
            let images =
                pixels.chunks_exact(image_in).zip(y.chunks_exact(image_out).zip(g.chunks_exact(image_out)));
            for (gx, (pixels, (y, g))) in gx.chunks_exact_mut(image_in).zip(images) {
                geometry.pad(inputs, pixels, &mut padded);
                fill(y, g, &mut of_y);
                conv::add_weight_gradient(level, geometry, &padded, &of_y, &mut weights);
                conv::convolve(&of_y, backward, Finish::Accumulate, gx);
            }
            weights
        })
        .collect();
    for part in parts {
        norm::add(level, gw, &part);
    }
}

/// See [`Backend::max_mean_pool`].
fn max_mean_pool(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
    let (batch, height, width, channels) = *x.shape();
    let (x, tape) = x.split_tape();
    let pixels = numbers(&x);
    let (image_in, image_out) = (height * width * channels, (height / 2) * (width / 2) * 2 * channels);
    let mut y = vec![0f32; batch * image_out];
    y.par_chunks_exact_mut(image_out)
        .zip(pixels.par_chunks_exact(image_in))
        .for_each(|(y, image)| pool::max_mean(height, width, channels, image, y));
    record(&x, tape, vec![], y, (batch, height / 2, width / 2, 2 * channels), move |g, gx, _| {
        gx.par_chunks_exact_mut(image_in)
            .zip(pixels.par_chunks_exact(image_in).zip(g.par_chunks_exact(image_out)))
            .for_each(|(gx, (image, g))| pool::add_max_mean_gradient(height, width, channels, image, g, gx));
    })
}

/// See [`Backend::global_mean`].
fn global_mean(x: Maps<f32, Cpu>) -> Rows<f32, Cpu> {
    let (batch, height, width, channels) = *x.shape();
    let (x, tape) = x.split_tape();
    let pixels = numbers(&x);
    let image = height * width * channels;
    let mut y = vec![0f32; batch * channels];
    y.par_chunks_exact_mut(channels)
        .zip(pixels.par_chunks_exact(image))
        .for_each(|(y, image)| pool::mean(image, y));
    record(&x, tape, vec![], y, (batch, channels), move |g, gx, _| {
        gx.par_chunks_exact_mut(image)
            .zip(g.par_chunks_exact(channels))
            .for_each(|(gx, g)| pool::add_mean_gradient(g, gx));
    })
}
