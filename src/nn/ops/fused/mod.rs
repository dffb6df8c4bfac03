//! The CPU's operations in f32: convolution, batch norm and activation in one, parallel over images and channels.
//!
//! Sums over the batch are taken image by image and then in the order of the images, or by one task in
//! one order, never in the order in which threads finish: the same bits at any number of threads.

mod dense;
mod linear;
mod norm;

use std::borrow::Cow;
use std::sync::Arc;

use dfdx::prelude::*;
use ndarray::ArrayView4;
use rayon::prelude::*;

use super::{
    Activation, Backend, ConvNorm, DenseLayer, Maps, Matrix, Onto, PixelScores, Rows, Shared, Statistics,
    Vector, Window,
};
use crate::nn::kernels::conv::Packed;
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::norm::{Add, Applied, InputGradient, Normal};
use crate::nn::kernels::swish::Swish;
use crate::nn::kernels::update::{Before, Step, Update};
use crate::nn::kernels::{Finish, gate, lend, pool};
use crate::nn::tape::{AnyTape, Taped};
use crate::simd::Level;
use linear::{Linear, add_direct_gradients};

/// Groups of images or rows whose weight gradients are summed apart: as parallel as a laptop can use, and few enough that
/// adding up the groups costs little.
const GROUPS: usize = 8;

/// Pixels that a thread takes at once, where one is little work.
const PIXELS: usize = 64;

/// Numbers of a sum that are added up by themselves.
const BLOCK: usize = 1 << 14;

/// Parameters that an optimiser's step moves at once: few enough for a core's cache, enough to be worth a
/// thread.
const UPDATED: usize = 1 << 15;

impl Backend<f32> for Cpu {
    fn conv_norm(
        (x, residual): Onto<f32, Cpu>,
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

        let finish = Finish { bias: lend::numbers(layer.bias), residual: None, relu: false };
        let y = linear.run(level, lend::numbers(&x), (lend::numbers(layer.weight), None), finish);
        let image = rows * columns * channels;
        let (mean, variance) = norm::batch_moments(level, &y, image, channels);
        let inverse: Vec<f64> = variance.iter().map(|v| 1.0 / (v + layer.epsilon).sqrt()).collect();
        let (gamma, beta) = (lend::numbers(layer.scale), lend::numbers(layer.shift));
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| (f64::from(*g) * i) as f32).collect();
        let to_f32 = |v: &[f64]| v.iter().map(|v| *v as f32).collect::<Vec<_>>();
        let (mean, variance) = (to_f32(&mean), to_f32(&variance));
        let shift: Vec<f32> = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
        let activation = layer.activation;
        let normal = Normal { scale: &scale, shift: &shift, residual: residual.as_ref().map(lend::numbers) };
        let out = norm::activated(level, &y, image, normal, activation);

