//! Experiments: a configuration trains a network or a forest into a run folder, and a run is evaluated.

mod active;
mod bench;
mod bootstrap;
mod config;
mod ensemble;
mod evaluation;
mod features;
mod fingerprint;
mod forest;
mod jobs;
mod landcover;
mod ldl;
mod map;
mod provenance;
mod run;
mod scaling;
mod scoring;
mod sets;
mod summary;
mod train;
mod uncertainty;
mod verification;
mod votes;

pub use active::{ActiveCurve, ActiveOutcome, ActiveStudy, active};
pub use bench::{BenchMode, Measured, bench};
pub use config::{Config, DataSettings, LabelKind};
pub use ensemble::{resume_ensemble, train_ensemble};
pub use evaluation::{DIAGRAM_BINS, Evaluation, MembersSummary, ModelScores, Sampled, evaluate};
pub use features::{FeatureReport, features};
pub use forest::{BandImportance, ForestConfig, ForestModel, ForestOutcome, ForestTraining, train_forest};
pub use landcover::{
    CityCounts, CityScores, CoverClass, CoverMapReport, CoverMapping, CoverScores, DateScores,
    LandCoverOutcome, LandCoverTraining, LandcoverOutcome, LandcoverStudy, Seams, land_cover_figure,
    map_land_cover, reproduce_landcover, train_land_cover,
};
pub use ldl::{Difference, LdlOutcome, LdlStudy, redraw_ldl, reproduce_ldl};
pub use map::{ClassArea, MapClass, MapReport, MapScores, Mapping, map};
pub use run::Run;
pub use scaling::{Procedure, temp_scale};
pub use scoring::score;
pub use train::{Changes, Outcome, Resumed, resume, train};
pub use uncertainty::{
    Effect, Part, PlaneFit, Shard, Strategy, TestOutcome, UncertaintyOutcome, UncertaintyStudy,
    reproduce_uncertainty,
};
pub use verification::{Check, Verification, verify};
pub use votes::sum_up_votes;

use std::fs;
use std::path::{Path, PathBuf};

use crate::data::so2sat::So2Sat;
use crate::data::synthetic::Synthetic;
use crate::{Error, Progress, Result};

/// The synthetic set of a study that is given no data, in a folder of the study's own, where it is missing: what
/// a killed process has left of one is no set. Refuses a set of another size.
fn synthetic_set(folder: &Path, patches: usize, progress: &mut dyn Progress) -> Result<()> {
    let files = ["training.h5", "validation.h5", "testing.h5"].map(|file| folder.join(file));
    if files.iter().all(|file| file.is_file()) {
        let (training, validation, testing) = So2Sat::open(folder)?.splits()?;
        let there = training.len() + validation.len() + testing.len();
        if there == patches {
            return Ok(());
        }
        let problem = format!("a synthetic set of {there} patches, not {patches}");
        return Err(Error::file(folder, problem, "give another --out, or --patches as before"));
    }
    for file in files.iter().filter(|file| file.is_file()) {
        fs::remove_file(file).map_err(Error::io(file))?;
    }
    Synthetic { patches, ..Synthetic::default() }.write(folder, progress)
}

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
