//! `lcz map`: each window as `lcz predict` has it, the map where the windows are, the truth however it is stored,
//! and every bad input against its one line.

// Pixels are whole numbers, or come from the very operations that they are compared with.
#![allow(clippy::float_cmp)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use lcz::data::predictions::{self, Stated};
use lcz::data::so2sat::{Layout, Rows, Writer};
use lcz::models::{self, Device};
use lcz::progress::Silent;
use lcz::run::Run;
use lcz::scene::{Crs, GeoTiff, GeoTiffWriter, Grid, Pixel, Product, Raster, Transform, Window, classes_on};
use lcz::synthetic::SyntheticScene;
use lcz::{Bands, Classes, Imagery, Standardisation};
use ndarray::{Array3, Array4};
use serde_json::Value;
use tiff::decoder::Decoder;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

/// Held while HDF5 is written and while a process starts: HDF5 locks files that it writes, and a process started
/// meanwhile by another test would inherit the lock.
fn writing() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn lcz(arguments: &[&str]) -> Output {
    let child = {
        let _writing = writing();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.arg("--quiet").args(arguments).stdout(std::process::Stdio::piped());
        command.stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(arguments: &[&str]) -> String {
    let output = lcz(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The one line that is told.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = lcz(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
    assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    message
}

/// A folder with a synthetic scene, `scene`, of 110 × 150 pixels, and a network with random weights, `run`.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("map");
        // Left by an earlier run of these tests, if anything.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let scene = SyntheticScene { rows: 110, columns: 150, seed: 3, clouds: 0.1 };
        scene.write(folder.join("scene"), &mut Silent).unwrap();
        Run::create(folder.join("run"), |run| {
            let sen2lcz = models::Architecture::Sen2lcz(models::sen2lcz::Sen2LczSettings {
                depth: 5,
                width: 4,
                ..Default::default()
            });
            run.keep(&*models::build(&sen2lcz, &Imagery::so2sat(), &Classes::lcz(), 7, Device::Cpu)?)
        })
        .unwrap();
        folder
    })
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// The scene's bands, in another order than the model's.
fn bands(place: &Path) -> String {
    let names = ["B12", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11"];
    names.map(|name| text(&place.join(format!("scene/{name}.tif")))).join(",")
}

fn raster(path: &Path) -> (Grid, Array3<f32>) {
    let raster = GeoTiff::open(path).unwrap();
    let pixels = raster.read(&Window::whole(raster.grid()), None).unwrap();
    (raster.grid().clone(), pixels)
}

/// What the files hold at 10 m, cut by hand: 20 m bands by nearest neighbour, reflectance = value / 10,000.
fn windows_by_hand(place: &Path, stride: usize) -> (Vec<[usize; 2]>, Array4<f32>) {
    let ten = Bands::sentinel2();
    let bands: Vec<Array3<f32>> =
        ten.names().iter().map(|name| raster(&place.join(format!("scene/{name}.tif"))).1).collect();
    let (rows, columns) = (110, 150);
    let value = |c: usize, row: usize, column: usize| {
        let factor = rows / bands[c].dim().1;
        bands[c][[0, row / factor, column / factor]]
    };
    let all = (0..=(rows - 32) / stride).flat_map(|r| (0..=(columns - 32) / stride).map(move |c| [r, c]));
    let has_data = |&[r, c]: &[usize; 2]| {
        (0..10)
            .all(|band| (0..32).all(|y| (0..32).all(|x| value(band, r * stride + y, c * stride + x) != 0.0)))
    };
    let places: Vec<[usize; 2]> = all.filter(has_data).collect();
    let images = Array4::from_shape_fn((places.len(), 32, 32, 10), |(n, y, x, band)| {
        (f64::from(value(band, places[n][0] * stride + y, places[n][1] * stride + x)) * 1e-4) as f32
    });
    (places, images)
}

/// A file of such windows, labelled with all classes in turn.
fn windows_file(path: &Path, images: &Array4<f32>) {
    let _writing = writing();
    let labels: Vec<usize> = (0..images.dim().0).map(|n| n % 17).collect();
    let layout = Layout::new("sen2", Imagery::so2sat(), Classes::lcz(), "synthetic, of a test");
    let mut writer = Writer::create(path, &layout).unwrap();
    writer.append(Rows { labels: Some(&labels), ..Rows::new(images.view()) }).unwrap();
    writer.finish().unwrap();
}

#[test]
fn each_window_has_the_probabilities_that_predict_gives_it() {
    let place = place();
    let (run, out) = (text(&place.join("run")), place.join("city.tif"));
    let report = done(&[
        "map",
        &run,
        "--bands",
        &bands(place),
        "--stride",
        "7px",
        "--probabilities",
        "--json",
        "--out",
        &text(&out),
    ]);
    let report: Value = serde_json::from_str(&report).unwrap();

    let (places, images) = windows_by_hand(place, 7);
    assert!(places.len() > 100 && report["without_data"].as_u64().unwrap() > 0, "{report}");
    let file = place.join("windows.h5");
    windows_file(&file, &images);
    let predicted = place.join("predicted.h5");
    done(&["predict", &run, "--data", &text(&file), "--out", &text(&predicted)]);
    let predicted = predictions::read(&predicted, None).unwrap();
    let Stated::Probabilities(p) = &predicted.predicted else { panic!() };

    let (grid, mapped) = raster(&place.join("city-probabilities.tif"));
    assert_eq!((grid.rows, grid.columns, mapped.dim().0), (12, 17, 17));
    assert_eq!(report["classified"], places.len());
    let (zones, confidence) = (raster(&out).1, raster(&place.join("city-confidence.tif")).1);
    let entropy = raster(&place.join("city-entropy.tif")).1;
    for (&[row, column], p) in places.iter().zip(p.view().outer_iter()) {
        let mut highest = (0, 0.0);
        for (k, &wanted) in p.iter().enumerate() {
            let given = f64::from(mapped[[k, row, column]]);
            assert!((given - wanted).abs() < 1e-5, "class {k} at {row}, {column}: {given}, not {wanted}");
            if wanted > highest.1 {
                highest = (k, wanted);
            }
        }
        assert_eq!(zones[[0, row, column]], highest.0 as f32 + 1.0);
        assert!((f64::from(confidence[[0, row, column]]) - highest.1).abs() < 1e-5);
        let wanted: f64 = p.iter().map(|&p| if p > 0.0 { -p * p.ln() } else { 0.0 }).sum();
        assert!((f64::from(entropy[[0, row, column]]) - wanted).abs() < 1e-4);
    }
    // All other pixels have no data, in every file.
    let mut others = 0;
    for row in 0..12 {
        for column in (0..17).filter(|&column| !places.contains(&[row, column])) {
            assert_eq!(zones[[0, row, column]], 0.0);
            assert!(confidence[[0, row, column]].is_nan() && mapped[[3, row, column]].is_nan());
            others += 1;
        }
    }
    assert_eq!(report["without_data"], others);

    // The pixel of the first window is 7 × 7 pixels, of which the middle one is (16, 16).
    let scene = raster(&place.join("scene/B2.tif")).0.transform.unwrap();
    let Transform(map) = grid.transform.unwrap();
    assert_eq!((map[0], map[3]), scene.coordinates(13.0, 13.0));
    assert_eq!((map[1], map[5]), (70.0, -70.0));
    let says = GeoTiff::open(&out).unwrap().description().unwrap().to_owned();
    assert!(
        says.starts_with(
            "class numbers, smoothed by a Gaussian in the second band; probability in percent; synthetic"
        ),
        "{says}"
    );
    // The LCZ Generator's bands, by name; percent of the confidence.
    let names: Vec<_> =
        GeoTiff::open(&out).unwrap().tags().iter().map(|tags| tags.name.clone().unwrap()).collect();
    assert_eq!(names, ["lcz", "lczFilter", "probability"]);
    for (percent, p) in zones.index_axis(ndarray::Axis(0), 2).iter().zip(&confidence) {
        assert_eq!(*percent, if p.is_nan() { 0.0 } else { (100.0 * p).round() });
    }
    let [auxiliary, style] =
        ["tif.aux.xml", "qml"].map(|end| fs::read_to_string(out.with_extension(end)).unwrap());
    assert!(auxiliary.contains("<Category>6 open low-rise</Category>"), "{auxiliary}");
    assert!(
        style.contains("<paletteEntry value=\"6\" color=\"#ff985e\" label=\"6 open low-rise\""),
        "{style}"
    );
    let figure = fs::read_to_string(place.join("city.csv")).unwrap();
    assert!(figure.contains("# data: synthetic"), "{figure}");
}

/// The `GeoKey` directory of a file.
fn keys(path: &Path) -> Vec<u16> {
    let mut decoder = Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).unwrap();
    decoder.get_tag(Tag::GeoKeyDirectoryTag).unwrap().into_u16_vec().unwrap()
}

#[test]
fn keys_that_lack_the_kind_of_system_are_written_again_as_they_are() {
    let place = place();
    let folder = place.join("keys");
    let map = |name: &str, keys_of_bands: &[[u16; 4]]| {
        let at = folder.join(name);
        fs::create_dir_all(&at).unwrap();
        for band in Bands::sentinel2().names() {
            let (grid, pixels) = raster(&place.join(format!("scene/{band}.tif")));
            let t = grid.transform.unwrap().0;
            let file = fs::File::create(at.join(format!("{band}.tif"))).unwrap();
            let mut encoder = TiffEncoder::new(file).unwrap();
            let size = (grid.columns as u32, grid.rows as u32);
            let mut image = encoder.new_image::<colortype::Gray16>(size.0, size.1).unwrap();
            let tags = image.encoder();
            tags.write_tag(Tag::ModelPixelScaleTag, &[t[1], -t[5], 0.0][..]).unwrap();
            tags.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, t[0], t[3], 0.0][..]).unwrap();
            tags.write_tag(Tag::GeoKeyDirectoryTag, keys_of_bands.as_flattened()).unwrap();
            tags.write_tag(Tag::GdalNodata, "0").unwrap();
            let values: Vec<u16> = pixels.iter().map(|&value| value as u16).collect();
            image.write_data(&values).unwrap();
        }
        // The folder is made.
        let out = at.join("out/map.tif");
        let (run, scene) = (text(&place.join("run")), text(&at));
        let out_of =
            ["map", &run, "--scene", &scene, "--scale", "1e-4", "--stride", "20px", "--out", &text(&out)];
        // Pixels of unknown size are taken as they are.
        let more: &[&str] = if name == "unit" { &["--resample", "none", "--sigma", "1px"] } else { &[] };
        done(&[&out_of, more].concat());
        out
    };
    let whole = raster(&place.join("scene/B2.tif")).0.crs;
    // The system alone; the same as a projection of the zone; a unit, which places nothing.
    let code = whole.epsg().unwrap();
    let system = [[1, 1, 0, 2], [1025, 0, 1, 1], [3072, 0, 1, code]];
    let projection = [[1, 1, 0, 3], [1025, 0, 1, 1], [2048, 0, 1, 4326], [3074, 0, 1, 16000 + code % 100]];
    let unit = [[1, 1, 0, 2], [1025, 0, 1, 1], [3076, 0, 1, 9001]];
    for (name, wanted) in [("system", &system[..]), ("projection", &projection), ("unit", &unit)] {
        let out = map(name, wanted);
        for file in [&out, &out.with_file_name("map-entropy.tif")] {
            assert_eq!(keys(file), wanted.as_flattened(), "{name}");
        }
        let crs = raster(&out).0.crs;
        assert_eq!(crs == whole, name == "system", "{name}: {crs}");
        assert_eq!(raster(&out).0.ground_sampling_distance(), (name != "unit").then_some(200.0), "{name}");
    }
}

