//! EuroSAT's folders: what Pillow reads from the JPEGs, what GeoTIFFs of 13 bands hold, splits, and every bad input
//! against its one line. The images are synthetic (`tests/vectors/make_eurosat.py`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lcz::data::so2sat::So2Sat;
use lcz::progress::Silent;
use lcz::scene::eurosat::{EuroSat, EuroSatSplit, ImageKind};
use lcz::scene::{Crs, GeoTiffWriter, Grid, Part, Shares};
use serde_json::Value;
use tempfile::TempDir;

fn jpegs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/eurosat")
}

fn shares(training: f64, validation: f64, testing: f64) -> Shares {
    Shares::new(training, validation, testing).unwrap()
}

/// The folder with copies of its images, to be spoilt.
fn copied() -> TempDir {
    let folder = TempDir::new().unwrap();
    for class in fs::read_dir(jpegs()).unwrap().map(Result::unwrap) {
        let to = folder.path().join("EuroSAT/2750").join(class.file_name());
        fs::create_dir_all(&to).unwrap();
        for image in fs::read_dir(class.path()).unwrap().map(Result::unwrap) {
            fs::copy(image.path(), to.join(image.file_name())).unwrap();
        }
    }
    folder
}

#[test]
fn jpegs_are_read_as_pillow_reads_them() {
    let eurosat = EuroSat::open(jpegs()).unwrap();
    assert_eq!((eurosat.len(), eurosat.kind()), (30, ImageKind::TrueColour));
    assert_eq!(eurosat.imagery().bands.true_colour(), Some([0, 1, 2]));
    let known: Value = serde_json::from_str(include_str!("vectors/eurosat.json")).unwrap();
    let names = [
        "AnnualCrop",
        "Forest",
        "HerbaceousVegetation",
        "Highway",
        "Industrial",
        "Pasture",
        "PermanentCrop",
        "Residential",
        "River",
        "SeaLake",
    ];
    for (class, name) in names.into_iter().enumerate() {
        // The third of each class: 10 comes after 2.
        let image = eurosat.images(&[3 * class + 2]).unwrap();
        let known = &known[format!("{name}_10.jpg")];
        for (c, mean) in known["mean"].as_array().unwrap().iter().enumerate() {
            let given = image.slice(ndarray::s![0, .., .., c]).mean().unwrap();
            // Two decoders differ by a rounding here and there, where colour is stored at half the size by more.
            assert!((f64::from(given) - mean.as_f64().unwrap()).abs() < 0.5, "{name}: {given}, not {mean}");
        }
        for pixel in known["pixels"].as_array().unwrap() {
            let at = |k: usize| pixel[k].as_u64().unwrap() as usize;
            for c in 0..3 {
                let given = image[[0, at(0), at(1), c]];
                assert!((given - at(2 + c) as f32).abs() <= 4.0, "{name} {pixel}: {given}");
            }
        }
    }
}

#[test]
fn geotiffs_give_reflectances_of_thirteen_bands() {
    let folder = TempDir::new().unwrap();
    let grid = Grid { rows: 64, columns: 64, transform: None, crs: Crs::Unknown };
    for class in fs::read_dir(jpegs()).unwrap().map(Result::unwrap) {
        let of_class = folder.path().join(class.file_name());
        fs::create_dir(&of_class).unwrap();
        let path = of_class.join(format!("{}_1.tif", class.file_name().to_str().unwrap()));
        let names = [""; 13];
        let mut writer = GeoTiffWriter::<u16>::create(path, &grid).unwrap().bands(&names);
        writer
            .append(&(0..64 * 64 * 13).map(|k| (k % 13 * 1000 + k / 13 % 7) as u16).collect::<Vec<_>>())
            .unwrap();
        writer.finish().unwrap();
    }
    let eurosat = EuroSat::open(folder.path()).unwrap();
    assert_eq!((eurosat.len(), eurosat.kind()), (10, ImageKind::AllBands));
    let (bands, unit) = (eurosat.imagery().bands, eurosat.imagery().unit);
    assert_eq!(
        (bands.position("B8A"), bands.position("B10"), unit.as_str()),
        (Some(12), Some(9), "reflectance")
    );
    assert!(eurosat.provenance().unwrap().starts_with("unknown source"), "these state no provenance");
    let images = eurosat.images(&[0, 9]).unwrap();
    assert_eq!(images.dim(), (2, 64, 64, 13));
    for ((_, row, column, band), &value) in images.indexed_iter() {
        let wanted = (band * 1000 + (row * 64 + column) % 7) as f32 / 10_000.0;
        assert!((value - wanted).abs() < 1e-7);
    }
}

fn all_of(split: &EuroSatSplit) -> Vec<usize> {
    Part::ALL.into_iter().flat_map(|part| split.of(part).to_vec()).collect()
}

