//! Writing files of the So2Sat layout: whole or not at all.

use std::path::Path;

use hdf5::{Dataset, Extent, File, H5Type};
use ndarray::{Array2, ArrayView, ArrayView2, ArrayView3, ArrayView4, Dimension};

use super::datasets::MASK;
use super::text::{self, write_names, write_text};
use crate::data::Masks;
use crate::data::new_file::{NewFile, write_rows};
use crate::files::{Partial, check_free};
use crate::{Classes, Error, Imagery, Result};

/// Most bytes in a chunk of pixels, unless a single patch is larger: it then fits HDF5's
/// standard chunk cache.
const CHUNK_BYTES: usize = 1 << 20;
/// Rows per chunk of labels, votes or groups.
const TABLE_CHUNK: usize = 4096;

/// Channels of the radar patches next to `sen2`.
const SENTINEL1_CHANNELS: usize = 8;

/// Layout and metadata of a new file.
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
    /// Pixels only.
    #[allow(clippy::needless_pass_by_value, reason = "a view is as small as a reference to it")]
    pub fn new(images: ArrayView4<'a, f32>) -> Self {
        Self { images, sen1: None, labels: None, votes: None, groups: None, masks: None }
    }
}

/// Writes one file, some rows at a time.
///
/// The rows go to a hidden file next to the target, which takes its name when
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
/// writer.append(Rows::new(ndarray::Array4::zeros((5, 32, 32, 10)).view()))?;
/// writer.finish()?;
/// assert_eq!(So2Sat::open(&path)?.patches()?.len(), 5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    layout: Layout,
    rows: usize,
    /// Which of the optional ones the first rows had.
    kinds: Option<[bool; 5]>,
    tables: Vec<(String, Dataset)>,
    file: NewFile,
}

impl Writer {
    /// Begins a file.
    ///
    /// # Errors
    /// A file that exists (unless the layout allows to overwrite it), a folder that does not exist or cannot
    /// be written, a name with a NUL character, a compression that is not on offer.
    pub fn create(path: impl AsRef<Path>, layout: &Layout) -> Result<Self> {
        let path = path.as_ref();
        check_layout(path, layout)?;
        if !layout.overwrite {
            check_free(path)?;
        }
        let file = NewFile::create(path)?;
        let writer = Self { layout: layout.clone(), rows: 0, kinds: None, tables: Vec::new(), file };
        writer.file.put(|file| writer.describe(file))?;
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
        if let Some(sensor) = imagery.sensor {
            text("sensor", sensor.name())?;
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
        self.kinds = Some(kinds(&rows));
        self.put(&self.layout.dataset.clone(), &rows.images)?;
        if let Some(sen1) = rows.sen1 {
            self.put("sen1", &sen1)?;
        }
        if let Some(labels) = rows.labels {
            let shape = (n, self.layout.classes.len());
            self.put("label", &Array2::from_shape_fn(shape, |(n, k)| u8::from(labels[n] == k)).view())?;
        }
        if let Some(votes) = rows.votes {
            self.put("votes", &votes)?;
        }
        if let Some(groups) = rows.groups {
            self.put("group", &ArrayView::from(groups))?;
        }
        if let Some(masks) = rows.masks {
            // In files 0 means no class, and 1 the first class.
            self.put(MASK, &masks.mapv(|class| class.wrapping_add(1)).view())?;
        }
        self.rows += n;
        Ok(())
    }

    /// Appends rows to a dataset, which the first ones make.
    fn put<T: H5Type + Clone, D: Dimension>(&mut self, name: &str, rows: &ArrayView<'_, T, D>) -> Result<()> {
        let known = self.tables.iter().find(|(known, _)| known == name).map(|(_, table)| table.clone());
        let table = if let Some(table) = known {
            table
        } else {
            let table = self.file.put(|file| self.create_table::<T>(file, name, &rows.shape()[1..]))?;
            self.tables.push((name.to_owned(), table.clone()));
            table
        };
        self.file.put(|_| {
            let mut shape = table.shape();
            shape[0] = self.rows + rows.shape()[0];
            table.resize(shape)?;
            write_rows(&table, self.rows, &rows.as_standard_layout().view())
        })
    }

    fn create_table<T: H5Type>(&self, file: &File, name: &str, row: &[usize]) -> hdf5::Result<Dataset> {
        let is_pixels = row.len() > 1;
        let row_bytes = row.iter().product::<usize>() * size_of::<T>();
        let chunk_rows = if is_pixels { (CHUNK_BYTES / row_bytes).max(1) } else { TABLE_CHUNK };
        let shape: Vec<Extent> =
            std::iter::once(Extent::resizable(0)).chain(row.iter().map(Extent::from)).collect();
        let mut builder = file.new_dataset::<T>().shape(shape).chunk([&[chunk_rows], row].concat());
        if let Some(level) = self.layout.compression.filter(|_| is_pixels) {
            // Bytes have nothing to shuffle.
            builder = if size_of::<T>() > 1 { builder.shuffle() } else { builder };
            builder = builder.deflate(level);
        }
        builder.create(name)
    }

    fn check(&self, rows: &Rows<'_>) -> Result<()> {
        let refuse = |row: Option<usize>, problem: String, advice: &str| {
            let place = match row {
                Some(row) => format!("{}, row {}", self.file.path().display(), self.rows + row),
                None => self.file.path().display().to_string(),
            };
            Err(Error::input(place, problem, advice))
        };
        let imagery = &self.layout.imagery;
        let n = rows.images.dim().0;
        let shape = (n, imagery.patch_size, imagery.patch_size, imagery.bands.len());
        if rows.images.dim() != shape {
            let problem = format!("pixels of shape {:?} where the layout has {shape:?}", rows.images.dim());
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
            return refuse(None, problem, "give one row per patch");
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
        if self.kinds.is_some_and(|first| first != kinds(rows)) {
            let problem = "other datasets than in the first rows".into();
            return refuse(None, problem, "give the same for all rows");
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
    pub(crate) fn complete(self) -> Result<Partial> {
        let Self { rows, tables, file, .. } = self;
        if rows == 0 {
            return Err(Error::file(file.path(), "no rows were written", "give at least one patch"));
        }
        drop(tables);
        file.complete()
    }
}

fn kinds(rows: &Rows<'_>) -> [bool; 5] {
    let Rows { images: _, sen1, labels, votes, groups, masks } = rows;
    [sen1.is_some(), labels.is_some(), votes.is_some(), groups.is_some(), masks.is_some()]
}

fn check_layout(path: &Path, layout: &Layout) -> Result<()> {
    let refuse = |problem: String, advice: &str| Err(Error::file(path, problem, advice));
    if !super::datasets::is_image_dataset(&layout.dataset) {
        return refuse(
            format!("images called '{}' would not be found on reading", layout.dataset),
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
