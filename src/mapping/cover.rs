//! The map of a whole scene: classes with their colours, how sure the network is, and the map as a figure.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, s};
use serde::Serialize;

use super::blend::{Ground, blend};
use crate::display::percent;
use crate::figures::{self, Caption, MapPicture, Provenance, Source};
use crate::files::{check_free, clear_unfinished, publish};
use crate::labels::first_largest;
use crate::models::Classifier;
use crate::scene::{GeoTiffWriter, Grid, Scene, TileGrid, Tiling};
use crate::{Classes, Error, Progress, Result};

/// What was mapped.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CoverMapReport {
    /// Rows and columns.
    pub size: [usize; 2],
    /// Pixels from tile to tile.
    pub stride: usize,
    /// Pixels without data, which have no class.
    pub without_data: usize,
    /// Mean of the highest probability.
    pub mean_confidence: f64,
    /// Pixels of each class, with its name.
    pub classes: Vec<(String, usize)>,
    /// The files, by their names.
    pub files: Vec<String>,
}

/// What rows of class numbers (from 1; 0 is no data) and of confidence are handed to.
type Take<'a> = dyn FnMut(&[u8], &[f32]) -> Result<()> + 'a;

/// A map in memory.
pub(crate) struct CoverMap {
    /// The class of each pixel; none where there are no data.
    pub classes: Array2<Option<usize>>,
    /// Red, green and blue, where the bands have them.
    pub seen: Option<Array3<f32>>,
    /// Sum of the highest probabilities.
    pub confidence: f64,
}

impl CoverMap {
    /// Segments the ground; `take` is handed all rows in order.
    pub(crate) fn of(
        model: &dyn Classifier,
        ground: &dyn Ground,
        stride: usize,
        progress: &mut dyn Progress,
        take: &mut Take<'_>,
    ) -> Result<Self> {
        let [rows, columns] = ground.size();
        let colours = model.imagery().bands.true_colour();
        let mut map = Self {
            classes: Array2::from_elem((rows, columns), None),
            seen: colours.map(|_| Array3::from_elem((rows, columns, 3), f32::NAN)),
            confidence: 0.0,
        };
        blend(model, ground, stride, progress, &mut |rows| {
            let (height, _, _) = rows.p.dim();
            let mut numbers = vec![0_u8; height * columns];
            let mut confidence = vec![f32::NAN; height * columns];
            for ((row, column), _) in rows.with_data.indexed_iter().filter(|(_, data)| **data) {
                let p = rows.p.slice(s![row, column, ..]);
                let best = first_largest(p);
                map.classes[[rows.first + row, column]] = Some(best);
                map.confidence += p[best];
                numbers[row * columns + column] = best as u8 + 1;
                confidence[row * columns + column] = p[best] as f32;
                if let (Some(seen), Some(colours)) = (&mut map.seen, colours) {
                    for (c, band) in colours.into_iter().enumerate() {
                        seen[[rows.first + row, column, c]] = rows.seen[[row, column, band]];
                    }
                }
            }
            take(&numbers, &confidence)
        })?;
        Ok(map)
    }

    fn pixels(&self) -> usize {
        self.classes.iter().flatten().count()
    }
}

/// The names of a map's files.
struct Names {
    folder: PathBuf,
    stem: String,
}

impl Names {
    fn of(out: &Path) -> Result<Self> {
        let is_tiff = out.extension().is_some_and(|ending| ending == "tif" || ending == "tiff");
        let stem = out.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.starts_with('.'));
        let Some(stem) = stem.filter(|_| is_tiff) else {
            return Err(Error::file(out, "not the name of a GeoTIFF", "give one such as cover.tif"));
        };
        let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::file(folder, "no such folder", "make it first, or choose another"));
        }
        Ok(Self { folder: folder.to_owned(), stem: stem.to_owned() })
    }

    fn shown(&self) -> Vec<String> {
        [".tif", "-confidence.tif", ".png", ".svg", ".csv"].map(|end| format!("{}{end}", self.stem)).to_vec()
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}{what}.tif", self.stem))
    }
}

