//! Exercises of notebook 08.

use super::Verdict;

/// Whether a split leaks: whether any city is in both parts.
pub fn check_leak(answer: impl Fn(&[i32], &[i32]) -> bool) -> Verdict {
    let cases: [(&[i32], &[i32], bool); 5] = [
        (&[1, 1, 2], &[3, 4], false),
        (&[1, 2, 3], &[3, 4], true),
        (&[5, 6], &[9, 5], true),
        (&[7], &[], false),
        (&[1, 2], &[2, 1], true),
    ];
    let wrong: Vec<bool> = cases.iter().map(|(a, b, leaks)| answer(a, b) != *leaks).collect();
    let turned = wrong.iter().all(|wrong| *wrong);
    let position = cases.iter().map(|(a, b, _)| a.iter().zip(*b).any(|(a, b)| a == b));
    let hint = if turned {
        "turned round: true is to mean that there is a leak"
    } else if cases.iter().zip(position).all(|((a, b, _), same)| answer(a, b) == same) {
        "compare each city of the one part with all of the other, not place by place: other.contains(city)"
    } else {
        "true if any city of the training part is among those of the test part"
    };
    Verdict::of(
        !wrong.contains(&true),
        "neighbouring patches of one city in both parts flatter every score",
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
        "the sign is turned: the mean is less sure than its members, so its entropy goes first"
    } else if all(&total) {
        "that is all of the uncertainty; take off what each member has by itself"
    } else if all(&aleatoric) {
        "that is what members doubt by themselves; the entropy of their mean, less this"
    } else {
        "entropy of the mean prediction, less the mean of the members' entropies"
    };
    let right = all(&|m| total(m) - aleatoric(m));
    Verdict::of(right, "0 where all members say the same, however unsure they are", hint)
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
    Verdict::of(all(&|case| case.1), "a small margin is a question worth asking an expert", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        assert!(is_correct(&check_leak(|a, b| a.iter().any(|city| b.contains(city)))));
        hint(check_leak(|a, b| !a.iter().any(|city| b.contains(city))), "turned");
        hint(check_leak(|a, b| a.iter().zip(b).any(|(a, b)| a == b)), "place by place");
        hint(check_leak(|_, _| true), "any city");

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
