//! `lcz import`: make a run of weights trained with Keras.

use std::path::PathBuf;

use clap::Args;
use lcz::checkpoint;
use lcz::models::sen2lcz::Fusion;
use lcz::run::Run;
use serde_json::json;

use super::{Context, output};

/// Import weights trained with Keras
///
/// Makes a run of a Keras weight file of Sen2LCZ (any depth and width), of the So2Sat project's own ResNet-20 (Sentinel-2 or
/// Sentinel-1), or of ResNet-50 (that of keras.applications or the course's), of any number of bands and classes.
#[derive(Debug, Args)]
#[command(
    alias = "import-keras",
    after_help = "The network takes So2Sat's reflectances as they are, without standardisation;
the So2Sat project's for Sentinel-1 takes seven radar bands, each minus its
mean over the scene, divided by its standard deviation: lcz map does that.
Write the file with model.save('name.h5') or, before Keras 3, with
model.save_weights('name.h5').

Examples:
  lcz import sen2lcz.hdf5 --run runs/imported
  lcz import S2_RESNET20_BS16_LR2e-4.h5 --run runs/so2sat
  lcz import resnet50.h5 --run runs/resnet50
  lcz import model_softmax.hdf5 --run runs/logits --fusion logits"
)]
pub struct Import {
    /// HDF5 file of weights that Keras has written
    file: PathBuf,

    /// Run folder
    #[arg(long)]
    run: PathBuf,

    /// Mean of the four heads of a Sen2LCZ: of softmaxes (as published) or logits
    #[arg(long, default_value = "softmaxes", value_parser = ["softmaxes", "logits"])]
    fusion: String,
}

impl Import {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        Run::check_free(&self.run)?;
        let fusion = if self.fusion == "logits" { Fusion::Logits } else { Fusion::Softmaxes };
        let network = checkpoint::import_keras(&self.file, fusion, cx.device)?;
        Run::create(&self.run, |run| run.keep(&*network))?;
        if cx.json {
            return output::json(&json!({ "model": network.name(), "parameters": network.parameters().total,
                "bands": network.imagery().bands.len(), "classes": network.classes().codes() }));
        }
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
