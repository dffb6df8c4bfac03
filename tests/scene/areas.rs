//! The same areas as KML, GeoJSON and GeoPackage: the same pixels, also where points lie next to the polygons.

use std::fs;
use std::path::{Path, PathBuf};

use lcz::progress::Silent;
use lcz::scene::{Crs, GeoTiffWriter, Grid, LabelRaster, Labelling, Scene, Transform};
use roxmltree::{Document, Node};
use rusqlite::Connection;
use tempfile::TempDir;

use super::real_data;

/// A polygon: outline and holes, with the folder or class that it lies in.
struct Area {
    class: String,
    rings: Vec<Vec<[f64; 2]>>,
}

/// A scene of one band in pixels of 100 m.
fn scene(folder: &Path, crs: u16, [left, top]: [f64; 2], size: usize) -> [Scene; 1] {
    let transform = Some(Transform([left, 100.0, 0.0, top, 0.0, -100.0]));
    let grid = Grid { rows: size, columns: size, transform, crs: Crs::from_epsg(crs).unwrap() };
    let path = folder.join("B2.tif");
    let mut writer = GeoTiffWriter::create(&path, &grid).unwrap();
    (0..size).for_each(|_| writer.append(&vec![1_u8; size]).unwrap());
    writer.finish().unwrap();
    [Scene::open([path]).unwrap()]
}

/// The polygons of a KML with the folders around them, but for the region of interest.
fn areas(text: &str) -> Vec<Area> {
    let document = Document::parse(text).unwrap();
    let named = |node: Node<'_, '_>, tag: &str| node.tag_name().name() == tag;
    let name = |node: Node<'_, '_>| {
        let name = node.children().find(|child| named(*child, "name"));
        name.and_then(|name| name.text()).unwrap_or_default().trim().to_owned()
    };
    let ring = |boundary: Node<'_, '_>| -> Vec<[f64; 2]> {
        let text = boundary.descendants().find(|node| named(*node, "coordinates")).unwrap().text().unwrap();
        let vertex = |tuple: &str| {
            let mut numbers = tuple.split(',').map(|number| number.parse().unwrap());
            [numbers.next().unwrap(), numbers.next().unwrap()]
        };
        text.split_whitespace().map(vertex).collect()
    };
    let mut areas = Vec::new();
    for polygon in document.descendants().filter(|node| named(*node, "Polygon")) {
        let above: Vec<String> = polygon
            .ancestors()
            .filter(|n| ["Placemark", "Folder"].iter().any(|tag| named(*n, tag)))
            .map(name)
            .collect();
        if above.iter().any(|name| name == "ROI") {
            continue;
        }
        let boundaries = polygon.children().filter(|node| node.tag_name().name().ends_with("BoundaryIs"));
        let class = above.iter().skip(1).chain(&above).find(|name| lcz::Classes::lcz().find(name).is_some());
        areas.push(Area { class: class.unwrap().clone(), rings: boundaries.map(ring).collect() });
    }
    areas
}

/// A GeoJSON; each polygon in a collection with a point, if `points`.
fn geojson(path: &Path, areas: &[Area], points: bool) {
    let feature = |area: &Area| {
        let polygon = serde_json::json!({ "type": "Polygon", "coordinates": area.rings });
        let point = serde_json::json!({ "type": "Point", "coordinates": area.rings[0][0] });
        let both = serde_json::json!({ "type": "GeometryCollection", "geometries": [point, polygon] });
        let geometry = if points { both } else { polygon };
        serde_json::json!({ "type": "Feature", "properties": { "lcz": area.class }, "geometry": geometry })
    };
    let features: Vec<_> = areas.iter().map(feature).collect();
    let collection = serde_json::json!({ "type": "FeatureCollection", "features": features });
    fs::write(path, collection.to_string()).unwrap();
}

/// A GeoPackage; each polygon in a collection with a point, if `points`.
fn geopackage(path: &Path, areas: &[Area], points: bool) {
    let connection = Connection::open(path).unwrap();
    let tables = "CREATE TABLE gpkg_spatial_ref_sys(srs_id INTEGER PRIMARY KEY, organization TEXT,
          organization_coordsys_id INTEGER, definition TEXT);
        INSERT INTO gpkg_spatial_ref_sys VALUES(4326, 'EPSG', 4326, '');
        CREATE TABLE gpkg_contents(table_name TEXT PRIMARY KEY, data_type TEXT);
        INSERT INTO gpkg_contents VALUES('areas', 'features');
        CREATE TABLE gpkg_geometry_columns(table_name TEXT, column_name TEXT, srs_id INTEGER);
        INSERT INTO gpkg_geometry_columns VALUES('areas', 'geom', 4326);
        CREATE TABLE areas(fid INTEGER PRIMARY KEY, geom BLOB, lcz TEXT);";
    connection.execute_batch(tables).unwrap();
    for area in areas {
        let head =
            |kind: u32, count: usize| [&[1][..], &kind.to_le_bytes(), &(count as u32).to_le_bytes()].concat();
        let vertex = |[x, y]: &[f64; 2]| [x.to_le_bytes(), y.to_le_bytes()].concat();
        let ring = |ring: &Vec<[f64; 2]>| {
            [(ring.len() as u32).to_le_bytes().to_vec(), ring.iter().flat_map(vertex).collect()].concat()
        };
        let polygon = [head(3, area.rings.len()), area.rings.iter().flat_map(ring).collect()].concat();
        let point = [&[1, 1, 0, 0, 0][..], &vertex(&area.rings[0][0])].concat();
        let geometry = if points { [head(7, 2), polygon, point].concat() } else { polygon };
        let blob = [&[b'G', b'P', 0, 1, 0xE6, 0x10, 0, 0][..], &geometry].concat();
        connection.execute("INSERT INTO areas(geom, lcz) VALUES(?1, ?2)", (blob, &area.class)).unwrap();
    }
    connection.close().unwrap();
}

