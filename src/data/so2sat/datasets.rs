//! HDF5 files, their datasets and attributes: opened and checked, or refused in one line.

use std::path::Path;

use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
use hdf5::{Dataset, File, MinorErrorCode};

use crate::{Bands, Classes, Error, Imagery, Result};

/// Image datasets by name, in the order of preference.
pub(super) const IMAGES: [&str; 3] = ["sen2", "patches", "sen1"];

/// The class of each pixel.
pub(super) const MASK: &str = "mask";

/// Opens an HDF5 file to read it, or says in one line why that cannot be.
pub(in crate::data) fn open_file(path: &Path) -> Result<File> {
    let size = std::fs::metadata(path).map_err(Error::io(path))?.len();
    File::open(path).map_err(|e| {
        let (problem, advice) = if size == 0 {
            ("the file is empty", "copy it again")
        } else if e.contains_minor(MinorErrorCode::Truncated) {
            ("the HDF5 file is cut short", "copy it again: its size must be that of the original")
        } else if e.contains_minor(MinorErrorCode::NotHdf5) {
            ("not an HDF5 file", "give a So2Sat-format .h5 file; see README, \"Your own data\"")
        } else if cause(&e).contains("unable to lock file") {
            // A program that writes the file holds the lock; some network file systems refuse it always.
            ("the file is locked", "wait for the program that writes it, or set HDF5_USE_FILE_LOCKING=FALSE")
        } else {
            return unreadable(path, &e);
        };
        Error::file(path, problem, advice)
    })
}

pub(super) fn no_dataset(path: &Path, wanted: &str, found: &[String]) -> Error {
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    let problem = format!("no dataset {wanted} (found: {found})");
    Error::file(path, problem, "see README, \"Your own data\"")
}

/// Opens a dataset of numbers.
pub(in crate::data) fn open_dataset(file: &File, path: &Path, name: &str) -> Result<Dataset> {
    let dataset = file.dataset(name).map_err(|_| {
        Error::input(place(path, name), "a group, not a dataset", "see README, \"Your own data\"")
    })?;
    let numbers = dataset.dtype().is_ok_and(|dtype| dtype.conv_to::<f32>().is_some());
    if !numbers {
        return Err(Error::input(place(path, name), "it does not hold numbers", "store integers or floats"));
    }
    check_chunks(&dataset)
        .map_err(|problem| Error::input(place(path, name), problem, "copy the file again"))?;
    Ok(dataset)
}

/// Checks the lengths of chunks against the layout. Those without filters are all of one length; an index of chunks that
/// states another is damaged, and HDF5 does not notice.
fn check_chunks(dataset: &Dataset) -> std::result::Result<(), &'static str> {
    let Some(chunk) = dataset.chunk() else { return Ok(()) };
    let bytes =
        chunk.iter().try_fold(dataset.dtype().map_or(0, |dtype| dtype.size()), |n, &d| n.checked_mul(d));
    // HDF5 counts them in 32 bits.
    let bytes = bytes
        .filter(|bytes| (1..=u32::MAX as usize).contains(bytes))
        .ok_or("chunks of an impossible size")?;
    if dataset.filters().is_empty() {
        let chunks = dataset.num_chunks().map_or(0, |chunks| chunks as u64);
        if dataset.storage_size() != chunks.saturating_mul(bytes as u64) {
            return Err("the HDF5 file's index states chunks of another length than its layout");
        }
    }
    Ok(())
}

/// Checks the rank and the rows of what goes with the images.
pub(super) fn check_table(
    path: &Path,
    name: &str,
    table: &Dataset,
    rank: usize,
    images: &str,
    rows: usize,
) -> Result<()> {
    let shape = table.shape();
    if shape.len() != rank {
        let columns = match rank {
            1 => "patches",
            2 => "patches x classes",
            _ => "patches x rows x columns",
        };
        let problem = format!("rank {} (shape {})", shape.len(), product(&shape));
        return Err(Error::input(place(path, name), problem, format!("its shape is to be {columns}")));
    }
    if shape[0] != rows {
        let problem = format!("{} rows where '{images}' has {rows}", shape[0]);
        return Err(Error::input(place(path, name), problem, "store one row a patch"));
    }
    Ok(())
}

/// The attribute `classes`, else the usual list for so many columns, else the zones.
pub(super) fn read_classes(file: &File, path: &Path, columns: Option<usize>) -> Result<Classes> {
    match text_attribute(file, path, "classes")? {
        Some(text) => {
            Classes::named(text.split(',').map(str::trim)).map_err(|e| at_attribute(path, "classes", &e))
        }
        None => Ok(columns.map_or_else(Classes::lcz, Classes::of_count)),
    }
}

