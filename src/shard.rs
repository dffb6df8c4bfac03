//! A part of some work: one task of a cluster's scheduler.

use std::ops::Range;
use std::str::FromStr;

use crate::{Error, Result};

/// Part i of n: of the runs of a study every n-th from the i-th on, of a map a stripe of its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 on.
    pub(crate) index: usize,
    pub(crate) of: usize,
}

impl Shard {
    /// Whether a run, counted from 0, is one of its.
    pub(crate) fn has(self, number: usize) -> bool {
        number % self.of == self.index - 1
    }

    /// Its stripe of a map with this many lines.
    pub(crate) fn lines(self, rows: usize) -> Range<usize> {
        let end = |k: usize| (rows as u128 * k as u128 / self.of as u128) as usize;
        end(self.index - 1)..end(self.index)
    }
}

impl FromStr for Shard {
    type Err = Error;

    /// `i/n`, i from 1 to n.
    fn from_str(text: &str) -> Result<Self> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, of)) if (1..=of).contains(&index) => Ok(Self { index, of }),
            _ => Err(Error::input(
                format!("shard '{text}'"),
                "not i/n with i from 1 to n",
                "write 2/8, for example",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_runs_and_lines_without_gap_or_overlap() {
        let shards: Vec<Shard> = (1..=4).map(|i| format!("{i}/4").parse().unwrap()).collect();
        for number in 0..78 {
            assert_eq!(shards.iter().filter(|shard| shard.has(number)).count(), 1);
        }
        let lines: Vec<usize> = shards.iter().flat_map(|shard| shard.lines(11)).collect();
        assert_eq!(lines, (0..11).collect::<Vec<_>>());
        for text in ["0/4", "5/4", "1", "a/b", "1/0", ""] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
