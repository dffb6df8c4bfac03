//! Scores and losses against scikit-learn, `SciPy` and hand sums.

use std::path::PathBuf;

use lcz::metrics::{
    ClassSet, ConfusionMatrix, Floor, Scores, Similarity, brier_loss, cross_entropy_loss, kl_divergence_loss,
    logits_cross_entropy_loss,
};
use lcz::{Classes, LabelDistributions, Labels, Logits, Probabilities, Votes};
use ndarray::{Array2, array};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

/// What scikit-learn and `SciPy` say; made by `vectors/make_metrics.py`.
fn vectors() -> Value {
    serde_json::from_str(include_str!("vectors/metrics.json")).unwrap()
}

/// A number; null is NaN.
fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NAN } else { value.as_f64().unwrap() }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

fn table(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

fn labels(classes: &Classes, value: &Value) -> Labels {
    Labels::new(classes.clone(), numbers(value).into_iter().map(|k| k as usize).collect()).unwrap()
}

#[track_caller]
fn assert_close(got: f64, wanted: f64, what: &str) {
    let same = (got.is_nan() && wanted.is_nan()) || got.total_cmp(&wanted).is_eq(); // NaN, ∞
    let close = same || (got - wanted).abs() <= 1e-12 * wanted.abs().max(1.0);
    assert!(close, "{what}: {got}, not {wanted}");
}

/// Every score of a matrix against scikit-learn's.
fn assert_scores(confusion: &ConfusionMatrix, wanted: &Value, case: &str) {
    assert_eq!(confusion.counts().mapv(|count| count as f64), table(&wanted["counts"]), "{case}: counts");
    assert_close(confusion.overall_accuracy_score(), number(&wanted["overall_accuracy"]), case);
    assert_close(confusion.average_accuracy_score(), number(&wanted["average_accuracy"]), case);
    assert_close(confusion.kappa_score(), number(&wanted["kappa"]), case);
    for (over, name) in [(ClassSet::Present, "macro_present"), (ClassSet::All, "macro_all")] {
        let wanted = &wanted[name];
        let case = format!("{case}, {name}");
        assert_close(confusion.macro_precision_score(over), number(&wanted["precision"]), &case);
        assert_close(confusion.macro_recall_score(over), number(&wanted["recall"]), &case);
        assert_close(confusion.macro_f1_score(over), number(&wanted["f1"]), &case);
        assert_close(confusion.mean_iou_score(over), number(&wanted["iou"]), &case);
    }
    let weighted = &wanted["weighted"];
    // The label distribution paper reads these two off scikit-learn's report, and calls them accuracies.
    let macro_precision = number(&wanted["macro_present"]["precision"]);
    assert_close(confusion.maa_as_in_ldl_paper(), macro_precision, case);
    assert_close(confusion.waa_as_in_ldl_paper(), number(&weighted["precision"]), case);
    assert_close(confusion.weighted_precision_score(), number(&weighted["precision"]), case);
    assert_close(confusion.weighted_recall_score(), number(&weighted["recall"]), case);
    assert_close(confusion.weighted_f1_score(), number(&weighted["f1"]), case);
    for (k, row) in confusion.per_class().iter().enumerate() {
        let wanted = |score: &str| number(&wanted["per_class"][score][k]);
        let case = format!("{case}, class {k}");
        assert_close(row.precision, wanted("precision"), &case);
        assert_close(row.recall, wanted("recall"), &case);
        assert_close(row.f1, wanted("f1"), &case);
        assert_close(row.support as f64, wanted("support"), &case);
    }
}

#[test]
fn scores_are_those_of_scikit_learn_whatever_classes_are_absent() {
    for case in vectors()["cases"].as_array().unwrap() {
        let classes = Classes::from_count(number(&case["classes"]) as usize);
        let reference = labels(&classes, &case["reference"]);
        let predicted = labels(&classes, &case["predicted"]);
        let confusion = ConfusionMatrix::from_labels(&reference, &predicted).unwrap();
        assert_scores(&confusion, case, case["name"].as_str().unwrap());
    }
}

#[test]
fn a_trained_network_on_real_patches_scores_what_scikit_learn_says() {
    let stated = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
    let folder = stated
        .clone()
        .unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")));
    let path = folder.join("so2sat_test/sen2lcz_true_pred.csv");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if stated.is_none() => {
            eprintln!("skipped: {}: {error} (set LCZ_REAL_DATA)", path.display());
            return;
        }
        Err(error) => panic!("LCZ_REAL_DATA is set, but {}: {error}", path.display()),
    };
    let rows = text.lines().skip(1).map(|line| line.split_once(',').unwrap());
    let zone = |number: &str| number.parse::<usize>().unwrap() - 1;
    let (truth, guess) = rows.map(|(t, p)| (zone(t), zone(p))).unzip();
    let reference = Labels::new(Classes::lcz(), truth).unwrap();
    let predicted = Labels::new(Classes::lcz(), guess).unwrap();
    let confusion = ConfusionMatrix::from_labels(&reference, &predicted).unwrap();
    assert_eq!(confusion.total(), 24_188);
    assert_scores(&confusion, &vectors()["so2sat_test"], "So2Sat test set");
    // Built zones are the first ten of both lists: counted here sample by sample.
    let pairs = || reference.indices().iter().zip(predicted.indices());
    let right = pairs().filter(|(t, p)| **t < 10 && t == p).count() as f64;
    let built = pairs().filter(|(t, _)| **t < 10).count() as f64;
    assert_close(confusion.built_recall_score().unwrap(), right / built, "of built references");
    // Two independent counts in Python.
    let similarity = Similarity::published(reference.classes()).unwrap();
    let exact = Similarity::exact_of_zones(reference.classes()).unwrap();
    for (got, wanted) in [
        (confusion.built_accuracy_score().unwrap(), 0.664_820),
        (confusion.built_recall_score().unwrap(), 0.646_762),
        (confusion.built_or_natural_accuracy_score().unwrap(), 0.967_215),
        (confusion.weighted_accuracy_score(&similarity).unwrap(), 0.933_656),
        (confusion.weighted_kappa_score(&similarity).unwrap(), 0.833_137),
        (confusion.weighted_accuracy_score(&exact).unwrap(), 0.933_331),
    ] {
        assert!((got - wanted).abs() < 1e-6, "{got}, not {wanted}");
    }
    let same_kind = pairs().filter(|(t, p)| (**t < 10) == (**p < 10)).count() as f64;
    assert_close(confusion.built_or_natural_accuracy_score().unwrap(), same_kind / 24_188.0, "OA_bu");
}

