//! Writing files of the So2Sat layout: whole or not at all.

use std::path::{Path, PathBuf};

use hdf5::{Dataset, File, H5Type};
use ndarray::{Array2, ArrayView, ArrayView2, ArrayView3, ArrayView4, Dimension, s};

use super::datasets::{MASK, cause};
use super::text::{self, write_names, write_text};
use crate::data::Masks;
use crate::files::{Partial, check_free};
use crate::{Classes, Error, Imagery, Result};

/// Bytes a chunk of pixels holds at most, unless a single patch is larger: it then fits HDF5's
/// standard chunk cache.
const CHUNK_BYTES: usize = 1 << 20;
/// Rows a chunk of labels, votes or groups.
const TABLE_CHUNK: usize = 4096;

/// Channels of the radar patches beside `sen2`.
const SENTINEL1_CHANNELS: usize = 8;

/// What a file is to hold, beside its rows.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Name of the image dataset: `sen2` for So2Sat's ten bands, `patches` for any sensor.
    pub dataset: String,
    /// Deflate level of the pixels, 1 (fast) to 9 (small); none for no compression.
    pub compression: Option<u8>,
    /// Size, bands, ground sampling distance and unit of the patches.
    pub imagery: Imagery,
    /// What the columns of labels and votes mean.
    pub classes: Classes,
    /// Where the data come from: mission and place, or that they are synthetic.
    pub provenance: String,
    /// How the rows were made, as JSON, for the attribute `report`, if it is not longer than an attribute can be
    /// (64,000 bytes).
    pub report: Option<String>,
    /// Whether a file of that name is replaced.
    pub overwrite: bool,
}

impl Layout {
    /// Uncompressed; refuses to overwrite.
    pub fn new(dataset: &str, imagery: Imagery, classes: Classes, provenance: &str) -> Self {
        Self {
            dataset: dataset.to_owned(),
            compression: None,
            imagery,
            classes,
            provenance: provenance.to_owned(),
            report: None,
            overwrite: false,
        }
    }
}

/// Some rows to append; n of each. Every call gives the same kinds.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Pixels. Shape: (n, S, S, C).
    pub images: ArrayView4<'a, f32>,
    /// Radar pixels for a second dataset `sen1`. Shape: (n, S, S, 8).
    pub sen1: Option<ArrayView4<'a, f32>>,
    /// Class indices, stored one-hot as `label`.
    pub labels: Option<&'a [usize]>,
    /// Expert votes. Shape: (n, K).
    pub votes: Option<ArrayView2<'a, f32>>,
    /// City or region.
    pub groups: Option<&'a [i32]>,
    /// Class indices of the pixels or [`Masks::IGNORED`], stored as `mask`. Shape: (n, S, S).
    pub masks: Option<ArrayView3<'a, u8>>,
}

impl<'a> Rows<'a> {
    /// Pixels alone.
    #[allow(clippy::needless_pass_by_value, reason = "a view is as small as a reference to it")]
    pub fn of(images: ArrayView4<'a, f32>) -> Self {
        Self { images, sen1: None, labels: None, votes: None, groups: None, masks: None }
    }
}

/// Writes one file, some rows at a time.
///
/// The rows go to a hidden file beside the target, which takes its name when
/// [`finish`](Self::finish) has written everything to disk. Until then no file of that name is
/// touched, and dropping the writer leaves nothing behind.
///
/// Pixels are stored as f32 in chunks of whole patches, labels as one-hot u8, votes as f32, groups
/// as i32, masks as u8.
///
/// ```
/// use lcz::{Classes, Imagery, data::so2sat::{Layout, Rows, So2Sat, Writer}};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("patches.h5");
/// let layout = Layout::new("sen2", Imagery::so2sat(), Classes::lcz(), "zeros, for an example");
/// let mut writer = Writer::create(&path, &layout)?;
/// writer.append(Rows::of(ndarray::Array4::zeros((5, 32, 32, 10)).view()))?;
/// writer.finish()?;
/// assert_eq!(So2Sat::open(&path)?.patches()?.len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Writer {
    target: PathBuf,
    layout: Layout,
    rows: usize,
    // Closed in this order: a file that is open cannot be removed everywhere.
    tables: Option<Tables>,
    file: Option<File>,
    partial: Partial,
}

