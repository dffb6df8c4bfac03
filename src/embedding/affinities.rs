//! P: how near samples are to one another, with as many neighbours each as the perplexity sets.

use rayon::prelude::*;

use super::cloud::Cloud;
use crate::Progress;

/// Of p_·|i ∝ exp(−β d²): β, and Σ exp(−β (d² − least d²)).
#[derive(Debug, Clone, Copy)]
pub(super) struct Bandwidth {
    pub beta: f64,
    pub least: f64,
    pub sum: f64,
}

impl Bandwidth {
    /// The β at which the entropy of p is ln perplexity, to 1e-10 nats, by Newton's method between bounds: the
    /// entropy falls as β rises, dH/dβ = −β Var(d²). Where it cannot be reached (more samples at the least
    /// distance than the perplexity), a very large β.
    pub(super) fn find(squared: impl Iterator<Item = f64> + Clone, perplexity: f64) -> Self {
        let least = squared.clone().fold(f64::INFINITY, f64::min);
        let (n, total) = squared.clone().fold((0.0, 0.0), |(n, sum), d| (n + 1.0, sum + d - least));
        let wanted = perplexity.ln();
        let (mut low, mut high) = (0.0, f64::INFINITY);
        // Where all distances are the same, any β is as good.
        let mut beta = if total > 0.0 { n / total } else { 1.0 };
        let mut sum = n;
        for _ in 0..200 {
            let mut moments = [0.0; 3];
            for d in squared.clone() {
                let d = d - least;
                let weight = (-beta * d).exp();
                moments[0] += weight;
                moments[1] += weight * d;
                moments[2] += weight * d * d;
            }
            sum = moments[0];
            let mean = moments[1] / sum;
            let entropy = sum.ln() + beta * mean;
            let excess = entropy - wanted;
            if excess.abs() < 1e-10 || !beta.is_finite() {
                break;
            }
            if excess > 0.0 {
                low = beta;
            } else {
                high = beta;
            }
            let slope = -beta * (moments[2] / sum - mean * mean);
            let newton = beta - excess / slope;
            let bisected = if high.is_finite() { f64::midpoint(low, high) } else { 2.0 * beta };
            // Beyond eight times β the tangent is not a useful estimate.
            let next = if newton > low && newton < high.min(8.0 * beta) { newton } else { bisected };
            if (next - beta).abs() <= f64::EPSILON * beta || beta > 1e200 {
                break;
            }
            beta = next;
        }
        Self { beta, least, sum }
    }

    /// p_j|i of a squared distance.
    pub(super) fn share(&self, squared: f64) -> f64 {
        (-self.beta * (squared - self.least)).exp() / self.sum
    }
}

/// The symmetric P, with the pairs of neighbours only.
pub(super) struct Affinities {
    /// Where the pairs of each sample begin; one more than there are samples.
    begins: Vec<usize>,
    others: Vec<u32>,
    p: Vec<f32>,
}

impl Affinities {
    /// Of the 3 · perplexity nearest neighbours of each sample.
    pub(super) fn of_neighbours(cloud: &Cloud, perplexity: f64, progress: &mut dyn Progress) -> Self {
        let neighbours = ((3.0 * perplexity).floor() as usize).clamp(1, cloud.len() - 1);
        let conditional: Vec<Vec<(u32, f64)>> = cloud.rows("neighbours", progress, |i, squared| {
            let nearest = nearest(i, squared, neighbours);
            let squared = cloud.squared_distances(i, &nearest);
            let bandwidth = Bandwidth::find(squared.iter().copied(), perplexity);
            nearest.into_iter().zip(squared.iter().map(|&d| bandwidth.share(d))).collect()
        });
        Self::symmetric(&conditional)
    }

