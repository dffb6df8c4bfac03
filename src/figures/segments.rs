//! Segmented patches: image, reference, prediction and confidence.

use ndarray::s;

use super::colours::{Colour, INK, PAPER, ramp};
use super::composites::Composed;
use super::drawing::{Area, Drawing, Picture};
use super::lettering::Lettering;
use super::parts::{Frame, LABEL, MARGIN, PAGE_WIDTH, check_count, legend_key, numbers, percent_bar};
use super::{Caption, Figure};
use crate::data::{Masks, Patches};
use crate::display::{Cell, Table, cells};
use crate::labels::first_largest;
use crate::{Classes, Error, Probabilities, Result};

/// More patches than this do not fit on a page.
const MOST: usize = 7;
/// Side of a picture, in points.
const SIDE: f64 = 84.0;
/// Between pictures.
const GAP: f64 = 6.0;
/// Room for the columns' headings.
const HEADING: f64 = 11.0;
/// Width of the text on each patch, left of its pictures.
const NAMES: f64 = 34.0;
/// A line of the legend.
const LINE: f64 = 10.5;

/// Draws patches as a network saw them next to their true classes, its prediction and its confidence (the highest class
/// probability), a line per patch. White pixels of the truth have no class, and are not counted.
///
/// `p` has a row for each pixel of `patches`, patch by patch and row by row; `positions` are the patches to draw.
///
/// The CSV has one line for each patch drawn and class: true pixels, predicted pixels and those that are both (all among
/// the pixels with a class), and the patch's overall accuracy and mean confidence over the same pixels.
///
/// # Errors
/// No position or more than 7, one that is not there, or masks and probabilities of other patches or classes.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption};
/// use lcz::{Classes, Imagery, Probabilities, data::{Masks, Patches}};
/// let classes = Classes::named(["water", "land"])?;
/// let images = ndarray::Array4::from_shape_fn((1, 2, 2, 3), |(_, row, column, _)| (row + column) as f32);
/// let patches = Patches::in_memory(Imagery::new(2, ["B4", "B3", "B2"])?, classes.clone(), images)?;
/// let masks = Masks::new(classes.clone(), ndarray::array![[[0, 1], [1, Masks::IGNORED]]])?;
/// let p = ndarray::array![[0.9, 0.1], [0.2, 0.8], [0.7, 0.3], [0.5, 0.5]]; // a row per pixel
/// let p = Probabilities::new(classes, p)?;
/// let figure = figures::segmentation(&patches, &masks, &p, &[0], &Caption::new("A patch", "synthetic"))?;
/// assert!(figure.csv().contains("land,2,1,1,")); // true, predicted, both
/// # Ok(())
/// # }
/// ```
pub fn segmentation(
    patches: &Patches,
    masks: &Masks,
    p: &Probabilities,
    positions: &[usize],
    caption: &Caption,
) -> Result<Figure> {
    let shown: Vec<_> = positions.iter().map(|&position| (position, format!("patch {position}"))).collect();
    segmentation_named((patches, masks, p), &shown, false, caption)
}

/// As [`segmentation`], under names of their own; with a stretch of its own for each patch (`apart`) where some are
/// bright with clouds.
pub(crate) fn segmentation_named(
    (patches, masks, p): (&Patches, &Masks, &Probabilities),
    shown: &[(usize, String)],
    apart: bool,
    caption: &Caption,
) -> Result<Figure> {
    let positions: Vec<usize> = shown.iter().map(|(position, _)| *position).collect();
    check(patches, masks, p, &positions)?;
    let (size, classes) = (patches.imagery().patch_size, p.classes());
    let composed: Vec<Composed> = if apart {
        positions.iter().map(|&k| Composed::as_seen(&patches.select(&[k])?)).collect::<Result<_>>()?
    } else {
        vec![Composed::as_seen(&patches.select(&positions)?)?]
    };
    let stretched = if apart {
        "each with a stretch of its own, from the 2nd percentile of each band, the same range for all three."
    } else {
        &composed[0].stretched
    };
    let notes = format!(
        "Input: {}, {} {size} × {size} pixels. Accuracy: share of the pixels with a class that are right. White in \
         the truth: no class.",
        composed[0].words, stretched
    );
    let lines = positions.len() as f64;
    let frame = Frame::new(caption, &notes, PAGE_WIDTH);
    let legend_height = classes.len() as f64 * LINE + 120.0;
    let mut drawing = frame.around(HEADING + (lines * (SIDE + GAP) - GAP).max(legend_height) + 2.0);
    let (top, left) = (frame.above() + HEADING, MARGIN + NAMES);
    for (k, heading) in ["Input", "Truth", "Prediction", "Confidence"].into_iter().enumerate() {
        let x = left + k as f64 * (SIDE + GAP);
        drawing.text(heading, (x, top - 3.5), Lettering::new(LABEL, INK).bold());
    }
    let columns =
        ["patch", "class", "true_pixels", "predicted_pixels", "both", "accuracy", "mean_confidence"];
    let mut table = numbers(caption, &[], columns);
    for (line, (position, name)) in shown.iter().enumerate() {
        let segmented = Segmented::of(masks, p, *position);
        segmented.put_rows(&mut table, name, classes);
        let input = if apart { composed[line].picture(0) } else { composed[0].picture(line) };
        let [truth, prediction, confidence] = segmented.pictures(size, classes);
        let y = top + line as f64 * (SIDE + GAP);
        let lettering = Lettering::new(6.5, INK);
        drawing.text(name, (MARGIN, y + 8.0), lettering.bold().fitting(name, NAMES - 3.0));
        if segmented.truth.iter().any(Option::is_some) {
            drawing.text("accuracy", (MARGIN, y + 18.0), lettering);
            drawing.text(&format!("{:.3}", segmented.accuracy()), (MARGIN, y + 26.0), lettering);
        }
        for (k, picture) in [input, truth, prediction, confidence].into_iter().enumerate() {
            let area = Area { x: left + k as f64 * (SIDE + GAP), y, width: SIDE, height: SIDE };
            let around = Area { x: area.x - 0.3, y: area.y - 0.3, width: SIDE + 0.6, height: SIDE + 0.6 };
            drawing.outline(around, 0.6, INK);
            drawing.picture(area, picture);
        }
    }
    legend(&mut drawing, (left + 4.0 * (SIDE + GAP) + 4.0, top), classes);
    drawing.into_figure(caption, table.csv())
}

