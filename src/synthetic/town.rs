//! The plan of a synthetic city: districts and their zones, a river, lakes, main roads. It is a rule for any
//! place, so that each part of a scene can be drawn for itself.

use std::f32::consts::PI;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::city::City;
use super::fabric::Fabric;
use super::materials::pick;
use super::noise::{Hash, METRES, Window, noise};
use crate::Zone;

/// Metres from district to district.
const SPACING: f32 = 330.0;
/// How far a district's centre strays, relative to that.
const JITTER: f32 = 0.6;
/// How far borders bend, in metres a standard deviation of two noises, and their widths.
const BENDS: [(f32, f32); 2] = [(42.0, 170.0), (9.0, 45.0)];
/// No place lies further than this from the centre of its district: 1.5 squares and the jitter along one
/// axis, and the noises' largest value of 3.13 deviations.
pub(super) const REACH: f32 = (1.5 + 0.5 * JITTER) * SPACING + 3.13 * (BENDS[0].0 + BENDS[1].0);

/// A district, or the water in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct District {
    pub(super) line: i64,
    pub(super) column: i64,
    pub(super) water: bool,
}

/// What lies at a place instead of its district's fabric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Way {
    Road,
    Railway,
}

/// What lies so far from the centre, relative to the city's radius: zones, LCZ 1 to 17, by their weight, in an order in
/// which neighbours in the list are neighbours on the ground.
const RINGS: [(f32, &[(usize, f32)]); 6] = [
    (0.22, &[(1, 5.0), (2, 5.0), (4, 1.0)]),
    (0.45, &[(2, 5.0), (3, 2.0), (12, 0.7), (5, 2.5), (4, 0.8)]),
    (0.70, &[(3, 1.5), (5, 3.0), (4, 1.0), (12, 0.8), (6, 3.0), (15, 0.3), (8, 1.6)]),
    (1.0, &[(6, 4.5), (12, 1.0), (9, 1.2), (7, 0.4), (14, 1.0), (15, 0.3), (8, 1.6), (10, 1.0)]),
    (1.3, &[(11, 1.4), (12, 1.0), (13, 0.5), (14, 3.2), (9, 1.6), (6, 0.8), (16, 0.5)]),
    (f32::INFINITY, &[(11, 2.6), (12, 0.7), (13, 0.6), (14, 4.6), (9, 0.5), (16, 0.6)]),
];

/// A city on a rectangle of ground.
pub(super) struct Town {
    key: u64,
    /// Metres southward and eastward of the rectangle's corner.
    centre: (f32, f32),
    radius: f32,
    /// Where works and warehouses are, in radians.
    works: f32,
    river: River,
    roads: Vec<f32>,
    rail: (f32, f32),
}

struct River {
    bearing: f32,
    width: f32,
    /// Of two bends: metres to the side, metres from bend to bend over 2π, where they begin.
    bends: [(f32, f32, f32); 2],
    past: f32,
}

impl Town {
    /// A city on this many metres of ground, southward and eastward.
    pub(super) fn draw(extent: (f32, f32), rng: &mut ChaCha8Rng) -> Self {
        let shorter = extent.0.min(extent.1);
        let radius = (0.40 * shorter).min(9000.0);
        let mut shift = || shorter * rng.gen_range(-0.06f32..0.06);
        let centre = (0.5 * extent.0 + shift(), 0.5 * extent.1 + shift());
        let first_road: f32 = rng.gen_range(0.0..PI);
        let roads = 6;
        Self {
            key: rng.r#gen(),
            centre,
            radius,
            works: rng.gen_range(-PI..PI),
            river: River {
                bearing: rng.gen_range(0.0..PI),
                width: rng.gen_range(70f32..150.0),
                bends: [
                    (
                        rng.gen_range(0.08f32..0.2) * radius,
                        rng.gen_range(0.18f32..0.3) * radius,
                        rng.gen_range(0.0..6.0),
                    ),
                    (rng.gen_range(20f32..70.0), rng.gen_range(90f32..160.0), rng.gen_range(0.0..6.0)),
                ],
                past: rng.gen_range(-0.35f32..0.35) * radius,
            },
            roads: (0..roads)
                .map(|k| first_road + 2.0 * PI * (k as f32 + rng.gen_range(-0.22f32..0.22)) / roads as f32)
                .collect(),
            rail: (rng.gen_range(0.0..PI), rng.gen_range(-0.3f32..0.3) * radius),
        }
    }

