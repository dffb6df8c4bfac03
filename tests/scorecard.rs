//! The evaluation table against the measures one by one, its intervals against known standard errors, and
//! the human ceiling against sums done by hand.

mod support;

use lcz::calibration::{
    Bins, classwise_calibration_error, distribution_calibration_error, expected_calibration_error,
    maximum_calibration_error, sce_as_in_ldl_paper,
};
use lcz::labels::Opinion;
use lcz::metrics::{Floor, Scores, brier_loss, cross_entropy_loss};
use lcz::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
use lcz::{Classes, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{assert_close, assert_near};

const QUICK: ScorecardSettings =
    ScorecardSettings { bins: 15, sce_bins: 20, rounds: 50, level: 0.95, panel: 10, panels: 10, seed: 3 };

/// Predictions of N samples, labels that are right in about two of three cases, and ten votes each.
fn samples(n: usize) -> (Probabilities, Labels, Votes) {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let classes = Classes::lcz();
    let z = Array2::from_shape_fn((n, 17), |_| rng.gen_range(-4.0..4.0));
    let p = Logits::new(classes.clone(), z).unwrap().softmax(Temperature::ONE);
    let guess = p.predicted();
    let truth: Vec<usize> =
        guess.indices().iter().map(|&k| if rng.gen_bool(0.6) { k } else { rng.gen_range(0..16) }).collect();
    let mut votes = Array2::zeros((n, 17));
    for (mut row, &k) in votes.outer_iter_mut().zip(&truth) {
        for _ in 0..10 {
            row[if rng.gen_bool(0.8) { k } else { rng.gen_range(0..16) }] += 1.0;
        }
    }
    (p, Labels::new(classes.clone(), truth).unwrap(), Votes::new(classes, votes).unwrap())
}

fn value(card: &Scorecard, measure: Measure) -> f64 {
    card.row(measure).unwrap().value
}

#[test]
fn each_row_is_the_measure_that_it_names() {
    let (p, y, votes) = samples(700);
    let card =
        Scorecard::of(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK).unwrap();
    let shares = votes.distributions();
    let scores = Scores::of(&p, &y, Some(&shares)).unwrap();
    let bins = Bins::EqualWidth(15);
    for (measure, wanted) in [
        (Measure::OverallAccuracy, scores.overall_accuracy),
        (Measure::AverageAccuracy, scores.average_accuracy),
        (Measure::Kappa, scores.kappa),
        (Measure::CrossEntropy, scores.cross_entropy),
        (Measure::DistributionalCrossEntropy, cross_entropy_loss(&p, &shares, Floor::SCIKIT_LEARN).unwrap()),
        (Measure::ExpectedCalibrationError, expected_calibration_error(&p, &y, bins).unwrap()),
        (Measure::MaximumCalibrationError, maximum_calibration_error(&p, &y, bins).unwrap()),
        (Measure::ClasswiseCalibrationError, classwise_calibration_error(&p, &y, bins).unwrap()),
        (Measure::DistributionCalibrationError, distribution_calibration_error(&p, &shares, bins).unwrap()),
        (Measure::SceAsInLdlPaper, sce_as_in_ldl_paper(&p, &y, 20).unwrap()),
        (Measure::Brier, scores.brier),
    ] {
        assert_close(value(&card, measure), wanted, measure.short_name());
        let row = card.row(measure).unwrap();
        assert!(row.interval.is_some() && row.votes_interval.is_some() && row.ceiling.is_some());
    }
    assert_eq!(card.rows.len(), Measure::ALL.len());
}

#[test]
fn the_table_holds_what_the_predictions_allow() {
    let (p, y, _) = samples(60);
    let (guess, confidence) = (p.predicted(), p.confidence());
    let of = |predicted| Scorecard::of(predicted, Reference::new(&y), QUICK).unwrap();
    let measures = |card: &Scorecard| card.rows.iter().map(|row| row.measure).collect::<Vec<_>>();
    let classes = of(Predicted::Classes(&guess));
    assert_eq!(measures(&classes), Measure::ALL[..3]);
    let confidences = of(Predicted::Confidences(&guess, &confidence));
    let calibration = [Measure::ExpectedCalibrationError, Measure::MaximumCalibrationError];
    assert_eq!(measures(&confidences), [&Measure::ALL[..3], &calibration[..]].concat());
    let all = of(Predicted::Probabilities(&p));
    assert_eq!(all.rows.len(), 9, "all but those against votes");
    for row in &confidences.rows {
        assert_eq!(row.value.to_bits(), value(&all, row.measure).to_bits(), "{:?}", row.measure);
        assert!(row.votes_interval.is_none() && row.ceiling.is_none());
    }
    let none = ScorecardSettings { rounds: 0, ..QUICK };
    let card = Scorecard::of(Predicted::Classes(&guess), Reference::new(&y), none).unwrap();
    assert!(card.rows.iter().all(|row| row.interval.is_none()));
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let (p, y, votes) = samples(300);
    let groups: Vec<i32> = (0..300).map(|n| n / 20).collect();
    let of = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let reference = Reference::new(&y).with_votes(&votes).with_groups(&groups);
        let settings = ScorecardSettings { seed, ..QUICK };
        pool.install(|| Scorecard::of(Predicted::Probabilities(&p), reference, settings).unwrap())
    };
    let one = of(1, 3);
    assert_eq!((one.groups, &one), (Some(15), &of(4, 3)));
    assert_ne!(one, of(1, 4));
}

