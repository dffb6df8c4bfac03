//! Which samples are asked about: known answers, brute force, and the parts of entropy.

use lcz::uncertainty::{Acquisition, Members, Uncertainty, k_centres};
use lcz::{Classes, Features, Labels, Probabilities};
use ndarray::{Array2, array};
use proptest::prelude::*;

fn probabilities(p: Array2<f64>) -> Probabilities {
    Probabilities::new(Classes::from_count(p.ncols()), p).unwrap()
}

fn near(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(wanted) {
        assert!((got - wanted).abs() < 1e-12, "{got}, not {wanted}");
    }
}

#[test]
fn entropy_and_margin_have_their_known_answers_and_order_differently() {
    let p = probabilities(array![[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [1.0, 0.0, 0.0]]);
    let entropy = Uncertainty::from_predictions(&p).unwrap();
    near(entropy.values(), &[2f64.ln(), -(0.4 * 0.4f64.ln() + 0.6 * 0.3f64.ln()), 0.0]);
    let margin = Uncertainty::from_margins(&p).unwrap();
    near(margin.values(), &[1.0, 0.9, 0.0]);
    assert_eq!(entropy.top(1).positions(), [1]);
    assert_eq!(margin.top(1).positions(), [0]);
}

#[test]
fn bald_is_the_mutual_information_of_class_and_member() {
    let members = [
        array![[0.7, 0.2, 0.1], [0.3, 0.3, 0.4], [1.0, 0.0, 0.0]],
        array![[0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.0, 0.0, 1.0]],
        array![[0.2, 0.2, 0.6], [0.3, 0.3, 0.4], [0.0, 1.0, 0.0]],
    ];
    // I(y; m) = Σ_m Σ_k p(m) p(k|m) ln(p(k|m) / p(k)), from the joint distribution.
    let information = |row: usize| -> f64 {
        let mean = |k: usize| members.iter().map(|p| p[[row, k]]).sum::<f64>() / 3.0;
        let terms = members.iter().flat_map(|p| (0..3).map(move |k| (k, p[[row, k]])));
        terms.filter(|(_, p)| *p > 0.0).map(|(k, p)| p / 3.0 * (p / mean(k)).ln()).sum()
    };
    let wanted: Vec<f64> = (0..3).map(information).collect();
    let members = Members::new(members.iter().cloned().map(probabilities).collect()).unwrap();
    let bald = Uncertainty::from_disagreement(&members).unwrap();
    near(bald.values(), &wanted);
    assert!(bald.values()[1].abs() < 1e-12 && (bald.values()[2] - 3f64.ln()).abs() < 1e-12);
}

#[test]
fn a_sample_is_as_uncertain_as_it_is_far_from_the_median_of_what_it_is_taken_for() {
    let classes = Classes::from_count(3);
    let labelled = Features::new(array![[0.0, 0.0], [4.0, 0.0], [0.0, 3.0], [20.0, 0.0]]);
    let centres =
        labelled.geometric_medians(&Labels::new(classes.clone(), vec![0, 0, 0, 1]).unwrap()).unwrap();
    let asked = Features::new(array![[1.0, 1.0], [20.0, 2.0], [19.0, 0.0]]);
    let taken_for = Labels::new(classes.clone(), vec![0, 1, 2]).unwrap();
    let u = Uncertainty::from_distances(&asked, &centres, &taken_for).unwrap();
    // The first class's median is that of DEFINITIONS' triangle; nothing is labelled of the third.
    let first = (1.0 - 0.695_788_534_1_f64).hypot(1.0 - 0.751_176_106_5);
    for (got, wanted) in u.values().iter().zip([first, 2.0, 1.0]) {
        assert!((got - wanted).abs() < 1e-6, "{got}, not {wanted}");
    }
    let too_few = Labels::new(classes, vec![0]).unwrap();
    let error = Uncertainty::from_distances(&asked, &centres, &too_few).unwrap_err().to_string();
    assert!(error.contains("1 predictions") && !error.contains('\n'), "{error}");
}

/// The largest distance of a point from the nearest of some.
fn radius(h: &Features, centres: &[usize]) -> f64 {
    let h = h.view();
    let apart = |a: usize, b: usize| (&h.row(a) - &h.row(b)).mapv(|x| f64::from(x).powi(2)).sum().sqrt();
    let nearest = |n: usize| centres.iter().map(|&c| apart(n, c)).fold(f64::INFINITY, f64::min);
    (0..h.nrows()).map(nearest).fold(0.0, f64::max)
}

/// The smallest radius that any two more centres reach.
fn best_radius(h: &Features, labelled: usize) -> f64 {
    let n = h.view().nrows();
    let pairs = (0..n).flat_map(|a| (0..a).map(move |b| (a, b)));
    pairs.map(|(a, b)| radius(h, &[labelled, a, b])).fold(f64::INFINITY, f64::min)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn greedy_centres_are_those_of_brute_force_and_within_twice_the_best_radius(
        points in prop::collection::vec((-8i8..8, -8i8..8), 3..12)
    ) {
        let h = Array2::from_shape_fn((points.len(), 2), |(n, d)| f32::from([points[n].0, points[n].1][d]));
        let h = Features::new(h);
        let chosen = k_centres(&h, &[0], 2).unwrap();
        let mut wanted = vec![0];
        for _ in 0..2 {
            // Each choice makes the distance of the farthest sample from the others' the largest.
            let far = |n: usize| {
                let view = h.view();
                let apart = |c: &usize| (&view.row(n) - &view.row(*c)).mapv(|x| x * x).sum();
                wanted.iter().map(apart).fold(f32::INFINITY, f32::min)
            };
            let left: Vec<usize> = (0..points.len()).filter(|n| !wanted.contains(n)).collect();
            let farthest = left.iter().map(|&n| far(n)).fold(0.0, f32::max);
            let first = left.into_iter().find(|&n| far(n) >= farthest).unwrap();
            wanted.push(first);
        }
        prop_assert_eq!(&chosen[..], &wanted[1..]);
        prop_assert!(radius(&h, &wanted) <= 2.0 * best_radius(&h, 0) + 1e-9);
    }

    #[test]
    fn the_top_n_are_the_largest_and_the_first_of_equals(values in prop::collection::vec(0u8..5, 1..60), n in 0usize..70) {
        let u = Uncertainty::new(values.iter().map(|u| f64::from(*u)).collect()).unwrap();
        let top = u.top(n);
        prop_assert_eq!(top.len(), n.min(values.len()));
        for &chosen in top.positions() {
            for left in top.complement().positions() {
                prop_assert!((values[chosen], std::cmp::Reverse(chosen)) > (values[*left], std::cmp::Reverse(*left)));
            }
        }
    }
}

#[test]
fn all_that_is_left_is_chosen_where_more_is_requested() {
    let h = Features::new(array![[0.0], [1.0], [8.0]]);
    assert_eq!(k_centres(&h, &[1], 9).unwrap(), [2, 0]);
    assert_eq!(k_centres(&h, &[], 2).unwrap(), [0, 2]);
    assert!(k_centres(&h, &[3], 1).unwrap_err().to_string().contains("position 3 of 3 samples"));
}

#[test]
fn acquisitions_are_called_as_on_the_command_line() {
    for acquisition in Acquisition::ALL {
        assert_eq!(acquisition.to_string().parse::<Acquisition>().unwrap(), acquisition);
    }
    let error = "uncertain".parse::<Acquisition>().unwrap_err().to_string();
    assert!(error.contains("random, entropy, margin, bald, core-set, distance"), "{error}");
}
