//! Training: the same bits from the same seed, a loss that falls, and what is kept when it does not.

use std::cell::Cell;

use lcz::data::Patches;
use lcz::metrics::logits_cross_entropy_loss;
use lcz::models::sen2lcz::{Fusion, Sen2LczSettings};
use lcz::models::{Architecture, Device, Model, build};
use lcz::progress::Silent;
use lcz::{
    Augmentation, Bands, Classes, EpochRecord, History, Imagery, Keep, LabelDistributions, Labelled, Labels,
    Observer, Optimizer, Progress, Result, Schedule, Standardisation, Training, TrainingState, Weights,
};
use ndarray::{Array2, Array4};
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const BANDS: usize = 3;

fn imagery(patch_size: usize) -> Imagery {
    Imagery { patch_size, bands: Bands::from_count(BANDS), ..Imagery::so2sat() }
}

/// The network under test: two wide, one convolution a block, unless said otherwise.
fn network(patch_size: usize, classes: usize, settings: Sen2LczSettings, seed: u64) -> Box<dyn Model> {
    let architecture = Architecture::Sen2lcz(settings);
    build(&architecture, &imagery(patch_size), &Classes::from_count(classes), seed, Device::Cpu).unwrap()
}

fn small() -> Sen2LczSettings {
    Sen2LczSettings { depth: 5, width: 4, dropout: 0.0, fusion: Fusion::Softmaxes }
}

fn constant(epochs: usize, batch_size: usize, learning_rate: f64) -> Training {
    Training { epochs, batch_size, learning_rate, schedule: Schedule::Constant, ..Training::default() }
}

/// Patches with a colour and a texture of their class, in noise; `count` of them, classes in turn.
fn landscapes(seed: u64, count: usize, patch_size: usize, classes: usize) -> (Patches, Labels) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let indices: Vec<usize> = (0..count).map(|n| n % classes).collect();
    let mut images = Array4::zeros((count, patch_size, patch_size, BANDS));
    for ((n, row, column, band), pixel) in images.indexed_iter_mut() {
        let k = indices[n];
        let stripe = ((row * k + column) % 4) as f32 * 0.1;
        let colour = ((k + band) % BANDS) as f32 * 0.2;
        *pixel = colour + stripe + random.gen_range(-0.2..0.2);
    }
    let classes = Classes::from_count(classes);
    let patches = Patches::in_memory(imagery(patch_size), classes.clone(), images).unwrap();
    (patches, Labels::new(classes, indices).unwrap())
}

/// Patches of noise.
fn noise(seed: u64, count: usize, patch_size: usize, classes: usize) -> Patches {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shape = (count, patch_size, patch_size, BANDS);
    let images = Array4::from_shape_fn(shape, |_| random.gen_range(-1.0..1.0));
    Patches::in_memory(imagery(patch_size), Classes::from_count(classes), images).unwrap()
}

fn fit(
    network: &mut dyn Model,
    patches: &Patches,
    labels: &LabelDistributions,
    training: &Training,
) -> Result<History> {
    network.fit(Labelled { patches, labels }, None, training, &mut Silent)
}

/// Share of patches whose most probable class is the label's.
fn accuracy(network: &dyn Model, patches: &Patches, labels: &Labels) -> f64 {
    let p = network.predict(patches).unwrap();
    let rows = p.view();
    let hits = rows.outer_iter().zip(labels.indices()).map(|(row, label)| {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        usize::from(row[*label] >= largest)
    });
    hits.sum::<usize>() as f64 / labels.len() as f64
}

#[test]
fn one_seed_gives_the_same_bits_at_any_number_of_threads_and_another_seed_others() {
    // 70 patches: the last batch is a smaller one; seven classes and 16 pixels: the heads' products
    // are large enough for threads.
    let (patches, labels) = landscapes(1, 70, 16, 7);
    let labels = labels.one_hot();
    let trained = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let settings = Sen2LczSettings { depth: 9, width: 8, dropout: 0.2, fusion: Fusion::Softmaxes };
            let mut network = network(16, 7, settings, seed);
            let training = Training { seed, ..constant(3, 32, 0.002) };
            let history = fit(&mut *network, &patches, &labels, &training).unwrap();
            let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.training_loss).collect();
            (network.weights(), losses, network.logits(&patches).unwrap())
        })
    };
    let one = trained(1, 5);
    assert_eq!(one, trained(1, 5), "one thread, twice");
    assert_eq!(one, trained(2, 5), "one thread and two");
    assert_eq!(one, trained(5, 5), "one thread and five");
    let other = trained(1, 6);
    assert_ne!(one.0, other.0);
    assert_ne!(one.1, other.1);
}

