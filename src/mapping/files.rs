//! The files of a map, written together: none has its name before all are whole.
//!
//! The map itself is one GeoTIFF as the LCZ Generator's: bytes in bands that are found by name, `lcz`, `lczFilter` and
//! `probability`, cloud-optimised.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1, ArrayView2, Axis};

use super::report::MapNumbers;
use super::styles;
use crate::figures::Figure;
use crate::files::{NewFolders, Partial, check_free, clear_unfinished, publish};
use crate::scene::{Cog, GeoTiffWriter, Grid};
use crate::shard::Shard;
use crate::{Classes, Error, Result};

/// What the description of a shard begins with.
pub(super) const SHARD: &str = "shard ";
/// What stands in a map's description before the provenance.
pub(super) const PERCENT: &str = "; probability in percent; ";

/// What the files are called.
pub(super) struct Names {
    folder: PathBuf,
    stem: String,
    probabilities: bool,
    shard: Option<Shard>,
}

impl Names {
    /// For a map or a shard of it; checks that no file has a name of them, unless they are replaced.
    pub fn of(out: &Path, (probabilities, shard): (bool, Option<Shard>), replace: bool) -> Result<Self> {
        let is_tiff = out.extension().is_some_and(|ending| ending == "tif");
        let stem = out.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.starts_with('.'));
        let Some(stem) = stem.filter(|_| is_tiff) else {
            return Err(Error::file(out, "not the name of a GeoTIFF", "give one such as city.tif"));
        };
        let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let of_shard = |Shard { index, of }: Shard| format!("{stem}-shard-{index}-of-{of}");
        let stem = shard.map_or_else(|| stem.to_owned(), of_shard);
        let names = Self { folder: folder.to_owned(), stem, probabilities, shard };
        clear_unfinished(&names.raster(""));
        for path in names.shown().iter().map(|name| folder.join(name)) {
            if !replace {
                check_free(&path)?;
            }
        }
        Ok(names)
    }

    /// Removes files of these names, once nothing but the model itself can fail.
    pub fn remove(&self) -> Result<()> {
        let there = self.shown().into_iter().map(|name| self.folder.join(name)).filter(|path| path.is_file());
        there.into_iter().try_for_each(|path| fs::remove_file(&path).map_err(Error::io(&path)))
    }

    fn raster(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}{what}.tif", self.stem))
    }

    /// All files, without their folder.
    pub fn shown(&self) -> Vec<String> {
        let mut endings = vec![".tif", "-confidence.tif", "-entropy.tif"];
        if self.probabilities {
            endings.push("-probabilities.tif");
        }
        endings.push(".tif.aux.xml");
        if self.shard.is_none() {
            endings.extend([".qml", ".png", ".svg", ".csv"]);
        }
        endings.into_iter().map(|ending| format!("{}{ending}", self.stem)).collect()
    }
}

/// The files that are being written.
pub(super) struct Files {
    path: PathBuf,
    confidence: GeoTiffWriter<f32>,
    entropy: GeoTiffWriter<f32>,
    probabilities: Option<GeoTiffWriter<f32>>,
    /// The highest probability of each pixel in percent, 1 at least; 0 is no data.
    percent: Vec<u8>,
    /// What the description begins with: of a shard, which it is, and of which map.
    shard: String,
    /// Folders that were made for the files.
    _folders: NewFolders,
}

impl Files {
    /// `map` tells the map of a shard from others.
    pub fn create(names: &Names, grid: &Grid, classes: &Classes, (data, map): (&str, &str)) -> Result<Self> {
        let folders = NewFolders::make(&names.folder)?;
        let of_numbers = |what: &str, bands: &[&str], about: &str| {
            let writer = GeoTiffWriter::<f32>::create(names.raster(what), grid)?.bands(bands);
            Ok::<_, Error>(writer.no_data(f32::NAN).describe(&format!("{about}; {data}")))
        };
        let codes: Vec<&str> = classes.codes().iter().map(String::as_str).collect();
        let probabilities = || of_numbers("-probabilities", &codes, "class probabilities");
        Ok(Self {
            path: names.raster(""),
            confidence: of_numbers("-confidence", &["confidence"], "highest class probability")?,
            entropy: of_numbers("-entropy", &["entropy"], "entropy of the class probabilities in nats")?,
            probabilities: names.probabilities.then(probabilities).transpose()?,
            percent: Vec::with_capacity(grid.rows * grid.columns),
            shard: names.shard.map_or_else(String::new, |Shard { index, of }| {
                format!("{SHARD}{index} of {of} of map {map}; ")
            }),
            _folders: folders,
        })
    }

