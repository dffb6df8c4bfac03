//! Dense layers on the CPU in f32, and 1 × 1 convolutions, which are dense layers of all pixels.
//!
//! A dense layer has many inputs and few rows: its output is summed over a fixed number of blocks of the inputs, each by
//! one thread, and these in their order. A convolution has many rows, which are divided among the threads. The same bits at
//! any number of threads.

use rayon::prelude::*;

use super::{GROUPS, add_parts};
use crate::nn::kernels::Finish;
use crate::nn::kernels::dense::{AddProduct, Left};
use crate::nn::kernels::linked::TASKS;
use crate::nn::kernels::memory::filled;
use crate::nn::kernels::norm::Add;
use crate::simd::Level;

/// Inputs of a block, at least: the block's rows of weights are read once by one thread.
const INPUTS: usize = 1024;

/// Rows that a thread takes at once, at least and at most: enough that the weights, read once for them, cost little.
const ROWS: [usize; 2] = [12, 192];

/// Columns of the weights that a task takes at most, where they are more than the maps.
const COLUMNS: usize = 128;

/// Rows that a weight gradient is summed over at once.
const AT_ONCE: usize = 256;

/// Weights up to which several threads each sum gradients of all of them.
const FEW: usize = 1 << 15;

/// y = x · w + b, and max(0, y); NaN stays NaN.
pub(super) fn forward(x: &[f32], w: &[f32], b: &[f32], relu: bool) -> Vec<f32> {
    let outputs = b.len();
    let inputs = w.len() / outputs;
    let level = Level::best();
    let blocks = inputs / INPUTS;
    if blocks < 2 || x.is_empty() {
        return convolve(level, x, w, Finish { bias: b, residual: None, relu });
    }
    check(x, w, None, outputs);
    let rows = x.len() / inputs;
    let block = inputs.div_ceil(blocks);
    let sums: Vec<Vec<f32>> = w
        .par_chunks(block * outputs)
        .enumerate()
        .map(|(number, w)| {
            let mut y = if number == 0 { b.repeat(rows) } else { vec![0.0; rows * outputs] };
            let x = Left { numbers: &x[number * block..], row: inputs, column: 1 };
            level.run(AddProduct { a: x, b: w, y: &mut y, b_row: outputs, columns: outputs });
            y
        })
        .collect();
    let mut sums = sums.into_iter();
    let mut y = sums.next().unwrap_or_default();
    sums.for_each(|part| level.run(Add { sum: &mut y, part: &part }));
    if relu {
        rectify(&mut y);
    }
    y
}

/// Panics unless the rows are whole, and as many in the output's numbers as in the input's.
fn check(x: &[f32], w: &[f32], y: Option<&[f32]>, outputs: usize) {
    assert!(outputs > 0 && w.len().is_multiple_of(outputs) && !w.is_empty(), "weights of another layer");
    let inputs = w.len() / outputs;
    assert!(x.len().is_multiple_of(inputs), "rows of another layer");
    assert!(y.is_none_or(|y| y.len() == x.len() / inputs * outputs), "an output of another size");
}

/// The 1 × 1 convolution of pixels, finished: y = x · w + b (+ residual), and max(0, y).
pub(super) fn convolve(level: Level, x: &[f32], w: &[f32], finish: Finish<'_>) -> Vec<f32> {
    let Finish { bias, residual, relu } = finish;
    let outputs = bias.len();
    check(x, w, residual, outputs);
    let inputs = w.len() / outputs;
    let count = x.len() / inputs;
    let end = |first: usize, y: &mut [f32]| {
        if let Some(residual) = residual {
            let part = &residual[first..][..y.len()];
            level.run(Add { sum: y, part });
        }
        if relu {
            rectify(y);
        }
    };
    if w.len() <= x.len() {
        let rows = rows_of_task(count);
        return filled(count * outputs, rows * outputs, |part, y| {
            y.chunks_exact_mut(outputs).for_each(|y| y.copy_from_slice(bias));
            let a = Left { numbers: &x[part * rows * inputs..], row: inputs, column: 1 };
            level.run(AddProduct { a, b: w, b_row: outputs, y, columns: outputs });
            end(part * rows * outputs, y);
        });
    }
    // The weights are more than the maps: each is read by one thread.
    let a = Left { numbers: x, row: inputs, column: 1 };
    let width = columns_of_task(outputs);
    let columns = |(number, bias): (usize, &[f32])| {
        let mut y = bias.repeat(count);
        let b = &w[number * width..];
        level.run(AddProduct { a, b, b_row: outputs, y: &mut y, columns: bias.len() });
        y
    };
    let blocks: Vec<Vec<f32>> = bias.par_chunks(width).enumerate().map(columns).collect();
    filled(count * outputs, outputs, |row, y| {
        for (block, y) in blocks.iter().zip(y.chunks_mut(width)) {
            let len = y.len();
            y.copy_from_slice(&block[row * len..][..len]);
        }
        end(row * outputs, y);
    })
}

