//! Axes: where a value lies, and which values are written next to it.

/// A scale from a lowest to a highest value, with its ticks.
#[derive(Debug, Clone)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    logarithmic: bool,
    /// Each tick's value and its label.
    pub ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis that begins and ends at a round number, for finite values.
    pub(super) fn linear(low: f64, high: f64) -> Self {
        let (low, high) = if high > low {
            (low, high)
        } else {
            let margin = if low == 0.0 { 0.5 } else { 0.05 * low.abs() };
            (low - margin, low + margin)
        };
        let step = round_step((high - low) / 5.0);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let count = (last - first) as usize;
        let ticks = (0..=count).map(|k| {
            let value = (first + k as f64) * step;
            (value, number(value, decimals))
        });
        Self { low: first * step, high: last * step, logarithmic: false, ticks: ticks.collect() }
    }

    /// An axis whose places are named otherwise than by numbers.
    pub(super) fn of_names() -> Self {
        Self { low: 0.0, high: 1.0, logarithmic: false, ticks: Vec::new() }
    }

    /// A logarithmic axis for positive values, with ticks at 1, 2 and 5 times powers of ten.
    pub(super) fn logarithmic(low: f64, high: f64) -> Self {
        let (low, high) = (low / 1.1, high * 1.1);
        let decades = (high / low).log10();
        let every = (decades / 6.0).ceil().max(1.0) as i32;
        let digits: &[f64] = if decades < 3.0 { &[1.0, 2.0, 5.0] } else { &[1.0] };
        let mut ticks = Vec::new();
        for power in low.log10().floor() as i32..=high.log10().ceil() as i32 {
            if power.rem_euclid(every) != 0 {
                continue;
            }
            for digit in digits {
                let value = digit * 10_f64.powi(power);
                if (low..=high).contains(&value) {
                    ticks.push((value, number(value, (-power).max(0) as usize)));
                }
            }
        }
        Self { low, high, logarithmic: true, ticks }
    }

    /// An axis of whole numbers, such as epochs, that ends a little beyond them.
    pub(super) fn counts(first: usize, last: usize) -> Self {
        let span = (last - first) as f64;
        let margin = if span == 0.0 { 0.5 } else { 0.03 * span };
        let step = (round_step(span / 6.0).ceil() as usize).max(1);
        // The first whole number is always written; the others are multiples of the step.
        let multiples = (first..=last).filter(|n| n % step == 0 && (n - first) * 2 >= step);
        let ticks = std::iter::once(first).chain(multiples.filter(|n| *n != first));
        Self {
            low: first as f64 - margin,
            high: last as f64 + margin,
            logarithmic: false,
            ticks: ticks.map(|n| (n as f64, n.to_string())).collect(),
        }
    }

    pub(super) fn is_logarithmic(&self) -> bool {
        self.logarithmic
    }

    /// Where a value lies: 0 at the low end, 1 at the high end.
    pub(super) fn position(&self, value: f64) -> f64 {
        if self.logarithmic {
            (value / self.low).ln() / (self.high / self.low).ln()
        } else {
            (value - self.low) / (self.high - self.low)
        }
    }
}

/// The next of 1, 2, 5 times a power of ten at or above `step`.
fn round_step(step: f64) -> f64 {
    if step <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0]
        .into_iter()
        .map(|digit| digit * power)
        .find(|s| *s >= step * 0.999)
        .unwrap_or(10.0 * power)
}

/// A tick's number: plain where short, else with a power of ten.
fn number(value: f64, decimals: usize) -> String {
    let value = if value == 0.0 { 0.0 } else { value };
    if decimals > 4 || value.abs() >= 1e6 { format!("{value:.1e}") } else { format!("{value:.decimals$}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, label)| label.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_ends_at_round_numbers_outside_the_values() {
        let axis = Axis::linear(0.31, 0.92);
        assert_eq!(labels(&axis), ["0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert!(axis.position(0.31) > 0.0 && axis.position(0.92) < 1.0);
        assert!((axis.position(0.6) - 0.5).abs() < 1e-12);
        assert_eq!(labels(&Axis::linear(0.0, 0.0)), ["-0.6", "-0.4", "-0.2", "0.0", "0.2", "0.4", "0.6"]);
    }

    #[test]
    fn a_logarithmic_axis_spaces_equal_ratios_equally() {
        let axis = Axis::logarithmic(0.1, 20.0);
        assert_eq!(labels(&axis), ["0.1", "0.2", "0.5", "1", "2", "5", "10", "20"]);
        let step = axis.position(1.0) - axis.position(0.1);
        assert!((axis.position(10.0) - axis.position(1.0) - step).abs() < 1e-12);
    }

    #[test]
    fn epochs_are_whole_numbers_and_the_first_is_written() {
        assert_eq!(labels(&Axis::counts(1, 1)), ["1"]);
        assert_eq!(labels(&Axis::counts(1, 2)), ["1", "2"]);
        assert_eq!(labels(&Axis::counts(1, 100)), ["1", "20", "40", "60", "80", "100"]);
    }
}
