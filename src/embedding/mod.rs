//! Features on a plane: t-SNE, which keeps neighbours together, and its quality.
//!
//! van der Maaten & Hinton, *Visualizing Data using t-SNE*, JMLR 9, 2008; repulsion by a quad tree as in
//! van der Maaten, *Accelerating t-SNE using Tree-Based Algorithms*, JMLR 15, 2014, but the tree is walked
//! once for all points of a leaf, and what it comes to is summed in vectors. The start is the plane of the first
//! two principal components, so that positions reflect the global structure (Kobak & Berens, *The art of
//! using t-SNE for single-cell transcriptomics*, Nature Communications 10, 2019).
//!
//! ```
//! use lcz::Features;
//! use lcz::embedding::TSne;
//! use lcz::progress::Silent;
//!
//! // Two clusters of twenty samples in five dimensions.
//! let h = ndarray::Array2::from_shape_fn((40, 5), |(n, d)| (n / 20 * 9) as f32 + ((n * 7 + d * 3) % 11) as f32 / 11.0);
//! let h = Features::new(h);
//! let plane = TSne { perplexity: 5.0, ..TSne::default() }.embed(&h, &mut Silent)?;
//! assert_eq!(plane.positions().dim(), (40, 2));
//! assert!(plane.trustworthiness_score(&h, 5)? > 0.8);
//! # Ok::<(), lcz::Error>(())
//! ```

mod affinities;
mod cloud;
mod descent;
mod quality;
mod start;
mod tree;

use ndarray::{Array2, ArrayView2};
use serde::Serialize;

use crate::{Error, Features, Progress, Result};

use affinities::Affinities;
use cloud::Cloud;

/// t-SNE's settings. Same settings, same bits, at any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TSne {
    /// Effective number of neighbours: e to the entropy of a sample's affinities in nats (default 30).
    pub perplexity: f64,
    /// Steps in all (1,000).
    pub iterations: usize,
    /// Steps at the beginning in which attraction is exaggerated, so that clusters form (250).
    pub exaggerated: usize,
    /// Factor of the exaggeration (12).
    pub exaggeration: f64,
    /// Step length; `None`, the default: max(N/exaggeration/4, 50), as in scikit-learn.
    pub learning_rate: Option<f64>,
    /// θ of Barnes–Hut: a cell of points repels as one where its extent is below θ times its distance. 0: every pair separately. Default 0.5.
    pub theta: f64,
    /// Random seed of the tiny noise on the start, which separates equal samples (0).
    pub seed: u64,
}

impl Default for TSne {
    fn default() -> Self {
        Self {
            perplexity: 30.0,
            iterations: 1000,
            exaggerated: 250,
            exaggeration: 12.0,
            learning_rate: None,
            theta: 0.5,
            seed: 0,
        }
    }
}

impl TSne {
    /// Places samples on a plane by gradient descent on KL(P‖Q), from the first two principal components.
    ///
    /// P: `p_ij = (p_j|i + p_i|j)/2N` with `p_j|i ∝ exp(−β_i ‖h_i − h_j‖²)` over the 3 · perplexity nearest
    /// neighbours of i, β_i such that the entropy of p_·|i is ln perplexity. Q: `q_ij ∝ 1/(1 + ‖y_i − y_j‖²)`.
    ///
    /// # Shape
    /// (N, D) → (N, 2).
    ///
    /// # Errors
    /// Fewer than four samples, a feature that is NaN or infinite (names the row), settings out of range, an interruption.
    pub fn embed(&self, h: &Features, progress: &mut dyn Progress) -> Result<Embedding> {
        self.check(h)?;
        let cloud = Cloud::new(h)?;
        let p = Affinities::of_neighbours(&cloud, self.perplexity, progress);
        let start = start::principal_plane(&cloud, self.seed);
        let positions = descent::descend(self, &p, start, progress);
        if progress.interrupted() {
            return Err(Error::Interrupted { place: "in t-SNE".to_owned() });
        }
        let flat = positions.into_iter().flatten().collect();
        let shape = (h.view().nrows(), 2);
        let positions = Array2::from_shape_vec(shape, flat).map_err(Error::internal("embedding"))?;
        Ok(Embedding { positions, perplexity: self.perplexity })
    }

