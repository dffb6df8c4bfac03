//! Exercises of notebook 07.

use super::{Verdict, close_to};

/// A step of Weiszfeld's iteration on a line: the mean of the points, each weighted by 1 / |x − c|.
pub fn check_weiszfeld_step(answer: impl Fn(&[f64], f64) -> f64) -> Verdict {
    let cases: [(&[f64], f64); 3] =
        [(&[0.0, 1.0, 10.0], 4.0), (&[1.0, 2.0], 5.0), (&[-3.0, 0.5, 1.0, 8.0], 0.0)];
    let step = |points: &[f64], weight: &dyn Fn(f64) -> f64, over: &dyn Fn(f64) -> f64| {
        let sum: f64 = points.iter().map(|x| weight(*x) * x).sum();
        let weights: f64 = points.iter().map(|x| weight(*x)).sum();
        sum / over(weights)
    };
    let all = |wanted: &dyn Fn(&[f64], f64) -> f64| {
        cases.iter().all(|(x, c)| (answer(x, *c) - wanted(x, *c)).abs() < 1e-9)
    };
    let inverse = |c: f64| move |x: f64| 1.0 / (x - c).abs();
    let hint = if all(&|points, _| step(points, &|_| 1.0, &|w| w)) {
        "that is the mean: each point counts with 1 / |x - c|"
    } else if all(&|points, c| step(points, &|x| (x - c).abs(), &|w| w)) {
        "far points count less, not more: 1 divided by the distance"
    } else if all(&|points, c| step(points, &inverse(c), &|_| points.len() as f64)) {
        "divide by the sum of the weights, not by the number of points"
    } else {
        "the sum of x / |x - c|, divided by the sum of 1 / |x - c|"
    };
    let right = all(&|points, c| step(points, &inverse(c), &|w| w));
    Verdict::of(
        right,
        "repeated, it converges to the point where the unit vectors to all points sum to 0",
        hint,
    )
}

/// How many samples of each class a stratified subset of q per cent has, before rounding.
pub fn check_strata(answer: impl Fn(&[f64], f64) -> Vec<f64>) -> Verdict {
    let cases: [(&[f64], f64); 2] = [(&[100.0, 50.0, 10.0], 20.0), (&[400.0, 0.0, 30.0], 5.0)];
    let all = |wanted: &dyn Fn(f64, f64, usize, f64) -> f64| {
        cases.iter().all(|(counts, percent)| {
            let total: f64 = counts.iter().sum();
            let rows: Vec<f64> = counts.iter().map(|n| wanted(*n, *percent, counts.len(), total)).collect();
            close_to(&answer(counts, *percent), &rows)
        })
    };
    let hint = if all(&|n, percent, _, _| n * percent) {
        "per cent are hundredths: divide by 100"
    } else if all(&|_, percent, k, total| total * percent / 100.0 / k as f64) {
        "that gives every class the same number, a balanced subset; stratified keeps the classes' shares"
    } else {
        "the same share of each class: its count times percent / 100"
    };
    let right = all(&|n, percent, _, _| n * percent / 100.0);
    Verdict::of(right, "as many in all as without strata, but no class can be forgotten", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let weighted = |weight: fn(f64) -> f64| {
            move |x: &[f64], c: f64| {
                let w: Vec<f64> = x.iter().map(|x| weight((x - c).abs())).collect();
                let sum: f64 = x.iter().zip(&w).map(|(x, w)| x * w).sum();
                (sum, w.iter().sum::<f64>())
            }
        };
        let divided = |weight: fn(f64) -> f64| {
            move |x: &[f64], c: f64| weighted(weight)(x, c).0 / weighted(weight)(x, c).1
        };
        assert!(is_correct(&check_weiszfeld_step(divided(|d| 1.0 / d))));
        hint(check_weiszfeld_step(divided(|_| 1.0)), "the mean");
        hint(check_weiszfeld_step(divided(|d| d)), "not more");
        hint(
            check_weiszfeld_step(|x, c| weighted(|d| 1.0 / d)(x, c).0 / x.len() as f64),
            "sum of the weights",
        );
        hint(check_weiszfeld_step(|_, c| c), "divided by the sum of 1");

        let each =
            |f: fn(f64, f64) -> f64| move |n: &[f64], p: f64| n.iter().map(|n| f(*n, p)).collect::<Vec<_>>();
        assert!(is_correct(&check_strata(each(|n, p| n * p / 100.0))));
        hint(check_strata(each(|n, p| n * p)), "hundredths");
        let balanced = |n: &[f64], p: f64| vec![n.iter().sum::<f64>() * p / 100.0 / n.len() as f64; n.len()];
        hint(check_strata(balanced), "balanced");
        hint(check_strata(each(|_, p| p)), "share of each");
    }
}
