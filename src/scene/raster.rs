//! A raster of bands: a GeoTIFF, parts of one side by side, an image of a product; or one of these brought to square pixels.

use std::path::Path;

use ndarray::Array3;

use super::landsat::scene_class;
use super::{BandTags, GeoTiff, Grid, Jpeg2000, Mosaic, ResampledRaster, Window};
use crate::Result;

/// A file of one or more bands on one grid.
#[derive(Debug, Clone)]
// A scene has a dozen of them.
#[allow(clippy::large_enum_variant)]
pub enum Raster {
    /// A GeoTIFF.
    GeoTiff(GeoTiff),
    /// A band of a Sentinel-2 product.
    Jpeg2000(Jpeg2000),
    /// Either, brought to square pixels.
    Resampled(Box<ResampledRaster>),
    /// Parts side by side.
    Mosaic(Mosaic),
    /// `QA_PIXEL` of a Landsat product, read as Sentinel-2's scene classes.
    QualityBits(GeoTiff),
}

impl From<GeoTiff> for Raster {
    fn from(file: GeoTiff) -> Self {
        Self::GeoTiff(file)
    }
}

impl Raster {
    /// The file; in an archive, the archive and the name in it.
    pub fn path(&self) -> &Path {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.path(),
            Self::Jpeg2000(file) => file.path(),
            Self::Resampled(square) => square.file().path(),
            Self::Mosaic(parts) => parts.path(),
        }
    }

    /// Where its pixels lie.
    pub fn grid(&self) -> &Grid {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.grid(),
            Self::Jpeg2000(file) => file.grid(),
            Self::Resampled(square) => square.grid(),
            Self::Mosaic(parts) => parts.grid(),
        }
    }

    /// How many bands.
    pub fn bands(&self) -> usize {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.bands(),
            Self::Jpeg2000(_) => 1,
            Self::Resampled(square) => square.file().bands(),
            Self::Mosaic(parts) => parts.bands(),
        }
    }

    /// The value that means no data, if the file names one.
    pub fn no_data(&self) -> Option<f64> {
        match self {
            Self::GeoTiff(file) => file.no_data(),
            Self::Jpeg2000(file) => file.no_data(),
            Self::Resampled(square) => square.file().no_data(),
            Self::Mosaic(parts) => parts.no_data(),
            Self::QualityBits(_) => Some(0.0),
        }
    }

    /// Whether a mask or opacity marks pixels without data.
    pub fn has_mask(&self) -> bool {
        match self {
            Self::GeoTiff(file) => file.has_mask(),
            Self::Mosaic(parts) => parts.parts().any(GeoTiff::has_mask),
            Self::Jpeg2000(_) | Self::QualityBits(_) => false,
            Self::Resampled(square) => square.file().has_mask(),
        }
    }

    /// What the file states about each band.
    pub fn tags(&self) -> &[BandTags] {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.tags(),
            Self::Jpeg2000(file) => file.tags(),
            Self::Resampled(square) => square.file().tags(),
            Self::Mosaic(parts) => parts.tags(),
        }
    }

    /// The file's description, if it has one.
    pub fn description(&self) -> Option<&str> {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.description(),
            Self::Jpeg2000(file) => file.description(),
            Self::Resampled(square) => square.file().description(),
            Self::Mosaic(parts) => parts.description(),
        }
    }

    /// The pixels of a window; those that equal `no_data` become NaN, as do a product's saturated ones.
    ///
    /// # Shape
    /// (bands, rows, columns) of the window.
    ///
    /// # Errors
    /// A window that leaves the raster, a file that is damaged or ends early.
    pub fn read(&self, window: &Window, no_data: Option<f64>) -> Result<Array3<f32>> {
        match self {
            Self::GeoTiff(file) => file.read(window, no_data),
            Self::Jpeg2000(file) => file.read(window, no_data),
            Self::Resampled(square) => square.read(window, no_data),
            Self::Mosaic(parts) => parts.read(window, no_data),
            Self::QualityBits(file) => Ok(file.read(window, None)?.mapv_into(scene_class)),
        }
    }

    /// Refuses a file of several bands where one of these is expected.
    pub(super) fn check_single(&self, of: &str) -> Result<()> {
        match self {
            Self::GeoTiff(file) | Self::QualityBits(file) => file.check_single(of),
            Self::Jpeg2000(_) | Self::Mosaic(_) => Ok(()),
            Self::Resampled(square) => square.file().check_single(of),
        }
    }
}
