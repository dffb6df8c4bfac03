//! Clouds and their shadows, from Sentinel-2's scene classes (SCL band).

use ndarray::{Array2, Axis};

use super::bands::Shared;
use super::{Raster, Window};
use crate::{Error, Result};

/// The last of Sentinel-2's scene classes.
const LAST_SCENE_CLASS: f32 = 11.0;

/// Which scene classes hide the ground, and how much of a patch they may hide.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudFilter {
    /// Classes 0–11 that count as cloud.
    pub hidden: Vec<u8>,
    /// The largest share of a patch's pixels that may be hidden.
    pub most: f64,
}

impl Default for CloudFilter {
    /// Clouds of medium and high probability (8, 9), thin cirrus (10) and cloud shadow (3), at most 15 %. The shadow
    /// counts since its pixels show the ground no better than cirrus does.
    fn default() -> Self {
        Self { hidden: vec![3, 8, 9, 10], most: 0.15 }
    }
}

/// Whether a pixel is clear or hidden, by the scene classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sky {
    Clear,
    Hidden,
    NoData,
}

impl CloudFilter {
    /// The classes, separated by commas.
    pub(super) fn classes(&self) -> String {
        self.hidden.iter().map(u8::to_string).collect::<Vec<_>>().join(", ")
    }

    /// What it leaves out, as a sentence for a figure.
    pub fn sentence(&self) -> String {
        format!("Cloud: scene classes {} on more than {} % of a patch.", self.classes(), 100.0 * self.most)
    }

    /// Whether too many of these pixels are hidden.
    pub(super) fn refuses(&self, hidden: usize, pixels: usize) -> bool {
        hidden as f64 > self.most * pixels as f64
    }

    /// Refuses numbers that are not shares, and numbers that are not scene classes.
    pub(crate) fn check(&self) -> Result<()> {
        if !(0.0..=1.0).contains(&self.most) {
            let problem = format!("{} % of a patch", 100.0 * self.most);
            return Err(Error::input("max cloud", problem, "choose 0 to 100 %, such as 15"));
        }
        if let Some(class) = self.hidden.iter().find(|&&class| f32::from(class) > LAST_SCENE_CLASS) {
            return Err(Error::input("scene class", class.to_string(), "choose among SCL's classes 0 to 11"));
        }
        Ok(())
    }

    /// The scene classes' verdict on each pixel of a window of the finest grid.
    pub(super) fn read(&self, scl: &Raster, shared: &Shared, window: &Window) -> Result<Array2<Sky>> {
        scl.check_single("scene classes")?;
        let factor = shared.multiple(scl.path(), scl.grid())?;
        let coarse = window.coarser(factor);
        let values = scl.read(&coarse, scl.no_data())?;
        let known = |value: f32| {
            value.is_nan() || (value.fract() == 0.0 && (0.0..=LAST_SCENE_CLASS).contains(&value))
        };
        if let Some(((_, row, column), value)) = values.indexed_iter().find(|(_, value)| !known(**value)) {
            let (row, column) = (row + coarse.rows.start, column + coarse.columns.start);
            let problem =
                format!("{value} at row {row}, column {column} is none of the scene classes 0 to 11");
            return Err(Error::file(scl.path(), problem, "give Sentinel-2's SCL band"));
        }
        Ok(window.spread(factor, values.index_axis(Axis(0), 0)).mapv(|value| match value {
            value if value.is_nan() || value == 0.0 => Sky::NoData,
            value if self.hidden.contains(&(value as u8)) => Sky::Hidden,
            _ => Sky::Clear,
        }))
    }
}
