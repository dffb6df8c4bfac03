//! Land cover from the command line: a scene is cut, learnt and mapped, and what is wrong is said in one line.

#![allow(clippy::float_cmp)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lcz::progress::Silent;
use lcz::scene::{GeoTiff, Window};
use lcz::synthetic::SyntheticScene;
use tempfile::TempDir;

const CODES: &str = "code,class\n11100,built\n11210,built\n11220,built\n11240,built\n12100,built\n14100,green\n21000,green\n\
                     31000,green\n32000,green\n33000,0\n50000,water\n";

/// A small city with the files that the command takes.
fn city(clouds: f32) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let scene = SyntheticScene { rows: 256, columns: 320, seed: 5, clouds };
    let city = folder.path().join("city");
    scene.write(&city, &mut Silent).unwrap();
    std::fs::write(folder.path().join("codes.csv"), CODES).unwrap();
    (folder, city)
}

fn lcz(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.current_dir(folder).arg("--quiet").args(arguments).output().unwrap()
}

/// What a training takes that is the same in all of them.
const TRAIN: [&str; 18] = [
    "landcover",
    "train",
    "--bands",
    "city/B2.tif,city/B3.tif,city/B4.tif,city/B8.tif",
    "--labels",
    "city/districts.shp",
    "--label-field",
    "LC_CODE",
    "--size",
    "32",
    "--encoder",
    "plain",
    "--width",
    "0.125",
    "--depth",
    "2",
    "--epochs",
    "2",
];

fn train(folder: &Path, more: &[&str]) -> Output {
    lcz(folder, &[&TRAIN[..], more].concat())
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = message.lines().filter(|line| !line.trim_start().starts_with("WARN")).collect();
    assert!(!output.status.success() && errors.len() == 1, "{message}");
    assert!(errors[0].contains(words), "'{words}' is not in: {message}");
}

