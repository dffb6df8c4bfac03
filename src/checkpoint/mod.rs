//! Models on disk: safetensors with everything that a prediction needs, checkpoints of trainings, and
//! Keras weight files.
//!
//! ```
//! use lcz::checkpoint::{self, StoredTemperature};
//! use lcz::models::{Architecture, Classifier, Device, Model};
//! use lcz::{Classes, Imagery, data::Patches};
//! # fn main() -> lcz::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! let images = ndarray::Array4::zeros((1, 32, 32, 10));
//! let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?;
//! let file = folder.path().join("model.safetensors");
//! let network = Architecture::mlp().build_for(&patches, 0)?; // and `network.fit(…)?`
//! network.save(&file)?;
//! let stored = checkpoint::load(&file, Device::Cpu)?;
//! assert_eq!(stored.predict(&patches)?, network.predict(&patches)?);
//!
//! assert_eq!(checkpoint::temperature(&file)?, None);
//! let (procedure, data) = ("exact".to_owned(), "validation.h5".to_owned());
//! let fitted = StoredTemperature { temperature: 1.5, procedure, data, patches: 100, floor: None };
//! checkpoint::store_temperature(&file, &fitted)?;
//! let calibrated = checkpoint::load_classifier(&file, Device::Cpu)?;
//! assert_eq!(calibrated.temperature(), Some(&fitted));
//! assert_eq!(calibrated.predict(&patches)?, fitted.scale(&network.predict(&patches)?)?);
//! # Ok(())
//! # }
//! ```

mod forest;
mod keras;
mod training;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::files::read_file;
use crate::models::{Architecture, Calibrated, Classifier, Device, Model, Storable, build};
use crate::{Classes, Error, Imagery, Result, Standardisation, Weight, Weights};

pub use crate::predictions::StoredTemperature;
pub use forest::load_forest;
pub use keras::import_keras;
pub(crate) use training::{load_training, save_training};

/// The key of a [`Description`] among a file's metadata.
const KEY: &str = "lcz";

/// The description needed to use a file's tensors.
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

impl dyn Model + '_ {
    /// Writes the network as safetensors: its tensors, architecture, imagery, classes and standardisation. The file appears
    /// whole or not at all; [`load`] reads it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        Description::from_model(self).save(&self.weights(), path)
    }
}

impl Calibrated {
    /// Writes the network or forest and its temperature as safetensors. The file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written; a classifier that is neither a network nor a forest, or was calibrated before.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// use lcz::checkpoint::StoredTemperature;
    /// use lcz::models::{Architecture, Calibrated, Classifier, Device};
    /// use lcz::{Classes, Imagery, data::Patches};
    /// # let folder = tempfile::tempdir().unwrap();
    /// let images = ndarray::Array4::from_shape_fn((9, 8, 8, 1), |(n, ..)| n as f32);
    /// let patches = Patches::in_memory(Imagery::new(8, ["red"])?, Classes::named(["water", "sand"])?, images)?;
    /// let network = Architecture::mlp().build_for(&patches, 0)?; // and `network.fit(…)?`
    /// let (procedure, data) = ("exact".to_owned(), "validation.h5".to_owned());
    /// let temperature = StoredTemperature { temperature: 1.5, procedure, data, patches: 100, floor: None };
    /// let calibrated = Calibrated::new(network, temperature)?; // or `Calibrated::fit(network, &validation)?`
    /// let file = folder.path().join("calibrated.safetensors");
    /// calibrated.save(&file)?;
    /// let read = Calibrated::load(&file, Device::Cpu)?;
    /// assert_eq!(read.temperature(), calibrated.temperature());
    /// assert_eq!(read.predict(&patches)?, calibrated.predict(&patches)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let (path, temperature) = (path.as_ref(), Some(self.temperature().clone()));
        match self.classifier.storable() {
            Some(Storable::Network(network)) => {
                let description = Description { temperature, ..Description::from_model(network) };
                description.save(&network.weights(), path)
            }
            Some(Storable::Forest(forest)) => forest.write(path, temperature),
            None if self.classifier.temperature().is_some() => {
                let problem =
                    format!("'{}' was calibrated before, and a file holds one temperature", self.name());
                Err(Error::file(path, problem, "calibrate the classifier itself"))
            }
            None => {
                let problem = format!("'{}' is neither a network nor a forest", self.name());
                Err(Error::file(path, problem, "calibrate one of these"))
            }
        }
    }

    /// Reads what [`save`](Self::save) has written, or any model's file with a temperature; example there.
    ///
    /// # Errors
    /// As [`load_classifier`]; a file without a temperature.
    pub fn load(path: impl AsRef<Path>, device: Device) -> Result<Self> {
        let path = path.as_ref();
        let (classifier, temperature) =
            Header::read(path, |header| Ok((header.classifier(device)?, header.temperature()?)))?;
        let temperature = temperature
            .ok_or_else(|| Error::file(path, "no temperature", "fit one: Calibrated::fit, lcz temp-scale"))?;
        Self::new(classifier, temperature).map_err(|e| e.within(path))
    }
}

