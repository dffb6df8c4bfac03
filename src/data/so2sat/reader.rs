//! One open file of the So2Sat layout: its datasets, found by name and checked, and its rows.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

use hdf5::types::{FixedAscii, FixedUnicode, VarLenAscii, VarLenUnicode};
use hdf5::{Dataset, File, MinorErrorCode};
use ndarray::{Array2, Array4, ArrayViewMut4, s};

use super::places::{self, Place};
use crate::{Bands, Classes, Error, Imagery, Result};

/// Image datasets by name, in the order of preference.
const IMAGES: [&str; 3] = ["sen2", "patches", "sen1"];
/// One-hot labels: So2Sat's name, and that of the label-distribution paper.
const LABELS: [&str; 2] = ["label", "y"];
/// Columns of the first vote sets: the choices of ten experts, then the original label.
const CHOICES: usize = 11;
/// The built zones, which come first: those that the paper's distributions are over.
const BUILT: usize = 10;
/// Label distributions; the paper's files have `y_distributional_urban`.
const DISTRIBUTIONS: &str = "y_distributional";

/// Rows of labels and votes checked at a time.
const TABLE_ROWS: usize = 1 << 16;
/// Bytes that a block of hostile chunks may take in memory, decoded.
const LARGEST_BLOCK: usize = 1 << 29;
/// Bytes of a good chunk, for the advice: some dozen patches.
const GOOD_CHUNK: usize = 1 << 20;

/// One open file.
pub(in crate::data) struct SourceFile {
    path: PathBuf,
    images: Dataset,
    dataset: String,
    rows: usize,
    chunks: Chunks,
    labels: Option<(String, Dataset)>,
    votes: Option<Dataset>,
    distributions: Option<(String, Dataset)>,
    groups: Option<Arc<[i32]>>,
    /// The names of the groups, where they are cities with names.
    cities: Vec<(i32, String)>,
    imagery: Imagery,
    classes: Classes,
    provenance: String,
    /// Class of each row, once read and checked.
    label_table: OnceLock<Arc<[usize]>>,
    /// The block of rows read last in part, where chunks are hostile.
    last_block: Mutex<Option<(usize, Arc<Array4<f32>>)>>,
    /// Done when the user has been told of hostile chunks.
    told: Once,
}

/// How the image dataset is laid out in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chunks {
    /// One piece, or chunks of whole patches: any rows are read at a fair price.
    Patches { rows: usize },
    /// A chunk of this shape holds parts of many patches (as h5py's automatic chunks do), so that
    /// reading one patch decodes many: rows are read by blocks of whole chunks, one chunk after the
    /// other, and the last block is kept if only a part of it was wanted.
    Hostile { rows: usize, chunk: [usize; 4] },
}

