//! `lcz votes`: agreement of experts.

use std::path::PathBuf;

use clap::Args;
use lcz::metrics::VoteSummary;
use lcz::run;

use super::options::{Context, FigureFolder, Provenance};
use super::output::{self, Table, number};

/// Summarise the votes of several experts
///
/// Agreement, entropy, and which zones are confused. --figures draws the entropy bars and the voting confusion.
#[derive(Debug, Args)]
#[command(after_help = "Files: patterns of votes as CSV (columns X1 ... X17 or zone codes, and Freq,
the number of patches with the pattern), counts as .npy, or an HDF5 file of
patches with votes.

Examples:
  lcz votes data/training.h5
  lcz votes so2sat_vote_patterns.csv --figures figures \\
      --provenance 'real votes of So2Sat LCZ42'")]
pub struct Votes {
    /// File of votes
    file: PathBuf,

    #[command(flatten)]
    figures: FigureFolder,

    #[command(flatten)]
    provenance: Provenance,
}

impl Votes {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (provenance, figures) = (self.provenance.provenance.as_deref(), self.figures.figures);
        let summary = run::sum_up_votes(&self.file, provenance, figures.as_deref())?;
        if cx.json {
            return output::json(&summary);
        }
        let VoteSummary { samples, votes_per_sample: [fewest, most], unanimous, .. } = &summary;
        let panel = if fewest < most { format!("{fewest} to {most}") } else { most.to_string() };
        output::line(format!("{}: {samples} samples of {panel} votes", self.file.display()))?;
        let reason = |reason: &String| format!(" ({reason})");
        output::line(format!(
            "unanimous {:.1} %, Fleiss' kappa {}{}, Krippendorff's alpha {}\n",
            100.0 * unanimous,
            number(summary.fleiss_kappa, 3),
            summary.no_fleiss_kappa.as_ref().map_or_else(String::new, reason),
            number(summary.krippendorff_alpha, 3)
        ))?;

        let mut table = Table::new(["voting entropy", "samples", "mean, nats"]);
        for (name, entropy) in [
            ("all", Some(&summary.entropy)),
            ("urban", summary.urban.as_ref()),
            ("natural", summary.natural.as_ref()),
        ] {
            let Some(entropy) = entropy.filter(|entropy| entropy.samples() > 0) else { continue };
            table.row([name.to_owned(), entropy.samples().to_string(), format!("{:.4}", entropy.mean)]);
        }
        table.print()?;

        output::line("")?;
        let mut table = Table::new(["majority", "samples", "unanimous", "entropy", "votes in %"]);
        for class in summary.classes.iter().filter(|class| class.samples > 0) {
            let mut votes: Vec<(f64, &str)> = class
                .percent
                .iter()
                .copied()
                .zip(summary.classes.iter().map(|class| &*class.class))
                .collect();
            votes.sort_by(|a, b| b.0.total_cmp(&a.0));
            let votes = votes.iter().filter(|(percent, _)| *percent >= 0.5);
            let votes: Vec<String> = votes.map(|(percent, class)| format!("{class}:{percent:.0}")).collect();
            table.row([
                class.name.clone(),
                class.samples.to_string(),
                format!("{:.1} %", 100.0 * class.unanimous),
                format!("{:.3}", class.entropy),
                votes.join(" "),
            ]);
        }
        table.print()?;
        output::figures_in(figures.as_ref())
    }
}
