//! The table of the study (mean and standard deviation over seeds) and its README.

use std::path::Path;

use super::stored::Stored;
use super::{BINS, LabelEffect, LdlOutcome, LdlStudy, ONE_HOT, VARIANTS, VOTES, comparison};
use crate::display::{Cell, Table, cells};
use crate::scorecard::{Measure, Predicted, Scorecard, ScorecardSettings};
use crate::studies::report::{Readme, Summary, network};
use crate::{Probabilities, Progress, Result};

/// Stem, what it shows, the paper's figure.
const FIGURES: [[&str; 3]; 7] = [
    ["voting-entropy", "disagreement of the experts, urban and natural zones", "entropy bar plot"],
    ["voting-confusion", "which zones experts confuse, by their majority", "voting confusion"],
    [
        "confusion",
        "reference against prediction, one-hot next to votes, in per cent of the row",
        "confusion matrix",
    ],
    [
        "reliability-one-hot, reliability-votes",
        "confidence against accuracy, 20 bins, before and after scaling",
        "reliability diagram",
    ],
    [
        "votes-reliability-one-hot, votes-reliability-votes",
        "confidence against the share of experts who agree",
        "–",
    ],
    ["risk-coverage", "the error of the most confident predictions", "–"],
    [
        "set-sizes-one-hot, set-sizes-votes",
        "conformal sets at 90 %, by class; fitted on the validation set",
        "–",
    ],
];

/// One row: a variant's labels, a method, and the scores of each seed.
struct Line {
    variant: &'static str,
    method: &'static str,
    cards: Vec<Scorecard>,
}

impl Line {
    /// A measure over the seeds; none where it was not computed.
    fn summary(&self, measure: Measure) -> Option<Summary> {
        let values: Option<Vec<f64>> =
            self.cards.iter().map(|card| card.row(measure).map(|row| row.value)).collect();
        values.filter(|values| !values.is_empty()).map(|values| Summary::of(&values))
    }
}

