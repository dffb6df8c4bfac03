//! Networks trained elsewhere give here what they gave there.

use std::path::{Path, PathBuf};

use lcz::checkpoint;
use lcz::data::so2sat::So2Sat;
use lcz::models::sen2lcz::Fusion;
use lcz::models::{Device, Network};
use ndarray::Array2;

/// A file of the real data, or `None` (said aloud) where it is not at hand. With `LCZ_REAL_DATA` set,
/// a missing file is a failure.
fn real_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
    let path = root
        .clone()
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"))
        .join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(root.is_none(), "LCZ_REAL_DATA is set, but {} is not there", path.display());
    eprintln!("SKIPPED: {} is not there; set LCZ_REAL_DATA", path.display());
    None
}

/// A matrix of numbers beside the patches.
fn reference(file: &Path, dataset: &str) -> Array2<f64> {
    hdf5::File::open(file).unwrap().dataset(dataset).unwrap().read_2d().unwrap()
}

fn largest_difference(network: &dyn Network, patches: &Path, expected: &Array2<f64>) -> f64 {
    let patches = So2Sat::open(patches).unwrap().patches().unwrap();
    let predicted = network.predict(&patches).unwrap();
    assert_eq!(predicted.view().dim(), expected.dim());
    let differences = predicted.view().to_owned() - expected;
    differences.iter().fold(0.0, |worst, d| worst.max(d.abs()))
}

#[test]
fn keras_weights_give_their_reference_outputs_on_real_patches() {
    let Some(folder) = real_data("sen2lcz") else { return };
    let patches = folder.join("reference_patches.h5");
    for (weights, outputs, total) in [
        ("sen2lcz_17_keras.hdf5", "probabilities_17", 793_348),
        ("sen2lcz_10_onehot_keras.hdf5", "probabilities_10_onehot", 790_856),
    ] {
        let network =
            checkpoint::import_keras(&folder.join(weights), Fusion::Softmaxes, Device::Cpu).unwrap();
        assert_eq!(network.parameters().total, total);
        let worst = largest_difference(&*network, &patches, &reference(&patches, outputs));
        println!("{weights}: largest difference {worst:.2e} over 72 patches");
        assert!(worst < 1e-4, "{weights}: {worst}");
    }
}

#[test]
fn a_saved_network_predicts_the_same_bits_when_loaded() {
    let Some(folder) = real_data("sen2lcz") else { return };
    let network =
        checkpoint::import_keras(&folder.join("sen2lcz_17_keras.hdf5"), Fusion::Logits, Device::Cpu).unwrap();
    let patches = So2Sat::open(folder.join("reference_patches.h5")).unwrap().patches().unwrap();
    let patches = patches.select(&[3, 1, 70]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.safetensors");
    checkpoint::save(&*network, &file).unwrap();
    let loaded = checkpoint::load(&file, Device::Cpu).unwrap();
    assert_eq!(loaded.weights(), network.weights());
    assert_eq!(loaded.logits(&patches).unwrap(), network.logits(&patches).unwrap());
}
