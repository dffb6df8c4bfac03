//! The synthetic So2Sat compared with the real one: band statistics, class shares, votes; and synthetic scenes.
//!
//! `cargo test --release --test synthetic -- --nocapture` prints the tables of `figures/synthetic.md`.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use lcz::data::{BandStatistics, Patches, So2Sat};
use lcz::figures::{Caption, sample_patches};
use lcz::progress::Silent;
use lcz::scene::{GeoTiff, Window};
use lcz::synthetic::{Synthetic, SyntheticScene};
use lcz::{Votes, Zone};

const PATCHES: usize = 6000;

/// So2Sat's training set (Zhu et al. 2020 and the statistics that go with its data).
const SENTINEL2_MEAN: [f64; 10] =
    [0.12376, 0.10928, 0.10109, 0.11424, 0.15927, 0.18147, 0.17457, 0.19502, 0.15428, 0.10905];
const SENTINEL2_DEVIATION: [f64; 10] =
    [0.03959, 0.04778, 0.06637, 0.06359, 0.07744, 0.09102, 0.09218, 0.10165, 0.09992, 0.08781];
const SENTINEL1_MEAN: [f64; 8] = [-3.59e-5, -7.66e-6, 5.94e-5, 2.52e-5, 0.0442, 0.2576, 0.000_756, 0.001_35];
const SENTINEL1_DEVIATION: [f64; 8] = [0.17555, 0.17556, 0.45999, 0.45599, 2.856, 8.325, 2.450, 1.465];
const COUNTS: [usize; 17] = [
    5068, 24431, 31693, 8651, 16493, 35290, 3269, 39326, 13584, 11954, 42902, 9514, 9165, 41377, 2392, 7898,
    49359,
];

/// 6,000 patches of seed 1, made once.
fn made() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
            Synthetic { patches: PATCHES, seed: 1 }.write(folder.path(), &mut Silent).unwrap();
            folder
        })
        .path()
}

fn training(dataset: &str) -> Patches {
    So2Sat::open_as(made().join("training.h5"), dataset).unwrap().patches().unwrap()
}

#[test]
fn bands_have_about_the_real_means_and_deviations() {
    let optical = training("sen2");
    let BandStatistics { mean, standard_deviation } = optical.band_statistics(&mut Silent).unwrap();
    println!("band  mean real, synthetic  deviation real, synthetic");
    for (c, band) in optical.imagery().bands.names().iter().enumerate() {
        println!(
            "{band}  {:.4} {:.4}  {:.4} {:.4}",
            SENTINEL2_MEAN[c], mean[c], SENTINEL2_DEVIATION[c], standard_deviation[c]
        );
        assert!((mean[c] / SENTINEL2_MEAN[c] - 1.0).abs() < 0.10, "{band}: mean {}", mean[c]);
        let ratio = standard_deviation[c] / SENTINEL2_DEVIATION[c];
        assert!((ratio - 1.0).abs() < 0.15, "{band}: deviation {}", standard_deviation[c]);
    }
    let radar = training("sen1");
    let BandStatistics { mean, standard_deviation } = radar.band_statistics(&mut Silent).unwrap();
    for (c, channel) in radar.imagery().bands.names().iter().enumerate() {
        println!(
            "{channel}  {:.4} {:.4}  {:.4} {:.4}",
            SENTINEL1_MEAN[c], mean[c], SENTINEL1_DEVIATION[c], standard_deviation[c]
        );
        // A handful of corners decides the deviations of channels 5 to 8, in the real data, too.
        let ratio = standard_deviation[c] / SENTINEL1_DEVIATION[c];
        let near = if c < 4 { 0.8..1.25 } else { 0.6..1.6 };
        assert!(near.contains(&ratio), "{channel}: deviation {}", standard_deviation[c]);
        if c == 4 || c == 5 {
            assert!((mean[c] / SENTINEL1_MEAN[c] - 1.0).abs() < 0.2, "{channel}: mean {}", mean[c]);
        } else {
            assert!(mean[c].abs() < 0.02, "{channel}: mean {}", mean[c]);
        }
    }
}

