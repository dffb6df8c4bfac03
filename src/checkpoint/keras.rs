//! Keras weight files (HDF5) of Sen2LCZ: those of its authors, of `LCZ_LDL`, or one's own.

use std::collections::BTreeMap;
use std::path::Path;

use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
use hdf5::{Attribute, File, Group};

use crate::models::sen2lcz::{Fusion, Sen2LczSettings};
use crate::models::{Architecture, Device, Network, build};
use crate::nn::{Standardisation, Weight, Weights};
use crate::{Bands, Classes, Error, Imagery, Result};

/// The files list the dense heads in this order. Two heads have the same shape, and their numbers in
/// the files' names follow the order of their making, not of the network: only the place tells.
const HEADS: [&str; 4] = ["head.final", "head.merge1", "head.merge2", "head.merge3"];

/// Reads the weights of a Sen2LCZ that Keras has trained. Depth, width, bands and classes follow from
/// the tensors' shapes; the input is So2Sat's reflectance, not standardised.
///
/// # Errors
/// A missing file, one that is not a Keras weight file, or tensors that are not a Sen2LCZ's.
pub fn import_keras(path: &Path, fusion: Fusion, device: Device) -> Result<Box<dyn Network>> {
    std::fs::metadata(path).map_err(Error::io(path))?;
    let layers = Layers::read(path)?;
    let not_sen2lcz = |problem: String| Error::file(path, problem, "give a Keras weight file of Sen2LCZ");
    let (Some(first), Some(head)) = (layers.convolutions.first(), layers.dense.first()) else {
        return Err(not_sen2lcz(format!(
            "{} convolutions and {} dense layers",
            layers.convolutions.len(),
            layers.dense.len()
        )));
    };
    let convolutions = layers.convolutions.len();
    if convolutions % 4 != 0 || layers.norms.len() != convolutions || layers.dense.len() != HEADS.len() {
        return Err(not_sen2lcz(format!(
            "{convolutions} convolutions, {} batch norms and {} dense layers, not 4 n, 4 n and 4",
            layers.norms.len(),
            layers.dense.len()
        )));
    }
    let (bands, width, classes) = (first.kernel.shape[2], first.kernel.shape[3], head.kernel.shape[1]);
    let architecture = Architecture::Sen2lcz(Sen2LczSettings {
        depth: convolutions + 1,
        width,
        fusion,
        ..Default::default()
    });
    let imagery = Imagery { bands: Bands::of_count(bands), ..Imagery::so2sat() };
    let mut network = build(&architecture, &imagery, &Classes::of_count(classes), 0, device)?;
    network.set_weights(&layers.named()).map_err(|e| not_sen2lcz(e.to_string()))?;
    network.set_standardisation(Standardisation::identity(bands))?;
    Ok(network)
}

/// The weight-bearing layers of a file, each kind in the file's order.
#[derive(Default)]
struct Layers {
    convolutions: Vec<Kernel>,
    norms: Vec<[Weight; 4]>,
    dense: Vec<Kernel>,
}

struct Kernel {
    kernel: Weight,
    bias: Weight,
}

impl Layers {
    fn read(path: &Path) -> Result<Self> {
        let unreadable = |e: hdf5::Error| {
            Error::file(
                path,
                format!("cannot be read as HDF5 ({})", one_line(&e)),
                "give a Keras weight file",
            )
        };
        hdf5::silence_errors(true);
        let file = File::open(path).map_err(unreadable)?;
        // `model.save` puts the weights in a group of their own, `save_weights` at the top.
        let root = file.group("model_weights").or_else(|_| file.group("/")).map_err(unreadable)?;
        let mut layers = Self::default();
        for layer in names(&root, "layer_names").map_err(|problem| not_keras(path, problem))? {
            let group = root.group(&layer).map_err(unreadable)?;
            let mut parts = BTreeMap::new();
            for name in names(&group, "weight_names").map_err(|problem| not_keras(path, problem))? {
                let part = name.rsplit('/').next().unwrap_or(&name).trim_end_matches(":0").to_owned();
                let trainable = !part.starts_with("moving_");
                let dataset = group.dataset(&name).map_err(unreadable)?;
                let values = dataset.read_raw::<f32>().map_err(unreadable)?;
                parts.insert(part, Weight { shape: dataset.shape(), values, trainable });
            }
            layers.add(&layer, parts).map_err(|problem| not_keras(path, problem))?;
        }
        Ok(layers)
    }

