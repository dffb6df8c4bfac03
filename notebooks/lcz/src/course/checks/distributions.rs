//! Exercises of notebook 05.

use super::{Verdict, close_to};

/// Label smoothing, `(1 − ε) y_k + ε / K`.
pub fn check_smoothing(answer: impl Fn(&[f64], f64) -> Vec<f64>) -> Verdict {
    let rows: [(&[f64], f64); 3] =
        [(&[1.0, 0.0, 0.0, 0.0], 0.1), (&[0.7, 0.3], 0.2), (&[0.5, 0.5, 0.0], 0.0)];
    let all = |wanted: &dyn Fn(f64, f64, f64) -> f64| {
        rows.iter().all(|(y, e)| {
            let k = y.len() as f64;
            close_to(&answer(y, *e), &y.iter().map(|y| wanted(*y, *e, k)).collect::<Vec<_>>())
        })
    };
    let hint = if all(&|y, e, k| y + e / k) {
        "the sum is now above 1: scale the label first, (1 - epsilon) * y"
    } else if all(&|y, e, k| (1.0 - e) * y + e / (k - 1.0)) {
        "epsilon is spread over all K classes, including the right one"
    } else if all(&|y, e, _| (1.0 - e) * y + e) {
        "each class gets epsilon / K, not all of it"
    } else {
        "(1 - epsilon) * y + epsilon / K, with K = y.len() as f64"
    };
    let right = all(&|y, e, k| (1.0 - e) * y + e / k);
    Verdict::of(
        right,
        "smoothing changes every label equally; votes differ from one-hot labels only for unclear patches",
        hint,
    )
}

/// The cross-entropy of a prediction against a label distribution, `−Σ_k y_k ln p_k`, with 0 · ln 0 = 0.
pub fn check_cross_entropy(answer: impl Fn(&[f64], &[f64]) -> f64) -> Verdict {
    let wanted = |y: &[f64], p: &[f64]| {
        -y.iter().zip(p).filter(|(y, _)| **y > 0.0).map(|(y, p)| y * p.ln()).sum::<f64>()
    };
    let pairs: [(&[f64], &[f64]); 2] = [(&[0.7, 0.3], &[0.5, 0.5]), (&[0.2, 0.3, 0.5], &[0.1, 0.6, 0.3])];
    let zero: (&[f64], &[f64]) = (&[1.0, 0.0], &[1.0, 0.0]);
    let all =
        |f: &dyn Fn(&[f64], &[f64]) -> f64| pairs.iter().all(|(y, p)| (answer(y, p) - f(y, p)).abs() < 1e-9);
    let hint = if all(&|y, p| -wanted(y, p)) {
        "a minus sign is missing: the loss is positive"
    } else if all(&|y, p| wanted(p, y)) {
        "take the logarithm of the prediction, p; y is its weight"
    } else if all(&wanted) {
        "right except for 0 ln 0, which is 0 here, not NaN: leave out classes without votes"
    } else {
        "for each class y times the logarithm of p; the sum, with a minus"
    };
    let right = all(&wanted) && answer(zero.0, zero.1).abs() < 1e-9;
    Verdict::of(right, "one-hot labels are the case in which a single term is left", hint)
}

/// The gradient of the cross-entropy with respect to the logits, `p − y`.
pub fn check_gradient(answer: impl Fn(&[f64], &[f64]) -> Vec<f64>) -> Verdict {
    let pairs: [(&[f64], &[f64]); 2] = [(&[0.8, 0.2], &[0.6, 0.4]), (&[0.1, 0.2, 0.7], &[0.0, 0.0, 1.0])];
    let all = |f: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().all(|(p, y)| {
            close_to(&answer(p, y), &p.iter().zip(*y).map(|(p, y)| f(*p, *y)).collect::<Vec<_>>())
        })
    };
    let hint = if all(&|p, y| y - p) {
        "the sign is wrong: the gradient points to where the loss grows, so p - y"
    } else if all(&|p, y| -y / p) {
        "that is the gradient with respect to p; with respect to the logits it is simpler"
    } else {
        "a difference of the two, class by class"
    };
    Verdict::of(all(&|p, y| p - y), "the gradient is 0 at p = y: at the votes, not at full confidence", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let with = |f: fn(f64, f64, f64) -> f64| {
            move |y: &[f64], e: f64| y.iter().map(|v| f(*v, e, y.len() as f64)).collect::<Vec<_>>()
        };
        assert!(is_correct(&check_smoothing(with(|y, e, k| (1.0 - e) * y + e / k))));
        hint(check_smoothing(with(|y, e, k| y + e / k)), "above 1");
        hint(check_smoothing(with(|y, e, k| (1.0 - e) * y + e / (k - 1.0))), "all K");
        hint(check_smoothing(with(|y, e, _| (1.0 - e) * y + e)), "not all of it");
        hint(check_smoothing(with(|y, _, _| y)), "epsilon / K");

        let sum = |f: fn(f64, f64) -> f64| {
            move |y: &[f64], p: &[f64]| y.iter().zip(p).map(|(y, p)| f(*y, *p)).sum::<f64>()
        };
        assert!(is_correct(&check_cross_entropy(sum(|y, p| if y > 0.0 { -y * p.ln() } else { 0.0 }))));
        hint(check_cross_entropy(sum(|y, p| y * p.ln())), "minus");
        hint(check_cross_entropy(sum(|y, p| -p * y.ln())), "of the prediction");
        hint(check_cross_entropy(sum(|y, p| -y * p.ln())), "0 ln 0");
        hint(check_cross_entropy(sum(|y, p| (y - p).abs())), "logarithm of p");

        let each = |f: fn(f64, f64) -> f64| {
            move |p: &[f64], y: &[f64]| p.iter().zip(y).map(|(p, y)| f(*p, *y)).collect::<Vec<_>>()
        };
        assert!(is_correct(&check_gradient(each(|p, y| p - y))));
        hint(check_gradient(each(|p, y| y - p)), "sign");
        hint(check_gradient(each(|p, y| -y / p)), "simpler");
        hint(check_gradient(each(|p, y| p * y)), "difference");
    }
}
