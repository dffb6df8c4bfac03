//! Gradient descent on KL(P‖Q), with momentum and a gain for each coordinate (Jacobs 1988), as in van der Maaten's
//! programs.

use rayon::prelude::*;

use super::start::SPREAD;
use super::tree::repulsion;
use super::{Affinities, TSne};
use crate::Progress;

/// Momentum while attraction is exaggerated, and afterwards.
const MOMENTA: [f32; 2] = [0.5, 0.8];
/// Samples whose attraction a thread sums at once.
const ROWS: usize = 128;

/// ∂KL/∂y_i = 4 Σ_j (e p_ij − q_ij) (y_i − y_j)/(1 + ‖y_i − y_j‖²), with attraction exaggerated e times.
pub(super) fn gradient(p: &Affinities, y: &[[f32; 2]], exaggeration: f32, theta: f32) -> Vec<[f32; 2]> {
    let (mut gradient, sum) = repulsion(y, theta);
    let repel = -1.0 / sum as f32;
    gradient.par_chunks_mut(ROWS).enumerate().for_each(|(chunk, rows)| {
        for (row, g) in rows.iter_mut().enumerate() {
            let i = chunk * ROWS + row;
            let [x0, y0] = y[i];
            let (mut x, mut y_) = (0.0_f32, 0.0_f32);
            for (j, p) in p.of(i) {
                let (dx, dy) = (x0 - y[j][0], y0 - y[j][1]);
                let pull = p / (1.0 + dx * dx + dy * dy);
                x += pull * dx;
                y_ += pull * dy;
            }
            *g = [4.0 * (exaggeration * x + repel * g[0]), 4.0 * (exaggeration * y_ + repel * g[1])];
        }
    });
    gradient
}

/// η, the given one or max(N/exaggeration/4, 50) (Belkina et al. 2019, and scikit-learn).
fn step_length(settings: &TSne, samples: usize) -> f64 {
    settings.learning_rate.unwrap_or_else(|| (samples as f64 / settings.exaggeration / 4.0).max(50.0))
}

pub(super) fn descend(
    settings: &TSne,
    p: &Affinities,
    mut y: Vec<[f32; 2]>,
    progress: &mut dyn Progress,
) -> Vec<[f32; 2]> {
    let rate = step_length(settings, p.len()) as f32;
    let mut moves = vec![[0.0_f32; 2]; y.len()];
    let mut gains = vec![[1.0_f32; 2]; y.len()];
    progress.begin("t-SNE", settings.iterations as u64);
    for step in 0..settings.iterations {
        if progress.interrupted() {
            break;
        }
        let early = step < settings.exaggerated;
        if step == settings.exaggerated {
            moves.fill([0.0; 2]);
            gains.fill([1.0; 2]);
        }
        let exaggeration = if early { settings.exaggeration as f32 } else { 1.0 };
        let momentum = MOMENTA[usize::from(!early)];
        let gradient = gradient(p, &y, exaggeration, settings.theta as f32);
        let coordinates = y.iter_mut().flatten().zip(moves.iter_mut().flatten());
        let slopes = gains.iter_mut().flatten().zip(gradient.into_iter().flatten());
        for ((y, movement), (gain, slope)) in coordinates.zip(slopes) {
            // Downhill still: faster. Turned round: slower.
            *gain = if *movement * slope < 0.0 { *gain + 0.2 } else { (*gain * 0.8).max(0.01) };
            *movement = momentum * *movement - rate * *gain * slope;
            *y += *movement;
        }
        centre(&mut y);
        widen(&mut y, &mut moves);
        progress.advance(1, "");
    }
    progress.end("");
    y
}

/// Keeps samples without clusters, which exaggerated attraction draws together, from collapsing into rounding: as long
/// as all are much nearer than 1 the gradient is linear in y, so that a larger scale is as good.
fn widen(y: &mut [[f32; 2]], moves: &mut [[f32; 2]]) {
    let farthest = y.iter().flatten().fold(0.0_f32, |far, y| far.max(y.abs()));
    if farthest > 0.0 && farthest < 0.1 * SPREAD {
        let scale = SPREAD / farthest;
        y.iter_mut().chain(moves).flatten().for_each(|x| *x *= scale);
    }
}

