//! Labelled image patches in memory or in a file: the input of all models.
//!
//! A [`Patches`] is a view: some rows, some bands and some classes of an array in memory or of an
//! HDF5 file. Views are cheap to make and to clone; pixels are read on demand.

mod attached;
mod reading;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use ndarray::{Array4, ArrayView4, s};

use self::attached::Given;
use super::batches;
use super::so2sat::SourceFile;
use crate::provenance::{IN_MEMORY, UNKNOWN};
use crate::{Bands, Classes, Error, Imagery, Result, Zone};

/// A set of square image patches, with labels, votes and groups where known.
///
/// Pixels have the shape (N, S, S, C): patches, rows, columns, bands. Positions count from 0 in the
/// order of the view; messages name rows of the file or the array behind it.
///
/// ```
/// use lcz::{Classes, Imagery, Labels, data::Patches};
/// let images = ndarray::Array4::zeros((3, 32, 32, 10));
/// let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?
///     .with_labels(&Labels::new(Classes::lcz(), vec![16, 0, 5])?)?;
/// let dry = patches.without(lcz::Zone::Water)?;
/// assert_eq!(dry.len(), 2);
/// assert_eq!(dry.classes().len(), 16);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Clone)]
pub struct Patches {
    source: Arc<Source>,
    rows: RowChoice,
    /// Channels of the source, if not all of them in order.
    channels: Option<Arc<[usize]>>,
    /// Columns of the source's class list that remain.
    columns: Arc<[usize]>,
    imagery: Imagery,
    classes: Classes,
    given: Given,
    provenance: Arc<str>,
}

/// Where the pixels are.
enum Source {
    Memory(Array4<f32>),
    File(Arc<SourceFile>),
}

/// The rows of the source that a view has, in its order.
#[derive(Clone)]
enum RowChoice {
    Span(Range<usize>),
    List(Arc<[usize]>),
}

impl Patches {
    /// Patches from an array of shape (N, S, S, C).
    ///
    /// # Errors
    /// No patch; a shape that contradicts `imagery`; a pixel that is NaN or infinite (names the
    /// row).
    pub fn in_memory(imagery: Imagery, classes: Classes, images: Array4<f32>) -> Result<Self> {
        let (n, height, width, channels) = images.dim();
        if n == 0 {
            return Err(Error::input(IN_MEMORY, "no patch", "give at least one"));
        }
        if (height, width, channels) != (imagery.patch_size, imagery.patch_size, imagery.bands.len()) {
            return Err(Error::input(
                IN_MEMORY,
                format!(
                    "images of {height} x {width} pixels and {channels} bands, where the imagery has {0} x {0} and {1}",
                    imagery.patch_size,
                    imagery.bands.len()
                ),
                "let the imagery describe the array",
            ));
        }
        let patches = Self::over(Source::Memory(images), n, imagery, classes, UNKNOWN);
        if let Source::Memory(images) = &*patches.source {
            patches.check_finite(images, |n| n)?;
        }
        Ok(patches)
    }

    /// Whether a file holds integers and does not state their unit, so that reflectance is assumed because of the dataset's name.
    pub(crate) fn assumes_reflectance_of_integers(&self) -> bool {
        matches!(&*self.source, Source::File(file) if file.unit_assumed && file.is_integer())
    }

    /// Whether a file does not state the unit of its pixels, so that it is assumed.
    pub fn assumes_unit(&self) -> bool {
        matches!(&*self.source, Source::File(file) if file.unit_assumed)
    }

    /// Every row of a file.
    pub(super) fn of_file(file: Arc<SourceFile>) -> Self {
        let (rows, imagery, classes) = (file.rows, file.imagery.clone(), file.classes.clone());
        let (provenance, groups) = (file.provenance.clone(), file.groups.clone());
        let mut patches = Self::over(Source::File(file), rows, imagery, classes, &provenance);
        patches.given.groups = groups;
        patches
    }

    fn over(source: Source, rows: usize, imagery: Imagery, classes: Classes, provenance: &str) -> Self {
        Self {
            source: Arc::new(source),
            rows: RowChoice::Span(0..rows),
            channels: None,
            columns: (0..classes.len()).collect(),
            imagery,
            classes,
            given: Given::default(),
            provenance: provenance.into(),
        }
    }

