//! Models on disk: safetensors with everything that a prediction needs, checkpoints of trainings, and
//! Keras weight files.

mod forest;
mod keras;
mod training;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::models::{Architecture, Classifier, Device, Model, build};
use crate::nn::{Standardisation, Weight, Weights};
use crate::{Classes, Error, Imagery, Result};

pub use crate::predictions::StoredTemperature;
pub use forest::{load_forest, save_forest};
pub use keras::import_keras;
pub(crate) use training::{load_training, save_training};

/// The key of a [`Description`] among a file's metadata.
const KEY: &str = "lcz";

/// All that is needed to use a file's tensors.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Description {
    architecture: Architecture,
    imagery: Imagery,
    classes: Classes,
    standardisation: Option<Standardisation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    temperature: Option<StoredTemperature>,
    crate_version: String,
}

/// Writes a network as safetensors: its tensors, architecture, imagery, classes and
/// standardisation. The file appears whole or not at all.
///
/// # Errors
/// The file cannot be written.
pub fn save(network: &dyn Model, path: &Path) -> Result<()> {
    Description::of(network).save(&network.weights(), path)
}

impl Description {
    /// All of a network but its weights.
    pub fn of(network: &dyn Model) -> Self {
        Self {
            architecture: network.architecture().clone(),
            imagery: network.imagery().clone(),
            classes: network.classes().clone(),
            standardisation: network.standardisation().cloned(),
            temperature: None,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// As [`save`](fn@save), with the weights of any epoch.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, weights: &Weights, path: &Path) -> Result<()> {
        let description = serde_json::to_string(self)
            .map_err(|e| Error::Internal { what: "writing safetensors", detail: e.to_string() })?;
        write_tensors(
            path,
            weights.iter().map(|(name, weight)| (name.as_str(), weight)),
            [(KEY, description)],
        )
    }

    /// What is done to the network's input first.
    pub(crate) fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }
}

/// Writes tensors and texts as safetensors; the file appears whole or not at all.
fn write_tensors<'a>(
    path: &Path,
    tensors: impl Iterator<Item = (&'a str, &'a Weight)>,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<()> {
    let internal = |e: safetensors::SafeTensorError| Error::Internal {
        what: "writing safetensors",
        detail: e.to_string(),
    };
    let bytes: Vec<(&str, &Weight, Vec<u8>)> = tensors
        .map(|(name, weight)| (name, weight, weight.values.iter().flat_map(|x| x.to_le_bytes()).collect()))
        .collect();
    let mut views = Vec::with_capacity(bytes.len());
    for (name, weight, bytes) in &bytes {
        views.push((*name, TensorView::new(Dtype::F32, weight.shape.clone(), bytes).map_err(internal)?));
    }
    let metadata: HashMap<String, String> =
        metadata.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    let file = safetensors::serialize(views, Some(metadata)).map_err(internal)?;
    crate::write_whole(path, &file)
}

/// Reads a network that [`save`] has written.
///
/// # Errors
/// A missing or truncated file, one that lcz did not write or that holds a forest, or tensors that do not
/// fit.
pub fn load(path: &Path, device: Device) -> Result<Box<dyn Model>> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    network(path, &Header::of(path, &file)?, device)
}

/// Reads a network or a forest.
///
/// # Errors
/// As [`load`] and [`load_forest`].
pub fn load_classifier(path: &Path, device: Device) -> Result<Box<dyn Classifier>> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    let header = Header::of(path, &file)?;
    if header.architecture(path)? == forest::NAME {
        return Ok(Box::new(forest::parse(path, &header)?));
    }
    Ok(network(path, &header, device)?)
}

/// The kind of a model and its size, as its file has them: of a network or a forest.
///
/// # Errors
/// A missing or truncated file, or one that lcz did not write.
pub(crate) fn architecture(path: &Path) -> Result<toml::Table> {
    #[derive(Deserialize)]
    struct Built {
        architecture: toml::Table,
    }
    let file = std::fs::read(path).map_err(Error::io(path))?;
    Header::of(path, &file)?.description::<Built>(path).map(|built| built.architecture)
}

