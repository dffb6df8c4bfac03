//! Whether one choice of patches beats another: differences at each size, with intervals from drawing test
//! patches (whole groups of them where there are groups) and runs anew.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::grid::{Measured, Outcome, Strategy};
use crate::LabelDistributions;
use crate::display::{Table, cells};
use crate::scorecard::Interval;
use crate::studies::bootstrap::{interval, units};

const ROUNDS: usize = 2000;

/// What is compared at each size: the first less the second.
const PAIRS: [(Strategy, Strategy); 6] = [
    (Strategy::Uncertain, Strategy::Random),
    (Strategy::UncertainStratified, Strategy::Random),
    (Strategy::Certain, Strategy::Random),
    (Strategy::CertainStratified, Strategy::Random),
    (Strategy::Uncertain, Strategy::Certain),
    (Strategy::UncertainStratified, Strategy::CertainStratified),
];

/// A difference between two choices of patches, with its 95 % percentile interval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Size of the subsets, in per cent.
    pub share: f64,
    /// Of these patches, …
    pub of: Strategy,
    /// … less of those.
    pub less: Strategy,
    /// Overall accuracy: above 0 the first is better.
    pub accuracy: f64,
    /// Its interval.
    pub accuracy_interval: Interval,
    /// Cross-entropy against what was learnt, in nats: below 0 the first is better.
    pub cross_entropy: f64,
    /// Its interval.
    pub cross_entropy_interval: Interval,
}

/// Sums over the patches that are drawn together, run by run.
struct Sums {
    /// Shape: runs × units; (right predictions, cross-entropy).
    of_runs: Vec<Vec<[f64; 2]>>,
}

impl Sums {
    fn of(outcomes: &[Outcome], measured: &Measured, y: &LabelDistributions, units: &[Vec<usize>]) -> Self {
        let of_run = |outcome: &Outcome| {
            let predicted = outcome.predicted.predicted();
            let right = |n: usize| f64::from(predicted.indices()[n] == measured.labels.indices()[n]);
            let loss = |n: usize| {
                // Clipped as everywhere: one impossible patch does not hide the others.
                let terms = y
                    .view()
                    .row(n)
                    .into_iter()
                    .zip(outcome.predicted.view().row(n))
                    .filter(|(y, _)| **y > 0.0)
                    .map(|(y, p)| y * p.max(f64::EPSILON).ln())
                    .sum::<f64>();
                -terms
            };
            units
                .iter()
                .map(|rows| [rows.iter().map(|&n| right(n)).sum(), rows.iter().map(|&n| loss(n)).sum()])
                .collect()
        };
        Self { of_runs: outcomes.iter().map(of_run).collect() }
    }

    /// Mean over runs and patches, of runs and units drawn so.
    fn mean(&self, runs: &[usize], units: &[usize], patches: f64) -> [f64; 2] {
        let mut mean = [0.0; 2];
        for &run in runs {
            for &unit in units {
                mean[0] += self.of_runs[run][unit][0];
                mean[1] += self.of_runs[run][unit][1];
            }
        }
        mean.map(|sum| sum / (patches * runs.len() as f64))
    }
}

