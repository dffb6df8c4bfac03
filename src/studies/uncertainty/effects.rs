//! Whether one choice of patches beats another: differences at each size, with intervals from the variation between test
//! patches (whole groups of them where there are groups) and runs.

use serde::Serialize;

use super::runs::{Cell, Measured, RunPredictions, Strategy};
use crate::display::{Table, cells};
use crate::studies::differences::{Difference, Sums, differences, units};
use crate::studies::sets::TestSet;
use crate::{LabelDistributions, Labels};

/// What is compared at each size: the first minus the second.
const PAIRS: [(Strategy, Strategy); 6] = [
    (Strategy::Uncertain, Strategy::Random),
    (Strategy::UncertainStratified, Strategy::Random),
    (Strategy::Certain, Strategy::Random),
    (Strategy::CertainStratified, Strategy::Random),
    (Strategy::Uncertain, Strategy::Certain),
    (Strategy::UncertainStratified, Strategy::CertainStratified),
];

/// The differences between two choices of patches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Effect {
    /// Size of the subsets, in per cent.
    pub share: f64,
    /// Of these patches, …
    pub of: Strategy,
    /// … minus of those.
    pub less: Strategy,
    /// Overall accuracy: above 0 the first is better.
    pub accuracy: Difference,
    /// Cross-entropy against the training targets, in nats: below 0 the first is better.
    pub cross_entropy: Difference,
}

/// Right predictions and cross-entropy, summed over units of patches, run by run.
fn sums(runs: &[RunPredictions], labels: &Labels, y: &LabelDistributions, units: &[Vec<usize>]) -> Sums<2> {
    let of_run = |run: &RunPredictions| {
        let predicted = run.predicted.predicted();
        let right = |n: usize| f64::from(predicted.indices()[n] == labels.indices()[n]);
        let (p, y) = (run.predicted.view(), y.view());
        let loss = |n: usize| {
            let terms = y.row(n).into_iter().zip(p.row(n)).filter(|(y, _)| **y > 0.0);
            // Clipped as everywhere: one impossible patch does not hide the others.
            -terms.map(|(y, p)| y * p.max(f64::EPSILON).ln()).sum::<f64>()
        };
        let of_unit =
            |rows: &Vec<usize>| [rows.iter().map(|&n| right(n)).sum(), rows.iter().map(|&n| loss(n)).sum()];
        units.iter().map(of_unit).collect()
    };
    runs.iter().map(of_run).collect()
}

/// Compares the choices at each size.
pub(super) fn all(measured: &Measured) -> Vec<Effect> {
    let TestSet { labels, y, groups, .. } = &measured.test;
    let one_hot = labels.one_hot();
    let y = y.as_ref().unwrap_or(&one_hot);
    let units = units(groups.as_deref(), labels.len());
    let of_cells: Vec<(&Cell, Sums<2>)> =
        measured.cells.iter().map(|(cell, runs)| (cell, sums(runs, labels, y, &units))).collect();
    let mut shares: Vec<f64> = of_cells
        .iter()
        .filter(|(cell, _)| cell.strategy != Strategy::Full)
        .map(|(cell, _)| cell.share)
        .collect();
    shares.dedup();
    let mut effects = Vec::new();
    for share in shares {
        for (of, less) in PAIRS {
            let find = |strategy| {
                of_cells
                    .iter()
                    .find(|(cell, _)| cell.share.total_cmp(&share).is_eq() && cell.strategy == strategy)
            };
            let (Some((_, a)), Some((_, b))) = (find(of), find(less)) else { continue };
            let [accuracy, cross_entropy] = differences([a, b], &units, false);
            effects.push(Effect { share, of, less, accuracy, cross_entropy });
        }
    }
    effects
}

/// For machines.
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
            e.accuracy.value,
            e.accuracy.interval.map(|interval| interval.lower),
            e.accuracy.interval.map(|interval| interval.upper),
            e.cross_entropy.value,
            e.cross_entropy.interval.map(|interval| interval.lower),
            e.cross_entropy.interval.map(|interval| interval.upper),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Floor, cross_entropy_loss};
    use crate::{Classes, Probabilities};
    use ndarray::Array2;

    #[test]
    fn an_effect_is_the_difference_of_the_library_s_measures_and_lies_in_its_interval() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let labels = Labels::new(classes.clone(), (0..60).map(|n| n % 2).collect()).unwrap();
        let outcome = |every: usize| {
            let p = |(n, k): (usize, usize)| if (k == n % 2) == (n % every != 0) { 0.8 } else { 0.2 };
            let predicted = Probabilities::new(classes.clone(), Array2::from_shape_fn((60, 2), p)).unwrap();
            RunPredictions { predicted, patches: 3 }
        };
        let cell = |strategy| Cell { strategy, share: 5.0 };
        let measured = Measured {
            name: "held-out",
            cells: vec![
                (cell(Strategy::Random), vec![outcome(3), outcome(4)]),
                (cell(Strategy::Uncertain), vec![outcome(10), outcome(12)]),
            ],
            test: TestSet {
                labels: labels.clone(),
                y: None,
                votes: None,
                groups: Some((0..60).map(|n| n / 6).collect()),
                provenance: "synthetic".to_owned(),
            },
        };
        let effects = all(&measured);
        assert_eq!(effects.len(), 1);
        let mean = |outcomes: &[RunPredictions], of: &dyn Fn(&Probabilities) -> f64| {
            outcomes.iter().map(|o| of(&o.predicted)).sum::<f64>() / outcomes.len() as f64
        };
        let loss = |p: &Probabilities| cross_entropy_loss(p, &labels, Floor::SCIKIT_LEARN).unwrap();
        let wanted = mean(&measured.cells[1].1, &loss) - mean(&measured.cells[0].1, &loss);
        let effect = &effects[0];
        assert!((effect.cross_entropy.value - wanted).abs() < 1e-12);
        // 54 and 55 of 60 are right, against 40 and 45.
        assert!((effect.accuracy.value - (109.0 - 85.0) / 120.0).abs() < 1e-12);
        let Difference { value, interval } = effect.accuracy;
        let interval = interval.unwrap();
        // By NumPy and SciPy, from the variation between ten groups and between two runs of each: t(1.311) = 7.394. Two
        // runs tell little.
        assert!((value - 0.2).abs() < 1e-12 && (interval.lower + 0.129_916).abs() < 1e-5);
        assert!((interval.upper - 0.529_916).abs() < 1e-5);
    }
}
