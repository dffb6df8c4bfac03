//! `lcz rasterise`: polygons onto the grid of a raster.

use std::path::PathBuf;

use lcz::Progress;
use lcz::scene::Scene;

use super::labels::LabelOptions;
use super::output;

/// Burn the classes of polygons into a raster on the grid of another one: 0 = background, 1, 2, ... the classes.
///
/// A pixel has the class of the polygon that its centre lies in, or with --all-touched that touches it; of the later one in the
/// file where several do.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lcz rasterise --labels polygons.shp --label-field VALUE --like B2.tif --out lcz.tif
  lcz rasterise --labels atlas.gpkg --label-field code_2018 --codes urban-atlas-groups --reproject --like B2.tif --out cover.tif")]
pub struct Rasterise {
    #[command(flatten)]
    labels: LabelOptions,

    /// The GeoTIFF whose grid is taken.
    #[arg(long, value_name = "FILE.tif")]
    like: PathBuf,

    /// The GeoTIFF to write.
    #[arg(long, value_name = "FILE.tif")]
    out: PathBuf,
}

impl Rasterise {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let labels = self.labels.open(&[Scene::open([&self.like])?], progress)?;
        labels.write(&self.out)?;
        let (pixels, classes) = (labels.sites().len(), labels.classes());
        output::line(format!("{}: {pixels} pixels with a class", self.out.display()))?;
        for k in 0..classes.len() {
            let count = labels.sites().iter().filter(|site| site.class == k).count();
            if count > 0 {
                output::line(format!("{:>4} {}: {count}", k + 1, classes.name(k)))?;
            }
        }
        Ok(())
    }
}
