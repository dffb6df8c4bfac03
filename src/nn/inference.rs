//! Batches of patches onto a device, and rows of numbers back.

use dfdx::prelude::*;
use ndarray::{Array2, Array4};

use super::layers::Pass;
use super::module::Module;
use super::ops::{Backend, Maps, Rows};
use super::standardisation::Standardisation;
use super::tape::AnyTape;
use crate::data::Patches;
use crate::{Error, Result};

/// Rows of a batch in inference.
const INFERENCE_BATCH: usize = 256;

/// Puts a batch on the device.
pub(super) fn maps<D: Backend<f32>>(
    device: &D,
    standardisation: &Standardisation,
    mut images: Array4<f32>,
    tape: AnyTape<f32, D>,
) -> Maps<f32, D> {
    standardisation.apply(&mut images);
    let shape = images.dim();
    let values = images.as_standard_layout().into_owned().into_raw_vec_and_offset().0;
    device.tensor_from_vec(values, shape).put_tape(tape)
}

/// Rows of a device back as an array.
pub(super) fn array<D: Backend<f32>>(rows: &Rows<f32, D>) -> Array2<f32> {
    Array2::from_shape_vec(*rows.shape(), rows.as_vec())
        .expect("a tensor has as many numbers as its shape says")
}

/// Runs `forward` on every batch in order and stacks the rows.
pub(crate) fn infer<D: Backend<f32>>(
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
    forward: impl Fn(Maps<f32, D>) -> Rows<f32, D>,
) -> Result<Array2<f32>> {
    let mut all: Option<Array2<f32>> = None;
    for batch in patches.batches(INFERENCE_BATCH) {
        let (range, images) = batch?;
        let rows = array(&forward(maps(device, standardisation, images, AnyTape::off())));
        let all = all.get_or_insert_with(|| Array2::zeros((patches.len(), rows.ncols())));
        all.slice_mut(ndarray::s![range, ..]).assign(&rows);
    }
    all.ok_or_else(|| Error::input(patches.name(), "no patches", "give at least one row"))
}

/// ln p of every patch. Shape: (N, K).
pub(crate) fn log_probabilities<D: Backend<f32>>(
    module: &impl Module<f32, D>,
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
) -> Result<Array2<f32>> {
    infer(device, standardisation, patches, |x| module.log_probabilities(x, &mut Pass::inference()))
}