impl SourceFile {
    /// Opens a file and checks what is in it; `dataset` names the images, if it is not to be found.
    pub(in crate::data) fn open(path: &Path, dataset: Option<&str>) -> Result<Self> {
        let file = open_file(path)?;
        let found = file.member_names().map_err(|e| unreadable(path, &e))?;
        let named = |name: &str| found.iter().any(|found| found == name);
        let dataset = match dataset {
            Some(name) => named(name).then_some(name).ok_or(format!("'{name}'")),
            None => IMAGES.into_iter().find(|name| named(name)).ok_or_else(|| "'sen2'".to_owned()),
        }
        .map_err(|wanted| no_dataset(path, &wanted, &found))?
        .to_owned();
        let images = open_dataset(&file, path, &dataset)?;
        let place = place(path, &dataset);
        let shape = images.shape();
        let [rows, height, width, channels] = shape[..] else {
            let problem = format!("rank {} (shape {})", shape.len(), product(&shape));
            return Err(Error::input(place, problem, "images are of shape patches x rows x columns x bands"));
        };
        if rows == 0 || height == 0 || channels == 0 {
            let problem = format!("no rows (shape {})", product(&shape));
            return Err(Error::input(place, problem, "give at least one patch"));
        }
        if height != width {
            let problem = format!("patches of {height} x {width} pixels");
            return Err(Error::input(place, problem, "patches must be square: cut them so"));
        }
        let table = |name: &str, rank: usize| -> Result<Option<Dataset>> {
            if !named(name) {
                return Ok(None);
            }
            let table = open_dataset(&file, path, name)?;
            check_table(path, name, &table, rank, &dataset, rows)?;
            Ok(Some(table))
        };
        let mut labels = None;
        for name in LABELS {
            if labels.is_none() {
                labels = table(name, 2)?.map(|dataset| (name.to_owned(), dataset));
            }
        }
        let votes = table("votes", 2)?;
        let distributions = match found.iter().find(|name| name.starts_with(DISTRIBUTIONS)) {
            Some(name) => {
                let table = open_dataset(&file, path, name)?;
                // The paper's files have no rows for zones that are not built; that is checked when they
                // are read.
                if table.shape().len() != 2 || table.shape()[0] > rows {
                    check_table(path, name, &table, 2, &dataset, rows)?;
                }
                Some((name.clone(), table))
            }
            None => None,
        };
        let mut cities = Vec::new();
        let groups = match table("group", 1)? {
            Some(groups) => Some(groups.read_raw::<i32>().map_err(|e| unreadable_at(path, "group", &e))?),
            None => places::cities(path, rows)?.map(|there| {
                cities = there.names;
                there.of_row
            }),
        };
        let tables = [labels.as_ref().map(|l| &l.1), votes.as_ref(), distributions.as_ref().map(|d| &d.1)];
        let width = tables.into_iter().flatten().next().map(|table| table.shape()[1]);
        let classes = read_classes(&file, path, width)?;
        if let Some((name, labels)) = &labels
            && labels.shape()[1] != classes.len()
        {
            return Err(Error::input(
                super::reader::place(path, name),
                format!("{} columns for the {} classes {classes}", labels.shape()[1], classes.len()),
                "make the attribute 'classes' name each column",
            ));
        }
        let imagery = read_imagery(&file, path, &dataset, height, channels)?;
        let provenance =
            text_attribute(&file, path, "provenance")?.unwrap_or_else(|| "not stated".to_owned());
        let chunks = Chunks::of(&images, &shape);
        Ok(Self {
            path: path.to_owned(),
            images,
            dataset,
            rows,
            chunks,
            labels,
            votes,
            distributions,
            groups: groups.map(Into::into),
            cities,
            imagery,
            classes,
            provenance,
            label_table: OnceLock::new(),
            last_block: Mutex::new(None),
            told: Once::new(),
        })
    }

    pub(in crate::data) fn rows(&self) -> usize {
        self.rows
    }

    pub(in crate::data) fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    pub(in crate::data) fn classes(&self) -> &Classes {
        &self.classes
    }

    pub(in crate::data) fn provenance(&self) -> &str {
        &self.provenance
    }

    pub(in crate::data) fn groups(&self) -> Option<&Arc<[i32]>> {
        self.groups.as_ref()
    }

    /// Numbers and names of the cities; empty where the groups have no names.
    pub(in crate::data) fn cities(&self) -> &[(i32, String)] {
        &self.cities
    }

    /// Where each row lies, if the file or the one beside it says so.
    pub(in crate::data) fn places(&self) -> Result<Option<Vec<Place>>> {
        places::places(&self.path, self.rows, self.imagery.patch_size)
    }

    pub(in crate::data) fn has_labels(&self) -> bool {
        self.labels.is_some()
    }

    pub(in crate::data) fn has_votes(&self) -> bool {
        self.votes.is_some()
    }

    pub(in crate::data) fn has_distributions(&self) -> bool {
        self.distributions.is_some()
    }

    /// The file and its image dataset.
    pub(in crate::data) fn name(&self) -> String {
        place(&self.path, &self.dataset)
    }

    pub(in crate::data) fn path(&self) -> &Path {
        &self.path
    }

    /// Rows that are read together at no more cost than one.
    pub(in crate::data) fn rows_a_chunk(&self) -> usize {
        match self.chunks {
            Chunks::Patches { rows } | Chunks::Hostile { rows, .. } => rows.min(self.rows),
        }
    }

