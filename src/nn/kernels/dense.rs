//! Products of matrices for dense layers: y += a · b, with a in any layout.
//!
//! A block of b stays in the L2 cache while all rows of y pass by, a tile of which is held in registers while the block's
//! inner side runs. The next block is prefetched meanwhile, because the processor does not foresee lines that lie far apart.

use std::ops::Range;

use super::tile::{Tile, load_row};
use super::{Kernel, Lanes};
use crate::simd::prefetch;

/// Rows of a block of b.
const DEPTH: usize = 256;

/// Columns of a block of b.
const WIDTH: usize = 128;

/// Rows of y from which on a block of b is copied if its rows lie far apart.
const WORTH_A_COPY: usize = 24;

/// Rows of y from which on a block of b is copied if its rows are not whole vectors.
const RAGGED: usize = 4;

/// The left matrix by the places of its numbers: that of row r and column k is r · `row` + k · `column`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) numbers: &'a [f32],
    pub(crate) row: usize,
    pub(crate) column: usize,
}

/// y += a · b for y of (rows, columns) row by row, and b of (inner, columns), the first columns of rows that may be longer.
pub(crate) struct AddProduct<'a> {
    pub(crate) a: Left<'a>,
    pub(crate) b: &'a [f32],
    /// Numbers of b's rows.
    pub(crate) b_row: usize,
    pub(crate) y: &'a mut [f32],
    pub(crate) columns: usize,
}

impl AddProduct<'_> {
    /// Rows of y, and of b.
    fn rows(&self) -> [usize; 2] {
        // Without columns there are no numbers. The last row of b may end behind its columns.
        let inner = self.b.len().saturating_sub(self.columns) / self.b_row.max(1) + 1;
        [self.y.len() / self.columns.max(1), if self.b.len() < self.columns.max(1) { 0 } else { inner }]
    }
}

// SAFETY: `check` has y of whole rows, and all of a's places in its numbers; `rows` counts the rows of b that hold the columns.
unsafe impl Kernel for AddProduct<'_> {
    fn check(&self) {
        let [rows, inner] = self.rows();
        assert!(self.columns <= self.b_row, "rows of b that hold the columns");
        assert_eq!(self.y.len(), rows * self.columns, "a matrix of whole rows");
        let left = self.b.len() - (inner * self.b_row).min(self.b.len());
        assert!(left == 0, "a matrix of whole rows, but for the last one's end");
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
        let mut copy = Vec::new();
        for columns in (0..self.columns).step_by(WIDTH) {
            let columns = columns..(columns + WIDTH).min(self.columns);
            let ragged = !columns.len().is_multiple_of(L::WIDTH);
            let copied = ragged && rows >= RAGGED || columns.len() < self.b_row && rows >= WORTH_A_COPY;
            for ks in (0..inner).step_by(DEPTH) {
                let ks = ks..(ks + DEPTH).min(inner);
                let b = &self.b[ks.start * self.b_row + columns.start..];
                let (mut b, mut stride) = (b.as_ptr(), self.b_row);
                if copied {
                    stride = columns.len().next_multiple_of(L::WIDTH);
                    copy.resize(ks.len() * stride, 0.0);
                    for (to, k) in copy.chunks_exact_mut(stride).zip(ks.clone()) {
                        to[..columns.len()].copy_from_slice(&self.b[k * self.b_row..][columns.clone()]);
                    }
                    b = copy.as_ptr();
                }
                let block = &Block { ks, columns: columns.clone(), b, stride, copied };
                // SAFETY: the rows of each step are in y and a, the block in b.
                unsafe {
                    let mut row = 0;
                    while row < rows {
                        // Two times four rows rather than six and two, which would leave most of the registers empty.
                        row += match rows - row {
                            4 | 8 => self.strips::<L, 4>(row, block),
                            6.. => self.strips::<L, 6>(row, block),
                            2.. => self.strips::<L, 2>(row, block),
                            _ => self.strips::<L, 1>(row, block),
                        };
                    }
                }
            }
        }
    }
}

/// A block of b.
struct Block {
    ks: Range<usize>,
    columns: Range<usize>,
    /// Its first number, and how far apart its rows are.
    b: *const f32,
    stride: usize,
    /// Whether it is a copy, whose rows are whole vectors.
    copied: bool,
}

impl AddProduct<'_> {
    /// R rows of y in the block's columns; returns R. Four vectors of columns by six rows fill AVX-512's 32 registers, two
    /// those of AVX2.
    #[inline(always)]
    unsafe fn strips<L: Lanes, const R: usize>(&mut self, row: usize, block: &Block) -> usize {
        let Range { start: mut column, end } = block.columns;
        self.prefetch(row..row + R, block);
        // SAFETY: the columns of each call are in the rows.
        unsafe {
            if L::WIDTH == 16 {
                while column + 4 * L::WIDTH <= end {
                    self.tile::<L, R, 4, true>(row, block, column);
                    column += 4 * L::WIDTH;
                }
            }
            while column + 2 * L::WIDTH <= end {
                self.tile::<L, R, 2, true>(row, block, column);
                column += 2 * L::WIDTH;
            }
            while column + L::WIDTH <= end {
                self.tile::<L, R, 1, true>(row, block, column);
                column += L::WIDTH;
            }
            if column < end {
                self.tile::<L, R, 1, false>(row, block, column);
            }
        }
        R
    }

    /// Prefetches these rows' share of the next block of b.
    #[inline(always)]
    fn prefetch(&self, rows: Range<usize>, block: &Block) {
        // Only where b's blocks follow one another in memory.
        if block.columns.len() == self.b_row {
            let next = &self.b[block.ks.end * self.columns..];
            let len = next.len().min(DEPTH * self.columns);
            let [start, end] = [rows.start, rows.end].map(|row| len * row / self.rows()[0]);
            next[start..end].iter().step_by(16).for_each(prefetch);
        }
    }

    /// R rows × V vectors of columns, held in registers; the last vector reaches beyond the row unless they are WHOLE.
    #[inline(always)]
    unsafe fn tile<L: Lanes, const R: usize, const V: usize, const WHOLE: bool>(
        &mut self,
        row: usize,
        block: &Block,
        column: usize,
    ) {
        let Self { a, columns, .. } = *self;
        let left = if WHOLE { V * L::WIDTH } else { block.columns.end - column };
        let of_b = if block.copied { V * L::WIDTH } else { left };
        // SAFETY: rows and columns lie in their matrices; `left` keeps the last vector inside its row.
        unsafe {
            let y = self.y.as_mut_ptr().add(row * columns + column);
            let mut sums = Tile::<L, R, V>::load(y, columns, left);
            let first = a.numbers.as_ptr().add(row * a.row);
            let mut b = block.b.add(column - block.columns.start);
            for k in block.ks.clone() {
                sums.add(first.add(k * a.column), a.row, load_row(b, of_b));
                b = b.wrapping_add(block.stride);
            }
            sums.store(y, columns, left, R);
        }
    }
}
