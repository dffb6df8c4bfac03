//! Convolution of a batch with any window and stride, as many small matrix products.
//!
//! An output pixel and an input pixel are linked by a tap of the window. For one link, the same
//! pixels of all images form two matrices, images × channels, and the tap's weights are the matrix
//! between them: no image is padded or unfolded, no zero outside an image is multiplied. (A 3 × 3
//! convolution of 2 × 2 maps has 16 links where a padded one makes 36 products.) The input gradient
//! follows the links backwards; the weight gradient multiplies their two matrices with each other.
//!
//! Every number of the result is summed by one task in one order: the same bits at any number of
//! threads.

use std::ops::Range;

use rayon::prelude::*;

use super::geometry::Geometry;
use super::tile::{Tile, in_steps, load_row};
use super::{Finish, Kernel, Lanes, Level};

#[cfg(test)]
mod tests;
mod weight_gradient;

pub(crate) use weight_gradient::add_weight_gradient;

/// Channels of the source whose weights are packed at once: with two vectors of channels of the
/// target they stay in the L1 cache.
const CHUNK: usize = 128;

/// Tasks that a convolution is divided into, about: enough for a laptop's cores to share evenly.
pub(crate) const TASKS: usize = 16;

/// Images that a task has at least, so that packing the weights costs little compared with using them.
const IMAGES: usize = 8;

/// The part of the geometry that links need.
impl Geometry {
    /// The links, tap by tap.
    fn links(self) -> Vec<Vec<Link>> {
        let taps = self.window.kernel * self.window.kernel;
        let mut links = vec![Vec::new(); taps];
        for (k, pixel) in self.window.pixels(self.height, self.width).enumerate() {
            if let Some(from) = pixel {
                links[k % taps].push(Link { from, to: k / taps, first: false, last: false });
            }
        }
        links
    }
}

/// A source and a target pixel, and whether this link is the first or the last of the target's.
#[derive(Debug, Clone, Copy)]
struct Link {
    from: usize,
    to: usize,
    first: bool,
    last: bool,
}

/// Marks first and last links; returns the targets that have none.
fn mark(links: &mut [Vec<Link>], targets: usize) -> Vec<usize> {
    let mut seen = vec![false; targets];
    for link in links.iter_mut().flatten() {
        link.first = !std::mem::replace(&mut seen[link.to], true);
    }
    let mut seen_last = vec![false; targets];
    for link in links.iter_mut().rev().flatten() {
        link.last = !std::mem::replace(&mut seen_last[link.to], true);
    }
    (0..targets).filter(|&target| !seen[target]).collect()
}

/// Weights as a product reads them.
#[derive(Debug, Clone, Copy)]
struct Weights<'a> {
    /// (taps, inputs, outputs).
    values: &'a [f32],
    inputs: usize,
    outputs: usize,
    /// From outputs to inputs.
    backwards: bool,
    /// A factor for each output.
    scale: Option<&'a [f32]>,
}

impl Weights<'_> {
    /// Packs the weights of a tap between some channels of the source and a block of the target's:
    /// (source channels, `width`), zeros behind the last target channel.
    #[inline(always)]
    fn pack(self, tap: usize, sources: Range<usize>, target: usize, width: usize, packed: &mut [f32]) {
        let Self { inputs, outputs, .. } = self;
        let values = &self.values[tap * inputs * outputs..][..inputs * outputs];
        if self.backwards {
            let n = width.min(inputs - target);
            for (lane, row) in values[target * outputs..].chunks_exact(outputs).take(n).enumerate() {
                for (to, w) in packed.chunks_exact_mut(width).zip(&row[sources.clone()]) {
                    to[lane] = *w;
                }
            }
            if n < width {
                packed.chunks_exact_mut(width).for_each(|row| row[n..].fill(0.0));
            }
            return;
        }
        let n = width.min(outputs - target);
        for (to, source) in packed.chunks_exact_mut(width).zip(sources) {
            let from = &values[source * outputs + target..][..n];
            match self.scale {
                None => to[..n].copy_from_slice(from),
                Some(scale) => {
                    for ((to, w), s) in to.iter_mut().zip(from).zip(&scale[target..]) {
                        *to = w * s;
                    }
                }
            }
            to[n..].fill(0.0);
        }
    }
}

