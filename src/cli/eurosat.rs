//! `lcz eurosat`: EuroSAT's folders as files of patches.

use std::path::PathBuf;

use lcz::Progress;
use lcz::scene::Part;
use lcz::scene::eurosat::{EuroSat, ImageKind};

use super::output;

/// Turn EuroSAT's folders of images (JPEGs, or GeoTIFFs of 13 bands) into training.h5, validation.h5 and testing.h5.
///
/// JPEGs give B4, B3 and B2 as bytes, GeoTIFFs 13 bands of reflectance. Neighbouring images touch each other on the ground: a
/// test on a random split is easier than one on another place.
#[derive(Debug, clap::Args)]
#[command(
    name = "eurosat",
    after_help = "Examples:
  lcz eurosat EuroSAT/2750 --out data/eurosat
  lcz eurosat EuroSATallBands --out data/eurosat --lists train.txt val.txt test.txt
  lcz train resnet50 --data data/eurosat --run runs/eurosat --augment --set training.crops=0.25"
)]
pub struct EuroSatFolder {
    /// The folder with a folder a class, or one above it.
    folder: PathBuf,

    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Training/validation/testing in percent of each class.
    #[arg(long, default_value = "60/20/20")]
    split: String,

    /// Draws the split.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Text files with the names of the images for training, validation and testing, one a line, in place of --split.
    #[arg(long, num_args = 3, value_names = ["TRAINING", "VALIDATION", "TESTING"], conflicts_with_all = ["split", "seed"])]
    lists: Option<Vec<PathBuf>>,

    /// What figures and files say of where the images are from [default: what GeoTIFFs say that are synthetic, else
    /// real: EuroSAT (Helber et al. 2019)].
    #[arg(long, value_name = "TEXT")]
    provenance: Option<String>,
}

impl EuroSatFolder {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let eurosat = EuroSat::open(&self.folder)?;
        let split = match self.lists.as_deref() {
            Some([training, validation, testing]) => eurosat.given_split([training, validation, testing])?,
            _ => eurosat.random_split(self.split.parse()?, self.seed)?,
        };
        let provenance = self.provenance.map_or_else(|| eurosat.provenance(), Ok)?;
        eurosat.write(&split, &self.out, &provenance, progress)?;
        let kind = match eurosat.kind() {
            ImageKind::TrueColour => "true colour (B4, B3, B2)",
            ImageKind::AllBands => "13 bands",
        };
        let counts = Part::ALL.map(|part| format!("{} {part}", split.of(part).len()));
        output::line(format!(
            "{}: {} of {} images, {kind}",
            self.out.display(),
            counts.join(", "),
            eurosat.len()
        ))
    }
}
