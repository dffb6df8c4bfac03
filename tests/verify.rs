//! `lcz verify` from outside: an honest figure agrees with its run, and whatever was changed is found.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn lcz(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lcz")).args(arguments).output().expect("lcz can be run")
}

fn done(arguments: &[&str]) -> String {
    let output = lcz(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// That a figure is refused, with these words among the findings.
fn differs(figure: &Path, wanted: &str) {
    let output = lcz(&["-q", "verify", figure.to_str().unwrap()]);
    let found = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{found}");
    assert!(found.lines().any(|line| line.starts_with("DIFFERS") && line.contains(wanted)), "{found}");
    assert_eq!(String::from_utf8_lossy(&output.stderr).lines().count(), 1);
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} has no '{from}'", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn an_honest_figure_is_told_from_one_that_was_changed() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (data, run) = (at("data"), at("run"));
    done(&["-q", "synth", &data, "--patches", "340", "--seed", "1"]);
    let train = ["-q", "train", "sen2lcz", "--data", &data, "--epochs", "1", "--run"];
    done(&[&train[..], &[&run, "--seed", "3"]].concat());
    done(&["-q", "evaluate", &run, "--data", &data]);
    let figures = Path::new(&run).join("figures");

    for stem in ["testing-confusion-matrix", "testing-sample-patches", "learning-curves"] {
        for extension in ["svg", "png", "csv"] {
            let figure = figures.join(format!("{stem}.{extension}"));
            let found = done(&["verify", figure.to_str().unwrap()]);
            assert!(!found.contains("DIFFERS") && found.lines().count() == 6, "{found}");
        }
    }

    // The run has moved: it is found around the figure. Elsewhere, the figure needs to be told.
    let moved = at("moved");
    fs::rename(&run, &moved).unwrap();
    let figures = Path::new(&moved).join("figures");
    let matrix = figures.join("testing-confusion-matrix.csv");
    done(&["verify", matrix.to_str().unwrap()]);
    let alone = place.path().join("alone.csv");
    fs::copy(figures.join("learning-curves.csv"), &alone).unwrap();
    let output = lcz(&["verify", alone.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("is not there; say where it is with --run"), "{message}");
    done(&["verify", alone.to_str().unwrap(), "--run", &moved]);

    // A number in the CSV.
    let kept = fs::read_to_string(&matrix).unwrap();
    replace(&matrix, "\nG,G,", "\nG,G,1");
    differs(&matrix, "holds other numbers than were drawn");
    differs(&matrix, "computed again");
    fs::write(&matrix, kept).unwrap();

    // A line in the drawing.
    let drawing = figures.join("testing-confusion-matrix.svg");
    let kept = fs::read_to_string(&drawing).unwrap();
    replace(&drawing, "</metadata>", "</metadata><rect width=\"9\" height=\"9\"/>");
    differs(&matrix, "is not what is drawn from them now");
    fs::write(&drawing, kept).unwrap();
    done(&["verify", matrix.to_str().unwrap()]);

    // Half a PNG, and one with the record of this one.
    let (picture, other) = (matrix.with_extension("png"), figures.join("learning-curves.png"));
    let (kept, other) = (fs::read(&picture).unwrap(), fs::read(&other).unwrap());
    fs::write(&picture, &kept[..kept.len() / 2]).unwrap();
    differs(&matrix, "testing-confusion-matrix.png has other pixels than are drawn now");
    let pixels = |png: &[u8]| png.windows(4).position(|kind| kind == b"IDAT").unwrap() - 4;
    fs::write(&picture, [&kept[..pixels(&kept)], &other[pixels(&other)..]].concat()).unwrap();
    differs(&matrix, "testing-confusion-matrix.png has other pixels than are drawn now");
    fs::write(&picture, kept).unwrap();
    done(&["verify", matrix.to_str().unwrap()]);

    // A temperature that was fitted since.
    let model = fs::read(Path::new(&moved).join("model.safetensors")).unwrap();
    let risk = figures.join("testing-risk-coverage.csv");
    let whole = done(&["verify", risk.to_str().unwrap()]);
    assert!(!whole.contains("DIFFERS"), "{whole}");
    done(&["-q", "temp-scale", &moved, "--data", &data]);
    let reliability = figures.join("testing-reliability.csv");
    differs(&reliability, "its run now has the temperature T = ");
    fs::write(Path::new(&moved).join("model.safetensors"), model).unwrap();
    done(&["verify", reliability.to_str().unwrap()]);

    // Other weights than those that the figure was drawn with.
    let other = at("other");
    done(&[&train[..], &[&other, "--seed", "4"]].concat());
    fs::copy(Path::new(&other).join("model.safetensors"), Path::new(&moved).join("model.safetensors"))
        .unwrap();
    differs(&matrix, "computed again");
}

/// What lies in a folder itself, by name.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn a_study_s_figures_are_verified_and_drawn_again_from_its_predictions_alone() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let study = at("study");
    let small = ["--patches", "340", "--seeds", "2", "--epochs", "1", "--width", "2"];
    let reproduce = ["-q", "reproduce", "ldl", "--out", &study];
    done(&[&reproduce[..], &small].concat());
    let made = files(Path::new(&study));
    let network = fs::read(Path::new(&study).join("runs/votes-seed-1/model.safetensors")).unwrap();
    let stems: Vec<&str> = made.keys().filter_map(|name| name.strip_suffix(".svg")).collect();
    assert_eq!(stems.len(), 10, "{stems:?}");

    // Interrupted in three ways, it resumes: a set without one of its files, a run and the file that is stored last of it,
    // and predictions that are incomplete.
    fs::remove_file(Path::new(&study).join("synthetic/testing.h5")).unwrap();
    fs::remove_dir_all(Path::new(&study).join("runs/votes-seed-1")).unwrap();
    fs::remove_file(Path::new(&study).join("predictions/votes-seed-1-dropout.csv")).unwrap();
    fs::remove_file(Path::new(&study).join("predictions/one-hot-ensemble-scaled.h5")).unwrap();
    done(&[&reproduce[..], &small].concat());
    assert!(files(Path::new(&study)) == made, "a study that went on gave other files");
    let again = fs::read(Path::new(&study).join("runs/votes-seed-1/model.safetensors")).unwrap();
    assert!(again == network, "a run that was made again is another");

    // Again, on the finished folder: nothing changes. Then without networks and data.
    done(&[&reproduce[..], &small].concat());
    assert!(files(Path::new(&study)) == made, "the same study again gave other files");
    fs::remove_dir_all(Path::new(&study).join("runs")).unwrap();
    fs::remove_dir_all(Path::new(&study).join("synthetic")).unwrap();
    done(&[&reproduce[..], &["--collect"]].concat());
    assert!(files(Path::new(&study)) == made, "drawn again, the files are others");
    for stem in stems {
        let found = done(&["-q", "verify", &format!("{study}/{stem}.svg")]);
        assert!(!found.contains("DIFFERS") && found.lines().count() == 6, "{stem}: {found}");
    }

    // Moved, it is found around the figure; a figure elsewhere needs to be told.
    let moved = at("moved");
    fs::rename(&study, &moved).unwrap();
    done(&["-q", "verify", &format!("{moved}/confusion.png")]);
    let alone = place.path().join("paper/confusion.csv");
    fs::create_dir(place.path().join("paper")).unwrap();
    fs::copy(format!("{moved}/confusion.csv"), &alone).unwrap();
    let output = lcz(&["verify", alone.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("; give the folder of its study with --run"), "{message}");
    done(&["-q", "verify", alone.to_str().unwrap(), "--run", &moved]);

    // A number, and then what it was computed from.
    let matrix = Path::new(&moved).join("confusion.csv");
    let kept = fs::read_to_string(&matrix).unwrap();
    replace(&matrix, "one-hot labels,G,G,", "one-hot labels,G,G,1");
    differs(&matrix, "holds other numbers than were drawn");
    differs(&matrix, "computed again");
    fs::write(&matrix, kept).unwrap();
    done(&["-q", "verify", matrix.to_str().unwrap()]);
    let predictions = Path::new(&moved).join("predictions");
    let single = predictions.join("one-hot-seed-0-single.h5");
    fs::copy(predictions.join("votes-seed-1-single.h5"), &single).unwrap();
    differs(&matrix, "computed again");
    differs(&Path::new(&moved).join("reliability-one-hot.svg"), "computed again");
    fs::remove_file(&single).unwrap();
    let output = lcz(&["-q", "verify", matrix.to_str().unwrap()]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("one-hot-seed-0-single.h5: not there; repeat the study"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");

    let other = [
        "-q",
        "reproduce",
        "ldl",
        "--out",
        &moved,
        "--patches",
        "340",
        "--seeds",
        "3",
        "--epochs",
        "1",
        "--width",
        "2",
    ];
    let output = lcz(&other);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("a study of other settings (seeds is 2 there, 3 here)"), "{message}");
}

#[test]
fn a_study_needs_a_folder_and_leaves_one_of_other_settings_or_sets_as_it_is() {
    let output = lcz(&["reproduce", "ldl", "--quick"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && message.contains("--out"), "{message}");

    // As in a fresh clone: the table and figures of a small study, without its data.
    let place = tempfile::tempdir().unwrap();
    let clone = place.path().join("ldl");
    fs::create_dir(&clone).unwrap();
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("figures/ldl/study.json");
    fs::copy(&kept, clone.join("study.json")).unwrap();
    let refused = |arguments: &[&str], out: &Path, words: &str| {
        let output = lcz(&[&["-q"], arguments, &["--out", out.to_str().unwrap()]].concat());
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && message.contains(words), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    };
    refused(&["reproduce", "ldl"], &clone, "a study of other settings (config.");
    assert!(!clone.join("synthetic").exists(), "data were made for a study that was refused");

    // Of an earlier version, and of another study.
    fs::write(clone.join("study.json"), r#"{"study": {"patches": 2000}, "data_checksum": "a1"}"#).unwrap();
    refused(&["reproduce", "ldl"], &clone, "not a study of this version of lcz; give another --out");
    fs::copy(&kept, clone.join("study.json")).unwrap();
    refused(&["reproduce", "active"], &clone, "a study of `lcz reproduce ldl`; give another --out");

    // A synthetic set of another size than requested.
    let study = place.path().join("study");
    done(&["-q", "synth", study.join("synthetic").to_str().unwrap(), "--patches", "100", "--seed", "1"]);
    for arguments in [&["reproduce", "ldl"][..], &["reproduce", "uncertainty"], &["reproduce", "active"]] {
        let arguments = [arguments, &["--quick", "--patches", "200"]].concat();
        refused(&arguments, &study, "synthetic: a synthetic set of 100 patches, not 200; give another --out");
    }
}

#[test]
fn a_file_that_is_not_a_figure_is_refused_on_one_line() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("table.csv");
    fs::write(&path, "a,b\n1,2\n").unwrap();
    for figure in [path, place.path().join("missing.svg"), place.path().to_owned()] {
        let output = lcz(&["verify", figure.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
    }
}
