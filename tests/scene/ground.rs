//! Metres are metres on the ground, whatever the coordinates; oblong pixels become square; and what a file states of its
//! system is written with what is made of it.

use std::fs::File;
use std::path::{Path, PathBuf};

use lcz::data::so2sat::So2Sat;
use lcz::mapping::{MapOutput, Mapping, map_with};
use lcz::models::{self, Architecture, Device};
use lcz::progress::Silent;
use lcz::scene::{
    Crs, CutInto, Cutting, Distance, GeoTiff, GeoTiffWriter, Grid, LabelRaster, Labelling, Part, Pixel,
    Scene, Shares, Transform, Window,
};
use lcz::{Bands, Classes, Imagery};
use tempfile::TempDir;
use tiff::decoder::Decoder;
use tiff::encoder::{TiffEncoder, colortype};
use tiff::tags::Tag;

use super::{blocks, writing};

/// Map metres of web Mercator's y at a latitude.
fn mercator(latitude: f64) -> f64 {
    6_378_137.0 * (std::f64::consts::FRAC_PI_4 + latitude.to_radians() / 2.0).tan().ln()
}

fn grid(crs: u16, [rows, columns]: [usize; 2], [x, y]: [f64; 2], [across, down]: [f64; 2]) -> Grid {
    let transform = Some(Transform([x, across, 0.0, y, 0.0, -down]));
    Grid { rows, columns, transform, crs: Crs::from_epsg(crs).unwrap() }
}

fn write<P: Pixel>(folder: &Path, name: &str, grid: &Grid, value: impl Fn(usize, usize) -> P) -> PathBuf {
    let path = folder.join(name);
    let mut writer = GeoTiffWriter::create(&path, grid).unwrap();
    for row in 0..grid.rows {
        writer.append(&(0..grid.columns).map(|column| value(row, column)).collect::<Vec<_>>()).unwrap();
    }
    writer.finish().unwrap();
    path
}

fn value(row: usize, column: usize) -> u16 {
    (100 + row * 31 % 17 + column * 13 % 23) as u16
}

#[test]
fn web_mercators_metres_are_not_those_of_the_ground() {
    let folder = TempDir::new().unwrap();
    // 60 x 60 pixels of 100 m of the map at latitude 47.8: 67.2 m of the ground, whose cosine is .6717.
    let place = grid(3857, [60, 60], [1.6e6, mercator(47.8) + 3000.0], [100.0, 100.0]);
    let bands = ["B1", "B2"].map(|band| write(folder.path(), &format!("{band}.tif"), &place, value));
    let scene = Scene::open(bands).unwrap();
    let [across, down] = place.pixel_metres().unwrap();
    let cosine = 100.0 * 47.8f64.to_radians().cos();
    assert!((across / cosine - 1.0).abs() < 2e-3 && (down / cosine - 1.0).abs() < 2e-3, "{across} {down}");

    // The windows of a map: 8 x 8 pixels of 100 m, 100 m apart, over 4.03 km.
    let imagery = Imagery {
        patch_size: 8,
        bands: Bands::named(["B1", "B2"]).unwrap(),
        ground_sampling_distance: Some(100.0),
        unit: "digital number".to_owned(),
        sensor: None,
    };
    let model = models::build(&Architecture::mlp(), &imagery, &Classes::lcz(), 1, Device::Cpu).unwrap();
    let map =
        map_with(&*model, scene.clone(), &Mapping::default(), &MapOutput::default(), &mut Silent).unwrap();
    let report = map.report;
    assert_eq!((report.input_size, report.size), ([40, 40], [33, 33]));
    let area: f64 = report.classes.iter().filter_map(|class| class.square_kilometres).sum();
    assert!((area - 3.3 * 3.3).abs() < 0.2, "{area}");

    // Patches have their own pixels; what they are on the ground is stated, and a buffer is as wide as it says.
    let labels =
        write(folder.path(), "labels.tif", &place, |row, column| blocks(row as u32, column as u32) as u8);
    let labels = LabelRaster::open(labels, &Classes::lcz()).unwrap();
    let buffer = Distance::Metres(200.0);
    let cutting = Cutting { patch_size: 4, into: CutInto::Windows { buffer }, ..Cutting::default() };
    let scene = [scene];
    let plan = cutting.plan(&scene, &labels, &mut Silent).unwrap();
    let metres = plan.report().ground_sampling_distance.unwrap();
    assert!((metres / cosine - 1.0).abs() < 2e-3, "{metres}");
    assert_eq!((plan.report().buffer, plan.report().resampled_from), (3, None));
}

