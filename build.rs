//! Tells the crate which commit it is built from, for the provenance of figures.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Some(revision) = of_checkout().or_else(of_package) {
        println!("cargo::rustc-env=LCZ_REVISION={revision}");
    }
}

/// The commit that a git checkout is at; none outside of one, or without git.
fn of_checkout() -> Option<String> {
    // Else the repository of another project that vendors this one would answer.
    Path::new(".git").exists().then_some(())?;
    // Its log grows with each commit and checkout.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

/// The commit that `cargo package` has put down in a published crate.
fn of_package() -> Option<String> {
    let info = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let (_, rest) = info.split_once("\"sha1\":")?;
    rest.split('"').nth(1)?.get(..12).map(str::to_owned)
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
