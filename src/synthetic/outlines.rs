//! Polygons along the edges of pixels, and the shapefile they go into.

use std::fs::{self, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use shapefile::dbase::{FieldName, FieldValue, Record, TableWriterBuilder};
use shapefile::{Point, Polygon, PolygonRing, Writer};

use crate::{Error, Result, Zone};

/// WGS 84 / UTM zone 25N, in the notation of shapefiles.
const PROJECTION: &str = "PROJCS[\"WGS_1984_UTM_Zone_25N\",GEOGCS[\"GCS_WGS_1984\",DATUM[\"D_WGS_1984\",\
    SPHEROID[\"WGS_1984\",6378137.0,298.257223563]],PRIMEM[\"Greenwich\",0.0],UNIT[\"Degree\",0.0174532925199433]],\
    PROJECTION[\"Transverse_Mercator\"],PARAMETER[\"False_Easting\",500000.0],PARAMETER[\"False_Northing\",0.0],\
    PARAMETER[\"Central_Meridian\",-33.0],PARAMETER[\"Scale_Factor\",0.9996],PARAMETER[\"Latitude_Of_Origin\",0.0],\
    UNIT[\"Meter\",1.0]]";

/// A district on the map.
pub(super) struct Outline {
    pub(super) zone: Zone,
    /// Rings of map coordinates, closed; clockwise around the district, counterclockwise around holes.
    pub(super) rings: Vec<Vec<(f64, f64)>>,
}

/// The closed rings of pixel corners (line, column) around the pixels of a mask, clockwise with north up,
/// counterclockwise around holes. Pixels that touch at a corner only lie in rings of their own.
pub(super) fn trace(mask: &[bool], columns: usize) -> Vec<Vec<(usize, usize)>> {
    /// East, south, west, north: the mask is to the right.
    const STEPS: [(isize, isize); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)];
    let rows = mask.len() / columns;
    let inside = |row: isize, column: isize| {
        (0..rows as isize).contains(&row)
            && (0..columns as isize).contains(&column)
            && mask[row as usize * columns + column as usize]
    };
    // The edge that leaves a corner in a direction has the mask to its right and not to its left.
    let leaves = |row: isize, column: isize, direction: usize| {
        let (right, left) = match direction {
            0 => ((row, column), (row - 1, column)),
            1 => ((row, column - 1), (row, column)),
            2 => ((row - 1, column - 1), (row, column - 1)),
            _ => ((row - 1, column), (row - 1, column - 1)),
        };
        inside(right.0, right.1) && !inside(left.0, left.1)
    };
    // Each ring has an edge that goes east: where these have been walked, the ring is known.
    let mut walked = vec![false; (rows + 1) * (columns + 1)];
    let mut rings = Vec::new();
    for row in 0..=rows as isize {
        for column in 0..columns as isize {
            if walked[row as usize * (columns + 1) + column as usize] || !leaves(row, column, 0) {
                continue;
            }
            let (mut at, mut direction) = ((row, column), 0);
            let mut ring = vec![(row as usize, column as usize)];
            loop {
                if direction == 0 {
                    walked[at.0 as usize * (columns + 1) + at.1 as usize] = true;
                }
                at = (at.0 + STEPS[direction].0, at.1 + STEPS[direction].1);
                // Right first: at a corner of four pixels this keeps to the one that is followed.
                let turns = [1, 0, 3].map(|turn| (direction + turn) % 4);
                let next = turns.into_iter().find(|&next| leaves(at.0, at.1, next)).unwrap_or(direction);
                let closed = at == (row, column) && next == 0;
                if next != direction || closed {
                    ring.push((at.0 as usize, at.1 as usize));
                }
                direction = next;
                if closed {
                    break;
                }
            }
            rings.push(ring);
        }
    }
    rings
}

/// Land cover in the classes of Urban Atlas, as far as it follows from a zone.
fn land_cover(zone: Zone) -> (u32, &'static str) {
    match zone {
        Zone::CompactHighRise | Zone::CompactMidRise | Zone::CompactLowRise | Zone::LightweightLowRise => {
            (11100, "continuous urban fabric")
        }
        Zone::OpenHighRise | Zone::OpenMidRise => (11210, "discontinuous dense urban fabric"),
        Zone::OpenLowRise => (11220, "discontinuous medium density urban fabric"),
        Zone::SparselyBuilt => (11240, "discontinuous very low density urban fabric"),
        Zone::LargeLowRise | Zone::HeavyIndustry => (12100, "industrial, commercial, public units"),
        Zone::DenseTrees => (31000, "forests"),
        Zone::ScatteredTrees => (14100, "green urban areas"),
        Zone::BushScrub => (32000, "herbaceous vegetation associations"),
        Zone::LowPlants => (21000, "arable land"),
        Zone::BareRockOrPaved | Zone::BareSoilOrSand => (33000, "open spaces with little or no vegetation"),
        Zone::Water => (50000, "water"),
    }
}

