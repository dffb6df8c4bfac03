//! Uncertainty of predictions and its evaluation: several members' disagreement, sets of classes
//! that contain the true class as often as promised, the error after rejecting uncertain predictions (selective prediction),
//! and the choice of training samples.
//!
//! [`Members`] are the predictions of an ensemble's networks, or of the passes of one network with dropout
//! left on (Gal & Ghahramani 2016); the split of their entropy follows Depeweg et al. (2018),
//! *Decomposition of Uncertainty in Bayesian Deep Learning*. Conformal sets ([`Conformal`]): Sadinle et al.
//! (2019) for LAC, Romano et al. (2020) for APS, Angelopoulos et al. (2021) for RAPS. Selective prediction
//! ([`RiskCoverage`]): Geifman & El-Yaniv (2017).
//!
//! [`ClassCentres`], [`Uncertainty`] and [`Subset`] follow Koller, Shahzad & Zhu, *Uncertainty-guided
//! representation learning in local climate zone classification*: the distance of a sample's deep features
//! h(x) from its class's focal point c_k, the geometric median (Eq. 2; c_k lies in the space of the
//! features, which the text there misprints), is its uncertainty. Subsets of the most or least uncertain
//! samples train a network from the same start. [`Acquisition`]: which samples experts label next.
//!
//! ```
//! use lcz::uncertainty::Percent;
//! use lcz::{Classes, Features, Labels};
//!
//! // Two classes around (0, 0) and (9, 9), with one stray sample each.
//! let h = Features::new(ndarray::array![
//!     [0.0, 0.0], [0.1, 0.0], [0.0, 0.1], [3.0, 3.0],
//!     [9.0, 9.0], [9.1, 9.0], [9.0, 9.1], [6.0, 5.0],
//! ]);
//! let labels = Labels::new(Classes::named(["forest", "river"])?, vec![0, 0, 0, 0, 1, 1, 1, 1])?;
//! let u = h.distances_to(&h.geometric_medians(&labels)?)?;
//! let subset = u.most_uncertain(Percent::new(25.0)?).stratified(&labels)?;
//! assert_eq!(subset.positions(), [3, 7]);
//! # Ok::<(), lcz::Error>(())
//! ```

mod acquisition;
mod centres;
mod conformal;
mod members;
mod selective;
mod subsets;
mod weiszfeld;

pub use acquisition::{Acquisition, k_centres};
pub use centres::{Centre, ClassCentres};
pub use conformal::{
    Conformal, ConformalSettings, Coverage, GroupConformal, PredictionSets, SetScore, SetsOfClass,
};
pub use members::{EntropyParts, MeanEntropy, Members};
pub use selective::{RiskCoverage, RiskPoint};
pub use subsets::{Percent, Ranking, Subset, Uncertainty};
pub use weiszfeld::{MedianFit, Weiszfeld};
