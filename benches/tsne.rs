//! How fast 5,000 × 2,048 features are laid out on a plane, and how well: `cargo bench --bench tsne -- [--write
//! FOLDER]`. `peers/tsne.py FOLDER` runs openTSNE and scikit-learn on the same numbers and judges all three.
//!
//! Features are synthetic: f32, 17 classes in a shared low-dimensional part, and noise, clipped at 0 as a
//! network's are.

mod support;

use std::time::Instant;

use lcz::Features;
use lcz::embedding::TSne;
use lcz::progress::Silent;
use ndarray::{Array2, ArrayView2};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{CLASSES, HIDDEN, SAMPLES, WIDTH, argument, summary};

fn main() {
    let features = Features::new(features());
    let mut seconds = Vec::new();
    let mut plane = None;
    for _ in 0..3 {
        let started = Instant::now();
        plane = Some(TSne::default().embed(&features, &mut Silent).expect("an embedding"));
        seconds.push(started.elapsed().as_secs_f64());
    }
    let plane = plane.expect("three rounds");
    let started = Instant::now();
    let kl = plane.kl_loss(&features).expect("the same samples");
    let trust = plane.trustworthiness_score(&features, 12).expect("the same samples");
    println!(
        "{}; exact KL {kl:.4}, trustworthiness {trust:.4} (found in {:.2} s)",
        summary(seconds),
        started.elapsed().as_secs_f64()
    );
    if let Some(folder) = argument("--write") {
        write(&format!("{folder}/features.f32"), features.view());
        write(&format!("{folder}/lcz.f32"), plane.positions());
    }
}

fn write(path: &str, values: ArrayView2<'_, f32>) {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(path, bytes).expect("space on the disk");
}

fn features() -> Array2<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let directions = Array2::from_shape_fn((HIDDEN, WIDTH), |_| random.gen_range(-0.5..0.5f32));
    let offsets = Array2::from_shape_fn((CLASSES, WIDTH), |_| random.gen_range(-0.4..0.8f32));
    let hidden = Array2::from_shape_fn((SAMPLES, HIDDEN), |_| random.gen_range(-1.0..1.0f32));
    let mut h = hidden.dot(&directions);
    for (n, mut row) in h.outer_iter_mut().enumerate() {
        let spread: f32 = random.gen_range(0.2..1.5);
        row.zip_mut_with(&offsets.row(n % CLASSES), |x, offset| {
            *x = (offset + spread * *x + 0.2 * random.gen_range(-1.0..1.0f32)).max(0.0);
        });
    }
    h
}