/// What the attributes say of the images. Those of the file describe its main dataset; So2Sat's own
/// files have none and are known by the names of theirs.
pub(super) fn read_imagery(
    file: &File,
    path: &Path,
    dataset: &str,
    size: usize,
    channels: usize,
) -> Result<Imagery> {
    let is_main = IMAGES.into_iter().find(|name| file.link_exists(name)).is_none_or(|main| main == dataset);
    let of_so2sat = dataset != "patches";
    let mut imagery = Imagery {
        patch_size: size,
        bands: Bands::of_count(channels),
        ground_sampling_distance: of_so2sat.then_some(10.0),
        unit: match dataset {
            "sen2" => "reflectance",
            "sen1" => "backscatter",
            _ => "not stated",
        }
        .to_owned(),
    };
    if !is_main {
        return Ok(imagery);
    }
    if let Some(text) = text_attribute(file, path, "bands")? {
        imagery.bands =
            Bands::named(text.split(',').map(str::trim)).map_err(|e| at_attribute(path, "bands", &e))?;
        if imagery.bands.len() != channels {
            return Err(Error::input(
                format!("{}, attribute 'bands'", path.display()),
                format!("{} bands named where '{dataset}' has {channels}", imagery.bands.len()),
                "name each band once",
            ));
        }
    }
    if let Ok(attribute) = file.attr("ground_sampling_distance") {
        let metres: f64 = attribute.read_scalar().unwrap_or(f64::NAN);
        if !(metres.is_finite() && metres > 0.0) {
            return Err(Error::input(
                format!("{}, attribute 'ground_sampling_distance'", path.display()),
                "not a positive number",
                "give metres a pixel",
            ));
        }
        imagery.ground_sampling_distance = Some(metres);
    }
    if let Some(unit) = text_attribute(file, path, "unit")? {
        imagery.unit = unit;
    }
    Ok(imagery)
}

/// A text attribute of the file in any of the forms that writers use; none if it is not there.
pub(super) fn text_attribute(file: &File, path: &Path, name: &str) -> Result<Option<String>> {
    const LONGEST: usize = 8192;
    let Ok(attribute) = file.attr(name) else { return Ok(None) };
    let bytes = attribute
        .read_scalar::<VarLenUnicode>()
        .map(|text| text.as_bytes().to_vec())
        .or_else(|_| attribute.read_scalar::<VarLenAscii>().map(|text| text.as_bytes().to_vec()))
        .or_else(|_| attribute.read_scalar::<FixedUnicode<LONGEST>>().map(|text| text.as_bytes().to_vec()))
        .or_else(|_| attribute.read_scalar::<FixedAscii<LONGEST>>().map(|text| text.as_bytes().to_vec()));
    let text = bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.map(Some).ok_or_else(|| {
        Error::input(
            format!("{}, attribute '{name}'", path.display()),
            "not a text",
            "store one string, separated by commas if it is a list",
        )
    })
}

pub(super) fn at_attribute(path: &Path, name: &str, error: &Error) -> Error {
    let problem = match error {
        Error::Input { problem, .. } => problem.clone(),
        other => other.to_string(),
    };
    Error::input(
        format!("{}, attribute '{name}'", path.display()),
        problem,
        "name each once, separated by commas",
    )
}

pub(super) fn unreadable(path: &Path, error: &hdf5::Error) -> Error {
    Error::file(path, cause(error), "check that the file is complete and may be read")
}

pub(in crate::data) fn unreadable_at(path: &Path, dataset: &str, error: &hdf5::Error) -> Error {
    Error::input(place(path, dataset), cause(error), "check that the file is complete and may be read")
}

/// The innermost words of HDF5, on one line.
pub(in crate::data) fn cause(error: &hdf5::Error) -> String {
    let words = error.stack().and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()));
    let words = words.unwrap_or_else(|| error.to_string());
    format!("HDF5 says: {}", words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `file, dataset 'name'`.
pub(in crate::data) fn place(path: &Path, dataset: &str) -> String {
    format!("{}, dataset '{dataset}'", path.display())
}

/// `24188 x 32 x 32 x 10`.
pub(in crate::data) fn product(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// Whether images of this name are found when the file is opened.
pub(super) fn is_image_dataset(name: &str) -> bool {
    IMAGES.contains(&name)
}
