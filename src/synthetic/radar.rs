//! How the radar sees the ground: rough surfaces scatter, water mirrors the beam away, walls reflect it,
//! and sometimes a corner reflector returns thousands of times as much.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::city::normal;
use super::ground::Ground;
use super::materials::{backscatter, is_roof};
use super::noise::CELLS_A_PIXEL;
use super::sensor::rough_normal;

/// Channels of So2Sat's radar patches.
pub(super) const CHANNELS: usize = 8;

/// So2Sat's complex channels hold more power than its filtered intensities: the filter takes off strong
/// points. Power of the former by the mean of the latter, VH and VV, from the published statistics.
const UNFILTERED: [f32; 2] = [1.40, 1.63];
/// Corners: how often on a pixel full of walls, and σ0 in VV, which has a Pareto tail of index
/// [`TAIL`] between the two strengths.
const CORNERS: f32 = 0.005;
const CORNER: (f32, f32) = (5.0, 6500.0);
const TAIL: f32 = 0.8;
/// σ0 of a corner in VH by that in VV.
const DEPOLARISED: f32 = 0.34;

/// The eight channels of So2Sat: complex backscatter in VH and VV, both intensities filtered, and the
/// complex covariance of the two. Shape: rows × columns × 8.
pub(super) fn sentinel1(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let power = returned(ground, rng);
    let mut image = Vec::with_capacity(power.len() * CHANNELS);
    for [vh, vv] in power {
        let (cross, co) = ((UNFILTERED[0] * vh / 2.0).sqrt(), (UNFILTERED[1] * vv / 2.0).sqrt());
        let covariance = (vh * vv).sqrt();
        image.extend([
            cross * normal(rng),
            cross * normal(rng),
            co * normal(rng),
            co * normal(rng),
            vh * (1.0 + 0.2 * rough_normal(rng)).max(0.1),
            vv * (1.0 + 0.2 * rough_normal(rng)).max(0.1),
            // Walls keep the two in step; the phase distinguishes the scatterers.
            0.50 * covariance * rough_normal(rng),
            0.36 * covariance * rough_normal(rng),
        ]);
    }
    image
}

/// σ0 in VH and VV without speckle, a pixel of 10 m each.
fn returned(ground: &Ground, rng: &mut ChaCha8Rng) -> Vec<[f32; 2]> {
    let window = ground.window;
    let (rows, columns) = (window.rows / CELLS_A_PIXEL, window.columns / CELLS_A_PIXEL);
    let area = 1.0 / (CELLS_A_PIXEL * CELLS_A_PIXEL) as f32;
    let mut power = vec![[0f32; 2]; rows * columns];
    let mut walls = vec![0f32; rows * columns];
    for line in 0..rows * CELLS_A_PIXEL {
        for column in 0..columns * CELLS_A_PIXEL {
            let cell = line * window.columns + column;
            let pixel = line / CELLS_A_PIXEL * columns + column / CELLS_A_PIXEL;
            let material = ground.material[cell];
            let (vh, vv) = backscatter(material);
            power[pixel][0] += area * vh;
            power[pixel][1] += area * vv;
            if is_roof(material) {
                // Taller walls send more back.
                walls[pixel] += area * (0.3 + ground.height[cell] / 20.0).min(3.0);
            }
        }
    }
    for pixel in 0..power.len() {
        if walls[pixel] <= 0.0 {
            continue;
        }
        let bounce = 0.45 * walls[pixel] * ground.facing * (0.7 * normal(rng) - 0.25).exp();
        power[pixel][0] *= 1.0 + 0.5 * bounce;
        power[pixel][1] *= 1.0 + 1.2 * bounce;
        if rng.gen_range(0f32..1.0) < CORNERS * walls[pixel] {
            let vv = corner(rng);
            let vh = DEPOLARISED * vv * (0.3 * normal(rng)).exp();
            add(&mut power[pixel], vh, vv);
            // The radar's point response reaches the neighbouring pixels.
            let neighbours = [pixel.wrapping_sub(1), pixel + 1, pixel.wrapping_sub(columns), pixel + columns];
            for (k, other) in neighbours.into_iter().enumerate() {
                if other < power.len() && (k > 1 || other / columns == pixel / columns) {
                    add(&mut power[other], 0.06 * vh, 0.06 * vv);
                }
            }
        }
    }
    power
}

fn add(power: &mut [f32; 2], vh: f32, vv: f32) {
    power[0] += vh;
    power[1] += vv;
}

/// σ0 of a corner in VV: F(x) = (1 − (l/x)^α) / (1 − (l/h)^α) between l and h.
fn corner(rng: &mut ChaCha8Rng) -> f32 {
    let (low, high) = CORNER;
    let most = 1.0 - (low / high).powf(TAIL);
    low * (1.0 - most * rng.gen_range(0f32..1.0)).powf(-1.0 / TAIL)
}
