//! How the optical satellite sees the ground: light and shadow, haze, blur, resolution and noise.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use super::city::{City, Sky};
use super::ground::Ground;
use super::materials::{BANDS, Spectra};
use super::noise::{CELLS_A_PIXEL, METRES};

/// Light that reaches a shadow, in each band: the sky's, which is blue.
pub(super) const SHADOW: [f32; BANDS] = [0.45, 0.40, 0.36, 0.34, 0.32, 0.31, 0.30, 0.29, 0.24, 0.22];
/// Reflectance of a clear atmosphere.
const PATH: [f32; BANDS] = [0.070, 0.044, 0.028, 0.024, 0.018, 0.015, 0.013, 0.010, 0.004, 0.002];
/// Bands of 20 m pixels: B5 B6 B7 B8A B11 B12.
pub(super) const COARSE: [bool; BANDS] = [false, false, false, true, true, true, false, true, true, true];
/// Standard deviation of the noise of a pixel.
const NOISE: f32 = 0.0025;

/// Reflected light, pixels of 10 m.
pub(super) struct Light {
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) pixels: Vec<[f32; BANDS]>,
}

impl Light {
    /// What the ground reflects, through the telescope.
    pub(super) fn of(ground: &Ground, city: &City, spectra: &Spectra) -> Self {
        let window = ground.window;
        let (rows, columns) = (window.rows / CELLS_A_PIXEL, window.columns / CELLS_A_PIXEL);
        let mut pixels = vec![[0f32; BANDS]; rows * columns];
        let lit = lit(ground, city);
        let area = 1.0 / (CELLS_A_PIXEL * CELLS_A_PIXEL) as f32;
        for line in 0..rows * CELLS_A_PIXEL {
            let pixel_line = &mut pixels[line / CELLS_A_PIXEL * columns..][..columns];
            for column in 0..columns * CELLS_A_PIXEL {
                let cell = line * window.columns + column;
                let pixel = &mut pixel_line[column / CELLS_A_PIXEL];
                let spectrum = &spectra[usize::from(ground.material[cell])];
                let (share, lit) = (area * ground.tint[cell], lit[cell]);
                for c in 0..BANDS {
                    pixel[c] += share * spectrum[c] * (SHADOW[c] + lit * (1.0 - SHADOW[c]));
                }
            }
        }
        let mut light = Self { rows, columns, pixels };
        light.blur();
        light
    }

    /// The telescope's blur: a pixel sees an eighth of each neighbour's light, line-wise and column-wise.
    fn blur(&mut self) {
        let (rows, columns) = (self.rows, self.columns);
        for (count, stride, lines, next_line) in [(columns, 1, rows, columns), (rows, columns, columns, 1)] {
            for line in 0..lines {
                let mut before = self.pixels[line * next_line];
                for k in 0..count {
                    let at = line * next_line + k * stride;
                    let here = self.pixels[at];
                    let after = if k + 1 < count { self.pixels[at + stride] } else { here };
                    for c in 0..BANDS {
                        self.pixels[at][c] = 0.125 * before[c] + 0.75 * here[c] + 0.125 * after[c];
                    }
                    before = here;
                }
            }
        }
    }

    /// The mean of each two by two pixels. Rows and columns are even.
    pub(super) fn halved(&self) -> Vec<[f32; BANDS]> {
        let half = self.columns / 2;
        let mut coarse = vec![[0f32; BANDS]; self.rows / 2 * half];
        for (at, pixel) in self.pixels.iter().enumerate() {
            let target = &mut coarse[at / self.columns / 2 * half + at % self.columns / 2];
            for c in 0..BANDS {
                target[c] += 0.25 * pixel[c];
            }
        }
        coarse
    }

