//! `lcz evaluate`: evaluate a run on labelled data, next to its baselines.

use clap::Args;
use lcz::models::Sample;
use lcz::run::{self, MembersSummary};
use lcz::scorecard::BINS;

use super::options::{Context, Measures, MonteCarloDropout, Provenance, RunAndData};
use super::output::{self, Table, number};
use super::scorecard;

/// Evaluate a run on labelled data
///
/// Prints the scores next to those of the majority class and of a per-pixel classifier, adds them to the run's
/// metrics.json, and draws figures. Data: testing.h5 of a folder, or the test part of the one file that the run was trained on.
#[derive(Debug, Args)]
#[command(after_help = "OA overall accuracy, AA average accuracy (mean recall), F1 macro and weighted,
CE cross-entropy in nats against the labels and against the votes, IoU
intersection over union.

For a model of pixels the samples are the pixels that have a class. Groups
(blocks of ground) are treated as independent, or patches where there are none.

Examples:
  lcz evaluate runs/first                      # on the data of its config.toml
  lcz evaluate runs/first --data data/testing.h5
  lcz evaluate runs/first --mc-dropout 20
  lcz evaluate runs/first --json | jq '.network.scores.kappa'")]
pub struct Evaluate {
    #[command(flatten)]
    on: RunAndData,

    #[command(flatten)]
    measures: Measures,

    #[command(flatten)]
    dropout: MonteCarloDropout,

    #[command(flatten)]
    provenance: Provenance,
}

impl Evaluate {
    pub fn run(self, cx: &mut Context) -> anyhow::Result<()> {
        let (run, data) = self.on.open("testing.h5")?;
        let run = run.with_provenance(self.provenance.provenance);
        let (settings, passes) = (self.measures.get(), self.dropout.mc_dropout);
        let evaluation = run::evaluate(&run, &data, settings, passes, cx.device, &mut cx.progress)?;
        if cx.json {
            return output::json(&evaluation);
        }
        let network = &evaluation.network;
        let three = |score: f64| number(score, 3);
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
            let votes = three(s.votes.as_ref().map_or(f64::NAN, |votes| votes.cross_entropy));
            let other = if of_pixels { three(s.mean_iou) } else { votes };
            table.row([row.model.clone()].into_iter().chain(cells).chain([other, three(s.brier)]));
        }
        table.print()?;

        output::line(format!("\n{}, measure by measure", network.model))?;
        // Options take precedence over the settings of the run.
        let after = match (&evaluation.sampled, &evaluation.scaled) {
            (Some(sampled), _) => Some((format!("{} passes", sampled.passes.members), &sampled.scorecard)),
            (None, Some(scaled)) => Some((format!("at T = {:.3}", scaled.by.temperature), &scaled.scorecard)),
            (None, None) => None,
        };
        let after = after.as_ref().map(|(heading, card)| (heading.as_str(), *card));
        scorecard::print(&evaluation.scorecard, "groups", after)?;
        let passes = evaluation.sampled.as_ref().map(|sampled| sampled.passes);
        for (what, summary) in [("members", evaluation.members), ("passes with dropout", passes)] {
            if let Some(MembersSummary { members, entropy }) = summary {
                output::line(format!(
                    "\n{members} {what}: mean entropy {} nats, {} aleatoric and {} epistemic",
                    three(entropy.total),
                    three(entropy.aleatoric),
                    three(entropy.epistemic)
                ))?;
            }
        }

        output::line(format!("\n{}, by class", network.model))?;
        let samples = if of_pixels { "pixels" } else { "patches" };
        let mut table = Table::new(["class", samples, "precision", "recall", "F1", "IoU"]);
        let classes = evaluation.confusion.classes();
        for (k, class) in network.scores.classes.iter().enumerate() {
            if class.support + class.predicted == 0 {
                continue;
            }
            let [precision, recall, f1, iou] =
                [class.precision, class.recall, class.f1, class.iou].map(three);
            table.row([classes.name(k), class.support.to_string(), precision, recall, f1, iou]);
        }
        table.print()?;
        let shown = || network.scores.classes.iter().filter(|class| class.support + class.predicted > 0);
        let dashes = [
            (!of_pixels && network.scores.votes.is_none(), "CE votes: the data have no votes"),
            (shown().any(|class| class.predicted == 0), "precision: the class is never predicted"),
            (shown().any(|class| class.support == 0), "recall: the data have no sample of the class"),
        ];
        let dashes: Vec<&str> = dashes.into_iter().filter(|(is, _)| *is).map(|(_, why)| why).collect();
        if !dashes.is_empty() {
            output::line(format!("not defined (-): {}", dashes.join("; ")))?;
        }
        output::line(format!(
            "\nfigures in {}; reliability diagrams have {BINS} bins",
            run.figures().display()
        ))
    }
}
