//! Polygons from a KML or KMZ (OGC 12-007r2), as Google Earth writes them: training areas of the WUDAPT template lie in a
//! folder per class, 1–10 and A–G.

use std::io::{Cursor, Read};
use std::path::Path;

use roxmltree::Node;
use zip::ZipArchive;

use super::crs::Crs;
use super::layer::{FOLDERS, Layer, NAME, Ring, Value, not_polygons};
use super::xml;
use crate::error::on_one_line;
use crate::files::read_bytes;
use crate::{Error, Result};

/// What folders and placemarks are called that outline the region of interest: no class.
const REGION: [&str; 4] = ["roi", "region of interest", "study area", "aoi"];

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
    let crs = Crs::from_epsg(4326);
    let mut layer = Layer {
        fields: vec![FOLDERS.into(), NAME.into()],
        records: vec![],
        shapes: vec![],
        crs,
        strays: vec![],
        is_kml: true,
    };
    let placemarks = document.descendants().filter(|node| is(*node, "Placemark"));
    for (number, placemark) in (1..).zip(placemarks) {
        let folders: Vec<String> =
            placemark.ancestors().filter(|n| is(*n, "Folder") || is(*n, "Document")).map(name).collect();
        let own = name(placemark);
        if folders.iter().chain([&own]).any(|name| REGION.contains(&&*name.to_lowercase())) {
            continue;
        }
        let folders = folders.into_iter().rev().collect::<Vec<_>>().join("/");
        let mut record = vec![Value::text(&folders), Value::text(&own)];
        for (field, value) in data(placemark) {
            let place = layer.fields.iter().position(|known| *known == field).unwrap_or_else(|| {
                layer.fields.push(field);
                layer.fields.len() - 1
            });
            record.resize(record.len().max(place + 1), Value::Empty);
            record[place] = value;
        }
        layer.records.push(record);
        let rings = rings(placemark).map_err(|problem| {
            let place = format!("{}, placemark {number} ('{own}')", path.display());
            Error::input(place, problem, "draw the polygon again")
        })?;
        layer.shapes.push(rings);
        let held = [("Point", "points"), ("LineString", "lines")];
        let holds = |tag| placemark.descendants().any(|node| is(node, tag));
        let stray = held.into_iter().find(|(tag, _)| holds(tag));
        layer.strays.extend(stray.map(|(_, kind)| (layer.shapes.len(), kind)));
    }
    let width = layer.fields.len();
    layer.records.iter_mut().for_each(|record| record.resize(width, Value::Empty));
    if layer.shapes.iter().all(Vec::is_empty) {
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
    layer.of_polygons(path)
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
fn data(placemark: Node<'_, '_>) -> Vec<(String, Value)> {
    let of = |node: Node<'_, '_>| {
        let field = node.attribute("name")?.to_owned();
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
            assert_eq!(layer.records[0], [said("areas/6"), said("first & one"), Value::Empty]);
            assert_eq!(layer.records[1], [said("areas/6"), Value::Empty, said("field")]);
            assert_eq!(layer.shapes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 4]);
            assert_eq!(layer.shapes[1][2], [(7.0, 1.0), (8.0, 1.0), (7.0, 2.0), (7.0, 1.0)]);
        }
    }

    #[test]
    fn a_file_without_polygons_says_what_it_holds_instead() {
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
