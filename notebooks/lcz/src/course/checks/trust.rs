//! Exercises of notebook 06.

use super::{Verdict, close_to};

/// The largest gap between accuracy and confidence of bins (samples, confidence, accuracy), empty ones left out:
/// the maximum calibration error.
pub fn check_worst_gap(answer: impl Fn(&[(f64, f64, f64)]) -> f64) -> Verdict {
    let bins = [(0.0, f64::NAN, f64::NAN), (10.0, 0.55, 0.6), (30.0, 0.8, 0.5), (60.0, 0.95, 0.9)];
    let filled = &bins[1..];
    // The worst on the other side, and the empty one where it may spoil what comes before.
    let modest = [(30.0, 0.5, 0.8), (70.0, 0.6, 0.55), (0.0, f64::NAN, f64::NAN)];
    let close = |value: f64| (answer(&bins) - value).abs() < 1e-9;
    let close_modest = |value: f64| (answer(&modest) - value).abs() < 1e-9;
    let ece = filled.iter().map(|(n, confidence, accuracy)| n / 100.0 * (accuracy - confidence).abs()).sum();
    let hint = if close(ece) {
        "that is the mean over samples, the expected error; compute the largest"
    } else if close(0.05) || close_modest(0.05) {
        "a gap of -0.3 is a gap, too: take the absolute value, .abs()"
    } else if answer(&bins).is_nan() || answer(&modest).is_nan() {
        "an empty bin has no accuracy (NaN): leave out bins without samples"
    } else {
        "|accuracy - confidence| of each bin with samples; the largest of them"
    };
    let right = close(0.3) && close_modest(0.3) && (answer(filled) - 0.3).abs() < 1e-9;
    Verdict::of(right, "the largest gap of a bin with few samples is mostly chance: look at the counts", hint)
}

/// The softmax of logits at a temperature, `e^{z_k / T} / Σ_j e^{z_j / T}`.
pub fn check_temperature(answer: impl Fn(&[f64], f64) -> Vec<f64>) -> Verdict {
    let softmax = |z: &[f64], factor: f64| {
        let e: Vec<f64> = z.iter().map(|z| (z * factor).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.iter().map(|e| e / sum).collect::<Vec<_>>()
    };
    let cases: [(&[f64], f64); 3] = [(&[0.0, 1.0, 2.0], 2.0), (&[-1.0, 3.0], 0.5), (&[1.0, 2.0], 1.0)];
    let all =
        |f: &dyn Fn(&[f64], f64) -> Vec<f64>| cases.iter().all(|(z, t)| close_to(&answer(z, *t), &f(z, *t)));
    let hint = if all(&softmax) {
        "that multiplies by T: a temperature above 1 would sharpen. Divide"
    } else if all(&|z, t| softmax(z, 1.0).iter().map(|p| p / t).collect()) {
        "divide the logits by T, before the exponentials; probabilities must still sum to 1"
    } else if all(&|z, _| softmax(z, 1.0)) {
        "T is not used yet: divide each logit by it"
    } else {
        "divide each logit by T, then the softmax as before"
    };
    let right = all(&|z, t| softmax(z, 1.0 / t));
    Verdict::of(
        right,
        "the order of the classes does not change, so accuracy does not change; only the confidence does",
        hint,
    )
}

/// Which of n sorted calibration scores is the conformal threshold, counted from 1: `⌈(n + 1)(1 − α)⌉`.
pub fn check_rank(answer: impl Fn(usize, f64) -> usize) -> Verdict {
    let cases = [(100, 0.1), (500, 0.1), (9, 0.1), (99, 0.05), (13, 0.15)];
    // A product such as 10 · 0.9 may lie a rounding error above 9.
    let up = |n: f64, alpha: f64| (n * (1.0 - alpha) - 1e-9).ceil() as usize;
    let all = |wanted: &dyn Fn(usize, f64) -> usize| {
        cases.iter().all(|&(n, alpha)| answer(n, alpha) == wanted(n, alpha))
    };
    let hint = if all(&|n, alpha| up(n as f64, alpha)) {
        "the new patch counts as one of them: n + 1"
    } else if all(&|n, alpha| ((n + 1) as f64 * (1.0 - alpha) + 1e-9).floor() as usize) {
        "rounding down gives a coverage slightly below 1 - alpha: round up, .ceil()"
    } else if all(&|n, alpha| up((n + 1) as f64, 1.0 - alpha)) {
        "that leaves out a share of 1 - alpha of the true classes; a share of 1 - alpha is to be covered"
    } else {
        "the formula, step by step: one more than n, as f64; times the share to be covered; round up; back to usize"
    };
    let right = cases.iter().all(|&(n, alpha)| {
        let (wanted, given) = (up((n + 1) as f64, alpha), answer(n, alpha));
        // The formula as it stands in a book, rounding error included, is right.
        given == wanted || given == ((n + 1) as f64 * (1.0 - alpha)).ceil() as usize
    });
    Verdict::of(right, "with few calibration patches the guarantee needs large sets", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        type Bin = (f64, f64, f64);
        let filled = |bins: &[Bin]| bins.iter().filter(|bin| bin.0 > 0.0).copied().collect::<Vec<_>>();
        let worst = |bins: &[Bin]| filled(bins).iter().map(|b| (b.2 - b.1).abs()).fold(0.0, f64::max);
        assert!(is_correct(&check_worst_gap(worst)));
        hint(
            check_worst_gap(|bins| filled(bins).iter().map(|b| b.0 / 100.0 * (b.2 - b.1).abs()).sum()),
            "mean over",
        );
        hint(check_worst_gap(|bins| filled(bins).iter().map(|b| b.2 - b.1).fold(0.0, f64::max)), "absolute");
        hint(check_worst_gap(|bins| filled(bins).iter().map(|b| b.1 - b.2).fold(0.0, f64::max)), "absolute");
        hint(check_worst_gap(|bins| bins.iter().map(|b| (b.2 - b.1).abs()).sum()), "empty bin");
        hint(check_worst_gap(|_| 1.0), "largest of them");

        let softmax = |z: &[f64], f: f64| {
            let e: Vec<f64> = z.iter().map(|z| (z * f).exp()).collect();
            e.iter().map(|x| x / e.iter().sum::<f64>()).collect::<Vec<_>>()
        };
        assert!(is_correct(&check_temperature(|z, t| softmax(z, 1.0 / t))));
        hint(check_temperature(softmax), "Divide");
        hint(
            check_temperature(|z, t| softmax(z, 1.0).iter().map(|p| p / t).collect()),
            "before the exponentials",
        );
        hint(check_temperature(|z, _| softmax(z, 1.0)), "not used yet");
        hint(check_temperature(|z, _| z.to_vec()), "then the softmax");

        let rank = |n: f64, share: f64| (n * share).ceil() as usize;
        assert!(is_correct(&check_rank(|n, alpha| rank((n + 1) as f64, 1.0 - alpha))));
        hint(check_rank(|n, alpha| (n as f64 * (1.0 - alpha) - 1e-9).ceil() as usize), "n + 1");
        hint(check_rank(|n, alpha| ((n + 1) as f64 * (1.0 - alpha) + 1e-9).floor() as usize), "round up");
        hint(check_rank(|n, alpha| ((n + 1) as f64 * alpha - 1e-9).ceil() as usize), "to be covered");
        hint(check_rank(|n, _| n), "step by step");
        // What the exercise's stand-in gives.
        hint(check_rank(|_, _| 0), "step by step");
        assert!(!check_rank(|_, _| 0).to_string().contains("ceil()"), "the solution is not given away");
    }
}
