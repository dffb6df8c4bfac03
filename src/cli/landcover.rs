//! `lcz landcover`: land cover pixel by pixel, of a scene of one's own.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lcz::display::percent;
use lcz::mapping;
use lcz::mapping::CoverMapping;
use lcz::models::Device;
use lcz::models::unet::{Encoder, UnetSettings};
use lcz::scene::{BlockSplit, CloudFilter, GeoBox, GeoTiff, Radiometry, Scene, Shares, Tiling};
use lcz::studies;
use lcz::studies::LandCoverTraining;
use lcz::{Augmentation, Bands, Progress, Schedule, Training};

use super::labels::LabelOptions;
use super::output::{self, Table};

/// Land cover, pixel by pixel: train a U-Net on a scene with labels, and map scenes with it.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz landcover train --bands B2.tif,B3.tif,B4.tif,B8.tif --labels atlas.gpkg --codes urban-atlas-groups \\
      --reproject --scl SCL.tif --run runs/cover
  lcz landcover map runs/cover --bands B2.tif,B3.tif,B4.tif,B8.tif --out cover.tif")]
pub struct Landcover {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Train(Box<Train>),
    Map(Box<Map>),
}

/// A scene: its bands and what their values are.
#[derive(Debug, Args)]
struct SceneOptions {
    /// GeoTIFFs of the bands, with commas or spaces between them.
    #[arg(long, value_name = "A.tif,B.tif,...", required = true, num_args = 1.., value_delimiter = ',')]
    bands: Vec<PathBuf>,

    /// Names of the bands, with commas between them [default: from the file names]
    #[arg(long, value_name = "B2,B3,...", value_delimiter = ',')]
    band_names: Option<Vec<String>>,

    /// A pixel is SCALE times the value in the file.
    #[arg(long, default_value_t = 1e-4, allow_negative_numbers = true)]
    scale: f64,

    /// ... plus OFFSET.
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    offset: f64,

    /// What a pixel's number then is.
    #[arg(long, default_value = "reflectance")]
    unit: String,

    /// The value that means no data, in place of what the files say; `nan` for none but NaN.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    nodata: Option<f64>,

    /// Only the part of the scene between these longitudes and latitudes, in degrees.
    #[arg(long = "box", value_name = "W,S,E,N", allow_hyphen_values = true)]
    area: Option<String>,

    /// What figures say of where the scene is from [default: what the files say, or their names]
    #[arg(long)]
    data: Option<String>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,
}

impl SceneOptions {
    fn open(&self) -> anyhow::Result<Scene> {
        let scene = Scene::open(&self.bands)?;
        Ok(match self.band_names.clone().map(Bands::named).transpose()? {
            Some(names) => scene.with_band_names(names)?,
            None => scene,
        })
    }

    fn tiling(&self, patch_size: usize, stride: usize) -> anyhow::Result<Tiling> {
        Ok(Tiling {
            patch_size,
            stride,
            radiometry: Radiometry {
                scale: self.scale,
                offset: self.offset,
                unit: self.unit.clone(),
                no_data: self.nodata,
            },
            area: self.area.as_deref().map(str::parse::<GeoBox>).transpose()?,
        })
    }
}

/// Cut a scene into patches with the class of every pixel, train a U-Net on them, and test it on ground held out.
///
/// Patches lie on a grid from the upper left corner on. Left out are patches with a pixel without data, with more cloud and
/// shadow than --most-cloud by the scene classes of --scl, and without any label. Blocks of --block x --block patches go to
/// training, validation and testing as a whole. Pixels without a label (0 in a raster), and those under a cloud, are
/// not learnt and not counted.
///
/// RUN, which must not be there, gets model.safetensors, training.json, scores.json, and figures: how the scene was cut,
/// learning curves, confusion, test patches.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz landcover train --bands B2.tif,B3.tif,B4.tif,B8.tif --labels atlas.gpkg --codes urban-atlas-groups \\
      --reproject --scl SCL.tif --run runs/cover
  lcz landcover train --bands city/B*.tif --labels city/districts.shp --label-field LC_CODE --codes codes.csv \\
      --scl city/SCL.tif --box 8.6,53.0,9.0,53.2 --encoder plain --width 0.25 --run runs/plain")]
struct Train {
    #[command(flatten)]
    scene: SceneOptions,

    #[command(flatten)]
    labels: LabelOptions,

    /// Sentinel-2's scene classes of the same date, to leave clouded patches out.
    #[arg(long, value_name = "SCL.tif")]
    scl: Option<PathBuf>,

    /// Scene classes that count as cloud: 3 cloud shadow, 8 and 9 clouds, 10 thin cirrus.
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',', default_value = "3,8,9,10")]
    cloud_classes: Vec<u8>,

    /// Per cent of a patch that they may cover.
    #[arg(long, value_name = "PERCENT", default_value_t = 15.0)]
    most_cloud: f64,

    /// Rows and columns of a patch.
    #[arg(long, value_name = "PIXELS", default_value_t = 64)]
    size: usize,

    /// Pixels from patch to patch [default: the patch's size; less makes them overlap]
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,

    /// Patches along a block of the split.
    #[arg(long, value_name = "PATCHES", default_value_t = 3)]
    block: usize,

    /// Training/validation/testing in per cent.
    #[arg(long, default_value = "60/15/25")]
    split: String,

    /// What goes down in the U-Net: efficientnet-b0 or plain.
    #[arg(long, default_value = "efficientnet-b0", value_parser = ["efficientnet-b0", "plain"])]
    encoder: String,

    /// How many channels every layer has beside the published network's.
    #[arg(long, default_value_t = 1.0)]
    width: f64,

    /// How often the plain encoder halves the maps.
    #[arg(long, default_value_t = 4)]
    depth: usize,

    /// Passes over the training patches, at most.
    #[arg(long, default_value_t = 50)]
    epochs: usize,

    /// Patches a step.
    #[arg(long, default_value_t = 8)]
    batch_size: usize,

    /// The learning rate at the start; it falls along half a cosine.
    #[arg(long, default_value_t = 0.002)]
    learning_rate: f64,

    /// What weights, order and blocks are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,

    /// The folder to make.
    #[arg(long)]
    run: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Map a scene with such a U-Net: OUT.tif gets the class numbers 1, 2, ... with their colours (0 = no data).
