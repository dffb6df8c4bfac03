//! A small piece of ground seen on several dates with its land cover: the HDF5 sample of eo-learn's examples.
//!
//! Datasets: `sen2_l1c` (dates, rows, columns, 13 bands of reflectance at the top of the atmosphere, pixels of 10 m)
//! and `lulc` (rows, columns), codes of Slovenia's land-cover map. All dates show the same ground.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, s};

use super::so2sat::{Numbers, open_file, product};
use super::{Masks, Patches};
use crate::provenance::UNKNOWN;
use crate::{Bands, Classes, Error, Imagery, Result};

const IMAGES: &str = "sen2_l1c";
const COVER: &str = "lulc";
/// All bands of Sentinel-2's level 1C, in order.
const BANDS: [&str; 13] = ["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"];
/// eo-learn's codes of land cover, in an order that gives classes fitting colours (forest is green); 0 means no data.
const COVERS: [(u16, &str); 10] = [
    (8, "artificial surface"),
    (4, "shrubland"),
    (2, "forest"),
    (3, "grassland"),
    (5, "water"),
    (1, "cultivated land"),
    (9, "bareland"),
    (6, "wetlands"),
    (7, "tundra"),
    (10, "snow and ice"),
];

/// The sample, in memory.
#[derive(Debug, Clone)]
pub struct EoPatch {
    path: PathBuf,
    images: Array4<f32>,
    /// Indices of `classes`, or [`Masks::IGNORED`].
    cover: Array2<u8>,
    classes: Classes,
    bands: Bands,
}

impl EoPatch {
    /// Opens the file; its classes are those land covers that it holds.
    ///
    /// # Errors
    /// A file or dataset that cannot be read, shapes that do not fit together, a pixel that is not finite, a code that
    /// means nothing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = open_file(path)?;
        let dataset = |name: &str| {
            if file.link_exists(name) {
                return Numbers::open(&file, path, name);
            }
            let advice = "give eo-learn's sample, such as slovenia_lulc.h5";
            Err(Error::file(path, format!("no dataset '{name}'"), advice))
        };
        let (images, cover) = (dataset(IMAGES)?, dataset(COVER)?);
        let (all, codes) = (images.shape(), cover.shape());
        if all.len() != 4 || all[0] == 0 || all[3] != BANDS.len() || codes != all[1..3] {
            let problem = format!("'{IMAGES}' is {} and '{COVER}' {}", product(&all), product(&codes));
            let advice = "sen2_l1c is dates x rows x columns x 13, lulc rows x columns";
            return Err(Error::file(path, problem, advice));
        }
        let images: Array4<f32> = images.read()?;
        let codes: Array2<u16> = cover.read()?;
        let (_, rows, columns, _) = images.dim();
        if let Some(((date, row, column, band), _)) = images.indexed_iter().find(|(_, v)| !v.is_finite()) {
            let place = format!("{}, {IMAGES}, date {date}, row {row}, column {column}", path.display());
            let problem = format!("{} is NaN or infinite", BANDS[band]);
            return Err(Error::input(place, problem, "give a date with data everywhere"));
        }
        let held: Vec<(u16, &str)> =
            COVERS.into_iter().filter(|(code, _)| codes.iter().any(|known| known == code)).collect();
        let classes =
            Classes::named(held.iter().map(|(_, name)| *name)).map_err(|error| error.within(path))?;
        let mut cover = Array2::from_elem((rows, columns), Masks::IGNORED);
        for ((row, column), &code) in codes.indexed_iter() {
            match held.iter().position(|(known, _)| *known == code) {
                Some(class) => cover[[row, column]] = class as u8,
                None if code == 0 => {}
                None => {
                    let place = format!("{}, {COVER}, row {row}, column {column}", path.display());
                    return Err(Error::input(place, format!("code {code}"), "codes are 0 (no data) to 10"));
                }
            }
        }
        Ok(Self { path: path.to_owned(), images, cover, classes, bands: Bands::named(BANDS)? })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's name, without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// How many dates.
    pub fn dates(&self) -> usize {
        self.images.dim().0
    }

    /// Rows and columns.
    pub fn size(&self) -> [usize; 2] {
        [self.images.dim().1, self.images.dim().2]
    }

    /// The land covers that it holds.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The class of each pixel, or [`Masks::IGNORED`].
    pub fn cover(&self) -> &Array2<u8> {
        &self.cover
    }

    /// Every pixel of a date. Shape: (rows, columns, 13).
    ///
    /// # Errors
    /// A date that it does not have.
    pub fn image(&self, date: usize) -> Result<Array3<f32>> {
        self.check(date)?;
        Ok(self.images.slice(s![date, .., .., ..]).to_owned())
    }

    fn check(&self, date: usize) -> Result<()> {
        if date < self.dates() {
            return Ok(());
        }
        let problem = format!("date {date} of {} (counted from 0)", self.dates());
        Err(Error::file(&self.path, problem, "choose another"))
    }

    /// What patches of this size are.
    pub fn imagery(&self, patch_size: usize) -> Imagery {
        Imagery {
            patch_size,
            bands: self.bands.clone(),
            ground_sampling_distance: Some(10.0),
            unit: "reflectance".to_owned(),
            sensor: None,
        }
    }

    /// Overlapping patches of these dates, a stride apart and the last ones at the end, and the classes of their
    /// pixels.
    ///
    /// # Errors
    /// A date that it does not have, a patch that does not fit, a stride of 0.
    pub fn patches(&self, dates: &[usize], patch_size: usize, stride: usize) -> Result<(Patches, Masks)> {
        let [rows, columns] = self.size();
        if patch_size == 0 || patch_size > rows.min(columns) || stride == 0 {
            let problem = format!("patches of {patch_size} pixels, {stride} apart, of {rows} x {columns}");
            let advice = "choose smaller patches, and a stride of 1 or more";
            return Err(Error::file(&self.path, problem, advice));
        }
        dates.iter().try_for_each(|&date| self.check(date))?;
        let [rows, columns] = [rows, columns].map(|length| covering(length, patch_size, stride));
        let corners: Vec<[usize; 2]> =
            rows.iter().flat_map(|&row| columns.iter().map(move |&column| [row, column])).collect();
        let count = dates.len() * corners.len();
        let mut images = Array4::zeros((count, patch_size, patch_size, BANDS.len()));
        let mut masks = Array3::zeros((count, patch_size, patch_size));
        let places = dates.iter().flat_map(|&date| corners.iter().map(move |&corner| (date, corner)));
        for (n, (date, [row, column])) in places.enumerate() {
            let (across, down) = (column..column + patch_size, row..row + patch_size);
            let seen = self.images.slice(s![date, down.clone(), across.clone(), ..]);
            images.slice_mut(s![n, .., .., ..]).assign(&seen);
            masks.slice_mut(s![n, .., ..]).assign(&self.cover.slice(s![down, across]));
        }
        let patches = Patches::in_memory(self.imagery(patch_size), self.classes.clone(), images)?;
        let provenance =
            format!("{UNKNOWN}: {} in the layout of eo-learn's sample, dates {dates:?}", self.name());
        Ok((patches.with_provenance(&provenance), Masks::new(self.classes.clone(), masks)?))
    }
}

/// First pixels of tiles that cover a side: a stride apart, the last one at the end.
pub(crate) fn covering(length: usize, size: usize, stride: usize) -> Vec<usize> {
    let mut firsts: Vec<usize> = (0..=length - size).step_by(stride).collect();
    if firsts.last().is_some_and(|last| last + size < length) {
        firsts.push(length - size);
    }
    firsts
}
