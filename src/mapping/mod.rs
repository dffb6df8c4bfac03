//! A model slid over a whole scene: the map of its zones, how sure it is of each, and how that compares with the truth.

pub(crate) mod blend;
pub(crate) mod cover;
mod files;
mod filter;
mod report;
mod seams;

use std::path::Path;
use std::time::Instant;

use ndarray::{Array2, Array3, s};

use crate::data::Patches;
use crate::display::percent;
use crate::figures::{self, Caption, Figure, MapPicture, Provenance, Source};
use crate::files::publish;
use crate::models::{Classifier, Device};
use crate::predictions::StoredTemperature;
use crate::run::Run;
use crate::scene::{Distance, GeoTiff, Radiometry, Scene, Sliding, Strip, Windows, classes_on};
use crate::{Bands, Error, Probabilities, Progress, Result};

pub use cover::{CoverMapReport, CoverMapping, land_cover_figure, map_land_cover};
use files::Files;
use report::Numbers;
pub use report::{ClassArea, MapClass, MapReport, MapScores};
pub use seams::Seams;

/// Windows that are classified together.
const BATCH: usize = 1024;

/// How a scene is mapped.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// From one window to the next, on the ground or in pixels that the network sees.
    pub stride: Distance,
    /// Whether a scene of another ground sampling distance than the model was trained at is brought to that.
    pub resample: bool,
    /// What the values in the files mean.
    pub radiometry: Radiometry,
    /// Standard deviation of the Gaussian that the filtered map is smoothed with.
    pub sigma: Distance,
    /// Whether the probabilities of all classes are written, too.
    pub probabilities: bool,
    /// Whether the run's temperature is left aside.
    pub unscaled: bool,
    /// What the figure says of where the scene is from; if nothing, what the files say of themselves, or their names.
    pub data: Option<String>,
    /// Where the model runs.
    pub device: Device,
}

impl Default for Mapping {
    /// 100 m from window to window and as standard deviation, as the LCZ Generator's maps have it; the files' own numbers.
    fn default() -> Self {
        Self {
            stride: Distance::Metres(100.0),
            resample: true,
            radiometry: Radiometry::default(),
            sigma: Distance::Metres(100.0),
            probabilities: false,
            unscaled: false,
            data: None,
            device: Device::Cpu,
        }
    }
}

