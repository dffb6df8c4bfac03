//! A normal density per class: moments in one pass, shrunk covariances, and their logarithms.

use ndarray::{Array2, ArrayView1};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// What is added to each band's variance, as a part of that band's variance over all training
/// pixels: it keeps a covariance invertible where bands are copies of each other, or never vary.
const RIDGE: f64 = 1e-9;

/// How far each class's covariance is drawn towards the one that all classes share: λ of Friedman
/// (1989), from 0 (its own) to 1 (the shared one).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Shrinkage(f64);

impl Shrinkage {
    /// A shrinkage.
    ///
    /// # Errors
    /// A number outside 0–1.
    pub fn new(lambda: f64) -> Result<Self> {
        if (0.0..=1.0).contains(&lambda) {
            Ok(Self(lambda))
        } else {
            Err(Error::input("shrinkage", format!("{lambda}"), "choose 0 to 1"))
        }
    }

    /// λ.
    pub fn value(self) -> f64 {
        self.0
    }
}

impl Default for Shrinkage {
    /// λ = 0.3, chosen on real images. Held-out regions of Hong Kong (four Landsat-8 dates, six buffered splits): mean
    /// overall accuracy 0.59 for λ = 0, 0.66 for 0.1, 0.69 from 0.3 to 1, and the least cross-entropy
    /// at 0.3.
    fn default() -> Self {
        Self(0.3)
    }
}

impl TryFrom<f64> for Shrinkage {
    type Error = Error;

    fn try_from(lambda: f64) -> Result<Self> {
        Self::new(lambda)
    }
}

impl From<Shrinkage> for f64 {
    fn from(shrinkage: Shrinkage) -> Self {
        shrinkage.0
    }
}

/// π N(x; μ, Σ) of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Density {
    prior: f64,
    pub(super) mean: Vec<f64>,
    covariance: Vec<Vec<f64>>,
    /// Lower triangle L of Σ = L Lᵀ.
    #[serde(skip)]
    factor: Array2<f64>,
}

/// Number, mean and scatter matrix of the pixels of one class, kept up to date pixel by pixel
/// (Welford 1962).
#[derive(Clone)]
pub(super) struct Moments {
    count: usize,
    mean: Vec<f64>,
    /// Lower triangle of `Σ_n (x_n − μ)(x_n − μ)ᵀ`.
    scatter: Array2<f64>,
}

impl Moments {
    pub(super) fn of_nothing(bands: usize) -> Self {
        Self { count: 0, mean: vec![0.0; bands], scatter: Array2::zeros((bands, bands)) }
    }

    pub(super) fn add(&mut self, pixel: &ArrayView1<'_, f32>) {
        let weight = self.count as f64 / (self.count + 1) as f64;
        self.count += 1;
        let from_mean = |c: usize, mean: &[f64]| f64::from(pixel[c]) - mean[c];
        for i in 0..self.mean.len() {
            for j in 0..=i {
                self.scatter[[i, j]] += weight * from_mean(i, &self.mean) * from_mean(j, &self.mean);
            }
        }
        for c in 0..self.mean.len() {
            self.mean[c] += from_mean(c, &self.mean) / self.count as f64;
        }
    }
}

/// The densities of all classes, as [`PixelGaussian`](super::PixelGaussian) defines them.
pub(super) fn densities(moments: &[Moments], shrinkage: Shrinkage) -> Result<Vec<Option<Density>>> {
    let kept = || moments.iter().filter(|class| class.count >= 2);
    let total = kept().map(|class| class.count).sum::<usize>() as f64;
    let Some(bands) = kept().map(|class| class.mean.len()).next() else {
        let problem = "no class has two samples";
        return Err(Error::input("per-pixel baseline", problem, "give more labelled patches"));
    };
    let mut pooled = Array2::zeros((bands, bands));
    for class in kept() {
        pooled += &class.scatter;
    }
    // Each band's variance over all pixels; a constant band does not separate classes, so that any value will do.
    let variance = |c: usize| {
        let mean = kept().map(|class| class.count as f64 * class.mean[c]).sum::<f64>() / total;
        let between: f64 = kept().map(|class| class.count as f64 * (class.mean[c] - mean).powi(2)).sum();
        let variance = (pooled[[c, c]] + between) / total;
        if variance > 0.0 { variance } else { 1.0 }
    };
    let ridge: Vec<f64> = (0..bands).map(|c| RIDGE * variance(c)).collect();
    let lambda = shrinkage.value();
    let density = |class: &Moments| {
        let weight = (1.0 - lambda) * class.count as f64 + lambda * total;
        let mut covariance = ((1.0 - lambda) * &class.scatter + lambda * &pooled) / weight;
        for c in 0..bands {
            covariance[[c, c]] += ridge[c];
        }
        for (i, j) in (0..bands).flat_map(|i| (0..i).map(move |j| (i, j))) {
            covariance[[j, i]] = covariance[[i, j]];
        }
        let rows = covariance.outer_iter().map(|row| row.to_vec()).collect();
        Density::new(class.count as f64 / total, class.mean.clone(), rows).ok_or_else(|| {
            let advice = "raise the shrinkage, or leave out bands that copy others";
            Error::input("per-pixel baseline", "a covariance that cannot be inverted", advice)
        })
    };
    moments.iter().map(|class| (class.count >= 2).then(|| density(class)).transpose()).collect()
}

impl Density {
    /// None if the numbers are not a density: unequal sizes, or a covariance that is not positive
    /// definite.
    pub(super) fn new(prior: f64, mean: Vec<f64>, covariance: Vec<Vec<f64>>) -> Option<Self> {
        let bands = mean.len();
        let numbers = mean.iter().chain(covariance.iter().flatten());
        if !(prior > 0.0 && prior <= 1.0)
            || covariance.len() != bands
            || covariance.iter().any(|row| row.len() != bands)
            || numbers.into_iter().any(|number| !number.is_finite())
        {
            return None;
        }
        let factor = cholesky(&covariance)?;
        Some(Self { prior, mean, covariance, factor })
    }

    /// `ln π − ½ ln|Σ| − ½ (x − μ)ᵀ Σ⁻¹ (x − μ)`, which leaves out a term that all classes share.
    /// `u` is a buffer of one number per band.
    pub(super) fn log(&self, pixel: &ArrayView1<'_, f32>, u: &mut [f64]) -> f64 {
        let mut log = self.prior.ln();
        for i in 0..u.len() {
            // L u = x − μ, solved from the first row down
            let solved: f64 = self.factor.row(i).iter().zip(&*u).take(i).map(|(l, u)| l * u).sum();
            let rest = f64::from(pixel[i]) - self.mean[i] - solved;
            u[i] = rest / self.factor[[i, i]];
            log -= self.factor[[i, i]].ln() + 0.5 * u[i] * u[i];
        }
        log
    }
}

/// The lower triangle L of A = L Lᵀ; None if A is not positive definite.
fn cholesky(a: &[Vec<f64>]) -> Option<Array2<f64>> {
    let mut l = Array2::<f64>::zeros((a.len(), a.len()));
    for i in 0..a.len() {
        for j in 0..=i {
            let rest = a[i][j] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            if i > j {
                l[[i, j]] = rest / l[[j, j]];
            } else if rest > 0.0 {
                l[[i, i]] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    Some(l)
}
