//! Weight files as Keras lays them out become networks that give what Keras gives.
//!
//! `vectors/resnet50.json` and `resnet20.json` hold layouts and outputs; the weights, which are too many to keep, follow from
//! their names by the formula of `vectors/named_weights.py`.

use std::path::{Path, PathBuf};

use hdf5::types::VarLenUnicode;
use lcz::data::Patches;
use lcz::models::resnet20::ResNet20Settings;
use lcz::models::sen2lcz::Fusion;
use lcz::models::{Architecture, Device, Model};
use lcz::{Classes, Imagery, checkpoint};
use ndarray::{Array2, Array4};
use serde::Deserialize;

/// A tensor's name in the file and its sides.
type Tensor = (String, Vec<usize>);

#[derive(Deserialize)]
struct Frozen {
    patches: usize,
    standard: Outputs,
    course: Outputs,
}

#[derive(Deserialize)]
struct Outputs {
    parameters: usize,
    layers: Vec<(String, Vec<Tensor>)>,
    features: Vec<Vec<f64>>,
    log_p: Vec<Vec<f64>>,
}

fn frozen() -> Frozen {
    serde_json::from_str(include_str!("vectors/resnet50.json")).unwrap()
}

/// `count` numbers between −1 and 1: splitmix64 of the name's FNV-1a hash and the place.
fn uniform(name: &str, count: usize) -> impl Iterator<Item = f64> + use<> {
    let hash = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash);
    (1..=count as u64).map(move |place| {
        let mut z = seed.wrapping_add(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The numbers of a tensor.
fn numbers(network: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product::<usize>();
    let inputs = (count / shape[shape.len() - 1]) as f64;
    let spread = |u: f64| match name.rsplit('/').next().unwrap().trim_end_matches(":0") {
        "kernel" => (3.0 / inputs).sqrt() * u,
        "bias" => 0.1 * u,
        "gamma" => 1.0 + 0.25 * u,
        "beta" | "moving_mean" => 0.25 * u,
        "moving_variance" => 1.0 + 0.5 * u,
        other => panic!("{other}"),
    };
    uniform(&format!("{network}/{name}"), count).map(|u| spread(u) as f32).collect()
}

fn set_names<'a>(group: &hdf5::Group, attribute: &str, names: impl Iterator<Item = &'a String>) {
    let names: Vec<VarLenUnicode> = names.map(|name| name.parse().unwrap()).collect();
    group.new_attr_builder().with_data(&names).create(attribute).unwrap();
}

/// A file of these layers with the weights of `network`.
fn write(path: &Path, network: &str, layers: &[(String, Vec<Tensor>)]) {
    let file = hdf5::File::create(path).unwrap();
    let root = file.create_group("model_weights").unwrap();
    set_names(&root, "layer_names", layers.iter().map(|(layer, _)| layer));
    for (layer, tensors) in layers {
        let group = root.create_group(layer).unwrap();
        set_names(&group, "weight_names", tensors.iter().map(|(name, _)| name));
        for (name, shape) in tensors {
            let data = ndarray::ArrayD::from_shape_vec(shape.clone(), numbers(network, name, shape)).unwrap();
            group.new_dataset_builder().with_data(&data).create(name.as_str()).unwrap();
        }
    }
}

fn import(path: &Path) -> lcz::Result<Box<dyn Model>> {
    checkpoint::import_keras(path, Fusion::Softmaxes, Device::Cpu)
}

fn largest_difference(got: &Array2<f64>, expected: &[Vec<f64>]) -> f64 {
    let mut worst = 0f64;
    for (got, expected) in got.outer_iter().zip(expected) {
        for (got, expected) in got.iter().zip(expected) {
            worst = worst.max((got - expected).abs());
        }
    }
    worst
}

/// Imports a file of these layers, and compares log-probabilities and the first features with the frozen ones.
fn check(name: &str, [count, width]: [usize; 2], outputs: &Outputs) -> Box<dyn Model> {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(format!("{name}.h5"));
    write(&file, name, &outputs.layers);
    let network = import(&file).unwrap();
    assert_eq!(network.parameters().total, outputs.parameters);
    assert_eq!(network.classes(), &Classes::lcz());

    let pixels = uniform(&format!("{name}/x"), count * 32 * 32 * 10).map(|u| (0.5 * u + 0.5) as f32);
    let images = Array4::from_shape_vec((count, 32, 32, 10), pixels.collect()).unwrap();
    let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images).unwrap();
    assert_eq!(outputs.log_p.len(), count);
    let log_p = network.logits(&patches).unwrap().view().to_owned();
    let features = network.features(&patches).unwrap().view().mapv(f64::from);
    assert_eq!(features.dim(), (count, width));
    let worst = [(&log_p, &outputs.log_p), (&features, &outputs.features)]
        .map(|(got, expected)| largest_difference(got, expected));
    println!("{name}: ln p at most {:.1e} from the other's, features {:.1e}", worst[0], worst[1]);
    assert!(worst.iter().all(|worst| *worst < 1e-4), "{name}: {worst:?}");
    network
}

#[test]
fn resnet_50_of_keras_gives_its_log_probabilities_and_features() {
    let Frozen { patches: count, standard, course } = frozen();
    for (name, outputs) in [("standard", standard), ("course", course)] {
        let network = check(name, [count, 2048], &outputs);
        let Architecture::Resnet50(settings) = network.architecture() else { panic!("{name}") };
        assert_eq!(serde_json::to_value(settings.variant).unwrap(), name);
    }
}

#[test]
fn resnet_20_gives_what_an_independent_pass_gives_wherever_its_shortcuts_stand() {
    let outputs: Outputs = serde_json::from_str(include_str!("vectors/resnet20.json")).unwrap();
    let network = check("resnet20", [outputs.log_p.len(), 32], &outputs);
    assert!(matches!(network.architecture(), Architecture::Resnet20(ResNet20Settings { width: 2 })));
}

#[test]
fn the_so2sat_project_s_networks_give_the_reference_outputs() {
    let Some(data) = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from) else {
        eprintln!("skipped: no real data (set LCZ_REAL_DATA)");
        return;
    };
    let read = |file: &str, dataset: &str| {
        let file = hdf5::File::open(data.join(file)).unwrap();
        file.dataset(dataset).unwrap().read_dyn::<f32>().unwrap()
    };
    let folder = std::fs::read_dir(data.join("dlr")).unwrap();
    let weights: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    for (sensor, pixels, bands) in [
        ("s2", ("sen2lcz/reference_patches.h5", "sen2"), 10),
        ("s1", ("dlr/reference_outputs_s1.h5", "sen1"), 7),
    ] {
        let is_its = |path: &&PathBuf| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with(&format!("{}_RESNET20", sensor.to_uppercase()))
        };
        let network = import(weights.iter().find(is_its).unwrap()).unwrap();
        let images = read(pixels.0, pixels.1).into_dimensionality().unwrap();
        assert_eq!(network.imagery().bands.len(), bands);
        let patches = Patches::in_memory(network.imagery().clone(), Classes::lcz(), images).unwrap();
        let expected = |part: &str| read(&format!("dlr/reference_outputs_{sensor}.h5"), part);
        let p = network.predict(&patches).unwrap().view().mapv(|p| p as f32).into_dyn();
        let features = network.features(&patches).unwrap().view().to_owned().into_dyn();
        for (part, got, bound) in [("probabilities", p, 1e-5), ("features", features, 1e-3)] {
            let worst = (&got - &expected(part)).fold(0f32, |worst, d| worst.max(d.abs()));
            println!("{sensor}: {part} at most {worst:.1e} from the reference");
            assert!(worst < bound, "{sensor}, {part}: {worst}");
        }
    }
}

