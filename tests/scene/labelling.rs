//! Labels from polygons and from other coordinate systems, against rasterio and pyproj.

use std::fs;

use lcz::data::so2sat::So2Sat;
use lcz::progress::Silent;
use lcz::scene::{Crs, CutInto, Cutting, Distance, GeoTiff, LabelRaster, Labelling, Part, Scene, Shares};
use serde_json::Value;
use tempfile::TempDir;

use super::{PLAIN, Raster, blocks, hong_kong, known, real_data, vectors, write};

/// The scene that the small shapefiles and label rasters are about: 21 × 37 pixels in EPSG:32633.
fn scene() -> [Scene; 1] {
    [Scene::open([vectors().join("rasters/u8_strips.tif")]).unwrap()]
}

/// The numbers of the classes, 0 for none.
fn numbers(labels: &LabelRaster) -> Value {
    let grid = labels.grid();
    let mut rows = vec![vec![0; grid.columns]; grid.rows];
    for site in labels.sites() {
        rows[site.row][site.column] = site.class + 1;
    }
    serde_json::json!(rows)
}

fn open(labelling: &Labelling, name: &str) -> lcz::Result<LabelRaster> {
    labelling.open(vectors().join("rasters").join(name), &scene(), &mut Silent)
}

#[test]
fn hong_kong_from_polygons_is_hong_kong_from_the_raster() {
    let Some(data) = real_data() else { return };
    let (dates, raster) = hong_kong(&data);
    let path = data.join("hongkong/polygons/singleparts.shp");
    let polygons = Labelling::default().open(&path, &dates, &mut Silent).unwrap();
    // Same pixels, same classes, and, as both are split by connected regions, the same regions.
    assert_eq!(polygons.sites(), raster.sites());
    assert_eq!(polygons.grid(), raster.grid());
    let report = polygons.report().polygons.clone().unwrap();
    assert_eq!((report.label_field.as_str(), report.labelled, report.unlabelled), ("VALUE", 173, 6));
    assert_eq!((report.outside, report.between_centres, report.disputed_pixels), (0, 0, 0));

    // The polygons' own numbers as groups: as many labelled pixels, and no polygon in two parts.
    let labelling = Labelling { group_field: Some("POLYGON_ID".to_owned()), ..Labelling::default() };
    let grouped = labelling.open(&path, &dates, &mut Silent).unwrap();
    let without_region = |labels: &LabelRaster| -> Vec<_> {
        labels.sites().iter().map(|site| (site.row, site.column, site.class)).collect()
    };
    assert_eq!(without_region(&grouped), without_region(&raster));
    let known = known();
    let pixels = known["polygon_pixels"].as_object().unwrap();
    assert_eq!(pixels.len(), 173);
    for (id, count) in pixels {
        let of = grouped.sites().iter().filter(|site| grouped.group(site).to_string() == *id).count();
        assert_eq!(Some(of as u64), count.as_u64(), "polygon {id}");
    }
}

#[test]
fn polygons_are_rasterised_as_rasterio_rasterises_them() {
    let labels = open(&Labelling::default(), "polygons.shp").unwrap();
    assert_eq!(numbers(&labels), known()["rasterised"]);
    let report = labels.report().clone();
    assert_eq!((report.crs.as_str(), report.reprojected), ("EPSG:32633", false));
    let polygons = report.polygons.unwrap();
    assert_eq!((polygons.label_field.as_str(), polygons.labelled, polygons.unlabelled), ("LCZ", 6, 1));
    assert_eq!((polygons.outside, polygons.between_centres), (1, 1));
    assert_eq!(Some(polygons.disputed_pixels as u64), known()["disputed"].as_u64());
    assert!(polygons.disputed_pixels > 0);
}

#[test]
fn polygons_in_degrees_cover_the_same_pixels() {
    let refused = open(&Labelling::default(), "polygons_4326.shp").unwrap_err().to_string();
    assert!(refused.contains("polygons_4326.shp: in EPSG:4326, but "), "{refused}");
    assert!(refused.contains("u8_strips.tif is in EPSG:32633; reproject the polygons"), "{refused}");
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    let labels = open(&labelling, "polygons_4326.shp").unwrap();
    assert_eq!(numbers(&labels), known()["rasterised"]);
    assert!(labels.report().reprojected);
}

