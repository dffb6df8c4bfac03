//! What a notebook begins with: `use lcz::prelude::*;`.
//!
//! The types of the lessons under their own names, and the modules [`figures`], [`metrics`], [`models`],
//! [`calibration`] and [`uncertainty`] under theirs. `Result` is left out: it would hide the one
//! that Rust has.

pub use crate::bands::{Bands, Imagery};
pub use crate::calibration::{self, Bins, Reliability, TemperatureFit};
pub use crate::classes::{Classes, Zone};
pub use crate::data::{Masks, Patches, Signatures, So2Sat, Summary};
pub use crate::display::Table;
pub use crate::embedding::{Embedding, TSne};
pub use crate::figures::{self, Agreement, Caption, Cells, Composite, CountScale, Figure, PlanePanel};
pub use crate::labels::{EntropyHistogram, LabelDistributions, Labels, Opinion, Votes, VotingConfusion};
#[cfg(feature = "scene")]
pub use crate::mapping::MapReport;
pub use crate::metrics::{self, ClassSet, ConfusionMatrix, Scores};
pub use crate::models::baselines::{MajorityClass, PixelGaussian};
pub use crate::models::forest::{FeatureSet, ForestSettings, RandomForest};
pub use crate::models::mlp::MlpSettings;
pub use crate::models::resnet20::ResNet20Settings;
pub use crate::models::resnet50::ResNet50Settings;
pub use crate::models::sen2lcz::Sen2LczSettings;
pub use crate::models::unet::UnetSettings;
pub use crate::models::{self, Architecture, Calibrated, Classifier, Device, Ensemble, McDropout, Model};
pub use crate::nn::{Augmentation, ClassWeights, History, Keep, Labelled, Masked, Training};
pub use crate::predictions::{Features, Logits, Probabilities, Temperature};
pub use crate::progress::{Lines, Progress, Silent};
#[cfg(feature = "scene")]
pub use crate::scene::{BlockSplit, CloudFilter, CutScene, Fate, Part, Tiling};
pub use crate::synthetic::Synthetic;
pub use crate::uncertainty::{
    self, Centre, ClassCentres, Conformal, ConformalSettings, Members, Percent, RiskCoverage, SetScore,
    Subset, Uncertainty,
};
/// The arrays that pixels and numbers come in, so that a notebook need not name their version.
pub use ndarray;
