//! What the XML of a product and the names of its images state.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use roxmltree::{Document, Node};

use super::{Files, ProductBand};
use crate::scene::jpeg2000::GET_AGAIN;
use crate::scene::{Crs, Grid, Transform, xml};
use crate::{Error, Result};

/// The bands in the order of their ids in the XML: name, name in files, metres at best.
const BANDS: [(&str, &str, u32); 13] = [
    ("B1", "B01", 60),
    ("B2", "B02", 10),
    ("B3", "B03", 10),
    ("B4", "B04", 10),
    ("B5", "B05", 20),
    ("B6", "B06", 20),
    ("B7", "B07", 20),
    ("B8", "B08", 10),
    ("B8A", "B8A", 20),
    ("B9", "B09", 60),
    ("B10", "B10", 60),
    ("B11", "B11", 20),
    ("B12", "B12", 20),
];
/// The name of the scene classes in files.
pub(super) const SCENE_CLASSES: &str = "SCL";

/// How the numbers of each band become reflectance.
pub(super) struct Calibration {
    quantification: f64,
    /// The element of the offsets.
    element: &'static str,
    /// By band; empty where the XML has none.
    offsets: BTreeMap<&'static str, f64>,
}

impl Calibration {
    pub fn of(xml: &Xml<'_>, level: &str) -> Result<Self> {
        let (quantification, element) = match level {
            "L1C" => ("QUANTIFICATION_VALUE", "RADIO_ADD_OFFSET"),
            _ => ("BOA_QUANTIFICATION_VALUE", "BOA_ADD_OFFSET"),
        };
        let quantification = xml.number(xml.wanted(&[quantification, "L2A_BOA_QUANTIFICATION_VALUE"])?)?;
        if quantification <= 0.0 {
            return Err(xml.refuse(format!("quantification value {quantification}")));
        }
        let mut offsets = BTreeMap::new();
        for offset in xml.all(element) {
            let id = offset.attribute("band_id");
            let known = id.and_then(|id| id.parse::<usize>().ok()).and_then(|id| BANDS.get(id));
            let Some((band, ..)) = known else {
                return Err(xml.refuse(format!("{element} of no known band ({id:?})")));
            };
            offsets.insert(*band, xml.number(offset.text().unwrap_or_default().trim())?);
        }
        Ok(Self { quantification, element, offsets })
    }

    /// Scale and offset of a band.
    pub fn of_band(&self, name: &str, xml: &Xml<'_>) -> Result<[f64; 2]> {
        let offset = match self.offsets.get(name) {
            Some(offset) => *offset,
            None if self.offsets.is_empty() => 0.0,
            None => return Err(xml.refuse(format!("{} of band {name} is missing", self.element))),
        };
        Ok([1.0, offset].map(|value| value / self.quantification))
    }
}

/// Of each band, the finest image that is listed or there; and all scene classes, the finest first.
pub(super) fn images(
    xml: &Xml<'_>,
    files: &Files,
    granule: &str,
    grids: &Grids,
    calibration: &Calibration,
) -> Result<(Vec<ProductBand>, Vec<ProductBand>)> {
    let lists = ["IMAGE_FILE", "IMAGE_ID", "IMAGE_FILE_2A", "IMAGE_ID_2A"];
    let listed = xml.document.descendants().filter(|node| lists.contains(&node.tag_name().name()));
    let listed = listed.filter_map(|node| node.text()).map(|name| format!("{}.jp2", name.trim()));
    let listed = listed.filter(|name| name.starts_with(granule)).collect::<Vec<_>>();
    let found = files.names().filter(|name| name.starts_with(granule) && name.contains("/IMG_DATA/"));
    let (mut bands, mut scene_classes) = (Vec::<ProductBand>::new(), Vec::<ProductBand>::new());
    for file in found.chain(listed.iter().map(String::as_str)) {
        let Some((name, metres)) = band_of(file) else { continue };
        let classes = name == SCENE_CLASSES;
        let [scale, offset] = if classes { [1.0, 0.0] } else { calibration.of_band(name, xml)? };
        let grid = grids.at(metres)?;
        let size = [grid.rows, grid.columns];
        let (name, file, present) = (name.to_owned(), file.to_owned(), files.has(file));
        let band = ProductBand { name, metres, size, scale, offset, file, present, grid };
        if classes {
            scene_classes.push(band);
        } else if let Some(known) = bands.iter_mut().find(|known| known.name == band.name) {
            if band.metres < known.metres {
                *known = band;
            }
        } else {
            bands.push(band);
        }
    }
    if bands.is_empty() {
        let problem = format!("{granule}IMG_DATA has no images of bands");
        return Err(Error::file(files.root(), problem, GET_AGAIN));
    }
    bands.sort_by_key(|band| BANDS.iter().position(|(name, ..)| *name == band.name));
    scene_classes.sort_by_key(|band| (band.metres, !band.present));
    Ok((bands, scene_classes))
}

