//! The fuzz targets: each function writes bytes to a file and reads it. A reader may refuse them, but must not
//! panic or take long.
//!
//! `cargo fuzz` runs these with changing bytes (`fuzz_targets/`), `tests/corpus.rs` with those of `corpus/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use lcz::Classes;
use lcz::checkpoint::{import_keras, load_classifier, temperature};
use lcz::data::features::FeatureFile;
use lcz::data::{So2Sat, Summary, predictions, read_votes};
use lcz::figures::Record;
use lcz::models::Device;
use lcz::models::sen2lcz::Fusion;
use lcz::progress::Silent;
use lcz::run::{Config, ForestConfig};
use lcz::scene::{
    Codes, Crs, GeoTiff, GeoTiffWriter, Grid, LabelRaster, Labelling, Product, Scene, Transform, Window,
};

/// A target: bytes, and the place of files in memory.
pub type Target = fn(&[u8], &Path);

/// All targets by name.
pub const TARGETS: [(&str, Target); 14] = [
    ("wkt", wkt),
    ("geopackage", geopackage),
    ("shapefile", shapefile),
    ("kml", kml),
    ("geojson", geojson),
    ("geotiff", geotiff),
    ("jpeg2000", jpeg2000),
    ("product", product),
    ("csv", csv),
    ("npy", npy),
    ("safetensors", safetensors),
    ("toml", toml),
    ("png", png),
    ("hdf5", hdf5_patches),
];

/// Gives bytes to the target of a name, with a folder of its own for files.
pub fn run(name: &str, bytes: &[u8]) {
    let (_, target) = TARGETS.into_iter().find(|(known, _)| *known == name).expect("a target has that name");
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    let place = place.expect("a folder can be made");
    target(bytes, place.path());
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).expect("a file can be written");
    path
}

/// A message is one line, and names the file.
fn check<T>(result: lcz::Result<T>, path: &Path) -> Option<T> {
    let error = match result {
        Ok(value) => return Some(value),
        Err(error) => error.to_string(),
    };
    let folder = path.parent().unwrap_or(path).display().to_string();
    assert!(error.contains(&folder), "{error}");
    None
}

/// A band of 8 × 8 pixels in UTM zone 33.
fn band(folder: &Path) -> Scene {
    static BYTES: OnceLock<Vec<u8>> = OnceLock::new();
    let path = folder.join("B2.tif");
    let bytes = BYTES.get_or_init(|| {
        let transform = Some(Transform([500_000.0, 10.0, 0.0, 5_000_000.0, 0.0, -10.0]));
        let grid = Grid { rows: 8, columns: 8, transform, crs: Crs::from_epsg(32633).unwrap() };
        let mut writer = GeoTiffWriter::<u8>::create(&path, &grid).unwrap();
        writer.append(&[1; 64]).unwrap();
        writer.finish().unwrap();
        fs::read(&path).unwrap()
    });
    fs::write(&path, bytes).expect("a file can be written");
    Scene::open([path]).expect("a scene of one band")
}

/// Rasterises polygons on the band's grid.
fn rasterise(path: &Path, folder: &Path) {
    let labelling = Labelling { reproject: true, ..Labelling::default() };
    check(labelling.open(path, &[band(folder)], &mut Silent), path);
}

/// Two lengths of 16 bits, then three parts, of which the first two have these lengths.
fn parts(bytes: &[u8]) -> [&[u8]; 3] {
    let Some((lengths, rest)) = bytes.split_first_chunk::<4>() else { return [&[]; 3] };
    let length = |n: usize| usize::from(u16::from_le_bytes([lengths[n], lengths[n + 1]]));
    let (first, rest) = rest.split_at(length(0).min(rest.len()));
    let (second, third) = rest.split_at(length(2).min(rest.len()));
    [first, second, third]
}

fn shapefile(bytes: &[u8], folder: &Path) {
    let [shapes, index, table] = parts(bytes);
    put(folder, "a.shx", index);
    put(folder, "a.dbf", table);
    put(folder, "a.prj", b"EPSG:32633");
    rasterise(&put(folder, "a.shp", shapes), folder);
}

/// The coordinate system of a shapefile that is whole.
fn wkt(bytes: &[u8], folder: &Path) {
    let [shapes, index, table] = parts(include_bytes!("templates/shapefile"));
    put(folder, "a.shx", index);
    put(folder, "a.dbf", table);
    put(folder, "a.prj", bytes);
    rasterise(&put(folder, "a.shp", shapes), folder);
}

/// The one geometry of a layer.
fn geopackage(bytes: &[u8], folder: &Path) {
    let path = put(folder, "a.gpkg", include_bytes!("templates/geopackage"));
    let base = rusqlite::Connection::open(&path).expect("the template is a database");
    base.execute("UPDATE zones SET geom = ?1", [bytes]).expect("the template has a layer");
    base.close().expect("it can be closed");
    rasterise(&path, folder);
}

/// A KML, or as a KMZ where it begins like one.
fn kml(bytes: &[u8], folder: &Path) {
    rasterise(&put(folder, "a.kml", bytes), folder);
}

