//! EfficientNet-B0 without its classifier: Tan & Le (2019), *EfficientNet: Rethinking Model Scaling for Convolutional
//! Neural Networks*, Table 1, as in `keras.applications` but without stochastic depth; and the decoder
//! of `segmentation_models`.

use dfdx::prelude::*;

use super::UnetSettings;
use super::decoder::{Decoder, Level};
use crate::nn::{
    Backend, Builder, Convolution, Dense, Initial, Kind, Maps, Padding, Pass, Visitor, Window, fork, swish,
};

/// The side of the last convolution.
pub(super) const HEAD: usize = 3;

/// Channels before the first block and behind the last one.
const ENDS: [usize; 2] = [32, 1280];

/// Channels of the decoder's levels.
const UP: [usize; 5] = [256, 128, 64, 32, 16];

/// Blocks of one kind, one behind the other: the side of the depthwise convolution, how many blocks, their outputs, how
/// many times its inputs a block has inside, and the stride of the first.
const STAGES: [[usize; 5]; 7] = [
    [3, 1, 16, 1, 1],
    [3, 2, 24, 6, 2],
    [5, 2, 40, 6, 2],
    [3, 3, 80, 6, 2],
    [5, 3, 112, 6, 1],
    [5, 4, 192, 6, 2],
    [3, 1, 320, 6, 1],
];

