//! EfficientNet-B0 without its classifier: Tan & Le (2019), *EfficientNet: Rethinking Model Scaling for Convolutional
//! Neural Networks*, Table 1, as in `keras.applications` but for stochastic depth, which it goes without; and the way
//! up of `segmentation_models`.

use dfdx::prelude::*;

use super::UnetSettings;
use super::decoder::{Decoder, Level};
use crate::nn::{
    Backend, Builder, Convolution, Dense, Initial, Maps, Padding, Pass, Visitor, Window, fork, swish,
};

/// The side of the last convolution.
pub(super) const HEAD: usize = 3;

/// Channels before the first block and behind the last one.
const ENDS: [usize; 2] = [32, 1280];

/// Channels of the levels on the way up.
const UP: [usize; 5] = [256, 128, 64, 32, 16];

/// Blocks of one kind, one behind the other.
struct Stage {
    /// The side of the depthwise convolution.
    kernel: usize,
    blocks: usize,
    outputs: usize,
    /// How many times its inputs a block has inside.
    expansion: usize,
    /// Of the first block.
    stride: usize,
}

const fn stage(kernel: usize, blocks: usize, outputs: usize, expansion: usize, stride: usize) -> Stage {
    Stage { kernel, blocks, outputs, expansion, stride }
}

const STAGES: [Stage; 7] = [
    stage(3, 1, 16, 1, 1),
    stage(3, 2, 24, 6, 2),
    stage(5, 2, 40, 6, 2),
    stage(3, 3, 80, 6, 2),
    stage(5, 3, 112, 6, 1),
    stage(5, 4, 192, 6, 2),
    stage(3, 1, 320, 6, 1),
];

/// So many channels times the width, a multiple of 8 and not less than nine tenths of it.
fn scaled(channels: usize, width: f64) -> usize {
    let wanted = channels as f64 * width;
    let nearest = ((wanted + 4.0) / 8.0) as usize * 8;
    let rounded = nearest.max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

/// The shape of one block.
#[derive(Debug, Clone)]
struct Shape {
    /// `block2a`: stage and block.
    name: String,
    kernel: usize,
    stride: usize,
    inputs: usize,
    /// Channels between its convolutions.
    inside: usize,
    outputs: usize,
}

impl Shape {
    /// Units between squeezing and exciting: a quarter of the inputs.
    fn squeezed(&self) -> usize {
        (self.inputs / 4).max(1)
    }

    fn expands(&self) -> bool {
        self.inside != self.inputs
    }

    fn has_shortcut(&self) -> bool {
        self.stride == 1 && self.inputs == self.outputs
    }
}

/// All blocks.
fn shapes(settings: &UnetSettings) -> Vec<Shape> {
    let mut inputs = scaled(ENDS[0], settings.width);
    let mut shapes = Vec::new();
    for (number, stage) in STAGES.iter().enumerate() {
        for block in 0..stage.blocks {
            let outputs = scaled(stage.outputs, settings.width);
            shapes.push(Shape {
                name: format!("block{}{}", number + 1, char::from(b'a' + block as u8)),
                kernel: stage.kernel,
                stride: if block == 0 { stage.stride } else { 1 },
                inputs,
                inside: inputs * stage.expansion,
                outputs,
            });
            inputs = outputs;
        }
    }
    shapes
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
    /// Whether its expanded maps are laid beside those of their size on the way up: they are the last of it.
    is_seen: bool,
}

impl<E: Dtype, D: Backend<E>> Block<E, D> {
    fn new(build: &mut Builder<'_, E, D>, shape: &Shape) -> Self {
        let Shape { name, kernel, stride, inputs, inside, outputs } = shape;
        let mut point = |part: &str, sides| {
            let name = format!("{name}.{part}");
            build.convolution(Initial::HeOutputs, name, Window::same(1), sides).without_bias()
        };
        let expand = shape.expands().then(|| point("expand", [*inputs, *inside]).swish());
        let project = point("project", [*inside, *outputs]).linear();
        let window = Window { kernel: *kernel, stride: *stride, padding: Padding::Same };
        let depthwise = build.depthwise(Initial::HeOutputs, format!("{name}.depthwise"), window, *inside);
        let mut dense = |part: &str, sides| build.dense(Initial::HeOutputs, format!("{name}.{part}"), sides);
        Self {
            expand,
            depthwise: depthwise.without_bias().swish(),
            squeeze: dense("squeeze", [*inside, shape.squeezed()]),
            excite: dense("excite", [shape.squeezed(), *inside]),
            project,
            has_shortcut: shape.has_shortcut(),
            is_seen: *stride == 2,
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
        match shortcut {
            Some(shortcut) => self.project.forward_onto(x, shortcut, pass),
            None => self.project.forward(x, pass),
        }
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.expand.iter_mut().chain([&mut self.depthwise]).for_each(|layer| layer.visit(visitor));
        self.squeeze.visit(visitor);
        self.excite.visit(visitor);
        self.project.visit(visitor);
    }
}

/// The way down.
#[derive(Clone)]
pub(super) struct EfficientNet<E: Dtype, D: Backend<E>> {
    stem: Convolution<E, D>,
    blocks: Vec<Block<E, D>>,
    top: Convolution<E, D>,
}

/// The ways down and up.
pub(super) fn new<E: Dtype, D: Backend<E>>(
    build: &mut Builder<'_, E, D>,
    settings: &UnetSettings,
) -> (EfficientNet<E, D>, Decoder<E, D>) {
    let [first, last] = ENDS.map(|channels| scaled(channels, settings.width));
    let shapes = shapes(settings);
    let half = Window { kernel: 3, stride: 2, padding: Padding::Same };
    let stem = build.convolution(Initial::HeOutputs, "stem", half, [build.imagery.bands.len(), first]);
    let blocks = shapes.iter().map(|shape| Block::new(build, shape)).collect();
    let behind = shapes.last().map_or(first, |shape| shape.outputs);
    let top = build.convolution(Initial::HeOutputs, "top", Window::same(1), [behind, last]);
    let mut seen: Vec<usize> =
        shapes.iter().filter(|shape| shape.stride == 2).map(|shape| shape.inside).collect();
    let mut below = last;
    let level = |(k, channels): (usize, &usize)| {
        let outputs = scaled(*channels, settings.width);
        let inputs = below + seen.pop().unwrap_or(0);
        below = outputs;
        let convolutions = [(1, inputs), (2, outputs)].map(|(number, inputs)| {
            let name = format!("up{}.conv{number}", UP.len() - k);
            build.convolution(Initial::HeUniform, name, Window::same(3), [inputs, outputs]).without_bias()
        });
        Level { transposed: None, convolutions, outputs }
    };
    let up = Decoder(UP.iter().enumerate().map(level).collect());
    let [stem, top] = [stem, top].map(|layer| layer.without_bias().swish());
    (EfficientNet { stem, blocks, top }, up)
}

impl<E: Dtype, D: Backend<E>> EfficientNet<E, D> {
    /// (B, S, S, bands) → the smallest maps, and those that are laid beside others on the way up, the largest first.
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
