//! Figures with a row per class: samples per class as bars, and values per class as boxes.

use super::axis::Axis;
use super::colours::{Colour, FAINT_INK, GRID, INK};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, check_count, grouped, numbers};
use super::{Caption, Figure};
use crate::display::cells;
use crate::{Classes, Error, Labels, Result};

/// Height of a row, in points.
const ROW: f64 = 12.0;
/// Height of the contents of a row.
const BAR: f64 = 8.0;
/// Space between panels.
const GAP: f64 = 22.0;
/// More panels than this leave no room for any.
const MOST_PANELS: usize = 4;

const NAME: Lettering = Lettering::new(LABEL, INK);
const COUNT: Lettering = Lettering::new(6.0, FAINT_INK);
const HEADING: Lettering = Lettering::new(LABEL, INK);

/// Draws how many samples each class has, as bars in the colours of the classes: one panel per set
/// (training, validation, test), each with its own scale, so that the shapes can be compared.
///
/// The CSV has one line per set and class: `set,class,samples`.
///
/// # Errors
/// No set or more than four, sets without a sample, or sets of other classes.
///
/// ```
/// use lcz::figures::{self, Caption};
/// use lcz::{Classes, Labels};
/// let labels = Labels::new(Classes::lcz(), vec![0, 16, 16])?;
/// let figure = figures::class_counts(&[("training", &labels)], &Caption::new("Samples per class", "synthetic"))?;
/// assert!(figure.csv().contains("training,G,2\n"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn class_counts(sets: &[(&str, &Labels)], caption: &Caption) -> Result<Figure> {
    let place = "figure of samples per class";
    let classes = check_panels(place, sets.iter().map(|(name, labels)| (*name, labels.classes())))?;
    if let Some((name, _)) = sets.iter().find(|(_, labels)| labels.is_empty()) {
        return Err(Error::input(place, format!("no sample in '{name}'"), "leave the set out"));
    }
    let mut page = Page::new(classes, sets.len(), 8.0, caption, "");
    let mut table = numbers(caption, &[], ["set", "class", "samples"]);
    for (panel, (name, labels)) in sets.iter().enumerate() {
        let counts = labels.counts();
        let largest = counts.iter().max().copied().unwrap_or(0).max(1) as f64;
        let area = page.panel(panel);
        page.heading(area, &format!("{name} (n = {})", grouped(labels.len() as u64)));
        // Room for the longest bar's number.
        let room = area.width - COUNT.width(&grouped(largest as u64)) - 4.0;
        for (k, &count) in counts.iter().enumerate() {
            let bar = Area {
                x: area.x,
                y: page.middle(k) - BAR / 2.0,
                width: count as f64 / largest * room,
                height: BAR,
            };
            if count > 0 {
                page.drawing.fill(bar, Colour(classes.colour(k)));
                page.drawing.outline(bar, 0.3, FAINT_INK);
            }
            page.drawing.text_at(&grouped(count as u64), (bar.right() + 2.5, page.middle(k)), COUNT);
            table.row(cells![*name, classes.code(k), count]);
        }
        page.drawing.line((area.x, area.y), (area.x, area.bottom()), AXIS_LINE, INK);
    }
    page.drawing.into_figure(caption, table.csv())
}

