//! Sample patches as pictures: some, or a row of every class.

use super::colours::{Colour, FAINT_INK, INK};
use super::composites::{Composed, Composite};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{Frame, MARGIN, PAGE_WIDTH, capitalised, check_count, grouped, numbers};
use super::{Caption, Figure};
use crate::data::Patches;
use crate::display::{Cell, cells, metres};
use crate::{Classes, Labels, Result};

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
/// A pixel of a figure on a screen (150 an inch) in points; two by two of a PNG file's.
const SCREEN_PIXEL: f64 = 72.0 / 150.0;
/// Patches of a class side by side in a gallery, at most.
const MOST_EACH: usize = 6;

/// Draws patches of a set in true colour, each under the name and colour of its class.
///
/// `positions` are places in `patches`; they are drawn in their order, six a line. Red, green and blue
/// are B4, B3 and B2 where the set has them, else its first three bands (or the first, in grey), which
/// the title then states. One stretch serves all patches drawn: black is the 2nd percentile of each band, the
/// range from there to white the same for all three, so that colours and brightness compare between patches.
/// Pixels are enlarged without smoothing.
///
/// The CSV has one line per patch: its position, class and group (empty where there is none), and the
/// mean of each band drawn, before the stretch.
///
/// # Errors
/// No position or more than 120, a position that the set does not have, or pixels that cannot be read.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption};
/// use lcz::{Classes, Imagery, Labels, data::Patches};
/// let images = ndarray::Array4::from_shape_fn((3, 32, 32, 10), |(n, row, ..)| 0.1 * (n + row % 7) as f32);
/// let labels = Labels::new(Classes::lcz(), vec![0, 0, 16])?;
/// let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?.with_labels(&labels)?;
///
/// let figure = figures::sample_patches(&patches, &[2, 0], &Caption::new("Two patches", "synthetic"))?;
/// assert!(figure.csv().contains("\n2,G,,")); // position, class, no group
/// # Ok(())
/// # }
/// ```
pub fn sample_patches(patches: &Patches, positions: &[usize], caption: &Caption) -> Result<Figure> {
    let chosen = choose(patches, positions)?;
    let composed = Composed::as_seen(&chosen)?;
    Samples::of(&chosen, positions, composed)?.draw_in_lines(caption)
}

/// Draws patches of a set in the colours of a [`Composite`], otherwise as [`sample_patches`] does.
///
/// # Errors
/// As there, and bands that the composite needs and the set lacks.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # use lcz::figures::{self, Caption, Composite};
/// # use lcz::{Classes, Imagery, Labels, data::Patches};
/// # let images = ndarray::Array4::from_shape_fn((3, 32, 32, 10), |(n, row, ..)| 0.1 * (n + row % 7) as f32);
/// # let labels = Labels::new(Classes::lcz(), vec![0, 0, 16])?;
/// # let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?.with_labels(&labels)?;
///
/// // `patches` as in the example of `sample_patches`.
/// let caption = Caption::new("Plants are red", "synthetic");
/// let figure = figures::composite_patches(&patches, &[0, 2], Composite::NearInfrared, &caption)?;
/// assert!(figure.csv().contains("\nposition,class,group,mean_B8,mean_B4,mean_B3\n"));
/// # Ok(())
/// # }
/// ```
pub fn composite_patches(
    patches: &Patches,
    positions: &[usize],
    composite: Composite,
    caption: &Caption,
) -> Result<Figure> {
    let chosen = choose(patches, positions)?;
    let composed = Composed::of(&chosen, composite)?;
    Samples::of(&chosen, positions, composed)?.draw_in_lines(caption)
}

