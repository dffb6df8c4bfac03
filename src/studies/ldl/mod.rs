//! The study of the label distribution paper ("Going beyond one-hot encoding in classification: Can human
//! uncertainty improve model performance in earth observation?"): Sen2LCZ trained on one class a patch or on
//! how the experts voted, with and without label smoothing, several seeds each; temperature scaling, Monte
//! Carlo dropout and ensembles; one table and the paper's figures.

mod comparison;
mod drawing;
mod readme;
mod runs;
mod stored;
mod table;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::calibration::TemperatureFit;
use crate::data::Patches;
use crate::data::so2sat::So2Sat;
use crate::figures::Figure;
use crate::models::Device;
use crate::predictions::StoredTemperature;
use crate::run::{LabelKind, Procedure, Run};
use crate::scorecard::{Predicted, Scorecard, ScorecardSettings};
use crate::uncertainty::Members;
use crate::{Error, LabelDistributions, Labels, Logits, Probabilities, Progress, Result, write_whole};

pub use comparison::Difference;
pub(super) use stored::is_study;
use stored::{Held, Record, Stored};
use table::Line;

/// How large the study is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LdlStudy {
    /// A folder of `training.h5`, `validation.h5` and `testing.h5` with votes; a synthetic set if not given.
    #[serde(skip)]
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

/// Bins of the calibration errors, as the label distribution paper has them.
const BINS: usize = 20;

/// A labelled set.
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

    /// The temperature that is best against what a variant has learnt.
    fn fit(&self, variant: &Variant, z: &Logits) -> Result<(crate::Temperature, StoredTemperature)> {
        let fit = match variant.labels {
            LabelKind::OneHot => TemperatureFit::of(z, &self.labels),
            LabelKind::Votes | LabelKind::Posterior => TemperatureFit::of(z, &self.y),
        }?;
        let stored = StoredTemperature {
            temperature: fit.temperature.value(),
            procedure: Procedure::Exact.name().to_owned(),
            data: self.file.display().to_string(),
            patches: self.patches.len(),
        };
        Ok((fit.temperature, stored))
    }
}

