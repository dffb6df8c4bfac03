//! Reliability diagrams: accuracy by confidence (Guo et al. 2017, *On Calibration of Modern Neural Networks*,
//! Fig. 4), with consistency bands (Bröcker & Smith 2007), an interval on each bin, a curve without bins, and the
//! counts that the bars stand on.

use std::borrow::Borrow;

use super::axis::Axis;
use super::colours::{ABSENT, BLUE, FAINT_INK, INK, ORANGE, PAPER, VERMILION};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{COLUMN_WIDTH, Frame, LABEL, MARGIN, check_count, grouped, numbers, plot_frame};
use super::{Caption, Figure};
use crate::Result;
use crate::calibration::{Bin, Bins, Reliability, SmoothPoint};
use crate::display::{Cell, cells};

/// The quantity that the bars of a reliability diagram show, next to the confidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Agreement {
    /// The share of right predictions.
    Accuracy,
    /// The share of the experts who chose the predicted class.
    ExpertShare,
}

impl Agreement {
    fn title(self) -> &'static str {
        match self {
            Self::Accuracy => "Accuracy",
            Self::ExpertShare => "Share of experts who agree",
        }
    }

    fn noun(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::ExpertShare => "agreement",
        }
    }
}

/// Room for the numbers and the title of the upright axis.
const LEFT: f64 = MARGIN + 30.0;
const GAP: f64 = 14.0;
const HISTOGRAM: f64 = 30.0;
/// Room for a panel's name and numbers.
const ABOVE: f64 = 24.0;

/// Draws one reliability diagram, or two side by side, such as before and after temperature scaling: a bar
/// per bin with the gap to perfect calibration and the 95 % interval of its height, the band in which a calibrated
/// classifier's bars would end, the smoothed accuracy, the calibration error, and below it the share of the samples
/// in each bin. Empty bins are empty. As wide as a column, 89 mm.
///
/// The CSV has one line per bin: `panel,lower,upper,samples,confidence,agreement`, then the ends of the interval and
/// of the band; what is not known is empty. Lines without samples after them are points of the curve, at lower =
/// upper.
///
/// # Errors
/// No panel, or more than two.
///
/// ```
/// use lcz::calibration::{Bins, Reliability};
/// use lcz::figures::{self, Agreement, Caption};
/// let table = Reliability::from_pairs(&[0.9, 0.6, 0.6], &[true, true, false], Bins::EqualWidth(10))?;
/// let caption = Caption::new("Three samples", "synthetic");
/// let figure = figures::reliability(&[("as it is".to_owned(), &table)], Agreement::Accuracy, &caption)?;
/// assert!(figure.csv().contains("as it is,0.5,0.6,2,0.6,0.5,"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn reliability<R: Borrow<Reliability>>(
    panels: &[(String, R)],
    agreement: Agreement,
    caption: &Caption,
) -> Result<Figure> {
    let panels: Vec<(&str, &Reliability)> =
        panels.iter().map(|(name, table)| (name.as_str(), table.borrow())).collect();
    check_count("reliability diagram", "panels", panels.len(), 1..=2)?;
    let count = panels.len() as f64;
    let side = ((COLUMN_WIDTH - LEFT - MARGIN - 4.0 - GAP * (count - 1.0)) / count).min(130.0);
    let bins = match panels[0].1.scheme {
        Bins::EqualWidth(bins) => format!("{bins} bins of equal width"),
        Bins::EqualMass(bins) => format!("{bins} bins of equal mass"),
    };
    let what = agreement.noun();
    let notes = format!(
        "Blue: a bin's {what}, with its 95 % interval. Orange: confidence above {what} (overconfident). Light blue: \
         {what} above confidence (underconfident). Grey, between two lines: where 95 % of a calibrated model's bars end. Line: {what} \
         smoothed without bins. Dashed: perfect calibration. ECE in {bins}."
    );
    let frame = Frame::new(caption, &notes, COLUMN_WIDTH);
    let mut drawing = frame.around(ABOVE + side + 8.0 + HISTOGRAM + 24.0);
    let largest = panels.iter().flat_map(|(_, r)| r.bins.iter().map(|bin| share(bin, r))).fold(0.0, f64::max);
    for (at, (name, table)) in panels.iter().enumerate() {
        let x = LEFT + at as f64 * (side + GAP);
        let area = Area { x, y: frame.above() + ABOVE, width: side, height: side };
        drawing.text(name, (area.middle().0, area.y - 15.0), Lettering::new(LABEL, INK).bold().centred());
        let title = if at == 0 { agreement.title() } else { "" };
        bars(&mut drawing, area, table, title);
        let below = Area { y: area.bottom() + 8.0, height: HISTOGRAM, ..area };
        histogram(&mut drawing, below, table, largest, at == 0);
    }
    drawing.into_figure(caption, csv(&panels, caption))
}

fn share(bin: &Bin, table: &Reliability) -> f64 {
    100.0 * bin.samples as f64 / table.samples as f64
}

/// An axis from 0 to 1 with a tick every half; the first panel's numbers hold for all.
fn unit(numbered: bool) -> Axis {
    let mut axis = Axis::linear(0.0, 1.0);
    for (value, label) in &mut axis.ticks {
        if !numbered {
            label.clear();
        } else if value.abs() < 1e-9 {
            "0".clone_into(label);
        }
    }
    axis
}

