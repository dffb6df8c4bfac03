//! The evaluation table against the measures one by one, its intervals against known standard errors, and
//! estimated human performance against simulated experts.

mod support;

use lcz::calibration::{
    Bins, SmoothCalibration, classwise_calibration_error, distribution_calibration_error,
    expected_calibration_error, maximum_calibration_error, sce_as_in_ldl_paper,
};
use lcz::metrics::{
    ConfusionMatrix, DistributionDistances, Floor, IntervalMethod, NoInterval, Scores, Similarity,
    cross_entropy_loss, kl_divergence_loss,
};
use lcz::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
use lcz::uncertainty::RiskCoverage;
use lcz::{Classes, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{assert_close, assert_near};

const QUICK: ScorecardSettings =
    ScorecardSettings { bins: 15, rounds: 50, level: 0.95, panel: None, panels: 10, seed: 3 };

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
    let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK)
        .unwrap();
    let shares = votes.distributions();
    let scores = Scores::compute(&p, &y, Some(&shares)).unwrap();
    let bins = Bins::EqualWidth(15);
    let confusion = ConfusionMatrix::from_labels(&y, &p.predicted()).unwrap();
    let similarity = Similarity::published(y.classes()).unwrap();
    let apart = DistributionDistances::compute(&p, &shares).unwrap();
    let entropies: Vec<(f64, f64)> = p.entropy().into_iter().zip(shares.entropy()).collect();
    let right: Vec<f64> = y
        .indices()
        .iter()
        .zip(p.predicted().indices())
        .map(|(y, k)| if y == k { 1.0 } else { 0.0 })
        .collect();
    let wrong: Vec<f64> = right.iter().map(|right| 1.0 - right).collect();
    let smooth = SmoothCalibration::compute(&p.confidence(), &right).unwrap();
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
        (Measure::MacroF1, scores.macro_f1),
        (Measure::BuiltAccuracy, scores.built_accuracy.unwrap()),
        (Measure::BuiltOrNaturalAccuracy, scores.built_or_natural_accuracy.unwrap()),
        (Measure::WeightedAccuracy, confusion.weighted_accuracy_score(&similarity).unwrap()),
        (Measure::WeightedKappa, confusion.weighted_kappa_score(&similarity).unwrap()),
        (Measure::KlDivergence, kl_divergence_loss(&p, &shares, Floor::SCIKIT_LEARN).unwrap()),
        (Measure::JensenShannon, apart.jensen_shannon_divergence),
        (Measure::SoftAccuracy, apart.intersection_similarity),
        (Measure::TotalVariation, 1.0 - apart.intersection_similarity),
        (Measure::EntropyBias, entropies.iter().map(|(p, y)| p - y).sum::<f64>() / 700.0),
        (Measure::EntropyCalibrationError, entropies.iter().map(|(p, y)| (p - y).abs()).sum::<f64>() / 700.0),
        (Measure::AreaUnderRiskCoverage, RiskCoverage::compute(&p.confidence(), &wrong).unwrap().aurc),
        (Measure::SmoothCalibrationError, smooth.error),
    ] {
        assert_close(value(&card, measure), wanted, measure.short_name());
        let row = card.row(measure).unwrap();
        assert!(row.interval.is_some() != row.why.is_some(), "{measure:?}");
    }
    let ranking = value(&card, Measure::RankingAgreement);
    assert!((0.0..0.2).contains(&ranking), "votes spread over many classes: {ranking}");
    assert_eq!(card.rows.len(), Measure::ALL.len());
}

#[test]
fn the_table_holds_what_the_predictions_allow() {
    let (p, y, _) = samples(60);
    let (guess, confidence) = (p.predicted(), p.confidence());
    let of = |predicted| Scorecard::compute(predicted, Reference::new(&y), QUICK).unwrap();
    let measures = |card: &Scorecard| card.rows.iter().map(|row| row.measure).collect::<Vec<_>>();
    let classes = of(Predicted::Classes(&guess));
    let of_classes = [
        Measure::OverallAccuracy,
        Measure::AverageAccuracy,
        Measure::Kappa,
        Measure::MacroF1,
        Measure::BuiltAccuracy,
        Measure::BuiltOrNaturalAccuracy,
        Measure::WeightedAccuracy,
        Measure::WeightedKappa,
    ];
    assert_eq!(measures(&classes), of_classes);
    let confidences = of(Predicted::Confidences(&guess, &confidence));
    let calibration = [
        Measure::ExpectedCalibrationError,
        Measure::SmoothCalibrationError,
        Measure::MaximumCalibrationError,
        Measure::AreaUnderRiskCoverage,
    ];
    assert_eq!(measures(&confidences), [&of_classes[..], &calibration[..]].concat());
    let all = of(Predicted::Probabilities(&p));
    assert_eq!(all.rows.len(), 18, "all but those against votes");
    for row in &confidences.rows {
        assert_eq!(row.value.to_bits(), value(&all, row.measure).to_bits(), "{:?}", row.measure);
        assert!(row.votes_interval.is_none() && row.experts.is_none());
    }
    let none = ScorecardSettings { rounds: 0, ..QUICK };
    let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y), none).unwrap();
    assert!(card.rows.iter().all(|row| row.if_calibrated.is_none()));
}

