//! Polygons against rasterio's `rasterize` (`tests/vectors/make_polygons.py`), pixel for pixel, and what is wrong with them
//! in one line.

use std::fs;

use lcz::Classes;
use lcz::progress::Silent;
use lcz::scene::{
    Codes, Crs, GeoTiff, GeoTiffWriter, Grid, LabelRaster, Labelling, Scene, Transform, Window,
};
use serde_json::Value;
use tempfile::TempDir;

use super::{vectors, writing};

/// A raster of the grid that the vectors are on.
fn like(folder: &TempDir) -> Scene {
    let path = folder.path().join("B2.tif");
    let grid = Grid {
        rows: 90,
        columns: 110,
        transform: Some(Transform([500_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0])),
        crs: Crs::from_epsg(32633).unwrap(),
    };
    let mut writer = GeoTiffWriter::<u8>::create(&path, &grid).unwrap();
    writer.append(&vec![1; 90 * 110]).unwrap();
    writer.finish().unwrap();
    Scene::open([path]).unwrap()
}

/// The raster as lines of letters.
fn letters(labels: &LabelRaster) -> Vec<String> {
    let mut lines = vec![vec!['.'; 110]; 90];
    for site in labels.sites() {
        lines[site.row][site.column] = char::from(b'A' + site.class as u8);
    }
    lines.into_iter().map(String::from_iter).collect()
}

