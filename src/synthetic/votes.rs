//! How ten experts vote on a patch, and how that shows in it.
//!
//! How many votes dissent, where they go, and how often they scatter: fitted by zone to the votes released
//! for So2Sat's European patches (`tests/vectors/make_votes.py`), so that the shares of the votes and their
//! entropy are the released ones'.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::Zone;
use crate::Zone::{
    BareRockOrPaved, BareSoilOrSand, BushScrub, CompactHighRise, CompactLowRise, CompactMidRise, DenseTrees,
    HeavyIndustry, LargeLowRise, LightweightLowRise, LowPlants, OpenHighRise, OpenLowRise, OpenMidRise,
    ScatteredTrees, SparselyBuilt, Water,
};

/// Experts who vote on a patch.
pub(super) const EXPERTS: usize = 10;
/// How often votes have nothing to do with the ground: experts who know a place from elsewhere, or err.
const UNFOUNDED: f64 = 0.15;

/// How experts vote on patches of one zone.
struct Row {
    zone: Zone,
    /// Per cent of the patches on which 0, 1, … 7 of ten votes go to other zones.
    dissent: [f32; 8],
    /// How often a vote for another zone does not go where most of them go.
    stray: f32,
    /// The other zones, by how many votes they get.
    others: &'static [(Zone, f32)],
}

const fn row(zone: Zone, dissent: [f32; 8], stray: f32, others: &'static [(Zone, f32)]) -> Row {
    Row { zone, dissent, stray, others }
}

/// The release leaves LCZ 7 out; its shares are those of the ten-class urban set, its dissent a guess.
const ROWS: [Row; 17] = [
    row(
        CompactHighRise,
        [0.0, 13.8, 67.9, 18.1, 0.2, 0.0, 0.0, 0.0],
        0.95,
        &[(OpenHighRise, 12.96), (CompactMidRise, 7.47)],
    ),
    row(
        CompactMidRise,
        [56.6, 33.8, 3.3, 2.8, 0.6, 1.7, 1.1, 0.0],
        0.60,
        &[
            (OpenHighRise, 2.6),
            (CompactLowRise, 1.67),
            (OpenMidRise, 1.58),
            (OpenLowRise, 0.48),
            (ScatteredTrees, 0.2),
            (Water, 0.13),
        ],
    ),
    row(
        CompactLowRise,
        [1.7, 23.1, 34.3, 15.9, 11.7, 12.5, 0.9, 0.0],
        0.60,
        &[(CompactMidRise, 12.58), (OpenLowRise, 11.84), (OpenMidRise, 0.8), (Water, 0.14)],
    ),
    row(
        OpenHighRise,
        [14.8, 8.8, 33.2, 17.1, 12.3, 11.2, 2.5, 0.1],
        0.45,
        &[
            (OpenMidRise, 18.01),
            (CompactHighRise, 3.31),
            (CompactMidRise, 2.94),
            (OpenLowRise, 0.29),
            (Water, 0.2),
        ],
    ),
    row(
        OpenMidRise,
        [24.3, 23.4, 21.6, 12.1, 8.3, 8.4, 1.9, 0.0],
        0.40,
        &[
            (CompactMidRise, 9.85),
            (OpenLowRise, 5.09),
            (OpenHighRise, 2.5),
            (Water, 0.7),
            (CompactLowRise, 0.68),
            (SparselyBuilt, 0.14),
        ],
    ),
    row(
        OpenLowRise,
        [26.4, 41.8, 20.7, 2.2, 2.5, 4.1, 2.2, 0.0],
        0.30,
        &[
            (CompactLowRise, 8.37),
            (OpenMidRise, 2.22),
            (SparselyBuilt, 1.62),
            (CompactMidRise, 0.79),
            (Water, 0.28),
            (LargeLowRise, 0.06),
        ],
    ),
    row(
        LightweightLowRise,
        [0.0, 3.0, 17.0, 27.0, 22.0, 18.0, 10.0, 3.0],
        0.30,
        &[(CompactLowRise, 33.15), (CompactMidRise, 3.85)],
    ),
    row(
        LargeLowRise,
        [78.6, 11.5, 6.2, 2.0, 0.7, 0.5, 0.3, 0.0],
        0.20,
        &[
            (HeavyIndustry, 2.11),
            (BareRockOrPaved, 1.11),
            (CompactMidRise, 0.21),
            (LowPlants, 0.07),
            (OpenMidRise, 0.07),
            (Water, 0.06),
        ],
    ),
    row(
        SparselyBuilt,
        [33.5, 15.1, 32.4, 17.5, 1.3, 0.1, 0.0, 0.0],
        0.55,
        &[(OpenLowRise, 13.63), (LargeLowRise, 0.13), (Water, 0.06), (DenseTrees, 0.04)],
    ),
    row(
        HeavyIndustry,
        [45.6, 18.1, 14.0, 22.2, 0.0, 0.0, 0.0, 0.0],
        0.50,
        &[(LargeLowRise, 9.95), (BareRockOrPaved, 1.03), (LowPlants, 0.32)],
    ),
    row(
        DenseTrees,
        [90.3, 6.7, 1.9, 1.1, 0.1, 0.0, 0.0, 0.0],
        0.00,
        &[(ScatteredTrees, 1.06), (Water, 0.16), (BushScrub, 0.17)],
    ),
    row(
        ScatteredTrees,
        [48.0, 26.7, 14.7, 4.0, 5.0, 1.4, 0.1, 0.0],
        0.15,
        &[(BushScrub, 5.5), (DenseTrees, 2.87), (LowPlants, 0.7), (Water, 0.41), (SparselyBuilt, 0.12)],
    ),
    row(
        BushScrub,
        [0.0, 2.4, 22.8, 36.9, 16.5, 9.1, 7.8, 4.5],
        0.45,
        &[
            (ScatteredTrees, 26.11),
            (LowPlants, 4.85),
            (BareSoilOrSand, 1.96),
            (BareRockOrPaved, 1.85),
            (Water, 0.05),
        ],
    ),
    row(
        LowPlants,
        [89.9, 4.8, 1.7, 0.8, 1.1, 1.5, 0.2, 0.0],
        0.25,
        &[
            (SparselyBuilt, 0.79),
            (BushScrub, 0.66),
            (ScatteredTrees, 0.41),
            (BareSoilOrSand, 0.38),
            (Water, 0.16),
        ],
    ),
    row(
        BareRockOrPaved,
        [78.9, 6.3, 6.1, 3.4, 4.9, 0.4, 0.0, 0.0],
        0.00,
        &[(LargeLowRise, 3.17), (BareSoilOrSand, 1.17), (BushScrub, 0.62), (Water, 0.07)],
    ),
    row(
        BareSoilOrSand,
        [9.0, 31.2, 29.2, 13.0, 9.9, 7.6, 0.1, 0.0],
        0.50,
        &[
            (BareRockOrPaved, 15.41),
            (BushScrub, 3.41),
            (LargeLowRise, 0.83),
            (HeavyIndustry, 0.42),
            (LowPlants, 0.37),
            (Water, 0.22),
        ],
    ),
    row(
        Water,
        [98.5, 0.9, 0.2, 0.4, 0.0, 0.0, 0.0, 0.0],
        0.00,
        &[(LowPlants, 0.07), (DenseTrees, 0.04), (OpenLowRise, 0.03)],
    ),
];