    /// What makes the file slow to read, and how to mend it; none if nothing does.
    pub(in crate::data) fn hostile_layout(&self) -> Option<String> {
        let Chunks::Hostile { rows, chunk } = self.chunks else { return None };
        let size = self.imagery.patch_size;
        let channels = self.images.shape()[3];
        let good = (GOOD_CHUNK / (size * size * channels * size_of::<f32>())).clamp(1, self.rows);
        Some(format!(
            "chunks of {} hold parts of many patches, so that {rows} are read at a time; \
             h5repack -l {}:CHUNK={good}x{size}x{size}x{channels} makes a file that is quick to shuffle",
            product(&chunk),
            self.dataset
        ))
    }

    /// Pixels of consecutive rows as f32, by HDF5's own conversion. Shape: (n, S, S, C).
    pub(in crate::data) fn read(&self, rows: Range<usize>) -> Result<Array4<f32>> {
        let Chunks::Hostile { rows: block, chunk } = self.chunks else { return self.read_rows(rows) };
        if let Some(layout) = self.hostile_layout() {
            self.told.call_once(|| tracing::warn!("{}: {layout}", self.name()));
        }
        let (size, channels) = (self.imagery.patch_size, self.images.shape()[3]);
        let mut images = Array4::zeros((rows.len(), size, size, channels));
        let mut next = rows.start;
        while next < rows.end {
            let start = next / block * block;
            let whole = start..self.rows.min(start + block);
            let end = rows.end.min(whole.end);
            let mut target = images.slice_mut(s![next - rows.start..end - rows.start, .., .., ..]);
            if (next..end) == whole {
                self.read_by_chunks(&whole, chunk, target)?;
            } else {
                target.assign(&self.block(&whole, chunk)?.slice(s![next - start..end - start, .., .., ..]));
            }
            next = end;
        }
        Ok(images)
    }

