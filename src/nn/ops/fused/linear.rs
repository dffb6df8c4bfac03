//! The linear part of a layer: which kernel convolves, forwards and backwards.

use std::borrow::Cow;

use dfdx::prelude::*;
use rayon::prelude::*;

use super::super::{ConvNorm, Kind, Window};
use super::{GROUPS, add_parts, dense};
use crate::nn::kernels::conv::{self, Packed};
use crate::nn::kernels::depthwise::{SumProducts, Terms};
use crate::nn::kernels::geometry::Geometry;
use crate::nn::kernels::memory::{filled, filled_with};
use crate::nn::kernels::{Finish, linked, norm};
use crate::simd::Level;

/// Columns from which on the pixels of a row, rather than those of several images, are convolved side by
/// side: less of such maps lies at their edge, and their channels are few.
const WIDE: usize = 12;

/// A convolution of a batch of maps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Linear {
    kind: Kind,
    /// The convolution's; of a transposed one, those of the convolution that it turns round.
    geometry: Geometry,
}

impl Linear {
    /// The one of a layer on maps of this shape.
    pub(super) fn new(maps: (usize, usize, usize, usize), layer: &ConvNorm<'_, f32, Cpu>) -> Self {
        let (_, rows, columns, outputs) = layer.places(maps);
        if layer.kind != Kind::Transposed {
            return Self { kind: layer.kind, ..Self::full(maps, layer.window, outputs) };
        }
        let turned = Self::full((maps.0, rows, columns, outputs), layer.window, maps.3);
        assert_eq!(turned.geometry.places(), (maps.1, maps.2), "a window with `same` padding");
        Self { kind: layer.kind, ..turned }
    }

    /// A full convolution of maps of this shape.
    pub(super) fn full(maps: (usize, usize, usize, usize), window: Window, outputs: usize) -> Self {
        let (batch, height, width, inputs) = maps;
        Self { kind: Kind::Full, geometry: Geometry { batch, height, width, inputs, outputs, window } }
    }

    /// Numbers of the output, and of an image of it.
    fn output_lens(self) -> [usize; 2] {
        let (image_in, image_out) = self.geometry.image_lens();
        let image = if self.kind == Kind::Transposed { image_in } else { image_out };
        [self.geometry.batch * image, image]
    }

    /// The direct convolution's geometry, where it serves.
    pub(super) fn direct(self) -> Option<Geometry> {
        let Geometry { width, window, .. } = self.geometry;
        let serves =
            self.kind == Kind::Full && self.geometry.is_direct() && window.kernel > 1 && width >= WIDE;
        serves.then_some(self.geometry)
    }

    /// Whether it is a dense layer of all pixels.
    fn is_pointwise(self) -> bool {
        self.kind == Kind::Full && self.geometry.window == Window::same(1)
    }

    /// y = f(x ∗ w + b + residual); with a scale, each output's weights are multiplied by a factor first: batch
    /// norm, folded.
    pub(super) fn run(
        self,
        level: Level,
        x: &[f32],
        (weights, scale): (&[f32], Option<&[f32]>),
        finish: Finish<'_>,
    ) -> Vec<f32> {
        let Finish { bias, residual, relu } = finish;
        let [len, image] = self.output_lens();
        match (self.kind, self.direct(), residual) {
            (_, Some(geometry), None) => {
                let weights = Packed::new(level, geometry, &self.scaled(weights, scale));
                convolve_directly(geometry, x, &weights, finish)
            }
            (Kind::Full, ..) if self.is_pointwise() => {
                dense::convolve(level, x, &self.scaled(weights, scale), finish)
            }
            (Kind::Full, ..) => {
                let mut y = filled(len, image, |_, _| ());
                linked::convolve(level, self.geometry, x, (weights, scale), Some(finish), &mut y);
                y
            }
            (Kind::Depthwise, _, None) => self.depthwise(level, x, &self.scaled(weights, scale), finish),
            (kind, ..) => {
                let weights = self.scaled(weights, scale);
                let mut y = if kind == Kind::Depthwise {
                    self.depthwise(level, x, &weights, Finish { bias, residual: None, relu: false })
                } else {
                    let mut y = filled(len, image, |_, y| {
                        y.chunks_exact_mut(bias.len()).for_each(|y| y.copy_from_slice(bias));
                    });
                    linked::add_input_gradient(level, self.geometry, x, &weights, &mut y);
                    y
                };
                // One after the other, over numbers that are still near: such layers are a network's few.
                let (one, zero) = (vec![1.0; bias.len()], vec![0.0; bias.len()]);
                if residual.is_some() || relu {
                    let before = y.clone();
                    let normal = norm::Normal { scale: &one, shift: &zero, residual };
                    level.run(norm::ScaleShift { y: &before, normal, relu, out: &mut y });
                }
                y
            }
        }
    }