#[test]
fn groups_are_named_by_a_field_and_stay_whole() {
    let labelling = Labelling { group_field: Some("city".to_owned()), ..Labelling::default() };
    let labels = open(&labelling, "polygons.shp").unwrap();
    assert_eq!(numbers(&labels), known()["rasterised"]);
    assert_eq!(labels.report().polygons.as_ref().unwrap().group_names, ["Graz", "Wien"]);
    // Polygon k is in Graz if k is odd: 1, 3 (classes 3, 17) and 7 (class 8); 2 (class 11) is in Wien.
    for site in labels.sites() {
        assert_eq!(labels.group(site), if site.class + 1 == 11 { 2 } else { 1 }, "{site:?}");
    }

    let folder = TempDir::new().unwrap();
    let shares = Shares::new(50.0, 0.0, 50.0).unwrap();
    let cutting = Cutting { patch_size: 1, shares, ..Cutting::default() };
    let named = Labelling { group_field: Some("Name".to_owned()), ..Labelling::default() };
    let labels = open(&named, "polygons.shp").unwrap();
    let dates = scene();
    let plan = cutting.plan(&dates, &labels, &mut Silent);
    // Each class has one polygon, and one region of a class is for training only.
    assert!(plan.is_err_and(|error| error.to_string().contains("no testing patch is left")));
    let all = Cutting { shares: Shares::new(100.0, 0.0, 0.0).unwrap(), ..cutting };
    let _writing = super::writing();
    all.cut(&dates, &labels, folder.path().join("out"), &mut Silent).unwrap();
    let patches = So2Sat::open(folder.path().join("out/training.h5")).unwrap().patches().unwrap();
    let (classes, groups) = (patches.labels().unwrap(), patches.groups().unwrap());
    for (class, group) in classes.indices().iter().zip(groups) {
        // `polygon 1`, `polygon 2`, … in the order of their names; number 6 has no class.
        assert_eq!([3, 11, 17, 5, 6, 8][group as usize - 1], class + 1);
    }
}

#[test]
fn labels_on_other_systems_are_reprojected_to_the_nearest_pixel() {
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    let known = known();
    let warped = known["warped"].as_object().unwrap();
    assert_eq!(warped.len(), 4);
    for (code, wanted) in warped {
        let name = format!("labels_{code}.tif");
        let labels = open(&labelling, &name).unwrap();
        assert_eq!(numbers(&labels), *wanted, "EPSG:{code}");
        let report = labels.report();
        assert_eq!((report.crs.as_str(), report.reprojected), (&*format!("EPSG:{code}"), true));

        // Without the wish, the labels stay where they are, and cannot be cut.
        let labels = open(&Labelling::default(), &name).unwrap();
        let cutting = Cutting { patch_size: 1, ..Cutting::default() };
        let Err(error) = cutting.plan(&scene(), &labels, &mut Silent).map(|_| ()) else { panic!("{code}") };
        let difference = match code.as_str() {
            "32633" => "upper left corner at ".to_owned(),
            code => format!("EPSG:{code}, not EPSG:32633"),
        };
        let wanted = format!("{name}: not on the grid of ");
        let message = error.to_string();
        // The finer of the two grids is the one that the other is compared with.
        let other = message.contains("u8_strips.tif: not on the grid of ") && message.contains("EPSG:32633");
        assert!((message.contains(&wanted) && message.contains(&difference)) || other, "{message}");
        assert!(message.contains("--reproject"), "{message}");
    }
}

#[test]
fn the_labels_own_coordinates_can_be_corrected() {
    // Labels in degrees that are said to be metres lie nowhere near the scene.
    let wrong = Crs::from_epsg(32633).unwrap();
    let labelling = Labelling { reproject: true, crs: Some(wrong), ..Labelling::default() };
    let message = open(&labelling, "labels_4326.tif").unwrap_err().to_string();
    assert!(message.contains("labels_4326.tif: no labelled pixel lies within "), "{message}");
    let message = open(&labelling, "polygons_4326.shp").unwrap_err().to_string();
    assert!(message.contains("polygons_4326.shp: no polygon covers the centre of a pixel of "), "{message}");

    // A shapefile without .prj needs to be told.
    let folder = TempDir::new().unwrap();
    for ending in ["shp", "shx", "dbf"] {
        let name = format!("polygons_4326.{ending}");
        fs::copy(vectors().join("rasters").join(&name), folder.path().join(&name)).unwrap();
    }
    let path = folder.path().join("polygons_4326.shp");
    let message = Labelling::default().open(&path, &scene(), &mut Silent).unwrap_err().to_string();
    assert!(message.ends_with(
        "no .prj file gives the coordinate system; name its coordinate system: --label-crs EPSG:n"
    ));
    let crs = Some("EPSG:4326".parse().unwrap());
    let told = Labelling { reproject: true, crs, ..Labelling::default() };
    let labels = told.open(&path, &scene(), &mut Silent).unwrap();
    assert_eq!(numbers(&labels), known()["rasterised"]);
}

