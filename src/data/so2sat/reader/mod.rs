//! One open file of the So2Sat layout: its datasets, found by name and checked, and its rows.

mod tables;

use std::fmt;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, Once, OnceLock, PoisonError};

use ndarray::{Array4, ArrayViewMut4, s};

use super::datasets::{
    IMAGES, LONGEST, MASK, Numbers, no_dataset, open_file, place, product, read_classes, read_imagery,
    text_attribute, unreadable,
};
use super::places::{self, Place};
use super::stored::Stored;
use crate::display::printable;
use crate::provenance::UNKNOWN;
use crate::{Classes, Error, Imagery, Result};

/// One-hot labels: So2Sat's name, and that of the label-distribution paper.
const LABELS: [&str; 2] = ["label", "y"];
/// Label distributions; the paper's files have `y_distributional_urban`.
const DISTRIBUTIONS: &str = "y_distributional";

/// Most bytes of a decoded block of unfavourable chunks in memory; twice as many while its rows are put in order.
const LARGEST_BLOCK: usize = 1 << 28;
/// Bytes of a good chunk, for the advice: some dozen patches.
const GOOD_CHUNK: usize = 1 << 20;

/// One open file.
pub(in crate::data) struct SourceFile {
    pub(in crate::data) path: PathBuf,
    images: Numbers,
    dataset: String,
    pub(in crate::data) rows: usize,
    chunks: Chunks,
    /// The images where they can be read past HDF5.
    stored: Option<Stored>,
    pub(in crate::data) labels: Option<Numbers>,
    pub(in crate::data) votes: Option<Numbers>,
    pub(in crate::data) distributions: Option<Numbers>,
    pub(in crate::data) masks: Option<Numbers>,
    pub(in crate::data) groups: Option<Arc<[i32]>>,
    /// Numbers and names of the groups, where they are cities with names.
    pub(in crate::data) cities: Vec<(i32, String)>,
    pub(in crate::data) imagery: Imagery,
    pub(in crate::data) classes: Classes,
    pub(in crate::data) provenance: String,
    /// Whether the file does not state that its pixels are reflectance.
    pub(in crate::data) unit_assumed: bool,
    /// Class of each row, once read and checked.
    label_table: OnceLock<Arc<[usize]>>,
    /// The block of which a part was read last, where chunks are unfavourable.
    last_block: Mutex<Option<(usize, Arc<Array4<f32>>)>>,
    /// Set once the warning about unfavourable chunks was given.
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
    Scattered { rows: usize, chunk: [usize; 4] },
}

impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {}", self.rows, self.name())
    }
}