#[test]
fn crops_are_drawn_from_the_seed_alone_and_change_the_weights() {
    let (patches, labels) = landscapes(1, 40, 16, 3);
    let labels = labels.one_hot();
    let trained = |threads: usize, crops: f64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut network = network(16, 3, small(), 1);
            let training =
                Training { crops, augmentation: Augmentation::FlipsAndTurns, ..constant(2, 16, 0.002) };
            fit(&mut *network, &patches, &labels, &training).unwrap();
            network.weights()
        })
    };
    let cropped = trained(1, 0.3);
    assert_eq!(cropped, trained(3, 0.3), "one thread and three");
    assert_ne!(cropped, trained(1, 0.4));
    assert_ne!(cropped, trained(1, 1.0));
}

#[test]
fn a_perceptron_of_several_blocks_of_inputs_has_the_same_bits_at_any_number_of_threads() {
    // 3,072 inputs: sums over three blocks of them; decay and clipping take part, too.
    let (patches, labels) = landscapes(1, 50, 32, 5);
    let labels = labels.one_hot();
    let trained = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let classes = Classes::from_count(5);
            let mut network = build(&Architecture::mlp(), &imagery(32), &classes, 2, Device::Cpu).unwrap();
            let training = Training { weight_decay: 0.01, clip_norm: 0.5, seed: 2, ..constant(3, 16, 0.002) };
            let history = fit(&mut *network, &patches, &labels, &training).unwrap();
            let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.training_loss).collect();
            assert!(losses[2] < losses[0], "{losses:?}");
            (network.weights(), losses, network.logits(&patches).unwrap())
        })
    };
    let one = trained(1);
    assert_eq!(one, trained(2), "one thread and two");
    assert_eq!(one, trained(5), "one thread and five");
}

#[test]
fn chosen_bands_of_patches_in_memory_are_predicted_on_as_if_there_were_no_others() {
    let (patches, labels) = landscapes(3, 40, 8, 3);
    let reversed = patches.bands(&Bands::named(["band 3", "band 2", "band 1"]).unwrap()).unwrap();
    let images = reversed.images(0..40).unwrap();
    assert_ne!(images, patches.images(0..40).unwrap());
    let copied = Patches::in_memory(reversed.imagery().clone(), labels.classes().clone(), images).unwrap();
    let architecture = Architecture::Sen2lcz(small());
    let network = build(&architecture, reversed.imagery(), &Classes::from_count(3), 1, Device::Cpu).unwrap();
    assert_eq!(network.predict(&reversed).unwrap(), network.predict(&copied).unwrap());
    assert_eq!(
        network.predict(&reversed.select(&[7, 3]).unwrap()).unwrap(),
        network.predict(&copied.select(&[7, 3]).unwrap()).unwrap()
    );
}

#[test]
fn a_batch_of_one_that_leaves_batch_norm_one_number_is_refused_before_training() {
    let (patches, labels) = landscapes(1, 9, 8, 3);
    let labels = labels.one_hot();
    // Patches of 8 pixels are one pixel in the last block; 9 patches make a last batch of one.
    for batch in [1, 4, 8] {
        let error = fit(&mut *network(8, 3, small(), 0), &patches, &labels, &constant(1, batch, 0.01));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is one patch") && error.contains("another training.batch_size"), "{error}");
    }
    fit(&mut *network(8, 3, small(), 0), &patches, &labels, &constant(1, 3, 0.01)).unwrap();
    let (larger, labels) = landscapes(1, 5, 16, 3);
    fit(&mut *network(16, 3, small(), 0), &larger, &labels.one_hot(), &constant(1, 1, 0.01)).unwrap();
}

#[test]
fn the_seed_of_training_alone_changes_order_and_dropout() {
    let (patches, labels) = landscapes(1, 40, 8, 3);
    let labels = labels.one_hot();
    let trained = |seed: u64| {
        let mut network = network(8, 3, Sen2LczSettings { dropout: 0.2, ..small() }, 0);
        fit(&mut *network, &patches, &labels, &Training { seed, ..constant(1, 16, 0.002) }).unwrap();
        network.weights()
    };
    assert_ne!(trained(1), trained(2));
}