#[test]
fn intervals_are_as_wide_as_the_standard_error_says_and_groups_widen_them() {
    // 70 % of 400 right: the standard error of OA is √(0.7 · 0.3 / 400) = 0.0229.
    let classes = Classes::named(["a", "b"]).unwrap();
    let y = Labels::new(classes.clone(), (0..400).map(|n| n % 2).collect()).unwrap();
    let wrong = |n: usize| n / 40 % 10 >= 7; // blocks of 40: groups are all right or all wrong
    let guess =
        Labels::new(classes, (0..400).map(|n| if wrong(n) { 1 - n % 2 } else { n % 2 }).collect()).unwrap();
    let settings = ScorecardSettings { rounds: 4000, ..QUICK };
    let width = |reference| {
        let card = Scorecard::of(Predicted::Classes(&guess), reference, settings).unwrap();
        let row = card.row(Measure::OverallAccuracy).unwrap();
        assert_close(row.value, 0.7, "OA");
        let interval = row.interval.unwrap();
        assert!(interval.lower < 0.7 && 0.7 < interval.upper);
        interval.upper - interval.lower
    };
    let standard_error = (0.7_f64 * 0.3 / 400.0).sqrt();
    assert_near(width(Reference::new(&y)) / (2.0 * 1.96 * standard_error), 1.0, 0.06);
    let groups: Vec<i32> = (0..400).map(|n| n / 40).collect();
    let of_ten = (0.7_f64 * 0.3 / 10.0).sqrt();
    assert_near(width(Reference::new(&y).with_groups(&groups)) / (2.0 * 1.96 * of_ten), 1.0, 0.15);
    let alone: Vec<i32> = (0..400).collect();
    assert_near(width(Reference::new(&y).with_groups(&alone)) / (2.0 * 1.96 * standard_error), 1.0, 0.06);
}

