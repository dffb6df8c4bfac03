//! Distances between distributions, agreement of votes, sets of classes and risk against SciPy, python-ldl,
//! statsmodels, mapie and brute force; the promises of conformal sets by drawing.

mod support;

use lcz::metrics::{ConfusionMatrix, DistributionDistances, Similarity, fleiss_kappa_score};
use lcz::uncertainty::{Conformal, ConformalSettings, Members, RiskCoverage, SetScore};
use lcz::{Classes, LabelDistributions, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::{Array2, ArrayView1, array};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use support::{assert_close, assert_near, labels, number, numbers, table};

/// What other libraries say; made by `vectors/make_distributions.py`.
fn oracles() -> Value {
    serde_json::from_str(include_str!("vectors/distributions.json")).unwrap()
}

fn refused(error: &lcz::Error, wanted: &str) {
    let text = error.to_string();
    assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
}

#[test]
fn distances_are_those_of_scipy_and_python_ldl_also_where_both_shares_are_zero() {
    let case = &oracles()["distances"];
    let classes = Classes::from_count(6);
    let p = Probabilities::new(classes.clone(), table(&case["p"])).unwrap();
    let y = LabelDistributions::new(classes, table(&case["y"])).unwrap();
    let got = DistributionDistances::compute(&p, &y).unwrap();
    for (got, name) in [
        (got.jensen_shannon_divergence, "jensen_shannon"),
        (got.chebyshev_distance, "chebyshev"),
        (got.clark_distance, "clark"),
        (got.canberra_distance, "canberra"),
        (got.cosine_similarity, "cosine"),
        (got.intersection_similarity, "intersection"),
    ] {
        assert_near(got, number(&case[name]), 1e-10);
    }
}

#[test]
fn fleiss_kappa_is_that_of_statsmodels_also_with_a_class_that_nobody_chose() {
    let case = &oracles()["fleiss"];
    let votes = |counts: Array2<f32>| Votes::new(Classes::from_count(5), counts).unwrap();
    let counts = table(&case["votes"]).mapv(|v| v as f32);
    assert_close(fleiss_kappa_score(&votes(counts)).unwrap(), number(&case["kappa"]), "kappa");
    let unequal = votes(array![[2.0, 0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0, 2.0]]);
    refused(&fleiss_kappa_score(&unequal).unwrap_err(), "votes, row 1: 3 votes");
    let single = votes(array![[1.0, 0.0, 0.0, 0.0, 0.0]]);
    refused(&fleiss_kappa_score(&single).unwrap_err(), "two at least");
    let unanimous = votes(array![[4.0, 0.0, 0.0, 0.0, 0.0], [4.0, 0.0, 0.0, 0.0, 0.0]]);
    assert!(fleiss_kappa_score(&unanimous).unwrap().is_nan());
}

#[test]
fn sets_are_those_of_mapie_and_of_the_definition() {
    let case = &oracles()["conformal"];
    let classes = Classes::from_count(5);
    let p = Probabilities::new(classes.clone(), table(&case["p"])).unwrap();
    let test = Probabilities::new(classes.clone(), table(&case["test"])).unwrap();
    let y = labels(&classes, &case["labels"]);
    for (score, name) in [(SetScore::Lac, "lac"), (SetScore::Aps, "aps"), (SetScore::RAPS, "raps")] {
        let settings = ConformalSettings { score, alpha: 0.1, allow_empty: true, ..Default::default() };
        let sets = Conformal::fit(&p, &y, settings).unwrap().sets(&test).unwrap();
        let got = sets.view().mapv(|inside| f64::from(u8::from(inside)));
        assert_eq!(got, table(&case["sets"][name]), "{name}");
        // The same labels as distributions of one class each.
        let of_shares = Conformal::fit(&p, &y.one_hot(), settings).unwrap().sets(&test).unwrap();
        assert_eq!(of_shares, sets, "{name}");
    }
}

#[test]
fn areas_under_the_risk_are_means_over_all_orders_of_tied_samples() {
    for case in oracles()["aurc"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let curve = RiskCoverage::compute(&numbers(&case["confidence"]), &numbers(&case["losses"])).unwrap();
        assert_close(curve.aurc, number(&case["aurc"]), name);
        assert_close(curve.best_aurc, number(&case["best"]), name);
        let last = curve.points.last().unwrap();
        assert_close(last.coverage, 1.0, name);
        assert_close(last.risk, curve.risk, name);
    }
    refused(&RiskCoverage::compute(&[0.5, f64::NAN], &[0.0, 1.0]).unwrap_err(), "row 1");
    refused(&RiskCoverage::compute(&[], &[]).unwrap_err(), "at least one");
    refused(&RiskCoverage::compute(&[0.5], &[]).unwrap_err(), "1 confidences, 0 losses");
}

#[test]
fn an_empty_set_is_given_the_predicted_class_unless_it_may_be_empty() {
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    let sure =
        Probabilities::new(classes.clone(), Array2::from_shape_fn((19, 3), |(_, k)| [0.9, 0.1, 0.0][k]));
    let sure = sure.unwrap();
    let y = Labels::new(classes.clone(), vec![0; 19]).unwrap();
    let unsure = Probabilities::new(classes, array![[0.3, 0.4, 0.3]]).unwrap();
    let fit = |allow_empty| {
        Conformal::fit(&sure, &y, ConformalSettings { allow_empty, ..Default::default() }).unwrap()
    };
    assert_eq!(fit(true).sets(&unsure).unwrap().sizes(), [0]);
    assert_eq!(fit(false).sets(&unsure).unwrap().view().row(0).to_vec(), [false, true, false]);
}

#[test]
fn too_few_calibration_samples_promise_nothing_but_every_class() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let p = Probabilities::new(classes.clone(), array![[0.9, 0.1], [0.2, 0.8]]).unwrap();
    let y = Labels::new(classes.clone(), vec![0, 1]).unwrap();
    let conformal = Conformal::fit(&p, &y, ConformalSettings::default()).unwrap();
    assert!(conformal.threshold.is_infinite());
    let sets = conformal.sets(&p).unwrap();
    assert_eq!(sets.sizes(), [2, 2]);
    let by_class = sets.by_class(&Labels::new(classes.clone(), vec![0, 0]).unwrap()).unwrap();
    assert_eq!((by_class[0].samples, by_class[0].coverage, by_class[0].mean_size), (2, 1.0, 2.0));
    assert!(by_class[1].coverage.is_nan());
    let settings = |alpha, score| ConformalSettings { alpha, score, ..Default::default() };
    let error = |settings| Conformal::fit(&p, &y, settings).unwrap_err();
    refused(&error(settings(1.0, SetScore::Lac)), "conformal alpha: 1");
    refused(&error(settings(f64::NAN, SetScore::Lac)), "conformal alpha: NaN");
    refused(&error(settings(0.1, SetScore::Raps { lambda: -1.0, k_reg: 2 })), "RAPS lambda: -1");
    let other = Probabilities::new(Classes::named(["c", "d"]).unwrap(), array![[0.5, 0.5]]).unwrap();
    refused(&conformal.sets(&other).unwrap_err(), "calibrated on a b");
}

