//! A run on labelled data, next to its baselines: scores, `metrics.json`, figures.

use std::path::{Path, PathBuf};

use ndarray::{Axis, concatenate};
use serde::Serialize;

use super::folder::HeldOut;
use super::sets::Samples;
use super::{Run, file_of};
use crate::calibration::{Bins, Reliability};
use crate::data::Masks;
use crate::figures::{self, Agreement, Caption, Cells, CountScale, Figure, Source};
use crate::metrics::{ConfusionMatrix, Scores, Target};
use crate::models::{Device, Sample};
use crate::predictions::StoredTemperature;
use crate::scorecard::{BINS, Predicted, Reference, Scorecard, ScorecardSettings};
use crate::uncertainty::{MeanEntropy, Members, RiskCoverage};
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result};

/// Most patches in the figure of a segmentation model's predictions.
const SHOWN: usize = 6;

/// Scores of a run and its baselines on one file.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The file.
    pub data: String,
    /// Provenance of its patches, as the file states it.
    pub provenance: String,
    /// The unit of classification.
    pub sample: Sample,
    /// Patches; the samples are these, or their pixels that have a class.
    pub patches: usize,
    /// The simple classifiers fitted to the run's training set; none for an imported network.
    pub baselines: Vec<ModelScores>,
    /// The run's model.
    pub network: ModelScores,
    /// Its table of measures, with intervals and the estimated human performance.
    pub scorecard: Scorecard,
    /// The same after temperature scaling, where the run has a temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaled: Option<Scaled>,
    /// Decomposition of the entropy over its members, where it is an ensemble.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<MembersSummary>,
    /// The mean of several passes with dropout, where requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampled: Option<Sampled>,
    /// Its confusion matrix.
    #[serde(skip)]
    pub confusion: ConfusionMatrix,
}

/// The evaluation after temperature scaling.
#[derive(Debug, Clone, Serialize)]
pub struct Scaled {
    /// The temperature, and where it is from.
    pub by: StoredTemperature,
    /// The table of measures.
    pub scorecard: Scorecard,
}

/// Several members' predictions of one set.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct MembersSummary {
    /// Networks of an ensemble, or passes with dropout.
    pub members: usize,
    /// Mean entropies over the patches, in nats.
    pub entropy: MeanEntropy,
}

impl MembersSummary {
    fn of(members: &Members) -> Self {
        Self { members: members.all().len(), entropy: members.entropy().mean() }
    }
}

/// The evaluation with Monte Carlo dropout.
#[derive(Debug, Clone, Serialize)]
pub struct Sampled {
    /// The passes.
    #[serde(flatten)]
    pub passes: MembersSummary,
    /// The table of measures of their mean.
    pub scorecard: Scorecard,
}

/// One classifier's scores.
#[derive(Debug, Clone, Serialize)]
pub struct ModelScores {
    /// The classifier.
    pub model: String,
    /// Its scores.
    pub scores: Scores,
}

