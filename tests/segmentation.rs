//! Segmentation networks: compared with Keras, trained, saved, interrupted and resumed.

use std::collections::BTreeMap;

use lcz::checkpoint;
use lcz::data::{Masks, Patches};
use lcz::metrics::Scores;
use lcz::models::unet::{Encoder, UnetSettings};
use lcz::models::{Architecture, Classifier, Device, Ensemble, Model, Sample, build};
use lcz::progress::Silent;
use lcz::{
    Augmentation, Bands, ClassWeights, Classes, Imagery, Labelled, Labels, Masked, Observer, Optimizer,
    Progress, Schedule, Standardisation, Training, TrainingState, Weight, Weights,
};
use ndarray::{Array2, Array3, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::{Dtype, SafeTensors};

fn imagery(patch_size: usize, bands: usize) -> Imagery {
    Imagery { patch_size, bands: Bands::from_count(bands), ..Imagery::so2sat() }
}

/// What Keras makes of two narrow networks; written by `vectors/make_unet.py`.
struct Frozen<'a>(SafeTensors<'a>);

impl Frozen<'_> {
    /// Numbers as they are, or whole ones of 8 bits times their step.
    fn numbers(&self, network: &str, name: &str) -> Vec<f64> {
        let tensor = self.0.tensor(&format!("{network}.{name}")).unwrap();
        let bytes = tensor.data();
        match tensor.dtype() {
            Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect(),
            Dtype::F64 => bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b)).collect(),
            Dtype::U8 => bytes.iter().map(|b| f64::from(*b)).collect(),
            Dtype::I8 => {
                let step = self.numbers(network, &format!("step.{name}"))[0];
                bytes.iter().map(|b| f64::from(*b as i8) * step).collect()
            }
            other => panic!("{name}: {other:?}"),
        }
    }

    fn weights(&self, network: &str, when: &str) -> Weights {
        let mut found = BTreeMap::new();
        for name in self.0.names() {
            let Some(name) = name.strip_prefix(&format!("{network}.")).and_then(|n| n.strip_prefix(when))
            else {
                continue;
            };
            let values = self.numbers(network, &format!("{when}{name}"));
            let shape = self.0.tensor(&format!("{network}.{when}{name}")).unwrap().shape().to_vec();
            let values = values.into_iter().map(|x| x as f32).collect();
            let weight = Weight { shape, values, trainable: !name.contains("moving") };
            found.insert(name.to_owned(), weight);
        }
        Weights::new(found)
    }
}

/// Patches and masks with the classes of both.
struct Data {
    patches: Patches,
    masks: Masks,
}

impl Data {
    fn new(classes: &Classes, images: Array4<f32>, masks: Array3<u8>) -> Self {
        let imagery = imagery(images.dim().1, images.dim().3);
        let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap();
        Self { patches, masks: Masks::new(classes.clone(), masks).unwrap() }
    }

    fn masked(&self) -> Masked<'_> {
        Masked { patches: &self.patches, masks: &self.masks }
    }

    fn network(&self, settings: &UnetSettings, seed: u64) -> Box<dyn Model> {
        let architecture = Architecture::Unet(settings.clone());
        build(&architecture, self.patches.imagery(), self.masks.classes(), seed, Device::Cpu).unwrap()
    }
}

