//! The band of a raster that holds class numbers: by its description or its number.
//!
//! The LCZ Generator's map has three bands: `lcz`, `lczFilter` and a probability.

use super::geotiff::GeoTiff;
use crate::{Error, Result};

/// Descriptions of bands that hold classes, letters and digits alone, in lower case.
const USUAL: [&str; 7] = ["lcz", "lczfilter", "lczfiltered", "lczraw", "class", "classes", "classfilter"];

/// Whether a band of this description holds classes.
pub(super) fn is_of_classes(description: &str) -> bool {
    USUAL.contains(&&*plain(description))
}

/// Letters and digits alone, in lower case.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

impl GeoTiff {
    /// The same file as a raster of one band, which holds classes: the one of this description or number (from 1 on);
    /// without a name its only one, or the only one that is described as classes (a warning names it). `of` describes what
    /// is looked for.
    ///
    /// # Errors
    /// No such band, or several that may be meant; lists them.
    pub(super) fn class_band(self, layer: Option<&str>, of: &str) -> Result<Self> {
        let names: Vec<&str> = self.tags().iter().map(|tags| tags.name.as_deref().unwrap_or("")).collect();
        let listed = || {
            let each = (1..)
                .zip(&names)
                .map(|(k, name)| format!("{k} {}", if name.is_empty() { "unnamed" } else { name }));
            each.collect::<Vec<_>>().join(", ")
        };
        if let Some(layer) = layer {
            let wanted = layer.trim();
            let named: Vec<usize> =
                (0..names.len()).filter(|&k| names[k].trim().eq_ignore_ascii_case(wanted)).collect();
            let number = wanted.parse().ok().and_then(|number: usize| number.checked_sub(1));
            let band = match named[..] {
                [band] => Some(band),
                _ => number.filter(|&band| band < names.len()),
            };
            let Some(band) = band else {
                let problem = format!("no band '{layer}' (found: {})", listed());
                let advice = "name one of these, or give its number: --layer";
                return Err(Error::file(self.path(), problem, advice));
            };
            return Ok(self.only(band));
        }
        if self.bands() == 1 {
            return Ok(self);
        }
        let usual: Vec<usize> = (0..names.len()).filter(|&k| is_of_classes(names[k])).collect();
        if let [band] = usual[..] {
            tracing::warn!(
                "{}: of {} bands, classes are read from '{}'",
                self.path().display(),
                names.len(),
                names[band]
            );
            return Ok(self.only(band));
        }
        let problem = format!("{} bands, where one of {of} is expected ({})", names.len(), listed());
        let advice = "name it by description or number: --layer 1 (a map to assess: --band 1)";
        Err(Error::file(self.path(), problem, advice))
    }
}
