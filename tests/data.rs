//! So2Sat-format files: what others write is read, what is written is read back, what is wrong is
//! refused in one line, and shuffled epochs give every patch once.

use std::fs;
use std::path::{Path, PathBuf};

use lcz::data::so2sat::{self, Layout, Rows, So2Sat, SplitBy, Writer};
use lcz::data::{BandStatistics, Masks, Patches, Summary};
use lcz::metrics::ConfusionMatrix;
use lcz::models::Classifier;
use lcz::models::baselines::PixelGaussian;
use lcz::progress::Silent;
use lcz::synthetic::Synthetic;
use lcz::{Bands, Classes, Imagery, Labels, Probabilities, Votes, Zone};
use ndarray::{Array1, Array2, Array3, Array4, array, s};

/// Patches of 8 × 8 pixels and three bands keep the tests quick.
fn small() -> Imagery {
    Imagery {
        patch_size: 8,
        bands: Bands::named(["B2", "B3", "B4"]).unwrap(),
        ground_sampling_distance: Some(10.0),
        unit: "reflectance".to_owned(),
        sensor: None,
    }
}

/// A pixel that tells its row, line, column and band, exact in f32.
fn pixel(n: usize, y: usize, x: usize, c: usize) -> f32 {
    (1000 * n + 100 * y + 10 * x + c) as f32
}

fn images(rows: std::ops::Range<usize>, channels: usize) -> Array4<f32> {
    Array4::from_shape_fn((rows.len(), 8, 8, channels), |(n, y, x, c)| pixel(rows.start + n, y, x, c))
}

/// Rows n of class n mod 17, eight votes for it and two for the next, fifty to a group.
fn write(path: &Path, rows: usize, compression: Option<u8>) {
    let layout = Layout { compression, ..Layout::new("sen2", small(), Classes::lcz(), "a test") };
    let mut writer = Writer::create(path, &layout).unwrap();
    for start in (0..rows).step_by(99) {
        let range = start..rows.min(start + 99);
        let labels: Vec<usize> = range.clone().map(|n| n % 17).collect();
        let groups: Vec<i32> = range.clone().map(|n| n as i32 / 50).collect();
        let votes =
            Array2::from_shape_fn((range.len(), 17), |(n, k)| match (17 + k - (start + n) % 17) % 17 {
                0 => 8.0,
                1 => 2.0,
                _ => 0.0,
            });
        let (sen2, sen1) = (images(range.clone(), 3), images(range, 8).mapv(|v| -v));
        let rows = Rows {
            sen1: Some(sen1.view()),
            labels: Some(&labels),
            votes: Some(votes.view()),
            groups: Some(&groups),
            ..Rows::new(sen2.view())
        };
        writer.append(rows).unwrap();
    }
    writer.finish().unwrap();
}

fn open(path: &Path) -> Patches {
    So2Sat::open(path).unwrap().patches().unwrap()
}

