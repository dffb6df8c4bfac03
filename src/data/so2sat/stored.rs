//! Pixels read without the HDF5 library, where the file stores them in a simple layout.
//!
//! The HDF5 library decodes and converts in one thread at a time. IEEE floats of 32 or 64 bits in native byte order, in
//! one piece or in chunks that are shuffled, deflated or both, are read here by all threads.
//! Everything else (integers, other filters or none, chunks that were never written) is read by the HDF5 library.
//!
//! The HDF Group, *HDF5 File Format Specification* 3.0; Deutsch & Gailly (1996), *ZLIB Compressed Data Format*, RFC 1950.

use std::fs::File;
use std::io;
#[cfg(target_os = "linux")]
use std::num::NonZero;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use hdf5::filters::Filter;
use hdf5::{Dataset, Datatype};
use libdeflater::Decompressor;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
#[cfg(target_os = "linux")]
use rustix::fs::{Advice, fadvise};

use super::chunk::FilteredChunks;

/// Numbers that a thread reads and converts at once: they stay in its cache meanwhile.
const AT_ONCE: usize = 1 << 14;

/// Numbers of the rows that are decoded together, about: some for each thread, and few compared with a pool.
const GROUP: usize = 1 << 24;

/// Bytes per call that asks the system to read ahead.
#[cfg(target_os = "linux")]
const ANNOUNCED: u64 = 128 << 10;

/// Patches that are put together at once from chunks that hold parts of many: of So2Sat's they fit in a core's cache,
/// and each chunk's share of them is read in a row.
const ROWS: usize = 16;

/// Runs `read` where the threads that read share its work. They are not the threads of the training, which would wait for
/// a whole chunk before their next batch.
pub(in crate::data) fn by_all_threads<T: Send>(read: impl FnOnce() -> T + Send) -> T {
    static READERS: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let build = || {
        let threads = ThreadPoolBuilder::new().num_threads(rayon::current_num_threads());
        threads.thread_name(|n| format!("reading {n}")).build().ok()
    };
    match READERS.get_or_init(build) {
        Some(readers) => readers.install(read),
        None => read(),
    }
}

/// The images of a file that can be read so.
pub(super) struct Stored {
    file: File,
    /// Bytes of a number: 4 or 8, in the machine's own order.
    width: usize,
    /// Patches, rows, columns, bands.
    shape: [usize; 4],
    layout: Layout,
    /// Set once a chunk was met that HDF5 must read.
    refused: AtomicBool,
}

enum Layout {
    /// All in one piece from this byte on.
    Piece(u64),
    Chunks {
        shape: [usize; 4],
        shuffled: bool,
        deflated: bool,
    },
}

impl Stored {
    /// None if they must be left to HDF5.
    pub(super) fn of(images: &Dataset) -> Option<Self> {
        let shape = images.shape().try_into().ok()?;
        let (kind, made) = (images.dtype().ok()?, images.dcpl().ok()?);
        // Exactly so, since there are floats of other bits in as many bytes.
        let floats = [Datatype::from_type::<f32>().ok()?, Datatype::from_type::<f64>().ok()?];
        let width = floats.contains(&kind).then(|| kind.size())?;
        // A link may lead into another file.
        let file = images.file().ok()?;
        let layout = match (images.chunk(), &made.get_filters().ok()?[..]) {
            // Behind a user's block HDF5 may give an address to what was never written.
            (None, []) if file.userblock() == 0 => Layout::Piece(images.offset()?),
            (None, _) => return None,
            (Some(chunk), filters) => {
                let (shuffled, deflated) = match filters {
                    [Filter::Deflate(_)] => (false, true),
                    [Filter::Shuffle] => (true, false),
                    [Filter::Shuffle, Filter::Deflate(_)] => (true, true),
                    _ => return None,
                };
                // Otherwise chunks that reach beyond the edge may be stored without their filters, unmarked.
                if made.get_chunk_opts().ok()?.is_some_and(|options| !options.is_empty()) {
                    return None;
                }
                Layout::Chunks { shape: chunk.try_into().ok()?, shuffled, deflated }
            }
        };
        // Before any job of fewer threads reads.
        by_all_threads(|| ());
        Some(Self {
            file: File::open(file.filename()).ok()?,
            width,
            shape,
            layout,
            refused: AtomicBool::new(false),
        })
    }

