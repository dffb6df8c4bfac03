//! A study's table, figure and README.

use std::fmt::Write as _;
use std::path::Path;

use super::{ActiveCurve, ActiveOutcome, ActiveStudy, FIGURE, OUTCOME};
use crate::figures::{
    self, BandPanel, BandPoint, BandSeries, Caption, Figure, Provenance, Source, StudyName,
};
use crate::models::Architecture;
use crate::studies::summary::Summary;
use crate::studies::uncertainty::preparation::json;
use crate::{Result, write_whole};

pub(super) fn write(study: &ActiveStudy, outcome: &ActiveOutcome, out: &Path) -> Result<()> {
    let put = |name: &str, text: &str| write_whole(&out.join(name), text.as_bytes());
    put("table.md", &markdown(outcome))?;
    put("table.csv", &csv(outcome))?;
    put(OUTCOME, &json(outcome)?)?;
    figure(outcome, study.config.training.seed)?.save(out, FIGURE)?;
    put("README.md", &readme(study, outcome))
}

/// One round's values over the seeds.
fn of_round(seeds: &[Vec<f64>], round: usize) -> Summary {
    Summary::of(&seeds.iter().map(|seed| seed[round]).collect::<Vec<_>>())
}

/// Accuracies against labels; the seed is that of the study.
pub(super) fn figure(outcome: &ActiveOutcome, seed: u64) -> Result<Figure> {
    let panel = |title: &str, values: fn(&ActiveCurve) -> &Vec<Vec<f64>>, level: Option<f64>| {
        let series = |curve: &ActiveCurve| {
            let point = |(round, &labelled): (usize, &usize)| {
                let Summary { mean, deviation } = of_round(values(curve), round);
                let scatter = deviation.unwrap_or(0.0);
                BandPoint { x: labelled as f64, mean, low: mean - scatter, high: mean + scatter }
            };
            let points = curve.labelled.iter().enumerate().map(point).collect();
            BandSeries { name: curve.acquisition.title().to_owned(), points }
        };
        BandPanel {
            title: title.to_owned(),
            series: outcome.curves.iter().map(series).collect(),
            level: level.map(|level| (format!("all {} labelled", outcome.pool_patches), level)),
        }
    };
    let all = Summary::of(&outcome.all_labelled).mean;
    let panels = [
        panel("Overall accuracy", |curve| &curve.overall_accuracy, Some(all)),
        panel("Average accuracy", |curve| &curve.average_accuracy, None),
    ];
    let caption = Caption::new(
        "Accuracy against labels, for each way of asking for them",
        format!("{}, test set, n = {}", outcome.provenance, outcome.test_patches),
    );
    let band = format!(
        "Bands: the mean of {} seeds and one standard deviation to each side. Dashed: overall accuracy with all labels.",
        outcome.all_labelled.len()
    );
    let figure = figures::bands(&panels, "Labelled patches", &band, &caption)?;
    let provenance = Provenance {
        seed: Some(seed),
        ..Provenance::of(outcome.provenance.clone(), Source::Study { name: StudyName::Active })
    };
    Ok(figure.with_provenance(&provenance))
}

fn markdown(outcome: &ActiveOutcome) -> String {
    let mut text = "| labels |".to_owned();
    // Writing to a string does not fail, here and below.
    for curve in &outcome.curves {
        let _ = write!(text, " {} |", curve.acquisition);
    }
    let _ = writeln!(text, "\n|---:|{}", "---:|".repeat(outcome.curves.len()));
    let labelled = outcome.curves.first().map(|curve| &curve.labelled[..]).unwrap_or_default();
    for (round, labels) in labelled.iter().enumerate() {
        let rows: Vec<Summary> =
            outcome.curves.iter().map(|curve| of_round(&curve.overall_accuracy, round)).collect();
        let best = rows.iter().map(|row| row.mean).fold(f64::NEG_INFINITY, f64::max);
        let _ = write!(text, "| {labels} |");
        for row in rows {
            let number = row.text("±");
            // All begin alike.
            let bold = row.mean >= best && round > 0;
            let _ = if bold { write!(text, " **{number}** |") } else { write!(text, " {number} |") };
        }
        text.push('\n');
    }
    text
}

fn csv(outcome: &ActiveOutcome) -> String {
    let mut text = format!(
        "# data: {}, {} test patches\nacquisition,labelled,seed,overall_accuracy,average_accuracy\n",
        outcome.provenance, outcome.test_patches
    );
    for curve in &outcome.curves {
        for (seed, (overall, average)) in
            curve.overall_accuracy.iter().zip(&curve.average_accuracy).enumerate()
        {
            for ((labelled, overall), average) in curve.labelled.iter().zip(overall).zip(average) {
                let _ = writeln!(text, "{},{labelled},{seed},{overall},{average}", curve.acquisition);
            }
        }
    }
    text
}

fn readme(study: &ActiveStudy, outcome: &ActiveOutcome) -> String {
    let training = &study.config.training;
    let network = match &study.config.model {
        Architecture::Sen2lcz(settings) => format!("Sen2LCZ of width {}", settings.width),
        other => other.name().to_owned(),
    };
    let all = Summary::of(&outcome.all_labelled).text("±");
    let mut text = format!(
        "# Which patches to ask experts about?\n\n\
         Data: {}. Network: {network}, at most {} epochs (patience {}), batches of {}. It begins with {} of {} patches, \
         drawn by lot, and asks {} times for the labels of {} more; each time it learns anew, from the weights that the \
         seed gives. All ways of asking begin alike. Few patches are gone through several times an epoch, so that \
         every round takes about as many steps. A validation set chooses the epoch, whose labels are not counted.\n\n",
        outcome.provenance,
        training.epochs,
        training.patience,
        training.batch_size,
        study.start,
        outcome.pool_patches,
        study.rounds,
        study.budget
    );
    if outcome.provenance.starts_with("synthetic") {
        text.push_str("**The data are synthetic**: the numbers show that the study runs, not how real cities come out.\n\n");
    }
    let _ = writeln!(
        text,
        "Overall accuracy on {} test patches, mean ± standard deviation over {} seeds, the best mean of each row in bold; \
         with all {} patches labelled {all}. `table.csv` has average accuracies too.\n\n{}\n\
         ![Accuracy by labels](accuracy-by-labels.png)\n\n\
         ## Is asking better than drawing by lot?\n\n\
         Mean overall accuracy over the rounds after the first asking, less that of asking by lot, with 95 % intervals from \
         drawing test patches (whole cities or regions, where known) and seeds anew. Few seeds: the intervals are, if \
         anything, too short.\n\n\
         | asking by | gain | 95 % interval | |\n|---|---:|---|---|",
        outcome.test_patches,
        study.seeds,
        outcome.pool_patches,
        markdown(outcome)
    );
    for curve in &outcome.curves {
        let (Some(gain), Some(interval)) = (curve.gain, curve.gain_interval) else { continue };
        let verdict = if interval.lower > 0.0 {
            "better"
        } else if interval.upper < 0.0 {
            "worse"
        } else {
            "undecided"
        };
        let _ = writeln!(
            text,
            "| {} | {gain:+.3} | {:+.3} to {:+.3} | {verdict} |",
            curve.acquisition.title(),
            interval.lower,
            interval.upper
        );
    }
    text.push_str(
        "\n`curves/` holds what each round has learnt from and asks for, and its predictions, which `lcz score` reads.\n",
    );
    text
}