fn frozen(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

/// What a frozen file's pixel is (tests/vectors/make_data.py).
fn frozen_pixel(n: usize, y: usize, x: usize, c: usize) -> f32 {
    pixel(n, y, x, c) / 16384.0
}

// Files that others wrote.

#[test]
fn a_file_as_so2sat_has_them_is_read_as_f32() {
    let so2sat = So2Sat::open(frozen("data_so2sat.h5")).unwrap();
    let patches = so2sat.patches().unwrap();
    assert_eq!((patches.len(), patches.imagery().patch_size), (6, 4));
    assert_eq!(patches.imagery().bands, Bands::sentinel2());
    assert_eq!(patches.imagery().unit, "reflectance");
    assert_eq!(patches.provenance(), "unknown source");
    assert_eq!(*patches.classes(), Classes::lcz());
    assert_eq!(patches.labels().unwrap().indices(), [0, 16, 5, 16, 10, 2]);
    assert!(!patches.has_votes() && patches.groups().is_none());
    let expected = Array4::from_shape_fn((2, 4, 4, 10), |(n, y, x, c)| frozen_pixel(n + 3, y, x, c));
    assert_eq!(patches.images(3..5).unwrap(), expected);

    let radar = So2Sat::open_as(frozen("data_so2sat.h5"), "sen1").unwrap().patches().unwrap();
    assert_eq!(radar.imagery().bands, Bands::sentinel1());
    assert_eq!(radar.images(5..6).unwrap()[[0, 1, 2, 7]].to_bits(), (-frozen_pixel(5, 1, 2, 7)).to_bits());
}

#[test]
fn big_endian_pixels_in_compressed_chunks_across_patches_are_read() {
    let patches = open(&frozen("data_odd_chunks.h5"));
    let expected = Array4::from_shape_fn((13, 6, 6, 5), |(n, y, x, c)| frozen_pixel(n, y, x, c));
    assert_eq!(patches.images(0..13).unwrap(), expected);
    assert_eq!(patches.images(4..11).unwrap(), expected.slice(s![4..11, .., .., ..]));
    assert_eq!(patches.classes().codes(), ["forest", "river", "town"]);
    assert_eq!(patches.labels().unwrap().counts(), [5, 4, 4]);
    assert_eq!(patches.groups().unwrap(), [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3]);
    assert_eq!(patches.provenance(), "h5py, frozen");
    let scattered = patches.images_at(&[12, 0, 7, 7, 6]).unwrap();
    for (n, row) in [12, 0, 7, 7, 6].into_iter().enumerate() {
        assert_eq!(scattered.slice(s![n, .., .., ..]), expected.slice(s![row, .., .., ..]));
    }
}

#[test]
fn integers_and_fixed_length_attributes_are_read() {
    let patches = open(&frozen("data_integers.h5"));
    assert_eq!(patches.images(3..4).unwrap()[[0, 2, 1, 1]].to_bits(), 3211f32.to_bits());
    assert_eq!(patches.imagery().bands, Bands::named(["B4", "B8"]).unwrap());
    assert_eq!(patches.imagery().ground_sampling_distance, Some(30.0));
    assert_eq!(patches.imagery().unit, "digital number");
    assert_eq!(patches.classes().codes(), ["A", "G"]);
    assert!(!patches.has_labels(), "a file without labels is valid");
    assert_eq!(patches.votes().unwrap().counts().row(1).to_vec(), [1.0, 2.0]);
}

#[test]
fn the_files_of_the_label_distribution_paper_hold_distributions_not_counts() {
    let patches = open(&frozen("data_ldl.h5"));
    assert_eq!(*patches.classes(), Classes::built());
    assert_eq!(patches.labels().unwrap().indices(), [1, 7, 9]);
    let y = patches.distributions().unwrap();
    assert_eq!(y.view().row(2).to_vec(), [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.125, 0.25, 0.625]);
    let without_8 = patches.without(Zone::LargeLowRise).unwrap();
    assert_eq!(without_8.len(), 2);
    let y = without_8.distributions().unwrap();
    assert!((y.view()[[1, 8]] - 0.625 / 0.875).abs() < 1e-12, "the class left out leaves its share");
}

#[test]
fn distributions_of_the_built_zones_alone_go_with_the_patches_of_these() {
    let patches = open(&frozen("data_ldl_all.h5"));
    assert_eq!((patches.len(), patches.classes()), (4, &Classes::lcz()));
    let error = patches.distributions().unwrap_err().to_string();
    assert!(error.contains("row 1") && error.contains("leave the row or its zone out"), "{error}");
    let natural = ["A", "B", "C", "D", "E", "F", "G"].map(|code| code.parse().unwrap());
    let so2sat = So2Sat::open(frozen("data_ldl_all.h5")).unwrap();
    let built = natural.into_iter().fold(so2sat, So2Sat::without).patches().unwrap();
    assert_eq!((built.len(), built.classes()), (2, &Classes::built()));
    let y = built.distributions().unwrap();
    assert_eq!(y.view().row(0).to_vec(), [0.25, 0.75, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert!((y.view()[[1, 9]] - 1.0).abs() < 1e-15);
    assert_eq!(built.images(1..2).unwrap()[[0, 0, 0, 0]].to_bits(), frozen_pixel(2, 0, 0, 0).to_bits());
}

#[test]
fn where_there_are_distributions_alone_the_largest_share_is_the_label() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("distributions.h5");
    let file = hdf5::File::create(&path).unwrap();
    put(&file, "sen2", &images(0..2, 10));
    let mut y = Array2::<f32>::zeros((2, 10));
    (y[[0, 3]], y[[0, 4]], y[[1, 9]]) = (0.4, 0.6, 1.0);
    put(&file, "y_distributional_urban", &y);
    file.close().unwrap();
    let patches = open(&path);
    assert_eq!(*patches.classes(), Classes::built());
    assert!(!patches.has_labels() && patches.labels().is_err());
    assert_eq!(patches.labels_or_majority().unwrap().indices(), [4, 9]);
}

#[test]
fn choices_of_ten_experts_next_to_the_label_are_counted() {
    let votes = open(&frozen("data_choices.h5")).votes().unwrap();
    let counted = |row: usize, k: usize| votes.counts()[[row, k]];
    assert_eq!([1, 2, 4].map(|k| counted(0, k) as usize), [7, 2, 1]);
    assert_eq!([13, 16].map(|k| counted(1, k) as usize), [1, 9]);
    assert!((votes.counts().sum() - 20.0).abs() < 1e-6);

    // Eleven columns that are something else are not taken for choices.
    let message = message(
        |file| {
            put(file, "sen2", &images(0..1, 10));
            put(file, "label", &Array2::<f32>::from_shape_fn((1, 17), |(_, k)| f32::from(k == 3)));
            put(file, "votes", &Array2::<f32>::ones((1, 11)));
        },
        |patches| patches.votes().map(drop),
    );
    assert!(message.contains("'votes', row 0") && message.contains("one column per class"), "{message}");
}

#[test]
fn cities_and_places_of_version_4_are_read_from_the_file_next_to_it() {
    let patches = open(&frozen("data_v4.h5"));
    // Places in the list of So2Sat's 52 cities; one that is not there comes after them.
    assert_eq!(patches.groups().unwrap(), [28, 52, 28, 51]);
    let named = [(28, "munich"), (51, "zurich"), (52, "atlantis")].map(|(n, name)| (n, name.to_owned()));
    assert_eq!(patches.cities(), named);
    let places = patches.select(&[3, 1]).unwrap().places().unwrap().unwrap();
    // The centre of 4 x 4 pixels lies 1.5 pixels from that of the first.
    let place = |n: f64| so2sat::Place {
        epsg: 32632,
        x: 680_005.0 + 1000.0 * n + 15.0,
        y: 5_340_995.0 - 500.0 * n - 15.0,
    };
    assert_eq!(places, [place(3.0), place(1.0)]);
    assert!(open(&frozen("data_so2sat.h5")).places().unwrap().is_none());
    let given = patches.with_groups(vec![7, 7, 7, 7]).unwrap();
    assert_eq!((given.groups().unwrap(), given.cities()), (vec![7; 4], &[][..]));
}

#[test]
fn real_sentinel_2_patches_are_read() {
    let stated = std::env::var_os("LCZ_REAL_DATA");
    let folder = stated.clone().map_or_else(|| "../shared/data".into(), PathBuf::from);
    let path = folder.join("sen2lcz/reference_patches.h5");
    if stated.is_none() && !path.exists() {
        eprintln!("skipped: no {} (set LCZ_REAL_DATA)", path.display());
        return;
    }
    let patches = open(&path);
    assert_eq!((patches.len(), patches.imagery().clone()), (72, Imagery::so2sat()));
    let BandStatistics { mean, standard_deviation } = patches.band_statistics(&mut Silent).unwrap();
    assert!(mean.iter().chain(&standard_deviation).all(|&v| v > 0.0 && v < 1.0), "reflectance: {mean:?}");
}

// Files that lcz wrote.

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
        assert_eq!(patches.images(0..250).unwrap(), images(0..250, 3));
        assert_eq!(patches.images(99..101).unwrap(), images(99..101, 3));
        assert_eq!(patches.labels().unwrap().indices()[20], 3);
        assert!((patches.votes().unwrap().distributions().view()[[20, 4]] - 0.2).abs() < 1e-12);
        assert_eq!(patches.groups().unwrap()[149], 2);
        let batches: Vec<_> = patches.batches(64).map(|batch| batch.unwrap().0).collect();
        assert_eq!(batches, [0..64, 64..128, 128..192, 192..250]);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left in the folder");
}

/// `./course test` then runs tests/h5py_reads_back.py on it.
#[test]
fn a_file_is_left_for_h5py_to_read() {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("written_by_lcz.h5");
    let _ = fs::remove_file(&path);
    write(&path, 250, Some(4));
    assert!(path.exists());
}

#[test]
fn a_writer_that_does_not_finish_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unfinished.h5");
    let layout = Layout::new("sen2", small(), Classes::lcz(), "a test");
    let mut writer = Writer::create(&path, &layout).unwrap();
    writer.append(Rows::new(images(0..9, 3).view())).unwrap();
    assert!(!path.exists());
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_file_is_replaced_only_on_request_and_only_by_a_whole_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patches.h5");
    write(&path, 20, None);
    let refusing = Layout::new("sen2", small(), Classes::lcz(), "the second");
    let error = Writer::create(&path, &refusing).err().unwrap().to_string();
    assert!(
        error.ends_with("patches.h5: the file exists; choose another name, or remove it first"),
        "{error}"
    );
    let overwriting = Layout { overwrite: true, ..refusing };
    let mut writer = Writer::create(&path, &overwriting).unwrap();
    writer.append(Rows::new(images(0..3, 3).view())).unwrap();
    assert_eq!(open(&path).len(), 20, "the old file stays until the new one is whole");
    writer.finish().unwrap();
    assert_eq!((open(&path).len(), open(&path).provenance()), (3, "the second"));
}

#[test]
fn rows_that_would_spoil_a_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spoilt.h5");
    let layout = Layout::new("sen2", small(), Classes::lcz(), "a test");
    let mut writer = Writer::create(&path, &layout).unwrap();
    let good = images(0..2, 3);
    writer.append(Rows { labels: Some(&[0, 16]), ..Rows::new(good.view()) }).unwrap();
    let mut refuse = |rows: Rows<'_>, words: &str| {
        let error = writer.append(rows).unwrap_err().to_string();
        assert!(error.contains(words) && error.lines().count() == 1, "{error}");
    };
    let mut holed = good.clone();
    holed[[1, 0, 0, 0]] = f32::NAN;
    refuse(Rows { labels: Some(&[0, 1]), ..Rows::new(holed.view()) }, "row 3: a pixel is NaN or infinite");
    refuse(Rows { labels: Some(&[0, 17]), ..Rows::new(good.view()) }, "row 3: a label beyond the 17 classes");
    refuse(Rows { labels: Some(&[0]), ..Rows::new(good.view()) }, "not 2 rows");
    let masks = |shape, class| Array3::<u8>::from_elem(shape, class);
    refuse(
        Rows { masks: Some(masks((2, 8, 8), 17).view()), ..Rows::new(good.view()) },
        "row 2: a pixel's class is beyond the 17 classes",
    );
    refuse(
        Rows { masks: Some(masks((2, 8, 7), 0).view()), ..Rows::new(good.view()) },
        "masks of shape (2, 8, 7), not (2, 8, 8)",
    );
    refuse(Rows::new(good.view()), "other datasets than in the first rows");
    refuse(Rows::new(images(0..2, 4).view()), "pixels of shape (2, 8, 8, 4)");
    writer.finish().unwrap();
    assert_eq!(open(&path).len(), 2);

    let nothing = Writer::create(folder.path().join("none.h5"), &layout).unwrap().finish().unwrap_err();
    assert!(nothing.to_string().contains("no rows were written"), "{nothing}");
    let nowhere = Writer::create(Path::new("no/such/folder/a.h5"), &layout).err().unwrap().to_string();
    assert!(nowhere.starts_with("no/such/folder/a.h5: "), "{nowhere}");
    let layout = Layout { classes: Classes::named(["a\0b", "c"]).unwrap(), ..layout };
    assert!(Writer::create(folder.path().join("a.h5"), &layout).is_err());
}

