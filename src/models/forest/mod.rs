//! A random forest: many decision trees, each grown on its own bootstrap sample, their leaves averaged.
//!
//! Breiman (2001), *Random Forests*, Machine Learning 45, with the conventions of scikit-learn's
//! `RandomForestClassifier`: trees vote with the class shares of their leaves, not with one class, and
//! importance is the mean decrease in Gini impurity. Splits are exact: all values of a feature are compared.

mod columns;
mod grow;
mod settings;
mod tree;

use ndarray::{Array2, Array4, Axis};
use rayon::prelude::*;

use self::columns::Columns;
use self::grow::Grown;
pub use self::settings::{FeatureRule, FeatureSet, ForestSettings, MaxFeatures};
pub(crate) use self::tree::{Node, Tree};
use super::{Classifier, Storable, check_imagery, described_as};
use crate::data::Patches;
use crate::{Classes, Error, Imagery, Labels, Probabilities, Progress, Result};

/// Patches read at once.
const BATCH: usize = 256;

/// Trees between two reports of progress, for each thread: enough that threads seldom wait.
const TREES_A_REPORT: usize = 10;

/// A random forest of decision trees.
///
/// `p(k|x) = 1/T Σ_t n_tk(x) / n_t(x)`: the mean over trees of the shares of the classes in the leaf that
/// x falls into (scikit-learn's `predict_proba`). Each tree grows on N patches drawn with
/// replacement; at each node a few features are drawn, and the split `x_f ≤ θ` with the lowest Gini
/// impurity `1 − Σ_k p_k²` among them is taken, θ halfway between two neighbouring values.
///
/// The same seed gives the same forest at any number of threads.
///
/// ```
/// use lcz::data::Patches;
/// use lcz::models::Classifier;
/// use lcz::models::forest::{ForestSettings, RandomForest};
/// use lcz::{Bands, Classes, Imagery, Labels, progress::Silent};
///
/// let imagery = Imagery { patch_size: 1, bands: Bands::named(["B4", "B8"])?, ..Imagery::so2sat() };
/// let classes = Classes::named(["meadow", "water"])?;
/// let pixels = vec![0.05, 0.40, 0.06, 0.45, 0.04, 0.37, 0.03, 0.02, 0.04, 0.01, 0.02, 0.02];
/// let images = ndarray::Array4::from_shape_vec((6, 1, 1, 2), pixels).unwrap();
/// let patches = Patches::in_memory(imagery, classes.clone(), images)?;
/// let labels = Labels::new(classes, vec![0, 0, 0, 1, 1, 1])?;
/// let patches = patches.with_labels(&labels)?;
///
/// let forest = RandomForest::fit(&patches, &ForestSettings::default(), &mut Silent)?;
/// assert_eq!(forest.predict(&patches)?.predicted(), labels);
/// let importance = forest.importance_by_band();
/// assert!(importance[1] > importance[0]);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RandomForest {
    pub(crate) imagery: Imagery,
    pub(crate) classes: Classes,
    pub(crate) settings: ForestSettings,
    /// Where the training patches are from.
    pub(crate) provenance: String,
    pub(crate) trees: Vec<Tree>,
    pub(crate) out_of_bag: Option<OutOfBag>,
    pub(crate) importance: Vec<f64>,
}

/// How a forest does on the patches that its trees have not seen.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct OutOfBag {
    /// Overall accuracy, 0–1, of the mean over those trees that were grown without the patch.
    pub score: f64,
    /// Patches that at least one tree was grown without; the score is over these.
    pub patches: usize,
}

impl RandomForest {
    /// Grows a forest on the [labels](Patches::labels_or_majority) of the patches; without labels on the majority of their
    /// votes.
    ///
    /// Memory at the peak: about 9 bytes per feature value, so 90 kB per So2Sat patch with
    /// [`FeatureSet::Pixels`] (measured: 0.19 GB for 2,100 patches), while columns of values give way to
    /// columns of codes; then 2 bytes per value, and 4 for each different value of a feature. Files are read
    /// once, a few patches at a time.
    ///
    /// # Errors
    /// Patches without labels and votes, settings that do not fit, patches that cannot be read
    /// (a NaN names its row), or too little memory.
    pub fn fit(patches: &Patches, settings: &ForestSettings, progress: &mut dyn Progress) -> Result<Self> {
        let labels = &patches.labels_or_majority()?;
        let imagery = patches.imagery().clone();
        let features = settings.features.count(&imagery);
        let drawn = settings.check(features)?;
        let classes = labels.classes();
        if classes.len() > usize::from(u16::MAX) {
            let problem = format!("{} classes", classes.len());
            return Err(Error::input("forest", problem, "give at most 65,535"));
        }
        let columns = Columns::read(patches, settings.features, progress)?;
        let y: Vec<u16> = labels.indices().iter().map(|&k| k as u16).collect();

        let threads = rayon::current_num_threads();
        progress.begin("growing trees", settings.trees as u64);
        let mut grown: Vec<Grown> = Vec::with_capacity(settings.trees);
        while grown.len() < settings.trees {
            let first = grown.len();
            let last = settings.trees.min(first + TREES_A_REPORT * threads);
            let one = |tree: usize| {
                grow::tree(&columns, &y, classes.len(), settings, drawn, (settings.seed, tree as u64))
            };
            grown.par_extend((first..last).into_par_iter().with_max_len(1).map(one));
            progress.advance((last - first) as u64, "");
        }
        progress.end("");

        let out_of_bag = out_of_bag(&grown, labels);
        let importance = importance(&grown, features);
        let trees = grown.into_iter().map(|grown| grown.tree).collect();
        Ok(Self {
            imagery,
            classes: classes.clone(),
            settings: settings.clone(),
            provenance: patches.provenance().to_owned(),
            trees,
            out_of_bag,
            importance,
        })
    }

