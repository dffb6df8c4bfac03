//! A training that is killed at any moment resumes from its checkpoint and ends with the same bits as an uninterrupted
//! one; what cannot be resumed says why.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use lcz::data::so2sat::{Layout, Rows, Writer};
use lcz::models::Device;
use lcz::{Bands, Classes, Imagery};
use ndarray::Array4;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

/// Held while a file is written and while a process starts: HDF5 locks files that it writes, and a
/// process started meanwhile by another test would inherit the lock.
static WRITING: Mutex<()> = Mutex::new(());

const SIGKILL: i32 = 9;
const SIGINT: i32 = 2;

/// A folder for data and runs; training has 90 patches of 8 × 8 pixels.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write_data("data", 1);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Two classes in noise, one brighter than the other.
    fn write_data(&self, name: &str, seed: u64) {
        let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = self.path(name);
        fs::create_dir(&folder).unwrap();
        let imagery = Imagery {
            patch_size: 8,
            bands: Bands::from_count(3),
            unit: "brightness".to_owned(),
            ..Imagery::so2sat()
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for (part, rows) in [("training", 90), ("validation", 30), ("testing", 10)] {
            let layout = Layout::new("sen2", imagery.clone(), Classes::lcz(), "noise, for a test");
            let mut writer = Writer::create(folder.join(format!("{part}.h5")), &layout).unwrap();
            let labels: Vec<usize> = (0..rows).map(|_| random.gen_range(0..17)).collect();
            let images = Array4::from_shape_fn((rows, 8, 8, 3), |(n, ..)| {
                labels[n] as f32 / 17.0 + random.gen_range(-0.5..0.5)
            });
            writer.append(Rows { labels: Some(&labels), ..Rows::new(images.view()) }).unwrap();
            writer.finish().unwrap();
        }
    }

    /// The command that trains a tiny network, a checkpoint after each step, with further arguments.
    fn train(&self, run: &str, more: &[&str]) -> Command {
        let mut command = lcz(["train", "sen2lcz", "--quiet", "--seed", "3", "--data"]);
        command.arg(self.path("data")).arg("--run").arg(self.path(run));
        for setting in ["model.depth=5", "model.width=2", "training.batch_size=8", "training.patience=4"] {
            command.args(["--set", setting]);
        }
        command.args(["--set", "training.learning_rate=0.02", "--set", "training.checkpoint_seconds=0"]);
        command.args(["--augment", "--set", "training.class_weights=balanced"]);
        for setting in [
            "crops=0.5",
            "weight_decay=0.1",
            "clip_norm=0.5",
            "schedule={kind=\"cosine\", epochs=3, floor=0.1}",
        ] {
            command.args(["--set", &format!("training.{setting}")]);
        }
        command.args(more);
        command
    }

    fn resume(&self, run: &str, more: &[&str]) -> Command {
        let mut command = lcz(["train", "--quiet", "--resume"]);
        command.arg(self.path(run)).args(more);
        command
    }

    /// Weights byte by byte, and the history without its times.
    fn result(&self, run: &str) -> (Vec<u8>, Vec<String>) {
        let run = self.path(run);
        let history = fs::read_to_string(run.join("history.csv")).unwrap();
        let without_times = |line: &str| line.rsplitn(3, ',').nth(2).unwrap().to_owned();
        (fs::read(run.join("model.safetensors")).unwrap(), history.lines().map(without_times).collect())
    }
}

fn lcz<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(mut command: Command) -> Child {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    command.spawn().expect("lcz can be run")
}

fn run(command: Command) -> Output {
    start(command).wait_with_output().expect("lcz ends")
}

