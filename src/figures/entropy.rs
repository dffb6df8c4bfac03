//! Voting entropy of experts as bars: the entropy bar plot of the label distribution paper
//! ("Going beyond one-hot encoding in classification").

use super::axis::Axis;
use super::colours::{BLUE, Colour, FAINT_INK, INK, ORANGE};
use super::drawing::Area;
use super::lettering::Lettering;
use super::parts::{COLUMN_WIDTH, Frame, LABEL, MARGIN, check_count, grouped, numbers, plot_frame};
use super::{Caption, Figure};
use crate::display::cells;
use crate::labels::{ENTROPY_CUTS, EntropyHistogram};
use crate::{Error, Result};

const HEIGHT: f64 = 120.0;
/// The share of a bin's width that its bars take.
const FILLED: f64 = 0.82;
const COLOURS: [Colour; 2] = [BLUE, ORANGE];

/// Draws the share of samples in each bin of voting entropy ([`ENTROPY_CUTS`]), for one or two groups of
/// samples side by side, such as patches of urban and of natural zones. Over each bar stands its percentage.
///
/// The CSV has one line per group and bin: `group,above,up_to,samples,percent`.
///
/// # Errors
/// No group, more than two, or a group without samples.
///
/// ```
/// use lcz::figures::{self, Caption};
/// use lcz::labels::EntropyHistogram;
/// let urban = EntropyHistogram::from_entropies(&[0.0, 0.6])?;
/// let figure = figures::entropy_bars(&[("urban", &urban)], &Caption::new("Voting entropy", "synthetic"))?;
/// assert!(figure.csv().contains("urban,0.5,0.7,1,50\n"));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn entropy_bars(groups: &[(&str, &EntropyHistogram)], caption: &Caption) -> Result<Figure> {
    check_count("entropy bars", "groups", groups.len(), 1..=COLOURS.len())?;
    if let Some((name, _)) = groups.iter().find(|(_, histogram)| histogram.samples() == 0) {
        return Err(Error::input("entropy bars", format!("no sample in '{name}'"), "leave the group out"));
    }
    let legend_height = 10.0 * groups.len() as f64 + 8.0; // and the number over the highest bar
    let frame =
        Frame::new(caption, "H: mean voting entropy. Bins are open below and closed above.", COLUMN_WIDTH);
    let mut drawing = frame.around(legend_height + HEIGHT + 24.0);
    let left = MARGIN + 30.0;
    let area = Area {
        x: left,
        y: frame.above() + legend_height,
        width: COLUMN_WIDTH - left - MARGIN,
        height: HEIGHT,
    };

    for (g, ((name, histogram), colour)) in groups.iter().zip(COLOURS).enumerate() {
        let y = frame.above() + 4.0 + 10.0 * g as f64;
        drawing.fill(Area { x: area.x, y: y - 3.0, width: 6.0, height: 6.0 }, colour);
        let text =
            format!("{name} (n = {}, H = {:.3} nats)", grouped(histogram.samples() as u64), histogram.mean);
        let room = area.width - 10.0;
        drawing.text_at(&text, (area.x + 10.0, y), Lettering::new(LABEL, INK).fitting(&text, room));
    }

    let percent: Vec<[f64; 6]> =
        groups.iter().map(|(_, histogram)| histogram.shares().map(|share| 100.0 * share)).collect();
    let highest = percent.iter().flatten().copied().fold(0.0, f64::max);
    let up = Axis::linear(0.0, highest);
    plot_frame(&mut drawing, area, &Axis::of_names(), &up, ["Voting entropy (nats)", "Share of patches (%)"]);
    let bin = area.width / 6.0;
    for (b, name) in EntropyHistogram::names().iter().enumerate() {
        let middle = area.x + bin * (b as f64 + 0.5);
        drawing.text(name, (middle, area.bottom() + 9.5), Lettering::new(6.5, INK).centred());
        let width = bin * FILLED / groups.len() as f64;
        for (g, (percent, colour)) in percent.iter().zip(COLOURS).enumerate() {
            let height = up.position(percent[b]) * area.height;
            let x = middle - bin * FILLED / 2.0 + width * g as f64;
            let bar = Area { x, y: area.bottom() - height, width, height };
            drawing.fill(bar, colour);
            let text = if percent[b] > 0.0 && percent[b] < 0.05 {
                "<0.1".to_owned()
            } else {
                format!("{:.1}", percent[b])
            };
            let number = Lettering::new(5.0, FAINT_INK).centred().fitting(&text, width);
            drawing.text(&text, (bar.middle().0, bar.y - 1.5), number);
        }
    }

    let mut table = numbers(caption, &[], ["group", "above", "up_to", "samples", "percent"]);
    for ((name, histogram), percent) in groups.iter().zip(&percent) {
        for (b, (&samples, &percent)) in histogram.counts.iter().zip(percent).enumerate() {
            table.row(cells![*name, ENTROPY_CUTS[b], ENTROPY_CUTS[b + 1], samples, percent]);
        }
    }
    drawing.into_figure(caption, table.csv())
}