    /// The district of each cell of a window.
    pub(super) fn districts(&self, window: &Window) -> Vec<District> {
        let mut bent: Vec<(f32, f32)> = window.places().collect();
        for (k, (metres, width)) in (0u64..).zip(BENDS) {
            let down = noise(window, width, self.key ^ (0x10 + k));
            let right = noise(window, width, self.key ^ (0x20 + k));
            for (place, (down, right)) in bent.iter_mut().zip(down.into_iter().zip(right)) {
                *place = (place.0 + metres * down, place.1 + metres * right);
            }
        }
        let lakes = noise(window, 620.0, self.key ^ 0x30);
        let banks = noise(window, 70.0, self.key ^ 0x31);
        let sites = Sites::around(&bent, self.key);
        let cells = window.places().zip(bent).zip(lakes.into_iter().zip(banks));
        cells
            .map(|((place, bent), (lake, bank))| {
                let (line, column) = sites.nearest(bent);
                District { line, column, water: self.is_water(place, lake, bank) }
            })
            .collect()
    }

    fn is_water(&self, place: (f32, f32), lake: f32, bank: f32) -> bool {
        let (y, x) = (place.0 - self.centre.0, place.1 - self.centre.1);
        // Lakes lie outside the town only.
        if lake + 0.06 * bank > 2.1 && y.hypot(x) > 0.75 * self.radius {
            return true;
        }
        let river = &self.river;
        let (sine, cosine) = river.bearing.sin_cos();
        let (along, across) = (x * cosine + y * sine, y * cosine - x * sine);
        let bed = river
            .bends
            .iter()
            .fold(river.past, |bed, (side, length, begin)| bed + side * (along / length + begin).sin());
        // It grows on its way.
        let width = river.width * (1.0 + 0.25 * along / self.radius).clamp(0.5, 1.5);
        (across - bed).abs() < 0.5 * width + 5.0 * bank
    }

    /// The zone of a district.
    pub(super) fn zone(&self, district: District) -> Zone {
        if district.water {
            return Zone::Water;
        }
        let place = site(self.key, district.line, district.column);
        let (y, x) = (place.0 - self.centre.0, place.1 - self.centre.1);
        let at = |metres: f32, key: u64| {
            let cell = |metres: f32| (metres / METRES) as i64;
            let window = Window { top: cell(place.0), left: cell(place.1), rows: 1, columns: 1, stride: 1 };
            noise(&window, metres, self.key ^ key)[0]
        };
        let mut hash = Hash::of(self.key ^ 0x41, district.line, district.column);
        let far = y.hypot(x) / self.radius * (1.0 + 0.13 * at(1100.0, 0x42));
        // Works lie on one side of the town, next to the railway.
        let aside = (y.atan2(x) - self.works).rem_euclid(2.0 * PI);
        let aside = aside.min(2.0 * PI - aside);
        if (0.5..1.05).contains(&far) && aside < 0.35 {
            return if hash.unit() < 0.55 { Zone::HeavyIndustry } else { Zone::LargeLowRise };
        }
        let mix = RINGS.iter().find(|(until, _)| far < *until).unwrap_or(&RINGS[5]).1;
        // Neighbouring districts are similar: the choice is smooth noise with a small random part.
        let value = at(700.0, 0x43) + 0.35 * (hash.unit() - 0.5);
        let share = 1.0 / (1.0 + (-1.702 * value).exp());
        Zone::from_number(pick(mix, share)).unwrap_or(Zone::LowPlants)
    }

    /// The fabric of a district: its own where it is built, one for the whole scene where it is wood or water.
    pub(super) fn fabric(&self, district: District, city: &City) -> Fabric {
        let zone = self.zone(district);
        let (line, column) = match zone {
            Zone::DenseTrees | Zone::Water => (0, 0),
            Zone::LowPlants | Zone::BushScrub => (district.line.div_euclid(2), district.column.div_euclid(2)),
            _ => (district.line, district.column),
        };
        let mut hash = Hash::of(self.key ^ (0x5000 + zone.number() as u64), line, column);
        Fabric::draw(zone, city, &mut ChaCha8Rng::seed_from_u64(hash.word()))
    }

