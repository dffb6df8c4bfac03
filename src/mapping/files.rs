//! The GeoTIFFs of a map, written together: none has its name before all are whole.

use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView1, ArrayView2};

use super::report::ClassNumbers;
use crate::files::{Partial, check_free, clear_unfinished};
use crate::scene::{GeoTiffWriter, Grid};
use crate::{Error, Result};

/// What the files are called.
pub(super) struct Names {
    folder: PathBuf,
    stem: String,
    probabilities: bool,
}

impl Names {
    pub fn of(out: &Path, probabilities: bool, replace: bool) -> Result<Self> {
        let is_tiff = out.extension().is_some_and(|ending| ending == "tif" || ending == "tiff");
        let stem = out.file_stem().and_then(|stem| stem.to_str()).filter(|stem| !stem.starts_with('.'));
        let Some(stem) = stem.filter(|_| is_tiff) else {
            return Err(Error::file(out, "not the name of a GeoTIFF", "give one such as city.tif"));
        };
        let folder = out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !folder.is_dir() {
            return Err(Error::file(folder, "no such folder", "make it first, or choose another"));
        }
        let names = Self { folder: folder.to_owned(), stem: stem.to_owned(), probabilities };
        clear_unfinished(&names.raster(""));
        for path in names.shown().iter().map(|name| folder.join(name)) {
            if replace && path.is_file() {
                fs::remove_file(&path).map_err(Error::io(&path))?;
            }
            check_free(&path)?;
        }
        Ok(names)
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn stem(&self) -> &str {
        &self.stem
    }

    fn raster(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{}{what}.tif", self.stem))
    }

    /// All files, without their folder.
    pub fn shown(&self) -> Vec<String> {
        let mut endings = vec![".tif", "-filtered.tif", "-confidence.tif", "-entropy.tif"];
        if self.probabilities {
            endings.push("-probabilities.tif");
        }
        endings.extend([".png", ".svg", ".csv"]);
        endings.into_iter().map(|ending| format!("{}{ending}", self.stem)).collect()
    }
}

/// The files that are being written.
pub(super) struct Files {
    zones: GeoTiffWriter<u8>,
    filtered: GeoTiffWriter<u8>,
    confidence: GeoTiffWriter<f32>,
    entropy: GeoTiffWriter<f32>,
    probabilities: Option<GeoTiffWriter<f32>>,
}

impl Files {
    pub fn create(names: &Names, grid: &Grid, table: &ClassNumbers, data: &str) -> Result<Self> {
        let colours = table.colours();
        let of_classes = |what: &str, band: &str, about: &str| {
            let writer = GeoTiffWriter::<u8>::create(names.raster(what), grid)?.bands(&[band]);
            Ok::<_, Error>(writer.no_data(0).colours(&colours).describe(&format!("{about}; {data}")))
        };
        let of_numbers = |what: &str, bands: &[&str], about: &str| {
            let writer = GeoTiffWriter::<f32>::create(names.raster(what), grid)?.bands(bands);
            Ok::<_, Error>(writer.no_data(f32::NAN).describe(&format!("{about}; {data}")))
        };
        let numbers = table.legend();
        let codes: Vec<&str> = table.classes().codes().iter().map(String::as_str).collect();
        let probabilities = || of_numbers("-probabilities", &codes, "class probabilities");
        Ok(Self {
            zones: of_classes("", "class", &numbers)?,
            filtered: of_classes(
                "-filtered",
                "class filtered",
                &format!("{numbers}, smoothed by a Gaussian"),
            )?,
            confidence: of_numbers("-confidence", &["confidence"], "highest class probability")?,
            entropy: of_numbers("-entropy", &["entropy"], "entropy of the class probabilities in nats")?,
            probabilities: names.probabilities.then(probabilities).transpose()?,
        })
    }

    /// Bytes of the rows that wait to be written, for each pixel of the map.
    pub fn bytes_a_pixel(&self, table: &ClassNumbers) -> usize {
        8 + if self.has_probabilities() { 8 * table.classes().len() } else { 0 }
    }

    pub fn has_probabilities(&self) -> bool {
        self.probabilities.is_some()
    }

    /// Appends lines.
    pub fn append(&mut self, map: &ArrayView2<'_, u8>, rows: &MapRows) -> Result<()> {
        self.zones.append(&map.iter().copied().collect::<Vec<_>>())?;
        self.confidence.append(rows.confidence.as_slice().unwrap_or_default())?;
        self.entropy.append(rows.entropy.as_slice().unwrap_or_default())?;
        if let (Some(writer), Some(p)) = (&mut self.probabilities, &rows.probabilities) {
            writer.append(p.as_slice().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The whole filtered map.
    pub fn filtered(&mut self, map: &Array2<u8>) -> Result<()> {
        map.outer_iter().try_for_each(|line| self.filtered.append(&line.to_vec()))
    }

    /// Brings all files to disk, which then only need their names.
    pub fn complete(self) -> Result<Vec<Partial>> {
        let mut whole = vec![
            self.zones.complete()?,
            self.filtered.complete()?,
            self.confidence.complete()?,
            self.entropy.complete()?,
        ];
        if let Some(probabilities) = self.probabilities {
            whole.push(probabilities.complete()?);
        }
        Ok(whole)
    }
}

/// Some lines of the map.
pub(super) struct MapRows {
    confidence: Array2<f32>,
    entropy: Array2<f32>,
    /// The classes of a pixel side by side.
    probabilities: Option<Array2<f32>>,
}

impl MapRows {
    /// Room for lines and columns; with probabilities, of `classes` classes.
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
