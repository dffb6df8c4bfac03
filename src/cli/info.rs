//! `lcz info`: what a data set or a scene holds, before anything is trained on it.

use std::path::{Path, PathBuf};

use clap::Args;
use lcz::data::so2sat::{self, So2Sat};
use lcz::data::{BandStatistics, ClassCount, Patches, Summary};
use lcz::display::{metres, percent};
use lcz::figures::{self, Caption, Composite, Source};
use lcz::scene::{CloudFilter, Landsat, Product, ProductShares, Scene};
use lcz::{Bands, Progress};
use serde::Serialize;

use super::options::{Context, FigureFolder, Provenance};
use super::output::{self, Table, number};

/// Describe a data set, scene or class map
///
/// Labels, masks and votes are read and checked; all pixels only with --statistics. --figures draws five patches of
/// each class as FILE-gallery or FILE-NAME-gallery: in true colour, radar in false colour.
///
/// Of a Sentinel-2 product (.SAFE folder or zip, L1C or L2A) the XML is read, and the scene classes of L2A. Of any other
/// scene that --scene of `lcz map` takes, all pixels are read: the share without data is shown for each band.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz info data/training.h5
  lcz info data --statistics
  lcz info S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_....SAFE
  lcz info LC09_L2SP_193027_20230715_20230717_02_T1.tar
  lcz info data/training.h5 --dataset sen1 --figures figures
  lcz info data/testing.h5 --json | jq '.files[0].patches'")]
pub struct Info {
    /// HDF5 file, folder of a data set, or scene
    file: PathBuf,

    /// Mean and standard deviation of each band, from all pixels
    #[arg(long)]
    statistics: bool,

    /// Dataset of the pixels, where a file has several [default: sen2, patches or sen1]
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,

    #[command(flatten)]
    figures: FigureFolder,

    #[command(flatten)]
    provenance: Provenance,
}

/// What is told of one file.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    summary: Summary,
    datasets: Vec<so2sat::DatasetShape>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistics: Option<BandStatistics>,
    /// Saved once no file is refused.
    #[serde(skip)]
    gallery: Option<figures::Figure>,
    /// `training` of `training.h5`: what its columns are headed with.
    #[serde(skip)]
    stem: String,
}

impl Info {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        if Product::is_at(&self.file) {
            return describe(&Product::open(&self.file)?, cx);
        }
        if is_scene(&self.file) {
            return describe_scene(&Scene::at(&self.file)?, cx);
        }
        check_kind(&self.file)?;
        let files = so2sat::files(&self.file)?;
        let reports =
            files.iter().map(|file| self.report(file, &mut cx.progress)).collect::<lcz::Result<Vec<_>>>()?;
        for (report, folder) in reports.iter().zip(self.figures.figures.iter().cycle()) {
            let dataset = self.dataset.as_ref().map_or_else(String::new, |name| format!("-{name}"));
            let stem = format!("{}{dataset}-gallery", report.stem);
            report.gallery.iter().try_for_each(|gallery| gallery.save(folder, &stem))?;
        }
        if cx.json {
            return output::json_list("files", &reports);
        }
        for report in &reports {
            report.print()?;
        }
        let counts: [(&str, CountOf); 2] =
            [("class", |class| class.patches), ("pixels of class", |class| class.pixels)];
        for (header, count) in counts {
            let has_counts =
                |report: &&Report| report.summary.classes.iter().any(|class| count(class).is_some());
            let counted: Vec<&Report> = reports.iter().filter(has_counts).collect();
            for same in counted.chunk_by(|a, b| a.has_classes_of(b)) {
                print_classes(header, count, same)?;
            }
        }
        reports.iter().try_for_each(Report::print_statistics)?;
        output::figures_in(self.figures.figures.as_ref())
    }

    fn report(&self, file: &Path, progress: &mut dyn Progress) -> lcz::Result<Report> {
        let data = match &self.dataset {
            Some(dataset) => So2Sat::open_as(file, dataset)?,
            None => So2Sat::open(file)?,
        };
        let patches = data.described(self.provenance.provenance.as_deref()).patches()?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Report {
            summary: Summary::from_patches(&patches)?,
            datasets: so2sat::datasets(file)?,
            statistics: if self.statistics { Some(patches.band_statistics(progress)?) } else { None },
            gallery: self.figures.figures.as_ref().map(|_| gallery(&patches)).transpose()?,
            stem,
        })
    }
}

/// A product, and the shares of no data and of clouds where scene classes tell them.
#[derive(Serialize)]
struct ProductReport<'a> {
    #[serde(flatten)]
    product: &'a Product,
    #[serde(skip_serializing_if = "Option::is_none")]
    shares: Option<ProductShares>,
}

