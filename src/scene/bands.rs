//! The bands of one date, resampled to one grid.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::geotiff::GeoTiff;
use super::grid::{Grid, Window};
use crate::{Bands, Error, Result};

/// The bands of one place on one date: GeoTIFFs of one or more bands each.
#[derive(Debug, Clone)]
pub struct Scene {
    files: Vec<GeoTiff>,
    /// Which bands of the files the channels are, counted over all files.
    channels: Vec<usize>,
    bands: Bands,
    scl: Option<GeoTiff>,
}

impl Scene {
    /// Opens the files; their order is that of the channels.
    ///
    /// A file of one band is named after the last part of its name that looks like a band
    /// (`LC8…_B10.tif` → B10, `B02_10m.tif` → B2, `S2A_…_B8A.tif` → B8A), else after the whole name;
    /// bands that share a file are `NAME 1`, `NAME 2`, ….
    ///
    /// # Errors
    /// No file, one that cannot be read, or two bands of one name.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let files = paths.into_iter().map(GeoTiff::open).collect::<Result<Vec<_>>>()?;
        let names = files.iter().flat_map(|file| {
            let name = band_name(file.path());
            let numbered = |k: usize| if file.bands() == 1 { name.clone() } else { format!("{name} {k}") };
            (1..=file.bands()).map(numbered).collect::<Vec<_>>()
        });
        let bands = Bands::named(names.collect::<Vec<_>>())?;
        Ok(Self { files, channels: (0..bands.len()).collect(), bands, scl: None })
    }

    /// The same bands under these names.
    ///
    /// # Errors
    /// Another number of names than of bands.
    pub fn with_band_names(self, bands: Bands) -> Result<Self> {
        if bands.len() != self.bands.len() {
            let problem = format!("{} names for {} bands ({})", bands.len(), self.bands.len(), self.bands);
            return Err(Error::input("band names", problem, "give a name a band, in order"));
        }
        Ok(Self { bands, ..self })
    }

    /// The same bands with Sentinel-2's scene classes (SCL band) of the same date, which say where clouds are.
    #[must_use]
    pub fn with_scene_classes(self, scene_classes: GeoTiff) -> Self {
        Self { scl: Some(scene_classes), ..self }
    }

    /// Sentinel-2's scene classes, if given.
    pub fn scene_classes(&self) -> Option<&GeoTiff> {
        self.scl.as_ref()
    }

    /// These bands only, in this order; files without any of them are not read.
    ///
    /// # Errors
    /// A band that the scene does not have.
    pub fn only(self, bands: &Bands) -> Result<Self> {
        let wanted: Vec<usize> = self.bands.positions(bands)?.into_iter().map(|k| self.channels[k]).collect();
        let (mut files, mut before, mut kept) = (Vec::new(), 0, 0);
        let mut channels = vec![0; wanted.len()];
        for file in self.files {
            let held = before..before + file.bands();
            before = held.end;
            if !wanted.iter().any(|band| held.contains(band)) {
                continue;
            }
            for (channel, band) in channels.iter_mut().zip(&wanted) {
                if held.contains(band) {
                    *channel = kept + band - held.start;
                }
            }
            kept += held.len();
            files.push(file);
        }
        Ok(Self { files, channels, bands: bands.clone(), scl: self.scl })
    }

    /// The description in the files (`ImageDescription`), from the first file that has one.
    pub fn description(&self) -> Option<&str> {
        self.files.iter().find_map(GeoTiff::description)
    }

    /// The files' names without their folders.
    pub fn file_names(&self) -> Vec<String> {
        let name =
            |file: &GeoTiff| file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.iter().map(name).collect()
    }

    /// Where the scene is from, as its files say, else their names.
    pub fn provenance(&self) -> String {
        if let Some(text) = self.description() {
            // The generator's bands begin with their own names; a synthetic scene is called one first of all.
            let synthetic = text.find("synthetic").map(|start| &text[start..]);
            return synthetic.unwrap_or(text).to_owned();
        }
        match self.file_names().as_slice() {
            [first, .., last] => format!("{first} … {last}"),
            names => names.concat(),
        }
    }

    /// The names, in the order of the channels.
    pub fn bands(&self) -> &Bands {
        &self.bands
    }

    /// The files, in their order.
    pub fn files(&self) -> &[GeoTiff] {
        &self.files
    }

    /// Each file with its grid.
    pub(super) fn grids(&self) -> impl Iterator<Item = (&Path, &Grid)> + Clone {
        self.files.iter().map(|file| (file.path(), file.grid()))
    }

    /// The bands in a window of `grid`, the finest of all; coarser ones by nearest neighbour. A pixel
    /// without data is NaN: one that equals `no_data`, or, if that is `None`, the value that its file
    /// names.
    pub(super) fn read(
        &self,
        grid: &Shared,
        window: &Window,
        no_data: Option<f64>,
    ) -> Result<Vec<Array2<f32>>> {
        let bands_of = |file: &GeoTiff| -> Result<Vec<Array2<f32>>> {
            let factor = grid.multiple(file.path(), file.grid())?;
            let coarse = window.coarser(factor);
            let pixels = file.read(&coarse, no_data.or(file.no_data()))?;
            if factor == 1 && pixels.dim().0 == 1 {
                return Ok(vec![pixels.index_axis_move(Axis(0), 0)]);
            }
            let in_window = |band: ArrayView2<'_, f32>| {
                if factor == 1 { band.to_owned() } else { window.spread(factor, band) }
            };
            Ok(pixels.axis_iter(Axis(0)).map(in_window).collect())
        };
        // In their order, so that of several bad files the first one is named.
        let read: Vec<Result<_>> = self.files.par_iter().map(bands_of).collect();
        let bands: Vec<Array2<f32>> =
            read.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect();
        if self.channels.iter().copied().eq(0..bands.len()) {
            return Ok(bands);
        }
        Ok(self.channels.iter().map(|&band| bands[band].clone()).collect())
    }
}

