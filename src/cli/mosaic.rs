//! `lcz mosaic`: shards of a map as one map.

use std::path::PathBuf;

use lcz::mapping::{self, Mosaicking};

use super::map::print_classes;
use super::options::{Context, Output, PaletteOption, Sigma};
use super::output;

/// Merge maps that lie side by side
///
/// Of the shards of `lcz map --shard`, which together are the map that is made in one, pixel for pixel; or of maps of neighbouring
/// areas on one grid. The filter is recomputed, so that pixels at the seams have their neighbours. The files are those of `lcz map`; the
/// figure shows the map alone, without the scene.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lcz mosaic city-shard-*-of-4.tif --out city.tif
  lcz mosaic west.tif east.tif --palette accessible --out both.tif")]
pub struct Mosaic {
    /// Maps; their other files lie next to them
    #[arg(required = true)]
    maps: Vec<PathBuf>,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    sigma: Sigma,

    #[command(flatten)]
    palette: PaletteOption,
}

impl Mosaic {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let how = Mosaicking { sigma: self.sigma.get()?, palette: self.palette.palette };
        let report = mapping::mosaic(&self.maps, &self.out.out, &how)?;
        if cx.json {
            return output::json(&report);
        }
        let ([rows, columns], crs) = (report.size, &report.crs);
        output::line(format!("{} parts, {rows} x {columns} pixels, {crs}\n", report.parts))?;
        print_classes(&report.classes)?;
        let out = self.out.out.display();
        output::line(format!("\nwrote {out}, and next to it {}", report.files[1..].join(", ")))
    }
}
