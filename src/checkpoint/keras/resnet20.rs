//! The So2Sat project's ResNet-20 in Keras's weight files.
//!
//! Files list the layers by their depth in the graph, where a block's shortcut may stand before its third convolution, and both
//! may be of one shape. The number at the end of a layer's name is the order in which the layers were made: the shortcut last.

use super::{Layers, Named};
use crate::models::Architecture;
use crate::models::resnet20::{BLOCKS, ResNet20Settings, block_name};
use crate::nn::Weights;

/// Convolutions of a ResNet-20, shortcuts included.
pub(super) const CONVOLUTIONS: usize = 22;

/// Its batch norms.
const NORMS: usize = 19;

/// The network and its weights, or why the layers are not a ResNet-20's.
pub(super) fn read(layers: Layers) -> Result<(Architecture, Weights), String> {
    let Layers { mut convolutions, norms, dense } = layers;
    if norms.len() != NORMS || dense.len() != 1 {
        let (norms, dense) = (norms.len(), dense.len());
        return Err(format!("{norms} batch norms and {dense} dense layers, not {NORMS} and 1"));
    }
    convolutions.sort_by_key(|layer| layer.number);
    let settings = ResNet20Settings { width: convolutions[0].outputs() };

    let (mut convolutions, mut norms) = (convolutions.into_iter(), norms.into_iter());
    let mut named = Named::default();
    // In Keras a convolution follows its batch norm. Here a batch norm belongs to the convolution before it.
    let mut kernel =
        |named: &mut Named, name: &str| named.kernel(name, convolutions.next().expect("counted"));
    let mut norm = |named: &mut Named, name: &str| named.norm(name, norms.next().expect("counted"));
    kernel(&mut named, "conv1");
    norm(&mut named, "conv1");
    for (stage, count) in BLOCKS.into_iter().enumerate() {
        for block in 0..count {
            let name = |part: &str| format!("{}.{part}", block_name(stage, block));
            if stage + block > 0 {
                norm(&mut named, &name("norm"));
            }
            for part in ["conv1", "conv2"] {
                kernel(&mut named, &name(part));
                norm(&mut named, &name(part));
            }
            kernel(&mut named, &name("conv3"));
            if block == 0 {
                kernel(&mut named, &name("shortcut"));
            }
        }
    }
    norm(&mut named, "norm");
    for dense in dense {
        named.kernel("head.final", dense);
    }
    Ok((Architecture::Resnet20(settings), Weights::new(named.0)))
}