#[test]
fn entropy_of_an_ensemble_is_what_members_are_unsure_of_and_what_they_disagree_about() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let p = |rows| Probabilities::new(classes.clone(), rows).unwrap();
    let members =
        Members::new(vec![p(array![[0.9, 0.1], [0.5, 0.5]]), p(array![[0.3, 0.7], [0.5, 0.5]])]).unwrap();
    let h = |p: f64| -(p * p.ln() + (1.0 - p) * (1.0 - p).ln());
    let entropy = members.entropy();
    assert_close(entropy.total[0], h(0.6), "H of the mean");
    assert_close(entropy.aleatoric[0], 0.5 * (h(0.9) + h(0.3)), "mean H");
    assert_close(entropy.epistemic[0], h(0.6) - 0.5 * (h(0.9) + h(0.3)), "difference");
    assert_close(entropy.epistemic[1], 0.0, "agreed that it is open");
    assert_close(members.mean().confidence()[0], 0.6, "confidence");
    assert_close(members.confidence_as_in_ldl_paper()[0], 0.8, "the paper's");
    assert!(Members::new(vec![]).is_err());
    assert!(Members::new(vec![p(array![[0.9, 0.1]]), p(array![[0.9, 0.1], [0.5, 0.5]])]).is_err());
}

#[test]
fn weights_of_similar_classes_are_read_from_a_csv_that_may_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let classes = Classes::named(["a", "b"]).unwrap();
    let read = |text: &str| {
        let path = folder.path().join("similarity.csv");
        std::fs::write(&path, text).unwrap();
        Similarity::read_csv(&path, &classes)
    };
    let confusion = ConfusionMatrix::from_counts(classes.clone(), array![[3, 1], [2, 4]]).unwrap();
    for text in
        ["1,0.5\n0.25,1\n", ",a,b\na,1,0.5\nb,0.25,1\n", "\"zone\",\"a\",\"b\"\n\"a\",1, 0.5\n\nb,0.25,1"]
    {
        let weighted = confusion.weighted_accuracy_score(&read(text).unwrap()).unwrap();
        assert_close(weighted, (3.0 + 0.5 + 2.0 * 0.25 + 4.0) / 10.0, text);
    }
    let identity = Similarity::new(classes.clone(), array![[1.0, 0.0], [0.0, 1.0]]).unwrap();
    let plain = confusion.weighted_accuracy_score(&identity).unwrap();
    assert_close(plain, confusion.overall_accuracy_score(), "identity");
    refused(&read("1,0.5\n0.25,x\n").unwrap_err(), "similarity.csv, line 2: weight 'x'");
    refused(&read("1,0.5\n0.25,1.5\n").unwrap_err(), "line 2: weight '1.5'");
    refused(&read("1,0.5\n").unwrap_err(), "1 rows of weights for 2 classes");
    refused(&read("1,0.5\n0.25\n").unwrap_err(), "line 2: row 'b' of 1 weights");
    refused(&read(",b,a\nb,1,0.5\na,0.25,1\n").unwrap_err(), "line 1: columns b a, not a b");
    refused(&read(",a,b\nb,1,0.5\na,0.25,1\n").unwrap_err(), "line 2: row 'b'");
    refused(&read("").unwrap_err(), "0 rows of weights");
    let other = ConfusionMatrix::empty(Classes::named(["c", "d"]).unwrap());
    refused(&other.weighted_accuracy_score(&identity).unwrap_err(), "classes a b, predictions of c d");
}

