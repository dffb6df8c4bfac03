//! Exercises of notebook 02.

use super::Verdict;
use crate::metrics::ConfusionMatrix;

/// The Gini impurity `1 − Σ_k (n_k / n)²` of these numbers of samples per class.
pub fn check_gini(answer: impl Fn(&[f64]) -> f64) -> Verdict {
    let nodes: [(&[f64], f64); 4] =
        [(&[5.0, 5.0], 0.5), (&[10.0, 0.0], 0.0), (&[2.0, 2.0, 4.0], 0.625), (&[1.0, 1.0, 1.0, 1.0], 0.75)];
    let right = |change: &dyn Fn(f64) -> f64| {
        nodes.iter().all(|(counts, gini)| (answer(counts) - change(*gini)).abs() < 1e-9)
    };
    let hint = if right(&|gini| 1.0 - gini) {
        "that is how pure the node is, the sum of the squares: 1 minus that"
    } else if answer(&[10.0, 0.0]) < -1.0 {
        "turn counts into shares first: n / total"
    } else {
        "the shares of the classes, squared, summed; 1 minus that sum"
    };
    Verdict::of(right(&|gini| gini), "0 is a pure node; 1 - 1/K is one with K classes in equal parts", hint)
}

/// The code of the class that was found least often: the lowest recall.
pub fn check_hardest(answer: &str, confusion: &ConfusionMatrix) -> Verdict {
    let classes = confusion.per_class();
    let present = || classes.iter().filter(|class| class.support > 0);
    let lowest = |score: fn(&crate::metrics::ClassScores) -> f64| {
        present().map(score).filter(|score| score.is_finite()).fold(f64::INFINITY, f64::min)
    };
    let Some(chosen) = classes.iter().find(|class| class.class == answer) else {
        let codes = confusion.classes().codes().join(", ");
        return Verdict::NotYet(format!("there is no class '{answer}'; codes are {codes}"));
    };
    let hint = if chosen.support == 0 {
        "the test set has none of these; leave out classes without support"
    } else if chosen.precision <= lowest(|class| class.precision) {
        "that is the lowest precision, the share of right predictions of a class; recall is the share of its patches that are found"
    } else {
        "compare the recall of the classes: min_by(|a, b| a.recall.total_cmp(&b.recall))"
    };
    let right = chosen.support > 0 && chosen.recall <= lowest(|class| class.recall);
    Verdict::of(
        right,
        "overall accuracy hides it, because the class is rare; average accuracy does not",
        hint,
    )
}

/// Cohen's kappa of the observed agreement and that expected by chance, `(p_o − p_e) / (1 − p_e)`.
pub fn check_kappa(answer: impl Fn(f64, f64) -> f64) -> Verdict {
    let pairs = [(0.6, 0.2), (0.9, 0.5), (0.3, 0.3), (0.8, 0.4)];
    let all = |wanted: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().all(|&(o, e)| (answer(o, e) - wanted(o, e)).abs() < 1e-9)
    };
    let hint = if all(&|o, e| o - e) {
        "that is the gain over chance; divide by what could be gained, 1 - expected"
    } else if all(&|o, e| (o - e) / (1.0 - o)) {
        "divide by what chance left to gain, 1 - expected"
    } else {
        "what was gained over chance, divided by what could be gained"
    };
    Verdict::of(all(&|o, e| (o - e) / (1.0 - e)), "0 is no better than chance, 1 is perfect", hint)
}

#[cfg(test)]
mod tests {
    use crate::ndarray::array;

    use super::super::testing::{hint, is_correct};
    use super::*;
    use crate::Classes;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let purity = |counts: &[f64]| {
            let total: f64 = counts.iter().sum();
            counts.iter().map(|n| (n / total).powi(2)).sum::<f64>()
        };
        assert!(is_correct(&check_gini(|counts| 1.0 - purity(counts))));
        hint(check_gini(purity), "1 minus");
        hint(check_gini(|counts| 1.0 - counts.iter().map(|n| n * n).sum::<f64>()), "shares first");
        hint(check_gini(|_| 0.3), "squared");

        assert!(is_correct(&check_kappa(|o, e| (o - e) / (1.0 - e))));
        hint(check_kappa(|o, e| o - e), "divide by what could");
        hint(check_kappa(|o, e| (o - e) / (1.0 - o)), "chance left");
        hint(check_kappa(|o, _| o), "gained over chance");
    }

    #[test]
    fn the_hardest_class_is_found_in_the_matrix() {
        // Recalls 9/10, 5/10 and 12/20, precisions 9/10, 5/14 and 12/16; the fourth class has no sample.
        let counts = array![[9, 1, 0, 0], [1, 5, 4, 0], [0, 8, 12, 0], [0, 0, 0, 0]];
        let confusion = ConfusionMatrix::from_counts(Classes::from_count(4), counts).unwrap();
        let codes = confusion.classes().codes().to_vec();
        assert!(is_correct(&check_hardest(&codes[1], &confusion)));
        hint(check_hardest(&codes[0], &confusion), "compare the recall");
        hint(check_hardest(&codes[3], &confusion), "without support");
        hint(check_hardest("Paris", &confusion), "no class");
        // The same recalls, but the lowest precision elsewhere.
        let counts = array![[9, 0, 1, 0], [0, 5, 5, 0], [0, 0, 6, 4], [0, 0, 0, 0]];
        let confusion = ConfusionMatrix::from_counts(Classes::from_count(4), counts).unwrap();
        hint(check_hardest(&codes[2], &confusion), "lowest precision");
    }
}
