//! The convention card: the same predictions under the rules of different papers and libraries, since a number in a
//! table can only be compared with another one of the same rule.

use serde::Serialize;

use super::{Measure, Predicted, Reference, ScorecardSettings, check, check_settings};
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

/// The same predictions under each rule that is known to be in use.
///
/// # Errors
/// As [`Scorecard::of`](super::Scorecard::of).
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
    let confusion = ConfusionMatrix::of(labels, &guess)?;
    let mut card = Card(Vec::new());
    accuracies(&mut card, &confusion);
    zones(&mut card, &confusion)?;
    if let Some(confidence) = &confidence {
        top_label(&mut card, confidence, labels, &guess, settings.bins)?;
    }
    if let Some(p) = p {
        probabilities(&mut card, p, labels, &settings)?;
    }
    Ok(card.0)
}

struct Card(Vec<Convention>);

impl Card {
    fn ours(&mut self, measure: Measure, value: f64, rule: impl Into<String>, used_by: &'static str) {
        let rule = rule.into();
        self.0.push(Convention { measure: measure.short_name(), value, rule, used_by, differs: None });
    }

    fn other(
        &mut self,
        measure: &'static str,
        value: f64,
        rule: impl Into<String>,
        used_by: &'static str,
        differs: &'static str,
    ) {
        self.0.push(Convention { measure, value, rule: rule.into(), used_by, differs: Some(differs) });
    }
}

fn accuracies(card: &mut Card, confusion: &ConfusionMatrix) {
    let all = ClassSet::All;
    card.ours(
        Measure::AverageAccuracy,
        confusion.average_accuracy_score(),
        "mean recall over classes in the reference",
        "scikit-learn balanced_accuracy_score",
    );
    card.other(
        "AA",
        confusion.macro_recall_score(ClassSet::Present),
        "mean recall over classes in reference or prediction",
        "scikit-learn recall_score(average='macro')",
        "a class that is only predicted counts as 0",
    );
    card.other(
        "AA",
        confusion.macro_recall_score(all),
        "mean recall over all classes of the list",
        "code that sums K recalls and divides by K",
        "a class that occurs nowhere counts as 0",
    );
    card.other(
        "AA",
        confusion.maa_as_in_ldl_paper(),
        "macro precision",
        "'maa' of the label distribution paper's code",
        "precision, not recall",
    );
    card.ours(
        Measure::MacroF1,
        confusion.macro_f1_score(ClassSet::Present),
        "mean F1 over classes in reference or prediction",
        "scikit-learn f1_score(average='macro')",
    );
    card.other(
        "macro F1",
        confusion.macro_f1_score(all),
        "mean F1 over all classes of the list",
        "scikit-learn with labels=range(K)",
        "a class that occurs nowhere counts as 0",
    );
    let (precision, recall) =
        (confusion.macro_precision_score(ClassSet::Present), confusion.macro_recall_score(ClassSet::Present));
    card.other(
        "macro F1",
        2.0 * precision * recall / (precision + recall),
        "F1 of macro precision and macro recall",
        "some papers",
        "the mean of ratios is not the ratio of means",
    );
    card.other(
        "macro F1",
        confusion.weighted_f1_score(),
        "mean F1, weighted by reference samples",
        "scikit-learn f1_score(average='weighted')",
        "frequent classes count more",
    );
}

