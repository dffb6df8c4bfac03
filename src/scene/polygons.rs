//! Polygons with classes, from a shapefile, a GeoPackage, a KML or a GeoJSON.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::layer::{FOLDERS, Layer, NAME, Record, Ring, Value};
use super::{Codes, Crs, esri, geojson, geopackage, kml};
use crate::{Classes, Error, Result, provenance};

/// Names that a field of classes goes by, the likeliest first, in any case; the last two are those of a KML.
const LABEL_FIELDS: &str = "lcz lcz_class lcz_primary lcz_primar value class class_id classes label code gridcode dn \
    code_2018 code2018 code_2012 code2012 folderpath name";
/// Polygons without a class that are named, at most.
const MOST_NAMED: usize = 5;
/// The endings of files of polygons.
const ENDINGS: [&str; 6] = ["shp", "gpkg", "kml", "kmz", "geojson", "json"];

/// How labels are read: from a GeoTIFF, or from the polygons of a shapefile (a name that ends in .shp), a GeoPackage
/// (.gpkg), a KML (.kml, .kmz) or a GeoJSON (.geojson, .json).
///
/// # Classes of polygons
/// A field says them: a number, a code or a name ([`Classes::find`]), for the zones also 101–107 for A–G; or a path whose
/// end is one, such as `Document/lcz1`. In a KML, folders and placemarks are called like their classes, as in the WUDAPT
/// template; the innermost folder that is called like one counts before the placemark's own name, and a folder or
/// placemark "ROI" is no class.
///
/// # Polygons
/// A pixel of the bands' finest grid gets the class of the polygon that its centre lies in (with `all_touched`, that
/// touches it); inside is what the even-odd rule says, over all rings of a polygon together, so that a polygon that
/// crosses itself is outside where it goes round twice; a warning gives their number. Where polygons overlap, the later
/// one of the file counts; pixels where their classes differ are counted
/// ([`PolygonReport::disputed_pixels`](super::PolygonReport::disputed_pixels)). Class 0 and an empty field are unlabelled and cover nothing.
///
/// # Other coordinate systems
/// With `reproject`, a pixel of the bands' finest grid gets the class of the label pixel that its centre
/// lies in (nearest neighbour), also where the systems are one but the grids do not fit; polygons are
/// reprojected by their vertices, between which edges stay straight.
///
/// ```no_run
/// use lcz::scene::{Labelling, Scene};
/// use lcz::progress::Silent;
///
/// let dates = [Scene::open(["B4.tif", "B3.tif", "B2.tif"])?];
/// let labelling = Labelling { group_field: Some("polygon_id".to_owned()), ..Labelling::default() };
/// let labels = labelling.open("polygons.shp", &dates, &mut Silent)?;
/// println!("{} labelled pixels, {:?}", labels.sites().len(), labels.report().polygons);
/// # Ok::<(), lcz::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Labelling {
    /// What the numbers 1, 2, … mean.
    pub classes: Classes,
    /// The polygons' field of classes. If none is named, the first with a class in it that is called lcz, `lcz_class`,
    /// `lcz_primary`, value, class, `class_id`, classes, label, code, gridcode, dn, `code_2018`, `code_2012`, folderpath or name, in any case; a
    /// warning says where others fit too and differ.
    pub label_field: Option<String>,
    /// The polygons' field of groups that are not split, such as a polygon's number or a city.
    pub group_field: Option<String>,
    /// Whether each polygon is a group of its own, where no field says the groups.
    pub by_polygon: bool,
    /// The coordinate system of the labels, in place of what the file says.
    pub crs: Option<Crs>,
    /// Whether labels on another coordinate system or grid are brought to that of the bands.
    pub reproject: bool,
    /// The layer of a GeoPackage, or the band of a raster by its description or number (from 1 on); it need not be named
    /// where there is one only.
    pub layer: Option<String>,
    /// What the codes of the polygons' field of classes mean; `classes` are then the table's.
    pub codes: Option<Codes>,
    /// Whether polygons cover all pixels that they touch, rather than those whose centres lie inside.
    pub all_touched: bool,
}

