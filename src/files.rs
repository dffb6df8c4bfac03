//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::{Error, Result};

/// Writes a file under a temporary name beside it, then renames: a reader never meets half of it.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
    let Some(name) = name else {
        return Err(Error::file(path, "not the name of a file", "give one"));
    };
    let partial = path.with_file_name(format!(".{name}.{}.partial", std::process::id()));
    let written =
        File::create(&partial).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.and_then(|()| fs::rename(&partial, path)).map_err(|error| {
        // The partial file is of no use; that it cannot be removed either would hide the cause.
        let _ = fs::remove_file(&partial);
        Error::io(path)(error)
    })
}
