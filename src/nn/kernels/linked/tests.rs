//! Convolutions of any window against plain loops in f64, at every level of this machine.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::tests::{CHANNELS, Expected, draw};
use super::super::window::Padding;
use super::*;

/// Windows under test: those of the networks, even ones, strides beyond the window.
fn windows() -> Vec<Window> {
    let mut windows = Vec::new();
    for kernel in [1, 2, 3, 5, 7] {
        for stride in [1, 2, 3] {
            for padding in [Padding::Same, Padding::Valid, Padding::Around(1), Padding::Around(3)] {
                windows.push(Window { kernel, stride, padding });
            }
        }
    }
    windows
}

/// Sides under test: edges of the kernels' blocks, single pixels, odd sizes, and some at random.
fn cases() -> Vec<Sides> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut cases = Vec::new();
    for (k, window) in windows().into_iter().enumerate() {
        let smallest = (1..=window.kernel).find(|&size| window.outputs(size) > 0).unwrap();
        let mut random_case = |outputs| Sides {
            batch: random.gen_range(1..12),
            height: smallest + random.gen_range(0..6),
            width: smallest + random.gen_range(0..6),
            inputs: random.gen_range(1..20),
            outputs,
            window,
        };
        cases.push(random_case(CHANNELS[k % CHANNELS.len()]));
        cases.push(random_case(CHANNELS[(k + 4) % CHANNELS.len()]));
        cases.push(Sides { batch: 1, height: smallest, width: smallest, inputs: 1, outputs: 1, window });
    }
    // More channels than are packed at once, more rows than are summed at once, whole groups of images.
    let (batch, height, width) = (17, 7, 7);
    cases.push(Sides { batch, height, width, inputs: 260, outputs: 33, window: Window::same(1) });
    cases.push(Sides { batch: 9, height: 2, width: 2, inputs: 130, outputs: 140, window: Window::same(3) });
    if cfg!(miri) {
        cases.retain(|c| c.batch * c.height * c.width * c.inputs * c.outputs < 400);
    }
    cases
}

/// Zeros before the maps, worked out as Keras's documentation has it.
fn zeros_before(size: usize, window: Window) -> isize {
    let (kernel, stride) = (window.kernel as isize, window.stride as isize);
    match window.padding {
        Padding::Same => {
            let size = size as isize;
            let left = size % stride;
            let along = if left == 0 { (kernel - stride).max(0) } else { (kernel - left).max(0) };
            along / 2
        }
        Padding::Valid => 0,
        Padding::Around(zeros) => zeros as isize,
    }
}

/// Calls `meet(x, y, w)` with the place of each input, output and weight that are multiplied.
fn each_product(s: Sides, mut meet: impl FnMut(usize, usize, usize)) {
    let (rows, columns) = s.places();
    let Window { kernel, stride, .. } = s.window;
    let before = [zeros_before(s.height, s.window), zeros_before(s.width, s.window)];
    for image in 0..s.batch {
        for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
            for (tap_row, tap_column) in (0..kernel).flat_map(|r| (0..kernel).map(move |c| (r, c))) {
                let r = (row * stride + tap_row) as isize - before[0];
                let c = (column * stride + tap_column) as isize - before[1];
                if r < 0 || c < 0 || r >= s.height as isize || c >= s.width as isize {
                    continue;
                }
                let x = ((image * s.height + r as usize) * s.width + c as usize) * s.inputs;
                let y = ((image * rows + row) * columns + column) * s.outputs;
                let w = (tap_row * kernel + tap_column) * s.inputs * s.outputs;
                for input in 0..s.inputs {
                    for output in 0..s.outputs {
                        meet(x + input, y + output, w + input * s.outputs + output);
                    }
                }
            }
        }
    }
}

