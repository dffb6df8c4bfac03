//! Where one chunk of a dataset lies in its file.
//!
//! The one call into HDF5's C library by hand: the safe interface counts chunks from the first, so that finding each of
//! n costs n² steps, and this asks for one by its corner.
#![allow(unsafe_code)]

use hdf5::Dataset;
use hdf5_sys::h5d::H5Dget_chunk_info_by_coord;

/// Address and size of a chunk that went through all filters of its dataset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) address: u64,
    pub(super) bytes: usize,
}

/// The place of the chunk with this corner; none if it was never written or skipped a filter.
pub(super) fn place(images: &Dataset, corner: [usize; 4]) -> Option<Place> {
    let corner = corner.map(|at| at as u64);
    let (mut skipped, mut address, mut bytes) = (0, u64::MAX, 0);
    let failed = hdf5::sync::sync(|| {
        // SAFETY: the dataset is open and of four dimensions, as the caller has read from its shape; the function writes
        // three numbers and keeps no pointer. The library's lock is held.
        unsafe {
            H5Dget_chunk_info_by_coord(
                images.id(),
                corner.as_ptr(),
                &raw mut skipped,
                &raw mut address,
                &raw mut bytes,
            )
        }
    });
    (failed >= 0 && skipped == 0 && address != u64::MAX).then_some(Place { address, bytes: bytes as usize })
}
