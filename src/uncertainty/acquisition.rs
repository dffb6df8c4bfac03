//! Which unlabelled samples experts label next.
//!
//! Settles, *Active Learning Literature Survey*, 2009, for entropy and margin; BALD: Houlsby et al. (2011) by dropout as
//! in Gal, Islam & Ghahramani, *Deep Bayesian Active Learning with Image Data*, ICML 2017; core-set: Sener & Savarese,
//! *Active Learning for Convolutional Neural Networks: A Core-Set Approach*, ICLR 2018. Distances from class centres
//! are the uncertainty of Koller, Shahzad & Zhu, who do not apply it to active learning.

use std::fmt;
use std::str::FromStr;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{ClassCentres, Members, Uncertainty};
use crate::simd::Level;
use crate::simd::distances::distances;
use crate::{Error, Features, Labels, Probabilities, Result};

/// How samples to label are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Acquisition {
    /// Random sampling: the baseline.
    Random,
    /// The largest predictive entropy, −Σ p ln p ([`Uncertainty::from_predictions`]).
    Entropy,
    /// The smallest lead of the first class over the second ([`Uncertainty::from_margins`]).
    Margin,
    /// The largest disagreement of passes of dropout ([`Uncertainty::from_disagreement`]).
    Bald,
    /// The farthest from all that is labelled, by features ([`k_centres`]).
    CoreSet,
    /// The farthest from the geometric median of their predicted class ([`Uncertainty::from_distances`]).
    Distance,
}

impl Acquisition {
    /// All of them, the baseline first.
    pub const ALL: [Self; 6] =
        [Self::Random, Self::Entropy, Self::Margin, Self::Bald, Self::CoreSet, Self::Distance];

    /// As the command line and files call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Entropy => "entropy",
            Self::Margin => "margin",
            Self::Bald => "bald",
            Self::CoreSet => "core-set",
            Self::Distance => "distance",
        }
    }

    /// As figures call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Bald => "BALD",
            Self::Distance => "distance from the median",
            other => other.name(),
        }
    }
}

impl fmt::Display for Acquisition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Acquisition {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|acquisition| acquisition.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            Error::input(format!("acquisition '{text}'"), "not known", format!("choose of {names}"))
        })
    }
}

impl Uncertainty {
    /// By margin: `1 − (p_(1) − p_(2))`, where p_(1) and p_(2) are the two largest probabilities. 1 where two classes are
    /// equally likely, 0 where one is certain (Scheffer, Decomain & Wrobel 2001).
    ///
    /// # Errors
    /// No sample.
    ///
    /// ```
    /// use lcz::uncertainty::Uncertainty;
    /// use lcz::{Classes, Probabilities};
    /// let p = ndarray::array![[0.5, 0.25, 0.25], [0.5, 0.5, 0.0]];
    /// let p = Probabilities::new(Classes::named(["a", "b", "c"])?, p)?;
    /// assert_eq!(Uncertainty::from_margins(&p)?.values(), [0.75, 1.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn from_margins(p: &Probabilities) -> Result<Self> {
        let margin =
            |row: ndarray::ArrayView1<'_, f64>| {
                let two = row.iter().fold([0.0_f64; 2], |[first, second], &p| {
                    if p > first { [p, first] } else { [first, second.max(p)] }
                });
                1.0 - (two[0] - two[1])
            };
        Self::new(p.view().outer_iter().map(margin).collect())
    }

    /// By disagreement (BALD): H(p̄) − (1/M) Σ_m H(p_m) in nats, the mutual information of a sample's class and the
    /// network's weights, of which each member is a draw. Uncertainty that all members share does not count.
    ///
    /// # Errors
    /// No sample.
    ///
    /// ```
    /// use lcz::uncertainty::{Members, Uncertainty};
    /// use lcz::{Classes, Probabilities};
    /// let classes = Classes::named(["a", "b"])?;
    /// let p = |p| Probabilities::new(classes.clone(), p);
    /// // Both unsure of the first; each sure of another class of the second.
    /// let members = [[[0.5, 0.5], [1.0, 0.0]], [[0.5, 0.5], [0.0, 1.0]]].map(|p| ndarray::arr2(&p));
    /// let members = Members::new(members.into_iter().map(p).collect::<lcz::Result<_>>()?)?;
    /// assert_eq!(Uncertainty::from_disagreement(&members)?.values(), [0.0, 2f64.ln()]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn from_disagreement(members: &Members) -> Result<Self> {
        Self::new(members.entropy().epistemic)
    }

    /// By distance: ‖h(x) − c_k‖, k being the predicted class of x; where no sample of class k is labelled, the
    /// nearest centre there is.
    ///
    /// # Errors
    /// No sample, other classes, another number of predictions than features, features of another width.
    ///
    /// ```
    /// use lcz::uncertainty::Uncertainty;
    /// use lcz::{Classes, Features, Labels};
    /// let classes = Classes::named(["a", "b"])?;
    /// let labelled = Features::new(ndarray::array![[0.0, 0.0], [9.0, 0.0]]);
    /// let centres = labelled.geometric_medians(&Labels::new(classes.clone(), vec![0, 1])?)?;
    /// let taken_for = Labels::new(classes, vec![0, 1])?;
    /// let u = Uncertainty::from_distances(&Features::new(ndarray::array![[3.0, 4.0], [9.0, 1.0]]), &centres, &taken_for)?;
    /// assert_eq!(u.values(), [5.0, 1.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn from_distances(h: &Features, centres: &ClassCentres, predicted: &Labels) -> Result<Self> {
        let points: Vec<&[f64]> = (0..centres.classes().len()).filter_map(|k| centres.point(k)).collect();
        let width = points.first().map_or(0, |point| point.len());
        if predicted.classes() != centres.classes() || h.view().dim() != (predicted.len(), width) {
            let problem =
                format!("features of shape {:?} and {} predictions", h.view().dim(), predicted.len());
            let advice = "give both of the same samples, classes and network";
            return Err(Error::input("distances", problem, advice));
        }
        let view = h.view();
        let of = |(row, &k): (usize, &usize)| {
            let x = view.row(row);
            let x = x.to_slice().unwrap_or_default();
            let mut found = Vec::new();
            match centres.point(k) {
                Some(point) => distances(Level::best(), std::iter::once(x), point, &mut found),
                None => {
                    for c in &points {
                        distances(Level::best(), std::iter::once(x), c, &mut found);
                    }
                }
            }
            found.into_iter().fold(f64::INFINITY, f64::min)
        };
        Self::new(predicted.indices().iter().enumerate().map(of).collect())
    }
}

