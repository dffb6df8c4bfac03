//! Land cover from the command line: a scene is cut into patches with masks, trained on and mapped, and what is wrong is
//! told in one line.

#![allow(clippy::float_cmp)]

use std::path::Path;
use std::process::{Command, Output};

use lcz::data::So2Sat;
use lcz::models::Device;
use lcz::progress::Silent;
use lcz::run::Run;
use lcz::scene::{GeoTiff, Window};
use lcz::synthetic::SyntheticScene;
use serde_json::Value;
use tempfile::TempDir;

const CODES: &str = "code,class\n11100,built\n11210,built\n11220,built\n11240,built\n12100,built\n14100,green\n21000,green\n\
                     31000,green\n32000,green\n33000,0\n50000,water\n";

/// A small city with the files that the commands take.
fn city(clouds: f32) -> TempDir {
    let folder = TempDir::new().unwrap();
    let scene = SyntheticScene { rows: 256, columns: 320, seed: 5, clouds };
    scene.write(folder.path().join("city"), &mut Silent).unwrap();
    std::fs::write(folder.path().join("codes.csv"), CODES).unwrap();
    folder
}

fn lcz(folder: &Path, line: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
    command.current_dir(folder).arg("--quiet").args(line.split_whitespace()).output().unwrap()
}

#[track_caller]
fn done(folder: &Path, line: &str) -> String {
    let output = lcz(folder, line);
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn refused(output: &Output, words: &str) {
    let message = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = message.lines().filter(|line| !line.trim_start().starts_with("WARN")).collect();
    assert!(!output.status.success() && errors.len() == 1, "{message}");
    assert!(errors[0].contains(words), "'{words}' is not in: {message}");
}

/// What cutting takes that is the same in all of them.
const PATCHES: &str = "patches --masks --size 32 --scale 1e-4 --labels city/districts.shp --label-field LC_CODE \
                       --bands city/B2.tif,city/B3.tif,city/B4.tif,city/B8.tif";
const TRAIN: &str = "train unet --data data --epochs 2 --set model.encoder=plain --set model.width=0.125 \
                     --set model.depth=2 --set training.batch_size=4";
/// In another order than the model's, and one more.
const BANDS: &str = "--bands city/B8.tif,city/B4.tif,city/B3.tif,city/B2.tif,city/B11.tif";

fn values(path: &Path) -> (GeoTiff, ndarray::Array3<f32>) {
    let file = GeoTiff::open(path).unwrap();
    let values = file.read(&Window::whole(file.grid()), None).unwrap();
    (file, values)
}

#[test]
fn a_scene_is_cut_trained_on_and_mapped() {
    let folder = city(0.1);
    let folder = folder.path();
    let cut = format!("{PATCHES} --codes codes.csv --scl city/SCL.tif --block 1");
    let said = done(folder, &format!("{cut} --out data"));
    assert!(said.contains("pixels of class") && said.contains("cloud"), "{said}");
    for file in ["report.json", "scene.png", "scene.svg", "scene.csv"] {
        assert!(folder.join("data").join(file).is_file(), "{file}");
    }
    let report: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.join("data/report.json")).unwrap()).unwrap();
    let count = |name: &str| report["dates"][0][name].as_u64().unwrap();
    let patches = |part: &str| report["dates"][0][part]["patches"].as_u64().unwrap();
    let parts = ["training", "validation", "testing"];
    let kept: u64 = parts.iter().map(|part| patches(part)).sum();
    let left_out = ["without_data", "cloudy", "unlabelled", "across_blocks"].map(count);
    assert_eq!(kept + left_out.iter().sum::<u64>(), 8 * 10);
    assert!(left_out[0] > 0 && left_out[1] > 0 && left_out[3] == 0, "{left_out:?}");
    for part in parts {
        let set = So2Sat::open(folder.join(format!("data/{part}.h5"))).unwrap().patches().unwrap();
        assert_eq!(set.len() as u64, patches(part));
        assert!(set.has_masks() && !set.has_labels() && set.provenance().starts_with("synthetic"));
    }
    assert!(done(folder, "info data").contains("of the pixels without a class"));

    done(folder, &format!("{TRAIN} --run run"));
    done(folder, &format!("map run {BANDS} --scale 1e-4 --probabilities --out cover.tif"));
    let (map, bands) = values(&folder.join("cover.tif"));
    // Classes and probability: a model of pixels has no filtered map.
    assert_eq!(bands.dim().0, 2);
    let classes = bands.slice(ndarray::s![..1, .., ..]);
    let (band, pixels) = values(&folder.join("city/B2.tif"));
    assert_eq!((map.grid(), map.no_data()), (band.grid(), Some(0.0)));
    for (class, pixel) in classes.iter().zip(&pixels) {
        assert_eq!(*class == 0.0, *pixel == 0.0, "no data, and only there, has no class");
        assert!((0.0..=3.0).contains(class));
    }
    let about = map.description().unwrap();
    let legend = "class numbers (1 built, 2 green, 3 water); probability in percent; synthetic";
    assert!(about.starts_with(legend), "{about}");
    let [confidence, entropy, probabilities] = ["confidence", "entropy", "probabilities"]
        .map(|name| values(&folder.join(format!("cover-{name}.tif"))).1);
    assert_eq!(probabilities.dim().0, 3);
    for ((_, row, column), &class) in classes.indexed_iter() {
        let p = probabilities.slice(ndarray::s![.., row, column]);
        if class == 0.0 {
            assert!(confidence[[0, row, column]].is_nan() && p.iter().all(|p| p.is_nan()));
            continue;
        }
        assert!((p.sum() - 1.0).abs() < 1e-5);
        assert_eq!(p[class as usize - 1], confidence[[0, row, column]]);
        assert!(p.iter().all(|&other| other <= p[class as usize - 1]));
        let nats: f32 = -p.iter().map(|p| if *p > 0.0 { p * p.ln() } else { 0.0 }).sum::<f32>();
        assert!((nats - entropy[[0, row, column]]).abs() < 1e-4);
    }
    // A box of a map lies where it should, and a temperature changes how certain it is, not its classes.
    let boxed = "map run --bbox=-33,47.84,-32.98,47.85";
    done(folder, &format!("{boxed} {BANDS} --scale 1e-4 --out part.tif"));
    let (part, _) = values(&folder.join("part.tif"));
    assert!(part.grid().rows < map.grid().rows || part.grid().columns < map.grid().columns);
    assert_eq!(Run::open(folder.join("run")).unwrap().classifier(Device::Cpu).unwrap().classes().len(), 3);

    let without = |more: &str| lcz(folder, &format!("map run {more} --out x.tif"));
    refused(
        &lcz(folder, &format!("map run {BANDS} --scale 1e-4 --out cover.tif")),
        "cover.tif: the file exists",
    );
    refused(
        &without("--bands city/B2.tif,city/B4.tif --scale 1e-4"),
        "city/B2.tif: band 'B3' is missing: the model takes B2 B3 B4 B8, the scene has B2 B4",
    );
    refused(
        &without(&format!("{BANDS} --scale 1e-4 --labels city/LCZ.tif")),
        "city/LCZ.tif: label 14 at row 0, column 0 is none of the 3 classes",
    );
    refused(
        &without(&format!("{BANDS} --unit radiance")),
        "the model does not fit: pixels in radiance, not reflectance",
    );
    refused(
        &without(&format!("{BANDS} --scale 1e-4 --stride 33px")),
        "33 pixels from tile to tile of 32 x 32",
    );
    refused(&lcz(folder, &format!("{cut} --out data")), "data: the folder exists");
    assert!(!folder.join("x.tif").exists());
}

