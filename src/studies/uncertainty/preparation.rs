//! What all runs of a study need: the data in their parts, the extractor, each patch's distance.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::plane::{self, PlaneFit};
use super::{UncertaintyStudy, synthetic};
use crate::data::so2sat::So2Sat;
use crate::hash::checksum;
use crate::models::{Device, build};
use crate::nn::{EpochRecord, Observer, Standardisation, Weights};
use crate::run::fingerprint::Fingerprint;
use crate::run::{Config, Run};
use crate::studies::sets::{Set, in_memory};
use crate::studies::synthetic_set;
use crate::uncertainty::{Centre, ClassCentres, Percent, Uncertainty, Weiszfeld};
use crate::{Error, Progress, Result, write_whole};

/// The data of a study, in their parts.
pub(super) struct Parts {
    pub train: Set,
    /// One half of the validation set: chooses the epoch.
    pub validation: Set,
    /// The other half, held out: the paper's test set.
    pub held_out: Set,
    /// The data's own test set.
    pub testing: Set,
}

/// Ready for the runs.
pub(super) struct Prepared {
    pub config: Config,
    pub parts: Parts,
    pub standardisation: Standardisation,
    /// ‖h(x) − c_k‖ of each training patch.
    pub distances: Uncertainty,
}

/// What a study's folder says of it: no other is continued there.
#[derive(Serialize, Deserialize, PartialEq)]
struct Identity {
    config: Config,
    runs: u64,
    shares: Vec<f64>,
    equal_counts: bool,
    /// Checksum of the weights of an extractor from elsewhere.
    extractor: Option<String>,
    training: Fingerprint,
    validation: Fingerprint,
    testing: Fingerprint,
}

/// What a run needs of the extractor.
#[derive(Serialize, Deserialize)]
struct Extracted {
    standardisation_mean: Vec<f64>,
    standardisation_deviation: Vec<f64>,
    /// Of an extractor that the study has trained.
    best_epoch: Option<usize>,
    plane: PlaneFit,
}

impl Parts {
    fn open(config: &Config) -> Result<Self> {
        let so2sat = config.data.choose(So2Sat::open(&config.data.path)?)?;
        let (train, validation, testing) = so2sat.splits()?;
        // Halves by lot: a random subset of the validation patches, with the study's seed.
        let halves = Uncertainty::new(vec![0.0; validation.len()])?;
        let half = halves.random(Percent::new(50.0)?, config.training.seed);
        if half.len() < 2 {
            return Err(Error::input(validation.name(), "too few patches to halve", "give at least four"));
        }
        Ok(Self {
            train: Set::of(train)?,
            validation: Set::of(in_memory(&validation.select(half.positions())?)?)?,
            held_out: Set::of(in_memory(&validation.select(half.complement().positions())?)?)?,
            testing: Set::of(testing)?,
        })
    }

    fn identity(&self, study: &UncertaintyStudy) -> Result<Identity> {
        let mut config = study.config.clone();
        // Data may move.
        config.data.path = "".into();
        let of = |set: &Set| Fingerprint::of(set.labelled());
        Ok(Identity {
            config,
            runs: study.runs,
            shares: study.shares.clone(),
            equal_counts: study.equal_counts,
            extractor: study.extractor.as_deref().map(weights_checksum).transpose()?,
            training: of(&self.train)?,
            validation: of(&self.validation)?,
            testing: of(&self.testing)?,
        })
    }
}

impl Prepared {
    /// Makes what is missing.
    pub fn make(
        study: &UncertaintyStudy,
        out: &Path,
        device: Device,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let path = out.join(STUDY);
        if path.is_file() {
            check_settings(study, out)?;
        }
        let mut config = study.config.clone();
        if config.data.path.as_os_str().is_empty() {
            config.data.path = synthetic(out);
            synthetic_set(&config.data.path, study.patches, progress)?;
        }
        let parts = Parts::open(&config)?;
        let identity = parts.identity(study)?;
        if path.is_file() {
            check(&path, &identity)?;
        } else {
            fs::create_dir_all(out).map_err(Error::io(out))?;
            write_whole(&path, json(&identity)?.as_bytes())?;
        }
        let folder = out.join(EXTRACTOR);
        if !folder.is_dir() {
            extract(study, &config, &parts, &folder, device, progress)?;
        }
        Self::with(config, parts, out)
    }

