//! Training areas: size, shape and neighbours of polygons with classes, against the rules by which the LCZ Generator labels
//! them and its advice to authors.
//!
//! Demuzere, Kittner & Bechtel (2021), *LCZ Generator: a web application to create Local Climate Zone maps*, Frontiers in
//! Environmental Science 9. The two rules, [`SMALLEST`] and [`LONGEST`], are reconstructed from 630,311 polygons that it has
//! published, whose areas are in web Mercator; here all lengths are on the ground.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Serialize;

use super::crossing::{cross, crosses_itself};
use super::crs::{Crs, Reprojection};
use super::geopackage_writer;
use super::ground::{Ground, is_computed};
use super::layer::Ring;
use super::nesting::{depth, edges, holds, ring_area};
use super::polygons::{Labelling, Polygon, Polygons};
use crate::{Classes, Error, Result};

/// Smallest area that counts as good, in square kilometres.
pub const SMALLEST: f64 = 0.04;
/// Largest area before the Generator cuts a polygon down, in square kilometres.
pub const LARGEST: f64 = 1.5;
/// Shape from which on a polygon counts as doubtful: P² / 4πA, 1 of a circle, 1.27 of a square.
pub const LONGEST: f64 = 3.0;
/// Metres that should lie between polygons of different classes.
pub const APART: f64 = 100.0;
/// What to do about outlines of a system that is not computed.
const TO_DEGREES: &str = "bring them to longitude and latitude: ogr2ogr -t_srs EPSG:4326 NEW.gpkg OLD";
/// Polygons per class that authors are advised to draw.
pub const ADVISED: [usize; 2] = [5, 15];

/// Why a training area is doubtful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Doubt {
    /// Smaller than [`SMALLEST`]: a rule of the Generator.
    Small,
    /// A shape of [`LONGEST`] or more: a rule of the Generator.
    Long,
    /// Another class is nearer than [`APART`]: its advice.
    Near,
    /// Larger than [`LARGEST`]: cut down by it.
    Large,
    /// Its outline crosses itself: what it goes round twice is outside.
    Crossing,
}

impl Doubt {
    /// In words, with the bound.
    pub fn words(self) -> String {
        match self {
            Self::Small => format!("smaller than {SMALLEST} km²"),
            Self::Long => format!("long or ragged: shape {LONGEST} or more"),
            Self::Near => format!("another class within {APART} m"),
            Self::Large => format!("larger than {LARGEST} km²"),
            Self::Crossing => "crosses itself".to_owned(),
        }
    }
}

/// A polygon with a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrainingArea {
    /// Its place in the file, counted from 1.
    pub polygon: usize,
    /// What it is called: a placemark's name, or the field `Name`.
    pub name: Option<String>,
    /// Index of its class.
    #[serde(skip)]
    pub class: usize,
    /// The code of its class.
    pub code: String,
    /// Square kilometres on the ground, without holes.
    pub square_kilometres: f64,
    /// Kilometres of all outlines, on the ground.
    pub perimeter_kilometres: f64,
    /// P² / 4πA: 1 of a circle.
    pub shape: f64,
    /// Metres to the nearest polygon of another class, 0 where they touch or overlap; none where all are of one class.
    pub nearest_other_metres: Option<f64>,
    /// What makes it doubtful.
    pub doubts: Vec<Doubt>,
}

/// An outline of a polygon.
#[derive(Debug, Clone, Copy)]
pub struct Outline<'a> {
    /// Its corners in longitude and latitude.
    pub points: &'a [(f64, f64)],
    /// Whether what it goes round is a hole.
    pub is_hole: bool,
}

/// The training areas of a class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassAreas {
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Polygons.
    pub polygons: usize,
    /// Their area in square kilometres.
    pub square_kilometres: f64,
    /// Polygons with a doubt.
    pub doubtful: usize,
}

