//! Predictions from files: known answers of real ones, and what is said of bad ones.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use lcz::checkpoint::{self, StoredTemperature};
use lcz::data::Patches;
use lcz::data::predictions::{self, Stated};
use lcz::models::{Architecture, Device, build};
use lcz::progress::Silent;
use lcz::run;
use lcz::scorecard::{Measure, Scorecard, ScorecardSettings};
use lcz::{Classes, Imagery, Labels, Probabilities, Votes};
use ndarray::{Array2, Array4, array};
use support::{assert_near, real_file};
use tempfile::{TempDir, tempdir};

const NO_INTERVALS: ScorecardSettings =
    ScorecardSettings { bins: 15, rounds: 0, level: 0.95, panel: None, panels: 0, seed: 0 };

fn scored(path: &Path, bins: usize) -> Scorecard {
    let predictions = predictions::read(path, None).unwrap();
    run::score(&predictions, ScorecardSettings { bins, ..NO_INTERVALS }, &mut Silent).unwrap()
}

fn value(card: &Scorecard, measure: Measure) -> f64 {
    card.row(measure).unwrap().value
}

#[test]
fn the_published_calibration_errors_of_two_networks_are_found() {
    // github.com/hollance/reliability-diagrams, its own numbers.
    let known = [
        ("calibration/resnet110_cifar10.csv", [(10, 0.047_504), (15, 0.047_504), (20, 0.047_504)]),
        ("calibration/snacks.csv", [(10, 0.024_427), (15, 0.027_979), (20, 0.026_191)]),
    ];
    for (name, errors) in known {
        let Some(path) = real_file(name) else { return };
        for (bins, error) in errors {
            assert_near(value(&scored(&path, bins), Measure::ExpectedCalibrationError), error, 1e-6);
        }
    }
}

#[test]
fn classes_alone_give_accuracies_and_nothing_else() {
    let Some(path) = real_file("so2sat_test/sen2lcz_true_pred.csv") else { return };
    let card = scored(&path, 15);
    assert_eq!((card.samples, card.rows.len()), (24_188, 8));
    // Counted with exact fractions in Python.
    assert_near(value(&card, Measure::OverallAccuracy), 0.693_691_086_489_168_2, 1e-12);
    assert_near(value(&card, Measure::AverageAccuracy), 0.586_747_577_870_301_6, 1e-12);
    assert_near(value(&card, Measure::Kappa), 0.664_367_872_975_057, 1e-12);
    assert_near(value(&card, Measure::WeightedAccuracy), 0.933_656, 1e-6);
    assert_near(value(&card, Measure::WeightedKappa), 0.833_137, 1e-6);
    assert_near(value(&card, Measure::BuiltAccuracy), 0.664_820, 1e-6);
    assert_near(value(&card, Measure::BuiltOrNaturalAccuracy), 0.967_215, 1e-6);
    let conventions = run::conventions(&predictions::read(&path, None).unwrap(), NO_INTERVALS).unwrap();
    let of = |used_by: &str| conventions.iter().find(|row| row.used_by.contains(used_by)).unwrap().value;
    assert_near(of("LCZ Generator's author"), 0.970_078, 1e-6);
    assert_near(of("restricts the rows only"), 0.646_762, 1e-6);
    assert_near(of("code that computes them"), 0.933_331, 1e-6);
}

#[test]
fn an_interval_ends_where_its_measure_does() {
    // Of four samples the rule alone would reach below −1 for kappa, and below 0 for the weighted accuracy.
    let (_folder, path) = file("true,pred\n1,1\n1,2\n6,6\n17,17\n");
    let card = scored(&path, 15);
    for (measure, least) in
        [(Measure::Kappa, -1.0), (Measure::WeightedKappa, -1.0), (Measure::OverallAccuracy, 0.0)]
    {
        let interval = card.row(measure).unwrap().interval.unwrap();
        assert!(interval.lower >= least && interval.upper <= 1.0, "{measure:?}: {interval:?}");
    }
}

/// A folder, and a file in it.
fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("p.csv");
    fs::write(&path, text).unwrap();
    (folder, path)
}

/// Held while an HDF5 file is written and while a process starts, which would inherit the file's lock.
static WRITING: Mutex<()> = Mutex::new(());

fn lcz(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        command.spawn().unwrap()
    };
    child.wait_with_output().unwrap()
}

