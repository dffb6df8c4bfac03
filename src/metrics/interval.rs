//! Confidence intervals, each valid for the kind of number it belongs to, and Holm's correction.
//!
//! | number | interval | source |
//! |---|---|---|
//! | a share of independent samples | [`proportion_interval`] | Clopper & Pearson (1934), conservative |
//! | a mean of few values, such as one per seed | [`t_interval`] | Student's t |
//! | any smooth measure, by its influence function | [`Influence::interval`] | delta method; with groups cluster-robust, t(G − 1) |
//!
//! Where no interval is valid there is none: [`NoInterval`] is the reason.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A confidence interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub lower: f64,
    /// Upper end.
    pub upper: f64,
    /// How it was computed.
    #[serde(default)]
    pub method: IntervalMethod,
}

/// `[0.5012, 0.6034]`.
impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:.4}, {:.4}]", self.lower, self.upper)
    }
}

/// How an interval was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalMethod {
    /// Percentiles of bootstrap rounds (Efron & Tibshirani 1993, ch. 13).
    #[default]
    Percentile,
    /// Exact binomial (Clopper & Pearson 1934): covers at least the level, usually more.
    ClopperPearson,
    /// Student's t of independent values.
    StudentT,
    /// The delta method: the standard error from the measure's influence function.
    Delta,
    /// The delta method with the groups' sums of influences, and Student's t with (effectively) G − 1 degrees of
    /// freedom.
    ClusterT,
    /// Recalls as binomial shares with one sample more of each outcome, and Satterthwaite's degrees of freedom.
    SmoothedRecalls,
    /// Inverted test of the debiased squared calibration error.
    DebiasedSquare,
}

impl IntervalMethod {
    /// A few words for a table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Percentile => "bootstrap percentiles",
            Self::ClopperPearson => "Clopper-Pearson, conservative",
            Self::StudentT => "Student's t",
            Self::Delta => "delta method",
            Self::ClusterT => "cluster-robust t",
            Self::SmoothedRecalls => "smoothed recalls",
            Self::DebiasedSquare => "debiased square",
        }
    }
}

/// Why a number has no interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoInterval {
    /// Nothing is known of the variation between values or samples.
    #[error("one value: its variation is unknown")]
    OneValue,
    /// Nothing is known of the variation between groups.
    #[error("one group: the variation between groups is unknown")]
    OneGroup,
    /// All values (or groups) are equal, so that an estimate of their variation is 0.
    #[error("no variation in the data: an interval would have width 0")]
    NoVariation,
    /// The number is not defined for these samples.
    #[error("not defined for these samples")]
    Undefined,
    /// A class with few samples, whose share in the mean is not normal.
    #[error("a class has too few samples: the interval would be too narrow")]
    RareClass,
    /// A class that occurs in few groups.
    #[error(
        "a class occurs in fewer than half of the groups, or in fewer than 3: the interval would be too narrow"
    )]
    ClassInFewGroups,
    /// A binned or smoothed absolute error.
    #[error("biased upwards by noise: a bootstrap interval does not cover; see if_calibrated and debiased")]
    Biased,
    /// The largest of several noisy gaps.
    #[error("the largest of many noisy gaps: no valid interval is known")]
    Largest,
    /// A rule that is fitted to a part of the samples.
    #[error("each half is calibrated on the other: no valid interval is known")]
    Calibrated,
    /// The estimate of the squared error needs independent samples.
    #[error("samples within groups are not independent")]
    Grouped,
}

/// The mean of the values and its interval `x̄ ± t(n − 1) s / √n`: the one to use for few independent
/// values, such as one per random seed. The values are assumed to be roughly normal.
///
/// # Errors
/// Fewer than two values, or values that are all equal.
///
/// ```
/// use lcz::metrics::t_interval;
/// let (mean, interval) = (0.5, t_interval(&[0.4, 0.5, 0.6], 0.95)?);
/// // t(2) at 97.5 % is 4.302653; s = 0.1.
/// assert!((interval.upper - mean - 4.302653 * 0.1 / 3f64.sqrt()).abs() < 1e-6);
/// # Ok::<(), lcz::metrics::NoInterval>(())
/// ```
pub fn t_interval(values: &[f64], level: f64) -> Result<Interval, NoInterval> {
    let (mean, error) = mean_and_standard_error(values)?;
    let half = t_quantile(0.5 + level / 2.0, (values.len() - 1) as f64) * error;
    Ok(Interval { lower: mean - half, upper: mean + half, method: IntervalMethod::StudentT })
}

