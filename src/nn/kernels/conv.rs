//! Direct convolution of one image, stride 1, odd kernel, Keras's `same` padding.
//!
//! An image is first copied into a frame of zeros ([`Geometry::pad`]); a kernel row is then one
//! contiguous run of `kernel × inputs` floats for each output pixel, and the innermost loop is a
//! broadcast of one input times a vector of output channels. Weights are packed so that it reads
//! them in order. The input gradient is the same convolution with flipped, transposed weights.

use super::{Kernel, Lanes, Level, volume};

/// Floats behind a padded image, so that a vector load at its last pixel stays inside.
const SLACK: usize = 16;

/// Output pixels, then input and output channels, of a `kernel × kernel` convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Geometry {
    /// Rows of the image.
    pub(crate) height: usize,
    /// Columns of the image.
    pub(crate) width: usize,
    /// Channels in.
    pub(crate) inputs: usize,
    /// Channels out.
    pub(crate) outputs: usize,
    /// Side of the kernel, odd.
    pub(crate) kernel: usize,
}

impl Geometry {
    /// The convolution that takes the output's gradient back to the input's.
    pub(crate) fn transposed(self) -> Self {
        Self { inputs: self.outputs, outputs: self.inputs, ..self }
    }

    /// Zeros on each side.
    fn margin(self) -> usize {
        self.kernel / 2
    }

    /// Columns of the padded image.
    fn padded_width(self) -> usize {
        self.width + 2 * self.margin()
    }

    /// Floats that a padded image of so many channels takes.
    pub(crate) fn padded_len(self, channels: usize) -> usize {
        volume(&[self.height + 2 * self.margin(), self.padded_width(), channels]) + SLACK
    }

    /// Weights of the convolution.
    pub(crate) fn weight_len(self) -> usize {
        volume(&[self.kernel, self.kernel, self.inputs, self.outputs])
    }

    /// The positions of the image's rows in a padded image.
    pub(crate) fn padded_rows(self, channels: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
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
        assert_eq!(weights.len(), geometry.weight_len(), "weights of another convolution");
        let rows = weights.chunks_exact(geometry.outputs);
        Self::from_rows(level, geometry, rows)
    }

    /// Packs the weights of [`Geometry::transposed`]: flipped in both directions, inputs and
    /// outputs swapped.
    pub(crate) fn transposed(level: Level, geometry: Geometry, weights: &[f32]) -> Self {
        assert_eq!(weights.len(), geometry.weight_len(), "weights of another convolution");
        let Geometry { inputs, outputs, kernel, .. } = geometry;
        let taps = kernel * kernel;
        let mut flipped = vec![0f32; weights.len()];
        for tap in 0..taps {
            for input in 0..inputs {
                for output in 0..outputs {
                    flipped[((taps - 1 - tap) * outputs + output) * inputs + input] =
                        weights[(tap * inputs + input) * outputs + output];
                }
            }
        }
        Self::from_rows(level, geometry.transposed(), flipped.chunks_exact(inputs))
    }

    fn from_rows<'a>(
        level: Level,
        geometry: Geometry,
        rows: impl Iterator<Item = &'a [f32]> + Clone,
    ) -> Self {
        let blocks = blocks(level.width(), geometry.outputs);
        let mut panels = Vec::new();
        for &(channel, vectors) in &blocks {
            let width = vectors * level.width();
            let end = (channel + width).min(geometry.outputs);
            for row in rows.clone() {
                panels.extend_from_slice(&row[channel..end]);
                panels.resize(panels.len() + width - (end - channel), 0.0);
            }
        }
        Self { level, geometry, blocks, panels }
    }
}

