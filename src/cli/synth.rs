//! `lcz synth`: a synthetic data set or scene, to try everything without the real one.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use lcz::Progress;
use lcz::data::so2sat::So2Sat;
use lcz::synthetic::{Synthetic, SyntheticScene};

use super::output;

/// Make a synthetic So2Sat (training.h5, validation.h5, testing.h5), or a scene of a whole city.
///
/// The data set: Sentinel-1 and Sentinel-2 patches in the likeness of each zone, with labels, the votes of
/// ten experts, and cities: 42 to train on, and ten others whose western halves are for validation and
/// eastern ones for testing. The scene (--scene): Sentinel-2 bands as GeoTIFFs, the zones as a raster
/// and as polygons with a land cover, clouds and their shadows with the scene classes. The files say that
/// they are synthetic; results on them say nothing about real cities.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz synth data/synthetic
  lcz synth data/small --patches 500 --seed 2
  lcz synth data/city --scene 600x600 --clouds 10")]
pub struct Synth {
    /// The folder of the files; made if it is not there. For a scene it must not be there.
    #[arg(value_name = "DIR")]
    folder: PathBuf,

    /// Patches in all three files together, 74 kB each: 60 % training, 15 % validation, 25 % test.
    #[arg(long, value_name = "N", default_value_t = Synthetic::default().patches)]
    patches: usize,

    /// The same seed gives the same files.
    #[arg(long, default_value_t = Synthetic::default().seed)]
    seed: u64,

    /// A scene of so many lines and columns of 10 m instead of patches; even numbers.
    #[arg(long, value_name = "ROWSxCOLUMNS", conflicts_with = "patches")]
    scene: Option<Size>,

    /// Per cent of the scene's sky that is clouded, 0 to 90.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, requires = "scene", value_parser = clap::value_parser!(u8).range(0..=90))]
    clouds: u8,
}

/// Lines and columns.
#[derive(Debug, Clone, Copy)]
struct Size {
    rows: usize,
    columns: usize,
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = text.split_once(['x', 'X', '×']);
        let numbers = numbers.and_then(|(rows, columns)| Some((rows.parse().ok()?, columns.parse().ok()?)));
        let (rows, columns) = numbers.ok_or("write lines and columns like 600x600")?;
        Ok(Self { rows, columns })
    }
}

impl Synth {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        if let Some(Size { rows, columns }) = self.scene {
            let scene =
                SyntheticScene { rows, columns, seed: self.seed, clouds: f32::from(self.clouds) / 100.0 };
            scene.write(&self.folder, progress)?;
            return output::line(format!(
                "{}: {rows} x {columns} pixels of 10 m, {}",
                self.folder.display(),
                scene.provenance()
            ));
        }
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
