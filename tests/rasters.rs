//! Rasters against GDAL (`tests/vectors/make_rasters.py`), patches against their definition, and every
//! bad input against its one line.

// Pixels are whole numbers, or come from the very operations that they are compared with.
#![allow(clippy::float_cmp)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lcz::Classes;
use lcz::data::rasters::{Crs, Cutting, GeoTiff, LabelRaster, Part, Scene, Shares, Window};
use lcz::data::so2sat::So2Sat;
use lcz::progress::Silent;
use serde_json::Value;
use tempfile::TempDir;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn known() -> Value {
    serde_json::from_str(&fs::read_to_string(vectors().join("rasters.json")).unwrap()).unwrap()
}

/// The folder of real data; `None` where there is none and none is asked for.
fn real_data() -> Option<PathBuf> {
    let (folder, asked) = match std::env::var_os("LCZ_REAL_DATA") {
        Some(folder) => (PathBuf::from(folder), true),
        None => (Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"), false),
    };
    if folder.join("hongkong").is_dir() {
        return Some(folder);
    }
    assert!(!asked, "LCZ_REAL_DATA is set, but {} has no hongkong", folder.display());
    eprintln!("skipped: no real data in {} (set LCZ_REAL_DATA)", folder.display());
    None
}

/// Compares a raster with what rasterio read from it.
fn assert_as_gdal(path: &Path, known: &Value) {
    let raster = GeoTiff::open(path).unwrap();
    let name = path.display();
    let grid = raster.grid();
    assert_eq!(serde_json::json!([raster.bands(), grid.rows, grid.columns]), known["shape"], "{name}");
    for (given, wanted) in grid.transform.unwrap().0.iter().zip(known["transform"].as_array().unwrap()) {
        assert!((given - wanted.as_f64().unwrap()).abs() < 1e-9, "{name}: {given} {wanted}");
    }
    let (Crs::Projected { epsg, .. } | Crs::Geographic { epsg }) = grid.crs else { panic!("{name}") };
    assert_eq!(epsg.map(u64::from), known["epsg"].as_u64(), "{name}");

    let pixels = raster.read(&Window::whole(grid), raster.no_data()).unwrap();
    let missing = pixels.iter().filter(|value| value.is_nan()).count();
    assert_eq!(Some(missing as u64), known["missing"].as_u64(), "{name}");
    let value = |x: f32| if x.is_nan() { 0.0 } else { f64::from(x) };
    let sum: f64 = pixels.iter().map(|&x| value(x)).sum();
    let weighted: f64 = pixels.iter().enumerate().map(|(k, &x)| k as f64 * value(x)).sum();
    for (given, wanted) in [(sum, &known["sum"]), (weighted, &known["weighted_sum"])] {
        let wanted = wanted.as_f64().unwrap();
        assert!((given - wanted).abs() <= 1e-9 * wanted.abs(), "{name}: {given} {wanted}");
    }
    for pixel in known["pixels"].as_array().unwrap() {
        let [row, column] = [0, 1].map(|k| pixel[k].as_u64().unwrap() as usize);
        let given = value(pixels[[raster.bands() - 1, row, column]]);
        assert!((given - pixel[2].as_f64().unwrap()).abs() < 1e-9, "{name}, {row} {column}");
    }
}

#[test]
fn every_encoding_is_read_as_gdal_reads_it() {
    let known = known();
    let files = known["synthetic"].as_object().unwrap();
    assert_eq!(files.len(), 18);
    for (name, known) in files.iter().filter(|(name, _)| *name != "zstd") {
        assert_as_gdal(&vectors().join(format!("rasters/{name}.tif")), known);
    }
}

#[test]
fn real_rasters_are_read_as_gdal_reads_them() {
    let Some(data) = real_data() else { return };
    for (path, known) in known()["real"].as_object().unwrap() {
        assert_as_gdal(&data.join(path), known);
    }
}

#[test]
fn a_window_is_that_part_of_the_raster() {
    for name in ["i16_three_bands_planar_tiles", "i16_three_bands_chunky", "u16_strips_lzw_predictor"] {
        let raster = GeoTiff::open(vectors().join(format!("rasters/{name}.tif"))).unwrap();
        let pixels = raster.read(&Window { rows: 6..19, columns: 11..34 }, None).unwrap();
        assert_eq!(pixels.dim(), (raster.bands(), 13, 23));
        for ((band, row, column), &value) in pixels.indexed_iter() {
            let wanted = ((row + 6) * 7 + (column + 11) * 3 + band * 50) % 120 + 1;
            assert_eq!(value as usize, wanted, "{name}, band {band}, {row} {column}");
        }
        let error = raster.read(&Window { rows: 0..22, columns: 0..1 }, None).unwrap_err().to_string();
        assert!(error.contains("leave the raster"), "{error}");
    }
}

#[test]
fn tiles_that_a_sparse_file_leaves_out_are_no_data_or_zero() {
    let raster = GeoTiff::open(vectors().join("rasters/sparse.tif")).unwrap();
    let whole = Window::whole(raster.grid());
    let missing = raster.read(&whole, Some(0.0)).unwrap();
    assert_eq!(missing.iter().filter(|value| **value == 9.0).count(), 256);
    assert_eq!(missing.iter().filter(|value| value.is_nan()).count(), 64 * 64 - 256);
    assert_eq!(raster.read(&whole, None).unwrap().sum(), 9.0 * 256.0);
}

#[test]
fn pixels_are_as_wide_on_the_ground_as_the_grid_says() {
    let distance = |path: PathBuf| GeoTiff::open(path).unwrap().grid().ground_sampling_distance().unwrap();
    let vector = |name: &str| distance(vectors().join(format!("rasters/{name}.tif")));
    assert!((vector("rotated") - 10.0).abs() < 1e-9);
    // EPSG:2263 counts in US survey feet.
    assert!((vector("feet") - 10.0 * 1200.0 / 3937.0).abs() < 1e-9);
    let Some(data) = real_data() else { return };
    assert!((distance(data.join("hongkong/hong_kong_lcz_GT.tif")) - 100.0).abs() < 1e-9);
    // About 13.95 m by a sphere; the ellipsoid differs by a thousandth.
    assert!((distance(data.join("scenes/aquileia/B02.tif")) - 13.95).abs() < 0.02);
}

/// A small raster in UTM, pixels row by row.
struct Raster<'a> {
    columns: u32,
    rows: u32,
    corner: [f64; 2],
    pixel: f64,
    values: &'a dyn Fn(u32, u32) -> f32,
}

