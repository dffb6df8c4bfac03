//! What each built zone is made of: the published ranges, and a form for its streets and buildings.
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
    /// One on a lot, and only beside the streets; fields and meadows elsewhere.
    Countryside,
}

/// The ranges of a built zone.
pub(super) struct Built {
    /// Ground under buildings, 0–1.
    building: (f32, f32),
    /// Ground that is paved.
    impervious: (f32, f32),
    /// Ground that is planted or bare.
    pervious: (f32, f32),
    /// Metres.
    height: (f32, f32),
    /// Metres from street to street.
    block: (f32, f32),
    /// Metres from building to building.
    lot: (f32, f32),
    layout: Layout,
    /// How crooked the streets are, in metres, and how uneven their distances (0-0.8).
    crooked: f32,
    uneven: f32,
    /// How often each roof occurs: tile, concrete, bitumen, bright, painted and rusty metal.
    roofs: [f32; ROOFS],
    /// Trees on pervious ground.
    trees: (f32, f32),
    /// Bare soil on pervious ground.
    soil: (f32, f32),
}

/// LCZ 1–10. Ranges open in the source (< 10 %, > 25 m) are closed here.
const BUILT: [Built; 10] = [
    Built {
        building: (0.40, 0.60),
        impervious: (0.40, 0.60),
        pervious: (0.00, 0.10),
        height: (25.0, 110.0),
        block: (70.0, 120.0),
        lot: (28.0, 45.0),
        layout: Layout::Lots,
        crooked: 4.0,
        uneven: 0.3,
        roofs: [0.2, 5.0, 3.0, 1.2, 0.6, 0.1],
        trees: (0.2, 0.6),
        soil: (0.0, 0.2),
    },
    Built {
        building: (0.40, 0.70),
        impervious: (0.30, 0.50),
        pervious: (0.00, 0.20),
        height: (10.0, 25.0),
        block: (60.0, 110.0),
        lot: (18.0, 28.0),
        layout: Layout::Courtyards,
        crooked: 14.0,
        uneven: 0.5,
        roofs: [5.0, 3.0, 2.0, 0.6, 0.3, 0.2],
        trees: (0.2, 0.6),
        soil: (0.0, 0.2),
    },
    Built {
        building: (0.40, 0.70),
        impervious: (0.20, 0.50),
        pervious: (0.00, 0.30),
        height: (3.0, 10.0),
        block: (40.0, 80.0),
        lot: (10.0, 17.0),
        layout: Layout::Lots,
        crooked: 12.0,
        uneven: 0.5,
        roofs: [5.0, 3.0, 1.2, 0.8, 0.6, 0.8],
        trees: (0.1, 0.5),
        soil: (0.1, 0.5),
    },
    Built {
        building: (0.20, 0.40),
        impervious: (0.30, 0.40),
        pervious: (0.30, 0.40),
        height: (25.0, 75.0),
        block: (110.0, 190.0),
        lot: (42.0, 70.0),
        layout: Layout::Lots,
        crooked: 10.0,
        uneven: 0.4,
        roofs: [0.5, 5.0, 2.5, 0.7, 0.4, 0.1],
        trees: (0.2, 0.6),
        soil: (0.0, 0.3),
    },
    Built {
        building: (0.20, 0.40),
        impervious: (0.30, 0.50),
        pervious: (0.20, 0.40),
        height: (10.0, 25.0),
        block: (90.0, 170.0),
        lot: (34.0, 60.0),
        layout: Layout::Slabs,
        crooked: 14.0,
        uneven: 0.4,
        roofs: [2.5, 4.0, 2.5, 0.7, 0.3, 0.1],
        trees: (0.2, 0.6),
        soil: (0.0, 0.3),
    },
    Built {
        building: (0.20, 0.40),
        impervious: (0.20, 0.50),
        pervious: (0.30, 0.60),
        height: (3.0, 10.0),
        block: (60.0, 120.0),
        lot: (18.0, 30.0),
        layout: Layout::Lots,
        crooked: 22.0,
        uneven: 0.5,
        roofs: [4.5, 2.5, 2.0, 0.5, 0.3, 0.2],
        trees: (0.3, 0.7),
        soil: (0.0, 0.2),
    },
    Built {
        building: (0.60, 0.90),
        impervious: (0.00, 0.20),
        pervious: (0.05, 0.30),
        height: (2.0, 4.0),
        block: (25.0, 60.0),
        lot: (7.0, 11.0),
        layout: Layout::Lots,
        crooked: 10.0,
        uneven: 0.6,
        roofs: [1.0, 0.6, 0.6, 1.2, 1.2, 5.0],
        trees: (0.0, 0.3),
        soil: (0.5, 1.0),
    },
    Built {
        building: (0.30, 0.50),
        impervious: (0.40, 0.50),
        pervious: (0.00, 0.20),
        height: (3.0, 10.0),
        block: (130.0, 260.0),
        lot: (60.0, 110.0),
        layout: Layout::Lots,
        crooked: 6.0,
        uneven: 0.4,
        roofs: [0.6, 3.0, 2.0, 2.5, 1.2, 0.5],
        trees: (0.0, 0.3),
        soil: (0.1, 0.5),
    },
    Built {
        building: (0.10, 0.20),
        impervious: (0.00, 0.20),
        pervious: (0.60, 0.80),
        height: (3.0, 10.0),
        block: (110.0, 260.0),
        lot: (28.0, 55.0),
        layout: Layout::Countryside,
        crooked: 45.0,
        uneven: 0.6,
        roofs: [4.0, 2.0, 2.0, 0.7, 0.3, 0.4],
        trees: (0.3, 0.7),
        soil: (0.0, 0.2),
    },
    Built {
        building: (0.20, 0.30),
        impervious: (0.20, 0.40),
        pervious: (0.40, 0.50),
        height: (5.0, 15.0),
        block: (120.0, 260.0),
        lot: (35.0, 90.0),
        layout: Layout::Works,
        crooked: 6.0,
        uneven: 0.5,
        roofs: [0.4, 2.5, 2.5, 1.2, 1.2, 2.0],
        trees: (0.0, 0.3),
        soil: (0.5, 1.0),
    },
];

/// The ranges of a built zone; none for a natural one.
pub(super) fn built(zone: Zone) -> Option<&'static Built> {
    BUILT.get(zone.number() - 1)
}

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

impl Built {
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng) -> Plan {
        let mut spread = |share: f32| (share * normal(rng)).exp();
        // Districts that are told apart on the ground do not keep to the ranges of a table.
        let [more_building, more_impervious, more_pervious] = [spread(0.13), spread(0.13), spread(0.2)];
        let (tall, wide, apart) = (spread(0.15), spread(0.10), spread(0.10));
        let mut within = |(low, high): (f32, f32)| low + (high - low) * rng.gen_range(0f32..1.0);
        let building = within(self.building) * more_building;
        let impervious = within(self.impervious) * more_impervious;
        let pervious = within(self.pervious) * more_pervious;
        let all = building + impervious + pervious;
        Plan {
            building: building / all,
            impervious: impervious / all,
            height: (self.height.0 * tall, self.height.1 * tall),
            block: within(self.block) * wide,
            lot: within(self.lot) * apart,
            layout: self.layout,
            crooked: self.crooked,
            uneven: self.uneven,
            roofs: self.roofs,
            trees: within(self.trees),
            soil: within(self.soil),
        }
    }
}

impl Plan {
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
