//! `lcz temp-scale` from outside: it finds the temperature that was planted in the labels, keeps it in the run,
//! and whatever is done with the run then tells of it.

use std::path::Path;
use std::process::{Command, Output};

use lcz::Temperature;
use lcz::data::So2Sat;
use lcz::data::predictions;
use lcz::models::Device;
use lcz::run::Run;
use serde_json::Value;

const PLANTED: f64 = 2.5;

fn lcz(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lcz")).arg("-q").args(arguments).output().expect("lcz can be run")
}

fn done(arguments: &[&str]) -> String {
    let output = lcz(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &[&str]) -> Value {
    serde_json::from_str(&done(&[arguments, &["--json"]].concat())).unwrap()
}

/// Makes a file's votes those of experts who are as sure as the run is at a temperature: against p(T), the
/// cross-entropy is least at T, whatever the weights of the run (Gibbs' inequality).
fn plant(run: &str, file: &Path, temperature: f64) {
    let patches = So2Sat::open(file).unwrap().patches().unwrap();
    let p = Run::open(Path::new(run)).unwrap().classifier(Device::Cpu).unwrap().predict(&patches).unwrap();
    let votes = p.at(Temperature::new(temperature).unwrap()).view().mapv(|p| (10.0 * p) as f32);
    drop(patches);
    let file = hdf5::File::open_rw(file).unwrap();
    file.unlink("votes").unwrap();
    file.new_dataset_builder().with_data(&votes).create("votes").unwrap();
}

/// A temperature from a handful of patches is not kept, unless it is requested.
fn from_a_handful_of_patches(network: &str, few: &str) {
    done(&["synth", few, "--patches", "100", "--seed", "2"]);
    let of_few = ["temp-scale", network, "--data", few];
    let temperature = || Run::open(Path::new(network)).unwrap().temperature().unwrap();
    for json in [&[][..], &["--json"]] {
        let output = lcz(&[&of_few[..], json].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), message.lines().count()), (Some(1), 1), "{message}");
        let wanted = "from 15 samples is too uncertain; fit it to 30 or more (better 100); not kept in ";
        assert!(message.contains(wanted) && message.contains("--force keeps it"), "{message}");
        if !json.is_empty() {
            let fit: Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((&fit["kept"], &fit["patches"]), (&false.into(), &15.into()), "{fit}");
            assert!(fit["doubt"].as_str().unwrap().contains("too uncertain"), "{fit}");
        }
        assert_eq!(temperature(), None);
    }
    let before = std::fs::read(Path::new(network).join("model.safetensors")).unwrap();
    done(&[&of_few[..], &["--force"]].concat());
    assert_eq!(temperature().unwrap().patches, 15);
    // One that is refused leaves that of before, and says so.
    let refused = String::from_utf8(lcz(&of_few).stderr).unwrap();
    let stays = format!("; T = {:.4} of before stays", temperature().unwrap().temperature);
    assert!(refused.contains(&stays), "{refused}");
    std::fs::write(Path::new(network).join("model.safetensors"), before).unwrap();
}

