//! The evaluation table: each measure of a classifier, with an interval that is valid for it or none.
//!
//! - **Intervals** (`benches/coverage.rs` measures their coverage): Clopper–Pearson for shares of
//!   independent samples, the delta method for other smooth measures, cluster-robust t with groups
//!   ([`metrics::Influence`](crate::metrics::Influence)).
//! - **Calibration errors** grow with noise, and bootstrap intervals of them are not valid. Next to their
//!   value stands what a calibrated classifier with the same predictions would show ([`IfCalibrated`]), and
//!   next to the ECE the [debiased squared error](crate::calibration::DebiasedError) with an interval.
//! - **Where experts disagree**, calibration to the majority class is not meaningful (Baan, Aziz, Plank &
//!   Fernández 2022, *Stop Measuring Calibration When Humans Disagree*): with votes, the measures against votes
//!   come first.
//! - **Estimated human performance** ([`Experts`]): what other experts would reach on the same samples.
//!
//! Predictions may be classes only, classes with a confidence, or probabilities: the table holds what can
//! be computed of them ([`Predicted`]).

mod calibrated;
mod conventions;
mod experts;
mod samples;
mod sets;

use std::fmt;

use serde::{Serialize, Serializer};

pub use crate::metrics::{Interval, IntervalMethod};
pub use calibrated::IfCalibrated;
pub use conventions::{Convention, conventions};
pub use experts::Experts;

use crate::calibration::DebiasedError;
use crate::metrics::{Influence, NoInterval, check_samples, t_quantile};
use crate::progress::Silent;
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result, Votes};
use calibrated::{BINNED, Binned, DISTANCES};
use experts::Panels;
use samples::Samples;

