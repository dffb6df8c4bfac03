//! The bytes of a TIFF: a whole file or a part of an archive, in place or unpacked, with some numbers of its header replaced.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tiff::TiffResult;
use tiff::decoder::{Decoder, Limits};
use tiff::tags::{ByteOrder, IfdPointer, Tag};

/// Directories of a file that are looked at, at most: an image, its mask, and overviews of both.
const MOST_DIRECTORIES: usize = 64;

/// Where the bytes of a TIFF are.
#[derive(Debug, Clone)]
pub(super) struct TiffBytes {
    /// The file, or the archive.
    pub file: PathBuf,
    /// The bytes of it.
    pub bytes: Range<u64>,
    /// The bytes themselves, where the archive is compressed.
    pub unpacked: Option<Arc<[u8]>>,
}

/// What can be read from any place.
trait Source: Read + Seek + Send {}
impl<T: Read + Seek + Send> Source for T {}

/// A decoder of a TIFF.
pub(super) type TiffDecoder = Decoder<BufReader<Retouched>>;

impl TiffBytes {
    /// A whole file.
    pub fn of_file(path: &Path) -> io::Result<Self> {
        let length = File::open(path)?.metadata()?.len();
        Ok(Self { file: path.to_owned(), bytes: 0..length, unpacked: None })
    }

    /// The bytes of a file of a compressed archive.
    pub fn of_memory(archive: &Path, bytes: Vec<u8>) -> Self {
        Self { file: archive.to_owned(), bytes: 0..bytes.len() as u64, unpacked: Some(bytes.into()) }
    }

    pub fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }

    /// Reads the first directory, with these bytes replaced.
    pub fn decoder(&self, retouches: Retouches) -> TiffResult<TiffDecoder> {
        let (first, length) = (self.bytes.start, self.len());
        let mut file: Box<dyn Source> = match &self.unpacked {
            None => Box::new(File::open(&self.file)?),
            Some(bytes) => Box::new(Cursor::new(Arc::clone(bytes))),
        };
        file.seek(SeekFrom::Start(first))?;
        let reader = Retouched { file, first, length, position: 0, retouches };
        Ok(Decoder::new(BufReader::new(reader))?.with_limits(limits()))
    }
}

/// The header's numbers are checked against the file's length before pixels are read, so only the
/// chunk buffers need a bound: a large scene may be one strip.
fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = 4 << 30;
    limits.intermediate_buffer_size = 4 << 30;
    limits.ifd_value_size = 64 << 20;
    limits
}

/// Replacements for header fields that the decoder does not support: bytes and the
/// place of the first.
///
/// Samples are plain numbers ("black is zero"): a class raster with a colour table, and bands marked as red,
/// green and blue, hold the same numbers as any other; the decoder would refuse the one and invert a
/// "white is zero" band.
///
/// A tiled raster is as wide as its tiles: the decoder cannot skip the rest of a tile that reaches beyond
/// the raster where LZW has already yielded all its bytes, which it reports as a missing end of the data.
pub(super) type Retouches = Vec<(u64, Vec<u8>)>;

/// Finds the entries in the directory that the decoder is at.
pub(super) fn retouches<R: Read + Seek>(decoder: &mut Decoder<R>) -> TiffResult<Retouches> {
    /// Field types: 16 and 32 bits.
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    let bytes_of = |order: ByteOrder, number: u32, kind: u16| match (order, kind, u16::try_from(number)) {
        (ByteOrder::LittleEndian, SHORT, Ok(number)) => Some(number.to_le_bytes().to_vec()),
        (ByteOrder::BigEndian, SHORT, Ok(number)) => Some(number.to_be_bytes().to_vec()),
        (ByteOrder::LittleEndian, LONG, _) => Some(number.to_le_bytes().to_vec()),
        (ByteOrder::BigEndian, LONG, _) => Some(number.to_be_bytes().to_vec()),
        _ => None,
    };
    let order = decoder.byte_order();
    let width = decoder.dimensions()?.0;
    let tile = decoder.find_tag_unsigned::<u32>(Tag::TileWidth)?.filter(|&tile| tile > 0);
    let whole_tiles = tile.and_then(|tile| width.checked_next_multiple_of(tile));
    let start = decoder.ifd_pointer().map_or(0, |pointer| pointer.0);
    let Layout { counter, entry, value, .. } = Layout::of(decoder)?;
    let count = entries(decoder, start)?;
    let mut retouches = Retouches::new();
    for k in 0..count {
        let offset = start + counter + k * entry;
        decoder.goto_offset_u64(offset)?;
        let (tag, kind) = (decoder.read_short()?, decoder.read_short()?);
        let number = if tag == Tag::PhotometricInterpretation.to_u16() {
            Some(1)
        } else if tag == Tag::ImageWidth.to_u16() {
            whole_tiles
        } else {
            None
        };
        if let Some(bytes) = number.and_then(|number| bytes_of(order, number, kind)) {
            retouches.push((offset + value, bytes));
        }
    }
    Ok(retouches)
}

