//! Bands and imagery: a patch's size, bands, ground sampling distance and unit.

use std::collections::HashSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::display::metres;
use crate::error::InputKind;
use crate::{Error, Result, Sensor};

/// The ten Sentinel-2 bands of So2Sat LCZ42, in its order.
const SENTINEL2: [&str; 10] = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"];

/// Their central wavelengths in nanometres (Sentinel-2A; ESA, *Sentinel-2 Spectral Response Functions*).
const WAVELENGTHS: [f64; 10] = [492.4, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 1613.7, 2202.4];

/// The eight Sentinel-1 channels of So2Sat LCZ42, in its order: the unfiltered and the filtered
/// scatter in both polarisations, then the entries of the refined covariance matrix.
const SENTINEL1: [&str; 8] =
    ["VH re", "VH im", "VV re", "VV im", "VH intensity", "VV intensity", "cov re", "cov im"];

/// An ordered list of band names: what channel `c` of a patch means, or a choice among them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Bands(Vec<String>);

impl Bands {
    /// Sentinel-2 as in So2Sat: B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 (the 10 m and 20 m bands).
    pub fn sentinel2() -> Self {
        Self(SENTINEL2.map(str::to_owned).to_vec())
    }

    /// Sentinel-1 as in So2Sat: eight channels.
    pub fn sentinel1() -> Self {
        Self(SENTINEL1.map(str::to_owned).to_vec())
    }

    /// Bands by name.
    ///
    /// # Errors
    /// No band, an empty name, or a name given twice.
    ///
    /// ```
    /// let rgb = lcz::Bands::named(["B4", "B3", "B2"])?;
    /// assert_eq!(rgb.to_string(), "B4 B3 B2");
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if names.is_empty() {
            return Err(Error::input("bands", "none is named", "name at least one, such as B2"));
        }
        let mut taken = HashSet::new();
        for (k, name) in names.iter().enumerate() {
            if name.is_empty() || !taken.insert(name) {
                let problem = format!("band {} is called '{name}', which is empty or taken", k + 1);
                return Err(Error::input("bands", problem, "name each band once"));
            }
        }
        Ok(Self(names))
    }

    /// Bands of a file that names none: So2Sat's where the count fits, else `band 1`, `band 2`, ….
    pub fn from_count(count: usize) -> Self {
        match count {
            10 => Self::sentinel2(),
            8 => Self::sentinel1(),
            _ => Self((1..=count).map(|k| format!("band {k}")).collect()),
        }
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names in order.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The channel of a band; `B02`, `b2` and `B2` are one name.
    pub fn position(&self, name: &str) -> Option<usize> {
        let wanted = canonical(name);
        self.0.iter().position(|band| canonical(band) == wanted)
    }

    /// The channels of `wanted` in this list.
    ///
    /// # Errors
    /// A band that is not here: names it and those that are.
    pub fn positions(&self, wanted: &Self) -> Result<Vec<usize>> {
        let find = |name: &String| {
            self.position(name).ok_or_else(|| {
                let problem = format!("not among {self}");
                Error::input(format!("band '{name}'"), problem, "choose among these")
                    .of_kind(InputKind::MissingBand(name.clone()))
            })
        };
        wanted.0.iter().map(find).collect()
    }

    /// Central wavelength of each band in nanometres, if they are Sentinel-2's: all among the ten, and
    /// B8A or B12 among them, which no other sensor has (Landsat's B2 to B7 mean other colours).
    pub fn sentinel2_wavelengths(&self) -> Option<Vec<f64>> {
        let ten = Self::sentinel2();
        self.position("B8A").or_else(|| self.position("B12"))?;
        self.0.iter().map(|name| ten.position(name).map(|c| WAVELENGTHS[c])).collect()
    }

    /// The channels to show as red, green and blue: B4, B3, B2 (both Sentinel-2 and Landsat 8).
    pub fn true_colour(&self) -> Option<[usize; 3]> {
        Some([self.position("B4")?, self.position("B3")?, self.position("B2")?])
    }
}

/// `B02`, `b2` → `B2`; other names only lose their case.
fn canonical(name: &str) -> String {
    let name = name.to_ascii_uppercase();
    match name.strip_prefix("B0") {
        Some(rest) if !rest.is_empty() => format!("B{rest}"),
        _ => name,
    }
}

impl fmt::Display for Bands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// The unit of values from which their scene's mean was subtracted, divided by its standard deviation.
pub(crate) const STANDARDISED_UNIT: &str = "standard deviations";

/// The description of a patch. A model records this of its training data, and refuses what differs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imagery {
    /// Rows and columns of a (square) patch, in pixels.
    pub patch_size: usize,
    /// The bands in the order of the channels.
    pub bands: Bands,
    /// Size of a pixel on the ground in metres, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ground_sampling_distance: Option<f64>,
    /// What a pixel's number is: `reflectance`, `digital number`, …
    pub unit: String,
    /// The sensor, where it is stated: bands of one name show other colours on others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sensor: Option<Sensor>,
}