    /// A block of rows, from memory if it is the one of which a part was read last.
    fn block(&self, rows: &Range<usize>, chunk: [usize; 4]) -> Result<Arc<Array4<f32>>> {
        let mut last = self.last_block.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, pixels)) = &*last
            && *at == rows.start
        {
            return Ok(pixels.clone());
        }
        // The old block goes before the new one comes.
        *last = None;
        let size = self.imagery.patch_size;
        let mut pixels = Array4::zeros((rows.len(), size, size, self.images.shape()[3]));
        self.read_by_chunks(rows, chunk, pixels.view_mut())?;
        let pixels = Arc::new(pixels);
        *last = Some((rows.start, pixels.clone()));
        Ok(pixels)
    }

    /// Reads rows one chunk after the other: HDF5 decodes each once and hands it over in one piece.
    fn read_by_chunks(
        &self,
        rows: &Range<usize>,
        [_, height, width, depth]: [usize; 4],
        mut target: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        let (_, lines, columns, channels) = target.dim();
        for y in (0..lines).step_by(height) {
            let y = y..lines.min(y + height);
            for x in (0..columns).step_by(width) {
                let x = x..columns.min(x + width);
                for c in (0..channels).step_by(depth) {
                    let c = c..channels.min(c + depth);
                    let part: Array4<f32> = self
                        .images
                        .read_slice(s![rows.clone(), y.clone(), x.clone(), c.clone()])
                        .map_err(|e| unreadable_at(&self.path, &self.dataset, &e))?;
                    target.slice_mut(s![.., y.clone(), x.clone(), c]).assign(&part);
                }
            }
        }
        Ok(())
    }

    fn read_rows(&self, rows: Range<usize>) -> Result<Array4<f32>> {
        self.images.read_slice(s![rows, .., .., ..]).map_err(|e| unreadable_at(&self.path, &self.dataset, &e))
    }

    /// Class of each row; read and checked once.
    pub(in crate::data) fn labels(&self) -> Result<Arc<[usize]>> {
        if let Some(table) = self.label_table.get() {
            return Ok(table.clone());
        }
        let Some((name, dataset)) = &self.labels else {
            let problem = "no dataset 'label', so that the class of a patch is not known";
            let advice = "add one-hot labels; without them a file can only be predicted";
            return Err(Error::file(&self.path, problem, advice));
        };
        let is = |value: f32, wanted: f32| value.total_cmp(&wanted).is_eq();
        let mut table = Vec::with_capacity(self.rows);
        for start in (0..self.rows).step_by(TABLE_ROWS) {
            let rows = start..self.rows.min(start + TABLE_ROWS);
            let block: Array2<f32> =
                dataset.read_slice(s![rows, ..]).map_err(|e| unreadable_at(&self.path, name, &e))?;
            for (n, row) in block.outer_iter().enumerate() {
                let hot = row.iter().position(|&v| is(v, 1.0));
                let one_hot =
                    hot.filter(|&k| row.iter().enumerate().all(|(j, &v)| j == k || is(v.abs(), 0.0)));
                table.push(one_hot.ok_or_else(|| {
                    Error::input(
                        format!("{}, row {}", place(&self.path, name), start + n),
                        "the label is not one-hot (a single 1, else 0)",
                        "correct the label, or store distributions as votes",
                    )
                })?);
            }
        }
        Ok(self.label_table.get_or_init(|| table.into()).clone())
    }

    /// Vote counts: as stored, or counted from the choices of the experts. Shape: (N, K).
    pub(in crate::data) fn votes(&self) -> Result<Array2<f32>> {
        let Some(dataset) = &self.votes else {
            return Err(Error::file(&self.path, "no dataset 'votes'", "use the one-hot labels"));
        };
        if dataset.shape()[1] == CHOICES && self.classes.len() != CHOICES && self.has_labels() {
            return self.count_choices(dataset);
        }
        self.table("votes", dataset)
    }

    /// Votes that are stored as the first vote sets have them: the number, from 1, of the class that each
    /// of ten experts chose, and that of the original label. The label is not one of the votes.
    fn count_choices(&self, dataset: &Dataset) -> Result<Array2<f32>> {
        let choices: Array2<f32> = dataset.read_2d().map_err(|e| unreadable_at(&self.path, "votes", &e))?;
        let labels = self.labels()?;
        let mut votes = Array2::zeros((self.rows, self.classes.len()));
        for (row, (choices, &label)) in choices.outer_iter().zip(&*labels).enumerate() {
            let class =
                |choice: f32| (1..=self.classes.len()).position(|k| (k as f32).total_cmp(&choice).is_eq());
            let classes: Option<Vec<usize>> = choices.iter().map(|&choice| class(choice)).collect();
            let Some(classes) = classes.filter(|classes| classes[CHOICES - 1] == label) else {
                return Err(Error::input(
                    format!("{}, row {row}", place(&self.path, "votes")),
                    format!("{CHOICES} columns that are not ten classes, from 1, and the label's"),
                    "store how many experts chose each class, one column a class",
                ));
            };
            for &k in &classes[..CHOICES - 1] {
                votes[[row, k]] += 1.0;
            }
        }
        Ok(votes)
    }

    /// Label distributions as stored. Those of the built zones alone are spread over all; a row of
    /// another zone then has none, and sums to 0. Shape: (N, K).
    pub(in crate::data) fn distributions(&self) -> Result<Array2<f32>> {
        let Some((name, dataset)) = &self.distributions else {
            let problem = format!("no dataset 'votes' and none whose name starts with '{DISTRIBUTIONS}'");
            return Err(Error::file(&self.path, problem, "use the one-hot labels"));
        };
        let shape = dataset.shape();
        if shape == [self.rows, self.classes.len()] {
            return self.table(name, dataset);
        }
        let labels = if self.has_labels() { self.labels()? } else { Arc::default() };
        let built: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] < BUILT).collect();
        let of_zones = self.classes == Classes::lcz() && shape[1] == BUILT;
        if !of_zones || (shape[0] != built.len() && shape[0] != self.rows) {
            let problem = format!(
                "shape {} for {} patches ({} of a built zone) of {} classes",
                product(&shape),
                self.rows,
                built.len(),
                self.classes.len()
            );
            let advice = "store one row a patch, or a patch of a built zone, and one column a class";
            return Err(Error::input(place(&self.path, name), problem, advice));
        }
        let stored: Array2<f32> = dataset.read_2d().map_err(|e| unreadable_at(&self.path, name, &e))?;
        let mut all = Array2::zeros((self.rows, self.classes.len()));
        for (n, &row) in built.iter().enumerate() {
            let n = if shape[0] == self.rows { row } else { n };
            all.slice_mut(s![row, ..BUILT]).assign(&stored.row(n));
        }
        Ok(all)
    }

    fn table(&self, name: &str, dataset: &Dataset) -> Result<Array2<f32>> {
        let columns = dataset.shape()[1];
        if columns != self.classes.len() {
            return Err(Error::input(
                place(&self.path, name),
                format!("{columns} columns for the {} classes {}", self.classes.len(), self.classes),
                "store one column a class",
            ));
        }
        dataset.read_2d().map_err(|e| unreadable_at(&self.path, name, &e))
    }
}

