//! `lcz assess` and `lcz areas`: a map of which every pixel is known, polygons drawn by hand, and published answers.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lcz::mapping::{Assessing, assess};
use lcz::progress::Silent;
use lcz::scene::{Crs, GeoTiff, GeoTiffWriter, Grid, Labelling, Transform, Window};
use lcz::scorecard::Measure;
use serde_json::Value;

fn lcz(arguments: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lcz")).args(arguments).output().unwrap();
    [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).into()
}

/// 20 × 20 pixels of 100 m: LCZ 6, but for LCZ 14 (104 in some files) in the right half; the last line has no class.
fn map(folder: &Path, bands: &[&str]) -> PathBuf {
    let transform = Some(Transform([500_000.0, 100.0, 0.0, 5_300_000.0, 0.0, -100.0]));
    let grid = Grid { rows: 20, columns: 20, transform, crs: Crs::from_epsg(32633).unwrap() };
    let path = folder.join(format!("map-{}.tif", bands.len()));
    let mut writer = GeoTiffWriter::<u8>::create(&path, &grid).unwrap().bands(bands);
    for row in 0..20 {
        for column in 0..20 {
            let class = if row == 19 {
                0
            } else if column < 10 {
                6
            } else {
                104
            };
            // The raw map, in which everything is water, then the filtered one.
            let pixel = if bands.len() == 1 { vec![class] } else { vec![17, class, 80] };
            writer.append(&pixel).unwrap();
        }
    }
    writer.finish().unwrap();
    path
}

/// Polygons of whole pixels: class, rows and columns from the upper left.
fn polygons(folder: &Path, squares: &[(&str, [u32; 4])]) -> PathBuf {
    let feature = |(class, [top, left, bottom, right]): &(&str, [u32; 4])| {
        let corner = |row: &u32, column: &u32| {
            format!("[{},{}]", 500_000.0 + 100.0 * f64::from(*column), 5_300_000.0 - 100.0 * f64::from(*row))
        };
        let corners = [(top, left), (bottom, left), (bottom, right), (top, right), (top, left)];
        let ring = corners.map(|(row, column)| corner(row, column)).join(",");
        format!(
            "{{\"type\":\"Feature\",\"properties\":{{\"LCZ\":\"{class}\"}},\
             \"geometry\":{{\"type\":\"Polygon\",\"coordinates\":[[{ring}]]}}}}"
        )
    };
    let features = squares.iter().map(feature).collect::<Vec<_>>().join(",");
    let path = folder.join("reference.geojson");
    let crs = "\"crs\":{\"type\":\"name\",\"properties\":{\"name\":\"urn:ogc:def:crs:EPSG::32633\"}}";
    fs::write(&path, format!("{{\"type\":\"FeatureCollection\",{crs},\"features\":[{features}]}}")).unwrap();
    path
}

