//! Summary of a set of expert votes, for a table or a JSON file.

use serde::Serialize;

use super::{fleiss_kappa_score, krippendorff_alpha_score};
use crate::labels::{EntropyHistogram, VotingConfusion};
use crate::{Error, LabelDistributions, Result, Votes};

/// How far experts agree on a set of samples.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct VoteSummary {
    /// How many samples, N.
    pub samples: usize,
    /// Fewest and most votes per sample.
    pub votes_per_sample: [f64; 2],
    /// Share of samples on which all votes agree, 0-1.
    pub unanimous: f64,
    /// Fleiss' kappa; none where samples have different numbers of votes, or one vote, or all votes go to one class.
    pub fleiss_kappa: Option<f64>,
    /// The reason why there is no Fleiss' kappa.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub no_fleiss_kappa: Option<String>,
    /// Krippendorff's alpha, which allows different numbers of votes; none without pairs of votes.
    pub krippendorff_alpha: Option<f64>,
    /// Voting entropy of all samples, its mean in nats.
    pub entropy: EntropyHistogram,
    /// Of those whose majority is a built zone (LCZ 1-10); None where classes are not zones.
    pub urban: Option<EntropyHistogram>,
    /// Of those whose majority is a natural zone (LCZ A-G).
    pub natural: Option<EntropyHistogram>,
    /// The samples of each class, by their majority.
    pub classes: Vec<ClassVotes>,
    /// Votes per class, by majority class.
    #[serde(skip)]
    pub confusion: VotingConfusion,
}

/// The votes on the samples of one majority.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassVotes {
    /// The class's code.
    pub class: String,
    /// Code and name.
    pub name: String,
    /// Samples.
    pub samples: usize,
    /// Mean voting entropy, in nats; NaN (`null` in JSON) of no sample.
    pub entropy: f64,
    /// Share of them on which all votes agree.
    pub unanimous: f64,
    /// Votes for each class, in percent, in the order of the classes.
    pub percent: Vec<f64>,
}

impl VoteSummary {
    /// Summarises votes. The majority of a tied vote is the first of the tied classes.
    ///
    /// # Shape
    /// (N, K) votes.
    ///
    /// # Errors
    /// No sample.
    ///
    /// ```
    /// use lcz::metrics::VoteSummary;
    /// use lcz::{Classes, Votes};
    /// let classes = Classes::named(["forest", "river"])?;
    /// let summary = VoteSummary::from_votes(&Votes::new(classes, ndarray::array![[10.0, 0.0], [5.0, 5.0]])?)?;
    /// assert_eq!(summary.unanimous, 0.5);
    /// assert!((summary.entropy.mean - 2f64.ln() / 2.0).abs() < 1e-12);
    /// assert_eq!(summary.classes[0].percent, [75.0, 25.0]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn from_votes(votes: &Votes) -> Result<Self> {
        let counts = votes.counts();
        if counts.nrows() == 0 {
            return Err(Error::input("votes", "no sample", "give the votes of at least one"));
        }
        let classes = votes.classes();
        let majority = votes.majority(None)?;
        let entropy = LabelDistributions::entropy(&votes.distributions());
        let unanimous: Vec<bool> =
            counts.outer_iter().map(|row| row.iter().filter(|votes| **votes > 0.0).count() == 1).collect();
        let totals: Vec<f64> =
            counts.outer_iter().map(|row| row.iter().map(|votes| f64::from(*votes)).sum()).collect();
        let fewest = totals.iter().copied().fold(f64::INFINITY, f64::min);
        let most = totals.iter().copied().fold(0.0, f64::max);

        let share = |of: &dyn Fn(usize) -> bool| {
            let rows: Vec<usize> = (0..totals.len()).filter(|&n| of(majority.indices()[n])).collect();
            let agreed = rows.iter().filter(|&&n| unanimous[n]).count();
            (rows.iter().map(|&n| entropy[n]).collect::<Vec<f64>>(), agreed as f64 / rows.len() as f64)
        };
        let all_zones = (0..classes.len()).all(|k| classes.zone(k).is_some());
        let kind = |built: bool| -> Result<Option<EntropyHistogram>> {
            let of = |k| classes.zone(k).is_some_and(|zone| zone.is_built() == built);
            all_zones.then(|| EntropyHistogram::from_entropies(&share(&of).0)).transpose()
        };

        let confusion = VotingConfusion::from_votes(votes, &majority)?;
        let percent = confusion.row_percent();
        let class = |k: usize| {
            let (entropy, unanimous) = share(&|other| other == k);
            ClassVotes {
                class: classes.code(k).to_owned(),
                name: classes.name(k),
                samples: entropy.len(),
                entropy: entropy.iter().sum::<f64>() / entropy.len() as f64,
                unanimous,
                percent: percent.row(k).to_vec(),
            }
        };
        let fleiss_kappa =
            Some(votes).filter(|_| fewest >= most).and_then(|votes| fleiss_kappa_score(votes).ok());
        let fleiss_kappa = fleiss_kappa.filter(|kappa| kappa.is_finite());
        let reason = if fewest < most {
            format!("samples have {fewest} to {most} votes, which only Krippendorff's alpha allows")
        } else if most < 2.0 {
            "no sample has two votes".to_owned()
        } else {
            "all votes go to one class, so that agreement by chance is the same".to_owned()
        };
        Ok(Self {
            samples: totals.len(),
            votes_per_sample: [fewest, most],
            unanimous: share(&|_| true).1,
            no_fleiss_kappa: fleiss_kappa.is_none().then_some(reason),
            fleiss_kappa,
            krippendorff_alpha: krippendorff_alpha_score(votes).ok().filter(|alpha| alpha.is_finite()),
            entropy: EntropyHistogram::from_entropies(&entropy)?,
            urban: kind(true)?,
            natural: kind(false)?,
            classes: (0..classes.len()).map(class).collect(),
            confusion,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Classes;
    use ndarray::{Array2, array};

    #[test]
    fn a_kappa_that_there_is_not_has_its_reason() {
        let summary = |counts: Array2<f32>| {
            VoteSummary::from_votes(&Votes::new(Classes::from_count(counts.ncols()), counts).unwrap())
                .unwrap()
        };
        let reason = |counts: Array2<f32>| {
            let summary = summary(counts);
            assert_eq!(summary.fleiss_kappa, None);
            summary.no_fleiss_kappa.unwrap()
        };
        assert!(
            reason(array![[3.0, 0.0], [2.0, 2.0]])
                .starts_with("samples have 3 to 4 votes, which only Krippendorff")
        );
        assert_eq!(reason(array![[1.0, 0.0], [0.0, 1.0]]), "no sample has two votes");
        let one_class = reason(array![[4.0, 0.0], [4.0, 0.0]]);
        assert_eq!(one_class, "all votes go to one class, so that agreement by chance is the same");
        let some = summary(array![[4.0, 0.0], [0.0, 4.0]]);
        assert_eq!((some.fleiss_kappa, some.no_fleiss_kappa), (Some(1.0), None));
        // Numbers that differ are what alpha is for.
        assert!(
            summary(array![[3.0, 0.0], [0.0, 4.0]])
                .krippendorff_alpha
                .is_some_and(|alpha| (alpha - 1.0).abs() < 1e-9)
        );
    }
}
