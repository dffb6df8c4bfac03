//! What a city is made of: surface materials, and how they look from city to city.
//!
//! The spectra are typical values for such surfaces, written down by hand, not measured ones.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Sentinel-2 bands of So2Sat: B2 B3 B4 B5 B6 B7 B8 B8A B11 B12.
pub(super) const BANDS: usize = 10;

/// A surface, as an index into [`MATERIALS`].
pub(super) type Material = u8;

pub(super) const ASPHALT: Material = 6;
pub(super) const CONCRETE: Material = 7;
pub(super) const SOIL: Material = 8;
pub(super) const SAND: Material = 9;
pub(super) const ROCK: Material = 10;
pub(super) const GRASS: Material = 11;
pub(super) const CROP: Material = 12;
pub(super) const STUBBLE: Material = 13;
pub(super) const SHRUB: Material = 14;
pub(super) const BROADLEAF: Material = 15;
pub(super) const CONIFER: Material = 16;
pub(super) const CLEAR_WATER: Material = 17;
pub(super) const TURBID_WATER: Material = 18;
const COUNT: usize = 19;

/// Roofs are the first materials: tile, concrete, bitumen, bright, painted and rusty metal.
pub(super) const ROOFS: usize = 6;

/// Surface reflectance in the ten bands, then radar backscatter σ0 in VH and VV (linear).
const MATERIALS: [([f32; BANDS], f32, f32); COUNT] = [
    ([0.06, 0.08, 0.15, 0.18, 0.20, 0.21, 0.22, 0.23, 0.28, 0.25], 0.06, 0.36),
    ([0.11, 0.13, 0.145, 0.155, 0.165, 0.17, 0.18, 0.19, 0.215, 0.20], 0.08, 0.50),
    ([0.06, 0.065, 0.07, 0.075, 0.08, 0.085, 0.09, 0.095, 0.11, 0.11], 0.08, 0.50),
    ([0.29, 0.32, 0.34, 0.35, 0.35, 0.35, 0.35, 0.35, 0.31, 0.27], 0.09, 0.60),
    ([0.18, 0.17, 0.14, 0.14, 0.15, 0.16, 0.17, 0.18, 0.16, 0.13], 0.09, 0.60),
    ([0.07, 0.08, 0.13, 0.16, 0.18, 0.19, 0.20, 0.21, 0.27, 0.26], 0.07, 0.45),
    ([0.07, 0.08, 0.09, 0.095, 0.10, 0.105, 0.11, 0.115, 0.14, 0.13], 0.004, 0.03),
    ([0.13, 0.155, 0.175, 0.185, 0.19, 0.20, 0.21, 0.215, 0.24, 0.22], 0.006, 0.04),
    ([0.065, 0.085, 0.12, 0.145, 0.165, 0.18, 0.195, 0.215, 0.28, 0.24], 0.012, 0.07),
    ([0.14, 0.20, 0.26, 0.30, 0.32, 0.34, 0.35, 0.37, 0.43, 0.39], 0.004, 0.03),
    ([0.12, 0.14, 0.16, 0.17, 0.18, 0.19, 0.20, 0.21, 0.26, 0.24], 0.020, 0.10),
    ([0.03, 0.06, 0.04, 0.09, 0.22, 0.27, 0.28, 0.30, 0.20, 0.10], 0.016, 0.07),
    ([0.03, 0.06, 0.035, 0.09, 0.28, 0.36, 0.37, 0.39, 0.20, 0.09], 0.025, 0.10),
    ([0.05, 0.08, 0.10, 0.14, 0.18, 0.21, 0.23, 0.25, 0.28, 0.19], 0.014, 0.07),
    ([0.04, 0.06, 0.06, 0.10, 0.17, 0.20, 0.22, 0.24, 0.23, 0.14], 0.030, 0.10),
    ([0.02, 0.04, 0.025, 0.06, 0.18, 0.23, 0.25, 0.26, 0.14, 0.06], 0.055, 0.17),
    ([0.015, 0.025, 0.018, 0.04, 0.12, 0.15, 0.16, 0.17, 0.08, 0.035], 0.050, 0.15),
    ([0.025, 0.025, 0.012, 0.010, 0.008, 0.006, 0.006, 0.005, 0.002, 0.001], 0.001, 0.012),
    ([0.06, 0.08, 0.07, 0.06, 0.03, 0.025, 0.02, 0.015, 0.006, 0.004], 0.001, 0.012),
];

/// Broadleaf trees without leaves, and grass when it is dry.
const LEAFLESS: [f32; BANDS] = [0.04, 0.05, 0.06, 0.08, 0.11, 0.13, 0.14, 0.16, 0.17, 0.11];
const DRY_GRASS: [f32; BANDS] = [0.05, 0.08, 0.10, 0.14, 0.18, 0.21, 0.23, 0.25, 0.28, 0.19];

/// Backscatter of a material in VH and VV.
pub(super) fn backscatter(material: Material) -> (f32, f32) {
    let (_, vh, vv) = MATERIALS[usize::from(material)];
    (vh, vv)
}

/// Whether it is a roof.
pub(super) fn is_roof(material: Material) -> bool {
    usize::from(material) < ROOFS
}

/// A spectrum a material.
pub(super) type Spectra = [[f32; BANDS]; COUNT];

/// What the patches of one city share.
pub(super) struct City {
    spectra: Spectra,
    /// Path reflectance relative to a clear day.
    pub(super) haze: f32,
    /// Direct light and sensor together.
    pub(super) gain: f32,
    /// Unit step towards the sun, in lines and columns, and the tangent of its elevation.
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
        let mut spectra = MATERIALS.map(|row| row.0);
        for spectrum in &mut spectra {
            vary(spectrum, 0.15, rng);
        }
        let elevation: f32 = rng.gen_range(32f32..66.0).to_radians();
        // Morning sun, from the south-east in the north and the north-east in the south.
        let south = if rng.gen_bool(0.75) { 1.0 } else { -1.0 };
        let azimuth: f32 = rng.gen_range(15f32..50.0).to_radians();
        Self {
            spectra,
            haze: (0.22 * normal(rng)).exp(),
            gain: (0.10 * normal(rng)).exp(),
            sun: (south * azimuth.cos(), azimuth.sin()),
            sun_tangent: elevation.tan(),
            grid: rng.gen_range(0.0..std::f32::consts::FRAC_PI_2),
            dryness: rng.gen_range(0.0..0.8),
            greenness: rng.gen_range(0.6..1.4),
            conifers: rng.gen_range(0f32..1.0).powi(2),
            roofs: std::array::from_fn(|_| (0.6 * normal(rng)).exp()),
        }
    }

    /// The spectra on one day: patches of a city are seen in several seasons.
    pub(super) fn spectra_of_a_day(&self, rng: &mut ChaCha8Rng) -> Spectra {
        let mut spectra = self.spectra;
        let dryness = (self.dryness + 0.22 * normal(rng)).clamp(0.0, 1.0);
        blend(&mut spectra[usize::from(GRASS)], &DRY_GRASS, dryness);
        blend(&mut spectra[usize::from(BROADLEAF)], &LEAFLESS, (0.35 * normal(rng) - 0.1).clamp(0.0, 1.0));
        for spectrum in &mut spectra {
            vary(spectrum, 0.10, rng);
        }
        spectra
    }
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
