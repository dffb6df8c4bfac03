//! Geometric medians of all classes at once, in passes over the rows.
//!
//! The geometric median of x₁ … x_n minimises Σ ‖x − c‖. Weiszfeld's iteration moves c to the mean of
//! the samples weighted by 1/‖x − c‖; where c meets samples, Vardi & Zhang, *The multivariate
//! L1-median and associated data depth*, PNAS 97(4), 2000, keep it from stalling: with T the weighted
//! mean of the others, η the number of samples at c and r = ‖Σ (x − c)/‖x − c‖‖ over the others,
//! c ← (1 − min(1, η/r)) T + min(1, η/r) c, and c is the median where r ≤ η.

use std::borrow::Cow;

use ndarray::ArrayView2;
use rayon::prelude::*;
use serde::Serialize;

use crate::predictions::BLOCK;
use crate::simd::Level;
use crate::simd::distances::pull;
use crate::{Error, FeatureRows, Labels, Progress, Result};

/// When the iteration ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weiszfeld {
    /// Largest distance to the median that is left, as estimated from the last two steps, in mean
    /// distances of the samples from it.
    pub tolerance: f64,
    /// Passes over the samples, at most.
    pub iterations: usize,
}

impl Default for Weiszfeld {
    fn default() -> Self {
        Self { tolerance: 1e-8, iterations: 1000 }
    }
}

/// How one class's geometric median came out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MedianFit {
    /// Samples of the class.
    pub samples: usize,
    /// Passes that its iteration took.
    pub iterations: usize,
    /// Length of the shortest subgradient of the mean distance, max(0, r − η)/n: 0 at the median, below
    /// 1 everywhere. At the point before the last step.
    pub residual: f64,
    /// Mean distance of the samples from that point.
    pub mean_distance: f64,
    /// Whether the tolerance was met; if not, the passes ran out.
    pub converged: bool,
}

/// Within this many mean distances of a sample, that sample is tried as the median: towards a median that
/// is a sample the iteration only creeps.
const NEAR_A_SAMPLE: f64 = 0.02;
/// Samples tried, at most.
const TRIED: usize = 4;

/// What sums of unit vectors and steps are off by rounding, in parts of their terms.
const ROUNDING: f64 = 4.0 * f64::EPSILON;

/// A median, and how it came out.
pub(super) type Median = (Vec<f64>, MedianFit);

/// One class's iteration.
struct State {
    centre: Vec<f64>,
    fit: MedianFit,
    done: bool,
    /// Length of the last step that Weiszfeld took.
    last_step: f64,
    /// Where the iteration continues if the sample now tried is not the median.
    otherwise: Option<Vec<f64>>,
    tried: Vec<usize>,
}

/// The sums of one pass for one class.
struct Found {
    /// Σ (x − c)/‖x − c‖ over the samples that are not at c.
    pull: Vec<f64>,
    /// Σ 1/‖x − c‖ over them.
    weight: f64,
    /// Σ ‖x − c‖.
    distance: f64,
    /// Samples at c, η.
    here: usize,
    /// The nearest sample that is not at c: distance, row, vector.
    nearest: Option<(f64, usize, Vec<f32>)>,
}

impl Weiszfeld {
    fn check(self) -> Result<()> {
        if !(self.tolerance.is_finite() && self.tolerance > 0.0) {
            let problem = self.tolerance.to_string();
            return Err(Error::input("tolerance of the medians", problem, "choose a number above 0"));
        }
        if self.iterations == 0 {
            return Err(Error::input("iterations of the medians", "0", "choose at least 1"));
        }
        Ok(())
    }

