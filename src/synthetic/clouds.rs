//! Clouds over a scene, and the shadows they throw: fair-weather heaps from smooth noise.

use super::noise::{CELLS_A_PIXEL, Window, noise, quantile};
use super::sensor::SHADOW;
use super::{BANDS, City};

/// What a thick cloud reflects.
const CLOUD: [f32; BANDS] = [0.62, 0.60, 0.60, 0.60, 0.61, 0.61, 0.62, 0.62, 0.45, 0.36];
/// Metres above the ground.
const ALTITUDE: f32 = 900.0;
/// How much faster than the noise a cloud thickens.
const STEEPNESS: f32 = 1.7;

/// The clouds of a scene.
pub(super) struct Clouds {
    key: u64,
    /// The noise above which there is cloud; none in a clear sky.
    threshold: Option<f32>,
    /// Pixels from a cloud to its shadow.
    shift: (i64, i64),
}

/// What the clouds do to each pixel of a window: 0–1 covered, and 0–1 of the sun taken away.
pub(super) struct Veil {
    pub(super) cloud: Vec<f32>,
    pub(super) shadow: Vec<f32>,
}

impl Clouds {
    /// Clouds over `share` of the scene.
    pub(super) fn new(share: f32, city: &City, key: u64) -> Self {
        let reach = ALTITUDE / city.sun_tangent / 10.0;
        let shift = (-(reach * city.sun.0).round() as i64, -(reach * city.sun.1).round() as i64);
        Self { key, threshold: (share > 0.0).then(|| quantile(1.0 - share)), shift }
    }

    /// Over a window of pixels.
    pub(super) fn over(&self, pixels: &Window) -> Veil {
        let source = Window { top: pixels.top - self.shift.0, left: pixels.left - self.shift.1, ..*pixels };
        let cloud = self.opacity(pixels);
        // No shadow falls on the top of a cloud.
        let shadow =
            self.opacity(&source).into_iter().zip(&cloud).map(|(taken, cloud)| 0.85 * taken * (1.0 - cloud));
        Veil { shadow: shadow.collect(), cloud }
    }

    /// 1 − e^{−τ}, where the optical depth τ grows with the noise above the threshold.
    fn opacity(&self, pixels: &Window) -> Vec<f32> {
        let Some(threshold) = self.threshold else { return vec![0.0; pixels.cells()] };
        let in_pixels = |metres: f32| metres / CELLS_A_PIXEL as f32;
        let mut heap = noise(pixels, in_pixels(900.0), self.key);
        for (metres, strength, key) in [(330.0, 0.45, 1), (110.0, 0.22, 2)] {
            for (value, finer) in heap.iter_mut().zip(noise(pixels, in_pixels(metres), self.key ^ key)) {
                *value += strength * finer;
            }
        }
        // The deviation of the three together.
        let scale = 1.0 / (1.0f32 + 0.45 * 0.45 + 0.22 * 0.22).sqrt();
        heap.into_iter()
            .map(|value| 1.0 - (-STEEPNESS * (scale * value - threshold).max(0.0)).exp())
            .collect()
    }
}

/// Reflected light under a cloud or in its shadow.
pub(super) fn veiled(pixel: [f32; BANDS], cloud: f32, shadow: f32) -> [f32; BANDS] {
    std::array::from_fn(|c| {
        let lit = pixel[c] * (1.0 - shadow * (1.0 - SHADOW[c]));
        lit + cloud * (CLOUD[c] - lit)
    })
}
