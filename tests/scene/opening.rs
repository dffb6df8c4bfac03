//! Scenes by one path: folders, single files, parts side by side, and what is told of files that are not bands.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lcz::progress::Silent;
use lcz::scene::{Crs, GeoTiff, GeoTiffWriter, Grid, Radiometry, Scene, SceneView, Transform, Window};
use lcz::synthetic::SyntheticScene;
use lcz::{Bands, Sensor};
use ndarray::Array3;
use tempfile::TempDir;

use super::{vectors, writing};

/// Rows and columns of the scene that is cut into parts.
const SIZE: [usize; 2] = [40, 56];

fn value(row: usize, column: usize, band: usize) -> u16 {
    (1 + 100 * row + column + 10_000 * band) as u16
}

/// Writes a part of the scene: rows and columns from a corner.
fn part(path: &Path, bands: &[&str], [top, left]: [usize; 2], [rows, columns]: [usize; 2], pixel: f64) {
    let corner = [5e5 + 10.0 * left as f64, 5e6 - 10.0 * top as f64];
    let transform = Some(Transform([corner[0], pixel, 0.0, corner[1], 0.0, -pixel]));
    let grid = Grid { rows, columns, transform, crs: Crs::from_epsg(32632).unwrap() };
    let writer = GeoTiffWriter::<u16>::create(path, &grid).unwrap().no_data(0).bands(bands);
    let mut writer = writer;
    let places = (0..rows * columns * bands.len()).map(|k| (k / bands.len(), k % bands.len()));
    let values: Vec<u16> =
        places.map(|(k, band)| value(top + k / columns, left + k % columns, band)).collect();
    writer.append(&values).unwrap();
    writer.finish().unwrap();
}

/// The pixels of a scene, shape (rows, columns, bands).
fn read(scene: &Scene) -> Array3<f32> {
    let radiometry = Radiometry::default();
    let view = SceneView::new(scene, &radiometry, None, None).unwrap();
    view.read(0..view.grid().rows).unwrap().pixels
}

#[track_caller]
fn assert_whole(scene: &Scene, gap: impl Fn(usize, usize) -> bool) {
    let pixels = read(scene);
    assert_eq!(pixels.dim(), (SIZE[0], SIZE[1], scene.bands().len()));
    for ((row, column, band), pixel) in pixels.indexed_iter() {
        if gap(row, column) {
            assert!(pixel.is_nan(), "{row} {column}");
        } else {
            assert_eq!(*pixel, f32::from(value(row, column, band)), "{row} {column}");
        }
    }
}