/// The measures: description and short heading of each.
macro_rules! measures {
    ($($(#[$doc:meta])* $name:ident = $heading:literal,)*) => {
        /// A measure of the table, in its order.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "kebab-case")]
        #[non_exhaustive]
        pub enum Measure {
            $($(#[$doc])* $name,)*
        }

        impl Measure {
            /// All, in the table's order.
            pub const ALL: [Self; [$($heading),*].len()] = [$(Self::$name),*];

            /// A heading of a few letters.
            pub fn short_name(self) -> &'static str {
                match self {
                    $(Self::$name => $heading,)*
                }
            }
        }
    };
}

measures! {
    /// Distribution-ECE: calibration to the share of the experts who agree.
    DistributionCalibrationError = "ECE votes",
    /// "DistCE" (Baan et al. 2022): mean total variation `½ Σ_k |p_k − y_k|` to the vote shares.
    TotalVariation = "DistCE",
    /// "EntCE" (Baan et al. 2022): mean `|H(p) − H(y)|`, in nats.
    EntropyCalibrationError = "EntCE",
    /// Mean `H(p) − H(y)`, in nats: above 0 the classifier is less certain than the experts.
    EntropyBias = "EntCE, signed",
    /// Share of samples whose classes p ranks as the votes do; classes with equal votes may come in any order.
    RankingAgreement = "ranking agreement",
    /// Mean `Σ_k min(p_k, y_k)` = 1 − DistCE.
    SoftAccuracy = "soft accuracy",
    /// KL(y‖p), in nats.
    KlDivergence = "KL votes",
    /// Jensen–Shannon divergence to the vote shares, in nats, at most ln 2.
    JensenShannon = "JS votes",
    /// Cross-entropy against the experts' vote shares, in nats.
    DistributionalCrossEntropy = "CE votes",
    /// OA.
    OverallAccuracy = "OA",
    /// AA, the mean recall over classes present in the reference.
    AverageAccuracy = "AA",
    /// Cohen's κ.
    Kappa = "kappa",
    /// F1, the mean over classes present in reference or prediction.
    MacroF1 = "macro F1",
    /// `OA_u`: OA of the block of built zones, as published (Bechtel et al. 2017).
    BuiltAccuracy = "OA_u",
    /// `OA_bu`: built zones against natural ones.
    BuiltOrNaturalAccuracy = "OA_bu",
    /// `OA_w`, with the published similarities (Bechtel, Demuzere & Stewart 2020).
    WeightedAccuracy = "OA_w",
    /// `κ_w`, with the same weights.
    WeightedKappa = "kappa_w",
    /// Cross-entropy against the one class, in nats.
    CrossEntropy = "CE",
    /// Brier's loss against the one class, 0–2.
    Brier = "Brier",
    /// ECE of the predicted class.
    ExpectedCalibrationError = "ECE",
    /// Smooth ECE of the predicted class, without bins (Błasiok & Nakkiran 2023).
    SmoothCalibrationError = "smooth ECE",
    /// MCE of the predicted class, over bins that hold samples.
    MaximumCalibrationError = "MCE",
    /// Classwise ECE.
    ClasswiseCalibrationError = "classwise ECE",
    /// "SCE" as the label distribution paper's code has it.
    SceAsInLdlPaper = "SCE (LDL paper)",
    /// AURC: the mean error rate of keeping the most certain 1, 2, … N predictions (Geifman et al. 2019).
    AreaUnderRiskCoverage = "AURC",
    /// Share of conformal sets (LAC, nominal coverage 90 %) that contain the true class; halves of the samples or of whole groups are
    /// calibrated on each other.
    ConformalCoverage = "coverage at 90 %",
    /// Mean number of classes in these sets.
    ConformalSize = "set size at 90 %",
}

impl fmt::Display for Measure {
    /// The heading of a few letters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.short_name())
    }
}

impl Measure {
    /// Whether higher is better.
    pub fn is_score(self) -> bool {
        matches!(
            self,
            Self::RankingAgreement
                | Self::SoftAccuracy
                | Self::OverallAccuracy
                | Self::AverageAccuracy
                | Self::Kappa
                | Self::MacroF1
                | Self::BuiltAccuracy
                | Self::BuiltOrNaturalAccuracy
                | Self::WeightedAccuracy
                | Self::WeightedKappa
                | Self::ConformalCoverage
        )
    }
}

/// The available predictions of a classifier.
#[derive(Debug, Clone, Copy)]
pub enum Predicted<'a> {
    /// Classes only: OA, AA, kappa.
    Classes(&'a Labels),
    /// The classes, and the confidence in each (N numbers from 0 to 1): the calibration of the predicted class
    /// too. The confidence need not be that of probabilities: an ensemble's mean of maxima will do.
    Confidences(&'a Labels, &'a [f64]),
    /// Probabilities: everything.
    Probabilities(&'a Probabilities),
}

/// The reference of predictions.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    labels: &'a Labels,
    distributions: Option<&'a LabelDistributions>,
    votes: Option<&'a Votes>,
    groups: Option<&'a [i32]>,
}

impl<'a> Reference<'a> {
    /// One class per sample.
    pub fn new(labels: &'a Labels) -> Self {
        Self { labels, distributions: None, votes: None, groups: None }
    }

    /// With the references that are available.
    pub(crate) fn of(
        labels: &'a Labels,
        votes: Option<&'a Votes>,
        distributions: Option<&'a LabelDistributions>,
        groups: Option<&'a [i32]>,
    ) -> Self {
        Self { labels, distributions, votes, groups }
    }

    /// The experts' votes on the same samples too: measures against votes, and estimated human performance.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// use lcz::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
    /// use lcz::{Classes, Probabilities, Votes};
    /// let votes = Votes::new(Classes::named(["forest", "river"])?, ndarray::array![[9.0, 1.0], [2.0, 8.0], [4.0, 6.0]])?;
    /// let labels = votes.majority(None)?;
    /// let p = Probabilities::new(labels.classes().clone(), ndarray::array![[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])?;
    /// let (predicted, reference) = (Predicted::Probabilities(&p), Reference::new(&labels).with_votes(&votes));
    /// let card = Scorecard::compute(predicted, reference, ScorecardSettings { panels: 10, ..ScorecardSettings::default() })?;
    /// let distance = card.row(Measure::TotalVariation).map(|row| row.value);
    /// assert!(distance.is_some_and(|distance| distance < 1e-9)); // p are the shares of the votes
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_votes(self, votes: &'a Votes) -> Self {
        Self { votes: Some(votes), ..self }
    }

    /// Label distributions where the votes behind them are not known: measures against them.
    #[must_use]
    pub fn with_distributions(self, distributions: &'a LabelDistributions) -> Self {
        Self { distributions: Some(distributions), ..self }
    }

    /// The city or polygon of each sample. Intervals are then those of independent groups.
    #[must_use]
    pub fn with_groups(self, groups: &'a [i32]) -> Self {
        Self { groups: Some(groups), ..self }
    }
}

/// Number of bins of equal width, of calibration errors and of reliability diagrams, unless another one is chosen.
pub const BINS: usize = 15;

/// Bins of the label distribution paper's SCE, always.
pub(crate) const LDL_BINS: usize = 20;

/// Settings of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScorecardSettings {
    /// Bins of equal width of the calibration errors (default 15).
    pub bins: usize,
    /// Resampling rounds for `if_calibrated` (1,000); 0 for none.
    #[serde(rename = "bootstrap", alias = "rounds")]
    pub rounds: usize,
    /// Confidence level of the intervals (0.95).
    pub level: f64,
    /// Votes per sample of the new panels of experts; None, the default, for the median of the votes given.
    pub panel: Option<usize>,
    /// Panels that estimated human performance is the mean of (200); 0 for none.
    pub panels: usize,
    /// Random seed (0). The same seed gives the same bits at any number of threads.
    pub seed: u64,
}

impl Default for ScorecardSettings {
    fn default() -> Self {
        Self { bins: BINS, rounds: 1000, level: 0.95, panel: None, panels: 200, seed: 0 }
    }
}

/// The evaluation table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scorecard {
    /// How many samples, N.
    pub samples: usize,
    /// How many groups, where samples have groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// How it was made.
    pub settings: ScorecardSettings,
    /// Warnings about the numbers.
    pub warnings: Vec<String>,
    /// Statistics of the experts; none without votes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<Experts>,
    /// A row for each measure that these predictions and labels allow.
    pub rows: Vec<ScorecardRow>,
}