    /// The same patches with this provenance (`synthetic (seed 1)`, a mission and a place).
    #[must_use]
    pub fn with_provenance(mut self, provenance: &str) -> Self {
        self.provenance = provenance.into();
        self
    }

    /// How many patches, N.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Size, bands, ground sampling distance and unit of the patches.
    pub fn imagery(&self) -> &Imagery {
        &self.imagery
    }

    /// The classes of labels and votes.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// For messages: the file and its dataset, or `patches in memory`.
    pub fn name(&self) -> String {
        match &*self.source {
            Source::Memory(_) => IN_MEMORY.to_owned(),
            Source::File(file) => file.name(),
        }
    }

    /// Where the data come from, as the file states it; `unknown source` where it does not.
    pub fn provenance(&self) -> &str {
        &self.provenance
    }

    /// What makes the file slow to read, and how to fix it, in a line; none if nothing does.
    pub fn unfavourable_chunks(&self) -> Option<String> {
        self.source.file().and_then(SourceFile::unfavourable_chunks)
    }

    /// Pixels of consecutive patches. Shape: (n, S, S, C).
    ///
    /// # Errors
    /// A range that ends beyond the last patch, a file that cannot be read, a pixel that is NaN or
    /// infinite (names the row).
    pub fn images(&self, range: Range<usize>) -> Result<Array4<f32>> {
        if range.start > range.end || range.end > self.len() {
            let problem = format!("patches {} to {} of {}", range.start, range.end, self.len());
            return Err(Error::input(self.name(), problem, "stay within the set"));
        }
        match &self.rows {
            RowChoice::Span(span) => self.read_span(&(span.start + range.start..span.start + range.end)),
            RowChoice::List(list) => self.read_rows(&list[range]),
        }
    }