#[test]
fn a_network_and_an_ensemble_map_at_their_temperatures_as_they_predict() {
    let place = place();
    let folder = place.join("scaled");
    fs::create_dir(&folder).unwrap();
    let keep = |run: &Path, seed: u64| {
        let settings = models::sen2lcz::Sen2LczSettings { depth: 5, width: 2, ..Default::default() };
        let network = models::Architecture::Sen2lcz(settings);
        let network = models::build(&network, &Imagery::so2sat(), &Classes::lcz(), seed, Device::Cpu);
        Run::create(run, |run| run.keep(&*network?)).unwrap();
    };
    let (network, ensemble) = (folder.join("network"), folder.join("ensemble"));
    keep(&network, 1);
    fs::create_dir(&ensemble).unwrap();
    for seed in [2, 3] {
        keep(&ensemble.join(format!("member-{}", seed - 2)), seed);
    }
    fs::write(ensemble.join("ensemble.toml"), "members = 2\n").unwrap();
    let (places, images) = windows_by_hand(place, 20);
    let file = folder.join("windows.h5");
    windows_file(&file, &images);
    for run in [&network, &ensemble] {
        let run = text(run);
        done(&["temp-scale", &run, "--data", &text(&file), "--force"]);
        let temperature = Run::open(Path::new(&run)).unwrap().temperature().unwrap().unwrap().temperature;
        assert!((temperature - 1.0).abs() > 0.01, "{run}: T = {temperature}");
        for unscaled in [&[][..], &["--unscaled"]] {
            let out = format!("{run}-{}.tif", unscaled.len());
            let bands = bands(place);
            let map =
                ["map", &run, "--bands", &bands, "--scale", "1e-4", "--stride", "20px", "--probabilities"];
            done(&[&map[..], &["--out", &out], unscaled].concat());
            let predicted = out.replace(".tif", ".h5");
            done(&[&["predict", &run, "--data", &text(&file), "--out", &predicted], unscaled].concat());
            let predicted = predictions::read(Path::new(&predicted), None).unwrap();
            assert_eq!(predicted.temperature.is_some(), unscaled.is_empty());
            let Stated::Probabilities(p) = &predicted.predicted else { panic!() };
            let mapped = raster(Path::new(&out.replace(".tif", "-probabilities.tif"))).1;
            for (&[row, column], p) in places.iter().zip(p.view().outer_iter()) {
                for (k, wanted) in p.iter().enumerate() {
                    let given = f64::from(mapped[[k, row, column]]);
                    assert!((given - wanted).abs() < 1e-5, "{out}, class {k}: {given}, not {wanted}");
                }
            }
        }
    }
}

