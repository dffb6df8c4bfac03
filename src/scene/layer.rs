//! Polygons with attributes, whatever file they are from.

use std::path::Path;

use super::crs::Crs;
use super::{esri, geopackage};
use crate::{Error, Result};

/// A closed line of (x, y).
pub(super) type Ring = Vec<(f64, f64)>;

/// An attribute of a polygon.
pub(super) enum Value {
    Empty,
    Number(f64),
    Text(String),
}

/// The polygons of a file.
pub(super) struct Layer {
    /// Names of the attributes.
    pub fields: Vec<String>,
    /// The attributes of each polygon, in the order of `fields`.
    pub records: Vec<Vec<Value>>,
    /// The rings of each polygon, outlines and holes alike; none for one without a shape.
    pub shapes: Vec<Vec<Ring>>,
    /// The coordinate system, or what is wrong with it.
    pub crs: Result<Crs>,
}

impl Layer {
    /// Whether a file holds polygons, by the ending of its name.
    pub fn is_one(path: &Path) -> bool {
        has_ending(path, "shp") || has_ending(path, "gpkg")
    }

    /// Reads a shapefile, or a layer of a GeoPackage.
    pub fn open(path: &Path, layer: Option<&str>) -> Result<Self> {
        if has_ending(path, "gpkg") {
            return geopackage::read(path, layer);
        }
        if let Some(layer) = layer {
            let problem = format!("a shapefile has no layer '{layer}'");
            return Err(Error::file(path, problem, "layers are a GeoPackage's: leave --layer out"));
        }
        esri::read(path)
    }
}

fn has_ending(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}
