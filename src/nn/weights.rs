//! A network's numbers off its device: read out, put back, counted.

use std::collections::BTreeMap;

use dfdx::prelude::*;

use super::layers::{Moment, Visitor};
use super::module::Module;
use super::ops::{Backend, Matrix, Statistics, Vector};
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

/// How many numbers a network has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParameterCount {
    /// All, moving averages included, as Keras counts.
    pub total: usize,
    /// Those that training changes.
    pub trainable: usize,
}

/// Reads all tensors.
pub(crate) fn read<D: Backend<f32>>(module: &impl Module<f32, D>) -> Weights {
    let mut reader = Reader::default();
    // A clone shares the tensors' numbers; visiting needs it mutable, reading changes nothing.
    module.clone().visit(&mut reader);
    Weights(reader.0)
}

#[derive(Default)]
struct Reader(BTreeMap<String, Weight>);

impl Reader {
    fn keep(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>, trainable: bool) {
        self.0.insert(name, Weight { shape, values, trainable });
    }
}

impl<D: Backend<f32>> Visitor<f32, D> for Reader {
    fn matrix(&mut self, name: &str, tensor: &mut Matrix<f32, D>) {
        let (rows, columns) = *tensor.shape();
        self.keep(name.to_owned(), vec![rows, columns], D::numbers(tensor), true);
    }

    fn vector(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        self.keep(name.to_owned(), vec![tensor.shape().0], D::numbers(tensor), true);
    }

    fn statistic(&mut self, layer: &str, kind: Moment, tensor: &mut Vector<f32, D>) {
        self.keep(format!("{layer}.{}", kind.name()), vec![tensor.shape().0], D::numbers(tensor), false);
    }
}

/// Puts tensors into a network; nothing is changed unless every one fits.
///
/// # Errors
/// A tensor that is missing, has another shape or is not finite, or one too many: names it.
pub(crate) fn write<D: Backend<f32>>(module: &mut impl Module<f32, D>, weights: &Weights) -> Result<()> {
    // Shapes alone: a second copy of a large network's numbers would be the peak of its training's memory.
    let mut present = Shapes::default();
    module.clone().visit(&mut present);
    for (name, shape) in &present.0 {
        let problem = match weights.get(name) {
            None => Some("is missing".to_owned()),
            Some(given) if given.shape != *shape => {
                Some(format!("has shape {:?}, not {shape:?}", given.shape))
            }
            Some(given) if given.values.iter().any(|x| !x.is_finite()) => Some("is not finite".to_owned()),
            Some(_) => None,
        };
        if let Some(problem) = problem {
            return Err(Error::input(
                format!("weight '{name}'"),
                problem,
                "use weights of this architecture",
            ));
        }
    }
    if let Some((name, _)) = weights.iter().find(|(name, _)| !present.0.contains_key(*name)) {
        return Err(Error::input(
            format!("weight '{name}'"),
            "the network has no such tensor",
            "use weights of this architecture",
        ));
    }
    module.visit(&mut Writer(weights));
    Ok(())
}

/// The sides of each tensor.
#[derive(Default)]
struct Shapes(BTreeMap<String, Vec<usize>>);

impl<D: Backend<f32>> Visitor<f32, D> for Shapes {
    fn matrix(&mut self, name: &str, tensor: &mut Matrix<f32, D>) {
        let (rows, columns) = *tensor.shape();
        self.0.insert(name.to_owned(), vec![rows, columns]);
    }

    fn vector(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        self.0.insert(name.to_owned(), vec![tensor.shape().0]);
    }

    fn statistic(&mut self, layer: &str, kind: Moment, tensor: &mut Vector<f32, D>) {
        self.0.insert(format!("{layer}.{}", kind.name()), vec![tensor.shape().0]);
    }
}

struct Writer<'a>(&'a Weights);

impl Writer<'_> {
    fn put<S: Shape, D: Backend<f32>>(&self, name: &str, tensor: &mut Tensor<S, f32, D>) {
        tensor.copy_from(&self.0.0[name].values);
    }
}

impl<D: Backend<f32>> Visitor<f32, D> for Writer<'_> {
    fn matrix(&mut self, name: &str, tensor: &mut Matrix<f32, D>) {
        self.put(name, tensor);
    }

    fn vector(&mut self, name: &str, tensor: &mut Vector<f32, D>) {
        self.put(name, tensor);
    }

    fn statistic(&mut self, layer: &str, kind: Moment, tensor: &mut Vector<f32, D>) {
        self.put(&format!("{layer}.{}", kind.name()), tensor);
    }
}

/// Moves a network's averages towards a batch's statistics:
/// average ← momentum · average + (1 − momentum) · batch.
pub(crate) struct MovingAverages<D: Backend<f32>> {
    pub(crate) statistics: BTreeMap<String, Statistics<f32, D>>,
    pub(crate) momentum: f64,
}

impl<D: Backend<f32>> Visitor<f32, D> for MovingAverages<D> {
    fn matrix(&mut self, _: &str, _: &mut Matrix<f32, D>) {}

    fn vector(&mut self, _: &str, _: &mut Vector<f32, D>) {}

    fn statistic(&mut self, layer: &str, kind: Moment, tensor: &mut Vector<f32, D>) {
        if let Some(batch) = self.statistics.get(layer) {
            let batch = match kind {
                Moment::Mean => &batch.mean,
                Moment::Variance => &batch.variance,
            };
            tensor.axpy(self.momentum, batch, 1.0 - self.momentum);
        }
    }
}
