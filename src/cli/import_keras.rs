//! `lcz import-keras`: weights that Keras has trained, as a run.

use std::path::PathBuf;

use clap::Args;
use lcz::checkpoint;
use lcz::models::Device;
use lcz::models::sen2lcz::Fusion;
use lcz::run::Run;

use super::output;

/// Make a run of a Keras weight file of Sen2LCZ (any depth and width) or of ResNet-50 (that of
/// keras.applications or the course's), of any number of bands and classes.
#[derive(Debug, Args)]
#[command(
    after_help = "The network takes So2Sat's reflectances as they are, without standardisation. Write the file with
model.save('name.h5') or, before Keras 3, with model.save_weights('name.h5').

Examples:
  lcz import-keras sen2lcz.hdf5 --run runs/imported
  lcz import-keras resnet50.h5 --run runs/resnet50
  lcz import-keras model_softmax.hdf5 --run runs/logits --fusion logits"
)]
pub struct ImportKeras {
    /// The weights: HDF5 that Keras has written.
    file: PathBuf,

    /// The folder to make for the run.
    #[arg(long)]
    run: PathBuf,

    /// How the four heads of a Sen2LCZ are averaged: softmaxes (as published) or logits.
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
            "{}: {}, {} parameters, {} bands, classes {}",
            self.run.display(),
            network.name(),
            network.parameters().total,
            network.imagery().bands.len(),
            network.classes()
        ))
    }
}
