//! How patches are cut from scenes and split.

use super::{CloudFilter, Distance, GeoBox, Radiometry, Scene, Shares};
use crate::{Error, Result};

/// How patches are cut from scenes, and split.
#[derive(Debug, Clone, PartialEq)]
pub struct Cutting {
    /// Rows and columns of a patch, N.
    pub patch_size: usize,
    /// What the values in the files mean.
    pub radiometry: Radiometry,
    /// The part of the scene that counts; all of it if `None`.
    pub area: Option<GeoBox>,
    /// Which patches are left out for clouds, on dates with [scene classes](Scene::with_scene_classes).
    pub clouds: CloudFilter,
    /// How much of each class goes to each part.
    pub shares: Shares,
    /// Random seed of the split.
    pub seed: u64,
    /// What is cut.
    pub into: CutInto,
    /// Provenance of the scenes and labels; if not given, what their files state.
    pub provenance: Option<String>,
}

/// What is cut from a scene.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CutInto {
    /// A window around each labelled pixel, with the class of that pixel. The window of a pixel in row r is the rows
    /// r − ⌊N/2⌋ … r − ⌊N/2⌋ + N − 1, and likewise its columns: for odd N the pixel is the middle,
    /// for even N it is the one below and right of the middle. Whole regions go to one part.
    Windows {
        /// The least distance between windows of different parts, in pixels of the finest band; metres are rounded
        /// up to whole pixels by the shorter side of a pixel. Windows that do not overlap but touch are 0 apart.
        buffer: Distance,
    },
    /// Tiles on a fixed grid, with the class of every pixel. Whole blocks of ground go to one part.
    Tiles {
        /// Pixels from one tile to the next; less than N makes them overlap.
        stride: usize,
        /// Rows and columns of a block, in tiles side by side.
        block: usize,
    },
}

impl Default for Cutting {
    /// Windows of 32 × 32 pixels with the radiometry that the files state, split 60/15/25 with seed 0.
    fn default() -> Self {
        Self {
            patch_size: 32,
            radiometry: Radiometry::default(),
            area: None,
            clouds: CloudFilter::default(),
            shares: Shares::default(),
            seed: 0,
            into: CutInto::Windows { buffer: Distance::default() },
            provenance: None,
        }
    }
}

impl Cutting {
    /// Invalid settings, and dates that do not match.
    pub(super) fn check(&self, dates: &[Scene]) -> Result<()> {
        if dates.is_empty() {
            return Err(Error::input("bands", "no date", "give the bands of at least one"));
        }
        if self.patch_size == 0 {
            return Err(Error::input("patch size", "0 pixels", "choose 1 or more, such as 32"));
        }
        dates.iter().try_for_each(|date| date.check_radiometry(&self.radiometry))?;
        self.clouds.check()?;
        for (k, date) in dates.iter().enumerate().skip(1) {
            if let (Some(first), Some(this)) = (dates[0].sensor(), date.sensor())
                && let Some((band, shows, other)) = this.differs(first, date.bands())
            {
                tracing::warn!(
                    "date {}: {band} of {this} is {shows}, but {band} of date 1 is of {first}, {other}; cut each sensor by itself",
                    k + 1
                );
            }
            if date.bands() != dates[0].bands() {
                let problem = format!("bands {}, where date 1 has {}", date.bands(), dates[0].bands());
                let advice = "give each date the same bands in the same order, or name them";
                return Err(Error::input(format!("date {}", k + 1), problem, advice));
            }
        }
        Ok(())
    }
}
