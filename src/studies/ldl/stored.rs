//! What a study leaves behind of its networks: `study.json`, which says what was done with which data, and in
//! `predictions/` what each network says. Table and figures are made of these alone, so that they can be made and
//! verified without training.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{LdlStudy, VARIANTS, Variant};
use crate::data::Patches;
use crate::data::predictions::{self, Stated};
use crate::figures::{Provenance, Source, StudyName};
use crate::hash::checksum;
use crate::predictions::StoredTemperature;
use crate::run::provenance::data_checksum;
use crate::run::write_json;
use crate::scorecard::Reference;
use crate::{Error, LabelDistributions, Labels, Probabilities, Progress, Result, Votes};

const STUDY: &str = "study.json";

/// `study.json`. No other study is continued in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Without the place of the data: they may move.
    pub study: LdlStudy,
    /// Of the test set.
    data_checksum: String,
}

impl Record {
    pub fn of(study: &LdlStudy, test: &Patches) -> Result<Self> {
        let study = LdlStudy { data: None, ..study.clone() };
        Ok(Self { study, data_checksum: data_checksum(test)? })
    }

    /// Refuses settings other than those of the study that the folder holds, if it holds one; needs no data.
    pub fn check_settings(study: &LdlStudy, out: &Path) -> Result<()> {
        if !is_study(out) || Self::read(out)?.study == (LdlStudy { data: None, ..study.clone() }) {
            return Ok(());
        }
        Err(Self::other("settings", out))
    }

    fn other(what: &str, out: &Path) -> Error {
        let advice = "give another --out, or the settings and data of before";
        Error::file(&out.join(STUDY), format!("a study of other {what}"), advice)
    }

    /// Puts it into the study's folder; refuses to, where there is that of another study.
    pub fn keep(&self, out: &Path) -> Result<()> {
        let path = out.join(STUDY);
        if !path.is_file() {
            fs::create_dir_all(out).map_err(Error::io(out))?;
            return write_json(&path, self);
        }
        let before = Self::read(out)?;
        if before == *self {
            return Ok(());
        }
        Err(Self::other(if before.study == self.study { "data" } else { "settings" }, out))
    }

    fn read(out: &Path) -> Result<Self> {
        let path = out.join(STUDY);
        if !path.is_file() {
            let advice = "give the folder that `lcz reproduce ldl` has made";
            return Err(Error::file(out, "no study.json there", advice));
        }
        let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
        serde_json::from_str(&text)
            .map_err(|e| Error::file(&path, format!("cannot be read ({e})"), "give another --out"))
    }
}

/// Whether a folder is that of a study.
pub(in crate::studies) fn is_study(folder: &Path) -> bool {
    folder.join(STUDY).is_file()
}

fn folder(out: &Path) -> PathBuf {
    out.join("predictions")
}

/// What a variant's network of a seed says: `single` (as it is), `scaled`, `dropout` of the test set,
/// `validation` (as it is) of the validation set.
pub(super) fn of_seed(out: &Path, variant: &Variant, seed: usize, kind: &str) -> PathBuf {
    folder(out).join(format!("{}-seed-{seed}-{kind}.h5", variant.name))
}

/// What all its networks say of the test set: `ensemble`, `ensemble-scaled`.
pub(super) fn of_all(out: &Path, variant: &Variant, kind: &str) -> PathBuf {
    folder(out).join(format!("{}-{kind}.h5", variant.name))
}

/// The file that is written last.
fn last(out: &Path, variant: &Variant) -> PathBuf {
    of_all(out, variant, "ensemble-scaled")
}

/// Whether a variant's predictions are all there.
pub(super) fn complete(out: &Path, variant: &Variant) -> bool {
    last(out, variant).is_file()
}

/// A variant's networks change: its predictions will be made anew.
pub(super) fn forget(out: &Path, variant: &Variant) -> Result<()> {
    let last = last(out, variant);
    if last.is_file() { fs::remove_file(&last).map_err(Error::io(&last)) } else { Ok(()) }
}

/// Keeps predictions as `lcz score` reads them, in place of others of the same.
pub(super) fn keep(
    path: &Path,
    p: &Probabilities,
    temperature: Option<&StoredTemperature>,
    patches: &Patches,
) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(Error::io(folder))?;
    }
    if path.is_file() {
        fs::remove_file(path).map_err(Error::io(path))?;
    }
    predictions::write_at(path, p, temperature, patches)
}

/// What predictions are held against.
pub(super) struct Held {
    pub labels: Labels,
    pub y: LabelDistributions,
    pub votes: Option<Votes>,
    pub groups: Option<Vec<i32>>,
    pub provenance: String,
}

