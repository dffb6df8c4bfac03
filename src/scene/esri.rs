//! Polygons and their attributes from a shapefile (ESRI Shapefile Technical Description, 1998).

use std::ffi::OsStr;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use shapefile::dbase::{self, FieldValue, encoding::UnicodeLossy};
use shapefile::{Shape, ShapeReader, ShapeType};

use super::layer::{Layer, Ring, Value, not_polygons};
use super::{Crs, wkt};
use crate::error::on_one_line;
use crate::files::{open_file, read_bytes};
use crate::{Error, Result};

/// Reads the polygons, their attributes (.dbf) and their coordinate system (.prj).
pub(super) fn read(path: &Path) -> Result<Layer> {
    let shapes = read_shapes(path)?;
    let table_path = sibling(path, "dbf")?;
    open_file(&table_path)?;
    let reader = dbase::ReaderBuilder::new().with_encoding(UnicodeLossy).open(&table_path);
    let mut reader = reader.map_err(|error| spoilt(&table_path, &error))?;
    let fields: Vec<String> = reader.fields().iter().map(|field| field.name().to_owned()).collect();
    let records = reader.read().map_err(|error| spoilt(&table_path, &error))?;
    if records.len() != shapes.len() {
        let problem = format!("{} records for {} polygons", records.len(), shapes.len());
        return Err(Error::file(&table_path, problem, "write both again: ogr2ogr NEW.shp OLD.shp"));
    }
    let values = |record: &dbase::Record| fields.iter().map(|field| attribute(record, field)).collect();
    let records = records.iter().map(values).collect();
    Ok(Layer { fields, records, shapes, crs: crs(path), strays: vec![], is_kml: false })
}

/// The rings of each record; none for one without a shape.
fn read_shapes(path: &Path) -> Result<Vec<Vec<Ring>>> {
    let file = open_file(path)?;
    let index_path = sibling(path, "shx")?;
    let index = open_file(&index_path)?;
    let broken = |error: shapefile::Error| {
        let problem = match error {
            shapefile::Error::InvalidFileCode(_) => "not a shapefile".to_owned(),
            shapefile::Error::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                "the file or its index (.shx) ends early".to_owned()
            }
            error => format!("it cannot be read ({error})"),
        };
        Error::file(path, problem, "get it again, with all files of its name")
    };
    let mut reader = ShapeReader::with_shx(BufReader::new(file), BufReader::new(index)).map_err(broken)?;
    let kind = reader.header().shape_type;
    if !matches!(kind, ShapeType::Polygon | ShapeType::PolygonM | ShapeType::PolygonZ) {
        let (problem, advice) = not_polygons(match kind {
            ShapeType::Point
            | ShapeType::PointM
            | ShapeType::PointZ
            | ShapeType::Multipoint
            | ShapeType::MultipointM
            | ShapeType::MultipointZ => "points",
            ShapeType::Polyline | ShapeType::PolylineM | ShapeType::PolylineZ => "lines",
            _ => "other shapes",
        });
        return Err(Error::file(path, problem, advice));
    }
    let mut shapes = Vec::new();
    for shape in reader.iter_shapes() {
        shapes.push(match shape.map_err(broken)? {
            Shape::Polygon(polygon) => rings(polygon.rings(), |point| (point.x, point.y)),
            Shape::PolygonM(polygon) => rings(polygon.rings(), |point| (point.x, point.y)),
            Shape::PolygonZ(polygon) => rings(polygon.rings(), |point| (point.x, point.y)),
            _ => Vec::new(),
        });
    }
    Ok(shapes)
}

fn rings<P>(rings: &[shapefile::PolygonRing<P>], place: impl Fn(&P) -> (f64, f64)) -> Vec<Ring> {
    rings.iter().map(|ring| ring.points().iter().map(&place).collect()).collect()
}

/// The file of the same name with another ending, in any case.
fn sibling(path: &Path, ending: &str) -> Result<PathBuf> {
    let found = [ending.to_owned(), ending.to_ascii_uppercase()]
        .into_iter()
        .map(|ending| path.with_extension(ending))
        .find(|path| path.exists());
    found.ok_or_else(|| {
        let lacking = path.with_extension(ending);
        let lacking = lacking.file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
        let problem = format!("{lacking} is not next to it");
        Error::file(path, problem, "a shapefile is three files, .shp, .shx and .dbf: copy them all")
    })
}

fn spoilt(path: &Path, error: &dbase::Error) -> Error {
    let problem = format!("the attributes cannot be read ({})", on_one_line(&error.to_string()));
    Error::file(path, problem, "get the file again")
}

/// What the .prj file says.
fn crs(path: &Path) -> Result<Crs> {
    let advice = "name its coordinate system: --label-crs EPSG:n";
    let Ok(prj) = sibling(path, "prj") else {
        return Err(Error::file(path, "no .prj file gives the coordinate system", advice));
    };
    let text = read_bytes(&prj)?;
    wkt::parse(&String::from_utf8_lossy(&text)).map_err(|name| {
        Error::file(&prj, format!("the coordinate system '{name}' is not recognised"), advice)
    })
}

fn attribute(record: &dbase::Record, field: &str) -> Value {
    match record.get(field) {
        Some(
            FieldValue::Numeric(Some(number)) | FieldValue::Double(number) | FieldValue::Currency(number),
        ) => Value::Number(*number),
        Some(FieldValue::Float(Some(number))) => Value::Number(f64::from(*number)),
        Some(FieldValue::Integer(number)) => Value::Number(f64::from(*number)),
        Some(FieldValue::Character(Some(text)) | FieldValue::Memo(text)) => Value::text(text),
        Some(FieldValue::Logical(Some(yes))) => Value::Text(yes.to_string()),
        Some(FieldValue::Date(Some(date))) => Value::Text(date.to_string()),
        _ => Value::Empty,
    }
}
