//! From a scene's one path to patches and maps, by the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lcz::data::so2sat::So2Sat;
use lcz::models::{self, Architecture, Device};
use lcz::run::Run;
use lcz::scene::{Crs, GeoTiffWriter, Grid, Raster, Scene, Transform, Window};
use lcz::{Bands, Classes, Imagery, Sensor};
use serde_json::Value;
use tempfile::TempDir;

use super::opening::landsat;
use super::{real_data, vectors, writing};

const PRODUCT: &str = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE";
const LANDSAT: &str = "LC08_L2SP_193027_20230715_20230717_02_T1";

fn lcz(arguments: &[&str]) -> Output {
    let child = {
        let _writing = writing();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.arg("--quiet").args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

/// What a command that succeeds prints, and what it warns of.
#[track_caller]
fn done(arguments: &[&str]) -> (String, String) {
    let output = lcz(arguments);
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(output.status.success(), "{arguments:?}: {err}");
    (out, err)
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// A perceptron with random weights.
fn run(folder: &Path, name: &str, imagery: &Imagery) -> String {
    let path = folder.join(name);
    let _writing = writing();
    Run::create(&path, |run| {
        run.keep(&*models::build(&Architecture::mlp(), imagery, &Classes::lcz(), 1, Device::Cpu)?)
    })
    .unwrap();
    text(&path)
}

fn imagery(patch_size: usize, bands: &[&str], metres: f64, sensor: Option<Sensor>) -> Imagery {
    let imagery = Imagery::new(patch_size, bands.to_vec()).unwrap().metres(metres).unit("reflectance");
    Imagery { sensor, ..imagery }
}

/// Zones on the pixels of the product: columns 20 to 59 of zone 2, the rest of the left 100 none.
fn zone(row: usize, column: usize) -> u8 {
    if (40..100).contains(&row) && (20..60).contains(&column) { 2 + (row / 10 % 3) as u8 } else { 0 }
}

/// Zones as a raster, and the same as polygons in the product's system.
fn labels(folder: &Path) -> [PathBuf; 2] {
    let [raster, polygons] = ["LCZ.tif", "zones.geojson"].map(|name| folder.join(name));
    let transform = Some(Transform([499_980.0, 10.0, 0.0, 1_200_000.0, 0.0, -10.0]));
    let grid = Grid { rows: 120, columns: 120, transform, crs: Crs::from_epsg(32633).unwrap() };
    let mut writer = GeoTiffWriter::<u8>::create(&raster, &grid).unwrap().no_data(0);
    writer.append(&(0..120 * 120).map(|k| zone(k / 120, k % 120)).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let features: Vec<Value> = (4..10)
        .map(|ten| {
            let (left, right) = (499_980.0 + 200.0, 499_980.0 + 600.0);
            let (top, bottom) = (1_200_000.0 - 100.0 * f64::from(ten), 1_199_900.0 - 100.0 * f64::from(ten));
            serde_json::json!({
                "type": "Feature",
                "properties": { "LCZ": 2 + ten % 3 },
                "geometry": { "type": "Polygon", "coordinates":
                    [[[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]] },
            })
        })
        .collect();
    let crs = serde_json::json!({ "type": "name", "properties": { "name": "urn:ogc:def:crs:EPSG::32633" } });
    let collection = serde_json::json!({ "type": "FeatureCollection", "crs": crs, "features": features });
    fs::write(&polygons, collection.to_string()).unwrap();
    [raster, polygons]
}

#[test]
fn patches_of_a_product_are_its_reflectances_under_a_clear_sky() {
    let folder = TempDir::new().unwrap();
    let product = vectors().join("product").join(PRODUCT);
    let scene = Scene::at(&product).unwrap();
    let read = |file: &Raster| file.read(&Window::whole(file.grid()), file.no_data()).unwrap();
    let bands: Vec<_> = scene.files().iter().map(read).collect();
    for labels in labels(folder.path()) {
        let out = folder.path().join(labels.extension().unwrap());
        let arguments = [
            "patches",
            "--scene",
            &text(&product),
            "--band-names",
            "B5,B2",
            "--size",
            "16",
            "--split",
            "100/0/0",
        ];
        let more = ["--labels", &text(&labels), "--out", &text(&out), "--json"];
        let report: Value = serde_json::from_str(&done(&[&arguments[..], &more[..]].concat()).0).unwrap();
        assert_eq!(report["labels"]["crs"].as_str().unwrap_or("EPSG:32633"), "EPSG:32633");
        // Of 60 × 40 labelled pixels those with their windows inside the scene, of which clouds hide some.
        let [cloudy, without] =
            ["cloudy", "without_data"].map(|name| report["dates"][0][name].as_u64().unwrap());
        let patches = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap();
        assert_eq!(patches.len() as u64 + cloudy + without, 60 * 40, "{report}");
        assert_eq!(without, 0);
        assert_eq!(
            (patches.imagery().unit.as_str(), patches.imagery().sensor),
            ("reflectance", Some(Sensor::Sentinel2))
        );
        assert_eq!(patches.imagery().ground_sampling_distance, Some(10.0));
        assert!(
            patches.provenance().starts_with("unknown source"),
            "of the labels: {}",
            patches.provenance()
        );
        let labels = patches.labels().unwrap();
        let images = patches.images(0..patches.len()).unwrap();
        // The patches are those of all labelled pixels, row by row, but for the cloudy ones at the top.
        let mut sites = (40..100).flat_map(|row| (20..60).map(move |column| (row, column)));
        for (n, image) in images.outer_iter().enumerate() {
            let (row, column) = sites
                .find(|&(row, column)| {
                    let pixel = bands[0][[0, row - 8, column - 8]] * 1e-4 - 0.1;
                    (image[[0, 0, 1]] - pixel).abs() < 1e-6
                        && labels.indices()[n] + 1 == usize::from(zone(row, column))
                })
                .unwrap_or_else(|| panic!("patch {n}"));
            for ((y, x, band), pixel) in image.indexed_iter() {
                let (row, column) = (row - 8 + y, column - 8 + x);
                let wanted = match band {
                    0 => f64::from(bands[2][[0, row / 2, column / 2]]) * 1e-4 - 0.09,
                    _ => f64::from(bands[0][[0, row, column]]) * 1e-4 - 0.1,
                };
                assert!(
                    (f64::from(*pixel) - wanted).abs() < 1e-6,
                    "{n}, {y} {x} {band}: {pixel}, not {wanted}"
                );
            }
        }
    }
}

#[test]
fn patches_of_a_real_product_are_cut() {
    let Some(data) = real_data() else { return };
    let folder = TempDir::new().unwrap();
    let product = data.join("sentinel2").join(PRODUCT);
    let scene = Scene::at(&product).unwrap().only(&Bands::sentinel2()).unwrap();
    let grid = scene.files()[0].grid();
    let labels = folder.path().join("LCZ.tif");
    let mut writer = GeoTiffWriter::<u8>::create(&labels, grid).unwrap().no_data(0);
    // Blocks of 9 × 9 pixels, 100 pixels apart, in four classes.
    let zone = |row: usize, column: usize| {
        if row % 100 < 9 && column % 100 < 9 { 1 + (row / 100 + column / 100) as u8 % 4 } else { 0 }
    };
    let values = (0..grid.rows * grid.columns).map(|k| zone(k / grid.columns, k % grid.columns));
    writer.append(&values.collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let (labels, out) = (text(&labels), text(&folder.path().join("patches")));
    let arguments =
        ["patches", "--scene", &text(&product), "--labels", &labels, "--size", "32", "--out", &out, "--json"];
    let report: Value = serde_json::from_str(&done(&arguments).0).unwrap();
    let date = &report["dates"][0];
    let count = |name: &str| date[name].as_u64().unwrap();
    let parts = ["training", "validation", "testing"].map(|part| {
        let of = &date[part];
        of["patches"].as_u64().unwrap()
            + of["overlapping_testing"].as_u64().unwrap()
            + of["overlapping_validation"].as_u64().unwrap()
    });
    let all = count("at_border") + count("without_data") + count("cloudy") + parts.iter().sum::<u64>();
    assert_eq!(all, 11 * 11 * 81, "{report}");
    let patches = So2Sat::open(Path::new(&out).join("training.h5")).unwrap().patches().unwrap();
    assert_eq!(patches.imagery().bands, Bands::sentinel2());
    lcz::data::check_reflectance(&patches, None).unwrap();
}

#[test]
fn clouds_of_a_landsat_product_are_those_of_its_quality_bits() {
    let folder = TempDir::new().unwrap();
    let product = text(&landsat(folder.path(), LANDSAT));
    let run = run(folder.path(), "run", &imagery(7, &["B2", "B3"], 30.0, Some(Sensor::Landsat8And9)));
    let map = |out: &str, more: &[&str]| -> (Value, String) {
        let out = text(&folder.path().join(out));
        let fixed = [
            "map",
            &run,
            "--scene",
            &product,
            "--stride",
            "7px",
            "--ignore-radiometry",
            "--json",
            "--out",
            &out,
        ];
        let (report, warnings) = done(&[&fixed[..], more].concat());
        (serde_json::from_str(&report).unwrap(), warnings)
    };
    // 5 × 8 windows: each column of them has one kind of bits, of which four are clouds or shadow.
    let (report, warnings) = map("all.tif", &[]);
    assert_eq!(
        (&report["classified"], &report["dates"][0]["under_clouds"]),
        (&40.into(), &20.into()),
        "{report}"
    );
    assert!(!warnings.contains("taken by name"), "one sensor: {warnings}");
    assert_eq!(map("masked.tif", &["--mask-clouds"]).0["classified"], 20);
    assert_eq!(map("most.tif", &["--mask-clouds", "--max-cloud", "100"]).0["classified"], 40);
    assert_eq!(map("shadow.tif", &["--mask-clouds", "--cloud-classes", "3"]).0["classified"], 35);

    let told = done(&["info", &product]).0;
    assert!(told.contains("Landsat 8-9") && told.contains("B7") && told.contains("0.0000275"), "{told}");
    // 28 of the 49 columns with data.
    assert!(told.contains("57.1 % of the pixels with data"), "{told}");
}

#[test]
fn a_band_of_one_name_on_another_sensor_is_a_warning() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let product = text(&landsat(at, LANDSAT));
    let sentinel = text(&vectors().join("product").join(PRODUCT));
    let two = run(at, "sentinel", &imagery(8, &["B4", "B5", "B6", "B7"], 10.0, None));
    let eight = run(at, "landsat", &imagery(8, &["B2", "B5"], 30.0, Some(Sensor::Landsat8And9)));
    let same = run(at, "same", &imagery(8, &["B2", "B4"], 10.0, None));
    // Files that are named after Landsat, as products in a folder of GeoTIFFs are.
    let files = ["B4", "B5", "B6", "B7"].map(|band| format!("{product}/{LANDSAT}_SR_{band}.TIF")).join(",");
    let scaled = ["--scale", "2.75e-5", "--offset", "-0.2"];
    let warned = |name: &str, run: &str, scene: &[&str]| {
        let out = text(&at.join(name));
        let fixed = ["map", run, "--ignore-radiometry", "--out", &out];
        let lines = done(&[&fixed[..], scene].concat()).1;
        let lines: Vec<&str> = lines.lines().filter(|line| line.contains("taken by name")).collect();
        assert!(lines.len() < 2, "{lines:?}");
        lines.concat()
    };
    for (name, scene) in
        [("a.tif", vec!["--scene", &product]), ("b.tif", [&["--bands", &files][..], &scaled].concat())]
    {
        let line = warned(name, &two, &scene);
        let words =
            ["B5 of Landsat 8-9 is near infrared", "trained on B5 of Sentinel-2, red edge", "--band-names"];
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
    }
    let line = warned("c.tif", &eight, &["--scene", &sentinel]);
    assert!(
        line.contains("B5 of Sentinel-2 is red edge") && line.contains("of Landsat 8-9, near infrared"),
        "{line}"
    );
    assert_eq!(warned("d.tif", &same, &["--scene", &product]), "", "B2 and B4 are blue and red on both");
}

#[test]
fn real_stacks_are_mapped_in_one_command() {
    let Some(data) = real_data() else { return };
    let folder = TempDir::new().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let keras = text(&data.join("sen2lcz/sen2lcz_17_keras.hdf5"));
    let wide = at("run");
    done(&["import", &keras, "--run", &wide]);
    let ten: Vec<String> = Bands::sentinel2().names().to_vec();
    let ten: Vec<&str> = ten.iter().map(String::as_str).collect();
    let small = run(folder.path(), "small", &imagery(8, &ten, 10.0, None));
    let map = |run: &str, scene: &str, names: &str, more: &[&str]| -> Value {
        let (scene, out) = (text(&data.join(scene)), at(&format!("{}.tif", names.len() + more.len())));
        let fixed = [
            "map",
            run,
            "--scene",
            &scene,
            "--band-names",
            names,
            "--scale",
            "1e-4",
            "--json",
            "--out",
            &out,
        ];
        serde_json::from_str(&done(&[&fixed[..], more].concat()).0).unwrap()
    };
    let twelve = "B1,B2,B3,B4,B5,B6,B7,B8,B8A,B9,B11,B12";
    let report = map(&wide, "stacks/Boadella_2020-01-13.tif", twelve, &[]);
    assert_eq!((&report["classified"], &report["without_data"]), (&(35 * 35).into(), &0.into()));
    let labels = text(&data.join("berlin/Berlin_labels.shp"));
    let report = map(&wide, "berlin", &ten.join(","), &["--labels", &labels]);
    assert_eq!(report["classified"], 32 * 32);
    assert!(report["scores"]["overall_accuracy"].as_f64().unwrap() > 0.6, "{}", report["scores"]);
    // Of 42 × 24 pixels, with the scene classes at 20 m.
    let classes = text(&data.join("stacks/S2A2A_20190723_022_Barbellino_SCL_10.tif"));
    let eleven = "B1,B2,B3,B4,B5,B6,B7,B8,B8A,B11,B12";
    let more = ["--scl", &classes, "--stride", "8px", "--ignore-radiometry"];
    let report = map(&small, "stacks/S2A2A_20190723_022_Barbellino_BOA_10.tif", eleven, &more);
    assert_eq!(report["classified"], 5 * 3, "{report}");
    assert!(report["dates"][0]["under_clouds"].is_u64(), "{report}");
}
