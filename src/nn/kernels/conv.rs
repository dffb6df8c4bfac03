//! Direct convolution of one image, stride 1, odd kernel, Keras's `same` padding.
//!
//! An image is first copied into a frame of zeros ([`Geometry::pad`]); a kernel row is then one
//! contiguous run of `kernel × inputs` floats for each output pixel, and the innermost loop is a
//! broadcast of one input times a vector of output channels. Weights are packed so that it reads
//! them in order. The input gradient is the same convolution with flipped, transposed weights.

use std::ops::Range;

use super::geometry::{Geometry, Window};
use super::tile::{Tile, in_steps, load_row};
use super::{Finish, Kernel, Lanes, Level, volume};

/// Floats behind a padded image, so that a vector load at its last pixel stays inside.
const SLACK: usize = 16;

/// Floats of inputs and gradients that stay in the L1 cache while the weights' gradients of all taps are summed over them.
const NEAR: usize = 9216;

/// A convolution of each image in a frame.
impl Geometry {
    /// Whether it is one of those that this module computes.
    pub(crate) fn is_direct(self) -> bool {
        self.window == Window::same(self.window.kernel) && self.window.kernel % 2 == 1
    }

    /// The convolution that takes the output's gradient back to the input's.
    pub(crate) fn transposed(self) -> Self {
        Self { inputs: self.outputs, outputs: self.inputs, ..self }
    }

    /// Zeros on each side.
    fn margin(self) -> usize {
        self.window.kernel / 2
    }

    /// Columns of the padded image.
    fn padded_width(self) -> usize {
        self.width + 2 * self.margin()
    }

    /// Floats that a padded image of this number of channels takes.
    pub(crate) fn padded_len(self, channels: usize) -> usize {
        volume(&[self.height + 2 * self.margin(), self.padded_width(), channels]) + SLACK
    }

    /// The positions of the image's rows in a padded image.
    pub(crate) fn padded_rows(self, channels: usize) -> impl Iterator<Item = Range<usize>> {
        let (margin, stride, row) = (self.margin(), self.padded_width() * channels, self.width * channels);
        (0..self.height).map(move |r| {
            let start = (r + margin) * stride + margin * channels;
            start..start + row
        })
    }

    /// Copies an image into its frame; the frame's zeros are never written.
    pub(crate) fn pad(self, channels: usize, image: &[f32], padded: &mut [f32]) {
        for (row, at) in image.chunks_exact(self.width * channels).zip(self.padded_rows(channels)) {
            padded[at].copy_from_slice(row);
        }
    }
}

/// The register blocks that cover `outputs` channels with vectors of `width` lanes: first channel and vectors of each; as
/// many as leave room for the accumulators (32 registers with AVX-512, 16 without).
fn blocks(width: usize, outputs: usize) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut channel = 0;
    while channel < outputs {
        let vectors = match (width, (outputs - channel).div_ceil(width)) {
            (16, 4..) => 4,
            (_, 2..) => 2,
            _ => 1,
        };
        found.push((channel, vectors));
        channel += vectors * width;
    }
    found
}

/// Weights in the order in which the kernel reads them: for each register block, for each tap and
/// input channel, the block's output channels (zeros behind the last).
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    level: Level,
    geometry: Geometry,
    blocks: Vec<(usize, usize)>,
    panels: Vec<f32>,
}

impl Packed {
    /// Packs weights given as (kernel · kernel · inputs, outputs), Keras's order.
    pub(crate) fn new(level: Level, geometry: Geometry, weights: &[f32]) -> Self {
        assert!(geometry.is_direct(), "a convolution of another kind");
        assert_eq!(weights.len(), geometry.weight_len(), "weights of another convolution");
        let blocks = blocks(level.width(), geometry.outputs);
        let mut panels = Vec::new();
        for &(channel, vectors) in &blocks {
            let width = vectors * level.width();
            let end = (channel + width).min(geometry.outputs);
            for row in weights.chunks_exact(geometry.outputs) {
                panels.extend_from_slice(&row[channel..end]);
                panels.resize(panels.len() + width - (end - channel), 0.0);
            }
        }
        Self { level, geometry, blocks, panels }
    }