pub(super) fn write(
    study: &LdlStudy,
    stored: &Stored,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<LdlOutcome> {
    let Stored { test, variants, .. } = stored;
    let settings = ScorecardSettings { bins: BINS, rounds: 0, panels: 0, ..Default::default() };
    let score = |p| Scorecard::of(Predicted::Probabilities(p), test.reference(), settings);
    let mut lines = Vec::new();
    for (variant, p) in VARIANTS.iter().zip(variants) {
        let methods: [(&str, &[Probabilities]); 5] = [
            ("single", &p.plain),
            ("temperature scaling", &p.scaled),
            ("MC dropout", &p.dropout),
            ("ensemble", std::slice::from_ref(&p.ensemble)),
            ("ensemble, scaled", std::slice::from_ref(&p.ensemble_scaled)),
        ];
        for (method, all) in methods {
            let cards = all.iter().map(score).collect::<Result<_>>()?;
            lines.push(Line { variant: variant.title, method, cards });
        }
    }
    progress.begin("compare", 2);
    let [one_hot, votes] = [ONE_HOT, VOTES].map(|at| &variants[at]);
    let mut differences = comparison::compare("single", [&one_hot.plain, &votes.plain], test)?;
    progress.advance(1, "");
    differences.extend(comparison::compare("temperature scaling", [&one_hot.scaled, &votes.scaled], test)?);
    progress.end("");

    let data = format!("data: {}", test.provenance);
    let shown = shown(&lines);
    shown.write(&out.join("table.md"))?;
    shown.clone().captioned(&data).write(&out.join("table.tex"))?;
    values(&lines).captioned(data).write(&out.join("table.csv"))?;
    let outcome = LdlOutcome {
        table: shown,
        test_patches: test.labels.len(),
        differences,
        provenance: test.provenance.clone(),
    };
    readme(study, &outcome, test.groups.is_some()).write(out)?;
    Ok(outcome)
}

/// The columns.
const MEASURES: [Measure; 11] = [
    Measure::OverallAccuracy,
    Measure::AverageAccuracy,
    Measure::Kappa,
    Measure::CrossEntropy,
    Measure::DistributionalCrossEntropy,
    Measure::ExpectedCalibrationError,
    Measure::MaximumCalibrationError,
    Measure::ClasswiseCalibrationError,
    Measure::DistributionCalibrationError,
    Measure::SceAsInLdlPaper,
    Measure::Brier,
];

/// For people.
fn shown(lines: &[Line]) -> Table {
    let arrow = |measure: Measure| if measure.is_score() { "↑" } else { "↓" };
    let measures = MEASURES.map(|measure| format!("{} {}", measure.short_name(), arrow(measure)));
    let mut table = Table::new(["labels", "method", "seeds"].map(str::to_owned).into_iter().chain(measures));
    for line in lines {
        let first = cells![line.variant, line.method, line.cards.len()];
        let summary = |measure| line.summary(measure).map_or_else(|| Cell::from("–"), Summary::cell);
        table.row(first.into_iter().chain(MEASURES.map(summary)));
    }
    table
}

/// For machines.
fn values(lines: &[Line]) -> Table {
    let mut table = Table::new(["labels", "method", "seeds", "measure", "mean", "sd"]);
    for line in lines {
        for measure in MEASURES {
            if let Some(Summary { mean, deviation }) = line.summary(measure) {
                let seeds = line.cards.len();
                table.row(cells![line.variant, line.method, seeds, measure.short_name(), mean, deviation]);
            }
        }
    }
    table
}

/// Votes minus one-hot.
pub(super) fn differences(differences: &[LabelEffect]) -> Table {
    let mut table = Table::new(["measure", "method", "difference", "95 % interval", ""]);
    for LabelEffect { measure, method, difference } in differences {
        let verdict = difference
            .verdict("one-hot is better", "votes are better")
            .unwrap_or(if difference.interval.is_some() { "undecided" } else { "variation unknown" });
        let value = format!("{:+.4}", difference.value);
        table.row(cells![*measure, *method, value, difference.range(), verdict]);
    }
    table
}

fn readme(study: &LdlStudy, outcome: &LdlOutcome, groups: bool) -> Readme {
    let LdlOutcome { provenance, test_patches, .. } = outcome;
    let mut readme = Readme::new("Labels from votes against one-hot labels", provenance);
    let seeds: Vec<String> = study.random_seeds().map(|seed| seed.to_string()).collect();
    readme.text(format!(
        "Data: {provenance}; {test_patches} test patches. {} Random seeds {}, {} passes of Monte Carlo dropout; an \
         ensemble is a variant's networks. Temperatures are fitted on the validation set.",
        network(&study.config),
        seeds.join(", "),
        study.passes
    ));
    readme.section("Do votes beat one-hot labels?");
    let resampled = if groups { "groups of test patches (cities)" } else { "test patches" };
    readme.text(format!(
        "Votes minus one-hot, no smoothing, mean over seeds; below 0 the votes are better. 95 % intervals: \
         of losses over {resampled} and seeds, of calibration errors over seeds on these test patches (Student's t)."
    ));
    readme.table(&differences(&outcome.differences));
    readme.section("Table");
    readme.text(
        "Mean ± standard deviation over seeds; calibration errors in 20 bins. Also in `table.csv` and `table.tex`.",
    );
    readme.table(&outcome.table);
    readme.section("Figures");
    readme.text(
        "Each is an SVG, a PNG and a CSV of the numbers drawn; all are of the first seed, without smoothing.",
    );
    let mut figures = Table::new(["figure", "shows", "in the paper"]);
    for row in FIGURES {
        figures.row(row);
    }
    readme.table(&figures);
    readme.text(
        "`predictions/` holds the probabilities of each network for the test set and the validation set (`lcz score` \
         reads them) and the entropies of each sample; `runs/` holds the networks. `lcz verify confusion.svg` computes \
         what a figure shows from the predictions, and `lcz reproduce ldl --collect --out .` makes table and figures \
         from them, both without training. A figure that was moved needs `--run FOLDER`, the study's.",
    );
    readme
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::ScorecardRow;

    fn card(value: f64) -> Scorecard {
        let rows = vec![ScorecardRow::bare(Measure::OverallAccuracy, value)];
        let settings = ScorecardSettings::default();
        Scorecard { samples: 1, groups: None, settings, warnings: Vec::new(), experts: None, rows }
    }

    #[test]
    fn a_line_has_the_mean_and_the_sample_deviation_over_seeds() {
        let line = Line { variant: "one-hot", method: "single", cards: [0.5, 0.7, 0.9].map(card).into() };
        assert!(shown(&[line]).markdown().contains("| one-hot | single | 3 | 0.700 ± 0.200 | – |"));
        let alone = Line { variant: "one-hot", method: "ensemble", cards: vec![card(0.5)] };
        assert!(values(&[alone]).csv().ends_with("one-hot,ensemble,1,OA,0.5,\n"));
    }
}
