//! `lcz synth`: a synthetic data set or scene.

use std::path::PathBuf;

use clap::Args;
use lcz::data::so2sat::So2Sat;
use lcz::synthetic::{Synthetic, SyntheticScene};
use serde_json::json;

use super::options::{Context, Seed, SyntheticPatches};
use super::output;

/// Make a synthetic data set or scene
///
/// The data set (training.h5, validation.h5, testing.h5): simulated Sentinel-1 and Sentinel-2 patches of each
/// zone, with labels, the votes of ten experts, and cities: 42 to train on, and ten others whose western halves are for
/// validation and eastern ones for testing; 60 % of the patches, 74 kB each, are for training, 15 % for validation, 25 %
/// for testing.
///
/// The scene (--scene-size): Sentinel-2 bands as GeoTIFFs, the zones as a raster and as polygons with a land cover,
/// clouds and their shadows with the scene classes.
///
/// Equal seeds give equal files. The files are marked as synthetic; results on them do not hold for real cities.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz synth data/synthetic
  lcz synth data/small --patches 500 --seed 2
  lcz synth data/city --scene-size 600x600 --clouds 10")]
pub struct Synth {
    /// Folder of the files; for a scene it must not exist
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    #[command(flatten)]
    patches: SyntheticPatches,

    #[command(flatten)]
    seed: Seed,

    /// Rows and columns of a scene of 10 m pixels, made instead of patches; even numbers
    #[arg(long, alias = "scene", value_name = "ROWSxCOLUMNS", value_parser = size, conflicts_with = "patches")]
    scene_size: Option<(usize, usize)>,

    /// Cloud cover of the scene in percent, 0 to 90
    #[arg(long, value_name = "PERCENT", default_value_t = 10, requires = "scene_size", value_parser = clap::value_parser!(u8).range(0..=90))]
    clouds: u8,
}

/// Rows and columns, such as 600x600.
fn size(text: &str) -> Result<(usize, usize), &'static str> {
    let numbers = text.split_once(['x', 'X', '×']);
    let numbers = numbers.and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
    numbers.ok_or("write ROWSxCOLUMNS, such as 600x600")
}

impl Synth {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let seed = self.seed.get();
        if let Some((rows, columns)) = self.scene_size {
            let scene = SyntheticScene { rows, columns, seed, clouds: f32::from(self.clouds) / 100.0 };
            scene.write(&self.folder, &mut cx.progress)?;
            if cx.json {
                let provenance = scene.provenance();
                return output::json(&json!({ "rows": rows, "columns": columns, "provenance": provenance }));
            }
            return output::line(format!(
                "{}: {rows} x {columns} pixels of 10 m, {}",
                self.folder.display(),
                scene.provenance()
            ));
        }
        let patches = self.patches.patches.unwrap_or(Synthetic::default().patches);
        Synthetic { patches, seed }.write(&self.folder, &mut cx.progress)?;
        let (training, validation, test) = So2Sat::open(&self.folder)?.splits()?;
        if cx.json {
            return output::json(&json!({ "training": training.len(), "validation": validation.len(),
                "testing": test.len(), "provenance": training.provenance() }));
        }
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