#[test]
fn a_map_of_any_program_is_compared_pixel_by_pixel_under_the_polygons() {
    let folder = tempfile::tempdir().unwrap();
    // 3 × 4 pixels of 6, right; 2 × 2 of 6 that the map has as D; 5 × 2 of D, right; two touching ones of D, the lower
    // on the line without class.
    let squares = [
        ("6", [1, 1, 4, 5]),
        ("6", [1, 12, 3, 14]),
        ("D", [5, 12, 10, 14]),
        ("D", [17, 12, 19, 13]),
        ("D", [19, 12, 20, 13]),
    ];
    let reference = polygons(folder.path(), &squares);
    let single = map(folder.path(), &["class"]);
    let found = assess(&single, &reference, &Assessing::default(), &mut Silent).unwrap();
    assert_eq!((found.pixels, found.without_class, found.card.samples), (12 + 4 + 10 + 2 + 1, 1, 28));
    // Polygons that touch are two.
    assert_eq!(found.card.groups, Some(4));
    assert!((found.card.row(Measure::OverallAccuracy).unwrap().value - 24.0 / 28.0).abs() < 1e-12);
    let classes = found.classes(false).unwrap();
    let [six, d] = &classes[..] else { panic!("{classes:?}") };
    assert_eq!((six.recall, six.precision, six.support), (Some(12.0 / 16.0), Some(1.0), 16));
    assert_eq!((d.recall, d.precision), (Some(1.0), Some(12.0 / 16.0)));
    assert!((six.square_kilometres.unwrap() - 1.9).abs() < 1e-9 && six.adjusted_square_kilometres.is_none());
    // Of the sample, 12 of 12 pixels mapped as 6 are 6, 12 of 16 mapped as D are D: too few for an interval.
    let adjusted = found.classes(true).unwrap();
    assert!((adjusted[0].adjusted_square_kilometres.unwrap() - (1.9 + 1.9 * 4.0 / 16.0)).abs() < 1e-9);
    assert_eq!(adjusted[0].interval, None);

    let errors = folder.path().join("errors.tif");
    found.write_errors(&errors).unwrap();
    let errors = GeoTiff::open(&errors).unwrap();
    let pixels = errors.read(&Window::whole(errors.grid()), None).unwrap();
    let count = |value: f32| pixels.iter().filter(|&&pixel| (pixel - value).abs() < 0.5).count();
    assert_eq!((count(1.0), count(2.0)), (24, 4));

    // What it is, before it is assessed: zones; classes with names next to them; numbers that need not be classes.
    let info = |path: &Path, more: &[&str]| lcz(&[&["info", path.to_str().unwrap()], more].concat()).0;
    let apart = folder.path().join("apart");
    fs::create_dir(&apart).unwrap();
    let zones = map(&apart, &["lcz"]);
    let told = info(&zones, &[]);
    assert!(told.contains("content     class map") && !told.contains("digital number"), "{told}");
    assert!(told.contains("6 open low-rise     190  50.0 %") && told.contains("D low plants"), "{told}");
    let json: Value = serde_json::from_str(&info(&zones, &["--json"])).unwrap();
    assert_eq!((&json["classes"][0]["number"], &json["classes"][0]["share"]), (&6.into(), &0.5.into()));
    let told = info(&single, &[]);
    assert!(told.contains("class 6") && !told.contains("open low-rise"), "{told}");
    let names = format!("{}<Category>roofs, roads (all)</Category>", "<Category></Category>".repeat(6));
    let names = format!(
        "<PAMDataset><PAMRasterBand><CategoryNames>{names}</CategoryNames></PAMRasterBand></PAMDataset>"
    );
    let next_to = single.with_extension("tif.aux.xml");
    fs::write(&next_to, names).unwrap();
    assert!(info(&single, &[]).contains("6  roofs, roads (all)     190  50.0 %"), "{}", info(&single, &[]));
    fs::remove_file(next_to).unwrap();
    fs::remove_file(zones).unwrap();
    let undescribed = map(&apart, &["mask"]);
    assert!(info(&undescribed, &[]).contains("digital number"));

    // Of three bands one is named; on the command line, with everything.
    let three = map(folder.path(), &["raw", "smooth", "probability"]);
    let [three, reference] = [three, reference].map(|path| path.to_str().unwrap().to_owned());
    let (_, error) = lcz(&["assess", &three, "--labels", &reference]);
    assert!(error.contains("1 raw, 2 smooth, 3 probability") && error.contains("--band 1"), "{error}");
    let figures = folder.path().join("figures");
    let with = [
        "assess",
        &three,
        "--labels",
        &reference,
        "--band",
        "smooth",
        "--figures",
        figures.to_str().unwrap(),
    ];
    let (told, error) = lcz(&with);
    for words in
        ["29 pixels with a reference class, 1 of them without a class on the map", "OA", "low plants"]
    {
        assert!(told.contains(words), "{words}: {told} {error}");
    }
    assert!(told.starts_with(&format!("map: {three}; reference: {reference}\nmap: ")), "{told}");
    assert!(figures.join("confusion-matrix.svg").exists());
    let (json, _) = lcz(&[&with[..6], &["--json", "--probability-sample"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json["pixels"], &json["rows"][0]["value"]), (&29.into(), &(24.0 / 28.0).into()));
    assert!(json["classes"][0]["adjusted_square_kilometres"].is_f64(), "{json}");
    // A raster as reference: the map itself.
    let (told, error) = lcz(&["assess", &three, "--labels", &three, "--band", "2", "--layer", "smooth"]);
    assert!(told.contains("380 pixels with a reference class, 0 of them without a class"), "{told} {error}");
}

#[test]
fn maps_and_references_that_do_not_fit_are_refused_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let map = map(folder.path(), &["class"]);
    let map = map.to_str().unwrap();
    let far = polygons(folder.path(), &[("6", [500, 500, 510, 510])]);
    let refused = |arguments: &[&str], words: &str| {
        let (_, told) = lcz(arguments);
        let errors: Vec<&str> = told.lines().filter(|line| !line.starts_with(" WARN")).collect();
        assert!(errors.len() == 1 && errors[0].contains(words), "{told}");
    };
    refused(&["assess", map, "--labels", far.to_str().unwrap()], "no polygon covers the centre of a pixel");
    let without = polygons(folder.path(), &[("6", [19, 1, 20, 4])]);
    refused(
        &["assess", map, "--labels", without.to_str().unwrap()],
        "no pixel with a reference class has one on",
    );
    refused(&["assess", map, "--labels", "nowhere.kml"], "nowhere.kml");
    refused(&["areas", map], "not a file of polygons");
}