/// Channels times the width, a multiple of 8 and not less than nine tenths of it.
fn scaled(channels: usize, width: f64) -> usize {
    let wanted = channels as f64 * width;
    let nearest = ((wanted + 4.0) / 8.0) as usize * 8;
    let rounded = nearest.max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

/// A mobile inverted bottleneck (Sandler et al. 2018) with squeeze-and-excitation (Hu, Shen & Sun 2018).
#[derive(Clone)]
struct Block<E: Dtype, D: Backend<E>> {
    /// To more channels, where it has more inside.
    expand: Option<Convolution<E, D>>,
    depthwise: Convolution<E, D>,
    squeeze: Dense<E, D>,
    excite: Dense<E, D>,
    project: Convolution<E, D>,
    has_shortcut: bool,
    /// Whether its expanded maps are concatenated with those of their size in the decoder: they are the last of it.
    is_seen: bool,
}

impl<E: Dtype, D: Backend<E>> Block<E, D> {
    fn new(
        build: &mut Builder<'_, E, D>,
        name: &str,
        window: Window,
        [inputs, inside, outputs]: [usize; 3],
    ) -> Self {
        let mut layer = |kind, part: &str, window, sides| {
            build
                .convolution(kind, Initial::HeOutputs, format!("{name}.{part}"), window, sides)
                .without_bias()
        };
        let (point, expands) = (Window::same(1), inside != inputs);
        let expand = expands.then(|| layer(Kind::Full, "expand", point, [inputs, inside]).swish());
        let project = layer(Kind::Full, "project", point, [inside, outputs]).linear();
        let depthwise = layer(Kind::Depthwise, "depthwise", window, [inside; 2]).swish();
        let mut dense = |part: &str, sides| build.dense(Initial::HeOutputs, format!("{name}.{part}"), sides);
        // Units between squeezing and exciting: a quarter of the inputs.
        let squeezed = (inputs / 4).max(1);
        Self {
            expand,
            depthwise,
            squeeze: dense("squeeze", [inside, squeezed]),
            excite: dense("excite", [squeezed, inside]),
            project,
            has_shortcut: window.stride == 1 && inputs == outputs,
            is_seen: window.stride == 2,
        }
    }

    fn forward(&self, x: Maps<E, D>, seen: &mut Vec<Maps<E, D>>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let (x, shortcut) = if self.has_shortcut {
            let (x, shortcut) = fork(x);
            (x, Some(shortcut))
        } else {
            (x, None)
        };
        let mut x = match &self.expand {
            Some(layer) => layer.forward(x, pass),
            None => x,
        };
        if self.is_seen {
            let (on, skip) = fork(x);
            seen.push(skip);
            x = on;
        }
        let x = self.depthwise.forward(x, pass); // (B, H, W, inside)
        let (x, whole) = fork(x);
        let mean = pass.named("mean over the map", D::global_mean(whole));
        let z = self.squeeze.forward(mean, pass);
        let z = pass.named("swish", swish(z));
        let z = self.excite.forward(z, pass); // (B, inside)
        let x = pass.named("sigmoid, times the maps", D::gate(x, z));
        self.project.forward_onto((x, shortcut), pass)
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.expand.iter_mut().chain([&mut self.depthwise]).for_each(|layer| layer.visit(visitor));
        self.squeeze.visit(visitor);
        self.excite.visit(visitor);
        self.project.visit(visitor);
    }
}

/// The encoder.
#[derive(Clone)]
pub(super) struct EfficientNet<E: Dtype, D: Backend<E>> {
    stem: Convolution<E, D>,
    blocks: Vec<Block<E, D>>,
    top: Convolution<E, D>,
}

/// Encoder and decoder.
pub(super) fn new<E: Dtype, D: Backend<E>>(
    build: &mut Builder<'_, E, D>,
    settings: &UnetSettings,
) -> (EfficientNet<E, D>, Decoder<E, D>) {
    let [first, last] = ENDS.map(|channels| scaled(channels, settings.width));
    let half = Window { kernel: 3, stride: 2, padding: Padding::Same };
    let ends = [build.imagery.bands.len(), first];
    let stem = build.convolution(Kind::Full, Initial::HeOutputs, "stem", half, ends);
    let (mut blocks, mut seen, mut inputs) = (Vec::new(), Vec::new(), first);
    for (number, [kernel, count, outputs, expansion, stride]) in STAGES.into_iter().enumerate() {
        for block in 0..count {
            let name = format!("block{}{}", number + 1, char::from(b'a' + block as u8));
            let stride = if block == 0 { stride } else { 1 };
            let (inside, outputs) = (inputs * expansion, scaled(outputs, settings.width));
            let window = Window { kernel, stride, padding: Padding::Same };
            blocks.push(Block::new(build, &name, window, [inputs, inside, outputs]));
            seen.extend((stride == 2).then_some(inside));
            inputs = outputs;
        }
    }
    let top = build.convolution(Kind::Full, Initial::HeOutputs, "top", Window::same(1), [inputs, last]);
    let mut below = last;
    let level = |(k, channels): (usize, &usize)| {
        let outputs = scaled(*channels, settings.width);
        let inputs = below + seen.pop().unwrap_or(0);
        below = outputs;
        let convolutions = [(1, inputs), (2, outputs)].map(|(number, inputs)| {
            let name = format!("up{}.conv{number}", UP.len() - k);
            build
                .convolution(Kind::Full, Initial::HeUniform, name, Window::same(3), [inputs, outputs])
                .without_bias()
        });
        Level { transposed: None, convolutions, outputs }
    };
    let up = Decoder(UP.iter().enumerate().map(level).collect());
    let [stem, top] = [stem, top].map(|layer| layer.without_bias().swish());
    (EfficientNet { stem, blocks, top }, up)
}

impl<E: Dtype, D: Backend<E>> EfficientNet<E, D> {
    /// (B, S, S, bands) → the smallest maps, and those that are concatenated in the decoder, the largest first.
    pub(super) fn forward(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> (Maps<E, D>, Vec<Maps<E, D>>) {
        let mut seen = Vec::new();
        let mut x = self.stem.forward(x, pass); // (B, S/2, S/2, 32)
        for block in &self.blocks {
            x = block.forward(x, &mut seen, pass);
        }
        (self.top.forward(x, pass), seen) // (B, S/32, S/32, 1280)
    }

    pub(super) fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.stem.visit(visitor);
        self.blocks.iter_mut().for_each(|block| block.visit(visitor));
        self.top.visit(visitor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_as_efficientnet_rounds_them() {
        // round_filters of keras.applications.efficientnet, widths of B2, B4 and B7 and small ones.
        let cases = [
            (32, 1.1, 32),
            (16, 1.1, 16),
            (24, 1.1, 24),
            (40, 1.1, 48),
            (112, 1.1, 120),
            (1280, 1.1, 1408),
            (32, 1.4, 48),
            (16, 1.4, 24),
            (24, 1.4, 32),
            (32, 2.0, 64),
            (320, 2.0, 640),
            (32, 0.25, 8),
            (40, 0.25, 16),
            (112, 0.25, 32),
            (16, 0.1, 8),
            (1280, 0.1, 128),
        ];
        for (channels, width, expected) in cases {
            assert_eq!(scaled(channels, width), expected, "{channels} · {width}");
        }
    }
}
