//! Experiments: a configuration trains a network into a run folder, and a run is evaluated.

mod config;
mod evaluation;
mod run;
mod train;

pub use config::{Config, DataSettings, LabelKind};
pub use evaluation::{Evaluation, ModelScores, evaluate};
pub use run::Run;
pub use train::{Outcome, train};
