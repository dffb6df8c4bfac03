//! HDF5 files, their datasets and attributes: opened and checked, or refused in one line.
//!
//! The shapes that a damaged file states may be wrong. So nothing is allocated before [`Numbers`]
//! has compared the stated with the stored size.

use std::fs;
use std::path::Path;

use hdf5::{Dataset, File, Group, H5Type, MinorErrorCode, Selection};
use ndarray::{Array, Array2, Dimension, s};

pub(crate) use super::problems::{cause, place, product, unreadable_at};
use super::{links, texts};
use crate::display::printable;
use crate::{Bands, Classes, Error, Imagery, Result, Sensor};

/// Numbers that a byte of a file stands for at most: deflate makes at best 1032 bytes of one.
const EXPANSION: u64 = 1100;
/// Most bytes of numbers in a dataset that were never written.
const UNWRITTEN: u64 = 1 << 24;

/// Characters of a unit or a provenance at most.
pub(super) const LONGEST: usize = 4000;

/// Rows of labels that are checked at a time.
const LABELS_AT_ONCE: usize = 1 << 16;

const COPY: &str = "copy the file again, or write the dataset whole";

/// Image datasets by name, in the order of preference.
pub(super) const IMAGES: [&str; 3] = ["sen2", "patches", "sen1"];

/// The class of each pixel.
pub(super) const MASK: &str = "mask";