#[test]
fn a_map_of_every_pixel_lies_on_the_scenes_own_grid() {
    let place = place();
    // Two bands of 21 × 25 pixels of 100 m, without coordinates' help: the network takes windows of 8 × 8.
    let folder = place.join("every");
    fs::create_dir(&folder).unwrap();
    let grid = utm(21, 25, 100.0);
    for (name, step) in [("B1", 3), ("B2", 5)] {
        let mut writer = GeoTiffWriter::<u16>::create(folder.join(format!("{name}.tif")), &grid).unwrap();
        writer.append(&(0..21 * 25).map(|k| (k * step % 97) as u16).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
    }
    let run = small_run(&folder);
    let (out, inputs) = (folder.join("map.tif"), format!("{0}/B1.tif,{0}/B2.tif", text(&folder)));
    done(&["map", &run, "--bands", &inputs, "--sigma", "1px", "--out", &text(&out)]);
    let map = raster(&out).0;
    assert_eq!((map.rows, map.columns), (14, 18));
    assert_eq!(map.transform, Some(Transform([500_400.0, 100.0, 0.0, 5_299_600.0, 0.0, -100.0])));
}

fn utm(rows: usize, columns: usize, pixel: f64) -> Grid {
    Grid {
        rows,
        columns,
        transform: Some(Transform([500_000.0, pixel, 0.0, 5_300_000.0, 0.0, -pixel])),
        crs: Crs::from_epsg(32633).unwrap(),
    }
}

/// A network on windows of 8 × 8 pixels of 100 m in B1 and B2.
fn small_run(folder: &Path) -> String {
    let imagery = Imagery {
        patch_size: 8,
        bands: Bands::named(["B1", "B2"]).unwrap(),
        ground_sampling_distance: Some(100.0),
        unit: "digital number".to_owned(),
        sensor: None,
    };
    let run = folder.join("run");
    Run::create(&run, |run| {
        let network = models::build(&models::Architecture::mlp(), &imagery, &Classes::lcz(), 1, Device::Cpu)?;
        run.keep(&*network)
    })
    .unwrap();
    text(&run)
}

#[test]
fn pixels_of_another_size_are_brought_to_those_of_the_model() {
    let place = place();
    let folder = place.join("resampled");
    fs::create_dir(&folder).unwrap();
    // 60 × 70 pixels of 50 m, resampled by the mean of 2 × 2 of them to 30 × 35 pixels of 100 m.
    let write = |name: &str, rows: usize, columns: usize, pixel: f64, value: &dyn Fn(usize, usize) -> u16| {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = GeoTiffWriter::<u16>::create(&path, &utm(rows, columns, pixel)).unwrap();
        let values = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        writer.append(&values.map(|(row, column)| value(row, column)).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
    };
    let coarse = |row: usize, column: usize| (100 + row * 31 % 17 + column * 13 % 23) as u16;
    let fine = |row: usize, column: usize| {
        let around = if (row + column).is_multiple_of(2) { 7 } else { -7 };
        (i32::from(coarse(row / 2, column / 2)) + around) as u16
    };
    for (band, extra) in [("B1", 0), ("B2", 40)] {
        write(&format!("coarse/{band}.tif"), 30, 35, 100.0, &|row, column| coarse(row, column) + extra);
        write(&format!("fine/{band}.tif"), 60, 70, 50.0, &|row, column| fine(row, column) + extra);
    }
    let run = small_run(&folder);
    let map = |scene: &str, options: &[&str]| {
        let inputs = ["B1", "B2"].map(|band| text(&folder.join(format!("{scene}/{band}.tif")))).join(",");
        let out = folder.join(format!("{scene}-{}.tif", options.len()));
        let mut arguments = vec!["map", &run, "--bands", &inputs, "--probabilities"];
        let out = text(&out);
        arguments.extend(["--out", &out].iter().chain(options));
        done(&arguments);
        raster(Path::new(&out.replace(".tif", "-probabilities.tif")))
    };
    let (wanted, given) = (map("coarse", &[]), map("fine", &[]));
    assert_eq!(wanted.0, given.0, "one grid");
    for (a, b) in wanted.1.iter().zip(&given.1) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
    // As it is, it is mapped at its own pixels: windows of 8 pixels of 50 m, two pixels apart.
    let inputs = ["B1", "B2"].map(|band| text(&folder.join(format!("fine/{band}.tif")))).join(",");
    let out = text(&folder.join("own.tif"));
    let output = lcz(&["map", &run, "--bands", &inputs, "--resample", "none", "--out", &out]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && told.contains("pixels of 50 m, not 100 m: mapped at"), "{told}");
    let map = raster(Path::new(&out)).0;
    assert_eq!((map.rows, map.columns), ((60 - 8) / 2 + 1, (70 - 8) / 2 + 1));
}

/// Writes a raster cell by cell.
fn write<P: Pixel>((path, grid): (PathBuf, Grid), no_data: P, value: impl Fn(i32, i32) -> P) {
    let mut writer = GeoTiffWriter::create(path, &grid).unwrap().no_data(no_data);
    let cells = (0..grid.rows as i32).flat_map(|row| (0..grid.columns as i32).map(move |c| (row, c)));
    writer.append(&cells.map(|(row, column)| value(row, column)).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn a_map_is_scored_by_truths_of_any_kind_and_place() {
    let place = place();
    let folder = place.join("truth");
    fs::create_dir(&folder).unwrap();
    let truth = |name: &str, shift: f64| {
        let grid = Grid {
            transform: Some(Transform([500_000.0 + shift, 100.0, 0.0, 5_300_000.0, 0.0, -100.0])),
            ..utm(40, 50, 100.0)
        };
        (folder.join(name), grid)
    };
    let zone = |row: i32, column: i32| (row * 3 + column * 5) % 17 + 1;
    let known = |row: i32, column: i32| (row + column) % 3 != 0;
    write(truth("bytes.tif", 0.0), 0u8, |r, c| if known(r, c) { zone(r, c) as u8 } else { 0 });
    write(truth("integers.tif", 0.0), -999i32, |r, c| if known(r, c) { zone(r, c) } else { -999 });
    // A pixel further east, with its values a pixel further west: the same at every place that both have.
    write(truth("shifted.tif", 100.0), 0u8, |r, c| if known(r, c + 1) { zone(r, c + 1) as u8 } else { 0 });

    let map = utm(30, 30, 100.0);
    let on_map = |name: &str| {
        let raster = GeoTiff::open(folder.join(name)).unwrap();
        classes_on(&raster, &map, &Classes::lcz()).unwrap()
    };
    let bytes = on_map("bytes.tif");
    for ((row, column), &number) in bytes.indexed_iter() {
        let (row, column) = (row as i32, column as i32);
        assert_eq!(i32::from(number), if known(row, column) { zone(row, column) } else { 0 });
    }
    assert_eq!(on_map("integers.tif"), bytes);
    let shifted = on_map("shifted.tif");
    assert_eq!(shifted.slice(ndarray::s![.., 1..]), bytes.slice(ndarray::s![.., 1..]));
    assert!(shifted.column(0).iter().all(|&number| number == 0), "outside");
    // Longitude and latitude: the map's centres are looked up where pyproj says they are.
    let degrees = Grid {
        rows: 2,
        columns: 2,
        transform: Some(Transform([15.0, 0.01, 0.0, 47.86, 0.0, -0.005])),
        crs: Crs::from_epsg(4326).unwrap(),
    };
    write((folder.join("degrees.tif"), degrees), 0u8, |r, c| (1 + r * 2 + c) as u8);
    let raster = GeoTiff::open(folder.join("degrees.tif")).unwrap();
    let at = classes_on(&raster, &map, &Classes::lcz()).unwrap();
    // 500,000 m east is 15°; 5,300,000 m north is 47.853° (pyproj): the third and fourth of the four pixels.
    let present: std::collections::BTreeSet<u8> = at.iter().copied().collect();
    assert_eq!(present, [0, 3, 4].into());

    let message = |name: &str| {
        classes_on(&GeoTiff::open(folder.join(name)).unwrap(), &map, &Classes::lcz()).unwrap_err().to_string()
    };
    write(truth("odd.tif", 0.0), 0u8, |r, c| if (r, c) == (2, 3) { 18 } else { 1 });
    assert!(message("odd.tif").contains("18 at row 2, column 3 is none of the 17 classes"));
    write(truth("far.tif", 1e6), 0u8, |_, _| 1);
    assert!(message("far.tif").contains("no pixel of the map has a class in it"));
}

#[test]
fn a_map_against_itself_is_all_right() {
    let place = place();
    let run = text(&place.join("run"));
    let (bands, first) = (bands(place), text(&place.join("first.tif")));
    done(&["map", &run, "--bands", &bands, "--scale", "1e-4", "--out", &first]);
    let out = text(&place.join("second.tif"));
    let report = done(&[
        "map", &run, "--bands", &bands, "--scale", "1e-4", "--labels", &first, "--layer", "lcz", "--json",
        "--out", &out,
    ]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["scores"]["overall_accuracy"], 1.0);
    assert_eq!(report["scores"]["without_class"], 0);
    assert_eq!(report["scores"]["pixels"], report["classified"]);
    for class in report["scores"]["classes"].as_array().unwrap() {
        assert_eq!((&class["f1"], &class["reference_share"]), (&Value::from(1.0), &class["mapped_share"]));
    }
    let same = |ending: &str| {
        let of = |name: &str| fs::read(place.join(format!("{name}{ending}"))).unwrap();
        assert!(of("first") == of("second"), "{ending}");
    };
    [".tif", ".tif.aux.xml", ".qml", "-confidence.tif", "-entropy.tif"].into_iter().for_each(same);
    // The truth of the generator is read, too; random weights know nothing of it.
    let (lcz_tif, out) = (text(&place.join("scene/LCZ.tif")), text(&place.join("third.tif")));
    let told =
        done(&["map", &run, "--bands", &bands, "--scale", "1e-4", "--labels", &lcz_tif, "--out", &out]);
    for words in ["compared with the reference", "filtered map", "OA_bu", "map share"] {
        assert!(told.contains(words), "{told}");
    }
    // The figure has the shares of the table.
    let figure = fs::read_to_string(place.join("third.csv")).unwrap();
    let rows = || {
        figure.lines().filter(|line| !line.starts_with('#')).map(|line| line.split(',').collect::<Vec<_>>())
    };
    let column = rows().next().unwrap().iter().position(|name| *name == "reference_share").unwrap();
    let table = told.split_once("at these pixels").unwrap().1;
    // Names may have commas: the share is counted from the end.
    let from_end = rows().next().unwrap().len() - column;
    let mut shares = 0;
    for row in rows().skip(1) {
        let share = lcz::display::percent(row[row.len() - from_end].parse().unwrap());
        if let Some(line) = table.lines().find(|line| line.starts_with(&format!("{} ", row[0]))) {
            assert!(line.contains(&share), "{share}: {line:?}");
            shares += 1;
        }
    }
    assert!(shares > 2, "{table}");
    // It has a class where the map has no data, too: such a pixel does not count in the accuracy.
    let (before, after) = told.split_once(" pixels have a reference class, ").unwrap();
    let pixels: usize = before.lines().last().unwrap().parse().unwrap();
    let without: usize = after.split_once(" of them without a class on the map").unwrap().0.parse().unwrap();
    assert!(without > 0, "{told}");
    let figure = fs::read_to_string(place.join("third.svg")).unwrap();
    assert!(figure.contains(&format!("on {} pixels that have", pixels - without)), "{figure}");
}

#[test]
fn what_cannot_be_mapped_is_told_in_one_line_and_leaves_nothing() {
    let place = place();
    let run = text(&place.join("run"));
    let folder = place.join("bad");
    fs::create_dir(&folder).unwrap();
    let out = text(&folder.join("city.tif"));
    let all = bands(place);
    let told = |bands: &str, options: &[&str]| {
        let mut arguments = vec!["map", &run, "--bands", bands, "--out", &out];
        arguments.extend(options);
        refused(&arguments)
    };
    let scaled = ["--scale", "1e-4"];
    let one_fewer = all.split_once(',').unwrap().1;
    let message = told(one_fewer, &scaled);
    assert!(message.contains("band 'B12' is missing: the model takes B2 B3"), "{message}");
    let message = told(&all, &["--unit", "digital number"]);
    assert!(message.contains("pixels in digital number, not reflectance; say how values"), "{message}");
    let message = told(&all, &["--scale", "1e-4", "--stride", "0px"]);
    assert!(message.contains("stride: 0 pixels; give 100m"), "{message}");
    let message = told(&all, &["--scale", "1e-4", "--stride", "wide"]);
    assert!(message.contains("'wide': not a distance"), "{message}");
    let message = told(&all, &["--scale", "1e-4", "--sigma", "0m"]);
    assert!(message.contains("the filter's width: 0;"), "{message}");
    let message = told(&all, &["--scale", "0"]);
    assert!(message.contains("scale 0, offset 0"), "{message}");
    let message = told(&all, &["--scale", "1e-4", "--labels", &text(&folder.join("none.tif"))]);
    assert!(message.contains("none.tif: No such file"), "{message}");
    // A band of another size, a scene smaller than a window, one without a clear window.
    let write = |name: &str, rows: usize, columns: usize, value: u16| {
        let path = folder.join(format!("{name}.tif"));
        let mut writer = GeoTiffWriter::<u16>::create(&path, &utm(rows, columns, 10.0)).unwrap().no_data(0);
        writer.append(&vec![value; rows * columns]).unwrap();
        writer.finish().unwrap();
        text(&path)
    };
    let scene = |rows, columns, value| -> String {
        let names = Bands::sentinel2();
        let files =
            names.names().iter().map(|name| write(&format!("{rows}_{value}_{name}"), rows, columns, value));
        files.collect::<Vec<_>>().join(",")
    };
    let (small, clouded) = (scene(31, 60, 900), scene(64, 64, 0));
    let odd = format!("{},{}", small.split_once(',').unwrap().1, write("B2", 40, 60, 900));
    assert!(told(&odd, &scaled).contains("not on the grid of"), "{}", told(&odd, &scaled));
    let message = told(&small, &scaled);
    assert!(message.contains("31 x 60 pixels are less than a window of 32 x 32"), "{message}");
    let message = told(&clouded, &scaled);
    assert!(message.contains("each of its 16 windows holds a pixel without data"), "{message}");
    assert!(!Path::new(&out).exists());
    let left = fs::read_dir(&folder).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("city")
    });
    assert_eq!(left.count(), 0);

    for (name, words) in [("city.png", "not the name of a GeoTIFF"), ("city", "not the name of a GeoTIFF")] {
        let out = text(&folder.join(name));
        let message = refused(&["map", &run, "--bands", &all, "--scale", "1e-4", "--out", &out]);
        assert!(message.contains(words), "{message}");
    }
    fs::write(folder.join("city-entropy.tif"), "mine").unwrap();
    assert!(told(&all, &scaled).contains("city-entropy.tif: the file exists"));
}

#[test]
fn the_lcz_generators_own_map_is_read_with_its_missing_pixels() {
    let Some(path) = support::real_file("lcz_maps/lcz_zaragoza.tif") else { return };
    let raster = GeoTiff::open(path).unwrap();
    let numbers = classes_on(&raster, raster.grid(), &Classes::lcz()).unwrap();
    let missing = numbers.iter().filter(|&&number| number == 0).count();
    let known: Value = serde_json::from_str(include_str!("vectors/rasters.json")).unwrap();
    let known = &known["real"]["lcz_maps/lcz_zaragoza.tif"];
    assert_eq!(Some(missing as u64), known["missing"].as_u64());
    let sum: f64 = numbers.iter().map(|&number| f64::from(number)).sum();
    assert_eq!(Some(sum), known["sum"].as_f64());
}

/// Probabilities of a map. Shape: (K, lines, columns).
fn probabilities(folder: &Path, name: &str) -> Array3<f32> {
    raster(&folder.join(format!("{name}-probabilities.tif"))).1
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[test]
// One map of each kind, compared window by window.
#[allow(clippy::too_many_lines)]
fn dates_are_averaged_and_clouds_leave_a_window_to_the_other_date() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let imagery = Imagery { bands: Bands::named(["B5", "B2", "B3"]).unwrap(), ..Imagery::so2sat() };
    Run::create(at("run"), |run| {
        let settings = models::sen2lcz::Sen2LczSettings { depth: 5, width: 4, ..Default::default() };
        let sen2lcz = models::Architecture::Sen2lcz(settings);
        let mut network = models::build(&sen2lcz, &imagery, &Classes::lcz(), 7, Device::Cpu)?;
        network.set_standardisation(Standardisation::identity(3))?;
        run.keep(&*network)
    })
    .unwrap();
    // The same place brighter, with a clear sky (no class 9 or 3 counts as cloud below: the scene classes are its own).
    let name = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE";
    let first = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/product").join(name);
    let second = at("second.SAFE");
    copy(&first, &second);
    let xml = second.join("MTD_MSIL2A.xml");
    let brighter = fs::read_to_string(&xml).unwrap().replace(">10000<", ">8000<");
    fs::write(&xml, brighter).unwrap();
    let granule = "GRANULE/L2A_T33NZA_A036000_20220706T085611";
    let classes = "IMG_DATA/R20m/T33NZA_20220706T085611_SCL_20m.jp2";
    fs::remove_file(second.join(granule).join(classes)).unwrap();
    let clear = at("clear.tif");
    let grid = Grid {
        transform: Some(Transform([499_980.0, 20.0, 0.0, 1_200_000.0, 0.0, -20.0])),
        ..utm(60, 60, 20.0)
    };
    let grid = Grid { crs: Crs::from_epsg(32633).unwrap(), ..grid };
    write::<u8>((clear.clone(), grid.clone()), 0, |_, _| 4);
    // The vector's scene classes: clouds in rows 0 to 9, shadow in the left half of rows 10 to 19, none in the last.
    let clouded = at("clouded.tif");
    let class = |row: i32, column: i32| match (row, column) {
        (0..10, _) => 9,
        (10..20, 0..30) => 3,
        (59, _) => 0,
        _ => 4,
    };
    write::<u8>((clouded.clone(), grid), 0, class);
    let mapped = |out: &str, more: &[&str]| -> Value {
        let (run, file) = (text(&at("run")), text(&at(out).with_extension("tif")));
        let fixed = ["map", &run, "--stride", "8px", "--probabilities", "--json", "--out", &file];
        serde_json::from_str(&done(&[&fixed[..], more].concat())).unwrap()
    };
    let (first, second) = (text(&first), text(&second));
    let report = mapped("first", &["--scene", &first]);
    // The saturated pixel, and the last row: 12 × 12 windows, of which 1 + 12 have none of their data.
    assert_eq!((&report["classified"], &report["dates"][0]["without_data"]), (&131.into(), &13.into()));
    let [clear, clouded] = [text(&clear), text(&clouded)];
    mapped("second", &["--scene", &second, "--scl", &clear]);
    mapped("both", &["--scene", &first, "--scene", &second, "--scl", &clouded, "--scl", &clear]);
    let report = mapped(
        "masked",
        &["--scene", &first, "--scene", &second, "--scl", &clouded, "--scl", &clear, "--mask-clouds"],
    );
    let alone = mapped("alone", &["--scene", &first, "--mask-clouds"]);
    let names = ["first", "second", "both", "masked", "alone"];
    let [one, two, both, masked, alone_p] = names.map(|name| probabilities(folder.path(), name));
    let mut under = 0;
    for row in 0..11 {
        for column in 0..12 {
            if (row, column) == (0, 0) {
                continue;
            }
            // Pixels of 10 m under clouds: rows 0 to 19, and rows 20 to 39 in columns 0 to 59.
            let hidden = (0..32 * 32).filter(|at| {
                let (y, x) = (8 * row + at / 32, 8 * column + at % 32);
                y < 20 || (y < 40 && x < 60)
            });
            let is_hidden = hidden.count() as f64 > 0.15 * 1024.0;
            under += usize::from(is_hidden);
            for k in 0..17 {
                let at = [k, row, column];
                let mean = f32::midpoint(one[at], two[at]);
                assert!(
                    (both[at] - mean).abs() < 1e-6,
                    "{at:?}: {} and {}, not {}",
                    one[at],
                    two[at],
                    both[at]
                );
                let wanted = if is_hidden { two[at] } else { mean };
                assert!((masked[at] - wanted).abs() < 1e-6, "{at:?}");
                assert!(if is_hidden { alone_p[at].is_nan() } else { alone_p[at] == one[at] }, "{at:?}");
            }
        }
    }
    assert!(under > 20, "{under}");
    assert_eq!(report["dates"][0]["under_clouds"], under);
    assert_eq!(report["dates"][1]["under_clouds"], 0);
    assert_eq!((&report["classified"], &alone["classified"]), (&131.into(), &(131 - under).into()));
    let message = refused(&[
        "map",
        &text(&at("run")),
        "--scene",
        &first,
        "--scene",
        &second,
        "--mask-clouds",
        "--out",
        &text(&at("x.tif")),
    ]);
    assert!(
        message.contains("R20m/T33NZA_20220706T085611_SCL_20m.jp2: this part of the product is missing"),
        "{message}"
    );
}

#[test]
fn a_real_product_maps_as_its_reflectances_are_predicted() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let name = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE";
    let product = data.join("sentinel2").join(name);
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let keras = text(&data.join("sen2lcz/sen2lcz_17_keras.hdf5"));
    done(&["import", &keras, "--run", &at("run")]);
    // Windows 1 km apart, of the values as they are; coarser pixels by nearest neighbour.
    let scene = Product::open(&product).unwrap().scene().unwrap().only(&Bands::sentinel2()).unwrap();
    let read = |file: &Raster| file.read(&Window::whole(file.grid()), None).unwrap();
    let bands: Vec<Array3<f32>> = scene.files().iter().map(read).collect();
    let places: Vec<[usize; 2]> = (0..11).flat_map(|r| (0..11).map(move |c| [r, c])).collect();
    let images = |offset: f64| {
        Array4::from_shape_fn((places.len(), 32, 32, 10), |(n, y, x, band)| {
            let factor = 1068 / bands[band].dim().1;
            let [row, column] = [100 * places[n][0] + y, 100 * places[n][1] + x].map(|at| at / factor);
            ((f64::from(bands[band][[0, row, column]]) + offset) / 10_000.0) as f32
        })
    };
    let predicted = |name: &str, offset: f64| {
        windows_file(&folder.path().join(name), &images(offset));
        let out = at(&format!("predicted-{name}"));
        done(&["predict", &at("run"), "--data", &at(name), "--out", &out, "--ignore-radiometry"]);
        let predicted = predictions::read(Path::new(&out), None).unwrap();
        let Stated::Probabilities(p) = predicted.predicted else { panic!() };
        p
    };
    let assert_mapped = |out: &str, wanted: &lcz::Probabilities| {
        let mapped = probabilities(folder.path(), out);
        assert_eq!(mapped.dim(), (17, 11, 11));
        for (&[row, column], p) in places.iter().zip(wanted.view().outer_iter()) {
            for (k, &wanted) in p.iter().enumerate() {
                let given = f64::from(mapped[[k, row, column]]);
                assert!(
                    (given - wanted).abs() < 1e-5,
                    "{out}, class {k} at {row}, {column}: {given}, not {wanted}"
                );
            }
        }
    };
    let map = |scene: &str, out: &str, more: &[&str]| {
        let file = at(&format!("{out}.tif"));
        let run = at("run");
        let fixed = ["map", &run, "--scene", scene, "--stride", "100px", "--probabilities", "--out", &file];
        lcz(&[&fixed[..], more].concat())
    };
    let right = predicted("right.h5", -1000.0);
    assert!(map(&text(&product), "folder", &[]).status.success());
    assert_mapped("folder", &right);

    let mut zip = zip::ZipWriter::new(fs::File::create(at("product.zip")).unwrap());
    let mut folders = vec![product.clone()];
    while let Some(inner) = folders.pop() {
        for path in fs::read_dir(inner).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let within = path.strip_prefix(product.parent().unwrap()).unwrap();
            let deflated = zip::CompressionMethod::Deflated;
            let options = zip::write::SimpleFileOptions::default().compression_method(deflated);
            zip.start_file(within.to_str().unwrap(), options).unwrap();
            std::io::Write::write_all(&mut zip, &fs::read(&path).unwrap()).unwrap();
        }
    }
    zip.finish().unwrap();
    assert!(map(&at("product.zip"), "zip", &[]).status.success());
    assert!(probabilities(folder.path(), "zip") == probabilities(folder.path(), "folder"));

    // Without the offsets of the XML nothing looks wrong but the pixels.
    let without = folder.path().join("without.SAFE");
    copy(&product, &without);
    let xml = fs::read_to_string(product.join("MTD_MSIL2A.xml")).unwrap();
    let (head, rest) = xml.split_once("<BOA_ADD_OFFSET_VALUES_LIST>").unwrap();
    let tail = rest.split_once("</BOA_ADD_OFFSET_VALUES_LIST>").unwrap().1;
    fs::remove_file(without.join("MTD_MSIL2A.xml")).unwrap();
    fs::write(without.join("MTD_MSIL2A.xml"), head.to_owned() + tail).unwrap();
    let stopped = map(&text(&without), "stopped", &[]);
    let message = String::from_utf8(stopped.stderr).unwrap();
    assert!(
        !stopped.status.success() && message.contains("an offset of -0.1 that is not applied"),
        "{message}"
    );
    assert!(map(&text(&without), "ignored", &["--ignore-radiometry"]).status.success());
    assert_mapped("ignored", &predicted("wrong.h5", 0.0));
}

