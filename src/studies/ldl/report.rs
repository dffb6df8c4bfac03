//! The table of the study (mean and standard deviation over seeds) and its README.

use std::path::Path;

use super::{BINS, LabelEffect, LdlOutcome, LdlStudy, ONE_HOT, Stored, VARIANTS, VOTES, comparison};
use crate::display::{Table, cells};
use crate::scorecard::{Measure, Predicted, Scorecard, ScorecardSettings};
use crate::studies::differences::Difference;
use crate::studies::report::{Line, Readme, network, shown, values, write_tables};
use crate::{Probabilities, Progress, Result};

/// Stem, what it shows, the paper's figure.
const FIGURES: [[&str; 3]; 7] = [
    ["voting-entropy", "disagreement of the experts, urban and natural zones", "entropy bar plot"],
    ["voting-confusion", "which zones experts confuse, by their majority", "voting confusion"],
    ["confusion", "reference against prediction, in per cent of the row", "confusion matrix"],
    ["reliability-…", "confidence against accuracy, before and after scaling", "reliability diagram"],
    ["votes-reliability-…", "confidence against the share of experts who agree", "–"],
    ["risk-coverage", "the error of the most confident predictions", "–"],
    ["set-sizes-…", "conformal sets at 90 %, by class; fitted on the validation set", "–"],
];

pub(super) fn write(
    study: &LdlStudy,
    stored: &Stored,
    out: &Path,
    progress: &mut dyn Progress,
) -> Result<LdlOutcome> {
    let Stored { test, variants, .. } = stored;
    let settings = ScorecardSettings { bins: BINS, rounds: 0, panels: 0, ..Default::default() };
    let score = |p| Scorecard::compute(Predicted::Probabilities(p), test.reference(), settings);
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
            let first = cells![variant.title, method, all.len()].to_vec();
            let cards = all.iter().map(score).collect::<Result<_>>()?;
            lines.push(Line { first: [first.clone(), first], block: None, cards });
        }
    }
    progress.begin("compare", 2);
    let [one_hot, votes] = [ONE_HOT, VOTES].map(|at| &variants[at]);
    let mut differences = comparison::compare("single", [&one_hot.plain, &votes.plain], test)?;
    progress.advance(1, "");
    differences.extend(comparison::compare("temperature scaling", [&one_hot.scaled, &votes.scaled], test)?);
    Difference::correct(differences.iter_mut().map(|effect| &mut effect.difference));
    progress.end("");

    let first = ["labels", "method", "seeds"];
    let (shown, values) = (shown(&first, &MEASURES, &lines), values(&first, &MEASURES, &lines));
    write_tables(out, "table", &shown, values, &format!("data: {}", test.provenance))?;
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

/// Votes minus one-hot.
pub(super) fn differences(differences: &[LabelEffect]) -> Table {
    let mut table = Table::new(["measure", "method", "difference", "95 % interval", "p (Holm)", ""]);
    for LabelEffect { measure, method, difference } in differences {
        let verdict = difference
            .verdict("one-hot is better", "votes are better")
            .unwrap_or(if difference.interval.is_some() { "undecided" } else { "variation unknown" });
        let value = format!("{:+.4}", difference.value);
        table.row(cells![*measure, *method, value, difference.range(), difference.corrected(), verdict]);
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
    readme.section("Are votes better than one-hot labels?");
    let resampled = if groups { "groups of test patches (cities)" } else { "test patches" };
    readme.text(format!(
        "Votes minus one-hot, no smoothing, mean over seeds; below 0 the votes are better. 95 % intervals: \
         of losses over {resampled} and seeds, of calibration errors over seeds on these test patches (Student's t), \
         each separately. p: chance of such a difference if there were none, with Holm's correction for all rows."
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
