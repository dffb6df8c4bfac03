//! The study of the label distribution paper ("Going beyond one-hot encoding in classification: Can human
//! uncertainty improve model performance in earth observation?"): Sen2LCZ trained on one class per patch or on
//! the experts' votes, with and without label smoothing, several seeds each; temperature scaling, Monte
//! Carlo dropout and ensembles; one table and the paper's figures.

mod comparison;
mod drawing;
mod report;
mod stored;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::sets::{LabelledSet, PatchSets};
use super::study::{Inputs, Study, StudyContext, StudyFolder, TaskAt};
use crate::calibration::TemperatureFit;
use crate::display::{Table, cells};
use crate::figures::{Figure, StudyName};
use crate::models::Model;
use crate::predictions::StoredTemperature;
use crate::run::{Config, ExampleSet, LabelKind, Procedure, Run, Targets, TrainingSets, train_on};
use crate::uncertainty::Members;
use crate::{Error, LabelDistributions, Logits, Probabilities, Progress, Result, Temperature};

pub use comparison::LabelEffect;
use stored::Stored;

/// The settings of the study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LdlStudy {
    /// The network, its training and the choice of the data; labels and smoothing are those of the variants.
    pub config: Config,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Random seeds of each variant, from that of the training on; they are also its ensemble's members.
    pub seeds: u64,
    /// Passes of Monte Carlo dropout.
    pub passes: usize,
}

impl LdlStudy {
    /// The paper's: five seeds, width 16, at most 300 epochs with early stopping. The settings override its
    /// configuration.
    ///
    /// # Errors
    /// A setting that does not exist or has the wrong type.
    pub fn full(settings: &[String]) -> Result<Self> {
        let config = super::config(&["training.epochs=300", "model.width=16"], settings)?;
        Ok(Self { config, patches: 6000, seeds: 5, passes: 20 })
    }

    /// A small study, for the quick mode.
    ///
    /// # Errors
    /// As [`full`](Self::full).
    pub fn quick(settings: &[String]) -> Result<Self> {
        let config = super::config(&["training.epochs=12", "model.width=8"], settings)?;
        Ok(Self { config, patches: 2000, seeds: 3, passes: 20 })
    }

    fn random_seeds(&self) -> impl Iterator<Item = u64> + use<> {
        let first = self.config.training.seed;
        first..first + self.seeds
    }
}

/// What the study found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LdlOutcome {
    /// Provenance of the patches, as their file states it.
    pub provenance: String,
    /// Test patches.
    pub test_patches: usize,
    /// Votes minus one-hot, without smoothing.
    pub differences: Vec<LabelEffect>,
    /// The table.
    pub table: Table,
}

/// A way to make labels.
#[derive(Debug)]
pub struct LabelVariant {
    /// In names of files.
    name: &'static str,
    /// In tables.
    title: &'static str,
    labels: LabelKind,
    smoothing: f64,
}

const VARIANTS: [LabelVariant; 4] = [
    LabelVariant::of("one-hot", "one-hot", LabelKind::OneHot, 0.0),
    LabelVariant::of("one-hot-smoothed", "one-hot, smoothed 0.1", LabelKind::OneHot, 0.1),
    LabelVariant::of("votes", "votes", LabelKind::Votes, 0.0),
    LabelVariant::of("votes-smoothed", "votes, smoothed 0.1", LabelKind::Votes, 0.1),
];

impl LabelVariant {
    const fn of(name: &'static str, title: &'static str, labels: LabelKind, smoothing: f64) -> Self {
        Self { name, title, labels, smoothing }
    }
}

/// Positions of the two that are compared.
const ONE_HOT: usize = 0;
const VOTES: usize = 2;

/// Bins of the calibration errors, as the label distribution paper has them.
const BINS: usize = 20;

