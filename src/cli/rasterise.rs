//! `lcz rasterise`: polygons onto the grid of a raster.

use std::path::PathBuf;

use lcz::scene::Scene;
use serde_json::json;

use super::options::{Context, GriddedLabels, Output, Provenance};
use super::output;

/// Rasterise polygons on the grid of a GeoTIFF
///
/// 0 = background, 1, 2, ... the classes. A pixel has the class of the polygon that contains its centre, or with
/// --all-touched that touches it; of the later one in the file where several do.
#[derive(Debug, clap::Args)]
#[command(
    alias = "rasterize",
    mut_arg("labels", |labels| labels.required(true)),
    mut_arg("group_field", |field| field.hide(true)),
    mut_arg("out", |out| out.value_name("OUT.tif").help("GeoTIFF of the classes, which must not exist")),
    after_help = "Examples:
  lcz rasterise --labels polygons.shp --label-field VALUE --like B2.tif \\
      --out lcz.tif
  lcz rasterise --labels atlas.gpkg --label-field code_2018 \\
      --codes urban-atlas-groups --reproject --like B2.tif --out cover.tif
  lcz rasterise --labels training_areas.kml --reproject --like B2.tif \\
      --out lcz.tif"
)]
pub struct Rasterise {
    #[command(flatten)]
    labels: GriddedLabels,

    /// GeoTIFF whose grid is used
    #[arg(long, value_name = "FILE.tif")]
    like: PathBuf,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    provenance: Provenance,
}

impl Rasterise {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let labels = self.labels.open(&[Scene::open([&self.like])?], &mut cx.progress)?;
        let labels = labels.with_provenance(self.provenance.provenance.as_deref());
        labels.write(&self.out.out)?;
        let (pixels, classes) = (labels.sites().len(), labels.classes());
        let count = |k| labels.sites().iter().filter(|site| site.class == k).count();
        if cx.json {
            let counts: Vec<usize> = (0..classes.len()).map(count).collect();
            return output::json(&json!({ "pixels": pixels, "classes": classes.codes(), "counts": counts,
                "polygons": labels.report().polygons }));
        }
        if let Some(polygons) = &labels.report().polygons {
            output::line(polygons.to_string())?;
        }
        output::line(format!("{}: {pixels} pixels with a class", self.out.out.display()))?;
        for k in 0..classes.len() {
            if count(k) > 0 {
                output::line(format!("{:>4} {}: {}", k + 1, classes.name(k), count(k)))?;
            }
        }
        Ok(())
    }
}
