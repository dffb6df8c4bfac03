//! Models that give each pixel a class, from the command line: the same run folder and the same commands as for models of
//! patches, and an error in one line where labels and masks are confused.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lcz::data::so2sat::{Layout, Rows, Writer};
use lcz::data::{Masks, So2Sat};
use lcz::metrics::{ClassSet, ConfusionMatrix};
use lcz::models::Device;
use lcz::run::Run;
use lcz::{Bands, Classes, Imagery};
use ndarray::{Array3, Array4};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::TempDir;

const SIZE: usize = 16;

/// Dark, grey and bright ground in noise; a tenth of the pixels has no class. Three patches belong together.
fn write(path: &Path, patches: usize, seed: u64, with_masks: bool) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let shape = (patches, SIZE, SIZE);
    let edges: Vec<[usize; 2]> =
        (0..patches).map(|_| [random.gen_range(2..8), random.gen_range(8..14)]).collect();
    let class = |n: usize, row: usize| edges[n].iter().filter(|edge| row >= **edge).count() as u8;
    let images = Array4::from_shape_fn((patches, SIZE, SIZE, 2), |(n, row, _, _)| {
        f32::from(class(n, row)) + random.gen_range(-0.6..0.6)
    });
    let masks = Array3::from_shape_fn(shape, |(n, row, column)| {
        if (n + row + 3 * column) % 10 == 0 { Masks::IGNORED } else { class(n, row) }
    });
    let labels: Vec<usize> = (0..patches).map(|n| n % 3).collect();
    let groups: Vec<i32> = (0..patches).map(|n| (n / 3) as i32).collect();
    let imagery = Imagery {
        patch_size: SIZE,
        bands: Bands::from_count(2),
        unit: "brightness".to_owned(),
        ..Imagery::so2sat()
    };
    let classes = Classes::named(["dark", "grey", "bright"]).unwrap();
    let mut writer =
        Writer::create(path, &Layout::new("sen2", imagery, classes, "noise, for a test")).unwrap();
    let rows = Rows { groups: Some(&groups), ..Rows::new(images.view()) };
    if with_masks {
        writer.append(Rows { masks: Some(masks.view()), ..rows }).unwrap();
    } else {
        writer.append(Rows { labels: Some(&labels), ..rows }).unwrap();
    }
    writer.finish().unwrap();
}

/// A folder with `data` (masks) and `labelled` (labels), and commands that run in it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(TempDir::new().unwrap());
        for (folder, with_masks) in [("data", true), ("labelled", false)] {
            fs::create_dir(place.path(folder)).unwrap();
            for (seed, (part, patches)) in
                [("training", 24), ("validation", 9), ("testing", 12)].into_iter().enumerate()
            {
                write(&place.path(folder).join(format!("{part}.h5")), patches, seed as u64, with_masks);
            }
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn lcz(&self, line: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lcz"));
        command.current_dir(self.0.path()).arg("--quiet").args(line.split_whitespace()).output().unwrap()
    }

    #[track_caller]
    fn does(&self, line: &str) -> String {
        let output = self.lcz(line);
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.does(&format!("{line} --json"))).unwrap()
    }

    #[track_caller]
    fn refused(&self, line: &str, words: &str) {
        let output = self.lcz(line);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.trim_end().lines().count() == 1, "{line}: {message}");
        assert!(message.contains(words), "{line}: '{words}' is not in: {message}");
    }

    /// Trains a small U-Net.
    fn train(&self, run: &str, more: &str) -> String {
        let epochs = if more.contains("--epochs") { "" } else { "--epochs 3" };
        self.does(&format!("{TRAIN} {epochs} --data data --run {run} {more}"))
    }

    fn model(&self, run: &str) -> Vec<u8> {
        fs::read(self.path(run).join("model.safetensors")).unwrap()
    }
}

const TRAIN: &str = "train unet --set model.encoder=plain --set model.width=0.0625 --set model.depth=2 \
                     --set training.batch_size=4 --set training.learning_rate=0.01";

