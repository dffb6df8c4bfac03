//! A box of longitudes and latitudes, and the window of a raster that it covers.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::crs::{Crs, Reprojection};
use super::grid::{Grid, Window};
use crate::{Error, Result};

/// Points along each side of a box that are brought to the raster's coordinates, where sides are curved: as many as
/// rasterio's `transform_bounds` takes.
const STEPS: usize = 22;

/// A box between two meridians and two parallels, in degrees (WGS 84).
///
/// ```
/// let bremen: lcz::scene::GeoBox = "8.6,53.0,9.0,53.2".parse()?;
/// assert_eq!((bremen.west, bremen.north), (8.6, 53.2));
/// assert!("9.0,53.0,8.6,53.2".parse::<lcz::scene::GeoBox>().is_err());
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GeoBox {
    /// Longitude of its western side.
    pub west: f64,
    /// Latitude of its southern side.
    pub south: f64,
    /// Longitude of its eastern side, above the western one: no box crosses the 180th meridian.
    pub east: f64,
    /// Latitude of its northern side.
    pub north: f64,
}

impl FromStr for GeoBox {
    type Err = Error;

    /// `W,S,E,N`
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |problem: &str| {
            let advice = "give west, south, east and north in degrees, such as 8.6,53.0,9.0,53.2";
            Err(Error::input(format!("box '{text}'"), problem, advice))
        };
        let numbers: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        let Some(&[west, south, east, north]) = numbers.as_deref() else {
            return refuse("not four numbers with commas between them");
        };
        // Comparisons that are false for NaN, too.
        if !(-180.0..=180.0).contains(&west) || !(-180.0..=180.0).contains(&east) {
            return refuse("a longitude is beyond 180 degrees");
        }
        if !(-90.0..=90.0).contains(&south) || !(-90.0..=90.0).contains(&north) {
            return refuse("a latitude is beyond 90 degrees");
        }
        if west >= east || south >= north {
            return refuse("west must be less than east, and south less than north");
        }
        Ok(Self { west, south, east, north })
    }
}

impl fmt::Display for GeoBox {
    /// `W,S,E,N`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.west, self.south, self.east, self.north)
    }
}

impl GeoBox {
    /// The least window of whole pixels that holds what the box and the raster share.
    pub(super) fn window(&self, path: &Path, grid: &Grid) -> Result<Window> {
        let (Some(transform), true) = (grid.transform, grid.crs.is_known()) else {
            let problem = "it does not say where its pixels lie, so that no box can be cut from it";
            return Err(Error::file(path, problem, "set it with gdal_edit.py -a_srs and -a_ullr"));
        };
        let degrees = Crs::Geographic { epsg: Some(4326), name: None, keys: None };
        let way = Reprojection::between(&degrees, &grid.crs).map_err(|problem| {
            Error::file(path, problem, "bring the scene to a system of the registry: gdalwarp -t_srs EPSG:n")
        })?;
        let along = |from: f64, to: f64, k: usize| from + (to - from) * k as f64 / (STEPS - 1) as f64;
        let sides = (0..STEPS).flat_map(|k| {
            let (x, y) = (along(self.west, self.east, k), along(self.south, self.north, k));
            [(x, self.south), (x, self.north), (self.west, y), (self.east, y)]
        });
        let mut places = Vec::with_capacity(4 * STEPS);
        for point in sides {
            let Some(point) = way.point(point) else {
                let problem = format!("the box {self} has a corner without a place in {}", grid.crs);
                return Err(Error::file(path, problem, "choose a box within the scene"));
            };
            places.push(transform.pixel(point));
        }
        let range = |values: Vec<f64>, length: usize| {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            // A side that lies on the line between two pixels, but for rounding, takes no further pixel.
            let first = (low + 1e-6).floor().max(0.0) as usize;
            let last = ((high - 1e-6).ceil().max(0.0) as usize).min(length);
            first..last
        };
        let rows = range(places.iter().map(|place| place.0).collect(), grid.rows);
        let columns = range(places.iter().map(|place| place.1).collect(), grid.columns);
        if rows.is_empty() || columns.is_empty() {
            let problem = format!("the box {self} (west, south, east, north) lies outside it");
            return Err(Error::file(path, problem, "check the order of the numbers, and the scene's place"));
        }
        Ok(Window { rows, columns })
    }
}
