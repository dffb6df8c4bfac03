//! How much each class counts in the loss.

use serde::{Deserialize, Serialize};

use super::Examples;
use crate::{Error, Result};

/// Factors w_k of the classes in the loss −(1/B) Σ_i Σ_k w_k y_ik ln p_ik, as `class_weight` of Keras's `fit`
/// for one-hot labels and `weight` of PyTorch's `cross_entropy` for distributions. The samples i are patches, or
/// in segmentation the batch's B pixels that have a class (PyTorch divides by the sum of their weights there).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "Given", into = "Given")]
pub enum ClassWeights {
    /// All classes count equally, each patch once.
    #[default]
    Uniform,
    /// w_k = N / (K n_k), with n_k the labels' mass on class k (how many patches or pixels it has) and K the
    /// classes that have any: rare classes count as much as frequent ones (scikit-learn's `balanced`).
    Balanced,
    /// These, in the order of the classes; above 0.
    Each(Vec<f64>),
}

/// As a configuration holds it.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Given {
    Word(String),
    Numbers(Vec<f64>),
}

impl TryFrom<Given> for ClassWeights {
    type Error = String;

    fn try_from(given: Given) -> std::result::Result<Self, String> {
        match given {
            Given::Word(word) if word == "none" => Ok(Self::Uniform),
            Given::Word(word) if word == "balanced" => Ok(Self::Balanced),
            Given::Numbers(weights) if weights.iter().all(|w| w.is_finite() && *w > 0.0) => {
                Ok(Self::Each(weights))
            }
            Given::Word(word) => Err(format!("class weights '{word}', expected none, balanced or numbers")),
            Given::Numbers(_) => Err("class weights that are not above 0".to_owned()),
        }
    }
}

impl From<ClassWeights> for Given {
    fn from(weights: ClassWeights) -> Self {
        match weights {
            ClassWeights::Uniform => Self::Word("none".to_owned()),
            ClassWeights::Balanced => Self::Word("balanced".to_owned()),
            ClassWeights::Each(weights) => Self::Numbers(weights),
        }
    }
}

impl ClassWeights {
    /// The factors for a training set, if the classes do not count equally.
    ///
    /// # Errors
    /// Another number of factors than of classes.
    pub(super) fn of(&self, examples: &Examples<'_>) -> Result<Option<Vec<f64>>> {
        let classes = examples.classes().len();
        match self {
            Self::Uniform => Ok(None),
            Self::Each(weights) if weights.len() == classes => Ok(Some(weights.clone())),
            Self::Each(weights) => Err(Error::input(
                "training.class_weights",
                format!("{} numbers for {classes} classes ({})", weights.len(), examples.classes()),
                "give one per class, or balanced",
            )),
            Self::Balanced => {
                let (samples, masses) = examples.masses();
                let present = masses.iter().filter(|mass| **mass > 0.0).count() as f64;
                let weight = |mass: &f64| if *mass > 0.0 { samples as f64 / (present * mass) } else { 1.0 };
                Ok(Some(masses.iter().map(weight).collect()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Masks, Patches};
    use crate::nn::{Labelled, Masked};
    use crate::{Bands, Classes, Imagery, Labels};
    use ndarray::{Array4, array};

    #[test]
    fn rare_classes_count_as_much_as_frequent_ones() {
        // scikit-learn's compute_class_weight("balanced", classes=[0, 1, 3], y=[0, 0, 0, 1, 1, 3]) gives
        // 2/3, 1, 2; class 2 has no patch.
        let classes = Classes::from_count(4);
        let labels = Labels::new(classes.clone(), vec![0, 0, 0, 1, 1, 3]).unwrap().one_hot();
        let patches = |size: usize, count: usize| {
            let imagery = Imagery { patch_size: size, bands: Bands::from_count(1), ..Imagery::so2sat() };
            Patches::in_memory(imagery, classes.clone(), Array4::zeros((count, size, size, 1))).unwrap()
        };
        let six = patches(1, 6);
        let examples = Examples::from(Labelled { patches: &six, labels: &labels });
        // The same as pixels, with two that have no class.
        let (two, none) = (patches(2, 2), Masks::IGNORED);
        let masks = Masks::new(classes, array![[[0, none], [1, 0]], [[3, 1], [none, 0]]]).unwrap();
        let pixels = Examples::from(Masked { patches: &two, masks: &masks });
        for examples in [&examples, &pixels] {
            let weights = ClassWeights::Balanced.of(examples).unwrap().unwrap();
            for (got, expected) in weights.iter().zip([2.0 / 3.0, 1.0, 1.0, 2.0]) {
                assert!((got - expected).abs() < 1e-12, "{weights:?}");
            }
            assert_eq!(ClassWeights::Uniform.of(examples).unwrap(), None);
        }
        let error = ClassWeights::Each(vec![1.0; 3]).of(&examples).unwrap_err().to_string();
        assert!(error.contains("3 numbers for 4 classes"), "{error}");
    }

    #[test]
    fn they_are_read_as_they_are_written_and_nothing_else_is() {
        #[derive(Serialize, Deserialize, PartialEq, Debug)]
        struct Holder {
            w: ClassWeights,
        }
        for w in [ClassWeights::Uniform, ClassWeights::Balanced, ClassWeights::Each(vec![0.5, 2.0])] {
            let text = toml::to_string(&Holder { w: w.clone() }).unwrap();
            assert_eq!(toml::from_str::<Holder>(&text).unwrap().w, w, "{text}");
        }
        for wrong in ["w = 'balance'", "w = [1.0, 0.0]", "w = [nan]", "w = 3"] {
            assert!(toml::from_str::<Holder>(wrong).is_err(), "{wrong}");
        }
    }
}
