//! A run's predictions of a file of patches, streamed into another file.

use std::path::Path;

use serde::Serialize;

use super::Run;
use crate::data::predictions::{PredictionWriter, labels_fit};
use crate::data::{Sample, So2Sat};
use crate::files::check_free;
use crate::models::Device;
use crate::predictions::StoredTemperature;
use crate::uncertainty::{MeanEntropy, Members};
use crate::{Progress, Result};

/// Patches whose pixels are predicted and written at once.
const AT_ONCE: usize = 64;

/// How a file is predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prediction {
    /// Whether the run's temperature is ignored.
    pub unscaled: bool,
    /// Passes of Monte Carlo dropout whose mean is taken; they have no temperature, which is fitted to single passes
    /// without dropout.
    pub passes: Option<usize>,
    /// Random seed of the passes.
    pub seed: u64,
    /// Where the model runs.
    pub device: Device,
}

/// What a file of predictions holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PredictionReport {
    /// Patches, N.
    pub patches: usize,
    /// The unit of classification.
    pub sample: Sample,
    /// The codes of the classes.
    pub classes: Vec<String>,
    /// How often each class was predicted.
    pub predicted: Vec<usize>,
    /// Mean of the highest probability.
    pub mean_confidence: f64,
    /// Networks of an ensemble or passes with dropout; else 1.
    pub members: usize,
    /// Where there are several members, in nats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entropy: Option<MeanEntropy>,
    /// The temperature, and how it was fitted; none if the model's own probabilities were kept.
    pub temperature: Option<StoredTemperature>,
    /// The temperature of the run that was ignored.
    #[serde(skip)]
    pub ignored: Option<StoredTemperature>,
    /// Whether the patches have labels or masks of other classes than the model's, which are not copied.
    #[serde(skip)]
    pub other_classes: bool,
}

/// Writes a run's class probabilities of a file: `probabilities` [N, K], or [N, S, S, K] where each pixel is given a class,
/// with the labels, votes, masks and groups of the patches. The new file appears whole or not at all.
///
/// See the [module's example](crate::run).
///
/// # Errors
/// Other patches than those that the run was trained on, passes of a model that is not a network or has no dropout, a file that exists or
/// cannot be written.
pub fn predict(
    run: &Run,
    data: impl AsRef<Path>,
    out: impl AsRef<Path>,
    how: Prediction,
    progress: &mut dyn Progress,
) -> Result<PredictionReport> {
    let data = data.as_ref();
    let out = out.as_ref();
    check_free(out)?;
    let model = match how.passes {
        Some(passes) => run.mc_dropout(passes, how.seed, how.device)?,
        None => run.classifier(how.device)?,
    };
    let patches = run.described(So2Sat::open(data)?).bands(&model.imagery().bands).patches()?;
    let stored = run.temperature()?;
    let (temperature, ignored) =
        if how.unscaled || how.passes.is_some() { (None, stored) } else { (stored, None) };
    let (classes, sample) = (model.classes(), model.sample());
    let mut writer = PredictionWriter::create(out, classes, sample, &patches)?;
    if let Some(by) = &temperature {
        writer.temperature(by)?;
    }
    let mut report = PredictionReport {
        patches: patches.len(),
        sample,
        classes: classes.codes().to_vec(),
        predicted: vec![0; classes.len()],
        mean_confidence: 0.0,
        members: 1,
        entropy: None,
        temperature,
        ignored,
        other_classes: !labels_fit(classes, &patches),
    };
    progress.begin("predict", patches.len() as u64);
    let (mut samples, mut entropies) = (0, [0.0; 3]);
    // A part of a set draws another dropout than the set.
    let at_once = if sample == Sample::Pixel { AT_ONCE } else { patches.len().max(1) };
    for (_, part) in patches.parts(at_once) {
        let members = Members::new(model.members(&part)?)?;
        let p = match &report.temperature {
            Some(by) => &by.scale(members.mean())?,
            None => members.mean(),
        };
        samples += p.len();
        report.mean_confidence += p.confidence().iter().sum::<f64>();
        report.predicted.iter_mut().zip(p.predicted().counts()).for_each(|(sum, count)| *sum += count);
        report.members = members.all().len();
        let mut numbers = Vec::new();
        let entropy = members.entropy();
        if report.members > 1 {
            let parts = [&entropy.total, &entropy.aleatoric, &entropy.epistemic];
            let names = ["entropy_total", "entropy_aleatoric", "entropy_epistemic"];
            numbers.extend(names.into_iter().zip(parts.map(Vec::as_slice)));
            entropies.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part.iter().sum::<f64>());
        }
        writer.append(p, &numbers)?;
        progress.advance(part.len() as u64, "");
    }
    progress.end("");
    writer.finish()?;
    report.mean_confidence /= samples as f64;
    let [total, aleatoric, epistemic] = entropies.map(|sum| sum / samples as f64);
    report.entropy = (report.members > 1).then_some(MeanEntropy { total, aleatoric, epistemic });
    Ok(report)
}