#[test]
fn a_scene_is_cut_learnt_and_mapped() {
    let (folder, _) = city(0.1);
    let folder = folder.path();
    let output =
        train(folder, &["--codes", "codes.csv", "--scl", "city/SCL.tif", "--block", "1", "--run", "run"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("discarded by cloud") && said.contains("mean IoU"), "{said}");
    for file in
        ["model.safetensors", "training.json", "scores.json", "scene.png", "samples.csv", "confusion-log.svg"]
    {
        assert!(folder.join("run").join(file).is_file(), "{file}");
    }
    let scores: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("run/scores.json")).unwrap()).unwrap();
    let tiles: u64 = scores["tiles"].as_array().unwrap().iter().map(|tile| tile[1].as_u64().unwrap()).sum();
    assert_eq!(tiles, 8 * 10);
    let kept = scores["tiles"][0][1].as_u64().unwrap();
    let patches: u64 = scores["patches"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!((patches, scores["tiles"][0][0].as_str()), (kept, Some("kept")));

    let bands = "city/B8.tif,city/B4.tif,city/B3.tif,city/B2.tif,city/B11.tif";
    let output = lcz(folder, &["landcover", "map", "run", "--bands", bands, "--out", "cover.tif"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (map, band) = (
        GeoTiff::open(folder.join("cover.tif")).unwrap(),
        GeoTiff::open(folder.join("city/B2.tif")).unwrap(),
    );
    assert_eq!((map.grid(), map.no_data()), (band.grid(), Some(0.0)));
    let read = |file: &GeoTiff| file.read(&Window::whole(file.grid()), None).unwrap();
    let (classes, pixels) = (read(&map), read(&band));
    for (class, pixel) in classes.iter().zip(&pixels) {
        assert_eq!(*class == 0.0, *pixel == 0.0, "no data, and only there, has no class");
        assert!((0.0..=3.0).contains(class));
    }
    assert!(map.description().unwrap().contains("1 built, 2 green, 3 water"), "{:?}", map.description());
    let sure = GeoTiff::open(folder.join("cover-confidence.tif")).unwrap();
    assert!(read(&sure).iter().filter(|p| !p.is_nan()).all(|p| (0.33..=1.0).contains(p)));

    let again = lcz(folder, &["landcover", "map", "run", "--bands", bands, "--out", "cover.tif"]);
    refused(&again, "cover.tif: the file exists");
    let lacking =
        lcz(folder, &["landcover", "map", "run", "--bands", "city/B2.tif,city/B4.tif", "--out", "x.tif"]);
    refused(
        &lacking,
        "city/B2.tif: band 'B3' is missing: the network takes B2 B3 B4 B8, the scene has B2 B4",
    );
    let unscaled =
        lcz(folder, &["landcover", "map", "run", "--bands", bands, "--unit", "dn", "--out", "x.tif"]);
    refused(&unscaled, "the network does not fit: pixels in dn, not reflectance");
    let none = lcz(folder, &["landcover", "map", "city", "--bands", bands, "--out", "x.tif"]);
    refused(&none, "city: no model.safetensors there; give a folder that `lcz landcover train` has made");
    refused(&train(folder, &["--codes", "codes.csv", "--run", "run"]), "run: the folder exists");
    assert!(!folder.join("x.tif").exists());
}

#[test]
fn a_scene_that_cannot_be_learnt_from_is_told_in_one_line() {
    let (folder, _) = city(0.9);
    let folder = folder.path();
    let with = |more: &[&str]| train(folder, &[&["--run", "run"], more].concat());
    refused(&with(&["--codes", "codes.csv", "--scl", "city/SCL.tif", "--most-cloud", "0"]), "tiles is left");
    std::fs::write(folder.join("few.csv"), "11100,built\n50000,water\n").unwrap();
    refused(&with(&["--codes", "few.csv"]), "which is not in the table of codes; add it");
    refused(&with(&["--codes", "codes.csv", "--box", "8,53,9,54"]), "lies outside it");
    refused(&with(&["--codes", "codes.csv", "--box", "8,53,9"]), "not four numbers");
    refused(&with(&["--codes", "codes.csv", "--block", "20"]), "1 block with patches, for 3 parts");
    refused(
        &with(&["--codes", "codes.csv", "--cloud-classes", "3,12", "--scl", "city/SCL.tif"]),
        "scene class: 12",
    );
    let other = ["--codes", "codes.csv", "--bands", "city/B99.tif"];
    refused(
        &lcz(
            folder,
            &[&["landcover", "train", "--labels", "city/districts.shp", "--run", "run"], &other[..]].concat(),
        ),
        "B99.tif: No such file",
    );
    assert!(!folder.join("run").exists(), "nothing stays of a training that never began");
}

#[test]
fn the_study_goes_on_where_it_was_and_its_figures_can_be_verified() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    // Without the real sample, wherever it may be.
    let study = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.current_dir(at).env_remove("LCZ_REAL_DATA");
        let arguments = ["-q", "reproduce", "landcover", "--quick", "--side", "384", "--out", "study"];
        let epochs = if more.contains(&"--epochs") { &[][..] } else { &["--epochs", "1"] };
        command.args(arguments).args(epochs).args(more).output().unwrap()
    };
    let output = study(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let first = String::from_utf8(output.stdout).unwrap();
    assert!(first.contains("city 2, all of it") && first.contains("single pixels, Gaussian"), "{first}");
    let network = std::fs::read(at.join("study/networks/city-1-plain/model.safetensors")).unwrap();
    let map = std::fs::read(at.join("study/map.tif")).unwrap();
    // A network that is there is not trained again; one that is missing is, to the same bits.
    let other = at.join("study/networks/city-2-plain");
    let weights = std::fs::read(other.join("model.safetensors")).unwrap();
    std::fs::remove_dir_all(&other).unwrap();
    let output = study(&[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), first);
    assert!(network == std::fs::read(at.join("study/networks/city-1-plain/model.safetensors")).unwrap());
    assert!(weights == std::fs::read(other.join("model.safetensors")).unwrap());
    assert!(map == std::fs::read(at.join("study/map.tif")).unwrap());
    refused(
        &study(&["--epochs", "2"]),
        "study.json: a study of other settings (training.epochs is 1 there, 2 here); give another --out",
    );

    for figure in
        ["confusion-log-own-plain", "confusion-counts-other-efficientnet-b0", "learning-curves-plain"]
    {
        let output = lcz(at, &["verify", &format!("study/{figure}.svg")]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("are the same when computed again"), "{said}");
    }
    let readme = std::fs::read_to_string(at.join("study/README.md")).unwrap();
    assert!(readme.contains("They are synthetic") && !readme.contains("Slovenia"), "{readme}");
    let other = ["-q", "reproduce", "landcover", "--quick", "--out", "other", "--data", "study"];
    refused(&lcz(at, &other), "study: no slovenia_lulc.h5 there, nor in its folder eolearn");
}
