//! Conformal prediction sets: as many classes as it takes to contain the true one in a share 1 − α of cases.
//!
//! The guarantee `P(Y ∈ C(X)) ≥ 1 − α` needs calibration data that are exchangeable with the test data: patches of
//! other cities break it, and so do neighbouring patches of one polygon. It is a mean over classes and groups:
//! [`Coverage::EachClass`] holds it within each class, [`GroupConformal`] within each group.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::metrics::{Target, check_samples};
use crate::{Classes, Error, Labels, Probabilities, Result};

/// The nonconformity score s(x, k) of a class. Ranks count from 1, by
/// falling probability; of equals the first class comes first.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SetScore {
    /// Least ambiguous set-valued classifier (Sadinle, Lei & Wasserman 2019): `−ln p_k`, which orders classes as
    /// their `1 − p_k` and keeps probabilities below 1e-16 apart. The smallest sets; hard samples may get none.
    Lac,
    /// Adaptive prediction sets (Romano, Sesia & Candès 2020): the sum of the probabilities from the largest down to
    /// `p_k`, the last of them times u when randomised, as in their method. Without u, scores and sets both count the
    /// last class whole. (MAPIE draws u for its calibration scores in every variant, so that its sets are others.)
    Aps,
    /// Regularised adaptive: APS plus `λ (rank − k_reg)₊`, which keeps long tails out (Angelopoulos et al.
    /// 2021).
    Raps {
        /// λ ≥ 0.
        lambda: f64,
        /// Ranks up to this one cost nothing.
        k_reg: usize,
    },
}

impl SetScore {
    /// RAPS with λ = 0.01 and `k_reg` = 2.
    pub const RAPS: Self = Self::Raps { lambda: 0.01, k_reg: 2 };
}

/// How sets are made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConformalSettings {
    /// The score.
    pub score: SetScore,
    /// α: the share of samples whose set may miss the truth.
    pub alpha: f64,
    /// Seed of the uniform number u that each sample's APS or RAPS score is randomised with. None: not randomised.
    /// Coverage is 1 − α either way; without u the most certain samples have empty sets.
    pub randomised: Option<u64>,
    /// Whether a set may be empty. If not, an empty set receives the predicted class: sets then cover more than
    /// 1 − α, by far more for APS without u, where it fills the sets of the most certain samples.
    pub allow_empty: bool,
    /// What the guarantee is a mean over.
    pub coverage: Coverage,
}

/// What the guarantee of coverage is a mean over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// All samples: one threshold. Rare classes may be covered far less often.
    Marginal,
    /// The samples of each class: a threshold per class (Mondrian conformal prediction: Vovk 2012, *Conditional
    /// Validity of Inductive Conformal Predictors*). A class with fewer than 1/α − 1 calibration samples is in
    /// every set.
    EachClass,
}

impl Default for ConformalSettings {
    /// LAC at α = 0.1, not randomised, no empty set.
    fn default() -> Self {
        Self {
            score: SetScore::Lac,
            alpha: 0.1,
            randomised: None,
            allow_empty: false,
            coverage: Coverage::Marginal,
        }
    }
}

/// How far above the threshold a score still counts as on it: the last of many probabilities adds up to 1 only up
/// to rounding.
const TIE: f64 = 1e-12;

/// A threshold q̂ fitted to calibration data: sets are {k : s(x, k) ≤ q̂}, or with a threshold per class ≤ q̂_k.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredConformal")]
pub struct Conformal {
    /// How sets are made.
    pub settings: ConformalSettings,
    /// q̂; infinite (`null` in JSON) where the calibration data are too few for α, and every set then holds
    /// every class. With a threshold per class the largest of them.
    pub threshold: f64,
    /// q̂ of each class. Shape: K, all equal for marginal coverage.
    pub thresholds: Vec<f64>,
    classes: Classes,
}

/// JSON has no infinity: it is `null` there.
#[derive(Deserialize)]
struct StoredConformal {
    settings: ConformalSettings,
    threshold: Option<f64>,
    thresholds: Vec<Option<f64>>,
    classes: Classes,
}

impl TryFrom<StoredConformal> for Conformal {
    type Error = String;

    fn try_from(stored: StoredConformal) -> std::result::Result<Self, String> {
        let StoredConformal { settings, threshold, thresholds, classes } = stored;
        if thresholds.len() != classes.len() {
            return Err(format!("{} thresholds for {} classes", thresholds.len(), classes.len()));
        }
        let or_infinite = |number: Option<f64>| number.unwrap_or(f64::INFINITY);
        let thresholds = thresholds.into_iter().map(or_infinite).collect();
        Ok(Self { settings, threshold: or_infinite(threshold), thresholds, classes })
    }
}

