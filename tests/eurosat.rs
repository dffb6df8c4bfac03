//! EuroSAT's folders: what Pillow reads from the JPEGs, what GeoTIFFs of 13 bands hold, splits, and every bad input
//! against its one line. The images are synthetic (`tests/vectors/make_eurosat.py`).

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
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
    // The zip, of deflated and of stored images, is read as the folder.
    let other = TempDir::new().unwrap();
    let path = other.path().join("EuroSAT_MS.zip");
    zipped(&path, folder.path(), "EuroSAT_MS/", "none");
    let zip = EuroSat::open(&path).unwrap();
    assert_eq!((zip.len(), zip.kind(), zip.imagery()), (10, eurosat.kind(), eurosat.imagery()));
    assert_eq!(zip.images(&[0, 9]).unwrap(), images);
    assert_eq!(zip.provenance().unwrap(), eurosat.provenance().unwrap());
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

/// The images in a zip, under this folder, without those that `skip` names.
fn zipped(path: &Path, images: &Path, holder: &str, skip: &str) {
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    let methods = [zip::CompressionMethod::Deflated, zip::CompressionMethod::Stored];
    let mut methods = methods.into_iter().cycle();
    archive.add_directory(format!("{holder}Forest"), zip::write::SimpleFileOptions::default()).unwrap();
    for class in fs::read_dir(images).unwrap().map(Result::unwrap) {
        for image in fs::read_dir(class.path()).unwrap().map(Result::unwrap) {
            let [class, image_name] =
                [class.file_name(), image.file_name()].map(|name| name.into_string().unwrap());
            if image_name.starts_with(skip) {
                continue;
            }
            let options =
                zip::write::SimpleFileOptions::default().compression_method(methods.next().unwrap());
            archive.start_file(format!("{holder}{class}/{image_name}"), options).unwrap();
            archive.write_all(&fs::read(image.path()).unwrap()).unwrap();
        }
    }
    // What an archiver of macOS adds.
    archive
        .start_file("__MACOSX/EuroSAT/Forest/._Forest_1.jpg", zip::write::SimpleFileOptions::default())
        .unwrap();
    archive.finish().unwrap();
}

#[test]
fn a_zip_is_read_as_the_folder_that_it_unpacks_to() {
    let folder = TempDir::new().unwrap();
    let wanted = EuroSat::open(jpegs()).unwrap();
    let everything: Vec<usize> = (0..30).collect();
    for (name, holder) in [("a.zip", "EuroSAT_RGB/"), ("b.zip", ""), ("c.zip", "EuroSAT/2750/")] {
        let path = folder.path().join(name);
        zipped(&path, &jpegs(), holder, "none");
        let eurosat = EuroSat::open(&path).unwrap();
        assert_eq!((eurosat.len(), eurosat.kind(), eurosat.imagery()), (30, wanted.kind(), wanted.imagery()));
        assert_eq!(eurosat.images(&everything).unwrap(), wanted.images(&everything).unwrap());
        let split = eurosat.random_split(shares(34.0, 33.0, 33.0), 1).unwrap();
        assert_eq!(split, wanted.random_split(shares(34.0, 33.0, 33.0), 1).unwrap());
    }
    let told = |name: &str| EuroSat::open(folder.path().join(name)).unwrap_err().to_string();
    zipped(&folder.path().join("part.zip"), &jpegs(), "EuroSAT/", "River");
    assert!(told("part.zip").contains("part.zip: no folder 'River'; EuroSAT has a folder a class"));
    let whole = fs::read(folder.path().join("a.zip")).unwrap();
    fs::write(folder.path().join("short.zip"), &whole[..whole.len() / 2]).unwrap();
    assert!(told("short.zip").contains("short.zip: not a zip that is complete"));
    fs::write(folder.path().join("text.txt"), "no zip").unwrap();
    assert!(told("text.txt").contains("give EuroSAT's folder, or get its zip again"));
    let entries = |name: &str, entries: &[&str]| {
        let mut archive = zip::ZipWriter::new(fs::File::create(folder.path().join(name)).unwrap());
        for entry in entries {
            archive.start_file(*entry, zip::write::SimpleFileOptions::default()).unwrap();
            archive.write_all(&vec![0; 2 << 20]).unwrap();
        }
        archive.finish().unwrap();
    };
    entries("both.zip", &["EuroSAT/Forest/Forest_1.tif", "EuroSAT/Forest/Forest_1.jpg"]);
    assert!(told("both.zip").contains("both.zip: JPEGs and GeoTIFFs side by side"));
    entries("two.zip", &["a/Forest/Forest_1.jpg", "b/Forest/Forest_2.jpg"]);
    assert!(told("two.zip").contains("images in two places, 'a' and 'b'"));
    // What unpacks to far more than an image has is not read to its end.
    let classes =
        fs::read_dir(jpegs()).unwrap().map(|class| class.unwrap().file_name().into_string().unwrap());
    let large: Vec<String> = classes.map(|class| format!("{class}/{class}_1.jpg")).collect();
    entries("large.zip", &large.iter().map(String::as_str).collect::<Vec<_>>());
    let eurosat = EuroSat::open(folder.path().join("large.zip")).unwrap();
    let refused = eurosat.images(&[3]).unwrap_err().to_string();
    assert!(refused.contains("large.zip/Highway/Highway_1.jpg: more than 1048576 bytes"), "{refused}");
}

