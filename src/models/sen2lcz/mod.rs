//! Sen2LCZ-Net-MF: a small convolutional network that classifies at four scales at once.
//!
//! Qiu, Tong, Schmitt, Bechtel & Zhu (2020), *Multilevel Feature Fusion-Based CNN for Local Climate
//! Zone Classification From Sentinel-2 Images*, IEEE JSTARS 13. Four blocks of 3 × 3 convolutions
//! with batch norm and ReLU; between blocks the maps are halved by maximum and mean pooling side by
//! side; a classification head after each merge and at the end; the heads' softmaxes are averaged.

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use crate::nn::{
    Backend, Builder, Convolution, Dense, Initial, Kind, Maps, Module, Pass, Rows, Visitor, Window, dropout,
    fork, mean_of_logits, mean_of_softmaxes,
};
use crate::{Error, Result};

/// How the four heads become one prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fusion {
    /// The mean of the four softmaxes, as published. Its "logits" are ln p̄.
    #[default]
    Softmaxes,
    /// The softmax of the mean of the four logits, as LCZ_LDL's `model_softmax` takes it: another
    /// network, also at T = 1.
    Logits,
}

/// The network's size. The default is the published one: 17 layers deep, 16 wide, dropout of 0.2, softmaxes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sen2LczSettings {
    /// Layers: four times the convolutions per block, plus one.
    pub depth: usize,
    /// Channels of the first block; each later block has twice as many.
    pub width: usize,
    /// Share of the numbers that dropout sets to zero, after the second and third merge.
    pub dropout: f64,
    /// How the heads are fused.
    pub fusion: Fusion,
}

/// Most layers and channels; more is a typo.
const LARGEST: (usize, usize) = (401, 1024);

impl Default for Sen2LczSettings {
    fn default() -> Self {
        Self { depth: 17, width: 16, dropout: 0.2, fusion: Fusion::Softmaxes }
    }
}

impl Blueprint for Sen2LczSettings {
    const NAME: &'static str = "sen2lcz";
    type Module<E: Dtype, D: Backend<E>> = Sen2Lcz<E, D>;

    fn check(&self, patch_size: usize) -> Result<()> {
        if self.depth < 5 || self.depth % 4 != 1 {
            let problem = format!("{} is not 4 n + 1", self.depth);
            return Err(Error::input("sen2lcz: depth", problem, "choose 5, 9, 13, 17, …"));
        }
        if self.depth > LARGEST.0 || self.width == 0 || self.width > LARGEST.1 {
            let problem = format!("{} layers of {} channels and more", self.depth, self.width);
            let advice = format!(
                "choose 1 to {} channels and at most {} layers (published: 16, 17)",
                LARGEST.1, LARGEST.0
            );
            return Err(Error::input("sen2lcz: depth and width", problem, advice));
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return Err(Error::input("sen2lcz: dropout", format!("{}", self.dropout), "choose 0 to below 1"));
        }
        if patch_size < 8 {
            let problem = format!("patches of {patch_size} pixels cannot be halved three times");
            return Err(Error::input("sen2lcz", problem, "cut patches of at least 8 pixels"));
        }
        Ok(())
    }

    /// He-normal weights.
    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> Sen2Lcz<E, D> {
        let layers = (self.depth - 1) / 4;
        let mut inputs = build.imagery.bands.len();
        let blocks = std::array::from_fn(|block| {
            let width = self.width << block;
            let layer = |layer| {
                let inputs = std::mem::replace(&mut inputs, width);
                let name = format!("block{}.conv{}", block + 1, layer + 1);
                build.convolution(Kind::Full, Initial::He, name, Window::same(3), [inputs, width])
            };
            let block = (0..layers).map(layer).collect();
            inputs *= 2; // maximum and mean, side by side
            block
        });
        let heads = std::array::from_fn(|head| {
            // A merge doubles the block's channels; the last block is not merged.
            let inputs = if head < 3 { self.width << (head + 1) } else { self.width << 3 };
            let name = if head < 3 { format!("head.merge{}", head + 1) } else { "head.final".to_owned() };
            build.dense(Initial::He, name, [inputs, build.classes])
        });
        Sen2Lcz { blocks, heads, dropout: self.dropout, fusion: self.fusion }
    }
}

/// The network, on any device.
#[derive(Clone)]
pub(crate) struct Sen2Lcz<E: Dtype, D: Backend<E>> {
    blocks: [Vec<Convolution<E, D>>; 4],
    /// After merge 1, 2, 3 and at the end.
    heads: [Dense<E, D>; 4],
    dropout: f64,
    fusion: Fusion,
}

impl<E: Dtype, D: Backend<E>> Sen2Lcz<E, D> {
    /// One block's convolutions.
    fn block(&self, block: usize, mut x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        for layer in &self.blocks[block] {
            x = layer.forward(x, pass);
        }
        x
    }

    /// Halves the maps after a block; dropout follows merges 2 and 3.
    fn merge(&self, block: usize, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Maps<E, D> {
        let x = pass.named("maximum and mean of 2 × 2", D::max_mean_pool(x));
        if block == 0 { x } else { dropout(x, self.dropout, pass) }
    }

    /// Logits of a head: (B, H, W, C) → (B, K).
    fn head(&self, head: usize, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let mean = pass.named("mean over the map", D::global_mean(x));
        self.heads[head].forward(mean, pass)
    }
}

impl<E: Dtype, D: Backend<E>> Module<E, D> for Sen2Lcz<E, D> {
    fn log_probabilities(&self, mut x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let mut heads = Vec::with_capacity(4);
        for block in 0..3 {
            x = self.block(block, x, pass); // (B, S, S, width), then halves of S and twice the width
            let (merged, for_head) = fork(self.merge(block, x, pass));
            heads.push(self.head(block, for_head, pass));
            x = merged;
        }
        let x = self.block(3, x, pass); // (B, S/8, S/8, 8 width)
        heads.push(self.head(3, x, pass));
        match self.fusion {
            Fusion::Softmaxes => pass.named("mean of the four heads' softmaxes", mean_of_softmaxes(heads)),
            Fusion::Logits => {
                pass.named("softmax of the mean of the four heads' logits", mean_of_logits(heads))
            }
        }
    }

    fn features(&self, mut x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        for block in 0..3 {
            let y = self.block(block, x, pass);
            x = self.merge(block, y, pass);
        }
        D::global_mean(self.block(3, x, pass))
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        for layer in self.blocks.iter_mut().flatten() {
            layer.visit(visitor);
        }
        for head in &mut self.heads {
            head.visit(visitor);
        }
    }
}

#[cfg(test)]
mod tests;