        let statistics = Statistics {
            mean: device.tensor_from_vec(mean.clone(), (channels,)),
            variance: device.tensor_from_vec(variance, (channels,)),
        };
        // The bias shifts y and its mean equally: its gradient is exactly zero, and none is recorded.
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
                norm::multiply_derivative(
                    level,
                    &y,
                    image,
                    Normal { scale: &scale, shift: &shift, residual },
                    g,
                );
            }
            // With a residual, the output of the ReLU shows where it was positive; without, y does.
            if let Some(at) = of_residual {
                norm::mask_and_add(level, kept.as_deref(), g, &mut gradients[at]);
            }
            let (scale_of_relu, shift_of_relu) = if relu && of_residual.is_none() {
                (Cow::Borrowed(&scale), Cow::Borrowed(&shift))
            } else {
                // Positive everywhere.
                (Cow::Owned(vec![0.0; channels]), Cow::Owned(vec![1.0; channels]))
            };
            let applied = Applied { scale: &scale_of_relu, shift: &shift_of_relu, mean: &mean };
            // With ŷ the normalised y: dβ = Σ g, dγ = Σ g ŷ.
            let (sums, products) = norm::gradient_sums(level, &y, g, image, applied);
            let of_gamma: Vec<f64> = products.iter().zip(&inverse).map(|(p, inverse)| p * inverse).collect();
            for c in 0..channels {
                gradients[1][c] += of_gamma[c] as f32;
                gradients[2][c] += sums[c] as f32;
            }
            let factors = norm::factors(&scale, &inverse, [&sums, &of_gamma], batch * rows * columns);
            let mut none = Vec::new();
            let [gw, rest @ ..] = gradients else { unreachable!("the weight comes first") };
            let gx = of_input.map_or(&mut none, |at| &mut rest[at - 1]);
            let (pixels, weights) = (lend::numbers(&x), lend::numbers(&weights));
            let of_y = |y: &[f32], g: &[f32], out: &mut [f32]| {
                level.run(InputGradient { y, gradient: g, applied, factors: &factors, out });
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

    fn conv_norm_frozen(
        (x, residual): Onto<f32, Cpu>,
        layer: &ConvNorm<'_, f32, Cpu>,
        statistics: &Statistics<f32, Cpu>,
    ) -> Maps<f32, Cpu> {
        let (x, tape) = x.split_tape();
        assert!(!tape.is_recording(), "a layer whose batch norm is folded into its weights has no gradient");
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
        let finish = Finish { bias: &shift, residual, relu: layer.activation == Activation::Relu };
        let weights = (lend::numbers(layer.weight), Some(scale.as_slice()));
        let mut y = linear.run(Level::best(), lend::numbers(&x), weights, finish);
        if layer.activation == Activation::Swish {
            y.par_chunks_mut(1 << 14).for_each(|z| Level::best().run(Swish { z }));
        }
        x.device().tensor_from_vec(y, shape).put_tape(tape)
    }

    fn max_pool(x: Maps<f32, Cpu>, window: Window) -> Maps<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let shape = (batch, window.outputs(height), window.outputs(width), channels);
        let parts = [height * width, shape.1 * shape.2].map(|pixels| pixels * channels);
        let places: Arc<[_]> = window.pixels(height, width).collect();
        let of_gradient = places.clone();
        let forward = move |x: &[f32], y: &mut [f32]| pool::max(&places, window, channels, x, y);
        by_parts(x, parts, shape, forward, move |x, g, gx| {
            pool::add_max_gradient(&of_gradient, window, channels, x, g, gx);
        })
    }

    fn concat(a: Maps<f32, Cpu>, b: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        let ((batch, height, width, of_a), of_b) = (*a.shape(), b.shape().3);
        let ((a, tape), (b, tape_b)) = (a.split_tape(), b.split_tape());
        let row = width * (of_a + of_b);
        let (rows_a, rows_b) = (lend::numbers(&a), lend::numbers(&b));
        let y = filled(batch * height * row, row, |n, y| {
            let a = rows_a[n * width * of_a..].chunks_exact(of_a);
            let b = rows_b[n * width * of_b..].chunks_exact(of_b);
            for (y, (a, b)) in y.chunks_exact_mut(of_a + of_b).zip(a.zip(b)) {
                y[..of_a].copy_from_slice(a);
                y[of_a..].copy_from_slice(b);
            }
        });
        let (device, inputs) = (a.device().clone(), vec![of(&a), of(&b)]);
        let shape = (batch, height, width, of_a + of_b);
        record(&device, tape.merge(tape_b), inputs, y, shape, move |g, inputs| {
            let [ga, gb] = inputs else { unreachable!("two inputs") };
            g.par_chunks_exact(of_a + of_b)
                .with_min_len(PIXELS)
                .zip(ga.par_chunks_exact_mut(of_a).zip(gb.par_chunks_exact_mut(of_b)))
                .for_each(|(g, (ga, gb))| {
                    Level::best().run(Add { sum: ga, part: &g[..of_a] });
                    Level::best().run(Add { sum: gb, part: &g[of_a..] });
                });
        })
    }

    fn max_mean_pool(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let shape = (batch, height / 2, width / 2, 2 * channels);
        let parts = [height * width * channels, shape.1 * shape.2 * shape.3];
        let forward = move |x: &[f32], y: &mut [f32]| pool::max_mean(height, width, channels, x, y);
        by_parts(x, parts, shape, forward, move |image, gradient, out| {
            Level::best().run(pool::AddMaxMeanGradient { height, width, channels, image, gradient, out });
        })
    }

    fn times<S: Shape>(x: Taped<S, f32, Cpu>, factors: Tensor<S, f32, Cpu>) -> Taped<S, f32, Cpu> {
        let shape = *x.shape();
        let (x, tape) = x.split_tape();
        let numbers = lend::numbers(&x).par_iter().zip(lend::numbers(&factors));
        let y: Vec<f32> = numbers.with_min_len(UPDATED).map(|(x, factor)| x * factor).collect();
        record(x.device(), tape, vec![of(&x)], y, shape, move |g, inputs| {
            let numbers = inputs[0].par_iter_mut().zip(g.par_iter().zip(lend::numbers(&factors)));
            numbers.with_min_len(UPDATED).for_each(|(gx, (g, factor))| *gx += g * factor);
        })
    }

    fn gate(x: Maps<f32, Cpu>, z: Rows<f32, Cpu>) -> Maps<f32, Cpu> {
        let shape = *x.shape();
        let (_, height, width, channels) = shape;
        let ((x, tape), (z, tape_z)) = (x.split_tape(), z.split_tape());
        let image = height * width * channels;
        let level = Level::best();
        let factors: Vec<f32> = lend::numbers(&z).iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
        let pixels = lend::numbers(&x);
        let y = filled(pixels.len(), image, |n, y| {
            let (x, factors) = (&pixels[n * image..][..image], &factors[n * channels..][..channels]);
            level.run(gate::Scale { x, factors, out: y });
        });
        let (device, inputs) = (x.device().clone(), vec![of(&x), of(&z)]);
        record(&device, tape.merge(tape_z), inputs, y, shape, move |g, inputs| {
            let [gx, gz] = inputs else { unreachable!("two inputs") };
            let of_images = gx.par_chunks_exact_mut(image).zip(gz.par_chunks_exact_mut(channels));
            let images = lend::numbers(&x).par_chunks_exact(image).zip(g.par_chunks_exact(image));
            of_images.zip(images.zip(factors.par_chunks_exact(channels))).for_each(
                |((gx, gz), ((x, g), f))| {
                    let mut sums = vec![0f32; channels];
                    level.run(gate::AddGradients { x, factors: f, g, gx, sums: &mut sums });
                    // σ′ = σ (1 − σ).
                    gz.iter_mut()
                        .zip(sums.iter().zip(f))
                        .for_each(|(gz, (sum, f))| *gz += sum * f * (1.0 - f));
                },
            );
        })
    }

    fn doubled(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let row = width * channels;
        let forward = move |x: &[f32], y: &mut [f32]| {
            let (first, second) = y.split_at_mut(2 * row);
            for (y, x) in first.chunks_exact_mut(2 * channels).zip(x.chunks_exact(channels)) {
                y[..channels].copy_from_slice(x);
                y[channels..].copy_from_slice(x);
            }
            second.copy_from_slice(first);
        };
        by_parts(x, [row, 4 * row], (batch, 2 * height, 2 * width, channels), forward, move |_, g, gx| {
            for g in g.chunks_exact(2 * row) {
                for (gx, g) in gx.chunks_exact_mut(channels).zip(g.chunks_exact(2 * channels)) {
                    Level::best().run(Add { sum: gx, part: &g[..channels] });
                    Level::best().run(Add { sum: gx, part: &g[channels..] });
                }
            }
        })
    }

    fn weighted_sum(x: Rows<f32, Cpu>, y: Matrix<f32, Cpu>, c: f32) -> Taped<(), f32, Cpu> {
        let (x, tape) = x.split_tape();
        let of_block = |(x, y): (&[f32], &[f32])| -> f64 {
            x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
        };
        let blocks = lend::numbers(&x).par_chunks(BLOCK).zip(lend::numbers(&y).par_chunks(BLOCK));
        let blocks: Vec<f64> = blocks.map(of_block).collect();
        let sum = blocks.iter().sum::<f64>() * f64::from(c);
        let device = x.device().clone();
        record(&device, tape, vec![of(&x)], vec![sum as f32], (), move |g, inputs| {
            let share = g[0] * c;
            let blocks = inputs[0].par_chunks_mut(BLOCK).zip(lend::numbers(&y).par_chunks(BLOCK));
            blocks.for_each(|(gx, y)| gx.iter_mut().zip(y).for_each(|(gx, y)| *gx += share * y));
        })
    }

    fn numbers<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Vec<f32> {
        lend::numbers(x).to_vec()
    }

    fn pixel_log_softmax(x: Maps<f32, Cpu>, layer: &PixelScores<'_, f32, Cpu>) -> Rows<f32, Cpu> {
        let level = Level::best();
        let (x, tape) = x.split_tape();
        let classes = layer.bias.shape().0;
        let linear = Linear::full(*x.shape(), layer.window, classes);
        let finish = Finish { bias: lend::numbers(layer.bias), residual: None, relu: false };
        let mut y = linear.run(level, lend::numbers(&x), (lend::numbers(layer.weight), None), finish);
        y.par_chunks_exact_mut(classes).with_min_len(PIXELS).for_each(|z| {
            // NaN is passed over here, and comes through the sum.
            let largest = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let total: f32 = z.iter().map(|z| (z - largest).exp()).sum();
            let shift = largest + total.ln();
            for z in z {
                *z -= shift;
            }
        });
        let (weight, device) = (layer.weight.clone(), x.device().clone());
        let inputs = vec![of(&x), of(layer.weight), of(layer.bias)];
        let rows = y.len() / classes;
        // What the backward pass needs of the output, which the tape keeps only where it records.
        let log_p = if tape.is_recording() { y.clone() } else { Vec::new() };
        record(&device, tape, inputs, y, (rows, classes), move |g, inputs| {
            let [gx, gw, gb] = inputs else { unreachable!("three inputs") };
            // gz = g − p Σ g.
            let rows = g.par_chunks_exact_mut(classes).zip(log_p.par_chunks_exact(classes));
            rows.with_min_len(PIXELS).for_each(|(g, log_p)| {
                let total: f32 = g.iter().sum();
                if total != 0.0 {
                    g.iter_mut().zip(log_p).for_each(|(g, l)| *g -= l.exp() * total);
                }
            });
            // Block by block and these in order: the same bits at any number of threads.
            let blocks: Vec<Vec<f32>> = g
                .par_chunks(4096 * classes)
                .map(|g| {
                    let mut sum = vec![0f32; classes];
                    g.chunks_exact(classes).for_each(|g| sum.iter_mut().zip(g).for_each(|(s, g)| *s += g));
                    sum
                })
                .collect();
            add_parts(level, blocks, gb);
            let (pixels, weights) = (lend::numbers(&x), lend::numbers(&weight));
            if let Some(geometry) = linear.direct() {
                let backward = Packed::transposed(level, geometry, weights);
                let fill = |g: &[f32], _: &[f32], frame: &mut [f32]| geometry.pad(classes, g, frame);
                add_direct_gradients(level, geometry, pixels, g, g, Some(&backward), fill, gx, gw);
            } else {
                linear.add_gradients(level, pixels, g, weights, gw, Some(gx));
            }
        })
    }

    fn global_mean(x: Maps<f32, Cpu>) -> Rows<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let parts = [height * width * channels, channels];
        by_parts(x, parts, (batch, channels), pool::mean, |_, g, gx| pool::add_mean_gradient(g, gx))
    }

    fn dense(x: Rows<f32, Cpu>, layer: &DenseLayer<'_, f32, Cpu>) -> Rows<f32, Cpu> {
        let shape = (x.shape().0, layer.weight.shape().1);
        let (x, tape) = x.split_tape();
        let (weight, relu) = (layer.weight.clone(), layer.relu);
        let y = dense::forward(lend::numbers(&x), lend::numbers(&weight), lend::numbers(layer.bias), relu);
        let kept = (relu && tape.is_recording()).then(|| y.clone());
        let mut inputs = vec![of(&weight), of(layer.bias)];
        inputs.extend(layer.passes_back.then(|| of(&x)));
        let device = x.device().clone();
        record(&device, tape, inputs, y, shape, move |g, inputs| {
            if let Some(y) = &kept {
                g.iter_mut().zip(y).for_each(|(g, y)| *g = if *y > 0.0 { *g } else { 0.0 });
            }
            let [gw, gb, gx @ ..] = inputs else { unreachable!("weight and bias come first") };
            g.chunks_exact(shape.1).for_each(|part| Level::best().run(Add { sum: gb, part }));
            dense::add_weight_gradient(Level::best(), lend::numbers(&x), g, gw, shape.1);
            if let [gx] = gx {
                dense::add_input_gradient(Level::best(), lend::numbers(&weight), g, gx, shape.1);
            }
        })
    }

    /// Whole networks in parallel rather than the images of one layer: what a part makes stays in its
    /// core's cache, and no thread waits between layers. A build for CUDA takes one part after the other.
    fn in_parts<T: Send>(
        images: ArrayView4<'_, f32>,
        size: usize,
        forward: impl Fn(usize, ArrayView4<'_, f32>) -> T + Shared,
    ) -> Vec<T> {
        let parts: Vec<_> = images.axis_chunks_iter(ndarray::Axis(0), size).collect();
        #[cfg(not(feature = "cuda"))]
        let parts = parts.into_par_iter();
        #[cfg(feature = "cuda")]
        let parts = parts.into_iter();
        parts.enumerate().map(|(number, part)| forward(number, part)).collect()
    }

    fn squared_norm<S: Shape>(parameters: &Tensor<S, f32, Cpu>, gradients: &mut Gradients<f32, Cpu>) -> f64 {
        let g = gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let square = |g: &f32| f64::from(*g) * f64::from(*g);
        let parts: Vec<f64> = g.par_chunks(UPDATED).map(|g| g.iter().map(square).sum()).collect();
        parts.iter().sum()
    }

    fn update<S: Shape>(
        (step, before): (Step, Before),
        parameters: &mut Tensor<S, f32, Cpu>,
        moments: &mut [Vector<f32, Cpu>; 2],
        gradients: &mut Gradients<f32, Cpu>,
    ) {
        let g = gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let [m, v] = moments;
        let numbers = lend::numbers_mut(parameters).par_chunks_mut(UPDATED).zip(
            lend::numbers_mut(m).par_chunks_mut(UPDATED).zip(lend::numbers_mut(v).par_chunks_mut(UPDATED)),
        );
        let level = Level::best();
        numbers
            .zip(g.par_chunks(UPDATED))
            .for_each(|((p, (m, v)), g)| level.run(Update { step, before, p, m, v, g }));
    }
}

