//! Writing a cloud-optimised GeoTIFF (OGC 21-026): tiles, with overviews, all directories at the start of the file.
//!
//! For maps, which lie in memory: the overviews take every second pixel of the level below, since classes have no mean.

use std::io::{Cursor, Seek, Write};
use std::path::Path;

use ndarray::{ArrayView3, s};
use rayon::prelude::*;
use tiff::encoder::compression::{CompressionAlgorithm, Deflate};
use tiff::encoder::{DeflateLevel, TiffEncoder, TiffKind};
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use super::geotiff::GDAL_METADATA;
use super::geotiff_writer::{CLASSIC_BYTES, Pixel, Text, write_position, write_system};
use super::{BandTags, Grid};
use crate::files::{Partial, check_free};
use crate::{Error, Result};

/// Pixels of a tile's side.
const TILE: usize = 256;

/// What a file states in addition to its pixels.
pub(crate) struct Cog<'a> {
    /// Where the pixels lie.
    pub grid: &'a Grid,
    /// The bands' names.
    pub bands: &'a [&'a str],
    /// The file's description.
    pub description: &'a str,
}

/// The map at one size.
struct Level {
    rows: usize,
    columns: usize,
    /// Compressed, row by row.
    tiles: Vec<Vec<u8>>,
}

impl Cog<'_> {
    /// Writes bytes of shape (rows, columns, bands), 0 meaning no data. The file has its name once the result takes it.
    ///
    /// # Errors
    /// A name that is taken, a full disk.
    pub fn write(&self, path: &Path, pixels: ArrayView3<'_, u8>) -> Result<Partial> {
        check_free(path)?;
        let partial = Partial::file(path)?;
        let mut levels = vec![level(pixels).map_err(Error::io(path))?];
        let mut step = 2;
        while (pixels.dim().0.max(pixels.dim().1)).div_ceil(step / 2) > TILE {
            levels.push(level(pixels.slice(s![..;step, ..;step, ..])).map_err(Error::io(path))?);
            step *= 2;
        }
        let packed: usize = levels.iter().flat_map(|level| &level.tiles).map(Vec::len).sum();
        let big = packed as u64 > CLASSIC_BYTES;
        let nowhere: Vec<Vec<u64>> = levels.iter().map(|level| vec![0; level.tiles.len()]).collect();
        let mut position =
            self.directories(&levels, &nowhere, big).map_err(|e| failed(path, e))?.len() as u64;
        // The smallest first, as a reader that zooms in wants them.
        let mut places = nowhere;
        for (level, places) in levels.iter().zip(&mut places).rev() {
            for (tile, place) in level.tiles.iter().zip(places) {
                *place = position;
                position += tile.len() as u64;
            }
        }
        let start = self.directories(&levels, &places, big).map_err(|e| failed(path, e))?;
        let tiles = levels.iter().rev().flat_map(|level| &level.tiles);
        let mut file =
            std::fs::File::create(partial.path()).map(std::io::BufWriter::new).map_err(Error::io(path))?;
        std::iter::once(&start)
            .chain(tiles)
            .try_for_each(|bytes| file.write_all(bytes))
            .and_then(|()| file.flush())
            .map_err(Error::io(path))?;
        Ok(partial)
    }

    /// Header and directories, the whole map's first.
    fn directories(&self, levels: &[Level], places: &[Vec<u64>], big: bool) -> TiffResult<Vec<u8>> {
        let mut bytes = Cursor::new(Vec::new());
        if big {
            self.write_directories(TiffEncoder::new_big(&mut bytes)?, levels, places, true)?;
        } else {
            self.write_directories(TiffEncoder::new(&mut bytes)?, levels, places, false)?;
        }
        Ok(bytes.into_inner())
    }

    fn write_directories<W: Write + Seek, K: TiffKind>(
        &self,
        mut to: TiffEncoder<W, K>,
        levels: &[Level],
        places: &[Vec<u64>],
        big: bool,
    ) -> TiffResult<()> {
        let bands = self.bands.len();
        for (k, (level, places)) in levels.iter().zip(places).enumerate() {
            let mut tags = to.image_directory()?;
            if k > 0 {
                tags.write_tag(Tag::NewSubfileType, 1_u32)?;
            }
            tags.write_tag(Tag::ImageWidth, level.columns as u32)?;
            tags.write_tag(Tag::ImageLength, level.rows as u32)?;
            tags.write_tag(Tag::BitsPerSample, &vec![u8::BITS as u16; bands][..])?;
            tags.write_tag(Tag::Compression, 8_u16)?;
            tags.write_tag(Tag::PhotometricInterpretation, 1_u16)?;
            tags.write_tag(Tag::SamplesPerPixel, bands as u16)?;
            tags.write_tag(Tag::PlanarConfiguration, 1_u16)?;
            tags.write_tag(Tag::Predictor, <u8 as Pixel>::PREDICTOR)?;
            tags.write_tag(Tag::SampleFormat, &vec![<u8 as Pixel>::FORMAT; bands][..])?;
            if bands > 1 {
                tags.write_tag(Tag::ExtraSamples, &vec![0_u16; bands - 1][..])?;
            }
            tags.write_tag(Tag::TileWidth, TILE as u32)?;
            tags.write_tag(Tag::TileLength, TILE as u32)?;
            let lengths: Vec<u64> = level.tiles.iter().map(|tile| tile.len() as u64).collect();
            for (tag, numbers) in [(Tag::TileOffsets, places), (Tag::TileByteCounts, &lengths)] {
                if big {
                    tags.write_tag(tag, &numbers[..])?;
                } else {
                    tags.write_tag(
                        tag,
                        &numbers.iter().map(|&number| number as u32).collect::<Vec<_>>()[..],
                    )?;
                }
            }
            tags.write_tag(Tag::GdalNodata, Text("0"))?;
            if k == 0 {
                tags.write_tag(Tag::Software, Text(&format!("lcz {}", env!("CARGO_PKG_VERSION"))))?;
                tags.write_tag(Tag::ImageDescription, Text(self.description))?;
                write_position(&mut tags, self.grid.transform.as_ref())?;
                write_system(&mut tags, &self.grid.crs)?;
                let names: Vec<String> = self.bands.iter().map(|&name| name.to_owned()).collect();
                tags.write_tag(Tag::Unknown(GDAL_METADATA), Text(&BandTags::write(&names, None)))?;
            }
            tags.finish()?;
        }
        Ok(())
    }
}

