//! Cutting [0, 1] into bins.

use serde::Serialize;

use super::check_confidences;
use crate::{Error, Result};

/// How confidences are put into bins. A bin is (lower, upper], the first one closed at 0, so that each
/// number from 0 to 1 falls into exactly one. Of bins of equal width, a value up to 1e-6 above an edge counts
/// as on it: 0.6 stored as f32 is 0.600000024, and falls into the bin of 0.6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bins {
    /// This many bins of equal width: the upper edges are 1/B, 2/B, … 1.
    EqualWidth(usize),
    /// This many bins with the same number of samples, as nearly as N and ties allow: equal confidences
    /// stay together, in the bin of the first of them, and a bin that this empties is left out.
    EqualMass(usize),
}

/// Bins at most: more hold no samples worth a mean.
const MOST: usize = 10_000;

impl Default for Bins {
    /// Fifteen bins of equal width, as in Guo et al. (2017).
    fn default() -> Self {
        Self::EqualWidth(15)
    }
}

/// How far above an edge a value still counts as on it: more than the rounding of a row of f32 that is made to
/// sum to 1.
const EDGE: f64 = 1e-6;

/// Values put into bins.
#[derive(Debug, Clone)]
pub(crate) struct Binning {
    /// Edges, one more than bins, from 0 to 1.
    pub edges: Vec<f64>,
    /// The bin of each value.
    pub of: Vec<usize>,
}

impl Binning {
    /// How many bins.
    pub fn len(&self) -> usize {
        self.edges.len() - 1
    }
}

impl Bins {
    /// Puts numbers from 0 to 1 into bins.
    ///
    /// # Errors
    /// No bin or more than 10,000, or a value outside 0–1: names its row.
    pub(crate) fn cut(self, values: &[f64]) -> Result<Binning> {
        let (Self::EqualWidth(count) | Self::EqualMass(count)) = self;
        if !(1..=MOST).contains(&count) {
            let problem = format!("{count} bins, not 1 to {MOST}");
            let advice = "choose a number in this range, such as 15";
            return Err(Error::input("calibration bins", problem, advice));
        }
        check_confidences(values)?;
        let edges = match self {
            Self::EqualWidth(_) => (0..=count).map(|b| b as f64 / count as f64).collect(),
            Self::EqualMass(_) => edges_of_equal_mass(values, count),
        };
        let slack = if matches!(self, Self::EqualWidth(_)) { EDGE } else { 0.0 };
        // The bins' upper edges are sorted: the bin of a value is the first whose edge is not below it.
        let of =
            values.iter().map(|value| edges[1..].partition_point(|edge| edge + slack < *value)).collect();
        Ok(Binning { edges, of })
    }
}

/// Upper edges are values of the sample, the last of each bin but the last bin's, which is 1.
fn edges_of_equal_mass(values: &[f64], count: usize) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut edges = vec![0.0];
    // A boundary within equal values moves up to the end of them, where (lower, upper] puts it.
    let last_of_bins = (1..count).map(|b| b * sorted.len() / count).filter(|&end| end > 0);
    for upper in last_of_bins.map(|end| sorted[end - 1]) {
        let previous = edges[edges.len() - 1];
        let is_first = edges.len() == 1;
        if (upper > previous || is_first) && upper < sorted[sorted.len() - 1] {
            edges.push(upper);
        }
    }
    edges.push(1.0);
    edges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bin_is_open_below_and_closed_above_and_the_first_one_holds_zero() {
        let values = [0.0, 1e-300, 0.1, 0.1 + 2e-6, 0.3, 0.7, 0.7 + 2e-6, 1.0];
        let binning = Bins::EqualWidth(10).cut(&values).unwrap();
        assert_eq!(binning.of, [0, 0, 0, 1, 2, 6, 7, 9]);
        // 0.3 and 0.7 are the doubles next to 3/10 and 7/10, the edges themselves.
        assert_eq!(binning.len(), 10);
    }

    #[test]
    fn every_edge_of_up_to_a_hundred_bins_belongs_to_the_bin_below_also_stored_as_f32() {
        for count in 1..=100 {
            for edge in [|b, n| b as f64 / n as f64, |b, n| f64::from(b as f32 / n as f32)] {
                let edges: Vec<f64> = (1..=count).map(|b: usize| edge(b, count)).collect();
                assert_eq!(Bins::EqualWidth(count).cut(&edges).unwrap().of, (0..count).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn equal_confidences_stay_together() {
        let values = [0.5, 0.9, 0.5, 0.5, 0.2, 0.5, 0.95, 0.5];
        let binning = Bins::EqualMass(4).cut(&values).unwrap();
        // Two per bin would end at the 2nd, 4th and 6th: all of them 0.5, which stays together.
        assert_eq!(binning.edges, [0.0, 0.5, 1.0]);
        assert_eq!(binning.of, [0, 1, 0, 0, 0, 0, 1, 0]);
        // All equal: one bin, whatever was requested.
        assert_eq!(Bins::EqualMass(15).cut(&[0.4; 9]).unwrap().edges, [0.0, 1.0]);
        assert_eq!(Bins::EqualMass(15).cut(&[0.0; 9]).unwrap().of, [0; 9]);
        assert_eq!(Bins::EqualMass(2).cut(&[0.0, 0.0, 1.0, 1.0]).unwrap().of, [0, 0, 1, 1]);
    }

    #[test]
    fn without_ties_bins_hold_equally_many() {
        let values: Vec<f64> = (0..103).map(|n| f64::from(n * 37 % 103) / 103.0).collect();
        let binning = Bins::EqualMass(10).cut(&values).unwrap();
        let mut counts = vec![0; binning.len()];
        binning.of.iter().for_each(|&b| counts[b] += 1);
        assert_eq!(counts.len(), 10);
        assert!(counts.iter().all(|&n| n == 10 || n == 11), "{counts:?}");
    }
}
