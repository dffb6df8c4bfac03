//! A classifier with its temperature.

use super::{Classifier, Sample};
use crate::calibration::TemperatureFit;
use crate::data::Patches;
use crate::predictions::StoredTemperature;
use crate::{Classes, Imagery, Probabilities, Result, Temperature};

/// The least probability before the logarithm, of a classifier with probabilities of 0, such as a forest: half of the
/// share of one tree of 500.
pub(crate) const FLOOR: f64 = 0.001;

/// A classifier whose probabilities are scaled by a temperature (Guo et al. 2017, §4.2); its decisions stay.
#[derive(Debug)]
pub struct Calibrated {
    pub(crate) classifier: Box<dyn Classifier>,
    temperature: StoredTemperature,
}

impl Calibrated {
    /// With a temperature that was fitted before.
    ///
    /// # Errors
    /// A temperature that is not above 0.
    pub fn new(classifier: Box<dyn Classifier>, temperature: StoredTemperature) -> Result<Self> {
        Temperature::new(temperature.temperature)?;
        Ok(Self { classifier, temperature })
    }

    /// With the temperature that minimises the cross-entropy on validation patches: against their votes, or against their
    /// labels where there are no votes ([`Patches::targets`]).
    ///
    /// # Errors
    /// A classifier of pixels; patches that do not fit it, or without votes and labels; a temperature that should not be used
    /// ([`TemperatureFit::check`]).
    ///
    /// ```no_run
    /// # fn example(patches: &lcz::data::Patches) -> lcz::Result<()> {
    /// use lcz::models::{Calibrated, Classifier, Device};
    /// let network = lcz::checkpoint::load("model.safetensors", Device::Cpu)?;
    /// let calibrated = Calibrated::fit(network, patches)?;
    /// println!("{}: {}", calibrated.name(), calibrated.temperature());
    /// calibrated.save("calibrated.safetensors")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn fit(classifier: Box<dyn Classifier>, validation: &Patches) -> Result<Self> {
        let p = classifier.predict(validation)?;
        let floor = p.view().iter().any(|p| *p == 0.0).then_some(FLOOR);
        let z = floor.map_or_else(|| Ok(p.logits()), |floor| p.logits_above(floor))?;
        let fit = TemperatureFit::fit(&z, &validation.targets()?)?;
        fit.check(validation.len(), &validation.name())?;
        let temperature = StoredTemperature {
            temperature: fit.temperature.value(),
            procedure: "exact".to_owned(),
            data: validation.name(),
            patches: validation.len(),
            floor,
        };
        Ok(Self { classifier, temperature })
    }

    /// Its temperature.
    pub fn temperature(&self) -> &StoredTemperature {
        &self.temperature
    }
}

impl Classifier for Calibrated {
    fn name(&self) -> &str {
        self.classifier.name()
    }

    fn imagery(&self) -> &Imagery {
        self.classifier.imagery()
    }

    fn classes(&self) -> &Classes {
        self.classifier.classes()
    }

    fn sample(&self) -> Sample {
        self.classifier.sample()
    }

    fn temperature(&self) -> Option<&StoredTemperature> {
        Some(&self.temperature)
    }

    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        self.temperature.scale(&self.classifier.predict(patches)?)
    }
}
