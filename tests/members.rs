//! Several predictions for one: Monte Carlo dropout and ensembles.

use std::collections::BTreeMap;
use std::path::Path;

use lcz::data::Patches;
use lcz::data::so2sat::{Layout, Rows, So2Sat, Writer};
use lcz::models::sen2lcz::{Fusion, Sen2LczSettings};
use lcz::models::{Architecture, Classifier, Device, Ensemble, McDropout, Model, build};
use lcz::progress::Silent;
use lcz::run;
use lcz::run::{Changes, Config, Run};
use lcz::scorecard::ScorecardSettings;
use lcz::{Bands, Classes, Imagery, Probabilities, Standardisation, Weight, Weights};
use ndarray::Array4;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const CLASSES: usize = 3;

fn imagery() -> Imagery {
    Imagery { patch_size: 8, bands: Bands::from_count(2), ..Imagery::so2sat() }
}

fn images(count: usize) -> Array4<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    Array4::from_shape_fn((count, 8, 8, 2), |_| random.gen_range(0.0..1.0))
}

fn patches(count: usize) -> Patches {
    Patches::in_memory(imagery(), Classes::from_count(CLASSES), images(count)).unwrap()
}

fn network(settings: Sen2LczSettings, seed: u64) -> Box<dyn Model> {
    let classes = Classes::from_count(CLASSES);
    let architecture = Architecture::Sen2lcz(settings);
    let mut network = build(&architecture, &imagery(), &classes, seed, Device::Cpu).unwrap();
    network.set_standardisation(Standardisation::identity(2)).unwrap();
    network
}

/// A small network of which only one head is heard.
fn one_head(head: &str) -> Box<dyn Model> {
    let settings = Sen2LczSettings { depth: 5, width: 2, dropout: 0.4, fusion: Fusion::Logits };
    let mut network = network(settings, 3);
    let weights: BTreeMap<String, Weight> = network
        .weights()
        .iter()
        .map(|(name, weight)| {
            let mut weight = weight.clone();
            if name.starts_with("head.") && !name.starts_with(head) {
                weight.values.fill(0.0);
            }
            (name.clone(), weight)
        })
        .collect();
    network.set_weights(&Weights::new(weights)).unwrap();
    network
}

fn largest_difference(a: &Probabilities, b: &Probabilities) -> f64 {
    (&a.view() - &b.view()).fold(0.0, |worst: f64, d| worst.max(d.abs()))
}

#[test]
fn a_head_before_any_dropout_says_the_same_in_each_pass_whatever_the_batch() {
    // It would not if batch norm took the statistics of the batch.
    let network = one_head("head.merge1");
    let patches = patches(5);
    let p = network.predict(&patches).unwrap();
    for pass in network.mc_dropout(&patches, 3, 0).unwrap() {
        assert!(largest_difference(&pass, &p) < 1e-7);
    }
    let alone = network.mc_dropout(&patches.select(&[2]).unwrap(), 1, 0).unwrap();
    assert!((&alone[0].view().row(0) - &p.view().row(2)).iter().all(|d| d.abs() < 1e-6));
}

#[test]
fn a_head_behind_one_dropout_is_in_the_mean_what_inference_says() {
    // The head of merge 2 is linear in what dropout leaves, and its logits are the only ones heard: the
    // mean over passes of ln p_0 - ln p_1 is that of inference.
    let network = one_head("head.merge2");
    let patches = patches(4);
    let difference = |p: &Probabilities, n: usize| (p.view()[[n, 0]] / p.view()[[n, 1]]).ln();
    let exact = network.predict(&patches).unwrap();
    let passes = network.mc_dropout(&patches, 4_000, 7).unwrap();
    for n in 0..4 {
        let values: Vec<f64> = passes.iter().map(|p| difference(p, n)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64;
        let error = (variance / values.len() as f64).sqrt();
        let wanted = difference(&exact, n);
        assert!(error > 0.0 && (mean - wanted).abs() < 5.0 * error, "{mean} +- {error}, not {wanted}");
    }
}

#[test]
fn the_seed_alone_decides_the_passes_at_any_number_of_threads() {
    let settings = Sen2LczSettings { depth: 5, width: 2, ..Sen2LczSettings::default() };
    let patches = patches(300);
    let with = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| network(settings.clone(), 0).mc_dropout(&patches, 3, seed).unwrap())
    };
    let passes = with(1, 5);
    assert_eq!(passes, with(2, 5));
    assert!(largest_difference(&passes[0], &with(1, 6)[0]) > 1e-4);
    assert!(largest_difference(&passes[0], &passes[1]) > 1e-4);
}

#[test]
fn the_mean_of_the_passes_is_the_prediction() {
    let settings = Sen2LczSettings { depth: 5, width: 2, ..Sen2LczSettings::default() };
    let patches = patches(6);
    let passes = network(settings.clone(), 0).mc_dropout(&patches, 4, 1).unwrap();
    let sampled = McDropout::new(network(settings, 0), 4, 1).unwrap();
    assert_eq!(sampled.members(&patches).unwrap(), passes);
    let p = sampled.predict(&patches).unwrap();
    for n in 0..6 {
        for k in 0..CLASSES {
            let mean = passes.iter().map(|p| p.view()[[n, k]]).sum::<f64>() / 4.0;
            assert!((p.view()[[n, k]] - mean).abs() < 1e-12);
        }
    }
}

#[test]
fn passes_that_cannot_be_are_refused() {
    let settings = Sen2LczSettings { depth: 5, width: 2, ..Sen2LczSettings::default() };
    let error = network(settings.clone(), 0).mc_dropout(&patches(2), 0, 0).unwrap_err().to_string();
    assert!(error.contains("0 passes"), "{error}");
    let still = network(Sen2LczSettings { dropout: 0.0, ..settings }, 0);
    let error = still.mc_dropout(&patches(2), 5, 0).unwrap_err().to_string();
    assert!(error.contains("no dropout") && error.contains("model.dropout"), "{error}");
}

