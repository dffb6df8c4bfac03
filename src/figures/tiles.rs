//! How a scene was cut: what the satellite saw, the classes of its pixels, and which tiles were left out why.

use std::fmt::Write as _;

use super::colours::{BLUE, Colour, FAINT_INK, INK, PAPER, VERMILION};
use super::composites::as_eyes_would_see;
use super::drawing::{Area, Picture};
use super::parts::{Frame, MARGIN, PAGE_WIDTH, framed_picture, grouped, legend_key, numbers};
use super::{Caption, Figure};
use crate::display::{cells, percent};
use crate::scene::{Fate, Overview, Tile};
use crate::{Classes, Error, Result};

/// Between the pictures.
const GAP: f64 = 8.0;
/// Pictures are at most so high, in points.
const HIGHEST: f64 = 300.0;
/// Room for a picture's heading.
const HEADING: f64 = 12.0;
/// A line of the legend.
const LINE: f64 = 10.0;
/// Entries of the legend side by side.
const ACROSS: usize = 3;
/// Dots across a picture of tiles, at least: as many as a third of a page has at 300 an inch.
const DOTS: usize = 700;

/// What a cut scene shows.
#[derive(Debug)]
pub struct TilesPicture<'a> {
    /// The scene and its classes in few pixels.
    pub overview: &'a Overview,
    /// What the classes are.
    pub classes: &'a Classes,
    /// All tiles.
    pub tiles: &'a [Tile],
    /// Rows and columns of a tile.
    pub patch_size: usize,
    /// Which scene classes count as cloud and how much of a tile they may hide, as text; empty without such a band.
    pub clouds: String,
}

/// Draws a scene in true colour, the classes of its pixels, and its tiles: those kept, and those left out with the
/// reason, each by a pattern and a colour of its own.
///
/// The CSV has one line per tile: the row and column of its upper left pixel, and its fate.
///
/// # Errors
/// No tile.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption, TilesPicture};
/// use lcz::scene::{Fate, Overview, Tile};
/// let classes = lcz::Classes::named(["water", "land"])?;
/// // Of a scene: `tiling.over(&scene)?.overview(None)?`, and the tiles of `tiling.cut(…)?`.
/// let overview = Overview { step: 1, colours: None, classes: Some(ndarray::Array2::from_elem((4, 8), Some(1))) };
/// let tiles = [Tile { corner: [0, 0], fate: Fate::Kept }, Tile { corner: [0, 4], fate: Fate::NoData }];
/// let picture =
///     TilesPicture { overview: &overview, classes: &classes, tiles: &tiles, patch_size: 4, clouds: String::new() };
/// let figure = figures::cut_scene(&picture, &Caption::new("Two tiles", "synthetic"))?;
/// assert!(figure.csv().ends_with("0,0,kept\n0,4,no data\n"));
/// # Ok(())
/// # }
/// ```
pub fn cut_scene(picture: &TilesPicture<'_>, caption: &Caption) -> Result<Figure> {
    let TilesPicture { overview, classes, tiles, .. } = picture;
    let size = overview.colours.as_ref().map(|colours| (colours.dim().0, colours.dim().1));
    let size = size.or_else(|| overview.classes.as_ref().map(ndarray::ArrayBase::dim));
    let (Some((rows, columns)), false) = (size, tiles.is_empty()) else {
        return Err(Error::input("figure of a cut scene", "no tile", "give the tiles of a scene"));
    };
    let seen = overview.colours.as_ref().and_then(as_eyes_would_see);
    let mut panels: Vec<(&str, Picture)> = Vec::new();
    let at = |colour: &dyn Fn(usize, usize) -> [u8; 3]| Picture {
        columns,
        rows,
        pixels: (0..rows * columns).map(|k| colour(k / columns, k % columns)).collect(),
    };
    if let Some((colours, _)) = &seen {
        panels.push(("Scene, true colour", at(&|row, column| colours[[row, column]].unwrap_or(PAPER.0))));
    }
    if let Some(mask) = &overview.classes {
        let colour = |class: Option<usize>| class.map_or(PAPER.0, |class| classes.colour(class));
        panels.push(("Mask", at(&|row, column| colour(mask[[row, column]]))));
    }
    let ground = |row: usize, column: usize| match &seen {
        Some((colours, _)) => colours[[row, column]].map_or([90; 3], faded),
        None => [225; 3],
    };
    panels.push(("Patches", marked(at(&ground), picture)));

    let count = panels.len() as f64;
    let widest = (PAGE_WIDTH - 2.0 * MARGIN - (count - 1.0) * GAP) / count;
    let width = widest.min(HIGHEST * columns as f64 / rows as f64);
    let height = width * rows as f64 / columns as f64;
    let fates: Vec<(Fate, usize)> = Fate::ALL
        .into_iter()
        .map(|fate| (fate, tiles.iter().filter(|tile| tile.fate == fate).count()))
        .filter(|&(fate, count)| count > 0 || fate == Fate::Kept)
        .collect();
    let shares = shares(picture);
    let lines = fates.len().div_ceil(ACROSS) + shares.len().div_ceil(ACROSS);

    let mut notes = format!("Patches of {0} × {0} pixels. ", picture.patch_size);
    if !picture.clouds.is_empty() {
        let _ = write!(notes, "{} ", picture.clouds);
    }
    if let Some((_, words)) = &seen {
        let _ = write!(notes, "Scene: {words}. ");
    }
    if overview.step > 1 {
        let _ = write!(notes, "Drawn: one pixel of {} across and down.", overview.step);
    }
    let frame = Frame::new(caption, notes.trim_end(), PAGE_WIDTH);
    let mut drawing = frame.around(HEADING + height + 8.0 + lines as f64 * LINE + 3.0);
    for (k, (heading, pixels)) in panels.into_iter().enumerate() {
        let x = MARGIN + k as f64 * (width + GAP);
        let area = Area { x, y: frame.above() + HEADING, width, height };
        framed_picture(&mut drawing, area, heading, pixels);
    }
    let top = frame.above() + HEADING + height + 8.0;
    let column = (PAGE_WIDTH - 2.0 * MARGIN) / ACROSS as f64;
    let place = |k: usize, first: usize| {
        (MARGIN + (k % ACROSS) as f64 * column, top + (first + k / ACROSS) as f64 * LINE)
    };
    for (k, (class, share)) in shares.iter().enumerate() {
        let words = format!("{}: {}", classes.name(*class), percent(*share));
        legend_key(&mut drawing, place(k, 0), Colour(classes.colour(*class)), &words, column - 20.0);
    }
    for (k, (fate, count)) in fates.iter().enumerate() {
        let patches = if *count == 1 { "patch" } else { "patches" };
        let words = format!("{}: {} {patches}", fate.words(), grouped(*count as u64));
        let (x, y) = place(k, shares.len().div_ceil(ACROSS));
        legend_key(&mut drawing, (x, y), PAPER, &words, column - 20.0);
        let key = Area { x, y, width: 11.0, height: 7.0 };
        drawing.picture(key, swatch(*fate, key));
    }

    let mut table = numbers(caption, &[], ["top", "left", "fate"]);
    for &Tile { corner: [row, column], fate } in *tiles {
        table.row(cells![row, column, fate.words()]);
    }
    drawing.into_figure(caption, table.csv())
}

