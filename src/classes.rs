//! The seventeen Local Climate Zones, and class lists that models and files carry.
//!
//! Zones, codes and names: Stewart & Oke (2012), *Local Climate Zones for Urban Temperature Studies*,
//! Bulletin of the American Meteorological Society 93. Colours: the palette common to LCZ maps.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A Local Climate Zone: ten built types (1–10) and seven natural ones (A–G, also numbered 11–17).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Zone {
    /// LCZ 1.
    CompactHighRise = 1,
    /// LCZ 2.
    CompactMidRise,
    /// LCZ 3.
    CompactLowRise,
    /// LCZ 4.
    OpenHighRise,
    /// LCZ 5.
    OpenMidRise,
    /// LCZ 6.
    OpenLowRise,
    /// LCZ 7.
    LightweightLowRise,
    /// LCZ 8.
    LargeLowRise,
    /// LCZ 9.
    SparselyBuilt,
    /// LCZ 10.
    HeavyIndustry,
    /// LCZ A (11).
    DenseTrees,
    /// LCZ B (12).
    ScatteredTrees,
    /// LCZ C (13).
    BushScrub,
    /// LCZ D (14).
    LowPlants,
    /// LCZ E (15).
    BareRockOrPaved,
    /// LCZ F (16).
    BareSoilOrSand,
    /// LCZ G (17).
    Water,
}

/// Code, name and colour of each zone, in the order 1–10, A–G.
const ZONES: [(Zone, &str, &str, [u8; 3]); 17] = [
    (Zone::CompactHighRise, "1", "compact high-rise", [0x91, 0x06, 0x13]),
    (Zone::CompactMidRise, "2", "compact mid-rise", [0xD9, 0x08, 0x1C]),
    (Zone::CompactLowRise, "3", "compact low-rise", [0xFF, 0x0A, 0x22]),
    (Zone::OpenHighRise, "4", "open high-rise", [0xC5, 0x4F, 0x1E]),
    (Zone::OpenMidRise, "5", "open mid-rise", [0xFF, 0x66, 0x28]),
    (Zone::OpenLowRise, "6", "open low-rise", [0xFF, 0x98, 0x5E]),
    (Zone::LightweightLowRise, "7", "lightweight low-rise", [0xFD, 0xED, 0x3F]),
    (Zone::LargeLowRise, "8", "large low-rise", [0xBB, 0xBB, 0xBB]),
    (Zone::SparselyBuilt, "9", "sparsely built", [0xFF, 0xCB, 0xAB]),
    (Zone::HeavyIndustry, "10", "heavy industry", [0x56, 0x56, 0x56]),
    (Zone::DenseTrees, "A", "dense trees", [0x00, 0x6A, 0x18]),
    (Zone::ScatteredTrees, "B", "scattered trees", [0x00, 0xA9, 0x26]),
    (Zone::BushScrub, "C", "bush, scrub", [0x62, 0x84, 0x32]),
    (Zone::LowPlants, "D", "low plants", [0xB5, 0xDA, 0x7F]),
    (Zone::BareRockOrPaved, "E", "bare rock or paved", [0x00, 0x00, 0x00]),
    (Zone::BareSoilOrSand, "F", "bare soil or sand", [0xFC, 0xF7, 0xB1]),
    (Zone::Water, "G", "water", [0x65, 0x6B, 0xFA]),
];

/// Colours for classes that are not zones (Okabe & Ito's palette, safe for colour-blind readers).
const OTHER_COLOURS: [[u8; 3]; 8] = [
    [0xE6, 0x9F, 0x00],
    [0x56, 0xB4, 0xE9],
    [0x00, 0x9E, 0x73],
    [0xF0, 0xE4, 0x42],
    [0x00, 0x72, 0xB2],
    [0xD5, 0x5E, 0x00],
    [0xCC, 0x79, 0xA7],
    [0x99, 0x99, 0x99],
];

impl Zone {
    /// All seventeen, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        ZONES.iter().map(|row| row.0)
    }

    /// The zone of a number 1–17, as label rasters hold it.
    ///
    /// ```
    /// use lcz::Zone;
    /// assert_eq!(Zone::from_number(11), Some(Zone::DenseTrees));
    /// assert_eq!(Zone::from_number(0), None);
    /// ```
    pub fn from_number(number: usize) -> Option<Self> {
        number.checked_sub(1).and_then(|k| ZONES.get(k)).map(|row| row.0)
    }

    /// The number 1–17.
    pub fn number(self) -> usize {
        self as usize
    }

    /// The code: `1`–`10`, `A`–`G`.
    pub fn code(self) -> &'static str {
        ZONES[self.number() - 1].1
    }

    /// The name, such as `dense trees`.
    pub fn name(self) -> &'static str {
        ZONES[self.number() - 1].2
    }

    /// The colour on LCZ maps, as red, green, blue.
    pub fn colour(self) -> [u8; 3] {
        ZONES[self.number() - 1].3
    }

    /// Whether it is one of the ten built types.
    pub fn is_built(self) -> bool {
        self.number() <= 10
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.code(), self.name())
    }
}

