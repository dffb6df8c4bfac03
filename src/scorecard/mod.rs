//! The evaluation table: each measure of a classifier with its interval, and what people would reach.
//!
//! A score on a test set is an estimate. [`Scorecard`] gives each of them a percentile bootstrap interval
//! (Efron & Tibshirani 1993, ch. 13), from drawing the samples anew, or whole groups of them (cities,
//! polygons) where neighbours are alike; a second interval from drawing the experts' votes anew; and the
//! **human ceiling**, what a second panel of experts would score if it were the classifier.
//!
//! Predictions may be classes alone, classes with a confidence, or probabilities: the table holds what can
//! be computed of them ([`Predicted`]).

mod resampling;
mod statistics;

use serde::Serialize;

use crate::calibration::Bins;
use crate::metrics::check_samples;
pub use crate::metrics::{Interval, IntervalMethod};
use crate::progress::Silent;
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result, Votes};
use resampling::{Ballots, Draws};
use statistics::{Extent, Forecast, Statistics};

pub(crate) use resampling::{percentile_interval, percentiles};
pub(crate) use statistics::Values;

/// A measure of the table, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// OA.
    OverallAccuracy,
    /// AA, the mean recall over classes present in the reference.
    AverageAccuracy,
    /// Cohen's κ.
    Kappa,
    /// Cross-entropy against the one class, in nats.
    CrossEntropy,
    /// Cross-entropy against the experts' vote shares, in nats.
    DistributionalCrossEntropy,
    /// ECE of the predicted class.
    ExpectedCalibrationError,
    /// MCE of the predicted class, over bins that hold samples.
    MaximumCalibrationError,
    /// Classwise ECE.
    ClasswiseCalibrationError,
    /// Distribution-ECE: calibration to the share of the experts who agree.
    DistributionCalibrationError,
    /// "SCE" as the label distribution paper's code has it.
    SceAsInLdlPaper,
    /// Brier's loss against the one class, 0–2.
    Brier,
}

impl Measure {
    /// All, in the table's order.
    pub const ALL: [Self; 11] = [
        Self::OverallAccuracy,
        Self::AverageAccuracy,
        Self::Kappa,
        Self::CrossEntropy,
        Self::DistributionalCrossEntropy,
        Self::ExpectedCalibrationError,
        Self::MaximumCalibrationError,
        Self::ClasswiseCalibrationError,
        Self::DistributionCalibrationError,
        Self::SceAsInLdlPaper,
        Self::Brier,
    ];

    /// A heading of a few letters.
    pub fn short_name(self) -> &'static str {
        match self {
            Self::OverallAccuracy => "OA",
            Self::AverageAccuracy => "AA",
            Self::Kappa => "kappa",
            Self::CrossEntropy => "CE",
            Self::DistributionalCrossEntropy => "CE votes",
            Self::ExpectedCalibrationError => "ECE",
            Self::MaximumCalibrationError => "MCE",
            Self::ClasswiseCalibrationError => "classwise ECE",
            Self::DistributionCalibrationError => "ECE votes",
            Self::SceAsInLdlPaper => "SCE (LDL paper)",
            Self::Brier => "Brier",
        }
    }

    /// Whether more is better.
    pub fn is_score(self) -> bool {
        matches!(self, Self::OverallAccuracy | Self::AverageAccuracy | Self::Kappa)
    }
}

/// What is known of a classifier's predictions.
#[derive(Debug, Clone, Copy)]
pub enum Predicted<'a> {
    /// The classes alone: OA, AA, kappa.
    Classes(&'a Labels),
    /// The classes, and how sure each is (N numbers from 0 to 1): the calibration of the predicted class
    /// too. The confidence need not be that of probabilities: an ensemble's mean of maxima will do.
    Confidences(&'a Labels, &'a [f64]),
    /// Probabilities: everything.
    Probabilities(&'a Probabilities),
}

/// What predictions are held against.
#[derive(Debug, Clone, Copy)]
pub struct Reference<'a> {
    labels: &'a Labels,
    distributions: Option<&'a LabelDistributions>,
    votes: Option<&'a Votes>,
    groups: Option<&'a [i32]>,
}

impl<'a> Reference<'a> {
    /// One class a sample.
    pub fn new(labels: &'a Labels) -> Self {
        Self { labels, distributions: None, votes: None, groups: None }
    }

    /// The experts' votes on the same samples too: measures against votes, the interval of drawing them
    /// anew, and the human ceiling.
    #[must_use]
    pub fn with_votes(self, votes: &'a Votes) -> Self {
        Self { votes: Some(votes), ..self }
    }

    /// Label distributions where the votes behind them are not known: measures against them.
    #[must_use]
    pub fn with_distributions(self, distributions: &'a LabelDistributions) -> Self {
        Self { distributions: Some(distributions), ..self }
    }