#[test]
fn narrow_networks_give_and_learn_what_they_do_in_keras() {
    let file = include_bytes!("vectors/unet.safetensors");
    let frozen = Frozen(SafeTensors::deserialize(file).unwrap());
    let (_, metadata) = SafeTensors::read_metadata(file).unwrap();
    let metadata = metadata.metadata().clone().unwrap();
    for (name, encoder) in [("efficientnet-b0", Encoder::EfficientnetB0), ("plain", Encoder::Plain)] {
        let given: serde_json::Value = serde_json::from_str(&metadata[name]).unwrap();
        let number = |key: &str| given[key].as_u64().unwrap() as usize;
        let depth = given["depth"].as_u64().map_or(4, |depth| depth as usize);
        let settings = UnetSettings { encoder, width: given["width"].as_f64().unwrap(), depth };
        let (size, bands, classes) =
            (number("size"), number("bands"), Classes::from_count(number("classes")));
        let x: Vec<f32> = frozen.numbers(name, "x").into_iter().map(|x| x as f32).collect();
        let mask: Vec<u8> = frozen.numbers(name, "mask").into_iter().map(|k| k as u8).collect();
        let count = mask.len() / (size * size);
        let data = Data::new(
            &classes,
            Array4::from_shape_vec((count, size, size, bands), x).unwrap(),
            Array3::from_shape_vec((count, size, size), mask).unwrap(),
        );
        let mut network = data.network(&settings, 0);
        let before = frozen.weights(name, "before.");
        network.set_weights(&before).unwrap();
        network.set_standardisation(Standardisation::identity(bands)).unwrap();

        let expected = frozen.numbers(name, "log_p");
        let p = network.predict(&data.patches).unwrap();
        let got = p.logits().view().iter().copied().take(expected.len()).collect::<Vec<_>>();
        let worst = got.iter().zip(&expected).fold(0f64, |worst, (g, e)| worst.max((g - e).abs()));
        println!("{name}: ln p differ by {worst:.1e} at most");
        assert!(worst < 1e-4, "{name}: {worst:e}");

        // One batch an epoch: as many steps as epochs.
        let training = Training {
            epochs: metadata["steps"].parse().unwrap(),
            batch_size: count,
            optimizer: Optimizer::Sgd,
            learning_rate: metadata["learning_rate"].parse().unwrap(),
            schedule: Schedule::Constant,
            class_weights: ClassWeights::Each(frozen.numbers(name, "class_weights")),
            ..Training::default()
        };
        let history = network.fit(data.masked(), None, &training, &mut Silent).unwrap();
        for (epoch, loss) in history.epochs.iter().zip(frozen.numbers(name, "losses")) {
            let off = (epoch.training_loss - loss).abs();
            assert!(off < 1e-4, "{name}, epoch {}: loss off by {off:e}", epoch.epoch);
        }
        let (mut moved, mut apart) = (0f64, 0f64);
        for (tensor, expected) in frozen.weights(name, "after.").iter() {
            let (got, start) = (network.weights(), before.get(tensor).unwrap());
            let numbers = got.get(tensor).unwrap().values.iter().zip(&expected.values).zip(&start.values);
            for ((got, expected), start) in numbers {
                moved = moved.max(f64::from(expected - start).abs());
                apart = apart.max(f64::from(got - expected).abs());
            }
        }
        println!("{name}: weights moved by up to {moved:.2e}, and end {apart:.2e} apart from Keras's");
        assert!(apart < 1e-3 * moved, "{name}: {apart:e} of {moved:e}");
    }
}

/// Images of two textures and plain ground, each in a part of its own: upright stripes, dots, nothing. A single
/// pixel is not informative. Some pixels have no class.
fn textures(count: usize, size: usize, seed: u64) -> Data {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut masks = Array3::zeros((count, size, size));
    let mut images = Array4::zeros((count, size, size, 2));
    for n in 0..count {
        let [a, b] = [0, 0].map(|_| random.gen_range(size / 4..3 * size / 4));
        let order = [[0, 1, 2], [2, 0, 1], [1, 2, 0]][n % 3];
        for (row, column) in (0..size).flat_map(|r| (0..size).map(move |c| (r, c))) {
            let class = order[usize::from(row >= a) + usize::from(row >= a && column >= b)];
            let bright = match class {
                0 => column % 2 == 0,
                1 => row % 3 == 0 && column % 3 == 0,
                _ => false,
            };
            masks[[n, row, column]] = if random.gen_range(0..10) == 0 { Masks::IGNORED } else { class };
            for band in 0..2 {
                let noise: f32 = random.gen_range(-0.4..0.4);
                images[[n, row, column, band]] = f32::from(u8::from(bright)) * (1.0 + band as f32) + noise;
            }
        }
    }
    Data::new(&Classes::named(["stripes", "dots", "plain"]).unwrap(), images, masks)
}

fn small(encoder: Encoder) -> UnetSettings {
    match encoder {
        Encoder::Plain => UnetSettings { width: 0.125, depth: 2, ..UnetSettings::plain() },
        Encoder::EfficientnetB0 => UnetSettings { width: 0.1, ..UnetSettings::default() },
    }
}

/// Epochs of Adam.
fn training(epochs: usize) -> Training {
    Training {
        epochs,
        batch_size: 8,
        optimizer: Optimizer::Adam,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        ..Training::default()
    }
}