/// Maps a scene with the model of a run. Returns the figure, too.
///
/// `OUT.tif` gets the class in the middle of each window (the zones' numbers 1–17 with their colours, 0 = no data),
/// `OUT-filtered.tif` the same smoothed by a Gaussian, `OUT-confidence.tif` the highest probability,
/// `OUT-entropy.tif` the entropy of the probabilities in nats, `OUT-probabilities.tif` all of them if asked for (no
/// data: NaN), and `OUT.png`, `OUT.svg` and `OUT.csv` the map as a figure. A window of which any pixel
/// lacks data in any band has no class.
///
/// Windows are classified one by one: near its edges a network with padded convolutions sees the padding, so that what
/// overlapping windows share is not the same in each, and computing it once would change the result.
///
/// # Errors
/// A name that is taken or does not end in .tif, bands that the model needs and the scene lacks, pixels unlike those that
/// the model was trained on, a scene without a whole window, files that cannot be read or written. No GeoTIFF has
/// its name before all files are written.
pub fn map(
    run: &Run,
    scene: Scene,
    mapping: &Mapping,
    out: &Path,
    truth: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<(MapReport, Figure)> {
    let names = files::Names::of(out, mapping.probabilities)?;
    let truth = truth.map(GeoTiff::open).transpose()?;
    let model = Model::of(run, mapping)?;
    let imagery = model.classifier().imagery().clone();
    let scene = named_as(scene, &imagery.bands)?;
    let sliding = Sliding {
        patch_size: imagery.patch_size,
        stride: mapping.stride,
        ground_sampling_distance: imagery.ground_sampling_distance.filter(|_| mapping.resample),
        radiometry: mapping.radiometry.clone(),
    };
    let windows = sliding.over(&scene)?;
    if let Some(difference) = imagery.mismatch(&windows.imagery()) {
        let problem = format!("the model does not fit: {difference}");
        let advice = "say how values become the model's unit with --scale, --offset and --unit, or train on such pixels";
        return Err(Error::file(scene.files()[0].path(), problem, advice));
    }
    let sigma = in_pixels(mapping.sigma, &windows)?;
    let table = Numbers::of(model.classifier().classes());
    let data = mapping.data.clone().unwrap_or_else(|| scene.provenance());

    let mut files = Files::create(&names, &windows, &table, &data)?;
    let drawn = draw(&model, &scene, &windows, &table, &mut files, progress)?;
    if drawn.classified == 0 {
        let problem = format!(
            "each of its {} windows holds a pixel without data",
            windows.map().rows * windows.map().columns
        );
        let advice = "give a clearer date, or say which value means no data with --nodata";
        return Err(Error::file(scene.files()[0].path(), problem, advice));
    }
    progress.begin("filtering", 1);
    let filtered = filter::gaussian(&drawn.map, sigma);
    files.filtered(&filtered)?;
    progress.end("");

    let truth = truth.map(|truth| classes_on(&truth, windows.map(), &table.of_truth())).transpose()?;
    let score = |map: &Array2<u8>| {
        truth.as_ref().map(|truth| MapScores::of(truth, map, &table.of_truth())).transpose()
    };
    let (map_scores, filtered_scores) = (score(&drawn.map)?, score(&filtered)?);
    let metres = windows.map().pixel_metres();
    let total = drawn.map.len();
    let resampled = windows.seen() != windows.scene();
    let report = MapReport {
        size: [windows.map().rows, windows.map().columns],
        crs: windows.map().crs.to_string(),
        pixel_metres: metres,
        seen_size: [windows.seen().rows, windows.seen().columns],
        seen_metres: windows.seen().ground_sampling_distance(),
        resampled_from: windows.scene().ground_sampling_distance().filter(|_| resampled),
        stride: windows.stride(),
        windows: drawn.classified,
        without_data: total - drawn.classified,
        seconds: drawn.seconds,
        windows_per_second: drawn.classified as f64 / drawn.seconds,
        mean_confidence: drawn.confidence / drawn.classified as f64,
        classes: ClassArea::of(&drawn.map, &table, metres.map(|[across, down]| across * down)),
        truth: map_scores,
        filtered_truth: filtered_scores,
        files: names.shown(),
    };
    let north = windows.map().north();
    let figure = figure(&model, &report, &drawn, truth.as_ref(), &table, north, &data)?;
    let (seed, configuration) = run.settings()?;
    let provenance = Provenance { seed, configuration, ..Provenance::of(&data, Source::Other) };
    let figure = figure.with_provenance(&provenance);
    let mut files = files.complete()?;
    files.extend(figure.written(names.folder(), names.stem())?);
    // The map itself gets its name last.
    files.reverse();
    publish(files)?;
    Ok((report, figure))
}

/// What a run predicts with: its model, a network, an ensemble or a forest, and the temperature that was fitted to it.
struct Model {
    classifier: Box<dyn Classifier>,
    by: Option<StoredTemperature>,
}

impl Model {
    fn of(run: &Run, mapping: &Mapping) -> Result<Self> {
        let by = run.temperature()?.filter(|_| !mapping.unscaled);
        Ok(Self { classifier: run.classifier(mapping.device)?, by })
    }

    fn classifier(&self) -> &dyn Classifier {
        &*self.classifier
    }

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        let p = self.classifier.predict(patches)?;
        match &self.by {
            Some(by) => by.scale(&p),
            None => Ok(p),
        }
    }
}

/// The bands that a model takes, by name.
fn named_as(scene: Scene, bands: &Bands) -> Result<Scene> {
    let place = scene.files()[0].path().to_owned();
    let Err(Error::Input { place: band, .. }) = scene.bands().positions(bands) else {
        return scene.only(bands);
    };
    let problem = format!("{band} is missing: the model takes {bands}, the scene has {}", scene.bands());
    Err(Error::file(&place, problem, "give its file, too, or name the bands with --band-names"))
}

/// The standard deviation in pixels of the map, down and across.
fn in_pixels(sigma: Distance, windows: &Windows<'_>) -> Result<[f64; 2]> {
    let place = "the filter's width";
    let Some(sigma) = sigma.on(windows.map()) else {
        let problem = "metres, where the bands do not say how large their pixels are";
        return Err(Error::input(place, problem, "give it in pixels: --sigma 1px"));
    };
    if sigma.iter().any(|&sigma| sigma <= 0.0) {
        return Err(Error::input(place, "0", "give it above 0, such as 100m"));
    }
    Ok(sigma)
}

/// What came of all windows.
struct Drawn {
    /// Numbers of the classes, 0 for none.
    map: Array2<u8>,
    /// Red, green and blue of the scene at the map's pixels, where it has them.
    seen: Option<Array3<f32>>,
    classified: usize,
    /// Sum of the highest probabilities.
    confidence: f64,
    seconds: f64,
}

