//! Windows around labelled pixels, split by region.

use std::ops::Range;

use ndarray::{Array2, Array4};

use super::bands::{Scene, Shared};
use super::clouds::Sky;
use super::coverage::Coverage;
use super::cutting::Cutting;
use super::distance::Distance;
use super::grid::{Grid, Window};
use super::parts::Part;
use super::radiometry::Scaling;
use super::regions::{LabelRaster, Site};
use super::report::DateReport;
use super::split::{Split, WindowFate};
use crate::data::so2sat::{Rows, Writer};
use crate::{Error, Progress, Result};

/// Patches written at a time.
const BATCH: usize = 256;

/// Which windows are cut, from which dates, for which part.
#[derive(Debug)]
pub(super) struct WindowPlan<'a> {
    cutting: &'a Cutting,
    dates: &'a [Scene],
    labels: &'a LabelRaster,
    frame: Frame,
    /// Pixels that lie at least between windows of different parts.
    pub buffer: usize,
    /// The kept pixels of each date, with the part that they are for.
    kept: Vec<Vec<(Site, Part)>>,
}

/// How sites of the label raster lie on the finest grid.
#[derive(Debug)]
struct Frame {
    shared: Shared,
    /// Pixels of the finest grid in one of the label raster, in each direction.
    factor: usize,
    size: usize,
    /// The part of the grid that windows lie in.
    area: Window,
}

/// What becomes of a window before the split.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Clear,
    NoData,
    Cloud,
}

impl<'a> WindowPlan<'a> {
    /// Left out are, in this order: windows that leave the scene or the box; on each date, windows that hold a
    /// pixel without data in any band or too much cloud; windows that overlap one of another part. The
    /// split is by regions of the label raster, class by class; see the module's page.
    pub fn of(
        cutting: &'a Cutting,
        buffer: Distance,
        dates: &'a [Scene],
        labels: &'a LabelRaster,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Vec<DateReport>)> {
        let frame = Frame::of(cutting, dates, labels)?;
        let (inside, at_border): (Vec<Site>, Vec<Site>) =
            labels.sites().iter().partition(|site| frame.window(site).is_some());
        progress.begin("looking for pixels without data", dates.len() as u64);
        let extent = frame.extent(&inside);
        let mut seen = Vec::with_capacity(dates.len());
        for date in dates {
            seen.push(match &extent {
                Some(extent) => frame.seen(&inside, cutting, date, extent)?,
                None => Vec::new(),
            });
            progress.advance(1, "");
        }
        progress.end("");

        // A place that is seen on any date takes part in the split: dates share the ground.
        let ever: Vec<usize> =
            (0..inside.len()).filter(|&k| seen.iter().any(|date| date[k] == Seen::Clear)).collect();
        let sites: Vec<Site> = ever.iter().map(|&k| inside[k]).collect();
        let [down, across] = buffer.on(frame.shared.grid(), "buffer", "give it in pixels, such as 16px")?;
        let buffer = down.max(across).ceil() as usize;
        // Centres so far apart are of windows that lie less than the buffer apart.
        let reach = (cutting.patch_size - 1).saturating_add(buffer) / frame.factor;
        let split = Split::draw(&sites, labels.classes().len(), cutting.shares, reach, cutting.seed);

        let mut reports = Vec::with_capacity(dates.len());
        let mut kept = vec![Vec::new(); dates.len()];
        for ((date, seen), kept) in dates.iter().zip(&seen).zip(&mut kept) {
            let mut report = DateReport::new(date, &cutting.radiometry, labels.classes().len())?;
            let count = |wanted: Seen| seen.iter().filter(|&&of| of == wanted).count();
            report.at_border = at_border.len();
            (report.without_data, report.cloudy) = (count(Seen::NoData), count(Seen::Cloud));
            for ((&k, &site), &fate) in ever.iter().zip(&sites).zip(&split.fates) {
                if seen[k] != Seen::Clear {
                    continue;
                }
                match fate {
                    WindowFate::Kept(part) => {
                        let of_part = report.part_mut(part);
                        of_part.patches += 1;
                        of_part.classes[site.class] += 1;
                        kept.push((site, part));
                    }
                    WindowFate::OverlapsTesting(part) => report.part_mut(part).overlapping_testing += 1,
                    WindowFate::OverlapsValidation => report.training.overlapping_validation += 1,
                }
            }
            reports.push(report);
        }
        Ok((Self { cutting, dates, labels, frame, buffer, kept }, reports))
    }

    pub fn grid(&self) -> &Grid {
        self.frame.shared.grid()
    }

    /// The upper left pixels (row, column on the finest grid) of the windows of one date and part.
    pub fn corners(&self, date: usize, part: Part) -> Vec<[usize; 2]> {
        let of_part = self.kept[date].iter().filter(|(_, of)| *of == part);
        of_part.filter_map(|(site, _)| self.frame.window(site)).collect()
    }

    /// The labelled pixels of testing, on any date.
    pub fn testing(&self) -> impl Iterator<Item = &Site> {
        self.kept.iter().flatten().filter(|(_, part)| *part == Part::Testing).map(|(site, _)| site)
    }