impl Default for Labelling {
    /// The 17 zones, fields by their usual names, coordinates as the file says, nothing reprojected.
    fn default() -> Self {
        Self {
            classes: Classes::lcz(),
            label_field: None,
            group_field: None,
            by_polygon: false,
            crs: None,
            reproject: false,
            layer: None,
            codes: None,
            all_touched: false,
        }
    }
}

/// The labelled polygons of a file.
pub(super) struct Polygons {
    pub path: PathBuf,
    /// The coordinate system, or the reason why it cannot be used.
    pub crs: Result<Crs>,
    /// The field that holds the classes.
    pub label_field: String,
    /// In the order of the file.
    pub labelled: Vec<Polygon>,
    /// How many polygons say 0 or nothing, or have no shape.
    pub unlabelled: usize,
    /// The first of them, by its place in the file, counted from 1.
    pub first_unlabelled: Option<usize>,
    /// What the first of them are called (field `Name`).
    pub unlabelled_names: Vec<String>,
    /// The names of the groups 1, 2, … if they are not numbers.
    pub group_names: Vec<String>,
    /// Where they come from, as the file states it.
    pub provenance: Option<String>,
}

/// A polygon with a class.
pub(super) struct Polygon {
    /// Its place in the file, counted from 1.
    pub number: usize,
    /// Index of its class.
    pub class: usize,
    /// What it is called (field `Name`).
    pub name: Option<String>,
    /// What is not to be split, where a field says so.
    pub group: Option<i32>,
    /// Both outlines and holes.
    pub rings: Vec<Ring>,
}

impl Polygons {
    /// Whether a file holds polygons, by the ending of its name.
    pub fn are_in(path: &Path) -> bool {
        ENDINGS.iter().any(|ending| has_ending(path, ending))
    }

    /// Reads the polygons and the two fields.
    pub fn open(path: &Path, labelling: &Labelling) -> Result<Self> {
        let layer = read_layer(path, labelling.layer.as_deref())?;
        let provenance = stated_provenance(path, &layer);
        let fields = &layer.fields;
        let label_places = find_label_fields(path, &layer, labelling)?;
        let label_field = label_places.iter().map(|&place| &*fields[place]).collect::<Vec<_>>().join(" or ");
        let group_field =
            labelling.group_field.as_ref().map(|name| find_field(path, fields, name)).transpose()?;
        let is_kml = layer.is_kml;
        let name = place_of(fields, NAME);

        let stray: Vec<bool> = (1..=layer.shapes.len()).map(|number| layer.is_stray(number)).collect();
        let (mut labelled, mut groups) = (Vec::new(), Vec::new());
        let (mut unlabelled, mut first_unlabelled, mut natural) = (0, None, false);
        let mut unlabelled_names = Vec::new();
        let shapes = (1..).zip(layer.shapes.into_iter().zip(layer.records));
        for (number, (rings, record)) in shapes.filter(|(number, _)| !stray[number - 1]) {
            let refuse = |problem: String, advice: &str| {
                Err(Error::input(format!("{}, polygon {number}", path.display()), problem, advice))
            };
            let own_name = match name.map(|name| record.get(name)) {
                Some(Value::Text(name)) => Some(name.clone()),
                _ => None,
            };
            let mut class = Ok(None);
            for &place in &label_places {
                class = labelling.class_of(record.get(place));
                natural |= labelling.is_natural_code(record.get(place));
                if matches!(class, Ok(Some(_))) {
                    break;
                }
            }
            // In Google Earth's folders anything may lie, not training areas alone.
            let class = if is_kml && labelling.label_field.is_none() { class.or(Ok(None)) } else { class };
            let class = match class {
                Ok(Some(class)) if !rings.is_empty() => class,
                Ok(_) => {
                    unlabelled += 1;
                    first_unlabelled.get_or_insert(number);
                    if unlabelled_names.len() < MOST_NAMED {
                        unlabelled_names.extend(own_name);
                    }
                    continue;
                }
                Err(shown) if labelling.codes.is_some() => {
                    let problem = format!("{label_field} is {shown}, which is not in the table of codes");
                    return refuse(problem, "add it to the table, with 0 where it is to be background");
                }
                Err(shown) => {
                    let count = labelling.classes.len();
                    return refuse(
                        format!("{label_field} is {shown}, which is none of the {count} classes"),
                        "use 0 for no class and 1, 2, ... for the classes in order (LCZ A-G are 11-17)",
                    );
                }
            };
            if rings.iter().flatten().any(|(x, y)| !x.is_finite() || !y.is_finite()) {
                return refuse("a vertex is not a number".to_owned(), "draw the polygon again");
            }
            if let Some(place) = group_field {
                match record.get(place) {
                    Value::Empty => {
                        return refuse(format!("{} is empty", fields[place]), "give each polygon its group");
                    }
                    value => groups.push(value.clone()),
                }
            }
            let group = labelling.by_polygon.then(|| i32::try_from(number).unwrap_or(i32::MAX));
            labelled.push(Polygon { number, class, name: own_name, group, rings });
        }
        if labelled.is_empty() {
            let of_names = is_kml && labelling.label_field.is_none();
            let problem = if of_names {
                format!("no folder and no name of its {unlabelled} polygons is a class")
            } else {
                format!("{label_field} is 0 or empty in all {unlabelled} polygons")
            };
            if of_names {
                return Err(Error::file(path, problem, "name folders or placemarks 1-10, A-G"));
            }
            return Err(Error::file(path, problem, "give polygons a class, or name another field"));
        }
        if natural {
            tracing::warn!("{}: 101-107 in {label_field} are read as LCZ A-G", path.display());
        }
        let (numbers, group_names) = number_groups(groups);
        for (polygon, group) in labelled.iter_mut().zip(numbers) {
            polygon.group = Some(group);
        }
        let (path, crs) = (path.to_owned(), layer.crs);
        Ok(Self {
            path,
            crs,
            label_field,
            labelled,
            unlabelled,
            first_unlabelled,
            unlabelled_names,
            group_names,
            provenance,
        })
    }
}