/// The temperature that a network's file holds, if one was fitted.
///
/// # Errors
/// As [`load`].
pub fn temperature(path: &Path) -> Result<Option<StoredTemperature>> {
    #[derive(Deserialize)]
    struct Scaled {
        #[serde(default)]
        temperature: Option<StoredTemperature>,
    }
    let file = std::fs::read(path).map_err(Error::io(path))?;
    Header::of(path, &file)?.description::<Scaled>(path).map(|scaled| scaled.temperature)
}

/// Puts a temperature into a network's file, in place of one that is there; the weights stay as they are.
///
/// # Errors
/// As [`load`]; the file cannot be written.
pub fn store_temperature(path: &Path, temperature: StoredTemperature) -> Result<()> {
    let file = std::fs::read(path).map_err(Error::io(path))?;
    let header = Header::of(path, &file)?;
    let mut description: Description = header.description(path)?;
    description.temperature = Some(temperature);
    let internal = |detail: String| Error::Internal { what: "writing safetensors", detail };
    let text = serde_json::to_string(&description).map_err(|e| internal(e.to_string()))?;
    let metadata = HashMap::from([(KEY.to_owned(), text)]);
    let bytes = safetensors::serialize(header.tensors.tensors(), Some(metadata));
    crate::write_whole(path, &bytes.map_err(|e| internal(e.to_string()))?)
}

/// A file of ours, taken apart.
struct Header<'a> {
    description: String,
    tensors: SafeTensors<'a>,
}

impl<'a> Header<'a> {
    fn of(path: &Path, file: &'a [u8]) -> Result<Self> {
        let not_safetensors = |e| not_ours(path, format!("not safetensors ({e})"));
        let (_, metadata) = SafeTensors::read_metadata(file).map_err(not_safetensors)?;
        let tensors = SafeTensors::deserialize(file).map_err(not_safetensors)?;
        let description = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY)).cloned();
        let description =
            description.ok_or_else(|| not_ours(path, "no description of the model".to_owned()))?;
        Ok(Self { description, tensors })
    }

    fn description<T: DeserializeOwned>(&self, path: &Path) -> Result<T> {
        serde_json::from_str(&self.description)
            .map_err(|e| not_ours(path, format!("a description of the model that cannot be read ({e})")))
    }

    /// The name of the kind of model.
    fn architecture(&self, path: &Path) -> Result<String> {
        #[derive(Deserialize)]
        struct Named {
            architecture: Name,
        }
        #[derive(Deserialize)]
        struct Name {
            name: String,
        }
        self.description::<Named>(path).map(|named| named.architecture.name)
    }
}

fn not_ours(path: &Path, problem: String) -> Error {
    Error::file(path, problem, "use a model.safetensors that lcz has written")
}

fn network(path: &Path, header: &Header<'_>, device: Device) -> Result<Box<dyn Model>> {
    if header.architecture(path)? == forest::NAME {
        let problem = "a random forest, which has no layers, logits or features";
        return Err(Error::file(path, problem, "give the run of a network"));
    }
    let description: Description = header.description(path)?;
    let Description { architecture, imagery, classes, standardisation, .. } = description;
    let mut network = build(&architecture, &imagery, &classes, 0, device).map_err(|e| e.within(path))?;
    let weights = weights_like(&network.weights(), path, header)?;
    network.set_weights(&weights).map_err(|e| not_ours(path, e.to_string()))?;
    if let Some(standardisation) = standardisation {
        network.set_standardisation(standardisation).map_err(|e| e.within(path))?;
    }
    Ok(network)
}

/// The tensors of a file, trained or not as a network's own.
fn weights_like(of_network: &Weights, path: &Path, header: &Header<'_>) -> Result<Weights> {
    let mut weights = numbers(&header.tensors).map_err(|problem| not_ours(path, problem))?;
    for (name, weight) in of_network.iter() {
        if let Some(read) = weights.get_mut(name) {
            read.trainable = weight.trainable;
        }
    }
    Ok(Weights::new(weights))
}

/// All tensors of a file by name, which are to be of f32; or what is wrong with them.
fn numbers(tensors: &SafeTensors<'_>) -> std::result::Result<BTreeMap<String, Weight>, String> {
    let read = |(name, view): (String, TensorView<'_>)| {
        if view.dtype() != Dtype::F32 {
            return Err(format!("tensor '{name}' is {:?}, not F32", view.dtype()));
        }
        let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        Ok((name, Weight { shape: view.shape().to_vec(), values, trainable: true }))
    };
    tensors.tensors().into_iter().map(read).collect()
}
