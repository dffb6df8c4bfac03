//! Real data of the lessons: patches and votes where they are available, and the statistics of the real votes, which
//! are in the repository.

use std::path::{Path, PathBuf};

use crate::ndarray::Array2;

use crate::data::{Patches, So2Sat, read_votes};
use crate::figures::Figure;
use crate::labels::{EntropyHistogram, VotingConfusion};
use crate::show::EvcxrDisplay;
use crate::{Classes, Error, Result, Votes, Zone};

/// 72 real Sentinel-2 patches without labels, where `LCZ_REAL_DATA` names a folder that has them
/// (`sen2lcz/reference_patches.h5`); else none.
///
/// # Errors
/// A file that cannot be read.
pub fn real_patches() -> Result<Option<Patches>> {
    let Some(path) = real("sen2lcz/reference_patches.h5") else { return Ok(None) };
    Ok(Some(So2Sat::open(path)?.patches()?.with_provenance(
        "72 real Sentinel-2 patches (BigEarthNet and eo-learn samples; another processing than So2Sat's)",
    )))
}

/// The votes of eleven experts on 162,369 real European patches over 16 classes (So2Sat LCZ42, without
/// LCZ 7), where `LCZ_REAL_DATA` names a folder that has them (`votes/so2sat_vote_patterns.csv`); else none.
///
/// # Errors
/// A file that cannot be read or is not a table of vote patterns.
pub fn real_votes() -> Result<Option<Votes>> {
    let Some(path) = real("votes/so2sat_vote_patterns.csv") else { return Ok(None) };
    read_votes(&path).map(Some)
}

/// A file or folder of the real data, if it is there.
pub fn real(name: &str) -> Option<PathBuf> {
    let path = Path::new(&std::env::var_os("LCZ_REAL_DATA")?).join(name);
    path.exists().then_some(path)
}

/// What a cell about real data shows: a figure, or a note where there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Drawn from real data.
    Figure(Figure),
    /// What to do to see it.
    Note(&'static str),
}

impl EvcxrDisplay for Shown {
    fn evcxr_display(&self) {
        match self {
            Self::Figure(figure) => figure.evcxr_display(),
            Self::Note(note) => println!("{note}"),
        }
    }
}

/// Draws real data where they are available, else prints how to get them.
///
/// # Errors
/// Those of `draw`.
pub fn with_real<T>(data: Option<T>, draw: impl FnOnce(&T) -> Result<Figure>) -> Result<Shown> {
    let note = "No real data here: set LCZ_REAL_DATA to a folder that has them, then start ./course lab.";
    data.map_or(Ok(Shown::Note(note)), |data| draw(&data).map(Shown::Figure))
}

/// Statistics of eleven votes on each of 162,369 real European patches (So2Sat LCZ42, without LCZ 7).
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedVotes {
    /// Which zones experts confuse.
    pub confusion: VotingConfusion,
    /// Voting entropy of patches whose majority is a built zone.
    pub urban: EntropyHistogram,
    /// Of the others.
    pub natural: EntropyHistogram,
    /// Where the votes are from.
    pub provenance: &'static str,
}

/// Votes on each patch.
const VOTES: f64 = 11.0;
/// Mean voting entropy on built and on natural zones, in nats: not among the numbers of the figures.
const MEAN_ENTROPY: [f64; 2] = [0.306_461, 0.069_626];
/// The numbers of two figures of this repository, drawn from the votes themselves.
const CONFUSION: &str = include_str!("../../../../figures/voting-confusion.csv");
const ENTROPY: &str = include_str!("../../../../figures/voting-entropy.csv");

/// The sums of the real votes, which are part of this crate (the votes themselves are not).
///
/// # Errors
/// A line of the crate's own data that cannot be read, which does not occur.
pub fn published_votes() -> Result<PublishedVotes> {
    let classes = Classes::lcz().without(Zone::LightweightLowRise);
    let mut votes = Array2::<f64>::zeros((classes.len(), classes.len()));
    for line in lines(CONFUSION) {
        let bad = || no_number("voting-confusion.csv", line);
        let place = |code: &str| classes.codes().iter().position(|other| other == code).ok_or_else(bad);
        let [majority, voted, number, ..] = line.split(',').collect::<Vec<_>>()[..] else {
            return Err(bad());
        };
        votes[[place(majority)?, place(voted)?]] = number.parse().map_err(|_| bad())?;
    }
    let samples = votes.outer_iter().map(|row| (row.sum() / VOTES).round() as usize).collect();
    Ok(PublishedVotes {
        confusion: VotingConfusion::from_sums(classes, votes, samples)?,
        urban: histogram("urban", MEAN_ENTROPY[0])?,
        natural: histogram("natural", MEAN_ENTROPY[1])?,
        provenance: "real expert votes on So2Sat LCZ42, European cities (katharinahech/labelembeddings)",
    })
}