impl Description {
    /// The description of a network, without its weights.
    pub fn from_model(network: &dyn Model) -> Self {
        Self {
            architecture: network.architecture().clone(),
            imagery: network.imagery().clone(),
            classes: network.classes().clone(),
            standardisation: network.standardisation().cloned(),
            temperature: None,
            crate_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Writes a network's file with the weights of any epoch.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, weights: &Weights, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        write_weights(
            path,
            weights.iter().map(|(name, weight)| (name.clone(), weight)),
            [(KEY, to_json(self)?)],
        )
    }

    /// The standardisation of the network's input.
    pub(crate) fn standardisation(&self) -> Option<&Standardisation> {
        self.standardisation.as_ref()
    }
}

fn unwritten(error: impl Display) -> Error {
    Error::Internal { what: "writing safetensors", detail: error.to_string() }
}

fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(unwritten)
}

/// Writes weights and texts as safetensors; the file appears whole or not at all.
fn write_weights<'a>(
    path: &Path,
    weights: impl Iterator<Item = (String, &'a Weight)>,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<()> {
    let bytes = |weight: &Weight| weight.values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let tensors: Vec<(_, _, Vec<u8>)> = weights.map(|(name, weight)| (name, weight, bytes(weight))).collect();
    let mut views = Vec::with_capacity(tensors.len());
    for (name, weight, bytes) in &tensors {
        views.push((name, TensorView::new(Dtype::F32, weight.shape.clone(), bytes).map_err(unwritten)?));
    }
    write_views(path, views, metadata)
}

/// Writes tensors of any type.
fn write_views<'a>(
    path: &Path,
    views: impl IntoIterator<Item = (impl AsRef<str> + Ord + Display, TensorView<'a>)>,
    metadata: impl IntoIterator<Item = (&'static str, String)>,
) -> Result<()> {
    let metadata = metadata.into_iter().map(|(key, text)| (key.to_owned(), text)).collect();
    let file = safetensors::serialize(views, Some(metadata)).map_err(unwritten)?;
    crate::write_whole(path, &file)
}

/// Reads a network that its `save` has written, without the [`temperature`] that the file may hold.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// let network = lcz::checkpoint::load("model.safetensors", lcz::models::Device::Cpu)?;
/// println!("{} parameters, {}", network.parameters().total, network.classes());
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// A missing or truncated file, one that lcz did not write or that holds a forest, or tensors that do not
/// fit.
pub fn load(path: impl AsRef<Path>, device: Device) -> Result<Box<dyn Model>> {
    let path = path.as_ref();
    Header::read(path, |header| network(header, device))
}

/// Reads a network or a forest; with the temperature that the file holds, if one was fitted, it is [`Calibrated`].
///
/// # Errors
/// As [`load`] and [`load_forest`].
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::{checkpoint, models::Device};
/// let classifier = checkpoint::load_classifier("runs/first/model.safetensors", Device::Cpu)?;
/// println!("{}: {}", classifier.name(), classifier.classes());
/// # Ok(())
/// # }
/// ```
pub fn load_classifier(path: impl AsRef<Path>, device: Device) -> Result<Box<dyn Classifier>> {
    let path = path.as_ref();
    Header::read(path, |header| {
        let classifier = header.classifier(device)?;
        Ok(match header.temperature()? {
            None => classifier,
            Some(temperature) => {
                Box::new(Calibrated::new(classifier, temperature).map_err(|e| e.within(path))?)
            }
        })
    })
}

/// As [`load_classifier`], without the temperature.
pub(crate) fn load_uncalibrated(path: &Path, device: Device) -> Result<Box<dyn Classifier>> {
    Header::read(path, |header| header.classifier(device))
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
    Header::read(path, |header| header.description::<Built>().map(|built| built.architecture))
}

/// What a model was trained on: its imagery, and the mean and the standard deviation of each band where it stores them.
///
/// # Errors
/// The file cannot be read, or was not written by lcz.
pub(crate) fn trained_on(path: &Path) -> Result<(Imagery, Option<Standardisation>)> {
    #[derive(Deserialize)]
    struct Trained {
        imagery: Imagery,
        standardisation: Option<Standardisation>,
    }
    Header::read(path, |header| {
        header.description().map(|Trained { imagery, standardisation }| (imagery, standardisation))
    })
}

/// The temperature that a model's file holds, if one was fitted; see the [module's example](self).
///
/// # Errors
/// As [`load`].
#[expect(clippy::redundant_closure_for_method_calls, reason = "the method itself is of one lifetime only")]
pub fn temperature(path: impl AsRef<Path>) -> Result<Option<StoredTemperature>> {
    Header::read(path.as_ref(), |header| header.temperature())
}

/// Puts a temperature into a model's file, in place of one that is there; the weights stay as they are. See the
/// [module's example](self).
///
/// # Errors
/// As [`load`]; the file cannot be written.
pub fn store_temperature(path: impl AsRef<Path>, temperature: &StoredTemperature) -> Result<()> {
    let path = path.as_ref();
    Header::read(path, |header| {
        let mut description: serde_json::Map<String, serde_json::Value> = header.description()?;
        let temperature = serde_json::to_value(temperature).map_err(unwritten)?;
        description.insert("temperature".to_owned(), temperature);
        write_views(path, header.tensors.tensors(), [(KEY, to_json(&description)?)])
    })
}

/// The parts of a file that lcz has written.
struct Header<'a> {
    path: &'a Path,
    description: String,
    tensors: SafeTensors<'a>,
}

