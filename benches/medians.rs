//! Time to find the geometric medians of 17 classes of 5,000 × 2,048 features: `cargo bench
//! --bench medians [ROUNDS]`. `peers/medians.py` is the same in NumPy.
//!
//! Features are synthetic: f32, a shared low-dimensional part and noise, clipped at 0 as a network's are.
//! To 1e-6 of the mean distance. The NumPy version reads the same numbers from the file that
//! `--write PATH` leaves (raw f32).
//!
//! `--write-hdf5 PATH` leaves them as a file of features, and `--hdf5 PATH` finds the medians from that file in
//! passes, and prints the most memory that the process has held (Linux).

mod support;

use std::path::Path;
use std::time::Instant;

use lcz::data::Patches;
use lcz::data::features::{FeatureFile, FeatureWriter};
use lcz::progress::Silent;
use lcz::uncertainty::{Centre, ClassCentres, Weiszfeld};
use lcz::{Bands, Classes, Features, Imagery, Labels};
use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use support::{CLASSES, HIDDEN, SAMPLES, WIDTH, argument, summary};

fn main() {
    if let Some(path) = argument("--hdf5") {
        return streamed(path.as_ref());
    }
    let features = Features::new(features());
    if let Some(path) = argument("--write-hdf5") {
        return write_hdf5(path.as_ref(), &features);
    }
    if let Some(path) = argument("--write") {
        let bytes: Vec<u8> = features.view().iter().flat_map(|x| x.to_le_bytes()).collect();
        std::fs::write(path, bytes).expect("space on the disk");
    }
    let labels =
        Labels::new(Classes::lcz(), (0..CLASSES * SAMPLES).map(|n| n / SAMPLES).collect()).expect("labels");
    let settings = Weiszfeld { tolerance: 1e-6, ..Weiszfeld::default() };
    let mut seconds = Vec::new();
    for round in 0..5 {
        let started = Instant::now();
        let found = ClassCentres::find(Centre::GeometricMedian, &features, &labels, settings, &mut Silent);
        let found = found.expect("medians");
        seconds.push(started.elapsed().as_secs_f64());
        if round == 0 {
            let fits: Vec<_> = (0..CLASSES).filter_map(|k| found.fit(k)).collect();
            let passes: Vec<usize> = fits.iter().map(|fit| fit.iterations).collect();
            let residual = fits.iter().map(|fit| fit.residual).fold(0.0, f64::max);
            println!("passes {passes:?}, largest residual {residual:.1e}");
            let first = &found.point(0).expect("a class with samples")[..3];
            println!("class 1, first features: {first:.9?}");
        }
    }
    println!("{}", summary(seconds));
}

fn features() -> Array2<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let directions = Array2::from_shape_fn((HIDDEN, WIDTH), |_| random.gen_range(-0.5..0.5f32));
    let offsets = Array2::from_shape_fn((CLASSES, WIDTH), |_| random.gen_range(-0.5..1.0f32));
    let mut h = Array2::zeros((CLASSES * SAMPLES, WIDTH));
    h.outer_iter_mut().into_par_iter().enumerate().for_each(
        |(n, mut row): (usize, ndarray::ArrayViewMut1<'_, f32>)| {
            let mut random = ChaCha8Rng::seed_from_u64(n as u64 + 1);
            let hidden: Vec<f32> = (0..HIDDEN).map(|_| random.gen_range(-1.0..1.0)).collect();
            let spread: f32 = random.gen_range(0.2..1.5);
            for (d, x) in row.iter_mut().enumerate() {
                let shared: f32 = hidden.iter().enumerate().map(|(i, z)| z * directions[[i, d]]).sum();
                *x = (offsets[[n / SAMPLES, d]] + spread * shared + 0.2 * random.gen_range(-1.0..1.0f32))
                    .max(0.0);
            }
        },
    );
    h
}

/// The features as a file of features, of patches of a single pixel.
fn write_hdf5(path: &Path, features: &Features) {
    let bands = Bands::named(["any"]).expect("a band");
    let imagery = Imagery { patch_size: 1, bands, ..Imagery::so2sat() };
    let images = ndarray::Array4::zeros((CLASSES * SAMPLES, 1, 1, 1));
    let labels =
        Labels::new(Classes::lcz(), (0..CLASSES * SAMPLES).map(|n| n / SAMPLES).collect()).expect("labels");
    let patches = Patches::in_memory(imagery, Classes::lcz(), images).expect("patches");
    let patches = patches.with_labels(&labels).expect("as many labels");
    let mut writer = FeatureWriter::create(path, "synthetic", &patches).expect("a new file");
    writer.append(features).expect("space on the disk");
    writer.finish().expect("space on the disk");
}

/// The medians from a file, and the most memory that it took.
fn streamed(path: &Path) {
    let started = Instant::now();
    let file = FeatureFile::open(path).expect("a file of features");
    let labels = file.labels().expect("labels");
    let settings = Weiszfeld { tolerance: 1e-6, ..Weiszfeld::default() };
    let found = ClassCentres::find(Centre::GeometricMedian, &file, &labels, settings, &mut Silent);
    let found = found.expect("medians");
    let first = &found.point(0).expect("a class with samples")[..3];
    println!("class 1, first features: {first:.9?}");
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM: not known here");
    println!("lcz, streamed: {:.3} s, {peak}", started.elapsed().as_secs_f64());
}