///
/// Beside it: OUT-confidence.tif, the highest probability of each pixel (no data: NaN), and OUT.png, OUT.svg and OUT.csv, the
/// map as a figure. Tiles overlap, and a pixel's probabilities are their weighted mean, so that no seam shows.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz landcover map runs/cover --bands B2.tif,B3.tif,B4.tif,B8.tif --out cover.tif
  lcz landcover map runs/cover --bands city/B*.tif --stride 16 --box 8.6,53.0,9.0,53.2 --out part.tif")]
struct Map {
    /// The run's folder.
    run: PathBuf,

    #[command(flatten)]
    scene: SceneOptions,

    /// Pixels from tile to tile [default: half a tile]
    #[arg(long, value_name = "PIXELS")]
    stride: Option<usize>,

    /// The GeoTIFF to write; the other files lie beside it.
    #[arg(long, value_name = "FILE.tif")]
    out: PathBuf,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Landcover {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        match self.verb {
            Verb::Train(train) => train.run(progress),
            Verb::Map(map) => map.run(progress),
        }
    }
}

impl Train {
    fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let scene = self.scene.open()?;
        let encoder = if self.encoder == "plain" { Encoder::Plain } else { Encoder::EfficientnetB0 };
        let settings = LandCoverTraining {
            tiling: self.scene.tiling(self.size, self.stride.unwrap_or(self.size))?,
            clouds: CloudFilter { hidden: self.cloud_classes, most: self.most_cloud / 100.0 },
            blocks: BlockSplit { side: self.block, shares: self.split.parse::<Shares>()?, seed: self.seed },
            network: UnetSettings { encoder, width: self.width, depth: self.depth },
            training: Training {
                epochs: self.epochs,
                batch_size: self.batch_size,
                learning_rate: self.learning_rate,
                schedule: Schedule::Cosine { epochs: self.epochs, floor: 0.0 },
                augmentation: Augmentation::FlipsAndTurns,
                seed: self.seed,
                ..Training::default()
            },
            device: self.scene.device,
            data: self.scene.data,
        };
        let labels = self.labels.open(std::slice::from_ref(&scene), progress)?;
        let scl = self.scl.map(GeoTiff::open).transpose()?;
        let outcome =
            studies::train_land_cover(&settings, &scene, &labels, scl.as_ref(), &self.run, progress)?;
        if self.json {
            return output::json(&outcome);
        }
        let tiles: Vec<String> = outcome.tiles.iter().map(|(fate, n)| format!("{n} {fate}")).collect();
        let [training, validation, testing] = outcome.patches;
        output::line(format!(
            "tiles: {}\npatches: {training} training, {validation} validation, {testing} testing",
            tiles.join(", ")
        ))?;
        output::line(format!(
            "{} epochs in {:.0} s, the {}th kept\n",
            outcome.epochs[0], outcome.seconds, outcome.epochs[1]
        ))?;
        let test = &outcome.test;
        let mut table = Table::new(["class", "pixels", "IoU", "F1"]);
        let optional = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}"));
        for class in &test.classes {
            table.row([
                class.name.clone(),
                class.support.to_string(),
                optional(class.iou),
                optional(class.f1),
            ]);
        }
        table.print()?;
        output::line(format!(
            "\nheld-out blocks, {} pixels: overall accuracy {:.3}, mean IoU {:.3}, macro F1 {:.3}\nall of it in {}",
            test.pixels,
            test.overall_accuracy,
            test.mean_iou,
            test.macro_f1,
            self.run.display()
        ))
    }
}

impl Map {
    fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let mapping = CoverMapping {
            stride: self.stride,
            // The tiles are the network's.
            tiling: self.scene.tiling(1, 1)?,
            data: self.scene.data.clone(),
            device: self.scene.device,
        };
        let report = mapping::map_land_cover(&self.run, self.scene.open()?, &mapping, &self.out, progress)?;
        if self.json {
            return output::json(&report);
        }
        let [rows, columns] = report.size;
        output::line(format!(
            "{rows} x {columns} pixels, {} without data; mean confidence {:.3}\n",
            report.without_data, report.mean_confidence
        ))?;
        let total: usize = report.classes.iter().map(|(_, pixels)| pixels).sum();
        let mut table = Table::new(["class", "pixels", "share"]);
        for (name, pixels) in &report.classes {
            table.row([name.clone(), pixels.to_string(), percent(*pixels as f64 / total as f64)]);
        }
        table.print()?;
        output::line(format!("\nwrote {}, beside it {}", self.out.display(), report.files[1..].join(", ")))
    }
}
