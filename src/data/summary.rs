//! What a set of patches holds, in numbers.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Masks, Patches};
use crate::{Imagery, Result};

/// What a set of patches holds: everything but the pixels themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Where the patches are.
    pub name: String,
    /// How many, N.
    pub patches: usize,
    /// What a patch is.
    pub imagery: Imagery,
    /// Whether the file does not state its unit, so that reflectance is assumed.
    pub unit_assumed: bool,
    /// Provenance, as the file states it.
    pub provenance: String,
    /// The classes, each with its patches where there are labels, its pixels where there are masks.
    pub classes: Vec<ClassCount>,
    /// The share of the pixels without a class, 0–1, where there are masks.
    pub unlabelled_pixels: Option<f64>,
    /// How far the experts agree, where there are votes.
    pub votes: Option<VoteAgreement>,
    /// Number of cities or regions, where the file states them.
    pub groups: Option<usize>,
    /// The names of the cities, where the groups have names.
    pub cities: Vec<String>,
    /// What makes the file slow to read, and how to fix it.
    pub unfavourable_chunks: Option<String>,
}

/// A class and its patches.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassCount {
    /// The code, as files hold it.
    pub code: String,
    /// Code and name.
    pub name: String,
    /// How many patches; none where there are no labels.
    pub patches: Option<usize>,
    /// How many pixels; none where there are no masks.
    pub pixels: Option<usize>,
}

/// How far the votes of several experts agree.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VoteAgreement {
    /// Mean voting entropy, in nats.
    pub mean_entropy: f64,
    /// The share of the patches whose experts all chose one class, 0–1.
    pub unanimous: f64,
}

impl Summary {
    /// Reads the labels, masks, votes and groups, but no image.
    ///
    /// # Errors
    /// Labels that are not one-hot, a pixel of a mask whose value is not a class, or a patch without votes (names the row).
    pub fn from_patches(patches: &Patches) -> Result<Self> {
        let counts = if patches.has_labels() { Some(patches.labels()?.counts()) } else { None };
        let masks = if patches.has_masks() { Some(patches.masks()?) } else { None };
        let pixels = masks.as_ref().map(Masks::counts);
        let classes = patches.classes();
        let class = |k: usize| ClassCount {
            code: classes.code(k).to_owned(),
            name: classes.name(k),
            patches: counts.as_ref().map(|counts| counts[k]),
            pixels: pixels.as_ref().map(|pixels| pixels[k]),
        };
        Ok(Self {
            name: patches.name(),
            patches: patches.len(),
            imagery: patches.imagery().clone(),
            unit_assumed: patches.assumes_unit(),
            provenance: patches.provenance().to_owned(),
            classes: (0..classes.len()).map(class).collect(),
            unlabelled_pixels: masks.map(|masks| masks.ignored() as f64 / masks.view().len() as f64),
            votes: if patches.has_votes() { Some(VoteAgreement::of(patches)?) } else { None },
            groups: patches.groups().map(|groups| groups.into_iter().collect::<BTreeSet<_>>().len()),
            cities: patches.cities().iter().map(|(_, name)| name.clone()).collect(),
            unfavourable_chunks: patches.unfavourable_chunks(),
        })
    }

    /// Whether the classes have counts.
    pub fn has_labels(&self) -> bool {
        self.classes.iter().any(|class| class.patches.is_some())
    }
}

impl VoteAgreement {
    fn of(patches: &Patches) -> Result<Self> {
        let entropy = patches.votes()?.distributions().entropy();
        let n = entropy.len() as f64;
        let unanimous = entropy.iter().filter(|h| **h == 0.0).count();
        Ok(Self { mean_entropy: entropy.iter().sum::<f64>() / n, unanimous: unanimous as f64 / n })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Bands, Classes, Labels, Votes};
    use ndarray::{Array4, array};

    #[test]
    fn a_summary_counts_classes_groups_and_agreement() {
        let imagery = Imagery { patch_size: 1, bands: Bands::named(["B2"]).unwrap(), ..Imagery::so2sat() };
        let classes = Classes::named(["forest", "river"]).unwrap();
        let patches = Patches::in_memory(imagery, classes.clone(), Array4::zeros((4, 1, 1, 1))).unwrap();
        let bare = Summary::from_patches(&patches).unwrap();
        assert_eq!(
            (bare.classes[0].patches, bare.classes[0].pixels, bare.unlabelled_pixels),
            (None, None, None)
        );
        let masks = Masks::new(classes.clone(), array![[[1]], [[1]], [[Masks::IGNORED]], [[0]]]).unwrap();
        let masked = Summary::from_patches(&patches.clone().with_masks(&masks).unwrap()).unwrap();
        assert_eq!((masked.classes[0].pixels, masked.classes[1].pixels), (Some(1), Some(2)));
        assert_eq!(masked.unlabelled_pixels, Some(0.25));

        let votes = array![[4.0, 0.0], [2.0, 2.0], [0.0, 4.0], [2.0, 2.0]];
        let patches = patches
            .with_labels(&Labels::new(classes.clone(), vec![0, 0, 1, 0]).unwrap())
            .and_then(|patches| patches.with_votes(&Votes::new(classes, votes).unwrap()))
            .and_then(|patches| patches.with_groups(vec![7, 7, -1, 3]))
            .unwrap();
        let summary = Summary::from_patches(&patches).unwrap();
        assert_eq!(summary.classes.iter().map(|class| class.patches).collect::<Vec<_>>(), [Some(3), Some(1)]);
        assert_eq!(summary.groups, Some(3));
        let agreement = summary.votes.unwrap();
        assert!((agreement.unanimous - 0.5).abs() < 1e-15);
        assert!((agreement.mean_entropy - 2f64.ln() / 2.0).abs() < 1e-15);
    }
}
