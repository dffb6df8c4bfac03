//! The command from outside: bad input ends with exit code 1 and one line on stderr that says where,
//! what, and what to do; nothing half-written stays behind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};

use lcz::run::Run;
use ndarray::{Array, Array2, Array4, Dimension};
use tempfile::TempDir;

/// Held while a file is written and while a process starts: HDF5 locks files that it writes, and a
/// process started meanwhile by another test would inherit the lock.
static WRITING: Mutex<()> = Mutex::new(());

/// Runs `lcz` with these arguments.
fn lcz<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        command.spawn().expect("lcz can be run")
    };
    child.wait_with_output().expect("lcz ends")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("lcz writes UTF-8")
}

/// Asserts that a file is refused on one line with these words in it.
fn info_refuses(file: &Path, wanted: &[&str]) {
    let output = lcz([Path::new("info"), file]);
    is_one_error(&output, wanted);
    let message = text(&output.stderr);
    assert!(message.contains(&*file.to_string_lossy()), "the file is not named: {message}");
}

fn is_one_error(output: &Output, wanted: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    assert!(message.starts_with("error: ") && message.ends_with('\n'), "{message:?}");
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.contains("; "), "no advice: {message}");
    for words in wanted {
        assert!(message.contains(words), "'{words}' is missing: {message}");
    }
}

/// A file of eight patches that is as it should be, for a test to spoil: datasets sen2, label, votes.
struct Sample {
    folder: TempDir,
    images: Array4<f32>,
    labels: Array2<f32>,
    votes: Array2<f32>,
}

