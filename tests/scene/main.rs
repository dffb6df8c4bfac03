//! Rasters against GDAL (`tests/vectors/make_rasters.py`), patches against their definition, and every
//! bad input against its one line.

// Pixels are whole numbers, or come from the very operations that they are compared with.
#![allow(clippy::float_cmp)]

mod areas;
mod ends;
mod failures;
mod ground;
mod labelling;
mod masks;
mod opening;
mod product;
mod provenance;
mod radiometry;
mod rasterising;
mod tiles;
mod writing;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lcz::Classes;
use lcz::data::so2sat::So2Sat;
use lcz::progress::Silent;
use lcz::scene::{Cutting, GeoTiff, LabelRaster, Part, Plan, Radiometry, Scene, Shares, Window};
use serde_json::Value;
use tempfile::TempDir;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

/// Held while patches are written and while a process starts: HDF5 locks files that it writes, and a
/// process started meanwhile by another test would inherit the lock.
fn writing() -> MutexGuard<'static, ()> {
    static WRITING: Mutex<()> = Mutex::new(());
    WRITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn known() -> Value {
    serde_json::from_str(&fs::read_to_string(vectors().join("rasters.json")).unwrap()).unwrap()
}

/// The folder of real data; `None` where there is none and none is requested.
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
    assert_eq!(grid.crs.epsg().map(u64::from), known["epsg"].as_u64(), "{name}");

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
    assert_eq!(files.len(), 50);
    for (name, known) in files {
        assert_as_gdal(&vectors().join(format!("rasters/{name}.tif")), known);
    }
}

