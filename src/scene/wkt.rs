//! The .prj file of a shapefile: well-known text, of OGC (01-009, 18-010r7) or of Esri.
//!
//! The crate `proj4wkt` (0.1) overflows the stack on deeply nested text, and drops the EPSG code that the text states, by
//! which systems are compared here.

use super::crs::Crs;

/// `KEYWORD["name", …]`: the keyword, the first text in it, its numbers, and nested entries.
#[derive(Debug, Default)]
struct Node {
    keyword: String,
    texts: Vec<String>,
    numbers: Vec<f64>,
    nodes: Vec<Node>,
}

/// The system that the text describes: by its EPSG code if it states one, else by its projection and
/// datum, where these are UTM, longitude and latitude, Web Mercator or Europe's LAEA. The name, if it is
/// none of these or no WKT at all.
pub(super) fn parse(text: &str) -> Result<Crs, String> {
    let shown: String = text.split('"').nth(1).unwrap_or(text).trim().chars().take(60).collect();
    let Some(root) = Node::parse(text) else { return Err(shown) };
    let code = root.code().or_else(|| root.recognise());
    code.and_then(|code| Crs::from_epsg(code).ok()).ok_or(shown)
}

impl Node {
    fn parse(text: &str) -> Option<Self> {
        let mut open: Vec<Self> = vec![Self::default()];
        let mut rest = text.trim_start_matches('\u{feff}');
        while let Some(c) = rest.chars().next() {
            let node = open.last_mut()?;
            if c == '"' {
                let end = rest[1..].find('"')?;
                node.texts.push(rest[1..=end].to_owned());
                rest = &rest[end + 2..];
            } else if c.is_alphabetic() {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                rest = behind.trim_start();
                if let Some(inside) = rest.strip_prefix(['[', '(']) {
                    open.push(Self { keyword: word.to_ascii_uppercase(), ..Self::default() });
                    // Nesting this deep is no coordinate system.
                    (open.len() < 50).then_some(())?;
                    rest = inside;
                }
            } else if c.is_ascii_digit() || c == '-' || c == '+' || c == '.' {
                let number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let end = rest.find(|c| !number(c)).unwrap_or(rest.len());
                node.numbers.push(rest[..end].parse().ok()?);
                rest = &rest[end..];
            } else {
                if c == ']' || c == ')' {
                    let closed = open.pop()?;
                    open.last_mut()?.nodes.push(closed);
                }
                rest = &rest[c.len_utf8()..];
            }
        }
        let mut whole = open.pop().filter(|_| open.is_empty())?;
        (whole.nodes.len() == 1).then(|| whole.nodes.pop())?
    }

    fn child(&self, keywords: &[&str]) -> Option<&Self> {
        self.nodes.iter().find(|node| keywords.contains(&node.keyword.as_str()))
    }

    /// Its own EPSG code: `AUTHORITY["EPSG","32633"]` or `ID["EPSG",32633]`.
    fn code(&self) -> Option<u16> {
        let authority = self.child(&["AUTHORITY", "ID"])?;
        if !authority.texts.first()?.eq_ignore_ascii_case("EPSG") {
            return None;
        }
        let number = authority.numbers.first().map(|&number| number as u16);
        authority.texts.get(1).and_then(|text| text.parse().ok()).or(number)
    }

    /// The code of a system that is told without one.
    fn recognise(&self) -> Option<u16> {
        match self.keyword.as_str() {
            "GEOGCS" | "GEOGCRS" => self.datum().map(Datum::geographic),
            "PROJCS" | "PROJCRS" => {
                let base = self.child(&["GEOGCS", "BASEGEOGCRS", "BASEGEODCRS"])?;
                let unit = self.child(&["UNIT", "LENGTHUNIT"]).and_then(|unit| unit.numbers.first());
                if unit.is_some_and(|metres| (metres - 1.0).abs() > 1e-9) {
                    return None;
                }
                self.projected(base.datum()?)
            }
            _ => None,
        }
    }

