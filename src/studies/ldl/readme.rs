//! The page beside the study's table and figures: what was done, what came out, what is what.

use std::fmt::Write as _;

use super::{LdlOutcome, LdlStudy};
use crate::scorecard::Interval;

/// Stem, what it shows, the paper's figure.
const FIGURES: [(&str, &str, &str); 7] = [
    ("voting-entropy", "how unsure experts are, urban and natural zones", "entropy bar plot"),
    ("voting-confusion", "whom experts vote for, by their majority", "voting confusion"),
    (
        "confusion",
        "reference against prediction, one-hot beside votes, in per cent of the row",
        "confusion matrix",
    ),
    (
        "reliability-one-hot, reliability-votes",
        "confidence against accuracy, 20 bins, before and after scaling",
        "reliability diagram",
    ),
    (
        "votes-reliability-one-hot, votes-reliability-votes",
        "confidence against the share of experts who agree",
        "–",
    ),
    ("risk-coverage", "the error among the surest predictions", "–"),
    (
        "set-sizes-one-hot, set-sizes-votes",
        "conformal sets at 90 %, by class; fitted on the validation set",
        "–",
    ),
];

pub(super) fn text(study: &LdlStudy, outcome: &LdlOutcome, groups: bool) -> String {
    let LdlStudy { seeds, epochs, width, passes, .. } = study;
    let mut text = format!(
        "# Labels from votes against one-hot labels\n\n\
         Data: {}; {} test patches. Sen2LCZ of width {width}, at most {epochs} epochs, seeds 0 to {}, {passes} passes of \
         Monte Carlo dropout; an ensemble is a variant's networks. Temperatures are fitted on the validation set.\n\n",
        outcome.provenance,
        outcome.test_patches,
        seeds - 1
    );
    if outcome.provenance.starts_with("synthetic") {
        text.push_str("**The data are synthetic**: the numbers show that the study runs, not how real cities come out.\n\n");
    }
    text.push_str("## Do votes beat one-hot labels?\n\n");
    let drawn = if groups { "groups of test patches (cities)" } else { "test patches" };
    let _ = writeln!(
        text,
        "Votes less one-hot, no smoothing, mean over seeds; below 0 the votes are better. 95 % intervals from \
         drawing {drawn} and seeds anew 1,000 times. Few seeds: the intervals are, if anything, too short.\n\n| measure | method | difference | 95 % interval | |\n|---|---|---:|---|---|"
    );
    for difference in &outcome.differences {
        let Interval { lower, upper, .. } = difference.interval;
        let word = match (lower, upper) {
            (_, upper) if upper < 0.0 => "votes are better",
            (lower, _) if lower > 0.0 => "one-hot is better",
            _ => "undecided",
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:+.4} | {lower:+.4} to {upper:+.4} | {word} |",
            difference.measure, difference.method, difference.value
        );
    }
    let _ = write!(
        text,
        "\n## Table\n\nMean ± standard deviation over seeds; calibration errors in 20 bins. Also in `table.csv` and `table.tex`.\n\n{}",
        outcome.table
    );
    text.push_str(
        "\n## Figures\n\nEach is an SVG, a PNG and a CSV of the numbers drawn; all are of seed 0, without smoothing, \
         and drawn by the same `lcz reproduce ldl`.\n\n| figure | shows | in the paper |\n|---|---|---|\n",
    );
    for (stem, shows, paper) in FIGURES {
        let _ = writeln!(text, "| `{}` | {shows} | {paper} |", stem.replace(", ", "`, `"));
    }
    text.push_str(
        "\n`predictions/` holds each network's probabilities for the test set and the validation set (`lcz score` reads them) and \
         each sample's entropies; `runs/` the networks themselves. `lcz verify confusion.svg` computes what a figure shows from \
         the predictions again, and `lcz reproduce ldl --redraw --out .` makes table and figures of them, both without training; what is \
         kept elsewhere needs `--run FOLDER`, the study's.\n",
    );
    text
}
