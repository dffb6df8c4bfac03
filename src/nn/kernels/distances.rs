//! Distances of rows of f32 to a centre in f64, and how the rows pull at it.
//!
//! Differences are taken before they are squared, so that nothing cancels where a row lies close to
//! the centre.

use super::doubles::{DOUBLES, Doubles};
use super::{Kernel, Lanes, Level};

/// Rows that share the loads of the centre and of the sum.
const TOGETHER: usize = 4;

/// ‖x − c‖ of every row x, in order.
///
/// # Panics
/// A row of another length than the centre.
pub(crate) fn distances<'a>(
    level: Level,
    rows: impl Iterator<Item = &'a [f32]>,
    centre: &[f64],
    out: &mut Vec<f64>,
) {
    for row in rows {
        check(&[row], centre);
        out.push(level.run(Squares { rows: [row], centre })[0].sqrt());
    }
}

/// Adds Σ (x − c)/‖x − c‖ over the rows that are not at c to `sum`, and gives every row's distance.
///
/// # Panics
/// A row or a sum of another length than the centre.
pub(crate) fn pull(level: Level, rows: &[&[f32]], centre: &[f64], sum: &mut [f64], out: &mut Vec<f64>) {
    check(rows, centre);
    assert_eq!(sum.len(), centre.len(), "a sum of another width than the centre");
    let (fours, rest) = rows.as_chunks::<TOGETHER>();
    for rows in fours {
        let distances = level.run(Squares { rows: *rows, centre }).map(f64::sqrt);
        level.run(Add { rows: *rows, centre, weights: distances.map(inverse), sum });
        out.extend(distances);
    }
    for row in rest {
        let distance = level.run(Squares { rows: [row], centre })[0].sqrt();
        level.run(Add { rows: [row], centre, weights: [inverse(distance)], sum });
        out.push(distance);
    }
}

/// Adds Σ (x − c) over the rows to `sum`.
///
/// # Panics
/// A row or a sum of another length than the centre.
pub(crate) fn add(level: Level, rows: &[&[f32]], centre: &[f64], sum: &mut [f64]) {
    check(rows, centre);
    assert_eq!(sum.len(), centre.len(), "a sum of another width than the centre");
    let (fours, rest) = rows.as_chunks::<TOGETHER>();
    for rows in fours {
        level.run(Add { rows: *rows, centre, weights: [1.0; TOGETHER], sum });
    }
    for row in rest {
        level.run(Add { rows: [row], centre, weights: [1.0], sum });
    }
}

fn check(rows: &[&[f32]], centre: &[f64]) {
    assert!(rows.iter().all(|row| row.len() == centre.len()), "a row of another width than the centre");
}

/// 1/d; 0 at the centre, where there is no direction, and so close to it that 1/d overflows.
fn inverse(distance: f64) -> f64 {
    if distance < f64::MIN_POSITIVE { 0.0 } else { 1.0 / distance }
}

/// Σ (x − c)² of each row; all rows have the centre's length.
struct Squares<'a, const R: usize> {
    rows: [&'a [f32]; R],
    centre: &'a [f64],
}

impl<const R: usize> Kernel for Squares<'_, R> {
    type Output = [f64; R];

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) -> [f64; R] {
        let (centre, centre_rest) = self.centre.as_chunks::<DOUBLES>();
        let rows = self.rows.map(|row| row.as_chunks::<DOUBLES>());
        // SAFETY: the caller vouches for the processor; every row has the centre's length.
        unsafe {
            let mut sums = [L::Doubles::splat(0.0); R];
            for (j, c) in centre.iter().enumerate() {
                let c = L::Doubles::load(c);
                for (sum, row) in sums.iter_mut().zip(&rows) {
                    let d = L::Doubles::widen(row.0.get_unchecked(j)).subtract(c);
                    *sum = d.multiply_add(d, *sum);
                }
            }
            std::array::from_fn(|r| {
                let rest = rows[r].1.iter().zip(centre_rest);
                sums[r].sum() + rest.map(|(x, c)| (f64::from(*x) - c).powi(2)).sum::<f64>()
            })
        }
    }
}

/// sum ← sum + Σ w (x − c); all rows and the sum have the centre's length.
struct Add<'a, const R: usize> {
    rows: [&'a [f32]; R],
    centre: &'a [f64],
    weights: [f64; R],
    sum: &'a mut [f64],
}

impl<const R: usize> Kernel for Add<'_, R> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (centre, centre_rest) = self.centre.as_chunks::<DOUBLES>();
        let (sum, sum_rest) = self.sum.as_chunks_mut::<DOUBLES>();
        let rows = self.rows.map(|row| row.as_chunks::<DOUBLES>());
        // SAFETY: the caller vouches for the processor; every row has the centre's length.
        unsafe {
            let weights = self.weights.map(|w| L::Doubles::splat(w));
            for (j, (c, sum)) in centre.iter().zip(sum).enumerate() {
                let c = L::Doubles::load(c);
                let mut total = L::Doubles::load(sum);
                for (row, weight) in rows.iter().zip(weights) {
                    let d = L::Doubles::widen(row.0.get_unchecked(j)).subtract(c);
                    total = weight.multiply_add(d, total);
                }
                total.store(sum);
            }
        }
        for (row, weight) in rows.iter().zip(self.weights) {
            for ((sum, x), c) in sum_rest.iter_mut().zip(row.1).zip(centre_rest) {
                *sum += weight * (f64::from(*x) - c);
            }
        }
    }
}