#[test]
fn the_same_seed_gives_the_same_bits_at_any_number_of_threads() {
    let (p, y, votes) = samples(300);
    let groups: Vec<i32> = (0..300).map(|n| n / 20).collect();
    let of = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let reference = Reference::new(&y).with_votes(&votes).with_groups(&groups);
        let settings = ScorecardSettings { seed, ..QUICK };
        pool.install(|| Scorecard::compute(Predicted::Probabilities(&p), reference, settings).unwrap())
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
    let of = |reference| {
        let card = Scorecard::compute(Predicted::Classes(&guess), reference, QUICK).unwrap();
        let row = *card.row(Measure::OverallAccuracy).unwrap();
        assert_close(row.value, 0.7, "OA");
        row.interval.unwrap()
    };
    let standard_error = (0.7_f64 * 0.3 / 400.0).sqrt();
    let alone = of(Reference::new(&y));
    assert_eq!(alone.method, IntervalMethod::ClopperPearson);
    assert_near((alone.upper - alone.lower) / (2.0 * 1.96 * standard_error), 1.0, 0.06);
    let groups: Vec<i32> = (0..400).map(|n| n / 40).collect();
    let grouped = of(Reference::new(&y).with_groups(&groups));
    assert_eq!(grouped.method, IntervalMethod::ClusterT);
    // t(9) = 2.262; ten groups of 7 right and 3 wrong have the standard error √(0.7 · 0.3 / 9).
    let half = 2.262 * (0.7_f64 * 0.3 / 9.0).sqrt();
    assert_near(grouped.upper, 1.0_f64.min(0.7 + half), 1e-3);
    // The lower end on the scale of ln(1 − OA), where 0.3 cannot pass 0.
    assert_near(grouped.lower, 1.0 - 0.3 * (half / 0.3).exp(), 1e-2);
}

/// N samples of 4 classes, sure of `sure`, right in as many cases, in order of a fixed seed.
fn calibrated(n: usize, sure: f64, right: f64, seed: u64) -> (Probabilities, Labels) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let classes = Classes::named(["a", "b", "c", "d"]).unwrap();
    let p = Array2::from_shape_fn((n, 4), |(n, k)| if n % 4 == k { sure } else { (1.0 - sure) / 3.0 });
    let truth = (0..n).map(|n| if rng.gen_bool(right) { n % 4 } else { (n + rng.gen_range(1..4)) % 4 });
    (Probabilities::new(classes.clone(), p).unwrap(), Labels::new(classes, truth.collect()).unwrap())
}

#[test]
fn all_right_has_an_interval_of_some_width_and_one_group_none() {
    for n in [3, 20] {
        let (p, y) = calibrated(n, 0.85, 1.0, 0);
        let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y), QUICK).unwrap();
        let interval = card.row(Measure::OverallAccuracy).unwrap().interval.unwrap();
        // Clopper & Pearson: (α/2)^(1/n).
        assert_near(interval.lower, 0.025_f64.powf(1.0 / n as f64), 1e-9);
        assert_close(interval.upper, 1.0, "upper end");
        assert!(card.row(Measure::ExpectedCalibrationError).unwrap().debiased.is_none(), "too few samples");
    }
    let (p, y) = calibrated(200, 0.7, 0.55, 1);
    let of = |groups: &[i32]| {
        let reference = Reference::new(&y).with_groups(groups);
        Scorecard::compute(Predicted::Probabilities(&p), reference, QUICK).unwrap()
    };
    let one = of(&[7; 200]);
    assert!(one.rows.iter().all(|row| row.interval.is_none() && row.if_calibrated.is_none()), "{one:?}");
    assert_eq!(one.row(Measure::OverallAccuracy).unwrap().why, Some(NoInterval::OneGroup));
    assert!(one.warnings.iter().any(|warning| warning.starts_with("one group: no interval")));
    let halves: Vec<i32> = (0..200).map(|n| n / 100).collect();
    let two = of(&halves);
    let interval = two.row(Measure::OverallAccuracy).unwrap().interval.unwrap();
    // t(1) = 12.7 standard errors.
    let right = |half: usize| {
        let rows = 100 * half..100 * (half + 1);
        rows.filter(|&n| y.indices()[n] == n % 4).count() as f64 / 100.0
    };
    let half = 12.706 * (right(0) - right(1)).abs() / 2.0;
    assert_near(interval.upper, (f64::midpoint(right(0), right(1)) + half).min(1.0), 1e-3);
    assert!(two.warnings.iter().any(|warning| warning.starts_with("2 groups: ")), "{:?}", two.warnings);
}

