//! Predictions of a model for samples (or pixels): logits, probabilities, features.

use std::fmt;

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::labels::{StoredRows, check_distributions, first_largest, rows_of_samples, x_ln_y};
use crate::provenance::IN_MEMORY;
use crate::{Classes, Error, Labels, Result};

/// A softmax temperature, T > 0. Above 1 it lowers the confidence of a prediction, below 1 it raises it.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Temperature(f64);

impl TryFrom<f64> for Temperature {
    type Error = Error;

    fn try_from(temperature: f64) -> Result<Self> {
        Self::new(temperature)
    }
}

impl From<Temperature> for f64 {
    fn from(temperature: Temperature) -> Self {
        temperature.0
    }
}

/// With four decimals, a small one as 4.5e-5.
impl fmt::Display for Temperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1e-3 { write!(f, "{:.1e}", self.0) } else { write!(f, "{:.4}", self.0) }
    }
}

impl Temperature {
    /// T = 1: the prediction as the model gives it.
    pub const ONE: Self = Self(1.0);

    /// A temperature.
    ///
    /// # Errors
    /// Zero, negative or not finite.
    pub fn new(temperature: f64) -> Result<Self> {
        if temperature.is_finite() && temperature > 0.0 {
            Ok(Self(temperature))
        } else {
            Err(Error::input("temperature", format!("{temperature}"), "choose a number above 0"))
        }
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }
}

/// The temperature that a model's logits are divided by, and where it is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredTemperature {
    /// T, above 0.
    pub temperature: f64,
    /// How it was fitted: `exact` or `ldl-paper`; `rejected exact` with T = 1 where a study did not use it.
    pub procedure: String,
    /// The file that it was fitted to.
    pub data: String,
    /// Number of those patches.
    pub patches: usize,
    /// The least probability before the logarithm, of a model with probabilities of 0, such as a forest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<f64>,
}

impl StoredTemperature {
    /// A model's prediction at this temperature, which changes no decision; of an ensemble, the mean's.
    ///
    /// # Shape
    /// (N, K) → (N, K).
    ///
    /// # Errors
    /// A stored temperature that is not above 0.
    pub fn scale(&self, p: &Probabilities) -> Result<Probabilities> {
        let temperature = Temperature::new(self.temperature)?;
        Ok(match self.floor {
            Some(floor) => p.logits_above(floor)?.softmax(temperature),
            None => p.at(temperature),
        })
    }
}

impl fmt::Display for StoredTemperature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { temperature, procedure, data, patches, .. } = self;
        let temperature = Temperature(*temperature);
        let of = if data == IN_MEMORY { data.clone() } else { format!("patches of {data}") };
        write!(f, "T = {temperature} ({procedure} fit to {patches} {of})")
    }
}

/// Unnormalised log-probabilities. Shape: (N, K).
///
/// A network that averages the softmaxes of several heads gives ln p̄, which is as good: softmax
/// takes it back to p̄. In JSON −∞ is `null`, which is not read again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRows<f64>", into = "StoredRows<f64>")]
pub struct Logits {
    classes: Classes,
    z: Array2<f64>,
}

impl Logits {
    /// Logits of `f64` or `f32`, one row per sample.
    ///
    /// # Errors
    /// A width that is not K, or a row with NaN or +∞, or with −∞ alone.
    pub fn new<F: Into<f64> + Copy + 'static>(classes: Classes, z: Array2<F>) -> Result<Self> {
        let z = z.mapv_into_any(F::into);
        if z.ncols() != classes.len() {
            let problem = format!("{} columns for {} classes", z.ncols(), classes.len());
            return Err(Error::input("logits", problem, "give one column per class"));
        }
        let bad = |row: ndarray::ArrayView1<'_, f64>| {
            row.iter().any(|z| z.is_nan() || *z == f64::INFINITY) || row.iter().all(|z| !z.is_finite())
        };
        if let Some(row) = z.outer_iter().position(bad) {
            let problem = "not numbers";
            return Err(Error::input(format!("logits, row {row}"), problem, "check the model's weights"));
        }
        Ok(Self { classes, z })
    }

    /// The logits. Shape: (N, K).
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.z.view()
    }

    /// p_k = exp(z_k / T) / Σ_j exp(z_j / T).
    ///
    /// # Shape
    /// (N, K) → (N, K).
    ///
    /// ```
    /// use lcz::{Classes, Logits, Temperature};
    /// let z = Logits::new(Classes::named(["a", "b"])?, ndarray::array![[3f64.ln(), 0.0]])?;
    /// let p = z.softmax(Temperature::ONE);
    /// assert!((p.view()[[0, 0]] - 0.75).abs() < 1e-12);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn softmax(&self, temperature: Temperature) -> Probabilities {
        let mut p = self.z.clone();
        for mut row in p.outer_iter_mut() {
            let largest = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            row.mapv_inplace(|z| ((z - largest) / temperature.value()).exp());
            let total = row.sum();
            row /= total;
        }
        Probabilities { classes: self.classes.clone(), p }
    }
}

