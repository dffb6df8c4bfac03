//! `lcz eurosat`: convert EuroSAT's folders to files of patches.

use std::path::PathBuf;

use lcz::scene::Part;
use lcz::scene::eurosat::{EuroSat, ImageKind};
use serde_json::json;

use super::options::{Context, Output, Provenance, Split};
use super::output;

/// Convert EuroSAT's images to a data set
///
/// JPEGs give B4, B3 and B2 as bytes, GeoTIFFs 13 bands of reflectance. Neighbouring images touch each other on the ground, so
/// that a random split gives higher scores than a test in other places.
///
/// The provenance is `real: EuroSAT (Helber et al. 2019)`, or that of the GeoTIFFs if they are synthetic.
#[derive(Debug, clap::Args)]
#[command(
    name = "eurosat",
    mut_arg("out", |out| out.value_name("FOLDER").help("Folder of the data set, which must not exist")),
    after_help = "Examples:
  lcz eurosat EuroSAT_RGB.zip --out data/eurosat
  lcz eurosat EuroSAT_MS.zip --out data/eurosat \\
      --lists train.txt val.txt test.txt
  lcz train resnet50 --data data/eurosat --run runs/eurosat --augment \\
      --set training.crops=0.25"
)]
pub struct EuroSatFolder {
    /// Folder with one folder per class, or its parent, or EuroSAT_RGB.zip or EuroSAT_MS.zip
    folder: PathBuf,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    split: Split,

    /// Text files with the names of the images for training, validation and testing, one per line, instead of --split
    #[arg(long, num_args = 3, value_names = ["TRAINING", "VALIDATION", "TESTING"], conflicts_with_all = ["split", "seed"])]
    lists: Option<Vec<PathBuf>>,

    #[command(flatten)]
    provenance: Provenance,
}

impl EuroSatFolder {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let eurosat = EuroSat::open(&self.folder)?;
        let split = if let Some([training, validation, testing]) = self.lists.as_deref() {
            eurosat.given_split([training, validation, testing])?
        } else {
            let shares = self.split.split.parse()?;
            eurosat.random_split(shares, self.split.seed.get())?
        };
        let provenance = self.provenance.provenance.map_or_else(|| eurosat.provenance(), Ok)?;
        eurosat.write(&split, &self.out.out, &provenance, &mut cx.progress)?;
        if cx.json {
            let [training, validation, testing] = Part::ALL.map(|part| split.of(part).len());
            return output::json(
                &json!({ "training": training, "validation": validation, "testing": testing,
                "images": eurosat.len(), "provenance": provenance }),
            );
        }
        let kind = match eurosat.kind() {
            ImageKind::TrueColour => "true colour (B4, B3, B2)",
            ImageKind::AllBands => "13 bands",
        };
        let counts = Part::ALL.map(|part| format!("{} {part}", split.of(part).len()));
        output::line(format!(
            "{}: {} of {} images, {kind}",
            self.out.out.display(),
            counts.join(", "),
            eurosat.len()
        ))
    }
}
