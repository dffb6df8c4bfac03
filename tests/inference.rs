//! Smooth and debiased calibration errors, conformal sets per class and group, and Krippendorff's alpha against
//! other libraries; and the small inputs on which they once went wrong.

mod support;

use lcz::calibration::{Bins, DebiasedError, SmoothCalibration, VectorFit};
use lcz::metrics::krippendorff_alpha_score;
use lcz::uncertainty::{Conformal, ConformalSettings, Coverage, GroupConformal, SetScore};
use lcz::{Classes, Labels, Logits, Probabilities, Votes};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use support::{assert_near, labels, number, numbers, table};

/// Made by `vectors/make_inference.py`.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/inference.json")).unwrap()
}

#[test]
fn the_smooth_error_is_that_of_relplot_and_of_a_cosine_series() {
    for case in vectors()["smooth"].as_array().unwrap() {
        let (confidence, outcome) = (numbers(&case["confidence"]), numbers(&case["outcome"]));
        let smooth = SmoothCalibration::compute(&confidence, &outcome).unwrap();
        assert_near(smooth.error, number(&case["error"]), 1e-4);
        // relplot's bandwidth is a multiple of 1/1024.
        assert_near(smooth.error, number(&case["relplot"]), 2e-3);
        let mass: f64 = smooth.curve.iter().map(|point| point.density / 400.0).sum();
        assert_near(mass, 1.0, 1e-6);
    }
    assert!(
        SmoothCalibration::compute(&[0.5, 1.5], &[0.0, 1.0]).unwrap_err().to_string().contains("row 1: 1.5")
    );
    assert!(SmoothCalibration::compute(&[], &[]).is_err());
}

#[test]
fn the_debiased_square_is_that_of_uncertainty_calibration() {
    let case = &vectors()["debiased"];
    let (confidence, outcome) = (numbers(&case["confidence"]), numbers(&case["outcome"]));
    let error = DebiasedError::compute(&confidence, &outcome, Bins::EqualWidth(15), 0.95).unwrap();
    assert_near(error.value, number(&case["value"]), 1e-12);
    // Every confidence is 0.05 too high.
    assert!(error.lower <= 0.0025 && 0.0025 <= error.upper, "{error:?}");
}

#[test]
fn sets_per_class_and_per_group_are_those_of_crepes() {
    let case = &vectors()["conformal"];
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    let p = table(&case["p"]);
    let y = labels(&classes, &case["y"]);
    let groups: Vec<i32> = numbers(&case["groups"]).into_iter().map(|g| g as i32).collect();
    let half = number(&case["calibration"]) as usize;
    let rows = |from: usize, to: usize| {
        let rows: Vec<usize> = (from..to).collect();
        let p = Probabilities::new(classes.clone(), p.select(ndarray::Axis(0), &rows)).unwrap();
        let y = Labels::new(classes.clone(), rows.iter().map(|&n| y.indices()[n]).collect()).unwrap();
        (p, y)
    };
    let ((p, y), (others, _)) = (rows(0, half), rows(half, groups.len()));
    let alpha = number(&case["alpha"]);
    let settings = |coverage| ConformalSettings { alpha, allow_empty: true, coverage, ..Default::default() };
    for (coverage, name) in [(Coverage::Marginal, "marginal"), (Coverage::EachClass, "by_class")] {
        let sets = Conformal::fit(&p, &y, settings(coverage)).unwrap().sets(&others).unwrap();
        assert_eq!(sets.view().mapv(|inside| f64::from(u8::from(inside))), table(&case[name]), "{name}");
    }
    let conformal = GroupConformal::fit(&p, &y, &groups[..half], settings(Coverage::Marginal)).unwrap();
    let sets = conformal.sets(&others, &groups[half..]).unwrap();
    let json = serde_json::to_string(&conformal).unwrap();
    assert_eq!(serde_json::from_str::<GroupConformal>(&json).unwrap(), conformal);
    assert!(
        serde_json::from_str::<GroupConformal>(&json.replace("\"classes\":[", "\"classes\":[\"x\","))
            .is_err()
    );
    assert_eq!(sets.view().mapv(|inside| f64::from(u8::from(inside))), table(&case["by_group"]));
    let error = conformal.sets(&others, &vec![7; groups.len() - half]).unwrap_err().to_string();
    assert!(error.contains("group 7 was not calibrated"), "{error}");
}

