//! Maps of a whole scene: classes, confidence and entropy, and accuracy against a reference raster.
//!
//! ```no_run
//! use lcz::mapping::{self, MapOutput, Mapping};
//! use lcz::scene::Scene;
//! use lcz::{checkpoint, models::Device, progress::Silent};
//! # fn main() -> lcz::Result<()> {
//! let model = checkpoint::load_classifier("model.safetensors", Device::Cpu)?;
//! let bands = model.imagery().bands.names().iter().map(|band| format!("city/{band}.tif"));
//! let mapping = Mapping::default();
//! let map = mapping::map_with(&*model, Scene::open(bands)?, &mapping, &MapOutput::default(), &mut Silent)?;
//! map.figure.expect("not a shard").save("figures", "map")?;
//! # Ok(())
//! # }
//! ```

mod assessment;
pub(crate) mod blend;
mod classification;
mod files;
mod filter;
mod mosaic;
mod report;
mod seams;
mod sources;
mod styles;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::{Array2, Array3};

use crate::data::{BandStatistics, Sample};
use crate::display::percent;
use crate::figures::{self, Caption, Figure, MapPicture, Provenance, Source};
use crate::models::{Classifier, Device};
use crate::run::Run;
use crate::scene::{CloudFilter, Distance, GeoBox, Grid, Labelling, Radiometry, Scene, SceneView};
pub use crate::shard::Shard;
use crate::{Error, Palette, Progress, Result, provenance};

pub use assessment::{AssessedClass, Assessing, Assessment, assess};
use classification::{Classification, Clouds};
use files::{Files, Names};
use filter::Kernel;
pub use mosaic::{MosaicReport, Mosaicking, mosaic};
use report::MapNumbers;
pub use report::{ClassArea, MapClass, MapDate, MapReport, MapScores};
pub use seams::Seams;
pub use sources::FusedSensor;
use sources::{Input, Traversal, conversion, fused, identity, named_as, of_run, same_ground, seen, together};

/// Default stride for a model of patches, and default width of the filter, as in the LCZ Generator.
const ZONE: Distance = Distance::Metres(100.0);

/// How a scene is mapped.
#[derive(Debug, Clone, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct Mapping {
    /// The stride, on the ground or in pixels that the model sees. Where not given, 100 m for a model of
    /// patches, and half a tile for one of pixels.
    pub stride: Option<Distance>,
    /// Whether a scene of another ground sampling distance than the model was trained at is resampled.
    pub resample: bool,
    /// What the values in the files mean.
    pub radiometry: Radiometry,
    /// The part of the scene that is mapped; all of it if `None`.
    pub area: Option<GeoBox>,
    /// What counts as cloud, on dates with scene classes. A window is under clouds if they hide more than `most` of it.
    pub clouds: CloudFilter,
    /// Whether windows or pixels under clouds get no class, or of several dates that of the others.
    pub mask_clouds: bool,
    /// Standard deviation of the Gaussian that the filtered map is smoothed with, one for all classes. Where not given, each
    /// zone has its own width (Demuzere et al. 2020), and other classes 100 m; the map of a model of pixels is not smoothed.
    pub sigma: Option<Distance>,
    /// Whether the probabilities of all classes are written, too.
    pub probabilities: bool,
    /// Whether the run's temperature is ignored.
    pub unscaled: bool,
    /// Whether the scene is mapped even if its values cannot be reflectance.
    pub ignore_radiometry: bool,
    /// Provenance of the scene, if its files do not state it.
    pub data: Option<String>,
    /// Further sensors, whose networks' probabilities are averaged with those of the first.
    pub with: Vec<FusedSensor>,
    /// The part that is mapped; all of it if `None`.
    pub shard: Option<Shard>,
    /// The zones' colours.
    pub palette: Palette,
    /// Where the model runs.
    pub device: Device,
    /// How the reference is read; its classes are those of the model.
    pub labelling: Labelling,
}