/// Predicted class probabilities; a label is [`LabelDistributions`](crate::LabelDistributions), so
/// that the two cannot be swapped. Shape: (N, K).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredRows<f64>", into = "StoredRows<f64>")]
pub struct Probabilities {
    classes: Classes,
    p: Array2<f64>,
}

impl Probabilities {
    /// Rows of `f64` or `f32` that are non-negative and sum to 1 but for rounding to four decimals; they are scaled to
    /// sum to 1. Rows of another sum: [`normalised`](Self::normalised).
    ///
    /// # Errors
    /// A row that is not a distribution, or a width that is not K; names the row.
    ///
    /// ```
    /// use lcz::{Classes, Probabilities};
    /// # fn main() -> lcz::Result<()> {
    /// let softmax = ndarray::array![[0.9_f32, 0.1], [0.25, 0.75]]; // of any network
    /// let p = Probabilities::new(Classes::named(["water", "sand"])?, softmax)?;
    /// assert_eq!(p.predicted().indices(), [0, 1]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<F: Into<f64> + Copy + 'static>(classes: Classes, p: Array2<F>) -> Result<Self> {
        let mut p = p.mapv_into_any(F::into);
        check_distributions("probabilities", &classes, &mut p)?;
        Ok(Self { classes, p })
    }

    /// Non-negative rows, each divided by its sum: counts, or probabilities of few digits.
    ///
    /// # Errors
    /// A row with a negative number or without a positive one, or a width that is not K; names the row.
    ///
    /// ```
    /// use lcz::{Classes, Probabilities};
    /// let p = Probabilities::normalised(Classes::named(["a", "b"])?, ndarray::array![[3.0, 1.0]])?;
    /// assert_eq!(p.view()[[0, 0]], 0.75);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn normalised<F: Into<f64> + Copy + 'static>(classes: Classes, p: Array2<F>) -> Result<Self> {
        let mut p = p.mapv_into_any(F::into);
        for mut row in p.outer_iter_mut() {
            let total = row.sum();
            row /= total;
        }
        Self::new(classes, p)
    }

    /// Rows that are those of probabilities already.
    pub(crate) fn from_checked(classes: Classes, p: Array2<f64>) -> Self {
        debug_assert!(p.ncols() == classes.len());
        Self { classes, p }
    }

    /// p̄ = 1/M Σ_m p_m, the mean of several members' predictions for the same samples.
    ///
    /// # Shape
    /// M times (N, K) → (N, K).
    ///
    /// # Errors
    /// No member, or members of other classes or another number of samples.
    ///
    /// ```
    /// use lcz::{Classes, Probabilities};
    /// let classes = Classes::named(["a", "b"])?;
    /// let p = [[0.9, 0.1], [0.5, 0.5]].map(|p| Probabilities::new(classes.clone(), ndarray::array![p]));
    /// let [first, second] = p;
    /// let mean = Probabilities::mean_of(&[first?, second?])?;
    /// assert!((mean.view()[[0, 0]] - 0.7).abs() < 1e-12);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn mean_of(members: &[Self]) -> Result<Self> {
        let Some((first, others)) = members.split_first() else {
            return Err(Error::input("mean of members", "no member", "give at least one"));
        };
        let mut sum = first.p.clone();
        for (m, member) in others.iter().enumerate() {
            if member.classes != first.classes || member.p.dim() != first.p.dim() {
                return Err(Error::input(
                    format!("mean of members, member {}", m + 1),
                    format!("{} samples of classes {}", member.len(), member.classes),
                    format!("give {} samples of classes {}, as the first has", first.len(), first.classes),
                ));
            }
            sum += &member.p;
        }
        sum /= members.len() as f64;
        Ok(Self { classes: first.classes.clone(), p: sum })
    }

    /// ln p: logits that [`softmax`](Logits::softmax) takes back to p. They are those of a mean of softmaxes
    /// too, such as an ensemble's. Shape: (N, K).
    pub fn logits(&self) -> Logits {
        Logits { classes: self.classes.clone(), z: self.p.mapv(f64::ln) }
    }

    /// `ln max(p, floor)`: logits of a classifier with probabilities of 0, such as a random forest, whose
    /// `ln 0` no temperature can correct. Shape: (N, K).
    ///
    /// # Errors
    /// A floor that is not above 0, or above 1.
    ///
    /// ```
    /// use lcz::calibration::TemperatureFit;
    /// use lcz::{Classes, Labels, Probabilities};
    /// let classes = Classes::named(["a", "b"])?;
    /// let p = Probabilities::new(classes.clone(), ndarray::array![[1.0, 0.0], [0.8, 0.2], [0.1, 0.9]])?;
    /// let y = Labels::new(classes, vec![1, 0, 1])?;
    /// assert!(TemperatureFit::fit(&p.logits(), &y).is_err());
    /// // Of a forest of 100 trees, 1/100 is the least share but 0: half of it is a usual floor.
    /// assert!(TemperatureFit::fit(&p.logits_above(0.005)?, &y)?.temperature.value() > 1.0);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn logits_above(&self, floor: f64) -> Result<Logits> {
        if floor > 0.0 && floor <= 1.0 {
            Ok(Logits { classes: self.classes.clone(), z: self.p.mapv(|p| p.max(floor).ln()) })
        } else {
            let problem = format!("{floor}");
            Err(Error::input("floor of probabilities", problem, "choose a number above 0, such as 0.005"))
        }
    }

    /// The prediction at a temperature, `p_k^(1/T) / Σ_j p_j^(1/T)` (Guo et al. 2017, §4.2, for logits ln p).
    ///
    /// # Shape
    /// (N, K) → (N, K).
    ///
    /// ```
    /// use lcz::{Classes, Probabilities, Temperature};
    /// let p = Probabilities::new(Classes::named(["a", "b"])?, ndarray::array![[0.8, 0.2]])?;
    /// let softer = p.at(Temperature::new(2.0)?);
    /// assert!((softer.view()[[0, 0]] - 2.0 / 3.0).abs() < 1e-12); // √0.8 : √0.2 = 2 : 1
    /// # Ok::<(), lcz::Error>(())
    /// ```
    #[must_use]
    pub fn at(&self, temperature: Temperature) -> Self {
        self.logits().softmax(temperature)
    }

    /// The probabilities. Shape: (N, K).
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.p.view()
    }

    /// The predicted class, argmax_k p_k; the first of equals.
    pub fn predicted(&self) -> Labels {
        let indices = self.p.outer_iter().map(first_largest).collect();
        Labels::from_checked(self.classes.clone(), indices)
    }

    /// The mean of [`confidence`](Self::confidence); NaN without samples.
    pub fn mean_confidence(&self) -> f64 {
        self.confidence().iter().sum::<f64>() / self.len() as f64
    }

    /// Predictive entropy `−Σ_k p_k ln p_k`, in nats, where 0 ln 0 = 0. Shape: N.
    ///
    /// ```
    /// use lcz::{Classes, Probabilities};
    /// let p = Probabilities::new(Classes::named(["a", "b"])?, ndarray::array![[0.5, 0.5], [1.0, 0.0]])?;
    /// assert_eq!(p.entropy(), [2f64.ln(), 0.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn entropy(&self) -> Vec<f64> {
        // `0 − Σ`, not `−Σ`: a sure prediction has 0 nats, not −0.
        self.p.outer_iter().map(|row| 0.0 - row.iter().map(|&p| x_ln_y(p, p)).sum::<f64>()).collect()
    }

    /// The largest probability of each sample. Shape: N.
    pub fn confidence(&self) -> Vec<f64> {
        self.p.outer_iter().map(|row| row[first_largest(row)]).collect()
    }
}

