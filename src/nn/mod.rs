//! Networks on dfdx: devices, operations, layers, optimisers, training. dfdx is used here and in
//! `models/` only.

mod augmentation;
mod fill;
pub(crate) mod inference;
mod initial;
mod kernels;
mod layers;
mod module;
mod ops;
mod optimizer;
mod out_of_memory;
mod standardisation;
mod tape;
pub(crate) mod training;
pub(crate) mod weights;

pub use augmentation::Augmentation;
pub(crate) use initial::{Builder, Initial};
pub use kernels::memory::keep_memory;
pub(crate) use layers::{Convolution, Dense, Layer, Pass, PixelHead, Visitor, dropout};
pub(crate) use module::{Module, layers_of, mean_of_logits, mean_of_softmaxes};
pub use ops::Shared;
pub(crate) use ops::{Backend, Kind, Maps, Padding, Rows, Window, swish};
pub use optimizer::{Optimizer, Schedule};
pub use standardisation::Standardisation;
pub(crate) use tape::fork;
pub(crate) use training::Position;
pub use training::{
    ClassWeights, EpochRecord, Examples, Fit, History, IntoExamples, Keep, Labelled, Masked, Observer,
    Training, TrainingState,
};
pub use weights::{ParameterCount, Weight, Weights};
#[cfg(test)]
pub(crate) use {module::cross_entropy, tape::AnyTape, tape::backward};
