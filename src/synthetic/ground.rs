//! A piece of ground: cells of 3.3 m, each of one material and height, and what grows on it.

use super::city::City;
use super::materials::{BROADLEAF, CONIFER, Material};
use super::noise::{Hash, METRES, Window, noise, quantile};

/// What stands on each cell of a window.
pub(super) struct Ground {
    pub(super) window: Window,
    pub(super) material: Vec<Material>,
    /// Metres above the ground.
    pub(super) height: Vec<f32>,
    /// Brightness relative to the material's.
    pub(super) tint: Vec<f32>,
    /// How strongly walls send a radar's beam back: 1 is usual, more where streets run along the orbit.
    pub(super) facing: f32,
}

impl Ground {
    pub(super) fn bare(window: Window, material: Material) -> Self {
        let n = window.cells();
        Self { window, material: vec![material; n], height: vec![0.0; n], tint: vec![1.0; n], facing: 1.0 }
    }

    /// Puts something onto a cell.
    pub(super) fn put(&mut self, cell: usize, material: Material, height: f32, tint: f32) {
        self.material[cell] = material;
        self.height[cell] = height;
        self.tint[cell] = tint;
    }

    /// Takes over the cells of another ground of the same window where `here` is true.
    pub(super) fn take(&mut self, other: &Self, here: impl Fn(usize) -> bool) {
        for cell in (0..self.window.cells()).filter(|&cell| here(cell)) {
            self.put(cell, other.material[cell], other.height[cell], other.tint[cell]);
        }
    }

    /// Covers `share` of the ground with a material, in patches of some metres.
    pub(super) fn scatter(&mut self, material: Material, share: f32, metres: f32, key: u64) {
        if share < 0.01 {
            return;
        }
        let border = quantile(share);
        for (cell, value) in noise(&self.window, metres, key).into_iter().enumerate() {
            if value < border {
                self.material[cell] = material;
            }
        }
    }

    /// Trees over `share` of the cells that may have some, in clumps of some metres.
    pub(super) fn plant(&mut self, trees: Trees, city: &City, key: u64, may: impl Fn(Material) -> bool) {
        if trees.share < 0.01 {
            return;
        }
        let crowns = noise(&self.window, trees.clump, key);
        let kinds = noise(&self.window, 90.0, key ^ 0x51);
        let (border, conifers) = (quantile(trees.share), quantile(city.conifers));
        for cell in 0..crowns.len() {
            if crowns[cell] < border && may(self.material[cell]) {
                self.material[cell] = if kinds[cell] < conifers { CONIFER } else { BROADLEAF };
                // Crowns are rounded: tallest, and brightest, where the noise is deepest.
                let depth = (border - crowns[cell]).min(1.2);
                self.height[cell] = trees.tall * (0.4 + 0.5 * depth);
                self.tint[cell] = 0.85 + 0.2 * depth;
            }
        }
    }

    /// A lone tree on a share of the squares with sides of `metres`.
    pub(super) fn plant_singly(
        &mut self,
        metres: f32,
        how_many: f32,
        tall: f32,
        key: u64,
        may: impl Fn(Material) -> bool,
    ) {
        let places: Vec<(f32, f32)> = self.window.places().collect();
        for (cell, (y, x)) in places.into_iter().enumerate() {
            let (line, column) = ((y / metres).floor(), (x / metres).floor());
            let mut hash = Hash::of(key, line as i64, column as i64);
            if hash.unit() >= how_many {
                continue;
            }
            let radius = hash.between(2.2, 5.5f32.min(0.45 * metres));
            let room = metres - 2.0 * radius;
            let (dy, dx) = (
                y - line * metres - radius - room * hash.unit(),
                x - column * metres - radius - room * hash.unit(),
            );
            if dy * dy + dx * dx < radius * radius && may(self.material[cell]) {
                self.put(cell, BROADLEAF, tall * (0.6 + 0.08 * radius), hash.between(0.8, 1.1));
            }
        }
    }

    /// Uneven brightness.
    pub(super) fn mottle(&mut self, share: f32, metres: f32, key: u64) {
        for (tint, value) in self.tint.iter_mut().zip(noise(&self.window, metres, key)) {
            *tint *= (1.0 + share * value).max(0.3);
        }
    }
}

/// How trees grow somewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trees {
    /// Of the ground under crowns.
    pub(super) share: f32,
    /// Metres across a crown or a clump.
    pub(super) clump: f32,
    /// Metres.
    pub(super) tall: f32,
}

/// Rotated axes: the directions of streets and field borders.
#[derive(Debug, Clone, Copy)]
pub(super) struct Axes {
    cos: f32,
    sin: f32,
}

impl Axes {
    pub(super) fn at(angle: f32) -> Self {
        Self { cos: angle.cos(), sin: angle.sin() }
    }

    /// Metres along the two axes of a place, metres southward and eastward.
    pub(super) fn along(self, (y, x): (f32, f32)) -> (f32, f32) {
        (x * self.cos + y * self.sin, y * self.cos - x * self.sin)
    }
}

/// Parallel lines at uneven distances: streets, tracks, hedges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// Metres from line to line.
    pub(super) spacing: f32,
    /// How uneven, 0–0.8.
    pub(super) uneven: f32,
    /// Metres.
    pub(super) width: f32,
    /// One in `main` lines is `wide` times as wide.
    pub(super) main: i64,
    pub(super) wide: f32,
    pub(super) key: u64,
}

/// Where a place lies among [`Lines`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Between {
    /// Which gap.
    pub(super) index: i64,
    /// Metres past the near edge of the line before; negative on the line.
    pub(super) past: f32,
    /// Metres between the two lines.
    pub(super) room: f32,
}

impl Lines {
    fn line(&self, k: i64) -> f32 {
        (k as f32 + self.uneven * (Hash::of(self.key, k, 0).unit() - 0.5)) * self.spacing
    }

    pub(super) fn locate(&self, at: f32) -> Between {
        let mut index = (at / self.spacing).floor() as i64;
        let mut from = self.line(index);
        if at < from {
            index -= 1;
            from = self.line(index);
        }
        let mut to = self.line(index + 1);
        if at >= to {
            index += 1;
            from = to;
            to = self.line(index + 1);
        }
        let main = index.rem_euclid(self.main) == 0;
        let width = if main { self.wide * self.width } else { self.width };
        Between { index, past: at - from - width, room: (to - from - width).max(METRES) }
    }
}
