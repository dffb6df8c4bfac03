//! Whether one kind of labels beats another: differences with intervals, from the variation between test patches
//! (whole groups of them where there are groups) and between seeds, the same for both.

use serde::Serialize;

use super::BINS;
use crate::calibration::{Bins, expected_calibration_error};
use crate::metrics::{Influence, interval_over_seeds, t_interval};
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
    let mut differences = Vec::new();
    let of = |p: &Probabilities| influences(Predicted::Probabilities(p), test.reference(), &LOSSES);
    let pairs: Vec<[Vec<Option<Influence>>; 2]> =
        one_hot.iter().zip(votes).map(|(a, b)| Ok([of(a)?, of(b)?])).collect::<Result<_>>()?;
    for (at, measure) in LOSSES.into_iter().enumerate() {
        let less = |[a, b]: &[Vec<Option<Influence>>; 2]| {
            let (a, b) = (a[at].as_ref()?, b[at].as_ref()?);
            let of_samples = b.of_samples.iter().zip(&a.of_samples).map(|(b, a)| b - a).collect();
            Some(Influence { value: b.value - a.value, of_samples })
        };
        let Some(seeds) = pairs.iter().map(less).collect::<Option<Vec<Influence>>>() else { continue };
        let value = seeds.iter().map(|seed| seed.value).sum::<f64>() / seeds.len() as f64;
        let interval = interval_over_seeds(&seeds, test.groups.as_deref(), 0.95).ok();
        differences.push(LabelEffect {
            measure: measure.short_name(),
            method,
            difference: Difference { value, interval },
        });
    }
    let bins = Bins::EqualWidth(BINS);
    for measure in [Measure::ExpectedCalibrationError, Measure::DistributionCalibrationError] {
        let error = |p: &Probabilities| match (measure, &test.y) {
            (Measure::ExpectedCalibrationError, _) => {
                expected_calibration_error(p, &test.labels, bins).map(Some)
            }
            (_, y) => y.as_ref().map(|y| expected_calibration_error(p, y, bins)).transpose(),
        };
        let difference = |(a, b)| Ok(error(b)?.zip(error(a)?).map(|(b, a)| b - a));
        let seeds: Result<Option<Vec<f64>>> = one_hot.iter().zip(votes).map(difference).collect();
        let Some(seeds) = seeds? else { continue };
        let value = seeds.iter().sum::<f64>() / seeds.len() as f64;
        let interval = t_interval(&seeds, 0.95).ok();
        differences.push(LabelEffect {
            measure: measure.short_name(),
            method,
            difference: Difference { value, interval },
        });
    }
    Ok(differences)
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
        let error =
            |p| Reliability::of(p, &labels, Bins::EqualWidth(BINS)).unwrap().expected_calibration_error();
        assert_eq!(
            differences.iter().map(|d| d.measure).collect::<Vec<_>>(),
            ["CE", "CE votes", "ECE", "ECE votes"]
        );
        assert!((differences[0].difference.value - (loss(&b) - loss(&a))).abs() < 1e-12);
        assert!((differences[2].difference.value - (error(&b) - error(&a))).abs() < 1e-12);
        for difference in &differences[..2] {
            let Difference { value, interval } = difference.difference;
            let interval = interval.unwrap();
            assert!(interval.lower <= value && value <= interval.upper, "{difference:?}");
        }
        // Equal seeds show no variation between seeds.
        assert!(differences[2..].iter().all(|effect| effect.difference.interval.is_none()));
    }
}
