//! The confusion matrix, and every score that needs nothing else.
//!
//! Accuracies as scikit-learn defines them (`accuracy_score`, `balanced_accuracy_score`,
//! `precision_recall_fscore_support`); kappa after Cohen (1960), *A Coefficient of Agreement for Nominal
//! Scales*; the two accuracies of built zones after Bechtel et al. (2017), *Quality of Crowdsourced Data
//! on Urban Morphology*.

use ndarray::{Array2, ArrayView2, Axis};
use serde::Serialize;

use super::check_same_samples;
use crate::display::{Table, grouped};
use crate::{Classes, Error, Labels, Result, Zone};

/// The classes that a macro average goes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClassSet {
    /// Those that occur in the reference or in the prediction: scikit-learn's default, `labels=None`.
    Present,
    /// Every class of the list: scikit-learn's `labels=range(K)`. A class that occurs nowhere counts
    /// as 0, so a perfect prediction of an incomplete test set stays below 1.
    All,
}

/// How often each class was called which. Rows are the reference, columns the prediction.
///
/// Every score of an empty matrix is NaN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: Classes,
    counts: Array2<u64>,
}

/// One row of the table of classes: how well class k was found.
///
/// A ratio whose denominator is 0 is NaN (`null` in JSON).
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScores {
    /// Code of the class.
    pub class: String,
    /// TP / (TP + FP), also user's accuracy. NaN if the class was never predicted.
    pub precision: f64,
    /// TP / (TP + FN), also producer's accuracy. NaN if the reference lacks the class.
    pub recall: f64,
    /// 2 TP / (2 TP + FP + FN). NaN if the class occurs nowhere.
    pub f1: f64,
    /// Intersection over union, TP / (TP + FP + FN). NaN if the class occurs nowhere.
    pub iou: f64,
    /// Samples of the class in the reference.
    pub support: u64,
    /// Samples given the class by the prediction.
    pub predicted: u64,
}

/// Counts of one class against all others.
#[derive(Clone, Copy)]
struct OneAgainstRest {
    hits: u64,
    reference: u64,
    predicted: u64,
}

impl OneAgainstRest {
    fn precision(self) -> f64 {
        ratio(self.hits, self.predicted)
    }

    fn recall(self) -> f64 {
        ratio(self.hits, self.reference)
    }

    fn f1(self) -> f64 {
        ratio(2 * self.hits, self.reference + self.predicted)
    }

    fn iou(self) -> f64 {
        ratio(self.hits, self.reference + self.predicted - self.hits)
    }

    fn occurs(self) -> bool {
        self.reference + self.predicted > 0
    }
}

/// a / b, NaN for 0 / 0.
fn ratio(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// An undefined ratio counts as 0 in an average.
fn or_zero(ratio: f64) -> f64 {
    if ratio.is_nan() { 0.0 } else { ratio }
}

/// The mean, NaN of nothing.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_u32), |(sum, count), value| (sum + value, count + 1));
    sum / f64::from(count)
}

impl ConfusionMatrix {
    /// A matrix of zeros, to be filled batch by batch with [`add`](Self::add).
    pub fn empty(classes: Classes) -> Self {
        let k = classes.len();
        Self { classes, counts: Array2::zeros((k, k)) }
    }

    /// Counts these samples (or pixels).
    ///
    /// # Errors
    /// Different lengths or class lists.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// use lcz::{Classes, Labels, metrics::ConfusionMatrix};
    /// let of = |indices| Labels::new(Classes::named(["forest", "river"])?, indices);
    /// let confusion = ConfusionMatrix::from_labels(&of(vec![0, 0, 1])?, &of(vec![0, 1, 1])?)?;
    /// assert_eq!(confusion.count(0, 1), 1); // a forest was called a river
    /// println!("{}", confusion.table());
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_labels(reference: &Labels, predicted: &Labels) -> Result<Self> {
        let mut confusion = Self::empty(reference.classes().clone());
        confusion.add(reference, predicted)?;
        Ok(confusion)
    }

