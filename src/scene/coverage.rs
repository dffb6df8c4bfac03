//! How many marked pixels a rectangle holds, in four look-ups: a summed-area table.

use std::ops::Range;

use ndarray::Array2;

/// `sums[[r, c]]` = how many pixels above row r and left of column c are marked.
#[derive(Debug)]
pub(super) struct Coverage {
    sums: Array2<u32>,
}

impl Coverage {
    /// Counts the marks of a raster of this size.
    pub fn new(rows: usize, columns: usize, marked: impl Fn(usize, usize) -> bool) -> Self {
        let mut sums = Array2::zeros((rows + 1, columns + 1));
        for row in 0..rows {
            let mut in_row = 0;
            for column in 0..columns {
                in_row += u32::from(marked(row, column));
                sums[[row + 1, column + 1]] = sums[[row, column + 1]] + in_row;
            }
        }
        Self { sums }
    }

    /// Counts these pixels.
    pub fn from_pixels(rows: usize, columns: usize, pixels: impl Iterator<Item = [usize; 2]>) -> Self {
        let mut marks = Array2::from_elem((rows, columns), false);
        for pixel in pixels {
            marks[pixel] = true;
        }
        Self::new(rows, columns, |row, column| marks[[row, column]])
    }

    /// How many pixels in these rows and columns are marked; what lies outside the raster is not.
    pub fn count(&self, rows: Range<usize>, columns: Range<usize>) -> usize {
        let (height, width) = self.sums.dim();
        let (top, bottom) = (rows.start.min(height - 1), rows.end.min(height - 1));
        let (left, right) = (columns.start.min(width - 1), columns.end.min(width - 1));
        let above = |row: usize, column: usize| self.sums[[row, column]] as usize;
        above(bottom, right) + above(top, left) - above(top, right) - above(bottom, left)
    }

    /// Whether any of them is.
    pub fn any(&self, rows: Range<usize>, columns: Range<usize>) -> bool {
        self.count(rows, columns) > 0
    }

    /// Whether a marked pixel lies within `reach` rows and columns of this one.
    pub fn any_near(&self, [row, column]: [usize; 2], reach: usize) -> bool {
        let around = |middle: usize| middle.saturating_sub(reach)..middle.saturating_add(reach + 1);
        self.any(around(row), around(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rectangle_is_covered_exactly_if_it_holds_a_marked_pixel() {
        let coverage = Coverage::from_pixels(5, 7, [[0, 0], [2, 3], [4, 6]].into_iter());
        assert!(coverage.any(2..3, 3..4));
        assert!(!coverage.any(2..3, 4..7) && !coverage.any(3..5, 0..6) && !coverage.any(1..2, 0..7));
        assert!(coverage.any(3..9, 5..99), "a rectangle may leave the raster");
        assert!(!coverage.any(2..2, 3..4), "an empty one holds nothing");
        assert!(coverage.any_near([1, 1], 1) && !coverage.any_near([2, 1], 1));
        assert!(coverage.any_near([2, 1], 2));
    }
}
