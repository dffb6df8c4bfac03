//! Labels in three forms: one class per sample, the votes of several experts, and distributions.
//!
//! Votes as labels follow Koller, Shahzad & Zhu, *Uncertainty-guided representation learning in local
//! climate zone classification*: a sample's label is the distribution of its experts' votes.

mod model;
mod panel;
mod summary;

pub use model::VoteModel;
pub use panel::Opinion;
pub use summary::{ENTROPY_CUTS, EntropyHistogram, VotingConfusion};

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{Classes, Error, Result};

/// One class per sample.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredLabels")]
pub struct Labels {
    classes: Classes,
    indices: Vec<usize>,
}

#[derive(Deserialize)]
struct StoredLabels {
    classes: Classes,
    indices: Vec<usize>,
}

impl TryFrom<StoredLabels> for Labels {
    type Error = Error;

    fn try_from(StoredLabels { classes, indices }: StoredLabels) -> Result<Self> {
        Self::new(classes, indices)
    }
}

impl From<Labels> for Vec<usize> {
    fn from(labels: Labels) -> Self {
        labels.indices
    }
}

impl AsRef<[usize]> for Labels {
    fn as_ref(&self) -> &[usize] {
        &self.indices
    }
}

impl Labels {
    /// Class indices, each below the number of classes.
    ///
    /// # Errors
    /// An index that is not a class: names the row.
    pub fn new(classes: Classes, indices: Vec<usize>) -> Result<Self> {
        if let Some(row) = indices.iter().position(|&k| k >= classes.len()) {
            let problem = format!("class index {} of {} classes", indices[row], classes.len());
            return Err(Error::input(format!("labels, row {row}"), problem, "correct the label"));
        }
        Ok(Self { classes, indices })
    }

    /// Labels by the code or the name of each class.
    ///
    /// # Errors
    /// A code that is not in the list: names the row.
    ///
    /// ```
    /// use lcz::{Classes, Labels};
    /// assert_eq!(Labels::from_codes(Classes::lcz(), ["A", "water", "2"])?.indices(), [10, 16, 1]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn from_codes<S: AsRef<str>>(classes: Classes, codes: impl IntoIterator<Item = S>) -> Result<Self> {
        let class = |(row, code): (usize, S)| {
            classes.find(code.as_ref()).ok_or_else(|| {
                let problem = format!("class '{}', not one of {classes}", code.as_ref());
                Error::input(format!("labels, row {row}"), problem, "correct the label")
            })
        };
        let indices = codes.into_iter().enumerate().map(class).collect::<Result<_>>()?;
        Ok(Self { classes, indices })
    }

    /// Class indices that are positions in rows of K numbers, and so are classes.
    pub(crate) fn from_checked(classes: Classes, indices: Vec<usize>) -> Self {
        debug_assert!(indices.iter().all(|&k| k < classes.len()));
        Self { classes, indices }
    }

    /// What the indices mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Class index of each sample.
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How many samples, N.
    pub fn len(&self) -> usize {
        self.indices.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// The samples at these positions, in this order.
    ///
    /// # Panics
    /// A position beyond the last sample.
    #[must_use]
    pub fn select(&self, positions: &[usize]) -> Self {
        let indices = positions.iter().map(|&n| self.indices[n]).collect();
        Self { classes: self.classes.clone(), indices }
    }

    /// Samples per class. Shape: K.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        for &k in &self.indices {
            counts[k] += 1;
        }
        counts
    }

    /// All mass on the one class. Shape: (N, K).
    pub fn one_hot(&self) -> LabelDistributions {
        let mut y = Array2::zeros((self.len(), self.classes.len()));
        for (row, &k) in self.indices.iter().enumerate() {
            y[[row, k]] = 1.0;
        }
        LabelDistributions { classes: self.classes.clone(), y }
    }
}

/// How many experts chose each class, sample by sample. Shape: (N, K).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRows<f32>", into = "StoredRows<f32>")]
pub struct Votes {
    classes: Classes,
    counts: Array2<f32>,
}

impl Votes {
    /// Vote counts, one row per sample.
    ///
    /// # Errors
    /// A row without a vote, a negative or non-finite count, or a width that is not K; names the row.
    pub fn new(classes: Classes, counts: Array2<f32>) -> Result<Self> {
        if counts.ncols() != classes.len() {
            let problem = format!("{} columns for {} classes", counts.ncols(), classes.len());
            return Err(Error::input("votes", problem, "give one column per class"));
        }
        for (row, votes) in counts.outer_iter().enumerate() {
            if votes.iter().any(|v| !v.is_finite() || *v < 0.0) {
                let place = format!("votes, row {row}");
                let problem = "a count is negative or not a number";
                return Err(Error::input(place, problem, "give how many experts chose each class"));
            }
            if votes.sum() <= 0.0 {
                let advice = "leave the sample out, or train on one-hot labels";
                return Err(Error::input(format!("votes, row {row}"), "no expert voted", advice));
            }
        }
        Ok(Self { classes, counts })
    }