    /// Averages the 20 m bands over two by two pixels and interpolates them back to 10 m.
    fn coarsen(&mut self) {
        let coarse = self.halved();
        let (rows, columns) = (self.rows, self.columns);
        // The next nearest coarse pixel; the nearest weighs 3/4 and it 1/4 in each direction.
        let next = |k: usize, count: usize| {
            if k.is_multiple_of(2) { (k / 2).saturating_sub(1) } else { (k / 2 + 1).min(count / 2 - 1) }
        };
        for (at, pixel) in self.pixels.iter_mut().enumerate() {
            let (y, x) = (at / columns, at % columns);
            let of = |y: usize, x: usize| &coarse[y * (columns / 2) + x];
            let (y_next, x_next) = (next(y, rows), next(x, columns));
            let (near, side) = (of(y / 2, x / 2), of(y / 2, x_next));
            let (above, across) = (of(y_next, x / 2), of(y_next, x_next));
            for c in 0..BANDS {
                if COARSE[c] {
                    pixel[c] = 0.5625 * near[c] + 0.1875 * (side[c] + above[c]) + 0.0625 * across[c];
                }
            }
        }
    }
}

/// Top-of-atmosphere reflectance in steps of 0.0001, as So2Sat has it, 20 m bands interpolated to 10 m.
/// Shape: rows × columns × 10.
pub(super) fn sentinel2(
    ground: &Ground,
    city: &City,
    spectra: &Spectra,
    sky: Sky,
    rng: &mut ChaCha8Rng,
) -> Vec<f32> {
    let mut light = Light::of(ground, city, spectra);
    light.coarsen();
    let mut image = Vec::with_capacity(light.pixels.len() * BANDS);
    for pixel in &light.pixels {
        for (c, &value) in pixel.iter().enumerate() {
            image.push(f32::from(through_air(value, c, sky, rng)) / 10_000.0);
        }
    }
    image
}

/// What arrives of reflected light in a band, with the detector's noise, in steps of 0.0001.
pub(super) fn through_air(value: f32, band: usize, sky: Sky, rng: &mut ChaCha8Rng) -> u16 {
    let reflectance = sky.haze * PATH[band] + sky.gain * value + NOISE * rough_normal(rng);
    // Adding a half and cutting off rounds to the nearest.
    (reflectance.max(0.0001) * 10_000.0 + 0.5) as u16
}

/// How much of each cell the sun reaches, 0–1: none of it behind something tall enough.
///
/// From the sun's side on, line after line, each cell takes on the height up to which the cell before it
/// lies in shadow, less what the ray has sunk by there. The world ends at the window.
fn lit(ground: &Ground, city: &City) -> Vec<f32> {
    let (rows, columns) = (ground.window.rows, ground.window.columns);
    let mut lit = vec![1f32; rows * columns];
    if ground.height.iter().all(|&height| height <= 0.0) {
        return lit;
    }
    let (down, right) = city.sun;
    // The sun is never more than 50° from the column's direction: a line is a step.
    let drift = right / down.abs();
    let sunk = METRES * city.sun_tangent * (1.0 + drift * drift).sqrt();
    let whole = drift.floor();
    let (part, whole) = (drift - whole, whole as i64);
    let mut ceiling = vec![0f32; columns];
    let mut before = vec![0f32; columns];
    for k in 0..rows {
        let line = if down > 0.0 { rows - 1 - k } else { k };
        std::mem::swap(&mut before, &mut ceiling);
        for (column, ceiling) in ceiling.iter_mut().enumerate() {
            let at = |step: i64| {
                let there = column as i64 + whole + step;
                if (0..columns as i64).contains(&there) { before[there as usize] } else { 0.0 }
            };
            let cell = line * columns + column;
            let (shadow, own) = (at(0) + part * (at(1) - at(0)) - sunk, ground.height[cell]);
            // A shadow that ends within a cell leaves part of it lit.
            lit[cell] = (1.0 - (shadow - own) / (0.7 * sunk)).clamp(0.0, 1.0);
            *ceiling = shadow.max(own);
        }
    }
    lit
}

/// Nearly normal, and quick: the sum of four random bytes.
pub(super) fn rough_normal(rng: &mut ChaCha8Rng) -> f32 {
    const MEAN: f32 = 4.0 * 127.5;
    const DEVIATION: f32 = 147.8;
    let sum: u32 = rng.next_u32().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - MEAN) / DEVIATION
}
