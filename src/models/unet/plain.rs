//! The encoder of the U-Net paper, and its decoder.

use dfdx::prelude::*;

use super::UnetSettings;
use super::decoder::{Decoder, Level};
use crate::nn::{Backend, Builder, Convolution, Initial, Kind, Maps, Padding, Pass, Visitor, Window, fork};

/// Channels of the published network's first level.
const CHANNELS: f64 = 64.0;

/// The side of the last convolution.
pub(super) const HEAD: usize = 1;

/// The side of the max pooling, and of the transposed convolution that reverses it.
const HALF: Window = Window { kernel: 2, stride: 2, padding: Padding::Same };

/// Two convolutions per level, the largest maps first; the last level is the bottom.
#[derive(Clone)]
pub(super) struct Plain<E: Dtype, D: Backend<E>>(Vec<[Convolution<E, D>; 2]>);

/// Channels of a level, counted from 0 at the full size.
fn channels(settings: &UnetSettings, level: usize) -> usize {
    ((CHANNELS * settings.width).round().max(1.0) as usize) << level
}

/// Encoder and decoder.
pub(super) fn new<E: Dtype, D: Backend<E>>(
    build: &mut Builder<'_, E, D>,
    settings: &UnetSettings,
) -> (Plain<E, D>, Decoder<E, D>) {
    let mut inputs = build.imagery.bands.len();
    let mut pair = |name: &str, inputs, outputs| {
        [(1, inputs), (2, outputs)].map(|(number, inputs)| {
            let name = format!("{name}.conv{number}");
            build
                .convolution(Kind::Full, Initial::He, name, Window::same(3), [inputs, outputs])
                .without_bias()
        })
    };
    let mut down = Vec::new();
    for level in 0..=settings.depth {
        let outputs = channels(settings, level);
        let name = if level == settings.depth { "bottom".to_owned() } else { format!("down{}", level + 1) };
        down.push(pair(&name, inputs, outputs));
        inputs = outputs;
    }
    let mut pairs = Vec::new();
    for level in (0..settings.depth).rev() {
        let outputs = channels(settings, level);
        pairs.push((level, pair(&format!("up{}", level + 1), 2 * outputs, outputs)));
    }
    let up = pairs.into_iter().map(|(level, convolutions)| {
        let sides = [level + 1, level].map(|level| channels(settings, level));
        let transposed = build.convolution(
            Kind::Transposed,
            Initial::He,
            format!("up{}.transposed", level + 1),
            HALF,
            sides,
        );
        Level { transposed: Some(transposed.without_bias()), convolutions, outputs: sides[1] }
    });
    let up = Decoder(up.collect());
    (Plain(down), up)
}

impl<E: Dtype, D: Backend<E>> Plain<E, D> {
    /// (B, S, S, bands) → the smallest maps, and those of each level above, the largest first.
    pub(super) fn forward(&self, mut x: Maps<E, D>, pass: &mut Pass<E, D>) -> (Maps<E, D>, Vec<Maps<E, D>>) {
        let mut seen = Vec::new();
        for (level, layers) in self.0.iter().enumerate() {
            if level > 0 {
                let (skip, on) = fork(x);
                seen.push(skip);
                x = pass.named("maximum of 2 × 2", D::max_pool(on, HALF));
            }
            for layer in layers {
                x = layer.forward(x, pass);
            }
        }
        (x, seen)
    }

    pub(super) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.0.iter_mut().flatten().for_each(|layer| layer.visit(visitor));
    }
}
