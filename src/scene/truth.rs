//! A class raster asked at the pixels of another grid: the truth that a map is held against.

use ndarray::Array2;
use rayon::prelude::*;

use super::crs::Reprojection;
use super::geotiff::GeoTiff;
use super::grid::{Grid, Window};
use crate::{Classes, Error, Result};

/// The value that the LCZ Generator gives to pixels without a class, where no tag says so.
const LCZ_GENERATOR_NO_DATA: f32 = -999.0;
/// Lines of the map that are asked together.
const LINES: usize = 256;

/// The class number (1, 2, … in the order of `classes`) of the raster's pixel in which the centre of each pixel
/// of `grid` lies; 0 where there is none: outside, at the value 0, −999 or the file's no-data value, at NaN.
///
/// Any integer or floating type is read. Where the coordinate systems differ, each centre is reprojected.
///
/// # Errors
/// A file that cannot be read, has several bands or does not say where its pixels lie; a value that is no class (names the
/// pixel); no labelled pixel on the grid.
pub fn classes_on(raster: &GeoTiff, grid: &Grid, classes: &Classes) -> Result<Array2<u8>> {
    let path = raster.path();
    if raster.bands() != 1 {
        let problem = format!("{} bands, where one of classes is expected", raster.bands());
        return Err(Error::file(path, problem, "extract it: gdal_translate -b 1 IN.tif OUT.tif"));
    }
    let (Some(here), Some(there)) = (grid.transform, raster.grid().transform) else {
        let problem = "it and the map must both say where their pixels lie";
        return Err(Error::file(path, problem, "set it with gdal_edit.py -a_srs and -a_ullr"));
    };
    let way = if grid.crs == raster.grid().crs {
        None
    } else {
        let way = Reprojection::between(&grid.crs, &raster.grid().crs);
        let refuse = |problem| {
            let problem = format!("no way from {} to {}: {problem}", grid.crs, raster.grid().crs);
            Error::file(path, problem, "bring it to the map's coordinates with gdalwarp")
        };
        Some(way.map_err(refuse)?)
    };
    let (rows, columns) = (raster.grid().rows, raster.grid().columns);
    let place = |row: usize, column: usize| -> Option<(usize, usize)> {
        let point = here.coordinates(row as f64 + 0.5, column as f64 + 0.5);
        let (row, column) = there.pixel(match &way {
            None => point,
            Some(way) => way.point(point)?,
        });
        let inside = row >= 0.0 && column >= 0.0 && row < rows as f64 && column < columns as f64;
        inside.then_some((row as usize, column as usize))
    };
    let mut numbers = Array2::zeros((grid.rows, grid.columns));
    for first in (0..grid.rows).step_by(LINES) {
        let lines = first..grid.rows.min(first + LINES);
        let places: Vec<(usize, usize, (usize, usize))> = lines
            .into_par_iter()
            .flat_map_iter(|row| {
                (0..grid.columns).filter_map(move |column| Some((row, column, place(row, column)?)))
            })
            .collect();
        let Some(top) = places.iter().map(|place| place.2.0).min() else { continue };
        let bottom = places.iter().map(|place| place.2.0).max().unwrap_or(top);
        let window = Window { rows: top..bottom + 1, columns: 0..columns };
        let values = raster.read(&window, raster.no_data())?;
        for (row, column, (at, across)) in places {
            numbers[[row, column]] = number(values[[0, at - top, across]], classes).ok_or_else(|| {
                let value = values[[0, at - top, across]];
                let problem =
                    format!("{value} at row {at}, column {across} is none of the {} classes", classes.len());
                let advice =
                    "use 0 for unlabelled pixels and 1, 2, ... for the classes in order (LCZ A-G are 11-17)";
                Error::file(path, problem, advice)
            })?;
        }
    }
    if numbers.iter().all(|&number| number == 0) {
        let problem = "no pixel of the map has a class in it";
        return Err(Error::file(path, problem, "check that both show the same place"));
    }
    Ok(numbers)
}

/// A value's class number, 0 for none; `None` if it means nothing.
fn number(value: f32, classes: &Classes) -> Option<u8> {
    if value.is_nan() || value.total_cmp(&LCZ_GENERATOR_NO_DATA).is_eq() {
        return Some(0);
    }
    let known = value.fract() == 0.0 && (0.0..=classes.len() as f32).contains(&value);
    known.then_some(value as u8)
}
