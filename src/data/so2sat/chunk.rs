//! One chunk of a dataset as its file holds it.
//!
//! Two calls into HDF5's C library by hand. The safe interface only counts chunks from the first, so that finding each of
//! n costs n² steps; these find one by its corner.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5d::H5Dread_chunk1;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;

unsafe extern "C" {
    /// Bytes of the chunk with this corner; 0 if it was never written. For a dataset with filters this is the length that
    /// the file's index of chunks states. For one without filters it is the layout's; the index is ignored.
    fn H5Dget_chunk_storage_size(dataset: hid_t, corner: *const hsize_t, bytes: *mut hsize_t) -> herr_t;
}

/// A dataset of four dimensions in chunks with filters: the only ones whose chunks have a stored length.
#[derive(Clone, Copy)]
pub(super) struct FilteredChunks<'a>(&'a Dataset);

impl<'a> FilteredChunks<'a> {
    /// None if the dataset has another rank, no chunks or no filter.
    pub(super) fn of(dataset: &'a Dataset) -> Option<Self> {
        (dataset.ndim() == 4 && dataset.is_chunked() && !dataset.filters().is_empty())
            .then_some(Self(dataset))
    }

    /// The bytes of the chunk with this corner, all filters still to be undone. None if it was never written, skipped a
    /// filter, is longer than `limit` bytes or cannot be read.
    pub(super) fn read(self, corner: [usize; 4], limit: usize, mut bytes: Vec<u8>) -> Option<Vec<u8>> {
        let corner = corner.map(|at| at as hsize_t);
        hdf5::sync::sync(|| {
            let mut size = 0;
            // SAFETY: the dataset is open and of four dimensions; the function writes one number and keeps no pointer. The
            // library's lock is held.
            let status = unsafe { H5Dget_chunk_storage_size(self.0.id(), corner.as_ptr(), &raw mut size) };
            if status < 0 || size == 0 || size > limit as hsize_t {
                return None;
            }
            bytes.resize(size as usize, 0);
            let mut skipped = 0;
            // SAFETY: as above. The function writes as many bytes as the file's index of chunks states. The dataset has
            // filters, so the size read above is that same number, in a damaged file too. The library's lock is held,
            // so no thread of this process changes the index between the calls, and the file is open for reading only.
            // HDF5's lock on files keeps other processes from writing it, unless it is turned off.
            let status = unsafe {
                H5Dread_chunk1(
                    self.0.id(),
                    H5P_DEFAULT,
                    corner.as_ptr(),
                    &raw mut skipped,
                    bytes.as_mut_ptr().cast(),
                )
            };
            (status >= 0 && skipped == 0).then_some(bytes)
        })
    }
}
