//! The command with malicious files and closed streams: control characters of a file never reach the terminal, and a stream
//! that cannot be written ends no work.
#![cfg(unix)]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use lcz::scene::{Crs, GeoTiffWriter, Grid};

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
    let raster = folder.path().join("gdal.tif");
    let grid = Grid { rows: 1, columns: 1, transform: None, crs: Crs::Unknown };
    let mut writer = GeoTiffWriter::<f32>::create(&raster, &grid).unwrap().bands(&["B2"]);
    writer.append(&[1.0]).unwrap();
    writer.finish().unwrap();
    let mut bytes = fs::read(&raster).unwrap();
    let at = bytes.windows(6).position(|six| six == b"<Item ").unwrap();
    bytes[at + 5] = 0x1d;
    fs::write(&raster, bytes).unwrap();
    for (arguments, code, shown) in [
        (&["score", "esc.csv"][..], 1, r"\u001b]0;owned\u0007"),
        (&["score", "long.csv"], 1, "correct it, or name the classes"),
        (&["score", "names.csv", "--bootstrap", "0"], 0, ""),
        (&["info", "esc.h5"], 0, r"provenance  real\u001b[2J"),
        (&["info", "esc.h5", "--statistics"], 0, r"\u001b[1m"),
        (&["info", "esc.h5", "--json"], 0, ""),
        (&["info", "gdal.tif"], 0, r"WARN gdal.tif: GDAL's metadata cannot be read (it is not XML"),
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

/// Names that are not UTF-8, below a folder of such a name, and names that begin with a dash.
#[test]
fn a_name_that_is_not_utf_8_or_begins_with_a_dash_is_used_or_refused_on_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&there).unwrap();
    lcz(folder.path(), &["synth", "data", "--patches", "170"], |_| ());
    lcz(folder.path(), &["synth", "city", "--scene", "64x64", "--clouds", "0"], |_| ());
    let train = ["train", "mlp", "--data", "data", "--epochs", "1", "--run"];
    lcz(folder.path(), &[&train[..], &["run"]].concat(), |_| ());
    assert!(folder.path().join("run/model.safetensors").is_file());
    let put = |from: &str, to: &[u8]| fs::copy(folder.path().join(from), there.join(OsStr::from_bytes(to)));
    for (from, to) in [("data/testing.h5", "h5"), ("city/B2.tif", "tif"), ("city/districts.shp", "shp")] {
        put(from, &[b"\xff.", to.as_bytes()].concat()).unwrap();
    }
    put("city/districts.dbf", b"\xff.dbf").unwrap();
    put("city/districts.shx", b"\xff.shx").unwrap();
    put("city/districts.prj", b"\xff.prj").unwrap();
    fs::write(there.join(OsStr::from_bytes(b"\xff.csv")), "true,pred\n1,1\n2,1\n1,2\n2,2\n").unwrap();
    fs::write(there.join(OsStr::from_bytes(b"\xff.toml")), "[training]\nepochs = 1\n").unwrap();

    // HDF5's binding, figures and maps take names in UTF-8 only.
    let all = [
        ("score \u{ff}.csv --rounds 0", true),
        ("score \u{ff}.none", false),
        ("info \u{ff}.h5", false),
        ("votes \u{ff}.h5", false),
        ("synth \u{ff}", false),
        ("synth new/deeper/\u{ff}", false),
        ("synth \u{ff} --scene 64x64", true),
        ("train mlp --data ../data --run \u{ff}-run --config \u{ff}.toml", true),
        ("train mlp --data \u{ff}.h5 --run run", false),
        ("evaluate ../run --data \u{ff}.h5", false),
        ("predict ../run --data ../data/testing.h5 --out \u{ff}-p.h5", true),
        ("predict \u{ff}-run --data ../data/testing.h5 --out p.h5", true),
        ("rasterise --labels \u{ff}.shp --like \u{ff}.tif --out \u{ff}-zones.tif", true),
        ("map ../run --bands \u{ff}.tif --out \u{ff}-map.tif", false),
        ("verify \u{ff}.tif", false),
        ("synth -x", false),
        ("synth --scene 64x64 -- -x", true),
        ("score -- -none.csv", false),
        ("predict ../run --data ../data/testing.h5 --out -x.h5", false),
        ("predict ../run --data ../data/testing.h5 --out=-x.h5", true),
    ];
    for (words, works) in all {
        let output = lcz(&there, &["--quiet"], |command| {
            for word in words.split(' ') {
                let bytes: Vec<u8> = word.chars().map(|letter| letter as u32 as u8).collect();
                command.arg(OsStr::from_bytes(&bytes));
            }
        });
        is_plain(&output.stdout);
        is_plain(&output.stderr);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.success(), works, "{words}: {message}");
        let lines = usize::from(!works);
        assert_eq!(message.lines().count(), lines, "{words}: {message}");
        assert!(works || matches!(output.status.code(), Some(1 | 2)), "{words}: {message}");
        assert!(!message.contains(".partial"), "{words}: {message}");
    }
    assert!(!there.join("new").exists(), "folders that are empty");
}

#[test]
fn a_folder_of_which_one_file_is_refused_gets_no_figures() {
    let folder = tempfile::tempdir().unwrap();
    lcz(folder.path(), &["synth", "data", "--patches", "170"], |_| ());
    fs::write(folder.path().join("data/testing.h5"), "no HDF5").unwrap();
    let output = lcz(folder.path(), &["info", "data", "--figures", "figures"], |_| ());
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder.path().join("figures").exists());
    // A row of which one vote is not a number.
    lcz(folder.path(), &["synth", "other", "--patches", "170"], |_| ());
    let file = hdf5::File::open_rw(folder.path().join("other/testing.h5")).unwrap();
    let votes = file.dataset("votes").unwrap();
    let mut values = votes.read_2d::<f32>().unwrap();
    values[[6, 0]] = -1.0;
    votes.write(&values).unwrap();
    drop(votes);
    file.close().unwrap();
    let output = lcz(folder.path(), &["info", "other", "--figures", "figures"], |_| ());
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains("testing.h5") && message.contains("row 6"), "{message}");
    assert!(!folder.path().join("figures").exists());
}

#[test]
fn a_pipe_in_place_of_a_file_that_is_read_in_any_order_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a.tif", "a.shp", "a.gpkg", "a.h5", "a.csv"];
    for name in names {
        assert!(Command::new("mkfifo").arg(folder.path().join(name)).status().unwrap().success());
    }
    for arguments in [
        &["rasterise", "--labels", "a.shp", "--like", "a.tif", "--out", "out.tif"][..],
        &["rasterise", "--labels", "a.gpkg", "--like", "a.tif", "--out", "out.tif"],
        &["patches", "--bands", "a.tif", "--labels", "a.shp", "--size", "8", "--out", "out"],
        &["info", "a.h5"],
        &["import", "a.h5", "--run", "out"],
        &["score", "a.csv"],
        &["rasterise", "--labels", "a.shp", "--like", "a.tif", "--codes", "a.csv", "--out", "out.tif"],
        &["train", "mlp", "--config", "a.csv", "--run", "out"],
    ] {
        let output = lcz(folder.path(), arguments, |_| ());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.starts_with("error: a.") && told.contains(": not a file; "), "{arguments:?}: {told}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), names.len());
}