/// One measure of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScorecardRow {
    /// Which.
    pub measure: Measure,
    /// Its value; NaN (`null` in JSON) where it is not defined.
    pub value: f64,
    /// Where a valid interval is known.
    pub interval: Option<Interval>,
    /// Why there is no interval.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub why: Option<NoInterval>,
    /// What a calibrated classifier with the same predictions would show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_calibrated: Option<IfCalibrated>,
    /// The squared error without the bias of noise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub debiased: Option<DebiasedError>,
    /// Had the same experts voted again: of measures that are linear in the votes, the samples staying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes_interval: Option<Interval>,
    /// What the majority of other experts would reach ([`Experts`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub experts: Option<f64>,
}

/// A value with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimated {
    /// The estimate.
    pub value: f64,
    /// Where a valid interval is known.
    pub interval: Option<Interval>,
}

// serde hands the field over by reference.
#[allow(clippy::ref_option, clippy::trivially_copy_pass_by_ref)]
fn as_text<S: Serializer>(why: &Option<NoInterval>, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    why.map(|why| why.to_string()).serialize(serializer)
}

impl ScorecardRow {
    /// A value with nothing around it.
    pub(crate) fn bare(measure: Measure, value: f64) -> Self {
        let (interval, if_calibrated, debiased, votes_interval) = (None, None, None, None);
        Self { measure, value, interval, why: None, if_calibrated, debiased, votes_interval, experts: None }
    }
}