#[test]
fn a_class_name_in_quotes_may_hold_a_comma() {
    let (_folder, path) =
        file("true_label,pred_label,confidence\n\"wood, dense\",water,0.5\nwater,\"wood, dense\",0.75\n");
    let read = predictions::read(&path, None).unwrap();
    assert_eq!(read.labels.classes().codes(), ["water", "wood, dense"]);
    let (_folder, path) = file("label,\"p_wood, dense\",p_water\n\"wood, dense\",0.25,0.75\n");
    assert_eq!(predictions::read(&path, None).unwrap().labels.classes().codes(), ["wood, dense", "water"]);
}

#[test]
fn probabilities_of_zero_and_rounded_ones_are_counted_and_told() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("p.csv");
    let text = "label,p_a,p_b,p_c\na,0.333,0.333,0.333\nb,1,0,0\nc,0.25,0.25,0.5\nb,0.1,0.8,0.1\n";
    fs::write(&path, text).unwrap();
    let output = lcz(&["score", path.to_str().unwrap()]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(
        table.contains("1 of 4 samples give their class probability 0: counted as 36.04 nats each"),
        "{table}"
    );
    assert!(
        told.contains("1 of 4 rows of probabilities miss 1 by rounding, and are rescaled to 1"),
        "{told}"
    );
    let loss = value(&scored(&path, 15), Measure::CrossEntropy);
    let wanted = (3f64.ln() - f64::EPSILON.ln() + 2f64.ln() - 0.8f64.ln()) / 4.0;
    assert_near(loss, wanted, 1e-9);
}

#[test]
fn a_bad_file_is_refused_on_one_line_that_names_it_and_the_line_and_the_fix() {
    let bad = [
        ("", "p.csv: an empty file; write true,pred"),
        ("true,pred\n", "p.csv: no line below the header; "),
        ("gold,pred\n1,1\n", "p.csv, line 1: header 'gold,pred'; write true,pred"),
        ("true,pred\n1,1\n\n1,18\n", "p.csv, line 4: pred is '18', none of 1 2 3"),
        ("true,pred\n0,1\n", "p.csv, line 2: true is '0', none of"),
        ("true,pred\n1,1\n1,1,1\n", "p.csv, line 3: 3 fields, the header has 2; "),
        (
            "true_label,pred_label,confidence\na,b,1.5\n",
            "line 2: confidence is '1.5'; give a number from 0 to 1",
        ),
        ("true_label,pred_label,confidence\na,b,NaN\n", "line 2: confidence is 'NaN'; "),
        ("true_label,pred_label,confidence\na,,0.5\n", "line 2: a label is missing; "),
        ("label,p_1,p_2\n1,0.5,0.5\n2,0.5,0.4\n", "line 3: probabilities that sum to 0.900000; "),
        ("label,p_1,p_2\n1,nan,0.5\n", "line 2: p_1 is 'nan'; "),
        ("label,p_1,p_2\n1,-0.5,1.5\n", "line 2: p_1 is '-0.5'; "),
        ("label,p_1,p_2\n3,0.5,0.5\n", "line 2: label is '3', none of 1 2; "),
        ("label,p_1,p_1\n1,0.5,0.5\n", "line 1: two columns of one name; "),
    ];
    for (text, wanted) in bad {
        let (_folder, path) = file(text);
        let output = lcz(&["score", path.to_str().unwrap()]);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text:?}");
        assert!(message.contains(wanted) && message.lines().count() == 1, "{text:?}: {message}");
    }
}

