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
//! map.figure.save("figures", "map")?;
//! # Ok(())
//! # }
//! ```

mod assessment;
pub(crate) mod blend;
mod classification;
mod files;
mod filter;
mod report;
mod seams;
mod styles;

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::Array2;

use crate::data::{BandStatistics, Sample};
use crate::display::percent;
use crate::error::InputKind;
use crate::figures::{self, Caption, Figure, MapPicture, Provenance, Source};
use crate::files::publish;
use crate::models::{Calibrated, Classifier, Device};
use crate::run::Run;
use crate::scene::{CloudFilter, Distance, GeoBox, Grid, Labelling, Radiometry, Scene, SceneView, Windows};
use crate::{Bands, Error, Imagery, Progress, Result, Sensor, provenance};

pub use assessment::{AssessedClass, Assessing, Assessment, assess};
use classification::{Classification, Clouds};
use files::{Files, Names};
use filter::Kernel;
use report::ClassNumbers;
pub use report::{ClassArea, MapClass, MapDate, MapReport, MapScores};
pub use seams::Seams;

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
    /// The map as a figure.
    pub figure: Figure,
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
    let temperature = run.temperature()?.filter(|_| !mapping.unscaled);
    // Before the model is loaded.
    Names::of(out, mapping.probabilities, false)?;
    let model = run.classifier(mapping.device)?;
    let model = match temperature {
        Some(temperature) => Box::new(Calibrated::new(model, temperature)?) as Box<dyn Classifier>,
        None => model,
    };
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
    let names = output.out.map(|out| Names::of(out, mapping.probabilities, output.replace)).transpose()?;
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
    let views = dates.iter().map(|scene| seen(scene, model, mapping, output)).collect::<Result<Vec<_>>>()?;
    let view = &views[0];
    for other in &views[1..] {
        same_ground(view, other)?;
    }
    let traversal = Traversal::of(model, &views, mapping.stride)?;
    let grid = traversal.map();
    let table = ClassNumbers::of(model.classes())?;
    let kernels = kernels(mapping.sigma, model, &table, grid)?;
    let data = provenance::given(provenance_of(&dates), mapping.data.as_deref());
    // Before the model runs: what is wrong with the labels is known at once.
    let labelling = Labelling { classes: table.of_truth(), ..mapping.labelling.clone() };
    let truth = output.truth.map(|truth| labelling.numbers_on(truth, grid, place)).transpose()?;
    let (truth, labels) = truth.unzip();

    if let Some(names) = names.as_ref().filter(|_| output.replace) {
        names.remove()?;
    }
    let files = names.as_ref().map(|names| Files::create(names, grid, table.classes(), &data)).transpose()?;
    let clouds = Clouds { filter: &mapping.clouds, masked: mapping.mask_clouds };
    let map_dates = dates.iter().map(|date| MapDate {
        scene: date.name(),
        without_data: 0,
        under_clouds: date.scene_classes().map(|_| 0),
    });
    let map_dates = (clouds, map_dates.collect());
    let mut classified = Classification::of(model, &traversal, map_dates, &table, files, progress)?;
    let total = classified.map.len();
    if classified.classified == 0 {
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
        max_cloud: mapping.clouds.most,
        clouds_masked: mapping.mask_clouds,
        classified: classified.classified,
        without_data: total - classified.classified,
        seconds: classified.seconds,
        classified_per_second: classified.classified as f64 / classified.seconds,
        mean_confidence: classified.confidence / classified.classified as f64,
        classes: ClassArea::of(&classified.map, &table, grid.pixel_area()),
        scores: map_scores,
        filtered_scores,
        labels,
        files: names.as_ref().map(Names::shown).unwrap_or_default(),
    };
    let figure = figure(model, &report, &classified, truth.as_ref(), &table, grid, (output, &data))?;
    if let (Some(files), Some(names)) = (classified.files.take(), &names) {
        let maps = (&classified.map, filtered.as_ref());
        let mut files = files.complete(maps, grid, &table, &data)?;
        files.extend(figure.written(names.folder(), names.stem())?);
        // The map itself gets its name last.
        files.reverse();
        publish(files)?;
    }
    Ok(SceneMap { report, figure, numbers: classified.map })
}

