//! Calibration against netcal, torchmetrics, uncertainty-calibration, mapie, scikit-learn, `SciPy`, and
//! what is known beforehand.

mod support;

use lcz::calibration::{
    Bins, Bound, Reliability, TemperatureFit, VectorFit, adaptive_calibration_error,
    class_calibration_errors, classwise_calibration_error, distribution_calibration_error,
    equal_mass_calibration_error, expected_calibration_error, maximum_calibration_error, sce_as_in_ldl_paper,
};
use lcz::metrics::{Floor, cross_entropy_loss, kl_divergence_loss, logits_cross_entropy_loss};
use lcz::{Classes, LabelDistributions, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::{Array2, array};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use support::{assert_close, assert_near, flags, labels, number, numbers, real_text, table};

/// What other libraries say; made by `vectors/make_calibration.py`.
fn oracles() -> Value {
    serde_json::from_str(include_str!("vectors/calibration.json")).unwrap()
}

#[test]
fn the_errors_are_those_of_four_libraries() {
    for case in oracles()["random"].as_array().unwrap() {
        let classes = Classes::from_count(number(&case["classes"]) as usize);
        let bins = Bins::EqualWidth(number(&case["bins"]) as usize);
        let z = Logits::new(classes.clone(), table(&case["logits"])).unwrap();
        let p = z.softmax(Temperature::ONE);
        let y = labels(&classes, &case["labels"]);
        let votes = Votes::new(classes, table(&case["votes"]).mapv(|v| v as f32)).unwrap().distributions();
        let wanted = |name: &str| number(&case[name]);

        assert_close(expected_calibration_error(&p, &y, bins).unwrap(), wanted("ece"), "ECE");
        assert_close(maximum_calibration_error(&p, &y, bins).unwrap(), wanted("mce"), "MCE");
        let reliability = Reliability::compute(&p, &y, bins).unwrap();
        assert_close(reliability.average_calibration_error(), wanted("average"), "average");
        let counts: Vec<f64> = reliability.bins.iter().map(|bin| bin.samples as f64).collect();
        assert_eq!(counts, numbers(&case["counts"]));
        let of_votes = distribution_calibration_error(&p, &votes, bins).unwrap();
        assert_close(of_votes, wanted("distribution_ece"), "distribution-ECE");
        for (got, wanted) in
            class_calibration_errors(&p, &y, bins).unwrap().iter().zip(numbers(&case["class_errors"]))
        {
            assert_close(*got, wanted, "error of a class");
        }
        assert_close(classwise_calibration_error(&p, &y, bins).unwrap(), wanted("classwise"), "classwise");
        let of_votes = classwise_calibration_error(&p, &votes, bins).unwrap();
        assert_close(of_votes, wanted("classwise_of_votes"), "classwise, votes");
        assert_close(equal_mass_calibration_error(&p, &y, 10).unwrap(), wanted("equal_mass"), "equal mass");
        assert_close(adaptive_calibration_error(&p, &y, 10).unwrap(), wanted("adaptive"), "adaptive");
        assert_close(sce_as_in_ldl_paper(&p, &y, 20).unwrap(), wanted("sce_of_ldl_paper"), "SCE");

        let t = |fit: TemperatureFit| fit.temperature.value();
        assert_near(t(TemperatureFit::fit(&z, &y).unwrap()), wanted("temperature_of_labels"), 1e-6);
        assert_near(t(TemperatureFit::fit(&z, &votes).unwrap()), wanted("temperature_of_votes"), 1e-6);
        let by_adam = TemperatureFit::as_in_ldl_paper(&z, &y).unwrap();
        assert_near(t(by_adam), wanted("temperature_by_adam"), 1e-5);

        let fit = VectorFit::fit(&z, &votes).unwrap();
        let vector = &case["vector_of_votes"];
        assert!(fit.converged, "{} steps", fit.steps);
        assert_near(fit.loss_after, number(&vector["loss"]), 1e-9);
        for (got, wanted) in fit.scaling.scale().iter().zip(numbers(&vector["scale"])) {
            assert_near(*got, wanted, 1e-4);
        }
        for (got, wanted) in fit.scaling.shift().iter().zip(numbers(&vector["shift"])) {
            assert_near(*got, wanted, 1e-4);
        }
        let json = serde_json::to_string(&fit).unwrap();
        assert_eq!(serde_json::from_str::<VectorFit>(&json).unwrap(), fit);
        assert!(serde_json::from_str::<VectorFit>(&json.replace("\"scale\":[", "\"scale\":[1.0,")).is_err());
        let applied = fit.scaling.apply(&z).unwrap();
        assert_close(logits_cross_entropy_loss(&applied, &votes).unwrap(), fit.loss_after, "as it says");
    }
}

#[test]
fn temperatures_are_those_of_scikit_learn() {
    for case in oracles()["temperatures"].as_array().unwrap() {
        let classes = Classes::from_count(number(&case["classes"]) as usize);
        let z = Logits::new(classes.clone(), table(&case["logits"])).unwrap();
        let fit = TemperatureFit::fit(&z, &labels(&classes, &case["labels"])).unwrap();
        assert_near(fit.temperature.value() / number(&case["temperature"]), 1.0, 1e-6);
        assert_eq!(fit.bound, None);
    }
}

#[test]
fn edges_ties_empty_bins_and_one_sample_follow_the_rule() {
    for case in oracles()["pairs"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let bins = Bins::EqualWidth(number(&case["bins"]) as usize);
        let (confidence, correct) = (numbers(&case["confidence"]), flags(&case["correct"]));
        let reliability = Reliability::from_pairs(&confidence, &correct, bins).unwrap();
        assert_close(reliability.expected_calibration_error(), number(&case["ece"]), name);
        assert_close(reliability.maximum_calibration_error(), number(&case["mce"]), name);
        assert_close(reliability.average_calibration_error(), number(&case["average"]), name);
        let counts: Vec<f64> = reliability.bins.iter().map(|bin| bin.samples as f64).collect();
        assert_eq!(counts, numbers(&case["counts"]), "{name}: no sample is lost");
        for bin in &reliability.bins {
            assert_eq!(bin.samples == 0, bin.gap().is_nan(), "{name}: an empty bin has no gap");
        }
    }
}

/// `true_label,pred_label,confidence` of a network on real images.
fn ece_of_file(name: &str, bins: usize) -> Option<f64> {
    let text = real_text(&format!("calibration/{name}"))?;
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let confidence: Vec<f64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    let correct: Vec<bool> = rows.iter().map(|row| row[0] == row[1]).collect();
    let reliability = Reliability::from_pairs(&confidence, &correct, Bins::EqualWidth(bins)).unwrap();
    Some(reliability.expected_calibration_error())
}

#[test]
fn the_published_reliability_diagrams_have_their_calibration_errors() {
    let known = [
        ("resnet110_cifar10.csv", [0.047_504, 0.047_504, 0.047_504]),
        ("snacks.csv", [0.024_427, 0.027_979, 0.026_191]),
    ];
    for (file, errors) in known {
        for (bins, wanted) in [10, 15, 20].into_iter().zip(errors) {
            let Some(ece) = ece_of_file(file, bins) else { return };
            assert_near(ece, wanted, 1e-6);
        }
    }
}

#[test]
fn the_papers_sce_splits_by_the_truth_and_so_is_not_zero_for_a_calibrated_classifier() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let p =
        Probabilities::new(classes.clone(), Array2::from_shape_fn((4, 2), |(_, k)| [0.75, 0.25][k])).unwrap();
    let y = Labels::new(classes, vec![0, 0, 0, 1]).unwrap();
    assert_close(classwise_calibration_error(&p, &y, Bins::EqualWidth(20)).unwrap(), 0.0, "calibrated");
    // Class a: 3 samples, all right, p_a = 0.75: 3/4 · 0.25; class b: 1 sample, wrong, p_b = 0.25: 1/4 · 0.25.
    assert_close(sce_as_in_ldl_paper(&p, &y, 20).unwrap(), 0.5 * (0.75 * 0.25 + 0.25 * 0.25), "SCE");
}

