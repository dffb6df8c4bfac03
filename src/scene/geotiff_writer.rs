//! Writing GeoTIFFs, some lines at a time: memory holds a few strips, whatever the size of the raster.
//!
//! TIFF 6.0 and BigTIFF; strips compressed by deflate after a predictor, 2 for integers and 3 for floats
//! (Adobe's TIFF technical notes 2 and 3); GeoTIFF 1.1 (OGC 19-008r4) says where the pixels lie, GDAL's
//! tags 42112 and 42113 what the bands are called, what their values mean and which one means no data. The `tiff` crate writes the directory,
//! before the strips: how long it is follows from their number. It has no predictor for floats and writes an image by
//! one thread, so the strips are made here.

use std::borrow::Cow;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufWriter, Cursor, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tiff::encoder::compression::{CompressionAlgorithm, Deflate};
use tiff::encoder::{DeflateLevel, DirectoryEncoder, TiffEncoder, TiffKind, TiffValue};
use tiff::tags::{Tag, Type};
use tiff::{TiffError, TiffResult};

use super::geotiff::GDAL_METADATA;
use super::{BandTags, Crs, Grid, Scaling, Transform};
use crate::files::{Partial, check_free};
use crate::{Error, Result};

/// Bytes of a strip before compression, about.
const STRIP_BYTES: usize = 1 << 18;
/// Strips compressed at a time, in parallel.
const STRIPS_AT_ONCE: usize = 8;
/// A classic TIFF addresses four gigabytes; a raster that may need more, were it not compressed, becomes a BigTIFF.
pub(super) const CLASSIC_BYTES: u64 = 4_000_000_000;

mod sealed {
    pub trait Sealed {}
}

/// A number type that pixels can have: `u8`, `u16`, `i16`, `i32`, `f32`.
pub trait Pixel: Copy + Display + Send + Sync + sealed::Sealed {
    /// Bits of a sample.
    #[doc(hidden)]
    const BITS: u16;
    /// TIFF's sample format: 1 unsigned, 2 signed, 3 floating.
    #[doc(hidden)]
    const FORMAT: u16;
    /// TIFF's predictor.
    #[doc(hidden)]
    const PREDICTOR: u16;
    /// Appends a line of `bands` samples a pixel as the predictor leaves it.
    #[doc(hidden)]
    fn pack(line: &[Self], bands: usize, bytes: &mut Vec<u8>);
}

macro_rules! integer_pixels {
    ($($number:ty: $format:literal),*) => {$(
        impl sealed::Sealed for $number {}
        impl Pixel for $number {
            const BITS: u16 = <$number>::BITS as u16;
            const FORMAT: u16 = $format;
            const PREDICTOR: u16 = 2;

            fn pack(line: &[Self], bands: usize, bytes: &mut Vec<u8>) {
                for (k, value) in line.iter().enumerate() {
                    let before = k.checked_sub(bands).map_or(0, |before| line[before]);
                    bytes.extend_from_slice(&value.wrapping_sub(before).to_ne_bytes());
                }
            }
        }
    )*};
}

integer_pixels!(u8: 1, u16: 1, i16: 2, i32: 2);

impl sealed::Sealed for f32 {}
impl Pixel for f32 {
    const BITS: u16 = 32;
    const FORMAT: u16 = 3;
    const PREDICTOR: u16 = 3;

    /// The highest bytes of all samples first, then the next ones; then differences of bytes.
    fn pack(line: &[Self], bands: usize, bytes: &mut Vec<u8>) {
        let (start, n) = (bytes.len(), line.len());
        bytes.resize(start + 4 * n, 0);
        let packed = &mut bytes[start..];
        for (k, value) in line.iter().enumerate() {
            for (plane, byte) in value.to_be_bytes().into_iter().enumerate() {
                packed[plane * n + k] = byte;
            }
        }
        for k in (bands..packed.len()).rev() {
            packed[k] = packed[k].wrapping_sub(packed[k - bands]);
        }
    }
}

