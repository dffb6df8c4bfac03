//! The options that verbs share: one name, one help text and one default in all of them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{ArgAction, Args};
use lcz::data::{So2Sat, check_reflectance};
use lcz::mapping::Shard;
use lcz::models::Device;
use lcz::run::{LabelKind, Run};
use lcz::scene::{CloudFilter, Codes, Distance, GeoBox, GeoTiff, LabelRaster, Labelling, Radiometry, Scene};
use lcz::scorecard::ScorecardSettings;
use lcz::{Bands, Classes, Palette, Progress, Sensor};

use super::progress::Terminal;

/// The options of all verbs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of all commands")]
pub struct Common {
    /// Device for networks: cpu, cuda:0 (build for CUDA), or auto
    #[arg(long, global = true, value_name = "DEVICE", default_value = "cpu")]
    pub device: Device,

    /// Number of threads [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<NonZeroUsize>,

    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,

    /// Log more: -v for steps, -vv for details
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    /// Show no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// Context of a verb: progress, device, output.
pub struct Context {
    pub device: Device,
    pub json: bool,
    pub progress: Terminal,
}

/// Single options: a struct of one field each.
macro_rules! single {
    ($($(#[$attribute:meta])* $name:ident { $field:ident: $value:ty })*) => {
        $(#[derive(Debug, Args)]
        pub struct $name {
            $(#[$attribute])*
            pub $field: $value,
        })*
    };
}

single! {
    /// Random seed [default: 0]
    #[arg(long, value_name = "N")]
    Seed { seed: Option<u64> }

    /// Data set: a folder of training.h5, validation.h5 and testing.h5, or one file
    #[arg(long, value_name = "PATH")]
    Data { data: Option<PathBuf> }

    /// Run folder
    RunFolder { run: PathBuf }

    /// Output; an existing one is not replaced
    #[arg(long, value_name = "PATH")]
    Output { out: PathBuf }

    /// Folder to draw figures into
    #[arg(long, value_name = "DIR")]
    FigureFolder { figures: Option<PathBuf> }

    /// Number of synthetic patches [default: 6000]
    #[arg(long, value_name = "N")]
    SyntheticPatches { patches: Option<usize> }

    /// Maximum number of epochs [default: that of the model or study]
    #[arg(long, value_name = "N")]
    Epochs { epochs: Option<usize> }

    /// Number of passes with Monte Carlo dropout, which are averaged; 20 are usual
    #[arg(long, value_name = "N")]
    MonteCarloDropout { mc_dropout: Option<usize> }

    /// Ignore the temperature of the run
    #[arg(long)]
    Unscaled { unscaled: bool }

    /// Accept values that cannot be reflectance: digital numbers, a wrong scale or offset
    #[arg(long)]
    IgnoreRadiometry { ignore_radiometry: bool }

    /// Provenance of the data, as figures state it [default: from the files]
    #[arg(long, value_name = "TEXT")]
    Provenance { provenance: Option<String> }

    /// Reference classes: a GeoTIFF (1-17: LCZ 1-10, A-G; 0: none), shapefile, GeoPackage, KML, KMZ or GeoJSON
    #[arg(long, alias = "truth", value_name = "FILE")]
    Labels { labels: Option<PathBuf> }

    /// Stride of the windows of a map, in metres (100m) or pixels (10px) [default: 100m, or half a tile for a model of pixels]
    #[arg(long, value_name = "DISTANCE")]
    Stride { stride: Option<String> }

    /// Take as target the one-hot labels, the shares of the votes, or these smoothed so that no class is ruled out
    /// (posterior)
    #[arg(long, alias = "labels", value_name = "TARGET", value_parser = ["one-hot", "votes", "posterior"])]
    Target { target: Option<String> }

    /// Part i of n: of a prepared study runs i, i+n, i+2n, ...; of a map a stripe of its lines
    #[arg(long, value_name = "i/n")]
    ShardOption { shard: Option<Shard> }

    /// Colours of the zones: lcz4r, generator (LCZ Generator, WUDAPT) or accessible (distinguished by colour-blind readers)
    #[arg(long, value_name = "NAME", default_value_t = Palette::default())]
    PaletteOption { palette: Palette }

    /// One standard deviation for the Gaussians of lczFilter, in metres or pixels of the map [default: by zone, 25m to
    /// 250m; no filter for a model of pixels]
    #[arg(long, value_name = "100m|1px")]
    Sigma { sigma: Option<String> }

    /// Names of the classes, separated by commas [default: from the file, else the 17 zones]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    ClassNames { classes: Option<Vec<String>> }
}

impl Sigma {
    pub fn get(&self) -> lcz::Result<Option<Distance>> {
        self.sigma.as_deref().map(str::parse).transpose()
    }
}

impl Seed {
    pub fn get(&self) -> u64 {
        self.seed.unwrap_or_default()
    }
}

impl IgnoreRadiometry {
    /// Refuses patches whose values cannot be reflectance: of a file, or of this file in a folder. Where they cannot be opened,
    /// the verb reports why.
    pub fn check(&self, data: &Path, file: &str, run: Option<&Run>) -> lcz::Result<()> {
        let data = if data.is_dir() { data.join(file) } else { data.to_owned() };
        let (trained, set) = (run.map(Run::trained_on), So2Sat::open(data));
        if self.ignore_radiometry || trained.as_ref().is_some_and(Result::is_err) {
            return Ok(());
        }
        let (bands, trained) = match trained.transpose()? {
            Some((imagery, trained)) => (Some(imagery.bands), trained),
            None => (None, None),
        };
        match set.and_then(|set| bands.iter().fold(set, So2Sat::bands).patches()) {
            Ok(patches) => check_reflectance(&patches, trained.as_ref()),
            Err(_) => Ok(()),
        }
    }
}

/// A run, and data for it.
#[derive(Debug, Args)]
pub struct RunAndData {
    #[command(flatten)]
    run: RunFolder,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    guard: IgnoreRadiometry,
}

impl RunAndData {
    /// The run and the data: those of the command line, else those that the run was trained on; of a folder this file is
    /// checked.
    pub fn open(self, file: &str) -> anyhow::Result<(Run, PathBuf)> {
        let run = Run::open(&self.run.run)?;
        let data = match self.data.data {
            None => run.data()?.map(|data| data.path),
            given => given,
        };
        let unknown = || format!("{}: no config.toml that names data; give --data", run.folder().display());
        let data = data.with_context(unknown)?;
        self.guard.check(&data, file, Some(&run))?;
        Ok((run, data))
    }
}

/// Settings of a training.
#[derive(Debug, Args)]
pub struct Settings {
    /// Patches per step [default: training.batch_size of the model]
    #[arg(long, alias = "batch", value_name = "N")]
    pub batch_size: Option<usize>,

    /// Learning rate [default: training.learning_rate of the model]
    #[arg(long, value_name = "RATE")]
    pub learning_rate: Option<f64>,

    /// Set a setting that `lcz train --help` lists; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl Settings {
    /// All of them as `key=value`, with those of other options over them.
    pub fn get(self, more: &[(&str, Option<String>)]) -> Vec<String> {
        let short = [
            ("training.batch_size", self.batch_size.map(|n| n.to_string())),
            ("training.learning_rate", self.learning_rate.map(|rate| rate.to_string())),
        ];
        let mut settings = self.set;
        for (key, value) in short.iter().chain(more) {
            settings.extend(value.iter().map(|value| format!("{key}={value}")));
        }
        settings
    }

    pub fn is_given(&self) -> bool {
        self.batch_size.is_some() || self.learning_rate.is_some() || !self.set.is_empty()
    }
}

impl Target {
    pub fn get(&self) -> Option<LabelKind> {
        self.target.as_deref().map(|target| match target {
            "votes" => LabelKind::Votes,
            "posterior" => LabelKind::Posterior,
            _ => LabelKind::OneHot,
        })
    }
}

/// How the table of measures is made.
#[derive(Debug, Args)]
pub struct Measures {
    /// Number of equal-width bins of the calibration errors
    #[arg(long, value_name = "N", default_value_t = ScorecardSettings::default().bins)]
    bins: usize,

    /// Number of bootstrap rounds of the column 'if calibrated'; 0 for none
    #[arg(long, alias = "rounds", value_name = "N", default_value_t = ScorecardSettings::default().rounds)]
    bootstrap: usize,

    #[command(flatten)]
    seed: Seed,
}

impl Measures {
    pub fn get(&self) -> ScorecardSettings {
        let (bins, rounds, seed) = (self.bins, self.bootstrap, self.seed.get());
        ScorecardSettings { bins, rounds, seed, ..ScorecardSettings::default() }
    }
}

/// A scene, and how it is read.
#[derive(Debug, Args)]
pub struct SceneOptions {
    /// GeoTIFFs of the bands, separated by commas
    #[arg(long, value_name = "A.tif,...", required_unless_present = "scene")]
    pub bands: Vec<String>,

    /// Scene: Sentinel-2 product (.SAFE folder, zip), Landsat Level 2 (folder, tar), folder of GeoTIFFs, or one GeoTIFF of all
    /// bands; repeated for each further date
    #[arg(long, value_name = "PATH", conflicts_with = "bands")]
    pub scene: Vec<PathBuf>,

    /// Names of the bands, separated by commas; of a scene that has them, the bands to take [default: from the files]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    band_names: Option<Vec<String>>,

    /// Scale: a pixel is SCALE times the value in the file, plus OFFSET [default: from the file, else 1]
    #[arg(long, allow_negative_numbers = true)]
    scale: Option<f64>,

    /// Offset: -0.1 for Sentinel-2 since 25 January 2022 (scale 1e-4) and Landsat 8 (scale 2e-5) [default: from the file,
    /// else 0]
    #[arg(long, allow_negative_numbers = true)]
    offset: Option<f64>,

    /// Unit of the pixels [default: from the file, else reflectance with a scale or an offset, else digital number]
    #[arg(long)]
    unit: Option<String>,

    /// Value for no data; nan for NaN alone [default: from the files]
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    nodata: Option<f64>,

    /// Part of the scene, in degrees of longitude and latitude [default: all of it]
    #[arg(long, value_name = "W,S,E,N", allow_hyphen_values = true)]
    bbox: Option<String>,
}

impl SceneOptions {
    /// A scene of these files, separated by commas.
    pub fn open<'a>(&self, files: impl IntoIterator<Item = &'a String>) -> lcz::Result<Scene> {
        let files = files.into_iter().flat_map(|files| files.split(','));
        let scene = Scene::open(files.map(str::trim).filter(|file| !file.is_empty()))?;
        match self.band_names.clone().map(Bands::named).transpose()? {
            Some(names) => scene.with_band_names(names),
            None => Ok(scene),
        }
    }

    /// What the values in the files mean.
    pub fn radiometry(&self) -> Radiometry {
        Radiometry { scale: self.scale, offset: self.offset, unit: self.unit.clone(), no_data: self.nodata }
    }

    /// The scenes given, and their bands: those of --band-names, else of a Sentinel-2 product `bands`, else all.
    fn scenes(&self, bands: Option<&Bands>) -> lcz::Result<Vec<Scene>> {
        let named = self.band_names.clone().map(Bands::named).transpose()?;
        let scene = |path: &PathBuf| {
            let scene = Scene::at(path)?;
            let of_sentinel2 = scene.is_product() && scene.sensor() == Some(Sensor::Sentinel2);
            match (&named, bands) {
                (Some(names), _) => scene.only_or_named(names.clone()),
                (None, Some(bands)) if of_sentinel2 => scene.only(bands),
                _ => Ok(scene),
            }
        };
        self.scene.iter().map(scene).collect()
    }

    /// A scene for each --scene, of a Sentinel-2 product these bands unless others are named, or for each of --bands; with
    /// the scene classes.
    pub fn dates(&self, bands: Option<&Bands>, clouds: &CloudOptions) -> anyhow::Result<Vec<Scene>> {
        let mut dates = self.scenes(bands)?;
        for files in &self.bands {
            dates.push(self.open([files])?);
        }
        clouds.with_classes(dates)
    }

    /// As [`dates`](Self::dates), but all --bands are of one date.
    pub fn seasons(&self, clouds: &CloudOptions) -> anyhow::Result<Vec<Scene>> {
        let mut dates = self.scenes(None)?;
        if dates.is_empty() {
            dates.push(self.open(&self.bands)?);
        }
        clouds.with_classes(dates)
    }

    /// The part of the scene that counts.
    pub fn area(&self) -> lcz::Result<Option<GeoBox>> {
        self.bbox.as_deref().map(str::parse).transpose()
    }
}

/// Which pixels clouds hide.
#[derive(Debug, Args)]
pub struct CloudOptions {
    /// Sentinel-2's scene classes, which show clouds; once for each date [default: with --scene those of the product or
    /// folder, with --bands none]
    #[arg(long, value_name = "SCL.tif")]
    scl: Vec<PathBuf>,

    /// Largest share of a patch, of a map a window, under clouds and their shadows, in percent [default: 15]
    #[arg(long, value_name = "PERCENT")]
    max_cloud: Option<f64>,

    /// Scene classes that count as cloud: 3 cloud shadow, 8 and 9 clouds, 10 thin cirrus [default: 3,8,9,10]
    #[arg(long, value_name = "CLASS,...", value_delimiter = ',')]
    cloud_classes: Option<Vec<u8>>,
}

impl CloudOptions {
    /// What counts as cloud.
    pub fn filter(&self) -> CloudFilter {
        let default = CloudFilter::default();
        CloudFilter {
            hidden: self.cloud_classes.clone().unwrap_or(default.hidden),
            most: self.max_cloud.map_or(default.most, |percent| percent / 100.0),
        }
    }

    /// The dates with their scene classes.
    fn with_classes(&self, mut dates: Vec<Scene>) -> anyhow::Result<Vec<Scene>> {
        let (classes, count) = (self.scl.len(), dates.len());
        anyhow::ensure!(
            classes == 0 || classes == count,
            "--scl: {classes} files of scene classes for {count} dates; give one for each"
        );
        for (date, scl) in dates.iter_mut().zip(&self.scl) {
            *date = date.clone().with_scene_classes(GeoTiff::open(scl)?);
        }
        let asked =
            [("--max-cloud", self.max_cloud.is_some()), ("--cloud-classes", self.cloud_classes.is_some())];
        for (option, given) in asked {
            check_classes_known(option, given, &dates)?;
        }
        Ok(dates)
    }
}

/// Refuses an option that needs scene classes where a date has none.
pub fn check_classes_known(option: &str, given: bool, dates: &[Scene]) -> anyhow::Result<()> {
    match dates.iter().find(|date| given && date.scene_classes().is_none()) {
        Some(date) => anyhow::bail!("{option}: {} has no scene classes; give them with --scl", date.name()),
        None => Ok(()),
    }
}

/// Reference classes, and how they are read.
#[derive(Debug, Args)]
pub struct LabelOptions {
    #[command(flatten)]
    labels: Labels,

    /// Read this layer or band of the file, by name or number [default: its only one]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,

    /// Field of the polygons' classes: numbers, codes, names, or a path that ends in one [default: LCZ, VALUE, class, ...; of
    /// a KML the folders' and placemarks' names]
    #[arg(long, value_name = "FIELD")]
    label_field: Option<String>,

    /// Meaning of the codes in that field: a CSV of lines `code,class` (class 0: background), urban-atlas (27
    /// classes) or urban-atlas-groups (5)
    #[arg(long, value_name = "TABLE.csv")]
    codes: Option<String>,

    /// Rasterise polygons to all pixels that they touch, not only those whose centres they contain
    #[arg(long)]
    all_touched: bool,

    /// Coordinate system of the labels [default: from the file]
    #[arg(long, value_name = "EPSG:n")]
    label_crs: Option<String>,
}

impl LabelOptions {
    /// The file, where one is named.
    pub fn file(&self) -> Option<&Path> {
        self.labels.labels.as_deref()
    }

    /// How it is read.
    pub fn labelling(&self) -> anyhow::Result<Labelling> {
        let codes = match self.codes.as_deref() {
            None => None,
            Some("urban-atlas") => Some(Codes::urban_atlas()),
            Some("urban-atlas-groups") => Some(Codes::urban_atlas_groups()),
            Some(path) => Some(Codes::read(path)?),
        };
        Ok(Labelling {
            label_field: self.label_field.clone(),
            crs: self.label_crs.as_deref().map(str::parse).transpose()?,
            layer: self.layer.clone(),
            codes,
            all_touched: self.all_touched,
            ..Labelling::default()
        })
    }
}

/// Reference classes, and how they are brought to the bands.
#[derive(Debug, Args)]
pub struct GriddedLabels {
    #[command(flatten)]
    options: LabelOptions,

    /// Field of the polygons that stay in one part of the split and become `group` [default: none, split by
    /// connected regions]
    #[arg(long, value_name = "FIELD")]
    group_field: Option<String>,

    /// Reproject labels from another coordinate system or grid to that of the bands
    #[arg(long)]
    reproject: bool,

    #[command(flatten)]
    classes: ClassNames,
}

impl GriddedLabels {
    /// The labels on the grid of these bands.
    pub fn open(self, dates: &[Scene], progress: &mut dyn Progress) -> anyhow::Result<LabelRaster> {
        let mut labelling = self.options.labelling()?;
        anyhow::ensure!(
            labelling.codes.is_none() || self.classes.classes.is_none(),
            "--codes: names classes too; leave out --classes"
        );
        labelling.classes = self.classes.get()?.unwrap_or_else(Classes::lcz);
        labelling.group_field = self.group_field;
        labelling.reproject = self.reproject;
        Ok(labelling.open(self.options.labels.labels.unwrap_or_default(), dates, progress)?)
    }
}

impl ClassNames {
    pub fn get(&self) -> lcz::Result<Option<Classes>> {
        self.classes.clone().map(Classes::named).transpose()
    }
}

/// Where training, validation and testing come from.
#[derive(Debug, Args)]
pub struct Split {
    /// Assign these percentages of each class to training, validation and testing
    #[arg(long, value_name = "A/B/C", default_value = "60/15/25")]
    pub split: String,

    #[command(flatten)]
    pub seed: Seed,
}
