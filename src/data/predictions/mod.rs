//! Files of predictions: `probabilities` [N, K], attribute `classes`, and the labels, votes (or label
//! distributions) and groups of the patches they are of, where there are any; the temperature that they were made
//! at, in attributes. Predictions made elsewhere are read as CSV too.

mod csv;
mod export;
mod writer;

use std::io::Read;
use std::path::Path;

use hdf5::File;
use ndarray::Array2;

use super::so2sat::{Numbers, open_file, place, product, read_classes, text_attribute};
use super::{Patches, Sample};
use crate::metrics::ConfusionMatrix;
use crate::predictions::StoredTemperature;
use crate::scorecard::{Predicted, Reference, Scorecard, ScorecardSettings};
use crate::{Classes, Error, LabelDistributions, Labels, Probabilities, Result, Votes};

pub use writer::PredictionWriter;

/// What an HDF5 file starts with.
const HDF5: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Predictions and their reference data.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The predictions: classes, confidences or probabilities, whichever the file has.
    pub predicted: Stated,
    /// One class per sample.
    pub labels: Labels,
    /// The experts' votes.
    pub votes: Option<Votes>,
    /// Label distributions, where the votes behind them are not known.
    pub distributions: Option<LabelDistributions>,
    /// The city or polygon of each sample.
    pub groups: Option<Vec<i32>>,
    /// Provenance of the samples, as the file states it.
    pub provenance: String,
    /// The temperature that they were made at; none if the model's own probabilities were kept, or the file
    /// does not state it.
    pub temperature: Option<StoredTemperature>,
}

impl Predictions {
    /// The same with the provenance that a user states, where the file does not state that they are synthetic.
    #[must_use]
    pub fn described(self, provenance: Option<&str>) -> Self {
        Self { provenance: crate::provenance::given(self.provenance, provenance), ..self }
    }
}

/// The predictions in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum Stated {
    /// Classes only.
    Classes(Labels),
    /// The classes, and the confidence of each, from 0 to 1.
    Confidences(Labels, Vec<f64>),
    /// All probabilities.
    Probabilities(Probabilities),
}

impl Predictions {
    /// The predicted class of each sample.
    pub fn classes(&self) -> Labels {
        match &self.predicted {
            Stated::Classes(labels) | Stated::Confidences(labels, _) => labels.clone(),
            Stated::Probabilities(p) => p.predicted(),
        }
    }

    /// The probabilities, where the file has them.
    pub fn probabilities(&self) -> Option<&Probabilities> {
        match &self.predicted {
            Stated::Probabilities(p) => Some(p),
            Stated::Classes(_) | Stated::Confidences(..) => None,
        }
    }

    /// The confusion matrix.
    ///
    /// # Errors
    /// Labels and predictions that were changed so that they do not fit.
    pub fn confusion(&self) -> Result<ConfusionMatrix> {
        ConfusionMatrix::from_labels(&self.labels, &self.classes())
    }

    /// The evaluation table, with all rows that these predictions and references allow; with progress:
    /// [`run::score`](crate::run::score).
    ///
    /// # Errors
    /// Settings that [`Scorecard::compute`] refuses.
    pub fn scorecard(&self, settings: ScorecardSettings) -> Result<Scorecard> {
        let (predicted, reference) = self.compared();
        Scorecard::compute(predicted, reference, settings)
    }

    /// Predictions and references as the evaluation takes them.
    pub(crate) fn compared(&self) -> (Predicted<'_>, Reference<'_>) {
        let predicted = match &self.predicted {
            Stated::Classes(labels) => Predicted::Classes(labels),
            Stated::Confidences(labels, confidence) => Predicted::Confidences(labels, confidence),
            Stated::Probabilities(p) => Predicted::Probabilities(p),
        };
        let Self { labels, votes, distributions, groups, .. } = self;
        (predicted, Reference::of(labels, votes.as_ref(), distributions.as_ref(), groups.as_deref()))
    }
}

