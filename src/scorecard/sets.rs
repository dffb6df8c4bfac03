//! Conformal sets of the scored samples: how often they contain the true class, and how large they are.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::uncertainty::{Conformal, ConformalSettings};
use crate::{Labels, Probabilities, Result};

/// Apart from what else is drawn from the seed.
const STREAM: u64 = 4 << 32;

/// Coverage and mean size of LAC sets that promise 90 %. Random halves of the samples, or of whole groups, are calibrated
/// on each other; none of one sample or group.
pub(super) fn coverage_and_size(
    p: &Probabilities,
    labels: &Labels,
    groups: Option<&[i32]>,
    seed: u64,
) -> Result<Option<[f64; 2]>> {
    let units: Vec<i32> = groups.map_or_else(|| (0..p.len() as i32).collect(), <[i32]>::to_vec);
    let mut ids = units.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < 2 {
        return Ok(None);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(STREAM);
    ids.shuffle(&mut random);
    let mut first = ids.split_off(ids.len() / 2);
    first.sort_unstable();
    let (a, b): (Vec<usize>, Vec<usize>) =
        (0..p.len()).partition(|&n| first.binary_search(&units[n]).is_ok());
    let (mut held, mut size) = (0.0, 0.0);
    for (calibrated, tested) in [(&a, &b), (&b, &a)] {
        let of = |rows: &[usize]| {
            let indices = rows.iter().map(|&n| labels.indices()[n]).collect();
            (p.select(rows), Labels::from_checked(labels.classes().clone(), indices))
        };
        let ((p, y), (p_tested, y_tested)) = (of(calibrated), of(tested));
        let sets = Conformal::fit(&p, &y, ConformalSettings::default())?.sets(&p_tested)?;
        held += sets.coverage(&y_tested)? * tested.len() as f64;
        size += sets.mean_size() * tested.len() as f64;
    }
    let total = p.len() as f64;
    Ok(Some([held / total, size / total]))
}
