//! How a natural zone is laid out: woods, scrub, fields, rock, sand and water.

use std::f32::consts::PI;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::city::{City, normal};
use super::ground::{Axes, Ground, Lines, Trees};
use super::materials::{
    ASPHALT, BROADLEAF, CLEAR_WATER, CONCRETE, CROP, GRASS, Material, ROCK, SAND, SHRUB, SOIL, STUBBLE,
    TURBID_WATER, pick,
};
use super::noise::{Hash, METRES, Window, noise, quantile};
use crate::Zone;

/// A natural district, as a rule for any place in it.
pub(super) struct Natural {
    kind: Cover,
    axes: Axes,
    /// Two numbers in 0–1 that a kind reads as it likes: how dense, how varied.
    dense: f32,
    varied: f32,
    /// Brightness of its bare ground.
    worn: f32,
    fields: Fields,
    key: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Cover {
    Forest,
    ScatteredTrees,
    Orchard,
    Scrub,
    Farmland,
    Meadow,
    Rock,
    Paved,
    BareFields,
    Sand,
    Water { turbid: bool },
}

/// Parcels.
#[derive(Debug, Clone, Copy)]
struct Fields {
    long: Lines,
    short: Lines,
    hedges: f32,
}

impl Natural {
    pub(super) fn draw(zone: Zone, city: &City, rng: &mut ChaCha8Rng) -> Self {
        let kind = match zone {
            Zone::DenseTrees => Cover::Forest,
            Zone::ScatteredTrees if rng.gen_bool(0.2) => Cover::Orchard,
            Zone::ScatteredTrees => Cover::ScatteredTrees,
            Zone::BushScrub => Cover::Scrub,
            Zone::LowPlants if rng.gen_bool(0.25) => Cover::Meadow,
            Zone::LowPlants => Cover::Farmland,
            Zone::BareRockOrPaved if rng.gen_bool(0.4) => Cover::Rock,
            Zone::BareRockOrPaved => Cover::Paved,
            Zone::BareSoilOrSand if rng.gen_bool(0.4) => Cover::Sand,
            Zone::BareSoilOrSand => Cover::BareFields,
            _ => Cover::Water { turbid: rng.gen_bool(0.45) },
        };
        Self::of_kind(kind, city, rng)
    }

    /// Fields or meadows with trees, for houses to stand in.
    pub(super) fn countryside(city: &City, rng: &mut ChaCha8Rng) -> Self {
        let kind = match rng.gen_range(0..4) {
            0 => Cover::ScatteredTrees,
            1 => Cover::Meadow,
            _ => Cover::Farmland,
        };
        Self::of_kind(kind, city, rng)
    }

    fn of_kind(kind: Cover, city: &City, rng: &mut ChaCha8Rng) -> Self {
        let angle = if rng.gen_bool(0.5) { city.grid + 0.15 * normal(rng) } else { rng.gen_range(0.0..PI) };
        let mut lines = |low: f32, high: f32| Lines {
            spacing: rng.gen_range(low..high),
            uneven: 0.55,
            width: 4.0,
            main: 3,
            wide: 1.5,
            key: rng.r#gen(),
        };
        let (long, short) = if kind == Cover::Paved {
            (lines(120.0, 320.0), lines(60.0, 160.0))
        } else {
            (lines(140.0, 420.0), lines(45.0, 170.0))
        };
        Self {
            kind,
            axes: Axes::at(angle),
            dense: rng.gen_range(0.0..1.0),
            varied: rng.gen_range(0.0..1.0),
            worn: (0.18 * normal(rng)).exp(),
            fields: Fields { long, short, hedges: rng.gen_range(0f32..0.7) },
            key: rng.r#gen(),
        }
    }

    /// The key of one of the things that are drawn.
    fn key(&self, what: u64) -> u64 {
        self.key ^ (what << 40)
    }

    pub(super) fn lay(&self, window: Window, city: &City) -> Ground {
        match self.kind {
            Cover::Forest => self.forest(window, city),
            Cover::ScatteredTrees => self.scattered_trees(window, city),
            Cover::Orchard => self.orchard(window, city),
            Cover::Scrub => self.scrub(window, city),
            Cover::Farmland => {
                let crops = [(GRASS, 3.0), (CROP, 3.5), (STUBBLE, 1.5), (SOIL, 0.8)];
                let mut ground = self.parcels(window, &crops, 0.10);
                self.hedges(&mut ground, city);
                ground
            }
            Cover::Meadow => self.meadow(window, city, 0.15),
            Cover::Rock => self.rock(window),
            Cover::Paved => self.paved(window),
            Cover::BareFields => {
                let mut ground = self.parcels(window, &[(SOIL, 6.0), (SAND, 0.5), (STUBBLE, 0.6)], 0.13);
                ground.scatter(GRASS, 0.08 * self.varied, 30.0, self.key(1));
                ground
            }
            Cover::Sand => self.sand(window),
            Cover::Water { turbid } => self.water(window, turbid),
        }
    }

