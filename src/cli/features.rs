//! `lcz features`: extract a network's features of every patch of a file.

use clap::Args;
use lcz::run;

use super::options::{Context, Output, Provenance, RunAndData};
use super::output;

/// Extract a network's features of every patch
///
/// Labels, votes and groups are copied where the file of patches has them. Labels are not needed.
#[derive(Debug, Args)]
#[command(
    mut_arg("data", |data| data.required(true).help("File of patches; labels are not needed")),
    mut_arg("out", |out| out.value_name("FILE.h5").help("File of the features")),
    after_help = "The output holds `features` [N, D]: the penultimate layer, or of a unet the mean
of the encoder's smallest maps. Patches and features are streamed, so that
neither needs to fit into memory; the file appears when it is complete.

Examples:
  lcz features runs/first --data data/training.h5 --out features.h5"
)]
pub struct Features {
    #[command(flatten)]
    on: RunAndData,

    #[command(flatten)]
    out: Output,

    #[command(flatten)]
    provenance: Provenance,
}

impl Features {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, data) = self.on.open("testing.h5")?;
        let run = run.with_provenance(self.provenance.provenance);
        let report = run::features(&run, &data, &self.out.out, cx.device, &mut cx.progress)?;
        if cx.json {
            return output::json(&report);
        }
        let what = format!("{} features of each of {} patches", report.width, report.patches);
        output::line(format!("{}: {what} ({})", self.out.out.display(), report.provenance))
    }
}
