//! Windows that slide over a scene, for mapping: some lines of the map at a time.

use std::ops::Range;

use ndarray::{Array2, Array4, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

use super::coverage::Coverage;
use super::{Distance, Grid, SceneRows, SceneView, Transform, Window};
use crate::{Error, Imagery, Result};

/// Bytes of pixels that a strip holds, about: neighbouring strips decode the same strips and tiles of the files where they
/// meet, so that small ones take long.
const STRIP_BYTES: usize = 512 << 20;

/// The windows of a scene: the window in line r and column c of the map takes the pixels from row
/// r · stride and column c · stride on.
#[derive(Debug)]
pub struct Windows<'a> {
    view: &'a SceneView<'a>,
    size: usize,
    stride: [usize; 2],
    /// The line of the whole map that is the first here.
    first: usize,
    map: Grid,
}

impl<'a> Windows<'a> {
    /// Windows of `size` rows and columns, `stride` apart, on the ground or in pixels of the view.
    ///
    /// # Errors
    /// A stride of 0, one in metres where the files do not say how large pixels are, a scene that is
    /// smaller than a window.
    pub fn over(view: &'a SceneView<'a>, size: usize, stride: Distance) -> Result<Self> {
        let seen = view.grid();
        if seen.rows < size || seen.columns < size {
            let resampled = if seen == view.source() { "" } else { " (resampled)" };
            let problem = format!(
                "{} x {} pixels{resampled} are less than a window of {size} x {size}",
                seen.rows, seen.columns
            );
            return Err(Error::file(view.path(), problem, "give a larger scene"));
        }
        let [down, across] = stride.on(seen, "stride", "give it in pixels: --stride 10px")?;
        if down <= 0.0 {
            return Err(Error::input("stride", "0 pixels", "give 100m, or 10px"));
        }
        let stride = [down, across].map(|pixels| (pixels.round() as usize).max(1));
        let count = |axis: usize, length: usize| (length - size) / stride[axis] + 1;
        // Whole pixels, so that a map of every pixel lies on the scene's own grid: for odd strides of even
        // windows the middle is the pixel below and right of it, as where patches are cut.
        let first = |axis: usize| (size / 2) as f64 - (stride[axis] / 2) as f64;
        let transform = seen.transform.map(|transform| {
            let t = transform.0;
            let (x, y) = transform.coordinates(first(0), first(1));
            let [down, across] = stride.map(|stride| stride as f64);
            Transform([x, t[1] * across, t[2] * down, y, t[4] * across, t[5] * down])
        });
        let (rows, columns) = (count(0, seen.rows), count(1, seen.columns));
        let map = Grid { rows, columns, transform, crs: seen.crs.clone() };
        Ok(Self { view, size, stride, first: 0, map })
    }

    /// The windows of these lines of the map alone.
    pub(crate) fn of_lines(self, lines: Range<usize>) -> Self {
        let map = self.map.part(&Window { rows: lines.clone(), columns: 0..self.map.columns });
        Self { first: self.first + lines.start, map, ..self }
    }

    /// The grid of the map: a pixel per window, in the middle of the window.
    pub fn map(&self) -> &Grid {
        &self.map
    }

    /// Rows and columns from one window to the next, in pixels that the network sees.
    pub fn stride(&self) -> [usize; 2] {
        self.stride
    }

    /// The pixels of the view in the middle of the windows, of which each pixel of the map has a stride.
    pub(crate) fn middles(&self) -> Window {
        let range = |axis: usize, first: usize, count: usize, length: usize| {
            let stride = self.stride[axis];
            let start = (first * stride + self.size / 2).saturating_sub(stride / 2);
            start..(start + count * stride).min(length)
        };
        let (map, seen) = (&self.map, self.view.grid());
        Window {
            rows: range(0, self.first, map.rows, seen.rows),
            columns: range(1, 0, map.columns, seen.columns),
        }
    }

    /// What the windows are.
    pub fn imagery(&self) -> Imagery {
        self.view.imagery(self.size)
    }

    /// Lines of the map that are read together: as many as fit into some 500 megabytes, `extra` of them being
    /// bytes that the reader itself needs for a pixel of the map.
    pub fn strips(&self, extra: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let columns = self.view.grid().columns.max(self.view.source().columns);
        let line = columns * self.view.scene().bands().len() * size_of::<f32>();
        let each = 2 * self.stride[0] * line + extra * self.map.columns;
        let overlap = 2 * self.size * line;
        let lines = (STRIP_BYTES.saturating_sub(overlap) / each).max(1);
        let rows = self.map.rows;
        (0..rows).step_by(lines).map(move |first| first..rows.min(first + lines))
    }

    /// Reads what the windows of these lines of the map cover.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn read(&self, lines: Range<usize>) -> Result<Strip<'_>> {
        let row = |line: usize| (self.first + line) * self.stride[0];
        let rows = row(lines.start)..row(lines.end - 1) + self.size;
        let rows = self.view.read(rows)?;
        let (height, width) = rows.lacking.dim();
        let marked = |marks: &Array2<bool>| Coverage::new(height, width, |row, column| marks[[row, column]]);
        let missing = marked(&rows.lacking);
        let hidden = rows.hidden.as_ref().map(marked);
        Ok(Strip { windows: self, lines, rows, missing, hidden })
    }
}

/// What the windows of some lines of the map cover.
#[derive(Debug)]
pub struct Strip<'a> {
    windows: &'a Windows<'a>,
    lines: Range<usize>,
    rows: SceneRows,
    missing: Coverage,
    hidden: Option<Coverage>,
}

impl Strip<'_> {
    /// Line and column of each window of which no pixel lacks data in any band.
    pub fn windows_with_data(&self) -> Vec<[usize; 2]> {
        let size = self.windows.size;
        let all = self.lines.clone().flat_map(|line| (0..self.windows.map.columns).map(move |c| [line, c]));
        all.filter(|&window| {
            let [row, column] = self.corner(window);
            !self.missing.any(row..row + size, column..column + size)
        })
        .collect()
    }

    /// The share of a window that clouds hide; `None` where the view does not look for clouds.
    pub fn hidden(&self, window: [usize; 2]) -> Option<f64> {
        let (size, [row, column]) = (self.windows.size, self.corner(window));
        let count = self.hidden.as_ref()?.count(row..row + size, column..column + size);
        Some(count as f64 / (size * size) as f64)
    }

    /// The pixels of these windows. Shape: (n, N, N, bands).
    pub fn images(&self, windows: &[[usize; 2]]) -> Array4<f32> {
        let (size, pixels) = (self.windows.size, &self.rows.pixels);
        let mut images = Array4::zeros((windows.len(), size, size, pixels.dim().2));
        let fill = |(&window, mut image): (&[usize; 2], ArrayViewMut3<'_, f32>)| {
            let [row, column] = self.corner(window);
            image.assign(&pixels.slice(s![row..row + size, column..column + size, ..]));
        };
        windows.par_iter().zip(images.axis_iter_mut(Axis(0)).into_par_iter()).for_each(fill);
        images
    }

    /// Where a window begins in the strip.
    fn corner(&self, [line, column]: [usize; 2]) -> [usize; 2] {
        let [down, across] = self.windows.stride;
        [(line - self.lines.start) * down, column * across]
    }
}
