//! A single file's training, validation and test part, by group.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::Patches;
use crate::{Error, Result};

/// What a single file is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitBy {
    /// Groups, if there are at least three, else position.
    #[default]
    Auto,
    /// Groups: cities or regions, each whole in one part.
    Group,
    /// Position in the file, as in the course on So2Sat.
    Position,
}

impl SplitBy {
    /// The groups to split by; none to split by position.
    pub(super) fn groups(self, patches: &Patches) -> Result<Option<Vec<i32>>> {
        if self == Self::Position {
            return Ok(None);
        }
        let groups = patches.groups().unwrap_or_default();
        let count = groups.iter().collect::<std::collections::BTreeSet<_>>().len();
        match self {
            Self::Group if count < SHARES.len() => {
                let problem = format!("{count} groups, too few to split by");
                Err(Error::input(patches.name(), problem, "give a dataset 'group', or split by position"))
            }
            _ => Ok((count >= SHARES.len()).then_some(groups)),
        }
    }
}

/// Shares of training, validation and test.
const SHARES: [f64; 3] = [0.64, 0.16, 0.20];

/// Positions of training, validation and test: the largest group first, each to the part that lacks most
/// of its share; the last groups fill the parts that are empty. Only the sizes and numbers of the groups decide.
pub(super) fn by_group(groups: &[i32]) -> [Vec<usize>; 3] {
    let mut members = BTreeMap::<i32, Vec<usize>>::new();
    for (position, &group) in groups.iter().enumerate() {
        members.entry(group).or_default().push(position);
    }
    let mut by_size: Vec<Vec<usize>> = members.into_values().collect();
    by_size.sort_by_key(|members| std::cmp::Reverse(members.len()));

    let mut parts: [Vec<usize>; 3] = Default::default();
    let mut left = by_size.len();
    for members in by_size {
        let empty = parts.iter().filter(|part| part.is_empty()).count();
        let lacks = |k: usize| SHARES[k] * groups.len() as f64 - parts[k].len() as f64;
        let open = (0..parts.len()).filter(|&k| left > empty || parts[k].is_empty());
        let part = open.max_by(|&a, &b| lacks(a).total_cmp(&lacks(b))).unwrap_or_default();
        parts[part].extend(members);
        left -= 1;
    }
    parts.each_mut().map(|part| {
        part.sort_unstable();
        std::mem::take(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_group_is_in_two_parts_no_patch_is_lost_and_shares_are_near() {
        // Forty groups of 3 to 42 patches, in turn.
        let groups: Vec<i32> =
            (0..40).flat_map(|group| std::iter::repeat_n((group * 7) % 40, 3 + group as usize)).collect();
        let parts = by_group(&groups);
        let of = |k: usize| parts[k].iter().map(|&n| groups[n]).collect::<BTreeSet<_>>();
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert!(of(a).is_disjoint(&of(b)));
        }
        let mut all: Vec<usize> = parts.iter().flatten().copied().collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..groups.len()));
        for (part, share) in parts.iter().zip(SHARES) {
            let got = part.len() as f64 / groups.len() as f64;
            assert!((got - share).abs() < 0.03, "{got}, not {share}");
            assert!(part.is_sorted());
        }
    }

    #[test]
    fn three_groups_make_three_parts_whatever_their_sizes() {
        for sizes in [[5, 5, 5], [90, 5, 5], [1, 1, 98]] {
            let groups: Vec<i32> = (0..3).flat_map(|k| std::iter::repeat_n(k, sizes[k as usize])).collect();
            assert!(by_group(&groups).iter().all(|part| !part.is_empty()), "{sizes:?}");
        }
    }
}
