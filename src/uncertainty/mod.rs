//! How sure a prediction is, and what that is worth: several members' disagreement, sets of classes
//! that hold the truth as often as promised, and the error of what is left when the unsure are set aside.
//!
//! [`Members`] are the predictions of an ensemble's networks, or of the passes of one network with dropout
//! left on (Gal & Ghahramani 2016); the split of their entropy follows Depeweg et al. (2018),
//! *Decomposition of Uncertainty in Bayesian Deep Learning*. Conformal sets ([`Conformal`]): Sadinle et al.
//! (2019) for LAC, Romano et al. (2020) for APS, Angelopoulos et al. (2021) for RAPS. Selective prediction
//! ([`RiskCoverage`]): Geifman & El-Yaniv (2017).

mod conformal;
mod members;
mod selective;

pub use conformal::{Conformal, ConformalSettings, PredictionSets, SetScore, SetsOfClass};
pub use members::{EntropyParts, MeanEntropy, Members};
pub use selective::{RiskCoverage, RiskPoint};
