//! The bands of one date, resampled to one grid.

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, Axis};
use rayon::prelude::*;

use super::names::{as_band, is_temperature, name_of_single, stated_names};
use super::opening::{side_by_side, warn_of_masks};
use super::resampled::{ResampledRaster, SquarePixels};
use super::{BandTags, GeoTiff, Grid, Raster, Window};
use crate::provenance::{self, UNKNOWN};
use crate::{Bands, Error, Result, Sensor};

/// The bands of one place on one date: GeoTIFFs of one or more bands each, or a [product](super::Product).
#[derive(Debug, Clone)]
pub struct Scene {
    files: Vec<Raster>,
    /// Which bands of the files the channels are, counted over all files.
    channels: Vec<usize>,
    bands: Bands,
    scl: Option<Raster>,
    /// A product's name.
    product: Option<String>,
    /// The folder that all its files are from, where it was named.
    folder: Option<String>,
    sensor: Option<Sensor>,
}

impl From<Scene> for Vec<Scene> {
    /// One date.
    fn from(scene: Scene) -> Self {
        vec![scene]
    }
}

impl Scene {
    /// Opens the files; their order is that of the channels.
    ///
    /// A file of one band is named after the last part of its name that looks like a band
    /// (`LC8…_B10.tif` → B10, `B02_10m.tif` → B2, `S2A_…_B8A.tif` → B8A), else after the band's description if that
    /// names a band, else after the whole name. Bands that share a file have the names of their descriptions (`B02` → B2),
    /// and where there is none `band 1`, `band 2`, … by their place in the scene.
    ///
    /// Files of the same bands that lie side by side are [parts of one scene](super::Mosaic), as are those that Earth Engine
    /// names `NAME-0000000000-0000002048.tif`.
    ///
    /// Surface temperatures of Landsat (`ST_B10`) are left out with a warning: models take reflectance.
    ///
    /// # Errors
    /// No file, one that cannot be read, two bands of one name, or temperatures alone.
    ///
    /// ```no_run
    /// let scene = lcz::scene::Scene::open(["B04_10m.tif", "B03_10m.tif", "B02_10m.tif"])?;
    /// assert_eq!(scene.bands().to_string(), "B4 B3 B2");
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self> {
        let files = paths.into_iter().map(GeoTiff::open).collect::<Result<Vec<_>>>()?;
        warn_of_masks(&files);
        Self::of_files(side_by_side(files)?)
    }

    /// The bands of files, named as [`open`](Self::open) says.
    pub(super) fn of_files(files: Vec<Raster>) -> Result<Self> {
        let mut names = Vec::new();
        for file in &files {
            let stated = stated_names(file.tags());
            match &stated[..] {
                [of_tags] => names.push(name_of_single(file.path(), of_tags.as_deref())),
                _ => names.extend(
                    (names.len() + 1..)
                        .zip(stated)
                        .map(|(k, name)| name.unwrap_or_else(|| format!("band {k}"))),
                ),
            }
        }
        let bands = Bands::named(names)?;
        let mut sensors = files.iter().map(|file| Sensor::from_file_name(file.path()));
        let sensor = sensors.next().flatten();
        let sensor = sensor.filter(|_| sensors.all(|other| other == sensor));
        let channels = (0..bands.len()).collect();
        Self { files, channels, bands, scl: None, product: None, folder: None, sensor }.without_temperatures()
    }

    fn without_temperatures(self) -> Result<Self> {
        let (hot, kept): (Vec<String>, Vec<String>) =
            self.bands.names().iter().cloned().partition(|name| is_temperature(name));
        if hot.is_empty() {
            return Ok(self);
        }
        let problem =
            format!("surface temperature ({}), which the bands of a model do not include", hot.join(", "));
        let path = self.files[0].path();
        if kept.is_empty() {
            return Err(Error::file(path, problem, "give the bands of reflectance: SR_B1 to SR_B7"));
        }
        tracing::warn!("{}: left out: {problem}", path.display());
        self.only(&Bands::named(kept)?)
    }

    /// The bands of a product of this name.
    pub(super) fn of_product(
        files: Vec<Raster>,
        bands: Bands,
        scl: Option<Raster>,
        (product, sensor): (String, Sensor),
    ) -> Self {
        let (channels, sensor) = ((0..files.len()).collect(), Some(sensor));
        Self { channels, files, bands, scl, product: Some(product), folder: None, sensor }
    }

    /// Whether it is a product: its bands have the names that are known.
    pub fn is_product(&self) -> bool {
        self.product.is_some()
    }

    /// The sensor, as far as a product or the names of its files tell.
    pub fn sensor(&self) -> Option<Sensor> {
        self.sensor
    }

    /// The same bands under these names. Warns where they exchange bands that the files name.
    ///
    /// # Errors
    /// Another number of names than of bands.
    pub fn with_band_names(self, bands: Bands) -> Result<Self> {
        if bands.len() != self.bands.len() {
            let problem = format!("{} names for {} bands ({})", bands.len(), self.bands.len(), self.bands);
            return Err(Error::input("band names", problem, "give a name a band, in order"));
        }
        // A file's `red` may well be called B4, but not its B2, and not if another is called `red`.
        let contradicts = |(channel, (given, stated)): &(usize, (&String, &String))| {
            let both_are_bands = as_band(given).is_some() && as_band(stated).is_some();
            let is_another = self.bands.position(given).is_some_and(|other| other != *channel);
            self.bands.position(given) != Some(*channel) && (both_are_bands || is_another)
        };
        let names = bands.names().iter().zip(self.bands.names());
        if let Some((channel, (given, stated))) = names.enumerate().find(contradicts)
            && let Some((path, _)) = self.tags().nth(channel)
        {
            tracing::warn!(
                "{}: the file names a band '{stated}', but --band-names calls it '{given}'; leave out --band-names unless the \
                 file is wrong",
                path.display()
            );
        }
        Ok(Self { bands, ..self })
    }