impl Default for Mapping {
    /// The radiometry that the files state, and everything else as is usual for the model.
    fn default() -> Self {
        Self {
            stride: None,
            resample: true,
            radiometry: Radiometry::default(),
            area: None,
            clouds: CloudFilter::default(),
            mask_clouds: false,
            sigma: None,
            probabilities: false,
            unscaled: false,
            ignore_radiometry: false,
            data: None,
            with: Vec::new(),
            shard: None,
            palette: Palette::default(),
            device: Device::Cpu,
            labelling: Labelling::default(),
        }
    }
}

/// Output of a map, and its reference.
#[derive(Debug, Clone, Default)]
pub struct MapOutput<'a> {
    /// The GeoTIFF to write, next to which the other files lie; nothing is written without it.
    pub out: Option<&'a Path>,
    /// Whether files of these names are replaced.
    pub replace: bool,
    /// A GeoTIFF, or a file of polygons, of the true classes.
    pub truth: Option<&'a Path>,
    /// The figure's title, instead of one that names the model.
    pub title: Option<&'a str>,
    /// Mean and standard deviation of each band that the model was trained on.
    pub trained: Option<BandStatistics>,
    /// The random seed of the model.
    pub seed: Option<u64>,
    /// The configuration of the model.
    pub configuration: Option<String>,
}

/// A map.
#[derive(Debug)]
pub struct SceneMap {
    /// What it holds.
    pub report: MapReport,
    /// The map as a figure; a shard has none.
    pub figure: Option<Figure>,
    /// The class numbers, 0 for no data. Shape: (lines, columns).
    pub numbers: Array2<u8>,
}

