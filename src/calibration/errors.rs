//! The family of calibration errors, each from 0 (calibrated) to at most 1.

use super::{Bins, Reliability};
use crate::metrics::{Target, check_samples};
use crate::{LabelDistributions, Labels, Probabilities, Result};

/// `ECE = Σ_b (n_b / N) |acc_b − conf_b|` of the predicted class, in bins of confidence (Naeini et al.
/// 2015; Guo et al. 2017, Eq. 3). The same as [`Reliability::expected_calibration_error`].
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// use lcz::calibration::{Bins, expected_calibration_error};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.75, 0.25]])?;
/// let y = Labels::new(classes, vec![0, 1])?; // half are right at a confidence of 3/4
/// assert_eq!(expected_calibration_error(&p, &y, Bins::default())?, 0.25);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn expected_calibration_error(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<f64> {
    Reliability::binned(p, y, bins).map(|reliability| reliability.expected_calibration_error())
}

/// `MCE = max_b |acc_b − conf_b|` over bins that hold samples (Guo et al. 2017, Eq. 5).
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{Bins, maximum_calibration_error};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.75, 0.25], [0.5, 0.5]])?;
/// let y = Labels::new(classes, vec![0, 0, 1])?;
/// // 0.25 in the bin of 3/4, in which both are right; 0.5 in the bin of 1/2, in which none is.
/// assert_eq!(maximum_calibration_error(&p, &y, Bins::default())?, 0.5);
/// # Ok(())
/// # }
/// ```
pub fn maximum_calibration_error(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<f64> {
    Reliability::binned(p, y, bins).map(|reliability| reliability.maximum_calibration_error())
}

/// Calibration to the votes: the ECE with accuracy replaced by `y[argmax p]`, the share of the experts who
/// agree with the prediction.
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{Bins, distribution_calibration_error};
/// use lcz::{Classes, LabelDistributions, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25]])?;
/// let y = LabelDistributions::new(classes, ndarray::array![[0.5, 0.5]])?; // half of the experts agree
/// assert_eq!(distribution_calibration_error(&p, &y, Bins::default())?, 0.25);
/// # Ok(())
/// # }
/// ```
pub fn distribution_calibration_error(p: &Probabilities, y: &LabelDistributions, bins: Bins) -> Result<f64> {
    expected_calibration_error(p, y, bins)
}

/// `(1/K) Σ_k Σ_b (n_bk / N) |freq_bk − mean p_bk|`: for each class, all samples in bins of `p_k` (Kull et
/// al. 2019, Eq. 2); with bins of equal width it is also the *static* calibration error of Nixon et al.
/// (2019). K is the length of the class list: absent classes count, with their small probabilities.
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// use lcz::calibration::{Bins, classwise_calibration_error};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.75, 0.25]])?;
/// let y = Labels::new(classes, vec![0, 1])?;
/// // Both classes occur half of the time, and were given 3/4 and 1/4.
/// assert_eq!(classwise_calibration_error(&p, &y, Bins::default())?, 0.25);
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn classwise_calibration_error(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<f64> {
    let errors = class_calibration_errors(p, y, bins)?;
    Ok(errors.iter().sum::<f64>() / errors.len() as f64)
}

/// The calibration error of each class against the others, `Σ_b (n_bk / N) |freq_bk − mean p_bk|`; their
/// mean is the [classwise error](classwise_calibration_error). Shape: K.
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{Bins, class_calibration_errors};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.75, 0.25]])?;
/// let y = Labels::new(classes, vec![0, 1])?;
/// assert_eq!(class_calibration_errors(&p, &y, Bins::default())?, [0.25, 0.25]);
/// # Ok(())
/// # }
/// ```
pub fn class_calibration_errors(p: &Probabilities, y: &impl Target, bins: Bins) -> Result<Vec<f64>> {
    let error = |k| Reliability::compute_class(p, y, k, bins).map(|class| class.expected_calibration_error());
    (0..p.classes().len()).map(error).collect()
}

/// "ACE" after Nixon et al. (2019), *Measuring Calibration in Deep Learning*: the classwise error in
/// `ranges` bins of equal mass per class. Nixon gives every range the weight 1/R; here it weighs n_b/N,
/// which differs only where N is not a multiple of R or ties make ranges unequal.
///
/// # Errors
/// No sample, no range, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{adaptive_calibration_error};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.5, 0.5]])?;
/// let y = Labels::new(classes, vec![0, 1])?;
/// // Two ranges of one sample each: of both classes one misses by 1/4, the other by 1/2.
/// assert_eq!(adaptive_calibration_error(&p, &y, 2)?, 0.375);
/// # Ok(())
/// # }
/// ```
pub fn adaptive_calibration_error(p: &Probabilities, y: &impl Target, ranges: usize) -> Result<f64> {
    classwise_calibration_error(p, y, Bins::EqualMass(ranges))
}

/// "AdaECE" (Nguyen & O'Connor 2015; Mukhoti et al. 2020): the ECE of the predicted class in bins of equal
/// mass.
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{equal_mass_calibration_error};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.5, 0.5]])?;
/// let y = Labels::new(classes, vec![0, 1])?;
/// // Two bins of one sample each: a confidence of 3/4 that is right, one of 1/2 that is wrong.
/// assert_eq!(equal_mass_calibration_error(&p, &y, 2)?, 0.375);
/// # Ok(())
/// # }
/// ```
pub fn equal_mass_calibration_error(p: &Probabilities, y: &impl Target, bins: usize) -> Result<f64> {
    expected_calibration_error(p, y, Bins::EqualMass(bins))
}

/// "SCE" as the label distribution paper's code computes it: `(1/K) Σ_b Σ_k (n_bk / N) |acc_bk − conf_bk|`,
/// where bin b is by the *top* confidence and k is the *true* class: `acc_bk` is the share of those
/// samples that were called k, `conf_bk` the mean of their p_k. It is not zero for a calibrated
/// classifier (splitting by the truth looks ahead); [`classwise_calibration_error`] is. There: 20 bins
/// of equal width in the evaluation, 25 after temperature scaling, K = 10.
///
/// # Errors
/// No sample, no bin, or different lengths or class lists.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::calibration::{sce_as_in_ldl_paper};
/// use lcz::{Classes, Labels, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[0.75, 0.25], [0.75, 0.25]])?;
/// let y = Labels::new(classes, vec![0, 1])?;
/// // One bin: class 1 is called so in 1 of 1 and has p = 3/4, class 2 in 0 of 1 and has p = 1/4.
/// assert_eq!(sce_as_in_ldl_paper(&p, &y, 20)?, 0.125);
/// # Ok(())
/// # }
/// ```
pub fn sce_as_in_ldl_paper(p: &Probabilities, y: &Labels, bins: usize) -> Result<f64> {
    check_samples((p.len(), p.classes()), (y.len(), y.classes()))?;
    let binning = Bins::EqualWidth(bins).cut(&p.confidence())?;
    let classes = p.classes().len();
    let mut gaps = vec![0.0; binning.len() * classes]; // n_bk (acc_bk − conf_bk)
    let predicted = p.predicted();
    for (n, (&truth, &guess)) in y.indices().iter().zip(predicted.indices()).enumerate() {
        let right = f64::from(u8::from(truth == guess));
        gaps[binning.of[n] * classes + truth] += right - p.view()[[n, truth]];
    }
    Ok(gaps.iter().map(|gap| gap.abs()).sum::<f64>() / (p.len() * classes) as f64)
}
