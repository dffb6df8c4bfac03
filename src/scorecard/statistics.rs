//! What each sample adds to each measure, worked out once, so that a bootstrap round is one pass of sums.
//!
//! A [`Forecast`] is what follows from the predictions alone (bins, logarithms). Held against the class and
//! the votes of a sample it gives that sample's [`Terms`]; a [`Tally`] sums them, each as often as its sample
//! was drawn. Every measure is a function of these sums, so nothing else is done in a round.

use ndarray::Array2;

use super::{Measure, Predicted, ScorecardSettings, equal_width};
use crate::metrics::{ConfusionMatrix, Floor};
use crate::{Classes, LabelDistributions, Labels, Result};

/// A value for each of [`Measure::ALL`]; None where the inputs do not allow it.
pub(crate) type Values = [Option<f64>; Measure::ALL.len()];

/// What the measures go over, and which of them the inputs allow.
#[derive(Clone)]
pub(super) struct Extent {
    pub classes: Classes,
    pub bins: usize,
    pub sce_bins: usize,
    /// Whether it is known how sure each prediction is.
    pub confidences: bool,
    /// Whether every class has its probability.
    pub probabilities: bool,
    /// Whether the reference has label distributions.
    pub votes: bool,
}

impl Extent {
    pub fn of(predicted: Predicted<'_>, votes: bool, settings: &ScorecardSettings) -> Self {
        let classes = match predicted {
            Predicted::Classes(labels) | Predicted::Confidences(labels, _) => labels.classes(),
            Predicted::Probabilities(p) => p.classes(),
        };
        Self {
            classes: classes.clone(),
            bins: settings.bins,
            sce_bins: settings.sce_bins,
            confidences: !matches!(predicted, Predicted::Classes(_)),
            probabilities: matches!(predicted, Predicted::Probabilities(_)),
            votes,
        }
    }
}

/// What one sample adds to the sums; 0 where the inputs do not allow it.
#[derive(Clone, Copy, Default)]
pub(super) struct Terms {
    /// Reference class · K + predicted class.
    pub pair: usize,
    /// Bin of the confidence.
    pub bin: usize,
    /// Bin of the confidence by the label distribution paper's bins · K + reference class.
    pub sce_cell: usize,
    /// Accuracy less confidence of the predicted class.
    pub gap: f64,
    /// Share of agreeing votes less confidence.
    pub vote_gap: f64,
    /// Accuracy less the probability of the reference class.
    pub sce_gap: f64,
    pub loss: f64,
    pub vote_loss: f64,
    pub brier: f64,
}

/// What probabilities add.
struct Full {
    /// Shape: (N, K), as [`ln_p`](Self::ln_p) and [`class_cell`](Self::class_cell); flat, row by row.
    p: Vec<f64>,
    /// ln p, clipped.
    ln_p: Vec<f64>,
    /// `k B + bin of p_k`: a position in a table of all classes' bins.
    class_cell: Vec<u32>,
    /// `Σ_k p_k²`. Shape: N.
    squares: Vec<f64>,
}

/// The predictions' part. Shape: N each.
pub(super) struct Forecast {
    extent: Extent,
    predicted: Vec<usize>,
    confidence: Vec<f64>,
    bin: Vec<usize>,
    sce_bin: Vec<usize>,
    full: Option<Full>,
}

impl Forecast {
    pub fn of(predicted: Predicted<'_>, extent: &Extent) -> Result<Self> {
        let (labels, confidence) = match predicted {
            Predicted::Classes(labels) => (labels.clone(), vec![0.0; labels.len()]),
            Predicted::Confidences(labels, confidence) => (labels.clone(), confidence.to_vec()),
            Predicted::Probabilities(p) => (p.predicted(), p.confidence()),
        };
        let full = match predicted {
            Predicted::Probabilities(p) => {
                let k = extent.classes.len();
                let ln_p = p.view().iter().map(|&p| Floor::SCIKIT_LEARN.raise(p).ln()).collect();
                let p: Vec<f64> = p.view().iter().copied().collect();
                let bins = equal_width(extent.bins).cut(&p)?.of.into_iter().enumerate();
                let class_cell = bins.map(|(at, bin)| (at % k * extent.bins + bin) as u32).collect();
                let squares = p.chunks_exact(k).map(|row| row.iter().map(|p| p * p).sum()).collect();
                Some(Full { p, ln_p, class_cell, squares })
            }
            _ => None,
        };
        Ok(Self {
            extent: extent.clone(),
            predicted: labels.indices().to_vec(),
            bin: equal_width(extent.bins).cut(&confidence)?.of,
            sce_bin: equal_width(extent.sce_bins).cut(&confidence)?.of,
            confidence,
            full,
        })
    }

