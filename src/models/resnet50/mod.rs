//! ResNet-50: fifty layers of bottleneck blocks with shortcuts.
//!
//! He, Zhang, Ren & Sun (2016), *Deep Residual Learning for Image Recognition*, CVPR. A 7 × 7 convolution
//! and a maximum, then four stages of 3, 4, 6 and 3 blocks; each block squeezes the channels (1 × 1), looks
//! around (3 × 3), widens them again (1 × 1) and adds its input. As in Keras, the stride sits on a block's
//! first convolution and every convolution has a bias.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use crate::nn::{
    Backend, Builder, Convolution, Dense, Initial, Kind, Maps, Module, Padding, Pass, Rows, Visitor, Window,
    fork,
};
use crate::{Error, Result};

/// Blocks of each stage.
pub(crate) const BLOCKS: [usize; 4] = [3, 4, 6, 3];

/// Which ResNet-50.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variant {
    /// As `keras.applications.ResNet50`: the maximum sees one pixel beyond the maps, stages 3 to 5 halve
    /// them, batch norm's ε is 1.001e-5.
    #[default]
    Standard,
    /// As the course's, for small patches: the maximum stays inside, stages 4 and 5 alone halve the maps
    /// (32 × 32 pixels become 16, 7, 7, 7, 4 and 2), the first block is half as wide inside, ε is 1e-3.
    Course,
}

impl Variant {
    /// The windows before the first stage: convolution and maximum.
    fn stem(self) -> [Window; 2] {
        let padding = match self {
            Self::Standard => Padding::Around(1),
            Self::Course => Padding::Valid,
        };
        [
            Window { kernel: 7, stride: 2, padding: Padding::Around(3) },
            Window { kernel: 3, stride: 2, padding },
        ]
    }

    /// The stride of each stage's first block.
    fn strides(self) -> [usize; 4] {
        match self {
            Self::Standard => [1, 2, 2, 2],
            Self::Course => [1, 1, 2, 2],
        }
    }

    fn epsilon(self) -> f64 {
        match self {
            Self::Standard => 1.001e-5,
            Self::Course => 1e-3,
        }
    }
}

/// The network's size. The default is the published one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNet50Settings {
    /// Which one.
    pub variant: Variant,
    /// Channels of the first convolution; the features are 32 times as many (published: 64 and 2,048).
    pub width: usize,
    /// Units of a hidden layer with ReLU between the features and the classes; 0 for none.
    pub head: usize,
}

/// Most channels; more is a typo.
const LARGEST: usize = 512;

impl Default for ResNet50Settings {
    fn default() -> Self {
        Self { variant: Variant::Standard, width: 64, head: 0 }
    }
}

impl ResNet50Settings {
    /// The course's variant.
    pub fn course() -> Self {
        Self { variant: Variant::Course, ..Self::default() }
    }

    /// Channels inside and behind a block, counted from 0.
    fn channels(&self, stage: usize, block: usize) -> (usize, usize) {
        let inside = self.width << stage;
        let halved = self.variant == Variant::Course && stage == 0 && block == 0;
        (if halved { inside / 2 } else { inside }, 4 * inside)
    }
}

impl Blueprint for ResNet50Settings {
    const NAME: &'static str = "resnet50";
    type Module<E: Dtype, D: Backend<E>> = ResNet50<E, D>;

    fn check(&self, patch_size: usize) -> Result<()> {
        if self.width == 0 || self.width > LARGEST || !self.width.is_multiple_of(2) {
            let advice = format!("choose an even number up to {LARGEST} (published: 64)");
            return Err(Error::input("resnet50: width", format!("{} channels", self.width), advice));
        }
        if self.head > 1 << 16 {
            let problem = format!("{} units", self.head);
            return Err(Error::input("resnet50: head", problem, "choose 0 for none, or some 256"));
        }
        let [conv, pool] = self.variant.stem();
        let fits = |size: usize| pool.outputs(conv.outputs(size)) > 0;
        if !fits(patch_size) {
            let smallest = (1..=8).find(|&size| fits(size)).unwrap_or(8);
            let problem = format!("patches of {patch_size} pixels leave nothing for the first maximum");
            let advice = format!("cut patches of at least {smallest} pixels");
            return Err(Error::input("resnet50", problem, advice));
        }
        Ok(())
    }

