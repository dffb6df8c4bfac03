//! One tape type for training and inference, so that a network has one forward pass and one type.

use std::fmt;

use dfdx::prelude::*;

/// A tape that records, or does not: decided at run time.
///
/// A tape made by `default`, as dfdx's own compositions do in their middle, records: merged with a
/// recording tape it adds to it, merged with one that is off it is dropped.
pub(crate) struct AnyTape<E, D: Storage<E>> {
    recording: Option<OwnedTape<E, D>>,
    /// Whether its tensor is data, which needs no gradient.
    is_of_data: bool,
}

impl<E, D: Storage<E>> AnyTape<E, D> {
    /// Records nothing.
    pub(crate) fn off() -> Self {
        Self { recording: None, is_of_data: false }
    }

    /// Records every operation from here on.
    pub(crate) fn recording() -> Self {
        Self { recording: Some(OwnedTape::default()), is_of_data: false }
    }

    /// Records every operation on data: the first one need not work out its input's gradient.
    pub(crate) fn recording_from_data() -> Self {
        Self { is_of_data: true, ..Self::recording() }
    }

    /// Whether it records.
    pub(crate) fn is_recording(&self) -> bool {
        self.recording.is_some()
    }

    /// Whether the gradient of its tensor is of use.
    pub(crate) fn wants_gradient(&self) -> bool {
        self.is_recording() && !self.is_of_data
    }

    /// A fresh tape that records if this one does: for the second branch of a fork.
    fn branch(&self) -> Self {
        let recording = self.recording.as_ref().map(|_| OwnedTape::default());
        Self { recording, is_of_data: self.is_of_data }
    }

    /// The recording, to run backwards.
    ///
    /// # Panics
    /// It does not record.
    fn into_recording(self) -> OwnedTape<E, D> {
        self.recording.expect("a loss that is differentiated was recorded")
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
        let recording = match (self.recording, other.recording) {
            (Some(a), Some(b)) => Some(a.merge(b)),
            _ => None,
        };
        Self { recording, is_of_data: self.is_of_data && other.is_of_data }
    }
}

impl<E, D: Storage<E>> Tape<E, D> for AnyTape<E, D> {
    const OWNS_TAPE: bool = true;

    fn add_backward_op<F>(&mut self, operation: F)
    where
        F: 'static + FnOnce(&mut Gradients<E, D>) -> Result<(), D::Err>,
    {
        self.is_of_data = false;
        if let Some(tape) = &mut self.recording {
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
    use crate::nn::mean_of_softmaxes;
    use crate::nn::ops::{Backend, Rows};

    /// The fusion of two heads, one of them behind an operation of our own.
    fn records(tape: AnyTape<f32, Cpu>) -> bool {
        let x = Cpu::default().ones_like(&(2usize, 4usize, 4usize, 3usize)).put_tape(tape);
        let (x, other) = fork(<Cpu as Backend<f32>>::doubled(x));
        let heads: [Rows<f32, Cpu>; 2] =
            [<Cpu as Backend<f32>>::global_mean(x), other.mean::<_, Axes2<1, 2>>()];
        mean_of_softmaxes(heads.into()).split_tape().1.is_recording()
    }

    #[test]
    fn inference_records_nothing_and_training_goes_on_recording() {
        assert!(!records(AnyTape::off()));
        assert!(records(AnyTape::recording()));
    }
}
