//! `lcz bench`: how fast a network trains and classifies on this machine.

use clap::{Args, ValueEnum};
use lcz::Progress;
use lcz::models::{Architecture, Device};
use lcz::run;
use lcz::run::{BenchMode, Config, Measured};

use super::output;

/// Time a network on random patches of So2Sat's size (unet: 64 × 64 × 3), next to the best that this machine can do.
///
/// The median over rounds, through the calls that training and predicting make. Nothing else should run
/// meanwhile.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz bench sen2lcz --mode train --batch 32 --threads 2
  lcz bench mlp --mode infer --batch 256 --json
  lcz bench unet --mode train --batch 8
  lcz bench unet --set model.encoder=plain --set model.width=0.25
  lcz bench sen2lcz --set model.width=32 --set training.optimizer=nadam")]
pub struct Bench {
    #[arg(help = format!("The network: {}", Architecture::NAMES.join(", ")))]
    model: String,

    /// What is timed.
    #[arg(long, value_enum, default_value_t = Mode::Train)]
    mode: Mode,

    /// Samples a step of training or a call that predicts [default: 32 to train, 256 to infer].
    #[arg(long)]
    batch: Option<usize>,

    /// Threads [default: all cores].
    #[arg(long)]
    threads: Option<usize>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Rounds of 0.7 s or more, of which the median counts.
    #[arg(long, default_value_t = 9)]
    rounds: usize,

    /// A setting of the network or of its training, as for `lcz train`; the optimiser is Adam if none is set.
    #[arg(long, value_name = "TABLE.KEY=VALUE")]
    set: Vec<String>,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Train,
    Infer,
}

impl Bench {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        // As the other libraries' scripts in benches/peers train.
        let mut settings: Vec<String> =
            ["optimizer=adam", "learning_rate=0.001", "schedule={kind=\"constant\"}"]
                .map(|setting| format!("training.{setting}"))
                .into();
        settings.extend(self.set);
        let config = Config::read(None, &self.model, &settings)?;
        let (mode, batch) = match self.mode {
            Mode::Train => (BenchMode::Train, self.batch.unwrap_or(32)),
            Mode::Infer => (BenchMode::Infer, self.batch.unwrap_or(256)),
        };
        if let Some(threads) = self.threads {
            anyhow::ensure!(threads > 0, "--threads: 0; choose at least 1");
            rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
        }
        let measured = run::bench(&config, self.device, mode, batch, self.rounds, progress)?;
        if self.json { output::json(&measured) } else { print(&measured) }
    }
}

fn print(measured: &Measured) -> anyhow::Result<()> {
    let Measured { model, mode, device, batch, threads, range: [slowest, fastest], .. } = measured;
    let mode = match mode {
        BenchMode::Train => "training",
        BenchMode::Infer => "inference",
    };
    let Measured { parameters, forward_mflop, instructions, .. } = measured;
    output::line(format!(
        "{model}, {mode} on {device}: batch {batch}, {threads} threads, {instructions}; {parameters} parameters, {forward_mflop:.1} MFLOP a sample forward"
    ))?;
    let Measured { samples_per_second, rounds, .. } = measured;
    output::line(format!(
        "{samples_per_second:.0} samples/s, median of {rounds} rounds ({slowest:.0} to {fastest:.0})"
    ))?;
    let Measured { gflops, peak_gflops, share_of_peak, .. } = measured;
    output::line(format!(
        "{gflops:.1} GFLOP/s, {:.1} % of the {peak_gflops:.0} that fused multiply-adds alone reach",
        100.0 * share_of_peak
    ))?;
    if let Some(memory) = measured.peak_memory_mb {
        output::line(format!("{memory:.0} MB at most"))?;
    }
    if let Some(seconds) = measured.first_step_seconds {
        output::line(format!("first step done {seconds:.2} s after the process began"))?;
    }
    Ok(())
}
