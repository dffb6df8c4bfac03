//! How fast a network trains and classifies here, next to the machine's peak.
//!
//! Through the calls that a user makes (`fit` and `predict`), on patches of random numbers in memory: standardisation,
//! shuffling and copies are included, reading is not.

use std::cell::Cell;
use std::fs;
use std::time::{Duration, Instant};

use ndarray::{Array3, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Config, ExampleSet, Targets};
use crate::data::{Masks, Patches};
use crate::models::{Architecture, Device, Sample, build};
use crate::simd::{Level, peak};
use crate::{Bands, Classes, Error, Imagery, Labels, Progress, Result, Standardisation, Training};

/// Batches per epoch of the training set.
const BATCHES: usize = 16;

/// Shortest duration of a round.
const ROUND: Duration = Duration::from_millis(700);

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BenchMode {
    /// Steps of training: forward, backward, optimiser.
    Train,
    /// Predictions, a batch of patches per call.
    Infer,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Measured {
    /// The network.
    pub model: String,
    /// What was timed.
    pub mode: BenchMode,
    /// The device.
    pub device: String,
    /// Samples per step or call.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Parameters of the network.
    pub parameters: usize,
    /// Floating-point operations of a forward pass of one sample, in millions: two for each
    /// multiplication of a convolution or a dense layer.
    pub forward_mflop: f64,
    /// Median over the rounds.
    pub samples_per_second: f64,
    /// Of the slowest and the fastest round.
    pub range: [f64; 2],
    /// Number of timed rounds.
    pub repeats: usize,
    /// Billions of operations per second; training counts as three forward passes, as is usual.
    pub gflops: f64,
    /// FMA peak: billions of operations per second of fused multiply-adds on as many threads, measured before and after; the larger.
    pub peak_gflops: f64,
    /// Share of the peak that was reached.
    pub share_of_peak: f64,
    /// The instruction set that was chosen.
    pub instructions: String,
    /// Peak memory of the process in megabytes, where the system states it.
    pub peak_memory_mb: Option<f64>,
    /// Seconds from the start of the process to the end of its first step, where the system states it.
    pub first_step_seconds: Option<f64>,
}

/// Times a network on patches of random numbers (So2Sat's size: 32 × 32 × 10, 17 classes; 64 × 64 × 3 and 10 classes
/// where each pixel is given one), with as many threads as rayon has.
///
/// # Errors
/// Invalid settings; a batch or rounds of 0; a training that fails.
///
/// ```no_run
/// # fn main() -> lcz::Result<()> {
/// use lcz::models::Device;
/// use lcz::run::{self, BenchMode, Config};
/// let config = Config::read(None, "sen2lcz", &[])?;
/// let measured = run::bench(&config, Device::Cpu, BenchMode::Infer, 64, 5, &mut lcz::progress::Silent)?;
/// println!("{:.0} patches per second", measured.samples_per_second);
/// # Ok(())
/// # }
/// ```
pub fn bench(
    config: &Config,
    device: Device,
    mode: BenchMode,
    batch: usize,
    rounds: usize,
    progress: &mut dyn Progress,
) -> Result<Measured> {
    for (name, value) in [("--batch-size", batch), ("--repeats", rounds)] {
        if value == 0 {
            return Err(Error::input(name, "0", "choose at least 1"));
        }
    }
    let threads = rayon::current_num_threads();
    let count = if mode == BenchMode::Train { BATCHES * batch } else { batch };
    let patches = noise(&config.model, count, config.training.seed)?;
    let (imagery, classes, bands) = (patches.imagery(), patches.classes(), patches.imagery().bands.len());
    let mut network = build(&config.model, imagery, classes, config.training.seed, device)?;
    // Not the identity, which costs nothing.
    network.set_standardisation(Standardisation { mean: vec![0.1; bands], deviation: vec![0.9; bands] })?;
    let (parameters, forward) = (network.parameters().total, network.forward_operations() as f64);
    let name = config.model.name();
    progress.begin(&format!("timing {name}"), rounds as u64);
    let first_step = FirstStep::default();
    let set = ExampleSet { targets: targets(&patches, network.sample())?, patches: patches.clone() };
    // Seconds of each of N epochs, or of N calls that predict.
    let mut round = |times: usize| match mode {
        BenchMode::Train => {
            let training =
                Training { epochs: times, batch_size: batch, patience: 0, ..config.training.clone() };
            let history = network.fit(&set, None, &training, &mut &first_step)?;
            Ok::<Vec<f64>, Error>(history.epochs.iter().map(|epoch| epoch.seconds).collect())
        }
        BenchMode::Infer => {
            let timed = |_| {
                let began = Instant::now();
                network.predict(&patches)?;
                first_step.note();
                Ok(began.elapsed().as_secs_f64())
            };
            (0..times).map(timed).collect()
        }
    };
    round(1)?;
    let mut peak = peak_gflops(threads);
    let warm = round(1)?.iter().sum::<f64>();
    let each = (ROUND.as_secs_f64() / warm).ceil().clamp(1.0, 1e6) as usize;
    let mut rates = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        let seconds = round(each)?;
        rates.push((patches.len() * seconds.len()) as f64 / seconds.iter().sum::<f64>());
        progress.advance(1, "");
    }
    let peak_memory_mb = peak_memory();
    peak = peak.max(peak_gflops(threads));
    progress.end("");
    rates.sort_by(f64::total_cmp);
    let samples_per_second = f64::midpoint(rates[rounds / 2], rates[(rounds - 1) / 2]);
    let passes = if mode == BenchMode::Train { 3.0 } else { 1.0 };
    let gflops = passes * forward * samples_per_second / 1e9;
    Ok(Measured {
        model: name.to_owned(),
        mode,
        device: device.to_string(),
        batch,
        threads,
        parameters,
        forward_mflop: forward / 1e6,
        samples_per_second,
        range: [rates[0], rates[rounds - 1]],
        repeats: rounds,
        gflops,
        peak_gflops: peak,
        share_of_peak: gflops / peak,
        instructions: Level::best().name().to_owned(),
        peak_memory_mb,
        first_step_seconds: first_step.0.get(),
    })
}