/// Draws every class with up to `each` patches in a row, in the colours of a [`Composite`].
///
/// The patches of a class are taken at even distances over the set, so that they come from different
/// cities in a file sorted by city. Otherwise as [`sample_patches`], the CSV too.
///
/// # Errors
/// As [`composite_patches`]; no labels; `each` of 0 or above 6.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # use lcz::figures::{self, Caption, Composite};
/// # use lcz::{Classes, Imagery, Labels, data::Patches};
/// # let images = ndarray::Array4::from_shape_fn((3, 32, 32, 10), |(n, row, ..)| 0.1 * (n + row % 7) as f32);
/// # let labels = Labels::new(Classes::lcz(), vec![0, 0, 16])?;
/// # let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?.with_labels(&labels)?;
///
/// // `patches` as in the example of `sample_patches`: two of class 1, one of class G.
/// let figure = figures::gallery(&patches, 1, Composite::TrueColour, &Caption::new("Classes", "synthetic"))?;
/// assert_eq!(figure.csv().lines().filter(|line| line.contains(",1,") || line.contains(",G,")).count(), 2);
/// # Ok(())
/// # }
/// ```
pub fn gallery(patches: &Patches, each: usize, composite: Composite, caption: &Caption) -> Result<Figure> {
    check_count("gallery", "patches per class", each, 1..=MOST_EACH)?;
    let labels = patches.labels()?;
    let positions: Vec<usize> =
        (0..labels.classes().len()).flat_map(|k| spread(labels.indices(), k, each)).collect();
    let chosen = choose(patches, &positions)?;
    let composed = Composed::of(&chosen, composite)?;
    Samples::of(&chosen, &positions, composed)?.draw_by_class(labels.classes(), each, caption)
}

/// Up to `each` of the positions where `indices` is `k`, at even distances.
fn spread(indices: &[usize], k: usize, each: usize) -> Vec<usize> {
    let all: Vec<usize> = (0..indices.len()).filter(|&n| indices[n] == k).collect();
    let each = each.min(all.len());
    (0..each).map(|n| all[(2 * n + 1) * all.len() / (2 * each)]).collect()
}

fn choose(patches: &Patches, positions: &[usize]) -> Result<Patches> {
    let figure = format!("figure of {}", patches.name());
    check_count(&figure, "patches to draw", positions.len(), 1..=MOST_PATCHES)?;
    patches.select(positions)
}

/// What the drawing and the CSV are made of.
struct Samples<'a> {
    positions: &'a [usize],
    labels: Option<Labels>,
    groups: Option<Vec<i32>>,
    composed: Composed,
    /// How the pixels became colours, and how large the patches are.
    notes: String,
}

impl<'a> Samples<'a> {
    fn of(chosen: &Patches, positions: &'a [usize], composed: Composed) -> Result<Self> {
        let labels = if chosen.has_labels() { Some(chosen.labels()?) } else { None };
        let imagery = chosen.imagery();
        let size = imagery.patch_size;
        let distance =
            imagery.ground_sampling_distance.map_or_else(String::new, |d| format!(" of {}", metres(d)));
        let shown = capitalised(&composed.words);
        let notes = format!("{shown}, {} {size} × {size} pixels{distance}.", composed.stretched);
        Ok(Self { positions, labels, groups: chosen.groups(), composed, notes })
    }

    /// Six patches per line, each under its class.
    fn draw_in_lines(&self, caption: &Caption) -> Result<Figure> {
        let mut caption = caption.clone();
        if !self.composed.as_asked {
            caption.title = format!("{}: {}", caption.title, self.composed.words);
        }
        let columns = self.positions.len().min(COLUMNS);
        let side = self.side((PAGE_WIDTH - 2.0 * MARGIN - (COLUMNS - 1) as f64 * GAP) / COLUMNS as f64);
        let width = 2.0 * MARGIN + columns as f64 * (side + GAP) - GAP;
        let headings: Vec<Vec<String>> =
            (0..self.positions.len()).map(|k| HEADING.wrap(&self.heading(k), side)).collect();
        let heading = headings.iter().map(Vec::len).max().unwrap_or(1) as f64 * 8.0;
        let line = heading + CLASS_BAR + 1.5 + side + GAP;
        let frame = Frame::new(&caption, &self.notes, width.max(LEAST_WIDTH));
        let mut drawing = frame.around(line * self.positions.len().div_ceil(columns) as f64 - GAP);
        for (k, words) in headings.iter().enumerate() {
            let x = whole(MARGIN + (k % columns) as f64 * (side + GAP));
            let y = whole(frame.above() + (k / columns) as f64 * line + heading + CLASS_BAR + 1.5);
            for (from_last, text) in words.iter().rev().enumerate() {
                let lettering = HEADING.fitting(text, side);
                let baseline = y - CLASS_BAR - 4.0 - from_last as f64 * 8.0;
                drawing.text(text, (x, baseline), lettering);
            }
            let bar = Area { x, y: y - CLASS_BAR - 1.5, width: side, height: CLASS_BAR };
            drawing.fill(bar, self.colour(k));
            drawing.picture(Area { x, y, width: side, height: side }, self.composed.picture(k));
        }
        drawing.into_figure(&caption, self.csv(&caption))
    }