#[test]
fn a_temperature_without_a_minimum_has_its_bound() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let z = Logits::new(classes.clone(), array![[2.0, 0.0], [0.0, 1.0]]).unwrap();
    let fit = |indices| TemperatureFit::fit(&z, &Labels::new(classes.clone(), indices).unwrap()).unwrap();
    let right = fit(vec![0, 1]);
    assert_eq!(right.bound, Some(Bound::Coldest));
    assert_close(right.temperature.value(), (-10_f64).exp(), "coldest");
    let wrong = fit(vec![1, 0]);
    assert_eq!(wrong.bound, Some(Bound::Hottest));
    assert_near(wrong.loss_after, 2_f64.ln(), 1e-4);
    let refusal = |fit: TemperatureFit, samples| fit.check(samples, "a.h5").unwrap_err().to_string();
    assert!(
        refusal(right, 50)
            .starts_with("a.h5: T = 4.5e-5, and lower ones are better still: every prediction is right; ")
    );
    assert!(
        refusal(wrong, 50)
            .contains("and higher ones are better still: predictions are no better than uniform")
    );
    assert!(refusal(wrong, 29).contains("from 29 samples is too uncertain; fit it to 30 or more"));
    // The paper's procedure stops somewhere; that lower ones are better still is told, too.
    let by_adam = TemperatureFit::as_in_ldl_paper(&z, &Labels::new(classes.clone(), vec![0, 1]).unwrap());
    assert!(by_adam.ok().is_none_or(|fit| fit.bound == Some(Bound::Coldest)));
    let uniform = Logits::new(classes.clone(), array![[3.0, 3.0], [0.0, 0.0]]).unwrap();
    let flat = TemperatureFit::fit(&uniform, &Labels::new(classes.clone(), vec![0, 0]).unwrap()).unwrap();
    assert_eq!((flat.temperature, flat.bound), (Temperature::ONE, None));
    // A vector scaling of separable classes has no minimum either.
    let vector = VectorFit::fit(&z, &Labels::new(classes, vec![0, 1]).unwrap()).unwrap();
    assert!(vector.loss_after < 1e-6);
}