#[test]
fn losses_are_those_of_scikit_learn_and_scipy() {
    let all = vectors();
    let wanted = &all["losses"];
    let loss = |name: &str| number(&wanted[name]);
    let classes = Classes::from_count(5);
    let z = Logits::new(classes.clone(), table(&wanted["logits"])).unwrap();
    let p = Probabilities::new(classes.clone(), table(&wanted["probabilities"])).unwrap();
    let y = labels(&classes, &wanted["labels"]);
    let votes = Votes::new(classes.clone(), table(&wanted["votes"]).mapv(|v| v as f32)).unwrap();
    let v = votes.distributions();

    let floor = Floor::SCIKIT_LEARN;
    assert_close(cross_entropy_loss(&p, &y, floor).unwrap(), loss("log_loss"), "log loss");
    assert_close(cross_entropy_loss(&p, &v, floor).unwrap(), loss("cross_entropy_of_votes"), "of votes");
    assert_close(kl_divergence_loss(&p, &v, floor).unwrap(), loss("kl_divergence"), "KL");
    assert_close(brier_loss(&p, &y).unwrap(), loss("brier"), "Brier");
    assert_close(brier_loss(&p, &v).unwrap(), loss("brier_of_votes"), "Brier of votes");
    assert_close(logits_cross_entropy_loss(&z, &y).unwrap(), loss("logits_log_loss"), "logits");
    let of_votes = logits_cross_entropy_loss(&z, &v).unwrap();
    assert_close(of_votes, loss("logits_cross_entropy_of_votes"), "logits, votes");

    // The first two samples were ruled out: without a floor the loss is infinite, without them finite.
    assert_close(cross_entropy_loss(&p, &y, Floor::NONE).unwrap(), f64::INFINITY, "no floor");
    assert_close(kl_divergence_loss(&p, &v, Floor::NONE).unwrap(), f64::INFINITY, "no floor, KL");
    let rest = p.view().slice(ndarray::s![2.., ..]).to_owned();
    let p_rest = Probabilities::new(classes.clone(), rest).unwrap();
    let y_rest = Labels::new(classes, y.indices()[2..].to_vec()).unwrap();
    let v_rest = v.select(&(2..v.len()).collect::<Vec<_>>());
    let without_floor = cross_entropy_loss(&p_rest, &y_rest, Floor::NONE).unwrap();
    assert_close(without_floor, loss("log_loss_of_rest"), "rest");
    let without_floor = kl_divergence_loss(&p_rest, &v_rest, Floor::NONE).unwrap();
    assert_close(without_floor, loss("kl_divergence_of_rest"), "rest, KL");

    let scores = Scores::compute(&p, &y, Some(&v)).unwrap();
    assert_eq!((scores.samples, scores.ruled_out), (40, 1));
    assert_close(scores.cross_entropy, loss("log_loss"), "summary");
    let of_votes = scores.votes.unwrap();
    assert_close(of_votes.kl_divergence, loss("kl_divergence"), "summary, KL");
    assert_close(of_votes.entropy, loss("entropy_of_votes"), "summary, entropy");
}

