//! Where a raster's pixels lie on the ground, and whether two rasters share one grid.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, ArrayView2};

use super::crs::Crs;
use super::ground::{Ground, is_computed};
use crate::{Error, Result};

/// Grids whose corners lie closer than this many pixels count as one.
const TOLERANCE: f64 = 0.01;

/// The affine map from pixels to coordinates, in GDAL's order:
/// x = t₀ + t₁ column + t₂ row and y = t₃ + t₄ column + t₅ row, where whole numbers are the corners
/// of pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transform(pub [f64; 6]);

impl Transform {
    /// The coordinates of a corner (whole numbers) or a centre (halves) of a pixel.
    pub fn coordinates(&self, row: f64, column: f64) -> (f64, f64) {
        let t = &self.0;
        (t[0] + t[1] * column + t[2] * row, t[3] + t[4] * column + t[5] * row)
    }

    /// Row and column at these coordinates: whole numbers are corners of pixels, halves centres.
    pub fn pixel(&self, (x, y): (f64, f64)) -> (f64, f64) {
        let t = &self.0;
        let area = t[1] * t[5] - t[2] * t[4];
        let (x, y) = (x - t[0], y - t[3]);
        ((t[1] * y - t[4] * x) / area, (t[5] * x - t[2] * y) / area)
    }

    /// Whether pixels have an area.
    pub(super) fn is_invertible(&self) -> bool {
        let t = &self.0;
        t.iter().all(|number| number.is_finite()) && (t[1] * t[5] - t[2] * t[4]).abs() > 0.0
    }

    /// Width and height of a pixel, in the units of the coordinates.
    pub fn pixel_size(&self) -> (f64, f64) {
        let t = &self.0;
        (t[1].hypot(t[4]), t[2].hypot(t[5]))
    }
}

/// Size, position and coordinate system of a raster.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Height in pixels.
    pub rows: usize,
    /// Width in pixels.
    pub columns: usize,
    /// Where the pixels lie; `None` if the file does not say.
    pub transform: Option<Transform>,
    /// The coordinate system.
    pub crs: Crs,
}

impl Grid {
    /// The part in a window.
    pub(crate) fn part(&self, window: &Window) -> Self {
        let transform = self.transform.map(|transform| {
            let (x, y) = transform.coordinates(window.rows.start as f64, window.columns.start as f64);
            let t = transform.0;
            Transform([x, t[1], t[2], y, t[4], t[5]])
        });
        Self { rows: window.rows.len(), columns: window.columns.len(), transform, crs: self.crs.clone() }
    }

    /// Metres on the ground per pixel: the square root of the pixel's area.
    ///
    /// Metres are those of the ground at the raster's centre, on the ellipsoid WGS 84: for longitude and latitude by the
    /// lengths of a degree there, in a projected system by the local scale of the projection (of web Mercator the cosine
    /// of the latitude). A scale within 0.2 % of 1 counts as 1, as UTM's does. A system without EPSG code whose projection
    /// cannot be computed counts as true to scale.
    ///
    /// `None` without a transform or a coordinate system.
    pub fn ground_sampling_distance(&self) -> Option<f64> {
        Some(self.pixel_area()?.sqrt())
    }

    /// Square metres of a pixel on the ground; `None` without a transform or a coordinate system.
    pub fn pixel_area(&self) -> Option<f64> {
        let t = self.transform?.0;
        Some(self.ground()?.area([t[1], t[4]], [t[2], t[5]]))
    }

    /// Width and height of a pixel in metres on the ground; `None` without a transform or a coordinate system.
    pub fn pixel_metres(&self) -> Option<[f64; 2]> {
        let (t, ground) = (self.transform?.0, self.ground()?);
        Some([ground.length([t[1], t[4]]), ground.length([t[2], t[5]])])
    }

    /// Warns where the local scale is not known: lengths of the map are then taken for lengths on the ground.
    pub(crate) fn warn_of_scale(&self, path: &Path) {
        if self.transform.is_some() && !is_computed(&self.crs) {
            tracing::warn!(
                "{}: the scale of {} is not known: its metres are taken for metres on the ground",
                path.display(),
                self.crs
            );
        }
    }

    /// Where north (the direction in which y grows) is, in degrees clockwise from up; `None` without a transform or a
    /// coordinate system.
    pub fn north(&self) -> Option<f64> {
        let [across, down] = self.pixel_metres()?;
        let transform = self.transform?;
        let (x, y) = transform.coordinates(0.0, 0.0);
        let (row, column) = transform.pixel((x, y + transform.pixel_size().1));
        Some((column * across).atan2(-row * down).to_degrees())
    }

    /// What a unit of x and of y are on the ground at the centre.
    fn ground(&self) -> Option<Ground> {
        let centre = self.transform?.coordinates(self.rows as f64 / 2.0, self.columns as f64 / 2.0);
        Ground::at(&self.crs, centre)
    }

