//! Batches of patches onto a device, and rows of numbers back.

use dfdx::prelude::*;
use ndarray::{Array2, Array4};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

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
    mut forward: impl FnMut(Maps<f32, D>) -> Result<Rows<f32, D>>,
) -> Result<Array2<f32>> {
    let mut all: Option<Array2<f32>> = None;
    for batch in patches.batches(INFERENCE_BATCH) {
        let (range, images) = batch?;
        let rows = array(&forward(maps(device, standardisation, images, AnyTape::off()))?);
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
    infer(device, standardisation, patches, |x| Ok(module.log_probabilities(x, &mut Pass::inference())))
}

/// ln p of every patch, `passes` times, each with another draw of the dropout and with batch norm as in
/// inference (Gal & Ghahramani 2016, *Dropout as a Bayesian Approximation*). Shape of each: (N, K).
///
/// Each pass over each batch has a stream of random numbers of its own: the draw depends on the seed, the
/// pass, and which patches share a batch.
pub(crate) fn sampled_log_probabilities<D: Backend<f32>>(
    module: &impl Module<f32, D>,
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
    passes: usize,
    seed: u64,
) -> Result<Vec<Array2<f32>>> {
    let mut all: Vec<Array2<f32>> = Vec::new();
    for (number, batch) in patches.batches(INFERENCE_BATCH).enumerate() {
        let (range, images) = batch?;
        let x = maps(device, standardisation, images, AnyTape::off());
        for pass in 0..passes {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream((pass as u64) << 32 | number as u64);
            let again = x.retaped::<NoneTape>().put_tape(AnyTape::off());
            let rows = array(&module.log_probabilities(again, &mut Pass::sampling(random)));
            if all.len() <= pass {
                all.push(Array2::zeros((patches.len(), rows.ncols())));
            }
            all[pass].slice_mut(ndarray::s![range.clone(), ..]).assign(&rows);
        }
    }
    Ok(all)
}