/// The datasets, once the first rows have shown which there are.
struct Tables {
    images: Dataset,
    sen1: Option<Dataset>,
    labels: Option<Dataset>,
    votes: Option<Dataset>,
    groups: Option<Dataset>,
    masks: Option<Dataset>,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// A file that exists (unless the layout says to overwrite it), a folder that does not or may not
    /// be written, a name with a NUL character, a compression that is not on offer.
    pub fn create(path: &Path, layout: &Layout) -> Result<Self> {
        check_layout(path, layout)?;
        if !layout.overwrite {
            check_free(path)?;
        }
        let mut writer = Self {
            target: path.to_owned(),
            layout: layout.clone(),
            rows: 0,
            tables: None,
            file: None,
            partial: Partial::file(path)?,
        };
        let file = File::create(writer.partial.path()).map_err(|e| writer.failed(&e))?;
        writer.describe(&file).map_err(|e| writer.failed(&e))?;
        writer.file = Some(file);
        Ok(writer)
    }

    fn describe(&self, file: &File) -> hdf5::Result<()> {
        let imagery = &self.layout.imagery;
        let text = |name: &str, text: &str| write_text(file, name, text);
        write_names(file, "classes", self.layout.classes.codes())?;
        write_names(file, "bands", imagery.bands.names())?;
        text("unit", &imagery.unit)?;
        text("provenance", &self.layout.provenance)?;
        if let Some(report) = self.layout.report.as_ref().filter(|report| report.len() <= text::LONGEST) {
            text("report", report)?;
        }
        if let Some(metres) = imagery.ground_sampling_distance {
            file.new_attr::<f64>().create("ground_sampling_distance")?.write_scalar(&metres)?;
        }
        Ok(())
    }

    /// Appends rows.
    ///
    /// # Errors
    /// Shapes that do not fit the layout or one another, other kinds of rows than before, a pixel that
    /// is NaN or infinite, a label that is not a class, a row without votes, or a full disk.
    pub fn append(&mut self, rows: Rows<'_>) -> Result<()> {
        self.check(&rows)?;
        let n = rows.images.dim().0;
        if n == 0 {
            return Ok(());
        }
        let start = self.rows;
        self.write(&rows, start..start + n).map_err(|e| self.failed(&e))?;
        self.rows += n;
        Ok(())
    }

    fn write(&mut self, rows: &Rows<'_>, range: std::ops::Range<usize>) -> hdf5::Result<()> {
        let classes = self.layout.classes.len();
        let Some(file) = &self.file else {
            return Err("the file is closed".into());
        };
        if self.tables.is_none() {
            self.tables = Some(Tables::create(file, &self.layout, rows)?);
        }
        let Some(tables) = &self.tables else { return Ok(()) };
        put(&tables.images, &rows.images, range.clone())?;
        if let (Some(table), Some(sen1)) = (&tables.sen1, rows.sen1) {
            put(table, &sen1, range.clone())?;
        }
        if let (Some(table), Some(labels)) = (&tables.labels, rows.labels) {
            let one_hot = Array2::from_shape_fn((labels.len(), classes), |(n, k)| u8::from(labels[n] == k));
            put(table, &one_hot.view(), range.clone())?;
        }
        if let (Some(table), Some(votes)) = (&tables.votes, rows.votes) {
            put(table, &votes, range.clone())?;
        }
        if let (Some(table), Some(groups)) = (&tables.groups, rows.groups) {
            put(table, &ArrayView::from(groups), range.clone())?;
        }
        if let (Some(table), Some(masks)) = (&tables.masks, rows.masks) {
            // In files 0 is no class, and 1 the first.
            put(table, &masks.mapv(|class| class.wrapping_add(1)).view(), range)?;
        }
        Ok(())
    }