impl Held {
    fn of(path: &Path, read: predictions::Predictions) -> Result<Self> {
        let y = match (&read.votes, read.distributions) {
            (Some(votes), _) => votes.distributions(),
            (None, Some(y)) => y,
            (None, None) => {
                let problem = "neither votes nor label distributions beside the predictions";
                return Err(Error::file(path, problem, "give the study data with votes"));
            }
        };
        let predictions::Predictions { labels, votes, groups, provenance, .. } = read;
        Ok(Self { labels, y, votes, groups, provenance })
    }

    /// Labels, distributions and groups: for measures without panels of experts.
    pub fn reference(&self) -> Reference<'_> {
        let reference = Reference::new(&self.labels).with_distributions(&self.y);
        self.groups.as_ref().map_or(reference, |groups| reference.with_groups(groups))
    }
}

/// What a variant's networks say of the test set, and (plain ones, for conformal sets) of the validation set.
pub(super) struct Predictions {
    pub plain: Vec<Probabilities>,
    pub validation: Vec<Probabilities>,
    pub scaled: Vec<Probabilities>,
    pub temperatures: Vec<f64>,
    pub dropout: Vec<Probabilities>,
    pub ensemble: Probabilities,
    pub ensemble_scaled: Probabilities,
}

/// All that a study has stored.
pub(super) struct Stored {
    record: Record,
    pub test: Held,
    pub validation: Held,
    /// In the order of [`VARIANTS`].
    pub variants: Vec<Predictions>,
}

impl Stored {
    /// Reads it.
    pub fn read(out: &Path, progress: &mut dyn Progress) -> Result<Self> {
        let record = Record::read(out)?;
        let (mut test, mut validation) = (None, None);
        let mut variants = Vec::with_capacity(VARIANTS.len());
        progress.begin("predictions", VARIANTS.len() as u64);
        for variant in &VARIANTS {
            variants.push(Predictions::read(out, variant, record.study.seeds, &mut test, &mut validation)?);
            progress.advance(1, variant.title);
        }
        progress.end("");
        let (Some(test), Some(validation)) = (test, validation) else {
            return Err(Error::file(out, "a study without a seed", "do it again in another folder"));
        };
        Ok(Self { record, test, validation, variants })
    }

    pub fn study(&self) -> &LdlStudy {
        &self.record.study
    }

    /// What figures of the test set, of seed 0, say of where their numbers are from.
    pub fn provenance(&self) -> Result<Provenance> {
        let settings = serde_json::to_string(&self.record.study)
            .map_err(|e| Error::Internal { what: "writing JSON", detail: e.to_string() })?;
        let source = Source::Study { name: StudyName::Ldl };
        Ok(Provenance {
            data_checksum: Some(self.record.data_checksum.clone()),
            seed: Some(0),
            configuration: Some(checksum(settings.into_bytes())),
            ..Provenance::of(self.test.provenance.clone(), source)
        })
    }
}

impl Predictions {
    /// Reads a variant's, and what they are held against where that is not known yet.
    fn read(
        out: &Path,
        variant: &Variant,
        seeds: u64,
        test: &mut Option<Held>,
        validation: &mut Option<Held>,
    ) -> Result<Self> {
        let one = |path: PathBuf, held: &mut Option<Held>| -> Result<(Probabilities, Option<f64>)> {
            if !path.is_file() {
                let advice = "do the study, `lcz reproduce ldl`, in this folder again";
                return Err(Error::file(&path, "not there", advice));
            }
            let read = predictions::read(&path, None)?;
            let temperature = read.temperature.as_ref().map(|by| by.temperature);
            let Stated::Probabilities(p) = read.predicted.clone() else {
                return Err(Error::file(&path, "no probabilities", "do the study again"));
            };
            if held.is_none() {
                *held = Some(Held::of(&path, read)?);
            }
            Ok((p, temperature))
        };
        let (mut plain, mut on_validation) = (Vec::new(), Vec::new());
        let (mut scaled, mut dropout, mut temperatures) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..seeds as usize {
            let at = |kind| of_seed(out, variant, seed, kind);
            plain.push(one(at("single"), test)?.0);
            on_validation.push(one(at("validation"), validation)?.0);
            dropout.push(one(at("dropout"), test)?.0);
            let (p, temperature) = one(at("scaled"), test)?;
            scaled.push(p);
            temperatures.push(temperature.ok_or_else(|| {
                Error::file(&at("scaled"), "does not say at which temperature", "do the study again")
            })?);
        }
        let ensemble = one(of_all(out, variant, "ensemble"), test)?.0;
        let ensemble_scaled = one(last(out, variant), test)?.0;
        Ok(Self {
            plain,
            validation: on_validation,
            scaled,
            temperatures,
            dropout,
            ensemble,
            ensemble_scaled,
        })
    }
}
