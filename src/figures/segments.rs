//! Segmented patches: what the network saw, the truth, what it says, and how sure it is of it.

use ndarray::s;

use super::colours::{Colour, INK, PAPER, ramp};
use super::composites::Composed;
use super::drawing::{Area, Drawing, Picture};
use super::lettering::Lettering;
use super::parts::{Frame, LABEL, MARGIN, PAGE_WIDTH, colour_bar, legend_key, numbers};
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
/// Room for what is said of each patch, left of its pictures.
const NAMES: f64 = 34.0;
/// A line of the legend.
const LINE: f64 = 10.5;

/// Draws patches as a network saw them beside their true classes, its prediction and its confidence (the highest class
/// probability), a line a patch. White pixels of the truth have no class, and are not counted.
///
/// `p` has a row for each pixel of `patches`, patch by patch and line by line; `positions` say which patches are drawn.
///
/// The CSV has one line for each patch drawn and class: true pixels, predicted pixels and those that are both (all among
/// the pixels with a class), and the patch's overall accuracy and mean confidence over the same pixels.
///
/// # Errors
/// No position or more than 7, one that is not there, or masks and probabilities of other patches or classes.
pub fn segmentation(
    patches: &Patches,
    masks: &Masks,
    p: &Probabilities,
    positions: &[usize],
    caption: &Caption,
) -> Result<Figure> {
    let names: Vec<String> = positions.iter().map(|position| format!("patch {position}")).collect();
    draw((patches, masks, p), positions, &names, false, caption)
}

/// As [`segmentation`], of all patches under names of their own.
///
/// # Errors
/// As [`segmentation`].
pub(crate) fn segmentation_named(
    patches: &Patches,
    masks: &Masks,
    p: &Probabilities,
    names: &[String],
    caption: &Caption,
) -> Result<Figure> {
    let all: Vec<usize> = (0..patches.len()).collect();
    draw((patches, masks, p), &all, names, false, caption)
}

/// As [`segmentation`], of all patches under names of their own, each with a stretch of its own: dates of one place, of
/// which some are bright with clouds.
///
/// # Errors
/// As [`segmentation`]; another number of names than of patches.
pub fn segmentation_of_dates(
    patches: &Patches,
    masks: &Masks,
    p: &Probabilities,
    names: &[String],
    caption: &Caption,
) -> Result<Figure> {
    if names.len() != patches.len() {
        let problem = format!("{} names for {} patches", names.len(), patches.len());
        return Err(Error::input("figure of a segmentation", problem, "give one a patch"));
    }
    let all: Vec<usize> = (0..patches.len()).collect();
    draw((patches, masks, p), &all, names, true, caption)
}

