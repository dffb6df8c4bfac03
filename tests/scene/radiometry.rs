//! Scale, offset, unit and names of bands, as the files state them.

use std::path::{Path, PathBuf};

use lcz::data::check_reflectance;
use lcz::data::eopatch::EoPatch;
use lcz::data::so2sat::{Layout, Rows, So2Sat, Writer};
use lcz::progress::Silent;
use lcz::scene::{
    Crs, Cutting, GeoTiffWriter, Grid, LabelRaster, Part, Radiometry, Scaling, Scene, SceneView, Shares,
    Transform,
};
use lcz::{Bands, Classes, Imagery};
use tempfile::TempDir;

use super::{real_data, writing};

fn grid() -> Grid {
    Grid {
        rows: 12,
        columns: 12,
        transform: Some(Transform([500_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0])),
        crs: Crs::from_epsg(32633).unwrap(),
    }
}

/// Writes bands side by side; band k holds `value` + k everywhere.
fn write(
    folder: &TempDir,
    name: &str,
    bands: &[&str],
    value: u16,
    scaling: Option<(Scaling, &str)>,
) -> PathBuf {
    let path = folder.path().join(name);
    let writer = GeoTiffWriter::<u16>::create(&path, &grid()).unwrap().bands(bands);
    let mut writer = match scaling {
        Some((scaling, unit)) => writer.scaled(scaling, unit),
        None => writer,
    };
    let pixel: Vec<u16> = (0..).map(|k| value + k).take(bands.len()).collect();
    writer.append(&pixel.repeat(144)).unwrap();
    writer.finish().unwrap();
    path
}

fn reflectance(offset: f64) -> (Scaling, &'static str) {
    (Scaling { scale: 1e-4, offset }, "reflectance")
}

/// The first pixel of each band.
fn pixel(scene: &Scene, radiometry: &Radiometry) -> Vec<f32> {
    let view = SceneView::new(scene, radiometry, None, None).unwrap();
    view.read(0..1).unwrap().pixels.slice(ndarray::s![0, 0, ..]).to_vec()
}

#[test]
fn two_dates_of_different_baselines_give_one_reflectance() {
    let folder = TempDir::new().unwrap();
    // Reflectance .15, before 2022 and after; the third date states nothing.
    let before = write(&folder, "2021_B4.tif", &["B4"], 1500, Some(reflectance(0.0)));
    let after = write(&folder, "2023_B4.tif", &["B4"], 2500, Some(reflectance(-0.1)));
    let dates = [Scene::open([before]).unwrap(), Scene::open([after]).unwrap()];
    let labels = folder.path().join("labels.tif");
    let mut writer = GeoTiffWriter::<u8>::create(&labels, &grid()).unwrap().no_data(0);
    writer.append(&[6; 144]).unwrap();
    writer.finish().unwrap();
    let labels = LabelRaster::open(labels, &Classes::lcz()).unwrap();
    let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
    let cutting = Cutting { patch_size: 4, shares, ..Cutting::default() };
    let out = folder.path().join("patches");
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    assert_eq!(plan.report().unit, "reflectance");
    let conversions: Vec<_> =
        plan.report().dates.iter().map(|date| date.conversion.clone().unwrap()).collect();
    assert_eq!(
        conversions,
        [
            "reflectance = 0.0001 * value (as the files state)",
            "reflectance = 0.0001 * value - 0.1 (as the files state)"
        ]
    );
    {
        let _writing = writing();
        plan.write(&out, &mut |_, _| Ok(()), &mut Silent).unwrap();
    }
    let patches = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap();
    assert_eq!(patches.len(), 2 * plan.corners(0, Part::Training).len());
    assert_eq!(patches.imagery().unit, "reflectance");
    let n = patches.len();
    assert!(patches.images(0..n).unwrap().iter().all(|value| (value - 0.15).abs() < 1e-6));
}

