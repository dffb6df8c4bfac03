//! Polygons and their attributes from a GeoPackage (OGC 12-128r18): an SQLite file with one table per layer.
//!
//! An SQLite file may hold programs: views that never end, columns that are computed. Only tables are read here, and no more
//! steps, rows and bytes than the file's length accounts for.

use std::fmt::Write as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::layer::{Layer, Record, Ring, Value, not_polygons};
use super::{Crs, wkt};
use crate::error::on_one_line;
use crate::files::open_file;
use crate::{Error, Result};

/// Reads a layer: the one that is named, else the only one.
pub(super) fn read(path: &Path, wanted: Option<&str>) -> Result<Layer> {
    let bytes = open_file(path)?.metadata().map_err(Error::io(path))?.len();
    let broken = |error: rusqlite::Error| {
        let problem = format!("it cannot be read as a GeoPackage ({})", on_one_line(&error.to_string()));
        Error::file(path, problem, "give a GeoPackage or a shapefile")
    };
    let odd = |problem| Error::file(path, problem, "write it again: ogr2ogr NEW.gpkg OLD.gpkg");
    check_journal(path)?;
    let connection = open(path, bytes).map_err(broken)?;
    let is_table = |name: &str| {
        // Views and virtual tables have no page of their own.
        let question = "SELECT count(*) FROM sqlite_schema WHERE name = ?1 COLLATE NOCASE AND rootpage > 0";
        connection.query_row(question, [name], |row| row.get::<_, i64>(0)).map(|count| count > 0)
    };
    let check_table = |name: &str| {
        if is_table(name).map_err(broken)? {
            return Ok(());
        }
        Err(odd(format!("'{name}' is a view or missing, not a table")))
    };
    for name in ["gpkg_contents", "gpkg_geometry_columns", "gpkg_spatial_ref_sys"] {
        check_table(name)?;
    }
    let layers = layers(&connection).map_err(broken)?;
    let names = || layers.iter().map(|layer| layer.table.as_str()).collect::<Vec<_>>().join(", ");
    let found = match wanted {
        Some(wanted) => layers.iter().find(|layer| layer.table == wanted),
        None => layers.first().filter(|_| layers.len() == 1),
    };
    let Some(Features { table, geometry, system }) = found else {
        let problem = match wanted {
            Some(wanted) => format!("no layer '{wanted}' (found: {})", names()),
            None if layers.is_empty() => "no layer of features in it".to_owned(),
            None => format!("it has several layers: {}", names()),
        };
        return Err(Error::file(path, problem, "name one: --layer NAME"));
    };
    check_table(table)?;

    let mut statement = connection.prepare(&format!("SELECT * FROM {}", quoted(table))).map_err(broken)?;
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let Some(place) = columns.iter().position(|column| column.eq_ignore_ascii_case(geometry)) else {
        return Err(odd(format!("layer '{table}' has no column '{geometry}'")));
    };
    let fields: Vec<String> =
        columns.iter().enumerate().filter(|(k, _)| *k != place).map(|(_, name)| name.clone()).collect();
    let (mut shapes, mut records, mut strays) = (Vec::new(), Vec::new(), Vec::new());
    let mut rows = statement.query([]).map_err(broken)?;
    let mut left = bytes;
    while let Some(row) = rows.next().map_err(broken)? {
        let number = shapes.len() + 1;
        let size = |k| match row.get_ref(k)? {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Ok(bytes.len() as u64),
            _ => Ok(0),
        };
        let sizes: rusqlite::Result<u64> = (0..columns.len()).map(size).sum();
        left = left.checked_sub(1 + sizes.map_err(broken)?).ok_or_else(|| {
            odd(format!("layer '{table}' has more in {number} rows than the file's {bytes} bytes"))
        })?;
        let value = row.get_ref(place).map_err(broken)?;
        let shape = match value {
            ValueRef::Null => Ok(Shape::default()),
            ValueRef::Blob(blob) => shape(blob),
            _ => Err("its geometry is no blob".into()),
        };
        let Shape { rings, stray } = shape.map_err(|Odd(problem, advice)| {
            Error::input(format!("{}, polygon {number}", path.display()), problem, advice)
        })?;
        shapes.push(rings);
        strays.extend(stray.map(|kind| (number, kind)));
        let record: rusqlite::Result<Record> =
            (0..columns.len()).filter(|k| *k != place).map(|k| row.get_ref(k).map(attribute)).collect();
        records.push(record.map_err(broken)?);
    }
    let crs = crs(path, &connection, *system);
    Layer { fields, records, shapes, crs, strays, is_kml: false }.of_polygons(path)
}

