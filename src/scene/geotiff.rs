//! GeoTIFF files: bands on a grid, and which pixels hold no data.
//!
//! Strips or tiles, chunky or planar; 8 to 64 bits, integer or float; uncompressed, LZW, deflate
//! (both tags) or `PackBits`. Georeference: GeoTIFF 1.1 (OGC 19-008r4); no-data: GDAL's tag 42113; names, scale and offset of
//! bands: GDAL's tag 42112.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::Array3;
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{ByteOrder, Tag};
use tiff::{TiffError, TiffResult};

use super::band_tags::BandTags;
use super::crs::Crs;
use super::geokeys::GeoKeys;
use super::grid::{Grid, Transform, Window};
use crate::error::on_one_line;
use crate::{Error, Result};

/// GDAL's own words, as XML.
pub(super) const GDAL_METADATA: u16 = 42112;
/// Compression methods that can be read: none, LZW, deflate, deflate under its older number, `PackBits`.
const COMPRESSIONS: [u16; 5] = [1, 5, 8, 32946, 32773];
/// The names that GDAL gives to others.
const OTHER_COMPRESSIONS: [(u16, &str); 9] = [
    (2, "CCITTRLE"),
    (3, "CCITTFAX3"),
    (4, "CCITTFAX4"),
    (6, "old-style JPEG"),
    (7, "JPEG"),
    (34887, "LERC"),
    (34925, "LZMA"),
    (50000, "ZSTD"),
    (50001, "WEBP"),
];
/// The command that converts most files that cannot be read.
const CONVERT: &str = "convert it: gdal_translate -co COMPRESS=DEFLATE IN.tif OUT.tif";
/// No compression method above packs more than this many bytes into one.
const LARGEST_COMPRESSION_RATIO: u64 = 4096;

/// An open GeoTIFF: what its header says. Pixels are read by [`read`](Self::read), a window at a time.
#[derive(Debug, Clone)]
pub struct GeoTiff {
    path: PathBuf,
    grid: Grid,
    /// Samples of a pixel in the file.
    samples: usize,
    /// Those that are bands, in order.
    bands: Vec<usize>,
    planar: bool,
    integer: bool,
    no_data: Option<f64>,
    /// What the file states about each band.
    tags: Vec<BandTags>,
    description: Option<String>,
    retouches: Retouches,
    /// Bytes of each strip or tile; 0 where GDAL left an empty one out.
    chunk_bytes: Vec<u64>,
}

