//! What cities are made of: surface materials and their reflectances.
//!
//! The spectra are typical values for such surfaces, written down by hand, not measured ones.

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
    ([0.06, 0.08, 0.15, 0.18, 0.20, 0.21, 0.22, 0.23, 0.28, 0.25], 0.048, 0.36),
    ([0.11, 0.13, 0.145, 0.155, 0.165, 0.17, 0.18, 0.19, 0.215, 0.20], 0.064, 0.50),
    ([0.06, 0.065, 0.07, 0.075, 0.08, 0.085, 0.09, 0.095, 0.11, 0.11], 0.064, 0.50),
    ([0.29, 0.32, 0.34, 0.35, 0.35, 0.35, 0.35, 0.35, 0.31, 0.27], 0.072, 0.60),
    ([0.18, 0.17, 0.14, 0.14, 0.15, 0.16, 0.17, 0.18, 0.16, 0.13], 0.072, 0.60),
    ([0.07, 0.08, 0.13, 0.16, 0.18, 0.19, 0.20, 0.21, 0.27, 0.26], 0.056, 0.45),
    ([0.07, 0.08, 0.09, 0.095, 0.10, 0.105, 0.11, 0.115, 0.14, 0.13], 0.0032, 0.03),
    ([0.13, 0.155, 0.175, 0.185, 0.19, 0.20, 0.21, 0.215, 0.24, 0.22], 0.0048, 0.04),
    ([0.065, 0.085, 0.12, 0.145, 0.165, 0.18, 0.195, 0.215, 0.28, 0.24], 0.0096, 0.07),
    ([0.14, 0.20, 0.26, 0.30, 0.32, 0.34, 0.35, 0.37, 0.43, 0.39], 0.0032, 0.03),
    ([0.12, 0.14, 0.16, 0.17, 0.18, 0.19, 0.20, 0.21, 0.26, 0.24], 0.016, 0.10),
    ([0.03, 0.06, 0.04, 0.09, 0.22, 0.27, 0.28, 0.30, 0.20, 0.10], 0.0128, 0.07),
    ([0.03, 0.06, 0.035, 0.09, 0.28, 0.36, 0.37, 0.39, 0.20, 0.09], 0.02, 0.10),
    ([0.05, 0.08, 0.10, 0.14, 0.18, 0.21, 0.23, 0.25, 0.28, 0.19], 0.0112, 0.07),
    ([0.04, 0.06, 0.06, 0.10, 0.17, 0.20, 0.22, 0.24, 0.23, 0.14], 0.024, 0.10),
    ([0.02, 0.04, 0.025, 0.06, 0.18, 0.23, 0.25, 0.26, 0.14, 0.06], 0.044, 0.17),
    ([0.015, 0.025, 0.018, 0.04, 0.12, 0.15, 0.16, 0.17, 0.08, 0.035], 0.04, 0.15),
    ([0.025, 0.025, 0.012, 0.010, 0.008, 0.006, 0.006, 0.005, 0.002, 0.001], 0.0008, 0.012),
    ([0.06, 0.08, 0.07, 0.06, 0.03, 0.025, 0.02, 0.015, 0.006, 0.004], 0.0008, 0.012),
];

/// Broadleaf trees without leaves, and grass when it is dry.
pub(super) const LEAFLESS: [f32; BANDS] = [0.04, 0.05, 0.06, 0.08, 0.11, 0.13, 0.14, 0.16, 0.17, 0.11];
pub(super) const DRY_GRASS: [f32; BANDS] = [0.05, 0.08, 0.10, 0.14, 0.18, 0.21, 0.23, 0.25, 0.28, 0.19];

/// Backscatter of a material in VH and VV.
pub(super) fn backscatter(material: Material) -> (f32, f32) {
    let (_, vh, vv) = MATERIALS[usize::from(material)];
    (vh, vv)
}

/// Whether it is a roof.
pub(super) fn is_roof(material: Material) -> bool {
    usize::from(material) < ROOFS
}

/// Whether it is green.
pub(super) fn is_plant(material: Material) -> bool {
    matches!(material, GRASS | CROP | SHRUB | BROADLEAF | CONIFER)
}

/// Whether it is water.
pub(super) fn is_water(material: Material) -> bool {
    matches!(material, CLEAR_WATER | TURBID_WATER)
}

/// A spectrum a material.
pub(super) type Spectra = [[f32; BANDS]; COUNT];

/// The table's reflectances.
pub(super) fn spectra() -> Spectra {
    MATERIALS.map(|row| row.0)
}

/// One of several by weight, where `at` in 0–1 falls.
pub(super) fn pick<T: Copy>(choice: &[(T, f32)], at: f32) -> T {
    let mut left = at * choice.iter().map(|(_, weight)| weight).sum::<f32>();
    for &(value, weight) in choice {
        left -= weight;
        if left < 0.0 {
            return value;
        }
    }
    choice[choice.len() - 1].0
}
