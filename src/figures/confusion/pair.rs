//! Two classifiers' confusion on the same samples, side by side: one scale, one legend, one column of names.

use super::{Cells, GAP, Layout, NAME, OF_PREDICTIONS, check_size, put_rows, share_colour};
use crate::figures::drawing::Area;
use crate::figures::parts::{Frame, MARGIN, numbers, percent_bar_across};
use crate::figures::{Caption, Figure};
use crate::metrics::ConfusionMatrix;
use crate::{Error, Result};

/// Room for the classifiers' names.
const ABOVE: f64 = 13.0;
/// Room for the colour bar, and its width.
const BAR: f64 = 26.0;
const BAR_WIDTH: f64 = 160.0;

/// Draws the confusion matrices of two classifiers on the same samples side by side, as wide as a page: rows are
/// the reference, columns the prediction, both on one scale of colours from 0 to 100 % of the row, with whole
/// percent in the cells and each one's overall accuracy above it. Empty cells and rows as in
/// [`confusion_matrix`](super::confusion_matrix()).
///
/// The CSV has one line per cell: `classifier,reference,predicted,count,row_percent`.
///
/// # Errors
/// More than 64 classes; matrices of other classes or of other samples.
///
/// ```
/// use lcz::figures::{self, Caption};
/// use lcz::{Classes, metrics::ConfusionMatrix};
/// let of = |counts| ConfusionMatrix::from_counts(Classes::named(["forest", "river"])?, counts);
/// let (first, second) = (of(ndarray::array![[8, 2], [1, 9]])?, of(ndarray::array![[9, 1], [4, 6]])?);
/// let caption = Caption::new("Land cover of 20 patches", "synthetic");
/// let figure = figures::confusion_matrices([("forest", &first), ("network", &second)], &caption)?;
/// assert!(figure.csv().contains("network,river,forest,4,40\n"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn confusion_matrices(panels: [(&str, &ConfusionMatrix); 2], caption: &Caption) -> Result<Figure> {
    let [first, second] = panels.map(|(_, confusion)| confusion);
    check_size(first)?;
    if first.classes() != second.classes() || first.reference_totals() != second.reference_totals() {
        let problem = "two matrices of other classes or samples";
        return Err(Error::input("figure of confusion matrices", problem, "give two of the same samples"));
    }
    let (cells, words) = (Cells::WholePercent, &OF_PREDICTIONS);
    let layout = Layout::of(&[first, second], cells, MARGIN);
    let notes = format!("{} Numbers: whole percent.", words.notes(&[first, second]));
    let frame = Frame::new(caption, &notes, layout.width);
    let mut drawing = frame.around(ABOVE + layout.side() + layout.below + BAR);
    let mut table = numbers(caption, &[], ["classifier"].into_iter().chain(words.csv));
    let top = frame.above() + ABOVE;
    for (at, (name, confusion)) in panels.into_iter().enumerate() {
        let x = layout.left + at as f64 * (layout.side() + GAP);
        let accuracy = format!("{name}: overall accuracy {:.3}", confusion.overall_accuracy_score());
        let title = NAME.bold().centred().fitting(&accuracy, layout.side() + GAP - 4.0);
        drawing.text(&accuracy, (x + layout.side() / 2.0, top - 5.0), title);
        let colour = |i, j| share_colour(confusion, i, j);
        layout.draw(&mut drawing, (x, top), (confusion, words), &colour, at == 0);
        put_rows(&mut table, Some(name), confusion);
    }
    // In the middle of both.
    let middle = layout.left + layout.side() + GAP / 2.0;
    let width = BAR_WIDTH.min(layout.side());
    let bar =
        Area { x: middle - width / 2.0, y: top + layout.side() + layout.below + 10.0, width, height: 6.0 };
    percent_bar_across(&mut drawing, bar, words.colour_bar);
    drawing.into_figure(caption, table.csv())
}