impl SourceFile {
    /// Opens a file and checks its contents; `dataset` names the images; without it they are found by name.
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
        let images = Numbers::open(&file, path, &dataset)?;
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
            return Err(Error::input(place, problem, "cut square patches"));
        }
        let table = |name: &str, rank: usize| -> Result<Option<Numbers>> {
            if !named(name) {
                return Ok(None);
            }
            let table = Numbers::open(&file, path, name)?;
            table.check(rank, &dataset, rows)?;
            Ok(Some(table))
        };
        let labels = match table(LABELS[0], 2)? {
            Some(labels) => Some(labels),
            None => table(LABELS[1], 2)?,
        };
        let votes = table("votes", 2)?;
        let distributions = match found.iter().find(|name| name.starts_with(DISTRIBUTIONS)) {
            Some(name) => {
                let table = Numbers::open(&file, path, name)?;
                // The paper's files have no rows for zones that are not built; that is checked when they
                // are read.
                if table.shape().len() != 2 || table.shape()[0] > rows {
                    table.check(2, &dataset, rows)?;
                }
                Some(table)
            }
            None => None,
        };
        let masks = table(MASK, 3)?;
        masks.as_ref().map_or(Ok(()), |masks| masks.check_pixels(height))?;
        let mut cities = Vec::new();
        let groups = match table("group", 1)? {
            Some(groups) => Some(groups.values::<i32>()?),
            None => places::cities(path, rows)?.map(|there| {
                cities = there.names;
                there.of_row
            }),
        };
        let width =
            [&labels, &votes, &distributions].into_iter().flatten().next().map(|table| table.shape()[1]);
        let classes = read_classes(&file, path, width)?;
        if let Some(labels) = &labels
            && labels.shape()[1] != classes.len()
        {
            let problem =
                format!("{} columns for the {} classes {classes}", labels.shape()[1], classes.len());
            let advice = "make the attribute 'classes' name each column";
            return Err(Error::input(labels.place(), problem, advice));
        }
        let imagery = read_imagery(&file, path, &dataset, height, channels)?;
        let unit_assumed = file.attr("unit").is_err() && imagery.unit == "reflectance";
        let provenance = text_attribute(&file, path, "provenance")?;
        let provenance = provenance.map_or(UNKNOWN.to_owned(), |text| printable(&text, LONGEST).into_owned());
        let chunks = Chunks::of(images.dataset(), &shape);
        let stored = Stored::of(images.dataset());
        Ok(Self {
            path: path.to_owned(),
            images,
            dataset,
            rows,
            chunks,
            stored,
            labels,
            votes,
            distributions,
            masks,
            groups: groups.map(Into::into),
            cities,
            imagery,
            unit_assumed,
            classes,
            provenance,
            label_table: OnceLock::new(),
            last_block: Mutex::new(None),
            told: Once::new(),
        })
    }

    /// Whether the pixels are stored as integers.
    pub(in crate::data) fn is_integer(&self) -> bool {
        use hdf5::types::TypeDescriptor::{Integer, Unsigned};
        let stored = self.images.dataset().dtype().and_then(|kind| kind.to_descriptor());
        matches!(stored, Ok(Integer(_) | Unsigned(_)))
    }

    /// Where each row lies, if the file or the one next to it states it.
    pub(in crate::data) fn places(&self) -> Result<Option<Vec<Place>>> {
        places::places(&self.path, self.rows, self.imagery.patch_size)
    }

    /// The file and its image dataset.
    pub(in crate::data) fn name(&self) -> String {
        place(&self.path, &self.dataset)
    }

    /// Rows that are read together at no more cost than one.
    pub(in crate::data) fn rows_a_chunk(&self) -> usize {
        match self.chunks {
            Chunks::Patches { rows } | Chunks::Scattered { rows, .. } => rows.min(self.rows),
        }
    }

    /// What makes the file slow to read, and how to fix it; none if nothing does.
    pub(in crate::data) fn unfavourable_chunks(&self) -> Option<String> {
        let Chunks::Scattered { rows, chunk } = self.chunks else { return None };
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

    /// Whether several threads can read rows in parallel without extra memory.
    pub(in crate::data) fn reads_in_parallel(&self) -> bool {
        self.stored.is_some() && matches!(self.chunks, Chunks::Patches { .. })
    }

    /// Bytes of a row in the file, where rows are read one by one at no more cost than together once the system has
    /// read them ahead; none where it can't, or in chunks.
    pub(in crate::data) fn single_row_bytes(&self) -> Option<usize> {
        let stored = self.stored.as_ref().filter(|_| cfg!(target_os = "linux"))?;
        stored.piece().map(|_| stored.row_bytes())
    }

    /// Has the system read rows ahead, where single rows are read.
    pub(in crate::data) fn announce(&self, rows: &Range<usize>) {
        if let Some(stored) = &self.stored {
            stored.announce(rows);
        }
    }

    /// Pixels of these rows, in this order, if they lie in one piece. Shape: (n, S, S, C).
    pub(in crate::data) fn read_each(&self, rows: &[usize]) -> Result<Option<Array4<f32>>> {
        let Some((stored, offset)) = self.stored.as_ref().and_then(|stored| Some((stored, stored.piece()?)))
        else {
            return Ok(None);
        };
        let mut pixels = self.zeros(rows.len());
        let target = pixels.as_slice_mut().expect("a new array is in a row");
        let done = stored.read_each(offset, rows, target);
        done.map_err(|e| self.not_stored(rows.iter().copied(), e))?;
        Ok(Some(pixels))
    }

    /// Pixels of consecutive rows as f32. Shape: (n, S, S, C).
    pub(in crate::data) fn read(&self, rows: Range<usize>) -> Result<Array4<f32>> {
        let Chunks::Scattered { rows: block, chunk } = self.chunks else { return self.read_rows(rows) };
        if let Some(layout) = self.unfavourable_chunks() {
            self.told.call_once(|| tracing::warn!("{}: {layout}", self.name()));
        }
        let mut images = self.zeros(rows.len());
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
        let mut kept = self.kept_block();
        if let Some((at, pixels)) = &*kept
            && *at == rows.start
        {
            return Ok(pixels.clone());
        }
        // The old block goes before the new one comes; who waits for that reads its own.
        *kept = None;
        drop(kept);
        let mut pixels = self.zeros(rows.len());
        self.read_by_chunks(rows, chunk, pixels.view_mut())?;
        let pixels = Arc::new(pixels);
        *self.kept_block() = Some((rows.start, pixels.clone()));
        Ok(pixels)
    }

    fn kept_block(&self) -> MutexGuard<'_, Option<(usize, Arc<Array4<f32>>)>> {
        self.last_block.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads rows one chunk after the other: HDF5 decodes each once and returns it in one piece.
    fn read_by_chunks(
        &self,
        rows: &Range<usize>,
        [_, height, width, depth]: [usize; 4],
        mut target: ArrayViewMut4<'_, f32>,
    ) -> Result<()> {
        if let Some(target) = target.as_slice_mut()
            && self.read_stored(rows, target)?
        {
            return Ok(());
        }
        let (_, lines, columns, channels) = target.dim();
        for y in (0..lines).step_by(height) {
            let y = y..lines.min(y + height);
            for x in (0..columns).step_by(width) {
                let x = x..columns.min(x + width);
                for c in (0..channels).step_by(depth) {
                    let c = c..channels.min(c + depth);
                    let part: Array4<f32> =
                        self.images.slice(s![rows.clone(), y.clone(), x.clone(), c.clone()])?;
                    target.slice_mut(s![.., y.clone(), x.clone(), c]).assign(&part);
                }
            }
        }
        Ok(())
    }

    fn read_rows(&self, rows: Range<usize>) -> Result<Array4<f32>> {
        let mut pixels = self.zeros(rows.len());
        if let Some(target) = pixels.as_slice_mut()
            && self.read_stored(&rows, target)?
        {
            return Ok(pixels);
        }
        self.images.slice(s![rows, .., .., ..])
    }

    /// Reads rows past HDF5 with all threads; false if it must read them.
    fn read_stored(&self, rows: &Range<usize>, target: &mut [f32]) -> Result<bool> {
        let Some(stored) = &self.stored else { return Ok(false) };
        stored.read(self.images.dataset(), rows.clone(), target).map_err(|e| self.not_stored(rows.clone(), e))
    }

    fn zeros(&self, rows: usize) -> Array4<f32> {
        let size = self.imagery.patch_size;
        Array4::zeros((rows, size, size, self.images.shape()[3]))
    }

    fn not_stored(&self, rows: impl Iterator<Item = usize> + Clone, error: io::Error) -> Error {
        let (first, last) = (rows.clone().min().unwrap_or(0), rows.max().unwrap_or(0));
        let rows = format!("{}, among rows {first} to {last}", self.name());
        match error.kind() {
            ErrorKind::UnexpectedEof => Error::input(
                rows,
                "the HDF5 file is cut short",
                "copy it again: its size must be that of the original",
            ),
            _ => Error::io(&self.path)(error),
        }
    }
}

impl Chunks {
    fn of(images: &hdf5::Dataset, shape: &[usize]) -> Self {
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
                Self::Scattered { rows, chunk: [chunk[0], height, width, depth] }
            }
            _ => Self::Patches { rows: chunk[0] },
        }
    }
}