    /// The counts. Shape: (N, K).
    pub fn counts(&self) -> ArrayView2<'_, f32> {
        self.counts.view()
    }

    /// The share of the votes that each class has: y_k = Y_k / M (Koller et al., Eq. 1, whose text
    /// normalises by the number of votes M).
    ///
    /// # Shape
    /// (N, K) counts → (N, K) distributions.
    ///
    /// ```
    /// use lcz::{Classes, Votes};
    /// let votes = Votes::new(Classes::named(["forest", "river"])?, ndarray::array![[8.0, 2.0]])?;
    /// assert_eq!(votes.distributions().view().row(0).to_vec(), [0.8, 0.2]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn distributions(&self) -> LabelDistributions {
        let mut y = self.counts.mapv(f64::from);
        for mut row in y.outer_iter_mut() {
            let total = row.sum();
            row /= total;
        }
        LabelDistributions { classes: self.classes.clone(), y }
    }

    /// The class with the most votes; a tied vote keeps the sample's original label if that is among
    /// the tied classes, else it takes the first of them.
    ///
    /// # Errors
    /// `original` of another length or class list.
    pub fn majority(&self, original: Option<&Labels>) -> Result<Labels> {
        if let Some(original) = original
            && (original.len() != self.counts.nrows() || original.classes != self.classes)
        {
            return Err(Error::input(
                "votes",
                format!("{} rows of votes, {} labels, or other classes", self.counts.nrows(), original.len()),
                "give labels and votes of the same samples",
            ));
        }
        let choose = |(row, votes): (usize, ArrayView1<'_, f32>)| {
            let first = first_largest(votes);
            match original.map(|labels| labels.indices[row]) {
                Some(label) if votes[label] >= votes[first] => label,
                _ => first,
            }
        };
        let indices = self.counts.outer_iter().enumerate().map(choose).collect();
        Ok(Labels { classes: self.classes.clone(), indices })
    }
}

/// A probability for each class, sample by sample, that is a *label*; a prediction is
/// [`Probabilities`](crate::Probabilities), so that the two cannot be swapped. Shape: (N, K).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRows<f64>", into = "StoredRows<f64>")]
pub struct LabelDistributions {
    classes: Classes,
    y: Array2<f64>,
}

impl LabelDistributions {
    /// Rows of `f64` or `f32` that are non-negative and sum to 1 but for rounding to four decimals; they are scaled to
    /// sum to 1.
    ///
    /// # Errors
    /// A row that is not a distribution, or a width that is not K; names the row.
    pub fn new<F: Into<f64> + Copy + 'static>(classes: Classes, y: Array2<F>) -> Result<Self> {
        let mut y = y.mapv_into_any(F::into);
        check_distributions("label distributions", &classes, &mut y)?;
        Ok(Self { classes, y })
    }

    /// The distributions. Shape: (N, K).
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.y.view()
    }

    /// The most probable class of each sample; ties go to the first.
    pub fn majority(&self) -> Labels {
        let indices = self.y.outer_iter().map(first_largest).collect();
        Labels { classes: self.classes.clone(), indices }
    }

    /// Voting entropy H = −Σ_k y_k ln y_k, in nats. Shape: N.
    pub fn entropy(&self) -> Vec<f64> {
        self.y.outer_iter().map(|row| 0.0 - row.iter().map(|&y| x_ln_y(y, y)).sum::<f64>()).collect()
    }

    /// Label smoothing towards the uniform distribution: (1 − ε) y + ε / K.
    ///
    /// # Errors
    /// ε outside 0–1.
    pub fn smoothed(&self, epsilon: f64) -> Result<Self> {
        if !(0.0..=1.0).contains(&epsilon) {
            return Err(Error::input("label_smoothing", format!("{epsilon}"), "choose 0 to 1"));
        }
        let uniform = epsilon / self.classes.len() as f64;
        Ok(Self { classes: self.classes.clone(), y: self.y.mapv(|y| (1.0 - epsilon) * y + uniform) })
    }
}

/// The form in which rows of samples are serialised: the classes, and a list per sample.
#[derive(Serialize, Deserialize)]
pub(crate) struct StoredRows<T> {
    pub classes: Classes,
    pub rows: Vec<Vec<T>>,
}

impl<T> StoredRows<T> {
    pub(crate) fn into_array(self) -> Result<(Classes, Array2<T>)> {
        let (count, k) = (self.rows.len(), self.classes.len());
        if let Some(n) = self.rows.iter().position(|row| row.len() != k) {
            let problem = format!("{} numbers for {k} classes", self.rows[n].len());
            return Err(Error::input(format!("row {n}"), problem, "give one number per class"));
        }
        let numbers = self.rows.into_iter().flatten().collect();
        let rows = Array2::from_shape_vec((count, k), numbers);
        Ok((self.classes, rows.expect("each row has a number per class")))
    }
}

