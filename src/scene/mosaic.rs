//! Parts of one scene, side by side: what programs write where a raster is too large for one file.
//!
//! Earth Engine names the parts of an export `NAME-0000000000-0000002048.tif`, after the row and the column of their first
//! pixel. Their corners say where they belong.

use std::path::Path;

use ndarray::{Array3, s};

use super::{BandTags, GeoTiff, Grid, Transform, Window};
use crate::provenance;
use crate::{Error, Result};

/// Corners that lie closer to whole pixels than this are on them.
const TOLERANCE: f64 = 0.01;
/// Rows and columns of a scene at most.
const LONGEST: f64 = 1e6;
/// Pixels of the whole for each pixel of its parts, at most.
const SPARSEST: f64 = 64.0;
/// What to do about parts over one another.
const APART: &str = "give parts that lie side by side: maps cut with lcz map --bbox, or of bands one file, gdal_merge.py -o OUT.tif PARTS";
/// What to do about parts that do not fit.
const MERGE: &str = "give the parts of one export, or make one file of them: gdal_merge.py -o OUT.tif PARTS";

/// GeoTIFFs of the same bands, side by side. What lies between them has no data.
#[derive(Debug, Clone)]
pub struct Mosaic {
    /// Each part with its first row and column.
    parts: Vec<(GeoTiff, [usize; 2])>,
    grid: Grid,
    description: Option<String>,
}

impl Mosaic {
    /// Places parts by their corners.
    ///
    /// # Errors
    /// No part, one without a position, of another coordinate system, pixel size or number of bands than the first, off its
    /// pixels, or over another part.
    pub(crate) fn of(parts: Vec<GeoTiff>) -> Result<Self> {
        let Some(first) = parts.first() else {
            return Err(Error::input("bands", "no file is given", "name at least one GeoTIFF"));
        };
        let mut corners = Vec::with_capacity(parts.len());
        for part in &parts {
            corners.push(corner(first, part).map_err(|difference| {
                let problem = format!("no part of the scene of {}: {difference}", first.path().display());
                Error::file(part.path(), problem, MERGE)
            })?);
        }
        let range = |axis: usize, length: fn(&Grid) -> usize| {
            let ends = corners.iter().zip(&parts).map(|(at, part)| at[axis] + length(part.grid()) as f64);
            let start = corners.iter().map(|at| at[axis]).fold(f64::INFINITY, f64::min);
            (start, ends.fold(0.0, f64::max) - start)
        };
        let ((top, rows), (left, columns)) = (range(0, |grid| grid.rows), range(1, |grid| grid.columns));
        let pixels: usize = parts.iter().map(|part| part.grid().rows * part.grid().columns).sum();
        // Parts far from each other are not of one scene, and a map of what lies between takes memory.
        if rows.max(columns) > LONGEST || rows * columns > SPARSEST * pixels as f64 {
            let problem = format!("{rows} x {columns} pixels from part to part");
            return Err(Error::file(first.path(), problem, MERGE));
        }
        // The transform of the part in the corner, where there is one, so that nothing is rounded.
        let in_corner = parts.iter().zip(&corners).find(|(_, corner)| corner[0] <= top && corner[1] <= left);
        let transform = in_corner.map_or_else(
            || {
                let Transform(t) = first.grid().transform?;
                let (x, y) = Transform(t).coordinates(top, left);
                Some(Transform([x, t[1], t[2], y, t[4], t[5]]))
            },
            |(part, _)| part.grid().transform,
        );
        let (rows, columns) = (rows as usize, columns as usize);
        let grid = Grid { rows, columns, transform, crs: first.grid().crs.clone() };
        let description = provenance::inherited(&parts.iter().map(GeoTiff::description).collect::<Vec<_>>());
        let unproven = || first.description().filter(|text| !provenance::is_real(text)).map(str::to_owned);
        let description = description.or_else(unproven);
        let starts = corners.iter().map(|&[row, column]| [(row - top) as usize, (column - left) as usize]);
        let parts: Vec<_> = starts.zip(&parts).map(|(start, part)| (part.clone(), start)).collect();
        for (k, part) in parts.iter().enumerate() {
            if let Some((other, _)) = parts[..k].iter().find(|other| overlap(part, other)) {
                let problem = format!("it overlaps {}", other.path().display());
                return Err(Error::file(part.0.path(), problem, APART));
            }
        }
        Ok(Self { parts, grid, description })
    }

    fn first(&self) -> &GeoTiff {
        // There is one at least.
        &self.parts[0].0
    }

    /// The first part's file.
    pub fn path(&self) -> &Path {
        self.first().path()
    }

