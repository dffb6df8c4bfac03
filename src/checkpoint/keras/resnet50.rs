//! ResNet-50 in Keras's weight files.
//!
//! Files list the layers by their depth in the graph, so that a block's shortcut stands before its third
//! convolution or behind it, whichever came first in the sum; names differ from one version of Keras to the
//! next, or are numbers only. The shapes show which convolution is the shortcut; the k-th batch norm belongs to the
//! k-th convolution.

use super::{Kernel, Layers, Named};
use crate::models::Architecture;
use crate::models::resnet50::{BLOCKS, ResNet50Settings, Variant, block_name, parts_of};
use crate::nn::Weights;

/// Convolutions of a ResNet-50, shortcuts included.
pub(super) const CONVOLUTIONS: usize = 53;

/// Where a shortcut may stand among the four convolutions of a stage's first block.
const PLACES: [usize; 3] = [2, 3, 0];

/// The network and its weights, or why the layers are not a ResNet-50's.
pub(super) fn read(layers: Layers) -> Result<(Architecture, Weights), String> {
    let Layers { convolutions, norms, dense } = layers;
    if norms.len() != CONVOLUTIONS || !(1..=2).contains(&dense.len()) {
        let (norms, dense) = (norms.len(), dense.len());
        return Err(format!("{norms} batch norms and {dense} dense layers, not {CONVOLUTIONS} and 1 or 2"));
    }
    let place = shortcut(&convolutions)?;
    let (width, inside) = (convolutions[0].outputs(), convolutions[if place == 0 { 2 } else { 1 }].outputs());
    let variant = if 2 * inside == width { Variant::Course } else { Variant::Standard };
    let head = if dense.len() == 2 { dense[0].outputs() } else { 0 };
    let settings = ResNet50Settings { variant, width, head };

    let mut named = Named::default();
    for (layer, (convolution, norm)) in names(place).zip(convolutions.into_iter().zip(norms)) {
        named.kernel(&layer, convolution);
        named.norm(&layer, norm);
    }
    let heads = if head > 0 { &["head.hidden", "head.final"][..] } else { &["head.final"] };
    heads.iter().zip(dense).for_each(|(head, dense)| named.kernel(head, dense));
    Ok((Architecture::Resnet50(settings), Weights::new(named.0)))
}

/// This crate's names of the convolutions in the file's order.
fn names(place: usize) -> impl Iterator<Item = String> {
    let blocks =
        BLOCKS.into_iter().enumerate().flat_map(|(stage, count)| (0..count).map(move |b| (stage, b)));
    let in_blocks = blocks.flat_map(move |(stage, block)| {
        let mut parts = parts_of(block).to_vec();
        if block == 0 {
            let shortcut = parts.remove(3);
            parts.insert(place, shortcut);
        }
        parts.into_iter().map(move |part| format!("{}.{part}", block_name(stage, block)))
    });
    std::iter::once("conv1".to_owned()).chain(in_blocks)
}

/// Where the shortcuts stand: the one place that suits the shapes of all four of them.
fn shortcut(convolutions: &[Kernel]) -> Result<usize, String> {
    let mut firsts = Vec::new();
    let mut at = 1;
    for count in BLOCKS {
        firsts.push(&convolutions[at..at + 4]);
        at += 3 * count + 1;
    }
    PLACES
        .into_iter()
        .find(|&place| firsts.iter().all(|block| is_bottleneck(block, place)))
        .ok_or_else(|| "convolutions whose shapes are not those of bottleneck blocks".to_owned())
}

/// Whether these are a bottleneck of 1 × 1, 3 × 3 and 1 × 1 with its shortcut at `place`.
fn is_bottleneck(block: &[Kernel], place: usize) -> bool {
    let shortcut = &block[place];
    let path: Vec<&Kernel> = (0..4).filter(|k| *k != place).map(|k| &block[k]).collect();
    let side = |kernel: &Kernel, side: usize| kernel.weight.shape[..2] == [side, side];
    side(path[0], 1)
        && side(path[1], 3)
        && side(path[2], 1)
        && side(shortcut, 1)
        && (path[0].inputs(), path[2].outputs()) == (shortcut.inputs(), shortcut.outputs())
        && path[0].outputs() == path[1].inputs()
        && path[1].outputs() == path[2].inputs()
}
