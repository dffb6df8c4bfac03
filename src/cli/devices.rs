//! `lcz devices`: the devices of this machine that networks can run on.

use clap::Args;
use lcz::models::{DeviceSummary, devices};

use super::{Context, output};

/// List devices that networks can run on
///
/// The processor, and GPUs with their memory.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  lcz devices
  lcz devices --json")]
pub struct Devices {}

impl Devices {
    #[allow(clippy::unused_self, reason = "it has no options of its own")]
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let found = devices()?;
        if cx.json {
            return output::json_list("devices", &found);
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
            output::line("GPUs need another build of lcz: see docs/how-to.md, \"On a GPU\"")?;
        } else if found.len() == 1 {
            output::line("the driver lists no GPU; check with nvidia-smi")?;
        }
        Ok(())
    }
}
