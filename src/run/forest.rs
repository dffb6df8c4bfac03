//! From a configuration to the run of a random forest: data, trees, baselines, importance of the bands.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::config::{self, DataSettings, LabelKind};
use super::folder::{Baselines, Run};
use super::sets::{ExampleSet, Targets, check_labelled};
use crate::data::so2sat::So2Sat;
use crate::figures::{self, Caption};
use crate::models::Classifier;
use crate::models::forest::{ForestSettings, OutOfBag, RandomForest};
use crate::{Error, Progress, Result};

/// All settings of a forest, as `config.toml` of its run holds them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForestConfig {
    /// The forest.
    pub model: ForestModel,
    /// Its random seed.
    #[serde(default)]
    pub training: ForestTraining,
    /// Its data.
    #[serde(default)]
    pub data: DataSettings,
}

/// A forest among the models that a configuration can name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "name")]
pub enum ForestModel {
    /// See [`RandomForest`].
    Forest(ForestSettings),
}

/// The random seed of a forest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestTraining {
    /// Seed of the bootstrap samples and the features at each node.
    pub seed: u64,
}

impl ForestConfig {
    /// As [`Config::read`](super::Config::read), for the model `forest`.
    ///
    /// # Errors
    /// As [`Config::read`](super::Config::read).
    pub fn read(file: Option<&Path>, settings: &[String]) -> Result<Self> {
        let (table, place) = config::read_table(file, "forest", settings)?;
        config::of_table(table, &place)
    }
}

/// Summary of a trained forest.
#[derive(Debug, Clone, Serialize)]
pub struct ForestOutcome {
    /// Patches it was grown on.
    pub training_patches: usize,
    /// Provenance of the patches, as their file states it.
    pub provenance: String,
    /// Trees.
    pub trees: usize,
    /// Nodes of all trees, leaves included.
    pub nodes: usize,
    /// Accuracy on the patches out of the bag, if trees were grown on bootstrap samples.
    pub out_of_bag: Option<OutOfBag>,
    /// Mean decrease in impurity of each band, summing to 1.
    pub importance: Vec<BandImportance>,
}

/// What a band contributes.
#[derive(Debug, Clone, Serialize)]
pub struct BandImportance {
    /// The band.
    pub band: String,
    /// Its share of the decrease in impurity.
    pub importance: f64,
}

/// Grows a forest into a new run folder, which appears whole or not at all.
///
/// # Errors
/// A folder that exists, unusable data or settings, or labels that are votes.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::run::{self, ForestConfig};
/// let config = ForestConfig::read(None, &["data.path='data'".to_owned(), "model.trees=500".to_owned()])?;
/// let outcome = run::train_forest(&config, "runs/forest", &mut lcz::progress::Silent)?;
/// println!("{} trees on {} patches", outcome.trees, outcome.training_patches);
/// # Ok(())
/// # }
/// ```
pub fn train_forest(
    config: &ForestConfig,
    folder: impl AsRef<Path>,
    progress: &mut dyn Progress,
) -> Result<ForestOutcome> {
    let folder = folder.as_ref();
    Run::check_free(folder)?;
    if config.data.labels != LabelKind::OneHot {
        let advice = "leave out --target, or train a network";
        let problem = "a forest is trained on one class per patch, not on votes";
        return Err(Error::input("data.labels", problem, advice));
    }
    let ForestModel::Forest(settings) = &config.model;
    let (train, _, _) = config.data.choose(So2Sat::open(&config.data.path)?)?.splits()?;
    check_labelled(&train)?;
    let labels = train.labels()?;
    let set = ExampleSet { patches: train.clone(), targets: Targets::Labels(labels.one_hot()) };
    let baselines = Baselines::fit(&set, progress)?;
    let settings = &ForestSettings { seed: config.training.seed, ..settings.clone() };
    let forest = RandomForest::fit(&train, settings, progress)?;

    let caption = Caption::new(
        format!("Importance of the bands, {}", forest.name()),
        format!("{}, n = {}, seed {}", train.provenance(), train.len(), config.training.seed),
    );
    let importance = forest.importance_by_band();
    let figure = figures::band_importance(&train.imagery().bands, &importance, &caption)?;
    Run::create(folder, |run| {
        run.write_config(config)?;
        run.write_baselines(&baselines)?;
        forest.save(run.model_file())?;
        figure.save(run.figures(), "band-importance")
    })?;
    Ok(ForestOutcome {
        training_patches: train.len(),
        provenance: train.provenance().to_owned(),
        trees: settings.trees,
        nodes: forest.nodes(),
        out_of_bag: forest.out_of_bag(),
        importance: train
            .imagery()
            .bands
            .names()
            .iter()
            .zip(importance)
            .map(|(band, importance)| BandImportance { band: band.clone(), importance })
            .collect(),
    })
}