#[test]
fn a_buffer_keeps_windows_of_different_parts_apart() {
    let folder = TempDir::new().unwrap();
    let large = Raster { columns: 150, rows: 140, values: &|_, _| 1.0, ..PLAIN };
    let dates = [Scene::open([write(&folder, "B2.tif", &large)]).unwrap()];
    let labels = write(&folder, "labels.tif", &Raster { values: &blocks, ..large });
    let labels = LabelRaster::open(labels, &lcz::Classes::lcz()).unwrap();
    // Pixels of 10 m: 95 m are ten pixels.
    for (buffer, pixels) in [(Distance::default(), 0), (Distance::Pixels(3), 3), (Distance::Metres(95.0), 10)]
    {
        let cutting = Cutting { patch_size: 4, into: CutInto::Windows { buffer }, ..Cutting::default() };
        let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
        assert_eq!(plan.report().buffer, pixels);
        let corners = Part::ALL.map(|part| plan.corners(0, part));
        let mut nearest = usize::MAX;
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            for [one, other] in
                corners[a].iter().flat_map(|one| corners[b].iter().map(move |other| [one, other]))
            {
                // The gap between two windows, in rows or in columns, whichever is larger.
                let gap = (0..2).map(|k| one[k].abs_diff(other[k]).saturating_sub(4)).max().unwrap();
                let apart = (0..2).any(|k| one[k].abs_diff(other[k]) >= 4 + pixels);
                assert!(apart, "{one:?} {other:?} {buffer:?}");
                nearest = nearest.min(gap);
            }
        }
        // Blocks of 3 pixels every 12: whole parts of them are near each other, so the bound is met nearly.
        assert!(nearest < pixels + 9, "{nearest} {buffer:?}");
    }
    let parsed = |text: &str| text.parse::<Distance>();
    assert_eq!(parsed("500m").unwrap(), Distance::Metres(500.0));
    assert_eq!(parsed(" 16 px").unwrap(), Distance::Pixels(16));
    for text in ["", "16", "-3m", "nanm", "1.5px", "infm", "px"] {
        let message = parsed(text).unwrap_err().to_string();
        assert!(message.contains("not a distance; give metres or pixels"), "{message}");
    }
}

#[test]
fn files_of_one_system_are_distinguished_by_code_alone() {
    let grid =
        |name: &str| GeoTiff::open(vectors().join(format!("rasters/{name}.tif"))).unwrap().grid().clone();
    assert_eq!(grid("u8_strips").crs, grid("big_tiff").crs);
    assert_ne!(grid("u8_strips").crs, grid("user_defined").crs);
    assert_eq!(grid("laea").crs, Crs::from_epsg(3035).unwrap());
}

/// A grid of one band around a place, in pixels of 100 m.
fn ground(folder: &TempDir, crs: u16, [left, top]: [f64; 2], [rows, columns]: [usize; 2]) -> [Scene; 1] {
    let transform = Some(lcz::scene::Transform([left, 100.0, 0.0, top, 0.0, -100.0]));
    let grid = lcz::scene::Grid { rows, columns, transform, crs: Crs::from_epsg(crs).unwrap() };
    let path = folder.path().join("B2.tif");
    let mut writer = lcz::scene::GeoTiffWriter::create(&path, &grid).unwrap();
    (0..rows).for_each(|_| writer.append(&vec![1_u8; columns]).unwrap());
    writer.finish().unwrap();
    [Scene::open([path]).unwrap()]
}

