//! Which zones experts take for one another, and how often.

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

/// Zones and their votes.
type Others = &'static [(Zone, f32)];

/// For each zone the share of its patches that are disputed, and the votes in per cent that all its
/// patches together give to others.
///
/// Votes: those released for So2Sat's European patches, by the zone of the majority. They leave LCZ 7
/// out; its row is that of the ten-class urban set. Disputed: so many that ten votes are unanimous as
/// often as the released ones are.
const CONFUSED: [(Zone, f32, Others); 17] = [
    (CompactHighRise, 1.00, &[(OpenHighRise, 13.0), (CompactMidRise, 8.0)]),
    (CompactMidRise, 0.75, &[(OpenHighRise, 3.0), (CompactLowRise, 2.0), (OpenMidRise, 2.0)]),
    (CompactLowRise, 1.00, &[(CompactMidRise, 13.0), (OpenLowRise, 12.0)]),
    (OpenHighRise, 0.89, &[(OpenMidRise, 18.0), (CompactHighRise, 3.0), (CompactMidRise, 3.0)]),
    (OpenMidRise, 0.88, &[(CompactMidRise, 10.0), (OpenLowRise, 5.0), (OpenHighRise, 3.0)]),
    (OpenLowRise, 1.00, &[(CompactLowRise, 8.0), (OpenMidRise, 2.0), (SparselyBuilt, 2.0)]),
    (LightweightLowRise, 1.00, &[(CompactLowRise, 31.0), (CompactMidRise, 6.0)]),
    (LargeLowRise, 0.30, &[(HeavyIndustry, 2.0), (BareRockOrPaved, 1.0)]),
    (SparselyBuilt, 0.80, &[(OpenLowRise, 14.0)]),
    (HeavyIndustry, 0.69, &[(LargeLowRise, 10.0), (BareRockOrPaved, 1.0)]),
    (DenseTrees, 0.15, &[(ScatteredTrees, 1.0)]),
    (ScatteredTrees, 0.70, &[(BushScrub, 6.0), (DenseTrees, 3.0)]),
    (
        BushScrub,
        1.00,
        &[(ScatteredTrees, 24.0), (LowPlants, 5.0), (BareSoilOrSand, 3.0), (BareRockOrPaved, 2.0)],
    ),
    (LowPlants, 0.15, &[(ScatteredTrees, 1.0), (BushScrub, 1.0)]),
    (BareRockOrPaved, 0.30, &[(LargeLowRise, 3.0), (BareSoilOrSand, 1.0)]),
    (BareSoilOrSand, 1.00, &[(BareRockOrPaved, 15.0), (BushScrub, 3.0)]),
    (Water, 0.05, &[(BareRockOrPaved, 0.2)]),
];

/// Part of the votes for another zone that do not go to the patch's own neighbour.
const STRAY: f32 = 0.25;

/// The zone beside a patch's own and its share of the patch; none if the patch is clear to everyone.
pub(super) fn ambiguity(zone: Zone, rng: &mut ChaCha8Rng) -> Option<(Zone, f32)> {
    let (_, disputed, others) = CONFUSED[zone.number() - 1];
    if rng.gen_range(0f32..1.0) >= disputed {
        return None;
    }
    let mean = others.iter().map(|(_, votes)| votes).sum::<f32>() / 100.0 / disputed;
    Some((pick(others, rng), mean * rng.gen_range(0.3f32..1.7)))
}

/// Ten votes drawn from the mixture. Shape: 17.
pub(super) fn votes(zone: Zone, ambiguity: Option<(Zone, f32)>, rng: &mut ChaCha8Rng) -> [f32; 17] {
    let others = CONFUSED[zone.number() - 1].2;
    let mut votes = [0.0; 17];
    for _ in 0..EXPERTS {
        let voted = match ambiguity {
            Some((_, share)) if rng.gen_range(0f32..1.0) >= share => zone,
            Some(_) if rng.gen_range(0f32..1.0) < STRAY => pick(others, rng),
            Some((neighbour, _)) => neighbour,
            None => zone,
        };
        votes[voted.number() - 1] += 1.0;
    }
    votes
}

/// One of several zones, by its votes.
fn pick(others: &[(Zone, f32)], rng: &mut ChaCha8Rng) -> Zone {
    let mut left = rng.gen_range(0f32..1.0) * others.iter().map(|(_, votes)| votes).sum::<f32>();
    for &(zone, votes) in others {
        left -= votes;
        if left < 0.0 {
            return zone;
        }
    }
    others[others.len() - 1].0
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    /// LCZ 1 to G without 7: share of unanimous patches and mean entropy in nats, by the zone of the
    /// majority, computed from the released votes.
    const RELEASED: [(usize, f64, f64); 16] = [
        (1, 0.00, 0.615),
        (2, 0.53, 0.188),
        (3, 0.00, 0.621),
        (4, 0.15, 0.561),
        (5, 0.22, 0.462),
        (6, 0.23, 0.350),
        (8, 0.78, 0.101),
        (9, 0.33, 0.335),
        (10, 0.44, 0.278),
        (11, 0.90, 0.039),
        (12, 0.46, 0.244),
        (13, 0.00, 0.762),
        (14, 0.89, 0.054),
        (15, 0.78, 0.110),
        (16, 0.06, 0.503),
        (17, 0.98, 0.006),
    ];

    #[test]
    fn votes_have_the_shares_the_unanimity_and_the_entropy_of_the_released_ones() {
        const DRAWS: usize = 4000;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for (row, (zone, _, others)) in CONFUSED.into_iter().enumerate() {
            assert_eq!(zone.number(), row + 1, "rows stand in the order of the zones");
            let (mut own, mut unanimous, mut entropy) = (0.0, 0.0, 0.0);
            for _ in 0..DRAWS {
                let ambiguity = ambiguity(zone, &mut rng);
                let shares = votes(zone, ambiguity, &mut rng).map(|v| f64::from(v) / EXPERTS as f64);
                own += shares[row] / DRAWS as f64;
                unanimous += f64::from(u8::from(shares.iter().any(|&y| y > 0.999))) / DRAWS as f64;
                entropy -=
                    shares.iter().filter(|&&y| y > 0.0).map(|y| y * y.ln()).sum::<f64>() / DRAWS as f64;
            }
            let published = 1.0 - f64::from(others.iter().map(|(_, votes)| votes).sum::<f32>()) / 100.0;
            assert!((own - published).abs() < 0.015, "{zone}: own votes {own} for {published}");
            if let Some(&(_, released, mean)) = RELEASED.iter().find(|row| row.0 == zone.number()) {
                assert!((unanimous - released).abs() < 0.16, "{zone}: {unanimous} unanimous for {released}");
                assert!((entropy - mean).abs() < 0.16, "{zone}: entropy {entropy} for {mean}");
            }
        }
    }
}
