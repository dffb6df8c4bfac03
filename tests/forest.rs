//! Random forests compared with scikit-learn's, and what holds of each.

use lcz::data::Patches;
use lcz::models::Classifier;
use lcz::models::forest::{FeatureRule, FeatureSet, ForestSettings, MaxFeatures, RandomForest};
use lcz::progress::Silent;
use lcz::{Bands, Classes, Imagery, Labels, Probabilities};
use ndarray::{Array2, Array4};
use serde_json::Value;

fn oracle() -> Value {
    serde_json::from_str(include_str!("vectors/forest.json")).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn table(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

/// Patches of one pixel, whose bands are the features.
fn pixels(rows: &Value, classes: &Classes) -> Patches {
    let x = table(rows).mapv(|x| x as f32);
    let (n, bands) = x.dim();
    let imagery = Imagery { patch_size: 1, bands: Bands::from_count(bands), ..Imagery::so2sat() };
    let images = x.into_shape_with_order((n, 1, 1, bands)).unwrap();
    Patches::in_memory(imagery, classes.clone(), images).unwrap()
}

fn labels(of: &Value, classes: &Classes) -> Labels {
    let indices = of.as_array().unwrap().iter().map(|k| k.as_u64().unwrap() as usize).collect();
    Labels::new(classes.clone(), indices).unwrap()
}

fn grow(patches: &Patches, labels: &Labels, settings: &ForestSettings, seed: u64) -> RandomForest {
    let settings = ForestSettings { seed, ..settings.clone() };
    RandomForest::fit(&patches.clone().with_labels(labels).unwrap(), &settings, &mut Silent).unwrap()
}

/// 60 patches of 4 × 4 pixels in 2 bands: of the three classes, the mean of the second band
/// tells 0 from the others, its spread 1 from 2.
fn textured() -> (Patches, Labels) {
    let classes = Classes::named(["dark", "plain", "rough"]).unwrap();
    let imagery = Imagery { patch_size: 4, bands: Bands::named(["a", "b"]).unwrap(), ..Imagery::so2sat() };
    let images = Array4::from_shape_fn((60, 4, 4, 2), |(n, r, c, band)| {
        let noise = ((n * 31 + r * 7 + c * 13 + band * 5) % 11) as f32 / 100.0;
        let rough = if (r + c + n) % 2 == 0 { 0.3 } else { -0.3 };
        match (band, n % 3) {
            (1, 1) => 1.0 + noise,
            (1, 2) => 1.0 + rough + noise,
            _ => noise,
        }
    });
    let labels = Labels::new(classes.clone(), (0..60).map(|n| n % 3).collect()).unwrap();
    (Patches::in_memory(imagery, classes, images).unwrap(), labels)
}

#[test]
fn a_single_full_tree_is_that_of_scikit_learn() {
    let classes = Classes::from_count(5);
    let cases = oracle()["trees"].as_array().unwrap().clone();
    assert_eq!(cases.len(), 4);
    for case in &cases {
        let patches = pixels(&case["train"], &classes);
        let settings = ForestSettings {
            trees: 1,
            bootstrap: false,
            max_features: MaxFeatures::Rule(FeatureRule::All),
            min_leaf: case["min_leaf"].as_u64().unwrap() as usize,
            max_depth: case["max_depth"].as_u64().map(|depth| depth as usize),
            ..ForestSettings::default()
        };
        for seed in [0, 1] {
            let forest = grow(&patches, &labels(&case["labels"], &classes), &settings, seed);
            assert_eq!(forest.nodes() as u64, case["nodes"].as_u64().unwrap());
            let p = forest.predict(&pixels(&case["test"], &classes)).unwrap();
            let wanted = table(&case["probabilities"]);
            assert!((&p.view() - &wanted).iter().all(|d| d.abs() < 1e-8), "{p:?}\n{wanted}");
            for (got, wanted) in forest.importance().iter().zip(numbers(&case["importance"])) {
                assert!((got - wanted).abs() < 1e-8, "{got} is not {wanted}");
            }
            assert_eq!(forest.out_of_bag(), None);
        }
    }
}

#[test]
fn a_forest_is_one_of_those_that_scikit_learn_grows() {
    let classes = Classes::from_count(5);
    let forest = &oracle()["forest"];
    let patches = pixels(&forest["train"], &classes);
    let test = pixels(&forest["test"], &classes);
    let y = labels(&forest["labels"], &classes);
    for case in forest["cases"].as_array().unwrap() {
        let max_features = case["max_features"].as_u64();
        let settings = ForestSettings {
            trees: case["trees"].as_u64().unwrap() as usize,
            min_leaf: case["min_leaf"].as_u64().unwrap() as usize,
            max_features: max_features
                .map_or(MaxFeatures::Rule(FeatureRule::Sqrt), |count| MaxFeatures::Count(count as usize)),
            ..ForestSettings::default()
        };
        let grown: Vec<RandomForest> = (0..10).map(|seed| grow(&patches, &y, &settings, seed)).collect();
        let mean = |value: &dyn Fn(&RandomForest) -> f64| grown.iter().map(value).sum::<f64>() / 10.0;
        // A mean of 10 against a mean of 20: 5 standard errors, and something where nothing varies.
        let near = |what: &str, got: f64, mean: &Value, deviation: &Value, floor: f64| {
            let (mean, deviation) = (mean.as_f64().unwrap(), deviation.as_f64().unwrap());
            let bound = 5.0 * deviation * (1.0 / 10.0 + 1.0 / 20.0f64).sqrt() + floor;
            assert!((got - mean).abs() < bound, "{what}: {got} is not {mean} +- {bound}");
        };
        let score = |f: &RandomForest| f.out_of_bag().unwrap().score;
        let wanted = &case["out_of_bag"];
        near("out of bag", mean(&score), &wanted["mean"], &wanted["deviation"], 0.0);
        let wanted = &case["nodes"];
        near("nodes", mean(&|f| f.nodes() as f64), &wanted["mean"], &wanted["deviation"], 0.0);
        for feature in 0..9 {
            let [m, d] = ["mean", "deviation"].map(|key| &case["importance"][key][feature]);
            near("importance", mean(&|f| f.importance()[feature]), m, d, 0.0);
        }
        let p: Vec<Probabilities> = grown.iter().map(|f| f.predict(&test).unwrap()).collect();
        for (n, k) in (0..30).flat_map(|n| (0..5).map(move |k| (n, k))) {
            let [m, d] = ["mean", "deviation"].map(|key| &case["probabilities"][key][n][k]);
            near("probability", p.iter().map(|p| p.view()[[n, k]]).sum::<f64>() / 10.0, m, d, 1e-3);
        }
    }
}

#[test]
fn one_seed_gives_one_forest_at_any_number_of_threads() {
    let (patches, labels) = textured();
    let settings = ForestSettings { trees: 30, ..ForestSettings::default() };
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| grow(&patches, &labels, &settings, seed))
    };
    let forest = with(1, 5);
    assert_eq!(forest, with(2, 5));
    assert_eq!(forest, with(3, 5));
    assert_ne!(forest, with(1, 6));
    assert_eq!(forest.predict(&patches).unwrap(), with(2, 5).predict(&patches).unwrap());
}

