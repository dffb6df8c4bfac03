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
        out.extend(lengths(level, [row], centre));
    }
}

/// Adds Σ (x − c)/‖x − c‖ over the rows that are not at c to `sum`, and gives every row's distance.
///
/// # Panics
/// A row or a sum of another length than the centre.
pub(crate) fn pull(level: Level, rows: &[&[f32]], centre: &[f64], sum: &mut [f64], out: &mut Vec<f64>) {
    let (fours, rest) = rows.as_chunks::<TOGETHER>();
    for rows in fours {
        let distances = lengths(level, *rows, centre);
        level.run(Add { rows: *rows, centre, weights: distances.map(inverse), sum });
        out.extend(distances);
    }
    for row in rest {
        let distance = lengths(level, [row], centre);
        level.run(Add { rows: [row], centre, weights: distance.map(inverse), sum });
        out.extend(distance);
    }
}

/// Adds Σ (x − c) over the rows to `sum`.
///
/// # Panics
/// A row or a sum of another length than the centre.
pub(crate) fn add(level: Level, rows: &[&[f32]], centre: &[f64], sum: &mut [f64]) {
    let (fours, rest) = rows.as_chunks::<TOGETHER>();
    for rows in fours {
        level.run(Add { rows: *rows, centre, weights: [1.0; TOGETHER], sum });
    }
    for row in rest {
        level.run(Add { rows: [row], centre, weights: [1.0], sum });
    }
}

/// ‖x − c‖ of each row.
fn lengths<const R: usize>(level: Level, rows: [&[f32]; R], centre: &[f64]) -> [f64; R] {
    let mut squares = [0.0; R];
    level.run(Squares { rows, centre, out: &mut squares });
    squares.map(f64::sqrt)
}

fn check(rows: &[&[f32]], centre: &[f64]) {
    assert!(rows.iter().all(|row| row.len() == centre.len()), "a row of another width than the centre");
}

/// 1/d; 0 at the centre, where there is no direction, and so close to it that 1/d overflows.
fn inverse(distance: f64) -> f64 {
    if distance < f64::MIN_POSITIVE { 0.0 } else { 1.0 / distance }
}

/// Σ (x − c)² of each row.
struct Squares<'a, const R: usize> {
    rows: [&'a [f32]; R],
    centre: &'a [f64],
    out: &'a mut [f64; R],
}

// SAFETY: `check` has every row as long as the centre.
unsafe impl<const R: usize> Kernel for Squares<'_, R> {
    fn check(&self) {
        check(&self.rows, self.centre);
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
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
            for ((out, sum), row) in self.out.iter_mut().zip(sums).zip(&rows) {
                let rest = row.1.iter().zip(centre_rest);
                *out = sum.sum() + rest.map(|(x, c)| (f64::from(*x) - c).powi(2)).sum::<f64>();
            }
        }
    }
}

/// sum ← sum + Σ w (x − c).
struct Add<'a, const R: usize> {
    rows: [&'a [f32]; R],
    centre: &'a [f64],
    weights: [f64; R],
    sum: &'a mut [f64],
}

// SAFETY: `check` has every row and the sum as long as the centre.
unsafe impl<const R: usize> Kernel for Add<'_, R> {
    fn check(&self) {
        check(&self.rows, self.centre);
        assert_eq!(self.sum.len(), self.centre.len(), "a sum of another width than the centre");
    }

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

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn distances_and_pulls_are_those_of_plain_loops_in_f64() {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        for width in [1, 7, 8, 9, 15, 16, 17, 33, 100] {
            for count in [1, 4, 7] {
                let mut draw =
                    |len: usize| (0..len).map(|_| random.gen_range(-1.0..1.0)).collect::<Vec<f32>>();
                let mut values = draw(width * count);
                let centre: Vec<f64> = draw(width).into_iter().map(f64::from).collect();
                // The last row lies at the centre: it has no direction.
                for (x, c) in values[(count - 1) * width..].iter_mut().zip(&centre) {
                    *x = *c as f32;
                }
                let rows: Vec<&[f32]> = values.chunks(width).collect();
                let differences: Vec<Vec<f64>> = rows
                    .iter()
                    .map(|row| row.iter().zip(&centre).map(|(x, c)| f64::from(*x) - c).collect())
                    .collect();
                let lengths: Vec<f64> =
                    differences.iter().map(|d| d.iter().map(|d| d * d).sum::<f64>().sqrt()).collect();
                let sum_of = |weight: &dyn Fn(f64) -> f64, k: usize| -> f64 {
                    differences.iter().zip(&lengths).map(|(d, length)| weight(*length) * d[k]).sum()
                };
                let near = |got: &[f64], wanted: &dyn Fn(usize) -> f64| {
                    got.iter().enumerate().all(|(k, got)| (got - wanted(k)).abs() < 1e-13 * count as f64)
                };
                for level in Level::available() {
                    let (mut found, mut of_pull) = (Vec::new(), Vec::new());
                    distances(level, rows.iter().copied(), &centre, &mut found);
                    assert!(near(&found, &|n| lengths[n]), "{level:?}, {width}, {count}");
                    let (mut pulled, mut added) = (vec![0.0; width], vec![0.0; width]);
                    pull(level, &rows, &centre, &mut pulled, &mut of_pull);
                    assert_eq!(of_pull, found, "{level:?}, {width}, {count}");
                    let inverse = |length: f64| if length == 0.0 { 0.0 } else { 1.0 / length };
                    assert!(near(&pulled, &|k| sum_of(&inverse, k)), "{level:?}, {width}, {count}");
                    add(level, &rows, &centre, &mut added);
                    assert!(near(&added, &|k| sum_of(&|_| 1.0, k)), "{level:?}, {width}, {count}");
                }
            }
        }
    }
}
