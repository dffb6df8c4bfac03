//! Distances over a scene, in metres or in pixels.

use std::str::FromStr;

use super::grid::Grid;
use crate::{Error, Result};

/// A distance over a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// Pixels, in rows or in columns.
    Pixels(usize),
    /// Metres on the ground.
    Metres(f64),
}

impl Default for Distance {
    /// 0 pixels.
    fn default() -> Self {
        Self::Pixels(0)
    }
}

impl Distance {
    /// Rows and columns of the grid; `setting` names the setting that has this distance, and `advice` describes how to give it in pixels.
    ///
    /// # Errors
    /// Metres on a grid that does not say how large its pixels are.
    pub fn on(self, grid: &Grid, setting: &str, advice: &str) -> Result<[f64; 2]> {
        match (self, grid.pixel_metres()) {
            (Self::Pixels(pixels), _) => Ok([pixels as f64; 2]),
            (Self::Metres(metres), Some([across, down])) => Ok([metres / down, metres / across]),
            (Self::Metres(_), None) => {
                let problem = "metres, where the bands do not say how large their pixels are";
                Err(Error::input(setting, problem, advice))
            }
        }
    }
}

impl FromStr for Distance {
    type Err = Error;

    /// `500m` or `16px`
    fn from_str(text: &str) -> Result<Self> {
        let number = |ending| text.trim().strip_suffix(ending).map(str::trim);
        let pixels = number("px").and_then(|number| number.parse().ok()).map(Self::Pixels);
        let metres = number("m").and_then(|number| number.parse().ok()).map(Self::Metres);
        pixels
            .or(metres)
            .filter(|distance| !matches!(distance, Self::Metres(m) if !(0.0..1e9).contains(m)))
            .ok_or_else(|| {
                let advice = "give metres or pixels, such as 500m or 16px";
                Error::input(format!("'{text}'"), "not a distance", advice)
            })
    }
}