    fn check(&self, rows: &Rows<'_>) -> Result<()> {
        let refuse = |row: Option<usize>, problem: String, advice: &str| {
            let place = match row {
                Some(row) => format!("{}, row {}", self.target.display(), self.rows + row),
                None => self.target.display().to_string(),
            };
            Err(Error::input(place, problem, advice))
        };
        let imagery = &self.layout.imagery;
        let n = rows.images.dim().0;
        let shape = (n, imagery.patch_size, imagery.patch_size, imagery.bands.len());
        if rows.images.dim() != shape {
            let problem = format!("pixels of shape {:?} where {shape:?} is announced", rows.images.dim());
            return refuse(None, problem, "let the layout describe the pixels");
        }
        let sen1_shape = (n, imagery.patch_size, imagery.patch_size, SENTINEL1_CHANNELS);
        if let Some(sen1) = rows.sen1
            && sen1.dim() != sen1_shape
        {
            let problem = format!("sen1 of shape {:?}, not {sen1_shape:?}", sen1.dim());
            return refuse(None, problem, "give eight channels for each patch");
        }
        let k = self.layout.classes.len();
        if rows.labels.is_some_and(|labels| labels.len() != n)
            || rows.votes.is_some_and(|votes| votes.dim() != (n, k))
            || rows.groups.is_some_and(|groups| groups.len() != n)
        {
            let problem = format!("labels, votes or groups that are not {n} rows (votes of {k} columns)");
            return refuse(None, problem, "give one row a patch");
        }
        let masks_shape = (n, imagery.patch_size, imagery.patch_size);
        if let Some(masks) = rows.masks {
            if masks.dim() != masks_shape {
                let problem = format!("masks of shape {:?}, not {masks_shape:?}", masks.dim());
                return refuse(None, problem, "give the class of each pixel");
            }
            let beyond = |&class: &u8| class != Masks::IGNORED && usize::from(class) >= k;
            if let Some(row) = masks.outer_iter().position(|mask| mask.iter().any(beyond)) {
                let problem = format!("a pixel's class is beyond the {k} classes");
                return refuse(Some(row), problem, "correct the mask");
            }
        }
        if let Some(tables) = &self.tables
            && tables.kinds() != kinds(rows)
        {
            return refuse(
                None,
                "other datasets than in the first rows".into(),
                "give the same for all rows",
            );
        }
        let pixels = [Some(rows.images), rows.sen1];
        for images in pixels.into_iter().flatten() {
            let bad = |row: &ArrayView3<'_, f32>| row.iter().any(|v| !v.is_finite());
            if let Some(row) = images.outer_iter().position(|row| bad(&row)) {
                return refuse(Some(row), "a pixel is NaN or infinite".into(), "leave the patch out");
            }
        }
        if let Some(row) = rows.labels.and_then(|labels| labels.iter().position(|&label| label >= k)) {
            return refuse(Some(row), format!("a label beyond the {k} classes"), "correct the label");
        }
        let no_votes = |row: ndarray::ArrayView1<'_, f32>| {
            row.sum() <= 0.0 || row.iter().any(|v| !v.is_finite() || *v < 0.0)
        };
        if let Some(row) = rows.votes.and_then(|votes| votes.outer_iter().position(no_votes)) {
            return refuse(Some(row), "no votes, or a negative count".into(), "leave the patch out");
        }
        Ok(())
    }

    /// Writes everything to disk and gives the file its name.
    ///
    /// # Errors
    /// No rows, a full disk, or a file of that name that came in the meantime.
    pub fn finish(self) -> Result<()> {
        let overwrite = self.layout.overwrite;
        let partial = self.complete()?;
        if overwrite { partial.replace() } else { partial.become_new() }
    }

    /// Writes everything to disk; the file lacks nothing but its name.
    ///
    /// # Errors
    /// No rows, or a full disk.
    pub(crate) fn complete(mut self) -> Result<Partial> {
        if self.rows == 0 {
            return Err(Error::file(&self.target, "no rows were written", "give at least one patch"));
        }
        self.tables = None;
        if let Some(file) = self.file.take() {
            file.flush().and_then(|()| file.close()).map_err(|e| self.failed(&e))?;
        }
        Ok(self.partial)
    }

    fn failed(&self, error: &hdf5::Error) -> Error {
        Error::file(&self.target, cause(error), "check the free space and the permissions")
    }
}