    /// All pixels, where they lie in memory as the view has them: all bands, rows in a row. Shape: (N, S, S, C).
    pub(crate) fn lent(&self) -> Option<ArrayView4<'_, f32>> {
        match (&*self.source, &self.rows, &self.channels) {
            (Source::Memory(images), RowChoice::Span(span), None) => {
                Some(images.slice(s![span.clone(), .., .., ..]))
            }
            _ => None,
        }
    }

    /// Pixels of the patches at these positions, in this order. Shape: (n, S, S, C).
    ///
    /// # Errors
    /// As [`images`](Self::images).
    pub fn images_at(&self, positions: &[usize]) -> Result<Array4<f32>> {
        self.check_positions(positions)?;
        let rows: Vec<usize> = positions.iter().map(|&position| self.rows.get(position)).collect();
        self.read_rows(&rows)
    }

    fn check_positions(&self, positions: &[usize]) -> Result<()> {
        match positions.iter().find(|&&position| position >= self.len()) {
            None => Ok(()),
            Some(position) => Err(Error::input(
                self.name(),
                format!("patch {position} of {} (counted from 0)", self.len()),
                "choose among these",
            )),
        }
    }

    /// Batches in the order of the view; the last may be smaller.
    ///
    /// The iterator owns what it needs and may move to another thread. The next batch of a file is read
    /// while this one is worked on.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// # use lcz::{Classes, Imagery, data::Patches};
    /// # let classes = Classes::named(["water", "sand"])?;
    /// # let images = ndarray::Array4::zeros((3, 4, 4, 1));
    /// # let patches = Patches::in_memory(Imagery::new(4, ["red"])?, classes.clone(), images)?;
    /// for batch in patches.batches(2) { // 3 patches of 4 × 4 pixels in one band
    ///     let (range, images) = batch?;
    ///     assert_eq!(images.dim(), (range.len(), 4, 4, 1));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches(
        &self,
        size: usize,
    ) -> impl Iterator<Item = Result<(Range<usize>, Array4<f32>)>> + Send + use<> {
        batches::in_order(self.clone(), size)
    }

    /// One epoch in random order: every patch once, with its position in the view.
    ///
    /// Every order is equally likely if the patches lie in memory or fill at most 256 MiB (6,553
    /// So2Sat patches). A larger file is shuffled by blocks: blocks of at least 64 consecutive
    /// patches are read in random order, as many as fill 256 MiB are pooled, and the pool is handed
    /// out in random order before the next is read. A batch then mixes patches of some hundred
    /// random places of the file, each read in one piece, at a memory that does not grow with the
    /// file: two pools, as a thread reads the next one ahead; none for floats in one piece, whose
    /// pools lie in the system's cache. In a file sorted by class or city a pool is a little uneven
    /// from the next one; files whose chunks span many patches have larger blocks and suffer more of it.
    ///
    /// The order depends on `seed`, on the number of patches, their size and the file's chunks,
    /// on nothing else. Give each epoch a seed of its own. Equal order in memory and in a file is
    /// given up to the 256 MiB.
    pub fn shuffled(
        &self,
        batch: usize,
        seed: u64,
    ) -> impl Iterator<Item = Result<(Vec<usize>, Array4<f32>)>> + Send + use<> {
        self.shuffled_from(batch, seed, 0)
    }

    /// As [`shuffled`](Self::shuffled), without the first batches, which are not read.
    pub(crate) fn shuffled_from(
        &self,
        batch: usize,
        seed: u64,
        skip: usize,
    ) -> impl Iterator<Item = Result<(Vec<usize>, Array4<f32>)>> + Send + use<> {
        batches::shuffled(self.clone(), batch, seed, skip)
    }

    /// Consecutive positions that are cheap to read together, at least `at_least` of them: they end where a chunk
    /// of the file ends, so that no chunk is decoded twice.
    pub(super) fn blocks(&self, at_least: usize) -> Vec<Range<usize>> {
        let chunk = self.rows_a_chunk().unwrap_or(1);
        let chunk_of = |position: usize| self.rows.get(position) / chunk;
        let longest = 2 * at_least.max(chunk);
        let (mut blocks, mut start) = (Vec::new(), 0);
        for end in 1..=self.len() {
            let length = end - start;
            let whole = length >= at_least && end < self.len() && chunk_of(end) != chunk_of(end - 1);
            if whole || length == longest || end == self.len() {
                blocks.push(start..end);
                start = end;
            }
        }
        blocks
    }

    /// Size of the file behind the patches; none for patches in memory.
    pub(crate) fn file_bytes(&self) -> Option<u64> {
        std::fs::metadata(&self.source.file()?.path).ok().map(|file| file.len())
    }

    /// Rows that the file stores together, at least 1; none for patches in memory.
    pub(super) fn rows_a_chunk(&self) -> Option<usize> {
        self.source.file().map(SourceFile::rows_a_chunk)
    }

    /// Bytes of a patch in its file, where patches are read one by one at no more cost than together once they are
    /// [announced](Self::announce).
    pub(super) fn single_row_bytes(&self) -> Option<usize> {
        self.source.file().and_then(SourceFile::single_row_bytes)
    }

    /// Has the system read these patches ahead, where they are read one by one.
    pub(super) fn announce(&self, positions: Range<usize>) {
        let Some(file) = self.source.file() else { return };
        let rows: Vec<usize> = positions.map(|position| self.rows.get(position)).collect();
        match consecutive(&rows) {
            Some(span) => file.announce(&span),
            None => rows.iter().for_each(|&row| file.announce(&(row..row + 1))),
        }
    }

    /// Whether several threads can read pixels of a file in parallel.
    pub(super) fn read_in_parallel(&self) -> bool {
        self.source.file().is_some_and(SourceFile::reads_in_parallel)
    }

    /// The patches at these positions, in this order.
    ///
    /// # Errors
    /// No position, or one beyond the last patch.
    pub fn select(&self, positions: &[usize]) -> Result<Self> {
        if positions.is_empty() {
            return Err(Error::input(self.name(), "no patch is selected", "select at least one"));
        }
        self.check_positions(positions)?;
        let rows: Vec<usize> = positions.iter().map(|&position| self.rows.get(position)).collect();
        let rows = consecutive(&rows).map_or_else(|| RowChoice::List(rows.into()), RowChoice::Span);
        Ok(Self { rows, ..self.clone() })
    }

    /// Consecutive parts that begin at the first patch and at these positions: one part more than positions.
    ///
    /// # Errors
    /// Positions that do not rise, or that leave a part empty.
    ///
    /// ```
    /// use lcz::{Classes, Imagery, data::Patches};
    /// let images = ndarray::Array4::zeros((10, 32, 32, 10));
    /// let [train, test] = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?.split_at([7])?;
    /// assert_eq!((train.len(), test.len()), (7, 3));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn split_at<const AT: usize, const PARTS: usize>(
        &self,
        positions: [usize; AT],
    ) -> Result<[Self; PARTS]> {
        const { assert!(PARTS == AT + 1, "there is one part more than positions") };
        let mut parts = Vec::with_capacity(PARTS);
        let mut start = 0;
        for end in positions.into_iter().chain([self.len()]) {
            if end <= start || end > self.len() {
                let problem = format!("a part from {start} to {end} of {} patches", self.len());
                return Err(Error::input(self.name(), problem, "give rising positions within the set"));
            }
            parts.push(self.select(&(start..end).collect::<Vec<_>>())?);
            start = end;
        }
        parts
            .try_into()
            .map_err(|_| Error::Internal { what: "splitting patches", detail: "a part too many".to_owned() })
    }

    /// The same patches, some at a time, with their positions.
    pub(crate) fn parts(&self, size: usize) -> impl Iterator<Item = (Range<usize>, Self)> {
        (0..self.len()).step_by(size).map(move |start| {
            let part = start..self.len().min(start + size);
            let rows = match &self.rows {
                RowChoice::Span(span) => RowChoice::Span(span.start + part.start..span.start + part.end),
                RowChoice::List(list) => RowChoice::List(list[part.clone()].into()),
            };
            (part, Self { rows, ..self.clone() })
        })
    }

    /// The same patches with these bands only, in this order.
    ///
    /// # Errors
    /// A band that the patches do not have.
    pub fn bands(&self, bands: &Bands) -> Result<Self> {
        let chosen = self.imagery.bands.positions(bands).map_err(|e| match self.source.file() {
            Some(file) => e.within(&file.path),
            None => e,
        })?;
        let channels: Vec<usize> = match &self.channels {
            None => chosen.clone(),
            Some(channels) => chosen.iter().map(|&c| channels[c]).collect(),
        };
        let names = chosen.iter().map(|&c| self.imagery.bands.names()[c].clone());
        let imagery = Imagery { bands: Bands::named(names)?, ..self.imagery.clone() };
        let all_in_order = channels.iter().copied().eq(0..self.source.channels());
        let channels = (!all_in_order).then(|| channels.into());
        Ok(Self { channels, imagery, ..self.clone() })
    }

    /// The patches of every other class, over the classes without this one; votes for it are left
    /// out too, and its pixels are ignored in masks. Patches that have masks but no labels all stay, and so do those
    /// whose classes do not have it.
    ///
    /// # Errors
    /// No labels to go by, or no patch of another class.
    pub fn without(&self, zone: Zone) -> Result<Self> {
        let Some(k) = self.classes.position(zone) else {
            return Ok(self.clone());
        };
        let others: Vec<usize> = if self.has_masks() && !self.has_labels() {
            (0..self.len()).collect()
        } else {
            let labels = self.labels()?;
            (0..self.len()).filter(|&n| labels.indices()[n] != k).collect()
        };
        if others.is_empty() {
            let problem = format!("every patch is of LCZ {zone}");
            return Err(Error::input(self.name(), problem, "leave out another class"));
        }
        let mut columns = self.columns.to_vec();
        columns.remove(k);
        Ok(Self { columns: columns.into(), classes: self.classes.without(zone), ..self.select(&others)? })
    }
}

impl fmt::Debug for Patches {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} patches of {}", self.len(), self.name())
    }
}

impl Source {
    fn file(&self) -> Option<&SourceFile> {
        match self {
            Self::Memory(_) => None,
            Self::File(file) => Some(file),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Memory(images) => images.dim().0,
            Self::File(file) => file.rows,
        }
    }

    fn channels(&self) -> usize {
        match self {
            Self::Memory(images) => images.dim().3,
            Self::File(file) => file.imagery.bands.len(),
        }
    }
}

impl RowChoice {
    fn len(&self) -> usize {
        match self {
            Self::Span(span) => span.len(),
            Self::List(list) => list.len(),
        }
    }

    fn get(&self, position: usize) -> usize {
        match self {
            Self::Span(span) => span.start + position,
            Self::List(list) => list[position],
        }
    }

    fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.len()).map(|position| self.get(position))
    }
}

/// The range that these rows are, if they are one.
fn consecutive(rows: &[usize]) -> Option<Range<usize>> {
    let first = *rows.first()?;
    rows.iter().enumerate().all(|(n, &row)| row == first + n).then(|| first..first + rows.len())
}