/// Opens an HDF5 file to read it, or returns an error of one line with the reason.
pub(crate) fn open_file(path: &Path) -> Result<File> {
    let file = fs::metadata(path).map_err(Error::io(path))?;
    if !file.is_file() {
        return Err(Error::file(path, "not a file", "give a So2Sat-format .h5 file"));
    }
    let size = file.len();
    File::open(path).map_err(|e| {
        let (problem, advice) = if size == 0 {
            ("the file is empty", "copy it again")
        } else if e.contains_minor(MinorErrorCode::Truncated) {
            ("the HDF5 file is cut short", "copy it again: its size must be that of the original")
        } else if e.contains_minor(MinorErrorCode::NotHdf5) {
            ("not an HDF5 file", "give an .h5 file; see docs/file-formats.md")
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
    Error::file(path, problem, "see docs/file-formats.md, \"Patches\"")
}

/// Opens a dataset whose stated size its file can hold.
pub(super) fn open_dataset(group: &Group, path: &Path, name: &str) -> Result<Dataset> {
    let refuse = |problem: String, advice: &str| Err(Error::input(place(path, name), problem, advice));
    links::check_way(group, path, name)?;
    let dataset = match group.dataset(name) {
        Ok(dataset) => dataset,
        Err(_) if group.group(name).is_ok() => {
            return refuse("a group, not a dataset".to_owned(), "see docs/file-formats.md, \"Patches\"");
        }
        Err(e) => return Err(unreadable_at(path, name, &e)),
    };
    links::check_storage(&dataset, path, name)?;
    let (shape, width) = (dataset.shape(), dataset.dtype().map_or(1, |dtype| dtype.size()));
    let stated = shape.iter().try_fold(width, |bytes, length| bytes.checked_mul(*length));
    // The index of chunks states its lengths, too.
    let file = fs::metadata(dataset.filename()).map_or(0, |file| file.len());
    let stored = dataset.storage_size().min(file);
    let most = stored.saturating_mul(EXPANSION).saturating_add(UNWRITTEN);
    if stated.is_none_or(|stated| stated as u64 > most) {
        let shape = product(&shape);
        return refuse(format!("its shape is {shape}, but only {stored} bytes of it are stored"), COPY);
    }
    Ok(dataset)
}

/// A dataset of numbers whose stated size its file can hold.
#[derive(Debug, Clone)]
pub(crate) struct Numbers {
    dataset: Dataset,
    /// The file and the dataset's name.
    place: String,
}

impl Numbers {
    /// Opens a dataset and checks all that its file states of it.
    pub(crate) fn open(group: &Group, path: &Path, name: &str) -> Result<Self> {
        let place = place(path, name);
        let dataset = open_dataset(group, path, name)?;
        if !dataset.dtype().is_ok_and(|dtype| dtype.conv_to::<f32>().is_some()) {
            return Err(Error::input(place, "it does not hold numbers", "store integers or floats"));
        }
        check_chunks(&dataset).map_err(|problem| Error::input(&place, problem, COPY))?;
        Ok(Self { dataset, place })
    }

    /// For HDF5's own calls.
    pub(super) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Its length along each dimension.
    pub(crate) fn shape(&self) -> Vec<usize> {
        self.dataset.shape()
    }

    /// The file and the dataset's name.
    pub(crate) fn place(&self) -> &str {
        &self.place
    }

    /// Checks the rank and the rows of what goes with images.
    pub(super) fn check(&self, rank: usize, images: &str, rows: usize) -> Result<()> {
        let shape = self.shape();
        if shape.len() != rank {
            let wanted = ["patches", "patches x classes", "patches x rows x columns"][rank - 1];
            let problem = format!("rank {} (shape {})", shape.len(), product(&shape));
            return Err(Error::input(&self.place, problem, format!("its shape must be {wanted}")));
        }
        if shape[0] != rows {
            let problem = format!("{} rows where '{images}' has {rows}", shape[0]);
            return Err(Error::input(&self.place, problem, "store one row per patch"));
        }
        Ok(())
    }

    /// Refuses masks of another size than the patches.
    pub(super) fn check_pixels(&self, size: usize) -> Result<()> {
        if self.shape()[1..] == [size; 2] {
            return Ok(());
        }
        let problem =
            format!("masks of {} pixels for patches of {size} x {size}", product(&self.shape()[1..]));
        Err(Error::input(&self.place, problem, "store the class of each pixel"))
    }

    /// All numbers, of a dataset of `D` dimensions.
    pub(crate) fn read<T: H5Type, D: Dimension>(&self) -> Result<Array<T, D>> {
        self.check_memory(self.dataset.size().saturating_mul(size_of::<T>()))?;
        self.dataset.read().map_err(|e| self.unreadable(&e))
    }

    /// All numbers, row by row.
    pub(crate) fn values<T: H5Type>(&self) -> Result<Vec<T>> {
        self.check_memory(self.dataset.size().saturating_mul(size_of::<T>()))?;
        self.dataset.read_raw().map_err(|e| self.unreadable(&e))
    }

    /// The numbers of a selection.
    pub(crate) fn slice<T: H5Type, D: Dimension>(
        &self,
        selection: impl TryInto<Selection, Error = hdf5::Error>,
    ) -> Result<Array<T, D>> {
        self.dataset.read_slice(selection).map_err(|e| self.unreadable(&e))
    }

    /// The class of each row of one-hot labels.
    pub(crate) fn classes_of_rows(&self) -> Result<Vec<usize>> {
        let rows = self.shape()[0];
        let mut classes = Vec::with_capacity(rows);
        for start in (0..rows).step_by(LABELS_AT_ONCE) {
            let block: Array2<f32> = self.slice(s![start..rows.min(start + LABELS_AT_ONCE), ..])?;
            for row in block.outer_iter() {
                let class = row.iter().position(|value| (value - 1.0).abs() < 1e-6);
                let hot = row.iter().filter(|value| !value.abs().total_cmp(&0.0).is_eq()).count();
                classes.push(class.filter(|_| hot == 1).ok_or_else(|| {
                    let place = format!("{}, row {}", self.place, classes.len());
                    let problem = "the label is not one-hot (a single 1, else 0)";
                    Error::input(place, problem, "correct the label, or store distributions as votes")
                })?);
            }
        }
        Ok(classes)
    }

    fn unreadable(&self, error: &hdf5::Error) -> Error {
        Error::input(&self.place, cause(error), "check that the file is complete and may be read")
    }

    fn check_memory(&self, bytes: usize) -> Result<()> {
        let reserved = Vec::<u8>::new().try_reserve_exact(bytes);
        if reserved.is_ok() && available_memory().is_none_or(|free| bytes as u64 <= free) {
            return Ok(());
        }
        let problem = format!("its {} numbers do not fit into memory", product(&self.shape()));
        Err(Error::input(&self.place, problem, "close other programs, or store fewer rows per file"))
    }
}

/// Bytes that programs can have without swapping; None where the system does not state it.
fn available_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    kilobytes.trim().strip_suffix(" kB")?.parse::<u64>().ok()?.checked_mul(1024)
}

/// Checks the lengths of chunks against the layout. Those without filters are all of one length; an index of chunks that
/// states another is damaged, and HDF5 does not notice.
fn check_chunks(dataset: &Dataset) -> std::result::Result<(), String> {
    let Some(chunk) = dataset.chunk() else { return Ok(()) };
    let width = dataset.dtype().map_or(0, |dtype| dtype.size());
    let bytes = chunk.iter().try_fold(width, |bytes, length| bytes.checked_mul(*length));
    // HDF5 counts them in 32 bits.
    let bytes = bytes.filter(|bytes| (1..=u32::MAX as usize).contains(bytes));
    let bytes = bytes.ok_or_else(|| format!("chunks of {} numbers", product(&chunk)))?;
    if dataset.filters().is_empty() {
        let chunks = dataset.num_chunks().map_or(0, |chunks| chunks as u64);
        if dataset.storage_size() != chunks.saturating_mul(bytes as u64) {
            return Err("the HDF5 file's index states chunks of another length than its layout".to_owned());
        }
    }
    Ok(())
}

/// The attribute `classes`, else the usual list for this many columns, else the zones.
pub(crate) fn read_classes(file: &File, path: &Path, columns: Option<usize>) -> Result<Classes> {
    match name_list(file, path, "classes")? {
        Some(names) => Classes::named(names).map_err(|e| e.at(attribute(path, "classes"))),
        None => columns.map_or(Ok(Classes::lcz()), Classes::from_columns).map_err(|e| e.within(path)),
    }
}

/// The images as the attributes describe them. Those of the file describe its main dataset; So2Sat's own
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
        bands: Bands::from_count(channels),
        ground_sampling_distance: of_so2sat.then_some(10.0),
        unit: match dataset {
            "sen2" => "reflectance",
            "sen1" => "backscatter",
            _ => "not stated",
        }
        .to_owned(),
        sensor: None,
    };
    if !is_main {
        return Ok(imagery);
    }
    if let Some(names) = name_list(file, path, "bands")? {
        imagery.bands = Bands::named(names).map_err(|e| e.at(attribute(path, "bands")))?;
        if imagery.bands.len() != channels {
            let problem = format!("{} bands named where '{dataset}' has {channels}", imagery.bands.len());
            return Err(Error::input(attribute(path, "bands"), problem, "name each band once"));
        }
    }
    if let Ok(stated) = file.attr("ground_sampling_distance") {
        let metres: f64 = stated.read_scalar().unwrap_or(f64::NAN);
        if !(metres.is_finite() && metres > 0.0) {
            let place = attribute(path, "ground_sampling_distance");
            return Err(Error::input(place, "not a positive number", "give metres per pixel"));
        }
        imagery.ground_sampling_distance = Some(metres);
    }
    if let Some(unit) = text_attribute(file, path, "unit")? {
        imagery.unit = printable(&unit, LONGEST).into_owned();
    }
    let sensor = text_attribute(file, path, "sensor")?;
    imagery.sensor = Sensor::ALL.into_iter().find(|known| sensor.as_deref() == Some(known.name()));
    Ok(imagery)
}

