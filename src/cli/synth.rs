//! `lcz synth`: a synthetic data set, to try everything without the real one.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::data::so2sat::So2Sat;
use lcz::data::synthetic::Synthetic;

use super::output;

/// Make a synthetic So2Sat: training.h5, validation.h5 and testing.h5.
///
/// Sentinel-1 and Sentinel-2 patches in the likeness of each zone, with labels, the votes of ten
/// experts, and cities. The files say that they are synthetic; results on them say nothing about
/// real cities.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz synth data/synthetic
  lcz synth data/small --patches 500 --seed 2")]
pub struct Synth {
    /// The folder of the three files; made if it is not there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Patches in all three files together, 74 kB each: 60 % training, 15 % validation, 25 % test.
    #[arg(long, value_name = "N", default_value_t = Synthetic::default().patches)]
    patches: usize,

    /// The same seed gives the same files.
    #[arg(long, default_value_t = Synthetic::default().seed)]
    seed: u64,
}

impl Synth {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        Synthetic { patches: self.patches, seed: self.seed }.write(&self.folder, progress)?;
        let (training, validation, test) = So2Sat::open(&self.folder)?.splits()?;
        output::line(format!(
            "{}: {} training, {} validation and {} test patches, {}",
            self.folder.display(),
            training.len(),
            validation.len(),
            test.len(),
            training.provenance()
        ))
    }
}
