//! `lcz reproduce active` from outside: killed and started again, or given another seed and another strategy, it ends with the
//! curves of a study that ran through; more rounds would be another study.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use support::{done, reproduce, synthesise};

/// A study so small that it takes seconds: every strategy, two seeds.
fn study(data: &Path, out: &Path, rounds: &str, more: &[&str]) -> Command {
    let settings = ["model.width=2", "training.epochs=1", "training.batch_size=16"];
    let mut command = reproduce("active", data, out, &settings);
    command.args(["--start", "20", "--budget", "15", "--passes", "3", "--rounds", rounds]).args(more);
    if !more.contains(&"--seeds") {
        command.args(["--seeds", "2"]);
    }
    command
}

fn results(out: &Path) -> Vec<String> {
    let names = ["table.md", "table.csv", "outcome.json", "accuracy-by-labels.csv", "README.md"];
    names.map(|name| std::fs::read_to_string(out.join(name)).expect(name)).into()
}

fn positions(path: &Path) -> Vec<usize> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_study_that_is_killed_ends_with_the_curves_of_one_that_ran_through() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synthesise(&data);
    let whole = folder.path().join("whole");
    done(study(&data, &whole, "2", &["--jobs", "1"]));
    let wanted = results(&whole);
    assert!(wanted[0].starts_with("| labels | random | entropy | margin | bald | core-set | distance |"));
    assert_eq!(wanted[0].lines().count(), 2 + 3);

    // Acquired patches are new; the network is trained on those labelled before and those acquired.
    for strategy in ["random", "entropy", "margin", "bald", "core-set", "distance"] {
        for round in 0..2 {
            let curve = whole.join("curves").join(format!("{strategy}-seed-1"));
            let of = |round: usize, name: &str| positions(&curve.join(format!("round-{round}")).join(name));
            let (labelled, asked) = (of(round, "labelled.csv"), of(round, "asked.csv"));
            assert_eq!((labelled.len(), asked.len()), (20 + 15 * round, 15), "{strategy}");
            let mut both = [labelled, asked].concat();
            both.sort_unstable();
            both.dedup();
            assert_eq!(both, of(round + 1, "labelled.csv"), "{strategy}");
        }
    }
    let first =
        |strategy: &str| positions(&whole.join(format!("curves/{strategy}-seed-0/round-0/labelled.csv")));
    assert_eq!(first("random"), first("bald"));

    let killed = folder.path().join("killed");
    let mut child = study(&data, &killed, "2", &["--jobs", "2"]).spawn().unwrap();
    // Until some rounds are there.
    for _ in 0..600 {
        if killed.join("curves").exists() || child.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(100));
    assert!(child.try_wait().unwrap().is_none(), "it ended before it could be killed");
    child.kill().unwrap();
    child.wait().unwrap();
    done(study(&data, &killed, "2", &["--jobs", "2"]));
    assert_eq!(results(&killed), wanted);

    // Its figure is worked out from the predictions again.
    let verify = |figure: &Path, run: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.args(["--quiet", "verify"]).arg(figure).arg("--run").arg(run).output().unwrap()
    };
    let figure = folder.path().join("accuracy-by-labels.svg");
    for extension in ["svg", "png", "csv"] {
        let copy = figure.with_extension(extension);
        std::fs::copy(whole.join("accuracy-by-labels").with_extension(extension), copy).unwrap();
    }
    let output = verify(&figure, &killed);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let curves = killed.join("curves");
    let (of, other) =
        (curves.join("margin-seed-0/round-2/testing.h5"), curves.join("bald-seed-1/round-0/testing.h5"));
    std::fs::copy(other, of).unwrap();
    let told = String::from_utf8(verify(&figure, &killed).stdout).unwrap();
    assert!(told.contains("DIFFERS"), "{told}");
}

#[test]
fn a_study_grows_by_seeds_and_strategies_to_the_one_done_in_one_go_and_not_by_rounds() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synthesise(&data);
    let (grown, whole) = (folder.path().join("grown"), folder.path().join("whole"));
    done(study(&data, &grown, "1", &["--acquisition", "entropy"]));
    let before = std::fs::read_to_string(grown.join("table.csv")).unwrap();
    let both = ["--acquisition", "margin,entropy", "--seeds", "3"];
    done(study(&data, &grown, "1", &both));
    done(study(&data, &whole, "1", &both));
    assert_eq!(results(&grown), results(&whole));
    let after = std::fs::read_to_string(grown.join("table.csv")).unwrap();
    for line in before.lines() {
        assert!(after.lines().any(|other| other == line), "{line} is not in {after}");
    }

    // Before any data are made or read.
    std::fs::remove_dir_all(&data).unwrap();
    for rounds in ["0", "2"] {
        let output = study(&data, &grown, rounds, &both).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        let wanted = format!("a study of other settings (rounds is 1 there, {rounds} here)");
        assert!(!output.status.success() && told.contains(&wanted), "{told}");
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

#[test]
fn what_cannot_be_asked_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synthesise(&data);
    let refused = |out: &str, rounds: &str, more: &[&str], wanted: &str| {
        let output = study(&data, &folder.path().join(out), rounds, more).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && told.contains(wanted), "{told}");
        told
    };
    let told = refused("a", "900", &[], "13520 patches are to be labelled");
    assert_eq!(told.lines().count(), 1, "{told}");
    refused(
        "a",
        "1",
        &["--acquisition", "guess"],
        "choose of random, entropy, margin, bald, core-set, distance",
    );
    done(study(&data, &folder.path().join("b"), "0", &["--acquisition", "margin"]));
    let told = refused(
        "b",
        "0",
        &["--set", "training.seed=4"],
        "a study of other settings (config.training.seed is 0 there, 4 here)",
    );
    assert_eq!(told.lines().count(), 1, "{told}");
}