/// Reads predictions that have labels with them: an HDF5 file as [`write()`] makes it, or a CSV with one
/// of the headers
///
/// | header | what can be computed |
/// |---|---|
/// | `true,pred` | accuracies; the classes are zones, by number, code or name, unless given |
/// | `true_label,pred_label,confidence` | and the calibration of the predicted class; any class names |
/// | `label,p_1,…,p_K` | everything that needs no votes; the columns name the classes |
///
/// ```no_run
/// use lcz::{data::predictions, scorecard::ScorecardSettings};
/// let read = predictions::read("predictions.csv", None)?;
/// println!("{}\n{}", read.scorecard(ScorecardSettings::default())?, read.confusion()?.table());
/// # Ok::<(), lcz::Error>(())
/// ```
///
/// A column `group` (or `city`, `polygon`) names the samples that belong together. Columns may come in any order; others are
/// ignored with a warning that names them, a column of row names without a name as well. `y_true,y_pred`, `true_label,pred_label` and the like are
/// read as well. Fields are apart by commas, semicolons (numbers then with decimal commas) or tabs, quoted as in RFC 4180. Rows of probabilities that miss 1 by rounding, by at most K · ½ · 10⁻ᵈ for d decimals, are rescaled, with a warning.
///
/// # Errors
/// Another header, a line of another width, a label that is not a class, a number that is not a probability,
/// rows that do not sum to 1, no sample: names the file and the line or row.
pub fn read(path: impl AsRef<Path>, classes: Option<&Classes>) -> Result<Predictions> {
    let path = path.as_ref();
    let mut start = Vec::new();
    let opened = crate::files::open_file(path)?;
    opened.take(HDF5.len() as u64).read_to_end(&mut start).map_err(Error::io(path))?;
    if start == HDF5 { read_hdf5(path) } else { csv::read(path, classes) }
}

fn read_hdf5(path: &Path) -> Result<Predictions> {
    let advice = "give what `lcz predict` has written for labelled patches";
    let file = open_file(path)?;
    let open = |name: &str| {
        if file.link_exists(name) {
            return Numbers::open(&file, path, name);
        }
        let found = file.member_names().map(|names| names.join(", ")).unwrap_or_default();
        Err(Error::file(path, format!("no dataset '{name}' (found: {found})"), advice))
    };
    let p = open("probabilities")?;
    let shape = p.shape();
    let ([samples, columns] | [samples, _, _, columns]) = shape[..] else {
        let problem = format!("rank {} (shape {})", shape.len(), product(&shape));
        let advice = "its shape must be samples x classes, or patches x rows x columns x classes";
        return Err(Error::input(place(path, "probabilities"), problem, advice));
    };
    let classes = read_classes(&file, path, Some(columns))?;
    if samples == 0 {
        return Err(Error::file(path, "no sample", advice));
    }
    // Shapes are compared before anything is read.
    let fitting = |name: &str, wanted: &[usize]| {
        let table = open(name)?;
        if table.shape() == wanted {
            return Ok(table);
        }
        let shape = product(&table.shape());
        let problem = format!("'{name}' is {shape} for {samples} predictions of {columns} classes");
        let advice = "write labels and votes of the same samples and classes";
        Err(Error::file(path, problem, advice))
    };
    let provenance =
        text_attribute(&file, path, "provenance")?.unwrap_or_else(|| crate::provenance::UNKNOWN.to_owned());
    let temperature = read_temperature(&file, path)?;
    let groups =
        if file.link_exists("group") { Some(fitting("group", &[samples])?.values::<i32>()?) } else { None };
    if shape.len() == 4 {
        let mask = fitting("mask", &shape[..3])?.values::<u8>()?;
        let (p, labels, groups) = pixels(path, &classes, (p.values()?, mask), groups, &shape)?;
        let (predicted, votes, distributions) = (Stated::Probabilities(p), None, None);
        let groups = Some(groups);
        return Ok(Predictions { predicted, labels, votes, distributions, groups, provenance, temperature });
    }
    let table = |name: &str| fitting(name, &shape)?.read::<f64, _>();
    let p: Array2<f64> = p.read()?;
    let p = Probabilities::new(classes.clone(), p).map_err(|e| e.within(path))?;
    let labels = fitting("label", &shape)?.classes_of_rows()?;
    let votes = if file.link_exists("votes") {
        let votes: Array2<f64> = table("votes")?;
        Some(Votes::new(classes.clone(), votes.mapv(|v| v as f32)).map_err(|e| e.within(path))?)
    } else {
        None
    };
    let distributions = if votes.is_none() && file.link_exists("distributions") {
        Some(LabelDistributions::new(classes.clone(), table("distributions")?).map_err(|e| e.within(path))?)
    } else {
        None
    };
    let (predicted, labels) = (Stated::Probabilities(p), Labels::new(classes, labels)?);
    Ok(Predictions { predicted, labels, votes, distributions, groups, provenance, temperature })
}