    /// The city or polygon of each sample. Intervals then come from drawing groups.
    #[must_use]
    pub fn with_groups(self, groups: &'a [i32]) -> Self {
        Self { groups: Some(groups), ..self }
    }
}

/// How the table is made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScorecardSettings {
    /// Bins of equal width of the calibration errors.
    pub bins: usize,
    /// Bins of equal width of the label distribution paper's SCE.
    pub sce_bins: usize,
    /// Bootstrap rounds of each interval; 0 for none.
    pub rounds: usize,
    /// What share of the rounds the interval holds.
    pub level: f64,
    /// Experts of the second panel.
    pub panel: usize,
    /// Panels that the human ceiling is the mean of; 0 for none.
    pub panels: usize,
    /// Seed of everything drawn. The same seed gives the same bits at any number of threads.
    pub seed: u64,
}

impl Default for ScorecardSettings {
    fn default() -> Self {
        Self { bins: 15, sce_bins: 20, rounds: 1000, level: 0.95, panel: 10, panels: 200, seed: 0 }
    }
}

/// The evaluation table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scorecard {
    /// How many samples, N.
    pub samples: usize,
    /// How many groups were drawn for the intervals; none where samples were.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<usize>,
    /// How it was made.
    pub settings: ScorecardSettings,
    /// A row for each measure that these predictions and labels allow.
    pub rows: Vec<ScorecardRow>,
}

/// One measure of the table.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ScorecardRow {
    /// Which.
    pub measure: Measure,
    /// Its value on the samples as they are; NaN (`null` in JSON) where it is not defined.
    pub value: f64,
    /// From drawing samples, or groups where there are groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
    /// From drawing each sample's votes anew (and with them its label), the samples staying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub votes_interval: Option<Interval>,
    /// What a second panel of experts would score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
}

/// What other experts reach: the mean over panels, and an interval of the panels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceiling {
    /// The mean over panels.
    pub value: f64,
    /// Lower end of the panels' interval.
    pub lower: f64,
    /// Upper end of the panels' interval.
    pub upper: f64,
}

impl Scorecard {
    /// Evaluates predictions.
    ///
    /// The **human ceiling** draws, for each sample, `panel` votes from the shares of the votes given, takes
    /// their majority (a tie is drawn) as prediction and their shares as its probabilities, and holds this
    /// against the same reference. In the cross-entropies alone, where a share of 0 would cost infinitely
    /// much, the shares are smoothed to `(v_k + 1/K) / (panel + 1)`. The panel repeats votes of the very
    /// experts who made the reference, so the ceiling is a generous one.
    ///
    /// Cross-entropies are clipped as in [`Scores`](crate::metrics::Scores).
    ///
    /// # Shape
    /// N predictions, N labels, (N, K) votes or distributions, N groups → at most 11 rows.
    ///
    /// # Errors
    /// No sample, unlike lengths or class lists, a confidence outside 0–1 (names the row), no bin, no panel or
    /// one of more than 10,000, or a level outside 0–1.
    ///
    /// ```
    /// use lcz::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
    /// use lcz::{Classes, Labels, Probabilities};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = ndarray::Array2::from_shape_fn((100, 2), |(_, k)| [0.75, 0.25][k]);
    /// let p = Probabilities::new(classes.clone(), p)?;
    /// let labels = Labels::new(classes, (0..100).map(|n| n % 2).collect())?;
    /// let table = Scorecard::of(Predicted::Probabilities(&p), Reference::new(&labels), ScorecardSettings::default())?;
    /// let ece = table.row(Measure::ExpectedCalibrationError).expect("of probabilities");
    /// let interval = ece.interval.expect("1000 rounds");
    /// assert!((ece.value - 0.25).abs() < 1e-12);
    /// assert!(interval.lower < 0.25 && 0.25 < interval.upper);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn of(
        predicted: Predicted<'_>,
        reference: Reference<'_>,
        settings: ScorecardSettings,
    ) -> Result<Self> {
        Self::with_progress(predicted, reference, settings, &mut Silent)
    }

    /// The same, telling how many rounds are done: a table of ten thousand samples takes a second, of
    /// a million a minute or two.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn with_progress(
        predicted: Predicted<'_>,
        reference: Reference<'_>,
        settings: ScorecardSettings,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        check_settings(&settings)?;
        check(predicted, reference)?;
        let labels = reference.labels;
        let of_votes = reference.votes.map(Votes::distributions);
        let y = of_votes.as_ref().or(reference.distributions);
        let extent = Extent::of(predicted, y.is_some(), &settings);
        let forecast = Forecast::of(predicted, &extent)?;
        let statistics = Statistics::of(&forecast, labels, y);
        let values = statistics.measured();

        let ballots = reference.votes.map(Ballots::of);
        let rounds = if ballots.is_some() { 2 * settings.rounds + settings.panels } else { settings.rounds };
        progress.begin("intervals", rounds as u64);
        let draws = Draws { seed: settings.seed, rounds: settings.rounds };
        let groups = reference.groups.map(resampling::Groups::of);
        let of_samples = draws.of_samples(&statistics, &extent, labels.len(), groups.as_ref(), progress);
        let of_votes =
            ballots.as_ref().map(|ballots| draws.of_votes(&forecast, &extent, ballots, labels, progress));
        let panels = Draws { rounds: settings.panels, ..draws };
        let of_panels = match &ballots {
            Some(ballots) => panels.of_panels(&extent, ballots, labels, settings.panel as u32, progress)?,
            None => Vec::new(),
        };
        progress.end("");

        let row = |(at, measure): (usize, Measure)| {
            values[at].map(|value| ScorecardRow {
                measure,
                value,
                interval: percentile_interval(&of_samples, at, settings.level),
                votes_interval: of_votes
                    .as_ref()
                    .and_then(|all| percentile_interval(all, at, settings.level)),
                ceiling: ceiling(&of_panels, at, settings.level),
            })
        };
        let rows = Measure::ALL.into_iter().enumerate().filter_map(row).collect();
        Ok(Self { samples: labels.len(), groups: groups.map(|groups| groups.len()), settings, rows })
    }

    /// The row of a measure; None where these predictions do not allow it.
    pub fn row(&self, measure: Measure) -> Option<&ScorecardRow> {
        self.rows.iter().find(|row| row.measure == measure)
    }
}