#[test]
fn an_ensemble_says_the_mean_of_its_members_and_takes_only_members_of_one_kind() {
    let settings = Sen2LczSettings { depth: 5, width: 2, ..Sen2LczSettings::default() };
    let member = |seed| -> Box<dyn Classifier> { network(settings.clone(), seed) };
    let patches = patches(5);
    let [a, b] = [0, 1].map(|seed| member(seed).predict(&patches).unwrap());
    let ensemble = Ensemble::new(vec![member(0), member(1)]).unwrap();
    assert_eq!(ensemble.members(&patches).unwrap(), [a.clone(), b.clone()]);
    let p = ensemble.predict(&patches).unwrap();
    let mean = (&a.view() + &b.view()) / 2.0;
    assert!((&p.view() - &mean).iter().all(|d| d.abs() < 1e-12));
    assert!(Ensemble::new(Vec::new()).is_err());

    let classes = Classes::from_count(4);
    let other =
        build(&Architecture::Sen2lcz(settings.clone()), &imagery(), &classes, 0, Device::Cpu).unwrap();
    let error = Ensemble::new(vec![member(0), other]).err().unwrap().to_string();
    assert!(error.contains("member 1") && error.contains("classes"), "{error}");
}

/// A folder of the three files, 12 patches each.
fn data_set(folder: &Path) {
    for (file, shift) in [("training", 0.0), ("validation", 0.1), ("testing", 0.2)] {
        let path = folder.join(format!("{file}.h5"));
        let classes = Classes::from_count(CLASSES);
        let layout = Layout::new("sen2", imagery(), classes, "a test");
        let labels: Vec<usize> = (0..12).map(|n| n % CLASSES).collect();
        let pixels = images(12) + shift;
        let mut writer = Writer::create(&path, &layout).unwrap();
        writer.append(Rows { labels: Some(&labels), ..Rows::new(pixels.view()) }).unwrap();
        writer.finish().unwrap();
    }
}

#[test]
fn the_run_of_an_ensemble_is_evaluated_as_one_model_and_its_members_differ_by_their_seeds() {
    let place = tempfile::tempdir().unwrap();
    data_set(place.path());
    let settings = ["model.depth=5", "model.width=2", "training.epochs=2", "training.seed=4"];
    let mut config = Config::read(None, "sen2lcz", &settings.map(str::to_owned)).unwrap();
    config.data.path = place.path().to_owned();
    let folder = place.path().join("five");

    let error = run::train_ensemble(&config, 1, &folder, Device::Cpu, &mut Silent).unwrap_err();
    assert!(error.to_string().contains("1 members") && !folder.exists(), "{error}");
    let mut nowhere = config.clone();
    nowhere.data.path = place.path().join("nowhere");
    assert!(run::train_ensemble(&nowhere, 2, &folder, Device::Cpu, &mut Silent).is_err());
    assert!(!folder.exists(), "a refused training left its folder");

    let outcomes = run::train_ensemble(&config, 2, &folder, Device::Cpu, &mut Silent).unwrap();
    assert_eq!(outcomes.len(), 2);
    let run = Run::open(&folder).unwrap();
    let members = run.ensemble().unwrap().unwrap();
    let seeds: Vec<u64> = members.iter().map(|m| m.config().unwrap().unwrap().training.seed).collect();
    assert_eq!(seeds, [4, 5]);

    // The second member is what a run of its own with that seed would be.
    let mut second = config.clone();
    second.training.seed = 5;
    let alone = place.path().join("alone");
    run::train(&second, &alone, Device::Cpu, &mut Silent).unwrap();
    let test = So2Sat::open(place.path().join("testing.h5")).unwrap().patches().unwrap();
    let said = run.classifier(Device::Cpu).unwrap().members(&test).unwrap();
    let wanted = Run::open(&alone).unwrap().network(Device::Cpu).unwrap().predict(&test).unwrap();
    assert_eq!(said[1], wanted);
    assert_ne!(said[0], said[1]);

    let evaluation = run::evaluate(
        &run,
        place.path(),
        ScorecardSettings { rounds: 0, ..Default::default() },
        None,
        Device::Cpu,
        &mut Silent,
    )
    .unwrap();
    assert_eq!(evaluation.network.model, "ensemble of 2 sen2lcz");
    assert_eq!(evaluation.members.unwrap().members, 2);
    assert_eq!(evaluation.baselines.len(), 2);
    let error = run.network(Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("an ensemble of 2") && error.contains("member-0"), "{error}");
    let sampled = members[0].mc_dropout(3, 0, Device::Cpu).unwrap();
    assert_eq!(sampled.members(&test).unwrap().len(), 3);

    // As if the training had been killed before the second member: it resumes to the same bits.
    std::fs::remove_dir_all(folder.join("member-1")).unwrap();
    let error = run.classifier(Device::Cpu).err().unwrap().to_string();
    assert!(error.contains("member 1 of 2 is not trained yet") && error.contains("--resume"), "{error}");
    assert!(Run::open(&folder).is_err());
    let resume =
        |folder: &Path| run::resume_ensemble(folder, &Changes::default(), Device::Cpu, &mut Silent).unwrap();
    assert_eq!(resume(&folder).unwrap().len(), 2);
    assert_eq!(Run::open(&folder).unwrap().classifier(Device::Cpu).unwrap().members(&test).unwrap(), said);
    assert!(resume(&alone).is_none(), "one network is not an ensemble");
}
