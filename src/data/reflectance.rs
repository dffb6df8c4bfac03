//! Whether values that are said to be reflectance can be reflectance.
//!
//! A wrong scale or offset leaves nothing odd in a map but its accuracy: on a Sentinel-2 image of Berlin, a network of the So2Sat
//! project is right on 62 % of the windows under polygons of two zones, and on 0.6 % with the offset subtracted twice. The
//! rules look at some pixels of each band and separate real scenes from the same ± 0.1, as digital numbers, and scaled
//! twice; rules on band means would not, since a forest's and a desert's differ by more.

use super::{BandStatistics, Patches};
use crate::display::percent;
use crate::{Bands, Error, Imagery, Result};

/// The unit that is checked.
pub(crate) const REFLECTANCE: &str = "reflectance";
/// Most reflectances of bright clouds and glints stay below this; digital numbers are in the hundreds.
const HIGHEST: f32 = 3.0;
/// No band of a real scene stays below this.
const LOWEST: f32 = 0.002;
/// The offsets of products in use, the largest first: Landsat's of Level 2, and Sentinel-2's and Landsat's of Level 1. If one
/// is not applied, no pixel is darker.
const OFFSETS: [f32; 2] = [-0.2, -0.1];
/// The largest share of a band's pixels that may lie below 0.
const NEGATIVE: f64 = 0.02;
/// Fewer pixels do not show their darkest thousandth.
const LEAST: usize = 1000;
/// Deviations of a band of the training set that a mean may lie away before it is reported.
const FAR: f64 = 2.0;
/// Patches that are looked at.
const PATCHES: usize = 64;

/// So2Sat's mean of each Sentinel-2 band, in the order of [`Bands::sentinel2`], and its standard deviation: what networks of the
/// So2Sat project were trained on.
const SO2SAT_MEAN: [f64; 10] =
    [0.12376, 0.10928, 0.10109, 0.11424, 0.15927, 0.18147, 0.17457, 0.19502, 0.15428, 0.10905];
const SO2SAT_DEVIATION: [f64; 10] =
    [0.03959, 0.04778, 0.06637, 0.06359, 0.07744, 0.09102, 0.09218, 0.10165, 0.09992, 0.08781];

/// What is wrong with values that should be reflectance.
#[derive(Debug, Clone, PartialEq)]
enum Fault {
    /// Values up to the number, in the band or bands, are no reflectance.
    DigitalNumbers(f32, String),
    /// All values are below the number.
    ScaledTwice(f32),
    /// The darkest thousandth of every band is this bright at least, as if this offset were not applied.
    OffsetNotSubtracted(f32, f64),
    /// This share of the band's pixels is below 0.
    OffsetSubtractedTwice(f64, String),
}

/// Where values come from: what fixes them differs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Origin {
    /// Files of a scene, which may state an offset.
    Scene(Option<f64>),
    /// A file of patches.
    Patches,
}

/// Some pixels of each band. Shape: band by band, sorted, without NaN.
pub(crate) struct PixelSample {
    bands: Bands,
    values: Vec<Vec<f32>>,
}

impl PixelSample {
    /// Sorts the values of each band; those that are not finite are left out.
    pub fn new(bands: Bands, mut values: Vec<Vec<f32>>) -> Self {
        for band in &mut values {
            band.retain(|value| value.is_finite());
            band.sort_unstable_by(f32::total_cmp);
        }
        Self { bands, values }
    }

    /// Up to 64 patches, evenly spread over the set.
    fn of(patches: &Patches) -> Result<Self> {
        // Of a file that is slow to read, each would cost a whole block.
        let most = if patches.unfavourable_chunks().is_some() { 3 } else { PATCHES };
        let (n, count) = (patches.len(), patches.len().min(most));
        let positions: Vec<usize> = (0..count).map(|k| k * (n - 1) / (count - 1).max(1)).collect();
        let images = patches.images_at(&positions)?;
        let bands = patches.imagery().bands.clone();
        let values =
            (0..bands.len()).map(|c| images.slice(ndarray::s![.., .., .., c]).iter().copied().collect());
        Ok(Self::new(bands.clone(), values.collect()))
    }

