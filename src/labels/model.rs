//! A model of the votes of experts, fitted to votes: predicts the votes of other experts on the same samples.

use std::collections::BTreeMap;

use rand::Rng;
use rayon::prelude::*;

use super::{Votes, first_largest};
use crate::{Error, Result};

/// A mixture of Dirichlet–multinomials, one component per class, fitted by maximum likelihood.
///
/// The opinion of all experts on a sample is a distribution over classes. In component c it is drawn from
/// Dirichlet(α_c), and the votes on the sample are drawn from it. The mean of α_c gives the classes that class c
/// is confused with. Its sum, the **concentration**, measures how much the samples of the class resemble each other:
/// small if some are clear and others are not, large if all are equally ambiguous. A single component cannot model both.
#[derive(Debug, Clone, PartialEq)]
pub struct VoteModel {
    components: Vec<Component>,
}

#[derive(Debug, Clone, PartialEq)]
struct Component {
    weight: f64,
    /// α. Shape: K.
    alpha: Vec<f64>,
    concentration: f64,
}

/// The votes on a sample: class and count, of the classes that were voted for.
type Ballot = Vec<(usize, usize)>;

/// Rounds of expectation and maximisation.
const ROUNDS: usize = 60;
/// Fewer samples of a majority have no component of their own.
const FEWEST: f64 = 5.0;
/// More votes per sample are not counted one by one.
const MOST_VOTES: usize = 1000;

impl VoteModel {
    /// Fits the model by expectation and maximisation, with Minka's fixed point for each α (Minka 2000,
    /// *Estimating a Dirichlet Distribution*).
    ///
    /// # Shape
    /// (N, K) votes → up to K components.
    ///
    /// # Errors
    /// No sample, votes that are not whole numbers, or a sample with one vote, from which
    /// disagreement cannot be estimated: names the row.
    pub fn fit(votes: &Votes) -> Result<Self> {
        let ballots = ballots(votes)?;
        let classes = votes.counts().ncols();
        let most = ballots.iter().map(|ballot| ballot.iter().map(|(_, v)| v).sum()).max().unwrap_or(0);
        let mut distinct = BTreeMap::<&Ballot, f64>::new();
        for ballot in &ballots {
            *distinct.entry(ballot).or_default() += 1.0;
        }
        let distinct: Vec<(&Ballot, f64)> = distinct.into_iter().collect();
        let mut model = Self::start(&distinct, classes);
        for _ in 0..ROUNDS {
            let tables: Vec<Rising> =
                model.components.iter().map(|part| Rising::of(part, classes, most)).collect();
            let sums = distinct
                .par_chunks(256)
                .map(|some| {
                    let mut sums = vec![Exceeded::empty(classes, most); tables.len()];
                    let mut shares = Vec::new();
                    for (ballot, times) in some {
                        posterior(&tables, ballot, &mut shares);
                        for (sum, share) in sums.iter_mut().zip(&shares) {
                            sum.add(ballot, share * times);
                        }
                    }
                    sums
                })
                .collect::<Vec<_>>();
            let mut total = vec![Exceeded::empty(classes, most); tables.len()];
            for some in &sums {
                total.iter_mut().zip(some).for_each(|(total, sum)| total.merge(sum));
            }
            let all: f64 = ballots.len() as f64;
            for (part, sum) in model.components.iter_mut().zip(&total) {
                part.weight = (sum.weight / all).max(1e-12);
                for _ in 0..3 {
                    sum.step(part);
                }
            }
        }
        Ok(model)
    }

    fn start(distinct: &[(&Ballot, f64)], classes: usize) -> Self {
        let mut shares = vec![vec![1e-3; classes]; classes];
        let mut samples = vec![0.0; classes];
        for (ballot, times) in distinct {
            let total: usize = ballot.iter().map(|(_, v)| v).sum();
            let (first, _) =
                ballot.iter().fold((0, 0), |best, &(k, v)| if v > best.1 { (k, v) } else { best });
            samples[first] += times;
            for &(k, v) in *ballot {
                shares[first][k] += times * v as f64 / total as f64;
            }
        }
        let most = samples.iter().copied().fold(0.0, f64::max);
        let all: f64 = samples.iter().sum();
        let kept = (0..classes).filter(|&k| samples[k] >= FEWEST.min(most));
        let component = |k: usize| {
            let total: f64 = shares[k].iter().sum();
            let alpha: Vec<f64> = shares[k].iter().map(|share| 5.0 * share / total).collect();
            Component { weight: samples[k] / all, alpha, concentration: 5.0 }
        };
        Self { components: kept.map(component).collect() }
    }

