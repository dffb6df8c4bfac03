//! Local Climate Zone classification of satellite images, with honest uncertainty.

pub mod bands;
pub mod checkpoint;
pub mod classes;
pub mod data;
pub mod error;
pub mod experiment;
pub mod figures;
mod files;
pub mod labels;
pub mod metrics;
pub mod models;
mod nn;
pub mod predictions;
pub mod progress;

pub use bands::{Bands, Imagery};
pub use classes::{Classes, Zone};
pub use error::{Error, Result};
use files::write_whole;
pub use labels::{LabelDistributions, Labels, Votes};
pub use nn::{
    EpochRecord, History, Labelled, Observer, Optimizer, ParameterCount, Schedule, Standardisation, Training,
    Weight, Weights,
};
pub use predictions::{Features, Logits, Probabilities, Temperature};
pub use progress::Progress;