#[test]
fn separable_patterns_are_learned() {
    let (patches, labels) = landscapes(1, 192, 16, 4);
    let (unseen, unseen_labels) = landscapes(2, 96, 16, 4);
    for optimizer in [Optimizer::Nadam, Optimizer::Adam, Optimizer::Sgd] {
        let learning_rate = if optimizer == Optimizer::Sgd { 0.02 } else { 0.005 };
        let mut network = network(16, 4, Sen2LczSettings { dropout: 0.2, ..small() }, 1);
        let training = Training { optimizer, ..constant(12, 32, learning_rate) };
        let history = fit(&mut *network, &patches, &labels.one_hot(), &training).unwrap();
        let [first, last] = [&history.epochs[0], &history.epochs[11]];
        assert!(last.training_loss < 0.3 * first.training_loss, "{optimizer:?}: {first:?}, {last:?}");
        let share = accuracy(&*network, &unseen, &unseen_labels);
        assert!(share > 0.9, "{optimizer:?}: {share}");
    }
}

#[test]
fn labels_without_a_pattern_are_memorised() {
    let patches = noise(1, 32, 8, 5);
    let mut indices: Vec<usize> = (0..32).map(|n| n % 5).collect();
    indices.shuffle(&mut ChaCha8Rng::seed_from_u64(2));
    let labels = Labels::new(Classes::from_count(5), indices).unwrap();
    for fusion in [Fusion::Softmaxes, Fusion::Logits] {
        let mut network = network(8, 5, Sen2LczSettings { width: 8, fusion, ..small() }, 1);
        // One batch an epoch, so that the moving averages see what the last step saw.
        let history = fit(&mut *network, &patches, &labels.one_hot(), &constant(120, 32, 0.003)).unwrap();
        let last = history.epochs.last().unwrap();
        let share = accuracy(&*network, &patches, &labels);
        assert!(last.training_accuracy > 0.95 && share > 0.95, "{fusion:?}: {last:?}, inference {share}");
    }
}

#[test]
fn a_diverging_training_says_so_in_one_line_and_leaves_the_network_as_it_was() {
    let (patches, labels) = landscapes(1, 64, 8, 3);
    let labels = labels.one_hot();
    for optimizer in [Optimizer::Nadam, Optimizer::Adam, Optimizer::Sgd] {
        let mut network = network(8, 3, small(), 1);
        let before = network.weights();
        let training = Training { optimizer, ..constant(30, 16, 1e6) };
        let error = fit(&mut *network, &patches, &labels, &training).unwrap_err().to_string();
        assert!(error.starts_with("training diverged in epoch ") && !error.contains('\n'), "{error}");
        assert!(error.contains("lower learning_rate"), "{error}");
        assert_eq!(network.weights(), before, "{optimizer:?}");
        assert_eq!(network.standardisation(), None, "{optimizer:?}");
    }
}

/// Keeps every epoch's record and the weights that were best when it ended.
#[derive(Default)]
struct Diary(Vec<(EpochRecord, Option<Weights>)>);

impl Progress for Diary {}

impl Observer for Diary {
    fn epoch(&mut self, record: &EpochRecord, best: Option<&Weights>) -> Result<()> {
        self.0.push((record.clone(), best.cloned()));
        Ok(())
    }
}

#[test]
fn early_stopping_keeps_the_best_epoch() {
    let (patches, labels) = landscapes(1, 96, 8, 3);
    // The better it learns, the worse it does here: every label is another class.
    let (validation, _) = landscapes(2, 48, 8, 3);
    let wrong = Labels::new(Classes::from_count(3), (0..48).map(|n| (n + 1) % 3).collect()).unwrap();
    let (labels, wrong) = (labels.one_hot(), wrong.one_hot());
    let train = Labelled { patches: &patches, labels: &labels };
    let training = Training { patience: 3, ..constant(50, 32, 0.005) };
    let mut kept = network(8, 3, small(), 1);
    let mut diary = Diary::default();
    let held_out = Labelled { patches: &validation, labels: &wrong };
    let history = kept.fit(train, Some(held_out), &training, &mut diary).unwrap();

    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.validation_loss.unwrap()).collect();
    let least = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let best = 1 + losses.iter().position(|loss| *loss <= least).unwrap();
    assert_eq!((history.best_epoch, losses.len()), (best, best + 3), "{losses:?}");
    assert!(losses.last().unwrap() > &least);

    // Training just so long, without a validation set, gives the weights that were kept.
    let mut short = network(8, 3, small(), 1);
    fit(&mut *short, &patches, &labels, &Training { epochs: best, ..training }).unwrap();
    assert_eq!(kept.weights(), short.weights());
    // The loss that was reported is that of the predictions.
    let again = logits_cross_entropy_loss(&kept.logits(&validation).unwrap(), &wrong).unwrap();
    assert!((again - least).abs() < 1e-6, "{again}, not {least}");
    // The observer was handed the weights when they were the best, and only then.
    let records: Vec<EpochRecord> = diary.0.iter().map(|(record, _)| record.clone()).collect();
    assert_eq!(records, history.epochs);
    assert_eq!(diary.0[best - 1].1.as_ref(), Some(&kept.weights()));
    assert!(diary.0[best..].iter().all(|(_, weights)| weights.is_none()));
}

