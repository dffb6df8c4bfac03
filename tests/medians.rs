//! Focal points of classes: known answers, geom-median's, and what must hold of any cloud.

use lcz::data::Patches;
use lcz::data::features::{FeatureFile, FeatureWriter};
use lcz::progress::Silent;
use lcz::uncertainty::{Centre, ClassCentres, MedianFit, Weiszfeld};
use lcz::{Bands, Classes, FeatureRows, Features, Imagery, Labels, Zone};
use ndarray::{Array2, Array4, array};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

const EXACT: Weiszfeld = Weiszfeld { tolerance: 1e-12, iterations: 100_000 };

fn one_class(n: usize) -> Labels {
    Labels::new(Classes::named(["all"]).unwrap(), vec![0; n]).unwrap()
}

fn centre_of(kind: Centre, points: &Array2<f32>) -> (Vec<f64>, Option<MedianFit>) {
    let h = Features::new(points.clone());
    let found = ClassCentres::find(kind, &h, &one_class(points.nrows()), EXACT, &mut Silent).unwrap();
    (found.point(0).unwrap().to_vec(), found.fit(0))
}

fn median_of(points: &Array2<f32>) -> (Vec<f64>, MedianFit) {
    let (point, fit) = centre_of(Centre::GeometricMedian, points);
    (point, fit.unwrap())
}

#[track_caller]
fn assert_near(found: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= tolerance, "{found} is not {wanted} to {tolerance}");
    }
}

#[test]
fn the_medians_of_three_small_sets_are_the_known_ones() {
    for (points, wanted) in [
        (array![[0f32, 0.], [4., 0.], [0., 3.]], [0.695_788_534_1, 0.751_176_106_5]),
        (array![[0f32, 0.], [1., 0.], [0., 1.], [10., 10.]], [0.5, 0.5]),
        (array![[0f32, 0.], [2., 0.], [1., 0.2]], [1.0, 0.2]),
    ] {
        let (point, fit) = median_of(&points);
        assert_near(&point, &wanted, 1e-8);
        assert!(fit.converged && fit.residual < 1e-8, "{fit:?}");
    }
}

#[test]
fn medians_of_random_clouds_are_those_of_geom_median() {
    let vectors: Value = serde_json::from_str(include_str!("vectors/medians.json")).unwrap();
    let clouds = vectors["clouds"].as_array().unwrap();
    assert_eq!(clouds.len(), 5);
    let numbers =
        |row: &Value| -> Vec<f64> { row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect() };
    for cloud in clouds {
        let rows: Vec<Vec<f64>> = cloud["points"].as_array().unwrap().iter().map(numbers).collect();
        let points = Array2::from_shape_fn((rows.len(), rows[0].len()), |(n, d)| rows[n][d] as f32);
        let (found, theirs) = (median_of(&points).0, numbers(&cloud["median"]));
        // geom-median stops where the sum no longer changes in f64, which is some 1e-8 off the median.
        assert_near(&found, &theirs, 1e-7);
        assert!(sum_of_distances(&points, &found) <= sum_of_distances(&points, &theirs) + 1e-12);
    }
}

#[test]
fn a_start_at_a_sample_that_is_not_the_median_does_not_stall() {
    // The mean, where the iteration starts, is the sample (0, 0); the median is elsewhere.
    let points = array![[0f32, 0.], [4., 0.], [4., 1.], [4., -1.], [-12., 0.]];
    let (point, fit) = median_of(&points);
    assert!(fit.converged && fit.residual < 1e-8, "{fit:?}");
    // On the axis of symmetry the pulls balance where 2 u/√(u² + 1) = 1 for u = 4 − x.
    assert_near(&point, &[4.0 - 1.0 / 3f64.sqrt(), 0.0], 1e-11);
}

#[test]
fn one_sample_duplicates_and_collinear_samples_have_their_medians() {
    assert_eq!(median_of(&array![[3f32, -2., 7.]]).0, [3.0, -2.0, 7.0]);
    assert_eq!(median_of(&array![[5f32, 1.], [5., 1.], [5., 1.]]).0, [5.0, 1.0]);
    // Three of five lie on one spot: more than half, so it is the median.
    assert_near(
        &median_of(&array![[1f32, 1.], [1., 1.], [1., 1.], [9., 0.], [0., 9.]]).0,
        &[1.0, 1.0],
        1e-12,
    );
    // On a line it is the middle one, far from the mean.
    let (point, fit) = median_of(&array![[0f32, 0.], [1., 1.], [2., 2.], [50., 50.], [90., 90.]]);
    assert_near(&point, &[2.0, 2.0], 1e-12);
    assert!(fit.converged);
    // Of an even number on a line, every point between the two in the middle is one.
    let (point, fit) = median_of(&array![[0f32, 0.], [1., 0.], [3., 0.], [40., 0.]]);
    assert!((1.0..=3.0).contains(&point[0]) && point[1] == 0.0 && fit.residual < 1e-8, "{point:?} {fit:?}");
}

