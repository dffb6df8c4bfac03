//! The evaluation table as `lcz evaluate` and `lcz score` print it.

use lcz::metrics::NoInterval;
use lcz::scorecard::{Interval, Measure, Scorecard, ScorecardRow};

use super::output::{self, Table, number};

/// Prints a table, and next to it the values of another one of the same rows under a heading.
pub fn print(card: &Scorecard, other: Option<(&str, &Scorecard)>) -> anyhow::Result<()> {
    let interval = |i: Option<Interval>| {
        i.map_or_else(|| "-".to_owned(), |i| format!("{} to {}", number(i.lower, 4), number(i.upper, 4)))
    };
    let experts = card.experts.is_some();
    let calibrated = card.rows.iter().any(|row| row.if_calibrated.is_some());
    let percent = 100.0 * card.settings.level;
    let mut header = vec!["measure".to_owned(), "value".to_owned(), format!("{percent:.0} % interval")];
    if calibrated {
        header.push("if calibrated".to_owned());
    }
    if let Some((name, _)) = other {
        header.push(name.to_owned());
        header.push("interval".to_owned());
    }
    if experts {
        header.push("experts".to_owned());
    }
    let value = |value: f64| number(value, 5);
    let mut table = Table::new(header);
    for row in &card.rows {
        let mut cells = vec![row.measure.short_name().to_owned(), value(row.value), interval(row.interval)];
        if calibrated {
            let words = row.if_calibrated.map(|c| format!("{:.4}, p {}", c.mean, p_value(c.p)));
            cells.push(words.unwrap_or_else(|| "-".to_owned()));
        }
        if let Some((_, other)) = other {
            let row = other.row(row.measure);
            cells.push(row.map_or("-".to_owned(), |row| value(row.value)));
            cells.push(interval(row.and_then(|row| row.interval)));
        }
        if experts {
            cells.push(row.experts.map_or("-".to_owned(), value));
        }
        table.row(cells);
    }
    table.print()?;
    notes(card, other.is_some())
}

fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { format!("{p:.3}") }
}

fn notes(card: &Scorecard, two: bool) -> anyhow::Result<()> {
    let independent = match card.groups {
        Some(groups) => format!("{groups} groups are taken as independent"),
        None => "samples are taken as independent (no dataset or column 'group')".to_owned(),
    };
    output::line(format!("\n{} samples; in the intervals, {independent}", card.samples))?;
    if two {
        output::line("'if calibrated' and 'experts' belong to the first value")?;
    }
    for (of, why) in dashes(card) {
        output::line(format!("{}: {why}", of.join(", ")))?;
    }
    for warning in &card.warnings {
        output::line(format!("warning: {warning}"))?;
    }
    if let Some(row) = card.row(Measure::ExpectedCalibrationError) {
        let sce = card.row(Measure::SceAsInLdlPaper).map_or("", |_| "; SCE in 20, as in the LDL paper");
        output::line(format!("calibration errors in {} bins of equal width{sce}", card.settings.bins))?;
        output::line(
            "noise raises them, so they have no interval: compare them with 'if calibrated', the mean",
        )?;
        output::line(
            "of a calibrated model with the same predictions; p: probability that it shows an error as large",
        )?;
        for row in [Some(row), card.row(Measure::DistributionCalibrationError)].into_iter().flatten() {
            debiased(row)?;
        }
    }
    if card.row(Measure::TotalVariation).is_some() {
        output::line(
            "where experts disagree, calibration to the majority is undefined: the measures of votes come first",
        )?;
    }
    if card.row(Measure::ConformalCoverage).is_some() {
        let halves = if card.groups.is_some() { "halves of the groups" } else { "halves of the samples" };
        output::line(format!(
            "conformal sets (LAC) promise 90 %; random {halves} are calibrated on each other"
        ))?;
    }
    if let Some(experts) = card.experts {
        let alone = experts.leave_one_out;
        let ends = alone.interval.map_or(String::new(), |i| format!(" ({:.4} to {:.4})", i.lower, i.upper));
        output::line(format!(
            "experts: what the majority of {} other experts would score, estimated; one expert against the others: {:.4}{ends}",
            experts.panel, alone.value
        ))?;
    }
    Ok(())
}

/// The measures without a value or an interval, with the reason; that of calibration errors follows by itself.
fn dashes(card: &Scorecard) -> Vec<(Vec<&'static str>, String)> {
    let mut reasons: Vec<(Vec<&str>, String)> = Vec::new();
    for row in &card.rows {
        let reason = match row.why {
            None | Some(NoInterval::Biased | NoInterval::Largest) => continue,
            Some(_) if !row.value.is_finite() => undefined(row.measure).to_owned(),
            Some(why) => format!("no interval, {why}"),
        };
        match reasons.iter_mut().find(|(_, of)| *of == reason) {
            Some((measures, _)) => measures.push(row.measure.short_name()),
            None => reasons.push((vec![row.measure.short_name()], reason)),
        }
    }
    reasons
}

/// Why a measure has no value.
fn undefined(measure: Measure) -> &'static str {
    match measure {
        Measure::Kappa | Measure::WeightedKappa => {
            "not defined where labels and predictions are all of one class: agreement by chance is 1"
        }
        Measure::BuiltAccuracy => {
            "not defined where no sample is of a built zone in both label and prediction"
        }
        _ => "not defined for these samples",
    }
}

fn debiased(row: &ScorecardRow) -> anyhow::Result<()> {
    let Some(square) = row.debiased else { return Ok(()) };
    let ends = format!("interval {:.6} to {:.6}", square.lower, square.upper);
    let name = row.measure.short_name();
    output::line(format!("{name} squared, without the bias of noise: {:.6}, {ends}", square.value))
}
