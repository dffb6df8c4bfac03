//! Calibration of predicted probabilities, and recalibration.
//!
//! Of the samples that a calibrated classifier predicts with confidence 80 %, 80 % are right. [`Reliability`] compares
//! the two in bins of confidence after Naeini et al. (2015), *Obtaining Well Calibrated Probabilities
//! Using Bayesian Binning*, and Guo et al. (2017), *On Calibration of Modern Neural Networks*; the
//! errors *per class* follow Kull et al. (2019), *Beyond Temperature Scaling*. [`TemperatureFit`] and
//! [`VectorScaling`] are the two simplest recalibrations of Guo et al.
//!
//! Everything takes [`Labels`](crate::Labels) (was the prediction right?) or
//! [`LabelDistributions`](crate::LabelDistributions) (which share of the experts agree with it?): with
//! distributions y, "right" is replaced by `y[argmax p]`.
//!
//! ```
//! use lcz::calibration::{Bins, Reliability};
//!
//! // Three bins: (0.333, 0.667] holds three samples, one of them right; (0.667, 1] holds one.
//! let confidence = [0.55, 0.55, 0.6, 0.9];
//! let correct = [false, false, true, true];
//! let reliability = Reliability::from_pairs(&confidence, &correct, Bins::EqualWidth(3))?;
//! assert!((reliability.expected_calibration_error() - 0.2).abs() < 1e-12);
//! assert!((reliability.maximum_calibration_error() - 0.7 / 3.0).abs() < 1e-12);
//! # Ok::<(), lcz::Error>(())
//! ```
//!
//! **Three errors are called "ACE".** Each has a name of its own here:
//!
//! | name | what it is |
//! |---|---|
//! | [`Reliability::average_calibration_error`] | the plain mean of the gaps of the bins that hold samples (Neumann et al. 2018, *Relaxed Softmax*) |
//! | [`adaptive_calibration_error`] | classwise, with bins of equal mass (Nixon et al. 2019, *Measuring Calibration in Deep Learning*) |
//! | [`equal_mass_calibration_error`] | of the top label, with bins of equal mass (Nguyen & O'Connor 2015; AdaECE in Mukhoti et al. 2020) |
//!
//! "SCE" names two: Nixon's *static* calibration error is [`classwise_calibration_error`]; the label
//! distribution paper's is [`sce_as_in_ldl_paper`].

mod bins;
mod debiased;
mod errors;
mod lbfgs;
mod reliability;
mod smooth;
mod temperature;
mod vector;

pub use bins::Bins;
pub use debiased::DebiasedError;
pub use errors::{
    adaptive_calibration_error, class_calibration_errors, classwise_calibration_error,
    distribution_calibration_error, equal_mass_calibration_error, expected_calibration_error,
    maximum_calibration_error, sce_as_in_ldl_paper,
};
pub use reliability::{Bin, Reliability};
pub use smooth::{SmoothCalibration, SmoothPoint};
pub(crate) use smooth::{Smoother, Spot, grid};
pub use temperature::{Bound, FEWEST_SAMPLES, TemperatureFit};
pub use vector::{VectorFit, VectorScaling};

use crate::{Error, Result};

/// Confidences and outcomes must be of the same samples, one at least.
fn check_pairs(what: &str, confidence: &[f64], outcome: &[f64]) -> Result<()> {
    if confidence.len() == outcome.len() && !confidence.is_empty() {
        return Ok(());
    }
    let problem = format!("{} confidences, {} outcomes", confidence.len(), outcome.len());
    Err(Error::input(what, problem, "give both for each sample, at least one"))
}

/// Confidences must be probabilities.
fn check_confidences(confidence: &[f64]) -> Result<()> {
    let Some(row) = confidence.iter().position(|c| !(0.0..=1.0).contains(c)) else { return Ok(()) };
    let problem = format!("{} is not a probability in [0, 1]", confidence[row]);
    Err(Error::input(format!("confidence, row {row}"), problem, "give numbers from 0 to 1"))
}