/// The training areas of a file.
///
/// ```no_run
/// use lcz::scene::{Labelling, TrainingAreas};
/// let areas = TrainingAreas::open("training_areas.kml", &Labelling::default())?;
/// for area in areas.areas().iter().filter(|area| !area.doubts.is_empty()) {
///     println!("polygon {} of {}: {:?}", area.polygon, area.code, area.doubts);
/// }
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug)]
pub struct TrainingAreas {
    path: PathBuf,
    classes: Classes,
    areas: Vec<TrainingArea>,
    /// The outlines in longitude and latitude, or why they cannot be brought there.
    outlines: Result<Vec<Vec<Ring>>, String>,
    label_field: String,
    unlabelled: usize,
    unlabelled_names: Vec<String>,
    provenance: Option<String>,
}

impl TrainingAreas {
    /// Measures the polygons of a shapefile, GeoPackage, KML or GeoJSON, whose classes are read as [`Labelling`] says: each on the
    /// ground around it, by the scale of the projection there.
    ///
    /// # Errors
    /// A file that cannot be read or does not hold polygons with classes; coordinates of a system that is unknown or whose scale
    /// is not computed.
    pub fn open(path: impl AsRef<Path>, labelling: &Labelling) -> Result<Self> {
        let path = path.as_ref();
        if !Polygons::are_in(path) {
            let advice = "give a .shp, .gpkg, .kml, .kmz or .geojson of training areas";
            return Err(Error::file(path, "not a file of polygons", advice));
        }
        let mut polygons = Polygons::open(path, labelling)?;
        let crs = match &labelling.crs {
            Some(crs) => crs.clone(),
            None => std::mem::replace(&mut polygons.crs, Ok(Crs::Unknown))?,
        };
        if crs.is_known() && !is_computed(&crs) {
            let problem =
                format!("lengths on the ground are not known in {crs}: its projection is not computed");
            return Err(Error::file(path, problem, TO_DEGREES));
        }
        let classes = labelling.codes.as_ref().map_or(&labelling.classes, |codes| codes.classes()).clone();
        let flat = polygons.labelled.par_iter().map(|polygon| Flat::new(path, &crs, polygon));
        let flat = flat.collect::<Result<Vec<Flat>>>()?;
        let areas = flat.par_iter().map(|area| area.measured(&flat, &classes)).collect();
        // Lengths need no way to another datum, the outlines do.
        let to_degrees = Reprojection::between(&crs, &Crs::from_epsg(4326)?);
        let outlines = to_degrees.map(|way| {
            let outline = |polygon: &Polygon| -> Result<Vec<Ring>> {
                let rings = polygon.rings.iter();
                let rings = rings.map(|ring| ring.iter().map(|&point| way.point(point)).collect());
                rings.collect::<Option<Vec<Ring>>>().ok_or_else(|| no_place(path, polygon))
            };
            polygons.labelled.iter().map(outline).collect::<Result<_>>()
        });
        let outlines = outlines.map_or_else(|problem| Ok(Err(problem)), |outlines| outlines.map(Ok))?;
        let Polygons { label_field, unlabelled, unlabelled_names, provenance, .. } = polygons;
        Ok(Self {
            path: path.to_owned(),
            classes,
            areas,
            outlines,
            label_field,
            unlabelled,
            unlabelled_names,
            provenance,
        })
    }

    /// Each polygon with a class, in the order of the file.
    pub fn areas(&self) -> &[TrainingArea] {
        &self.areas
    }

    /// Each with its outlines.
    ///
    /// # Errors
    /// A datum with no known way to WGS 84.
    pub fn outlines(&self) -> Result<Vec<(&TrainingArea, Vec<Outline<'_>>)>> {
        let with_holes = |(area, rings)| {
            let rings: &Vec<Ring> = rings;
            let is_hole = |k: usize| !depth(rings, k).is_multiple_of(2);
            let outline = |(k, points)| Outline { points, is_hole: is_hole(k) };
            (area, rings.iter().map(Vec::as_slice).enumerate().map(outline).collect())
        };
        Ok(self.areas.iter().zip(self.degrees()?).map(with_holes).collect())
    }

