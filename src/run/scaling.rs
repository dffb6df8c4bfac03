//! Temperature scaling of a run: fitted on validation data, kept in its checkpoint.

use std::path::Path;

use serde::Serialize;

use super::folder::HeldOut;
use super::{LabelKind, Run, file_of};
use crate::calibration::TemperatureFit;
use crate::models::Device;
use crate::predictions::StoredTemperature;
use crate::{Progress, Result};

/// How a temperature is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Procedure {
    /// [`TemperatureFit::of`].
    Exact,
    /// [`TemperatureFit::as_in_ldl_paper`].
    LdlPaper,
}

impl Procedure {
    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::LdlPaper => "ldl-paper",
        }
    }
}

/// Fits the temperature of a run to labelled patches that it has not learnt from, and keeps it in the run
/// (`model.safetensors`, or `ensemble.toml`), where evaluation finds it. A folder stands for its `validation.h5`, the one
/// file that the run was trained on for its validation part.
///
/// An ensemble has one temperature for the mean of its members, whose logits are ln p̄.
///
/// Without `labels`, the loss is that of the labels that the run learnt from.
///
/// # Errors
/// A forest, which has no logits; data that is unusable, unlabelled, or unlike what the run was trained
/// on; a file that cannot be written.
pub fn temp_scale(
    run: &Run,
    data: &Path,
    labels: Option<LabelKind>,
    procedure: Procedure,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<TemperatureFit> {
    let file = file_of(data, "validation.h5")?;
    let patches = run.held_out(&file, HeldOut::Validation)?;
    let learnt = run.data()?.unwrap_or_default();
    let settings = super::DataSettings { labels: labels.unwrap_or(learnt.labels), ..learnt };
    let y = settings.labels_of(&patches)?;
    progress.begin("temp-scale", 2);
    let z = run.logits(&patches, device)?;
    progress.advance(1, "fitting");
    let fit = match procedure {
        Procedure::Exact => TemperatureFit::of(&z, &y),
        Procedure::LdlPaper => TemperatureFit::as_in_ldl_paper(&z, &y),
    }
    .map_err(|e| e.within(&file))?;
    let stored = StoredTemperature {
        temperature: fit.temperature.value(),
        procedure: procedure.name().to_owned(),
        data: file.display().to_string(),
        patches: patches.len(),
    };
    run.store_temperature(stored)?;
    progress.end("");
    Ok(fit)
}