/// A text attribute of the file in any of the forms that writers use; none if it is not there.
pub(crate) fn text_attribute(file: &File, path: &Path, name: &str) -> Result<Option<String>> {
    let Ok(stated) = file.attr(name) else { return Ok(None) };
    let text = texts(&stated).and_then(|texts| <[String; 1]>::try_from(texts).ok());
    text.map(|[text]| Some(text))
        .ok_or_else(|| Error::input(attribute(path, name), "not a text", "store one string"))
}

/// The names in an attribute: an array of strings, or one string with commas between them; none if it is not there.
fn name_list(file: &File, path: &Path, name: &str) -> Result<Option<Vec<String>>> {
    let Ok(stated) = file.attr(name) else { return Ok(None) };
    match (texts(&stated), stated.is_scalar()) {
        (Some(names), false) => Ok(Some(names)),
        (Some(joined), true) => {
            let names = joined.iter().flat_map(|text| text.split(','));
            Ok(Some(names.map(|name| name.trim().to_owned()).collect()))
        }
        (None, _) => Err(Error::input(attribute(path, name), "not names", "store an array of strings")),
    }
}

/// `file, attribute 'name'`.
fn attribute(path: &Path, name: &str) -> String {
    format!("{}, attribute '{name}'", path.display())
}

pub(super) fn unreadable(path: &Path, error: &hdf5::Error) -> Error {
    Error::file(path, cause(error), "check that the file is complete and may be read")
}

/// Whether images of this name are found when the file is opened.
pub(super) fn is_image_dataset(name: &str) -> bool {
    IMAGES.contains(&name)
}