/// Writes a shapefile: `.shp`, `.shx`, `.dbf`, `.prj` and `.cpg`.
pub(super) fn write(path: &Path, outlines: &[Outline], provenance: &str) -> Result<()> {
    let fail = |error: shapefile::Error| match error {
        shapefile::Error::IoError(error) => Error::io(path)(error),
        other => Error::Internal { what: "writing a shapefile", detail: other.to_string() },
    };
    let name = |name: &str| FieldName::try_from(name).map_err(Error::internal("writing a shapefile"));
    let table = TableWriterBuilder::new()
        .add_numeric_field(name("VALUE")?, 3, 0)
        .add_character_field(name("LCZ")?, 2)
        .add_character_field(name("NAME")?, 30)
        .add_numeric_field(name("polygon_id")?, 9, 0)
        .add_numeric_field(name("LC_CODE")?, 6, 0)
        .add_character_field(name("LC_NAME")?, 60)
        .add_character_field(name("SOURCE")?, 60);
    let mut writer = Writer::from_path(path, table).map_err(fail)?;
    for (number, outline) in (1u32..).zip(outlines) {
        let rings = outline.rings.iter().map(|ring| {
            let points: Vec<Point> = ring.iter().map(|&(x, y)| Point::new(x, y)).collect();
            if is_clockwise(ring) { PolygonRing::Outer(points) } else { PolygonRing::Inner(points) }
        });
        let (code, cover) = land_cover(outline.zone);
        let text = |text: &str| FieldValue::Character(Some(text.to_owned()));
        let mut record = Record::default();
        record.insert("VALUE".to_owned(), FieldValue::Numeric(Some(outline.zone.number() as f64)));
        record.insert("LCZ".to_owned(), text(outline.zone.code()));
        record.insert("NAME".to_owned(), text(outline.zone.name()));
        record.insert("polygon_id".to_owned(), FieldValue::Numeric(Some(f64::from(number))));
        record.insert("LC_CODE".to_owned(), FieldValue::Numeric(Some(f64::from(code))));
        record.insert("LC_NAME".to_owned(), text(cover));
        record.insert("SOURCE".to_owned(), text(provenance));
        writer.write_shape_and_record(&Polygon::with_rings(rings.collect()), &record).map_err(fail)?;
    }
    drop(writer);
    undate(&path.with_extension("dbf"))?;
    for (extension, text) in [("prj", PROJECTION), ("cpg", "UTF-8")] {
        let path = path.with_extension(extension);
        fs::write(&path, text).map_err(Error::io(&path))?;
    }
    Ok(())
}

/// A table's header has the day it was written: with a fixed one, 1 January 2000, the same seed gives the same
/// file tomorrow.
fn undate(table: &Path) -> Result<()> {
    let mut file = OpenOptions::new().write(true).open(table).map_err(Error::io(table))?;
    file.seek(SeekFrom::Start(1)).and_then(|_| file.write_all(&[100, 1, 1])).map_err(Error::io(table))
}

/// By the sign of the enclosed area, north up.
fn is_clockwise(ring: &[(f64, f64)]) -> bool {
    ring.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[1].1 + pair[0].1)).sum::<f64>() > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings(picture: &[&str]) -> Vec<Vec<(usize, usize)>> {
        let mask: Vec<bool> =
            picture.iter().flat_map(|line| line.bytes().map(|pixel| pixel == b'#')).collect();
        trace(&mask, picture[0].len())
    }

    #[test]
    fn a_square_is_walked_clockwise() {
        assert_eq!(rings(&["...", ".#.", "..."]), [[(1, 1), (1, 2), (2, 2), (2, 1), (1, 1)]]);
    }

    #[test]
    fn a_hole_is_walked_the_other_way() {
        let found = rings(&["###", "#.#", "###"]);
        assert_eq!(found[0], [(0, 0), (0, 3), (3, 3), (3, 0), (0, 0)]);
        assert_eq!(found[1], [(2, 1), (2, 2), (1, 2), (1, 1), (2, 1)][..]);
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn pixels_that_touch_at_a_corner_have_rings_of_their_own() {
        assert_eq!(rings(&["#.", ".#"]).len(), 2);
        assert_eq!(rings(&[".#", "#."]).len(), 2);
    }
}