    fn datum(&self) -> Option<Datum> {
        let greenwich = self.child(&["PRIMEM"]).is_none_or(|node| node.numbers.first() == Some(&0.0));
        let name = plain(self.child(&["DATUM", "ENSEMBLE"])?.texts.first()?);
        match name.strip_prefix('d').filter(|rest| *rest != "atum").unwrap_or(&name) {
            _ if !greenwich => None,
            "wgs1984" | "wgs84" | "worldgeodeticsystem1984" => Some(Datum::Wgs84),
            "etrs1989" | "etrs89" | "europeanterrestrialreferencesystem1989" => Some(Datum::Etrs89),
            _ => None,
        }
    }

    fn projected(&self, datum: Datum) -> Option<u16> {
        let method = plain(self.child(&["PROJECTION"])?.texts.first()?);
        // Names differ in case, underscores, and centre for origin.
        let is = |name: &[&str], wanted: f64| {
            let given = self
                .nodes
                .iter()
                .filter(|node| node.keyword == "PARAMETER")
                .find(|node| node.texts.first().is_some_and(|text| name.contains(&plain(text).as_str())));
            given.and_then(|node| node.numbers.first()).is_some_and(|value| (value - wanted).abs() < 1e-9)
        };
        let north = ["latitudeoforigin", "latitudeofcenter"];
        let east = ["centralmeridian", "longitudeofcenter", "longitudeoforigin"];
        match method.as_str() {
            "transversemercator" | "gausskruger" => {
                let south = is(&["falsenorthing"], 10_000_000.0);
                let zone = (1..=60u16).find(|&zone| is(&east, f64::from(zone) * 6.0 - 183.0))?;
                let utm = is(&["falseeasting"], 500_000.0)
                    && is(&["scalefactor"], 0.9996)
                    && is(&north, 0.0)
                    && (south || is(&["falsenorthing"], 0.0));
                utm.then(|| datum.utm(zone, south))?
            }
            "mercatorauxiliarysphere" => {
                let whole = datum == Datum::Wgs84
                    && is(&east, 0.0)
                    && is(&["standardparallel1"], 0.0)
                    && is(&["falseeasting"], 0.0)
                    && is(&["falsenorthing"], 0.0);
                whole.then_some(3857)
            }
            "lambertazimuthalequalarea" => {
                let europe = datum == Datum::Etrs89
                    && is(&north, 52.0)
                    && is(&east, 10.0)
                    && is(&["falseeasting"], 4_321_000.0)
                    && is(&["falsenorthing"], 3_210_000.0);
                europe.then_some(3035)
            }
            _ => None,
        }
    }
}

/// The two datums that are told by their names.
#[derive(Clone, Copy, PartialEq)]
enum Datum {
    Wgs84,
    Etrs89,
}

impl Datum {
    fn geographic(self) -> u16 {
        match self {
            Self::Wgs84 => 4326,
            Self::Etrs89 => 4258,
        }
    }

    fn utm(self, zone: u16, south: bool) -> Option<u16> {
        match (self, south) {
            (Self::Wgs84, false) => Some(32600 + zone),
            (Self::Wgs84, true) => Some(32700 + zone),
            (Self::Etrs89, false) => (28..=38).contains(&zone).then_some(25800 + zone),
            (Self::Etrs89, true) => None,
        }
    }
}