/// What becomes of a convolution's sums.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Finish<'a> {
    /// out = sum + bias.
    Bias(&'a [f32]),
    /// out = max(0, sum + bias); NaN stays NaN, so that a broken network shows.
    BiasRelu(&'a [f32]),
    /// out += sum.
    Accumulate,
}

/// Convolves one padded image. `out` has height · width · outputs floats.
pub(crate) fn convolve(padded: &[f32], weights: &Packed, finish: Finish<'_>, out: &mut [f32]) {
    // A block reads its bias in whole vectors.
    let mut bias = Vec::new();
    if let Finish::Bias(given) | Finish::BiasRelu(given) = finish {
        assert_eq!(given.len(), weights.geometry.outputs, "a bias of another layer");
        bias.extend_from_slice(given);
        bias.resize(given.len() + 4 * SLACK, 0.0);
    }
    let relu = matches!(finish, Finish::BiasRelu(_));
    weights.level.run(Convolve { padded, weights, bias: &bias, relu, out });
}

struct Convolve<'a> {
    padded: &'a [f32],
    weights: &'a Packed,
    /// With slack behind it; empty: accumulate.
    bias: &'a [f32],
    relu: bool,
    out: &'a mut [f32],
}

// SAFETY: `check` has every length, `run` the width that the weights are packed for; `convolve` makes the bias.
unsafe impl Kernel for Convolve<'_> {
    type Output = ();

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
        let Geometry { inputs, kernel, .. } = weights.geometry;
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
            panel += kernel * kernel * inputs * vectors * L::WIDTH;
        }
    }
}