/// The measures on the samples as they are, and in each bootstrap round. The same seed draws the same samples (or
/// groups) in a round whatever is predicted, so that rounds of several classifiers are pairs.
///
/// # Errors
/// As [`Scorecard::of`].
pub(crate) fn resampled(
    predicted: Predicted<'_>,
    reference: Reference<'_>,
    settings: ScorecardSettings,
) -> Result<(Values, Vec<Values>)> {
    check_settings(&settings)?;
    check(predicted, reference)?;
    let of_votes = reference.votes.map(Votes::distributions);
    let y = of_votes.as_ref().or(reference.distributions);
    let extent = Extent::of(predicted, y.is_some(), &settings);
    let forecast = Forecast::of(predicted, &extent)?;
    let statistics = Statistics::of(&forecast, reference.labels, y);
    let draws = Draws { seed: settings.seed, rounds: settings.rounds };
    let groups = reference.groups.map(resampling::Groups::of);
    let samples = reference.labels.len();
    let rounds = draws.of_samples(&statistics, &extent, samples, groups.as_ref(), &mut Silent);
    Ok((statistics.measured(), rounds))
}

fn ceiling(panels: &[Values], at: usize, level: f64) -> Option<Ceiling> {
    let Interval { lower, upper, .. } = percentile_interval(panels, at, level)?;
    let of_panels: Vec<f64> = panels.iter().filter_map(|values| values[at]).collect();
    Some(Ceiling { value: of_panels.iter().sum::<f64>() / of_panels.len() as f64, lower, upper })
}

/// Of a second panel: no more can be worth their time.
const MOST_EXPERTS: usize = 10_000;

fn check_settings(settings: &ScorecardSettings) -> Result<()> {
    let refuse = |setting: &str, got: String, advice: &str| Err(Error::input(setting, got, advice));
    if settings.bins == 0 || settings.sce_bins == 0 {
        return refuse("bins", "0".to_owned(), "choose at least one, such as 15");
    }
    if !(settings.level > 0.0 && settings.level < 1.0) {
        return refuse(
            "level of the intervals",
            format!("{}", settings.level),
            "choose between 0 and 1, such as 0.95",
        );
    }
    if settings.panel == 0 {
        return refuse("panel", "no expert".to_owned(), "choose at least one, such as 10");
    }
    if settings.panel > MOST_EXPERTS {
        let got = format!("{} experts", settings.panel);
        return refuse("panel", got, "choose at most 10,000; 10 are usual");
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
    let unlike = |what: &str, count: usize| {
        let problem = format!("{count} {what}, {samples} predictions, or other classes");
        Err(Error::input("scores", problem, "give both of the same samples"))
    };
    if let Predicted::Confidences(_, confidence) = predicted
        && confidence.len() != samples
    {
        return unlike("confidences", confidence.len());
    }
    if let Some(y) = reference.distributions
        && (y.len() != samples || y.classes() != classes)
    {
        return unlike("label distributions", y.len());
    }
    if let Some(votes) = reference.votes
        && (votes.counts().nrows() != samples || votes.classes() != classes)
    {
        return unlike("rows of votes", votes.counts().nrows());
    }
    if let Some(groups) = reference.groups
        && groups.len() != samples
    {
        return unlike("groups", groups.len());
    }
    Ok(())
}

/// The bins of the calibration errors.
fn equal_width(bins: usize) -> Bins {
    Bins::EqualWidth(bins)
}