#[test]
fn each_class_is_covered_where_one_threshold_misses_rare_ones() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let classes = Classes::named(["common", "rare"]).unwrap();
    let mut draw = |n: usize| {
        let truth: Vec<usize> = (0..n).map(|_| usize::from(random.gen_bool(0.1))).collect();
        let p = Array2::from_shape_fn((n, 2), |(n, k)| {
            // The rare class is found in half of the cases only.
            let sure = if truth[n] == 0 { 0.9 } else { 0.45 };
            let right = sure + 0.1 * (((n * 37) % 101) as f64 / 101.0 - 0.5);
            if k == truth[n] { right } else { 1.0 - right }
        });
        (Probabilities::new(classes.clone(), p).unwrap(), Labels::new(classes.clone(), truth).unwrap())
    };
    let ((p, y), (others, truth)) = (draw(2000), draw(4000));
    let rare = |coverage| {
        let settings = ConformalSettings { coverage, ..Default::default() };
        let sets = Conformal::fit(&p, &y, settings).unwrap().sets(&others).unwrap();
        sets.by_class(&truth).unwrap()[1].coverage
    };
    assert!(rare(Coverage::Marginal) < 0.75 && rare(Coverage::EachClass) > 0.85);
}

#[test]
fn calibration_rows_are_in_their_own_sets_where_every_score_is_one() {
    // Probabilities whose sum, added up from the largest, misses 1 by rounding.
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    let mut p = Array2::from_shape_fn((60, 3), |_| random.gen_range(0.001..1.0));
    for mut row in p.outer_iter_mut() {
        let total = row.sum();
        row /= total;
    }
    let p = Probabilities::new(classes.clone(), p).unwrap();
    let least = |n: usize| {
        let row = p.view().row(n).to_vec();
        (0..3).min_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
    };
    let y = Labels::new(classes, (0..60).map(least).collect()).unwrap();
    let raps = SetScore::Raps { lambda: 0.01, k_reg: 2 };
    for (score, alpha) in [SetScore::Aps, raps].into_iter().flat_map(|score| [(score, 0.1), (score, 0.5)]) {
        let settings = ConformalSettings { score, alpha, allow_empty: true, ..Default::default() };
        let sets = Conformal::fit(&p, &y, settings).unwrap().sets(&p).unwrap();
        assert_near(sets.coverage(&y).unwrap(), 1.0, 0.0);
    }
}

#[test]
fn a_very_confident_network_keeps_its_least_probabilities_apart() {
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    // 1 − p is 1 for both of the small ones.
    let row = |n: usize| if n < 15 { [1.0, 1e-18, 1e-30] } else { [1e-18, 1.0, 1e-30] };
    let p = Array2::from_shape_fn((100, 3), |(n, k)| row(n)[k]);
    let p = Probabilities::new(classes.clone(), p).unwrap();
    let y = Labels::new(classes, (0..100).map(|n| usize::from(n >= 30)).collect()).unwrap();
    let sets = Conformal::fit(&p, &y, ConformalSettings::default()).unwrap().sets(&p).unwrap();
    assert!(sets.sizes().iter().all(|&size| size == 2), "{:?}", sets.sizes());
}

#[test]
fn vector_scaling_is_converged_at_its_minimum() {
    for seed in 0..6 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let classes = Classes::from_count(10);
        let z = Array2::from_shape_fn((500, 10), |_| 3.0 * random.gen_range(-1.0..1.0));
        let y: Vec<usize> = z
            .outer_iter()
            .map(|row| {
                let noisy: Vec<f64> = row.iter().map(|z| 0.4 * z + random.gen_range(-2.0..2.0)).collect();
                (0..10).max_by(|&a, &b| noisy[a].total_cmp(&noisy[b])).unwrap()
            })
            .collect();
        let z = Logits::new(classes.clone(), z).unwrap();
        let fit = VectorFit::fit(&z, &Labels::new(classes, y).unwrap()).unwrap();
        assert!(fit.converged, "seed {seed}: {} steps", fit.steps);
    }
}

#[test]
fn alpha_of_different_numbers_of_votes_is_krippendorffs() {
    let case = &vectors()["krippendorff"];
    let votes = table(&case["votes"]).mapv(|v| v as f32);
    let votes = Votes::new(Classes::from_count(4), votes).unwrap();
    assert_near(krippendorff_alpha_score(&votes).unwrap(), number(&case["alpha"]), 1e-12);
    let one = Votes::new(Classes::from_count(4), Array2::eye(4)).unwrap();
    assert!(krippendorff_alpha_score(&one).is_err());
}
