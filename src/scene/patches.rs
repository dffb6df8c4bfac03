//! Patches around labelled pixels, split by region, and written as So2Sat-format HDF5 files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use ndarray::{Array2, Array4};

use super::bands::{Scene, Shared};
use super::coverage::Coverage;
use super::grid::{Grid, Window};
use super::regions::{LabelRaster, Site};
use super::report::{ClassCount, DateCount, Report, shown};
use super::split::{Fate, Part, Shares, Split};
use crate::data::so2sat::{Layout, Rows, Writer};
use crate::files::{Partial, check_free};
use crate::{Error, Imagery, Progress, Result};

/// Patches written at a time.
const BATCH: usize = 256;
/// The raster beside the patches that shows where testing's are.
const TEST_SITES: &str = "testing.tif";
/// The file beside the patches that says what was cut and what was left out.
const REPORT: &str = "report.json";

/// How patches are cut around labelled pixels, and split.
#[derive(Debug, Clone, PartialEq)]
pub struct Cutting {
    /// Rows and columns of a patch, N. The window of a labelled pixel in row r is the rows
    /// r − ⌊N/2⌋ … r − ⌊N/2⌋ + N − 1, and likewise its columns: for odd N the pixel is the middle,
    /// for even N it is the one below and right of the middle.
    pub patch_size: usize,
    /// A pixel is `scale` · value in the file + `offset`.
    pub scale: f64,
    /// See `scale`.
    pub offset: f64,
    /// What a pixel's number then is: `reflectance`, `digital number`, ….
    pub unit: String,
    /// The value that means no data, in place of what the files name (their `GDAL_NODATA` tag); NaN
    /// and infinity never are data.
    pub no_data: Option<f64>,
    /// How much of each class goes to each part.
    pub shares: Shares,
    /// The least distance between windows of different parts, in pixels of the finest band; metres are rounded
    /// up to whole pixels by the shorter side of a pixel. Windows that do not overlap but touch are 0 apart.
    pub buffer: Distance,
    /// Chooses the regions of each part.
    pub seed: u64,
}

impl Default for Cutting {
    /// 32 × 32 pixels of the files' own numbers, split 60/15/25 with seed 0.
    fn default() -> Self {
        Self {
            patch_size: 32,
            scale: 1.0,
            offset: 0.0,
            unit: "digital number".to_owned(),
            no_data: None,
            shares: Shares::default(),
            buffer: Distance::default(),
            seed: 0,
        }
    }
}

/// A distance between windows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distance {
    /// Pixels, in rows or in columns.
    Pixels(usize),
    /// Metres on the ground.
    Metres(f64),
}

impl Default for Distance {
    /// Windows may touch.
    fn default() -> Self {
        Self::Pixels(0)
    }
}

impl FromStr for Distance {
    type Err = Error;

    /// `500m` or `16px`
    fn from_str(text: &str) -> Result<Self> {
        let number = |ending| text.trim().strip_suffix(ending).map(str::trim);
        let pixels = number("px").and_then(|number| number.parse().ok()).map(Self::Pixels);
        let metres = number("m").and_then(|number| number.parse().ok()).map(Self::Metres);
        pixels
            .or(metres)
            .filter(|buffer| !matches!(buffer, Self::Metres(m) if !(0.0..1e9).contains(m)))
            .ok_or_else(|| {
                let advice = "give metres or pixels, such as 500m or 16px";
                Error::input(format!("'{text}'"), "not a distance", advice)
            })
    }
}

/// Which windows are cut, from which dates, for which part: see [`Cutting::plan`].
pub struct Plan<'a> {
    cutting: &'a Cutting,
    dates: &'a [Scene],
    labels: &'a LabelRaster,
    frame: Frame,
    /// The kept pixels of each date, with the part that they are for.
    windows: Vec<Vec<(Site, Part)>>,
    report: Report,
}

/// How sites of the label raster lie on the finest grid.
struct Frame {
    shared: Shared,
    /// Pixels of the finest grid in one of the label raster, in each direction.
    factor: usize,
    size: usize,
}

impl Cutting {
    /// Cuts patches and writes them to a new folder: `training.h5`, `validation.h5`, `testing.h5`
    /// (a part whose share is 0 gets none), `testing.tif` (the class of each label pixel that is for testing, on any
    /// date; 0 elsewhere: what a map of the scene can be scored by) and `report.json`, whose text each HDF5 file also carries as its
    /// attribute `report`. The folder appears whole or not at all.
    ///
    /// Several dates are separate samples with one split. A pixel without data on one date is left
    /// out on that date only. Rows are in the order of the dates, and row by row within a date.
    ///
    /// # Errors
    /// A folder that exists, settings that make no sense, files that cannot be read or lie on unlike
    /// grids, or a part that gets no patch.
    pub fn cut(
        &self,
        dates: &[Scene],
        labels: &LabelRaster,
        folder: &Path,
        progress: &mut dyn Progress,
    ) -> Result<Report> {
        check_free(folder)?;
        let plan = self.plan(dates, labels, progress)?;
        plan.write(folder, progress)?;
        Ok(plan.report)
    }

