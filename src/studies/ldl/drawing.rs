//! The study's figures: those of the paper, for the first seed of both kinds of labels without smoothing.

use super::stored::{Stored, VariantPredictions};
use super::{BINS, ONE_HOT, VOTES};
use crate::calibration::{Bins, Reliability};
use crate::figures::{self, Agreement, Caption, Figure, Provenance};
use crate::metrics::{ConfusionMatrix, VoteSummary};
use crate::run::draw_votes;
use crate::uncertainty::{Conformal, ConformalSettings, RiskCoverage};
use crate::{Probabilities, Result};

/// The share of sets that contain the truth.
const COVERED: f64 = 0.9;

/// A kind of labels: its name in files and in titles.
const DRAWN: [(usize, &str, [&str; 3]); 2] = [
    (ONE_HOT, "one-hot labels", ["reliability-one-hot", "votes-reliability-one-hot", "set-sizes-one-hot"]),
    (VOTES, "votes as labels", ["reliability-votes", "votes-reliability-votes", "set-sizes-votes"]),
];

pub(super) fn all(stored: &Stored, seed: u64, provenance: &Provenance) -> Result<Vec<(String, Figure)>> {
    let Stored { test, y, validation, variants } = stored;
    let data = format!("{}, n = {}", test.provenance, test.labels.len());
    let caption = |title: &str| Caption::new(title, format!("{data}, seed {seed}"));
    let mut drawn = Vec::new();
    if let Some(votes) = &test.votes {
        let figures = draw_votes(&VoteSummary::from_votes(votes)?, provenance)?;
        drawn.extend(figures.into_iter().map(|(stem, figure)| (stem.to_owned(), figure)));
    }
    let mut put =
        |stem: &str, figure: Figure| drawn.push((stem.to_owned(), figure.with_provenance(provenance)));

    let counts = |at: usize| ConfusionMatrix::from_labels(&test.labels, &variants[at].plain[0].predicted());
    let (one_hot, votes) = (counts(ONE_HOT)?, counts(VOTES)?);
    let panels = [("one-hot labels", &one_hot), ("votes as labels", &votes)];
    put("confusion", figures::confusion_matrices(panels, &caption("Confusion matrices"))?);

    for (at, name, [reliability, to_votes, sizes]) in DRAWN {
        let p = &variants[at];
        let tables = both(p, |p| Reliability::compute(p, &test.labels, Bins::EqualWidth(BINS)))?;
        let title = caption(&format!("Calibration, {name}"));
        put(reliability, figures::reliability(&tables, Agreement::Accuracy, &title)?);
        let tables = both(p, |p| Reliability::compute(p, y, Bins::EqualWidth(BINS)))?;
        let title = caption(&format!("Calibration to the experts' votes, {name}"));
        put(to_votes, figures::reliability(&tables, Agreement::ExpertShare, &title)?);

        let settings = ConformalSettings { alpha: 1.0 - COVERED, ..ConformalSettings::default() };
        let conformal = Conformal::fit(&p.validation[0], &validation.labels, settings)?;
        let sets = conformal.sets(&p.plain[0])?.by_class(&test.labels)?;
        let title = caption(&format!("Conformal sets (LAC), {name}"));
        put(sizes, figures::set_sizes(test.labels.classes(), &sets, COVERED, &title)?);
    }

    let curve = |p: &Probabilities| {
        let predicted = p.predicted();
        let wrong =
            predicted.indices().iter().zip(test.labels.indices()).map(|(p, y)| f64::from(u8::from(p != y)));
        RiskCoverage::compute(&p.confidence(), &wrong.collect::<Vec<_>>())
    };
    let curves = [
        ("one-hot", curve(&variants[ONE_HOT].plain[0])?),
        ("votes", curve(&variants[VOTES].plain[0])?),
        ("votes, ensemble", curve(&variants[VOTES].ensemble)?),
    ];
    let curves = curves.map(|(name, curve)| (name.to_owned(), curve));
    put("risk-coverage", figures::risk_coverage(&curves, &caption("Risk and coverage"))?);
    Ok(drawn)
}

/// Something of the first seed's predictions, before and after temperature scaling, with its name.
fn both<T>(p: &VariantPredictions, of: impl Fn(&Probabilities) -> Result<T>) -> Result<[(String, T); 2]> {
    let after = format!("after (T = {:.2})", p.temperatures[0]);
    Ok([("before (T = 1)".to_owned(), of(&p.plain[0])?), (after, of(&p.scaled[0])?)])
}
