//! The baselines: one Gaussian per class compared with scikit-learn's discriminant analyses, and the majority class.

use lcz::data::Patches;
use lcz::metrics::ConfusionMatrix;
use lcz::models::Classifier;
use lcz::models::baselines::{MajorityClass, PixelGaussian, Shrinkage};
use lcz::progress::Silent;
use lcz::{Bands, Classes, Imagery, Labels, Probabilities, Result, Zone};
use ndarray::{Array1, Array2, Array4, s};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use serde_json::Value;

/// Mean reflectance in Landsat-8's B2–B7 over Hong Kong, and how many of 100 pixels are of the zone.
const SIGNATURES: [(Zone, usize, [f64; 6]); 5] = [
    (Zone::CompactHighRise, 12, [0.104, 0.085, 0.076, 0.101, 0.082, 0.062]),
    (Zone::OpenLowRise, 3, [0.101, 0.088, 0.075, 0.198, 0.129, 0.082]),
    (Zone::DenseTrees, 30, [0.079, 0.060, 0.041, 0.183, 0.075, 0.030]),
    (Zone::LowPlants, 20, [0.084, 0.068, 0.051, 0.187, 0.109, 0.052]),
    (Zone::Water, 35, [0.101, 0.080, 0.057, 0.037, 0.015, 0.010]),
];

fn imagery(patch_size: usize, bands: usize) -> Imagery {
    Imagery { patch_size, bands: Bands::from_count(bands), ..Imagery::so2sat() }
}

/// Patches of one pixel.
fn pixels(rows: &Array2<f32>, classes: &Classes) -> Patches {
    let (n, bands) = rows.dim();
    let images = rows.to_owned().into_shape_with_order((n, 1, 1, bands)).unwrap();
    Patches::in_memory(imagery(1, bands), classes.clone(), images).unwrap()
}

/// Pixels like Hong Kong's over all seventeen zones, of which five occur.
fn hong_kong(seed: u64) -> (Array2<f32>, Labels) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut rows, mut indices) = (Vec::new(), Vec::new());
    for (zone, count, signature) in SIGNATURES {
        for _ in 0..4 * count {
            let light: f64 = rng.sample::<f64, _>(StandardNormal) * 0.006;
            let noise = |rng: &mut ChaCha8Rng| rng.sample::<f64, _>(StandardNormal) * 0.008;
            rows.extend(signature.map(|mean| (mean + light + noise(&mut rng)) as f32));
            indices.push(zone.number() - 1);
        }
    }
    let rows = Array2::from_shape_vec((indices.len(), 6), rows).unwrap();
    (rows, Labels::new(Classes::lcz(), indices).unwrap())
}

fn fit(rows: &Array2<f32>, labels: &Labels) -> PixelGaussian {
    PixelGaussian::fit(&pixels(rows, labels.classes()), labels, &mut Silent).unwrap()
}

#[track_caller]
fn assert_close(got: &Probabilities, wanted: &Probabilities, tolerance: f64) {
    let largest = (&got.view() - &wanted.view()).fold(0.0, |a: f64, d| a.max(d.abs()));
    assert!(largest < tolerance, "differs by {largest}");
}

#[test]
fn probabilities_are_those_of_quadratic_and_linear_discriminant_analysis() {
    let all: Value = serde_json::from_str(include_str!("vectors/pixel.json")).unwrap();
    let numbers = |value: &Value| -> Vec<f64> { serde_json::from_value(value.clone()).unwrap() };
    let table = |value: &Value| {
        let rows: Vec<Vec<f64>> = serde_json::from_value(value.clone()).unwrap();
        Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
    };
    let classes = Classes::from_count(5);
    let indices = numbers(&all["labels"]).into_iter().map(|k| k as usize).collect();
    let labels = Labels::new(classes.clone(), indices).unwrap();
    let train = pixels(&table(&all["train"]).mapv(|x| x as f32), &classes);
    let test = pixels(&table(&all["test"]).mapv(|x| x as f32), &classes);
    for (lambda, wanted) in all["probabilities"].as_object().unwrap() {
        let shrinkage = Shrinkage::new(lambda.parse().unwrap()).unwrap();
        let model = PixelGaussian::fit_shrunk(&train, &labels, shrinkage, &mut Silent).unwrap();
        let got = model.predict(&test).unwrap();
        let mut full = Array2::zeros((test.len(), 5));
        for (column, &k) in numbers(&all["columns"]).iter().enumerate() {
            full.column_mut(k as usize).assign(&table(wanted).column(column));
        }
        assert_close(&got, &Probabilities::new(classes.clone(), full).unwrap(), 1e-6);
    }
}

#[test]
fn spectra_like_hong_kongs_are_separated_rare_class_included() {
    let (train, labels) = hong_kong(1);
    let (test, reference) = hong_kong(2);
    let model = fit(&train, &labels);
    let p = model.predict(&pixels(&test, &Classes::lcz())).unwrap();
    let confusion = ConfusionMatrix::from_labels(&reference, &p.predicted()).unwrap();
    assert!(confusion.overall_accuracy_score() > 0.9, "{}", confusion.overall_accuracy_score());
    let rare = Zone::OpenLowRise.number() - 1;
    assert!(confusion.per_class()[rare].recall >= 0.5);
    // Twelve zones were never seen.
    assert!(p.view().column(Zone::HeavyIndustry.number() - 1).iter().all(|p| p.abs() == 0.0));
    let majority = MajorityClass::fit(&pixels(&train, &Classes::lcz()), &labels).unwrap();
    let p = majority.predict(&pixels(&test, &Classes::lcz())).unwrap();
    let confusion = ConfusionMatrix::from_labels(&reference, &p.predicted()).unwrap();
    assert!((confusion.overall_accuracy_score() - 0.35).abs() < 1e-12);
    assert!((p.confidence()[0] - 0.35).abs() < 1e-12);
}

