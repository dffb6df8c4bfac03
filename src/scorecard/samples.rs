//! Predictions with the labels and votes of the samples, and each measure with the influence of every sample on
//! it (its influence function), from which its standard error follows.

use ndarray::Array2;

use super::calibrated::FEWEST_GROUPS;
use super::{Measure, Predicted, ScorecardSettings, count_groups};
use crate::calibration::Bins;
use crate::labels::x_ln_y;
use crate::metrics::{
    Bounded, ClassSet, ConfusionMatrix, Floor, Influence, Interval, NoInterval, Similarity,
    mean_recall_interval, proportion_interval,
};
use crate::uncertainty::RiskCoverage;
use crate::{Classes, LabelDistributions, Labels, Result, Votes};

/// Fewer reference samples of a class make its recall or F1 anything but normal: of independent samples, and of
/// samples in this many groups.
fn fewest_of_a_class(groups: usize) -> u64 {
    (3 * groups as u64).clamp(10, 60)
}

/// Predictions and references of N samples.
pub(super) struct Samples<'a> {
    pub classes: &'a Classes,
    pub truth: &'a [usize],
    pub predicted: Vec<usize>,
    pub confidence: Option<Vec<f64>>,
    /// Probabilities. Shape: (N, K).
    pub p: Option<Array2<f64>>,
    /// Label distributions. Shape: (N, K).
    pub y: Option<Array2<f64>>,
    pub groups: Option<&'a [i32]>,
    pub bins: Bins,
}

/// A measure, and what its interval follows from.
pub(super) struct Estimate {
    pub value: f64,
    basis: Basis,
}

enum Basis {
    /// A smooth measure. Shape: N.
    Influence(Vec<f64>, Bounded),
    /// A share of some of the samples, with its influences.
    Share { right: u64, of: u64, influence: Vec<f64> },
}

impl Estimate {
    pub fn into_influence(self) -> Influence {
        let (Basis::Influence(of_samples, _) | Basis::Share { influence: of_samples, .. }) = self.basis;
        Influence { value: self.value, of_samples }
    }
}

impl<'a> Samples<'a> {
    pub fn of(
        predicted: Predicted<'_>,
        labels: &'a Labels,
        y: Option<&LabelDistributions>,
        groups: Option<&'a [i32]>,
        settings: &ScorecardSettings,
    ) -> Self {
        let (guess, confidence, p) = match predicted {
            Predicted::Classes(labels) => (labels.indices().to_vec(), None, None),
            Predicted::Confidences(labels, c) => (labels.indices().to_vec(), Some(c.to_vec()), None),
            Predicted::Probabilities(p) => {
                (p.predicted().indices().to_vec(), Some(p.confidence()), Some(p.view().to_owned()))
            }
        };
        Self {
            classes: labels.classes(),
            truth: labels.indices(),
            predicted: guess,
            confidence,
            p,
            y: y.map(|y| y.view().to_owned()),
            groups,
            bins: Bins::EqualWidth(settings.bins),
        }
    }

    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// 1 where the prediction is right. Shape: N.
    pub fn right(&self) -> Vec<f64> {
        self.truth.iter().zip(&self.predicted).map(|(y, k)| f64::from(u8::from(y == k))).collect()
    }

    /// The share of the votes for the predicted class. Shape: N.
    pub fn agreement(&self) -> Option<Vec<f64>> {
        let y = self.y.as_ref()?;
        Some(self.predicted.iter().enumerate().map(|(n, &k)| y[[n, k]]).collect())
    }

    pub fn confusion(&self) -> ConfusionMatrix {
        let mut counts = Array2::zeros((self.classes.len(), self.classes.len()));
        for (&truth, &guess) in self.truth.iter().zip(&self.predicted) {
            counts[[truth, guess]] += 1;
        }
        ConfusionMatrix::from_checked(self.classes.clone(), counts)
    }

