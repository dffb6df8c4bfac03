//! Optimisers and learning-rate schedules. The moments are the crate's own, one pair per tensor.

use std::collections::BTreeMap;

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::kernels::update::{Before, Step};
use super::layers::{Visitor, sides};
use super::module::Module;
use super::ops::{Backend, Vector};
use super::weights::{Weight, Weights};
use crate::{Error, Result};

/// An optimiser's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Optimizer {
    /// Adam with Nesterov's look-ahead and a warming momentum (Dozat 2016): β = 0.9, 0.999,
    /// ε = 1e-7, μ_t = β₁ (1 − 0.5 · 0.96^(0.004 t)), as in the Keras that trained LCZ_LDL.
    Nadam,
    /// Kingma & Ba (2015): β = 0.9, 0.999, ε = 1e-7 as in Keras, which adds it where the paper has
    /// its ε̂, to √v before v's bias is corrected.
    Adam,
    /// Stochastic gradient descent with Nesterov momentum 0.9 (Sutskever et al. 2013).
    Sgd,
}

/// How the learning rate falls over the epochs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, tag = "kind")]
#[non_exhaustive]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Multiplied by `factor` after every `every` epochs.
    Step {
        /// Epochs between two steps.
        every: usize,
        /// The factor, 0.5 to halve.
        factor: f64,
    },
    /// Half a cosine from 1 down to `floor` within `epochs` epochs, and `floor` from then on
    /// (Loshchilov & Hutter 2017, without restarts).
    Cosine {
        /// Epochs until it is down; the epochs of the training if it is not to end sooner.
        epochs: usize,
        /// The share that is left, 0 to below 1.
        #[serde(default)]
        floor: f64,
    },
}

impl Schedule {
    /// The learning rate's share in an epoch, counted from 1.
    ///
    /// ```
    /// use lcz::Schedule;
    /// let halved = Schedule::Step { every: 5, factor: 0.5 };
    /// assert_eq!([1, 5, 6, 11].map(|epoch| halved.factor(epoch)), [1.0, 1.0, 0.5, 0.25]);
    /// ```
    pub fn factor(self, epoch: usize) -> f64 {
        match self {
            Self::Constant => 1.0,
            Self::Step { every, factor } => factor.powi((epoch.saturating_sub(1) / every.max(1)) as i32),
            Self::Cosine { epochs, floor } => {
                let done = epoch.saturating_sub(1).min(epochs) as f64 / epochs.max(1) as f64;
                floor + (1.0 - floor) * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
        }
    }

    /// Checks the schedule.
    ///
    /// # Errors
    /// A step or a cosine of 0 epochs, a factor or a floor outside 0–1.
    pub(crate) fn check(self) -> Result<()> {
        let (problem, advice) = match self {
            Self::Step { every, factor } if every == 0 || !(factor > 0.0 && factor <= 1.0) => (
                format!("every = {every}, factor = {factor}"),
                "choose at least 1 epoch and a factor above 0, at most 1",
            ),
            Self::Cosine { epochs, floor } if epochs == 0 || !(0.0..1.0).contains(&floor) => (
                format!("epochs = {epochs}, floor = {floor}"),
                "choose at least 1 epoch and a floor of 0 to below 1",
            ),
            _ => return Ok(()),
        };
        Err(Error::input("training.schedule", problem, advice))
    }
}

/// β₁ and β₂ of Adam and Nadam.
const BETA: [f64; 2] = [0.9, 0.999];
/// ε of Adam and Nadam.
const EPSILON: f64 = 1e-7;
/// Momentum of SGD.
const MOMENTUM: f64 = 0.9;

impl Optimizer {
    /// The factors of step `t`, counted from 1; `warmed` is the product of Nadam's μ up to t − 1.
    fn step(self, t: u64, learning_rate: f64, warmed: f64) -> Step {
        let [beta1, beta2] = BETA;
        // What m and v lack of a mean, as they start at 0.
        let [seen1, seen2] = [beta1, beta2].map(|beta| 1.0 - beta.powf(t as f64));
        let adaptive = |momentum, gradient, square| Step::Adaptive {
            beta1,
            beta2,
            momentum,
            gradient,
            square,
            epsilon: EPSILON,
        };
        match self {
            Self::Adam => adaptive(learning_rate * seen2.sqrt() / seen1, 0.0, 1.0),
            Self::Nadam => {
                let now = warmed * warming(t);
                let next = now * warming(t + 1);
                adaptive(
                    learning_rate * warming(t + 1) / (1.0 - next),
                    learning_rate * (1.0 - warming(t)) / (1.0 - now),
                    1.0 / seen2,
                )
            }
            Self::Sgd => Step::Momentum { learning_rate, momentum: MOMENTUM, nesterov: true },
        }
    }
}

/// Nadam's momentum at step t.
fn warming(t: u64) -> f64 {
    BETA[0] * (1.0 - 0.5 * 0.96f64.powf(0.004 * t as f64))
}

/// The shape of a tensor, and its first and second moment.
type Moments<D> = (Vec<usize>, [Vector<f32, D>; 2]);

/// An optimiser at work: its rule, its steps so far and its moments.
pub(crate) struct OptimizerState<D: Backend<f32>> {
    rule: Optimizer,
    steps: u64,
    /// The product of Nadam's μ over the steps so far.
    warmed: f64,
    /// By the tensor's name.
    moments: BTreeMap<String, Moments<D>>,
}

impl<D: Backend<f32>> OptimizerState<D> {
    pub(crate) fn new(rule: Optimizer) -> Self {
        Self { rule, steps: 0, warmed: 1.0, moments: BTreeMap::new() }
    }

