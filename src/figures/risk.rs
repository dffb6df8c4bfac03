//! Risk–coverage curves: the error that remains when only the most confident predictions are kept.

use std::borrow::Borrow;

use super::axis::Axis;
use super::colours::{BLUE, FAINT_INK, GREEN, INK, ORANGE};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{COLUMN_WIDTH, Frame, LABEL, MARGIN, check_count, numbers, plot_frame};
use super::{Caption, Figure};
use crate::Result;
use crate::display::cells;
use crate::uncertainty::{RiskCoverage, RiskPoint};

/// Points drawn of a curve, at most.
const POINTS: usize = 200;
const HEIGHT: f64 = 120.0;
/// Dash and gap of the first, second and third curve.
const DASHES: [Option<[f64; 2]>; 3] = [None, Some([4.0, 2.5]), Some([1.2, 1.6])];

/// Draws risk against coverage for one to three classifiers, each with its area under the curve. Of a curve
/// of many points, 200 are drawn. As wide as a column, 89 mm.
///
/// The CSV has one line per point: `series,coverage,risk,confidence`.
///
/// # Errors
/// No curve, or more than three.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption};
/// use lcz::uncertainty::RiskCoverage;
/// let curve = RiskCoverage::compute(&[0.9, 0.8, 0.6, 0.5], &[0.0, 0.0, 0.0, 1.0])?;
/// let figure = figures::risk_coverage(&[("network".to_owned(), &curve)], &Caption::new("Four patches", "synthetic"))?;
/// assert!(figure.csv().ends_with("network,1,0.25,0.5\n")); // all kept: 1 of 4 is wrong
/// # Ok(())
/// # }
/// ```
pub fn risk_coverage<R: Borrow<RiskCoverage>>(curves: &[(String, R)], caption: &Caption) -> Result<Figure> {
    let curves: Vec<(&str, &RiskCoverage)> =
        curves.iter().map(|(name, curve)| (name.as_str(), curve.borrow())).collect();
    let colours = [BLUE, ORANGE, GREEN];
    check_count("risk-coverage figure", "curves", curves.len(), 1..=colours.len())?;
    let thinned: Vec<Vec<RiskPoint>> = curves.iter().map(|(_, curve)| thin(&curve.points)).collect();
    let frame = Frame::new(caption, "Risk: the share of wrong predictions among those kept.", COLUMN_WIDTH);
    let legend = 10.0 * curves.len() as f64 + 4.0;
    let mut drawing = frame.around(legend + HEIGHT + 24.0);
    let left = MARGIN + 32.0;
    let area = Area {
        x: left,
        y: frame.above() + legend,
        width: COLUMN_WIDTH - left - MARGIN - 8.0,
        height: HEIGHT,
    };
    let largest = thinned.iter().flatten().map(|point| point.risk).fold(0.0, f64::max);
    let (across, up) = (Axis::linear(0.0, 1.0), Axis::linear(0.0, largest));
    plot_frame(&mut drawing, area, &across, &up, ["Coverage (share kept, most confident first)", "Risk"]);
    let at = |point: &RiskPoint| {
        (
            area.x + across.position(point.coverage) * area.width,
            area.bottom() - up.position(point.risk) * area.height,
        )
    };
    for ((points, colour), (row, (name, curve))) in thinned.iter().zip(colours).zip(curves.iter().enumerate())
    {
        let path: Vec<(f64, f64)> = points.iter().map(at).collect();
        let y = frame.above() + 10.0 * row as f64 + 2.0;
        let sample = [(area.x, y), (area.x + 14.0, y)];
        // Curves that nearly coincide, as before and after scaling, are seen through each other's gaps.
        if let Some(dashes) = DASHES[row] {
            drawing.dashed_path(&path, dashes, 1.2, colour);
            drawing.dashed_path(&sample, dashes, 1.6, colour);
        } else {
            drawing.path(path, 1.2, colour);
            drawing.line(sample[0], sample[1], 1.6, colour);
        }
        if let [only] = points[..] {
            drawing.disc(at(&only), 2.0, colour);
        }
        let label = Lettering::new(LABEL, INK);
        let numbers = format!("AURC {:.4} (best order {:.4})", curve.aurc, curve.best_aurc);
        drawing.text_at(name, (area.x + 18.0, y), label);
        let number = Lettering::new(6.5, FAINT_INK);
        drawing.text_at(&numbers, (area.x + 18.0 + label.width(name) + 6.0, y), number);
    }
    let mut table = numbers(caption, &[], ["series", "coverage", "risk", "confidence"]);
    for ((name, _), points) in curves.iter().zip(&thinned) {
        for &RiskPoint { coverage, risk, confidence } in points {
            table.row(cells![*name, coverage, risk, confidence]);
        }
    }
    drawing.into_figure(caption, table.csv())
}

/// N points at even steps, with the first and the last.
fn thin(points: &[RiskPoint]) -> Vec<RiskPoint> {
    if points.len() <= POINTS {
        return points.to_vec();
    }
    (0..POINTS).map(|k| points[k * (points.len() - 1) / (POINTS - 1)]).collect()
}