impl Scorecard {
    /// Evaluates predictions.
    ///
    /// **Estimated human performance** ([`Experts`]) fits a [`VoteModel`](crate::labels::VoteModel) to the votes,
    /// draws new panels of experts for each sample, and compares their majority (a tie is drawn at random) with
    /// the same reference as the classifier. It is an estimate without an interval: in simulations its OA is off by
    /// up to 0.01 with 11 votes per sample, 0.03 with 5 and 0.04 with 3 (`benches/coverage.rs`). One expert against the others
    /// ([`Experts::leave_one_out`]) needs no model, is unbiased and has an interval.
    ///
    /// Cross-entropies are clipped as in [`Scores`](crate::metrics::Scores).
    ///
    /// # Shape
    /// N predictions, N labels, (N, K) votes or distributions, N groups → at most 27 rows.
    ///
    /// # Errors
    /// No sample, different lengths or class lists, a confidence outside 0–1 (names the row), no bin, no panel or
    /// one of more than 10,000, or a level outside 0–1.
    ///
    /// ```
    /// use lcz::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
    /// use lcz::{Classes, Labels, Probabilities};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = ndarray::Array2::from_shape_fn((100, 2), |(_, k)| [0.75, 0.25][k]);
    /// let p = Probabilities::new(classes.clone(), p)?;
    /// let labels = Labels::new(classes, (0..100).map(|n| n % 2).collect())?;
    /// let table = Scorecard::compute(Predicted::Probabilities(&p), Reference::new(&labels), ScorecardSettings::default())?;
    /// let ece = table.row(Measure::ExpectedCalibrationError).expect("of probabilities");
    /// assert!((ece.value - 0.25).abs() < 1e-12 && ece.interval.is_none());
    /// // A calibrated classifier would show far less, and the squared error is not 0.
    /// assert!(ece.if_calibrated.is_some_and(|calibrated| calibrated.upper < 0.25 && calibrated.p < 0.01));
    /// assert!(ece.debiased.is_some_and(|squared| squared.lower > 0.0));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn compute(
        predicted: Predicted<'_>,
        reference: Reference<'_>,
        settings: ScorecardSettings,
    ) -> Result<Self> {
        Self::with_progress(predicted, reference, settings, &mut Silent)
    }

    /// The same, reporting how many rounds are done.
    ///
    /// # Errors
    /// As [`compute`](Self::compute).
    pub fn with_progress(
        predicted: Predicted<'_>,
        reference: Reference<'_>,
        settings: ScorecardSettings,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        check_settings(&settings)?;
        check(predicted, reference)?;
        let of_votes = reference.votes.map(Votes::distributions);
        let y = of_votes.as_ref().or(reference.distributions);
        let samples = Samples::of(predicted, reference.labels, y, reference.groups, &settings);
        let confusion = samples.confusion();
        let level = settings.level;
        let mut warnings = samples::warnings(&samples, reference.votes);

        // A place for each measure, in their order; None where the inputs do not allow it.
        let mut rows: Vec<Option<ScorecardRow>> = Vec::new();
        for measure in Measure::ALL {
            rows.push(samples.estimate(measure, &confusion)?.map(|estimate| {
                let interval = samples.interval(measure, &estimate, &confusion, level);
                let row = ScorecardRow::bare(measure, estimate.value);
                ScorecardRow { interval: interval.ok(), why: interval.err(), ..row }
            }));
        }

        progress.begin("calibration", settings.rounds as u64);
        if let Some(binned) = Binned::of(&samples)? {
            let drawn = binned.if_calibrated(settings.seed, settings.rounds, progress);
            for ((measure, value), if_calibrated) in BINNED.into_iter().zip(binned.measured()).zip(drawn) {
                let Some(value) = value else { continue };
                let largest = measure == Measure::MaximumCalibrationError;
                let why = Some(if largest { NoInterval::Largest } else { NoInterval::Biased });
                let debiased = samples.debiased(measure, level)?;
                let row = ScorecardRow { why, if_calibrated, debiased, ..ScorecardRow::bare(measure, value) };
                rows[measure as usize] = Some(row);
            }
        }
        progress.end("");
        if let Predicted::Probabilities(p) = predicted {
            let of = sets::coverage_and_size(p, reference.labels, reference.groups, settings.seed)?;
            let why = Some(NoInterval::Calibrated);
            for (measure, value) in
                [Measure::ConformalCoverage, Measure::ConformalSize].into_iter().zip(of.into_iter().flatten())
            {
                rows[measure as usize] = Some(ScorecardRow { why, ..ScorecardRow::bare(measure, value) });
            }
        }
        let mut rows: Vec<ScorecardRow> = rows.into_iter().flatten().collect();
        if let Some(votes) = reference.votes.filter(|_| samples.p.is_some()) {
            let value =
                |measure| rows.iter().find(|row| row.measure == measure).map_or(f64::NAN, |row| row.value);
            let drawn = match settings.rounds {
                0 => None,
                _ => calibrated::votes_if_drawn(&samples, votes, DISTANCES.map(value), settings.seed),
            };
            for row in &mut rows {
                if let Some(at) = DISTANCES.iter().position(|measure| *measure == row.measure) {
                    row.if_calibrated = drawn.map(|drawn| drawn[at]);
                }
                if row.measure == Measure::DistributionalCrossEntropy {
                    row.votes_interval = samples.votes_interval(votes, row.value, level);
                }
            }
        }
        let mut experts = None;
        if let Some(votes) = reference.votes.filter(|_| settings.panels > 0) {
            match Panels::of(&samples, votes, settings.panels, settings.panel, settings.seed, level) {
                Ok(panels) => {
                    for row in &mut rows {
                        row.experts = panels.estimate(row.measure, &samples);
                    }
                    experts = Some(panels.experts);
                }
                Err(why) => warnings.push(format!("no estimate of human performance: {why}")),
            }
        }
        let groups = samples.groups.map(count_groups);
        Ok(Self { samples: samples.len(), groups, settings, warnings, experts, rows })
    }

    /// The row of a measure; None where these predictions do not allow it.
    pub fn row(&self, measure: Measure) -> Option<&ScorecardRow> {
        self.rows.iter().find(|row| row.measure == measure)
    }
}