    /// The same bands with Sentinel-2's scene classes (SCL band) of the same date, which say where clouds are.
    #[must_use]
    pub fn with_scene_classes(self, scene_classes: impl Into<Raster>) -> Self {
        Self { scl: Some(scene_classes.into()), ..self }
    }

    /// The same bands with pixels that are square on the ground, as those that are cut into patches: where the sides of a
    /// pixel differ by more than 5 % (10 × 20 m, or degrees away from the equator), both become as long as the shorter one,
    /// bilinearly. Scene classes follow by nearest neighbour; give them before.
    ///
    /// # Errors
    /// Bands or scene classes that do not fit together.
    pub fn with_square_pixels(self) -> Result<Self> {
        let Some(square) = SquarePixels::of(Shared::of_bands(std::slice::from_ref(&self))?)? else {
            return Ok(self);
        };
        let resampled = |file: Raster, has_classes: bool| {
            Ok(Raster::Resampled(Box::new(ResampledRaster::of(file, &square, has_classes)?)))
        };
        let files = self.files.into_iter().map(|file| resampled(file, false)).collect::<Result<_>>()?;
        let scl = self.scl.map(|scl| resampled(scl, true)).transpose()?;
        Ok(Self { files, scl, ..self })
    }

    /// The grid before it was brought to [square pixels](Self::with_square_pixels), if it was.
    pub fn oblong_grid(&self) -> Option<&Grid> {
        self.files.iter().find_map(|file| match file {
            Raster::Resampled(file) => Some(file.source().1),
            _ => None,
        })
    }

    /// Sentinel-2's scene classes, if given or part of a product.
    pub fn scene_classes(&self) -> Option<&Raster> {
        self.scl.as_ref()
    }

    /// These bands only, in this order; files without any of them are not read.
    ///
    /// # Errors
    /// A band that the scene does not have.
    pub fn only(mut self, bands: &Bands) -> Result<Self> {
        let wanted: Vec<usize> = self.bands.positions(bands)?.into_iter().map(|k| self.channels[k]).collect();
        let (mut files, mut before, mut kept) = (Vec::new(), 0, 0);
        let mut channels = vec![0; wanted.len()];
        for file in std::mem::take(&mut self.files) {
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
        Ok(Self { files, channels, bands: bands.clone(), ..self })
    }

    /// The description in the files (`ImageDescription`), from the first file that has one; of a product, its provenance.
    pub fn description(&self) -> Option<&str> {
        self.files.iter().find_map(Raster::description)
    }

    /// The files' names without their folders; of a product, its name.
    pub fn file_names(&self) -> Vec<String> {
        if let Some(name) = &self.product {
            return vec![name.clone()];
        }
        let name = |file: &Raster| file.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.files.iter().map(name).collect()
    }

    /// What it is called: the product, the folder, or the files.
    pub fn name(&self) -> String {
        match (self.product.as_ref().or(self.folder.as_ref()), self.file_names().as_slice()) {
            (Some(name), _) => name.clone(),
            (None, [first, .., last]) => format!("{first} … {last}"),
            (None, names) => names.concat(),
        }
    }

    /// The same scene, which all files of a folder make.
    pub(super) fn of_whole_folder(self, folder: &Path) -> Self {
        // The last part of `.` or `..` is no name.
        let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        Self { folder: whole.file_name().map(|name| name.to_string_lossy().into_owned()), ..self }
    }

    /// Where the scene is from: synthetic if one of its files says so, real if all do, else of unknown source.
    pub fn provenance(&self) -> String {
        self.stated_provenance().unwrap_or_else(|| format!("{UNKNOWN}: {}", self.name()))
    }

    /// The provenance that its files state together, if they do.
    pub(super) fn stated_provenance(&self) -> Option<String> {
        provenance::inherited(&self.files.iter().map(Raster::description).collect::<Vec<_>>())
    }

    /// The file of each channel, and what it states about that band.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&Path, &BandTags)> + Clone {
        let all: Vec<_> =
            self.files.iter().flat_map(|file| file.tags().iter().map(|tags| (file.path(), tags))).collect();
        self.channels.iter().map(move |&band| all[band])
    }

    /// The names, in the order of the channels.
    pub fn bands(&self) -> &Bands {
        &self.bands
    }

    /// Which bands of the files the channels are, counted over all files.
    pub(super) fn channels(&self) -> &[usize] {
        &self.channels
    }

    /// The files, in their order.
    pub fn files(&self) -> &[Raster] {
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
        let bands_of = |file: &Raster| -> Result<Vec<Array2<f32>>> {
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
            let advice = if self.grid.is_next_to(grid) {
                "it lies next to it: give the parts of one scene in one --bands, with commas (labels must lie on the bands)"
            } else {
                "bring both to one grid: gdalwarp -t_srs, -te and -tr (labels: --reproject)"
            };
            Error::file(path, format!("not on the grid of {}: {difference}", self.path.display()), advice)
        })
    }
}
