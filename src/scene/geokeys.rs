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

    /// The kind of system: 1 projected, 2 geographic. Where the key that says so is missing, the system itself does.
    fn model(&self) -> Option<u16> {
        let is_there = |keys: &[u16]| keys.iter().any(|&key| self.entry(key).is_some());
        match self.code(MODEL_TYPE) {
            None if is_there(&[PROJECTED_TYPE, PROJECTION, METHOD]) => Some(1),
            None if is_there(&[GEOGRAPHIC_TYPE, DATUM]) => Some(2),
            model => model,
        }
    }

    /// Whether the kind of the system is known from its code alone, so that its coordinates must fit.
    pub(super) fn lack_kind(&self) -> bool {
        self.code(MODEL_TYPE).is_none()
    }

    /// The coordinate system that the keys describe.
    pub(super) fn crs(self) -> Crs {
        match self.model() {
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
            _ if self.directory.is_empty() => Crs::Unknown,
            _ => self.kept().map_or(Crs::Unknown, Crs::Undetermined),
        }
    }

    /// The keys, if they can be written again as they are: as many as the header says, with all numbers and text.
    fn kept(self) -> Option<std::sync::Arc<Self>> {
        let stated = self.directory.get(3).map(|&keys| 4 * (usize::from(keys) + 1));
        let is_there = |key: &[u16]| {
            let end = usize::from(key[3]) + usize::from(key[2]);
            match key[1] {
                0 => true,
                DOUBLES => end <= self.doubles.len(),
                // A count may include the end of the text.
                ASCII => end <= self.texts.len() + 1,
                _ => false,
            }
        };
        let whole = stated == Some(self.directory.len()) && self.entries().all(is_there);
        whole.then(|| std::sync::Arc::new(self))
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
        if self.model() == Some(2) {
            return Some(format!("+proj=longlat {datum} +no_defs"));
        }
        // Angles of the projection are degrees, unless the keys say otherwise.
        self.value(ANGULAR_UNITS).is_none_or(|unit| unit == 9102).then_some(())?;
        // A unit that is not known is not the metre.
        let metres = if self.value(LINEAR_UNITS).is_some() { self.metres()? } else { 1.0 };
        let units = format!("+to_meter={metres}");
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

#[cfg(test)]
mod tests {
    use super::super::crs::Reprojection;
    use super::*;

    /// The system of a projection method on a geographic system, with these numbers.
    fn projected(method: u16, geographic: u16, numbers: &[(u16, f64)]) -> Crs {
        let mut keys = vec![
            [MODEL_TYPE, 0, 1, 1],
            [GEOGRAPHIC_TYPE, 0, 1, geographic],
            [PROJECTED_TYPE, 0, 1, 32767],
            [METHOD, 0, 1, method],
            [LINEAR_UNITS, 0, 1, 9001],
        ];
        keys.extend((0..).zip(numbers).map(|(k, (key, _))| [*key, DOUBLES, 1, k]));
        keys.insert(0, [1, 1, 1, keys.len() as u16]);
        let doubles = numbers.iter().map(|(_, number)| *number).collect();
        GeoKeys::new(keys.as_flattened().to_vec(), doubles, String::new()).crs()
    }

    #[test]
    fn systems_of_the_registry_told_by_their_keys_alone_are_the_same_places() {
        let laea = [(3088, 10.0), (3089, 52.0), (3082, 4_321_000.0), (3083, 3_210_000.0)];
        let lambert =
            [(3078, 49.0), (3079, 44.0), (3084, 3.0), (3085, 46.5), (3086, 700_000.0), (3087, 6_600_000.0)];
        let one_parallel = [(3080, 17.0), (3081, 50.0), (3082, 500_000.0), (3083, 200_000.0), (3092, 0.9996)];
        let albers = [(3078, 29.5), (3079, 45.5), (3080, -96.0), (3081, 23.0)];
        let polar = [(3081, -71.0), (3095, 0.0), (3092, 1.0)];
        let tm = [(3080, 15.0), (3081, 0.0), (3082, 500_000.0), (3083, 0.0), (3092, 0.9996)];
        for (code, crs, point) in [
            (3035, projected(10, 4258, &laea), (4.5e6, 3.1e6)),
            (2154, projected(8, 4171, &lambert), (6.5e5, 6.8e6)),
            (5070, projected(11, 4269, &albers), (1.0e6, 1.5e6)),
            (3031, projected(15, 4326, &polar), (1.0e6, -1.2e6)),
            (32633, projected(1, 4326, &tm), (4.2e5, 5.3e6)),
            (3395, projected(7, 4326, &[(3080, 0.0), (3092, 1.0)]), (1.0e6, 6.0e6)),
            (6933, projected(28, 4326, &[(3078, 30.0)]), (1.0e6, 5.0e6)),
        ] {
            assert_eq!((crs.epsg(), crs.keys().is_some()), (None, true));
            let degrees = Crs::from_epsg(4326).unwrap();
            let place = |crs: &Crs| Reprojection::between(crs, &degrees).unwrap().point(point).unwrap();
            let (wanted, given) = (place(&Crs::from_epsg(code).unwrap()), place(&crs));
            let apart = (wanted.0 - given.0).hypot(wanted.1 - given.1);
            assert!(apart < 1e-8, "EPSG:{code}: {wanted:?} {given:?}, {:?}", crs.proj4());
        }
        // A cone with one parallel is true to its scale factor there.
        let ground =
            super::super::ground::Ground::at(&projected(9, 4326, &one_parallel), (5e5, 2e5)).unwrap();
        assert!((ground.length([1.0, 0.0]) - 1.0).abs() < 1e-3);
        let zone = GeoKeys::new(
            [[1, 1, 1, 3], [1024, 0, 1, 1], [2048, 0, 1, 4326], [3074, 0, 1, 16133]].concat(),
            vec![],
            String::new(),
        );
        assert!(zone.proj4().is_some_and(|text| text.starts_with("+proj=utm +zone=33 +south +datum=WGS84")));
    }

    #[test]
    fn keys_that_are_not_whole_are_not_kept_and_no_keys_make_it_panic() {
        let keys = [[1, 1, 1, 3], [1024, 0, 1, 1], [1026, ASCII, 5, 0], [3080, DOUBLES, 1, 0]].concat();
        let kept = |keys: &[u16], doubles: &[f64], text: &str| {
            GeoKeys::new(keys.to_vec(), doubles.to_vec(), text.to_owned()).crs().keys().is_some()
        };
        assert!(kept(&keys, &[3.0], "town|") && kept(&keys, &[3.0], "town"));
        assert!(
            !kept(&keys, &[], "town|") && !kept(&keys, &[3.0], "tow") && !kept(&keys[..12], &[3.0], "town|")
        );
        let mut odd = keys.clone();
        for place in 0..keys.len() {
            for value in [0, 1, 5, 1024, ASCII, DOUBLES, u16::MAX] {
                odd[place] = value;
                let crs = GeoKeys::new(odd.clone(), vec![3.0], "töwn".to_owned()).crs();
                let _ = (crs.to_string(), crs.proj4());
            }
            odd[place] = keys[place];
        }
    }
}
