//! Sentinel-2 products: what their XML says, the pixels against GDAL's (`tests/vectors/make_product.py`), and every part
//! that may be missing.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use lcz::scene::{CloudFilter, Product, Raster, Window};
use tempfile::TempDir;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{real_data, vectors};

const NAME: &str = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419";
const GRANULE: &str = "GRANULE/L2A_T33NZA_A036000_20220706T085611";

fn vector() -> PathBuf {
    vectors().join("product").join(format!("{NAME}.SAFE"))
}

/// Files of a folder, as paths within it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let inner = path.file_name().unwrap().to_owned();
            found.extend(files(&path).iter().map(|file| Path::new(&inner).join(file)));
        } else {
            found.push(path.file_name().unwrap().into());
        }
    }
    found
}

/// A copy of a product under another name, without the files whose paths hold one of these words.
fn copy(from: &Path, to: &Path, without: &[&str]) -> PathBuf {
    for file in files(from) {
        if !without.iter().any(|word| file.to_str().unwrap().contains(word)) {
            let target = to.join(&file);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(from.join(&file), target).unwrap();
        }
    }
    to.to_owned()
}

fn replaced(file: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replace(from, to)).unwrap();
}

fn zipped(folder: &Path, archive: &Path, compression: CompressionMethod) {
    let mut zip = ZipWriter::new(File::create(archive).unwrap());
    let root = folder.file_name().unwrap().to_str().unwrap();
    for file in files(folder) {
        let options = SimpleFileOptions::default().compression_method(compression);
        zip.start_file(format!("{root}/{}", file.to_str().unwrap()), options).unwrap();
        zip.write_all(&fs::read(folder.join(file)).unwrap()).unwrap();
    }
    zip.finish().unwrap();
}

/// The values of each band and of the scene classes; NaN where there are no data.
fn pixels(product: &Product) -> Vec<Vec<f32>> {
    let scene = product.scene().unwrap();
    let all = scene.files().iter().chain(scene.scene_classes());
    let read = |file: &Raster| file.read(&Window::whole(file.grid()), file.no_data()).unwrap();
    all.map(|file| read(file).iter().copied().collect()).collect()
}

fn same(a: &[Vec<f32>], b: &[Vec<f32>]) -> bool {
    let bits = |bands: &[Vec<f32>]| bands.iter().flatten().map(|value| value.to_bits()).collect::<Vec<_>>();
    bits(a) == bits(b)
}

fn refusal(path: &Path) -> String {
    let message = Product::open(path).unwrap_err().to_string();
    assert!(!message.contains('\n') && message.contains(path.to_str().unwrap()), "{message}");
    message
}

#[test]
fn the_xml_of_real_products_says_scale_offset_date_and_level() {
    let Some(data) = real_data() else { return };
    // Folder (its beginning), satellite, level, baseline, tile, date, offset.
    let known = [
        ("S2A_MSIL1C_20210908", "Sentinel-2A", "L1C", "N0301", "T46RER", "2021-09-08", 0.0),
        ("S2A_MSIL2A_20190212", "Sentinel-2A", "L2A", "N0212", "T07HFE", "2019-02-12", 0.0),
        ("S2A_MSIL2A_20230821", "Sentinel-2A", "L2A", "N0509", "T01KAB", "2023-08-21", -0.1),
        ("S2B_MSIL2A_20220413", "Sentinel-2B", "L2A", "N0400", "T33XWJ", "2022-04-13", -0.1),
        ("esa_S2B_MSIL2A_20210122", "Sentinel-2B", "L2A", "N0214", "T22HBD", "2021-01-22", 0.0),
    ];
    let folders = files(&data.join("sentinel2/metadata"));
    for (begin, satellite, level, baseline, tile, date, offset) in known {
        let file = folders.iter().find(|file| file.to_str().unwrap().starts_with(begin)).unwrap();
        let folder = data.join("sentinel2/metadata").join(file.components().next().unwrap());
        let product = Product::open(&folder).unwrap();
        let told = [&product.satellite, &product.level, &product.baseline, &product.tile, &product.date];
        assert_eq!(told, [satellite, level, baseline, tile, date]);
        assert_eq!(
            product.provenance(),
            format!("real: {satellite} {level} {baseline}, tile {tile}, {date}")
        );
        assert_eq!((product.no_data, product.saturated), (0.0, 65_535.0));
        let metres: Vec<_> = product.bands.iter().map(|band| (&*band.name, band.metres)).collect();
        let mut wanted = vec![
            ("B1", 60),
            ("B2", 10),
            ("B3", 10),
            ("B4", 10),
            ("B5", 20),
            ("B6", 20),
            ("B7", 20),
            ("B8", 10),
            ("B8A", 20),
            ("B9", 60),
            ("B10", 60),
            ("B11", 20),
            ("B12", 20),
        ];
        // Level 2A has no cirrus band.
        wanted.retain(|(name, _)| level == "L1C" || *name != "B10");
        // Since baseline 04.00 its B1 is there at 20 m, too.
        if baseline >= "N0400" {
            wanted[0].1 = 20;
        }
        assert_eq!(metres, wanted, "{begin}");
        for band in &product.bands {
            assert_eq!((band.scale, band.offset), (1e-4, offset), "{begin} {}", band.name);
        }
        assert_eq!(product.scene().unwrap().scene_classes().is_some(), level == "L2A");
    }
    let folders: std::collections::BTreeSet<_> =
        folders.iter().map(|file| file.components().next()).collect();
    assert_eq!(folders.len(), known.len());
}