/// What the file says about its layers (`gpkg_contents.description`); none if that is nothing, or not text.
pub(super) fn description(path: &Path) -> Option<String> {
    let bytes = std::fs::metadata(path).ok()?.len();
    let connection = open(path, bytes).ok()?;
    let mut statement = connection.prepare("SELECT description FROM gpkg_contents").ok()?;
    let texts = statement.query_map([], |row| row.get::<_, Option<String>>(0)).ok()?;
    let texts: Vec<String> =
        texts.filter_map(|text| text.ok().flatten()).filter(|text| !text.is_empty()).collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// Checks that the file is complete: pages that another program has yet to write into it are in a file next to it, and would
/// not be read.
fn check_journal(path: &Path) -> Result<()> {
    for ending in ["-wal", "-journal"] {
        let mut journal = path.as_os_str().to_owned();
        journal.push(ending);
        if std::fs::metadata(&journal).is_ok_and(|journal| journal.len() > 0) {
            let problem =
                format!("a program has not finished writing it ({} is there)", Path::new(&journal).display());
            return Err(Error::file(path, problem, "close the program that has it open"));
        }
    }
    Ok(())
}

/// Opens a file of `bytes` bytes so that nothing is written next to it, with limits on memory and steps.
fn open(path: &Path, bytes: u64) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(format!("{}?immutable=1", address(path)), flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // No text or blob is longer than the file; queries are short, and name few tables.
    let longest = i32::try_from(bytes.max(1 << 16)).unwrap_or(i32::MAX);
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, longest),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 16),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, value)?;
    }
    // Reading a whole table takes far fewer steps than these 20 a byte.
    let mut thousands = 10_000 + bytes / 50;
    connection.progress_handler(
        1000,
        Some(move || {
            thousands = thousands.saturating_sub(1);
            thousands == 0
        }),
    )?;
    Ok(connection)
}

/// A path as SQLite's `file:` address.
fn address(path: &Path) -> String {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut address = "file://".to_owned();
    // Windows' paths begin with a drive.
    if !whole.as_os_str().as_encoded_bytes().starts_with(b"/") {
        address.push('/');
    }
    for byte in whole.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b':' => {
                address.push(char::from(*byte));
            }
            b'\\' if cfg!(windows) => address.push('/'),
            _ => _ = write!(address, "%{byte:02X}"),
        }
    }
    address
}

/// A layer of features.
struct Features {
    table: String,
    geometry: String,
    /// Key of the coordinate system.
    system: i64,
}

fn layers(connection: &Connection) -> rusqlite::Result<Vec<Features>> {
    let mut statement = connection.prepare(
        "SELECT g.table_name, g.column_name, g.srs_id FROM gpkg_geometry_columns g \
         JOIN gpkg_contents c ON c.table_name = g.table_name WHERE c.data_type = 'features' ORDER BY g.table_name",
    )?;
    let layers = statement.query_map([], |row| {
        Ok(Features { table: row.get(0)?, geometry: row.get(1)?, system: row.get(2)? })
    })?;
    layers.collect()
}

/// A name, quoted for SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn attribute(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Integer(number) => Value::Number(number as f64),
        ValueRef::Real(number) => Value::Number(number),
        ValueRef::Text(text) => Value::text(&String::from_utf8_lossy(text)),
        ValueRef::Null | ValueRef::Blob(_) => Value::Empty,
    }
}

