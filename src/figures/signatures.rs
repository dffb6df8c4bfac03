//! Spectral signatures: reflectance over wavelength, a small panel per class.

use super::axis::Axis;
use super::colours::{Colour, FAINT_INK, GRID, INK, PAPER};
use super::drawing::{Area, Drawing};
use super::lettering::Lettering;
use super::parts::{AXIS_LINE, Frame, LABEL, MARGIN, PAGE_WIDTH, capitalised, grouped, numbers};
use super::{Caption, Figure};
use crate::Result;
use crate::data::Signatures;
use crate::display::cells;

/// Panels side by side, and their sizes in points.
const COLUMNS: usize = 6;
const GAP: f64 = 8.0;
const PANEL_HEIGHT: f64 = 70.0;
const HEADING: f64 = 11.0;

/// Draws the spectral signature of each class: the mean of each band as a line in the class's colour, one
/// standard deviation of the pixels to either side as a light ribbon, and the means of all other classes
/// in grey behind it. All panels have the same axes.
///
/// Sentinel-2's bands lie at their wavelengths; those of other sensors side by side.
///
/// The CSV has one line per class and band: `class,patches,band,wavelength_nm,mean,standard_deviation`.
///
/// # Errors
/// Drawing that fails.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// # use lcz::figures::{self, Caption};
/// # use lcz::{Classes, Imagery, Labels, data::Patches, data::Signatures};
/// # let images = ndarray::Array4::from_shape_fn((3, 32, 32, 10), |(n, row, ..)| 0.1 * (n + row % 7) as f32);
/// # let labels = Labels::new(Classes::lcz(), vec![0, 0, 16])?;
/// # let patches = Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)?.with_labels(&labels)?;
///
/// // `patches` as in the example of `sample_patches`.
/// let signatures = Signatures::compute(&patches, &mut lcz::progress::Silent)?;
/// let figure = figures::spectral_signatures(&signatures, &Caption::new("Signatures", "synthetic"))?;
/// assert!(figure.csv().contains("\n1,2,B2,")); // class, patches, band
/// # Ok(())
/// # }
/// ```
pub fn spectral_signatures(signatures: &Signatures, caption: &Caption) -> Result<Figure> {
    let classes = signatures.classes();
    let wavelengths = signatures.bands().sentinel2_wavelengths();
    let notes = format!(
        "Line: mean over all pixels of the class; ribbon: ± one standard deviation of single pixels; grey: the \
         other classes. {}",
        match wavelengths {
            Some(_) => "Dots: the bands.",
            None => "Bands side by side, in their order.",
        }
    );
    let rows = classes.len().div_ceil(COLUMNS);
    let frame = Frame::new(caption, &notes, PAGE_WIDTH);
    let mut drawing = frame.around(rows as f64 * (HEADING + PANEL_HEIGHT + GAP) + 16.0);
    let plot = Plot::of(signatures, wavelengths.as_deref());
    let left = MARGIN + 30.0;
    let width = (PAGE_WIDTH - left - MARGIN - GAP * (COLUMNS - 1) as f64) / COLUMNS as f64;
    for k in 0..classes.len() {
        let (column, row) = (k % COLUMNS, k / COLUMNS);
        let area = Area {
            x: left + column as f64 * (width + GAP),
            y: frame.above() + row as f64 * (HEADING + PANEL_HEIGHT + GAP) + HEADING,
            width,
            height: PANEL_HEIGHT,
        };
        let heading = format!("{} ({})", classes.name(k), grouped(signatures.patches(k) as u64));
        drawing.text(&heading, (area.x, area.y - 3.5), Lettering::new(6.5, INK).fitting(&heading, width));
        plot.grid(&mut drawing, area, column == 0, k + COLUMNS >= classes.len());
        plot.curves(&mut drawing, area, signatures, k);
    }
    let middle = frame.above() + rows as f64 * (HEADING + PANEL_HEIGHT + GAP) / 2.0;
    let title_type = Lettering::new(LABEL, INK).centred();
    let unit = capitalised(signatures.unit());
    drawing.text_at(&unit, (MARGIN + 4.0, middle), title_type.upward());
    let across = if wavelengths.is_some() { "Wavelength (nm)" } else { "Band" };
    let bottom = frame.above() + rows as f64 * (HEADING + PANEL_HEIGHT + GAP);
    drawing.text_at(across, (left + (PAGE_WIDTH - left - MARGIN) / 2.0, bottom + 10.0), title_type);
    drawing.into_figure(caption, csv(signatures, wavelengths.as_deref(), caption))
}

/// The axes that all panels share.
struct Plot {
    /// Where each band lies, 0 to 1.
    bands: Vec<f64>,
    /// Positions and labels across.
    ticks: Vec<(f64, String)>,
    up: Axis,
}