#[test]
fn coordinate_medians_and_means_are_the_ones_of_each_feature() {
    let points = array![[1f32, 10.], [2., 30.], [4., 20.], [100., 50.]];
    assert_eq!(centre_of(Centre::CoordinateMedian, &points).0, [3.0, 25.0]);
    assert_eq!(centre_of(Centre::Mean, &points).0, [26.75, 27.5]);
    let odd = array![[1f32, 10.], [2., 30.], [4., 20.]];
    assert_eq!(centre_of(Centre::CoordinateMedian, &odd), (vec![2.0, 20.0], None));
}

#[test]
fn distances_keep_their_digits_close_to_a_far_centre() {
    // ‖x‖² − 2xc + ‖c‖² would lose all of them: 1e6² in f64 has steps of 1e-4.
    let points = array![[1e6f32, 1e6], [1e6, 1e6], [1e6, 1e6 + 0.0625]];
    let h = Features::new(points);
    let u = h.distances_to(&h.geometric_medians(&one_class(3)).unwrap()).unwrap();
    assert_eq!(u.values(), [0.0, 0.0, 0.0625]);
}

#[test]
fn a_class_without_samples_has_no_centre_and_says_so() {
    let h = Features::new(array![[0f32], [1.]]);
    let labels = Labels::new(Classes::lcz(), vec![0, 0]).unwrap();
    let centres = h.geometric_medians(&labels).unwrap();
    assert!(centres.point(0).is_some() && centres.point(1).is_none());
    let other = Labels::new(Classes::lcz(), vec![0, 1]).unwrap();
    let error = centres.distances(&h, &other, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("row 1: class 2 compact mid-rise has no centre"), "{error}");
    let water = Labels::new(Classes::lcz(), vec![0, 16]).unwrap();
    let u = h.distances_to(&centres).unwrap();
    assert_eq!(u.without(&water, Zone::Water).unwrap().candidates(), [0]);
}

#[test]
fn unusable_features_are_refused_on_one_line() {
    let h = Features::new(array![[0f32, 1.], [f32::NAN, 1.]]);
    for (error, told) in [
        (h.geometric_medians(&one_class(2)).unwrap_err(), "features in memory, row 1: NaN or infinite"),
        (h.coordinate_medians(&one_class(2)).unwrap_err(), "features in memory, row 1: NaN or infinite"),
        (h.class_means(&one_class(3)).unwrap_err(), "3 labels for 2 samples"),
    ] {
        let error = error.to_string();
        assert!(error.contains(told) && !error.contains('\n'), "{error}");
    }
}

/// 5,000 samples of 3 classes in 37 features: several blocks, rows left over, width not of 8.
fn large() -> (Array2<f32>, Labels) {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let labels: Vec<usize> = (0..5000).map(|_| random.gen_range(0..3)).collect();
    let h = Array2::from_shape_fn((5000, 37), |(n, d)| {
        random.gen_range(0.0..1.0f32) + (labels[n] * d) as f32 * 0.1
    });
    (h, Labels::new(Classes::named(["a", "b", "c"]).unwrap(), labels).unwrap())
}

#[test]
fn a_file_and_any_number_of_threads_give_the_same_bits() {
    let (h, labels) = large();
    let features = Features::new(h);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.h5");
    let imagery = Imagery { patch_size: 1, bands: Bands::from_count(1), ..Imagery::so2sat() };
    let patches = Patches::in_memory(imagery, labels.classes().clone(), Array4::zeros((5000, 1, 1, 1)));
    let patches = patches.unwrap().with_labels(&labels).unwrap().with_provenance("synthetic, for a test");
    let mut writer = FeatureWriter::create(&path, "a test", &patches).unwrap();
    for start in (0..5000).step_by(700) {
        let rows = features.view().slice(ndarray::s![start..5000.min(start + 700), ..]).to_owned();
        writer.append(&Features::new(rows)).unwrap();
    }
    assert!(!path.exists(), "the file has its name before it is whole");
    writer.finish().unwrap();

    let file = FeatureFile::open(&path).unwrap();
    assert_eq!(
        (file.extent(), file.provenance(), file.model()),
        ((5000, 37), "synthetic, for a test".into(), "a test".into())
    );
    assert_eq!(file.labels().unwrap(), labels);
    assert_eq!(file.read().unwrap(), features);
    let find = |rows: &dyn FeatureRows, kind: Centre, threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = || {
            let centres = ClassCentres::find(kind, rows, &labels, Weiszfeld::default(), &mut Silent).unwrap();
            let u = centres.distances(rows, &labels, &mut Silent).unwrap();
            (centres, u)
        };
        pool.install(run)
    };
    for kind in [Centre::GeometricMedian, Centre::CoordinateMedian, Centre::Mean] {
        let wanted = find(&features, kind, 1);
        assert_eq!(find(&features, kind, 3), wanted);
        assert_eq!(find(&file, kind, 2), wanted);
    }
}

