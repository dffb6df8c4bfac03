//! Exercises of notebook 10.

use crate::ndarray::{Array2, array};

use super::Verdict;

/// Whether a patch is to be left out for clouds: whether more than 15 % of its scene classes are 3, 8, 9 or 10.
pub fn check_clouded(answer: impl Fn(&[u8]) -> bool) -> Verdict {
    let patch = |hidden: &[u8], clear: usize| [hidden.to_vec(), vec![4; clear]].concat();
    // 15 of 100 are just allowed, 16 are not.
    let cases = [
        patch(&[9; 15], 85),
        patch(&[9; 16], 84),
        patch(&[3; 30], 70),
        patch(&[8, 8, 8, 9, 9, 10, 10, 3, 3, 3, 3, 3, 3, 3, 3, 3], 84),
        patch(&[10; 40], 60),
        patch(&[6; 50], 50),
        patch(&[], 64),
        patch(&[8; 4], 16),
    ];
    let share = |patch: &[u8], hidden: &[u8]| {
        patch.iter().filter(|class| hidden.contains(class)).count() as f64 / patch.len() as f64
    };
    let all = |wanted: &dyn Fn(&[u8]) -> bool| cases.iter().all(|case| answer(case) == wanted(case));
    let hint = if all(&|patch| share(patch, &[3, 8, 9, 10]) <= 0.15) {
        "inverted: true must mean that the patch is left out"
    } else if all(&|patch| share(patch, &[3, 8, 9, 10]) >= 0.15) {
        "exactly 15 % are still allowed"
    } else if all(&|patch| share(patch, &[8, 9, 10]) > 0.15) || all(&|patch| share(patch, &[8, 9]) > 0.15) {
        "some classes that hide the ground are missing: 3 is cloud shadow, 10 thin cirrus"
    } else if all(&|patch| patch.iter().filter(|class| [3, 8, 9, 10].contains(class)).count() > 15) {
        "a share, not a number: patches may have any size"
    } else {
        "count the pixels of classes 3, 8, 9, 10, divide by all pixels, and compare with 0.15"
    };
    let right = all(&|patch| share(patch, &[3, 8, 9, 10]) > 0.15);
    Verdict::of(right, "a threshold is a choice: write down which one you took", hint)
}

/// The energy of the U-Net paper, `E = −Σ_x w(x) ln p_true(x)`, of some pixels: their weights, and the probability of
/// each one's true class. A weight of 0 is a pixel without a class.
pub fn check_energy(answer: impl Fn(&[f64], &[f64]) -> f64) -> Verdict {
    let cases: [(&[f64], &[f64]); 3] = [
        (&[1.0, 1.0, 1.0], &[0.9, 0.5, 0.2]),
        (&[2.0, 0.0, 1.0, 0.5], &[0.7, 0.1, 0.4, 0.25]),
        (&[1.0], &[1.0]),
    ];
    let sum = |w: &[f64], p: &[f64]| w.iter().zip(p).map(|(w, p)| w * p.ln()).sum::<f64>();
    let all = |wanted: &dyn Fn(&[f64], &[f64]) -> f64| {
        cases.iter().all(|(w, p)| (answer(w, p) - wanted(w, p)).abs() < 1e-9)
    };
    let unweighted = |p: &[f64]| -p.iter().map(|p| p.ln()).sum::<f64>();
    let hint = if all(&sum) {
        "a minus sign is missing: without it the best network has the largest energy"
    } else if all(&|_, p| unweighted(p)) {
        "multiply each pixel's term by its weight; a pixel of weight 0 does not count"
    } else if all(&|w, p| -sum(w, p) / w.len() as f64) {
        "the energy is the sum; training uses the mean, but the exercise needs the sum"
    } else if all(&|w, p| -sum(w, p) / std::f64::consts::LN_10) {
        "the natural logarithm: ln()"
    } else {
        "minus the sum over the pixels of weight times ln of the true class's probability"
    };
    Verdict::of(all(&|w, p| -sum(w, p)), "the energy is 0 where every true class has probability 1", hint)
}