const PLAIN: Raster<'_> =
    Raster { columns: 60, rows: 50, corner: [5e5, 5e6], pixel: 10.0, values: &|_, _| 1.0 };

fn write(folder: &TempDir, name: &str, raster: &Raster<'_>) -> PathBuf {
    let path = folder.path().join(name);
    let mut encoder = TiffEncoder::new(fs::File::create(&path).unwrap()).unwrap();
    let mut image = encoder.new_image::<colortype::Gray32Float>(raster.columns, raster.rows).unwrap();
    let tags = image.encoder();
    let tie = [0.0, 0.0, 0.0, raster.corner[0], raster.corner[1], 0.0];
    tags.write_tag(Tag::ModelPixelScaleTag, &[raster.pixel, raster.pixel, 0.0][..]).unwrap();
    tags.write_tag(Tag::ModelTiepointTag, &tie[..]).unwrap();
    let keys = [1u16, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632];
    tags.write_tag(Tag::GeoKeyDirectoryTag, &keys[..]).unwrap();
    tags.write_tag(Tag::GdalNodata, "-1").unwrap();
    let pixels = (0..raster.rows).flat_map(|row| (0..raster.columns).map(move |column| (row, column)));
    let values: Vec<f32> = pixels.map(|(row, column)| (raster.values)(row, column)).collect();
    image.write_data(&values).unwrap();
    path
}

/// Blocks of 3 × 3 labelled pixels every 12 pixels, in two classes.
fn blocks(row: u32, column: u32) -> f32 {
    if row % 12 < 3 && column % 12 < 3 { (1 + (row / 12 + column / 12) % 2) as f32 } else { 0.0 }
}