    /// A row per class, in two columns of classes.
    fn draw_by_class(&self, classes: &Classes, each: usize, caption: &Caption) -> Result<Figure> {
        let (gap, name_width, between) = (2.88, 50.0, 10.0);
        let block = (PAGE_WIDTH - 2.0 * MARGIN - between) / 2.0;
        let side = self.side(((block - name_width + gap) / each as f64 - gap).min(60.0));
        let rows = classes.len().div_ceil(2);
        let frame = Frame::new(caption, &self.notes, PAGE_WIDTH);
        let mut drawing = frame.around(rows as f64 * (side + gap) - gap);
        for class in 0..classes.len() {
            let x = MARGIN + (class / rows) as f64 * (block + between);
            let y = whole(frame.above() + (class % rows) as f64 * (side + gap));
            let colour = Colour(classes.colour(class));
            drawing.fill(Area { x, y, width: CLASS_BAR, height: side }, colour);
            let words = HEADING.wrap(&classes.name(class), name_width - 7.0);
            let first = y + side / 2.0 - (words.len() - 1) as f64 * 4.0;
            for (line, text) in words.iter().enumerate() {
                let lettering = HEADING.fitting(text, name_width - 7.0);
                drawing.text_at(text, (x + CLASS_BAR + 3.0, first + line as f64 * 8.0), lettering);
            }
            let is_of_class =
                |k: &usize| self.labels.as_ref().is_some_and(|labels| labels.indices()[*k] == class);
            let of_class: Vec<usize> = (0..self.positions.len()).filter(is_of_class).collect();
            for (place, &k) in of_class.iter().enumerate() {
                let x = whole(x + name_width + place as f64 * (side + gap));
                drawing.picture(Area { x, y, width: side, height: side }, self.composed.picture(k));
            }
            if of_class.is_empty() {
                let middle = (x + name_width + 4.0, y + side / 2.0);
                drawing.text_at("no patch", middle, Lettering::new(6.5, FAINT_INK));
            }
        }
        drawing.into_figure(caption, self.csv(caption))
    }

    /// The largest side up to `most` at which a patch's pixels are whole pixels of a screen, so that no
    /// pixel is blended with its neighbour; `most` where the patch has too many for that.
    fn side(&self, most: f64) -> f64 {
        let one_to_one = self.composed.pixels.dim().1 as f64 * SCREEN_PIXEL;
        let factor = (most / one_to_one).floor();
        if factor >= 1.0 { factor * one_to_one } else { most }
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

    fn csv(&self, caption: &Caption) -> String {
        let means = self.composed.names.iter().map(|name| format!("mean_{name}"));
        let columns = ["position", "class", "group"].map(str::to_owned).into_iter().chain(means);
        let mut table = numbers(caption, &[&self.notes], columns);
        for (k, &position) in self.positions.iter().enumerate() {
            let class = self.labels.as_ref().map_or("", |labels| labels.classes().code(labels.indices()[k]));
            let group = self.groups.as_ref().map_or_else(String::new, |groups| groups[k].to_string());
            let means = self.composed.means(k).into_iter().map(Cell::from);
            table.row(cells![position, class, group].into_iter().chain(means));
        }
        table.csv()
    }
}

/// The next whole pixel of a screen.
fn whole(points: f64) -> f64 {
    (points / SCREEN_PIXEL).ceil() * SCREEN_PIXEL
}

/// What a patch is called.
const HEADING: Lettering = Lettering::new(6.5, INK);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gallery_takes_its_patches_from_all_over_the_set() {
        let indices: Vec<usize> = (0..40).map(|n| n % 4).collect();
        assert_eq!(spread(&indices, 1, 2), [9, 29]);
        assert_eq!(spread(&indices, 3, 1), [23]);
        assert_eq!(spread(&indices[..8], 0, 6), [0, 4], "there are only two");
        assert!(spread(&indices, 5, 3).is_empty());
    }
}
