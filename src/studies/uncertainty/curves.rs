//! The study's learning curves: accuracy and cross-entropy by the size of the subset.

use super::UncertaintyStudy;
use super::grid::Strategy;
use super::table::Scored;
use crate::Result;
use crate::figures::{
    self, BandPanel, BandPoint, BandSeries, Caption, Figure, Provenance, Source, StudyName,
};
use crate::scorecard::Measure;
use crate::studies::summary::Summary;

/// The name of its files.
pub(super) fn stem(test: &str) -> String {
    if test == super::grid::TESTS[0] {
        "learning-curves".to_owned()
    } else {
        format!("learning-curves-{test}")
    }
}

pub(super) fn draw(study: &UncertaintyStudy, scored: &Scored<'_>) -> Result<Figure> {
    let measured = scored.measured;
    let loss = match measured.y {
        Some(_) => (Measure::DistributionalCrossEntropy, "Cross-entropy against votes, nats"),
        None => (Measure::CrossEntropy, "Cross-entropy, nats"),
    };
    let panel = |(measure, title): (Measure, &str)| -> Result<BandPanel> {
        let mut series: Vec<BandSeries> = Strategy::CHOOSING
            .map(|strategy| BandSeries {
                name: format!("{} ({})", strategy.title(), strategy.code()),
                points: Vec::new(),
            })
            .into();
        let mut level = None;
        for (n, (cell, _)) in measured.cells.iter().enumerate() {
            let Summary { mean, deviation } = Summary::of(&scored.values(n, measure)?);
            let scatter = deviation.unwrap_or(0.0);
            match Strategy::CHOOSING.iter().position(|strategy| *strategy == cell.strategy) {
                Some(n) => series[n].points.push(BandPoint {
                    x: cell.share,
                    mean,
                    low: mean - scatter,
                    high: mean + scatter,
                }),
                None => level = Some((cell.strategy.title().to_owned(), mean)),
            }
        }
        Ok(BandPanel { title: title.to_owned(), series, level })
    };
    let panels = [panel((Measure::OverallAccuracy, "Overall accuracy"))?, panel(loss)?];
    let place = if measured.name == super::grid::TESTS[0] {
        "held-out part of the validation set"
    } else {
        "test set"
    };
    let caption = Caption::new(
        "Networks trained on a part of the patches",
        format!("{}, {place}, n = {}", measured.provenance, measured.labels.len()),
    );
    let runs = study.runs;
    let band = format!("Bands: the mean of {runs} runs and one standard deviation to each side.");
    let provenance = Provenance {
        seed: Some(study.config.training.seed),
        ..Provenance::of(measured.provenance.clone(), Source::Study { name: StudyName::Uncertainty })
    };
    let figure = figures::bands(&panels, "Patches learnt from, % of the training set", &band, &caption)?;
    Ok(figure.with_provenance(&provenance))
}