    /// Bytes of the rows that wait to be written, for each pixel of the map.
    pub fn bytes_a_pixel(&self, classes: &Classes) -> usize {
        8 + if self.has_probabilities() { 8 * classes.len() } else { 0 }
    }

    pub fn has_probabilities(&self) -> bool {
        self.probabilities.is_some()
    }

    /// Appends lines.
    pub fn append(&mut self, rows: &MapRows) -> Result<()> {
        let confidence = rows.confidence.as_slice().unwrap_or_default();
        // NaN, no data, becomes 0.
        let percent = |&p: &f32| if p.is_nan() { 0 } else { (100.0 * p).round().max(1.0) as u8 };
        self.percent.extend(confidence.iter().map(percent));
        self.confidence.append(confidence)?;
        self.entropy.append(rows.entropy.as_slice().unwrap_or_default())?;
        if let (Some(writer), Some(p)) = (&mut self.probabilities, &rows.probabilities) {
            writer.append(p.as_slice().unwrap_or_default())?;
        }
        Ok(())
    }

    /// Brings all files to disk, and gives them their names together.
    pub fn publish(
        self,
        names: &Names,
        maps: (&Array2<u8>, Option<&Array2<u8>>),
        (grid, table, data): (&Grid, &MapNumbers, &str),
        figure: Option<&Figure>,
    ) -> Result<()> {
        let mut files = self.complete(maps, grid, table, data)?;
        if let Some(figure) = figure {
            files.extend(figure.written(&names.folder, &names.stem)?);
        }
        // The map itself gets its name last.
        files.reverse();
        publish(files)
    }

    /// Brings all files to disk, which then only need their names, the map itself first.
    fn complete(
        self,
        (map, filtered): (&Array2<u8>, Option<&Array2<u8>>),
        grid: &Grid,
        table: &MapNumbers,
        data: &str,
    ) -> Result<Vec<Partial>> {
        let (rows, columns) = map.dim();
        let percent = Array2::from_shape_vec((rows, columns), self.percent).expect("a byte per pixel");
        let of_zones = table.are_zones();
        let mut bands = vec![(if of_zones { "lcz" } else { "class" }, map.view())];
        bands.extend(filtered.map(|map| (if of_zones { "lczFilter" } else { "classFilter" }, map.view())));
        let class_bands = bands.len();
        bands.push(("probability", percent.view()));
        let (names, views): (Vec<&str>, Vec<ArrayView2<'_, u8>>) = bands.into_iter().unzip();
        let pixels = ndarray::stack(Axis(2), &views).expect("bands of one size");
        let smoothed = if filtered.is_some() { ", smoothed by a Gaussian in the second band" } else { "" };
        let shard = &self.shard;
        let description = format!("{shard}{}{smoothed}{PERCENT}{data}", table.legend());
        let cog = Cog { grid, bands: &names, description: &description };
        let text = |ending: &str, text: String| {
            let path = self.path.with_extension(ending);
            let partial = Partial::file(&path)?;
            fs::write(partial.path(), text).map_err(Error::io(&path))?;
            Ok::<_, Error>(partial)
        };
        let mut whole = vec![
            cog.write(&self.path, pixels.view())?,
            self.confidence.complete()?,
            self.entropy.complete()?,
            text("tif.aux.xml", styles::auxiliary(table, class_bands))?,
        ];
        if self.shard.is_empty() {
            whole.push(text("qml", styles::qgis(table))?);
        }
        if let Some(probabilities) = self.probabilities {
            whole.push(probabilities.complete()?);
        }
        Ok(whole)
    }
}

/// Some lines of the map.
pub(super) struct MapRows {
    pub confidence: Array2<f32>,
    pub entropy: Array2<f32>,
    /// The classes of a pixel side by side.
    pub probabilities: Option<Array2<f32>>,
}

impl MapRows {
    /// Room for rows and columns; with probabilities, of `classes` classes.
    pub fn without_data(lines: usize, columns: usize, classes: Option<usize>) -> Self {
        let nothing = |columns: usize| Array2::from_elem((lines, columns), f32::NAN);
        let probabilities = classes.map(|classes| nothing(columns * classes));
        Self { confidence: nothing(columns), entropy: nothing(columns), probabilities }
    }

    /// Stores a pixel's prediction, its highest probability and its entropy.
    pub fn put(&mut self, place: [usize; 2], p: ArrayView1<'_, f64>, (highest, entropy): (f64, f64)) {
        self.confidence[place] = highest as f32;
        self.entropy[place] = entropy as f32;
        if let Some(rows) = &mut self.probabilities {
            for (k, &value) in p.iter().enumerate() {
                rows[[place[0], place[1] * p.len() + k]] = value as f32;
            }
        }
    }
}
