//! Where the descent begins: the first two principal components.

use ndarray::{Array1, Array2, ArrayView2, s};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::cloud::Cloud;

/// Standard deviation of the start along the first component: small, so that samples can pass one another.
pub(super) const SPREAD: f32 = 1e-4;
/// Noise on it, as a share of that, which parts samples that are the same.
const NOISE: f32 = 0.01;
/// Directions that are followed, for the first two to come out well.
const DIRECTIONS: usize = 12;
/// Multiplications by the covariance.
const POWERS: usize = 8;

/// The samples on the plane of their first two principal components, by subspace iteration (Halko, Martinsson &
/// Tropp, *Finding structure with randomness*, SIAM Review 53, 2011). Signs: the largest coordinate of a component
/// is positive.
pub(super) fn principal_plane(cloud: &Cloud, seed: u64) -> Vec<[f32; 2]> {
    let x = cloud.view();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let components = components(x, 2, &mut random);
    let mut plane = x.dot(&components); // (N, 2)
    let deviation = (plane.column(0).iter().map(|y| y * y).sum::<f32>() / plane.nrows() as f32).sqrt();
    if deviation > 0.0 {
        plane *= SPREAD / deviation;
    }
    let mut noise = || -> f32 {
        let z: f32 = StandardNormal.sample(&mut random);
        z * NOISE * SPREAD
    };
    plane.outer_iter().map(|y| [y[0] + noise(), y.get(1).copied().unwrap_or(0.0) + noise()]).collect()
}

/// The first principal components of centred samples as columns, longest first.
fn components(x: ArrayView2<'_, f32>, count: usize, random: &mut ChaCha8Rng) -> Array2<f32> {
    let (samples, width) = x.dim();
    let directions = DIRECTIONS.min(width).min(samples);
    let mut basis = Array2::from_shape_fn((width, directions), |_| -> f32 { StandardNormal.sample(random) });
    for _ in 0..POWERS {
        orthonormalise(&mut basis);
        basis = x.t().dot(&x.dot(&basis));
    }
    orthonormalise(&mut basis);
    let projected = x.dot(&basis).mapv(f64::from); // (N, directions)
    let rotation = eigenvectors(projected.t().dot(&projected));
    let mut found = basis.mapv(f64::from).dot(&rotation.slice(s![.., ..count.min(directions)]));
    for mut component in found.columns_mut() {
        let largest = component.iter().fold(0.0_f64, |a, b| if b.abs() > a.abs() { *b } else { a });
        if largest < 0.0 {
            component.mapv_inplace(|x| -x);
        }
    }
    found.mapv(|x| x as f32)
}

/// Gram and Schmidt, twice, in f64; a column that depends on those before it becomes zero.
fn orthonormalise(basis: &mut Array2<f32>) {
    let mut columns: Vec<Array1<f64>> = Vec::new();
    for k in 0..basis.ncols() {
        let mut column = basis.column(k).mapv(f64::from);
        let length = column.dot(&column).sqrt();
        for _ in 0..2 {
            for before in &columns {
                let along = column.dot(before);
                column.scaled_add(-along, before);
            }
        }
        let rest = column.dot(&column).sqrt();
        column *= if rest > 1e-6 * length { 1.0 / rest } else { 0.0 };
        basis.column_mut(k).assign(&column.mapv(|x| x as f32));
        columns.push(column);
    }
}

/// The eigenvectors of a small symmetric matrix as columns, of the largest eigenvalue first, by Jacobi's rotations.
fn eigenvectors(mut a: Array2<f64>) -> Array2<f64> {
    let n = a.nrows();
    let mut vectors = Array2::eye(n);
    for _ in 0..50 {
        let off: f64 = (0..n).flat_map(|p| (0..p).map(move |q| (p, q))).map(|at| a[at] * a[at]).sum();
        if off <= f64::EPSILON.powi(2) * a.diag().dot(&a.diag()) {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let theta = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                let rotate = |x: f64, y: f64| (c * x - s * y, s * x + c * y);
                for k in 0..n {
                    (a[[k, p]], a[[k, q]]) = rotate(a[[k, p]], a[[k, q]]);
                }
                for k in 0..n {
                    (a[[p, k]], a[[q, k]]) = rotate(a[[p, k]], a[[q, k]]);
                    (vectors[[k, p]], vectors[[k, q]]) = rotate(vectors[[k, p]], vectors[[k, q]]);
                }
            }
        }
    }
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&p, &q| a[[q, q]].total_cmp(&a[[p, p]]));
    vectors.select(ndarray::Axis(1), &order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn eigenvectors_of_a_known_matrix() {
        // Eigenvalues 4, 2 and 1 along (1, 1, 0)/√2, (1, −1, 0)/√2 and (0, 0, 1).
        let vectors = eigenvectors(array![[3.0, 1.0, 0.0], [1.0, 3.0, 0.0], [0.0, 0.0, 1.0]]);
        let half = 0.5_f64.sqrt();
        for (k, wanted) in [[half, half, 0.0], [half, -half, 0.0], [0.0, 0.0, 1.0]].into_iter().enumerate() {
            let along: f64 = vectors.column(k).iter().zip(wanted).map(|(a, b)| a * b).sum();
            assert!((along.abs() - 1.0).abs() < 1e-12, "{vectors}");
        }
    }

    #[test]
    fn the_first_components_are_those_the_samples_were_made_of() {
        // Spread 5, 3, 0.3, 0.3, … along the axes of a rotated frame.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut frame = Array2::from_shape_fn((30, 30), |_| -> f32 { StandardNormal.sample(&mut random) });
        orthonormalise(&mut frame);
        let spread = |k: usize| [5.0, 3.0].get(k).copied().unwrap_or(0.3_f32);
        let z = Array2::from_shape_fn((4000, 30), |(_, k)| {
            let z: f32 = StandardNormal.sample(&mut random);
            z * spread(k)
        });
        let mut x = z.dot(&frame.t());
        let mean = x.mean_axis(ndarray::Axis(0)).unwrap();
        x -= &mean;
        let found = components(x.view(), 2, &mut random);
        for k in 0..2 {
            let along = found.column(k).dot(&frame.column(k)).abs();
            assert!(along > 0.999, "component {k}: {along}");
        }
    }
}
