//! What is drawn anew: samples, groups of them, the votes on each, or another panel of experts.
//!
//! Round r draws from stream r of the seed, so that rounds can be done in any order by any thread. What no
//! draw changes is summed once: with most experts unanimous, that is most of a round of votes.

use std::collections::BTreeMap;

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::statistics::{Extent, Forecast, Statistics, Tally, Terms, Values, brier};
use super::{Interval, IntervalMethod, equal_width};
use crate::{Labels, Progress, Result, Votes};

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

/// Rounds of samples that are summed side by side.
const ABREAST: usize = 8;

impl Draws {
    fn random(self, stream: u64) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(stream);
        random
    }

    /// The values of all rounds, of which `work` does some, from the one that it is told, in buffers of its
    /// thread. Rounds are handed out in the same blocks to however many threads.
    fn blocks<B, const R: usize>(
        self,
        progress: &mut dyn Progress,
        buffers: impl Fn() -> B + Sync,
        work: impl Fn(&mut B, u64) -> [Values; R] + Sync,
    ) -> Vec<Values> {
        let blocks = self.rounds.div_ceil(R) as u64;
        let at_once = 8 * rayon::current_num_threads() as u64;
        let mut values = Vec::with_capacity(self.rounds);
        for first in (0..blocks).step_by(at_once as usize) {
            let some = first..blocks.min(first + at_once);
            let done: Vec<[Values; R]> = some
                .into_par_iter()
                .map_init(&buffers, |buffers, block| work(buffers, block * R as u64))
                .collect();
            values.extend(done.into_iter().flatten());
            values.truncate(self.rounds);
            progress.advance(values.len() as u64 - first * R as u64, "");
        }
        values
    }

    /// As many samples as there are, or groups where there are groups, drawn with replacement: how often
    /// each sample was drawn is its weight.
    pub fn of_samples(
        self,
        statistics: &Statistics<'_>,
        extent: &Extent,
        samples: usize,
        groups: Option<&Groups>,
        progress: &mut dyn Progress,
    ) -> Vec<Values> {
        let buffers = || vec![[0.0; ABREAST]; samples];
        self.blocks(progress, buffers, |weights, first| {
            weights.fill([0.0; ABREAST]);
            for (round, stream) in (first..first + ABREAST as u64).enumerate() {
                let mut random = self.random(stream);
                if let Some(Groups(groups)) = groups {
                    for _ in 0..groups.len() {
                        for &row in &groups[random.gen_range(0..groups.len())] {
                            weights[row][round] += 1.0;
                        }
                    }
                } else {
                    for _ in 0..samples {
                        weights[random.gen_range(0..samples)][round] += 1.0;
                    }
                }
            }
            let mut tally = Tally::empty(extent);
            statistics.sum(weights, &mut tally);
            tally.values(extent)
        })
    }

    /// As many votes a sample as it has, drawn from their shares; its label is their majority, and where
    /// that is a tie the label it had, if among the tied, as everywhere.
    pub fn of_votes(
        self,
        forecast: &Forecast,
        extent: &Extent,
        ballots: &Ballots,
        labels: &Labels,
        progress: &mut dyn Progress,
    ) -> Vec<Values> {
        let count = |n: usize, drawn: &[(usize, u32)], tally: &mut Tally<1>| {
            let truth = majority_or(labels.indices()[n], drawn);
            let experts = f64::from(ballots.experts[n]);
            let shares = drawn.iter().map(|&(k, votes)| (k, f64::from(votes) / experts));
            let voted = shares.filter(|(_, share)| *share > 0.0);
            tally.add(&forecast.terms(n, truth, voted), &[1.0]);
            if let Some(cell) = forecast.class_cell(n, truth) {
                tally.add_class(cell, 1.0, &[1.0]);
            }
        };
        let mut settled = Tally::empty(extent);
        forecast.sum_class_probabilities(&mut settled);
        for &n in &ballots.unanimous {
            count(n, &[(ballots.on(n)[0].class, ballots.experts[n])], &mut settled);
        }
        self.blocks(progress, Lot::default, |lot, round| {
            let mut random = self.random(VOTES + round);
            let mut tally = settled.clone();
            for &n in &ballots.split {
                count(n, lot.draw(ballots.on(n), ballots.experts[n], &mut random), &mut tally);
            }
            tally.values(extent)
        })
    }

    /// Other panels as classifiers: their majority, ties drawn, as prediction, their shares as probabilities;
    /// smoothed in the cross-entropies. Of what the predictions are, no more is given of the panels.
    pub fn of_panels(
        self,
        extent: &Extent,
        ballots: &Ballots,
        labels: &Labels,
        panel: u32,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Values>> {
        let table = PanelTable::of(panel, extent)?;
        let count = |n: usize, predicted: usize, drawn: &[(usize, u32)], tally: &mut Tally<1>| {
            let votes =
                |k: usize| drawn.iter().find(|&&(class, _)| class == k).map_or(0, |&(_, votes)| votes);
            let truth = labels.indices()[n];
            tally.add(&table.terms((truth, predicted), ballots.shares(n), drawn, votes), &[1.0]);
            if extent.probabilities {
                for &(k, votes) in drawn {
                    tally.add_class(table.class_cell(k, votes), -table.share(votes), &[1.0]);
                }
                tally.add_class(table.class_cell(truth, votes(truth)), 1.0, &[1.0]);
            }
        };
        let mut settled = Tally::empty(extent);
        for &n in &ballots.unanimous {
            let class = ballots.on(n)[0].class;
            count(n, class, &[(class, panel)], &mut settled);
        }
        Ok(self.blocks(progress, Lot::default, |lot, round| {
            let mut random = self.random(PANELS + round);
            let mut tally = settled.clone();
            for &n in &ballots.split {
                let drawn = lot.draw(ballots.on(n), panel, &mut random);
                count(n, majority(drawn, &mut random), drawn, &mut tally);
            }
            tally.values(extent)
        }))
    }
}