#[test]
fn pixels_are_gdals_at_the_best_resolution() {
    let known: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(vectors().join("product.json")).unwrap()).unwrap();
    let product = Product::open(vector()).unwrap();
    let bands: Vec<_> = product.bands.iter().map(|band| (&*band.name, band.metres, band.offset)).collect();
    assert_eq!(bands, [("B2", 10, -0.1), ("B3", 10, -0.1), ("B5", 20, -0.09)]);
    let scene = product.scene().unwrap();
    let all = scene.files().iter().chain(scene.scene_classes());
    for (file, name) in all.zip(["B02_10m", "B03_10m", "B05_20m", "SCL_20m"]) {
        let values = file.read(&Window::whole(file.grid()), None).unwrap();
        let numbers = |of: &str| -> Vec<f32> { serde_json::from_value(known[name][of].clone()).unwrap() };
        let side = file.grid().rows;
        assert_eq!(values.slice(ndarray::s![0, side / 2 + 4, ..]).to_vec(), numbers("row"), "{name}");
        let column = values.slice(ndarray::s![0, .., 5]).to_vec();
        assert_eq!(column, numbers("column"), "{name}");
        // Without the saturated pixel, which counts as no data.
        let sum: f64 = values.iter().filter(|value| !value.is_nan()).map(|&value| f64::from(value)).sum();
        let saturated = if name.starts_with("SCL") { 0.0 } else { 65_535.0 };
        assert_eq!(sum + saturated, known[name]["sum"].as_f64().unwrap(), "{name}");
    }
}

#[test]
fn zero_is_no_data_and_65535_is_saturated() {
    let scene = Product::open(vector()).unwrap().scene().unwrap();
    let file = &scene.files()[0];
    let read = |no_data| file.read(&Window::whole(file.grid()), no_data).unwrap();
    let values = read(file.no_data());
    assert!(values.slice(ndarray::s![0, 119, ..]).iter().all(|value| value.is_nan()));
    assert!(values[[0, 0, 0]].is_nan());
    assert_eq!(values[[0, 1, 1]], 970.0);
    // Another value for no data leaves 0, and the saturated pixel is none all the same.
    let values = read(Some(970.0));
    assert_eq!(values[[0, 119, 7]], 0.0);
    assert!(values[[0, 0, 0]].is_nan() && values[[0, 1, 1]].is_nan());
}

#[test]
fn any_window_holds_the_pixels_of_the_whole_in_any_order() {
    let scene = Product::open(vector()).unwrap().scene().unwrap();
    for file in scene.files() {
        let whole = file.read(&Window::whole(file.grid()), None).unwrap();
        let n = file.grid().rows;
        let windows = [
            (0..10, 0..n),
            (5..n, 3..n - 1),
            (n - 1..n, 0..1),
            (0..10, 0..n),
            (n / 2..n / 2 + 7, n / 3..n),
            (4..4, 0..n),
        ];
        for (rows, columns) in windows {
            let window = Window { rows: rows.clone(), columns: columns.clone() };
            let part = file.read(&window, None).unwrap();
            let wanted = whole.slice(ndarray::s![.., rows, columns]);
            assert!(part.iter().zip(wanted.iter()).all(|(a, b)| a.to_bits() == b.to_bits()));
        }
        let beyond = Window { rows: 0..n + 1, columns: 0..1 };
        assert!(file.read(&beyond, None).unwrap_err().to_string().contains("leave the raster"));
    }
}