    /// p_ij = (p_j|i + p_i|j)/2N.
    fn symmetric(conditional: &[Vec<(u32, f64)>]) -> Self {
        let samples = conditional.len();
        let mut rows = vec![Vec::new(); samples];
        for (i, row) in conditional.iter().enumerate() {
            for &(j, p) in row {
                rows[i].push((j, p));
                rows[j as usize].push((i as u32, p));
            }
        }
        rows.par_iter_mut().for_each(|row| {
            row.sort_unstable_by_key(|(j, _)| *j);
            row.dedup_by(|again, first| {
                let same = again.0 == first.0;
                if same {
                    first.1 += again.1;
                }
                same
            });
        });
        let begins = std::iter::once(0).chain(rows.iter().scan(0, |sum, row| {
            *sum += row.len();
            Some(*sum)
        }));
        let scale = 1.0 / (2.0 * samples as f64);
        Self {
            begins: begins.collect(),
            others: rows.iter().flatten().map(|(j, _)| *j).collect(),
            p: rows.iter().flatten().map(|(_, p)| (p * scale) as f32).collect(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.begins.len() - 1
    }

    /// The neighbours of sample i, with p_ij.
    pub(super) fn of(&self, i: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let range = self.begins[i]..self.begins[i + 1];
        self.others[range.clone()].iter().map(|&j| j as usize).zip(self.p[range].iter().copied())
    }
}

/// The nearest others by squared distance, in no order; of equally near ones the first.
pub(super) fn nearest(i: usize, squared: &[f32], count: usize) -> Vec<u32> {
    let mut others: Vec<u32> = (0..squared.len() as u32).filter(|&j| j as usize != i).collect();
    if count < others.len() {
        let by = |a: &u32, b: &u32| squared[*a as usize].total_cmp(&squared[*b as usize]).then(a.cmp(b));
        others.select_nth_unstable_by(count, by);
        others.truncate(count);
    }
    // What adds up over neighbours does so in one order, however they were found.
    others.sort_unstable();
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entropy_of_the_neighbours_is_the_logarithm_of_the_perplexity() {
        for perplexity in [1.5, 5.0, 30.0] {
            let squared: Vec<f64> = (0..90).map(|n| 3.0 + 0.1 * f64::from(n * 37 % 97)).collect();
            let found = Bandwidth::find(squared.iter().copied(), perplexity);
            let p: Vec<f64> = squared.iter().map(|&d| found.share(d)).collect();
            assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            let entropy: f64 = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
            assert!((entropy - perplexity.ln()).abs() < 1e-8, "{perplexity}: {}", entropy.exp());
        }
    }

    #[test]
    fn samples_at_one_place_share_equally() {
        let found = Bandwidth::find([0.0; 9].into_iter(), 3.0);
        assert!((found.share(0.0) - 1.0 / 9.0).abs() < 1e-12);
        // Four at the least distance are more than a perplexity of 2: the others get nothing.
        let found = Bandwidth::find([1.0, 1.0, 1.0, 1.0, 5.0, 6.0].into_iter(), 2.0);
        assert!((found.share(1.0) - 0.25).abs() < 1e-9 && found.share(5.0) < 1e-9);
    }

    #[test]
    fn affinities_are_symmetric_and_sum_to_one() {
        let conditional =
            vec![vec![(1, 0.75), (2, 0.25)], vec![(0, 1.0)], vec![(1, 0.5), (3, 0.5)], vec![(2, 1.0)]];
        let p = Affinities::symmetric(&conditional);
        let of = |i: usize, j: usize| p.of(i).find(|(other, _)| *other == j).map_or(0.0, |(_, p)| p);
        assert!((of(0, 1) - 1.75 / 8.0).abs() < 1e-7);
        assert!((of(0, 2) - 0.25 / 8.0).abs() < 1e-7);
        for i in 0..4 {
            for j in 0..4 {
                assert_eq!(of(i, j).to_bits(), of(j, i).to_bits());
            }
        }
        let total: f32 = (0..4).flat_map(|i| p.of(i)).map(|(_, p)| p).sum();
        assert!((total - 1.0).abs() < 1e-6);
    }
}