#[test]
fn a_matrix_counted_by_hand_gives_the_sums_done_by_hand() {
    // Built: LCZ 2 (column 0) and 6 (column 1); natural: LCZ D (column 2) and G (column 3, absent).
    let zones = [lcz::Zone::CompactMidRise, lcz::Zone::OpenLowRise, lcz::Zone::LowPlants, lcz::Zone::Water];
    let counts = array![[5, 3, 0, 2], [1, 8, 1, 0], [0, 4, 16, 0], [0, 0, 0, 0]];
    let confusion = ConfusionMatrix::from_counts(Classes::from_zones(zones), counts).unwrap();
    assert_eq!(confusion.total(), 40);
    assert_eq!(confusion.reference_totals(), [10, 10, 20, 0]);
    assert_eq!(confusion.predicted_totals(), [6, 15, 17, 2]);
    assert_close(confusion.overall_accuracy_score(), 29.0 / 40.0, "OA");
    assert_close(confusion.average_accuracy_score(), (0.5 + 0.8 + 0.8) / 3.0, "AA");
    // p_e = (10·6 + 10·15 + 20·17 + 0·2) / 1600 = 550/1600; κ = (1160 − 550) / (1600 − 550).
    assert_close(confusion.kappa_score(), 610.0 / 1050.0, "kappa");
    assert_close(confusion.built_accuracy_score().unwrap(), 13.0 / 17.0, "OA_u");
    assert_close(confusion.built_recall_score().unwrap(), 13.0 / 20.0, "of built references");
    let identity = Similarity::new(confusion.classes().clone(), Array2::eye(4)).unwrap();
    assert_close(confusion.weighted_kappa_score(&identity).unwrap(), 610.0 / 1050.0, "kappa by weights");
    assert_close(confusion.built_or_natural_accuracy_score().unwrap(), 33.0 / 40.0, "OA_bu");
    assert_close(confusion.mean_iou_score(ClassSet::All), (5. / 11. + 8. / 17. + 16. / 21.) / 4.0, "mIoU");
    let shares = confusion.shares_of_reference();
    assert_eq!(shares.row(1).to_vec(), [0.1, 0.8, 0.1, 0.0]);
    assert!(shares.row(3).iter().all(|share| share.is_nan()));
    let water = &confusion.per_class()[3];
    assert_eq!((water.class.as_str(), water.precision, water.f1, water.support), ("G", 0.0, 0.0, 0));
    assert!(water.recall.is_nan());
}

#[test]
fn kappa_of_one_class_alone_is_not_a_number_and_json_says_null() {
    let classes = Classes::named(["sea", "land"]).unwrap();
    let y = Labels::new(classes.clone(), vec![0; 7]).unwrap();
    let p = Probabilities::new(classes, Array2::from_shape_fn((7, 2), |(_, k)| [0.9, 0.1][k])).unwrap();
    let scores = Scores::compute(&p, &y, None).unwrap();
    assert!(scores.kappa.is_nan());
    let json = serde_json::to_value(&scores).unwrap();
    assert!(json["kappa"].is_null() && json["classes"][1]["recall"].is_null());
    assert_eq!(json["overall_accuracy"], 1.0);
    // Sea and land are not zones, and nobody voted: these keys are left out.
    assert!(json.get("built_accuracy").is_none() && json.get("votes").is_none());
}