/// Moves the mean to the origin.
fn centre(y: &mut [[f32; 2]]) {
    for axis in 0..2 {
        let mean = y.iter().map(|y| f64::from(y[axis])).sum::<f64>() / y.len() as f64;
        for y in y.iter_mut() {
            y[axis] -= mean as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Features;
    use crate::embedding::cloud::Cloud;
    use crate::progress::Silent;
    use ndarray::Array2;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// KL(P‖Q) of neighbours' affinities by two plain loops, without Σ p ln p.
    fn loss(p: &Affinities, y: &[[f64; 2]], exaggeration: f64) -> f64 {
        let apart = |i: usize, j: usize| 1.0 + (y[i][0] - y[j][0]).powi(2) + (y[i][1] - y[j][1]).powi(2);
        let (mut attraction, mut sum) = (0.0, 0.0);
        for i in 0..y.len() {
            attraction += p.of(i).map(|(j, p)| f64::from(p) * apart(i, j).ln()).sum::<f64>();
            sum += (0..y.len()).filter(|j| *j != i).map(|j| 1.0 / apart(i, j)).sum::<f64>();
        }
        exaggeration * attraction + sum.ln()
    }

    #[test]
    fn the_gradient_is_that_of_finite_differences() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let h = Array2::from_shape_fn((60, 5), |_| random.gen_range(-1.0..1.0_f32));
        let p = Affinities::of_neighbours(&Cloud::new(&Features::new(h)).unwrap(), 6.0, &mut Silent);
        let y: Vec<[f32; 2]> = (0..60).map(|_| [0; 2].map(|_| random.gen_range(-3.0..3.0))).collect();
        let wide: Vec<[f64; 2]> = y.iter().map(|y| y.map(f64::from)).collect();
        for exaggeration in [1.0, 12.0] {
            let found = gradient(&p, &y, exaggeration as f32, 0.0);
            for (i, axis) in [(0, 0), (7, 1), (31, 0), (59, 1)] {
                let moved = |by: f64| {
                    let mut y = wide.clone();
                    y[i][axis] += by;
                    loss(&p, &y, exaggeration)
                };
                let wanted = (moved(1e-4) - moved(-1e-4)) / 2e-4;
                let got = f64::from(found[i][axis]);
                assert!(
                    (got - wanted).abs() < 1e-5 + 1e-4 * wanted.abs(),
                    "{i}, {axis}: {got}, not {wanted}"
                );
            }
        }
    }

    #[test]
    fn the_step_length_is_scikit_learns_at_any_exaggeration() {
        // sklearn.manifold.TSNE(learning_rate="auto"): max(N / early_exaggeration / 4, 50).
        let of = |exaggeration, samples| step_length(&TSne { exaggeration, ..TSne::default() }, samples);
        for (exaggeration, samples, wanted) in
            [(12.0, 5000, 5000.0 / 48.0), (4.0, 5000, 312.5), (12.0, 2000, 50.0), (1.0, 2000, 500.0)]
        {
            assert!((of(exaggeration, samples) - wanted).abs() < 1e-9, "{exaggeration}, {samples}");
        }
        let given = TSne { learning_rate: Some(7.0), ..TSne::default() };
        assert!((step_length(&given, 5000) - 7.0).abs() < 1e-12);
    }

    #[test]
    fn what_collapses_is_widened_and_keeps_its_shape() {
        let mut y = vec![[1e-9, 0.0], [-2e-9, 1e-9], [1e-9, -1e-9]];
        let mut moves = vec![[1e-10, 0.0]; 3];
        widen(&mut y, &mut moves);
        assert!((y[1][0] + SPREAD).abs() < 1e-9 && (y[0][0] - SPREAD / 2.0).abs() < 1e-9, "{y:?}");
        assert!((moves[0][0] - SPREAD / 20.0).abs() < 1e-9);
        let before = y.clone();
        widen(&mut y, &mut moves);
        assert_eq!(y, before);
    }
}
