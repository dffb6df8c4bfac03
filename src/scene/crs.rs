//! Coordinate systems: their names, and transformations between them.
//!
//! Definitions are those of the EPSG registry as PROJ.4 strings (crate `crs-definitions`), computed by
//! `proj4rs`, whose projections agree with PROJ's to a micrometre (a test). The path between two datums
//! goes through WGS 84 by the three or seven parameters of the definition, which is right to a few metres
//! at most, as it is in PROJ.4. A system whose datum needs a grid file, or names no parameters, is
//! refused rather than taken for WGS 84.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use proj4rs::Proj;

use super::geokeys::GeoKeys;
use crate::{Error, Result};

/// A coordinate reference system, as far as a file names it.
///
/// Two are equal if their EPSG codes are, or, where neither has one, their projections as far as `GeoKeys` describe them,
/// else their names.
#[derive(Debug, Clone)]
pub enum Crs {
    /// Map coordinates.
    Projected {
        /// EPSG code, where the file gives one.
        epsg: Option<u16>,
        /// Metres in one unit of the coordinates.
        metres: f64,
        /// The file's own words.
        name: Option<String>,
        /// All that a GeoTIFF states, to be written again.
        keys: Option<Arc<GeoKeys>>,
    },
    /// Longitude and latitude in degrees, in this order.
    Geographic {
        /// EPSG code, where the file gives one.
        epsg: Option<u16>,
        /// The file's own words.
        name: Option<String>,
        /// All that a GeoTIFF states, to be written again.
        keys: Option<Arc<GeoKeys>>,
    },
    /// The file has keys that do not say where its pixels lie, to be written again.
    Undetermined(Arc<GeoKeys>),
    /// The file does not say.
    Unknown,
}

impl Crs {
    /// The system of an EPSG code.
    ///
    /// # Errors
    /// A code that is not in the registry.
    pub fn from_epsg(code: u16) -> Result<Self> {
        let Some(definition) = crs_definitions::from_code(code) else {
            let problem = "the registry has no such coordinate system";
            return Err(Error::input(format!("EPSG:{code}"), problem, "give the code of another"));
        };
        let says = |what: &str| definition.proj4.split(' ').find_map(|word| word.strip_prefix(what));
        let epsg = Some(code);
        if says("+proj=") == Some("longlat") {
            return Ok(Self::Geographic { epsg, name: None, keys: None });
        }
        let metres = match says("+to_meter=").and_then(|number| number.parse().ok()) {
            Some(metres) => metres,
            None => match says("+units=") {
                Some("us-ft") => 1200.0 / 3937.0,
                Some("ft") => 0.3048,
                Some("km") => 1000.0,
                _ => 1.0,
            },
        };
        Ok(Self::Projected { epsg, metres, name: None, keys: None })
    }

    /// The EPSG code, where there is one.
    pub fn epsg(&self) -> Option<u16> {
        match self {
            Self::Projected { epsg, .. } | Self::Geographic { epsg, .. } => *epsg,
            Self::Undetermined(_) | Self::Unknown => None,
        }
    }

    /// All that a GeoTIFF states of it.
    pub(super) fn keys(&self) -> Option<&GeoKeys> {
        match self {
            Self::Projected { keys, .. } | Self::Geographic { keys, .. } => keys.as_deref(),
            Self::Undetermined(keys) => Some(keys),
            Self::Unknown => None,
        }
    }

    /// The definition as a PROJ.4 string: the registry's, or what `GeoKeys` state where it has none.
    pub(super) fn proj4(&self) -> Option<Cow<'static, str>> {
        let registered = self.epsg().and_then(crs_definitions::from_code);
        registered.map(|known| Cow::Borrowed(known.proj4)).or_else(|| self.keys()?.proj4().map(Cow::Owned))
    }

    fn name(&self) -> Option<&str> {
        match self {
            Self::Projected { name, .. } | Self::Geographic { name, .. } => name.as_deref(),
            Self::Undetermined(_) | Self::Unknown => None,
        }
    }

    /// Whether it says where coordinates lie.
    pub(super) fn is_known(&self) -> bool {
        !matches!(self, Self::Undetermined(_) | Self::Unknown)
    }
}

impl PartialEq for Crs {
    fn eq(&self, other: &Self) -> bool {
        if let (Self::Undetermined(keys), Self::Undetermined(others)) = (self, other) {
            return keys == others;
        }
        let same_kind = match (self, other) {
            (Self::Projected { metres, .. }, Self::Projected { metres: others, .. }) => metres == others,
            (Self::Geographic { .. }, Self::Geographic { .. }) | (Self::Unknown, Self::Unknown) => true,
            _ => false,
        };
        match (self.epsg(), other.epsg()) {
            (Some(code), Some(others)) => code == others,
            (None, None) => match (self.proj4(), other.proj4()) {
                (Some(one), Some(two)) => same_kind && one == two,
                _ => same_kind && self.name() == other.name(),
            },
            _ => false,
        }
    }
}

impl fmt::Display for Crs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Undetermined(_) => return f.write_str("a coordinate system of unknown kind"),
            Self::Unknown => return f.write_str("no coordinate system"),
            Self::Projected { .. } => "projected",
            Self::Geographic { .. } => "geographic",
        };
        match (self.epsg(), self.name()) {
            (Some(code), _) => write!(f, "EPSG:{code}"),
            (None, Some(name)) => write!(f, "the {kind} system '{name}' without EPSG code"),
            (None, None) => write!(f, "a {kind} system without EPSG code"),
        }
    }
}

impl FromStr for Crs {
    type Err = Error;

