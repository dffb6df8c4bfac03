//! One run: a configuration trains a network or a forest into a folder, and the trained model is evaluated,
//! calibrated, timed and applied.
//!
//! ```
//! use lcz::models::Device;
//! use lcz::progress::Silent;
//! use lcz::run::{self, Changes, Config, Prediction, Procedure, Run};
//! use lcz::{scorecard::ScorecardSettings, synthetic::Synthetic};
//! # fn main() -> lcz::Result<()> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let (data, device, progress) = (folder.join("data"), Device::Cpu, &mut Silent);
//! Synthetic { patches: 100, seed: 1 }.write(&data, progress)?; // 60 to train, 15 to validate, 25 to test
//!
//! let settings = [format!("data.path='{}'", data.display()), "training.epochs=1".to_owned()];
//! let config = Config::read(None, "mlp", &settings)?;
//! run::train(&config, folder.join("first"), device, progress)?;
//! let changes = Changes { epochs: Some(2), ..Changes::default() };
//! assert_eq!(run::resume(folder.join("first"), &changes, device, progress)?.epochs, 2);
//!
//! let run = Run::open(folder.join("first"))?;
//! let force = true; // a temperature at a bound of its search, as two epochs may give
//! run::temp_scale(&run, &data, None, Procedure::Exact, force, device, progress)?;
//! let settings = ScorecardSettings { rounds: 100, panels: 10, ..ScorecardSettings::default() };
//! let evaluation = run::evaluate(&run, &data, settings, None, device, progress)?;
//! assert_eq!(evaluation.network.scores.samples, 25);
//!
//! let (test, out) = (data.join("testing.h5"), folder.join("predictions.h5"));
//! let report = run::predict(&run, &test, out, Prediction::default(), progress)?;
//! assert!(report.temperature.is_some());
//! assert_eq!(run::features(&run, &test, folder.join("features.h5"), device, progress)?.patches, 25);
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
