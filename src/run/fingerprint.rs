//! Checks that a training is resumed on the same data, without reading all of them.

use serde::{Deserialize, Serialize};

use crate::hash::checksum;
use crate::{Examples, Imagery, Result};

/// A set's size, kind, labels and a few of its pixels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Fingerprint {
    patches: usize,
    /// Size of the file: other chunks would mean another order of the patches.
    bytes: Option<u64>,
    imagery: Imagery,
    classes: Vec<String>,
    labels: String,
    /// Of the first, the middle and the last patch.
    pixels: String,
}

impl Fingerprint {
    /// Of patches and their targets.
    ///
    /// # Errors
    /// Patches that cannot be read.
    pub(crate) fn of<'a>(set: impl Into<Examples<'a>>) -> Result<Self> {
        let set = set.into();
        let patches = set.patches;
        let last = patches.len() - 1;
        let images = patches.images_at(&[0, last / 2, last])?;
        Ok(Self {
            patches: patches.len(),
            bytes: patches.file_bytes(),
            imagery: patches.imagery().clone(),
            classes: patches.classes().codes().to_vec(),
            labels: checksum(set.bytes()),
            pixels: checksum(images.iter().flat_map(|v| v.to_bits().to_le_bytes())),
        })
    }

    /// How many patches the set has.
    pub(crate) fn patches(&self) -> usize {
        self.patches
    }

    /// The first difference, in a few words; none if there is none.
    pub(crate) fn change(&self, now: &Self) -> Option<String> {
        if self.patches != now.patches {
            return Some(format!("{} patches where it had {}", now.patches, self.patches));
        }
        let parts = [
            (self.imagery != now.imagery, "size, bands or unit of its patches"),
            (self.classes != now.classes, "classes"),
            (self.labels != now.labels, "labels"),
            (self.pixels != now.pixels, "pixels"),
            (self.bytes != now.bytes, "size of the file"),
        ];
        parts.into_iter().find(|(changed, _)| *changed).map(|(_, what)| format!("other {what} than it had"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Patches;
    use crate::nn::Labelled;
    use crate::{Classes, Labels};
    use ndarray::Array4;

    #[test]
    fn other_labels_pixels_or_sizes_are_noticed() {
        let of = |n: usize, label: usize, pixel: f32| {
            let imagery = Imagery { patch_size: 2, ..Imagery::so2sat() };
            let mut images = Array4::zeros((n, 2, 2, 10));
            images[[n - 1, 1, 1, 9]] = pixel;
            let patches = Patches::in_memory(imagery, Classes::lcz(), images).unwrap();
            let labels = Labels::new(Classes::lcz(), (0..n).map(|k| k * label).collect()).unwrap();
            Fingerprint::of(Labelled { patches: &patches, labels: &labels.one_hot() }).unwrap()
        };
        let before = of(3, 1, 0.5);
        assert_eq!(before.change(&of(3, 1, 0.5)), None);
        assert_eq!(before.change(&of(4, 1, 0.5)).unwrap(), "4 patches where it had 3");
        assert_eq!(before.change(&of(3, 2, 0.5)).unwrap(), "other labels than it had");
        assert_eq!(before.change(&of(3, 1, 0.6)).unwrap(), "other pixels than it had");
    }
}