#[test]
fn folder_zip_and_every_way_to_name_a_product_are_equal() {
    let folder = TempDir::new().unwrap();
    let wanted = pixels(&Product::open(vector()).unwrap());
    let mut paths =
        vec![vector().join("MTD_MSIL2A.xml"), vector().join(GRANULE), vector().with_extension("")];
    for (name, compression) in
        [("stored", CompressionMethod::Stored), ("deflated", CompressionMethod::Deflated)]
    {
        let archive = folder.path().join(name).join(format!("{NAME}.zip"));
        fs::create_dir(archive.parent().unwrap()).unwrap();
        zipped(&vector(), &archive, compression);
        paths.push(archive.with_extension(""));
        paths.push(archive);
    }
    paths.push(copy(&vector(), &folder.path().join("any name"), &[]));
    copy(&vector(), &folder.path().join("around").join(format!("{NAME}.SAFE")), &[]);
    paths.push(folder.path().join("around"));
    for path in paths {
        assert!(Product::is_at(&path), "{}", path.display());
        let product = Product::open(&path).unwrap();
        assert_eq!(product.provenance(), "real: Sentinel-2A L2A N0400, tile T33NZA, 2022-07-06");
        assert!(same(&pixels(&product), &wanted), "{}", path.display());
    }
    assert!(!Product::is_at(vectors()));
}

#[test]
fn products_of_before_2016_have_other_names() {
    let folder = TempDir::new().unwrap();
    let old = folder
        .path()
        .join("S2A_OPER_PRD_MSIL1C_PDMC_20160607T154053_R062_V20150627T102531_20150627T102531.SAFE");
    let tile = "S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000062_T31TCH_N02.02";
    let images = old.join("GRANULE").join(tile).join("IMG_DATA");
    fs::create_dir_all(&images).unwrap();
    let image = "S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000062_T31TCH";
    for (band, metres) in [("B02", 10), ("B03", 10), ("B05", 20)] {
        let from = vector()
            .join(GRANULE)
            .join(format!("IMG_DATA/R{metres}m/T33NZA_20220706T085611_{band}_{metres}m.jp2"));
        fs::copy(from, images.join(format!("{image}_{band}.jp2"))).unwrap();
    }
    let xml = old.join("S2A_OPER_MTD_SAFL1C_PDMC_20160607T154053_R062_V20150627T102531_20150627T102531.xml");
    fs::write(
        &xml,
        "<n1:Level-1C_User_Product xmlns:n1='a'><PRODUCT_START_TIME>2015-06-27T10:25:31.456Z</PRODUCT_START_TIME>
        <PRODUCT_URI>S2A_OPER_PRD_MSIL1C_PDMC_20160607T154053_R062_V20150627T102531_20150627T102531.SAFE</PRODUCT_URI>
        <PROCESSING_BASELINE>02.02</PROCESSING_BASELINE><SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
        <QUANTIFICATION_VALUE unit='none'>1000</QUANTIFICATION_VALUE></n1:Level-1C_User_Product>",
    )
    .unwrap();
    let of_tile = old.join("GRANULE").join(tile);
    fs::copy(
        vector().join(GRANULE).join("MTD_TL.xml"),
        of_tile.join("S2A_OPER_MTD_L1C_TL_EPA__20160605T113933_A000062_T31TCH.xml"),
    )
    .unwrap();
    let product = Product::open(&old).unwrap();
    assert_eq!(product.provenance(), "real: Sentinel-2A L1C N0202, tile T31TCH, 2015-06-27");
    assert!(product.bands.iter().all(|band| (band.scale, band.offset, band.present) == (1e-3, 0.0, true)));
    assert!(same(&pixels(&product), &pixels(&Product::open(vector()).unwrap())[..3]));
    // Several tiles: one is chosen by its folder.
    copy(&of_tile, &old.join("GRANULE/S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000062_T31TDH_N02.02"), &[]);
    let message = refusal(&old);
    assert!(message.contains("2 tiles in one product; give the folder of one"), "{message}");
    assert_eq!(Product::open(&of_tile).unwrap().tile, "T31TCH");
}

