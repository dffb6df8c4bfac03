//! So2Sat-format files: what is written is read, what is wrong is refused in one line, and shuffled
//! epochs give every patch once.

use std::path::Path;

use lcz::data::Patches;
use lcz::data::so2sat::{Layout, Rows, So2Sat, Writer};
use lcz::{Bands, Classes, Imagery};
use ndarray::{Array2, Array4};

/// Eight pixels a side and three bands keep the tests quick.
fn small() -> Imagery {
    Imagery {
        patch_size: 8,
        bands: Bands::named(["B2", "B3", "B4"]).unwrap(),
        ground_sampling_distance: Some(10.0),
        unit: "reflectance".to_owned(),
    }
}

/// A pixel that tells its row, line, column and band, exact in f32.
fn pixel(n: usize, y: usize, x: usize, c: usize) -> f32 {
    (n * 1000 + y * 100 + x * 10 + c) as f32
}

fn images(rows: std::ops::Range<usize>) -> Array4<f32> {
    Array4::from_shape_fn((rows.len(), 8, 8, 3), |(n, y, x, c)| pixel(rows.start + n, y, x, c))
}

fn write(path: &Path, rows: usize, compression: Option<u8>) {
    let layout = Layout { compression, ..Layout::new("sen2", small(), Classes::lcz(), "a test") };
    let mut writer = Writer::create(path, &layout).unwrap();
    for start in (0..rows).step_by(100) {
        let range = start..rows.min(start + 100);
        let labels: Vec<usize> = range.clone().map(|n| n % 17).collect();
        let groups: Vec<i32> = range.clone().map(|n| n as i32 / 50).collect();
        let votes = Array2::from_shape_fn((range.len(), 17), |(n, k)| {
            if k == (start + n) % 17 { 8.0 } else { f32::from(u8::from(k == (start + n + 1) % 17)) * 2.0 }
        });
        let pixels = images(range);
        let rows = Rows {
            labels: Some(&labels),
            votes: Some(votes.view()),
            groups: Some(&groups),
            ..Rows::of(pixels.view())
        };
        writer.append(rows).unwrap();
    }
    writer.finish().unwrap();
}

fn open(path: &Path) -> Patches {
    So2Sat::open(path).unwrap().patches().unwrap()
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for (name, compression) in [("plain.h5", None), ("small.h5", Some(4))] {
        let path = folder.path().join(name);
        write(&path, 250, compression);
        let patches = open(&path);
        assert_eq!(patches.len(), 250);
        assert_eq!(*patches.imagery(), small());
        assert_eq!(*patches.classes(), Classes::lcz());
        assert_eq!(patches.provenance(), "a test");
        assert_eq!(patches.images(0..250).unwrap(), images(0..250));
        assert_eq!(patches.images(99..101).unwrap(), images(99..101));
        assert_eq!(patches.labels().unwrap().indices()[20], 3);
        assert!((patches.votes().unwrap().distributions().view()[[20, 4]] - 0.2).abs() < 1e-12);
        assert_eq!(patches.groups().unwrap()[149], 2);
        let batches: Vec<_> = patches.batches(64).map(|batch| batch.unwrap().0).collect();
        assert_eq!(batches, [0..64, 64..128, 128..192, 192..250]);
    }
}