    /// Crowns side by side, stands of other trees and ages, sometimes a clearing or a track.
    fn forest(&self, window: Window, city: &City) -> Ground {
        let mut ground = Ground::bare(window, GRASS);
        ground.scatter(SHRUB, 0.5, 20.0, self.key(1));
        let share = 0.86 + 0.14 * self.dense;
        let trees = Trees { share, clump: 9.0 + 7.0 * self.varied, tall: 14.0 };
        ground.plant(trees, city, self.key(2), |_| true);
        ground.mottle(0.05, 11.0, self.key(3));
        let stands = noise(&window, 150.0, self.key(4));
        for (tint, stand) in ground.tint.iter_mut().zip(&stands) {
            *tint *= 1.0 + 0.10 * (1.5 * stand).tanh();
        }
        if self.varied > 0.55 {
            self.track(&mut ground, SOIL, 3.5);
        }
        if self.dense < 0.3 {
            for (cell, &stand) in stands.iter().enumerate().filter(|(_, stand)| **stand > 1.6) {
                ground.material[cell] = if stand > 1.9 { SHRUB } else { GRASS };
                ground.height[cell] = 0.0;
            }
        }
        ground
    }

    /// Lone trees, groups and rows of them over grass.
    fn scattered_trees(&self, window: Window, city: &City) -> Ground {
        let mut ground = self.meadow(window, city, 0.3);
        let groups = Trees { share: 0.12 + 0.25 * self.dense, clump: 22.0 + 20.0 * self.varied, tall: 11.0 };
        ground.plant(groups, city, self.key(21), |_| true);
        ground.plant_singly(17.0, 0.25 + 0.45 * self.varied, 9.0, self.key(22), |_| true);
        if self.varied > 0.5 {
            self.track(&mut ground, SOIL, 3.5);
        }
        ground
    }

    /// Trees in rows, parcel by parcel: olives, fruit.
    fn orchard(&self, window: Window, city: &City) -> Ground {
        let mut ground = self.parcels(window, &[(SOIL, 1.0), (STUBBLE, 1.0), (GRASS, 2.0)], 0.06);
        let apart = 7.0 + 5.0 * self.dense;
        for (cell, place) in window.places().enumerate() {
            let (u, v) = self.axes.along(place);
            let (a, b) = ((u / apart).fract().abs() - 0.5, (v / (1.4 * apart)).fract().abs() - 0.5);
            if a * a + 1.9 * b * b < 0.13 && ground.material[cell] != ASPHALT {
                ground.put(cell, BROADLEAF, 4.0, 1.0);
            }
        }
        self.hedges(&mut ground, city);
        ground
    }

    /// Shrubs among dry grass, soil and rock, cut by dry gullies.
    fn scrub(&self, window: Window, city: &City) -> Ground {
        let mut ground = Ground::bare(window, if self.varied < 0.7 { STUBBLE } else { ROCK });
        ground.tint.fill(0.8 * self.worn);
        ground.scatter(SOIL, 0.1 + 0.4 * self.dense, 35.0, self.key(1));
        ground.scatter(GRASS, 0.3 * (1.0 - self.dense), 45.0, self.key(2));
        let gullies = noise(&window, 140.0, self.key(3));
        for (cell, gully) in gullies.iter().enumerate().filter(|(_, gully)| gully.abs() < 0.06) {
            ground.material[cell] = if gully.abs() < 0.025 { SAND } else { SHRUB };
        }
        ground.scatter(SHRUB, 0.25 + 0.35 * self.varied, 11.0 + 9.0 * self.dense, self.key(4));
        ground.plant_singly(22.0, 0.3, 4.0, self.key(5), |_| true);
        ground.mottle(0.10, 15.0, self.key(6));
        if city.dryness > 0.3 {
            self.track(&mut ground, SAND, 4.0);
        }
        ground
    }