/// The layer's coordinate system; x is east and y north in a GeoPackage, whatever the system's own order.
fn crs(path: &Path, connection: &Connection, system: i64) -> Result<Crs> {
    let advice = "name its coordinate system: --label-crs EPSG:n";
    let question = "SELECT organization, organization_coordsys_id, definition FROM gpkg_spatial_ref_sys WHERE srs_id = ?1";
    let answer = connection.query_row(question, [system], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, String>(2)?))
    });
    let Ok((organization, code, definition)) = answer else {
        return Err(Error::file(path, format!("its coordinate system {system} is not described"), advice));
    };
    match u16::try_from(code) {
        Ok(code) if organization.eq_ignore_ascii_case("EPSG") => {
            Crs::from_epsg(code).map_err(|error| error.within(path))
        }
        _ => wkt::parse(&definition).map_err(|name| {
            Error::file(path, format!("the coordinate system '{name}' is not recognised"), advice)
        }),
    }
}

/// Bytes of the rectangle in a geometry's header, by the kind that its flags tell.
const ENVELOPES: [usize; 5] = [0, 32, 48, 48, 64];

/// What is wrong with a geometry, and what to do.
#[derive(Debug, PartialEq)]
struct Odd(String, &'static str);

impl<T: Into<String>> From<T> for Odd {
    fn from(problem: T) -> Self {
        Self(problem.into(), "write it again: ogr2ogr NEW.gpkg OLD.gpkg")
    }
}

/// The rings of a polygon or of several, and what else there is.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    rings: Vec<Ring>,
    stray: Option<&'static str>,
}

/// The shape that a geometry describes.
fn shape(blob: &[u8]) -> std::result::Result<Shape, Odd> {
    let short = || Odd::from("its geometry ends early");
    let header = blob.get(..8).ok_or_else(short)?;
    if &header[..2] != b"GP" {
        return Err("its geometry is not a GeoPackage's".into());
    }
    let flags = header[3];
    let envelope = ENVELOPES.get(usize::from(flags >> 1 & 7)).ok_or("its geometry has an odd header")?;
    if flags & 0b10_0000 != 0 {
        return Err("its geometry is of a kind of its own".into());
    }
    if flags & 0b1_0000 != 0 {
        return Ok(Shape::default());
    }
    let mut bytes = Bytes { rest: blob.get(8 + envelope..).ok_or_else(short)?, little: true };
    let mut shape = Shape::default();
    bytes.geometry(&mut shape, 0)?;
    Ok(shape)
}

