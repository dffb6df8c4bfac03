//! GeoTIFF files: bands on a grid, and which pixels hold no data.
//!
//! Strips or tiles, chunky or planar; 8 to 64 bits, integer or float; uncompressed, LZW, deflate
//! (both tags) or `PackBits`. Georeference: GeoTIFF 1.1 (OGC 19-008r4); no-data: GDAL's tag 42113; names, scale and offset of
//! bands: GDAL's tag 42112.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use tiff::decoder::ifd::Value;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{TiffError, TiffResult};

use super::tiff_bytes::{Retouches, TiffBytes, TiffDecoder, retouches};
use super::tiff_mask::{TiffMask, is_mask};
use super::{BandTags, Crs, GeoKeys, Grid, Transform, Window};
use crate::error::on_one_line;
use crate::files::open_file;
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
    bytes: TiffBytes,
    grid: Grid,
    /// Samples of a pixel in the file.
    samples: usize,
    /// Those that are bands, in order.
    bands: Vec<usize>,
    /// Those that are opacity or a mask: 0 means no data.
    opacity: Vec<usize>,
    /// Whether no tag says so.
    untagged_mask: bool,
    mask: Option<TiffMask>,
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
    /// A missing file, one that is not a TIFF, or one in an encoding that is not supported; names the
    /// file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(not_a_tiff(path, "a folder, not a GeoTIFF"));
        }
        open_file(path)?;
        let bytes = TiffBytes::of_file(path).map_err(Error::io(path))?;
        let mut file = Self::of_bytes(path, bytes)?;
        file.mask = match file.mask {
            None => TiffMask::next_to(path, &file.grid)?,
            inside => inside,
        };
        Ok(file)
    }

    /// Reads the header of a file or a part of an archive; `path` is for messages.
    pub(super) fn of_bytes(path: &Path, bytes: TiffBytes) -> Result<Self> {
        let length = bytes.len();
        let refuse = |error: TiffError| unreadable(path, &error);
        let mut decoder = bytes.decoder(Retouches::new()).map_err(refuse)?;
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
        let pixels = u64::from(columns) * u64::from(rows);
        if pixels.saturating_mul(u64::from(samples) * u64::from(bits / 8))
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
        let grid = Grid { rows: rows as usize, columns: columns as usize, transform, crs };
        let mask = TiffMask::within(path, &bytes, &mut decoder, &grid)?;
        let mut file = Self {
            path: path.to_owned(),
            bytes,
            grid,
            samples: samples.into(),
            opacity: (0..samples.into()).filter(|sample| !bands.contains(sample)).collect(),
            untagged_mask: false,
            mask,
            bands,
            planar,
            integer: !formats.contains(&3),
            no_data,
            tags,
            description: description.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()),
            retouches,
            chunk_bytes,
        };
        if file.samples == 2 && file.bands.len() == 2 && file.integer {
            // What cannot be read is refused when pixels are.
            file.untagged_mask = file.second_is_mask().unwrap_or(false);
        }
        if file.untagged_mask {
            (file.bands, file.opacity) = (vec![0], vec![1]);
            file.tags.truncate(1);
        }
        Ok(file)
    }

    /// The same pixels, of which a product states this.
    pub(super) fn of_product(
        self,
        tags: BandTags,
        description: Option<String>,
        no_data: Option<f64>,
    ) -> Self {
        Self { tags: vec![tags], description, no_data, ..self }
    }

    /// Whether a mask is known by its values alone: of two samples, the second holds 0 and the largest number only.
    pub fn has_untagged_mask(&self) -> bool {
        self.untagged_mask
    }

    /// Whether the file says pixel by pixel which have no data: a mask, or opacity (alpha).
    pub fn has_mask(&self) -> bool {
        self.mask.is_some() || !self.opacity.is_empty()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same file in another coordinate system than it states.
    pub(super) fn with_crs(mut self, crs: Crs) -> Self {
        self.grid.crs = crs;
        self
    }

    /// Where its pixels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many bands: samples a pixel, without those that are opacity (alpha) or a mask.
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

    /// The pixels of a window; those that equal `no_data` become NaN, as do those whose mask or opacity is 0. The comparison
    /// is exact, in the file's own number type. Pixels of a strip or tile that a sparse file leaves out are no
    /// data if `no_data` is given, else 0, as GDAL reads them.
    ///
    /// # Shape
    /// (bands, rows, columns) of the window.
    ///
    /// # Errors
    /// A window that leaves the raster, a file that ends early or holds what cannot be decoded.
    pub fn read(&self, window: &Window, no_data: Option<f64>) -> Result<Array3<f32>> {
        window.check_within(&self.grid, &self.path)?;
        let absent = if no_data.is_some() { f32::NAN } else { 0.0 };
        let mut pixels = window.filled(self.bands.len(), absent, &self.path)?;
        let refuse = |error: TiffError| unreadable(&self.path, &error);
        let mut lacking = self.decode_into(&mut pixels, window, no_data).map_err(refuse)?;
        if let Some(mask) = &self.mask {
            mask.read(window, &mut lacking).map_err(refuse)?;
        }
        if self.has_mask() {
            for mut band in pixels.outer_iter_mut() {
                band.zip_mut_with(&lacking, |pixel, &lacking| {
                    *pixel = if lacking { f32::NAN } else { *pixel }
                });
            }
        }
        Ok(pixels)
    }

    /// Whether the second of two samples holds 0 and the largest number only, and the latter somewhere.
    fn second_is_mask(&self) -> TiffResult<bool> {
        let mut decoder = self.decoder()?;
        let chunks = self.chunk_bytes.len();
        let (first, step) = if self.planar { (chunks / 2, 1) } else { (0, 2) };
        let mut opaque = false;
        for (chunk, &bytes) in self.chunk_bytes.iter().enumerate().skip(first) {
            if bytes == 0 {
                continue;
            }
            let (of_chunk, is_mask) = is_mask(&decoder.read_chunk(u32::try_from(chunk)?)?, step);
            if !is_mask {
                return Ok(false);
            }
            opaque |= of_chunk;
        }
        Ok(opaque)
    }

    fn decoder(&self) -> TiffResult<TiffDecoder> {
        self.bytes.decoder(self.retouches.clone())
    }

    /// Decodes the strips or tiles that the window touches; returns where opacity is 0.
    fn decode_into(
        &self,
        pixels: &mut Array3<f32>,
        window: &Window,
        no_data: Option<f64>,
    ) -> TiffResult<Array2<bool>> {
        // Where a sparse file leaves a chunk of it out, opacity is 0.
        let absent = !self.opacity.is_empty();
        let mut lacking = Array2::from_elem((window.rows.len(), window.columns.len()), absent);
        let mut decoder = self.decoder()?;
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
            if bytes == 0 || !touched {
                continue;
            }
            let chunk = u32::try_from(chunk)?;
            let data_width = decoder.chunk_data_dimensions(chunk).0 as usize;
            let decoded = decoder.read_chunk(chunk)?;
            each_sample(&decoded, no_data, |k, value, raw| {
                let (pixel, sample) = (k / samples, plane + k % samples);
                let (row, column) = (top + pixel / data_width, left + pixel % data_width);
                if !window.rows.contains(&row) || !window.columns.contains(&column) {
                    return;
                }
                let (row, column) = (row - window.rows.start, column - window.columns.start);
                match band_of.get(sample) {
                    Some(Some(band)) => pixels[[*band, row, column]] = value,
                    Some(None) if self.opacity.first() == Some(&sample) => {
                        lacking[[row, column]] = raw == 0.0;
                    }
                    _ => {}
                }
            });
        }
        Ok(lacking)
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

/// Passes on every sample with its position in the chunk, as f32, no data as NaN, and as it is.
fn each_sample(chunk: &DecodingResult, no_data: Option<f64>, mut take: impl FnMut(usize, f32, f64)) {
    macro_rules! hand_on {
        ($samples:expr, $to_f64:expr, $no_data:expr) => {{
            let no_data: Option<f64> = $no_data;
            for (k, &sample) in $samples.iter().enumerate() {
                let value: f64 = $to_f64(sample);
                take(k, if no_data == Some(value) { f32::NAN } else { value as f32 }, value);
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
                take(k, if no_data == Some(value) { f32::NAN } else { value as f32 }, value);
            }
        }
    }
}

/// Something else than a GeoTIFF, with what to do about it.
fn not_a_tiff(path: &Path, problem: &str) -> Error {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let product = path.ancestors().find(|folder| folder.extension().is_some_and(|ending| ending == "SAFE"));
    let scene = |scene: &Path| format!("give the whole scene: --scene {}", scene.display());
    match (product, ending.as_deref()) {
        (Some(product), _) => {
            Error::file(path, format!("{problem}: part of a Sentinel-2 product"), scene(product))
        }
        (None, Some("jp2" | "j2k" | "jpx")) => {
            let advice =
                "give the product's folder: --scene FOLDER, or convert it: gdal_translate IN.jp2 OUT.tif";
            Error::file(path, format!("{problem} but JPEG 2000"), advice)
        }
        (None, Some("gz" | "tgz" | "bz2" | "xz")) => {
            let advice = "unpack it, and give the folder of its files: --scene FOLDER";
            Error::file(path, format!("{problem} but a compressed archive"), advice)
        }
        (None, Some("zip" | "tar")) => Error::file(path, format!("{problem} but an archive"), scene(path)),
        (None, _) if path.is_dir() => Error::file(path, problem, scene(path)),
        _ => Error::file(path, problem, "give a GeoTIFF, or of a Sentinel-2 product the folder: --scene"),
    }
}

/// A decoder's error, in words for the user.
pub(super) fn unreadable(path: &Path, error: &TiffError) -> Error {
    use tiff::TiffFormatError::{TiffSignatureInvalid, TiffSignatureNotFound};
    match error {
        TiffError::FormatError(TiffSignatureInvalid | TiffSignatureNotFound) => {
            not_a_tiff(path, "not a TIFF file")
        }
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
    let crs = match crs {
        Crs::Geographic { keys: Some(keys), .. }
            if keys.lack_kind() && (transform[0].abs() > 360.0 || transform[3].abs() > 90.0) =>
        {
            Crs::Undetermined(keys)
        }
        crs => crs,
    };
    Ok((Some(Transform(transform)), crs))
}
