//! How a forest is grown.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The settings of a random forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ForestSettings {
    /// How many trees, T (default 100).
    pub trees: usize,
    /// Features drawn at each node (√F).
    pub max_features: MaxFeatures,
    /// Different training patches in a leaf, at least (1).
    pub min_leaf: usize,
    /// Splits from root to leaf, at most; without it, the default, trees grow until leaves are pure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_depth: Option<usize>,
    /// Whether each tree gets patches drawn with replacement, or all of them (yes).
    pub bootstrap: bool,
    /// The features of a patch (its pixels).
    pub features: FeatureSet,
    /// Random seed of the bootstrap samples and of the features drawn (0). A file of settings does not hold it: a run's is
    /// `training.seed`.
    #[serde(skip)]
    pub seed: u64,
}

impl Default for ForestSettings {
    /// scikit-learn's: 100 full trees, √F features per node, bootstrap; on the pixels. Seed 0.
    fn default() -> Self {
        Self {
            trees: 100,
            max_features: MaxFeatures::Rule(FeatureRule::Sqrt),
            min_leaf: 1,
            max_depth: None,
            bootstrap: true,
            features: FeatureSet::Pixels,
            seed: 0,
        }
    }
}

/// How many features are drawn at a node: `"sqrt"`, `"all"`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "max_features is \"sqrt\", \"all\" or a number")]
pub enum MaxFeatures {
    /// By rule.
    Rule(FeatureRule),
    /// This number.
    Count(usize),
}

/// A rule for the number of features at a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureRule {
    /// ⌊√F⌋, at least 1.
    Sqrt,
    /// F: trees differ by their bootstrap samples only.
    All,
}

/// The features of a patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureSet {
    /// Each pixel in each band: S · S · C features (10,240 for So2Sat).
    #[default]
    Pixels,
    /// Mean and standard deviation of each band over the patch: 2 C features. Small and quick,
    /// without spatial information.
    Statistics,
}

impl ForestSettings {
    /// Refuses invalid settings; the number of features drawn at a node out of `features`.
    pub(super) fn check(&self, features: usize) -> Result<usize> {
        let refuse = |key: &str, problem: String, advice: &str| {
            Err(Error::input(format!("model.{key}"), problem, advice))
        };
        if !(1..=1_000_000).contains(&self.trees) {
            return refuse("trees", format!("{} trees", self.trees), "choose 1 to 1,000,000");
        }
        if self.min_leaf == 0 {
            return refuse("min_leaf", "0 patches in a leaf".to_owned(), "choose 1 or more");
        }
        if self.max_depth == Some(0) {
            return refuse("max_depth", "0 splits".to_owned(), "choose 1 or more, or leave it out");
        }
        match self.max_features {
            MaxFeatures::Rule(FeatureRule::Sqrt) => Ok(features.isqrt().max(1)),
            MaxFeatures::Rule(FeatureRule::All) => Ok(features),
            MaxFeatures::Count(count) if (1..=features).contains(&count) => Ok(count),
            MaxFeatures::Count(count) => {
                let problem = format!("{count} of {features} features");
                refuse("max_features", problem, "choose 1 to all of them, or \"sqrt\"")
            }
        }
    }
}