#[test]
fn what_is_given_overrides_what_the_file_states_one_by_one() {
    let folder = TempDir::new().unwrap();
    let scene = Scene::open([write(&folder, "B4.tif", &["B4"], 2500, Some(reflectance(-0.1)))]).unwrap();
    let plain = Radiometry::default();
    assert!((pixel(&scene, &plain)[0] - 0.15).abs() < 1e-6);
    assert_eq!(scene.unit(&plain), "reflectance");
    // The scale alone: the offset is still the file's.
    let scale = Radiometry { scale: Some(1e-4), ..Radiometry::default() };
    assert!((pixel(&scene, &scale)[0] - 0.15).abs() < 1e-6);
    let none = Radiometry { offset: Some(0.0), ..Radiometry::default() };
    assert!((pixel(&scene, &none)[0] - 0.25).abs() < 1e-6);
    let numbers = Radiometry { scale: Some(1.0), offset: Some(0.0), ..Radiometry::default() };
    assert_eq!(pixel(&scene, &numbers), [2500.0]);

    let unstated = Scene::open([write(&folder, "B3.tif", &["B3"], 2500, None)]).unwrap();
    assert_eq!(
        (pixel(&unstated, &plain), unstated.unit(&plain)),
        (vec![2500.0], "digital number".to_owned())
    );
    assert_eq!(unstated.unit(&scale), "reflectance");
    assert_eq!(unstated.conversion(&plain).unwrap(), None);
    let thermal = (Scaling { scale: 0.1, offset: 100.0 }, "K");
    let thermal = Scene::open([write(&folder, "B10.tif", &["B10"], 2000, Some(thermal))]).unwrap();
    assert_eq!((pixel(&thermal, &plain), thermal.unit(&plain)), (vec![300.0], "K".to_owned()));
    let nothing = Radiometry { scale: Some(0.0), ..Radiometry::default() };
    let message = scene.scaling(&nothing).unwrap_err().to_string();
    assert!(
        message.contains("B4.tif: scale 0, offset -0.1") && message.contains("--offset -0.1"),
        "{message}"
    );
}

#[test]
fn bands_of_one_file_are_named_by_its_descriptions_in_any_spelling() {
    let folder = TempDir::new().unwrap();
    let open = |name: &str, bands: &[&str]| Scene::open([write(&folder, name, bands, 10, None)]).unwrap();
    let scene = open("export.tif", &["B04", "b8a", "B3, central wavelength 560 nm", "red"]);
    assert_eq!(scene.bands().names(), ["B4", "B8A", "B3", "red"]);
    let chosen = scene.only(&Bands::named(["B3", "B4"]).unwrap()).unwrap();
    assert_eq!(pixel(&chosen, &Radiometry::default()), [12.0, 10.0]);
    // Two statistics of one band are two names, and bands without any are counted over the scene.
    assert_eq!(open("means.tif", &["B4_mean", "B4_sd"]).bands().names(), ["B4_mean", "B4_sd"]);
    assert_eq!(open("S2_B04_stack.tif", &["", ""]).bands().names(), ["band 1", "band 2"]);
    let two = ["one.tif", "two.tif"].map(|name| write(&folder, name, &["", "B8"], 10, None));
    let message = Scene::open(&two).unwrap_err().to_string();
    assert!(message.contains("'B8'"), "{message}");
    let two = ["B2.tif", "rest.tif"].map(|name| {
        let bands: &[&str] = if name == "B2.tif" { &[""] } else { &["B3", ""] };
        write(&folder, name, bands, 10, None)
    });
    assert_eq!(Scene::open(&two).unwrap().bands().names(), ["B2", "B3", "band 3"]);
}

/// Real scenes, with the scale and offset that make them reflectance.
fn real_scenes(data: &Path) -> Vec<(&'static str, Scene, f64, f64)> {
    let ten = ["B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12"];
    let folder = |name: &str, prefix: &str| -> Vec<PathBuf> {
        ten.iter().map(|band| data.join(name).join(format!("{prefix}{band}.tif"))).collect()
    };
    let patch = |name: &str| folder(&format!("bigearthnet/{name}"), &format!("{name}_"));
    let open = |files: Vec<PathBuf>| Scene::open(files).unwrap();
    let product = data.join("sentinel2/S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE");
    vec![
        ("Berlin", open(vec![data.join("berlin/Berlin_S2_2024-10-24_sample.tif")]), 1e-4, 0.0),
        ("Aquileia", open(folder("scenes/aquileia", "")), 1.0 / 65_535.0, 0.0),
        ("BigEarthNet 2017", open(patch("S2A_MSIL2A_20170617T113321_36_85")), 1e-4, 0.0),
        ("BigEarthNet 2018", open(patch("S2B_MSIL2A_20180502T093039_43_14")), 1e-4, 0.0),
        ("product", Scene::at(product).unwrap().only(&Bands::sentinel2()).unwrap(), 1e-4, -0.1),
    ]
}

