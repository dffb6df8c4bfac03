//! Batches of patches onto a device, and rows of numbers back.

use std::ops::Range;

use dfdx::prelude::*;
use ndarray::{Array2, ArrayView4};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::layers::Pass;
use super::module::Module;
use super::ops::{Backend, Maps, Rows, Shared};
use super::standardisation::Standardisation;
use super::tape::AnyTape;
use crate::data::Patches;
use crate::{Error, Result};

/// Puts a batch on the device.
pub(super) fn maps<D: Backend<f32>>(
    device: &D,
    standardisation: &Standardisation,
    images: ArrayView4<'_, f32>,
    tape: AnyTape<f32, D>,
) -> Maps<f32, D> {
    device.tensor_from_vec(standardisation.applied(images), images.dim()).put_tape(tape)
}

/// Rows of a device back as an array.
pub(super) fn array<D: Backend<f32>, T: Tape<f32, D>>(
    rows: &Tensor<(usize, usize), f32, D, T>,
) -> Array2<f32> {
    Array2::from_shape_vec(*rows.shape(), D::numbers(&rows.retaped::<NoneTape>()))
        .expect("a tensor has as many numbers as its shape states")
}

/// A network, and the patches that go through it.
pub(crate) struct Inference<'a, D, M> {
    pub(crate) module: &'a M,
    pub(crate) device: &'a D,
    pub(crate) standardisation: &'a Standardisation,
    pub(crate) patches: &'a Patches,
}

impl<D: Backend<f32>, M: Module<f32, D>> Inference<'_, D, M> {
    /// Runs `forward` on every part of every batch, each with its number in the whole set; `take` receives what it
    /// gives, in order, with the patches that it is of. `between` is called before each batch. Both may end it.
    pub(super) fn by_parts<T: Send>(
        &self,
        forward: impl Fn(usize, Maps<f32, D>) -> T + Shared,
        mut between: impl FnMut() -> Result<()>,
        mut take: impl FnMut(Range<usize>, T) -> Result<()>,
    ) -> Result<()> {
        let (mut before, mut at) = (0, 0);
        let (device, standardisation) = (self.device, self.standardisation);
        let mut run = |images: ArrayView4<'_, f32>| {
            let parts = D::in_parts(images, M::PART, |number, images| {
                let count = images.dim().0;
                (count, forward(before + number, maps(device, standardisation, images, AnyTape::off())))
            });
            before += parts.len();
            for (count, part) in parts {
                take(at..at + count, part)?;
                at += count;
            }
            Ok(())
        };
        if let Some(images) = self.patches.lent() {
            // No copy of a whole batch, which one thread would make.
            for batch in images.axis_chunks_iter(ndarray::Axis(0), M::BATCH) {
                between()?;
                run(batch)?;
            }
        } else {
            for batch in self.patches.batches(M::BATCH) {
                let (_, images) = batch?;
                between()?;
                run(images.view())?;
            }
        }
        Ok(())
    }

    /// What `forward` makes of each patch, the rows stacked: one, or as many as pixels, per patch.
    pub(crate) fn rows(
        &self,
        forward: impl Fn(&M, Maps<f32, D>, &mut Pass<f32, D>) -> Rows<f32, D> + Shared,
    ) -> Result<Array2<f32>> {
        let (mut all, module) = (Stacked::default(), self.module);
        let forward = |_, x| array(&forward(module, x, &mut Pass::inference()));
        self.by_parts(
            forward,
            || Ok(()),
            |part, rows| {
                all.put(&part, self.patches.len(), &rows);
                Ok(())
            },
        )?;
        all.0.ok_or_else(|| Error::input(self.patches.name(), "no patches", "give at least one row"))
    }

    /// Processes ln p of every row of a few patches at a time, in order, with the patches' positions. `finish`
    /// runs where the network does, on several parts at once.
    pub(crate) fn each_log_probabilities<T: Send>(
        &self,
        finish: impl Fn(Array2<f32>) -> T + Shared,
        between: impl FnMut() -> Result<()>,
        take: impl FnMut(Range<usize>, T) -> Result<()>,
    ) -> Result<()> {
        let module = self.module;
        let forward = |_, x| finish(array(&module.log_probabilities(x, &mut Pass::inference())));
        self.by_parts(forward, between, take)
    }

    /// ln p of every patch, `passes` times, each with another draw of the dropout and with batch norm as in
    /// inference (Gal & Ghahramani 2016, *Dropout as a Bayesian Approximation*). Shape of each: (N, K).
    ///
    /// Each pass over each part of a batch has a stream of random numbers of its own: the draw depends on the
    /// seed, the pass, and which patches share a part.
    pub(crate) fn sampled_log_probabilities(&self, passes: usize, seed: u64) -> Result<Vec<Array2<f32>>> {
        let module = self.module;
        let forward = |part: usize, x: Maps<f32, D>| -> Vec<_> {
            let sample = |pass: usize| {
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                random.set_stream((pass as u64) << 40 | part as u64);
                let again = x.retaped::<NoneTape>().put_tape(AnyTape::off());
                array(&module.log_probabilities(again, &mut Pass::sampling(random)))
            };
            (0..passes).map(sample).collect()
        };
        let mut stacked: Vec<Stacked> = (0..passes).map(|_| Stacked::default()).collect();
        self.by_parts(
            forward,
            || Ok(()),
            |part, sampled| {
                let all = self.patches.len();
                stacked.iter_mut().zip(&sampled).for_each(|(stacked, rows)| stacked.put(&part, all, rows));
                Ok(())
            },
        )?;
        Ok(stacked.into_iter().filter_map(|all| all.0).collect())
    }
}

/// Rows of all patches, as many of each.
#[derive(Default)]
struct Stacked(Option<Array2<f32>>);

impl Stacked {
    /// Puts the rows of some patches in their place among those of all.
    fn put(&mut self, patches: &Range<usize>, all: usize, rows: &Array2<f32>) {
        let each = rows.nrows() / patches.len();
        let stacked = self.0.get_or_insert_with(|| Array2::zeros((all * each, rows.ncols())));
        stacked.slice_mut(ndarray::s![patches.start * each..patches.end * each, ..]).assign(rows);
    }
}
