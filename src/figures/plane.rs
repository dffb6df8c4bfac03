//! Samples on a plane in the colours of their classes: one panel per choice of samples, the others in grey.

use ndarray::ArrayView2;

use super::colours::{Colour, FAINT_INK, GRID, INK};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{Frame, LABEL, MARGIN, PAGE_WIDTH, check_count, numbers, range};
use super::{Caption, Figure};
use crate::display::cells;
use crate::{Error, Labels, Result};

/// Space between panels.
const GAP: f64 = 8.0;
/// Panels side by side, at most.
const MOST_PANELS: usize = 4;
/// Height of a line of the legend.
const LINE: f64 = 10.0;
/// Columns of the legend.
const COLUMNS: usize = 4;

/// A choice of samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanePanel {
    /// What is chosen.
    pub title: String,
    /// Whether each sample is.
    pub shown: Vec<bool>,
}

/// Draws samples on a plane, one to four panels side by side; samples that a panel does not show are pale grey. One
/// legend, of the classes that have samples. As wide as a page, 183 mm. Directions and units mean nothing, and have
/// no axes.
///
/// `positions` has shape (N, 2); `notes` are added to the caption.
///
/// The CSV has one line per sample: its position in the set, class, x, y, and 1 or 0 for each panel.
///
/// # Errors
/// No sample, no panel or more than four, another number of labels or of flags than positions.
///
/// ```
/// use lcz::figures::{self, Caption, PlanePanel};
/// use lcz::{Classes, Labels};
/// let positions = ndarray::array![[0.0, 0.0], [1.0, 2.0]];
/// let labels = Labels::new(Classes::lcz(), vec![0, 16])?;
/// let panel = PlanePanel { title: "one of two".to_owned(), shown: vec![true, false] };
/// let figure = figures::plane(positions.view(), &labels, &[panel], "", &Caption::new("Features", "synthetic"))?;
/// assert!(figure.csv().ends_with("0,1,0,0,1\n1,G,1,2,0\n"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn plane(
    positions: ArrayView2<'_, f32>,
    labels: &Labels,
    panels: &[PlanePanel],
    notes: &str,
    caption: &Caption,
) -> Result<Figure> {
    check(positions, labels, panels)?;
    let classes = labels.classes();
    let counts = labels.counts();
    let present: Vec<usize> = (0..classes.len()).filter(|&k| counts[k] > 0).collect();
    let inner = PAGE_WIDTH - 2.0 * MARGIN;
    // Fewer panels stay small: a plane of four does not need a page.
    let across = panels.len().max(3) as f64;
    let side = (inner - GAP * (across - 1.0)) / across;
    let rows = present.len().div_ceil(COLUMNS);
    let frame = Frame::new(caption, notes, PAGE_WIDTH);
    let heading = 12.0;
    let mut drawing = frame.around(heading + side + 10.0 + rows as f64 * LINE);
    let at = places(positions, side);
    let radius = (30.0 / (positions.nrows() as f64).sqrt()).clamp(0.55, 1.5);
    for (n, panel) in panels.iter().enumerate() {
        let area = Area {
            x: MARGIN + n as f64 * (side + GAP),
            y: frame.above() + heading,
            width: side,
            height: side,
        };
        let title = Lettering::new(LABEL, INK).fitting(&panel.title, side);
        drawing.text_at(&panel.title, (area.x, area.y - 6.0), title);
        let place = |n: usize| (area.x + at[n].0, area.y + at[n].1);
        for n in (0..at.len()).filter(|&n| !panel.shown[n]) {
            drawing.disc(place(n), 0.7 * radius, GRID);
        }
        for n in (0..at.len()).filter(|&n| panel.shown[n]) {
            mark(&mut drawing, place(n), radius, Colour(classes.colour(labels.indices()[n])));
        }
        drawing.outline(area, 0.5, FAINT_INK);
    }
    let column = inner / COLUMNS as f64;
    for (n, &k) in present.iter().enumerate() {
        let (x, line) = (MARGIN + (n / rows) as f64 * column, (n % rows) as f64);
        let y = frame.above() + heading + side + 12.0 + line * LINE;
        mark(&mut drawing, (x + 3.0, y), 2.4, Colour(classes.colour(k)));
        let name = classes.name(k);
        drawing.text_at(&name, (x + 9.0, y), Lettering::new(LABEL, INK).fitting(&name, column - 12.0));
    }
    drawing.into_figure(caption, csv(positions, labels, panels, notes, caption))
}

