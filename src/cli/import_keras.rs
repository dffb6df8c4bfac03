//! `lcz import-keras`: weights that Keras has trained, as a run.

use std::path::PathBuf;

use clap::Args;
use lcz::checkpoint;
use lcz::experiment::Run;
use lcz::models::Device;
use lcz::models::sen2lcz::Fusion;

use super::output;

/// Make a run of a Keras weight file of Sen2LCZ: 17 classes or the 10 built ones, any depth and width.
#[derive(Debug, Args)]
#[command(after_help = "The network takes So2Sat's reflectances as they are, without standardisation.

Examples:
  lcz import-keras sen2lcz.hdf5 --run runs/imported
  lcz import-keras model_softmax.hdf5 --run runs/logits --fusion logits")]
pub struct ImportKeras {
    /// The weights: Keras's `save_weights` or `save`, HDF5.
    file: PathBuf,

    /// The folder to make for the run.
    #[arg(long)]
    run: PathBuf,

    /// How the four heads are averaged: softmaxes (as published) or logits.
    #[arg(long, default_value = "softmaxes", value_parser = ["softmaxes", "logits"])]
    fusion: String,
}

impl ImportKeras {
    pub fn run(self) -> anyhow::Result<()> {
        Run::check_free(&self.run)?;
        let fusion = if self.fusion == "logits" { Fusion::Logits } else { Fusion::Softmaxes };
        let network = checkpoint::import_keras(&self.file, fusion, Device::Cpu)?;
        Run::create(&self.run, |run| run.keep(&*network))?;
        output::line(format!(
            "{}: {} parameters, {} bands, classes {}",
            self.run.display(),
            network.parameters().total,
            network.imagery().bands.len(),
            network.classes()
        ))
    }
}
