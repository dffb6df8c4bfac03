//! What several figures share: title and source lines, colour bar, plot frame, legend, CSV head.

use std::ops::RangeInclusive;

use super::Caption;
use super::axis::Axis;
use super::colours::{Colour, FAINT_INK, GRID, INK, ramp};
use super::drawing::{Area, Drawing, Picture};
use super::lettering::Lettering;
pub(super) use crate::display::grouped;
use crate::display::{Cell, Table, one_line};
use crate::{Error, Result};

/// The widest a figure gets unless its contents force more: a page's two columns, 183 mm.
pub(super) const PAGE_WIDTH: f64 = 519.0;
/// A column of a page, 89 mm.
pub(super) const COLUMN_WIDTH: f64 = 252.0;
/// Space around a figure.
pub(super) const MARGIN: f64 = 6.0;
/// The width of an axis's line.
pub(super) const AXIS_LINE: f64 = 0.6;
/// What axes and legends are written in.
pub(super) const LABEL: f64 = 7.0;

/// The title above a figure and the source below it, broken into lines.
pub(super) struct Frame {
    title: Vec<String>,
    source: Vec<String>,
    title_type: Lettering,
    source_type: Lettering,
    width: f64,
}

impl Frame {
    /// `notes` are what a reader must know to read the figure; they follow the data's provenance.
    pub(super) fn new(caption: &Caption, notes: &str, width: f64) -> Self {
        let title_type = Lettering::new(8.5, INK).bold();
        let source_type = Lettering::new(6.0, FAINT_INK);
        let inner = width - 2.0 * MARGIN;
        let mut source = source_type.wrap(&one_line(&format!("Data: {}", caption.data)), inner);
        source.extend(source_type.wrap(notes, inner));
        let title = title_type.wrap(&one_line(&caption.title), inner);
        Self { title, source, title_type, source_type, width }
    }

    /// Height of the title with the space below it.
    pub(super) fn above(&self) -> f64 {
        MARGIN + self.title.len() as f64 * 11.0 + 4.0
    }

    /// Height of the source lines with the space above them.
    pub(super) fn below(&self) -> f64 {
        MARGIN + self.source.len() as f64 * 8.0 + 3.0
    }

    /// A drawing that has room for contents of this height, with title and source set.
    pub(super) fn around(&self, height: f64) -> Drawing {
        let mut drawing = Drawing::new(self.width, self.above() + height + self.below());
        for (line, text) in self.title.iter().enumerate() {
            drawing.text(text, (MARGIN, MARGIN + 8.0 + line as f64 * 11.0), self.title_type);
        }
        let top = self.above() + height + MARGIN;
        for (line, text) in self.source.iter().enumerate() {
            drawing.text(text, (MARGIN, top + 5.0 + line as f64 * 8.0), self.source_type);
        }
        drawing
    }
}

/// Room that a colour bar needs, with its numbers and its title.
pub(super) const COLOUR_BAR_WIDTH: f64 = 36.0;

/// Colours from 0 to 1 along the longer side of a bar, upwards or to the right, framed. Each step reaches to the bar's
/// end, for the next to cover: no seam shows between them.
pub(super) fn gradient(drawing: &mut Drawing, bar: Area, steps: u32, colour: impl Fn(f64) -> Colour) {
    let (upward, count) = (bar.height > bar.width, f64::from(steps));
    for step in 0..steps {
        let left = f64::from(steps - step);
        let (area, share) = if upward {
            let height = bar.height * left / count;
            (Area { y: bar.bottom() - height, height, ..bar }, (left - 0.5) / count)
        } else {
            let from = bar.width * f64::from(step) / count;
            (Area { x: bar.x + from, width: bar.width - from, ..bar }, (f64::from(step) + 0.5) / count)
        };
        drawing.fill(area, colour(share));
    }
    drawing.outline(bar, 0.4, INK);
}