/// Classifies all windows, strip by strip, into the files.
fn draw(
    model: &Model,
    scene: &Scene,
    windows: &Windows<'_>,
    table: &Numbers,
    files: &mut Files,
    progress: &mut dyn Progress,
) -> Result<Drawn> {
    let size = (windows.map().rows, windows.map().columns);
    let colours = scene.bands().true_colour();
    let mut drawn = Drawn {
        map: Array2::zeros(size),
        seen: colours.map(|_| Array3::from_elem((size.0, size.1, 3), f32::NAN)),
        classified: 0,
        confidence: 0.0,
        seconds: 0.0,
    };
    let began = Instant::now();
    progress.begin("mapping", (size.0 * size.1) as u64);
    for lines in windows.strips(files.bytes_a_pixel(table)) {
        let strip = windows.read(lines.clone())?;
        let mut rows = files.rows(&lines, windows, table);
        let with_data = strip.windows_with_data();
        progress.advance((lines.len() * size.1 - with_data.len()) as u64, "");
        for batch in with_data.chunks(BATCH) {
            if progress.interrupted() {
                let place =
                    format!("in line {} of {} of the map; nothing is written", lines.start + 1, size.0);
                return Err(Error::Interrupted { place });
            }
            let p = classify(model, windows, &strip, batch)?;
            for (&[line, column], said) in batch.iter().zip(p.view().outer_iter().zip(p.entropy())) {
                let (k, confidence) = rows.put([line - lines.start, column], said);
                drawn.map[[line, column]] = table.number(k);
                drawn.confidence += confidence;
            }
            drawn.classified += batch.len();
            progress.advance(batch.len() as u64, "");
        }
        if let (Some(seen), Some(colours)) = (&mut drawn.seen, colours) {
            for (c, band) in colours.into_iter().enumerate() {
                seen.slice_mut(s![lines.clone(), .., c]).assign(&strip.means(band));
            }
        }
        files.append(&drawn.map.slice(s![lines, ..]), &rows)?;
    }
    drawn.seconds = began.elapsed().as_secs_f64();
    progress.end("");
    Ok(drawn)
}

fn classify(
    model: &Model,
    windows: &Windows<'_>,
    strip: &Strip<'_>,
    batch: &[[usize; 2]],
) -> Result<Probabilities> {
    let classes = model.classifier().classes().clone();
    let patches = Patches::in_memory(windows.imagery(), classes, strip.images(batch))?;
    model.predict(&patches)
}

fn figure(
    model: &Model,
    report: &MapReport,
    drawn: &Drawn,
    truth: Option<&Array2<u8>>,
    table: &Numbers,
    north: Option<f64>,
    data: &str,
) -> Result<Figure> {
    let name = model.classifier().name();
    let caption = Caption::new(format!("Local Climate Zones by {name}"), data);
    let caption = if (0..table.classes().len()).all(|k| table.classes().zone(k).is_some()) {
        caption
    } else {
        Caption { title: format!("Classes by {name}"), ..caption }
    };
    let mut notes = Vec::new();
    if let Some([across, _]) = report.pixel_metres {
        notes.push(format!("a pixel is {across:.0} m wide"));
    }
    if let (Some(from), Some(to)) = (report.resampled_from, report.seen_metres) {
        notes.push(format!("the scene was resampled from {from:.1} to {to:.1} m"));
    }
    let missing = report.without_data as f64 / drawn.map.len() as f64;
    if report.without_data > 0 {
        notes.push(format!("white: no data ({} of the windows)", percent(missing)));
    }
    if let Some(truth) = &report.truth {
        notes.push(format!(
            "overall accuracy {:.3} on {} pixels that have a true class and one on the map",
            truth.overall_accuracy,
            truth.pixels - truth.without_class
        ));
    }
    // The truth may hold zones that the model does not know.
    let classes = if truth.is_some() { table.of_truth() } else { table.classes().clone() };
    let numbers = Numbers::of(&classes);
    let index = |number: u8| numbers.class(number);
    let picture = MapPicture {
        classes: &classes,
        map: drawn.map.mapv(index),
        truth: truth.map(|truth| truth.mapv(index)),
        seen: drawn.seen.as_ref(),
        pixel_metres: report.pixel_metres,
        north,
        notes: notes.join("; "),
    };
    figures::map(&picture, &caption)
}
