//! What each sample adds to each measure, worked out once, so that a bootstrap round is one pass of sums.
//!
//! A [`Forecast`] is what follows from the predictions alone (bins, logarithms), an [`Outcome`] what they are
//! held against; together they are [`Statistics`]. Drawing samples changes weights only; drawing votes
//! changes the outcome; another panel is another forecast.

use ndarray::Array2;

use super::{Measure, Predicted, ScorecardSettings, equal_width};
use crate::metrics::{ConfusionMatrix, Floor};
use crate::{Classes, LabelDistributions, Labels, Result};

/// A value for each of [`Measure::ALL`]; None where the inputs do not allow it.
pub(super) type Values = [Option<f64>; Measure::ALL.len()];

/// Bin and confidence of each sample's predicted class.
struct Top {
    bins: usize,
    bin: Vec<u32>,
    confidence: Vec<f64>,
}

/// What probabilities add.
struct Full {
    /// Shape: (N, K), as [`ln_p`](Self::ln_p) and [`class_bin`](Self::class_bin).
    p: Array2<f64>,
    /// ln p, clipped.
    ln_p: Array2<f64>,
    /// `k B + bin of p_k`: a position in a table of all classes' bins.
    class_bin: Vec<u32>,
    bins: usize,
    /// Bin of the confidence, by the label distribution paper's bins.
    sce_bin: Vec<u32>,
    sce_bins: usize,
}

/// The predictions' part.
pub(super) struct Forecast {
    classes: Classes,
    predicted: Vec<usize>,
    top: Option<Top>,
    full: Option<Full>,
}

/// The reference's part.
pub(super) struct Outcome {
    pub labels: Labels,
    pub y: Option<LabelDistributions>,
}

/// Bins of values, as small numbers.
fn cut(values: &[f64], bins: usize) -> Result<Vec<u32>> {
    Ok(equal_width(bins).cut(values)?.of.into_iter().map(|bin| bin as u32).collect())
}

impl Forecast {
    pub fn of(predicted: Predicted<'_>, settings: &ScorecardSettings) -> Result<Self> {
        match predicted {
            Predicted::Classes(labels) => Ok(Self {
                classes: labels.classes().clone(),
                predicted: labels.indices().to_vec(),
                top: None,
                full: None,
            }),
            Predicted::Confidences(labels, confidence) => Ok(Self {
                classes: labels.classes().clone(),
                predicted: labels.indices().to_vec(),
                top: Some(Top::of(confidence.to_vec(), settings.bins)?),
                full: None,
            }),
            Predicted::Probabilities(p) => {
                let predicted = p.predicted().indices().to_vec();
                let floored = p.view().mapv(|p| Floor::SCIKIT_LEARN.raise(p).ln());
                Self::of_probabilities(p.classes(), p.view().to_owned(), floored, predicted, settings)
            }
        }
    }

    /// Probabilities whose logarithms and predicted classes are given: those of a panel are not simply ln p
    /// and argmax p.
    pub fn of_probabilities(
        classes: &Classes,
        p: Array2<f64>,
        ln_p: Array2<f64>,
        predicted: Vec<usize>,
        settings: &ScorecardSettings,
    ) -> Result<Self> {
        let k = classes.len();
        let p = p.as_standard_layout().into_owned();
        let confidence: Vec<f64> = predicted.iter().enumerate().map(|(n, &k)| p[[n, k]]).collect();
        let mut class_bin = cut(p.as_slice().expect("rows lie in order"), settings.bins)?;
        for (at, bin) in class_bin.iter_mut().enumerate() {
            *bin += (at % k * settings.bins) as u32;
        }
        let sce_bin = cut(&confidence, settings.sce_bins)?;
        Ok(Self {
            classes: classes.clone(),
            predicted,
            top: Some(Top::of(confidence, settings.bins)?),
            full: Some(Full {
                p,
                ln_p,
                class_bin,
                bins: settings.bins,
                sce_bin,
                sce_bins: settings.sce_bins,
            }),
        })
    }