fn succeeds(command: Command) -> String {
    let output = run(command);
    assert!(output.status.success(), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn send(signal: i32, child: &Child) {
    let mut kill = Command::new("kill");
    kill.arg(format!("-{signal}")).arg(child.id().to_string());
    run(kill);
}

/// Ends a process after a while; none if it had ended by itself.
fn kill_after(command: Command, wait: Duration, signal: i32) -> Result<Output, Output> {
    let mut child = start(command);
    sleep(wait);
    let ended = child.try_wait().unwrap().is_some();
    if !ended {
        send(signal, &child);
    }
    let output = child.wait_with_output().unwrap();
    // One that is done when the signal comes has not been killed.
    if ended || output.status.success() { Err(output) } else { Ok(output) }
}

#[test]
fn a_training_killed_at_twenty_moments_ends_with_the_bits_of_one_left_alone() {
    let place = Place::new();
    let began = Instant::now();
    succeeds(place.train("alone", &["--epochs", "8"]));
    let whole = began.elapsed();
    let alone = place.result("alone");
    assert!(alone.1.len() > 3, "too short to be killed: {:?}", alone.1);

    let mut random = ChaCha8Rng::seed_from_u64(7);
    let (mut kills, mut finished) = ([0, 0], 0);
    while kills[0] + kills[1] < 20 {
        let name = format!("killed-{finished}");
        loop {
            let begun = place.path(&name).exists();
            let command =
                if begun { place.resume(&name, &[]) } else { place.train(&name, &["--epochs", "8"]) };
            let signal = [SIGKILL, SIGINT][random.gen_range(0..2)];
            let wait = whole.mul_f64(random.gen_range(0.0..0.8));
            let enough = kills[0] + kills[1] >= 20;
            let ended = if enough { Err(run(command)) } else { kill_after(command, wait, signal) };
            match ended {
                Ok(output) if signal == SIGKILL => {
                    assert_eq!(output.status.signal(), Some(SIGKILL), "{}", told(&output));
                    kills[0] += 1;
                }
                Ok(output) => {
                    // Before it listens, the signal ends it as it ends any process.
                    if output.status.signal() != Some(SIGINT) {
                        assert_eq!(output.status.code(), Some(130), "{}", told(&output));
                        assert!(told(&output).starts_with("interrupted "), "{}", told(&output));
                    }
                    kills[1] += 1;
                }
                Err(output) => {
                    assert!(output.status.success(), "{}", told(&output));
                    break;
                }
            }
            // Whatever there is, is whole.
            let run = place.path(&name);
            if run.join("model.safetensors").exists() {
                lcz::checkpoint::load(run.join("model.safetensors"), Device::Cpu).unwrap();
            }
            assert!(!run.exists() || run.join("checkpoint.safetensors").exists());
        }
        assert!(place.result(&name) == alone, "run {finished} ended otherwise, after {kills:?} kills");
        assert!(hidden(&place.path(&name)).is_empty(), "{:?}", hidden(&place.path(&name)));
        finished += 1;
    }
    println!("{kills:?} kills by SIGKILL and SIGINT, {finished} runs, {whole:?} alone");
    assert!(kills[0] > 3 && kills[1] > 3, "{kills:?}");
}

fn hidden(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn ctrl_c_keeps_the_step_and_prints_how_to_resume() {
    let place = Place::new();
    let child = start(place.train("run", &["--epochs", "500", "--set", "training.patience=0"]));
    while !place.path("run/history.csv").exists() {
        sleep(Duration::from_millis(5));
    }
    send(SIGINT, &child);
    let asked = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert!(asked.elapsed() < Duration::from_secs(5));
    let message = told(&output);
    assert_eq!((output.status.code(), message.lines().count()), (Some(130), 1), "{message}");
    let advice = format!("; resume with: lcz train --resume {}\n", place.path("run").display());
    assert!(message.starts_with("interrupted in epoch ") && message.ends_with(&advice), "{message}");

    // The run can be used as it is, and resumes where it was, to fewer epochs than it was to have.
    let mut evaluate = lcz(["evaluate", "--quiet"]);
    evaluate.arg(place.path("run")).arg("--data").arg(place.path("data"));
    let output = start(evaluate).wait_with_output().unwrap();
    let warning = told(&output);
    assert!(
        output.status.success() && warning.contains(" of 500 epochs; resume with: lcz train"),
        "{warning}"
    );
    let epoch: usize = message.split_whitespace().nth(3).unwrap().parse().unwrap();
    let said = succeeds(place.resume("run", &["--epochs", &(epoch + 1).to_string()]));
    assert!(said.contains(&format!("resumed in epoch {epoch} after batch ")), "{said}");
}

#[test]
fn a_run_that_goes_on_to_more_epochs_is_one_that_had_them_from_the_start() {
    let place = Place::new();
    succeeds(place.train("long", &["--epochs", "4"]));
    succeeds(place.train("short", &["--epochs", "2"]));
    let said = succeeds(place.resume("short", &[]));
    assert!(said.contains("the training was complete"), "{said}");
    let two = place.result("short");
    assert_eq!(two.1.len(), 3);
    succeeds(place.resume("short", &["--epochs", "4"]));
    assert!(place.result("short") == place.result("long"));
    let config = fs::read_to_string(place.path("short/config.toml")).unwrap();
    assert!(config.contains("epochs = 4"), "{config}");
    refuses(place.resume("short", &["--epochs", "3"]), &["3 epochs where 4 are done", "choose more epochs"]);
}

fn refuses(command: Command, wanted: &[&str]) {
    let output = run(command);
    let message = told(&output);
    assert_eq!((output.status.code(), message.lines().count()), (Some(1), 1), "{message}");
    assert!(message.starts_with("error: ") && message.contains("; "), "{message}");
    for words in wanted {
        assert!(message.contains(words), "'{words}' is missing: {message}");
    }
}

#[test]
fn other_settings_other_data_and_no_checkpoint_are_refused_on_one_line() {
    let place = Place::new();
    succeeds(place.train("run", &["--epochs", "1"]));
    let result = place.result("run");

    let file = place.path("run/config.toml");
    let config = fs::read_to_string(&file).unwrap();
    fs::write(&file, config.replace("batch_size = 8", "batch_size = 16")).unwrap();
    refuses(place.resume("run", &["--epochs", "2"]), &["config.toml: training.batch_size is not what"]);
    fs::write(&file, config.replace("seed = 3", "seed = 4")).unwrap();
    refuses(place.resume("run", &["--epochs", "2"]), &["config.toml: training.seed is not what"]);
    fs::write(&file, &config).unwrap();

    // The same data elsewhere are good; other data are not, wherever they lie.
    place.write_data("other", 2);
    let other = place.path("other").to_string_lossy().into_owned();
    let refused = ["training.h5", "not the data that the run began with", "labels", "--data"];
    refuses(place.resume("run", &["--epochs", "2", "--data", &other]), &refused);
    assert!(place.result("run") == result && fs::read_to_string(&file).unwrap() == config);
    fs::rename(place.path("data"), place.path("moved")).unwrap();
    refuses(place.resume("run", &["--epochs", "2"]), &["No such file"]);
    let moved = place.path("moved").to_string_lossy().into_owned();
    succeeds(place.resume("run", &["--epochs", "2", "--data", &moved]));

    let checkpoint = place.path("run/checkpoint.safetensors");
    let bytes = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &bytes[..bytes.len() / 2]).unwrap();
    refuses(place.resume("run", &[]), &["checkpoint.safetensors", "not safetensors"]);
    fs::copy(place.path("run/model.safetensors"), &checkpoint).unwrap();
    refuses(place.resume("run", &[]), &["checkpoint.safetensors", "not the checkpoint of a training"]);
    fs::remove_file(&checkpoint).unwrap();
    refuses(place.resume("run", &[]), &["no checkpoint.safetensors there", "lcz train"]);
    refuses(place.resume("nowhere", &[]), &["no checkpoint.safetensors there"]);
    assert_eq!(run(place.resume("run", &["--seed", "4"])).status.code(), Some(2), "a seed of its own");
}

#[test]
fn a_training_without_space_for_its_next_checkpoint_keeps_the_last_and_goes_on_from_it() {
    let place = Place::new();
    succeeds(place.train("alone", &["--epochs", "2"]));
    let size = |run: &str| fs::metadata(place.path(run).join("checkpoint.safetensors")).unwrap().len();
    // The first checkpoint has no moments and no best weights: it is about a quarter as large. Blocks are
    // 512 bytes, or 1024 in some shells: both are too few for the next one, and enough for the first.
    let train = place.train("run", &["--epochs", "2"]);
    let mut limited = Command::new("sh");
    let script = format!("ulimit -c 0; ulimit -f {}; exec \"$0\" \"$@\"", size("alone") * 2 / 3 / 1024);
    limited.args(["-c", &script]).arg(train.get_program()).args(train.get_args());
    limited.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    refuses(limited, &["checkpoint.safetensors", "free space"]);
    assert!(size("run") < size("alone") / 2 && hidden(&place.path("run")).is_empty());
    succeeds(place.resume("run", &[]));
    assert!(place.result("run") == place.result("alone"));
}
