//! Confidence against accuracy, bin by bin: the reliability diagram as a table.

use serde::Serialize;

use super::Bins;
use crate::metrics::{Target, check_samples};
use crate::{Error, Probabilities, Result};

/// Confidence against accuracy in bins of confidence: all that a reliability diagram shows.
///
/// Made of [probabilities](Self::of), of [bare confidences](Self::of_pairs), or of
/// [one class's probability](Self::of_class).
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
}

impl Bin {
    /// Accuracy less confidence: negative where the classifier is too sure. NaN in an empty bin.
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
    /// No sample, no bin, or unlike lengths or class lists.
    ///
    /// ```
    /// use lcz::calibration::{Bins, Reliability};
    /// use lcz::{Classes, Probabilities, Votes};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = Probabilities::new(classes.clone(), ndarray::array![[0.9, 0.1], [0.2, 0.8]])?;
    /// let votes = Votes::new(classes, ndarray::array![[7.0, 3.0], [2.0, 8.0]])?;
    /// let reliability = Reliability::of(&p, &votes.distributions(), Bins::default())?;
    /// // 70 % of the experts agree where the classifier is 90 % sure, 80 % where it is 80 % sure.
    /// assert!((reliability.expected_calibration_error() - 0.1).abs() < 1e-12);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn of(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        let predicted = p.predicted();
        let accuracy: Vec<f64> = predicted.indices().iter().enumerate().map(|(n, &k)| y.y(n, k)).collect();
        Self::of_accuracies(&p.confidence(), &accuracy, bins)
    }

    /// Of bare confidences and whether each prediction was right. Shape: N, N → B bins.
    ///
    /// # Errors
    /// No sample, no bin, unlike lengths, or a confidence outside 0–1: names the row.
    pub fn of_pairs(confidence: &[f64], correct: &[bool], bins: Bins) -> Result<Self> {
        let accuracy: Vec<f64> = correct.iter().map(|&right| f64::from(u8::from(right))).collect();
        Self::of_accuracies(confidence, &accuracy, bins)
    }

    /// Of one class k against the others: all samples, in bins of `p_k`; accuracy is the frequency of
    /// the class, the mean of `y_k`. Shape: (N, K), N labels or (N, K) label distributions → B bins.
    ///
    /// # Errors
    /// No sample, no bin, no such class, or unlike lengths or class lists.
    pub fn of_class(p: &Probabilities, y: &impl Target, k: usize, bins: Bins) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        if k >= p.classes().len() {
            let problem = format!("no class {k} (there are {})", p.classes().len());
            return Err(Error::input("reliability of a class", problem, "count classes from 0"));
        }
        let frequency: Vec<f64> = (0..p.len()).map(|n| y.y(n, k)).collect();
        Self::of_accuracies(&p.view().column(k).to_vec(), &frequency, bins)
    }

    fn of_accuracies(confidence: &[f64], accuracy: &[f64], scheme: Bins) -> Result<Self> {
        if confidence.len() != accuracy.len() || confidence.is_empty() {
            let problem = format!("{} confidences, {} outcomes", confidence.len(), accuracy.len());
            return Err(Error::input("reliability", problem, "give both of each sample, of at least one"));
        }
        let binning = scheme.cut(confidence)?;
        let mut sums = vec![(0_usize, 0.0, 0.0); binning.len()];
        for ((&b, confidence), accuracy) in binning.of.iter().zip(confidence).zip(accuracy) {
            sums[b].0 += 1;
            sums[b].1 += confidence;
            sums[b].2 += accuracy;
        }
        let bins =
            sums.iter().zip(binning.edges.windows(2)).map(|(&(samples, confidence, accuracy), edge)| {
                let count = samples as f64;
                let (confidence, accuracy) = (confidence / count, accuracy / count);
                Bin { lower: edge[0], upper: edge[1], samples, confidence, accuracy }
            });
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Ok(Self {
            scheme,
            samples: confidence.len(),
            accuracy: mean(accuracy),
            confidence: mean(confidence),
            bins: bins.collect(),
        })
    }

    /// `ECE = Σ_b (n_b / N) |acc_b − conf_b|`, 0–1 (Naeini et al. 2015; Guo et al. 2017, Eq. 3). Of label
    /// distributions it is the distribution-ECE; of [one class](Self::of_class), a term of the classwise
    /// ECE.
    pub fn expected_calibration_error(&self) -> f64 {
        let weighted = self.filled().map(|bin| bin.samples as f64 * bin.gap().abs());
        weighted.sum::<f64>() / self.samples as f64
    }

    /// `MCE = max_b |acc_b − conf_b|` over the bins that hold samples, 0–1 (Guo et al. 2017, Eq. 5). A
    /// bin of one sample counts as much as any other: read it beside the histogram.
    pub fn maximum_calibration_error(&self) -> f64 {
        self.filled().map(|bin| bin.gap().abs()).fold(0.0, f64::max)
    }

    /// The plain mean of |acc_b − conf_b| over the bins that hold samples, 0–1: "ACE" after Neumann
    /// et al. (2018), who count every bin alike.
    pub fn average_calibration_error(&self) -> f64 {
        self.filled().map(|bin| bin.gap().abs()).sum::<f64>() / self.filled().count() as f64
    }

    /// The bins that hold samples.
    fn filled(&self) -> impl Iterator<Item = &Bin> {
        self.bins.iter().filter(|bin| bin.samples > 0)
    }
}
