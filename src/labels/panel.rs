//! Votes as a sample of the votes of all experts: votes of other panels, and posterior distributions.

use ndarray::{Array2, ArrayView1};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Gamma};

use super::{LabelDistributions, Votes};
use crate::{Error, Result};

/// The distribution that the votes of another panel of experts are sampled from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Opinion {
    /// The shares of the votes themselves: each new expert repeats one of the votes given. A unanimous
    /// sample stays unanimous, so disagreement comes out too small, the more so the fewer the votes.
    VoteShares,
    /// A distribution drawn from Dirichlet(α + votes), the posterior after a Dirichlet prior of this α in
    /// each class: votes are Dirichlet–multinomial.
    Posterior(f64),
}

impl Votes {
    /// Voting entropy with the Miller–Madow correction, `H + (k − 1) / 2M` in nats, k the number of classes
    /// with votes and M that of votes (Miller 1955): the plain entropy of a few votes is too small on
    /// average. Shape: N.
    ///
    /// ```
    /// use lcz::{Classes, Votes};
    /// let votes = Votes::new(Classes::named(["forest", "river"])?, ndarray::array![[5.0, 5.0], [10.0, 0.0]])?;
    /// let entropy = votes.entropy_miller_madow();
    /// assert!((entropy[0] - (2f64.ln() + 1.0 / 20.0)).abs() < 1e-12);
    /// assert_eq!(entropy[1], 0.0);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn entropy_miller_madow(&self) -> Vec<f64> {
        let correction = |votes: ArrayView1<'_, f32>| {
            let voted = votes.iter().filter(|v| **v > 0.0).count();
            (voted - 1) as f64 / (2.0 * votes.iter().map(|&v| f64::from(v)).sum::<f64>())
        };
        let plain = self.distributions().entropy();
        plain.iter().zip(self.counts().outer_iter()).map(|(h, votes)| h + correction(votes)).collect()
    }

    /// The mean of the posterior Dirichlet(α + votes): `(α + Y_k) / (K α + M)`, a label that rules no
    /// class out. Shape: (N, K) counts → (N, K) distributions.
    ///
    /// # Errors
    /// α that is not above 0.
    ///
    /// ```
    /// use lcz::{Classes, Votes};
    /// let votes = Votes::new(Classes::named(["forest", "river"])?, ndarray::array![[10.0, 0.0]])?;
    /// assert_eq!(votes.posterior_mean(1.0)?.view().row(0).to_vec(), [11.0 / 12.0, 1.0 / 12.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn posterior_mean(&self, alpha: f64) -> Result<LabelDistributions> {
        check_alpha(alpha)?;
        let mut y = self.counts.mapv(|v| f64::from(v) + alpha);
        for mut row in y.outer_iter_mut() {
            let total = row.sum();
            row /= total;
        }
        Ok(LabelDistributions { classes: self.classes.clone(), y })
    }

    /// One draw of each sample's distribution from its posterior, Dirichlet(α + votes). Shape: (N, K) counts
    /// → (N, K) distributions. The same seed gives the same bits.
    ///
    /// # Errors
    /// α that is not above 0.
    pub fn posterior_sample(&self, alpha: f64, seed: u64) -> Result<LabelDistributions> {
        check_alpha(alpha)?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut y = Array2::zeros(self.counts.dim());
        for (votes, mut row) in self.counts.outer_iter().zip(y.outer_iter_mut()) {
            row.assign(&ndarray::arr1(&dirichlet(votes, alpha, &mut random)));
        }
        Ok(LabelDistributions { classes: self.classes.clone(), y })
    }

    /// The votes of another panel of `experts` on the same samples. Shape: (N, K) → (N, K). The same seed
    /// gives the same votes.
    ///
    /// # Errors
    /// No expert, or α that is not above 0.
    pub fn resampled(&self, experts: usize, opinion: Opinion, seed: u64) -> Result<Self> {
        if experts == 0 {
            return Err(Error::input("panel", "no expert", "draw at least one vote per sample"));
        }
        if let Opinion::Posterior(alpha) = opinion {
            check_alpha(alpha)?;
        }
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut counts = Array2::zeros(self.counts.dim());
        for (votes, mut row) in self.counts.outer_iter().zip(counts.outer_iter_mut()) {
            let weights: Vec<f64> = match opinion {
                Opinion::VoteShares => votes.iter().map(|&v| f64::from(v)).collect(),
                Opinion::Posterior(alpha) => dirichlet(votes, alpha, &mut random),
            };
            let total: f64 = weights.iter().sum();
            for _ in 0..experts {
                row[chosen(&weights, random.r#gen::<f64>() * total)] += 1.0;
            }
        }
        Ok(Self { classes: self.classes.clone(), counts })
    }
}

/// The class that a number from 0 to the sum of the weights falls on; never one of weight 0.
fn chosen(weights: &[f64], mut at: f64) -> usize {
    let mut last = 0;
    for (k, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            if at < weight {
                return k;
            }
            last = k;
        }
        at -= weight;
    }
    last // rounding carried it past the end
}