    /// One that has made steps before: how many, with Nadam's product, and the moments they left
    /// behind of tensors like these.
    ///
    /// # Errors
    /// A moment of a tensor that is not there or has another shape.
    pub(crate) fn restored(
        rule: Optimizer,
        device: &D,
        (steps, warmed): (u64, f64),
        [first, second]: &[Weights; 2],
        tensors: &Weights,
    ) -> Result<Self> {
        let mut state = Self { steps, warmed, ..Self::new(rule) };
        for (name, first) in first.iter() {
            let fits = |moment: &Weight| tensors.get(name).is_some_and(|t| t.shape == moment.shape);
            let (Some(second), true) = (second.get(name).filter(|m| fits(m)), fits(first)) else {
                let problem = "the optimiser's moments do not fit";
                return Err(Error::input(format!("weight '{name}'"), problem, "start the training again"));
            };
            let pair = [first, second].map(|moment| &moment.values);
            let pair = pair.map(|values| device.tensor_from_vec(values.clone(), (values.len(),)));
            state.moments.insert(name.clone(), (first.shape.clone(), pair));
        }
        Ok(state)
    }

    /// Steps so far, and Nadam's product over them.
    pub(crate) fn steps(&self) -> (u64, f64) {
        (self.steps, self.warmed)
    }

    /// First and second moment of each tensor.
    pub(crate) fn moments(&self) -> [Weights; 2] {
        [0, 1].map(|k| {
            let moment = |(name, (shape, pair)): (&String, &Moments<D>)| {
                let values = D::numbers(&pair[k]);
                (name.clone(), Weight { shape: shape.clone(), values, trainable: true })
            };
            Weights::new(self.moments.iter().map(moment).collect())
        })
    }

    /// Starts a step; the visitor it returns applies it to each tensor. `kept` is the share of a weight
    /// that decay leaves (biases and batch norm's parameters stay), `shrink` what all gradients are
    /// multiplied by.
    pub(crate) fn step<'a>(
        &'a mut self,
        learning_rate: f64,
        [kept, shrink]: [f64; 2],
        gradients: &'a mut Gradients<f32, D>,
    ) -> impl Visitor<f32, D> + 'a {
        self.steps += 1;
        let step = self.rule.step(self.steps, learning_rate, self.warmed);
        self.warmed *= warming(self.steps);
        Apply { state: self, step, before: Before { kept, gradient: shrink }, gradients }
    }
}

/// ‖g‖ over all tensors that are trained.
pub(crate) fn gradient_norm<D: Backend<f32>>(
    module: &mut impl Module<f32, D>,
    gradients: &mut Gradients<f32, D>,
) -> f64 {
    let mut norm = Norm { gradients, squares: 0.0 };
    module.visit(&mut norm);
    norm.squares.sqrt()
}

struct Norm<'a, D: Backend<f32>> {
    gradients: &'a mut Gradients<f32, D>,
    squares: f64,
}

impl<D: Backend<f32>> Visitor<f32, D> for Norm<'_, D> {
    fn tensor<S: Shape>(&mut self, _: &str, tensor: &mut Tensor<S, f32, D>) {
        self.squares += D::squared_norm(tensor, self.gradients);
    }
}

struct Apply<'a, D: Backend<f32>> {
    state: &'a mut OptimizerState<D>,
    step: Step,
    before: Before,
    gradients: &'a mut Gradients<f32, D>,
}

impl<D: Backend<f32>> Visitor<f32, D> for Apply<'_, D> {
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, f32, D>) {
        let (_, moments) = self.state.moments.entry(name.to_owned()).or_insert_with(|| {
            let len = (tensor.shape().num_elements(),);
            (sides(tensor.shape()), std::array::from_fn(|_| tensor.device().zeros_like(&len)))
        });
        // Biases and batch norm's parameters do not decay.
        let kept = if S::NUM_DIMS > 1 { self.before.kept } else { 1.0 };
        D::update((self.step, Before { kept, ..self.before }), tensor, moments, self.gradients);
    }
}

#[cfg(test)]
mod tests;