    /// What sample n adds where its class and the classes that were voted for are these.
    pub fn terms(&self, n: usize, truth: usize, y: impl Iterator<Item = (usize, f64)>) -> Terms {
        let k = self.extent.classes.len();
        let (predicted, confidence) = (self.predicted[n], self.confidence[n]);
        let right = f64::from(u8::from(truth == predicted));
        let (mut agree, mut vote_loss) = (0.0, 0.0);
        for (class, share) in y {
            agree += if class == predicted { share } else { 0.0 };
            // A class without a vote adds nothing: 0 · ln p = 0.
            vote_loss -= self.full.as_ref().map_or(0.0, |full| share * full.ln_p[n * k + class]);
        }
        let mut terms = Terms {
            pair: truth * k + predicted,
            bin: self.bin[n],
            gap: right - confidence,
            vote_gap: agree - confidence,
            ..Terms::default()
        };
        if let Some(full) = &self.full {
            let p = full.p[n * k + truth];
            terms.sce_cell = self.sce_bin[n] * k + truth;
            terms.sce_gap = right - p;
            // 0 − x, so that no loss is −0.
            terms.loss = 0.0 - full.ln_p[n * k + truth];
            terms.vote_loss = vote_loss;
            terms.brier = brier(full.squares[n], p);
        }
        terms
    }

    /// Adds −p of each class of each sample to the classwise sums: what no outcome changes.
    pub fn sum_class_probabilities(&self, tally: &mut Tally<1>) {
        for (&cell, p) in self.full.iter().flat_map(|full| full.class_cell.iter().zip(&full.p)) {
            tally.add_class(cell as usize, -p, &[1.0]);
        }
    }

    /// The cell of class k's probability for sample n; None without probabilities.
    pub fn class_cell(&self, n: usize, k: usize) -> Option<usize> {
        self.full.as_ref().map(|full| full.class_cell[n * self.extent.classes.len() + k] as usize)
    }
}

/// `Σ_k (p_k − y_k)²` where y is one class, of the sum of all `p_k²` and that class's p.
pub(super) fn brier(squares: f64, p: f64) -> f64 {
    squares - 2.0 * p + 1.0
}

/// Predictions held against what is known: each sample's terms.
pub(super) struct Statistics<'a> {
    forecast: &'a Forecast,
    terms: Vec<Terms>,
    /// `y_k − p_k`. Shape: (N, K), flat; empty without probabilities.
    class_gaps: Vec<f64>,
}

impl<'a> Statistics<'a> {
    pub fn of(forecast: &'a Forecast, labels: &Labels, y: Option<&LabelDistributions>) -> Self {
        let truth = labels.indices().iter().copied().enumerate();
        let of = |(n, truth)| match y {
            Some(y) => {
                let row = y.view().row(n).to_vec().into_iter().enumerate();
                forecast.terms(n, truth, row.filter(|(_, share)| *share > 0.0))
            }
            None => forecast.terms(n, truth, std::iter::empty()),
        };
        let terms = truth.clone().map(of).collect();
        let k = forecast.extent.classes.len();
        let mut class_gaps: Vec<f64> =
            forecast.full.iter().flat_map(|full| full.p.iter().map(|p| -p)).collect();
        for (row, (_, truth)) in class_gaps.chunks_exact_mut(k).zip(truth) {
            row[truth] += 1.0;
        }
        Self { forecast, terms, class_gaps }
    }

    /// The measures of all samples, each once.
    pub fn measured(&self) -> Values {
        let mut tally = Tally::<1>::empty(&self.forecast.extent);
        self.sum(&vec![[1.0]; self.terms.len()], &mut tally);
        tally.values(&self.forecast.extent)[0]
    }