#[test]
fn a_missing_part_is_named() {
    let folder = TempDir::new().unwrap();
    let without = |name: &str, words: &[&str]| copy(&vector(), &folder.path().join(name), words);
    let message = refusal(&without("a.SAFE", &["MTD_MSIL2A"]));
    assert!(message.contains("MTD_MSIL1C.xml or MTD_MSIL2A.xml is missing"), "{message}");
    let message = refusal(&without("b.SAFE", &["MTD_TL"]));
    assert!(message.contains(&format!("{GRANULE}/MTD_TL.xml is missing")), "{message}");
    let message = refusal(&without("c.SAFE", &["GRANULE"]));
    assert!(message.contains("GRANULE is missing"), "{message}");
    assert!(refusal(&folder.path().join("d.SAFE")).contains("check the path's spelling"));
    // An image that the XML lists is missed when it is read, and no coarser one takes its place.
    let path = without("e.SAFE", &["B05_20m"]);
    let product = Product::open(&path).unwrap();
    assert_eq!(product.bands.iter().map(|band| band.present).collect::<Vec<_>>(), [true, true, false]);
    let scene = product.scene().unwrap();
    let file = &scene.files()[2];
    let message = file.read(&Window::whole(file.grid()), None).unwrap_err().to_string();
    let part = format!(
        "{GRANULE}/IMG_DATA/R20m/T33NZA_20220706T085611_B05_20m.jp2: this part of the product is missing"
    );
    assert!(message.contains(&part), "{message}");
}

#[test]
fn damaged_images_and_xml_are_refused() {
    let folder = TempDir::new().unwrap();
    let path = copy(&vector(), &folder.path().join("a.SAFE"), &[]);
    let image = path.join(GRANULE).join("IMG_DATA/R10m/T33NZA_20220706T085611_B02_10m.jp2");
    let bytes = fs::read(&image).unwrap();
    let read = |bytes: &[u8]| {
        fs::write(&image, bytes).unwrap();
        let scene = Product::open(&path).unwrap().scene().unwrap();
        let file = &scene.files()[0];
        let message = file.read(&Window::whole(file.grid()), None).unwrap_err().to_string();
        assert!(message.contains("B02_10m.jp2: "), "{message}");
        message
    };
    for length in [0, 3, 40, 100, 200, bytes.len() / 2, bytes.len() - 2_000] {
        let message = read(&bytes[..length]);
        assert!(message.contains("ends early") || message.contains("not a JPEG 2000"), "{length}: {message}");
    }
    // An image of another band's size.
    let other = path.join(GRANULE).join("IMG_DATA/R20m/T33NZA_20220706T085611_B05_20m.jp2");
    let message = read(&fs::read(other).unwrap());
    assert!(message.contains("60 x 60 pixels, where the product's XML says 120 x 120"), "{message}");
    fs::write(&image, &bytes).unwrap();

    let xml = path.join("MTD_MSIL2A.xml");
    let whole = fs::read_to_string(&xml).unwrap();
    for (from, to, problem) in [
        (">10000<", ">1e4x<", "'1e4x' is not a number"),
        (">10000<", ">0<", "quantification value 0"),
        ("band_id=\"4\"", "band_id=\"13\"", "BOA_ADD_OFFSET of no known band"),
        ("<BOA_ADD_OFFSET band_id=\"4\">-900</BOA_ADD_OFFSET>", "", "BOA_ADD_OFFSET of band B5 is missing"),
        ("PROCESSING_BASELINE", "OTHER", "PROCESSING_BASELINE is missing"),
        ("2022-07-06T08:56:11.024Z", "soon", "'soon' is not a time"),
        ("Level-2A_User", "Level-1B_User", "'Level-1B_User_Product' is not read"),
        ("</n1:General_Info>", "", "not XML"),
    ] {
        replaced(&xml, from, to);
        let message = Product::open(&path).unwrap_err().to_string();
        assert!(message.contains("MTD_MSIL2A.xml: ") && message.contains(problem), "{message}");
        fs::write(&xml, &whole).unwrap();
    }
    let archive = folder.path().join("b.zip");
    zipped(&path, &archive, CompressionMethod::Stored);
    let bytes = fs::read(&archive).unwrap();
    fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refusal(&archive).contains("not a zip that is complete"));
}

