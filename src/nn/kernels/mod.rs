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
pub(crate) mod lend;
pub(crate) mod linked;
pub(crate) mod memory;
pub(crate) mod norm;
pub(crate) mod pool;
pub(crate) mod swish;
#[cfg(test)]
mod tests;
pub(crate) mod update;
pub(crate) mod window;

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
