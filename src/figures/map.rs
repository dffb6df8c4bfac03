//! A map of classes, next to the reference classes and the satellite image.

use ndarray::{Array2, Array3};

use super::colours::{Colour, INK, PAPER};
use super::composites::as_eyes_would_see;
use super::drawing::{Area, Drawing, Picture};
use super::lettering::Lettering;
use super::parts::{
    AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, capitalised, framed_picture, legend_key, numbers,
};
use super::{Caption, Figure};
use crate::display::{cells, percent};
use crate::{Classes, Error, Result};

/// Between two pictures.
const GAP: f64 = 9.0;
/// Pictures are at most so high, in points.
const HIGHEST: f64 = 330.0;
/// Room for a picture's heading.
const HEADING: f64 = 12.0;
/// Room for scale bar and north arrow below the pictures.
const SCALE: f64 = 26.0;
/// A line of the legend.
const LINE: f64 = 10.0;
/// Classes of the legend side by side.
const ACROSS: usize = 3;
/// Most pixels of a picture in a file, across or down; a page at 300 per inch shows about half.
const MOST_PIXELS: usize = 2048;

/// What a map shows.
#[derive(Debug, Clone)]
pub struct MapPicture<'a> {
    /// The classes.
    pub classes: &'a Classes,
    /// The class of each pixel; `None` is no data, drawn white.
    pub map: Array2<Option<usize>>,
    /// The reference class of each of these pixels, where known.
    pub truth: Option<Array2<Option<usize>>>,
    /// Red, green and blue of the same pixels, NaN where there are none. Shape: (rows, columns, 3).
    pub seen: Option<&'a Array3<f32>>,
    /// Width and height of a pixel in metres on the ground, for the scale bar and true proportions.
    pub pixel_metres: Option<[f64; 2]>,
    /// Square metres of a pixel on the ground.
    pub pixel_area: Option<f64>,
    /// Where north is, in degrees clockwise from up.
    pub north: Option<f64>,
    /// Further notes for the caption, without a full stop.
    pub notes: String,
}

/// Draws a map with its legend, a scale bar and an arrow to the north; next to it, where they are known, the reference
/// classes in the same colours, and where the bands are available, the scene in true colour. One range serves all
/// three colours, from the 2nd percentile of each on.
///
/// The legend and the CSV give each class that the map or the reference holds with its share of the map's pixels that have a
/// class, and its share of the reference at those of them that it knows ([`MapScores`](crate::mapping::MapScores)).
///
/// # Errors
/// A map without any class, or with one that is not in the list; a reference of another size.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption, MapPicture};
/// let classes = lcz::Classes::named(["water", "land"])?;
/// let picture = MapPicture {
///     classes: &classes,
///     map: ndarray::array![[Some(0), Some(1)], [Some(1), None]],
///     truth: None,
///     seen: None,
///     pixel_metres: Some([100.0, 100.0]),
///     pixel_area: Some(10_000.0),
///     north: Some(0.0),
///     notes: String::new(),
/// };
/// let figure = figures::map(&picture, &Caption::new("An island", "synthetic"))?;
/// assert!(figure.csv().contains("\nland,land,2,"));
/// # Ok(())
/// # }
/// ```
pub fn map(picture: &MapPicture<'_>, caption: &Caption) -> Result<Figure> {
    let shares = Shares::of(picture)?;
    let (rows, columns) = picture.map.dim();
    let [across, down] = picture.pixel_metres.unwrap_or([1.0, 1.0]);
    let height_of_width = rows as f64 * down / (columns as f64 * across);
    let panels = 1.0 + f64::from(picture.truth.is_some()) + f64::from(picture.seen.is_some());
    let widest = (PAGE_WIDTH - 2.0 * MARGIN - (panels - 1.0) * GAP) / panels;
    let width = widest.min(HIGHEST / height_of_width);
    let height = width * height_of_width;
    let lines = shares.present.len().div_ceil(ACROSS) as f64;

    let mut notes = picture.notes.clone();
    let seen = picture.seen.and_then(as_eyes_would_see);
    if let Some((_, words)) = &seen {
        notes = if notes.is_empty() { words.clone() } else { format!("{notes}; {words}") };
    }
    let notes = if notes.is_empty() { notes } else { capitalised(&notes) + "." };
    let frame = Frame::new(caption, &notes, PAGE_WIDTH);
    let mut drawing = frame.around(HEADING + height + SCALE + lines * LINE);
    let area = Area { x: MARGIN, y: frame.above() + HEADING, width, height };
    let mut next = area;
    let mut show = |heading: &str, pixels: Picture| {
        framed_picture(&mut drawing, next, heading, pixels);
        next.x = next.right() + GAP;
    };
    let white = PAPER.0;
    let in_colour = |classes: &Array2<Option<usize>>| {
        thinned(rows, columns, |row, column| {
            classes[[row, column]].map_or(white, |class| picture.classes.colour(class))
        })
    };
    show("Map", in_colour(&picture.map));
    if let Some(truth) = &picture.truth {
        show("Reference", in_colour(truth));
    }
    if let Some((colours, _)) = seen {
        let ground = thinned(rows, columns, |row, column| colours[[row, column]].unwrap_or(white));
        show("True colour (B4, B3, B2)", ground);
    }
    let below = area.bottom() + 11.0;
    let mut right = MARGIN;
    if picture.pixel_metres.is_some() {
        let metres = columns as f64 * across;
        right = scale_bar(&mut drawing, (MARGIN, below), width / metres, metres) + 18.0;
    }
    if let Some(degrees) = picture.north {
        arrow(&mut drawing, (right + 6.0, below), degrees);
    }
    shares.legend(&mut drawing, area.bottom() + SCALE, picture.classes);
    drawing.into_figure(caption, shares.csv(picture, caption))
}

