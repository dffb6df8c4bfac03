//! Differences between runs, with intervals from the variation between test patches and between runs.

use serde::Serialize;

use crate::metrics::{Influence, Interval, holm, interval_over_runs, t_interval, t_test};

const LEVEL: f64 = 0.95;

/// The difference of two means.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// The first minus the second.
    pub value: f64,
    /// Its 95 % interval; none where the variance is not known.
    pub interval: Option<Interval>,
    /// The two-sided p-value of no difference.
    pub p: Option<f64>,
    /// The same with Holm's correction for all differences of its table.
    pub p_holm: Option<f64>,
}

impl Difference {
    /// The mean of a measure over runs, `of` minus `less`, on the same test patches (whole groups of them vary together
    /// where there are groups). Runs are paired where those of both belong together.
    pub(super) fn of(of: &[Influence], less: &[Influence], groups: Option<&[i32]>, paired: bool) -> Self {
        let [a, b] = [of, less].map(Influence::mean);
        let [of, less] = [of, less].map(|runs| runs.iter().map(|run| run.value).collect::<Vec<f64>>());
        let between =
            if paired { vec![of.iter().zip(&less).map(|(a, b)| a - b).collect()] } else { vec![of, less] };
        let of_samples = a.of_samples.iter().zip(&b.of_samples).map(|(a, b)| a - b).collect();
        let difference = Influence { value: a.value - b.value, of_samples };
        let (interval, p) = interval_over_runs(&difference, &between, groups, LEVEL).ok().unzip();
        Self { value: difference.value, interval, p, p_holm: None }
    }

    /// The mean of differences between runs that are all that is known.
    pub(super) fn of_pairs(values: &[f64]) -> Self {
        let value = values.iter().sum::<f64>() / values.len() as f64;
        let (interval, p) = (t_interval(values, LEVEL).ok(), t_test(values).ok());
        Self { value, interval, p, p_holm: None }
    }

    /// Corrects the p-values of the differences that one table compares.
    pub(super) fn correct<'a>(differences: impl IntoIterator<Item = &'a mut Self>) {
        let mut known: Vec<&mut Self> = differences.into_iter().filter(|one| one.p.is_some()).collect();
        let p_values: Vec<f64> = known.iter().filter_map(|one| one.p).collect();
        known.iter_mut().zip(holm(&p_values)).for_each(|(one, p)| one.p_holm = Some(p));
    }

    /// The interval, `+0.0123 to +0.0456`.
    pub(super) fn range(&self) -> String {
        let range = |Interval { lower, upper, .. }| format!("{lower:+.4} to {upper:+.4}");
        self.interval.map_or_else(|| "–".to_owned(), range)
    }

    /// The corrected p-value, `0.012`.
    pub(super) fn corrected(&self) -> String {
        let text = |p: f64| if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") };
        self.p_holm.map_or_else(|| "–".to_owned(), text)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::IntervalMethod;

    #[test]
    fn a_verdict_needs_an_interval_without_zero() {
        let of = |lower, upper| {
            let interval = Some(Interval { lower, upper, method: IntervalMethod::StudentT });
            Difference { value: 0.0, interval, p: None, p_holm: None }.verdict("more", "less")
        };
        assert_eq!([of(0.1, 0.2), of(-0.2, -0.1), of(-0.1, 0.1)], [Some("more"), Some("less"), None]);
    }

    #[test]
    fn a_difference_is_that_of_the_means_over_runs_and_patches_and_lies_in_its_interval() {
        // Two runs each; of four patches of a group, 3 and, in every other group, 4 are right, against 2 and 1.
        let runs = |even: usize, odd: usize| {
            let right = |n: usize| n % 4 < if (n / 4).is_multiple_of(2) { even } else { odd };
            vec![Influence::from_values((0..40).map(|n| f64::from(u8::from(right(n)))).collect()); 2]
        };
        let groups: Vec<i32> = (0..40).map(|n| n / 4).collect();
        for paired in [true, false] {
            let mut difference = Difference::of(&runs(3, 4), &runs(2, 1), Some(&groups), paired);
            assert!((difference.value - 20.0 / 40.0).abs() < 1e-12);
            // Ten groups whose differences are 1/4 and 3/4 in turn, equal in both runs: with t(9) = 2.262157, a half
            // width of t · sd / √10, sd = √(10/9) / 4; 0.5 is 6 standard errors: p = 2.024993e-4 by SciPy.
            let half = 2.262_157 * (10.0_f64 / 9.0).sqrt() / 4.0 / 10.0_f64.sqrt();
            let interval = difference.interval.unwrap();
            assert!(
                (interval.lower - (0.5 - half)).abs() < 1e-6 && (interval.upper - (0.5 + half)).abs() < 1e-6
            );
            assert!((difference.p.unwrap() - 2.024_993e-4).abs() < 1e-9, "{difference:?}");
            let mut other = Difference { p: Some(0.01), ..difference };
            Difference::correct([&mut difference, &mut other]);
            assert_eq!((difference.p_holm.map(|p| p * 0.5), other.p_holm), (difference.p, Some(0.01)));
        }
    }
}
