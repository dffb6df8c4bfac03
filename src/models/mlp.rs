//! A multilayer perceptron: the simplest network of the course "Remote Sensing Advanced Methods 2021, So2Sat
//! LCZ42". Every pixel of every band is one input; its position is not used.
//!
//! Flatten, dense 128 with ReLU, dropout, dense: 1,313,041 parameters for patches of 32 × 32 × 10 and 17
//! classes.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use crate::nn::{Backend, Builder, Dense, Initial, Maps, Module, Pass, Rows, Visitor, dropout};
use crate::{Error, Imagery, Result};

/// The network's size. The default is the course's: 128 hidden units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MlpSettings {
    /// Units of the hidden layer.
    pub hidden: usize,
    /// Share of them that dropout sets to zero.
    pub dropout: f64,
}

/// Most hidden units; more is a typo.
const LARGEST: usize = 1 << 14;

impl Default for MlpSettings {
    fn default() -> Self {
        Self { hidden: 128, dropout: 0.2 }
    }
}

impl Blueprint for MlpSettings {
    const NAME: &'static str = "mlp";
    type Module<E: Dtype, D: Backend<E>> = Mlp<E, D>;

    fn check(&self, _: usize) -> Result<()> {
        if self.hidden == 0 || self.hidden > LARGEST {
            let advice = format!("choose 1 to {LARGEST} (the course: 128)");
            return Err(Error::input("mlp: hidden", self.hidden.to_string(), advice));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::input("mlp: dropout", self.dropout.to_string(), "choose 0 to below 1"));
        }
        Ok(())
    }

    /// Glorot-uniform weights, as Keras makes them.
    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> Mlp<E, D> {
        let Imagery { patch_size, bands, .. } = build.imagery;
        let inputs = patch_size * patch_size * bands.len();
        let hidden = build.dense(Initial::Glorot, "hidden", [inputs, self.hidden]).with_relu().first();
        let head = build.dense(Initial::Glorot, "head", [self.hidden, build.classes]);
        Mlp { hidden, head, dropout: self.dropout }
    }
}

/// The network, on any device.
#[derive(Clone)]
pub(crate) struct Mlp<E: Dtype, D: Backend<E>> {
    hidden: Dense<E, D>,
    head: Dense<E, D>,
    dropout: f64,
}

impl<E: Dtype, D: Backend<E>> Module<E, D> for Mlp<E, D> {
    /// A megabyte of So2Sat's patches: they stay in a core's L2 cache while all weights are read.
    /// What Monte Carlo dropout draws depends on it.
    const PART: usize = 24;

    fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let h = dropout(self.features(x, pass), self.dropout, pass);
        self.head.log_probabilities(h, pass)
    }

    /// The hidden layer: (B, S, S, C) → (B, hidden).
    fn features(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let (batch, rows, columns, bands) = *x.shape();
        // Off the tape: patches need no gradient.
        let (x, tape) = x.split_tape();
        let x = x.reshape_like(&(batch, rows * columns * bands)).put_tape(tape);
        self.hidden.forward(pass.named("flatten", x), pass)
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.hidden.visit(visitor);
        self.head.visit(visitor);
    }
}
