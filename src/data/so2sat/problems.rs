//! Errors on HDF5 files that cannot be read: file, dataset, HDF5's message.

use std::path::Path;

use crate::Error;
use crate::error::on_one_line;

/// The refusal of a dataset that HDF5 cannot read.
pub(crate) fn unreadable_at(path: &Path, dataset: &str, error: &hdf5::Error) -> Error {
    Error::input(place(path, dataset), cause(error), "check that the file is complete and may be read")
}

/// The innermost words of HDF5, on one line.
pub(crate) fn cause(error: &hdf5::Error) -> String {
    let words = error.stack().and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()));
    let words = words.unwrap_or_else(|| error.to_string());
    format!("HDF5 says: {}", on_one_line(&words))
}

/// `file, dataset 'name'`.
pub(crate) fn place(path: &Path, dataset: &str) -> String {
    format!("{}, dataset '{dataset}'", path.display())
}

/// `24188 x 32 x 32 x 10`.
pub(crate) fn product(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}