    /// Chooses the windows without writing anything.
    ///
    /// Left out are, in this order: windows that leave the scene; on each date, windows that hold a
    /// pixel without data in any band; windows that overlap one of another part (see [`Report`]). The
    /// split is by connected regions of the label raster, class by class; see the module's page.
    ///
    /// # Errors
    /// As [`cut`](Self::cut).
    pub fn plan<'a>(
        &'a self,
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        progress: &mut dyn Progress,
    ) -> Result<Plan<'a>> {
        self.check(dates)?;
        let bands = dates.iter().flat_map(Scene::grids);
        let shared = Shared::finest(bands.chain([(labels.path(), labels.grid())]))?;
        let factor = shared.multiple(labels.path(), labels.grid())?;
        let frame = Frame { factor, shared, size: self.patch_size };
        frame.check()?;

        let (inside, at_border): (Vec<Site>, Vec<Site>) =
            labels.sites().iter().partition(|site| frame.window(site).is_some());
        progress.begin("looking for pixels without data", dates.len() as u64);
        let extent = frame.extent(&inside);
        let mut with_data = Vec::with_capacity(dates.len());
        for date in dates {
            with_data.push(match &extent {
                Some(extent) => frame.sites_with_data(&inside, &self.read(date, &frame, extent)?, extent),
                None => Vec::new(),
            });
            progress.advance(1, "");
        }
        progress.end("");

        // A place that is seen on any date takes part in the split: dates share the ground.
        let seen: Vec<usize> = (0..inside.len()).filter(|&k| with_data.iter().any(|date| date[k])).collect();
        let sites: Vec<Site> = seen.iter().map(|&k| inside[k]).collect();
        let buffer = self.buffer_in_pixels(frame.shared.grid())?;
        // Centres so far apart are of windows that lie less than the buffer apart.
        let reach = (self.patch_size - 1).saturating_add(buffer) / frame.factor;
        let split = Split::draw(&sites, labels.classes().len(), self.shares, reach, self.seed);

        let mut report = self.report(dates, labels, &frame, buffer);
        let mut windows = vec![Vec::new(); dates.len()];
        for ((count, with_data), windows) in report.dates.iter_mut().zip(&with_data).zip(&mut windows) {
            count.at_border = at_border.len();
            count.without_data = with_data.iter().filter(|&&data| !data).count();
            for ((&k, &site), &fate) in seen.iter().zip(&sites).zip(&split.fates) {
                if !with_data[k] {
                    continue;
                }
                count.count(site.class, fate);
                if let Fate::Kept(part) = fate {
                    windows.push((site, part));
                }
            }
        }
        let plan = Plan { cutting: self, dates, labels, frame, windows, report };
        plan.refuse_empty_parts()?;
        Ok(plan)
    }

    /// Settings that cannot work, and dates that do not match.
    fn check(&self, dates: &[Scene]) -> Result<()> {
        if dates.is_empty() {
            return Err(Error::input("bands", "no date", "give the bands of at least one"));
        }
        if self.patch_size == 0 {
            return Err(Error::input("patch size", "0 pixels", "choose 1 or more, such as 32"));
        }
        if !self.scale.is_finite() || self.scale == 0.0 || !self.offset.is_finite() {
            return Err(Error::input(
                format!("scale {}, offset {}", self.scale, self.offset),
                "they would make every pixel alike or infinite",
                "for Landsat reflectance give 2e-5 and -0.1",
            ));
        }
        for (k, date) in dates.iter().enumerate().skip(1) {
            if date.bands() != dates[0].bands() {
                return Err(Error::input(
                    format!("date {}", k + 1),
                    format!("bands {}, where date 1 has {}", date.bands(), dates[0].bands()),
                    "give each date the same bands in the same order, or name them",
                ));
            }
        }
        Ok(())
    }

    fn read(&self, date: &Scene, frame: &Frame, window: &Window) -> Result<Vec<Array2<f32>>> {
        date.read(&frame.shared, window, self.no_data)
    }

    fn buffer_in_pixels(&self, grid: &Grid) -> Result<usize> {
        match (self.buffer, grid.shorter_side()) {
            (Distance::Pixels(pixels), _) => Ok(pixels),
            (Distance::Metres(metres), Some(side)) => Ok((metres / side).ceil() as usize),
            (Distance::Metres(_), None) => {
                let problem = "metres, where the bands do not say how large their pixels are";
                Err(Error::input("buffer", problem, "give it in pixels, such as 16px"))
            }
        }
    }

    /// The report, with nothing counted yet a date.
    fn report(&self, dates: &[Scene], labels: &LabelRaster, frame: &Frame, buffer: usize) -> Report {
        let classes = labels.classes();
        let mut pixels = vec![0; classes.len()];
        let mut regions = BTreeSet::new();
        for site in labels.sites() {
            pixels[site.class] += 1;
            regions.insert((site.class, site.region));
        }
        let count = |index: usize| ClassCount {
            code: classes.code(index).to_owned(),
            name: classes.name(index),
            index,
            pixels: pixels[index],
            regions: regions.range((index, 0)..(index + 1, 0)).count(),
        };
        let files = |date: &Scene| date.files().iter().map(|file| shown(file.path())).collect();
        Report {
            labels: labels.report().clone(),
            crs: frame.shared.grid().crs.to_string(),
            patch_size: self.patch_size,
            bands: dates[0].bands().clone(),
            ground_sampling_distance: frame.shared.grid().ground_sampling_distance(),
            unit: self.unit.clone(),
            scale: self.scale,
            offset: self.offset,
            split: self.shares.to_string(),
            buffer,
            seed: self.seed,
            classes: (0..classes.len()).map(count).filter(|class| class.pixels > 0).collect(),
            dates: dates.iter().map(|date| DateCount::new(files(date), classes.len())).collect(),
        }
    }
}