    /// The counts for people: a row per class of the reference, a column per predicted class.
    pub fn table(&self) -> Table {
        let mut table =
            Table::new(["reference"].into_iter().chain(self.classes.codes().iter().map(String::as_str)));
        for (k, counts) in self.counts.outer_iter().enumerate() {
            table.row([self.classes.name(k)].into_iter().chain(counts.iter().map(u64::to_string)));
        }
        table
    }

    /// A matrix that was counted elsewhere. Shape: (K, K), rows = reference.
    ///
    /// # Errors
    /// A shape other than K × K, or 2⁵³ samples and more (a float could not hold their number).
    pub fn from_counts(classes: Classes, counts: Array2<u64>) -> Result<Self> {
        let k = classes.len();
        if counts.dim() != (k, k) {
            let problem = format!("{} × {} counts for {k} classes", counts.nrows(), counts.ncols());
            return Err(Error::input("confusion matrix", problem, "give one row and one column per class"));
        }
        if counts.iter().map(|&count| u128::from(count)).sum::<u128>() >= 1 << f64::MANTISSA_DIGITS {
            return Err(Error::input("confusion matrix", "2^53 samples or more", "check the counts"));
        }
        Ok(Self { classes, counts })
    }

    /// Counts that are of the right shape because of how they were made.
    pub(crate) fn from_checked(classes: Classes, counts: Array2<u64>) -> Self {
        debug_assert_eq!(counts.dim(), (classes.len(), classes.len()));
        Self { classes, counts }
    }

    /// Counts these samples too.
    ///
    /// # Errors
    /// Different lengths or class lists; nothing is counted then.
    pub fn add(&mut self, reference: &Labels, predicted: &Labels) -> Result<()> {
        check_same_samples((reference.len(), reference.classes()), (predicted.len(), predicted.classes()))?;
        check_same_samples((0, &self.classes), (0, reference.classes()))?;
        for (&truth, &guess) in reference.indices().iter().zip(predicted.indices()) {
            self.counts[[truth, guess]] += 1;
        }
        Ok(())
    }