/// The two-sided p-value of Student's t test that the mean of the values is 0.
///
/// # Errors
/// As [`t_interval`].
///
/// ```
/// use lcz::metrics::t_test;
/// let p: f64 = t_test(&[0.4, 0.5, 0.6])?; // t = 0.5 / (0.1 / √3) with 2 degrees of freedom
/// assert!((p - (1.0 - (75f64 / 77.0).sqrt())).abs() < 1e-9);
/// # Ok::<(), lcz::metrics::NoInterval>(())
/// ```
pub fn t_test(values: &[f64]) -> Result<f64, NoInterval> {
    let (mean, error) = mean_and_standard_error(values)?;
    Ok(t_p_value(mean / error, (values.len() - 1) as f64))
}

fn mean_and_standard_error(values: &[f64]) -> Result<(f64, f64), NoInterval> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    match values.len() {
        0 | 1 => Err(NoInterval::OneValue),
        _ if !squares.is_finite() => Err(NoInterval::Undefined),
        _ if squares <= (1e-12 * mean).powi(2) => Err(NoInterval::NoVariation),
        _ => Ok((mean, (squares / (n - 1.0) / n).sqrt())),
    }
}

/// The exact interval of a share of independent samples (Clopper & Pearson 1934). It covers at least the
/// level for every share and n, also where all or none are right.
///
/// ```
/// use lcz::metrics::proportion_interval;
/// let interval = proportion_interval(20, 20, 0.95);
/// assert!((interval.lower - 0.025f64.powf(1.0 / 20.0)).abs() < 1e-12 && interval.upper == 1.0);
/// ```
pub fn proportion_interval(right: u64, samples: u64, level: f64) -> Interval {
    let (x, n, outside) = (right as f64, samples as f64, (1.0 - level) / 2.0);
    let lower = if right == 0 { 0.0 } else { beta_quantile(outside, x, n - x + 1.0) };
    let upper = if right >= samples { 1.0 } else { beta_quantile(1.0 - outside, x + 1.0, n - x) };
    Interval { lower, upper, method: IntervalMethod::ClopperPearson }
}

/// Holm's (1979) step-down correction: p-values adjusted for being one of several, in the same order. Those
/// below α are significant with a chance of at most α that any of them is by mistake.
///
/// ```
/// use lcz::metrics::holm;
/// assert_eq!(holm(&[0.01, 0.04, 0.03]), [0.03, 0.06, 0.06]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &at) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[at]).min(1.0);
        adjusted[at] = largest;
    }
    adjusted
}

/// The side on which a measure is skewed, since it cannot pass a bound there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bounded {
    /// A loss, from 0 on: the upper end of its interval is widened, on the scale of its logarithm.
    Below,
    /// A score of at most 1: the lower end, on the scale of ln(1 − score).
    Above,
    /// A number without bounds.
    Neither,
}

/// A measure's value and how much each sample moves it: its influence function `ψ_n`, of mean 0. Then
/// `value − truth ≈ (1/N) Σ_n ψ_n`, which gives the standard error of any smooth measure (Hampel 1974).
#[derive(Debug, Clone, PartialEq)]
pub struct Influence {
    /// The measure.
    pub value: f64,
    /// ψ. Shape: N.
    pub of_samples: Vec<f64>,
}

impl Influence {
    /// Of a mean of one number per sample.
    pub fn from_values(numbers: Vec<f64>) -> Self {
        let value = numbers.iter().sum::<f64>() / numbers.len() as f64;
        let of_samples = numbers.into_iter().map(|x| x - value).collect();
        Self { value, of_samples }
    }

    /// The mean of a measure over runs on the same samples, one at least.
    pub(crate) fn mean(runs: &[Self]) -> Self {
        let mean = |of: &dyn Fn(&Self) -> f64| runs.iter().map(of).sum::<f64>() / runs.len() as f64;
        let samples = runs.first().map_or(0, |run| run.of_samples.len());
        let of_samples = (0..samples).map(|n| mean(&|run| run.of_samples[n])).collect();
        Self { value: mean(&|run| run.value), of_samples }
    }

