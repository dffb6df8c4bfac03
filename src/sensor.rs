//! Sensors whose bands have the same names and other meanings.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Bands, Imagery};

/// What the bands of a scene were seen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sensor {
    /// The multispectral instrument of Sentinel-2.
    #[serde(rename = "Sentinel-2")]
    Sentinel2,
    /// The imagers of Landsat 8 and 9.
    #[serde(rename = "Landsat 8-9")]
    Landsat8And9,
    /// The (Enhanced) Thematic Mappers of Landsat 4, 5 and 7.
    #[serde(rename = "Landsat 4-7")]
    Landsat4To7,
}

/// What each band of a sensor shows, from B1 on.
const SENTINEL2: [&str; 12] = [
    "coastal aerosol",
    "blue",
    "green",
    "red",
    "red edge",
    "red edge",
    "red edge",
    "near infrared",
    "water vapour",
    "cirrus",
    "shortwave infrared 1",
    "shortwave infrared 2",
];
const LANDSAT8: [&str; 11] = [
    "coastal aerosol",
    "blue",
    "green",
    "red",
    "near infrared",
    "shortwave infrared 1",
    "shortwave infrared 2",
    "panchromatic",
    "cirrus",
    "thermal infrared",
    "thermal infrared",
];
const LANDSAT7: [&str; 8] = [
    "blue",
    "green",
    "red",
    "near infrared",
    "shortwave infrared 1",
    "thermal infrared",
    "shortwave infrared 2",
    "panchromatic",
];
/// Metres of the pixels of Sentinel-2's bands, but for three; those of Landsat's reflectance are larger.
const FINE: std::ops::RangeInclusive<f64> = 5.0..=20.0;

impl Sensor {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sentinel2, Self::Landsat8And9, Self::Landsat4To7];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sentinel2 => "Sentinel-2",
            Self::Landsat8And9 => "Landsat 8-9",
            Self::Landsat4To7 => "Landsat 4-7",
        }
    }

    /// The sensor that a file is named after: `LC09_L2SP_…`, `LE7…`, `S2A_MSIL2A_…`, `T33NZA_20220706T085611_B02.tif`.
    pub fn from_file_name(path: impl AsRef<Path>) -> Option<Self> {
        let name = path.as_ref().file_stem()?.to_str()?.to_ascii_uppercase();
        let first = name.split(['_', '-']).next()?;
        let digit = |k: usize| first.as_bytes().get(k).is_some_and(u8::is_ascii_digit);
        // LC08 in names of collections, LC8… before.
        match (first.get(..4), first.get(..3)) {
            (Some("LC08" | "LC09" | "LO08" | "LO09"), _) => Some(Self::Landsat8And9),
            (Some("LE07" | "LT04" | "LT05"), _) => Some(Self::Landsat4To7),
            (_, Some("LC8" | "LO8")) if digit(3) => Some(Self::Landsat8And9),
            (_, Some("LE7" | "LT4" | "LT5")) if digit(3) => Some(Self::Landsat4To7),
            (_, Some("S2A" | "S2B" | "S2C")) => Some(Self::Sentinel2),
            _ => {
                let tile = first.strip_prefix('T').filter(|zone| zone.len() == 5)?;
                let is_tile = tile.as_bytes()[..2].iter().all(u8::is_ascii_digit);
                is_tile.then_some(Self::Sentinel2)
            }
        }
    }

    /// The sensor of these bands: the one stated, else Sentinel-2 where a band or the size of pixels is only its own.
    pub fn from_imagery(imagery: &Imagery) -> Option<Self> {
        if imagery.sensor.is_some() {
            return imagery.sensor;
        }
        let own = ["B8A", "B12"].iter().any(|band| imagery.bands.position(band).is_some());
        let fine = imagery.ground_sampling_distance.is_some_and(|metres| FINE.contains(&metres));
        (own || fine).then_some(Self::Sentinel2)
    }

    /// What a band shows; `None` for no name of its bands.
    pub fn shows(self, band: &str) -> Option<&'static str> {
        let band = band.to_ascii_uppercase();
        let number = band.strip_prefix('B')?;
        if (self, number) == (Self::Sentinel2, "8A") {
            return Some("narrow near infrared");
        }
        let bands: &[&str] = match self {
            Self::Sentinel2 => &SENTINEL2,
            Self::Landsat8And9 => &LANDSAT8,
            Self::Landsat4To7 => &LANDSAT7,
        };
        bands.get(number.parse::<usize>().ok()?.checked_sub(1)?).copied()
    }

    /// The first of these bands that shows something else on another sensor, and both.
    pub fn differs(self, other: Self, bands: &Bands) -> Option<(String, &'static str, &'static str)> {
        bands.names().iter().find_map(|band| {
            let (here, there) = (self.shows(band)?, other.shows(band)?);
            (here != there).then(|| (band.clone(), here, there))
        })
    }
}

impl fmt::Display for Sensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_after_their_sensor() {
        let of = |name: &str| Sensor::from_file_name(Path::new(name));
        for name in ["a/LC09_L2SP_193027_20230715_20230717_02_T1_SR_B5.TIF", "LC81220442013333LGN00_B10.tif"]
        {
            assert_eq!(of(name), Some(Sensor::Landsat8And9), "{name}");
        }
        for name in ["LE07_L2SP_1_SR_B4.TIF", "LT05_L2SP_1_SR_B4.TIF", "LT50010042004001_B4.tif"] {
            assert_eq!(of(name), Some(Sensor::Landsat4To7), "{name}");
        }
        for name in
            ["S2A_MSIL2A_2017_36_85_B01.tif", "S2A2A_2019_BOA_10.tif", "T33NZA_20220706T085611_B02.jp2"]
        {
            assert_eq!(of(name), Some(Sensor::Sentinel2), "{name}");
        }
        for name in ["B4.tif", "TRUTH_B4.tif", "LC8.tif", "Täöü_B4.tif", "TRÄGE_B4.tif", "tundra.tif"] {
            assert_eq!(of(name), None, "{name}");
        }
    }

    #[test]
    fn a_band_of_one_name_shows_something_else_on_another_sensor() {
        let imagery = Imagery::new(8, ["B2", "B4", "B5"]).unwrap();
        let [two, eight, seven] = Sensor::ALL;
        assert_eq!(two.differs(eight, &imagery.bands), Some(("B5".to_owned(), "red edge", "near infrared")));
        assert_eq!(seven.differs(two, &imagery.bands), Some(("B2".to_owned(), "green", "blue")));
        assert_eq!(two.differs(eight, &Bands::named(["B2", "B4", "VV"]).unwrap()), None);
        assert_eq!(Sensor::from_imagery(&imagery), None);
        assert_eq!(Sensor::from_imagery(&imagery.clone().metres(10.0)), Some(two));
        assert_eq!(
            Sensor::from_imagery(&Imagery { sensor: Some(eight), ..imagery.metres(10.0) }),
            Some(eight)
        );
        assert_eq!(two.shows("b8a"), Some("narrow near infrared"));
    }
}
