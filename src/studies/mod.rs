//! Studies: the same question asked of many runs, with a table, figures and a README that follow from what was
//! stored.

mod active;
mod bootstrap;
mod jobs;
mod landcover;
mod ldl;
mod sets;
mod summary;
mod uncertainty;
mod verification;

pub use active::{ActiveCurve, ActiveOutcome, ActiveStudy, active};
pub(crate) use landcover::load_segmenter;
pub use landcover::{
    CityCounts, CityScores, CoverScores, DateScores, LandCoverOutcome, LandCoverTraining, LandcoverOutcome,
    LandcoverStudy, reproduce_landcover, train_land_cover,
};
pub use ldl::{Difference, LdlOutcome, LdlStudy, redraw_ldl, reproduce_ldl};
pub use uncertainty::{
    Effect, Part, PlaneFit, Shard, Strategy, TestOutcome, UncertaintyOutcome, UncertaintyStudy,
    reproduce_uncertainty,
};
pub use verification::{Check, Verification, verify};

use std::fs;
use std::path::Path;

use crate::data::so2sat::So2Sat;
use crate::synthetic::Synthetic;
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
