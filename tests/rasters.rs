//! Rasters against GDAL (`tests/vectors/make_rasters.py`), patches against their definition, and every
//! bad input against its one line.

// Pixels are whole numbers, or come from the very operations that they are compared with.
#![allow(clippy::float_cmp)]

use std::fs;
use std::path::{Path, PathBuf};

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