    /// Grass, mown or grazed, with some bare ground where the city is dry.
    fn meadow(&self, window: Window, city: &City, shrubs: f32) -> Ground {
        let mut ground = Ground::bare(window, GRASS);
        ground.scatter(STUBBLE, 0.2 * self.varied, 70.0, self.key(11));
        ground.scatter(SOIL, 0.25 * city.dryness * self.varied, 30.0, self.key(12));
        ground.scatter(SHRUB, shrubs * self.dense, 25.0, self.key(13));
        ground.mottle(0.08, 60.0, self.key(14));
        ground.mottle(0.05, 12.0, self.key(15));
        ground
    }

    /// Rectangular parcels, each of one material, worked in straight rows.
    fn parcels(&self, window: Window, choice: &[(Material, f32)], rows: f32) -> Ground {
        let mut ground = Ground::bare(window, choice[0].0);
        let soils = noise(&window, 110.0, self.key(31));
        let bend = noise(&window, 260.0, self.key(32));
        for (cell, place) in window.places().enumerate() {
            let (u, v) = self.axes.along(place);
            let (u, v) = (u + 8.0 * bend[cell], v + 8.0 * bend[cell]);
            let long = self.fields.long.locate(u);
            // Parcels of neighbouring strips do not meet at their corners.
            let shift = 90.0 * Hash::of(self.key(33), long.index, 0).unit();
            let short = self.fields.short.locate(v + shift);
            if long.past < 0.0 && long.index.rem_euclid(2) == 0 {
                ground.material[cell] = SOIL;
                ground.tint[cell] = 1.1 * self.worn;
                continue;
            }
            let mut field = Hash::of(self.key(34), long.index, short.index);
            let material = pick(choice, field.unit());
            let tint = field.between(0.75, 1.2);
            // Tramlines and ploughed strips of some metres, along or across the parcel.
            let (phase, apart) = (field.unit(), field.between(18.0, 45.0));
            let along = if field.unit() < 0.7 { short.past } else { long.past };
            let row = (2.0 * PI * (along / apart + phase)).sin();
            ground.material[cell] = material;
            ground.tint[cell] = tint * self.worn * (1.0 + rows * row * field.unit() + 0.07 * soils[cell]);
        }
        ground
    }

    /// Trees and shrubs along some borders of parcels, and lone trees.
    fn hedges(&self, ground: &mut Ground, city: &City) {
        let window = ground.window;
        let bend = noise(&window, 260.0, self.key(32));
        let gaps = noise(&window, 25.0, self.key(35));
        for (cell, place) in window.places().enumerate() {
            let (u, v) = self.axes.along(place);
            let long = self.fields.long.locate(u + 8.0 * bend[cell]);
            let shift = 90.0 * Hash::of(self.key(33), long.index, 0).unit();
            let short = self.fields.short.locate(v + 8.0 * bend[cell] + shift);
            let hedged = Hash::of(self.key(36), long.index, short.index).unit() < self.fields.hedges;
            if hedged && (short.past < 0.0 || long.past < 0.0) && gaps[cell] < 0.6 {
                ground.put(
                    cell,
                    if gaps[cell] < -0.3 { BROADLEAF } else { SHRUB },
                    if gaps[cell] < -0.3 { 7.0 } else { 2.0 },
                    1.0,
                );
            }
        }
        ground.plant_singly(60.0, 0.35 * city.greenness, 9.0, self.key(37), |material| material != SOIL);
    }

    /// A slope: strata, screes and tufts of grass.
    fn rock(&self, window: Window) -> Ground {
        let mut ground = Ground::bare(window, ROCK);
        ground.tint.fill(self.worn);
        let relief = noise(&window, 130.0, self.key(1));
        for ((cell, place), relief) in window.places().enumerate().zip(&relief) {
            let (u, _) = self.axes.along(place);
            ground.tint[cell] *= 1.0 + 0.10 * ((u / 22.0) + 2.5 * relief).sin() + 0.12 * relief;
        }
        ground.mottle(0.12, 14.0, self.key(2));
        ground.scatter(SOIL, 0.15 * self.dense, 25.0, self.key(3));
        ground.scatter(GRASS, 0.10 * self.varied, 18.0, self.key(4));
        ground
    }