/// The band that an image is of, and its metres per pixel: `…_B02_10m.jp2`, `…_B02.jp2`.
fn band_of(file: &str) -> Option<(&'static str, u32)> {
    let stem = Path::new(file).file_name()?.to_str()?.strip_suffix(".jp2")?;
    let mut parts: Vec<&str> = stem.split('_').collect();
    let metres = parts.last().and_then(|part| part.strip_suffix('m')).and_then(|metres| metres.parse().ok());
    if metres.is_some() {
        parts.pop();
    }
    // Early scene classes: S2A_USER_SCL_L2A_TL_….
    if parts.contains(&SCENE_CLASSES) {
        return Some((SCENE_CLASSES, metres.unwrap_or(20)));
    }
    let (name, _, best) = BANDS.iter().find(|(_, in_files, _)| parts.last() == Some(in_files))?;
    Some((name, metres.unwrap_or(*best)))
}

/// Whether this names a tile: T, zone, three letters.
pub(super) fn is_tile(part: &str) -> bool {
    let [b'T', zone @ ..] = part.as_bytes() else { return false };
    zone.len() == 5
        && zone[..2].iter().all(u8::is_ascii_digit)
        && zone[2..].iter().all(u8::is_ascii_uppercase)
}

/// The grids of a tile, by metres per pixel.
pub(super) struct Grids {
    pub crs: Crs,
    of_metres: BTreeMap<u32, Grid>,
    place: PathBuf,
}

impl Grids {
    pub fn of(xml: &Xml<'_>) -> Result<Self> {
        let crs =
            xml.wanted(&["HORIZONTAL_CS_CODE"])?.parse::<Crs>().map_err(|error| error.within(&xml.place))?;
        let at = |node: Node<'_, '_>| node.attribute("resolution")?.parse::<u32>().ok();
        let mut positions = BTreeMap::new();
        for position in xml.all("Geoposition") {
            if let Some(metres) = at(position) {
                positions.entry(metres).or_insert(position);
            }
        }
        let mut of_metres = BTreeMap::new();
        for size in xml.all("Size") {
            let Some(metres) = at(size) else { continue };
            let Some(&position) = positions.get(&metres) else { continue };
            let number = |node: Node<'_, '_>, name: &str| match child(node, name) {
                Some(text) => xml.number(text),
                None => Err(xml.refuse(format!("{name} of {metres} m is missing"))),
            };
            let of = |name: &str| number(position, name);
            let transform = Transform([of("ULX")?, of("XDIM")?, 0.0, of("ULY")?, 0.0, of("YDIM")?]);
            let [rows, columns] = [number(size, "NROWS")?, number(size, "NCOLS")?];
            if !transform.is_invertible() || !(1.0..1e6).contains(&rows) || !(1.0..1e6).contains(&columns) {
                return Err(xml.refuse(format!("{rows} x {columns} pixels of {metres} m")));
            }
            let (rows, columns) = (rows as usize, columns as usize);
            let grid = || Grid { rows, columns, transform: Some(transform), crs: crs.clone() };
            of_metres.entry(metres).or_insert_with(grid);
        }
        Ok(Self { crs, of_metres, place: xml.place.clone() })
    }

    pub fn at(&self, metres: u32) -> Result<Grid> {
        self.of_metres.get(&metres).cloned().ok_or_else(|| {
            let problem = format!("size and position of pixels of {metres} m are missing");
            Error::file(&self.place, problem, GET_AGAIN)
        })
    }
}

/// An XML file.
pub(super) struct Xml<'a> {
    pub document: Document<'a>,
    pub place: PathBuf,
}

impl<'a> Xml<'a> {
    pub fn of(text: &'a str, place: PathBuf) -> Result<Self> {
        Ok(Self { document: xml::parse(&place, text)?, place })
    }

    pub fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = Node<'b, 'a>> {
        self.document.descendants().filter(move |node| node.tag_name().name() == name)
    }

    /// The text of the first element of one of these names, in their order.
    pub fn first(&self, names: &[&str]) -> Option<&str> {
        let named = |name| self.document.descendants().find(move |node| node.tag_name().name() == name);
        let text = names.iter().find_map(|name| named(*name)?.text()).map(str::trim);
        text.filter(|text| !text.is_empty())
    }

    pub fn wanted(&self, names: &[&str]) -> Result<&str> {
        self.first(names).ok_or_else(|| self.refuse(format!("{} is missing", names[0])))
    }

    pub fn number(&self, text: &str) -> Result<f64> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.refuse(format!("'{text}' is not a number")))
    }

    pub fn refuse(&self, problem: String) -> Error {
        Error::file(&self.place, problem, GET_AGAIN)
    }
}

/// The text of a child of this name.
pub(super) fn child<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    node.children().find(|child| child.tag_name().name() == name)?.text().map(str::trim)
}
