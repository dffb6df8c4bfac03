//! The inner loops of networks, over the vectors of [`crate::simd`]. Their functions are safe.
//!
//! Images are NHWC: the channels of a pixel lie side by side.
#![allow(unsafe_code)]
// A kernel is compiled for an instruction set by being inlined into a function that has it.
#![allow(clippy::inline_always)]

pub(crate) mod conv;
pub(crate) mod dense;
pub(crate) mod depthwise;
pub(crate) mod gate;
pub(crate) mod geometry;
pub(crate) mod lend;
pub(crate) mod linked;
pub(crate) mod memory;
pub(crate) mod norm;
pub(crate) mod pool;
pub(crate) mod swish;
#[cfg(test)]
mod tests;
mod tile;
pub(crate) mod update;

use crate::simd::{Kernel, Lanes, Level, vectors};

/// Numbers in a block of these sides.
///
/// # Panics
/// More than can be counted: a product that wrapped around would pass for the length of a short slice.
fn volume(sides: &[usize]) -> usize {
    sides
        .iter()
        .fold(1, |product: usize, side| product.checked_mul(*side).expect("sizes that can be counted"))
}

/// Panics unless the maps have equal sizes, the channels equal numbers, and a map is whole pixels of these channels.
#[track_caller]
fn check_channels(maps: &[&[f32]], channels: &[&[f32]]) {
    let (len, count) = (maps[0].len(), channels[0].len());
    assert!(maps.iter().all(|map| map.len() == len), "maps of unequal sizes");
    assert!(channels.iter().all(|of_channel| of_channel.len() == count), "unequal channels");
    assert!(count > 0 && len.is_multiple_of(count), "{len} numbers in pixels of {count} channels");
}

/// What is done with a convolution's sums; if not given, they are added to the output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Finish<'a> {
    /// Added to each channel.
    pub(crate) bias: &'a [f32],
    /// Added number by number.
    pub(crate) residual: Option<&'a [f32]>,
    /// max(0, ·) in the end; NaN stays NaN, so that a broken network shows.
    pub(crate) relu: bool,
}

impl Finish<'_> {
    /// Panics unless it is one of this number of channels, and without a residual, which not every kernel adds.
    fn check_plain(self, channels: usize) {
        assert_eq!(self.bias.len(), channels, "a bias of another layer");
        assert!(self.residual.is_none(), "a residual, where none is added");
    }

    /// The bias with room behind it: it is read in whole vectors.
    fn padded_bias(self) -> Vec<f32> {
        let mut bias = self.bias.to_vec();
        bias.resize(bias.len() + 64, 0.0);
        bias
    }
}