impl Plot {
    fn of(signatures: &Signatures, wavelengths: Option<&[f64]>) -> Self {
        let (bands, ticks): (Vec<f64>, Vec<(f64, String)>) = if let Some(wavelengths) = wavelengths {
            let (low, high) = (400.0, 2300.0);
            let position = |nm: f64| (nm - low) / (high - low);
            let ticks = [500.0, 1000.0, 1500.0, 2000.0].map(|nm| (position(nm), format!("{nm}")));
            (wavelengths.iter().map(|&nm| position(nm)).collect(), ticks.to_vec())
        } else {
            let names = signatures.bands().names();
            let position = |c: usize| (c as f64 + 0.5) / names.len() as f64;
            let ticks = names.iter().enumerate().map(|(c, name)| (position(c), name.clone())).collect();
            ((0..names.len()).map(position).collect(), ticks)
        };
        let of_class = |k| Some((signatures.mean(k)?, signatures.standard_deviation(k)?));
        let (mut low, mut high) = (0.0_f64, f64::MIN_POSITIVE);
        for (mean, deviation) in (0..signatures.classes().len()).filter_map(of_class) {
            // A ribbon may reach below 0, where there is no reflectance: the axis follows the means there.
            low = mean.iter().copied().fold(low, f64::min);
            high = mean.iter().zip(&deviation).map(|(m, d)| m + d).fold(high, f64::max);
        }
        Self { bands, ticks, up: Axis::linear(low, high) }
    }

    fn grid(&self, drawing: &mut Drawing, area: Area, first_column: bool, last_row: bool) {
        let number = Lettering::new(6.0, INK);
        for (value, label) in &self.up.ticks {
            let y = area.bottom() - self.up.position(*value) * area.height;
            drawing.line((area.x, y), (area.right(), y), 0.4, GRID);
            if first_column {
                drawing.text_at(label, (area.x - 3.0, y), number.ending());
            }
        }
        for (position, label) in &self.ticks {
            let x = area.x + position * area.width;
            drawing.line((x, area.bottom()), (x, area.bottom() + 2.0), 0.4, INK);
            if last_row {
                drawing.text(label, (x, area.bottom() + 8.0), number.centred());
            }
        }
        drawing.line((area.x, area.y), (area.x, area.bottom()), AXIS_LINE, INK);
        drawing.line((area.x, area.bottom()), (area.right(), area.bottom()), AXIS_LINE, INK);
    }

    /// The class's curve over those of all others.
    fn curves(&self, drawing: &mut Drawing, area: Area, signatures: &Signatures, class: usize) {
        let at = |values: &[f64]| -> Vec<(f64, f64)> {
            let point = |(x, value): (&f64, &f64)| {
                let height = self.up.position(*value).max(0.0) * area.height;
                (area.x + x * area.width, area.bottom() - height)
            };
            self.bands.iter().zip(values).map(point).collect()
        };
        let own = signatures.mean(class).zip(signatures.standard_deviation(class));
        let colour = Colour(signatures.classes().colour(class));
        if let Some((mean, deviation)) = &own {
            let shifted =
                |sign: f64| -> Vec<f64> { mean.iter().zip(deviation).map(|(m, d)| m + sign * d).collect() };
            let mut outline = at(&shifted(1.0));
            outline.extend(at(&shifted(-1.0)).into_iter().rev());
            drawing.polygon(outline, colour.mixed(PAPER, 0.65));
        }
        for mean in (0..signatures.classes().len()).filter(|k| *k != class).filter_map(|k| signatures.mean(k))
        {
            drawing.path(at(&mean), 0.3, Colour([0xB8; 3]));
        }
        match own {
            Some((mean, _)) => {
                // A dark line under the class's colour, which may be nearly white.
                drawing.path(at(&mean), 2.0, INK);
                drawing.path(at(&mean), 1.2, colour);
                for point in at(&mean) {
                    drawing.disc(point, 1.1, INK);
                }
            }
            None => drawing.text_at("no patch", area.middle(), Lettering::new(6.5, FAINT_INK).centred()),
        }
    }
}

fn csv(signatures: &Signatures, wavelengths: Option<&[f64]>, caption: &Caption) -> String {
    let columns = ["class", "patches", "band", "wavelength_nm", "mean", "standard_deviation"];
    let mut table = numbers(caption, &[], columns);
    for k in 0..signatures.classes().len() {
        let (mean, deviation) = (signatures.mean(k), signatures.standard_deviation(k));
        for (c, band) in signatures.bands().names().iter().enumerate() {
            let of = |values: &Option<Vec<f64>>| values.as_ref().map(|values| values[c]);
            let (class, patches) = (signatures.classes().code(k), signatures.patches(k));
            let nm = wavelengths.map(|nm| nm[c]);
            table.row(cells![class, patches, band, nm, of(&mean), of(&deviation)]);
        }
    }
    table.csv()
}