    /// The weights, each output's times its factor.
    fn scaled<'a>(self, weights: &'a [f32], scale: Option<&[f32]>) -> Cow<'a, [f32]> {
        let Some(scale) = scale else { return Cow::Borrowed(weights) };
        let mut scaled = weights.to_vec();
        match self.kind {
            Kind::Full | Kind::Depthwise => {
                for row in scaled.chunks_exact_mut(scale.len()) {
                    row.iter_mut().zip(scale).for_each(|(w, s)| *w *= s);
                }
            }
            // (taps, outputs, inputs).
            Kind::Transposed => {
                for (row, s) in scaled.chunks_exact_mut(self.geometry.outputs).zip(scale.iter().cycle()) {
                    for w in row {
                        *w *= s;
                    }
                }
            }
        }
        Cow::Owned(scaled)
    }

    /// Each channel by itself, image by image.
    fn depthwise(self, level: Level, x: &[f32], weights: &[f32], finish: Finish<'_>) -> Vec<f32> {
        let Geometry { height, width, inputs: channels, window, .. } = self.geometry;
        let terms = &Terms::of_output(window, height, width);
        let (image_in, [len, image_out]) = (self.geometry.image_lens().0, self.output_lens());
        filled(len, image_out, |image, out| {
            let left = &x[image * image_in..][..image_in];
            level.run(SumProducts { terms, channels, left, right: weights, finish: Some(finish), out });
        })
    }

    /// Adds the gradients of the weights and, where it is wanted, of the input.
    pub(super) fn add_gradients(
        self,
        level: Level,
        x: &[f32],
        gy: &[f32],
        weights: &[f32],
        gw: &mut [f32],
        gx: Option<&mut [f32]>,
    ) {
        let geometry = self.geometry;
        match self.kind {
            Kind::Full if self.is_pointwise() => {
                dense::add_weight_gradient(level, x, gy, gw, geometry.outputs);
                if let Some(gx) = gx {
                    dense::add_input_gradient(level, weights, gy, gx, geometry.outputs);
                }
            }
            Kind::Full => {
                linked::add_weight_gradient(level, geometry, x, gy, gw);
                if let Some(gx) = gx {
                    linked::add_input_gradient(level, geometry, gy, weights, gx);
                }
            }
            Kind::Transposed => {
                linked::add_weight_gradient(level, geometry, gy, x, gw);
                if let Some(gx) = gx {
                    linked::convolve(level, geometry, gy, (weights, None), None, gx);
                }
            }
            Kind::Depthwise => {
                let Geometry { batch, height, width, inputs: channels, window, .. } = geometry;
                let (image_in, image_out) = geometry.image_lens();
                let sum = |terms: &Terms, left: &[f32], right: &[f32], out: &mut [f32]| {
                    level.run(SumProducts { terms, channels, left, right, finish: None, out });
                };
                let of_weights = Terms::of_weights(window, height, width);
                let group = batch.div_ceil(GROUPS);
                let groups = x.par_chunks(group * image_in).zip(gy.par_chunks(group * image_out));
                let of_group = |(x, gy): (&[f32], &[f32])| {
                    let mut part = vec![0f32; gw.len()];
                    let images = x.chunks_exact(image_in).zip(gy.chunks_exact(image_out));
                    images.for_each(|(x, gy)| sum(&of_weights, x, gy, &mut part));
                    part
                };
                add_parts(level, groups.map(of_group).collect(), gw);
                if let Some(gx) = gx {
                    let of_input = Terms::of_input(window, height, width);
                    let images = gx.par_chunks_exact_mut(image_in).zip(gy.par_chunks_exact(image_out));
                    images.for_each(|(gx, gy)| sum(&of_input, gy, weights, gx));
                }
            }
        }
    }
}

/// A zeroed frame for one image of this number of channels.
fn frame(geometry: Geometry, channels: usize) -> impl Fn() -> Vec<f32> + Sync + Send {
    move || vec![0f32; geometry.padded_len(channels)]
}

/// y = x ∗ w + b for every image, directly.
fn convolve_directly(geometry: Geometry, x: &[f32], weights: &Packed, finish: Finish<'_>) -> Vec<f32> {
    let ((image_in, image_out), inputs) = (geometry.image_lens(), geometry.inputs);
    filled_with(geometry.output_len(), image_out, frame(geometry, inputs), |padded, image, y| {
        geometry.pad(inputs, &x[image * image_in..][..image_in], padded);
        conv::convolve(padded, weights, Some(finish), y);
    })
}

/// Adds the gradients of a convolution to its input's and its weights'. `fill` writes the gradient
/// of one image's sums into a frame; without `backward` the input's gradient is not wanted.
#[allow(clippy::too_many_arguments)]
pub(super) fn add_direct_gradients(
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
    let Geometry { inputs, outputs, .. } = geometry;
    let (image_in, image_out) = geometry.image_lens();
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
            let (padded, gradient, weights) = (&*padded, &*of_y, weights.as_mut_slice());
            level.run(conv::AddWeightGradient { geometry, padded, gradient, weights });
            if let Some((backward, gx)) = backward.zip(gx.as_mut().and_then(Iterator::next)) {
                conv::convolve(&of_y, backward, None, gx);
            }
        }
        weights
    };
    let parts: Vec<Vec<f32>> = if backward.is_some() {
        gx.par_chunks_mut(group * image_in).zip(groups).map(|(gx, group)| run(Some(gx), group)).collect()
    } else {
        groups.map(|group| run(None, group)).collect()
    };
    add_parts(level, parts, gw);
}