    /// Moves the centres, one per class that has samples, from where they are to the geometric medians.
    ///
    /// # Errors
    /// Settings out of range; rows that cannot be read.
    pub(super) fn run(
        self,
        rows: &dyn FeatureRows,
        labels: &Labels,
        start: Vec<Option<Vec<f64>>>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<Option<Median>>> {
        self.check()?;
        let counts = labels.counts();
        let state = |(centre, samples): (Option<Vec<f64>>, usize)| {
            let fit =
                MedianFit { samples, iterations: 0, residual: 1.0, mean_distance: 0.0, converged: false };
            let otherwise = None;
            centre.map(|centre| State {
                centre,
                fit,
                done: false,
                last_step: f64::NAN,
                otherwise,
                tried: Vec::new(),
            })
        };
        let mut states: Vec<Option<State>> = start.into_iter().zip(counts).map(state).collect();
        // In memory one class after another, whose rows then stay in the cache; from a file all at once,
        // so that it is read as seldom as possible. A class's sums do not depend on the others.
        let classes: Vec<usize> = (0..states.len()).filter(|&k| states[k].is_some()).collect();
        let together = if rows.in_memory() { 1 } else { classes.len().max(1) };
        for group in classes.chunks(together) {
            for iteration in 1..=self.iterations {
                let open = |k: usize| states[k].as_ref().filter(|state| group.contains(&k) && !state.done);
                let centres: Vec<Option<&[f64]>> =
                    (0..states.len()).map(|k| open(k).map(|state| &state.centre[..])).collect();
                let count = centres.iter().flatten().count();
                if count == 0 {
                    break;
                }
                let stage = format!("geometric medians, pass {iteration}, classes left: {count}");
                progress.begin(&stage, labels.len() as u64);
                let found = pass(rows, labels, &centres, progress)?;
                for (state, found) in states.iter_mut().zip(found) {
                    if let (Some(state), Some(found)) = (state, found) {
                        state.step(found, self.tolerance);
                    }
                }
            }
        }
        progress.end("");
        Ok(states.into_iter().map(|state| state.map(|state| (state.centre, state.fit))).collect())
    }
}

impl State {
    /// One step of Vardi and Zhang.
    fn step(&mut self, found: Found, tolerance: f64) {
        let n = self.fit.samples as f64;
        let r = norm(&found.pull);
        let here = found.here as f64;
        self.fit.iterations += 1;
        self.fit.mean_distance = found.distance / n;
        self.fit.residual = (r - here).max(0.0) / n;
        // Samples at c outweigh the others: c is the median, to the last bit.
        let balanced = r <= ROUNDING * n;
        if found.weight == 0.0 || balanced || (found.here > 0 && r <= here) {
            self.finish();
            return;
        }
        if let Some(centre) = self.otherwise.take() {
            self.centre = centre;
            return;
        }
        let share = (1.0 - here / r.max(f64::MIN_POSITIVE)).max(0.0);
        let step = share * r / found.weight;
        let next =
            self.centre.iter().zip(&found.pull).map(|(c, pull)| c + share * pull / found.weight).collect();
        // Steps shrink by a factor in the end; the rest is their geometric series.
        let rate = step / self.last_step;
        let left = if rate < 1.0 { step * rate / (1.0 - rate) } else { f64::INFINITY };
        let scale = self.fit.mean_distance;
        self.last_step = step;
        if step <= ROUNDING * (scale + norm(&self.centre))
            || (left <= tolerance * scale && step <= tolerance.sqrt() * scale)
        {
            self.centre = next;
            self.finish();
            return;
        }
        match found.nearest {
            Some((distance, row, x))
                if distance < NEAR_A_SAMPLE * scale
                    && self.tried.len() < TRIED
                    && !self.tried.contains(&row) =>
            {
                self.tried.push(row);
                self.otherwise = Some(next);
                self.centre = x.into_iter().map(f64::from).collect();
            }
            _ => self.centre = next,
        }
    }

    fn finish(&mut self) {
        self.done = true;
        self.fit.converged = true;
    }
}

/// The rows as slices; copied where they do not lie one after another.
pub(super) fn contiguous<'a>(rows: &'a ArrayView2<'a, f32>) -> Cow<'a, [f32]> {
    match rows.as_slice() {
        Some(rows) => Cow::Borrowed(rows),
        None => Cow::Owned(rows.iter().copied().collect()),
    }
}

/// One pass: what each class with a centre finds. Blocks are worked on in parallel and added in order.
fn pass(
    rows: &dyn FeatureRows,
    labels: &Labels,
    centres: &[Option<&[f64]>],
    progress: &mut dyn Progress,
) -> Result<Vec<Option<Found>>> {
    let width = rows.extent().1;
    let mut total: Vec<Option<Found>> = centres.iter().map(|_| None).collect();
    rows.pass(&mut |start, slab| {
        let values = contiguous(&slab);
        let labels = &labels.indices()[start..start + slab.nrows()];
        let blocks: Vec<Vec<(usize, Found)>> = labels
            .par_chunks(BLOCK)
            .enumerate()
            .map(|(block, labels)| {
                let first = block * BLOCK;
                of_block(&values[first * width..], labels, width, start + first, centres)
            })
            .collect();
        for (k, found) in blocks.into_iter().flatten() {
            match &mut total[k] {
                Some(total) => total.add(found),
                empty => *empty = Some(found),
            }
        }
        progress.advance(labels.len() as u64, "");
        Ok(())
    })?;
    Ok(total)
}

/// What the classes find in one block of rows, class by class.
fn of_block(
    values: &[f32],
    labels: &[usize],
    width: usize,
    first: usize,
    centres: &[Option<&[f64]>],
) -> Vec<(usize, Found)> {
    let level = Level::best();
    let mut distances = Vec::with_capacity(labels.len());
    let mut all = Vec::new();
    for (k, centre) in centres.iter().enumerate() {
        let Some(centre) = centre else { continue };
        let members: Vec<usize> = (0..labels.len()).filter(|&row| labels[row] == k).collect();
        if members.is_empty() {
            continue;
        }
        let rows: Vec<&[f32]> = members.iter().map(|row| &values[row * width..(row + 1) * width]).collect();
        let mut found = Found { pull: vec![0.0; width], weight: 0.0, distance: 0.0, here: 0, nearest: None };
        distances.clear();
        pull(level, &rows, centre, &mut found.pull, &mut distances);
        let mut nearest: Option<(f64, usize)> = None;
        for (n, &d) in distances.iter().enumerate() {
            found.distance += d;
            if d < f64::MIN_POSITIVE {
                found.here += 1;
                continue;
            }
            found.weight += 1.0 / d;
            if nearest.is_none_or(|(nearest, _)| d < nearest) {
                nearest = Some((d, n));
            }
        }
        found.nearest = nearest.map(|(d, n)| (d, first + members[n], rows[n].to_vec()));
        all.push((k, found));
    }
    all
}

impl Found {
    fn add(&mut self, other: Self) {
        self.pull.iter_mut().zip(&other.pull).for_each(|(sum, x)| *sum += x);
        self.weight += other.weight;
        self.distance += other.distance;
        self.here += other.here;
        let nearer = match (&self.nearest, &other.nearest) {
            (Some((here, ..)), Some((there, ..))) => there < here,
            (here, _) => here.is_none(),
        };
        if nearer {
            self.nearest = other.nearest;
        }
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}
