//! Keras weight files (HDF5): Sen2LCZ by its authors, by `LCZ_LDL` or one's own; ResNet-50 by
//! `keras.applications` or as the course has it; the So2Sat project's own ResNet-20.

mod resnet20;
mod resnet50;
mod sen2lcz;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use hdf5::Group;

use crate::bands::STANDARDISED_UNIT;
use crate::data::so2sat::{Numbers, cause, open_file, texts};
use crate::models::sen2lcz::Fusion;
use crate::models::{Architecture, Device, Model, build};
use crate::{Bands, Classes, Error, Imagery, Result, Standardisation, Weight, Weights};

/// Bands of the So2Sat project's Sentinel-1 network: the 1st to 3rd and 8th to 11th of a stack of 11.
const RADAR_BANDS: usize = 7;

/// Reads the weights of a Sen2LCZ, ResNet-20 or ResNet-50 that Keras has trained. Which one, its sizes, bands and classes
/// follow from the tensors' shapes; `fusion` is a Sen2LCZ's. The input is So2Sat's reflectance, not standardised; of a ResNet-20 with
/// seven bands, the So2Sat project's for Sentinel-1, radar values in standard deviations from their city's mean.
///
/// A ResNet-50 whose first block is half as wide as its first convolution is the course's (ε of batch norm 1e-3),
/// any other that of `keras.applications` (ε 1.001e-5, zeros around the maps before the first convolution and
/// maximum): a weight file does not state these.
///
/// # Errors
/// A missing file, one that is not a Keras weight file, or tensors that are of none of these networks.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::models::{Device, sen2lcz::Fusion};
/// let network = lcz::checkpoint::import_keras("sen2lcz.hdf5", Fusion::default(), Device::Cpu)?;
/// network.save("model.safetensors")?;
/// # Ok(())
/// # }
/// ```
pub fn import_keras(path: impl AsRef<Path>, fusion: Fusion, device: Device) -> Result<Box<dyn Model>> {
    let path = path.as_ref();
    check_kind(path)?;
    let layers = Layers::read(path)?;
    let bands = layers.convolutions.first().map_or(0, Kernel::inputs);
    let classes = layers.dense.last().map_or(0, Kernel::outputs);
    let (name, read) = match layers.convolutions.len() {
        resnet20::CONVOLUTIONS => ("ResNet-20", resnet20::read(layers)),
        resnet50::CONVOLUTIONS => ("ResNet-50", resnet50::read(layers)),
        _ => ("Sen2LCZ", sen2lcz::read(layers, fusion)),
    };
    let advice = format!("give a Keras weight file of {name} (lcz import --help lists the networks)");
    let refuse = |problem: String| Error::file(path, problem, advice.clone());
    let (architecture, weights): (Architecture, Weights) = read.map_err(refuse)?;
    let mut imagery = Imagery { bands: Bands::from_count(bands), ..Imagery::so2sat() };
    if name == "ResNet-20" && bands == RADAR_BANDS {
        STANDARDISED_UNIT.clone_into(&mut imagery.unit);
    }
    let classes = Classes::from_columns(classes).map_err(|e| e.within(path))?;
    let mut network = build(&architecture, &imagery, &classes, 0, device)?;
    network.set_weights(&weights).map_err(|e| refuse(e.to_string()))?;
    network.set_standardisation(Standardisation::identity(bands))?;
    Ok(network)
}

/// Refuses the other formats of Keras and TensorFlow, with what to do.
fn check_kind(path: &Path) -> Result<()> {
    let advice = "in Keras, load it and save the weights as HDF5: model.save('NAME.h5')";
    if path.is_dir() {
        let problem = if path.join("saved_model.pb").exists() { "a SavedModel folder" } else { "a folder" };
        return Err(Error::file(path, format!("{problem}, not a Keras weight file"), advice));
    }
    let mut start = [0; 8];
    let read = crate::files::open_file(path)?.read(&mut start).map_err(Error::io(path))?;
    if read > 0 && start.starts_with(b"PK") {
        return Err(Error::file(path, "a Keras 3 archive (.keras), not a weight file in HDF5", advice));
    }
    if read > 0 && start != *b"\x89HDF\r\n\x1a\n" {
        return Err(Error::file(path, "not a Keras weight file: those are HDF5", advice));
    }
    Ok(())
}