#[test]
fn unanimous_experts_reach_everything_and_split_ones_half() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let n = 1000;
    let y = Labels::new(classes.clone(), vec![0; n]).unwrap();
    let p = Probabilities::new(classes.clone(), Array2::from_elem((n, 2), 0.5)).unwrap();
    let of = |votes: [f32; 2]| {
        let votes = Votes::new(classes.clone(), Array2::from_shape_fn((n, 2), |(_, k)| votes[k])).unwrap();
        Scorecard::of(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK).unwrap()
    };
    let ceiling = |card: &Scorecard, measure| card.row(measure).unwrap().ceiling.unwrap().value;
    let unanimous = of([10.0, 0.0]);
    assert_close(ceiling(&unanimous, Measure::OverallAccuracy), 1.0, "OA");
    assert_close(ceiling(&unanimous, Measure::ExpectedCalibrationError), 0.0, "ECE");
    assert_close(ceiling(&unanimous, Measure::Brier), 0.0, "Brier");
    // Shares are smoothed to (10 + 1/2) / 11 in the cross-entropy alone.
    let wanted = -(10.5_f64 / 11.0).ln();
    assert_near(ceiling(&unanimous, Measure::CrossEntropy), wanted, 1e-12);
    assert_near(ceiling(&unanimous, Measure::DistributionalCrossEntropy), wanted, 1e-12);
    let votes = unanimous.row(Measure::OverallAccuracy).unwrap().votes_interval.unwrap();
    assert_close(votes.lower, votes.upper, "unanimous votes stay");

    let split = of([5.0, 5.0]);
    // Half of the panels choose a; ties are drawn. 10 panels of 1000: standard error 0.005.
    assert_near(ceiling(&split, Measure::OverallAccuracy), 0.5, 0.025);
    // Brier of a share s: 2 (1 − s)², E (1 − s)² = 1/4 + 1/40.
    assert_near(ceiling(&split, Measure::Brier), 0.55, 0.02);
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let y = Labels::new(classes.clone(), vec![0, 1]).unwrap();
    let p = |n| Probabilities::new(classes.clone(), Array2::from_elem((n, 2), 0.5)).unwrap();
    let refused = |predicted: Predicted<'_>, reference: Reference<'_>, settings, wanted: &str| {
        let text = Scorecard::of(predicted, reference, settings).unwrap_err().to_string();
        assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
    };
    let (two, three, none) = (p(2), p(3), p(0));
    let reference = Reference::new(&y);
    refused(Predicted::Probabilities(&three), reference, QUICK, "2 labels, 3 predictions");
    let empty = Labels::new(classes.clone(), vec![]).unwrap();
    refused(Predicted::Probabilities(&none), Reference::new(&empty), QUICK, "no sample");
    refused(Predicted::Confidences(&y, &[0.5]), reference, QUICK, "1 confidences, 2 predictions");
    refused(Predicted::Confidences(&y, &[0.5, 1.5]), reference, QUICK, "confidence, row 1: 1.5");
    let predicted = Predicted::Probabilities(&two);
    refused(predicted, reference.with_groups(&[1]), QUICK, "1 groups, 2 predictions");
    let votes = Votes::new(classes.clone(), Array2::ones((3, 2))).unwrap();
    refused(predicted, reference.with_votes(&votes), QUICK, "3 rows of votes");
    refused(predicted, reference, ScorecardSettings { bins: 0, ..QUICK }, "bins: 0");
    refused(predicted, reference, ScorecardSettings { level: 1.0, ..QUICK }, "level of the intervals: 1");
    refused(predicted, reference, ScorecardSettings { panel: 0, ..QUICK }, "panel: no expert");
}

#[test]
fn other_panels_and_other_votes_score_as_when_drawn_by_themselves() {
    let (p, y, votes) = samples(400);
    let rounds = 300;
    let settings = ScorecardSettings { rounds, panels: rounds, ..QUICK };
    let card = Scorecard::of(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), settings);
    let card = card.unwrap();
    let shares = votes.distributions();
    let measures = [Measure::OverallAccuracy, Measure::Brier, Measure::ExpectedCalibrationError];
    let (mut panels, mut anew) = (0.0, [vec![], vec![], vec![]]);
    for seed in 0..rounds as u64 {
        let drawn = votes.resampled(10, Opinion::VoteShares, seed).unwrap();
        let again = drawn.distributions();
        // The ceiling's ties are drawn, these go to the first: the Brier score cannot tell.
        let panel = Probabilities::new(y.classes().clone(), again.view().to_owned()).unwrap();
        panels += brier_loss(&panel, &y).unwrap() / rounds as f64;
        let truth = drawn.majority(Some(&y)).unwrap();
        let scores = Scores::of(&p, &truth, None).unwrap();
        let ece = expected_calibration_error(&p, &truth, Bins::EqualWidth(15)).unwrap();
        for (values, value) in anew.iter_mut().zip([scores.overall_accuracy, scores.brier, ece]) {
            values.push(value);
        }
    }
    let row = |measure| card.row(measure).unwrap();
    assert_near(row(Measure::Brier).ceiling.unwrap().value, panels, 3e-3);
    for (measure, mut values) in measures.into_iter().zip(anew) {
        values.sort_by(f64::total_cmp);
        let interval = row(measure).votes_interval.unwrap();
        // Both ends are drawn, and accuracies go in steps of a sample.
        let tolerance = 0.15 * (values[rounds - 1] - values[0]) + 1.0 / 400.0;
        assert_near(interval.lower, values[rounds / 40], tolerance);
        assert_near(interval.upper, values[rounds - 1 - rounds / 40], tolerance);
    }
    // A share's cross-entropy, smoothed as the ceiling's is.
    let smoothed = |seed| {
        let counts = votes.resampled(10, Opinion::VoteShares, seed).unwrap();
        let p = counts.counts().mapv(|v| (f64::from(v) + 1.0 / 17.0) / 11.0);
        cross_entropy_loss(&Probabilities::new(y.classes().clone(), p).unwrap(), &shares, Floor::NONE)
            .unwrap()
    };
    let wanted = (0..100).map(smoothed).sum::<f64>() / 100.0;
    assert_near(row(Measure::DistributionalCrossEntropy).ceiling.unwrap().value, wanted, 0.01);
}