#[test]
fn the_name_of_a_class_or_band_may_hold_a_comma() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("commas.h5");
    let classes = Classes::named(["industrial, commercial", "forêt"]).unwrap();
    let imagery = Imagery { bands: Bands::named(["red, edge"]).unwrap(), ..small() };
    let mut writer =
        Writer::create(&path, &Layout::new("patches", imagery, classes.clone(), "a test")).unwrap();
    writer.append(Rows { labels: Some(&[0, 1]), ..Rows::new(images(0..2, 1).view()) }).unwrap();
    writer.finish().unwrap();
    let patches = open(&path);
    assert_eq!(
        (patches.classes(), patches.imagery().bands.names()),
        (&classes, &["red, edge".to_owned()][..])
    );
    let p = Probabilities::new(classes.clone(), array![[0.75, 0.25], [0.5, 0.5]]).unwrap();
    let path = folder.path().join("p.h5");
    lcz::data::predictions::write(&path, &p, &patches).unwrap();
    assert_eq!(*lcz::data::predictions::read(&path, None).unwrap().labels.classes(), classes);
}

#[test]
fn chunks_that_cut_through_many_patches_are_read_by_whole_blocks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unfavourable.h5");
    let file = hdf5::File::create(&path).unwrap();
    let all = images(0..230, 3);
    let dataset = file.new_dataset::<f32>().shape((230, 8, 8, 3)).chunk((100, 2, 4, 2)).deflate(1);
    dataset.create("sen2").unwrap().write(&all).unwrap();
    file.close().unwrap();
    let patches = open(&path);
    assert!(patches.unfavourable_chunks().unwrap().contains("chunks of 100 x 2 x 4 x 2"));
    for range in [0..230, 95..105, 199..230, 3..4, 99..201] {
        assert_eq!(patches.images(range.clone()).unwrap(), all.slice(s![range, .., .., ..]));
    }
    assert_eq!(
        patches.images_at(&[229, 0, 100, 99]).unwrap(),
        all.select(ndarray::Axis(0), &[229, 0, 100, 99])
    );
    let mut order = epoch(&patches, 32, 3);
    order.sort_unstable();
    assert!(order.into_iter().eq(0..230));
}

/// Every way in which floats lie in a file that is read past HDF5, and one that is not, against the numbers written.
#[test]
fn floats_in_pieces_and_in_chunks_of_every_kind_are_read_as_written() {
    let folder = tempfile::tempdir().unwrap();
    let all = images(0..70, 3);
    let wide = all.mapv(f64::from);
    let chunks = [[16, 8, 8, 3], [1, 8, 8, 3], [70, 8, 8, 3], [9, 5, 3, 2], [32, 8, 8, 1]];
    let mut cases = 0;
    for chunk in [None].into_iter().chain(chunks.map(Some)) {
        for (shuffled, deflated, checked) in [
            (false, false, false),
            (false, true, false),
            (true, false, false),
            (true, true, false),
            (true, true, true),
        ] {
            if chunk.is_none() && (shuffled || deflated) {
                continue;
            }
            for bits in [32, 64] {
                let path = folder.path().join(format!("{cases}.h5"));
                let file = hdf5::File::create(&path).unwrap();
                let mut builder =
                    if bits == 32 { file.new_dataset::<f32>() } else { file.new_dataset::<f64>() };
                if shuffled {
                    builder = builder.shuffle();
                }
                if deflated {
                    builder = builder.deflate(4);
                }
                if checked {
                    builder = builder.fletcher32();
                }
                let dataset = match chunk {
                    Some([n, y, x, c]) => builder.shape((70, 8, 8, 3)).chunk((n, y, x, c)).create("sen2"),
                    None => builder.shape((70, 8, 8, 3)).create("sen2"),
                }
                .unwrap();
                if bits == 32 { dataset.write(&all) } else { dataset.write(&wide) }.unwrap();
                drop((dataset, file));
                let patches = open(&path);
                for range in [0..70, 0..1, 69..70, 15..33, 7..64] {
                    let read = patches.images(range.clone()).unwrap();
                    assert_eq!(
                        read,
                        all.slice(s![range, .., .., ..]),
                        "{chunk:?}, shuffled {shuffled}, deflated {deflated}, {bits} bits"
                    );
                }
                let mut order = epoch(&patches, 8, 3);
                order.sort_unstable();
                assert!(order.into_iter().eq(0..70));
                cases += 1;
            }
        }
    }
    assert_eq!(cases, 2 * (1 + 5 * 5));
}

/// Files of which the bytes would mislead who reads them past HDF5.
#[test]
fn what_only_looks_like_plain_floats_is_read_as_written() {
    let expected = Array4::from_shape_fn((3, 4, 4, 2), |(n, y, x, c)| frozen_pixel(n, y, x, c));
    for name in ["data_custom_floats.h5", "data_user_block.h5", "data_linked.h5"] {
        assert_eq!(open(&frozen(name)).images(0..3).unwrap(), expected, "{name}");
    }
    let unwritten = open(&frozen("data_unwritten_chunk.h5"));
    let expected =
        Array4::from_shape_fn(
            (6, 4, 4, 2),
            |(n, y, x, c)| {
                if n / 2 == 1 { 0.5 } else { frozen_pixel(n, y, x, c) }
            },
        );
    for _ in 0..2 {
        assert_eq!(unwritten.images(0..6).unwrap(), expected);
        assert_eq!(unwritten.images(3..5).unwrap(), expected.slice(s![3..5, .., .., ..]));
    }

    // Chunks at the edge without the filters of the others.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("edges.h5");
    let file = hdf5::FileBuilder::new().with_fapl(|access| access.libver_latest()).create(&path).unwrap();
    let all = images(0..70, 3);
    let unfiltered = hdf5::plist::dataset_create::ChunkOpts::DONT_FILTER_PARTIAL_CHUNKS;
    for (name, deflated) in [("sen2", false), ("patches", true)] {
        let mut builder = file.new_dataset::<f32>().shuffle();
        if deflated {
            builder = builder.deflate(4);
        }
        let builder = builder.shape((70, 8, 8, 3)).chunk((16, 8, 8, 3)).chunk_opts(unfiltered);
        builder.create(name).unwrap().write(&all).unwrap();
    }
    drop(file);
    for name in ["sen2", "patches"] {
        let patches = So2Sat::open_as(&path, name).unwrap().patches().unwrap();
        assert_eq!(patches.images(0..70).unwrap(), all, "{name}");
    }
}

#[test]
fn unfavourable_chunks_are_read_by_several_threads_at_once() {
    use rayon::prelude::*;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("unfavourable.h5");
    let all = images(0..230, 3);
    {
        let file = hdf5::File::create(&path).unwrap();
        let dataset = file.new_dataset::<f32>().shape((230, 8, 8, 3)).chunk((100, 2, 4, 2)).deflate(1);
        dataset.create("sen2").unwrap().write(&all).unwrap();
    }
    let patches = open(&path);
    (0..230_usize).into_par_iter().for_each(|n| {
        assert_eq!(patches.images(n..n + 1).unwrap(), all.slice(s![n..n + 1, .., .., ..]));
    });
}