    pub fn write(&self, writers: &mut [(Part, Writer)], progress: &mut dyn Progress) -> Result<()> {
        let total: usize = self.kept.iter().map(Vec::len).sum();
        progress.begin("cutting patches", total as u64);
        for (date, kept) in self.dates.iter().zip(&self.kept) {
            let sites: Vec<Site> = kept.iter().map(|(site, _)| *site).collect();
            let Some(extent) = self.frame.extent(&sites) else { continue };
            let bands = date.read(&self.frame.shared, &extent, self.cutting.radiometry.no_data)?;
            let scaling = date.scaling(&self.cutting.radiometry)?;
            for (part, writer) in &mut *writers {
                let of_part: Vec<Site> =
                    kept.iter().filter(|(_, of)| of == part).map(|(site, _)| *site).collect();
                for sites in of_part.chunks(BATCH) {
                    let labels: Vec<usize> = sites.iter().map(|site| site.class).collect();
                    let groups: Vec<i32> = sites.iter().map(|site| self.labels.group(site)).collect();
                    let images = self.images(sites, &bands, &scaling, &extent);
                    writer.append(Rows {
                        labels: Some(&labels),
                        groups: Some(&groups),
                        ..Rows::new(images.view())
                    })?;
                    progress.advance(sites.len() as u64, "");
                }
            }
        }
        progress.end("");
        Ok(())
    }

    /// Cuts the windows of these sites. Shape: (sites, N, N, bands).
    fn images(
        &self,
        sites: &[Site],
        bands: &[Array2<f32>],
        scaling: &[Scaling],
        extent: &Window,
    ) -> Array4<f32> {
        let n = self.frame.size;
        let mut images = Array4::zeros((sites.len(), n, n, bands.len()));
        for (site, mut image) in sites.iter().zip(images.outer_iter_mut()) {
            let Some([rows, columns]) = self.frame.within(site, extent) else { continue };
            for ((row, column, band), pixel) in image.indexed_iter_mut() {
                let value = bands[band][[rows.start + row, columns.start + column]];
                *pixel = scaling[band].pixel(value);
            }
        }
        images
    }
}

impl Frame {
    fn of(cutting: &Cutting, dates: &[Scene], labels: &LabelRaster) -> Result<Self> {
        let bands = dates.iter().flat_map(Scene::grids);
        let shared = Shared::finest(bands.chain([(labels.path(), labels.grid())]))?;
        let factor = shared.multiple(labels.path(), labels.grid())?;
        let (size, grid) = (cutting.patch_size, shared.grid());
        if size > grid.rows || size > grid.columns {
            return Err(Error::input(
                "patch size",
                format!("{size} x {size} pixels in a scene of {} x {}", grid.rows, grid.columns),
                "choose smaller patches",
            ));
        }
        let area = match &cutting.area {
            None => Window::whole(grid),
            Some(area) => area.window(shared.path(), grid)?,
        };
        Ok(Self { shared, factor, size, area })
    }

    /// The upper left pixel of a site's window, if the window lies within the area. The centre of a
    /// label pixel that spans several pixels is the one below and right of its middle.
    fn window(&self, site: &Site) -> Option<[usize; 2]> {
        let start = |k: usize, area: &Range<usize>| {
            let first = (k * self.factor + self.factor / 2).checked_sub(self.size / 2)?;
            (first >= area.start && first + self.size <= area.end).then_some(first)
        };
        Some([start(site.row, &self.area.rows)?, start(site.column, &self.area.columns)?])
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

    /// Rows and columns of a site's window within an extent that holds it.
    fn within(&self, site: &Site, extent: &Window) -> Option<[Range<usize>; 2]> {
        let [row, column] = self.window(site)?;
        let (row, column) = (row - extent.rows.start, column - extent.columns.start);
        Some([row..row + self.size, column..column + self.size])
    }

    /// What is seen of each site's window on a date.
    fn seen(&self, sites: &[Site], cutting: &Cutting, date: &Scene, extent: &Window) -> Result<Vec<Seen>> {
        let (rows, columns) = (extent.rows.len(), extent.columns.len());
        let bands = date.read(&self.shared, extent, cutting.radiometry.no_data)?;
        let sky = match date.scene_classes() {
            Some(scl) => Some(cutting.clouds.read(scl, &self.shared, extent)?),
            None => None,
        };
        let sky_is = |row: usize, column: usize, wanted: Sky| {
            sky.as_ref().is_some_and(|sky| sky[[row, column]] == wanted)
        };
        let missing = Coverage::of(rows, columns, |row, column| {
            bands.iter().any(|band| !band[[row, column]].is_finite()) || sky_is(row, column, Sky::NoData)
        });
        let hidden = Coverage::of(rows, columns, |row, column| sky_is(row, column, Sky::Hidden));
        let seen = |site: &Site| match self.within(site, extent) {
            None => Seen::NoData,
            Some([rows, columns]) if missing.any(rows.clone(), columns.clone()) => Seen::NoData,
            Some([rows, columns]) => {
                let hidden = hidden.count(rows, columns);
                if cutting.clouds.refuses(hidden, self.size * self.size) { Seen::Cloud } else { Seen::Clear }
            }
        };
        Ok(sites.iter().map(seen).collect())
    }
}