#[test]
fn the_window_of_a_pixel_begins_half_a_patch_above_and_left_of_it() {
    let folder = TempDir::new().unwrap();
    let one = |row, column| if (row, column) == (20, 30) { 17.0 } else { 0.0 };
    let band = Raster { values: &|row, column| (100 * row + column) as f32, ..PLAIN };
    let scene = [Scene::open([write(&folder, "B02.tif", &band)]).unwrap()];
    let path = write(&folder, "labels.tif", &Raster { values: &one, ..PLAIN });
    let labels = LabelRaster::open(path, &Classes::lcz()).unwrap();
    for (patch_size, first) in [(1, [20, 30]), (2, [19, 29]), (3, [19, 29]), (4, [18, 28]), (5, [18, 28])] {
        let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
        let cutting = Cutting { patch_size, shares, scale: 0.5, offset: -3.0, ..Cutting::default() };
        let plan = cutting.plan(&scene, &labels, &mut Silent).unwrap();
        assert_eq!(plan.corners(0, Part::Training), [first]);
        let out = folder.path().join(format!("out{patch_size}"));
        plan.write(&out, &mut Silent).unwrap();
        assert!(out.join("training.h5").exists() && !out.join("testing.h5").exists());

        let patches = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap();
        assert_eq!(patches.imagery().bands.names(), ["B2"]);
        assert_eq!(patches.imagery().ground_sampling_distance, Some(10.0));
        assert_eq!(patches.labels().unwrap().indices(), [16]);
        assert_eq!(patches.groups(), Some(vec![1]));
        for ((_, row, column, _), &value) in patches.images(0..1).unwrap().indexed_iter() {
            let number = (100 * (first[0] + row) + first[1] + column) as f32;
            assert_eq!(value, number * 0.5 - 3.0, "{row} {column}");
        }
    }
}

#[test]
fn a_pixel_without_data_on_one_date_is_left_out_on_that_date_only() {
    let folder = TempDir::new().unwrap();
    // No data in one pixel on the first date, NaN in another on the second; windows are 5 wide.
    let hole = |row: u32, column: u32, value: f32| {
        move |r: u32, c: u32| if (r, c) == (row, column) { value } else { 7.0 }
    };
    let (first, second) = (hole(13, 13, -1.0), hole(28, 38, f32::NAN));
    let dates = [
        Scene::open([write(&folder, "a_B1.tif", &Raster { values: &first, ..PLAIN })]).unwrap(),
        Scene::open([write(&folder, "b_B1.tif", &Raster { values: &second, ..PLAIN })]).unwrap(),
    ];
    let path = write(&folder, "labels.tif", &Raster { values: &blocks, ..PLAIN });
    let labels = LabelRaster::open(path, &Classes::lcz()).unwrap();
    let cutting = Cutting { patch_size: 5, ..Cutting::default() };
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    let report = plan.report();
    // Blocks begin at rows 0, 12, …, 48 and columns 0, 12, …, 48: at the top and left their first two
    // rows and columns are too near the border, and at the bottom all of them are (48 + 3 > 50).
    assert_eq!(report.labelled_pixels(), (4 * 3 + 2) * 5 * 3);
    assert_eq!(report.dates[0].at_border, (4 * 3 + 2) * 5 * 3 - (1 + 3 * 3) * (1 + 4 * 3));
    assert_eq!(report.dates[0].without_data, 9, "every pixel of the block at 12 12 sees 13 13");
    assert_eq!(report.dates[1].without_data, 3, "of the block at 24 36, only the last row reaches row 28");
}

#[test]
fn labels_coarser_than_the_bands_give_a_patch_a_label_pixel() {
    let folder = TempDir::new().unwrap();
    let band = Raster { values: &|row, column| (100 * row + column) as f32, ..PLAIN };
    // Twice as coarse, from the same corner: its pixel at 4 6 covers rows 20-24 and columns 30-34.
    let one = |row, column| if (row, column) == (4, 6) { 3.0 } else { 0.0 };
    let coarse = Raster { columns: 12, rows: 10, pixel: 50.0, values: &one, ..PLAIN };
    let scene = [Scene::open([write(&folder, "B2.tif", &band)]).unwrap()];
    let labels = LabelRaster::open(write(&folder, "labels.tif", &coarse), &Classes::lcz()).unwrap();
    let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
    let cutting = Cutting { patch_size: 5, shares, ..Cutting::default() };
    let plan = cutting.plan(&scene, &labels, &mut Silent).unwrap();
    assert_eq!(plan.corners(0, Part::Training), [[20, 30]]);
    assert_eq!(plan.report().ground_sampling_distance, Some(10.0));
}

