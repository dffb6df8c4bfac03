//! What a calibrated classifier with the same predictions would show, for every error that noise alone raises.
//!
//! - Errors against labels, of independent samples: labels are sampled from the predicted probabilities
//!   (**consistency resampling**: Bröcker & Smith 2007, *Increasing the Reliability of Reliability Diagrams*;
//!   Vaicenavicius et al. 2019, *Evaluating Model Calibration in Classification*).
//! - Errors of samples in groups, and against vote shares: a calibrated classifier's gaps have mean 0 in each bin,
//!   so the signs of whole groups (or samples) are drawn at random (the **wild cluster bootstrap**: Cameron,
//!   Gelbach & Miller 2008).
//! - Distances to vote shares: as many votes as a sample has are sampled from its predicted distribution, which gives
//!   the noise floor of few votes.
//!
//! Round r draws from stream r of the seed, so that any number of threads gives the same bits.

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::{LDL_BINS, Measure, Samples};
use crate::calibration::{Bins, Smoother, Spot, grid};
use crate::labels::x_ln_y;
use crate::metrics::{Floor, t_quantile};
use crate::{Progress, Result, Votes};

/// What a calibrated classifier with these predictions would show.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct IfCalibrated {
    /// Mean over rounds.
    pub mean: f64,
    /// The 95 % quantile of the rounds.
    pub upper: f64,
    /// The share of rounds, the data among them, that show at least as much: small where the classifier is not
    /// calibrated.
    pub p: f64,
}

/// Fewer groups have too few patterns of signs.
pub(super) const FEWEST_GROUPS: usize = 10;

/// Rounds of votes: their mean over N samples is normal, so that its mean and deviation are enough.
const VOTE_ROUNDS: usize = 100;

/// Separate streams, so that rounds of different kinds are independent.
const SIGNS: u64 = 1 << 32;
const VOTES: u64 = 2 << 32;

/// The binned and smoothed errors of one round.
type Errors = [Option<f64>; BINNED.len()];

pub(super) const BINNED: [Measure; 6] = [
    Measure::ExpectedCalibrationError,
    Measure::MaximumCalibrationError,
    Measure::ClasswiseCalibrationError,
    Measure::SceAsInLdlPaper,
    Measure::SmoothCalibrationError,
    Measure::DistributionCalibrationError,
];

/// Everything about the samples that rounds need: bins, spots on the grid, groups.
pub(super) struct Binned<'a> {
    samples: &'a Samples<'a>,
    confidence: &'a [f64],
    right: Vec<f64>,
    agreement: Option<Vec<f64>>,
    bin: Vec<usize>,
    /// Those of the label distribution paper.
    ldl_bin: Vec<usize>,
    /// Samples in each bin.
    held: Vec<f64>,
    spot: Vec<Spot>,
    /// `k B + bin of p_k`. Shape: (N, K), flat; empty without probabilities.
    class_cell: Vec<u32>,
    /// The group of each sample, counted from 0, and how many there are.
    unit: Option<(Vec<usize>, usize)>,
    /// The sums of the predictions, before any outcome.
    expected: Sums,
}

/// Sums of outcomes less predictions.
#[derive(Clone)]
struct Sums {
    gaps: Vec<f64>,
    vote_gaps: Vec<f64>,
    classwise: Vec<f64>,
    sce: Vec<f64>,
    grid: Vec<f64>,
}

impl<'a> Binned<'a> {
    /// None where confidences are not known.
    pub fn of(samples: &'a Samples<'a>) -> Result<Option<Self>> {
        let Some(confidence) = samples.confidence.as_deref() else { return Ok(None) };
        let cut = samples.bins.cut(confidence)?;
        let ldl_cut = Bins::EqualWidth(LDL_BINS).cut(confidence)?;
        let (n, k, bins) = (samples.len(), samples.classes.len(), cut.len());
        let mut held = vec![0.0; bins];
        cut.of.iter().for_each(|&b| held[b] += 1.0);
        let class_cell = match &samples.p {
            Some(p) => {
                let p: Vec<f64> = p.iter().copied().collect();
                let cells = samples.bins.cut(&p)?.of.into_iter().enumerate();
                cells.map(|(at, bin)| (at % k * bins + bin) as u32).collect()
            }
            None => Vec::new(),
        };
        let spot: Vec<Spot> = confidence.iter().map(|&c| Spot::of(c)).collect();
        let mut expected = Sums {
            gaps: vec![0.0; bins],
            vote_gaps: vec![0.0; bins],
            classwise: vec![0.0; k * bins],
            sce: vec![0.0; ldl_cut.len() * k],
            grid: grid(),
        };
        for row in 0..n {
            expected.gaps[cut.of[row]] -= confidence[row];
            spot[row].add(&mut expected.grid, -confidence[row] / n as f64);
        }
        if let Some(p) = &samples.p {
            class_cell.iter().zip(p).for_each(|(&cell, p)| expected.classwise[cell as usize] -= p);
        }
        let unit = samples.groups.map(|groups| {
            let mut ids = groups.to_vec();
            ids.sort_unstable();
            ids.dedup();
            let of = groups.iter().map(|group| ids.partition_point(|id| id < group)).collect();
            (of, ids.len())
        });
        Ok(Some(Self {
            samples,
            confidence,
            right: samples.right(),
            agreement: samples.agreement(),
            bin: cut.of,
            ldl_bin: ldl_cut.of,
            held,
            spot,
            class_cell,
            unit,
            expected,
        }))
    }