fn refusal(scene: lcz::Result<Scene>) -> String {
    let message = scene.unwrap_err().to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

/// What `lcz` says on a command line.
fn told(arguments: &[&str]) -> String {
    let child = {
        let _writing = writing();
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.arg("--quiet").args(arguments);
        command.stderr(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    };
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

#[test]
fn parts_of_an_export_are_one_scene_in_a_folder_and_by_their_names() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let mut files = Vec::new();
    for (top, rows) in [(0, 25), (25, 15)] {
        for (left, columns) in [(0, 32), (32, 24)] {
            let path = at(&format!("city-{top:010}-{left:010}.tif"));
            part(&path, &["B2", "B4"], [top, left], [rows, columns], 10.0);
            files.push(path);
        }
    }
    for scene in [Scene::at(folder.path()), Scene::open(&files), Scene::open(files.iter().rev())] {
        let scene = scene.unwrap();
        assert_eq!(scene.bands().names(), ["B2", "B4"]);
        assert_whole(&scene, |_, _| false);
    }
    let name = folder.path().file_name().unwrap().to_str().unwrap();
    assert_eq!(Scene::at(folder.path()).unwrap().name(), name);
    // A part that is missing is a gap without data.
    assert_whole(&Scene::open([&files[0], &files[1], &files[3]]).unwrap(), |row, column| {
        row >= 25 && column < 32
    });

    // Over another, of other pixels, off the pixels, of other bands.
    let odd = at("city-0000000000-0000000099.tif");
    for (bands, corner, pixel, problem) in [
        (&["B2", "B4"][..], [20, 0], 10.0, "it overlaps"),
        (&["B2", "B4"][..], [40, 0], 20.0, "pixels of 20 x 20, not 10 x 10"),
        (&["B2", "B3"][..], [40, 0], 10.0, "other bands"),
        (&["B2"][..], [40, 0], 10.0, "1 bands, not 2"),
    ] {
        part(&odd, bands, corner, [15, 32], pixel);
        let message = refusal(Scene::open(files.iter().chain([&odd])));
        assert!(message.contains("0000000099.tif: ") && message.contains(problem), "{message}");
        assert!(message.contains("gdal_merge.py"), "{message}");
        fs::remove_file(&odd).unwrap();
    }
}

#[test]
fn files_of_one_band_side_by_side_are_its_parts_and_others_are_refused() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let half = [SIZE[0], SIZE[1] / 2];
    for band in ["B2", "B3"] {
        part(&at(&format!("L_{band}.tif")), &[""], [0, 0], half, 10.0);
        part(&at(&format!("R_{band}.tif")), &[""], [0, half[1]], half, 10.0);
    }
    let scene = Scene::open(["L_B2.tif", "R_B2.tif"].map(at)).unwrap();
    assert_eq!(scene.bands().names(), ["B2"]);
    assert_whole(&scene, |_, _| false);
    assert_eq!(Scene::at(folder.path()).unwrap().bands().names(), ["B2", "B3"]);
    // As two dates they are told to be one.
    let labels = at("LCZ.tif");
    part(&labels, &[""], [0, 0], half, 10.0);
    let [left, right] = ["L_B2.tif", "R_B2.tif"].map(|name| at(name).to_str().unwrap().to_owned());
    let out = at("out").to_str().unwrap().to_owned();
    let labels = labels.to_str().unwrap();
    let said = told(&[
        "patches", "--bands", &left, "--bands", &right, "--labels", labels, "--size", "4", "--out", &out,
    ]);
    assert!(said.contains("it lies next to it: give the parts of one scene in one --bands"), "{said}");
    fs::remove_file(labels).unwrap();
    // Two dates, say, in one --bands.
    part(&at("other_B2.tif"), &[""], [0, 0], half, 10.0);
    let message = refusal(Scene::open(["L_B2.tif", "other_B2.tif"].map(at)));
    assert!(message.contains("band 'B2' comes again in") && message.contains("other_B2.tif"), "{message}");
    assert!(refusal(Scene::at(folder.path())).contains("band 'B2' comes again"), "in a folder, too");
}

#[test]
fn a_folder_of_bands_is_a_scene_without_its_labels_and_previews() {
    let folder = TempDir::new().unwrap();
    let city = folder.path().join("city");
    SyntheticScene { rows: 64, columns: 96, seed: 3, clouds: 0.1 }.write(&city, &mut Silent).unwrap();
    fs::write(city.join("preview.tif"), b"no GeoTIFF").unwrap();
    part(&city.join("B02_60m.tif"), &[""], [0, 0], [11, 16], 60.0);
    let scene = Scene::at(&city).unwrap();
    for band in Bands::sentinel2().names() {
        assert!(scene.bands().position(band).is_some(), "{band}");
    }
    assert!(scene.scene_classes().unwrap().path().ends_with("SCL.tif"));
    let ten = scene.clone().only_or_named(Bands::sentinel2()).unwrap();
    let files =
        Bands::sentinel2().names().iter().map(|band| city.join(format!("{band}.tif"))).collect::<Vec<_>>();
    let bits = |scene: &Scene| read(scene).mapv(f32::to_bits);
    assert!(bits(&ten) == bits(&Scene::open(files).unwrap()));
    assert!(scene.only_or_named(Bands::named(["B99"]).unwrap()).unwrap_err().to_string().contains("B99"));

    let out = folder.path().join("out");
    let said = told(&[
        "patches",
        "--scene",
        city.to_str().unwrap(),
        "--labels",
        city.join("LCZ.tif").to_str().unwrap(),
        "--size",
        "8",
        "--split",
        "100/0/0",
        "--out",
        out.to_str().unwrap(),
    ]);
    assert!(out.join("training.h5").exists(), "{said}");
    for (files, why) in [
        (&["LCZ.tif", "preview.tif"][..], ": not a band, ignored"),
        (&["B02_60m.tif"], ": a coarser copy of a band, ignored"),
    ] {
        let line = said.lines().find(|line| line.contains(why)).unwrap_or_else(|| panic!("{said}"));
        assert!(files.iter().all(|file| line.contains(file)), "{line}");
    }

    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert!(refusal(Scene::at(&empty)).contains("a folder without GeoTIFFs"));
    fs::copy(city.join("LCZ.tif"), empty.join("LCZ.tif")).unwrap();
    let message = refusal(Scene::at(&empty));
    assert!(message.contains("none of its GeoTIFFs (LCZ.tif) names a band"), "{message}");
}

#[test]
fn a_file_of_many_bands_is_a_scene_and_its_bands_get_names_where_it_has_none() {
    let folder = TempDir::new().unwrap();
    let [named, nameless] = ["named.tif", "nameless.tif"].map(|name| folder.path().join(name));
    part(&named, &["B4", "B3", "B2"], [0, 0], SIZE, 10.0);
    part(&nameless, &["", "", ""], [0, 0], SIZE, 10.0);
    let names = |names: [&str; 2]| Bands::named(names).unwrap();
    // By name where the file has names.
    let scene = Scene::at(&named).unwrap().only_or_named(names(["B2", "B4"])).unwrap();
    let pixels = read(&scene);
    assert_eq!(
        (pixels[[0, 0, 0]], pixels[[0, 0, 1]]),
        (f32::from(value(0, 0, 2)), f32::from(value(0, 0, 0)))
    );
    // In order where it has none.
    let scene = Scene::at(&nameless).unwrap();
    assert_eq!(scene.bands().names(), ["band 1", "band 2", "band 3"]);
    let three = Bands::named(["B2", "B3", "B4"]).unwrap();
    assert_eq!(scene.clone().only_or_named(three.clone()).unwrap().bands(), &three);
    assert!(scene.only_or_named(names(["B2", "B3"])).is_err());
    // The only GeoTIFF of a folder needs no name either.
    fs::remove_file(&named).unwrap();
    assert_eq!(Scene::at(folder.path()).unwrap().bands().len(), 3);
}

#[test]
fn a_product_given_as_bands_is_told_to_be_a_scene() {
    let name = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE";
    let product = vectors().join("product").join(name);
    let image = product
        .join("GRANULE/L2A_T33NZA_A036000_20220706T085611/IMG_DATA/R10m/T33NZA_20220706T085611_B02_10m.jp2");
    for path in [&product, &image] {
        let message = refusal(Scene::open([path]));
        assert!(message.contains(&format!("--scene {}", product.display())), "{message}");
        assert!(!message.contains("damaged"), "{message}");
    }
    let folder = TempDir::new().unwrap();
    let alone = folder.path().join("B02.jp2");
    fs::copy(&image, &alone).unwrap();
    let message = refusal(Scene::open([&alone]));
    assert!(message.contains("JPEG 2000") && message.contains("gdal_translate IN.jp2 OUT.tif"), "{message}");
    assert!(
        refusal(Scene::open([folder.path()]))
            .contains("a folder, not a GeoTIFF; give the whole scene: --scene")
    );
    let packed = folder.path().join("LC09_L2SP.tar.gz");
    fs::write(&packed, b"\x1f\x8b packed").unwrap();
    assert!(refusal(Scene::at(&packed)).contains("a compressed archive; unpack it"));
    assert_eq!(Scene::at(&product).unwrap().sensor(), Some(Sensor::Sentinel2));
}

/// The bands of a tiny Landsat product: name in the folder and a GeoTIFF.
pub fn landsat(folder: &Path, product: &str) -> PathBuf {
    let at = folder.join(product);
    fs::create_dir_all(&at).unwrap();
    for band in 1..8 {
        part(&at.join(format!("{product}_SR_B{band}.TIF")), &[""], [0, 0], SIZE, 30.0);
    }
    part(&at.join(format!("{product}_ST_B10.TIF")), &[""], [0, 0], SIZE, 30.0);
    // Columns of fill, cloud, dilated cloud, cirrus, shadow, snow, water, clear ground.
    let grid = GeoTiff::open(at.join(format!("{product}_SR_B1.TIF"))).unwrap().grid().clone();
    let mut writer = GeoTiffWriter::<u16>::create(at.join(format!("{product}_QA_PIXEL.TIF")), &grid).unwrap();
    let bits = [1u16, 1 << 3 | 1 << 6, 1 << 1, 1 << 2, 1 << 4, 1 << 5 | 1 << 6, 1 << 7 | 1 << 6, 1 << 6];
    let values: Vec<u16> = (0..SIZE[0] * SIZE[1]).map(|k| bits[k % SIZE[1] / 7]).collect();
    writer.append(&values).unwrap();
    writer.finish().unwrap();
    at
}

const LANDSAT: &str = "LC09_L2SP_193027_20230715_20230717_02_T1";

/// An MTL whose groups of both levels have the same keys.
fn mtl(scale: f64) -> String {
    let numbers = |scale: f64, offset: f64| {
        let line =
            |k| format!("    REFLECTANCE_MULT_BAND_{k} = {scale}\n    REFLECTANCE_ADD_BAND_{k} = {offset}\n");
        (1..8).map(line).collect::<String>()
    };
    format!(
        "GROUP = LANDSAT_METADATA_FILE\n  GROUP = PRODUCT_CONTENTS\n    PROCESSING_LEVEL = \"L2SP\"\n  END_GROUP = \
         PRODUCT_CONTENTS\n  GROUP = IMAGE_ATTRIBUTES\n    SPACECRAFT_ID = \"LANDSAT_9\"\n    WRS_PATH = 193\n    WRS_ROW = 27\n    \
         DATE_ACQUIRED = 2023-07-15\n  END_GROUP = IMAGE_ATTRIBUTES\n  GROUP = LEVEL1_RADIOMETRIC_RESCALING\n{}  END_GROUP = \
         LEVEL1_RADIOMETRIC_RESCALING\n  GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\n{}  END_GROUP = \
         LEVEL2_SURFACE_REFLECTANCE_PARAMETERS\nEND_GROUP = LANDSAT_METADATA_FILE\nEND\n",
        numbers(2e-5, -0.1),
        numbers(scale, -0.2)
    )
}

/// A tar of the files of a folder.
fn tarred(folder: &Path, archive: &Path) {
    let mut bytes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let content = fs::read(&path).unwrap();
        let mut header = [0u8; 512];
        let name = path.file_name().unwrap().to_str().unwrap();
        header[..name.len()].copy_from_slice(name.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = b'0';
        header[257..263].copy_from_slice(b"ustar\0");
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        bytes.extend(header);
        bytes.extend(&content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    fs::write(archive, bytes).unwrap();
}

#[test]
fn a_landsat_product_is_read_as_folder_and_tar_with_its_own_scale_and_clouds() {
    let folder = TempDir::new().unwrap();
    let product = landsat(folder.path(), LANDSAT);
    let radiometry = Radiometry::default();
    // Without an MTL: the documented numbers, and nothing says that it is real.
    let scene = Scene::at(&product).unwrap();
    assert_eq!(scene.bands().to_string(), "B1 B2 B3 B4 B5 B6 B7");
    assert_eq!(scene.unit(&radiometry), "reflectance");
    assert!(!scene.provenance().contains("real"), "{}", scene.provenance());
    // The temperature has a scale of its own, and is none of a model's bands.
    let hot = format!("{LANDSAT}_ST_B10.TIF");
    let told = told(&["info", product.to_str().unwrap()]);
    assert!(told.contains(&format!("{LANDSAT}: left out: surface temperature (ST_B10)")), "{told}");
    let message = refusal(Scene::open([product.join(&hot)]));
    assert!(message.contains("surface temperature (ST_B10), which the bands of a model do not"), "{message}");
    let both = [format!("{LANDSAT}_SR_B2.TIF"), hot].map(|name| product.join(name));
    assert_eq!(Scene::open(both).unwrap().bands().names(), ["B2"]);
    let first = read(&scene)[[0, 0, 0]];
    assert!((first - (1.0 * 2.75e-5 - 0.2)).abs() < 1e-6, "{first}");

    fs::write(product.join(format!("{LANDSAT}_MTL.txt")), mtl(3e-5)).unwrap();
    let archive = folder.path().join(format!("{LANDSAT}.tar"));
    tarred(&product, &archive);
    let xml = folder.path().join("xml").join(LANDSAT);
    landsat(&folder.path().join("xml"), LANDSAT);
    let elements = |scale: f64| {
        let number = |k| {
            format!(
                "<REFLECTANCE_MULT_BAND_{k}>{scale}</REFLECTANCE_MULT_BAND_{k}><REFLECTANCE_ADD_BAND_{k}>-0.2</REFLECTANCE_ADD_BAND_{k}>"
            )
        };
        (1..8).map(number).collect::<String>()
    };
    let text = format!(
        "<LANDSAT_METADATA_FILE><PRODUCT_CONTENTS><PROCESSING_LEVEL>L2SP</PROCESSING_LEVEL></PRODUCT_CONTENTS><IMAGE_ATTRIBUTES>\
         <SPACECRAFT_ID>LANDSAT_9</SPACECRAFT_ID><WRS_PATH>193</WRS_PATH><WRS_ROW>27</WRS_ROW><DATE_ACQUIRED>2023-07-15</DATE_ACQUIRED>\
         </IMAGE_ATTRIBUTES><LEVEL1_RADIOMETRIC_RESCALING>{}</LEVEL1_RADIOMETRIC_RESCALING>\
         <LEVEL2_SURFACE_REFLECTANCE_PARAMETERS>{}</LEVEL2_SURFACE_REFLECTANCE_PARAMETERS></LANDSAT_METADATA_FILE>",
        elements(2e-5),
        elements(3e-5)
    );
    fs::write(xml.join(format!("{LANDSAT}_MTL.xml")), text).unwrap();
    for path in [&product, &archive, &xml] {
        let scene = Scene::at(path).unwrap();
        assert_eq!(scene.sensor(), Some(Sensor::Landsat8And9));
        assert_eq!(scene.provenance(), "real: Landsat 9 L2SP, path 193, row 27, 2023-07-15");
        let pixels = read(&scene);
        for ((row, column, _), pixel) in pixels.indexed_iter() {
            let wanted = f64::from(value(row, column, 0)) * 3e-5 - 0.2;
            assert!((f64::from(*pixel) - wanted).abs() < 1e-6, "{row} {column}: {pixel}");
        }
        let classes = scene.scene_classes().unwrap();
        let read = classes.read(&Window { rows: 5..6, columns: 0..SIZE[1] }, classes.no_data()).unwrap();
        for (column, &class) in read.iter().enumerate() {
            let wanted = [0.0, 9.0, 8.0, 10.0, 3.0, 11.0, 6.0, 7.0][column / 7];
            assert_eq!(class, wanted, "column {column}");
        }
    }
}

#[test]
fn a_damaged_landsat_product_is_refused_in_one_line() {
    let folder = TempDir::new().unwrap();
    let product = landsat(folder.path(), LANDSAT);
    let metadata = product.join(format!("{LANDSAT}_MTL.txt"));
    fs::write(
        &metadata,
        mtl(3e-5).replace("REFLECTANCE_MULT_BAND_4 = 0.00003", "REFLECTANCE_MULT_BAND_4 = x"),
    )
    .unwrap();
    let message = refusal(Scene::at(&product));
    assert!(message.contains("_MTL.txt: no number REFLECTANCE_MULT_BAND_4 in LEVEL2_SURFACE"), "{message}");
    fs::write(&metadata, mtl(3e-5)).unwrap();
    let archive = folder.path().join("a.tar");
    tarred(&product, &archive);
    let whole = fs::read(&archive).unwrap();
    for (bytes, problem) in [
        (whole[..whole.len() / 2].to_vec(), "the archive ends early"),
        (vec![1; 2048], "not a tar archive"),
        (vec![0; 2048], "no …_L2SP_…_SR_B….TIF in it"),
        (Vec::new(), "the archive ends early"),
    ] {
        fs::write(&archive, bytes).unwrap();
        let message = refusal(Scene::at(&archive));
        assert!(message.contains("a.tar: ") && message.contains(problem), "{message}");
    }
    let other = format!("{}_SR_B1.TIF", LANDSAT.replace("20230715", "20230731"));
    fs::copy(product.join(format!("{LANDSAT}_SR_B1.TIF")), product.join(other)).unwrap();
    assert!(refusal(Scene::at(&product)).contains("one product is expected"));
}