    /// Reads consecutive rows into `target`, which has their size; false if HDF5 must.
    pub(super) fn read(&self, images: &Dataset, rows: Range<usize>, target: &mut [f32]) -> io::Result<bool> {
        if self.refused.load(Ordering::Relaxed) {
            return Ok(false);
        }
        by_all_threads(|| match self.layout {
            Layout::Piece(offset) => {
                let first = rows.start * self.row();
                self.read_plain(offset + (first * self.width) as u64, target).map(|()| true)
            }
            Layout::Chunks { shape, shuffled, deflated } => {
                let numbers = shape.iter().product();
                let decode = Decoding { numbers, width: self.width, shuffled, deflated };
                // By groups of rows that end where chunks do: decoded numbers are held twice while they are put in order.
                let a_group = (GROUP / self.row() / shape[0]).max(1) * shape[0];
                let (mut rows, mut target) = (rows, target);
                while !rows.is_empty() {
                    let end = rows.end.min((rows.start / a_group + 1) * a_group);
                    let (group, rest) = target.split_at_mut((end - rows.start) * self.row());
                    if self.read_chunks(images, rows.start..end, shape, decode, group).is_none() {
                        self.refused.store(true, Ordering::Relaxed);
                        return Ok(false);
                    }
                    (rows, target) = (end..rows.end, rest);
                }
                Ok(true)
            }
        })
    }

    /// The byte from which all lie in one piece: then single rows cost no more than a run of them.
    pub(super) fn piece(&self) -> Option<u64> {
        match self.layout {
            Layout::Piece(offset) => Some(offset),
            Layout::Chunks { .. } => None,
        }
    }

    /// Reads these rows of a piece that begins at `offset`, in this order.
    pub(super) fn read_each(&self, offset: u64, rows: &[usize], target: &mut [f32]) -> io::Result<()> {
        let bytes = self.row_bytes();
        by_all_threads(|| {
            let each = target.par_chunks_exact_mut(self.row()).zip(rows);
            each.try_for_each(|(target, row)| self.read_plain(offset + (row * bytes) as u64, target))
        })
    }

    /// Has the system read rows into its cache, in one go where they lie together, if it can do so meanwhile.
    pub(super) fn announce(&self, rows: &Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(offset) = self.piece() {
            let bytes = self.row_bytes() as u64;
            let (first, end) = (offset + rows.start as u64 * bytes, offset + rows.end as u64 * bytes);
            // It takes no more of one call than it would read ahead by itself.
            for start in (first..end).step_by(ANNOUNCED as usize) {
                // What is not read ahead is read on demand.
                let _ =
                    fadvise(&self.file, start, NonZero::new(ANNOUNCED.min(end - start)), Advice::WillNeed);
            }
        }
        #[cfg(not(target_os = "linux"))]
        let _ = rows;
    }

    /// Bytes of a patch in the file.
    pub(super) fn row_bytes(&self) -> usize {
        self.row() * self.width
    }

