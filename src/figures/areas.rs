//! A map of training areas, with the doubtful ones marked.

use super::colours::{Colour, INK};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::map::scale_bar;
use super::parts::{AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, check_count, legend_key, numbers, range};
use super::{Caption, Figure};
use crate::Result;
use crate::display::cells;
use crate::scene::TrainingAreas;
use crate::scene::training_areas::Outline;

/// The map is at most so high, in points.
const HIGHEST: f64 = 480.0;
/// Between the outermost polygons and the frame.
const INSET: f64 = 10.0;
/// Room for the scale bar.
const SCALE: f64 = 26.0;
/// A line of the legend.
const LINE: f64 = 10.0;
/// Classes of the legend side by side.
const ACROSS: usize = 2;
/// Radius of the circle around a doubtful polygon, at least.
const CIRCLE: f64 = 4.0;
/// With more doubtful polygons than this their numbers would hide the map.
const MOST_NUMBERED: usize = 60;
/// Metres of a degree of latitude, about: for proportions and the scale bar.
const DEGREE: f64 = 111_320.0;

/// Draws training areas in the colours of their classes, north up, with a circle and the polygon's number around each doubtful one.
/// The CSV has a line for each polygon: its measures and its doubts.
///
/// # Errors
/// No polygon; outlines whose datum has no known way to WGS 84.
///
/// ```no_run
/// use lcz::figures::{Caption, training_areas};
/// use lcz::scene::{Labelling, TrainingAreas};
/// let areas = TrainingAreas::open("training_areas.kml", &Labelling::default())?;
/// training_areas(&areas, &Caption::new("Training areas of Melbourne", "unknown source"))?.save("figures", "areas")?;
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn training_areas(areas: &TrainingAreas, caption: &Caption) -> Result<Figure> {
    check_count("figure of training areas", "polygons", areas.areas().len(), 1..=usize::MAX)?;
    let outlines = areas.outlines()?;
    let points = || outlines.iter().flat_map(|(_, rings)| rings).flat_map(|outline| outline.points);
    let (west, east) = range(points().map(|point| point.0)).unwrap_or_default();
    let (south, north) = range(points().map(|point| point.1)).unwrap_or_default();
    let metres = |degrees: f64| degrees.max(1e-5) * DEGREE;
    let (wide, high) =
        (metres((east - west) * south.midpoint(north).to_radians().cos()), metres(north - south));
    let inside = PAGE_WIDTH - 2.0 * (MARGIN + INSET);
    let points_a_metre = (inside / wide).min((HIGHEST - 2.0 * INSET) / high);
    let by_class: Vec<_> =
        areas.by_class().into_iter().enumerate().filter(|(_, of)| of.polygons > 0).collect();
    let lines = by_class.len().div_ceil(ACROSS);

    let doubtful = areas.areas().iter().filter(|area| !area.doubts.is_empty()).count();
    let notes = format!("{doubtful} of {} polygons are doubtful: circled.", areas.areas().len());
    let frame = Frame::new(caption, &notes, PAGE_WIDTH);
    let height = high * points_a_metre + 2.0 * INSET;
    let mut drawing = frame.around(height + SCALE + lines as f64 * LINE);
    let area = Area { x: MARGIN, y: frame.above(), width: PAGE_WIDTH - 2.0 * MARGIN, height };
    drawing.outline(area, AXIS_LINE, INK);
    let left = area.x + (area.width - wide * points_a_metre) / 2.0;
    let east_a_point = (east - west).max(1e-5) / (wide * points_a_metre);
    let north_a_point = 1.0 / (DEGREE * points_a_metre);
    let place = |&(x, y): &(f64, f64)| {
        (left + (x - west) / east_a_point, area.y + INSET + (north - y) / north_a_point)
    };
    for (polygon, rings) in &outlines {
        let corners = |outline: &Outline<'_>| outline.points.iter().map(place).collect::<Vec<_>>();
        drawing.polygon(in_one(rings, corners), Colour(areas.classes().colour(polygon.class)));
        for outline in rings {
            drawing.path(corners(outline), 0.3, INK);
        }
    }
    for (polygon, rings) in outlines.iter().filter(|(polygon, _)| !polygon.doubts.is_empty()) {
        let corners = || rings.iter().flat_map(|outline| outline.points).map(place);
        let (x0, x1) = range(corners().map(|corner| corner.0)).unwrap_or_default();
        let (y0, y1) = range(corners().map(|corner| corner.1)).unwrap_or_default();
        let (middle, radius) = ((x0.midpoint(x1), y0.midpoint(y1)), (x1 - x0).hypot(y1 - y0) / 2.0 + 1.5);
        let number = (doubtful <= MOST_NUMBERED).then(|| polygon.polygon.to_string());
        circle(&mut drawing, middle, radius.max(CIRCLE), number.as_deref());
    }
    let bar = (MARGIN, area.bottom() + 11.0);
    scale_bar(&mut drawing, bar, points_a_metre, area.width / points_a_metre);
    let column = (PAGE_WIDTH - 2.0 * MARGIN) / ACROSS as f64;
    for (k, (class, of)) in by_class.iter().enumerate() {
        let at = (MARGIN + (k / lines) as f64 * column, area.bottom() + SCALE + (k % lines) as f64 * LINE);
        let words = format!("{}: {} polygons, {} doubtful", of.name, of.polygons, of.doubtful);
        legend_key(&mut drawing, at, Colour(areas.classes().colour(*class)), &words, column - 20.0);
    }
    drawing.into_figure(caption, csv(areas, caption))
}

