//! Networks trained elsewhere give here what they gave there.

mod npz;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lcz::checkpoint;
use lcz::data::Patches;
use lcz::data::so2sat::So2Sat;
use lcz::models::sen2lcz::{Fusion, Sen2LczSettings};
use lcz::models::{Architecture, Device, Model, build};
use lcz::progress::Silent;
use lcz::{
    Bands, Classes, Imagery, LabelDistributions, Labelled, Labels, Optimizer, Schedule, Standardisation,
    Training, Weight, Weights,
};
use ndarray::{Array2, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;

/// A file of the real data, or `None` (printed) where it is not available. With `LCZ_REAL_DATA` set,
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

/// A matrix of numbers next to the patches.
fn reference(file: &Path, dataset: &str) -> Array2<f64> {
    hdf5::File::open(file).unwrap().dataset(dataset).unwrap().read_2d().unwrap()
}

fn largest_difference(network: &dyn Model, patches: &Path, expected: &Array2<f64>) -> f64 {
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
        let network = checkpoint::import_keras(folder.join(weights), Fusion::Softmaxes, Device::Cpu).unwrap();
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
        checkpoint::import_keras(folder.join("sen2lcz_17_keras.hdf5"), Fusion::Logits, Device::Cpu).unwrap();
    let patches = So2Sat::open(folder.join("reference_patches.h5")).unwrap().patches().unwrap();
    let patches = patches.select(&[3, 1, 70]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("model.safetensors");
    network.save(&file).unwrap();
    let loaded = checkpoint::load(&file, Device::Cpu).unwrap();
    assert_eq!(loaded.weights(), network.weights());
    assert_eq!(loaded.logits(&patches).unwrap(), network.logits(&patches).unwrap());
}

/// Imagery of this size and number of bands.
fn imagery(patch_size: usize, bands: usize) -> Imagery {
    Imagery { patch_size, bands: Bands::from_count(bands), ..Imagery::so2sat() }
}

/// ln softmax, row by row.
fn log_softmax(z: &Array2<f64>) -> Array2<f64> {
    let mut log_p = z.clone();
    for mut row in log_p.outer_iter_mut() {
        let total = row.mapv(f64::exp).sum().ln();
        row.mapv_inplace(|z| z - total);
    }
    log_p
}

fn worst_of(got: &Array2<f64>, expected: &Array2<f64>) -> f64 {
    assert_eq!(got.dim(), expected.dim());
    got.iter().zip(expected).fold(0.0, |worst, (g, e)| f64::max(worst, (g - e).abs()))
}

/// The names of a Sen2LCZ's tensors in the order of Keras's `model.weights`.
fn keras_order(convolutions_a_block: usize) -> Vec<String> {
    let mut names = Vec::new();
    for block in 1..=4 {
        for layer in 1..=convolutions_a_block {
            for part in ["weight", "bias", "gamma", "beta", "moving_mean", "moving_variance"] {
                names.push(format!("block{block}.conv{layer}.{part}"));
            }
        }
    }
    for head in ["merge1", "merge2", "merge3", "final"] {
        names.extend(["weight", "bias"].map(|part| format!("head.{head}.{part}")));
    }
    names
}

/// A kernel of four sides becomes a matrix, as `lcz` holds it; the numbers' order is the same.
fn weight(name: &str, shape: &[usize], values: Vec<f32>) -> Weight {
    let outputs = shape[shape.len() - 1];
    let shape = if shape.len() == 4 { vec![values.len() / outputs, outputs] } else { shape.to_vec() };
    Weight { shape, values, trainable: !name.contains("moving_") }
}

#[test]
fn keras_s_random_weights_and_inputs_give_its_mean_of_logits() {
    let Some(file) = real_data("parity/sen2lcz.npz") else { return };
    let arrays = npz::read(&file);
    let names = keras_order(4);
    let weights: BTreeMap<String, Weight> = names
        .iter()
        .enumerate()
        .map(|(k, name)| {
            let (shape, values) = &arrays[&format!("w{k:03}")];
            (name.clone(), weight(name, shape, values.clone()))
        })
        .collect();
    let architecture =
        Architecture::Sen2lcz(Sen2LczSettings { fusion: Fusion::Logits, ..Default::default() });
    let mut network = build(&architecture, &Imagery::so2sat(), &Classes::lcz(), 0, Device::Cpu).unwrap();
    network.set_weights(&Weights::new(weights)).unwrap();
    network.set_standardisation(Standardisation::identity(10)).unwrap();

    agrees_with_keras(network.as_ref(), &arrays);
}

/// Whether a network gives the logits next to the images that they are of; the patches.
fn agrees_with_keras(network: &dyn Model, arrays: &npz::Arrays) -> Patches {
    let images = Array4::from_shape_vec((8, 32, 32, 10), arrays["x"].1.clone()).unwrap();
    let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images).unwrap();
    let z: Vec<f64> = arrays["logits"].1.iter().copied().map(f64::from).collect();
    let expected = log_softmax(&Array2::from_shape_vec((8, 17), z).unwrap());
    let worst = worst_of(&network.logits(&patches).unwrap().view().to_owned(), &expected);
    println!("parity with Keras, {}: largest difference of ln p {worst:.2e}", network.architecture().name());
    assert!(worst < 1e-5, "{worst:e}");
    patches
}

#[test]
fn keras_s_random_mlp_gives_its_logits() {
    let Some(file) = real_data("parity/mlp.npz") else { return };
    let arrays = npz::read(&file);
    let names = ["hidden.weight", "hidden.bias", "head.weight", "head.bias"];
    let weights = names.iter().enumerate().map(|(k, name)| {
        let (shape, values) = &arrays[&format!("w{k:03}")];
        ((*name).to_owned(), weight(name, shape, values.clone()))
    });
    let mut network =
        build(&Architecture::mlp(), &Imagery::so2sat(), &Classes::lcz(), 0, Device::Cpu).unwrap();
    assert_eq!(network.parameters().total, 1_313_041);
    network.set_weights(&Weights::new(weights.collect())).unwrap();
    network.set_standardisation(Standardisation::identity(10)).unwrap();

    let patches = agrees_with_keras(network.as_ref(), &arrays);
    assert_eq!(network.features(&patches).unwrap().view().dim(), (8, 128));
}

/// What Keras makes of two small networks; written by `vectors/make_sen2lcz.py`.
struct Frozen<'a> {
    tensors: SafeTensors<'a>,
    settings: std::collections::HashMap<String, String>,
}

