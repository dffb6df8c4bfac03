//! The `GeoKeys` of a GeoTIFF (OGC 19-008r4): what its coordinates are, kept whole.
//!
//! A system without an EPSG code is described by keys alone. They are copied to every GeoTIFF on the same grid, so that it
//! lies where it should; and common projections are translated to a PROJ.4 string, which computes their scale and their
//! way to other systems.

use super::crs::Crs;

/// Keys that say what the coordinates are.
const MODEL_TYPE: u16 = 1024;
const RASTER_TYPE: u16 = 1025;
const CITATION: u16 = 1026;
const GEOGRAPHIC_TYPE: u16 = 2048;
const GEOGRAPHIC_CITATION: u16 = 2049;
const DATUM: u16 = 2050;
const PRIME_MERIDIAN: u16 = 2051;
const ANGULAR_UNITS: u16 = 2054;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR_AXIS: u16 = 2057;
const SEMI_MINOR_AXIS: u16 = 2058;
const INVERSE_FLATTENING: u16 = 2059;
const PROJECTED_TYPE: u16 = 3072;
const PROJECTED_CITATION: u16 = 3073;
const PROJECTION: u16 = 3074;
const METHOD: u16 = 3075;
const LINEAR_UNITS: u16 = 3076;
const LINEAR_UNIT_SIZE: u16 = 3077;
/// Where keys have numbers and text: `GeoDoubleParams`, `GeoAsciiParams`.
const DOUBLES: u16 = 34736;
const ASCII: u16 = 34737;
/// Pixels are areas.
const AREA: u16 = 1;
/// Metres in a unit, by EPSG code of the unit: metre, foot, US survey foot, kilometre.
const METRES: [(u16, f64); 4] = [(9001, 1.0), (9002, 0.3048), (9003, 1200.0 / 3937.0), (9036, 1000.0)];
/// Ellipsoids by EPSG code, with their names in PROJ.4.
const ELLIPSOIDS: [(u16, &str); 9] = [
    (7001, "airy"),
    (7004, "bessel"),
    (7008, "clrk66"),
    (7011, "clrk80ign"),
    (7012, "clrk80"),
    (7019, "GRS80"),
    (7022, "intl"),
    (7024, "krass"),
    (7030, "WGS84"),
];

/// The `GeoKeys` of a file, as they are in it. They are written with every GeoTIFF on a grid of the same system.
#[derive(Debug, Clone, PartialEq)]
pub struct GeoKeys {
    directory: Vec<u16>,
    doubles: Vec<f64>,
    texts: String,
}

/// The EPSG code of a unit of `metres` metres.
pub(super) fn unit_of(metres: f64) -> Option<u16> {
    METRES.iter().find(|(_, known)| (known / metres - 1.0).abs() < 1e-9).map(|(code, _)| *code)
}

impl GeoKeys {
    /// Of the tags' contents.
    pub(super) fn new(directory: Vec<u16>, doubles: Vec<f64>, texts: String) -> Self {
        Self { directory, doubles, texts }
    }

    /// Four numbers per key after a header of four: key, where its value is (0 = here), count, value.
    fn entries(&self) -> impl Iterator<Item = &[u16]> {
        self.directory.chunks_exact(4).skip(1)
    }

    fn entry(&self, wanted: u16) -> Option<&[u16]> {
        self.entries().find(|key| key[0] == wanted)
    }

    /// A whole number.
    fn value(&self, wanted: u16) -> Option<u16> {
        self.entry(wanted).filter(|key| key[1] == 0).map(|key| key[3])
    }

    /// A code: 32767 means "defined by other keys", 0 "undefined".
    fn code(&self, wanted: u16) -> Option<u16> {
        self.value(wanted).filter(|&code| code != 32767 && code != 0)
    }

