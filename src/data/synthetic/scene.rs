//! A patch of ground: 64 × 64 cells of 5 m, each of one material and height.

use std::f32::consts::FRAC_PI_2;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::materials::{
    ASPHALT, BROADLEAF, CLEAR_WATER, CONCRETE, CONIFER, CROP, City, GRASS, Material, ROCK, ROOFS, SAND,
    SHRUB, SOIL, STUBBLE, TURBID_WATER, normal,
};
use super::zones::{Form, Ground, Layout, Plan};
use crate::Zone;

/// Cells a side.
pub(super) const CELLS: usize = 64;
/// Metres a cell.
pub(super) const METRES: f32 = 5.0;
const AREA: usize = CELLS * CELLS;

/// What stands on each cell.
pub(super) struct Scene {
    pub(super) material: Vec<Material>,
    /// Metres above the ground.
    pub(super) height: Vec<f32>,
    /// Brightness relative to the material's.
    pub(super) tint: Vec<f32>,
}

impl Scene {
    /// Ground of one zone.
    pub(super) fn of(zone: Zone, city: &City, rng: &mut ChaCha8Rng) -> Self {
        match Form::of(zone) {
            Form::Built(built) => Self::built(&built.draw(rng), city, rng),
            Form::Natural(ground) => Self::natural(ground, city, rng),
        }
    }

    /// Ground between two zones, `share` of it the other's: two built zones grow into one another,
    /// any others lie side by side.
    pub(super) fn between(zone: Zone, other: Zone, share: f32, city: &City, rng: &mut ChaCha8Rng) -> Self {
        match (Form::of(zone), Form::of(other)) {
            (Form::Built(a), Form::Built(b)) => {
                let other = b.draw(rng);
                let plan = a.draw(rng).towards(&other, share, rng);
                Self::built(&plan, city, rng)
            }
            _ => Self::of(zone, city, rng).invaded(&Self::of(other, city, rng), share, rng),
        }
    }

    /// With `share` of the area taken by another scene, along an irregular border.
    pub(super) fn invaded(mut self, other: &Self, share: f32, rng: &mut ChaCha8Rng) -> Self {
        let (down, right) = (rng.gen_range(-1f32..1.0), rng.gen_range(-1f32..1.0));
        let mut where_to = noise(120.0, rng);
        for (cell, value) in where_to.iter_mut().enumerate() {
            let (y, x) = position(cell);
            *value += (down * y + right * x) / 60.0;
        }
        standardise(&mut where_to);
        let border = quantile(share);
        for (cell, &value) in where_to.iter().enumerate() {
            if value < border {
                self.material[cell] = other.material[cell];
                self.height[cell] = other.height[cell];
                self.tint[cell] = other.tint[cell];
            }
        }
        self
    }

    fn bare(material: Material) -> Self {
        Self { material: vec![material; AREA], height: vec![0.0; AREA], tint: vec![1.0; AREA] }
    }

