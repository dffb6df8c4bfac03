//! U-Net: a class for each pixel. Maps are halved on the way down, doubled on the way up, and the maps of the
//! way down (the encoder) are concatenated with those on the way up (the decoder) at each size.
//!
//! Two of them. The plain one follows Ronneberger, Fischer & Brox (2015), *U-Net: Convolutional Networks for
//! Biomedical Image Segmentation*, MICCAI: on each level two 3 × 3 convolutions with ReLU and a maximum of 2 × 2,
//! twice the channels per further level, transposed convolutions of 2 × 2 on the way up; with batch norm, and
//! with `same` padding, so that the output is as large as the patch. The other one has the encoder EfficientNet-B0
//! ([`Encoder::EfficientnetB0`]).

mod decoder;
mod efficientnet;
mod plain;

use dfdx::prelude::*;
use serde::{Deserialize, Serialize};

use super::blueprint::Blueprint;
use crate::data::Sample;
use crate::nn::{
    Augmentation, Backend, Builder, Maps, Module, Pass, PixelHead, Rows, Schedule, Training, Visitor,
};
use crate::{Error, Result};
use decoder::Decoder;
use efficientnet::EfficientNet;
use plain::Plain;

/// The encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encoder {
    /// Two convolutions per level, as in the U-Net paper.
    Plain,
    /// EfficientNet-B0 (Tan & Le 2019, *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks*,
    /// ICML), with the decoder of the Keras package `segmentation_models`: each pixel four times, the maps of the
    /// same size concatenated, two 3 × 3 convolutions.
    #[default]
    EfficientnetB0,
}

/// The network's size. The default is `segmentation_models`' `Unet("efficientnetb0")`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetSettings {
    /// The encoder.
    pub encoder: Encoder,
    /// Width multiplier: the channels of every layer compared with the published network's, 1 for as many. (The plain encoder's first
    /// level has 64, the others are multiples of 8.)
    pub width: f64,
    /// How often the plain encoder halves the maps (published: 4). EfficientNet-B0 does it five times and has no
    /// such setting: leave it at 4.
    pub depth: usize,
}

/// Largest values of the settings; more is a typo.
const LARGEST: (f64, usize) = (4.0, 6);

impl Default for UnetSettings {
    fn default() -> Self {
        Self { encoder: Encoder::default(), width: 1.0, depth: 4 }
    }
}

impl UnetSettings {
    /// The plain U-Net.
    pub fn plain() -> Self {
        Self { encoder: Encoder::Plain, ..Self::default() }
    }

    /// How often the maps are halved.
    fn halvings(&self) -> usize {
        match self.encoder {
            Encoder::Plain => self.depth,
            Encoder::EfficientnetB0 => 5,
        }
    }
}

impl Blueprint for UnetSettings {
    const NAME: &'static str = "unet";
    const SAMPLE: Sample = Sample::Pixel;
    type Module<E: Dtype, D: Backend<E>> = Unet<E, D>;

    /// Fewer patches per step, since each has thousands of samples, and each rotated and mirrored.
    fn training(&self) -> Training {
        Training {
            epochs: 50,
            batch_size: 8,
            schedule: Schedule::Cosine { epochs: 50, floor: 0.0 },
            augmentation: Augmentation::FlipsAndTurns,
            ..Training::default()
        }
    }

    fn check(&self, patch_size: usize) -> Result<()> {
        if !(self.width > 0.0 && self.width <= LARGEST.0) {
            let advice = format!("choose a number above 0, up to {} (published: 1)", LARGEST.0);
            return Err(Error::input("unet: width", self.width.to_string(), advice));
        }
        let plain = self.encoder == Encoder::Plain;
        if plain && !(1..=LARGEST.1).contains(&self.depth) {
            let advice = format!("choose 1 to {} (published: 4)", LARGEST.1);
            return Err(Error::input("unet: depth", self.depth.to_string(), advice));
        }
        if !plain && self.depth != Self::default().depth {
            let problem = format!("{}, and EfficientNet-B0 halves the maps five times", self.depth);
            return Err(Error::input("unet: depth", problem, "leave it out, or take the plain encoder"));
        }
        let multiple = 1 << self.halvings();
        if patch_size == 0 || !patch_size.is_multiple_of(multiple) {
            let problem =
                format!("patches of {patch_size} pixels cannot be halved {} times", self.halvings());
            let advice = format!("cut patches whose size is a multiple of {multiple}");
            return Err(Error::input("unet", problem, advice));
        }
        Ok(())
    }

    fn module<E: Dtype, D: Backend<E>>(&self, build: &mut Builder<'_, E, D>) -> Unet<E, D> {
        let (down, up, kernel) = match self.encoder {
            Encoder::Plain => {
                let (down, up) = plain::new(build, self);
                (Down::Plain(down), up, plain::HEAD)
            }
            Encoder::EfficientnetB0 => {
                let (down, up) = efficientnet::new(build, self);
                (Down::EfficientNet(Box::new(down)), up, efficientnet::HEAD)
            }
        };
        let head = build.pixel_head("head", kernel, [up.outputs(), build.classes]);
        Unet { down, up, head }
    }
}

/// The network, on any device.
#[derive(Clone)]
pub(crate) struct Unet<E: Dtype, D: Backend<E>> {
    down: Down<E, D>,
    up: Decoder<E, D>,
    head: PixelHead<E, D>,
}

/// The encoder.
#[derive(Clone)]
enum Down<E: Dtype, D: Backend<E>> {
    Plain(Plain<E, D>),
    EfficientNet(Box<EfficientNet<E, D>>),
}

impl<E: Dtype, D: Backend<E>> Unet<E, D> {
    /// The smallest maps, and the larger maps of the encoder.
    fn encoded(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> (Maps<E, D>, Vec<Maps<E, D>>) {
        match &self.down {
            Down::Plain(down) => down.forward(x, pass),
            Down::EfficientNet(down) => down.forward(x, pass),
        }
    }
}

impl<E: Dtype, D: Backend<E>> Module<E, D> for Unet<E, D> {
    /// The smallest maps have most of the weights, which are packed once a part.
    const PART: usize = 16;
    const BATCH: usize = 64;

    fn log_probabilities(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        let (x, seen) = self.encoded(x, pass);
        let x = self.up.forward(x, seen, pass); // (B, S, S, C)
        self.head.log_probabilities(x, pass) // (B S S, K)
    }

    /// The mean of the encoder's smallest maps.
    fn features(&self, x: Maps<E, D>, pass: &mut Pass<E, D>) -> Rows<E, D> {
        D::global_mean(self.encoded(x, pass).0)
    }

    fn visit<V: Visitor<E, D>>(&mut self, visitor: &mut V) {
        match &mut self.down {
            Down::Plain(down) => down.visit(visitor),
            Down::EfficientNet(down) => down.visit(visitor),
        }
        self.up.visit(visitor);
        self.head.visit(visitor);
    }
}

#[cfg(test)]
mod tests;