/// Arbitrary targets.
fn targets(patches: &Patches, sample: Sample) -> Result<Targets> {
    let (classes, size) = (patches.classes().clone(), patches.imagery().patch_size);
    let k = classes.len();
    Ok(match sample {
        Sample::Patch => {
            Targets::Labels(Labels::new(classes, (0..patches.len()).map(|n| n % k).collect())?.one_hot())
        }
        Sample::Pixel => {
            let class = |(n, row, column): (usize, usize, usize)| ((n + row / 8 + column / 8) % k) as u8;
            Targets::Masks(Masks::new(classes, Array3::from_shape_fn((patches.len(), size, size), class))?)
        }
    })
}

/// When the first step was done, in seconds after the process began.
#[derive(Default)]
struct FirstStep(Cell<Option<f64>>);

impl FirstStep {
    fn note(&self) {
        if self.0.get().is_none() {
            self.0.set(since_process_start());
        }
    }
}

impl crate::Observer for &FirstStep {}

impl Progress for &FirstStep {
    fn begin(&mut self, _: &str, _: u64) {}
    fn advance(&mut self, steps: u64, _: &str) {
        if steps > 0 {
            self.note();
        }
    }
    fn end(&mut self, _: &str) {}
}

/// Patches of random numbers between 0 and 0.5.
fn noise(architecture: &Architecture, count: usize, seed: u64) -> Result<Patches> {
    let (imagery, classes) = match architecture.sample() {
        Sample::Patch => (Imagery::so2sat(), Classes::lcz()),
        Sample::Pixel => {
            let imagery = Imagery { patch_size: 64, bands: Bands::from_count(3), ..Imagery::so2sat() };
            (imagery, Classes::from_count(10))
        }
    };
    let shape = (count, imagery.patch_size, imagery.patch_size, imagery.bands.len());
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let images = Array4::from_shape_fn(shape, |_| random.gen_range(0.0..0.5));
    Patches::in_memory(imagery, classes, images)
}