/// What can be drawn of a sample: a class, and where its part of [0, 1) ends, times 2³².
#[derive(Clone, Copy)]
pub(super) struct Ballot {
    class: usize,
    share: f64,
    end: u64,
}

/// The votes on each sample, to draw from: the classes voted for only.
pub(super) struct Ballots {
    all: Vec<Ballot>,
    /// Where the ballots of each sample begin, and the last ones end. Shape: N + 1.
    starts: Vec<usize>,
    /// How many experts voted (rounded, where votes are weighted; at least one). Shape: N.
    experts: Vec<u32>,
    /// Samples whose experts all agree: nothing can be drawn but that.
    unanimous: Vec<usize>,
    /// All others.
    split: Vec<usize>,
}

impl Ballots {
    pub fn of(votes: &Votes) -> Self {
        let (mut all, mut starts, mut experts) = (Vec::new(), vec![0], Vec::new());
        let (mut unanimous, mut split) = (Vec::new(), Vec::new());
        for (n, row) in votes.counts().outer_iter().enumerate() {
            let total: f64 = row.iter().map(|&v| f64::from(v)).sum();
            let mut below = 0.0;
            for (class, &v) in row.iter().enumerate().filter(|(_, v)| **v > 0.0) {
                below += f64::from(v);
                let end = (below / total * 2f64.powi(32)).round() as u64;
                all.push(Ballot { class, share: f64::from(v) / total, end });
            }
            if all.len() - starts[n] == 1 {
                unanimous.push(n);
            } else {
                split.push(n);
            }
            starts.push(all.len());
            experts.push((total.round() as u32).max(1));
        }
        Self { all, starts, experts, unanimous, split }
    }

    fn on(&self, n: usize) -> &[Ballot] {
        &self.all[self.starts[n]..self.starts[n + 1]]
    }

    fn shares(&self, n: usize) -> impl Iterator<Item = (usize, f64)> {
        self.on(n).iter().map(|ballot| (ballot.class, ballot.share))
    }
}

/// Draws votes, in memory that it keeps.
#[derive(Default)]
struct Lot {
    numbers: Vec<u32>,
    drawn: Vec<(usize, u32)>,
}

impl Lot {
    /// How many of so many experts chose each class: one number of 32 bits an expert, counted where it falls.
    fn draw(&mut self, ballots: &[Ballot], experts: u32, random: &mut ChaCha8Rng) -> &[(usize, u32)] {
        self.numbers.clear();
        self.numbers.extend((0..experts).map(|_| random.next_u32()));
        self.drawn.clear();
        let mut counted = 0;
        for ballot in &ballots[..ballots.len() - 1] {
            let below: u32 = self.numbers.iter().map(|&u| u32::from(u64::from(u) < ballot.end)).sum();
            self.drawn.push((ballot.class, below - counted));
            counted = below;
        }
        self.drawn.push((ballots[ballots.len() - 1].class, experts - counted));
        &self.drawn
    }
}

