//! Labels on the grid of the bands: a raster as it is or reprojected, or polygons rasterised.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;

use ndarray::{Array2, Axis, Zip};

use super::bands::{Scene, Shared};
use super::crossing::crosses_itself;
use super::crs::{Crs, Reprojection};
use super::nearest::{Nearest, classes_on};
use super::polygons::{Labelling, Polygon, Polygons};
use super::rasterise::{self, Vertex};
use super::{Codes, GeoTiff, Grid, LabelRaster, LabelReport, PolygonReport, Site};
use crate::{Classes, Error, Progress, Result};

impl Labelling {
    /// Reads the labels for these bands.
    ///
    /// # Errors
    /// A file that cannot be read, a missing field, an unknown class, coordinates of an
    /// unknown system or (without `reproject`) of another than the bands', labels that all lie elsewhere.
    pub fn open(
        &self,
        path: impl AsRef<Path>,
        dates: &[Scene],
        progress: &mut dyn Progress,
    ) -> Result<LabelRaster> {
        let (path, bands) = (path.as_ref(), Shared::of_bands(dates)?);
        if Polygons::are_in(path) {
            return self.rasterise(path, bands.grid(), bands.path());
        }
        self.check_raster(path)?;
        let raster = GeoTiff::open(path)?.class_band(self.layer.as_deref(), "labels")?;
        let mut labels = LabelRaster::from_raster(&raster, &self.classes)?;
        if let Some(crs) = &self.crs {
            labels = labels.with_crs(crs.clone());
        }
        // Labels on the grid that the bands had before their pixels were made square follow them.
        let follows = dates[0].oblong_grid().is_some_and(|grid| grid.multiple(labels.grid()).is_ok());
        if (self.reproject || follows) && bands.grid().multiple(labels.grid()).is_err() {
            let report = LabelReport { reprojected: !follows, ..labels.report().clone() };
            labels = warp(&labels, &bands, progress)?.described(report);
        }
        Ok(labels)
    }

    /// The class number of each pixel of a grid, 1 the first of `classes`, 0 for none: from polygons, or from a raster as
    /// [`classes_on`] reads it. `place` is the file whose grid it is, for messages.
    ///
    /// # Errors
    /// As of [`open`](Self::open); codes of other classes.
    pub fn numbers_on(
        &self,
        path: impl AsRef<Path>,
        grid: &Grid,
        place: impl AsRef<Path>,
    ) -> Result<(Array2<u8>, LabelReport)> {
        let path = path.as_ref();
        if !Polygons::are_in(path) {
            return self.raster_on(path, grid);
        }
        let labels = self.on(path, grid, place)?;
        let mut numbers = Array2::zeros((grid.rows, grid.columns));
        for site in labels.sites() {
            numbers[[site.row, site.column]] = u8::try_from(site.class + 1).map_err(|_| {
                let problem = "more than 255 classes do not fit into a map's bytes";
                Error::file(path, problem, "group them with --codes")
            })?;
        }
        Ok((numbers, labels.report().clone()))
    }

    /// The labelled pixels of a grid and their regions, from polygons or a raster in any coordinate system; as
    /// [`numbers_on`](Self::numbers_on).
    ///
    /// # Errors
    /// As there.
    pub fn on(&self, path: impl AsRef<Path>, grid: &Grid, place: impl AsRef<Path>) -> Result<LabelRaster> {
        let path = path.as_ref();
        if Polygons::are_in(path) {
            if let Some(codes) = self.codes.as_ref().filter(|codes| *codes.classes() != self.classes) {
                let problem =
                    format!("the table of codes has the classes {}, not {}", codes.classes(), self.classes);
                let advice = "give a table whose classes are these, in this order";
                return Err(Error::file(path, problem, advice));
            }
            return Self { reproject: true, ..self.clone() }.rasterise(path, grid, place.as_ref());
        }
        let (numbers, report) = self.raster_on(path, grid)?;
        let labels = LabelRaster::from_connected(path, grid, &self.classes, &numbers.mapv(u16::from));
        Ok(labels.described(report))
    }

    fn raster_on(&self, path: &Path, grid: &Grid) -> Result<(Array2<u8>, LabelReport)> {
        self.check_raster(path)?;
        let mut raster = GeoTiff::open(path)?.class_band(self.layer.as_deref(), "classes")?;
        if let Some(crs) = &self.crs {
            raster = raster.with_crs(crs.clone());
        }
        let mut report = LabelReport::new(path, &raster.grid().crs, raster.grid().crs != grid.crs);
        report.provenance = raster.description().map(str::to_owned);
        Ok((classes_on(&raster, grid, &self.classes)?, report))
    }

