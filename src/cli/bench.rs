//! `lcz bench`: time training and inference of a network.

use clap::Args;
use lcz::models::Architecture;
use lcz::run::{self, BenchMode, Config, Measured};

use super::options::{Context, Seed, Settings};
use super::output;

/// Time training or inference of a network
///
/// Uses random patches of So2Sat's size (unet: 64 × 64 × 3) and prints the median over rounds, next to the FMA peak of this
/// machine. Batches of 32 in training and 256 in inference; the optimiser is Adam. Nothing else should run meanwhile.
#[derive(Debug, Args)]
#[command(
    mut_arg("batch_size", |batch| batch.help("Patches per step [default: 32 in training, 256 in inference]")),
    after_help = "Examples:
  lcz bench sen2lcz --mode train --batch-size 32 --threads 2
  lcz bench mlp --mode infer --batch-size 256 --json
  lcz bench unet --set model.encoder=plain --set model.width=0.25
  lcz bench sen2lcz --set model.width=32 --set training.optimizer=nadam")]
pub struct Bench {
    #[arg(help = format!("Network: {}", Architecture::NAMES.join(", ")))]
    model: String,

    /// Mode to time
    #[arg(long, default_value = "train", value_parser = ["train", "infer"])]
    mode: String,

    /// Number of timed rounds of at least 0.7 s; the median is printed
    #[arg(long, alias = "rounds", value_name = "N", default_value_t = 9)]
    repeats: usize,

    #[command(flatten)]
    seed: Seed,

    #[command(flatten)]
    settings: Settings,
}

impl Bench {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (mode, usual) = match self.mode.as_str() {
            "infer" => (BenchMode::Infer, 256),
            _ => (BenchMode::Train, 32),
        };
        let batch = self.settings.batch_size.unwrap_or(usual);
        // As the other libraries' scripts in benches/peers train.
        let peers = ["optimizer=adam", "learning_rate=0.001", "schedule={kind=\"constant\"}"];
        let given = self.settings.get(&[("training.seed", self.seed.seed.map(|seed| seed.to_string()))]);
        let settings: Vec<String> =
            peers.map(|setting| format!("training.{setting}")).into_iter().chain(given).collect();
        let config = Config::read(None, &self.model, &settings)?;
        let measured = run::bench(&config, cx.device, mode, batch, self.repeats, &mut cx.progress)?;
        if cx.json { output::json(&measured) } else { print(&measured) }
    }
}

fn print(measured: &Measured) -> anyhow::Result<()> {
    let Measured { model, device, batch, threads, instructions, parameters, forward_mflop, .. } = measured;
    let Measured { samples_per_second, range: [slowest, fastest], repeats, gflops, peak_gflops, .. } =
        measured;
    let mode = match measured.mode {
        BenchMode::Train => "training",
        BenchMode::Infer => "inference",
    };
    output::line(format!(
        "{model}, {mode} on {device}: batch {batch}, {threads} threads, {instructions}; {parameters} parameters, {forward_mflop:.1} MFLOP per sample forward"
    ))?;
    output::line(format!(
        "{samples_per_second:.0} samples/s, median of {repeats} rounds ({slowest:.0} to {fastest:.0})"
    ))?;
    output::line(format!(
        "{gflops:.1} GFLOP/s, {:.1} % of the FMA peak of {peak_gflops:.0}",
        100.0 * measured.share_of_peak
    ))?;
    if let Some(memory) = measured.peak_memory_mb {
        output::line(format!("{memory:.0} MB at most"))?;
    }
    match measured.first_step_seconds {
        Some(seconds) => output::line(format!("first step done {seconds:.2} s after the process began")),
        None => Ok(()),
    }
}