/// A result that several tasks write to, each its own channels of its own images.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: the tasks' parts do not overlap; the slice behind it outlives them.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// y = x ∗ w, finished; without `finish`, y += x ∗ w.
///
/// With `scale`, each output's weights are multiplied by a factor first: batch norm, folded.
pub(crate) fn convolve(
    level: Level,
    geometry: Geometry,
    x: &[f32],
    weights: (&[f32], Option<&[f32]>),
    finish: Option<Finish<'_>>,
    y: &mut [f32],
) {
    multiply(level, geometry, false, x, weights, finish, y);
}

/// Adds the gradient of the input: gx += gy ∗ᵀ w.
pub(crate) fn add_input_gradient(level: Level, geometry: Geometry, gy: &[f32], w: &[f32], gx: &mut [f32]) {
    multiply(level, geometry, true, gy, (w, None), None, gx);
}

/// The target's sums over all links, from the input to the output or backwards; finished, or added to the output.
fn multiply(
    level: Level,
    geometry: Geometry,
    backwards: bool,
    source: &[f32],
    (values, scale): (&[f32], Option<&[f32]>),
    finish: Option<Finish<'_>>,
    target: &mut [f32],
) {
    if let Some(Finish { bias, residual, .. }) = finish {
        assert!(bias.len() == geometry.outputs, "a bias of another layer");
        assert!(residual.is_none_or(|r| r.len() == target.len()), "a residual of another size");
    }
    assert!(scale.is_none_or(|s| s.len() == geometry.outputs), "a scale of another layer");
    let turned = |(input, output): (usize, usize)| if backwards { (output, input) } else { (input, output) };
    let lens = turned((geometry.input_len(), geometry.output_len()));
    assert!((source.len(), target.len()) == lens, "maps of another size");
    assert_eq!(values.len(), geometry.weight_len(), "weights of another convolution");
    let (rows, columns) = geometry.places();
    let mut links = geometry.links();
    if backwards {
        for link in links.iter_mut().flatten() {
            (link.from, link.to) = (link.to, link.from);
        }
    }
    let orphans = if finish.is_some() { mark(&mut links, rows * columns) } else { Vec::new() };
    let bias = finish.map(Finish::padded_bias);
    let (source_image, target_image) = turned(geometry.image_lens());
    let (inputs, outputs) = (geometry.inputs, geometry.outputs);
    let (sources, targets) = turned((inputs, outputs));
    let product = Product {
        links: &links,
        orphans: &orphans,
        weights: Weights { values, inputs, outputs, backwards, scale },
        source,
        source_image,
        sources,
        target: Shared(target.as_mut_ptr()),
        target_image,
        targets,
        bias: bias.as_deref(),
        residual: finish.and_then(|finish| finish.residual),
        relu: finish.is_some_and(|finish| finish.relu),
    };
    // Blocks of target channels and groups of images are divided among tasks.
    let batch = geometry.batch;
    let width = 2 * level.width();
    let blocks = targets.div_ceil(width);
    let groups = TASKS.div_ceil(blocks).clamp(1, batch.div_ceil(IMAGES).max(1));
    let group = batch.div_ceil(groups).next_multiple_of(IMAGES).max(1);
    (0..blocks * batch.div_ceil(group)).into_par_iter().for_each(|task| {
        let (block, first) = (task % blocks, task / blocks * group);
        let images = first..(first + group).min(batch);
        level.run(ProductTask { product, images, channel: block * width });
    });
}