/// Paler, so that marks stand out.
fn faded(colour: [u8; 3]) -> [u8; 3] {
    colour.map(|value| (f64::from(value) * 0.55 + 255.0 * 0.45) as u8)
}

/// Classes of the overview, with their shares of the pixels that have one.
fn shares(picture: &TilesPicture<'_>) -> Vec<(usize, f64)> {
    let mut counts = vec![0_usize; picture.classes.len()];
    for class in picture.overview.classes.iter().flatten().flatten() {
        if let Some(count) = counts.get_mut(*class) {
            *count += 1;
        }
    }
    let total = counts.iter().sum::<usize>().max(1) as f64;
    let share = |(class, count): (usize, usize)| (count > 0).then_some((class, count as f64 / total));
    counts.into_iter().enumerate().filter_map(share).collect()
}

/// What a dot of a tile's mark is painted with, `x` and `y` dots from its corner; `unit` is the width of a line.
fn mark(fate: Fate, (x, y): (usize, usize), (width, height): (usize, usize), unit: usize) -> Option<Colour> {
    let at_edge = |thick: usize| x < thick || y < thick || x >= width - thick || y >= height - thick;
    let dotted = |along: usize| (along / (2 * unit)).is_multiple_of(3);
    let hatched = |every: usize| (x + y) % (every * unit) < unit + unit / 2;
    match fate {
        Fate::Kept => at_edge(unit.div_ceil(2)).then_some(BLUE),
        Fate::Cloud => (hatched(5) || at_edge(unit)).then_some(VERMILION),
        Fate::NoData => {
            let crossed = (x * height).abs_diff(y * width) < unit * height
                || (x * height + y * width).abs_diff(width * height) < unit * height;
            (crossed || at_edge(unit)).then_some(INK)
        }
        Fate::Unlabelled => (dotted(x) && dotted(y) || at_edge(unit)).then_some(FAINT_INK),
    }
}

/// The picture enlarged, with each tile's mark upon it.
fn marked(ground: Picture, picture: &TilesPicture<'_>) -> Picture {
    let enlarged = DOTS.div_ceil(ground.columns).max(1);
    let (columns, rows) = (ground.columns * enlarged, ground.rows * enlarged);
    let dot = |row: usize, column: usize| ground.pixels[row / enlarged * ground.columns + column / enlarged];
    let mut pixels: Vec<[u8; 3]> = (0..rows * columns).map(|k| dot(k / columns, k % columns)).collect();
    let unit = (columns / 350).max(1);
    let dots = |pixel: usize| pixel * enlarged / picture.overview.step;
    // Kept tiles last: with a stride below their size they overlap others, and should stay whole.
    let (kept, dropped): (Vec<&Tile>, Vec<&Tile>) =
        picture.tiles.iter().partition(|tile| tile.fate == Fate::Kept);
    for tile in dropped.into_iter().chain(kept) {
        let [top, left] = tile.corner.map(dots);
        let [bottom, right] = tile.corner.map(|pixel| dots(pixel + picture.patch_size));
        let (bottom, right) = (bottom.min(rows), right.min(columns));
        let size = (right - left, bottom - top);
        for y in 0..size.1 {
            for x in 0..size.0 {
                if let Some(colour) = mark(tile.fate, (x, y), size, unit) {
                    pixels[(top + y) * columns + left + x] = colour.0;
                }
            }
        }
    }
    Picture { columns, rows, pixels }
}

/// The mark of a fate, for the legend.
fn swatch(fate: Fate, key: Area) -> Picture {
    let (columns, rows) = ((key.width * 8.0) as usize, (key.height * 8.0) as usize);
    let dot = |k: usize| {
        mark(fate, (k % columns, k / columns), (columns, rows), 4).map_or(faded([150; 3]), |colour| colour.0)
    };
    Picture { columns, rows, pixels: (0..columns * rows).map(dot).collect() }
}