    fn check(&self, h: &Features) -> Result<()> {
        let fail =
            |place: &str, problem: String, advice: &str| Err(Error::input(place.to_owned(), problem, advice));
        let samples = h.view().nrows();
        if samples < 4 {
            return fail("t-SNE", format!("{samples} samples"), "give at least four");
        }
        check_perplexity(self.perplexity, (samples - 1) as f64 / 3.0)?;
        if !(self.exaggeration >= 1.0 && self.exaggeration.is_finite()) {
            return fail(
                "t-SNE, exaggeration",
                self.exaggeration.to_string(),
                "choose 1 or more; 12 is usual",
            );
        }
        if !(0.0..1.0).contains(&self.theta) {
            return fail("t-SNE, theta", self.theta.to_string(), "choose 0 to below 1; 0.5 is usual");
        }
        match self.learning_rate {
            Some(rate) if !(rate > 0.0 && rate.is_finite()) => {
                fail("t-SNE, learning rate", rate.to_string(), "choose a number above 0, or none")
            }
            _ => Ok(()),
        }
    }
}

fn check_perplexity(perplexity: f64, most: f64) -> Result<()> {
    if perplexity >= 1.0 && perplexity <= most {
        return Ok(());
    }
    let advice = format!("choose 1 to {most:.1}, or give more samples");
    Err(Error::input("t-SNE, perplexity", perplexity.to_string(), advice))
}

/// Samples on a plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    positions: Array2<f32>,
    perplexity: f64,
}

impl Embedding {
    /// Positions from elsewhere, to be judged: shape (N, 2), with the perplexity of P.
    ///
    /// # Errors
    /// Another width than 2, or a position that is NaN or infinite (names the row).
    pub fn from_positions(positions: Array2<f32>, perplexity: f64) -> Result<Self> {
        if positions.ncols() != 2 {
            let problem = format!("{} coordinates per sample", positions.ncols());
            return Err(Error::input("embedding", problem, "give two"));
        }
        if let Some(row) = positions.outer_iter().position(|y| y.iter().any(|y| !y.is_finite())) {
            let problem = "NaN or infinite";
            return Err(Error::input(format!("embedding, row {row}"), problem, "correct the position"));
        }
        Ok(Self { positions, perplexity })
    }

    /// Where the samples lie. The directions and the unit mean nothing. Shape: (N, 2).
    pub fn positions(&self) -> ArrayView2<'_, f32> {
        self.positions.view()
    }

    /// KL(P‖Q) in nats with P over all pairs of samples, not only neighbours: comparable between methods and
    /// libraries, whose own losses are not.
    ///
    /// Takes time with N² D.
    ///
    /// # Errors
    /// Features of other samples; fewer samples than the perplexity.
    pub fn kl_loss(&self, h: &Features) -> Result<f64> {
        self.check(h)?;
        check_perplexity(self.perplexity, h.view().nrows() as f64 - 1.0)?;
        Ok(quality::exact_kl(&Cloud::new(h)?, &self.points(), self.perplexity))
    }

    /// Trustworthiness (Venna & Kaski 2001): 1 where the k nearest samples on the plane are the k nearest in the
    /// features, lower for each other sample, by its true rank.
    ///
    /// `T(k) = 1 − 2/(N k (2N − 3k − 1)) Σ_i Σ_j max(0, r(i, j) − k)` over the k nearest j of each i on the
    /// plane, r(i, j) being j's rank among the neighbours of i by features.
    ///
    /// Takes time with N² D.
    ///
    /// # Errors
    /// Features of other samples; k of 0, or of N/2 or more.
    pub fn trustworthiness_score(&self, h: &Features, k: usize) -> Result<f64> {
        self.check(h)?;
        let n = self.positions.nrows();
        if k == 0 || 2 * k >= n {
            let problem = format!("{k} neighbours for {n} samples");
            return Err(Error::input("trustworthiness", problem, "choose 1 to below half of the samples"));
        }
        Ok(quality::trustworthiness(&Cloud::new(h)?, &self.points(), k))
    }

    fn check(&self, h: &Features) -> Result<()> {
        let (placed, given) = (self.positions.nrows(), h.view().nrows());
        if placed == given {
            return Ok(());
        }
        let problem = format!("features of {given} samples, {placed} are placed");
        Err(Error::input("embedding", problem, "give the features that were embedded"))
    }

    fn points(&self) -> Vec<[f32; 2]> {
        self.positions.outer_iter().map(|y| [y[0], y[1]]).collect()
    }
}