impl Frame {
    /// A patch must fit into the scene.
    fn check(&self) -> Result<()> {
        let grid = self.shared.grid();
        if self.size > grid.rows || self.size > grid.columns {
            return Err(Error::input(
                "patch size",
                format!("{0} x {0} pixels in a scene of {1} x {2}", self.size, grid.rows, grid.columns),
                "choose smaller patches",
            ));
        }
        Ok(())
    }

    /// The upper left pixel of a site's window, if the window lies within the scene. The centre of a
    /// label pixel that spans several pixels is the one below and right of its middle.
    fn window(&self, site: &Site) -> Option<[usize; 2]> {
        let grid = self.shared.grid();
        let start = |k: usize, length: usize| {
            let first = (k * self.factor + self.factor / 2).checked_sub(self.size / 2)?;
            (first + self.size <= length).then_some(first)
        };
        Some([start(site.row, grid.rows)?, start(site.column, grid.columns)?])
    }

    /// The smallest rectangle that holds all windows; `None` if there is no window.
    fn extent(&self, sites: &[Site]) -> Option<Window> {
        let corners: Vec<[usize; 2]> = sites.iter().filter_map(|site| self.window(site)).collect();
        let range = |axis: usize| {
            let first = corners.iter().map(|corner| corner[axis]).min()?;
            let last = corners.iter().map(|corner| corner[axis]).max()?;
            Some(first..last + self.size)
        };
        Some(Window { rows: range(0)?, columns: range(1)? })
    }

    /// Where a site's window begins within an extent that holds it.
    fn corner(&self, site: &Site, extent: &Window) -> Option<[usize; 2]> {
        let [row, column] = self.window(site)?;
        Some([row - extent.rows.start, column - extent.columns.start])
    }

    /// Which sites have data in every band and pixel of their window.
    fn sites_with_data(&self, sites: &[Site], bands: &[Array2<f32>], extent: &Window) -> Vec<bool> {
        let (rows, columns) = (extent.rows.len(), extent.columns.len());
        let missing = Coverage::of(rows, columns, |row, column| {
            bands.iter().any(|band| !band[[row, column]].is_finite())
        });
        let has_data = |site: &Site| {
            let [row, column] = self.corner(site, extent)?;
            Some(!missing.any(row..row + self.size, column..column + self.size))
        };
        sites.iter().map(|site| has_data(site).unwrap_or(false)).collect()
    }
}