/// Numbers right of an upright bar, each at its share of the height, and a title this far right of the bar.
pub(super) fn colour_bar(drawing: &mut Drawing, bar: Area, ticks: &[(f64, String)], title: &str, away: f64) {
    for (share, words) in ticks {
        let y = bar.bottom() - share * bar.height;
        drawing.line((bar.right(), y), (bar.right() + 2.0, y), 0.4, INK);
        drawing.text_at(words, (bar.right() + 3.5, y), Lettering::new(6.0, INK));
    }
    let title_type = Lettering::new(LABEL, INK).centred().upward();
    drawing.text_at(title, (bar.right() + away, bar.middle().1), title_type);
}

/// The ramp from 0 to 100 %, upwards, with its title next to it.
pub(super) fn percent_bar(drawing: &mut Drawing, (x, y): (f64, f64), height: f64, title: &str) {
    let bar = Area { x, y, width: 7.0, height };
    gradient(drawing, bar, 100, ramp);
    let ticks = [0, 20, 40, 60, 80, 100].map(|percent| (f64::from(percent) / 100.0, percent.to_string()));
    colour_bar(drawing, bar, &ticks, title, COLOUR_BAR_WIDTH - 14.0);
}

/// The same lying down in an area, its numbers below it and its title on its left.
pub(super) fn percent_bar_across(drawing: &mut Drawing, bar: Area, title: &str) {
    gradient(drawing, bar, 100, ramp);
    for percent in (0..=100).step_by(20) {
        let x = bar.x + f64::from(percent) / 100.0 * bar.width;
        drawing.line((x, bar.bottom()), (x, bar.bottom() + 2.0), 0.4, INK);
        drawing.text(&percent.to_string(), (x, bar.bottom() + 8.0), Lettering::new(6.0, INK).centred());
    }
    drawing.text_at(title, (bar.x - 6.0, bar.middle().1), Lettering::new(LABEL, INK).ending());
}

/// Refuses more or fewer parts than a figure has room for.
pub(super) fn check_count(figure: &str, what: &str, count: usize, room: RangeInclusive<usize>) -> Result<()> {
    if room.contains(&count) {
        return Ok(());
    }
    let advice = format!("give {} to {}", room.start(), room.end());
    Err(Error::input(figure, format!("{count} {what}"), advice))
}

/// The frame of a plot: grid lines, ticks with their numbers, the axes' titles. `area` is where the
/// data go; numbers and titles are drawn outside it.
pub(super) fn plot_frame(drawing: &mut Drawing, area: Area, across: &Axis, up: &Axis, titles: [&str; 2]) {
    let number = Lettering::new(6.5, INK);
    let mut widest = 0.0_f64;
    for (value, label) in &up.ticks {
        let y = area.bottom() - up.position(*value) * area.height;
        drawing.line((area.x, y), (area.right(), y), 0.4, GRID);
        drawing.line((area.x - 2.5, y), (area.x, y), AXIS_LINE, INK);
        drawing.text_at(label, (area.x - 4.0, y), number.ending());
        widest = widest.max(number.width(label));
    }
    for (value, label) in &across.ticks {
        let x = area.x + across.position(*value) * area.width;
        drawing.line((x, area.bottom()), (x, area.bottom() + 2.5), AXIS_LINE, INK);
        drawing.text(label, (x, area.bottom() + 9.5), number.centred());
    }
    drawing.line((area.x, area.y), (area.x, area.bottom()), AXIS_LINE, INK);
    drawing.line((area.x - AXIS_LINE / 2.0, area.bottom()), (area.right(), area.bottom()), AXIS_LINE, INK);
    let title = Lettering::new(LABEL, INK).centred();
    let (middle_x, middle_y) = area.middle();
    drawing.text(titles[0], (middle_x, area.bottom() + 19.5), title);
    drawing.text_at(titles[1], (area.x - 10.0 - widest, middle_y), title.upward());
}

/// How a series differs from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Marker {
    Round(Colour),
    Square(Colour),
    /// A dashed upright line.
    Dashed(Colour),
}

impl Marker {
    pub(super) fn colour(self) -> Colour {
        match self {
            Self::Round(colour) | Self::Square(colour) | Self::Dashed(colour) => colour,
        }
    }

