//! Sample patches in true colour.

use ndarray::{Array4, Axis, s};

use super::colours::{Colour, FAINT_INK, INK};
use super::drawing::{Area, Picture};
use super::lettering::Lettering;
use super::parts::{Frame, MARGIN, PAGE_WIDTH, csv_field, csv_head, grouped};
use super::{Caption, Figure};
use crate::data::Patches;
use crate::{Bands, Error, Labels, Result};

/// More patches than this do not fit on a page.
const MOST_PATCHES: usize = 120;
/// Patches side by side.
const COLUMNS: usize = 6;
/// Space between patches, in points.
const GAP: f64 = 7.0;
/// Narrower than this, the figure has no room for its title.
const LEAST_WIDTH: f64 = 250.0;
/// Height of a class's colour bar above its patch.
const CLASS_BAR: f64 = 2.5;
/// The share of pixels that the stretch lets run into black, and as many into white.
const CLIPPED: f64 = 0.02;

/// Draws patches of a set as the eye would see them, each under the name and colour of its class.
///
/// `positions` are places in `patches`; they are drawn in their order, six a line. Red, green and blue
/// are B4, B3 and B2 where the set has them, else its first three bands (or the first, in grey), which
/// the title then says. One stretch serves all three bands and all patches, linear from the 2nd to the
/// 98th percentile of the pixels drawn, so that colours and brightness compare between patches.
/// Pixels are enlarged without smoothing.
///
/// The CSV has one line a patch: its position, class and group (empty where there is none), and the
/// mean of each band drawn, before the stretch.
///
/// # Errors
/// No position or more than 120, a position that the set does not have, or pixels that cannot be read.
pub fn sample_patches(patches: &Patches, positions: &[usize], caption: &Caption) -> Result<Figure> {
    if positions.is_empty() || positions.len() > MOST_PATCHES {
        let problem = format!("{} patches to draw", positions.len());
        let place = format!("figure of {}", patches.name());
        return Err(Error::input(place, problem, format!("choose 1 to {MOST_PATCHES}")));
    }
    let chosen = patches.select(positions)?;
    let labels = if chosen.has_labels() { Some(chosen.labels()?) } else { None };
    let bands = &patches.imagery().bands;
    let shown = Shown::of(bands);
    let pixels = chosen.images(0..chosen.len())?.select(Axis(3), &shown.channels); // (n, S, S, 3 or 1)
    let stretch = Stretch::over(&pixels);
    let samples = Samples { positions, labels, groups: chosen.groups(), pixels, stretch };

    let notes = notes(patches, &shown.in_words(bands), stretch);
    let mut caption = caption.clone();
    if !shown.true_colour {
        caption.title = format!("{}: {}", caption.title, shown.in_words(bands));
    }
    samples.draw(&caption, &notes, samples.csv(&caption, &notes, &shown.names(bands)))
}

/// What the drawing and the CSV are made of.
struct Samples<'a> {
    positions: &'a [usize],
    labels: Option<Labels>,
    groups: Option<Vec<i32>>,
    /// The bands drawn. Shape: (n, S, S, 3), or (n, S, S, 1) in grey.
    pixels: Array4<f32>,
    stretch: Stretch,
}

impl Samples<'_> {
    fn draw(&self, caption: &Caption, notes: &str, csv: String) -> Result<Figure> {
        let columns = self.positions.len().min(COLUMNS);
        let side = (PAGE_WIDTH - 2.0 * MARGIN - (COLUMNS - 1) as f64 * GAP) / COLUMNS as f64;
        let width = 2.0 * MARGIN + columns as f64 * (side + GAP) - GAP;
        let headings: Vec<Vec<String>> =
            (0..self.positions.len()).map(|k| HEADING.wrap(&self.heading(k), side)).collect();
        let heading = headings.iter().map(Vec::len).max().unwrap_or(1) as f64 * 8.0;
        let line = heading + CLASS_BAR + 1.5 + side + GAP;
        let frame = Frame::new(caption, notes, width.max(LEAST_WIDTH));
        let mut drawing = frame.around(line * self.positions.len().div_ceil(columns) as f64 - GAP);
        for (k, words) in headings.iter().enumerate() {
            let x = MARGIN + (k % columns) as f64 * (side + GAP);
            let y = frame.above() + (k / columns) as f64 * line + heading;
            for (from_last, text) in words.iter().rev().enumerate() {
                let lettering = HEADING.fitting(text, side);
                drawing.text(text, (x, y - 2.5 - from_last as f64 * 8.0), lettering);
            }
            drawing.fill(Area { x, y, width: side, height: CLASS_BAR }, self.colour(k));
            let area = Area { x, y: y + CLASS_BAR + 1.5, width: side, height: side };
            drawing.picture(area, self.picture(k));
        }
        drawing.into_figure(caption, csv)
    }

    fn heading(&self, k: usize) -> String {
        match &self.labels {
            Some(labels) => labels.classes().name(labels.indices()[k]),
            None => format!("patch {}", grouped(self.positions[k] as u64)),
        }
    }

    fn colour(&self, k: usize) -> Colour {
        self.labels.as_ref().map_or(FAINT_INK, |labels| Colour(labels.classes().colour(labels.indices()[k])))
    }

    /// Patch `k`, stretched; one band gives red, green and blue alike.
    fn picture(&self, k: usize) -> Picture {
        let (_, rows, columns, bands) = self.pixels.dim();
        let mut pixels = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for column in 0..columns {
                let shade = |band: usize| self.stretch.shade(self.pixels[[k, row, column, band % bands]]);
                pixels.push([shade(0), shade(1), shade(2)]);
            }
        }
        Picture { columns, rows, pixels }
    }

    fn csv(&self, caption: &Caption, notes: &str, bands: &[&str]) -> String {
        let mut columns = vec!["position".to_owned(), "class".to_owned(), "group".to_owned()];
        columns.extend(bands.iter().map(|band| format!("mean_{band}")));
        let mut csv = csv_head(caption, &[notes], &columns);
        for (k, position) in self.positions.iter().enumerate() {
            let mut fields = vec![position.to_string(), String::new(), String::new()];
            if let Some(labels) = &self.labels {
                fields[1] = csv_field(labels.classes().code(labels.indices()[k]));
            }
            if let Some(groups) = &self.groups {
                fields[2] = groups[k].to_string();
            }
            for band in 0..bands.len() {
                let values = self.pixels.slice(s![k, .., .., band]);
                let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
                fields.push((sum / values.len() as f64).to_string());
            }
            csv.push_str(&fields.join(","));
            csv.push('\n');
        }
        csv
    }
}

