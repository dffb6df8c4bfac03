//! Scores of predictions against labels; independent of models.
//!
//! `*_score` is better when higher, `*_loss` when lower. Count first, then score:
//!
//! ```
//! use lcz::metrics::{ClassSet, ConfusionMatrix};
//! use lcz::{Classes, Labels};
//!
//! let classes = Classes::named(["forest", "river", "road"])?;
//! let reference = Labels::new(classes.clone(), vec![0, 0, 0, 1, 1])?;
//! let predicted = Labels::new(classes, vec![0, 0, 1, 1, 2])?;
//! let confusion = ConfusionMatrix::from_labels(&reference, &predicted)?;
//! assert_eq!(confusion.count(0, 1), 1); // one forest was called a river
//! assert_eq!(confusion.overall_accuracy_score(), 0.6);
//! // No road is in the reference, so average accuracy goes over forest (2/3) and river (1/2).
//! assert!((confusion.average_accuracy_score() - 7.0 / 12.0).abs() < 1e-12);
//! // A road was predicted, so a macro average has three terms, the road's being 0.
//! assert!((confusion.macro_recall_score(ClassSet::Present) - 7.0 / 18.0).abs() < 1e-12);
//! # Ok::<(), lcz::Error>(())
//! ```
//!
//! **Classes that are absent.** A class list is wider than a test set more often than not (13 of the
//! 17 zones occur in Hong Kong). The averages treat absent classes as follows:
//!
//! | score | goes over |
//! |---|---|
//! | average accuracy | classes present in the reference |
//! | macro, [`ClassSet::Present`] | classes present in the reference *or* the prediction (scikit-learn's default) |
//! | macro, [`ClassSet::All`] | every class of the list; absent ones count as 0 |
//! | weighted | every class, by its share of the reference; absent ones weigh nothing |
//!
//! In an average, a precision or recall with denominator 0 counts as 0 (scikit-learn's
//! `zero_division=0`); in the table of classes ([`ClassScores`]) it is NaN, which JSON writes as `null`.

mod agreement;
mod area;
mod confusion;
mod distances;
mod interval;
mod losses;
mod scores;
mod similarity;
mod votes;

pub use agreement::{fleiss_kappa_score, krippendorff_alpha_score};
pub use area::{AdjustedArea, adjusted_areas};
pub use confusion::{ClassScores, ClassSet, ConfusionMatrix};
pub use distances::DistributionDistances;
pub use interval::{
    Bounded, Influence, Interval, IntervalMethod, NoInterval, holm, interval_over_seeds,
    mean_recall_interval, proportion_interval, t_interval, t_test,
};
pub(crate) use interval::{beta, interval_over_runs, t_quantile};
pub(crate) use losses::check_samples;
pub use losses::{
    Floor, Target, brier_loss, cross_entropy_loss, kl_divergence_loss, logits_cross_entropy_loss,
};
pub use scores::{Scores, VoteScores};
pub use similarity::Similarity;
pub use votes::{ClassVotes, VoteSummary};

use crate::{Classes, Error, Result};

/// Labels and predictions must be of the same samples, over the same classes.
fn check_same_samples(labels: (usize, &Classes), predictions: (usize, &Classes)) -> Result<()> {
    let advice = "give labels and predictions of the same samples";
    if labels.0 != predictions.0 {
        let problem = format!("{} labels, {} predictions", labels.0, predictions.0);
        return Err(Error::input("scores", problem, advice));
    }
    if labels.1 != predictions.1 {
        let problem = format!("labels of the classes {}, predictions of {}", labels.1, predictions.1);
        return Err(Error::input("scores", problem, "use one class list for both"));
    }
    Ok(())
}