    /// What [`make`](Self::make) has made.
    pub fn open(study: &UncertaintyStudy, out: &Path) -> Result<Self> {
        let path = out.join(STUDY);
        if !out.join(EXTRACTOR).is_dir() || !path.is_file() {
            let advice = "run `lcz reproduce uncertainty --prepare` with the same settings first";
            return Err(Error::file(out, "not prepared", advice));
        }
        check_settings(study, out)?;
        let mut config = study.config.clone();
        if config.data.path.as_os_str().is_empty() {
            config.data.path = synthetic(out);
        }
        let parts = Parts::open(&config)?;
        check(&path, &parts.identity(study)?)?;
        Self::with(config, parts, out)
    }

    fn with(config: Config, parts: Parts, out: &Path) -> Result<Self> {
        let extracted = extracted(out)?;
        let standardisation = Standardisation {
            mean: extracted.standardisation_mean,
            deviation: extracted.standardisation_deviation,
        };
        let distances = read_distances(&out.join(EXTRACTOR).join(DISTANCES))?;
        if distances.values().len() != parts.train.patches.len() {
            let problem =
                format!("{} distances of {} patches", distances.values().len(), parts.train.patches.len());
            return Err(Error::file(&out.join(EXTRACTOR), problem, "remove the folder, and do it again"));
        }
        Ok(Self { config, parts, standardisation, distances })
    }
}

const STUDY: &str = "study.json";
pub(super) const EXTRACTOR: &str = "extractor";
const DISTANCES: &str = "distances.csv";
const EXTRACTED: &str = "extracted.json";

/// Refuses to go on with another study than the one that the folder holds.
fn check(path: &Path, now: &Identity) -> Result<()> {
    let before = identity(path)?;
    if before == *now {
        return Ok(());
    }
    let data = [
        (&before.training, &now.training, "training"),
        (&before.validation, &now.validation, "validation"),
        (&before.testing, &now.testing, "test"),
    ];
    let changed = data.iter().find_map(|(a, b, name)| a.change(b).map(|how| format!("{name} set: {how}")));
    let problem = changed.unwrap_or_else(|| "a study of other settings".to_owned());
    Err(Error::file(path, problem, "give another --out, or the settings and data of before"))
}

fn identity(path: &Path) -> Result<Identity> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(path, format!("cannot be read ({e})"), "give another --out"))
}

/// A study as its folder holds it: what tables and figures say of it, whatever is asked for now.
pub(super) struct Stored {
    /// Without its data and the place of an extractor from elsewhere.
    pub study: UncertaintyStudy,
    /// Whether the features are those of a network that was trained elsewhere.
    pub from_elsewhere: bool,
}

/// The study that a folder holds.
pub(super) fn stored(out: &Path) -> Result<Stored> {
    let Identity { config, runs, shares, equal_counts, extractor, .. } = identity(&out.join(STUDY))?;
    let study = UncertaintyStudy { config, patches: 0, runs, shares, extractor: None, equal_counts };
    Ok(Stored { study, from_elsewhere: extractor.is_some() })
}

/// Refuses settings other than those of the study that the folder holds; needs no data.
pub(super) fn check_settings(study: &UncertaintyStudy, out: &Path) -> Result<()> {
    let path = out.join(STUDY);
    let before = identity(&path)?;
    let mut config = study.config.clone();
    config.data.path = "".into();
    let same = before.config == config
        && before.runs == study.runs
        && before.shares == study.shares
        && before.equal_counts == study.equal_counts;
    if same {
        return Ok(());
    }
    Err(Error::file(&path, "a study of other settings", "give another --out, or the settings of before"))
}

/// Reports a training's progress, and keeps nothing of it.
struct Reporter<'a>(&'a mut dyn Progress);

