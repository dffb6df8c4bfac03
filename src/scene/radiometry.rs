//! Conversion of the values in a scene's files to reflectance or another unit.

use serde::Serialize;

use super::bands::Scene;
use crate::data::reflectance::REFLECTANCE;
use crate::{Error, Result};

/// Scales and offsets that differ by less than this share are equal: files hold `9.9999997e-05` for 1e-4.
const EQUAL: f64 = 1e-6;
/// The unit of pixels whose conversion nobody states.
const DIGITAL_NUMBER: &str = "digital number";

/// How the values of a band become pixels: pixel = `scale` · value + `offset`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scaling {
    /// See the formula.
    pub scale: f64,
    /// See the formula.
    pub offset: f64,
}

/// How the values in the files become the pixels that a model sees. What is `None` is as the files state, band by band
/// (GDAL's scale, offset, unit and no-data value).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Radiometry {
    /// A pixel is `scale` · value + `offset`. If `None` and not stated: 1.
    pub scale: Option<f64>,
    /// See `scale`. If `None` and not stated: 0.
    pub offset: Option<f64>,
    /// The unit of the pixels: `reflectance`, `digital number`, …. If `None` and not stated: reflectance where a scale or an
    /// offset is given or stated, else digital number.
    pub unit: Option<String>,
    /// The value that means no data, instead of the one that the files state; NaN and infinity never are data.
    pub no_data: Option<f64>,
}

impl Radiometry {
    /// Sentinel-2's reflectance times 10,000, without an offset: products before baseline 04.00 (25 January 2022). Later
    /// ones have an offset of −0.1.
    pub fn sentinel2() -> Self {
        Self { scale: Some(1e-4), unit: Some(REFLECTANCE.to_owned()), ..Self::default() }
    }
}

impl Scaling {
    /// The values as they are.
    pub const NONE: Self = Self { scale: 1.0, offset: 0.0 };

    /// Refuses a scale of 0 and numbers that are not finite.
    fn check(self, place: &str) -> Result<Self> {
        if self.scale.is_finite() && self.scale != 0.0 && self.offset.is_finite() {
            return Ok(self);
        }
        Err(Error::input(
            format!("{place}: scale {}, offset {}", self.scale, self.offset),
            "they would make every pixel equal or infinite",
            "give --scale 1e-4 --offset -0.1 for Sentinel-2 since 2022 (before: --offset 0), --scale 2e-5 --offset -0.1 for \
             Landsat",
        ))
    }

    /// The pixel of a value in a file.
    pub(super) fn pixel(self, value: f32) -> f32 {
        (f64::from(value) * self.scale + self.offset) as f32
    }
}

impl Scene {
    /// How the values of each channel become pixels.
    ///
    /// # Errors
    /// A scale of 0, or a number that is not finite; names the file.
    pub fn scaling(&self, radiometry: &Radiometry) -> Result<Vec<Scaling>> {
        let of_channel = |(path, tags): (&std::path::Path, &super::BandTags)| {
            let scale = radiometry.scale.or(tags.scale).unwrap_or(1.0);
            let offset = radiometry.offset.or(tags.offset).unwrap_or(0.0);
            Scaling { scale, offset }.check(&path.display().to_string())
        };
        self.tags().map(of_channel).collect()
    }

    /// The unit of the pixels.
    pub fn unit(&self, radiometry: &Radiometry) -> String {
        if let Some(unit) = &radiometry.unit {
            return unit.clone();
        }
        let mut stated = self.tags().map(|(_, tags)| tags.unit.as_deref());
        if let Some(Some(unit)) = stated.next()
            && stated.all(|other| other == Some(unit))
        {
            return unit.to_owned();
        }
        let given = radiometry.scale.is_some() || radiometry.offset.is_some();
        if given || self.tags().any(|(_, tags)| tags.converts()) { REFLECTANCE } else { DIGITAL_NUMBER }
            .to_owned()
    }

    /// The conversion in words, such as `reflectance = 0.0001 * value - 0.1 (as the files state)`; `None` where the pixels are
    /// the values.
    ///
    /// # Errors
    /// See [`scaling`](Self::scaling).
    pub fn conversion(&self, radiometry: &Radiometry) -> Result<Option<String>> {
        let scaling = self.scaling(radiometry)?;
        let stated = self.tags().any(|(_, tags)| tags.converts());
        let source = match (radiometry.scale, radiometry.offset) {
            (None, None) => " (as the files state)",
            (None, _) if stated => " (scale as the files state)",
            (_, None) if stated => " (offset as the files state)",
            _ => "",
        };
        let unit = self.unit(radiometry);
        let Some(first) = scaling.first() else { return Ok(None) };
        if scaling.iter().any(|other| !equal(other.scale, first.scale) || !equal(other.offset, first.offset))
        {
            return Ok(Some(format!("{unit}: scale and offset differ between bands{source}")));
        }
        if *first == Scaling::NONE {
            return Ok(None);
        }
        let Scaling { scale, offset } = *first;
        let sign = if offset < 0.0 { '-' } else { '+' };
        let offset = if offset == 0.0 { String::new() } else { format!(" {sign} {}", offset.abs()) };
        Ok(Some(format!("{unit} = {scale} * value{offset}{source}")))
    }

    /// Checks how values become pixels, and warns where what is given contradicts what the files state.
    pub(crate) fn check_radiometry(&self, radiometry: &Radiometry) -> Result<()> {
        let scaling = self.scaling(radiometry)?;
        let contradicts = |given: Option<f64>, stated: Option<f64>| {
            given.zip(stated).is_some_and(|(given, stated)| !equal(given, stated))
        };
        let differs = |tags: &super::BandTags| {
            contradicts(radiometry.scale, tags.scale) || contradicts(radiometry.offset, tags.offset)
        };
        let differing: Vec<_> = self.tags().zip(&scaling).filter(|((_, tags), _)| differs(tags)).collect();
        if let Some(((path, tags), Scaling { scale, offset })) = differing.first() {
            let (of_scale, of_offset) = (tags.scale.unwrap_or(1.0), tags.offset.unwrap_or(0.0));
            tracing::warn!(
                "{}{}: the file states scale {of_scale} and offset {of_offset}, but {scale} and {offset} are used; leave out \
                 --scale and --offset unless the file is wrong",
                path.display(),
                if differing.len() > 1 {
                    format!(" and {} more bands", differing.len() - 1)
                } else {
                    String::new()
                }
            );
        }
        let converts = |(_, tags): &(&std::path::Path, &super::BandTags)| tags.converts();
        if radiometry.scale.is_none()
            && self.tags().any(|of| converts(&of))
            && let Some((path, _)) = self.tags().find(|of| !converts(of))
        {
            tracing::warn!(
                "{}: no scale in the file, but in others of the scene: its values are taken as they are; give --scale and \
                 --offset if that is wrong",
                path.display()
            );
        }
        Ok(())
    }
}

fn equal(a: f64, b: f64) -> bool {
    (a - b).abs() <= EQUAL * a.abs().max(b.abs())
}