    fn degrees(&self) -> Result<&[Vec<Ring>]> {
        self.outlines.as_deref().map_err(|problem| Error::file(&self.path, problem, TO_DEGREES))
    }

    /// The classes that they are of.
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// The field that holds the classes.
    pub fn label_field(&self) -> &str {
        &self.label_field
    }

    /// Polygons without a class.
    pub fn unlabelled(&self) -> usize {
        self.unlabelled
    }

    /// What the first of them are called, where the file names polygons.
    pub fn unlabelled_names(&self) -> &[String] {
        &self.unlabelled_names
    }

    /// Where they come from, as the file states it.
    pub fn provenance(&self) -> Option<&str> {
        self.provenance.as_deref()
    }

    /// Counts and areas of every class, also of those without a polygon.
    pub fn by_class(&self) -> Vec<ClassAreas> {
        let of_class = |k: usize| {
            let areas = || self.areas.iter().filter(move |area| area.class == k);
            ClassAreas {
                code: self.classes.code(k).to_owned(),
                name: self.classes.name(k),
                polygons: areas().count(),
                // Not −0, which is the sum of nothing.
                square_kilometres: areas().map(|area| area.square_kilometres).sum::<f64>() + 0.0,
                doubtful: areas().filter(|area| !area.doubts.is_empty()).count(),
            }
        };
        (0..self.classes.len()).map(of_class).collect()
    }

    /// Writes the doubtful ones as a GeoPackage in longitude and latitude, with their measures and doubts; none is an empty layer.
    ///
    /// # Errors
    /// A name that is taken, a full disk; outlines whose datum has no known way to WGS 84.
    pub fn write_doubtful(&self, path: impl AsRef<Path>) -> Result<()> {
        let doubtful = self.areas.iter().zip(self.degrees()?).filter(|(area, _)| !area.doubts.is_empty());
        let rows = doubtful.map(|(area, rings)| {
            let doubts = area.doubts.iter().map(|doubt| doubt.words()).collect::<Vec<_>>().join("; ");
            geopackage_writer::Row {
                rings,
                texts: vec![area.code.clone(), area.name.clone().unwrap_or_default(), doubts],
                numbers: vec![
                    Some(area.polygon as f64),
                    Some(area.square_kilometres),
                    Some(area.shape),
                    area.nearest_other_metres,
                ],
            }
        });
        let columns = geopackage_writer::Columns {
            texts: &["LCZ", "name", "doubts"],
            numbers: &["polygon", "square_kilometres", "shape", "nearest_other_metres"],
        };
        let about = format!("doubtful training areas of {}", self.path.display());
        geopackage_writer::write(path.as_ref(), "doubtful", &about, &columns, rows)
    }
}

fn no_place(path: &Path, polygon: &Polygon) -> Error {
    let place = format!("{}, polygon {}", path.display(), polygon.number);
    Error::input(place, "a vertex has no longitude and latitude", "check the coordinates, or --label-crs")
}

/// A polygon, and the plane of the ground around it.
struct Flat<'a> {
    polygon: &'a Polygon,
    /// The point of the plane's origin in the file's coordinates.
    origin: (f64, f64),
    ground: Ground,
    /// In metres from the origin.
    rings: Vec<Ring>,
}

impl<'a> Flat<'a> {
    fn new(path: &Path, crs: &Crs, polygon: &'a Polygon) -> Result<Self> {
        let origin = middle(&polygon.rings);
        let ground = Ground::at(crs, origin).ok_or_else(|| {
            let problem = "it does not say in which coordinate system its polygons lie";
            Error::file(path, problem, "say it: --label-crs EPSG:n")
        })?;
        let mut flat = Self { polygon, origin, ground, rings: Vec::new() };
        flat.rings = flat.seen(polygon);
        Ok(flat)
    }

    /// The rings of a polygon on this plane, in metres.
    fn seen(&self, other: &Polygon) -> Vec<Ring> {
        let place = |&(x, y): &(f64, f64)| self.ground.flat([x - self.origin.0, y - self.origin.1]);
        other.rings.iter().map(|ring| ring.iter().map(place).collect()).collect()
    }