rows_of_samples!(Logits, z: f64);
rows_of_samples!(Probabilities, p: f64);

/// The penultimate layer's output h(x). Shape: (N, D).
#[derive(Debug, Clone, PartialEq)]
pub struct Features(Array2<f32>);

impl Features {
    /// Feature vectors, one row per sample.
    pub fn new(h: Array2<f32>) -> Self {
        Self(if h.is_standard_layout() { h } else { h.as_standard_layout().into_owned() })
    }

    /// The features. Shape: (N, D).
    pub fn view(&self) -> ArrayView2<'_, f32> {
        self.0.view()
    }

    /// The features. Shape: (N, D).
    pub fn into_array(self) -> Array2<f32> {
        self.0
    }
}

impl From<Array2<f32>> for Features {
    fn from(h: Array2<f32>) -> Self {
        Self::new(h)
    }
}

impl AsRef<Array2<f32>> for Features {
    fn as_ref(&self) -> &Array2<f32> {
        &self.0
    }
}

/// Feature vectors that are read in passes: in memory ([`Features`]) or in a file
/// ([`FeatureFile`](crate::data::features::FeatureFile)), which need not fit into memory.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::{FeatureRows, Features};
/// let h = Features::new(ndarray::array![[3.0, 4.0], [0.0, 1.0]]);
/// let mut norms = Vec::new();
/// h.pass(&mut |_, rows| Ok(norms.extend(rows.outer_iter().map(|h| h.dot(&h).sqrt()))))?;
/// assert_eq!((h.extent(), norms), ((2, 2), vec![5.0, 1.0]));
/// # Ok(())
/// # }
/// ```
pub trait FeatureRows: Sync {
    /// For messages: the file, or `features in memory`.
    fn name(&self) -> String;

