//! What segmentation needs beside convolutions: gates, maps of twice the size, scores of pixels.

use dfdx::prelude::*;
use rayon::prelude::*;

use super::super::{Maps, Matrix, PixelScores, Rows};
use super::linear::{Linear, add_direct_gradients};
use super::{PIXELS, of, record};
use crate::nn::kernels::conv::Packed;
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::{gate, lend, norm};
use crate::nn::tape::Taped;
use crate::simd::Level;

/// See [`Backend::gate`](super::Backend::gate).
pub(super) fn gated(x: Maps<f32, Cpu>, z: Rows<f32, Cpu>) -> Maps<f32, Cpu> {
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
        of_images.zip(images.zip(factors.par_chunks_exact(channels))).for_each(|((gx, gz), ((x, g), f))| {
            let mut sums = vec![0f32; channels];
            level.run(gate::AddGradients { x, factors: f, g, gx, sums: &mut sums });
            // σ′ = σ (1 − σ).
            gz.iter_mut().zip(sums.iter().zip(f)).for_each(|(gz, (sum, f))| *gz += sum * f * (1.0 - f));
        });
    })
}

/// See [`Backend::doubled`](super::Backend::doubled).
pub(super) fn doubled(x: Maps<f32, Cpu>) -> Maps<f32, Cpu> {
    let (batch, height, width, channels) = *x.shape();
    let (x, tape) = x.split_tape();
    let row = width * channels;
    let pixels = lend::numbers(&x);
    let y = filled(4 * batch * height * row, 4 * row, |n, y| {
        let (first, second) = y.split_at_mut(2 * row);
        for (y, x) in first.chunks_exact_mut(2 * channels).zip(pixels[n * row..].chunks_exact(channels)) {
            y[..channels].copy_from_slice(x);
            y[channels..].copy_from_slice(x);
        }
        second.copy_from_slice(first);
    });
    let shape = (batch, 2 * height, 2 * width, channels);
    record(x.device(), tape, vec![of(&x)], y, shape, move |g, inputs| {
        let level = Level::best();
        inputs[0].par_chunks_exact_mut(row).zip(g.par_chunks_exact(4 * row)).for_each(|(gx, g)| {
            for g in g.chunks_exact(2 * row) {
                for (gx, g) in gx.chunks_exact_mut(channels).zip(g.chunks_exact(2 * channels)) {
                    level.run(norm::Add { sum: gx, part: &g[..channels] });
                    level.run(norm::Add { sum: gx, part: &g[channels..] });
                }
            }
        });
    })
}

/// Numbers of a sum that are added up by themselves.
const BLOCK: usize = 1 << 14;

/// See [`Backend::weighted_sum`](super::Backend::weighted_sum).
pub(super) fn weighted_sum(x: Rows<f32, Cpu>, y: &Matrix<f32, Cpu>, c: f32) -> Taped<(), f32, Cpu> {
    let (x, tape) = x.split_tape();
    let of_block = |(x, y): (&[f32], &[f32])| -> f64 {
        x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
    };
    let blocks = lend::numbers(&x).par_chunks(BLOCK).zip(lend::numbers(y).par_chunks(BLOCK));
    let blocks: Vec<f64> = blocks.map(of_block).collect();
    let sum = blocks.iter().sum::<f64>() * f64::from(c);
    let (device, y) = (x.device().clone(), y.clone());
    record(&device, tape, vec![of(&x)], vec![sum as f32], (), move |g, inputs| {
        let share = g[0] * c;
        let blocks = inputs[0].par_chunks_mut(BLOCK).zip(lend::numbers(&y).par_chunks(BLOCK));
        blocks.for_each(|(gx, y)| gx.iter_mut().zip(y).for_each(|(gx, y)| *gx += share * y));
    })
}

/// See [`Backend::pixel_log_softmax`](super::Backend::pixel_log_softmax).
pub(super) fn pixel_log_softmax(x: Maps<f32, Cpu>, layer: &PixelScores<'_, f32, Cpu>) -> Rows<f32, Cpu> {
    let level = Level::best();
    let (x, tape) = x.split_tape();
    let classes = layer.bias.shape().0;
    let linear = Linear::full(*x.shape(), layer.window, classes);
    let finish = (lend::numbers(layer.bias), None, super::super::Activation::None);
    let mut y = linear.run(level, lend::numbers(&x), lend::numbers(layer.weight), None, finish);
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
        for block in blocks {
            level.run(norm::Add { sum: gb, part: &block });
        }
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
