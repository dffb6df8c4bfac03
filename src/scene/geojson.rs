//! Polygons and their attributes from GeoJSON (RFC 7946; with a member `crs` also the 2008 specification).

use std::path::Path;

use serde_json::Value as Json;

use super::crs::Crs;
use super::layer::{Fields, Layer, Record, Ring, Value};
use crate::error::on_one_line;
use crate::files::read_bytes;
use crate::{Error, Result};

/// Bytes of a file at most, and of its values in memory.
const LONGEST: usize = 64 << 20;
const LARGEST: u64 = 1 << 30;

/// Reads the polygons of a feature collection, a feature or a geometry. Coordinates are longitude and latitude (WGS 84),
/// unless a member `crs` says otherwise.
pub(super) fn read(path: &Path) -> Result<Layer> {
    let bytes = read_bytes(path)?;
    if bytes.len() > LONGEST {
        let problem = format!("more than {LONGEST} bytes of GeoJSON");
        return Err(Error::file(path, problem, "convert it: ogr2ogr NEW.gpkg OLD.geojson"));
    }
    if weight(&bytes) > LARGEST {
        let problem = "too many lists and members to be read at once";
        return Err(Error::file(path, problem, "convert it: ogr2ogr NEW.gpkg OLD.geojson"));
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let json: Json = serde_json::from_slice(text).map_err(|error| {
        let problem = format!("it is not JSON ({})", on_one_line(&error.to_string()));
        Error::file(path, problem, "save it again with the program that made it")
    })?;
    let kind = kind_of(&json);
    let features = match (kind, json.get("features").and_then(Json::as_array)) {
        ("FeatureCollection", Some(features)) => features.as_slice(),
        ("Topology" | "FeatureCollection" | "", _) => {
            let problem = format!("its type is '{kind}', without features");
            return Err(Error::file(path, problem, "give a GeoJSON FeatureCollection of polygons"));
        }
        _ => std::slice::from_ref(&json),
    };
    let (mut fields, mut shapes, mut records) = (Fields::default(), Vec::new(), Vec::new());
    let mut strays = Vec::new();
    for (number, feature) in (1..).zip(features) {
        let mut record = Record::default();
        for (field, value) in feature.get("properties").and_then(Json::as_object).into_iter().flatten() {
            record.push(fields.place(field), attribute(value));
        }
        records.push(record);
        let geometry = if kind_of(feature) == "Feature" { feature.get("geometry") } else { Some(feature) };
        let (mut rings, mut stray) = (Vec::new(), None);
        if let Some(geometry) = geometry.filter(|geometry| !geometry.is_null()) {
            polygons(geometry, &mut rings, &mut stray).map_err(|(problem, advice)| {
                Error::input(format!("{}, polygon {number}", path.display()), problem, advice)
            })?;
        }
        shapes.push(rings);
        strays.extend(stray.map(|kind| (number, kind)));
    }
    let crs = crs(path, &json, &shapes);
    Layer { fields: fields.into_names(), records, shapes, crs, strays, is_kml: false }.of_polygons(path)
}

/// Bytes that the values of a JSON take in memory, or more: a list, an object, a member and a value of `serde_json`, as measured.
/// `{"":0},` grows a hundredfold, coordinates tenfold.
fn weight(text: &[u8]) -> u64 {
    let (mut weight, mut quoted, mut escaped) = (0, false, false);
    for byte in text {
        match (quoted, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => quoted = !quoted,
            (false, b'{') => weight += 640,
            (false, b'[' | b':') => weight += 160,
            (false, b',') => weight += 48,
            _ => {}
        }
    }
    weight
}

fn kind_of(json: &Json) -> &str {
    json.get("type").and_then(Json::as_str).unwrap_or_default()
}

fn attribute(value: &Json) -> Value {
    match value {
        Json::Number(number) => number.as_f64().map_or(Value::Empty, Value::Number),
        Json::String(text) => Value::text(text),
        Json::Bool(yes) => Value::Text(yes.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => Value::Empty,
    }
}

/// The system that the member `crs` names, else WGS 84; x is east in either.
fn crs(path: &Path, json: &Json, shapes: &[Vec<Ring>]) -> Result<Crs> {
    let advice = "name its coordinate system: --label-crs EPSG:n";
    let said = json.get("crs").filter(|crs| !crs.is_null());
    let Some(said) = said else {
        let beyond = shapes.iter().flatten().flatten().find(|(x, y)| x.abs() > 360.0 || y.abs() > 90.0);
        if let Some((x, y)) = beyond {
            let problem = format!("({x}, {y}) is not in degrees, and no member 'crs' names another system");
            return Err(Error::file(path, problem, advice));
        }
        return Crs::from_epsg(4326);
    };
    let name = said.pointer("/properties/name").and_then(Json::as_str).unwrap_or_default();
    if name.ends_with("CRS84") {
        return Crs::from_epsg(4326);
    }
    let code = name.to_ascii_uppercase().contains("EPSG").then(|| name.rsplit([':', '/']).next()).flatten();
    if let Some(code) = code.and_then(|code| code.parse().ok()) {
        return Crs::from_epsg(code).map_err(|error| error.within(path));
    }
    Err(Error::file(path, format!("the coordinate system '{name}' is not recognised"), advice))
}

type Refusal = (String, &'static str);

/// Adds the rings of a geometry: of a polygon, of several, or of a collection of these; points and lines are told in `stray`.
fn polygons(
    geometry: &Json,
    rings: &mut Vec<Ring>,
    stray: &mut Option<&'static str>,
) -> std::result::Result<(), Refusal> {
    let list = |name: &str| -> std::result::Result<&Vec<Json>, Refusal> {
        let list = geometry.get(name).and_then(Json::as_array);
        list.ok_or_else(|| (format!("its geometry has no list '{name}'"), "draw the polygon again"))
    };
    match kind_of(geometry) {
        "Polygon" => rings_of(list("coordinates")?, rings),
        "MultiPolygon" => list("coordinates")?
            .iter()
            .try_for_each(|polygon| rings_of(polygon.as_array().map_or(&[][..], Vec::as_slice), rings)),
        "GeometryCollection" => {
            list("geometries")?.iter().try_for_each(|geometry| polygons(geometry, rings, stray))
        }
        "Point" | "MultiPoint" => {
            stray.get_or_insert("points");
            Ok(())
        }
        "LineString" | "MultiLineString" => {
            stray.get_or_insert("lines");
            Ok(())
        }
        kind => Err((format!("its geometry is of type '{kind}'"), "give polygons")),
    }
}

fn rings_of(coordinates: &[Json], rings: &mut Vec<Ring>) -> std::result::Result<(), Refusal> {
    let place = |vertex: &Json| Some((vertex.get(0)?.as_f64()?, vertex.get(1)?.as_f64()?));
    for ring in coordinates {
        let ring = ring.as_array().and_then(|ring| ring.iter().map(place).collect());
        rings.push(ring.ok_or(("a vertex is not [x, y]".to_owned(), "draw the polygon again"))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Layer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.geojson");
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    const SQUARE: &str = r#"{"type":"Polygon","coordinates":[[[0,0],[2,0,7.5],[2,2],[0,2],[0,0]],[[1,1],[1,1.5],[1.5,1],[1,1]]]}"#;

    #[test]
    fn features_of_every_shape_are_read_with_their_attributes() {
        let many = SQUARE
            .replace("\"Polygon\",\"coordinates\":[", "\"MultiPolygon\",\"coordinates\":[[")
            .replace("]]]}", "]]]]}");
        let text = format!(
            r#"{{"type":"FeatureCollection","features":[
            {{"type":"Feature","properties":{{"LCZ":6,"by":" me "}},"geometry":{SQUARE}}},
            {{"type":"Feature","properties":{{"LCZ":"A"}},"geometry":{many}}},
            {{"type":"Feature","properties":null,"geometry":null}},
            {{"type":"Feature","properties":{{"LCZ":null}},"geometry":{{"type":"GeometryCollection","geometries":[{SQUARE},{SQUARE}]}}}}]}}"#
        );
        let layer = read_text(&text).unwrap();
        assert_eq!(layer.fields, ["LCZ", "by"]);
        let [number, code, by] =
            [Value::Number(6.0), Value::Text("A".to_owned()), Value::Text("me".to_owned())];
        assert_eq!([0, 1].map(|place| layer.records[0].get(place)), [&number, &by]);
        assert_eq!([0, 1].map(|place| layer.records[1].get(place)), [&code, &Value::Empty]);
        assert_eq!(layer.shapes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 0, 4]);
        assert_eq!(layer.shapes[0][0][1], (2.0, 0.0));
        assert_eq!(layer.crs.unwrap().epsg(), Some(4326));
        assert_eq!(read_text(SQUARE).unwrap().shapes.len(), 1, "a bare geometry");
    }

    #[test]
    fn points_and_lines_next_to_polygons_are_left_out() {
        let point = r#"{"type":"Point","coordinates":[1,2]}"#;
        let line = r#"{"type":"LineString","coordinates":[[1,2],[3,4]]}"#;
        let collection = format!(r#"{{"type":"GeometryCollection","geometries":[{point},{SQUARE}]}}"#);
        let feature = |geometry: &str| {
            format!(r#"{{"type":"Feature","properties":{{"LCZ":6}},"geometry":{geometry}}}"#)
        };
        let all = [&collection, line, SQUARE].map(feature).join(",");
        let layer = read_text(&format!(r#"{{"type":"FeatureCollection","features":[{all}]}}"#)).unwrap();
        assert_eq!(layer.shapes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 2]);
        assert_eq!(layer.strays, [(1, "points"), (2, "lines")]);
        assert_eq!([1, 2, 3].map(|number| layer.is_stray(number)), [false, true, false]);
    }

    #[test]
    fn another_coordinate_system_is_the_one_that_the_file_names() {
        let with = |name: &str| {
            read_text(&SQUARE.replace(
                "{\"type\"",
                &format!(r#"{{"crs":{{"type":"name","properties":{{"name":"{name}"}}}},"type""#),
            ))
            .unwrap()
            .crs
        };
        assert_eq!(with("urn:ogc:def:crs:EPSG::32625").unwrap().epsg(), Some(32625));
        assert_eq!(with("EPSG:3035").unwrap().epsg(), Some(3035));
        assert_eq!(with("urn:ogc:def:crs:OGC:1.3:CRS84").unwrap().epsg(), Some(4326));
        assert!(with("town grid").unwrap_err().to_string().contains("'town grid' is not recognised"));
        let metres =
            read_text(&SQUARE.replace("2,2", "500000,5300000")).unwrap().crs.unwrap_err().to_string();
        assert!(
            metres.contains("(500000, 5300000) is not in degrees") && metres.contains("--label-crs"),
            "{metres}"
        );
    }

    #[test]
    fn what_is_not_a_polygon_is_refused_in_words() {
        let told = |text: &str| read_text(text).err().unwrap().to_string();
        assert!(told(r#"{"type":"Point","coordinates":[1,2]}"#).contains("polygon 1: it holds points"));
        assert!(told(r#"{"type":"Topology","objects":{}}"#).contains("its type is 'Topology'"));
        assert!(told("{").contains("it is not JSON"));
        assert!(told(&"[".repeat(100_000)).contains("it is not JSON"));
        assert!(told(&SQUARE.replace("2,2", "\"2\",2")).contains("a vertex is not [x, y]"));
    }

    #[test]
    fn fields_of_each_polygon_alone_take_no_table_of_all() {
        // As a table of 20,000 x 20,000 attributes it took ten gigabytes.
        let feature =
            |k: usize| format!(r#"{{"type":"Feature","properties":{{"k{k}":{k}}},"geometry":{SQUARE}}}"#);
        let features: Vec<String> = (0..20_000).map(feature).collect();
        let text = format!(r#"{{"type":"FeatureCollection","features":[{}]}}"#, features.join(","));
        let layer = read_text(&text).unwrap();
        assert_eq!((layer.fields.len(), &*layer.fields[19_999]), (20_000, "k19999"));
        assert_eq!(layer.records[19_999].get(19_999), &Value::Number(19_999.0));
        assert_eq!(layer.records[19_999].get(0), &Value::Empty);
    }

    #[test]
    fn values_that_take_far_more_memory_than_text_are_refused() {
        let objects = |count: usize| {
            format!(r#"{{"type":"FeatureCollection","features":[],"x":[{}0]}}"#, r#"{"":0},"#.repeat(count))
        };
        let told = read_text(&objects(1_300_000)).err().unwrap().to_string();
        assert!(
            told.contains("a.geojson: too many lists and members to be read at once; convert it"),
            "{told}"
        );
        assert!(read_text(&objects(1000)).is_ok());
        // What stands in a text counts for nothing.
        assert_eq!(weight(br#"{"a\"[{":"[,,\\"}"#), 640 + 160);
        let vertices = "[14.123456,52.123456],".repeat(1000);
        assert!(weight(vertices.as_bytes()) < 12 * vertices.len() as u64, "a file of coordinates is read");
    }
}