impl Conformal {
    /// q̂ = the ⌈(n + 1)(1 − α)⌉-th smallest score of n labelled samples (Vovk et al. 2005).
    ///
    /// With label distributions each class of a sample counts with its share: q̂ is the least s with
    /// `Σ_n Σ_k y_nk [s_nk ≤ s] ≥ (n + 1)(1 − α)`, the limit of drawing ever more labels from the votes (Monte
    /// Carlo conformal prediction: Stutz, Roy, Matejovicova, Strachan, Cemgil & Doucet 2023, *Conformal Prediction
    /// under Ambiguous Ground Truth*); what is covered is then [the share of the votes](PredictionSets::coverage).
    /// Several labels of one sample are not exchangeable with others, so the guarantee is `1 − 2α`; in their
    /// experiments coverage is close to 1 − α. With one label per sample it is `1 − α`.
    ///
    /// # Shape
    /// (n, K) probabilities, n labels or (n, K) label distributions → one threshold.
    ///
    /// # Errors
    /// No sample, different lengths or class lists, α outside 0–1, or a negative λ.
    ///
    /// ```
    /// use lcz::uncertainty::{Conformal, ConformalSettings};
    /// use lcz::{Classes, Labels, Probabilities};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let p = ndarray::array![[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]];
    /// let p = Probabilities::new(classes.clone(), p)?;
    /// let y = Labels::new(classes, vec![0, 0, 1, 1])?;
    /// // p_y are 0.9, 0.8, 0.4, 0.7; of five (n + 1), four fifths is the 4th smallest score −ln p_y.
    /// let conformal = Conformal::fit(&p, &y, ConformalSettings { alpha: 0.2, ..Default::default() })?;
    /// assert!((conformal.threshold + 0.4f64.ln()).abs() < 1e-12);
    /// let sets = conformal.sets(&p)?;
    /// assert_eq!(sets.sizes(), [1, 1, 2, 1]);
    /// assert_eq!(sets.coverage(&y)?, 1.0);
    /// let stored = serde_json::to_string(&conformal)?; // for the next program
    /// assert_eq!(serde_json::from_str::<Conformal>(&stored)?, conformal);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fit(p: &Probabilities, y: &impl Target, settings: ConformalSettings) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        if !(0.0..1.0).contains(&settings.alpha) {
            let advice = "choose 0 to 1, such as 0.1";
            return Err(Error::input("conformal alpha", format!("{}", settings.alpha), advice));
        }
        if let SetScore::Raps { lambda, .. } = settings.score
            && !(0.0..f64::INFINITY).contains(&lambda)
        {
            return Err(Error::input("RAPS lambda", format!("{lambda}"), "choose 0 or more, such as 0.01"));
        }
        let scores = scores(p, settings, 0);
        let of_class = |k: usize| (0..p.len()).map(move |n| (n, k));
        let weighted = |cells: &mut dyn Iterator<Item = (usize, usize)>| -> Vec<(f64, f64)> {
            cells.map(|(n, k)| (scores[[n, k]], y.y(n, k))).filter(|(_, y)| *y > 0.0).collect()
        };
        let classes = 0..p.classes().len();
        let thresholds: Vec<f64> = match settings.coverage {
            Coverage::Marginal => {
                let all = quantile(weighted(&mut classes.clone().flat_map(of_class)), settings.alpha);
                classes.map(|_| all).collect()
            }
            Coverage::EachClass => {
                classes.map(|k| quantile(weighted(&mut of_class(k)), settings.alpha)).collect()
            }
        };
        let threshold = thresholds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Ok(Self { settings, threshold, thresholds, classes: p.classes().clone() })
    }

    /// Writes it as JSON. The file appears whole or not at all.
    ///
    /// # Errors
    /// The file cannot be written.
    ///
    /// ```
    /// # fn main() -> lcz::Result<()> {
    /// # let folder = tempfile::tempdir().unwrap();
    /// use lcz::uncertainty::{Conformal, ConformalSettings};
    /// use lcz::{Classes, Labels, Probabilities};
    /// let y = Labels::new(Classes::named(["forest", "river"])?, vec![0, 1])?;
    /// let p = Probabilities::new(y.classes().clone(), ndarray::array![[0.9, 0.1], [0.4, 0.6]])?;
    /// let conformal = Conformal::fit(&p, &y, ConformalSettings { alpha: 0.5, ..ConformalSettings::default() })?;
    /// let file = folder.path().join("conformal.json");
    /// conformal.save(&file)?;
    /// assert_eq!(Conformal::load(&file)?, conformal);
    /// assert_eq!(conformal.sets(&p)?.coverage(&y)?, 1.0); // both sets contain the true class
    /// # Ok(())
    /// # }
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let json =
            serde_json::to_vec_pretty(self).map_err(Error::internal("writing conformal thresholds"))?;
        crate::write_whole(path.as_ref(), &json)
    }

    /// Reads what [`save`](Self::save) has written; example there.
    ///
    /// # Errors
    /// A file that cannot be read or holds something else.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let json = crate::files::read_bytes(path)?;
        let unread = |e: serde_json::Error| {
            let what = if e.is_data() { "no conformal thresholds" } else { "not JSON" };
            Error::file(path, format!("{what} ({e})"), "give a file of Conformal::save")
        };
        serde_json::from_slice(&json).map_err(unread)
    }

    /// The sets of other samples. Shape: (N, K) probabilities → N sets.
    ///
    /// # Errors
    /// Another class list than the one that was calibrated.
    pub fn sets(&self, p: &Probabilities) -> Result<PredictionSets> {
        if *p.classes() != self.classes {
            let problem = format!("classes {}, calibrated on {}", p.classes(), self.classes);
            return Err(Error::input("conformal sets", problem, "use predictions of the same classes"));
        }
        let scores = scores(p, self.settings, 1);
        let mut inside =
            Array2::from_shape_fn(scores.dim(), |(n, k)| scores[[n, k]] <= self.thresholds[k] + TIE);
        if !self.settings.allow_empty {
            for (mut set, &top) in inside.outer_iter_mut().zip(p.predicted().indices()) {
                if !set.iter().any(|&inside| inside) {
                    set[top] = true;
                }
            }
        }
        Ok(PredictionSets { classes: self.classes.clone(), inside })
    }
}

