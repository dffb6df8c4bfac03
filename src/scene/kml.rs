//! Polygons from a KML or KMZ (OGC 12-007r2), as Google Earth writes them: training areas of the WUDAPT template lie in a
//! folder per class, 1–10 and A–G.

use std::collections::HashMap;
use std::io::{Cursor, Read};
use std::path::Path;

use roxmltree::{Document, Node, NodeId};
use zip::ZipArchive;

use super::layer::{FOLDERS, Fields, Layer, NAME, Record, Ring, Value, not_polygons};
use super::{Crs, xml};
use crate::error::on_one_line;
use crate::files::read_bytes;
use crate::{Error, Result};

/// What folders and placemarks are called that outline the region of interest: no class.
const REGION: [&str; 4] = ["roi", "region of interest", "study area", "aoi"];

/// Bytes of the paths of all folders at most, and of those of all placemarks: one long name may be that of many.
const LONGEST_PATHS: usize = 4 * xml::LONGEST;

/// Reads the polygons of all placemarks, the folders that they lie in, their names and their own data (`ExtendedData`).
pub(super) fn read(path: &Path) -> Result<Layer> {
    let bytes = read_bytes(path)?;
    let text = if bytes.starts_with(b"PK") { unpacked(path, bytes)? } else { bytes };
    let text = String::from_utf8(text)
        .map_err(|_| Error::file(path, "not a text in UTF-8", "save it again with Google Earth or QGIS"))?;
    let document = xml::parse(path, &text)?;
    if !is(document.root_element(), "kml") {
        let problem =
            format!("its outermost element is {}, not kml", document.root_element().tag_name().name());
        return Err(Error::file(path, problem, "give a KML or KMZ of polygons"));
    }
    let (mut fields, mut records, mut shapes) = (Fields::default(), Vec::new(), Vec::new());
    let mut strays = Vec::new();
    let [of_folders, of_name] = [FOLDERS, NAME].map(|name| fields.place(name));
    let too_long = || {
        let problem = "the names of its folders are too long";
        Error::file(path, problem, "name a folder 1-10 or A-G, as its class")
    };
    let paths = folders(&document).ok_or_else(too_long)?;
    let mut left = LONGEST_PATHS;
    // What lies in another placemark is a part of that.
    let within = |node: Node<'_, '_>| node.ancestors().skip(1).any(|above| is(above, "Placemark"));
    let placemarks = document.descendants().filter(|node| is(*node, "Placemark") && !within(*node));
    for (number, placemark) in (1..).zip(placemarks) {
        let folder = above(placemark).and_then(|folder| paths.get(&folder.id()));
        let own = name(placemark);
        if folder.is_some_and(|folder| folder.of_region) || is_region(&own) {
            continue;
        }
        let folders = folder.map_or("", |folder| &folder.path);
        left = left.checked_sub(folders.len()).ok_or_else(too_long)?;
        let mut record = Record::default();
        record.push(of_folders, Value::text(folders));
        record.push(of_name, Value::text(&own));
        for (field, value) in data(placemark) {
            record.push(fields.place(field), value);
        }
        records.push(record);
        let rings = rings(placemark).map_err(|problem| {
            let place = format!("{}, placemark {number} ('{own}')", path.display());
            Error::input(place, problem, "draw the polygon again")
        })?;
        shapes.push(rings);
        let held = [("Point", "points"), ("LineString", "lines")];
        let holds = |tag| placemark.descendants().any(|node| is(node, tag));
        let stray = held.into_iter().find(|(tag, _)| holds(tag));
        strays.extend(stray.map(|(_, kind)| (shapes.len(), kind)));
    }
    if shapes.iter().all(Vec::is_empty) {
        let holds = |tag: &str| document.descendants().any(|node| is(node, tag));
        let advice = "give a KML of training areas: polygons in folders 1-10, A-G";
        let (problem, advice) = if holds("GroundOverlay") || holds("PhotoOverlay") {
            ("it holds only a picture laid over the ground, no polygon".to_owned(), advice)
        } else if holds("NetworkLink") {
            let advice = "open it in Google Earth and save the linked folder as KML";
            ("it only links to another file, and holds no polygon".to_owned(), advice)
        } else if holds("Point") {
            not_polygons("points")
        } else if holds("LineString") {
            not_polygons("lines")
        } else {
            ("no polygon in it".to_owned(), advice)
        };
        return Err(Error::file(path, problem, advice));
    }
    let (fields, crs) = (fields.into_names(), Crs::from_epsg(4326));
    Layer { fields, records, shapes, crs, strays, is_kml: true }.of_polygons(path)
}