impl<'a> Frozen<'a> {
    fn read(file: &'a [u8]) -> Self {
        let settings = SafeTensors::read_metadata(file).unwrap().1.metadata().clone().unwrap();
        Self { tensors: SafeTensors::deserialize(file).unwrap(), settings }
    }

    fn setting<T: std::str::FromStr>(&self, name: &str) -> T {
        self.settings[name].parse().ok().unwrap_or_else(|| panic!("{name}"))
    }

    fn f32s(&self, name: &str) -> Vec<f32> {
        let bytes = self.tensors.tensor(name).unwrap().data();
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }

    fn table(&self, name: &str) -> Array2<f64> {
        let tensor = self.tensors.tensor(name).unwrap();
        let numbers = tensor.data().chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap()));
        let columns = tensor.shape()[tensor.shape().len() - 1];
        Array2::from_shape_vec((tensor.data().len() / 8 / columns, columns), numbers.collect()).unwrap()
    }

    fn weights(&self, prefix: &str) -> Weights {
        let mut found = BTreeMap::new();
        for (name, tensor) in self.tensors.tensors() {
            if let Some(short) = name.strip_prefix(prefix) {
                found.insert(short.to_owned(), weight(short, tensor.shape(), self.f32s(&name)));
            }
        }
        Weights::new(found)
    }
}

/// The largest difference of two networks' numbers.
fn weights_apart(a: &Weights, b: &Weights) -> f64 {
    let mut worst = 0f64;
    for (name, wanted) in b.iter() {
        for (got, wanted) in a.get(name).unwrap().values.iter().zip(&wanted.values) {
            worst = worst.max(f64::from((got - wanted).abs()));
        }
    }
    worst
}