    /// Car parks, yards, quays and runways: slabs with rows of cars or containers, and lines of paint.
    fn paved(&self, window: Window) -> Ground {
        let mut ground = Ground::bare(window, CONCRETE);
        for (cell, place) in window.places().enumerate() {
            let (u, v) = self.axes.along(place);
            let (long, short) = (self.fields.long.locate(u), self.fields.short.locate(v));
            let mut slab = Hash::of(self.key(1), long.index, short.index);
            let material = pick(&[(ASPHALT, 4.0), (CONCRETE, 3.0), (ROCK, 0.3)], slab.unit());
            ground.material[cell] = material;
            ground.tint[cell] = self.worn * slab.between(0.8, 1.0);
            let use_of_it = slab.unit();
            if short.past < 0.0 || long.past < 0.0 {
                ground.material[cell] = ASPHALT;
                ground.tint[cell] = 0.9 * self.worn;
            } else if use_of_it < 0.45 {
                // Rows of cars, 18 m apart, some places free.
                let row = (v / 18.0).rem_euclid(1.0) < 0.45;
                let mut car = Hash::of(self.key(2), (u / 3.4).floor() as i64, (v / 18.0).floor() as i64);
                if row && car.unit() < 0.3 + 0.6 * self.dense {
                    ground.material[cell] = if car.unit() < 0.5 { 3 } else { 2 };
                    ground.tint[cell] = car.between(0.5, 1.0);
                }
            } else if use_of_it < 0.6 && (short.past - 0.5 * short.room).abs() < 2.0 {
                ground.tint[cell] *= 1.5;
            }
        }
        ground.scatter(GRASS, 0.10 * self.varied, 22.0, self.key(3));
        ground.mottle(0.07, 25.0, self.key(4));
        ground
    }

    /// Dunes, or a pit with its tracks.
    fn sand(&self, window: Window) -> Ground {
        let mut ground = Ground::bare(window, SAND);
        ground.tint.fill(0.9 * self.worn);
        let (relief, bend) = (noise(&window, 90.0, self.key(1)), noise(&window, 200.0, self.key(2)));
        for (cell, place) in window.places().enumerate() {
            let (u, _) = self.axes.along(place);
            let crest = ((u + 30.0 * bend[cell]) / (9.0 + 10.0 * self.dense)).sin();
            ground.tint[cell] *= 1.0 + 0.07 * crest + 0.08 * relief[cell];
            if self.varied > 0.6 && relief[cell] < -0.5 {
                ground.material[cell] = SOIL;
            }
        }
        ground.scatter(GRASS, 0.10 * self.dense, 28.0, self.key(3));
        if self.varied > 0.5 {
            self.track(&mut ground, ROCK, 6.0);
        }
        ground
    }

    /// Water, clear or with silt in it, rippled by the wind; sometimes a boat.
    fn water(&self, window: Window, turbid: bool) -> Ground {
        let mut ground = Ground::bare(window, CLEAR_WATER);
        if turbid {
            let plume = noise(&window, 170.0, self.key(1));
            let border = quantile(0.2 + 0.8 * self.dense) + 0.75;
            for (cell, (plume, (y, x))) in plume.into_iter().zip(window.places()).enumerate() {
                // Silt thins out: ever fewer of the nine cells of a pixel have it, in a fixed order.
                let (row, column) = ((y / METRES) as usize % 3, (x / METRES) as usize % 3);
                let order = [[0, 5, 2], [7, 3, 8], [4, 1, 6]][row][column];
                if plume + (order as f32 + 0.5) / 6.0 < border {
                    ground.material[cell] = TURBID_WATER;
                }
            }
        }
        ground.mottle(0.07, 110.0, self.key(2));
        ground.mottle(0.04, 12.0, self.key(3));
        for (cell, (y, x)) in window.places().enumerate() {
            let mut boat = Hash::of(self.key(4), (y / 260.0).floor() as i64, (x / 260.0).floor() as i64);
            if boat.unit() < 0.25 {
                let (dy, dx) =
                    (y.rem_euclid(260.0) - 260.0 * boat.unit(), x.rem_euclid(260.0) - 260.0 * boat.unit());
                if dy.abs() < 2.5 && dx.abs() < 6.0 {
                    ground.material[cell] = 3;
                    ground.tint[cell] = 0.8;
                }
            }
        }
        ground
    }

    /// A path that winds across.
    fn track(&self, ground: &mut Ground, material: Material, width: f32) {
        let window = ground.window;
        let bend = noise(&window, 160.0, self.key(41));
        let tracks = Lines { spacing: 340.0, uneven: 0.5, width, main: 3, wide: 1.0, key: self.key(42) };
        for (cell, place) in window.places().enumerate() {
            let (u, _) = self.axes.along(place);
            if tracks.locate(u + 28.0 * bend[cell]).past < 0.0 {
                ground.put(cell, material, 0.0, self.worn);
            }
        }
    }
}