/// A folder, or the document.
struct Folder {
    /// The names from the outermost on.
    path: String,
    /// Whether it, or one that it lies in, outlines the region of interest.
    of_region: bool,
}

/// All folders, each looked at once, since any may have many children before its name; none if the paths are too long.
fn folders(document: &Document<'_>) -> Option<HashMap<NodeId, Folder>> {
    let mut found: HashMap<NodeId, Folder> = HashMap::new();
    let mut left = LONGEST_PATHS;
    for node in document.descendants().filter(is_folder) {
        let (outer, own) = (above(node).and_then(|outer| found.get(&outer.id())), name(node));
        let of_region = is_region(&own) || outer.is_some_and(|outer| outer.of_region);
        left = left.checked_sub(outer.map_or(0, |outer| outer.path.len() + 1) + own.len())?;
        let path = outer.map(|outer| format!("{}/{own}", outer.path)).unwrap_or(own);
        found.insert(node.id(), Folder { path, of_region });
    }
    Some(found)
}

fn is_folder(node: &Node<'_, '_>) -> bool {
    is(*node, "Folder") || is(*node, "Document")
}

/// The folder that something lies in.
fn above<'a, 'b>(node: Node<'a, 'b>) -> Option<Node<'a, 'b>> {
    node.ancestors().skip(1).find(is_folder)
}

fn is_region(name: &str) -> bool {
    REGION.iter().any(|region| name.eq_ignore_ascii_case(region))
}

/// The first KML of a KMZ, which is its main one.
fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let advice = "save it again with Google Earth, or unpack it and give the .kml";
    let broken = |problem: String| Error::file(path, format!("it cannot be unpacked ({problem})"), advice);
    let mut archive =
        ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(on_one_line(&error.to_string())))?;
    let is_kml = |k: &usize| {
        let name = archive.name_for_index(*k).and_then(std::result::Result::ok);
        name.is_some_and(|name| name.to_ascii_lowercase().ends_with(".kml"))
    };
    let Some(place) = (0..archive.len()).find(is_kml) else {
        return Err(Error::file(path, "no .kml in it", "give a KML or KMZ of polygons"));
    };
    let mut text = Vec::new();
    let entry = archive.by_index(place).map_err(|error| broken(on_one_line(&error.to_string())))?;
    // Not the declared size: what comes out is what counts.
    entry.take(xml::LONGEST as u64 + 1).read_to_end(&mut text).map_err(|error| broken(error.to_string()))?;
    Ok(text)
}

fn is(node: Node<'_, '_>, tag: &str) -> bool {
    node.is_element() && node.tag_name().name() == tag
}

/// What an element is called.
fn name(node: Node<'_, '_>) -> String {
    let name = node.children().find(|child| is(*child, "name")).map(text);
    name.unwrap_or_default().trim().to_owned()
}

/// All text in an element, also where comments and CDATA divide it.
fn text(node: Node<'_, '_>) -> String {
    node.children().filter_map(|child| child.text().filter(|_| child.is_text())).collect()
}