#[test]
fn an_empty_matrix_has_no_score() {
    let confusion = ConfusionMatrix::empty(Classes::lcz());
    for score in [
        confusion.overall_accuracy_score(),
        confusion.average_accuracy_score(),
        confusion.kappa_score(),
        confusion.macro_f1_score(ClassSet::Present),
        confusion.macro_f1_score(ClassSet::All),
        confusion.weighted_f1_score(),
        confusion.built_accuracy_score().unwrap(),
    ] {
        assert!(score.is_nan(), "{score}");
    }
}

#[test]
fn logits_keep_a_loss_that_the_softmax_would_round_away() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let y = Labels::new(classes.clone(), vec![1]).unwrap();
    let z = Logits::new(classes.clone(), array![[2000.0, 0.0]]).unwrap();
    assert_close(logits_cross_entropy_loss(&z, &y).unwrap(), 2000.0, "far away");
    let z = Logits::new(classes, array![[0.0, f64::NEG_INFINITY]]).unwrap();
    assert_close(logits_cross_entropy_loss(&z, &y).unwrap(), f64::INFINITY, "impossible");
    let y = Labels::new(y.classes().clone(), vec![0]).unwrap();
    assert_close(logits_cross_entropy_loss(&z, &y).unwrap(), 0.0, "certain");
}

/// Random labels of a 17-class list, of which only the first eleven occur.
fn random(rng: &mut ChaCha8Rng, n: usize) -> Vec<usize> {
    (0..n).map(|_| rng.gen_range(0..11)).collect()
}

fn confusion(reference: &[usize], predicted: &[usize]) -> ConfusionMatrix {
    let labels = |indices: &[usize]| Labels::new(Classes::lcz(), indices.to_vec()).unwrap();
    ConfusionMatrix::from_labels(&labels(reference), &labels(predicted)).unwrap()
}

#[test]
fn the_order_of_samples_and_how_they_are_batched_change_nothing() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..20 {
        let (reference, predicted) = (random(&mut rng, 300), random(&mut rng, 300));
        let whole = confusion(&reference, &predicted);
        let mut order: Vec<usize> = (0..300).collect();
        order.shuffle(&mut rng);
        let pick = |from: &[usize], at: &[usize]| at.iter().map(|&n| from[n]).collect::<Vec<_>>();
        let cut = rng.gen_range(0..300);
        let part = |at: &[usize]| confusion(&pick(&reference, at), &pick(&predicted, at));
        let mut merged = part(&order[..cut]);
        merged.merge(&part(&order[cut..])).unwrap();
        assert_eq!(merged, whole);
    }
}

#[test]
fn renaming_classes_permutes_the_table_and_keeps_every_average() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..20 {
        let reference = random(&mut rng, 200);
        let predicted: Vec<usize> =
            reference.iter().map(|&k| if rng.gen_bool(0.6) { k } else { rng.gen_range(0..17) }).collect();
        let mut renamed: Vec<usize> = (0..17).collect();
        renamed.shuffle(&mut rng);
        let apply = |labels: &[usize]| labels.iter().map(|&k| renamed[k]).collect::<Vec<_>>();
        let before = confusion(&reference, &predicted);
        let after = confusion(&apply(&reference), &apply(&predicted));
        assert_close(after.overall_accuracy_score(), before.overall_accuracy_score(), "OA");
        assert_close(after.average_accuracy_score(), before.average_accuracy_score(), "AA");
        assert_close(after.kappa_score(), before.kappa_score(), "kappa");
        let f1 = |m: &ConfusionMatrix| m.macro_f1_score(ClassSet::Present);
        assert_close(f1(&after), f1(&before), "macro F1");
        assert_close(after.weighted_f1_score(), before.weighted_f1_score(), "weighted F1");
        let (rows_before, rows_after) = (before.per_class(), after.per_class());
        for (k, row) in rows_before.iter().enumerate() {
            let moved = &rows_after[renamed[k]];
            assert_eq!((row.support, row.predicted), (moved.support, moved.predicted));
            assert_close(moved.iou, row.iou, "IoU");
        }
    }
}

