//! The study's runs: those that are not there are trained, those that are there are not trained again.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{LdlStudy, VARIANTS, Variant, stored};
use crate::models::Device;
use crate::run::{Config, Run, train};
use crate::studies::synthetic_set;
use crate::{Error, Progress, Result, write_whole};

/// What a run's folder has when its training has ended.
const DONE: &str = "outcome.json";

/// The folder of the study's data: the one given, else a synthetic set beside the runs.
pub(super) fn data(study: &LdlStudy, out: &Path, progress: &mut dyn Progress) -> Result<PathBuf> {
    if let Some(data) = &study.data {
        return Ok(data.clone());
    }
    let folder = out.join("synthetic");
    synthetic_set(&folder, study.patches, progress)?;
    Ok(folder)
}

/// Trains all that is missing; a training that was cut short begins anew. The runs of each variant, by seed.
pub(super) fn all(
    study: &LdlStudy,
    data: &Path,
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Vec<Vec<Run>>> {
    let folder =
        |variant: &Variant, seed: u64| out.join("runs").join(format!("{}-seed-{seed}", variant.name));
    let mut missing = Vec::new();
    for variant in &VARIANTS {
        for seed in 0..study.seeds {
            let folder = folder(variant, seed);
            let config = config(study, data, variant, seed)?;
            if !folder.join(DONE).is_file() {
                missing.push((variant, seed, folder, config));
            } else if Run::open(&folder)?.config()?.as_ref() != Some(&config) {
                let advice = "give another --out, or the settings of before";
                return Err(Error::file(&folder, "a run of other settings", advice));
            }
        }
    }
    let began = Instant::now();
    let count = missing.len();
    for (number, (variant, seed, folder, config)) in missing.into_iter().enumerate() {
        stored::forget(out, variant)?;
        if folder.exists() {
            // Of a training that was cut short; anything else is left alone.
            if Config::load(&folder.join("config.toml")).ok().as_ref() != Some(&config) {
                let problem = "in the way of a run, and not a part of this study";
                return Err(Error::file(&folder, problem, "give another --out, or move it"));
            }
            fs::remove_dir_all(&folder).map_err(Error::io(&folder))?;
        }
        let outcome = train(&config, &folder, device, progress)?;
        let text = serde_json::to_string_pretty(&outcome)
            .map_err(|e| Error::Internal { what: "writing JSON", detail: e.to_string() })?;
        write_whole(&folder.join(DONE), text.as_bytes())?;
        let left = began.elapsed().as_secs_f64() / (number + 1) as f64 * (count - number - 1) as f64;
        progress.begin("runs", 1);
        progress.end(&format!(
            "run {} of {count}: {}, seed {seed}: {} epochs in {:.0} s; about {:.0} min of training left",
            number + 1,
            variant.title,
            outcome.epochs,
            outcome.seconds,
            (left / 60.0).ceil()
        ));
    }
    let of_variant =
        |variant: &Variant| (0..study.seeds).map(|seed| Run::open(&folder(variant, seed))).collect();
    VARIANTS.iter().map(of_variant).collect()
}

fn config(study: &LdlStudy, data: &Path, variant: &Variant, seed: u64) -> Result<Config> {
    let settings = [
        format!("training.epochs={}", study.epochs),
        format!("model.width={}", study.width),
        format!("training.label_smoothing={:?}", variant.smoothing),
        format!("training.seed={seed}"),
    ];
    let mut config = Config::read(None, "sen2lcz", &settings)?;
    data.clone_into(&mut config.data.path);
    config.data.labels = variant.labels;
    Ok(config)
}