/// At most [`MOST_PIXELS`] of a picture's pixels across and down.
fn thinned(rows: usize, columns: usize, colour: impl Fn(usize, usize) -> [u8; 3]) -> Picture {
    let step = rows.max(columns).div_ceil(MOST_PIXELS);
    let (high, wide) = (rows.div_ceil(step), columns.div_ceil(step));
    let middle = |k: usize, length: usize| (k * step + step / 2).min(length - 1);
    let pixels = (0..high)
        .flat_map(|row| (0..wide).map(move |column| (middle(row, rows), middle(column, columns))))
        .map(|(row, column)| colour(row, column))
        .collect();
    Picture { columns: wide, rows: high, pixels }
}

/// A bar of a round length, at most a third of the map; gives where it ends on the right, with its words.
fn scale_bar(drawing: &mut Drawing, (x, y): (f64, f64), points_a_metre: f64, metres: f64) -> f64 {
    let length = round_length(metres / 3.0);
    let words = if length >= 1000.0 { format!("{} km", length / 1000.0) } else { format!("{length} m") };
    let end = x + length * points_a_metre;
    drawing.line((x, y), (end, y), 1.4, INK);
    for at in [x, end] {
        drawing.line((at, y - 3.0), (at, y + 3.0), AXIS_LINE, INK);
    }
    let lettering = Lettering::new(LABEL, INK);
    drawing.text_at(&words, (end + 4.0, y), lettering);
    end + 4.0 + lettering.width(&words)
}

/// The largest of 1, 2 and 5 times a power of ten that does not exceed it.
fn round_length(most: f64) -> f64 {
    let power = 10_f64.powf(most.log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|k| k * power).find(|&length| length <= most).unwrap_or(power)
}

/// An arrow around a point, with an N at its tip.
fn arrow(drawing: &mut Drawing, (x, y): (f64, f64), degrees: f64) {
    let (sine, cosine) = degrees.to_radians().sin_cos();
    let at = |right: f64, up: f64| (x + right * cosine + up * sine, y + right * sine - up * cosine);
    drawing.polygon(vec![at(0.0, 7.0), at(3.6, -6.0), at(0.0, -3.4), at(-3.6, -6.0)], INK);
    let (tip_x, tip_y) = at(0.0, 0.0);
    drawing.text_at("N", (tip_x + 7.5, tip_y), Lettering::new(LABEL, INK).bold());
}

