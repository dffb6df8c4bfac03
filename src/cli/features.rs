//! `lcz features`: a network's features of every patch of a file.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::models::Device;
use lcz::run;
use lcz::run::Run;

use super::output;

/// Write a network's features of every patch, with labels, votes and groups where the file has them.
#[derive(Debug, Args)]
#[command(
    after_help = "The output holds `features` [N, D]: the penultimate layer, or of a unet the mean of the encoder's
smallest maps. Patches and features are read and written some at a time, so that neither needs to fit into memory; the
file appears when it is whole.

Examples:
  lcz features runs/first --data data/training.h5 --out features.h5"
)]
pub struct Features {
    /// The run's folder.
    run: PathBuf,

    /// An HDF5 file of patches; it needs no labels.
    #[arg(long)]
    data: PathBuf,

    /// The HDF5 file to write.
    #[arg(long)]
    out: PathBuf,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Features {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let report = run::features(&run, &self.data, &self.out, self.device, progress)?;
        if self.json {
            return output::json(&report);
        }
        output::line(format!(
            "{}: {} features of each of {} patches ({})",
            self.out.display(),
            report.width,
            report.patches,
            report.provenance
        ))
    }
}