/// The least score at which the weights below reach `(Σ y + 1)(1 − α)`; infinite where they do not.
fn quantile(mut weighted: Vec<(f64, f64)>, alpha: f64) -> f64 {
    weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let samples: f64 = weighted.iter().map(|(_, y)| y).sum();
    // Half of a millionth of a sample is less than any vote, and more than the rounding of many.
    let wanted = (samples + 1.0) * (1.0 - alpha) - 5e-7;
    let mut so_far = 0.0;
    let reached = weighted.iter().find(|(_, y)| {
        so_far += y;
        so_far >= wanted
    });
    reached.map_or(f64::INFINITY, |(score, _)| *score)
}

/// Conformal sets with a threshold for each group, such as a city or a season: coverage holds within each group
/// (group-balanced conformal prediction: Vovk 2012; Angelopoulos & Bates 2023, *Conformal Prediction: A Gentle
/// Introduction*, §4.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupConformal {
    /// The thresholds of each group.
    pub groups: BTreeMap<i32, Conformal>,
}

impl GroupConformal {
    /// Fits each group's threshold to its calibration samples. Shape: (n, K), n labels, n groups.
    ///
    /// # Errors
    /// As [`Conformal::fit`]; another number of groups than samples.
    pub fn fit(p: &Probabilities, y: &Labels, groups: &[i32], settings: ConformalSettings) -> Result<Self> {
        check_samples((p.len(), p.classes()), (y.len(), y.classes()))?;
        let rows = rows_of(groups, p.len())?;
        let fit = |(group, rows): (i32, Vec<usize>)| {
            let labels = rows.iter().map(|&n| y.indices()[n]).collect();
            let labels = Labels::new(y.classes().clone(), labels)?;
            Ok((group, Conformal::fit(&p.select(&rows), &labels, settings)?))
        };
        Ok(Self { groups: rows.into_iter().map(fit).collect::<Result<_>>()? })
    }

    /// The sets of other samples of the same groups. Shape: (N, K), N groups → N sets.
    ///
    /// # Errors
    /// A group that was not calibrated; other classes; another number of groups than samples.
    pub fn sets(&self, p: &Probabilities, groups: &[i32]) -> Result<PredictionSets> {
        let mut inside = Array2::from_elem(p.view().dim(), false);
        for (group, rows) in rows_of(groups, p.len())? {
            let Some(conformal) = self.groups.get(&group) else {
                let advice = "calibrate on samples of each group, or use one threshold for all";
                let problem = format!("group {group} was not calibrated");
                return Err(Error::input("conformal sets", problem, advice));
            };
            let sets = conformal.sets(&p.select(&rows))?;
            for (set, &n) in sets.inside.outer_iter().zip(&rows) {
                inside.row_mut(n).assign(&set);
            }
        }
        Ok(PredictionSets { classes: p.classes().clone(), inside })
    }
}

fn rows_of(groups: &[i32], samples: usize) -> Result<BTreeMap<i32, Vec<usize>>> {
    if groups.len() != samples {
        let problem = format!("{} groups, {samples} predictions", groups.len());
        return Err(Error::input("conformal sets", problem, "give the group of each sample"));
    }
    let mut rows = BTreeMap::<i32, Vec<usize>>::new();
    groups.iter().enumerate().for_each(|(n, &group)| rows.entry(group).or_default().push(n));
    Ok(rows)
}