impl Convolve<'_> {
    /// All pixels of one block of V vectors of output channels, P pixels at a time.
    #[inline(always)]
    unsafe fn block<L: Lanes, const P: usize, const V: usize>(&mut self, channel: usize, panel: usize) {
        let Geometry { height, width, .. } = self.weights.geometry;
        for row in 0..height {
            let mut column = 0;
            // SAFETY: P pixels from `column` on lie in the row.
            unsafe {
                while column + P <= width {
                    self.pixels::<L, P, V>(row, column, channel, panel);
                    column += P;
                }
                while P > 4 && column + 4 <= width {
                    self.pixels::<L, 4, V>(row, column, channel, panel);
                    column += 4;
                }
                while P > 2 && column + 2 <= width {
                    self.pixels::<L, 2, V>(row, column, channel, panel);
                    column += 2;
                }
                while column < width {
                    self.pixels::<L, 1, V>(row, column, channel, panel);
                    column += 1;
                }
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
        let Geometry { width, inputs, outputs, kernel, .. } = geometry;
        let stride = geometry.padded_width() * inputs;
        let lanes = |v: usize| (outputs - channel).saturating_sub(v * L::WIDTH).min(L::WIDTH);
        // SAFETY: the padded image holds `kernel` rows and `kernel + P - 1` columns from here; the
        // panel holds kernel² · inputs rows of V vectors; `lanes` keeps stores inside the pixel.
        unsafe {
            let out = self.out.as_mut_ptr().add((row * width + column) * outputs + channel);
            let mut sums = [[L::splat(0.0); V]; P];
            for (p, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = if self.bias.is_empty() {
                        L::load_first(out.add(p * outputs + v * L::WIDTH), lanes(v))
                    } else {
                        L::load(self.bias.as_ptr().add(channel + v * L::WIDTH))
                    };
                }
            }
            let mut weights = self.weights.panels.as_ptr().add(panel);
            let start = self.padded.as_ptr().add(row * stride + column * inputs);
            for tap_row in 0..kernel {
                let mut input = start.add(tap_row * stride);
                for _ in 0..kernel * inputs {
                    let mut vectors = [L::splat(0.0); V];
                    for (v, vector) in vectors.iter_mut().enumerate() {
                        *vector = L::load(weights.add(v * L::WIDTH));
                    }
                    for (p, sums) in sums.iter_mut().enumerate() {
                        let x = L::splat(*input.add(p * inputs));
                        for (sum, vector) in sums.iter_mut().zip(vectors) {
                            *sum = x.multiply_add(vector, *sum);
                        }
                    }
                    weights = weights.add(V * L::WIDTH);
                    input = input.add(1);
                }
            }
            for (p, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    let sum = if self.relu { L::splat(0.0).max(*sum) } else { *sum };
                    sum.store_first(out.add(p * outputs + v * L::WIDTH), lanes(v));
                }
            }
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

// SAFETY: `check` has every length that the geometry asks for.
unsafe impl Kernel for AddWeightGradient<'_> {
    type Output = ();

    fn check(&self) {
        let g = self.geometry;
        assert_eq!(self.padded.len(), g.padded_len(g.inputs), "a padded image of another size");
        assert_eq!(self.gradient.len(), g.padded_len(g.outputs), "a padded gradient of another size");
        assert_eq!(self.weights.len(), g.weight_len(), "weights of another convolution");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        for (channel, vectors) in blocks(L::WIDTH, self.geometry.outputs) {
            // SAFETY: the block lies in the outputs.
            unsafe {
                match (vectors, L::WIDTH) {
                    (4, _) => self.block::<L, 6, 4>(channel),
                    (2, 16) => self.block::<L, 12, 2>(channel),
                    (2, _) => self.block::<L, 6, 2>(channel),
                    (_, 16) => self.block::<L, 15, 1>(channel),
                    _ => self.block::<L, 10, 1>(channel),
                }
            }
        }
    }
}

impl AddWeightGradient<'_> {
    /// All taps and inputs of one block of output channels, J inputs at a time.
    #[inline(always)]
    unsafe fn block<L: Lanes, const J: usize, const V: usize>(&mut self, channel: usize) {
        let inner = self.geometry.kernel * self.geometry.inputs;
        for tap_row in 0..self.geometry.kernel {
            let mut first = 0;
            // SAFETY: J inputs from `first` on lie in the kernel's row.
            unsafe {
                while first + J <= inner {
                    self.inputs::<L, J, V>(tap_row, first, channel);
                    first += J;
                }
                while first + 3 <= inner {
                    self.inputs::<L, 3, V>(tap_row, first, channel);
                    first += 3;
                }
                while first < inner {
                    self.inputs::<L, 1, V>(tap_row, first, channel);
                    first += 1;
                }
            }
        }
    }

    /// J neighbouring inputs of a kernel row × V vectors of outputs, summed over all pixels.
    #[inline(always)]
    unsafe fn inputs<L: Lanes, const J: usize, const V: usize>(
        &mut self,
        tap_row: usize,
        first: usize,
        channel: usize,
    ) {
        let Geometry { height, width, inputs, outputs, kernel } = self.geometry;
        let (margin, padded_width) = (self.geometry.margin(), self.geometry.padded_width());
        let lanes = |v: usize| (outputs - channel).saturating_sub(v * L::WIDTH).min(L::WIDTH);
        // SAFETY: pixel and tap stay inside the padded images; a vector load behind the last pixel
        // ends in the slack; `lanes` keeps stores inside the row of weights.
        unsafe {
            let mut sums = [[L::splat(0.0); V]; J];
            for row in 0..height {
                let mut input = self.padded.as_ptr().add((row + tap_row) * padded_width * inputs + first);
                let mut gradient =
                    self.gradient.as_ptr().add(((row + margin) * padded_width + margin) * outputs + channel);
                for _ in 0..width {
                    let mut vectors = [L::splat(0.0); V];
                    for (v, vector) in vectors.iter_mut().enumerate() {
                        *vector = L::load(gradient.add(v * L::WIDTH));
                    }
                    for (j, sums) in sums.iter_mut().enumerate() {
                        let x = L::splat(*input.add(j));
                        for (sum, vector) in sums.iter_mut().zip(vectors) {
                            *sum = x.multiply_add(vector, *sum);
                        }
                    }
                    // Behind the last pixel of an image they would leave it.
                    input = input.wrapping_add(inputs);
                    gradient = gradient.wrapping_add(outputs);
                }
            }
            for (j, sums) in sums.iter().enumerate() {
                let row = (tap_row * kernel * inputs + first + j) * outputs + channel;
                let to = self.weights.as_mut_ptr().add(row);
                for (v, sum) in sums.iter().enumerate() {
                    let at = to.add(v * L::WIDTH);
                    L::load_first(at, lanes(v)).add(*sum).store_first(at, lanes(v));
                }
            }
        }
    }
}
