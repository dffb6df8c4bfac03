//! GeoTIFFs that lcz writes: of every kind, read back here and, by `tests/geotiffs_read_back.py`, with rasterio.

use std::fs;
use std::path::Path;

use lcz::scene::{Crs, GeoTiff, GeoTiffWriter, Grid, Pixel, Scaling, Transform, Window};

fn write<P: Pixel>(mut writer: GeoTiffWriter<P>, bands: i32, value: impl Fn(i32, i32, i32) -> P) {
    // Some lines at a time, which need not be whole strips.
    for rows in (0..700).collect::<Vec<i32>>().chunks(37) {
        let line = |&row: &i32| (0..300 * bands).map(move |k| (row, k / bands, k % bands));
        let lines: Vec<P> = rows.iter().flat_map(line).map(|(r, c, b)| value(r, c, b)).collect();
        writer.append(&lines).unwrap();
    }
    writer.finish().unwrap();
}

/// Writes with `GeoTiffWriter` what `tests/geotiffs_read_back.py` reads with rasterio, and reads it itself.
#[test]
fn geotiffs_of_every_kind_read_back() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("geotiffs");
    // Left by an earlier run of this test, if anything.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let utm = Grid {
        rows: 700,
        columns: 300,
        transform: Some(Transform([500_000.0, 10.0, 0.0, 5_300_000.0, 0.0, -10.0])),
        crs: Crs::from_epsg(32633).unwrap(),
    };
    let turned =
        Grid { transform: Some(Transform([500_000.0, 8.0, 6.0, 5_300_000.0, 6.0, -8.0])), ..utm.clone() };
    let degrees = Grid {
        transform: Some(Transform([16.25, 0.001, 0.0, 48.5, 0.0, -0.001])),
        crs: Crs::from_epsg(4326).unwrap(),
        ..utm.clone()
    };
    let bare = Grid { transform: None, crs: Crs::Unknown, ..utm.clone() };

    // A system without EPSG code, as rasterio wrote it.
    let own = GeoTiff::open(super::vectors().join("rasters/user_defined.tif")).unwrap().grid().crs.clone();
    let own = Grid { crs: own, ..utm.clone() };

    let path = |name: &str| folder.join(format!("{name}.tif"));
    let zone = |row: i32, column: i32, _: i32| ((row * 7 + column * 3) % 18) as u8;
    let steps = |row: i32, column: i32, _: i32| (row * 90 + column * 200) as u16;
    let signed = |row: i32, column: i32, _: i32| (row * 40 - column * 99) as i16;
    let large = |row: i32, column: i32, _: i32| row * 100_000 - column * 7_000_000;
    let real =
        |row: i32, column: i32, band: i32| 1.25 * row as f32 - 0.75 * column as f32 + 1000.0 * band as f32;
    let colours = [[0; 3], [0x91, 6, 0x13], [0xD9, 8, 0x1C]];
    let zones = GeoTiffWriter::create(path("u8"), &utm).unwrap().no_data(0);
    write(zones.describe("zones, synthetic").colours(&colours), 1, zone);
    let reflectance = Scaling { scale: 1e-4, offset: -0.1 };
    let band = GeoTiffWriter::create(path("u16"), &utm).unwrap().bands(&["B8A"]).no_data(0);
    write(band.scaled(reflectance, "reflectance"), 1, steps);
    write(GeoTiffWriter::create(path("i16"), &utm).unwrap(), 1, signed);
    write(GeoTiffWriter::create(path("i32"), &utm).unwrap().no_data(i32::MIN), 1, large);
    write(GeoTiffWriter::create(path("f32"), &utm).unwrap().no_data(f32::NAN), 1, real);
    let names = ["LCZ 1", "LCZ A & B", "<entropy>"];
    let bands = GeoTiffWriter::create(path("bands"), &utm).unwrap().bands(&names);
    write(bands.scaled(Scaling { scale: 0.5, offset: 273.15 }, "K"), 3, real);
    write(GeoTiffWriter::create(path("turned"), &turned).unwrap(), 1, zone);
    write(GeoTiffWriter::create(path("degrees"), &degrees).unwrap(), 1, steps);
    write(GeoTiffWriter::create(path("bare"), &bare).unwrap(), 1, signed);
    write(GeoTiffWriter::create(path("own"), &own).unwrap(), 1, zone);

    let check = |name: &str, grid: &Grid, bands: usize, value: &dyn Fn(i32, i32, i32) -> f32| {
        let raster = GeoTiff::open(path(name)).unwrap();
        assert_eq!((raster.grid(), raster.bands()), (grid, bands), "{name}");
        let pixels = raster.read(&Window::whole(grid), None).unwrap();
        for ((band, row, column), &pixel) in pixels.indexed_iter() {
            let expected = value(row as i32, column as i32, band as i32);
            assert!(pixel.to_bits() == expected.to_bits(), "{name}: {pixel} in row {row}, column {column}");
        }
    };
    let stated = |name: &str| {
        let tags = GeoTiff::open(path(name)).unwrap().tags().to_vec();
        tags.into_iter().map(|tags| (tags.name, tags.scale.zip(tags.offset), tags.unit)).collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(stated("u16"), [(text("B8A"), Some((1e-4, -0.1)), text("reflectance"))]);
    assert_eq!(stated("bands")[1], (text("LCZ A & B"), Some((0.5, 273.15)), text("K")));
    assert_eq!(stated("u8"), [(None, None, None)]);
    check("u8", &utm, 1, &|r, c, b| f32::from(zone(r, c, b)));
    check("u16", &utm, 1, &|r, c, b| f32::from(steps(r, c, b)));
    check("i16", &utm, 1, &|r, c, b| f32::from(signed(r, c, b)));
    check("i32", &utm, 1, &|r, c, b| large(r, c, b) as f32);
    check("f32", &utm, 1, &real);
    check("bands", &utm, 3, &real);
    check("turned", &turned, 1, &|r, c, b| f32::from(zone(r, c, b)));
    check("degrees", &degrees, 1, &|r, c, b| f32::from(steps(r, c, b)));
    check("bare", &bare, 1, &|r, c, b| f32::from(signed(r, c, b)));
    check("own", &own, 1, &|r, c, b| f32::from(zone(r, c, b)));
    assert!(GeoTiff::open(path("f32")).unwrap().no_data().is_some_and(f64::is_nan));

    // One line too few, or a name that is taken: nothing of it stays.
    let refused = |name: &str| {
        let mut writer = GeoTiffWriter::<u8>::create(path(name), &utm)?;
        writer.append(&vec![0; 300 * 699])?;
        writer.finish()
    };
    assert!(refused("short").unwrap_err().to_string().contains("699 of 700 lines"));
    assert!(refused("u8").unwrap_err().to_string().contains("the file exists"));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 10);
}