#[test]
fn a_training_that_is_to_keep_the_last_epoch_ends_with_its_weights() {
    let (patches, labels) = landscapes(1, 96, 8, 3);
    let (validation, _) = landscapes(2, 48, 8, 3);
    let wrong = Labels::new(Classes::from_count(3), (0..48).map(|n| (n + 1) % 3).collect()).unwrap();
    let (labels, wrong) = (labels.one_hot(), wrong.one_hot());
    let train = Labelled { patches: &patches, labels: &labels };
    let held_out = Labelled { patches: &validation, labels: &wrong };
    let ends_with = |validation: Option<Labelled<'_>>, keep: Keep| {
        let mut network = network(8, 3, small(), 1);
        let training = Training { patience: 0, keep, ..constant(6, 32, 0.005) };
        let history = network.fit(train, validation, &training, &mut Silent).unwrap();
        (network.weights(), history.best_epoch)
    };
    // Without a validation set the last epoch is all there is to keep.
    let last = ends_with(None, Keep::Best);
    assert_eq!(last.1, 6);
    assert!(ends_with(Some(held_out), Keep::Last) == last);
    let (weights, best) = ends_with(Some(held_out), Keep::Best);
    assert!(best < 6 && weights != last.0, "epoch {best} of a training that only gets worse");
}

#[test]
fn an_observer_s_error_stops_the_training() {
    struct Full;
    impl Progress for Full {}
    impl Observer for Full {
        fn epoch(&mut self, record: &EpochRecord, _: Option<&Weights>) -> Result<()> {
            assert_eq!(record.epoch, 1, "went on after an error");
            Err(lcz::Error::input("run/history.csv", "no space left", "free some"))
        }
    }
    let (patches, labels) = landscapes(1, 12, 8, 3);
    let labels = labels.one_hot();
    let train = Labelled { patches: &patches, labels: &labels };
    let error = network(8, 3, small(), 1).fit(train, None, &constant(5, 4, 0.01), &mut Full).unwrap_err();
    assert_eq!(error.to_string(), "run/history.csv: no space left; free some");
}

/// Interrupts a training at the n-th time that it asks, and keeps every state that it is handed.
struct Interruption {
    at: usize,
    asked: Cell<usize>,
    states: Vec<TrainingState>,
    records: Vec<EpochRecord>,
}

impl Interruption {
    fn at(at: usize) -> Self {
        Self { at, asked: Cell::new(0), states: Vec::new(), records: Vec::new() }
    }
}

impl Progress for Interruption {
    fn interrupted(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() == self.at
    }
}

impl Observer for Interruption {
    fn epoch(&mut self, record: &EpochRecord, _: Option<&Weights>) -> Result<()> {
        self.records.push(record.clone());
        Ok(())
    }
    fn wants_checkpoint(&mut self, epoch_ended: bool) -> bool {
        epoch_ended
    }
    fn checkpoint(&mut self, state: &TrainingState) -> Result<()> {
        self.states.push(state.clone());
        Ok(())
    }
}

