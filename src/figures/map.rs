//! A map of classes, next to the reference classes and the satellite image.

use ndarray::{Array2, Array3, ArrayView2};

use super::colours::{ABSENT, Colour, INK};
use super::composites::as_eyes_would_see;
use super::drawing::{Area, Drawing, Picture};
use super::lettering::Lettering;
use super::parts::{
    AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, capitalised, framed_picture, legend_key, numbers,
};
use super::{Caption, Figure};
use crate::display::{cells, percent};
use crate::{Classes, Error, Palette, Result};

/// Between two pictures.
const GAP: f64 = 9.0;
/// Pictures are at most so high, in points; one alone may fill the page.
const HIGHEST: [f64; 2] = [330.0, 560.0];
/// Room for a picture's heading.
const HEADING: f64 = 12.0;
/// Room for scale bar and north arrow below the pictures.
const SCALE: f64 = 26.0;
/// A line of the legend.
const LINE: f64 = 10.0;
/// Classes of the legend side by side.
const ACROSS: usize = 3;
/// A region has its code if a square of this many points, and of this many pixels, lies within it.
const CODED: (f64, usize) = (9.0, 3);
/// Most pixels of a picture in a file, across or down; a page at 300 per inch shows about half.
const MOST_PIXELS: usize = 2048;

/// What a map shows.
#[derive(Debug, Clone)]
pub struct MapPicture<'a> {
    /// The classes.
    pub classes: &'a Classes,
    /// The zones' colours.
    pub palette: Palette,
    /// The class of each pixel: its place in `classes` from 1 on; 0 is no data, drawn grey. A view, since a map may be too large
    /// for a second one in memory: no more than 2048 of its pixels across and down are drawn.
    pub map: ArrayView2<'a, u8>,
    /// The reference class of each of these pixels, where known.
    pub truth: Option<ArrayView2<'a, u8>>,
    /// Red, green and blue of the same ground, in pixels of any size, NaN where there are none. Shape: (rows, columns, 3).
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

/// Draws a map with its legend, a scale bar, an arrow to the north and the codes of its larger regions; next to it, where they
/// are known, the reference classes in the same colours, and where the bands are available, the scene in true colour. One
/// range serves all three colours, from the 2nd percentile of each on.
///
/// The legend and the CSV give each class that the map or the reference holds with its share of the map's pixels that have a
/// class, and its share of the reference at those of them that it knows ([`MapScores`](crate::mapping::MapScores)).
///
/// # Errors
/// A map without any class, a number in the map or the reference that is not in the list, a reference of another size.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption, MapPicture};
/// let classes = lcz::Classes::named(["water", "land"])?;
/// let map = ndarray::array![[1_u8, 2], [2, 0]];
/// let picture = MapPicture {
///     classes: &classes,
///     palette: lcz::Palette::default(),
///     map: map.view(),
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
    let others = usize::from(picture.truth.is_some()) + usize::from(picture.seen.is_some());
    let widest = (PAGE_WIDTH - 2.0 * MARGIN - others as f64 * GAP) / (others + 1) as f64;
    let width = widest.min(HIGHEST[usize::from(others == 0)] / height_of_width);
    let height = width * height_of_width;
    let lines = shares.entries(picture).len().div_ceil(ACROSS) as f64;

    let seen = picture.seen.and_then(as_eyes_would_see);
    let drawn = thinned(rows, columns, |row, column| picture.map[[row, column]]);
    let codes = codes_of_regions(picture, drawn.view(), (width, height));
    let mut notes = Vec::new();
    if !picture.notes.is_empty() {
        notes.push(capitalised(&picture.notes) + ".");
    }
    if !codes.is_empty() {
        notes.push("Codes on the map: the classes of its larger regions, as in the legend.".to_owned());
    }
    let frame = Frame::new(caption, &notes.join(" "), PAGE_WIDTH);
    let mut drawing = frame.around(HEADING + height + SCALE + lines * LINE);
    let left = if others == 0 { MARGIN + (widest - width) / 2.0 } else { MARGIN };
    let area = Area { x: left, y: frame.above() + HEADING, width, height };
    let mut next = area;
    let mut show = |heading: &str, colours: Array2<[u8; 3]>| {
        let (rows, columns) = colours.dim();
        let pixels = colours.into_iter().collect();
        framed_picture(&mut drawing, next, heading, Picture { columns, rows, pixels });
        next.x = next.right() + GAP;
    };
    let in_colour = |classes: ArrayView2<'_, u8>| {
        classes.mapv(|number| {
            let class = usize::from(number).checked_sub(1);
            class.map_or(ABSENT.0, |class| picture.palette.colour(picture.classes, class))
        })
    };
    show("Map", in_colour(drawn.view()));
    if let Some(truth) = picture.truth {
        show("Reference", in_colour(thinned(rows, columns, |row, column| truth[[row, column]]).view()));
    }
    if let Some((colours, _)) = seen {
        let (rows, columns) = colours.dim();
        let ground = thinned(rows, columns, |row, column| colours[[row, column]].unwrap_or(ABSENT.0));
        show("True colour (B4, B3, B2)", ground);
    }
    for Code { text, at: (x, y), lettering } in codes {
        drawing.text_above(text, (area.x + x, area.y + y), lettering);
    }
    let below = area.bottom() + 11.0;
    let mut right = left;
    if picture.pixel_metres.is_some() {
        let metres = columns as f64 * across;
        right = scale_bar(&mut drawing, (left, below), width / metres, metres) + 18.0;
    }
    if let Some(degrees) = picture.north {
        arrow(&mut drawing, (right + 6.0, below), degrees);
    }
    shares.legend(&mut drawing, area.bottom() + SCALE, picture);
    drawing.into_figure(caption, shares.csv(picture, caption))
}

