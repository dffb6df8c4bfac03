//! Conventions: the same predictions under the rules of different papers and libraries, since a number in a
//! table can only be compared with one of the same rule.

use serde::Serialize;

use super::{LDL_BINS, Predicted, Reference, ScorecardSettings, check, check_settings};
use crate::calibration::{
    Bins, Reliability, SmoothCalibration, adaptive_calibration_error, classwise_calibration_error,
    sce_as_in_ldl_paper,
};
use crate::metrics::{ClassSet, ConfusionMatrix, Floor, Similarity, brier_loss, cross_entropy_loss};
use crate::{Labels, Probabilities, Result};

/// One measure under one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Convention {
    /// The measure's name in papers.
    pub measure: &'static str,
    /// Its value under this rule.
    pub value: f64,
    /// The rule.
    pub rule: String,
    /// Who uses it.
    pub used_by: &'static str,
    /// Why it differs from the rule of this crate; none for that rule itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differs: Option<&'static str>,
}

/// Measure, rule, who uses it, and why it differs from the first rule of its measure, which is that of this crate.
#[rustfmt::skip]
const RULES: [[&str; 4]; 33] = [
    ["AA", "mean recall over classes in the reference", "scikit-learn balanced_accuracy_score", ""],
    ["AA", "mean recall over classes in reference or prediction", "scikit-learn recall_score(average='macro')", "a class that is only predicted counts as 0"],
    ["AA", "mean recall over all classes of the list", "code that sums K recalls and divides by K", "a class that occurs nowhere counts as 0"],
    ["AA", "macro precision", "'maa' of the label distribution paper's code", "precision, not recall"],
    ["macro F1", "mean F1 over classes in reference or prediction", "scikit-learn f1_score(average='macro')", ""],
    ["macro F1", "mean F1 over all classes of the list", "scikit-learn with labels=range(K)", "a class that occurs nowhere counts as 0"],
    ["macro F1", "F1 of macro precision and macro recall", "some papers", "the mean of ratios is not the ratio of means"],
    ["macro F1", "mean F1, weighted by reference samples", "scikit-learn f1_score(average='weighted')", "frequent classes count more"],
    ["OA_u", "trace / sum of the block of built zones, rows and columns", "WUDAPT, the LCZ Generator", ""],
    ["OA_u", "right / all samples whose reference is built", "code that restricts the rows only", "built zones taken for natural ones count as errors"],
    ["OA_bu", "2 x 2: built against natural zones", "Bechtel et al. (2017)", ""],
    ["OA_bu", "without LCZ E; of natural zones the diagonal only", "open code of the LCZ Generator's author", "errors among natural zones and all of E are left out"],
    ["OA_w", "published similarities, two decimals", "Bechtel, Demuzere & Stewart (2020)", ""],
    ["OA_w", "similarities in exact twelfths", "code that computes them", "the published weights are rounded"],
    ["kappa_w", "published similarities, two decimals", "Bechtel, Demuzere & Stewart (2020)", ""],
    ["kappa_w", "similarities in exact twelfths", "code that computes them", "the published weights are rounded"],
    ["ECE", "{bins} bins (lower, upper] of equal width", "Guo et al. (2017)", ""],
    ["ECE", "{bins} bins [lower, upper) of equal width", "torchmetrics, netcal", "a confidence on an edge falls into the bin above"],
    ["ECE", "10 bins of equal width", "papers with another number of bins", "more bins, more noise"],
    ["ECE", "15 bins of equal width", "papers with another number of bins", "more bins, more noise"],
    ["ECE", "20 bins of equal width", "papers with another number of bins", "more bins, more noise"],
    ["ECE", "{bins} bins of equal mass (AdaECE)", "Nguyen & O'Connor (2015), Mukhoti et al. (2020)", "bins are narrow where confidences are dense"],
    ["ECE", "plain mean over the bins that hold samples ('ACE', {bins} bins)", "Neumann et al. (2018)", "a bin of one sample counts as much as any other"],
    ["smooth ECE", "no bins, kernel as wide as the error", "relplot, Blasiok & Nakkiran (2023)", ""],
    ["classwise ECE", "each class against the rest, {bins} bins, mean over K", "Kull et al. (2019); the static error of Nixon et al. (2019)", ""],
    ["classwise ECE", "{bins} bins of equal mass per class ('ACE')", "Nixon et al. (2019)", "bins are narrow where probabilities are dense"],
    ["classwise ECE", "20 bins of the top confidence, split by the true class ('SCE')", "the label distribution paper's code", "splitting by the truth looks ahead: not 0 for a calibrated classifier"],
    ["CE", "probabilities clipped at 2^-52", "scikit-learn log_loss", ""],
    ["CE", "probabilities clipped at 1e-7", "Keras", "an impossible class costs 16 nats, not 36"],
    ["CE", "not clipped", "by definition", "infinite where an impossible class occurs"],
    ["Brier", "sum over classes, 0 to 2", "Brier (1950)", ""],
    ["Brier", "half of the sum, 0 to 1", "scikit-learn brier_score_loss(scale_by_half)", "halved"],
    ["Brier", "mean over classes", "mean squared error of one-hot labels", "divided by K"],
];