impl GeoTiff {
    /// Reads the header.
    ///
    /// ```no_run
    /// use lcz::scene::{GeoTiff, Window};
    /// let tiff = GeoTiff::open("B4.tif")?;
    /// let pixels = tiff.read(&Window { rows: 0..100, columns: 0..100 }, None)?; // (bands, 100, 100)
    /// println!("{} bands; the first pixel is {}", tiff.bands(), pixels[[0, 0, 0]]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    ///
    /// # Errors
    /// A missing file, one that is no TIFF, or one in an encoding that is not supported; names the
    /// file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(Error::io(path))?;
        let length = file.metadata().map_err(Error::io(path))?.len();
        let refuse = |error: TiffError| unreadable(path, &error);
        let mut decoder = Decoder::new(BufReader::new(file)).map_err(refuse)?.with_limits(limits());
        let compression = decoder.find_tag_unsigned(Tag::Compression).map_err(refuse)?.unwrap_or(1u16);
        if !COMPRESSIONS.contains(&compression) {
            let name = OTHER_COMPRESSIONS.iter().find(|(code, _)| *code == compression);
            let name = name.map_or_else(|| format!("method {compression}"), |(_, name)| (*name).to_owned());
            let problem = format!("compression {name} is not supported");
            return Err(Error::file(path, problem, CONVERT));
        }
        let bits = decoder.find_tag_unsigned_vec(Tag::BitsPerSample).map_err(refuse)?.unwrap_or(vec![1u16]);
        let bits = bits.first().copied().unwrap_or(1);
        if !matches!(bits, 8 | 16 | 32 | 64) {
            return Err(Error::file(
                path,
                format!("pixels of {bits} bits are not supported"),
                match bits {
                    ..8 => "convert it: gdal_translate -ot Byte -co NBITS=8 IN.tif OUT.tif",
                    8..16 => "convert it: gdal_translate -ot UInt16 -co NBITS=16 IN.tif OUT.tif",
                    _ => "convert it: gdal_translate -ot Float32 -co NBITS=32 IN.tif OUT.tif",
                },
            ));
        }
        let formats = decoder.find_tag_unsigned_vec(Tag::SampleFormat).map_err(refuse)?.unwrap_or(vec![1u16]);
        if let Some(5 | 6) = formats.first() {
            let advice = "take the real part: gdal_translate -ot Float32 IN.tif OUT.tif";
            return Err(Error::file(path, "complex pixels are not supported", advice));
        }
        let (columns, rows) = decoder.dimensions().map_err(refuse)?;
        let samples = decoder.find_tag_unsigned(Tag::SamplesPerPixel).map_err(refuse)?.unwrap_or(1u16);
        let extra = decoder.find_tag_unsigned_vec(Tag::ExtraSamples).map_err(refuse)?.unwrap_or_default();
        let bands = bands_without_alpha(samples.into(), &extra);
        let bytes = u64::from(columns) * u64::from(rows);
        if bytes.saturating_mul(u64::from(samples) * u64::from(bits / 8))
            > length.saturating_mul(LARGEST_COMPRESSION_RATIO)
        {
            let problem = format!("{length} bytes cannot hold its {rows} x {columns} pixels");
            return Err(Error::file(path, problem, "the file is damaged: get it again"));
        }
        let planar = decoder.find_tag_unsigned(Tag::PlanarConfiguration).map_err(refuse)? == Some(2u16);
        let no_data = match decoder.find_tag(Tag::GdalNodata).map_err(refuse)? {
            Some(value) => parse_no_data(path, &value.into_string().map_err(refuse)?)?,
            None => None,
        };
        let description = decoder.find_tag(Tag::ImageDescription).map_err(refuse)?;
        // Words in an odd encoding are no reason to refuse pixels.
        let description = description.and_then(|value| value.into_string().ok());
        let tags = band_tags(&mut decoder, path, samples.into(), &bands);
        let (transform, crs) = georeference(&mut decoder).map_err(refuse)?;
        if transform.is_some_and(|transform| !transform.is_invertible()) {
            let advice = "set the position again: gdal_edit.py -a_ullr LEFT TOP RIGHT BOTTOM FILE";
            return Err(Error::file(path, "its pixels have no size on the ground", advice));
        }
        let retouches = retouches(&mut decoder).map_err(refuse)?;
        let tag = match decoder.get_chunk_type() {
            tiff::decoder::ChunkType::Strip => Tag::StripByteCounts,
            tiff::decoder::ChunkType::Tile => Tag::TileByteCounts,
        };
        let chunk_bytes = decoder.find_tag_unsigned_vec(tag).map_err(refuse)?.unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            grid: Grid { rows: rows as usize, columns: columns as usize, transform, crs },
            samples: samples.into(),
            bands,
            planar,
            integer: !formats.contains(&3),
            no_data,
            tags,
            description: description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            retouches,
            chunk_bytes,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its pixels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many bands: samples a pixel, without those that are marked as opacity (alpha).
    pub fn bands(&self) -> usize {
        self.bands.len()
    }

    /// Whether the pixels are integers.
    pub fn is_integer(&self) -> bool {
        self.integer
    }

    /// What the file states about each band: name, scale, offset, unit (GDAL's tag 42112).
    pub fn tags(&self) -> &[BandTags] {
        &self.tags
    }

