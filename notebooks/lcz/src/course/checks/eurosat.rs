//! Exercises of notebook 09.

use super::Verdict;

/// Where red, green and blue are among Sentinel-2's bands.
pub fn check_colours(answer: impl Fn(&[&str]) -> [usize; 3]) -> Verdict {
    let cases: [&[&str]; 3] = [
        &["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A"],
        &["B4", "B3", "B2"],
        &["B8", "B2", "B12", "B4", "B3"],
    ];
    let at = |bands: &[&str], names: [&str; 3]| {
        names.map(|name| bands.iter().position(|band| *band == name).unwrap_or(usize::MAX))
    };
    let all =
        |wanted: &dyn Fn(&[&str]) -> [usize; 3]| cases.iter().all(|bands| answer(bands) == wanted(bands));
    let hint = if all(&|bands| at(bands, ["B2", "B3", "B4"])) {
        "that is blue, green, red: bands are numbered from short waves to long ones"
    } else if all(&|bands| at(bands, ["B4", "B3", "B2"]).map(|place| place.wrapping_add(1))) {
        "places are counted from 0"
    } else if answer(cases[0]) == [3, 2, 1] {
        "right for EuroSAT's order, but bands may come in any: look for their names"
    } else {
        "red is B4, green B3, blue B2: bands.iter().position(|band| *band == \"B4\")"
    };
    let right = all(&|bands| at(bands, ["B4", "B3", "B2"]));
    Verdict::of(right, "B2, B3, B4 are blue, green, red", hint)
}

/// The loss of one image among ten classes: `−ln p_true`, the categorical cross-entropy.
pub fn check_ten_classes(answer: impl Fn(&[f64], usize) -> f64) -> Verdict {
    let cases: [(&[f64], usize); 3] = [
        (&[0.1, 0.05, 0.05, 0.3, 0.05, 0.05, 0.1, 0.1, 0.1, 0.1], 3),
        (&[0.01, 0.9, 0.01, 0.01, 0.01, 0.01, 0.01, 0.02, 0.01, 0.01], 0),
        (&[0.25, 0.5, 0.25], 1),
    ];
    let all = |wanted: &dyn Fn(&[f64], usize) -> f64| {
        cases.iter().all(|(p, k)| (answer(p, *k) - wanted(p, *k)).abs() < 1e-9)
    };
    let binary = |p: &[f64], k: usize| -> f64 {
        p.iter().enumerate().map(|(j, p)| if j == k { -p.ln() } else { -(1.0 - p).ln() }).sum()
    };
    let hint = if all(&binary) || all(&|p, k| binary(p, k) / p.len() as f64) {
        "that is a binary cross-entropy per class, as if an image could be forest and river at once; of ten classes that \
         exclude each other only the true one counts"
    } else if all(&|p, k| p[k].ln()) {
        "the loss must be small where p is large: add a minus sign"
    } else if all(&|p, k| 1.0 - p[k]) {
        "that is 1 - p; the cross-entropy is -ln p, which grows without limit for a confident mistake"
    } else if all(&|p, k| -p[k].log2()) || all(&|p, k| -p[k].log10()) {
        "the natural logarithm: ln()"
    } else {
        "minus ln of the probability of the true class: -p[truth].ln()"
    };
    Verdict::of(
        all(&|p, k| -p[k].ln()),
        "after a softmax the ten sum to 1: raising the true class lowers the others",
        hint,
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let at = |bands: &[&str], names: [&str; 3]| {
            names.map(|name| bands.iter().position(|band| *band == name).unwrap())
        };
        assert!(is_correct(&check_colours(|bands| at(bands, ["B4", "B3", "B2"]))));
        hint(check_colours(|bands| at(bands, ["B2", "B3", "B4"])), "blue, green, red");
        hint(check_colours(|bands| at(bands, ["B4", "B3", "B2"]).map(|k| k + 1)), "from 0");
        hint(check_colours(|_| [3, 2, 1]), "any");
        hint(check_colours(|_| [0, 0, 0]), "position");

        let binary = |p: &[f64], k: usize| -> f64 {
            (0..p.len()).map(|j| if j == k { -p[j].ln() } else { -(1.0 - p[j]).ln() }).sum()
        };
        assert!(is_correct(&check_ten_classes(|p, k| -p[k].ln())));
        hint(check_ten_classes(binary), "binary");
        hint(check_ten_classes(|p, k| binary(p, k) / p.len() as f64), "binary");
        hint(check_ten_classes(|p, k| p[k].ln()), "minus");
        hint(check_ten_classes(|p, k| 1.0 - p[k]), "-ln p");
        hint(check_ten_classes(|p, k| -p[k].log2()), "natural");
        hint(check_ten_classes(|_, _| 1.0), "-p[truth]");
    }
}
