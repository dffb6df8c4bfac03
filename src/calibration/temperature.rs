//! Temperature scaling: one number that lowers or raises the confidence of every prediction (Guo et al. 2017, §4.2).

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::metrics::{Target, check_samples};
use crate::{Error, Logits, Result, Temperature};

/// Fewer samples than this say too little about one number: of 17 classes at an accuracy of 0.65, T from 10 samples is off by a
/// factor of up to 2 and raises the loss of other samples about as often as it lowers it; from 30 it is within a factor of 1.4
/// (95 % of simulated sets, T from 1.2 to 2).
pub const FEWEST_SAMPLES: usize = 30;

/// Search interval of ln β, where β = 1/T.
const LN_BETA: [f64; 2] = [-10.0, 10.0];

/// A fitted temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TemperatureFit {
    /// T.
    pub temperature: Temperature,
    /// Cross-entropy at T = 1, in nats.
    pub loss_before: f64,
    /// Cross-entropy at the fitted T, in nats.
    pub loss_after: f64,
    /// Set where no temperature of the search interval is best: the least loss lies beyond this bound.
    pub bound: Option<Bound>,
}

/// An end of the interval that temperatures are searched in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bound {
    /// T = e⁻¹⁰: every prediction is right, and sharpening it never stops to pay.
    Coldest,
    /// T = e¹⁰: predictions are no better than a uniform one, or worse.
    Hottest,
}

impl TemperatureFit {
    /// The temperature that minimises the cross-entropy
    /// `L(β) = (1/N) Σ_n [ln Σ_k exp(β z_nk) − β Σ_k y_nk z_nk]`, β = 1/T (Guo et al. 2017, Eq. 9, for
    /// soft labels too). L is convex in β, so its one minimum is where dL/dβ = 0, which Brent's method
    /// finds in ln β ∈ \[−10, 10\] to rounding. Where all logits of each sample are equal, every
    /// temperature is as good and T = 1 stays.
    ///
    /// Fit it on validation data: fitted on training data, T is too small.
    ///
    /// # Shape
    /// (N, K) logits, N labels or (N, K) label distributions → one T.
    ///
    /// # Errors
    /// No sample, different lengths or class lists, or a logit of −∞ where y > 0: names the row.
    ///
    /// ```
    /// use lcz::calibration::TemperatureFit;
    /// use lcz::{Classes, Labels, Logits};
    /// let classes = Classes::named(["forest", "river"])?;
    /// // "River" at odds of e⁴ each time, yet one of four is forest: odds of 3 would be right.
    /// let z = Logits::new(classes.clone(), ndarray::array![[0.0, 4.0], [0.0, 4.0], [0.0, 4.0], [0.0, 4.0]])?;
    /// let y = Labels::new(classes, vec![1, 1, 0, 1])?;
    /// let fit = TemperatureFit::fit(&z, &y)?;
    /// assert!((fit.temperature.value() - 4.0 / 3f64.ln()).abs() < 1e-9);
    /// assert!(fit.loss_after < fit.loss_before && fit.bound.is_none());
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn fit(z: &Logits, y: &impl Target) -> Result<Self> {
        let loss = Loss::of(z, y)?;
        if loss.is_flat() {
            return loss.fit(1.0, None);
        }
        let [low, high] = LN_BETA;
        let t = match loss.bound() {
            Some(Bound::Hottest) => (-low).exp(),
            Some(Bound::Coldest) => (-high).exp(),
            None => (-zero_by_brent(|ln_beta| loss.slope(ln_beta.exp()), low, high)).exp(),
        };
        loss.fit(t, loss.bound())
    }

