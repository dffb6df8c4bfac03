//! Conversion of the numbers in a scene's files to reflectance or another unit.

use crate::{Error, Result};

/// How the values in the files become the pixels that a model sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Radiometry {
    /// A pixel is `scale` · value in the file + `offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// The unit of the pixels: `reflectance`, `digital number`, ….
    pub unit: String,
    /// The value that means no data, instead of the one that the files name (their `GDAL_NODATA` tag); NaN and infinity
    /// never are data.
    pub no_data: Option<f64>,
}

impl Default for Radiometry {
    /// The files' own numbers.
    fn default() -> Self {
        Self { scale: 1.0, offset: 0.0, unit: "digital number".to_owned(), no_data: None }
    }
}

impl Radiometry {
    /// Sentinel-2's reflectance, stored times 10,000.
    pub fn sentinel2() -> Self {
        Self { scale: 1e-4, unit: "reflectance".to_owned(), ..Self::default() }
    }

    /// Refuses a scale of 0 and numbers that are not finite.
    pub(super) fn check(&self) -> Result<()> {
        if self.scale.is_finite() && self.scale != 0.0 && self.offset.is_finite() {
            return Ok(());
        }
        Err(Error::input(
            format!("scale {}, offset {}", self.scale, self.offset),
            "they would make every pixel equal or infinite",
            "for Sentinel-2's reflectance give 1e-4 and 0, for Landsat's 2e-5 and -0.1",
        ))
    }

    /// The pixel of a value in a file.
    pub(super) fn pixel(&self, value: f32) -> f32 {
        (f64::from(value) * self.scale + self.offset) as f32
    }
}