#[test]
fn bands_of_20_and_60_metres_are_brought_to_10_by_the_nearest_pixel() {
    let Some(data) = real_data() else { return };
    let name = "S2A_MSIL2A_20170617T113321_36_85";
    let band = |band: &str| data.join(format!("bigearthnet/{name}/{name}_{band}.tif"));
    let scene = [Scene::open(["B01", "B02", "B05"].map(band)).unwrap()];
    assert_eq!(scene[0].bands().names(), ["B1", "B2", "B5"]);

    // The patch's corner and zone (EPSG:32629), with labels at two places.
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("labels.tif");
    let mut encoder = TiffEncoder::new(fs::File::create(&path).unwrap()).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(120, 120).unwrap();
    let tags = image.encoder();
    tags.write_tag(Tag::ModelPixelScaleTag, &[10.0, 10.0, 0.0][..]).unwrap();
    tags.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 643_200.0, 5_798_040.0, 0.0][..]).unwrap();
    let keys = [1u16, 1, 0, 3, 1024, 0, 1, 1, 3072, 0, 1, 32629, 3076, 0, 1, 9001];
    tags.write_tag(Tag::GeoKeyDirectoryTag, &keys[..]).unwrap();
    let mut values = vec![0u8; 120 * 120];
    values[50 * 120 + 77] = 11;
    values[90 * 120 + 31] = 17;
    image.write_data(&values).unwrap();

    let labels = LabelRaster::open(&path, &Classes::lcz()).unwrap();
    let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
    let cutting = Cutting { patch_size: 32, shares, ..Cutting::default() };
    let out = folder.path().join("out");
    let report = cutting.cut(&scene, &labels, &out, &mut Silent).unwrap();
    assert_eq!(report.ground_sampling_distance, Some(10.0));
    let patches = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap();
    assert_eq!(patches.labels().unwrap().indices(), [10, 16]);
    let images = patches.images(0..2).unwrap();
    for (c, (name, factor)) in [("B01", 6), ("B02", 1), ("B05", 2)].into_iter().enumerate() {
        let file = GeoTiff::open(band(name)).unwrap();
        let raster = file.read(&Window::whole(file.grid()), None).unwrap();
        for (n, [row, column]) in [[50 - 16, 77 - 16], [90 - 16, 31 - 16]].into_iter().enumerate() {
            for (r, k) in (0..32).flat_map(|r| (0..32).map(move |k| (r, k))) {
                let wanted = raster[[0, (row + r) / factor, (column + k) / factor]];
                assert_eq!(images[[n, r, k, c]], wanted, "{name}, patch {n}, {r} {k}");
            }
        }
    }
}

/// Bands 1–7 of the four dates.
fn hong_kong(data: &Path) -> (Vec<Scene>, LabelRaster) {
    let folder = data.join("hongkong/landsat_8");
    let mut dates: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    dates.sort();
    let scene = |date: &std::ffi::OsString| {
        let date = date.to_str().unwrap();
        Scene::open((1..=7).map(|band| folder.join(format!("{date}/{date}_B{band}.tif")))).unwrap()
    };
    let labels = LabelRaster::open(data.join("hongkong/hong_kong_lcz_GT.tif"), &Classes::lcz()).unwrap();
    (dates.iter().map(scene).collect(), labels)
}

#[test]
fn regions_and_windows_without_data_of_hong_kong_are_those_that_scipy_finds() {
    let Some(data) = real_data() else { return };
    let (dates, labels) = hong_kong(&data);
    let known = known();
    let cutting = Cutting { patch_size: 16, ..Cutting::default() };
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    let report = plan.report();
    assert_eq!((report.labelled_pixels(), report.classes.len()), (8846, 13));
    for class in &report.classes {
        let number = (class.index + 1).to_string();
        assert_eq!(Some(class.regions as u64), known["regions"][&number].as_u64(), "{}", class.name);
        assert_eq!(Some(class.pixels as u64), known["pixels"][&number].as_u64(), "{}", class.name);
    }
    for (date, known) in report.dates.iter().zip(known["windows_without_data"].as_array().unwrap()) {
        assert_eq!(Some(date.without_data as u64), known.as_u64());
        assert_eq!(date.at_border, 0);
    }
}

#[test]
fn no_pixel_of_hong_kong_is_in_two_parts_and_every_class_is_in_each() {
    let Some(data) = real_data() else { return };
    let (dates, labels) = hong_kong(&data);
    for seed in 1..=3 {
        let cutting = Cutting { patch_size: 16, seed, ..Cutting::default() };
        let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
        let mut owner = vec![[None; 528]; 529];
        for part in Part::ALL {
            for [top, left] in (0..4).flat_map(|date| plan.corners(date, part)) {
                for pixel in owner[top..top + 16].iter_mut().flat_map(|row| &mut row[left..left + 16]) {
                    assert!(pixel.is_none_or(|other| other == part), "{part} and {pixel:?}, seed {seed}");
                    *pixel = Some(part);
                }
            }
        }
        for date in &plan.report().dates {
            let mut total = date.at_border + date.without_data;
            for part in Part::ALL {
                let count = date.part(part);
                total += count.patches + count.overlapping_testing + count.overlapping_validation;
                assert_eq!(count.classes.iter().filter(|&&n| n > 0).count(), 13, "{part}, seed {seed}");
            }
            assert_eq!(total, 8846, "every labelled pixel is accounted for");
            assert!(date.training.patches >= 3500, "{} training patches", date.training.patches);
        }
    }
}

