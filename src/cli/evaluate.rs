//! `lcz evaluate`: a run on labelled data, next to its baselines.

use std::path::PathBuf;

use clap::Args;
use lcz::Progress;
use lcz::models::{Device, Sample};
use lcz::run;
use lcz::run::{MembersSummary, Run};

use super::output::{self, Table};
use super::scorecard::{self, Settings};

/// Score a run on data with labels or masks, next to the majority class and a per-pixel classifier; the scores are
/// added to the run's metrics.json, and its figures are drawn.
#[derive(Debug, Args)]
#[command(after_help = "OA overall accuracy, AA average accuracy (mean recall), F1 macro and weighted,
CE cross-entropy in nats against the labels and against the votes, IoU intersection over union.

For a model of pixels the samples are the pixels that have a class. Groups (blocks of ground) are treated as
independent, or patches where there are no groups.

Examples:
  lcz evaluate runs/first --data data/testing.h5
  lcz evaluate runs/first --data data                (its testing.h5)
  lcz evaluate runs/first --data data/testing.h5 --mc-dropout 20
  lcz evaluate runs/first --data data/testing.h5 --json | jq '.network.scores.kappa'")]
pub struct Evaluate {
    /// The run's folder.
    run: PathBuf,

    /// A labelled HDF5 file, or a folder with a testing.h5; of the one file that the run was trained on, its test part.
    #[arg(long)]
    data: PathBuf,

    #[command(flatten)]
    settings: Settings,

    /// Passes of Monte Carlo dropout (from --seed), whose mean is measured too; 20 are usual.
    #[arg(long, value_name = "PASSES")]
    mc_dropout: Option<usize>,

    /// Where it runs: cpu, or cuda:0 in a build for CUDA; auto takes a GPU if there is one.
    #[arg(long, default_value = "cpu")]
    device: Device,

    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Evaluate {
    pub fn run(self, progress: &mut dyn Progress) -> anyhow::Result<()> {
        let run = Run::open(&self.run)?;
        let evaluation =
            run::evaluate(&run, &self.data, self.settings.get(), self.mc_dropout, self.device, progress)?;
        if self.json {
            return output::json(&evaluation);
        }
        let network = &evaluation.network;
        output::line(format!(
            "{}: {} ({})\n",
            evaluation.data,
            match evaluation.sample {
                Sample::Patch => format!("{} patches", evaluation.patches),
                Sample::Pixel => format!(
                    "{} pixels with a class in {} patches",
                    network.scores.samples, evaluation.patches
                ),
            },
            evaluation.provenance
        ))?;

        let of_pixels = evaluation.sample == Sample::Pixel;
        let other = if of_pixels { "mean IoU" } else { "CE votes" };
        let header = ["model", "OA", "AA", "kappa", "macro F1", "weighted F1", "CE", other, "Brier"];
        let mut table = Table::new(header);
        for row in evaluation.baselines.iter().chain([network]) {
            let s = &row.scores;
            let numbers =
                [s.overall_accuracy, s.average_accuracy, s.kappa, s.macro_f1, s.weighted_f1, s.cross_entropy];
            let cells = numbers.map(three).into_iter();
            let votes = s.votes.as_ref().map_or("-".to_owned(), |votes| three(votes.cross_entropy));
            let other = if of_pixels { three(s.mean_iou) } else { votes };
            table.row([row.model.clone()].into_iter().chain(cells).chain([other, three(s.brier)]));
        }
        table.print()?;

        output::line(format!("\n{}, measure by measure", network.model))?;
        // What was asked for now goes before what the run has.
        let after = match (&evaluation.sampled, &evaluation.scaled) {
            (Some(sampled), _) => Some((format!("{} passes", sampled.passes.members), &sampled.scorecard)),
            (None, Some(scaled)) => Some((format!("at T = {:.3}", scaled.by.temperature), &scaled.scorecard)),
            (None, None) => None,
        };
        let after = after.as_ref().map(|(heading, card)| (heading.as_str(), *card));
        scorecard::print(&evaluation.scorecard, after)?;
        let passes = evaluation.sampled.as_ref().map(|sampled| sampled.passes);
        for (what, summary) in [("members", evaluation.members), ("passes with dropout", passes)] {
            if let Some(MembersSummary { members, entropy }) = summary {
                output::line(format!(
                    "\n{members} {what}: mean entropy {:.3} nats, {:.3} aleatoric and {:.3} epistemic",
                    entropy.total, entropy.aleatoric, entropy.epistemic
                ))?;
            }
        }

        output::line(format!("\n{}, by class", network.model))?;
        let samples = if of_pixels { "pixels" } else { "patches" };
        let mut table = Table::new(["class", samples, "precision", "recall", "F1", "IoU"]);
        for class in network.scores.classes.iter().filter(|class| class.support + class.predicted > 0) {
            let [precision, recall, f1, iou] =
                [class.precision, class.recall, class.f1, class.iou].map(three);
            table.row([class.class.clone(), class.support.to_string(), precision, recall, f1, iou]);
        }
        table.print()?;
        output::line(format!(
            "\nfigures in {}; reliability diagrams have {} bins",
            run.figures().display(),
            run::DIAGRAM_BINS
        ))
    }
}

/// A score in three decimals; one that is not defined is a dash.
fn three(score: f64) -> String {
    if score.is_finite() { format!("{score:.3}") } else { "-".to_owned() }
}
