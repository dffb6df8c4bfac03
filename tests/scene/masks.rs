//! Pixels without data that a mask or opacity tells of, in every way that files do.

use std::fs;
use std::path::Path;

use lcz::Classes;
use lcz::progress::Silent;
use lcz::scene::{Cutting, GeoTiff, LabelRaster, Scene, Window};
use tempfile::TempDir;
use tiff::encoder::{DirectoryEncoder, TiffEncoder, TiffKindStandard};
use tiff::tags::Tag;

/// Not a multiple of 8, so that lines of bits end within a byte.
const COLUMNS: usize = 61;
const ROWS: usize = 50;

/// No data in a third of the columns.
fn masked(k: usize) -> bool {
    k % COLUMNS < 20
}

type Directory<'a> = DirectoryEncoder<'a, fs::File, TiffKindStandard>;

/// Tags of an image of one strip, and where it lies.
fn describe(tags: &mut Directory<'_>, bits: &[u16], extra: &[u16], planar: bool) {
    tags.write_tag(Tag::ImageWidth, COLUMNS as u32).unwrap();
    tags.write_tag(Tag::ImageLength, ROWS as u32).unwrap();
    tags.write_tag(Tag::BitsPerSample, bits).unwrap();
    tags.write_tag(Tag::Compression, 1u16).unwrap();
    tags.write_tag(Tag::SamplesPerPixel, bits.len() as u16).unwrap();
    tags.write_tag(Tag::RowsPerStrip, ROWS as u32).unwrap();
    tags.write_tag(Tag::PlanarConfiguration, if planar { 2u16 } else { 1 }).unwrap();
    if !extra.is_empty() {
        tags.write_tag(Tag::ExtraSamples, extra).unwrap();
    }
    tags.write_tag(Tag::ModelPixelScaleTag, &[10.0, 10.0, 0.0][..]).unwrap();
    tags.write_tag(Tag::ModelTiepointTag, &[0.0, 0.0, 0.0, 5e5, 5e6, 0.0][..]).unwrap();
    tags.write_tag(Tag::GeoKeyDirectoryTag, &[1u16, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32632][..]).unwrap();
}

/// Writes strips of bytes, one per plane.
fn pixels(tags: &mut Directory<'_>, photometric: u16, planes: &[Vec<u8>]) {
    tags.write_tag(Tag::PhotometricInterpretation, photometric).unwrap();
    let places: Vec<u32> = planes.iter().map(|plane| tags.write_data(&plane[..]).unwrap() as u32).collect();
    let lengths: Vec<u32> = planes.iter().map(|plane| plane.len() as u32).collect();
    tags.write_tag(Tag::StripOffsets, &places[..]).unwrap();
    tags.write_tag(Tag::StripByteCounts, &lengths[..]).unwrap();
}

/// Samples of 16 bits, pixel by pixel or plane by plane.
fn sixteen(samples: &[&dyn Fn(usize) -> u16], planar: bool) -> Vec<Vec<u8>> {
    let bytes = |value: u16| value.to_ne_bytes();
    if planar {
        samples.iter().map(|sample| (0..ROWS * COLUMNS).flat_map(|k| bytes(sample(k))).collect()).collect()
    } else {
        vec![
            (0..ROWS * COLUMNS)
                .flat_map(|k| samples.iter().flat_map(move |sample| bytes(sample(k))))
                .collect(),
        ]
    }
}

/// The mask as an image of 1 or 8 bits.
fn mask(bits: u16) -> Vec<u8> {
    let seen = |row: usize, column: usize| column < COLUMNS && !masked(row * COLUMNS + column);
    let byte =
        |row: usize, first: usize| (0..8).fold(0, |byte, bit| byte << 1 | u8::from(seen(row, first + bit)));
    let line = |row: usize| -> Vec<u8> {
        match bits {
            1 => (0..COLUMNS).step_by(8).map(|first| byte(row, first)).collect(),
            _ => (0..COLUMNS).map(|column| if seen(row, column) { 255 } else { 0 }).collect(),
        }
    };
    (0..ROWS).flat_map(line).collect()
}

fn value(k: usize) -> u16 {
    (k % 500) as u16
}

/// A file of samples of 16 bits.
fn write(path: &Path, samples: &[&dyn Fn(usize) -> u16], extra: &[u16], planar: bool) {
    let mut tiff = TiffEncoder::new(fs::File::create(path).unwrap()).unwrap();
    let mut tags = tiff.image_directory().unwrap();
    describe(&mut tags, &vec![16; samples.len()], extra, planar);
    pixels(&mut tags, 1, &sixteen(samples, planar));
    tags.finish().unwrap();
}

