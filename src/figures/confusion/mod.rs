//! Confusion as a heat map, of a classifier or of experts: rows are the reference (or the majority), colour
//! is the share of the row.

mod counts;
mod pair;

use ndarray::Array2;

pub use counts::{CountScale, confusion_counts};
pub use pair::confusion_matrices;

use super::colours::{ABSENT, Colour, FAINT_INK, GRID, INK, ramp};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{COLOUR_BAR_WIDTH, Frame, LABEL, MARGIN, PAGE_WIDTH, grouped, numbers, percent_bar};
use super::{Caption, Figure};
use crate::display::{Cell, Table, cells};
use crate::labels::VotingConfusion;
use crate::metrics::ConfusionMatrix;
use crate::{Error, Result, Zone};

/// More classes than this do not fit on a page.
const MOST_CLASSES: usize = 64;

/// Names and codes of classes.
const NAME: Lettering = Lettering::new(LABEL, INK);
/// Samples per class.
const TOTAL: Lettering = Lettering::new(5.5, FAINT_INK);

/// What is written in the cells of a confusion matrix; its colours show row percentages either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cells {
    /// How many samples.
    #[default]
    Counts,
    /// Which part of the reference class, in percent.
    RowPercent,
    /// The same in whole percent, for small cells.
    WholePercent,
}

/// Draws a confusion matrix: rows are the reference, columns the prediction.
///
/// A cell's colour is its share of its row, `100 C_ij / Σ_j C_ij` percent, on a scale from 0 to 100.
/// Next to the names are the samples per class, n. Cells of 0 stay empty; a row without a sample is grey.
///
/// The CSV has one line per cell: `reference,predicted,count,row_percent`, the last empty in a row
/// without a sample.
///
/// # Errors
/// More than 64 classes, which no page holds.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption, Cells};
/// use lcz::{Classes, metrics::ConfusionMatrix};
/// let counts = ndarray::array![[8, 2], [1, 9]];
/// let confusion = ConfusionMatrix::from_counts(Classes::named(["forest", "river"])?, counts)?;
/// let figure = figures::confusion_matrix(&confusion, Cells::RowPercent, &Caption::new("20 patches", "synthetic"))?;
/// assert!(figure.csv().contains("forest,river,2,20\n")); // 2 forests were called a river: 20 % of them
/// # Ok(())
/// # }
/// ```
pub fn confusion_matrix(confusion: &ConfusionMatrix, cells: Cells, caption: &Caption) -> Result<Figure> {
    draw(confusion, cells, &OF_PREDICTIONS, caption)
}

/// Draws which classes experts voted for, by the class of their majority: the label distribution paper's
/// voting confusion, in row percent.
///
/// A cell is `100 Y_ij / Σ_j Y_ij` percent, `Y_ij` the votes for class j on samples whose majority is i.
///
/// The CSV has one line per cell: `majority,voted,votes,row_percent`, the last empty in a row without a vote.
///
/// # Errors
/// More than 64 classes, or votes that are not whole numbers.
///
/// ```
/// use lcz::figures::{self, Caption};
/// use lcz::labels::VotingConfusion;
/// use lcz::{Classes, Votes};
/// let votes = Votes::new(Classes::named(["forest", "river"])?, ndarray::array![[9.0, 1.0], [0.0, 10.0]])?;
/// let confusion = VotingConfusion::from_votes(&votes, &votes.majority(None)?)?;
/// let figure = figures::voting_confusion(&confusion, &Caption::new("Votes", "synthetic"))?;
/// assert!(figure.csv().contains("forest,river,1,10\n"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn voting_confusion(votes: &VotingConfusion, caption: &Caption) -> Result<Figure> {
    let k = votes.classes().len();
    let counts = Array2::from_shape_fn((k, k), |(i, j)| votes.votes(i, j));
    if counts.iter().any(|votes| votes.fract() != 0.0) {
        let advice = "give how many experts chose each class";
        return Err(Error::input("figure of voting confusion", "votes that are not whole numbers", advice));
    }
    let confusion = ConfusionMatrix::from_counts(votes.classes().clone(), counts.mapv(|votes| votes as u64))?;
    draw(&confusion, Cells::RowPercent, &OF_VOTES, caption)
}