    /// The parts.
    pub fn parts(&self) -> impl Iterator<Item = &GeoTiff> {
        self.parts.iter().map(|(part, _)| part)
    }

    /// Where the pixels of all parts lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many bands each part has.
    pub fn bands(&self) -> usize {
        self.first().bands()
    }

    /// The value that means no data, if the first part names one.
    pub fn no_data(&self) -> Option<f64> {
        self.first().no_data()
    }

    /// What the first part states about each band.
    pub fn tags(&self) -> &[BandTags] {
        self.first().tags()
    }

    /// Where the parts are from, if they say so.
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The pixels of a window; NaN without data, and between the parts.
    ///
    /// # Shape
    /// (bands, rows, columns) of the window.
    ///
    /// # Errors
    /// A window that leaves the scene, a part that cannot be read.
    pub(crate) fn read(&self, window: &Window, no_data: Option<f64>) -> Result<Array3<f32>> {
        window.check_within(&self.grid, self.path())?;
        let mut pixels = window.filled(self.bands(), f32::NAN, self.path())?;
        for (part, [top, left]) in &self.parts {
            let within = |of: &std::ops::Range<usize>, first: usize, length: usize| {
                of.start.max(first)..of.end.min(first + length)
            };
            let rows = within(&window.rows, *top, part.grid().rows);
            let columns = within(&window.columns, *left, part.grid().columns);
            if rows.is_empty() || columns.is_empty() {
                continue;
            }
            let inside = Window {
                rows: rows.start - top..rows.end - top,
                columns: columns.start - left..columns.end - left,
            };
            let values = part.read(&inside, no_data)?;
            let (row, column) = (rows.start - window.rows.start, columns.start - window.columns.start);
            let to = s![.., row..row + rows.len(), column..column + columns.len()];
            pixels.slice_mut(to).assign(&values);
        }
        Ok(pixels)
    }
}

/// The name of the export that a file is a part of: `city` of `city-0000000000-0000002048.tif`.
pub(super) fn export_of(path: &Path) -> Option<&str> {
    let (rest, column) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let (name, row) = rest.rsplit_once('-')?;
    let is_offset = |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_offset(row) && is_offset(column)).then_some(name)
}

/// Row and column of a part's first pixel on the pixels of the first part; else what differs.
fn corner(first: &GeoTiff, part: &GeoTiff) -> std::result::Result<[f64; 2], String> {
    if part.grid().crs != first.grid().crs {
        return Err(format!("{}, not {}", part.grid().crs, first.grid().crs));
    }
    if part.bands() != first.bands() {
        return Err(format!("{} bands, not {}", part.bands(), first.bands()));
    }
    let names = |file: &GeoTiff| file.tags().iter().map(|tags| tags.name.clone()).collect::<Vec<_>>();
    if names(part) != names(first) {
        return Err("other bands, or the same in another order".to_owned());
    }
    let conversion =
        |file: &GeoTiff| file.tags().iter().map(|tags| (tags.scale, tags.offset)).collect::<Vec<_>>();
    if conversion(part) != conversion(first) {
        return Err("another scale or offset".to_owned());
    }
    if part.no_data().map(f64::to_bits) != first.no_data().map(f64::to_bits) {
        return Err("another no-data value".to_owned());
    }
    let (Some(on), Some(at)) = (first.grid().transform, part.grid().transform) else {
        return Err("it does not say where its pixels lie".to_owned());
    };
    let ((across, down), (other_across, other_down)) = (on.pixel_size(), at.pixel_size());
    let grid = part.grid();
    let place = |row: usize, column: usize| on.pixel(at.coordinates(row as f64, column as f64));
    let (row, column) = place(0, 0);
    let (last_row, last_column) = place(grid.rows, grid.columns);
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE;
    if !near(last_row - row, grid.rows as f64) || !near(last_column - column, grid.columns as f64) {
        return Err(format!("pixels of {other_across} x {other_down}, not {across} x {down}"));
    }
    if !near(row, row.round()) || !near(column, column.round()) {
        return Err("its corner does not lie on the pixels' corners".to_owned());
    }
    Ok([row.round(), column.round()])
}

fn overlap(
    (a, [top, left]): &(GeoTiff, [usize; 2]),
    (b, [other_top, other_left]): &(GeoTiff, [usize; 2]),
) -> bool {
    let meet = |a: usize, of_a: usize, b: usize, of_b: usize| a < b + of_b && b < a + of_a;
    let (a, b) = (a.grid(), b.grid());
    meet(*top, a.rows, *other_top, b.rows) && meet(*left, a.columns, *other_left, b.columns)
}