/// A class by its probability.
fn draw(p: ArrayView1<'_, f64>, rng: &mut ChaCha8Rng) -> usize {
    let mut rest = rng.r#gen::<f64>();
    let hit = |p: &f64| {
        rest -= p;
        rest < 0.0
    };
    p.iter().position(hit).unwrap_or(p.len() - 1)
}

/// Overconfident predictions, by a factor of 2 in the logits, labels, and ten votes, drawn from the truth.
fn drawn(rng: &mut ChaCha8Rng, n: usize) -> (Probabilities, Labels, LabelDistributions) {
    let classes = Classes::from_count(4);
    let z =
        Logits::new(classes.clone(), Array2::from_shape_fn((n, 4), |_| rng.gen_range(-2.0..2.0))).unwrap();
    let truth = z.softmax(Temperature::ONE);
    let indices = truth.view().outer_iter().map(|row| draw(row, rng)).collect();
    let mut votes = Array2::<f32>::zeros((n, 4));
    for (mut votes, p) in votes.outer_iter_mut().zip(truth.view().outer_iter()) {
        (0..10).for_each(|_| votes[draw(p, rng)] += 1.0);
    }
    let y = Votes::new(classes.clone(), votes).unwrap().distributions();
    (z.softmax(Temperature::new(0.5).unwrap()), Labels::new(classes, indices).unwrap(), y)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sets_cover_the_truth_as_often_as_promised(
        seed in 0..10_000_u64, alpha in 0.05..0.4_f64, kind in 0..3_usize, random: bool, allow_empty: bool,
    ) {
        let (n, test) = (1000, 1000);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (p, y, votes) = drawn(&mut rng, n);
        let (p_test, y_test, votes_test) = drawn(&mut rng, test);
        let score = [SetScore::Lac, SetScore::Aps, SetScore::RAPS][kind];
        let settings = ConformalSettings {
            score,
            alpha,
            randomised: random.then_some(seed),
            allow_empty,
            ..Default::default()
        };
        let fit = Conformal::fit(&p, &y, settings).unwrap();
        let coverage = fit.sets(&p_test).unwrap().coverage(&y_test).unwrap();
        // Coverage is Beta around 1 − α, of which the test set is a binomial sample: five deviations.
        let deviation = (alpha * (1.0 - alpha) * (1.0 / n as f64 + 1.0 / test as f64)).sqrt();
        prop_assert!(coverage > 1.0 - alpha - 5.0 * deviation, "{coverage} at α = {alpha}");
        // LAC, and what is randomised, cover no more than that, unless empty sets are filled.
        if allow_empty && (random || kind == 0) {
            prop_assert!(coverage < 1.0 - alpha + 1.0 / n as f64 + 5.0 * deviation, "{coverage} at α = {alpha}");
        }
        let of_votes = Conformal::fit(&p, &votes, settings).unwrap();
        let covered = of_votes.sets(&p_test).unwrap().coverage(&votes_test).unwrap();
        prop_assert!(covered > 1.0 - alpha - 5.0 * deviation, "{covered} of the votes at α = {alpha}");
        prop_assert_eq!(fit, Conformal::fit(&p, &y, settings).unwrap());
    }
}