#[test]
fn an_encoding_that_is_not_read_is_named_with_the_command_that_converts_it() {
    let known = known();
    let refused = known["unsupported"].as_object().unwrap();
    assert_eq!(refused.len(), 8);
    for (name, word) in refused {
        let path = vectors().join(format!("rasters/refused_{name}.tif"));
        let message = GeoTiff::open(&path).unwrap_err().to_string();
        let wanted = format!("{}: {} are not supported; ", path.display(), word.as_str().unwrap());
        let wanted = if wanted.contains("pixels") { wanted } else { wanted.replace(" are not", " is not") };
        assert!(message.starts_with(&wanted) && message.contains("gdal_translate -"), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn a_system_without_code_is_told_by_its_name() {
    let crs = |name: &str| {
        let file = GeoTiff::open(vectors().join(format!("rasters/{name}.tif"))).unwrap();
        file.grid().crs.to_string()
    };
    assert_eq!(crs("geographic"), "EPSG:4326");
    assert_eq!(crs("user_defined"), "the projected system 'unknown' without EPSG code");
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
    // EPSG:2263 counts in US survey feet; so far north of its zone, 1000 feet of the map are 973 of the ground (pyproj).
    assert!((vector("feet") - 2.965_729_78).abs() < 1e-5);
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
    epsg: u16,
    values: &'a dyn Fn(u32, u32) -> f32,
}

const PLAIN: Raster<'_> =
    Raster { columns: 60, rows: 50, corner: [5e5, 5e6], pixel: 10.0, epsg: 32632, values: &|_, _| 1.0 };

fn write(folder: &TempDir, name: &str, raster: &Raster<'_>) -> PathBuf {
    let path = folder.path().join(name);
    let mut encoder = TiffEncoder::new(fs::File::create(&path).unwrap()).unwrap();
    let mut image = encoder.new_image::<colortype::Gray32Float>(raster.columns, raster.rows).unwrap();
    let tags = image.encoder();
    let tie = [0.0, 0.0, 0.0, raster.corner[0], raster.corner[1], 0.0];
    tags.write_tag(Tag::ModelPixelScaleTag, &[raster.pixel, raster.pixel, 0.0][..]).unwrap();
    tags.write_tag(Tag::ModelTiepointTag, &tie[..]).unwrap();
    let keys = [1u16, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, raster.epsg];
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
        let cutting = Cutting {
            patch_size,
            shares,
            radiometry: Radiometry { scale: Some(0.5), offset: Some(-3.0), ..Radiometry::default() },
            ..Cutting::default()
        };
        let plan = cutting.plan(&scene, &labels, &mut Silent).unwrap();
        assert_eq!(plan.corners(0, Part::Training), [first]);
        let out = folder.path().join(format!("out{patch_size}"));
        {
            let _writing = writing();
            let mut fail = |_: &Plan<'_>, folder: &Path| {
                fs::read(folder.join("missing")).map(drop).map_err(lcz::Error::io(folder))
            };
            let cannot = plan.write(&out, &mut fail, &mut Silent);
            assert!(cannot.is_err() && !out.exists(), "a figure that cannot be drawn leaves no folder");
            let mut more = |_: &Plan<'_>, folder: &Path| {
                assert!(!out.exists(), "further files are written before the folder has its name");
                fs::write(folder.join("scene.csv"), "rows").map_err(lcz::Error::io(folder))
            };
            plan.write(&out, &mut more, &mut Silent).unwrap();
        }
        assert!(out.join("training.h5").exists() && !out.join("testing.h5").exists());
        assert!(out.join("scene.csv").exists());

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
fn bands_of_bigearthnet_are_upsampled_as_rasterio_upsamples_them() {
    let Some(data) = real_data() else { return };
    let known = known();
    let patches = known["upsampled"].as_object().unwrap();
    assert_eq!(patches.len(), 2);
    for (name, bands) in patches {
        let bands = bands.as_object().unwrap();
        let files = bands.keys().map(|band| data.join(format!("bigearthnet/{name}/{name}_{band}.tif")));
        let scene = [Scene::open(files).unwrap()];
        assert_eq!(scene[0].bands().len(), 12);
        // A label in the middle of the window that starts at row 34, column 61.
        let folder = TempDir::new().unwrap();
        let file = scene[0].files().iter().find(|file| file.grid().rows == 120).unwrap();
        let transform = file.grid().transform.unwrap().0;
        let one = |row, column| if (row, column) == (50, 77) { 11.0 } else { 0.0 };
        let corner = [transform[0], transform[3]];
        let epsg = file.grid().crs.epsg().unwrap();
        let labels = Raster { rows: 120, columns: 120, corner, pixel: 10.0, epsg, values: &one };
        let labels = LabelRaster::open(write(&folder, "labels.tif", &labels), &Classes::lcz()).unwrap();
        let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
        let out = folder.path().join("out");
        let cutting = Cutting { patch_size: 32, shares, ..Cutting::default() };
        let report = {
            let _writing = writing();
            cutting.cut(&scene, &labels, &out, &mut Silent).unwrap().report().clone()
        };
        assert_eq!((report.ground_sampling_distance, report.patches(Part::Training)), (Some(10.0), 1));
        let images = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap().images(0..1).unwrap();
        for (k, (band, sums)) in bands.iter().enumerate() {
            let pixels = images.index_axis(ndarray::Axis(3), k);
            let sum: f64 = pixels.iter().map(|&x| f64::from(x)).sum();
            let weighted: f64 = pixels.iter().enumerate().map(|(n, &x)| n as f64 * f64::from(x)).sum();
            assert_eq!(serde_json::json!([sum, weighted]), *sums, "{name}, {band}");
        }
    }
}

#[test]
fn an_lcz_map_is_read_as_labels() {
    let Some(data) = real_data() else { return };
    // 32-bit integers with -999 for no data, in longitude and latitude.
    let labels = LabelRaster::open(data.join("lcz_maps/lcz_zaragoza.tif"), &Classes::lcz()).unwrap();
    let known = known();
    let classes = known["zaragoza"].as_object().unwrap();
    assert_eq!(classes.len(), 13);
    for (number, known) in classes {
        let of: Vec<_> =
            labels.sites().iter().filter(|site| (site.class + 1).to_string() == *number).collect();
        let regions: std::collections::BTreeSet<_> = of.iter().map(|site| site.region).collect();
        assert_eq!(serde_json::json!([of.len(), regions.len()]), *known, "class {number}");
    }
    assert_eq!(labels.sites().len(), 765 * 1210);
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
    let report = {
        let _writing = writing();
        cutting.cut(&scene, &labels, &out, &mut Silent).unwrap().report().clone()
    };
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
        radiometry: Radiometry { scale: Some(2e-5), offset: Some(-0.1), ..Radiometry::default() },
        seed: 1,
        ..Cutting::default()
    };
    let folder = TempDir::new().unwrap();
    let out = folder.path().join("a folder that is not there yet/patches");
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    {
        let _writing = writing();
        plan.write(&out, &mut |_, _| Ok(()), &mut Silent).unwrap();
    }
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
        "unknown source; hong_kong_lcz_GT.tif, 7 bands, 4 dates; split 60/15/25 by region, seed 1"
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
            assert_eq!((classes.indices()[n], groups[n]), (site.class, labels.group(site)), "patch {n}");
            n += 1;
        }
    }
    assert_eq!(n, validation.len());

    let report: Value = serde_json::from_str(&fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(report, serde_json::to_value(plan.report()).unwrap());
    assert_eq!(report["crs"], "EPSG:32649");
    // The HDF5 files carry it, too.
    let bytes = fs::read(out.join("testing.h5")).unwrap();
    let text = b"\"without_data\": ";
    assert_eq!(bytes.windows(text.len()).filter(|window| window == text).count(), 4);
}