    /// Whether another grid of such pixels shares no ground with this one.
    pub(super) fn is_next_to(&self, other: &Self) -> bool {
        let (Some(here), Some(there)) = (self.transform, other.transform) else { return false };
        let (first, last) = (
            here.pixel(there.coordinates(0.0, 0.0)),
            here.pixel(there.coordinates(other.rows as f64, other.columns as f64)),
        );
        let near = |pixels: f64, wanted: usize| (pixels.abs() - wanted as f64).abs() <= TOLERANCE;
        let apart =
            |a: f64, b: f64, length: usize| a.max(b) <= TOLERANCE || a.min(b) >= length as f64 - TOLERANCE;
        self.crs == other.crs
            && near(last.0 - first.0, other.rows)
            && near(last.1 - first.1, other.columns)
            && (apart(first.0, last.0, self.rows) || apart(first.1, last.1, self.columns))
    }

    /// How many pixels of this grid make one of `coarse`, in each direction: 1 if the two are one
    /// grid, 2 for 10 m and 20 m bands of one scene.
    ///
    /// # Errors
    /// What differs, in words, if `coarse` is neither this grid nor a whole multiple of it from the
    /// same corner.
    pub(crate) fn multiple(&self, coarse: &Self) -> Result<usize, String> {
        if self.crs != coarse.crs {
            return Err(format!("{}, not {}", coarse.crs, self.crs));
        }
        let factor = match (self.transform, coarse.transform) {
            (None, None) => 1,
            (Some(fine), Some(wide)) => {
                let ratio = wide.pixel_size().0 / fine.pixel_size().0;
                let factor = ratio.round().max(1.0);
                compare_corners(fine, wide, factor, coarse)?;
                factor as usize
            }
            _ => return Err("one of the two says where its pixels lie, the other does not".to_owned()),
        };
        if self.rows.div_ceil(factor) != coarse.rows || self.columns.div_ceil(factor) != coarse.columns {
            let pixels = if factor == 1 { String::new() } else { format!(" of {factor} times the size") };
            return Err(format!(
                "{} x {} pixels{pixels}, not {} x {}",
                coarse.rows,
                coarse.columns,
                self.rows.div_ceil(factor),
                self.columns.div_ceil(factor)
            ));
        }
        Ok(factor)
    }
}

/// The pixels of two grids must lie on each other at three corners, else describes what differs.
fn compare_corners(fine: Transform, wide: Transform, factor: f64, coarse: &Grid) -> Result<(), String> {
    let (width, height) = fine.pixel_size();
    let apart = |row: usize, column: usize| {
        let (x, y) = wide.coordinates(row as f64, column as f64);
        let (wanted_x, wanted_y) = fine.coordinates(row as f64 * factor, column as f64 * factor);
        // A comparison that is false for NaN, too.
        let near = (x - wanted_x).abs() <= TOLERANCE * width && (y - wanted_y).abs() <= TOLERANCE * height;
        !near
    };
    if apart(0, 0) {
        let (x, y) = wide.coordinates(0.0, 0.0);
        let (wanted_x, wanted_y) = fine.coordinates(0.0, 0.0);
        return Err(format!("upper left corner at {x} {y}, not {wanted_x} {wanted_y}"));
    }
    if apart(0, coarse.columns) || apart(coarse.rows, 0) {
        let (given_width, given_height) = wide.pixel_size();
        return Err(format!(
            "pixels of {given_width} x {given_height}, not {width} x {height} or a whole multiple"
        ));
    }
    Ok(())
}
/// A rectangle of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Rows, from the top.
    pub rows: Range<usize>,
    /// Columns, from the left.
    pub columns: Range<usize>,
}

impl Window {
    /// A whole raster.
    pub fn whole(grid: &Grid) -> Self {
        Self { rows: 0..grid.rows, columns: 0..grid.columns }
    }

    /// Refuses a window that leaves the raster in this file.
    pub(super) fn check_within(&self, grid: &Grid, path: &Path) -> Result<()> {
        if self.rows.end <= grid.rows && self.columns.end <= grid.columns {
            return Ok(());
        }
        let problem = format!("rows {:?}, columns {:?} leave the raster", self.rows, self.columns);
        Err(Error::file(path, problem, format!("it has {} x {} pixels", grid.rows, grid.columns)))
    }

    /// Memory for the pixels of this window of a file, which all have this value.
    pub(super) fn filled(&self, bands: usize, value: f32, path: &Path) -> Result<Array3<f32>> {
        let shape = (bands, self.rows.len(), self.columns.len());
        let count = bands * shape.1 * shape.2;
        let mut values = Vec::new();
        if values.try_reserve_exact(count).is_err() {
            let problem = format!("{count} pixels do not fit into memory");
            return Err(Error::file(path, problem, "give a part of the scene: --bbox"));
        }
        values.resize(count, value);
        Array3::from_shape_vec(shape, values).map_err(Error::internal("reading a raster"))
    }

