//! Exercises of notebook 08.

use std::panic::{self, AssertUnwindSafe};

use super::Verdict;

/// Whether a split leaks: whether any city is in both parts.
pub fn check_leak(answer: impl Fn(&[i32], &[i32]) -> bool) -> Verdict {
    /// The cities of the training and of the test part, and whether they leak.
    type Case = (&'static [i32], &'static [i32], bool);
    let cases: [Case; 7] = [
        (&[1, 1, 2], &[3, 4], false),
        (&[1, 2, 3], &[3, 4], true),
        (&[5, 6], &[9, 5], true),
        (&[1, 2], &[2, 1], true),
        (&[4, 8], &[4, 9, 9], true),
        (&[7], &[], false),
        (&[], &[7], false),
    ];
    // An index beyond the end of one part is a likely mistake, too.
    let said = cases.map(|(a, b, _)| panic::catch_unwind(AssertUnwindSafe(|| answer(a, b))).ok());
    let all =
        |wanted: &dyn Fn(&Case) -> bool| said.iter().zip(&cases).all(|(s, case)| *s == Some(wanted(case)));
    let wrong = |case: &(&Option<bool>, &Case)| *case.0 != Some(case.1.2);
    if let Some((_, (a, b, _))) = said.iter().zip(&cases).find(|(said, _)| said.is_none()) {
        return Verdict::NotYet(format!(
            "it panics on {a:?} and {b:?}: parts differ in length, and may be empty"
        ));
    }
    let hint = if all(&|case| !case.2) {
        "inverted: true must mean that there is a leak"
    } else if all(&|(a, b, _)| a.iter().zip(*b).any(|(a, b)| a == b)) {
        "compare each city of one part with all of the other, not place by place"
    } else if all(&|(a, b, _)| a.iter().all(|city| b.contains(city)))
        || all(&|(a, b, _)| b.iter().all(|city| a.contains(city)))
    {
        "one city in both parts is a leak already: any, not all"
    } else if said.iter().zip(&cases).filter(wrong).all(|(_, (a, b, _))| a.is_empty() || b.is_empty()) {
        "right, but for a part without patches: it has no city, so none is in both"
    } else {
        "true if any city of the training part is among those of the test part"
    };
    Verdict::of(
        all(&|case| case.2),
        "with neighbouring patches of one city in both parts every score is too high",
        hint,
    )
}

/// The epistemic part of an ensemble's uncertainty: the entropy of the mean less the mean of the entropies.
pub fn check_disagreement(answer: impl Fn(&[Vec<f64>]) -> f64) -> Verdict {
    let entropy = |p: &[f64]| -p.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    let mean = |members: &[Vec<f64>]| -> Vec<f64> {
        (0..members[0].len())
            .map(|k| members.iter().map(|p| p[k]).sum::<f64>() / members.len() as f64)
            .collect()
    };
    let total = |members: &[Vec<f64>]| entropy(&mean(members));
    let aleatoric =
        |members: &[Vec<f64>]| members.iter().map(|p| entropy(p)).sum::<f64>() / members.len() as f64;
    let cases = [
        vec![vec![0.9, 0.1], vec![0.1, 0.9]],
        vec![vec![0.5, 0.5], vec![0.5, 0.5]],
        vec![vec![0.7, 0.2, 0.1], vec![0.5, 0.3, 0.2], vec![0.1, 0.1, 0.8]],
    ];
    let all = |wanted: &dyn Fn(&[Vec<f64>]) -> f64| {
        cases.iter().all(|members| (answer(members) - wanted(members)).abs() < 1e-9)
    };
    let hint = if all(&|m| aleatoric(m) - total(m)) {
        "the sign is wrong: the mean is less certain than its members, so its entropy comes first"
    } else if all(&total) {
        "that is the total uncertainty; take off the mean entropy of the members"
    } else if all(&|m| total(m) - m.len() as f64 * aleatoric(m)) || all(&|m| m.len() as f64 * aleatoric(m)) {
        "the members' entropies are added up there: take their mean, divide by how many members there are"
    } else if all(&|m| {
        let sum: Vec<f64> = mean(m).iter().map(|p| p * m.len() as f64).collect();
        entropy(&sum) - aleatoric(m)
    }) {
        "the members' probabilities are added up there: their mean sums to 1, divide by how many members there are"
    } else if all(&aleatoric) {
        "that is the mean entropy of the members; compute the entropy of their mean, less this"
    } else {
        "entropy of the mean prediction, less the mean of the members' entropies"
    };
    let right = all(&|m| total(m) - aleatoric(m));
    Verdict::of(right, "0 where all members predict the same, however uncertain they are", hint)
}

