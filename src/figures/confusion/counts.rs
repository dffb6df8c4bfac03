//! Confusion in samples: colours follow the counts themselves, or their logarithms, which bring out rare confusions.

use super::{Cells, Layout, OF_PREDICTIONS, check_size, put_rows, widest};
use crate::Result;
use crate::figures::axis::Axis;
use crate::figures::colours::{INK, ramp};
use crate::figures::drawing::Area;
use crate::figures::lettering::Lettering;
use crate::figures::parts::{COLOUR_BAR_WIDTH, Frame, MARGIN, colour_bar, gradient, grouped, numbers};
use crate::figures::{Caption, Figure};
use crate::metrics::ConfusionMatrix;

/// Room for the colour bar with long numbers next to it.
const BAR: f64 = 10.0 + COLOUR_BAR_WIDTH + 14.0 + MARGIN;

/// How a count becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CountScale {
    /// C / max C: frequent is dark.
    #[default]
    Linear,
    /// ln C / ln max C for C ≥ 1, from a light tint on: a confusion of a hundred pixels shows next to a million.
    Logarithmic,
}

impl CountScale {
    /// 0 for white to 1 for the darkest.
    fn share(self, count: f64, most: f64) -> f64 {
        /// A count of 1, so that it differs from none.
        const FAINTEST: f64 = 0.06;
        match self {
            _ if count < 1.0 => 0.0,
            Self::Linear => count / most,
            Self::Logarithmic if most > 1.0 => FAINTEST + (1.0 - FAINTEST) * count.ln() / most.ln(),
            Self::Logarithmic => 1.0,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Linear => "Colour: samples, on a linear scale for all rows.",
            Self::Logarithmic => "Colour: samples, on a logarithmic scale for all rows.",
        }
    }
}

/// Draws a confusion matrix whose colours are its counts on one scale for all cells, linear or logarithmic; the counts
/// stand in the cells. Otherwise, and in its CSV, as [`confusion_matrix`](super::confusion_matrix()).
///
/// # Errors
/// More than 64 classes, which no page holds.
///
/// ```
/// use lcz::figures::{self, Caption, CountScale};
/// use lcz::{Classes, metrics::ConfusionMatrix};
/// let counts = ndarray::array![[80_000, 12], [1, 900]];
/// let confusion = ConfusionMatrix::from_counts(Classes::named(["forest", "river"])?, counts)?;
/// let caption = Caption::new("Land cover of 80,913 pixels", "synthetic");
/// let figure = figures::confusion_counts(&confusion, CountScale::Logarithmic, &caption)?;
/// assert!(figure.csv().contains("forest,river,12,"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn confusion_counts(confusion: &ConfusionMatrix, scale: CountScale, caption: &Caption) -> Result<Figure> {
    check_size(confusion)?;
    let layout = Layout::of(&[confusion], Cells::Counts, BAR);
    let mut notes = scale.words().to_owned();
    if confusion.counts().iter().any(|count| *count == 0) {
        notes.push_str(" Empty cell: 0.");
    }
    let frame = Frame::new(caption, &notes, layout.width);
    let mut drawing = frame.around(layout.above + layout.side() + layout.below);
    let corner = (layout.left, frame.above() + layout.above);
    let most = confusion.counts().iter().copied().max().unwrap_or(0).max(1) as f64;
    let colour = |truth, predicted| ramp(scale.share(confusion.count(truth, predicted) as f64, most));
    let matrix = layout.draw(&mut drawing, corner, (confusion, &OF_PREDICTIONS), &colour, true);

    let bar = Area { x: matrix.right() + 10.0, y: matrix.y, width: 7.0, height: matrix.height };
    gradient(&mut drawing, bar, 200, |share| {
        let value = match scale {
            CountScale::Linear => share * most,
            CountScale::Logarithmic => most.powf(share),
        };
        ramp(scale.share(value, most))
    });
    let along = |value: f64| match scale {
        CountScale::Linear => value / most,
        CountScale::Logarithmic if most > 1.0 => value.ln() / most.ln(),
        CountScale::Logarithmic => 1.0,
    };
    let ticks: Vec<(f64, String)> =
        ticks(scale, most).into_iter().map(|value| (along(value), grouped(value as u64))).collect();
    let widest = widest(Lettering::new(6.0, INK), ticks.iter().map(|(_, words)| words.clone()));
    colour_bar(&mut drawing, bar, &ticks, "samples", 3.5 + widest + 8.0);
    let mut table = numbers(caption, &[], OF_PREDICTIONS.csv);
    put_rows(&mut table, None, confusion);
    drawing.into_figure(caption, table.csv())
}

/// Round numbers of samples up to the largest count.
fn ticks(scale: CountScale, most: f64) -> Vec<f64> {
    match scale {
        CountScale::Linear => {
            let axis = Axis::linear(0.0, most);
            let whole = |value: &f64| value.fract() == 0.0 && *value <= most;
            axis.ticks.into_iter().map(|(value, _)| value).filter(whole).collect()
        }
        CountScale::Logarithmic => {
            // Counts are below 2⁶⁴.
            (0..20).map(|power| 10_f64.powi(power)).filter(|value| *value <= most).collect()
        }
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn equal_steps_of_the_logarithm_are_equal_steps_of_colour() {
        let share = |count| CountScale::Logarithmic.share(count, 1e6);
        assert_eq!([share(0.0), share(1e6)], [0.0, 1.0]);
        let steps = [share(1.0), share(100.0), share(10_000.0), share(1e6)];
        for pair in steps.windows(2) {
            assert!((pair[1] - pair[0] - (1.0 - share(1.0)) / 3.0).abs() < 1e-12, "{steps:?}");
        }
        assert!(share(1.0) > 0.0);
        assert_eq!(CountScale::Linear.share(250.0, 1000.0), 0.25);
        assert_eq!(CountScale::Logarithmic.share(1.0, 1.0), 1.0);
    }

    #[test]
    fn ticks_are_round_and_within_the_counts() {
        assert_eq!(ticks(CountScale::Logarithmic, 4321.0), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(ticks(CountScale::Linear, 4321.0), [0.0, 1000.0, 2000.0, 3000.0, 4000.0]);
        assert_eq!(ticks(CountScale::Linear, 1.0), [0.0, 1.0]);
    }
}
