//! Studies: one question, many runs, and a table, figures and a README computed from what the runs
//! have stored.
//!
//! ```no_run
//! use lcz::models::Device;
//! use lcz::studies::{self, ActiveStudy, StudyContext, StudyPart};
//! # fn main() -> lcz::Result<()> {
//! let progress = &mut lcz::progress::Lines::on_stderr();
//! let out = std::path::Path::new("studies/active");
//! let context = StudyContext { data: None, out, device: Device::Cpu }; // on synthetic data
//! let study = ActiveStudy::quick(&["training.epochs=4".to_owned()])?;
//! studies::reproduce(&study, StudyPart::All, 1, context, progress)?;
//!
//! // Later: tables, figures and README again, from what the runs have stored; a figure's numbers computed again.
//! let outcome = studies::collect::<ActiveStudy>(context, progress)?;
//! println!("{} test patches, {} strategies", outcome.test_patches, outcome.curves.len());
//! let verification = studies::verify(out.join("learning-curves.svg"), None, None, Device::Cpu, progress)?;
//! assert!(verification.agrees());
//! # Ok(())
//! # }
//! ```

mod active;
mod differences;
mod jobs;
mod landcover;
mod ldl;
mod report;
mod sets;
mod study;
mod uncertainty;
mod verification;

pub use crate::shard::Shard;
pub use active::{ActiveCurve, ActiveOutcome, ActiveStudy};
pub use differences::Difference;
pub use jobs::Steps;
pub use landcover::{CityCounts, CityScores, CoverScores, DateScores, LandcoverOutcome, LandcoverStudy};
pub use ldl::{LabelEffect, LdlOutcome, LdlStudy};
pub use study::{Inputs, Study, StudyContext, StudyFolder, StudyPart, TaskAt, collect, reproduce};
pub use uncertainty::{Effect, PlaneFit, Strategy, TestOutcome, UncertaintyOutcome, UncertaintyStudy};
pub use verification::{Check, Verification, verify};

use crate::Result;
use crate::run::Config;

/// Settings of a small network that trains in seconds.
const SMALL: [&str; 3] = ["model.width=8", "training.epochs=8", "training.batch_size=32"];

/// The configuration of the published Sen2LCZ, with a study's defaults and the given settings over them.
fn config(defaults: &[&str], settings: &[String]) -> Result<Config> {
    let defaults = defaults.iter().map(|setting| (*setting).to_owned());
    Config::read(None, "sen2lcz", &defaults.chain(settings.iter().cloned()).collect::<Vec<_>>())
}
