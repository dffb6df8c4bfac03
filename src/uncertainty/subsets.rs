//! Subsets to train on: the most or the least uncertain samples, overall or class by class, or random
//! ones of the same number.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::{Classes, Error, LabelDistributions, Labels, Probabilities, Result, Zone};

/// A share of the samples, above 0 and at most 100 %.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// A share in per cent.
    ///
    /// # Errors
    /// Not above 0, or beyond 100.
    pub fn new(percent: f64) -> Result<Self> {
        if percent > 0.0 && percent <= 100.0 {
            Ok(Self(percent))
        } else {
            Err(Error::input("share of the samples", format!("{percent} %"), "choose above 0 to 100"))
        }
    }

    /// The number.
    pub fn value(self) -> f64 {
        self.0
    }

    /// q % of n, rounded to the nearest whole number, half upwards; at least 1 of 1 or more.
    pub fn of(self, n: usize) -> usize {
        ((self.0 * n as f64 / 100.0 + 0.5).floor() as usize).clamp(usize::from(n > 0), n)
    }
}

/// A number for each sample that is larger the more uncertain the sample is, and the samples that may
/// be chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Uncertainty {
    values: Vec<f64>,
    candidates: Vec<usize>,
}

impl Uncertainty {
    /// By any measure, one number per sample.
    ///
    /// # Errors
    /// No sample, or a number that is NaN or infinite (names the row).
    pub fn new(values: Vec<f64>) -> Result<Self> {
        if values.is_empty() {
            return Err(Error::input("uncertainty", "no sample", "give at least one"));
        }
        if let Some(row) = values.iter().position(|u| !u.is_finite()) {
            let problem = format!("{} is not a finite number", values[row]);
            let advice = "check where it comes from";
            return Err(Error::input(format!("uncertainty, row {row}"), problem, advice));
        }
        let candidates = (0..values.len()).collect();
        Ok(Self { values, candidates })
    }

    /// By voting entropy: how much the experts disagree, −Σ y ln y in nats.
    ///
    /// # Errors
    /// No sample.
    pub fn from_votes(y: &LabelDistributions) -> Result<Self> {
        Self::new(y.entropy())
    }

    /// By predictive entropy: how undecided the network is, −Σ p ln p in nats.
    ///
    /// # Errors
    /// No sample.
    pub fn from_predictions(p: &Probabilities) -> Result<Self> {
        Self::new(p.entropy())
    }

    /// The numbers, those of samples left out among them.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Positions of the samples that may be chosen, rising.
    pub fn candidates(&self) -> &[usize] {
        &self.candidates
    }

    /// The same, but samples of this zone are never chosen, and shares are shares of the others. Water
    /// is left out by Koller et al.
    ///
    /// # Errors
    /// Labels of other samples, or no sample of another class.
    pub fn without(mut self, labels: &Labels, zone: Zone) -> Result<Self> {
        self.check(labels)?;
        let left_out = labels.classes().position(zone);
        self.candidates.retain(|&row| Some(labels.indices()[row]) != left_out);
        if self.candidates.is_empty() {
            let problem = format!("every sample is of LCZ {zone}");
            return Err(Error::input("uncertainty", problem, "leave out another class"));
        }
        Ok(self)
    }

    /// The most uncertain q %: overall or class by class, by the methods of [`Ranking`].
    pub fn most_uncertain(&self, share: Percent) -> Ranking<'_> {
        Ranking { of: self, share, most: true }
    }

    /// The most certain q %.
    pub fn most_certain(&self, share: Percent) -> Ranking<'_> {
        Ranking { of: self, share, most: false }
    }

    /// The n most uncertain candidates, or all there are; of equally uncertain ones the first.
    pub fn top(&self, n: usize) -> Subset {
        let all = Ranking { of: self, share: Percent(100.0), most: true };
        Subset::of(self, all.first(self.candidates.clone(), n))
    }

    /// As many samples as the other subsets of q % have, drawn at random without replacement.
    pub fn random(&self, share: Percent, seed: u64) -> Subset {
        let n = share.of(self.candidates.len());
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut drawn = self.candidates.clone();
        let (chosen, _) = drawn.partial_shuffle(&mut random, n);
        Subset::of(self, chosen.to_vec())
    }

    fn check(&self, labels: &Labels) -> Result<()> {
        if labels.len() == self.values.len() {
            return Ok(());
        }
        let problem = format!("{} labels for {} samples", labels.len(), self.values.len());
        Err(Error::input("uncertainty", problem, "give one label per sample"))
    }
}

/// A ranking from the most uncertain or the most certain sample; its methods choose overall or class by class.
///
/// Of equally uncertain samples the one that comes first in the data set is chosen, for both ends.
#[derive(Debug, Clone, Copy)]
pub struct Ranking<'a> {
    of: &'a Uncertainty,
    share: Percent,
    most: bool,
}

