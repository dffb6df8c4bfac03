//! The names of bands: of files' names and of what files state.

use std::collections::HashSet;
use std::path::Path;

use super::band_tags::BandTags;

/// The names of a file's bands, as its tags state them: `B02` and `B2, central wavelength 490 nm` are B2; texts in which
/// several bands would get one name are names as they are.
pub(super) fn stated_names(tags: &[BandTags]) -> Vec<Option<String>> {
    let texts = || tags.iter().map(|tags| tags.name.clone());
    let bands: Vec<_> = texts().map(|text| text.map(|text| band_in(&text).unwrap_or(text))).collect();
    let mut taken = HashSet::new();
    let twice = bands.iter().flatten().any(|name| !taken.insert(name));
    if twice { texts().collect() } else { bands }
}

/// The name of the one band of a file.
pub(super) fn name_of_single(path: &Path, stated: Option<&str>) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stated = stated.filter(|name| as_band(name).is_some());
    match (band_in(&stem), stated) {
        (Some(name), Some(stated)) if name != stated => {
            tracing::warn!("{}: band {name} by its name, but its description says {stated}", path.display());
            name
        }
        (Some(name), _) => name,
        (None, Some(stated)) => stated.to_owned(),
        (None, None) => stem.into_owned(),
    }
}

/// The last part of a text that is a band's name; a temperature of Landsat, `ST_B10`, is no B10.
pub(super) fn band_in(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(['_', '-', '.', ' ', ',', '(', ')']).collect();
    let (k, band) = (0..parts.len()).rev().find_map(|k| Some((k, as_band(parts[k])?)))?;
    let of_temperature = k > 0 && parts[k - 1].eq_ignore_ascii_case("ST");
    Some(if of_temperature { format!("{TEMPERATURE}{band}") } else { band })
}

/// What the names of temperatures start with.
const TEMPERATURE: &str = "ST_";

/// Whether a band of this name is a surface temperature of Landsat Collection 2, whose numbers are kelvin by a scale of their own.
pub(super) fn is_temperature(name: &str) -> bool {
    name.strip_prefix(TEMPERATURE).is_some_and(|band| as_band(band).is_some())
}

/// `B02` → `B2`, `b8a` → `B8A`; `None` for anything that is not a band name.
pub(super) fn as_band(part: &str) -> Option<String> {
    let part = part.to_ascii_uppercase();
    let rest = part.strip_prefix('B')?;
    let digits = rest.strip_suffix('A').unwrap_or(rest);
    let number: u32 = digits.parse().ok().filter(|_| digits.len() <= 2)?;
    Some(format!("B{number}{}", &rest[digits.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_band_is_named_after_its_file() {
        let named = |path: &str| name_of_single(Path::new(path), None);
        assert_eq!(named("landsat/LC81220442013333LGN00_B10.tif"), "B10");
        assert_eq!(named("aquileia/B02.tif"), "B2");
        assert_eq!(named("T32TMT_20190416T101031_B8A_20m.jp2.tif"), "B8A");
        assert_eq!(named("S2A_MSIL2A_20170617T113321_36_85_B01.tif"), "B1");
        assert_eq!(named("LC08_L2SP_193027_20230715_20230724_02_T1_ST_B10.TIF"), "ST_B10");
        assert!(is_temperature("ST_B10") && !is_temperature("B10") && !is_temperature("ST_TRAD"));
        assert_eq!(named("elevation.tif"), "elevation");
        assert_eq!(named("Bremen_B.tif"), "Bremen_B");
        assert_eq!(name_of_single(Path::new("export-0001.tif"), Some("B8A")), "B8A");
        assert_eq!(name_of_single(Path::new("elevation.tif"), Some("metres")), "elevation");
    }
}