#[test]
fn four_shards_put_together_are_the_map_made_in_one() {
    let place = place();
    let folder = place.join("shards");
    fs::create_dir(&folder).unwrap();
    let at = |name: &str| text(&folder.join(name));
    // Weights at random, and inputs far apart, so that neighbours differ in class.
    Run::create(folder.join("run"), |run| {
        let mlp = models::Architecture::mlp();
        let mut network = models::build(&mlp, &Imagery::so2sat(), &Classes::lcz(), 7, Device::Cpu)?;
        network.set_standardisation(Standardisation { mean: vec![0.15; 10], deviation: vec![0.001; 10] })?;
        run.keep(&*network)
    })
    .unwrap();
    let (run, bands) = (text(&folder.join("run")), bands(place));
    let map = |out: &str, more: &[&str]| {
        let out = at(out);
        let fixed = ["map", &run, "--bands", &bands, "--stride", "5px", "--probabilities", "--out", &out];
        done(&[&fixed[..], more].concat())
    };
    map("whole.tif", &[]);
    let shards: Vec<String> = (1..=4).map(|k| at(&format!("city-shard-{k}-of-4.tif"))).collect();
    for k in 1..=4 {
        let told = map("city.tif", &["--shard", &format!("{k}/4")]);
        assert!(told.contains(&format!("city-shard-{k}-of-4.tif, and next to it")), "{told}");
    }
    // In whichever order.
    let order = [&shards[2], &shards[0], &shards[3], &shards[1]].map(String::as_str);
    let out = at("city.tif");
    done(&[&["mosaic"][..], &order, &["--out", &out]].concat());
    let endings = [".tif", "-confidence.tif", "-entropy.tif", "-probabilities.tif"];
    for ending in endings {
        let of = |name: &str| raster(&folder.join(format!("{name}{ending}")));
        let ((grid, wanted), (same_grid, given)) = (of("whole"), of("city"));
        assert_eq!(grid, same_grid);
        assert!(wanted.iter().zip(&given).all(|(a, b)| a.to_bits() == b.to_bits()), "{ending}");
    }
    for ending in [".tif", ".tif.aux.xml", ".qml"] {
        let of = |name: &str| fs::read(folder.join(format!("{name}{ending}"))).unwrap();
        assert!(of("whole") == of("city"), "{ending}");
    }
    // The filter has its neighbours: in the shards it had none beyond their ends.
    let filtered = |path: &str| raster(Path::new(path)).1.index_axis_move(ndarray::Axis(0), 1);
    let alone: Vec<_> = shards.iter().map(|shard| filtered(shard)).collect();
    let alone: Vec<_> = alone.iter().map(|rows| rows.view()).collect();
    assert_ne!(ndarray::concatenate(ndarray::Axis(0), &alone).unwrap(), filtered(&out));

    // Another palette: the same numbers in other colours.
    let colourful = at("colourful.tif");
    done(&[&["mosaic"][..], &order, &["--palette", "accessible", "--out", &colourful]].concat());
    assert!(raster(Path::new(&colourful)).1 == raster(Path::new(&out)).1);
    let [auxiliary, style, figure] = ["tif.aux.xml", "qml", "svg"]
        .map(|end| fs::read_to_string(Path::new(&colourful).with_extension(end)).unwrap());
    assert!(auxiliary.contains("<Entry c1=\"246\" c2=\"142\" c3=\"77\""), "{auxiliary}");
    assert!(style.contains("color=\"#f68e4d\" label=\"6 open low-rise\""), "{style}");
    let legend = raster(Path::new(&out)).1.iter().any(|&number| number == 6.0);
    assert_eq!(figure.to_lowercase().contains("#f68e4d"), legend);

    let told = |arguments: &[&str]| refused(&[&["mosaic", "--out", &at("x.tif")][..], arguments].concat());
    let message = told(&[&shards[0], &shards[1], &shards[3]]);
    assert!(message.contains("shard 3 of 4 is missing; map it"), "{message}");
    assert!(told(&[&shards[0], &at("whole.tif")]).contains("no shard of the map of"));
    assert!(told(&[&shards[0], &shards[0]]).contains("is missing"));
    assert!(told(&[&at("whole.tif"), &at("whole.tif")]).contains("it overlaps"));
    fs::remove_file(at("city-shard-2-of-4-entropy.tif")).unwrap();
    assert!(told(&order).contains("city-shard-2-of-4-entropy.tif: No such file"));
    assert!(!folder.join("x.tif").exists());
    let shard = |more: &[&str]| {
        let fixed = [
            "map",
            &run,
            "--bands",
            &bands,
            "--ignore-radiometry",
            "--stride",
            "5px",
            "--out",
            "y.tif",
            "--shard",
        ];
        refused(&[&fixed[..], more].concat())
    };
    assert!(shard(&["1/17"]).contains("shard: the map has no more than 16 lines; cut it into 16"));
    assert!(shard(&["1/4", "--sigma", "1px"]).contains("lcz mosaic --sigma"));
    // A shard of the same scene by another model, or with another stride, is of another map.
    let other =
        ["map", &run, "--bands", &bands, "--stride", "6px", "--probabilities", "--shard", "2/4", "--out"];
    fs::remove_file(at("city-shard-2-of-4.tif")).unwrap();
    for ending in ["-confidence.tif", "-probabilities.tif", ".tif.aux.xml"] {
        fs::remove_file(at(&format!("city-shard-2-of-4{ending}"))).unwrap();
    }
    done(&[&other[..], &[&at("city.tif")]].concat());
    let message = told(&order);
    assert!(message.contains("no shard of the map of") && message.contains("the same models"), "{message}");
}