#[test]
fn a_training_that_goes_on_from_any_step_ends_with_the_same_bits() {
    let (patches, labels) = landscapes(1, 40, 8, 3);
    let (validation, validation_labels) = landscapes(2, 20, 8, 3);
    let (labels, validation_labels) = (labels.one_hot(), validation_labels.one_hot());
    let train = Labelled { patches: &patches, labels: &labels };
    let held_out = Labelled { patches: &validation, labels: &validation_labels };
    let without_times = |history: &History| {
        let mut history = history.clone();
        for epoch in &mut history.epochs {
            (epoch.seconds, epoch.waiting) = (0.0, 0.0);
        }
        history
    };
    for (optimizer, validation) in
        [(Optimizer::Nadam, Some(held_out)), (Optimizer::Adam, None), (Optimizer::Sgd, Some(held_out))]
    {
        // Early stopping ends it in its fourth epoch or later.
        let schedule = Schedule::Step { every: 1, factor: 0.8 };
        let augmentation = Augmentation::FlipsAndTurns;
        let training = Training {
            optimizer,
            schedule,
            augmentation,
            crops: 0.4,
            patience: 3,
            seed: 4,
            ..constant(5, 16, 0.02)
        };
        let make = |seed| {
            let mut network = network(8, 3, Sen2LczSettings { dropout: 0.3, ..small() }, seed);
            network.set_standardisation(Standardisation::identity(BANDS)).unwrap();
            network
        };
        let mut alone = make(1);
        let mut watch = Interruption::at(0);
        let history = alone.fit(train, validation, &training, &mut watch).unwrap();
        let asked = watch.asked.get();
        assert!(asked >= 15, "{asked}");
        for at in 1..=asked {
            let mut begun = make(1);
            let before = begun.weights();
            let mut watch = Interruption::at(at);
            let error = begun.fit(train, validation, &training, &mut watch).unwrap_err();
            assert!(matches!(error, lcz::Error::Interrupted { .. }), "{error}");
            assert_eq!(begun.weights(), before);
            let state = watch.states.pop().unwrap();
            // Another process: other weights until the state is taken up.
            let mut resumed = make(99);
            let rest = resumed.fit_from(state, train, validation, &training, &mut Silent).unwrap();
            assert_eq!(resumed.weights(), alone.weights(), "{optimizer:?}, interrupted at {at}");
            assert_eq!(without_times(&rest), without_times(&history), "{optimizer:?}, {at}");
        }
    }
}

#[test]
fn a_state_of_another_network_is_refused_and_leaves_the_network_as_it_was() {
    let (patches, labels) = landscapes(1, 40, 8, 3);
    let labels = labels.one_hot();
    let train = Labelled { patches: &patches, labels: &labels };
    let mut watch = Interruption::at(2);
    let mut wide = network(8, 3, Sen2LczSettings { width: 8, ..small() }, 1);
    wide.fit(train, None, &constant(2, 16, 0.01), &mut watch).unwrap_err();
    let mut narrow = network(8, 3, small(), 1);
    let before = narrow.weights();
    let state = watch.states.pop().unwrap();
    let error = narrow.fit_from(state, train, None, &constant(2, 16, 0.01), &mut Silent).unwrap_err();
    assert!(error.to_string().contains("use weights of this architecture"), "{error}");
    assert_eq!(narrow.weights(), before);
}