/// A GeoTIFF that is being written: lines are appended from the top, and [`finish`](Self::finish) gives the file its
/// name. Dropped before, it leaves nothing.
///
/// ```
/// use lcz::scene::{Crs, GeoTiff, GeoTiffWriter, Grid, Transform};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("zones.tif");
/// let grid = Grid {
///     rows: 2,
///     columns: 3,
///     transform: Some(Transform([500_000.0, 100.0, 0.0, 5_300_000.0, 0.0, -100.0])),
///     crs: Crs::from_epsg(32633)?,
/// };
/// let mut zones = GeoTiffWriter::<u8>::create(&path, &grid)?.no_data(0).describe("Local Climate Zones");
/// zones.append(&[1, 2, 17])?;
/// zones.append(&[0, 6, 17])?;
/// zones.finish()?;
/// assert_eq!(GeoTiff::open(&path)?.no_data(), Some(0.0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct GeoTiffWriter<P: Pixel> {
    partial: Partial,
    path: PathBuf,
    file: BufWriter<File>,
    position: u64,
    big: bool,
    grid: Grid,
    band_names: Vec<String>,
    /// Scale and offset of the values, and the unit that they give.
    scaling: Option<(Scaling, String)>,
    no_data: Option<P>,
    description: Option<String>,
    colours: Option<Vec<u16>>,
    waiting: Vec<P>,
    lines_written: usize,
    /// Place and bytes of each strip; none before the first is written.
    strips: Vec<(u64, u64)>,
}

impl<P: Pixel> GeoTiffWriter<P> {
    /// Begins a file of one band on a grid. The grid may lack transform and coordinate system.
    ///
    /// # Errors
    /// A file of that name, one that cannot be created, a grid without pixels or with too many.
    pub fn create(path: impl AsRef<Path>, grid: &Grid) -> Result<Self> {
        let path = path.as_ref();
        check_free(path)?;
        let within = |count: usize| count > 0 && u32::try_from(count).is_ok();
        if !within(grid.rows) || !within(grid.columns) {
            let problem = format!("a raster of {} x {} pixels cannot be written", grid.rows, grid.columns);
            return Err(Error::file(path, problem, "give it at least one pixel and at most 4 billion lines"));
        }
        let partial = Partial::file(path)?;
        let file = BufWriter::new(File::create(partial.path()).map_err(Error::io(path))?);
        Ok(Self {
            partial,
            path: path.to_owned(),
            file,
            position: 0,
            big: false,
            grid: grid.clone(),
            band_names: vec![String::new()],
            scaling: None,
            no_data: None,
            description: None,
            colours: None,
            waiting: Vec::new(),
            lines_written: 0,
            strips: Vec::new(),
        })
    }

    /// The value that means no data.
    #[must_use]
    pub fn no_data(mut self, value: P) -> Self {
        self.no_data = Some(value);
        self
    }

    /// The file's description (`ImageDescription`).
    #[must_use]
    pub fn describe(mut self, text: &str) -> Self {
        self.description = Some(text.to_owned());
        self
    }