/// Ten votes, and what they are about.
pub(super) struct Ballot {
    /// Shape: 17.
    pub(super) votes: [f32; 17],
    /// The zone that most of the dissenting votes are for, and its share of the ground; none where the
    /// ground is all of one zone.
    pub(super) beside: Option<(Zone, f32)>,
}

impl Ballot {
    pub(super) fn draw(zone: Zone, rng: &mut ChaCha8Rng) -> Self {
        let row = &ROWS[zone.number() - 1];
        debug_assert!(row.zone == zone, "rows stand in the order of the zones");
        let dissent = pick(&std::array::from_fn::<_, 8, _>(|votes| (votes, row.dissent[votes])), rng);
        let main = pick(row.others, rng);
        let own = (EXPERTS - dissent) as f32;
        let mut votes = [0.0; 17];
        votes[zone.number() - 1] = own;
        for _ in 0..dissent {
            let stray = rng.gen_range(0f32..1.0) < row.stray;
            let mut to = if stray { pick(row.others, rng) } else { main };
            if votes[to.number() - 1] >= own {
                // No zone overtakes the patch's own.
                to = row.others.iter().map(|other| other.0).fold(row.others[0].0, |least, other| {
                    if votes[other.number() - 1] < votes[least.number() - 1] { other } else { least }
                });
            }
            votes[to.number() - 1] += 1.0;
        }
        let founded = dissent > 0 && !rng.gen_bool(UNFOUNDED);
        let share = dissent as f32 / EXPERTS as f32 * rng.gen_range(0.6f32..1.3);
        Self { votes, beside: founded.then_some((main, share)) }
    }
}

/// One of several, by weight.
fn pick<T: Copy>(choice: &[(T, f32)], rng: &mut ChaCha8Rng) -> T {
    let mut left = rng.gen_range(0f32..1.0) * choice.iter().map(|(_, weight)| weight).sum::<f32>();
    for &(value, weight) in choice {
        left -= weight;
        if left < 0.0 {
            return value;
        }
    }
    choice[choice.len() - 1].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_stand_in_the_order_of_the_zones() {
        assert!(Zone::all().eq(ROWS.iter().map(|row| row.zone)));
        for row in &ROWS {
            assert!((row.dissent.iter().sum::<f32>() - 100.0).abs() < 0.5, "{}", row.zone);
        }
    }
}
