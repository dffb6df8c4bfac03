//! A map of training areas, with the doubtful ones marked.

use super::colours::{Colour, INK};
use super::drawing::Area;
use super::lettering::Lettering;
use super::map::scale_bar;
use super::parts::{AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, check_count, legend_key, numbers, range};
use super::{Caption, Figure};
use crate::Result;
use crate::display::cells;
use crate::scene::training_areas::Outline;
use crate::scene::{TrainingArea, TrainingAreas};

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
/// Width of its line.
const CIRCLE_LINE: f64 = 0.8;
/// With more doubtful polygons than this their numbers would hide the map.
const MOST_NUMBERED: usize = 60;
/// Metres of a degree of latitude, about: for proportions and the scale bar.
const DEGREE: f64 = 111_320.0;

/// Draws training areas in the colours of their classes, north up, with a circle around each doubtful one and its number next to it.
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
    let numbered = doubtful <= MOST_NUMBERED;
    let mut notes = format!("{doubtful} of {} polygons are doubtful: circled", areas.areas().len());
    notes += if numbered && doubtful > 0 { ", with their numbers as in the CSV." } else { "." };
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
    let circles: Vec<(&TrainingArea, Circle)> = outlines
        .iter()
        .filter(|(polygon, _)| !polygon.doubts.is_empty())
        .map(|(polygon, rings)| {
            let corners = || rings.iter().flat_map(|outline| outline.points).map(place);
            let (x0, x1) = range(corners().map(|corner| corner.0)).unwrap_or_default();
            let (y0, y1) = range(corners().map(|corner| corner.1)).unwrap_or_default();
            let radius = ((x1 - x0).hypot(y1 - y0) / 2.0 + 1.5).max(CIRCLE);
            (*polygon, Circle { x: x0.midpoint(x1), y: y0.midpoint(y1), radius })
        })
        .collect();
    let mut taken =
        Taken { circles: circles.iter().map(|(_, circle)| *circle).collect(), ..Taken::default() };
    for (polygon, circle) in circles {
        drawing.path(circle.points(), CIRCLE_LINE, INK);
        if numbered {
            let (number, lettering) = (polygon.polygon.to_string(), Lettering::new(LABEL - 1.0, INK));
            let size = (lettering.width(&number), 2.0 * lettering.half_height());
            let at = taken.place_next_to(circle, size, area);
            drawing.text_at(&number, (at.x, at.middle().1), lettering);
        }
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

/// A circle around a doubtful polygon, in points.
#[derive(Debug, Clone, Copy)]
struct Circle {
    x: f64,
    y: f64,
    radius: f64,
}

impl Circle {
    fn points(&self) -> Vec<(f64, f64)> {
        let around = (0..=32).map(|k| f64::from(k) * std::f64::consts::TAU / 32.0);
        around.map(|angle| (self.x + self.radius * angle.cos(), self.y + self.radius * angle.sin())).collect()
    }

    /// Whether its line meets an area: the circle reaches into it, and the area out of the circle.
    fn meets(&self, area: Area) -> bool {
        let apart = |at: f64, low: f64, high: f64| (low - at).max(at - high).max(0.0);
        let reach = |at: f64, low: f64, high: f64| (at - low).abs().max((high - at).abs());
        let nearest = apart(self.x, area.x, area.right()).hypot(apart(self.y, area.y, area.bottom()));
        let farthest = reach(self.x, area.x, area.right()).hypot(reach(self.y, area.y, area.bottom()));
        nearest < self.radius + CIRCLE_LINE && farthest > self.radius - CIRCLE_LINE
    }
}

/// Circles, and where numbers already are.
#[derive(Default)]
struct Taken {
    circles: Vec<Circle>,
    numbers: Vec<Area>,
}

impl Taken {
    /// Takes the room of a number of this size next to a circle and inside a frame: of right, left, above, below and the corners
    /// the first that meets the fewest circles and numbers.
    fn place_next_to(&mut self, circle: Circle, (width, height): (f64, f64), frame: Area) -> Area {
        // To the right and down.
        const SIDES: [[f64; 2]; 8] = [
            [1.0, 0.0],
            [-1.0, 0.0],
            [0.0, -1.0],
            [0.0, 1.0],
            [1.0, -1.0],
            [1.0, 1.0],
            [-1.0, -1.0],
            [-1.0, 1.0],
        ];
        let next_to = |[right, down]: [f64; 2]| {
            let away = (circle.radius + 1.5) / right.hypot(down);
            let at = |middle: f64, side: f64, length: f64| middle + side * away + (side - 1.0) / 2.0 * length;
            Area { x: at(circle.x, right, width), y: at(circle.y, down, height), width, height }
        };
        let met = |area: &Area| {
            let outside = area.x < frame.x + 1.0
                || area.right() > frame.right() - 1.0
                || area.y < frame.y + 1.0
                || area.bottom() > frame.bottom() - 1.0;
            let over = |other: &&Area| {
                area.x < other.right() + 1.0
                    && other.x < area.right() + 1.0
                    && area.y < other.bottom() + 1.0
                    && other.y < area.bottom() + 1.0
            };
            let circles = self.circles.iter().filter(|other| other.meets(*area)).count();
            usize::from(outside) * 100 + circles + self.numbers.iter().filter(over).count()
        };
        let free = SIDES.map(next_to).into_iter().min_by_key(met).expect("eight sides");
        self.numbers.push(free);
        free
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
    fn a_number_stands_where_it_meets_no_circle_and_no_other_number() {
        let frame = Area { x: 0.0, y: 0.0, width: 100.0, height: 100.0 };
        let circle = |x: f64, y: f64| Circle { x, y, radius: 5.0 };
        let circles = vec![circle(50.0, 50.0), circle(63.0, 50.0), circle(95.0, 10.0), circle(9.0, 80.0)];
        let mut taken = Taken { circles: circles.clone(), ..Taken::default() };
        let size = (7.0, 4.0);
        let places: Vec<Area> =
            circles.iter().map(|&circle| taken.place_next_to(circle, size, frame)).collect();
        // The first left of its circle, since another is on its right; the third left of it, at the frame.
        let right = |k: usize| places[k].x > circles[k].x;
        assert_eq!([0, 1, 2, 3].map(right), [false, true, false, true]);
        for (k, place) in places.iter().enumerate() {
            assert!(circles.iter().all(|circle| !circle.meets(*place)), "{place:?}");
            assert!(place.x > 0.0 && place.right() < 100.0, "{k}: {place:?}");
        }
        // Inside a large circle there is room: only its line is in the way.
        assert!(!Circle { x: 50.0, y: 50.0, radius: 40.0 }.meets(Area {
            x: 48.0,
            y: 48.0,
            width: 7.0,
            height: 4.0
        }));
    }

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