#[test]
fn a_random_split_assigns_each_class_and_each_image_once() {
    let eurosat = EuroSat::open(jpegs()).unwrap();
    let split = eurosat.random_split(shares(34.0, 33.0, 33.0), 1).unwrap();
    assert_eq!(all_of(&split).iter().collect::<BTreeSet<_>>().len(), 30);
    for part in Part::ALL {
        let classes: Vec<usize> = split.of(part).iter().map(|k| k / 3).collect();
        assert_eq!(classes, (0..10).collect::<Vec<_>>(), "{part}");
    }
    assert_eq!(split, eurosat.random_split(shares(34.0, 33.0, 33.0), 1).unwrap());
    assert_ne!(split, eurosat.random_split(shares(34.0, 33.0, 33.0), 2).unwrap());
    let message = eurosat.random_split(shares(98.0, 1.0, 1.0), 1).unwrap_err().to_string();
    assert!(message.contains("98/1/1 leaves no image for validation"), "{message}");
}

#[test]
fn the_files_hold_the_images_with_their_classes() {
    let folder = copied();
    // The folders of the classes lie two below.
    let eurosat = EuroSat::open(folder.path()).unwrap();
    let split = eurosat.random_split(shares(67.0, 0.0, 33.0), 3).unwrap();
    let out = folder.path().join("data");
    eurosat.write(&split, &out, "synthetic images", &mut Silent).unwrap();
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2, "a part without a share gets no file");
    for part in [Part::Training, Part::Testing] {
        let patches = So2Sat::open(out.join(format!("{part}.h5"))).unwrap().patches().unwrap();
        assert_eq!(patches.classes(), &EuroSat::classes());
        assert_eq!(patches.imagery(), &eurosat.imagery());
        let wanted: Vec<usize> = split.of(part).iter().map(|k| k / 3).collect();
        assert_eq!(patches.labels().unwrap().indices(), wanted);
        assert_eq!(patches.images(0..patches.len()).unwrap(), eurosat.images(split.of(part)).unwrap());
        assert_eq!(patches.provenance(), "synthetic images; split 67/0/33 within each class, seed 3");
    }
    let message = eurosat.write(&split, &out, "", &mut Silent).unwrap_err().to_string();
    assert!(message.contains("the folder exists"), "{message}");
}

#[test]
fn a_given_split_is_taken_by_name_and_its_mistakes_are_told_by_line() {
    let folder = copied();
    let eurosat = EuroSat::open(folder.path().join("EuroSAT")).unwrap();
    let list = |name: &str, lines: &str| {
        let path = folder.path().join(name);
        fs::write(&path, lines).unwrap();
        path
    };
    let training = list("train.txt", "Forest_10.jpg\nAnnualCrop/AnnualCrop_1.tif\n\nRiver_2\n");
    let validation = list("val.txt", "SeaLake_1.jpg\n");
    let split = |testing: &Path| eurosat.given_split([&training, &validation, testing]);
    let testing = list("test.txt", "SeaLake_2.jpg\nHighway_1.jpg\n");
    let given = split(&testing).unwrap();
    assert_eq!(given.of(Part::Training), [5, 0, 25]);
    assert_eq!((given.of(Part::Validation), given.of(Part::Testing)), (&[27][..], &[28, 9][..]));
    let told = |lines: &str| split(&list("odd.txt", lines)).unwrap_err().to_string();
    assert!(
        told("Highway_1.jpg\nSeaLake_1.jpg\n")
            .contains("odd.txt, line 2: image 'SeaLake_1.jpg' is listed already")
    );
    assert!(told("Highway_77.jpg\n").contains("line 1: no image 'Highway_77.jpg'"));
    assert!(told("\n").contains("it names no image"));
    let message = split(&folder.path().join("none.txt")).unwrap_err().to_string();
    assert!(message.contains("none.txt: No such file"), "{message}");
}

#[test]
fn folders_and_images_that_are_not_eurosats_are_told_in_one_line() {
    let folder = copied();
    let place = folder.path().join("EuroSAT/2750");
    let told = || EuroSat::open(folder.path()).unwrap_err().to_string();
    let image = place.join("Forest/Forest_1.jpg");
    let bytes = fs::read(&image).unwrap();
    let read = || EuroSat::open(folder.path()).unwrap().images(&[3]).unwrap_err().to_string();
    for spoilt in [&bytes[..40], &bytes[..0], b"no image"] {
        fs::write(&image, spoilt).unwrap();
        let message = read();
        assert!(
            message.contains("Forest_1.jpg: the JPEG cannot be read") && message.lines().count() == 1,
            "{message}"
        );
    }
    fs::write(&image, &bytes).unwrap();
    fs::write(place.join("River/River_3.tif"), "").unwrap();
    assert!(told().contains("JPEGs and GeoTIFFs side by side"));
    fs::remove_file(place.join("River/River_3.tif")).unwrap();
    for name in ["River_1.jpg", "River_2.jpg", "River_10.jpg"] {
        fs::remove_file(place.join("River").join(name)).unwrap();
    }
    assert!(told().contains("River: no image (.jpg or .tif) in it"));
    fs::remove_dir(place.join("River")).unwrap();
    assert!(told().contains("no folder 'River'; EuroSAT has a folder a class: AnnualCrop, Forest"));
    assert!(EuroSat::open("no/such/folder").unwrap_err().to_string().starts_with("no/such/folder: "));
}