/// A date as the model sees it, if it fits the model and its values can be what they are said to be.
fn seen<'a>(
    scene: &'a Scene,
    model: &dyn Classifier,
    mapping: &'a Mapping,
    output: &MapOutput<'_>,
) -> Result<SceneView<'a>> {
    let imagery = model.imagery();
    let distance = imagery.ground_sampling_distance.filter(|_| mapping.resample);
    scene.check_radiometry(&mapping.radiometry)?;
    let view = SceneView::new(scene, &mapping.radiometry, mapping.area.as_ref(), distance)?;
    let view = if mapping.resample { view } else { at_own_pixels(view, imagery) };
    if let Some(difference) = imagery.mismatch(&view.imagery(imagery.patch_size)) {
        let problem = format!("the model does not fit: {difference}");
        let advice = "say how values become the model's unit with --scale, --offset and --unit, or train on such pixels";
        return Err(Error::file(scene.files()[0].path(), problem, advice));
    }
    warn_of_other_sensor(&view, imagery);
    if !mapping.ignore_radiometry {
        view.check_reflectance(output.trained.as_ref())?;
    }
    Ok(view.with_clouds(&mapping.clouds))
}

/// Warns where a band that is taken by name shows something else than the band that the model was trained on.
fn warn_of_other_sensor(view: &SceneView<'_>, model: &Imagery) {
    let scene =
        Imagery { ground_sampling_distance: view.source().ground_sampling_distance(), ..view.imagery(1) };
    if let (Some(here), Some(there)) = (Sensor::from_imagery(&scene), Sensor::from_imagery(model))
        && let Some((band, shows, known)) = here.differs(there, &model.bands)
    {
        tracing::warn!(
            "{}: {band} of {here} is {shows}, but the model was trained on {band} of {there}, {known}: bands are taken by name; \
             name those that show the same with --band-names",
            view.scene().files()[0].path().display()
        );
    }
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

/// How a scene is presented to a model.
enum Traversal<'a> {
    /// Window by window, each a pixel of the map; of each date.
    Windows(Vec<Windows<'a>>),
    /// Tiles that overlap, pixel by pixel.
    Tiles { dates: &'a [SceneView<'a>], stride: usize },
}

impl<'a> Traversal<'a> {
    fn of(model: &dyn Classifier, dates: &'a [SceneView<'a>], stride: Option<Distance>) -> Result<Self> {
        let size = model.imagery().patch_size;
        if model.sample() == Sample::Patch {
            let windows = dates.iter().map(|view| Windows::over(view, size, stride.unwrap_or(ZONE)));
            return windows.collect::<Result<Vec<_>>>().map(Self::Windows);
        }
        let stride = stride.unwrap_or(Distance::Pixels((size / 2).max(1)));
        let [down, _] = stride.on(dates[0].grid(), "stride", "give it in pixels: --stride 32px")?;
        Ok(Self::Tiles { dates, stride: down.round() as usize })
    }

    /// The grid of the map.
    fn map(&self) -> &Grid {
        match self {
            Self::Windows(windows) => windows[0].map(),
            Self::Tiles { dates, .. } => dates[0].grid(),
        }
    }

    /// The stride in rows and columns.
    fn stride(&self) -> [usize; 2] {
        match self {
            Self::Windows(windows) => windows[0].stride(),
            Self::Tiles { stride, .. } => [*stride; 2],
        }
    }
}

/// A scene that is not resampled; warns where its pixels are not as large as those that the model was trained on.
fn at_own_pixels<'a>(view: SceneView<'a>, model: &Imagery) -> SceneView<'a> {
    let given = view.imagery(model.patch_size);
    let view = view.of_any_size();
    let same_otherwise = model.mismatch(&view.imagery(model.patch_size)).is_none();
    if let Some(difference) = model.mismatch(&given).filter(|_| same_otherwise) {
        let place = view.scene().files()[0].path().display();
        tracing::warn!("{place}: {difference}: mapped at the scene's own pixels");
    }
    view
}

