//! Learning curves: losses and accuracy, epoch by epoch.

use serde::{Deserialize, Serialize};

use super::axis::Axis;
use super::colours::{BLUE, FAINT_INK, ORANGE};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{Frame, LABEL, MARGIN, Marker, PAGE_WIDTH, legend, numbers, plot_frame, range};
use super::{Caption, Figure};
use crate::display::cells;
use crate::{Error, History, Result};

/// What the loss is drawn on a logarithmic axis from: the largest over the smallest.
const LOGARITHMIC_FROM: f64 = 20.0;

/// Values from here on, like those that are not finite, leave a gap: no axis could show the others.
const ENDLESS: f64 = 1e30;

const TRAINING: Marker = Marker::Round(BLUE);
const VALIDATION: Marker = Marker::Square(ORANGE);
const BEST: Marker = Marker::Dashed(FAINT_INK);

/// The history of a training: one entry per epoch in each list.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Curves {
    /// Numbers of the epochs, rising.
    pub epochs: Vec<usize>,
    /// Mean loss over the training set.
    pub training_loss: Vec<f64>,
    /// Mean loss over the validation set; none where it was not measured.
    pub validation_loss: Vec<Option<f64>>,
    /// Overall accuracy on the validation set, 0–1; none where it was not measured.
    pub validation_accuracy: Vec<Option<f64>>,
    /// The epoch whose weights were kept.
    pub best_epoch: Option<usize>,
}

impl History {
    /// Seconds of all epochs together.
    pub fn seconds(&self) -> f64 {
        self.epochs.iter().map(|record| record.seconds).sum()
    }

    /// As [`learning_curves`] takes it.
    pub fn curves(&self) -> Curves {
        let records = || self.epochs.iter();
        Curves {
            epochs: records().map(|record| record.epoch).collect(),
            training_loss: records().map(|record| record.training_loss).collect(),
            validation_loss: records().map(|record| record.validation_loss).collect(),
            validation_accuracy: records().map(|record| record.validation_accuracy).collect(),
            best_epoch: Some(self.best_epoch),
        }
    }
}

impl Curves {
    fn check(&self) -> Result<()> {
        let epochs = self.epochs.len();
        let fail = |problem: String, advice: &str| Err(Error::input("learning curves", problem, advice));
        if epochs == 0 {
            return fail("no epoch".to_owned(), "train for one epoch or more");
        }
        for (name, length) in [
            ("training losses", self.training_loss.len()),
            ("validation losses", self.validation_loss.len()),
            ("validation accuracies", self.validation_accuracy.len()),
        ] {
            if length != epochs {
                return fail(format!("{length} {name} for {epochs} epochs"), "give one entry per epoch");
            }
        }
        if let Some(k) = (1..epochs).find(|&k| self.epochs[k] <= self.epochs[k - 1]) {
            let problem = format!("epoch {} follows epoch {}", self.epochs[k], self.epochs[k - 1]);
            return fail(problem, "give the epochs in rising order");
        }
        match self.best_epoch {
            Some(best) if !self.epochs.contains(&best) => {
                fail(format!("the best epoch, {best}, is not among the epochs"), "name one of them")
            }
            _ => Ok(()),
        }
    }
}

/// One series: its mark, its values per epoch, and what the legend calls it.
struct Series {
    marker: Marker,
    name: &'static str,
    values: Vec<Option<f64>>,
}

/// Draws the training and validation losses and the validation accuracy over the epochs, in two
/// panels; a dashed line marks the epoch whose weights were kept.
///
/// The loss axis is logarithmic where the largest loss is 20 times the smallest or more. Values that
/// are not finite, or beyond 10³⁰, leave a gap.
///
/// The CSV has one line per epoch: `epoch,training_loss,validation_loss,validation_accuracy`, a field
/// being empty where nothing was measured.
///
/// # Errors
/// No epoch, lists of unequal length, epochs that do not rise, or a best epoch that is not among them.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::figures::{self, Caption, Curves};
/// let curves = Curves { // of a training: `history.curves()`
///     epochs: vec![1, 2],
///     training_loss: vec![1.25, 0.75],
///     validation_loss: vec![Some(1.5), None],
///     validation_accuracy: vec![Some(0.5), None],
///     best_epoch: Some(1),
/// };
/// let figure = figures::learning_curves(&curves, &Caption::new("Sen2LCZ", "synthetic"))?;
/// assert!(figure.csv().ends_with("1,1.25,1.5,0.5\n2,0.75,,\n"));
/// # Ok(())
/// # }
/// ```
pub fn learning_curves(curves: &Curves, caption: &Caption) -> Result<Figure> {
    curves.check()?;
    let training: Vec<_> = curves.training_loss.iter().copied().map(Some).collect();
    let losses = [
        Series { marker: TRAINING, name: "training", values: training },
        Series { marker: VALIDATION, name: "validation", values: curves.validation_loss.clone() },
    ];
    let accuracies =
        [Series { marker: VALIDATION, name: "validation", values: curves.validation_accuracy.clone() }];

    let (gap, panel_height, legend_height) = (46.0, 150.0, 14.0);
    let left = MARGIN + 34.0;
    let panel_width = (PAGE_WIDTH - left - gap - MARGIN - 4.0) / 2.0;
    let frame = Frame::new(caption, "", PAGE_WIDTH);
    let mut drawing = frame.around(legend_height + panel_height + 24.0);
    let y = frame.above() + legend_height;
    let loss_area = Area { x: left, y, width: panel_width, height: panel_height };
    let accuracy_area = Area { x: loss_area.right() + gap, ..loss_area };

    let finite: Vec<f64> =
        losses.iter().flat_map(|s| s.values.iter().flatten()).copied().filter(|v| drawable(*v)).collect();
    let loss_axis = loss_axis(&finite);
    let loss_title = if loss_axis.is_logarithmic() { "Loss (logarithmic)" } else { "Loss" };
    draw_panel(&mut drawing, loss_area, curves, &losses, &loss_axis, loss_title);
    let measured: Vec<f64> =
        curves.validation_accuracy.iter().flatten().copied().filter(|v| drawable(*v)).collect();
    draw_panel(
        &mut drawing,
        accuracy_area,
        curves,
        &accuracies,
        &accuracy_axis(&measured),
        "Overall accuracy",
    );
    drawing.into_figure(caption, csv(curves, caption))
}

