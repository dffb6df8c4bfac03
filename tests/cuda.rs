//! A GPU gives what the processor gives: outputs, gradients, a training, and no memory that grows.
//!
//! Needs an NVIDIA GPU:
//! `cargo test --release --features cuda --test cuda -- --ignored --test-threads 1`.
//! `LCZ_TEST_DEVICE=cpu` compares the processor with itself: that the tests themselves run.

use lcz::data::{Masks, Patches};
use lcz::models::mlp::MlpSettings;
use lcz::models::resnet20::ResNet20Settings;
use lcz::models::resnet50::{ResNet50Settings, Variant};
use lcz::models::sen2lcz::{Fusion, Sen2LczSettings};
use lcz::models::unet::{Encoder, UnetSettings};
use lcz::models::{Architecture, Device, Model, build, devices};
use lcz::progress::Silent;
use lcz::{
    Augmentation, Classes, Imagery, Labelled, Labels, Masked, Optimizer, Schedule, Standardisation, Training,
    Weights,
};
use ndarray::{Array2, Array3, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The device that is compared with the processor.
fn device() -> Device {
    std::env::var("LCZ_TEST_DEVICE").unwrap_or("cuda:0".into()).parse().unwrap()
}

/// Each kind of network, small, without dropout: its masks are drawn by each device in its own way.
fn architectures() -> Vec<Architecture> {
    let sen2lcz =
        |depth, width, fusion| Architecture::Sen2lcz(Sen2LczSettings { depth, width, dropout: 0.0, fusion });
    let resnet = |variant, head| Architecture::Resnet50(ResNet50Settings { variant, width: 4, head });
    let small = |name: &str| match name {
        "sen2lcz" => vec![sen2lcz(5, 4, Fusion::Softmaxes), sen2lcz(9, 5, Fusion::Logits)],
        "mlp" => vec![Architecture::Mlp(MlpSettings { hidden: 16, dropout: 0.0 })],
        "resnet20" => vec![Architecture::Resnet20(ResNet20Settings { width: 4 })],
        "resnet50" => vec![resnet(Variant::Course, 0), resnet(Variant::Standard, 8)],
        // Pixels have a test of their own.
        "unet" => Vec::new(),
        other => panic!("{other} is not compared on a GPU"),
    };
    Architecture::NAMES.into_iter().flat_map(small).collect()
}

/// Patches whose brightness tells their class, in noise.
fn patches(count: usize) -> (Patches, Labels) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (imagery, classes) = (Imagery::so2sat(), Classes::lcz());
    let indices: Vec<usize> = (0..count).map(|n| n % classes.len()).collect();
    let size = imagery.patch_size;
    let images = Array4::from_shape_fn((count, size, size, imagery.bands.len()), |(n, _, _, band)| {
        0.1 * ((indices[n] * (band + 1)) % 17) as f32 + random.gen_range(-0.5..0.5)
    });
    let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap();
    (patches, Labels::new(classes, indices).unwrap())
}

fn network(architecture: &Architecture, device: Device) -> Box<dyn Model> {
    let mut network = build(architecture, &Imagery::so2sat(), &Classes::lcz(), 5, device).unwrap();
    let input = Standardisation { mean: vec![0.8; 10], deviation: vec![0.6; 10] };
    network.set_standardisation(input).unwrap();
    network
}

/// The same weights on both: the processor's network, the other's.
fn pair(architecture: &Architecture) -> [Box<dyn Model>; 2] {
    let (here, mut there) = (network(architecture, Device::Cpu), network(architecture, device()));
    there.set_weights(&here.weights()).unwrap();
    [here, there]
}

fn train(network: &mut dyn Model, data: &(Patches, Labels), training: &Training) -> Vec<f64> {
    let labels = data.1.one_hot();
    let train = Labelled { patches: &data.0, labels: &labels };
    let history = network.fit(train, None, training, &mut Silent).unwrap();
    history.epochs.iter().map(|epoch| epoch.training_loss).collect()
}

