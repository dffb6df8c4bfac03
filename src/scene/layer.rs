//! The polygons of a file as they are stored, before a field says which class each has.

use super::crs::Crs;
use crate::Result;

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
    /// The rings of each polygon, both outlines and holes; none for one without a shape.
    pub shapes: Vec<Vec<Ring>>,
    /// The coordinate system, or the reason why it cannot be used.
    pub crs: Result<Crs>,
}