/// Refuses masks and probabilities of other patches or classes, and positions that cannot be drawn.
fn check(patches: &Patches, masks: &Masks, p: &Probabilities, positions: &[usize]) -> Result<()> {
    let (n, size) = (patches.len(), patches.imagery().patch_size);
    let refuse =
        |problem: String, advice: &str| Err(Error::input("figure of a segmentation", problem, advice));
    if masks.view().dim() != (n, size, size) || p.len() != n * size * size {
        let problem = format!(
            "masks of {:?} and {} predicted pixels for {n} patches of {size} x {size}",
            masks.view().dim(),
            p.len()
        );
        return refuse(problem, "give those of the same patches");
    }
    if masks.classes() != p.classes() {
        return refuse(
            format!("masks of the classes {}, predictions of {}", masks.classes(), p.classes()),
            "use one class list for both",
        );
    }
    check_count("figure of a segmentation", "patches", positions.len(), 1..=MOST)
}

/// The pixels of a patch, row by row.
struct Segmented {
    truth: Vec<Option<usize>>,
    predicted: Vec<usize>,
    confidence: Vec<f64>,
}

impl Segmented {
    fn of(masks: &Masks, p: &Probabilities, position: usize) -> Self {
        let truth = masks.view().slice_move(s![position, .., ..]);
        let pixels = truth.len();
        let rows = p.view().slice_move(s![position * pixels..(position + 1) * pixels, ..]);
        let class = |&class: &u8| (class != Masks::IGNORED).then_some(usize::from(class));
        let predicted: Vec<usize> = rows.outer_iter().map(|row| first_largest(row)).collect();
        let confidence = rows.outer_iter().zip(&predicted).map(|(row, &k)| row[k]).collect();
        Self { truth: truth.iter().map(class).collect(), predicted, confidence }
    }

    /// The mean of something over the pixels with a class.
    fn mean(&self, value: impl Fn(usize) -> f64) -> f64 {
        let known: Vec<usize> = (0..self.truth.len()).filter(|&k| self.truth[k].is_some()).collect();
        known.iter().map(|&k| value(k)).sum::<f64>() / known.len().max(1) as f64
    }

    fn accuracy(&self) -> f64 {
        self.mean(|k| f64::from(u8::from(self.truth[k] == Some(self.predicted[k]))))
    }

    /// One line for each class that the truth or the prediction holds.
    fn put_rows(&self, table: &mut Table, name: &str, classes: &Classes) {
        let (accuracy, sure) = (self.accuracy(), self.mean(|k| self.confidence[k]));
        for class in 0..classes.len() {
            let known = || self.truth.iter().zip(&self.predicted).filter(|(truth, _)| truth.is_some());
            let is = known().filter(|(truth, _)| **truth == Some(class)).count();
            let says = known().filter(|(_, says)| **says == class).count();
            let both = known().filter(|(truth, says)| **truth == Some(class) && **says == class).count();
            if is + says > 0 {
                let means = [accuracy, sure].map(|mean| Cell::from(format!("{mean:.6}")));
                table.row(cells![name, classes.code(class), is, says, both].into_iter().chain(means));
            }
        }
    }

    /// Truth, prediction and confidence.
    fn pictures(&self, size: usize, classes: &Classes) -> [Picture; 3] {
        let of = |colour: &dyn Fn(usize) -> [u8; 3]| Picture {
            columns: size,
            rows: size,
            pixels: (0..size * size).map(colour).collect(),
        };
        [
            of(&|k| self.truth[k].map_or(PAPER.0, |class| classes.colour(class))),
            of(&|k| classes.colour(self.predicted[k])),
            of(&|k| ramp(self.confidence[k]).0),
        ]
    }
}

/// The classes' colours, and those of confidence.
fn legend(drawing: &mut Drawing, (x, top): (f64, f64), classes: &Classes) {
    let lettering = Lettering::new(LABEL, INK);
    drawing.text("Classes", (x, top - 3.5), lettering.bold());
    for class in 0..classes.len() {
        let at = (x, top + class as f64 * LINE);
        let room = PAGE_WIDTH - MARGIN - x - 15.0;
        legend_key(drawing, at, Colour(classes.colour(class)), &classes.name(class), room);
    }
    let bar = top + classes.len() as f64 * LINE + 24.0;
    drawing.text("Confidence", (x, bar - 7.0), lettering.bold());
    percent_bar(drawing, (x, bar), 84.0, "% of probability");
}