/// The lines of a figure's CSV, without its head.
fn lines(csv: &'static str) -> impl Iterator<Item = &'static str> {
    csv.lines().filter(|line| !line.starts_with('#')).skip(1)
}

fn no_number(file: &str, line: &str) -> Error {
    Error::input(
        format!("figures/{file}"),
        format!("'{line}' is not a line of numbers"),
        "draw the figure again",
    )
}

/// The bars of a group.
fn histogram(group: &str, mean: f64) -> Result<EntropyHistogram> {
    let count = |line: &'static str| {
        let count = line.split(',').nth(3).and_then(|field| field.parse().ok());
        count.ok_or_else(|| no_number("voting-entropy.csv", line))
    };
    let bars = lines(ENTROPY).filter(|line| line.split(',').next() == Some(group));
    let counts: Vec<usize> = bars.map(count).collect::<Result<_>>()?;
    let bars = counts.len();
    let counts = counts.try_into();
    let counts = counts.map_err(|_| no_number("voting-entropy.csv", &format!("{bars} bars, {group}")))?;
    Ok(EntropyHistogram { counts, mean })
}

#[cfg(test)]
mod tests {
    use crate::ndarray::array;

    use super::super::agreement;
    use super::*;

    #[test]
    fn a_panel_that_is_split_is_not_unanimous_and_votes_for_two() {
        let classes = Classes::from_zones([Zone::CompactHighRise, Zone::Water]);
        let votes = Votes::new(classes, array![[11.0, 0.0], [11.0, 0.0], [5.0, 6.0]]).unwrap();
        let table = agreement(&[("synthetic", &votes)]).to_string();
        let first = table.lines().nth(1).unwrap();
        assert_eq!(
            first.split_whitespace().collect::<Vec<_>>(),
            ["1", "compact", "high-rise", "2", "0.000", "100", "%"]
        );
    }

    #[test]
    fn real_votes_have_the_published_agreement() {
        let Some(votes) = real_votes().unwrap() else {
            eprintln!("skipped: LCZ_REAL_DATA is not set");
            return;
        };
        let entropy = votes.distributions().entropy();
        let n = entropy.len();
        assert_eq!(n, 162_369);
        assert!((entropy.iter().sum::<f64>() / n as f64 - 0.1448).abs() < 5e-5);
        let unanimous = entropy.iter().filter(|h| **h == 0.0).count() as f64 / n as f64;
        assert!((unanimous - 0.705).abs() < 5e-4, "{unanimous}");
    }

    #[test]
    fn the_sums_in_the_crate_are_those_of_the_real_votes() {
        let published = published_votes().unwrap();
        assert_eq!(published.confusion.samples().iter().sum::<usize>(), 162_369);
        assert_eq!(published.urban.samples() + published.natural.samples(), 162_369);
        let Some(votes) = real_votes().unwrap() else {
            eprintln!("skipped in part: LCZ_REAL_DATA is not set");
            return;
        };
        let majority = votes.majority(None).unwrap();
        let confusion = VotingConfusion::from_votes(&votes, &majority).unwrap();
        assert_eq!(published.confusion, confusion);
        let entropy = votes.distributions().entropy();
        for (built, given) in [(true, &published.urban), (false, &published.natural)] {
            let is_built = |k: usize| votes.classes().zone(k).is_some_and(Zone::is_built);
            let rows = entropy.iter().zip(majority.indices());
            let chosen: Vec<f64> = rows.filter(|(_, k)| is_built(**k) == built).map(|(h, _)| *h).collect();
            let counted = EntropyHistogram::from_entropies(&chosen).unwrap();
            assert_eq!(given.counts, counted.counts);
            assert!((given.mean - counted.mean).abs() < 1e-6, "{} {}", given.mean, counted.mean);
        }
    }
}
