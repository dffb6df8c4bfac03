//! Dense layers on the CPU in f32, parallel over blocks of the inputs.
//!
//! The output is summed over a fixed number of blocks, each by one thread, and these in their order: the
//! same bits at any number of threads.

use rayon::prelude::*;

use crate::nn::kernels::dense::{AddProduct, Left};
use crate::nn::kernels::norm::Add;
use crate::simd::Level;

/// Inputs of a block, at least: the block's rows of weights are read once by one thread.
const INPUTS: usize = 1024;

/// Inputs whose weights a thread finds the gradient of at once.
const TURNED: usize = 240;

/// Rows of the batch that a thread takes back to the input at once.
const ROWS: usize = 12;

/// y = x · w + b, and max(0, y); NaN stays NaN.
pub(super) fn forward(x: &[f32], w: &[f32], b: &[f32], relu: bool) -> Vec<f32> {
    let outputs = b.len();
    let inputs = w.len() / outputs;
    let rows = x.len() / inputs;
    let level = Level::best();
    let blocks = (inputs / INPUTS).max(1);
    let block = inputs.div_ceil(blocks);
    let sums: Vec<Vec<f32>> = w
        .par_chunks(block * outputs)
        .enumerate()
        .map(|(number, w)| {
            let mut y = if number == 0 { b.repeat(rows) } else { vec![0.0; rows * outputs] };
            let x = Left { numbers: &x[number * block..], row: inputs, column: 1 };
            level.run(AddProduct { a: x, b: w, y: &mut y, columns: outputs });
            y
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut y = sums.next().unwrap_or_default();
    sums.for_each(|part| level.run(Add { sum: &mut y, part: &part }));
    if relu {
        // Not f32::max, which takes NaN to 0.
        for y in &mut y {
            *y = if *y < 0.0 { 0.0 } else { *y };
        }
    }
    y
}

/// dw += xᵀ · g, a block of the inputs at a time.
pub(super) fn add_weight_gradient(x: &[f32], g: &[f32], dw: &mut [f32], outputs: usize) {
    let inputs = dw.len() / outputs;
    dw.par_chunks_mut(TURNED * outputs).enumerate().for_each_init(Vec::new, |part, (number, dw)| {
        // Brought together first: rows of 10,240 numbers share few places in a cache.
        let width = dw.len() / outputs;
        part.clear();
        for x in x.chunks_exact(inputs) {
            part.extend_from_slice(&x[number * TURNED..][..width]);
        }
        let a = Left { numbers: part, row: 1, column: width };
        Level::best().run(AddProduct { a, b: g, y: dw, columns: outputs });
    });
}

/// dx += g · wᵀ, a row of the batch at a time.
pub(super) fn add_input_gradient(w: &[f32], g: &[f32], dx: &mut [f32], outputs: usize) {
    let inputs = w.len() / outputs;
    let mut turned = vec![0.0; w.len()];
    for (n, w) in w.chunks_exact(outputs).enumerate() {
        w.iter().enumerate().for_each(|(k, w)| turned[k * inputs + n] = *w);
    }
    dx.par_chunks_mut(ROWS * inputs).zip(g.par_chunks(ROWS * outputs)).for_each(|(dx, g)| {
        let a = Left { numbers: g, row: outputs, column: 1 };
        Level::best().run(AddProduct { a, b: &turned, y: dx, columns: inputs });
    });
}