/// An operation on parts of the maps by themselves, each of `part_in` numbers before and `part_out` behind it.
fn by_parts<S: Shape>(
    x: Maps<f32, Cpu>,
    [part_in, part_out]: [usize; 2],
    shape: S,
    forward: impl Fn(&[f32], &mut [f32]) + Sync + Send,
    add_gradient: impl Fn(&[f32], &[f32], &mut [f32]) + Sync + Send + 'static,
) -> Taped<S, f32, Cpu> {
    let (x, tape) = x.split_tape();
    let numbers = lend::numbers(&x);
    let y = filled(shape.num_elements(), part_out, |n, y| forward(&numbers[n * part_in..][..part_in], y));
    let (device, inputs) = (x.device().clone(), vec![of(&x)]);
    record(&device, tape, inputs, y, shape, move |g, inputs| {
        inputs[0]
            .par_chunks_exact_mut(part_in)
            .zip(lend::numbers(&x).par_chunks_exact(part_in).zip(g.par_chunks_exact(part_out)))
            .for_each(|(gx, (x, g))| add_gradient(x, g, gx));
    })
}

/// Adds parts in their order to a sum.
fn add_parts(level: Level, parts: Vec<Vec<f32>>, sum: &mut [f32]) {
    for part in parts {
        level.run(Add { sum, part: &part });
    }
}