impl Header<'_> {
    /// What `take` makes of a file.
    fn read<T>(path: &Path, take: impl FnOnce(&Header<'_>) -> Result<T>) -> Result<T> {
        let file = read_model(path)?;
        let not_safetensors = |e| not_ours(path, format!("not safetensors ({e})"));
        let (_, metadata) = SafeTensors::read_metadata(&file).map_err(not_safetensors)?;
        let tensors = SafeTensors::deserialize(&file).map_err(not_safetensors)?;
        let description = metadata.metadata().as_ref().and_then(|metadata| metadata.get(KEY)).cloned();
        let description =
            description.ok_or_else(|| not_ours(path, "no description of the model".to_owned()))?;
        take(&Header { path, description, tensors })
    }

    fn description<T: DeserializeOwned>(&self) -> Result<T> {
        let unread = |e| format!("a description of the model that cannot be read ({e})");
        serde_json::from_str(&self.description).map_err(|e| not_ours(self.path, unread(e)))
    }

    /// The name of the kind of model.
    fn architecture(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Named {
            architecture: Name,
        }
        #[derive(Deserialize)]
        struct Name {
            name: String,
        }
        self.description::<Named>().map(|named| named.architecture.name)
    }

    fn temperature(&self) -> Result<Option<StoredTemperature>> {
        #[derive(Deserialize)]
        struct Scaled {
            #[serde(default)]
            temperature: Option<StoredTemperature>,
        }
        self.description::<Scaled>().map(|scaled| scaled.temperature)
    }

    /// The network or the forest, without its temperature.
    fn classifier(&self, device: Device) -> Result<Box<dyn Classifier>> {
        if self.architecture()? == forest::NAME {
            return Ok(Box::new(forest::parse(self)?));
        }
        Ok(network(self, device)?)
    }
}

/// Bytes of a model's file at most. ResNet-50 with its optimiser's state takes a third of it.
const LARGEST: u64 = 1 << 30;

fn read_model(path: &Path) -> Result<Vec<u8>> {
    read_file(path, LARGEST)
}

fn not_ours(path: &Path, problem: String) -> Error {
    Error::file(path, problem, "use a model.safetensors that lcz has written")
}

fn network(header: &Header<'_>, device: Device) -> Result<Box<dyn Model>> {
    let path = header.path;
    if header.architecture()? == forest::NAME {
        let problem = "a random forest, which has no layers, logits or features";
        return Err(Error::file(path, problem, "give a file or a run of a network"));
    }
    let Description { architecture, imagery, classes, standardisation, .. } = header.description()?;
    let mut network = build(&architecture, &imagery, &classes, 0, device).map_err(|e| e.within(path))?;
    let mut weights = numbers(&header.tensors).map_err(|problem| not_ours(path, problem))?;
    // A file does not state which of its tensors are trained; the network does.
    for (name, weight) in network.weights().iter() {
        if let Some(read) = weights.get_mut(name) {
            read.trainable = weight.trainable;
        }
    }
    network.set_weights(&Weights::new(weights)).map_err(|e| not_ours(path, e.to_string()))?;
    if let Some(standardisation) = standardisation {
        network.set_standardisation(standardisation).map_err(|e| e.within(path))?;
    }
    Ok(network)
}

/// All tensors of a file by name, which must be f32; or the reason why they cannot be used.
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
