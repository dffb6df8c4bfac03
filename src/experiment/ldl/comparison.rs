//! Whether one kind of labels beats another: differences with intervals, from drawing test patches (whole
//! groups of them where there are groups) and seeds anew, the same for both.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::calibration::{Bins, Reliability};
use crate::scorecard::Interval;
use crate::{LabelDistributions, Labels, Probabilities, Result};

const ROUNDS: usize = 1000;

/// A difference, votes less one-hot: below 0 the votes are better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// What is compared.
    pub measure: &'static str,
    /// Single networks as they are, or at their temperatures.
    pub method: &'static str,
    /// Mean over seeds, with all test patches.
    pub value: f64,
    /// 95 % percentile interval.
    pub interval: Interval,
}

/// What two runs of one seed say of each test patch: a loss, or a confidence and whether it was right.
enum Outcomes {
    Losses(Vec<f64>),
    Calibration { confidence: Vec<f64>, agreement: Vec<f64> },
}

impl Outcomes {
    /// The measure over these rows.
    fn over(&self, rows: &[usize]) -> f64 {
        match self {
            Self::Losses(losses) => rows.iter().map(|&n| losses[n]).sum::<f64>() / rows.len() as f64,
            Self::Calibration { confidence, agreement } => {
                let mut bins = [(0.0, 0.0); BINS];
                for &n in rows {
                    let bin = ((confidence[n] * BINS as f64).ceil() as usize).clamp(1, BINS) - 1;
                    bins[bin].0 += confidence[n];
                    bins[bin].1 += agreement[n];
                }
                bins.iter().map(|(c, a)| (c - a).abs()).sum::<f64>() / rows.len() as f64
            }
        }
    }
}

/// Bins of the calibration errors, as the label distribution paper has them.
pub(super) const BINS: usize = 20;

/// Compares the predictions of two kinds of labels, seed by seed.
pub(super) fn compare(
    method: &'static str,
    [one_hot, votes]: [&[Probabilities]; 2],
    labels: &Labels,
    y: &LabelDistributions,
    groups: Option<&[i32]>,
) -> Result<Vec<Difference>> {
    let hot = labels.one_hot();
    let measures = [("CE", &hot, false), ("CE votes", y, false), ("ECE", &hot, true), ("ECE votes", y, true)];
    let rows: Vec<usize> = (0..labels.len()).collect();
    let units: Vec<Vec<usize>> = match groups {
        Some(groups) => {
            let mut units = BTreeMap::<i32, Vec<usize>>::new();
            for (n, group) in groups.iter().enumerate() {
                units.entry(*group).or_default().push(n);
            }
            units.into_values().collect()
        }
        None => rows.iter().map(|&n| vec![n]).collect(),
    };
    let mut differences = Vec::new();
    for (measure, target, calibration) in measures {
        let of = |p: &Probabilities| outcomes(p, target, calibration);
        let pairs: Vec<[Outcomes; 2]> = one_hot.iter().zip(votes).map(|(a, b)| [of(a), of(b)]).collect();
        if let (Some([Outcomes::Calibration { .. }, _]), Some(p)) = (pairs.first(), one_hot.first()) {
            let table = Reliability::of(p, target, Bins::EqualWidth(BINS))?;
            debug_assert!((pairs[0][0].over(&rows) - table.expected_calibration_error()).abs() < 1e-9);
        }
        let difference = |seeds: &mut dyn Iterator<Item = usize>, rows: &[usize]| {
            let (sum, count) = seeds.fold((0.0, 0.0), |(sum, count), seed| {
                let [a, b] = &pairs[seed];
                (sum + b.over(rows) - a.over(rows), count + 1.0)
            });
            sum / count
        };
        let mut random = ChaCha8Rng::seed_from_u64(0);
        let mut drawn: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let picked: Vec<usize> = (0..units.len())
                    .flat_map(|_| units[random.gen_range(0..units.len())].iter().copied())
                    .collect();
                let seeds: Vec<usize> = pairs.iter().map(|_| random.gen_range(0..pairs.len())).collect();
                difference(&mut seeds.into_iter(), &picked)
            })
            .collect();
        drawn.sort_by(f64::total_cmp);
        let interval = Interval { lower: drawn[ROUNDS / 40], upper: drawn[ROUNDS - 1 - ROUNDS / 40] };
        let value = difference(&mut (0..pairs.len()), &rows);
        differences.push(Difference { measure, method, value, interval });
    }
    Ok(differences)
}

fn outcomes(p: &Probabilities, y: &LabelDistributions, calibration: bool) -> Outcomes {
    if calibration {
        let predicted = p.predicted();
        let agreement = predicted.indices().iter().enumerate().map(|(n, &k)| y.view()[[n, k]]).collect();
        return Outcomes::Calibration { confidence: p.confidence(), agreement };
    }
    let loss = |(p, y): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
        // Clipped as everywhere: one impossible sample does not hide the others.
        -y.iter().zip(p).filter(|(y, _)| **y > 0.0).map(|(y, p)| y * p.max(f64::EPSILON).ln()).sum::<f64>()
    };
    Outcomes::Losses(p.view().outer_iter().zip(y.view().outer_iter()).map(loss).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use crate::metrics::{Floor, cross_entropy_loss};
    use ndarray::Array2;

    fn predictions(sure: f64) -> Probabilities {
        let p = Array2::from_shape_fn((60, 2), |(n, k)| if k == n % 2 { sure } else { 1.0 - sure });
        Probabilities::new(Classes::named(["a", "b"]).unwrap(), p).unwrap()
    }

    #[test]
    fn the_differences_are_those_of_the_library_s_measures_and_their_intervals_hold_them() {
        let (a, b) = (predictions(0.95), predictions(0.75));
        let labels =
            Labels::new(a.classes().clone(), (0..60).map(|n| if n % 4 == 3 { 0 } else { n % 2 }).collect())
                .unwrap();
        let y = labels.one_hot();
        let groups: Vec<i32> = (0..60).map(|n| n / 6).collect();
        let pairs = [&[a.clone(), a.clone()][..], &[b.clone(), b.clone()][..]];
        let differences = compare("single", pairs, &labels, &y, Some(&groups)).unwrap();
        let loss = |p| cross_entropy_loss(p, &labels, Floor::SCIKIT_LEARN).unwrap();
        let error =
            |p| Reliability::of(p, &labels, Bins::EqualWidth(BINS)).unwrap().expected_calibration_error();
        assert!((differences[0].value - (loss(&b) - loss(&a))).abs() < 1e-12);
        assert!((differences[2].value - (error(&b) - error(&a))).abs() < 1e-12);
        for difference in &differences {
            let Interval { lower, upper } = difference.interval;
            assert!(lower <= difference.value && difference.value <= upper, "{difference:?}");
        }
    }
}
