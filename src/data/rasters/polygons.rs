//! Polygons with classes, from a shapefile (ESRI Shapefile Technical Description, 1998).

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use shapefile::dbase::{self, FieldValue, encoding::UnicodeLossy};
use shapefile::{Shape, ShapeReader, ShapeType};

use super::crs::Crs;
use super::wkt;
use crate::{Classes, Error, Result};

/// Names that a field of classes goes by, the likeliest first, in any case.
const LABEL_FIELDS: [&str; 10] =
    ["value", "lcz", "lcz_class", "class", "class_id", "classes", "label", "code", "gridcode", "dn"];

/// The labelled polygons of a file.
pub(super) struct Polygons {
    pub path: PathBuf,
    /// The system of the .prj file, or what is wrong with that.
    pub crs: Result<Crs>,
    /// The field that holds the classes.
    pub label_field: String,
    /// In the order of the file.
    pub labelled: Vec<Polygon>,
    /// How many polygons say 0 or nothing.
    pub unlabelled: usize,
    /// The names of the groups 1, 2, … if they are not numbers.
    pub group_names: Vec<String>,
}

/// A closed line of (x, y).
type Ring = Vec<(f64, f64)>;

/// A polygon with a class.
pub(super) struct Polygon {
    /// Its place in the file, counted from 1.
    pub number: usize,
    /// Index of its class.
    pub class: usize,
    /// What is not to be split, where a field says so.
    pub group: Option<i32>,
    /// Outlines and holes alike.
    pub rings: Vec<Ring>,
}

/// An attribute of a polygon.
enum Value {
    Empty,
    Number(f64),
    Text(String),
}

impl Polygons {
    /// Reads the polygons and the two fields.
    pub fn open(
        path: &Path,
        label_field: Option<&str>,
        group_field: Option<&str>,
        classes: &Classes,
    ) -> Result<Self> {
        let shapes = read_shapes(path)?;
        let table_path = sibling(path, "dbf")?;
        let reader = dbase::ReaderBuilder::new().with_encoding(UnicodeLossy).open(&table_path);
        let mut reader = reader.map_err(|error| spoilt(&table_path, &error))?;
        let fields: Vec<String> = reader.fields().iter().map(|field| field.name().to_owned()).collect();
        let label_field = find_label_field(path, &fields, label_field)?;
        let group_field = group_field.map(|name| find_field(path, &fields, name)).transpose()?;
        let records = reader.read().map_err(|error| spoilt(&table_path, &error))?;
        if records.len() != shapes.len() {
            let problem = format!("{} records for {} polygons", records.len(), shapes.len());
            return Err(Error::file(&table_path, problem, "write both anew: ogr2ogr NEW.shp OLD.shp"));
        }

        let (mut labelled, mut groups, mut unlabelled) = (Vec::new(), Vec::new(), 0);
        for (number, (rings, record)) in (1..).zip(shapes.into_iter().zip(records)) {
            let refuse = |problem: String, advice: &str| {
                Err(Error::input(format!("{}, polygon {number}", path.display()), problem, advice))
            };
            let class = match class_of(&attribute(&record, &label_field), classes) {
                Ok(Some(class)) if !rings.is_empty() => class,
                Ok(_) => {
                    unlabelled += 1;
                    continue;
                }
                Err(shown) => {
                    let problem =
                        format!("{label_field} is {shown}, which is none of the {} classes", classes.len());
                    let advice =
                        "use 0 for no class and 1, 2, ... for the classes in order (LCZ A-G are 11-17)";
                    return refuse(problem, advice);
                }
            };
            if rings.iter().flatten().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
                return refuse("a vertex is not a number".to_owned(), "draw the polygon again");
            }
            if let Some(field) = &group_field {
                match attribute(&record, field) {
                    Value::Empty => {
                        return refuse(format!("{field} is empty"), "give each polygon its group");
                    }
                    value => groups.push(value),
                }
            }
            labelled.push(Polygon { number, class, group: None, rings });
        }
        if labelled.is_empty() {
            let problem = format!("{label_field} is 0 or empty in all {unlabelled} polygons");
            return Err(Error::file(path, problem, "give polygons a class, or name another field"));
        }
        let (numbers, group_names) = number_groups(groups);
        for (polygon, group) in labelled.iter_mut().zip(numbers) {
            polygon.group = Some(group);
        }
        Ok(Self { path: path.to_owned(), crs: crs(path), label_field, labelled, unlabelled, group_names })
    }
}

/// The rings of each record; none for one without a shape.
fn read_shapes(path: &Path) -> Result<Vec<Vec<Ring>>> {
    let file = File::open(path).map_err(Error::io(path))?;
    let index_path = sibling(path, "shx")?;
    let index = File::open(&index_path).map_err(Error::io(&index_path))?;
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
        let problem = format!("it holds shapes of type {kind}, not polygons");
        return Err(Error::file(path, problem, "give the file of the polygons"));
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
        let problem = format!("{lacking} is not beside it");
        Error::file(path, problem, "a shapefile is three files, .shp, .shx and .dbf: copy them all")
    })
}

fn spoilt(path: &Path, error: &dbase::Error) -> Error {
    let text = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
    Error::file(path, format!("the attributes cannot be read ({text})"), "get the file again")
}

/// What the .prj file says.
fn crs(path: &Path) -> Result<Crs> {
    let advice = "say which it is: --label-crs EPSG:n";
    let Ok(prj) = sibling(path, "prj") else {
        return Err(Error::file(path, "no .prj file says what the coordinates are", advice));
    };
    let text = fs::read(&prj).map_err(Error::io(&prj))?;
    wkt::parse(&String::from_utf8_lossy(&text)).map_err(|name| {
        Error::file(&prj, format!("the coordinate system '{name}' is not recognised"), advice)
    })
}

