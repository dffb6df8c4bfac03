//! Whether one kind of labels beats another: differences with intervals from resampling test patches (whole
//! groups of them where there are groups) and seeds, the same for both.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::BINS;
use crate::scorecard::{Measure, Predicted, ScorecardSettings, Values, percentile_interval, resampled};
use crate::studies::bootstrap::Difference;
use crate::studies::sets::TestSet;
use crate::{Probabilities, Result};

/// What is compared, in the table's order.
const MEASURES: [Measure; 4] = [
    Measure::CrossEntropy,
    Measure::DistributionalCrossEntropy,
    Measure::ExpectedCalibrationError,
    Measure::DistributionCalibrationError,
];
const ROUNDS: usize = 1000;

/// A difference, votes minus one-hot: below 0 the votes are better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelEffect {
    /// What is compared.
    pub measure: &'static str,
    /// Single networks as they are, or at their temperatures.
    pub method: &'static str,
    /// Mean over seeds.
    #[serde(flatten)]
    pub difference: Difference,
}

/// Compares the predictions of two kinds of labels, seed by seed.
pub(super) fn compare(
    method: &'static str,
    [one_hot, votes]: [&[Probabilities]; 2],
    test: &TestSet,
) -> Result<Vec<LabelEffect>> {
    let settings = ScorecardSettings { bins: BINS, rounds: ROUNDS, ..ScorecardSettings::default() };
    let of = |p: &Probabilities| resampled(Predicted::Probabilities(p), test.reference(), settings);
    let pairs: Vec<[(Values, Vec<Values>); 2]> =
        one_hot.iter().zip(votes).map(|(a, b)| Ok([of(a)?, of(b)?])).collect::<Result<_>>()?;
    let less = |a: &Values, b: &Values| -> Values { std::array::from_fn(|m| Some(b[m]? - a[m]?)) };
    let mean = |all: &[Values]| -> Values {
        std::array::from_fn(|m| {
            let sum: Option<f64> = all.iter().map(|values| values[m]).sum();
            sum.map(|sum| sum / all.len() as f64)
        })
    };
    let whole: Vec<Values> = pairs.iter().map(|[(a, _), (b, _)]| less(a, b)).collect();
    let values = mean(&whole);
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let rounds: Vec<Values> = (0..ROUNDS)
        .map(|round| {
            let seeds = (0..pairs.len()).map(|_| random.gen_range(0..pairs.len()));
            let drawn = seeds.map(|seed| {
                let [(_, a), (_, b)] = &pairs[seed];
                less(&a[round], &b[round])
            });
            mean(&drawn.collect::<Vec<_>>())
        })
        .collect();
    let difference = |measure: Measure| {
        let at = Measure::ALL.iter().position(|other| *other == measure)?;
        let interval = percentile_interval(&rounds, at, settings.level)?;
        let difference = Difference { value: values[at]?, interval };
        Some(LabelEffect { measure: measure.short_name(), method, difference })
    };
    Ok(MEASURES.into_iter().filter_map(difference).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::{Bins, Reliability};
    use crate::metrics::{Floor, cross_entropy_loss};
    use crate::{Classes, Labels};
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
        let test = TestSet {
            y: Some(labels.one_hot()),
            labels: labels.clone(),
            votes: None,
            groups: Some((0..60).map(|n| n / 6).collect()),
            provenance: "synthetic".to_owned(),
        };
        let pairs = [&[a.clone(), a.clone()][..], &[b.clone(), b.clone()][..]];
        let differences = compare("single", pairs, &test).unwrap();
        let loss = |p| cross_entropy_loss(p, &labels, Floor::SCIKIT_LEARN).unwrap();
        let error =
            |p| Reliability::of(p, &labels, Bins::EqualWidth(BINS)).unwrap().expected_calibration_error();
        assert_eq!(
            differences.iter().map(|d| d.measure).collect::<Vec<_>>(),
            ["CE", "CE votes", "ECE", "ECE votes"]
        );
        assert!((differences[0].difference.value - (loss(&b) - loss(&a))).abs() < 1e-12);
        assert!((differences[2].difference.value - (error(&b) - error(&a))).abs() < 1e-12);
        for LabelEffect { difference: Difference { value, interval }, .. } in differences {
            assert!(interval.lower <= value && value <= interval.upper, "{value} {interval:?}");
        }
    }
}
