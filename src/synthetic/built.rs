//! How a built zone is laid out: streets, blocks, lots, buildings, and what lies between them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::city::{City, normal};
use super::ground::{Axes, Between, Ground, Lines, Trees};
use super::materials::{ASPHALT, CONCRETE, GRASS, Material, ROCK, ROOFS, SOIL, is_roof, pick};
use super::natural::Natural;
use super::noise::{Hash, Window, noise, quantile};
use super::zones::{Layout, Plan};

/// Brightest of roofs: tanks and new sheds.
const BRIGHT_ROOF: Material = 3;
/// Of a radar's orbit, from north, in radians.
const ORBIT: f32 = 0.2;

/// A built district, as a rule for any place in it.
pub(super) struct Built {
    plan: Plan,
    axes: Axes,
    facing: f32,
    rows: Lines,
    columns: Lines,
    /// Of the ground under streets, and of a block's ground under buildings.
    streets: f32,
    cover: f32,
    roofs: [(Material, f32); ROOFS],
    usual: Material,
    paving: Material,
    /// Brightness of paved and of bare ground.
    worn: f32,
    tall_trees: f32,
    countryside: Option<Natural>,
    key: u64,
}

impl Built {
    pub(super) fn draw(plan: Plan, city: &City, rng: &mut ChaCha8Rng) -> Self {
        let angle = if rng.gen_bool(0.6) {
            city.grid + 0.08 * normal(rng)
        } else {
            rng.gen_range(0.0..std::f32::consts::FRAC_PI_2)
        };
        // Streets take part of the paved ground, courts and car parks the rest.
        let streets = (0.6 * plan.impervious).clamp(0.03, 0.35);
        let width = plan.block * (1.0 - (1.0 - streets).sqrt());
        let oblong = rng.gen_range(1f32..1.7).sqrt();
        let mut lines = |spacing: f32| Lines {
            spacing,
            uneven: plan.uneven,
            width: 0.85 * width,
            main: rng.gen_range(3..6),
            wide: 1.8,
            key: rng.r#gen(),
        };
        let (rows, columns) = (lines(plan.block * oblong), lines(plan.block / oblong));
        let roofs: [(Material, f32); ROOFS] =
            std::array::from_fn(|k| (k as Material, plan.roofs[k] * city.roofs[k]));
        // A district has a dominant roof; single houses differ.
        let usual = pick(&roofs, rng.gen_range(0f32..1.0));
        // Walls across the beam reflect it: streets along the orbit or across it.
        let off = (angle - ORBIT).rem_euclid(std::f32::consts::FRAC_PI_2);
        let off = off.min(std::f32::consts::FRAC_PI_2 - off);
        Self {
            axes: Axes::at(angle),
            facing: 0.6 + 2.4 * (-(off / 0.2).powi(2)).exp(),
            rows,
            columns,
            streets,
            cover: (plan.building / (1.0 - streets)).min(0.97),
            roofs,
            usual,
            paving: if rng.gen_bool(0.5) { CONCRETE } else { ASPHALT },
            worn: (0.18 * normal(rng)).exp(),
            tall_trees: rng.gen_range(5f32..12.0),
            countryside: (plan.layout == Layout::Countryside).then(|| Natural::countryside(city, rng)),
            key: rng.r#gen(),
            plan,
        }
    }

    /// The key of one of the things that are drawn.
    fn key(&self, what: u64) -> u64 {
        self.key ^ (what << 40)
    }

    pub(super) fn lay(&self, window: Window, city: &City) -> Ground {
        let mut ground = match &self.countryside {
            Some(natural) => natural.lay(window, city),
            None => Ground::bare(window, GRASS),
        };
        ground.facing = self.facing;
        // Streets bend as the ground does.
        let (down, right) = (noise(&window, 170.0, self.key(1)), noise(&window, 170.0, self.key(2)));
        // Where the open ground of a lot begins: ground without buildings is paved and planted only there.
        let mut open = vec![self.countryside.is_none(); window.cells()];
        for (cell, place) in window.places().enumerate() {
            let (u, v) = self.axes.along(place);
            let (u, v) = (u + self.plan.crooked * down[cell], v + self.plan.crooked * right[cell]);
            let (across, along) = (self.rows.locate(u), self.columns.locate(v));
            if across.past < 0.0 || along.past < 0.0 {
                ground.put(
                    cell,
                    ASPHALT,
                    0.0,
                    self.worn * (0.95 + 0.1 * Hash::of(self.key, across.index, along.index).unit()),
                );
                open[cell] = false;
                continue;
            }
            self.build(&mut ground, cell, across, along, &mut open);
        }
        self.fill_between(&mut ground, city, &open);
        ground.mottle(0.06, 15.0, self.key(3));
        ground
    }