impl Ranking<'_> {
    /// q % of all samples, by one threshold for all classes: UT in Koller et al.
    pub fn overall(self) -> Subset {
        let chosen = self.first(self.of.candidates.clone(), self.share.of(self.of.candidates.len()));
        Subset::of(self.of, chosen)
    }

    /// q % of each class: UTS in Koller et al., read as a share of each class.
    ///
    /// As many in all as [`overall`](Self::overall). Of n samples in all, a
    /// class with N_k of the N candidates gives ⌊n N_k/N⌋, and one more where its remainder is among the
    /// largest; of equal remainders, the first class's.
    ///
    /// # Errors
    /// Labels of other samples.
    pub fn stratified(self, labels: &Labels) -> Result<Subset> {
        self.of.check(labels)?;
        let members = self.members(labels);
        let total = self.share.of(self.of.candidates.len());
        let share = |k: usize| total as f64 * members[k].len() as f64 / self.of.candidates.len() as f64;
        let mut counts: Vec<usize> = (0..members.len()).map(|k| share(k).floor() as usize).collect();
        let mut by_remainder: Vec<usize> = (0..members.len()).collect();
        by_remainder.sort_by(|&a, &b| share(b).fract().total_cmp(&share(a).fract()));
        let missing = total - counts.iter().sum::<usize>();
        for k in by_remainder.into_iter().filter(|&k| !members[k].is_empty()).take(missing) {
            counts[k] += 1;
        }
        Ok(self.by_class(members, &counts))
    }

    /// Equally many of each class: UTS in Koller et al., read as equal counts.
    ///
    /// As many in all as [`overall`](Self::overall). A class that has too few gives all it has, and the
    /// others share the rest; what does not divide evenly goes to the first classes that have more.
    ///
    /// # Errors
    /// Labels of other samples.
    pub fn balanced(self, labels: &Labels) -> Result<Subset> {
        self.of.check(labels)?;
        let members = self.members(labels);
        let mut counts = vec![0; members.len()];
        let mut left = self.share.of(self.of.candidates.len());
        while left > 0 {
            let open: Vec<usize> = (0..members.len()).filter(|&k| counts[k] < members[k].len()).collect();
            let each = (left / open.len()).max(1);
            for k in open {
                let more = each.min(members[k].len() - counts[k]).min(left);
                counts[k] += more;
                left -= more;
            }
        }
        Ok(self.by_class(members, &counts))
    }

    /// The candidates of each class.
    fn members(self, labels: &Labels) -> Vec<Vec<usize>> {
        let mut members = vec![Vec::new(); labels.classes().len()];
        for &row in &self.of.candidates {
            members[labels.indices()[row]].push(row);
        }
        members
    }

    fn by_class(self, members: Vec<Vec<usize>>, counts: &[usize]) -> Subset {
        let chosen = members.into_iter().zip(counts).flat_map(|(rows, &n)| self.first(rows, n)).collect();
        Subset::of(self.of, chosen)
    }

    /// The first n rows of a ranking.
    fn first(self, mut rows: Vec<usize>, n: usize) -> Vec<usize> {
        let u = &self.of.values;
        rows.sort_by(|&a, &b| {
            let rising = u[a].total_cmp(&u[b]);
            (if self.most { rising.reverse() } else { rising }).then(a.cmp(&b))
        });
        rows.truncate(n);
        rows
    }
}

/// Samples chosen from a data set: their positions, rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subset {
    positions: Vec<usize>,
    /// What was not chosen but could have been.
    others: Vec<usize>,
}

impl Subset {
    fn of(u: &Uncertainty, mut positions: Vec<usize>) -> Self {
        positions.sort_unstable();
        let others =
            u.candidates.iter().copied().filter(|row| positions.binary_search(row).is_err()).collect();
        Self { positions, others }
    }

    /// Positions in the data set, rising: for [`Patches::select`](crate::data::Patches::select).
    pub fn positions(&self) -> &[usize] {
        &self.positions
    }

    /// How many samples.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// The candidates that were not chosen.
    #[must_use]
    pub fn complement(&self) -> Self {
        Self { positions: self.others.clone(), others: self.positions.clone() }
    }

    /// How many of each class were chosen.
    ///
    /// # Panics
    /// Labels of fewer samples than the data set has.
    pub fn counts(&self, labels: &Labels) -> Vec<usize> {
        let classes: &Classes = labels.classes();
        let mut counts = vec![0; classes.len()];
        self.positions.iter().for_each(|&row| counts[labels.indices()[row]] += 1);
        counts
    }
}