    /// Samples and the width of a feature vector: (N, D).
    fn extent(&self) -> (usize, usize);

    /// Whether a pass costs no more than its arithmetic.
    fn in_memory(&self) -> bool {
        false
    }

    /// Gives every row once, in order: the first row's number and some rows of shape (n, D), a multiple
    /// of 1,024 of them but for the last time.
    ///
    /// # Errors
    /// A file that cannot be read; the visitor's own errors.
    fn pass(&self, visit: &mut dyn FnMut(usize, ArrayView2<'_, f32>) -> Result<()>) -> Result<()>;
}

/// Rows whose sums are formed together. What is computed in passes adds up block by block, so that it
/// comes out the same in memory, from a file and with any number of threads.
pub(crate) const BLOCK: usize = 1024;

/// Rows of this many columns per block: about 64 MiB, in whole blocks.
pub(crate) fn rows_a_slab(width: usize) -> usize {
    ((64 << 20) / (4 * width.max(1))).next_multiple_of(BLOCK)
}

impl FeatureRows for Features {
    fn name(&self) -> String {
        "features in memory".to_owned()
    }

    fn in_memory(&self) -> bool {
        true
    }

    fn extent(&self) -> (usize, usize) {
        self.0.dim()
    }

    fn pass(&self, visit: &mut dyn FnMut(usize, ArrayView2<'_, f32>) -> Result<()>) -> Result<()> {
        let (rows, width) = self.0.dim();
        let slab = rows_a_slab(width);
        (0..rows)
            .step_by(slab)
            .try_for_each(|start| visit(start, self.0.slice(ndarray::s![start..rows.min(start + slab), ..])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn a_high_temperature_flattens_and_a_low_one_sharpens() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let z = Logits::new(classes, array![[2.0, 0.0]]).unwrap();
        let at = |t: f64| z.softmax(Temperature::new(t).unwrap()).confidence()[0];
        assert!((at(2.0) - 1.0 / (1.0 + (-1f64).exp())).abs() < 1e-12);
        assert!(at(0.5) > at(1.0) && at(1.0) > at(2.0));
        assert!(Temperature::new(0.0).is_err());
    }

    #[test]
    fn probabilities_that_do_not_sum_to_one_are_refused() {
        let classes = Classes::named(["a", "b"]).unwrap();
        let error = Probabilities::new(classes, array![[0.5, 0.5], [0.7, 0.7]]).unwrap_err();
        assert!(error.to_string().starts_with("probabilities, row 1: not a distribution"), "{error}");
        assert!(Probabilities::normalised(Classes::named(["a", "b"]).unwrap(), array![[0.0, 0.0]]).is_err());
    }

    #[test]
    fn rows_of_seventeen_classes_rounded_to_four_decimals_are_probabilities() {
        // 1/17 = 0.0588235…: rounded, the row sums to 0.9996.
        let rounded = Array2::from_elem((1, 17), 0.0588);
        let p = Probabilities::new(Classes::lcz(), rounded).unwrap();
        assert!((p.view()[[0, 0]] - 1.0 / 17.0).abs() < 1e-15);
    }
}