    /// The mark of one point, `radius` points wide to each side.
    pub(super) fn draw(self, drawing: &mut Drawing, (x, y): (f64, f64), radius: f64) {
        match self {
            Self::Round(colour) => drawing.disc((x, y), radius, colour),
            Self::Square(colour) => {
                let half = radius * 0.9;
                let area = Area { x: x - half, y: y - half, width: 2.0 * half, height: 2.0 * half };
                drawing.fill(area, colour);
            }
            Self::Dashed(colour) => drawing.dashes((x, y - 4.0), (x, y + 4.0), 0.7, colour),
        }
    }
}

/// Series side by side, from the point (x, y) on, their samples' middle at y.
pub(super) fn legend(drawing: &mut Drawing, (x, y): (f64, f64), entries: &[(Marker, String)]) {
    let lettering = Lettering::new(LABEL, INK);
    let mut x = x;
    for (marker, label) in entries {
        let width = if matches!(marker, Marker::Dashed(_)) { 4.0 } else { 15.0 };
        if width > 4.0 {
            drawing.line((x, y), (x + width, y), 1.1, marker.colour());
        }
        marker.draw(drawing, (x + width / 2.0, y), 2.0);
        drawing.text_at(label, (x + width + 3.0, y), lettering);
        x += width + 3.0 + lettering.width(label) + 10.0;
    }
}

/// The numbers of a figure, to be filled: the CSV has title, data and notes as comments.
pub(super) fn numbers<C: Into<Cell>>(
    caption: &Caption,
    notes: &[&str],
    columns: impl IntoIterator<Item = C>,
) -> Table {
    let mut comments = format!("title: {}\ndata: {}", one_line(&caption.title), one_line(&caption.data));
    for note in notes {
        comments = comments + "\n" + &one_line(note);
    }
    Table::new(columns).captioned(comments)
}

/// The share of its room that a legend's text fills at most: fonts that a viewer of the SVG may substitute are up to 15 % wider.
const FILLED: f64 = 0.87;

/// A row of a legend: a framed key in a colour, and words behind it that fit into a room.
pub(super) fn legend_key(drawing: &mut Drawing, (x, y): (f64, f64), colour: Colour, words: &str, room: f64) {
    let key = Area { x, y, width: 11.0, height: 7.0 };
    drawing.fill(key, colour);
    drawing.outline(key, 0.4, INK);
    drawing.text_at(words, (x + 15.0, y + 3.5), Lettering::new(LABEL, INK).fitting(words, FILLED * room));
}

/// A picture with a heading above it, framed outside its edge.
pub(super) fn framed_picture(drawing: &mut Drawing, area: Area, heading: &str, picture: Picture) {
    drawing.text(heading, (area.x, area.y - 3.5), Lettering::new(LABEL, INK).bold());
    let half = AXIS_LINE / 2.0;
    let (width, height) = (area.width + AXIS_LINE, area.height + AXIS_LINE);
    drawing.outline(Area { x: area.x - half, y: area.y - half, width, height }, AXIS_LINE, INK);
    drawing.picture(area, picture);
}

/// The axis below horizontal bars: grid lines with their numbers.
pub(super) fn bar_grid(drawing: &mut Drawing, area: Area, across: &Axis) {
    for (value, text) in &across.ticks {
        let x = area.x + across.position(*value) * area.width;
        drawing.line((x, area.y), (x, area.bottom()), 0.4, GRID);
        drawing.line((x, area.bottom()), (x, area.bottom() + 2.5), AXIS_LINE, INK);
        drawing.text(text, (x, area.bottom() + 9.5), Lettering::new(6.5, INK).centred());
    }
}

/// The axes of horizontal bars, with the title below.
pub(super) fn bar_axes(drawing: &mut Drawing, area: Area, title: &str) {
    drawing.line((area.x, area.y), (area.x, area.bottom()), AXIS_LINE, INK);
    drawing.line((area.x, area.bottom()), (area.right(), area.bottom()), AXIS_LINE, INK);
    let middle = (area.middle().0, area.bottom() + 19.5);
    drawing.text(title, middle, Lettering::new(LABEL, INK).centred());
}

/// The smallest and the largest of some values.
pub(super) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values.into_iter().map(|v| (v, v)).reduce(|(low, high), (v, _)| (low.min(v), high.max(v)))
}

/// A text with a capital letter at the start.
pub(super) fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