#[test]
fn training_areas_are_listed_with_what_makes_them_doubtful() {
    let folder = tempfile::tempdir().unwrap();
    // 500 m × 400 m; 100 m × 300 m; 3,000 m × 100 m next to it.
    let squares = [("6", [0, 0, 4, 5]), ("6", [10, 0, 13, 1]), ("D", [10, 1, 11, 31])];
    let file = polygons(folder.path(), &squares);
    let doubtful = folder.path().join("doubtful.gpkg");
    let figures = folder.path().join("figures");
    let [map, drawn] = [&doubtful, &figures].map(|path| path.to_str().unwrap());
    let (told, error) = lcz(&["areas", file.to_str().unwrap(), "--doubtful", map, "--figures", drawn]);
    let drawn = |ending: &str| fs::read_to_string(figures.join(format!("training-areas.{ending}"))).unwrap();
    assert!(drawn("svg").contains("2 of 3 polygons are doubtful: circled"), "{error}");
    let csv = drawn("csv");
    let second = csv.lines().find(|line| line.starts_with("2,6,0.0300")).unwrap();
    assert!(second.ends_with(",0.0,smaller than 0.04 km²; another class within 100 m"), "{second}");
    for words in [
        "3 polygons with a class in LCZ",
        "2 of 3 polygons are doubtful",
        "draw 3 more",
        "smaller than 0.04 km²; another class within 100 m",
        "long or ragged: shape 3 or more; another class within 100 m",
    ] {
        assert!(told.contains(words), "{words}: {told} {error}");
    }
    let (json, _) = lcz(&["areas", doubtful.to_str().unwrap(), "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["areas"].as_array().unwrap().len(), 2, "{json}");
}

/// The published map of the Pearl River Delta under its authors' own training and test polygons.
#[test]
fn a_published_map_has_the_known_accuracies() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let map = data.join("china/prd_map/prd_lcz_v0817c.tif");
    for (city, field, known) in [
        ("hongkong/hk", None, [0.985, 0.881]),
        ("guangzhou/gz", None, [0.982, 0.922]),
        ("zhuhai/zhuhai", Some("GRIDCODE"), [0.985, 0.827]),
    ] {
        for (part, known) in ["train", "test"].into_iter().zip(known) {
            let polygons = data.join(format!("china/{city}_{part}.shp"));
            let labelling = Labelling { label_field: field.map(str::to_owned), ..Labelling::default() };
            let found = assess(&map, polygons, &Assessing { labelling, ..Assessing::default() }, &mut Silent)
                .unwrap();
            let accuracy = found.card.row(Measure::OverallAccuracy).unwrap().value;
            println!("{city} {part}: {accuracy:.4} of {} pixels", found.card.samples);
            assert!((accuracy - known).abs() < 6e-4, "{city} {part}: {accuracy}, not {known}");
        }
    }
}

/// Two teams have labelled Hong Kong: where both have a class, on pixels of Landsat, they agree on 79.1 %.
#[test]
fn two_teams_labels_of_one_city_agree_as_known() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let (mut pixels, mut agree) = (0, 0.0);
    for part in ["train", "test"] {
        let polygons = data.join(format!("china/hongkong/hk_{part}.shp"));
        let contest = data.join("hongkong/hong_kong_lcz_GT.tif");
        let found = assess(contest, polygons, &Assessing::default(), &mut Silent).unwrap();
        pixels += found.card.samples;
        agree += found.card.row(Measure::OverallAccuracy).unwrap().value * found.card.samples as f64;
    }
    println!("{pixels} pixels in common, on {agree:.0} of which both agree");
    assert_eq!((pixels, agree.round() as usize), (484, 383));
}