/// What a map's figure says.
pub(crate) struct Words<'a> {
    pub title: &'a str,
    pub data: &'a str,
    pub seed: Option<u64>,
    /// Whether files of these names may be there, and are replaced.
    pub replace: bool,
}

/// Maps a scene: `OUT.tif` gets the class numbers 1, 2, … with their colours (0 = no data), `OUT-confidence.tif` the
/// highest probability (no data: NaN), `OUT.png`, `OUT.svg` and `OUT.csv` the map as a figure. No file has its name before
/// all are whole.
pub(crate) fn write_map(
    model: &dyn Classifier,
    ground: &TileGrid<'_>,
    stride: usize,
    out: &Path,
    words: &Words<'_>,
    progress: &mut dyn Progress,
) -> Result<(CoverMapReport, CoverMap)> {
    let names = Names::of(out)?;
    clear_unfinished(&names.file(""));
    if words.replace {
        for name in names.shown().iter().map(|name| names.folder.join(name)) {
            if name.is_file() {
                std::fs::remove_file(&name).map_err(Error::io(&name))?;
            }
        }
    } else {
        names.shown().iter().try_for_each(|name| check_free(&names.folder.join(name)))?;
    }
    let (grid, classes) = (ground.grid(), model.classes());
    if classes.len() > 255 {
        let problem = format!("{} classes do not fit into its bytes", classes.len());
        return Err(Error::file(out, problem, "train with 255 classes at most"));
    }
    let mut numbers = GeoTiffWriter::<u8>::create(names.file(""), grid)?
        .no_data(0)
        .colours(&colours(classes))
        .describe(&format!("land cover by {}: {}; {}", model.name(), legend(classes), words.data));
    let mut confidence = GeoTiffWriter::<f32>::create(names.file("-confidence"), grid)?
        .no_data(f32::NAN)
        .describe(&format!("highest class probability; {}", words.data));
    let map = CoverMap::of(model, ground, stride, progress, &mut |rows, sure| {
        numbers.append(rows)?;
        confidence.append(sure)
    })?;
    let pixels = map.pixels();
    if pixels == 0 {
        let advice = "give a scene with data, or say which value means no data with --nodata";
        return Err(Error::file(out, "no pixel of the scene has data", advice));
    }
    let figure = figure(model, grid, stride, &map, words)?;
    let (numbers, confidence) = (numbers.complete()?, confidence.complete()?);
    let mut files = figure.written(&names.folder, &names.stem)?;
    // The map itself gets its name last.
    files.extend([confidence, numbers]);
    publish(files)?;
    let count = |k: usize| map.classes.iter().filter(|class| **class == Some(k)).count();
    let report = CoverMapReport {
        size: [grid.rows, grid.columns],
        stride,
        without_data: map.classes.len() - pixels,
        mean_confidence: map.confidence / pixels as f64,
        classes: (0..classes.len()).map(|k| (classes.name(k), count(k))).filter(|(_, n)| *n > 0).collect(),
        files: names.shown(),
    };
    Ok((report, map))
}

fn figure(
    model: &dyn Classifier,
    grid: &Grid,
    stride: usize,
    map: &CoverMap,
    words: &Words<'_>,
) -> Result<figures::Figure> {
    let size = model.imagery().patch_size;
    let mut notes = vec![format!("tiles of {size} pixels, {stride} apart, averaged")];
    if let Some([across, _]) = grid.pixel_metres() {
        notes.push(format!("a pixel is {across:.0} m wide"));
    }
    let missing = map.classes.len() - map.pixels();
    if missing > 0 {
        notes.push(format!("white: no data ({})", percent(missing as f64 / map.classes.len() as f64)));
    }
    let picture = MapPicture {
        classes: model.classes(),
        map: map.classes.clone(),
        truth: None,
        seen: map.seen.as_ref(),
        pixel_metres: grid.pixel_metres(),
        north: grid.north(),
        notes: notes.join("; "),
    };
    let provenance = Provenance { seed: words.seed, ..Provenance::of(words.data, Source::Other) };
    Ok(figures::map(&picture, &Caption::new(words.title, words.data))?.with_provenance(&provenance))
}