/// s(x, k) of each sample and class. Calibration and use draw their u from two streams of the seed.
fn scores(p: &Probabilities, settings: ConformalSettings, stream: u64) -> Array2<f64> {
    let mut random = settings.randomised.map(|seed| {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(stream);
        random
    });
    let mut scores = Array2::zeros(p.view().dim());
    for (p, mut row) in p.view().outer_iter().zip(scores.outer_iter_mut()) {
        let u = random.as_mut().map_or(1.0, Rng::r#gen::<f64>);
        match settings.score {
            SetScore::Lac => row.assign(&p.mapv(|p| 0.0 - p.ln())),
            SetScore::Aps => row.assign(&adaptive(p, u, 0.0, 0)),
            SetScore::Raps { lambda, k_reg } => row.assign(&adaptive(p, u, lambda, k_reg)),
        }
    }
    scores
}

fn adaptive(p: ArrayView1<'_, f64>, u: f64, lambda: f64, k_reg: usize) -> ndarray::Array1<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[b].total_cmp(&p[a])); // stable: of equals, the first class first
    let mut scores = ndarray::Array1::zeros(p.len());
    let mut above = 0.0;
    for (rank, k) in (1_usize..).zip(order) {
        scores[k] = above + u * p[k] + lambda * rank.saturating_sub(k_reg) as f64;
        above += p[k];
    }
    scores
}

/// A set of classes for each sample. Shape: (N, K) of true and false.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionSets {
    classes: Classes,
    inside: Array2<bool>,
}

/// The sets of the samples of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetsOfClass {
    /// Code of the class.
    pub class: String,
    /// Samples of the class.
    pub samples: usize,
    /// Share of their sets that contain the class; NaN (`null` in JSON) of no sample.
    pub coverage: f64,
    /// Mean size of their sets; NaN (`null` in JSON) of no sample.
    pub mean_size: f64,
}

impl PredictionSets {
    /// What the columns mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Whether class k is in the set of sample n. Shape: (N, K).
    pub fn view(&self) -> ArrayView2<'_, bool> {
        self.inside.view()
    }

    /// Number of sets, N.
    pub fn len(&self) -> usize {
        self.inside.nrows()
    }

    /// Whether there is no set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether class k is in the set of sample n.
    ///
    /// # Panics
    /// Beyond the last sample or class.
    pub fn contains(&self, n: usize, k: usize) -> bool {
        self.inside[[n, k]]
    }

    /// The classes of each set, as columns of [`classes`](Self::classes).
    pub fn iter(&self) -> impl Iterator<Item = Vec<usize>> + '_ {
        self.inside.outer_iter().map(|set| (0..set.len()).filter(|&k| set[k]).collect())
    }

    /// Classes in each set. Shape: N.
    pub fn sizes(&self) -> Vec<usize> {
        self.inside.outer_iter().map(|set| set.iter().filter(|inside| **inside).count()).collect()
    }

    /// The mean of the sizes; NaN without samples.
    pub fn mean_size(&self) -> f64 {
        self.sizes().iter().sum::<usize>() as f64 / self.inside.nrows() as f64
    }

    /// Share of the sets that contain the true class; with label distributions, the mean share of the votes that
    /// they contain, `(1/N) Σ_n Σ_{k in set} y_nk`. Example: [`Conformal::save`].
    ///
    /// # Errors
    /// No sample, or different lengths or class lists.
    pub fn coverage(&self, y: &impl Target) -> Result<f64> {
        check_samples((self.inside.nrows(), &self.classes), y.extent())?;
        let held = self.inside.indexed_iter().filter(|(_, inside)| **inside).map(|((n, k), _)| y.y(n, k));
        Ok(held.sum::<f64>() / self.inside.nrows() as f64)
    }

    /// Coverage and size for the samples of each class, in the order of the classes. A coverage of 90 % for
    /// all may be 99 % of water and 60 % of a rare zone.
    ///
    /// # Errors
    /// No sample, or different lengths or class lists.
    pub fn by_class(&self, y: &Labels) -> Result<Vec<SetsOfClass>> {
        check_samples((self.inside.nrows(), &self.classes), (y.len(), y.classes()))?;
        let sizes = self.sizes();
        let mut sums = vec![(0_usize, 0_usize, 0_usize); self.classes.len()];
        for (n, &k) in y.indices().iter().enumerate() {
            let sum = &mut sums[k];
            *sum = (sum.0 + 1, sum.1 + usize::from(self.inside[[n, k]]), sum.2 + sizes[n]);
        }
        let row = |((samples, held, size), class): ((usize, usize, usize), &String)| SetsOfClass {
            class: class.clone(),
            samples,
            coverage: held as f64 / samples as f64,
            mean_size: size as f64 / samples as f64,
        };
        Ok(sums.into_iter().zip(self.classes.codes()).map(row).collect())
    }
}
