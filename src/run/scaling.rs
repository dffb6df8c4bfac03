//! Temperature scaling of a run: fitted on validation data, kept in its checkpoint.

use std::path::Path;

use serde::Serialize;

use super::folder::HeldOut;
use super::sets::Samples;
use super::{LabelKind, Run, file_of};
use crate::calibration::{Bins, Reliability, TemperatureFit};
use crate::data::Patches;
use crate::files;
use crate::models::{Device, FLOOR, Sample};
use crate::predictions::StoredTemperature;
use crate::scorecard::BINS;
use crate::{Logits, Progress, Result, Temperature};

/// How a temperature is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Procedure {
    /// [`TemperatureFit::fit`].
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

/// A temperature fitted to a run, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// The temperature, and the loss that was minimised.
    #[serde(flatten)]
    pub fit: TemperatureFit,
    /// Patches that it was fitted to.
    pub patches: usize,
    /// ECE at T = 1 on these, against the (majority) class, in [`BINS`] bins.
    pub ece_before: f64,
    /// ECE at the fitted T.
    pub ece_after: f64,
    /// Whether it is kept in the run.
    pub kept: bool,
    /// Why it should not be used ([`TemperatureFit::check`]).
    pub doubt: Option<String>,
    /// The temperature that the run has now: this one, or one that was kept before.
    pub active: Option<f64>,
}

/// Fits the temperature of a run to labelled patches that it was not trained on, and keeps it in the run
/// (`model.safetensors`, or `ensemble.toml`), where evaluation finds it. A folder stands for its `validation.h5`, the one
/// file that the run was trained on for its validation part.
///
/// An ensemble has one temperature for the mean of its members, whose logits are ln p̄; so has a random forest, with a
/// floor below its probabilities, some of which are 0.
///
/// Without `labels`, the loss is that of the votes where the patches have votes, since calibration to the majority class
/// is not meaningful where experts disagree; else that of the labels that the run was trained on.
///
/// A temperature that should not be used ([`TemperatureFit::check`]) is kept with `force` only.
///
/// See the [module's example](crate::run).
///
/// # Errors
/// A run that another process is training; data that is unusable, unlabelled, or of another kind than
/// the training data; a file that cannot be written.
pub fn temp_scale(
    run: &Run,
    data: impl AsRef<Path>,
    labels: Option<LabelKind>,
    procedure: Procedure,
    force: bool,
    device: Device,
    progress: &mut dyn Progress,
) -> Result<Scaling> {
    let data = data.as_ref();
    let _lock = files::lock(run.folder())?;
    let file = file_of(data, "validation.h5")?;
    let patches = run.held_out(&file, HeldOut::Validation)?;
    let trained_on = run.data()?.unwrap_or_default();
    let settings = super::DataSettings { labels: labels.unwrap_or(trained_on.labels), ..trained_on };
    progress.begin("temp-scale", 2);
    let (samples, z, floor) = logits(run, patches, device)?;
    let y = match samples.pixels {
        None if labels.is_none() && samples.patches.has_votes() && settings.labels == LabelKind::OneHot => {
            super::DataSettings { labels: LabelKind::Votes, ..settings }.labels_of(&samples.patches)?
        }
        None => settings.labels_of(&samples.patches)?,
        Some(_) => {
            settings.check_for(Sample::Pixel)?;
            samples.labels.one_hot()
        }
    };
    progress.advance(1, "fitting");
    let fit = match procedure {
        Procedure::Exact => TemperatureFit::fit(&z, &y),
        Procedure::LdlPaper => TemperatureFit::as_in_ldl_paper(&z, &y),
    }
    .map_err(|e| e.within(&file))?;
    let (patches, place) = (samples.patches.len(), file.display().to_string());
    // Pixels of a patch are not independent: a patch counts as one sample.
    let doubt = fit.check(patches, &place).err().map(|doubt| doubt.to_string());
    let kept = doubt.is_none() || force;
    if kept {
        run.store_temperature(StoredTemperature {
            temperature: fit.temperature.value(),
            procedure: procedure.name().to_owned(),
            data: place,
            patches,
            floor,
        })?;
    }
    let bins = Bins::EqualWidth(BINS);
    let ece = |t: Temperature| {
        let reliability = Reliability::compute(&z.softmax(t), &samples.labels, bins);
        reliability.map(|of| of.expected_calibration_error())
    };
    let (ece_before, ece_after) = (ece(Temperature::ONE)?, ece(fit.temperature)?);
    progress.end("");
    let active = run.temperature()?.map(|by| by.temperature);
    Ok(Scaling { fit, patches, ece_before, ece_after, kept, doubt, active })
}

/// The logits that a temperature divides. Of an ensemble, which averages softmaxes, ln p̄: one T for the mean, not
/// one for each member, since the mean is calibrated. Probabilities of 0, as a forest has them, are raised to
/// the floor that is returned.
fn logits(run: &Run, patches: Patches, device: Device) -> Result<(Samples, Logits, Option<f64>)> {
    let forest = run.is_forest()?;
    if run.ensemble()?.is_some() || forest {
        let model = run.classifier(device)?;
        let samples = Samples::of(patches, model.sample())?;
        let members = samples.members(&*model)?;
        let (p, floor) = (members.mean(), forest.then_some(FLOOR));
        let z = if forest { p.logits_above(FLOOR)? } else { p.logits() };
        return Ok((samples, z, floor));
    }
    let network = run.network(device)?;
    let samples = Samples::of(patches, network.sample())?;
    let z = samples.rows(|patches| Ok(vec![network.logits(patches)?.view().to_owned()]))?;
    let z = z.into_iter().next().unwrap_or_default();
    let z = Logits::new(network.classes().clone(), z)?;
    Ok((samples, z, None))
}