/// A disc of any colour, visible on white.
fn mark(drawing: &mut Drawing, at: (f64, f64), radius: f64, colour: Colour) {
    // Dark text stands out on it: so does a dark edge, and white around it does not.
    if colour.text_on() == INK {
        drawing.disc(at, radius + 0.25, colour.mixed(INK, 0.45));
    }
    drawing.disc(at, radius, colour);
}

/// Where each sample lies in a square panel, with the same scale in both directions.
fn places(positions: ArrayView2<'_, f32>, side: f64) -> Vec<(f64, f64)> {
    let along = |axis: usize| range(positions.column(axis).iter().map(|y| f64::from(*y))).unwrap_or_default();
    let (x, y) = (along(0), along(1));
    let extent = (x.1 - x.0).max(y.1 - y.0).max(f64::MIN_POSITIVE);
    let scale = (side - 8.0) / extent;
    let middle = |range: (f64, f64)| f64::midpoint(range.0, range.1);
    let place = |row: ndarray::ArrayView1<'_, f32>| {
        let (dx, dy) = (f64::from(row[0]) - middle(x), f64::from(row[1]) - middle(y));
        (side / 2.0 + dx * scale, side / 2.0 - dy * scale)
    };
    positions.outer_iter().map(place).collect()
}

fn check(positions: ArrayView2<'_, f32>, labels: &Labels, panels: &[PlanePanel]) -> Result<()> {
    let fail = |problem: String, advice: &str| Err(Error::input("figure of a plane", problem, advice));
    let (samples, width) = positions.dim();
    if samples == 0 || width != 2 || positions.iter().any(|y| !y.is_finite()) {
        return fail(
            format!("positions of shape ({samples}, {width}), or not finite"),
            "give two numbers per sample",
        );
    }
    if labels.len() != samples {
        return fail(format!("{} labels for {samples} samples", labels.len()), "give one label per sample");
    }
    check_count("figure of a plane", "panels", panels.len(), 1..=MOST_PANELS)?;
    match panels.iter().find(|panel| panel.shown.len() != samples) {
        Some(panel) => {
            let problem = format!("{} flags of '{}' for {samples} samples", panel.shown.len(), panel.title);
            fail(problem, "give one flag per sample")
        }
        None => Ok(()),
    }
}

fn csv(
    positions: ArrayView2<'_, f32>,
    labels: &Labels,
    panels: &[PlanePanel],
    notes: &str,
    caption: &Caption,
) -> String {
    let columns = ["sample", "class", "x", "y"].into_iter().chain(panels.iter().map(|panel| &*panel.title));
    let mut table = numbers(caption, &[notes], columns);
    for (n, y) in positions.outer_iter().enumerate() {
        let class = labels.classes().code(labels.indices()[n]);
        let shown = panels.iter().map(|panel| u8::from(panel.shown[n]).into());
        table.row(cells![n, class, y[0], y[1]].into_iter().chain(shown));
    }
    table.csv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_keep_their_shape_in_a_panel() {
        let at = places(ndarray::array![[0.0, 0.0], [4.0, 0.0], [4.0, 2.0]].view(), 108.0);
        let apart = |a: usize, b: usize| (at[a].0 - at[b].0).hypot(at[a].1 - at[b].1);
        assert!((apart(0, 1) - 100.0).abs() < 1e-9 && (apart(1, 2) - 50.0).abs() < 1e-9);
        assert!(at[2].1 < at[1].1, "upwards is up");
    }
}