#[test]
fn textures_are_segmented_pixel_by_pixel_and_scored_by_the_metrics_of_patches() {
    let (train, test) = (textures(32, 32, 1), textures(8, 32, 2));
    for (encoder, epochs) in [(Encoder::Plain, 15), (Encoder::EfficientnetB0, 15)] {
        let mut network = train.network(&small(encoder), 3);
        let training = Training {
            augmentation: Augmentation::None,
            class_weights: ClassWeights::Balanced,
            label_smoothing: 0.05,
            ..training(epochs)
        };
        let history = network.fit(train.masked(), Some(test.masked()), &training, &mut Silent).unwrap();
        let best = &history.epochs[history.best_epoch - 1];
        let p = network.predict(&test.patches).unwrap();
        assert_eq!(p.len(), 8 * 32 * 32);
        let (labels, positions) = test.masks.labels().unwrap();
        let scores = Scores::compute(&p.select(&positions), &labels, None).unwrap();
        println!("{encoder:?}: accuracy {:.3}, epoch {}", scores.overall_accuracy, history.best_epoch);
        assert!(scores.overall_accuracy > 0.95, "{encoder:?}: {}", scores.overall_accuracy);
        // The history counts the same pixels.
        let validated = (best.validation_accuracy.unwrap(), best.validation_loss.unwrap());
        assert!((validated.0 - scores.overall_accuracy).abs() < 1e-9);
        let p = p.select(&positions);
        let of_pixel = |(n, k): (usize, &usize)| -p.view()[[n, *k]].ln();
        let loss = labels.indices().iter().enumerate().map(of_pixel).sum::<f64>() / labels.len() as f64;
        assert!((validated.1 - loss).abs() < 1e-5, "{} {loss}", validated.1);
    }
}

/// Keeps the state after each step, and stops where it is told to.
#[derive(Default)]
struct Keep(Vec<TrainingState>);

impl Progress for Keep {}

impl Observer for Keep {
    fn wants_checkpoint(&mut self, _: bool) -> bool {
        true
    }

    fn checkpoint(&mut self, state: &TrainingState) -> lcz::Result<()> {
        self.0.push(state.clone());
        Ok(())
    }
}

#[test]
fn a_training_gives_the_same_bits_on_one_thread_and_on_two_and_from_any_state_on() {
    let (train, validation) = (textures(11, 32, 5), textures(5, 32, 6));
    for encoder in [Encoder::Plain, Encoder::EfficientnetB0] {
        let training = Training {
            augmentation: Augmentation::FlipsAndTurns,
            crops: 0.5,
            batch_size: 4,
            class_weights: ClassWeights::Balanced,
            ..training(2)
        };
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let mut network = train.network(&small(encoder), 1);
                let mut keep = Keep::default();
                network.fit(train.masked(), Some(validation.masked()), &training, &mut keep).unwrap();
                (network.weights(), network.predict(&validation.patches).unwrap(), keep.0)
            })
        };
        let (weights, p, states) = on(1);
        let (same, same_p, _) = on(2);
        assert!(weights == same && p == same_p, "{encoder:?}: other bits on two threads");
        assert_eq!(states.len(), 8, "three steps an epoch, and its end");
        for state in [&states[1], &states[3], &states[4]] {
            let mut network = train.network(&small(encoder), 9);
            let input = Standardisation::fit(&train.patches, &mut Silent).unwrap();
            network.set_standardisation(input).unwrap();
            let again = network.fit_from(
                state.clone(),
                train.masked(),
                Some(validation.masked()),
                &training,
                &mut Silent,
            );
            again.unwrap();
            assert!(network.weights() == weights, "{encoder:?}: other bits from {:?} on", state.position());
        }
    }
}

#[test]
fn a_network_read_back_is_the_one_that_was_written() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("model.safetensors");
    let data = textures(6, 32, 3);
    for encoder in [Encoder::Plain, Encoder::EfficientnetB0] {
        let mut network = data.network(&small(encoder), 1);
        network.fit(data.masked(), None, &training(1), &mut Silent).unwrap();
        network.save(&path).unwrap();
        let read = checkpoint::load(&path, Device::Cpu).unwrap();
        assert_eq!((read.architecture(), read.classes()), (network.architecture(), network.classes()));
        assert_eq!((read.imagery(), read.standardisation()), (network.imagery(), network.standardisation()));
        assert!(read.weights() == network.weights());
        assert!(read.predict(&data.patches).unwrap() == network.predict(&data.patches).unwrap());
    }
}

#[test]
fn a_models_samples_are_pixels_or_patches_and_what_is_of_the_other_kind_is_refused() {
    let data = textures(6, 32, 3);
    let mut unet = data.network(&small(Encoder::Plain), 1);
    let mut mlp =
        build(&Architecture::mlp(), data.patches.imagery(), data.masks.classes(), 0, Device::Cpu).unwrap();
    assert_eq!((unet.sample(), mlp.sample()), (Sample::Pixel, Sample::Patch));
    assert_eq!(
        (unet.predict(&data.patches).unwrap().len(), mlp.predict(&data.patches).unwrap().len()),
        (6 * 32 * 32, 6)
    );
    // Four times 8 channels on the third level.
    assert_eq!(unet.features(&data.patches).unwrap().view().dim(), (6, 32));

    let refused = |result: lcz::Result<()>, words: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(words) && error.lines().count() == 1, "{error}");
    };
    let labels = Labels::new(data.masks.classes().clone(), vec![0, 1, 2, 0, 1, 2]).unwrap().one_hot();
    let labelled = Labelled { patches: &data.patches, labels: &labels };
    let fit = unet.fit(labelled, None, &training(1), &mut Silent);
    refused(fit.map(drop), "a class per patch, where unet is trained on one per pixel; give masks");
    let fit = mlp.fit(data.masked(), None, &training(1), &mut Silent);
    refused(fit.map(drop), "a class per pixel, where mlp is trained on one per patch; give labels");
    refused(unet.mc_dropout(&data.patches, 3, 0).map(drop), "the network has no dropout");
    refused(Ensemble::new(vec![unet, mlp]).map(drop), "member 1: a class per patch, not per pixel");
}

