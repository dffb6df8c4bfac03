//! How the satellites see a scene: light and shadow, haze, blur, resolution and noise.

use rand::{Rng, RngCore};
use rand_chacha::ChaCha8Rng;

use super::materials::{BANDS, City, Spectra, backscatter, is_roof, normal};
use super::scene::{CELLS, METRES, Scene};

/// Pixels a side.
pub(super) const SIZE: usize = 32;
/// Channels of the radar.
pub(super) const RADAR: usize = 8;

/// Light that reaches a shadow, in each band: the sky's, which is blue.
const SHADOW: [f32; BANDS] = [0.45, 0.40, 0.36, 0.34, 0.32, 0.31, 0.30, 0.29, 0.24, 0.22];
/// Reflectance of a clear atmosphere.
const PATH: [f32; BANDS] = [0.070, 0.044, 0.028, 0.024, 0.018, 0.015, 0.013, 0.010, 0.004, 0.002];
/// Bands of 20 m pixels: B5 B6 B7 B8A B11 B12.
const COARSE: [bool; BANDS] = [false, false, false, true, true, true, false, true, true, true];
/// Standard deviation of the noise of a pixel.
const NOISE: f32 = 0.0025;

/// Top-of-atmosphere reflectance in steps of 0.0001, as So2Sat has it. Shape: 32 × 32 × 10.
pub(super) fn sentinel2(scene: &Scene, city: &City, spectra: &Spectra, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut pixels = vec![[0f32; BANDS]; SIZE * SIZE];
    let shaded = shadows(scene, city);
    for cell in 0..CELLS * CELLS {
        let pixel = &mut pixels[cell / CELLS / 2 * SIZE + cell % CELLS / 2];
        let spectrum = &spectra[usize::from(scene.material[cell])];
        let share = 0.25 * scene.tint[cell];
        if shaded[cell] {
            for c in 0..BANDS {
                pixel[c] += share * spectrum[c] * SHADOW[c];
            }
        } else {
            for c in 0..BANDS {
                pixel[c] += share * spectrum[c];
            }
        }
    }
    blur(&mut pixels);
    coarsen(&mut pixels);
    let haze = city.haze * (0.15 * normal(rng)).exp();
    let gain = city.gain * (0.06 * normal(rng)).exp();
    let mut image = Vec::with_capacity(SIZE * SIZE * BANDS);
    for pixel in &pixels {
        for (value, path) in pixel.iter().zip(PATH) {
            let reflectance = haze * path + gain * value + NOISE * rough_normal(rng);
            // Adding a half and cutting off rounds to the nearest.
            let steps = (reflectance.max(0.0001) * 10_000.0 + 0.5) as u32;
            image.push(steps as f32 / 10_000.0);
        }
    }
    image
}

/// Whether each cell lies in the shadow of something between it and the sun. The scene is continued
/// by itself beyond its edges.
fn shadows(scene: &Scene, city: &City) -> Vec<bool> {
    let rise = METRES * city.sun_tangent;
    let tallest = scene.height.iter().copied().fold(0f32, f32::max);
    let reach = ((tallest / rise) as usize).min(CELLS);
    // CELLS is added so that no offset is negative.
    let offset = |step: usize, along: f32| (CELLS as f32 + step as f32 * along).round() as usize;
    let towards: Vec<(usize, usize)> =
        (1..=reach).map(|step| (offset(step, city.sun.0), offset(step, city.sun.1))).collect();
    let shaded = |cell: usize| {
        let (line, column) = (cell / CELLS, cell % CELLS);
        let own = scene.height[cell];
        towards.iter().zip(1..).any(|(&(down, right), step)| {
            let other = (line + down) % CELLS * CELLS + (column + right) % CELLS;
            scene.height[other] >= own + rise * step as f32
        })
    };
    (0..CELLS * CELLS).map(shaded).collect()
}

