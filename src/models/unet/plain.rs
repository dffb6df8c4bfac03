//! The encoder of the U-Net paper, and the way up that belongs to it.

use dfdx::prelude::*;
use rand_chacha::ChaCha8Rng;

use super::UnetSettings;
use super::decoder::{Decoder, Level};
use crate::models::summary::Layer;
use crate::nn::{Backend, Convolution, Initial, Maps, Padding, Pass, Visitor, Window, fork};

/// Channels of the published network's first level.
const CHANNELS: f64 = 64.0;

/// The side of the last convolution.
pub(super) const HEAD: usize = 1;

/// The maximum, and the transposed convolution that makes up for it.
const HALF: Window = Window { kernel: 2, stride: 2, padding: Padding::Same };

/// Two convolutions a level, the largest maps first; the last level is the bottom.
#[derive(Clone)]
pub(super) struct Plain<E: Dtype, D: Backend<E>>(Vec<[Convolution<E, D>; 2]>);

/// Channels of a level, counted from 0 at the full size.
fn channels(settings: &UnetSettings, level: usize) -> usize {
    ((CHANNELS * settings.width).round().max(1.0) as usize) << level
}

/// The ways down and up.
pub(super) fn new<E: Dtype, D: Backend<E>>(
    device: &D,
    random: &mut ChaCha8Rng,
    settings: &UnetSettings,
    bands: usize,
) -> (Plain<E, D>, Decoder<E, D>) {
    let mut pair = |name: &str, inputs, outputs| {
        [(1, inputs), (2, outputs)].map(|(number, inputs)| {
            let name = format!("{name}.conv{number}");
            let window = Window::same(3);
            Convolution::new(name, device, random, Initial::He, window, inputs, outputs).without_bias()
        })
    };
    let mut down = Vec::new();
    let mut inputs = bands;
    for level in 0..=settings.depth {
        let outputs = channels(settings, level);
        down.push(pair(&name(settings, level), inputs, outputs));
        inputs = outputs;
    }
    let mut pairs = Vec::new();
    for level in (0..settings.depth).rev() {
        let outputs = channels(settings, level);
        pairs.push((level, pair(&format!("up{}", level + 1), 2 * outputs, outputs)));
    }
    let up = pairs.into_iter().map(|(level, convolutions)| {
        let [inputs, outputs] = [level + 1, level].map(|level| channels(settings, level));
        let name = format!("up{}.transposed", level + 1);
        let transposed = Convolution::transposed(name, device, random, Initial::He, HALF, inputs, outputs);
        Level { transposed: Some(transposed.without_bias()), convolutions, outputs }
    });
    let up = Decoder(up.collect());
    (Plain(down), up)
}

/// What the layers of a level on the way down are called.
fn name(settings: &UnetSettings, level: usize) -> String {
    if level == settings.depth { "bottom".to_owned() } else { format!("down{}", level + 1) }
}

impl<E: Dtype, D: Backend<E>> Plain<E, D> {
    /// (B, S, S, bands) → the smallest maps, and those of each level above, the largest first.
    pub(super) fn forward(&self, mut x: Maps<E, D>, pass: &mut Pass<E, D>) -> (Maps<E, D>, Vec<Maps<E, D>>) {
        let mut seen = Vec::new();
        for (level, layers) in self.0.iter().enumerate() {
            if level > 0 {
                let (skip, on) = fork(x);
                seen.push(skip);
                x = D::max_pool(on, HALF);
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

/// All layers but the head.
pub(super) fn layers(settings: &UnetSettings, patch_size: usize) -> Vec<Layer> {
    let mut layers = Vec::new();
    let pair = |layers: &mut Vec<Layer>, name: &str, level: usize| {
        let (size, channels) = (patch_size >> level, channels(settings, level));
        for number in 1..=2 {
            let weights = format!("{name}.conv{number}");
            let text = format!("{weights}: convolution 3 × 3, batch norm, ReLU");
            layers.push(Layer::new(text, [size, size, channels], &weights));
        }
    };
    for level in 0..=settings.depth {
        if level > 0 {
            let size = patch_size >> level;
            let output = [size, size, channels(settings, level - 1)];
            layers.push(Layer::new("maximum of 2 × 2", output, ""));
        }
        pair(&mut layers, &name(settings, level), level);
    }
    for level in (0..settings.depth).rev() {
        let (size, channels) = (patch_size >> level, channels(settings, level));
        let weights = format!("up{}.transposed", level + 1);
        let text = format!("{weights}: transposed convolution 2 × 2, batch norm, ReLU");
        // Each pixel of the small maps meets the whole window once.
        layers.push(Layer::new(text, [size, size, channels], &weights).at(size * size / 4));
        let text = format!("beside it what level {} has seen", level + 1);
        layers.push(Layer::new(text, [size, size, 2 * channels], ""));
        pair(&mut layers, &format!("up{}", level + 1), level);
    }
    layers
}
