//! Differences between runs, with intervals from resampling test patches and runs.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::scorecard::{Interval, percentiles};

const ROUNDS: usize = 2000;
const LEVEL: f64 = 0.95;

/// Positions of the patches that are resampled together: those of a group, or each alone where there are no groups.
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
    /// Its 95 % interval.
    pub interval: Interval,
}

impl Difference {
    /// The interval, `+0.0123 to +0.0456`.
    pub(super) fn range(&self) -> String {
        format!("{:+.4} to {:+.4}", self.interval.lower, self.interval.upper)
    }

    /// The claim that it supports, the first above 0, the second below; none if 0 lies in the interval.
    pub(super) fn verdict<T>(&self, above: T, below: T) -> Option<T> {
        if self.interval.lower > 0.0 {
            Some(above)
        } else if self.interval.upper < 0.0 {
            Some(below)
        } else {
            None
        }
    }
}

/// N means over runs and patches of `of`, minus those of `less`: units of test patches are resampled, and runs, in
/// pairs where the runs of both belong together.
pub(super) fn differences<const N: usize>(
    [of, less]: [&Sums<N>; 2],
    units: &[Vec<usize>],
    paired: bool,
) -> [Difference; N] {
    let mean = |sums: &Sums<N>, runs: &[usize], drawn: &[usize]| {
        let patches: usize = drawn.iter().map(|&unit| units[unit].len()).sum();
        let mut mean = [0.0; N];
        for &run in runs {
            for &unit in drawn {
                mean.iter_mut().zip(sums[run][unit]).for_each(|(mean, sum)| *mean += sum);
            }
        }
        mean.map(|sum| sum / (patches * runs.len()) as f64)
    };
    let difference = |of_runs: &[usize], less_runs: &[usize], drawn: &[usize]| -> [f64; N] {
        let (a, b) = (mean(of, of_runs, drawn), mean(less, less_runs, drawn));
        std::array::from_fn(|n| a[n] - b[n])
    };
    let every = |n: usize| (0..n).collect::<Vec<usize>>();
    let values = difference(&every(of.len()), &every(less.len()), &every(units.len()));
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let rounds: Vec<[f64; N]> = (0..ROUNDS)
        .map(|_| {
            let mut draw = |n: usize| -> Vec<usize> { (0..n).map(|_| random.gen_range(0..n)).collect() };
            let (drawn, of_runs) = (draw(units.len()), draw(of.len()));
            let less_runs = if paired { of_runs.clone() } else { draw(less.len()) };
            difference(&of_runs, &less_runs, &drawn)
        })
        .collect();
    std::array::from_fn(|n| {
        let interval = percentiles(rounds.iter().map(|round| round[n]), LEVEL);
        Difference { value: values[n], interval: interval.expect("there is a round") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorecard::IntervalMethod;

    #[test]
    fn a_verdict_needs_an_interval_without_zero() {
        let of = |lower, upper| {
            let interval = Interval { lower, upper, method: IntervalMethod::Percentile };
            Difference { value: 0.0, interval }.verdict("more", "less")
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
            assert!(interval.lower > 0.25 && interval.lower < value && value < interval.upper);
        }
    }
}