#[test]
fn probabilities_stored_as_f32_have_the_errors_of_f64() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let p = [0.6, 0.6, 0.55, 0.65];
    let y = Labels::new(classes.clone(), vec![0, 1, 0, 1]).unwrap();
    let errors = |stored: &dyn Fn(f64) -> f64| {
        let p = Array2::from_shape_fn((4, 2), |(n, k)| stored(if k == 0 { p[n] } else { 1.0 - p[n] }));
        let p = Probabilities::new(classes.clone(), p).unwrap();
        let settings = ScorecardSettings { bins: 10, ..QUICK };
        let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y), settings).unwrap();
        [Measure::ExpectedCalibrationError, Measure::MaximumCalibrationError].map(|m| value(&card, m))
    };
    let stored = errors(&|p| f64::from(p as f32));
    for (got, wanted) in errors(&|p| p).into_iter().zip([0.225, 0.65]) {
        assert_near(got, wanted, 1e-12);
    }
    for (got, wanted) in stored.into_iter().zip([0.225, 0.65]) {
        assert_near(got, wanted, 1e-6);
    }
}

#[test]
fn a_label_that_is_not_the_majority_is_warned_of() {
    let (p, y) = calibrated(200, 0.7, 0.55, 1);
    let votes = Array2::from_shape_fn((200, 4), |(n, k)| if n % 4 == k { 10.0 } else { 0.0 });
    let votes = Votes::new(y.classes().clone(), votes).unwrap();
    let of = |labels: &Labels| {
        let reference = Reference::new(labels).with_votes(&votes);
        Scorecard::compute(Predicted::Probabilities(&p), reference, QUICK).unwrap()
    };
    let wrong = y.indices().iter().enumerate().filter(|(n, k)| n % 4 != **k).count();
    let card = of(&y);
    let wanted = format!("the label of {wrong} of 200 samples is not the majority of its votes");
    assert!(card.warnings.iter().any(|warning| warning.starts_with(&wanted)), "{:?}", card.warnings);
    assert_near(value(&card, Measure::OverallAccuracy), 1.0 - wrong as f64 / 200.0, 1e-12);
    assert!(of(&votes.majority(None).unwrap()).warnings.is_empty());
}

#[test]
fn a_calibrated_classifier_is_not_rejected_and_an_overconfident_one_is() {
    let row = |right: f64, groups: Option<&[i32]>| {
        let (p, y) = calibrated(600, 0.7, right, 5);
        let mut reference = Reference::new(&y);
        if let Some(groups) = groups {
            reference = reference.with_groups(groups);
        }
        let settings = ScorecardSettings { rounds: 400, ..QUICK };
        let card = Scorecard::compute(Predicted::Probabilities(&p), reference, settings).unwrap();
        *card.row(Measure::ExpectedCalibrationError).unwrap()
    };
    let groups: Vec<i32> = (0..600).map(|n| n / 30).collect();
    for groups in [None, Some(&groups[..])] {
        let (fair, sure) = (row(0.7, groups), row(0.55, groups));
        assert!(fair.if_calibrated.unwrap().p > 0.05 && sure.if_calibrated.unwrap().p < 0.01);
        assert_eq!((fair.interval, fair.why), (None, Some(NoInterval::Biased)));
        // Mean |error| of a share of 600: √(2/π · 0.7 · 0.3 / 600) = 0.0149.
        if groups.is_none() {
            assert_near(fair.if_calibrated.unwrap().mean, 0.0149, 0.002);
            let (fair, sure) = (fair.debiased.unwrap(), sure.debiased.unwrap());
            assert!(fair.lower.abs() < 1e-12 && fair.upper < 0.01, "{fair:?}");
            assert!(sure.lower > 0.0 && sure.lower < 0.0225 && sure.upper > 0.0225, "{sure:?}");
        }
    }
}

