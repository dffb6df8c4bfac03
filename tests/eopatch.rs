//! eo-learn's sample: what is read is what Python wrote (`tests/vectors/make_eopatch.py`), and the real one where it is
//! available.

use std::path::{Path, PathBuf};

use lcz::Classes;
use lcz::data::Masks;
use lcz::data::eopatch::EoPatch;

fn small() -> EoPatch {
    EoPatch::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/eopatch.h5")).unwrap()
}

#[test]
fn pixels_and_classes_are_those_of_the_file() {
    let ground = small();
    assert_eq!((ground.dates(), ground.size()), (2, [11, 9]));
    assert_eq!(ground.classes(), &Classes::named(["artificial surface", "forest", "grassland"]).unwrap());
    let image = ground.image(1).unwrap();
    for ((row, column, band), &value) in image.indexed_iter() {
        let wanted = 0.5 + row as f32 * 0.03 + column as f32 * 0.003 + band as f32 * 0.0002;
        assert!((value - wanted).abs() < 1e-6);
    }
    for ((row, column), &class) in ground.cover().indexed_iter() {
        let wanted = match (row, column) {
            (0, 0) => Masks::IGNORED,
            (_, 0..4) => 1,
            (0..5, _) => 2,
            _ => 0,
        };
        assert_eq!(class, wanted, "row {row}, column {column}");
    }
}

#[test]
fn patches_of_the_dates_cover_the_ground_to_its_end() {
    let (patches, masks) = small().patches(&[1, 0], 6, 4).unwrap();
    // Rows 0, 4, 5; columns 0, 3.
    assert_eq!((patches.len(), masks.view().dim()), (12, (12, 6, 6)));
    let corners = [[0, 0], [0, 3], [4, 0], [4, 3], [5, 0], [5, 3]];
    let (images, cover) = (patches.images(0..12).unwrap(), small().cover().clone());
    for (n, [row, column]) in corners.into_iter().chain(corners).enumerate() {
        let date = usize::from(n < 6);
        let image = small().image(date).unwrap();
        assert_eq!(
            images.slice(ndarray::s![n, .., .., ..]),
            image.slice(ndarray::s![row..row + 6, column..column + 6, ..])
        );
        assert_eq!(
            masks.view().slice(ndarray::s![n, .., ..]),
            cover.slice(ndarray::s![row..row + 6, column..column + 6])
        );
    }
}

#[test]
fn what_does_not_fit_is_told_in_one_line() {
    let refused = |what: lcz::Result<(lcz::data::Patches, Masks)>, words: &str| {
        let message = what.unwrap_err().to_string();
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    };
    refused(small().patches(&[2], 6, 4), "eopatch.h5: date 2 of 2 (counted from 0)");
    refused(small().patches(&[0], 10, 4), "patches of 10 pixels, 4 apart, of 11 x 9");
    refused(small().patches(&[0], 6, 0), "patches of 6 pixels, 0 apart");
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    for (file, words) in [
        ("data_so2sat.h5", "no dataset 'sen2_l1c'; give eo-learn's sample"),
        ("none.h5", "No such file"),
        ("medians.json", "not an HDF5 file"),
    ] {
        let message = EoPatch::open(vectors.join(file)).unwrap_err().to_string();
        assert!(message.contains(words) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn the_real_sample_has_five_dates_of_one_place() {
    let folder = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
    let asked = folder.is_some();
    let folder = folder.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    let path = folder.join("eolearn/slovenia_lulc.h5");
    if !path.is_file() && !asked {
        eprintln!("skipped: no {} (set LCZ_REAL_DATA)", path.display());
        return;
    }
    let ground = EoPatch::open(path).unwrap();
    assert_eq!((ground.dates(), ground.size(), ground.classes().len()), (5, [101, 100], 5));
    let (_, masks) = ground.patches(&[0], 64, 64).unwrap();
    assert_eq!(masks.view().dim(), (4, 64, 64));
    let forest = ground.cover().iter().filter(|class| **class == 2).count();
    assert_eq!(forest, 7601, "as counted by h5py");
}