#[test]
fn an_ensemble_of_networks_of_pixels_is_their_mean() {
    let data = textures(5, 32, 3);
    let members = [1, 2].map(|seed| data.network(&small(Encoder::Plain), seed));
    let each = members.each_ref().map(|network| network.predict(&data.patches).unwrap());
    let ensemble = Ensemble::new(members.into_iter().map(|m| m as Box<dyn Classifier>).collect()).unwrap();
    let p = ensemble.predict(&data.patches).unwrap();
    let by_hand = (&each[0].view() + &each[1].view()) / 2.0;
    assert!((&p.view() - &by_hand).iter().all(|difference| difference.abs() < 1e-12));
    assert_eq!((ensemble.sample(), ensemble.name()), (Sample::Pixel, "ensemble of 2 unet"));
    assert_eq!(ensemble.members(&data.patches).unwrap(), each);
}

#[test]
fn unusable_training_data_are_refused_in_one_line_before_any_work() {
    let data = textures(4, 32, 3);
    let refused = |network: &mut dyn Model, set: Masked<'_>, training: &Training, part: &str| {
        let before = network.weights();
        let error = network.fit(set, None, training, &mut Silent).unwrap_err().to_string();
        assert!(error.contains(part) && error.lines().count() == 1, "{error}");
        assert!(network.weights() == before && network.standardisation().is_none(), "{error}");
    };
    let mut network = data.network(&small(Encoder::Plain), 1);
    let network = &mut *network;
    let few = training(1);
    let other = |classes: &Classes, shape: (usize, usize, usize), value: u8| {
        Masks::new(classes.clone(), Array3::from_elem(shape, value)).unwrap()
    };
    let classes = data.masks.classes();
    let with = |masks: &Masks, network: &mut dyn Model, part: &str| {
        refused(network, Masked { patches: &data.patches, masks }, &few, part);
    };
    with(&other(classes, (3, 32, 32), 0), network, "4 patches of 32 x 32 pixels, 3 masks of 32 x 32");
    with(&other(classes, (4, 16, 16), 0), network, "4 masks of 16 x 16");
    with(&other(classes, (4, 32, 32), Masks::IGNORED), network, "all 4096 pixels are ignored");
    with(&other(&Classes::from_count(4), (4, 32, 32), 0), network, "the model's are");
    let weights = Training { class_weights: ClassWeights::Each(vec![1.0; 2]), ..few.clone() };
    refused(network, data.masked(), &weights, "2 numbers for 3 classes");
    let large = textures(4, 64, 3);
    refused(network, large.masked(), &few, "the model does not fit");
    // EfficientNet-B0 halves 32 pixels to one.
    let mut b0 = data.network(&small(Encoder::EfficientnetB0), 1);
    refused(
        &mut *b0,
        data.masked(),
        &Training { batch_size: 3, ..few.clone() },
        "smallest maps are one pixel",
    );
    let odd = build(&Architecture::unet(), &imagery(48, 2), classes, 0, Device::Cpu);
    assert!(odd.err().unwrap().to_string().contains("a multiple of 32"));
}

#[test]
fn a_batch_in_which_no_pixel_has_a_class_teaches_nothing_and_breaks_nothing() {
    let data = textures(6, 32, 3);
    let mut values = data.masks.view().to_owned();
    values.slice_mut(ndarray::s![1.., .., ..]).fill(Masks::IGNORED);
    let masks = Masks::new(data.masks.classes().clone(), values).unwrap();
    let mut network = data.network(&small(Encoder::Plain), 1);
    let set = Masked { patches: &data.patches, masks: &masks };
    let one_by_one = Training { batch_size: 1, ..training(3) };
    let history = network.fit(set, Some(set), &one_by_one, &mut Silent).unwrap();
    assert!(history.epochs.iter().all(|epoch| epoch.training_loss.is_finite() && epoch.training_loss > 0.0));
    let p: Array2<f64> = network.predict(&data.patches).unwrap().view().to_owned();
    assert!(p.iter().all(|p| p.is_finite()));
}