/// A band with its mask in a further directory, after one of an overview's.
fn write_with_mask(path: &Path, bits: u16) {
    let mut tiff = TiffEncoder::new(fs::File::create(path).unwrap()).unwrap();
    for (kind, of_bits, strip) in [
        (0u32, 16, sixteen(&[&value], false)),
        (5, bits, vec![vec![0; 50 * 61]]),
        (4, bits, vec![mask(bits)]),
    ] {
        let mut tags = tiff.image_directory().unwrap();
        tags.write_tag(Tag::NewSubfileType, kind).unwrap();
        describe(&mut tags, &[of_bits], &[], false);
        pixels(&mut tags, if kind == 0 { 1 } else { 4 }, &strip);
        tags.finish().unwrap();
    }
}

#[test]
fn a_mask_or_opacity_of_0_is_no_data() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    let opacity = |k: usize| if masked(k) { 0 } else { 65_535 };
    let half = |k: usize| if masked(k) { 0 } else { 30_000 };
    write_with_mask(&at("bits_B2.tif"), 1);
    write_with_mask(&at("bytes_B2.tif"), 8);
    for (name, extra) in [("alpha", 2), ("associated", 1)] {
        write(&at(&format!("{name}_B2.tif")), &[&value, &half], &[extra], false);
        write(&at(&format!("{name}_planes_B2.tif")), &[&value, &half], &[extra], true);
    }
    write(&at("untagged_B2.tif"), &[&value, &opacity], &[], false);
    write(&at("untagged_planes_B2.tif"), &[&value, &opacity], &[0], true);
    write(&at("sidecar_B2.tif"), &[&value], &[], false);
    let mut tiff = TiffEncoder::new(fs::File::create(at("sidecar_B2.tif.msk")).unwrap()).unwrap();
    let mut tags = tiff.image_directory().unwrap();
    describe(&mut tags, &[8], &[], false);
    pixels(&mut tags, 1, &[mask(8)]);
    tags.finish().unwrap();

    write(&at("LCZ.tif"), &[&|k| 1 + (k / COLUMNS / 5 % 2) as u16], &[], false);
    let labels = LabelRaster::open(at("LCZ.tif"), &Classes::lcz()).unwrap();
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = files.filter(|path| path.to_str().unwrap().ends_with("_B2.tif")).collect();
    assert_eq!(files.len(), 9);
    for path in files {
        let file = GeoTiff::open(&path).unwrap();
        let name = path.display();
        assert_eq!((file.bands(), file.has_mask()), (1, true), "{name}");
        assert_eq!(file.has_untagged_mask(), path.to_str().unwrap().contains("untagged"), "{name}");
        // Also where a value means no data that is none of the mask's.
        for no_data in [None, Some(7.0), Some(65_535.0)] {
            let part = Window { rows: 3..ROWS, columns: 11..COLUMNS - 1 };
            let read = file.read(&part, no_data).unwrap();
            for ((_, row, column), &pixel) in read.indexed_iter() {
                let k = (row + 3) * COLUMNS + column + 11;
                let wanted =
                    if masked(k) || no_data == Some(f64::from(value(k))) { None } else { Some(value(k)) };
                assert_eq!((!pixel.is_nan()).then_some(pixel as u16), wanted, "{name}, {row} {column}");
            }
        }
        let dates = [Scene::open([&path]).unwrap()];
        let cutting = Cutting { patch_size: 4, shares: "100/0/0".parse().unwrap(), ..Cutting::default() };
        let report = cutting.plan(&dates, &labels, &mut Silent).unwrap().report().clone();
        // Windows begin two pixels to the left of theirs: those from column 22 on see no masked one.
        assert_eq!(report.dates[0].without_data, (ROWS - 3) * 20, "{name}");
        assert_eq!(report.dates[0].training.patches, (ROWS - 3) * (COLUMNS - 3 - 20), "{name}");
    }
}

#[test]
fn a_second_band_of_other_values_is_a_band() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("two.tif");
    let almost = |k: usize| if masked(k) { 0 } else { 65_535 - u16::from(k == ROWS * COLUMNS - 1) };
    let samples: [&dyn Fn(usize) -> u16; 3] = [&almost, &|_| 0, &|k| 1 + (k % 2) as u16];
    for second in samples {
        write(&path, &[&value, second], &[0], false);
        let file = GeoTiff::open(&path).unwrap();
        assert_eq!((file.bands(), file.has_mask()), (2, false));
    }
    // Of one sample alone, opacity is a band after all.
    write(&path, &[&value], &[2], false);
    assert_eq!(GeoTiff::open(&path).unwrap().bands(), 1);
    assert!(!GeoTiff::open(&path).unwrap().has_mask());
}

#[test]
fn a_mask_that_cannot_be_read_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("B2.tif");
    write(&path, &[&value], &[], false);
    let sidecar = folder.path().join("B2.tif.msk");
    fs::write(&sidecar, b"no mask").unwrap();
    let message = GeoTiff::open(&path).unwrap_err().to_string();
    assert!(message.contains("B2.tif.msk: not a TIFF file"), "{message}");
    write(&sidecar, &[&value], &[], false);
    let message = GeoTiff::open(&path).unwrap_err().to_string();
    assert!(
        message.contains("mask has 50 x 61 pixels of [16] bits") && message.contains("-dstnodata"),
        "{message}"
    );
}