/// The lead of the most probable class over the second.
pub fn check_margin(answer: impl Fn(&[f64]) -> f64) -> Verdict {
    /// Probabilities, their margin, and the first less the second.
    type Case = (&'static [f64], f64, f64);
    let cases: [Case; 4] = [
        (&[0.5, 0.3, 0.2], 0.2, 0.2),
        (&[0.1, 0.8, 0.1], 0.7, -0.7),
        (&[0.2, 0.2, 0.6], 0.4, 0.0),
        (&[0.3, 0.4, 0.3], 0.1, -0.1),
    ];
    let all = |f: &dyn Fn(&Case) -> f64| cases.iter().all(|case| (answer(case.0) - f(case)).abs() < 1e-9);
    let range = |p: &[f64]| p.iter().copied().fold(0.0, f64::max) - p.iter().copied().fold(1.0, f64::min);
    let hint = if all(&|case| case.2) {
        "the first and second entries are not the largest ones: sort first"
    } else if all(&|case| range(case.0)) {
        "the second largest, not the smallest"
    } else {
        "sort from large to small, then the first less the second"
    };
    Verdict::of(all(&|case| case.1), "a small margin marks a patch that an expert should label", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        assert!(is_correct(&check_leak(|a, b| a.iter().any(|city| b.contains(city)))));
        hint(check_leak(|a, b| !a.iter().any(|city| b.contains(city))), "inverted");
        hint(check_leak(|a, b| a.iter().zip(b).any(|(a, b)| a == b)), "place by place");
        hint(check_leak(|_, _| true), "any city");
        hint(check_leak(|_, _| false), "any city");
        hint(check_leak(|a, b| a.iter().all(|city| b.contains(city))), "not all");
        hint(check_leak(|a, b| b.iter().all(|city| a.contains(city))), "not all");
        let of_any = |a: &[i32], b: &[i32]| a.iter().any(|city| b.contains(city));
        hint(check_leak(|a, b| b.is_empty() || of_any(a, b)), "without patches");
        hint(check_leak(|a, b| a.is_empty() || of_any(a, b)), "without patches");
        hint(check_leak(|a, b| (0..a.len()).any(|n| a[n] == b[n])), "it panics on [1, 1, 2] and [3, 4]");
        hint(check_leak(|a, b| b[0] == a[0] || of_any(a, b)), "it panics on [7] and []");

        let entropy = |p: &[f64]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
        let total = move |m: &[Vec<f64>]| {
            let k = m[0].len();
            entropy(&(0..k).map(|k| m.iter().map(|p| p[k]).sum::<f64>() / m.len() as f64).collect::<Vec<_>>())
        };
        let own = move |m: &[Vec<f64>]| m.iter().map(|p| entropy(p)).sum::<f64>() / m.len() as f64;
        assert!(is_correct(&check_disagreement(|m| total(m) - own(m))));
        hint(check_disagreement(|m| own(m) - total(m)), "sign");
        hint(check_disagreement(total), "take off");
        hint(check_disagreement(own), "less this");
        hint(check_disagreement(move |m| total(m) - own(m) * m.len() as f64), "take their mean");
        hint(check_disagreement(move |m| own(m) * m.len() as f64), "take their mean");
        hint(
            check_disagreement(move |m| {
                let sum: Vec<f64> = (0..m[0].len()).map(|k| m.iter().map(|p| p[k]).sum()).collect();
                entropy(&sum) - own(m)
            }),
            "sums to 1",
        );
        hint(check_disagreement(|_| 1.0), "entropy of the mean");

        let sorted = |p: &[f64]| {
            let mut p = p.to_vec();
            p.sort_by(|a, b| b.total_cmp(a));
            p
        };
        assert!(is_correct(&check_margin(|p| sorted(p)[0] - sorted(p)[1])));
        hint(check_margin(|p| p[0] - p[1]), "sort first");
        hint(check_margin(|p| sorted(p)[0] - sorted(p)[p.len() - 1]), "not the smallest");
        hint(check_margin(|p| p[0]), "from large to small");
    }
}
