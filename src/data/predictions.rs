//! Files of predictions: `probabilities` [N, K], attribute `classes`, and the labels, votes and groups
//! of the patches they are of, where there are any.

use std::path::Path;
use std::str::FromStr;

use hdf5::File;
use hdf5::types::VarLenUnicode;

use super::Patches;
use super::so2sat::cause;
use crate::files::{self, Partial};
use crate::{Error, Probabilities, Result};

/// Checks that a file of predictions may be written there.
///
/// # Errors
/// Something of that name exists.
pub fn check_free(path: &Path) -> Result<()> {
    files::check_free(path)
}

/// Whether labels and votes of the patches have the predictions' columns, and so can lie beside them.
pub fn labels_fit(predicted: &Probabilities, patches: &Patches) -> bool {
    predicted.classes() == patches.classes() || !(patches.has_labels() || patches.has_votes())
}

/// Writes predictions beside what is known of their patches: labels and votes if they are of the same
/// classes ([`labels_fit`]), groups. The file appears whole or not at all.
///
/// # Errors
/// A file that exists or cannot be written, or predictions of other patches.
pub fn write(path: &Path, predicted: &Probabilities, patches: &Patches) -> Result<()> {
    if predicted.len() != patches.len() {
        let problem = format!("{} predictions for {} patches", predicted.len(), patches.len());
        return Err(Error::file(path, problem, "write the predictions of these patches"));
    }
    check_free(path)?;
    let partial = Partial::file(path)?;
    fill(path, partial.path(), predicted, patches)?;
    partial.become_new()
}

fn fill(path: &Path, partial: &Path, predicted: &Probabilities, patches: &Patches) -> Result<()> {
    let failed = |e: hdf5::Error| Error::file(path, cause(&e), "check the free space and the permissions");
    let file = File::create(partial).map_err(failed)?;
    let text = |name: &str, text: &str| {
        let text = VarLenUnicode::from_str(text).map_err(|e| hdf5::Error::Internal(e.to_string()))?;
        file.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&text)
    };
    text("classes", &predicted.classes().codes().join(",")).map_err(failed)?;
    text("provenance", patches.provenance()).map_err(failed)?;
    let put = |name: &str, table: ndarray::ArrayView2<'_, f32>| {
        file.new_dataset_builder().with_data(&table).create(name).map(|_| ())
    };
    put("probabilities", predicted.view().mapv(|p| p as f32).view()).map_err(failed)?;
    let fit = labels_fit(predicted, patches);
    if fit && patches.has_labels() {
        put("label", patches.labels()?.one_hot().view().mapv(|y| y as f32).view()).map_err(failed)?;
    }
    if fit && patches.has_votes() {
        put("votes", patches.votes()?.counts()).map_err(failed)?;
    }
    if let Some(groups) = patches.groups() {
        file.new_dataset_builder().with_data(&groups).create("group").map_err(failed)?;
    }
    file.flush().and_then(|()| file.close()).map_err(failed)
}
