//! How ten experts vote on a patch, and how that shows in it.
//!
//! How many votes dissent, where they go, and how often they scatter: fitted by zone to the votes released
//! for So2Sat's European patches (`tests/vectors/make_votes.py`), so that the shares of the votes and their
//! entropy are the released ones'.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::materials::pick;
use crate::Zone;

/// Experts who vote on a patch.
const EXPERTS: usize = 10;
/// How often votes are unrelated to the ground: experts who know a place from elsewhere, or err.
const UNFOUNDED: f64 = 0.15;

/// Per cent of the patches of LCZ 1 to 17 on which 0, 1, … 7 of ten votes go to other zones. The release leaves LCZ 7
/// out; its shares are those of the ten-class urban set, its dissent a guess.
const DISSENT: [[f32; 8]; 17] = [
    [0.0, 13.8, 67.9, 18.1, 0.2, 0.0, 0.0, 0.0],
    [56.6, 33.8, 3.3, 2.8, 0.6, 1.7, 1.1, 0.0],
    [1.7, 23.1, 34.3, 15.9, 11.7, 12.5, 0.9, 0.0],
    [14.8, 8.8, 33.2, 17.1, 12.3, 11.2, 2.5, 0.1],
    [24.3, 23.4, 21.6, 12.1, 8.3, 8.4, 1.9, 0.0],
    [26.4, 41.8, 20.7, 2.2, 2.5, 4.1, 2.2, 0.0],
    [0.0, 3.0, 17.0, 27.0, 22.0, 18.0, 10.0, 3.0],
    [78.6, 11.5, 6.2, 2.0, 0.7, 0.5, 0.3, 0.0],
    [33.5, 15.1, 32.4, 17.5, 1.3, 0.1, 0.0, 0.0],
    [45.6, 18.1, 14.0, 22.2, 0.0, 0.0, 0.0, 0.0],
    [90.3, 6.7, 1.9, 1.1, 0.1, 0.0, 0.0, 0.0],
    [48.0, 26.7, 14.7, 4.0, 5.0, 1.4, 0.1, 0.0],
    [0.0, 2.4, 22.8, 36.9, 16.5, 9.1, 7.8, 4.5],
    [89.9, 4.8, 1.7, 0.8, 1.1, 1.5, 0.2, 0.0],
    [78.9, 6.3, 6.1, 3.4, 4.9, 0.4, 0.0, 0.0],
    [9.0, 31.2, 29.2, 13.0, 9.9, 7.6, 0.1, 0.0],
    [98.5, 0.9, 0.2, 0.4, 0.0, 0.0, 0.0, 0.0],
];

/// How often a vote for another zone does not go where most of them go.
const STRAY: [f32; 17] =
    [0.95, 0.60, 0.60, 0.45, 0.40, 0.30, 0.30, 0.20, 0.55, 0.50, 0.00, 0.15, 0.45, 0.25, 0.00, 0.50, 0.00];

/// The other zones, LCZ 1 to 17, and how many votes they get.
const OTHERS: [&[(usize, f32)]; 17] = [
    &[(4, 12.96), (2, 7.47)],
    &[(4, 2.6), (3, 1.67), (5, 1.58), (6, 0.48), (12, 0.2), (17, 0.13)],
    &[(2, 12.58), (6, 11.84), (5, 0.8), (17, 0.14)],
    &[(5, 18.01), (1, 3.31), (2, 2.94), (6, 0.29), (17, 0.2)],
    &[(2, 9.85), (6, 5.09), (4, 2.5), (17, 0.7), (3, 0.68), (9, 0.14)],
    &[(3, 8.37), (5, 2.22), (9, 1.62), (2, 0.79), (17, 0.28), (8, 0.06)],
    &[(3, 33.15), (2, 3.85)],
    &[(10, 2.11), (15, 1.11), (2, 0.21), (14, 0.07), (5, 0.07), (17, 0.06)],
    &[(6, 13.63), (8, 0.13), (17, 0.06), (11, 0.04)],
    &[(8, 9.95), (15, 1.03), (14, 0.32)],
    &[(12, 1.06), (17, 0.16), (13, 0.17)],
    &[(13, 5.5), (11, 2.87), (14, 0.7), (17, 0.41), (9, 0.12)],
    &[(12, 26.11), (14, 4.85), (16, 1.96), (15, 1.85), (17, 0.05)],
    &[(9, 0.79), (13, 0.66), (12, 0.41), (16, 0.38), (17, 0.16)],
    &[(8, 3.17), (16, 1.17), (13, 0.62), (17, 0.07)],
    &[(15, 15.41), (13, 3.41), (8, 0.83), (10, 0.42), (14, 0.37), (17, 0.22)],
    &[(14, 0.07), (11, 0.04), (6, 0.03)],
];

/// Ten votes, and what they are about.
pub(super) struct Ballot {
    /// Shape: 17.
    pub(super) votes: [f32; 17],
    /// The zone that most of the dissenting votes are for, and its share of the ground; none where the
    /// ground is all of one zone.
    pub(super) neighbour: Option<(Zone, f32)>,
}

impl Ballot {
    pub(super) fn draw(zone: Zone, rng: &mut ChaCha8Rng) -> Self {
        let k = zone.number() - 1;
        let others = OTHERS[k];
        let dissent = pick(
            &std::array::from_fn::<_, 8, _>(|votes| (votes, DISSENT[k][votes])),
            rng.gen_range(0f32..1.0),
        );
        let main = pick(others, rng.gen_range(0f32..1.0));
        let own = (EXPERTS - dissent) as f32;
        let mut votes = [0.0; 17];
        votes[k] = own;
        for _ in 0..dissent {
            let stray = rng.gen_range(0f32..1.0) < STRAY[k];
            let mut to = if stray { pick(others, rng.gen_range(0f32..1.0)) } else { main };
            if votes[to - 1] >= own {
                // No zone overtakes the patch's own.
                to = others.iter().map(|other| other.0).fold(others[0].0, |least, other| {
                    if votes[other - 1] < votes[least - 1] { other } else { least }
                });
            }
            votes[to - 1] += 1.0;
        }
        let founded = dissent > 0 && !rng.gen_bool(UNFOUNDED);
        let share = dissent as f32 / EXPERTS as f32 * rng.gen_range(0.6f32..1.3);
        let neighbour = Zone::from_number(main).filter(|_| founded);
        Self { votes, neighbour: neighbour.map(|zone| (zone, share)) }
    }
}
