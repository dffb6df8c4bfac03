//! The evaluation table as `lcz evaluate` and `lcz score` print it, and its settings.

use clap::Args;
use lcz::scorecard::{Ceiling, Interval, Measure, Scorecard, ScorecardSettings};

use super::output::{self, Table};

/// How the table of measures is made.
#[derive(Debug, Args)]
pub struct Settings {
    /// Bins of equal width of the calibration errors.
    #[arg(long, default_value_t = ScorecardSettings::default().bins)]
    bins: usize,

    /// Bootstrap rounds of the intervals; 0 for none.
    #[arg(long, default_value_t = ScorecardSettings::default().rounds)]
    rounds: usize,

    /// What the intervals and the human ceiling are drawn from.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Settings {
    pub fn get(&self) -> ScorecardSettings {
        let Self { bins, rounds, seed } = *self;
        ScorecardSettings { bins, rounds, seed, ..ScorecardSettings::default() }
    }
}

/// Prints a table, and beside it the values of another one of the same rows under a heading.
pub fn print(card: &Scorecard, other: Option<(&str, &Scorecard)>) -> anyhow::Result<()> {
    let range = |lower: f64, upper: f64| format!("{lower:.4} to {upper:.4}");
    let interval = |i: Option<Interval>| i.map_or("-".to_owned(), |i| range(i.lower, i.upper));
    let ceiling = |c: Option<Ceiling>| c.map_or("-".to_owned(), |c| format!("{:.4}", c.value));
    let votes = card.rows.iter().any(|row| row.votes_interval.is_some());
    let percent = 100.0 * card.settings.level;
    let mut header = vec!["measure".to_owned(), "value".to_owned(), format!("{percent:.0} % interval")];
    if let Some((name, _)) = other {
        header.push(name.to_owned());
        header.push("interval".to_owned());
    }
    if votes {
        header.extend(["other votes", "experts"].map(str::to_owned));
    }
    let mut table = Table::new(header);
    for row in &card.rows {
        let mut cells = vec![row.measure.short_name().to_owned(), value(row.value), interval(row.interval)];
        if let Some((_, other)) = other {
            let row = other.row(row.measure);
            cells.push(row.map_or("-".to_owned(), |row| value(row.value)));
            cells.push(interval(row.and_then(|row| row.interval)));
        }
        if votes {
            cells.extend([interval(row.votes_interval), ceiling(row.ceiling)]);
        }
        table.row(cells);
    }
    table.print()?;
    let drawn = match card.groups {
        Some(groups) => format!("{groups} groups of patches"),
        None => "patches".to_owned(),
    };
    output::line(format!("\n{} samples; intervals from drawing {drawn} anew", card.samples))?;
    let calibration = [Measure::ExpectedCalibrationError, Measure::ClasswiseCalibrationError];
    if calibration.iter().any(|&measure| card.row(measure).is_some()) {
        let ScorecardSettings { bins, sce_bins, .. } = card.settings;
        let sce = match card.row(Measure::SceAsInLdlPaper) {
            Some(_) => format!(", SCE in {sce_bins}"),
            None => String::new(),
        };
        output::line(format!("calibration errors in {bins} bins of equal width{sce}"))?;
        if card.settings.rounds > 0 {
            output::line("they grow with noise: their intervals lie high, even above the value")?;
        }
    }
    if votes {
        let panel = card.settings.panel;
        output::line(format!(
            "other votes: had the experts voted anew; experts: what {panel} others would score"
        ))?;
    }
    Ok(())
}

/// A measure in five decimals; one that is not defined is a dash.
fn value(value: f64) -> String {
    if value.is_finite() { format!("{value:.5}") } else { "-".to_owned() }
}