#[track_caller]
fn assert_like_rasterio(labels: &LabelRaster, known: &str) {
    let text = fs::read_to_string(vectors().join("polygons.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let wanted: Vec<String> = serde_json::from_value(all[known].clone()).unwrap();
    assert!(wanted.iter().any(|line| line.contains('A')), "{known}");
    for (row, (given, wanted)) in letters(labels).iter().zip(&wanted).enumerate() {
        assert_eq!(given, wanted, "row {row} of {known}");
    }
}

#[test]
fn random_polygons_cover_the_pixels_that_rasterio_says_from_either_kind_of_file() {
    let folder = TempDir::new().unwrap();
    let scene = [like(&folder)];
    for (name, layer) in [("random.shp", None), ("random.gpkg", Some("land"))] {
        for (known, all_touched) in [("centre", false), ("all_touched", true)] {
            let layer = layer.map(str::to_owned);
            let labelling = Labelling { layer, all_touched, ..Labelling::default() };
            let labels = labelling.open(vectors().join("rasters").join(name), &scene, &mut Silent).unwrap();
            assert_like_rasterio(&labels, known);
            let counts = labels.report().polygons.clone().unwrap();
            assert!(counts.unlabelled > 0 && counts.disputed_pixels > 0, "{counts:?}");
            assert_eq!(counts.label_field, "VALUE");
        }
    }
}

#[test]
fn urban_atlas_codes_are_grouped_and_brought_from_laea_to_utm() {
    let folder = TempDir::new().unwrap();
    let scene = [like(&folder)];
    let atlas = vectors().join("rasters/atlas.gpkg");
    let open = |codes: Codes, all_touched: bool| {
        let labelling =
            Labelling { codes: Some(codes), reproject: true, all_touched, ..Labelling::default() };
        labelling.open(&atlas, &scene, &mut Silent)
    };
    let all = open(Codes::urban_atlas(), false).unwrap();
    assert_like_rasterio(&all, "atlas");
    assert_eq!(all.classes().len(), 27);
    assert_like_rasterio(&open(Codes::urban_atlas_groups(), true).unwrap(), "groups");

    let message = Labelling { codes: Some(Codes::urban_atlas()), ..Labelling::default() }
        .open(&atlas, &scene, &mut Silent)
        .unwrap_err()
        .to_string();
    assert!(message.contains("in EPSG:3035, but ") && message.contains("--reproject"), "{message}");
    let table = folder.path().join("codes.csv");
    fs::write(&table, "code,class\n11100,built\n14100,green\n12220,0\n21000,green\n50000,water\n").unwrap();
    let message = open(Codes::read(&table).unwrap(), false).unwrap_err().to_string();
    assert!(
        message.contains("code_2018 is '31000', which is not in the table of codes; add it"),
        "{message}"
    );
    fs::write(&table, "11100,built\n14100,green\n12220,0\n21000,green\n50000,water\n31000,green\n").unwrap();
    let labels = open(Codes::read(&table).unwrap(), false).unwrap();
    assert_eq!(labels.classes(), &Classes::named(["built", "green", "water"]).unwrap());
}

#[test]
fn the_command_writes_the_same_raster() {
    let folder = TempDir::new().unwrap();
    let scene = [like(&folder)];
    let out = folder.path().join("land.tif");
    let run = |arguments: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.current_dir(folder.path()).args([
            "--quiet",
            "rasterise",
            "--like",
            "B2.tif",
            "--out",
            "land.tif",
        ]);
        let child = {
            let _writing = writing();
            command
                .args(arguments)
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        };
        child.wait_with_output().unwrap()
    };
    let gpkg = vectors().join("rasters/random.gpkg");
    let gpkg = gpkg.to_str().unwrap();
    let told = |arguments: &[&str]| {
        let output = run(arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        // A warning may go before it: that polygons lie outside.
        let errors = message.lines().filter(|line| !line.trim_start().starts_with("WARN"));
        assert!(!output.status.success() && errors.count() == 1, "{message}");
        assert!(!out.exists());
        message
    };
    let several = told(&["--labels", gpkg]);
    assert!(several.contains("it has several layers: empty, land; name one: --layer NAME"), "{several}");
    assert!(told(&["--labels", gpkg, "--layer", "sea"]).contains("no layer 'sea' (found: empty, land)"));
    assert!(told(&["--labels", gpkg, "--layer", "empty"]).contains("in all 0 polygons"));
    assert!(told(&["--labels", "none.gpkg"]).contains("none.gpkg: No such file"));
    fs::write(
        folder.path().join("text.gpkg"),
        "no database at all, but long enough to be looked at: ".repeat(90),
    )
    .unwrap();
    assert!(told(&["--labels", "text.gpkg"]).contains("text.gpkg: it cannot be read as a GeoPackage"));
    let shp = vectors().join("rasters/random.shp");
    let shp = shp.to_str().unwrap();
    assert!(told(&["--labels", shp, "--layer", "land"]).contains("no layer 'land': it is not a GeoPackage"));
    assert!(told(&["--labels", "B2.tif", "--all-touched"]).contains("a raster has no codes and edges"));
    let names = "a,b";
    let other = told(&["--labels", shp, "--classes", names]);
    assert!(other.contains("which is none of the 2 classes"), "{other}");
    let far = told(&["--labels", shp, "--label-crs", "EPSG:32630", "--reproject"]);
    assert!(far.contains("no polygon covers the centre of a pixel of B2.tif"), "{far}");

    let output = run(&["--labels", gpkg, "--layer", "land", "--all-touched"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let raster = GeoTiff::open(&out).unwrap();
    assert_eq!((raster.grid(), raster.no_data()), (scene[0].files()[0].grid(), Some(0.0)));
    let pixels = raster.read(&Window::whole(raster.grid()), None).unwrap();
    let labelling = Labelling { layer: Some("land".to_owned()), all_touched: true, ..Labelling::default() };
    let labels = labelling.open(gpkg, &scene, &mut Silent);
    let labels = labels.unwrap();
    for site in labels.sites() {
        assert!((pixels[[0, site.row, site.column]] - site.class as f32 - 1.0).abs() < 1e-6);
    }
    assert_eq!(pixels.iter().filter(|&&value| value > 0.0).count(), labels.sites().len());
    assert!(told_exists(&run(&["--labels", gpkg, "--layer", "land"])).contains("the file exists"));
}

fn told_exists(output: &std::process::Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}