    /// The main roads and the railway, for each cell of a window.
    pub(super) fn ways(&self, window: &Window) -> Vec<Option<Way>> {
        let (bend, wobble) = (noise(window, 900.0, self.key ^ 0x60), noise(window, 350.0, self.key ^ 0x61));
        let place = window.places().zip(bend.into_iter().zip(wobble));
        place
            .map(|((y, x), (bend, wobble))| self.way(y - self.centre.0, x - self.centre.1, bend, wobble))
            .collect()
    }

    fn way(&self, y: f32, x: f32, bend: f32, wobble: f32) -> Option<Way> {
        let (far, bearing) = (y.hypot(x), y.atan2(x));
        let ring = |radius: f32, width: f32| (far - radius * self.radius + 30.0 * bend).abs() < width;
        if ring(0.24, 10.0) || ring(0.98, 13.0) {
            return Some(Way::Road);
        }
        let sideways = 40.0 * bend + 9.0 * wobble;
        let radial = |direction: &f32| {
            let off = bearing - direction;
            off.cos() > 0.0 && (far * off.sin() + sideways * (far / self.radius).min(1.0)).abs() < 9.0
        };
        if far > 0.1 * self.radius && self.roads.iter().any(radial) {
            return Some(Way::Road);
        }
        let (sine, cosine) = self.rail.0.sin_cos();
        ((y * cosine - x * sine) - self.rail.1 + 50.0 * bend).abs().lt(&7.0).then_some(Way::Railway)
    }
}

/// Centres of the districts that places may belong to.
struct Sites {
    first: (i64, i64),
    columns: i64,
    places: Vec<(f32, f32)>,
}

impl Sites {
    fn around(places: &[(f32, f32)], key: u64) -> Self {
        let square = |(y, x): (f32, f32)| ((y / SPACING).floor() as i64, (x / SPACING).floor() as i64);
        let (mut first, mut last) = ((i64::MAX, i64::MAX), (i64::MIN, i64::MIN));
        for &place in places {
            let (line, column) = square(place);
            first = (first.0.min(line - 1), first.1.min(column - 1));
            last = (last.0.max(line + 1), last.1.max(column + 1));
        }
        let lines = first.0..=last.0;
        let places = lines.flat_map(|line| (first.1..=last.1).map(move |column| site(key, line, column)));
        Self { first, columns: last.1 - first.1 + 1, places: places.collect() }
    }

    /// Line and column of the nearest of the nine around.
    fn nearest(&self, (y, x): (f32, f32)) -> (i64, i64) {
        let (line, column) = ((y / SPACING).floor() as i64, (x / SPACING).floor() as i64);
        let (mut best, mut distance) = ((line, column), f32::INFINITY);
        for other in line - 1..=line + 1 {
            let start = ((other - self.first.0) * self.columns + column - 1 - self.first.1) as usize;
            for (k, place) in self.places[start..start + 3].iter().enumerate() {
                let squared = (place.0 - y).powi(2) + (place.1 - x).powi(2);
                if squared < distance {
                    (best, distance) = ((other, column - 1 + k as i64), squared);
                }
            }
        }
        best
    }
}

/// The centre of a district, metres southward and eastward.
fn site(key: u64, line: i64, column: i64) -> (f32, f32) {
    let mut hash = Hash::of(key ^ 0x40, line, column);
    let mut at = |k: i64| (k as f32 + 0.5 + JITTER * (hash.unit() - 0.5)) * SPACING;
    (at(line), at(column))
}

/// The districts whose centres lie in this area, in metres, or near enough to reach into it.
pub(super) fn districts_of(extent: (f32, f32)) -> impl Iterator<Item = (i64, i64)> {
    let square = |metres: f32| (metres / SPACING).floor() as i64;
    let (lines, columns) =
        (square(-REACH)..=square(extent.0 + REACH), square(-REACH)..=square(extent.1 + REACH));
    lines.flat_map(move |line| columns.clone().map(move |column| (line, column)))
}

/// The place around which a district lies, in squares of its grid.
pub(super) fn centre_of(line: i64, column: i64) -> (f32, f32) {
    ((line as f32 + 0.5) * SPACING, (column as f32 + 0.5) * SPACING)
}