/// The same predictions under each rule that is known to be in use.
///
/// # Errors
/// As [`Scorecard::compute`](super::Scorecard::compute).
///
/// ```
/// use lcz::scorecard::{Predicted, Reference, ScorecardSettings, conventions};
/// use lcz::{Classes, Labels};
/// let classes = Classes::named(["forest", "river", "road"])?;
/// let truth = Labels::new(classes.clone(), vec![0, 0, 1, 1])?;
/// let guess = Labels::new(classes, vec![0, 0, 1, 2])?;
/// let card = conventions(Predicted::Classes(&guess), Reference::new(&truth), ScorecardSettings::default())?;
/// let averages: Vec<f64> = card.iter().filter(|row| row.measure == "AA").map(|row| row.value).collect();
/// assert_eq!(averages[0], 0.75); // the mean recall over forest and river
/// assert_eq!(averages[1], 0.5); // and over road too, which is in no reference
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn conventions(
    predicted: Predicted<'_>,
    reference: Reference<'_>,
    settings: ScorecardSettings,
) -> Result<Vec<Convention>> {
    check_settings(&settings)?;
    check(predicted, reference)?;
    let labels = reference.labels;
    let (guess, confidence, p) = match predicted {
        Predicted::Classes(guess) => (guess.clone(), None, None),
        Predicted::Confidences(guess, confidence) => (guess.clone(), Some(confidence.to_vec()), None),
        Predicted::Probabilities(p) => (p.predicted(), Some(p.confidence()), Some(p)),
    };
    let confusion = ConfusionMatrix::from_labels(labels, &guess)?;
    let mut values = accuracies(&confusion).map(Some).to_vec();
    values.extend(zones(&confusion)?);
    let top = confidence.map(|confidence| top_label(&confidence, labels, &guess, settings.bins));
    values.extend(top.transpose()?.unwrap_or_default());
    let of_p = p.map(|p| probabilities(p, labels, &settings));
    values.extend(of_p.transpose()?.unwrap_or_default().map(|value| p.and(Some(value))));
    let rule = |rule: &str| rule.replace("{bins}", &settings.bins.to_string());
    let of = |([measure, text, used_by, differs], value): ([&'static str; 4], Option<f64>)| {
        let differs = (!differs.is_empty()).then_some(differs);
        Some(Convention { measure, value: value?, rule: rule(text), used_by, differs })
    };
    Ok(RULES.into_iter().zip(values).filter_map(of).collect())
}

// Each of these gives its values in the order of the rules.

fn accuracies(confusion: &ConfusionMatrix) -> [f64; 8] {
    let present = ClassSet::Present;
    let (precision, recall) =
        (confusion.macro_precision_score(present), confusion.macro_recall_score(present));
    [
        confusion.average_accuracy_score(),
        recall,
        confusion.macro_recall_score(ClassSet::All),
        confusion.maa_as_in_ldl_paper(),
        confusion.macro_f1_score(present),
        confusion.macro_f1_score(ClassSet::All),
        2.0 * precision * recall / (precision + recall),
        confusion.weighted_f1_score(),
    ]
}

fn zones(confusion: &ConfusionMatrix) -> Result<[Option<f64>; 8]> {
    let classes = confusion.classes();
    let (Some(published), Some(exact)) =
        (Similarity::published(classes), Similarity::exact_of_zones(classes))
    else {
        return Ok([None; 8]);
    };
    Ok([
        confusion.built_accuracy_score(),
        confusion.built_recall_score(),
        confusion.built_or_natural_accuracy_score(),
        Some(built_as_in_generator(confusion)),
        Some(confusion.weighted_accuracy_score(&published)?),
        Some(confusion.weighted_accuracy_score(&exact)?),
        Some(confusion.weighted_kappa_score(&published)?),
        Some(confusion.weighted_kappa_score(&exact)?),
    ])
}

/// Built block and natural diagonal without E, over these and all confusions of built and natural without E.
fn built_as_in_generator(confusion: &ConfusionMatrix) -> f64 {
    let classes = confusion.classes();
    let (mut right, mut all) = (0, 0);
    for ((i, j), &count) in confusion.counts().indexed_iter() {
        let (Some(a), Some(b)) = (classes.zone(i), classes.zone(j)) else { continue };
        if a.code() == "E" || b.code() == "E" {
            continue;
        }
        let counts = (a.is_built() && b.is_built()) || i == j;
        right += if counts { count } else { 0 };
        all += if counts || a.is_built() != b.is_built() { count } else { 0 };
    }
    right as f64 / all as f64
}

fn top_label(confidence: &[f64], labels: &Labels, guess: &Labels, bins: usize) -> Result<[Option<f64>; 8]> {
    let pairs = labels.indices().iter().zip(guess.indices());
    let right: Vec<bool> = pairs.map(|(y, k)| y == k).collect();
    let of = |bins| Reliability::from_pairs(confidence, &right, bins);
    let ece = |bins| of(bins).map(|reliability| Some(reliability.expected_calibration_error()));
    let other = |other| if other == bins { Ok(None) } else { ece(Bins::EqualWidth(other)) };
    let outcomes: Vec<f64> = right.iter().map(|&right| f64::from(u8::from(right))).collect();
    Ok([
        ece(Bins::EqualWidth(bins))?,
        Some(ece_closed_below(confidence, &right, bins)),
        other(10)?,
        other(15)?,
        other(20)?,
        ece(Bins::EqualMass(bins))?,
        Some(of(Bins::EqualWidth(bins))?.average_calibration_error()),
        Some(SmoothCalibration::compute(confidence, &outcomes)?.error),
    ])
}

fn ece_closed_below(confidence: &[f64], right: &[bool], bins: usize) -> f64 {
    let mut gaps = vec![0.0; bins];
    for (&c, &right) in confidence.iter().zip(right) {
        let bin = ((c * bins as f64).floor() as usize).min(bins - 1);
        gaps[bin] += f64::from(u8::from(right)) - c;
    }
    gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / confidence.len() as f64
}

fn probabilities(p: &Probabilities, labels: &Labels, settings: &ScorecardSettings) -> Result<[f64; 9]> {
    let clipped = |floor| cross_entropy_loss(p, labels, floor);
    let brier = brier_loss(p, labels)?;
    Ok([
        classwise_calibration_error(p, labels, Bins::EqualWidth(settings.bins))?,
        adaptive_calibration_error(p, labels, settings.bins)?,
        sce_as_in_ldl_paper(p, labels, LDL_BINS)?,
        clipped(Floor::SCIKIT_LEARN)?,
        clipped(Floor::new(1e-7)?)?,
        clipped(Floor::NONE)?,
        brier,
        brier / 2.0,
        brier / p.classes().len() as f64,
    ])
}