#[test]
fn votes_drawn_from_the_prediction_are_as_far_from_it_as_the_noise_floor_says() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (p, _, _) = samples(900);
    let mut counts = Array2::zeros((900, 17));
    for (mut row, p) in counts.outer_iter_mut().zip(p.view().outer_iter()) {
        for _ in 0..11 {
            let mut at: f64 = rng.r#gen();
            let k = p.iter().position(|p| {
                at -= p;
                at < 0.0
            });
            row[k.unwrap_or(0)] += 1.0;
        }
    }
    let votes = Votes::new(p.classes().clone(), counts).unwrap();
    let y = votes.majority(None).unwrap();
    let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK)
        .unwrap();
    for measure in [
        Measure::TotalVariation,
        Measure::EntropyCalibrationError,
        Measure::KlDivergence,
        Measure::JensenShannon,
        Measure::DistributionCalibrationError,
    ] {
        let row = card.row(measure).unwrap();
        let floor = row.if_calibrated.unwrap();
        assert!(floor.p > 0.005 && row.value < 1.15 * floor.upper, "{measure:?}: {} of {floor:?}", row.value);
        assert!(row.value > 0.5 * floor.mean, "{measure:?}: {} of {floor:?}", row.value);
    }
    // Others of the same opinions are nearer to the shares than chance, and farther than the majority itself.
    let experts = card.experts.unwrap();
    assert_eq!(experts.panel, 11);
    let reached = card.row(Measure::OverallAccuracy).unwrap().experts.unwrap();
    assert!(reached > experts.leave_one_out.value && reached < 0.999, "{reached:?}");
}

/// A vote matrix, and the opinions it was drawn from: one class each with most of the share.
fn opinions(n: usize, experts: usize, seed: u64) -> (Array2<f64>, Votes) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pi = Array2::from_shape_fn((n, 4), |(n, k)| {
        let main = if n % 3 == 0 { 0.55 } else { 0.95 };
        if n % 4 == k { main } else { (1.0 - main) / 3.0 }
    });
    let counts = draw(&pi, experts, &mut rng);
    (pi, Votes::new(Classes::named(["a", "b", "c", "d"]).unwrap(), counts).unwrap())
}

fn draw(pi: &Array2<f64>, experts: usize, rng: &mut ChaCha8Rng) -> Array2<f32> {
    let mut counts = Array2::zeros(pi.dim());
    for (mut row, pi) in counts.outer_iter_mut().zip(pi.outer_iter()) {
        for _ in 0..experts {
            let mut at: f64 = rng.r#gen();
            let k = pi.iter().position(|p| {
                at -= p;
                at < 0.0
            });
            row[k.unwrap_or(3)] += 1.0;
        }
    }
    counts
}

#[test]
fn estimated_human_performance_is_what_new_experts_reach() {
    for (experts, tolerance) in [(11, 0.02), (5, 0.03), (3, 0.03)] {
        let (pi, votes) = opinions(3000, experts, 6);
        let y = votes.majority(None).unwrap();
        let p = votes.posterior_mean(1.0).unwrap();
        let p = Probabilities::new(y.classes().clone(), p.view().to_owned()).unwrap();
        let card =
            Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK)
                .unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut reached = [0.0, 0.0];
        for _ in 0..20 {
            let panel = Votes::new(y.classes().clone(), draw(&pi, experts, &mut rng)).unwrap();
            for (sum, panel) in reached.iter_mut().zip([panel.majority(None).unwrap(), y.clone()]) {
                let confusion = ConfusionMatrix::from_labels(&y, &panel).unwrap();
                *sum += confusion.overall_accuracy_score() / 20.0;
            }
        }
        let estimate = card.row(Measure::OverallAccuracy).unwrap().experts.unwrap();
        assert_near(estimate, reached[0], tolerance);
        assert!(card.experts.unwrap().leave_one_out.interval.is_some());
    }
}

#[test]
fn one_vote_per_sample_gives_no_estimate_of_other_experts() {
    let (p, y) = calibrated(200, 0.7, 0.55, 1);
    let votes = Votes::new(y.classes().clone(), y.one_hot().view().mapv(|y| y as f32)).unwrap();
    let card = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&y).with_votes(&votes), QUICK)
        .unwrap();
    assert!(card.experts.is_none() && card.rows.iter().all(|row| row.experts.is_none()));
    let wanted = "no estimate of human performance: votes, row 0: 1 votes";
    assert!(card.warnings.iter().any(|warning| warning.starts_with(wanted)), "{:?}", card.warnings);
}

#[test]
fn what_does_not_belong_together_is_refused_in_one_line() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let y = Labels::new(classes.clone(), vec![0, 1]).unwrap();
    let p = |n| Probabilities::new(classes.clone(), Array2::from_elem((n, 2), 0.5)).unwrap();
    let refused = |predicted: Predicted<'_>, reference: Reference<'_>, settings, wanted: &str| {
        let text = Scorecard::compute(predicted, reference, settings).unwrap_err().to_string();
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
    refused(predicted, reference, ScorecardSettings { panel: Some(0), ..QUICK }, "panel: 0 experts");
}
