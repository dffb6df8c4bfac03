//! Pixels straight from an HDF5 file, where they lie there plainly.
//!
//! HDF5 decodes and converts in one thread at a time, whoever asks. Floats of 32 or 64 bits in little-endian order, in
//! one piece or in chunks that are shuffled and deflated at most, are read here from their places by all threads.
//! Whatever else there is (integers, other filters, chunks that were never written) is left to HDF5.
//!
//! The HDF Group, *HDF5 File Format Specification* 3.0; Deutsch & Gailly (1996), *ZLIB Compressed Data Format*, RFC 1950.

use std::fs::File;
use std::io::{self, ErrorKind};
#[cfg(target_os = "linux")]
use std::num::NonZero;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use hdf5::Dataset;
use hdf5::datatype::ByteOrder;
use hdf5::filters::Filter;
use hdf5::types::{FloatSize, TypeDescriptor};
use libdeflater::Decompressor;
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
#[cfg(target_os = "linux")]
use rustix::fs::{Advice, fadvise};

use super::chunk;

/// Numbers that a thread reads and converts at once: they stay in its cache meanwhile.
const AT_ONCE: usize = 1 << 14;

/// Patches that are put together at once from chunks that hold parts of many: of So2Sat's they fit in a core's cache,
/// and each chunk's share of them is read in a row.
const ROWS: usize = 16;