    /// The estimate of a measure; None where the predictions or references do not allow it.
    pub fn estimate(&self, measure: Measure, confusion: &ConfusionMatrix) -> Result<Option<Estimate>> {
        if let Some(rule) = OfConfusion::of(measure, confusion) {
            let cells = rule.influence(confusion);
            let pairs = self.truth.iter().zip(&self.predicted);
            let influence = pairs.map(|(&i, &j)| cells[[i, j]]).collect();
            let basis = match rule.share(confusion) {
                Some((right, of)) => Basis::Share { right, of, influence },
                None => Basis::Influence(influence, Bounded::Above),
            };
            return Ok(Some(Estimate { value: rule.value(confusion), basis }));
        }
        if let Some((numbers, bounded)) = self.numbers(measure) {
            let Influence { value, of_samples } = Influence::from_values(numbers);
            let basis = if measure == Measure::RankingAgreement {
                let right = of_samples.iter().filter(|psi| **psi + value > 0.5).count() as u64;
                Basis::Share { right, of: self.len() as u64, influence: of_samples }
            } else {
                Basis::Influence(of_samples, bounded)
            };
            return Ok(Some(Estimate { value, basis }));
        }
        match &self.confidence {
            Some(confidence) if measure == Measure::AreaUnderRiskCoverage => self.aurc(confidence).map(Some),
            _ => Ok(None),
        }
    }

    /// The measure as the mean of one number per sample.
    fn numbers(&self, measure: Measure) -> Option<(Vec<f64>, Bounded)> {
        let p = self.p.as_ref()?;
        let ln = |p: f64| Floor::SCIKIT_LEARN.raise(p).ln();
        let labelled = |term: &dyn Fn(usize, usize) -> f64| {
            let numbers = self.truth.iter().enumerate().map(|(n, &k)| term(n, k)).collect();
            Some((numbers, Bounded::Below))
        };
        // 0 − x, so that no loss is −0.
        match measure {
            Measure::CrossEntropy => return labelled(&|n, k| 0.0 - ln(p[[n, k]])),
            Measure::Brier => {
                let squares: Vec<f64> = p.outer_iter().map(|row| row.dot(&row)).collect();
                return labelled(&|n, k| squares[n] - 2.0 * p[[n, k]] + 1.0);
            }
            _ => {}
        }
        let y = self.y.as_ref()?;
        let mean = |term: &dyn Fn(f64, f64) -> f64| -> Vec<f64> {
            let rows = y.outer_iter().zip(p.outer_iter());
            rows.map(|(y, p)| y.iter().zip(p).map(|(&y, &p)| term(y, p)).sum()).collect()
        };
        let entropy = |of: f64| 0.0 - x_ln_y(of, of);
        let numbers = match measure {
            Measure::DistributionalCrossEntropy => mean(&|y, p| if y > 0.0 { -y * ln(p) } else { 0.0 }),
            Measure::KlDivergence => mean(&|y, p| if y > 0.0 { y * (y.ln() - ln(p)) } else { 0.0 }),
            Measure::JensenShannon => mean(&|y, p| {
                let middle = 0.5 * (y + p);
                if middle > 0.0 { 0.5 * (x_ln_y(y, y / middle) + x_ln_y(p, p / middle)) } else { 0.0 }
            }),
            Measure::TotalVariation => mean(&|y, p| 0.5 * (y - p).abs()),
            Measure::EntropyCalibrationError => {
                mean(&|y, p| entropy(p) - entropy(y)).into_iter().map(f64::abs).collect()
            }
            Measure::EntropyBias => return Some((mean(&|y, p| entropy(p) - entropy(y)), Bounded::Neither)),
            Measure::SoftAccuracy => return Some((mean(&|y, p| y.min(p)), Bounded::Above)),
            Measure::RankingAgreement => {
                let agree = |(y, p): (ndarray::ArrayView1<'_, f64>, ndarray::ArrayView1<'_, f64>)| {
                    let ordered = (0..y.len()).all(|i| (0..y.len()).all(|j| y[i] <= y[j] || p[i] > p[j]));
                    f64::from(u8::from(ordered))
                };
                return Some((y.outer_iter().zip(p.outer_iter()).map(agree).collect(), Bounded::Above));
            }
            _ => return None,
        };
        Some((numbers, Bounded::Below))
    }