/// What the parts of a matrix are called.
struct Words {
    rows: &'static str,
    columns: &'static str,
    colour: &'static str,
    colour_bar: &'static str,
    empty_row: &'static str,
    csv: [&'static str; 4],
}

const OF_PREDICTIONS: Words = Words {
    rows: "Reference",
    columns: "Prediction",
    colour: "Colour: share of the reference class (row).",
    colour_bar: "% of reference class",
    empty_row: "Grey row: no reference sample.",
    csv: ["reference", "predicted", "count", "row_percent"],
};

const OF_VOTES: Words = Words {
    rows: "Majority of the experts",
    columns: "Votes",
    colour: "Colour: share of the votes on patches of that majority (row); grey numbers: votes.",
    colour_bar: "% of votes",
    empty_row: "Grey row: never the majority.",
    csv: ["majority", "voted", "votes", "row_percent"],
};

impl Words {
    /// What a reader must know.
    fn notes(&self, matrices: &[&ConfusionMatrix]) -> String {
        let mut notes = self.colour.to_owned();
        if matrices.iter().any(|confusion| confusion.counts().iter().any(|count| *count == 0)) {
            notes.push_str(" Empty cell: 0.");
        }
        if matrices.iter().any(|confusion| confusion.reference_totals().contains(&0)) {
            notes.push(' ');
            notes.push_str(self.empty_row);
        }
        notes
    }
}

fn draw(confusion: &ConfusionMatrix, cells: Cells, words: &Words, caption: &Caption) -> Result<Figure> {
    check_size(confusion)?;
    let layout = Layout::of(&[confusion], cells, 10.0 + COLOUR_BAR_WIDTH + MARGIN);
    let frame = Frame::new(caption, &words.notes(&[confusion]), layout.width);
    let mut drawing = frame.around(layout.above + layout.side() + layout.below);
    let corner = (layout.left, frame.above() + layout.above);
    let colour = |i, j| share_colour(confusion, i, j);
    let matrix = layout.draw(&mut drawing, corner, (confusion, words), &colour, true);
    percent_bar(&mut drawing, (matrix.right() + 10.0, matrix.y), matrix.height, words.colour_bar);
    let mut table = numbers(caption, &[], words.csv);
    put_rows(&mut table, None, confusion);
    drawing.into_figure(caption, table.csv())
}

fn check_size(confusion: &ConfusionMatrix) -> Result<()> {
    let k = confusion.classes().len();
    if k <= MOST_CLASSES {
        return Ok(());
    }
    let problem = format!("{k} classes; a page holds {MOST_CLASSES}");
    Err(Error::input("figure of a confusion matrix", problem, "merge classes or print the table"))
}

/// Sizes in points.
struct Layout {
    cells: Cells,
    classes: usize,
    cell: f64,
    left: f64,
    above: f64,
    below: f64,
    width: f64,
    /// Room for the samples per class, left of the matrix.
    totals: f64,
    /// Whether the columns' samples, and their codes, are too wide for a cell and read upwards.
    totals_upward: bool,
    codes_upward: bool,
    /// Room for the columns' samples below the matrix.
    totals_below: f64,
}

/// Between matrices.
const GAP: f64 = 10.0;

impl Layout {
    /// Of matrices side by side with the same rows; `right` is the space right of them, in points.
    fn of(matrices: &[&ConfusionMatrix], cells: Cells, right: f64) -> Self {
        let classes = matrices[0].classes();
        let k = classes.len();
        let names: Vec<String> = (0..k).map(|class| classes.name(class)).collect();
        let rows = matrices[0].reference_totals().into_iter().chain([matrices[0].total()]);
        let totals = widest(TOTAL, rows.map(grouped));
        // Margin, the axis's title, the names, the samples per class.
        let left = MARGIN + 12.0 + widest(NAME, names) + 4.0 + totals + 7.0;
        let count = matrices.len() as f64;
        let around = left + right + GAP * (count - 1.0);
        let texts = matrices
            .iter()
            .flat_map(|confusion| (0..k * k).map(|at| cell_text(confusion, (at / k, at % k), cells)));
        // No number smaller than 5 points; no cell larger than looks well; room for the colour bar's title.
        let needed = widest(Lettering { size: 5.0, ..NAME }, texts) + 3.0;
        let largest = (66.0 / k as f64).max(30.0);
        let cell = ((PAGE_WIDTH - around) / count / k as f64).min(largest).max(needed).max(9.0);
        let codes = widest(NAME, classes.codes().iter().cloned());
        let columns = matrices.iter().flat_map(|confusion| confusion.predicted_totals());
        let predicted = widest(TOTAL, columns.map(grouped));
        let (codes_upward, totals_upward) = (codes > cell - 2.0, predicted > cell - 1.0);
        let totals_below = if totals_upward { predicted + 8.0 } else { 9.5 };
        let codes_below = if codes_upward { codes + 3.0 } else { LABEL + 2.0 };
        Self {
            cells,
            classes: k,
            cell,
            left,
            above: 4.0,
            below: totals_below + codes_below + 12.0,
            width: (around + cell * k as f64 * count).max(200.0),
            totals,
            totals_upward,
            codes_upward,
            totals_below,
        }
    }

