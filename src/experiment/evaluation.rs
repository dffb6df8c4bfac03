//! A run held against labelled data, its baselines beside it: scores, `metrics.json`, figures.

use std::path::Path;

use serde::Serialize;

use super::Run;
use crate::data::Patches;
use crate::data::so2sat::So2Sat;
use crate::figures::{self, Caption, Cells};
use crate::metrics::{ConfusionMatrix, Scores};
use crate::models::{Classifier, Device, Network};
use crate::{Error, Labels, Progress, Result};

/// Scores of a run and its baselines on one file.
#[derive(Debug, Clone, Serialize)]
pub struct Evaluation {
    /// The file.
    pub data: String,
    /// Where its patches are from, as it says.
    pub provenance: String,
    /// The simplest first, the run's network last.
    pub models: Vec<ModelScores>,
    /// The network's confusion matrix.
    #[serde(skip)]
    pub confusion: ConfusionMatrix,
}

/// One classifier's scores.
#[derive(Debug, Clone, Serialize)]
pub struct ModelScores {
    /// The classifier.
    pub model: String,
    /// Its scores.
    pub scores: Scores,
}

/// The labelled patches that a run is evaluated on: a file, or the `testing.h5` of a folder; with the
/// bands and zones that the run was trained with.
fn test_set(run: &Run, data: &Path) -> Result<Patches> {
    let file = if data.is_dir() { data.join("testing.h5") } else { data.to_owned() };
    run.choose(So2Sat::open(file)?)?.patches()
}

/// Evaluates a run: returns the scores, adds them to its `metrics.json`, and draws its figures.
///
/// # Errors
/// Data that is unusable, unlabelled, or unlike what the run was trained on.
pub fn evaluate(run: &Run, data: &Path, device: Device, progress: &mut dyn Progress) -> Result<Evaluation> {
    let network = run.network(device)?;
    let test = test_set(run, data)?;
    let labels = test.labels()?;
    if labels.classes() != network.classes() {
        let problem = format!("classes {}, the model's are {}", labels.classes(), network.classes());
        return Err(Error::file(data, problem, "evaluate on data of the model's classes"));
    }
    let votes = if test.has_votes() { Some(test.distributions()?) } else { None };

    let baselines = run.baselines()?;
    let mut models: Vec<(&str, &dyn Classifier)> = Vec::new();
    if let Some(baselines) = &baselines {
        models.push(("majority class", &baselines.majority));
        models.push(("per-pixel Gaussian", &baselines.pixel));
    }
    models.push((network.name(), &*network));

    progress.begin("evaluate", models.len() as u64);
    let mut rows = Vec::new();
    let mut confusion = ConfusionMatrix::empty(labels.classes().clone());
    for (name, model) in &models {
        let p = model.predict(&test)?;
        confusion = ConfusionMatrix::of(&labels, &p.predicted())?;
        rows.push(ModelScores {
            model: (*name).to_owned(),
            scores: Scores::of(&p, &labels, votes.as_ref())?,
        });
        progress.advance(1, name);
    }
    progress.end("");

    let provenance = test.provenance().to_owned();
    let evaluation = Evaluation { data: data.display().to_string(), provenance, models: rows, confusion };
    let stem = data.file_stem().map_or_else(|| "data".to_owned(), |s| s.to_string_lossy().into_owned());
    run.add_metrics(&stem, &evaluation)?;
    draw(run, &*network, &evaluation, &test, &labels)?;
    Ok(evaluation)
}

/// Confusion matrix by counts and by shares, and a few patches.
fn draw(
    run: &Run,
    network: &dyn Network,
    evaluation: &Evaluation,
    test: &Patches,
    labels: &Labels,
) -> Result<()> {
    let folder = run.figures();
    let data = format!("{}, n = {}", evaluation.provenance, test.len());
    let caption = |title: String| Caption::new(title, data.clone());
    let name = network.name();
    for (cells, stem) in
        [(Cells::Counts, "confusion-matrix"), (Cells::RowPercent, "confusion-matrix-percent")]
    {
        let caption = caption(format!("Confusion matrix, {name}"));
        figures::confusion_matrix(&evaluation.confusion, cells, &caption)?.save(&folder, stem)?;
    }
    let patches = figures::sample_patches(test, &one_of_each(labels), &caption("Sample patches".to_owned()))?;
    patches.save(&folder, "sample-patches")
}

/// The middle patch of each class that is present, in the order of the classes.
fn one_of_each(labels: &Labels) -> Vec<usize> {
    let of_class = |k: usize| {
        let rows: Vec<usize> = (0..labels.len()).filter(|&row| labels.indices()[row] == k).collect();
        rows.get(rows.len() / 2).copied()
    };
    (0..labels.classes().len()).filter_map(of_class).collect()
}