/// The telescope's blur: a pixel sees an eighth of each neighbour's light, line-wise and column-wise.
fn blur(pixels: &mut [[f32; BANDS]]) {
    for (stride, other) in [(1, SIZE), (SIZE, 1)] {
        for line in 0..SIZE {
            let mut before = pixels[line * other];
            for k in 0..SIZE {
                let at = line * other + k * stride;
                let here = pixels[at];
                let after = if k + 1 < SIZE { pixels[at + stride] } else { here };
                for c in 0..BANDS {
                    pixels[at][c] = 0.125 * before[c] + 0.75 * here[c] + 0.125 * after[c];
                }
                before = here;
            }
        }
    }
}

/// Averages the 20 m bands over two by two pixels and interpolates them back to 10 m.
fn coarsen(pixels: &mut [[f32; BANDS]]) {
    const HALF: usize = SIZE / 2;
    let mut coarse = vec![[0f32; BANDS]; HALF * HALF];
    for (at, pixel) in pixels.iter().enumerate() {
        let target = &mut coarse[at / SIZE / 2 * HALF + at % SIZE / 2];
        for c in 0..BANDS {
            target[c] += 0.25 * pixel[c];
        }
    }
    for (at, pixel) in pixels.iter_mut().enumerate() {
        let (y, x) = (at / SIZE, at % SIZE);
        // The nearest coarse pixel and the next nearest, in each direction: weights 3/4 and 1/4.
        let next = |k: usize| {
            if k.is_multiple_of(2) { (k / 2).saturating_sub(1) } else { (k / 2 + 1).min(HALF - 1) }
        };
        let (near, beside) = (coarse[y / 2 * HALF + x / 2], coarse[y / 2 * HALF + next(x)]);
        let (above, across) = (coarse[next(y) * HALF + x / 2], coarse[next(y) * HALF + next(x)]);
        for c in 0..BANDS {
            if COARSE[c] {
                pixel[c] = 0.5625 * near[c] + 0.1875 * (beside[c] + above[c]) + 0.0625 * across[c];
            }
        }
    }
}

/// The eight channels of So2Sat: complex backscatter in VH and VV, both intensities filtered, and the
/// complex covariance of the two. Shape: 32 × 32 × 8.
pub(super) fn sentinel1(scene: &Scene, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut image = Vec::with_capacity(SIZE * SIZE * RADAR);
    for pixel in 0..SIZE * SIZE {
        let first = pixel / SIZE * 2 * CELLS + pixel % SIZE * 2;
        let (mut vh, mut vv, mut roofs) = (0f32, 0f32, 0f32);
        for cell in [first, first + 1, first + CELLS, first + CELLS + 1] {
            let material = scene.material[cell];
            let (cell_vh, cell_vv) = backscatter(material);
            vh += 0.25 * cell_vh;
            vv += 0.25 * cell_vv;
            if is_roof(material) {
                // Walls send the beam back: more of them, more light.
                roofs += 0.25 * (0.5 + scene.height[cell] / 25.0).min(3.0);
            }
        }
        // Now and then a wall faces the satellite.
        if roofs > 0.0 {
            let strength = if rng.gen_bool(0.015) { rng.gen_range(5f32..60.0) } else { 1.0 };
            let texture = strength * (0.5 * normal(rng)).exp();
            vh *= 1.0 + roofs * (texture - 0.5).max(0.0);
            vv *= 1.0 + roofs * (texture - 0.5).max(0.0);
        }
        let (cross, co) = ((vh / 2.0).sqrt(), (vv / 2.0).sqrt());
        let filtered = 1.0 + 0.2 * rough_normal(rng);
        let covariance = 0.15 * (vh * vv).sqrt();
        image.extend([
            cross * normal(rng),
            cross * normal(rng),
            co * normal(rng),
            co * normal(rng),
            vh * filtered.max(0.1),
            vv * filtered.max(0.1),
            covariance * normal(rng),
            covariance * normal(rng),
        ]);
    }
    image
}

/// Nearly normal, and quick: the sum of four random bytes.
fn rough_normal(rng: &mut ChaCha8Rng) -> f32 {
    const MEAN: f32 = 4.0 * 127.5;
    const DEVIATION: f32 = 147.8;
    let sum: u32 = rng.next_u32().to_le_bytes().into_iter().map(u32::from).sum();
    (sum as f32 - MEAN) / DEVIATION
}
