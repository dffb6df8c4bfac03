//! `lcz reproduce uncertainty` from outside: killed at any moment and started again, or spread over shards, it
//! ends with the table of a study that ran through.

mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::{done, reproduce, synthesise};

/// A study so small that it takes seconds: two sizes, two runs.
fn study(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = study_of(data, out, ["10,30", "2"]);
    command.args(more);
    command
}

/// A study of these sizes and this number of runs.
fn study_of(data: &Path, out: &Path, [shares, runs]: [&str; 2]) -> Command {
    let settings = ["model.width=2", "training.epochs=2", "training.batch_size=16"];
    let mut command = reproduce("uncertainty", data, out, &settings);
    command.args(["--shares", shares, "--runs", runs]);
    command
}

/// Every file of a study that its numbers are in.
fn results(out: &Path) -> Vec<(&'static str, String)> {
    let names = [
        "table.md",
        "table.csv",
        "table.tex",
        "table-testing.md",
        "effects.csv",
        "effects-testing.csv",
        "learning-curves.csv",
        "features.csv",
        "README.md",
        "extractor/distances.csv",
        "extractor/plane.csv",
        "runs/UT-30-run-1/subset.csv",
    ];
    names.map(|name| (name, std::fs::read_to_string(out.join(name)).expect(name))).into()
}

#[test]
fn a_study_that_is_killed_or_spread_over_shards_ends_with_the_table_of_one_that_ran_through() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synthesise(&data);
    let whole = folder.path().join("whole");
    done(study(&data, &whole, &["--jobs", "1"]));
    let wanted = results(&whole);
    assert!(wanted[0].1.contains("| 30 % |") && wanted[0].1.contains("| all |"), "{}", wanted[0].1);

    // What a figure shows is computed again from what the runs have stored.
    for figure in ["learning-curves.svg", "learning-curves-testing.csv"] {
        let mut verify = Command::new(env!("CARGO_BIN_EXE_lcz"));
        verify.args(["--quiet", "verify"]).arg(whole.join(figure));
        let found = String::from_utf8(done(verify).stdout).unwrap();
        assert!(found.contains("when computed again") && !found.contains("DIFFERS"), "{found}");
    }

    let killed = folder.path().join("killed");
    // Ctrl-C: complete runs are kept.
    let one = killed.join("runs");
    let child = study(&data, &killed, &["--jobs", "2"]).spawn().unwrap();
    let began = Instant::now();
    while !one.exists() {
        assert!(began.elapsed() < Duration::from_mins(2), "no run is complete");
        std::thread::sleep(Duration::from_millis(5));
    }
    done({
        let mut kill = Command::new("kill");
        kill.arg("-INT").arg(child.id().to_string());
        kill
    });
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{told}");
    assert!(told.starts_with("interrupted after ") && told.lines().count() == 1, "{told}");
    assert!(told.contains(" runs, which are kept; repeat the command to resume"), "{told}");
    assert!(one.read_dir().unwrap().count() > 0);

    let mut random = ChaCha8Rng::seed_from_u64(6);
    let (mut kills, mut ended) = (0, false);
    while kills < 6 && !ended {
        let mut child = study(&data, &killed, &["--jobs", "2"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(random.gen_range(50..1200)));
        ended = child.try_wait().unwrap().is_some();
        // A process that has just ended cannot be killed, which is as well.
        let _ = child.kill();
        let _ = child.wait();
        kills += usize::from(!ended);
    }
    assert!(kills >= 1, "never killed");
    done(study(&data, &killed, &["--jobs", "2"]));
    assert_eq!(results(&killed), wanted);
    let hidden = |folder: &Path| {
        std::fs::read_dir(folder)
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with('.'))
    };
    assert!(!hidden(&killed.join("runs")), "something half-written stays behind");

    let sharded = folder.path().join("sharded");
    let refused = study(&data, &sharded, &["--shard", "1/2"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("not prepared") && told.lines().count() == 1, "{told}");
    done(study(&data, &sharded, &["--prepare"]));
    done(study(&data, &sharded, &["--shard", "2/2"]));
    let refused = study(&data, &sharded, &["--collect"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("11 of 22 runs are missing") && told.lines().count() == 1, "{told}");
    done(study(&data, &sharded, &["--shard", "1/2"]));
    done(study(&data, &sharded, &["--collect"]));
    assert_eq!(results(&sharded), wanted);

    let refused = study(&data, &sharded, &["--equal-counts"]).output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("a study of other settings") && told.lines().count() == 1, "{told}");
}

#[test]
fn features_may_come_of_a_network_that_was_trained_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    synthesise(&data);
    let run = folder.path().join("mlp");
    let mut train = Command::new(env!("CARGO_BIN_EXE_lcz"));
    train.args(["--quiet", "train", "mlp", "--epochs", "1", "--set", "model.hidden=4"]);
    train.arg("--data").arg(&data).arg("--run").arg(&run);
    done(train);

    let (own, given) = (folder.path().join("own"), folder.path().join("given"));
    let small = |out: &Path, extractor: Option<&Path>| {
        let mut command = study_of(&data, out, ["30", "1"]);
        command.args(extractor.into_iter().flat_map(|run| ["--extractor".as_ref(), run.as_os_str()]));
        command
    };
    done(small(&own, None));
    done(small(&given, Some(&run)));
    let read = |out: &Path, name: &str| std::fs::read_to_string(out.join(name)).expect(name);
    // Other features: other distances and other patches, but the same network on all of them.
    assert_ne!(read(&own, "extractor/distances.csv"), read(&given, "extractor/distances.csv"));
    assert_ne!(read(&own, "runs/UT-30-run-0/subset.csv"), read(&given, "runs/UT-30-run-0/subset.csv"));
    assert_eq!(read(&own, "runs/R-30-run-0/subset.csv"), read(&given, "runs/R-30-run-0/subset.csv"));
    let full = |out: &Path| read(out, "table.md").lines().last().unwrap().to_owned();
    assert_eq!(full(&own), full(&given));
    let told = read(&given, "README.md");
    assert!(told.contains("trained elsewhere") && told.contains(", without water. "), "{told}");
    // The tables need no extractor, and still say where the features are from.
    let mut collect = small(&given, None);
    collect.arg("--collect");
    done(collect);
    assert_eq!(read(&given, "README.md"), told);

    let told = [None, Some("nowhere".as_ref())].map(|extractor| {
        let refused = small(&given, extractor).output().unwrap();
        String::from_utf8(refused.stderr).unwrap()
    });
    assert!(told[0].contains("a study of other settings") && told[0].lines().count() == 1, "{}", told[0]);
    assert!(told[1].contains("nowhere") && told[1].lines().count() == 1, "{}", told[1]);
}