fn zones(card: &mut Card, confusion: &ConfusionMatrix) -> Result<()> {
    let (Some(published), Some(exact)) =
        (Similarity::of_zones(confusion.classes()), Similarity::exact_of_zones(confusion.classes()))
    else {
        return Ok(());
    };
    let of = |value: Option<f64>| value.unwrap_or(f64::NAN);
    card.ours(
        Measure::BuiltAccuracy,
        of(confusion.built_accuracy_score()),
        "trace / sum of the block of built zones, rows and columns",
        "WUDAPT, the LCZ Generator",
    );
    card.other(
        "OA_u",
        of(confusion.built_recall_score()),
        "right / all samples whose reference is built",
        "code that restricts the rows only",
        "built zones taken for natural ones count as errors",
    );
    card.ours(
        Measure::BuiltOrNaturalAccuracy,
        of(confusion.built_or_natural_accuracy_score()),
        "2 x 2: built against natural zones",
        "Bechtel et al. (2017)",
    );
    card.other(
        "OA_bu",
        built_as_in_generator(confusion),
        "without LCZ E; of natural zones the diagonal only",
        "open code of the LCZ Generator's author",
        "errors among natural zones and all of E are left out",
    );
    card.ours(
        Measure::WeightedAccuracy,
        confusion.weighted_accuracy_score(&published)?,
        "published similarities, two decimals",
        "Bechtel, Demuzere & Stewart (2020)",
    );
    card.other(
        "OA_w",
        confusion.weighted_accuracy_score(&exact)?,
        "similarities in exact twelfths",
        "code that computes them",
        "the published weights are rounded",
    );
    card.ours(
        Measure::WeightedKappa,
        confusion.weighted_kappa_score(&published)?,
        "published similarities, two decimals",
        "Bechtel, Demuzere & Stewart (2020)",
    );
    card.other(
        "kappa_w",
        confusion.weighted_kappa_score(&exact)?,
        "similarities in exact twelfths",
        "code that computes them",
        "the published weights are rounded",
    );
    Ok(())
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

fn top_label(
    card: &mut Card,
    confidence: &[f64],
    labels: &Labels,
    guess: &Labels,
    bins: usize,
) -> Result<()> {
    let pairs = labels.indices().iter().zip(guess.indices());
    let right: Vec<bool> = pairs.map(|(y, k)| y == k).collect();
    let of = |bins| Reliability::of_pairs(confidence, &right, bins);
    let reliability = of(Bins::EqualWidth(bins))?;
    card.ours(
        Measure::ExpectedCalibrationError,
        reliability.expected_calibration_error(),
        format!("{bins} bins (lower, upper] of equal width"),
        "Guo et al. (2017)",
    );
    card.other(
        "ECE",
        ece_closed_below(confidence, &right, bins),
        format!("{bins} bins [lower, upper) of equal width"),
        "torchmetrics, netcal",
        "a confidence on an edge falls into the bin above",
    );
    for other in [10, 15, 20].into_iter().filter(|other| *other != bins) {
        card.other(
            "ECE",
            of(Bins::EqualWidth(other))?.expected_calibration_error(),
            format!("{other} bins of equal width"),
            "papers with another number of bins",
            "more bins, more noise",
        );
    }
    card.other(
        "ECE",
        of(Bins::EqualMass(bins))?.expected_calibration_error(),
        format!("{bins} bins of equal mass (AdaECE)"),
        "Nguyen & O'Connor (2015), Mukhoti et al. (2020)",
        "bins are narrow where confidences are dense",
    );
    card.other(
        "ECE",
        reliability.average_calibration_error(),
        format!("plain mean over the bins that hold samples ('ACE', {bins} bins)"),
        "Neumann et al. (2018)",
        "a bin of one sample counts as much as any other",
    );
    let right: Vec<f64> = right.iter().map(|&right| f64::from(u8::from(right))).collect();
    card.ours(
        Measure::SmoothCalibrationError,
        SmoothCalibration::of(confidence, &right)?.error,
        "no bins, kernel as wide as the error",
        "relplot, Blasiok & Nakkiran (2023)",
    );
    Ok(())
}

fn ece_closed_below(confidence: &[f64], right: &[bool], bins: usize) -> f64 {
    let mut gaps = vec![0.0; bins];
    for (&c, &right) in confidence.iter().zip(right) {
        let bin = ((c * bins as f64).floor() as usize).min(bins - 1);
        gaps[bin] += f64::from(u8::from(right)) - c;
    }
    gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / confidence.len() as f64
}

fn probabilities(
    card: &mut Card,
    p: &Probabilities,
    labels: &Labels,
    settings: &ScorecardSettings,
) -> Result<()> {
    let bins = settings.bins;
    card.ours(
        Measure::ClasswiseCalibrationError,
        classwise_calibration_error(p, labels, Bins::EqualWidth(bins))?,
        format!("each class against the rest, {bins} bins, mean over K"),
        "Kull et al. (2019); the static error of Nixon et al. (2019)",
    );
    card.other(
        "classwise ECE",
        adaptive_calibration_error(p, labels, bins)?,
        format!("{bins} bins of equal mass per class ('ACE')"),
        "Nixon et al. (2019)",
        "bins are narrow where probabilities are dense",
    );
    card.other(
        "classwise ECE",
        sce_as_in_ldl_paper(p, labels, settings.sce_bins)?,
        format!("{} bins of the top confidence, split by the true class ('SCE')", settings.sce_bins),
        "the label distribution paper's code",
        "splitting by the truth looks ahead: not 0 for a calibrated classifier",
    );
    let clipped = |floor| cross_entropy_loss(p, labels, floor);
    card.ours(
        Measure::CrossEntropy,
        clipped(Floor::SCIKIT_LEARN)?,
        "probabilities clipped at 2^-52",
        "scikit-learn log_loss",
    );
    card.other(
        "CE",
        clipped(Floor::new(1e-7)?)?,
        "probabilities clipped at 1e-7",
        "Keras",
        "an impossible class costs 16 nats, not 36",
    );
    card.other(
        "CE",
        clipped(Floor::NONE)?,
        "not clipped",
        "by definition",
        "infinite where an impossible class occurs",
    );
    let brier = brier_loss(p, labels)?;
    let k = p.classes().len() as f64;
    card.ours(Measure::Brier, brier, "sum over classes, 0 to 2", "Brier (1950)");
    card.other(
        "Brier",
        brier / 2.0,
        "half of the sum, 0 to 1",
        "scikit-learn brier_score_loss(scale_by_half)",
        "halved",
    );
    card.other(
        "Brier",
        brier / k,
        "mean over classes",
        "mean squared error of one-hot labels",
        "divided by K",
    );
    Ok(())
}
