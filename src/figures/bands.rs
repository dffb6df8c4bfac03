//! Series with bands: a measure as a function of a number, for several choices, with its scatter.

use super::axis::Axis;
use super::colours::{BLUE, FAINT_INK, GREEN, INK, ORANGE, SKY, VERMILION};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{Frame, LABEL, MARGIN, Marker, PAGE_WIDTH, check_count, numbers, plot_frame, range};
use super::{Caption, Figure};
use crate::display::cells;
use crate::{Error, Result};

const HEIGHT: f64 = 150.0;
/// In the order in which series take them: grey for the baseline, warm colours, cool ones.
const MARKERS: [Marker; 6] = [
    Marker::Round(FAINT_INK),
    Marker::Round(VERMILION),
    Marker::Square(ORANGE),
    Marker::Round(BLUE),
    Marker::Square(SKY),
    Marker::Square(GREEN),
];
/// How much of a band's colour shows.
const VEIL: f64 = 0.16;

/// A point of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BandPoint {
    /// Where it lies.
    pub x: f64,
    /// Its value, the mean of several.
    pub mean: f64,
    /// The lower edge of the band.
    pub low: f64,
    /// The upper edge.
    pub high: f64,
}

/// A series.
#[derive(Debug, Clone, PartialEq)]
pub struct BandSeries {
    /// What the legend calls it.
    pub name: String,
    /// Its points, x rising.
    pub points: Vec<BandPoint>,
}

/// A panel of series.
#[derive(Debug, Clone, PartialEq)]
pub struct BandPanel {
    /// What is measured.
    pub title: String,
    /// The series; panels of a figure have the same ones.
    pub series: Vec<BandSeries>,
    /// A value to compare them with, drawn as a dashed line, with its name.
    pub level: Option<(String, f64)>,
}