/// The finest grid of several files, which all others must fit, and the file that has it.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    path: PathBuf,
    grid: Grid,
}

impl Shared {
    /// The finest grid of these files; the first where several are as fine.
    pub fn finest<'a>(files: impl Iterator<Item = (&'a Path, &'a Grid)> + Clone) -> Result<Self> {
        let width = |grid: &Grid| grid.transform.map_or(f64::INFINITY, |t| t.pixel_size().0);
        let finest = files.clone().reduce(|a, b| if width(b.1) < width(a.1) * 0.999 { b } else { a });
        let Some((path, grid)) = finest else {
            return Err(Error::input("bands", "no file is given", "name at least one GeoTIFF"));
        };
        let shared = Self { path: path.to_owned(), grid: grid.clone() };
        for (path, grid) in files {
            shared.multiple(path, grid)?;
        }
        Ok(shared)
    }

    /// The finest grid of all bands.
    pub fn of_bands(dates: &[Scene]) -> Result<Self> {
        Self::finest(dates.iter().flat_map(Scene::grids))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// How many pixels of the grid make one of the file's, in each direction.
    pub fn multiple(&self, path: &Path, grid: &Grid) -> Result<usize> {
        self.grid.multiple(grid).map_err(|difference| {
            Error::file(
                path,
                format!("not on the grid of {}: {difference}", self.path.display()),
                "bring both to one grid: gdalwarp -t_srs, -te and -tr (labels: --reproject)",
            )
        })
    }
}

/// The band named in a file's name.
fn band_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let parts = stem.split(['_', '-', '.', ' ']);
    parts.rev().find_map(as_band).unwrap_or_else(|| stem.into_owned())
}

/// `B02` → `B2`, `b8a` → `B8A`; `None` for anything that is not a band name.
fn as_band(part: &str) -> Option<String> {
    let part = part.to_ascii_uppercase();
    let rest = part.strip_prefix('B')?;
    let digits = rest.strip_suffix('A').unwrap_or(rest);
    let number: u32 = digits.parse().ok().filter(|_| digits.len() <= 2)?;
    Some(format!("B{number}{}", &rest[digits.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_named_after_its_file() {
        let named = |path: &str| band_name(Path::new(path));
        assert_eq!(named("landsat/LC81220442013333LGN00_B10.tif"), "B10");
        assert_eq!(named("aquileia/B02.tif"), "B2");
        assert_eq!(named("T32TMT_20190416T101031_B8A_20m.jp2.tif"), "B8A");
        assert_eq!(named("S2A_MSIL2A_20170617T113321_36_85_B01.tif"), "B1");
        assert_eq!(named("elevation.tif"), "elevation");
        assert_eq!(named("Bremen_B.tif"), "Bremen_B");
    }
}
