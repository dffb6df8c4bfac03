//! Labelled pixels of a raster, and the regions that stay whole when they are split.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use super::nearest::ClassValues;
use super::{Crs, GeoTiff, GeoTiffWriter, Grid, LabelReport, LabelledClass, Window};
use crate::provenance::{self, UNKNOWN};
use crate::{Classes, Error, Result};

/// A labelled pixel of a raster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site {
    /// Row in the label raster, from the top.
    pub row: usize,
    /// Column in the label raster, from the left.
    pub column: usize,
    /// Index of its class.
    pub class: usize,
    /// Its region, counted from 1: see [`LabelRaster`].
    pub region: usize,
}

/// Labelled pixels and the regions that they form, from a raster ([`open`](Self::open)) or from either a
/// raster or polygons, brought to the grid of the bands ([`Labelling`](super::Labelling)).
///
/// A region is a set of pixels of one class that touch at an edge or a corner (8-connectivity), or, where
/// polygons name their groups, all pixels of one group. Regions are numbered from 1: connected ones in
/// the order of their first pixels, row by row, groups in the order of their numbers.
#[derive(Debug, Clone)]
pub struct LabelRaster {
    path: PathBuf,
    grid: Grid,
    classes: Classes,
    sites: Vec<Site>,
    /// The number of each region in the `group` column of the patches.
    groups: Vec<i32>,
    report: LabelReport,
}

impl LabelRaster {
    /// Reads a raster whose value k = 1, 2, … means the k-th of `classes`, and 0, its no-data value
    /// or NaN an unlabelled pixel.
    ///
    /// # Errors
    /// A file that cannot be read or has several bands that may be the labels, a value that is not a class (names the pixel),
    /// or no labelled pixel at all.
    pub fn open(path: impl AsRef<Path>, classes: &Classes) -> Result<Self> {
        Self::from_raster(&GeoTiff::open(path)?.class_band(None, "labels")?, classes)
    }

    /// As [`open`](Self::open), of a raster of one band.
    pub(super) fn from_raster(source: &GeoTiff, classes: &Classes) -> Result<Self> {
        let values = source.read(&Window::whole(source.grid()), source.no_data())?;
        let mut numbers = Array2::zeros((source.grid().rows, source.grid().columns));
        let mut meaning = ClassValues::default();
        for ((_, row, column), &value) in values.indexed_iter() {
            numbers[[row, column]] = meaning.of(value, classes, source.path(), [row, column])?;
        }
        meaning.warn(source.path());
        let mut labels = Self::from_connected(source.path(), source.grid(), classes, &numbers);
        labels.report.provenance = source.description().map(str::to_owned);
        if labels.sites.is_empty() {
            let advice = "give a raster with a class number at each labelled pixel";
            return Err(Error::file(source.path(), "no pixel is labelled", advice));
        }
        Ok(labels)
    }

    /// Regions of touching pixels; 0 is unlabelled, k the k-th class.
    pub(super) fn from_connected(path: &Path, grid: &Grid, classes: &Classes, numbers: &Array2<u16>) -> Self {
        let (ids, regions) = connected_regions(numbers);
        let mut sites = Vec::new();
        for ((row, column), &region) in ids.indexed_iter() {
            if region > 0 {
                let region = region as usize;
                sites.push(Site { row, column, class: regions[region - 1], region });
            }
        }
        Self::from_groups(path, grid, classes, sites, (1..=regions.len() as i32).collect())
    }

    /// Regions that are given: the r-th has the number `groups[r − 1]`.
    pub(super) fn from_groups(
        path: &Path,
        grid: &Grid,
        classes: &Classes,
        sites: Vec<Site>,
        groups: Vec<i32>,
    ) -> Self {
        let report = LabelReport::new(path, &grid.crs, false);
        Self { path: path.to_owned(), grid: grid.clone(), classes: classes.clone(), sites, groups, report }
    }

    /// The same labels, in these coordinates.
    pub(super) fn with_crs(mut self, crs: Crs) -> Self {
        self.report.crs = crs.to_string();
        self.grid.crs = crs;
        self
    }

    /// The same labels, with these words on where they come from.
    pub(super) fn described(self, report: LabelReport) -> Self {
        Self { report, ..self }
    }

    /// The same labels with this provenance, unless they are stated to be synthetic.
    #[must_use]
    pub fn with_provenance(mut self, given: Option<&str>) -> Self {
        let stated = self.report.provenance.take().unwrap_or_else(|| UNKNOWN.to_owned());
        self.report.provenance = Some(provenance::given(stated, given));
        self
    }