    /// Numbers of a patch.
    fn row(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Numbers that lie in the file as they are, from this byte on.
    fn read_plain(&self, offset: u64, target: &mut [f32]) -> io::Result<()> {
        target.par_chunks_mut(AT_ONCE).enumerate().try_for_each_init(Vec::new, |bytes, (n, target)| {
            bytes.resize(target.len() * self.width, 0);
            read_exact_at(&self.file, bytes, offset + (n * AT_ONCE * self.width) as u64)?;
            to_f32(self.width, bytes, target);
            Ok(())
        })
    }

    /// None if HDF5 must: a chunk that was never written, or that does not decode, which HDF5 then reports.
    fn read_chunks(
        &self,
        images: &Dataset,
        rows: Range<usize>,
        chunk: [usize; 4],
        decode: Decoding,
        target: &mut [f32],
    ) -> Option<()> {
        let stored = FilteredChunks::of(images)?;
        // A layer holds all chunks of the same rows.
        let layers = rows.start / chunk[0]..rows.end.div_ceil(chunk[0]);
        let corners: Vec<[usize; 3]> = self.corners(chunk);
        let each: usize = chunk[1..].iter().product();
        // Of a chunk, the rows that are wanted: those of all others need not be held.
        let wanted = |layer: usize| {
            let first = layer * chunk[0];
            rows.start.max(first) - first..rows.end.min(first + chunk[0]) - first
        };
        let chunks: Vec<(usize, [usize; 3])> =
            layers.clone().flat_map(|layer| corners.iter().map(move |&corner| (layer, corner))).collect();
        let tools = || (Buffers::default(), Decompressor::new());
        let decoded = chunks.par_iter().map_init(tools, |(buffers, decompressor), &(layer, [y, x, c])| {
            let corner = [layer * chunk[0], y, x, c];
            buffers.stored =
                stored.read(corner, decode.longest_stored(), std::mem::take(&mut buffers.stored))?;
            let (bytes, wanted) = (decode.bytes(buffers, decompressor)?, wanted(layer));
            let bytes = &bytes[wanted.start * each * decode.width..wanted.end * each * decode.width];
            let mut numbers = vec![0.0; wanted.len() * each];
            to_f32(self.width, bytes, &mut numbers);
            Some(numbers)
        });
        let decoded: Vec<Vec<f32>> = decoded.collect::<Option<_>>()?;
        let row = self.row();
        target.par_chunks_mut(ROWS * row).enumerate().for_each(|(n, target)| {
            for (place, &corner) in corners.iter().enumerate() {
                for (at, target) in (rows.start + n * ROWS..).zip(target.chunks_exact_mut(row)) {
                    let layer = at / chunk[0];
                    let numbers = &decoded[(layer - layers.start) * corners.len() + place];
                    let first = at % chunk[0] - wanted(layer).start;
                    self.put(corner, chunk, &numbers[first * each..], target);
                }
            }
        });
        Some(())
    }

    /// Puts what a chunk has of a patch in its place there.
    fn put(&self, [y, x, c]: [usize; 3], chunk: [usize; 4], numbers: &[f32], patch: &mut [f32]) {
        let [_, height, width, bands] = self.shape;
        // Chunks at an edge are whole in the file, beyond it.
        let (lines, columns, depth) =
            (chunk[1].min(height - y), chunk[2].min(width - x), chunk[3].min(bands - c));
        for line in 0..lines {
            let from = &numbers[line * chunk[2] * chunk[3]..];
            let to = &mut patch[((y + line) * width + x) * bands + c..];
            if depth == bands && chunk[3] == bands {
                to[..columns * bands].copy_from_slice(&from[..columns * bands]);
                continue;
            }
            let pixels = to.chunks_mut(bands).zip(from.chunks(chunk[3])).take(columns);
            // A call for each pixel's few numbers would cost more than they do.
            match depth {
                1 => pixels.for_each(copy::<1>),
                2 => pixels.for_each(copy::<2>),
                3 => pixels.for_each(copy::<3>),
                4 => pixels.for_each(copy::<4>),
                5 => pixels.for_each(copy::<5>),
                _ => pixels.for_each(|(to, from)| to[..depth].copy_from_slice(&from[..depth])),
            }
        }
    }

    /// Line, column and band at which each chunk of a layer begins.
    fn corners(&self, chunk: [usize; 4]) -> Vec<[usize; 3]> {
        let [_, height, width, bands] = self.shape;
        let mut corners = Vec::new();
        for y in (0..height).step_by(chunk[1]) {
            for x in (0..width).step_by(chunk[2]) {
                corners.extend((0..bands).step_by(chunk[3]).map(|c| [y, x, c]));
            }
        }
        corners
    }
}

/// What turns the bytes of a chunk in the file into its numbers.
#[derive(Clone, Copy)]
struct Decoding {
    numbers: usize,
    width: usize,
    shuffled: bool,
    deflated: bool,
}

/// What a thread uses again for each chunk.
#[derive(Default)]
struct Buffers {
    stored: Vec<u8>,
    inflated: Vec<u8>,
    ordered: Vec<u8>,
}

impl Decoding {
    /// Bytes that a chunk takes in the file at most: deflating adds a few to what it cannot make shorter.
    fn longest_stored(self) -> usize {
        2 * self.numbers * self.width + 1024
    }

    /// The numbers' bytes, decoded from `stored`; none if they do not fit the layout.
    fn bytes<'a>(self, buffers: &'a mut Buffers, decompressor: &mut Decompressor) -> Option<&'a [u8]> {
        let Buffers { stored, inflated, ordered } = buffers;
        let size = self.numbers * self.width;
        let bytes = if self.deflated {
            inflated.resize(size, 0);
            let inflated_bytes = decompressor.zlib_decompress(stored, inflated).ok()?;
            (inflated_bytes == size).then_some(&inflated[..])?
        } else {
            (stored.len() == size).then_some(&stored[..])?
        };
        if !self.shuffled {
            return Some(bytes);
        }
        // The first bytes of all numbers come first, then all second ones.
        ordered.resize(size, 0);
        for (n, plane) in bytes.chunks_exact(self.numbers).enumerate() {
            ordered[n..].iter_mut().step_by(self.width).zip(plane).for_each(|(to, from)| *to = *from);
        }
        Some(ordered)
    }
}

/// The first numbers of one pixel.
fn copy<const N: usize>((to, from): (&mut [f32], &[f32])) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
}

fn to_f32(width: usize, bytes: &[u8], numbers: &mut [f32]) {
    if width == size_of::<f32>() {
        let each = numbers.iter_mut().zip(bytes.as_chunks().0);
        each.for_each(|(number, bytes)| *number = f32::from_ne_bytes(*bytes));
    } else {
        let each = numbers.iter_mut().zip(bytes.as_chunks().0);
        each.for_each(|(number, bytes)| *number = f64::from_ne_bytes(*bytes) as f32);
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
