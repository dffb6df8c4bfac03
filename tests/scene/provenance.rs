//! What patches, label rasters and maps inherit from the files that they are made of.

use std::path::Path;

use lcz::data::so2sat::So2Sat;
use lcz::progress::Silent;
use lcz::scene::{Cutting, GeoTiff, GeoTiffWriter, Labelling, Part, Scene};
use lcz::synthetic::SyntheticScene;
use tempfile::TempDir;

use super::writing;

/// Writes a band or labels as they are, with another description.
fn described(from: &Path, to: &Path, description: Option<&str>) {
    let raster = GeoTiff::open(from).unwrap();
    let pixels = raster.read(&lcz::scene::Window::whole(raster.grid()), None).unwrap();
    let writer = GeoTiffWriter::<u16>::create(to, raster.grid()).unwrap().no_data(0);
    let mut writer = match description {
        Some(text) => writer.describe(text),
        None => writer,
    };
    writer.append(&pixels.iter().map(|&value| value as u16).collect::<Vec<_>>()).unwrap();
    writer.finish().unwrap();
}

#[test]
fn what_is_made_of_synthetic_bands_or_labels_is_synthetic_and_the_rest_unknown_or_as_stated() {
    let folder = TempDir::new().unwrap();
    let city = folder.path().join("city");
    SyntheticScene { rows: 128, columns: 128, seed: 3, clouds: 0.0 }.write(&city, &mut Silent).unwrap();
    let at = |name: &str| folder.path().join(name);
    described(&city.join("B2.tif"), &at("plain_B2.tif"), None);
    described(&city.join("LCZ.tif"), &at("plain_labels.tif"), None);
    described(&city.join("B2.tif"), &at("real_B2.tif"), Some("real: Sentinel-2, 2019"));
    described(&city.join("LCZ.tif"), &at("real_labels.tif"), Some("real: surveyed"));
    let made = "synthetic (lcz ";
    for (bands, labels, given, wanted) in [
        (vec![city.join("B2.tif")], city.join("LCZ.tif"), None, made),
        (vec![at("plain_B2.tif")], city.join("LCZ.tif"), None, made),
        (vec![at("plain_B2.tif")], city.join("districts.shp"), None, made),
        (vec![city.join("B2.tif")], at("plain_labels.tif"), Some("real: Berlin"), made),
        // The first file states nothing, the second that it is synthetic.
        (vec![at("plain_B2.tif"), city.join("B3.tif")], at("plain_labels.tif"), None, made),
        (vec![at("plain_B2.tif")], at("plain_labels.tif"), None, "unknown source; plain_labels.tif, 1 bands"),
        (vec![at("real_B2.tif")], at("plain_labels.tif"), None, "unknown source; "),
        (vec![at("real_B2.tif")], at("real_labels.tif"), None, "real: Sentinel-2, 2019; real_labels.tif"),
        (vec![at("plain_B2.tif")], at("plain_labels.tif"), Some("real: Berlin"), "real: Berlin; "),
    ] {
        let dates = [Scene::open(&bands).unwrap()];
        let labels = Labelling::default().open(&labels, &dates, &mut Silent).unwrap();
        let cutting = Cutting {
            patch_size: 4,
            shares: "100/0/0".parse().unwrap(),
            provenance: given.map(str::to_owned),
            ..Cutting::default()
        };
        let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
        assert!(plan.provenance().starts_with(wanted), "{bands:?}: {}", plan.provenance());
        assert!(!plan.corners(0, Part::Training).is_empty());
    }

    // The file says it, and so does a raster of the polygons.
    let dates = [Scene::open([at("plain_B2.tif")]).unwrap()];
    let labels = Labelling::default().open(city.join("districts.shp"), &dates, &mut Silent).unwrap();
    labels.write(at("districts.tif")).unwrap();
    let raster = GeoTiff::open(at("districts.tif")).unwrap();
    assert!(raster.description().unwrap().starts_with(made), "{:?}", raster.description());
    let cutting = Cutting { patch_size: 4, ..Cutting::default() };
    let plan = cutting.plan(&dates, &labels, &mut Silent).unwrap();
    let _writing = writing();
    plan.write(at("patches"), &mut |_, _| Ok(()), &mut Silent).unwrap();
    let patches = So2Sat::open(at("patches/testing.h5")).unwrap().patches().unwrap();
    assert!(patches.provenance().starts_with(made), "{}", patches.provenance());
}
