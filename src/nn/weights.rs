//! A network's parameters in host memory: read, set, counted.

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::layers::{Visitor, sides};
use super::module::Module;
use super::ops::{Backend, Vector};
use crate::{Error, Result};

/// One tensor's shape and numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    /// The sides.
    pub shape: Vec<usize>,
    /// The numbers, last side fastest.
    pub values: Vec<f32>,
    /// Whether training changes it (a moving average is not trained).
    pub trainable: bool,
}

/// A network's tensors by name, moving averages included.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights(BTreeMap<String, Weight>);

impl Weights {
    /// Tensors by name.
    pub fn new(tensors: BTreeMap<String, Weight>) -> Self {
        Self(tensors)
    }

    /// The tensors in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Weight)> {
        self.0.iter()
    }

    /// One tensor.
    pub fn get(&self, name: &str) -> Option<&Weight> {
        self.0.get(name)
    }

    /// Whether no number is NaN or infinite.
    pub(crate) fn are_finite(&self) -> bool {
        self.0.values().all(|weight| weight.values.iter().all(|x| x.is_finite()))
    }

    /// How many numbers there are.
    pub fn count(&self) -> ParameterCount {
        let numbers = |only_trainable: bool| {
            self.0.values().filter(|w| w.trainable || !only_trainable).map(|w| w.values.len()).sum()
        };
        ParameterCount { total: numbers(false), trainable: numbers(true) }
    }
}

/// The number of a network's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    /// All, moving averages included, as Keras counts.
    pub total: usize,
    /// Those that training changes.
    pub trainable: usize,
}

/// Reads all tensors.
pub(crate) fn read<D: Backend<f32>>(module: &impl Module<f32, D>) -> Weights {
    Weights(Reader::of(module, true))
}

struct Reader {
    /// Otherwise only shapes are read.
    with_values: bool,
    found: BTreeMap<String, Weight>,
}

impl Reader {
    fn of<D: Backend<f32>>(module: &impl Module<f32, D>, with_values: bool) -> BTreeMap<String, Weight> {
        let mut reader = Self { with_values, found: BTreeMap::new() };
        // A clone shares the tensors' numbers; visiting needs it mutable, reading changes nothing.
        module.clone().visit(&mut reader);
        reader.found
    }

    fn keep<S: Shape, D: Backend<f32>>(&mut self, name: &str, tensor: &Tensor<S, f32, D>, trainable: bool) {
        let values = if self.with_values { D::numbers(tensor) } else { Vec::new() };
        self.found.insert(name.to_owned(), Weight { shape: sides(tensor.shape()), values, trainable });
    }
}

impl<D: Backend<f32>> Visitor<f32, D> for Reader {
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, f32, D>) {
        self.keep(name, tensor, true);
    }

    fn average(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        self.keep(name, tensor, false);
    }
}

/// Beyond it, products of weights leave the range of f32, and the logits are no numbers.
const LARGEST: f32 = 1e15;

/// Puts tensors into a network; nothing is changed unless every one fits.
///
/// # Errors
/// A tensor that is missing, has another shape or a number that is NaN or beyond 1e15, or one too many: names it.
pub(crate) fn write<D: Backend<f32>>(module: &mut impl Module<f32, D>, weights: &Weights) -> Result<()> {
    // Only shapes: a second copy of a large network's numbers would be the peak of its training's memory.
    let present = Reader::of(module, false);
    let refuse = |name: &str, problem: String| {
        Err(Error::input(format!("weight '{name}'"), problem, "use weights of this architecture"))
    };
    for (name, Weight { shape, .. }) in &present {
        let problem = match weights.get(name) {
            None => Some("is missing".to_owned()),
            Some(given) if given.shape != *shape => {
                Some(format!("has shape {:?}, not {shape:?}", given.shape))
            }
            Some(given) => given
                .values
                .iter()
                .find(|x| x.is_nan() || x.abs() > LARGEST)
                .map(|x| format!("holds {x:e}, where no number is beyond {LARGEST:e}")),
        };
        if let Some(problem) = problem {
            return refuse(name, problem);
        }
    }
    if let Some((name, _)) = weights.iter().find(|(name, _)| !present.contains_key(*name)) {
        return refuse(name, "the network has no such tensor".to_owned());
    }
    module.visit(&mut Writer(weights));
    Ok(())
}

struct Writer<'a>(&'a Weights);

impl<D: Backend<f32>> Visitor<f32, D> for Writer<'_> {
    fn tensor<S: Shape>(&mut self, name: &str, tensor: &mut Tensor<S, f32, D>) {
        tensor.copy_from(&self.0.0[name].values);
    }

    fn average(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        self.tensor(name, tensor);
    }
}

/// Moves a network's averages towards a batch's statistics, which are under their names:
/// average ← momentum · average + (1 − momentum) · batch.
pub(crate) struct MovingAverages<D: Backend<f32>> {
    pub(crate) statistics: BTreeMap<String, Vector<f32, D>>,
    pub(crate) momentum: f64,
}

impl<D: Backend<f32>> Visitor<f32, D> for MovingAverages<D> {
    fn tensor<S: Shape>(&mut self, _: &str, _: &mut Tensor<S, f32, D>) {}

    fn average(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        if let Some(batch) = self.statistics.get(name) {
            tensor.axpy(self.momentum, batch, 1.0 - self.momentum);
        }
    }
}
