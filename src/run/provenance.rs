//! Provenance of the figures of a run.

use super::Run;
use super::config::load_table;
use crate::data::Patches;
use crate::figures::{Provenance, Source};
use crate::hash::checksum;
use crate::{Error, Result};

impl Run {
    /// The provenance of numbers that this run got from these patches.
    ///
    /// # Errors
    /// A configuration or patches that cannot be read.
    pub(crate) fn provenance(&self, patches: &Patches, source: Source) -> Result<Provenance> {
        let (seed, configuration) = self.settings()?;
        Ok(Provenance {
            data_checksum: Some(data_checksum(patches)?),
            seed,
            configuration,
            ..Provenance::new(patches.provenance(), source)
        })
    }

    /// The seed and the checksum of `config.toml`; an imported network has neither.
    pub(crate) fn settings(&self) -> Result<(Option<u64>, Option<String>)> {
        let path = self.folder().join("config.toml");
        if !path.exists() {
            return Ok((None, None));
        }
        let (table, _) = load_table(&path)?;
        let seed = table.get("training").and_then(|training| training.get("seed"));
        let bytes = std::fs::read(&path).map_err(Error::io(&path))?;
        Ok((seed.and_then(toml::Value::as_integer).map(|seed| seed as u64), Some(checksum(bytes))))
    }
}

/// The checksum of a set, which may be larger than memory: of its extent, its labels, and the pixels of
/// its first, middle and last patch.
pub(crate) fn data_checksum(patches: &Patches) -> Result<String> {
    let n = patches.len();
    let extent = format!("{n} {:?} {}", patches.imagery(), patches.classes());
    let labels = if patches.has_labels() { patches.labels()?.indices().to_vec() } else { Vec::new() };
    let pixels = match n {
        0 => Vec::new(),
        n => patches.images_at(&[0, (n - 1) / 2, n - 1])?.into_iter().collect::<Vec<f32>>(),
    };
    let labels = labels.into_iter().flat_map(|k| (k as u64).to_le_bytes());
    let pixels = pixels.into_iter().flat_map(|v| v.to_bits().to_le_bytes());
    Ok(checksum(extent.into_bytes().into_iter().chain(labels).chain(pixels)))
}