/// The areas of a small town as each kind of file holds them: class 6 with a hole, class 14 in two parts with heights.
fn town(folder: &TempDir) -> Vec<std::path::PathBuf> {
    let ring = |[west, south, east, north]: [f64; 4], height: &str, [open, between, close]: [&str; 3]| {
        let corners = [(west, south), (east, south), (east, north), (west, north), (west, south)];
        let corner = |(x, y): (f64, f64)| format!("{open}{x},{y}{height}{close}");
        corners.map(corner).join(between)
    };
    let boxes = [
        [15.0, 48.0, 15.05, 48.04],
        [15.01, 48.01, 15.02, 48.02],
        [15.06, 48.0, 15.08, 48.01],
        [15.06, 48.02, 15.08, 48.04],
    ];
    let kml = |k: usize, side: &str| {
        let ring = ring(boxes[k], ",7", ["", " ", ""]);
        format!("<{side}><LinearRing><coordinates>{ring}</coordinates></LinearRing></{side}>")
    };
    let polygon = |rings: &[String]| format!("<Polygon>{}</Polygon>", rings.concat());
    let first = polygon(&[kml(0, "outerBoundaryIs"), kml(1, "innerBoundaryIs")]);
    let parts = [2, 3].map(|k| polygon(&[kml(k, "outerBoundaryIs")])).concat();
    let whole = polygon(&[ring([14.0, 47.0, 16.0, 49.0], "", ["", " ", ""])]);
    let folders = |six: &str, plants: &str| {
        format!(
            "<kml xmlns=\"http://www.opengis.net/kml/2.2\"><Document><Folder><name>town</name><Placemark><name>ROI</name>{whole}\
             </Placemark><Folder><name>{six}</name><Placemark><name>Untitled</name>{first}</Placemark></Folder><Folder><name>3</name>\
             </Folder><Folder><name>{plants}</name><Placemark><MultiGeometry>{parts}</MultiGeometry></Placemark></Folder></Folder>\
             </Document></kml>"
        )
    };
    let json = |k: usize| format!("[{}]", ring(boxes[k], "", ["[", ",", "]"]));
    let feature = |class: &str, kind: &str, rings: String| {
        format!(
            r#"{{"type":"Feature","properties":{{"Name":"{class}"}},"geometry":{{"type":"{kind}","coordinates":[{rings}]}}}}"#
        )
    };
    let geojson = format!(
        r#"{{"type":"FeatureCollection","features":[{},{}]}}"#,
        feature("LCZ 6", "Polygon", [json(0), json(1)].join(",")),
        feature("lcz_d", "MultiPolygon", format!("[{}],[{}]", json(2), json(3)))
    );
    let files = [
        ("numbers.kml", folders("6", "14")),
        ("letters.kml", folders("6", "D")),
        ("names.kml", folders("LCZ 6: open low-rise", "low plants")),
        ("natural.kml", folders("6", "104")),
        ("areas.geojson", geojson),
    ];
    let write = |(name, text): (&str, String)| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    Vec::from(files.map(write))
}

#[test]
fn training_areas_are_the_same_pixels_from_every_kind_of_file() {
    let folder = TempDir::new().unwrap();
    let dates = ground(&folder, 32633, [500_000.0, 5_322_000.0], [60, 70]);
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    let wanted = labelling.open(town(&folder).pop().unwrap(), &dates, &mut Silent).unwrap();
    // 3.73 x 4.45 km less 0.75 x 1.11 km, and 1.49 x (1.11 + 2.22) km: hectares, but for pixels cut by edges.
    let pixels = |class: usize| wanted.sites().iter().filter(|site| site.class == class).count() as i64;
    assert!((pixels(5) - 1577).abs() < 40 && (pixels(13) - 497).abs() < 40, "{} {}", pixels(5), pixels(13));
    for path in town(&folder) {
        let labels = labelling.open(&path, &dates, &mut Silent).unwrap();
        assert_eq!(numbers(&labels), numbers(&wanted), "{}", path.display());
        let report = labels.report().polygons.clone().unwrap();
        assert_eq!((report.labelled, report.unlabelled), (2, 0), "{}: the ROI is no polygon", path.display());
        // As the reference of a map, without being asked to reproject.
        let (on_grid, _) = Labelling::default().numbers_on(&path, labels.grid(), "map.tif").unwrap();
        assert!(
            labels.sites().iter().all(|site| usize::from(on_grid[[site.row, site.column]]) == site.class + 1)
        );
        assert_eq!(on_grid.iter().filter(|&&number| number > 0).count(), labels.sites().len());
    }
}

