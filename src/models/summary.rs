//! A network's layers as a table.

use super::Architecture;
use crate::display::{Table, grouped};
use crate::{Classes, Imagery, ParameterCount, Weights};

/// The layers with their output shapes and parameters, as Keras's `summary` shows them.
pub(super) fn table(
    architecture: &Architecture,
    imagery: &Imagery,
    classes: &Classes,
    weights: &Weights,
) -> Table {
    let ParameterCount { total, trainable } = weights.count();
    let of = |layer: &str| -> usize {
        let named = weights
            .iter()
            .filter(|(name, _)| name.strip_prefix(layer).is_some_and(|rest| rest.starts_with('.')));
        named.map(|(_, weight)| weight.values.len()).sum()
    };
    let shape = |sides: &[usize]| sides.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    let Imagery { patch_size, bands, .. } = imagery;
    let caption = format!("{}: {} classes", architecture.name(), classes.len());
    let mut table = Table::new(["layer", "output", "parameters"]).captioned(caption);
    table.row(["input".to_owned(), shape(&[*patch_size, *patch_size, bands.len()]), String::new()]);
    for layer in architecture.layers_of_built(imagery, classes) {
        let parameters =
            if layer.weights.is_empty() { String::new() } else { grouped(of(&layer.weights) as u64) };
        table.row([layer.text, shape(&layer.output), parameters]);
    }
    table.row(["all".to_owned(), String::new(), grouped(total as u64)]);
    table.row(["of these trained".to_owned(), String::new(), grouped(trainable as u64)]);
    table
}
