//! Scenes by one path: a product as downloaded, a folder of GeoTIFFs, or a GeoTIFF of several bands.

use std::path::{Path, PathBuf};

use super::mosaic::{Mosaic, export_of};
use super::names::{as_band, band_in, stated_names};
use super::{GeoTiff, Landsat, Product, Raster, Scene};
use crate::{Bands, Error, Result};

/// GeoTIFFs of a folder that are looked at, at most.
const MOST_FILES: usize = 10_000;
/// Names of files in a message, at most.
const MOST_NAMED: usize = 6;

impl Scene {
    /// Opens what a path names:
    ///
    /// - a Sentinel-2 [`Product`];
    /// - a [`Landsat`] product, as a folder or a tar;
    /// - a folder of GeoTIFFs, whose bands are named as in [`open`](Self::open); a file that names no band (labels, masks,
    ///   previews) is left out with a warning, one whose name has the part `SCL` is the scene classes, and of a band at several
    ///   resolutions the finest is taken;
    /// - a GeoTIFF of one or more bands.
    ///
    /// # Errors
    /// A path that is none of these, a folder without bands or with two files of one, a part that cannot be read.
    ///
    /// ```no_run
    /// let scene = lcz::scene::Scene::at("S2A_MSIL2A_20220706T085611_N0400_R007_T36SWG_20220706T140357.SAFE")?;
    /// println!("{}", scene.bands());
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn at(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if Product::is_at(path) {
            return Product::open(path)?.scene();
        }
        if Landsat::is_at(path) {
            return Landsat::open(path)?.scene();
        }
        if path.is_dir() { Self::of_folder(path) } else { Self::open([path]) }
    }

    /// The bands of these names, in this order; a scene that has other names gets these, if it has as many bands.
    ///
    /// # Errors
    /// Names that are not the scene's, of another number than its bands.
    pub fn only_or_named(self, names: Bands) -> Result<Self> {
        let Err(missing) = self.bands().positions(&names) else { return self.only(&names) };
        if self.is_product() || names.len() != self.bands().len() {
            return Err(missing);
        }
        self.with_band_names(names)
    }

