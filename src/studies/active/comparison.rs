//! Ways of asking against asking by lot: accuracies, and what their difference is worth.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::rounds::{Curve, Data};
use super::{ActiveCurve, ActiveOutcome, ActiveStudy};
use crate::metrics::Scores;
use crate::scorecard::Interval;
use crate::studies::bootstrap::{interval, units};
use crate::uncertainty::Acquisition;
use crate::{Labels, Probabilities, Result};

const ROUNDS: usize = 2000;

/// For each seed and unit of test patches: right predictions, the mean over the rounds after the first asking.
type Right = Vec<Vec<f64>>;

pub(super) fn outcome(
    study: &ActiveStudy,
    data: &Data,
    curves: &[Curve],
    all: &Curve,
) -> Result<ActiveOutcome> {
    let labels = &data.testing.labels;
    let units = units(data.testing.patches.groups().as_deref(), labels.len());
    let by_lot = curves.iter().find(|curve| curve.acquisition == Some(Acquisition::Random));
    let by_lot = by_lot.map(|curve| right(curve, labels, &units));
    let mut of_ways = Vec::new();
    for curve in curves {
        let Some(acquisition) = curve.acquisition else { continue };
        let [overall_accuracy, average_accuracy] = accuracies(curve)?;
        // Without a round of asking nothing is gained.
        let against = by_lot.as_ref().filter(|_| acquisition != Acquisition::Random && study.rounds > 0);
        let gain = against.map(|by_lot| gain(&right(curve, labels, &units), by_lot, &units));
        of_ways.push(ActiveCurve {
            acquisition,
            labelled: (0..=study.rounds).map(|round| study.labelled(round)).collect(),
            overall_accuracy,
            average_accuracy,
            gain: gain.map(|(gain, _)| gain),
            gain_interval: gain.map(|(_, interval)| interval),
        });
    }
    Ok(ActiveOutcome {
        provenance: data.testing.patches.provenance().to_owned(),
        test_patches: labels.len(),
        pool_patches: data.pool.labels.len(),
        all_labelled: accuracies(all)?[0].concat(),
        curves: of_ways,
    })
}

/// Overall and average accuracy of each seed's rounds.
pub(super) fn accuracies(curve: &Curve) -> Result<[Vec<Vec<f64>>; 2]> {
    let of = |measure: fn(&Scores) -> f64| {
        let of_round = |p: &Probabilities| Ok(measure(&Scores::of(p, &curve.labels, None)?));
        curve.predicted.iter().map(|seed| seed.iter().map(of_round).collect()).collect::<Result<_>>()
    };
    Ok([of(|scores| scores.overall_accuracy)?, of(|scores| scores.average_accuracy)?])
}

fn right(curve: &Curve, labels: &Labels, units: &[Vec<usize>]) -> Right {
    let of_seed = |rounds: &Vec<Probabilities>| {
        let asked = &rounds[1.min(rounds.len())..];
        let mut sums = vec![0.0; units.len()];
        for predicted in asked {
            let predicted = predicted.predicted();
            for (sum, unit) in sums.iter_mut().zip(units) {
                let right = unit.iter().filter(|&&n| predicted.indices()[n] == labels.indices()[n]).count();
                *sum += right as f64 / asked.len() as f64;
            }
        }
        sums
    };
    curve.predicted.iter().map(of_seed).collect()
}

/// The difference of mean accuracies, and its 95 % percentile interval. Seeds are paired: their curves begin alike.
fn gain(of: &Right, less: &Right, units: &[Vec<usize>]) -> (f64, Interval) {
    let sizes: Vec<f64> = units.iter().map(|unit| unit.len() as f64).collect();
    let difference = |seeds: &[usize], drawn: &[usize]| {
        let patches: f64 = drawn.iter().map(|&unit| sizes[unit]).sum();
        let of_seed =
            |&seed: &usize| drawn.iter().map(|&unit| of[seed][unit] - less[seed][unit]).sum::<f64>();
        seeds.iter().map(of_seed).sum::<f64>() / (patches * seeds.len() as f64)
    };
    let every = |n: usize| (0..n).collect::<Vec<usize>>();
    let gain = difference(&every(of.len()), &every(units.len()));
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let drawn = (0..ROUNDS)
        .map(|_| {
            let mut draw = |n: usize| -> Vec<usize> { (0..n).map(|_| random.gen_range(0..n)).collect() };
            let (of_patches, of_seeds) = (draw(units.len()), draw(of.len()));
            difference(&of_seeds, &of_patches)
        })
        .collect();
    (gain, interval(drawn))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use ndarray::Array2;

    #[test]
    fn a_gain_is_the_difference_of_mean_accuracies_after_the_first_asking() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let labels = Labels::new(classes.clone(), (0..40).map(|n| n % 2).collect()).unwrap();
        // Every n-th patch is wrong.
        let predicted = |every: usize| {
            let p = |(n, k): (usize, usize)| if (k == n % 2) == (n % every != 0) { 0.8 } else { 0.2 };
            Probabilities::new(classes.clone(), Array2::from_shape_fn((40, 2), p)).unwrap()
        };
        let curve = |first: usize, second: usize| Curve {
            acquisition: None,
            predicted: vec![vec![predicted(2), predicted(first), predicted(second)]; 2],
            labels: labels.clone(),
        };
        let groups: Vec<i32> = (0..40).map(|n| n / 4).collect();
        let units = units(Some(&groups), 40);
        assert_eq!(units.len(), 10);
        let (of, less) = (right(&curve(10, 20), &labels, &units), right(&curve(4, 5), &labels, &units));
        let (gain, interval) = gain(&of, &less, &units);
        // 4 and 2 of 40 wrong, against 10 and 8.
        assert!((gain - (18.0 - 6.0) / 80.0).abs() < 1e-12, "{gain}");
        assert!(interval.lower > 0.0 && interval.lower <= gain && gain <= interval.upper);
    }
}