fn geojson(bytes: &[u8], folder: &Path) {
    rasterise(&put(folder, "a.geojson", bytes), folder);
}

fn geotiff(bytes: &[u8], folder: &Path) {
    let path = put(folder, "a.tif", bytes);
    if let Some(raster) = check(GeoTiff::open(&path), &path)
        && raster.grid().rows.saturating_mul(raster.grid().columns) <= 1 << 16
    {
        check(raster.read(&Window::whole(raster.grid()), None), &path);
        check(LabelRaster::open(&path, &Classes::lcz()), &path);
    }
}

/// The XML of the product in `tests/vectors`, of which one band is put.
const PRODUCT: [&[u8]; 2] = [
    include_bytes!(
        "../tests/vectors/product/S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE/MTD_MSIL2A.xml"
    ),
    include_bytes!(
        "../tests/vectors/product/S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419.SAFE/GRANULE/L2A_T33NZA_A036000_20220706T085611/MTD_TL.xml"
    ),
];

fn put_product(folder: &Path, [main, tile]: [&[u8]; 2], image: &[u8]) {
    let granule = folder.join("GRANULE/L2A_T33NZA_A036000_20220706T085611");
    fs::create_dir_all(granule.join("IMG_DATA/R20m")).expect("a folder can be made");
    put(folder, "MTD_MSIL2A.xml", main);
    put(&granule, "MTD_TL.xml", tile);
    put(&granule.join("IMG_DATA/R20m"), "T33NZA_20220706T085611_B05_20m.jp2", image);
}

/// A band of a product.
fn jpeg2000(bytes: &[u8], folder: &Path) {
    put_product(folder, PRODUCT, bytes);
    let scene = Product::open(folder).and_then(|product| product.scene()).expect("the XML is whole");
    let file = scene.files().last().expect("it has bands");
    check(file.read(&Window::whole(file.grid()), None), &folder.join("GRANULE"));
}

/// The XML of a product (first byte even) or of its tile.
fn product(bytes: &[u8], folder: &Path) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let mut xml = PRODUCT;
    xml[usize::from(kind % 2)] = bytes;
    put_product(folder, xml, &[]);
    check(Product::open(folder), &folder.join("GRANULE"));
}

/// The first byte chooses what the table is of.
fn csv(bytes: &[u8], folder: &Path) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let path = put(folder, "a.csv", bytes);
    match kind % 4 {
        0 => drop(check(predictions::read(&path, None), &path)),
        1 => drop(check(read_votes(&path), &path)),
        2 => drop(check(Codes::read(&path), &path)),
        _ => drop(check(Record::read(&path), &path)),
    }
}

fn npy(bytes: &[u8], folder: &Path) {
    let path = put(folder, "a.npy", bytes);
    check(read_votes(&path), &path);
}

fn safetensors(bytes: &[u8], folder: &Path) {
    let path = put(folder, "model.safetensors", bytes);
    check(temperature(&path), &path);
    check(load_classifier(&path, Device::Cpu), &path);
}

fn toml(bytes: &[u8], folder: &Path) {
    let path = put(folder, "config.toml", bytes);
    // A message names the file or the setting.
    for model in ["mlp", "sen2lcz", "resnet50", "unet"] {
        drop(Config::read(Some(&path), model, &[]));
    }
    drop(ForestConfig::read(Some(&path), &[]));
}

fn png(bytes: &[u8], folder: &Path) {
    let path = put(folder, "a.png", bytes);
    check(Record::read(&path), &path);
}

/// The first byte chooses the file; each twelve that follow overwrite eight bytes of it: where, and by what.
fn hdf5_patches(bytes: &[u8], folder: &Path) {
    let Some((kind, patches)) = bytes.split_first() else { return };
    let mut file: Vec<u8> = match kind % 4 {
        0 => include_bytes!("templates/patches.h5").into(),
        1 => include_bytes!("templates/predictions.h5").into(),
        2 => include_bytes!("templates/features.h5").into(),
        _ => include_bytes!("templates/keras.h5").into(),
    };
    for patch in patches.as_chunks::<12>().0 {
        let (at, by) = patch.split_first_chunk::<4>().expect("twelve bytes");
        let at = u32::from_le_bytes(*at) as usize % (file.len() - by.len());
        file[at..at + by.len()].copy_from_slice(by);
    }
    let path = put(folder, "a.h5", &file);
    match kind % 4 {
        0 => {
            let patches = || {
                let patches = So2Sat::open(&path)?.patches()?;
                Summary::from_patches(&patches)?;
                patches.band_statistics(&mut Silent)
            };
            check(patches(), &path);
        }
        1 => drop(check(predictions::read(&path, None), &path)),
        2 => {
            let rows = || {
                let file = FeatureFile::open(&path)?;
                file.labels()?;
                file.read()
            };
            check(rows(), &path);
        }
        _ => drop(check(import_keras(&path, Fusion::Logits, Device::Cpu), &path)),
    }
}