#[test]
fn patches_have_the_classes_of_the_urban_atlas_whose_names_hold_commas() {
    let folder = city(0.0);
    let folder = folder.path();
    done(folder, &format!("{PATCHES} --codes urban-atlas --block 1 --out data"));
    let patches = So2Sat::open(folder.join("data/training.h5")).unwrap().patches().unwrap();
    let codes = patches.classes().codes();
    assert_eq!(
        (codes.len(), codes[6].as_str()),
        (27, "industrial, commercial, public, military and private units")
    );
    assert!(patches.masks().unwrap().counts()[6] > 0);
}

#[test]
fn a_scene_that_cannot_be_cut_is_told_in_one_line() {
    let folder = city(0.9);
    let folder = folder.path();
    let with = |more: &str| lcz(folder, &format!("{PATCHES} --out data {more}"));
    refused(&with("--codes codes.csv --scl city/SCL.tif --max-cloud 0"), "tiles is left");
    std::fs::write(folder.join("few.csv"), "11100,built\n50000,water\n").unwrap();
    refused(&with("--codes few.csv"), "which is not in the table of codes; add it");
    refused(&with("--codes codes.csv --bbox 8,53,9,54"), "lies outside it");
    refused(&with("--codes codes.csv --bbox 8,53,9"), "not four numbers");
    refused(&with("--codes codes.csv --block 20"), "1 block with patches, for 3 parts");
    refused(&with("--codes codes.csv --cloud-classes 3,12 --scl city/SCL.tif"), "scene class: 12");
    refused(
        &with("--codes codes.csv --scl city/SCL.tif --scl city/SCL.tif"),
        "2 files of scene classes for 1 dates",
    );
    assert!(!folder.join("data").exists(), "nothing stays of what was never cut");
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
        let output = lcz(at, &format!("verify study/{figure}.svg"));
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("are the same when computed again"), "{said}");
    }
    let readme = std::fs::read_to_string(at.join("study/README.md")).unwrap();
    assert!(readme.contains("They are synthetic") && !readme.contains("Slovenia"), "{readme}");
    let other = lcz(at, "reproduce landcover --quick --out other --data study");
    refused(&other, "study: no slovenia_lulc.h5 there, nor in its folder eolearn");
}