    /// Refuses a file of several bands where one of these is expected.
    pub(super) fn check_single(&self, of: &str) -> Result<()> {
        if self.bands() == 1 {
            return Ok(());
        }
        let problem = format!("{} bands, where one of {of} is expected", self.bands());
        Err(Error::file(&self.path, problem, "extract it: gdal_translate -b 1 IN.tif OUT.tif"))
    }

    /// The same file as one of this band alone.
    pub(super) fn only(mut self, band: usize) -> Self {
        self.bands = vec![self.bands[band]];
        self.tags = vec![self.tags[band].clone()];
        self
    }

    /// The file's description (`ImageDescription`).
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The value that means no data, if the file names one (GDAL's tag 42113).
    pub fn no_data(&self) -> Option<f64> {
        self.no_data
    }

    /// The pixels of a window; those that equal `no_data` become NaN. The comparison is exact, in
    /// the file's own number type. Pixels of a strip or tile that a sparse file leaves out are no
    /// data if `no_data` is given, else 0, as GDAL reads them.
    ///
    /// # Shape
    /// (bands, rows, columns) of the window.
    ///
    /// # Errors
    /// A window that leaves the raster, a file that ends early or holds what cannot be decoded.
    pub fn read(&self, window: &Window, no_data: Option<f64>) -> Result<Array3<f32>> {
        if window.rows.end > self.grid.rows || window.columns.end > self.grid.columns {
            return Err(Error::file(
                &self.path,
                format!("rows {:?}, columns {:?} leave the raster", window.rows, window.columns),
                format!("it has {} x {} pixels", self.grid.rows, self.grid.columns),
            ));
        }
        let shape = (self.bands.len(), window.rows.len(), window.columns.len());
        let count = shape.0 * shape.1 * shape.2;
        let mut values = Vec::new();
        if values.try_reserve_exact(count).is_err() {
            let problem = format!("{count} pixels do not fit into memory");
            return Err(Error::file(&self.path, problem, "cut the scene to the labelled area"));
        }
        let absent = if no_data.is_some() { f32::NAN } else { 0.0 };
        values.resize(count, absent);
        let mut pixels = Array3::from_shape_vec(shape, values)
            .map_err(|error| Error::Internal { what: "reading a raster", detail: error.to_string() })?;
        self.decode_into(&mut pixels, window, no_data).map_err(|error| unreadable(&self.path, &error))?;
        Ok(pixels)
    }

    /// Decodes the strips or tiles that the window touches.
    fn decode_into(&self, pixels: &mut Array3<f32>, window: &Window, no_data: Option<f64>) -> TiffResult<()> {
        let (file, retouches) = (File::open(&self.path)?, self.retouches.clone());
        let file = Retouched { file, position: 0, retouches };
        let mut decoder = Decoder::new(BufReader::new(file))?.with_limits(limits());
        let (width, height) = decoder.chunk_dimensions();
        let (width, height) = (width as usize, height as usize);
        let across = self.grid.columns.div_ceil(width);
        let in_a_plane = across * self.grid.rows.div_ceil(height);
        let samples = if self.planar { 1 } else { self.samples };
        let mut band_of = vec![None; self.samples];
        for (band, &sample) in self.bands.iter().enumerate() {
            band_of[sample] = Some(band);
        }
        for (chunk, &bytes) in self.chunk_bytes.iter().enumerate() {
            let (plane, place) = (chunk / in_a_plane, chunk % in_a_plane);
            let (top, left) = (place / across * height, place % across * width);
            let touched = top < window.rows.end
                && top + height > window.rows.start
                && left < window.columns.end
                && left + width > window.columns.start;
            let only_alpha = self.planar && band_of.get(plane).copied().flatten().is_none();
            if bytes == 0 || !touched || only_alpha {
                continue;
            }
            let chunk = u32::try_from(chunk)?;
            let data_width = decoder.chunk_data_dimensions(chunk).0 as usize;
            let decoded = decoder.read_chunk(chunk)?;
            each_sample(&decoded, no_data, |k, value| {
                let (pixel, sample) = (k / samples, plane + k % samples);
                let (row, column) = (top + pixel / data_width, left + pixel % data_width);
                if let Some(band) = band_of[sample]
                    && window.rows.contains(&row)
                    && window.columns.contains(&column)
                {
                    pixels[[band, row - window.rows.start, column - window.columns.start]] = value;
                }
            });
        }
        Ok(())
    }
}

/// The samples of a pixel that are bands: all but those that the tag, which is about the last samples,
/// calls opacity (1 or 2). If that is all of them, they are bands after all.
fn bands_without_alpha(samples: usize, extra: &[u16]) -> Vec<usize> {
    let first = samples.saturating_sub(extra.len());
    let opacity = |sample: usize| {
        sample.checked_sub(first).and_then(|k| extra.get(k)).is_some_and(|&e| e == 1 || e == 2)
    };
    let bands: Vec<usize> = (0..samples).filter(|&sample| !opacity(sample)).collect();
    if bands.is_empty() { (0..samples).collect() } else { bands }
}

/// What the file states about its bands. Tags that cannot be read are named, and those pixels are plain numbers.
fn band_tags<R: Read + Seek>(
    decoder: &mut Decoder<R>,
    path: &Path,
    samples: usize,
    bands: &[usize],
) -> Vec<BandTags> {
    let text = decoder
        .find_tag(Tag::Unknown(GDAL_METADATA))
        .and_then(|value| value.map(Value::into_string).transpose());
    let tags = match text {
        Ok(None) => return vec![BandTags::default(); bands.len()],
        Ok(Some(xml)) => BandTags::parse(&xml, samples),
        Err(error) => Err(error.to_string()),
    };
    let tags = tags.unwrap_or_else(|error| {
        let error = on_one_line(&error);
        tracing::warn!(
            "{}: GDAL's metadata cannot be read ({error}): no scale, offset or band name is taken from it",
            path.display()
        );
        vec![BandTags::default(); samples]
    });
    bands.iter().map(|&sample| tags[sample].clone()).collect()
}

/// Passes on every sample with its position in the chunk, as f32; no data as NaN.
fn each_sample(chunk: &DecodingResult, no_data: Option<f64>, mut take: impl FnMut(usize, f32)) {
    macro_rules! hand_on {
        ($samples:expr, $to_f64:expr, $no_data:expr) => {{
            let no_data: Option<f64> = $no_data;
            for (k, &sample) in $samples.iter().enumerate() {
                let value: f64 = $to_f64(sample);
                take(k, if no_data == Some(value) { f32::NAN } else { value as f32 });
            }
        }};
    }
    match chunk {
        DecodingResult::U8(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::I8(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::U16(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::I16(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::U32(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::I32(samples) => hand_on!(samples, f64::from, no_data),
        DecodingResult::U64(samples) => hand_on!(samples, |sample| sample as f64, no_data),
        DecodingResult::I64(samples) => hand_on!(samples, |sample| sample as f64, no_data),
        DecodingResult::F64(samples) => hand_on!(samples, f64::from, no_data),
        // The tag holds a decimal number: -3.4e38 must be rounded as the pixels were.
        DecodingResult::F32(samples) => hand_on!(samples, f64::from, no_data.map(|v| f64::from(v as f32))),
        DecodingResult::F16(samples) => {
            for (k, sample) in samples.iter().enumerate() {
                let value = sample.to_f64();
                take(k, if no_data == Some(value) { f32::NAN } else { value as f32 });
            }
        }
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

/// A decoder's error, in words for the user.
fn unreadable(path: &Path, error: &TiffError) -> Error {
    use tiff::TiffFormatError::{TiffSignatureInvalid, TiffSignatureNotFound};
    match error {
        TiffError::FormatError(TiffSignatureInvalid | TiffSignatureNotFound) => Error::file(
            path,
            "not a TIFF file",
            "give a GeoTIFF, or of a Sentinel-2 product the folder: --scene",
        ),
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::file(path, "the file ends early", "get it again: the copy is incomplete")
        }
        TiffError::UnsupportedError(error) => Error::file(path, format!("{error}"), CONVERT),
        error => Error::file(path, format!("{error}"), "the file is damaged: get it again"),
    }
}

/// GDAL writes the no-data value as text, NaN as `nan`; a NaN pixel counts as no data anyway.
fn parse_no_data(path: &Path, text: &str) -> Result<Option<f64>> {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let problem = format!("its no-data value '{text}' is not a number");
        Error::file(path, problem, "set it with gdal_edit.py -a_nodata VALUE FILE")
    })
}

/// Transform and coordinate system from the GeoTIFF tags.
fn georeference<R: Read + Seek>(decoder: &mut Decoder<R>) -> TiffResult<(Option<Transform>, Crs)> {
    let keys = match decoder.find_tag(Tag::GeoKeyDirectoryTag)? {
        Some(keys) => keys.into_u16_vec()?,
        None => Vec::new(),
    };
    let texts = match decoder.find_tag(Tag::GeoAsciiParamsTag)? {
        Some(texts) => texts.into_string()?,
        None => String::new(),
    };
    let numbers = |decoder: &mut Decoder<R>, tag| -> TiffResult<Vec<f64>> {
        decoder.find_tag(tag)?.map_or(Ok(Vec::new()), Value::into_f64_vec)
    };
    // Numbers that cannot be read are lacking: keys without them are not kept.
    let of_keys = numbers(decoder, Tag::GeoDoubleParamsTag).unwrap_or_default();
    let keys = GeoKeys::new(keys, of_keys, texts);
    let of_centres = keys.are_of_centres();
    let crs = keys.crs();
    let matrix = numbers(decoder, Tag::ModelTransformationTag)?;
    let scale = numbers(decoder, Tag::ModelPixelScaleTag)?;
    let tie = numbers(decoder, Tag::ModelTiepointTag)?;
    let mut transform = if matrix.len() >= 8 {
        [matrix[3], matrix[0], matrix[1], matrix[7], matrix[4], matrix[5]]
    } else if scale.len() >= 2 && tie.len() >= 6 {
        // A tie point is (column, row, height, x, y, z).
        [tie[3] - tie[0] * scale[0], scale[0], 0.0, tie[4] + tie[1] * scale[1], 0.0, -scale[1]]
    } else {
        return Ok((None, crs));
    };
    if of_centres {
        // Coordinates are those of pixel centres: move them to the corners.
        transform[0] -= f64::midpoint(transform[1], transform[2]);
        transform[3] -= f64::midpoint(transform[4], transform[5]);
    }
    Ok((Some(Transform(transform)), crs))
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
type Retouches = Vec<(u64, Vec<u8>)>;

/// Finds the entries in the first directory of a file.
fn retouches<R: Read + Seek>(decoder: &mut Decoder<R>) -> TiffResult<Retouches> {
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
    decoder.goto_offset_u64(0)?;
    decoder.read_short()?;
    let big = decoder.read_short()? == 43;
    decoder.goto_offset_u64(start)?;
    // (bytes that count the entries, bytes of an entry, of its value's place in it)
    let (counter, entry, value) = if big { (8, 20, 12) } else { (2, 12, 8) };
    let count = if big { decoder.read_long8()? } else { decoder.read_short()?.into() };
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

/// A file read with some bytes replaced.
struct Retouched {
    file: File,
    position: u64,
    retouches: Retouches,
}

impl Read for Retouched {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
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
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.position = self.file.seek(to)?;
        Ok(self.position)
    }
}