impl Study for LdlStudy {
    const NAME: StudyName = StudyName::Ldl;
    type Data = PatchSets;
    type Task = (&'static LabelVariant, u64);
    type Outcome = LdlOutcome;

    fn check(&self) -> Result<()> {
        if self.seeds < 2 {
            let advice = "choose two or more, for an ensemble";
            return Err(Error::input("seeds", self.seeds.to_string(), advice));
        }
        self.config.training.check()
    }

    fn open(&self, context: StudyContext<'_>, progress: &mut dyn Progress) -> Result<PatchSets> {
        let sets = PatchSets::open(&self.config, context, self.patches, progress)?;
        // Checked before hours of training on one-hot labels only.
        sets.training.patches.distributions()?;
        Ok(sets)
    }

    fn inputs(&self, data: &PatchSets) -> Result<Inputs> {
        data.inputs()
    }

    /// Seed by seed, so that a study that is cut short has all variants of the first seeds.
    fn tasks(&self) -> Vec<Self::Task> {
        self.random_seeds().flat_map(|seed| VARIANTS.iter().map(move |variant| (variant, seed))).collect()
    }

    fn folder(&self, (variant, seed): &Self::Task) -> PathBuf {
        Path::new("runs").join(format!("{}-seed-{seed}", variant.name))
    }

    /// What is stored last of a network.
    fn missing(&self, (variant, seed): &Self::Task, out: &Path) -> usize {
        usize::from(!stored::of_seed(out, variant, *seed, "dropout").with_extension("csv").is_file())
    }

    fn run(&self, task: &Self::Task, data: &PatchSets, (context, steps): TaskAt<'_>) -> Result<()> {
        let (variant, seed) = *task;
        stored::forget_ensemble(context.out, variant)?;
        let mut config = self.config.clone();
        config.training.label_smoothing = variant.smoothing;
        config.training.seed = seed;
        config.data.labels = variant.labels;
        config.data.path.clone_from(&data.path);
        let PatchSets { split, training, validation, testing, .. } = data;
        let examples = |LabelledSet { patches, .. }: &LabelledSet| {
            let targets = Targets::Labels(config.data.labels_of(patches)?);
            Ok::<_, Error>(ExampleSet { patches: patches.clone(), targets })
        };
        let (train, validating) = (examples(training)?, Some(examples(validation)?));
        let sets = TrainingSets { split: split.clone(), train, validation: validating };
        let folder = context.out.join(self.folder(task));
        train_on(&sets, &config, &folder, context.device, &mut &*steps)?;
        let network = Run::open(&folder)?.network(context.device)?;
        let (z, z_validation) = logits(&*network, data)?;
        let (temperature, by) = fit(data, variant, &z_validation)?;
        let dropout = Members::new(network.mc_dropout(&testing.patches, self.passes, seed)?)?;
        let at = |kind| stored::of_seed(context.out, variant, seed, kind);
        stored::keep(&at("single"), &z.softmax(Temperature::ONE), None, &testing.patches)?;
        let p_validation = z_validation.softmax(Temperature::ONE);
        stored::keep(&at("validation"), &p_validation, None, &validation.patches)?;
        stored::keep(&at("scaled"), &z.softmax(temperature), Some(&by), &testing.patches)?;
        stored::keep(&at("dropout"), dropout.mean(), None, &testing.patches)?;
        keep_entropies(&at("dropout"), &dropout, &testing.y)?;
        steps.done(format!("{}, seed {seed}", variant.title));
        Ok(())
    }

    fn collect(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<LdlOutcome> {
        let missing: Vec<_> =
            VARIANTS.iter().filter(|variant| !stored::has_ensemble(at.context.out, variant)).collect();
        if !missing.is_empty() {
            let data = self.reopen(at, progress)?;
            progress.begin("ensembles", missing.len() as u64);
            for variant in missing {
                self.combine(variant, &data, at.context)?;
                progress.advance(1, variant.title);
            }
            progress.end("");
        }
        let stored = Stored::read(self, at.context.out, progress)?;
        report::write(self, &stored, at.context.out, progress)
    }

    fn figures(&self, at: &StudyFolder<'_>, progress: &mut dyn Progress) -> Result<Vec<(String, Figure)>> {
        let stored = Stored::read(self, at.context.out, progress)?;
        let provenance = self.provenance(at, &stored.test.provenance, self.config.training.seed)?;
        drawing::all(&stored, self.config.training.seed, &provenance)
    }

    fn tables(outcome: &LdlOutcome) -> Vec<Table> {
        let caption = format!("votes minus one-hot ({}); below 0 the votes are better\n", outcome.provenance);
        vec![report::differences(&outcome.differences).captioned(caption)]
    }
}

impl LdlStudy {
    /// The predictions of all networks of a variant together.
    fn combine(
        &self,
        variant: &'static LabelVariant,
        data: &PatchSets,
        context: StudyContext<'_>,
    ) -> Result<()> {
        let (mut on_test, mut on_validation) = (Vec::new(), Vec::new());
        for seed in self.random_seeds() {
            let network =
                Run::open(context.out.join(self.folder(&(variant, seed))))?.network(context.device)?;
            let (z, z_validation) = logits(&*network, data)?;
            on_test.push(z.softmax(Temperature::ONE));
            on_validation.push(z_validation.softmax(Temperature::ONE));
        }
        let members = Members::new(on_test)?;
        let (temperature, by) = fit(data, variant, &Probabilities::mean_of(&on_validation)?.logits())?;
        let patches = &data.testing.patches;
        let at = |kind| stored::of_all(context.out, variant, kind);
        keep_entropies(&at("ensemble"), &members, &data.testing.y)?;
        stored::keep(&at("ensemble"), members.mean(), None, patches)?;
        stored::keep(&at(stored::LAST), &members.mean().at(temperature), Some(&by), patches)
    }
}

/// On the test set and on the validation set.
fn logits(network: &dyn Model, data: &PatchSets) -> Result<(Logits, Logits)> {
    Ok((network.logits(&data.testing.patches)?, network.logits(&data.validation.patches)?))
}

/// The temperature that is best for the labels that a variant was trained on, fitted on the validation set.
fn fit(data: &PatchSets, variant: &LabelVariant, z: &Logits) -> Result<(Temperature, StoredTemperature)> {
    let LabelledSet { patches, labels, y } = &data.validation;
    let fit = match variant.labels {
        LabelKind::OneHot => TemperatureFit::fit(z, labels),
        LabelKind::Votes | LabelKind::Posterior => TemperatureFit::fit(z, y),
    }?;
    let (mut temperature, mut procedure) = (fit.temperature, Procedure::Exact.name().to_owned());
    if let Err(doubt) = fit.check(patches.len(), &patches.name()) {
        tracing::warn!("{doubt}; not used: the scaled results are those of T = 1");
        (temperature, procedure) = (Temperature::ONE, format!("rejected {procedure}"));
    }
    let stored = StoredTemperature {
        temperature: temperature.value(),
        procedure,
        data: patches.name(),
        patches: patches.len(),
        floor: None,
    };
    Ok((temperature, stored))
}

/// Each sample's entropies, in nats, in a CSV next to predictions: of the votes, and total, aleatoric and epistemic
/// of the members.
fn keep_entropies(predictions: &Path, members: &Members, y: &LabelDistributions) -> Result<()> {
    let parts = members.entropy();
    let columns = ["sample", "votes", "total", "aleatoric", "epistemic"];
    let mut table = Table::new(columns).captioned("entropies in nats");
    for (n, votes) in y.entropy().into_iter().enumerate() {
        table.row(cells![n, votes, parts.total[n], parts.aleatoric[n], parts.epistemic[n]]);
    }
    table.write(&predictions.with_extension("csv"))
}
