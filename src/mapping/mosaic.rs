//! Shards of a map, or maps side by side, as one map.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis, s};
use serde::Serialize;

use super::files::{Files, MapRows, Names, PERCENT, SHARD};
use super::report::MapNumbers;
use super::sources::together;
use super::{ClassArea, filter, kernels, styles};
use crate::figures::{self, Caption, MapPicture, Provenance, Source};
use crate::provenance::UNKNOWN;
use crate::scene::{Distance, GeoTiff, Mosaic, Window};
use crate::{Classes, Error, Palette, Result};

/// Lines that are copied together.
const LINES: usize = 256;

/// How maps are merged.
#[derive(Debug, Clone, Default)]
pub struct Mosaicking {
    /// As [`Mapping::sigma`](super::Mapping::sigma); without it the map is filtered if the parts are.
    pub sigma: Option<Distance>,
    /// The zones' colours.
    pub palette: Palette,
}

/// A map made of parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MosaicReport {
    /// How many parts.
    pub parts: usize,
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// The coordinate system.
    pub crs: String,
    /// Width and height of a pixel on the ground in metres, where known.
    pub pixel_metres: Option<[f64; 2]>,
    /// Pixels without a class.
    pub without_data: usize,
    /// Classes that the map holds.
    pub classes: Vec<ClassArea>,
    /// The files, by their names.
    pub files: Vec<String>,
}

/// Merges maps that lie side by side: shards, which together are the map that is made in one, or maps of neighbouring
/// areas on one grid. Classes, confidence and entropy are the parts', pixel for pixel; the filter is recomputed, now that
/// pixels have all their neighbours. The files are those of [`map()`](super::map()); the figure shows the map alone.
///
/// # Errors
/// Parts of different grids, classes or shards, or over one another; a shard that is missing; a name that is taken; files that cannot
/// be read or written.
///
/// ```no_run
/// use lcz::mapping::{Mosaicking, mosaic};
/// let shards = (1..=4).map(|k| format!("city-shard-{k}-of-4.tif"));
/// let report = mosaic(shards, "city.tif", &Mosaicking::default())?;
/// println!("{} parts, {} classes", report.parts, report.classes.len());
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn mosaic<P: AsRef<Path>>(
    parts: impl IntoIterator<Item = P>,
    out: impl AsRef<Path>,
    how: &Mosaicking,
) -> Result<MosaicReport> {
    let paths: Vec<PathBuf> = parts.into_iter().map(|path| path.as_ref().to_owned()).collect();
    let maps = paths.iter().map(GeoTiff::open).collect::<Result<Vec<_>>>()?;
    all_shards(&maps)?;
    let map = Mosaic::of(maps.clone())?;
    let bands: Vec<String> = map.tags().iter().map(|tags| tags.name.clone().unwrap_or_default()).collect();
    let zones = bands[0] == "lcz";
    if !zones && bands[0] != "class" {
        return Err(Error::file(map.path(), "its first band is not lcz or class", "give maps of lcz map"));
    }
    let classes = styles::classes_next_to(&paths[0], zones)?;
    for path in &paths[1..] {
        if styles::classes_next_to(path, zones)? != classes {
            let problem = format!("other classes than {}", paths[0].display());
            return Err(Error::file(path, problem, "give maps of one model"));
        }
    }
    let of_all = |what: &str| {
        let next_to = |path: &PathBuf| {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy();
            path.with_file_name(format!("{stem}-{what}.tif"))
        };
        let there = paths.iter().all(|path| next_to(path).is_file()) || what != "probabilities";
        let files = || paths.iter().map(|path| GeoTiff::open(next_to(path))).collect::<Result<Vec<_>>>();
        there.then(|| files().and_then(Mosaic::of)).transpose()
    };
    let numbers = [Some(map), of_all("confidence")?, of_all("entropy")?, of_all("probabilities")?];
    let [Some(map), Some(confidence), Some(entropy), probabilities] = &numbers else {
        unreachable!("only probabilities may be absent")
    };
    // Without probabilities the order of the classes is of no matter: they have their numbers.
    let classes = match probabilities {
        Some(probabilities) => in_order_of(probabilities, &classes)?,
        None => classes,
    };
    let (grid, table) = (map.grid(), MapNumbers::of(&classes, how.palette)?);
    for other in numbers.iter().flatten() {
        if other.grid() != grid {
            let problem = format!("not the pixels of {}", map.path().display());
            return Err(Error::file(other.path(), problem, "map the shard again with lcz map"));
        }
    }

    let data = together(maps.iter().map(provenance_of).collect());
    let names = Names::of(out.as_ref(), (probabilities.is_some(), None), false)?;
    let mut files = Files::create(&names, grid, &classes, (&data, ""))?;
    let mut pixels = Array2::<u8>::zeros((grid.rows, grid.columns));
    for first in (0..grid.rows).step_by(LINES) {
        let lines = first..grid.rows.min(first + LINES);
        let window = Window { rows: lines.clone(), columns: 0..grid.columns };
        let read = |of: &Mosaic| of.read(&window, of.no_data());
        // NaN, no data, becomes 0.
        let of_lines = read(map)?.index_axis(Axis(0), 0).mapv(|number| number as u8);
        pixels.slice_mut(s![lines, ..]).assign(&of_lines);
        let rows = MapRows {
            confidence: side_by_side(&read(confidence)?),
            entropy: side_by_side(&read(entropy)?),
            probabilities: probabilities.as_ref().map(|p| read(p).map(|p| side_by_side(&p))).transpose()?,
        };
        files.append(&rows)?;
    }
    let smoothed = how.sigma.is_some() || bands.iter().any(|name| name.ends_with("Filter"));
    let kernels = smoothed.then(|| kernels(how.sigma, &table, grid)).transpose()?;
    let filtered = kernels.map(|kernels| filter::gaussian(&pixels, |number| kernels[&number].clone()));

    let without_data = pixels.iter().filter(|&&number| number == 0).count();
    let title = if zones { "Local Climate Zones" } else { "Classes" };
    let picture = MapPicture {
        classes: &table.of_truth(),
        palette: how.palette,
        map: pixels.view(),
        truth: None,
        seen: None,
        pixel_metres: grid.pixel_metres(),
        pixel_area: grid.pixel_area(),
        north: grid.north(),
        notes: format!("merged from {} parts", paths.len()),
    };
    let figure = figures::map(&picture, &Caption::new(title, &*data))?
        .with_provenance(&Provenance::new(&data, Source::Other));
    files.publish(&names, (&pixels, filtered.as_ref()), (grid, &table, &data), Some(&figure))?;
    Ok(MosaicReport {
        parts: paths.len(),
        size: [grid.rows, grid.columns],
        crs: grid.crs.to_string(),
        pixel_metres: grid.pixel_metres(),
        without_data,
        classes: ClassArea::of(&pixels, &table, grid.pixel_area()),
        files: names.shown(),
    })
}

