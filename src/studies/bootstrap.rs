//! What the studies' bootstraps share: the test patches that are drawn together, and the interval of what was drawn.

use std::collections::BTreeMap;

use crate::scorecard::{Interval, IntervalMethod};

/// Positions of the patches that are drawn together: those of a group, or each alone where there are no groups.
pub(super) fn units(groups: Option<&[i32]>, patches: usize) -> Vec<Vec<usize>> {
    let Some(groups) = groups else { return (0..patches).map(|n| vec![n]).collect() };
    let mut units = BTreeMap::<i32, Vec<usize>>::new();
    for (n, group) in groups.iter().enumerate() {
        units.entry(*group).or_default().push(n);
    }
    units.into_values().collect()
}

/// The 95 % percentile interval of a statistic's values in all rounds: of n of them, n/40 are left out at each end.
///
/// # Panics
/// No round.
pub(super) fn interval(mut drawn: Vec<f64>) -> Interval {
    drawn.sort_by(f64::total_cmp);
    let outside = drawn.len() / 40;
    let (lower, upper) = (drawn[outside], drawn[drawn.len() - 1 - outside]);
    Interval { lower, upper, method: IntervalMethod::Percentile }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fortieth_of_the_rounds_lies_beyond_each_end() {
        let drawn = (0..2000).map(|n| f64::from(n * 7 % 2000)).collect();
        let Interval { lower, upper, .. } = interval(drawn);
        assert_eq!((lower, upper), (50.0, 1949.0));
    }

    #[test]
    fn a_group_is_drawn_whole_and_a_patch_without_one_alone() {
        assert_eq!(units(Some(&[7, 2, 7]), 3), [vec![1], vec![0, 2]]);
        assert_eq!(units(None, 2), [vec![0], vec![1]]);
    }
}