    /// `θ = E[−l ln u]`, u the share of samples with at least this confidence, and its influence
    /// `−l ln u − E[l' / u']`, the expectation over the samples with at most this confidence.
    fn aurc(&self, confidence: &[f64]) -> Result<Estimate> {
        let losses: Vec<f64> = self.right().iter().map(|right| 1.0 - right).collect();
        let value = RiskCoverage::compute(confidence, &losses)?.aurc;
        let total = self.len() as f64;
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.sort_by(|&a, &b| confidence[b].total_cmp(&confidence[a]));
        let mut influence = vec![0.0; self.len()];
        let (mut harmonic, mut lower) = (0.0, 0.0);
        for (at, &n) in order.iter().enumerate().rev() {
            let rank = at + 1;
            harmonic += 1.0 / rank as f64;
            lower += losses[n] / rank as f64;
            influence[n] = losses[n] * harmonic - lower;
        }
        let mean = influence.iter().sum::<f64>() / total;
        for psi in &mut influence {
            *psi -= mean;
        }
        Ok(Estimate { value, basis: Basis::Influence(influence, Bounded::Below) })
    }

    /// The interval of an estimate, by the rule that covers for its measure.
    pub fn interval(
        &self,
        measure: Measure,
        estimate: &Estimate,
        confusion: &ConfusionMatrix,
        level: f64,
    ) -> std::result::Result<Interval, NoInterval> {
        if !estimate.value.is_finite() {
            return Err(NoInterval::Undefined);
        }
        let by_class = matches!(measure, Measure::AverageAccuracy | Measure::MacroF1);
        let interval = match (&estimate.basis, self.groups) {
            (Basis::Share { right, of, .. }, None) => Ok(proportion_interval(*right, *of, level)),
            (Basis::Influence(..), None) if measure == Measure::AverageAccuracy => {
                let right: Vec<u64> = confusion.counts().diag().to_vec();
                mean_recall_interval(&right, &confusion.reference_totals(), level)
            }
            (Basis::Share { influence, .. }, groups) => {
                influenced(estimate.value, influence).interval(groups, Bounded::Above, level)
            }
            (Basis::Influence(influence, bounded), groups) => {
                if by_class {
                    self.check_classes(confusion)?;
                }
                influenced(estimate.value, influence).interval(groups, *bounded, level)
            }
        }?;
        // Of few groups the rule reaches below what the measure can be.
        let least = match measure {
            Measure::EntropyBias => f64::NEG_INFINITY,
            Measure::Kappa | Measure::WeightedKappa => -1.0,
            _ => 0.0,
        };
        Ok(Interval { lower: interval.lower.max(least), ..interval })
    }

    /// A mean over classes is normal only where each class has some samples, in several groups.
    fn check_classes(&self, confusion: &ConfusionMatrix) -> std::result::Result<(), NoInterval> {
        let totals = confusion.reference_totals();
        let rare = |groups| totals.iter().any(|&n| n > 0 && n < fewest_of_a_class(groups));
        if rare(0) {
            return Err(NoInterval::RareClass);
        }
        let Some(groups) = self.groups else { return Ok(()) };
        let mut seen: Vec<(i32, usize)> = groups.iter().copied().zip(self.truth.iter().copied()).collect();
        seen.sort_unstable();
        seen.dedup();
        let mut in_groups = vec![0; totals.len()];
        for &(_, k) in &seen {
            in_groups[k] += 1;
        }
        seen.dedup_by_key(|(group, _)| *group);
        if rare(seen.len()) {
            return Err(NoInterval::RareClass);
        }
        let few = |count: usize| count > 0 && (count < 3 || 2 * count < seen.len());
        if in_groups.into_iter().any(few) { Err(NoInterval::ClassInFewGroups) } else { Ok(()) }
    }
}

fn influenced(value: f64, of_samples: &[f64]) -> Influence {
    Influence { value, of_samples: of_samples.to_vec() }
}

/// A measure that the confusion matrix gives.
pub(super) enum OfConfusion {
    /// `Σ_ij w_ij p_ij`.
    Weighted(Array2<f64>),
    /// Kappa with weights.
    Kappa(Array2<f64>),
    /// AA.
    Average,
    /// Macro F1 over classes in reference or prediction.
    MacroF1,
    /// OA of a block of classes.
    Block(Vec<bool>),
}