#[test]
fn what_cannot_be_calibrated_is_refused_in_one_line() {
    let two = Classes::named(["a", "b"]).unwrap();
    let three = Classes::named(["a", "b", "c"]).unwrap();
    let p = Probabilities::new(two.clone(), array![[0.5, 0.5]]).unwrap();
    let y = |classes: &Classes, n| Labels::new(classes.clone(), vec![0; n]).unwrap();
    let refused = |error: lcz::Error, wanted: &str| {
        let text = error.to_string();
        assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
    };
    let bins = Bins::default();
    refused(Reliability::compute(&p, &y(&two, 2), bins).unwrap_err(), "2 labels, 1 predictions");
    refused(Reliability::compute(&p, &y(&three, 1), bins).unwrap_err(), "classes a b c");
    refused(
        Reliability::compute(&p, &y(&two, 1), Bins::EqualWidth(0)).unwrap_err(),
        "0 bins, not 1 to 10000",
    );
    refused(
        Reliability::compute(&p, &y(&two, 1), Bins::EqualMass(1 << 60)).unwrap_err(),
        "bins, not 1 to 10000",
    );
    refused(Reliability::compute_class(&p, &y(&two, 1), 2, bins).unwrap_err(), "no class 2");
    refused(Reliability::from_pairs(&[0.5, 1.5], &[true, true], bins).unwrap_err(), "row 1: 1.5");
    refused(Reliability::from_pairs(&[f64::NAN], &[true], bins).unwrap_err(), "row 0: NaN");
    refused(Reliability::from_pairs(&[], &[], bins).unwrap_err(), "0 confidences");
    refused(Reliability::from_pairs(&[0.5], &[], bins).unwrap_err(), "1 confidences, 0 outcomes");
    let z = Logits::new(two.clone(), array![[0.0, 1.0], [f64::NEG_INFINITY, 0.0]]).unwrap();
    refused(TemperatureFit::fit(&z, &y(&two, 2)).unwrap_err(), "logits, row 1: class 0");
    refused(VectorFit::fit(&z, &y(&two, 2)).unwrap_err(), "logits, row 1: a class has probability 0");
    let wider = Logits::new(three.clone(), array![[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]).unwrap();
    let fit = VectorFit::fit(&Logits::new(two.clone(), array![[0.0, 1.0]]).unwrap(), &y(&two, 1)).unwrap();
    refused(fit.scaling.apply(&wider).unwrap_err(), "fitted to a b");
}

/// Logits, and labels drawn from the softmax of logits / T: T is the temperature to find.
fn planted(seed: u64, n: usize, t: f64) -> (Logits, Labels) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let classes = Classes::from_count(5);
    let true_z = Array2::from_shape_fn((n, 5), |_| rng.gen_range(-3.0..3.0));
    let p = Logits::new(classes.clone(), true_z.clone()).unwrap().softmax(Temperature::ONE);
    let draw = |row: ndarray::ArrayView1<'_, f64>, u: f64| {
        let mut rest = u;
        row.iter()
            .position(|p| {
                rest -= p;
                rest < 0.0
            })
            .unwrap_or(4)
    };
    let indices = p.view().outer_iter().map(|row| draw(row, rng.r#gen())).collect();
    (Logits::new(classes.clone(), true_z * t).unwrap(), Labels::new(classes, indices).unwrap())
}

fn distribution(weights: &[f64]) -> Vec<f64> {
    let total: f64 = weights.iter().sum();
    weights.iter().map(|w| w / total).collect()
}

prop_compose! {
    /// Weights of up to 40 samples over 4 classes, and labels.
    fn samples()(rows in prop::collection::vec((prop::array::uniform4(1e-6..1.0_f64), 0..4_usize), 1..40))
        -> (Vec<Vec<f64>>, Vec<usize>) {
        rows.into_iter().map(|(weights, label)| (distribution(&weights), label)).unzip()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calibration_errors_do_not_depend_on_the_order_of_samples((rows, truth) in samples(), turn in 0..40_usize, bins in 1..30_usize) {
        let classes = Classes::from_count(4);
        let errors = |order: &[usize]| {
            let p = Array2::from_shape_fn((rows.len(), 4), |(n, k)| rows[order[n]][k]);
            let p = Probabilities::new(classes.clone(), p).unwrap();
            let y = Labels::new(classes.clone(), order.iter().map(|&n| truth[n]).collect()).unwrap();
            [
                expected_calibration_error(&p, &y, Bins::EqualWidth(bins)).unwrap(),
                maximum_calibration_error(&p, &y, Bins::EqualWidth(bins)).unwrap(),
                equal_mass_calibration_error(&p, &y, bins).unwrap(),
                classwise_calibration_error(&p, &y, Bins::EqualWidth(bins)).unwrap(),
                sce_as_in_ldl_paper(&p, &y, bins).unwrap(),
            ]
        };
        let order: Vec<usize> = (0..rows.len()).collect();
        let mut other = order.clone();
        other.rotate_left(turn % rows.len());
        other.reverse();
        for (a, b) in errors(&order).into_iter().zip(errors(&other)) {
            prop_assert!((a - b).abs() < 1e-12 && (0.0..=1.0).contains(&a), "{a} {b}");
        }
    }

    #[test]
    fn cross_entropy_is_divergence_and_entropy((rows, _) in samples(), (labels, _) in samples()) {
        let n = rows.len().min(labels.len());
        let table = |rows: &[Vec<f64>]| Array2::from_shape_fn((n, 4), |(n, k)| rows[n][k]);
        let p = Probabilities::new(Classes::from_count(4), table(&rows)).unwrap();
        let y = LabelDistributions::new(Classes::from_count(4), table(&labels)).unwrap();
        let entropy = y.entropy().iter().sum::<f64>() / n as f64;
        let both = kl_divergence_loss(&p, &y, Floor::NONE).unwrap() + entropy;
        prop_assert!((cross_entropy_loss(&p, &y, Floor::NONE).unwrap() - both).abs() < 1e-12);
    }

    #[test]
    fn a_planted_temperature_is_found(ln_t in 0.3_f64.ln()..12_f64.ln(), seed in 0..1000_u64) {
        let t = ln_t.exp();
        let (z, y) = planted(seed, 4000, t);
        let fit = TemperatureFit::fit(&z, &y).unwrap();
        // Soft labels that are the tempered softmax itself leave no noise: T to rounding.
        let soft = z.softmax(Temperature::new(t).unwrap());
        let soft = LabelDistributions::new(soft.classes().clone(), soft.view().to_owned()).unwrap();
        let exact = TemperatureFit::fit(&z, &soft).unwrap().temperature.value();
        prop_assert!((exact / t - 1.0).abs() < 1e-9, "{exact}, not {t}");
        // Drawn labels: the standard error of ln T at N = 4000 is about 0.02.
        prop_assert!((fit.temperature.value() / t).ln().abs() < 0.12, "{}, not {t}", fit.temperature.value());
        prop_assert!(fit.loss_after <= fit.loss_before && fit.bound.is_none());
    }
}