    /// Adds all samples to the tally, in each of its rounds as often as the weights say.
    pub fn sum<const R: usize>(&self, weights: &[[f64; R]], tally: &mut Tally<R>) {
        for (terms, weight) in self.terms.iter().zip(weights) {
            tally.add(terms, weight);
        }
        let Some(full) = &self.forecast.full else { return };
        let k = self.forecast.extent.classes.len();
        let rows = full.class_cell.chunks_exact(k).zip(self.class_gaps.chunks_exact(k));
        for ((cells, gaps), weight) in rows.zip(weights) {
            for (&cell, &gap) in cells.iter().zip(gaps) {
                tally.add_class(cell as usize, gap, weight);
            }
        }
    }
}

/// Sums of R rounds side by side: a sample is looked up once for all of them, and added to them by the same
/// instruction.
#[derive(Clone)]
pub(super) struct Tally<const R: usize> {
    /// Σ w.
    drawn: [f64; R],
    /// Σ w by reference and predicted class. Shape: K².
    pairs: Vec<[f64; R]>,
    /// Sums by bin of the confidence. Shape: B.
    held: Vec<[f64; R]>,
    gaps: Vec<[f64; R]>,
    vote_gaps: Vec<[f64; R]>,
    /// By the paper's bins and reference class.
    sce: Vec<[f64; R]>,
    /// `Σ w (y_k − p_k)` by class and bin of its p. Shape: K B.
    classwise: Vec<[f64; R]>,
    loss: [f64; R],
    vote_loss: [f64; R],
    brier: [f64; R],
}

/// `sums += w x`
fn raise<const R: usize>(sums: &mut [f64; R], weight: &[f64; R], x: f64) {
    for (sum, w) in sums.iter_mut().zip(weight) {
        *sum += w * x;
    }
}

impl<const R: usize> Tally<R> {
    /// Of no sample yet.
    pub fn empty(extent: &Extent) -> Self {
        let k = extent.classes.len();
        let cells = |count: usize| vec![[0.0; R]; count];
        let (of_confidences, of_probabilities) =
            (usize::from(extent.confidences), usize::from(extent.probabilities));
        Self {
            drawn: [0.0; R],
            pairs: cells(k * k),
            held: cells(extent.bins * of_confidences),
            gaps: cells(extent.bins * of_confidences),
            vote_gaps: cells(extent.bins * of_confidences),
            sce: cells(extent.sce_bins * k * of_probabilities),
            classwise: cells(k * extent.bins * of_probabilities),
            loss: [0.0; R],
            vote_loss: [0.0; R],
            brier: [0.0; R],
        }
    }

    /// Counts a sample.
    pub fn add(&mut self, terms: &Terms, weight: &[f64; R]) {
        raise(&mut self.drawn, weight, 1.0);
        raise(&mut self.pairs[terms.pair], weight, 1.0);
        if let Some(held) = self.held.get_mut(terms.bin) {
            raise(held, weight, 1.0);
            raise(&mut self.gaps[terms.bin], weight, terms.gap);
            raise(&mut self.vote_gaps[terms.bin], weight, terms.vote_gap);
        }
        if let Some(sce) = self.sce.get_mut(terms.sce_cell) {
            raise(sce, weight, terms.sce_gap);
            raise(&mut self.loss, weight, terms.loss);
            raise(&mut self.vote_loss, weight, terms.vote_loss);
            raise(&mut self.brier, weight, terms.brier);
        }
    }

    /// Counts one class of a sample in the classwise error.
    pub fn add_class(&mut self, cell: usize, gap: f64, weight: &[f64; R]) {
        raise(&mut self.classwise[cell], weight, gap);
    }

    /// The measures of each round.
    pub fn values(&self, extent: &Extent) -> [Values; R] {
        std::array::from_fn(|round| self.values_of(round, extent))
    }