/// The places of the fields that say the classes: of a KML the folders and the names, else one.
fn find_label_fields(path: &Path, layer: &Layer, labelling: &Labelling) -> Result<Vec<usize>> {
    let fields = &layer.fields;
    if let Some(name) = labelling.label_field.as_deref() {
        return Ok(vec![find_field(path, fields, name)?]);
    }
    let usual = LABEL_FIELDS.split(' ').filter_map(|name| place_of(fields, name));
    let usual: Vec<usize> = usual.collect();
    let class = |record: &Record, place: usize| labelling.class_of(record.get(place)).ok().flatten();
    let fits = |place: &&usize| layer.records.iter().any(|record| class(record, **place).is_some());
    let fitting: Vec<usize> = usual.iter().filter(fits).copied().collect();
    let Some(&first) = fitting.first().or(usual.first()) else {
        let problem = format!("no field is called like a class ({})", found(fields));
        return Err(Error::file(path, problem, "name the field of the classes: --label-field NAME"));
    };
    let differs = |record: &&Record, place: usize| {
        class(record, place).is_some_and(|other| class(record, first).is_some_and(|class| class != other))
    };
    for &other in fitting.iter().filter(|&&place| place != first) {
        let differing = layer.records.iter().filter(|record| differs(record, other)).count();
        if differing > 0 {
            tracing::warn!(
                "{}: classes are read from {}; {} differs in {differing} polygons (choose one with --label-field)",
                path.display(),
                fields[first],
                fields[other]
            );
        }
    }
    let both = [FOLDERS, NAME].map(|name| place_of(fields, name));
    match both {
        [Some(folders), Some(name)] if layer.is_kml && (first == folders || first == name) => {
            Ok(vec![folders, name])
        }
        _ => Ok(vec![first]),
    }
}

fn place_of(fields: &[String], name: &str) -> Option<usize> {
    fields.iter().position(|field| field.eq_ignore_ascii_case(name))
}

