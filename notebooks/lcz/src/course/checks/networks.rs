//! Exercises of notebook 03.

use super::{Verdict, close_to};

/// How many parameters a dense layer has, as a function of its inputs and outputs: `(inputs + 1) · outputs`.
pub fn check_dense_parameters(answer: impl Fn(usize, usize) -> usize) -> Verdict {
    let sizes = [(10_240, 128), (128, 17), (3, 2), (1, 1)];
    let all =
        |wanted: &dyn Fn(usize, usize) -> usize| sizes.iter().all(|&(i, o)| answer(i, o) == wanted(i, o));
    let hint = if all(&|i, o| i * o) {
        "those are the weights; each output has a bias, too"
    } else if all(&|i, o| i * o + 1) {
        "one bias is not enough: each output has its own"
    } else if all(&|i, o| (o + 1) * i) {
        "biases belong to the outputs, not to the inputs"
    } else {
        "a weight for each pair of an input and an output, and a bias for each output"
    };
    Verdict::of(
        all(&|i, o| (i + 1) * o),
        "nearly all of the perceptron's numbers are in its first layer",
        hint,
    )
}

/// The side of a convolution's output, as a function of the input's side, kernel, stride and padding:
/// `⌊(n + 2p − k) / s⌋ + 1`.
pub fn check_output_size(answer: impl Fn(usize, usize, usize, usize) -> usize) -> Verdict {
    let cases = [(32, 7, 2, 3), (32, 3, 1, 1), (16, 3, 2, 0), (8, 1, 1, 0), (15, 2, 2, 0)];
    let all = |wanted: &dyn Fn(usize, usize, usize, usize) -> usize| {
        cases.iter().all(|&(n, k, s, p)| answer(n, k, s, p) == wanted(n, k, s, p))
    };
    let hint = if all(&|n, k, s, p| (n + 2 * p - k) / s) {
        "the first place counts, too: + 1 at the end"
    } else if all(&|n, k, s, p| (n + p - k) / s + 1) {
        "padding is on both sides: 2 * padding"
    } else if all(&|n, k, _, p| n + 2 * p - k + 1) {
        "a stride of 2 takes every second place: divide by the stride before adding 1"
    } else {
        "how many steps of the stride fit into size + 2 * padding - kernel, plus the first place"
    };
    let right = all(&|n, k, s, p| (n + 2 * p - k) / s + 1);
    Verdict::of(right, "with integers, / rounds down by itself", hint)
}

/// Probabilities of logits, `e^{z_k} / Σ_j e^{z_j}`, of large logits too.
pub fn check_softmax(answer: impl Fn(&[f64]) -> Vec<f64>) -> Verdict {
    let softmax = |z: &[f64]| {
        let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let e: Vec<f64> = z.iter().map(|z| (z - largest).exp()).collect();
        let sum: f64 = e.iter().sum();
        e.iter().map(|e| e / sum).collect::<Vec<_>>()
    };
    let small: [&[f64]; 2] = [&[0.0, 1.0, 2.0], &[-1.0, 3.0]];
    let large = [1000.0, 1001.0];
    let is_right = |z: &[f64]| close_to(&answer(z), &softmax(z));
    let hint = if small.iter().all(|z| is_right(z)) {
        "right for small numbers, but e^1000 is infinite: subtract the largest logit from all of them first"
    } else if answer(&[0.0, 1.0]).iter().sum::<f64>() > 1.0 + 1e-9 {
        "probabilities sum to 1: divide by the sum of the exponentials"
    } else {
        "exponentials, z.exp(), divided by their sum"
    };
    let right = small.iter().all(|z| is_right(z)) && is_right(&large);
    Verdict::of(right, "a constant added to all logits changes nothing", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        assert!(is_correct(&check_dense_parameters(|i, o| i * o + o)));
        hint(check_dense_parameters(|i, o| i * o), "bias, too");
        hint(check_dense_parameters(|i, o| i * o + 1), "one bias");
        hint(check_dense_parameters(|i, o| i * o + i), "not to the inputs");
        hint(check_dense_parameters(|i, o| i + o), "each pair");

        assert!(is_correct(&check_output_size(|n, k, s, p| (n + 2 * p - k) / s + 1)));
        hint(check_output_size(|n, k, s, p| (n + 2 * p - k) / s), "first place counts");
        hint(check_output_size(|n, k, s, p| (n + p - k) / s + 1), "both sides");
        hint(check_output_size(|n, k, _, p| n + 2 * p - k + 1), "divide by the stride");
        hint(check_output_size(|n, _, _, _| n), "how many steps");

        let e = |z: &[f64]| z.iter().map(|z| z.exp()).collect::<Vec<_>>();
        let stable = |z: &[f64]| {
            let top = z.iter().copied().fold(f64::MIN, f64::max);
            let e: Vec<f64> = z.iter().map(|z| (z - top).exp()).collect();
            e.iter().map(|x| x / e.iter().sum::<f64>()).collect::<Vec<_>>()
        };
        assert!(is_correct(&check_softmax(stable)));
        let plain = |z: &[f64]| e(z).iter().map(|x| x / e(z).iter().sum::<f64>()).collect::<Vec<_>>();
        hint(check_softmax(plain), "infinite");
        hint(check_softmax(e), "sum to 1");
        hint(check_softmax(|z| vec![0.0; z.len()]), "divided by their sum");
        hint(check_softmax(|_| vec![]), "divided by their sum");
    }
}
