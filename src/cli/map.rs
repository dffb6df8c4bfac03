//! `lcz map`: a model over a whole scene.

use lcz::data::Sample;
use lcz::display::percent;
use lcz::mapping::{self, ClassArea, FusedSensor, MapReport, MapScores, Mapping};
use lcz::run::Run;

use super::options::{
    CloudOptions, Context, IgnoreRadiometry, LabelOptions, Output, PaletteOption, Provenance, RunFolder,
    SceneOptions, ShardOption, Sigma, Stride, Unscaled, check_classes_known,
};
use super::output::{self, Table, number};

/// Map a whole scene with a trained model
///
/// A model of patches classifies the window around each point of a grid, 100 m apart; a window with a pixel without data
/// in any band has no class. A model of pixels (a U-Net) classifies every pixel: tiles overlap, and a pixel's probabilities
/// are their weighted mean, so that no seam shows.
///
/// --scene takes a Sentinel-2 product (L1C, L2A) or a Landsat Collection 2 Level 2 product as downloaded: scale, offset and no
/// data are those of its metadata. It also takes a folder of GeoTIFFs, named after their bands, or a GeoTIFF of all bands.
/// Several scenes of one place are seasons: the map is of the mean of their probabilities. Where clouds are known (L2A,
/// Landsat, --scl), the share under them is reported, and --mask-clouds leaves it without a class; of several dates those with
/// a clear sky count.
///
/// OUT.tif gets three bands of bytes (0 = no data) as the LCZ Generator's maps: lcz, the classes (1-17, or 1, 2, ... for other
/// classes, then called class); lczFilter, the same smoothed by a Gaussian whose width depends on the zone (Demuzere et al.
/// 2020); probability, the highest one in percent. Next to it: OUT.tif.aux.xml and OUT.qml, names and colours of the classes for
/// GDAL and QGIS; OUT-confidence.tif and OUT-entropy.tif, how certain the model is (no data: NaN; entropy in nats); OUT.png,
/// OUT.svg and OUT.csv, the map as a figure.
///
/// --with fuses the network of a second sensor, such as the So2Sat project's for Sentinel-1, whose scene (a GeoTIFF of its bands) is
/// on the same pixels; radar values are brought to mean 0 and deviation 1 where the network was imported. --shard maps a stripe of
/// a scene that is too large for one machine, into OUT-shard-i-of-n.tif; lcz mosaic merges shards.
///
/// The model's bands are taken by name, in any order, with commas or spaces between the files. A scene whose pixels are
/// larger or smaller than those that the model was trained on is resampled first. --labels compares the map with the
/// classes of a GeoTIFF (0, -1, -999, 255 and its no-data value: unknown) or of polygons, in any coordinate system.
#[derive(Debug, clap::Args)]
#[command(
    mut_arg("bands", |bands| bands.num_args(1..)),
    mut_arg("shard", |shard| shard.help("Map only stripe i of n, into OUT-shard-i-of-n.tif")),
    mut_arg("out", |out| out.value_name("OUT.tif").help("GeoTIFF of the map, the other files lie next to it; an existing one is not replaced")),
    after_help = "Examples:
  lcz map runs/first --scene S2A_MSIL2A_20220706T085611.SAFE \\
      --out city.tif
  lcz map runs/first --scene spring.SAFE --scene summer.zip --mask-clouds \\
      --out city.tif
  lcz map runs/first --scene city --out city.tif
  lcz map runs/first --bands city/B*.tif --out city.tif
  lcz map runs/first --bands city/B*.tif --stride 10px \\
      --probabilities --out city.tif
  lcz map runs/so2sat --scene summer.SAFE --with runs/sentinel1=S1.tif \\
      --palette generator --out city.tif
  lcz map runs/first --scene S2A_MSIL2A_20220706T085611.SAFE --shard 1/4 \\
      --out city.tif
  lcz map runs/cover --bands city/B*.tif \\
      --bbox=8.6,53.0,9.0,53.2 --out cover.tif
  lcz map runs/landsat --bands B1.tif,B2.tif,B3.tif --scale 2e-5 \\
      --offset -0.1 --labels lcz.tif --out hongkong.tif"
)]
pub struct Map {
    #[command(flatten)]
    run: RunFolder,

    #[command(flatten)]
    scene: SceneOptions,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    stride: Stride,

    /// Resampling of pixels of another size than the model's: auto or none
    #[arg(long, default_value = "auto", value_parser = ["auto", "none"])]
    resample: String,

    #[command(flatten)]
    sigma: Sigma,

    /// Fuse the network of another sensor, by the mean of the probabilities: its run and its scene; may be repeated
    #[arg(long, value_name = "RUN=SCENE")]
    with: Vec<FusedSensor>,

    #[command(flatten)]
    shard: ShardOption,

    #[command(flatten)]
    palette: PaletteOption,

    /// Write the probabilities of all classes too: OUT-probabilities.tif, one band per class
    #[arg(long)]
    probabilities: bool,

    #[command(flatten)]
    clouds: CloudOptions,

    /// Leave what lies under clouds without a class, or to the other dates
    #[arg(long)]
    mask_clouds: bool,

    #[command(flatten)]
    labels: LabelOptions,

    #[command(flatten)]
    unscaled: Unscaled,

    #[command(flatten)]
    guard: IgnoreRadiometry,

    #[command(flatten)]
    provenance: Provenance,
}

