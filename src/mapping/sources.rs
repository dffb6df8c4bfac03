//! What is mapped: the dates of a scene as a model sees them, and further sensors with networks of their own.

use std::fmt::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use ndarray::{Array3, Array4, s};

use super::{Mapping, ZONE};
use crate::bands::STANDARDISED_UNIT;
use crate::data::{BandStatistics, Patches, Sample};
use crate::error::InputKind;
use crate::hash::checksum;
use crate::models::{Calibrated, Classifier};
use crate::run::Run;
use crate::scene::{Distance, Grid, Radiometry, Scene, SceneView, Window, Windows};
use crate::shard::Shard;
use crate::{Bands, Error, Imagery, Result, Sensor, provenance};

/// Pixels of the picture in true colour, across or down, at most.
const PICTURE: usize = 1000;

/// A further sensor: the run of a network for it, and a scene of the same place; several of one run are dates, which are averaged
/// first.
#[derive(Debug, Clone, PartialEq)]
pub struct FusedSensor {
    /// The run folder.
    pub run: PathBuf,
    /// The scene; what its values mean is as its files state.
    pub scene: PathBuf,
}

impl FromStr for FusedSensor {
    type Err = Error;

    /// `RUN=SCENE`
    fn from_str(text: &str) -> Result<Self> {
        match text.split_once('=') {
            Some((run, scene)) if !run.is_empty() && !scene.is_empty() => {
                Ok(Self { run: run.into(), scene: scene.into() })
            }
            _ => Err(Error::input(
                format!("'{text}'"),
                "not a run and a scene with = between them",
                "write runs/sentinel1=S1.tif, for example",
            )),
        }
    }
}

impl FusedSensor {
    /// The network, if it can be fused with `model`.
    fn open(&self, model: &dyn Classifier, mapping: &Mapping) -> Result<Box<dyn Classifier>> {
        let run = Run::open(&self.run)?;
        let other = of_run(&run, mapping)?;
        let refuse = |problem: String| {
            Err(Error::file(&self.run, problem, "fuse models of patches of one size, with the same classes"))
        };
        if [model, &*other].iter().any(|model| model.sample() == Sample::Pixel) {
            return refuse("a model of pixels is not fused".to_owned());
        }
        if other.classes() != model.classes() {
            return refuse(format!("classes {}, not {}", other.classes(), model.classes()));
        }
        let [size, here] = [&*other, model].map(|model| model.imagery().patch_size);
        if size != here {
            return refuse(format!("patches of {size} x {size} pixels, not {here} x {here}"));
        }
        Ok(other)
    }
}

/// A further network, with its dates.
type Fused = (Box<dyn Classifier>, Vec<Scene>);

/// The further networks.
pub(super) fn fused(model: &dyn Classifier, mapping: &Mapping) -> Result<Vec<Fused>> {
    let mut runs: Vec<&Path> = Vec::new();
    let mut all: Vec<Fused> = Vec::new();
    for sensor in &mapping.with {
        let known = runs.iter().position(|run| *run == sensor.run);
        if known.is_none() {
            runs.push(&sensor.run);
            all.push((sensor.open(model, mapping)?, Vec::new()));
        }
        let (network, dates) = &mut all[known.unwrap_or(runs.len() - 1)];
        dates.push(named_as(Scene::at(&sensor.scene)?, &network.imagery().bands)?);
    }
    Ok(all)
}

/// A checksum of what a map depends on: what each model makes of a fixed patch, the names and pixels of the scenes, and settings.
/// Probabilities count in percent: kinds of processors differ in the last digits.
pub(super) fn identity(inputs: &[Input<'_, SceneView<'_>>], mapping: &Mapping) -> Result<String> {
    let Mapping { stride, radiometry, area, clouds, mask_clouds, .. } = mapping;
    let mut text = format!("{stride:?} {radiometry:?} {area:?} {clouds:?} {mask_clouds}");
    for Input { model, dates } in inputs {
        let imagery = model.imagery();
        let (size, bands) = (imagery.patch_size, imagery.bands.len());
        let image = Array4::from_shape_fn((1, size, size, bands), |(_, row, column, band)| {
            ((31 * row + 17 * column + 7 * band) % 23) as f32 / 46.0
        });
        let patch = Patches::in_memory(imagery.clone(), model.classes().clone(), image)?;
        let percent: Vec<f64> = model.predict(&patch)?.view().iter().map(|p| (100.0 * p).round()).collect();
        let _ = write!(text, "{} {percent:?}", model.name());
        for view in dates {
            let _ = write!(text, "{:?} {:?}", view.scene().file_names(), view.grid());
        }
    }
    Ok(checksum(text.into_bytes()))
}

