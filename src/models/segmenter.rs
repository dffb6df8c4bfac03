//! Networks that give each pixel a class, behind one trait.

use std::ops::Range;

use ndarray::Array2;

use super::unet::UnetSettings;
use super::{Architecture, summary};
use crate::data::Patches;
use crate::display::Table;
use crate::nn::{
    History, Masked, Observer, ParameterCount, Standardisation, Training, TrainingState, Weights,
};
use crate::{Classes, Imagery, Probabilities, Result};

/// A network that gives each pixel of a patch a probability for each class.
pub trait Segmenter {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// The patches that it takes.
    fn imagery(&self) -> &Imagery;

    /// The classes that it tells apart.
    fn classes(&self) -> &Classes;

    /// Its size.
    fn settings(&self) -> &UnetSettings;

    /// Its kind and size, as a checkpoint holds it.
    fn architecture(&self) -> &Architecture;

    /// What is done to its input first; `None` before it is trained.
    fn standardisation(&self) -> Option<&Standardisation>;

    /// Sets what is done to its input, for weights that come with one.
    ///
    /// # Errors
    /// Another number of bands, or a deviation that is not above 0.
    fn set_standardisation(&mut self, standardisation: Standardisation) -> Result<()>;

    /// Trains it, from the weights it has, and keeps those of the best epoch. A network without a
    /// standardisation takes that of the training set first. After an error it is as it was before.
    ///
    /// The loss of a batch is the mean over its pixels that have a class of −w_k ln p_k, w being the
    /// [`ClassWeights`](crate::ClassWeights); a batch without any has a loss of 0. In the [`History`], the losses and
    /// accuracies are means over such pixels. Augmentation lays a mask as it lays its patch, and
    /// crops it alike, by the nearest pixel.
    ///
    /// # Errors
    /// Unusable settings or data, masks of other classes or sizes or in which no pixel has a class, a loss that is
    /// not finite or beyond return, or an observer's error.
    fn fit(
        &mut self,
        train: Masked<'_>,
        validation: Option<Masked<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History> {
        self.fit_from(TrainingState::start(self.weights()), train, validation, training, observer)
    }

    /// As [`fit`](Self::fit), from a state that such a training, on the same data with the same
    /// settings, has handed its observer: it ends with the same weights, bit by bit, as if it had never
    /// stopped. The network's own weights do not matter; its standardisation does.
    ///
    /// # Errors
    /// As [`fit`](Self::fit); a state of another network.
    fn fit_from(
        &mut self,
        start: TrainingState,
        train: Masked<'_>,
        validation: Option<Masked<'_>>,
        training: &Training,
        observer: &mut dyn Observer,
    ) -> Result<History>;

    /// Class probabilities of every pixel, patch by patch and line by line. Shape: (N S S, K), in f64: a set too
    /// large for that goes through [`predict_each`](Self::predict_each).
    ///
    /// # Errors
    /// Patches unlike those it was trained on, or that cannot be read.
    fn predict(&self, patches: &Patches) -> Result<Probabilities> {
        let pixels = self.imagery().patch_size * self.imagery().patch_size;
        let mut p = Array2::zeros((patches.len() * pixels, self.classes().len()));
        self.predict_each(patches, &mut |part, of_part| {
            p.slice_mut(ndarray::s![part.start * pixels..part.end * pixels, ..]).assign(&of_part.view());
            Ok(())
        })?;
        Ok(Probabilities::of_known(self.classes().clone(), p))
    }

    /// As [`predict`](Self::predict), a few patches at a time: `take` is handed their positions and the
    /// probabilities of their pixels, in order, and may end it.
    ///
    /// # Errors
    /// As [`predict`](Self::predict); any error of `take`.
    fn predict_each(
        &self,
        patches: &Patches,
        take: &mut dyn FnMut(Range<usize>, Probabilities) -> Result<()>,
    ) -> Result<()>;

    /// How many numbers it has.
    fn parameters(&self) -> ParameterCount {
        self.weights().count()
    }

    /// All of them.
    fn weights(&self) -> Weights;

    /// Replaces all of them, or none.
    ///
    /// # Errors
    /// Weights of another architecture.
    fn set_weights(&mut self, weights: &Weights) -> Result<()>;
}

impl dyn Segmenter {
    /// Its layers with the shape of what they give and their parameters, as Keras's `summary` shows them.
    pub fn summary(&self) -> Table {
        summary::table(self.architecture(), self.imagery(), self.classes(), &self.weights())
    }

    /// Floating-point operations that a forward pass of one patch takes: two for each multiplication in a
    /// convolution or a dense layer.
    pub fn forward_operations(&self) -> u64 {
        self.architecture().operations(self.imagery(), self.classes())
    }

    /// Shows its summary below a notebook cell.
    pub fn evcxr_display(&self) {
        self.summary().evcxr_display();
    }
}