    /// The mean concentration of the components, weighted by their shares.
    pub fn concentration(&self) -> f64 {
        let total: f64 = self.components.iter().map(|part| part.weight).sum();
        self.components.iter().map(|part| part.weight * part.concentration).sum::<f64>() / total
    }

    /// What is needed to draw other experts for samples with these votes.
    pub(crate) fn drawing(&self, votes: &Votes) -> Result<Drawing<'_>> {
        let ballots = ballots(votes)?;
        let most = ballots.iter().map(|ballot| ballot.iter().map(|(_, v)| v).sum()).max().unwrap_or(0);
        let classes = votes.counts().ncols();
        let tables = self.components.iter().map(|part| Rising::of(part, classes, most)).collect();
        Ok(Drawing { model: self, ballots, tables, classes })
    }
}

fn ballots(votes: &Votes) -> Result<Vec<Ballot>> {
    let counts = votes.counts();
    if counts.nrows() == 0 {
        return Err(Error::input("votes", "no sample", "give the votes of at least one"));
    }
    let ballot = |(row, votes): (usize, ndarray::ArrayView1<'_, f32>)| {
        let total: f32 = votes.sum();
        if votes.iter().any(|v| v.fract() != 0.0) || total < 2.0 || total > MOST_VOTES as f32 {
            let problem = format!("{total} votes");
            let advice = "human performance needs whole numbers of votes, at least two per sample";
            return Err(Error::input(format!("votes, row {row}"), problem, advice));
        }
        Ok(votes.iter().enumerate().filter(|(_, v)| **v > 0.0).map(|(k, v)| (k, *v as usize)).collect())
    };
    counts.outer_iter().enumerate().map(ballot).collect()
}

/// `ln Γ(α_k + v) − ln Γ(α_k)` by class and v, and the same of the sum.
struct Rising {
    ln_weight: f64,
    /// Shape: (K, M + 1), flat.
    of_class: Vec<f64>,
    of_total: Vec<f64>,
    votes: usize,
}

impl Rising {
    fn of(part: &Component, classes: usize, most: usize) -> Self {
        let rising = |alpha: f64| {
            let mut sum = 0.0;
            let steps = (0..most).map(move |v| {
                sum += (alpha + v as f64).ln();
                sum
            });
            std::iter::once(0.0).chain(steps)
        };
        Self {
            ln_weight: part.weight.ln(),
            of_class: (0..classes).flat_map(|k| rising(part.alpha[k])).collect(),
            of_total: rising(part.concentration).collect(),
            votes: most,
        }
    }

    fn ln_likelihood(&self, ballot: &Ballot) -> f64 {
        let total: usize = ballot.iter().map(|(_, v)| v).sum();
        let votes: f64 = ballot.iter().map(|&(k, v)| self.of_class[k * (self.votes + 1) + v]).sum();
        self.ln_weight + votes - self.of_total[total]
    }
}

/// The shares of the components in a sample.
fn posterior(tables: &[Rising], ballot: &Ballot, shares: &mut Vec<f64>) {
    shares.clear();
    shares.extend(tables.iter().map(|table| table.ln_likelihood(ballot)));
    let largest = shares.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut total = 0.0;
    for share in shares.iter_mut() {
        *share = (*share - largest).exp();
        total += *share;
    }
    for share in shares.iter_mut() {
        *share /= total;
    }
}

/// The weight of samples with more than v votes for a class, and with more than v votes.
#[derive(Clone)]
struct Exceeded {
    weight: f64,
    of_class: Vec<f64>,
    of_total: Vec<f64>,
}