impl Observer for Reporter<'_> {
    fn progress(&mut self) -> &mut dyn Progress {
        self.0
    }

    fn epoch(&mut self, _: &EpochRecord, _: Option<&Weights>) -> Result<()> {
        Ok(())
    }
}

/// The checksum of the weights of a run.
fn weights_checksum(run: &Path) -> Result<String> {
    let path = Run::open(run)?.model_file();
    Ok(checksum(fs::read(&path).map_err(Error::io(&path))?))
}

/// Trains the extractor, or takes the one from elsewhere, and keeps it with the distance of each training patch.
fn extract(
    study: &UncertaintyStudy,
    config: &Config,
    parts: &Parts,
    folder: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<()> {
    let Parts { train, validation, .. } = parts;
    let imagery = train.patches.imagery();
    let standardisation = Standardisation::of(&train.patches, progress)?;
    let (network, history) = if let Some(run) = &study.extractor {
        (Run::open(run)?.network(device)?, None)
    } else {
        let classes = train.patches.classes();
        let mut network = build(&config.model, imagery, classes, config.training.seed, device)?;
        network.set_standardisation(standardisation.clone())?;
        let validation = Some(validation.labelled());
        let training = &config.training;
        let history = network.fit(train.labelled(), validation, training, &mut Reporter(&mut *progress))?;
        (network, Some(history))
    };
    let features = network.features(&train.patches)?;
    let centres = ClassCentres::find(
        Centre::GeometricMedian,
        &features,
        &train.labels,
        Weiszfeld::default(),
        progress,
    )?;
    let distances = centres.distances(&features, &train.labels, progress)?;
    let entropy = train.y.entropy();
    let mut csv = "# distance of h(x) from its class's geometric median; entropy of the label in nats\n\
                   sample,class,distance,entropy\n"
        .to_owned();
    for (n, distance) in distances.values().iter().enumerate() {
        let class = train.labels.classes().name(train.labels.indices()[n]);
        // Writing to a string does not fail.
        let _ = writeln!(csv, "{n},\"{class}\",{distance},{}", entropy[n]);
    }
    Run::create(folder, |run| {
        run.keep(&*network)?;
        if let Some(history) = &history {
            run.write_config(config)?;
            run.write_history(&history.epochs)?;
        }
        write_whole(&run.folder().join(DISTANCES), csv.as_bytes())?;
        let of = (&features, &train.labels, &distances);
        let extracted = Extracted {
            standardisation_mean: standardisation.mean,
            standardisation_deviation: standardisation.deviation,
            best_epoch: history.map(|history| history.best_epoch),
            plane: plane::place(of, config.training.seed, run.folder(), progress)?,
        };
        write_whole(&run.folder().join(EXTRACTED), json(&extracted)?.as_bytes())
    })?;
    Ok(())
}

fn extracted(out: &Path) -> Result<Extracted> {
    let path = out.join(EXTRACTOR).join(EXTRACTED);
    let text = fs::read_to_string(&path).map_err(Error::io(&path))?;
    let advice = "remove the extractor's folder";
    serde_json::from_str(&text).map_err(|e| Error::file(&path, format!("cannot be read ({e})"), advice))
}

/// How the features came out on a plane.
pub(super) fn plane(out: &Path) -> Result<PlaneFit> {
    Ok(extracted(out)?.plane)
}

fn read_distances(path: &Path) -> Result<Uncertainty> {
    let text = fs::read_to_string(path).map_err(Error::io(path))?;
    let rows = text.lines().enumerate().filter(|(n, line)| *n > 1 && !line.is_empty());
    let distance = |(n, line): (usize, &str)| {
        // The class's name may hold a comma: count from the end.
        line.rsplit(',').nth(1).and_then(|field| field.parse().ok()).ok_or_else(|| {
            Error::file(path, format!("line {}: no distance", n + 1), "remove the extractor's folder")
        })
    };
    Uncertainty::new(rows.map(distance).collect::<Result<_>>()?)
}

pub(in crate::studies) fn json(value: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::Internal { what: "writing JSON", detail: e.to_string() })?;
    Ok(text + "\n")
}