/// A KML of folders; each polygon with a point, if `points`.
fn kml(path: &Path, areas: &[Area], points: bool) {
    let placemark = |area: &Area| {
        let vertex = |[x, y]: &[f64; 2]| format!("{x},{y},0 ");
        let ring = |k: usize, ring: &Vec<[f64; 2]>| {
            let side = if k == 0 { "outerBoundaryIs" } else { "innerBoundaryIs" };
            let vertices: String = ring.iter().map(vertex).collect();
            format!("<{side}><LinearRing><coordinates>{vertices}</coordinates></LinearRing></{side}>")
        };
        let rings: String = area.rings.iter().enumerate().map(|(k, one)| ring(k, one)).collect();
        let point = format!("<Point><coordinates>{}</coordinates></Point>", vertex(&area.rings[0][0]));
        let point = if points { &point } else { "" };
        format!(
            "<Folder><name>{}</name><Placemark><name>area</name><MultiGeometry>{point}<Polygon>{rings}</Polygon></MultiGeometry>\
             </Placemark></Folder>",
            area.class
        )
    };
    let folders: String = areas.iter().map(placemark).collect();
    fs::write(
        path,
        format!("<kml xmlns=\"http://www.opengis.net/kml/2.2\"><Document>{folders}</Document></kml>"),
    )
    .unwrap();
}

fn open(path: &Path, scene: &[Scene; 1]) -> LabelRaster {
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    labelling.open(path, scene, &mut Silent).unwrap()
}

/// Every kind of file of these areas, with and without points, has the labelled pixels of `wanted`.
fn all_kinds(folder: &TempDir, areas: &[Area], scene: &[Scene; 1], wanted: &LabelRaster) {
    type Writer = fn(&Path, &[Area], bool);
    let kinds: [(&str, Writer); 3] = [("geojson", geojson), ("gpkg", geopackage), ("kml", kml)];
    for (ending, write) in kinds {
        for points in [false, true] {
            let path: PathBuf = folder.path().join(format!("areas-{points}.{ending}"));
            write(&path, areas, points);
            let labels = open(&path, scene);
            assert_eq!(labels.sites(), wanted.sites(), "{}", path.display());
            let report = labels.report().polygons.clone().unwrap();
            assert_eq!((report.labelled, report.unlabelled), (areas.len(), 0), "{}", path.display());
        }
    }
}

#[test]
fn areas_are_the_same_pixels_in_every_kind_of_file_with_and_without_points() {
    let folder = TempDir::new().unwrap();
    let scene = scene(folder.path(), 32633, [500_000.0, 5_322_000.0], 60);
    let square =
        |x: f64, y: f64, side: f64| vec![[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]];
    let areas = [
        Area {
            class: "6".to_owned(),
            rings: vec![square(15.01, 48.01, 0.02), square(15.015, 48.015, 0.005)],
        },
        Area { class: "LCZ D".to_owned(), rings: vec![square(15.04, 48.0, 0.02)] },
    ];
    let path = folder.path().join("wanted.geojson");
    geojson(&path, &areas, false);
    let wanted = open(&path, &scene);
    // 1.49 x 2.22 km less 0.37 x 0.56 km, in hectares.
    let first = wanted.sites().iter().filter(|site| site.class == 5).count();
    assert!((300..=322).contains(&first), "{first}");
    all_kinds(&folder, &areas, &scene, &wanted);

    // Points alone are refused, as are points where polygons are elsewhere in the file: those are left out.
    let point =
        r#"{"type":"Feature","properties":{"lcz":6},"geometry":{"type":"Point","coordinates":[15.0,48.0]}}"#;
    let path = folder.path().join("points.geojson");
    fs::write(&path, point).unwrap();
    let refused = Labelling { reproject: true, ..Labelling::default() }.open(&path, &scene, &mut Silent);
    assert!(
        refused.unwrap_err().to_string().contains("polygon 1: it holds points, not polygons; draw areas")
    );
}

#[test]
fn melbournes_training_areas_are_the_same_pixels_in_every_kind_of_file() {
    let Some(data) = real_data() else { return };
    let folder = TempDir::new().unwrap();
    let scene = scene(folder.path(), 32755, [225_000.0, 5_900_000.0], 1700);
    let path = data.join("melbourne/melbourne_2019.kml");
    let areas = areas(&fs::read_to_string(&path).unwrap());
    assert_eq!(areas.len(), 101);
    all_kinds(&folder, &areas, &scene, &open(&path, &scene));
}