/// Compares the choices at each size.
pub(super) fn all(measured: &Measured) -> Vec<Effect> {
    let one_hot = measured.labels.one_hot();
    let y = measured.y.as_ref().unwrap_or(&one_hot);
    let units = units(measured.groups.as_deref(), measured.labels.len());
    let counts: Vec<f64> = units.iter().map(|rows| rows.len() as f64).collect();
    let of_cell: Vec<(f64, Strategy, Sums)> = measured
        .cells
        .iter()
        .map(|(cell, outcomes)| (cell.share, cell.strategy, Sums::of(outcomes, measured, y, &units)))
        .collect();
    let mut effects = Vec::new();
    let mut shares: Vec<f64> =
        of_cell.iter().filter(|cell| cell.1 != Strategy::Full).map(|cell| cell.0).collect();
    shares.dedup();
    for share in shares {
        for (of, less) in PAIRS {
            let find =
                |strategy| of_cell.iter().find(|cell| cell.0.total_cmp(&share).is_eq() && cell.1 == strategy);
            let (Some((.., a)), Some((.., b))) = (find(of), find(less)) else { continue };
            let mut random = ChaCha8Rng::seed_from_u64(0);
            let runs = a.of_runs.len();
            let every: Vec<usize> = (0..runs).collect();
            let all_units: Vec<usize> = (0..units.len()).collect();
            let difference = |ra: &[usize], rb: &[usize], drawn: &[usize]| {
                let patches = drawn.iter().map(|&unit| counts[unit]).sum();
                let (a, b) = (a.mean(ra, drawn, patches), b.mean(rb, drawn, patches));
                [a[0] - b[0], a[1] - b[1]]
            };
            let [accuracy, cross_entropy] = difference(&every, &every, &all_units);
            let mut drawn = [Vec::with_capacity(ROUNDS), Vec::with_capacity(ROUNDS)];
            for _ in 0..ROUNDS {
                let mut draw = |n: usize| -> Vec<usize> { (0..n).map(|_| random.gen_range(0..n)).collect() };
                let (of_patches, ra, rb) = (draw(units.len()), draw(runs), draw(runs));
                let [accuracy, cross_entropy] = difference(&ra, &rb, &of_patches);
                drawn[0].push(accuracy);
                drawn[1].push(cross_entropy);
            }
            let [accuracy_interval, cross_entropy_interval] = drawn.map(interval);
            effects.push(Effect {
                share,
                of,
                less,
                accuracy,
                accuracy_interval,
                cross_entropy,
                cross_entropy_interval,
            });
        }
    }
    effects
}

pub(super) fn table(effects: &[Effect], data: &str) -> Table {
    let mut table = Table::new([
        "share",
        "subset",
        "less",
        "accuracy",
        "accuracy_lower",
        "accuracy_upper",
        "cross_entropy",
        "cross_entropy_lower",
        "cross_entropy_upper",
    ])
    .captioned(format!("data: {data}; 95 % intervals"));
    for e in effects {
        table.row(cells![
            e.share,
            e.of.code(),
            e.less.code(),
            e.accuracy,
            e.accuracy_interval.lower,
            e.accuracy_interval.upper,
            e.cross_entropy,
            e.cross_entropy_interval.lower,
            e.cross_entropy_interval.upper,
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Floor, cross_entropy_loss};
    use crate::studies::uncertainty::grid::Cell;
    use crate::{Classes, Labels, Probabilities};
    use ndarray::Array2;

    #[test]
    fn an_effect_is_the_difference_of_the_library_s_measures_and_lies_in_its_interval() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let labels = Labels::new(classes.clone(), (0..60).map(|n| n % 2).collect()).unwrap();
        let outcome = |every: usize| {
            let p = |(n, k): (usize, usize)| if (k == n % 2) == (n % every != 0) { 0.8 } else { 0.2 };
            let predicted = Probabilities::new(classes.clone(), Array2::from_shape_fn((60, 2), p)).unwrap();
            Outcome { predicted, patches: 3 }
        };
        let cell = |strategy| Cell { strategy, share: 5.0 };
        let measured = Measured {
            name: "held-out",
            cells: vec![
                (cell(Strategy::Random), vec![outcome(3), outcome(4)]),
                (cell(Strategy::Uncertain), vec![outcome(10), outcome(12)]),
            ],
            labels: labels.clone(),
            y: None,
            groups: Some((0..60).map(|n| n / 6).collect()),
            provenance: "made up".to_owned(),
        };
        let effects = all(&measured);
        assert_eq!(effects.len(), 1);
        let mean = |outcomes: &[Outcome], of: &dyn Fn(&Probabilities) -> f64| {
            outcomes.iter().map(|o| of(&o.predicted)).sum::<f64>() / outcomes.len() as f64
        };
        let loss = |p: &Probabilities| cross_entropy_loss(p, &labels, Floor::SCIKIT_LEARN).unwrap();
        let wanted = mean(&measured.cells[1].1, &loss) - mean(&measured.cells[0].1, &loss);
        let effect = &effects[0];
        assert!((effect.cross_entropy - wanted).abs() < 1e-12);
        // 54 and 55 of 60 are right, against 40 and 45.
        assert!((effect.accuracy - (109.0 - 85.0) / 120.0).abs() < 1e-12);
        assert!(effect.accuracy_interval.lower > 0.0 && effect.accuracy_interval.upper < 0.4);
        assert!(effect.accuracy_interval.lower <= effect.accuracy);
    }
}