impl OfConfusion {
    pub fn of(measure: Measure, confusion: &ConfusionMatrix) -> Option<Self> {
        let k = confusion.classes().len();
        let similarity = || Similarity::published(confusion.classes()).map(|s| s.weights().to_owned());
        match measure {
            Measure::OverallAccuracy => Some(Self::Weighted(Array2::eye(k))),
            Measure::AverageAccuracy => Some(Self::Average),
            Measure::Kappa => Some(Self::Kappa(Array2::eye(k))),
            Measure::MacroF1 => Some(Self::MacroF1),
            Measure::BuiltAccuracy => confusion.built().map(Self::Block),
            Measure::BuiltOrNaturalAccuracy => confusion.built().map(|built| {
                Self::Weighted(Array2::from_shape_fn((k, k), |(i, j)| {
                    f64::from(u8::from(built[i] == built[j]))
                }))
            }),
            Measure::WeightedAccuracy => similarity().map(Self::Weighted),
            Measure::WeightedKappa => similarity().map(Self::Kappa),
            _ => None,
        }
    }

    pub fn value(&self, confusion: &ConfusionMatrix) -> f64 {
        let total = confusion.total() as f64;
        match self {
            Self::Weighted(w) => {
                confusion.counts().iter().zip(w).map(|(&c, w)| c as f64 * w).sum::<f64>() / total
            }
            Self::Kappa(w) => {
                let (observed, chance) = confusion.agreement(w);
                (observed - chance) / (1.0 - chance)
            }
            Self::Average => confusion.average_accuracy_score(),
            Self::MacroF1 => confusion.macro_f1_score(ClassSet::Present),
            Self::Block(_) => confusion.built_accuracy_score().unwrap_or(f64::NAN),
        }
    }

    /// The samples that are right and those that are counted, where the measure is their share.
    fn share(&self, confusion: &ConfusionMatrix) -> Option<(u64, u64)> {
        match self {
            Self::Weighted(w) if w.iter().all(|w| [0.0, 1.0].contains(w)) => {
                let counts = confusion.counts();
                let right = counts.iter().zip(w).filter(|(_, w)| **w > 0.5).map(|(c, _)| c).sum();
                Some((right, confusion.total()))
            }
            Self::Block(inside) => {
                let cells = confusion.counts();
                let block = cells.indexed_iter().filter(|((i, j), _)| inside[*i] && inside[*j]);
                Some(block.fold((0, 0), |(h, n), ((i, j), c)| (if i == j { h + c } else { h }, n + c)))
            }
            _ => None,
        }
    }

    /// How much one sample more of reference i and prediction j would move the measure, times N. Shape: (K, K).
    pub fn influence(&self, confusion: &ConfusionMatrix) -> Array2<f64> {
        let total = confusion.total() as f64;
        let k = confusion.classes().len();
        let rows: Vec<f64> = confusion.reference_totals().iter().map(|&n| n as f64 / total).collect();
        let columns: Vec<f64> = confusion.predicted_totals().iter().map(|&n| n as f64 / total).collect();
        let value = self.value(confusion);
        let hit = |i: usize, j: usize| f64::from(u8::from(i == j));
        let cells = |of: &dyn Fn(usize, usize) -> f64| Array2::from_shape_fn((k, k), |(i, j)| of(i, j));
        match self {
            Self::Weighted(w) => w.mapv(|w| w - value),
            Self::Kappa(w) => {
                let (observed, chance) = confusion.agreement(w);
                let across: Vec<f64> = (0..k).map(|i| (0..k).map(|j| w[[i, j]] * columns[j]).sum()).collect();
                let down: Vec<f64> = (0..k).map(|j| (0..k).map(|i| w[[i, j]] * rows[i]).sum()).collect();
                let rest = 1.0 - chance;
                // Differentiated, and centred: Σ p (w − o) = 0, Σ p (across + down − 2 chance) = 0.
                cells(&|i, j| {
                    ((w[[i, j]] - observed) * rest - (across[i] + down[j] - 2.0 * chance) * (1.0 - observed))
                        / (rest * rest)
                })
            }
            Self::Average => {
                let present = rows.iter().filter(|share| **share > 0.0).count() as f64;
                let recall: Vec<f64> = (0..k)
                    .map(|i| confusion.count(i, i) as f64 / total / rows[i].max(f64::MIN_POSITIVE))
                    .collect();
                cells(&|i, j| if rows[i] > 0.0 { (hit(i, j) - recall[i]) / rows[i] / present } else { 0.0 })
            }
            Self::MacroF1 => {
                let both: Vec<f64> = (0..k).map(|i| rows[i] + columns[i]).collect();
                let present = both.iter().filter(|share| **share > 0.0).count() as f64;
                let half = |i: usize| {
                    if both[i] > 0.0 {
                        2.0 * confusion.count(i, i) as f64 / total / both[i] / both[i]
                    } else {
                        0.0
                    }
                };
                cells(&|i, j| {
                    let gain = if i == j && both[i] > 0.0 { 2.0 / both[i] } else { 0.0 };
                    (gain - half(i) - half(j)) / present
                })
            }
            Self::Block(inside) => {
                let block: f64 = confusion
                    .counts()
                    .indexed_iter()
                    .filter(|((i, j), _)| inside[*i] && inside[*j])
                    .map(|(_, &c)| c as f64 / total)
                    .sum();
                cells(&|i, j| if inside[i] && inside[j] { (hit(i, j) - value) / block } else { 0.0 })
            }
        }
    }
}