    /// Bands, by their names: each pixel has a sample of each, side by side. Must be called
    /// before lines are appended.
    #[must_use]
    pub fn bands(mut self, names: &[&str]) -> Self {
        self.band_names = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// What the values mean: `scale` · value + `offset` in this unit, for all bands.
    #[must_use]
    pub fn scaled(mut self, scaling: Scaling, unit: &str) -> Self {
        self.scaling = Some((scaling, unit.to_owned()));
        self
    }

    /// Samples of a line.
    fn line(&self) -> usize {
        self.grid.columns * self.band_names.len()
    }

    /// Lines of a strip, but for the last one.
    fn strip(&self) -> usize {
        (STRIP_BYTES / (self.line() * size_of::<P>())).clamp(1, self.grid.rows)
    }

    /// Appends whole lines: pixels from left to right, with their bands side by side.
    ///
    /// # Errors
    /// A full disk, more lines than the grid has.
    pub fn append(&mut self, lines: &[P]) -> Result<()> {
        self.waiting.extend_from_slice(lines);
        if self.waiting.len() >= STRIPS_AT_ONCE * self.strip() * self.line() {
            return self.write_strips(false);
        }
        Ok(())
    }

    /// Writes the whole strips that wait, or all there is.
    fn write_strips(&mut self, all: bool) -> Result<()> {
        let (line, strip) = (self.line(), self.strip() * self.line());
        let ready = if all { self.waiting.len() } else { self.waiting.len() / strip * strip };
        let lines = self.lines_written + ready / line;
        if ready % line != 0 || lines > self.grid.rows {
            return Err(self.failed(format!("{lines} lines instead of {}", self.grid.rows)));
        }
        if self.strips.is_empty() {
            self.begin_strips()?;
        }
        let bands = self.band_names.len();
        let compress = |strip: &[P]| {
            let mut plain = Vec::with_capacity(size_of_val(strip));
            strip.chunks(line).for_each(|line| P::pack(line, bands, &mut plain));
            let mut packed = Vec::new();
            Deflate::with_level(DeflateLevel::Balanced).write_to(&mut packed, &plain).map(|_| packed)
        };
        let packed: std::io::Result<Vec<Vec<u8>>> =
            self.waiting[..ready].par_chunks(strip).map(compress).collect();
        for (k, bytes) in (self.lines_written / self.strip()..).zip(packed.map_err(Error::io(&self.path))?) {
            self.strips[k] = (self.position, bytes.len() as u64);
            self.write(&bytes)?;
        }
        self.waiting.drain(..ready);
        self.lines_written = lines;
        Ok(())
    }

    /// Leaves room for the directory.
    fn begin_strips(&mut self) -> Result<()> {
        self.strips = vec![(0, 0); self.grid.rows.div_ceil(self.strip())];
        self.big |= (self.grid.rows * self.line() * size_of::<P>()) as u64 > CLASSIC_BYTES;
        let mut directory = Cursor::new(Vec::new());
        self.write_directory(&mut directory)?;
        self.write(&vec![0; directory.into_inner().len()])
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.position += bytes.len() as u64;
        self.file.write_all(bytes).map_err(Error::io(&self.path))
    }

    fn failed(&self, detail: String) -> Error {
        Error::Internal { what: "writing a GeoTIFF", detail: format!("{}: {detail}", self.path.display()) }
    }

    /// Writes the remaining lines and the tags, and gives the file its name.
    ///
    /// # Errors
    /// Lines are missing, a full disk, a file of that name that exists by now.
    pub fn finish(self) -> Result<()> {
        self.complete()?.become_new()
    }

    /// Writes the remaining lines and the tags. The file has its name once the result takes it, so that several files can
    /// appear together.
    pub(crate) fn complete(mut self) -> Result<Partial> {
        self.write_strips(true)?;
        if self.lines_written != self.grid.rows {
            return Err(self.failed(format!("{} of {} lines", self.lines_written, self.grid.rows)));
        }
        let mut file = self.file.get_ref().try_clone().map(BufWriter::new).map_err(Error::io(&self.path))?;
        self.file.flush().and_then(|()| file.seek(SeekFrom::Start(0))).map_err(Error::io(&self.path))?;
        self.write_directory(&mut file)?;
        file.flush().map_err(Error::io(&self.path))?;
        Ok(self.partial)
    }

    /// Writes the header and the directory to the start of a file.
    fn write_directory(&self, to: &mut (impl Write + Seek)) -> Result<()> {
        let written = if self.big {
            TiffEncoder::new_big(to).and_then(|to| self.write_tags(to))
        } else {
            TiffEncoder::new(to).and_then(|to| self.write_tags(to))
        };
        written.map_err(|error| match error {
            TiffError::IoError(error) => Error::io(&self.path)(error),
            other => self.failed(other.to_string()),
        })
    }

    fn write_tags<W: Write + Seek, K: TiffKind>(&self, mut to: TiffEncoder<W, K>) -> TiffResult<()> {
        let (grid, bands) = (&self.grid, self.band_names.len());
        let mut tags = to.image_directory()?;
        tags.write_tag(Tag::ImageWidth, grid.columns as u32)?;
        tags.write_tag(Tag::ImageLength, grid.rows as u32)?;
        tags.write_tag(Tag::BitsPerSample, &vec![P::BITS; bands][..])?;
        tags.write_tag(Tag::Compression, 8_u16)?;
        tags.write_tag(Tag::PhotometricInterpretation, if self.colours.is_some() { 3_u16 } else { 1 })?;
        let (offsets, lengths): (Vec<u64>, Vec<u64>) = self.strips.iter().copied().unzip();
        for (tag, numbers) in [(Tag::StripOffsets, offsets), (Tag::StripByteCounts, lengths)] {
            if self.big {
                tags.write_tag(tag, &numbers[..])?;
            } else {
                tags.write_tag(tag, &numbers.iter().map(|&number| number as u32).collect::<Vec<_>>()[..])?;
            }
        }
        tags.write_tag(Tag::SamplesPerPixel, bands as u16)?;
        tags.write_tag(Tag::RowsPerStrip, self.strip() as u32)?;
        tags.write_tag(Tag::PlanarConfiguration, 1_u16)?;
        tags.write_tag(Tag::Software, Text(&format!("lcz {}", env!("CARGO_PKG_VERSION"))))?;
        tags.write_tag(Tag::Predictor, P::PREDICTOR)?;
        tags.write_tag(Tag::SampleFormat, &vec![P::FORMAT; bands][..])?;
        if let Some(text) = &self.description {
            tags.write_tag(Tag::ImageDescription, Text(text))?;
        }
        if let Some(table) = &self.colours {
            tags.write_tag(Tag::ColorMap, &table[..])?;
        }
        if bands > 1 {
            tags.write_tag(Tag::ExtraSamples, &vec![0_u16; bands - 1][..])?;
        }
        write_position(&mut tags, grid.transform.as_ref())?;
        write_system(&mut tags, &grid.crs)?;
        if let Some(value) = self.no_data {
            tags.write_tag(Tag::GdalNodata, Text(&value.to_string().to_lowercase()))?;
        }
        let stated = BandTags::write(&self.band_names, self.scaling.as_ref());
        if !stated.is_empty() {
            tags.write_tag(Tag::Unknown(GDAL_METADATA), Text(&stated))?;
        }
        tags.finish()
    }
}

impl GeoTiffWriter<u8> {
    /// A colour for each value from 0 on; those without one are black.
    #[must_use]
    pub fn colours(mut self, colours: &[[u8; 3]]) -> Self {
        // All reds first, then all greens, then all blues, in 16 bits.
        let table = (0..3).flat_map(|channel| {
            (0..256).map(move |value| colours.get(value).map_or(0, |colour| u16::from(colour[channel]) * 257))
        });
        self.colours = Some(table.collect());
        self
    }
}

/// Where keys have their text.
const ASCII_PARAMETERS: u16 = 34737;

/// Text of any letters: the crate's own has ASCII's only.
pub(super) struct Text<'a>(pub(super) &'a str);

