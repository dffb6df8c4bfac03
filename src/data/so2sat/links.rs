//! Location of the data of an HDF5 file: in the file itself, or in others through links.
//!
//! A file may name any other file of the machine as the place of its data, which would then be read and copied. So links lead
//! no further than into the file's own folder, unless the user allows it.
#![allow(unsafe_code)]

use std::env;
use std::ffi::{CStr, CString};
use std::path::{Path, PathBuf};

use hdf5::plist::dataset_create::Layout;
use hdf5::{Dataset, Group};
use hdf5_sys::h5l::H5Lget_val;
use hdf5_sys::h5p::H5P_DEFAULT;

use super::problems::{place, unreadable_at};
use crate::{Error, Result};

/// The environment variable that lets links lead out of a file's folder, if it is 1.
const FOLLOW: &str = "LCZ_FOLLOW_LINKS";

/// Longest value of a link that is looked at: file names have 4096 bytes at most.
const LONGEST: usize = 1 << 14;

/// Checks the links on the way to an object before any other file is opened.
///
/// # Errors
/// A link out of the file's folder, or to a file that is not there.
pub(super) fn check_way(group: &Group, path: &Path, name: &str) -> Result<()> {
    let ends = name.match_indices('/').map(|(at, _)| at).chain([name.len()]);
    for target in ends.filter_map(|end| external_target(group, &name[..end])) {
        let target = folder(path).join(target);
        if !target.is_file() {
            let problem = format!("it is a link to {}, which does not exist", target.display());
            return Err(Error::input(place(path, name), problem, "copy that file next to this one"));
        }
        check_inside(path, name, &target)?;
    }
    Ok(())
}

/// Checks that an open dataset's data lie in its file or, by links, in the folder of `path`.
///
/// # Errors
/// Data in files without a format of their own, or in files that are put together to one dataset, or out of the folder.
pub(super) fn check_storage(dataset: &Dataset, path: &Path, name: &str) -> Result<()> {
    let made = dataset.dcpl().map_err(|e| unreadable_at(path, name, &e))?;
    if made.layout() == Layout::Virtual || !made.external().is_empty() {
        let advice = format!("copy them into one file: h5repack {} whole.h5", path.display());
        return Err(Error::input(place(path, name), "its numbers lie in other files", advice));
    }
    check_inside(path, name, Path::new(&dataset.filename()))
}

fn check_inside(path: &Path, name: &str, target: &Path) -> Result<()> {
    let inside = target.canonicalize().is_ok_and(|target| {
        [path, folder(path)]
            .into_iter()
            .filter_map(|part| part.canonicalize().ok())
            .any(|part| target.starts_with(part))
    });
    if inside || env::var(FOLLOW).is_ok_and(|value| value == "1") {
        return Ok(());
    }
    let problem = format!("it is a link to {}, out of this file's folder", target.display());
    let advice = format!("copy that file next to this one, or set {FOLLOW}=1");
    Err(Error::input(place(path, name), problem, advice))
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The other file that a link names; none if it is not a link to another file.
fn external_target(group: &Group, link: &str) -> Option<PathBuf> {
    let link = CString::new(link).ok()?;
    let mut value = vec![0_u8; LONGEST];
    // SAFETY: the group is open, the name ends with a NUL; the function writes at most as many bytes as it is given and keeps
    // no pointer. The library's lock is held.
    let status = hdf5::sync::sync(|| unsafe {
        H5Lget_val(group.id(), link.as_ptr(), value.as_mut_ptr().cast(), value.len(), H5P_DEFAULT)
    });
    // A byte 0, the file's name and the object's; the value of a link within the file starts with a path.
    let (0, name) = value.split_first().filter(|_| status >= 0)? else { return None };
    let name = CStr::from_bytes_until_nul(name).ok()?.to_str().ok()?;
    (!name.is_empty()).then(|| PathBuf::from(name))
}
