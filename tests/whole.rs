//! Files appear whole or not at all, also where the disk is full (a limit on the size of files, which a
//! write meets as it meets a full disk) or the writer is killed.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;

/// `lcz` with these arguments; files may have so many blocks of 512 bytes, if there is a limit.
fn lcz<S: AsRef<OsStr>>(blocks: Option<usize>, arguments: impl IntoIterator<Item = S>) -> Command {
    let limit = blocks.map_or_else(String::new, |blocks| format!("ulimit -f {blocks}; "));
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{limit}exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_lcz"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(mut command: Command) -> Output {
    command.output().expect("lcz can be run")
}

fn succeeds(command: Command) {
    let output = run(command);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Asserts that a command ends with one line, which names a file and says what may be done.
fn is_out_of_space(command: Command, file: &str) {
    let output = run(command);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(
        (output.status.code(), message.lines().count()),
        (Some(1), 1),
        "{:?}: {message}",
        output.status
    );
    assert!(message.contains(file) && message.contains("free space"), "{message}");
}

/// Every file of a folder and of those in it, hidden ones too, with what it holds.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    all
}

/// Arguments that train a tiny network.
fn train(data: &Path, run: &Path) -> Vec<String> {
    let arguments = format!(
        "train sen2lcz -q --data {} --run {} --epochs 2 --set model.depth=5 --set model.width=4 \
         --set training.checkpoint_seconds=0",
        data.display(),
        run.display()
    );
    arguments.split(' ').map(str::to_owned).collect()
}

fn words(command: &str, path: &Path, more: &[&str]) -> Vec<String> {
    let path = path.display().to_string();
    [command, "-q", &path].iter().chain(more).map(|&word| word.to_owned()).collect()
}

#[test]
fn a_full_disk_leaves_nothing_under_the_final_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // Data.
    let data = path("data");
    is_out_of_space(lcz(Some(256), words("synth", &data, &["--patches", "60"])), "training.h5");
    assert!(files(&data).is_empty(), "{:?}", files(&data).keys());
    succeeds(lcz(None, words("synth", &data, &["--patches", "60"])));

    // A training that cannot keep its first checkpoint has no run.
    is_out_of_space(lcz(Some(4), train(&data, &path("run"))), "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "more than the data");
    // One that cannot keep a later one, which is larger, still has the first, and ends as if nothing had been.
    succeeds(lcz(None, train(&data, &path("alone"))));
    let size = |run: &str| fs::metadata(path(run).join("checkpoint.safetensors")).unwrap().len() as usize;
    is_out_of_space(lcz(Some(size("alone") / 2 / 512), train(&data, &path("run"))), "checkpoint.safetensors");
    assert!(size("run") < size("alone") / 2);
    assert!(files(&path("run")).keys().all(|path| !path.to_string_lossy().contains("partial")));
    succeeds(lcz(None, ["train", "-q", "--resume", &path("run").display().to_string()]));
    let model = |run: &str| fs::read(path(run).join("model.safetensors")).unwrap();
    assert!(model("run") == model("alone"));

    // Predictions.
    let (testing, out) = (data.join("testing.h5").display().to_string(), path("p.h5").display().to_string());
    let predict = || words("predict", &path("run"), &["--data", &testing, "--out", &out]);
    is_out_of_space(lcz(Some(2), predict()), "p.h5");
    assert!(
        !path("p.h5").exists()
            && files(folder.path()).keys().all(|p| !p.to_string_lossy().contains("partial"))
    );

    // Figures, and all else that evaluating writes: what was there stays.
    let evaluate = || words("evaluate", &path("run"), &["--data", &testing]);
    succeeds(lcz(None, evaluate()));
    let before = files(&path("run"));
    let largest =
        before.iter().filter(|(p, _)| p.parent().unwrap().ends_with("figures")).map(|(_, b)| b.len()).max();
    is_out_of_space(lcz(Some(largest.unwrap() / 512 - 1), evaluate()), "figures");
    let after = files(&path("run"));
    assert!(before.keys().eq(after.keys()), "{:?}", after.keys());
    for (file, bytes) in after.iter().filter(|(file, _)| file.extension().is_some_and(|e| e != "json")) {
        assert!(before[file] == *bytes, "{}", file.display());
    }
}

#[test]
fn a_writer_that_is_killed_leaves_nothing_under_the_final_name_and_the_next_one_tidies_up() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = words("synth", &data, &["--patches", "2000"]);
    let mut left = 0;
    for wait in [40, 80, 160, 320] {
        let mut child = lcz(None, &arguments).spawn().unwrap();
        sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            fs::remove_dir_all(&data).unwrap();
            continue;
        }
        let names = || {
            fs::read_dir(&data).into_iter().flatten().map(|e| e.unwrap().file_name().into_string().unwrap())
        };
        left += names().count();
        assert!(names().all(|name| name.ends_with(".partial")), "{:?}", names().collect::<Vec<_>>());
    }
    assert!(left > 0, "never killed while it wrote");
    succeeds(lcz(None, &arguments));
    let names: Vec<String> =
        files(&data).keys().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect();
    assert_eq!(names, ["testing.h5", "training.h5", "validation.h5"]);
}