fn draw(
    (patches, masks, p): (&Patches, &Masks, &Probabilities),
    positions: &[usize],
    names: &[String],
    each: bool,
    caption: &Caption,
) -> Result<Figure> {
    check(patches, masks, p, positions)?;
    let (size, classes) = (patches.imagery().patch_size, p.classes());
    let composed: Vec<Composed> = if each {
        positions.iter().map(|&k| Composed::as_seen(&patches.select(&[k])?)).collect::<Result<_>>()?
    } else {
        vec![Composed::as_seen(&patches.select(positions)?)?]
    };
    let stretched = if each {
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
    let beside = classes.len() as f64 * LINE + 120.0;
    let mut drawing = frame.around(HEADING + (lines * (SIDE + GAP) - GAP).max(beside) + 2.0);
    let (top, left) = (frame.above() + HEADING, MARGIN + NAMES);
    for (k, heading) in ["Input", "Truth", "Prediction", "Confidence"].into_iter().enumerate() {
        let x = left + k as f64 * (SIDE + GAP);
        drawing.text(heading, (x, top - 3.5), Lettering::new(LABEL, INK).bold());
    }
    let columns =
        ["patch", "class", "true_pixels", "predicted_pixels", "both", "accuracy", "mean_confidence"];
    let mut table = numbers(caption, &[], columns);
    for (line, &position) in positions.iter().enumerate() {
        let segmented = Segmented::of(masks, p, position);
        segmented.put_rows(&mut table, &names[line], classes);
        let input = if each { composed[line].picture(0) } else { composed[0].picture(line) };
        let [truth, prediction, confidence] = segmented.pictures(size, classes);
        let y = top + line as f64 * (SIDE + GAP);
        let lettering = Lettering::new(6.5, INK);
        let name = &names[line];
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
        |problem: String, advice: String| Err(Error::input("figure of a segmentation", problem, advice));
    if masks.view().dim() != (n, size, size) || p.len() != n * size * size {
        let problem = format!(
            "masks of {:?} and {} predicted pixels for {n} patches of {size} x {size}",
            masks.view().dim(),
            p.len()
        );
        return refuse(problem, "give those of the same patches".to_owned());
    }
    if masks.classes() != p.classes() {
        return refuse(
            format!("masks of the classes {}, predictions of {}", masks.classes(), p.classes()),
            "use one class list for both".to_owned(),
        );
    }
    if positions.is_empty() || positions.len() > MOST {
        return refuse(format!("{} patches to draw", positions.len()), format!("choose 1 to {MOST}"));
    }
    Ok(())
}

/// The pixels of a patch, line by line.
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
    colour_bar(drawing, x, bar, 84.0, "% of probability");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bands, Imagery};
    use ndarray::{Array2, Array3, Array4};

    /// Two patches of 2 × 2 pixels: three pixels of the second have a class, two of which are right.
    fn given() -> (Patches, Masks, Probabilities) {
        let classes = Classes::named(["forest", "river"]).unwrap();
        let imagery =
            Imagery { patch_size: 2, bands: Bands::named(["B4", "B3", "B2"]).unwrap(), ..Imagery::so2sat() };
        let images = Array4::from_shape_fn((2, 2, 2, 3), |(n, r, c, b)| (n + r + c + b) as f32 * 0.1);
        let mut masks = Array3::zeros((2, 2, 2));
        masks.slice_mut(s![1, .., ..]).assign(&ndarray::array![[0, 1], [1, Masks::IGNORED]]);
        let forest = [1.0, 1.0, 1.0, 1.0, 0.75, 0.25, 0.5, 0.875];
        let p = Array2::from_shape_fn((8, 2), |(n, k)| if k == 0 { forest[n] } else { 1.0 - forest[n] });
        (
            Patches::in_memory(imagery, classes.clone(), images).unwrap(),
            Masks::new(classes.clone(), masks).unwrap(),
            Probabilities::new(classes, p).unwrap(),
        )
    }

    #[test]
    fn the_csv_counts_the_pixels_that_have_a_class() {
        let (patches, masks, p) = given();
        let figure = segmentation(&patches, &masks, &p, &[1], &Caption::new("Cover", "made up")).unwrap();
        // Equal probabilities are the first class; mean confidence (0.75 + 0.75 + 0.5) / 3.
        let lines: Vec<&str> = figure.csv().lines().filter(|line| line.starts_with("patch 1")).collect();
        assert_eq!(
            lines,
            ["patch 1,forest,1,2,1,0.666667,0.666667", "patch 1,river,2,1,1,0.666667,0.666667"]
        );
        let names = ["May".to_owned(), "June".to_owned()];
        let figure =
            segmentation_of_dates(&patches, &masks, &p, &names, &Caption::new("Cover", "made up")).unwrap();
        assert!(figure.csv().contains("\nMay,forest,4,4,4,1.000000,1.000000\nJune,"), "{}", figure.csv());
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let (patches, masks, p) = given();
        let caption = Caption::new("", "");
        let one = masks.select(&[0]).unwrap();
        for refused in [
            segmentation(&patches, &one, &p, &[0], &caption),
            segmentation(&patches, &masks, &p, &[], &caption),
            segmentation(&patches, &masks, &p, &[2], &caption),
            segmentation_of_dates(&patches, &masks, &p, &[], &caption),
        ] {
            assert!(!refused.unwrap_err().to_string().contains('\n'));
        }
    }
}