/// The pixels that have a class, with its number in the mask (0: none, 1: the first class). Pixels of a patch without a group
/// belong together.
fn pixels(
    path: &Path,
    classes: &Classes,
    (p, mask): (Vec<f32>, Vec<u8>),
    groups: Option<Vec<i32>>,
    shape: &[usize],
) -> Result<(Probabilities, Labels, Vec<i32>)> {
    let known: Vec<usize> = (0..mask.len()).filter(|&at| mask[at] > 0).collect();
    if known.is_empty() {
        return Err(Error::file(path, "no pixel of 'mask' has a class", "predict patches with masks"));
    }
    let (each, k) = (shape[1] * shape[2], classes.len());
    if let Some(&at) = known.iter().find(|&&at| usize::from(mask[at]) > k) {
        let place = format!("{}, mask, patch {}", path.display(), at / each);
        return Err(Error::input(place, format!("class {} of {k}", mask[at]), "number the classes from 1"));
    }
    let rows = Array2::from_shape_fn((known.len(), k), |(n, class)| f64::from(p[known[n] * k + class]));
    let labels = known.iter().map(|&at| usize::from(mask[at]) - 1).collect();
    let group = |&at: &usize| groups.as_ref().map_or((at / each) as i32, |groups| groups[at / each]);
    let p = Probabilities::new(classes.clone(), rows).map_err(|e| e.within(path))?;
    Ok((p, Labels::new(classes.clone(), labels)?, known.iter().map(group).collect()))
}

/// The temperature that a file's predictions were made at.
fn read_temperature(file: &File, path: &Path) -> Result<Option<StoredTemperature>> {
    let Ok(temperature) = file.attr("temperature") else { return Ok(None) };
    let unknown = |name: &str| {
        let place = format!("{}, attribute '{name}'", path.display());
        Error::input(place, "missing or not a number", "give what `lcz predict` has written")
    };
    let text = |name: &str| text_attribute(file, path, name)?.ok_or_else(|| unknown(name));
    let patches = file.attr("temperature_patches").and_then(|patches| patches.read_scalar());
    Ok(Some(StoredTemperature {
        temperature: temperature.read_scalar().map_err(|_| unknown("temperature"))?,
        procedure: text("temperature_procedure")?,
        data: text("temperature_data")?,
        patches: patches.map_err(|_| unknown("temperature_patches"))?,
        floor: file.attr("temperature_floor").and_then(|floor| floor.read_scalar()).ok(),
    }))
}

/// Whether labels, votes and masks of the patches have the predictions' classes, and so can be copied.
pub(crate) fn labels_fit(classes: &Classes, patches: &Patches) -> bool {
    let labelled = patches.has_labels() || patches.has_distributions() || patches.has_masks();
    classes == patches.classes() || !labelled
}

/// Writes predictions of patches; see [`PredictionWriter`].
///
/// # Errors
/// A file that exists or cannot be written, or predictions of other patches.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::data::{Patches, predictions::{self, Stated}};
/// use lcz::{Classes, Imagery, Labels, Probabilities};
/// # let folder = tempfile::tempdir().unwrap();
/// let labels = Labels::new(Classes::named(["water", "sand"])?, vec![0, 1])?;
/// let images = ndarray::Array4::zeros((2, 4, 4, 1));
/// let imagery = Imagery::new(4, ["red"])?;
/// let patches = Patches::in_memory(imagery, labels.classes().clone(), images)?.with_labels(&labels)?;
/// let p = Probabilities::new(labels.classes().clone(), ndarray::array![[0.75, 0.25], [0.5, 0.5]])?;
/// let file = folder.path().join("predictions.h5");
/// predictions::write(&file, &p, &patches)?;
/// let read = predictions::read(&file, None)?;
/// assert_eq!((read.predicted, read.labels), (Stated::Probabilities(p), labels));
/// # Ok(())
/// # }
/// ```
pub fn write(path: impl AsRef<Path>, predicted: &Probabilities, patches: &Patches) -> Result<()> {
    let path = path.as_ref();
    write_at(path, predicted, None, patches)
}

/// As [`write()`], of predictions made at a temperature.
pub(crate) fn write_at(
    path: &Path,
    predicted: &Probabilities,
    temperature: Option<&StoredTemperature>,
    patches: &Patches,
) -> Result<()> {
    let mut writer = PredictionWriter::create(path, predicted.classes(), Sample::Patch, patches)?;
    if let Some(by) = temperature {
        writer.temperature(by)?;
    }
    writer.append(predicted, &[])?;
    writer.finish()
}