/// The largest difference between two matrices, relative to the largest number of the first.
fn difference(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    let largest = a.iter().fold(1e-12f64, |most, x| most.max(x.abs()));
    (a - b).iter().fold(0.0, |most: f64, d| most.max(d.abs())) / largest
}

/// What a step did to each tensor: the largest difference relative to the largest change, the worst of all tensors.
fn difference_of_steps(before: &Weights, here: &Weights, there: &Weights) -> (String, f64) {
    let mut worst = (String::new(), 0.0);
    for (name, start) in before.iter() {
        let (here, there) = (here.get(name).unwrap(), there.get(name).unwrap());
        let change = here.values.iter().zip(&start.values).map(|(a, b)| f64::from(a - b).abs());
        let largest = change.fold(1e-6, f64::max);
        let apart = here.values.iter().zip(&there.values).map(|(a, b)| f64::from(a - b).abs());
        let apart = apart.fold(0.0, f64::max) / largest;
        if apart > worst.1 {
            worst = (name.clone(), apart);
        }
    }
    worst
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with --features cuda"]
fn outputs_and_features_are_the_processor_s() {
    let (patches, _) = patches(40);
    for architecture in architectures() {
        let [here, there] = pair(&architecture);
        assert_eq!(here.weights(), there.weights(), "weights come back as they went");
        let p = difference(
            &here.predict(&patches).unwrap().view().to_owned(),
            &there.predict(&patches).unwrap().view().to_owned(),
        );
        let h = |network: &dyn Model| network.features(&patches).unwrap().view().mapv(f64::from);
        let h = difference(&h(&*here), &h(&*there));
        println!("{}: probabilities differ by {p:.1e}, features by {h:.1e}", architecture.name());
        assert!(p < 1e-4 && h < 1e-4, "{architecture:?}: {p}, {h}");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with --features cuda"]
fn gradients_are_the_processor_s() {
    let data = patches(34);
    // The first step of gradient descent changes each weight in proportion to its gradient.
    let training = Training {
        epochs: 1,
        batch_size: 34,
        learning_rate: 0.01,
        schedule: Schedule::Constant,
        optimizer: Optimizer::Sgd,
        augmentation: Augmentation::None,
        ..Training::default()
    };
    for architecture in architectures() {
        let [mut here, mut there] = pair(&architecture);
        let before = here.weights();
        train(&mut *here, &data, &training);
        train(&mut *there, &data, &training);
        let (name, apart) = difference_of_steps(&before, &here.weights(), &there.weights());
        println!("{}: gradients differ by {apart:.1e} at most, in {name}", architecture.name());
        assert!(apart < 1e-2, "{architecture:?}: {name} {apart}");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with --features cuda"]
fn a_training_goes_as_on_the_processor() {
    let data = patches(96);
    let training = Training {
        epochs: 4,
        batch_size: 32,
        learning_rate: 1e-3,
        schedule: Schedule::Constant,
        optimizer: Optimizer::Adam,
        ..Training::default()
    };
    for architecture in architectures() {
        let [mut here, mut there] = pair(&architecture);
        let losses = [train(&mut *here, &data, &training), train(&mut *there, &data, &training)];
        println!("{}: losses {losses:.4?}", architecture.name());
        for (a, b) in losses[0].iter().zip(&losses[1]) {
            assert!((a - b).abs() < 0.02 * a.max(0.1), "{architecture:?}: {losses:?}");
        }
        assert!(losses[1][3] < losses[1][0], "{architecture:?}: the loss did not fall: {losses:?}");
    }
}

/// Patches of bright squares on dark ground, and which is which; some pixels have no class.
fn squares(count: usize) -> (Patches, Masks) {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (imagery, classes) = (Imagery::so2sat(), Classes::named(["ground", "square"]).unwrap());
    let size = imagery.patch_size;
    let inside = |n: usize, row: usize, column: usize| {
        let corner = [3 + 5 * n % 13, 2 + 7 * n % 11];
        (corner[0]..corner[0] + 14).contains(&row) && (corner[1]..corner[1] + 16).contains(&column)
    };
    let masks = Array3::from_shape_fn((count, size, size), |(n, row, column)| match (row + column + n) % 9 {
        0 => Masks::IGNORED,
        _ => u8::from(inside(n, row, column)),
    });
    let images = Array4::from_shape_fn((count, size, size, 10), |(n, row, column, band)| {
        f32::from(u8::from(inside(n, row, column))) * (0.3 + 0.1 * band as f32) + random.gen_range(-0.5..0.5)
    });
    let patches = Patches::in_memory(imagery, classes.clone(), images).unwrap();
    (patches, Masks::new(classes, masks).unwrap())
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with --features cuda"]
fn pixels_get_the_probabilities_and_the_training_that_the_processor_gives_them() {
    let (patches, masks) = squares(24);
    let set = Masked { patches: &patches, masks: &masks };
    let plain = UnetSettings { encoder: Encoder::Plain, width: 0.0625, depth: 3 };
    for settings in [plain, UnetSettings { width: 0.1, ..UnetSettings::default() }] {
        let built = |device| {
            let classes = masks.classes();
            let architecture = Architecture::Unet(settings.clone());
            let mut network = build(&architecture, patches.imagery(), classes, 5, device).unwrap();
            let input = Standardisation { mean: vec![0.3; 10], deviation: vec![0.5; 10] };
            network.set_standardisation(input).unwrap();
            network
        };
        let (mut here, mut there) = (built(Device::Cpu), built(device()));
        let p = |network: &dyn Model| network.predict(&patches).unwrap().view().to_owned();
        let apart = difference(&p(&*here), &p(&*there));
        let before = here.weights();
        let training = |epochs, optimizer, learning_rate| Training {
            epochs,
            batch_size: 24,
            learning_rate,
            schedule: Schedule::Constant,
            optimizer,
            augmentation: Augmentation::None,
            ..Training::default()
        };
        let gradient = training(1, Optimizer::Sgd, 0.01);
        let fit = |networks: [&mut Box<dyn Model>; 2], training: &Training| {
            networks.map(|network| {
                let history = network.fit(set, None, training, &mut Silent).unwrap();
                history.epochs.iter().map(|epoch| epoch.training_loss).collect::<Vec<_>>()
            })
        };
        fit([&mut here, &mut there], &gradient);
        let (name, of_gradients) = difference_of_steps(&before, &here.weights(), &there.weights());
        println!(
            "{settings:?}: probabilities differ by {apart:.1e}, gradients by {of_gradients:.1e} in {name}"
        );
        assert!(apart < 1e-4 && of_gradients < 1e-2, "{settings:?}: {apart}, {name} {of_gradients}");
        let losses =
            fit([&mut here, &mut there], &Training { batch_size: 8, ..training(4, Optimizer::Adam, 1e-3) });
        println!("{settings:?}: losses {losses:.4?}");
        for (a, b) in losses[0].iter().zip(&losses[1]) {
            assert!((a - b).abs() < 0.02 * a.max(0.1), "{settings:?}: {losses:?}");
        }
        assert!(losses[1][3] < losses[1][0], "{settings:?}: the loss did not fall: {losses:?}");
    }
}

#[test]
#[ignore = "needs an NVIDIA GPU and a build with --features cuda"]
fn memory_does_not_grow_from_epoch_to_epoch() {
    let free = || {
        let name = device().to_string();
        devices().unwrap().into_iter().find(|d| d.device == name).and_then(|d| d.memory).map(|[free, _]| free)
    };
    let data = patches(64);
    let epochs = |epochs| Training { epochs, batch_size: 32, ..Training::default() };
    let mut network = network(&architectures()[0], device());
    train(&mut *network, &data, &epochs(2));
    let first = free();
    train(&mut *network, &data, &epochs(20));
    if let (Some(first), Some(last)) = (first, free()) {
        let grown = first.saturating_sub(last);
        println!("20 epochs took {grown} more bytes");
        assert!(grown < 32 << 20, "{grown} bytes in 20 epochs");
    }
}
