//! Table 1: mean and standard deviation over runs, the best of each size in bold; as Markdown, CSV and LaTeX.

use std::fmt::Write as _;

use super::grid::{Cell, Measured, Outcome, Strategy};
use crate::experiment::summary::Summary;
use crate::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
use crate::{LabelDistributions, Labels};

/// The paper's measures; its cross-entropy is that against the votes.
const MEASURES: [Measure; 5] = [
    Measure::OverallAccuracy,
    Measure::AverageAccuracy,
    Measure::Kappa,
    Measure::DistributionalCrossEntropy,
    Measure::CrossEntropy,
];

/// One measure of a cell's runs; none where it cannot be computed.
pub(super) fn values(
    outcomes: &[Outcome],
    labels: &Labels,
    y: Option<&LabelDistributions>,
    measure: Measure,
) -> Option<Vec<f64>> {
    let settings = ScorecardSettings { rounds: 0, panels: 0, ..ScorecardSettings::default() };
    let of = |outcome: &Outcome| {
        let reference = Reference::new(labels);
        let reference = y.map_or(reference, |y| reference.with_distributions(y));
        let card = Scorecard::of(Predicted::Probabilities(&outcome.predicted), reference, settings).ok()?;
        card.row(measure).map(|row| row.value)
    };
    outcomes.iter().map(of).collect()
}

/// A row: a cell with a summary of each measure that the data allow.
struct Row {
    cell: Cell,
    patches: usize,
    runs: usize,
    summaries: Vec<Summary>,
    /// Whether each is the best of its size.
    best: Vec<bool>,
}

fn rows(measured: &Measured) -> (Vec<Measure>, Vec<Row>) {
    let y = measured.y.as_ref();
    let measures: Vec<Measure> = MEASURES
        .into_iter()
        .filter(|measure| y.is_some() || *measure != Measure::DistributionalCrossEntropy)
        .collect();
    let mut rows: Vec<Row> = Vec::new();
    for (cell, outcomes) in &measured.cells {
        let of = |measure| values(outcomes, &measured.labels, y, measure).unwrap_or_default();
        rows.push(Row {
            cell: *cell,
            patches: outcomes.first().map_or(0, |outcome| outcome.patches),
            runs: outcomes.len(),
            summaries: measures.iter().map(|measure| Summary::of(&of(*measure))).collect(),
            best: vec![false; measures.len()],
        });
    }
    for (m, measure) in measures.iter().enumerate() {
        let better = |a: f64, b: f64| if measure.is_score() { a > b } else { a < b };
        for n in 0..rows.len() {
            let of_its_size = rows.iter().filter(|row| row.cell.share.total_cmp(&rows[n].cell.share).is_eq());
            let mean = rows[n].summaries[m].mean;
            let beaten = of_its_size.clone().any(|other| better(other.summaries[m].mean, mean));
            let alone = of_its_size.count() == 1;
            rows[n].best[m] = !beaten && !alone;
        }
    }
    (measures, rows)
}

fn share(cell: Cell, percent: &str) -> String {
    if cell.strategy == Strategy::Full { "all".to_owned() } else { format!("{}{percent}", cell.share) }
}

pub(super) fn markdown(measured: &Measured) -> String {
    let (measures, rows) = rows(measured);
    let mut text = "| size | patches | subset |".to_owned();
    // Writing to a string does not fail, here and below.
    for measure in &measures {
        let _ = write!(text, " {} {} |", measure.short_name(), if measure.is_score() { "↑" } else { "↓" });
    }
    let _ = writeln!(text, "\n|---:|---:|---|{}", "---:|".repeat(measures.len()));
    for row in &rows {
        let code = row.cell.strategy.code();
        let _ = write!(text, "| {} | {} | {code} |", share(row.cell, " %"), row.patches);
        for (summary, best) in row.summaries.iter().zip(&row.best) {
            let number = summary.text("±");
            let _ = if *best { write!(text, " **{number}** |") } else { write!(text, " {number} |") };
        }
        text.push('\n');
    }
    text
}

