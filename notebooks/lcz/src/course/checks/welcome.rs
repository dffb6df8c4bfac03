//! Exercises of notebook 00.

use crate::ndarray::Array2;

use super::Verdict;

/// The share of values above a threshold, as a function of both.
pub fn check_share_above(answer: impl Fn(&[f64], f64) -> f64) -> Verdict {
    let values = [0.1, 0.4, 0.4, 0.9];
    let thresholds = [0.5, 0.4, 0.0, 1.0];
    let all = |wanted: [f64; 4]| {
        thresholds.iter().zip(wanted).all(|(t, wanted)| (answer(&values, *t) - wanted).abs() < 1e-12)
    };
    let hint = if all([1.0, 1.0, 4.0, 0.0]) {
        "that is the count: a share lies between 0 and 1, so divide by the number of values"
    } else if all([0.0, 0.0, 1.0, 0.0]) {
        "integers divide to an integer, without the remainder: convert both to f64 before you divide"
    } else if thresholds.iter().any(|t| answer(&values, *t) > 1.0) {
        "a share lies between 0 and 1: divide the count by values.len(), both as f64"
    } else if all([0.75, 0.75, 0.0, 1.0]) {
        "that is the share of the others; count those above"
    } else if (answer(&values, 0.4) - 0.75).abs() < 1e-12 {
        "above means strictly above: > and not >="
    } else {
        "keep the values that lie above (filter), count them (count), divide by the number of values (len)"
    };
    let right = all([0.25, 0.25, 1.0, 0.0]);
    Verdict::of(right, "an iterator chain compiles to the loop that you would write by hand", hint)
}

/// The mean of the green column of the notebook's small array.
pub fn check_column_mean(answer: f64, table: &Array2<f64>) -> Verdict {
    let close = |value: f64| (answer - value).abs() < 1e-9;
    let mean = |column: usize| table.column(column).sum() / table.nrows() as f64;
    let wanted = mean(1);
    let hint = if table.rows().into_iter().any(|row| close(row.sum() / table.ncols() as f64)) {
        "that is the mean of a row, one pixel in all bands; a column is one band in all pixels"
    } else if (0..table.ncols()).any(|column| close(mean(column))) {
        "that is the mean of another column: they count from 0, as in Python"
    } else if close(table.column(1).sum()) {
        "that is the sum of the right column; compute the mean"
    } else if close(table.sum() / table.len() as f64) {
        "that is the mean of all bands; take a column first"
    } else {
        "the table of NumPy and ndarray above has a row for a column; its .mean() is an Option, like .mean_axis()"
    };
    Verdict::of(close(wanted), "a column is a view: nothing was copied", hint)
}

#[cfg(test)]
mod tests {
    use crate::ndarray::array;

    use super::super::testing::{hint, is_correct};
    use super::*;

    #[test]
    fn what_is_said_of_an_empty_answer_does_not_give_the_solution_away() {
        for verdict in [check_share_above(|_, _| 0.0), check_column_mean(0.0, &array![[1.0, 2.0, 3.0]])] {
            let said = verdict.to_string();
            assert!(said.starts_with("not yet: "), "{said}");
            for part in ["values.iter()", "column(1)", "**v"] {
                assert!(!said.contains(part), "{said}");
            }
        }
    }

    #[test]
    fn right_answers_are_correct_and_the_usual_mistakes_get_a_hint_of_their_own() {
        let share =
            |values: &[f64], t: f64| values.iter().filter(|v| **v > t).count() as f64 / values.len() as f64;
        assert!(is_correct(&check_share_above(share)));
        hint(
            check_share_above(|v, t| v.iter().filter(|v| **v >= t).count() as f64 / v.len() as f64),
            "strictly",
        );
        hint(check_share_above(|v, t| v.iter().filter(|v| **v > t).count() as f64), "that is the count");
        hint(
            check_share_above(|v, t| (v.iter().filter(|v| **v > t).count() / v.len()) as f64),
            "divide to an integer",
        );
        hint(check_share_above(|v, t| v.iter().filter(|v| **v > t).count() as f64 * 10.0), "between 0 and 1");
        hint(check_share_above(|v, t| 1.0 - share(v, t)), "the others");
        hint(check_share_above(|_, _| 0.5), "filter");

        let table = array![[1.0, 2.0], [3.0, 5.0], [8.0, 9.5]];
        assert!(is_correct(&check_column_mean(5.5, &table)));
        for mean_of_row in [1.5, 4.0, 8.75] {
            hint(check_column_mean(mean_of_row, &table), "of a row");
        }
        hint(check_column_mean(16.5, &table), "the sum");
        hint(check_column_mean(4.75, &table), "all bands");
        hint(check_column_mean(0.0, &table), "row for a column");
        // Its columns have the means 3, 5.5 and 9; its rows 4, 6 and 7.5.
        let table = array![[1.0, 2.0, 9.0], [3.0, 5.0, 10.0], [5.0, 9.5, 8.0]];
        hint(check_column_mean(3.0, &table), "another column");
        hint(check_column_mean(9.0, &table), "another column");
    }
}