/// Where the dates are from.
fn provenance_of(dates: &[Scene]) -> String {
    let stated: Vec<String> = dates.iter().map(Scene::provenance).collect();
    let together = provenance::inherited(&stated.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
    // One that is not known to be real goes first: a text names its kind first.
    let unknown = stated.iter().find(|text| !provenance::is_real(text)).cloned();
    match together.filter(|text| provenance::synthetic(text).is_some()) {
        Some(synthetic) => synthetic,
        None => each_once(unknown.into_iter().chain(stated)),
    }
}

/// How values became pixels on the dates; `None` where they are the values.
fn conversion(dates: &[Scene], radiometry: &Radiometry) -> Result<Option<String>> {
    let texts = dates.iter().filter_map(|date| date.conversion(radiometry).transpose());
    let texts = texts.collect::<Result<Vec<_>>>()?;
    Ok((!texts.is_empty()).then(|| each_once(texts.into_iter())))
}

/// Different texts, each once.
fn each_once(texts: impl Iterator<Item = String>) -> String {
    let mut different: Vec<String> = Vec::new();
    for text in texts {
        if !different.contains(&text) {
            different.push(text);
        }
    }
    different.join("; ")
}

/// Dates of a map must show the same pixels.
fn same_ground(first: &SceneView<'_>, other: &SceneView<'_>) -> Result<()> {
    first
        .grid()
        .multiple(other.grid())
        .and_then(|factor| match factor {
            1 => Ok(()),
            _ => Err(format!("pixels {factor} times as large")),
        })
        .map_err(|difference| {
            let [first, other] = [first, other].map(|view| view.scene().files()[0].path());
            let problem = format!("not the pixels of {}: {difference}", first.display());
            Error::file(
                other,
                problem,
                "map dates of one tile together, or bring them to one grid: gdalwarp -te and -tr",
            )
        })
}

/// The bands that a model takes, by name.
fn named_as(scene: Scene, bands: &Bands) -> Result<Scene> {
    let place = scene.files()[0].path().to_owned();
    let Err(Error::Input { kind: InputKind::MissingBand(band), .. }) = scene.bands().positions(bands) else {
        return scene.only(bands);
    };
    let problem =
        format!("band '{band}' is missing: the model takes {bands}, the scene has {}", scene.bands());
    Err(Error::file(&place, problem, "give its file, too, or name the bands with --band-names"))
}

/// The filter's Gaussian for each class number: of one width if it is given, else of each zone's own, and 100 m for classes that
/// are not zones. A model of pixels has none unless a width is given.
fn kernels(
    sigma: Option<Distance>,
    model: &dyn Classifier,
    table: &ClassNumbers,
    map: &Grid,
) -> Result<Option<BTreeMap<u8, Kernel>>> {
    let place = "the filter's width";
    let in_pixels = |distance: Distance| distance.on(map, place, "give it in pixels: --sigma 1px");
    let kernel = |k: usize| {
        if let (None, Some(zone)) = (sigma, model.classes().zone(k)) {
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
    let smoothed = sigma.is_some() || model.sample() == Sample::Patch;
    let kernels = || (0..model.classes().len()).map(|k| Ok((table.number(k), kernel(k)?))).collect();
    smoothed.then(kernels).transpose()
}

fn figure(
    model: &dyn Classifier,
    report: &MapReport,
    classified: &Classification,
    truth: Option<&Array2<u8>>,
    table: &ClassNumbers,
    grid: &Grid,
    (output, data): (&MapOutput<'_>, &str),
) -> Result<Figure> {
    let what = if table.are_zones() { "Local Climate Zones" } else { "Classes" };
    let title = output.title.map_or_else(|| format!("{what} by {}", model.name()), str::to_owned);
    let mut notes = Vec::new();
    if report.sample == Sample::Pixel {
        let size = model.imagery().patch_size;
        notes.push(format!("tiles of {size} pixels, {} apart, averaged", report.stride[0]));
    }
    if let Some([across, _]) = report.pixel_metres {
        notes.push(format!("a pixel is {across:.0} m wide"));
    }
    if let (Some(from), Some(to)) = (report.resampled_from, report.input_metres) {
        notes.push(format!("the scene was resampled from {from:.1} to {to:.1} m"));
    }
    if report.dates.len() > 1 {
        notes.push(format!("mean of {} dates", report.dates.len()));
    }
    if report.without_data > 0 {
        let missing = percent(report.without_data as f64 / classified.map.len() as f64);
        let of = if report.sample == Sample::Patch { " of the windows" } else { "" };
        let clouds = if report.clouds_masked { " or clouds" } else { "" };
        notes.push(format!("white: no data{clouds} ({missing}{of})"));
    }
    if let Some(scores) = &report.scores {
        notes.push(format!(
            "overall accuracy {:.3} on {} pixels that have a true class and one on the map",
            scores.overall_accuracy,
            scores.pixels - scores.without_class
        ));
    }
    // The truth may hold zones that the model does not know.
    let classes = if truth.is_some() { table.of_truth() } else { table.classes().clone() };
    let numbers = ClassNumbers::of(&classes)?;
    let index = |number: u8| numbers.class(number);
    let picture = MapPicture {
        classes: &classes,
        map: classified.map.mapv(index),
        truth: truth.map(|truth| truth.mapv(index)),
        seen: classified.seen.as_ref(),
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
