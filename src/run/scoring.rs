//! Predictions of a file, compared with its labels.

use crate::data::predictions::{Predictions, Stated};
use crate::scorecard::{self, Convention, Predicted, Reference, Scorecard, ScorecardSettings};
use crate::{Progress, Result};

/// The evaluation table of stored predictions, of lcz or of any other program, with all rows that can be
/// computed from the file.
///
/// # Errors
/// Settings that [`Scorecard::compute`] refuses.
pub fn score(
    predictions: &Predictions,
    settings: ScorecardSettings,
    progress: &mut dyn Progress,
) -> Result<Scorecard> {
    let (predicted, reference) = both(predictions);
    Scorecard::with_progress(predicted, reference, settings, progress)
}

/// The same predictions under the rules of other papers and libraries.
///
/// # Errors
/// As [`score`].
pub fn conventions(predictions: &Predictions, settings: ScorecardSettings) -> Result<Vec<Convention>> {
    let (predicted, reference) = both(predictions);
    scorecard::conventions(predicted, reference, settings)
}

fn both(predictions: &Predictions) -> (Predicted<'_>, Reference<'_>) {
    let predicted = match &predictions.predicted {
        Stated::Classes(labels) => Predicted::Classes(labels),
        Stated::Confidences(labels, confidence) => Predicted::Confidences(labels, confidence),
        Stated::Probabilities(p) => Predicted::Probabilities(p),
    };
    let Predictions { labels, votes, distributions, groups, .. } = predictions;
    (predicted, Reference::of(labels, votes.as_ref(), distributions.as_ref(), groups.as_deref()))
}