fn bars(drawing: &mut Drawing, area: Area, table: &Reliability, title: &str) {
    let up = unit(!title.is_empty());
    plot_frame(drawing, area, &unit(false), &up, ["", title]);
    let x = |value: f64| area.x + value * area.width;
    let y = |value: f64| area.bottom() - value * area.height;
    let bands = || {
        let band = |bin: &Bin| Some((x(bin.lower) + 0.4, x(bin.upper) - 0.4, bin.calibrated?));
        table.bins.iter().filter_map(band)
    };
    for (left, right, [low, high]) in bands() {
        drawing.fill(Area { x: left, y: y(high), width: right - left, height: y(low) - y(high) }, ABSENT);
    }
    for bin in table.bins.iter().filter(|bin| bin.samples > 0) {
        let (left, width) = (x(bin.lower) + 0.4, (bin.upper - bin.lower) * area.width - 0.8);
        let bar = |from: f64, to: f64| {
            let (low, high) = (y(from.min(to)), y(from.max(to)));
            Area { x: left, y: high, width, height: low - high }
        };
        drawing.fill(bar(0.0, bin.accuracy), BLUE);
        let gap = bar(bin.accuracy, bin.confidence);
        // Overconfident: the gap stands on the bar. Underconfident: it is the bar's upper part.
        drawing.fill(gap, if bin.gap() < 0.0 { ORANGE } else { BLUE.mixed(PAPER, 0.65) });
        drawing.outline(gap, 0.3, INK);
    }
    for (left, right, [low, high]) in bands() {
        drawing.line((left, y(low)), (right, y(low)), 0.5, FAINT_INK);
        drawing.line((left, y(high)), (right, y(high)), 0.5, FAINT_INK);
    }
    drawing.dashes((area.x, area.bottom()), (area.right(), area.y), 0.7, INK);
    drawing.path(
        curve(table).map(|point| (x(point.confidence), y(point.accuracy))).collect(),
        1.0,
        VERMILION,
    );
    for bin in &table.bins {
        if let Some([low, high]) = bin.interval {
            let middle = x(0.5 * (bin.lower + bin.upper));
            drawing.line((middle, y(low)), (middle, y(high)), 0.6, INK);
        }
    }
    // Above the bars, which may stand anywhere.
    let error = table.expected_calibration_error();
    let text = format!("ECE {error:.3}, n = {}", grouped(table.samples as u64));
    let lettering = Lettering::new(LABEL, INK).centred();
    drawing.text(&text, (area.middle().0, area.y - 5.0), lettering);
}

fn histogram(drawing: &mut Drawing, area: Area, table: &Reliability, largest: f64, first: bool) {
    let across = unit(true);
    let mut up = Axis::linear(0.0, largest);
    // Only the ends are labelled: the panel is low.
    let last = up.ticks.len() - 1;
    for (at, (_, label)) in up.ticks.iter_mut().enumerate() {
        if !first || (at != 0 && at != last) {
            label.clear();
        }
    }
    plot_frame(drawing, area, &across, &up, ["Confidence", if first { "% of n" } else { "" }]);
    for bin in &table.bins {
        let height = up.position(share(bin, table)) * area.height;
        if bin.samples > 0 {
            let x = area.x + bin.lower * area.width + 0.4;
            let width = (bin.upper - bin.lower) * area.width - 0.8;
            drawing.fill(Area { x, y: area.bottom() - height, width, height }, FAINT_INK);
        }
    }
}

/// The curve from the first bin with samples to the last one.
fn curve(table: &Reliability) -> impl Iterator<Item = &SmoothPoint> {
    let filled = || table.bins.iter().filter(|bin| bin.samples > 0);
    let lower = filled().next().map_or(1.0, |bin| bin.lower);
    let upper = filled().next_back().map_or(0.0, |bin| bin.upper);
    table.curve.iter().filter(move |point| (lower..=upper).contains(&point.confidence)).step_by(4)
}

fn csv(panels: &[(&str, &Reliability)], caption: &Caption) -> String {
    let ends = ["interval_lower", "interval_upper", "calibrated_lower", "calibrated_upper"];
    let columns = ["panel", "lower", "upper", "samples", "confidence", "agreement"].into_iter().chain(ends);
    let mut table = numbers(caption, &[], columns);
    for (name, of) in panels {
        for &Bin { lower, upper, samples, confidence, accuracy, interval, calibrated } in &of.bins {
            let known = [confidence, accuracy].map(|x| Cell::from(Some(x).filter(|x| !x.is_nan())));
            let ends = [interval, calibrated].map(|ends| ends.map_or([None; 2], |ends| ends.map(Some)));
            let ends = ends.into_iter().flatten().map(Cell::from);
            table.row(cells![*name, lower, upper, samples].into_iter().chain(known).chain(ends));
        }
        for &SmoothPoint { confidence, accuracy, .. } in curve(of) {
            table.row(cells![*name, confidence, confidence, None, confidence, accuracy]);
        }
    }
    table.csv()
}