/// Sizes in bytes of what a directory consists of.
struct Layout {
    big: bool,
    /// The number that counts the entries.
    counter: u64,
    /// An entry.
    entry: u64,
    /// What comes in an entry before its value.
    value: u64,
}

impl Layout {
    fn of<R: Read + Seek>(decoder: &mut Decoder<R>) -> TiffResult<Self> {
        decoder.goto_offset_u64(0)?;
        decoder.read_short()?;
        let big = decoder.read_short()? == 43;
        let [counter, entry, value] = if big { [8, 20, 12] } else { [2, 12, 8] };
        Ok(Self { big, counter, entry, value })
    }
}

/// How many entries the directory at this byte has.
fn entries<R: Read + Seek>(decoder: &mut Decoder<R>, start: u64) -> TiffResult<u64> {
    let big = Layout::of(decoder)?.big;
    decoder.goto_offset_u64(start)?;
    Ok(if big { decoder.read_long8()? } else { decoder.read_short()?.into() })
}

/// Where each directory after the first is, and what makes the decoder begin with it.
pub(super) fn further_directories<R: Read + Seek>(
    decoder: &mut Decoder<R>,
) -> TiffResult<Vec<(IfdPointer, Retouches)>> {
    let (order, Layout { big, counter, entry, .. }) = (decoder.byte_order(), Layout::of(decoder)?);
    let mut starts = vec![decoder.ifd_pointer().map_or(0, |pointer| pointer.0)];
    while starts.len() < MOST_DIRECTORIES {
        let start = starts[starts.len() - 1];
        let count = entries(decoder, start)?;
        let next = count.checked_mul(entry).and_then(|bytes| start.checked_add(counter)?.checked_add(bytes));
        let Some(next) = next else { break };
        decoder.goto_offset_u64(next)?;
        let next = if big { decoder.read_long8()? } else { decoder.read_long()?.into() };
        if next == 0 || starts.contains(&next) {
            break;
        }
        starts.push(next);
    }
    let pointer = |start: u64| match (order, big) {
        (ByteOrder::LittleEndian, true) => start.to_le_bytes().to_vec(),
        (ByteOrder::BigEndian, true) => start.to_be_bytes().to_vec(),
        (ByteOrder::LittleEndian, false) => (start as u32).to_le_bytes().to_vec(),
        (ByteOrder::BigEndian, false) => (start as u32).to_be_bytes().to_vec(),
    };
    let retouch = |&start: &u64| (IfdPointer(start), vec![(if big { 8 } else { 4 }, pointer(start))]);
    Ok(starts[1..].iter().map(retouch).collect())
}

/// Bytes of a file, read with some of them replaced.
pub(super) struct Retouched {
    file: Box<dyn Source>,
    /// The first byte in the file, how many there are, and which is next.
    first: u64,
    length: u64,
    position: u64,
    retouches: Retouches,
}

impl Read for Retouched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = self.length.saturating_sub(self.position).min(buffer.len() as u64);
        let count = self.file.read(&mut buffer[..most as usize])?;
        for (first, bytes) in &self.retouches {
            for (place, &byte) in (*first..).zip(bytes) {
                if let Some(k) = place.checked_sub(self.position).filter(|&k| k < count as u64) {
                    buffer[k as usize] = byte;
                }
            }
        }
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for Retouched {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::Current(by) => self.position.checked_add_signed(by),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
        };
        let place = position.and_then(|position| Some((position, position.checked_add(self.first)?)));
        let (position, in_file) = place.ok_or(io::ErrorKind::InvalidInput)?;
        self.file.seek(SeekFrom::Start(in_file))?;
        self.position = position;
        Ok(position)
    }
}