    /// The errors of the data.
    pub fn measured(&self) -> Errors {
        let mut sums = self.expected.clone();
        for (n, &truth) in self.samples.truth.iter().enumerate() {
            self.add_outcome(n, truth, &mut sums);
        }
        if let Some(agreement) = &self.agreement {
            for (n, share) in agreement.iter().enumerate() {
                sums.vote_gaps[self.bin[n]] += share - self.confidence[n];
            }
        }
        self.errors(&sums, &mut Smoother::default(), true)
    }

    /// Counts the class of a sample.
    fn add_outcome(&self, n: usize, truth: usize, sums: &mut Sums) {
        let right = truth == self.samples.predicted[n];
        if right {
            sums.gaps[self.bin[n]] += 1.0;
            self.spot[n].add(&mut sums.grid, 1.0 / self.samples.len() as f64);
        }
        if let Some(p) = &self.samples.p {
            let k = self.samples.classes.len();
            sums.classwise[self.class_cell[n * k + truth] as usize] += 1.0;
            sums.sce[self.ldl_bin[n] * k + truth] += f64::from(u8::from(right)) - p[[n, truth]];
        }
    }

    fn errors(&self, sums: &Sums, smoother: &mut Smoother, smooth: bool) -> Errors {
        let (n, k) = (self.samples.len() as f64, self.samples.classes.len() as f64);
        let absolute = |sums: &[f64]| sums.iter().map(|gap| gap.abs()).sum::<f64>() / n;
        let probabilities = self.samples.p.is_some();
        let largest = || {
            let bins = sums.gaps.iter().zip(&self.held).filter(|(_, held)| **held > 0.0);
            bins.map(|(gap, held)| gap.abs() / held).fold(0.0, f64::max)
        };
        BINNED.map(|measure| match measure {
            Measure::ExpectedCalibrationError => Some(absolute(&sums.gaps)),
            Measure::MaximumCalibrationError => Some(largest()),
            Measure::ClasswiseCalibrationError => probabilities.then(|| absolute(&sums.classwise) / k),
            Measure::SceAsInLdlPaper => probabilities.then(|| absolute(&sums.sce) / k),
            Measure::SmoothCalibrationError => smooth.then(|| smoother.error(&sums.grid)),
            _ => self.agreement.is_some().then(|| absolute(&sums.vote_gaps)),
        })
    }

