//! Masks of a TIFF: which pixels have no data, as an image of its own.
//!
//! GDAL writes it as a further directory whose `NewSubfileType` is 4, of 1 or 8 bits, or into a file `….msk` (GDAL RFC 15). A
//! pixel whose mask is 0 has no data.

use std::path::{Path, PathBuf};

use ndarray::Array2;
use tiff::TiffResult;
use tiff::decoder::{ChunkType, DecodingResult};
use tiff::tags::Tag;

use super::geotiff::unreadable;
use super::grid::{Grid, Window};
use super::tiff_bytes::{Retouches, TiffBytes, TiffDecoder, further_directories, retouches};
use crate::{Error, Result};

/// `NewSubfileType` of the mask of the whole image; 5 would be that of an overview.
const MASK: u32 = 4;

/// The mask of an image.
#[derive(Debug, Clone)]
pub(super) struct TiffMask {
    bytes: TiffBytes,
    retouches: Retouches,
    columns: usize,
    /// Bits of a pixel: 1 or 8.
    bits: u8,
    /// Bytes of each strip or tile; 0 where GDAL left an empty one out.
    chunk_bytes: Vec<u64>,
}

impl TiffMask {
    /// The mask in a further directory of a file.
    pub fn within(
        path: &Path,
        bytes: &TiffBytes,
        decoder: &mut TiffDecoder,
        grid: &Grid,
    ) -> Result<Option<Self>> {
        // A damaged pointer to overviews is no reason to refuse an image.
        for (start, pointer) in further_directories(decoder).unwrap_or_default() {
            let Ok(directory) = decoder.read_directory(start) else { continue };
            let kind = decoder.read_directory_tags(&directory).find_tag_unsigned(Tag::NewSubfileType);
            if kind.ok().flatten() == Some(MASK) {
                let mut mask = bytes.decoder(pointer.clone()).map_err(|error| unreadable(path, &error))?;
                return Self::of(path, bytes, pointer, &mut mask, grid).map(Some);
            }
        }
        Ok(None)
    }

    /// The mask in a file next to an image.
    pub fn next_to(path: &Path, grid: &Grid) -> Result<Option<Self>> {
        let mut name = path.as_os_str().to_owned();
        name.push(".msk");
        let path = PathBuf::from(name);
        if !path.is_file() {
            return Ok(None);
        }
        let bytes = TiffBytes::of_file(&path).map_err(Error::io(&path))?;
        let mut decoder = bytes.decoder(Retouches::new()).map_err(|error| unreadable(&path, &error))?;
        Self::of(&path, &bytes, Retouches::new(), &mut decoder, grid).map(Some)
    }

    /// The mask that a decoder begins with.
    fn of(
        path: &Path,
        bytes: &TiffBytes,
        mut pointer: Retouches,
        decoder: &mut TiffDecoder,
        grid: &Grid,
    ) -> Result<Self> {
        let refuse = |error| unreadable(path, &error);
        let (columns, rows) = decoder.dimensions().map_err(refuse)?;
        let bits = decoder.find_tag_unsigned_vec(Tag::BitsPerSample).map_err(refuse)?.unwrap_or(vec![1u8]);
        let same_size = (rows as usize, columns as usize) == (grid.rows, grid.columns);
        let format = decoder.find_tag_unsigned_vec(Tag::SampleFormat).map_err(refuse)?.unwrap_or(vec![1u16]);
        let bits = match bits.as_slice() {
            [bits @ (1 | 8)] if same_size && format == [1] => *bits,
            _ => {
                let problem =
                    format!("its mask has {rows} x {columns} pixels of {bits:?} bits, which is not read");
                let advice = "give one no-data value instead: gdalwarp -dstnodata VALUE IN.tif OUT.tif";
                return Err(Error::file(path, problem, advice));
            }
        };
        let tag = match decoder.get_chunk_type() {
            ChunkType::Strip => Tag::StripByteCounts,
            ChunkType::Tile => Tag::TileByteCounts,
        };
        let chunk_bytes = decoder.find_tag_unsigned_vec(tag).map_err(refuse)?.unwrap_or_default();
        pointer.extend(retouches(decoder).map_err(refuse)?);
        Ok(Self { bytes: bytes.clone(), retouches: pointer, columns: columns as usize, bits, chunk_bytes })
    }

    /// Marks the pixels of a window that have no data.
    pub fn read(&self, window: &Window, lacking: &mut Array2<bool>) -> TiffResult<()> {
        let mut decoder = self.bytes.decoder(self.retouches.clone())?;
        let (width, height) = decoder.chunk_dimensions();
        let (width, height) = (width as usize, height as usize);
        let across = self.columns.div_ceil(width);
        for (chunk, &bytes) in self.chunk_bytes.iter().enumerate() {
            let (top, left) = (chunk / across * height, chunk % across * width);
            let rows = top.max(window.rows.start)..(top + height).min(window.rows.end);
            let columns = left.max(window.columns.start)..(left + width).min(window.columns.end);
            if rows.is_empty() || columns.is_empty() {
                continue;
            }
            let index = u32::try_from(chunk)?;
            let data_width = decoder.chunk_data_dimensions(index).0 as usize;
            let line = if self.bits == 1 { data_width.div_ceil(8) } else { data_width };
            let decoded =
                if bytes == 0 { DecodingResult::U8(Vec::new()) } else { decoder.read_chunk(index)? };
            // `of` has refused other numbers.
            let DecodingResult::U8(values) = decoded else { continue };
            for row in rows {
                for column in columns.clone() {
                    let (at, shift) = match self.bits {
                        1 => ((row - top) * line + (column - left) / 8, 7 - (column - left) % 8),
                        _ => ((row - top) * line + column - left, 0),
                    };
                    let value = values
                        .get(at)
                        .map_or(0, |&value| value >> shift & if self.bits == 1 { 1 } else { 255 });
                    lacking[[row - window.rows.start, column - window.columns.start]] |= value == 0;
                }
            }
        }
        Ok(())
    }
}

/// Of every `step`th sample of a chunk, from the last of the first `step` on: whether one is the largest number, and whether
/// all others are 0.
pub(super) fn is_mask(chunk: &DecodingResult, step: usize) -> (bool, bool) {
    fn of<T: PartialEq + Copy>(samples: &[T], step: usize, zero: T, largest: T) -> (bool, bool) {
        let mut opaque = false;
        let all = samples.iter().skip(step - 1).step_by(step).all(|&value| {
            opaque |= value == largest;
            value == zero || value == largest
        });
        (opaque, all)
    }
    match chunk {
        DecodingResult::U8(samples) => of(samples, step, 0, u8::MAX),
        DecodingResult::U16(samples) => of(samples, step, 0, u16::MAX),
        DecodingResult::U32(samples) => of(samples, step, 0, u32::MAX),
        DecodingResult::I8(samples) => of(samples, step, 0, i8::MAX),
        DecodingResult::I16(samples) => of(samples, step, 0, i16::MAX),
        DecodingResult::I32(samples) => of(samples, step, 0, i32::MAX),
        _ => (false, false),
    }
}
