//! ResNet-20 with pre-activation, the network of the So2Sat project's own maps.
//!
//! He, Zhang, Ren & Sun (2016), *Identity Mappings in Deep Residual Networks*, ECCV, as Keras's example has it. A 3 × 3
//! convolution, then three stages of two bottleneck blocks; each block normalises its input, squeezes the channels (1 × 1), looks
//! around (3 × 3), widens them again (1 × 1, without batch norm) and adds its input. Zhu et al. (2022), *The urban morphology on
//! our planet*, Remote Sensing of Environment 269, trained it on all 52 cities.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use crate::nn::{
    Backend, Builder, Convolution, Dense, Initial, Kind, Maps, Module, Padding, Pass, Rows, Visitor, Window,
    fork,
};
use crate::{Error, Result};

/// Stages, and the blocks of each.
pub(crate) const BLOCKS: [usize; 3] = [2, 2, 2];

/// Every second pixel of every second line.
const HALVED: Window = Window { kernel: 1, stride: 2, padding: Padding::Valid };

/// The network's size. The default is the published one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResNet20Settings {
    /// Channels of the first convolution; the features are 16 times as many (published: 16 and 256).
    pub width: usize,
}

/// Most channels; more is a typo.
const LARGEST: usize = 512;

impl Default for ResNet20Settings {
    fn default() -> Self {
        Self { width: 16 }
    }
}

impl ResNet20Settings {
    /// Channels inside and behind the blocks of a stage, counted from 0: 16 → 64, 64 → 128, 128 → 256.
    fn channels(&self, stage: usize) -> [usize; 2] {
        match stage {
            0 => [self.width, 4 * self.width],
            _ => [(2 * self.width) << stage, (4 * self.width) << stage],
        }
    }
}

impl Blueprint for ResNet20Settings {
    const NAME: &'static str = "resnet20";
    type Module<E: Dtype, D: Backend<E>> = ResNet20<E, D>;

    fn check(&self, _patch_size: usize) -> Result<()> {
        if self.width == 0 || self.width > LARGEST {
            let advice = format!("choose 1 to {LARGEST} (published: 16)");
            return Err(Error::input("resnet20: width", format!("{} channels", self.width), advice));
        }
        Ok(())
    }

    /// He-normal weights, as in Keras's example.
    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> ResNet20<E, D> {
        let (bands, classes) = (build.imagery.bands.len(), build.classes);
        let convolution = |build: &mut Builder<'_, E, D>, name: String, window, sides| {
            build.convolution(Kind::Full, Initial::He, name, window, sides)
        };
        let first = convolution(build, "conv1".to_owned(), Window::same(3), [bands, self.width]);
        let mut blocks = Vec::new();
        let mut inputs = self.width;
        for (stage, count) in BLOCKS.into_iter().enumerate() {
            let [inside, outputs] = self.channels(stage);
            for block in 0..count {
                let name = |part: &str| format!("{}.{part}", block_name(stage, block));
                let halves = stage > 0 && block == 0;
                let point = Window { stride: if halves { 2 } else { 1 }, ..Window::same(1) };
                blocks.push(Block {
                    norm: (stage + block > 0).then(|| build.norm(name("norm"), inputs)),
                    conv1: convolution(build, name("conv1"), point, [inputs, inside]),
                    conv2: convolution(build, name("conv2"), Window::same(3), [inside, inside]),
                    conv3: build.dense(Initial::He, name("conv3"), [inside, outputs]),
                    shortcut: (block == 0)
                        .then(|| build.dense(Initial::He, name("shortcut"), [inputs, outputs])),
                    halves,
                });
                inputs = outputs;
            }
        }
        let head = build.dense(Initial::He, "head.final", [inputs, classes]);
        ResNet20 { first, blocks, norm: build.norm("norm", inputs), head }
    }
}

/// A block's name, stages counted from 1.
pub(crate) fn block_name(stage: usize, block: usize) -> String {
    format!("stage{}.block{}", stage + 1, block + 1)
}

/// A bottleneck block with pre-activation.
#[derive(Clone)]
struct Block<E: Dtype, D: Backend<E>> {
    /// Not in the first block, whose input has been normalised.
    norm: Option<Convolution<E, D>>,
    /// 1 × 1, which squeezes the channels.
    conv1: Convolution<E, D>,
    /// 3 × 3.
    conv2: Convolution<E, D>,
    /// 1 × 1, which widens them, without batch norm.
    conv3: Dense<E, D>,
    /// Where the block changes the channels: of its input before batch norm.
    shortcut: Option<Dense<E, D>>,
    /// Whether the maps are halved.
    halves: bool,
}

impl<E: Dtype, D: Backend<E>> Block<E, D> {
    fn forward(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let (mut x, mut shortcut) = fork(x);
        if let Some(norm) = &self.norm {
            x = norm.forward(x, pass);
        }
        let x = self.conv2.forward(self.conv1.forward(x, pass), pass);
        let x = self.conv3.forward_at_pixels(x, pass);
        if self.halves {
            shortcut = D::max_pool(shortcut, HALVED);
        }
        if let Some(layer) = &self.shortcut {
            shortcut = layer.forward_at_pixels(shortcut, pass);
        }
        pass.named("sum with the shortcut", x + shortcut)
    }
}

/// The network, on any device.
#[derive(Clone)]
pub(crate) struct ResNet20<E: Dtype, D: Backend<E>> {
    first: Convolution<E, D>,
    blocks: Vec<Block<E, D>>,
    norm: Convolution<E, D>,
    head: Dense<E, D>,
}

impl<E: Dtype, D: Backend<E>> Module<E, D> for ResNet20<E, D> {
    fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let features = self.features(x, pass);
        self.head.log_probabilities(features, pass)
    }

    /// The mean over the last maps.
    fn features(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let mut x = self.first.forward(x, pass); // (B, S, S, width)
        for block in &self.blocks {
            x = block.forward(x, pass);
        }
        let x = self.norm.forward(x, pass); // (B, S/4, S/4, 16 width)
        pass.named("mean over the map", D::global_mean(x))
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        self.first.visit(visitor);
        for block in &mut self.blocks {
            block.norm.iter_mut().chain([&mut block.conv1, &mut block.conv2]).for_each(|l| l.visit(visitor));
            [&mut block.conv3].into_iter().chain(&mut block.shortcut).for_each(|l| l.visit(visitor));
        }
        self.norm.visit(visitor);
        self.head.visit(visitor);
    }
}

#[cfg(test)]
mod tests {
    use crate::models::{Architecture, Device, build};
    use crate::{Classes, Imagery};

    #[test]
    fn the_published_network_has_as_many_numbers_as_the_project_s_weight_file() {
        let network = build(
            &Architecture::named("resnet20").unwrap(),
            &Imagery::so2sat(),
            &Classes::lcz(),
            0,
            Device::Cpu,
        )
        .unwrap();
        assert_eq!(network.parameters().total, 576_897);
    }
}