#[test]
fn a_damaged_chunk_and_a_file_cut_short_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.h5");
    let file = hdf5::File::create(&path).unwrap();
    let dataset = file
        .new_dataset::<f32>()
        .shape((64, 8, 8, 3))
        .chunk((16, 8, 8, 3))
        .deflate(4)
        .create("sen2")
        .unwrap();
    dataset.write(&images(0..64, 3)).unwrap();
    let second = dataset.chunk_info(1).unwrap();
    drop((dataset, file));
    let mut damaged = fs::read(&path).unwrap();
    let middle = (second.addr + second.size / 2) as usize;
    damaged[middle..middle + 40].fill(0xff);
    fs::write(&path, &damaged).unwrap();
    let patches = open(&path);
    assert!(patches.images(0..16).is_ok());
    let error = patches.images(10..20).unwrap_err().to_string();
    assert!(error.contains("damaged.h5, dataset 'sen2': HDF5 says: "), "{error}");

    // Cut while it is open: else HDF5 tells at once.
    let path = folder.path().join("cut.h5");
    let file = hdf5::File::create(&path).unwrap();
    let dataset = file.new_dataset::<f32>().shape((64, 8, 8, 3)).create("sen2").unwrap();
    dataset.write(&images(0..64, 3)).unwrap();
    drop((dataset, file));
    let patches = open(&path);
    let whole = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(whole - 4000).unwrap();
    let error = patches.images(0..64).unwrap_err().to_string();
    assert!(error.contains("cut short"), "{error}");
}

/// The index of chunks is a B-tree of version 1: a node's first key, which states the length of the first chunk, is 24 bytes
/// behind its signature. HDF5's call that reads a chunk writes that many bytes, its call that returns the length names the
/// layout's.
#[test]
fn a_chunk_whose_stated_length_is_not_the_layouts_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for stated in [8 * 768, 1 << 30, 100, 0] {
        let path = folder.path().join(format!("{stated}.h5"));
        let file = hdf5::File::create(&path).unwrap();
        let dataset =
            file.new_dataset::<f32>().shape((64, 8, 8, 3)).chunk((1, 8, 8, 3)).create("sen2").unwrap();
        dataset.write(&images(0..64, 3)).unwrap();
        drop((dataset, file));
        let mut bytes = fs::read(&path).unwrap();
        let node = (0..bytes.len() - 28).filter(|&at| {
            bytes[at..].starts_with(b"TREE\x01\x00") && bytes[at + 24..at + 28] == 768_u32.to_le_bytes()
        });
        let length = node.min().expect("a leaf of the index") + 24;
        bytes[length..length + 4].copy_from_slice(&u32::to_le_bytes(stated));
        fs::write(&path, &bytes).unwrap();
        let error = So2Sat::open(&path).map(drop).unwrap_err().to_string();
        assert!(
            error.contains("dataset 'sen2': the HDF5 file's index states chunks of another length"),
            "{error}"
        );
    }
}

/// None of these numbers was ever written, and nothing may be allocated for them.
#[test]
fn a_stated_size_that_is_not_stored_is_refused_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, shapes: &[(&str, Vec<usize>)], ask: &dyn Fn(&Path) -> lcz::Result<()>| {
        let path = folder.path().join(format!("{name}.h5"));
        let file = hdf5::File::create(&path).unwrap();
        for (dataset, shape) in shapes {
            let chunk: Vec<usize> = shape.iter().map(|length| (*length).min(8)).collect();
            let made = file.new_dataset::<f32>().shape(&shape[..]).chunk(chunk).create(*dataset).unwrap();
            if *shape == [6, 3] {
                made.write(&Array2::from_elem((6, 3), 1.0_f32 / 3.0)).unwrap();
            }
        }
        file.close().unwrap();
        let error = ask(&path).unwrap_err().to_string();
        let wanted = format!("{name}.h5, dataset '{}': its shape is ", shapes[shapes.len() - 1].0);
        assert!(error.contains(&wanted) && error.contains("only ") && !error.contains('\n'), "{error}");
    };
    let patches = |path: &Path| So2Sat::open(path)?.patches().map(drop);
    let predictions = |path: &Path| lcz::data::predictions::read(path, None).map(drop);
    let features = |path: &Path| lcz::data::features::FeatureFile::open(path)?.read().map(drop);
    let labels = |path: &Path| lcz::data::features::FeatureFile::open(path)?.labels().map(drop);
    let huge = 1_usize << 40;
    refused("rows", &[("sen2", vec![huge, 8, 8, 3])], &patches);
    refused("bands", &[("sen2", vec![6, 8, 8, 1 << 62])], &patches);
    refused("votes", &[("sen2", vec![6, 8, 8, 3]), ("votes", vec![6, huge])], &patches);
    refused("groups", &[("sen2", vec![6, 8, 8, 3]), ("group", vec![huge])], &patches);
    refused("probabilities", &[("probabilities", vec![6, huge])], &predictions);
    refused("label", &[("probabilities", vec![6, 3]), ("label", vec![huge, 3])], &predictions);
    refused("features", &[("features", vec![huge, 64])], &features);
    refused("labels", &[("features", vec![6, 64]), ("label", vec![6, huge])], &labels);
    // Metrics take memory for each pair of classes.
    let path = folder.path().join("classes.h5");
    let file = hdf5::File::create(&path).unwrap();
    file.new_dataset::<f32>().shape((3, 20_000)).create("probabilities").unwrap();
    file.close().unwrap();
    let error = predictions(&path).unwrap_err().to_string();
    assert!(error.contains("classes.h5, class list: 20000 classes, not 1 to 1000; "), "{error}");
}

/// The bytes of a file's only heap reference, which stand before the number 1 of the heap's first object: a length, the
/// heap's address, that number.
fn reference(bytes: &[u8], length: usize) -> usize {
    let heap = bytes.windows(4).position(|window| window == b"GCOL").expect("a heap");
    let wanted =
        [&(length as u32).to_le_bytes()[..], &(heap as u64).to_le_bytes(), &1_u32.to_le_bytes()].concat();
    bytes.windows(16).position(|window| window == wanted).expect("a reference")
}

#[test]
fn texts_of_variable_length_are_read_and_no_flipped_bit_of_theirs_ends_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("texts.h5");
    let file = hdf5::File::create(&path).unwrap();
    put(&file, "sen2", &Array4::<f32>::ones((4, 8, 8, 3)));
    let bands: hdf5::types::VarLenUnicode = "rot,grün,blau".parse().unwrap();
    file.new_attr::<hdf5::types::VarLenUnicode>().create("bands").unwrap().write_scalar(&bands).unwrap();
    file.close().unwrap();
    assert_eq!(open(&path).imagery().bands.names(), ["rot", "grün", "blau"]);
    let whole = fs::read(&path).unwrap();
    let heap = whole.windows(4).position(|window| window == b"GCOL").unwrap();
    let reference = reference(&whole, bands.len());
    let mut refused = 0;
    for bit in (reference * 8..(reference + 16) * 8).chain(heap * 8..(heap + 56) * 8) {
        let mut damaged = whole.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &damaged).unwrap();
        match So2Sat::open(&path) {
            // A shorter or another text, or a byte of which nothing depends.
            Ok(_) => {}
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("texts.h5, attribute 'bands': "), "bit {bit}: {error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 250, "{refused}");
}

#[test]
fn what_is_written_has_texts_of_fixed_length_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fixed.h5");
    write(&path, 20, None);
    let mut features =
        lcz::data::features::FeatureWriter::create(folder.path().join("f.h5"), "mlp", &open(&path)).unwrap();
    features.append(&lcz::Features::new(Array2::ones((20, 2)))).unwrap();
    features.finish().unwrap();
    for name in ["fixed.h5", "f.h5"] {
        let file = hdf5::File::open(folder.path().join(name)).unwrap();
        for attribute in file.attr_names().unwrap() {
            use hdf5::types::TypeDescriptor::{VarLenAscii, VarLenUnicode};
            let kind = file.attr(&attribute).unwrap().dtype().unwrap().to_descriptor().unwrap();
            assert!(!matches!(kind, VarLenAscii | VarLenUnicode), "{name}, {attribute}");
        }
    }
    assert_eq!(open(&path).provenance(), "a test");
}

