//! The study's table: mean and standard deviation over seeds, as Markdown, CSV and LaTeX.

use std::fmt::Write as _;

use crate::scorecard::{Measure, Scorecard};
use crate::studies::summary::Summary;

/// One line: a variant's labels, a method, and its tables for each seed.
pub(super) struct Line {
    pub variant: &'static str,
    pub method: &'static str,
    pub cards: Vec<Scorecard>,
}

/// What a measure comes to over the seeds; none where it was not computed.
fn summary(line: &Line, measure: Measure) -> Option<Summary> {
    let values: Option<Vec<f64>> =
        line.cards.iter().map(|card| card.row(measure).map(|row| row.value)).collect();
    values.filter(|values| !values.is_empty()).map(|values| Summary::of(&values))
}

fn cell(line: &Line, measure: Measure, sign: &str) -> String {
    summary(line, measure).map_or_else(|| "–".to_owned(), |summary| summary.text(sign))
}

pub(super) fn markdown(lines: &[Line]) -> String {
    let mut text = "| labels | method | seeds |".to_owned();
    let put = |text: &mut String, words: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = text.write_fmt(words);
    };
    for measure in Measure::ALL {
        put(
            &mut text,
            format_args!(" {} {} |", measure.short_name(), if measure.is_score() { "↑" } else { "↓" }),
        );
    }
    text.push_str("\n|---|---|---:|");
    text.push_str(&"---:|".repeat(Measure::ALL.len()));
    text.push('\n');
    for line in lines {
        put(&mut text, format_args!("| {} | {} | {} |", line.variant, line.method, line.cards.len()));
        for measure in Measure::ALL {
            put(&mut text, format_args!(" {} |", cell(line, measure, "±")));
        }
        text.push('\n');
    }
    text
}

pub(super) fn csv(lines: &[Line], data: &str) -> String {
    let mut text = format!("# data: {data}\nlabels,method,seeds,measure,mean,sd\n");
    for line in lines {
        for measure in Measure::ALL {
            if let Some(summary) = summary(line, measure) {
                let (mean, deviation) = (summary.mean, summary.deviation_field());
                let (variant, method, seeds) = (line.variant, line.method, line.cards.len());
                let _ =
                    writeln!(text, "{variant},{method},{seeds},{},{mean},{deviation}", measure.short_name());
            }
        }
    }
    text
}

pub(super) fn latex(lines: &[Line], data: &str) -> String {
    let columns = "r".repeat(Measure::ALL.len());
    let mut text = format!("% data: {data}\n\\begin{{tabular}}{{ll{columns}}}\n\\hline\nlabels & method");
    for measure in Measure::ALL {
        let _ = write!(text, " & {}", measure.short_name());
    }
    text.push_str(" \\\\\n\\hline\n");
    for line in lines {
        let _ = write!(text, "{} & {}", line.variant, line.method);
        for measure in Measure::ALL {
            let _ = write!(text, " & ${}$", cell(line, measure, "\\pm").replace('–', "-"));
        }
        text.push_str(" \\\\\n");
    }
    text.push_str("\\hline\n\\end{tabular}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::{ScorecardRow, ScorecardSettings};

    fn card(value: f64) -> Scorecard {
        let row =
            |measure| ScorecardRow { measure, value, interval: None, votes_interval: None, ceiling: None };
        let rows = vec![row(Measure::OverallAccuracy)];
        Scorecard { samples: 1, groups: None, settings: ScorecardSettings::default(), rows }
    }

    #[test]
    fn a_line_has_the_mean_and_the_sample_deviation_over_seeds() {
        let line =
            Line { variant: "one-hot", method: "single", cards: vec![card(0.5), card(0.7), card(0.9)] };
        assert!(markdown(&[line]).contains("| one-hot | single | 3 | 0.700 ± 0.200 | – |"));
        let alone = Line { variant: "one-hot", method: "ensemble", cards: vec![card(0.5)] };
        assert!(csv(&[alone], "made up").ends_with("one-hot,ensemble,1,OA,0.5,\n"));
    }
}
