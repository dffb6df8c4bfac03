//! What GDAL states about each band of a GeoTIFF, as XML in tag 42112: name, scale, offset and unit.
//!
//! GDAL writes `<Item name="SCALE" sample="0" role="scale">0.0001</Item>`, likewise `offset`, `description` and
//! `unittype`; bands are counted from 0. Other programs leave the role out, or state `scale_factor` and `add_offset`
//! (netCDF's names) once for all bands.

use std::fmt::Write as _;

use super::{Scaling, xml};

/// What a file states about one of its bands; `None` for what it does not state.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BandTags {
    /// The name (GDAL's description).
    pub name: Option<String>,
    /// The scale; NaN for a text that is not a number.
    pub scale: Option<f64>,
    /// The offset; NaN for a text that is not a number.
    pub offset: Option<f64>,
    /// The unit of scaled values (GDAL's `UNITTYPE`).
    pub unit: Option<String>,
}

impl BandTags {
    /// Whether a conversion of the values is stated; a scale of 1 with an offset of 0 converts nothing.
    pub(super) fn converts(&self) -> bool {
        self.scaling() != Scaling::NONE
    }

    /// The conversion stated.
    pub(super) fn scaling(&self) -> Scaling {
        Scaling { scale: self.scale.unwrap_or(1.0), offset: self.offset.unwrap_or(0.0) }
    }

    /// Reads the tags of `count` bands.
    pub(super) fn parse(text: &str, count: usize) -> Result<Vec<Self>, String> {
        let mut bands = vec![Self::default(); count];
        let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        let document = xml::document(text)?;
        for item in document.descendants().filter(|node| node.has_tag_name("Item")) {
            let attribute = |name| item.attribute(name).unwrap_or_default().to_ascii_lowercase();
            // GDAL escapes the text twice.
            let text = item.text().unwrap_or_default();
            let text =
                text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let number = || Some(text.parse().unwrap_or(f64::NAN));
            let (name, role) = (attribute("name"), attribute("role"));
            let set = |band: &mut Self| match (role.as_str(), name.as_str()) {
                ("scale", _) | ("", "scale" | "scale_factor") => band.scale = number(),
                ("offset", _) | ("", "offset" | "add_offset") => band.offset = number(),
                ("description", _) | ("", "description") => band.name = Some(text.to_owned()),
                ("unittype", _) => band.unit = Some(text.to_owned()),
                _ => {}
            };
            let sample = item.attribute("sample");
            if let Some(band) = sample.and_then(|k| k.parse::<usize>().ok()).and_then(|k| bands.get_mut(k)) {
                set(band);
            } else if sample.is_none() && matches!(name.as_str(), "scale_factor" | "add_offset") {
                // Stated once for all; a description of the whole file names no band.
                bands.iter_mut().for_each(set);
            }
        }
        Ok(bands)
    }

    /// The XML for bands of these names, scales and unit; empty where nothing is stated.
    pub(super) fn write(names: &[String], scaling: Option<&(Scaling, String)>) -> String {
        let mut items = String::new();
        for (band, name) in names.iter().enumerate() {
            let mut item = |name: &str, text: &str| {
                // GDAL undoes the escapes of XML twice.
                let text = text.replace('&', "&amp;amp;").replace('<', "&amp;lt;").replace('>', "&amp;gt;");
                let role = name.to_ascii_lowercase();
                // Writing to a string does not fail.
                let _ = writeln!(
                    items,
                    "  <Item name=\"{name}\" sample=\"{band}\" role=\"{role}\">{text}</Item>"
                );
            };
            if !name.is_empty() {
                item("DESCRIPTION", name);
            }
            if let Some((Scaling { scale, offset }, unit)) = scaling {
                item("OFFSET", &offset.to_string());
                item("SCALE", &scale.to_string());
                item("UNITTYPE", unit);
            }
        }
        if items.is_empty() { items } else { format!("<GDALMetadata>\n{items}</GDALMetadata>\n") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_and_offset_are_read_in_every_form_that_programs_write() {
        let scaled = |xml: &str| {
            let bands = BandTags::parse(&format!("<GDALMetadata>{xml}</GDALMetadata>\n\0"), 2).unwrap();
            bands.iter().map(|band| (band.scale, band.offset)).collect::<Vec<_>>()
        };
        let gdal = "<Item name=\"OFFSET\" sample=\"1\" role=\"offset\">-0.1</Item>
            <Item name=\"SCALE\" sample=\"1\" role=\"scale\">0.0001</Item>";
        assert_eq!(scaled(gdal), [(None, None), (Some(1e-4), Some(-0.1))]);
        let no_role =
            "<Item sample='0' name='Scale'> 1e-04 </Item><Item name='offset' sample='0'>-1E-1</Item>";
        assert_eq!(scaled(no_role), [(Some(1e-4), Some(-0.1)), (None, None)]);
        let of_file = "<Item name='scale_factor'>0.0001</Item><Item name='add_offset'>0.0</Item>";
        assert_eq!(scaled(of_file), [(Some(1e-4), Some(0.0)); 2]);
        let others = "<Item name='SCALE' role='scale' sample='7'>2</Item><Item name='SCALE'>3</Item>
            <Item name='OFFSET' role='colour' sample='0'>4</Item><Item name='SCALE' sample='0' role='scale'/>";
        assert_eq!(scaled(others), [(None, None); 2]);
        let comma =
            BandTags::parse("<G><Item name='SCALE' sample='0' role='scale'>0,0001</Item></G>", 1).unwrap();
        assert!(comma[0].scale.unwrap().is_nan());
        assert!(BandTags::parse("<GDALMetadata><Item", 1).is_err());
    }

    #[test]
    fn names_with_signs_of_xml_come_back() {
        let names = ["LCZ A & B".to_owned(), String::new(), "<entropy>".to_owned()];
        let scaling = (Scaling { scale: 2e-5, offset: -0.1 }, "reflectance".to_owned());
        let read = BandTags::parse(&BandTags::write(&names, Some(&scaling)), 3).unwrap();
        let stated: Vec<_> = read.iter().map(|band| band.name.as_deref().unwrap_or_default()).collect();
        assert_eq!(stated, ["LCZ A & B", "", "<entropy>"]);
        assert!(read.iter().all(|band| (band.scale, band.offset) == (Some(2e-5), Some(-0.1))));
        assert_eq!(read[1].unit.as_deref(), Some("reflectance"));
        assert_eq!(BandTags::write(&[String::new()], None), "");
    }
}
