//! Exercises of notebook 00.

use ndarray::Array2;

use super::Verdict;

/// The share of values above a threshold, as a function of both.
pub fn check_share_above(answer: impl Fn(&[f64], f64) -> f64) -> Verdict {
    let values = [0.1, 0.4, 0.4, 0.9];
    let hint = if answer(&values, 0.5) > 1.0 {
        "a share lies between 0 and 1: divide the count by values.len(), both as f64"
    } else if (answer(&values, 0.4) - 0.75).abs() < 1e-12 {
        "above means strictly above: > and not >="
    } else {
        "count with values.iter().filter(|v| **v > threshold).count(), then divide"
    };
    let right = [(0.5, 0.25), (0.4, 0.25), (0.0, 1.0), (1.0, 0.0)]
        .iter()
        .all(|(threshold, share)| (answer(&values, *threshold) - share).abs() < 1e-12);
    Verdict::of(right, "an iterator chain compiles to the loop that you would write by hand", hint)
}

/// The mean of the green column of the notebook's small array.
pub fn check_column_mean(answer: f64, table: &Array2<f64>) -> Verdict {
    let wanted = table.column(1).sum() / table.nrows() as f64;
    let row = table.row(1).sum() / table.ncols() as f64;
    let hint = if (answer - row).abs() < 1e-9 {
        "that is the mean of a row: table.column(1)"
    } else {
        "columns count from 0, and .mean() gives an Option: table.column(1).mean().unwrap()"
    };
    Verdict::of((answer - wanted).abs() < 1e-9, "a column is a view: nothing was copied", hint)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn right_answers_are_correct_and_the_usual_mistakes_get_a_hint_of_their_own() {
        let share =
            |values: &[f64], t: f64| values.iter().filter(|v| **v > t).count() as f64 / values.len() as f64;
        assert!(is_correct(&check_share_above(share)));
        hint(
            check_share_above(|v, t| v.iter().filter(|v| **v >= t).count() as f64 / v.len() as f64),
            "strictly",
        );
        hint(check_share_above(|v, t| v.iter().filter(|v| **v > t).count() as f64 * 10.0), "between 0 and 1");
        hint(check_share_above(|_, _| 0.5), "count with");

        let table = array![[1.0, 2.0], [3.0, 5.0], [8.0, 8.0]];
        assert!(is_correct(&check_column_mean(5.0, &table)));
        hint(check_column_mean(4.0, &table), "of a row");
        hint(check_column_mean(0.0, &table), "count from 0");
    }
}
