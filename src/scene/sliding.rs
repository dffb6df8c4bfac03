//! Windows that slide over a scene, as a network that maps it meets them: some lines of the scene at a time.

use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Array3, Array4, Axis};
use rayon::prelude::*;

use super::bands::{Scene, Shared};
use super::coverage::Coverage;
use super::distance::Distance;
use super::grid::{Grid, Transform, Window};
use super::radiometry::Radiometry;
use super::resampling::Resampling;
use crate::{Error, Imagery, Result};

/// Bytes of pixels that a block of lines holds, about: neighbouring blocks decode the same strips and tiles where they meet,
/// so that small ones take long.
const BLOCK_BYTES: usize = 512 << 20;
/// Ground sampling distances that differ by less than this share count as one, as they do for a model.
const ALIKE: f64 = 0.05;

/// How windows slide over a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct Sliding {
    /// Rows and columns of a window, N.
    pub patch_size: usize,
    /// From one window to the next, in metres on the ground or in pixels of those that the network sees.
    pub stride: Distance,
    /// Metres on the ground a pixel that the scene is brought to where it differs by more than 5 %, bilinearly if
    /// that is finer and by the mean if it is coarser; `None` leaves it as it is.
    pub ground_sampling_distance: Option<f64>,
    /// What the values in the files mean.
    pub radiometry: Radiometry,
}

/// The windows of a scene: the window in line r and column c of the map takes the scene's pixels (after
/// resampling) from row r · stride and column c · stride on.
pub struct Windows<'a> {
    sliding: &'a Sliding,
    scene: &'a Scene,
    shared: Shared,
    /// The scene as the network sees it.
    seen: Grid,
    rows: Resampling,
    columns: Resampling,
    stride: [usize; 2],
    map: Grid,
}

impl Sliding {
    /// The windows over this scene.
    ///
    /// # Errors
    /// Bands that do not fit together, a stride or a distance that the files cannot tell, a scene that is
    /// smaller than a window.
    pub fn over<'a>(&'a self, scene: &'a Scene) -> Result<Windows<'a>> {
        let shared = Shared::of_bands(std::slice::from_ref(scene))?;
        self.radiometry.check()?;
        let seen = self.seen(&shared)?;
        if seen.rows < self.patch_size || seen.columns < self.patch_size {
            let resampled = if seen == *shared.grid() { "" } else { " (resampled)" };
            let problem = format!(
                "{} x {} pixels{resampled} are less than a window of {2} x {2}",
                seen.rows, seen.columns, self.patch_size
            );
            return Err(Error::file(shared.path(), problem, "give a larger scene"));
        }
        let stride = self.stride_in_pixels(&seen, shared.path())?;
        let count = |axis: usize, length: usize| (length - self.patch_size) / stride[axis] + 1;
        // Whole pixels, so that a map of every pixel lies on the scene's own grid: for odd strides of even
        // windows the middle is the pixel below and right of it, as where patches are cut.
        let first = |axis: usize| (self.patch_size / 2) as f64 - (stride[axis] / 2) as f64;
        let transform = seen.transform.map(|transform| {
            let t = transform.0;
            let (x, y) = transform.coordinates(first(0), first(1));
            let [down, across] = stride.map(|stride| stride as f64);
            Transform([x, t[1] * across, t[2] * down, y, t[4] * across, t[5] * down])
        });
        let map = Grid {
            rows: count(0, seen.rows),
            columns: count(1, seen.columns),
            transform,
            crs: seen.crs.clone(),
        };
        let rows = Resampling::new(shared.grid().rows, seen.rows);
        let columns = Resampling::new(shared.grid().columns, seen.columns);
        Ok(Windows { sliding: self, scene, shared, seen, rows, columns, stride, map })
    }

    /// The grid that the network sees.
    fn seen(&self, shared: &Shared) -> Result<Grid> {
        let grid = shared.grid();
        let Some(wanted) = self.ground_sampling_distance else { return Ok(grid.clone()) };
        let Some([across, down]) = grid.pixel_metres() else {
            let problem = "it does not say how large its pixels are on the ground";
            let advice =
                "set it with gdal_edit.py -a_srs and -a_ullr, or take them as they are: --resample none";
            return Err(Error::file(shared.path(), problem, advice));
        };
        let differs = |given: f64| (given / wanted - 1.0).abs() > ALIKE;
        if !differs(across) && !differs(down) {
            return Ok(grid.clone());
        }
        let resized =
            |pixels: usize, metres: f64| ((pixels as f64 * metres / wanted).round() as usize).max(1);
        let (rows, columns) = (resized(grid.rows, down), resized(grid.columns, across));
        let (x, y) = (grid.columns as f64 / columns as f64, grid.rows as f64 / rows as f64);
        let transform = grid
            .transform
            .map(|Transform(t)| Transform([t[0], t[1] * x, t[2] * y, t[3], t[4] * x, t[5] * y]));
        Ok(Grid { rows, columns, transform, crs: grid.crs.clone() })
    }

    /// Rows and columns from one window to the next.
    fn stride_in_pixels(&self, seen: &Grid, path: &Path) -> Result<[usize; 2]> {
        let Some([down, across]) = self.stride.on(seen) else {
            let problem = "it does not say how large its pixels are on the ground";
            return Err(Error::file(path, problem, "give the stride in pixels: --stride 10px"));
        };
        if down <= 0.0 {
            return Err(Error::input("stride", "0", "give 100m, or 10px"));
        }
        Ok([down, across].map(|pixels| (pixels.round() as usize).max(1)))
    }
}