#[test]
fn a_perfect_prediction_scores_one_and_a_blind_one_has_no_kappa() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let reference = random(&mut rng, 100_000);
    let perfect = confusion(&reference, &reference);
    for score in [
        perfect.overall_accuracy_score(),
        perfect.average_accuracy_score(),
        perfect.kappa_score(),
        perfect.macro_f1_score(ClassSet::Present),
        perfect.mean_iou_score(ClassSet::Present),
        perfect.weighted_precision_score(),
    ] {
        assert_close(score, 1.0, "perfect");
    }
    assert_close(perfect.macro_f1_score(ClassSet::All), 11.0 / 17.0, "six classes never occur");
    let blind = confusion(&reference, &random(&mut rng, 100_000));
    // Its standard deviation is about (p_e / (N (1 − p_e)))^½ = 1e-3.
    assert!(blind.kappa_score().abs() < 4e-3, "{}", blind.kappa_score());
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let two = Classes::named(["a", "b"]).unwrap();
    let three = Classes::named(["a", "b", "c"]).unwrap();
    let y = |classes: &Classes, n| Labels::new(classes.clone(), vec![0; n]).unwrap();
    let p = |n: usize| Probabilities::new(two.clone(), Array2::from_elem((n, 2), 0.5)).unwrap();
    let refused = |error: lcz::Error, wanted: &str| {
        let text = error.to_string();
        assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
    };
    refused(ConfusionMatrix::from_labels(&y(&two, 3), &y(&two, 4)).unwrap_err(), "3 labels, 4 predictions");
    refused(
        ConfusionMatrix::from_labels(&y(&two, 3), &y(&three, 3)).unwrap_err(),
        "classes a b, predictions of a b c",
    );
    refused(Scores::compute(&p(2), &y(&two, 3), None).unwrap_err(), "3 labels, 2 predictions");
    refused(Scores::compute(&p(2), &y(&three, 2), None).unwrap_err(), "classes a b c, predictions of a b");
    refused(Scores::compute(&p(0), &y(&two, 0), None).unwrap_err(), "no sample");
    let votes = LabelDistributions::new(two.clone(), Array2::from_elem((5, 2), 0.5)).unwrap();
    refused(Scores::compute(&p(2), &y(&two, 2), Some(&votes)).unwrap_err(), "5 labels, 2 predictions");
    let error = ConfusionMatrix::from_counts(two.clone(), Array2::zeros((2, 3))).unwrap_err();
    refused(error, "2 × 3 counts for 2 classes");
    let error = ConfusionMatrix::from_counts(two.clone(), Array2::from_elem((2, 2), u64::MAX)).unwrap_err();
    refused(error, "2^53");
    let mut confusion = ConfusionMatrix::empty(two);
    refused(confusion.add(&y(&three, 2), &y(&three, 2)).unwrap_err(), "one class list");
    refused(confusion.merge(&ConfusionMatrix::empty(three)).unwrap_err(), "one class list");
    assert!(Floor::new(-1e-7).is_err() && Floor::new(f64::NAN).is_err() && Floor::new(1e-7).is_ok());
}

#[test]
fn the_largest_errors_come_first_and_hits_are_left_out() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let confusion = ConfusionMatrix::from_counts(classes, array![[90, 10], [30, 10]]).unwrap();
    let table = confusion.largest_errors(5).to_string();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows, [["b", "a", "30", "75", "%"], ["a", "b", "10", "10", "%"]]);
    assert_eq!(confusion.largest_errors(1).to_string().lines().count(), 2);
}

#[test]
fn values_are_stored_as_json_and_checked_when_they_are_read() {
    let classes = Classes::named(["a", "b", "c"]).unwrap();
    let labels = Labels::new(classes.clone(), vec![2, 0]).unwrap();
    let json = serde_json::to_string(&labels).unwrap();
    assert_eq!(json, r#"{"classes":["a","b","c"],"indices":[2,0]}"#);
    assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
    assert!(serde_json::from_str::<Labels>(&json.replace("[2,0]", "[3]")).is_err());
    let votes = Votes::new(classes.clone(), array![[1.0, 5.0, 5.0]]).unwrap();
    let json = serde_json::to_string(&votes).unwrap();
    assert_eq!(json, r#"{"classes":["a","b","c"],"rows":[[1.0,5.0,5.0]]}"#);
    assert_eq!(serde_json::from_str::<Votes>(&json).unwrap(), votes);
    let error = serde_json::from_str::<Votes>(&json.replace("[[1.0,", "[[")).unwrap_err().to_string();
    assert!(error.starts_with("row 0: 2 numbers for 3 classes"), "{error}");
    let half = LabelDistributions::new(classes.clone(), array![[0.5_f32, 0.5, 0.0]]).unwrap();
    let json = serde_json::to_string(&half).unwrap();
    assert_eq!(serde_json::from_str::<LabelDistributions>(&json).unwrap(), half);
    assert!(serde_json::from_str::<LabelDistributions>(&json.replace("0.5,", "0.6,")).is_err());
}
