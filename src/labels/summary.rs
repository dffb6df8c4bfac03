//! Summary of the votes of a data set: distribution of the voting entropy, and voting confusion.
//!
//! The bar plot of entropies and the voting confusion are figures of the label distribution paper ("Going
//! beyond one-hot encoding in classification").

use ndarray::Array2;
use serde::Serialize;

use super::{Labels, Votes};
use crate::{Classes, Error, Result};

/// Where the bars of the label distribution paper's entropy plot are cut, in nats: (−0.1, 0.2], (0.2, 0.5],
/// … (1.3, ∞).
pub const ENTROPY_CUTS: [f64; 7] = [-0.1, 0.2, 0.5, 0.7, 1.0, 1.3, f64::INFINITY];

/// How many samples have which voting entropy, in the bars of [`ENTROPY_CUTS`].
///
/// ```
/// use lcz::labels::EntropyHistogram;
/// let histogram = EntropyHistogram::from_entropies(&[0.0, 0.0, 0.2, 0.6])?;
/// assert_eq!(histogram.counts, [3, 0, 1, 0, 0, 0]);
/// assert_eq!(histogram.shares()[0], 0.75);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EntropyHistogram {
    /// Samples per bar.
    pub counts: [usize; 6],
    /// Mean entropy in nats; NaN (`null` in JSON) of no sample.
    pub mean: f64,
}

impl EntropyHistogram {
    /// Counts entropies, in nats. Shape: N → 6 bars.
    ///
    /// # Errors
    /// An entropy that is negative (beyond rounding) or not a number: names the row.
    pub fn from_entropies(entropy: &[f64]) -> Result<Self> {
        let mut counts = [0; 6];
        for (row, h) in entropy.iter().enumerate() {
            if !(-1e-9..f64::INFINITY).contains(h) {
                let place = format!("entropy, row {row}");
                return Err(Error::input(place, format!("{h} nats"), "give entropies, 0 or more"));
            }
            counts[ENTROPY_CUTS[1..].partition_point(|upper| upper < h)] += 1;
        }
        Ok(Self { counts, mean: entropy.iter().sum::<f64>() / entropy.len() as f64 })
    }

    /// What a bar is called on an axis: `≤ 0.2`, `0.2–0.5`, … `> 1.3`.
    pub fn names() -> [String; 6] {
        std::array::from_fn(|b| match b {
            0 => format!("≤ {}", ENTROPY_CUTS[1]),
            5 => format!("> {}", ENTROPY_CUTS[5]),
            _ => format!("{}–{}", ENTROPY_CUTS[b], ENTROPY_CUTS[b + 1]),
        })
    }

    /// How many samples, N.
    pub fn samples(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Each bar's share of the samples; NaN of no sample.
    pub fn shares(&self) -> [f64; 6] {
        self.counts.map(|count| count as f64 / self.samples() as f64)
    }
}

/// Which classes the experts saw where the majority saw class i: votes by class, summed over the samples of
/// one majority.
#[derive(Debug, Clone, PartialEq)]
pub struct VotingConfusion {
    classes: Classes,
    votes: Array2<f64>,
    samples: Vec<usize>,
}

impl VotingConfusion {
    /// Counts votes by the samples' majority, which [`Votes::majority`] gives. Shape: (N, K) votes and N
    /// labels → (K, K), rows = majority.
    ///
    /// # Errors
    /// Votes and labels of different numbers of samples, or of other classes.
    pub fn from_votes(votes: &Votes, majority: &Labels) -> Result<Self> {
        if votes.counts.nrows() != majority.len() || votes.classes != majority.classes {
            let problem = format!(
                "{} rows of votes, {} labels, or other classes",
                votes.counts.nrows(),
                majority.len()
            );
            let advice = "give votes and majority of the same samples";
            return Err(Error::input("voting confusion", problem, advice));
        }
        let k = votes.classes.len();
        let mut sums = Array2::zeros((k, k));
        for (row, &class) in votes.counts.outer_iter().zip(&majority.indices) {
            let mut sum = sums.row_mut(class);
            sum += &row.mapv(f64::from);
        }
        Ok(Self { classes: votes.classes.clone(), votes: sums, samples: majority.counts() })
    }

    /// From sums that were counted elsewhere: the votes, rows = majority, and the samples of each majority.
    ///
    /// # Errors
    /// Another number of rows, columns or samples than classes, or votes that are not finite numbers of at least 0.
    pub fn from_sums(classes: Classes, votes: Array2<f64>, samples: Vec<usize>) -> Result<Self> {
        let k = classes.len();
        if votes.dim() != (k, k) || samples.len() != k || votes.iter().any(|v| !v.is_finite() || *v < 0.0) {
            let problem = format!("{:?} votes and {} samples, or votes below 0", votes.dim(), samples.len());
            let advice = format!("give {k} rows and columns, and {k} numbers of samples");
            return Err(Error::input("voting confusion", problem, advice));
        }
        Ok(Self { classes, votes, samples })
    }

    /// What the rows and columns mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Votes for class `voted` on samples whose majority is `majority`.
    ///
    /// # Panics
    /// An index that is not a class.
    pub fn votes(&self, majority: usize, voted: usize) -> f64 {
        self.votes[[majority, voted]]
    }

    /// Samples per majority class. Shape: K.
    pub fn samples(&self) -> &[usize] {
        &self.samples
    }

    /// Each row in percent of its votes. Shape: (K, K); the row of a class that is nowhere the majority is
    /// NaN.
    pub fn row_percent(&self) -> Array2<f64> {
        let mut percent = self.votes.clone();
        for mut row in percent.outer_iter_mut() {
            let total = row.sum();
            row.mapv_inplace(|votes| 100.0 * votes / total);
        }
        percent
    }
}