/// Runs `read` where the threads that read share its work. They are others than those that train, which would wait for
/// a whole chunk where they want their next batch.
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
    float: FloatSize,
    /// Patches, rows, columns, bands.
    shape: [usize; 4],
    layout: Layout,
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
    pub(super) fn of(path: &Path, images: &Dataset) -> Option<Self> {
        let shape = images.shape().try_into().ok()?;
        let kind = images.dtype().ok()?;
        let TypeDescriptor::Float(float @ (FloatSize::U4 | FloatSize::U8)) = kind.to_descriptor().ok()?
        else {
            return None;
        };
        // Addresses count from behind a user's block, which hardly any file has.
        if kind.byte_order() != ByteOrder::LittleEndian || images.file().ok()?.userblock() != 0 {
            return None;
        }
        let layout = match (images.chunk(), &images.filters()[..]) {
            (None, []) => Layout::Piece(images.offset()?),
            (None, _) => return None,
            (Some(chunk), filters) => {
                let (shuffled, deflated) = match filters {
                    [] => (false, false),
                    [Filter::Deflate(_)] => (false, true),
                    [Filter::Shuffle] => (true, false),
                    [Filter::Shuffle, Filter::Deflate(_)] => (true, true),
                    _ => return None,
                };
                Layout::Chunks { shape: chunk.try_into().ok()?, shuffled, deflated }
            }
        };
        Some(Self { file: File::open(path).ok()?, float, shape, layout })
    }

    /// Reads consecutive rows into `target`, which has their size; false if HDF5 must.
    ///
    /// # Errors
    /// A piece that the file's end cuts off (`UnexpectedEof`), a chunk that does not decode (`InvalidData`).
    pub(super) fn read(&self, images: &Dataset, rows: Range<usize>, target: &mut [f32]) -> io::Result<bool> {
        by_all_threads(|| match self.layout {
            Layout::Piece(offset) => {
                let first = rows.start * self.row();
                self.read_plain(offset + (first * self.width()) as u64, target).map(|()| true)
            }
            Layout::Chunks { shape, shuffled, deflated } => {
                let decode =
                    Decoding { numbers: shape.iter().product(), width: self.width(), shuffled, deflated };
                self.read_chunks(images, rows, shape, decode, target)
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
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_each(&self, offset: u64, rows: &[usize], target: &mut [f32]) -> io::Result<()> {
        let bytes = self.row() * self.width();
        by_all_threads(|| {
            let each = target.par_chunks_exact_mut(self.row()).zip(rows);
            each.try_for_each(|(target, row)| self.read_plain(offset + (row * bytes) as u64, target))
        })
    }

    /// Has the system read rows into its cache, in one go where they lie together, if it can do so meanwhile.
    pub(super) fn announce(&self, rows: &Range<usize>) {
        #[cfg(target_os = "linux")]
        if let Some(offset) = self.piece() {
            let bytes = (self.row() * self.width()) as u64;
            let length = NonZero::new(rows.len() as u64 * bytes);
            // What it can't do ahead, it does when asked.
            let _ = fadvise(&self.file, offset + rows.start as u64 * bytes, length, Advice::WillNeed);
        }
        #[cfg(not(target_os = "linux"))]
        let _ = rows;
    }

    /// Numbers of a patch.
    fn row(&self) -> usize {
        self.shape[1..].iter().product()
    }

    /// Bytes of a number.
    fn width(&self) -> usize {
        self.float as usize
    }

    /// Numbers that lie in the file as they are, from this byte on.
    fn read_plain(&self, offset: u64, target: &mut [f32]) -> io::Result<()> {
        target.par_chunks_mut(AT_ONCE).enumerate().try_for_each_init(Vec::new, |bytes, (n, target)| {
            bytes.resize(target.len() * self.width(), 0);
            read_exact_at(&self.file, bytes, offset + (n * AT_ONCE * self.width()) as u64)?;
            to_f32(self.float, bytes, target);
            Ok(())
        })
    }

    fn read_chunks(
        &self,
        images: &Dataset,
        rows: Range<usize>,
        chunk: [usize; 4],
        decode: Decoding,
        target: &mut [f32],
    ) -> io::Result<bool> {
        // A layer holds all chunks of the same rows.
        let layers = rows.start / chunk[0]..rows.end.div_ceil(chunk[0]);
        let corners: Vec<[usize; 3]> = self.corners(chunk);
        let chunks: Vec<[usize; 4]> = layers
            .clone()
            .flat_map(|layer| corners.iter().map(move |&[y, x, c]| [layer * chunk[0], y, x, c]))
            .collect();
        let decoded = chunks.par_iter().map_init(Buffers::default, |buffers, &corner| {
            let Some(stored) = chunk::read(images, corner, std::mem::take(&mut buffers.stored)) else {
                return Ok(None);
            };
            buffers.stored = stored;
            let mut numbers = vec![0.0; decode.numbers];
            to_f32(self.float, decode.bytes(buffers)?, &mut numbers);
            Ok(Some(numbers))
        });
        let Some(decoded) = decoded.collect::<io::Result<Option<Vec<Vec<f32>>>>>()? else { return Ok(false) };
        let row = self.row();
        target.par_chunks_mut(ROWS * row).enumerate().for_each(|(n, target)| {
            for (place, &corner) in corners.iter().enumerate() {
                for (at, target) in (rows.start + n * ROWS..).zip(target.chunks_exact_mut(row)) {
                    let numbers = &decoded[(at / chunk[0] - layers.start) * corners.len() + place];
                    let first = at % chunk[0] * chunk[1..].iter().product::<usize>();
                    self.put(corner, chunk, &numbers[first..], target);
                }
            }
        });
        Ok(true)
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
struct Buffers {
    stored: Vec<u8>,
    inflated: Vec<u8>,
    ordered: Vec<u8>,
    decompressor: Decompressor,
}

impl Default for Buffers {
    fn default() -> Self {
        Self {
            stored: Vec::new(),
            inflated: Vec::new(),
            ordered: Vec::new(),
            decompressor: Decompressor::new(),
        }
    }
}

impl Decoding {
    /// The numbers' bytes, of what is `stored`.
    fn bytes(self, buffers: &mut Buffers) -> io::Result<&[u8]> {
        let Buffers { stored, inflated, ordered, decompressor } = buffers;
        let size = self.numbers * self.width;
        let bytes = if self.deflated {
            inflated.resize(size, 0);
            let done = decompressor.zlib_decompress(stored, inflated);
            let whole = done.is_ok_and(|bytes| bytes == size);
            whole.then_some(&inflated[..])
        } else {
            (stored.len() == size).then_some(&stored[..])
        };
        let bytes = bytes.ok_or_else(|| io::Error::from(ErrorKind::InvalidData))?;
        if !self.shuffled {
            return Ok(bytes);
        }
        // The first bytes of all numbers come first, then all second ones.
        ordered.resize(size, 0);
        for (n, plane) in bytes.chunks_exact(self.numbers).enumerate() {
            ordered[n..].iter_mut().step_by(self.width).zip(plane).for_each(|(to, from)| *to = *from);
        }
        Ok(ordered)
    }
}

/// The first numbers of one pixel.
fn copy<const N: usize>((to, from): (&mut [f32], &[f32])) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
}

fn to_f32(float: FloatSize, bytes: &[u8], numbers: &mut [f32]) {
    if matches!(float, FloatSize::U4) {
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks().0) {
            *number = f32::from_le_bytes(*bytes);
        }
    } else {
        for (number, bytes) in numbers.iter_mut().zip(bytes.as_chunks().0) {
            *number = f64::from_le_bytes(*bytes) as f32;
        }
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
            return Err(ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}