impl Windows<'_> {
    /// The grid of the map: a pixel a window, in the middle of the window.
    pub fn map(&self) -> &Grid {
        &self.map
    }

    /// The grid of the scene as the network sees it.
    pub fn seen(&self) -> &Grid {
        &self.seen
    }

    /// The grid of the scene's finest band.
    pub fn scene(&self) -> &Grid {
        self.shared.grid()
    }

    /// Rows and columns from one window to the next, in pixels that the network sees.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// What the windows are.
    pub fn imagery(&self) -> Imagery {
        Imagery {
            patch_size: self.sliding.patch_size,
            bands: self.scene.bands().clone(),
            ground_sampling_distance: self.seen.ground_sampling_distance(),
            unit: self.sliding.radiometry.unit.clone(),
        }
    }

    /// Lines of the map that are read together: as many as fit into some 500 megabytes, `extra` of them being
    /// bytes that the reader itself needs for a pixel of the map.
    pub fn strips(&self, extra: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let line = self.seen.columns.max(self.shared.grid().columns) * self.scene.bands().len() * 4;
        let each = 2 * self.stride[0] * line + extra * self.map.columns;
        let overlap = 2 * self.sliding.patch_size * line;
        let lines = (BLOCK_BYTES.saturating_sub(overlap) / each).max(1);
        let rows = self.map.rows;
        (0..rows).step_by(lines).map(move |first| first..rows.min(first + lines))
    }

    /// Reads what the windows of these lines of the map cover.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, lines: Range<usize>) -> Result<Strip<'_>> {
        let size = self.sliding.patch_size;
        let seen = lines.start * self.stride[0]..(lines.end - 1) * self.stride[0] + size;
        let source = Window { rows: self.rows.sources(&seen), columns: 0..self.shared.grid().columns };
        let bands = self.scene.read(&self.shared, &source, self.sliding.radiometry.no_data)?;
        let (rows, columns) = (seen.len(), self.seen.columns);
        let mut pixels = Array3::zeros((rows, columns, bands.len()));
        let mut lacking = Array2::from_elem((rows, columns), false);
        let each = pixels.axis_iter_mut(Axis(0)).into_par_iter().zip(lacking.axis_iter_mut(Axis(0)));
        each.enumerate().for_each(|(k, (mut line, mut lacking))| {
            for (c, band) in bands.iter().enumerate() {
                let values = self.line(band, seen.start + k, source.rows.start);
                for ((value, pixel), lacking) in values.zip(line.column_mut(c)).zip(&mut lacking) {
                    *pixel = self.sliding.radiometry.pixel(value);
                    *lacking |= !pixel.is_finite();
                }
            }
        });
        let missing = Coverage::of(rows, columns, |row, column| lacking[[row, column]]);
        Ok(Strip { windows: self, lines, pixels, missing })
    }

    /// The pixels of a line that the network sees, before scale and offset; `first` is the first row of `band`.
    fn line<'a>(&'a self, band: &'a Array2<f32>, row: usize, first: usize) -> impl Iterator<Item = f32> + 'a {
        let rows = self.rows.sources(&(row..row + 1));
        let lines: Vec<_> = rows.clone().map(|source| band.row(source - first)).collect();
        (0..self.seen.columns).map(move |column| {
            let in_line = |source: usize| self.columns.pixel(column, |k| lines[source - rows.start][k]);
            self.rows.pixel(row, in_line)
        })
    }
}

/// What the windows of some lines of the map cover.
pub struct Strip<'a> {
    windows: &'a Windows<'a>,
    lines: Range<usize>,
    /// (rows, columns, bands)
    pixels: Array3<f32>,
    missing: Coverage,
}

impl Strip<'_> {
    /// The lines of the map.
    pub fn lines(&self) -> Range<usize> {
        self.lines.clone()
    }

    /// Line and column of each window of which no pixel lacks data in any band.
    pub fn windows_with_data(&self) -> Vec<[usize; 2]> {
        let size = self.windows.sliding.patch_size;
        let all = self.lines.clone().flat_map(|line| (0..self.windows.map.columns).map(move |c| [line, c]));
        all.filter(|&window| {
            let [row, column] = self.corner(window);
            !self.missing.any(row..row + size, column..column + size)
        })
        .collect()
    }

    /// The pixels of these windows. Shape: (n, N, N, bands).
    pub fn images(&self, windows: &[[usize; 2]]) -> Array4<f32> {
        let size = self.windows.sliding.patch_size;
        let mut images = Array4::zeros((windows.len(), size, size, self.pixels.dim().2));
        let fill = |(&window, mut image): (&[usize; 2], ndarray::ArrayViewMut3<f32>)| {
            let [row, column] = self.corner(window);
            image.assign(&self.pixels.slice(ndarray::s![row..row + size, column..column + size, ..]));
        };
        windows.par_iter().zip(images.axis_iter_mut(Axis(0)).into_par_iter()).for_each(fill);
        images
    }

    /// The mean of a band over each pixel of the map's lines; NaN where data are missing.
    pub fn means(&self, band: usize) -> Array2<f32> {
        let [down, across] = self.windows.stride;
        let half = self.windows.sliding.patch_size / 2;
        let within = |start: usize, stride: usize, length: usize| {
            let first = (start + half).saturating_sub(stride / 2);
            first..(first + stride).min(length)
        };
        let (rows, columns, _) = self.pixels.dim();
        Array2::from_shape_fn((self.lines.len(), self.windows.map.columns), |(line, column)| {
            let [row, left] = self.corner([line + self.lines.start, column]);
            let (below, right) = (within(row, down, rows), within(left, across, columns));
            self.pixels.slice(ndarray::s![below, right, band]).mean().unwrap_or(f32::NAN)
        })
    }

    /// Where a window begins in the strip.
    fn corner(&self, [line, column]: [usize; 2]) -> [usize; 2] {
        let [down, across] = self.windows.stride;
        [(line - self.lines.start) * down, column * across]
    }
}