    /// The interval of the measure. Samples are independent, or with groups the groups are: then the standard
    /// error is that of the groups' sums, each enlarged by the weight of its group as if the group were left
    /// out (the jackknife over clusters, "CV3", of Bell & McCaffrey 2002). t has G − 1 degrees of freedom, where
    /// groups of unequal sizes count as `G = 1 / Σ_g w_g²` (Kish's effective number), w their shares of N.
    ///
    /// # Errors
    /// One sample or group, no variation, or an undefined value.
    pub fn interval(
        &self,
        groups: Option<&[i32]>,
        bounded: Bounded,
        level: f64,
    ) -> Result<Interval, NoInterval> {
        let (error, freedom) = self.standard_error(groups)?;
        let half = t_quantile(0.5 + level / 2.0, freedom) * error;
        let method = if groups.is_some() { IntervalMethod::ClusterT } else { IntervalMethod::Delta };
        // On both scales, the plain one and the logarithm's, and the further end of each.
        let widened = |distance: f64| {
            let ratio = half / distance;
            if distance > 0.0 && ratio.is_finite() { distance * (ratio.min(50.0).exp() - 1.0) } else { half }
        };
        let value = self.value;
        Ok(match bounded {
            Bounded::Neither => Interval { lower: value - half, upper: value + half, method },
            Bounded::Below => {
                Interval { lower: (value - half).max(0.0), upper: value + widened(value), method }
            }
            Bounded::Above => {
                Interval { lower: value - widened(1.0 - value), upper: (value + half).min(1.0), method }
            }
        })
    }

    /// The standard error, and the degrees of freedom of its t.
    ///
    /// # Errors
    /// As [`interval`](Self::interval).
    pub fn standard_error(&self, groups: Option<&[i32]>) -> Result<(f64, f64), NoInterval> {
        let n = self.of_samples.len() as f64;
        if !self.value.is_finite() {
            return Err(NoInterval::Undefined);
        }
        let (variance, freedom) = match groups {
            None if n < 2.0 => return Err(NoInterval::OneValue),
            None => (self.of_samples.iter().map(|psi| psi * psi).sum::<f64>() / (n * (n - 1.0)), n - 1.0),
            Some(groups) => {
                let mut sums = BTreeMap::<i32, (f64, f64)>::new();
                for (&group, psi) in groups.iter().zip(&self.of_samples) {
                    let sum = sums.entry(group).or_default();
                    *sum = (sum.0 + psi / n, sum.1 + 1.0 / n);
                }
                if sums.len() < 2 {
                    return Err(NoInterval::OneGroup);
                }
                let left_out: Vec<f64> = sums.values().map(|(sum, weight)| sum / (1.0 - weight)).collect();
                let g = left_out.len() as f64;
                let mean = left_out.iter().sum::<f64>() / g;
                let squares = left_out.iter().map(|u| (u - mean).powi(2)).sum::<f64>();
                let effective = 1.0 / sums.values().map(|(_, weight)| weight * weight).sum::<f64>();
                ((g - 1.0) / g * squares, (effective - 1.0).max(1.0))
            }
        };
        if variance.is_finite() && variance.sqrt() > 1e-12 * self.value.abs().max(1e-3) {
            Ok((variance.sqrt(), freedom))
        } else {
            Err(NoInterval::NoVariation)
        }
    }
}

/// The interval of the mean over random seeds of a measure (or of a difference between two classifiers): its
/// variance is that of the samples (or groups), which the seeds share, and that between seeds, with
/// Satterthwaite's degrees of freedom. With one seed the variance is that of the samples only.
///
/// # Errors
/// As [`Influence::interval`].
///
/// ```
/// use lcz::metrics::{Influence, interval_over_seeds};
/// // Right and wrong predictions of four samples by networks with two seeds.
/// let seeds = [[1.0, 1.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]].map(|right| Influence::from_values(right.to_vec()));
/// let interval = interval_over_seeds(&seeds, None, 0.95)?;
/// assert!(interval.lower < 0.625 && 0.625 < interval.upper); // the mean accuracy
/// # Ok::<(), lcz::metrics::NoInterval>(())
/// ```
pub fn interval_over_seeds(
    seeds: &[Influence],
    groups: Option<&[i32]>,
    level: f64,
) -> Result<Interval, NoInterval> {
    if seeds.is_empty() {
        return Err(NoInterval::OneValue);
    }
    let values = seeds.iter().map(|seed| seed.value).collect();
    interval_over_runs(&Influence::mean(seeds), &[values], groups, level).map(|(interval, _)| interval)
}

