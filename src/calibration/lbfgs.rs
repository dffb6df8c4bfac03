//! L-BFGS for a smooth convex function of few variables (Nocedal & Wright, *Numerical Optimization*,
//! Alg. 7.4 and 7.5).

use std::collections::VecDeque;

/// Pairs of steps and gradient changes that are remembered.
const MEMORY: usize = 20;
/// Converged where no entry of the gradient is larger: of a mean over samples, doubles reach some 1e-9.
const TOLERANCE: f64 = 1e-8;
/// Converged where no step lowers the value by more than rounding, and no entry of the gradient is larger.
const TOLERANCE_AT_REST: f64 = 3e-5;
/// Steps without a decrease beyond rounding after which the minimum is reached in double precision.
const STEPS_AT_REST: usize = 5;
const MOST_STEPS: usize = 2000;

/// Where a minimisation ended.
pub(super) struct Minimum {
    pub at: Vec<f64>,
    pub value: f64,
    pub converged: bool,
    pub steps: usize,
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Minimises `f`, which returns its value and gradient, from `start`.
pub(super) fn minimise(f: impl Fn(&[f64]) -> (f64, Vec<f64>), start: Vec<f64>) -> Minimum {
    let mut at = start;
    let (mut value, mut gradient) = f(&at);
    let mut memory: VecDeque<(Vec<f64>, Vec<f64>)> = VecDeque::new();
    let mut at_rest = 0;
    for steps in 0..MOST_STEPS {
        if gradient.iter().all(|g| g.abs() <= TOLERANCE) {
            return Minimum { at, value, converged: true, steps };
        }
        let mut direction = descent(&gradient, &memory);
        let mut slope = dot(&direction, &gradient);
        if slope >= 0.0 {
            memory.clear(); // rounding spoilt the curvature: start again from the gradient
            direction = gradient.iter().map(|g| -g).collect();
            slope = -dot(&gradient, &gradient);
        }
        // Before there is curvature, a step of length 1 at most; then the Newton-like step first.
        let mut length = if memory.is_empty() { 1.0_f64.min(1.0 / (-slope).sqrt()) } else { 1.0 };
        let next = loop {
            let next: Vec<f64> = at.iter().zip(&direction).map(|(x, d)| x + length * d).collect();
            let (next_value, next_gradient) = f(&next);
            if next_value <= value + 1e-4 * length * slope {
                break Some((next, next_value, next_gradient));
            }
            length *= 0.5;
            if length < 1e-20 {
                break None;
            }
        };
        at_rest = match &next {
            Some((_, next_value, _)) if value - next_value > 4.0 * f64::EPSILON * value.abs() => 0,
            Some(_) => at_rest + 1,
            None => STEPS_AT_REST,
        };
        let Some((next, next_value, next_gradient)) = next.filter(|_| at_rest < STEPS_AT_REST) else {
            let converged = gradient.iter().all(|g| g.abs() <= TOLERANCE_AT_REST);
            return Minimum { at, value, converged, steps };
        };
        let s: Vec<f64> = next.iter().zip(&at).map(|(new, old)| new - old).collect();
        let y: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(new, old)| new - old).collect();
        if dot(&s, &y) > f64::EPSILON * dot(&y, &y) {
            if memory.len() == MEMORY {
                memory.pop_front();
            }
            memory.push_back((s, y));
        }
        (at, value, gradient) = (next, next_value, next_gradient);
    }
    Minimum { at, value, converged: false, steps: MOST_STEPS }
}

/// −H g by the two-loop recursion.
fn descent(gradient: &[f64], memory: &VecDeque<(Vec<f64>, Vec<f64>)>) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut alphas = Vec::with_capacity(memory.len());
    for (s, y) in memory.iter().rev() {
        let alpha = dot(s, &q) / dot(s, y);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((s, y)) = memory.back() {
        let scale = dot(s, y) / dot(y, y);
        for q in &mut q {
            *q *= scale;
        }
    }
    for ((s, y), alpha) in memory.iter().zip(alphas.iter().rev()) {
        let beta = dot(y, &q) / dot(s, y);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badly_scaled_quadratic_is_minimised() {
        let scale = |i: usize| 10f64.powi(i as i32 - 2);
        let f = |x: &[f64]| {
            let error = |i: usize| x[i] - i as f64;
            let value = (0..5).map(|i| 0.5 * scale(i) * error(i).powi(2)).sum();
            (value, (0..5).map(|i| scale(i) * error(i)).collect())
        };
        let minimum = minimise(f, vec![7.0; 5]);
        assert!(minimum.converged && minimum.value < 1e-14 && minimum.steps < 100);
        assert!(minimum.at.iter().enumerate().all(|(i, x)| (x - i as f64).abs() < 1e-6), "{:?}", minimum.at);
    }
}