/// How much of the map each class has, and of the reference.
struct Shares {
    /// Classes that the map or the reference holds, with their pixels on the map and in the reference where both have one.
    present: Vec<(usize, [usize; 2])>,
    /// All these pixels.
    total: [usize; 2],
}

impl Shares {
    fn of(picture: &MapPicture<'_>) -> Result<Self> {
        let mut counts = vec![[0; 2]; picture.classes.len()];
        let maps = [Some(&picture.map), picture.truth.as_ref()];
        for (which, map) in maps.into_iter().enumerate() {
            let Some(map) = map else { continue };
            if map.dim() != picture.map.dim() {
                let problem = format!("{:?} pixels of the reference on {:?}", map.dim(), picture.map.dim());
                return Err(Error::input("map", problem, "resample the reference to the map's pixels"));
            }
            let compared = map.iter().zip(&picture.map).filter(|(_, mapped)| mapped.is_some());
            for class in compared.filter_map(|(class, _)| *class) {
                let Some(count) = counts.get_mut(class) else {
                    let problem = format!("class {} of {}", class + 1, counts.len());
                    return Err(Error::input("map", problem, "give the classes that the map was made with"));
                };
                count[which] += 1;
            }
        }
        let total = [0, 1].map(|which| counts.iter().map(|count| count[which]).sum());
        if total[0] == 0 {
            return Err(Error::input("map", "no pixel has a class", "give a map with one at least"));
        }
        let present = counts.into_iter().enumerate().filter(|(_, count)| *count != [0, 0]).collect();
        Ok(Self { present, total })
    }

    /// On the map and, if there is one, in the reference.
    fn shares(&self, count: [usize; 2]) -> (f64, Option<f64>) {
        let share = |which: usize| count[which] as f64 / self.total[which] as f64;
        (share(0), (self.total[1] > 0).then(|| share(1)))
    }

    /// Column by column.
    fn legend(&self, drawing: &mut Drawing, top: f64, classes: &Classes) {
        let lines = self.present.len().div_ceil(ACROSS);
        let column = (PAGE_WIDTH - 2.0 * MARGIN) / ACROSS as f64;
        for (k, &(class, count)) in self.present.iter().enumerate() {
            let (x, y) = (MARGIN + (k / lines) as f64 * column, top + (k % lines) as f64 * LINE);
            let (share, truth) = self.shares(count);
            let truth = truth.map_or_else(String::new, |truth| format!(" (reference {})", percent(truth)));
            let words = format!("{}: {}{truth}", classes.name(class), percent(share));
            legend_key(drawing, (x, y), Colour(classes.colour(class)), &words, column - 20.0);
        }
    }

    fn csv(&self, picture: &MapPicture<'_>, caption: &Caption) -> String {
        let notes = [
            "the pixels are in the GeoTIFF of the same name",
            "share: of the map's pixels with a class; reference_share: of those of them with a reference class",
        ];
        let columns =
            ["class", "name", "pixels", "share", "square_kilometres", "reference_pixels", "reference_share"];
        let known = if self.total[1] > 0 { columns.len() } else { columns.len() - 2 };
        let mut table = numbers(caption, &notes, columns.into_iter().take(known));
        for &(class, count) in &self.present {
            let [mapped, true_pixels] = count;
            let (share, truth) = self.shares(count);
            let area = picture.pixel_area.map(|area| mapped as f64 * area / 1e6);
            let area = area.map_or_else(String::new, |area| format!("{area:.4}"));
            let (code, name) = (picture.classes.code(class), picture.classes.name(class));
            let truth = truth.map(|truth| cells![true_pixels, format!("{truth:.6}")]).into_iter().flatten();
            table.row(cells![code, name, mapped, format!("{share:.6}"), area].into_iter().chain(truth));
        }
        table.csv()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_bar_has_a_round_length() {
        let lengths = [3.0, 9.9, 49.0, 5300.0, 999.0].map(|most| round_length(most) as u32);
        assert_eq!(lengths, [2, 5, 20, 5000, 500]);
    }
}