/// Core-set: samples that cover the features, by greedy k-centres. Again and again the sample that is farthest from its
/// nearest labelled or chosen one is chosen; of equally far ones the first, and without any labelled sample the first of
/// all. The farthest sample that is left is at most twice as far as with the best choice (Gonzalez 1985).
///
/// `labelled` are positions among the features; returns `count` others, in the order of their choice, or all there are.
///
/// # Errors
/// A labelled position beyond the last sample.
///
/// ```
/// use lcz::Features;
/// use lcz::uncertainty::k_centres;
/// let h = Features::new(ndarray::array![[0.0], [1.0], [8.0], [5.0]]);
/// assert_eq!(k_centres(&h, &[0], 2)?, [2, 3]);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn k_centres(h: &Features, labelled: &[usize], count: usize) -> Result<Vec<usize>> {
    let h = h.view();
    let samples = h.nrows();
    if let Some(beyond) = labelled.iter().find(|&&n| n >= samples) {
        let problem = format!("position {beyond} of {samples} samples");
        return Err(Error::input("core-set", problem, "give positions among the features"));
    }
    let mut taken = vec![false; samples];
    let mut nearest = vec![f64::INFINITY; samples];
    let approach = |nearest: &mut [f64], taken: &mut [bool], n: usize| {
        taken[n] = true;
        let centre: Vec<f64> = h.row(n).iter().map(|x| f64::from(*x)).collect();
        nearest.par_chunks_mut(256).enumerate().for_each(|(chunk, nearest)| {
            let rows: Vec<_> = (0..nearest.len()).map(|row| h.row(256 * chunk + row)).collect();
            let mut found = Vec::with_capacity(rows.len());
            let rows = rows.iter().map(|row| row.to_slice().unwrap_or_default());
            distances(Level::best(), rows, &centre, &mut found);
            nearest.iter_mut().zip(found).for_each(|(nearest, d)| *nearest = nearest.min(d));
        });
    };
    for &n in labelled {
        approach(&mut nearest, &mut taken, n);
    }
    let mut chosen = Vec::new();
    while chosen.len() < count {
        let left = (0..samples).filter(|&n| !taken[n]);
        // `max_by` takes the last of equals.
        let Some(farthest) = left.rev().max_by(|&a, &b| nearest[a].total_cmp(&nearest[b])) else { break };
        approach(&mut nearest, &mut taken, farthest);
        chosen.push(farthest);
    }
    Ok(chosen)
}