#[test]
fn data_in_other_files_are_read_from_the_same_folder_only() {
    let folder = tempfile::tempdir().unwrap();
    let (inside, outside) = (folder.path().join("data/votes.h5"), folder.path().join("elsewhere.h5"));
    fs::create_dir(folder.path().join("data")).unwrap();
    for path in [&inside, &outside] {
        let file = hdf5::File::create(path).unwrap();
        put(&file, "votes", &Array2::ones((4, 17)));
    }
    let path = folder.path().join("data/patches.h5");
    let open_with = |link: &dyn Fn(&hdf5::File)| {
        let file = hdf5::File::create(&path).unwrap();
        put(&file, "sen2", &Array4::<f32>::ones((4, 8, 8, 3)));
        link(&file);
        file.close().unwrap();
        So2Sat::open(&path).map(drop).map_err(|error| error.to_string())
    };
    open_with(&|file| file.link_external("votes.h5", "votes", "votes").unwrap()).unwrap();
    let absolute = outside.to_str().unwrap().to_owned();
    let through_another = |file: &hdf5::File| {
        file.link_external(&absolute, "votes", "hidden").unwrap();
        file.link_soft("hidden", "votes").unwrap();
    };
    for refused in [
        open_with(&|file| file.link_external("../elsewhere.h5", "votes", "votes").unwrap()),
        open_with(&|file| file.link_external(&absolute, "votes", "votes").unwrap()),
        open_with(&through_another),
    ] {
        let error = refused.unwrap_err();
        assert!(
            error.contains("patches.h5, dataset 'votes': it is a link to ") && error.contains("elsewhere.h5"),
            "{error}"
        );
        assert!(error.contains("LCZ_FOLLOW_LINKS=1"), "{error}");
    }
    let error = open_with(&|file| file.link_external("gone.h5", "votes", "votes").unwrap()).unwrap_err();
    assert!(error.contains("gone.h5, which does not exist"), "{error}");

    // Raw bytes of any file as a dataset's numbers, and a dataset put together of others.
    fs::write(folder.path().join("data/raw"), [0; 4 * 17 * 4]).unwrap();
    let error = open_with(&|file| {
        let dataset = file.new_dataset::<f32>().with_dcpl(|made| made.external("raw", 0, 4 * 17 * 4));
        dataset.shape((4, 17)).create("votes").unwrap();
    });
    let error = error.unwrap_err();
    assert!(error.contains("dataset 'votes': its numbers lie in other files; "), "{error}");
    let symbolic = folder.path().join("symbolic.h5");
    open_with(&|_| ()).unwrap();
    std::os::unix::fs::symlink(&path, &symbolic).unwrap();
    So2Sat::open(&symbolic).unwrap();
}

// Views.

#[test]
fn leaving_water_out_drops_its_rows_its_column_and_its_votes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.h5");
    write(&path, 100, None);
    let patches = So2Sat::open(&path).unwrap().without(Zone::Water).patches().unwrap();
    assert_eq!((patches.len(), patches.classes().len()), (95, 16));
    // Row 17 of the file comes to position 16, where row 16 (water) was.
    assert_eq!(patches.images(16..17).unwrap(), images(17..18, 3));
    assert_eq!(patches.labels().unwrap().indices()[15..18], [15, 0, 1]);
    // Row 15 has eight votes for F and two for water, which are gone.
    assert_eq!(patches.votes().unwrap().distributions().view()[[15, 15]].to_bits(), 1f64.to_bits());
    let twice = patches.without(Zone::CompactHighRise).unwrap();
    assert_eq!((twice.len(), twice.labels().unwrap().indices()[0]), (89, 0));
    assert_eq!(twice.images(0..1).unwrap(), images(1..2, 3));
    assert_eq!(patches.without(Zone::Water).unwrap().len(), 95, "water is gone already");
}

#[test]
fn rows_and_bands_are_chosen_among_those_chosen_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.h5");
    write(&path, 400, Some(1));
    let in_memory = Patches::in_memory(small(), Classes::lcz(), images(0..400, 3)).unwrap();
    let labels = Labels::new(Classes::lcz(), (0..400).map(|n| n % 17).collect()).unwrap();
    let in_memory = in_memory.with_labels(&labels).unwrap().with_groups((0..400).map(|n| n / 50).collect());
    for patches in [open(&path), in_memory.unwrap()] {
        let odd: Vec<usize> = (0..200).map(|n| 399 - 2 * n).collect();
        let view = patches.select(&odd).unwrap().select(&[0, 199, 57, 57]).unwrap();
        let view = view.bands(&Bands::named(["B4", "B2"]).unwrap()).unwrap();
        assert_eq!(view.labels().unwrap().indices(), [399 % 17, 1, 285 % 17, 285 % 17]);
        assert_eq!(view.groups().unwrap(), [7, 0, 5, 5]);
        let expected =
            Array4::from_shape_fn((4, 8, 8, 2), |(n, y, x, c)| pixel([399, 1, 285, 285][n], y, x, [2, 0][c]));
        assert_eq!(view.images(0..4).unwrap(), expected);
        let blue = view.bands(&Bands::named(["b02"]).unwrap()).unwrap();
        assert_eq!(blue.imagery().bands.names(), ["B2"]);
        assert_eq!(blue.images(1..3).unwrap(), expected.slice(s![1..3, .., .., 1..2]));
        assert!(blue.bands(&Bands::named(["B4"]).unwrap()).is_err());
        assert!(patches.select(&[400]).is_err() && patches.select(&[]).is_err());
        assert!(patches.images(399..401).is_err());
    }
}

/// The class of a pixel: the rows' own in turn, none in every fifth column.
fn pixel_class(n: usize, y: usize, x: usize) -> u8 {
    if x % 5 == 4 { Masks::IGNORED } else { ((n + y) % 17) as u8 }
}

