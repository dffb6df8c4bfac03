//! Settings of a training, and their checks.

use serde::{Deserialize, Serialize};

use super::ClassWeights;
use crate::nn::augmentation::Augmentation;
use crate::nn::optimizer::{Optimizer, Schedule};
use crate::{Error, Result};

/// How a network is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Training {
    /// Passes over the training set, at most (default 300).
    pub epochs: usize,
    /// Patches per step (64).
    pub batch_size: usize,
    /// The optimiser's rule (Nadam).
    pub optimizer: Optimizer,
    /// The learning rate of the first epoch (0.002).
    pub learning_rate: f64,
    /// The schedule of the learning rate (halved every 5 epochs).
    pub schedule: Schedule,
    /// Epochs without a better validation loss before training stops; 0 never stops early (20).
    pub patience: usize,
    /// Which epoch's weights are kept (the best).
    pub keep: Keep,
    /// Share that batch norm's moving averages keep at each step (0.9). Keras's default of 0.99 needs some
    /// 500 steps to forget where it started: a shorter training tests near chance with it.
    pub batch_norm_momentum: f64,
    /// ε of label smoothing, (1 − ε) y + ε / K; 0, the default, leaves the labels.
    pub label_smoothing: f64,
    /// λ of decoupled weight decay (Loshchilov & Hutter 2019): each step first takes the share
    /// learning rate · λ off every weight of a convolution or a dense layer; biases and batch norm's
    /// parameters stay. 0, the default, for none.
    pub weight_decay: f64,
    /// The largest norm that the gradient of all parameters together may have; a larger one is scaled to
    /// it (Pascanu, Mikolov & Bengio 2013). 0, the default, for no bound.
    pub clip_norm: f64,
    /// How much the classes count (equally).
    pub class_weights: ClassWeights,
    /// How each patch is changed at random before each step (not at all).
    pub augmentation: Augmentation,
    /// Random resized crops (Szegedy et al. 2015): of each patch, a part that is drawn in each epoch is seen, stretched to the patch's
    /// size. Its share of the area is uniform between this, above 0, and 1, its width over its height log-uniform between
    /// 3/4 and 4/3, as in torchvision's `RandomResizedCrop`; a mask is cropped as its patch. 1, the default, for none.
    pub crops: f64,
    /// Random seed of the order of the patches, augmentation and dropout (0). In a run also of the first weights, which
    /// elsewhere [`build`](crate::models::build) draws from its own.
    pub seed: u64,
    /// Seconds after which a run writes a checkpoint in the middle of an epoch (300); 0 after each step. One
    /// is written at the end of each epoch in any case, and where training is interrupted.
    pub checkpoint_seconds: f64,
}

/// Which epoch's weights a training ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Those of the lowest validation loss, as LCZ_LDL does; of the last epoch where nothing validates.
    #[default]
    Best,
    /// Those of the last epoch, mostly overconfident.
    Last,
}

impl Default for Training {
    fn default() -> Self {
        Self {
            epochs: 300,
            batch_size: 64,
            optimizer: Optimizer::Nadam,
            learning_rate: 0.002,
            schedule: Schedule::Step { every: 5, factor: 0.5 },
            patience: 20,
            keep: Keep::Best,
            batch_norm_momentum: 0.9,
            label_smoothing: 0.0,
            weight_decay: 0.0,
            clip_norm: 0.0,
            class_weights: ClassWeights::Uniform,
            augmentation: Augmentation::None,
            crops: 1.0,
            seed: 0,
            checkpoint_seconds: 300.0,
        }
    }
}

impl Training {
    /// The same with N epochs, over which a cosine falls.
    #[must_use]
    pub fn lasting(self, epochs: usize) -> Self {
        let schedule = match self.schedule {
            Schedule::Cosine { floor, .. } => Schedule::Cosine { epochs, floor },
            other => other,
        };
        Self { epochs, schedule, ..self }
    }

    /// A warning, if the schedule gives the last epochs a learning rate of 0.
    pub(crate) fn warning(&self) -> Option<String> {
        let first = (1..=self.epochs).find(|&epoch| self.schedule.factor(epoch) <= 0.0)?;
        let epochs = self.epochs;
        Some(format!(
            "the learning rate is 0 from epoch {first} to {epochs}: the cosine has ended, and the weights no longer change; \
             train again with training.schedule={{kind=\"cosine\", epochs={epochs}}}, or with a floor above 0"
        ))
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// A setting outside its range: names it.
    pub fn check(&self) -> Result<()> {
        let decays = self.weight_decay >= 0.0 && self.weight_decay * self.learning_rate < 1.0;
        let settings = [
            ("epochs", self.epochs as f64, self.epochs > 0, "choose at least 1"),
            ("batch_size", self.batch_size as f64, self.batch_size > 0, "choose at least 1 (64 is usual)"),
            (
                "learning_rate",
                self.learning_rate,
                self.learning_rate.is_finite() && self.learning_rate > 0.0,
                "choose a number above 0",
            ),
            (
                "batch_norm_momentum",
                self.batch_norm_momentum,
                (0.0..1.0).contains(&self.batch_norm_momentum),
                "choose 0 to below 1",
            ),
            (
                "label_smoothing",
                self.label_smoothing,
                (0.0..=1.0).contains(&self.label_smoothing),
                "choose 0 to 1",
            ),
            (
                "weight_decay",
                self.weight_decay,
                self.weight_decay.is_finite() && decays,
                "choose 0 (none) or more, below 1 / learning_rate (1e-4 to 0.05 is usual)",
            ),
            (
                "clip_norm",
                self.clip_norm,
                self.clip_norm.is_finite() && self.clip_norm >= 0.0,
                "choose 0 (no bound) or more",
            ),
            (
                "crops",
                self.crops,
                self.crops > 0.0 && self.crops <= 1.0,
                "choose above 0 to 1: the smallest share of a patch that a crop keeps, such as 0.25; 1 for no crops",
            ),
            (
                "checkpoint_seconds",
                self.checkpoint_seconds,
                self.checkpoint_seconds >= 0.0,
                "choose 0 or more, inf for epochs only",
            ),
        ];
        for (name, value, usable, advice) in settings {
            if !usable {
                return Err(Error::input(format!("training.{name}"), value.to_string(), advice));
            }
        }
        self.schedule.check()
    }
}