    fn natural(ground: Ground, city: &City, rng: &mut ChaCha8Rng) -> Self {
        match ground {
            Ground::Trees { cover, clump } => {
                let mut scene = Self::meadow(city, rng);
                let (cover, clump) = (rng.gen_range(cover.0..cover.1), rng.gen_range(clump.0..clump.1));
                scene.plant(cover, clump, city, rng, |_| true);
                scene.mottle(0.10, 12.0, rng);
                scene
            }
            Ground::Scrub => {
                let ground = if rng.gen_bool(0.7) { STUBBLE } else { ROCK };
                let mut scene = Self::bare(ground);
                scene.scatter(SOIL, rng.gen_range(0.1..0.5), 30.0, rng);
                scene.scatter(GRASS, rng.gen_range(0.0..0.3), 40.0, rng);
                scene.scatter(SHRUB, rng.gen_range(0.3..0.7), rng.gen_range(10.0..22.0), rng);
                scene.plant(rng.gen_range(0.0..0.15), 10.0, city, rng, |_| true);
                scene.mottle(0.10, 15.0, rng);
                scene
            }
            Ground::Fields => {
                let mut scene =
                    Self::fields(&[(GRASS, 4.0), (CROP, 3.0), (STUBBLE, 1.5), (SOIL, 0.5)], city, rng);
                scene.plant(rng.gen_range(0.0..0.10), 14.0, city, rng, |_| true);
                scene.mottle(0.06, 40.0, rng);
                scene
            }
            Ground::RockOrPaved => {
                let mut scene = if rng.gen_bool(0.4) {
                    Self::bare(ROCK)
                } else {
                    Self::fields(&[(ASPHALT, 3.0), (CONCRETE, 3.0), (ROCK, 0.5)], city, rng)
                };
                scene.scatter(SOIL, rng.gen_range(0.0..0.12), 25.0, rng);
                scene.scatter(GRASS, rng.gen_range(0.0..0.12), 25.0, rng);
                scene.mottle(0.12, 20.0, rng);
                scene
            }
            Ground::SoilOrSand => {
                let mut scene = if rng.gen_bool(0.4) {
                    Self::bare(SAND)
                } else {
                    Self::fields(&[(SOIL, 5.0), (SAND, 1.0), (STUBBLE, 0.7)], city, rng)
                };
                scene.scatter(GRASS, rng.gen_range(0.0..0.10), 30.0, rng);
                scene.scatter(ROCK, rng.gen_range(0.0..0.15), 30.0, rng);
                scene.mottle(0.10, 50.0, rng);
                scene
            }
            Ground::Water => {
                let mut scene = Self::bare(CLEAR_WATER);
                if rng.gen_bool(0.5) {
                    scene.scatter(TURBID_WATER, rng.gen_range(0.1..1.0), 150.0, rng);
                }
                scene.mottle(0.05, 90.0, rng);
                scene
            }
        }
    }

    /// Grass, with some bare ground where the city is dry.
    fn meadow(city: &City, rng: &mut ChaCha8Rng) -> Self {
        let mut scene = Self::bare(GRASS);
        scene.scatter(SOIL, 0.25 * city.dryness * rng.gen_range(0f32..1.0), 30.0, rng);
        scene.scatter(SHRUB, rng.gen_range(0.0..0.25), 25.0, rng);
        scene
    }

    /// Rectangular parcels, each of one material.
    fn fields(choice: &[(Material, f32)], city: &City, rng: &mut ChaCha8Rng) -> Self {
        let mut scene = Self::bare(choice[0].0);
        let axes = Axes::draw(city, rng);
        let (long, short) = (rng.gen_range(90f32..320.0), rng.gen_range(50f32..180.0));
        let key: u64 = rng.r#gen();
        for cell in 0..AREA {
            let (u, v) = axes.along(position(cell));
            let mut hash = Hash::of(key, (u / long) as u64, (v / short) as u64);
            scene.material[cell] = pick(choice, hash.unit());
            scene.tint[cell] = 0.8 + 0.4 * hash.unit();
        }
        scene
    }

    /// Covers `share` of the ground with a material, in patches of some metres.
    fn scatter(&mut self, material: Material, share: f32, metres: f32, rng: &mut ChaCha8Rng) {
        if share < 0.01 {
            return;
        }
        let border = quantile(share);
        for (cell, value) in noise(metres, rng).into_iter().enumerate() {
            if value < border {
                self.material[cell] = material;
            }
        }
    }

    /// Trees over `share` of the cells that may have some.
    fn plant(
        &mut self,
        share: f32,
        clump: f32,
        city: &City,
        rng: &mut ChaCha8Rng,
        may: impl Fn(Material) -> bool,
    ) {
        if share < 0.01 {
            return;
        }
        let (crowns, kinds) = (noise(clump, rng), noise(80.0, rng));
        let (border, conifers) = (quantile(share), quantile(city.conifers));
        let tall = rng.gen_range(4f32..14.0);
        for cell in 0..AREA {
            if crowns[cell] < border && may(self.material[cell]) {
                self.material[cell] = if kinds[cell] < conifers { CONIFER } else { BROADLEAF };
                // Crowns are rounded: tallest where the noise is deepest.
                self.height[cell] = tall * (border - crowns[cell]).min(1.2);
            }
        }
    }

    /// Uneven brightness.
    fn mottle(&mut self, share: f32, metres: f32, rng: &mut ChaCha8Rng) {
        for (tint, value) in self.tint.iter_mut().zip(noise(metres, rng)) {
            *tint *= (1.0 + share * value).max(0.3);
        }
    }

