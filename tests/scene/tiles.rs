//! Tiles of a scene against what NumPy and rasterio cut (`tests/vectors/make_tiles.py`), and what is wrong with a scene
//! in one line.

use std::path::{Path, PathBuf};

use lcz::Classes;
use lcz::data::{Masks, So2Sat};
use lcz::progress::Silent;
use lcz::scene::{
    BlockSplit, CloudFilter, Crs, CutInto, CutScene, Cutting, Fate, GeoBox, GeoTiff, GeoTiffWriter, Grid,
    LabelRaster, Labelling, Part, Radiometry, Raster, Scene, Shares, Tiling, Transform,
};
use serde_json::Value;
use tempfile::TempDir;

use super::vectors;

fn file(name: &str) -> PathBuf {
    vectors().join(format!("tiles/{name}.tif"))
}

fn scene() -> Scene {
    Scene::open(["B2", "B3", "B11"].map(file)).unwrap()
}

fn labels() -> LabelRaster {
    LabelRaster::open(file("labels"), &Classes::from_count(5)).unwrap()
}

fn known() -> Value {
    serde_json::from_str(&std::fs::read_to_string(vectors().join("tiles.json")).unwrap()).unwrap()
}

/// Sums over the patches and masks that were cut, as the script forms them.
fn sums(cut: &CutScene) -> (f64, u64, u64) {
    let size = cut.patches.imagery().patch_size;
    let place = |row: usize, column: usize| row * size + column + 1;
    let images = cut.patches.images(0..cut.patches.len()).unwrap();
    let weighed = |((_, row, column, band), value): ((usize, usize, usize, usize), &f32)| {
        f64::from(*value) * (band + 1) as f64 * place(row, column) as f64
    };
    let masks = cut.masks.view();
    let classes = masks.indexed_iter().filter(|(_, class)| **class != Masks::IGNORED);
    (
        images.indexed_iter().map(weighed).sum(),
        classes.map(|((_, row, column), class)| (u64::from(*class) + 1) * place(row, column) as u64).sum(),
        masks.iter().filter(|class| **class == Masks::IGNORED).count() as u64,
    )
}

#[track_caller]
fn assert_cut_as(known: &Value, area: Option<GeoBox>) {
    let number = |name: &str| known[name].as_u64().unwrap() as usize;
    let (patch_size, stride) = (number("size"), number("stride"));
    let tiling = Tiling { patch_size, stride, radiometry: Radiometry::sentinel2(), area };
    let filter = CloudFilter { most: known["most"].as_f64().unwrap(), ..CloudFilter::default() };
    let scl = Raster::from(GeoTiff::open(file("SCL")).unwrap());
    let sky = known["sky"].as_bool().unwrap().then_some((&scl, &filter));
    let cut = tiling.cut(&scene(), &labels(), sky, &mut Silent).unwrap();
    let wanted = known["tiles"].as_array().unwrap();
    assert_eq!(cut.tiles.len(), wanted.len());
    for (tile, wanted) in cut.tiles.iter().zip(wanted) {
        let [row, column] = tile.corner;
        assert_eq!(serde_json::json!([row, column, tile.fate.words()]), *wanted);
    }
    let kept = cut.tiles.iter().filter(|tile| tile.fate == Fate::Kept).count();
    assert_eq!((cut.patches.len(), cut.masks.view().dim().0), (kept, kept));
    let (pixels, classes, ignored) = sums(&cut);
    let wanted = known["pixels"].as_f64().unwrap();
    assert!((pixels - wanted).abs() < 1e-6 * wanted, "{pixels} {wanted}");
    assert_eq!([classes, ignored], ["classes", "ignored"].map(|name| known[name].as_u64().unwrap()));
}

#[test]
fn tiles_pixels_and_masks_are_those_that_numpy_cuts() {
    for cut in known()["cuts"].as_array().unwrap() {
        assert_cut_as(cut, None);
    }
}