    /// Refuses what is for polygons alone.
    fn check_raster(&self, path: &Path) -> Result<()> {
        if let Some(field) = self.label_field.as_ref().or(self.group_field.as_ref()) {
            let problem = format!("a raster has no field '{field}'");
            let advice = "fields are for polygons: give a .shp, .gpkg, .kml or .geojson";
            return Err(Error::file(path, problem, advice));
        }
        if self.codes.is_some() || self.all_touched {
            let problem = "a raster has no codes and edges";
            let advice = "leave --codes and --all-touched out: they are for polygons";
            return Err(Error::file(path, problem, advice));
        }
        Ok(())
    }

    /// Rasterises polygons on a grid, that of a file.
    fn rasterise(&self, path: &Path, grid: &Grid, place: &Path) -> Result<LabelRaster> {
        let classes = self.codes.as_ref().map_or(&self.classes, Codes::classes);
        let mut polygons = Polygons::open(path, self)?;
        let crs = match &self.crs {
            Some(crs) => crs.clone(),
            None => std::mem::replace(&mut polygons.crs, Ok(Crs::Unknown))?,
        };
        if !grid.crs.is_known() {
            let problem = "it does not say in which coordinate system its pixels lie";
            return Err(Error::file(place, problem, "set it: gdal_edit.py -a_srs EPSG:n FILE"));
        }
        if crs != grid.crs && !self.reproject {
            let problem = format!("in {crs}, but {} is in {}", place.display(), grid.crs);
            return Err(Error::file(path, problem, "reproject the polygons to the bands: --reproject"));
        }
        let to_bands =
            Reprojection::between(&crs, &grid.crs).map_err(|problem| no_way(path, place, &problem))?;
        let Some(transform) = grid.transform else {
            let advice = "set its position: gdal_edit.py -a_srs EPSG:n -a_ullr LEFT TOP RIGHT BOTTOM FILE";
            return Err(Error::file(place, "it does not say where its pixels lie", advice));
        };
        let in_pixels = |polygon: &Polygon| -> Result<Vec<Vec<Vertex>>> {
            let place = |&point: &(f64, f64)| to_bands.point(point).map(|point| transform.pixel(point));
            let rings = polygon.rings.iter().map(|ring| ring.iter().map(place).collect()).collect();
            let rings: Option<Vec<Vec<Vertex>>> = rings;
            rings.ok_or_else(|| {
                let place = format!("{}, polygon {}", path.display(), polygon.number);
                let problem = format!("a vertex has no place in {}", grid.crs);
                Error::input(place, problem, "check the coordinates, or --label-crs")
            })
        };
        let mut rasterised = Rasterised::of(&polygons, grid, self.all_touched, in_pixels)?;
        rasterised.report.group_field.clone_from(&self.group_field);
        rasterised.report.warn(path);
        let mut report = LabelReport::new(path, &crs, crs != grid.crs);
        report.provenance.clone_from(&polygons.provenance);
        report.polygons = Some(rasterised.report.clone());
        let labels = rasterised.labels(&polygons, grid, classes);
        if labels.sites().is_empty() {
            let what = if self.all_touched { "a pixel" } else { "the centre of a pixel" };
            let problem = format!("no polygon covers {what} of {}", place.display());
            let advice = "check that both show the same place, and --label-crs";
            return Err(Error::file(path, problem, advice));
        }
        Ok(labels.described(report))
    }
}

fn no_way(path: &Path, place: &Path, problem: &str) -> Error {
    let problem = format!("{problem} ({})", place.display());
    Error::file(path, problem, "say what the labels are with --label-crs EPSG:n, or use gdalwarp")
}