    fn built(plan: &Plan, city: &City, rng: &mut ChaCha8Rng) -> Self {
        let mut scene = Self::bare(GRASS);
        let axes = Axes::draw(city, rng);
        let key: u64 = rng.r#gen();
        // Streets take part of the paved ground, courts and car parks the rest.
        let streets = (0.6 * plan.impervious).min(0.35);
        let street = plan.block * (1.0 - (1.0 - streets).sqrt());
        let inner = plan.block - street;
        let cover = (plan.building / (1.0 - streets)).min(0.97);
        let lots = (inner / plan.lot).round().max(1.0);
        let roofs: [(Material, f32); ROOFS] =
            std::array::from_fn(|k| (k as Material, plan.roofs[k] * city.roofs[k]));
        // A district has a dominant roof; single houses differ.
        let usual = pick(&roofs, rng.gen_range(0f32..1.0));
        for cell in 0..AREA {
            let (u, v) = axes.along(position(cell));
            let (block_u, block_v) = ((u / plan.block) as u64, (v / plan.block) as u64);
            let (u, v) = (u - block_u as f32 * plan.block - street, v - block_v as f32 * plan.block - street);
            if u < 0.0 || v < 0.0 {
                scene.material[cell] = ASPHALT;
                continue;
            }
            let (a, b) = (u / inner * lots, v / inner * lots);
            let (lot_u, lot_v) = (a as u64, b as u64);
            let mut hash = Hash::of(key, block_u << 16 | lot_u, block_v << 16 | lot_v);
            let (a, b) = (a - lot_u as f32, b - lot_v as f32);
            let stands = match plan.layout {
                Layout::Courtyards => {
                    let depth = 0.5 * inner * (1.0 - (1.0 - cover).sqrt());
                    u.min(v).min(inner - u).min(inner - v) < depth
                }
                Layout::Lots => footprint(a, b, cover, 1.3, &mut hash),
                Layout::Slabs => footprint(a, b, cover, 3.0, &mut hash),
            };
            if stands {
                let common = hash.unit() < 0.55;
                scene.material[cell] = if common { usual } else { pick(&roofs, hash.unit()) };
                scene.height[cell] = plan.height.0 + (plan.height.1 - plan.height.0) * hash.unit().powi(2);
                scene.tint[cell] = 0.75 + 0.5 * hash.unit();
            }
        }
        scene.fill_between(plan, streets, city, rng);
        scene.mottle(0.06, 15.0, rng);
        scene
    }

    /// Paves, bares and plants the ground that buildings and streets have left as grass.
    fn fill_between(&mut self, plan: &Plan, streets: f32, city: &City, rng: &mut ChaCha8Rng) {
        let open = (1.0 - plan.building - streets).max(0.05);
        let paved = quantile(((plan.impervious - streets) / open).clamp(0.0, 1.0));
        let bare = quantile((plan.soil * (0.5 + city.dryness)).clamp(0.0, 1.0));
        let paving = if rng.gen_bool(0.5) { CONCRETE } else { ASPHALT };
        let (where_paved, where_bare) = (noise(25.0, rng), noise(30.0, rng));
        for cell in 0..AREA {
            if self.material[cell] == GRASS {
                if where_paved[cell] < paved {
                    self.material[cell] = paving;
                } else if where_bare[cell] < bare {
                    self.material[cell] = SOIL;
                }
            }
        }
        let trees = (plan.trees * city.greenness).min(0.95);
        self.plant(trees, 12.0, city, rng, |material| material == GRASS);
    }
}

/// Whether (a, b) in the unit square of a lot is under its building, which covers `cover` of the lot
/// and is up to `longest` times as long as wide. One lot in twelve is free.
fn footprint(a: f32, b: f32, cover: f32, longest: f32, hash: &mut Hash) -> bool {
    let free = hash.unit() < 1.0 / 12.0;
    let cover = (cover * 12.0 / 11.0).min(0.97);
    let ratio = 1.0 + (longest - 1.0) * (0.5 + 0.5 * hash.unit());
    let long = (cover * ratio).sqrt().min(0.98);
    let short = (cover / long).min(0.98);
    let (a, b) = if hash.unit() < 0.7 { (a, b) } else { (b, a) };
    let (from_a, from_b) = ((1.0 - long) * hash.unit(), (1.0 - short) * hash.unit());
    !free && (from_a..from_a + long).contains(&a) && (from_b..from_b + short).contains(&b)
}