#[test]
fn a_table_states_its_independent_samples_the_columns_that_it_ignores_and_the_reason_for_a_dash() {
    let said = |text: &str| {
        let (_folder, path) = file(text);
        let output = lcz(&["score", path.to_str().unwrap(), "--bootstrap", "0"]);
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let row = |n: usize| format!("{},{},6,6\n", n, n / 5);
    let rows: String = (0..50).map(row).collect();
    let [table, told] = said(&format!("id,city,true,pred\n{rows}"));
    assert!(told.contains("p.csv: columns that are not read: 'id'"), "{told}");
    assert!(table.contains("50 samples; in the intervals, 10 groups are taken as independent"), "{table}");
    assert!(
        table.contains("kappa, kappa_w: not defined where labels and predictions are all of one"),
        "{table}"
    );
    let [table, told] = said(&format!("id,lat,true,pred\n{rows}").replace("id,lat", ",lat"));
    assert!(told.contains("not read: 'lat'"), "{told}");
    assert!(table.contains("samples are taken as independent (no dataset or column 'group')"), "{table}");
    let [table, _] = said("true,pred\n6,6\n6,6\n14,13\n");
    let wanted =
        |line: &str| line.contains("macro F1") && line.contains(": no interval, a class has too few samples");
    assert!(table.lines().any(wanted), "{table}");
}

/// A good file of predictions that something has been done to.
fn changed(change: impl FnOnce(&hdf5::File)) -> (TempDir, PathBuf) {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempdir().unwrap();
    let path = folder.path().join("p.h5");
    let p = array![[0.75, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]];
    let p = Probabilities::new(Classes::named(["forest", "river"]).unwrap(), p).unwrap();
    predictions::write(&path, &p, &patches()).unwrap();
    change(&hdf5::File::open_rw(&path).unwrap());
    (folder, path)
}

/// What is said of a good file of predictions that is spoilt.
fn refusal(spoil: impl FnOnce(&hdf5::File)) -> String {
    let (_folder, path) = changed(spoil);
    let message = predictions::read(&path, None).unwrap_err().to_string();
    assert!(message.contains("p.h5") && !message.contains('\n'), "{message}");
    message.replace(&format!("{}/", path.parent().unwrap().display()), "")
}

fn replace<D: ndarray::Dimension>(file: &hdf5::File, name: &str, data: &ndarray::Array<f32, D>) {
    file.unlink(name).unwrap();
    file.new_dataset_builder().with_data(data).create(name).unwrap();
}

#[test]
fn a_bad_hdf5_file_is_refused_with_dataset_row_and_fix() {
    let good = array![[0.75f32, 0.25], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]];
    let with = |row: usize, values: [f32; 2]| {
        let mut table = good.clone();
        table.row_mut(row).assign(&ndarray::arr1(&values));
        table
    };
    let probabilities = |table: Array2<f32>| refusal(|file| replace(file, "probabilities", &table));
    for (row, values) in [(1, [0.5, 0.4]), (2, [f32::NAN, 0.5]), (3, [-0.5, 1.5]), (0, [f32::INFINITY, 0.0])]
    {
        let message = probabilities(with(row, values));
        let wanted = format!("p.h5, probabilities, row {row}: not a distribution");
        assert!(message.starts_with(&wanted) && message.contains("; give non-negative"), "{message}");
    }
    let message = probabilities(Array2::zeros((0, 2)));
    assert!(message.starts_with("p.h5: no sample; "), "{message}");
    let message = probabilities(array![[0.2, 0.3, 0.5], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5], [0.2, 0.3, 0.5]]);
    assert!(message.starts_with("p.h5, probabilities: 3 columns for 2 classes; "), "{message}");
    let message = refusal(|file| replace(file, "probabilities", &ndarray::Array1::<f32>::ones(8)));
    assert!(message.starts_with("p.h5, dataset 'probabilities': rank 1 (shape 8)"), "{message}");
    for name in ["probabilities", "label"] {
        let message = refusal(|file| file.unlink(name).unwrap());
        assert!(message.contains(&format!("no dataset '{name}' (found: ")), "{message}");
    }
    let message = refusal(|file| {
        file.unlink("probabilities").unwrap();
        file.create_group("probabilities").unwrap();
    });
    assert!(message.starts_with("p.h5, dataset 'probabilities': a group, not a dataset"), "{message}");

    let label = |table: Array2<f32>| refusal(|file| replace(file, "label", &table));
    let one_hot = array![[1.0f32, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]];
    for values in [[0.0, 0.0], [1.0, 1.0], [0.5, 0.5], [f32::NAN, 1.0], [0.0, 7.0]] {
        let mut table = one_hot.clone();
        table.row_mut(2).assign(&ndarray::arr1(&values));
        let message = label(table);
        assert!(message.starts_with("p.h5, dataset 'label', row 2: the label is not one-hot"), "{message}");
    }
    // A class that there is not: a third column.
    let message = label(Array2::from_shape_fn((4, 3), |(_, k)| if k == 2 { 1.0 } else { 0.0 }));
    assert!(message.starts_with("p.h5: 'label' is 4 x 3 for 4 predictions of 2 classes; "), "{message}");
    let message = label(Array2::zeros((3, 2)));
    assert!(message.starts_with("p.h5: 'label' is 3 x 2 for 4"), "{message}");
    let message = refusal(|file| replace(file, "label", &array![0.0f32, 0.0, 1.0, 1.0]));
    assert!(message.starts_with("p.h5: 'label' is 4 for 4 predictions"), "{message}");

    let votes = |table: Array2<f32>| refusal(|file| replace(file, "votes", &table));
    assert!(votes(Array2::ones((3, 2))).starts_with("p.h5: 'votes' is 3 x 2 for 4"));
    assert!(votes(Array2::ones((4, 3))).starts_with("p.h5: 'votes' is 4 x 3 for 4"));
    assert!(votes(Array2::zeros((4, 2))).starts_with("p.h5, votes, row 0: no expert voted; "));
    let message = refusal(|file| {
        file.unlink("group").unwrap();
        file.new_dataset_builder().with_data(&[1i32, 2]).create("group").unwrap();
    });
    assert!(message.starts_with("p.h5: 'group' is 2 for 4"), "{message}");
}