#[test]
fn masks_stay_with_their_patches_in_a_file_and_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let masks = Array3::from_shape_fn((200, 8, 8), |(n, y, x)| pixel_class(n, y, x));
    let in_memory = Patches::in_memory(small(), Classes::lcz(), images(0..200, 3)).unwrap();
    let in_memory = in_memory.with_masks(&Masks::new(Classes::lcz(), masks.clone()).unwrap()).unwrap();
    for compression in [None, Some(4)] {
        let path = folder.path().join(format!("{}.h5", compression.unwrap_or(0)));
        let layout = Layout { compression, ..Layout::new("sen2", small(), Classes::lcz(), "a test") };
        let mut writer = Writer::create(&path, &layout).unwrap();
        for rows in [0..99, 99..200] {
            let (images, masks) = (images(rows.clone(), 3), masks.slice(s![rows, .., ..]));
            writer.append(Rows { masks: Some(masks), ..Rows::new(images.view()) }).unwrap();
        }
        writer.finish().unwrap();
        let stored: Vec<u8> = hdf5::File::open(&path).unwrap().dataset("mask").unwrap().read_raw().unwrap();
        assert!(stored.iter().zip(&masks).all(|(&stored, &class)| match class {
            Masks::IGNORED => stored == 0,
            class => stored == class + 1,
        }));
        for patches in [open(&path), in_memory.clone()] {
            assert!(patches.has_masks() && !patches.has_labels());
            let chosen = [199, 0, 64, 63, 64, 128];
            let view = patches.select(&(0..200).rev().collect::<Vec<_>>()).unwrap();
            let view = view.select(&chosen.map(|n| 199 - n)).unwrap();
            let view = view.bands(&Bands::named(["B4"]).unwrap()).unwrap();
            let of = |patches: &Patches| patches.masks().unwrap().view().to_owned();
            let wanted = |(k, y, x): (usize, usize, usize)| pixel_class(chosen[k], y, x);
            assert_eq!(of(&view), Array3::from_shape_fn((6, 8, 8), wanted));
            // Compact low-rise is class 2 of the zones, counted from 0.
            let without = view.without(Zone::CompactLowRise).unwrap();
            let given = without.clone().with_masks(&without.masks().unwrap()).unwrap();
            assert_eq!((without.len(), without.classes().len()), (6, 16));
            let left = |class: u8| match class {
                2 => Masks::IGNORED,
                class if (3..17).contains(&class) => class - 1,
                class => class,
            };
            assert_eq!(of(&without), of(&view).mapv(left));
            assert_eq!(of(&given), of(&view).mapv(left));
            let summary = Summary::from_patches(&patches).unwrap();
            assert_eq!(summary.unlabelled_pixels, Some(0.125));
            assert_eq!(
                summary.classes[0].pixels,
                Some(7 * (0..200).map(|n| (0..8).filter(|y| (n + y) % 17 == 0).count()).sum::<usize>())
            );
        }
    }
    let few = Masks::new(Classes::lcz(), Array3::zeros((3, 8, 8))).unwrap();
    assert!(in_memory.clone().with_masks(&few).unwrap_err().to_string().contains("3 rows for 200 patches"));
    let small = Masks::new(Classes::lcz(), Array3::zeros((200, 4, 4))).unwrap();
    let error = in_memory.with_masks(&small).unwrap_err().to_string();
    assert!(error.contains("masks: 4 x 4 pixels for patches of 8 x 8"), "{error}");
}

#[test]
fn labels_and_votes_may_be_attached_to_a_part_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("patches.h5");
    write(&path, 40, None);
    let part = So2Sat::open(&path).unwrap().without(Zone::CompactHighRise).patches().unwrap();
    let part = part.select(&[30, 3, 12]).unwrap();
    let labels = Labels::new(part.classes().clone(), vec![15, 0, 7]).unwrap();
    let mut counts = Array2::zeros((3, 16));
    counts.column_mut(4).fill(1.0);
    counts[[1, 15]] = 3.0;
    let votes = Votes::new(part.classes().clone(), counts.clone()).unwrap();
    let part = part.with_labels(&labels).unwrap().with_votes(&votes).unwrap();
    assert_eq!(part.labels().unwrap(), labels);
    assert_eq!(part.votes().unwrap().counts(), counts);
    assert_eq!(part.select(&[2, 1]).unwrap().labels().unwrap().indices(), [7, 0]);
    let dry = part.without(Zone::Water).unwrap();
    assert_eq!(dry.labels().unwrap().indices(), [0, 7]);
    assert!(part.with_groups(vec![1]).is_err());
}

#[test]
fn a_single_file_is_split_in_its_order_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("so2sat.h5");
    write(&path, 203, None);
    let so2sat = So2Sat::open(&path).unwrap().split_by(SplitBy::Position);
    assert_eq!(so2sat.split_description().unwrap(), "by position in the file");
    let (training, test) = so2sat.split_80_20().unwrap();
    assert_eq!((training.len(), test.len()), (163, 40));
    assert_eq!(test.images(0..1).unwrap(), images(163..164, 3));
    let (training, validation, test) = so2sat.splits().unwrap();
    assert_eq!((training.len(), validation.len(), test.len()), (131, 32, 40));
    assert_eq!(validation.images(0..32).unwrap(), images(131..163, 3));
    assert_eq!(test.images(0..40).unwrap(), images(163..203, 3));
}

#[test]
fn a_single_file_with_groups_is_split_by_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("so2sat.h5");
    // Five groups: four of 50 patches, one of 3.
    write(&path, 203, None);
    let so2sat = So2Sat::open(&path).unwrap();
    let (training, validation, test) = so2sat.splits().unwrap();
    let groups =
        |patches: &Patches| patches.groups().unwrap().into_iter().collect::<std::collections::BTreeSet<_>>();
    assert!(groups(&training).is_disjoint(&groups(&validation)));
    assert!(groups(&training).union(&groups(&validation)).all(|group| !groups(&test).contains(group)));
    assert_eq!(training.len() + validation.len() + test.len(), 203);
    let (t, v, s) = (groups(&training).len(), groups(&validation).len(), groups(&test).len());
    let words = format!("by group: {t} for training, {v} for validation, {s} for testing");
    assert_eq!(so2sat.split_description().unwrap(), words);

    // Without enough groups it is split by position, unless groups were requested.
    let few = folder.path().join("few.h5");
    write(&few, 90, None);
    let so2sat = So2Sat::open(&few).unwrap();
    assert_eq!(so2sat.split_description().unwrap(), "by position in the file");
    let error = so2sat.split_by(SplitBy::Group).splits().unwrap_err().to_string();
    assert!(error.contains("2 groups, too few to split by; "), "{error}");
}

#[test]
fn a_folder_gives_its_three_files_or_names_the_missing_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = So2Sat::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("no training.h5, validation.h5 or testing.h5 in this folder"), "{error}");
    write(&folder.path().join("training.h5"), 30, None);
    write(&folder.path().join("testing.h5"), 20, None);
    let error = So2Sat::open(folder.path()).unwrap().splits().err().unwrap().to_string();
    assert!(error.contains(": no validation.h5 in this folder; "), "{error}");
    write(&folder.path().join("validation.h5"), 10, None);
    let (training, validation, test) = So2Sat::open(folder.path()).unwrap().splits().unwrap();
    assert_eq!([training.len(), validation.len(), test.len()], [30, 10, 20]);
    fs::remove_file(folder.path().join("validation.h5")).unwrap();
    fs::copy(frozen("data_so2sat.h5"), folder.path().join("validation.h5")).unwrap();
    let error = So2Sat::open(folder.path()).unwrap().splits().err().unwrap().to_string();
    assert!(error.contains("validation.h5") && error.contains("patches of 4×4 pixels, not 8×8"), "{error}");
}

// Epochs.

/// Rows whose first pixel tells the position are checked on the way.
fn epoch(patches: &Patches, batch: usize, seed: u64) -> Vec<usize> {
    let mut order = Vec::new();
    for batch in patches.shuffled(batch, seed) {
        let (positions, images) = batch.unwrap();
        for (&position, image) in positions.iter().zip(images.outer_iter()) {
            assert_eq!(image[[0, 0, 0]].to_bits(), pixel(position, 0, 0, 0).to_bits());
        }
        order.extend(positions);
    }
    order
}

#[test]
fn an_epoch_is_a_full_shuffle_of_what_fits_in_memory_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.h5");
    write(&path, 500, Some(1));
    let (on_disk, in_memory) =
        (open(&path), Patches::in_memory(small(), Classes::lcz(), images(0..500, 3)).unwrap());
    let order = epoch(&on_disk, 64, 7);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert!(sorted.into_iter().eq(0..500), "every patch once");
    assert_eq!(order, epoch(&on_disk, 33, 7), "the order is the seed's");
    assert_eq!(order, epoch(&in_memory, 64, 7));
    assert_ne!(order, epoch(&on_disk, 64, 8));
    // Neighbours in the file are spread: mean distance n/3 in a uniform shuffle.
    let distance: usize = order.windows(2).map(|w| w[0].abs_diff(w[1])).sum();
    assert!((130..200).contains(&(distance / 499)), "{}", distance / 499);
    let sizes: Vec<usize> = on_disk.shuffled(64, 7).map(|batch| batch.unwrap().0.len()).collect();
    assert_eq!(sizes, [64, 64, 64, 64, 64, 64, 64, 52]);
}