#[test]
fn classes_have_the_real_shares() {
    let counts = training("sen2").labels().unwrap().counts();
    let (all, real) = (counts.iter().sum::<usize>() as f64, COUNTS.iter().sum::<usize>() as f64);
    println!("zone  share real, synthetic (%)");
    for (zone, (&count, &wanted)) in Zone::all().zip(counts.iter().zip(&COUNTS)) {
        let (share, wanted) = (100.0 * count as f64 / all, 100.0 * wanted as f64 / real);
        println!("{}  {wanted:.1} {share:.1}", zone.code());
        assert!((share - wanted).abs() < 0.2, "{zone}: {share} %, not {wanted} %");
    }
}

/// For each zone of the majority the mean share of the votes in per cent, and their mean entropy in nats.
struct Rows {
    shares: [[f64; 17]; 17],
    entropy: [f64; 17],
}

impl Rows {
    fn of(votes: impl Iterator<Item = ([f64; 17], usize, f64)>) -> Self {
        let mut rows = Self { shares: [[0.0; 17]; 17], entropy: [0.0; 17] };
        let mut weights = [0.0; 17];
        for (votes, zone, weight) in votes {
            let all: f64 = votes.iter().sum();
            weights[zone] += weight;
            for (share, vote) in rows.shares[zone].iter_mut().zip(votes) {
                let y = vote / all;
                *share += 100.0 * weight * y;
                if y > 0.0 {
                    rows.entropy[zone] -= weight * y * y.ln();
                }
            }
        }
        for (zone, weight) in weights.into_iter().enumerate().filter(|(_, weight)| *weight > 0.0) {
            rows.entropy[zone] /= weight;
            rows.shares[zone].iter_mut().for_each(|share| *share /= weight);
        }
        rows
    }

    /// Of the released votes: eleven a patch, sixteen zones, the zone of most of them.
    fn released(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        Self::of(text.lines().skip(1).map(|line| {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let mut votes = [0.0; 17];
            for (column, &count) in cells[..16].iter().enumerate() {
                votes[column + usize::from(column > 5)] = count;
            }
            // The first of those with most votes.
            let most = (0..17).rev().max_by(|&a, &b| f64::total_cmp(&votes[a], &votes[b])).unwrap();
            (votes, most, cells[16])
        }))
    }
}

#[test]
fn votes_have_the_shares_and_the_entropies_of_the_released_ones() {
    let Some(real) = std::env::var_os("LCZ_REAL_DATA") else {
        return println!("LCZ_REAL_DATA is not set: no released votes to compare with");
    };
    let released = Rows::released(&Path::new(&real).join("votes/so2sat_vote_patterns.csv"));
    // Votes of many patches: what is compared is how they are drawn, not how a draw turns out.
    let (mut all, mut zones) = (Vec::new(), Vec::new());
    for name in ["training.h5", "validation.h5", "testing.h5"] {
        let patches = So2Sat::open(made().join(name)).unwrap().patches().unwrap();
        let votes: Votes = patches.votes().unwrap();
        all.extend(votes.counts().rows().into_iter().map(|row| std::array::from_fn(|k| f64::from(row[k]))));
        zones.extend(patches.labels().unwrap().indices().to_vec());
    }
    let counts = Zone::all().map(|zone| zones.iter().filter(|&&k| k + 1 == zone.number()).count());
    let counts: Vec<usize> = counts.collect();
    let made = Rows::of(all.into_iter().zip(zones).map(|(votes, zone)| (votes, zone, 1.0)));
    println!("zone  own votes real, synthetic (%)  largest difference in its row  entropy real, synthetic");
    for zone in Zone::all().filter(|zone| *zone != Zone::LightweightLowRise) {
        let k = zone.number() - 1;
        let difference = (0..17).map(|j| (made.shares[k][j] - released.shares[k][j]).abs());
        let difference = difference.fold(0.0, f64::max);
        println!(
            "{}  {:.1} {:.1}  {difference:.1}  {:.3} {:.3}",
            zone.code(),
            released.shares[k][k],
            made.shares[k][k],
            released.entropy[k],
            made.entropy[k]
        );
        // Three standard errors of a mean of that many patches, whose shares deviate by 0.15.
        let chance = 3.0 * 0.15 / (counts[k] as f64).sqrt();
        assert!(difference < 1.0 + 100.0 * chance, "{zone}: a share is off by {difference} points");
        let off = (made.entropy[k] - released.entropy[k]).abs();
        assert!(off < 0.05 + 1.5 * chance, "{zone}: entropy off by {off}");
    }
}

