//! Differences between runs, with intervals from the variation between test patches and between runs.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::metrics::{Influence, Interval, interval_over_runs};

const LEVEL: f64 = 0.95;

/// Positions of the patches that vary together: those of a group, or each alone where there are no groups.
pub(super) fn units(groups: Option<&[i32]>, patches: usize) -> Vec<Vec<usize>> {
    let Some(groups) = groups else { return (0..patches).map(|n| vec![n]).collect() };
    let mut units = BTreeMap::<i32, Vec<usize>>::new();
    for (n, group) in groups.iter().enumerate() {
        units.entry(*group).or_default().push(n);
    }
    units.into_values().collect()
}

/// Sums over the patches of a unit, for each run and unit.
pub(super) type Sums<const N: usize> = Vec<Vec<[f64; N]>>;

/// The difference of two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The first minus the second.
    pub value: f64,
    /// Its 95 % interval; none where the variation is not known.
    pub interval: Option<Interval>,
}

impl Difference {
    /// The interval, `+0.0123 to +0.0456`.
    pub(super) fn range(&self) -> String {
        let range = |Interval { lower, upper, .. }| format!("{lower:+.4} to {upper:+.4}");
        self.interval.map_or_else(|| "–".to_owned(), range)
    }

    /// The claim that it supports, the first above 0, the second below; none if 0 lies in the interval.
    pub(super) fn verdict<T>(&self, above: T, below: T) -> Option<T> {
        match self.interval? {
            interval if interval.lower > 0.0 => Some(above),
            interval if interval.upper < 0.0 => Some(below),
            _ => None,
        }
    }
}

/// N means over runs and patches of `of`, minus those of `less`. Runs are paired where those of both belong together.
pub(super) fn differences<const N: usize>(
    [of, less]: [&Sums<N>; 2],
    units: &[Vec<usize>],
    paired: bool,
) -> [Difference; N] {
    std::array::from_fn(|n| {
        let [of, less] =
            [of, less].map(|runs| runs.iter().map(|run| influence(run, units, n)).collect::<Vec<_>>());
        let values = |runs: &[Influence]| runs.iter().map(|run| run.value).collect::<Vec<f64>>();
        let (a, b) = (mean(&of), mean(&less));
        let difference = Influence {
            value: a.value - b.value,
            of_samples: a.of_samples.iter().zip(&b.of_samples).map(|(a, b)| a - b).collect(),
        };
        let (a, b) = (values(&of), values(&less));
        let between = if paired { vec![a.iter().zip(&b).map(|(a, b)| a - b).collect()] } else { vec![a, b] };
        // Patches that vary alone are independent; a group counts as one.
        let grouped = units.iter().any(|unit| unit.len() > 1);
        let groups: Vec<i32> =
            units.iter().enumerate().flat_map(|(u, unit)| vec![u as i32; unit.len()]).collect();
        let interval = interval_over_runs(&difference, &between, grouped.then_some(&groups), LEVEL).ok();
        Difference { value: difference.value, interval }
    })
}

/// The mean of a run and how much each patch moves it, the patches of a unit alike.
fn influence<const N: usize>(run: &[[f64; N]], units: &[Vec<usize>], n: usize) -> Influence {
    let patches: usize = units.iter().map(Vec::len).sum();
    let value = run.iter().map(|sums| sums[n]).sum::<f64>() / patches as f64;
    let of_samples = run.iter().zip(units).flat_map(|(sums, unit)| {
        let size = unit.len();
        vec![sums[n] / size as f64 - value; size]
    });
    Influence { value, of_samples: of_samples.collect() }
}

fn mean(runs: &[Influence]) -> Influence {
    let count = runs.len() as f64;
    Influence {
        value: runs.iter().map(|run| run.value).sum::<f64>() / count,
        of_samples: (0..runs[0].of_samples.len())
            .map(|n| runs.iter().map(|run| run.of_samples[n]).sum::<f64>() / count)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::IntervalMethod;

    #[test]
    fn a_verdict_needs_an_interval_without_zero() {
        let of = |lower, upper| {
            let interval = Interval { lower, upper, method: IntervalMethod::StudentT };
            Difference { value: 0.0, interval: Some(interval) }.verdict("more", "less")
        };
        assert_eq!([of(0.1, 0.2), of(-0.2, -0.1), of(-0.1, 0.1)], [Some("more"), Some("less"), None]);
    }

    #[test]
    fn a_group_is_drawn_whole_and_a_patch_without_one_alone() {
        assert_eq!(units(Some(&[7, 2, 7]), 3), [vec![1], vec![0, 2]]);
        assert_eq!(units(None, 2), [vec![0], vec![1]]);
    }

    #[test]
    fn a_difference_is_that_of_the_means_over_runs_and_patches_and_lies_in_its_interval() {
        let units: Vec<Vec<usize>> = (0..10).map(|unit| (4 * unit..4 * unit + 4).collect()).collect();
        // Two runs each; of four patches of a unit, 3 and, in every other unit, 4 are right, against 2 and 1.
        let sums = |even: f64, odd: f64| -> Sums<1> {
            vec![(0..10).map(|unit| [if unit % 2 == 0 { even } else { odd }]).collect(); 2]
        };
        for paired in [true, false] {
            let [Difference { value, interval }] =
                differences([&sums(3.0, 4.0), &sums(2.0, 1.0)], &units, paired);
            assert!((value - 20.0 / 40.0).abs() < 1e-12);
            // Ten groups whose differences are 1/4 and 3/4 in turn, equal in both runs: with t(9) = 2.262157, a half
            // width of t · sd / √10, sd = √(10/9) / 4.
            let half = 2.262_157 * (10.0_f64 / 9.0).sqrt() / 4.0 / 10.0_f64.sqrt();
            let interval = interval.unwrap();
            assert!(
                (interval.lower - (0.5 - half)).abs() < 1e-6 && (interval.upper - (0.5 + half)).abs() < 1e-6
            );
        }
    }
}