#[test]
fn statistics_of_bands_are_those_of_the_formula() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("training.h5");
    write(&path, 300, None);
    let BandStatistics { mean, standard_deviation } = open(&path).band_statistics(&mut Silent).unwrap();
    // n, y and x are independent and uniform on 0..299, 0..7, 0..7: variance (k² - 1) / 12 each.
    let variance = 1e6 * (9e4 - 1.0) / 12.0 + (1e4 + 1e2) * 63.0 / 12.0;
    for c in 0..3 {
        assert!((mean[c] - (149_500.0 + 385.0 + c as f64)).abs() < 1e-6, "{mean:?}");
        assert!((standard_deviation[c] / f64::sqrt(variance) - 1.0).abs() < 1e-12, "{standard_deviation:?}");
    }
}

// The synthetic set.

/// Written once for the tests that read it.
fn synthetic() -> &'static Path {
    static FOLDER: std::sync::OnceLock<PathBuf> = std::sync::OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("synthetic");
        let _ = fs::remove_dir_all(&folder);
        Synthetic { patches: 2000, seed: 3 }.write(&folder, &mut Silent).unwrap();
        folder
    })
}

#[test]
fn a_seed_gives_the_same_synthetic_files_byte_for_byte_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, seed: u64, threads: usize| {
        let path = folder.path().join(name);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Synthetic { patches: 90, seed }.write(&path, &mut Silent)).unwrap();
        ["training.h5", "validation.h5", "testing.h5"].map(|name| fs::read(path.join(name)).unwrap())
    };
    let once = write("once", 1, 1);
    assert!(once == write("again", 1, 3), "the same");
    assert!(once != write("other", 2, 1), "another seed, another set");
}

#[test]
fn the_synthetic_set_has_every_class_in_every_split_other_cities_to_test_on_and_is_marked_as_synthetic() {
    let (training, validation, test) = So2Sat::open(synthetic()).unwrap().splits().unwrap();
    assert_eq!([training.len(), validation.len(), test.len()], [1200, 300, 500]);
    let mut cities = Vec::new();
    for split in [&training, &validation, &test] {
        assert_eq!(*split.imagery(), Imagery::so2sat());
        assert!(split.labels().unwrap().counts().iter().all(|&count| count > 0));
        assert!(
            split.votes().unwrap().counts().rows().into_iter().all(|votes| votes.sum().round() as i32 == 10)
        );
        assert!(split.provenance().starts_with("synthetic (lcz ") && split.provenance().ends_with("seed 3)"));
        cities.push(split.groups().unwrap().into_iter().collect::<std::collections::BTreeSet<_>>());
    }
    assert_eq!([&cities[0], &cities[1], &cities[2]].map(std::collections::BTreeSet::len), [42, 10, 10]);
    assert!(cities[0].is_disjoint(&cities[1]));
    assert_eq!(cities[1], cities[2], "validation and test are the two halves of the same ten cities");
    // 352,366 training patches of So2Sat: 14.0 % water, 12.2 % dense trees.
    assert!((training.labels().unwrap().counts()[16] as f64 / 1200.0 - 0.14).abs() < 0.005);
    let radar = So2Sat::open_as(synthetic().join("testing.h5"), "sen1").unwrap().patches().unwrap();
    assert_eq!(radar.imagery().bands, Bands::sentinel1());
}

#[test]
fn synthetic_bands_are_about_as_bright_and_varied_as_the_real_ones() {
    // So2Sat's Sentinel-2 bands.
    let mean = [0.12376, 0.10928, 0.10109, 0.11424, 0.15927, 0.18147, 0.17457, 0.19502, 0.15428, 0.10905];
    let deviation =
        [0.03959, 0.04778, 0.06637, 0.06359, 0.07744, 0.09102, 0.09218, 0.10165, 0.09992, 0.08781];
    let training = So2Sat::open(synthetic().join("training.h5")).unwrap().patches().unwrap();
    let made = training.band_statistics(&mut Silent).unwrap();
    for c in 0..10 {
        assert!((made.mean[c] / mean[c] - 1.0).abs() < 0.15, "{:?}", made.mean);
        assert!(
            (made.standard_deviation[c] / deviation[c] - 1.0).abs() < 0.25,
            "{:?}",
            made.standard_deviation
        );
    }
}

#[test]
fn a_single_pixel_tells_synthetic_classes_apart_in_part_only() {
    let (training, _, test) = So2Sat::open(synthetic()).unwrap().splits().unwrap();
    let baseline = PixelGaussian::fit(&training, &training.labels().unwrap(), &mut Silent).unwrap();
    let predicted = baseline.predict(&test).unwrap().predicted();
    let accuracy =
        ConfusionMatrix::from_labels(&test.labels().unwrap(), &predicted).unwrap().overall_accuracy_score();
    assert!((0.35..0.65).contains(&accuracy), "neither chance (0.14) nor a toy: {accuracy}");
}

#[test]
fn synthetic_files_do_not_replace_others_and_come_together() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("testing.h5"), 20, None);
    let error = Synthetic { patches: 20, seed: 1 }.write(folder.path(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("testing.h5: the file exists; "), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left behind");
    assert!(Synthetic { patches: 9, seed: 1 }.write(folder.path(), &mut Silent).is_err());
}

// Bad input: one line each.

/// A file with these datasets, and the message on opening it or on `ask`.
fn message(make: impl Fn(&hdf5::File), ask: impl Fn(&Patches) -> lcz::Result<()>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.h5");
    let file = hdf5::File::create(&path).unwrap();
    make(&file);
    file.close().unwrap();
    let opened = So2Sat::open(&path).and_then(|so2sat| so2sat.patches());
    let error = opened.and_then(|patches| ask(&patches)).unwrap_err().to_string();
    assert_eq!(error.lines().count(), 1, "{error}");
    error.split_once("bad.h5").expect("the file is named").1.to_owned()
}

fn put<D: ndarray::Dimension>(file: &hdf5::File, name: &str, data: &ndarray::Array<f32, D>) {
    file.new_dataset_builder().with_data(data).create(name).unwrap();
}

#[test]
fn a_file_that_is_missing_or_not_hdf5_or_cut_short_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h5");
    let message = || {
        let error = So2Sat::open(&path).err().unwrap().to_string();
        assert_eq!(error.lines().count(), 1, "{error}");
        error.split_once("a.h5: ").expect("the file is named").1.to_owned()
    };
    assert!(message().starts_with("No such file"), "{}", message());
    fs::write(&path, "patch,class\n1,2\n").unwrap();
    assert!(message().starts_with("not an HDF5 file; "), "{}", message());
    fs::write(&path, "").unwrap();
    assert!(message().starts_with("the file is empty; "), "{}", message());
    let whole = fs::read(frozen("data_so2sat.h5")).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(message().starts_with("the HDF5 file is cut short; "), "{}", message());
}

