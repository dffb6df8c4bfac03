//! Studies: one question, many runs, and a table, figures and a README computed from what the runs
//! have stored.

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
pub use study::{Inputs, Study, StudyContext, StudyFolder, StudyPart, collect, reproduce};
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