/// Billions of operations per second of fused multiply-adds on N threads at once; the best of five.
fn peak_gflops(threads: usize) -> f64 {
    const ROUNDS: usize = 1 << 20;
    let once = || {
        let began = Instant::now();
        let operations: u64 =
            (0..threads).into_par_iter().map(|_| peak::multiply_add(Level::best(), ROUNDS)).sum();
        operations as f64 / began.elapsed().as_secs_f64() / 1e9
    };
    (0..5).map(|_| once()).fold(0.0, f64::max)
}

/// Megabytes that this process has held at most (Linux).
fn peak_memory() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}

/// Seconds since this process began (Linux, whose clock for that has 100 ticks a second).
fn since_process_start() -> Option<f64> {
    const TICKS_A_SECOND: f64 = 100.0;
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let now: f64 = uptime.split_whitespace().next()?.parse().ok()?;
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in brackets, may hold anything; the start is the 20th field behind it.
    let start: f64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
    Some(now - start / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Silent;

    #[test]
    fn a_network_is_timed_and_its_operations_are_counted() {
        let settings = ["model.depth=5", "model.width=2", "training.optimizer=adam"].map(str::to_owned);
        let config = Config::read(None, "sen2lcz", &settings).unwrap();
        for mode in [BenchMode::Train, BenchMode::Infer] {
            let measured = bench(&config, Device::Cpu, mode, 2, 2, &mut Silent).unwrap();
            // Four convolutions of 9 · 10 → 2 at 32 × 32, 9 · 4 → 4 at 16 × 16, 9 · 8 → 8 and 9 · 16 → 16 below;
            // heads of 4, 8, 16 and 16 inputs.
            let multiplications =
                1024 * 90 * 2 + 256 * 36 * 4 + 64 * 72 * 8 + 16 * 144 * 16 + 17 * (4 + 8 + 16 + 16);
            assert!((measured.forward_mflop - 2e-6 * f64::from(multiplications)).abs() < 1e-9);
            assert!(measured.range[0] <= measured.samples_per_second && measured.samples_per_second > 0.0);
            assert!(measured.peak_gflops > 0.0 && measured.share_of_peak > 0.0);
        }
        let error = bench(&config, Device::Cpu, BenchMode::Train, 0, 1, &mut Silent).unwrap_err().to_string();
        assert!(error.contains("--batch-size: 0"), "{error}");
    }

    #[test]
    fn a_network_of_pixels_is_timed_and_its_operations_are_counted() {
        let settings = ["model.encoder=plain", "model.depth=1", "model.width=0.03125"].map(str::to_owned);
        let config = Config::read(None, "unet", &settings).unwrap();
        for mode in [BenchMode::Train, BenchMode::Infer] {
            let measured = bench(&config, Device::Cpu, mode, 2, 1, &mut Silent).unwrap();
            // 3 → 2 → 2 at 64 × 64, 2 → 4 → 4 at 32 × 32, 4 → 2 from there up, 4 → 2 → 2 at 64 × 64, 2 → 10 classes.
            let (large, small) = (64 * 64, 32 * 32);
            let down = large * 9 * (6 + 4) + small * 9 * (8 + 16);
            let up = small * 4 * 8 + large * 9 * (8 + 4) + large * 20;
            assert!((measured.forward_mflop - 2e-6 * f64::from(down + up)).abs() < 1e-9);
            assert!(measured.samples_per_second > 0.0);
        }
    }

    #[test]
    fn the_published_networks_take_as_many_operations_as_their_layers_say() {
        let course = ["model.variant=course".to_owned()];
        for (name, settings, mflop) in
            [("sen2lcz", &[][..], 73.7), ("mlp", &[], 2.6), ("resnet50", &course, 498.1)]
        {
            let config = Config::read(None, name, settings).unwrap();
            let network = build(&config.model, &Imagery::so2sat(), &Classes::lcz(), 0, Device::Cpu).unwrap();
            let found = network.forward_operations() as f64 / 1e6;
            assert!((found - mflop).abs() < 0.05, "{name}: {found}");
        }
    }
}