/// Rotated and shifted axes: the directions of streets and field borders.
struct Axes {
    cos: f32,
    sin: f32,
    shift: (f32, f32),
}

impl Axes {
    /// Mostly the city's own direction.
    fn draw(city: &City, rng: &mut ChaCha8Rng) -> Self {
        let angle =
            if rng.gen_bool(0.6) { city.grid + 0.08 * normal(rng) } else { rng.gen_range(0.0..FRAC_PI_2) };
        // Far enough that no place of the scene has a negative coordinate.
        let shift = (rng.gen_range(1000f32..2000.0), rng.gen_range(1000f32..2000.0));
        Self { cos: angle.cos(), sin: angle.sin(), shift }
    }

    /// Metres along the two axes.
    fn along(&self, (y, x): (f32, f32)) -> (f32, f32) {
        let (y, x) = (y * METRES, x * METRES);
        (x * self.cos + y * self.sin + self.shift.0, y * self.cos - x * self.sin + self.shift.1)
    }
}

/// Line and column of a cell's centre, in cells from the middle.
fn position(cell: usize) -> (f32, f32) {
    let middle = CELLS as f32 / 2.0 - 0.5;
    ((cell / CELLS) as f32 - middle, (cell % CELLS) as f32 - middle)
}

/// Random numbers that belong to a place: `SplitMix64` from its coordinates.
struct Hash(u64);

impl Hash {
    fn of(key: u64, u: u64, v: u64) -> Self {
        let place = u.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ v.wrapping_mul(0xC2B2_AE3D_27D4_EB4F);
        Self(key ^ place)
    }

    /// The next number in 0–1.
    fn unit(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
}

/// One of several, by weight.
fn pick(choice: &[(Material, f32)], at: f32) -> Material {
    let mut left = at * choice.iter().map(|(_, weight)| weight).sum::<f32>();
    for &(material, weight) in choice {
        left -= weight;
        if left < 0.0 {
            return material;
        }
    }
    choice[choice.len() - 1].0
}

/// Smooth noise of mean 0 and standard deviation 1, whose features are about `metres` wide: a random
/// lattice interpolated with a smooth step, and one of half the width and strength upon it.
fn noise(metres: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let mut field = vec![0.0; AREA];
    for (metres, strength) in [(metres, 1.0), (metres / 2.0, 0.5)] {
        let step = (metres / METRES).max(1.5);
        let points = (CELLS as f32 / step).ceil() as usize + 2;
        let lattice: Vec<f32> = (0..points * points).map(|_| strength * rng.gen_range(-1f32..1.0)).collect();
        let shift = rng.gen_range(0f32..1.0);
        let places: Vec<(usize, f32)> = (0..CELLS)
            .map(|cell| {
                let at = cell as f32 / step + shift;
                let t = at.fract();
                (at as usize, t * t * (3.0 - 2.0 * t))
            })
            .collect();
        for (line, &(y, ty)) in field.chunks_exact_mut(CELLS).zip(&places) {
            let (upper, lower) = (&lattice[y * points..(y + 1) * points], &lattice[(y + 1) * points..]);
            for (value, &(x, tx)) in line.iter_mut().zip(&places) {
                let left = upper[x] + ty * (lower[x] - upper[x]);
                let right = upper[x + 1] + ty * (lower[x + 1] - upper[x + 1]);
                *value += left + tx * (right - left);
            }
        }
    }
    standardise(&mut field);
    field
}

/// To mean 0 and standard deviation 1. Eight sums side by side use the processor's vectors.
fn standardise(field: &mut [f32]) {
    let n = field.len() as f32;
    let (mut sums, mut squares) = ([0f32; 8], [0f32; 8]);
    for eight in field.chunks_exact(8) {
        for lane in 0..8 {
            sums[lane] += eight[lane];
            squares[lane] += eight[lane] * eight[lane];
        }
    }
    let mean = sums.iter().sum::<f32>() / n;
    let variance = squares.iter().sum::<f32>() / n - mean * mean;
    let scale = 1.0 / variance.max(1e-12).sqrt();
    for value in field {
        *value = (*value - mean) * scale;
    }
}

/// Below which `share` of standardised noise lies, about: the logistic approximation to the normal
/// quantile.
fn quantile(share: f32) -> f32 {
    let share = share.clamp(1e-4, 1.0 - 1e-4);
    (share / (1.0 - share)).ln() / 1.702
}