fn describe(product: &Product, cx: &Context) -> anyhow::Result<()> {
    let clouds = CloudFilter::default();
    let shares = product.shares(&clouds)?;
    if cx.json {
        return output::json(&ProductReport { product, shares });
    }
    output::line(&product.name)?;
    output::line(format!("  satellite   {}", product.satellite))?;
    output::line(format!("  level       {}, processing baseline {}", product.level, product.baseline))?;
    output::line(format!("  tile        {}, {}", product.tile, product.crs))?;
    output::line(format!("  date        {}", product.date))?;
    output::line(format!("  no data     {}; saturated {}", product.no_data, product.saturated))?;
    if let Some(share) = product.cloud_percent {
        output::line(format!("  clouds      {share:.1} % of the tile, as the XML states"))?;
    }
    if let Some(shares) = shares {
        output::line(format!(
            "  classes     {} without data; of the rest {} clouds or their shadows",
            percent(shares.no_data),
            percent(shares.clouds)
        ))?;
    }
    output::line(format!("  provenance  {}\n", product.provenance()))?;
    let mut table = Table::new(["band", "metres", "size", "scale", "offset", "image"]);
    for band in &product.bands {
        let [rows, columns] = band.size;
        let file = if band.present { band.file.clone() } else { format!("missing: {}", band.file) };
        table.row([
            band.name.clone(),
            band.metres.to_string(),
            format!("{rows} x {columns}"),
            band.scale.to_string(),
            band.offset.to_string(),
            file,
        ]);
    }
    Ok(table.print()?)
}

/// Whether this is a scene other than a Sentinel-2 product: a Landsat product, a GeoTIFF, or a folder of GeoTIFFs without HDF5.
fn is_scene(path: &Path) -> bool {
    let ends = |path: &Path, endings: [&str; 2]| {
        path.extension().is_some_and(|of| endings.iter().any(|ending| of.eq_ignore_ascii_case(ending)))
    };
    let is_tiff = |path: &Path| ends(path, ["tif", "tiff"]);
    let inner: Vec<PathBuf> =
        path.read_dir().into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    let has_tiffs =
        inner.iter().any(|path| is_tiff(path)) && !inner.iter().any(|path| ends(path, ["h5", "hdf5"]));
    Landsat::is_at(path) || is_tiff(path) || has_tiffs
}

/// Names the command that describes what is none of these.
fn check_kind(path: &Path) -> anyhow::Result<()> {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    let (what, command) = match ending.as_deref() {
        Some("kml" | "kmz" | "geojson" | "shp" | "gpkg") => ("polygons", "areas"),
        Some("csv" | "tsv") => ("a table", "score"),
        _ if path.join("config.toml").is_file() || path.join("ensemble.toml").is_file() => {
            ("a run", "evaluate")
        }
        _ => return Ok(()),
    };
    anyhow::ensure!(path.exists(), "{}: no such file; check the path's spelling", path.display());
    anyhow::bail!("{0}: {what}, not a data set or scene; see lcz {command} {0}", path.display())
}

fn describe_scene(scene: &Scene, cx: &Context) -> anyhow::Result<()> {
    let summary = scene.summary(&CloudFilter::default())?;
    if cx.json {
        return output::json(&summary);
    }
    output::line(&summary.name)?;
    if let Some(sensor) = summary.sensor {
        output::line(format!("  sensor      {sensor}"))?;
    }
    output::line(format!("  system      {}", summary.crs))?;
    match &summary.classes {
        Some(_) => output::line("  content     class map")?,
        None => output::line(format!("  unit        {}", summary.unit))?,
    }
    if let Some(share) = summary.clouds {
        output::line(format!(
            "  clouds      {} of the pixels with data, with their shadows",
            percent(share)
        ))?;
    }
    output::line(format!("  provenance  {}\n", summary.provenance))?;
    if let Some(classes) = &summary.classes {
        let mut table = Table::new(["number", "class", "pixels", "share"]);
        for class in classes {
            let [number, pixels] = [usize::from(class.number), class.pixels].map(|count| count.to_string());
            table.row([number, class.name.clone(), pixels, percent(class.share)]);
        }
        table.print()?;
        output::line("")?;
    }
    let mut table =
        Table::new(["band", "metres", "size", "scale", "offset", "no data is", "without data", "file"]);
    for band in summary.bands {
        let [rows, columns] = band.size;
        let value = band.no_data.map(|value| value.to_string());
        let mask = band.masked.then(|| "masked".to_owned());
        let no_data: Vec<String> = value.into_iter().chain(mask).collect();
        table.row([
            band.name,
            number(band.metres, 2),
            format!("{rows} x {columns}"),
            band.scale.to_string(),
            band.offset.to_string(),
            if no_data.is_empty() { "not stated".to_owned() } else { no_data.join(", ") },
            percent(band.without_data),
            band.file,
        ]);
    }
    Ok(table.print()?)
}

