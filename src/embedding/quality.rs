//! How far an embedding can be trusted, worked out over all pairs of samples.

use rayon::prelude::*;

use super::affinities::{Bandwidth, nearest};
use super::cloud::Cloud;
use crate::progress::Silent;

/// KL(P‖Q) = Σ p ln p + Σ p ln(1 + ‖y_i − y_j‖²) + ln Σ 1/(1 + ‖y_i − y_j‖²), P over all pairs.
pub(super) fn exact_kl(cloud: &Cloud, y: &[[f32; 2]], perplexity: f64) -> f64 {
    let samples = cloud.len();
    let bandwidths: Vec<Bandwidth> = cloud.rows("bandwidths", &mut Silent, |i, squared| {
        let others = squared.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, d)| f64::from(*d));
        Bandwidth::find(others, perplexity)
    });
    // Each sample's part of the three sums.
    let parts: Vec<[f64; 2]> = cloud.rows("divergence", &mut Silent, |i, squared| {
        let mut parts = [0.0; 2];
        for (j, d) in squared.iter().enumerate().filter(|(j, _)| *j != i) {
            let d = f64::from(*d);
            let p = (bandwidths[i].share(d) + bandwidths[j].share(d)) / (2.0 * samples as f64);
            let apart = 1.0 + plane_distance(y[i], y[j]);
            parts[1] += 1.0 / apart;
            if p > 0.0 {
                parts[0] += p * (p * apart).ln();
            }
        }
        parts
    });
    let sum = |part: usize| parts.iter().map(|parts| parts[part]).sum::<f64>();
    sum(0) + sum(1).ln()
}

/// See [`Embedding::trustworthiness_score`](super::Embedding::trustworthiness_score).
pub(super) fn trustworthiness(cloud: &Cloud, y: &[[f32; 2]], k: usize) -> f64 {
    let (n, k_) = (cloud.len() as f64, k as f64);
    let on_the_plane: Vec<Vec<u32>> = (0..y.len())
        .into_par_iter()
        .map(|i| {
            let squared: Vec<f32> = y.iter().map(|&other| plane_distance(y[i], other) as f32).collect();
            nearest(i, &squared, k)
        })
        .collect();
    let strangeness: Vec<usize> = cloud.rows("ranks", &mut Silent, |i, squared| {
        let rank = |j: u32| {
            let (j, d) = (j as usize, squared[j as usize]);
            // Of equally distant samples the first counts as nearer.
            let nearer = |(l, other): (usize, &f32)| l != i && other.total_cmp(&d).then(l.cmp(&j)).is_lt();
            1 + squared.iter().enumerate().filter(|at| nearer(*at)).count()
        };
        on_the_plane[i].iter().map(|&j| rank(j).saturating_sub(k)).sum()
    });
    1.0 - 2.0 / (n * k_ * (2.0 * n - 3.0 * k_ - 1.0)) * strangeness.iter().sum::<usize>() as f64
}

fn plane_distance(a: [f32; 2], b: [f32; 2]) -> f64 {
    let d = [0, 1].map(|axis| f64::from(a[axis]) - f64::from(b[axis]));
    d[0] * d[0] + d[1] * d[1]
}