#[test]
fn real_scenes_are_told_from_the_same_with_a_wrong_scale_or_offset() {
    let Some(data) = real_data() else { return };
    for (name, scene, scale, right) in real_scenes(&data) {
        let told = |scale: f64, offset: f64, unit: &str| {
            let (scale, offset, unit) = (Some(scale), Some(offset), Some(unit.to_owned()));
            let radiometry = Radiometry { scale, offset, unit, no_data: None };
            let view = SceneView::new(&scene, &radiometry, None, None).unwrap();
            view.check_reflectance(None).map_or_else(|error| error.to_string(), |()| String::new())
        };
        assert_eq!(told(scale, right, "reflectance"), "", "{name}");
        // What the product states is to be used.
        let stated = right != 0.0;
        let [not_applied, twice] = if stated {
            ["leave out --offset, as the files state -0.1;"; 2]
        } else {
            ["give --offset -0.1;", "give --offset 0,"]
        };
        for (scale, offset, cause, fix) in [
            (scale, right + 0.1, "an offset of -0.1 that is not applied?", not_applied),
            (scale, right - 0.1, "are below 0: an offset that is applied twice", twice),
            (1.0, 0.0, "digital numbers, not reflectance?", "give --scale 1e-4 --offset -0.1 (Sentinel-2"),
            (scale * 1e-4, right * 1e-4, "scaled twice?", "leave out --scale"),
        ] {
            let message = told(scale, offset, "reflectance");
            assert!(message.contains(cause) && message.contains(fix), "{name}, {offset}: {message}");
            assert!(message.ends_with("--ignore-radiometry skips this check"), "{message}");
            assert_eq!(told(scale, offset, "digital number"), "", "{name}: another unit");
        }
    }
}

#[test]
fn real_landsat_and_sentinel2_data_are_not_stopped() {
    let Some(data) = real_data() else { return };
    for date in std::fs::read_dir(data.join("hongkong/landsat_8")).unwrap().map(|entry| entry.unwrap().path())
    {
        let mut bands: Vec<PathBuf> = std::fs::read_dir(&date)
            .into_iter()
            .flatten()
            .map(|entry| entry.unwrap().path())
            .filter(|path| (1..8).any(|k| path.to_string_lossy().ends_with(&format!("_B{k}.tif"))))
            .collect();
        bands.sort();
        if bands.is_empty() {
            continue;
        }
        let scene = Scene::open(&bands).unwrap();
        let radiometry = Radiometry { scale: Some(2e-5), offset: Some(-0.1), ..Radiometry::default() };
        SceneView::new(&scene, &radiometry, None, None).unwrap().check_reflectance(None).unwrap();
    }
    for file in ["reference_patches.h5", "more_patches.h5"] {
        let patches = So2Sat::open(data.join("sen2lcz").join(file)).unwrap().patches().unwrap();
        check_reflectance(&patches, None).unwrap();
    }
    let sample = EoPatch::open(data.join("eolearn/slovenia_lulc.h5")).unwrap();
    let (patches, _) = sample.patches(&[0, 1, 2, 3, 4], 32, 16).unwrap();
    check_reflectance(&patches, None).unwrap();
}

/// Patches of reflectance of which a file tells `stated`, with these numbers of uniform noise.
fn patches(folder: &TempDir, name: &str, range: std::ops::Range<f32>) -> PathBuf {
    let path = folder.path().join(name);
    let imagery = Imagery { patch_size: 8, ..Imagery::so2sat() };
    let value = |(n, y, x, c): (usize, usize, usize, usize)| {
        let share = (n * 640 + y * 80 + x * 10 + c) as f32 * 0.618_034 % 1.0;
        range.start + share * (range.end - range.start)
    };
    let images = ndarray::Array4::from_shape_fn((40, 8, 8, 10), value);
    let layout = Layout::new("sen2", imagery, Classes::lcz(), "synthetic, of a test");
    let _writing = writing();
    let mut writer = Writer::create(&path, &layout).unwrap();
    writer.append(Rows::new(images.view())).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn patches_whose_values_cannot_be_reflectance_are_told_with_the_numbers() {
    let folder = TempDir::new().unwrap();
    let told = |name: &str, range: std::ops::Range<f32>| {
        let patches = So2Sat::open(patches(&folder, name, range)).unwrap().patches().unwrap();
        check_reflectance(&patches, None).map_or_else(|error| error.to_string(), |()| String::new())
    };
    assert_eq!(told("right.h5", 0.01..0.6), "");
    assert_eq!(told("bright.h5", 0.01..2.5), "");
    let message = told("numbers.h5", 100.0..6000.0);
    assert!(message.contains("values up to 59") && message.contains("the attribute 'unit'"), "{message}");
    let message = told("light.h5", 0.12..0.6);
    assert!(message.contains("the darkest 0.1 % of every band are 0.12"), "{message}");
    assert!(told("landsat.h5", 0.21..0.9).contains("an offset of -0.2 that is not applied?"));
    let message = told("dark.h5", -0.1..0.5);
    assert!(message.contains("are below 0") && message.contains("cut the patches again"), "{message}");
    assert!(told("twice.h5", 1e-6..6e-5).contains("scaled twice?"));
}