    /// Writes a raster of the classes' numbers with their colours: of zones 1–17 (band `lcz`), of other classes 1, 2, … (`class`);
    /// 0 is unlabelled.
    ///
    /// # Errors
    /// A name that is taken, more than 255 classes, a full disk.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let stated = self.report.provenance.as_deref().unwrap_or(UNKNOWN);
        let about = format!("{}; {}", provenance::synthetic(stated).unwrap_or(stated), self.report.file);
        self.write_some(path.as_ref(), self.sites.iter(), &about)
    }

    /// As [`write`](Self::write), of these pixels only; `about` describes them.
    pub(super) fn write_some<'a>(
        &self,
        path: &Path,
        sites: impl Iterator<Item = &'a Site>,
        about: &str,
    ) -> Result<()> {
        let of_number: Vec<usize> = (0..self.classes.len()).map(|k| self.classes.number(k)).collect();
        let Ok(last) = u8::try_from(of_number.iter().copied().max().unwrap_or(0)) else {
            let problem = format!("{} classes do not fit into its bytes", self.classes.len());
            return Err(Error::file(path, problem, "group them to 255 at most"));
        };
        let mut numbers = Array2::<u8>::zeros((self.grid.rows, self.grid.columns));
        for site in sites {
            numbers[[site.row, site.column]] = of_number[site.class] as u8;
        }
        let class = |number: u8| of_number.iter().position(|&of| of == usize::from(number));
        let colour = |number: u8| class(number).map_or([0; 3], |k| self.classes.colour(k));
        let colours: Vec<[u8; 3]> = (0..=last).map(colour).collect();
        let mut writer = GeoTiffWriter::create(path, &self.grid)?
            .bands(&[if self.classes.are_zones() { "lcz" } else { "class" }])
            .no_data(0)
            .colours(&colours)
            .describe(about);
        numbers.outer_iter().try_for_each(|line| writer.append(&line.to_vec()))?;
        writer.finish()
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the pixels lie.
    pub fn grid(&self) -> &Grid {
        &self.grid
    }

    /// The classes that it holds.
    pub(super) fn labelled_classes(&self) -> Vec<LabelledClass> {
        let classes = self.classes();
        let mut pixels = vec![0; classes.len()];
        let mut regions = BTreeSet::new();
        for site in self.sites() {
            pixels[site.class] += 1;
            regions.insert((site.class, site.region));
        }
        let count = |index: usize| LabelledClass {
            code: classes.code(index).to_owned(),
            name: classes.name(index),
            index,
            pixels: pixels[index],
            regions: regions.range((index, 0)..(index + 1, 0)).count(),
        };
        (0..classes.len()).map(count).filter(|class| class.pixels > 0).collect()
    }

    /// Where they come from.
    pub fn report(&self) -> &LabelReport {
        &self.report
    }

    /// What the class indices mean.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The labelled pixels, row by row.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The number that patches of a site carry as their `group`: that of its region, or the one that
    /// polygons give.
    pub fn group(&self, site: &Site) -> i32 {
        self.groups[site.region - 1]
    }
}

/// Numbers the 8-connected regions of equal non-zero values from 1 (0 elsewhere), and says the class
/// index (value − 1) of each.
pub(super) fn connected_regions(numbers: &Array2<u16>) -> (Array2<u32>, Vec<usize>) {
    let (rows, columns) = numbers.dim();
    let mut ids = Array2::zeros((rows, columns));
    let mut classes = Vec::new();
    let mut open = Vec::new();
    for ((row, column), &number) in numbers.indexed_iter() {
        if number == 0 || ids[[row, column]] != 0 {
            continue;
        }
        classes.push(usize::from(number) - 1);
        let id = classes.len() as u32;
        ids[[row, column]] = id;
        open.push((row, column));
        while let Some((row, column)) = open.pop() {
            for r in row.saturating_sub(1)..(row + 2).min(rows) {
                for c in column.saturating_sub(1)..(column + 2).min(columns) {
                    if numbers[[r, c]] == number && ids[[r, c]] == 0 {
                        ids[[r, c]] = id;
                        open.push((r, c));
                    }
                }
            }
        }
    }
    (ids, classes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn pixels_of_one_class_that_touch_at_a_corner_are_one_region() {
        let numbers = array![[1u16, 0, 0, 2], [0, 1, 2, 2], [1, 0, 0, 0], [0, 0, 0, 1]];
        let (ids, classes) = connected_regions(&numbers);
        assert_eq!(ids, array![[1, 0, 0, 2], [0, 1, 2, 2], [1, 0, 0, 0], [0, 0, 0, 3]]);
        assert_eq!(classes, [0, 1, 0]);
    }
}
