//! What must hold of every subset, whatever the uncertainties, classes and shares.

use lcz::uncertainty::{Percent, Subset, Uncertainty};
use lcz::{Classes, LabelDistributions, Labels, Probabilities, Zone};
use ndarray::array;
use proptest::prelude::*;

/// Uncertainties with many ties, over the zones.
fn samples() -> impl Strategy<Value = (Uncertainty, Labels, Percent)> {
    (prop::collection::vec((0u8..6, 0usize..17), 1..300), 0.01f64..=100.0).prop_map(|(rows, percent)| {
        let values = rows.iter().map(|(u, _)| f64::from(*u) / 4.0).collect();
        let labels = rows.iter().map(|(_, k)| *k).collect();
        let labels = Labels::new(Classes::lcz(), labels).unwrap();
        (Uncertainty::new(values).unwrap(), labels, Percent::new(percent).unwrap())
    })
}

fn all_of(u: &Uncertainty, labels: &Labels, share: Percent) -> Vec<Subset> {
    let (most, least) = (u.most_uncertain(share), u.most_certain(share));
    vec![
        u.random(share, 3),
        most.overall(),
        most.stratified(labels).unwrap(),
        most.balanced(labels).unwrap(),
        least.overall(),
        least.stratified(labels).unwrap(),
        least.balanced(labels).unwrap(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_subset_has_the_stated_size_without_duplicates_and_its_complement_is_the_rest(
        (u, labels, share) in samples()
    ) {
        let n = u.candidates().len();
        let wanted = ((share.value() / 100.0 * n as f64).round() as usize).max(1);
        for subset in all_of(&u, &labels, share) {
            // Half of a sample may round either way in floating point.
            prop_assert!(subset.len().abs_diff(wanted) <= 1 && subset.len() == share.of(n));
            prop_assert!(subset.positions().is_sorted_by(|a, b| a < b), "twice the same");
            let mut both = [subset.positions(), subset.complement().positions()].concat();
            both.sort_unstable();
            prop_assert_eq!(&both[..], u.candidates());
        }
    }

    #[test]
    fn nothing_left_out_is_more_uncertain_than_what_was_chosen((u, labels, share) in samples()) {
        let value = |row: &usize| u.values()[*row];
        let ends = |subset: &Subset, keep: &dyn Fn(&usize) -> bool| {
            let least = subset.positions().iter().filter(|r| keep(r)).map(value).fold(f64::INFINITY, f64::min);
            let most = subset.complement().positions().iter().filter(|r| keep(r)).map(value).fold(f64::NEG_INFINITY, f64::max);
            (least, most)
        };
        let (least, most) = ends(&u.most_uncertain(share).overall(), &|_| true);
        prop_assert!(least >= most);
        for subset in [u.most_uncertain(share).stratified(&labels).unwrap(), u.most_uncertain(share).balanced(&labels).unwrap()] {
            for k in 0..17 {
                let (least, most) = ends(&subset, &|row| labels.indices()[*row] == k);
                prop_assert!(least >= most);
            }
        }
        // The certain end is the uncertain end of the negated numbers.
        let negated = Uncertainty::new(u.values().iter().map(|u| -u).collect()).unwrap();
        prop_assert_eq!(u.most_certain(share).overall(), negated.most_uncertain(share).overall());
    }

    #[test]
    fn strata_have_their_share_and_balanced_classes_equal_counts((u, labels, share) in samples()) {
        let sizes = labels.counts();
        let total = share.of(labels.len());
        let counts = u.most_uncertain(share).stratified(&labels).unwrap().counts(&labels);
        for (count, size) in counts.iter().zip(&sizes) {
            let exact = total as f64 * *size as f64 / labels.len() as f64;
            prop_assert!((*count as f64 - exact).abs() < 1.0, "{count} of {size}, {exact} wanted");
        }
        let counts = u.most_uncertain(share).balanced(&labels).unwrap().counts(&labels);
        // A class with fewer than another gives all it has, but for the one left over.
        for (a, size) in counts.iter().zip(&sizes) {
            for b in &counts {
                prop_assert!(a + 1 >= *b || a == size, "{counts:?} of {sizes:?}");
            }
        }
    }

    #[test]
    fn a_seed_repeats_and_another_differs((u, _, share) in samples()) {
        prop_assert_eq!(u.random(share, 5), u.random(share, 5));
        let (n, all) = (share.of(u.values().len()), u.values().len());
        if n >= 20 && all - n >= 20 {
            prop_assert_ne!(u.random(share, 5), u.random(share, 6));
        }
    }
}

#[test]
fn of_equally_uncertain_samples_the_first_is_chosen_at_either_end() {
    let u = Uncertainty::new(vec![1.0, 2.0, 2.0, 2.0, 1.0]).unwrap();
    let share = Percent::new(40.0).unwrap();
    assert_eq!(u.most_uncertain(share).overall().positions(), [1, 2]);
    assert_eq!(u.most_certain(share).overall().positions(), [0, 4]);
    assert_eq!(u.most_certain(Percent::new(20.0).unwrap()).overall().positions(), [0]);
}

#[test]
fn a_random_subset_takes_every_sample_equally_often() {
    let u = Uncertainty::new(vec![0.0; 40]).unwrap();
    let mut taken = [0u32; 40];
    for seed in 0..4000 {
        u.random(Percent::new(25.0).unwrap(), seed).positions().iter().for_each(|&row| taken[row] += 1);
    }
    // 1,000 each, standard deviation 27.
    assert!(taken.iter().all(|n| (870..1130).contains(n)), "{taken:?}");
}

#[test]
fn water_is_never_chosen_when_it_is_left_out() {
    let labels = Labels::new(Classes::lcz(), vec![16, 0, 16, 5, 0, 16]).unwrap();
    let u =
        Uncertainty::new(vec![9.0, 1.0, 8.0, 2.0, 3.0, 7.0]).unwrap().without(&labels, Zone::Water).unwrap();
    let share = Percent::new(67.0).unwrap();
    assert_eq!(u.most_uncertain(share).overall().positions(), [3, 4]);
    for subset in all_of(&u, &labels, Percent::new(100.0).unwrap()) {
        assert_eq!(subset.positions(), [1, 3, 4]);
        assert!(subset.complement().is_empty());
    }
}

#[test]
fn votes_and_predictions_are_uncertain_by_their_entropy() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let table = array![[1.0, 0.0], [0.5, 0.5]];
    let y = LabelDistributions::new(classes.clone(), table.clone()).unwrap();
    let p = Probabilities::new(classes, table).unwrap();
    for u in [Uncertainty::from_votes(&y).unwrap(), Uncertainty::from_predictions(&p).unwrap()] {
        assert!(u.values()[0].abs() < 1e-15 && (u.values()[1] - 2f64.ln()).abs() < 1e-15);
    }
}

#[test]
fn shares_and_uncertainties_that_are_none_are_refused() {
    for share in [0.0, -1.0, 100.5, f64::NAN] {
        assert!(Percent::new(share).is_err(), "{share}");
    }
    let error = Uncertainty::new(vec![0.0, f64::NAN]).unwrap_err().to_string();
    assert!(error.starts_with("uncertainty, row 1: NaN is not a finite number; "), "{error}");
    assert!(Uncertainty::new(Vec::new()).is_err());
    let u = Uncertainty::new(vec![0.0, 1.0]).unwrap();
    let labels = Labels::new(Classes::lcz(), vec![0]).unwrap();
    assert!(u.most_uncertain(Percent::new(50.0).unwrap()).stratified(&labels).is_err());
}