fn find_field(path: &Path, fields: &[String], name: &str) -> Result<usize> {
    place_of(fields, name).ok_or_else(|| {
        Error::file(path, format!("no field '{name}' ({})", found(fields)), "name one of these")
    })
}

fn found(fields: &[String]) -> String {
    format!("found: {}", if fields.is_empty() { "none".to_owned() } else { fields.join(", ") })
}

impl Labelling {
    /// The class that an attribute means, none for 0 and nothing; if it means no class, what it is.
    fn class_of(&self, value: &Value) -> std::result::Result<Option<usize>, String> {
        match (&self.codes, value) {
            (Some(codes), value) => codes.class_of(value),
            (None, value) => class_of(value, &self.classes),
        }
    }

    /// Whether an attribute is one of 101–107, the natural zones.
    fn is_natural_code(&self, value: &Value) -> bool {
        let number = match value {
            Value::Number(number) => *number,
            Value::Text(text) => {
                text.trim_start_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or(0.0)
            }
            Value::Empty => 0.0,
        };
        self.codes.is_none() && self.classes.is_natural_code(number)
    }
}

/// The class that an attribute means, none for 0 and nothing; if it means no class, what it is.
fn class_of(value: &Value, classes: &Classes) -> std::result::Result<Option<usize>, String> {
    match value {
        Value::Empty | Value::Number(0.0) => Ok(None),
        Value::Number(number) => classes.find_number(*number).map(Some).ok_or_else(|| number.to_string()),
        Value::Text(text) if text.parse() == Ok(0.0) => Ok(None),
        Value::Text(text) => {
            // The innermost folder of a path.
            let part = || text.rsplit('/').find_map(|part| classes.find(part));
            classes.find(text).or_else(part).map(Some).ok_or_else(|| format!("'{text}'"))
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

/// Reads the polygons of a file by the ending of its name.
fn read_layer(path: &Path, layer: Option<&str>) -> Result<Layer> {
    if has_ending(path, "gpkg") {
        return geopackage::read(path, layer);
    }
    if let Some(layer) = layer {
        let problem = format!("no layer '{layer}': it is not a GeoPackage");
        return Err(Error::file(path, problem, "layers are a GeoPackage's: leave --layer out"));
    }
    if has_ending(path, "kml") || has_ending(path, "kmz") {
        return kml::read(path);
    }
    if has_ending(path, "geojson") || has_ending(path, "json") {
        return geojson::read(path);
    }
    esri::read(path)
}

/// Synthetic, if a text in a field `SOURCE` says so; else what a GeoPackage describes itself as.
fn stated_provenance(path: &Path, layer: &Layer) -> Option<String> {
    let source = layer.fields.iter().position(|field| field.eq_ignore_ascii_case("source"));
    let texts = layer.records.iter().filter_map(|record| match source.map(|place| record.get(place)) {
        Some(Value::Text(text)) => provenance::synthetic(text),
        _ => None,
    });
    let described = || has_ending(path, "gpkg").then(|| geopackage::description(path)).flatten();
    texts.map(str::to_owned).next().or_else(described)
}

fn has_ending(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons_of_a_kml_without_a_class_are_counted_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("areas.kml");
        let mark = |name: &str| {
            format!(
                "<Placemark><name>{name}</name><Polygon><outerBoundaryIs><LinearRing><coordinates>1,1 2,1 2,2 1,1\
                 </coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>"
            )
        };
        let others: String = (1..=7).map(|k| mark(&format!("park {k}"))).collect();
        std::fs::write(&place, format!("<kml><Document>{}{others}</Document></kml>", mark("6"))).unwrap();
        let polygons = Polygons::open(&place, &Labelling::default()).unwrap();
        assert_eq!(
            (polygons.labelled.len(), polygons.unlabelled, polygons.first_unlabelled),
            (1, 7, Some(2))
        );
        assert_eq!(polygons.unlabelled_names, ["park 1", "park 2", "park 3", "park 4", "park 5"]);
        let named = super::super::report::named(&polygons.unlabelled_names[..2], 7);
        assert_eq!(named, " ('park 1', 'park 2', …)");
    }

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
}
