//! The parameters of each built zone: the published ranges, and a form for its streets and buildings.
//!
//! Fractions and heights: Stewart & Oke (2012), *Local Climate Zones for Urban Temperature Studies*,
//! Table 3. Layouts, block sizes, roofs and vegetation are our own reading of its pictures.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::city::normal;
use super::materials::ROOFS;
use crate::Zone;

/// How buildings stand on a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Layout {
    /// Around a courtyard, along the edges of the block.
    Courtyards,
    /// One on a lot, about square.
    Lots,
    /// One on a lot, long and narrow.
    Slabs,
    /// Sheds, tanks and heaps.
    Works,
    /// One on a lot, and only along the streets; fields and meadows elsewhere.
    Countryside,
}

/// Ranges of LCZ 1–10; those that are open in the source (< 10 %, > 25 m) are closed here. Shares of the ground that is
/// under buildings, paved, planted or bare; metres: heights, from street to street, from building to building; shares of
/// the planted or bare ground under trees, and bare.
const RANGES: [[(f32, f32); 8]; 10] = [
    [(0.4, 0.6), (0.4, 0.6), (0.0, 0.1), (25.0, 110.0), (70.0, 120.0), (28.0, 45.0), (0.2, 0.6), (0.0, 0.2)],
    [(0.4, 0.7), (0.3, 0.5), (0.0, 0.2), (10.0, 25.0), (60.0, 110.0), (18.0, 28.0), (0.2, 0.6), (0.0, 0.2)],
    [(0.4, 0.7), (0.2, 0.5), (0.0, 0.3), (3.0, 10.0), (40.0, 80.0), (10.0, 17.0), (0.1, 0.5), (0.1, 0.5)],
    [(0.2, 0.4), (0.3, 0.4), (0.3, 0.4), (25.0, 75.0), (110.0, 190.0), (42.0, 70.0), (0.2, 0.6), (0.0, 0.3)],
    [(0.2, 0.4), (0.3, 0.5), (0.2, 0.4), (10.0, 25.0), (90.0, 170.0), (34.0, 60.0), (0.2, 0.6), (0.0, 0.3)],
    [(0.2, 0.4), (0.2, 0.5), (0.3, 0.6), (3.0, 10.0), (60.0, 120.0), (18.0, 30.0), (0.3, 0.7), (0.0, 0.2)],
    [(0.6, 0.9), (0.0, 0.2), (0.05, 0.3), (2.0, 4.0), (25.0, 60.0), (7.0, 11.0), (0.0, 0.3), (0.5, 1.0)],
    [(0.3, 0.5), (0.4, 0.5), (0.0, 0.2), (3.0, 10.0), (130.0, 260.0), (60.0, 110.0), (0.0, 0.3), (0.1, 0.5)],
    [(0.1, 0.2), (0.0, 0.2), (0.6, 0.8), (3.0, 10.0), (110.0, 260.0), (28.0, 55.0), (0.3, 0.7), (0.0, 0.2)],
    [(0.2, 0.3), (0.2, 0.4), (0.4, 0.5), (5.0, 15.0), (120.0, 260.0), (35.0, 90.0), (0.0, 0.3), (0.5, 1.0)],
];

/// How LCZ 1–10 are laid out; how crooked their streets are, in metres, and how uneven their distances (0–0.8); how often
/// each roof occurs: tile, concrete, bitumen, bright, painted and rusty metal.
const FORMS: [(Layout, f32, f32, [f32; ROOFS]); 10] = [
    (Layout::Lots, 4.0, 0.3, [0.2, 5.0, 3.0, 1.2, 0.6, 0.1]),
    (Layout::Courtyards, 14.0, 0.5, [5.0, 3.0, 2.0, 0.6, 0.3, 0.2]),
    (Layout::Lots, 12.0, 0.5, [5.0, 3.0, 1.2, 0.8, 0.6, 0.8]),
    (Layout::Lots, 10.0, 0.4, [0.5, 5.0, 2.5, 0.7, 0.4, 0.1]),
    (Layout::Slabs, 14.0, 0.4, [2.5, 4.0, 2.5, 0.7, 0.3, 0.1]),
    (Layout::Lots, 22.0, 0.5, [4.5, 2.5, 2.0, 0.5, 0.3, 0.2]),
    (Layout::Lots, 10.0, 0.6, [1.0, 0.6, 0.6, 1.2, 1.2, 5.0]),
    (Layout::Lots, 6.0, 0.4, [0.6, 3.0, 2.0, 2.5, 1.2, 0.5]),
    (Layout::Countryside, 45.0, 0.6, [4.0, 2.0, 2.0, 0.7, 0.3, 0.4]),
    (Layout::Works, 6.0, 0.5, [0.4, 2.5, 2.5, 1.2, 1.2, 2.0]),
];

/// One draw from the ranges of a built zone.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) building: f32,
    pub(super) impervious: f32,
    pub(super) height: (f32, f32),
    pub(super) block: f32,
    pub(super) lot: f32,
    pub(super) layout: Layout,
    pub(super) crooked: f32,
    pub(super) uneven: f32,
    pub(super) roofs: [f32; ROOFS],
    pub(super) trees: f32,
    pub(super) soil: f32,
}

impl Plan {
    /// Of a built zone; none for a natural one.
    pub(super) fn draw(zone: Zone, rng: &mut ChaCha8Rng) -> Option<Self> {
        let k = zone.number() - 1;
        let (
            &[building, impervious, pervious, height, block, lot, trees, soil],
            &(layout, crooked, uneven, roofs),
        ) = (RANGES.get(k)?, FORMS.get(k)?);
        let mut spread = |share: f32| (share * normal(rng)).exp();
        // Real districts do not keep exactly to the ranges of the table.
        let [more_building, more_impervious, more_pervious] = [spread(0.13), spread(0.13), spread(0.2)];
        let (tall, wide, apart) = (spread(0.15), spread(0.10), spread(0.10));
        let mut within = |(low, high): (f32, f32)| low + (high - low) * rng.gen_range(0f32..1.0);
        let building = within(building) * more_building;
        let impervious = within(impervious) * more_impervious;
        let pervious = within(pervious) * more_pervious;
        let all = building + impervious + pervious;
        Some(Self {
            building: building / all,
            impervious: impervious / all,
            height: (height.0 * tall, height.1 * tall),
            block: within(block) * wide,
            lot: within(lot) * apart,
            layout,
            crooked,
            uneven,
            roofs,
            trees: within(trees),
            soil: within(soil),
        })
    }

    /// A district between two zones, `share` of the way to the other.
    pub(super) fn towards(mut self, other: &Self, share: f32, rng: &mut ChaCha8Rng) -> Self {
        let blend = |a: &mut f32, b: f32| *a += share * (b - *a);
        blend(&mut self.building, other.building);
        blend(&mut self.impervious, other.impervious);
        blend(&mut self.height.0, other.height.0);
        blend(&mut self.height.1, other.height.1);
        blend(&mut self.block, other.block);
        blend(&mut self.lot, other.lot);
        blend(&mut self.crooked, other.crooked);
        blend(&mut self.uneven, other.uneven);
        blend(&mut self.trees, other.trees);
        blend(&mut self.soil, other.soil);
        for (a, &b) in self.roofs.iter_mut().zip(&other.roofs) {
            blend(a, b);
        }
        if rng.gen_range(0f32..1.0) < share {
            self.layout = other.layout;
        }
        self
    }
}