    /// Glorot-uniform weights, as in Keras.
    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> ResNet50<E, D> {
        let (bands, classes) = (build.imagery.bands.len(), build.classes);
        let [conv, pool] = self.variant.stem();
        let mut layer = |name: String, window, inputs, outputs| {
            let layer = build.convolution(Kind::Full, Initial::Glorot, name, window, [inputs, outputs]);
            layer.epsilon(self.variant.epsilon())
        };
        let first = layer("conv1".to_owned(), conv, bands, self.width);
        let mut blocks = Vec::new();
        let mut inputs = self.width;
        for (stage, (count, stride)) in BLOCKS.into_iter().zip(self.variant.strides()).enumerate() {
            for block in 0..count {
                let (inside, outputs) = self.channels(stage, block);
                let name = |part: usize| format!("{}.{}", block_name(stage, block), PARTS[part]);
                let stride = if block == 0 { stride } else { 1 };
                let point = |stride| Window { stride, ..Window::same(1) };
                let layers = [
                    layer(name(0), point(stride), inputs, inside),
                    layer(name(1), Window::same(3), inside, inside),
                    layer(name(2), point(1), inside, outputs),
                ];
                let shortcut = (block == 0).then(|| layer(name(3), point(stride), inputs, outputs).linear());
                blocks.push(Block { layers, shortcut });
                inputs = outputs;
            }
        }
        let mut dense = |name: &str, sides| build.dense(Initial::Glorot, name, sides);
        let hidden = (self.head > 0).then(|| dense("head.hidden", [inputs, self.head]).with_relu());
        let features = if self.head > 0 { self.head } else { inputs };
        ResNet50 { first, pool, blocks, hidden, head: dense("head.final", [features, classes]) }
    }
}

/// The convolutions of a block, by name.
const PARTS: [&str; 4] = ["conv1", "conv2", "conv3", "shortcut"];

/// Those of a block, counted from 0.
pub(crate) fn parts_of(block: usize) -> &'static [&'static str] {
    if block == 0 { &PARTS } else { &PARTS[..3] }
}

/// A block's name, stages counted from 2 as in the paper's Table 1.
pub(crate) fn block_name(stage: usize, block: usize) -> String {
    format!("stage{}.block{}", stage + 2, block + 1)
}

/// A bottleneck block.
#[derive(Clone)]
struct Block<E: Dtype, D: Backend<E>> {
    layers: [Convolution<E, D>; 3],
    /// Where the block changes the channels or the size of the maps.
    shortcut: Option<Convolution<E, D>>,
}

impl<E: Dtype, D: Backend<E>> Block<E, D> {
    fn forward(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let (x, shortcut) = fork(x);
        let [squeeze, look, widen] = &self.layers;
        let x = look.forward(squeeze.forward(x, pass), pass);
        let shortcut = match &self.shortcut {
            Some(layer) => layer.forward(shortcut, pass),
            None => shortcut,
        };
        widen.forward_onto((x, Some(shortcut)), pass)
    }
}

/// The network, on any device.
#[derive(Clone)]
pub(crate) struct ResNet50<E: Dtype, D: Backend<E>> {
    first: Convolution<E, D>,
    pool: Window,
    blocks: Vec<Block<E, D>>,
    hidden: Option<Dense<E, D>>,
    head: Dense<E, D>,
}

impl<E: Dtype, D: Backend<E>> Module<E, D> for ResNet50<E, D> {
    fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let features = self.features(x, pass);
        self.head.log_probabilities(features, pass)
    }

    /// The mean over the last maps, or the hidden layer where there is one.
    fn features(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let x = self.first.forward(x, pass); // (B, S/2, S/2, width)
        let mut x = pass.named("maximum of 3 × 3, stride 2", D::max_pool(x, self.pool)); // (B, S/4, S/4, width)
        for block in &self.blocks {
            x = block.forward(x, pass);
        }
        let x = pass.named("mean over the map", D::global_mean(x)); // (B, 32 width)
        match &self.hidden {
            Some(hidden) => hidden.forward(x, pass),
            None => x,
        }
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.first.visit(visitor);
        for block in &mut self.blocks {
            block.layers.iter_mut().chain(&mut block.shortcut).for_each(|layer| layer.visit(visitor));
        }
        self.hidden.iter_mut().chain([&mut self.head]).for_each(|layer| layer.visit(visitor));
    }
}

#[cfg(test)]
mod tests;
