//! Exercises of notebook 04.

use super::{Verdict, close_to};
use crate::{Votes, Zone};

/// The distribution of a row of votes, `y_k = Y_k / M`.
pub fn check_distribution(answer: impl Fn(&[f64]) -> Vec<f64>) -> Verdict {
    let rows: [&[f64]; 3] = [&[7.0, 2.0, 1.0], &[0.0, 11.0], &[3.0, 3.0, 3.0, 2.0]];
    let by = |row: &[f64], divisor: f64| row.iter().map(|votes| votes / divisor).collect::<Vec<_>>();
    let all = |divisor: &dyn Fn(&[f64]) -> f64| {
        rows.iter().all(|row| close_to(&answer(row), &by(row, divisor(row))))
    };
    let hint = if all(&|_| 10.0) {
        "not every patch has ten votes: divide by their sum"
    } else if all(&|row| row.len() as f64) {
        "that divides by the number of classes; M is the number of votes"
    } else {
        "each count divided by the sum of the counts"
    };
    Verdict::of(
        all(&|row| row.iter().sum()),
        "a distribution sums to 1, however many experts there were",
        hint,
    )
}

/// The zone on whose patches, those whose majority it is, the mean voting entropy is highest.
pub fn check_most_divided(answer: Zone, votes: &Votes) -> Verdict {
    let y = votes.distributions();
    let (majority, entropy) = (y.majority(), y.entropy());
    let counts = majority.counts();
    let mut mean = vec![0.0; counts.len()];
    for (&k, h) in majority.indices().iter().zip(&entropy) {
        mean[k] += h / counts[k] as f64;
    }
    let most = (0..mean.len()).filter(|&k| counts[k] > 0).max_by(|&a, &b| mean[a].total_cmp(&mean[b]));
    let position = y.classes().position(answer);
    let hint = match position {
        Some(k) if counts[k] > 0 => format!("on {answer} it is {:.3} nats; look for a larger one", mean[k]),
        _ => format!("no patch has the majority {answer}"),
    };
    Verdict::of(
        most.is_some() && position == most,
        "the vote of a single expert is least reliable for this zone",
        hint,
    )
}

/// The lowest cross-entropy against the shares 0.6 and 0.4 that any prediction can have: their entropy.
pub fn check_lowest_loss(answer: f64) -> Verdict {
    let entropy = -(0.6_f64 * 0.6_f64.ln() + 0.4 * 0.4_f64.ln());
    let close = |value: f64| (answer - value).abs() < 2e-3;
    let rounded = |digits: i32| (entropy * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
    let is_rounded = [1, 2].iter().any(|&digits| (answer - rounded(digits)).abs() < 1e-9);
    let hint = if is_rounded {
        "that is close, but give three digits or more, or compute it"
    } else if close(-entropy) {
        "the logarithm of a share is negative: the minus before the sum makes it a loss above 0"
    } else if close(2_f64.ln()) {
        "that is the entropy of a tie, (0.5, 0.5); here it is six against four"
    } else if close(-(0.6_f64.ln())) {
        "that is the loss if 0.6 were the label's only class; the other four experts count, too"
    } else if close(0.0) {
        "0 is possible only if all experts agree: predict 0.6 and 0.4, and compute the loss"
    } else if close(entropy / 2_f64.ln()) {
        "that is in bits: use the natural logarithm, .ln()"
    } else {
        "the best prediction is p = y; put it into -sum of y ln p"
    };
    Verdict::of(
        close(entropy),
        "no loss is below the entropy of the votes: this part is not an error of the model",
        hint,
    )
}

#[cfg(test)]
mod tests {
    use crate::ndarray::array;

    use super::super::testing::{hint, is_correct};
    use super::*;
    use crate::Classes;

    #[test]
    fn the_usual_mistakes_get_a_hint_of_their_own() {
        let over = |row: &[f64], m: f64| row.iter().map(|v| v / m).collect::<Vec<_>>();
        assert!(is_correct(&check_distribution(|row| over(row, row.iter().sum()))));
        hint(check_distribution(|row| over(row, 10.0)), "ten votes");
        hint(check_distribution(|row| over(row, row.len() as f64)), "number of classes");
        hint(check_distribution(<[f64]>::to_vec), "sum of the counts");

        // −(0.6 ln 0.6 + 0.4 ln 0.4), by hand.
        assert!(is_correct(&check_lowest_loss(0.6730)));
        hint(check_lowest_loss(0.5108), "other four");
        hint(check_lowest_loss(0.0), "all experts agree");
        hint(check_lowest_loss(0.9710), "bits");
        hint(check_lowest_loss(0.67), "three digits");
        hint(check_lowest_loss(0.7), "three digits");
        hint(check_lowest_loss(-0.6730), "negative");
        hint(check_lowest_loss(-0.5_f64.ln()), "tie");
        assert!(is_correct(&check_lowest_loss(0.673)));
        hint(check_lowest_loss(2.0), "p = y");
    }

    #[test]
    fn the_most_divided_zone_is_found_in_the_votes() {
        let mut counts = crate::ndarray::Array2::zeros((3, 17));
        counts[[0, 16]] = 10.0;
        counts[[1, 4]] = 6.0;
        counts[[1, 3]] = 4.0;
        counts[[2, 5]] = 9.0;
        counts[[2, 4]] = 1.0;
        let votes = Votes::new(Classes::lcz(), counts).unwrap();
        assert!(is_correct(&check_most_divided(Zone::OpenMidRise, &votes)));
        hint(check_most_divided(Zone::OpenLowRise, &votes), "larger one");
        hint(check_most_divided(Zone::DenseTrees, &votes), "no patch");
        let two = Votes::new(Classes::named(["a", "b"]).unwrap(), array![[1.0, 1.0]]).unwrap();
        hint(check_most_divided(Zone::Water, &two), "no patch");
    }
}
