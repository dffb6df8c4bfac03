//! The tables, the figure and the README of a study.

use std::path::Path;

use super::{ActiveCurve, ActiveOutcome, ActiveStudy};
use crate::Result;
use crate::display::{Cell, Table, cells};
use crate::figures::{self, BandPanel, BandSeries, Caption, Figure};
use crate::studies::report::{Readme, Summary, network};

pub(super) fn write(study: &ActiveStudy, outcome: &ActiveOutcome, out: &Path) -> Result<()> {
    let table = accuracies(outcome);
    table.write(&out.join("table.md"))?;
    values(outcome).write(&out.join("table.csv"))?;
    readme(study, outcome, &table).write(out)
}

/// The values of one round over the seeds.
fn of_round(seeds: &[Vec<f64>], round: usize) -> Summary {
    Summary::from_values(&seeds.iter().map(|seed| seed[round]).collect::<Vec<_>>())
}

/// Accuracies against labels.
pub(super) fn figure(outcome: &ActiveOutcome) -> Result<Figure> {
    let panel = |title: &str, values: fn(&ActiveCurve) -> &Vec<Vec<f64>>, level: Option<f64>| {
        let series = |curve: &ActiveCurve| {
            let labelled = curve.labelled.iter().enumerate();
            let points = labelled.map(|(round, &x)| of_round(values(curve), round).point(x as f64)).collect();
            BandSeries { name: curve.acquisition.title().to_owned(), points }
        };
        BandPanel {
            title: title.to_owned(),
            series: outcome.curves.iter().map(series).collect(),
            level: level.map(|level| (format!("all {} labelled", outcome.pool_patches), level)),
        }
    };
    let all = Summary::from_values(&outcome.all_labelled).mean;
    let panels = [
        panel("Overall accuracy", |curve| &curve.overall_accuracy, Some(all)),
        panel("Average accuracy", |curve| &curve.average_accuracy, None),
    ];
    let caption = Caption::new(
        "Accuracy against labels, for each acquisition strategy",
        format!("{}, test set, n = {}", outcome.provenance, outcome.test_patches),
    );
    let band = format!(
        "Bands: the mean of {} seeds and one standard deviation to each side. Dashed: overall accuracy with all labels.",
        outcome.all_labelled.len()
    );
    figures::bands(&panels, "Labelled patches", &band, &caption)
}

/// Overall accuracy, the best mean of each row in bold.
fn accuracies(outcome: &ActiveOutcome) -> Table {
    let names = outcome.curves.iter().map(|curve| curve.acquisition.name());
    let mut table = Table::new(["labels"].into_iter().chain(names));
    let labelled = outcome.curves.first().map(|curve| &curve.labelled[..]).unwrap_or_default();
    for (round, &labels) in labelled.iter().enumerate() {
        let rows: Vec<Summary> =
            outcome.curves.iter().map(|curve| of_round(&curve.overall_accuracy, round)).collect();
        let best = rows.iter().map(|row| row.mean).fold(f64::NEG_INFINITY, f64::max);
        // In the first round all are equal.
        let cells = rows.into_iter().map(|row| Cell::from(row.text()).bold(row.mean >= best && round > 0));
        table.row([Cell::from(labels)].into_iter().chain(cells));
    }
    table
}

/// Both accuracies of each seed.
fn values(outcome: &ActiveOutcome) -> Table {
    let columns = ["acquisition", "labelled", "seed", "overall_accuracy", "average_accuracy"];
    let caption = format!("data: {}, {} test patches", outcome.provenance, outcome.test_patches);
    let mut table = Table::new(columns).captioned(caption);
    for curve in &outcome.curves {
        for (seed, (overall, average)) in
            curve.overall_accuracy.iter().zip(&curve.average_accuracy).enumerate()
        {
            for ((&labelled, &overall), &average) in curve.labelled.iter().zip(overall).zip(average) {
                table.row(cells![curve.acquisition.name(), labelled, seed, overall, average]);
            }
        }
    }
    table
}

/// The gain of each strategy over random sampling.
pub(super) fn gains(outcome: &ActiveOutcome) -> Table {
    let mut table = Table::new(["acquisition", "gain", "95 % interval", "p (Holm)", ""]);
    for curve in &outcome.curves {
        let Some(gain) = curve.gain else { continue };
        let verdict = gain.verdict("better", "worse").unwrap_or("undecided");
        let value = format!("{:+.4}", gain.value);
        table.row(cells![curve.acquisition.title(), value, gain.range(), gain.corrected(), verdict]);
    }
    table
}

fn readme(study: &ActiveStudy, outcome: &ActiveOutcome, table: &Table) -> Readme {
    let ActiveOutcome { provenance, test_patches, pool_patches, .. } = outcome;
    let mut readme = Readme::new("Which patches should experts label?", provenance);
    readme.text(format!(
        "Data: {provenance}. {} The study starts with {} of {pool_patches} patches, chosen at random, and labels {} more \
         in each of {} rounds; each time the network is trained again, from the first weights of its seed. All strategies \
         start with the same patches. An epoch repeats few patches, so that every round takes about as many steps. The \
         labels of the validation set, which chooses the epoch, are not counted.",
        network(&study.config),
        study.start,
        study.budget,
        study.rounds,
    ));
    readme.text(format!(
        "Overall accuracy on {test_patches} test patches, mean ± standard deviation over {} seeds, the best mean of each \
         row in bold. With all {pool_patches} patches labelled: {}. `table.csv` has average accuracies too.",
        study.seeds,
        Summary::from_values(&outcome.all_labelled).text(),
    ));
    readme.table(table);
    readme.figure("Accuracy by labels", "accuracy-by-labels");
    readme.section("Is active learning better than random sampling?");
    readme.text(
        "Mean overall accuracy over the rounds after the first acquisition, minus that of random sampling, with 95 % \
         intervals from the variation between test patches (whole cities or regions, where known) and between seeds \
         (Student's t), each for itself. p: chance of such a gain if there were none, with Holm's correction for all \
         strategies.",
    );
    readme.table(&gains(outcome));
    readme.text(
        "`curves/` holds the patches that each round was trained on and labels next, and its predictions, which \
         `lcz score` reads.",
    );
    readme
}