    /// Width and height of the matrix.
    fn side(&self) -> f64 {
        self.cell * self.classes as f64
    }

    /// Draws a matrix from its left upper corner on: cells, borders and columns, and the names and samples of the rows
    /// where they are wanted.
    fn draw(
        &self,
        drawing: &mut Drawing,
        (x, y): (f64, f64),
        (confusion, words): (&ConfusionMatrix, &Words),
        colour: &dyn Fn(usize, usize) -> Colour,
        named: bool,
    ) -> Area {
        let matrix = Area { x, y, width: self.side(), height: self.side() };
        let (cell, classes) = (self.cell, confusion.classes());
        let at = |row: usize, column: usize| Area {
            x: matrix.x + column as f64 * cell,
            y: matrix.y + row as f64 * cell,
            width: cell,
            height: cell,
        };
        let size = (cell * 0.36).clamp(5.0, 7.0);
        for (truth, predicted) in
            (0..self.classes * self.classes).map(|n| (n / self.classes, n % self.classes))
        {
            let (area, colour) = (at(truth, predicted), colour(truth, predicted));
            drawing.fill(area, colour);
            let text = cell_text(confusion, (truth, predicted), self.cells);
            if !text.is_empty() {
                let lettering = Lettering::new(size, colour.text_on()).centred().fitting(&text, cell - 2.0);
                drawing.text_at(&text, area.middle(), lettering);
            }
        }
        // Lines between cells, stronger between built and natural zones, around the diagonal and the whole.
        let built = |class| classes.zone(class).map(Zone::is_built);
        for class in 1..self.classes {
            let Area { x, y, .. } = at(class, class);
            let parted = matches!((built(class - 1), built(class)), (Some(a), Some(b)) if a != b);
            let (width, colour) = if parted { (0.7, FAINT_INK) } else { (0.25, GRID) };
            drawing.line((matrix.x, y), (matrix.right(), y), width, colour);
            drawing.line((x, matrix.y), (x, matrix.bottom()), width, colour);
        }
        (0..self.classes).for_each(|class| drawing.outline(at(class, class), 0.5, FAINT_INK));
        drawing.outline(matrix, 0.6, INK);
        let totals_end = matrix.x - 4.0;
        if named {
            for (class, total) in confusion.reference_totals().into_iter().enumerate() {
                let y = at(class, 0).middle().1;
                let colour = if total == 0 { FAINT_INK } else { INK };
                let name = Lettering { colour, ..NAME }.ending();
                drawing.text_at(&classes.name(class), (totals_end - self.totals - 4.0, y), name);
                drawing.text_at(&grouped(total), (totals_end, y), TOTAL.ending());
            }
            let title = NAME.bold().centred().upward();
            drawing.text_at(words.rows, (MARGIN + 4.0, matrix.middle().1), title);
        }
        let codes_top = matrix.bottom() + self.totals_below;
        for (class, total) in confusion.predicted_totals().into_iter().enumerate() {
            let x = at(0, class).middle().0;
            if self.totals_upward {
                drawing.text_at(&grouped(total), (x, matrix.bottom() + 4.0), TOTAL.upward().ending());
            } else {
                drawing.text(&grouped(total), (x, matrix.bottom() + 7.5), TOTAL.centred());
            }
            if self.codes_upward {
                drawing.text_at(classes.code(class), (x, codes_top + 1.0), NAME.upward().ending());
            } else {
                drawing.text(classes.code(class), (x, codes_top + LABEL), NAME.centred());
            }
        }
        if named {
            let total = format!("n = {}", grouped(confusion.total()));
            drawing.text(&total, (totals_end, matrix.bottom() + 7.5), TOTAL.ending());
        }
        let title = NAME.bold().centred();
        drawing.text(words.columns, (matrix.middle().0, matrix.bottom() + self.below - 1.5), title);
        matrix
    }
}

/// `100 C_ij / Σ_j C_ij`; None where the row is empty.
fn row_percent(confusion: &ConfusionMatrix, truth: usize, predicted: usize) -> Option<f64> {
    let row: u64 = confusion.counts().row(truth).sum();
    (row > 0).then(|| 100.0 * confusion.count(truth, predicted) as f64 / row as f64)
}

/// White to dark for the share of the row; grey where the row is empty.
fn share_colour(confusion: &ConfusionMatrix, truth: usize, predicted: usize) -> Colour {
    row_percent(confusion, truth, predicted).map_or(ABSENT, |percent| ramp(percent / 100.0))
}

/// What stands in a cell: nothing for 0.
fn cell_text(confusion: &ConfusionMatrix, (truth, predicted): (usize, usize), cells: Cells) -> String {
    let count = confusion.count(truth, predicted);
    match (cells, row_percent(confusion, truth, predicted)) {
        _ if count == 0 => String::new(),
        (Cells::RowPercent, Some(percent)) if percent < 0.05 => "<0.1".to_owned(),
        (Cells::RowPercent, Some(percent)) if percent < 99.95 => format!("{percent:.1}"),
        (Cells::WholePercent, Some(percent)) if percent < 0.5 => "<1".to_owned(),
        (Cells::WholePercent, Some(percent)) if percent < 99.5 => format!("{percent:.0}"),
        (Cells::RowPercent | Cells::WholePercent, Some(_)) => "100".to_owned(),
        _ if count >= 10_000_000 => format!("{:.1}M", count as f64 / 1e6),
        _ => grouped(count),
    }
}

/// The widest of some texts, in points.
fn widest(lettering: Lettering, texts: impl IntoIterator<Item = String>) -> f64 {
    texts.into_iter().map(|text| lettering.width(&text)).fold(0.0, f64::max)
}

/// One row per cell, each with the classifier first where there are several.
fn put_rows(table: &mut Table, classifier: Option<&str>, confusion: &ConfusionMatrix) {
    let classes = confusion.classes();
    for truth in 0..classes.len() {
        for predicted in 0..classes.len() {
            let (count, percent) =
                (confusion.count(truth, predicted), row_percent(confusion, truth, predicted));
            let row = cells![classes.code(truth), classes.code(predicted), count, percent];
            table.row(classifier.map(Cell::from).into_iter().chain(row));
        }
    }
}
