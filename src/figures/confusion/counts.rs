//! Confusion in samples: colours follow the counts themselves, or their logarithms, which bring out rare confusions.

use super::{
    Cells, Layout, NAME, OF_PREDICTIONS, check_size, draw_borders, draw_cells, draw_columns,
    draw_columns_title, draw_rows, draw_total, put_rows,
};
use crate::Result;
use crate::figures::axis::Axis;
use crate::figures::colours::{INK, PAPER, ramp};
use crate::figures::drawing::Area;
use crate::figures::lettering::Lettering;
use crate::figures::parts::{COLOUR_BAR_WIDTH, Frame, MARGIN, grouped, numbers};
use crate::figures::{Caption, Figure};
use crate::metrics::ConfusionMatrix;

/// Room for the colour bar with long numbers beside it.
const BAR: f64 = 10.0 + COLOUR_BAR_WIDTH + 14.0 + MARGIN;

/// How a count becomes a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CountScale {
    /// C / max C: what is frequent is dark.
    #[default]
    Linear,
    /// ln C / ln max C for C ≥ 1, from a light tint on: a confusion of a hundred pixels shows beside a million.
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
/// let caption = Caption::new("Land cover of 80,913 pixels", "made up");
/// let figure = figures::confusion_counts(&confusion, CountScale::Logarithmic, &caption)?;
/// assert!(figure.csv().contains("forest,river,12,"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn confusion_counts(confusion: &ConfusionMatrix, scale: CountScale, caption: &Caption) -> Result<Figure> {
    check_size(confusion)?;
    let cells = Cells::Counts;
    let layout = Layout::of(&[confusion], cells, BAR);
    let mut notes = scale.words().to_owned();
    if confusion.counts().iter().any(|count| *count == 0) {
        notes.push_str(" Empty cell: 0.");
    }
    let frame = Frame::new(caption, &notes, layout.width);
    let mut drawing = frame.around(layout.above + layout.side() + layout.below);
    let matrix =
        Area { x: layout.left, y: frame.above() + layout.above, width: layout.side(), height: layout.side() };
    let most = confusion.counts().iter().copied().max().unwrap_or(0).max(1) as f64;
    let colour = |truth, predicted| ramp(scale.share(confusion.count(truth, predicted) as f64, most));
    draw_cells(&mut drawing, matrix, confusion, &layout, cells, &colour);
    draw_borders(&mut drawing, matrix, confusion.classes(), layout.cell);
    draw_rows(&mut drawing, matrix, confusion, &layout, OF_PREDICTIONS.rows);
    draw_columns(&mut drawing, matrix, confusion, &layout);
    draw_total(&mut drawing, matrix, confusion);
    draw_columns_title(&mut drawing, matrix, &layout, OF_PREDICTIONS.columns);

    let bar = Area { x: matrix.right() + 10.0, y: matrix.y, width: 7.0, height: matrix.height };
    let steps = 200;
    for step in (0..steps).rev() {
        let share = (f64::from(step) + 0.5) / f64::from(steps);
        let high = bar.height * f64::from(step + 1) / f64::from(steps);
        let value = match scale {
            CountScale::Linear => share * most,
            CountScale::Logarithmic => most.powf(share),
        };
        drawing.fill(Area { y: bar.bottom() - high, height: high, ..bar }, ramp(scale.share(value, most)));
    }
    drawing.outline(bar, 0.4, INK);
    let mut widest = 0.0_f64;
    for value in ticks(scale, most) {
        let along = match scale {
            CountScale::Linear => value / most,
            CountScale::Logarithmic if most > 1.0 => value.ln() / most.ln(),
            CountScale::Logarithmic => 1.0,
        };
        let y = bar.bottom() - along * bar.height;
        drawing.line((bar.right(), y), (bar.right() + 2.0, y), 0.4, INK);
        let (words, lettering) = (grouped(value as u64), Lettering::new(6.0, INK));
        widest = widest.max(lettering.width(&words));
        drawing.text_at(&words, (bar.right() + 3.5, y), lettering);
    }
    let title = NAME.centred().upward();
    drawing.text_at("samples", (bar.right() + 3.5 + widest + 8.0, bar.middle().1), title);
    let mut table = numbers(caption, &[], OF_PREDICTIONS.csv);
    put_rows(&mut table, None, confusion);
    // A figure without a sample has white cells only.
    debug_assert_eq!(ramp(0.0), PAPER);
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