/// Rows that a thread takes at once, of this number: whole tiles of six.
fn rows_of_task(count: usize) -> usize {
    let [least, most] = ROWS;
    count.div_ceil(TASKS).clamp(least, most).next_multiple_of(6)
}

/// Columns that a thread takes at once, of this number: whole tiles of four vectors.
fn columns_of_task(count: usize) -> usize {
    count.div_ceil(TASKS).next_multiple_of(64).min(COLUMNS)
}

/// max(0, ·). Not f32::max, which takes NaN to 0.
fn rectify(numbers: &mut [f32]) {
    for y in numbers {
        *y = if *y < 0.0 { 0.0 } else { *y };
    }
}

/// dw += xᵀ · g.
pub(super) fn add_weight_gradient(level: Level, x: &[f32], g: &[f32], dw: &mut [f32], outputs: usize) {
    check(x, dw, Some(g), outputs);
    let inputs = dw.len() / outputs;
    let count = x.len() / inputs;
    // Few weights of many rows: groups of these, each with sums of its own. Else some inputs at a time.
    if dw.len() <= FEW && count > AT_ONCE {
        let group = count.div_ceil(GROUPS);
        let groups = x.par_chunks(group * inputs).zip(g.par_chunks(group * outputs));
        let sums = |(x, g): (&[f32], &[f32])| {
            let mut part = vec![0.0; inputs * outputs];
            add_gradient_of_inputs(level, (x, inputs), 0, g, &mut part, outputs);
            part
        };
        add_parts(level, groups.map(sums).collect(), dw);
    } else {
        let rows = rows_of_task(inputs);
        dw.par_chunks_mut(rows * outputs).enumerate().for_each(|(number, dw)| {
            add_gradient_of_inputs(level, (x, inputs), number * rows, g, dw, outputs);
        });
    }
}

/// The weight gradient of the inputs from `first` on.
fn add_gradient_of_inputs(
    level: Level,
    (x, inputs): (&[f32], usize),
    first: usize,
    g: &[f32],
    dw: &mut [f32],
    outputs: usize,
) {
    let width = dw.len() / outputs;
    let mut part = Vec::new();
    for (x, g) in x.chunks(AT_ONCE * inputs).zip(g.chunks(AT_ONCE * outputs)) {
        // Copied, because the lines of long rows fall into few sets of a cache.
        part.clear();
        x.chunks_exact(inputs).for_each(|x| part.extend_from_slice(&x[first..first + width]));
        let a = Left { numbers: &part, row: 1, column: width };
        level.run(AddProduct { a, b: g, b_row: outputs, y: dw, columns: outputs });
    }
}

/// dx += g · wᵀ.
pub(super) fn add_input_gradient(level: Level, w: &[f32], g: &[f32], dx: &mut [f32], outputs: usize) {
    check(dx, w, Some(g), outputs);
    let inputs = w.len() / outputs;
    let count = dx.len() / inputs;
    let width = columns_of_task(inputs);
    let blocks: Vec<Vec<f32>> = w.par_chunks(width * outputs).map(|w| transposed(w, outputs)).collect();
    // Where there are many blocks, each is read by one thread.
    let rows = if w.len() > dx.len() && blocks.len() >= GROUPS { count.max(1) } else { rows_of_task(count) };
    dx.par_chunks_mut(rows * inputs).zip(g.par_chunks(rows * outputs)).for_each(|(dx, g)| {
        let a = Left { numbers: g, row: outputs, column: 1 };
        if let [b] = &*blocks {
            level.run(AddProduct { a, b, b_row: inputs, y: dx, columns: inputs });
            return;
        }
        let columns = |b: &Vec<f32>| {
            let columns = b.len() / outputs;
            let mut sums = vec![0.0; dx.len() / inputs * columns];
            level.run(AddProduct { a, b, b_row: columns, y: &mut sums, columns });
            sums
        };
        let sums: Vec<Vec<f32>> = blocks.par_iter().map(columns).collect();
        dx.par_chunks_exact_mut(inputs).enumerate().for_each(|(row, dx)| {
            for (block, dx) in sums.iter().zip(dx.chunks_mut(width)) {
                let from = row * dx.len();
                dx.iter_mut().zip(&block[from..]).for_each(|(dx, sum)| *dx += sum);
            }
        });
    });
}

