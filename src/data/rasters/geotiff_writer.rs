//! Writing a GeoTIFF of one band, some lines at a time: uncompressed strips, and the tags that say where
//! the pixels lie (GeoTIFF 1.1, OGC 19-008r4), what means no data (GDAL's tag 42113), and where the pixels
//! come from (`ImageDescription`).

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use tiff::TiffError;
use tiff::encoder::colortype::ColorType;
use tiff::encoder::{ImageEncoder, TiffEncoder, TiffKindStandard, TiffValue};
use tiff::tags::Tag;

use super::crs::Crs;
use super::grid::Grid;
use crate::{Error, Result};

pub(crate) use tiff::encoder::colortype::{Gray8, Gray16};

/// Lines a strip.
pub(crate) const STRIP: usize = 64;
/// A classic TIFF addresses four gigabytes; what the tags need is left free.
const MOST_BYTES: u64 = 4_000_000_000;

/// A file on its way; [`band`](Self::band) fills it.
pub(crate) struct GeoTiffFile {
    path: PathBuf,
    encoder: TiffEncoder<BufWriter<File>>,
}

impl GeoTiffFile {
    /// Begins a file.
    ///
    /// # Errors
    /// The file cannot be created.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = BufWriter::new(File::create(path).map_err(Error::io(path))?);
        let encoder = TiffEncoder::new(file).map_err(|error| failed(path, error))?;
        // The encoder compresses whole images only, not strip by strip.
        Ok(Self { path: path.to_owned(), encoder })
    }

    /// The file's one band, ready for its lines from the top; `no_data` and `description` go into the tags.
    ///
    /// # Errors
    /// A grid without transform or EPSG code, too many pixels for the format, a full disk.
    pub(crate) fn band<C: ColorType>(
        &mut self,
        grid: &Grid,
        no_data: u16,
        description: &str,
    ) -> Result<Band<'_, C>> {
        let path = self.path.clone();
        let pixels = grid.rows as u64 * grid.columns as u64;
        if pixels.saturating_mul(size_of::<C::Inner>() as u64) > MOST_BYTES {
            let problem = format!("{} x {} pixels are too many for one TIFF", grid.rows, grid.columns);
            return Err(Error::file(&path, problem, "make the scene smaller"));
        }
        let (Some(transform), &Crs::Projected { epsg: Some(epsg), .. }) = (grid.transform, &grid.crs) else {
            return Err(Error::file(
                &path,
                "the grid does not say where it lies",
                "give it a projected system",
            ));
        };
        let fail = |error| failed(&path, error);
        let (width, height) = (grid.columns as u32, grid.rows as u32);
        let mut image = self.encoder.new_image::<C>(width, height).map_err(fail)?;
        image.rows_per_strip(STRIP as u32).map_err(fail)?;
        let t = transform.0;
        let tags = image.encoder();
        // Four numbers a key: key, where its value is (0 = here), count, value. A projected model, pixels
        // that are areas, the EPSG code, metres.
        let keys: [u16; 20] = [1, 1, 1, 4, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, epsg, 3076, 0, 1, 9001];
        let tagged = tags
            .write_tag(Tag::ModelPixelScaleTag, [t[1], -t[5], 0.0].as_slice())
            .and_then(|()| tags.write_tag(Tag::ModelTiepointTag, [0.0, 0.0, 0.0, t[0], t[3], 0.0].as_slice()))
            .and_then(|()| tags.write_tag(Tag::GeoKeyDirectoryTag, keys.as_slice()))
            .and_then(|()| tags.write_tag(Tag::GdalNodata, no_data.to_string().as_str()))
            .and_then(|()| tags.write_tag(Tag::ImageDescription, description));
        tagged.map_err(fail)?;
        Ok(Band { path, columns: grid.columns, rows: grid.rows, waiting: Vec::new(), written: 0, image })
    }
}

/// Takes the pixels of a band.
pub(crate) struct Band<'a, C: ColorType> {
    path: PathBuf,
    columns: usize,
    rows: usize,
    waiting: Vec<C::Inner>,
    written: usize,
    image: ImageEncoder<'a, BufWriter<File>, C, TiffKindStandard>,
}

impl<C: ColorType> Band<'_, C>
where
    C::Inner: Copy,
    [C::Inner]: TiffValue,
{
    /// Appends whole lines.
    ///
    /// # Errors
    /// A full disk.
    pub(crate) fn append(&mut self, lines: &[C::Inner]) -> Result<()> {
        self.waiting.extend_from_slice(lines);
        loop {
            let lines = STRIP.min(self.rows - self.written);
            let strip = lines * self.columns;
            if lines == 0 || self.waiting.len() < strip {
                return Ok(());
            }
            self.image.write_strip(&self.waiting[..strip]).map_err(|error| failed(&self.path, error))?;
            self.waiting.drain(..strip);
            self.written += lines;
        }
    }

    /// Writes the tags.
    ///
    /// # Errors
    /// Lines are missing, or a full disk.
    pub(crate) fn finish(self) -> Result<()> {
        if self.written != self.rows {
            let detail = format!("{}: {} of {} lines", self.path.display(), self.written, self.rows);
            return Err(Error::Internal { what: "writing a GeoTIFF", detail });
        }
        self.image.finish().map_err(|error| failed(&self.path, error))
    }
}

fn failed(path: &Path, error: TiffError) -> Error {
    match error {
        TiffError::IoError(error) => Error::io(path)(error),
        other => {
            Error::Internal { what: "writing a GeoTIFF", detail: format!("{}: {other}", path.display()) }
        }
    }
}
