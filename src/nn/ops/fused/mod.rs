//! The CPU's operations in f32: convolution, batch norm and activation in one, parallel over images and channels.
//!
//! Sums over the batch are taken image by image and then in the order of the images, or by one task in
//! one order, never in the order in which threads finish: the same bits at any number of threads.

mod convolution;
mod linear;
mod segmentation;

use dfdx::prelude::*;
use ndarray::ArrayView4;
use rayon::prelude::*;

use super::dense::dense;
use super::{Backend, ConvNorm, DenseLayer, Maps, Matrix, PixelScores, Rows, Shared, Statistics, Window};
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::update::{Before, Step, Update};
use crate::nn::kernels::{lend, norm, pool};
use crate::nn::tape::{AnyTape, Taped};
use crate::simd::Level;

/// Pixels that a thread takes at once, where one is little work.
const PIXELS: usize = 64;

/// Parameters that an optimiser's step moves at once: few enough for a core's cache, enough to be worth a
/// thread.
const UPDATED: usize = 1 << 15;

impl Backend<f32> for Cpu {
    fn conv_norm(
        x: Maps<f32, Cpu>,
        residual: Option<Maps<f32, Cpu>>,
        layer: &ConvNorm<'_, f32, Cpu>,
    ) -> (Maps<f32, Cpu>, Statistics<f32, Cpu>) {
        convolution::conv_norm(x, residual, layer)
    }

    fn conv_norm_frozen(
        x: Maps<f32, Cpu>,
        residual: Option<Maps<f32, Cpu>>,
        layer: &ConvNorm<'_, f32, Cpu>,
        statistics: &Statistics<f32, Cpu>,
    ) -> Maps<f32, Cpu> {
        convolution::conv_norm_frozen(x, residual, layer, statistics)
    }

    fn max_pool(x: Maps<f32, Cpu>, window: Window) -> Maps<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let (rows, columns) = (window.outputs(height), window.outputs(width));
        let (x, tape) = x.split_tape();
        let (image_in, image_out) = (height * width * channels, rows * columns * channels);
        let places: Vec<_> = window.pixels(height, width).collect();
        let images = lend::numbers(&x);
        let y = filled(batch * image_out, image_out, |image, y| {
            pool::max(&places, window, channels, &images[image * image_in..][..image_in], y);
        });
        let (device, inputs) = (x.device().clone(), vec![of(&x)]);
        record(&device, tape, inputs, y, (batch, rows, columns, channels), move |g, inputs| {
            let pixels = lend::numbers(&x);
            inputs[0]
                .par_chunks_exact_mut(image_in)
                .zip(pixels.par_chunks_exact(image_in).zip(g.par_chunks_exact(image_out)))
                .for_each(|(gx, (image, g))| pool::add_max_gradient(&places, window, channels, image, g, gx));
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
                    Level::best().run(norm::Add { sum: ga, part: &g[..of_a] });
                    Level::best().run(norm::Add { sum: gb, part: &g[of_a..] });
                });
        })
    }

    fn max_mean_pool(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let (x, tape) = x.split_tape();
        let (image_in, image_out) = (height * width * channels, (height / 2) * (width / 2) * 2 * channels);
        let images = lend::numbers(&x);
        let y = filled(batch * image_out, image_out, |image, y| {
            pool::max_mean(height, width, channels, &images[image * image_in..][..image_in], y);
        });
        let (device, inputs) = (x.device().clone(), vec![of(&x)]);
        record(&device, tape, inputs, y, (batch, height / 2, width / 2, 2 * channels), move |g, inputs| {
            let (level, pixels) = (Level::best(), lend::numbers(&x));
            inputs[0]
                .par_chunks_exact_mut(image_in)
                .zip(pixels.par_chunks_exact(image_in).zip(g.par_chunks_exact(image_out)))
                .for_each(|(out, (image, gradient))| {
                    level.run(pool::AddMaxMeanGradient { height, width, channels, image, gradient, out });
                });
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
        segmentation::gated(x, z)
    }

    fn doubled(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
        segmentation::doubled(x)
    }

    fn weighted_sum(x: Rows<f32, Cpu>, y: Matrix<f32, Cpu>, c: f32) -> Taped<(), f32, Cpu> {
        segmentation::weighted_sum(x, &y, c)
    }

    fn numbers<S: Shape>(x: &Tensor<S, f32, Cpu>) -> Vec<f32> {
        lend::numbers(x).to_vec()
    }

    fn pixel_log_softmax(x: Maps<f32, Cpu>, layer: &PixelScores<'_, f32, Cpu>) -> Rows<f32, Cpu> {
        segmentation::pixel_log_softmax(x, layer)
    }

    fn global_mean(x: Maps<f32, Cpu>) -> Rows<f32, Cpu> {
        let (batch, height, width, channels) = *x.shape();
        let (x, tape) = x.split_tape();
        let image = height * width * channels;
        let mut y = vec![0f32; batch * channels];
        y.par_chunks_exact_mut(channels)
            .zip(lend::numbers(&x).par_chunks_exact(image))
            .for_each(|(y, image)| pool::mean(image, y));
        record(x.device(), tape, vec![of(&x)], y, (batch, channels), move |g, inputs| {
            inputs[0]
                .par_chunks_exact_mut(image)
                .zip(g.par_chunks_exact(channels))
                .for_each(|(gx, g)| pool::add_mean_gradient(g, gx));
        })
    }

    fn dense(x: Rows<f32, Cpu>, layer: &DenseLayer<'_, f32, Cpu>) -> Rows<f32, Cpu> {
        dense(x, layer)
    }

    /// Whole networks in parallel rather than the images of one layer: what a part makes stays in its
    /// core's cache, and nobody waits between layers. A build for CUDA takes one part after the other.
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
        moments: &mut [Tensor<S, f32, Cpu>; 2],
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

/// A tensor whose gradient is wanted, whatever its rank.
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
/// `run` is handed the output's gradient, which nothing else reads, and those of the tensors in the order
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
                    Level::best().run(norm::Add { sum: place, part: &gradient });
                }
            }
            Ok(())
        });
    }
    out.put_tape(tape)
}