/// Maps a scene with the model of a run; several scenes are dates of one place, whose probabilities are averaged.
///
/// `OUT.tif` gets three bands of bytes, 0 = no data, as the LCZ Generator's maps: `lcz`, the classes (the zones' numbers 1–17, or
/// those of other classes from 1 on, then `class`), `lczFilter`, the same smoothed by Gaussians, and `probability`, the highest
/// one in percent; `OUT.tif.aux.xml` and `OUT.qml` name and colour the classes for GDAL and QGIS. `OUT-confidence.tif` gets the highest
/// probability, `OUT-entropy.tif` the entropy of the probabilities in nats, `OUT-probabilities.tif` all of them if requested (no
/// data: NaN), and `OUT.png`, `OUT.svg` and `OUT.csv` the map as a figure. A model of pixels has no filtered map.
///
/// A model of patches classifies windows around the points of a grid, one by one: near its edges a network with padded
/// convolutions sees the padding, so that what overlapping windows share is not the same in each, and computing it once
/// would change the result. A window with a pixel without data in any band has no class.
///
/// Of several dates a window has the mean of the probabilities on those on which it has data (and, with `mask_clouds`, a
/// clear sky): `p(k) = Σ_d p_d(k) / D`.
///
/// Networks of several sensors ([`Mapping::with`]) are fused as the So2Sat project does: the mean of their probabilities, each of
/// which is first averaged over its dates; where only one of them has data, it counts alone.
///
/// A [shard](Mapping::shard) maps a stripe of the lines, into `OUT-shard-i-of-n.tif`, the files with its numbers, and no figure;
/// [`mosaic()`] merges shards. In a shard the filter lacks the neighbours beyond its ends.
///
/// A model of pixels is given overlapping tiles, and a pixel's probabilities are the weighted mean over the tiles
/// that cover it, so that no seam shows.
///
/// # Errors
/// A name that is taken or does not end in .tif, bands that the model needs and the scene lacks, pixels of another kind than those that
/// the model was trained on, a scene without a whole window, files that cannot be read or written. No GeoTIFF has
/// its name before all files are written.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::mapping::{self, Mapping};
/// use lcz::{run::Run, scene::Scene};
/// let scene = Scene::open(["city/B4.tif", "city/B3.tif", "city/B2.tif"])?; // the bands of the run's model
/// let (run, mapping) = (Run::open("runs/first")?, Mapping::default());
/// let map = mapping::map(&run, scene, &mapping, "city.tif", None, &mut lcz::progress::Silent)?;
/// println!("{} x {} pixels", map.numbers.nrows(), map.numbers.ncols());
/// # Ok(())
/// # }
/// ```
pub fn map(
    run: &Run,
    dates: impl Into<Vec<Scene>>,
    mapping: &Mapping,
    out: impl AsRef<Path>,
    truth: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<SceneMap> {
    let out = out.as_ref();
    // Before the model is loaded.
    Names::of(out, (mapping.probabilities, mapping.shard), false)?;
    let model = of_run(run, mapping)?;
    let (seed, configuration) = run.settings()?;
    let (_, trained) = run.trained_on()?;
    let output = MapOutput { out: Some(out), truth, trained, seed, configuration, ..MapOutput::default() };
    map_with(&*model, dates, mapping, &output, progress)
}

/// Maps a scene with a model in memory; see [`map()`], and the [module's example](self).
///
/// # Errors
/// As there.
pub fn map_with(
    model: &dyn Classifier,
    dates: impl Into<Vec<Scene>>,
    mapping: &Mapping,
    output: &MapOutput<'_>,
    progress: &mut dyn Progress,
) -> Result<SceneMap> {
    let names = |out| Names::of(out, (mapping.probabilities, mapping.shard), output.replace);
    let names = output.out.map(names).transpose()?;
    // Before the model runs.
    output.truth.map(crate::files::open_file).transpose()?;
    let imagery = model.imagery();
    mapping.clouds.check()?;
    let dates = dates.into().into_iter().map(|scene| named_as(scene, &imagery.bands));
    let dates = dates.collect::<Result<Vec<_>>>()?;
    let Some(scene) = dates.first() else {
        return Err(Error::input("scene", "none is given", "give one, such as a Sentinel-2 product"));
    };
    let place = scene.files()[0].path();
    let others = fused(model, mapping)?;
    let how = (mapping, &mapping.radiometry);
    let views = dates.iter().map(|scene| seen(scene, model, how, output.trained.as_ref()));
    let mut sources = vec![Input { model, dates: views.collect::<Result<Vec<_>>>()? }];
    let as_stated = Radiometry::default();
    for (model, scenes) in &others {
        let views = scenes.iter().map(|scene| seen(scene, &**model, (mapping, &as_stated), None));
        sources.push(Input { model: &**model, dates: views.collect::<Result<Vec<_>>>()? });
    }
    let view = &sources[0].dates[0];
    sources.iter().flat_map(|source| &source.dates).try_for_each(|other| same_ground(view, other))?;
    let traversal = Traversal::of(&sources, mapping.stride, mapping.shard)?;
    let grid = traversal.map();
    check_shard(mapping, output, (place, grid))?;
    let table = MapNumbers::of(model.classes(), mapping.palette)?;
    let smoothed = mapping.sigma.is_some() || model.sample() == Sample::Patch;
    let kernels = smoothed.then(|| kernels(mapping.sigma, &table, grid)).transpose()?;
    let all_dates = || dates.iter().chain(others.iter().flat_map(|(_, scenes)| scenes));
    let data = together(all_dates().map(Scene::provenance).collect());
    let data = provenance::given(data, mapping.data.as_deref());
    // Before the model runs: what is wrong with the labels is known at once.
    let labelling = Labelling { classes: table.of_truth(), ..mapping.labelling.clone() };
    let truth = output.truth.map(|truth| labelling.numbers_on(truth, grid, place)).transpose()?;
    let (truth, labels) = truth.unzip();

    if let Some(names) = names.as_ref().filter(|_| output.replace) {
        names.remove()?;
    }
    let map = mapping.shard.map(|_| identity(&sources, mapping)).transpose()?.unwrap_or_default();
    let files = names.as_ref().map(|names| Files::create(names, grid, table.classes(), (&data, &map)));
    let files = files.transpose()?;
    let clouds = Clouds { filter: &mapping.clouds, masked: mapping.mask_clouds };
    let map_dates = all_dates().map(|date| MapDate {
        scene: date.name(),
        without_data: 0,
        under_clouds: date.scene_classes().map(|_| 0),
    });
    let map_dates = (clouds, map_dates.collect());
    let mut classified = Classification::of(&traversal, map_dates, &table, files, progress)?;
    let total = classified.map.len();
    if classified.classified == 0 && mapping.shard.is_none() {
        return Err(nothing_seen(place, &traversal, total, mapping.mask_clouds));
    }
    progress.begin("filtering", 1);
    let filtered =
        kernels.map(|kernels| filter::gaussian(&classified.map, |number| kernels[&number].clone()));
    progress.end("");

    let score = |map: &Array2<u8>| {
        truth.as_ref().map(|truth| MapScores::of(truth, map, &table.of_truth())).transpose()
    };
    let map_scores = score(&classified.map)?;
    let filtered_scores = filtered.as_ref().map(score).transpose()?.flatten();
    let metres = grid.pixel_metres();
    grid.warn_of_scale(place);
    let resampled = view.grid() != view.source();
    let report = MapReport {
        sample: model.sample(),
        size: [grid.rows, grid.columns],
        crs: grid.crs.to_string(),
        pixel_metres: metres,
        input_size: [view.grid().rows, view.grid().columns],
        input_metres: view.grid().ground_sampling_distance(),
        resampled_from: view.source().ground_sampling_distance().filter(|_| resampled),
        conversion: conversion(&dates, &mapping.radiometry)?,
        stride: traversal.stride(),
        dates: classified.dates.clone(),
        networks: sources.len(),
        max_cloud: mapping.clouds.most,
        clouds_masked: mapping.mask_clouds,
        classified: classified.classified,
        without_data: total - classified.classified,
        seconds: classified.seconds,
        classified_per_second: classified.classified as f64 / classified.seconds,
        mean_confidence: classified.confidence / classified.classified.max(1) as f64,
        classes: ClassArea::of(&classified.map, &table, grid.pixel_area()),
        scores: map_scores,
        filtered_scores,
        labels,
        files: names.as_ref().map(Names::shown).unwrap_or_default(),
    };
    let figure = || {
        let seen = traversal.true_colour(&sources[0])?;
        let maps = (&classified.map, truth.as_ref(), seen.as_ref());
        figure(&sources, &report, maps, &table, grid, (output, &data))
    };
    let figure = mapping.shard.is_none().then(figure).transpose()?;
    if let (Some(files), Some(names)) = (classified.files.take(), &names) {
        files.publish(names, (&classified.map, filtered.as_ref()), (grid, &table, &data), figure.as_ref())?;
    }
    Ok(SceneMap { report, figure, numbers: classified.map })
}

/// A shard is an intermediate result.
fn check_shard(mapping: &Mapping, output: &MapOutput<'_>, (place, grid): (&Path, &Grid)) -> Result<()> {
    if mapping.shard.is_some() && grid.transform.is_none() {
        let problem = "it does not say where its pixels lie, so that shards of it could not be merged";
        return Err(Error::file(place, problem, "set it with gdal_edit.py -a_srs and -a_ullr"));
    }
    if mapping.shard.is_none() || (mapping.sigma.is_none() && output.truth.is_none()) {
        return Ok(());
    }
    let problem = "it is neither filtered with a width of its own nor compared with labels";
    let advice = "merge the shards first: lcz mosaic --sigma, then lcz assess --labels";
    Err(Error::input("shard", problem, advice))
}

/// No window or pixel has a class.
fn nothing_seen(place: &Path, traversal: &Traversal<'_>, total: usize, masked: bool) -> Error {
    let problem = match (traversal, masked) {
        (Traversal::Windows(_), false) => format!("each of its {total} windows holds a pixel without data"),
        (Traversal::Windows(_), true) => {
            format!("each of its {total} windows holds a pixel without data or lies under clouds")
        }
        (Traversal::Tiles { .. }, false) => format!("none of its {total} pixels has data"),
        (Traversal::Tiles { .. }, true) => format!("none of its {total} pixels has data and a clear sky"),
    };
    Error::file(place, problem, "give a clearer date, or name the value that means no data: --nodata")
}

/// The filter's Gaussian for each class number: of one width if it is given, else of each zone's own, and 100 m for classes that
/// are not zones.
fn kernels(sigma: Option<Distance>, table: &MapNumbers, map: &Grid) -> Result<BTreeMap<u8, Kernel>> {
    let place = "the filter's width";
    let in_pixels = |distance: Distance| distance.on(map, place, "give it in pixels: --sigma 1px");
    let kernel = |k: usize| {
        if let (None, Some(zone)) = (sigma, table.classes().zone(k)) {
            let [radius, sigma] = filter::width_of(zone).map(|metres| in_pixels(Distance::Metres(metres)));
            return Ok(Kernel::new(radius?, sigma?));
        }
        let sigma = in_pixels(sigma.unwrap_or(ZONE))?;
        if sigma.iter().any(|&sigma| sigma <= 0.0) {
            return Err(Error::input(place, "0", "give it above 0, such as 100m"));
        }
        if sigma.iter().any(|&sigma| sigma > map.rows.max(map.columns) as f64) {
            return Err(Error::input(place, "wider than the map", "give one such as 100m"));
        }
        Ok(Kernel::of_width(sigma))
    };
    (0..table.classes().len()).map(|k| Ok((table.number(k), kernel(k)?))).collect()
}

fn figure(
    sources: &[Input<'_, SceneView<'_>>],
    report: &MapReport,
    (map, truth, seen): (&Array2<u8>, Option<&Array2<u8>>, Option<&Array3<f32>>),
    table: &MapNumbers,
    grid: &Grid,
    (output, data): (&MapOutput<'_>, &str),
) -> Result<Figure> {
    let what = if table.are_zones() { "Local Climate Zones" } else { "Classes" };
    let names: Vec<_> = sources.iter().map(|source| source.model.name()).collect();
    let title = output.title.map_or_else(|| format!("{what} by {}", names.join(" and ")), str::to_owned);
    let mut notes = Vec::new();
    if report.sample == Sample::Pixel {
        let size = sources[0].model.imagery().patch_size;
        notes.push(format!("tiles of {size} pixels, {} apart, averaged", report.stride[0]));
    }
    if let Some([across, _]) = report.pixel_metres {
        notes.push(format!("a pixel is {across:.0} m wide"));
    }
    if let (Some(from), Some(to)) = (report.resampled_from, report.input_metres) {
        notes.push(format!("the scene was resampled from {from:.1} to {to:.1} m"));
    }
    if sources[0].dates.len() > 1 {
        notes.push(format!("mean of {} dates", sources[0].dates.len()));
    }
    if sources.len() > 1 {
        notes.push(format!("mean of the probabilities of {} networks", sources.len()));
    }
    if report.without_data > 0 {
        let missing = percent(report.without_data as f64 / map.len() as f64);
        let of = if report.sample == Sample::Patch { " of the windows" } else { "" };
        let clouds = if report.clouds_masked { " or clouds" } else { "" };
        notes.push(format!("no data{clouds}: {missing}{of}"));
    }
    if let Some(scores) = &report.scores {
        notes.push(format!(
            "overall accuracy {:.3} on {} pixels that have a reference class and one on the map",
            scores.overall_accuracy,
            scores.pixels - scores.without_class
        ));
    }
    let picture = MapPicture {
        classes: &table.of_truth(),
        palette: table.palette(),
        map: map.view(),
        truth: truth.map(|truth| truth.view()),
        seen,
        pixel_metres: report.pixel_metres,
        pixel_area: grid.pixel_area(),
        north: grid.north(),
        notes: notes.join("; "),
    };
    let provenance = Provenance {
        seed: output.seed,
        configuration: output.configuration.clone(),
        ..Provenance::new(data, Source::Other)
    };
    Ok(figures::map(&picture, &Caption::new(title, data))?.with_provenance(&provenance))
}