    fn add(&mut self, layer: &str, mut parts: BTreeMap<String, Weight>) -> std::result::Result<(), String> {
        if parts.is_empty() {
            return Ok(());
        }
        let found = parts.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut take = |name: &str| {
            parts.remove(name).ok_or_else(|| format!("layer '{layer}' has no '{name}' (found: {found})"))
        };
        if found.contains("gamma") {
            self.norms.push([take("gamma")?, take("beta")?, take("moving_mean")?, take("moving_variance")?]);
            return Ok(());
        }
        let kernel = Kernel { kernel: take("kernel")?, bias: take("bias")? };
        match kernel.kernel.shape.len() {
            4 => self.convolutions.push(kernel),
            2 => self.dense.push(kernel),
            rank => return Err(format!("layer '{layer}' has a kernel of rank {rank}")),
        }
        Ok(())
    }

    /// The tensors under this crate's names.
    fn named(self) -> Weights {
        let mut weights = BTreeMap::new();
        let layers = self.convolutions.len() / 4;
        let place = |k: usize| format!("block{}.conv{}", k / layers + 1, k % layers + 1);
        for (k, Kernel { mut kernel, bias }) in self.convolutions.into_iter().enumerate() {
            // (rows, columns, inputs, outputs) → (rows · columns · inputs, outputs), the same order.
            let outputs = kernel.shape[3];
            kernel.shape = vec![kernel.values.len() / outputs.max(1), outputs];
            weights.insert(format!("{}.weight", place(k)), kernel);
            weights.insert(format!("{}.bias", place(k)), bias);
        }
        for (k, norm) in self.norms.into_iter().enumerate() {
            for (part, weight) in ["gamma", "beta", "moving_mean", "moving_variance"].into_iter().zip(norm) {
                weights.insert(format!("{}.{part}", place(k)), weight);
            }
        }
        for (head, Kernel { kernel, bias }) in HEADS.into_iter().zip(self.dense) {
            weights.insert(format!("{head}.weight"), kernel);
            weights.insert(format!("{head}.bias"), bias);
        }
        Weights::new(weights)
    }
}

fn not_keras(path: &Path, problem: String) -> Error {
    Error::file(path, problem, "give a Keras weight file (model.save_weights)")
}

/// HDF5's own words without its line breaks.
fn one_line(error: &hdf5::Error) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A list of names in an attribute, in whichever of HDF5's string types.
fn names(group: &Group, attribute: &str) -> std::result::Result<Vec<String>, String> {
    let found = group.attr(attribute).map_err(|_| format!("no attribute '{attribute}'"))?;
    if found.size() == 0 {
        return Ok(Vec::new());
    }
    strings(&found).ok_or_else(|| format!("attribute '{attribute}' is not a list of names"))
}

fn strings(attribute: &Attribute) -> Option<Vec<String>> {
    /// Longer than any layer's name.
    const LONGEST: usize = 512;
    let own = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    if let Ok(names) = attribute.read_raw::<FixedAscii<LONGEST>>() {
        return Some(own(names.iter().map(FixedAscii::as_str).collect()));
    }
    if let Ok(names) = attribute.read_raw::<FixedUnicode<LONGEST>>() {
        return Some(own(names.iter().map(FixedUnicode::as_str).collect()));
    }
    if let Ok(names) = attribute.read_raw::<VarLenUnicode>() {
        return Some(own(names.iter().map(VarLenUnicode::as_str).collect()));
    }
    let names = attribute.read_raw::<VarLenAscii>().ok()?;
    Some(own(names.iter().map(VarLenAscii::as_str).collect()))
}
