//! What all runs of a study need: the data, the extractor, each patch's distance.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::UncertaintyStudy;
use super::plane::{self, PlaneFit};
use crate::display::{Table, cells};
use crate::files::{csv_rows, read_text};
use crate::hash::checksum;
use crate::models::build;
use crate::run::{Config, Run, write_json};
use crate::studies::sets::{LabelledSet, PatchSets, in_memory};
use crate::studies::study::{Inputs, StudyContext, read_json};
use crate::uncertainty::{Centre, ClassCentres, Percent, Subset, Uncertainty, Weiszfeld};
use crate::{Error, Progress, Result, Standardisation};

/// The folder of the extractor, and the names in it.
pub(super) const EXTRACTOR: &str = "extractor";
const DISTANCES: &str = "distances.csv";
const EXTRACTED: &str = "extracted.json";

/// The data of a study.
#[derive(Debug)]
pub struct UncertaintyData {
    /// The study's, with the path of the data.
    config: Config,
    /// What identifies them.
    pub inputs: Inputs,
    /// Patches to choose from.
    pub train: LabelledSet,
    /// One half of the validation set: chooses the epoch.
    pub validation: LabelledSet,
    /// The other half, held out: the paper's test set.
    pub held_out: LabelledSet,
    /// The data's own test set.
    pub testing: LabelledSet,
}

impl UncertaintyData {
    pub(super) fn open(
        study: &UncertaintyStudy,
        context: StudyContext<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Self> {
        let mut config = study.config.clone();
        let sets = PatchSets::open(&config, context, study.patches, progress)?;
        let inputs = sets.inputs()?;
        let PatchSets {
            path, training, validation: LabelledSet { patches: validation, .. }, testing, ..
        } = sets;
        config.data.path = path;
        // Random halves: a random subset of the validation patches, with the study's seed.
        let halves = Uncertainty::new(vec![0.0; validation.len()])?;
        let half = halves.random(Percent::new(50.0)?, config.training.seed);
        if half.len() < 2 {
            return Err(Error::input(validation.name(), "too few patches to halve", "give at least four"));
        }
        let part = |half: Subset| LabelledSet::of(in_memory(&validation.select(half.positions())?)?);
        let (held_out, validation) = (part(half.complement())?, part(half)?);
        Ok(Self { config, inputs, train: training, validation, held_out, testing })
    }
}

/// What is known of the extractor.
#[derive(Serialize, Deserialize)]
pub(super) struct Extracted {
    standardisation_mean: Vec<f64>,
    standardisation_deviation: Vec<f64>,
    /// Of an extractor that the study has trained.
    best_epoch: Option<usize>,
    pub plane: PlaneFit,
}

impl Extracted {
    pub fn read(out: &Path) -> Result<Self> {
        read_json(&out.join(EXTRACTOR).join(EXTRACTED))
    }

    pub fn standardisation(self) -> Standardisation {
        Standardisation { mean: self.standardisation_mean, deviation: self.standardisation_deviation }
    }
}

/// The checksum of the weights of a run.
pub(super) fn weights_checksum(run: &Path) -> Result<String> {
    let path = Run::open(run)?.model_file();
    Ok(checksum(fs::read(&path).map_err(Error::io(&path))?))
}

/// Trains the extractor, or copies the given one, and keeps it with the distance of each training patch.
pub(super) fn extract(
    study: &UncertaintyStudy,
    data: &UncertaintyData,
    context: StudyContext<'_>,
    progress: &mut dyn Progress,
) -> Result<()> {
    let UncertaintyData { config, train, validation, .. } = data;
    let imagery = train.patches.imagery();
    let standardisation = Standardisation::fit(&train.patches, progress)?;
    let (network, history) = if let Some(run) = &study.extractor {
        (Run::open(run)?.network(context.device)?, None)
    } else {
        let classes = train.patches.classes();
        let mut network = build(&config.model, imagery, classes, config.training.seed, context.device)?;
        network.set_standardisation(standardisation.clone())?;
        let validation = Some(validation.labelled());
        let training = &config.training;
        let history = network.fit(train.labelled(), validation, training, progress)?;
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
    let mut table = Table::new(["sample", "class", "distance", "entropy"])
        .captioned("distance of h(x) from its class's geometric median; entropy of the label in nats");
    for (n, distance) in distances.values().iter().enumerate() {
        let class = train.labels.classes().name(train.labels.indices()[n]);
        table.row(cells![n, class, *distance, entropy[n]]);
    }
    Run::create(context.out.join(EXTRACTOR), |run| {
        run.keep(&*network)?;
        if let Some(history) = &history {
            run.write_config(config)?;
            run.write_history(&history.epochs)?;
        }
        table.write(&run.folder().join(DISTANCES))?;
        let of = (&features, &train.labels, &distances);
        let extracted = Extracted {
            standardisation_mean: standardisation.mean,
            standardisation_deviation: standardisation.deviation,
            best_epoch: history.map(|history| history.best_epoch),
            plane: plane::place(of, config.training.seed, run.folder(), progress)?,
        };
        write_json(&run.folder().join(EXTRACTED), &extracted)
    })?;
    Ok(())
}

/// ‖h(x) − c_k‖ of each training patch.
pub(super) fn read_distances(out: &Path) -> Result<Uncertainty> {
    let path = &out.join(EXTRACTOR).join(DISTANCES);
    let rows = csv_rows(&read_text(path)?, path)?;
    let distance = |(line, fields): &(usize, csv::StringRecord)| {
        fields.get(2).and_then(|field| field.parse().ok()).ok_or_else(|| {
            let advice = "remove its folder, and repeat the study";
            Error::file(path, format!("line {line}: no distance"), advice)
        })
    };
    Uncertainty::new(rows.iter().skip(1).map(distance).collect::<Result<_>>()?)
}