    fn values_of(&self, round: usize, extent: &Extent) -> Values {
        let k = extent.classes.len();
        let total = self.drawn[round];
        // Weights are whole numbers, far below 2⁵³.
        let counts = Array2::from_shape_fn((k, k), |(i, j)| self.pairs[i * k + j][round] as u64);
        let confusion = ConfusionMatrix::of_known(extent.classes.clone(), counts);
        // Σ_b |Σ_n w gap| over cells b: the sum in all calibration errors.
        let absolute = |sums: &[[f64; R]]| sums.iter().map(|gap| gap[round].abs()).sum::<f64>() / total;
        let (confidences, probabilities) = (extent.confidences, extent.probabilities);
        let if_known = |known: bool, value: &dyn Fn() -> f64| known.then(value);
        Measure::ALL.map(|measure| match measure {
            Measure::OverallAccuracy => Some(confusion.overall_accuracy_score()),
            Measure::AverageAccuracy => Some(confusion.average_accuracy_score()),
            Measure::Kappa => Some(confusion.kappa_score()),
            Measure::CrossEntropy => if_known(probabilities, &|| self.loss[round] / total),
            Measure::DistributionalCrossEntropy => {
                if_known(probabilities && extent.votes, &|| self.vote_loss[round] / total)
            }
            Measure::ExpectedCalibrationError => if_known(confidences, &|| absolute(&self.gaps)),
            Measure::MaximumCalibrationError => if_known(confidences, &|| {
                let bins = self.gaps.iter().zip(&self.held).map(|(gap, held)| (gap[round], held[round]));
                bins.filter(|(_, held)| *held > 0.0).map(|(gap, held)| gap.abs() / held).fold(0.0, f64::max)
            }),
            Measure::ClasswiseCalibrationError => {
                if_known(probabilities, &|| absolute(&self.classwise) / k as f64)
            }
            Measure::DistributionCalibrationError => {
                if_known(confidences && extent.votes, &|| absolute(&self.vote_gaps))
            }
            Measure::SceAsInLdlPaper => if_known(probabilities, &|| absolute(&self.sce) / k as f64),
            Measure::Brier => if_known(probabilities, &|| self.brier[round] / total),
        })
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::Probabilities;

    #[test]
    fn a_sample_of_weight_three_counts_as_three_samples() {
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let classes = Classes::of_count(4);
        let mut distributions = |n| {
            let mut rows = Array2::from_shape_fn((n, 4), |_| random.gen_range(0.01..1.0));
            for mut row in rows.outer_iter_mut() {
                let total = row.sum();
                row /= total;
            }
            rows
        };
        let (p, y) = (distributions(50), distributions(50));
        let truth: Vec<usize> = (0..50).map(|n| n * 7 % 3).collect();
        let weights: Vec<u32> = (0..50).map(|n| [0, 3, 1, 0, 2][n % 5]).collect();
        let repeated: Vec<usize> = (0..50).flat_map(|n| vec![n; weights[n] as usize]).collect();

        let measured = |rows: &[usize], weights: &[u32]| {
            let select = |table: &Array2<f64>| table.select(ndarray::Axis(0), rows);
            let p = Probabilities::new(classes.clone(), select(&p)).unwrap();
            let indices = rows.iter().map(|&n| truth[n]).collect();
            let labels = Labels::new(classes.clone(), indices).unwrap();
            let y = LabelDistributions::new(classes.clone(), select(&y)).unwrap();
            let predicted = Predicted::Probabilities(&p);
            let extent = Extent::of(predicted, true, &ScorecardSettings::default());
            let forecast = Forecast::of(predicted, &extent).unwrap();
            let mut tally = Tally::empty(&extent);
            // Beside another round, which must not be mixed in.
            let weights: Vec<[f64; 2]> = weights.iter().map(|&w| [f64::from(w), 5.0]).collect();
            Statistics::of(&forecast, &labels, Some(&y)).sum(&weights, &mut tally);
            tally.values(&extent)[0]
        };
        let weighted = measured(&(0..50).collect::<Vec<_>>(), &weights);
        let plain = measured(&repeated, &vec![1u32; repeated.len()]);
        for (measure, (weighted, plain)) in Measure::ALL.into_iter().zip(weighted.into_iter().zip(plain)) {
            let (weighted, plain) = (weighted.unwrap(), plain.unwrap());
            assert!((weighted - plain).abs() < 1e-12, "{measure:?}: {weighted}, not {plain}");
        }
    }
}