/// What is written on a region, and where its middle is from the picture's upper left corner.
struct Code<'a> {
    text: &'a str,
    at: (f64, f64),
    lettering: Lettering,
}

/// The code of each region of the pixels that are drawn that has room for it, on a picture of this size.
fn codes_of_regions<'a>(
    picture: &MapPicture<'a>,
    drawn: ArrayView2<'_, u8>,
    (width, height): (f64, f64),
) -> Vec<Code<'a>> {
    let (across, down) = (width / drawn.ncols() as f64, height / drawn.nrows() as f64);
    let mut codes = Vec::new();
    for region in regions(drawn) {
        let room = region.side as f64 * across.min(down);
        if region.side < CODED.1 || room < CODED.0 {
            break;
        }
        let [row, column] = region.middle.map(|at| at as f64 + 0.5);
        let colour = Colour(picture.palette.colour(picture.classes, region.class)).text_on();
        let (code, lettering) = (picture.classes.code(region.class), Lettering::new(LABEL, colour));
        if lettering.width(code) <= region.side as f64 * across {
            codes.push(Code { text: code, at: (column * across, row * down), lettering });
        }
    }
    codes
}

/// A connected region of one class, and the largest square in it.
struct Region {
    class: usize,
    middle: [usize; 2],
    /// Pixels of the square's side.
    side: usize,
}

/// The regions of a map, those with the largest square first.
fn regions(map: ArrayView2<'_, u8>) -> Vec<Region> {
    let (rows, columns) = map.dim();
    // The side of the largest square of one class whose lower right pixel this is.
    let mut sides = Array2::<usize>::zeros((rows, columns));
    for row in 0..rows {
        for column in 0..columns {
            let side = |up: usize, left: usize| {
                let at = [row.checked_sub(up)?, column.checked_sub(left)?];
                (map[at] == map[[row, column]]).then(|| sides[at])
            };
            let [above, left, corner] = [side(1, 0), side(0, 1), side(1, 1)].map(Option::unwrap_or_default);
            sides[[row, column]] = 1 + above.min(left).min(corner);
        }
    }
    let mut known = Array2::from_elem((rows, columns), false);
    let mut found = Vec::new();
    for start in (0..rows).flat_map(|row| (0..columns).map(move |column| [row, column])) {
        let number = map[start];
        if number == 0 || known[start] {
            continue;
        }
        let (mut open, mut corner) = (vec![start], start);
        known[start] = true;
        while let Some([row, column]) = open.pop() {
            if sides[[row, column]] > sides[corner] {
                corner = [row, column];
            }
            let (above, left) = (row.wrapping_sub(1), column.wrapping_sub(1));
            for at in [[above, column], [row + 1, column], [row, left], [row, column + 1]] {
                if map.get(at) == Some(&number) && !known[at] {
                    known[at] = true;
                    open.push(at);
                }
            }
        }
        let side = sides[corner];
        let class = usize::from(number) - 1;
        found.push(Region { class, middle: corner.map(|at| at - side / 2), side });
    }
    found.sort_by_key(|region| std::cmp::Reverse(region.side));
    found
}

/// At most [`MOST_PIXELS`] of a picture's pixels across and down.
fn thinned<T>(rows: usize, columns: usize, pixel: impl Fn(usize, usize) -> T) -> Array2<T> {
    let step = rows.max(columns).div_ceil(MOST_PIXELS);
    let (high, wide) = (rows.div_ceil(step), columns.div_ceil(step));
    let middle = |k: usize, length: usize| (k * step + step / 2).min(length - 1);
    Array2::from_shape_fn((high, wide), |(row, column)| pixel(middle(row, rows), middle(column, columns)))
}