impl TiffValue for Text<'_> {
    const BYTE_LEN: u8 = 1;
    const FIELD_TYPE: Type = Type::ASCII;

    fn count(&self) -> usize {
        self.0.len() + 1
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned([self.0.as_bytes(), &[0]].concat())
    }
}

/// Scale and tie point where north is up, else the matrix.
pub(super) fn write_position<W: Write + Seek, K: TiffKind>(
    tags: &mut DirectoryEncoder<'_, W, K>,
    transform: Option<&Transform>,
) -> TiffResult<()> {
    let Some(Transform(t)) = transform else { return Ok(()) };
    if t[1] > 0.0 && t[2] == 0.0 && t[4] == 0.0 && t[5] < 0.0 {
        tags.write_tag(Tag::ModelPixelScaleTag, [t[1], -t[5], 0.0])?;
        return tags.write_tag(Tag::ModelTiepointTag, [0.0, 0.0, 0.0, t[0], t[3], 0.0]);
    }
    let matrix = [t[1], t[2], 0.0, t[0], t[4], t[5], 0.0, t[3], 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0];
    tags.write_tag(Tag::ModelTransformationTag, matrix)
}

/// The keys that name the coordinate system: those of the file that the grid is from, else its EPSG code, or its name if
/// that is all there is.
pub(super) fn write_system<W: Write + Seek, K: TiffKind>(
    tags: &mut DirectoryEncoder<'_, W, K>,
    crs: &Crs,
) -> TiffResult<()> {
    const USER_DEFINED: u16 = 32767;
    if let Some(keys) = crs.keys() {
        let (directory, doubles, texts) = keys.written();
        tags.write_tag(Tag::GeoKeyDirectoryTag, &directory[..])?;
        if !doubles.is_empty() {
            tags.write_tag(Tag::GeoDoubleParamsTag, doubles)?;
        }
        return if texts.is_empty() { Ok(()) } else { tags.write_tag(Tag::GeoAsciiParamsTag, Text(texts)) };
    }
    // The model (1 projected, 2 geographic), pixels that are areas, the system, its unit, its name.
    let (model, key, citation, epsg, unit, name) = match crs {
        Crs::Undetermined(_) | Crs::Unknown => return Ok(()),
        Crs::Projected { epsg, metres, name, .. } => {
            let unit = super::geokeys::unit_of(*metres).map(|unit| (3076, unit));
            (1, 3072, 3073, epsg, unit, name)
        }
        Crs::Geographic { epsg, name, .. } => (2, 2048, 2049, epsg, Some((2054, 9102)), name),
    };
    let mut keys = vec![[1024, 0, 1, model], [1025, 0, 1, 1], [key, 0, 1, epsg.unwrap_or(USER_DEFINED)]];
    keys.extend(unit.map(|(key, unit)| [key, 0, 1, unit]));
    let text = name.as_ref().filter(|_| epsg.is_none()).map(|name| format!("{name}|"));
    keys.extend(text.as_ref().map(|text| [citation, ASCII_PARAMETERS, text.len() as u16, 0]));
    keys.sort_unstable();
    keys.insert(0, [1, 1, 1, keys.len() as u16]);
    tags.write_tag(Tag::GeoKeyDirectoryTag, keys.as_flattened())?;
    text.map_or(Ok(()), |text| tags.write_tag(Tag::GeoAsciiParamsTag, Text(&text)))
}

#[cfg(test)]
mod tests {
    use super::super::geotiff::GeoTiff;
    use super::super::grid::Window;
    use super::*;

    #[test]
    fn a_raster_that_may_need_more_than_four_gigabytes_is_a_big_tiff() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big.tif");
        let crs = Crs::Projected { epsg: None, metres: 1.0, name: Some("old town".to_owned()), keys: None };
        let grid = Grid { rows: 300, columns: 700, transform: None, crs };
        let mut writer = GeoTiffWriter::<i32>::create(&path, &grid).unwrap().no_data(-1);
        writer.big = true;
        let pixels: Vec<i32> = (0..300 * 700).map(|k| k * 1009 - 70_000_000).collect();
        writer.append(&pixels).unwrap();
        writer.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap()[..8], [b'I', b'I', 43, 0, 8, 0, 0, 0]);
        let raster = GeoTiff::open(&path).unwrap();
        assert_eq!((raster.grid(), raster.no_data()), (&grid, Some(-1.0)));
        let read = raster.read(&Window::whole(&grid), None).unwrap();
        assert!(read.iter().zip(&pixels).all(|(read, &wrote)| read.total_cmp(&(wrote as f32)).is_eq()));
    }
}
