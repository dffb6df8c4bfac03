//! Scores the predictions of any program: `cargo run --release --example score_csv [FILE.csv]`.
//!
//! The CSV has a column `label` and one column per class, `p_1` to `p_K`; without a file a small one is written.

use std::path::PathBuf;

use lcz::data::predictions;
use lcz::progress::Silent;
use lcz::run;
use lcz::scorecard::ScorecardSettings;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = if let Some(file) = std::env::args_os().nth(1) {
        PathBuf::from(file)
    } else {
        let file = std::env::temp_dir().join("lcz-score-csv.csv");
        std::fs::write(&file, "label,p_water,p_sand\nwater,0.9,0.1\nsand,0.4,0.6\nsand,0.7,0.3\n")?;
        file
    };
    let predictions = predictions::read(&file, None)?;
    let card = run::score(&predictions, ScorecardSettings::default(), &mut Silent)?;
    for row in &card.rows {
        let interval = match (row.interval, row.why) {
            (Some(interval), _) => format!("{:.4} to {:.4}", interval.lower, interval.upper),
            (None, Some(why)) => format!("no interval: {why}"),
            (None, None) => String::new(),
        };
        println!("{:24} {:8.4}  {interval}", row.measure.short_name(), row.value);
    }
    Ok(())
}