#[test]
fn label_distributions_are_scored_where_no_votes_are_known() {
    let (_folder, path) = changed(|file| {
        file.unlink("votes").unwrap();
        let y = array![[1.0f32, 0.0], [0.5, 0.5], [0.25, 0.75], [0.0, 1.0]];
        file.new_dataset_builder().with_data(&y).create("distributions").unwrap();
    });
    let card = scored(&path, 15);
    // −(ln 0.75 + ln 0.5 + (0.25 ln 0.25 + 0.75 ln 0.75) + ln 1) / 4
    let wanted = -(0.75f64.ln() + 0.5f64.ln() + 0.25 * 0.25f64.ln() + 0.75 * 0.75f64.ln()) / 4.0;
    assert_near(value(&card, Measure::DistributionalCrossEntropy), wanted, 1e-6);
}

#[test]
fn a_file_that_is_not_text_or_not_there_is_refused() {
    let (_folder, path) = file("");
    for (bytes, told) in [
        ([0xff, 0x00, 0x00], "neither HDF5 nor text"),
        ([0xff, 0xfe, 0x00], "a text in UTF-16; save it as UTF-8"),
    ] {
        fs::write(&path, bytes).unwrap();
        let message = predictions::read(&path, None).unwrap_err().to_string();
        assert!(message.contains(told), "{message}");
    }
    assert!(predictions::read(Path::new("no/such.csv"), None).is_err());
}

#[test]
fn columns_name_the_classes_and_seventeen_numbers_are_zones() {
    let (_folder, path) = file("label,p_river,p_road\nroad,0.25,0.75\nriver,0.5,0.5\n");
    let read = predictions::read(&path, None).unwrap();
    assert_eq!(read.labels.indices(), [1, 0]);
    assert_eq!(
        read.predicted,
        Stated::Probabilities(
            Probabilities::new(Classes::named(["river", "road"]).unwrap(), array![[0.25, 0.75], [0.5, 0.5]])
                .unwrap()
        )
    );
    let columns: Vec<String> = (1..=17).map(|k| format!("p_{k}")).collect();
    let row = |k: usize| (1..=17).map(|j| if j == k { "1" } else { "0" }).collect::<Vec<_>>().join(",");
    let (_folder, path) = file(&format!("label,{}\nG,{}\n17,{}\n", columns.join(","), row(17), row(1)));
    let read = predictions::read(&path, None).unwrap();
    assert_eq!(*read.labels.classes(), Classes::lcz());
    assert_eq!(read.labels.indices(), [16, 16]);
}

/// Two classes, four patches, with votes and groups.
fn patches() -> Patches {
    let classes = Classes::named(["forest", "river"]).unwrap();
    let imagery = Imagery { patch_size: 8, ..Imagery::so2sat() };
    let images = Array4::from_shape_fn((4, 8, 8, 10), |(n, r, c, b)| (n * 7 + r * 3 + c + b) as f32 / 40.0);
    let votes = Votes::new(classes.clone(), array![[10., 0.], [6., 4.], [3., 7.], [0., 10.]]).unwrap();
    let labels = Labels::new(classes.clone(), vec![0, 0, 1, 1]).unwrap();
    let patches = Patches::in_memory(imagery, classes, images).unwrap().with_labels(&labels).unwrap();
    patches.with_votes(&votes).unwrap().with_groups(vec![1, 1, 2, 2]).unwrap()
}