impl fmt::Display for Scorecard {
    /// A line per measure: name, value, interval.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

impl fmt::Display for ScorecardRow {
    /// Name, value, interval.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { measure, value, interval, .. } = self;
        write!(f, "{measure:<20} {value:>8.4}")?;
        interval.map_or(Ok(()), |interval| write!(f, "  {interval}"))
    }
}

/// Each smooth measure with its influences: for the difference of two classifiers on the same samples.
///
/// # Errors
/// As [`Scorecard::compute`].
pub(crate) fn influences(
    predicted: Predicted<'_>,
    reference: Reference<'_>,
    measures: &[Measure],
) -> Result<Vec<Option<Influence>>> {
    check(predicted, reference)?;
    let of_votes = reference.votes.map(Votes::distributions);
    let y = of_votes.as_ref().or(reference.distributions);
    let settings = ScorecardSettings::default();
    let samples = Samples::of(predicted, reference.labels, y, reference.groups, &settings);
    let confusion = samples.confusion();
    let of = |&measure: &Measure| {
        Ok(samples.estimate(measure, &confusion)?.map(samples::Estimate::into_influence))
    };
    measures.iter().map(of).collect()
}

fn count_groups(groups: &[i32]) -> usize {
    let mut ids = groups.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

/// The interval of the debiased square is not known to cover with fewer samples.
const FEWEST_FOR_SQUARE: usize = 100;

impl Samples<'_> {
    /// The debiased squares of the ECE and of the ECE against votes, of independent samples.
    fn debiased(&self, measure: Measure, level: f64) -> Result<Option<DebiasedError>> {
        let outcome = match measure {
            Measure::ExpectedCalibrationError => Some(self.right()),
            Measure::DistributionCalibrationError => self.agreement(),
            _ => None,
        };
        match (&self.confidence, outcome) {
            (Some(confidence), Some(outcome)) if self.groups.is_none() && self.len() >= FEWEST_FOR_SQUARE => {
                DebiasedError::compute(confidence, &outcome, self.bins, level).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The interval of the cross-entropy against votes had the experts voted again: it is linear in the votes, so
    /// that its variance is that of the votes.
    fn votes_interval(&self, votes: &Votes, value: f64, level: f64) -> Option<Interval> {
        let (p, y) = (self.p.as_ref()?, self.y.as_ref()?);
        let mut variance = 0.0;
        for ((row, y), counts) in p.outer_iter().zip(y.outer_iter()).zip(votes.counts().outer_iter()) {
            let experts = f64::from(counts.sum());
            if experts < 2.0 {
                return None;
            }
            let losses =
                row.iter().zip(y).map(|(&p, &y)| (crate::metrics::Floor::SCIKIT_LEARN.raise(p).ln(), y));
            let (mean, square) = losses.fold((0.0, 0.0), |(m, s), (l, y)| (m + y * l, s + y * l * l));
            variance += (square - mean * mean).max(0.0) / (experts - 1.0);
        }
        let half = t_quantile(0.5 + level / 2.0, 1e6) * variance.sqrt() / self.len() as f64;
        (half > 0.0).then_some(Interval {
            lower: value - half,
            upper: value + half,
            method: IntervalMethod::Delta,
        })
    }
}

/// Of a new panel: no more can be worth their time.
const MOST_EXPERTS: usize = 10_000;

fn check_settings(settings: &ScorecardSettings) -> Result<()> {
    let refuse = |setting: &str, got: String, advice: &str| Err(Error::input(setting, got, advice));
    if settings.bins == 0 {
        return refuse("bins", "0".to_owned(), "choose at least one, such as 15");
    }
    if !(settings.level > 0.0 && settings.level < 1.0) {
        return refuse(
            "level of the intervals",
            format!("{}", settings.level),
            "choose between 0 and 1, such as 0.95",
        );
    }
    if let Some(panel) = settings.panel.filter(|panel| !(1..=MOST_EXPERTS).contains(panel)) {
        return refuse("panel", format!("{panel} experts"), "choose 1 to 10,000; 10 are usual");
    }
    Ok(())
}

fn check(predicted: Predicted<'_>, reference: Reference<'_>) -> Result<()> {
    let labels = reference.labels;
    let (samples, classes) = match predicted {
        Predicted::Classes(classes) | Predicted::Confidences(classes, _) => {
            (classes.len(), classes.classes())
        }
        Predicted::Probabilities(p) => (p.len(), p.classes()),
    };
    check_samples((samples, classes), (labels.len(), labels.classes()))?;
    let confidences = match predicted {
        Predicted::Confidences(_, confidence) => Some((confidence.len(), classes)),
        _ => None,
    };
    for (what, given) in [
        ("confidences", confidences),
        ("label distributions", reference.distributions.map(|y| (y.len(), y.classes()))),
        ("rows of votes", reference.votes.map(|votes| (votes.counts().nrows(), votes.classes()))),
        ("groups", reference.groups.map(|groups| (groups.len(), classes))),
    ] {
        if let Some((count, _)) = given.filter(|given| *given != (samples, classes)) {
            let problem = format!("{count} {what}, {samples} predictions, or other classes");
            return Err(Error::input("scores", problem, "give both of the same samples"));
        }
    }
    Ok(())
}