impl FromStr for Zone {
    type Err = Error;

    /// A code (`A`, `10`), a number (`17`) or a name (`water`), in any case.
    fn from_str(text: &str) -> Result<Self> {
        let found = ZONES
            .iter()
            .find(|(_, code, name, _)| code.eq_ignore_ascii_case(text) || name.eq_ignore_ascii_case(text));
        found
            .map(|row| row.0)
            .or_else(|| text.parse().ok().and_then(Self::from_number))
            .ok_or_else(|| Error::input(format!("zone '{text}'"), "no such zone", "use 1-10 or A-G"))
    }
}

/// An ordered list of classes: what column `k` of a label or a prediction means.
///
/// A model carries its list, and so does a file; seventeen zones, sixteen without water, the ten
/// built ones, or any other names (land cover). Two lists are equal if their classes are, whatever their colours.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "StoredClasses", into = "StoredClasses")]
pub struct Classes {
    codes: Vec<String>,
    /// One per class, or none: see [`Classes::colour`].
    colours: Vec<[u8; 3]>,
}

/// Classes as files hold them.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredClasses {
    Codes(Vec<String>),
    Coloured { codes: Vec<String>, colours: Vec<[u8; 3]> },
}

impl From<Classes> for StoredClasses {
    fn from(Classes { codes, colours }: Classes) -> Self {
        if colours.is_empty() { Self::Codes(codes) } else { Self::Coloured { codes, colours } }
    }
}

impl TryFrom<StoredClasses> for Classes {
    type Error = Error;

    fn try_from(stored: StoredClasses) -> Result<Self> {
        match stored {
            StoredClasses::Codes(codes) => Ok(Self::from_codes(codes)),
            StoredClasses::Coloured { codes, colours } => Self::from_codes(codes).with_colours(colours),
        }
    }
}

impl PartialEq for Classes {
    fn eq(&self, other: &Self) -> bool {
        self.codes == other.codes
    }
}

impl Eq for Classes {}

impl Classes {
    /// The seventeen zones.
    pub fn lcz() -> Self {
        Self::from_zones(Zone::all())
    }

    /// The ten built zones, LCZ 1–10.
    pub fn built() -> Self {
        Self::from_zones(Zone::all().filter(|zone| zone.is_built()))
    }

    /// These zones, in this order.
    pub fn from_zones(zones: impl IntoIterator<Item = Zone>) -> Self {
        Self::from_codes(zones.into_iter().map(|zone| zone.code().to_owned()).collect())
    }

    /// Unchecked, in the usual colours.
    fn from_codes(codes: Vec<String>) -> Self {
        Self { codes, colours: Vec::new() }
    }

    /// More classes than this are an error wherever they are read: metrics take memory for each pair of classes.
    pub const MOST: usize = 1000;