#[test]
fn melbournes_training_areas_are_101_polygons_and_a_region_that_is_none() {
    let Some(data) = real_data() else { return };
    let folder = TempDir::new().unwrap();
    let dates = ground(&folder, 32755, [225_000.0, 5_900_000.0], [1700, 1700]);
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    let labels = labelling.open(data.join("melbourne/melbourne_2019.kml"), &dates, &mut Silent).unwrap();
    let report = labels.report().polygons.clone().unwrap();
    assert_eq!((report.labelled, report.unlabelled, report.outside), (101, 0, 0));
    assert_eq!(report.label_field, "FolderPath or Name");
}

#[test]
fn the_classes_of_chinas_training_areas_are_found() {
    let Some(data) = real_data() else { return };
    for (name, field, polygons, place) in [
        ("hongkong/hk_train", "FolderPath", 137, [780_000.0, 2_510_000.0]),
        ("guangzhou/gz_train", "FolderPath", 160, [680_000.0, 2_660_000.0]),
        ("zhuhai/zhuhai_train", "GRIDCODE", 191, [690_000.0, 2_510_000.0]),
    ] {
        let folder = TempDir::new().unwrap();
        let dates = ground(&folder, 32649, place, [1900, 1700]);
        let labelling = Labelling { reproject: true, ..Labelling::default() };
        let labels = labelling.open(data.join(format!("china/{name}.shp")), &dates, &mut Silent).unwrap();
        let report = labels.report().polygons.clone().unwrap();
        assert_eq!(
            (&*report.label_field, report.labelled, report.unlabelled),
            (field, polygons, 0),
            "{name}"
        );
    }
}

#[test]
fn maps_of_zones_with_other_numbers_and_other_no_data_are_read() {
    let folder = TempDir::new().unwrap();
    let value =
        |row: u32, column: u32| [6.0, 101.0, 107.0, -999.0, -1.0, 255.0, 0.0][(row + column) as usize % 7];
    let path = write(&folder, "lcz.tif", &Raster { values: &value, ..PLAIN });
    let labels = LabelRaster::open(&path, &lcz::Classes::lcz()).unwrap();
    let classes: std::collections::BTreeSet<usize> =
        labels.sites().iter().map(|site| site.class + 1).collect();
    assert_eq!(classes.into_iter().collect::<Vec<_>>(), [6, 11, 17]);
}

