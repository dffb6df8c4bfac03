//! Confidence against accuracy, bin by bin: the reliability diagram as a table.

use serde::Serialize;

use super::{Bins, SmoothCalibration, SmoothPoint, check_pairs};
use crate::metrics::{Target, beta, check_samples, proportion_interval, t_interval};
use crate::{Error, Probabilities, Result};

/// Confidence against accuracy in bins of confidence: all that a reliability diagram shows.
///
/// Made of [probabilities](Self::compute), of [bare confidences](Self::from_pairs), or of
/// [one class's probability](Self::compute_class).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reliability {
    /// How the bins were cut.
    pub scheme: Bins,
    /// How many samples, N.
    pub samples: usize,
    /// Mean accuracy of all samples: OA, or the mean share of votes for the predicted class.
    pub accuracy: f64,
    /// Mean confidence of all samples.
    pub confidence: f64,
    /// The bins, from low to high confidence; empty ones are there, with 0 samples.
    pub bins: Vec<Bin>,
    /// Accuracy as a smooth function of confidence, without bins ([`SmoothCalibration`]).
    #[serde(skip)]
    pub curve: Vec<SmoothPoint>,
}

/// One bin of a [`Reliability`]: (lower, upper], the first one closed at 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bin {
    /// Lower edge, outside the bin (but the first bin's, 0, is inside).
    pub lower: f64,
    /// Upper edge, inside the bin.
    pub upper: f64,
    /// How many samples, n_b.
    pub samples: usize,
    /// Mean confidence; NaN (`null` in JSON) in an empty bin.
    pub confidence: f64,
    /// Mean accuracy; NaN (`null` in JSON) in an empty bin.
    pub accuracy: f64,
    /// 95 % interval of the accuracy: Clopper–Pearson of right and wrong, Student's t of shares of votes. None of
    /// too few samples.
    pub interval: Option<[f64; 2]>,
    /// The consistency band (Bröcker & Smith 2007): in 95 % of cases a calibrated classifier's accuracy lies here,
    /// each bin by itself. None of too few samples.
    pub calibrated: Option<[f64; 2]>,
}

impl Bin {
    /// Accuracy less confidence: negative where the classifier is overconfident. NaN in an empty bin.
    pub fn gap(&self) -> f64 {
        self.accuracy - self.confidence
    }
}

