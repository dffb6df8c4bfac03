//! The study's table, as Markdown and CSV.

use std::fmt::Write as _;

use super::{CoverScores, LandcoverOutcome};
use crate::display::csv_field as quoted;

/// Three decimals; a dash for nothing, or for a number that is none.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}

/// A line of scores behind some first cells.
fn line(text: &mut String, first: &str, scores: &CoverScores) {
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "| {first} | {} | {} | {} | {} | {} |",
        crate::display::grouped(scores.pixels),
        number(Some(scores.overall_accuracy)),
        number(Some(scores.mean_iou)),
        number(Some(scores.macro_f1)),
        number(Some(scores.kappa)),
    );
}

pub(super) fn markdown(outcome: &LandcoverOutcome) -> String {
    let mut text =
        "| learnt from | model | tested on | pixels | OA ↑ | mean IoU ↑ | macro F1 ↑ | kappa ↑ |\n\
                    |---|---|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for scores in &outcome.scores {
        for test in &scores.tests {
            line(&mut text, &format!("{} | {} | {}", scores.city, scores.model, test.test), test);
        }
    }
    text.push('\n');
    for (measure, of) in [
        ("IoU", (|class: &super::CoverClass| class.iou) as fn(&super::CoverClass) -> Option<f64>),
        ("F1", |class| class.f1),
    ] {
        let Some(first) = outcome.scores.first().and_then(|scores| scores.tests.first()) else { continue };
        let _ = write!(text, "{measure} of each class:\n\n| learnt from | model | tested on |");
        for class in &first.classes {
            let _ = write!(text, " {} |", class.name);
        }
        text.push_str("\n|---|---|---|");
        text.push_str(&"---:|".repeat(first.classes.len()));
        text.push('\n');
        for scores in &outcome.scores {
            for test in &scores.tests {
                let _ = write!(text, "| {} | {} | {} |", scores.city, scores.model, test.test);
                for class in &test.classes {
                    let _ = write!(text, " {} |", number(of(class)));
                }
                text.push('\n');
            }
        }
        text.push('\n');
    }
    text
}

/// The real sample, date by date.
pub(super) fn of_dates(outcome: &LandcoverOutcome) -> String {
    let mut text =
        "| date held out | mean blue | model | pixels | OA ↑ | mean IoU ↑ | macro F1 ↑ | kappa ↑ |\n\
                    |---|---:|---|---:|---:|---:|---:|---:|\n"
            .to_owned();
    for date in &outcome.dates {
        let first = |model: &str| format!("{} | {:.2} | {model}", date.date, date.blue);
        line(&mut text, &first("U-Net"), &date.network);
        line(&mut text, &first("U-Net, western ground learnt, eastern tested"), &date.elsewhere);
        for (model, scores) in &date.baselines {
            line(&mut text, &first(model), scores);
        }
    }
    if let Some(date) = outcome.dates.first() {
        text.push_str("\nIoU of each class, U-Net on all ground:\n\n| date held out |");
        for class in &date.network.classes {
            let _ = write!(text, " {} |", class.name);
        }
        text.push_str("\n|---|");
        text.push_str(&"---:|".repeat(date.network.classes.len()));
        text.push('\n');
        for date in &outcome.dates {
            let _ = write!(text, "| {} |", date.date);
            for class in &date.network.classes {
                let _ = write!(text, " {} |", number(class.iou));
            }
            text.push('\n');
        }
    }
    text
}

pub(super) fn csv(outcome: &LandcoverOutcome) -> String {
    let mut text =
        format!("# data: {}\nlearnt_from,model,tested_on,class,measure,value\n", outcome.provenance);
    let mut put = |from: &str, model: &str, scores: &CoverScores| {
        let first = [from, model, &scores.test].map(quoted).join(",");
        for (measure, value) in [
            ("OA", scores.overall_accuracy),
            ("mean_IoU", scores.mean_iou),
            ("macro_F1", scores.macro_f1),
            ("kappa", scores.kappa),
        ] {
            let _ = writeln!(text, "{first},,{measure},{value}");
        }
        for class in &scores.classes {
            for (measure, value) in [("IoU", class.iou), ("F1", class.f1)] {
                let value = value.map_or_else(String::new, |value| value.to_string());
                let _ = writeln!(text, "{first},{},{measure},{value}", quoted(&class.name));
            }
        }
    };
    for scores in &outcome.scores {
        scores.tests.iter().for_each(|test| put(&scores.city, &scores.model, test));
    }
    for date in &outcome.dates {
        put("Slovenia, other dates", "U-Net", &date.network);
        put("Slovenia, other dates, western ground", "U-Net", &date.elsewhere);
        date.baselines.iter().for_each(|(model, scores)| put("Slovenia, other dates", model, scores));
    }
    text
}