/// A map in one, and merged of shards, are the same in all bytes.
#[track_caller]
fn same_in_shards(folder: &Path, name: &str, arguments: &[&str]) -> Value {
    let out = |stem: String| text(&folder.join(format!("{stem}.tif")));
    let whole = out(format!("{name}-whole"));
    let fixed = [&["map"][..], arguments, &["--probabilities", "--json", "--out"]].concat();
    let report = done(&[&fixed[..], &[&whole]].concat());
    let shards: Vec<String> = (1..=3)
        .map(|k| {
            done(&[&fixed[..], &[&out(name.to_owned()), "--shard", &format!("{k}/3")]].concat());
            out(format!("{name}-shard-{k}-of-3"))
        })
        .collect();
    let merged = out(format!("{name}-merged"));
    let shards: Vec<&str> = shards.iter().map(String::as_str).collect();
    done(&[&["mosaic"][..], &shards, &["--out", &merged]].concat());
    for ending in [".tif", "-confidence.tif", "-entropy.tif", "-probabilities.tif", ".tif.aux.xml", ".qml"] {
        let of = |path: &str| fs::read(path.replace(".tif", ending)).unwrap();
        assert!(of(&whole) == of(&merged), "{name}{ending}");
    }
    serde_json::from_str(&report).unwrap()
}

