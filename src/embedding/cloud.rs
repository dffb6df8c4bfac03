//! Samples as a cloud of points, and the distances between all of them, some rows at a time.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, Axis, s};
use rayon::prelude::*;

use crate::simd::Level;
use crate::simd::distances::distances;
use crate::{Error, Features, Progress, Result};

/// Rows of distances that a thread holds at once.
const ROWS: usize = 128;
/// Blocks of rows between two reports of progress.
const BLOCKS: usize = 16;

/// Points around their mean, so that little cancels in the squares of differences.
pub(super) struct Cloud {
    x: Array2<f32>,
    /// ‖x‖² of each.
    squares: Vec<f32>,
}

impl Cloud {
    pub(super) fn new(h: &Features) -> Result<Self> {
        let h = h.view();
        if let Some(row) = h.outer_iter().position(|row| row.iter().any(|x| !x.is_finite())) {
            let place = format!("features in memory, row {row}");
            return Err(Error::input(place, "NaN or infinite", "check the network and its input"));
        }
        let mut sum = Array1::<f64>::zeros(h.ncols());
        h.outer_iter().for_each(|row| sum.zip_mut_with(&row, |sum, x| *sum += f64::from(*x)));
        let mean = sum.mapv(|sum| (sum / h.nrows() as f64) as f32);
        let x = &h - &mean;
        let squares = x.outer_iter().map(|row| row.dot(&row)).collect();
        Ok(Self { x, squares })
    }

    pub(super) fn len(&self) -> usize {
        self.squares.len()
    }

    /// The points around their mean. Shape: (N, D).
    pub(super) fn view(&self) -> ArrayView2<'_, f32> {
        self.x.view()
    }

    /// What `of` makes of each row: its number, and ‖x_i − x_j‖² for all j. These come of a product of matrices,
    /// to some 1e-6 of ‖x‖².
    pub(super) fn rows<T: Send>(
        &self,
        stage: &str,
        progress: &mut dyn Progress,
        of: impl Fn(usize, &mut [f32]) -> T + Sync,
    ) -> Vec<T> {
        let blocks: Vec<usize> = (0..self.len()).step_by(ROWS).collect();
        let mut all = Vec::with_capacity(self.len());
        progress.begin(stage, self.len() as u64);
        for some in blocks.chunks(BLOCKS) {
            let done: Vec<Vec<T>> = some.par_iter().map(|&first| self.block(first, &of)).collect();
            let before = all.len();
            all.extend(done.into_iter().flatten());
            progress.advance((all.len() - before) as u64, "");
        }
        progress.end("");
        all
    }

    fn block<T>(&self, first: usize, of: impl Fn(usize, &mut [f32]) -> T) -> Vec<T> {
        let last = self.len().min(first + ROWS);
        // `dot` may give columns in a row.
        let mut products = Array2::zeros((last - first, self.len())); // (rows, N)
        general_mat_mul(1.0, &self.x.slice(s![first..last, ..]), &self.x.t(), 0.0, &mut products);
        let rows = products.axis_iter_mut(Axis(0)).enumerate();
        let each = |(row, mut products): (usize, ndarray::ArrayViewMut1<'_, f32>)| {
            let i = first + row;
            let distances = products.as_slice_mut().unwrap_or_default();
            for (d, square) in distances.iter_mut().zip(&self.squares) {
                *d = (self.squares[i] + square - 2.0 * *d).max(0.0);
            }
            distances[i] = 0.0;
            of(i, distances)
        };
        rows.map(each).collect()
    }

    /// ‖x_i − x_j‖² of some j, each difference squared on its own.
    pub(super) fn squared_distances(&self, i: usize, others: &[u32]) -> Vec<f64> {
        let centre: Vec<f64> = self.x.row(i).iter().map(|x| f64::from(*x)).collect();
        let mut found = Vec::with_capacity(others.len());
        let row = |j: &u32| self.x.row(*j as usize).to_slice().unwrap_or_default();
        distances(Level::best(), others.iter().map(row), &centre, &mut found);
        found.into_iter().map(|d| d * d).collect()
    }
}
