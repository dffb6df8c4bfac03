//! `lcz devices`: what networks can run on here.

use clap::Args;
use lcz::models::{DeviceSummary, devices};

use super::output;

/// List what networks can run on here, with a GPU's memory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz devices
  lcz devices --json")]
pub struct Devices {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Devices {
    pub fn run(self) -> anyhow::Result<()> {
        let found = devices()?;
        if self.json {
            return output::json(&found);
        }
        for DeviceSummary { device, kind, units, memory } in &found {
            output::line(match memory {
                None => format!("{device}     {kind}, {units} threads"),
                Some([free, all]) => {
                    let gib = |bytes: &u64| *bytes as f64 / f64::from(1 << 30);
                    format!(
                        "{device}  {kind}, {units} multiprocessors, {:.1} of {:.1} GiB free",
                        gib(free),
                        gib(all)
                    )
                }
            })?;
        }
        if cfg!(not(feature = "cuda")) {
            output::line("GPUs need another build of lcz: see README, \"On a GPU\"")?;
        } else if found.len() == 1 {
            output::line("the driver shows no GPU; does nvidia-smi?")?;
        }
        Ok(())
    }
}