    /// Adds the counts of another matrix, as another thread or date made it.
    ///
    /// # Errors
    /// Another class list.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.classes != other.classes {
            let problem = format!("classes {}, and {}", self.classes, other.classes);
            return Err(Error::input("confusion matrix", problem, "merge matrices of one class list"));
        }
        self.counts += &other.counts;
        Ok(())
    }

    /// What the rows and columns mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Samples of class `truth` that were called `predicted`.
    ///
    /// # Panics
    /// An index that is not a class.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[[truth, predicted]]
    }

    /// The counts C. Shape: (K, K), rows = reference.
    pub fn counts(&self) -> ArrayView2<'_, u64> {
        self.counts.view()
    }

    /// What part of each reference class was called which: `C_ij / Σ_j C_ij`. Shape: (K, K); each row
    /// sums to 1, and the row of a class that the reference lacks is NaN.
    pub fn shares_of_reference(&self) -> Array2<f64> {
        let mut shares = self.counts.mapv(|count| count as f64);
        for mut row in shares.outer_iter_mut() {
            let total = row.sum();
            row /= total;
        }
        shares
    }

    /// How many samples were counted, N.
    pub fn total(&self) -> u64 {
        self.counts.sum()
    }

    /// Samples per class in the reference (row sums, support). Shape: K.
    pub fn reference_totals(&self) -> Vec<u64> {
        self.counts.sum_axis(Axis(1)).to_vec()
    }

    /// Samples per class in the prediction (column sums). Shape: K.
    pub fn predicted_totals(&self) -> Vec<u64> {
        self.counts.sum_axis(Axis(0)).to_vec()
    }

    /// Overall accuracy `OA = Σ_i C_ii / N`.
    pub fn overall_accuracy_score(&self) -> f64 {
        ratio(self.counts.diag().sum(), self.total())
    }

    /// Average accuracy AA: the mean recall over the classes present in the reference, scikit-learn's
    /// `balanced_accuracy_score`. A class that was only predicted does not count.
    pub fn average_accuracy_score(&self) -> f64 {
        mean(self.one_against_rest().map(OneAgainstRest::recall).filter(|recall| !recall.is_nan()))
    }

    /// Cohen's kappa `κ = (p_o − p_e) / (1 − p_e)`: agreement beyond that of chance, where `p_o` = OA and
    /// `p_e = Σ_k (Σ_j C_kj)(Σ_i C_ik) / N²`. 1 is perfect, 0 is chance; NaN where `p_e` = 1, which is
    /// when reference and prediction consist of one and the same class.
    pub fn kappa_score(&self) -> f64 {
        // Numerator and denominator times N², in whole numbers, so that p_e = 1 is met exactly.
        let total = i128::from(self.total());
        let hits = i128::from(self.counts.diag().sum());
        let chance: i128 =
            self.one_against_rest().map(|k| i128::from(k.reference) * i128::from(k.predicted)).sum();
        (total * hits - chance) as f64 / (total * total - chance) as f64
    }

    /// The plain mean of the classes' precisions.
    pub fn macro_precision_score(&self, over: ClassSet) -> f64 {
        self.macro_mean(over, OneAgainstRest::precision)
    }

    /// The unweighted mean of the classes' recalls. In contrast to
    /// [`average_accuracy_score`](Self::average_accuracy_score), it counts a class that was predicted
    /// but is absent from the reference, as 0.
    pub fn macro_recall_score(&self, over: ClassSet) -> f64 {
        self.macro_mean(over, OneAgainstRest::recall)
    }

    /// The plain mean of the classes' F1 (not the F1 of the mean precision and recall).
    pub fn macro_f1_score(&self, over: ClassSet) -> f64 {
        self.macro_mean(over, OneAgainstRest::f1)
    }

    /// Mean intersection over union, mIoU: the plain mean of the classes' Jaccard indices.
    pub fn mean_iou_score(&self, over: ClassSet) -> f64 {
        self.macro_mean(over, OneAgainstRest::iou)
    }

    /// The mean of the classes' precisions, each weighted by its share of the reference.
    pub fn weighted_precision_score(&self) -> f64 {
        self.weighted_mean(OneAgainstRest::precision)
    }

    /// "maa", the average accuracy of the label distribution paper's code: it is the macro *precision* over
    /// the classes present; [`average_accuracy_score`](Self::average_accuracy_score) is what the name means.
    pub fn maa_as_in_ldl_paper(&self) -> f64 {
        self.macro_precision_score(ClassSet::Present)
    }

    /// "waa", the weighted accuracy of the label distribution paper's code: it is the weighted *precision*;
    /// [`weighted_accuracy_score`](Self::weighted_accuracy_score) weighs errors by similarity.
    pub fn waa_as_in_ldl_paper(&self) -> f64 {
        self.weighted_precision_score()
    }

    /// The mean of the classes' recalls, each weighted by its share of the reference: the same number
    /// as overall accuracy.
    pub fn weighted_recall_score(&self) -> f64 {
        self.weighted_mean(OneAgainstRest::recall)
    }

    /// The mean of the classes' F1, each weighted by its share of the reference.
    pub fn weighted_f1_score(&self) -> f64 {
        self.weighted_mean(OneAgainstRest::f1)
    }

    /// `OA_u` as published (Bechtel et al. 2017): the overall accuracy of the 10 × 10 block of built zones, LCZ
    /// 1–10, rows *and* columns. A built zone that was taken for a natural one does not count. None if some class
    /// is not a zone; NaN if the block is empty.
    pub fn built_accuracy_score(&self) -> Option<f64> {
        let built = self.built()?;
        let block = self.counts.indexed_iter().filter(|((i, j), _)| built[*i] && built[*j]);
        let (hits, total) = block.fold((0, 0), |(h, n), ((i, j), c)| (if i == j { h + c } else { h }, n + c));
        Some(ratio(hits, total))
    }

    /// The accuracy of all samples whose reference is a built zone, whatever their prediction; some papers call this
    /// `OA_u` too. None if some class is not a zone; NaN if no reference is built.
    pub fn built_recall_score(&self) -> Option<f64> {
        let built = self.built()?;
        let of_built = self.one_against_rest().zip(built).filter_map(|(k, is_built)| is_built.then_some(k));
        let (hits, total) = of_built.fold((0, 0), |(h, n), k| (h + k.hits, n + k.reference));
        Some(ratio(hits, total))
    }

    /// `OA_bu`: overall accuracy once zones are merged into two classes, built (LCZ 1–10) and natural
    /// (A–G). None if some class is not a zone.
    pub fn built_or_natural_accuracy_score(&self) -> Option<f64> {
        let built = self.built()?;
        let merged = self.counts.indexed_iter().filter(|((i, j), _)| built[*i] == built[*j]);
        Some(ratio(merged.map(|(_, count)| count).sum(), self.total()))
    }

    /// The table of classes, in their order.
    ///
    /// ```
    /// use lcz::{Classes, metrics::ConfusionMatrix};
    /// let counts = ndarray::array![[8, 2], [1, 9]];
    /// let table = ConfusionMatrix::from_counts(Classes::named(["a", "b"])?, counts)?.per_class();
    /// assert_eq!((table[0].recall, table[0].support), (0.8, 10));
    /// assert_eq!(table[0].precision, 8.0 / 9.0);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn per_class(&self) -> Vec<ClassScores> {
        let row = |(k, class): (OneAgainstRest, &String)| ClassScores {
            class: class.clone(),
            precision: k.precision(),
            recall: k.recall(),
            f1: k.f1(),
            iou: k.iou(),
            support: k.reference,
            predicted: k.predicted,
        };
        self.one_against_rest().zip(self.classes.codes()).map(row).collect()
    }

    fn macro_mean(&self, over: ClassSet, score: fn(OneAgainstRest) -> f64) -> f64 {
        if self.total() == 0 {
            return f64::NAN;
        }
        let counted = self.one_against_rest().filter(|k| over == ClassSet::All || k.occurs());
        mean(counted.map(|k| or_zero(score(k))))
    }

    fn weighted_mean(&self, score: fn(OneAgainstRest) -> f64) -> f64 {
        let sum: f64 = self.one_against_rest().map(|k| k.reference as f64 * or_zero(score(k))).sum();
        sum / self.total() as f64
    }

    fn one_against_rest(&self) -> impl Iterator<Item = OneAgainstRest> {
        let totals = self.reference_totals().into_iter().zip(self.predicted_totals());
        let hits = self.counts.diag().to_vec();
        hits.into_iter().zip(totals).map(|(hits, (reference, predicted))| OneAgainstRest {
            hits,
            reference,
            predicted,
        })
    }

    /// The `n` most frequent confusions: which class is predicted as which, how often, and which share of the class
    /// that is.
    pub fn largest_errors(&self, n: usize) -> Table {
        let classes = self.classes();
        let totals = self.reference_totals();
        let mut errors: Vec<(usize, usize, u64)> = self
            .counts()
            .indexed_iter()
            .filter(|((truth, predicted), count)| truth != predicted && **count > 0)
            .map(|((truth, predicted), count)| (truth, predicted, *count))
            .collect();
        errors.sort_by_key(|(truth, predicted, count)| (std::cmp::Reverse(*count), *truth, *predicted));
        let mut table = Table::new(["reference", "predicted", "patches", "of the class"]);
        for (truth, predicted, count) in errors.into_iter().take(n) {
            let share = 100.0 * count as f64 / totals[truth] as f64;
            table.row([
                classes.name(truth),
                classes.name(predicted),
                grouped(count),
                format!("{share:.0} %"),
            ]);
        }
        table
    }

    /// Which classes are built zones; None if some class is not a zone.
    pub(crate) fn built(&self) -> Option<Vec<bool>> {
        (0..self.classes.len()).map(|k| self.classes.zone(k).map(Zone::is_built)).collect()
    }
}