    fn fault(&self) -> Option<Fault> {
        let bands = || self.bands.names().iter().zip(&self.values).filter(|(_, band)| !band.is_empty());
        let at = |band: &[f32], share: f64| band[(share * (band.len() - 1) as f64).round() as usize];
        let (name, high) =
            bands().map(|(name, band)| (name, at(band, 0.999))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        if high > HIGHEST {
            return Some(Fault::DigitalNumbers(high, named(name)));
        }
        let highest =
            bands().map(|(_, band)| band[band.len() - 1].abs().max(band[0].abs())).fold(0.0, f32::max);
        if highest > 0.0 && highest < LOWEST {
            return Some(Fault::ScaledTwice(highest));
        }
        let below = |band: &[f32]| band.partition_point(|&value| value < 0.0) as f64 / band.len() as f64;
        let (name, share) =
            bands().map(|(name, band)| (name, below(band))).max_by(|a, b| a.1.total_cmp(&b.1))?;
        if share > NEGATIVE {
            return Some(Fault::OffsetSubtractedTwice(share, name.clone()));
        }
        let dark = bands().map(|(_, band)| at(band, 0.001)).fold(f32::INFINITY, f32::min);
        let many = bands().all(|(_, band)| band.len() >= LEAST);
        let offset = OFFSETS.into_iter().find(|offset| dark >= -offset - 1e-4).filter(|_| many)?;
        Some(Fault::OffsetNotSubtracted(dark, (f64::from(offset) * 10.0).round() / 10.0))
    }

    /// Warns of a band whose mean lies far from what a model was trained on.
    fn compare(&self, place: &str, trained: &BandStatistics) {
        let trained = trained.mean.iter().zip(&trained.standard_deviation);
        for ((name, band), (mean, deviation)) in self.bands.names().iter().zip(&self.values).zip(trained) {
            let here = band.iter().map(|&value| f64::from(value)).sum::<f64>() / band.len() as f64;
            if (here - mean).abs() > FAR * deviation {
                tracing::warn!(
                    "{place}: the mean of {} is {here:.3}, the model was trained on {mean:.3} (deviation \
                     {deviation:.3}): another season, processing level or radiometry?",
                    named(name)
                );
                return;
            }
        }
    }

    /// Refuses values that cannot be reflectance, and compares the others with what a model was trained on.
    pub fn guard(&self, place: &str, origin: Origin, trained: Option<&BandStatistics>) -> Result<()> {
        if let Some(fault) = self.fault() {
            // What the files state is more certain than what the values look like.
            let fault = match (fault, origin) {
                (Fault::OffsetNotSubtracted(dark, _), Origin::Scene(Some(stated))) => {
                    Fault::OffsetNotSubtracted(dark, stated)
                }
                (fault, _) => fault,
            };
            return Err(refusal(place, origin, &fault));
        }
        if let Some(trained) = trained {
            self.compare(place, trained);
        }
        Ok(())
    }
}

/// What is wrong, the likely cause, and what fixes it.
fn refusal(place: &str, origin: Origin, fault: &Fault) -> Error {
    let problem = match fault {
        Fault::DigitalNumbers(high, band) => {
            format!("values up to {high:.0} in {band}: digital numbers, not reflectance?")
        }
        Fault::ScaledTwice(highest) => format!("no value above {highest:.1e}: scaled twice?"),
        Fault::OffsetNotSubtracted(dark, offset) => format!(
            "the darkest 0.1 % of every band are {dark:.3} or more: an offset of {offset} that is not applied?"
        ),
        Fault::OffsetSubtractedTwice(share, band) => format!(
            "{} of the pixels of {} are below 0: an offset that is applied twice, or pixels without data?",
            percent(*share),
            named(band)
        ),
    };
    let of_offset = match (origin, fault) {
        (Origin::Scene(Some(stated)), _) => format!("leave out --offset, as the files state {stated}"),
        (_, Fault::OffsetNotSubtracted(_, offset)) => format!("give --offset {offset}"),
        _ => "give --offset 0, or --nodata 0".to_owned(),
    };
    let fix = match (origin, fault) {
        (Origin::Scene(_), Fault::DigitalNumbers(..)) => {
            "give --scale 1e-4 --offset -0.1 (Sentinel-2 since 25 January 2022; --offset 0 before), --scale 2e-5 --offset -0.1 \
             (Landsat 8), or --unit"
        }
        (Origin::Scene(_), Fault::ScaledTwice(_)) => "leave out --scale, or give --scale 1",
        (Origin::Scene(_), _) => of_offset.as_str(),
        (Origin::Patches, Fault::DigitalNumbers(..)) => {
            "store reflectance, or name the values' unit in the attribute 'unit'"
        }
        (Origin::Patches, _) => "cut the patches again with the right --scale and --offset",
    };
    Error::input(place, problem, format!("{fix}; --ignore-radiometry skips this check"))
}

/// Refuses patches in reflectance whose values cannot be reflectance; their file's unit `reflectance` may be stated or, for
/// So2Sat's files, assumed. Other units are not checked. Looks at up to 64 patches.
///
/// `trained` describes what a model was trained on: a band whose mean is more
/// than two deviations away is a warning.
///
/// # Errors
/// Digital numbers, values scaled twice, an offset of −0.1 that is not applied or applied twice: says the numbers and
/// what to do. Patches that cannot be read.
///
/// ```
/// # fn main() -> lcz::Result<()> {
/// use lcz::{Classes, Imagery, data::{self, Patches}};
/// let patches = |highest: f32| {
///     let pixel = |(_, row, column, _)| highest * (row + column) as f32 / 62.0;
///     let images = ndarray::Array4::from_shape_fn((1, 32, 32, 10), pixel);
///     Patches::in_memory(Imagery::so2sat(), Classes::lcz(), images)
/// };
/// data::check_reflectance(&patches(0.4)?, None)?;
/// let error = data::check_reflectance(&patches(4000.0)?, None).unwrap_err(); // 0.4 · 10,000
/// assert!(error.to_string().contains("digital numbers, not reflectance?"));
/// # Ok(())
/// # }
/// ```
pub fn check_reflectance(patches: &Patches, trained: Option<&BandStatistics>) -> Result<()> {
    let imagery = patches.imagery();
    if imagery.unit != REFLECTANCE {
        return Ok(());
    }
    let (name, sample) = (patches.name(), PixelSample::of(patches)?);
    if patches.assumes_reflectance_of_integers() {
        let high = sample.values.iter().filter_map(|band| band.last()).fold(0.0_f32, |a, &b| a.max(b));
        let band = format!("{} bands", imagery.bands.len());
        return Err(refusal(&name, Origin::Patches, &Fault::DigitalNumbers(high, band)));
    }
    sample.guard(&name, Origin::Patches, trained)
}

/// What networks of the So2Sat project were trained on, for such bands in reflectance.
pub(crate) fn so2sat_statistics(imagery: &Imagery) -> Option<BandStatistics> {
    let positions = Bands::sentinel2().positions(&imagery.bands).ok()?;
    let of = |all: [f64; 10]| positions.iter().map(|&k| all[k]).collect();
    (imagery.unit == REFLECTANCE)
        .then(|| BandStatistics { mean: of(SO2SAT_MEAN), standard_deviation: of(SO2SAT_DEVIATION) })
}
/// `band B2`; a band without a name is called `band 2` already.
fn named(band: &str) -> String {
    if band.starts_with("band ") { band.to_owned() } else { format!("band {band}") }
}