/// Of the numbers from 0 on.
fn colours(classes: &Classes) -> Vec<[u8; 3]> {
    std::iter::once([0; 3]).chain((0..classes.len()).map(|k| classes.colour(k))).collect()
}

/// `1 forest, 2 water`
fn legend(classes: &Classes) -> String {
    let names: Vec<String> = (0..classes.len()).map(|k| format!("{} {}", k + 1, classes.name(k))).collect();
    names.join(", ")
}

/// How a scene is mapped by the network of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct CoverMapping {
    /// Pixels from tile to tile; half a tile where not given.
    pub stride: Option<usize>,
    /// How values become the network's unit, and which part of the scene counts; tiles are the network's.
    pub tiling: Tiling,
    /// What the figure says of where the scene is from; if nothing, what the files say of themselves, or their names.
    pub data: Option<String>,
    /// Where the network runs.
    pub device: crate::models::Device,
}

/// Maps a scene with a network that [`train_land_cover`](super::train_land_cover) has trained: each pixel's probabilities
/// are the weighted mean over the overlapping tiles that cover it, so that no seam shows.
///
/// `OUT.tif` gets the class numbers 1, 2, … with their colours (0 = no data), `OUT-confidence.tif` the highest probability
/// (no data: NaN), `OUT.png`, `OUT.svg` and `OUT.csv` the map as a figure.
///
/// # Errors
/// A run without a network of pixels, a name that is taken or does not end in .tif, bands that the network needs and the
/// scene lacks, pixels unlike those that it was trained on, a scene smaller than a tile, files that cannot be read or
/// written. No GeoTIFF has its name before all files are written.
pub fn map_land_cover(
    run: &Path,
    scene: Scene,
    mapping: &CoverMapping,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<CoverMapReport> {
    let model = crate::studies::load_segmenter(run, mapping.device)?;
    let imagery = model.imagery().clone();
    let place = scene.files()[0].path().to_owned();
    if let Err(Error::Input { place: band, .. }) = scene.bands().positions(&imagery.bands) {
        let problem = format!(
            "{band} is missing: the network takes {}, the scene has {}",
            imagery.bands,
            scene.bands()
        );
        return Err(Error::file(&place, problem, "give its file, too, or name the bands with --band-names"));
    }
    let scene = scene.only(&imagery.bands)?;
    let stride = mapping.stride.unwrap_or((imagery.patch_size / 2).max(1));
    let tiling = Tiling { patch_size: imagery.patch_size, stride, ..mapping.tiling.clone() };
    let ground = tiling.over(&scene)?;
    if let Some(difference) = imagery.mismatch(&TileGrid::imagery(&ground)) {
        let problem = format!("the network does not fit: {difference}");
        let advice = "say how values become the network's unit with --scale, --offset and --unit";
        return Err(Error::file(&place, problem, advice));
    }
    let data = mapping.data.clone().unwrap_or_else(|| scene.provenance());
    let title = format!("Land cover by {}", model.name());
    let words = Words { title: &title, data: &data, seed: None, replace: false };
    Ok(write_map(&*model, &ground, stride, out, &words, progress)?.0)
}

/// Maps a scene with a network in memory, as a figure only: see [`map_land_cover`].
///
/// # Errors
/// Bands that the network needs and the scene lacks, a scene smaller than a tile or without data, files that cannot be
/// read.
pub fn land_cover_figure(
    model: &dyn Classifier,
    scene: &Scene,
    tiling: &Tiling,
    caption: &Caption,
    progress: &mut dyn Progress,
) -> Result<figures::Figure> {
    let imagery = model.imagery();
    let scene = scene.clone().only(&imagery.bands)?;
    let stride = (imagery.patch_size / 2).max(1);
    let tiling = Tiling { patch_size: imagery.patch_size, stride, ..tiling.clone() };
    let ground = tiling.over(&scene)?;
    let map = CoverMap::of(model, &ground, stride, progress, &mut |_, _| Ok(()))?;
    let words = Words { title: &caption.title, data: &caption.data, seed: None, replace: false };
    figure(model, ground.grid(), stride, &map, &words)
}
