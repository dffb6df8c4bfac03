//! The study of the label distribution paper ("Going beyond one-hot encoding in classification: Can human
//! uncertainty improve model performance in earth observation?"): Sen2LCZ trained on one class a patch or on
//! how the experts voted, with and without label smoothing, several seeds each; temperature scaling, Monte
//! Carlo dropout and ensembles; one table and the paper's figures.

mod comparison;
mod drawing;
mod readme;
mod runs;
mod table;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{LabelKind, Run};
use crate::calibration::TemperatureFit;
use crate::data::so2sat::So2Sat;
use crate::data::{Patches, predictions};
use crate::models::Device;
use crate::scorecard::{Predicted, Reference, Scorecard, ScorecardSettings};
use crate::uncertainty::Members;
use crate::{Error, LabelDistributions, Labels, Logits, Probabilities, Progress, Result, write_whole};

pub use comparison::Difference;
use table::Line;

/// How large the study is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LdlStudy {
    /// A folder of `training.h5`, `validation.h5` and `testing.h5` with votes; a synthetic set if not given.
    pub data: Option<PathBuf>,
    /// Patches of the synthetic set.
    pub patches: usize,
    /// Seeds 0, 1, … of each variant; they are also its ensemble's members.
    pub seeds: u64,
    /// Passes over the training set, at most.
    pub epochs: usize,
    /// Width of the network; the paper's is 16.
    pub width: usize,
    /// Passes of Monte Carlo dropout.
    pub passes: usize,
}

impl LdlStudy {
    /// The paper's: five seeds, width 16, at most 300 epochs with early stopping.
    pub fn full() -> Self {
        Self { data: None, patches: 6000, seeds: 5, epochs: 300, width: 16, passes: 20 }
    }

    /// A small one, to see everything work.
    pub fn quick() -> Self {
        Self { patches: 2000, seeds: 3, epochs: 12, width: 8, ..Self::full() }
    }
}

/// What the study came to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LdlOutcome {
    /// Where the patches are from, as their file says.
    pub provenance: String,
    /// Test patches.
    pub test_patches: usize,
    /// Votes less one-hot, without smoothing.
    pub differences: Vec<Difference>,
    /// The table, as Markdown.
    pub table: String,
}

/// A way to make labels.
struct Variant {
    /// In names of files.
    name: &'static str,
    /// In tables.
    title: &'static str,
    labels: LabelKind,
    smoothing: f64,
}

const VARIANTS: [Variant; 4] = [
    Variant { name: "one-hot", title: "one-hot", labels: LabelKind::OneHot, smoothing: 0.0 },
    Variant {
        name: "one-hot-smoothed",
        title: "one-hot, smoothed 0.1",
        labels: LabelKind::OneHot,
        smoothing: 0.1,
    },
    Variant { name: "votes", title: "votes", labels: LabelKind::Votes, smoothing: 0.0 },
    Variant {
        name: "votes-smoothed",
        title: "votes, smoothed 0.1",
        labels: LabelKind::Votes,
        smoothing: 0.1,
    },
];
/// Positions of the two that are compared.
const ONE_HOT: usize = 0;
const VOTES: usize = 2;

/// A labelled set, read once.
struct Set {
    file: PathBuf,
    patches: Patches,
    labels: Labels,
    y: LabelDistributions,
}

impl Set {
    fn of(file: PathBuf, patches: Patches) -> Result<Self> {
        let (labels, y) = (patches.labels()?, patches.distributions()?);
        Ok(Self { file, patches, labels, y })
    }

    fn fit(&self, variant: &Variant, z: &Logits) -> Result<TemperatureFit> {
        match variant.labels {
            LabelKind::OneHot => TemperatureFit::of(z, &self.labels),
            LabelKind::Votes | LabelKind::Posterior => TemperatureFit::of(z, &self.y),
        }
    }
}

/// What a variant's networks say of the test set, and (plain ones, for conformal sets) of the validation set.
struct Predictions {
    plain: Vec<Probabilities>,
    validation: Vec<Probabilities>,
    scaled: Vec<Probabilities>,
    temperatures: Vec<f64>,
    dropout: Vec<Probabilities>,
    ensemble: Probabilities,
    ensemble_scaled: Probabilities,
}