    fn number(&self, wanted: u16) -> Option<f64> {
        let key = self.entry(wanted).filter(|key| key[1] == DOUBLES)?;
        self.doubles.get(usize::from(key[3])).copied().filter(|number| number.is_finite())
    }

    fn text(&self, wanted: u16) -> Option<String> {
        let key = self.entry(wanted).filter(|key| key[1] == ASCII)?;
        let text = self.texts.get(usize::from(key[3])..usize::from(key[3]) + usize::from(key[2]))?;
        let text = text.split(['|', '\0', '\n']).next()?.trim();
        // Esri writes `PCS Name = …`.
        let text = text.rsplit_once(" Name = ").map_or(text, |(_, name)| name);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// Whether coordinates are those of pixel centres.
    pub(super) fn are_of_centres(&self) -> bool {
        self.value(RASTER_TYPE) == Some(2)
    }

    /// The coordinate system that the keys describe.
    pub(super) fn crs(self) -> Crs {
        match self.value(MODEL_TYPE) {
            Some(1) => {
                let epsg = self.code(PROJECTED_TYPE);
                let metres = self.metres().unwrap_or_else(|| match epsg.map(Crs::from_epsg) {
                    Some(Ok(Crs::Projected { metres, .. })) => metres,
                    _ => 1.0,
                });
                let name = self.text(PROJECTED_CITATION).or_else(|| self.text(CITATION));
                Crs::Projected { epsg, metres, name, keys: self.kept() }
            }
            Some(2) => {
                let name = self.text(GEOGRAPHIC_CITATION).or_else(|| self.text(CITATION));
                Crs::Geographic { epsg: self.code(GEOGRAPHIC_TYPE), name, keys: self.kept() }
            }
            _ => Crs::Unknown,
        }
    }

    /// The keys, if they can be written again as they are.
    fn kept(self) -> Option<std::sync::Arc<Self>> {
        let stated = self.directory.get(3).map(|&keys| 4 * (usize::from(keys) + 1));
        (stated == Some(self.directory.len())).then(|| std::sync::Arc::new(self))
    }

    /// Metres in a unit of the coordinates, where the keys say.
    fn metres(&self) -> Option<f64> {
        let code = self.value(LINEAR_UNITS)?;
        let known = METRES.iter().find(|(known, _)| *known == code).map(|(_, metres)| *metres);
        known.or_else(|| self.number(LINEAR_UNIT_SIZE).filter(|&metres| metres > 0.0))
    }

    /// The directory, numbers and text of a file whose coordinates are those of pixel corners.
    pub(super) fn written(&self) -> (Vec<u16>, &[f64], &str) {
        let mut directory = self.directory.clone();
        for key in directory.chunks_exact_mut(4).skip(1).filter(|key| key[0] == RASTER_TYPE) {
            key[3] = AREA;
        }
        (directory, &self.doubles, &self.texts)
    }

    /// The system as a PROJ.4 string; `None` for another projection than the common ones.
    pub(super) fn proj4(&self) -> Option<String> {
        let datum = self.datum()?;
        if self.value(MODEL_TYPE) == Some(2) {
            return Some(format!("+proj=longlat {datum} +no_defs"));
        }
        // Angles of the projection are degrees, unless the keys say otherwise.
        self.value(ANGULAR_UNITS).is_none_or(|unit| unit == 9102).then_some(())?;
        let metres = self.metres().unwrap_or(1.0);
        let units = if metres == 1.0 { "+units=m".to_owned() } else { format!("+to_meter={metres}") };
        if let Some(zone @ (1..=60 | 101..=160)) =
            self.code(PROJECTION).and_then(|code| code.checked_sub(16000))
        {
            let south = if zone > 100 { " +south" } else { "" };
            return Some(format!("+proj=utm +zone={}{south} {datum} {units} +no_defs", zone % 100));
        }
        // Each parameter has several keys, by the method.
        let first = |keys: &[u16]| keys.iter().find_map(|&key| self.number(key));
        let longitude = first(&[3080, 3084, 3088, 3095]).unwrap_or(0.0);
        let latitude = first(&[3081, 3085, 3089]).unwrap_or(0.0);
        let easting = first(&[3082, 3086, 3090]).unwrap_or(0.0) * metres;
        let northing = first(&[3083, 3087, 3091]).unwrap_or(0.0) * metres;
        let scale = first(&[3092, 3093]).unwrap_or(1.0);
        let parallels = [3078, 3079].map(|key| self.number(key));
        let both = || Some(format!("+lat_1={} +lat_2={} +lat_0={latitude}", parallels[0]?, parallels[1]?));
        let method = match self.value(METHOD)? {
            1 => format!("+proj=tmerc +lat_0={latitude} +k={scale}"),
            7 => match parallels[0] {
                Some(parallel) => format!("+proj=merc +lat_ts={parallel}"),
                None => format!("+proj=merc +k={scale}"),
            },
            8 => format!("+proj=lcc {}", both()?),
            9 => format!("+proj=lcc +lat_1={latitude} +lat_0={latitude} +k_0={scale}"),
            10 => format!("+proj=laea +lat_0={latitude}"),
            11 => format!("+proj=aea {}", both()?),
            12 => format!("+proj=aeqd +lat_0={latitude}"),
            13 => format!("+proj=eqdc {}", both()?),
            14 => format!("+proj=stere +lat_0={latitude} +k={scale}"),
            15 => {
                let pole = if latitude < 0.0 { -90 } else { 90 };
                format!("+proj=stere +lat_0={pole} +lat_ts={latitude} +k={scale}")
            }
            16 => format!("+proj=sterea +lat_0={latitude} +k={scale}"),
            17 => format!("+proj=eqc +lat_ts={} +lat_0={latitude}", parallels[0].unwrap_or(0.0)),
            24 => "+proj=sinu".to_owned(),
            28 => format!("+proj=cea +lat_ts={}", parallels[0].unwrap_or(0.0)),
            _ => return None,
        };
        Some(format!("{method} +lon_0={longitude} +x_0={easting} +y_0={northing} {datum} {units} +no_defs"))
    }

    /// The words for datum and ellipsoid.
    fn datum(&self) -> Option<String> {
        self.code(PRIME_MERIDIAN).is_none_or(|meridian| meridian == 8901).then_some(())?;
        // A datum's geographic system has its code less 2000: 6326 and 4326.
        let of_datum = || self.code(DATUM).and_then(|code| code.checked_sub(2000));
        for code in self.code(GEOGRAPHIC_TYPE).into_iter().chain(of_datum()) {
            let Some(known) = crs_definitions::from_code(code) else { continue };
            let words = known.proj4.split_whitespace();
            let of_datum = ["+datum=", "+ellps=", "+towgs84=", "+nadgrids=", "+a=", "+b=", "+rf=", "+pm="];
            let words: Vec<&str> =
                words.filter(|word| of_datum.iter().any(|key| word.starts_with(key))).collect();
            if known.proj4.contains("+proj=longlat") && !words.is_empty() {
                return Some(words.join(" "));
            }
        }
        let code = self.code(ELLIPSOID);
        if let Some((_, name)) = ELLIPSOIDS.iter().find(|(known, _)| code == Some(*known)) {
            return Some(format!("+ellps={name}"));
        }
        let a = self.number(SEMI_MAJOR_AXIS).filter(|&a| a > 0.0)?;
        let minor = self.number(SEMI_MINOR_AXIS).filter(|&b| b > 0.0 && b <= a);
        match (minor, self.number(INVERSE_FLATTENING)) {
            (Some(b), _) => Some(format!("+a={a} +b={b}")),
            (None, Some(rf)) if rf > 1.0 => Some(format!("+a={a} +rf={rf}")),
            _ => Some(format!("+a={a} +b={a}")),
        }
    }
}