    /// `EPSG:32633`, or the number alone.
    fn from_str(text: &str) -> Result<Self> {
        let number = text.trim().to_ascii_uppercase();
        let Ok(code) = number.strip_prefix("EPSG:").unwrap_or(&number).parse() else {
            let problem = "not the EPSG code of a coordinate system";
            let advice = "give one such as EPSG:32633 (UTM zone 33)";
            return Err(Error::input(format!("'{text}'"), problem, advice));
        };
        Self::from_epsg(code)
    }
}

/// Transforms coordinates of one system to another; does nothing where both are the same.
pub(super) struct Reprojection(Option<(Proj, Proj)>);

impl Reprojection {
    /// Describes why there is no transformation.
    pub fn between(from: &Crs, to: &Crs) -> std::result::Result<Self, String> {
        if let Some(crs) = [from, to].into_iter().find(|crs| !crs.is_known() && from != to) {
            return Err(format!("a file that states {crs} cannot be reprojected"));
        }
        let known = |crs: &Crs| match (crs.epsg(), crs.proj4()) {
            (Some(code), None) => Err(format!("EPSG:{code}: the registry has no such coordinate system")),
            (None, None) => Err(format!("{crs} cannot be reprojected")),
            (_, Some(text)) => definition(&text).map_err(|problem| format!("{crs}: {problem}")),
        };
        let way = (from != to).then(|| Ok((known(from)?, known(to)?))).transpose();
        way.map(Self).map_err(|problem: String| format!("no way from {from} to {to}: {problem}"))
    }

    /// The same point in the other system; `None` where that has no such point.
    pub fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        let Some((from, to)) = &self.0 else { return Some((x, y)) };
        let mut point = (x, y, 0.0);
        if from.is_latlong() {
            point = (x.to_radians(), y.to_radians(), 0.0);
        }
        proj4rs::transform::transform(from, to, &mut point).ok()?;
        if to.is_latlong() {
            point = (point.0.to_degrees(), point.1.to_degrees(), 0.0);
        }
        (point.0.is_finite() && point.1.is_finite()).then_some((point.0, point.1))
    }
}

/// The system of a PROJ.4 string, or why it cannot be used.
fn definition(text: &str) -> std::result::Result<Proj, String> {
    let says = |what: &str| text.contains(what);
    let datum = (says("+datum=") && !says("+datum=NAD27")) || says("+towgs84=") || says("+nadgrids=@null");
    if !datum {
        return Err("its definition has no parameters that lead from its datum to WGS 84".to_owned());
    }
    Proj::from_proj_string(text).map_err(|error| format!("it cannot be computed ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_gives_the_kind_of_its_system() {
        let crs = |text: &str| text.parse::<Crs>();
        assert!(matches!(crs("EPSG:4326"), Ok(Crs::Geographic { epsg: Some(4326), .. })));
        let Ok(Crs::Projected { metres, .. }) = crs("2263") else { panic!() };
        assert!((metres - 1200.0 / 3937.0).abs() < 1e-12, "New York counts in US survey feet");
        assert_eq!(crs("epsg:32649").unwrap().to_string(), "EPSG:32649");
        let refused = |text: &str| crs(text).unwrap_err().to_string();
        assert!(refused("UTM 33").starts_with("'UTM 33': not the EPSG code"));
        assert!(refused("EPSG:1").contains("no such coordinate system"));
        let way = Reprojection::between(&crs("EPSG:26717").unwrap(), &crs("EPSG:4326").unwrap());
        assert!(way.is_err_and(|problem| problem.contains("no parameters that lead from its datum")));
    }

    #[test]
    fn systems_without_a_code_are_distinguished_by_their_names() {
        let named = |name: &str| Crs::Geographic { epsg: None, name: Some(name.to_owned()), keys: None };
        assert_eq!(named("a"), named("a"));
        assert_ne!(named("a"), named("b"));
        assert_ne!(named("a"), Crs::from_epsg(4326).unwrap());
        assert_eq!(named("WGS 84"), named("WGS 84"));
        assert_eq!(named("old town").to_string(), "the geographic system 'old town' without EPSG code");
    }

    #[test]
    fn points_go_where_pyproj_sends_them() {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/rasters.json");
        let known: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(vectors).unwrap()).unwrap();
        let points = known["points"].as_array().unwrap();
        assert_eq!(points.len(), 18);
        for known in points {
            let crs = |end: &str| Crs::from_epsg(known[end].as_u64().unwrap() as u16).unwrap();
            let way = Reprojection::between(&crs("from"), &crs("to")).unwrap();
            let pairs = |end: &str| -> Vec<[f64; 2]> { serde_json::from_value(known[end].clone()).unwrap() };
            // A thousandth of a millimetre. Where PROJ takes two datums for one, such as ETRS89 and
            // WGS 84, their ellipsoids differ by less than one.
            let one_datum = [vec![4326, 3857, 32632, 32633, 32719], vec![4258, 25832]];
            let one_datum = one_datum
                .iter()
                .any(|datum| ["from", "to"].iter().all(|end| datum.contains(&known[*end].as_u64().unwrap())));
            let metres = if one_datum { 1e-6 } else { 1e-3 };
            let is_degrees = matches!(crs("to"), Crs::Geographic { .. });
            let tolerance = if is_degrees { metres / 111_000.0 } else { metres };
            for ([x, y], there) in pairs("at").into_iter().zip(pairs("there")) {
                let given = way.point((x, y)).unwrap();
                let apart = (given.0 - there[0]).hypot(given.1 - there[1]);
                assert!(apart < tolerance, "{} to {}: {apart}", known["from"], known["to"]);
            }
        }
        let way = Reprojection::between(&Crs::from_epsg(4326).unwrap(), &Crs::from_epsg(3857).unwrap());
        assert_eq!(way.unwrap().point((0.0, 90.0)), None, "Web Mercator has no poles");
    }
}
