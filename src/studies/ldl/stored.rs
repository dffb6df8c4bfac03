//! The predictions that the networks of a study have stored. Table and figures are computed from these only.

use std::fs;
use std::path::{Path, PathBuf};

use super::{LabelVariant, LdlStudy, VARIANTS};
use crate::data::Patches;
use crate::data::predictions;
use crate::predictions::StoredTemperature;
use crate::studies::sets::{TestSet, read_predictions};
use crate::{Error, LabelDistributions, Probabilities, Progress, Result};

/// The predictions that are written last.
pub(super) const LAST: &str = "ensemble-scaled";

/// Those of a variant's network of a seed: `single` (as it is), `scaled`, `dropout` on the test set,
/// `validation` (as it is) on the validation set.
pub(super) fn of_seed(out: &Path, variant: &LabelVariant, seed: u64, kind: &str) -> PathBuf {
    out.join("predictions").join(format!("{}-seed-{seed}-{kind}.h5", variant.name))
}

/// Those of all its networks on the test set: `ensemble`, `ensemble-scaled`.
pub(super) fn of_all(out: &Path, variant: &LabelVariant, kind: &str) -> PathBuf {
    out.join("predictions").join(format!("{}-{kind}.h5", variant.name))
}

/// Whether those of a variant's ensemble are there.
pub(super) fn has_ensemble(out: &Path, variant: &LabelVariant) -> bool {
    of_all(out, variant, LAST).is_file()
}

/// A variant's networks change: the predictions of its ensemble will be made again.
pub(super) fn forget_ensemble(out: &Path, variant: &LabelVariant) -> Result<()> {
    remove(&of_all(out, variant, LAST))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path)(error)),
        _ => Ok(()),
    }
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
    remove(path)?;
    predictions::write_at(path, p, temperature, patches)
}

/// Predictions of a variant's networks on the test set, and (plain ones, for conformal sets) on the validation set.
pub(super) struct VariantPredictions {
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
    pub test: TestSet,
    /// The label distributions of the test set.
    pub y: LabelDistributions,
    pub validation: TestSet,
    /// In the order of [`VARIANTS`].
    pub variants: Vec<VariantPredictions>,
}

impl Stored {
    pub fn read(study: &LdlStudy, out: &Path, progress: &mut dyn Progress) -> Result<Self> {
        progress.begin("predictions", VARIANTS.len() as u64);
        let (mut test, mut validation) = (None, None);
        let read = |path: PathBuf, set: &mut Option<TestSet>| {
            let (p, temperature, of) = read_predictions(&path)?;
            set.get_or_insert(of);
            Ok::<_, Error>((p, temperature))
        };
        let mut variants = Vec::with_capacity(VARIANTS.len());
        for variant in &VARIANTS {
            let at = |seed, kind| of_seed(out, variant, seed, kind);
            let of_seeds = |kind, set: &mut Option<TestSet>| -> Result<Vec<Probabilities>> {
                study.random_seeds().map(|seed| Ok(read(at(seed, kind), set)?.0)).collect()
            };
            let (mut scaled, mut temperatures) = (Vec::new(), Vec::new());
            for seed in study.random_seeds() {
                let (p, temperature) = read(at(seed, "scaled"), &mut test)?;
                scaled.push(p);
                let (problem, advice) = ("no attribute 'temperature'", "remove it, and repeat the study");
                temperatures
                    .push(temperature.ok_or_else(|| Error::file(at(seed, "scaled"), problem, advice))?);
            }
            variants.push(VariantPredictions {
                plain: of_seeds("single", &mut test)?,
                validation: of_seeds("validation", &mut validation)?,
                scaled,
                temperatures,
                dropout: of_seeds("dropout", &mut test)?,
                ensemble: read(of_all(out, variant, "ensemble"), &mut test)?.0,
                ensemble_scaled: read(of_all(out, variant, LAST), &mut test)?.0,
            });
            progress.advance(1, variant.title);
        }
        progress.end("");
        let (Some(test), Some(validation)) = (test, validation) else {
            return Err(Error::file(out, "a study without a seed", "repeat it in another folder"));
        };
        let Some(y) = test.y.clone() else {
            let problem = "neither votes nor label distributions next to the predictions";
            return Err(Error::file(out, problem, "give the study data with votes"));
        };
        Ok(Self { test, y, validation, variants })
    }
}
