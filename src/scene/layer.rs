//! The polygons of a file as they are stored, before a field gives the class of each.

use std::collections::HashMap;
use std::path::Path;

use super::crs::Crs;
use crate::{Error, Result};

/// A closed line of (x, y).
pub(super) type Ring = Vec<(f64, f64)>;

/// An attribute of a polygon.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Empty,
    Number(f64),
    Text(String),
}

impl Value {
    /// A text without the spaces around it.
    pub fn text(text: &str) -> Self {
        match text.trim() {
            "" => Self::Empty,
            text => Self::Text(text.to_owned()),
        }
    }
}

/// The attributes of a polygon that are there, by the place of their field. Where each polygon of a file has fields of its
/// own, as in GeoJSON and KML, a table of all would be far larger than the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Record(Vec<(usize, Value)>);

impl Record {
    /// An attribute; the last one where a field is given twice.
    pub fn get(&self, place: usize) -> &Value {
        self.0.iter().rfind(|(of, _)| *of == place).map_or(&Value::Empty, |(_, value)| value)
    }

    /// Adds an attribute.
    pub fn push(&mut self, place: usize, value: Value) {
        self.0.push((place, value));
    }
}

impl FromIterator<Value> for Record {
    /// The attributes of all fields, in their order.
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let mut record = Self::default();
        values.into_iter().enumerate().for_each(|(place, value)| record.push(place, value));
        record
    }
}

/// The fields that the polygons of a file have, as they are met.
#[derive(Default)]
pub(super) struct Fields {
    names: Vec<String>,
    places: HashMap<String, usize>,
}

impl Fields {
    /// The place of a field, which is new where no polygon had it.
    pub fn place(&mut self, name: &str) -> usize {
        if let Some(&place) = self.places.get(name) {
            return place;
        }
        self.places.insert(name.to_owned(), self.names.len());
        self.names.push(name.to_owned());
        self.names.len() - 1
    }

    /// Their names, in the order of their places.
    pub fn into_names(self) -> Vec<String> {
        self.names
    }
}

/// The polygons of a file.
pub(super) struct Layer {
    /// Names of the attributes.
    pub fields: Vec<String>,
    /// The attributes of each polygon.
    pub records: Vec<Record>,
    /// The rings of each polygon, both outlines and holes; none for one without a shape.
    pub shapes: Vec<Vec<Ring>>,
    /// The coordinate system, or the reason why it cannot be used.
    pub crs: Result<Crs>,
    /// Points and lines, alone or in a collection with polygons: the place of each in the file, counted from 1, and what it is.
    pub strays: Vec<(usize, &'static str)>,
    /// Whether folders and names say the classes, as in a KML (fields [`FOLDERS`] and [`NAME`]).
    pub is_kml: bool,
}

impl Layer {
    /// Says that points and lines are left out; refuses a file of nothing else.
    pub fn of_polygons(self, path: &Path) -> Result<Self> {
        let Some(&(number, kind)) = self.strays.first() else { return Ok(self) };
        let place = format!("{}, polygon {number}", path.display());
        if self.shapes.iter().all(Vec::is_empty) {
            let (problem, advice) = not_polygons(kind);
            return Err(Error::input(place, problem, advice));
        }
        let count = self.strays.len();
        tracing::warn!(
            "{place}: it holds {kind}, which are left out ({count} of {} shapes do)",
            self.shapes.len()
        );
        Ok(self)
    }

    /// Whether there are only points or lines at a place of the file.
    pub fn is_stray(&self, number: usize) -> bool {
        self.shapes[number - 1].is_empty()
            && self.strays.binary_search_by_key(&number, |(stray, _)| *stray).is_ok()
    }
}

/// The fields of a KML: the names of the folders around a placemark, from the outermost on, and its own.
pub(super) const FOLDERS: &str = "FolderPath";
pub(super) const NAME: &str = "Name";

/// Names geometries that cover no ground, and what to do.
pub(super) fn not_polygons(kind: &str) -> (String, &'static str) {
    let advice = match kind {
        "points" => "draw areas, or give the points an extent (QGIS: Vector > Geoprocessing Tools > Buffer)",
        "lines" => "draw areas, or close the lines (QGIS: Vector > Geometry Tools > Lines to Polygons)",
        _ => "give polygons: ogr2ogr -nlt CONVERT_TO_LINEAR NEW.gpkg OLD.gpkg",
    };
    (format!("it holds {kind}, not polygons"), advice)
}