/// A tensor of any rank whose gradient is computed.
struct Of {
    len: usize,
    /// Where the gradient is kept.
    #[allow(clippy::type_complexity)]
    gradient: Box<dyn for<'a> Fn(&'a mut Gradients<f32, Cpu>) -> Result<&'a mut Vec<f32>, CpuError>>,
}

fn of<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Of {
    let ghost = x.ghost();
    Of {
        len: x.shape().num_elements(),
        gradient: Box::new(move |gradients| Ok(&mut **gradients.get_or_alloc_mut(&ghost)?)),
    }
}

/// Puts `y` on the tape as an operation on tensors.
///
/// `run` receives the output's gradient, which nothing else reads, and those of the tensors in the order
/// of `inputs`, to which it *adds*. The buffers are moved out of the tape's store and back, not copied; the
/// output's gradient is freed. A tensor that is an input twice has two of them, which are added up in the end.
fn record<S: Shape>(
    device: &Cpu,
    mut tape: AnyTape<f32, Cpu>,
    inputs: Vec<Of>,
    y: Vec<f32>,
    shape: S,
    run: impl FnOnce(&mut [f32], &mut [Vec<f32>]) + 'static,
) -> Taped<S, f32, Cpu> {
    let out = device.tensor_from_vec(y, shape);
    if tape.is_recording() {
        let output = of(&out);
        tape.add_backward_op(move |gradients| {
            let mut of_output = std::mem::take((output.gradient)(gradients)?);
            let mut of_inputs = Vec::with_capacity(inputs.len());
            for input in &inputs {
                let mut gradient = std::mem::take((input.gradient)(gradients)?);
                // Empty where an input before this one is the same tensor.
                gradient.resize(input.len, 0.0);
                of_inputs.push(gradient);
            }
            run(&mut of_output, &mut of_inputs);
            for (input, gradient) in inputs.iter().zip(of_inputs) {
                let place = (input.gradient)(gradients)?;
                if place.is_empty() {
                    *place = gradient;
                } else {
                    Level::best().run(Add { sum: place, part: &gradient });
                }
            }
            Ok(())
        });
    }
    out.put_tape(tape)
}