#[test]
fn datasets_that_are_missing_or_of_another_shape_are_refused() {
    let pixels = Array4::<f32>::ones((4, 8, 8, 3));
    let labels = Labels::new(Classes::lcz(), vec![3; 4]).unwrap().one_hot().view().mapv(|y| y as f32);
    let on_opening = |make: &dyn Fn(&hdf5::File)| message(make, |_| Ok(()));
    let error = on_opening(&|file| put(file, "label", &labels));
    assert!(error.starts_with(": no dataset 'sen2' (found: label); see docs/file-formats.md"), "{error}");
    let error = on_opening(&|file| put(file, "sen2", &labels));
    assert!(error.starts_with(", dataset 'sen2': rank 2 (shape 4 x 17); "), "{error}");
    let error = on_opening(&|file| put(file, "sen2", &Array4::ones((4, 8, 6, 3))));
    assert!(error.starts_with(", dataset 'sen2': patches of 8 x 6 pixels; "), "{error}");
    let error = on_opening(&|file| put(file, "sen2", &Array4::ones((0, 8, 8, 3))));
    assert!(error.starts_with(", dataset 'sen2': no rows"), "{error}");
    let error = on_opening(&|file| drop(file.create_group("sen2").unwrap()));
    assert!(error.starts_with(", dataset 'sen2': a group, not a dataset; "), "{error}");
    let with_pixels = |name: &str, data: Array2<f32>| {
        message(
            |file| {
                put(file, "sen2", &pixels);
                put(file, name, &data);
            },
            |_| Ok(()),
        )
    };
    let error = with_pixels("label", Array2::ones((3, 17)));
    assert!(error.starts_with(", dataset 'label': 3 rows where 'sen2' has 4; "), "{error}");
    let error = with_pixels("votes", Array2::ones((5, 17)));
    assert!(error.starts_with(", dataset 'votes': 5 rows where 'sen2' has 4; "), "{error}");
    let error = with_pixels("group", Array2::ones((4, 1)));
    assert!(error.starts_with(", dataset 'group': rank 2 (shape 4 x 1); "), "{error}");
    let error = message(
        |file| {
            put(file, "sen2", &pixels);
            put(file, "label", &Array1::ones(4));
        },
        |_| Ok(()),
    );
    assert!(error.starts_with(", dataset 'label': rank 1 (shape 4); "), "{error}");
    let error = message(
        |file| {
            put(file, "sen2", &pixels);
            put(file, "label", &labels);
            let names: hdf5::types::VarLenUnicode = "1,2,3".parse().unwrap();
            let attribute = file.new_attr::<hdf5::types::VarLenUnicode>().create("classes").unwrap();
            attribute.write_scalar(&names).unwrap();
        },
        |_| Ok(()),
    );
    assert!(error.starts_with(", dataset 'label': 17 columns for the 3 classes 1 2 3; "), "{error}");
}

#[test]
fn labels_votes_and_pixels_that_mean_nothing_name_their_row() {
    let mut pixels = Array4::<f32>::ones((4, 8, 8, 3));
    let labels = array![[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.5]];
    let votes = array![[1.0, 0.0], [4.0, 1.0], [0.0, 0.0], [2.0, 2.0]];
    pixels[[3, 5, 6, 1]] = f32::INFINITY;
    let make = |file: &hdf5::File| {
        put(file, "sen2", &pixels);
        put(file, "label", &labels.mapv(|v: f64| v as f32));
        put(file, "votes", &votes.mapv(|v: f64| v as f32));
    };
    let error = message(make, |patches| patches.labels().map(drop));
    assert!(error.starts_with(", dataset 'label', row 3: the label is not one-hot"), "{error}");
    let error = message(make, |patches| patches.votes().map(drop));
    assert!(error.starts_with(", dataset 'sen2', votes, row 2: no expert voted"), "{error}");
    let infinite = ", dataset 'sen2', row 3: the pixel at line 5, column 6 of band 2 is inf; ";
    let error = message(make, |patches| patches.images(1..4).map(drop));
    assert!(error.starts_with(infinite), "{error}");
    let error = message(make, |patches| patches.select(&[1, 3])?.images(0..2).map(drop));
    assert!(error.starts_with(infinite), "a part of the file names the file's row: {error}");
    let error = message(make, |patches| patches.shuffled(2, 0).collect::<lcz::Result<Vec<_>>>().map(drop));
    assert!(error.starts_with(infinite), "{error}");
    let error = message(
        |file| {
            put(file, "sen2", &Array4::ones((4, 8, 8, 3)));
            put(file, "label", &labels.slice(s![..;1, ..]).mapv(|v: f64| f32::from(v > 0.5)));
            put(file, "votes", &Array2::ones((4, 3)));
        },
        |patches| patches.votes().map(drop),
    );
    assert!(error.starts_with(", dataset 'votes': 3 columns for the 2 classes"), "{error}");
    let error =
        message(|file| put(file, "sen2", &Array4::ones((4, 8, 8, 3))), |patches| patches.labels().map(drop));
    assert!(error.starts_with(": no dataset 'label'"), "{error}");
    let error =
        message(|file| put(file, "sen2", &Array4::ones((4, 8, 8, 3))), |p| p.distributions().map(drop));
    assert!(error.starts_with(": no dataset 'votes' and none whose name starts with"), "{error}");
}

#[test]
fn masks_that_mean_nothing_name_their_row_and_pixel() {
    let mask = |value: f32| {
        let mut masks = Array3::<f32>::ones((70, 8, 8));
        masks[[65, 3, 4]] = value;
        let make = |file: &hdf5::File| {
            put(file, "sen2", &Array4::ones((70, 8, 8, 3)));
            put(file, "mask", &masks);
        };
        message(make, |patches| patches.masks().map(drop))
    };
    for value in ["18", "-1", "1.5", "NaN", "256"] {
        let wanted = format!(
            ", dataset 'mask', row 65: {value} at line 3, column 4 is not 0 (no class) or one of 1 to 17; "
        );
        let error = mask(value.parse().unwrap());
        assert!(error.starts_with(&wanted), "{error}");
    }
    let of_shape = |shape| {
        let make = |file: &hdf5::File| {
            put(file, "sen2", &Array4::ones((4, 8, 8, 3)));
            put(file, "mask", &Array3::ones(shape));
        };
        message(make, |_| Ok(()))
    };
    let error = of_shape((3, 8, 8));
    assert!(error.starts_with(", dataset 'mask': 3 rows where 'sen2' has 4; "), "{error}");
    let error = of_shape((4, 8, 7));
    assert!(error.starts_with(", dataset 'mask': masks of 8 x 7 pixels for patches of 8 x 8; "), "{error}");
    let error = message(|file| put(file, "sen2", &Array4::ones((4, 8, 8, 3))), |p| p.masks().map(drop));
    assert!(error.starts_with(": no dataset 'mask'; "), "{error}");
}

#[test]
fn an_array_with_a_hole_or_of_another_shape_is_refused() {
    let mut pixels = images(0..3, 3);
    assert!(Patches::in_memory(Imagery::so2sat(), Classes::lcz(), pixels.clone()).is_err());
    pixels[[2, 7, 0, 0]] = f32::NAN;
    let error = Patches::in_memory(small(), Classes::lcz(), pixels).unwrap_err().to_string();
    assert!(
        error.starts_with("patches in memory, row 2: the pixel at line 7, column 0 of B2 is NaN"),
        "{error}"
    );
    assert!(Patches::in_memory(small(), Classes::lcz(), Array4::zeros((0, 8, 8, 3))).is_err());
}

#[test]
fn posterior_labels_give_every_class_its_share_of_the_prior() {
    use lcz::run::{DataSettings, LabelKind};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("votes.h5");
    write(&path, 20, None);
    let patches = open(&path);
    let labels_of = |alpha| {
        let settings = DataSettings { labels: LabelKind::Posterior, alpha, ..DataSettings::default() };
        settings.labels_of(&patches)
    };
    // Eight votes for the row's own class, two for the next; one vote in all is spread over the 17.
    let own = (8.0 + 1.0 / 17.0) / 11.0;
    let y = labels_of(None).unwrap();
    for (n, y) in y.view().outer_iter().enumerate() {
        for (k, &y) in y.iter().enumerate() {
            let wanted = match (k + 17 - n % 17) % 17 {
                0 => own,
                1 => (2.0 + 1.0 / 17.0) / 11.0,
                _ => 1.0 / 17.0 / 11.0,
            };
            assert!((y - wanted).abs() < 1e-12, "row {n}, class {k}: {y}");
        }
    }
    let y = labels_of(Some(1.0)).unwrap();
    assert!((y.view()[[0, 0]] - 9.0 / 27.0).abs() < 1e-12);
    let refused = labels_of(Some(0.0)).unwrap_err().to_string();
    assert_eq!(refused, "data.alpha: 0; choose a number above 0, such as 0.1");
}