/// A bar of a round length, at most a third of the map; gives where it ends on the right, with its words.
pub(super) fn scale_bar(drawing: &mut Drawing, (x, y): (f64, f64), points_a_metre: f64, metres: f64) -> f64 {
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
    /// Whether the map has pixels without a class, and the reference.
    unknown: [bool; 2],
}

impl Shares {
    fn of(picture: &MapPicture<'_>) -> Result<Self> {
        let mut numbers = [[0; 2]; 256];
        let mut held = [[false; 256]; 2];
        let maps = [Some(picture.map), picture.truth];
        for (which, map) in maps.into_iter().enumerate() {
            let Some(map) = map else { continue };
            if map.dim() != picture.map.dim() {
                let problem = format!("{:?} pixels of the reference on {:?}", map.dim(), picture.map.dim());
                return Err(Error::input("map", problem, "resample the reference to the map's pixels"));
            }
            for (&number, &mapped) in map.iter().zip(&picture.map) {
                held[which][usize::from(number)] = true;
                numbers[usize::from(number)][which] += usize::from(mapped > 0);
            }
            if let Some(number) = (picture.classes.len() + 1..256).find(|&number| held[which][number]) {
                let problem = format!("class {number} of {}", picture.classes.len());
                let advice = "give the classes that the map was made with";
                return Err(Error::input(["map", "reference"][which], problem, advice));
            }
        }
        let counts = &numbers[1..=picture.classes.len().min(255)];
        let total = [0, 1].map(|which| counts.iter().map(|count| count[which]).sum());
        if total[0] == 0 {
            return Err(Error::input("map", "no pixel has a class", "give a map with one at least"));
        }
        let is_held = |class: usize| held.iter().any(|of| of[class + 1]);
        let present = counts.iter().copied().enumerate().filter(|&(class, _)| is_held(class)).collect();
        Ok(Self { present, total, unknown: held.map(|of| of[0]) })
    }

    /// On the map and, if there is one, in the reference.
    fn shares(&self, count: [usize; 2]) -> (f64, Option<f64>) {
        let share = |which: usize| count[which] as f64 / self.total[which] as f64;
        (share(0), (self.total[1] > 0).then(|| share(1)))
    }

    /// Column by column.
    fn legend(&self, drawing: &mut Drawing, top: f64, picture: &MapPicture<'_>) {
        let entries = self.entries(picture);
        let lines = entries.len().div_ceil(ACROSS);
        let column = (PAGE_WIDTH - 2.0 * MARGIN) / ACROSS as f64;
        for (k, (colour, words)) in entries.iter().enumerate() {
            let (x, y) = (MARGIN + (k / lines) as f64 * column, top + (k % lines) as f64 * LINE);
            legend_key(drawing, (x, y), *colour, words, column - 20.0);
        }
    }

    /// What the legend says.
    fn entries(&self, picture: &MapPicture<'_>) -> Vec<(Colour, String)> {
        let of_class = |&(class, count): &(usize, [usize; 2])| {
            let (share, reference) = self.shares(count);
            let reference =
                reference.map_or_else(String::new, |share| format!(" (reference {})", percent(share)));
            let words = format!("{}: {}{reference}", picture.classes.name(class), percent(share));
            (Colour(picture.palette.colour(picture.classes, class)), words)
        };
        let absent = match self.unknown {
            [_, true] => Some("no class, or no reference"),
            [true, false] => Some("no class"),
            [false, false] => None,
        };
        let absent = absent.map(|words| (ABSENT, words.to_owned()));
        self.present.iter().map(of_class).chain(absent).collect()
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
    fn the_largest_square_of_a_region_is_in_it() {
        // A square of class 1 of 3 by 3 pixels in a ring of class 0.
        let map = Array2::from_shape_fn((7, 9), |(row, column)| match (row, column) {
            (2..5, 3..6) => 2,
            (0, 8) => 0,
            _ => 1,
        });
        let found = regions(map.view());
        assert_eq!(found.len(), 2);
        let inner = found.iter().find(|region| region.class == 1).unwrap();
        assert_eq!((inner.middle, inner.side), ([3, 4], 3));
        // Right of it, three columns of class 0.
        assert!(found[0].side == 3 && usize::from(map[found[0].middle]) == found[0].class + 1);
    }

    #[test]
    fn a_scale_bar_has_a_round_length() {
        let lengths = [3.0, 9.9, 49.0, 5300.0, 999.0].map(|most| round_length(most) as u32);
        assert_eq!(lengths, [2, 5, 20, 5000, 500]);
    }
}