#[test]
fn a_gallery_shows_patches_of_every_zone() {
    let patches = training("sen2");
    let caption = Caption::new("Synthetic patches of the 17 zones", patches.provenance());
    let labels = patches.labels().unwrap();
    let labels = &labels;
    let of_zone = |k: usize| (0..labels.len()).filter(move |&n| labels.indices()[n] == k).take(3);
    let positions: Vec<usize> = (0..17).flat_map(of_zone).collect();
    let figure = sample_patches(&patches, &positions, &caption).unwrap();
    assert_eq!(figure.csv().lines().filter(|line| !line.starts_with('#')).count(), 1 + 17 * 3);
    figure.save(Path::new(env!("CARGO_TARGET_TMPDIR")), "synthetic-gallery").unwrap();
}

const SCENE: SyntheticScene = SyntheticScene { rows: 260, columns: 150, seed: 4, clouds: 0.2 };

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_seed_gives_the_same_scene_byte_for_byte_with_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, scene: SyntheticScene, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| scene.write(folder.path().join(name), &mut Silent)).unwrap();
        files(&folder.path().join(name))
    };
    let once = write("once", SCENE, 1);
    let names: Vec<&str> = once.iter().map(|(name, _)| name.as_str()).collect();
    let rasters = [
        "B11.tif", "B12.tif", "B2.tif", "B3.tif", "B4.tif", "B5.tif", "B6.tif", "B7.tif", "B8.tif", "B8A.tif",
    ];
    let polygons = ["districts.cpg", "districts.dbf", "districts.prj", "districts.shp", "districts.shx"];
    assert_eq!(names, [&rasters[..], &["LCZ.tif", "SCL.tif"], &polygons].concat());
    assert!(once == write("again", SCENE, 3), "the same");
    assert!(once != write("other", SyntheticScene { seed: 5, ..SCENE }, 1), "another seed, another city");
}

#[test]
fn a_scene_has_many_zones_and_the_requested_clouds() {
    let folder = tempfile::tempdir().unwrap();
    let read = |clouds: f32, name: &str| {
        let path = folder.path().join(format!("{clouds}"));
        if !path.exists() {
            let scene = SyntheticScene { rows: 400, columns: 400, seed: 2, clouds };
            scene.write(&path, &mut Silent).unwrap();
        }
        let raster = GeoTiff::open(path.join(name)).unwrap();
        raster.read(&Window::whole(raster.grid()), None).unwrap()
    };
    let zones = read(0.0, "LCZ.tif");
    let there = (1..=17u8).filter(|&zone| zones.iter().any(|&z| z as u8 == zone)).count();
    assert!(there >= 12, "{there} of 17 zones");
    let clouded = |scl: &ndarray::Array3<f32>| {
        scl.iter().filter(|&&class| class >= 8.0).count() as f64 / scl.len() as f64
    };
    assert!(clouded(&read(0.0, "SCL.tif")) == 0.0);
    let share = clouded(&read(0.4, "SCL.tif"));
    assert!((0.15..0.65).contains(&share), "{share} of the sky for 0.4");
    assert!(read(0.4, "B2.tif").mean() > read(0.0, "B2.tif").mean(), "clouds are bright");
}

#[test]
fn a_scene_that_cannot_be_made_is_refused_in_one_line_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("city");
    let refused = |scene: SyntheticScene| {
        let message = scene.write(&path, &mut Silent).unwrap_err().to_string();
        assert_eq!(message.lines().count(), 1);
        message
    };
    assert!(refused(SyntheticScene { rows: 62, ..SCENE }).contains("choose at least 64 x 64"));
    assert!(refused(SyntheticScene { columns: 151, ..SCENE }).contains("choose even numbers"));
    assert!(refused(SyntheticScene { rows: 40_000, ..SCENE }).contains("at most"));
    assert!(refused(SyntheticScene { clouds: f32::NAN, ..SCENE }).contains("choose 0 to 0.9"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::create_dir(&path).unwrap();
    assert!(refused(SCENE).contains("the folder exists"));
    assert_eq!(fs::read_dir(&path).unwrap().count(), 0);
}