    /// Why this temperature should not be used, with what to do about it: its search ended at a bound, or it is from fewer than
    /// [`FEWEST_SAMPLES`] samples.
    ///
    /// # Errors
    /// Such a temperature; names the place, which is the data's.
    pub fn check(&self, samples: usize, place: &str) -> Result<()> {
        let t = self.temperature;
        let (problem, advice) = match self.bound {
            _ if samples < FEWEST_SAMPLES => (
                format!("T = {t} from {samples} samples is too uncertain"),
                format!("fit it to {FEWEST_SAMPLES} or more (better 100)"),
            ),
            Some(Bound::Coldest) => (
                format!("T = {t}, and lower ones are better still: every prediction is right"),
                "use more validation data, with samples that are hard".to_owned(),
            ),
            Some(Bound::Hottest) => (
                format!(
                    "T = {t}, and higher ones are better still: predictions are no better than uniform ones"
                ),
                "train the model further, or check that the labels are those of the data".to_owned(),
            ),
            None => return Ok(()),
        };
        Err(Error::input(place, problem, advice))
    }

    /// The label distribution paper's own procedure: Adam on T itself, from T = 1, learning rate 0.01,
    /// 10,000 steps (Keras's β₁ = 0.9, β₂ = 0.999, ε = 1e-7). It ends near the exact T where that is within
    /// reach of its steps; [`fit`](Self::fit) is exact, and some hundred times faster. Where no temperature is best, its steps end anywhere; [`Bound`] says so.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); a step to T ≤ 0, which the original code does not notice, is an error too.
    pub fn as_in_ldl_paper(z: &Logits, y: &impl Target) -> Result<Self> {
        let loss = Loss::of(z, y)?;
        let (mut t, mut first, mut second) = (1.0_f64, 0.0_f64, 0.0_f64);
        for step in 1..=10_000 {
            let gradient = -loss.slope(1.0 / t) / (t * t); // dL/dT = −(dL/dβ) / T²
            first = 0.9 * first + 0.1 * gradient;
            second = 0.999 * second + 0.001 * gradient * gradient;
            let corrected = (1.0 - 0.999_f64.powi(step)).sqrt() / (1.0 - 0.9_f64.powi(step));
            t -= 0.01 * corrected * first / (second.sqrt() + 1e-7);
            Temperature::new(t)?;
        }
        let bound = if loss.is_flat() { None } else { loss.bound() };
        loss.fit(t, bound)
    }
}

/// The cross-entropy as a function of β.
struct Loss {
    /// Logits less the largest of their row, ≤ 0. Shape: (N, K).
    z: Array2<f64>,
    /// `(1/N) Σ_n Σ_k y_nk z_nk`, of these.
    labelled: f64,
}

/// Rows a thread takes at once; the sums of the blocks are added in order, independent of the number of threads.
const BLOCK: usize = 1024;

impl Loss {
    fn of(z: &Logits, y: &impl Target) -> Result<Self> {
        check_samples((z.view().nrows(), z.classes()), y.extent())?;
        let mut centred = z.view().to_owned();
        let mut labelled = 0.0;
        for (n, mut row) in centred.outer_iter_mut().enumerate() {
            let largest = row.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
            row -= largest;
            for (k, &z) in row.iter().enumerate() {
                let y = y.y(n, k);
                if y > 0.0 && z == f64::NEG_INFINITY {
                    return Err(Error::input(
                        format!("logits, row {n}"),
                        format!("class {k} is given probability 0 and occurs: no temperature corrects it"),
                        "raise the probabilities to a small floor before the logarithm",
                    ));
                }
                if y > 0.0 {
                    labelled += y * z;
                }
            }
        }
        labelled /= centred.nrows() as f64;
        Ok(Self { z: centred, labelled })
    }

    /// Whether each row's logits are all equal, so that β changes nothing.
    fn is_flat(&self) -> bool {
        self.z.iter().all(|&z| z == 0.0)
    }

    /// The end of the interval beyond which the least loss lies, if it does.
    fn bound(&self) -> Option<Bound> {
        let slope = |ln_beta: f64| self.slope(ln_beta.exp());
        match LN_BETA {
            [low, _] if slope(low) >= 0.0 => Some(Bound::Hottest),
            [_, high] if slope(high) <= 0.0 => Some(Bound::Coldest),
            _ => None,
        }
    }

    /// dL/dβ = (1/N) Σ_n Σ_k (p_nk − y_nk) z_nk.
    fn slope(&self, beta: f64) -> f64 {
        let predicted = self.mean_over_rows(|row| {
            let (mut weights, mut weighted) = (0.0, 0.0);
            for &z in row {
                let weight = (beta * z).exp();
                if weight > 0.0 {
                    weights += weight;
                    weighted += weight * z;
                }
            }
            weighted / weights
        });
        predicted - self.labelled
    }

