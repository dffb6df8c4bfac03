//! Time to compute the evaluation table: `cargo bench --bench scorecard`.
//!
//! Every measure on predictions as large as So2Sat's validation set (24,188 × 17, random numbers, ten votes
//! each), with 1,000 bootstrap rounds of the samples; then with resampled votes and estimated human performance.

use std::time::Instant;

use lcz::scorecard::{Predicted, Reference, Scorecard, ScorecardSettings};
use lcz::{Classes, Labels, Logits, Probabilities, Temperature, Votes};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SAMPLES: usize = 24_188;

fn main() {
    let (p, labels, votes) = samples();
    let shares = votes.distributions();
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{SAMPLES} × 17, every measure");
    println!("{:>7}  {:>22}  {:>34}", "threads", "1,000 rounds, s", "+ 1,000 of votes, 200 panels, s");
    for threads in [1, 2, 4, 8].into_iter().filter(|&threads| threads <= available) {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let seconds = |reference: Reference<'_>| {
            let started = Instant::now();
            let settings = ScorecardSettings::default();
            let card = pool.install(|| Scorecard::compute(Predicted::Probabilities(&p), reference, settings));
            assert_eq!(card.expect("a table").rows.len(), 25);
            started.elapsed().as_secs_f64()
        };
        let of_samples = seconds(Reference::new(&labels).with_distributions(&shares));
        let all = seconds(Reference::new(&labels).with_votes(&votes));
        println!("{threads:>7}  {of_samples:>22.2}  {all:>34.2}");
    }
}

fn samples() -> (Probabilities, Labels, Votes) {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let classes = Classes::lcz();
    let z = Array2::from_shape_fn((SAMPLES, 17), |_| random.gen_range(-6.0..6.0));
    let p = Logits::new(classes.clone(), z).expect("numbers").softmax(Temperature::ONE);
    let guess = p.predicted();
    let mut truth = |&k: &usize| if random.gen_bool(0.7) { k } else { random.gen_range(0..17) };
    let truth: Vec<usize> = guess.indices().iter().map(&mut truth).collect();
    let mut votes = Array2::zeros((SAMPLES, 17));
    for (mut row, &k) in votes.outer_iter_mut().zip(&truth) {
        for _ in 0..10 {
            row[if random.gen_bool(0.9) { k } else { random.gen_range(0..17) }] += 1.0;
        }
    }
    let labels = Labels::new(classes.clone(), truth).expect("17 classes");
    (p, labels, Votes::new(classes, votes).expect("ten votes per sample"))
}
