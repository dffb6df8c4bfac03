//! Comparison of two kinds of labels: differences with intervals, from the variation between test patches
//! (whole groups of them where there are groups) and between seeds, the same for both.

use serde::Serialize;

use super::BINS;
use crate::calibration::{Bins, expected_calibration_error};
use crate::metrics::Influence;
use crate::scorecard::{Measure, Predicted, influences};
use crate::studies::differences::Difference;
use crate::studies::sets::TestSet;
use crate::{Probabilities, Result};

/// The losses that are compared; calibration errors come after them.
const LOSSES: [Measure; 2] = [Measure::CrossEntropy, Measure::DistributionalCrossEntropy];

/// A difference, votes minus one-hot: below 0 the votes are better.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelEffect {
    /// What is compared.
    pub measure: &'static str,
    /// Single networks as they are, or at their temperatures.
    pub method: &'static str,
    /// Mean over seeds. Its interval is, of losses, over test patches and seeds; of calibration errors, over seeds on
    /// these patches.
    #[serde(flatten)]
    pub difference: Difference,
}

/// Compares the predictions of two kinds of labels, seed by seed.
pub(super) fn compare(
    method: &'static str,
    [one_hot, votes]: [&[Probabilities]; 2],
    test: &TestSet,
) -> Result<Vec<LabelEffect>> {
    let mut effects = Vec::new();
    let mut put = |measure: Measure, difference: Difference| {
        effects.push(LabelEffect { measure: measure.short_name(), method, difference });
    };
    for measure in LOSSES {
        let of_seed =
            |p: &Probabilities| influences(Predicted::Probabilities(p), test.reference(), &[measure]);
        let of = |all: &[Probabilities]| -> Result<Option<Vec<Influence>>> {
            Ok(all.iter().map(of_seed).collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
        };
        if let (Some(votes), Some(one_hot)) = (of(votes)?, of(one_hot)?) {
            put(measure, Difference::of(&votes, &one_hot, test.groups.as_deref(), true));
        }
    }
    let bins = Bins::EqualWidth(BINS);
    let mut put_error = |measure, error: &dyn Fn(&Probabilities) -> Result<f64>| -> Result<()> {
        let seeds = one_hot.iter().zip(votes).map(|(a, b)| Ok(error(b)? - error(a)?));
        put(measure, Difference::of_pairs(&seeds.collect::<Result<Vec<f64>>>()?));
        Ok(())
    };
    put_error(Measure::ExpectedCalibrationError, &|p| expected_calibration_error(p, &test.labels, bins))?;
    if let Some(y) = &test.y {
        put_error(Measure::DistributionCalibrationError, &|p| expected_calibration_error(p, y, bins))?;
    }
    Ok(effects)
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Reliability;
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
        let error = |p| {
            Reliability::compute(p, &labels, Bins::EqualWidth(BINS)).unwrap().expected_calibration_error()
        };
        assert_eq!(
            differences.iter().map(|d| d.measure).collect::<Vec<_>>(),
            ["CE", "CE votes", "ECE", "ECE votes"]
        );
        assert!((differences[0].difference.value - (loss(&b) - loss(&a))).abs() < 1e-12);
        assert!((differences[2].difference.value - (error(&b) - error(&a))).abs() < 1e-12);
        for difference in &differences[..2] {
            let Difference { value, interval, .. } = difference.difference;
            let interval = interval.unwrap();
            assert!(interval.lower <= value && value <= interval.upper, "{difference:?}");
        }
        // Equal seeds show no variation between seeds.
        assert!(differences[2..].iter().all(|effect| effect.difference.interval.is_none()));
    }
}
