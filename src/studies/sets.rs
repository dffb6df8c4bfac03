//! The sets of patches of a study of many runs, trainings on a part of them, and the predictions that runs store.

use std::fs;
use std::path::{Path, PathBuf};

use super::jobs::Steps;
use super::study::{Inputs, StudyContext, TEST};
use crate::data::predictions::{self, Predictions, Stated};
use crate::data::{Patches, So2Sat};
use crate::display::Table;
use crate::models::{Device, Model, build};
use crate::nn::{History, Labelled, Standardisation, Training};
use crate::run::Config;
use crate::scorecard::Reference;
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result, Votes};

/// Patches of at most this many bytes are read once, for all runs.
const KEPT_IN_MEMORY: usize = 1 << 30;

/// A labelled set.
#[derive(Debug)]
pub struct LabelledSet {
    /// The patches.
    pub patches: Patches,
    /// One class per patch.
    pub labels: Labels,
    /// The training targets: the experts' votes, or the labels where there are none.
    pub y: LabelDistributions,
}

impl LabelledSet {
    pub(super) fn of(patches: Patches) -> Result<Self> {
        let labels = patches.labels_or_majority()?;
        let y = if patches.has_distributions() { patches.distributions()? } else { labels.one_hot() };
        Ok(Self { patches, labels, y })
    }

    pub(super) fn labelled(&self) -> Labelled<'_> {
        Labelled { patches: &self.patches, labels: &self.y }
    }

    /// The patches at some positions, `times` over: an epoch of few patches then has as many steps as one of many.
    fn repeated(&self, positions: &[usize], times: usize) -> Result<(Patches, LabelDistributions)> {
        let patches = in_memory(&self.patches.select(positions)?)?;
        let all: Vec<usize> = (0..times).flat_map(|_| 0..positions.len()).collect();
        Ok((patches.select(&all)?, self.y.select(positions).select(&all)))
    }
}

/// The data of a study of patches.
#[derive(Debug)]
pub struct PatchSets {
    /// Where they are.
    pub path: PathBuf,
    /// Description of the split.
    pub split: String,
    /// To train on.
    pub training: LabelledSet,
    /// Chooses the epoch.
    pub validation: LabelledSet,
    /// Measures.
    pub testing: LabelledSet,
}

impl PatchSets {
    /// Opens the data of a study, or generates this number of synthetic patches.
    pub(super) fn open(
        config: &Config,
        context: StudyContext<'_>,
        patches: usize,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let path = context.patches(patches, progress)?;
        let so2sat = config.data.choose(So2Sat::open(&path)?)?;
        let split = so2sat.split_description()?;
        let (training, validation, testing) = so2sat.splits()?;
        let [training, validation, testing] = [training, validation, testing].map(LabelledSet::of);
        Ok(Self { path, split, training: training?, validation: validation?, testing: testing? })
    }

    pub(super) fn inputs(&self) -> Result<Inputs> {
        let sets = [("training", &self.training), ("validation", &self.validation), (TEST, &self.testing)];
        Inputs::of(sets.map(|(name, set)| (name, set.labelled())))
    }
}

/// A network's first weights and what its training stands on.
pub(super) struct Start<'a> {
    pub config: &'a Config,
    /// Random seeds of the first weights, and of the training.
    pub seeds: [u64; 2],
    pub standardisation: Standardisation,
    pub device: Device,
    /// Whether the work is to stop.
    pub steps: &'a Steps<'a>,
}

/// Trains a network on the patches of a set at some positions, repeated in each epoch.
pub(super) fn train_on_part(
    start: Start<'_>,
    (set, positions, times): (&LabelledSet, &[usize], usize),
    validation: &LabelledSet,
) -> Result<(Box<dyn Model>, History)> {
    let Start { config, seeds: [first_weights, seed], standardisation, device, steps } = start;
    let (patches, labels) = set.repeated(positions, times)?;
    let (imagery, classes) = (patches.imagery(), patches.classes());
    let mut network = build(&config.model, imagery, classes, first_weights, device)?;
    network.set_standardisation(standardisation)?;
    let training = Training { seed, ..config.training.clone() };
    let examples = Labelled { patches: &patches, labels: &labels };
    let history = network.fit(examples, Some(validation.labelled()), &training, &mut &*steps)?;
    Ok((network, history))
}

/// The same patches, read once, unless they are many.
pub(super) fn in_memory(patches: &Patches) -> Result<Patches> {
    let imagery = patches.imagery();
    let bytes = patches.len() * imagery.patch_size * imagery.patch_size * imagery.bands.len() * 4;
    if bytes > KEPT_IN_MEMORY {
        return Ok(patches.clone());
    }
    let images = patches.images(0..patches.len())?;
    let mut kept = Patches::in_memory(imagery.clone(), patches.classes().clone(), images)?
        .with_provenance(patches.provenance());
    if patches.has_labels() {
        kept = kept.with_labels(&patches.labels()?)?;
    }
    if patches.has_votes() {
        kept = kept.with_votes(&patches.votes()?)?;
    }
    if let Some(groups) = patches.groups() {
        kept = kept.with_groups(groups)?;
    }
    // Distributions that are not votes are read from the file.
    if patches.has_distributions() && !kept.has_distributions() { Ok(patches.clone()) } else { Ok(kept) }
}

/// Writes positions of patches in their set, one per line.
pub(super) fn write_positions(path: &Path, positions: &[usize]) -> Result<()> {
    let mut table = Table::new(["sample"]);
    for &n in positions {
        table.row([n]);
    }
    table.write(path)
}

/// The positions that a run has stored.
pub(super) fn read_positions(path: &Path) -> Result<Vec<usize>> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let number = |(n, line): (usize, &str)| {
        let problem = format!("line {}: not a position", n + 1);
        line.parse().map_err(|_| Error::file(path, problem, "remove its folder, and repeat the study"))
    };
    text.lines().enumerate().skip(1).map(number).collect()
}

/// The test set that runs have stored predictions of.
#[derive(Debug, Clone)]
pub(super) struct TestSet {
    pub labels: Labels,
    /// The experts' votes as distributions, or the label distributions of the file.
    pub y: Option<LabelDistributions>,
    pub votes: Option<Votes>,
    pub groups: Option<Vec<i32>>,
    pub provenance: String,
}

impl TestSet {
    /// Labels, distributions and groups: for measures without resampled votes.
    pub fn reference(&self) -> Reference<'_> {
        Reference::of(&self.labels, None, self.y.as_ref(), self.groups.as_deref())
    }
}

/// Predictions that a run has stored, with the temperature that they were scaled by, and their test set.
pub(super) fn read_predictions(path: &Path) -> Result<(Probabilities, Option<f64>, TestSet)> {
    if !path.is_file() {
        return Err(Error::file(path, "does not exist", "repeat the study in its folder"));
    }
    let Predictions { predicted, labels, votes, distributions, groups, provenance, temperature } =
        predictions::read(path, None)?;
    let Stated::Probabilities(p) = predicted else {
        return Err(Error::file(path, "no probabilities", "remove it, and repeat the study"));
    };
    let y = votes.as_ref().map(Votes::distributions).or(distributions);
    let test = TestSet { labels, y, votes, groups, provenance };
    Ok((p, temperature.map(|by| by.temperature), test))
}