#[test]
fn three_steps_of_training_end_where_they_end_in_keras() {
    let file = include_bytes!("vectors/sen2lcz.safetensors");
    let frozen = Frozen::read(file);
    for (name, fusion) in [("softmaxes", Fusion::Softmaxes), ("logits", Fusion::Logits)] {
        let number = |key: &str| frozen.setting::<usize>(&format!("{name}.{key}"));
        let (imagery, classes) =
            (imagery(number("size"), number("bands")), Classes::from_count(number("classes")));
        let settings =
            Sen2LczSettings { depth: number("depth"), width: number("width"), dropout: 0.0, fusion };
        let architecture = Architecture::Sen2lcz(settings);
        let mut network = build(&architecture, &imagery, &classes, 0, Device::Cpu).unwrap();
        network.set_weights(&frozen.weights(&format!("{name}.before."))).unwrap();
        network.set_standardisation(Standardisation::identity(number("bands"))).unwrap();

        let y = frozen.table(&format!("{name}.y"));
        let shape = (y.nrows(), number("size"), number("size"), number("bands"));
        let images = Array4::from_shape_vec(shape, frozen.f32s(&format!("{name}.x"))).unwrap();
        let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap();
        let log_p = network.logits(&patches).unwrap().view().to_owned();
        let worst = worst_of(&log_p, &frozen.table(&format!("{name}.log_p")));
        assert!(worst < 1e-5, "{name}, inference: {worst:e}");

        // One batch an epoch: as many steps as epochs.
        let training = Training {
            epochs: frozen.setting("steps"),
            batch_size: y.nrows(),
            optimizer: Optimizer::Sgd,
            learning_rate: frozen.setting("learning_rate"),
            schedule: Schedule::Constant,
            batch_norm_momentum: 0.9,
            ..Training::default()
        };
        let labels = LabelDistributions::new(classes, y).unwrap();
        let train = Labelled { patches: &patches, labels: &labels };
        let history = network.fit(train, None, &training, &mut Silent).unwrap();
        for (epoch, loss) in history.epochs.iter().zip(frozen.table(&format!("{name}.losses"))) {
            let difference = (epoch.training_loss - loss).abs();
            assert!(difference < 1e-5, "{name}, epoch {}: loss off by {difference:e}", epoch.epoch);
        }
        let expected = frozen.weights(&format!("{name}.after."));
        let moved = weights_apart(&frozen.weights(&format!("{name}.before.")), &expected);
        let apart = weights_apart(&network.weights(), &expected);
        println!("{name}: weights moved by up to {moved:.2e}, and end {apart:.2e} apart from Keras's");
        assert!(apart < 1e-4 * moved, "{name}: {apart:e} of {moved:e}");
    }
}

#[test]
fn the_published_size_has_the_published_number_of_parameters() {
    for (classes, total, trainable) in [(17, 793_348, 791_428), (10, 790_856, 788_936)] {
        let classes = Classes::from_count(classes);
        let network = build(&Architecture::sen2lcz(), &Imagery::so2sat(), &classes, 0, Device::Cpu).unwrap();
        let count = network.parameters();
        assert_eq!((count.total, count.trainable), (total, trainable));
    }
}

/// By hand: a convolution has 9 i o weights, o biases and 4 o of batch norm, 2 o of them trained.
fn parameters_by_hand(depth: usize, width: usize, bands: usize, classes: usize) -> (usize, usize) {
    let (mut total, mut averages, mut inputs) = (0, 0, bands);
    for block in 0..4 {
        let outputs = width * 2usize.pow(block);
        for _ in 0..(depth - 1) / 4 {
            total += 9 * inputs * outputs + 5 * outputs;
            averages += 2 * outputs;
            inputs = outputs;
        }
        inputs = 2 * outputs;
        let into_head = if block < 3 { inputs } else { outputs };
        total += into_head * classes + classes;
    }
    (total, total - averages)
}

#[test]
fn any_depth_width_patch_size_bands_and_classes_can_be_trained_a_step() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for (depth, width, size, bands, classes) in
        [(5, 1, 8, 1, 2), (5, 3, 9, 3, 17), (9, 2, 10, 7, 3), (13, 4, 16, 10, 10), (17, 5, 33, 12, 5)]
    {
        let case = format!("depth {depth}, width {width}, {size} pixels, {bands} bands, {classes} classes");
        let (imagery, classes) = (imagery(size, bands), Classes::from_count(classes));
        for fusion in [Fusion::Softmaxes, Fusion::Logits] {
            let settings = Sen2LczSettings { depth, width, fusion, ..Default::default() };
            let mut network =
                build(&Architecture::Sen2lcz(settings), &imagery, &classes, 3, Device::Cpu).unwrap();
            let count = network.parameters();
            let by_hand = parameters_by_hand(depth, width, bands, classes.len());
            assert_eq!((count.total, count.trainable), by_hand, "{case}");

            let images = Array4::from_shape_fn((5, size, size, bands), |_| random.gen_range(0.0..1.0));
            let patches = Patches::in_memory(imagery.clone(), classes.clone(), images).unwrap();
            let labels = Labels::new(classes.clone(), (0..5).map(|n| n % classes.len()).collect()).unwrap();
            let labels = labels.one_hot();
            let train = Labelled { patches: &patches, labels: &labels };
            let before = network.weights();
            let training = Training { epochs: 1, ..Training::default() };
            let history = network.fit(train, None, &training, &mut Silent).unwrap();
            assert!(history.epochs[0].training_loss.is_finite(), "{case}");
            let after = network.weights();
            for (name, weight) in before.iter() {
                // The bias before a batch norm has no gradient.
                let moves = !(name.contains("conv") && name.ends_with("bias"));
                assert_eq!(after.get(name).unwrap() != weight, moves, "{case}: {name}");
            }
            let p = network.predict(&patches).unwrap();
            assert_eq!(p.view().dim(), (5, classes.len()), "{case}");
            let features = network.features(&patches).unwrap();
            assert_eq!(features.view().dim(), (5, 8 * width), "{case}");
        }
    }
}