#[test]
fn no_change_of_a_byte_makes_an_image_panic() {
    let folder = TempDir::new().unwrap();
    let path = copy(&vector(), &folder.path().join("a.SAFE"), &["R10m", "R60m"]);
    let image = path.join(GRANULE).join("IMG_DATA/R20m/T33NZA_20220706T085611_B05_20m.jp2");
    let bytes = fs::read(&image).unwrap();
    let product = Product::open(&path).unwrap();
    let mut refused = 0;
    // The header byte by byte, the pixels here and there.
    for at in (0..300).chain((300..bytes.len()).step_by(37)) {
        for change in [0x01, 0x10, 0x80, 0xFF] {
            let mut changed = bytes.clone();
            changed[at] ^= change;
            fs::write(&image, changed).unwrap();
            let scene = product.scene().unwrap();
            let file = scene.files().last().unwrap();
            if let Err(error) = file.read(&Window::whole(file.grid()), None) {
                assert!(error.to_string().contains("B05_20m.jp2: "), "{at}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 300, "{refused}");
}

#[test]
fn shares_of_no_data_and_clouds_are_those_of_the_scene_classes() {
    let product = Product::open(vector()).unwrap();
    let shares = product.shares(&CloudFilter::default()).unwrap().unwrap();
    // Of 60 rows the last has no data; ten are clouds, ten half in shadow.
    assert!((shares.no_data - 1.0 / 60.0).abs() < 1e-12);
    assert!((shares.clouds - 15.0 / 59.0).abs() < 1e-12);
}

#[cfg(unix)]
#[test]
fn links_in_circles_and_pipes_hold_nothing_up() {
    let folder = TempDir::new().unwrap();
    let path = copy(&vector(), &folder.path().join("a.SAFE"), &[]);
    let link = |name: String| std::os::unix::fs::symlink(".", path.join(name)).unwrap();
    link("again".to_owned());
    assert!(Product::open(&path).is_ok());
    (0..12).for_each(|k| link(k.to_string()));
    assert!(
        refusal(&path).contains("a.SAFE: more than 100000 files and folders in it"),
        "{}",
        refusal(&path)
    );

    let path = copy(&vector(), &folder.path().join("b.SAFE"), &["MTD_MSIL2A"]);
    let pipe = std::process::Command::new("mkfifo").arg(path.join("MTD_MSIL2A.xml")).status();
    assert!(pipe.unwrap().success());
    assert!(refusal(&path).contains("MTD_MSIL2A.xml, is missing"), "{}", refusal(&path));
}

#[test]
fn no_memory_is_taken_for_pixels_that_are_only_declared() {
    let folder = TempDir::new().unwrap();
    let path = copy(&vector(), &folder.path().join("a.SAFE"), &[]);
    let image = path.join(GRANULE).join("IMG_DATA/R10m/T33NZA_20220706T085611_B02_10m.jp2");
    let read = |side: u32| {
        let size = |side: u32| format!("<NROWS>{side}</NROWS><NCOLS>{side}</NCOLS>");
        let xml = path.join(GRANULE).join("MTD_TL.xml");
        fs::copy(vector().join(GRANULE).join("MTD_TL.xml"), &xml).unwrap();
        replaced(&xml, &size(120), &size(side));
        let scene = Product::open(&path).unwrap().scene().unwrap();
        let file = &scene.files()[0];
        file.read(&Window::whole(file.grid()), None).unwrap_err().to_string()
    };
    let message = read(900_000);
    assert!(message.contains("120 x 120 pixels, where the product's XML says 900000 x 900000"), "{message}");
    // The image's own header says so too, but most of its tiles are not there.
    let mut bytes = fs::read(&image).unwrap();
    let start = bytes.windows(4).position(|four| four == [0xFF, 0x4F, 0xFF, 0x51]).unwrap();
    bytes[start + 8..start + 16]
        .copy_from_slice(&[16_000_u32.to_be_bytes(), 16_000_u32.to_be_bytes()].concat());
    fs::write(&image, bytes).unwrap();
    let message = read(16_000);
    assert!(message.contains("B02_10m.jp2: tile ") && message.contains(" is missing"), "{message}");
}

#[test]
fn parts_of_an_archive_that_unpack_to_far_more_than_it_has_are_not_unpacked() {
    let folder = TempDir::new().unwrap();
    let image = format!("{GRANULE}/IMG_DATA/R10m/T33NZA_20220706T085611_B03_10m.jp2");
    for (part, zeros, told) in [
        ("MTD_MSIL2A.xml", 65 << 20, "more than 67108864 bytes"),
        (&image, 4 << 20, "bytes of an image, of "),
    ] {
        let path = copy(&vector(), &folder.path().join(zeros.to_string()).join("a.SAFE"), &[]);
        let file = File::options().append(true).open(path.join(part)).unwrap();
        file.set_len(file.metadata().unwrap().len() + zeros).unwrap();
        let archive = path.with_file_name("a.zip");
        zipped(&path, &archive, CompressionMethod::Deflated);
        let read = |scene: lcz::scene::Scene| {
            scene.files().iter().try_for_each(|file| file.read(&Window::whole(file.grid()), None).map(|_| ()))
        };
        let product = Product::open(&archive).and_then(|product| product.scene());
        let refused = product.and_then(read).unwrap_err().to_string();
        assert!(refused.contains(part) && refused.contains(told), "{refused}");
    }
}