    fn measured(&self, all: &[Self], classes: &Classes) -> TrainingArea {
        let area = area(&self.rings);
        let perimeter: f64 =
            self.rings.iter().flat_map(edges).map(|(a, b)| (b.0 - a.0).hypot(b.1 - a.1)).sum();
        let nearest = self.nearest_other(all);
        let shape = perimeter * perimeter / (4.0 * std::f64::consts::PI * area);
        let kilometres = area / 1e6;
        let doubts = [
            (kilometres < SMALLEST, Doubt::Small),
            // Of no area, too, where the shape is infinite or NaN.
            (shape >= LONGEST || shape.is_nan(), Doubt::Long),
            (nearest.is_some_and(|metres| metres < APART), Doubt::Near),
            (kilometres > LARGEST, Doubt::Large),
            (crosses_itself(&self.rings), Doubt::Crossing),
        ];
        let class = self.polygon.class;
        TrainingArea {
            polygon: self.polygon.number,
            name: self.polygon.name.clone(),
            class,
            code: classes.code(class).to_owned(),
            square_kilometres: kilometres,
            perimeter_kilometres: perimeter / 1e3,
            shape,
            nearest_other_metres: nearest,
            doubts: doubts.into_iter().filter_map(|(holds, doubt)| holds.then_some(doubt)).collect(),
        }
    }

    /// Metres to the nearest polygon of another class.
    fn nearest_other(&self, all: &[Self]) -> Option<f64> {
        let own = bounds(&self.rings);
        let mut nearest: Option<f64> = None;
        for other in all.iter().filter(|other| other.polygon.class != self.polygon.class) {
            let seen = self.seen(other.polygon);
            // Most are far away.
            if nearest.is_none_or(|nearest| apart(own, bounds(&seen)) < nearest) {
                let distance = distance(&self.rings, &seen);
                nearest = Some(nearest.map_or(distance, |nearest| nearest.min(distance)));
            }
        }
        nearest
    }
}

/// Left, bottom, right, top.
fn bounds(rings: &[Ring]) -> [f64; 4] {
    let start = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    rings.iter().flatten().fold(start, |[l, b, r, t], &(x, y)| [l.min(x), b.min(y), r.max(x), t.max(y)])
}

/// The middle of the bounds.
fn middle(rings: &[Ring]) -> (f64, f64) {
    let [left, bottom, right, top] = bounds(rings);
    (left.midpoint(right), bottom.midpoint(top))
}

/// The distance between two rectangles.
fn apart([l, b, r, t]: [f64; 4], [left, bottom, right, top]: [f64; 4]) -> f64 {
    (left - r).max(l - right).max(0.0).hypot((bottom - t).max(b - top).max(0.0))
}

/// The area by the even-odd rule, for rings that do not cross: one within an odd number of others is a hole.
fn area(rings: &[Ring]) -> f64 {
    let signed = |k: usize| {
        if depth(rings, k).is_multiple_of(2) { ring_area(&rings[k]) } else { -ring_area(&rings[k]) }
    };
    (0..rings.len()).map(signed).sum()
}

/// The distance between two polygons: 0 where they touch or overlap.
fn distance(one: &[Ring], two: &[Ring]) -> f64 {
    let within = |inner: &[Ring], outer: &[Ring]| {
        let covered = |&point: &(f64, f64)| outer.iter().filter(|ring| holds(ring, point)).count() % 2 == 1;
        // Each part may be the one.
        inner.iter().filter_map(|ring| ring.first()).any(covered)
    };
    if within(one, two) || within(two, one) {
        return 0.0;
    }
    let mut nearest = f64::INFINITY;
    for (a, b) in one.iter().flat_map(edges) {
        for (c, d) in two.iter().flat_map(edges) {
            if cross((a, b), (c, d)) {
                return 0.0;
            }
            for (point, edge) in [(a, (c, d)), (b, (c, d)), (c, (a, b)), (d, (a, b))] {
                nearest = nearest.min(to_edge(point, edge));
            }
        }
    }
    nearest
}