impl Tables {
    fn create(file: &File, layout: &Layout, rows: &Rows<'_>) -> hdf5::Result<Self> {
        let size = layout.imagery.patch_size;
        let patches_a_chunk = |bytes: usize| (CHUNK_BYTES / (size * size * bytes)).max(1);
        let images = |name: &str, channels: usize| {
            let chunk = patches_a_chunk(channels * size_of::<f32>());
            let mut builder = file
                .new_dataset::<f32>()
                .shape((0.., size, size, channels))
                .chunk((chunk, size, size, channels));
            if let Some(level) = layout.compression {
                builder = builder.shuffle().deflate(level);
            }
            builder.create(name)
        };
        let masks = || {
            let chunk = (patches_a_chunk(size_of::<u8>()), size, size);
            let mut builder = file.new_dataset::<u8>().shape((0.., size, size)).chunk(chunk);
            if let Some(level) = layout.compression {
                builder = builder.deflate(level);
            }
            builder.create(MASK)
        };
        let classes = layout.classes.len();
        let columns = |on: bool| on.then_some(classes);
        let [sen1, labels, votes, groups, has_masks] = kinds(rows);
        Ok(Self {
            images: images(&layout.dataset, layout.imagery.bands.len())?,
            sen1: sen1.then(|| images("sen1", SENTINEL1_CHANNELS)).transpose()?,
            labels: columns(labels).map(|k| table::<u8>(file, "label", k)).transpose()?,
            votes: columns(votes).map(|k| table::<f32>(file, "votes", k)).transpose()?,
            groups: groups
                .then(|| file.new_dataset::<i32>().shape((0..,)).chunk((TABLE_CHUNK,)).create("group"))
                .transpose()?,
            masks: has_masks.then(masks).transpose()?,
        })
    }

    fn kinds(&self) -> [bool; 5] {
        let Self { images: _, sen1, labels, votes, groups, masks } = self;
        [sen1, labels, votes, groups, masks].map(Option::is_some)
    }
}

fn kinds(rows: &Rows<'_>) -> [bool; 5] {
    let Rows { images: _, sen1, labels, votes, groups, masks } = rows;
    [sen1.is_some(), labels.is_some(), votes.is_some(), groups.is_some(), masks.is_some()]
}

fn table<T: H5Type>(file: &File, name: &str, columns: usize) -> hdf5::Result<Dataset> {
    file.new_dataset::<T>().shape((0.., columns)).chunk((TABLE_CHUNK, columns)).create(name)
}

/// Appends rows to a dataset that ends where they begin.
fn put<T: H5Type + Clone, D: Dimension>(
    dataset: &Dataset,
    rows: &ArrayView<'_, T, D>,
    range: std::ops::Range<usize>,
) -> hdf5::Result<()> {
    let mut shape = dataset.shape();
    shape[0] = range.end;
    dataset.resize(shape)?;
    let rows = rows.as_standard_layout();
    match rows.ndim() {
        1 => dataset.write_slice(rows.view(), s![range]),
        2 => dataset.write_slice(rows.view(), s![range, ..]),
        3 => dataset.write_slice(rows.view(), s![range, .., ..]),
        _ => dataset.write_slice(rows.view(), s![range, .., .., ..]),
    }
}

fn check_layout(path: &Path, layout: &Layout) -> Result<()> {
    let refuse = |problem: String, advice: &str| Err(Error::file(path, problem, advice));
    if !super::datasets::is_image_dataset(&layout.dataset) {
        return refuse(
            format!("images called '{}' would not be found again", layout.dataset),
            "call them sen2 or patches",
        );
    }
    let names = layout.classes.codes().iter().chain(layout.imagery.bands.names());
    if let Some(name) = names.clone().find(|name| name.contains('\0')) {
        return refuse(format!("the name {name:?} has a NUL character"), "rename it");
    }
    if layout.imagery.patch_size == 0 {
        return refuse("patches of 0 x 0 pixels".to_owned(), "give them a size");
    }
    match layout.compression {
        Some(level) if !(1..=9).contains(&level) => {
            refuse(format!("compression {level}"), "choose 1 (fast) to 9 (small), or none")
        }
        Some(_) if !hdf5::filters::deflate_available() => {
            refuse("this HDF5 library cannot compress".to_owned(), "write without compression")
        }
        _ => Ok(()),
    }
}