    /// What a calibrated classifier would show, error by error; None for those that no method covers.
    pub fn if_calibrated(
        &self,
        seed: u64,
        rounds: usize,
        progress: &mut dyn Progress,
    ) -> Vec<Option<IfCalibrated>> {
        let measured = self.measured();
        let enough = self.unit.as_ref().is_none_or(|(_, groups)| *groups >= FEWEST_GROUPS);
        if rounds == 0 || !enough {
            return vec![None; BINNED.len()];
        }
        let shares = self.unit.is_none().then(|| self.shares());
        let work = |(smoother, sums): &mut (Smoother, Sums), round: u64| {
            let mut errors = [None; BINNED.len()];
            if let Some(shares) = &shares {
                sums.clone_from(&self.expected);
                let mut random = stream(seed, round);
                for n in 0..self.samples.len() {
                    self.add_outcome(n, shares.draw(n, random.next_u32()), sums);
                }
                errors = self.errors(sums, smoother, true);
            }
            if shares.is_none() || self.agreement.is_some() {
                self.draw_signs(&mut stream(seed, SIGNS + round), sums, shares.is_none());
                let signed = self.errors(sums, smoother, shares.is_none());
                if shares.is_none() {
                    errors = signed;
                    errors[3] = None; // splitting by the truth looks ahead: its gaps have other means than 0
                }
                errors[5] = signed[5];
            }
            errors
        };
        let mut all: Vec<Errors> = Vec::with_capacity(rounds);
        let at_once = 8 * rayon::current_num_threads();
        for first in (0..rounds).step_by(at_once) {
            let some: Vec<Errors> = (first..rounds.min(first + at_once))
                .into_par_iter()
                .map_init(
                    || (Smoother::default(), self.expected.clone()),
                    |memory, round| work(memory, round as u64),
                )
                .collect();
            progress.advance(some.len() as u64, "");
            all.extend(some);
        }
        let summary = |at: usize| {
            let value = measured[at]?;
            let mut drawn: Vec<f64> = all.iter().map(|errors| errors[at]).collect::<Option<_>>()?;
            drawn.sort_by(f64::total_cmp);
            let mean = drawn.iter().sum::<f64>() / rounds as f64;
            let upper = drawn[(0.95 * (rounds - 1) as f64).round() as usize];
            // Sums in another order round otherwise: such a round shows as much.
            let as_much = drawn.iter().filter(|error| **error >= value - 1e-12).count();
            Some(IfCalibrated { mean, upper, p: (as_much + 1) as f64 / (rounds + 1) as f64 })
        };
        (0..BINNED.len()).map(summary).collect()
    }