/// The distance of a point to an edge.
fn to_edge((x, y): (f64, f64), (a, b): ((f64, f64), (f64, f64))) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 { ((x - a.0) * dx + (y - a.1) * dy) / length } else { 0.0 };
    let along = along.clamp(0.0, 1.0);
    (x - a.0 - along * dx).hypot(y - a.1 - along * dy)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "whole numbers")]
mod tests {
    use super::*;

    fn square(left: f64, bottom: f64, side: f64) -> Ring {
        vec![
            (left, bottom),
            (left + side, bottom),
            (left + side, bottom + side),
            (left, bottom + side),
            (left, bottom),
        ]
    }

    #[test]
    fn areas_count_holes_and_islands_in_them_whatever_their_direction() {
        let mut island = square(4.0, 4.0, 2.0);
        island.reverse();
        assert_eq!(area(&[square(0.0, 0.0, 10.0), square(2.0, 2.0, 6.0), island]), 100.0 - 36.0 + 4.0);
        assert_eq!(area(&[square(0.0, 0.0, 1.0), square(5.0, 0.0, 2.0)]), 5.0, "two parts");
        assert_eq!(area(&[vec![]]), 0.0);
        assert_eq!(
            area(&[square(0.0, 0.0, 2.0), square(2.0, 2.0, 1.0)]),
            5.0,
            "parts that touch at a corner"
        );
        assert_eq!(area(&[square(0.0, 0.0, 2.0), square(0.0, 0.0, 2.0)]), 0.0, "one part twice");
    }

    #[test]
    fn distances_are_between_edges_and_none_where_polygons_meet() {
        let one = [square(0.0, 0.0, 10.0)];
        assert_eq!(distance(&one, &[square(13.0, 14.0, 5.0)]), 5.0);
        assert_eq!(distance(&one, &[square(12.0, 3.0, 1.0)]), 2.0);
        assert_eq!(distance(&one, &[square(3.0, 3.0, 1.0)]), 0.0, "within");
        assert_eq!(distance(&[square(3.0, 3.0, 1.0)], &one), 0.0, "around");
        assert_eq!(distance(&one, &[square(9.0, -5.0, 20.0)]), 0.0, "overlapping");
        assert_eq!(distance(&one, &[square(10.0, 0.0, 1.0)]), 0.0, "touching");
        assert_eq!(
            distance(&[square(50.0, 50.0, 1.0), square(3.0, 3.0, 1.0)], &one),
            0.0,
            "a later part within"
        );
        // In a hole: to its edge.
        let holed = [square(0.0, 0.0, 10.0), square(2.0, 2.0, 6.0)];
        assert_eq!(distance(&holed, &[square(4.0, 4.0, 1.0)]), 2.0);
    }

