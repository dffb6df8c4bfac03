//! `lcz patches`: cut patches from scenes, with a class each or a class per pixel.

use std::path::Path;

use anyhow::Context as _;
use lcz::Bands;
use lcz::figures::{self, Caption, Source, TilesPicture};
use lcz::scene::{CutInto, CutReport, Cutting, LabelRaster, Part, Plan, Scene};

use super::options::{CloudOptions, Context, GriddedLabels, Output, Provenance, SceneOptions, Split, Stride};
use super::output::{self, Table};

/// Cut patches from GeoTIFF bands or Sentinel-2 products
///
/// Each labelled pixel gives a patch of SIZE x SIZE pixels around it (for an even SIZE the pixel is
/// the one below and right of the middle). Whole connected regions of one class go to training,
/// validation or testing; then windows that overlap one of another part are dropped, as are windows
/// that leave the scene. OUT gets training.h5, validation.h5, testing.h5,
/// testing.tif (the labels of testing where they lie, for `lcz map --labels`) and report.json with all counts.
///
/// With --masks the scene is cut into tiles of SIZE x SIZE pixels on a grid from the upper left corner on, and each
/// patch carries the class of every pixel (dataset mask; 0: no class, as under a cloud). Blocks of --block x --block tiles
/// go to training, validation or testing as a whole and become `group`. Tiles without any label are left out. OUT
/// then gets scene.png, scene.svg and scene.csv, how the scene was cut, instead of testing.tif.
///
/// --scene takes Sentinel-2 products (L1C, L2A) and Landsat Collection 2 Level 2 products as downloaded: scale, offset and no
/// data are those of their metadata. Sentinel-2's bands are So2Sat's ten, without B1, B9 and B10; --band-names takes others,
/// such as B1,B2,B9. It also takes a folder of GeoTIFFs, named after their bands, or a GeoTIFF of all bands.
///
/// Patches that hold a pixel without data are left out, and, where clouds are known (--scl, L2A, Landsat), those with too much
/// cloud and shadow.
///
/// Bands share one grid; coarser ones may be whole multiples of the finest (Sentinel-2's 20 m and
/// 60 m bands next to its 10 m ones) and are upsampled by nearest neighbour. Pixels that are not square on the ground (10 x 20 m,
/// or degrees) are resampled to their shorter side. --bands and --scene are repeated for each further date.
///
/// Labels are a raster, or the polygons of a shapefile, GeoPackage, KML, KMZ or GeoJSON: a pixel has the class of the polygon
/// that contains its centre (of the later one where several do). Labels on another coordinate system than the
/// bands are reprojected with --reproject.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("labels", |labels| labels.required(true)),
    mut_arg("out", |out| out.value_name("FOLDER").help("Folder of the patches, which must not exist")),
    mut_arg("stride", |stride| stride.requires("masks").help("Stride of the tiles of --masks in pixels, such as 32px [default: --size]")),
    after_help = "Examples:
  lcz patches --scene S2A_MSIL2A_20220706T085611.SAFE \\
      --labels lcz.tif --reproject --size 32 --out patches
  lcz patches --bands B2.tif,B3.tif,B4.tif,B8.tif --labels lcz.tif --size 32 \\
      --out patches
  lcz patches --bands 2013_B4.tif,2013_B5.tif --bands 2014_B4.tif,2014_B5.tif \\
      --labels lcz.tif --size 16 --scale 2e-5 --offset -0.1 \\
      --split 60/15/25 --seed 1 --out patches
  lcz patches --bands B2.tif,B3.tif,B4.tif,B8.tif --labels polygons.shp \\
      --label-field VALUE --group-field polygon_id --reproject --buffer 500m \\
      --size 32 --out patches
  lcz patches --bands B2.tif,B3.tif,B4.tif,B8.tif --labels atlas.gpkg \\
      --codes urban-atlas-groups --reproject --masks --size 64 --scl SCL.tif \\
      --max-cloud 15 --bbox=8.6,53.0,9.0,53.2 --scale 1e-4 --offset -0.1 \\
      --out data"
)]
pub struct Patches {
    #[command(flatten)]
    scene: SceneOptions,

    #[command(flatten)]
    labels: GriddedLabels,

    /// Cut tiles with the class of every pixel
    #[arg(long)]
    masks: bool,

    /// Rows and columns of a patch, in pixels of the finest band
    #[arg(long, value_name = "PIXELS")]
    size: usize,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    clouds: CloudOptions,

    #[command(flatten)]
    split: Split,

    /// Without --masks: least distance between windows of different parts, in metres or pixels
    #[arg(long, value_name = "500m|16px", default_value = "0px", conflicts_with = "masks")]
    buffer: String,

    #[command(flatten)]
    stride: Stride,

    /// Number of tiles along a block of ground
    #[arg(long, value_name = "TILES", default_value_t = 3, requires = "masks")]
    block: usize,

    #[command(flatten)]
    provenance: Provenance,
}