/// The classes in the order of the bands of their probabilities, which is the model's.
fn in_order_of(probabilities: &Mosaic, classes: &Classes) -> Result<Classes> {
    let names = probabilities.tags().iter().map(|tags| tags.name.clone().unwrap_or_default());
    let ordered = Classes::named(names).map_err(|error| error.within(probabilities.path()))?;
    if ordered.len() != classes.len() || classes.codes().iter().any(|code| !ordered.codes().contains(code)) {
        let problem = format!("probabilities of {ordered}, but the map has {classes}");
        return Err(Error::file(probabilities.path(), problem, "map it again with lcz map"));
    }
    Ok(ordered)
}

/// (bands, rows, columns) → (rows, columns · bands): the bands of a pixel side by side.
fn side_by_side(pixels: &Array3<f32>) -> Array2<f32> {
    let (bands, rows, columns) = pixels.dim();
    Array2::from_shape_fn((rows, columns * bands), |(row, k)| pixels[[k % bands, row, k / bands]])
}

/// Where a map is from.
fn provenance_of(map: &GeoTiff) -> String {
    let stated = map.description().and_then(|text| text.split_once(PERCENT));
    stated.map_or_else(|| UNKNOWN.to_owned(), |(_, data)| data.to_owned())
}

/// Where one map is a shard, all shards must be there.
fn all_shards(maps: &[GeoTiff]) -> Result<()> {
    // `shard 1 of 4 of map 0123456789abcdef; …`: its number, and what it is a shard of.
    fn shard(map: &GeoTiff) -> Option<(usize, &str)> {
        let (index, rest) = map.description()?.strip_prefix(SHARD)?.split_once(" of ")?;
        Some((index.parse().ok()?, rest.split_once(';')?.0))
    }
    fn of(map: &GeoTiff) -> Option<&str> {
        shard(map).map(|(_, of)| of)
    }
    let Some(first) = maps.first() else {
        return Err(Error::input("mosaic", "no map is given", "name the shards of one map"));
    };
    if let Some(other) = maps.iter().find(|map| of(map) != of(first)) {
        let problem = format!("no shard of the map of {}", first.path().display());
        let advice = "give the shards of one map: of the same models, scenes, settings and number of shards";
        return Err(Error::file(other.path(), problem, advice));
    }
    let there: Vec<usize> = maps.iter().filter_map(shard).map(|(index, _)| index).collect();
    let count = of(first).and_then(|of| of.split(' ').next()?.parse().ok()).unwrap_or(0);
    if let Some(missing) = (1..=count).find(|index| !there.contains(index)) {
        let problem = format!("shard {missing} of {count} is missing");
        return Err(Error::file(first.path(), problem, "map it, then give all shards"));
    }
    Ok(())
}