/// The transpose of rows of this length.
fn transposed(w: &[f32], len: usize) -> Vec<f32> {
    let rows = w.len() / len;
    let mut transposed = vec![0.0; w.len()];
    // Some rows at a time, so that no line of the cache is fetched for one number.
    for (block, w) in w.chunks(16 * len).enumerate() {
        for (k, row) in transposed.chunks_exact_mut(rows).enumerate() {
            let to = row[block * 16..].iter_mut();
            to.zip(w.iter().skip(k).step_by(len)).for_each(|(to, w)| *to = *w);
        }
    }
    transposed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::at_each_level;

    /// Whether all numbers are near what is expected.
    fn near(found: &[f32], expected: impl Fn(usize) -> f64) -> bool {
        found.iter().enumerate().all(|(at, y)| (f64::from(*y) - expected(at)).abs() < 1e-4)
    }

    fn numbers(count: usize) -> Vec<f32> {
        (0..count).map(|k| ((k * 7919) % 1009) as f32 / 1009.0 - 0.5).collect()
    }

    /// Rows, inputs, outputs: more maps than weights and fewer; few weights of many pixels and many; one block of columns and
    /// several; several blocks of inputs.
    const SIDES: [(usize, usize, usize); 5] =
        [(500, 20, 33), (40, 130, 270), (1, 300, 150), (600, 190, 180), (9, 2100, 17)];

    #[test]
    fn rows_are_multiplied_and_their_gradients_summed_as_by_hand() {
        for (count, inputs, outputs) in SIDES {
            let (x, w, g) = (numbers(count * inputs), numbers(inputs * outputs), numbers(count * outputs));
            let (bias, residual) = (numbers(outputs), numbers(count * outputs + 7)[7..].to_vec());
            let at = |m: &[f32], row: usize, len: usize, column: usize| f64::from(m[row * len + column]);
            let product = |place: usize| {
                let (r, o) = (place / outputs, place % outputs);
                let sum: f64 = (0..inputs).map(|i| at(&x, r, inputs, i) * at(&w, i, outputs, o)).sum();
                sum + f64::from(bias[o])
            };
            at_each_level(|level| {
                assert!(near(&forward(&x, &w, &bias, false), product), "{level:?}, {count}");
                let finish = Finish { bias: &bias, residual: Some(&residual), relu: true };
                let y = convolve(level, &x, &w, finish);
                assert!(
                    near(&y, |place| (product(place) + f64::from(residual[place])).max(0.0)),
                    "{level:?}, {count}"
                );
                // Both are added to what is there.
                let (mut dx, mut dw) = (vec![1.0; x.len()], vec![1.0; w.len()]);
                add_input_gradient(level, &w, &g, &mut dx, outputs);
                add_weight_gradient(level, &x, &g, &mut dw, outputs);
                let of_x = |place: usize| {
                    let (r, i) = (place / inputs, place % inputs);
                    1.0 + (0..outputs).map(|o| at(&g, r, outputs, o) * at(&w, i, outputs, o)).sum::<f64>()
                };
                let of_w = |place: usize| {
                    let (i, o) = (place / outputs, place % outputs);
                    1.0 + (0..count).map(|r| at(&x, r, inputs, i) * at(&g, r, outputs, o)).sum::<f64>()
                };
                assert!(near(&dx, of_x) && near(&dw, of_w), "{level:?}, {count} × {inputs} × {outputs}");
            });
        }
    }

    #[test]
    fn a_result_does_not_depend_on_the_number_of_threads() {
        for (count, inputs, outputs) in SIDES {
            let (x, w, g) = (numbers(count * inputs), numbers(inputs * outputs), numbers(count * outputs));
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; w.len()]);
                    add_input_gradient(Level::best(), &w, &g, &mut dx, outputs);
                    add_weight_gradient(Level::best(), &x, &g, &mut dw, outputs);
                    (forward(&x, &w, &numbers(outputs), true), dx, dw)
                })
            };
            let one = run(1);
            assert!([2, 5].into_iter().all(|threads| run(threads) == one), "{count} × {inputs} × {outputs}");
        }
    }

    #[test]
    #[should_panic(expected = "an output of another size")]
    fn gradients_of_another_number_of_rows_are_refused() {
        add_weight_gradient(Level::best(), &[0.0; 6], &[0.0; 2], &mut [0.0; 6], 2);
    }
}
