//! A network's layers as a table, and what they take to compute.

use crate::display::{Table, grouped};
use crate::nn::{ParameterCount, Weights};
use crate::{Classes, Imagery};

/// A layer, as a table shows it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    text: String,
    output: Vec<usize>,
    /// The beginning of its weights' names; empty where it has none.
    weights: String,
    /// How often its weights are applied to a sample.
    places: usize,
}

impl Layer {
    /// A layer whose weights are applied for each output but for the channels.
    pub(super) fn new(text: impl Into<String>, output: impl Into<Vec<usize>>, weights: &str) -> Self {
        let output = output.into();
        let places = output.iter().rev().skip(1).product();
        Self { text: text.into(), output, weights: weights.to_owned(), places }
    }

    /// The beginning of its weights' names.
    #[cfg(test)]
    pub(super) fn weights(&self) -> &str {
        &self.weights
    }

    /// The layer with its weights applied so often.
    pub(super) fn at(self, places: usize) -> Self {
        Self { places, ..self }
    }
}

impl From<(String, Vec<usize>, String)> for Layer {
    fn from((text, output, weights): (String, Vec<usize>, String)) -> Self {
        Self::new(text, output, &weights)
    }
}

/// The layers with the shape of what they give and their parameters, as Keras's `summary` shows them.
pub(super) fn table(
    name: &str,
    (imagery, classes): (&Imagery, &Classes),
    layers: Vec<Layer>,
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
    let mut table =
        Table::new(["layer", "output", "parameters"]).captioned(format!("{name}: {} classes", classes.len()));
    table.row(["input".to_owned(), shape(&[*patch_size, *patch_size, bands.len()]), String::new()]);
    for Layer { text, output, weights, .. } in layers {
        let parameters = if weights.is_empty() { String::new() } else { grouped(of(&weights) as u64) };
        table.row([text, shape(&output), parameters]);
    }
    table.row(["all".to_owned(), String::new(), grouped(total as u64)]);
    table.row(["of these trained".to_owned(), String::new(), grouped(trainable as u64)]);
    table
}

/// Floating-point operations that a forward pass of one sample takes: two for each multiplication in a
/// convolution or a dense layer.
pub(super) fn operations(layers: Vec<Layer>, weights: &Weights) -> u64 {
    let of = |layer: Layer| {
        let weight = weights.get(&format!("{}.weight", layer.weights))?;
        Some(2 * (layer.places * weight.values.len()) as u64)
    };
    layers.into_iter().filter_map(of).sum()
}