#[test]
fn what_predict_writes_is_what_score_reads() {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempdir().unwrap();
    let path = folder.path().join("p.h5");
    let patches = patches();
    let p = array![[0.75, 0.25], [0.25, 0.75], [0.25, 0.75], [0.5, 0.5]];
    let p = Probabilities::new(patches.classes().clone(), p).unwrap();
    predictions::write(&path, &p, &patches).unwrap();
    let read = predictions::read(&path, None).unwrap();
    assert_eq!(read.predicted, Stated::Probabilities(p));
    assert_eq!(read.labels, patches.labels().unwrap());
    assert_eq!(read.votes.as_ref(), Some(&patches.votes().unwrap()));
    assert_eq!(read.groups, Some(vec![1, 1, 2, 2]));
    let card = run::score(&read, NO_INTERVALS, &mut Silent).unwrap();
    assert_near(value(&card, Measure::OverallAccuracy), 0.5, 1e-12); // the tie goes to forest
    let by_hand = -(0.75f64.ln() + 0.25f64.ln() + 0.75f64.ln() + 0.5f64.ln()) / 4.0;
    assert_near(value(&card, Measure::CrossEntropy), by_hand, 1e-12);
    // Forest and river are not zones.
    assert_eq!(card.rows.len(), Measure::ALL.len() - 4);
    assert_eq!(card.groups, Some(2));

    let unlabelled = Patches::in_memory(
        patches.imagery().clone(),
        patches.classes().clone(),
        patches.images(0..4).unwrap(),
    );
    let path = folder.path().join("unlabelled.h5");
    let Stated::Probabilities(p) = &read.predicted else { unreachable!() };
    predictions::write(&path, p, &unlabelled.unwrap()).unwrap();
    let message = predictions::read(&path, None).unwrap_err().to_string();
    assert!(message.contains("unlabelled.h5: no dataset 'label' (found: probabilities)"), "{message}");
}

#[test]
fn a_temperature_is_kept_next_to_weights_that_stay_as_they_are() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let patches = patches();
    let network =
        build(&Architecture::sen2lcz(), patches.imagery(), patches.classes(), 3, Device::Cpu).unwrap();
    network.save(&path).unwrap();
    assert_eq!(checkpoint::temperature(&path).unwrap(), None);
    let stored = StoredTemperature {
        temperature: 1.25,
        procedure: "exact".to_owned(),
        data: "validation.h5".to_owned(),
        patches: 4,
        floor: None,
    };
    checkpoint::store_temperature(&path, &stored).unwrap();
    assert_eq!(checkpoint::temperature(&path).unwrap(), Some(stored));
    let again = checkpoint::load(&path, Device::Cpu).unwrap();
    let bits = |z: &Array2<f64>| z.iter().map(|z| z.to_bits()).collect::<Vec<_>>();
    let before = network.logits(&patches).unwrap().view().to_owned();
    assert_eq!(bits(&again.logits(&patches).unwrap().view().to_owned()), bits(&before));
}

#[test]
fn predictions_of_pixels_are_scored_where_the_mask_has_a_class() {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempdir().unwrap();
    let path = folder.path().join("p.h5");
    let write = |mask: &ndarray::Array3<u8>| {
        let file = hdf5::File::create(&path).unwrap();
        // Forest with 0.75 in the first patch, river with 0.75 in the second.
        let p = Array4::from_shape_fn((2, 2, 2, 2), |(n, _, _, k)| if n == k { 0.75f32 } else { 0.25 });
        file.new_dataset_builder().with_data(&p).create("probabilities").unwrap();
        file.new_dataset_builder().with_data(mask).create("mask").unwrap();
    };
    write(&array![[[1, 1], [2, 0]], [[0, 2], [0, 0]]]);
    let card = scored(&path, 15);
    assert_eq!((card.samples, card.groups), (4, Some(2)), "pixels with a class, in two patches");
    assert_near(value(&card, Measure::OverallAccuracy), 0.75, 1e-12);
    for (mask, wanted) in [
        (array![[[0, 0], [0, 0]], [[0, 0], [0, 0]]], "no pixel of 'mask' has a class"),
        (array![[[0, 0], [0, 0]], [[0, 3], [0, 0]]], "mask, patch 1: class 3 of 2"),
        (array![[[1, 1], [2, 0]]], "'mask' is 1 x 2 x 2 for 2"),
    ] {
        write(&mask);
        let message = predictions::read(&path, None).unwrap_err().to_string();
        assert!(message.contains(wanted) && !message.contains('\n'), "{message}");
    }
}