/// Does the study, or what is missing of it, in a folder: data (unless given), runs, predictions with their
/// entropies, and of these table and figures, as [`redraw_ldl`] does.
///
/// # Errors
/// Data without labels and votes, no seed, a study of other settings or data in the folder, or a file that
/// cannot be written.
pub fn reproduce_ldl(
    study: &LdlStudy,
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<LdlOutcome> {
    if study.seeds < 2 {
        return Err(Error::input("seeds", format!("{}", study.seeds), "choose two or more, for an ensemble"));
    }
    Record::check_settings(study, out)?;
    let data = runs::data(study, out, progress)?;
    let (_, validation, test) = So2Sat::open(&data)?.splits()?;
    let validation = Set::of(data.join("validation.h5"), validation)?;
    let test = Set::of(data.join("testing.h5"), test)?;
    Record::of(study, &test.patches)?.keep(out)?;
    let runs = runs::all(study, &data, out, device, progress)?;

    progress.begin("predict", VARIANTS.len() as u64 * study.seeds);
    for (variant, runs) in VARIANTS.iter().zip(&runs) {
        if stored::complete(out, variant) {
            progress.advance(study.seeds, variant.title);
        } else {
            predict(variant, runs, study.passes, [&validation, &test], out, device, progress)?;
        }
    }
    progress.end("");
    redraw_ldl(out, progress)
}

/// Makes table and figures of the predictions that a study has stored, without its networks or its data:
/// `table.md`, `table.csv`, `table.tex`, the figures, and a `README.md` that says what is what.
///
/// # Errors
/// A folder without `study.json`, predictions that are missing, or a file that cannot be written.
pub fn redraw_ldl(out: &Path, progress: &mut dyn Progress) -> Result<LdlOutcome> {
    let stored = Stored::read(out, progress)?;
    let Stored { test, variants, .. } = &stored;
    let mut lines = Vec::new();
    for (variant, p) in VARIANTS.iter().zip(variants) {
        let methods: [(&str, &[Probabilities]); 5] = [
            ("single", &p.plain),
            ("temperature scaling", &p.scaled),
            ("MC dropout", &p.dropout),
            ("ensemble", std::slice::from_ref(&p.ensemble)),
            ("ensemble, scaled", std::slice::from_ref(&p.ensemble_scaled)),
        ];
        for (method, all) in methods {
            let cards = all.iter().map(|p| score(p, test)).collect::<Result<_>>()?;
            lines.push(Line { variant: variant.title, method, cards });
        }
    }
    progress.begin("compare", 2);
    let [one_hot, votes] = [ONE_HOT, VOTES].map(|at| &variants[at]);
    let mut differences = comparison::compare("single", [&one_hot.plain, &votes.plain], test)?;
    progress.advance(1, "");
    differences.extend(comparison::compare("temperature scaling", [&one_hot.scaled, &votes.scaled], test)?);
    progress.end("");

    for (stem, figure) in drawing::all(&stored)? {
        figure.save(out, stem)?;
    }
    let outcome = LdlOutcome {
        table: table::markdown(&lines),
        test_patches: test.labels.len(),
        differences,
        provenance: test.provenance.clone(),
    };
    let put = |name: &str, text: &str| write_whole(&out.join(name), text.as_bytes());
    put("table.md", &outcome.table)?;
    put("table.csv", &table::csv(&lines, &outcome.provenance))?;
    put("table.tex", &table::latex(&lines, &outcome.provenance))?;
    put("README.md", &readme::text(stored.study(), &outcome, test.groups.is_some()))?;
    Ok(outcome)
}

/// The figures of the predictions that a study has stored.
pub(super) fn figures(out: &Path, progress: &mut dyn Progress) -> Result<Vec<(&'static str, Figure)>> {
    drawing::all(&Stored::read(out, progress)?)
}

fn score(p: &Probabilities, test: &Held) -> Result<Scorecard> {
    let settings = ScorecardSettings { bins: BINS, rounds: 0, panels: 0, ..Default::default() };
    Scorecard::of(Predicted::Probabilities(p), test.reference(), settings)
}

/// Asks all networks of a variant, and keeps what they say.
fn predict(
    variant: &Variant,
    runs: &[Run],
    passes: usize,
    [validation, test]: [&Set; 2],
    out: &Path,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<()> {
    let one = crate::Temperature::ONE;
    let (mut plain, mut on_validation) = (Vec::new(), Vec::new());
    for (seed, run) in runs.iter().enumerate() {
        let network = run.network(device)?;
        let (z, z_validation) = (network.logits(&test.patches)?, network.logits(&validation.patches)?);
        let (temperature, by) = validation.fit(variant, &z_validation)?;
        let dropout = Members::new(network.mc_dropout(&test.patches, passes, seed as u64)?)?;
        let (p, p_validation) = (z.softmax(one), z_validation.softmax(one));
        let at = |kind| stored::of_seed(out, variant, seed, kind);
        stored::keep(&at("single"), &p, None, &test.patches)?;
        stored::keep(&at("validation"), &p_validation, None, &validation.patches)?;
        stored::keep(&at("scaled"), &z.softmax(temperature), Some(&by), &test.patches)?;
        stored::keep(&at("dropout"), dropout.mean(), None, &test.patches)?;
        keep_entropies(&at("dropout"), &dropout, &test.y)?;
        plain.push(p);
        on_validation.push(p_validation);
        progress.advance(1, variant.title);
    }
    let members = Members::new(plain)?;
    let (temperature, by) = validation.fit(variant, &Probabilities::mean_of(&on_validation)?.logits())?;
    let at = |kind| stored::of_all(out, variant, kind);
    keep_entropies(&at("ensemble"), &members, &test.y)?;
    stored::keep(&at("ensemble"), members.mean(), None, &test.patches)?;
    stored::keep(&at("ensemble-scaled"), &members.mean().at(temperature), Some(&by), &test.patches)
}

/// Each sample's entropies, in nats, in a CSV beside predictions: of the votes, and total, aleatoric and epistemic of
/// the members.
fn keep_entropies(predictions: &Path, members: &Members, y: &LabelDistributions) -> Result<()> {
    use std::fmt::Write as _;
    let parts = members.entropy();
    let mut csv = "# entropies in nats\nsample,votes,total,aleatoric,epistemic\n".to_owned();
    for (n, votes) in y.entropy().into_iter().enumerate() {
        let (total, aleatoric, epistemic) = (parts.total[n], parts.aleatoric[n], parts.epistemic[n]);
        // Writing to a string does not fail.
        let _ = writeln!(csv, "{n},{votes},{total},{aleatoric},{epistemic}");
    }
    write_whole(&predictions.with_extension("csv"), csv.as_bytes())
}