    /// The pixels of a raster `factor` times as coarse that cover this window.
    pub(crate) fn coarser(&self, factor: usize) -> Self {
        let shrink = |range: &Range<usize>| range.start / factor..range.end.div_ceil(factor);
        Self { rows: shrink(&self.rows), columns: shrink(&self.columns) }
    }

    /// Each pixel of the window from the one of [`coarser`](Self::coarser) pixels that covers it.
    pub(super) fn spread(&self, factor: usize, pixels: ArrayView2<'_, f32>) -> Array2<f32> {
        let coarse = self.coarser(factor);
        Array2::from_shape_fn((self.rows.len(), self.columns.len()), |(row, column)| {
            let (row, column) = (self.rows.start + row, self.columns.start + column);
            pixels[[row / factor - coarse.rows.start, column / factor - coarse.columns.start]]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utm(rows: usize, columns: usize, pixel: f64) -> Grid {
        Grid {
            rows,
            columns,
            transform: Some(Transform([500_000.0, pixel, 0.0, 5_000_000.0, 0.0, -pixel])),
            crs: Crs::from_epsg(32632).unwrap(),
        }
    }

    #[test]
    fn twenty_metre_pixels_are_twice_ten_metre_ones() {
        assert_eq!(utm(120, 120, 10.0).multiple(&utm(60, 60, 20.0)), Ok(2));
        assert_eq!(utm(120, 120, 10.0).multiple(&utm(20, 20, 60.0)), Ok(6));
        assert_eq!(utm(120, 120, 10.0).multiple(&utm(120, 120, 10.0)), Ok(1));
        // A scene whose size is no whole multiple ends within the last coarse pixel.
        assert_eq!(utm(121, 120, 10.0).multiple(&utm(61, 60, 20.0)), Ok(2));
    }

    #[test]
    fn what_differs_between_grids_is_said() {
        let grid = utm(120, 120, 10.0);
        let differs = |other: &Grid| grid.multiple(other).unwrap_err();
        assert_eq!(differs(&utm(119, 120, 10.0)), "119 x 120 pixels, not 120 x 120");
        assert_eq!(differs(&utm(80, 80, 15.0)), "pixels of 15 x 15, not 10 x 10 or a whole multiple");
        let mut moved = utm(120, 120, 10.0);
        moved.transform = Some(Transform([500_005.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]));
        assert_eq!(differs(&moved), "upper left corner at 500005 5000000, not 500000 5000000");
        let zone33 = Grid { crs: Crs::from_epsg(32633).unwrap(), ..utm(120, 120, 10.0) };
        assert_eq!(differs(&zone33), "EPSG:32633, not EPSG:32632");
        let nowhere = Grid { transform: None, ..utm(120, 120, 10.0) };
        assert!(differs(&nowhere).starts_with("one of the two says where"));
        // The finer of two is no multiple of the coarser.
        assert!(utm(60, 60, 20.0).multiple(&grid).unwrap_err().starts_with("pixels of 10 x 10"));
    }

    #[test]
    fn the_pixel_of_coordinates_undoes_the_coordinates_of_a_pixel() {
        let transform = Transform([3e5, 8.0, 6.0, 5e6, 6.0, -8.0]);
        let (x, y) = transform.coordinates(7.25, -3.5);
        let (row, column) = transform.pixel((x, y));
        assert!((row - 7.25).abs() < 1e-9 && (column + 3.5).abs() < 1e-9);
    }

    #[test]
    fn a_degree_at_the_equator_is_111_km_and_shrinks_with_the_latitude() {
        let degrees = |latitude: f64| Grid {
            rows: 2,
            columns: 2,
            transform: Some(Transform([0.0, 1.0, 0.0, latitude + 1.0, 0.0, -1.0])),
            crs: Crs::from_epsg(4326).unwrap(),
        };
        // Lengths of a degree of longitude and of latitude (Snyder 1987, table of the ellipsoid):
        // 111.320 km and 110.574 km at the equator, 55.800 km and 111.412 km at 60 degrees.
        let distance = |latitude| degrees(latitude).ground_sampling_distance().unwrap();
        assert!((distance(0.0) / (111_320f64 * 110_574.0).sqrt() - 1.0).abs() < 1e-4);
        assert!((distance(60.0) / (55_800f64 * 111_412.0).sqrt() - 1.0).abs() < 1e-4);
        assert!((degrees(60.0).pixel_metres().unwrap()[0] / 55_800.0 - 1.0).abs() < 1e-4);
        assert!((utm(2, 2, 10.0).pixel_metres().unwrap()[0] - 10.0).abs() < 1e-12);
    }
}