#[test]
fn utm_keeps_its_pixels_to_the_bit() {
    for x in [300_000.0, 499_990.0, 800_000.0] {
        let place = grid(32633, [50, 60], [x, 5.3e6], [10.0, 10.0]);
        assert_eq!((place.pixel_metres(), place.ground_sampling_distance()), (Some([10.0; 2]), Some(10.0)));
        assert_eq!(place.pixel_area(), Some(100.0));
    }
}

#[test]
fn oblong_pixels_are_cut_as_square_ones() {
    let folder = TempDir::new().unwrap();
    // 40 x 60 pixels of 10 x 20 m: a slope stays that slope.
    let place = grid(32633, [40, 60], [500_000.0, 5.3e6], [10.0, 20.0]);
    let coarse = grid(32633, [20, 30], [500_000.0, 5.3e6], [20.0, 40.0]);
    let class = |row: usize, column: usize| {
        u8::from((4..36).contains(&row) && column.is_multiple_of(8)) * (1 + (column / 8 % 2) as u8)
    };
    let bands = [
        write(folder.path(), "B2.tif", &place, |row, column| 8.0 * row as f32 + column as f32),
        write(folder.path(), "B5.tif", &coarse, |_, _| 7.0_f32),
    ];
    let scl = write(
        folder.path(),
        "SCL.tif",
        &coarse,
        |row, column| if (row, column) == (3, 5) { 9_u8 } else { 4 },
    );
    let labels = write(folder.path(), "labels.tif", &place, class);
    let scene = Scene::open(bands).unwrap().with_scene_classes(GeoTiff::open(scl).unwrap());
    let scene = [scene.with_square_pixels().unwrap()];
    let square = Grid {
        rows: 80,
        transform: Some(Transform([500_000.0, 10.0, 0.0, 5.3e6, 0.0, -10.0])),
        ..place.clone()
    };
    assert_eq!(scene[0].files()[0].grid(), &square);
    assert_eq!(scene[0].oblong_grid(), Some(&place));
    // Labels on the scene's own grid follow without being asked to.
    let labels = Labelling::default().open(labels, &scene, &mut Silent).unwrap();
    assert_eq!(labels.grid(), &square);
    for site in labels.sites() {
        assert_eq!(site.class + 1, usize::from(class(site.row / 2, site.column)));
    }
    assert_eq!(labels.sites().len(), 2 * 8 * 32);

    let shares = Shares::new(100.0, 0.0, 0.0).unwrap();
    for into in [CutInto::Windows { buffer: Distance::default() }, CutInto::Tiles { stride: 8, block: 1 }] {
        let cutting = Cutting { patch_size: 8, shares, into, ..Cutting::default() };
        let out = folder.path().join(format!("{into:?}").replace(' ', ""));
        let _writing = writing();
        let plan = cutting.cut(&scene, &labels, &out, &mut Silent).unwrap();
        let report = plan.report();
        assert_eq!(
            (report.ground_sampling_distance, report.resampled_from),
            (Some(10.0), Some([10.0, 20.0]))
        );
        // The cloud is 2 x 4 of the square pixels: 12 % of a patch that holds all of it.
        assert_eq!(report.dates[0].cloudy, 0);
        let corners = plan.corners(0, Part::Training);
        let patches = So2Sat::open(out.join("training.h5")).unwrap().patches().unwrap();
        assert_eq!((patches.len(), patches.imagery().ground_sampling_distance), (corners.len(), Some(10.0)));
        for (k, [top, left]) in corners.iter().enumerate() {
            for ((_, row, column, band), &pixel) in patches.images(k..k + 1).unwrap().indexed_iter() {
                let at = 0.5 * (top + row) as f32 - 0.25;
                let slope = 8.0 * at.clamp(0.0, 39.0) + (left + column) as f32;
                let wanted = if band == 0 { slope } else { 7.0 };
                assert!((pixel - wanted).abs() < 1e-3, "{top} {left} {row} {column}: {pixel} {wanted}");
            }
        }
        let strict = Cutting {
            clouds: lcz::scene::CloudFilter { most: 0.05, ..Default::default() },
            ..cutting.clone()
        };
        assert!(strict.plan(&scene, &labels, &mut Silent).unwrap().report().dates[0].cloudy > 0);
    }
}