    /// Packs the weights of [`Geometry::transposed`]: flipped in both directions, inputs and
    /// outputs swapped.
    pub(crate) fn transposed(level: Level, geometry: Geometry, weights: &[f32]) -> Self {
        assert_eq!(weights.len(), geometry.weight_len(), "weights of another convolution");
        let Geometry { inputs, outputs, window, .. } = geometry;
        let taps = window.kernel * window.kernel;
        let mut flipped = vec![0f32; weights.len()];
        for (tap, of_tap) in weights.chunks_exact(inputs * outputs).enumerate() {
            for (input, row) in of_tap.chunks_exact(outputs).enumerate() {
                for (output, weight) in row.iter().enumerate() {
                    flipped[((taps - 1 - tap) * outputs + output) * inputs + input] = *weight;
                }
            }
        }
        Self::new(level, geometry.transposed(), &flipped)
    }
}

/// Convolves one padded image. `out` has height · width · outputs floats.
pub(crate) fn convolve(padded: &[f32], weights: &Packed, finish: Option<Finish<'_>>, out: &mut [f32]) {
    if let Some(finish) = finish {
        finish.check_plain(weights.geometry.outputs);
    }
    let bias = finish.map(Finish::padded_bias);
    let relu = finish.is_some_and(|finish| finish.relu);
    weights.level.run(Convolve { padded, weights, bias: bias.as_deref(), relu, out });
}

struct Convolve<'a> {
    padded: &'a [f32],
    weights: &'a Packed,
    /// With room behind it; without, the sums are added to what is there.
    bias: Option<&'a [f32]>,
    relu: bool,
    out: &'a mut [f32],
}

// SAFETY: `check` has every length, `run` the width that the weights are packed for; `convolve` makes the bias.
unsafe impl Kernel for Convolve<'_> {
    fn check(&self) {
        let Geometry { height, width, inputs, outputs, .. } = self.weights.geometry;
        let padded = self.weights.geometry.padded_len(inputs);
        assert_eq!(self.padded.len(), padded, "a padded image of another size");
        assert_eq!(self.out.len(), volume(&[height, width, outputs]), "an output of another size");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let weights = self.weights;
        assert_eq!(weights.level.width(), L::WIDTH, "weights packed for other vectors");
        let Geometry { inputs, window, .. } = weights.geometry;
        let mut panel = 0;
        for &(channel, vectors) in &weights.blocks {
            // SAFETY: blocks and panels come from `Packed`.
            unsafe {
                match (vectors, L::WIDTH) {
                    (4, _) => self.block::<L, 4, 4>(channel, panel),
                    (2, 16) => self.block::<L, 8, 2>(channel, panel),
                    (2, _) => self.block::<L, 6, 2>(channel, panel),
                    (_, 16) => self.block::<L, 16, 1>(channel, panel),
                    _ => self.block::<L, 8, 1>(channel, panel),
                }
            }
            panel += window.kernel * window.kernel * inputs * vectors * L::WIDTH;
        }
    }
}

impl Convolve<'_> {
    /// All pixels of one block of V vectors of output channels, P pixels at a time.
    #[inline(always)]
    unsafe fn block<L: Lanes, const P: usize, const V: usize>(&mut self, channel: usize, panel: usize) {
        let Geometry { height, width, .. } = self.weights.geometry;
        for row in 0..height {
            // SAFETY: the pixels of each step lie in the row.
            unsafe {
                in_steps!(column in 0..width, self.pixels::<L, (P, 4, 2, 1), V>(row, column, channel, panel));
            }
        }
    }

    /// P neighbouring output pixels × V vectors of output channels, held in registers.
    #[inline(always)]
    unsafe fn pixels<L: Lanes, const P: usize, const V: usize>(
        &mut self,
        row: usize,
        column: usize,
        channel: usize,
        panel: usize,
    ) {
        let geometry = self.weights.geometry;
        let Geometry { width, inputs, outputs, window, .. } = geometry;
        let (stride, left) = (geometry.padded_width() * inputs, outputs - channel);
        // SAFETY: the padded image holds `kernel` rows and `kernel + P - 1` columns from here; the
        // panel holds kernel² · inputs rows of V vectors; `left` keeps stores inside the pixel.
        unsafe {
            let out = self.out.as_mut_ptr().add((row * width + column) * outputs + channel);
            let mut sums = match self.bias {
                Some(bias) => Tile::<L, P, V>::of(load_row(bias.as_ptr().add(channel), V * L::WIDTH)),
                None => Tile::load(out, outputs, left),
            };
            let mut weights = self.weights.panels.as_ptr().add(panel);
            let start = self.padded.as_ptr().add(row * stride + column * inputs);
            for tap_row in 0..window.kernel {
                let mut input = start.add(tap_row * stride);
                for _ in 0..window.kernel * inputs {
                    sums.add(input, inputs, load_row(weights, V * L::WIDTH));
                    weights = weights.add(V * L::WIDTH);
                    input = input.add(1);
                }
            }
            if self.relu {
                sums.rectify();
            }
            sums.store(out, outputs, left, P);
        }
    }
}

