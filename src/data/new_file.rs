//! HDF5 files that appear whole or not at all.

use std::path::{Path, PathBuf};

use hdf5::{Dataset, File, H5Type};
use ndarray::{ArrayView, Dimension, s};

use super::so2sat::cause;
use crate::files::Partial;
use crate::{Error, Result};

/// A file that is being written. Its datasets must be dropped before it: a file that is open cannot be removed everywhere.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    file: File,
    partial: Partial,
}

impl NewFile {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let partial = Partial::file(path)?;
        let file = File::create(partial.path()).map_err(|e| failed(path, &e))?;
        Ok(Self { path: path.to_owned(), file, partial })
    }

    /// The name that it will have.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What `make` makes in it.
    pub(super) fn put<T>(&self, make: impl FnOnce(&File) -> hdf5::Result<T>) -> Result<T> {
        make(&self.file).map_err(|e| failed(&self.path, &e))
    }

    /// Writes everything to disk; only the final name is missing then.
    pub(super) fn complete(self) -> Result<Partial> {
        let Self { path, file, partial } = self;
        file.flush().and_then(|()| file.close()).map_err(|e| failed(&path, &e))?;
        Ok(partial)
    }
}

fn failed(path: &Path, error: &hdf5::Error) -> Error {
    Error::file(path, cause(error), "check the free space and the permissions")
}

/// Writes consecutive rows of a dataset, from row `first` on.
pub(super) fn write_rows<T: H5Type, D: Dimension>(
    dataset: &Dataset,
    first: usize,
    rows: &ArrayView<'_, T, D>,
) -> hdf5::Result<()> {
    let range = first..first + rows.shape()[0];
    match rows.ndim() {
        1 => dataset.write_slice(rows, s![range]),
        2 => dataset.write_slice(rows, s![range, ..]),
        3 => dataset.write_slice(rows, s![range, .., ..]),
        _ => dataset.write_slice(rows, s![range, .., .., ..]),
    }
}