impl Patches {
    /// Cuts, writes, and prints what became of the labelled pixels.
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let bands = Bands::sentinel2();
        let dates = self.scene.dates(Some(&bands), &self.clouds)?;
        let dates = dates.into_iter().map(Scene::with_square_pixels).collect::<lcz::Result<Vec<_>>>()?;
        let (cutting, out) = (self.cutting()?, &self.out.out);
        let labels = self.labels.open(&dates, &mut cx.progress)?;
        let mut draw = |plan: &Plan<'_>, folder: &Path| {
            for (k, date) in dates.iter().enumerate() {
                if let Some(figure) = figure(plan, &cutting, date, &labels, k)? {
                    let name = if k == 0 { "scene".to_owned() } else { format!("scene-{}", k + 1) };
                    figure.save(folder, &name)?;
                }
            }
            Ok(())
        };
        let plan = cutting.cut_with(&dates, &labels, out, &mut draw, &mut cx.progress)?;
        let report = plan.report();
        if cx.json {
            return output::json(report);
        }
        print(report)?;
        output::line(format!("\nwrote {}", out.display()))
    }

    fn cutting(&self) -> anyhow::Result<Cutting> {
        let into = if self.masks {
            let pixels = |text: &str| {
                let number = text.strip_suffix("px").unwrap_or(text).parse();
                number.with_context(|| {
                    format!("--stride: '{text}' is not a number of pixels; give one, such as 32px")
                })
            };
            let stride = self.stride.stride.as_deref().map_or(Ok(self.size), pixels)?;
            CutInto::Tiles { stride, block: self.block }
        } else {
            CutInto::Windows { buffer: self.buffer.parse()? }
        };
        Ok(Cutting {
            patch_size: self.size,
            radiometry: self.scene.radiometry(),
            area: self.scene.area()?,
            clouds: self.clouds.filter(),
            shares: self.split.split.parse()?,
            seed: self.split.seed.get(),
            into,
            provenance: self.provenance.provenance.clone(),
        })
    }
}

/// How a date was cut into tiles.
fn figure(
    plan: &Plan<'_>,
    cutting: &Cutting,
    date: &Scene,
    labels: &LabelRaster,
    k: usize,
) -> lcz::Result<Option<figures::Figure>> {
    let Some((tiles, overview)) = plan.tiles(k)? else { return Ok(None) };
    let data = plan.provenance();
    let picture = TilesPicture {
        overview: &overview,
        classes: labels.classes(),
        tiles,
        patch_size: cutting.patch_size,
        clouds: date.scene_classes().map_or_else(String::new, |_| cutting.clouds.sentence()),
    };
    let figure = figures::cut_scene(&picture, &Caption::new("How the scene was cut", data.clone()))?;
    let provenance =
        figures::Provenance { seed: Some(cutting.seed), ..figures::Provenance::new(data, Source::Other) };
    Ok(Some(figure.with_provenance(&provenance)))
}

/// What the patches are, how many of each class, and what was left out on each date.
fn print(report: &CutReport) -> anyhow::Result<()> {
    let distance = report.ground_sampling_distance.map(|metres| format!(", {metres:.2} m a pixel"));
    output::line(format!(
        "{0} x {0} pixels{1}, {2} bands ({3}), {4}",
        report.patch_size,
        distance.unwrap_or_default(),
        report.bands.len(),
        report.bands,
        report.unit
    ))?;
    if let Some([across, down]) = report.resampled_from {
        output::line(format!("bands resampled from pixels of {across:.2} x {down:.2} m"))?;
    }
    let mut conversions: Vec<&String> =
        report.dates.iter().filter_map(|date| date.conversion.as_ref()).collect();
    conversions.dedup();
    conversions.iter().try_for_each(output::line)?;
    output::line("")?;
    if let Some(polygons) = &report.labels.polygons {
        output::line(format!("{polygons}\n"))?;
    }
    let heading = if report.masks { "pixels of class" } else { "patches of class" };
    let mut classes = Table::new([heading, "labelled", "regions", "training", "validation", "testing"]);
    for class in &report.classes {
        let mut row = vec![class.name.clone(), class.pixels.to_string(), class.regions.to_string()];
        row.extend(Part::ALL.map(|part| report.of_class(class, part).to_string()));
        classes.row(row);
    }
    let regions: usize = report.classes.iter().map(|class| class.regions).sum();
    let mut row = vec!["all".to_owned(), report.labelled_pixels().to_string(), regions.to_string()];
    row.extend(Part::ALL.map(|part| {
        let all: usize = report.classes.iter().map(|class| report.of_class(class, part)).sum();
        all.to_string()
    }));
    classes.row(row);
    classes.print()?;
    let all = Part::ALL.map(|part| report.patches(part));
    let total = all.iter().sum::<usize>().max(1) as f64;
    let shares = all.map(|count| format!("{:.0}", 100.0 * count as f64 / total)).join("/");
    output::line(format!(
        "\n{} % requested, {shares} % of the patches obtained: regions are not divided, and overlapping windows are dropped",
        report.split
    ))?;

    output::line("")?;
    let parts = ["date", "training", "validation", "testing"];
    let why: &[&str] = if report.masks {
        &["no data", "cloud", "no label", "across blocks"]
    } else {
        &["at border", "no data", "cloud", "overlapping"]
    };
    let mut dates = Table::new(parts.iter().chain(why).copied());
    for (k, date) in report.dates.iter().enumerate() {
        let mut row = vec![format!("{} {}", k + 1, date.scene)];
        row.extend(Part::ALL.map(|part| date.part(part).patches.to_string()));
        let left_out = if report.masks {
            [date.without_data, date.cloudy, date.unlabelled, date.across_blocks]
        } else {
            [date.at_border, date.without_data, date.cloudy, date.overlapping()]
        };
        row.extend(left_out.map(|count| count.to_string()));
        dates.row(row);
    }
    Ok(dates.print()?)
}
