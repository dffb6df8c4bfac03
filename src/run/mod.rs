//! One run: a configuration trains a network or a forest into a folder, and the trained model is evaluated,
//! calibrated, timed and applied.
//!
//! ```no_run
//! use lcz::models::Device;
//! use lcz::progress::Lines;
//! use lcz::run::{self, Config, Run};
//! use lcz::scorecard::ScorecardSettings;
//! # fn main() -> lcz::Result<()> {
//! let progress = &mut Lines::on_stderr();
//! let settings = ["data.path='data'", "training.epochs=20"].map(str::to_owned);
//! let config = Config::read(None, "sen2lcz", &settings)?;
//! run::train(&config, "runs/first", Device::Cpu, progress)?;
//! let run = Run::open("runs/first")?;
//! let settings = ScorecardSettings::default();
//! let evaluation = run::evaluate(&run, "data", settings, None, Device::Cpu, progress)?;
//! println!("{} patches of {}", evaluation.patches, evaluation.data);
//! # Ok(())
//! # }
//! ```

mod bench;
mod config;
mod ensemble;
mod evaluation;
mod features;
pub(crate) mod fingerprint;
mod folder;
mod forest;
mod members;
mod prediction;
pub(crate) mod provenance;
mod scaling;
mod scoring;
mod sets;
mod train;
mod votes;

pub use bench::{BenchMode, Measured, bench};
pub use config::{Config, DataSettings, LabelKind};
pub use ensemble::{resume_ensemble, train_ensemble};
pub use evaluation::{Evaluation, MembersSummary, ModelScores, Sampled, evaluate};
pub use features::{FeatureReport, features};
pub use folder::Run;
pub use forest::{BandImportance, ForestConfig, ForestModel, ForestOutcome, ForestTraining, train_forest};
pub use prediction::{Prediction, PredictionReport, predict};
pub use scaling::{Procedure, Scaling, temp_scale};
pub use scoring::{conventions, score};
pub use sets::{ExampleSet, Targets, TrainingSets};
pub use train::{Changes, Outcome, Resumed, resume, train, train_on};
pub use votes::sum_up_votes;

pub(crate) use evaluation::Assessment;
pub(crate) use folder::write_json;
pub(crate) use votes::{draw_votes, vote_figures};

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A labelled file, or the one of this name in a folder.
fn file_of(data: &Path, name: &str) -> Result<PathBuf> {
    if !data.is_dir() {
        return Ok(data.to_owned());
    }
    let file = data.join(name);
    if file.is_file() {
        return Ok(file);
    }
    Err(Error::file(data, format!("no {name} in this folder"), "add it, or give a labelled .h5 file"))
}
