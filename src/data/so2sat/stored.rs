//! Pixels straight from an HDF5 file, where they lie there plainly.
//!
//! HDF5 decodes and converts in one thread at a time, whoever asks. Floats of 32 or 64 bits in little-endian order, in
//! one piece or in chunks that are shuffled and deflated at most, are read here from their places by all threads.
//! Whatever else there is (integers, other filters, chunks that were never written) is left to HDF5.
//!
//! The HDF Group, *HDF5 File Format Specification* 3.0; Deutsch & Gailly (1996), *ZLIB Compressed Data Format*, RFC 1950.

use std::fs::File;
use std::io::{self, ErrorKind};
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

use super::chunk;

/// Numbers that a thread reads and converts at once: they stay in its cache meanwhile.
const AT_ONCE: usize = 1 << 14;

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
    /// A file that ends too soon (`UnexpectedEof`), a chunk that does not decode (`InvalidData`).
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
        let place_of = |layer: usize| {
            corners.iter().map(move |&[y, x, c]| chunk::place(images, [layer * chunk[0], y, x, c]))
        };
        let Some(places) = layers.clone().flat_map(place_of).collect::<Option<Vec<_>>>() else {
            return Ok(false);
        };
        let decoded: Vec<Vec<f32>> = places
            .par_iter()
            .map_init(Buffers::default, |buffers, place| {
                buffers.stored.resize(place.bytes, 0);
                read_exact_at(&self.file, &mut buffers.stored, place.address)?;
                let bytes = decode.bytes(buffers)?;
                let mut numbers = vec![0.0; decode.numbers];
                to_f32(self.float, bytes, &mut numbers);
                Ok(numbers)
            })
            .collect::<io::Result<_>>()?;
        let [_, height, width, bands] = self.shape;
        target.par_chunks_mut(self.row()).zip(rows).for_each(|(target, row)| {
            let layer = &decoded[(row / chunk[0] - layers.start) * corners.len()..];
            for (numbers, &[y, x, c]) in layer.iter().zip(&corners) {
                let numbers = &numbers[row % chunk[0] * chunk[1..].iter().product::<usize>()..];
                // Chunks at an edge are whole in the file, beyond it.
                let (lines, columns, depth) =
                    (chunk[1].min(height - y), chunk[2].min(width - x), chunk[3].min(bands - c));
                for line in 0..lines {
                    let from = &numbers[line * chunk[2] * chunk[3]..];
                    let to = &mut target[((y + line) * width + x) * bands + c..];
                    if depth == bands && chunk[3] == bands {
                        to[..columns * bands].copy_from_slice(&from[..columns * bands]);
                        continue;
                    }
                    for (to, from) in to.chunks_mut(bands).zip(from.chunks(chunk[3])).take(columns) {
                        to[..depth].copy_from_slice(&from[..depth]);
                    }
                }
            }
        });
        Ok(true)
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