#[test]
fn constant_and_copied_bands_change_nothing() {
    let (train, labels) = hong_kong(3);
    let (test, _) = hong_kong(4);
    let widen = |rows: &Array2<f32>| {
        let mut wide = Array2::from_elem((rows.nrows(), 8), 0.25);
        wide.slice_mut(s![.., ..6]).assign(rows);
        wide.column_mut(6).assign(&rows.column(2));
        wide
    };
    let narrow = fit(&train, &labels).predict(&pixels(&test, labels.classes())).unwrap();
    let wide = fit(&widen(&train), &labels).predict(&pixels(&widen(&test), labels.classes())).unwrap();
    assert_close(&wide, &narrow, 1e-4);
}

#[test]
fn the_unit_of_a_band_changes_nothing() {
    let (train, labels) = hong_kong(5);
    let (test, _) = hong_kong(6);
    // Powers of two, so that single precision loses nothing.
    let scale = Array1::from(vec![1024.0_f32, 1.0, 0.125, 4096.0, 1.0, 2.0]);
    let plain = fit(&train, &labels).predict(&pixels(&test, labels.classes())).unwrap();
    let model = fit(&(&train * &scale), &labels);
    let scaled = model.predict(&pixels(&(&test * &scale), labels.classes())).unwrap();
    assert_close(&scaled, &plain, 1e-9);
}

#[test]
fn only_the_centre_pixel_is_looked_at() {
    let mut images = Array4::from_elem((4, 4, 4, 1), 9.0);
    for (n, value) in [0.1, 0.2, 0.7, 0.9].into_iter().enumerate() {
        images[[n, 2, 2, 0]] = value;
    }
    let classes = Classes::named(["dark", "bright"]).unwrap();
    let patches = Patches::in_memory(imagery(4, 1), classes.clone(), images).unwrap();
    let labels = Labels::new(classes, vec![0, 0, 1, 1]).unwrap();
    let model = PixelGaussian::fit(&patches, &labels, &mut Silent).unwrap();
    assert_eq!(model.predict(&patches).unwrap().predicted(), labels);
    let stored: Value = serde_json::to_value(&model).unwrap();
    assert!((stored["densities"][0]["mean"][0].as_f64().unwrap() - 0.15).abs() < 1e-7);
}

#[test]
fn a_stored_baseline_predicts_as_before_and_a_damaged_one_is_refused() {
    let (train, labels) = hong_kong(7);
    let patches = pixels(&train, labels.classes());
    let model = fit(&train, &labels);
    let text = serde_json::to_string(&model).unwrap();
    let back: PixelGaussian = serde_json::from_str(&text).unwrap();
    assert_close(&back.predict(&patches).unwrap(), &model.predict(&patches).unwrap(), 1e-9);
    let majority = MajorityClass::fit(&patches, &labels).unwrap();
    let back: MajorityClass = serde_json::from_str(&serde_json::to_string(&majority).unwrap()).unwrap();
    assert_eq!(back, majority);

    let refused = |edit: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_str(&text).unwrap();
        edit(&mut value);
        serde_json::from_value::<PixelGaussian>(value).unwrap_err().to_string()
    };
    let water = Zone::Water.number() - 1;
    for error in [
        refused(&|value| value["densities"][water]["mean"] = vec![0.1; 5].into()),
        refused(&|value| value["densities"][water]["covariance"][2][2] = (-1.0).into()),
        refused(&|value| value["densities"][water]["prior"] = 2.0.into()),
        refused(&|value| value["densities"] = vec![Value::Null; 17].into()),
    ] {
        assert!(error.contains("do not fit together"), "{error}");
    }
    assert!(refused(&|value| value["shrinkage"] = 1.5.into()).contains("choose 0 to 1"));
}

#[test]
fn what_cannot_be_fitted_or_predicted_is_refused_in_one_line() {
    let (train, labels) = hong_kong(8);
    let patches = pixels(&train, labels.classes());
    let refused = |result: Result<PixelGaussian>, wanted: &str| {
        let text = result.unwrap_err().to_string();
        assert!(text.contains(wanted) && !text.contains('\n'), "{text}");
    };
    let fewer = Labels::new(Classes::lcz(), vec![0; 3]).unwrap();
    refused(PixelGaussian::fit(&patches, &fewer, &mut Silent), "3 labels for 400 patches");
    let two = patches.select(&[0, 399]).unwrap();
    let apart = Labels::new(Classes::lcz(), vec![0, 16]).unwrap();
    refused(PixelGaussian::fit(&two, &apart, &mut Silent), "no class has two samples");
    assert!(MajorityClass::fit(&two, &fewer).is_err());
    assert!(Shrinkage::new(f64::NAN).is_err());
    let other = pixels(&train.slice(s![.., ..5]).to_owned(), labels.classes());
    let error = fit(&train, &labels).predict(&other).unwrap_err().to_string();
    assert!(error.contains("5 bands") && error.contains("not 6"), "{error}");
}
