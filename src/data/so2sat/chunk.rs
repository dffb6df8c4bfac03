//! One chunk of a dataset as its file holds it.
//!
//! Two calls into HDF5's C library by hand. The safe interface only counts chunks from the first, so that finding each of
//! n costs n² steps; these ask for one by its corner.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5::{herr_t, hsize_t};
use hdf5_sys::h5d::H5Dread_chunk1;
use hdf5_sys::h5i::hid_t;
use hdf5_sys::h5p::H5P_DEFAULT;

unsafe extern "C" {
    /// Bytes of the chunk with this corner; 0 if it was never written.
    fn H5Dget_chunk_storage_size(dataset: hid_t, corner: *const hsize_t, bytes: *mut hsize_t) -> herr_t;
}

/// The bytes of the chunk with this corner, all filters of its dataset still to be undone; none if it was never written,
/// skipped a filter or can't be read.
pub(super) fn read(images: &Dataset, corner: [usize; 4], mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let corner = corner.map(|at| at as hsize_t);
    hdf5::sync::sync(|| {
        let mut size = 0;
        // SAFETY: the dataset is open and of four dimensions, as the caller has read from its shape; the function writes
        // one number and keeps no pointer. The library's lock is held.
        let status = unsafe { H5Dget_chunk_storage_size(images.id(), corner.as_ptr(), &raw mut size) };
        if status < 0 || size == 0 {
            return None;
        }
        bytes.resize(size as usize, 0);
        let mut skipped = 0;
        // SAFETY: as above. As many bytes are written as the dataset's index of chunks says, in which the size was just looked
        // up, too: the library's lock is held, so that no thread of this process changes it between the calls, and the file
        // is open for reading alone. HDF5's lock on files keeps other processes from writing it, unless it is turned off.
        let status = unsafe {
            H5Dread_chunk1(
                images.id(),
                H5P_DEFAULT,
                corner.as_ptr(),
                &raw mut skipped,
                bytes.as_mut_ptr().cast(),
            )
        };
        (status >= 0 && skipped == 0).then_some(bytes)
    })
}