/// Does the study, or what is missing of it, in a folder: data (unless given), runs, predictions with their
/// entropies, `table.md`, `table.csv`, `table.tex`, the figures, and a `README.md` that says what is what.
///
/// # Errors
/// Data without labels and votes, no seed, runs of other settings in the folder, or a file that cannot be
/// written.
pub fn reproduce_ldl(
    study: &LdlStudy,
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<LdlOutcome> {
    if study.seeds < 2 {
        return Err(Error::input("seeds", format!("{}", study.seeds), "choose two or more, for an ensemble"));
    }
    let data = runs::data(study, out, progress)?;
    let (_, validation, test) = So2Sat::open(&data)?.splits()?;
    let validation = Set::of(data.join("validation.h5"), validation)?;
    let test = Set::of(data.join("testing.h5"), test)?;
    let runs = runs::all(study, &data, out, device, progress)?;

    let folder = out.join("predictions");
    std::fs::create_dir_all(&folder).map_err(Error::io(&folder))?;
    progress.begin("evaluate", VARIANTS.len() as u64 * study.seeds);
    let mut all = Vec::with_capacity(VARIANTS.len());
    for (variant, runs) in VARIANTS.iter().zip(&runs) {
        let predicted = predict(variant, runs, study, [&validation, &test], &folder, device, progress)?;
        all.push(predicted);
    }
    progress.end("");

    let mut lines = Vec::new();
    for (variant, p) in VARIANTS.iter().zip(&all) {
        let methods: [(&str, &[Probabilities]); 5] = [
            ("single", &p.plain),
            ("temperature scaling", &p.scaled),
            ("MC dropout", &p.dropout),
            ("ensemble", std::slice::from_ref(&p.ensemble)),
            ("ensemble, scaled", std::slice::from_ref(&p.ensemble_scaled)),
        ];
        for (method, all) in methods {
            let cards = all.iter().map(|p| score(p, &test)).collect::<Result<_>>()?;
            lines.push(Line { variant: variant.title, method, cards });
        }
    }
    let groups = test.patches.groups();
    let pair = |method, a: &[Probabilities], b: &[Probabilities]| {
        comparison::compare(method, [a, b], &test.labels, &test.y, groups.as_deref())
    };
    let mut differences = pair("single", &all[ONE_HOT].plain, &all[VOTES].plain)?;
    differences.extend(pair("temperature scaling", &all[ONE_HOT].scaled, &all[VOTES].scaled)?);

    let provenance = test.patches.provenance().to_owned();
    for (stem, figure) in drawing::all(&runs, &all, &validation, &test)? {
        figure.save(out, stem)?;
    }
    let outcome = LdlOutcome {
        table: table::markdown(&lines),
        test_patches: test.patches.len(),
        differences,
        provenance: provenance.clone(),
    };
    let put = |name: &str, text: &str| write_whole(&out.join(name), text.as_bytes());
    put("table.md", &outcome.table)?;
    put("table.csv", &table::csv(&lines, &provenance))?;
    put("table.tex", &table::latex(&lines, &provenance))?;
    put("README.md", &readme::text(study, &outcome, groups.is_some()))?;
    Ok(outcome)
}

fn score(p: &Probabilities, test: &Set) -> Result<Scorecard> {
    let settings = ScorecardSettings { bins: comparison::BINS, rounds: 0, panels: 0, ..Default::default() };
    let reference = Reference::new(&test.labels).with_distributions(&test.y);
    Scorecard::of(Predicted::Probabilities(p), reference, settings)
}

/// Asks all networks of a variant, and keeps what they say.
fn predict(
    variant: &Variant,
    runs: &[Run],
    study: &LdlStudy,
    [validation, test]: [&Set; 2],
    folder: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Predictions> {
    let one = crate::Temperature::ONE;
    let (mut plain, mut on_validation) = (Vec::new(), Vec::new());
    let (mut scaled, mut dropout, mut temperatures) = (Vec::new(), Vec::new(), Vec::new());
    for (seed, run) in runs.iter().enumerate() {
        let network = run.network(device)?;
        let (z, z_validation) = (network.logits(&test.patches)?, network.logits(&validation.patches)?);
        let fit = validation.fit(variant, &z_validation)?;
        let passes = Members::new(network.mc_dropout(&test.patches, study.passes, seed as u64)?)?;
        keep_entropies(&folder.join(format!("{}-seed-{seed}-dropout.csv", variant.name)), &passes, &test.y)?;
        plain.push(z.softmax(one));
        on_validation.push(z_validation.softmax(one));
        scaled.push(z.softmax(fit.temperature));
        temperatures.push(fit.temperature.value());
        dropout.push(passes.mean().clone());
        progress.advance(1, variant.title);
    }
    let members = Members::new(plain.clone())?;
    keep_entropies(&folder.join(format!("{}-ensemble.csv", variant.name)), &members, &test.y)?;
    let ensemble = members.mean().clone();
    let ln = |p: &Probabilities| Logits::new(p.classes().clone(), p.view().mapv(f64::ln));
    let fit = validation.fit(variant, &ln(&Probabilities::mean_of(&on_validation)?)?)?;
    let ensemble_scaled = ln(&ensemble)?.softmax(fit.temperature);

    for (kind, all) in [("single", &plain), ("scaled", &scaled), ("dropout", &dropout)] {
        for (seed, p) in all.iter().enumerate() {
            keep(folder, &format!("{}-seed-{seed}-{kind}", variant.name), p, &test.patches)?;
        }
    }
    keep(folder, &format!("{}-ensemble", variant.name), &ensemble, &test.patches)?;
    keep(folder, &format!("{}-ensemble-scaled", variant.name), &ensemble_scaled, &test.patches)?;
    Ok(Predictions {
        plain,
        validation: on_validation,
        scaled,
        temperatures,
        dropout,
        ensemble,
        ensemble_scaled,
    })
}

/// Keeps predictions as `lcz score` reads them, in place of those of an earlier study.
fn keep(folder: &Path, name: &str, p: &Probabilities, test: &Patches) -> Result<()> {
    let path = folder.join(format!("{name}.h5"));
    if path.is_file() {
        std::fs::remove_file(&path).map_err(Error::io(&path))?;
    }
    predictions::write(&path, p, test)
}

/// Each sample's entropies, in nats: of the votes, and total, aleatoric and epistemic of the members.
fn keep_entropies(path: &Path, members: &Members, y: &LabelDistributions) -> Result<()> {
    use std::fmt::Write as _;
    let parts = members.entropy();
    let mut csv = "# entropies in nats\nsample,votes,total,aleatoric,epistemic\n".to_owned();
    for (n, votes) in y.entropy().into_iter().enumerate() {
        let (total, aleatoric, epistemic) = (parts.total[n], parts.aleatoric[n], parts.epistemic[n]);
        // Writing to a string does not fail.
        let _ = writeln!(csv, "{n},{votes},{total},{aleatoric},{epistemic}");
    }
    write_whole(path, csv.as_bytes())
}
