//! Exercises of notebook 01.

use super::Verdict;
use crate::data::Patches;
use crate::{Result, Zone};

/// The normalised difference water index (G − N) / (G + N) of green and near infrared.
pub fn check_ndwi(answer: impl Fn(f64, f64) -> f64) -> Verdict {
    let pairs = [(0.08, 0.02), (0.05, 0.3), (0.1, 0.1)];
    let index = |green: f64, infrared: f64| (green - infrared) / (green + infrared);
    let all = |wanted: &dyn Fn(f64, f64) -> f64| {
        pairs.iter().all(|&(g, n)| (answer(g, n) - wanted(g, n)).abs() < 1e-9)
    };
    let hint = if all(&|g, n| -index(g, n)) {
        "the sign is wrong: the index is positive for water if green comes first"
    } else if all(&|g, n| g - n) {
        "a difference alone depends on the light: divide by the sum"
    } else {
        "difference of green and near infrared, divided by their sum"
    };
    Verdict::of(all(&index), "above 0 only where near infrared is absorbed: water", hint)
}

/// The voting entropy of 7, 2 and 1 votes, in nats.
pub fn check_entropy(answer: f64) -> Verdict {
    let wanted = -[0.7, 0.2, 0.1].map(|y: f64| y * y.ln()).iter().sum::<f64>();
    let close = |value: f64| (answer - value).abs() < 1e-3;
    let hint = if close(wanted / 2_f64.ln()) {
        "that is in bits: use the natural logarithm, .ln()"
    } else if close(-wanted) {
        "a minus sign is missing: entropy is not negative"
    } else {
        "turn votes into shares first (7 / 10, …), then sum -y ln y"
    };
    Verdict::of(close(wanted), "0 would be full agreement, ln 3 = 1.099 a tie of three", hint)
}

/// The zone whose patches have the highest mean NDVI.
///
/// # Errors
/// Patches without labels, or without the bands B8 and B4.
pub fn check_greenest(answer: Zone, patches: &Patches) -> Result<Verdict> {
    let (labels, ndvi) = (patches.labels()?, patches.ndvi()?);
    let counts = labels.counts();
    let mut mean = vec![0.0; counts.len()];
    for (&k, value) in labels.indices().iter().zip(&ndvi) {
        mean[k] += value / counts[k] as f64;
    }
    let best = (0..mean.len()).filter(|&k| counts[k] > 0).max_by(|&a, &b| mean[a].total_cmp(&mean[b]));
    let right = best.is_some() && labels.classes().position(answer) == best;
    let hint = if answer.is_built() {
        "a built zone cannot be greener than all natural ones; look at the rows A to G".to_owned()
    } else {
        format!("{answer} is green, but look for the box farthest to the right")
    };
    Ok(Verdict::of(right, "many layers of leaves absorb red light and reflect near infrared", hint))
}

#[cfg(test)]
mod tests {
    use crate::ndarray::Array4;

    use super::super::testing::{hint, is_correct};
    use super::*;
    use crate::{Classes, Imagery, Labels};

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        assert!(is_correct(&check_ndwi(|g, n| (g - n) / (g + n))));
        hint(check_ndwi(|g, n| (n - g) / (g + n)), "sign");
        hint(check_ndwi(|g, n| g - n), "sum");
        hint(check_ndwi(|_, _| 0.0), "divided");

        // -(0.7 ln 0.7 + 0.2 ln 0.2 + 0.1 ln 0.1), by hand.
        assert!(is_correct(&check_entropy(0.8018)));
        hint(check_entropy(1.1568), "bits");
        hint(check_entropy(-0.8018), "minus");
        hint(check_entropy(7.0), "shares");
    }

    #[test]
    fn the_greenest_zone_is_found_in_the_data_and_not_known_beforehand() {
        let images = Array4::from_shape_fn(
            (2, 32, 32, 10),
            |(n, _, _, c)| if c == 6 { 0.5 - 0.2 * n as f32 } else { 0.1 },
        );
        let set = |labels| {
            Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images.clone())
                .and_then(|patches| patches.with_labels(&Labels::new(Classes::lcz(), labels)?))
                .unwrap()
        };
        assert!(is_correct(&check_greenest(Zone::LowPlants, &set(vec![13, 10])).unwrap()));
        assert!(!is_correct(&check_greenest(Zone::DenseTrees, &set(vec![13, 10])).unwrap()));
        assert!(is_correct(&check_greenest(Zone::DenseTrees, &set(vec![10, 13])).unwrap()));
    }
}
