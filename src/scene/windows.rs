//! Windows around labelled pixels, split by region.

use std::ops::Range;

use ndarray::{Array2, Array4};

use super::bands::{Scene, Shared};
use super::clouds::Sky;
use super::coverage::Coverage;
use super::split::{Split, WindowFate};
use super::{Cutting, DateReport, Distance, Grid, LabelRaster, Part, Scaling, Site, Window};
use crate::data::so2sat::{Rows, Writer};
use crate::{Error, Progress, Result};

/// Patches written at a time.
const BATCH: usize = 256;
/// Bytes of pixels that are read at a time, about: a whole Sentinel-2 tile has 5 gigabytes. Few, so that tests need several.
const STRIP_BYTES: usize = if cfg!(test) { 40_000 } else { 256 << 20 };

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

/// The bands of a date in a part of the finest grid, and how their values become pixels.
#[derive(Clone, Copy)]
struct Pixels<'a> {
    bands: &'a [Array2<f32>],
    scaling: &'a [Scaling],
    extent: &'a Window,
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
    pub fn new(
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
        let mut seen = Vec::with_capacity(dates.len());
        for date in dates {
            let mut of_date = Vec::with_capacity(inside.len());
            for (sites, extent) in frame.strips(&inside, date.bands().len()) {
                of_date.extend(frame.seen(sites, cutting, date, &extent)?);
            }
            seen.push(of_date);
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
            let (sites, parts): (Vec<Site>, Vec<Part>) = kept.iter().copied().unzip();
            let scaling = date.scaling(&self.cutting.radiometry)?;
            let mut parts = parts.into_iter();
            for (sites, extent) in self.frame.strips(&sites, date.bands().len()) {
                let bands = date.read(&self.frame.shared, &extent, self.cutting.radiometry.no_data)?;
                let pixels = Pixels { bands: &bands, scaling: &scaling, extent: &extent };
                let kept: Vec<(Site, Part)> = sites.iter().copied().zip(parts.by_ref()).collect();
                for (part, writer) in &mut *writers {
                    let of_part = kept.iter().filter(|(_, of)| of == part).map(|(site, _)| *site);
                    self.append(&of_part.collect::<Vec<_>>(), &pixels, writer, progress)?;
                }
            }
        }
        progress.end("");
        Ok(())
    }

    /// Appends the windows of these sites.
    fn append(
        &self,
        sites: &[Site],
        pixels: &Pixels<'_>,
        writer: &mut Writer,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        for sites in sites.chunks(BATCH) {
            let labels: Vec<usize> = sites.iter().map(|site| site.class).collect();
            let groups: Vec<i32> = sites.iter().map(|site| self.labels.group(site)).collect();
            let images = self.images(sites, pixels);
            let rows = Rows { labels: Some(&labels), groups: Some(&groups), ..Rows::new(images.view()) };
            writer.append(rows)?;
            progress.advance(sites.len() as u64, "");
        }
        Ok(())
    }

    /// Cuts the windows of these sites. Shape: (sites, N, N, bands).
    fn images(&self, sites: &[Site], pixels: &Pixels<'_>) -> Array4<f32> {
        let (n, Pixels { bands, scaling, extent }) = (self.frame.size, *pixels);
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
            let problem = format!("{size} x {size} pixels in a scene of {} x {}", grid.rows, grid.columns);
            return Err(Error::input("patch size", problem, "choose smaller patches"));
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

    /// The sites, some of them at a time, with the extent of their windows: as many as fit into memory. Sites
    /// come row by row, so each strip lies below the one before and shares less than a window with it.
    fn strips<'b>(
        &'b self,
        sites: &'b [Site],
        bands: usize,
    ) -> impl Iterator<Item = (&'b [Site], Window)> + 'b {
        let bytes =
            move |extent: &Window| extent.rows.len() * extent.columns.len() * bands * size_of::<f32>();
        let mut rest = sites;
        std::iter::from_fn(move || {
            let mut rows = rest.chunk_by(|a, b| a.row == b.row);
            let first = rows.next()?;
            let (mut count, mut extent) = (first.len(), self.extent(first)?);
            for row in rows {
                let Some(of_row) = self.extent(row) else { break };
                let both = |a: &Range<usize>, b: &Range<usize>| a.start.min(b.start)..a.end.max(b.end);
                let larger = Window {
                    rows: both(&extent.rows, &of_row.rows),
                    columns: both(&extent.columns, &of_row.columns),
                };
                if bytes(&larger) > STRIP_BYTES {
                    break;
                }
                (count, extent) = (count + row.len(), larger);
            }
            let (strip, after) = rest.split_at(count);
            rest = after;
            Some((strip, extent))
        })
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
        let missing = Coverage::new(rows, columns, |row, column| {
            bands.iter().any(|band| !band[[row, column]].is_finite()) || sky_is(row, column, Sky::NoData)
        });
        let hidden = Coverage::new(rows, columns, |row, column| sky_is(row, column, Sky::Hidden));
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

#[cfg(test)]
mod tests {
    use super::super::crs::Crs;
    use super::super::cutting::Cutting;
    use super::super::geotiff_writer::GeoTiffWriter;
    use super::super::grid::Transform;
    use super::*;
    use crate::Classes;
    use crate::data::Patches;
    use crate::data::so2sat::So2Sat;
    use crate::progress::Silent;

    #[test]
    fn patches_of_many_strips_are_those_of_the_whole_scene() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let transform = Some(Transform([500_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0]));
        let grid = Grid { rows: 120, columns: 90, transform, crs: Crs::from_epsg(32633).unwrap() };
        // A value that tells its place; in one pixel there is none.
        let value = |k: usize| if k == 60 * 90 + 40 { 0 } else { k as u16 + 1 };
        let mut band = GeoTiffWriter::<u16>::create(at("B2.tif"), &grid).unwrap().no_data(0);
        band.append(&(0..120 * 90).map(value).collect::<Vec<_>>()).unwrap();
        band.finish().unwrap();
        let mut zones = GeoTiffWriter::<u8>::create(at("LCZ.tif"), &grid).unwrap().no_data(0);
        let zone = |k: usize| if k.is_multiple_of(7) { 1 + (k / 90 / 12) as u8 } else { 0 };
        zones.append(&(0..120 * 90).map(zone).collect::<Vec<_>>()).unwrap();
        zones.finish().unwrap();

        let dates = [Scene::open([at("B2.tif")]).unwrap()];
        let labels = LabelRaster::open(at("LCZ.tif"), &Classes::lcz()).unwrap();
        let cutting = Cutting { patch_size: 8, shares: "100/0/0".parse().unwrap(), ..Cutting::default() };
        let frame = Frame::of(&cutting, &dates, &labels).unwrap();
        let inside: Vec<Site> =
            labels.sites().iter().filter(|site| frame.window(site).is_some()).copied().collect();
        let strips: Vec<_> = frame.strips(&inside, 1).collect();
        assert!(
            strips.len() > 1 && strips.iter().all(|(_, extent)| extent.rows.len() < 120),
            "{}",
            strips.len()
        );
        assert_eq!(strips.iter().map(|(sites, _)| sites.len()).sum::<usize>(), inside.len());

        let plan = cutting.cut(&dates, &labels, at("patches"), &mut Silent).unwrap();
        // The pixel without data is in 64 windows, of which every seventh pixel has a label.
        let without = plan.report().dates[0].without_data;
        assert!((8..=10).contains(&without), "{without}");
        assert_eq!(plan.report().dates[0].training.patches + without, inside.len());
        let corners = plan.corners(0, Part::Training);
        let patches = So2Sat::open(at("patches/training.h5")).unwrap().patches().unwrap();
        let images = patches.images(0..patches.len()).unwrap();
        // The same scene as an array gives the same patches.
        let scene =
            ndarray::Array3::from_shape_fn((120, 90, 1), |(row, column, _)| match value(row * 90 + column) {
                0 => f32::NAN,
                value => f32::from(value),
            });
        let numbers = Array2::from_shape_fn((120, 90), |(row, column)| zone(row * 90 + column));
        let of_arrays =
            Patches::around_labels(patches.imagery().clone(), Classes::lcz(), scene.view(), numbers.view());
        let of_arrays = of_arrays.unwrap();
        assert_eq!(of_arrays.images(0..patches.len()).unwrap(), images);
        assert_eq!(of_arrays.labels().unwrap(), patches.labels().unwrap());
        assert_eq!((of_arrays.groups(), of_arrays.len()), (patches.groups(), patches.len()));
        let refused = |numbers: Array2<u8>, classes: usize| {
            let (imagery, classes) = (patches.imagery().clone(), Classes::from_count(classes));
            Patches::around_labels(imagery, classes, scene.view(), numbers.view()).unwrap_err().to_string()
        };
        assert!(refused(numbers.clone(), 3).contains("row 36, column 1: 4 of 3 classes"));
        assert!(refused(numbers.t().to_owned(), 17).contains("(90, 120) pixels in a scene of (120, 90)"));
        assert!(refused(Array2::zeros((120, 90)), 17).contains("no patch"));
        for (image, [row, column]) in images.outer_iter().zip(corners) {
            for ((r, c, _), pixel) in image.indexed_iter() {
                assert!((f64::from(*pixel) - f64::from(value((row + r) * 90 + column + c))).abs() < 1e-9);
            }
        }
    }
}
