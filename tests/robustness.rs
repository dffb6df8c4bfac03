//! The command among hostile files and broken streams: what a file says never reaches the terminal raw, and a stream
//! that cannot be written ends no work.
#![cfg(unix)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn lcz(folder: &Path, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    change(&mut command);
    command.output().unwrap()
}

/// No control character but the ends of lines, and no endless line.
fn is_plain(bytes: &[u8]) {
    let text = std::str::from_utf8(bytes).unwrap();
    assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
    assert!(text.lines().all(|line| line.chars().count() <= 1500), "{text}");
}

#[test]
fn control_characters_and_endless_lines_of_files_are_shown_escaped_and_clipped() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    put("esc.csv", "true,pred\n\u{1b}]0;owned\u{7}\u{1b}[2J,1\n");
    put("names.csv", "true_label,pred_label,confidence\n\u{1b}[31ma,b,0.5\nb,\u{9b}2J,0.75\n");
    put("long.csv", &format!("true,pred\n{},1\n", "x".repeat(100_000)));
    let file = hdf5::File::create(folder.path().join("esc.h5")).unwrap();
    file.new_dataset_builder().with_data(&ndarray::Array4::<f32>::ones((4, 8, 8, 3))).create("sen2").unwrap();
    for (name, text) in [("provenance", "real\u{1b}[2J"), ("unit", "a\nb"), ("bands", "\u{1b}[1m,b,c")] {
        let text: hdf5::types::VarLenUnicode = text.parse().unwrap();
        file.new_attr::<hdf5::types::VarLenUnicode>().create(name).unwrap().write_scalar(&text).unwrap();
    }
    file.close().unwrap();
    for (arguments, code, shown) in [
        (&["score", "esc.csv"][..], 1, r"\u001b]0;owned\u0007"),
        (&["score", "long.csv"], 1, "correct it, or name the classes"),
        (&["score", "names.csv", "--rounds", "0"], 0, ""),
        (&["info", "esc.h5"], 0, r"provenance  real\u001b[2J"),
        (&["info", "esc.h5", "--statistics"], 0, r"\u001b[1m"),
        (&["info", "esc.h5", "--json"], 0, ""),
    ] {
        let output = lcz(folder.path(), arguments, |_| ());
        let all = [output.stdout, output.stderr].concat();
        is_plain(&all);
        let all = String::from_utf8(all).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(all.contains(shown), "{arguments:?}: {all}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_stderr_that_cannot_be_written_ends_no_work_and_a_full_stdout_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let output = lcz(folder.path(), &["synth", "data", "--patches", "20"], |command| {
        command.stderr(full());
    });
    assert_eq!(output.status.code(), Some(0));
    assert!(folder.path().join("data/testing.h5").is_file());
    // A warning and an error, and nowhere to say them.
    let output = lcz(folder.path(), &["info", "none.h5", "-vv"], |command| {
        command.stderr(full());
    });
    assert_eq!(output.status.code(), Some(1));
    let output = lcz(folder.path(), &["info", "data/testing.h5"], |command| {
        command.stdout(full());
    });
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("error: standard output: No space left on device"), "{message}");
    assert_eq!(output.status.code(), Some(1));
}