impl Reliability {
    /// Of the predicted class: confidence is `max_k p_k`; accuracy is 1 where the label is that class,
    /// else 0, or with label distributions `y[argmax p]`.
    ///
    /// # Shape
    /// (N, K) probabilities, N labels or (N, K) label distributions → B bins.
    ///
    /// # Errors
    /// No sample, no bin, or different lengths or class lists.
    ///
    /// ```
    /// use lcz::calibration::{Bins, Reliability};
    /// use lcz::{Classes, Probabilities, Votes};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = Probabilities::new(classes.clone(), ndarray::array![[0.9, 0.1], [0.2, 0.8]])?;
    /// let votes = Votes::new(classes, ndarray::array![[7.0, 3.0], [2.0, 8.0]])?;
    /// let reliability = Reliability::compute(&p, &votes.distributions(), Bins::default())?;
    /// // 70 % of the experts agree where the classifier is 90 % sure, 80 % where it is 80 % sure.
    /// assert!((reliability.expected_calibration_error() - 0.1).abs() < 1e-12);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<Self> {
        Self::binned(p, y, bins)?.with_curve(&p.confidence(), &accuracies(p, y))
    }

    /// The same without the curve.
    pub(super) fn binned(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        Self::from_accuracies(&p.confidence(), &accuracies(p, y), bins)
    }

    /// Of bare confidences and whether each prediction was right. Shape: N, N → B bins.
    ///
    /// # Errors
    /// No sample, no bin, different lengths, or a confidence outside 0–1: names the row.
    pub fn from_pairs(confidence: &[f64], correct: &[bool], bins: Bins) -> Result<Self> {
        let accuracy: Vec<f64> = correct.iter().map(|&right| f64::from(u8::from(right))).collect();
        Self::from_accuracies(confidence, &accuracy, bins)?.with_curve(confidence, &accuracy)
    }

    /// Of one class k against the others: all samples, in bins of `p_k`; accuracy is the frequency of
    /// the class, the mean of `y_k`. Shape: (N, K), N labels or (N, K) label distributions → B bins.
    ///
    /// # Errors
    /// No sample, no bin, no such class, or different lengths or class lists.
    pub fn compute_class(p: &Probabilities, y: &impl Target, k: usize, bins: Bins) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        if k >= p.classes().len() {
            let problem = format!("no class {k} (there are {})", p.classes().len());
            return Err(Error::input("reliability of a class", problem, "count classes from 0"));
        }
        let frequency: Vec<f64> = (0..p.len()).map(|n| y.y(n, k)).collect();
        Self::from_accuracies(&p.view().column(k).to_vec(), &frequency, bins)
    }

    fn with_curve(self, confidence: &[f64], accuracy: &[f64]) -> Result<Self> {
        Ok(Self { curve: SmoothCalibration::compute(confidence, accuracy)?.curve, ..self })
    }

    fn from_accuracies(confidence: &[f64], accuracy: &[f64], scheme: Bins) -> Result<Self> {
        check_pairs("reliability", confidence, accuracy)?;
        let binning = scheme.cut(confidence)?;
        let mut members = vec![Vec::new(); binning.len()];
        for (n, &b) in binning.of.iter().enumerate() {
            members[b].push(n);
        }
        let bins = members.iter().zip(binning.edges.windows(2)).map(|(members, edge)| {
            let accuracies: Vec<f64> = members.iter().map(|&n| accuracy[n]).collect();
            let count = members.len() as f64;
            let (accuracy, confidence) = (
                accuracies.iter().sum::<f64>() / count,
                members.iter().map(|&n| confidence[n]).sum::<f64>() / count,
            );
            let (interval, calibrated) = uncertainty(&accuracies, confidence);
            let (lower, upper) = (edge[0], edge[1]);
            Bin { lower, upper, samples: members.len(), confidence, accuracy, interval, calibrated }
        });
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Ok(Self {
            scheme,
            samples: confidence.len(),
            accuracy: mean(accuracy),
            confidence: mean(confidence),
            bins: bins.collect(),
            curve: Vec::new(),
        })
    }

    /// `ECE = Σ_b (n_b / N) |acc_b − conf_b|`, 0–1 (Naeini et al. 2015; Guo et al. 2017, Eq. 3). Of label
    /// distributions it is the distribution-ECE; of [one class](Self::compute_class), a term of the classwise
    /// ECE.
    pub fn expected_calibration_error(&self) -> f64 {
        let weighted = self.filled().map(|bin| bin.samples as f64 * bin.gap().abs());
        weighted.sum::<f64>() / self.samples as f64
    }

    /// `MCE = max_b |acc_b − conf_b|` over the bins that hold samples, 0–1 (Guo et al. 2017, Eq. 5). A
    /// bin of one sample counts as much as any other: read it with the histogram.
    pub fn maximum_calibration_error(&self) -> f64 {
        self.filled().map(|bin| bin.gap().abs()).fold(0.0, f64::max)
    }

    /// The plain mean of |acc_b − conf_b| over the bins that hold samples, 0–1: "ACE" after Neumann
    /// et al. (2018), who weight all bins equally.
    pub fn average_calibration_error(&self) -> f64 {
        self.filled().map(|bin| bin.gap().abs()).sum::<f64>() / self.filled().count() as f64
    }

    /// The bins that hold samples.
    fn filled(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().filter(|bin| bin.samples > 0)
    }
}

/// `y[argmax p]` of each sample.
fn accuracies(p: &Probabilities, y: &impl Target) -> Vec<f64> {
    p.predicted().indices().iter().enumerate().map(|(n, &k)| y.y(n, k)).collect()
}

/// The interval of a bin's accuracy, and where it would lie under calibration.
fn uncertainty(accuracies: &[f64], confidence: f64) -> (Option<[f64; 2]>, Option<[f64; 2]>) {
    let (n, sum) = (accuracies.len() as u64, accuracies.iter().sum::<f64>());
    if n == 0 {
        return (None, None);
    }
    if accuracies.iter().all(|y| [0.0, 1.0].contains(y)) {
        let interval = proportion_interval(sum.round() as u64, n, 0.95);
        let quantile = |q: f64| binomial_quantile(q, n, confidence) as f64 / n as f64;
        return (Some([interval.lower, interval.upper]), Some([quantile(0.025), quantile(0.975)]));
    }
    let Ok(interval) = t_interval(accuracies, 0.95) else { return (None, None) };
    let half = 0.5 * (interval.upper - interval.lower);
    let within = |middle: f64| Some([(middle - half).max(0.0), (middle + half).min(1.0)]);
    (within(sum / n as f64), within(confidence))
}

/// The least k of n that a binomial number does not exceed with this probability: `P(X ≤ k) = I_{1−p}(n − k, k + 1)`.
fn binomial_quantile(probability: f64, n: u64, p: f64) -> u64 {
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if beta(1.0 - p, (n - middle) as f64, middle as f64 + 1.0) >= probability {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binomial_quantile_is_the_least_number_that_is_not_exceeded() {
        // P(X ≤ k) of Binomial(4, 1/2): 1/16, 5/16, 11/16, 15/16, 1.
        for (probability, wanted) in [(0.05, 0), (0.1, 1), (0.5, 2), (0.9, 3), (0.95, 4)] {
            assert_eq!(binomial_quantile(probability, 4, 0.5), wanted, "{probability}");
        }
        assert_eq!(binomial_quantile(0.975, 10, 1.0), 10);
        assert_eq!(binomial_quantile(0.025, 10, 0.0), 0);
    }
}