/// Methods of all per-sample types: class list, number of samples, selection, the array, serialisation.
macro_rules! rows_of_samples {
    ($name:ident, $rows:ident: $number:ty) => {
        impl From<$name> for Array2<$number> {
            fn from(rows: $name) -> Self {
                rows.$rows
            }
        }

        impl AsRef<Array2<$number>> for $name {
            fn as_ref(&self) -> &Array2<$number> {
                &self.$rows
            }
        }

        impl From<$name> for StoredRows<$number> {
            fn from($name { classes, $rows: rows }: $name) -> Self {
                Self { classes, rows: rows.outer_iter().map(|row| row.to_vec()).collect() }
            }
        }

        impl TryFrom<StoredRows<$number>> for $name {
            type Error = Error;

            fn try_from(stored: StoredRows<$number>) -> Result<Self> {
                let (classes, rows) = stored.into_array()?;
                Self::new(classes, rows)
            }
        }

        impl $name {
            /// What the columns mean.
            pub fn classes(&self) -> &Classes {
                &self.classes
            }

            /// The numbers. Shape: (N, K).
            pub fn into_array(self) -> Array2<$number> {
                self.$rows
            }

            /// Number of samples, N.
            pub fn len(&self) -> usize {
                self.$rows.len_of(Axis(0))
            }

            /// Whether there is no sample.
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// The samples at these positions, in this order.
            ///
            /// # Panics
            /// A position beyond the last sample.
            #[must_use]
            pub fn select(&self, positions: &[usize]) -> Self {
                Self { classes: self.classes.clone(), $rows: self.$rows.select(Axis(0), positions) }
            }
        }
    };
}
pub(crate) use rows_of_samples;
rows_of_samples!(Votes, counts: f32);
rows_of_samples!(LabelDistributions, y: f64);

/// x ln y with 0 · ln 0 = 0: the term of every entropy and cross-entropy.
pub(crate) fn x_ln_y(x: f64, y: f64) -> f64 {
    if x == 0.0 { 0.0 } else { x * y.ln() }
}

/// The position of the largest entry; the first of equals.
pub(crate) fn first_largest<T: PartialOrd + Copy>(row: ArrayView1<'_, T>) -> usize {
    let mut best = 0;
    for (k, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = k;
        }
    }
    best
}

/// Checks that rows are distributions over `classes`, and scales each to sum to 1.
pub(crate) fn check_distributions(what: &str, classes: &Classes, rows: &mut Array2<f64>) -> Result<()> {
    if rows.ncols() != classes.len() {
        let problem = format!("{} columns for {} classes", rows.ncols(), classes.len());
        return Err(Error::input(what, problem, "give one column per class"));
    }
    // K numbers that are rounded to four decimals miss 1 by K · 5e-5 at most.
    let tolerance = 5.1e-5 * classes.len().max(2) as f64;
    for (n, mut row) in rows.outer_iter_mut().enumerate() {
        let total = row.sum();
        if row.iter().any(|v| !v.is_finite() || *v < 0.0) || (total - 1.0).abs() > tolerance {
            let problem = format!("not a distribution (sum {total})");
            let advice = "give non-negative numbers that sum to 1 (in Rust also Probabilities::normalised)";
            return Err(Error::input(format!("{what}, row {n}"), problem, advice));
        }
        row /= total;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn three() -> Classes {
        Classes::named(["a", "b", "c"]).unwrap()
    }

    #[test]
    fn a_tied_vote_keeps_the_original_label() {
        let votes = Votes::new(three(), array![[1.0, 5.0, 5.0], [1.0, 5.0, 5.0], [0.0, 6.0, 5.0]]).unwrap();
        let original = Labels::new(three(), vec![2, 0, 2]).unwrap();
        assert_eq!(votes.majority(Some(&original)).unwrap().indices(), [2, 1, 1]);
        assert_eq!(votes.majority(None).unwrap().indices(), [1, 1, 1]);
    }

    #[test]
    fn a_row_without_votes_is_named() {
        let error = Votes::new(three(), array![[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]).unwrap_err();
        assert!(error.to_string().starts_with("votes, row 1: no expert voted"), "{error}");
    }

    #[test]
    fn entropy_of_a_unanimous_vote_is_zero_and_of_a_split_one_ln_2() {
        let votes = Votes::new(three(), array![[10.0, 0.0, 0.0], [5.0, 0.0, 5.0]]).unwrap();
        let entropy = votes.distributions().entropy();
        assert!(entropy[0].abs() < 1e-15 && (entropy[1] - 2f64.ln()).abs() < 1e-15, "{entropy:?}");
    }

    #[test]
    fn smoothing_moves_mass_to_every_class_equally() {
        let y = Labels::new(three(), vec![1]).unwrap().one_hot().smoothed(0.3).unwrap();
        for (got, wanted) in y.view().iter().zip([0.1, 0.8, 0.1]) {
            assert!((got - wanted).abs() < 1e-12);
        }
    }
}