    /// What each sample adds, given the outcome.
    pub fn against(&self, outcome: &Outcome) -> Statistics<'_> {
        let k = self.classes.len();
        let truth = outcome.labels.indices();
        let y = outcome.y.as_ref().map(LabelDistributions::view);
        let right = |n: usize| f64::from(u8::from(truth[n] == self.predicted[n]));
        let samples = || 0..truth.len();
        let gaps = self.top.as_ref().map(|top| samples().map(|n| right(n) - top.confidence[n]).collect());
        let vote_gaps = self
            .top
            .as_ref()
            .zip(y)
            .map(|(top, y)| samples().map(|n| y[[n, self.predicted[n]]] - top.confidence[n]).collect());
        let full = self.full.as_ref().map(|full| {
            let mut class_gaps = full.p.iter().map(|p| -p).collect::<Vec<f64>>();
            let mut brier = Vec::with_capacity(truth.len());
            for (row, &truth) in class_gaps.chunks_exact_mut(k).zip(truth) {
                row[truth] += 1.0;
                brier.push(row.iter().map(|gap| gap * gap).sum());
            }
            let vote_losses = y.map(|y| {
                // Most vote shares are 0, and 0 · ln p adds nothing.
                let loss = |n: usize| {
                    let terms = y.row(n).into_iter().zip(full.ln_p.row(n)).filter(|(y, _)| **y > 0.0);
                    0.0 - terms.map(|(y, ln_p)| y * ln_p).sum::<f64>()
                };
                samples().map(loss).collect()
            });
            OfProbabilities {
                losses: samples().map(|n| 0.0 - full.ln_p[[n, truth[n]]]).collect(),
                vote_losses,
                brier,
                sce_cell: samples().map(|n| full.sce_bin[n] * k as u32 + truth[n] as u32).collect(),
                sce_gap: samples().map(|n| right(n) - full.p[[n, truth[n]]]).collect(),
                class_gaps,
            }
        });
        let pair = |n: usize| (truth[n] * k + self.predicted[n]) as u32;
        Statistics { forecast: self, pairs: samples().map(pair).collect(), gaps, vote_gaps, full }
    }
}

impl Top {
    fn of(confidence: Vec<f64>, bins: usize) -> Result<Self> {
        Ok(Self { bins, bin: cut(&confidence, bins)?, confidence })
    }
}

/// What each sample adds to each sum. Shape: N each, but for the classes' gaps.
pub(super) struct Statistics<'a> {
    forecast: &'a Forecast,
    /// Reference class · K + predicted class.
    pairs: Vec<u32>,
    /// Accuracy less confidence of the predicted class.
    gaps: Option<Vec<f64>>,
    /// Share of agreeing votes less confidence.
    vote_gaps: Option<Vec<f64>>,
    full: Option<OfProbabilities>,
}

struct OfProbabilities {
    losses: Vec<f64>,
    vote_losses: Option<Vec<f64>>,
    brier: Vec<f64>,
    /// Bin by the paper's bins · K + reference class.
    sce_cell: Vec<u32>,
    sce_gap: Vec<f64>,
    /// `y_k − p_k`. Shape: (N, K), flat.
    class_gaps: Vec<f64>,
}