/// What a reader of the table should know.
pub(super) fn warnings(samples: &Samples<'_>, votes: Option<&Votes>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(votes) = votes {
        let counts = votes.counts();
        let rows = counts.outer_iter().zip(samples.truth);
        let beaten = rows.filter(|(row, truth)| row.iter().any(|v| *v > row[**truth])).count();
        if beaten > 0 {
            warnings.push(format!(
                "the label of {beaten} of {} samples is not the majority of its votes: accuracies and calibration \
                 errors are against the label, measures named 'votes' against the votes",
                samples.len()
            ));
        }
    }
    if let Some(p) = &samples.p {
        let impossible = samples.truth.iter().zip(p.outer_iter()).filter(|&(&k, row)| row[k] == 0.0).count();
        if impossible > 0 {
            warnings.push(format!(
                "{impossible} of {} samples give their class probability 0: counted as {:.2} nats each",
                samples.len(),
                -f64::EPSILON.ln()
            ));
        }
    }
    match samples.groups.map(count_groups) {
        Some(1) => warnings.push(format!("one group: no interval ({})", NoInterval::OneGroup)),
        Some(groups) if groups < FEWEST_GROUPS => warnings.push(format!(
            "{groups} groups: intervals are wide, and no p-value of calibration is given below {FEWEST_GROUPS}"
        )),
        _ => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_influence_is_the_slope_of_adding_a_sample() {
        let counts =
            Array2::from_shape_vec((3, 3), vec![50_000, 7_000, 0, 9_000, 30_000, 500, 800, 90, 4_000]);
        let zones = [crate::Zone::CompactMidRise, crate::Zone::OpenLowRise, crate::Zone::Water];
        let confusion = ConfusionMatrix::from_checked(Classes::from_zones(zones), counts.unwrap());
        let total = confusion.total() as f64;
        for measure in Measure::ALL {
            let Some(rule) = OfConfusion::of(measure, &confusion) else { continue };
            let influence = rule.influence(&confusion);
            for (i, j) in [(0, 0), (0, 1), (1, 0), (2, 2), (0, 2)] {
                let mut more = confusion.counts().to_owned();
                more[[i, j]] += 10;
                let more = ConfusionMatrix::from_checked(confusion.classes().clone(), more);
                let slope = (rule.value(&more) - rule.value(&confusion)) * (total + 10.0) / 10.0;
                let (got, scale) = (influence[[i, j]], influence[[i, j]].abs().max(0.1));
                assert!((got - slope).abs() < 0.02 * scale, "{measure:?} {i} {j}: {got}, not {slope}");
            }
            let shares = confusion.counts().mapv(|c| c as f64 / total);
            assert!((&influence * &shares).sum().abs() < 1e-12, "{measure:?}: not of mean 0");
        }
    }
}
