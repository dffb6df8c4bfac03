//! Contents of a data set: its files, and the datasets of a file.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::SPLITS;
use super::datasets::{open_file, product, unreadable};
use crate::{Error, Result};

/// A dataset of a file: `label 4200 x 17`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DatasetShape {
    /// Its name.
    pub name: String,
    /// Its length along each dimension.
    pub shape: Vec<usize>,
}

impl fmt::Display for DatasetShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, product(&self.shape))
    }
}

/// The files of a data set: the file itself, or those of `training.h5`, `validation.h5` and
/// `testing.h5` that a folder has.
///
/// # Errors
/// A folder with none of the three.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// lcz::synthetic::Synthetic { patches: 10, seed: 1 }.write(&folder, &mut lcz::progress::Silent)?;
/// assert_eq!(lcz::data::so2sat::files(&folder)?.len(), 3);
/// # Ok(())
/// # }
/// ```
pub fn files(path: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
    let path = path.as_ref();
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files: Vec<PathBuf> =
        SPLITS.iter().map(|name| path.join(name)).filter(|file| file.exists()).collect();
    if files.is_empty() {
        let problem = format!("no {}, {} or {} in this folder", SPLITS[0], SPLITS[1], SPLITS[2]);
        return Err(Error::file(path, problem, "give the folder of the data set, or one .h5 file"));
    }
    Ok(files)
}

/// The datasets of an HDF5 file, by name.
///
/// # Errors
/// No such file, or not a whole HDF5 file.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # let folder = tempfile::tempdir().unwrap();
/// lcz::synthetic::Synthetic { patches: 10, seed: 1 }.write(&folder, &mut lcz::progress::Silent)?;
/// let datasets = lcz::data::so2sat::datasets(folder.path().join("training.h5"))?;
/// assert!(datasets.iter().any(|dataset| dataset.to_string() == "sen2 6 x 32 x 32 x 10"));
/// # Ok(())
/// # }
/// ```
pub fn datasets(path: impl AsRef<Path>) -> Result<Vec<DatasetShape>> {
    let path = path.as_ref();
    let file = open_file(path)?;
    let names = file.member_names().map_err(|e| unreadable(path, &e))?;
    let shape_of = |name: String| {
        let shape = file.dataset(&name).ok()?.shape();
        Some(DatasetShape { name, shape })
    };
    Ok(names.into_iter().filter_map(shape_of).collect())
}