/// Letters and digits alone, in lower case: Esri and OGC write the same names with other signs.
fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geographic(datum: &str) -> String {
        format!(
            "GEOGCS[\"a\",DATUM[\"{datum}\",SPHEROID[\"a\",6378137.0,298.257223563]],\
             PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]]"
        )
    }

    fn projected(datum: &str, method: &str, parameters: &[(&str, f64)], metres: f64) -> String {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| format!("PARAMETER[\"{name}\",{value}],")).collect();
        let parameters = parameters.concat();
        let base = geographic(datum);
        format!("PROJCS[\"map\",{base},PROJECTION[\"{method}\"],{parameters}UNIT[\"Meter\",{metres}]]")
    }

    fn utm(datum: &str, meridian: f64, northing: f64) -> String {
        let parameters = [
            ("False_Easting", 500_000.0),
            ("False_Northing", northing),
            ("Central_Meridian", meridian),
            ("Scale_Factor", 0.9996),
            ("Latitude_Of_Origin", 0.0),
        ];
        projected(datum, "Transverse_Mercator", &parameters, 1.0)
    }

    fn code(text: &str) -> Option<u16> {
        parse(text).ok().and_then(|crs| crs.epsg())
    }

    #[test]
    fn systems_are_recognised_without_a_code() {
        assert_eq!(code(&utm("D_WGS_1984", 111.0, 0.0)), Some(32649));
        assert_eq!(code(&utm("D_WGS_1984", -69.0, 1e7)), Some(32719));
        assert_eq!(code(&utm("D_ETRS_1989", 9.0, 0.0)), Some(25832));
        assert_eq!(code(&geographic("D_WGS_1984")), Some(4326));
        assert_eq!(code(&geographic("European_Terrestrial_Reference_System_1989")), Some(4258));
        let europe = [
            ("latitude_of_center", 52.0),
            ("longitude_of_center", 10.0),
            ("false_easting", 4_321_000.0),
            ("false_northing", 3_210_000.0),
        ];
        assert_eq!(code(&projected("D_ETRS_1989", "Lambert_Azimuthal_Equal_Area", &europe, 1.0)), Some(3035));
        let web = ["False_Easting", "False_Northing", "Central_Meridian", "Standard_Parallel_1"];
        let web = web.map(|name| (name, 0.0));
        assert_eq!(code(&projected("D_WGS_1984", "Mercator_Auxiliary_Sphere", &web, 1.0)), Some(3857));
    }

    #[test]
    fn a_code_that_is_stated_counts_and_one_of_an_inner_part_does_not() {
        let inner = r#"GEOGCS["WGS 84",DATUM["x",SPHEROID["s",1,2,AUTHORITY["EPSG","7030"]]],AUTHORITY["EPSG","4326"]]"#;
        assert_eq!(code(inner), Some(4326));
        assert_eq!(code(&format!(r#"PROJCS["own",{inner},PROJECTION["Sinusoidal"]]"#)), None);
        let newer = r#"PROJCRS["WGS 84 / UTM zone 33N",BASEGEOGCRS["WGS 84"],ID["EPSG",32633]]"#;
        assert_eq!(code(newer), Some(32633));
        let other = r#"GEOGCS["x",AUTHORITY["ESRI","4326"]]"#;
        assert_eq!(code(other), None);
    }

    #[test]
    fn what_is_like_a_known_system_but_is_not_one_is_refused_by_its_name() {
        let feet = utm("D_WGS_1984", 111.0, 0.0).replace("\"Meter\",1", "\"Foot\",0.3048");
        for text in [feet, utm("D_Pulkovo_1942", 111.0, 0.0), utm("D_WGS_1984", 110.0, 0.0)] {
            assert_eq!(parse(&text).unwrap_err(), "map", "{text}");
        }
        let paris = geographic("D_WGS_1984").replace("\"Greenwich\",0.0", "\"Paris\",2.33722917");
        assert_eq!(code(&paris), None);
    }

    #[test]
    fn no_text_whatever_makes_it_panic() {
        let text = utm("D_WGS_1984", 111.0, 0.0);
        for length in 0..text.len() {
            assert_eq!(code(&text[..length]), None);
        }
        for text in ["", "[", "]", "\"", "a[", "a]]", "1e999", "ü[\"ß", "PROJCS[]", "GEOGCS[DATUM[]]"] {
            assert_eq!(code(text), None, "{text}");
        }
        assert_eq!(code(&"A[".repeat(100_000)), None);
    }
}