fn check_alpha(alpha: f64) -> Result<()> {
    if alpha.is_finite() && alpha > 0.0 {
        return Ok(());
    }
    let problem = format!("{alpha}");
    Err(Error::input("alpha of the Dirichlet prior", problem, "choose a number above 0, such as 0.5"))
}

/// A draw from Dirichlet(α + votes), by normalised gamma variates; with all of them rounded to 0, which a
/// tiny α can do, the votes' own shares.
fn dirichlet(votes: ArrayView1<'_, f32>, alpha: f64, random: &mut impl Rng) -> Vec<f64> {
    let shape = |v: &f32| f64::from(*v) + alpha;
    let gamma = |shape| Gamma::new(shape, 1.0).expect("a shape above 0");
    let mut draw: Vec<f64> = votes.iter().map(|v| gamma(shape(v)).sample(random)).collect();
    if draw.iter().sum::<f64>() <= 0.0 {
        draw = votes.iter().map(|&v| f64::from(v)).collect();
    }
    let total: f64 = draw.iter().sum();
    draw.iter().map(|g| g / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;

    fn votes(row: [f32; 3], n: usize) -> Votes {
        let counts = Array2::from_shape_fn((n, 3), |(_, k)| row[k]);
        Votes::new(Classes::named(["a", "b", "c"]).unwrap(), counts).unwrap()
    }

    #[test]
    fn another_panel_votes_with_the_shares_of_the_first_and_its_variance_is_multinomial() {
        let n = 20_000;
        let drawn = votes([6.0, 4.0, 0.0], n).resampled(10, Opinion::VoteShares, 1).unwrap();
        let a = drawn.counts().column(0).mapv(f64::from);
        let mean = a.mean().unwrap();
        let variance = a.mapv(|v| (v - mean).powi(2)).mean().unwrap();
        assert!((mean - 6.0).abs() < 0.05 && (variance - 2.4).abs() < 0.1, "{mean} {variance}");
        assert!(drawn.counts().column(2).iter().all(|&v| v == 0.0), "nobody votes for what nobody saw");
        assert!(drawn.counts().outer_iter().all(|row| row.sum() as usize == 10));
    }

    #[test]
    fn a_panel_of_the_posterior_is_dirichlet_multinomial() {
        let n = 20_000;
        let drawn = votes([6.0, 4.0, 0.0], n).resampled(10, Opinion::Posterior(0.5), 2).unwrap();
        // a = α + votes = (6.5, 4.5, 0.5), A = 11.5: mean 10 a/A, variance 10 (a/A)(1 − a/A)(10 + A)/(1 + A).
        for (k, a) in [6.5, 4.5, 0.5].into_iter().enumerate() {
            let p: f64 = a / 11.5;
            let votes = drawn.counts().column(k).mapv(f64::from);
            let mean = votes.mean().unwrap();
            let variance = votes.mapv(|v| (v - mean).powi(2)).mean().unwrap();
            assert!((mean - 10.0 * p).abs() < 0.06, "{mean}");
            let wanted = 10.0 * p * (1.0 - p) * 21.5 / 12.5;
            assert!((variance / wanted - 1.0).abs() < 0.08, "{variance}, not {wanted}");
        }
        let sampled = votes([6.0, 4.0, 0.0], n).posterior_sample(0.5, 3).unwrap();
        let mean = votes([6.0, 4.0, 0.0], 1).posterior_mean(0.5).unwrap();
        for k in 0..3 {
            assert!((sampled.view().column(k).mean().unwrap() - mean.view()[[0, k]]).abs() < 0.01);
        }
    }

    #[test]
    fn a_seed_gives_the_same_panel_and_another_seed_another() {
        let votes = votes([5.0, 3.0, 2.0], 50);
        let draw = |seed| votes.resampled(10, Opinion::Posterior(1.0), seed).unwrap();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert!(votes.resampled(0, Opinion::VoteShares, 0).is_err());
        assert!(votes.posterior_mean(0.0).is_err() && votes.posterior_sample(f64::NAN, 0).is_err());
    }
}