/// One test, for processes that start while another thread writes would inherit the lock of its file.
#[test]
fn a_planted_temperature_is_found_kept_and_told_of_by_networks_and_ensembles() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let (data, network, ensemble) = (at("data"), at("network"), at("ensemble"));
    done(&["synth", &data, "--patches", "340", "--seed", "1"]);
    let train = ["train", "sen2lcz", "--data", &data, "--epochs", "1", "--set", "model.width=2"];
    done(&[&train[..], &["--run", &network]].concat());
    done(&[&train[..], &["--run", &ensemble, "--ensemble", "2"]].concat());
    let validation = Path::new(&data).join("validation.h5");
    let testing = at("data/testing.h5");

    from_a_handful_of_patches(&network, &at("few"));

    for (name, run) in [("network", &network), ("ensemble", &ensemble)] {
        let before = json(&["evaluate", run, "--data", &data, "--bootstrap", "0"]);
        assert!(before["scaled"].is_null(), "{name}: {before}");
        plant(run, &validation, PLANTED);
        // The file stands for the folder's validation.h5; the run was not trained on its votes.
        let fit = json(&["temp-scale", run, "--data", &data, "--target", "votes"]);
        let found = fit["temperature"].as_f64().unwrap();
        assert!((found - PLANTED).abs() < 1e-3, "{name}: {fit}");
        assert!(fit["loss_after"].as_f64() < fit["loss_before"].as_f64(), "{name}: {fit}");
        assert!(fit["bound"].is_null() && fit["doubt"].is_null() && fit["kept"] == true, "{name}: {fit}");
        assert!(fit["ece_before"].is_f64() && fit["ece_after"].is_f64(), "{name}: {fit}");

        let after = json(&["evaluate", run, "--data", &data, "--bootstrap", "0"]);
        assert_eq!(after["scaled"]["by"]["temperature"].as_f64(), Some(found), "{name}");
        assert_eq!(after["scaled"]["by"]["procedure"], "exact", "{name}");
        assert_eq!(
            after["scorecard"]["rows"], before["scorecard"]["rows"],
            "{name}: before is not as it was"
        );
        let row = |card: &Value, measure: &str| {
            let rows = card["rows"].as_array().unwrap();
            rows.iter().find(|row| row["measure"] == measure).unwrap()["value"].as_f64().unwrap()
        };
        let [plain, scaled] = [&after["scorecard"], &after["scaled"]["scorecard"]];
        // Dividing all logits by one number changes no decision, and every confidence.
        assert_eq!(row(plain, "overall-accuracy").to_bits(), row(scaled, "overall-accuracy").to_bits());
        assert!((row(plain, "cross-entropy") - row(scaled, "cross-entropy")).abs() > 1e-6, "{name}");
        let said = done(&["evaluate", run, "--data", &data, "--bootstrap", "0"]);
        assert!(said.contains(&format!("at T = {found:.3}")), "{name}: {said}");

        let [scaled, unscaled] = ["scaled", "unscaled"].map(|how| at(&format!("{name}-{how}.h5")));
        done(&["predict", run, "--data", &testing, "--out", &scaled]);
        done(&["predict", run, "--data", &testing, "--out", &unscaled, "--unscaled"]);
        let score = json(&["score", &scaled, "--bootstrap", "0"]);
        assert_eq!(score["temperature"]["temperature"].as_f64(), Some(found), "{name}: {score}");
        assert_eq!(score["temperature"]["patches"], 51, "{name}: {score}");
        assert!(
            (row(&score, "cross-entropy") - row(&after["scaled"]["scorecard"], "cross-entropy")).abs() < 1e-5
        );
        let said = done(&["score", &scaled, "--bootstrap", "0"]);
        let wanted = format!("at T = {found:.4} (exact fit to 51 patches of {}", validation.display());
        assert!(said.contains(&wanted), "{name}: {said}");
        assert_eq!(predictions::read(Path::new(&unscaled), None).unwrap().temperature, None, "{name}");
        assert!(json(&["score", &unscaled, "--bootstrap", "0"])["temperature"].is_null(), "{name}");
    }

    // A run that is being trained is left alone.
    #[cfg(unix)]
    for run in [&network, &ensemble] {
        let held = std::fs::File::open(run).unwrap();
        held.try_lock().unwrap();
        for arguments in [&["temp-scale", run, "--data", &data][..], &["train", "--resume", run]] {
            let output = lcz(arguments);
            let message = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(1), "{message}");
            assert!(message.contains("another process is working on it; wait"), "{message}");
        }
    }

    // A training that has nothing left to do leaves the temperature; other weights take it away.
    let stored = || Run::open(Path::new(&ensemble)).unwrap().temperature().unwrap();
    done(&["train", "--resume", &ensemble]);
    assert!(stored().is_some());
    done(&["train", "--resume", &ensemble, "--epochs", "2"]);
    assert_eq!(stored(), None);

    std::fs::remove_file(&validation).unwrap();
    let output = lcz(&["temp-scale", &network, "--data", &data]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(message.contains("data: no validation.h5 in this folder; add it"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");

    // Bands that a file does not have: the message names the file.
    let three = at("three");
    let bands = ["--set", "data.bands=[\"B2\",\"B3\",\"B4\"]"];
    done(&[&["train", "mlp", "--data", &testing, "--epochs", "1", "--run", &three], &bands[..]].concat());
    {
        let file = hdf5::File::open_rw(&testing).unwrap();
        file.delete_attr("bands").unwrap();
        let attribute = file.new_attr::<hdf5::types::VarLenUnicode>().create("bands").unwrap();
        let other: hdf5::types::VarLenUnicode = "A1,A2,A3,A4,A5,A6,A7,A8,A9,A10".parse().unwrap();
        attribute.write_scalar(&other).unwrap();
    }
    let out = at("none.h5");
    for verb in [
        &["evaluate", &three, "--data", &testing][..],
        &["predict", &three, "--data", &testing, "--out", &out],
    ] {
        let output = lcz(verb);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{verb:?}");
        assert!(message.contains("testing.h5") && message.contains("band 'B2': not among A1"), "{message}");
        assert_eq!(message.lines().count(), 1, "{message}");
    }
}