impl Chunks {
    fn of(images: &Dataset, shape: &[usize]) -> Self {
        let Some(chunk) = images.chunk() else {
            return Self::Patches { rows: 1 };
        };
        let whole = chunk[1..].iter().zip(&shape[1..]).all(|(chunk, size)| chunk >= size);
        match chunk[..] {
            [rows, height, width, depth] if !whole && rows > 1 => {
                // A block of all the rows of a chunk, so that it is decoded once; fewer, and more than
                // once, where that would not fit into memory.
                let patch_bytes = shape[1..].iter().product::<usize>() * size_of::<f32>();
                let rows = rows.min((LARGEST_BLOCK / patch_bytes).max(1));
                Self::Hostile { rows, chunk: [chunk[0], height, width, depth] }
            }
            _ => Self::Patches { rows: chunk[0] },
        }
    }
}

/// Opens an HDF5 file to read it, or says in one line why that cannot be.
pub(super) fn open_file(path: &Path) -> Result<File> {
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

fn no_dataset(path: &Path, wanted: &str, found: &[String]) -> Error {
    let found = if found.is_empty() { "nothing".to_owned() } else { found.join(", ") };
    let problem = format!("no dataset {wanted} (found: {found})");
    Error::file(path, problem, "see README, \"Your own data\"")
}

/// Opens a dataset of numbers.
fn open_dataset(file: &File, path: &Path, name: &str) -> Result<Dataset> {
    let dataset = file.dataset(name).map_err(|_| {
        Error::input(place(path, name), "a group, not a dataset", "see README, \"Your own data\"")
    })?;
    let numbers = dataset.dtype().is_ok_and(|dtype| dtype.conv_to::<f32>().is_some());
    if numbers {
        Ok(dataset)
    } else {
        Err(Error::input(place(path, name), "it does not hold numbers", "store integers or floats"))
    }
}

/// Checks the rank and the rows of what goes with the images.
fn check_table(
    path: &Path,
    name: &str,
    table: &Dataset,
    rank: usize,
    images: &str,
    rows: usize,
) -> Result<()> {
    let shape = table.shape();
    if shape.len() != rank {
        let columns = if rank == 2 { "patches x classes" } else { "patches" };
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
fn read_classes(file: &File, path: &Path, columns: Option<usize>) -> Result<Classes> {
    match text_attribute(file, path, "classes")? {
        Some(text) => {
            Classes::named(text.split(',').map(str::trim)).map_err(|e| at_attribute(path, "classes", &e))
        }
        None => Ok(columns.map_or_else(Classes::lcz, Classes::of_count)),
    }
}

/// What the attributes say of the images. Those of the file describe its main dataset; So2Sat's own
/// files have none and are known by the names of theirs.
fn read_imagery(file: &File, path: &Path, dataset: &str, size: usize, channels: usize) -> Result<Imagery> {
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
fn text_attribute(file: &File, path: &Path, name: &str) -> Result<Option<String>> {
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

fn at_attribute(path: &Path, name: &str, error: &Error) -> Error {
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

pub(super) fn unreadable_at(path: &Path, dataset: &str, error: &hdf5::Error) -> Error {
    Error::input(place(path, dataset), cause(error), "check that the file is complete and may be read")
}

/// The innermost words of HDF5, on one line.
pub(in crate::data) fn cause(error: &hdf5::Error) -> String {
    let words = error.stack().and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()));
    let words = words.unwrap_or_else(|| error.to_string());
    format!("HDF5 says: {}", words.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `file, dataset 'name'`.
pub(super) fn place(path: &Path, dataset: &str) -> String {
    format!("{}, dataset '{dataset}'", path.display())
}

/// `24188 x 32 x 32 x 10`.
pub(super) fn product(shape: &[usize]) -> String {
    shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" x ")
}

/// Whether images of this name are found when the file is opened.
pub(super) fn is_image_dataset(name: &str) -> bool {
    IMAGES.contains(&name)
}
