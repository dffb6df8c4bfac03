//! Distances between a predicted distribution and a label distribution, as label distribution learning
//! measures itself by (Geng 2016, *Label Distribution Learning*, Table 1), each a mean over samples.

use super::{Target, check_samples};
use crate::labels::x_ln_y;
use crate::{Probabilities, Result};

/// How far predictions p lie from label distributions y, each number the mean over samples.
///
/// ```
/// use lcz::metrics::DistributionDistances;
/// use lcz::{Classes, LabelDistributions, Probabilities};
/// let classes = Classes::named(["forest", "river"])?;
/// let p = Probabilities::new(classes.clone(), ndarray::array![[1.0, 0.0]])?;
/// let y = LabelDistributions::new(classes, ndarray::array![[0.0, 1.0]])?;
/// let apart = DistributionDistances::compute(&p, &y)?;
/// assert!((apart.jensen_shannon_divergence - 2f64.ln()).abs() < 1e-12);
/// assert_eq!((apart.chebyshev_distance, apart.intersection_similarity), (1.0, 0.0));
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct DistributionDistances {
    /// Jensen–Shannon divergence `½ KL(y‖m) + ½ KL(p‖m)`, m = (y + p)/2, in nats, 0 to ln 2 (Lin 1991).
    /// SciPy's `jensenshannon` is the square root of one sample's.
    pub jensen_shannon_divergence: f64,
    /// Chebyshev distance `max_k |y_k − p_k|`, 0 to 1.
    pub chebyshev_distance: f64,
    /// Clark distance `√ Σ_k (y_k − p_k)² / (y_k + p_k)²`, 0 to √K; 0/0 = 0.
    pub clark_distance: f64,
    /// Canberra distance `Σ_k |y_k − p_k| / (y_k + p_k)`, 0 to K; 0/0 = 0.
    pub canberra_distance: f64,
    /// Cosine similarity `Σ_k y_k p_k / (‖y‖ ‖p‖)`, 0 to 1; higher is better.
    pub cosine_similarity: f64,
    /// Intersection `Σ_k min(y_k, p_k)`, 0 to 1; higher is better.
    pub intersection_similarity: f64,
}

impl DistributionDistances {
    /// Shape: (N, K) probabilities, N labels or (N, K) label distributions → six numbers.
    ///
    /// # Errors
    /// No sample, or different lengths or class lists.
    pub fn compute(p: &Probabilities, y: &impl Target) -> Result<Self> {
        check_samples((p.len(), p.classes()), y.extent())?;
        let mut sums = [0.0; 6];
        for (n, row) in p.view().outer_iter().enumerate() {
            let pairs = || row.iter().enumerate().map(|(k, &p)| (y.y(n, k), p));
            for (sum, value) in sums.iter_mut().zip(of_sample(pairs)) {
                *sum += value;
            }
        }
        let [js, chebyshev, clark, canberra, cosine, intersection] = sums.map(|sum| sum / p.len() as f64);
        Ok(Self {
            jensen_shannon_divergence: js,
            chebyshev_distance: chebyshev,
            clark_distance: clark,
            canberra_distance: canberra,
            cosine_similarity: cosine,
            intersection_similarity: intersection,
        })
    }
}

fn of_sample<I: Iterator<Item = (f64, f64)>>(pairs: impl Fn() -> I) -> [f64; 6] {
    let to_middle = |y: f64, p: f64| {
        let middle = 0.5 * (y + p);
        0.5 * (x_ln_y(y, y / middle) + x_ln_y(p, p / middle))
    };
    // |y − p| / (y + p), 0 where neither has any.
    let relative = |y: f64, p: f64| if y + p == 0.0 { 0.0 } else { (y - p).abs() / (y + p) };
    let sum = |term: &dyn Fn(f64, f64) -> f64| pairs().map(|(y, p)| term(y, p)).sum::<f64>();
    [
        sum(&to_middle),
        pairs().map(|(y, p)| (y - p).abs()).fold(0.0, f64::max),
        sum(&|y, p| relative(y, p).powi(2)).sqrt(),
        sum(&relative),
        sum(&|y, p| y * p) / (sum(&|y, _| y * y) * sum(&|_, p| p * p)).sqrt(),
        sum(&|y, p| y.min(p)),
    ]
}
