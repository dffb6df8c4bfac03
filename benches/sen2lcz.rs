//! Patches per second that Sen2LCZ trains on and classifies: `cargo bench`.
//!
//! The published network on patches of So2Sat's size (32 × 32 × 10, random numbers), through the same
//! calls as a user's: standardisation, shuffling, Nadam and history are included. Medians over rounds.

use std::time::Instant;

use lcz::data::Patches;
use lcz::models::{Architecture, Device, Model, build};
use lcz::progress::Silent;
use lcz::{Classes, Imagery, Labelled, Labels, Standardisation, Training};
use ndarray::Array4;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Batches per round; patches per batch: the defaults of training and inference.
const TRAINING: [usize; 2] = [6, 64];
const INFERENCE: [usize; 2] = [3, 256];
const ROUNDS: usize = 7;

fn main() {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    println!("Sen2LCZ, depth 17, width 16, 32 × 32 × 10 → 17 classes; median of {ROUNDS} rounds");
    println!("{:>7}  {:>22}  {:>24}", "threads", "training, patches/s", "inference, patches/s");
    for threads in [1, 2, 4, 8].into_iter().filter(|&threads| threads <= available) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let [training, inference] = pool.install(|| [median(train), median(infer)]);
        println!("{threads:>7}  {training:>22.0}  {inference:>24.0}");
    }
}

/// Median over the rounds of the patches per second, after one round to warm up.
fn median(round: fn() -> f64) -> f64 {
    round();
    let mut rates: Vec<f64> = (0..ROUNDS).map(|_| round()).collect();
    rates.sort_by(f64::total_cmp);
    rates[ROUNDS / 2]
}

fn patches(count: usize) -> Patches {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let images = Array4::from_shape_fn((count, 32, 32, 10), |_| random.gen_range(0.0..0.5));
    Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images).expect("patches of So2Sat's size")
}

/// One epoch, by its own clock.
fn train() -> f64 {
    let [batches, batch_size] = TRAINING;
    let patches = patches(batches * batch_size);
    let indices = (0..patches.len()).map(|n| n % 17).collect();
    let labels = Labels::new(Classes::lcz(), indices).expect("17 classes").one_hot();
    let mut network = network();
    let training = Training { epochs: 1, batch_size, ..Training::default() };
    let train = Labelled { patches: &patches, labels: &labels };
    let history = network.fit(train, None, &training, &mut Silent).expect("a training");
    patches.len() as f64 / history.epochs[0].seconds
}

fn infer() -> f64 {
    let patches = patches(INFERENCE.iter().product());
    let network = network();
    let started = Instant::now();
    network.predict(&patches).expect("predictions");
    patches.len() as f64 / started.elapsed().as_secs_f64()
}

fn network() -> Box<dyn Model> {
    let mut network = build(&Architecture::sen2lcz(), &Imagery::so2sat(), &Classes::lcz(), 0, Device::Cpu)
        .expect("a network");
    network.set_standardisation(Standardisation::identity(10)).expect("ten bands");
    network
}
