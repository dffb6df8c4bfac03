//! The decoder: maps doubled, concatenated with the encoder's of the same size, two convolutions; level by level.

use dfdx::prelude::*;

use crate::nn::{Backend, Convolution, Maps, Pass, Visitor};

/// One level.
#[derive(Clone)]
pub(super) struct Level<E: Dtype, D: Backend<E>> {
    /// Doubles the maps; without, each pixel is taken four times.
    pub(super) transposed: Option<Convolution<E, D>>,
    pub(super) convolutions: [Convolution<E, D>; 2],
    /// Channels behind it.
    pub(super) outputs: usize,
}

/// All levels, from the smallest maps up.
#[derive(Clone)]
pub(super) struct Decoder<E: Dtype, D: Backend<E>>(pub(super) Vec<Level<E, D>>);

impl<E: Dtype, D: Backend<E>> Decoder<E, D> {
    /// Channels behind the last level.
    pub(super) fn outputs(&self) -> usize {
        self.0.last().map_or(0, |level| level.outputs)
    }

    /// The smallest maps and those `seen` on the way down, the largest first → (B, S, S, outputs). A level that
    /// finds nothing left of these has nothing concatenated.
    pub(super) fn forward(
        &self,
        mut x: Maps<E, D>,
        mut seen: Vec<Maps<E, D>>,
        pass: &mut Pass<E, D>,
    ) -> Maps<E, D> {
        for level in &self.0 {
            x = match &level.transposed {
                Some(layer) => layer.forward(x, pass),
                None => pass.named("each pixel four times", D::doubled(x)),
            };
            if let Some(skip) = seen.pop() {
                x = pass.named("concatenation with the encoder's maps", D::concat(x, skip));
            }
            for layer in &level.convolutions {
                x = layer.forward(x, pass);
            }
        }
        x
    }

    pub(super) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        for level in &mut self.0 {
            level.transposed.iter_mut().chain(&mut level.convolutions).for_each(|layer| layer.visit(visitor));
        }
    }
}
