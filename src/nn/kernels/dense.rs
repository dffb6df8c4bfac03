//! Products of matrices for dense layers: y += a · b, with a and y in any layout of rows.
//!
//! A tile of y is held in registers while the inner side runs; the strip of b that it takes stays in the L2 cache
//! for the tiles below it, if the inner side is a thousand or so.

use super::tile::{Tile, in_steps, load_row};
use super::{Kernel, Lanes};

/// A matrix by the places of its numbers: that of row r and column k is r · `row` + k · `column`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// y += a · b for y of (rows, columns) and b of (inner, columns), both row by row.
pub(crate) struct AddProduct<'a> {
    pub(crate) a: Left<'a>,
    pub(crate) b: &'a [f32],
    pub(crate) y: &'a mut [f32],
    pub(crate) columns: usize,
}

impl AddProduct<'_> {
    /// Rows of y, and of b.
    fn rows(&self) -> [usize; 2] {
        // Without columns there are no numbers.
        [self.y.len(), self.b.len()].map(|len| len / self.columns.max(1))
    }
}

// SAFETY: `check` has y and b of whole rows, and all of a's places in its numbers.
unsafe impl Kernel for AddProduct<'_> {
    fn check(&self) {
        let [rows, inner] = self.rows();
        let whole = self.y.len() == rows * self.columns && self.b.len() == inner * self.columns;
        assert!(whole, "matrices of whole rows");
        if rows > 0 && inner > 0 {
            let of_rows = (rows - 1).checked_mul(self.a.row);
            let last = of_rows.and_then(|at| at.checked_add((inner - 1).checked_mul(self.a.column)?));
            let fits = last.is_some_and(|last| last < self.a.numbers.len());
            assert!(fits, "a matrix of {rows} rows and {inner} columns");
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let [rows, inner] = self.rows();
        if inner == 0 {
            return;
        }
        // Four vectors of columns by six rows fill AVX-512's 32 registers, two those of AVX2.
        let wide = if L::WIDTH == 16 { 4 } else { 2 } * L::WIDTH;
        let mut column = 0;
        // SAFETY: the columns of each call are in the rows.
        unsafe {
            while column + wide <= self.columns {
                if L::WIDTH == 16 {
                    self.strip::<L, 4, true>(rows, inner, column);
                } else {
                    self.strip::<L, 2, true>(rows, inner, column);
                }
                column += wide;
            }
            while column + L::WIDTH <= self.columns {
                self.strip::<L, 1, true>(rows, inner, column);
                column += L::WIDTH;
            }
            if column < self.columns {
                self.strip::<L, 1, false>(rows, inner, column);
            }
        }
    }
}

impl AddProduct<'_> {
    /// All rows of V vectors of columns; the last one reaches beyond the row unless they are WHOLE.
    #[inline(always)]
    unsafe fn strip<L: Lanes, const V: usize, const WHOLE: bool>(
        &mut self,
        rows: usize,
        inner: usize,
        column: usize,
    ) {
        let left = if WHOLE { V * L::WIDTH } else { self.columns - column };
        // SAFETY: the rows of each step are in y and a.
        unsafe { in_steps!(row in 0..rows, self.tile::<L, (6, 2, 1), V>(inner, row, column, left)) }
    }

    /// R rows × V vectors of columns, held in registers; the last vector reaches over what is `left` of a row.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const V: usize>(
        &mut self,
        inner: usize,
        row: usize,
        column: usize,
        left: usize,
    ) {
        let Self { a, columns, .. } = *self;
        // SAFETY: rows and columns lie in their matrices; `left` keeps the last vector inside its row.
        unsafe {
            let y = self.y.as_mut_ptr().add(row * columns + column);
            let mut sums = Tile::<L, R, V>::load(y, columns, left);
            let first = a.numbers.as_ptr().add(row * a.row);
            for k in 0..inner {
                let b = self.b.as_ptr().add(k * columns + column);
                sums.add(first.add(k * a.column), a.row, load_row(b, left));
            }
            sums.store(y, columns, left, R);
        }
    }
}