impl Statistics<'_> {
    /// The measures with each sample counted so many times. Shape: N weights → 11 values.
    pub fn measured(&self, weights: &[u32]) -> Values {
        let k = self.forecast.classes.len();
        let drawn = || weights.iter().enumerate().filter(|(_, w)| **w > 0).map(|(n, &w)| (n, f64::from(w)));
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let mean = |terms: &[f64]| drawn().map(|(n, w)| w * terms[n]).sum::<f64>() / total;
        // Σ_b |Σ_n w gap| over cells b: the sum in all calibration errors.
        let binned = |cells: usize, cell: &[u32], gaps: &[f64]| {
            let mut sums = vec![0.0; cells];
            for (n, w) in drawn() {
                sums[cell[n] as usize] += w * gaps[n];
            }
            sums
        };
        let absolute = |sums: &[f64]| sums.iter().map(|gap| gap.abs()).sum::<f64>() / total;

        let mut counts = Array2::<u64>::zeros((k, k));
        let cells = counts.as_slice_mut().expect("rows lie in order");
        for (&pair, &weight) in self.pairs.iter().zip(weights) {
            cells[pair as usize] += u64::from(weight);
        }
        let confusion = ConfusionMatrix::of_known(self.forecast.classes.clone(), counts);

        let top = self.forecast.top.as_ref();
        let gaps = top.zip(self.gaps.as_ref()).map(|(top, gaps)| binned(top.bins, &top.bin, gaps));
        let maximum = top.zip(gaps.as_ref()).map(|(top, gaps)| {
            let mut held = vec![0.0; top.bins];
            for (n, w) in drawn() {
                held[top.bin[n] as usize] += w;
            }
            let filled = gaps.iter().zip(held).filter(|(_, held)| *held > 0.0);
            filled.map(|(gap, held)| gap.abs() / held).fold(0.0, f64::max)
        });
        let vote_gaps = top.zip(self.vote_gaps.as_ref()).map(|(top, gaps)| binned(top.bins, &top.bin, gaps));
        let full = self.forecast.full.as_ref().zip(self.full.as_ref());
        let classwise = full.map(|(forecast, full)| {
            let mut sums = vec![0.0; k * forecast.bins];
            for (n, w) in drawn() {
                let row = n * k..(n + 1) * k;
                for (&cell, gap) in forecast.class_bin[row.clone()].iter().zip(&full.class_gaps[row]) {
                    sums[cell as usize] += w * gap;
                }
            }
            absolute(&sums) / k as f64
        });
        let sce = full.map(|(forecast, full)| {
            absolute(&binned(forecast.sce_bins * k, &full.sce_cell, &full.sce_gap)) / k as f64
        });
        let value = |measure| match measure {
            Measure::OverallAccuracy => Some(confusion.overall_accuracy_score()),
            Measure::AverageAccuracy => Some(confusion.average_accuracy_score()),
            Measure::Kappa => Some(confusion.kappa_score()),
            Measure::CrossEntropy => full.map(|(_, full)| mean(&full.losses)),
            Measure::DistributionalCrossEntropy => {
                full.and_then(|(_, full)| full.vote_losses.as_deref()).map(mean)
            }
            Measure::ExpectedCalibrationError => gaps.as_deref().map(absolute),
            Measure::MaximumCalibrationError => maximum,
            Measure::ClasswiseCalibrationError => classwise,
            Measure::DistributionCalibrationError => vote_gaps.as_deref().map(absolute),
            Measure::SceAsInLdlPaper => sce,
            Measure::Brier => full.map(|(_, full)| mean(&full.brier)),
        };
        Measure::ALL.map(value)
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
            let outcome = Outcome {
                labels: Labels::new(classes.clone(), indices).unwrap(),
                y: Some(LabelDistributions::new(classes.clone(), select(&y)).unwrap()),
            };
            let settings = ScorecardSettings::default();
            let forecast = Forecast::of(Predicted::Probabilities(&p), &settings).unwrap();
            forecast.against(&outcome).measured(weights)
        };
        let weighted = measured(&(0..50).collect::<Vec<_>>(), &weights);
        let plain = measured(&repeated, &vec![1; repeated.len()]);
        for (measure, (weighted, plain)) in Measure::ALL.into_iter().zip(weighted.into_iter().zip(plain)) {
            let (weighted, plain) = (weighted.unwrap(), plain.unwrap());
            assert!((weighted - plain).abs() < 1e-12, "{measure:?}: {weighted}, not {plain}");
        }
    }
}