/// Mean and variance of each channel of x ∗ w + b over all patches, by plain loops in f64.
fn moments_of_first_layer(patches: &Patches, weights: &Weights) -> [Vec<f64>; 2] {
    let images = patches.images(0..patches.len()).unwrap();
    let (count, height, width, inputs) = images.dim();
    let (weight, bias) =
        (weights.get("block1.conv1.weight").unwrap(), weights.get("block1.conv1.bias").unwrap());
    let outputs = bias.values.len();
    let mut values = vec![Vec::new(); outputs];
    for n in 0..count {
        for row in 0..height as isize {
            for column in 0..width as isize {
                for (output, values) in values.iter_mut().enumerate() {
                    let mut sum = f64::from(bias.values[output]);
                    for tap in 0..9 {
                        let (r, c) = (row + tap / 3 - 1, column + tap % 3 - 1);
                        if !(0..height as isize).contains(&r) || !(0..width as isize).contains(&c) {
                            continue;
                        }
                        for input in 0..inputs {
                            let at = (tap as usize * inputs + input) * outputs + output;
                            let pixel = images[[n, r as usize, c as usize, input]];
                            sum += f64::from(pixel) * f64::from(weight.values[at]);
                        }
                    }
                    values.push(sum);
                }
            }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let means: Vec<f64> = values.iter().map(|v| mean(v)).collect();
    let variances =
        values.iter().zip(&means).map(|(v, m)| mean(&v.iter().map(|x| (x - m).powi(2)).collect::<Vec<_>>()));
    [means.clone(), variances.collect()]
}

#[test]
fn batch_norm_s_moving_averages_come_to_the_data_s_own_statistics() {
    let (patches, labels) = landscapes(1, 24, 8, 3);
    let labels = labels.one_hot();
    let mut network = network(8, 3, small(), 1);
    network.set_standardisation(Standardisation::identity(BANDS)).unwrap();
    // All patches in one batch, at a learning rate that moves nothing: after n steps the averages have
    // kept 0.9^n of where they started, 0 and 1.
    let first = moments_of_first_layer(&patches, &network.weights());
    for (steps, kept) in [(1, 0.9), (130, 0.9f64.powi(131))] {
        let history = fit(&mut *network, &patches, &labels, &constant(steps, 24, 1e-30)).unwrap();
        let weights = network.weights();
        for (name, start, first) in [("moving_mean", 0.0, &first[0]), ("moving_variance", 1.0, &first[1])] {
            let got = &weights.get(&format!("block1.conv1.{name}")).unwrap().values;
            for (got, of_data) in got.iter().zip(first) {
                let expected = kept * start + (1.0 - kept) * of_data;
                let error = (f64::from(*got) - expected).abs();
                assert!(
                    error < 2e-6 * expected.abs().max(1.0),
                    "{steps} steps, {name}: {got}, not {expected}"
                );
            }
        }
        if steps > 1 {
            // Then inference gives what training on that batch gives.
            let trained = history.epochs.last().unwrap().training_loss;
            let inferred = logits_cross_entropy_loss(&network.logits(&patches).unwrap(), &labels).unwrap();
            assert!((trained - inferred).abs() < 1e-4, "{trained}, {inferred}");
        }
    }
}

#[test]
fn dropout_acts_in_training_and_not_in_inference() {
    let (patches, labels) = landscapes(1, 24, 8, 3);
    let labels = labels.one_hot();
    let mut networks = [0.0, 0.5].map(|dropout| network(8, 3, Sen2LczSettings { dropout, ..small() }, 1));
    for network in &mut networks {
        network.set_standardisation(Standardisation::identity(BANDS)).unwrap();
    }
    let [without, with] = &networks;
    assert_eq!(without.logits(&patches).unwrap(), with.logits(&patches).unwrap());
    assert_eq!(without.features(&patches).unwrap(), with.features(&patches).unwrap());
    // The first step's loss is met before any weight has moved: only dropout can tell them apart.
    let [without, with] = networks.map(|mut network| {
        fit(&mut *network, &patches, &labels, &constant(1, 24, 0.001)).unwrap().epochs[0].training_loss
    });
    assert!((without - with).abs() > 1e-3, "{without}, {with}");
}

#[test]
fn smoothed_labels_hold_the_confidence_down() {
    let (patches, labels) = landscapes(1, 60, 8, 3);
    for (label_smoothing, confidence) in [(0.0, 1.0), (0.3, 0.7 + 0.3 / 3.0)] {
        let mut network = network(8, 3, Sen2LczSettings { width: 8, ..small() }, 1);
        let training = Training { label_smoothing, ..constant(80, 60, 0.005) };
        fit(&mut *network, &patches, &labels.one_hot(), &training).unwrap();
        let p = network.predict(&patches).unwrap();
        let rows = p.view();
        let own = rows.outer_iter().zip(labels.indices()).map(|(row, k)| row[*k]);
        let mean = own.sum::<f64>() / 60.0;
        assert!((mean - confidence).abs() < 0.02, "ε = {label_smoothing}: {mean}, not {confidence}");
    }
}

#[test]
fn distributions_are_learned_down_to_their_entropy() {
    let (patches, labels) = landscapes(1, 60, 8, 3);
    let shares = [[0.8, 0.1, 0.1], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]];
    let y = Array2::from_shape_fn((60, 3), |(n, k)| shares[labels.indices()[n]][k]);
    let y = LabelDistributions::new(Classes::from_count(3), y).unwrap();
    let entropy = y.entropy().iter().sum::<f64>() / 60.0;
    let mut network = network(8, 3, Sen2LczSettings { width: 8, ..small() }, 1);
    let history = fit(&mut *network, &patches, &y, &constant(80, 60, 0.005)).unwrap();
    let first = history.epochs[0].training_loss - entropy;
    let last = history.epochs[79].training_loss - entropy;
    // Cross-entropy is entropy plus a divergence, which is never negative.
    assert!((-1e-6..0.01).contains(&last) && last < 0.1 * first, "{first}, {last} above {entropy}");
    let p = network.predict(&patches).unwrap();
    let worst = (&p.view() - &y.view()).iter().fold(0.0, |a: f64, d| a.max(d.abs()));
    assert!(worst < 0.1, "{worst}");
}
