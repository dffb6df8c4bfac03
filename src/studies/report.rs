//! The reports of all studies: scores and their means over runs, the README.

use std::path::Path;

use crate::Result;
use crate::display::{Cell, Table, cells};
use crate::figures::BandPoint;
use crate::files::write_whole;
use crate::models::Architecture;
use crate::run::Config;
use crate::scorecard::{Measure, Scorecard};

/// Mean and, of two values or more, their sample standard deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub mean: f64,
    pub deviation: Option<f64>,
}

impl Summary {
    pub fn from_values(values: &[f64]) -> Self {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Self { mean, deviation: (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt()) }
    }

    /// `0.750 ± 0.250`
    pub fn text(self) -> String {
        match self.deviation {
            Some(deviation) => format!("{:.3} ± {deviation:.3}", self.mean),
            None => format!("{:.3}", self.mean),
        }
    }

    /// A point of a curve, with a band of one standard deviation to each side.
    pub fn point(self, x: f64) -> BandPoint {
        let scatter = self.deviation.unwrap_or(0.0);
        BandPoint { x, mean: self.mean, low: self.mean - scatter, high: self.mean + scatter }
    }
}

/// The scores of runs that differ by chance: a row of a table.
pub(super) struct Line {
    /// What was run, for people and for machines.
    pub first: [Vec<Cell>; 2],
    /// Rows of one block are compared: the best mean is in bold.
    pub block: Option<f64>,
    pub cards: Vec<Scorecard>,
}

impl Line {
    /// A measure over the runs; none where it was not computed.
    pub fn summary(&self, measure: Measure) -> Option<Summary> {
        let values: Option<Vec<f64>> =
            self.cards.iter().map(|card| card.row(measure).map(|row| row.value)).collect();
        values.filter(|values| !values.is_empty()).map(|values| Summary::from_values(&values))
    }

    /// Whether it has the best mean of its block, where the block has several rows.
    fn is_best(&self, measure: Measure, lines: &[Self]) -> bool {
        let sign = if measure.is_score() { 1.0 } else { -1.0 };
        let mean = |line: &Self| line.summary(measure).map_or(f64::NAN, |summary| sign * summary.mean);
        let block: Vec<f64> = lines.iter().filter(|line| line.block == self.block).map(mean).collect();
        self.block.is_some() && block.len() > 1 && block.iter().all(|other| *other <= mean(self))
    }
}

/// A row per kind of run and a column per measure: mean and standard deviation over the runs, for people.
pub(super) fn shown(first: &[&str], measures: &[Measure], lines: &[Line]) -> Table {
    let arrow = |measure: Measure| if measure.is_score() { "↑" } else { "↓" };
    let names = measures.iter().map(|&measure| format!("{} {}", measure.short_name(), arrow(measure)));
    let mut table = Table::new(first.iter().map(|name| (*name).to_owned()).chain(names));
    let mut before = None;
    for line in lines {
        if before.replace(line.block).is_some_and(|before| before != line.block) {
            table.rule();
        }
        let cell = |&measure: &Measure| match line.summary(measure) {
            Some(summary) => Cell::from(summary.text()).bold(line.is_best(measure, lines)),
            None => "–".into(),
        };
        table.row(line.first[0].iter().cloned().chain(measures.iter().map(cell)));
    }
    table
}

/// The same for machines: a row per kind of run and measure.
pub(super) fn values(first: &[&str], measures: &[Measure], lines: &[Line]) -> Table {
    let mut table = Table::new(first.iter().copied().chain(["measure", "mean", "sd"]));
    for line in lines {
        for &measure in measures {
            let Some(Summary { mean, deviation }) = line.summary(measure) else { continue };
            let of_measure = cells![measure.short_name(), mean, deviation];
            table.row(line.first[1].iter().cloned().chain(of_measure));
        }
    }
    table
}

/// Writes a table as `stem.md` and `stem.tex` for people, and its numbers as `stem.csv`.
pub(super) fn write_tables(
    out: &Path,
    stem: &str,
    shown: &Table,
    values: Table,
    caption: &str,
) -> Result<()> {
    let at = |extension: &str| out.join(format!("{stem}.{extension}"));
    shown.write(&at("md"))?;
    shown.clone().captioned(caption).write(&at("tex"))?;
    values.captioned(caption).write(&at("csv"))
}

/// Description of a network and its training.
pub(super) fn network(config: &Config) -> String {
    let training = &config.training;
    let network = match &config.model {
        Architecture::Sen2lcz(settings) => format!("Sen2LCZ of width {}", settings.width),
        other => other.name().to_owned(),
    };
    format!(
        "Network: {network}, at most {} epochs (patience {}), batches of {}.",
        training.epochs, training.patience, training.batch_size
    )
}

/// A README, block by block.
pub(super) struct Readme(String);

impl Readme {
    /// With a title, and a warning where the data are synthetic.
    pub fn new(title: &str, provenance: &str) -> Self {
        let mut readme = Self(format!("# {title}\n"));
        if crate::provenance::synthetic(provenance).is_some() {
            readme.text(
                "**The data are synthetic**: the numbers show that the study runs, not how real cities come out.",
            );
        }
        readme
    }

    /// A paragraph.
    pub fn text(&mut self, text: impl AsRef<str>) {
        self.0.extend(["\n", text.as_ref().trim_end(), "\n"]);
    }

    /// A heading.
    pub fn section(&mut self, title: &str) {
        self.text(format!("## {title}"));
    }

    pub fn table(&mut self, table: &Table) {
        self.text(table.markdown());
    }

    /// A figure of the study.
    pub fn figure(&mut self, title: &str, name: &str) {
        self.text(format!("![{title}]({name}.png)"));
    }

    pub fn write(&self, out: &Path) -> Result<()> {
        write_whole(&out.join("README.md"), self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::{ScorecardRow, ScorecardSettings};

    #[test]
    fn a_line_has_the_mean_and_the_sample_deviation_and_the_best_of_a_block_is_bold() {
        let card = |value: f64| {
            let rows = vec![ScorecardRow::bare(Measure::OverallAccuracy, value)];
            let settings = ScorecardSettings::default();
            Scorecard { samples: 1, groups: None, settings, warnings: Vec::new(), experts: None, rows }
        };
        let line = |name: &str, block, values: &[f64]| {
            let first = [cells![name].to_vec(), cells![name, values.len()].to_vec()];
            Line { first, block, cards: values.iter().copied().map(card).collect() }
        };
        let lines = [
            line("a", Some(5.0), &[0.5, 0.7, 0.9]),
            line("b", Some(5.0), &[0.5, 0.5]),
            line("c", Some(9.0), &[0.5]),
            line("d", None, &[0.5]),
        ];
        let measures = [Measure::OverallAccuracy, Measure::Kappa];
        let table = shown(&["run"], &measures, &lines).markdown();
        for row in ["| a | **0.700 ± 0.200** | – |", "| b | 0.500 ± 0.000 | – |", "| c | 0.500 | – |"]
        {
            assert!(table.contains(row), "{table}");
        }
        let latex = shown(&["run"], &measures, &lines).latex();
        assert!(latex.contains("a & \\textbf{0.700 $\\pm$ 0.200}"), "{latex}");
        assert!(values(&["run", "runs"], &measures, &lines[3..]).csv().ends_with("d,1,OA,0.5,\n"));
    }
}