#[test]
fn degrees_are_cut_as_square_pixels_where_they_are_not_square() {
    let folder = TempDir::new().unwrap();
    let scene = |name: &str, latitude: f64, [across, down]: [f64; 2]| {
        let place = grid(4326, [40, 40], [16.0, latitude], [across, down]);
        let path = write(folder.path(), &format!("{name}_B2.tif"), &place, value);
        Scene::open([path]).unwrap().with_square_pixels().unwrap()
    };
    // At 60 degrees a degree of longitude is half one of latitude.
    let square = scene("square", 60.0, [2e-4, 1e-4]);
    assert_eq!((square.oblong_grid(), square.files()[0].grid().rows), (None, 40));
    let oblong = scene("oblong", 60.0, [1e-4, 1e-4]);
    let seen = oblong.files()[0].grid();
    assert_eq!([seen.rows, seen.columns], [80, 40]);
    let [across, down] = seen.pixel_metres().unwrap();
    assert!((across - 5.58).abs() < 0.01 && (down / across - 1.0).abs() < 0.01, "{across} {down}");
    assert_eq!(scene("equator", 0.0, [1e-4, 1e-4]).oblong_grid(), None);
    // In web Mercator pixels stay square, and have their size on the ground.
    let place = grid(3857, [40, 40], [1.6e6, mercator(47.8)], [10.0, 10.0]);
    let path = write(folder.path(), "mercator_B2.tif", &place, value);
    assert_eq!(Scene::open([path]).unwrap().with_square_pixels().unwrap().oblong_grid(), None);
}

/// The keys of a transverse Mercator of its own on WGS 84, around 16.5 degrees, with map metres twice as long as those of
/// the ground (method 1), or of a projection that is not computed.
fn own_system(folder: &Path, name: &str, method: u16, meridian: f64) -> PathBuf {
    let text = "own town|";
    let keys: [[u16; 4]; 15] = [
        [1, 1, 1, 14],
        [1024, 0, 1, 1],
        [1025, 0, 1, 2],
        [1026, 34737, text.len() as u16, 0],
        [2048, 0, 1, 4326],
        [2054, 0, 1, 9102],
        [3072, 0, 1, 32767],
        [3074, 0, 1, 32767],
        [3075, 0, 1, method],
        [3076, 0, 1, 9001],
        [3080, 34736, 1, 0],
        [3081, 34736, 1, 1],
        [3082, 34736, 1, 2],
        [3083, 34736, 1, 3],
        [3092, 34736, 1, 4],
    ];
    let path = folder.join(name);
    let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    let mut image = encoder.new_image::<colortype::Gray8>(50, 40).unwrap();
    let tags = image.encoder();
    tags.write_tag(Tag::ModelPixelScaleTag, &[10.0, 10.0, 0.0][..]).unwrap();
    // Coordinates of the centre of the first pixel, as the keys say.
    tags.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 400_005.0, 2_658_995.0, 0.0][..]).unwrap();
    tags.write_tag(Tag::GeoKeyDirectoryTag, keys.as_flattened()).unwrap();
    tags.write_tag(Tag::GeoDoubleParamsTag, &[meridian, 0.0, 400_000.0, 0.0, 0.5][..]).unwrap();
    tags.write_tag(Tag::GeoAsciiParamsTag, text).unwrap();
    image.write_data(&vec![6_u8; 50 * 40]).unwrap();
    path
}