/// Evaluates a run on a file, or the `testing.h5` of a folder (of the one file that it was trained on, on the test part):
/// returns the scores, adds them to its `metrics.json`, and draws its figures.
///
/// `passes` adds the mean of N passes of Monte Carlo dropout, with the settings' seed; the figures show the network
/// without dropout.
///
/// See the [module's example](crate::run).
///
/// # Errors
/// Data that is unusable, unlabelled, or of another kind than the training data; passes of a model that is not a network or
/// has no dropout.
pub fn evaluate(
    run: &Run,
    data: impl AsRef<Path>,
    settings: ScorecardSettings,
    passes: Option<usize>,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Evaluation> {
    let data = data.as_ref();
    let assessment = Assessment::of(run, data, (settings, passes), device, progress)?;
    run.add_metrics(&assessment.evaluation.data, &assessment.evaluation)?;
    for (stem, figure) in assessment.figures(run)? {
        figure.save(run.figures(), &stem)?;
    }
    Ok(assessment.evaluation)
}

/// An evaluation, and further data for its figures.
pub(crate) struct Assessment {
    evaluation: Evaluation,
    file: PathBuf,
    test: Samples,
    votes: Option<LabelDistributions>,
    /// Some patches as a model of pixels sees them.
    shown: Vec<(usize, Probabilities)>,
    /// The model's predictions, and those at its temperature.
    predicted: Probabilities,
    scaled: Option<Probabilities>,
}

impl Assessment {
    /// Predicts and scores; writes nothing.
    pub(crate) fn of(
        run: &Run,
        data: &Path,
        (settings, passes): (ScorecardSettings, Option<usize>),
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let network = run.classifier(device)?;
        let with_dropout = passes.map(|passes| run.mc_dropout(passes, settings.seed, device)).transpose()?;
        let file = file_of(data, "testing.h5")?;
        let test = Samples::of(run.held_out(&file, HeldOut::Test)?, network.sample())?;
        let (patches, labels) = (&test.patches, &test.labels);
        if labels.classes() != network.classes() {
            let problem = format!("classes {}, the model's are {}", labels.classes(), network.classes());
            return Err(Error::file(&file, problem, "evaluate on data of the model's classes"));
        }
        let of_patches = test.pixels.is_none();
        let counts = if of_patches && patches.has_votes() { Some(patches.votes()?) } else { None };
        let votes = match &counts {
            Some(counts) => Some(counts.distributions()),
            None if of_patches && patches.has_distributions() => Some(patches.distributions()?),
            None => None,
        };
        let groups = test.groups();
        let baselines = run.baselines()?;

        let steps = 1 + if baselines.is_some() { 2 } else { 0 } + u64::from(with_dropout.is_some());
        progress.begin("evaluate", steps);
        let mut score = |name: &str, p: &Probabilities| {
            progress.advance(1, name);
            let scores = Scores::compute(p, labels, votes.as_ref())?;
            Ok::<_, Error>(ModelScores { model: name.to_owned(), scores })
        };
        let mut rows = Vec::new();
        if let Some(baselines) = &baselines {
            rows.push(score("majority class", &test.simple(&baselines.majority)?)?);
            rows.push(score("per-pixel Gaussian", &test.simple(&baselines.pixel)?)?);
        }
        let members = test.members(&*network)?;
        let predicted = members.mean().clone();
        let network_scores = score(network.name(), &predicted)?;
        let distributions = votes.as_ref().filter(|_| counts.is_none());
        let reference = Reference::of(labels, counts.as_ref(), distributions, groups.as_deref());
        let after = match run.temperature()? {
            Some(by) => Some((by.scale(&predicted)?, by)),
            None => None,
        };
        let passes = match &with_dropout {
            Some(model) => {
                progress.advance(1, model.name());
                Some(test.members(&**model)?)
            }
            None => None,
        };
        let show = |n: usize| Ok((n, network.predict(&patches.select(&[n])?)?));
        let shown =
            if of_patches { Vec::new() } else { evenly(patches.len()).map(show).collect::<Result<_>>()? };
        progress.end("");

        let mut table = |p: &Probabilities| {
            Scorecard::with_progress(Predicted::Probabilities(p), reference, settings, progress)
        };
        let scaled = match &after {
            Some((p, by)) => Some(Scaled { by: by.clone(), scorecard: table(p)? }),
            None => None,
        };
        let sampled = match &passes {
            Some(passes) => {
                Some(Sampled { passes: MembersSummary::of(passes), scorecard: table(passes.mean())? })
            }
            None => None,
        };
        let evaluation = Evaluation {
            data: file.display().to_string(),
            provenance: patches.provenance().to_owned(),
            sample: network.sample(),
            patches: patches.len(),
            baselines: rows,
            network: network_scores,
            scorecard: table(&predicted)?,
            scaled,
            members: (members.all().len() > 1).then(|| MembersSummary::of(&members)),
            sampled,
            confusion: ConfusionMatrix::from_labels(labels, &predicted.predicted())?,
        };
        let scaled = after.map(|(p, _)| p);
        Ok(Self { evaluation, file, test, votes, shown, predicted, scaled })
    }

    /// The figures and the names of their files, in which the data file's name comes first: confusion
    /// matrix by counts and by shares, calibration to the labels and to the votes (before and after
    /// temperature scaling), risk against coverage, and a few patches. Of pixels, whose counts differ by orders of
    /// magnitude, the confusion matrix has logarithmic colours too.
    pub(crate) fn figures(&self, run: &Run) -> Result<Vec<(String, Figure)>> {
        let Self { evaluation, file, test: Samples { patches: test, labels, pixels }, votes, .. } = self;
        let data = format!("{}, n = {}", evaluation.provenance, labels.len());
        let caption = |title: String| Caption::new(title, data.clone());
        let matrix = caption(format!("Confusion matrix, {}", evaluation.network.model));
        let confusion = |cells| figures::confusion_matrix(&evaluation.confusion, cells, &matrix);
        let samples = caption("Sample patches".to_owned());
        let patches = match pixels {
            None => figures::sample_patches(test, &one_of_each(labels), &samples),
            Some((masks, _)) => self.segmented(masks, &samples),
        };

        let source =
            Source::Evaluation { run: run.folder().display().to_string(), file: evaluation.data.clone() };
        let provenance = run.provenance(test, source)?;
        let stem = file.file_stem().map_or_else(|| "data".to_owned(), |s| s.to_string_lossy().into_owned());
        let named = |(name, figure): (&str, Result<Figure>)| {
            Ok((format!("{stem}-{name}"), figure?.with_provenance(&provenance)))
        };
        let mut drawn = vec![
            ("confusion-matrix", confusion(Cells::Counts)),
            ("confusion-matrix-percent", confusion(Cells::RowPercent)),
            ("sample-patches", patches),
            ("risk-coverage", self.risk_coverage(&caption)),
            ("reliability", self.reliability(labels, Agreement::Accuracy, &caption)),
        ];
        if pixels.is_some() {
            let scale = CountScale::Logarithmic;
            drawn.push((
                "confusion-matrix-log",
                figures::confusion_counts(&evaluation.confusion, scale, &matrix),
            ));
        }
        if let Some(votes) = votes {
            drawn.push(("reliability-votes", self.reliability(votes, Agreement::ExpertShare, &caption)));
        }
        drawn.into_iter().map(named).collect()
    }

    /// Some patches with their classes as they are and as they are predicted.
    fn segmented(&self, masks: &Masks, caption: &Caption) -> Result<Figure> {
        let positions: Vec<usize> = self.shown.iter().map(|(n, _)| *n).collect();
        let shown: Vec<_> = positions.iter().enumerate().map(|(at, n)| (at, format!("patch {n}"))).collect();
        let rows: Vec<_> = self.shown.iter().map(|(_, p)| p.view()).collect();
        let p = concatenate(Axis(0), &rows).map_err(Error::internal("drawing patches"))?;
        let p = Probabilities::from_checked(self.predicted.classes().clone(), p);
        let (patches, masks) = (self.test.patches.select(&positions)?, masks.select(&positions)?);
        figures::segmentation_named((&patches, &masks, &p), &shown, false, caption)
    }

    /// What follows from the predictions before and after temperature scaling, each under its name.
    fn before_and_after<T>(&self, of: impl Fn(&Probabilities) -> Result<T>) -> Result<Vec<(String, T)>> {
        let (Some(p), Some(Scaled { by, .. })) = (&self.scaled, &self.evaluation.scaled) else {
            return Ok(vec![("as predicted".to_owned(), of(&self.predicted)?)]);
        };
        let before = ("before (T = 1)".to_owned(), of(&self.predicted)?);
        Ok(vec![before, (format!("after (T = {:.2})", by.temperature), of(p)?)])
    }

    fn reliability(
        &self,
        y: &impl Target,
        agreement: Agreement,
        caption: &impl Fn(String) -> Caption,
    ) -> Result<Figure> {
        let tables = self.before_and_after(|p| Reliability::compute(p, y, Bins::EqualWidth(BINS)))?;
        let what = match agreement {
            Agreement::Accuracy => "Calibration",
            Agreement::ExpertShare => "Calibration to the experts' votes",
        };
        let caption = caption(format!("{what}, {}", self.evaluation.network.model));
        figures::reliability(&tables, agreement, &caption)
    }

    fn risk_coverage(&self, caption: &impl Fn(String) -> Caption) -> Result<Figure> {
        let curves = self.before_and_after(|p| {
            let predicted = p.predicted();
            let wrong = predicted.indices().iter().zip(self.test.labels.indices());
            let wrong: Vec<f64> = wrong.map(|(p, y)| f64::from(u8::from(p != y))).collect();
            RiskCoverage::compute(&p.confidence(), &wrong)
        })?;
        let caption = caption(format!("Risk and coverage, {}", self.evaluation.network.model));
        figures::risk_coverage(&curves, &caption)
    }
}

/// The middles of as many equal parts of N patches as a figure shows.
fn evenly(patches: usize) -> impl Iterator<Item = usize> {
    let count = patches.min(SHOWN);
    (0..count).map(move |k| (2 * k + 1) * patches / (2 * count))
}

/// The middle patch of each class that is present, in the order of the classes.
fn one_of_each(labels: &Labels) -> Vec<usize> {
    let of_class = |k: usize| {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels.indices()[row] == k).collect();
        rows.get(rows.len() / 2).copied()
    };
    (0..labels.classes().len()).filter_map(of_class).collect()
}
