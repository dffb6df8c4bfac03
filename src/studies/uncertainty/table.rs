//! Table 1: mean and standard deviation over runs, the best of each size in bold; as Markdown, CSV and LaTeX.

use std::fmt::Write as _;
use std::path::Path;

use super::grid::{Cell, Measured, Outcome, Strategy};
use crate::scorecard::{Measure, Predicted, Reference, Scorecard, ScorecardSettings};
use crate::studies::summary::Summary;
use crate::{Error, Result};

/// The paper's measures; its cross-entropy is that against the votes.
const MEASURES: [Measure; 5] = [
    Measure::OverallAccuracy,
    Measure::AverageAccuracy,
    Measure::Kappa,
    Measure::DistributionalCrossEntropy,
    Measure::CrossEntropy,
];

/// What the runs say of a test set, with a scorecard of each.
pub(super) struct Scored<'a> {
    pub measured: &'a Measured,
    /// Cells of runs.
    cards: Vec<Vec<Scorecard>>,
}

impl<'a> Scored<'a> {
    /// # Errors
    /// A run whose predictions are not of the test set's samples and classes.
    pub fn of(measured: &'a Measured) -> Result<Self> {
        let settings = ScorecardSettings { rounds: 0, panels: 0, ..ScorecardSettings::default() };
        let reference = Reference::new(&measured.labels);
        let reference = measured.y.as_ref().map_or(reference, |y| reference.with_distributions(y));
        let of_run = |outcome: &Outcome| {
            Scorecard::of(Predicted::Probabilities(&outcome.predicted), reference, settings)
        };
        let of_cell = |(cell, outcomes): &(Cell, Vec<Outcome>)| {
            let name = format!("{}, {} %, {} set", cell.strategy.title(), cell.share, measured.name);
            outcomes.iter().map(of_run).collect::<Result<_>>().map_err(|e| e.within(Path::new(&name)))
        };
        Ok(Self { measured, cards: measured.cells.iter().map(of_cell).collect::<Result<_>>()? })
    }

    /// One measure of a cell's runs; the cell is given by its place.
    ///
    /// # Errors
    /// The measure is not among those of the predictions.
    pub fn values(&self, cell: usize, measure: Measure) -> Result<Vec<f64>> {
        let missing = || Error::Internal { what: "measuring a run", detail: measure.short_name().to_owned() };
        let of = |card: &Scorecard| card.row(measure).map(|row| row.value).ok_or_else(missing);
        self.cards[cell].iter().map(of).collect()
    }
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

/// The table, to be written in one format or another.
pub(super) struct Table<'a> {
    measured: &'a Measured,
    measures: Vec<Measure>,
    rows: Vec<Row>,
}

impl<'a> Table<'a> {
    /// # Errors
    /// As [`Scored::values`].
    pub fn of(scored: &Scored<'a>) -> Result<Self> {
        let measured = scored.measured;
        let measures: Vec<Measure> = MEASURES
            .into_iter()
            .filter(|measure| measured.y.is_some() || *measure != Measure::DistributionalCrossEntropy)
            .collect();
        let mut rows = Vec::with_capacity(measured.cells.len());
        for (n, (cell, outcomes)) in measured.cells.iter().enumerate() {
            let of = |measure: &Measure| Ok(Summary::of(&scored.values(n, *measure)?));
            rows.push(Row {
                cell: *cell,
                patches: outcomes.first().map_or(0, |outcome| outcome.patches),
                runs: outcomes.len(),
                summaries: measures.iter().map(of).collect::<Result<_>>()?,
                best: vec![false; measures.len()],
            });
        }
        mark_the_best(&measures, &mut rows);
        Ok(Self { measured, measures, rows })
    }
}

/// The best of each size by each measure, where there are several.
fn mark_the_best(measures: &[Measure], rows: &mut [Row]) {
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
}

fn share(cell: Cell, percent: &str) -> String {
    if cell.strategy == Strategy::Full { "all".to_owned() } else { format!("{}{percent}", cell.share) }
}

pub(super) fn markdown(Table { measures, rows, .. }: &Table<'_>) -> String {
    let mut text = "| size | patches | subset |".to_owned();
    // Writing to a string does not fail, here and below.
    for measure in measures {
        let _ = write!(text, " {} {} |", measure.short_name(), if measure.is_score() { "↑" } else { "↓" });
    }
    let _ = writeln!(text, "\n|---:|---:|---|{}", "---:|".repeat(measures.len()));
    for row in rows {
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

pub(super) fn csv(Table { measured, measures, rows }: &Table<'_>) -> String {
    let mut text = format!(
        "# data: {}, {} patches\nshare,patches,subset,runs,measure,mean,sd\n",
        measured.provenance,
        measured.labels.len()
    );
    for row in rows {
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

pub(super) fn latex(Table { measured, measures, rows }: &Table<'_>) -> String {
    let columns = "r".repeat(measures.len());
    let mut text = format!(
        "% data: {}, {} patches\n\\begin{{tabular}}{{rl{columns}}}\n\\hline\nsize & subset",
        measured.provenance,
        measured.labels.len()
    );
    for measure in measures {
        let _ = write!(text, " & {}", measure.short_name());
    }
    text.push_str(" \\\\\n\\hline\n");
    let mut before = None;
    for row in rows {
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
    use crate::{Classes, Labels, Probabilities};
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
        let mut measured = Measured {
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
        let table = Table::of(&Scored::of(&measured).unwrap()).unwrap();
        let text = markdown(&table);
        // Overall accuracies 0.5, 0.75 and 1: mean 0.75, sample deviation 0.25.
        assert!(text.contains("| 5 % | 7 | R | **0.750 ± 0.250** |"), "{text}");
        assert!(text.contains("| 5 % | 7 | UT | 0.500 ± 0.000 |"), "{text}");
        assert!(text.contains("| all | 7 | full | 1.000 ± 0.000 |"), "{text}");
        assert!(csv(&table).contains("5,7,R,3,OA,0.75,0.25\n"));
        assert!(latex(&table).contains("5\\,\\% & R & $\\mathbf{0.750 \\pm 0.250}$"));

        // A run of other samples is told, not shown as a cell without a number.
        let positions = [0, 1, 2];
        measured.cells[1].1[2].predicted = measured.cells[1].1[2].predicted.select(&positions);
        let error = Scored::of(&measured).err().unwrap().to_string();
        assert!(error.contains("most uncertain, 5 %, held-out set") && !error.contains('\n'), "{error}");
    }
}