    /// Classes of any other kind, by name.
    ///
    /// # Errors
    /// No class, more than [`MOST`](Self::MOST), an empty name, or a name given twice.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let place = || "class list".to_owned();
        Self::check_count(names.len())?;
        for (k, name) in names.iter().enumerate() {
            if name.is_empty() || names[..k].contains(name) {
                let problem = format!("class {} is called '{name}', which is empty or taken", k + 1);
                return Err(Error::input(place(), problem, "give each class a name of its own"));
            }
        }
        Ok(Self::from_codes(names))
    }

    /// The usual list for `k` label columns in a file that does not name its classes: 17 are the zones, 10 the
    /// built zones; any other count is numbered from 1.
    pub fn from_count(k: usize) -> Self {
        match k {
            17 => Self::lcz(),
            10 => Self::built(),
            _ => Self::from_codes((1..=k).map(|k| format!("class {k}")).collect()),
        }
    }

    /// As [`from_count`](Self::from_count), with a check of the count, which a file states.
    ///
    /// # Errors
    /// No class, or more than [`MOST`](Self::MOST).
    pub fn from_columns(k: usize) -> Result<Self> {
        Self::check_count(k)?;
        Ok(Self::from_count(k))
    }

    fn check_count(k: usize) -> Result<()> {
        if (1..=Self::MOST).contains(&k) {
            return Ok(());
        }
        if k == 0 {
            return Err(Error::input("class list", "no class", "name at least one"));
        }
        let problem = format!("{k} classes, not 1 to {}", Self::MOST);
        Err(Error::input("class list", problem, "check the number of columns, or merge classes"))
    }

    /// This list without one zone, as a study that leaves water out needs it.
    #[must_use]
    pub fn without(&self, zone: Zone) -> Self {
        let mut others = self.clone();
        if let Some(k) = self.position(zone) {
            others.codes.remove(k);
            if !others.colours.is_empty() {
                others.colours.remove(k);
            }
        }
        others
    }

    /// The same classes in colours of their own, red, green and blue, which figures and maps take. Files of models and maps keep them,
    /// those of predictions and So2Sat data do not.
    ///
    /// # Errors
    /// Another number of colours than classes.
    ///
    /// ```
    /// use lcz::{Classes, Palette};
    /// let classes = Classes::named(["water", "sand"])?.with_colours([[0, 90, 200], [240, 220, 130]])?;
    /// assert_eq!(Palette::default().colour(&classes, 1), [240, 220, 130]);
    /// assert_eq!(classes, Classes::named(["water", "sand"])?);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn with_colours(mut self, colours: impl IntoIterator<Item = [u8; 3]>) -> Result<Self> {
        self.colours = colours.into_iter().collect();
        if self.colours.len() != self.len() {
            let problem = format!("{} colours for {} classes", self.colours.len(), self.len());
            return Err(Error::input("class list", problem, "give one per class"));
        }
        Ok(self)
    }

    /// How many classes, K.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// The codes in order, as files store them.
    pub fn codes(&self) -> &[String] {
        &self.codes
    }

    /// The column of a zone, if it is in the list.
    pub fn position(&self, zone: Zone) -> Option<usize> {
        self.codes.iter().position(|code| code == zone.code())
    }

    /// The column that a number in a raster or a field of polygons means: where all classes are zones, that of the zone of this
    /// number (11–17 for A–G), else 1 is the first, 2 the second, …; 101–107 are the natural zones A–G, as GeoClimate and w2w number them, where the list has these and fewer than 101 classes.
    ///
    /// ```
    /// use lcz::Classes;
    /// assert_eq!(Classes::lcz().find_number(101.0), Classes::lcz().find_number(11.0));
    /// assert_eq!(Classes::lcz().find_number(18.0), None);
    /// let some = Classes::named(["2", "6", "A"])?;
    /// assert_eq!([6.0, 11.0, 3.0].map(|number| some.find_number(number)), [Some(1), Some(2), None]);
    /// # Ok::<(), lcz::Error>(())
    /// ```
    pub fn find_number(&self, number: f64) -> Option<usize> {
        if self.is_natural_code(number) {
            return self.position(Zone::from_number(number as usize - 90)?);
        }
        if number.fract() != 0.0 || number < 1.0 {
            return None;
        }
        if self.are_zones() {
            return self.position(Zone::from_number(number as usize)?);
        }
        (number <= self.len() as f64).then(|| number as usize - 1)
    }

    /// Whether all classes are zones.
    pub(crate) fn are_zones(&self) -> bool {
        (0..self.len()).all(|k| self.zone(k).is_some())
    }

    /// The number of a class in rasters: that of the zone where all are zones, else its position, counted from 1.
    pub(crate) fn number(&self, k: usize) -> usize {
        if self.are_zones() { self.zone(k).map_or(k + 1, Zone::number) } else { k + 1 }
    }

    /// Whether a number is one of 101–107, which stand for the natural zones A–G.
    pub(crate) fn is_natural_code(&self, number: f64) -> bool {
        number.fract() == 0.0 && (101.0..=107.0).contains(&number) && self.len() <= 100
    }

    /// The column of a class by its code, its name or its number, in any case; a zone also as `LCZ D`, `lcz_04`, `104` or
    /// `6. Open low-rise`.
    ///
    /// ```
    /// use lcz::Classes;
    /// for text in ["D", "14", "104", "LCZ D", "lcz_d", "low plants", "LCZ D (Low plants)"] {
    ///     assert_eq!(Classes::lcz().find(text), Some(13), "{text}");
    /// }
    /// assert_eq!(Classes::lcz().find("Polygon 14"), None);
    /// ```
    pub fn find(&self, text: &str) -> Option<usize> {
        let text = text.trim();
        let by_code = |text: &str| {
            let same = |k: &usize| self.codes[*k] == text;
            let any_case = |k: &usize| self.codes[*k].eq_ignore_ascii_case(text);
            (0..self.len()).find(same).or_else(|| (0..self.len()).find(any_case))
        };
        let by_number = |text: &str| {
            let number: f64 = text.parse().ok()?;
            by_code(&number.to_string()).or_else(|| self.find_number(number))
        };
        let bare = match text.get(..3) {
            Some(lcz) if lcz.eq_ignore_ascii_case("lcz") => text[3..].trim_start_matches([' ', '_', '-']),
            _ => text,
        };
        // A code and, after it, the name that belongs to it.
        let letters = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        let with_name = || {
            let (code, name) = bare.split_once(|c: char| !c.is_ascii_alphanumeric())?;
            let k = by_code(code).or_else(|| by_number(code))?;
            (letters(name) == letters(self.zone(k)?.name())).then_some(k)
        };
        let by_name = || {
            let name = letters(text);
            (0..self.len()).find(|&k| self.zone(k).is_some_and(|zone| letters(zone.name()) == name))
        };
        let found = by_code(text).or_else(|| by_number(text));
        found.or_else(|| by_code(bare)).or_else(|| by_number(bare)).or_else(by_name).or_else(with_name)
    }

    /// The zone of column `k`, if that class is a zone.
    pub fn zone(&self, k: usize) -> Option<Zone> {
        let code = self.codes.get(k)?;
        Zone::all().find(|zone| zone.code() == code)
    }

    /// Code of column `k`, short enough for an axis.
    pub fn code(&self, k: usize) -> &str {
        &self.codes[k]
    }

    /// Code and name of column `k`: `A dense trees`; another class gives its name.
    pub fn name(&self, k: usize) -> String {
        self.zone(k).map_or_else(|| self.codes[k].clone(), |zone| zone.to_string())
    }

    /// Colour of column `k`, as red, green, blue: its own ([`with_colours`](Self::with_colours)), else its zone's, else one of
    /// eight.
    pub fn colour(&self, k: usize) -> [u8; 3] {
        self.colour_in(k, Zone::colour)
    }

    /// As [`colour`](Self::colour), with other colours of zones.
    pub(crate) fn colour_in(&self, k: usize, of_zone: impl FnOnce(Zone) -> [u8; 3]) -> [u8; 3] {
        let usual = || self.zone(k).map_or(OTHER_COLOURS[k % OTHER_COLOURS.len()], of_zone);
        self.colours.get(k).copied().unwrap_or_else(usual)
    }
}