/// Adds one image's share to the weights' gradient: for each tap, input i and output o,
/// the sum over pixels of input i under that tap times the gradient of output o.
pub(crate) struct AddWeightGradient<'a> {
    pub(crate) geometry: Geometry,
    /// A padded image of the inputs.
    pub(crate) padded: &'a [f32],
    /// The gradient of the outputs, padded.
    pub(crate) gradient: &'a [f32],
    pub(crate) weights: &'a mut [f32],
}

// SAFETY: `check` has every length that the geometry needs.
unsafe impl Kernel for AddWeightGradient<'_> {
    fn check(&self) {
        let g = self.geometry;
        assert_eq!(self.padded.len(), g.padded_len(g.inputs), "a padded image of another size");
        assert_eq!(self.gradient.len(), g.padded_len(g.outputs), "a padded gradient of another size");
        assert_eq!(self.weights.len(), g.weight_len(), "weights of another convolution");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let Geometry { height, inputs, outputs, .. } = self.geometry;
        let mut rows = height.max(1);
        if outputs > 2 * L::WIDTH && L::WIDTH < 16 {
            let row = self.geometry.padded_width() * (inputs + outputs);
            let near = (NEAR / row).saturating_sub(2 * self.geometry.margin());
            // For fewer, the weights' gradients would be read and written too often.
            rows = if near < 3 { rows } else { near };
        }
        for first in (0..height).step_by(rows) {
            let rows = &(first..(first + rows).min(height));
            for (channel, vectors) in blocks(L::WIDTH, outputs) {
                // SAFETY: the block lies in the outputs, the rows in the image.
                unsafe {
                    match (vectors, L::WIDTH) {
                        (4, _) => self.block::<L, 6, 4>(rows, channel),
                        (2, 16) => self.block::<L, 12, 2>(rows, channel),
                        (2, _) => self.block::<L, 6, 2>(rows, channel),
                        (_, 16) => self.block::<L, 15, 1>(rows, channel),
                        _ => self.block::<L, 10, 1>(rows, channel),
                    }
                }
            }
        }
    }
}

impl AddWeightGradient<'_> {
    /// All taps and inputs of one block of output channels, J inputs at a time.
    #[inline(always)]
    unsafe fn block<L: Lanes, const J: usize, const V: usize>(
        &mut self,
        rows: &Range<usize>,
        channel: usize,
    ) {
        let Geometry { inputs, window, .. } = self.geometry;
        for tap_row in 0..window.kernel {
            let inner = 0..window.kernel * inputs;
            // SAFETY: the inputs of each step lie in the kernel's row.
            unsafe {
                in_steps!(first in inner, self.inputs::<L, (J, 3, 1), V>(rows, tap_row, first, channel));
            }
        }
    }

    /// J neighbouring inputs of a kernel row × V vectors of outputs, summed over all pixels.
    #[inline(always)]
    unsafe fn inputs<L: Lanes, const J: usize, const V: usize>(
        &mut self,
        rows: &Range<usize>,
        tap_row: usize,
        first: usize,
        channel: usize,
    ) {
        let Geometry { width, inputs, outputs, window, .. } = self.geometry;
        let (margin, padded_width) = (self.geometry.margin(), self.geometry.padded_width());
        let left = outputs - channel;
        // SAFETY: pixel and tap stay inside the padded images; a vector load behind the last pixel
        // ends in the slack; `left` keeps stores inside the row of weights.
        unsafe {
            let mut sums = Tile::<L, J, V>::of([L::splat(0.0); V]);
            for row in rows.clone() {
                let mut input = self.padded.as_ptr().add((row + tap_row) * padded_width * inputs + first);
                let mut gradient =
                    self.gradient.as_ptr().add(((row + margin) * padded_width + margin) * outputs + channel);
                for _ in 0..width {
                    sums.add(input, 1, load_row(gradient, V * L::WIDTH));
                    // Behind the last pixel of an image they would leave it.
                    input = input.wrapping_add(inputs);
                    gradient = gradient.wrapping_add(outputs);
                }
            }
            let row = (tap_row * window.kernel * inputs + first) * outputs + channel;
            let to = self.weights.as_mut_ptr().add(row);
            sums.add_rows(to, outputs, left, J);
            sums.store(to, outputs, left, J);
        }
    }
}