fn loss_axis(values: &[f64]) -> Axis {
    let (low, high) = range(values.iter().copied()).unwrap_or((0.0, 1.0));
    if low > 0.0 && high / low >= LOGARITHMIC_FROM {
        Axis::logarithmic(low, high)
    } else {
        // Zero is the lower limit of a loss; it is shown unless all losses are far from it.
        Axis::linear(if low > 0.0 && low < 0.5 * high { 0.0 } else { low }, high)
    }
}

fn accuracy_axis(values: &[f64]) -> Axis {
    let (low, high) = range(values.iter().copied()).unwrap_or((0.0, 1.0));
    // At least a tenth, so that noise of a thousandth does not look like learning.
    let middle = f64::midpoint(low, high).clamp(0.05, 0.95);
    Axis::linear(low.min(middle - 0.05), high.max(middle + 0.05))
}

/// Neither NaN nor so large that it hides all else.
fn drawable(value: f64) -> bool {
    value.abs() < ENDLESS
}

fn draw_panel(drawing: &mut Drawing, area: Area, curves: &Curves, series: &[Series], up: &Axis, title: &str) {
    let (first, last) = (curves.epochs[0], curves.epochs[curves.epochs.len() - 1]);
    let across = Axis::counts(first, last);
    plot_frame(drawing, area, &across, up, ["Epoch", title]);
    let x = |epoch: usize| area.x + across.position(epoch as f64) * area.width;
    let given = || series.iter().flat_map(|s| s.values.iter().flatten());
    if !given().any(|v| drawable(*v)) {
        let reason = if given().next().is_some() { "no finite value" } else { "not measured" };
        drawing.text_at(reason, area.middle(), Lettering::new(LABEL, FAINT_INK).centred());
        return;
    }
    if let Some(best) = curves.best_epoch {
        drawing.dashes((x(best), area.bottom()), (x(best), area.y), 0.7, FAINT_INK);
    }
    let mut entries = Vec::new();
    // Marks stay apart: at most 25 a curve.
    let every = curves.epochs.len().div_ceil(25);
    for Series { marker, name, values } in series {
        let points: Vec<Option<(f64, f64)>> = curves
            .epochs
            .iter()
            .zip(values)
            .map(|(&epoch, value)| {
                let value = value.filter(|v| drawable(*v))?;
                Some((x(epoch), area.bottom() - up.position(value) * area.height))
            })
            .collect();
        if points.iter().all(Option::is_none) {
            continue;
        }
        entries.push((*marker, (*name).to_owned()));
        for run in points.split(Option::is_none).filter(|run| run.len() > 1) {
            drawing.path(run.iter().flatten().copied().collect(), 1.1, marker.colour());
        }
        for (k, point) in points.iter().enumerate() {
            // A point between two gaps has no line: without a mark it would be lost.
            let alone = (k == 0 || points[k - 1].is_none()) && points.get(k + 1).is_none_or(Option::is_none);
            let best = curves.best_epoch == Some(curves.epochs[k]);
            if let Some(point) = point
                && (k % every == 0 || alone || best)
            {
                marker.draw(drawing, *point, if best { 2.8 } else { 1.8 });
            }
        }
    }
    if let Some(best) = curves.best_epoch {
        entries.push((BEST, format!("epoch kept ({best})")));
    }
    legend(drawing, (area.x, area.y - 9.0), &entries);
}

fn csv(curves: &Curves, caption: &Caption) -> String {
    let best = curves.best_epoch.map(|best| format!("best epoch: {best}"));
    let notes: Vec<&str> = best.iter().map(String::as_str).collect();
    let columns = ["epoch", "training_loss", "validation_loss", "validation_accuracy"];
    let mut table = numbers(caption, &notes, columns);
    for (k, &epoch) in curves.epochs.iter().enumerate() {
        let Curves { training_loss, validation_loss, validation_accuracy, .. } = curves;
        table.row(cells![epoch, training_loss[k], validation_loss[k], validation_accuracy[k]]);
    }
    table.csv()
}