/// The model of a run, with its temperature where it has one.
pub(super) fn of_run(run: &Run, mapping: &Mapping) -> Result<Box<dyn Classifier>> {
    let temperature = run.temperature()?.filter(|_| !mapping.unscaled);
    let model = run.classifier(mapping.device)?;
    Ok(match temperature {
        Some(temperature) => Box::new(Calibrated::new(model, temperature)?),
        None => model,
    })
}

/// A model and what it sees.
pub(super) struct Input<'a, T> {
    pub model: &'a dyn Classifier,
    /// One or more dates.
    pub dates: Vec<T>,
}

/// How scenes are presented to models.
pub(super) enum Traversal<'a> {
    /// Window by window, each a pixel of the map.
    Windows(Vec<Input<'a, Windows<'a>>>),
    /// Tiles that overlap, pixel by pixel, of these lines.
    Tiles { source: &'a Input<'a, SceneView<'a>>, stride: usize, lines: Range<usize>, map: Grid },
}

impl<'a> Traversal<'a> {
    pub fn of(
        sources: &'a [Input<'a, SceneView<'a>>],
        stride: Option<Distance>,
        shard: Option<Shard>,
    ) -> Result<Self> {
        let Input { model, dates } = &sources[0];
        let size = model.imagery().patch_size;
        if model.sample() == Sample::Patch {
            let windows = |view: &'a SceneView<'a>| {
                let windows = Windows::over(view, size, stride.unwrap_or(ZONE))?;
                let lines = lines(shard, windows.map().rows)?;
                Ok(windows.of_lines(lines))
            };
            let source = |source: &'a Input<'a, SceneView<'a>>| {
                let dates = source.dates.iter().map(windows).collect::<Result<Vec<_>>>()?;
                Ok(Input { model: source.model, dates })
            };
            return sources.iter().map(source).collect::<Result<Vec<_>>>().map(Self::Windows);
        }
        let stride = stride.unwrap_or(Distance::Pixels((size / 2).max(1)));
        let grid = dates[0].grid();
        let [down, _] = stride.on(grid, "stride", "give it in pixels: --stride 32px")?;
        let lines = lines(shard, grid.rows)?;
        let map = grid.part(&Window { rows: lines.clone(), columns: 0..grid.columns });
        Ok(Self::Tiles { source: &sources[0], stride: down.round() as usize, lines, map })
    }

    /// The grid of the map.
    pub fn map(&self) -> &Grid {
        match self {
            Self::Windows(sources) => sources[0].dates[0].map(),
            Self::Tiles { map, .. } => map,
        }
    }

    /// Red, green and blue of the first sensor's scene where the map has pixels, none where the model takes no such bands: means
    /// over squares, of the first date with data there, so that the picture has [`PICTURE`] pixels across or down at most.
    pub fn true_colour(&self, input: &Input<'_, SceneView<'_>>) -> Result<Option<Array3<f32>>> {
        let bands = &input.model.imagery().bands;
        let Some(colours) = bands.true_colour() else { return Ok(None) };
        let names = Bands::named(colours.map(|band| bands.names()[band].clone()))?;
        let part = match self {
            Self::Windows(inputs) => inputs[0].dates[0].middles(),
            Self::Tiles { map, lines, .. } => Window { rows: lines.clone(), columns: 0..map.columns },
        };
        let step = part.rows.len().max(part.columns.len()).div_ceil(PICTURE);
        let size = (part.rows.len().div_ceil(step), part.columns.len().div_ceil(step));
        let mut seen = Array3::from_elem((size.0, size.1, 3), f32::NAN);
        for view in &input.dates {
            let scene = view.scene().clone().only(&names)?;
            let view = view.with_scene(&scene)?;
            for (row, mut line) in seen.outer_iter_mut().enumerate() {
                let first = part.rows.start + row * step;
                let ground = view.read(first..part.rows.end.min(first + step))?;
                for (column, mut pixel) in
                    line.outer_iter_mut().enumerate().filter(|(_, pixel)| pixel[0].is_nan())
                {
                    let left = part.columns.start + column * step;
                    let square = left..part.columns.end.min(left + step);
                    for c in 0..3 {
                        let values = ground.pixels.slice(s![.., square.clone(), c]);
                        let known = values.iter().zip(ground.lacking.slice(s![.., square.clone()]));
                        let known: Vec<f32> =
                            known.filter(|(_, lacking)| !**lacking).map(|(value, _)| *value).collect();
                        // NaN of none.
                        pixel[c] = known.iter().sum::<f32>() / known.len() as f32;
                    }
                }
            }
        }
        Ok(Some(seen))
    }

    /// The stride in rows and columns.
    pub fn stride(&self) -> [usize; 2] {
        match self {
            Self::Windows(sources) => sources[0].dates[0].stride(),
            Self::Tiles { stride, .. } => [*stride; 2],
        }
    }
}

