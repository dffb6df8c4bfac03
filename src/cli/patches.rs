//! `lcz patches`: cut patches from GeoTIFF bands around labelled pixels, split by region.

use std::path::PathBuf;

use lcz::scene::{Cutting, Part, Report, Scene};
use lcz::{Bands, Progress};

use super::labels::LabelOptions;
use super::output::{self, Table};

/// Cut patches from GeoTIFF bands around labelled pixels, split by region.
///
/// Each labelled pixel gives a patch of SIZE x SIZE pixels around it (for an even SIZE the pixel is
/// the one below and right of the middle). Whole connected regions of one class go to training,
/// validation or testing; then windows that overlap one of another part are dropped, as are windows
/// that leave the scene or hold a pixel without data. OUT gets training.h5, validation.h5, testing.h5,
/// testing.tif (the labels of testing where they lie, for `lcz map --truth`) and report.json with all counts.
///
/// Bands share one grid; coarser ones may be whole multiples of the finest (Sentinel-2's 20 m and
/// 60 m bands beside its 10 m ones) and are upsampled by nearest neighbour.
///
/// Labels are a raster, or the polygons of a shapefile or a GeoPackage: a pixel has the class of the polygon
/// that its centre lies in (of the later one where several do). Labels on another coordinate system than the
/// bands are reprojected with --reproject.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  lcz patches --bands B2.tif,B3.tif,B4.tif,B8.tif --labels lcz.tif --size 32 --out patches
  lcz patches --bands 2013_B4.tif,2013_B5.tif --bands 2014_B4.tif,2014_B5.tif --labels lcz.tif \\
      --size 16 --scale 2e-5 --offset -0.1 --split 60/15/25 --seed 1 --out patches
  lcz patches --bands B2.tif,B3.tif,B4.tif,B8.tif --labels polygons.shp --label-field VALUE \\
      --group-field polygon_id --reproject --buffer 500m --size 32 --out patches")]
pub struct Patches {
    /// GeoTIFFs of the bands, with commas between them; once more for each further date.
    #[arg(long, value_name = "A.tif,B.tif,...", required = true)]
    bands: Vec<String>,

    #[command(flatten)]
    labels: LabelOptions,

    /// Rows and columns of a patch, in pixels of the finest band.
    #[arg(long, value_name = "PIXELS")]
    size: usize,

    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// A pixel is SCALE times the value in the file [default: 1]
    #[arg(long, allow_negative_numbers = true)]
    scale: Option<f64>,

    /// ... plus OFFSET; Landsat 8's reflectance is 2e-5 and -0.1 [default: 0]
    #[arg(long, allow_negative_numbers = true)]
    offset: Option<f64>,

    /// What a pixel's number is [default: reflectance with --scale or --offset, else digital number]
    #[arg(long)]
    unit: Option<String>,

    /// The value that means no data, in place of what the files say; `nan` for none but NaN.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    nodata: Option<f64>,

    /// Training/validation/testing in percent of each class's pixels.
    #[arg(long, default_value = "60/15/25")]
    split: String,

    /// Least distance between windows of different parts, in metres or pixels.
    #[arg(long, value_name = "500m|16px", default_value = "0px")]
    buffer: String,

    /// Chooses the regions of each part.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// Names of the bands, with commas between them [default: from the file names]
    #[arg(long, value_name = "B2,B3,...", value_delimiter = ',')]
    band_names: Option<Vec<String>>,

    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

impl Patches {
    /// Cuts, writes, and prints what became of the labelled pixels.
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let cutting = self.cutting()?;
        let names = self.band_names.map(Bands::named).transpose()?;
        let mut dates = Vec::new();
        for files in &self.bands {
            let date = Scene::open(files.split(',').map(str::trim).filter(|file| !file.is_empty()))?;
            dates.push(match &names {
                Some(names) => date.with_band_names(names.clone())?,
                None => date,
            });
        }
        let labels = self.labels.open(&dates, progress)?;
        let report = cutting.cut(&dates, &labels, &self.out, progress)?;
        if self.json {
            return output::json(&report);
        }
        print(&report)?;
        output::line(format!("\nwrote {}", self.out.display()))
    }

    fn cutting(&self) -> anyhow::Result<Cutting> {
        let scaled = self.scale.is_some() || self.offset.is_some();
        let unit = if scaled { "reflectance" } else { "digital number" };
        Ok(Cutting {
            patch_size: self.size,
            scale: self.scale.unwrap_or(1.0),
            offset: self.offset.unwrap_or(0.0),
            unit: self.unit.clone().unwrap_or_else(|| unit.to_owned()),
            no_data: self.nodata,
            shares: self.split.parse()?,
            buffer: self.buffer.parse()?,
            seed: self.seed,
        })
    }
}

/// Patches a class, then what was dropped on each date.
fn print(report: &Report) -> anyhow::Result<()> {
    let distance = report.ground_sampling_distance.map(|metres| format!(", {metres:.2} m a pixel"));
    output::line(format!(
        "{0} x {0} pixels{1}, {2} bands ({3}), {4}\n",
        report.patch_size,
        distance.unwrap_or_default(),
        report.bands.len(),
        report.bands,
        report.unit
    ))?;
    if let Some(polygons) = &report.labels.polygons {
        output::line(format!(
            "{} polygons with a class in {} ({} without, {} outside, {} between the pixels' centres)\n",
            polygons.labelled,
            polygons.label_field,
            polygons.unlabelled,
            polygons.outside,
            polygons.between_centres
        ))?;
    }
    let mut classes = Table::new(["class", "labelled", "regions", "training", "validation", "testing"]);
    for class in &report.classes {
        let mut row = vec![class.name.clone(), class.pixels.to_string(), class.regions.to_string()];
        row.extend(Part::ALL.map(|part| report.patches_of(class, part).to_string()));
        classes.row(row);
    }
    let regions: usize = report.classes.iter().map(|class| class.regions).sum();
    let mut row = vec!["all".to_owned(), report.labelled_pixels().to_string(), regions.to_string()];
    row.extend(Part::ALL.map(|part| report.patches(part).to_string()));
    classes.row(row);
    classes.print()?;

    output::line("")?;
    let header = ["date", "training", "validation", "testing", "at border", "no data", "overlapping"];
    let mut dates = Table::new(header);
    for (k, date) in report.dates.iter().enumerate() {
        let overlapping: usize = Part::ALL
            .map(|part| date.part(part).overlapping_testing + date.part(part).overlapping_validation)
            .iter()
            .sum();
        let mut row = vec![format!("{} {}", k + 1, date.files[0])];
        row.extend(Part::ALL.map(|part| date.part(part).patches.to_string()));
        row.extend([date.at_border, date.without_data, overlapping].map(|count| count.to_string()));
        dates.row(row);
    }
    Ok(dates.print()?)
}
