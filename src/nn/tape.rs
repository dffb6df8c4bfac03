//! One tape type for training and inference, so that a network has one forward pass and one type.

use std::fmt;

use dfdx::prelude::*;

/// A tape that records, or does not: decided at run time.
///
/// A tape made by `default`, as dfdx's own compositions do in their middle, records: merged with a
/// recording tape it adds to it, merged with one that is off it is dropped.
pub(crate) struct AnyTape<E, D: Storage<E>>(Option<OwnedTape<E, D>>);

impl<E, D: Storage<E>> AnyTape<E, D> {
    /// Records nothing.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Records every operation from here on.
    pub(crate) fn recording() -> Self {
        Self(Some(OwnedTape::default()))
    }

    /// Whether it records.
    pub(crate) fn is_recording(&self) -> bool {
        self.0.is_some()
    }

    /// A fresh tape that records if this one does: for the second branch of a fork.
    fn branch(&self) -> Self {
        Self(self.0.as_ref().map(|_| OwnedTape::default()))
    }

    /// The recording, to run backwards.
    ///
    /// # Panics
    /// It does not record.
    fn into_recording(self) -> OwnedTape<E, D> {
        self.0.expect("a loss that is differentiated was recorded")
    }
}

impl<E, D: Storage<E>> fmt::Debug for AnyTape<E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_recording() { "recording" } else { "off" })
    }
}

impl<E, D: Storage<E>> Default for AnyTape<E, D> {
    fn default() -> Self {
        Self::recording()
    }
}

impl<E, D: Storage<E>> Merge<NoneTape> for AnyTape<E, D> {
    fn merge(self, _: NoneTape) -> Self {
        self
    }
}

impl<E, D: Storage<E>> Merge<Self> for AnyTape<E, D> {
    fn merge(self, other: Self) -> Self {
        Self(match (self.0, other.0) {
            (Some(a), Some(b)) => Some(a.merge(b)),
            _ => None,
        })
    }
}

impl<E, D: Storage<E>> Tape<E, D> for AnyTape<E, D> {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<E, D>) -> Result<(), D::Err>,
    {
        if let Some(tape) = &mut self.0 {
            tape.add_backward_op(operation);
        }
    }
}

/// A tensor on its way through a network.
pub(crate) type Taped<S, E, D> = Tensor<S, E, D, AnyTape<E, D>>;

/// Two uses of one tensor, each with a tape: gradients of both add up. Both must reach the loss, for
/// the second carries what was recorded so far; to look at a tensor only, use `retaped::<NoneTape>`.
pub(crate) fn fork<S: Shape, E: Dtype, D: Storage<E>>(x: Taped<S, E, D>) -> (Taped<S, E, D>, Taped<S, E, D>) {
    let (x, tape) = x.split_tape();
    let branch = tape.branch();
    (x.clone().put_tape(branch), x.put_tape(tape))
}

/// The gradients of a recorded loss.
pub(crate) fn backward<E: Dtype, D: Device<E>>(loss: Taped<(), E, D>) -> Gradients<E, D> {
    let (loss, tape) = loss.split_tape();
    loss.put_tape(tape.into_recording()).backward()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::ops::{Backend, Maps, Statistics, Vector, composed};
    use crate::nn::{Dense, mean_of_softmaxes};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    /// A frozen layer, a head and the fusion of two heads.
    fn records<D: Backend<f32>>(device: &D, tape: AnyTape<f32, D>) -> bool {
        let x: Maps<f32, D> = device.ones_like(&(2, 4, 4, 3)).put_tape(tape);
        let weight = device.ones_like(&(27, 5));
        let ones: Vector<f32, D> = device.ones_like(&(5,));
        let layer = crate::nn::ops::ConvNorm {
            weight: &weight,
            bias: &ones,
            scale: &ones,
            shift: &ones,
            epsilon: 1e-3,
            kernel: 3,
        };
        let statistics = Statistics { mean: ones.clone(), variance: ones.clone() };
        let (x, other) = fork(composed::conv_norm_relu_frozen(x, &layer, &statistics));
        let head = Dense::new("head", device, &mut ChaCha8Rng::seed_from_u64(0), 5, 4);
        let heads = [x, other].map(|x| head.forward(composed::global_mean(x)));
        mean_of_softmaxes(heads.into()).split_tape().1.is_recording()
    }

    #[test]
    fn inference_records_nothing_and_training_goes_on_recording() {
        let device = Cpu::default();
        assert!(!records(&device, AnyTape::off()));
        assert!(records(&device, AnyTape::recording()));
    }
}