#[test]
fn a_convolution_is_the_sum_over_its_products_at_every_level() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for s in cases() {
        let [x, w, bias, scale, residual] =
            [s.input_len(), s.weight_len(), s.outputs, s.outputs, s.output_len()]
                .map(|n| draw(&mut random, n));
        let mut plain = Expected::zeros(s.output_len());
        let mut scaled = Expected::zeros(s.output_len());
        for (k, residual) in residual.iter().enumerate() {
            let bias = f64::from(bias[k % s.outputs]);
            plain.add(k, bias);
            scaled.add(k, bias);
            scaled.add(k, f64::from(*residual));
        }
        each_product(s, |x_at, y_at, w_at| plain.add(y_at, f64::from(x[x_at]) * f64::from(w[w_at])));
        each_product(s, |x_at, y_at, w_at| {
            let scale = f64::from(scale[w_at % s.outputs]);
            scaled.add(y_at, f64::from(x[x_at]) * f64::from(w[w_at]) * scale);
        });
        for level in Level::available() {
            let run = |scale: Option<&[f32]>, residual: Option<&[f32]>, relu: bool| {
                let mut y = vec![f32::NAN; s.output_len()];
                convolve(level, s, &x, &w, scale, Finish { bias: &bias, residual, relu }, &mut y);
                y
            };
            plain.assert(&run(None, None, false), &format!("{level:?}, {s:?}"));
            let y = run(Some(&scale), Some(&residual), false);
            scaled.assert(&y, &format!("{level:?}, scale and residual, {s:?}"));
            let rectified: Vec<f32> = y.iter().map(|y| y.max(0.0)).collect();
            assert_eq!(run(Some(&scale), Some(&residual), true), rectified, "{level:?}, ReLU, {s:?}");
        }
    }
}

#[test]
fn both_gradients_are_the_sums_over_the_same_products_at_every_level() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for s in cases() {
        let [x, w, gy] = [s.input_len(), s.weight_len(), s.output_len()].map(|n| draw(&mut random, n));
        let [gx, gw] = [x.len(), w.len()].map(|n| draw(&mut random, n));
        let starting_at = |before: &[f32]| Expected::starting_at(before.iter().map(|b| f64::from(*b)));
        let (mut of_input, mut of_weights) = (starting_at(&gx), starting_at(&gw));
        each_product(s, |x_at, y_at, w_at| {
            let g = f64::from(gy[y_at]);
            of_input.add(x_at, f64::from(w[w_at]) * g);
            of_weights.add(w_at, f64::from(x[x_at]) * g);
        });
        for level in Level::available() {
            let (mut gx, mut gw) = (gx.clone(), gw.clone());
            add_input_gradient(level, s, &gy, &w, &mut gx);
            of_input.assert(&gx, &format!("{level:?}, input, {s:?}"));
            add_weight_gradient(level, s, &x, &gy, &mut gw);
            of_weights.assert(&gw, &format!("{level:?}, weights, {s:?}"));
        }
    }
}

#[test]
fn same_padding_of_an_even_side_has_its_zero_behind_it_at_stride_2() {
    // tf.keras.layers.Conv2D(1, 3, strides=2, padding="same") of ones by ones: 4 → 2, 5 → 3.
    let of = |side| Sides {
        batch: 1,
        height: 1,
        width: side,
        inputs: 1,
        outputs: 1,
        window: Window { kernel: 3, stride: 2, padding: Padding::Same },
    };
    for (side, expected) in [(4, vec![3.0, 2.0]), (5, vec![2.0, 3.0, 2.0]), (1, vec![1.0])] {
        let s = of(side);
        let mut y = vec![0.0; s.output_len()];
        let finish = Finish { bias: &[0.0], residual: None, relu: false };
        // Only the middle row of the window lies on the one row of the image.
        convolve(Level::best(), s, &vec![1.0; side], &[1.0; 9], None, finish, &mut y);
        assert_eq!(y, expected, "side {side}");
    }
}

#[test]
fn a_result_does_not_depend_on_the_number_of_threads() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let s = Sides { batch: 21, height: 5, width: 4, inputs: 70, outputs: 90, window: Window::same(3) };
    let [x, w, gy] = [s.input_len(), s.weight_len(), s.output_len()].map(|n| draw(&mut random, n));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut y, mut gx, mut gw) = (vec![0.0; gy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            let finish = Finish { bias: &vec![0.5; 90], residual: None, relu: true };
            convolve(Level::best(), s, &x, &w, None, finish, &mut y);
            add_input_gradient(Level::best(), s, &gy, &w, &mut gx);
            add_weight_gradient(Level::best(), s, &x, &gy, &mut gw);
            (y, gx, gw)
        })
    };
    let one = run(1);
    assert!([2, 3, 5].into_iter().all(|threads| run(threads) == one));
}
