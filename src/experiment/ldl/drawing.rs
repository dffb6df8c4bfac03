//! The study's figures: those of the paper, for the first seed of both kinds of labels without smoothing.

use super::{ONE_HOT, Predictions, Set, VOTES};
use crate::Result;
use crate::calibration::{Bins, Reliability};
use crate::experiment::Run;
use crate::experiment::votes::vote_figures;
use crate::figures::{self, Agreement, Caption, Cells, Figure, Source};
use crate::metrics::{ConfusionMatrix, VoteSummary};
use crate::uncertainty::{Conformal, ConformalSettings, RiskCoverage};

/// The share of sets that are to hold the truth.
const COVERED: f64 = 0.9;

pub(super) fn all(
    runs: &[Vec<Run>],
    predicted: &[Predictions],
    validation: &Set,
    test: &Set,
) -> Result<Vec<(&'static str, Figure)>> {
    let mut drawn = Vec::new();
    if test.patches.has_votes() {
        let summary = VoteSummary::of(&test.patches.votes()?)?;
        drawn.extend(vote_figures(&test.file, None, &summary)?);
    }
    let data = format!("{}, n = {}", test.patches.provenance(), test.patches.len());
    let caption = |title: &str| Caption::new(title, format!("{data}, seed 0"));
    let stems = [
        (
            ONE_HOT,
            "one-hot labels",
            ["confusion-one-hot", "reliability-one-hot", "votes-reliability-one-hot", "set-sizes-one-hot"],
        ),
        (
            VOTES,
            "votes as labels",
            ["confusion-votes", "reliability-votes", "votes-reliability-votes", "set-sizes-votes"],
        ),
    ];
    for (variant, name, [confusion, reliability, to_votes, sizes]) in stems {
        let p = &predicted[variant];
        let provenance = runs[variant][0].provenance(&test.patches, Source::Other)?;
        let mut put = |stem, figure: Figure| drawn.push((stem, figure.with_provenance(&provenance)));
        let counts = ConfusionMatrix::of(&test.labels, &p.plain[0].predicted())?;
        let title = caption(&format!("Confusion matrix, {name}"));
        put(confusion, figures::confusion_matrix(&counts, Cells::RowPercent, &title)?);

        let bins = Bins::EqualWidth(super::comparison::BINS);
        let panel_names = ["before (T = 1)".to_owned(), format!("after (T = {:.2})", p.temperatures[0])];
        let both = [&p.plain[0], &p.scaled[0]];
        let panels = |tables: [Reliability; 2], agreement, title: &Caption| {
            let panels = [(panel_names[0].clone(), &tables[0]), (panel_names[1].clone(), &tables[1])];
            figures::reliability(&panels, agreement, title)
        };
        let [before, after] = both.map(|p| Reliability::of(p, &test.labels, bins));
        let title = caption(&format!("Calibration, {name}"));
        put(reliability, panels([before?, after?], Agreement::Accuracy, &title)?);
        let [before, after] = both.map(|p| Reliability::of(p, &test.y, bins));
        let title = caption(&format!("Calibration to the experts' votes, {name}"));
        put(to_votes, panels([before?, after?], Agreement::ExpertShare, &title)?);

        let settings = ConformalSettings { alpha: 1.0 - COVERED, ..ConformalSettings::default() };
        let conformal = Conformal::fit(&p.validation[0], &validation.labels, settings)?;
        let sets = conformal.sets(&p.plain[0])?.by_class(&test.labels)?;
        let title = caption(&format!("Conformal sets (LAC), {name}"));
        put(sizes, figures::set_sizes(test.labels.classes(), &sets, COVERED, &title)?);
    }

    let curve = |p: &crate::Probabilities| {
        let predicted = p.predicted();
        let wrong =
            predicted.indices().iter().zip(test.labels.indices()).map(|(p, y)| f64::from(u8::from(p != y)));
        RiskCoverage::of(&p.confidence(), &wrong.collect::<Vec<_>>())
    };
    let curves = [
        ("one-hot", curve(&predicted[ONE_HOT].plain[0])?),
        ("votes", curve(&predicted[VOTES].plain[0])?),
        ("votes, ensemble", curve(&predicted[VOTES].ensemble)?),
    ];
    let curves: Vec<(String, &RiskCoverage)> = curves.iter().map(|(n, c)| ((*n).to_owned(), c)).collect();
    let provenance = runs[VOTES][0].provenance(&test.patches, Source::Other)?;
    let figure = figures::risk_coverage(&curves, &caption("Risk and coverage"))?;
    drawn.push(("risk-coverage", figure.with_provenance(&provenance)));
    Ok(drawn)
}