impl fmt::Display for Classes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.codes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_numbered_and_coded_as_published() {
        assert_eq!(Zone::all().map(Zone::number).collect::<Vec<_>>(), (1..=17).collect::<Vec<_>>());
        assert_eq!(Classes::lcz().to_string(), "1 2 3 4 5 6 7 8 9 10 A B C D E F G");
        assert_eq!("g".parse::<Zone>().unwrap(), Zone::Water);
        assert_eq!("14".parse::<Zone>().unwrap(), Zone::LowPlants);
        assert!("18".parse::<Zone>().is_err());
    }

    #[test]
    fn leaving_water_out_keeps_the_other_sixteen_in_order() {
        let classes = Classes::lcz().without(Zone::Water);
        assert_eq!(classes.len(), 16);
        assert_eq!(classes.position(Zone::BareSoilOrSand), Some(15));
        assert_eq!(classes.position(Zone::Water), None);
    }

    #[test]
    fn own_colours_stay_with_their_class_in_a_file_and_without_a_zone() {
        let classes = Classes::named(["2", "G", "A"]).unwrap();
        assert_eq!(serde_json::to_string(&classes).unwrap(), r#"["2","G","A"]"#);
        let coloured = classes.with_colours([[1; 3], [2; 3], [3; 3]]).unwrap();
        let text = serde_json::to_string(&coloured).unwrap();
        let read: Classes = serde_json::from_str(&text).unwrap();
        assert_eq!(read.without(Zone::Water).colour(1), [3; 3]);
        assert!(serde_json::from_str::<Classes>(&text.replace("[1,1,1],", "")).is_err());
        assert!(read.with_colours([[0; 3]]).unwrap_err().to_string().contains("1 colours for 3 classes"));
    }

    #[test]
    fn a_class_named_twice_is_refused() {
        assert!(Classes::named(["forest", "river", "forest"]).is_err());
        assert!(Classes::named(Vec::<String>::new()).is_err());
    }
}