/// A raster whose pixels have the class of the label pixel that their centres lie in.
fn warp(labels: &LabelRaster, bands: &Shared, progress: &mut dyn Progress) -> Result<LabelRaster> {
    /// Rows reprojected between two reports of progress.
    const ROWS: usize = 256;
    let (from, to, path) = (bands.grid(), labels.grid(), labels.path());
    let nearest = Nearest::between(from, to).map_err(|problem| no_way(path, bands.path(), &problem))?;
    let mut given = Array2::<u16>::zeros((to.rows, to.columns));
    for site in labels.sites() {
        given[[site.row, site.column]] = site.class as u16 + 1;
    }
    let mut numbers = Array2::<u16>::zeros((from.rows, from.columns));
    progress.begin("reprojecting the labels", from.rows.div_ceil(ROWS) as u64);
    for (k, mut rows) in numbers.axis_chunks_iter_mut(Axis(0), ROWS).enumerate() {
        let fill = |(row, column), pixel: &mut u16| {
            *pixel = nearest.pixel(k * ROWS + row, column).map_or(0, |place| given[place]);
        };
        Zip::indexed(&mut rows).par_for_each(fill);
        progress.advance(1, "");
    }
    progress.end("");
    let labels = LabelRaster::from_connected(path, from, labels.classes(), &numbers);
    if labels.sites().is_empty() {
        let problem = format!("no labelled pixel lies within {}", bands.path().display());
        return Err(Error::file(path, problem, "check that both show the same place, and --label-crs"));
    }
    Ok(labels)
}

/// Polygons on the grid.
struct Rasterised {
    /// The place in the list of the last polygon that covers a pixel, plus one; 0 for none.
    owner: Array2<u32>,
    report: PolygonReport,
}

impl Rasterised {
    fn of(
        polygons: &Polygons,
        grid: &Grid,
        all_touched: bool,
        in_pixels: impl Fn(&Polygon) -> Result<Vec<Vec<Vertex>>>,
    ) -> Result<Self> {
        let shape = (grid.rows, grid.columns);
        let (mut owners, mut disputed) = (Array2::zeros(shape), Array2::from_elem(shape, false));
        let mut report = PolygonReport {
            label_field: polygons.label_field.clone(),
            group_names: polygons.group_names.clone(),
            labelled: polygons.labelled.len(),
            unlabelled: polygons.unlabelled,
            first_unlabelled: polygons.first_unlabelled,
            unlabelled_names: polygons.unlabelled_names.clone(),
            ..PolygonReport::default()
        };
        for (id, polygon) in (1u32..).zip(&polygons.labelled) {
            let rings = in_pixels(polygon)?;
            let mut covers = false;
            let mut cover = |row: usize, columns: Range<usize>| {
                covers = true;
                for column in columns {
                    let owner: &mut u32 = &mut owners[[row, column]];
                    let before = (*owner as usize).checked_sub(1).map(|k| polygons.labelled[k].class);
                    disputed[[row, column]] |= before.is_some_and(|class| class != polygon.class);
                    *owner = id;
                }
            };
            rasterise::runs(&rings, grid.rows, grid.columns, &mut cover);
            if all_touched {
                rasterise::touched(&rings, grid.rows, grid.columns, &mut cover);
            }
            if crosses_itself(&rings) {
                report.crossing += 1;
                report.first_crossing.get_or_insert(polygon.number);
            }
            if !covers && within(&rings, grid) {
                report.between_centres += 1;
            } else if !covers {
                report.outside += 1;
            }
        }
        report.disputed_pixels = disputed.iter().filter(|&&disputed| disputed).count();
        Ok(Self { owner: owners, report })
    }

    /// Connected regions, or the groups if polygons have them.
    fn labels(&self, polygons: &Polygons, grid: &Grid, classes: &Classes) -> LabelRaster {
        let polygon = |id: u32| (id as usize).checked_sub(1).map(|k| &polygons.labelled[k]);
        let groups: BTreeSet<i32> = polygons.labelled.iter().filter_map(|polygon| polygon.group).collect();
        if groups.is_empty() {
            let numbers = self.owner.mapv(|id| polygon(id).map_or(0, |polygon| polygon.class as u16 + 1));
            return LabelRaster::from_connected(&polygons.path, grid, classes, &numbers);
        }
        let regions: BTreeMap<i32, usize> = groups.into_iter().zip(1..).collect();
        let sites = self.owner.indexed_iter().filter_map(|((row, column), &id)| {
            let polygon = polygon(id)?;
            Some(Site { row, column, class: polygon.class, region: *regions.get(&polygon.group?)? })
        });
        let groups = regions.keys().copied().collect();
        LabelRaster::from_groups(&polygons.path, grid, classes, sites.collect(), groups)
    }
}

/// Whether the rectangle around a polygon meets the raster.
fn within(rings: &[Vec<Vertex>], grid: &Grid) -> bool {
    let meets = |place: fn(&Vertex) -> f64, length: usize| {
        let values = || rings.iter().flatten().map(place);
        values().fold(f64::NEG_INFINITY, f64::max) > 0.0
            && values().fold(f64::INFINITY, f64::min) < length as f64
    };
    meets(|vertex| vertex.0, grid.rows) && meets(|vertex| vertex.1, grid.columns)
}
