//! One optimiser step on the numbers of one tensor.

use super::{Kernel, Lanes};

/// A step's rule with its factors computed, so that one loop serves the whole family.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Step {
    /// m ← m + (1 − β₁)(g − m), v ← v + (1 − β₂)(g² − v),
    /// p ← p − (a·m + b·g) / (√(c·v) + ε).
    Adaptive {
        /// β₁.
        beta1: f64,
        /// β₂.
        beta2: f64,
        /// a: learning rate times the momentum's bias correction.
        momentum: f64,
        /// b: learning rate times the gradient's own share (Nesterov's look-ahead; 0 for Adam).
        gradient: f64,
        /// c: the bias correction of v.
        square: f64,
        /// ε.
        epsilon: f64,
    },
    /// m ← μ·m + g, p ← p − η·m; with Nesterov's look-ahead p ← p − η·(g + μ·m).
    Momentum {
        /// η.
        learning_rate: f64,
        /// μ.
        momentum: f64,
        /// Whether the step looks ahead.
        nesterov: bool,
    },
}

/// Weight decay and gradient clipping before a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Before {
    /// The share of the parameters that weight decay leaves.
    pub(crate) kept: f64,
    /// What the gradient is multiplied by: below 1 where it is clipped.
    pub(crate) gradient: f64,
}

impl Before {
    /// Nothing.
    pub(crate) const NOTHING: Self = Self { kept: 1.0, gradient: 1.0 };
}

/// A step of one tensor.
pub(crate) struct Update<'a> {
    pub(crate) step: Step,
    pub(crate) before: Before,
    /// The parameters.
    pub(crate) p: &'a mut [f32],
    /// Their first and second moment.
    pub(crate) m: &'a mut [f32],
    pub(crate) v: &'a mut [f32],
    /// Their gradient.
    pub(crate) g: &'a [f32],
}

// SAFETY: plain loops.
unsafe impl Kernel for Update<'_> {
    fn check(&self) {
        let len = self.p.len();
        assert!([self.m.len(), self.v.len(), self.g.len()] == [len; 3], "moments of another tensor");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        // Stores that cross cache lines are slow: first up to the beginning of a line. It is usually the same place in all four
        // tensors, since they are allocated in the same way.
        let Self { step, before, p, m, v, g } = self;
        let head = p.as_ptr().align_offset(64).min(p.len());
        let (p, m, v, g) =
            (p.split_at_mut(head), m.split_at_mut(head), v.split_at_mut(head), g.split_at(head));
        Update { step, before, p: p.0, m: m.0, v: v.0, g: g.0 }.numbers();
        Update { step, before, p: p.1, m: m.1, v: v.1, g: g.1 }.numbers();
    }
}

impl Update<'_> {
    #[inline(always)]
    fn numbers(self) {
        let (kept, shrink) = (self.before.kept as f32, self.before.gradient as f32);
        let numbers = self.p.iter_mut().zip(self.m).zip(self.v).zip(self.g);
        // Plain loops: the compiler turns them into this level's vectors.
        match self.step {
            Step::Adaptive { beta1, beta2, momentum, gradient, square, epsilon } => {
                let (rest1, rest2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
                let [a, b, c, epsilon] = [momentum, gradient, square, epsilon].map(|x| x as f32);
                for (((p, m), v), &g) in numbers {
                    let g = shrink * g;
                    *m += rest1 * (g - *m);
                    *v += rest2 * (g * g - *v);
                    *p = kept * *p - (a * *m + b * g) / ((c * *v).sqrt() + epsilon);
                }
            }
            Step::Momentum { learning_rate, momentum, nesterov } => {
                let (rate, mu) = (learning_rate as f32, momentum as f32);
                for (((p, m), _), &g) in numbers {
                    let g = shrink * g;
                    *m = mu * *m + g;
                    *p = kept * *p - rate * if nesterov { g + mu * *m } else { *m };
                }
            }
        }
    }
}