    #[test]
    fn training_areas_are_measured_on_the_ground() {
        let folder = tempfile::tempdir().unwrap();
        // 400 m × 250 m at 60° north: a degree of longitude is 55,800 m there, one of latitude 111,412 m.
        let (metre_x, metre_y) = (1.0 / 55_800.0, 1.0 / 111_412.0);
        let placemark = |folder: &str, west: f64, width: f64, height: f64| {
            let corner = |x: f64, y: f64| format!("{},{},0", 10.0 + x * metre_x, 60.0 + y * metre_y);
            let corners =
                [(west, 0.0), (west + width, 0.0), (west + width, height), (west, height), (west, 0.0)];
            let line = corners.map(|(x, y)| corner(x, y)).join(" ");
            format!(
                "<Folder><name>{folder}</name><Placemark><Polygon><outerBoundaryIs><LinearRing><coordinates>{line}\
                 </coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder>"
            )
        };
        let all = [
            placemark("2", 0.0, 400.0, 250.0),
            placemark("A", 460.0, 100.0, 250.0),
            placemark("D", 900.0, 5000.0, 400.0),
        ];
        let file = folder.path().join("areas.kml");
        std::fs::write(&file, format!("<kml><Document>{}</Document></kml>", all.concat())).unwrap();
        let areas = TrainingAreas::open(&file, &Labelling::default()).unwrap();
        let [first, second, third] = areas.areas() else { panic!("{areas:?}") };
        assert!((first.square_kilometres - 0.1).abs() < 2e-4, "{first:?}");
        assert!((first.perimeter_kilometres - 1.3).abs() < 2e-3, "{first:?}");
        assert!((first.shape - 1.3 * 1.3 / (0.4 * std::f64::consts::PI)).abs() < 2e-3, "{first:?}");
        assert!((first.nearest_other_metres.unwrap() - 60.0).abs() < 0.2, "{first:?}");
        assert_eq!((first.code.as_str(), &*first.doubts), ("2", &[Doubt::Near][..]));
        assert_eq!(&*second.doubts, [Doubt::Small, Doubt::Near]);
        assert!((third.nearest_other_metres.unwrap() - 340.0).abs() < 1.0, "{third:?}");
        assert_eq!(&*third.doubts, [Doubt::Long, Doubt::Large]);
        let by_class = areas.by_class();
        assert_eq!((by_class[1].polygons, by_class[1].doubtful, by_class[0].polygons), (1, 1, 0));

        let doubtful = folder.path().join("doubtful.gpkg");
        areas.write_doubtful(&doubtful).unwrap();
        let again = TrainingAreas::open(&doubtful, &Labelling::default()).unwrap();
        for (area, before) in again.areas().iter().zip(areas.areas()) {
            assert!((area.square_kilometres - before.square_kilometres).abs() < 1e-9);
            assert_eq!((&area.code, &area.doubts), (&before.code, &before.doubts));
        }
        let error = areas.write_doubtful(&doubtful).unwrap_err().to_string();
        assert!(error.contains("doubtful.gpkg: the file exists"), "{error}");
    }

    #[test]
    fn areas_are_those_at_the_place_of_each_polygon_and_need_no_way_to_another_datum() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("areas.geojson");
        let open = |code: u16, squares: &[(f64, f64)]| {
            let feature = |&(left, bottom): &(f64, f64)| {
                let ring: Vec<[f64; 2]> = square(left, bottom, 1000.0).iter().map(|&(x, y)| [x, y]).collect();
                serde_json::json!({ "type": "Feature", "properties": { "lcz": 6 },
                    "geometry": { "type": "Polygon", "coordinates": [ring] } })
            };
            let features: Vec<_> = squares.iter().map(feature).collect();
            let name = format!("urn:ogc:def:crs:EPSG::{code}");
            let crs = serde_json::json!({ "type": "name", "properties": { "name": name } });
            let all = serde_json::json!({ "type": "FeatureCollection", "crs": crs, "features": features });
            std::fs::write(&file, all.to_string()).unwrap();
            TrainingAreas::open(&file, &Labelling::default())
        };
        // Web Mercator at latitudes 0, 47.8 and 60: the areas that pyproj's Geod has for these corners.
        let mercator = open(3857, &[(0.0, -500.0), (1.2e6, 6_075_000.0), (1.2e6, 8_399_238.0)]).unwrap();
        for (area, wanted) in mercator.areas().iter().zip([0.993_305_618, 0.451_306_126, 0.250_838_891]) {
            assert!((area.square_kilometres / wanted - 1.0).abs() < 1e-4, "{area:?} {wanted}");
            let side = area.perimeter_kilometres / 4.0;
            assert!((side - wanted.sqrt()).abs() < 4e-3 * side, "{area:?}");
        }
        // NAD27: lengths are known, its grids are not.
        let nad27 = open(26717, &[(500_000.0, 4.5e6)]).unwrap();
        assert!((nad27.areas()[0].square_kilometres - 1.0).abs() < 1e-9, "{:?}", nad27.areas());
        let error = nad27.write_doubtful(folder.path().join("out.gpkg")).unwrap_err().to_string();
        assert!(error.contains("no parameters that lead from its datum to WGS 84; bring them to"), "{error}");
    }
}