#[test]
fn a_box_takes_the_pixels_that_rasterio_takes() {
    for known in known()["boxes"].as_array().unwrap() {
        let side: Vec<f64> = known["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        let area = GeoBox { west: side[0], south: side[1], east: side[2], north: side[3] };
        let window: Vec<usize> = serde_json::from_value(known["window"].clone()).unwrap();
        let (tiling, scene) = (Tiling { patch_size: 16, area: Some(area), ..Tiling::default() }, scene());
        let grid = tiling.over(&scene).unwrap().grid().clone();
        assert_eq!([grid.rows, grid.columns], [window[2], window[3]]);
        let corner = (500_000.0 + 10.0 * window[1] as f64, 5_300_000.0 - 10.0 * window[0] as f64);
        assert_eq!(grid.transform.unwrap().coordinates(0.0, 0.0), corner);
        let cut = Value::Object({
            let mut cut = known["cut"].as_object().unwrap().clone();
            cut.insert("stride".to_owned(), 16.into());
            cut
        });
        assert_cut_as(&cut, Some(area));
    }
}

#[test]
fn the_files_of_a_cut_hold_what_is_cut_in_memory_split_by_blocks() {
    let scl = Raster::from(GeoTiff::open(file("SCL")).unwrap());
    let (labels, clouds) = (labels(), CloudFilter { most: 0.3, ..CloudFilter::default() });
    let radiometry = Radiometry::sentinel2();
    let tiling = Tiling { patch_size: 10, stride: 8, radiometry: radiometry.clone(), ..Tiling::default() };
    let whole = tiling.cut(&scene(), &labels, Some((&scl, &clouds)), &mut Silent).unwrap();
    let parts = BlockSplit { side: 2, seed: 3, ..BlockSplit::default() }.split(&whole).unwrap();

    let cutting = Cutting {
        patch_size: 10,
        radiometry,
        clouds,
        seed: 3,
        into: CutInto::Tiles { stride: 8, block: 2 },
        ..Cutting::default()
    };
    let folder = TempDir::new().unwrap();
    // The same date twice is twice the patches, and the same split.
    for dates in [1, 2] {
        let dates = vec![scene().with_scene_classes(scl.clone()); dates];
        let out = folder.path().join(dates.len().to_string());
        let plan = cutting.cut(&dates, &labels, &out, &mut Silent).unwrap();
        let mut groups = std::collections::BTreeMap::new();
        for part in Part::ALL {
            let at: Vec<usize> = (0..parts.len()).filter(|&n| parts[n] == Some(part)).collect();
            let patches = So2Sat::open(out.join(format!("{part}.h5"))).unwrap().patches().unwrap();
            assert_eq!(patches.len(), dates.len() * at.len());
            let of_date = |date: usize| {
                patches.select(&(0..at.len()).map(|n| date * at.len() + n).collect::<Vec<_>>()).unwrap()
            };
            let (wanted, masks) = (whole.patches.select(&at).unwrap(), whole.masks.select(&at).unwrap());
            for date in 0..dates.len() {
                let patches = of_date(date);
                assert_eq!(patches.images(0..at.len()).unwrap(), wanted.images(0..at.len()).unwrap());
                assert_eq!(patches.masks().unwrap(), masks);
                let report = plan.report().dates[date].part(part);
                assert_eq!((report.patches, &report.classes), (at.len(), &masks.counts()));
                let corners = plan.corners(date, part);
                for (corner, group) in corners.iter().zip(patches.groups().unwrap()) {
                    let block = corner.map(|first| first / 20);
                    assert_eq!(*groups.entry(block).or_insert((group, part)), (group, part), "{block:?}");
                }
            }
            assert_eq!(patches.imagery(), wanted.imagery());
        }
        let numbers: std::collections::BTreeSet<i32> = groups.values().map(|(group, _)| *group).collect();
        assert_eq!(numbers.len(), groups.len(), "a block has a number of its own");
        let date = &plan.report().dates[0];
        let count = |fate: Fate| whole.tiles.iter().filter(|tile| tile.fate == fate).count();
        assert_eq!(
            [date.without_data, date.cloudy, date.unlabelled, date.across_blocks],
            [
                count(Fate::NoData),
                count(Fate::Cloud),
                count(Fate::Unlabelled),
                parts.iter().filter(|part| part.is_none()).count()
            ]
        );
    }
}

#[test]
fn windows_under_clouds_and_outside_a_box_are_left_out() {
    let folder = TempDir::new().unwrap();
    // A 60 x 60 scene of 10 m with classes in stripes, and a cloud over its left part.
    let stripes: Vec<u8> = (0..60 * 60).map(|k| (k % 60 / 10 % 3) as u8 + 1).collect();
    let write = |name: &str, values: &[u8], (side, pixel): (usize, f64)| {
        let path = folder.path().join(name);
        let grid = Grid {
            rows: side,
            columns: side,
            transform: Some(Transform([500_000.0, pixel, 0.0, 5_300_000.0, 0.0, -pixel])),
            crs: Crs::from_epsg(32633).unwrap(),
        };
        let mut writer = GeoTiffWriter::<u8>::create(&path, &grid).unwrap();
        writer.append(values).unwrap();
        writer.finish().unwrap();
        path
    };
    let band = write("B2.tif", &[7; 3600], (60, 10.0));
    let labels =
        LabelRaster::open(write("labels.tif", &stripes, (60, 10.0)), &Classes::from_count(3)).unwrap();
    let sky: Vec<u8> = (0..900).map(|k| if k % 30 < 10 { 9 } else { 4 }).collect();
    let scl = GeoTiff::open(write("SCL.tif", &sky, (30, 20.0))).unwrap();
    let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
    let plan = |cutting: &Cutting, date: &[Scene]| {
        cutting.plan(date, &labels, &mut Silent).unwrap().report().dates[0].clone()
    };
    let cutting = Cutting { patch_size: 5, shares, ..Cutting::default() };
    let date = [Scene::open([&band]).unwrap()];
    let clear = plan(&cutting, &date);
    assert_eq!((clear.training.patches, clear.at_border, clear.cloudy), (56 * 56, 60 * 60 - 56 * 56, 0));
    let date = date.map(|date| date.with_scene_classes(scl.clone()));
    // Windows whose first column is below 20 see the cloud; with 40 % allowed, those from 18 on remain.
    let clouds = |most| CloudFilter { most, ..CloudFilter::default() };
    assert_eq!(plan(&Cutting { clouds: clouds(0.0), ..cutting.clone() }, &date).cloudy, 20 * 56);
    assert_eq!(plan(&Cutting { clouds: clouds(0.4), ..cutting.clone() }, &date).cloudy, 18 * 56);
    // The meridian of 15 degrees is the scene's left edge, and 0.004 degrees are 299 m: 30 of its columns.
    let area = Some("14.9,47.84,15.004,47.86".parse().unwrap());
    let boxed = plan(&Cutting { area, ..cutting }, &date);
    assert_eq!((boxed.training.patches, boxed.cloudy), (6 * 56, 20 * 56), "a column of five is 20 %");
    assert_eq!(boxed.at_border, 60 * 60 - 26 * 56);
}

#[test]
fn an_overview_has_the_scenes_colours_and_classes() {
    let tiling = Tiling::default();
    let scene = Scene::open([file("B2"), file("B3"), vectors().join("tiles/B3.tif")]).unwrap_err();
    assert!(scene.to_string().contains("'B3'"), "{scene}");
    let scene = self::scene();
    let overview = tiling.over(&scene).unwrap().overview(Some(&labels())).unwrap();
    assert!(overview.colours.is_none(), "no B4");
    let classes = overview.classes.unwrap();
    assert_eq!((overview.step, classes.dim()), (1, (100, 130)));
    for site in labels().sites() {
        assert_eq!(classes[[site.row, site.column]], Some(site.class));
    }
}

/// The one line of a cut that is refused.
#[track_caller]
fn refused(tiling: &Tiling, scene: &Scene, sky: Option<(&Path, f64)>) -> String {
    let filter = CloudFilter { most: sky.map_or(0.15, |sky| sky.1), ..CloudFilter::default() };
    let scl = sky.map(|(path, _)| Raster::from(GeoTiff::open(path).unwrap()));
    let error = tiling.cut(scene, &labels(), scl.as_ref().map(|scl| (scl, &filter)), &mut Silent);
    let message = error.expect_err("it is refused").to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// A raster of one value on the 20-metre grid of the scene, or on another.
fn raster(folder: &TempDir, name: &str, value: u8, (rows, columns, pixel): (usize, usize, f64)) -> PathBuf {
    let path = folder.path().join(name);
    let grid = Grid {
        rows,
        columns,
        transform: Some(Transform([500_000.0, pixel, 0.0, 5_300_000.0, 0.0, -pixel])),
        crs: Crs::from_epsg(32633).unwrap(),
    };
    let mut writer = GeoTiffWriter::<u8>::create(&path, &grid).unwrap();
    writer.append(&vec![value; rows * columns]).unwrap();
    writer.finish().unwrap();
    path
}

#[test]
fn a_scene_that_gives_no_patch_says_why() {
    let folder = TempDir::new().unwrap();
    let (tiling, scene) = (Tiling { patch_size: 20, stride: 20, ..Tiling::default() }, scene());
    let all_cloud = raster(&folder, "cloud.tif", 9, (50, 65, 20.0));
    let message = refused(&tiling, &scene, Some((&all_cloud, 0.15)));
    assert!(
        message.contains(
            "B2.tif: none of its 30 tiles is left: 1 without data, 29 with more than 15 % of cloud (SCL 3, 8, 9, 10), \
             0 without a class; give a clearer date"
        ),
        "{message}"
    );
    let all_clear = raster(&folder, "clear.tif", 4, (50, 65, 20.0));
    assert!(
        tiling
            .cut(
                &scene,
                &labels(),
                Some((&GeoTiff::open(all_clear).unwrap().into(), &CloudFilter::default())),
                &mut Silent
            )
            .is_ok()
    );
    let no_scl = raster(&folder, "other.tif", 40, (50, 65, 20.0));
    let message = refused(&tiling, &scene, Some((&no_scl, 0.15)));
    assert!(
        message.contains("other.tif: 40 at row 0, column 0 is none of the scene classes 0 to 11"),
        "{message}"
    );
    let too_small = raster(&folder, "small.tif", 4, (40, 65, 20.0));
    let message = refused(&tiling, &scene, Some((&too_small, 0.15)));
    assert!(
        message.contains("small.tif: not on the grid of ") && message.contains("40 x 65 pixels"),
        "{message}"
    );
    assert!(refused(&tiling, &scene, Some((&file("SCL"), 1.5))).contains("max cloud: 150 % of a patch"));
}

#[test]
fn settings_and_scenes_that_do_not_fit_are_named() {
    let scene = scene();
    let large = Tiling { patch_size: 128, ..Tiling::default() };
    let message = refused(&large, &scene, None);
    assert!(
        message.contains("B2.tif: 100 x 130 pixels are less than a patch of 128 x 128; give a larger"),
        "{message}"
    );
    let none = Tiling { stride: 0, ..Tiling::default() };
    assert!(refused(&none, &scene, None).contains("stride: 0 pixels"));
    let elsewhere = Tiling { area: Some("8,53,9,54".parse().unwrap()), ..Tiling::default() };
    let message = refused(&elsewhere, &scene, None);
    assert!(
        message.contains("B2.tif: the box 8,53,9,54 (west, south, east, north) lies outside it"),
        "{message}"
    );
    for (text, problem) in [
        ("8,53,9", "not four numbers"),
        ("9,53,8,54", "west must be less than east"),
        ("8,53,9,91", "a latitude is beyond 90"),
        ("nan,53,9,54", "a longitude is beyond 180"),
    ] {
        let message = text.parse::<GeoBox>().unwrap_err().to_string();
        assert!(message.starts_with(&format!("box '{text}': {problem}")), "{message}");
    }
    let folder = TempDir::new().unwrap();
    let wide = raster(&folder, "B4.tif", 4, (100, 131, 10.0));
    let scene = Scene::open([file("B2"), wide]).unwrap();
    let message = refused(&Tiling::default(), &scene, None);
    assert!(
        message.contains("B4.tif: not on the grid of ") && message.contains("100 x 131 pixels"),
        "{message}"
    );
}

#[test]
fn polygons_that_cross_themselves_are_counted_and_the_first_is_named() {
    let folder = TempDir::new().unwrap();
    let like = Scene::open([raster(&folder, "B2.tif", 1, (90, 110, 10.0))]).unwrap();
    let path = vectors().join("rasters/random.shp");
    let labels = Labelling::default().open(path, &[like], &mut Silent).unwrap();
    let counts = labels.report().polygons.clone().unwrap();
    // Every twentieth from the eighth on is a bow tie; some of the random ones have holes that leave them.
    assert!(counts.crossing >= 2 && counts.first_crossing.is_some(), "{counts:?}");
}