fn find_label_field(path: &Path, fields: &[String], wanted: Option<&str>) -> Result<String> {
    if let Some(name) = wanted {
        return find_field(path, fields, name);
    }
    let usual = LABEL_FIELDS.iter().find_map(|name| fields.iter().find(|f| f.eq_ignore_ascii_case(name)));
    usual.cloned().ok_or_else(|| {
        let problem = format!("no field is called like a class ({})", found(fields));
        Error::file(path, problem, "say which holds the classes: --label-field NAME")
    })
}

fn find_field(path: &Path, fields: &[String], name: &str) -> Result<String> {
    let field = fields.iter().find(|field| field.eq_ignore_ascii_case(name)).cloned();
    field.ok_or_else(|| {
        Error::file(path, format!("no field '{name}' ({})", found(fields)), "name one of these")
    })
}

fn found(fields: &[String]) -> String {
    format!("found: {}", if fields.is_empty() { "none".to_owned() } else { fields.join(", ") })
}

fn attribute(record: &dbase::Record, field: &str) -> Value {
    match record.get(field) {
        Some(
            FieldValue::Numeric(Some(number)) | FieldValue::Double(number) | FieldValue::Currency(number),
        ) => Value::Number(*number),
        Some(FieldValue::Float(Some(number))) => Value::Number(f64::from(*number)),
        Some(FieldValue::Integer(number)) => Value::Number(f64::from(*number)),
        Some(FieldValue::Character(Some(text)) | FieldValue::Memo(text)) if !text.trim().is_empty() => {
            Value::Text(text.trim().to_owned())
        }
        Some(FieldValue::Logical(Some(yes))) => Value::Text(yes.to_string()),
        Some(FieldValue::Date(Some(date))) => Value::Text(date.to_string()),
        _ => Value::Empty,
    }
}

/// The class that an attribute means, none for 0 and nothing; if it means no class, what it is.
fn class_of(value: &Value, classes: &Classes) -> std::result::Result<Option<usize>, String> {
    let numbered = |number: f64| {
        let class = number >= 0.0 && number <= classes.len() as f64 && number.fract() == 0.0;
        class.then(|| (number as usize).checked_sub(1))
    };
    match value {
        Value::Empty => Ok(None),
        Value::Number(number) => numbered(*number).ok_or_else(|| number.to_string()),
        Value::Text(text) => {
            if let Ok(number) = text.parse() {
                return numbered(number).ok_or_else(|| format!("'{text}'"));
            }
            let upper = text.to_ascii_uppercase();
            let bare = upper.strip_prefix("LCZ").unwrap_or(&upper).trim_start_matches([' ', '_', '-']);
            let is = |k: usize| {
                let code = classes.code(k);
                code.eq_ignore_ascii_case(text)
                    || code.eq_ignore_ascii_case(bare)
                    || classes.name(k).eq_ignore_ascii_case(text)
            };
            (0..classes.len()).find(|&k| is(k)).map(Some).ok_or_else(|| format!("'{text}'"))
        }
    }
}

/// Whole numbers stay; anything else is numbered from 1 in the order of its text.
fn number_groups(groups: Vec<Value>) -> (Vec<i32>, Vec<String>) {
    let whole = |value: &Value| match value {
        Value::Number(number) if number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX) => {
            Some(*number as i32)
        }
        _ => None,
    };
    if let Some(numbers) = groups.iter().map(whole).collect::<Option<Vec<i32>>>() {
        return (numbers, Vec::new());
    }
    let text = |value: &Value| match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::Empty => String::new(),
    };
    let texts: Vec<String> = groups.iter().map(text).collect();
    let names: Vec<String> = texts.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let place = |text: &String| names.partition_point(|name| name < text) as i32 + 1;
    (texts.iter().map(place).collect(), names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_a_number_a_code_or_a_name() {
        let lcz = Classes::lcz();
        let text = |text: &str| class_of(&Value::Text(text.to_owned()), &lcz);
        assert_eq!(class_of(&Value::Number(11.0), &lcz), Ok(Some(10)));
        for name in ["11", "A", "a", "LCZ A", "lcz_a", "LCZA", "11.0", &lcz.name(10)] {
            assert_eq!(text(name), Ok(Some(10)), "{name}");
        }
        assert_eq!(text("LCZ 6"), Ok(Some(5)));
        for nothing in [Value::Empty, Value::Number(0.0), Value::Text("0".to_owned())] {
            assert_eq!(class_of(&nothing, &lcz), Ok(None));
        }
        for bad in [18.0, -1.0, 2.5, f64::NAN] {
            assert!(class_of(&Value::Number(bad), &lcz).is_err(), "{bad}");
        }
        assert_eq!(text("forest"), Err("'forest'".to_owned()));
        let own = Classes::named(["water", "forest"]).unwrap();
        assert_eq!(class_of(&Value::Text("Forest".to_owned()), &own), Ok(Some(1)));
    }

    #[test]
    fn groups_keep_their_numbers_and_names_get_one() {
        let texts = |texts: &[&str]| texts.iter().map(|text| Value::Text((*text).to_owned())).collect();
        assert_eq!(number_groups(vec![Value::Number(7.0), Value::Number(-2.0)]), (vec![7, -2], vec![]));
        let (numbers, names) = number_groups(texts(&["Bonn", "Aachen", "Bonn", "Celle"]));
        assert_eq!(
            (numbers, names),
            (vec![2, 1, 2, 3], ["Aachen", "Bonn", "Celle"].map(String::from).to_vec())
        );
    }
}
