//! Areas of classes, adjusted for the errors of the map.
//!
//! Olofsson, Foody, Herold, Stehman, Woodcock & Wulder (2014), *Good practices for estimating area and assessing accuracy of
//! land change*, Remote Sensing of Environment 148: 42–57, Eqs. 9–11. They hold for a probability sample, at random or stratified
//! by the classes of the map; training polygons are not such a sample.

use serde::Serialize;

use super::ConfusionMatrix;
use crate::{Error, Result};

/// Fewest samples of a map class for an interval: with fewer, a class without an error in the sample has a variance of 0.
const FEWEST: u64 = 30;

/// The area of a class, in the unit of the map's areas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AdjustedArea {
    /// On the map.
    pub mapped: f64,
    /// Adjusted: `A Σ_i W_i n_ij / n_i`, of map classes i and the reference class j.
    pub adjusted: f64,
    /// Its 95 % interval; none where a map class with an area has fewer than 30 samples.
    pub interval: Option<[f64; 2]>,
}

/// The area of each class, from a sample (rows = reference, columns = map) and the areas on the map. `W_i` is a map class's share
/// of all area, `n_i` its number of samples; the standard error is `A √(Σ_i W_i² p (1 − p) / (n_i − 1))` with `p = n_ij / n_i`.
///
/// # Errors
/// Another number of areas than classes, one that is negative or not finite, a map class with an area and without a sample.
///
/// ```
/// use lcz::{Classes, metrics::{ConfusionMatrix, adjusted_areas}};
/// // The example of the paper, areas in hectares: 18,000 ha of deforestation on the map, adjusted to 21,158 ± 6,158 ha.
/// let classes = Classes::named(["deforestation", "forest gain", "stable forest", "stable non-forest"])?;
/// let counts = ndarray::array![[66, 0, 1, 2], [0, 55, 0, 1], [5, 8, 153, 9], [4, 12, 11, 313]];
/// let confusion = ConfusionMatrix::from_counts(classes, counts)?;
/// let areas = adjusted_areas(&confusion, &[18_000.0, 13_500.0, 288_000.0, 580_500.0])?;
/// let [lower, upper] = areas[0].interval.unwrap();
/// assert_eq!((areas[0].adjusted.round(), ((upper - lower) / 2.0).round()), (21_158.0, 6_158.0));
/// # Ok::<(), lcz::Error>(())
/// ```
pub fn adjusted_areas(confusion: &ConfusionMatrix, mapped: &[f64]) -> Result<Vec<AdjustedArea>> {
    let (counts, classes) = (confusion.counts(), confusion.classes());
    let place = "adjusted areas";
    if mapped.len() != classes.len() || mapped.iter().any(|area| !area.is_finite() || *area < 0.0) {
        let problem =
            format!("{} areas for {} classes, or one that is negative", mapped.len(), classes.len());
        return Err(Error::input(place, problem, "give the area of each class on the map"));
    }
    let sampled: Vec<u64> = counts.columns().into_iter().map(|column| column.sum()).collect();
    if let Some(k) = (0..mapped.len()).find(|&k| mapped[k] > 0.0 && sampled[k] == 0) {
        let problem = format!("no sample where the map has {}", classes.name(k));
        return Err(Error::input(place, problem, "draw samples from every class of the map"));
    }
    let total: f64 = mapped.iter().sum();
    let strata: Vec<usize> = (0..mapped.len()).filter(|&k| mapped[k] > 0.0).collect();
    let enough = strata.iter().all(|&k| sampled[k] >= FEWEST);
    let of_class = |class: usize| {
        let (mut share, mut variance) = (0.0, 0.0);
        for &stratum in &strata {
            let (weight, n) = (mapped[stratum] / total, sampled[stratum] as f64);
            let p = counts[[class, stratum]] as f64 / n;
            share += weight * p;
            variance += weight * weight * p * (1.0 - p) / (n - 1.0);
        }
        let (adjusted, margin) = (total * share, 1.959_964 * total * variance.sqrt());
        let interval = enough.then_some([(adjusted - margin).max(0.0), (adjusted + margin).min(total)]);
        AdjustedArea { mapped: mapped[class], adjusted, interval }
    };
    Ok((0..mapped.len()).map(of_class).collect())
}