impl Plan<'_> {
    /// What is cut and what is left out.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The upper left pixels (row, column on the finest grid) of the windows of one date and part, in
    /// the order in which they are written.
    pub fn corners(&self, date: usize, part: Part) -> Vec<[usize; 2]> {
        let of_part = self.windows[date].iter().filter(|(_, of)| *of == part);
        of_part.filter_map(|(site, _)| self.frame.window(site)).collect()
    }

    fn parts(&self) -> impl Iterator<Item = Part> + '_ {
        Part::ALL.into_iter().filter(|&part| self.cutting.shares.of(part) > 0.0)
    }

    fn refuse_empty_parts(&self) -> Result<()> {
        let Some(empty) = self.parts().find(|&part| self.report.patches(part) == 0) else { return Ok(()) };
        let (mut border, mut data, mut overlap) = (0, 0, 0);
        for date in &self.report.dates {
            border += date.at_border;
            data += date.without_data;
            for part in Part::ALL {
                overlap += date.part(part).overlapping_testing + date.part(part).overlapping_validation;
            }
        }
        Err(Error::file(
            self.labels.path(),
            format!(
                "no {empty} patch is left (windows dropped at the border {border}, without data {data}, \
                 overlapping another part {overlap})"
            ),
            "choose smaller patches, another seed or another split",
        ))
    }

    /// Writes the folder under a temporary name, then gives it its own.
    ///
    /// # Errors
    /// A folder that exists or cannot be written, or a file that can no longer be read.
    pub fn write(&self, folder: &Path, progress: &mut dyn Progress) -> Result<()> {
        check_free(folder)?;
        let report = serde_json::to_string_pretty(&self.report)
            .map_err(|error| Error::Internal { what: "writing the report", detail: error.to_string() })?;
        let partial = Partial::folder(folder)?;
        let layout = Layout { report: Some(report.clone()), ..self.layout() };
        let mut writers = Vec::new();
        for part in self.parts() {
            let path = partial.path().join(format!("{part}.h5"));
            writers.push((part, Writer::create(&path, &layout)?));
        }
        let total: usize = self.windows.iter().map(Vec::len).sum();
        progress.begin("cutting patches", total as u64);
        for (date, windows) in self.dates.iter().zip(&self.windows) {
            let sites: Vec<Site> = windows.iter().map(|(site, _)| *site).collect();
            let Some(extent) = self.frame.extent(&sites) else { continue };
            let bands = self.cutting.read(date, &self.frame, &extent)?;
            for (part, writer) in &mut writers {
                let of_part: Vec<Site> =
                    windows.iter().filter(|(_, of)| of == part).map(|(site, _)| *site).collect();
                for sites in of_part.chunks(BATCH) {
                    let labels: Vec<usize> = sites.iter().map(|site| site.class).collect();
                    let groups: Vec<i32> = sites.iter().map(|site| self.labels.group(site)).collect();
                    let images = self.images(sites, &bands, &extent);
                    writer.append(Rows {
                        labels: Some(&labels),
                        groups: Some(&groups),
                        ..Rows::of(images.view())
                    })?;
                    progress.advance(sites.len() as u64, "");
                }
            }
        }
        for (_, writer) in writers {
            writer.finish()?;
        }
        // A byte a pixel has room for so many classes.
        if self.labels.classes().len() <= 255 {
            let testing = self
                .windows
                .iter()
                .flatten()
                .filter(|(_, part)| *part == Part::Testing)
                .map(|(site, _)| site);
            self.labels.write_some(&partial.path().join(TEST_SITES), testing, &self.provenance())?;
        }
        let path = partial.path().join(REPORT);
        fs::write(&path, report + "\n").map_err(Error::io(&path))?;
        partial.become_new()?;
        progress.end("");
        Ok(())
    }

    /// Cuts the windows of these sites. Shape: (sites, N, N, bands).
    fn images(&self, sites: &[Site], bands: &[Array2<f32>], extent: &Window) -> Array4<f32> {
        let n = self.cutting.patch_size;
        let mut images = Array4::zeros((sites.len(), n, n, bands.len()));
        for (site, mut image) in sites.iter().zip(images.outer_iter_mut()) {
            let Some([top, left]) = self.frame.corner(site, extent) else { continue };
            for ((row, column, band), pixel) in image.indexed_iter_mut() {
                let value = f64::from(bands[band][[top + row, left + column]]);
                *pixel = (value * self.cutting.scale + self.cutting.offset) as f32;
            }
        }
        images
    }

    fn layout(&self) -> Layout {
        let imagery = Imagery {
            patch_size: self.cutting.patch_size,
            bands: self.report.bands.clone(),
            ground_sampling_distance: self.report.ground_sampling_distance,
            unit: self.cutting.unit.clone(),
        };
        Layout::new("patches", imagery, self.labels.classes().clone(), &self.provenance())
    }

    /// One line, short enough for a figure: from which labels, and how split. The files of each date
    /// are in `report.json`.
    fn provenance(&self) -> String {
        let report = &self.report;
        let dates = match report.dates.len() {
            1 => "1 date".to_owned(),
            dates => format!("{dates} dates"),
        };
        format!(
            "real: {}, {} bands, {dates}; split {} by region, seed {}",
            report.labels.file,
            report.bands.len(),
            report.split,
            report.seed,
        )
    }
}