    fn of_folder(folder: &Path) -> Result<Self> {
        let (mut named, mut nameless, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let mut classes: Vec<GeoTiff> = Vec::new();
        for path in geotiffs(folder)? {
            let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let in_name = band_in(&stem);
            let file = match GeoTiff::open(&path) {
                Ok(file) => file,
                // Files without a band need not be read.
                Err(error) if in_name.is_some() => return Err(error),
                Err(_) => {
                    left_out.push(path);
                    continue;
                }
            };
            let stated = stated_names(file.tags());
            let states_band = stated.iter().flatten().any(|name| as_band(name).is_some());
            let is_classes = stem.split(['_', '-', '.', ' ']).any(|part| part.eq_ignore_ascii_case("SCL"));
            match file.bands() {
                1 if is_classes => classes.push(file),
                1 if in_name.is_some() || states_band => named.push(file),
                2.. if states_band => named.push(file),
                2.. => nameless.push(file),
                _ => left_out.push(path),
            }
        }
        // Bands without names can only be taken in their order, which several files do not have.
        let exports = nameless.iter().map(|file| export_of(file.path()));
        let one = nameless.len() == 1 || (exports.clone().all(|of| of.is_some()) && all_equal(exports));
        if named.is_empty() && one {
            named = nameless;
        } else {
            left_out.extend(nameless.iter().map(|file| file.path().to_owned()));
        }
        let mut coarser = Vec::new();
        let named = finest(named, &mut coarser);
        if named.is_empty() {
            let problem = match left_out.as_slice() {
                [] => "a folder without GeoTIFFs".to_owned(),
                files => format!("none of its GeoTIFFs ({}) names a band", shown(files)),
            };
            let advice = "name the files after their bands (B2.tif, B02_10m.tif), give one file of all bands, or --bands in order";
            return Err(Error::file(folder, problem, advice));
        }
        for (mut files, why) in [(left_out, "not a band"), (coarser, "a coarser copy of a band")] {
            if !files.is_empty() {
                files.sort();
                tracing::warn!("{}: {}: {why}, ignored", folder.display(), shown(&files));
            }
        }
        warn_of_masks(&named);
        let scene = Self::of_files(side_by_side(named)?)?.of_whole_folder(folder);
        classes.sort_by(|a, b| width(a).total_cmp(&width(b)));
        match classes.into_iter().next() {
            Some(classes) => Ok(scene.with_scene_classes(classes)),
            None => Ok(scene),
        }
    }
}

/// The GeoTIFFs in a folder, in the order of their names.
fn geotiffs(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder))? {
        let path = entry.map_err(Error::io(folder))?.path();
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        if matches!(ending.as_deref(), Some("tif" | "tiff")) && path.is_file() {
            if paths.len() == MOST_FILES {
                let problem = format!("more than {MOST_FILES} GeoTIFFs");
                return Err(Error::file(folder, problem, "give the folder of one scene"));
            }
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Width of a pixel in units of the coordinates.
fn width(file: &GeoTiff) -> f64 {
    file.grid().transform.map_or(f64::INFINITY, |transform| transform.pixel_size().0)
}

/// The names of the bands of a file; `None` where one has none.
fn names_of(file: &GeoTiff) -> Option<Vec<String>> {
    let stated: Option<Vec<String>> = stated_names(file.tags()).into_iter().collect();
    if file.bands() > 1 {
        return stated;
    }
    let stem = file.path().file_stem()?.to_string_lossy();
    let of_tags = || stated.filter(|names| names.iter().all(|name| as_band(name).is_some()));
    band_in(&stem).map(|name| vec![name]).or_else(of_tags)
}

/// Of files of the same bands, those of the finest pixels.
fn finest(files: Vec<GeoTiff>, left_out: &mut Vec<PathBuf>) -> Vec<GeoTiff> {
    let names: Vec<_> = files.iter().map(names_of).collect();
    let widths: Vec<f64> = files.iter().map(width).collect();
    let coarser = |k: usize| {
        let others = names.iter().zip(&widths).filter(|(of, _)| of.is_some() && **of == names[k]);
        others.into_iter().any(|(_, other)| *other < 0.999 * widths[k])
    };
    let keep: Vec<bool> = (0..files.len()).map(|k| !coarser(k)).collect();
    let (kept, dropped): (Vec<_>, Vec<_>) = files.into_iter().zip(keep).partition(|(_, keep)| *keep);
    left_out.extend(dropped.iter().map(|(file, _)| file.path().to_owned()));
    kept.into_iter().map(|(file, _)| file).collect()
}

/// Puts the parts of a scene together; other files stay as they are, in their order.
pub(super) fn side_by_side(files: Vec<GeoTiff>) -> Result<Vec<Raster>> {
    /// What the parts of one scene have in common.
    #[derive(PartialEq)]
    enum Whole {
        Export(PathBuf),
        Bands(Vec<String>),
    }
    let mut groups: Vec<(Option<Whole>, Vec<GeoTiff>)> = Vec::new();
    for file in files {
        let export = export_of(file.path()).map(|name| Whole::Export(file.path().with_file_name(name)));
        let whole = export.or_else(|| names_of(&file).map(Whole::Bands));
        match groups.iter_mut().find(|(of, _)| of.is_some() && *of == whole) {
            Some((_, parts)) => parts.push(file),
            None => groups.push((whole, vec![file])),
        }
    }
    let mut rasters = Vec::with_capacity(groups.len());
    for (whole, mut parts) in groups {
        rasters.push(match (whole, parts.len()) {
            (_, 1) => Raster::from(parts.remove(0)),
            (Some(Whole::Bands(names)), _) => {
                let problem = format!("band '{}' comes again in {}", names.join(", "), parts[1].path().display());
                let first = parts[0].path().to_owned();
                let mosaic = Mosaic::of(parts).map_err(|error| {
                    tracing::debug!("{error}");
                    let advice = "give each band once, or parts that lie side by side (--bands is repeated for further dates)";
                    Error::file(first, problem, advice)
                })?;
                Raster::Mosaic(mosaic)
            }
            _ => Raster::Mosaic(Mosaic::of(parts)?),
        });
    }
    Ok(rasters)
}

/// Says once for a scene that its files have a mask that no tag tells of.
pub(super) fn warn_of_masks(files: &[GeoTiff]) {
    let masked: Vec<_> =
        files.iter().filter(|file| file.has_untagged_mask()).map(|file| file.path().to_owned()).collect();
    if !masked.is_empty() {
        tracing::warn!(
            "{}: the second of two bands holds only 0 and the largest number: taken for a mask, where 0 means no data",
            shown(&masked)
        );
    }
}

/// Some files' names.
fn shown(paths: &[PathBuf]) -> String {
    let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut names: Vec<String> = paths.iter().take(MOST_NAMED).map(name).collect();
    if paths.len() > MOST_NAMED {
        names.push(format!("and {} more", paths.len() - MOST_NAMED));
    }
    names.join(", ")
}

fn all_equal<T: PartialEq>(mut items: impl Iterator<Item = T>) -> bool {
    items.next().is_some_and(|first| items.all(|other| other == first))
}
