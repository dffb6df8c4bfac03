//! What is drawn anew: samples, groups of them, the votes on each, or another panel of experts.
//!
//! Round r draws from stream r of the seed, so that rounds can be done in any order by any thread.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::statistics::{Forecast, Outcome, Values};
use super::{Interval, Predicted, ScorecardSettings};
use crate::labels::first_largest;
use crate::{LabelDistributions, Labels, Result, Votes};

/// Rounds of drawing.
#[derive(Clone, Copy)]
pub(super) struct Draws {
    pub seed: u64,
    pub rounds: usize,
}

/// Which samples belong together.
pub(super) struct Groups(Vec<Vec<usize>>);

impl Groups {
    pub fn of(ids: &[i32]) -> Self {
        let mut members = BTreeMap::<i32, Vec<usize>>::new();
        for (row, &id) in ids.iter().enumerate() {
            members.entry(id).or_default().push(row);
        }
        Self(members.into_values().collect())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Apart from each other, so that a round of one kind says nothing of a round of another.
const VOTES: u64 = 1 << 32;
const PANELS: u64 = 2 << 32;

impl Draws {
    fn random(self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(stream);
        random
    }

    fn rounds<T: Send>(self, first: u64, round: impl Fn(ChaCha8Rng) -> T + Sync) -> Vec<T> {
        (0..self.rounds as u64).into_par_iter().map(|r| round(self.random(first + r))).collect()
    }

    /// As many samples as there are, or groups where there are groups, drawn with replacement: how often
    /// each sample was drawn is its weight.
    pub fn of_samples(
        self,
        samples: usize,
        groups: Option<&Groups>,
        measured: impl Fn(&[u32]) -> Values + Sync,
    ) -> Vec<Values> {
        self.rounds(0, |mut random| {
            let mut weights = vec![0; samples];
            if let Some(Groups(groups)) = groups {
                for _ in 0..groups.len() {
                    for &row in &groups[random.gen_range(0..groups.len())] {
                        weights[row] += 1;
                    }
                }
            } else {
                for _ in 0..samples {
                    weights[random.gen_range(0..samples)] += 1;
                }
            }
            measured(&weights)
        })
    }

    /// As many votes a sample as it has, drawn from their shares; its label is their majority, and where
    /// that is a tie the label it had, if among the tied, as everywhere.
    pub fn of_votes(
        self,
        votes: &Votes,
        labels: &Labels,
        measured: impl Fn(&Outcome) -> Values + Sync,
    ) -> Vec<Values> {
        let classes = votes.classes();
        self.rounds(VOTES, |mut random| {
            let counts = drawn_votes(votes, None, &mut random);
            let majority = |(n, row): (usize, ArrayView1<'_, f64>)| {
                let (first, label) = (first_largest(row), labels.indices()[n]);
                if row[label] >= row[first] { label } else { first }
            };
            let indices = counts.outer_iter().enumerate().map(majority).collect();
            let y = shares(counts);
            measured(&Outcome {
                labels: Labels::of_known(classes.clone(), indices),
                y: Some(LabelDistributions::of_known(classes.clone(), y)),
            })
        })
    }

    /// Other panels as classifiers: their majority, ties drawn, as prediction, their shares as probabilities;
    /// smoothed in the cross-entropies. Of what the predictions are, no more is given of the panels.
    pub fn of_panels(
        self,
        votes: &Votes,
        settings: &ScorecardSettings,
        predicted: Predicted<'_>,
        outcome: &Outcome,
    ) -> Result<Vec<Values>> {
        let (classes, panel) = (votes.classes(), settings.panel as f64);
        let smoothing = 1.0 / classes.len() as f64;
        let rounds = self.rounds(PANELS, |mut random| {
            let counts = drawn_votes(votes, Some(settings.panel), &mut random);
            let indices: Vec<usize> = counts.outer_iter().map(|row| majority(row, &mut random)).collect();
            let ln_p = counts.mapv(|v| ((v + smoothing) / (panel + 1.0)).ln());
            let p = shares(counts);
            let forecast = match predicted {
                Predicted::Probabilities(_) => {
                    Forecast::of_probabilities(classes, p, ln_p, indices, settings)?
                }
                Predicted::Classes(_) => {
                    Forecast::of(Predicted::Classes(&Labels::of_known(classes.clone(), indices)), settings)?
                }
                Predicted::Confidences(..) => {
                    let confidence: Vec<f64> = indices.iter().enumerate().map(|(n, &k)| p[[n, k]]).collect();
                    let labels = Labels::of_known(classes.clone(), indices);
                    Forecast::of(Predicted::Confidences(&labels, &confidence), settings)?
                }
            };
            Ok(forecast.against(outcome).measured(&vec![1; outcome.labels.len()]))
        });
        rounds.into_iter().collect()
    }
}

/// Votes drawn from each sample's shares: `panel` of them, or as many as there were (rounded, where votes
/// are weighted; at least one). Shape: (N, K).
fn drawn_votes(votes: &Votes, panel: Option<usize>, random: &mut ChaCha8Rng) -> Array2<f64> {
    let mut counts = Array2::zeros(votes.counts().dim());
    for (row, mut drawn) in votes.counts().outer_iter().zip(counts.outer_iter_mut()) {
        let voted: Vec<(usize, f64)> =
            row.iter().enumerate().filter(|(_, v)| **v > 0.0).map(|(k, &v)| (k, f64::from(v))).collect();
        let total: f64 = voted.iter().map(|(_, v)| v).sum();
        let experts = panel.unwrap_or((total.round() as usize).max(1));
        if let [(only, _)] = voted[..] {
            drawn[only] = experts as f64; // most samples are unanimous
            continue;
        }
        for _ in 0..experts {
            let mut at = random.r#gen::<f64>() * total;
            let hit = voted.iter().find(|(_, v)| {
                at -= v;
                at < 0.0
            });
            // Rounding may carry it past the end: the last class then.
            let (k, _) = hit.unwrap_or(&voted[voted.len() - 1]);
            drawn[*k] += 1.0;
        }
    }
    counts
}

/// The class with the most votes, one of them by lot where several have it.
fn majority(row: ArrayView1<'_, f64>, random: &mut ChaCha8Rng) -> usize {
    let most = row[first_largest(row)];
    let tied: Vec<usize> = row.iter().enumerate().filter(|(_, v)| **v >= most).map(|(k, _)| k).collect();
    if tied.len() == 1 { tied[0] } else { tied[random.gen_range(0..tied.len())] }
}

fn shares(mut counts: Array2<f64>) -> Array2<f64> {
    for mut row in counts.outer_iter_mut() {
        let total = row.sum();
        row /= total;
    }
    counts
}

/// The middle `level` of the rounds in which the measure was defined, with linear interpolation between
/// them; None without such a round.
pub(super) fn percentile_interval(rounds: &[Values], at: usize, level: f64) -> Option<Interval> {
    let mut values: Vec<f64> =
        rounds.iter().filter_map(|values| values[at]).filter(|v| !v.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let quantile = |q: f64| {
        let place = q * last as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    let outside = (1.0 - level) / 2.0;
    Some(Interval { lower: quantile(outside), upper: quantile(1.0 - outside) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_numpys_percentiles() {
        // numpy.percentile([1, 2, 4, 8, 16], [10, 90]) = [1.4, 12.8]
        let mut rounds: Vec<Values> = [8.0, 1.0, 16.0, 2.0, 4.0].map(|v| [Some(v); 11]).to_vec();
        rounds.push([Some(f64::NAN); 11]); // a round in which kappa, say, was not defined
        let interval = percentile_interval(&rounds, 2, 0.8).unwrap();
        assert!((interval.lower - 1.4).abs() < 1e-12 && (interval.upper - 12.8).abs() < 1e-12);
        assert_eq!(percentile_interval(&[], 0, 0.8), None);
        assert_eq!(percentile_interval(&[[None; 11]], 0, 0.8), None);
    }
}