    /// Draws the sign of each group's gaps, or of each sample's.
    fn draw_signs(&self, random: &mut ChaCha8Rng, sums: &mut Sums, all: bool) {
        for sum in [&mut sums.gaps, &mut sums.vote_gaps, &mut sums.classwise, &mut sums.grid] {
            sum.fill(0.0);
        }
        let units = self.unit.as_ref().map_or(self.samples.len(), |(_, groups)| *groups);
        let bits: Vec<u64> = (0..units.div_ceil(64)).map(|_| random.r#gen()).collect();
        let (total, k) = (self.samples.len() as f64, self.samples.classes.len());
        for n in 0..self.samples.len() {
            let unit = self.unit.as_ref().map_or(n, |(of, _)| of[n]);
            let sign = if bits[unit / 64] >> (unit % 64) & 1 == 1 { 1.0 } else { -1.0 };
            if let Some(agreement) = &self.agreement {
                sums.vote_gaps[self.bin[n]] += sign * (agreement[n] - self.confidence[n]);
            }
            if !all {
                continue;
            }
            let gap = sign * (self.right[n] - self.confidence[n]);
            sums.gaps[self.bin[n]] += gap;
            self.spot[n].add(&mut sums.grid, gap / total);
            if let Some(p) = &self.samples.p {
                let cells = &self.class_cell[n * k..(n + 1) * k];
                cells.iter().zip(p.row(n)).for_each(|(&cell, p)| sums.classwise[cell as usize] -= sign * p);
                sums.classwise[cells[self.samples.truth[n]] as usize] += sign;
            }
        }
    }

    /// What each sample's class is drawn from: its probabilities, or its confidence and any other class.
    fn shares(&self) -> Shares {
        match &self.samples.p {
            Some(p) => Shares::of(p.outer_iter().map(|row| row.iter().copied().enumerate().collect())),
            None => Shares::of(
                self.confidence
                    .iter()
                    .zip(&self.samples.predicted)
                    .map(|(&c, &k)| vec![(k, c), ((k + 1) % self.samples.classes.len().max(2), 1.0 - c)]),
            ),
        }
    }
}

fn stream(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

/// Classes to draw, the most probable first, and where each one's part of [0, 2³²) ends.
struct Shares {
    ends: Vec<(u32, u64)>,
    starts: Vec<usize>,
}

impl Shares {
    fn of(rows: impl Iterator<Item = Vec<(usize, f64)>>) -> Self {
        let (mut ends, mut starts) = (Vec::new(), vec![0]);
        for mut row in rows {
            row.sort_by(|a, b| b.1.total_cmp(&a.1));
            let total: f64 = row.iter().map(|(_, p)| p).sum();
            let mut below = 0.0;
            for (k, p) in row.into_iter().filter(|(_, p)| *p > 0.0) {
                below += p;
                ends.push((k as u32, (below / total * 2f64.powi(32)).round() as u64));
            }
            starts.push(ends.len());
        }
        Self { ends, starts }
    }

    fn draw(&self, n: usize, u: u32) -> usize {
        let row = &self.ends[self.starts[n]..self.starts[n + 1]];
        let drawn = row.iter().find(|(_, end)| u64::from(u) < *end).unwrap_or(&row[row.len() - 1]);
        drawn.0 as usize
    }
}

/// Rows that draw from one stream of the seed.
const BLOCK: usize = 1024;

/// The distances to vote shares, each raised by the noise of few votes.
pub(super) const DISTANCES: [Measure; 4] = [
    Measure::TotalVariation,
    Measure::EntropyCalibrationError,
    Measure::KlDivergence,
    Measure::JensenShannon,
];

/// What the distances would be if the votes were drawn from the predicted distributions: the noise floor of
/// this number of votes. `values` are the measured ones.
pub(super) fn votes_if_drawn(
    samples: &Samples<'_>,
    votes: &Votes,
    values: [f64; DISTANCES.len()],
    seed: u64,
) -> Option<[IfCalibrated; DISTANCES.len()]> {
    let p = samples.p.as_ref()?;
    let whole = |row: ndarray::ArrayView1<'_, f32>| {
        let total: f32 = row.iter().sum();
        (row.iter().all(|v| v.fract() == 0.0) && total < 10_000.0).then_some(total as u32)
    };
    let experts: Vec<u32> = votes.counts().outer_iter().map(whole).collect::<Option<_>>()?;
    let k = samples.classes.len();
    let blocks: Vec<Vec<[f64; DISTANCES.len()]>> = (0..samples.len().div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            let mut random = stream(seed, VOTES + block as u64);
            let mut sums = vec![[0.0; DISTANCES.len()]; VOTE_ROUNDS];
            let mut drawn = vec![0_u32; k];
            let rows = p.outer_iter().zip(&experts).skip(block * BLOCK).take(BLOCK);
            for (row, &experts) in rows {
                let shares = Shares::of(std::iter::once(row.iter().copied().enumerate().collect()));
                let entropy = 0.0 - row.iter().map(|&p| x_ln_y(p, p)).sum::<f64>();
                let ln_p: Vec<f64> = row.iter().map(|&p| Floor::SCIKIT_LEARN.raise(p).ln()).collect();
                let m = f64::from(experts);
                for sum in &mut sums {
                    drawn.fill(0);
                    (0..experts).for_each(|_| drawn[shares.draw(0, random.next_u32())] += 1);
                    // Of p alone, JS = ½ ln 2; every class that was voted for changes its part.
                    let (mut shared, mut of_votes, mut kl, mut js) = (0.0, 0.0, 0.0, 0.5 * 2f64.ln());
                    for (class, &votes) in drawn.iter().enumerate().filter(|(_, v)| **v > 0) {
                        let (y, p) = (f64::from(votes) / m, row[class]);
                        let (ln_y, middle) = (y.ln(), 0.5 * (y + p));
                        shared += y.min(p);
                        of_votes -= y * ln_y;
                        kl += y * (ln_y - ln_p[class]);
                        js += 0.5
                            * (y * (ln_y - middle.ln()) + p * (ln_p[class] - middle.ln()) - p * 2f64.ln());
                    }
                    let distances = [1.0 - shared, (entropy - of_votes).abs(), kl, js];
                    sum.iter_mut().zip(distances).for_each(|(sum, distance)| *sum += distance);
                }
            }
            sums
        })
        .collect();
    let total = samples.len() as f64;
    let rounds: Vec<[f64; DISTANCES.len()]> = (0..VOTE_ROUNDS)
        .map(|round| std::array::from_fn(|at| blocks.iter().map(|sums| sums[round][at]).sum::<f64>() / total))
        .collect();
    Some(std::array::from_fn(|at| {
        let mean = rounds.iter().map(|values| values[at]).sum::<f64>() / VOTE_ROUNDS as f64;
        let squares = rounds.iter().map(|values| (values[at] - mean).powi(2)).sum::<f64>();
        let deviation = (squares / (VOTE_ROUNDS - 1) as f64).sqrt();
        let p = 0.5 * libm::erfc((values[at] - mean) / deviation.max(f64::MIN_POSITIVE) / 2f64.sqrt());
        IfCalibrated { mean, upper: mean + t_quantile(0.95, 1e6) * deviation, p }
    }))
}