#[test]
fn mean_and_spread_of_each_band_are_features() {
    let (patches, labels) = textured();
    let images = patches.images(0..60).unwrap();
    let x = FeatureSet::Statistics.extract(&images);
    let values: Vec<f64> = images.slice(ndarray::s![7, .., .., 1]).iter().map(|&v| f64::from(v)).collect();
    let mean = values.iter().sum::<f64>() / 16.0;
    let square = values.iter().map(|v| v * v).sum::<f64>() / 16.0;
    assert!((f64::from(x[[7, 1]]) - mean).abs() < 1e-6);
    assert!((f64::from(x[[7, 3]]) - (square - mean * mean).sqrt()).abs() < 1e-6);

    let settings = ForestSettings { features: FeatureSet::Statistics, ..ForestSettings::default() };
    let forest = grow(&patches, &labels, &settings, 0);
    assert_eq!(forest.predict(&patches).unwrap().predicted(), labels);
    assert_eq!(forest.importance().len(), 4);
    assert!(forest.out_of_bag().unwrap().score > 0.95);
    let by_band = forest.importance_by_band();
    assert!(by_band[1] > by_band[0] && (by_band.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{by_band:?}");
}

#[test]
fn patches_that_differ_only_in_their_labels_share_a_leaf() {
    let classes = Classes::named(["a", "b"]).unwrap();
    let imagery = Imagery { patch_size: 1, bands: Bands::from_count(3), ..Imagery::so2sat() };
    let patches = Patches::in_memory(imagery, classes.clone(), Array4::zeros((4, 1, 1, 3))).unwrap();
    let labels = Labels::new(classes, vec![0, 0, 0, 1]).unwrap();
    let settings = ForestSettings { trees: 3, bootstrap: false, ..ForestSettings::default() };
    let forest = grow(&patches, &labels, &settings, 0);
    assert_eq!((forest.nodes(), forest.importance()), (3, &[0.0; 3][..]));
    assert_eq!(forest.predict(&patches).unwrap().view().row(0).to_vec(), [0.75, 0.25]);
}

#[test]
fn what_cannot_be_grown_or_predicted_is_refused_in_one_line() {
    let (patches, labels) = textured();
    let refused = |settings: ForestSettings, wanted: &str| {
        let patches = patches.clone().with_labels(&labels).unwrap();
        let error = RandomForest::fit(&patches, &settings, &mut Silent).unwrap_err().to_string();
        assert!(error.contains(wanted) && !error.contains('\n'), "{error}");
    };
    let default = ForestSettings::default;
    refused(ForestSettings { trees: 0, ..default() }, "model.trees: 0 trees");
    refused(ForestSettings { min_leaf: 0, ..default() }, "model.min_leaf");
    refused(ForestSettings { max_depth: Some(0), ..default() }, "model.max_depth");
    refused(ForestSettings { max_features: MaxFeatures::Count(33), ..default() }, "33 of 32 features");
    refused(ForestSettings { max_features: MaxFeatures::Count(0), ..default() }, "0 of 32 features");
    let error = RandomForest::fit(&patches, &default(), &mut Silent).unwrap_err().to_string();
    assert!(error.contains("no labels"), "{error}");
    let forest = grow(&patches, &labels, &ForestSettings { trees: 2, min_leaf: 40, ..default() }, 0);
    assert_eq!(forest.nodes(), 2);
    let one = patches.bands(&Bands::named(["b"]).unwrap()).unwrap();
    let error = forest.predict(&one).unwrap_err().to_string();
    assert!(error.contains("1 bands (b)") && !error.contains('\n'), "{error}");
}