/// A raster of three bands as the LCZ Generator delivers its maps: raw, filtered, probability.
fn generated(folder: &TempDir, name: &str, bands: &[&str]) -> std::path::PathBuf {
    let path = folder.path().join(name);
    let grid = GeoTiff::open(vectors().join("rasters/u8_strips.tif")).unwrap().grid().clone();
    let mut writer =
        lcz::scene::GeoTiffWriter::<f32>::create(&path, &grid).unwrap().bands(bands).no_data(-999.0);
    let pixel = |k: usize| if k.is_multiple_of(3) { [-999.0; 3] } else { [6.0, 104.0, 62.5] };
    writer.append(&(0..grid.rows * grid.columns).flat_map(pixel).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn the_band_of_classes_is_found_by_its_description_or_number() {
    let folder = TempDir::new().unwrap();
    let path = generated(&folder, "lcz.tif", &["lcz", "lczFilter", "classProbability"]);
    let grid = scene()[0].files()[0].grid().clone();
    let of = |path: &std::path::Path, layer: Option<&str>| {
        let labelling = Labelling { layer: layer.map(str::to_owned), ..Labelling::default() };
        let labels = labelling.open(path, &scene(), &mut Silent).map(|labels| {
            let classes: std::collections::BTreeSet<usize> =
                labels.sites().iter().map(|site| site.class + 1).collect();
            (Vec::from_iter(classes), labels.sites().len())
        });
        // As the reference of a map.
        let on_map = labelling.numbers_on(path, &grid, "map.tif").map(|(numbers, _)| {
            let classes: std::collections::BTreeSet<usize> =
                numbers.iter().filter(|number| **number > 0).map(|number| usize::from(*number)).collect();
            (Vec::from_iter(classes), numbers.iter().filter(|number| **number > 0).count())
        });
        let [labels, on_map] = [labels, on_map].map(|result| result.map_err(|error| error.to_string()));
        match (labels, on_map) {
            (Ok(labels), on_map) => {
                assert_eq!(Ok(&labels), on_map.as_ref());
                Ok(labels)
            }
            (Err(message), Err(other)) => {
                assert_eq!(message.replace("labels", "classes"), other);
                Err(message)
            }
            (labels, on_map) => panic!("{labels:?} {on_map:?}"),
        }
    };
    let count = 21 * 37 * 2 / 3;
    for (layer, class) in [("lcz", 6), ("lczFilter", 14), ("LCZFILTER", 14), ("1", 6), ("2", 14)] {
        assert_eq!(of(&path, Some(layer)), Ok((vec![class], count)), "{layer}");
    }
    let refused = of(&path, None).unwrap_err();
    assert!(
        refused
            .contains("3 bands, where one of labels is expected (1 lcz, 2 lczFilter, 3 classProbability); "),
        "{refused}"
    );
    assert!(
        refused.ends_with("name it by description or number: --layer 1 (a map to assess: --band 1)"),
        "{refused}"
    );
    for wrong in ["raw", "0", "4", "-1"] {
        let refused = of(&path, Some(wrong)).unwrap_err();
        assert!(refused.contains(&format!("no band '{wrong}' (found: 1 lcz, 2 lczFilter")), "{refused}");
    }
    let refused = of(&path, Some("3")).unwrap_err();
    assert!(refused.contains("label 62.5 at row 0, column 1 is none of the 17 classes"), "{refused}");
    // One band alone is described as classes; and bands without descriptions have numbers.
    let one = generated(&folder, "one.tif", &["LCZ", "entropy", "classProbability"]);
    assert_eq!(of(&one, None), Ok((vec![6], count)));
    let unnamed = generated(&folder, "unnamed.tif", &["", "", ""]);
    assert!(of(&unnamed, None).unwrap_err().contains("(1 unnamed, 2 unnamed, 3 unnamed)"));
    assert_eq!(of(&unnamed, Some("2")), Ok((vec![14], count)));
    // A file of one band needs no name, but must have the one that is given.
    let single = GeoTiff::open(vectors().join("rasters/u8_strips.tif")).unwrap();
    let wrong = Labelling { layer: Some("lczFilter".to_owned()), ..Labelling::default() };
    let refused = wrong.open(single.path(), &scene(), &mut Silent).unwrap_err().to_string();
    assert!(refused.contains("no band 'lczFilter' (found: 1 unnamed)"), "{refused}");
}

#[test]
fn published_maps_have_the_classes_that_rasterio_counts() {
    let Some(data) = real_data() else { return };
    let zaragoza =
        [979_usize, 1500, 246, 9789, 5331, 1867, 13_487, 85_597, 42_130, 623_573, 11_841, 126_394, 2916];
    let zaragoza: Vec<(usize, usize)> =
        [2, 3, 5, 6, 8, 9, 11, 12, 13, 14, 15, 16, 17].into_iter().zip(zaragoza).collect();
    let pearl_river = [
        35_667_usize,
        107_948,
        177_046,
        171_147,
        54_065,
        164_305,
        52_887,
        418_495,
        765_879,
        23_674,
        5_100_100,
        1_899_705,
        475_853,
        2_663_038,
        53_992,
        195_808,
        4_565_276,
    ];
    for (name, wanted) in [
        ("lcz_maps/lcz_zaragoza.tif", zaragoza),
        ("china/prd_map/prd_lcz_v0817c.tif", (1..).zip(pearl_river).collect()),
    ] {
        let path = data.join(name);
        let grid = GeoTiff::open(&path).unwrap().grid().clone();
        let (numbers, report) = Labelling::default().numbers_on(&path, &grid, &path).unwrap();
        let mut counts = std::collections::BTreeMap::<usize, usize>::new();
        numbers
            .iter()
            .filter(|number| **number > 0)
            .for_each(|&number| *counts.entry(number.into()).or_default() += 1);
        assert_eq!(Vec::from_iter(counts), wanted, "{name}");
        assert_eq!(report.crs, "EPSG:4326");
    }
}
