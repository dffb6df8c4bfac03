//! The study of labels from votes, as small as can be: done once, gone on with, and not done twice.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

fn study(out: &Path, epochs: &str) -> Output {
    let mut lcz = Command::new(env!("CARGO_BIN_EXE_lcz"));
    lcz.args([
        "-q",
        "reproduce",
        "ldl",
        "--quick",
        "--patches",
        "200",
        "--seeds",
        "2",
        "--width",
        "4",
        "--json",
    ]);
    lcz.args(["--epochs", epochs, "--out"]).arg(out).output().unwrap()
}

#[test]
fn an_interrupted_study_goes_on_to_the_same_end_and_leaves_foreign_folders_alone() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let first = study(out, "1");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let table = fs::read_to_string(out.join("table.md")).unwrap();
    assert_eq!(table.lines().count(), 2 + 4 * 5, "{table}");
    for name in [
        "voting-entropy.svg",
        "confusion-votes.png",
        "reliability-one-hot.csv",
        "set-sizes-votes.svg",
        "risk-coverage.svg",
    ] {
        assert!(out.join(name).is_file(), "{name}");
    }
    let readme = fs::read_to_string(out.join("README.md")).unwrap();
    assert!(readme.contains("**The data are synthetic**"), "{readme}");

    // What is kept can be scored without the networks, and gives what the table was made of.
    let kept = out.join("predictions/votes-ensemble.h5");
    let score = Command::new(env!("CARGO_BIN_EXE_lcz"))
        .args(["score", "--bins", "20", "--rounds", "0", "--json"])
        .arg(&kept)
        .output()
        .unwrap();
    let card: serde_json::Value = serde_json::from_slice(&score.stdout).unwrap();
    let accuracy = card["rows"][0]["value"].as_f64().unwrap();
    assert!(table.contains(&format!("| votes | ensemble | 1 | {accuracy:.3} |")), "{accuracy}\n{table}");

    // One training lost, one cut short: these are done again, the others are not.
    let run = |name: &str| out.join("runs").join(name);
    let model = |name: &str| fs::read(run(name).join("model.safetensors")).unwrap();
    let lost = model("votes-seed-0");
    let written = |name: &str| fs::metadata(run(name).join("model.safetensors")).unwrap().modified().unwrap();
    let untouched = written("one-hot-seed-1");
    fs::remove_dir_all(run("votes-seed-0")).unwrap();
    fs::remove_file(run("votes-seed-1").join("outcome.json")).unwrap();
    let second = study(out, "1");
    assert_eq!(first.stdout, second.stdout);
    assert_eq!(model("votes-seed-0"), lost);
    assert_eq!(written("one-hot-seed-1"), untouched);

    let other = study(out, "2");
    let message = String::from_utf8(other.stderr).unwrap();
    assert!(message.contains("a run of other settings; give another --out"), "{message}");
    fs::remove_dir_all(run("votes-seed-0")).unwrap();
    fs::create_dir(run("votes-seed-0")).unwrap();
    fs::write(run("votes-seed-0").join("mine.txt"), "mine").unwrap();
    let refused = study(out, "1");
    assert_eq!(refused.status.code(), Some(1));
    assert!(run("votes-seed-0").join("mine.txt").is_file(), "a foreign folder was removed");
}