impl Exceeded {
    fn empty(classes: usize, most: usize) -> Self {
        Self { weight: 0.0, of_class: vec![0.0; classes * most], of_total: vec![0.0; most] }
    }

    fn add(&mut self, ballot: &Ballot, weight: f64) {
        let most = self.of_total.len();
        self.weight += weight;
        let mut total = 0;
        for &(k, votes) in ballot {
            self.of_class[k * most..k * most + votes].iter_mut().for_each(|sum| *sum += weight);
            total += votes;
        }
        self.of_total[..total].iter_mut().for_each(|sum| *sum += weight);
    }

    fn merge(&mut self, other: &Self) {
        self.weight += other.weight;
        self.of_class.iter_mut().zip(&other.of_class).for_each(|(a, b)| *a += b);
        self.of_total.iter_mut().zip(&other.of_total).for_each(|(a, b)| *a += b);
    }

    /// One step of Minka's fixed point: `α_k ← α_k Σ_n [ψ(α_k + v) − ψ(α_k)] / Σ_n [ψ(A + M) − ψ(A)]`.
    fn step(&self, part: &mut Component) {
        let digamma = |sums: &[f64], alpha: f64| -> f64 {
            sums.iter().enumerate().map(|(v, sum)| sum / (alpha + v as f64)).sum()
        };
        let of_total = digamma(&self.of_total, part.concentration);
        if of_total <= 0.0 {
            return;
        }
        for (alpha, sums) in part.alpha.iter_mut().zip(self.of_class.chunks_exact(self.of_total.len())) {
            *alpha = (*alpha * digamma(sums, *alpha) / of_total).clamp(1e-8, 1e4);
        }
        part.concentration = part.alpha.iter().sum();
    }
}

/// Samples whose experts can be replaced by others.
pub(crate) struct Drawing<'a> {
    model: &'a VoteModel,
    ballots: Vec<Ballot>,
    tables: Vec<Rising>,
    classes: usize,
}

impl Drawing<'_> {
    /// How often each class is the majority of a new panel on sample n, in `panels` panels of `experts` experts
    /// (a tie is drawn at random): votes from the posterior predictive distribution, by Pólya's urn.
    pub fn majorities(
        &self,
        n: usize,
        panels: u32,
        experts: usize,
        random: &mut impl Rng,
        counts: &mut [u32],
    ) {
        let ballot = &self.ballots[n];
        let mut shares = Vec::new();
        posterior(&self.tables, ballot, &mut shares);
        let mut drawn = vec![0.0_f32; self.classes];
        // The classes voted for first: nearly all draws end there.
        let mut order: Vec<usize> = ballot.iter().map(|&(k, _)| k).collect();
        order.sort_by_key(|k| std::cmp::Reverse(ballot.iter().find(|(class, _)| class == k).map(|b| b.1)));
        order.extend((0..self.classes).filter(|k| ballot.iter().all(|(class, _)| class != k)));
        for _ in 0..panels {
            let mut at: f64 = random.r#gen();
            let chosen = shares.iter().position(|share| {
                at -= share;
                at < 0.0
            });
            let part = &self.model.components[chosen.unwrap_or(0)];
            let mut urn = part.alpha.clone();
            for &(k, v) in ballot {
                urn[k] += v as f64;
            }
            let mut total: f64 = urn.iter().sum();
            drawn.fill(0.0);
            for _ in 0..experts {
                let mut at = random.r#gen::<f64>() * total;
                let k = order.iter().copied().find(|&k| {
                    at -= urn[k];
                    at < 0.0
                });
                let k = k.unwrap_or(order[0]);
                drawn[k] += 1.0;
                urn[k] += 1.0;
                total += 1.0;
            }
            let first = first_largest(ndarray::ArrayView1::from(&drawn));
            let tied = drawn.iter().filter(|v| **v >= drawn[first]).count();
            let place = if tied > 1 { random.gen_range(0..tied) } else { 0 };
            let most = drawn[first];
            let majority = (0..self.classes).filter(|&k| drawn[k] >= most).nth(place).unwrap_or(first);
            counts[majority] += 1;
        }
    }
}