/// Five patches per class.
fn gallery(patches: &Patches) -> lcz::Result<figures::Figure> {
    let bands = &patches.imagery().bands;
    let radar = bands.positions(&Bands::named(["VV intensity", "VH intensity"])?).is_ok();
    let composite = if radar { Composite::Radar } else { Composite::TrueColour };
    let data = patches.provenance();
    let caption = Caption::new("Patches of each class", format!("{data}, n = {}", patches.len()));
    let figure = figures::gallery(patches, 5, composite, &caption)?;
    Ok(figure.with_provenance(&figures::Provenance::new(data, Source::Other)))
}

impl Report {
    fn print(&self) -> anyhow::Result<()> {
        let Summary { imagery, .. } = &self.summary;
        let pixel = imagery.ground_sampling_distance.map_or("? m".to_owned(), metres);
        output::line(&self.summary.name)?;
        output::line(format!(
            "  patches     {} of {1} x {1} pixels ({pixel}, {2})",
            self.summary.patches,
            imagery.patch_size,
            if self.summary.unit_assumed { "unit not stated, reflectance assumed" } else { &imagery.unit }
        ))?;
        output::line(format!("  bands       {}", imagery.bands))?;
        if !self.summary.has_labels() {
            output::line("  labels      none")?;
        }
        output::line(format!("  provenance  {}", self.summary.provenance))?;
        let datasets: Vec<String> = self.datasets.iter().map(ToString::to_string).collect();
        output::line(format!("  datasets    {}", datasets.join(", ")))?;
        if let Some(share) = self.summary.unlabelled_pixels {
            output::line(format!("  masks       {} of the pixels without a class", percent(share)))?;
        }
        if let Some(votes) = &self.summary.votes {
            output::line(format!(
                "  votes       mean entropy {:.3} nats, {:.1} % unanimous",
                votes.mean_entropy,
                100.0 * votes.unanimous
            ))?;
        }
        if let Some(groups) = self.summary.groups {
            let cities = &self.summary.cities;
            let names = if cities.is_empty() { String::new() } else { format!(": {}", cities.join(", ")) };
            output::line(format!("  groups      {groups}{names}"))?;
        }
        if let Some(layout) = &self.summary.unfavourable_chunks {
            output::line(format!("  slow        {layout}"))?;
        }
        output::line("")
    }

    fn has_classes_of(&self, other: &Self) -> bool {
        let [these, those] =
            [self, other].map(|report| report.summary.classes.iter().map(|class| &class.code));
        these.eq(those)
    }

    fn print_statistics(&self) -> anyhow::Result<()> {
        let Some(statistics) = &self.statistics else { return Ok(()) };
        let mut table = Table::new(["band", "mean", "standard deviation"]);
        let columns = statistics.mean.iter().zip(&statistics.standard_deviation);
        for (band, (mean, deviation)) in self.summary.imagery.bands.names().iter().zip(columns) {
            table.row([band.clone(), format!("{mean:.5}"), format!("{deviation:.5}")]);
        }
        output::line(format!("\n{}", self.summary.name))?;
        Ok(table.print()?)
    }
}

/// The patches or the pixels of a class, where they are known.
type CountOf = fn(&ClassCount) -> Option<usize>;

/// Patches or pixels per class and their share, two columns per file.
fn print_classes(header: &str, count: CountOf, reports: &[&Report]) -> anyhow::Result<()> {
    let headings = reports.iter().flat_map(|report| [report.stem.clone(), "%".to_owned()]);
    let mut table = Table::new([header.to_owned()].into_iter().chain(headings));
    for (k, class) in reports[0].summary.classes.iter().enumerate() {
        let cells = reports.iter().flat_map(|report| {
            let classes = &report.summary.classes;
            let total: usize = classes.iter().filter_map(count).sum();
            let count = count(&classes[k]).unwrap_or_default();
            // A mask may be without any class.
            [count.to_string(), format!("{:.1}", 100.0 * count as f64 / total.max(1) as f64)]
        });
        table.row([class.name.clone()].into_iter().chain(cells));
    }
    Ok(table.print()?)
}