/// Intersection over union of a class, from counts of pixels (rows: reference, columns: prediction).
pub fn check_iou(answer: impl Fn(&Array2<u64>, usize) -> f64) -> Verdict {
    let cases = [array![[50, 10, 0], [5, 20, 5], [0, 0, 10]], array![[1, 9, 0], [3, 7, 1], [2, 4, 20]]];
    let parts = |counts: &Array2<u64>, k: usize| {
        let both = counts[[k, k]] as f64;
        (both, counts.row(k).sum() as f64, counts.column(k).sum() as f64)
    };
    let all = |wanted: &dyn Fn((f64, f64, f64)) -> f64| {
        let is = |counts: &Array2<u64>| {
            (0..3).all(|k| (answer(counts, k) - wanted(parts(counts, k))).abs() < 1e-9)
        };
        cases.iter().all(is)
    };
    let hint = if all(&|(both, truth, says)| both / (truth + says)) {
        "the row and the column both include the right pixels: subtract them once"
    } else if all(&|(both, truth, says)| 2.0 * both / (truth + says)) {
        "that is F1; the union counts every pixel once"
    } else if all(&|(both, truth, _)| both / truth) {
        "that is the recall: pixels that are wrongly predicted as the class belong to the union, too"
    } else if all(&|(both, _, says)| both / says) {
        "that is the precision: pixels of the class that were missed belong to the union, too"
    } else {
        "counts[[k, k]] over (row sum + column sum - counts[[k, k]])"
    };
    let right = all(&|(both, truth, says)| both / (truth + says - both));
    Verdict::of(right, "right pixels, divided by all that belong to the class or are predicted as it", hint)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let share = |patch: &[u8], hidden: &[u8]| {
            patch.iter().filter(|class| hidden.contains(class)).count() as f64 / patch.len() as f64
        };
        let all = [3, 8, 9, 10];
        assert!(is_correct(&check_clouded(|patch| share(patch, &all) > 0.15)));
        hint(check_clouded(|patch| share(patch, &all) <= 0.15), "inverted");
        hint(check_clouded(|patch| share(patch, &all) >= 0.15), "exactly 15 %");
        hint(check_clouded(|patch| share(patch, &[8, 9, 10]) > 0.15), "shadow");
        hint(check_clouded(|patch| share(patch, &[8, 9]) > 0.15), "shadow");
        hint(check_clouded(|patch| share(patch, &all) * patch.len() as f64 > 15.0), "a share");
        hint(check_clouded(|_| true), "divide by all");

        let sum = |w: &[f64], p: &[f64]| w.iter().zip(p).map(|(w, p)| w * p.ln()).sum::<f64>();
        assert!(is_correct(&check_energy(|w, p| -sum(w, p))));
        hint(check_energy(sum), "minus sign");
        hint(check_energy(|_, p| -p.iter().map(|p| p.ln()).sum::<f64>()), "weight 0");
        hint(check_energy(|w, p| -sum(w, p) / w.len() as f64), "the mean");
        hint(check_energy(|w, p| -w.iter().zip(p).map(|(w, p)| w * p.log10()).sum::<f64>()), "natural");
        hint(check_energy(|_, _| 0.5), "minus the sum");

        let row = |counts: &Array2<u64>, k: usize| counts.row(k).sum() as f64;
        let column = |counts: &Array2<u64>, k: usize| counts.column(k).sum() as f64;
        let both = |counts: &Array2<u64>, k: usize| counts[[k, k]] as f64;
        assert!(is_correct(&check_iou(|c, k| both(c, k) / (row(c, k) + column(c, k) - both(c, k)))));
        hint(check_iou(|c, k| both(c, k) / (row(c, k) + column(c, k))), "once");
        hint(check_iou(|c, k| 2.0 * both(c, k) / (row(c, k) + column(c, k))), "F1");
        hint(check_iou(|c, k| both(c, k) / row(c, k)), "recall");
        hint(check_iou(|c, k| both(c, k) / column(c, k)), "precision");
        hint(check_iou(|_, _| 1.0), "row sum");
    }
}
