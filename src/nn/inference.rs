//! Batches of patches onto a device, and rows of numbers back.

use dfdx::prelude::*;
use ndarray::{Array2, Array4, ArrayView4};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::layers::Pass;
use super::module::Module;
use super::ops::{Backend, Maps, Rows, Shared};
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
    let images = if images.is_standard_layout() { images } else { images.as_standard_layout().into_owned() };
    let len = images.len();
    let (mut values, start) = images.into_raw_vec_and_offset();
    if values.len() > len {
        // Cut out of a larger array.
        values = values[start.unwrap_or(0)..][..len].to_vec();
    }
    device.tensor_from_vec(values, shape).put_tape(tape)
}

/// Rows of a device back as an array.
pub(super) fn array<D: Backend<f32>>(rows: &Rows<f32, D>) -> Array2<f32> {
    Array2::from_shape_vec(*rows.shape(), rows.as_vec())
        .expect("a tensor has as many numbers as its shape says")
}

/// Runs `forward`, which passes through an `M`, on every batch in order and stacks the rows.
pub(crate) fn infer<D: Backend<f32>, M: Module<f32, D>>(
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
    forward: impl Fn(Maps<f32, D>) -> Rows<f32, D> + Shared,
    between: impl FnMut() -> Result<()>,
) -> Result<Array2<f32>> {
    let forward = |_, x| vec![array(&forward(x))];
    let rows = by_parts::<_, M>(device, standardisation, patches, forward, between)?;
    rows.into_iter().next().ok_or_else(|| Error::input(patches.name(), "no patches", "give at least one row"))
}

/// Runs `forward` on every part of every batch, each with its number in the whole set, and stacks the rows
/// of each array that it gives. `between` is called before each batch, and may end it.
fn by_parts<D: Backend<f32>, M: Module<f32, D>>(
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
    forward: impl Fn(usize, Maps<f32, D>) -> Vec<Array2<f32>> + Shared,
    mut between: impl FnMut() -> Result<()>,
) -> Result<Vec<Array2<f32>>> {
    let mut all: Vec<Array2<f32>> = Vec::new();
    let (mut before, mut at) = (0, 0);
    let mut run = |images: ArrayView4<'_, f32>| {
        let parts = D::in_parts(images, M::PART, |number, images| {
            forward(before + number, maps(device, standardisation, images, AnyTape::off()))
        });
        before += parts.len();
        for part in parts {
            let rows = part.first().map_or(0, Array2::nrows);
            for (k, part) in part.into_iter().enumerate() {
                if all.len() <= k {
                    all.push(Array2::zeros((patches.len(), part.ncols())));
                }
                all[k].slice_mut(ndarray::s![at..at + rows, ..]).assign(&part);
            }
            at += rows;
        }
    };
    if let Some(images) = patches.lent() {
        // No copy of a whole batch, which one thread would make.
        for batch in images.axis_chunks_iter(ndarray::Axis(0), INFERENCE_BATCH) {
            between()?;
            run(batch);
        }
    } else {
        for batch in patches.batches(INFERENCE_BATCH) {
            let (_, images) = batch?;
            between()?;
            run(images.view());
        }
    }
    Ok(all)
}

/// ln p of every patch. Shape: (N, K).
pub(crate) fn log_probabilities<D: Backend<f32>, M: Module<f32, D>>(
    module: &M,
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
) -> Result<Array2<f32>> {
    let forward = |x| module.log_probabilities(x, &mut Pass::inference());
    infer::<_, M>(device, standardisation, patches, forward, || Ok(()))
}

/// ln p of every patch, `passes` times, each with another draw of the dropout and with batch norm as in
/// inference (Gal & Ghahramani 2016, *Dropout as a Bayesian Approximation*). Shape of each: (N, K).
///
/// Each pass over each part of a batch has a stream of random numbers of its own: the draw depends on the
/// seed, the pass, and which patches share a part.
pub(crate) fn sampled_log_probabilities<D: Backend<f32>, M: Module<f32, D>>(
    module: &M,
    device: &D,
    standardisation: &Standardisation,
    patches: &Patches,
    passes: usize,
    seed: u64,
) -> Result<Vec<Array2<f32>>> {
    let forward = |part: usize, x: Maps<f32, D>| {
        let sample = |pass: usize| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            random.set_stream((pass as u64) << 40 | part as u64);
            let again = x.retaped::<NoneTape>().put_tape(AnyTape::off());
            array(&module.log_probabilities(again, &mut Pass::sampling(random)))
        };
        (0..passes).map(sample).collect()
    };
    by_parts::<_, M>(device, standardisation, patches, forward, || Ok(()))
}
