//! The innermost loop of every product of matrices: a tile of sums that stays in registers.

use super::Lanes;

/// P rows of V vectors of sums.
pub(super) struct Tile<L, const P: usize, const V: usize>([[L; V]; P]);

/// Lanes of vector `v` that are among the `left` numbers of a row.
#[inline(always)]
fn lanes<L: Lanes>(left: usize, v: usize) -> usize {
    left.saturating_sub(v * L::WIDTH).min(L::WIDTH)
}

/// V vectors side by side, the last of them of what is `left`.
///
/// # Safety
/// The numbers must exist; the processor must have the vector's instructions.
#[inline(always)]
pub(super) unsafe fn load_row<L: Lanes, const V: usize>(from: *const f32, left: usize) -> [L; V] {
    // SAFETY: the caller's.
    unsafe {
        let mut vectors = [L::splat(0.0); V];
        for (v, vector) in vectors.iter_mut().enumerate() {
            *vector = L::load_first(from.add(v * L::WIDTH), lanes::<L>(left, v));
        }
        vectors
    }
}

// SAFETY (of every method): the processor must have the instructions of `L`, and what is read or written must exist.
impl<L: Lanes, const P: usize, const V: usize> Tile<L, P, V> {
    /// Every row the same.
    #[inline(always)]
    pub(super) unsafe fn of(row: [L; V]) -> Self {
        Self([row; P])
    }

    /// Rows `stride` apart, of `left` numbers each.
    #[inline(always)]
    pub(super) unsafe fn load(from: *const f32, stride: usize, left: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let mut rows = [[L::splat(0.0); V]; P];
            for (p, row) in rows.iter_mut().enumerate() {
                *row = load_row(from.add(p * stride), left);
            }
            Self(rows)
        }
    }

    /// Adds the products of a number for each row, `stride` apart, with the vectors.
    #[inline(always)]
    pub(super) unsafe fn add(&mut self, x: *const f32, stride: usize, vectors: [L; V]) {
        // SAFETY: the caller's.
        unsafe {
            for (p, row) in self.0.iter_mut().enumerate() {
                let x = L::splat(*x.add(p * stride));
                for (sum, vector) in row.iter_mut().zip(vectors) {
                    *sum = x.multiply_add(vector, *sum);
                }
            }
        }
    }

    /// Adds rows in memory to the first `rows`.
    #[inline(always)]
    pub(super) unsafe fn add_rows(&mut self, from: *const f32, stride: usize, left: usize, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            for (p, row) in self.0.iter_mut().enumerate().take(rows) {
                for (sum, vector) in row.iter_mut().zip(load_row::<L, V>(from.add(p * stride), left)) {
                    *sum = sum.add(vector);
                }
            }
        }
    }

    /// max(0, ·); NaN stays NaN.
    #[inline(always)]
    pub(super) unsafe fn rectify(&mut self) {
        for sum in self.0.as_flattened_mut() {
            // SAFETY: the caller's.
            *sum = unsafe { L::splat(0.0).max(*sum) };
        }
    }

    /// The first `rows` to memory.
    #[inline(always)]
    pub(super) unsafe fn store(self, to: *mut f32, stride: usize, left: usize, rows: usize) {
        // SAFETY: the caller's.
        unsafe {
            for (p, row) in self.0.iter().enumerate().take(rows) {
                for (v, sum) in row.iter().enumerate() {
                    sum.store_first(to.add(p * stride + v * L::WIDTH), lanes::<L>(left, v));
                }
            }
        }
    }
}

/// Calls a method with the largest of the steps that fits, again and again, from 0 to the end: `$at` is where it is. Where six
/// would leave two, it takes twice four if it can: the additions to two rows of sums would wait for each other.
macro_rules! in_steps {
    ($at:ident in $range:expr, $this:ident.$method:ident::<$L:ident, ($first:tt $(, $next:literal)*), $V:ident> $arguments:tt) => {{
        let (mut $at, end) = ($range.start, $range.end);
        while end - $at >= $first && !($first == 6 && end - $at == 8 && (false $(|| $next == 4)*)) {
            $this.$method::<$L, $first, $V> $arguments;
            $at += $first;
        }
        $(
            while $next < $first && end - $at >= $next {
                $this.$method::<$L, $next, $V> $arguments;
                $at += $next;
            }
        )*
    }};
}
pub(super) use in_steps;
