//! Sen2LCZ in Keras's weight files.

use super::{Layers, Named};
use crate::models::Architecture;
use crate::models::sen2lcz::{Fusion, Sen2LczSettings};
use crate::nn::Weights;

/// The files list the dense heads in this order. Two heads have the same shape, and their numbers in
/// the files' names follow the order of creation, not that of the network, so that heads are identified by their place.
const HEADS: [&str; 4] = ["head.final", "head.merge1", "head.merge2", "head.merge3"];

/// The network and its weights, or why the layers are not a Sen2LCZ's.
pub(super) fn read(layers: Layers, fusion: Fusion) -> Result<(Architecture, Weights), String> {
    let Layers { convolutions, norms, dense } = layers;
    let count = convolutions.len();
    let Some(first) = convolutions.first() else {
        return Err(format!("no convolution and {} dense layers", dense.len()));
    };
    if count % 4 != 0 || norms.len() != count || dense.len() != HEADS.len() {
        return Err(format!(
            "{count} convolutions, {} batch norms and {} dense layers, not 4 n, 4 n and 4",
            norms.len(),
            dense.len()
        ));
    }
    let width = first.outputs();
    let settings = Sen2LczSettings { depth: count + 1, width, fusion, ..Default::default() };
    let mut named = Named::default();
    for (k, (convolution, norm)) in convolutions.into_iter().zip(norms).enumerate() {
        let layer = format!("block{}.conv{}", k / (count / 4) + 1, k % (count / 4) + 1);
        named.kernel(&layer, convolution);
        named.norm(&layer, norm);
    }
    HEADS.into_iter().zip(dense).for_each(|(head, dense)| named.kernel(head, dense));
    Ok((Architecture::Sen2lcz(settings), Weights::new(named.0)))
}
