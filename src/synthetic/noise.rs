//! Random numbers that belong to a place, and smooth noise made of them: whichever window of the ground
//! is laid out, and in any order, a place looks the same.

/// Side of a cell of the ground in metres: three cells per pixel of 10 m.
pub(super) const METRES: f32 = 10.0 / CELLS_A_PIXEL as f32;
/// Cells of the ground along a pixel.
pub(super) const CELLS_A_PIXEL: usize = 3;

/// A rectangle of cells; line and column 0 are where the world's coordinates begin. With a stride only
/// every `stride`-th cell is used, from `top` and `left` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) top: i64,
    pub(super) left: i64,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) stride: usize,
}

impl Window {
    pub(super) fn cells(&self) -> usize {
        self.rows * self.columns
    }

    /// Metres southward and eastward of the world's corner of each cell's centre, row by row.
    pub(super) fn places(self) -> impl Iterator<Item = (f32, f32)> {
        let metres =
            move |first: i64, k: usize| (first + (k * self.stride) as i64) as f32 * METRES + 0.5 * METRES;
        (0..self.rows).flat_map(move |row| {
            (0..self.columns).map(move |column| (metres(self.top, row), metres(self.left, column)))
        })
    }
}

/// Random numbers of one place: `SplitMix64` from its coordinates.
pub(super) struct Hash(u64);

impl Hash {
    pub(super) fn of(key: u64, u: i64, v: i64) -> Self {
        let (u, v) = (
            u.wrapping_mul(0x9E37_79B9_7F4A_7C15_u64 as i64),
            v.wrapping_mul(0xC2B2_AE3D_27D4_EB4F_u64 as i64),
        );
        Self(key ^ u as u64 ^ (v as u64).rotate_left(31))
    }

    /// The next number in 0–1.
    pub(super) fn unit(&mut self) -> f32 {
        (self.word() >> 40) as f32 / (1u64 << 24) as f32
    }

    /// The next number between two.
    pub(super) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// The next 64 bits.
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

/// Standard deviation of the sum of the two layers of [`noise`]: uniform numbers have variance 1/3, the
/// smooth step s keeps ∫ s² + (1 − s)² = 26/35 of it along each axis, and the second layer adds a quarter.
const DEVIATION: f32 = 0.479_55;

/// Smooth noise of mean 0 and standard deviation 1 over the whole world, about normal, whose features are
/// about `metres` wide: a random lattice interpolated with a smooth step, and one of half the width and
/// strength upon it.
pub(super) fn noise(window: &Window, metres: f32, key: u64) -> Vec<f32> {
    let mut field = vec![0.0; window.cells()];
    for (layer, strength) in [(0, 1.0 / DEVIATION), (1, 0.5 / DEVIATION)] {
        let step = (metres / METRES / (1 + layer) as f32).max(1.5);
        let down = steps(window.top, window.rows, window.stride, step);
        let right = steps(window.left, window.columns, window.stride, step);
        let (first_line, first_column) = (down[0].0, right[0].0);
        let lines = (down[window.rows - 1].0 - first_line) as usize + 2;
        let columns = (right[window.columns - 1].0 - first_column) as usize + 2;
        let mut lattice = Vec::with_capacity(lines * columns);
        for line in 0..lines as i64 {
            for column in 0..columns as i64 {
                let place = Hash::of(key ^ (layer << 60), first_line + line, first_column + column).unit();
                lattice.push(strength * (2.0 * place - 1.0));
            }
        }
        let right: Vec<(usize, f32)> =
            right.into_iter().map(|(column, t)| ((column - first_column) as usize, t)).collect();
        for (values, (line, ty)) in field.chunks_exact_mut(window.columns).zip(down) {
            let start = (line - first_line) as usize * columns;
            let (upper, lower) = (&lattice[start..start + columns], &lattice[start + columns..]);
            for (value, &(x, tx)) in values.iter_mut().zip(&right) {
                let left = upper[x] + ty * (lower[x] - upper[x]);
                let right = upper[x + 1] + ty * (lower[x + 1] - upper[x + 1]);
                *value += left + tx * (right - left);
            }
        }
    }
    field
}

/// For each of `count` cells the lattice point before it, and the smooth step on the way to the next.
fn steps(first: i64, count: usize, stride: usize, step: f32) -> Vec<(i64, f32)> {
    (0..count)
        .map(|k| {
            let at = (first + (k * stride) as i64) as f32 / step;
            let t = at - at.floor();
            (at.floor() as i64, t * t * (3.0 - 2.0 * t))
        })
        .collect()
}

/// Below which `share` of noise lies, about: the logistic approximation to the normal quantile.
pub(super) fn quantile(share: f32) -> f32 {
    let share = share.clamp(1e-4, 1.0 - 1e-4);
    (share / (1.0 - share)).ln() / 1.702
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_has_mean_0_and_deviation_1() {
        let window = Window { top: -300, left: 50, rows: 900, columns: 900, stride: 1 };
        let field = noise(&window, 30.0, 7);
        let n = field.len() as f32;
        let mean = field.iter().sum::<f32>() / n;
        let deviation = (field.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / n).sqrt();
        assert!(mean.abs() < 0.03 && (deviation - 1.0).abs() < 0.03, "{mean} {deviation}");
    }

    #[test]
    fn a_place_looks_the_same_from_every_window() {
        let wide = noise(&Window { top: -20, left: -30, rows: 60, columns: 80, stride: 1 }, 40.0, 3);
        let part = noise(&Window { top: -5, left: 10, rows: 9, columns: 11, stride: 1 }, 40.0, 3);
        let strided = noise(&Window { top: -5, left: 10, rows: 3, columns: 4, stride: 3 }, 40.0, 3);
        for row in 0..9 {
            assert_eq!(part[row * 11..][..11], wide[(row + 15) * 80 + 40..][..11]);
            if row % 3 == 0 {
                assert_eq!(strided[row / 3 * 4 + 1..][..1], part[row * 11 + 3..][..1]);
            }
        }
    }
}