#[test]
fn a_run_of_pixels_is_one_like_any_other() {
    let place = Place::new();
    let said = place.train("run", "");
    assert!(said.contains("24 training and 9 validation patches"), "{said}");
    for file in
        ["config.toml", "history.csv", "model.safetensors", "checkpoint.safetensors", "baselines.json"]
    {
        assert!(place.path("run").join(file).is_file(), "{file}");
    }
    let config = fs::read_to_string(place.path("run/config.toml")).unwrap();
    assert!(
        config.contains("flips-and-turns") && config.contains("kind = \"cosine\"\nepochs = 3"),
        "{config}"
    );

    let evaluation = place.json("evaluate run --data data --bootstrap 50");
    let test = So2Sat::open(place.path("data/testing.h5")).unwrap().patches().unwrap();
    let (labels, positions) = test.masks().unwrap().labels().unwrap();
    let network = Run::open(place.path("run")).unwrap().network(Device::Cpu).unwrap();
    let p = network.predict(&test).unwrap().select(&positions);
    let confusion = ConfusionMatrix::from_labels(&labels, &p.predicted()).unwrap();
    let scores = &evaluation["network"]["scores"];
    assert_eq!((&evaluation["sample"], &evaluation["patches"]), (&"pixel".into(), &12.into()));
    assert_eq!(scores["samples"], labels.len());
    let close = |found: &Value, expected: f64| (found.as_f64().unwrap() - expected).abs() < 1e-9;
    assert!(close(&scores["overall_accuracy"], confusion.overall_accuracy_score()));
    assert!(close(&scores["mean_iou"], confusion.mean_iou_score(ClassSet::Present)));
    for (class, found) in confusion.per_class().iter().zip(scores["classes"].as_array().unwrap()) {
        assert!(close(&found["iou"], class.iou), "{found}");
    }
    assert_eq!(evaluation["scorecard"]["groups"], 4, "intervals come from groups of patches");
    let baselines: Vec<&str> = evaluation["baselines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["model"].as_str().unwrap())
        .collect();
    assert_eq!(baselines, ["majority class", "per-pixel Gaussian"]);
    // Brightness alone tells most pixels.
    assert!(evaluation["baselines"][1]["scores"]["overall_accuracy"].as_f64().unwrap() > 0.7);
    for figure in
        ["confusion-matrix", "confusion-matrix-log", "sample-patches", "reliability", "risk-coverage"]
    {
        let figure = format!("run/figures/testing-{figure}.svg");
        let said = place.does(&format!("verify {figure}"));
        assert!(said.contains("are the same when computed again"), "{figure}: {said}");
    }
    place.does("verify run/figures/learning-curves.svg");
    let said = place.does("evaluate run --data data --bootstrap 0");
    assert!(
        said.contains("mean IoU") && said.contains(&format!("{} pixels with a class", labels.len())),
        "{said}"
    );
}

#[test]
fn an_interrupted_training_of_pixels_resumes_to_the_same_bits() {
    let place = Place::new();
    place.train("whole", "--epochs 3");
    // As one that was stopped after its second epoch: the cosine is that of three.
    let schedule = "--set training.schedule={kind=\"cosine\",epochs=3,floor=0.0}";
    place.train("part", &format!("--epochs 2 {schedule}"));
    assert!(place.model("part") != place.model("whole"));
    let said = place.does("train --resume part --epochs 3");
    assert!(said.contains("resumed in epoch 3"), "{said}");
    assert!(place.model("part") == place.model("whole"));
    let again = place.does("train --resume part");
    assert!(again.contains("the training was complete"), "{again}");
    fs::copy(place.path("data/testing.h5"), place.path("data/training.h5")).unwrap();
    place.refused(
        "train --resume part --epochs 4",
        "not the data that the run began with: 12 patches where it had 24",
    );
}

#[test]
fn an_ensemble_of_pixels_is_evaluated_scaled_and_predicts() {
    let place = Place::new();
    place.train("five", "--ensemble 2");
    place.does("train --resume five --epochs 4");
    let before = place.json("evaluate five --data data --bootstrap 0");
    assert_eq!(before["members"]["members"], 2);
    let fit = place.json("temp-scale five --data data --force");
    assert!(fit["loss_after"].as_f64().unwrap() <= fit["loss_before"].as_f64().unwrap());
    let after = place.json("evaluate five --data data --bootstrap 0");
    assert_eq!(after["scaled"]["by"]["patches"], 9);

    let report = place.json("predict five --data data/testing.h5 --out p.h5");
    assert_eq!(
        (&report["sample"], &report["members"], &report["patches"]),
        (&"pixel".into(), &2.into(), &12.into())
    );
    assert_eq!(
        report["predicted"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        12 * 256
    );
    let file = hdf5::File::open(place.path("p.h5")).unwrap();
    let shape = |name: &str| file.dataset(name).unwrap().shape();
    assert_eq!(shape("probabilities"), [12, SIZE, SIZE, 3]);
    assert_eq!(
        (shape("mask"), shape("entropy_total"), shape("group")),
        (vec![12, SIZE, SIZE], vec![12, SIZE, SIZE], vec![12])
    );
    let p: Array4<f32> = file.dataset("probabilities").unwrap().read().unwrap();
    assert!(p.lanes(ndarray::Axis(3)).into_iter().all(|p| (p.sum() - 1.0).abs() < 1e-5));
    // A pixel's row is where the pixel is.
    let run = Run::open(place.path("five")).unwrap();
    let test = So2Sat::open(place.path("data/testing.h5")).unwrap().patches().unwrap();
    let expected = run.classifier(Device::Cpu).unwrap().predict(&test).unwrap();
    let expected = run.temperature().unwrap().unwrap().scale(&expected).unwrap();
    for (found, expected) in p.iter().zip(expected.view()) {
        assert!((f64::from(*found) - expected).abs() < 1e-6);
    }
    let masks: Array3<u8> = file.dataset("mask").unwrap().read().unwrap();
    assert!(masks.iter().zip(test.masks().unwrap().view()).all(|(file, mask)| *file == mask.wrapping_add(1)));
}

#[test]
fn features_and_timing_take_a_model_of_pixels_too() {
    let place = Place::new();
    place.train("run", "");
    let report = place.json("features run --data data/testing.h5 --out h.h5");
    // Sixteen channels on the third level.
    assert_eq!((&report["patches"], &report["width"]), (&12.into(), &16.into()));
    let small = "--set model.encoder=plain --set model.width=0.03125 --set model.depth=1";
    let measured = place.json(&format!("bench unet --mode train --batch-size 2 --repeats 1 {small}"));
    assert!(measured["samples_per_second"].as_f64().unwrap() > 0.0);
    place.refused("evaluate run --data data --mc-dropout 5", "the network has no dropout");
    place.refused(
        "predict run --data data/testing.h5 --out x.h5 --mc-dropout 5",
        "the network has no dropout",
    );
    assert!(!place.path("x.h5").exists());
}

#[test]
fn labels_where_masks_are_needed_and_the_other_way_round_are_refused_in_one_line() {
    let place = Place::new();
    place.train("run", "");
    place.does("train mlp --data labelled --run mlp --epochs 1 --set model.hidden=4");
    place.refused(
        &format!("{TRAIN} --data labelled --run x"),
        "no masks: the model gives each pixel a class; cut a scene",
    );
    place.refused(
        "train mlp --data data --run x",
        "masks and no labels: a class per pixel, not per patch; take a unet",
    );
    place.refused("train forest --data data --run x", "masks and no labels");
    place.refused(
        &format!("{TRAIN} --data data --run x --target votes"),
        "data.labels: votes, which are per patch",
    );
    place.refused("evaluate run --data labelled", "no masks: the model gives each pixel a class");
    place.refused("temp-scale run --data labelled", "no masks");
    place.refused("temp-scale run --data data --target votes", "data.labels: votes, which are per patch");
    place.refused("evaluate mlp --data data", "masks and no labels");
    assert!(!place.path("x").exists());

    // As `lcz landcover train` made them.
    fs::create_dir(place.path("old")).unwrap();
    fs::copy(place.path("run/model.safetensors"), place.path("old/model.safetensors")).unwrap();
    fs::write(place.path("old/training.json"), "{}").unwrap();
    for line in
        ["evaluate old --data data", "predict old --data data/testing.h5 --out x.h5", "train --resume old"]
    {
        place.refused(
            line,
            "old: made by `lcz landcover train`, which no longer exists; cut the scene with `lcz patches --masks`",
        );
    }
}
