//! What the command says when something is wrong, and what it leaves behind when it dies.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lcz::progress::Silent;
use lcz::scene::{GeoTiff, Labelling, Scene, Window};
use rand::{Rng, SeedableRng};
use serde_json::Value;
use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
use shapefile::{Point, Polygon, PolygonRing};
use tempfile::TempDir;

use super::{PLAIN, Raster, blocks, vectors, write, writing};

fn lcz(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    output(command.current_dir(folder.path()).args(["patches", "--quiet"]).args(arguments))
}

fn start(command: &mut Command) -> Child {
    let _writing = writing();
    command.spawn().unwrap()
}

fn output(command: &mut Command) -> Output {
    start(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()))
        .wait_with_output()
        .unwrap()
}

/// The files of a small scene that works.
fn small_scene() -> TempDir {
    let folder = TempDir::new().unwrap();
    write(&folder, "B2.tif", &PLAIN);
    write(&folder, "B3.tif", &PLAIN);
    write(&folder, "labels.tif", &Raster { values: &blocks, ..PLAIN });
    folder
}

#[test]
fn the_command_writes_the_folder_and_prints_what_became_of_the_pixels() {
    let folder = small_scene();
    let works = ["--bands", "B2.tif,B3.tif", "--labels", "labels.tif", "--size", "4", "--out", "out"];
    let output = lcz(&folder, &works);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("compact high-rise"), "{text}");
    let names = |folder: &Path| {
        let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let told = String::from_utf8(output.stderr).unwrap();
    let report = fs::read_to_string(folder.path().join("out/report.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut absent = 0;
    for class in report["classes"].as_array().unwrap() {
        let (name, index) = (class["name"].as_str().unwrap(), class["index"].as_u64().unwrap() as usize);
        let said = told.split(&format!("{name} ({} region", class["regions"])).nth(1).unwrap_or_default();
        for part in ["training", "validation", "testing"] {
            let lacks = report["dates"][0][part]["classes"][index] == 0;
            assert_eq!(
                lacks,
                said.split(';').next().unwrap().contains(&format!("no {part}")),
                "{name}: {told}"
            );
            absent += usize::from(lacks);
        }
    }
    assert_eq!(absent > 0, told.contains("; choose another --seed or --split"), "{absent} {told}");
    // A class of one region is in one part alone.
    let one = |row: u32, column: u32| if (row, column) == (20, 20) { 9.0 } else { blocks(row, column) };
    write(&folder, "one.tif", &Raster { values: &one, ..PLAIN });
    let output =
        lcz(&folder, &[&works[..2], &["--labels", "one.tif", "--size", "4", "--out", "one"]].concat());
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("9 sparsely built (1 region): no ") && told.contains("no testing"), "{told}");
    let wanted = ["report.json", "testing.h5", "testing.tif", "training.h5", "validation.h5"];
    assert_eq!(names(&folder.path().join("out")), wanted);

    let output = lcz(&folder, &[&works[..7], &["again", "--json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["bands"], serde_json::json!(["B2", "B3"]));
    assert_eq!(report["unit"], "digital number");
}

#[test]
fn every_bad_input_is_told_on_one_line_and_leaves_nothing_behind() {
    let folder = small_scene();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("text.tif"), "no raster, but words\n").unwrap();
    let whole = fs::read(at("B2.tif")).unwrap();
    fs::write(at("short.tif"), &whole[..whole.len() / 2]).unwrap();
    write(&folder, "coarse.tif", &Raster { pixel: 15.0, ..PLAIN });
    write(&folder, "moved.tif", &Raster { corner: [5e5 + 4.0, 5e6], ..PLAIN });
    write(&folder, "small.tif", &Raster { rows: 49, values: &blocks, ..PLAIN });
    let spoilt = |row, column| if (row, column) == (7, 9) { 18.0 } else { 1.0 };
    write(&folder, "spoilt.tif", &Raster { values: &spoilt, ..PLAIN });
    write(&folder, "blank.tif", &Raster { values: &|_, _| 0.0, ..PLAIN });
    write(&folder, "one_region.tif", &Raster { values: &|_, _| 1.0, ..PLAIN });
    fs::create_dir(at("there")).unwrap();
    fs::copy(vectors().join("rasters/refused_zstd.tif"), at("zstd.tif")).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();

    let cases: [(&str, &[&str], &str); 20] = [
        ("B2.tif,none.tif", &[], "none.tif: No such file"),
        ("text.tif", &[], "text.tif: not a TIFF file; "),
        ("short.tif", &[], "short.tif: the file ends early; "),
        ("zstd.tif", &[], "zstd.tif: compression ZSTD is not supported; "),
        ("B2.tif,coarse.tif", &[], "coarse.tif: not on the grid of B2.tif: pixels of 15 x 15, not 10 x 10"),
        (
            "B2.tif,moved.tif",
            &[],
            "moved.tif: not on the grid of B2.tif: upper left corner at 500004 5000000",
        ),
        ("B2.tif,B2.tif", &[], "B2.tif: band 'B2' comes again in B2.tif; "),
        ("", &[], "bands: none is named; "),
        (
            "B2.tif",
            &["--labels", "small.tif"],
            "small.tif: not on the grid of B2.tif: 49 x 60 pixels, not 50 x 60",
        ),
        (
            "B2.tif",
            &["--labels", "spoilt.tif"],
            "spoilt.tif: label 18 at row 7, column 9 is none of the 17 classes",
        ),
        ("B2.tif", &["--labels", "blank.tif"], "blank.tif: no pixel is labelled; "),
        ("B2.tif", &["--labels", "one_region.tif"], "one_region.tif: no validation patch is left"),
        (
            "B2.tif",
            &["--classes", "field"],
            "labels.tif: label 2 at row 0, column 12 is none of the 1 classes",
        ),
        ("B2.tif", &["--size", "0"], "patch size: 0 pixels; "),
        ("B2.tif", &["--size", "51"], "patch size: 51 x 51 pixels in a scene of 50 x 60; "),
        ("B2.tif", &["--split", "60/15/20"], "split 60/15/20: the shares sum to 95, not 100; "),
        (
            "B2.tif",
            &["--scale", "0"],
            "B2.tif: scale 0, offset 0: they would make every pixel equal or infinite; ",
        ),
        ("B2.tif", &["--nodata", "1"], "labels.tif: no training patch is left"),
        ("B2.tif", &["--band-names", "B2,B3"], "band names: 2 names for 1 bands (B2); "),
        ("B2.tif", &["--bands", "B3.tif"], "date 2: bands B3, where date 1 has B2; "),
    ];
    for (bands, further, wanted) in cases {
        let mut arguments = vec!["--bands", bands, "--out", "out"];
        for (option, value) in [("--labels", "labels.tif"), ("--size", "4")] {
            if !further.contains(&option) {
                arguments.extend([option, value]);
            }
        }
        arguments.extend(further);
        let output = lcz(&folder, &arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(message.starts_with(&format!("error: {wanted}")), "{arguments:?}: {message}");
        assert_eq!(message.lines().count(), 1, "{message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{arguments:?}");
    }
    let there = ["--bands", "B2.tif", "--labels", "labels.tif", "--size", "4", "--out", "there"];
    let message = String::from_utf8(lcz(&folder, &there).stderr).unwrap();
    assert!(message.starts_with("error: there: the folder exists; "), "{message}");
}

#[test]
fn a_file_cut_short_anywhere_is_refused() {
    let folder = TempDir::new().unwrap();
    for name in ["u16_strips_lzw_predictor", "u8_tiles_deflate", "big_tiff", "i16_three_bands_planar_tiles"] {
        let bytes = fs::read(vectors().join(format!("rasters/{name}.tif"))).unwrap();
        let path = folder.path().join("short.tif");
        for length in (0..bytes.len()).step_by(37) {
            fs::write(&path, &bytes[..length]).unwrap();
            let read = GeoTiff::open(&path).and_then(|file| file.read(&Window::whole(file.grid()), None));
            assert!(read.is_err(), "{name}, {length} of {} bytes", bytes.len());
        }
    }
}

/// A shapefile of squares with these values in a field `kind`, in the coordinates of `PLAIN`.
fn write_squares(path: &Path, values: &[FieldValue]) {
    let table = TableWriterBuilder::new();
    let field = "kind".try_into().unwrap();
    let table = match values[0] {
        FieldValue::Numeric(_) => table.add_numeric_field(field, 10, 3),
        _ => table.add_character_field(field, 10),
    };
    let mut writer = shapefile::Writer::from_path(path, table).unwrap();
    for (k, value) in values.iter().enumerate() {
        let (x, y) = (5e5 + 100.0 * k as f64, 5e6 - 50.0);
        let corners = [(x, y), (x, y - 90.0), (x + 90.0, y - 90.0), (x + 90.0, y)];
        let ring = corners.map(|(x, y)| Point::new(x, y)).to_vec();
        let mut record = Record::default();
        record.insert("kind".to_owned(), value.clone());
        writer.write_shape_and_record(&Polygon::new(PolygonRing::Outer(ring)), &record).unwrap();
    }
}

#[test]
fn every_bad_shapefile_is_told_on_one_line() {
    let folder = small_scene();
    let at = |name: &str| folder.path().join(name);
    let copy = |from: &str, to: &str, endings: &[&str]| {
        for ending in endings {
            let file = vectors().join(format!("rasters/{from}.{ending}"));
            fs::copy(file, at(to).with_extension(ending)).unwrap();
        }
    };
    copy("polygons", "good.shp", &["shp", "shx", "dbf", "prj"]);
    copy("polygons", "no_table.shp", &["shp", "shx", "prj"]);
    copy("polygons", "no_index.shp", &["shp", "dbf", "prj"]);
    copy("polygons", "words.shp", &["shx", "dbf", "prj"]);
    fs::write(at("words.shp"), "no polygons, but words".repeat(20)).unwrap();
    copy("polygons", "strange.shp", &["shp", "shx", "dbf"]);
    fs::write(at("strange.prj"), "LOCAL_CS[\"our garden\",UNIT[\"m\",1]]").unwrap();
    let numbers =
        |numbers: &[f64]| -> Vec<_> { numbers.iter().map(|&n| FieldValue::Numeric(Some(n))).collect() };
    write_squares(&at("beyond.shp"), &numbers(&[1.0, 118.0]));
    write_squares(&at("half.shp"), &numbers(&[1.0, 2.5]));
    write_squares(&at("nothing.shp"), &numbers(&[0.0, 0.0]));
    write_squares(&at("text.shp"), &[FieldValue::Character(Some("meadow".to_owned()))]);
    let table = TableWriterBuilder::new().add_numeric_field("value".try_into().unwrap(), 4, 0);
    let mut writer = shapefile::Writer::from_path(at("points.shp"), table).unwrap();
    let mut record = Record::default();
    record.insert("value".to_owned(), FieldValue::Numeric(Some(1.0)));
    writer.write_shape_and_record(&Point::new(5e5, 5e6), &record).unwrap();
    drop(writer);
    // The keys that say where it lies, gone: a directory entry of another number.
    let mut bytes = fs::read(at("B2.tif")).unwrap();
    let keys = bytes.windows(4).position(|window| window == [0xAF, 0x87, 3, 0]).unwrap();
    bytes[keys] = 0xAE;
    fs::write(at("nowhere.tif"), bytes).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();

    let nowhere = [&["--bands", "nowhere.tif", "--labels", "good.shp"][..], &CUT[4..]].concat();
    let message = String::from_utf8(lcz(&folder, &nowhere).stderr).unwrap();
    let wanted = "error: nowhere.tif: it does not say in which coordinate system its pixels lie; set it: ";
    assert!(message.starts_with(wanted), "{message}");

    let kind = ["--label-field", "kind", "--label-crs", "EPSG:32632"];
    let cases: [(&str, &[&str], &str); 17] = [
        ("none.shp", &[], "none.shp: No such file"),
        ("no_table.shp", &[], "no_table.shp: no_table.dbf is not next to it; a shapefile is three files"),
        ("no_index.shp", &[], "no_index.shp: no_index.shx is not next to it; a shapefile is three files"),
        ("words.shp", &[], "words.shp: not a shapefile; "),
        ("points.shp", &[], "points.shp: it holds points, not polygons; "),
        ("strange.shp", &[], "strange.prj: the coordinate system 'our garden' is not recognised; name"),
        ("good.shp", &[], "good.shp: in EPSG:32633, but B2.tif is in EPSG:32632; reproject the polygons"),
        ("good.shp", &["--reproject"], "good.shp: no polygon covers the centre of a pixel of B2.tif; "),
        ("good.shp", &["--label-field", "zone"], "good.shp: no field 'zone' (found: Name, LCZ, city); "),
        ("good.shp", &["--group-field", "zone"], "good.shp: no field 'zone' (found: Name, LCZ, city); "),
        ("good.shp", &["--label-crs", "UTM"], "'UTM': not the EPSG code of a coordinate system; "),
        ("beyond.shp", &[], "beyond.shp: no field is called like a class (found: kind); name the field of"),
        ("beyond.shp", &kind, "beyond.shp, polygon 2: kind is 118, which is none of the 17 classes; "),
        ("half.shp", &kind, "half.shp, polygon 2: kind is 2.5, which is none of the 17 classes; "),
        ("text.shp", &kind, "text.shp, polygon 1: kind is 'meadow', which is none of the 17 classes; "),
        ("nothing.shp", &kind, "nothing.shp: kind is 0 or empty in all 2 polygons; "),
        ("labels.tif", &["--label-field", "kind"], "labels.tif: a raster has no field 'kind'; "),
    ];
    for (labels, further, wanted) in cases {
        let usual = ["--bands", "B2.tif", "--labels", labels, "--size", "4", "--out", "out"];
        let output = lcz(&folder, &[&usual, further].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        // Before the error, warnings may say what is odd about the polygons.
        let (_, last) = message.trim_end().rsplit_once('\n').unwrap_or(("", message.trim_end()));
        assert!(!output.status.success(), "{labels} {further:?}");
        assert!(last.starts_with(&format!("error: {wanted}")), "{labels} {further:?}: {message}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), before, "{labels} {further:?}");
    }
}

#[test]
fn no_spoilt_shapefile_makes_the_reader_panic() {
    let folder = TempDir::new().unwrap();
    let dates = [Scene::open([vectors().join("rasters/u8_strips.tif")]).unwrap()];
    let path = folder.path().join("polygons.shp");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let mut refused = 0;
    for spoilt in ["shp", "shx", "dbf", "prj"] {
        for ending in ["shp", "shx", "dbf", "prj"] {
            fs::copy(vectors().join(format!("rasters/polygons.{ending}")), path.with_extension(ending))
                .unwrap();
        }
        let whole = fs::read(path.with_extension(spoilt)).unwrap();
        for k in 0..400 {
            let mut bytes = whole.clone();
            if k % 2 == 0 {
                bytes.truncate(rng.gen_range(0..whole.len()));
            } else {
                for _ in 0..3 {
                    // Headers are met more often than the middle of coordinates.
                    let place = rng.gen_range(0..whole.len()) * rng.gen_range(0..=3) / 3;
                    bytes[place] = rng.r#gen();
                }
            }
            fs::write(path.with_extension(spoilt), bytes).unwrap();
            if let Err(error) = Labelling::default().open(&path, &dates, &mut Silent) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 400, "only {refused} of 1600 were refused");
}

/// A scene of 600 × 600 pixels with 22,500 labelled ones, which takes a moment to cut.
fn large_scene() -> TempDir {
    let folder = TempDir::new().unwrap();
    let large = Raster { columns: 600, rows: 600, values: &|row, column| (row + column) as f32, ..PLAIN };
    write(&folder, "B2.tif", &large);
    write(&folder, "labels.tif", &Raster { values: &blocks, ..large });
    folder
}

const CUT: [&str; 10] =
    ["--bands", "B2.tif", "--labels", "labels.tif", "--size", "8", "--out", "out", "--seed", "1"];

/// The command as a terminal starts it: what a script starts in the background ignores Ctrl-C, and so does all that
/// it starts in turn.
fn in_the_foreground() -> Command {
    let lcz = env!("CARGO_BIN_EXE_lcz");
    if cfg!(not(target_os = "linux")) {
        return Command::new(lcz);
    }
    let mut command = Command::new("env");
    command.args(["--default-signal=INT", lcz]);
    command
}

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
#[cfg(unix)]
fn a_killed_or_interrupted_run_leaves_no_folder_and_the_next_run_clears_up() {
    let folder = large_scene();
    let is_partial = |name: &String| name.starts_with(".out.") && name.ends_with(".partial");
    for signal in ["-KILL", "-INT", "-TERM"] {
        let mut command = in_the_foreground();
        command.current_dir(folder.path()).args(["patches", "--quiet"]).args(CUT);
        let mut child = start(command.stdout(Stdio::null()).stderr(Stdio::null()));
        // In the middle of writing: once the hidden folder is there with a file in it.
        let began = Instant::now();
        let writing = |names: &[String]| {
            let own = format!(".out.{}-", child.id());
            let partial = names.iter().find(|name| name.starts_with(&own));
            partial.is_some_and(|name| {
                fs::read_dir(folder.path().join(name)).is_ok_and(|mut files| files.next().is_some())
            })
        };
        while !writing(&names(&folder)) {
            assert!(began.elapsed() < Duration::from_mins(1), "nothing is being written");
        }
        let id = child.id().to_string();
        assert!(start(Command::new("kill").args([signal, &id])).wait().unwrap().success());
        assert!(!child.wait().unwrap().success(), "it ended before {signal}");
        let left = names(&folder);
        assert!(!left.contains(&"out".to_owned()), "{signal}: {left:?}");
        // What the run before left is gone: at most one partial folder is there at a time.
        assert!(left.iter().filter(|name| is_partial(name)).count() <= 1, "{signal}: {left:?}");
    }
    assert!(lcz(&folder, &CUT).status.success());
    assert_eq!(names(&folder), ["B2.tif", "labels.tif", "out"]);
    assert_eq!(fs::read_dir(folder.path().join("out")).unwrap().count(), 5);
}

#[test]
#[cfg(unix)]
fn a_run_out_of_space_says_so_and_leaves_nothing() {
    let folder = large_scene();
    // Blocks of 512 or 1024 bytes a file: from nothing at all to nearly everything.
    for blocks in [0, 1, 5, 50, 500] {
        for ignored in [true, false] {
            let trap = if ignored { "trap '' XFSZ; " } else { "" };
            let script = format!("{trap}ulimit -c 0; ulimit -f {blocks}; exec \"$0\" patches --quiet \"$@\"");
            let mut command = Command::new("sh");
            command.current_dir(folder.path()).args(["-c", &script, env!("CARGO_BIN_EXE_lcz")]).args(CUT);
            let output = output(&mut command);
            let message = String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success(), "{blocks} blocks were enough");
            let left = names(&folder);
            assert!(!left.contains(&"out".to_owned()), "{blocks}: {left:?}");
            if ignored {
                // The write fails and is told; else the system kills the process.
                assert!(
                    message.starts_with("error: ") && message.lines().count() == 1,
                    "{blocks}: {message}"
                );
                assert_eq!(left, ["B2.tif", "labels.tif"], "{blocks}");
            }
        }
    }
    assert!(lcz(&folder, &CUT).status.success());
    assert_eq!(names(&folder), ["B2.tif", "labels.tif", "out"]);
}
