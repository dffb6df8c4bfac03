//! How long the evaluation table takes: `cargo bench --bench scorecard`.
//!
<<<<<<< HEAD
//! 24,188 made-up predictions over 17 classes with ten votes each, as many as So2Sat has test patches, in 200
//! groups: all measures, 1,000 bootstrap rounds of groups, 1,000 of votes, and the human ceiling of 200 panels.
//! Median of several rounds.
=======
//! Every measure on predictions as large as So2Sat's validation set (24,188 × 17, random numbers, ten votes
//! each), with 1,000 bootstrap rounds of the samples; then with the votes drawn anew and the human ceiling.
>>>>>>> 2ac3680 (Hold sets of classes, risk, distances and the scorecard against other libraries and sums done by hand)

use std::time::Instant;

use lcz::scorecard::{Predicted, Reference, Scorecard, ScorecardSettings};
<<<<<<< HEAD
use lcz::{Classes, Probabilities, Votes};
=======
use lcz::{Classes, Labels, Logits, Probabilities, Temperature, Votes};
>>>>>>> 2ac3680 (Hold sets of classes, risk, distances and the scorecard against other libraries and sums done by hand)
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SAMPLES: usize = 24_188;
<<<<<<< HEAD
const ROUNDS: usize = 5;

fn main() -> Result<(), lcz::Error> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut p = Array2::from_shape_fn((SAMPLES, 17), |_| random.gen_range(0f64..1.0).powi(8) + 1e-6);
    let mut votes = Array2::zeros((SAMPLES, 17));
    for mut row in p.outer_iter_mut() {
        let total = row.sum();
        row /= total;
    }
    for (p, mut votes) in p.outer_iter().zip(votes.outer_iter_mut()) {
        for _ in 0..10 {
            let mut left = random.gen_range(0.0..1.0);
            let chosen = p.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            votes[chosen.unwrap_or(16)] += 1.0;
        }
    }
    let p = Probabilities::new(Classes::lcz(), p)?;
    let votes = Votes::new(Classes::lcz(), votes)?;
    let labels = votes.majority(None)?;
    let groups: Vec<i32> = (0..SAMPLES as i32).map(|n| n % 200).collect();

    println!("evaluation table of {SAMPLES} × 17, 1,000 rounds; median of {ROUNDS}");
    println!("{:>7}  {:>12}  {:>14}  {:>24}", "threads", "patches, s", "groups, s", "with votes, ceiling, s");
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        let plain = Reference::new(&labels);
        let seconds = [plain, plain.with_groups(&groups), plain.with_groups(&groups).with_votes(&votes)]
            .map(|reference| pool.install(|| median(&p, reference)));
        println!("{threads:>7}  {:>12.2}  {:>14.2}  {:>24.2}", seconds[0], seconds[1], seconds[2]);
    }
    Ok(())
}

fn median(p: &Probabilities, reference: Reference<'_>) -> f64 {
    let mut seconds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let started = Instant::now();
            let table = Scorecard::of(Predicted::Probabilities(p), reference, ScorecardSettings::default());
            assert!(table.is_ok_and(|table| table.rows.len() > 8));
            started.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[ROUNDS / 2]
=======

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
            let card = pool.install(|| Scorecard::of(Predicted::Probabilities(&p), reference, settings));
            assert_eq!(card.expect("a table").rows.len(), 11);
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
    (p, labels, Votes::new(classes, votes).expect("ten votes a sample"))
>>>>>>> 2ac3680 (Hold sets of classes, risk, distances and the scorecard against other libraries and sums done by hand)
}
