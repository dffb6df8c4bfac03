//! For tests: how large the gradient of each of a network's tensors is.

use dfdx::prelude::*;

use crate::nn::{Backend, Moment, Visitor};

/// Reads the sum of the squares of every tensor's gradient.
pub(super) struct Squares<'a, E: Dtype> {
    gradients: &'a mut Gradients<E, Cpu>,
    /// Tensor by tensor.
    pub(super) found: Vec<(String, f64)>,
}

impl<'a, E: Dtype> Squares<'a, E>
where
    Cpu: Backend<E>,
{
    /// Nothing read yet.
    pub(super) fn of(gradients: &'a mut Gradients<E, Cpu>) -> Self {
        Self { gradients, found: Vec::new() }
    }

    fn keep<S: Shape>(&mut self, name: &str, tensor: &Tensor<S, E, Cpu>) {
        self.gradients.get_or_alloc_mut(tensor).unwrap();
        let gradient = self.gradients.get(tensor).as_vec();
        self.found.push((name.to_owned(), gradient.iter().map(|g| g.to_f64().unwrap().powi(2)).sum()));
    }
}

impl<E: Dtype> Visitor<E, Cpu> for Squares<'_, E>
where
    Cpu: Backend<E>,
{
    fn matrix(&mut self, name: &str, tensor: &mut Tensor<(usize, usize), E, Cpu>) {
        self.keep(name, tensor);
    }

    fn vector(&mut self, name: &str, tensor: &mut Tensor<(usize,), E, Cpu>) {
        self.keep(name, tensor);
    }

    fn statistic(&mut self, _: &str, _: Moment, _: &mut Tensor<(usize,), E, Cpu>) {}
}