    /// How it was grown.
    pub fn settings(&self) -> &ForestSettings {
        &self.settings
    }

    /// Where its training patches are from.
    pub fn provenance(&self) -> &str {
        &self.provenance
    }

    /// Nodes of all trees, leaves included.
    pub fn nodes(&self) -> usize {
        self.trees.iter().map(Tree::len).sum()
    }

    /// Accuracy on patches out of the bag; none where every tree has seen every patch.
    pub fn out_of_bag(&self) -> Option<OutOfBag> {
        self.out_of_bag
    }

    /// Mean decrease in Gini impurity of each feature, summing to 1 (all 0 if no tree has a split).
    ///
    /// For each tree `Σ_nodes (w i − w_l i_l − w_r i_r) / W` over the nodes that split by the feature,
    /// made to sum to 1, and averaged over trees (scikit-learn's `feature_importances_`). It favours
    /// features with many values, and divides the importance of correlated features between them.
    ///
    /// # Shape
    /// S · S · C for pixels (row, column, band), 2 C for statistics (means, then deviations).
    pub fn importance(&self) -> &[f64] {
        &self.importance
    }

    /// [`importance`](Self::importance) summed over pixels, or over mean and deviation. Shape: C.
    pub fn importance_by_band(&self) -> Vec<f64> {
        let bands = self.imagery.bands.len();
        let mut sums = vec![0.0; bands];
        for (feature, importance) in self.importance.iter().enumerate() {
            // The band is the innermost axis of either set.
            sums[feature % bands] += importance;
        }
        sums
    }
}

impl Classifier for RandomForest {
    described_as!("random forest");

    fn storable(&self) -> Option<Storable<'_>> {
        Some(Storable::Forest(self))
    }

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        check_imagery(self, patches)?;
        let mut p = Array2::zeros((patches.len(), self.classes.len()));
        for batch in patches.batches(BATCH) {
            let (range, images) = batch?;
            let x = self.settings.features.extract(&images);
            let mut rows = p.slice_mut(ndarray::s![range, ..]);
            let pairs = rows.axis_iter_mut(Axis(0)).into_par_iter().zip(x.axis_iter(Axis(0)));
            pairs.for_each(|(mut p, x)| {
                for tree in &self.trees {
                    tree.add_shares(tree.leaf(|feature| x[feature]), |k, share| p[k] += share);
                }
                p /= self.trees.len() as f64;
            });
        }
        Probabilities::new(self.classes.clone(), p)
    }
}

impl FeatureSet {
    /// How many features patches of this imagery have.
    pub(crate) fn count(self, imagery: &Imagery) -> usize {
        let bands = imagery.bands.len();
        match self {
            Self::Pixels => imagery.patch_size * imagery.patch_size * bands,
            Self::Statistics => 2 * bands,
        }
    }

    /// The features of images. Shape: (n, S, S, C) → (n, F).
    ///
    /// # Panics
    /// Never: the numbers are those of the array.
    pub fn extract(self, images: &Array4<f32>) -> Array2<f32> {
        let (n, height, width, bands) = images.dim();
        match self {
            Self::Pixels => {
                let pixels: Vec<f32> = images.iter().copied().collect();
                Array2::from_shape_vec((n, height * width * bands), pixels)
                    .expect("a patch has height x width x bands values")
            }
            Self::Statistics => {
                let count = (height * width) as f64;
                let mut x = Array2::zeros((n, 2 * bands));
                for (patch, mut x) in images.outer_iter().zip(x.outer_iter_mut()) {
                    for c in 0..bands {
                        let values = patch.index_axis(Axis(2), c);
                        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
                        let square =
                            values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count;
                        (x[c], x[bands + c]) = (mean as f32, square.sqrt() as f32);
                    }
                }
                x
            }
        }
    }
}

/// Accuracy of the mean over the trees that were grown without a patch.
fn out_of_bag(grown: &[Grown], labels: &Labels) -> Option<OutOfBag> {
    let mut p = Array2::<f64>::zeros((labels.len(), labels.classes().len()));
    let mut met = vec![false; labels.len()];
    for Grown { tree, out_of_bag, .. } in grown {
        for &(n, leaf) in out_of_bag {
            met[n as usize] = true;
            tree.add_shares(leaf as usize, |k, share| p[[n as usize, k]] += share);
        }
    }
    let rows = || (0..labels.len()).filter(|&n| met[n]);
    let right = rows().filter(|&n| crate::labels::first_largest(p.row(n)) == labels.indices()[n]).count();
    let patches = rows().count();
    (patches > 0).then(|| OutOfBag { score: right as f64 / patches as f64, patches })
}

/// Mean decrease in impurity; a tree of one leaf has no importance and is left out of the mean.
fn importance(grown: &[Grown], features: usize) -> Vec<f64> {
    let mut sum = vec![0.0; features];
    for Grown { decreases, .. } in grown {
        let total: f64 = decreases.iter().map(|(_, decrease)| decrease).sum();
        if total > 0.0 {
            for &(feature, decrease) in decreases {
                sum[feature as usize] += decrease / total;
            }
        }
    }
    let total: f64 = sum.iter().sum();
    if total > 0.0 {
        for importance in &mut sum {
            *importance /= total;
        }
    }
    sum
}
