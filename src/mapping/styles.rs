//! Names and colours of a map's classes for other programs: `MAP.tif.aux.xml` for GDAL, `MAP.qml` for QGIS, which both read a
//! file of that name next to the map.

use std::fmt::Write;
use std::path::Path;

use super::report::MapNumbers;
use crate::display::escaped;
use crate::scene::xml;
use crate::{Classes, Error, Result, Zone};

/// GDAL's persistent auxiliary metadata: a name and a colour for each value of the bands of classes, the first `bands`.
pub(super) fn auxiliary(table: &MapNumbers, bands: usize) -> String {
    let (names, colours) = (names(table), table.colours());
    let mut text = "<PAMDataset>\n".to_owned();
    for band in 1..=bands {
        let _ = writeln!(text, "  <PAMRasterBand band=\"{band}\">\n    <CategoryNames>");
        for name in &names {
            let _ = writeln!(text, "      <Category>{}</Category>", escaped(name));
        }
        text += "    </CategoryNames>\n    <ColorTable>\n";
        for [red, green, blue] in &colours[..names.len()] {
            let _ = writeln!(text, "      <Entry c1=\"{red}\" c2=\"{green}\" c3=\"{blue}\" c4=\"255\"/>");
        }
        text += "    </ColorTable>\n  </PAMRasterBand>\n";
    }
    text + "</PAMDataset>\n"
}

/// The classes that [`auxiliary`] has named next to a map, whose numbers are the zones' if `zones`.
pub(super) fn classes_next_to(map: &Path, zones: bool) -> Result<Classes> {
    let path = map.with_extension("tif.aux.xml");
    let text = crate::files::read_text(&path)?;
    let document = xml::parse(&path, &text)?;
    let of_first = document.descendants().find(|node| node.has_tag_name("CategoryNames"));
    let categories = of_first.into_iter().flat_map(|names| names.children());
    let categories = categories.filter(|node| node.has_tag_name("Category"));
    let named = categories.map(|node| node.text().unwrap_or_default().to_owned()).enumerate();
    let named = named.filter(|(_, name)| !name.is_empty());
    if !zones {
        return Classes::named(named.map(|(_, name)| name)).map_err(|error| error.within(&path));
    }
    let found: Option<Vec<Zone>> = named.map(|(number, _)| Zone::from_number(number)).collect();
    found
        .filter(|zones| !zones.is_empty())
        .map(Classes::from_zones)
        .ok_or_else(|| Error::file(&path, "its categories are not zones", "map the shard again with lcz map"))
}

/// QGIS's style: the first band by its classes.
pub(super) fn qgis(table: &MapNumbers) -> String {
    let mut text = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n\
        <qgis version=\"3.22\" styleCategories=\"Symbology\">\n  <pipe>\n    \
        <rasterrenderer type=\"paletted\" band=\"1\" opacity=\"1\" alphaBand=\"-1\">\n      <colorPalette>\n"
        .to_owned();
    for (value, (name, [red, green, blue])) in names(table).iter().zip(table.colours()).enumerate() {
        if !name.is_empty() {
            let label = escaped(name);
            let _ = writeln!(
                text,
                "        <paletteEntry value=\"{value}\" color=\"#{red:02x}{green:02x}{blue:02x}\" label=\"{label}\" alpha=\"255\"/>"
            );
        }
    }
    text + "      </colorPalette>\n    </rasterrenderer>\n  </pipe>\n</qgis>\n"
}

/// The name of each value from 0 on; empty where there is no class.
fn names(table: &MapNumbers) -> Vec<String> {
    let classes = table.classes();
    let last = (0..classes.len()).map(|k| table.number(k)).max().unwrap_or(0);
    (0..=last).map(|number| table.class(number).map_or_else(String::new, |k| classes.name(k))).collect()
}