/// Draws how values lie in each class, as boxes in the colours of the classes, one panel per quantity.
///
/// A box reaches from the first to the third quartile, its line is the median, its whiskers end at the
/// 5th and the 95th percentile (linear interpolation between the sorted values). Each panel is a title
/// and one value per sample, in the order of `labels`.
///
/// The CSV has one line per panel and class: `quantity,class,samples,p5,p25,median,p75,p95`, the numbers
/// empty where a class has no sample.
///
/// # Errors
/// No panel or more than four, another number of values than labels, or a value that is not finite.
///
/// ```
/// use lcz::figures::{self, Caption};
/// use lcz::{Classes, Labels};
/// let labels = Labels::new(Classes::lcz(), vec![0, 0, 0])?;
/// let figure = figures::boxes(&labels, &[("NDVI", &[0.1, 0.2, 0.4])], &Caption::new("NDVI", "synthetic"))?;
/// assert!(figure.csv().contains("NDVI,1,3,"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn boxes(labels: &Labels, panels: &[(&str, &[f64])], caption: &Caption) -> Result<Figure> {
    let place = "figure of boxes";
    let classes = check_panels(place, panels.iter().map(|(name, _)| (*name, labels.classes())))?;
    for (name, values) in panels {
        if values.len() != labels.len() {
            let problem = format!("{} values of '{name}' for {} labels", values.len(), labels.len());
            return Err(Error::input(place, problem, "give one value per sample"));
        }
        if let Some(row) = values.iter().position(|value| !value.is_finite()) {
            let problem = format!("'{name}' is {}", values[row]);
            return Err(Error::input(format!("{place}, row {row}"), problem, "leave the sample out"));
        }
    }
    let counts = labels.counts();
    let notes = "Box: quartiles and median; whiskers: 5th and 95th percentile. n: samples per class.";
    let mut page = Page::new(classes, panels.len(), 24.0, caption, notes);
    page.counts(&counts);
    let columns = ["quantity", "class", "samples", "p5", "p25", "median", "p75", "p95"];
    let mut table = numbers(caption, &[], columns);
    for (panel, (name, values)) in panels.iter().enumerate() {
        let area = page.panel(panel);
        let summaries: Vec<Option<[f64; 5]>> =
            (0..classes.len()).map(|k| five_numbers(values, labels.indices(), k)).collect();
        let ends = || summaries.iter().flatten();
        let low = ends().map(|five| five[0]).fold(f64::INFINITY, f64::min);
        let high = ends().map(|five| five[4]).fold(f64::NEG_INFINITY, f64::max);
        let axis = Axis::linear(low, high);
        page.axis(area, &axis, name);
        for (k, five) in summaries.iter().enumerate() {
            let numbers = (0..5).map(|number| five.map(|five| five[number]).into());
            table.row(cells![*name, classes.code(k), counts[k]].into_iter().chain(numbers));
            if let Some(five) = five {
                page.draw_box(area, k, five.map(|value| area.x + axis.position(value) * area.width));
            }
        }
    }
    page.drawing.into_figure(caption, table.csv())
}

/// 5th, 25th, 50th, 75th and 95th percentile of a class's values; none where it has no sample.
fn five_numbers(values: &[f64], indices: &[usize], k: usize) -> Option<[f64; 5]> {
    let mut of_class: Vec<f64> =
        values.iter().zip(indices).filter(|(_, index)| **index == k).map(|(value, _)| *value).collect();
    of_class.sort_unstable_by(f64::total_cmp);
    let last = of_class.len().checked_sub(1)?;
    Some([0.05, 0.25, 0.5, 0.75, 0.95].map(|share| {
        let place = share * last as f64;
        let (below, above) = (of_class[place.floor() as usize], of_class[place.ceil() as usize]);
        below + (above - below) * place.fract()
    }))
}

/// The classes that all panels share.
fn check_panels<'a>(
    place: &str,
    panels: impl Iterator<Item = (&'a str, &'a Classes)>,
) -> Result<&'a Classes> {
    let panels: Vec<_> = panels.collect();
    let Some(&(_, classes)) = panels.first() else {
        return Err(Error::input(place, "nothing to draw", "give one panel or more"));
    };
    check_count(place, "panels", panels.len(), 1..=MOST_PANELS)?;
    match panels.iter().find(|(_, other)| *other != classes) {
        Some((name, other)) => {
            let problem = format!("'{name}' has the classes {other}, not {classes}");
            Err(Error::input(place, problem, "draw sets of the same classes"))
        }
        None => Ok(classes),
    }
}

/// A page with the classes' names at its left, and panels next to them.
struct Page<'a> {
    drawing: Drawing,
    classes: &'a Classes,
    /// Where the first row begins.
    top: f64,
    left: f64,
    panel_width: f64,
}

impl<'a> Page<'a> {
    /// `below` is what the panels need under the last row.
    fn new(classes: &'a Classes, panels: usize, below: f64, caption: &Caption, notes: &str) -> Self {
        let frame = Frame::new(caption, notes, PAGE_WIDTH);
        let drawing = frame.around(HEADING_HEIGHT + classes.len() as f64 * ROW + below);
        let names = (0..classes.len()).map(|k| NAME.width(&classes.name(k))).fold(0.0, f64::max);
        let left = MARGIN + SWATCH + 4.0 + names.min(150.0) + 6.0 + COUNTS_WIDTH;
        let panel_width = (PAGE_WIDTH - left - MARGIN - GAP * (panels - 1) as f64) / panels as f64;
        let mut page = Self { drawing, classes, top: frame.above() + HEADING_HEIGHT, left, panel_width };
        page.names();
        page
    }