#[test]
fn patches_of_hong_kong_hold_the_reflectances_and_regions_of_their_places() {
    let Some(data) = real_data() else { return };
    let (dates, labels) = hong_kong(&data);
    let cutting = Cutting {
        patch_size: 16,
        scale: 2e-5,
        offset: -0.1,
        unit: "reflectance".to_owned(),
        seed: 1,
        ..Cutting::default()
    };
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a folder that is not there yet/patches");
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    plan.write(&out, &mut Silent).unwrap();
    let (train, validation, test) = So2Sat::open(&out).unwrap().splits().unwrap();
    for (part, patches) in Part::ALL.into_iter().zip([&train, &validation, &test]) {
        assert_eq!(patches.len(), plan.report().patches(part));
    }
    let imagery = validation.imagery();
    assert_eq!((imagery.patch_size, imagery.unit.as_str()), (16, "reflectance"));
    assert!((imagery.ground_sampling_distance.unwrap() - 100.0).abs() < 1e-9);
    assert_eq!(imagery.bands.to_string(), "B1 B2 B3 B4 B5 B6 B7");
    assert_eq!(validation.classes(), &Classes::lcz());
    assert_eq!(
        validation.provenance(),
        "real: hong_kong_lcz_GT.tif, 7 bands, 4 dates; split 60/15/25 by region, seed 1"
    );

    // Row by row of the validation file: each pixel is that of the raster, and so are class and region.
    let (images, classes) = (validation.images(0..validation.len()).unwrap(), validation.labels().unwrap());
    let groups = validation.groups().unwrap();
    let mut n = 0;
    for (k, date) in dates.iter().enumerate() {
        let bands: Vec<_> =
            date.files().iter().map(|file| file.read(&Window::whole(file.grid()), None).unwrap()).collect();
        for [top, left] in plan.corners(k, Part::Validation) {
            for ((row, column, band), &value) in images.index_axis(ndarray::Axis(0), n).indexed_iter() {
                let number = bands[band][[0, top + row, left + column]];
                assert!((value - (number * 2e-5 - 0.1)).abs() < 1e-6, "patch {n}");
            }
            let site = labels.sites().iter().find(|site| (site.row, site.column) == (top + 8, left + 8));
            let site = site.unwrap();
            assert_eq!((classes.indices()[n], groups[n]), (site.class, site.region as i32), "patch {n}");
            n += 1;
        }
    }
    assert_eq!(n, validation.len());

    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report, serde_json::to_value(plan.report()).unwrap());
}

fn lcz(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.current_dir(folder.path()).args(["patches", "--quiet"]).args(arguments).output().unwrap()
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
    let wanted = ["report.json", "testing.h5", "training.h5", "validation.h5"];
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
    fs::copy(vectors().join("rasters/zstd.tif"), at("zstd.tif")).unwrap();
    let before = fs::read_dir(folder.path()).unwrap().count();

    let cases: [(&str, &[&str], &str); 20] = [
        ("B2.tif,none.tif", &[], "none.tif: No such file"),
        ("text.tif", &[], "text.tif: not a TIFF file; "),
        ("short.tif", &[], "short.tif: the file ends early; "),
        ("zstd.tif", &[], "zstd.tif: compression method 50000 is not supported; "),
        ("B2.tif,coarse.tif", &[], "coarse.tif: not on the grid of B2.tif: pixels of 15 x 15, not 10 x 10"),
        (
            "B2.tif,moved.tif",
            &[],
            "moved.tif: not on the grid of B2.tif: upper left corner at 500004 5000000",
        ),
        ("B2.tif,B2.tif", &[], "bands: band 2 is called 'B2', which is empty or taken; "),
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
        ("B2.tif", &["--scale", "0"], "scale 0, offset 0: they would make every pixel alike or infinite; "),
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
    assert!(message.starts_with("error: there: exists already; "), "{message}");
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
