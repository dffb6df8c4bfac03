//! Local Climate Zone classification of satellite images, with honest uncertainty.
//!
//! A Local Climate Zone (LCZ) is one of seventeen kinds of surface, built and natural, that describe a city's
//! climate ([`Zone`]). This crate trains small networks to classify satellite patches in the So2Sat LCZ42 format,
//! trains on the votes of several experts where available, and compares every result with simple baselines.
//!
//! Data flow: [`data::Patches`] → [`Labels`], [`Votes`], [`LabelDistributions`] →
//! [`models::Model`] → [`Logits`], [`Probabilities`] → [`metrics`] → [`figures`].
//!
//! | Task | Item |
//! |---|---|
//! | patches from arrays; from So2Sat files | [`data::Patches::in_memory`]; [`data::So2Sat::open`] |
//! | patches from GeoTIFFs and reference labels; from a scene in memory | [`scene`]; [`data::Patches::around_labels`] |
//! | votes, label distributions, their entropy | [`Votes`], [`LabelDistributions`] |
//! | train, predict, store a network | [`models::Architecture::build_for`], [`models::Model`], [`checkpoint`] |
//! | a random forest; baselines | [`models::forest`]; [`models::baselines`] |
//! | a classifier of your own | implement [`models::Classifier`] |
//! | accuracy, kappa, losses; with intervals | [`models::Classifier::evaluate`], [`metrics`]; [`scorecard::Scorecard`] |
//! | score a file of predictions | [`data::predictions::read`], [`run::score`] |
//! | temperature scaling, reliability | [`models::Calibrated`], stored by [`models::Calibrated::save`]; [`calibration`] |
//! | figures as SVG, PNG and CSV; own colours of classes | [`figures`]; [`Classes::with_colours`] |
//! | ensembles, dropout, prediction sets, uncertainty | [`models::Ensemble`], [`uncertainty`] |
//! | map a scene | [`mapping::map_with`] |
//! | everything from one configuration, as the command `lcz` does it | [`run`] |
//!
//! Rust 1.95 or newer. libhdf5 is needed (`apt install libhdf5-dev`, `brew install hdf5`), or the feature `hdf5-static`
//! builds it. Complete programs are in `examples/`.
//!
//! ```toml
//! [dependencies]
//! lcz = { path = "lcz", default-features = false, features = ["scene"] }
//!
//! [profile.dev.package."*"] # or build with --release; networks that are not optimised are slow
//! opt-level = 3
//! ```
//!
//! | Feature | Adds |
//! |---|---|
//! | `cli` (default, with `scene`) | the command `lcz` |
//! | `scene` | [`scene`], [`mapping`], studies: GeoTIFF, polygons, maps; builds SQLite |
//! | `hdf5-static` | libhdf5, built from source (needs cmake 3.26 or newer) |
//! | `cuda` | networks on an NVIDIA GPU (needs nvcc) |
//!
//! Errors are [`Error`]: [`Error::io`] ties one of `std::io` to its file, [`Error::other`] carries any other. Warnings, such as rows
//! of probabilities that are rescaled, are events of the crate `tracing`; those of an evaluation are in
//! [`Scorecard::warnings`](scorecard::Scorecard::warnings) too. The crate `tracing-subscriber` prints them:
//!
//! ```no_run
//! tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
//! ```
//!
//! ```
//! use lcz::ndarray::Array4;
//! use lcz::prelude::*;
//!
//! fn main() -> lcz::Result<()> {
//!     // 32 patches of 8 × 8 pixels in two bands: water is dark, sand is bright.
//!     let classes = Classes::named(["water", "sand"])?;
//!     let imagery = Imagery::new(8, ["red", "green"])?.metres(10.0).unit("reflectance");
//!     let images = Array4::from_shape_fn((32, 8, 8, 2), |(n, r, c, _)| (n % 2) as f32 + 0.01 * (r * c) as f32);
//!     let labels = Labels::new(classes.clone(), (0..32).map(|n| n % 2).collect())?;
//!     let patches = Patches::in_memory(imagery, classes, images)?.with_labels(&labels)?;
//!
//!     let mut network = Architecture::sen2lcz().build_for(&patches, 0)?;
//!     let training = Training { epochs: 3, batch_size: 8, ..Training::default() };
//!     network.fit(&patches, None, &training, &mut Silent)?;
//!
//!     let scores = network.evaluate(&patches)?; // on the training patches: too good
//!     assert!(scores.overall_accuracy > 0.9, "{scores}");
//!     Ok(())
//! }
//! ```

// What only scenes, maps and studies use.
#![cfg_attr(not(feature = "scene"), allow(dead_code, unused_imports))]

pub mod bands;
pub mod calibration;
pub mod checkpoint;
pub mod classes;
pub mod data;
pub mod display;
pub mod embedding;
pub mod error;
pub mod figures;
mod files;
mod hash;
pub mod labels;
#[cfg(feature = "scene")]
pub mod mapping;
pub mod metrics;
pub mod models;
mod nn;
pub mod palette;
pub mod predictions;
pub mod prelude;
pub mod progress;
mod provenance;
pub mod run;
#[cfg(feature = "scene")]
pub mod scene;
pub mod scorecard;
mod sensor;
mod shard;
mod simd;
#[cfg(feature = "scene")]
pub mod studies;
pub mod synthetic;
pub mod uncertainty;

pub use bands::{Bands, Imagery};
pub use classes::{Classes, Zone};
pub use error::{Error, Result};
use files::write_whole;
pub use labels::{LabelDistributions, Labels, Votes};
/// The arrays of every signature, under the version that this crate uses.
pub use ndarray;
pub use nn::{
    Augmentation, ClassWeights, EpochRecord, Examples, Fit, History, IntoExamples, Keep, Labelled, Masked,
    Observer, Optimizer, ParameterCount, Schedule, Standardisation, Training, TrainingState, Weight, Weights,
};
pub use palette::Palette;
pub use predictions::{FeatureRows, Features, Logits, Probabilities, Temperature};
pub use progress::Progress;
pub use sensor::Sensor;
