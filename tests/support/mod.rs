//! What several test files share: frozen vectors read from JSON, real data found, numbers compared.

// Each test file uses its part.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lcz::{Classes, Labels};
use ndarray::Array2;
use serde_json::Value;

/// A number; null is NaN.
pub fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NAN } else { value.as_f64().unwrap() }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

pub fn flags(value: &Value) -> Vec<bool> {
    value.as_array().unwrap().iter().map(|flag| flag.as_bool().unwrap()).collect()
}

pub fn table(value: &Value) -> Array2<f64> {
    let rows: Vec<Vec<f64>> = value.as_array().unwrap().iter().map(numbers).collect();
    Array2::from_shape_vec((rows.len(), rows[0].len()), rows.concat()).unwrap()
}

pub fn labels(classes: &Classes, value: &Value) -> Labels {
    Labels::new(classes.clone(), numbers(value).into_iter().map(|k| k as usize).collect()).unwrap()
}

/// Equal but for rounding.
#[track_caller]
pub fn assert_close(got: f64, wanted: f64, what: &str) {
    let same = (got.is_nan() && wanted.is_nan()) || got.total_cmp(&wanted).is_eq(); // NaN, ∞
    let close = same || (got - wanted).abs() <= 1e-12 * wanted.abs().max(1.0);
    assert!(close, "{what}: {got}, not {wanted}");
}

#[track_caller]
pub fn assert_near(got: f64, wanted: f64, tolerance: f64) {
    assert!((got - wanted).abs() <= tolerance, "{got}, not {wanted} ± {tolerance}");
}

/// A file of the real data; None, and a word on stderr, where there is none and `LCZ_REAL_DATA` is unset.
#[track_caller]
pub fn real_file(name: &str) -> Option<PathBuf> {
    let stated = std::env::var_os("LCZ_REAL_DATA").map(PathBuf::from);
    let default = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data"));
    let path = stated.clone().unwrap_or_else(default).join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(stated.is_none(), "LCZ_REAL_DATA is set, but {} is not there", path.display());
    eprintln!("skipped: no {} (set LCZ_REAL_DATA)", path.display());
    None
}

/// The text of a file of the real data.
#[track_caller]
pub fn real_text(name: &str) -> Option<String> {
    real_file(name).map(|path| std::fs::read_to_string(path).unwrap())
}

/// Runs a command that succeeds.
pub fn done(mut command: Command) -> Output {
    let output = command.output().expect("lcz can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A study with such arguments and settings, whose output is read.
pub fn reproduce(study: &str, data: &Path, out: &Path, settings: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.args(["--quiet", "reproduce", study, "--data"]).arg(data).arg("--out").arg(out);
    command.args(settings.iter().flat_map(|setting| ["--set", setting]));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A synthetic set of 340 patches.
pub fn synthesise(folder: &Path) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.args(["--quiet", "synth"]).arg(folder).args(["--patches", "340"]);
    done(command);
}