/// The lines of a shard, or all.
fn lines(shard: Option<Shard>, rows: usize) -> Result<Range<usize>> {
    let lines = shard.map_or(0..rows, |shard| shard.lines(rows));
    if lines.is_empty() {
        let problem = format!("the map has no more than {rows} lines");
        return Err(Error::input("shard", problem, format!("cut it into {rows} shards at most")));
    }
    Ok(lines)
}

/// A date as the model sees it, if it fits the model and its values can be what they are said to be.
pub(super) fn seen<'a>(
    scene: &'a Scene,
    model: &dyn Classifier,
    (mapping, radiometry): (&'a Mapping, &'a Radiometry),
    trained: Option<&BandStatistics>,
) -> Result<SceneView<'a>> {
    let imagery = model.imagery();
    let distance = imagery.ground_sampling_distance.filter(|_| mapping.resample);
    scene.check_radiometry(radiometry)?;
    let mut view = SceneView::new(scene, radiometry, mapping.area.as_ref(), distance)?;
    if imagery.unit == STANDARDISED_UNIT && scene.unit(radiometry) != STANDARDISED_UNIT {
        view = view.standardised()?;
    }
    let view = if mapping.resample { view } else { at_own_pixels(view, imagery) };
    if let Some(difference) = imagery.mismatch(&view.imagery(imagery.patch_size)) {
        let problem = format!("the model does not fit: {difference}");
        let advice = "say how values become the model's unit with --scale, --offset and --unit, or train on such pixels";
        return Err(Error::file(scene.files()[0].path(), problem, advice));
    }
    warn_of_other_sensor(&view, imagery);
    if !mapping.ignore_radiometry {
        view.check_reflectance(trained)?;
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

/// Where scenes or parts of a map are from, which state it each.
pub(super) fn together(stated: Vec<String>) -> String {
    let together = provenance::inherited(&stated.iter().map(|text| Some(text.as_str())).collect::<Vec<_>>());
    // One that is not known to be real goes first: a text names its kind first.
    let unknown = stated.iter().find(|text| !provenance::is_real(text)).cloned();
    match together.filter(|text| provenance::synthetic(text).is_some()) {
        Some(synthetic) => synthetic,
        None => each_once(unknown.into_iter().chain(stated)),
    }
}

/// How values became pixels on the dates; `None` where they are the values.
pub(super) fn conversion(dates: &[Scene], radiometry: &Radiometry) -> Result<Option<String>> {
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
pub(super) fn same_ground(first: &SceneView<'_>, other: &SceneView<'_>) -> Result<()> {
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
pub(super) fn named_as(scene: Scene, bands: &Bands) -> Result<Scene> {
    let place = scene.files()[0].path().to_owned();
    // A network whose bands have no names takes as many in their order.
    if bands.names()[0] == "band 1" && scene.bands().len() == bands.len() {
        return scene.with_band_names(bands.clone());
    }
    let Err(Error::Input { kind: InputKind::MissingBand(band), .. }) = scene.bands().positions(bands) else {
        return scene.only(bands);
    };
    let problem =
        format!("band '{band}' is missing: the model takes {bands}, the scene has {}", scene.bands());
    Err(Error::file(&place, problem, "give its file, too, or name the bands with --band-names"))
}