#[test]
fn a_file_that_is_not_a_resnet_50_is_refused_in_one_line() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("weights.h5");
    let mut layers = frozen().course.layers;
    // Narrow, so that the files are small: only the shapes matter.
    for (_, tensors) in &mut layers {
        for (_, shape) in tensors.iter_mut() {
            let last = shape.len() - 1;
            let narrow = |side: &mut usize| *side = (*side / 16).max(1);
            narrow(&mut shape[last]);
            if last > 0 {
                narrow(&mut shape[last - 1]);
            }
        }
    }
    let refused = |layers: &[(String, Vec<Tensor>)], expected: &str| {
        write(&file, "course", layers);
        let error = import(&file).expect_err(expected).to_string();
        assert!(
            error.contains(expected) && error.contains("weights.h5") && error.lines().count() == 1,
            "{error}"
        );
    };
    let other = file.with_file_name("ckpt.index");
    std::fs::write(&other, "no weights").unwrap();
    let error = import(&other).err().unwrap().to_string();
    assert!(
        error.contains("ckpt.index: not a Keras weight file: those are HDF5; in Keras, load it"),
        "{error}"
    );
    let (mut headless, mut normless, mut mixed) = (layers.clone(), layers.clone(), layers.clone());
    headless.pop();
    refused(&headless, "0 dense layers");
    normless.retain(|(layer, _)| layer != "batch_normalization_7");
    assert_eq!(normless.len() + 1, layers.len());
    refused(&normless, "52 batch norms");
    mixed.swap(2, 4);
    refused(&mixed, "not those of bottleneck blocks");
    let mut biasless = layers;
    biasless[0].1.retain(|(name, _)| !name.contains("bias"));
    refused(&biasless, "has no 'bias' (found: kernel)");
}