/// Outlines as one line, from each back to the start of the first, holes the other way round, so that they stay unpainted.
fn in_one(rings: &[Outline<'_>], corners: impl Fn(&Outline<'_>) -> Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut line: Vec<(f64, f64)> = Vec::new();
    for outline in rings {
        let mut ring = corners(outline);
        ring.extend(ring.first().copied());
        let doubled_area: f64 = ring.windows(2).map(|of| of[0].0 * of[1].1 - of[1].0 * of[0].1).sum();
        if (doubled_area < 0.0) != outline.is_hole {
            ring.reverse();
        }
        line.extend(ring);
        line.extend(line.first().copied());
    }
    line
}

/// A circle, with a number at its right.
fn circle(drawing: &mut Drawing, (x, y): (f64, f64), radius: f64, number: Option<&str>) {
    let around = (0..=32).map(|k| f64::from(k) * std::f64::consts::TAU / 32.0);
    drawing.path(
        around.map(|angle| (x + radius * angle.cos(), y + radius * angle.sin())).collect(),
        0.8,
        INK,
    );
    if let Some(number) = number {
        drawing.text_at(number, (x + radius + 1.5, y), Lettering::new(LABEL - 1.0, INK));
    }
}

fn csv(areas: &TrainingAreas, caption: &Caption) -> String {
    let columns = [
        "polygon",
        "class",
        "square_kilometres",
        "perimeter_kilometres",
        "shape",
        "nearest_other_metres",
        "doubts",
    ];
    let mut table = numbers(caption, &["measured on the ground"], columns);
    for area in areas.areas() {
        let nearest = area.nearest_other_metres.map_or_else(String::new, |metres| format!("{metres:.1}"));
        let doubts = area.doubts.iter().map(|doubt| doubt.words()).collect::<Vec<_>>().join("; ");
        table.row(cells![
            area.polygon,
            &area.code,
            format!("{:.5}", area.square_kilometres),
            format!("{:.4}", area.perimeter_kilometres),
            format!("{:.3}", area.shape),
            nearest,
            doubts
        ]);
    }
    table.csv()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_around_a_square_with_a_hole_encloses_their_difference() {
        let square = |left: f64, side: f64| {
            [(left, left), (left + side, left), (left + side, left + side), (left, left + side)]
        };
        let (outer, inner) = (square(0.0, 10.0), square(3.0, 4.0));
        let rings = [(&outer, false), (&inner, true)].map(|(points, is_hole)| Outline { points, is_hole });
        let line = in_one(&rings, |outline| outline.points.to_vec());
        let doubled: f64 = line.windows(2).map(|of| of[0].0 * of[1].1 - of[1].0 * of[0].1).sum();
        assert!((doubled.abs() / 2.0 - 84.0).abs() < 1e-9, "{doubled}");
    }
}
