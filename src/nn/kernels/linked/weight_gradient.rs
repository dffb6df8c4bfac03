//! The weight gradient of a linked convolution: for each link, the two matrices multiplied with each other.

use std::ops::Range;

use rayon::prelude::*;

use super::{Geometry, Kernel, Lanes, Level, Link, Shared, TASKS, Tile, load_row};

/// Rows (images × pixels) whose gradients a task of the weight gradient packs at once.
const ROWS: usize = 256;

/// Adds the gradient of the weights: for each tap, input i and output o, the sum over links and images of
/// input i times the gradient of output o.
pub(crate) fn add_weight_gradient(level: Level, geometry: Geometry, x: &[f32], gy: &[f32], gw: &mut [f32]) {
    assert!(x.len() == geometry.input_len() && gy.len() == geometry.output_len(), "maps of another size");
    assert_eq!(gw.len(), geometry.weight_len(), "weights of another convolution");
    let links = geometry.links();
    let (rows, columns) = geometry.places();
    let images = (ROWS / (rows * columns).max(1)).clamp(1, geometry.batch.max(1));
    let rows = if level.width() == 16 { 8 } else { 6 };
    let packed = pack_inputs(geometry, images, rows, x);
    let width = 2 * level.width();
    let blocks = geometry.outputs.div_ceil(width);
    let input_blocks = geometry.inputs.div_ceil(rows);
    // Each task packs its outputs' gradients again: as few parts of the inputs as keep the cores busy.
    let parts = TASKS.div_ceil(blocks).clamp(1, input_blocks);
    let part = input_blocks.div_ceil(parts);
    let gw = Shared(gw.as_mut_ptr());
    (0..blocks * parts).into_par_iter().for_each(|task| {
        let (block, first) = (task % blocks, task / blocks * part);
        level.run(GradientTask {
            geometry,
            links: &links,
            x: &packed,
            images,
            gy,
            gw,
            channel: block * width,
            input_blocks: first.min(input_blocks)..(first + part).min(input_blocks),
        });
    });
}

/// The input in the order in which the weight gradient reads it: for each group of images, each `width`
/// channels (zeros behind the last), each pixel, the group's images.
fn pack_inputs(geometry: Geometry, images: usize, width: usize, x: &[f32]) -> Vec<f32> {
    let Geometry { height, width: columns, inputs, .. } = geometry;
    let pixels = height * columns;
    let blocks = inputs.div_ceil(width);
    let mut packed = vec![0f32; geometry.batch * pixels * blocks * width];
    packed
        .par_chunks_mut(images * pixels * blocks * width)
        .zip(x.par_chunks(images * pixels * inputs))
        .for_each(|(packed, x)| {
            let images = x.len() / (pixels * inputs);
            for (image, x) in x.chunks_exact(pixels * inputs).enumerate() {
                for (pixel, x) in x.chunks_exact(inputs).enumerate() {
                    for (block, x) in x.chunks(width).enumerate() {
                        let at = ((block * pixels + pixel) * images + image) * width;
                        packed[at..at + x.len()].copy_from_slice(x);
                    }
                }
            }
        });
    packed
}

/// The weights between some inputs and a block of two vectors of outputs.
struct GradientTask<'a> {
    geometry: Geometry,
    links: &'a [Vec<Link>],
    /// See [`pack_inputs`].
    x: &'a [f32],
    /// Images of a group.
    images: usize,
    gy: &'a [f32],
    gw: Shared,
    channel: usize,
    input_blocks: Range<usize>,
}

// SAFETY: `add_weight_gradient` makes the tasks, and has checked every length.
unsafe impl Kernel for GradientTask<'_> {
    fn check(&self) {}

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the block lies in the outputs.
        unsafe {
            match (self.geometry.outputs - self.channel > L::WIDTH, L::WIDTH) {
                (true, 16) => self.block::<L, 8, 2>(),
                (true, _) => self.block::<L, 6, 2>(),
                (false, 16) => self.block::<L, 8, 1>(),
                (false, _) => self.block::<L, 6, 1>(),
            }
        }
    }
}

impl GradientTask<'_> {
    #[inline(always)]
    unsafe fn block<L: Lanes, const J: usize, const V: usize>(&self) {
        let Geometry { batch, height, width: columns, inputs, outputs, .. } = self.geometry;
        let (rows_out, columns_out) = self.geometry.places();
        let (pixels, places) = (height * columns, rows_out * columns_out);
        let width = V * L::WIDTH;
        let n = width.min(outputs - self.channel);
        let blocks = inputs.div_ceil(J);
        let mut panel = vec![0f32; self.images * places * width];
        for first in (0..batch).step_by(self.images) {
            let images = self.images.min(batch - first);
            // The gradients of these outputs: for each place, the group's images.
            for (image, gy) in
                self.gy[first * places * outputs..].chunks_exact(places * outputs).take(images).enumerate()
            {
                for (place, gy) in gy.chunks_exact(outputs).enumerate() {
                    let at = (place * images + image) * width;
                    panel[at..at + n].copy_from_slice(&gy[self.channel..][..n]);
                }
            }
            let group = &self.x[first * pixels * blocks * J..];
            for (tap, links) in self.links.iter().enumerate().filter(|(_, links)| !links.is_empty()) {
                for block in self.input_blocks.clone() {
                    let x = &group[block * pixels * images * J..][..pixels * images * J];
                    // SAFETY: links lie inside images and places; the block's inputs and outputs exist.
                    unsafe { self.tap::<L, J, V>(tap, links, block * J, images, x, &panel) };
                }
            }
        }
    }

    /// J inputs × V vectors of outputs of one tap, held in registers over all links of a group of images.
    #[inline(always)]
    unsafe fn tap<L: Lanes, const J: usize, const V: usize>(
        &self,
        tap: usize,
        links: &[Link],
        first: usize,
        images: usize,
        x: &[f32],
        panel: &[f32],
    ) {
        let Geometry { inputs, outputs, .. } = self.geometry;
        let (width, left) = (V * L::WIDTH, outputs - self.channel);
        // SAFETY: the caller's; only inputs that exist are stored, and `left` keeps to the outputs.
        unsafe {
            let mut sums = Tile::<L, J, V>::of([L::splat(0.0); V]);
            for link in links {
                let mut input = x.as_ptr().add(link.from * images * J);
                let mut gradient = panel.as_ptr().add(link.to * images * width);
                for _ in 0..images {
                    sums.add(input, 1, load_row(gradient, width));
                    input = input.add(J);
                    gradient = gradient.add(width);
                }
            }
            let to = self.gw.0.add((tap * inputs + first) * outputs + self.channel);
            let rows = J.min(inputs - first);
            sums.add_rows(to, outputs, left, rows);
            sums.store(to, outputs, left, rows);
        }
    }
}