    /// L(β).
    fn value(&self, beta: f64) -> f64 {
        let log_sums = self.mean_over_rows(|row| row.iter().map(|z| (beta * z).exp()).sum::<f64>().ln());
        log_sums - beta * self.labelled
    }

    fn mean_over_rows(&self, term: impl Fn(&[f64]) -> f64 + Sync) -> f64 {
        let block = |rows: ndarray::ArrayView2<'_, f64>| {
            rows.outer_iter().map(|row| term(row.as_slice().expect("rows lie in order"))).sum::<f64>()
        };
        let sums: Vec<f64> = self.z.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().map(block).collect();
        sums.iter().sum::<f64>() / self.z.nrows() as f64
    }

    fn fit(&self, t: f64, bound: Option<Bound>) -> Result<TemperatureFit> {
        Ok(TemperatureFit {
            temperature: Temperature::new(t)?,
            loss_before: self.value(1.0),
            loss_after: self.value(1.0 / t),
            bound,
        })
    }
}

/// A zero of `f` between `a` and `b`, where it has opposite signs: Brent (1973), *Algorithms for
/// Minimization without Derivatives*, ch. 4. Inverse quadratic steps where they shrink the bracket fast
/// enough, bisection where not.
fn zero_by_brent(f: impl Fn(f64) -> f64, mut a: f64, mut b: f64) -> f64 {
    let (mut f_a, mut f_b) = (f(a), f(b));
    let (mut c, mut f_c) = (a, f_a); // b and c bracket the zero; a is the b before
    let (mut step, mut before) = (b - a, b - a);
    // Bisection alone would halve the interval of 20 to rounding in 56 steps; Brent at worst squares that.
    for _ in 0..1000 {
        if (f_b > 0.0) == (f_c > 0.0) {
            (c, f_c) = (a, f_a);
            step = b - a;
            before = step;
        }
        if f_c.abs() < f_b.abs() {
            (a, b, c) = (b, c, b);
            (f_a, f_b, f_c) = (f_b, f_c, f_b);
        }
        let tolerance = 2.0 * f64::EPSILON * b.abs() + 1e-14;
        let half = 0.5 * (c - b);
        if half.abs() <= tolerance || f_b == 0.0 {
            break;
        }
        if before.abs() >= tolerance && f_a.abs() > f_b.abs() {
            let s = f_b / f_a;
            let (p, q) = if a.total_cmp(&c).is_eq() {
                (2.0 * half * s, 1.0 - s) // secant
            } else {
                let (q, r) = (f_a / f_c, f_b / f_c);
                (s * (2.0 * half * q * (q - r) - (b - a) * (r - 1.0)), (q - 1.0) * (r - 1.0) * (s - 1.0))
            };
            let (p, q) = if p > 0.0 { (p, -q) } else { (-p, q) };
            if 2.0 * p < (3.0 * half * q - (tolerance * q).abs()).min((before * q).abs()) {
                before = step;
                step = p / q;
            } else {
                step = half;
                before = half;
            }
        } else {
            step = half;
            before = half;
        }
        (a, f_a) = (b, f_b);
        b += if step.abs() > tolerance { step } else { tolerance.copysign(half) };
        f_b = f(b);
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brent_finds_the_zero_of_functions_whose_zero_is_known() {
        let found = zero_by_brent(|x| x.exp() - 2.0, -10.0, 10.0);
        assert!((found - 2f64.ln()).abs() < 1e-13, "{found}");
        let found = zero_by_brent(|x| (x - 3.0).powi(3), -10.0, 10.0);
        assert!((found - 3.0).abs() < 1e-4, "{found}"); // a triple zero: (1e-5)³ is 1e-15
        let found = zero_by_brent(|x| if x < -7.25 { -1.0 } else { 1.0 }, -10.0, 10.0);
        assert!((found + 7.25).abs() < 1e-12, "{found}");
    }
}