/// The weight-bearing layers of a file, each kind in the file's order.
#[derive(Default)]
struct Layers {
    convolutions: Vec<Kernel>,
    norms: Vec<[Weight; 4]>,
    dense: Vec<Kernel>,
}

/// A convolution's kernel, (rows, columns, inputs, outputs), or a dense layer's, (inputs, outputs).
struct Kernel {
    /// The number at the end of the layer's name, 0 where there is none.
    number: usize,
    weight: Weight,
    bias: Weight,
}

impl Kernel {
    fn inputs(&self) -> usize {
        self.weight.shape.iter().rev().nth(1).copied().unwrap_or(0)
    }

    fn outputs(&self) -> usize {
        self.weight.shape.last().copied().unwrap_or(0)
    }
}

/// A network's tensors under this crate's names.
#[derive(Default)]
struct Named(BTreeMap<String, Weight>);

impl Named {
    /// Kernel and bias of a layer.
    fn kernel(&mut self, layer: &str, Kernel { weight: mut kernel, bias, .. }: Kernel) {
        // (rows, columns, inputs, outputs) → (rows · columns · inputs, outputs), the same order.
        let outputs = kernel.shape.last().copied().unwrap_or(0);
        kernel.shape = vec![kernel.values.len() / outputs.max(1), outputs];
        self.0.insert(format!("{layer}.weight"), kernel);
        self.0.insert(format!("{layer}.bias"), bias);
    }

    /// The batch norm of a convolution.
    fn norm(&mut self, layer: &str, norm: [Weight; 4]) {
        for (part, weight) in ["gamma", "beta", "moving_mean", "moving_variance"].into_iter().zip(norm) {
            self.0.insert(format!("{layer}.{part}"), weight);
        }
    }
}

impl Layers {
    fn read(path: &Path) -> Result<Self> {
        let unreadable = |e: hdf5::Error| Error::file(path, cause(&e), "give a Keras weight file");
        let file = open_file(path)?;
        // `model.save` puts the weights in a group of their own, `save_weights` at the top.
        let root = file.group("model_weights").or_else(|_| file.group("/")).map_err(unreadable)?;
        let mut layers = Self::default();
        for layer in names(&root, "layer_names").map_err(|problem| not_keras(path, problem))? {
            let group = root.group(&layer).map_err(unreadable)?;
            let mut parts = BTreeMap::new();
            for name in names(&group, "weight_names").map_err(|problem| not_keras(path, problem))? {
                let part = name.rsplit('/').next().unwrap_or(&name).trim_end_matches(":0").to_owned();
                let trainable = !part.starts_with("moving_");
                let numbers = Numbers::open(&group, path, &name)?;
                parts.insert(part, Weight { shape: numbers.shape(), values: numbers.values()?, trainable });
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
        let number = layer.rsplit('_').next().and_then(|number| number.parse().ok()).unwrap_or(0);
        let kernel = Kernel { number, weight: take("kernel")?, bias: take("bias")? };
        match kernel.weight.shape.len() {
            4 => self.convolutions.push(kernel),
            2 => self.dense.push(kernel),
            rank => return Err(format!("layer '{layer}' has a kernel of rank {rank}")),
        }
        Ok(())
    }
}

fn not_keras(path: &Path, problem: String) -> Error {
    Error::file(path, problem, "give a weight file as Keras's model.save('name.h5') writes it")
}

/// A list of names in an attribute, in whichever of HDF5's string types.
fn names(group: &Group, attribute: &str) -> std::result::Result<Vec<String>, String> {
    let found = group.attr(attribute).map_err(|_| format!("no attribute '{attribute}'"))?;
    if found.size() == 0 {
        return Ok(Vec::new());
    }
    texts(&found).ok_or_else(|| format!("attribute '{attribute}' is not a list of names"))
}