/// What a patch is called.
const HEADING: Lettering = Lettering::new(6.5, INK);

/// The channels drawn, and whether they are the true colours.
struct Shown {
    channels: Vec<usize>,
    true_colour: bool,
}

impl Shown {
    fn of(bands: &Bands) -> Self {
        match bands.true_colour() {
            Some(channels) => Self { channels: channels.to_vec(), true_colour: true },
            None if bands.len() >= 3 => Self { channels: vec![0, 1, 2], true_colour: false },
            None => Self { channels: vec![0], true_colour: false },
        }
    }

    fn names<'a>(&self, bands: &'a Bands) -> Vec<&'a str> {
        self.channels.iter().map(|&channel| bands.names()[channel].as_str()).collect()
    }

    fn in_words(&self, bands: &Bands) -> String {
        let names = self.names(bands).join(", ");
        match (self.true_colour, self.channels.len()) {
            (true, _) => format!("true colour ({names})"),
            (false, 3) => format!("false colour ({names} as red, green, blue)"),
            _ => format!("{names} in grey"),
        }
    }
}

/// The value that becomes black and the one that becomes white.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    black: f32,
    white: f32,
}

impl Stretch {
    /// The 2nd and the 98th percentile of all values, the nearest value below each.
    fn over(pixels: &Array4<f32>) -> Self {
        let mut values: Vec<f32> = pixels.iter().copied().collect();
        let last = values.len() - 1;
        let clipped = (CLIPPED * last as f64) as usize;
        let (_, black, _) = values.select_nth_unstable_by(clipped, f32::total_cmp);
        let black = *black;
        let (_, white, _) = values.select_nth_unstable_by(last - clipped, f32::total_cmp);
        Self { black, white: *white }
    }

    /// 0 for black to 255 for white; a set of one value only is drawn in medium grey.
    fn shade(self, value: f32) -> u8 {
        let range = self.white - self.black;
        let share = if range > 0.0 { (value - self.black) / range } else { 0.5 };
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    }
}

/// How the pixels became colours, and how large the patches are.
fn notes(patches: &Patches, shown: &str, Stretch { black, white }: Stretch) -> String {
    let imagery = patches.imagery();
    let size = imagery.patch_size;
    let distance = imagery.ground_sampling_distance.map_or_else(String::new, |d| format!(" of {d} m"));
    let shown = {
        let mut letters = shown.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    format!(
        "{shown}, one linear stretch for all bands and patches: black {black:.3}, white {white:.3} \
         ({}), the 2nd and 98th percentiles. {size} × {size} pixels{distance}.",
        imagery.unit
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stretch_clips_two_percent_at_either_end() {
        let pixels = Array4::from_shape_fn((1, 1, 101, 1), |(_, _, column, _)| 100.0 - column as f32);
        assert_eq!(Stretch::over(&pixels), Stretch { black: 2.0, white: 98.0 });
    }

    #[test]
    fn black_and_white_are_the_ends_of_the_stretch() {
        let stretch = Stretch { black: 0.25, white: 0.75 };
        assert_eq!([0.0, 0.25, 0.5, 0.75, 9.0].map(|value| stretch.shade(value)), [0, 0, 128, 255, 255]);
        assert_eq!(Stretch { black: 0.2, white: 0.2 }.shade(0.2), 128);
    }

    #[test]
    fn bands_without_the_visible_three_are_named_for_what_they_are() {
        let radar = Bands::sentinel1();
        assert_eq!(
            Shown::of(&radar).in_words(&radar),
            "false colour (VH re, VH im, VV re as red, green, blue)"
        );
        let two = Bands::named(["B8", "B11"]).unwrap();
        assert_eq!(Shown::of(&two).in_words(&two), "B8 in grey");
        let all = Bands::sentinel2();
        assert_eq!(Shown::of(&all).in_words(&all), "true colour (B4, B3, B2)");
    }
}
