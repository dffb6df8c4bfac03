//! Predictions of a file, compared with its labels.

use crate::data::predictions::Predictions;
use crate::scorecard::{self, Convention, Scorecard, ScorecardSettings};
use crate::{Progress, Result};

/// The evaluation table of stored predictions, of lcz or of any other program, with all rows that can be
/// computed from the file.
///
/// # Errors
/// Settings that [`Scorecard::compute`] refuses.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::{data::predictions, run, scorecard::{Measure, ScorecardSettings}};
/// # let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("predictions.csv");
/// std::fs::write(&file, "true,pred\n1,1\n1,2\n2,2\nA,A\n").map_err(lcz::Error::io(&file))?;
/// let predictions = predictions::read(&file, None)?;
/// let card = run::score(&predictions, ScorecardSettings::default(), &mut lcz::progress::Silent)?;
/// let accuracy = card.rows.iter().find(|row| row.measure == Measure::OverallAccuracy);
/// assert_eq!(accuracy.map(|row| row.value), Some(0.75));
/// # Ok(())
/// # }
/// ```
pub fn score(
    predictions: &Predictions,
    settings: ScorecardSettings,
    progress: &mut dyn Progress,
) -> Result<Scorecard> {
    let (predicted, reference) = predictions.compared();
    Scorecard::with_progress(predicted, reference, settings, progress)
}

/// The same predictions under the rules of other papers and libraries.
///
/// # Errors
/// As [`score`].
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::{data::predictions, run, scorecard::ScorecardSettings};
/// # let folder = tempfile::tempdir().unwrap();
/// let file = folder.path().join("predictions.csv");
/// std::fs::write(&file, "true,pred\n1,1\n1,2\n2,2\nA,A\n").map_err(lcz::Error::io(&file))?;
/// let predictions = predictions::read(&file, None)?;
/// for row in run::conventions(&predictions, ScorecardSettings::default())? {
///     println!("{}: {:.3} ({})", row.measure, row.value, row.rule);
/// }
/// # Ok(())
/// # }
/// ```
pub fn conventions(predictions: &Predictions, settings: ScorecardSettings) -> Result<Vec<Convention>> {
    let (predicted, reference) = predictions.compared();
    scorecard::conventions(predicted, reference, settings)
}
