//! How large conformal prediction sets are, and how often they contain the true class: a row per class.

use super::axis::Axis;
use super::colours::{BLUE, FAINT_INK, INK};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{COLUMN_WIDTH, Frame, LABEL, MARGIN, bar_axes, bar_grid, grouped, numbers};
use super::{Caption, Figure};
use crate::display::cells;
use crate::uncertainty::SetsOfClass;
use crate::{Classes, Error, Result};

/// From one bar to the next.
const STEP: f64 = 11.0;
const BAR: f64 = 7.5;

/// Draws the mean size of the sets of each class that has samples, with its number of samples, and the share
/// of its sets that contain the true class next to the `promised` one. As wide as a column, 89 mm.
///
/// The CSV has one line per class: `class,samples,mean_size,coverage`.
///
/// # Errors
/// Another number of rows than classes, or no class with samples.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption};
/// use lcz::uncertainty::SetsOfClass;
/// let classes = lcz::Classes::named(["forest", "road"])?;
/// // Of prediction sets: `sets.by_class(&labels)?`.
/// let of = |class: &str, mean_size| SetsOfClass { class: class.to_owned(), samples: 4, coverage: 0.75, mean_size };
/// let rows = [of("forest", 1.5), of("road", 3.0)];
/// let figure = figures::set_sizes(&classes, &rows, 0.9, &Caption::new("Sets of 90 %", "synthetic"))?;
/// assert!(figure.csv().ends_with("forest,4,1.5,0.75\nroad,4,3,0.75\n"));
/// # Ok(())
/// # }
/// ```
pub fn set_sizes(
    classes: &Classes,
    sets: &[SetsOfClass],
    promised: f64,
    caption: &Caption,
) -> Result<Figure> {
    let refuse = |problem: String, advice: &str| Err(Error::input("conformal set sizes", problem, advice));
    if sets.len() != classes.len() {
        let problem = format!("{} rows for {} classes", sets.len(), classes.len());
        return refuse(problem, "give one per class");
    }
    let rows: Vec<(usize, &SetsOfClass)> =
        sets.iter().enumerate().filter(|(_, sets)| sets.samples > 0).collect();
    if rows.is_empty() {
        return refuse("no class has samples".to_owned(), "give labelled samples");
    }
    let (label, number) = (Lettering::new(LABEL, INK).ending(), Lettering::new(6.5, FAINT_INK).ending());
    let widest = rows.iter().map(|(k, _)| label.width(&classes.name(*k))).fold(0.0, f64::max);
    let counts = rows.iter().map(|(_, sets)| number.width(&grouped(sets.samples as u64)));
    let counts = counts.fold(number.width("n"), f64::max);
    let coverage = number.width("covers, %");
    let left = MARGIN + widest + 5.0 + counts + 4.0;
    let area_width = (COLUMN_WIDTH - left - MARGIN - coverage - 6.0).max(60.0);
    let height = STEP * rows.len() as f64;

    let notes = format!(
        "Coverage: sets that contain the true class; {:.0} % are promised over all classes.",
        100.0 * promised
    );
    let frame = Frame::new(caption, &notes, COLUMN_WIDTH);
    let mut drawing = frame.around(10.0 + height + 24.0);
    let area = Area { x: left, y: frame.above() + 10.0, width: area_width, height };
    let largest = rows.iter().map(|(_, sets)| sets.mean_size).fold(1.0, f64::max);
    let across = Axis::linear(0.0, largest);
    let x = |value: f64| area.x + across.position(value) * area.width;
    let right = area.right() + 6.0 + coverage;
    drawing.text("n", (area.x - 4.0, area.y - 4.0), number);
    drawing.text("covers, %", (right, area.y - 4.0), number);
    bar_grid(&mut drawing, area, &across);
    for (row, (k, sets)) in rows.iter().enumerate() {
        let middle = area.y + STEP * (row as f64 + 0.5);
        let width = x(sets.mean_size) - area.x;
        drawing.fill(Area { x: area.x, y: middle - BAR / 2.0, width, height: BAR }, BLUE);
        drawing.text_at(&classes.name(*k), (area.x - 4.0 - counts - 5.0, middle), label);
        drawing.text_at(&grouped(sets.samples as u64), (area.x - 4.0, middle), number);
        drawing.text_at(&format!("{:.0}", 100.0 * sets.coverage), (right, middle), number);
    }
    bar_axes(&mut drawing, area, "Mean classes in a set");

    let mut table = numbers(caption, &[], ["class", "samples", "mean_size", "coverage"]);
    for (_, SetsOfClass { class, samples, mean_size, coverage }) in rows {
        table.row(cells![class, *samples, *mean_size, *coverage]);
    }
    drawing.into_figure(caption, table.csv())
}
