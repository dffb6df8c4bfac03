//! A disk that is full, or a kill in the middle of writing, leaves nothing under the final name: each
//! writer of the command is stopped by a limit on the size of its files (`ulimit -f`).
#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Runs `lcz` with a limit on the size of the files that it writes, in blocks of 512 or 1024 bytes.
fn limited(folder: &Path, blocks: u32, arguments: &[&str]) -> Output {
    let script = format!("ulimit -c 0; ulimit -f {blocks}; exec \"$0\" --quiet \"$@\"");
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-c", &script, env!("CARGO_BIN_EXE_lcz")]).args(arguments);
    command.output().expect("sh can be run")
}

fn done(folder: &Path, arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    let output = command.current_dir(folder).arg("--quiet").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Every file below a folder, hidden ones too, with its bytes, and every folder, without any.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            if entry.path().is_dir() {
                all.insert(entry.path(), Vec::new());
                folders.push(entry.path());
            } else {
                all.insert(entry.path(), fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}

/// A folder with data and a run, made once for all tests of a function.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    done(place.path(), &["synth", "data", "--patches", "170", "--seed", "1"]);
    let settings = ["--set", "model.width=4", "--set", "model.depth=5", "--epochs", "1"];
    let train = ["train", "sen2lcz", "--data", "data", "--run", "run"];
    done(place.path(), &[&train[..], &settings].concat());
    done(place.path(), &["synth", "scene", "--scene-size", "100x100", "--clouds", "0"]);
    place
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing_half_written() {
    let place = place();
    let before = files(place.path());
    let train = ["train", "sen2lcz", "--data", "data", "--run", "other", "--set", "model.width=4"];
    let bands = ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"];
    let bands = bands.map(|name| format!("scene/{name}.tif")).join(",");
    let map = ["map", "run", "--bands", &bands, "--scale", "1e-4", "--stride", "1px", "--out", "city.tif"];
    for (blocks, arguments) in [
        (100, &["synth", "more", "--patches", "170", "--seed", "2"][..]),
        (1, &["synth", "more", "--patches", "170", "--seed", "2"]),
        (8, &["predict", "run", "--data", "data/testing.h5", "--out", "predictions.h5"]),
        (8, &[&train[..], &["--set", "model.depth=5", "--epochs", "1"]].concat()),
        (1, &["votes", "data/testing.h5", "--figures", "drawn"]),
        (1, &map),
        (60, &map),
    ] {
        let output = limited(place.path(), blocks, arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{arguments:?}: {message}");
        let after = files(place.path());
        let new: Vec<_> = after.keys().filter(|path| !before.contains_key(*path)).collect();
        assert!(new.is_empty(), "{arguments:?} left {new:?}");
    }
    assert_eq!(files(place.path()), before, "nothing that was there has changed");
}

#[test]
fn an_evaluation_without_space_keeps_the_run_as_it_was() {
    let place = place();
    let before = files(place.path());
    let output = limited(place.path(), 1, &["evaluate", "run", "--data", "data/testing.h5"]);
    assert_eq!(output.status.code(), Some(1));
    for (path, bytes) in before.into_iter().filter(|(path, _)| path.is_file()) {
        assert_eq!(fs::read(&path).unwrap(), bytes, "{}", path.display());
    }
    let hidden = |path: &PathBuf| path.to_string_lossy().ends_with(".partial");
    assert!(!files(place.path()).keys().any(hidden));
}

#[test]
fn a_generator_killed_while_it_writes_leaves_nothing_under_the_final_names() {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.current_dir(place.path()).args(["--quiet", "synth", "data", "--patches", "20000"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let written = || files(place.path()).values().map(Vec::len).sum::<usize>();
    let began = Instant::now();
    while written() < 1_000_000 {
        assert!(began.elapsed() < Duration::from_mins(1), "nothing is being written");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let final_names =
        ["training.h5", "validation.h5", "testing.h5"].map(|name| place.path().join("data").join(name));
    assert!(!final_names.iter().any(|path| path.exists()));
    // What it left is cleared away by the next one.
    done(place.path(), &["synth", "data", "--patches", "170"]);
    assert_eq!(files(&place.path().join("data")).len(), 3, "{:?}", files(place.path()).keys());
}