/// The interval of a mean over runs, or of the difference between the means of two sets of runs that are not paired
/// (Welch), with the two-sided p-value of 0: `mean` has the influences of the samples, which all runs share, and
/// `between` the values of each set.
///
/// # Errors
/// As [`Influence::interval`].
pub(crate) fn interval_over_runs(
    mean: &Influence,
    between: &[Vec<f64>],
    groups: Option<&[i32]>,
    level: f64,
) -> Result<(Interval, f64), NoInterval> {
    let (error, freedom) = mean.standard_error(groups)?;
    let (mut variance, mut fourth) = (error.powi(2), error.powi(4) / freedom);
    for values in between.iter().filter(|values| values.len() > 1) {
        let count = values.len() as f64;
        let centre = values.iter().sum::<f64>() / count;
        let of_mean = values.iter().map(|x| (x - centre).powi(2)).sum::<f64>() / (count - 1.0) / count;
        variance += of_mean;
        fourth += of_mean * of_mean / (count - 1.0);
    }
    let freedom = variance * variance / fourth;
    let half = t_quantile(0.5 + level / 2.0, freedom) * variance.sqrt();
    let method = if groups.is_some() { IntervalMethod::ClusterT } else { IntervalMethod::Delta };
    let interval = Interval { lower: mean.value - half, upper: mean.value + half, method };
    Ok((interval, t_p_value(mean.value / variance.sqrt(), freedom)))
}

/// The interval of a mean of recalls over classes: class k has `right[k]` of `samples[k]`. Each recall's
/// variance is that of `(x + 1) / (n + 2)`, so that a class that is all right still has one; Satterthwaite's
/// degrees of freedom. It is of the mean over the classes present, with their numbers of samples given.
///
/// # Errors
/// No class with a sample.
///
/// ```
/// use lcz::metrics::mean_recall_interval;
/// let interval = mean_recall_interval(&[9, 4], &[10, 5], 0.95)?; // recalls of 0.9 and 0.8
/// assert!(interval.lower < 0.85 && 0.85 < interval.upper && interval.upper <= 1.0);
/// # Ok::<(), lcz::metrics::NoInterval>(())
/// ```
pub fn mean_recall_interval(right: &[u64], samples: &[u64], level: f64) -> Result<Interval, NoInterval> {
    let present: Vec<(f64, f64)> =
        right.iter().zip(samples).filter(|(_, n)| **n > 0).map(|(&x, &n)| (x as f64, n as f64)).collect();
    let classes = present.len() as f64;
    if present.is_empty() {
        return Err(NoInterval::Undefined);
    }
    let (mut mean, mut variance, mut fourth) = (0.0, 0.0, 0.0);
    for (x, n) in present {
        let smoothed = (x + 1.0) / (n + 2.0);
        let part = smoothed * (1.0 - smoothed) / n / (classes * classes);
        mean += x / n / classes;
        variance += part;
        fourth += part * part / (n + 1.0);
    }
    let half = t_quantile(0.5 + level / 2.0, variance * variance / fourth) * variance.sqrt();
    let (lower, upper) = ((mean - half).max(0.0), (mean + half).min(1.0));
    Ok(Interval { lower, upper, method: IntervalMethod::SmoothedRecalls })
}

/// The quantile of Student's t, for probabilities from 0.5 on.
pub(crate) fn t_quantile(probability: f64, freedom: f64) -> f64 {
    // t² / (t² + ν) is Beta(1/2, ν/2).
    let y = beta_quantile(2.0 * probability - 1.0, 0.5, freedom / 2.0);
    (freedom * y / (1.0 - y)).sqrt()
}

/// The two-sided p-value of a t.
pub(crate) fn t_p_value(t: f64, freedom: f64) -> f64 {
    beta(freedom / (freedom + t * t), freedom / 2.0, 0.5)
}

/// The quantile of the beta distribution, by bisection.
fn beta_quantile(probability: f64, a: f64, b: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if beta(middle, a, b) < probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function `I_x(a, b)`, by its continued fraction (DLMF 8.17.22) in Lentz's
/// way.
pub(crate) fn beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(1.0 - x, b, a);
    }
    let ln_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * x.ln() + b * (-x).ln_1p();
    let tiny = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / tiny(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for step in [even, odd] {
            d = 1.0 / tiny(1.0 + step * d);
            c = tiny(1.0 + step / c);
            change = c * d;
            fraction *= change;
        }
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    ln_front.exp() * fraction / a
}