    /// What stands at a place of a block.
    fn build(&self, ground: &mut Ground, cell: usize, u: Between, v: Between, open: &mut [bool]) {
        let plan = &self.plan;
        let mut block = Hash::of(self.key(4), u.index, v.index);
        // A square, a park or a car park takes a block here and there.
        if block.unit() < 0.05 && plan.layout != Layout::Countryside {
            if block.unit() < 0.4 {
                ground.material[cell] = self.paving;
                ground.tint[cell] = self.worn;
                open[cell] = false;
            }
            return;
        }
        let lots = |room: f32| (room / plan.lot).round().max(1.0);
        let (a, b) = (u.past / u.room * lots(u.room), v.past / v.room * lots(v.room));
        let (lot_u, lot_v) = (a.floor(), b.floor());
        let mut lot = Hash::of(self.key(5), u.index << 16 | lot_u as i64, v.index << 16 | lot_v as i64);
        let (a, b) = (a - lot_u, b - lot_v);
        let edge = u.past.min(v.past).min(u.room - u.past).min(v.room - v.past);
        let stands = match plan.layout {
            Layout::Courtyards => {
                // The ring that covers the planned share of the block, and back buildings in some courts.
                let (p, q) = (u.room + v.room, u.room * v.room);
                let depth = 0.25 * (p - (p * p - 4.0 * self.cover * 0.92 * q).max(0.0).sqrt());
                edge < depth || (lot.unit() < 0.12 && (0.2..0.8).contains(&a) && (0.2..0.8).contains(&b))
            }
            Layout::Lots => footprint(a, b, self.cover, 1.3, 1.0 / 12.0, &mut lot),
            Layout::Slabs => footprint(a, b, self.cover, 3.5, 1.0 / 10.0, &mut lot),
            Layout::Works => return self.work(ground, cell, (a, b), lot, open),
            Layout::Countryside => {
                if edge > 1.1 * plan.lot {
                    return;
                }
                open[cell] = true;
                let garden = lot.unit() < 0.75;
                if garden {
                    ground.material[cell] = GRASS;
                    ground.height[cell] = 0.0;
                }
                garden && footprint(a, b, (1.6 * self.cover).min(0.45), 1.6, 0.1, &mut lot)
            }
        };
        if stands {
            let roof = if lot.unit() < 0.55 { self.usual } else { pick(&self.roofs, lot.unit()) };
            let height = plan.height.0 + (plan.height.1 - plan.height.0) * lot.unit().powi(2);
            cover_with(ground, cell, roof, height, &mut lot);
        }
    }

    /// A shed, a tank, a heap or nothing on a lot of a works.
    fn work(&self, ground: &mut Ground, cell: usize, (a, b): (f32, f32), mut lot: Hash, open: &mut [bool]) {
        let height = self.plan.height.0 + (self.plan.height.1 - self.plan.height.0) * lot.unit().powi(2);
        let kind = lot.unit();
        let round = |radius: f32| (a - 0.5).hypot(b - 0.5) < radius;
        if kind < 0.22 {
            // Four tanks, or a large one; white or rusty, in a bund of gravel.
            let (p, q) = if lot.unit() < 0.5 { ((2.0 * a).fract(), (2.0 * b).fract()) } else { (a, b) };
            if (p - 0.5).hypot(q - 0.5) < 0.38 {
                let roof = if lot.unit() < 0.7 { BRIGHT_ROOF } else { 5 };
                cover_with(ground, cell, roof, height, &mut lot);
            } else {
                ground.material[cell] = ROCK;
                open[cell] = false;
            }
        } else if kind < 0.36 && round(0.3 + 0.15 * lot.unit()) {
            // A heap: coal, ore or scrap.
            ground.put(cell, if lot.unit() < 0.5 { ROCK } else { SOIL }, 4.0, lot.between(0.3, 0.9));
            open[cell] = false;
        } else if kind >= 0.42 && footprint(a, b, (1.7 * self.cover).min(0.8), 4.0, 0.05, &mut lot) {
            let roof = if lot.unit() < 0.4 { self.usual } else { pick(&self.roofs, lot.unit()) };
            cover_with(ground, cell, roof, height, &mut lot);
        }
    }

    /// Paves, bares and plants the ground that buildings and streets have left.
    fn fill_between(&self, ground: &mut Ground, city: &City, open: &[bool]) {
        let plan = &self.plan;
        let left = (1.0 - plan.building - self.streets).max(0.05);
        let paved = quantile(((plan.impervious - self.streets) / left).clamp(0.0, 1.0));
        let bare = quantile((plan.soil * (0.5 + city.dryness)).clamp(0.0, 1.0));
        let where_paved = noise(&ground.window, 25.0, self.key(6));
        let where_bare = noise(&ground.window, 30.0, self.key(7));
        for cell in 0..open.len() {
            if open[cell] && ground.material[cell] == GRASS {
                if where_paved[cell] < paved {
                    ground.material[cell] = self.paving;
                    ground.tint[cell] = self.worn;
                } else if where_bare[cell] < bare {
                    ground.material[cell] = SOIL;
                    ground.tint[cell] = self.worn;
                }
            }
        }
        let share = (plan.trees * city.greenness).min(0.95);
        let trees = Trees { share, clump: 12.0, tall: self.tall_trees };
        if self.countryside.is_none() {
            ground.plant(trees, city, self.key(8), |material| material == GRASS);
        }
        // Trees along streets and in car parks.
        ground.plant_singly(14.0, 0.5 * share, self.tall_trees, self.key(9), |material| !is_roof(material));
    }
}

fn cover_with(ground: &mut Ground, cell: usize, roof: Material, height: f32, lot: &mut Hash) {
    ground.put(cell, roof, height, lot.between(0.72, 1.25));
}

/// Whether (a, b) in the unit square of a lot is under its building, which covers `cover` of the lot
/// and is up to `longest` times as long as wide. Some lots are `free`.
fn footprint(a: f32, b: f32, cover: f32, longest: f32, free: f32, lot: &mut Hash) -> bool {
    let empty = lot.unit() < free;
    let cover = (cover / (1.0 - free)).min(0.97);
    let ratio = 1.0 + (longest - 1.0) * (0.5 + 0.5 * lot.unit());
    let long = (cover * ratio).sqrt().min(0.98);
    let short = (cover / long).min(0.98);
    let (a, b) = if lot.unit() < 0.7 { (a, b) } else { (b, a) };
    let (from_a, from_b) = ((1.0 - long) * lot.unit(), (1.0 - short) * lot.unit());
    !empty && (from_a..from_a + long).contains(&a) && (from_b..from_b + short).contains(&b)
}