impl Imagery {
    /// Square patches of these bands, of unknown ground sampling distance; the unit is `not stated`.
    ///
    /// # Errors
    /// As [`Bands::named`].
    ///
    /// ```
    /// use lcz::Imagery;
    /// let imagery = Imagery::new(16, ["blue", "green", "red", "nir"])?.metres(10.0).unit("reflectance");
    /// assert_eq!(imagery.ground_sampling_distance, Some(10.0));
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn new<S: Into<String>>(patch_size: usize, bands: impl IntoIterator<Item = S>) -> Result<Self> {
        let (bands, unit) = (Bands::named(bands)?, "not stated".to_owned());
        Ok(Self { patch_size, bands, ground_sampling_distance: None, unit, sensor: None })
    }

    /// The same with pixels of this many metres on the ground.
    #[must_use]
    pub fn metres(self, metres: f64) -> Self {
        Self { ground_sampling_distance: Some(metres), ..self }
    }

    /// The same with pixels in this unit.
    #[must_use]
    pub fn unit(self, unit: &str) -> Self {
        Self { unit: unit.to_owned(), ..self }
    }

    /// So2Sat's Sentinel-2 patches: 32 × 32 pixels of 10 m, ten bands of reflectance. `..Imagery::so2sat()` states 10 m and
    /// reflectance of other patches too: [`new`](Self::new) states neither.
    pub fn so2sat() -> Self {
        Self {
            patch_size: 32,
            bands: Bands::sentinel2(),
            ground_sampling_distance: Some(10.0),
            unit: "reflectance".to_owned(),
            sensor: None,
        }
    }

    /// The difference to `other`, as text, if a model trained on `self` must not be used on it.
    ///
    /// Ground sampling distances within 5 % pass, as does one that a file does not state.
    pub fn mismatch(&self, other: &Self) -> Option<String> {
        if self.patch_size != other.patch_size {
            return Some(format!(
                "patches of {0}×{0} pixels, not {1}×{1}",
                other.patch_size, self.patch_size
            ));
        }
        if self.bands.len() != other.bands.len() {
            return Some(format!(
                "{} bands ({}), not {} ({})",
                other.bands.len(),
                other.bands,
                self.bands.len(),
                self.bands
            ));
        }
        if (0..self.bands.len()).any(|c| canonical(&self.bands.0[c]) != canonical(&other.bands.0[c])) {
            return Some(format!("bands {}, not {}", other.bands, self.bands));
        }
        if self.unit != other.unit {
            return Some(format!("pixels in {}, not {}", other.unit, self.unit));
        }
        match (self.ground_sampling_distance, other.ground_sampling_distance) {
            (Some(trained), Some(given)) if (given / trained - 1.0).abs() > 0.05 => {
                Some(format!("pixels of {}, not {}", metres(given), metres(trained)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_found_however_it_is_spelt() {
        let bands = Bands::sentinel2();
        assert_eq!(bands.position("B02"), Some(0));
        assert_eq!(bands.position("b8a"), Some(7));
        assert_eq!(bands.position("B1"), None);
        assert_eq!(bands.true_colour(), Some([2, 1, 0]));
    }

    #[test]
    fn only_sentinel_2_has_its_wavelengths() {
        let two = Bands::named(["B12", "B02"]).unwrap();
        assert_eq!(two.sentinel2_wavelengths(), Some(vec![2202.4, 492.4]));
        let landsat = Bands::named(["B2", "B3", "B4", "B5", "B6", "B7"]).unwrap();
        assert_eq!(landsat.sentinel2_wavelengths(), None);
        assert_eq!(Bands::sentinel1().sentinel2_wavelengths(), None);
    }

    #[test]
    fn imagery_of_another_size_unit_or_distance_does_not_match() {
        let trained = Imagery::so2sat();
        assert_eq!(trained.mismatch(&trained), None);
        let coarse = Imagery { ground_sampling_distance: Some(30.0), ..trained.clone() };
        assert_eq!(trained.mismatch(&coarse).unwrap(), "pixels of 30 m, not 10 m");
        let degrees = Imagery { ground_sampling_distance: Some(18.483_489_187_339_007), ..trained.clone() };
        assert_eq!(trained.mismatch(&degrees).unwrap(), "pixels of 18.48 m, not 10 m");
        let unstated = Imagery { ground_sampling_distance: None, ..trained.clone() };
        assert_eq!(trained.mismatch(&unstated), None);
        let raw = Imagery { unit: "digital number".into(), ..trained.clone() };
        assert!(trained.mismatch(&raw).is_some());
    }
}