/// Cuts and compresses tiles; beyond the edges they are no data.
fn level(pixels: ArrayView3<'_, u8>) -> std::io::Result<Level> {
    let (rows, columns, bands) = pixels.dim();
    let across = columns.div_ceil(TILE);
    let tile = |k: usize| {
        let (top, left) = (k / across * TILE, k % across * TILE);
        let mut plain = Vec::with_capacity(TILE * TILE * bands);
        for row in top..top + TILE {
            let mut line = vec![0; TILE * bands];
            if row < rows {
                let there = pixels.slice(s![row, left..columns.min(left + TILE), ..]);
                line.iter_mut().zip(there).for_each(|(to, &from)| *to = from);
            }
            u8::pack(&line, bands, &mut plain);
        }
        let mut packed = Vec::new();
        Deflate::with_level(DeflateLevel::Balanced).write_to(&mut packed, &plain).map(|_| packed)
    };
    let tiles =
        (0..rows.div_ceil(TILE) * across).into_par_iter().map(tile).collect::<std::io::Result<_>>()?;
    Ok(Level { rows, columns, tiles })
}

fn failed(path: &Path, error: TiffError) -> Error {
    match error {
        TiffError::IoError(error) => Error::io(path)(error),
        other => {
            Error::Internal { what: "writing a GeoTIFF", detail: format!("{}: {other}", path.display()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::crs::Crs;
    use super::super::geotiff::GeoTiff;
    use super::super::grid::{Transform, Window};
    use super::*;

    #[test]
    fn a_map_of_several_tiles_is_read_back_with_its_bands_and_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("map.tif");
        let grid = Grid {
            rows: 300,
            columns: 530,
            transform: Some(Transform([500_000.0, 100.0, 0.0, 5_300_000.0, 0.0, -100.0])),
            crs: Crs::from_epsg(32633).unwrap(),
        };
        let pixels = ndarray::Array3::from_shape_fn((300, 530, 3), |(r, c, b)| {
            ((r * 7 + c * 3 + b * 100) % 251) as u8
        });
        let cog = Cog { grid: &grid, bands: &["lcz", "lczFilter", "probability"], description: "a test" };
        cog.write(&path, pixels.view()).unwrap().become_new().unwrap();
        let raster = GeoTiff::open(&path).unwrap();
        assert_eq!((raster.grid(), raster.no_data(), raster.bands()), (&grid, Some(0.0), 3));
        assert_eq!(raster.tags()[1].name.as_deref(), Some("lczFilter"));
        // Overviews of every second pixel down to one tile, and all directories before the pixels, the smallest level's first.
        let mut decoder = tiff::decoder::Decoder::new(std::fs::File::open(&path).unwrap()).unwrap();
        let mut places = Vec::new();
        for (level, size) in [(530, 300), (265, 150), (133, 75)].into_iter().enumerate() {
            assert_eq!(decoder.dimensions().unwrap(), size);
            let kind = decoder.find_tag(Tag::NewSubfileType).unwrap().map(|tag| tag.into_u32().unwrap());
            assert_eq!(kind.unwrap_or(0), u32::from(level > 0));
            places.push(decoder.get_tag_u64_vec(Tag::TileOffsets).unwrap());
            let tiff::decoder::DecodingResult::U8(read) = decoder.read_image().unwrap() else { panic!() };
            let wanted = pixels.slice(s![..;1 << level, ..;1 << level, ..]);
            assert!(read.iter().eq(wanted.iter()), "level {level}");
            if decoder.more_images() {
                decoder.next_image().unwrap();
            }
        }
        assert!(!decoder.more_images());
        let first = places.iter().flatten().min().unwrap();
        assert!(places[2].contains(first) && *first < 4096, "{places:?}");
        let read = raster.read(&Window::whole(&grid), None).unwrap();
        for ((band, row, column), &value) in read.indexed_iter() {
            assert!((value - f32::from(pixels[[row, column, band]])).abs() < 0.5);
        }
    }
}