#[test]
fn a_file_of_features_cut_short_by_an_error_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("features.h5");
    let imagery = Imagery { patch_size: 1, bands: Bands::from_count(1), ..Imagery::so2sat() };
    let patches = Patches::in_memory(imagery, Classes::lcz(), Array4::zeros((3, 1, 1, 1))).unwrap();
    let mut writer = FeatureWriter::create(&path, "a test", &patches).unwrap();
    let error = writer.append(&Features::new(array![[1f32], [f32::INFINITY]])).unwrap_err().to_string();
    assert!(error.contains("features.h5, row 1: NaN or infinite"), "{error}");
    writer.append(&Features::new(array![[1f32]])).unwrap();
    assert!(writer.append(&Features::new(array![[1f32, 2.]])).is_err());
    assert!(writer.finish().unwrap_err().to_string().contains("1 rows of features for 3 patches"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(FeatureFile::open(&path).unwrap_err().to_string().contains("features.h5"));
}

fn cloud() -> impl Strategy<Value = Array2<f32>> {
    (1usize..5, 1usize..40).prop_flat_map(|(width, samples)| {
        // Coarse numbers: duplicates and collinear points are frequent.
        prop::collection::vec(-8i8..8, width * samples).prop_map(move |values| {
            let values = values.into_iter().map(|x| f32::from(x) * 0.5).collect();
            Array2::from_shape_vec((samples, width), values).unwrap()
        })
    })
}

fn sum_of_distances(points: &Array2<f32>, c: &[f64]) -> f64 {
    let distance = |row: ndarray::ArrayView1<'_, f32>| {
        row.iter().zip(c).map(|(x, c)| (f64::from(*x) - c).powi(2)).sum::<f64>().sqrt()
    };
    points.outer_iter().map(distance).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_step_in_any_direction_shortens_the_sum_of_distances(points in cloud(), seed in 0u64..1000) {
        let (c, fit) = median_of(&points);
        prop_assert!(fit.converged, "{fit:?}");
        let here = sum_of_distances(&points, &c);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let scale = 1e-9 * here.max(1.0);
        for length in [1e-3, 0.1, 2.0] {
            for _ in 0..8 {
                let moved: Vec<f64> = c.iter().map(|c| c + length * random.gen_range(-1.0..1.0)).collect();
                prop_assert!(sum_of_distances(&points, &moved) >= here - scale);
            }
        }
        // Nor at any sample, where the function has its kinks.
        for row in points.outer_iter() {
            let sample: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            prop_assert!(sum_of_distances(&points, &sample) >= here - scale);
        }
    }

    #[test]
    fn the_shortest_subgradient_at_the_median_is_zero(points in cloud()) {
        let (c, _) = median_of(&points);
        let n = points.nrows() as f64;
        let near = 1e-6;
        let (mut pull, mut here) = (vec![0.0; c.len()], 0.0);
        for row in points.outer_iter() {
            let d: Vec<f64> = row.iter().zip(&c).map(|(x, c)| f64::from(*x) - c).collect();
            let length = d.iter().map(|d| d * d).sum::<f64>().sqrt();
            if length < near {
                here += 1.0;
            } else {
                pull.iter_mut().zip(&d).for_each(|(pull, d)| *pull += d / length);
            }
        }
        let r = pull.iter().map(|x| x * x).sum::<f64>().sqrt();
        prop_assert!((r - here) / n < 1e-4, "r {r}, η {here}");
    }

    #[test]
    fn moving_turning_and_scaling_the_samples_does_so_with_the_median(
        points in cloud(),
        shift in -8i8..8,
        power in -2i32..3,
    ) {
        // A quarter turn of the first two features, a shift and a scale that f32 holds exactly.
        let scale = 2f32.powi(power);
        let moved = Array2::from_shape_fn(points.dim(), |(n, d)| {
            let x = match d {
                0 if points.ncols() > 1 => -points[[n, 1]],
                1 => points[[n, 0]],
                _ => points[[n, d]],
            };
            scale * (x + f32::from(shift))
        });
        // The median is unique unless the samples lie on a line: compare what is reached.
        let (c, _) = median_of(&points);
        let (moved_c, _) = median_of(&moved);
        let turned: Vec<f64> = (0..c.len())
            .map(|d| match d {
                0 if c.len() > 1 => -c[1],
                1 => c[0],
                _ => c[d],
            })
            .map(|x| f64::from(scale) * (x + f64::from(shift)))
            .collect();
        let (a, b) = (sum_of_distances(&moved, &moved_c), sum_of_distances(&moved, &turned));
        prop_assert!((a - b).abs() <= 1e-9 * a.max(1.0), "{a} {b}");
    }
}