#[test]
fn shards_of_any_model_and_any_scenes_are_the_map_made_in_one() {
    let place = place();
    let folder = place.join("any");
    fs::create_dir(&folder).unwrap();
    let run = |name: &str, architecture: &models::Architecture, imagery: &Imagery, classes: &Classes| {
        let run = folder.join(name);
        Run::create(&run, |run| {
            let mut network = models::build(architecture, imagery, classes, name.len() as u64, Device::Cpu)?;
            network
                .set_standardisation(Standardisation { mean: vec![0.15; 10], deviation: vec![0.001; 10] })?;
            run.keep(&*network)
        })
        .unwrap();
        text(&run)
    };
    let mlp = models::Architecture::mlp();
    // Not in the order of their numbers.
    let few = Classes::named(["G", "2", "A", "6"]).unwrap();
    let first = run("first", &mlp, &Imagery::so2sat(), &few);
    let second = run("another", &mlp, &Imagery::so2sat(), &few);
    let scene = text(&place.join("scene"));
    let stride = ["--stride", "5px"];
    let report = same_in_shards(
        &folder,
        "dates",
        &[&[&*first, "--scene", &scene, "--scene", &scene, "--mask-clouds"][..], &stride].concat(),
    );
    assert!(report["classes"].as_array().unwrap().len() > 1, "{report}");
    let with = format!("{second}={scene}");
    // Twice the same run: dates of one sensor.
    let fused = [&*first, "--scene", &scene, "--with", &with, "--with", &with];
    let report = same_in_shards(&folder, "fused", &[&fused[..], &stride].concat());
    assert_eq!((&report["networks"], report["dates"].as_array().unwrap().len()), (&2.into(), 3));
    let coarse = Imagery { patch_size: 16, ground_sampling_distance: Some(20.0), ..Imagery::so2sat() };
    let coarse = run("coarse", &mlp, &coarse, &Classes::lcz());
    same_in_shards(&folder, "resampled", &[&coarse, "--scene", &scene, "--stride", "3px"]);
    let settings =
        models::unet::UnetSettings { width: 0.125, depth: 1, ..models::unet::UnetSettings::plain() };
    let unet =
        run("unet", &models::Architecture::Unet(settings), &Imagery::so2sat(), &Classes::from_count(3));
    same_in_shards(&folder, "pixels", &[&unet, "--scene", &scene, "--stride", "20px"]);
}