/// Well-known binary, read from its beginning (OGC 06-103r4).
struct Bytes<'a> {
    rest: &'a [u8],
    little: bool,
}

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> std::result::Result<[u8; N], Odd> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or("its geometry ends early")?;
        self.rest = rest;
        Ok(*taken)
    }

    fn whole(&mut self) -> std::result::Result<u32, Odd> {
        let bytes = self.take()?;
        Ok(if self.little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    fn real(&mut self) -> std::result::Result<f64, Odd> {
        let bytes = self.take()?;
        Ok(if self.little { f64::from_le_bytes(bytes) } else { f64::from_be_bytes(bytes) })
    }

    fn geometry(&mut self, shape: &mut Shape, depth: u32) -> std::result::Result<(), Odd> {
        self.little = self.take::<1>()?[0] == 1;
        let kind = self.whole()?;
        // Thousands tell which of z and m follow x and y.
        let more = match kind / 1000 {
            0 => 0,
            1 | 2 => 1,
            3 => 2,
            _ => return Err(format!("its geometry is of the unknown kind {kind}").into()),
        };
        let vertex = |bytes: &mut Self| {
            let place = (bytes.real()?, bytes.real()?);
            (0..more).try_for_each(|_| bytes.real().map(drop))?;
            Ok::<_, Odd>(place)
        };
        match kind % 1000 {
            1 => {
                vertex(self)?;
                shape.stray.get_or_insert("points");
                Ok(())
            }
            2 => {
                for _ in 0..self.whole()? {
                    vertex(self)?;
                }
                shape.stray.get_or_insert("lines");
                Ok(())
            }
            3 => {
                for _ in 0..self.whole()? {
                    let count = self.whole()?;
                    let mut ring = Ring::new();
                    for _ in 0..count {
                        ring.push(vertex(self)?);
                    }
                    shape.rings.push(ring);
                }
                Ok(())
            }
            // Several of a kind, or what GDAL makes of a KML's MultiGeometry: a collection.
            4..=7 if depth < 4 => {
                for _ in 0..self.whole()? {
                    self.geometry(shape, depth + 1)?;
                }
                Ok(())
            }
            _ => {
                let (problem, advice) = not_polygons("curves or surfaces");
                Err(Odd(problem, advice))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The message on reading a GeoPackage of one layer, `zones`, that `change` has damaged; its folder must stay as it is.
    fn told(change: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a file of zones?.gpkg");
        let connection = Connection::open(&path).unwrap();
        let make = "CREATE TABLE gpkg_spatial_ref_sys(srs_id INTEGER PRIMARY KEY, organization TEXT,
              organization_coordsys_id INTEGER, definition TEXT);
            INSERT INTO gpkg_spatial_ref_sys VALUES(32633, 'EPSG', 32633, '');
            CREATE TABLE gpkg_contents(table_name TEXT PRIMARY KEY, data_type TEXT);
            INSERT INTO gpkg_contents VALUES('zones', 'features');
            CREATE TABLE gpkg_geometry_columns(table_name TEXT, column_name TEXT, srs_id INTEGER);
            INSERT INTO gpkg_geometry_columns VALUES('zones', 'geom', 32633);
            CREATE TABLE zones(fid INTEGER PRIMARY KEY, geom BLOB, kind INTEGER);";
        connection.execute_batch(make).unwrap();
        let shape = blob(1, 0, &triangle(true, 3, 0));
        connection.execute("INSERT INTO zones(geom, kind) VALUES(?1, 3)", [shape]).unwrap();
        connection.execute_batch(change).unwrap();
        connection.close().unwrap();
        let before = std::fs::read(&path).unwrap();
        let told = read(&path, None)
            .map_or_else(|error| error.to_string(), |layer| format!("{} polygons", layer.shapes.len()));
        assert_eq!(std::fs::read(&path).unwrap(), before);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "a file is left next to it: {told}");
        told
    }

    #[test]
    fn a_layer_that_is_computed_or_endless_is_refused_and_nothing_is_written_next_to_the_file() {
        assert_eq!(told(""), "1 polygons");
        assert_eq!(told("PRAGMA journal_mode = WAL; CREATE TABLE other(n)"), "1 polygons");
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
        let view = told(&format!(
            "ALTER TABLE zones RENAME TO z; CREATE VIEW zones AS {endless} SELECT i AS fid, geom, kind FROM n, z"
        ));
        assert!(view.contains("'zones' is a view or missing, not a table"), "{view}");
        let columns = told(&format!(
            "DROP TABLE gpkg_geometry_columns; CREATE VIEW gpkg_geometry_columns AS {endless} \
             SELECT 'zones' AS table_name, 'geom' AS column_name, 32633 AS srs_id FROM n"
        ));
        assert!(columns.contains("'gpkg_geometry_columns' is a view or missing"), "{columns}");
        let long = told("ALTER TABLE zones ADD COLUMN more AS (zeroblob(999999999))");
        assert!(long.contains("too big"), "{long}");
        let many = told("ALTER TABLE zones ADD COLUMN more AS (zeroblob(60000))");
        assert!(many.contains("has more in 1 rows than the file's"), "{many}");
    }

    #[test]
    fn a_file_that_is_still_written_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zones.gpkg");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE zones(n)").unwrap();
        let error = read(&path, None).err().unwrap().to_string();
        assert!(error.contains("zones.gpkg: a program has not finished writing it"), "{error}");
    }

    /// A polygon of one triangle, little- or big-endian, with `more` coordinates after x and y.
    fn triangle(little: bool, kind: u32, more: usize) -> Vec<u8> {
        let whole = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let real = |value: f64| if little { value.to_le_bytes() } else { value.to_be_bytes() };
        let mut bytes = vec![u8::from(little)];
        bytes.extend([kind, 1, 4].into_iter().flat_map(whole));
        for (x, y) in [(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (0.0, 0.0)] {
            bytes.extend([x, y].into_iter().chain(vec![9.0; more]).flat_map(real));
        }
        bytes
    }

    fn polygons(blob: &[u8]) -> std::result::Result<Vec<Ring>, Odd> {
        shape(blob).map(|shape| shape.rings)
    }

    fn blob(flags: u8, envelope: usize, wkb: &[u8]) -> Vec<u8> {
        [&[b'G', b'P', 0, flags, 0, 0, 0, 0], vec![0; envelope].as_slice(), wkb].concat()
    }

    #[test]
    fn a_geometry_is_read_in_either_order_of_bytes_with_and_without_z_and_m() {
        let wanted = vec![vec![(0.0, 0.0), (2.0, 0.0), (0.0, 3.0), (0.0, 0.0)]];
        for little in [true, false] {
            for (kind, more) in [(3, 0), (1003, 1), (2003, 1), (3003, 2)] {
                let wkb = triangle(little, kind, more);
                assert_eq!(polygons(&blob(1, 0, &wkb)), Ok(wanted.clone()));
                assert_eq!(polygons(&blob(3, 32, &wkb)), Ok(wanted.clone()));
            }
        }
        let mut several = vec![1, 6, 0, 0, 0, 2, 0, 0, 0];
        several.extend(triangle(true, 3, 0));
        several.extend(triangle(false, 3, 0));
        assert_eq!(polygons(&blob(1, 0, &several)), Ok([wanted.clone(), wanted].concat()));
        assert_eq!(polygons(&blob(0b1_0001, 0, &[])), Ok(Vec::new()), "empty");
    }

    #[test]
    fn points_and_lines_in_a_collection_are_told_and_its_polygons_read() {
        let xy = |count: usize| vec![0; 16 * count];
        let point = [&[1, 1, 0, 0, 0][..], &xy(1)].concat();
        let line = [&[1, 2, 0, 0, 0, 2, 0, 0, 0][..], &xy(2)].concat();
        let collection =
            |parts: &[&[u8]]| [&[1, 7, 0, 0, 0, parts.len() as u8, 0, 0, 0][..], &parts.concat()].concat();
        let wanted = polygons(&blob(1, 0, &triangle(true, 3, 0))).unwrap();
        let mixed = collection(&[&point, &triangle(true, 3, 0), &line]);
        assert_eq!(shape(&blob(1, 0, &mixed)), Ok(Shape { rings: wanted, stray: Some("points") }));
        assert_eq!(shape(&blob(1, 0, &line)), Ok(Shape { rings: vec![], stray: Some("lines") }));
        assert!(shape(&blob(1, 0, &mixed[..mixed.len() - 1])).is_err());
    }

    #[test]
    fn spoilt_geometries_are_refused_in_words() {
        let whole = blob(1, 0, &triangle(true, 3, 0));
        for end in 0..whole.len() {
            assert!(polygons(&whole[..end]).is_err(), "{end} bytes");
        }
        let curve = [1, 10, 0, 0, 0, 0, 0, 0, 0];
        assert!(polygons(&blob(1, 0, &curve)).unwrap_err().1.contains("CONVERT_TO_LINEAR"));
        assert!(polygons(&blob(0b1011, 0, &[])).is_err());
        assert!(polygons(b"XX000000").unwrap_err().0.contains("not a GeoPackage's"));
    }
}
