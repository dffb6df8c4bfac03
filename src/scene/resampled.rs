//! A file of bands brought to square pixels, as the rest of the crate reads any file.

use std::path::Path;
use std::sync::Arc;

use ndarray::{Array2, Array3, Axis, s};
use rayon::prelude::*;

use super::bands::Shared;
use super::resampling::Resampling;
use super::scene_view::{TOLERANCE, centre, resampled};
use super::{Grid, Raster, Window};
use crate::Result;

/// The square pixels of a scene whose own are oblong on the ground.
#[derive(Debug)]
pub(super) struct SquarePixels {
    /// The scene's finest grid.
    source: Shared,
    grid: Grid,
    rows: Resampling,
    columns: Resampling,
}

impl SquarePixels {
    /// Pixels as wide and high as the shorter side of those of `source`; none where these are square, or of unknown size.
    pub fn of(source: Shared) -> Result<Option<Arc<Self>>> {
        let Some([across, down]) = source.grid().pixel_metres() else { return Ok(None) };
        if (across.max(down) / across.min(down) - 1.0).abs() <= TOLERANCE {
            return Ok(None);
        }
        let grid = resampled(source.grid(), across.min(down), source.path())?;
        let rows = Resampling::new(source.grid().rows, grid.rows);
        let columns = Resampling::new(source.grid().columns, grid.columns);
        Ok(Some(Arc::new(Self { source, grid, rows, columns })))
    }
}

/// A file whose pixels are brought to square ones: values bilinearly, class numbers by the pixel in which a centre lies.
#[derive(Debug, Clone)]
pub struct ResampledRaster {
    file: Raster,
    /// Pixels of the scene's finest grid in one of the file's, in each direction.
    factor: usize,
    square: Arc<SquarePixels>,
    has_classes: bool,
}

impl ResampledRaster {
    /// A file on the grid that `square` is made from, or on a multiple of it.
    pub(super) fn of(file: Raster, square: &Arc<SquarePixels>, has_classes: bool) -> Result<Self> {
        let factor = square.source.multiple(file.path(), file.grid())?;
        Ok(Self { file, factor, square: Arc::clone(square), has_classes })
    }

    /// The file as it is.
    pub(super) fn file(&self) -> &Raster {
        &self.file
    }

    /// The file's own finest grid, and the file that has it.
    pub(super) fn source(&self) -> (&Path, &Grid) {
        (self.square.source.path(), self.square.source.grid())
    }

    /// The square pixels.
    pub(super) fn grid(&self) -> &Grid {
        &self.square.grid
    }

    /// The pixels of a window of the square grid.
    pub(super) fn read(&self, window: &Window, no_data: Option<f64>) -> Result<Array3<f32>> {
        let SquarePixels { source, grid, rows, columns } = &*self.square;
        let sources = Window { rows: rows.sources(&window.rows), columns: columns.sources(&window.columns) };
        let pixels = self.file.read(&sources.coarser(self.factor), no_data)?;
        let mut squares = Array3::zeros((pixels.dim().0, window.rows.len(), window.columns.len()));
        for (band, mut square) in pixels.axis_iter(Axis(0)).zip(squares.axis_iter_mut(Axis(0))) {
            let band: Array2<f32> = sources.spread(self.factor, band);
            let (first, left) = (sources.rows.start, sources.columns.start);
            square.axis_iter_mut(Axis(0)).into_par_iter().enumerate().for_each(|(k, mut line)| {
                let row = window.rows.start + k;
                if self.has_classes {
                    let near = band.slice(s![centre(row, grid.rows, source.grid().rows) - first, ..]);
                    for (pixel, column) in line.iter_mut().zip(window.columns.clone()) {
                        *pixel = near[centre(column, grid.columns, source.grid().columns) - left];
                    }
                } else {
                    for (pixel, column) in line.iter_mut().zip(window.columns.clone()) {
                        *pixel = rows.pixel(row, |r| columns.pixel(column, |c| band[[r - first, c - left]]));
                    }
                }
            });
        }
        Ok(squares)
    }
}
