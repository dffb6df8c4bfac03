//! The pixel of a raster in which the centre of each pixel of another grid lies (nearest neighbour), and the classes there.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;
use rayon::prelude::*;

use super::crs::Reprojection;
use super::{GeoTiff, Grid, Transform, Window};
use crate::{Classes, Error, Result};

/// Values that maps of zones give to pixels without a class, where no tag says so: the LCZ Generator's first.
const NO_DATA: [f32; 3] = [-999.0, -1.0, 255.0];
/// Lines of the grid that are looked up together.
const LINES: usize = 256;

/// The way from the pixels of a grid to those of another.
pub(super) struct Nearest<'a> {
    here: Transform,
    there: Transform,
    way: Reprojection,
    grid: &'a Grid,
}

impl<'a> Nearest<'a> {
    /// From `here` to `there`; says in words why there is no way.
    pub fn between(here: &Grid, there: &'a Grid) -> std::result::Result<Self, String> {
        let (Some(from), Some(to)) = (here.transform, there.transform) else {
            return Err("both rasters must say where their pixels lie".to_owned());
        };
        let way = Reprojection::between(&here.crs, &there.crs)?;
        Ok(Self { here: from, there: to, way, grid: there })
    }

    /// Row and column there; none outside.
    pub fn pixel(&self, row: usize, column: usize) -> Option<[usize; 2]> {
        let point = self.here.coordinates(row as f64 + 0.5, column as f64 + 0.5);
        let (row, column) = self.there.pixel(self.way.point(point)?);
        let inside =
            (0.0..self.grid.rows as f64).contains(&row) && (0.0..self.grid.columns as f64).contains(&column);
        inside.then_some([row as usize, column as usize])
    }
}

/// The class number (1, 2, … in the order of `classes`) of the raster's pixel in which the centre of each pixel
/// of `grid` lies; 0 where there is none: outside, at the value 0, the file's no-data value or NaN, at −999, −1 or 255 (a warning).
///
/// Any integer or floating type is read. Where the coordinate systems differ, each centre is reprojected.
///
/// # Errors
/// A file that cannot be read, has several bands that may be the classes or does not say where its pixels lie; a value that is not a class (names the
/// pixel); no labelled pixel on the grid.
///
/// ```no_run
/// use lcz::Classes;
/// use lcz::scene::{GeoTiff, classes_on};
/// let (map, truth) = (GeoTiff::open("map.tif")?, GeoTiff::open("zones.tif")?);
/// let numbers = classes_on(&truth, map.grid(), &Classes::lcz())?;
/// println!("{} pixels of the map have a class", numbers.iter().filter(|&&number| number > 0).count());
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn classes_on(raster: &GeoTiff, grid: &Grid, classes: &Classes) -> Result<Array2<u8>> {
    let raster = &raster.clone().class_band(None, "classes")?;
    let path = raster.path();
    let nearest = Nearest::between(grid, raster.grid()).map_err(|problem| {
        Error::file(path, problem, "bring it to the map's coordinates: gdalwarp, gdal_edit.py")
    })?;
    let mut numbers = Array2::zeros((grid.rows, grid.columns));
    let mut meaning = ClassValues::default();
    for first in (0..grid.rows).step_by(LINES) {
        let lines = first..grid.rows.min(first + LINES);
        let nearest = &nearest;
        let of_row = |row| (0..grid.columns).filter_map(move |c| Some(([row, c], nearest.pixel(row, c)?)));
        let places: Vec<([usize; 2], [usize; 2])> = lines.into_par_iter().flat_map_iter(of_row).collect();
        let Some(top) = places.iter().map(|(_, [row, _])| *row).min() else { continue };
        let bottom = places.iter().map(|(_, [row, _])| *row).max().unwrap_or(top);
        let window = Window { rows: top..bottom + 1, columns: 0..raster.grid().columns };
        let values = raster.read(&window, raster.no_data())?;
        for (here, [row, column]) in places {
            let value = values[[0, row - top, column]];
            numbers[here] = meaning.of(value, classes, path, [row, column])? as u8;
        }
    }
    meaning.warn(path);
    if numbers.iter().all(|&number| number == 0) {
        let problem = "no pixel of the map has a class in it";
        return Err(Error::file(path, problem, "check that both show the same place"));
    }
    Ok(numbers)
}

/// Turns the values of a raster into class numbers, and counts those of other tools' habits.
#[derive(Debug, Default)]
pub(super) struct ClassValues {
    natural: bool,
    without: BTreeMap<i16, usize>,
}

impl ClassValues {
    /// The class number that a value means; 0 for NaN, and for −999, −1 and 255 where no class has that number.
    pub fn of(
        &mut self,
        value: f32,
        classes: &Classes,
        path: &Path,
        [row, column]: [usize; 2],
    ) -> Result<u16> {
        if value.is_nan() || value == 0.0 {
            return Ok(0);
        }
        if let Some(class) = classes.find_number(f64::from(value)) {
            self.natural |= classes.is_natural_code(f64::from(value));
            return Ok(class as u16 + 1);
        }
        if NO_DATA.contains(&value) {
            *self.without.entry(value as i16).or_default() += 1;
            return Ok(0);
        }
        let problem =
            format!("label {value} at row {row}, column {column} is none of the {} classes", classes.len());
        let advice = "use 0 for unlabelled pixels and 1, 2, ... for the classes in order (LCZ A-G are 11-17)";
        Err(Error::file(path, problem, advice))
    }

    /// Logs what a user should know of.
    pub fn warn(&self, path: &Path) {
        let path = path.display();
        if self.natural {
            tracing::warn!("{path}: 101-107 are read as LCZ A-G");
        }
        for (value, pixels) in &self.without {
            tracing::warn!("{path}: {value} is no class: {pixels} pixels are read as unlabelled");
        }
    }
}