pub(super) fn csv(measured: &Measured) -> String {
    let (measures, rows) = rows(measured);
    let mut text = format!(
        "# data: {}, {} patches\nshare,patches,subset,runs,measure,mean,sd\n",
        measured.provenance,
        measured.labels.len()
    );
    for row in &rows {
        for (measure, summary) in measures.iter().zip(&row.summaries) {
            let deviation = summary.deviation_field();
            let _ = writeln!(
                text,
                "{},{},{},{},{},{},{deviation}",
                row.cell.share,
                row.patches,
                row.cell.strategy.code(),
                row.runs,
                measure.short_name(),
                summary.mean
            );
        }
    }
    text
}

pub(super) fn latex(measured: &Measured) -> String {
    let (measures, rows) = rows(measured);
    let columns = "r".repeat(measures.len());
    let mut text = format!(
        "% data: {}, {} patches\n\\begin{{tabular}}{{rl{columns}}}\n\\hline\nsize & subset",
        measured.provenance,
        measured.labels.len()
    );
    for measure in &measures {
        let _ = write!(text, " & {}", measure.short_name());
    }
    text.push_str(" \\\\\n\\hline\n");
    let mut before = None;
    for row in &rows {
        let size = share(row.cell, "");
        if before.replace(size.clone()).is_some_and(|before| before != size) {
            text.push_str("\\hline\n");
        }
        let _ = write!(text, "{} & {}", share(row.cell, "\\,\\%"), row.cell.strategy.code());
        for (summary, best) in row.summaries.iter().zip(&row.best) {
            let number = summary.text("\\pm");
            let _ =
                if *best { write!(text, " & $\\mathbf{{{number}}}$") } else { write!(text, " & ${number}$") };
        }
        text.push_str(" \\\\\n");
    }
    text.push_str("\\hline\n\\end{tabular}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Classes, Probabilities};
    use ndarray::Array2;

    /// Two samples of two classes, so many of them right.
    fn outcome(right: usize) -> Outcome {
        let p = Array2::from_shape_fn((4, 2), |(n, k)| if (k == n % 2) == (n < right) { 0.75 } else { 0.25 });
        let predicted = Probabilities::new(Classes::named(["a", "b"]).unwrap(), p).unwrap();
        Outcome { predicted, patches: 7 }
    }

    #[test]
    fn each_size_has_its_mean_its_deviation_and_its_best_in_bold() {
        let cell = |strategy, share| Cell { strategy, share };
        let measured = Measured {
            name: "held-out",
            cells: vec![
                (cell(Strategy::Random, 5.0), vec![outcome(2), outcome(3), outcome(4)]),
                (cell(Strategy::Uncertain, 5.0), vec![outcome(2), outcome(2), outcome(2)]),
                (cell(Strategy::Full, 100.0), vec![outcome(4), outcome(4), outcome(4)]),
            ],
            labels: Labels::new(Classes::named(["a", "b"]).unwrap(), vec![0, 1, 0, 1]).unwrap(),
            y: None,
            groups: None,
            provenance: "made up".to_owned(),
        };
        let text = markdown(&measured);
        // Overall accuracies 0.5, 0.75 and 1: mean 0.75, sample deviation 0.25.
        assert!(text.contains("| 5 % | 7 | R | **0.750 ± 0.250** |"), "{text}");
        assert!(text.contains("| 5 % | 7 | UT | 0.500 ± 0.000 |"), "{text}");
        assert!(text.contains("| all | 7 | full | 1.000 ± 0.000 |"), "{text}");
        assert!(csv(&measured).contains("5,7,R,3,OA,0.75,0.25\n"));
        assert!(latex(&measured).contains("5\\,\\% & R & $\\mathbf{0.750 \\pm 0.250}$"));
    }
}
