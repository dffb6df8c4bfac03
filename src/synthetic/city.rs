//! The character of a city: its roofs and plants, its light, and how materials look there.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::materials::{self, BANDS, BROADLEAF, DRY_GRASS, GRASS, LEAFLESS, ROOFS, Spectra};

/// What the patches of one city share.
#[derive(Clone)]
pub(super) struct City {
    spectra: Spectra,
    /// Path reflectance relative to a clear day.
    pub(super) haze: f32,
    /// Direct light and sensor together.
    pub(super) gain: f32,
    /// Unit step towards the sun, in rows and columns, and the tangent of its elevation.
    pub(super) sun: (f32, f32),
    pub(super) sun_tangent: f32,
    /// Direction of the streets, in radians.
    pub(super) grid: f32,
    /// 0 (always green) to 1 (arid).
    pub(super) dryness: f32,
    /// How much of the open ground is planted, relative to the usual.
    pub(super) greenness: f32,
    /// Share of conifers among trees.
    pub(super) conifers: f32,
    /// How often each roof occurs, relative to the usual.
    pub(super) roofs: [f32; ROOFS],
}

impl City {
    pub(super) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let mut spectra = materials::spectra();
        for spectrum in &mut spectra {
            vary(spectrum, 0.17, rng);
        }
        let elevation: f32 = rng.gen_range(32f32..66.0).to_radians();
        // Morning sun, from the south-east in the north and the north-east in the south.
        let south = if rng.gen_bool(0.75) { 1.0 } else { -1.0 };
        let azimuth: f32 = rng.gen_range(15f32..50.0).to_radians();
        Self {
            spectra,
            haze: (0.15 * normal(rng)).exp(),
            gain: 0.95 * (0.10 * normal(rng)).exp(),
            sun: (south * azimuth.cos(), azimuth.sin()),
            sun_tangent: elevation.tan(),
            grid: rng.gen_range(0.0..std::f32::consts::FRAC_PI_2),
            dryness: rng.gen_range(0.0..0.8),
            greenness: rng.gen_range(0.6..1.4),
            conifers: rng.gen_range(0f32..1.0).powi(2),
            roofs: std::array::from_fn(|_| (0.6 * normal(rng)).exp()),
        }
    }

    /// One half of the city: the same light, a little other in all else.
    pub(super) fn half(&self, rng: &mut ChaCha8Rng) -> Self {
        let mut half = self.clone();
        for spectrum in &mut half.spectra {
            vary(spectrum, 0.05, rng);
        }
        for share in &mut half.roofs {
            *share *= (0.2 * normal(rng)).exp();
        }
        half.greenness *= (0.1 * normal(rng)).exp();
        half.dryness = (half.dryness + 0.05 * normal(rng)).clamp(0.0, 1.0);
        half
    }

    /// The spectra on one day: patches of a city are seen in several seasons.
    pub(super) fn spectra_of_a_day(&self, rng: &mut ChaCha8Rng) -> Spectra {
        let mut spectra = self.spectra;
        let dryness = (self.dryness + 0.22 * normal(rng)).clamp(0.0, 1.0);
        blend(&mut spectra[usize::from(GRASS)], &DRY_GRASS, dryness);
        blend(&mut spectra[usize::from(BROADLEAF)], &LEAFLESS, (0.35 * normal(rng) - 0.1).clamp(0.0, 1.0));
        for spectrum in &mut spectra {
            vary(spectrum, 0.17, rng);
        }
        spectra
    }

    /// The air and the light on one day.
    pub(super) fn sky_of_a_day(&self, rng: &mut ChaCha8Rng) -> Sky {
        Sky { haze: self.haze * (0.12 * normal(rng)).exp(), gain: self.gain * (0.11 * normal(rng)).exp() }
    }
}

/// Air and light: see [`City`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Sky {
    pub(super) haze: f32,
    pub(super) gain: f32,
}

/// Makes a spectrum brighter or darker and tilts it, by about `share`.
fn vary(spectrum: &mut [f32; BANDS], share: f32, rng: &mut ChaCha8Rng) {
    let (level, tilt) = (share * normal(rng), 0.6 * share * normal(rng));
    for (c, value) in spectrum.iter_mut().enumerate() {
        let across = c as f32 / (BANDS - 1) as f32 - 0.5;
        *value *= (level + tilt * across).exp();
    }
}

fn blend(spectrum: &mut [f32; BANDS], other: &[f32; BANDS], share: f32) {
    for (value, other) in spectrum.iter_mut().zip(other) {
        *value += share * (other - *value);
    }
}

/// A draw from the standard normal distribution.
pub(super) fn normal(rng: &mut ChaCha8Rng) -> f32 {
    StandardNormal.sample(rng)
}