/// A placemark's own data: `Data` with a value, `SimpleData` of a schema.
fn data<'a>(placemark: Node<'a, '_>) -> Vec<(&'a str, Value)> {
    let of = |node: Node<'a, '_>| {
        let field = node.attribute("name")?;
        if is(node, "SimpleData") {
            return Some((field, Value::text(&text(node))));
        }
        let value = node.children().find(|child| is(*child, "value")).filter(|_| is(node, "Data"))?;
        Some((field, Value::text(&text(value))))
    };
    let extended = placemark.children().filter(|child| is(*child, "ExtendedData"));
    extended.flat_map(|extended| extended.descendants()).filter_map(of).collect()
}

/// The rings of all polygons in a placemark, also of a MultiGeometry.
fn rings(placemark: Node<'_, '_>) -> std::result::Result<Vec<Ring>, String> {
    let coordinates = |node: &Node<'_, '_>| {
        is(*node, "coordinates") && node.ancestors().skip(1).take(3).any(|above| is(above, "Polygon"))
    };
    placemark.descendants().filter(coordinates).map(|node| ring(&text(node))).collect()
}

/// `longitude,latitude[,height]`, tuples apart by white space.
fn ring(text: &str) -> std::result::Result<Ring, String> {
    let place = |tuple: &str| {
        let odd = || format!("'{}' is not longitude,latitude", crate::display::printable(tuple, 60));
        let mut numbers = tuple.split(',').map(str::parse::<f64>);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(x)), Some(Ok(y))) if x.abs() <= 360.0 && y.abs() <= 90.0 => Ok((x, y)),
            _ => Err(odd()),
        }
    };
    text.split_whitespace().map(place).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn kml(body: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><kml xmlns=\"http://www.opengis.net/kml/2.2\">\
             <Document><name>areas</name>{body}</Document></kml>"
        )
    }

    fn triangle(x: f64) -> String {
        let ring = |side: &str, x: f64| {
            format!(
                "<{side}><LinearRing><coordinates>{x},1,5 {},1,5\n\t{x},2,5 {x},1,5 </coordinates></LinearRing></{side}>",
                x + 1.0
            )
        };
        format!("<Polygon>{}{}</Polygon>", ring("outerBoundaryIs", x), ring("innerBoundaryIs", x + 0.25))
    }

    fn read_text(text: &[u8], name: &str) -> Result<Layer> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read(&path)
    }

    fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, text) in files {
            let options = zip::write::SimpleFileOptions::default();
            archive.start_file(*name, options.compression_method(zip::CompressionMethod::Deflated)).unwrap();
            archive.write_all(text.as_bytes()).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn folders_names_holes_heights_and_several_polygons_of_a_placemark_are_read() {
        let body = format!(
            "<Folder><name>ROI</name><Placemark>{0}</Placemark></Folder>\
             <Placemark><name>roi</name>{0}</Placemark>\
             <Folder><name> 6 </name><Placemark><name><![CDATA[first & one]]></name>{0}</Placemark>\
             <Placemark><MultiGeometry>{0}{1}</MultiGeometry><ExtendedData><Data name=\"source\"><value>field</value>\
             </Data></ExtendedData></Placemark></Folder><Folder><name>2</name></Folder>",
            triangle(3.0),
            triangle(7.0)
        );
        for (text, name) in [
            (kml(&body).into_bytes(), "a.kml"),
            (zipped(&[("files/icon.png", "-"), ("doc.kml", &kml(&body))]), "a.kmz"),
        ] {
            let layer = read_text(&text, name).unwrap();
            assert_eq!(layer.fields, ["FolderPath", "Name", "source"]);
            let said = |text: &str| Value::Text(text.to_owned());
            let records = [0, 1].map(|k| [0, 1, 2].map(|place| layer.records[k].get(place).clone()));
            assert_eq!(records[0], [said("areas/6"), said("first & one"), Value::Empty]);
            assert_eq!(records[1], [said("areas/6"), Value::Empty, said("field")]);
            assert_eq!(layer.shapes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 4]);
            assert_eq!(layer.shapes[1][2], [(7.0, 1.0), (8.0, 1.0), (7.0, 2.0), (7.0, 1.0)]);
        }
    }

    #[test]
    fn fields_of_each_placemark_alone_take_no_table_of_all() {
        // As a table of 20,000 x 20,000 attributes it took ten gigabytes.
        let placemark = |k: usize| {
            format!(
                "<Placemark>{}<ExtendedData><Data name='k{k}'><value>{k}</value></Data></ExtendedData></Placemark>",
                triangle(3.0)
            )
        };
        let layer =
            read_text(kml(&(0..20_000).map(placemark).collect::<String>()).as_bytes(), "a.kml").unwrap();
        assert_eq!((layer.fields.len(), &*layer.fields[20_001]), (20_002, "k19999"));
        assert_eq!(layer.records[19_999].get(20_001), &Value::Text("19999".to_owned()));
    }

    #[test]
    fn long_names_and_placemarks_in_each_other_take_no_more_memory_than_a_file_may() {
        let mark = format!("<Placemark>{}</Placemark>", triangle(3.0));
        let named = |letters: usize, count: usize| {
            kml(&format!("<Folder><name>{}</name>{}</Folder>", "x".repeat(letters), mark.repeat(count)))
        };
        let message = read_text(named(1 << 20, 300).as_bytes(), "a.kml").err().unwrap().to_string();
        assert!(message.contains("a.kml: the names of its folders are too long"), "{message}");
        assert!(read_text(named(1 << 20, 3).as_bytes(), "a.kml").is_ok());
        let inner =
            kml(&format!("{}{}{}", "<Placemark>".repeat(90), triangle(3.0), "</Placemark>".repeat(90)));
        assert_eq!(read_text(inner.as_bytes(), "a.kml").unwrap().shapes.len(), 1);
    }

    #[test]
    fn a_folder_without_a_name_is_not_searched_for_one_by_each_of_its_placemarks() {
        // With a search for each, 200,000 took minutes.
        let marks = format!("<Placemark>{}</Placemark>{}", triangle(3.0), "<Placemark/>".repeat(200_000));
        let layer = read_text(kml(&format!("<Folder>{marks}<name>6</name></Folder>")).as_bytes(), "a.kml");
        let layer = layer.unwrap();
        assert_eq!(layer.records.len(), 200_001);
        assert_eq!(layer.records[200_000].get(0), &Value::Text("areas/6".to_owned()));
    }

    #[test]
    fn a_file_without_polygons_is_described_by_what_it_holds_instead() {
        let told = |text: &[u8], name: &str| read_text(text, name).err().unwrap().to_string();
        let picture = kml("<GroundOverlay><name>map</name><Icon><href>map.png</href></Icon></GroundOverlay>");
        let told_of_picture = told(&zipped(&[("doc.kml", &picture), ("map.png", "-")]), "map.kmz");
        assert!(
            told_of_picture.contains("map.kmz: it holds only a picture laid over the ground"),
            "{told_of_picture}"
        );
        let body = |body: &str| told(kml(body).as_bytes(), "a.kml");
        assert!(
            body("<Placemark><Point><coordinates>1,2</coordinates></Point></Placemark>")
                .contains("holds points")
        );
        assert!(body("<NetworkLink/>").contains("only links to another file"));
        assert!(body("").contains("no polygon in it"));
        assert!(
            body(&format!("<Placemark>{}</Placemark>", triangle(3.0).replace("3,2,5", "3;2")))
                .contains("placemark 1 (''): '3;2' is not longitude,latitude")
        );
        assert!(told(b"PK\x03\x04 no archive", "a.kmz").contains("cannot be unpacked"));
        assert!(told(&zipped(&[("a.txt", "-")]), "a.kmz").contains("no .kml in it"));
        assert!(told(b"<html></html>", "a.kml").contains("its outermost element is html, not kml"));
    }
}