impl Sample {
    fn new() -> Self {
        let one_hot = |n: usize, k: usize| if n == k { 1.0 } else { 0.0 };
        Self {
            folder: tempfile::tempdir().unwrap(),
            images: Array4::from_shape_fn((8, 4, 4, 10), |(n, y, x, c)| (n + y + x + c) as f32 / 100.0),
            labels: Array2::from_shape_fn((8, 17), |(n, k)| one_hot(n, k)),
            votes: Array2::from_shape_fn((8, 17), |(n, k)| 10.0 * one_hot(n, k)),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("training.h5")
    }

    /// Writes the file with the HDF5 library itself.
    fn write(&self) -> PathBuf {
        self.write_with(|file| {
            add(file, "sen2", &self.images);
            add(file, "label", &self.labels);
            add(file, "votes", &self.votes);
        })
    }

    fn write_with(&self, fill: impl FnOnce(&hdf5::File)) -> PathBuf {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        fill(&hdf5::File::create(self.path()).unwrap());
        self.path()
    }
}

fn add<D: Dimension>(file: &hdf5::File, name: &str, data: &Array<f32, D>) {
    file.new_dataset_builder().with_data(data).create(name).unwrap();
}

#[test]
fn a_good_file_is_described() {
    let output = lcz([Path::new("info"), &Sample::new().write()]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for words in ["8 of 4 x 4 pixels", "B2 B3 B4", "sen2 8 x 4 x 4 x 10", "100.0 % unanimous"] {
        assert!(said.contains(words), "'{words}' is missing:\n{said}");
    }
    let row = |class: &str| said.lines().find(|line| line.starts_with(class)).unwrap().to_owned();
    assert!(row("8 large low-rise").split_whitespace().eq(["8", "large", "low-rise", "1", "12.5"]), "{said}");
    assert!(row("G water").split_whitespace().eq(["G", "water", "0", "0.0"]), "{said}");
}

#[test]
fn a_folder_is_described_as_json_with_band_statistics() {
    let sample = Sample::new();
    sample.write();
    let output =
        lcz(["info".as_ref(), sample.folder.path().as_os_str(), "--json".as_ref(), "--statistics".as_ref()]);
    let files: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(files["files"][0]["patches"], 8);
    assert_eq!(files["files"][0]["votes"]["mean_entropy"], 0.0);
    assert_eq!(files["files"][0]["datasets"][0]["shape"], serde_json::json!([8, 17]));
    // Band 0: n + y + x with n = 0 … 7 and y, x = 0 … 3: mean 3.5 + 1.5 + 1.5, variance 5.25 + 1.25 + 1.25.
    let statistic = |name: &str| files["files"][0]["statistics"][name][0].as_f64().unwrap();
    assert!((statistic("mean") - 0.065).abs() < 1e-8);
    assert!((statistic("standard_deviation") - 7.75f64.sqrt() / 100.0).abs() < 1e-8);
}

#[test]
fn a_gallery_is_drawn_on_request_and_named_after_the_requested_dataset() {
    let sample = Sample::new();
    let (file, folder) = (sample.write(), sample.folder.path().join("figures"));
    let draw = |more: &[&str]| {
        let fixed = ["info".as_ref(), file.as_os_str(), "--figures".as_ref(), folder.as_os_str()];
        lcz(fixed.into_iter().chain(more.iter().map(OsStr::new)))
    };
    for (more, stem) in [(&[][..], "training-gallery"), (&["--dataset", "sen2"], "training-sen2-gallery")] {
        let output = draw(more);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let csv = std::fs::read_to_string(folder.join(format!("{stem}.csv"))).unwrap();
        // One row per patch: eight zones have one each, and the other nine none.
        assert_eq!(csv.lines().filter(|line| !line.starts_with('#')).count(), 1 + 8, "{csv}");
        assert!(folder.join(format!("{stem}.png")).exists());
    }
    let output = draw(&["--dataset", "sen1"]);
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("sen1"), "{}", text(&output.stderr));
}

#[test]
fn a_missing_file_is_named() {
    info_refuses(&Sample::new().path(), &["No such file", "check the path"]);
}

#[test]
fn the_error_of_an_empty_folder_lists_the_files_that_it_needs() {
    info_refuses(Sample::new().folder.path(), &["training.h5"]);
}

#[test]
fn text_named_h5_is_not_an_hdf5_file() {
    let sample = Sample::new();
    std::fs::write(sample.path(), "patch,label\n1,17\n").unwrap();
    info_refuses(&sample.path(), &["not an HDF5 file"]);
}

#[test]
fn an_empty_file_is_called_empty() {
    let sample = Sample::new();
    std::fs::write(sample.path(), "").unwrap();
    info_refuses(&sample.path(), &["empty"]);
}

#[test]
fn a_file_cut_short_is_recognised() {
    let sample = Sample::new();
    let path = sample.write();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    info_refuses(&path, &["cut short"]);
}

#[test]
fn a_file_that_is_being_written_is_called_locked() {
    let sample = Sample::new();
    let _writer = hdf5::File::append(sample.write()).unwrap();
    info_refuses(&sample.path(), &["locked", "HDF5_USE_FILE_LOCKING=FALSE"]);
}

#[test]
fn the_error_of_a_file_without_images_lists_its_datasets() {
    let sample = Sample::new();
    let path = sample.write_with(|file| add(file, "label", &sample.labels));
    info_refuses(&path, &["no dataset 'sen2'", "found: label", "docs/file-formats.md"]);
}

#[test]
fn images_of_another_rank_are_refused() {
    let sample = Sample::new();
    let path = sample.write_with(|file| add(file, "sen2", &sample.labels));
    info_refuses(&path, &["sen2", "rank 2", "8 x 17"]);
}

#[test]
fn a_file_without_rows_is_refused() {
    let sample = Sample { images: Array4::zeros((0, 4, 4, 10)), ..Sample::new() };
    info_refuses(&sample.write(), &["sen2", "no rows"]);
}

#[test]
fn patches_that_are_not_square_are_refused() {
    let sample = Sample { images: Array4::zeros((8, 4, 5, 10)), ..Sample::new() };
    info_refuses(&sample.write(), &["sen2", "4 x 5"]);
}

#[test]
fn unequal_numbers_of_rows_are_refused() {
    let sample = Sample { labels: Array2::eye(17), ..Sample::new() };
    info_refuses(&sample.write(), &["label", "17", "8"]);
}

#[test]
fn a_label_that_is_not_one_hot_is_refused_by_row() {
    let mut sample = Sample::new();
    sample.labels[[5, 2]] = 1.0;
    info_refuses(&sample.write(), &["label", "row 5"]);
}

#[test]
fn a_row_without_votes_is_refused_by_row() {
    let mut sample = Sample::new();
    sample.votes.row_mut(6).fill(0.0);
    info_refuses(&sample.write(), &["votes", "row 6", "no expert"]);
}

#[test]
fn pixels_that_are_not_numbers_are_refused_by_row() {
    for value in [f32::NAN, f32::INFINITY] {
        let mut sample = Sample::new();
        sample.images[[3, 1, 2, 4]] = value;
        let path = sample.write();
        let output = lcz(["info".as_ref(), path.as_os_str(), "--statistics".as_ref()]);
        is_one_error(&output, &["row 3", "B6"]);
    }
}

#[test]
fn a_command_that_is_not_one_ends_with_code_2() {
    assert_eq!(lcz(["inform"]).status.code(), Some(2));
    assert_eq!(lcz(["info"]).status.code(), Some(2));
}

/// A data set in a folder, with a place for a run next to it: in each of the three files eight patches
/// of four classes.
struct DataSet {
    folder: TempDir,
}

impl DataSet {
    /// `spoil` changes the sample of one of the files.
    fn new(spoil: impl Fn(&str, &mut Sample)) -> Self {
        let data_set = Self { folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(data_set.data()).unwrap();
        for name in ["training", "validation", "testing"] {
            let mut sample = Sample::new();
            let pixel = |(n, y, x, c)| (n % 4 * c + y * x + n) as f32 / 100.0;
            sample.images = Array4::from_shape_fn((8, 8, 8, 10), pixel);
            sample.labels = Array2::from_shape_fn((8, 17), |(n, k)| if n % 4 == k { 1.0 } else { 0.0 });
            sample.votes = 10.0 * &sample.labels;
            spoil(name, &mut sample);
            std::fs::rename(sample.write(), data_set.data().join(format!("{name}.h5"))).unwrap();
        }
        data_set
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    /// Trains a tiny network, with these further arguments.
    fn train(&self, more: &[&str]) -> Output {
        self.train_on(&self.data(), more)
    }

    fn train_on(&self, data: &Path, more: &[&str]) -> Output {
        let [data, run] = [data.to_owned(), self.run()].map(PathBuf::into_os_string);
        let tiny = ["--quiet", "--epochs", "1", "--set", "model.depth=5", "--set", "model.width=2"];
        let mut arguments = ["train", "sen2lcz", "--data"].map(OsStr::new).to_vec();
        arguments.extend([&*data, OsStr::new("--run"), &*run]);
        arguments.extend(tiny.iter().chain(more).map(OsStr::new));
        lcz(arguments)
    }

    /// Asserts that training ends with this error, and that no run folder is left.
    fn training_refuses(&self, more: &[&str], wanted: &[&str]) {
        is_one_error(&self.train(more), wanted);
        assert!(!self.run().exists(), "a run folder was left behind");
    }
}

#[test]
fn a_network_is_trained_evaluated_and_used_for_predictions() {
    let data_set = DataSet::new(|_, _| ());
    let (run, data) = (data_set.run(), data_set.data());
    let output = data_set.train(&["--target", "votes"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(output.stderr.is_empty(), "quiet, but: {}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\n1 epoch in "), "{}", text(&output.stdout));
    for file in ["config.toml", "history.csv", "model.safetensors"] {
        assert!(run.join(file).is_file(), "{file}");
    }

    // The data are those of config.toml.
    let table = lcz(["evaluate".as_ref(), run.as_os_str()]);
    assert!(text(&table.stdout).contains("\n1 compact high-rise "), "{}", text(&table.stdout));
    let output = lcz(["evaluate".as_ref(), run.as_os_str(), "--json".as_ref()]);
    let evaluation: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(evaluation["lcz_version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(evaluation["network"]["scores"]["samples"], 8, "{evaluation}");
    assert_eq!(evaluation["baselines"].as_array().unwrap().len(), 2, "{evaluation}");
    assert!(run.join("metrics.json").is_file());

    let (file, out) = (data.join("testing.h5"), data_set.folder.path().join("predictions.h5"));
    let predict = [
        "predict".as_ref(),
        run.as_os_str(),
        "--data".as_ref(),
        file.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    let output = lcz(predict);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let written = std::fs::read(&out).unwrap();
    is_one_error(&lcz(predict), &["predictions.h5", "exists"]);
    assert_eq!(std::fs::read(&out).unwrap(), written, "the refused prediction changed the file");

    in_other_formats(&data_set, &out);

    let out = data_set.folder.path().join("features.h5");
    let features = [
        "features".as_ref(),
        run.as_os_str(),
        "--data".as_ref(),
        file.as_os_str(),
        "--out".as_ref(),
        out.as_os_str(),
    ];
    let output = lcz(features);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let stored = lcz::data::features::FeatureFile::open(&out).unwrap();
    let patches = lcz::data::So2Sat::open(&file).unwrap().patches().unwrap();
    assert_eq!(stored.labels().unwrap(), patches.labels().unwrap());
    assert_eq!(stored.read().unwrap().view().nrows(), 8);
    is_one_error(&lcz(features), &["features.h5", "exists"]);

    let config = std::fs::read(run.join("config.toml")).unwrap();
    is_one_error(&data_set.train(&["--seed", "9"]), &["the run folder exists", "choose another"]);
    assert_eq!(
        std::fs::read(run.join("config.toml")).unwrap(),
        config,
        "the refused training changed the run"
    );

    let small = Sample::new().write();
    let predict = [
        "predict".as_ref(),
        run.as_os_str(),
        "--data".as_ref(),
        small.as_os_str(),
        "--out".as_ref(),
        "p.h5".as_ref(),
    ];
    is_one_error(&lcz(predict), &["training.h5"]);
}

/// Asserts that CSV and .npz hold the predictions of an HDF5 file.
fn in_other_formats(data_set: &DataSet, hdf5: &Path) {
    let [run, data] = [data_set.run(), data_set.data().join("testing.h5")];
    let predict = |name: &str| {
        let out = data_set.folder.path().join(name);
        let [run, data] = [&run, &data].map(|path| path.to_string_lossy());
        (lcz(["predict", &run, "--data", &data, "--out", &out.to_string_lossy()]), out)
    };
    is_one_error(&predict("p.txt").0, &["p.txt", "end it in .h5, .csv or .npz"]);
    let file = hdf5::File::open(hdf5).unwrap();
    let wanted = file.dataset("probabilities").unwrap().read_raw::<f32>().unwrap();

    let (output, csv) = predict("p.csv");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let csv = std::fs::read_to_string(csv).unwrap();
    assert!(csv.starts_with("label,p_1,") && csv.lines().next().unwrap().ends_with(",p_G"), "{csv}");
    let numbers = csv.lines().skip(1).flat_map(|line| line.split(',').skip(1));
    assert_eq!(numbers.map(|p| p.parse::<f32>().unwrap()).collect::<Vec<_>>(), wanted);
    let labels: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(labels, ["1", "2", "3", "4", "1", "2", "3", "4"]);
    let rows = |name: &str| {
        let file = data_set.folder.path().join(name);
        let output = lcz(["score", &file.to_string_lossy(), "--bootstrap", "0", "--json"]);
        let card: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        card["rows"].as_array().unwrap().clone()
    };
    // Of votes, which the CSV does not have, are other measures.
    let (of_csv, of_hdf5) = (rows("p.csv"), rows("predictions.h5"));
    let same = of_hdf5.iter().find(|row| row["measure"] == of_csv[0]["measure"]).unwrap();
    assert_eq!(of_csv[0]["value"], same["value"]);

    let (output, npz) = predict("p.npz");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let mut npz = zip::ZipArchive::new(std::fs::File::open(npz).unwrap()).unwrap();
    let mut array = |name: &str| {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut npz.by_name(name).unwrap(), &mut bytes).unwrap();
        let header = 10 + usize::from(bytes[8]);
        assert!(bytes.starts_with(b"\x93NUMPY\x01\x00") && header.is_multiple_of(64));
        (text(&bytes[10..header]).trim_end().to_owned(), bytes[header..].to_vec())
    };
    let (header, bytes) = array("probabilities.npy");
    assert_eq!(header, "{'descr': '<f4', 'fortran_order': False, 'shape': (8, 17), }");
    let floats = bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    assert_eq!(floats.collect::<Vec<_>>(), wanted);
    let (header, bytes) = array("classes.npy");
    assert!(header.contains("'<U2'") && header.contains("(17,)"), "{header}");
    assert_eq!(&bytes[9 * 8..10 * 8], b"1\0\0\x000\0\0\0");
}

#[test]
fn a_forest_is_trained_evaluated_and_used_for_predictions_as_a_network_is() {
    let data_set = DataSet::new(|_, _| ());
    let [run, data] = [data_set.run(), data_set.data()].map(|path| path.to_string_lossy().into_owned());
    let forest = |more: &[&str]| {
        let arguments =
            ["train", "forest", "--quiet", "--data", &data, "--run", &run, "--set", "model.trees=7"];
        lcz(arguments.iter().chain(more))
    };
    for (more, wanted) in [
        (&["--target", "votes"][..], "one class per patch"),
        (&["--epochs", "3"], "unknown field `epochs`"),
        (&["--set", "model.max_features=log2"], "\"sqrt\", \"all\" or a number"),
        (&["--set", "model.max_features=641"], "641 of 640 features"),
    ] {
        is_one_error(&forest(more), &[wanted]);
        assert!(!data_set.run().exists(), "a run folder was left behind");
    }
    let output = forest(&["--seed", "3", "--json"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", text(&output.stderr));
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&outcome["trees"], &outcome["training_patches"]), (&7.into(), &8.into()), "{outcome}");
    assert_eq!(outcome["importance"][9]["band"], "B12");
    for file in ["config.toml", "model.safetensors", "baselines.json", "figures/band-importance.csv"] {
        assert!(data_set.run().join(file).is_file(), "{file}");
    }
    is_one_error(&forest(&[]), &["the run folder exists"]);

    let output = lcz(["evaluate", &run, "--data", &data, "--json"]);
    let evaluation: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(evaluation["network"]["model"], "random forest", "{evaluation}");
    let file = data_set.data().join("testing.h5").to_string_lossy().into_owned();
    let out = data_set.folder.path().join("predictions.h5");
    let output = lcz(["predict", &run, "--data", &file, "--out", &out.to_string_lossy()]);
    assert!(output.status.success() && out.is_file(), "{}", text(&output.stderr));
}

#[test]
fn an_ensemble_and_passes_with_dropout_predict_as_one_model() {
    let data_set = DataSet::new(|_, _| ());
    data_set.training_refuses(&["--ensemble", "1"], &["1 members", "2 to"]);
    let output = data_set.train(&["--ensemble", "2", "--target", "none"]);
    assert!(output.status.code() == Some(2) && !data_set.run().exists(), "{}", text(&output.stderr));
    let output = data_set.train(&["--ensemble", "2", "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let outcomes: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcomes["members"].as_array().unwrap().len(), 2, "{outcomes}");

    let file = data_set.data().join("testing.h5").to_string_lossy().into_owned();
    let predict = |run: &Path, out: &str, more: &[&str]| {
        let [run, out] =
            [run, &data_set.folder.path().join(out)].map(|path| path.to_string_lossy().into_owned());
        lcz(["predict", &run, "--data", &file, "--out", &out, "--json"].iter().chain(more))
    };
    let output = predict(&data_set.run(), "mean.h5", &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mean = |part: &str| said["entropy"][part].as_f64().unwrap();
    assert_eq!(said["members"], 2);
    assert!(mean("epistemic") > 0.0, "{said}");
    assert!((mean("aleatoric") + mean("epistemic") - mean("total")).abs() < 1e-12, "{said}");
    let written = hdf5::File::open(data_set.folder.path().join("mean.h5")).unwrap();
    let column = |name: &str| written.dataset(name).unwrap().read_raw::<f32>().unwrap();
    let total = column("entropy_total");
    assert_eq!(total.len(), 8);
    for (row, (p, h)) in column("probabilities").chunks(17).zip(&total).enumerate() {
        let entropy: f32 = p.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum();
        assert!((entropy - h).abs() < 1e-5, "row {row}: {entropy} is not {h}");
    }
    assert_eq!(column("entropy_epistemic").len(), column("entropy_aleatoric").len());
    is_one_error(
        &predict(&data_set.run(), "none.h5", &["--mc-dropout", "3"]),
        &["an ensemble of 2", "member-0"],
    );
    let member = data_set.run().join("member-1");
    is_one_error(&predict(&member, "none.h5", &["--mc-dropout", "0"]), &["0 passes"]);
    let output = predict(&member, "sampled.h5", &["--mc-dropout", "3", "--seed", "1"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!data_set.folder.path().join("none.h5").exists());

    let [member, data] = [member, data_set.data()].map(|path| path.to_string_lossy().into_owned());
    let evaluate = |run: &str, passes: &str| {
        lcz(["evaluate", run, "--data", &data, "--bootstrap", "0", "--mc-dropout", passes, "--json"])
    };
    is_one_error(&evaluate(&data_set.run().to_string_lossy(), "3"), &["an ensemble of 2"]);
    is_one_error(&evaluate(&member, "0"), &["0 passes"]);
    let output = evaluate(&member, "3");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(said["sampled"]["members"], 3, "{said}");
    assert!(said["sampled"]["entropy"]["epistemic"].as_f64().unwrap() > 0.0);
    assert!(said["members"].is_null());
}

#[test]
fn predictions_are_made_at_the_temperature_that_the_run_has() {
    let data_set = DataSet::new(|_, _| ());
    assert!(data_set.train(&[]).status.success());
    let [run, data, file] = [data_set.run(), data_set.data(), data_set.data().join("testing.h5")]
        .map(|path| path.to_string_lossy().into_owned());
    let predict = |out: &str, more: &[&str]| {
        let out = data_set.folder.path().join(out);
        let out = out.to_string_lossy();
        let output = lcz(["predict", &run, "--data", &file, "--out", &out, "--json"].iter().chain(more));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (report["temperature"]["temperature"].as_f64(), report["mean_confidence"].as_f64().unwrap())
    };
    let before = predict("before.h5", &[]);
    assert_eq!(before.0, None);
    let output = lcz(["temp-scale", &run, "--data", &data, "--force"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let after = predict("after.h5", &[]);
    let temperature = after.0.expect("the run's temperature is used");
    // A higher temperature lowers the confidence, a lower one raises it.
    assert_eq!(after.1 < before.1, temperature > 1.0, "T = {temperature}: {before:?}, {after:?}");
    assert!((after.1 - before.1).abs() > 1e-9, "T = {temperature} changes nothing");
    assert_eq!(predict("unscaled.h5", &["--unscaled"]), before);
    assert_eq!(predict("sampled.h5", &["--mc-dropout", "2"]).0, None);
}

#[test]
fn a_run_trained_on_one_file_is_evaluated_and_scaled_on_the_rows_it_was_not_trained_on() {
    let data_set = DataSet::new(|name, sample| {
        if name == "validation" {
            sample.images += 0.01;
        }
    });
    let (run, file) = (data_set.run(), data_set.data().join("training.h5"));
    let forest = data_set.folder.path().join("forest");
    let output = data_set.train_on(&file, &[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let grow = ["--quiet", "train", "forest", "--set", "model.trees=2", "--data"].map(OsStr::new);
    let output = lcz([&grow[..], &[file.as_os_str(), "--run".as_ref(), forest.as_os_str()]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let samples = |run: &Path, data: &Path| {
        let output = lcz([
            "evaluate".as_ref(),
            run.as_os_str(),
            "--data".as_ref(),
            data.as_os_str(),
            "--json".as_ref(),
        ]);
        let evaluation: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        evaluation["network"]["scores"]["samples"].as_u64().unwrap()
    };
    let scaled_on = |data: &Path| {
        let arguments = [
            "-q".as_ref(),
            "temp-scale".as_ref(),
            run.as_os_str(),
            "--data".as_ref(),
            data.as_os_str(),
            "--force".as_ref(),
        ];
        let output = lcz(arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        Run::open(&run).unwrap().temperature().unwrap().unwrap().patches
    };
    // The file itself, and a copy of it after it has gone: eight rows, six of which are trained on.
    let copy = data_set.folder.path().join("copy.h5");
    std::fs::copy(&file, &copy).unwrap();
    for at in [&file, &copy] {
        assert_eq!(samples(&run, at), 1, "{}: not the test part", at.display());
        assert_eq!(samples(&forest, at), 1, "{}: not the test part", at.display());
        assert_eq!(scaled_on(at), 1, "{}: not the validation part", at.display());
        if at == &file {
            std::fs::remove_file(&file).unwrap();
        }
    }
    // Other patches are other patches.
    let other = data_set.data().join("validation.h5");
    assert_eq!((samples(&run, &other), samples(&forest, &other), scaled_on(&other)), (8, 8, 8));
}

#[test]
fn a_run_without_a_zone_predicts_every_row_of_a_file_and_needs_no_labels() {
    let data_set = DataSet::new(|_, _| ());
    let output = data_set.train(&["--set", "data.without=[\"4\"]"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let unlabelled = {
        let file = data_set.data().join("testing.h5");
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let file = hdf5::File::open_rw(file).unwrap();
        file.unlink("label").unwrap();
        file.unlink("votes").unwrap();
        data_set.data().join("testing.h5")
    };
    for (data, name) in [(unlabelled, "a.h5"), (data_set.data().join("validation.h5"), "b.h5")] {
        let (run, out) = (data_set.run(), data_set.folder.path().join(name));
        let flags = ["--data", "--out", "--json"].map(OsStr::new);
        let [data, run, out] = [&data, &run, &out].map(|path| path.as_os_str());
        let output = lcz(["predict".as_ref(), run, flags[0], data, flags[1], out, flags[2]]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&report["patches"], report["classes"].as_array().unwrap().len()), (&8.into(), 16));
    }
}

#[test]
fn training_on_pixels_that_are_not_numbers_leaves_no_run() {
    for file in ["training", "validation"] {
        let data_set = DataSet::new(|name, sample| {
            if name == file {
                sample.images[[5, 0, 0, 0]] = f32::NAN;
            }
        });
        data_set.training_refuses(&[], &[&format!("{file}.h5"), "row 5", "NaN"]);
    }
}

#[test]
fn a_batch_of_one_behind_maps_of_one_pixel_leaves_no_run() {
    // Eight patches of 8 pixels, which are one in the last block: batches of 7 leave one patch over.
    let data_set = DataSet::new(|_, _| ());
    for size in ["1", "7"] {
        let setting = format!("training.batch_size={size}");
        data_set.training_refuses(&["--set", &setting], &["training.h5", "is one patch", "batch_size"]);
    }
    data_set.training_refuses(
        &["--ensemble", "2", "--set", "training.batch_size=7"],
        &["training.h5", "is one patch", "batch_size"],
    );
    assert!(data_set.train(&["--set", "training.batch_size=4"]).status.success(), "two batches of four");
}

#[test]
fn patches_too_small_for_the_network_leave_no_run() {
    let data_set = DataSet::new(|_, sample| sample.images = Array4::zeros((8, 4, 4, 10)));
    data_set.training_refuses(&[], &["sen2lcz", "4 pixels", "at least 8 pixels"]);
}

#[test]
fn a_checkpoint_of_another_network_is_not_resumed() {
    let (data_set, other) = (DataSet::new(|_, _| ()), DataSet::new(|_, _| ()));
    assert!(data_set.train(&[]).status.success());
    assert!(other.train(&["--set", "model.width=3"]).status.success());
    let model = std::fs::read(data_set.run().join("model.safetensors")).unwrap();
    std::fs::copy(other.run().join("checkpoint.safetensors"), data_set.run().join("checkpoint.safetensors"))
        .unwrap();
    let run = data_set.run();
    let output =
        lcz(["train".as_ref(), "--resume".as_ref(), run.as_os_str(), "--epochs".as_ref(), "2".as_ref()]);
    is_one_error(&output, &["model.width", "not what the run began with"]);
    assert_eq!(std::fs::read(run.join("model.safetensors")).unwrap(), model, "the network is as it was");
}

#[test]
fn training_on_votes_needs_votes_in_every_row() {
    let data_set = DataSet::new(|_, sample| sample.votes.row_mut(2).fill(0.0));
    data_set.training_refuses(&["--target", "votes"], &["votes", "row 2"]);
    assert!(data_set.train(&[]).status.success(), "one-hot labels need no votes");
}

#[test]
fn training_on_labels_that_are_not_one_hot_leaves_no_run() {
    let data_set = DataSet::new(|_, sample| sample.labels.row_mut(7).fill(0.5));
    data_set.training_refuses(&[], &["label", "row 7"]);
}

#[test]
fn training_needs_all_three_files() {
    let data_set = DataSet::new(|_, _| ());
    std::fs::remove_file(data_set.data().join("validation.h5")).unwrap();
    data_set.training_refuses(&[], &["no validation.h5"]);
    std::fs::remove_dir_all(data_set.data()).unwrap();
    data_set.training_refuses(&[], &["No such file"]);
}

#[test]
fn settings_that_do_not_exist_or_make_no_sense_are_named() {
    let data_set = DataSet::new(|_, _| ());
    for (setting, wanted) in [
        ("training.epoch=3", "epoch"),
        ("training.batch_size=none", "batch_size"),
        ("training.batch_size=0", "batch_size"),
        ("training.learning_rate=-1", "learning_rate"),
        ("model.depth=6", "depth"),
        ("data.bands=[\"B99\"]", "B99"),
        ("data.labels=wishes", "wishes"),
        ("training.epochs", "no '='"),
    ] {
        data_set.training_refuses(&["--set", setting], &[wanted]);
    }
}

#[test]
fn a_model_that_is_not_the_one_of_config_toml_is_refused() {
    let data_set = DataSet::new(|_, _| ());
    let (run, data) = (data_set.run(), data_set.data());
    let output = data_set.train(&[]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let out = data_set.folder.path().join("p.h5");
    let file = data.join("testing.h5");
    let evaluate = ["evaluate".as_ref(), run.as_os_str(), "--data".as_ref(), data.as_os_str()];
    let predict = ["predict".as_ref(), run.as_os_str(), "--data".as_ref(), file.as_os_str()];
    let predict: Vec<&OsStr> = predict.into_iter().chain(["--out".as_ref(), out.as_os_str()]).collect();
    let config = std::fs::read_to_string(run.join("config.toml")).unwrap();
    let width = config.lines().find(|line| line.starts_with("width = ")).unwrap();
    for (line, other, wanted) in [
        ("name = \"sen2lcz\"", "name = \"resnet50\"", "model.name = \"resnet50\", but model.safetensors"),
        ("name = \"sen2lcz\"", "name = \"forest\"", "model.safetensors in the same folder has \"sen2lcz\""),
        (width, "width = 99", "model.width = 99, but model.safetensors in the same folder has"),
    ] {
        std::fs::write(run.join("config.toml"), config.replacen(line, other, 1)).unwrap();
        is_one_error(&lcz(evaluate), &["config.toml", wanted]);
        is_one_error(&lcz(&predict), &["config.toml", wanted]);
        assert!(!out.exists() && !run.join("metrics.json").exists());
    }
    // One of an older version, which did not know a setting.
    std::fs::write(run.join("config.toml"), config.replacen(width, "", 1)).unwrap();
    let output = lcz(evaluate);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[test]
fn a_folder_without_a_model_is_not_a_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().as_os_str();
    let output = lcz(["evaluate".as_ref(), path, "--data".as_ref(), path]);
    is_one_error(&output, &["lcz train"]);
    std::fs::write(folder.path().join("model.safetensors"), "not a model").unwrap();
    is_one_error(&lcz(["evaluate".as_ref(), path, "--data".as_ref(), path]), &["model.safetensors"]);
}

#[test]
fn weights_that_are_none_make_no_run() {
    let sample = Sample::new();
    let (file, run) = (sample.write(), sample.folder.path().join("run"));
    let output = lcz(["import-keras".as_ref(), file.as_os_str(), "--run".as_ref(), run.as_os_str()]);
    is_one_error(&output, &["training.h5"]);
    assert!(!run.exists());
}

#[test]
fn a_synthetic_data_set_is_marked_as_such_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["synth".as_ref(), folder.path().as_os_str(), "--patches".as_ref(), "40".as_ref(), "-q".as_ref()];
    let output = lcz(arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("24 training, 6 validation and 10 test patches, synthetic"));
    let training = folder.path().join("training.h5");
    let written = std::fs::read(&training).unwrap();
    is_one_error(&lcz(arguments), &["training.h5", "exists"]);
    assert_eq!(std::fs::read(&training).unwrap(), written);
}

#[test]
fn a_synthetic_scene_appears_whole_and_its_size_is_checked() {
    let folder = tempfile::tempdir().unwrap();
    let city = folder.path().join("city");
    let scene =
        |size: &str| lcz(["synth".as_ref(), city.as_os_str(), "--scene-size".as_ref(), size.as_ref()]);
    is_one_error(&scene("65x64"), &["65 x 64 pixels", "even numbers"]);
    assert!(text(&scene("large").stderr).contains("write ROWSxCOLUMNS, such as 600x600"));
    let output = scene("64x70");
    assert!(
        text(&output.stdout).contains("64 x 70 pixels of 10 m, synthetic (lcz "),
        "{}",
        text(&output.stdout)
    );
    assert!(city.join("B2.tif").exists() && city.join("districts.shp").exists());
    is_one_error(&scene("64x70"), &["city", "exists"]);
}

/// The commands of a page that can run anywhere: blocks marked as real data, cluster or GPU, and tasks of `./course`, are left
/// out; sizes are those of a test.
fn script_of(page: &str) -> String {
    let small = [
        ("--epochs 20", "--epochs 1"),
        ("--epochs 25", "--epochs 2"),
        ("--epochs 50", "--epochs 1"),
        ("--epochs 5", "--epochs 1"),
        ("--patches 2000", "--patches 1000"),
        ("--quick", "--quick --patches 60 --epochs 1 --seeds 2 --width 1"),
    ];
    let mut script = String::new();
    for block in page.split("```bash\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        if ["# real data", "# cluster", "# GPU"].iter().any(|mark| block.starts_with(mark)) {
            continue;
        }
        let block = small.iter().fold(block.to_owned(), |text, (full, test)| text.replace(full, test));
        let here = |line: &&str| !line.starts_with("git ") && !line.starts_with("./course");
        script.extend(block.lines().filter(here).flat_map(|line| [line, "\n"]));
    }
    script
}

#[test]
fn the_commands_of_the_readme_and_the_how_to_run_one_after_the_other() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let before = [
        (
            "README.md",
            "lcz synth data/course --patches 1000 --seed 1\nlcz train sen2lcz --data data/course --run runs/course --epochs 1",
        ),
        ("docs/how-to.md", ""),
    ];
    for (name, before) in before {
        let page = std::fs::read_to_string(root.join(name)).unwrap();
        let script = script_of(&page);
        assert!(script.matches("lcz ").count() >= 7, "{script}");
        let folder = TempDir::new().unwrap();
        let script =
            format!("set -eux\nlcz() {{ '{}' -q \"$@\"; }}\n{before}\n{script}", env!("CARGO_BIN_EXE_lcz"));
        let mut command = Command::new("bash");
        command.args(["-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
        let child = {
            let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }
}

#[test]
fn the_environment_names_the_instruction_set_and_another_word_is_refused() {
    let devices = |set: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.args(["devices", "--json"]).env("LCZ_SIMD", set).output().expect("lcz can be run")
    };
    for (set, kind) in [("portable", "portable code"), ("Portable", "portable code")] {
        let output = devices(set);
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["devices"][0]["kind"], kind);
    }
    is_one_error(
        &devices("sse9"),
        &["LCZ_SIMD: sse9, no instruction set of this machine; choose of", "portable"],
    );
}