/// Directory, numbers and text of a file's keys.
fn keys_of(path: &Path) -> (Vec<u16>, Vec<f64>, String) {
    let mut decoder = Decoder::new(std::io::BufReader::new(File::open(path).unwrap())).unwrap();
    let directory = decoder.get_tag(Tag::GeoKeyDirectoryTag).unwrap().into_u16_vec().unwrap();
    let numbers = decoder.get_tag(Tag::GeoDoubleParamsTag).unwrap().into_f64_vec().unwrap();
    (directory, numbers, decoder.get_tag(Tag::GeoAsciiParamsTag).unwrap().into_string().unwrap())
}

#[test]
fn a_system_without_code_is_written_as_it_was_read() {
    let folder = TempDir::new().unwrap();
    let own = own_system(folder.path(), "own.tif", 1, 16.5);
    let other = own_system(folder.path(), "other.tif", 1, 17.5);
    // Cassini-Soldner is not among the projections that are computed.
    let unknown = own_system(folder.path(), "unknown.tif", 18, 16.5);
    let place = |path: &Path| GeoTiff::open(path).unwrap().grid().clone();
    assert_eq!(place(&own).crs.to_string(), "the projected system 'own town' without EPSG code");
    assert_eq!(place(&own).crs, place(&own).crs);
    assert_ne!(place(&own).crs, place(&other).crs, "two systems of one name");

    for path in [&own, &unknown] {
        let labels = LabelRaster::open(path, &Classes::lcz()).unwrap();
        let out = path.with_extension("out.tif");
        labels.write(&out).unwrap();
        assert_eq!((place(&out), place(&out).transform), (place(path), place(path).transform));
        let (wanted, given) = (keys_of(path), keys_of(&out));
        assert_eq!((&wanted.1, &wanted.2), (&given.1, &given.2));
        let differing: Vec<usize> = (0..wanted.0.len()).filter(|&k| wanted.0[k] != given.0[k]).collect();
        // Coordinates are those of pixel corners in what is written.
        assert_eq!((wanted.0.len(), differing, given.0[11]), (given.0.len(), vec![11], 1));
    }

    // Its scale is computed: a pixel of 10 m of the map is one of 20 m on the ground.
    let metres = place(&own).ground_sampling_distance().unwrap();
    assert!((metres - 20.0).abs() < 1e-2, "{metres}");
    assert_eq!(place(&unknown).ground_sampling_distance(), Some(10.0));
    // And polygons in degrees find their pixels: 0.006 x 0.004 degrees at latitude 47.992 are 447.8 x 444.8 m.
    let square = "[16.502,47.99],[16.508,47.99],[16.508,47.994],[16.502,47.994],[16.502,47.99]";
    let path = folder.path().join("areas.geojson");
    let text = format!(
        r#"{{"type":"Feature","properties":{{"lcz":6}},"geometry":{{"type":"Polygon","coordinates":[[{square}]]}}}}"#
    );
    std::fs::write(&path, text).unwrap();
    let scene = [Scene::open([&own]).unwrap()];
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    let labels = labelling.open(&path, &scene, &mut Silent).unwrap();
    let wanted = 447.8 * 444.8 / 400.0;
    assert!((labels.sites().len() as f64 - wanted).abs() < 20.0, "{} {wanted}", labels.sites().len());
    let pixels = GeoTiff::open(&own).unwrap().read(&Window::whole(&place(&own)), None).unwrap();
    assert_eq!(pixels.len(), 50 * 40);
}