/// The first class with the most votes, but the label the sample had if it has as many.
fn majority_or(label: usize, drawn: &[(usize, u32)]) -> usize {
    let most = drawn.iter().map(|&(_, votes)| votes).max().unwrap_or(0);
    let mut tied = drawn.iter().filter(|(_, votes)| *votes == most).map(|&(k, _)| k);
    let first = tied.next().unwrap_or(label);
    if tied.any(|k| k == label) { label } else { first }
}

/// The class with the most votes, one of them by lot where several have it.
fn majority(drawn: &[(usize, u32)], random: &mut ChaCha8Rng) -> usize {
    let most = drawn.iter().map(|&(_, votes)| votes).max().unwrap_or(0);
    let mut tied = drawn.iter().filter(|(_, votes)| *votes == most).map(|&(k, _)| k);
    let count = tied.clone().count();
    let lot = if count > 1 { random.gen_range(0..count) } else { 0 };
    tied.nth(lot).expect("one class at least was voted for")
}

/// What follows from a number of votes of a panel, which are few. Shape: M + 1 each.
struct PanelTable {
    classes: usize,
    bins: usize,
    share: Vec<f64>,
    /// ln of the smoothed share.
    ln_p: Vec<f64>,
    bin: Vec<usize>,
    sce_bin: Vec<usize>,
}

impl PanelTable {
    fn of(panel: u32, extent: &Extent) -> Result<Self> {
        let (experts, classes) = (f64::from(panel), extent.classes.len());
        let share: Vec<f64> = (0..=panel).map(|votes| f64::from(votes) / experts).collect();
        let smoothed = |votes: u32| (f64::from(votes) + 1.0 / classes as f64) / (experts + 1.0);
        Ok(Self {
            classes,
            bins: extent.bins,
            ln_p: (0..=panel).map(|votes| smoothed(votes).ln()).collect(),
            bin: equal_width(extent.bins).cut(&share)?.of,
            sce_bin: equal_width(extent.sce_bins).cut(&share)?.of,
            share,
        })
    }

    fn share(&self, votes: u32) -> f64 {
        self.share[votes as usize]
    }

    fn class_cell(&self, k: usize, votes: u32) -> usize {
        k * self.bins + self.bin[votes as usize]
    }

    /// What a panel's votes on a sample of shares y add.
    fn terms(
        &self,
        (truth, predicted): (usize, usize),
        y: impl Iterator<Item = (usize, f64)>,
        drawn: &[(usize, u32)],
        votes: impl Fn(usize) -> u32,
    ) -> Terms {
        let (confident, p) = (votes(predicted) as usize, self.share(votes(truth)));
        let (mut agree, mut vote_loss) = (0.0, 0.0);
        for (k, share) in y {
            agree += if k == predicted { share } else { 0.0 };
            vote_loss -= share * self.ln_p[votes(k) as usize];
        }
        let right = f64::from(u8::from(truth == predicted));
        Terms {
            pair: truth * self.classes + predicted,
            bin: self.bin[confident],
            sce_cell: self.sce_bin[confident] * self.classes + truth,
            gap: right - self.share[confident],
            vote_gap: agree - self.share[confident],
            sce_gap: right - p,
            loss: 0.0 - self.ln_p[votes(truth) as usize],
            vote_loss,
            brier: brier(drawn.iter().map(|&(_, votes)| self.share(votes).powi(2)).sum(), p),
        }
    }
}

/// The [percentiles] of the rounds in which the measure was defined.
pub(crate) fn percentile_interval(rounds: &[Values], at: usize, level: f64) -> Option<Interval> {
    percentiles(rounds.iter().filter_map(|values| values[at]), level)
}

/// The interval of the middle `level` of these values, with linear interpolation between them; NaN is left out.
/// None without a value.
pub(crate) fn percentiles(values: impl Iterator<Item = f64>, level: f64) -> Option<Interval> {
    let mut values: Vec<f64> = values.filter(|v| !v.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let quantile = |q: f64| {
        let place = q * last as f64;
        let (below, above) = (values[place.floor() as usize], values[place.ceil() as usize]);
        below + (above - below) * place.fract()
    };
    let outside = (1.0 - level) / 2.0;
    let method = IntervalMethod::Percentile;
    Some(Interval { lower: quantile(outside), upper: quantile(1.0 - outside), method })
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