impl Map {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, out) = (Run::open(&self.run.run)?, &self.out.out);
        let dates = self.scene.seasons(&self.clouds)?;
        check_classes_known("--mask-clouds", self.mask_clouds, &dates)?;
        let mapping = Mapping {
            stride: self.stride.stride.as_deref().map(str::parse).transpose()?,
            resample: self.resample == "auto",
            radiometry: self.scene.radiometry(),
            area: self.scene.area()?,
            clouds: self.clouds.filter(),
            mask_clouds: self.mask_clouds,
            sigma: self.sigma.get()?,
            with: self.with,
            shard: self.shard.shard,
            palette: self.palette.palette,
            probabilities: self.probabilities,
            unscaled: self.unscaled.unscaled,
            ignore_radiometry: self.guard.ignore_radiometry,
            data: self.provenance.provenance,
            device: cx.device,
            labelling: self.labels.labelling()?,
        };
        let labels = self.labels.file();
        let report = mapping::map(&run, dates, &mapping, out, labels, &mut cx.progress)?.report;
        if cx.json {
            return output::json(&report);
        }
        print(&report)?;
        let out = out.with_file_name(&report.files[0]);
        output::line(format!("\nwrote {}, and next to it {}", out.display(), report.files[1..].join(", ")))
    }
}

fn print(report: &MapReport) -> anyhow::Result<()> {
    let metres = report.pixel_metres.map(|[across, down]| format!(" of {across:.1} x {down:.1} m"));
    output::line(format!(
        "{} x {} pixels{}, {}",
        report.size[0],
        report.size[1],
        metres.unwrap_or_default(),
        report.crs
    ))?;
    if let (Some(from), Some(to)) = (report.resampled_from, report.input_metres) {
        output::line(format!("scene resampled from {from:.2} to {to:.2} m"))?;
    }
    if let Some(conversion) = &report.conversion {
        output::line(conversion)?;
    }
    let what = match report.sample {
        Sample::Patch => "windows",
        Sample::Pixel => "pixels",
    };
    let without = if report.clouds_masked { "without data or under clouds" } else { "without data" };
    output::line(format!(
        "{} {what} classified, {} {without}; {:.1} s, {:.0} {what}/s; mean confidence {:.3}\n",
        report.classified,
        report.without_data,
        report.seconds,
        report.classified_per_second,
        report.mean_confidence
    ))?;
    print_dates(report, what)?;
    print_classes(&report.classes)?;
    let Some(map) = &report.scores else { return Ok(()) };
    if let Some(polygons) = report.labels.as_ref().and_then(|labels| labels.polygons.as_ref()) {
        output::line(format!("\n{polygons}"))?;
    }
    output::line(format!(
        "\n{} pixels have a reference class, {} of them without a class on the map",
        map.pixels, map.without_class
    ))?;
    let mut table = Table::new(["compared with the reference", "OA", "OA_u", "OA_bu", "kappa", "macro F1"]);
    table.row(row("map", map));
    if let Some(filtered) = &report.filtered_scores {
        table.row(row("filtered map", filtered));
    }
    table.print()?;
    output::line("")?;
    let mut table = Table::new(["at these pixels", "F1", "reference share", "map share"]);
    for class in &map.classes {
        table.row([
            class.name.clone(),
            format!("{:.3}", class.f1),
            percent(class.reference_share),
            percent(class.mapped_share),
        ]);
    }
    Ok(table.print()?)
}

/// How much of a map each class has.
pub(super) fn print_classes(classes: &[ClassArea]) -> anyhow::Result<()> {
    let mut table = Table::new(["class", "pixels", "share", "km²"]);
    for class in classes {
        let area = number(class.square_kilometres, 2);
        table.row([class.name.clone(), class.pixels.to_string(), percent(class.share), area]);
    }
    Ok(table.print()?)
}

/// What each date left out, and what clouds hide.
fn print_dates(report: &MapReport, what: &str) -> anyhow::Result<()> {
    let clouds_known = report.dates.iter().any(|date| date.under_clouds.is_some());
    if report.dates.len() < 2 && !clouds_known {
        return Ok(());
    }
    let total = report.size[0] * report.size[1];
    let mut table = Table::new(["date", "without data", "under clouds"]);
    for date in &report.dates {
        let share = |count: usize| percent(count as f64 / total as f64);
        let clouds = date.under_clouds.map_or_else(|| "unknown".to_owned(), share);
        table.row([date.scene.clone(), share(date.without_data), clouds]);
    }
    table.print()?;
    if clouds_known {
        let most = match report.sample {
            Sample::Patch => format!("more than {} % of the window", 100.0 * report.max_cloud),
            Sample::Pixel => "the pixel".to_owned(),
        };
        let then = if report.clouds_masked {
            format!("these {what} do not count")
        } else {
            "--mask-clouds leaves them out".to_owned()
        };
        output::line(format!("under clouds: clouds or their shadows hide {most}; {then}"))?;
    }
    output::line("")
}

fn row(name: &str, scores: &MapScores) -> [String; 6] {
    let three = |score: Option<f64>| number(score, 3);
    [
        name.to_owned(),
        three(Some(scores.overall_accuracy)),
        three(scores.built_accuracy),
        three(scores.built_or_natural_accuracy),
        three(Some(scores.kappa)),
        three(Some(scores.macro_f1)),
    ]
}
