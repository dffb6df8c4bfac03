//! Comparison of choices of patches: differences at each size, with intervals from the variation between test
//! patches (whole groups of them where there are groups) and runs.

use serde::Serialize;

use super::runs::{Cell, Measured, RunPredictions, Strategy};
use crate::display::{Table, cells};
use crate::metrics::Influence;
use crate::scorecard::{Measure, Predicted, influences};
use crate::studies::differences::Difference;
use crate::{Error, Result};

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

/// Compares the choices at each size.
pub(super) fn all(measured: &Measured) -> Result<Vec<Effect>> {
    let Measured { cells, test, .. } = measured;
    let loss = if test.y.is_some() { Measure::DistributionalCrossEntropy } else { Measure::CrossEntropy };
    let of_run = |run: &RunPredictions| {
        let predicted = Predicted::Probabilities(&run.predicted);
        let of = influences(predicted, test.reference(), &[Measure::OverallAccuracy, loss])?;
        <[Influence; 2]>::try_from(of.into_iter().flatten().collect::<Vec<_>>())
            .map_err(|_| Error::Internal { what: "comparing subsets", detail: "a measure is missing".into() })
    };
    let of_cell = |(_, runs): &(Cell, Vec<RunPredictions>)| -> Result<[Vec<Influence>; 2]> {
        let runs = runs.iter().map(of_run).collect::<Result<Vec<_>>>()?;
        Ok([0, 1].map(|at| runs.iter().map(|run| run[at].clone()).collect()))
    };
    let influences = cells.iter().map(of_cell).collect::<Result<Vec<_>>>()?;
    let find = |strategy, share: f64| {
        let is = |(cell, _): &(Cell, _)| cell.share.total_cmp(&share).is_eq() && cell.strategy == strategy;
        cells.iter().position(is).map(|at| &influences[at])
    };
    let mut shares: Vec<f64> = cells.iter().map(|(cell, _)| cell.share).collect();
    shares.dedup();
    let mut effects = Vec::new();
    for share in shares {
        for (of, less) in PAIRS {
            let (Some(a), Some(b)) = (find(of, share), find(less, share)) else { continue };
            let [accuracy, cross_entropy] =
                [0, 1].map(|at| Difference::of(&a[at], &b[at], test.groups.as_deref(), false));
            effects.push(Effect { share, of, less, accuracy, cross_entropy });
        }
    }
    Difference::correct(
        effects.iter_mut().flat_map(|effect| [&mut effect.accuracy, &mut effect.cross_entropy]),
    );
    Ok(effects)
}

/// For machines.
pub(super) fn table(effects: &[Effect], data: &str) -> Table {
    let columns = ["accuracy", "cross_entropy"]
        .map(|name| ["", "_lower", "_upper", "_p", "_p_holm"].map(|end| format!("{name}{end}")));
    let first = ["share", "subset", "less"].map(str::to_owned);
    let caption = format!("data: {data}; 95 % intervals, each for itself; p_holm: with Holm's correction");
    let mut table = Table::new(first.into_iter().chain(columns.concat())).captioned(caption);
    for effect in effects {
        let numbers =
            [effect.accuracy, effect.cross_entropy].map(|Difference { value, interval, p, p_holm }| {
                let (lower, upper) = interval.map(|interval| (interval.lower, interval.upper)).unzip();
                cells![value, lower, upper, p, p_holm]
            });
        let first = cells![effect.share, effect.of.code(), effect.less.code()];
        table.row(first.into_iter().chain(numbers.concat()));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Floor, cross_entropy_loss};
    use crate::studies::sets::TestSet;
    use crate::{Classes, Labels, Probabilities};
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
        let effects = all(&measured).unwrap();
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
        let Difference { value, interval, p, p_holm } = effect.accuracy;
        let interval = interval.unwrap();
        // By NumPy and SciPy, from the variation between ten groups and between two runs of each: t(1.311) = 7.394. Two
        // runs are not informative.
        assert!((value - 0.2).abs() < 1e-12 && (interval.lower + 0.129_916).abs() < 1e-5);
        assert!((interval.upper - 0.529_916).abs() < 1e-5);
        assert!(p.zip(p_holm).is_some_and(|(p, corrected)| p > 0.05 && corrected >= p));
    }
}