    fn names(&mut self) {
        for k in 0..self.classes.len() {
            let y = self.middle(k);
            let swatch = Area { x: MARGIN, y: y - BAR / 2.0, width: SWATCH, height: BAR };
            self.drawing.fill(swatch, Colour(self.classes.colour(k)));
            let name = self.classes.name(k);
            self.drawing.text_at(&name, (MARGIN + SWATCH + 4.0, y), NAME.fitting(&name, 150.0));
        }
    }

    /// Samples per class, right of the names.
    fn counts(&mut self, counts: &[usize]) {
        self.drawing.text_at("n", (self.left - 6.0, self.top - 6.0), COUNT.ending());
        for (k, &count) in counts.iter().enumerate() {
            self.drawing.text_at(&grouped(count as u64), (self.left - 6.0, self.middle(k)), COUNT.ending());
        }
    }

    /// The middle of a class's row.
    fn middle(&self, k: usize) -> f64 {
        self.top + (k as f64 + 0.5) * ROW
    }

    fn panel(&self, panel: usize) -> Area {
        Area {
            x: self.left + panel as f64 * (self.panel_width + GAP),
            y: self.top,
            width: self.panel_width,
            height: self.classes.len() as f64 * ROW,
        }
    }

    fn heading(&mut self, area: Area, text: &str) {
        self.drawing.text_at(text, (area.x, area.y - 6.0), HEADING.fitting(text, area.width));
    }

    /// Grid lines with their values below, and the quantity's name.
    fn axis(&mut self, area: Area, axis: &Axis, title: &str) {
        let number = Lettering::new(6.5, INK).centred();
        for (value, label) in &axis.ticks {
            let x = area.x + axis.position(*value) * area.width;
            let colour = if *value == 0.0 { FAINT_INK } else { GRID };
            self.drawing.line((x, area.y), (x, area.bottom()), 0.4, colour);
            // The last one may stand at the page's edge.
            let middle = x.min(PAGE_WIDTH - 1.0 - number.width(label) / 2.0);
            self.drawing.text(label, (middle, area.bottom() + 8.5), number);
        }
        let title_type = HEADING.centred().fitting(title, area.width);
        self.drawing.text(title, (area.middle().0, area.bottom() + 18.5), title_type);
    }

    /// `at` are the places of the five numbers.
    fn draw_box(&mut self, area: Area, k: usize, at: [f64; 5]) {
        let y = self.middle(k);
        let drawing = &mut self.drawing;
        drawing.line((at[0], y), (at[4], y), 0.6, INK);
        for end in [at[0], at[4]] {
            drawing.line((end, y - 2.0), (end, y + 2.0), 0.6, INK);
        }
        // A box of no width would be invisible.
        let width = (at[3] - at[1]).max(0.6);
        let filled = Area { x: at[1].min(area.right() - width), y: y - BAR / 2.0, width, height: BAR };
        let colour = Colour(self.classes.colour(k));
        drawing.fill(filled, colour);
        drawing.outline(filled, 0.4, INK);
        // Dark beyond the box and around the light, so that it is seen at a box's edge and on one of no width.
        drawing.line((at[2], filled.y - 1.5), (at[2], filled.bottom() + 1.5), 2.0, INK);
        drawing.line((at[2], filled.y), (at[2], filled.bottom()), 0.9, colour.text_on());
    }
}

/// Room above the rows for the panels' headings.
const HEADING_HEIGHT: f64 = 13.0;
/// A class's colour next to its name.
const SWATCH: f64 = 6.0;
/// Room for samples per class.
const COUNTS_WIDTH: f64 = 26.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_five_numbers_are_numpys_percentiles() {
        // numpy.percentile([1, 2, 4, 8, 16], [5, 25, 50, 75, 95])
        let values = [16.0, 1.0, 99.0, 8.0, 2.0, 4.0];
        let five = five_numbers(&values, &[3, 3, 0, 3, 3, 3], 3).unwrap();
        for (got, wanted) in five.into_iter().zip([1.2, 2.0, 4.0, 8.0, 14.4]) {
            assert!((got - wanted).abs() < 1e-12, "{got}, not {wanted}");
        }
        assert_eq!(five_numbers(&values, &[0; 6], 3), None);
    }
}