/// Draws one or two panels side by side, of one to six series each. As wide as a page, 183 mm.
///
/// `across` names the x axis, `band` describes the bands.
///
/// The CSV has one line per point: `measure,series,x,mean,low,high`.
///
/// # Errors
/// No panel or more than two, no series or more than six, a series without a point, a number that is not finite.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, BandPanel, BandPoint, BandSeries, Caption};
/// let at = |x, mean| BandPoint { x, mean, low: mean - 0.02, high: mean + 0.02 };
/// let series = vec![BandSeries { name: "random".to_owned(), points: vec![at(5.0, 0.61), at(10.0, 0.66)] }];
/// let panel = BandPanel { title: "Overall accuracy".to_owned(), series, level: Some(("all".to_owned(), 0.71)) };
/// let caption = Caption::new("Subsets of the training set", "synthetic");
/// let figure = figures::bands(&[panel], "% of the patches", "Bands: 95 % intervals.", &caption)?;
/// assert!(figure.csv().contains("Overall accuracy,random,5,0.61,"));
/// # Ok(())
/// # }
/// ```
pub fn bands(panels: &[BandPanel], across: &str, band: &str, caption: &Caption) -> Result<Figure> {
    check(panels)?;
    let series = &panels[0].series;
    let label = Lettering::new(LABEL, INK);
    // The legend is set in rows above the panels, as many names per row as fit.
    let inner = PAGE_WIDTH - 2.0 * MARGIN;
    let mut places = Vec::new();
    let (mut x, mut row) = (0.0, 0);
    let names = series.iter().map(|series| series.name.as_str());
    let level = panels[0].level.as_ref().map(|(name, _)| name.as_str());
    for name in names.chain(level) {
        let width = 18.0 + label.width(name) + 10.0;
        if x > 0.0 && x + width > inner {
            (x, row) = (0.0, row + 1);
        }
        places.push((x, f64::from(row)));
        x += width;
    }
    let legend = 11.0 * (f64::from(row) + 1.0) + 6.0;
    let frame = Frame::new(caption, band, PAGE_WIDTH);
    let mut drawing = frame.around(legend + HEIGHT + 24.0);
    for (k, (x, row)) in places.into_iter().enumerate() {
        let (x, y) = (MARGIN + x, frame.above() + 11.0 * row + 4.0);
        let name = if let Some(series) = series.get(k) {
            drawing.line((x, y), (x + 14.0, y), 1.2, MARKERS[k].colour());
            MARKERS[k].draw(&mut drawing, (x + 7.0, y), 2.2);
            &series.name
        } else {
            drawing.dashes((x, y), (x + 14.0, y), 1.0, INK);
            level.unwrap_or_default()
        };
        drawing.text_at(name, (x + 18.0, y), label);
    }
    let (left, gap) = (MARGIN + 34.0, 46.0);
    let count = panels.len() as f64;
    let width = (PAGE_WIDTH - left - gap * (count - 1.0) - MARGIN - 4.0) / count;
    for (n, panel) in panels.iter().enumerate() {
        let area =
            Area { x: left + n as f64 * (width + gap), y: frame.above() + legend, width, height: HEIGHT };
        let points = || panel.series.iter().flat_map(|series| &series.points);
        let range = |values: Vec<f64>| range(values).unwrap_or((0.0, 1.0));
        let (low, high) = range(points().map(|point| point.x).collect());
        let x_axis = Axis::linear(low.min(0.0), high);
        let level = panel.level.iter().map(|(_, value)| *value);
        let (low, high) = range(points().flat_map(|p| [p.low, p.high, p.mean]).chain(level).collect());
        let y_axis = Axis::linear(low, high);
        plot_frame(&mut drawing, area, &x_axis, &y_axis, [across, &panel.title]);
        let at = |x: f64, y: f64| {
            (area.x + x_axis.position(x) * area.width, area.bottom() - y_axis.position(y) * area.height)
        };
        for (series, marker) in panel.series.iter().zip(MARKERS) {
            let upper = series.points.iter().map(|point| at(point.x, point.high));
            let lower = series.points.iter().rev().map(|point| at(point.x, point.low));
            if series.points.len() > 1 {
                drawing.veil(upper.chain(lower).collect(), marker.colour(), VEIL);
            }
        }
        if let Some((_, value)) = panel.level {
            drawing.dashes((area.x, at(0.0, value).1), (area.right(), at(0.0, value).1), 0.9, INK);
        }
        for (series, marker) in panel.series.iter().zip(MARKERS) {
            drawing.path(series.points.iter().map(|p| at(p.x, p.mean)).collect(), 1.2, marker.colour());
            for point in &series.points {
                marker.draw(&mut drawing, at(point.x, point.mean), 2.2);
            }
        }
    }
    drawing.into_figure(caption, csv(panels, caption))
}

fn check(panels: &[BandPanel]) -> Result<()> {
    const FIGURE: &str = "figure of bands";
    check_count(FIGURE, "panels", panels.len(), 1..=2)?;
    let names = |panel: &BandPanel| panel.series.iter().map(|s| s.name.clone()).collect::<Vec<_>>();
    for panel in panels {
        check_count(FIGURE, "series", panel.series.len(), 1..=MARKERS.len())?;
        if names(panel) != names(&panels[0]) {
            return Err(Error::input(FIGURE, "panels of different series", "give the same in each panel"));
        }
        let finite = |p: &BandPoint| [p.x, p.mean, p.low, p.high].iter().all(|v| v.is_finite());
        let bad = |series: &&BandSeries| series.points.is_empty() || !series.points.iter().all(finite);
        if let Some(BandSeries { name, .. }) = panel.series.iter().find(bad) {
            let problem = format!("series '{name}' without a point, or with one that is not finite");
            return Err(Error::input(FIGURE, problem, "leave the series out"));
        }
    }
    Ok(())
}

fn csv(panels: &[BandPanel], caption: &Caption) -> String {
    let mut table = numbers(caption, &[], ["measure", "series", "x", "mean", "low", "high"]);
    for BandPanel { title, series, level } in panels {
        for BandSeries { name, points } in series {
            for &BandPoint { x, mean, low, high } in points {
                table.row(cells![title, name, x, mean, low, high]);
            }
        }
        if let Some((name, value)) = level {
            table.row(cells![title, name, None, *value, None, None]);
        }
    }
    table.csv()
}