/// The data that all tasks of a convolution share.
#[derive(Clone, Copy)]
struct Product<'a> {
    links: &'a [Vec<Link>],
    /// Targets without a link: bias alone.
    orphans: &'a [usize],
    weights: Weights<'a>,
    source: &'a [f32],
    source_image: usize,
    sources: usize,
    target: Shared,
    target_image: usize,
    targets: usize,
    /// With room behind it; without, the sums are added to what is there.
    bias: Option<&'a [f32]>,
    residual: Option<&'a [f32]>,
    relu: bool,
}

/// A block of two vectors of target channels of some images.
struct ProductTask<'a> {
    product: Product<'a>,
    images: Range<usize>,
    channel: usize,
}

// SAFETY: `multiply` makes the tasks, and has checked every length.
unsafe impl Kernel for ProductTask<'_> {
    fn check(&self) {}

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // SAFETY: the block lies in the targets.
        unsafe {
            match (self.product.targets - self.channel > L::WIDTH, L::WIDTH) {
                (true, 16) => self.block::<L, 8, 2>(),
                (true, _) => self.block::<L, 6, 2>(),
                (false, _) => self.block::<L, 8, 1>(),
            }
        }
    }
}

impl ProductTask<'_> {
    #[inline(always)]
    unsafe fn block<L: Lanes, const P: usize, const V: usize>(&self) {
        let Product { links, orphans, weights, sources, .. } = self.product;
        let width = V * L::WIDTH;
        let mut packed = vec![0f32; CHUNK.min(sources) * width];
        // SAFETY: links lie inside the images, chunks inside the channels.
        unsafe {
            for &to in orphans {
                let link = Link { from: 0, to, first: true, last: true };
                self.link::<L, P, V>(link, 0, &[]);
            }
            for (tap, links) in links.iter().enumerate() {
                if links.is_empty() {
                    continue;
                }
                for start in (0..sources).step_by(CHUNK) {
                    let end = (start + CHUNK).min(sources);
                    let packed = &mut packed[..(end - start) * width];
                    weights.pack(tap, start..end, self.channel, width, packed);
                    for link in links {
                        let (first, last) = (link.first && start == 0, link.last && end == sources);
                        self.link::<L, P, V>(Link { first, last, ..*link }, start, packed);
                    }
                }
            }
        }
    }

    /// One chunk of one link, P images at a time.
    #[inline(always)]
    unsafe fn link<L: Lanes, const P: usize, const V: usize>(
        &self,
        link: Link,
        start: usize,
        packed: &[f32],
    ) {
        // SAFETY: the images of each step exist.
        unsafe {
            in_steps!(image in self.images, self.rows::<L, (P, 4, 2, 1), V>(image, link, start, packed));
        }
    }

    /// P images × V vectors of target channels, held in registers.
    #[inline(always)]
    unsafe fn rows<L: Lanes, const P: usize, const V: usize>(
        &self,
        image: usize,
        link: Link,
        start: usize,
        packed: &[f32],
    ) {
        let Product { source, source_image, sources, target, target_image, targets, .. } = self.product;
        let (width, left) = (V * L::WIDTH, targets - self.channel);
        // SAFETY: image, pixel and channels exist in source and target; `left` keeps loads and stores
        // of the target inside the pixel; the bias has room behind it.
        unsafe {
            let at = image * target_image + link.to * targets + self.channel;
            let out = target.0.add(at);
            let mut sums = match self.product.bias {
                Some(bias) if link.first => {
                    Tile::<L, P, V>::of(load_row(bias.as_ptr().add(self.channel), width))
                }
                _ => Tile::load(out, target_image, left),
            };
            let mut input = source.as_ptr().add(image * source_image + link.from * sources + start);
            let mut weights = packed.as_ptr();
            for _ in 0..packed.len() / width {
                sums.add(input, source_image, load_row(weights, width));
                weights = weights.add(width);
                input = input.add(1);
            }
            if link.last {
                if let Some(residual) = self.product.residual {
                    sums.add_rows(residual.as_ptr().add(at), target_image, left, P);
                }
                if self.product.relu {
                    sums.rectify();
                }
            }
            sums.store(out, target_image, left, P);
        }
    }
}
