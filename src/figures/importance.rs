//! What each band contributes to a random forest: a bar per band.

use super::axis::Axis;
use super::colours::{BLUE, FAINT_INK, INK};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{COLUMN_WIDTH, Frame, LABEL, MARGIN, bar_axes, bar_grid, numbers};
use super::{Caption, Figure};
use crate::display::cells;
use crate::{Bands, Error, Result};

/// From one bar to the next.
const STEP: f64 = 13.0;
const BAR: f64 = 8.5;

/// Draws the mean decrease in Gini impurity by band, in the order of the bands; a dashed line marks the
/// share of each if all were equal, 1/C.
///
/// The CSV has one line per band: `band,importance`.
///
/// # Errors
/// Another number of values than bands, or one that is negative or not finite.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption};
/// let bands = lcz::Bands::named(["B4", "B8"])?;
/// // Of a forest: `forest.importance_by_band()`.
/// let figure = figures::band_importance(&bands, &[0.25, 0.75], &Caption::new("Random forest", "synthetic"))?;
/// assert!(figure.csv().ends_with("B4,0.25\nB8,0.75\n"));
/// # Ok(())
/// # }
/// ```
pub fn band_importance(bands: &Bands, importance: &[f64], caption: &Caption) -> Result<Figure> {
    let refuse = |problem: String, advice: &str| Err(Error::input("band importance", problem, advice));
    if importance.len() != bands.len() {
        let problem = format!("{} values for {} bands", importance.len(), bands.len());
        return refuse(problem, "give one per band");
    }
    if let Some(value) = importance.iter().find(|value| !value.is_finite() || **value < 0.0) {
        return refuse(format!("{value} is not a share"), "give shares of 0 or more");
    }
    let label = Lettering::new(LABEL, INK).ending();
    let number = Lettering::new(6.5, FAINT_INK);
    let widest = bands.names().iter().map(|name| label.width(name)).fold(0.0, f64::max);
    let left = MARGIN + 4.0 + widest;
    let right = COLUMN_WIDTH - MARGIN - number.width("0.000") - 5.0;
    let height = STEP * bands.len() as f64;

    let frame = Frame::new(caption, "Dashed: equal importance of all bands.", COLUMN_WIDTH.max(left + 80.0));
    let mut drawing = frame.around(height + 24.0);
    let area = Area { x: left, y: frame.above(), width: (right - left).max(60.0), height };
    let equal_share = 1.0 / bands.len() as f64;
    let across = Axis::linear(0.0, importance.iter().copied().fold(equal_share, f64::max));
    let x = |value: f64| area.x + across.position(value) * area.width;
    bar_grid(&mut drawing, area, &across);
    for (k, (name, &value)) in bands.names().iter().zip(importance).enumerate() {
        let middle = area.y + STEP * (k as f64 + 0.5);
        let bar = Area { x: area.x, y: middle - BAR / 2.0, width: x(value) - area.x, height: BAR };
        drawing.fill(bar, BLUE);
        drawing.text_at(name, (area.x - 4.0, middle), label);
    }
    drawing.dashes((x(equal_share), area.bottom()), (x(equal_share), area.y), 0.7, INK);
    for (k, &value) in importance.iter().enumerate() {
        let middle = area.y + STEP * (k as f64 + 0.5);
        let text = format!("{value:.3}");
        // Before or behind the dashed line, not under it.
        let crosses = x(value) < x(equal_share) && x(value) + 5.0 + number.width(&text) > x(equal_share);
        let from = if crosses { x(equal_share) } else { x(value) };
        drawing.text_at(&text, (from + 3.0, middle), number);
    }
    bar_axes(&mut drawing, area, "Share of the decrease in impurity");

    let mut table = numbers(caption, &[], ["band", "importance"]);
    for (name, &value) in bands.names().iter().zip(importance) {
        table.row(cells![name, value]);
    }
    drawing.into_figure(caption, table.csv())
}
