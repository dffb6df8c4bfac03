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
    assert_eq!(numbers(&labels), known()["burnt"]);
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
    assert_eq!(numbers(&labels), known()["burnt"]);
    assert!(labels.report().reprojected);
}

#[test]
fn groups_are_named_by_a_field_and_stay_whole() {
    let labelling = Labelling { group_field: Some("city".to_owned()), ..Labelling::default() };
    let labels = open(&labelling, "polygons.shp").unwrap();
    assert_eq!(numbers(&labels), known()["burnt"]);
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
    assert!(
        message.ends_with("no .prj file says what the coordinates are; say which it is: --label-crs EPSG:n")
    );
    let crs = Some("EPSG:4326".parse().unwrap());
    let told = Labelling { reproject: true, crs, ..Labelling::default() };
    let labels = told.open(&path, &scene(), &mut Silent).unwrap();
    assert_eq!(numbers(&labels), known()["burnt"]);
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
fn files_of_one_system_are_told_apart_by_code_alone() {
    let grid =
        |name: &str| GeoTiff::open(vectors().join(format!("rasters/{name}.tif"))).unwrap().grid().clone();
    assert_eq!(grid("u8_strips").crs, grid("big_tiff").crs);
    assert_ne!(grid("u8_strips").crs, grid("user_defined").crs);
    assert_eq!(grid("laea").crs, Crs::from_epsg(3035).unwrap());
}