#[test]
fn the_bands_of_geotiffs_are_taken_in_the_order_of_their_descriptions() {
    let folder = TempDir::new().unwrap();
    let grid = Grid { rows: 64, columns: 64, transform: None, crs: Crs::Unknown };
    // B8A next to B8, as other programs order them.
    let names = ["B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B10", "B11", "B12"];
    for class in fs::read_dir(jpegs()).unwrap().map(Result::unwrap) {
        let of_class = folder.path().join(class.file_name());
        fs::create_dir(&of_class).unwrap();
        let path = of_class.join(format!("{}_1.tif", class.file_name().to_str().unwrap()));
        let mut writer = GeoTiffWriter::<u16>::create(path, &grid).unwrap().bands(&names);
        writer.append(&(0..64 * 64 * 13).map(|k| (k % 13 * 1000) as u16).collect::<Vec<_>>()).unwrap();
        writer.finish().unwrap();
    }
    let eurosat = EuroSat::open(folder.path()).unwrap();
    let image = eurosat.images(&[4]).unwrap();
    let wanted = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.9, 1.0, 1.1, 1.2, 0.8];
    for (band, wanted) in wanted.into_iter().enumerate() {
        assert!((image[[0, 5, 6, band]] - wanted).abs() < 1e-6, "{band}");
    }
    assert_eq!(eurosat.imagery().bands.position("B8A"), Some(12));
}

#[test]
fn the_published_zip_holds_27_000_images_of_ten_classes() {
    let folder = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = folder.join("eurosat/EuroSAT_RGB.zip");
    if !path.is_file() {
        eprintln!("skipped: no {} (set LCZ_REAL_DATA)", path.display());
        return;
    }
    let eurosat = EuroSat::open(&path).unwrap();
    assert_eq!((eurosat.len(), eurosat.kind()), (27_000, ImageKind::TrueColour));
    let split = eurosat.random_split(shares(100.0, 0.0, 0.0), 0).unwrap();
    assert_eq!(split.of(Part::Training).len(), 27_000);
    // Images of each class, in the order of the classes: 3,000, but for highway, industrial, permanent crop and river
    // (2,500) and pasture (2,000). The first and the last are read.
    let out = TempDir::new().unwrap();
    let lists = ["train.txt", "validation.txt", "test.txt"].map(|name| folder.join("eurosat").join(name));
    let given = eurosat.given_split(lists).unwrap();
    let parts = Part::ALL.map(|part| given.of(part).len());
    assert_eq!(parts.iter().sum::<usize>(), 27_000);
    eurosat.write(&given, out.path().join("data"), "real: EuroSAT", &mut Silent).unwrap();
    let mut counts = [0; 10];
    for (part, count) in Part::ALL.into_iter().zip(parts) {
        let patches = So2Sat::open(out.path().join(format!("data/{part}.h5"))).unwrap().patches().unwrap();
        assert_eq!(patches.len(), count);
        patches.labels().unwrap().indices().iter().for_each(|&class| counts[class] += 1);
    }
    assert_eq!(counts, [3000, 3000, 3000, 2500, 2500, 2000, 2500, 3000, 2500, 3000]);
}
