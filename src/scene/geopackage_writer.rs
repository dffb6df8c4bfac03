//! A GeoPackage (OGC 12-128r15) of one layer of polygons in longitude and latitude.

use std::path::Path;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

use super::layer::Ring;
use super::nesting::{depth, within};
use crate::files::Partial;
use crate::{Error, Result};

/// The coordinate system, as the standard wants it described.
const WGS_84: &str = "GEOGCS[\"WGS 84\",DATUM[\"WGS_1984\",SPHEROID[\"WGS 84\",6378137,298.257223563,AUTHORITY[\"EPSG\",\"7030\"]],\
     AUTHORITY[\"EPSG\",\"6326\"]],PRIMEM[\"Greenwich\",0,AUTHORITY[\"EPSG\",\"8901\"]],UNIT[\"degree\",0.0174532925199433,\
     AUTHORITY[\"EPSG\",\"9122\"]],AUTHORITY[\"EPSG\",\"4326\"]]";

/// The tables that every GeoPackage has.
const TABLES: &str = "
PRAGMA application_id = 0x47504B47;
PRAGMA user_version = 10300;
CREATE TABLE gpkg_spatial_ref_sys (srs_name TEXT NOT NULL, srs_id INTEGER PRIMARY KEY, organization TEXT NOT NULL,
  organization_coordsys_id INTEGER NOT NULL, definition TEXT NOT NULL, description TEXT);
CREATE TABLE gpkg_contents (table_name TEXT NOT NULL PRIMARY KEY, data_type TEXT NOT NULL, identifier TEXT UNIQUE,
  description TEXT DEFAULT '', last_change DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
  min_x DOUBLE, min_y DOUBLE, max_x DOUBLE, max_y DOUBLE, srs_id INTEGER REFERENCES gpkg_spatial_ref_sys(srs_id));
CREATE TABLE gpkg_geometry_columns (table_name TEXT NOT NULL PRIMARY KEY REFERENCES gpkg_contents(table_name),
  column_name TEXT NOT NULL, geometry_type_name TEXT NOT NULL, srs_id INTEGER NOT NULL REFERENCES gpkg_spatial_ref_sys(srs_id),
  z TINYINT NOT NULL, m TINYINT NOT NULL);
INSERT INTO gpkg_spatial_ref_sys VALUES ('Undefined Cartesian', -1, 'NONE', -1, 'undefined', NULL),
  ('Undefined geographic', 0, 'NONE', 0, 'undefined', NULL);
";

/// The names of the attributes: texts first.
pub(super) struct Columns<'a> {
    pub texts: &'a [&'a str],
    pub numbers: &'a [&'a str],
}

/// A polygon and its attributes.
pub(super) struct Row<'a> {
    /// Outlines and holes, by the even-odd rule, in degrees.
    pub rings: &'a [Ring],
    pub texts: Vec<String>,
    pub numbers: Vec<Option<f64>>,
}

/// Writes a layer; the names are the caller's own, not a user's.
pub(super) fn write<'a>(
    path: &Path,
    layer: &str,
    about: &str,
    columns: &Columns<'_>,
    rows: impl Iterator<Item = Row<'a>>,
) -> Result<()> {
    let partial = Partial::file(path)?;
    let fill = || -> rusqlite::Result<()> {
        let mut connection = Connection::open(partial.path())?;
        // The file has no name yet: no journal has to bring it back.
        connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        let degrees = "INSERT INTO gpkg_spatial_ref_sys VALUES ('WGS 84', 4326, 'EPSG', 4326, ?1, NULL)";
        transaction.execute(degrees, [WGS_84])?;
        let of_kind = |names: &[&str], kind: &str| {
            names.iter().flat_map(|name| [", ", name, " ", kind]).collect::<String>()
        };
        let attributes = of_kind(columns.texts, "TEXT") + &of_kind(columns.numbers, "DOUBLE");
        let table = format!(
            "CREATE TABLE {layer} (fid INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, geom MULTIPOLYGON{attributes})"
        );
        transaction.execute_batch(&table)?;
        let values = vec!["?"; 1 + columns.texts.len() + columns.numbers.len()].join(", ");
        let insert = format!("INSERT INTO {layer} VALUES (NULL, {values})");
        let mut bounds = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
        for row in rows {
            for &(x, y) in row.rings.iter().flatten() {
                bounds = [bounds[0].min(x), bounds[1].min(y), bounds[2].max(x), bounds[3].max(y)];
            }
            let geometry = [Value::Blob(geometry(row.rings))];
            let texts = row.texts.into_iter().map(Value::Text);
            let numbers = row.numbers.into_iter().map(|number| number.map_or(Value::Null, Value::Real));
            transaction
                .execute(&insert, params_from_iter(geometry.into_iter().chain(texts).chain(numbers)))?;
        }
        let bounds = bounds.map(|bound| bound.is_finite().then_some(bound));
        transaction.execute(
            "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, min_x, min_y, max_x, max_y, srs_id)
             VALUES (?1, 'features', ?1, ?2, ?3, ?4, ?5, ?6, 4326)",
            params![layer, about, bounds[0], bounds[1], bounds[2], bounds[3]],
        )?;
        let of_layer = "INSERT INTO gpkg_geometry_columns VALUES (?1, 'geom', 'MULTIPOLYGON', 4326, 0, 0)";
        transaction.execute(of_layer, [layer])?;
        transaction.commit()
    };
    fill().map_err(|e| Error::file(path, e.to_string(), "check the free space, or choose another folder"))?;
    partial.become_new()
}

/// GeoPackage's header (little-endian, no envelope, EPSG:4326) and a multipolygon in well-known binary.
fn geometry(rings: &[Ring]) -> Vec<u8> {
    let depths: Vec<usize> = (0..rings.len()).map(|k| depth(rings, k)).collect();
    let is_hole_of =
        |hole: usize, outline: usize| depths[hole] == depths[outline] + 1 && within(rings, hole, outline);
    let outlines: Vec<usize> = (0..rings.len()).filter(|&k| depths[k].is_multiple_of(2)).collect();
    let mut bytes = vec![b'G', b'P', 0, 1];
    bytes.extend(4326_i32.to_le_bytes());
    let begin = |bytes: &mut Vec<u8>, kind: u32, parts: usize| {
        bytes.push(1);
        bytes.extend(kind.to_le_bytes());
        bytes.extend((parts as u32).to_le_bytes());
    };
    begin(&mut bytes, 6, outlines.len());
    for &outline in &outlines {
        let holes: Vec<usize> = (0..rings.len()).filter(|&hole| is_hole_of(hole, outline)).collect();
        begin(&mut bytes, 3, 1 + holes.len());
        for ring in std::iter::once(outline).chain(holes).map(|k| &rings[k]) {
            // Closed, as well-known binary wants it.
            let open = ring.first() != ring.last();
            bytes.extend(((ring.len() + usize::from(open)) as u32).to_le_bytes());
            for (x, y) in ring.iter().chain(ring.first().filter(|_| open)) {
                bytes.extend(x.to_le_bytes());
                bytes.extend(y.to_le_bytes());
            }
        }
    }
    bytes
}