#[test]
fn maps_of_neighbouring_areas_are_put_together_whatever_their_classes() {
    let folder = place();
    let at = |name: &str| folder.join(name);
    let left = |name: &str| if name == "west" { 0.0 } else { 40_000.0 };
    for name in ["west", "east"] {
        let transform = Some(Transform([500_000.0 + left(name), 100.0, 0.0, 5_300_000.0, 0.0, -100.0]));
        let columns = if name == "west" { 400 } else { 300 };
        let grid = Grid { columns, transform, ..utm(600, 400, 100.0) };
        let class = |row: usize, column: usize| ((row / 40 + column / 30) % 3) as u8;
        let cells = || (0..600).flat_map(move |row| (0..columns).map(move |column| (row, column)));
        let mut map = GeoTiffWriter::<u8>::create(at(&format!("{name}.tif")), &grid).unwrap().no_data(0);
        map = map
            .bands(&["class", "probability"])
            .describe("made by hand; probability in percent; real: a test");
        let values = cells().flat_map(|(r, c)| [class(r, c), 50 * u8::from(class(r, c) > 0)]);
        map.append(&values.collect::<Vec<_>>()).unwrap();
        map.finish().unwrap();
        for (what, value) in [("confidence", 0.5), ("entropy", 0.7)] {
            let path = at(&format!("{name}-{what}.tif"));
            let mut writer = GeoTiffWriter::<f32>::create(path, &grid).unwrap().no_data(f32::NAN);
            let values = cells().map(|(r, c)| if class(r, c) > 0 { value } else { f32::NAN });
            writer.append(&values.collect::<Vec<_>>()).unwrap();
            writer.finish().unwrap();
        }
        let names = ["", "forest", "river & lake"].map(|name| name.replace('&', "&amp;"));
        let names = names.map(|name| format!("<Category>{name}</Category>")).concat();
        let xml = format!(
            "<PAMDataset><PAMRasterBand><CategoryNames>{names}</CategoryNames></PAMRasterBand></PAMDataset>"
        );
        fs::write(at(&format!("{name}.tif.aux.xml")), xml).unwrap();
    }
    let [west, east, out] = ["west.tif", "east.tif", "side-by-side.tif"].map(|name| text(&at(name)));
    let report = done(&["mosaic", &east, &west, "--out", &out, "--json"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(
        (&report["size"], &report["classes"][1]["name"]),
        (&serde_json::json!([600, 700]), &"river & lake".into())
    );
    let (grid, pixels) = raster(Path::new(&out));
    assert_eq!(grid.transform.unwrap().0[0], 500_000.0);
    for row in 0..600 {
        for column in 0..700 {
            let from = if column < 400 { column } else { column - 400 };
            assert_eq!(pixels[[0, row, column]], ((row / 40 + from / 30) % 3) as f32);
        }
    }
    let file = GeoTiff::open(&out).unwrap();
    assert_eq!(file.bands(), 2, "no filter, as the parts have none");
    assert!(file.description().unwrap().ends_with("; real: a test"), "{:?}", file.description());
    fs::write(
        at("east.tif.aux.xml"),
        fs::read_to_string(at("east.tif.aux.xml")).unwrap().replace("forest", "wood"),
    )
    .unwrap();
    let message = refused(&["mosaic", &west, &east, "--out", &text(&at("x.tif"))]);
    assert!(message.contains("east.tif: other classes than"), "{message}");
}

#[test]
// Two scenes, and all that may become of them.
#[allow(clippy::too_many_lines)]
fn two_sensors_are_fused_by_the_mean_of_their_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mlp = |seed: u64, bands: Bands, unit: &str| {
        let imagery = Imagery { patch_size: 8, bands, unit: unit.to_owned(), ..Imagery::so2sat() };
        let mut network =
            models::build(&models::Architecture::mlp(), &imagery, &Classes::lcz(), seed, Device::Cpu)
                .unwrap();
        network.set_standardisation(Standardisation::identity(imagery.bands.len())).unwrap();
        network
    };
    let optical = mlp(1, Bands::named(["B2", "B3"]).unwrap(), "digital number");
    let radar = mlp(2, Bands::from_count(7), "standard deviations");
    for (name, network) in [("optical", &optical), ("radar", &radar)] {
        Run::create(at(name), |run| run.keep(&**network)).unwrap();
    }
    // Radar without data in the first window, which the optical network then classifies alone.
    let grid = utm(20, 24, 10.0);
    let several = |name: &str, bands: &[&str], value: &dyn Fn(usize, usize) -> f32| {
        let mut writer =
            GeoTiffWriter::<f32>::create(at(name), &grid).unwrap().bands(bands).no_data(f32::NAN);
        let cells = (0..20 * 24).flat_map(|k| (0..bands.len()).map(move |band| (k, band)));
        writer.append(&cells.map(|(k, band)| value(k, band)).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
    };
    let seen = |k: usize, band: usize| ((k * 31 + band * 17) % 23) as f32 / 10.0;
    let echo = |k: usize, band: usize| match (k, band) {
        (0, 3) => f32::NAN,
        _ => 40.0 * band as f32 + ((k * 13 + band * 29) % 37) as f32,
    };
    several("optical.tif", &["B2", "B3"], &seen);
    several("radar.tif", &["VH", "VV", "a", "b", "c", "d", "e"], &echo);
    let map = |run: &str, scene: &str, more: &[&str], out: &str| {
        let out = text(&at(&format!("{out}.tif")));
        let (run, scene) = (text(&at(run)), text(&at(scene)));
        let fixed =
            ["map", &run, "--scene", &scene, "--stride", "4px", "--probabilities", "--out", &out, "--json"];
        serde_json::from_str::<Value>(&done(&[&fixed[..], more].concat())).unwrap()
    };
    map("optical", "optical.tif", &[], "one");
    map("radar", "radar.tif", &[], "two");
    let with = format!("{}={}", text(&at("radar")), text(&at("radar.tif")));
    let report = map("optical", "optical.tif", &["--with", &with], "both");
    assert_eq!((&report["networks"], &report["dates"][1]["without_data"]), (&2.into(), &1.into()));
    let [one, two, both] = ["one", "two", "both"].map(|name| probabilities(folder.path(), name));
    assert_eq!(both.dim(), (17, 4, 5));
    for (at, &p) in both.indexed_iter() {
        let wanted = if two[at].is_nan() { one[at] } else { f32::midpoint(one[at], two[at]) };
        assert!((p - wanted).abs() < 1e-6, "{at:?}: {p}, not {wanted}");
    }
    // Standardised by hand: mean and deviation (divisor n) over the pixels with data in all bands.
    let mut standardised = vec![[0.0_f64; 7]; 20 * 24];
    for band in 0..7 {
        let values: Vec<f64> = (1..20 * 24).map(|k| f64::from(echo(k, band))).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        for (pixel, value) in standardised[1..].iter_mut().zip(&values) {
            pixel[band] = (value - mean) / variance.sqrt();
        }
    }
    let image = |row: usize, column: usize| {
        Array4::from_shape_fn((1, 8, 8, 7), |(_, y, x, band)| {
            standardised[(4 * row + y) * 24 + 4 * column + x][band] as f32
        })
    };
    for [row, column] in [[0, 1], [3, 4]] {
        let patches =
            lcz::data::Patches::in_memory(radar.imagery().clone(), Classes::lcz(), image(row, column))
                .unwrap();
        let p = models::Classifier::predict(&*radar, &patches).unwrap();
        for k in 0..17 {
            assert!((p.view()[[0, k]] - f64::from(two[[k, row, column]])).abs() < 1e-5);
        }
    }

    // Mean and deviation are of the whole scene, whatever part of it is mapped.
    map("radar", "radar.tif", &["--bbox=15.0,47.0,15.0016,48.0"], "part");
    let part = probabilities(folder.path(), "part");
    let columns = part.dim().2;
    assert!((1..5).contains(&columns), "{columns}");
    for (at, p) in part.indexed_iter().filter(|(_, p)| !p.is_nan()) {
        assert!((p - two[at]).abs() < 1e-6, "{at:?}");
    }
    // Zeros that no tag calls no data are told.
    several("zeros.tif", &["a", "b", "c", "d", "e", "f", "g"], &|k, band| {
        if k < 3 { 0.0 } else { echo(k, band) }
    });
    let (run, scene, out) = (text(&at("radar")), text(&at("zeros.tif")), text(&at("zeros-map.tif")));
    let output = lcz(&["map", &run, "--scene", &scene, "--stride", "4px", "--out", &out]);
    let warned = String::from_utf8(output.stderr).unwrap();
    assert!(warned.contains("zeros.tif: 3 pixels are 0 in all bands"), "{warned}");

    let told = |with: &str| {
        let (run, scene, out) = (text(&at("optical")), text(&at("optical.tif")), text(&at("x.tif")));
        refused(&["map", &run, "--scene", &scene, "--with", with, "--out", &out])
    };
    let small = at("small.tif");
    let mut writer = GeoTiffWriter::<f32>::create(&small, &utm(20, 20, 10.0))
        .unwrap()
        .bands(&["a", "b", "c", "d", "e", "f", "g"]);
    writer.append(&(0..20 * 20 * 7).map(|k| (k % 31) as f32).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
    let message = told(&format!("{}={}", text(&at("radar")), text(&small)));
    assert!(message.contains("small.tif: not the pixels of"), "{message}");
    let of_ten = at("ten");
    let ten = models::build(&models::Architecture::mlp(), radar.imagery(), &Classes::built(), 3, Device::Cpu);
    Run::create(&of_ten, |run| run.keep(&*ten?)).unwrap();
    assert!(told(&format!("{}={}", text(&of_ten), text(&at("radar.tif")))).contains("classes 1 2 3"));
}

#[test]
fn the_so2sat_project_s_networks_are_fused_as_their_reference_outputs() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let read = |file: &str, dataset: &str| {
        let _writing = writing();
        let file = hdf5::File::open(data.join(file)).unwrap();
        file.dataset(dataset).unwrap().read_dyn::<f32>().unwrap()
    };
    let [optical, radar] =
        [read("sen2lcz/reference_patches.h5", "sen2"), read("dlr/reference_outputs_s1.h5", "sen1")]
            .map(|images| images.into_dimensionality::<ndarray::Ix4>().unwrap());
    let [p2, p1] = ["s2", "s1"].map(|sensor| {
        let p = read(&format!("dlr/reference_outputs_{sensor}.h5"), "probabilities");
        p.into_dimensionality::<ndarray::Ix2>().unwrap()
    });
    let count = optical.dim().0.min(radar.dim().0);
    // Windows one below the other; below them the radar has pixels that bring its mean to 0 and its deviation to 1, as it is
    // given standardised.
    let rows = 32 * (count + 40);
    let extra = f64::from(32 * 40 * 32);
    let levels: Vec<[f64; 2]> = (0..7)
        .map(|band| {
            let values = || {
                (0..count).flat_map(|n| {
                    radar.slice(ndarray::s![n, .., .., band]).iter().copied().collect::<Vec<f32>>()
                })
            };
            let sum: f64 = values().map(f64::from).sum();
            let squares: f64 = values().map(|value| f64::from(value).powi(2)).sum();
            let total = (rows * 32) as f64;
            let mean = -sum / extra;
            let around = ((total - squares) / extra - mean.powi(2)).sqrt();
            assert!(around.is_finite(), "more pixels are needed");
            [mean - around, mean + around]
        })
        .collect();
    let write =
        |name: &str, bands: &[&str], unit: Option<&str>, value: &dyn Fn(usize, usize, usize) -> f32| {
            let mut writer =
                GeoTiffWriter::<f32>::create(at(name), &utm(rows, 32, 10.0)).unwrap().bands(bands);
            if let Some(unit) = unit {
                writer = writer.scaled(lcz::scene::Scaling::NONE, unit);
            }
            let cells = (0..rows * 32).flat_map(|k| (0..bands.len()).map(move |band| (k / 32, k % 32, band)));
            writer
                .append(&cells.map(|(row, column, band)| value(row, column, band)).collect::<Vec<_>>())
                .unwrap();
            writer.finish().unwrap();
        };
    let names = Bands::sentinel2();
    let names: Vec<&str> = names.names().iter().map(String::as_str).collect();
    write("s2.tif", &names, Some("reflectance"), &|row, column, band| {
        optical[[(row / 32).min(count - 1), row % 32, column, band]]
    });
    write("s1.tif", &["a", "b", "c", "d", "e", "f", "g"], None, &|row, column, band| match row / 32 {
        n if n < count => radar[[n, row % 32, column, band]],
        _ => levels[band][column % 2] as f32,
    });
    let weights: Vec<PathBuf> =
        fs::read_dir(data.join("dlr")).unwrap().map(|entry| entry.unwrap().path()).collect();
    for sensor in ["S1", "S2"] {
        let is_its = |path: &&PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(sensor);
        done(&["import", &text(weights.iter().find(is_its).unwrap()), "--run", &text(&at(sensor))]);
    }
    let with = format!("{}={}", text(&at("S1")), text(&at("s1.tif")));
    let (run, scene, out) = (text(&at("S2")), text(&at("s2.tif")), text(&at("city.tif")));
    done(&[
        "map",
        &run,
        "--scene",
        &scene,
        "--with",
        &with,
        "--stride",
        "32px",
        "--probabilities",
        "--ignore-radiometry",
        "--out",
        &out,
    ]);
    let fused = probabilities(folder.path(), "city");
    let mut worst = 0_f32;
    for n in 0..count {
        for k in 0..17 {
            worst = worst.max((fused[[k, n, 0]] - f32::midpoint(p1[[n, k]], p2[[n, k]])).abs());
        }
    }
    println!("{count} windows: fused probabilities at most {worst:.1e} from the mean of the references");
    assert!(worst < 1e-5, "{worst}");
}

/// The So2Sat project's network on Berlin, in windows 10 pixels apart, under polygons of LCZ 2 and 5.
#[test]
fn the_so2sat_project_s_network_is_right_on_the_known_share_of_berlin() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name));
    let weights = text(&data.join("dlr/S2_RESNET20_BS16_LR2e-4_IN32-32-10_PRO-52-0R12_2019-06-27.h5"));
    done(&["import", &weights, "--run", &at("so2sat")]);
    let scene = text(&data.join("berlin/Berlin_S2_2024-10-24_sample.tif"));
    let labels = text(&data.join("berlin/Berlin_labels.shp"));
    let names = Bands::sentinel2().names().join(",");
    let (run, out) = (at("so2sat"), at("berlin.tif"));
    let fixed =
        ["map", &run, "--scene", &scene, "--band-names", &names, "--scale", "1e-4", "--stride", "10px"];
    let report = done(&[&fixed[..], &["--labels", &labels, "--out", &out, "--json"]].concat());
    let report: Value = serde_json::from_str(&report).unwrap();
    let scores = &report["scores"];
    println!("Berlin: {} of {} windows right", scores["overall_accuracy"], scores["pixels"]);
    // The centre of a window of 32 pixels is a corner of pixels: 154 of them are inside the polygons, by even-odd rule in numpy; of the
    // centres of the pixels below and right of them it would be 156.
    assert_eq!(scores["pixels"], 154, "{scores}");
    assert!((scores["overall_accuracy"].as_f64().unwrap() - 0.62).abs() < 0.006, "{scores}");
    // The offset, which the archive has removed, subtracted once more.
    let message = refused(&[&fixed[..], &["--offset", "-0.1", "--out", &at("wrong.tif")]].concat());
    assert!(message.contains("--offset 0"), "{message}");
}
