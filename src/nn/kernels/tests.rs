//! Every kernel at every level of this machine against a plain reference in f64.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Level;
use super::conv::{AddWeightGradient, Finish, Geometry, Packed, convolve};
use super::dense::{AddProduct, Left};
use super::linked::Sides;
use super::norm::{Add, Applied, GradientSums, InputGradient, MaskAndAdd, Moments, Normal, ScaleShift};
use super::pool::{AddMaxMeanGradient, add_max_gradient, add_mean_gradient, max, max_mean, mean};
use super::update::{Before, Step, Update};
use super::window::{Padding, Window};

/// Channels about the widths of vectors (8, 16) and of register blocks (32, 64).
pub(super) const CHANNELS: [usize; 9] = [1, 7, 10, 15, 16, 17, 33, 64, 100];

/// Numbers between −1 and 1.
pub(super) fn draw(random: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| random.gen_range(-1.0..1.0)).collect()
}

/// The expected numbers, and what may be lost of each: `terms` roundings of the largest partial sum.
pub(super) struct Expected {
    numbers: Vec<f64>,
    sizes: Vec<f64>,
}

impl Expected {
    pub(super) fn starting_at(start: impl Iterator<Item = f64>) -> Self {
        let numbers: Vec<f64> = start.collect();
        Self { sizes: numbers.iter().map(|x| x.abs()).collect(), numbers }
    }

    pub(super) fn zeros(len: usize) -> Self {
        Self::starting_at(std::iter::repeat_n(0.0, len))
    }

    /// Adds a term, and its size to what roundings are measured by.
    pub(super) fn add(&mut self, at: usize, term: f64) {
        self.numbers[at] += term;
        self.sizes[at] += term.abs();
    }

    #[track_caller]
    pub(super) fn assert(&self, got: &[f32], what: &str) {
        assert_eq!(got.len(), self.numbers.len(), "{what}");
        for (k, ((got, expected), size)) in got.iter().zip(&self.numbers).zip(&self.sizes).enumerate() {
            let error = (f64::from(*got) - expected).abs();
            // NaN fails as well.
            assert!(error <= 2e-6 * size + 1e-12, "{what}, number {k}: {got}, not {expected}");
        }
    }
}

/// All sides of the convolutions under test: those that touch an edge of the kernels' blocks, and
/// some at random.
fn geometries() -> Vec<Geometry> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut found = Vec::new();
    for kernel in [1, 3, 5, 7] {
        for outputs in CHANNELS {
            // Miri runs some hundred times slower.
            if cfg!(miri) && outputs > 17 {
                continue;
            }
            let (most, inputs) = if cfg!(miri) { (3, 2) } else { (19, 17) };
            found.push(Geometry { height: 1, width: 1, inputs: 1, outputs, kernel });
            found.push(Geometry {
                height: random.gen_range(1..=most),
                width: random.gen_range(1..=most),
                inputs: random.gen_range(1..=inputs),
                outputs,
                kernel,
            });
        }
    }
    if !cfg!(miri) {
        for inputs in CHANNELS {
            found.push(Geometry { height: 3, width: 18, inputs, outputs: 16, kernel: 3 });
        }
    }
    found
}

/// Calls `meet(row, column, tap, r, c)` for each output pixel and tap whose input pixel (r, c) exists.
fn each_tap(g: Geometry, mut meet: impl FnMut(usize, usize, usize, usize, usize)) {
    let margin = g.kernel / 2;
    for row in 0..g.height {
        for column in 0..g.width {
            for tap in 0..g.kernel * g.kernel {
                let (r, c) = (row + tap / g.kernel, column + tap % g.kernel);
                if (margin..margin + g.height).contains(&r) && (margin..margin + g.width).contains(&c) {
                    meet(row, column, tap, r - margin, c - margin);
                }
            }
        }
    }
}

/// A padded copy of an image.
fn padded(g: Geometry, channels: usize, image: &[f32]) -> Vec<f32> {
    let mut frame = vec![0.0; g.padded_len(channels)];
    g.pad(channels, image, &mut frame);
    frame
}

/// x ∗ w added to `to`.
fn add_convolution(g: Geometry, x: &[f32], w: &[f32], to: &mut Expected) {
    each_tap(g, |row, column, tap, r, c| {
        for input in 0..g.inputs {
            let x = f64::from(x[(r * g.width + c) * g.inputs + input]);
            for output in 0..g.outputs {
                let w = f64::from(w[(tap * g.inputs + input) * g.outputs + output]);
                to.add((row * g.width + column) * g.outputs + output, x * w);
            }
        }
    });
}

#[test]
fn a_convolution_is_the_sum_over_taps_and_inputs() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    for g in geometries() {
        let pixels = g.height * g.width;
        let x = draw(&mut random, pixels * g.inputs);
        let w = draw(&mut random, g.weight_len());
        let bias = draw(&mut random, g.outputs);
        let before = draw(&mut random, pixels * g.outputs);
        let mut with_bias =
            Expected::starting_at((0..pixels).flat_map(|_| bias.iter().map(|b| f64::from(*b))));
        add_convolution(g, &x, &w, &mut with_bias);
        let mut added = Expected::starting_at(before.iter().map(|b| f64::from(*b)));
        add_convolution(g, &x, &w, &mut added);
        for level in Level::available() {
            let what = |finish: &str| format!("{level:?}, {finish}, {g:?}");
            let weights = Packed::new(level, g, &w);
            let frame = padded(g, g.inputs, &x);
            let mut y = vec![f32::NAN; pixels * g.outputs];
            convolve(&frame, &weights, Finish::Bias(&bias), &mut y);
            with_bias.assert(&y, &what("bias"));

            let rectified: Vec<f32> = y.iter().map(|y| y.max(0.0)).collect();
            let mut y = vec![f32::NAN; pixels * g.outputs];
            convolve(&frame, &weights, Finish::BiasRelu(&bias), &mut y);
            assert_eq!(y, rectified, "{}", what("bias and ReLU"));

            let mut y = before.clone();
            convolve(&frame, &weights, Finish::Accumulate, &mut y);
            added.assert(&y, &what("accumulate"));
        }
    }
}

#[test]
fn transposed_weights_carry_the_gradient_back_to_the_input() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for g in geometries() {
        let pixels = g.height * g.width;
        let w = draw(&mut random, g.weight_len());
        let dy = draw(&mut random, pixels * g.outputs);
        // y = Σ x w, so dx = Σ dy w over the outputs that x has reached.
        let mut expected = Expected::zeros(pixels * g.inputs);
        each_tap(g, |row, column, tap, r, c| {
            for input in 0..g.inputs {
                for output in 0..g.outputs {
                    let w = f64::from(w[(tap * g.inputs + input) * g.outputs + output]);
                    let dy = f64::from(dy[(row * g.width + column) * g.outputs + output]);
                    expected.add((r * g.width + c) * g.inputs + input, w * dy);
                }
            }
        });
        for level in Level::available() {
            let mut dx = vec![0.0; pixels * g.inputs];
            let weights = Packed::transposed(level, g, &w);
            convolve(&padded(g, g.outputs, &dy), &weights, Finish::Accumulate, &mut dx);
            expected.assert(&dx, &format!("{level:?}, {g:?}"));
        }
    }
}

#[test]
fn a_weight_s_gradient_is_the_sum_over_pixels_and_is_added() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    for g in geometries() {
        let pixels = g.height * g.width;
        let x = draw(&mut random, pixels * g.inputs);
        let dy = draw(&mut random, pixels * g.outputs);
        let before = draw(&mut random, g.weight_len());
        let mut expected = Expected::starting_at(before.iter().map(|b| f64::from(*b)));
        each_tap(g, |row, column, tap, r, c| {
            for input in 0..g.inputs {
                let x = f64::from(x[(r * g.width + c) * g.inputs + input]);
                for output in 0..g.outputs {
                    let dy = f64::from(dy[(row * g.width + column) * g.outputs + output]);
                    expected.add((tap * g.inputs + input) * g.outputs + output, x * dy);
                }
            }
        });
        for level in Level::available() {
            let mut dw = before.clone();
            let (x, dy) = (padded(g, g.inputs, &x), padded(g, g.outputs, &dy));
            level.run(AddWeightGradient { geometry: g, padded: &x, gradient: &dy, weights: &mut dw });
            expected.assert(&dw, &format!("{level:?}, {g:?}"));
        }
    }
}

/// Runs `check(channels, pixels, random)` for images of every number of channels.
fn each_image(seed: u64, check: impl Fn(usize, usize, &mut ChaCha8Rng)) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    for channels in CHANNELS {
        for pixels in [1, 2, 3, 5, if cfg!(miri) { 9 } else { 1024 }] {
            check(channels, pixels, &mut random);
        }
    }
}

#[test]
fn moments_are_the_sum_and_the_squares_about_the_mean() {
    each_image(5, |channels, pixels, random| {
        // A mean that is large beside the deviation is where one pass in f32 would fail.
        let y: Vec<f32> = draw(random, pixels * channels).iter().map(|y| 100.0 + y).collect();
        let value = |pixel: usize, c: usize| f64::from(y[pixel * channels + c]);
        for level in Level::available() {
            let (mut sums, mut squares) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
            level.run(Moments { y: &y, sums: &mut sums, squares: &mut squares });
            for c in 0..channels {
                let sum: f64 = (0..pixels).map(|p| value(p, c)).sum();
                let mean = sum / pixels as f64;
                let square: f64 = (0..pixels).map(|p| (value(p, c) - mean).powi(2)).sum();
                let what = format!("{level:?}, {channels} channels, {pixels} pixels, channel {c}");
                assert!((f64::from(sums[c]) - sum).abs() <= 2e-6 * sum, "{what}: {}, not {sum}", sums[c]);
                // The mean is rounded to 1e-7 of 100, each deviation to as much.
                let tolerance = 1e-5 * pixels as f64;
                let found = f64::from(squares[c]);
                assert!((found - square).abs() <= tolerance, "{what}: {found}, not {square}");
            }
        }
    });
}

#[test]
fn scale_and_shift_add_a_residual_and_rectify_where_asked() {
    each_image(6, |channels, pixels, random| {
        let [y, residual] = [(); 2].map(|()| draw(random, pixels * channels));
        let [scale, shift] = [(); 2].map(|()| draw(random, channels));
        for (residual, relu) in
            [(None, false), (None, true), (Some(&residual[..]), false), (Some(&residual), true)]
        {
            let expected: Vec<f64> = (0..y.len())
                .map(|k| {
                    let (y, scale, shift) = (y[k], scale[k % channels], shift[k % channels]);
                    let z = f64::from(y) * f64::from(scale) + f64::from(shift);
                    let z = z + residual.map_or(0.0, |r| f64::from(r[k]));
                    if relu { z.max(0.0) } else { z }
                })
                .collect();
            for level in Level::available() {
                let mut out = vec![f32::NAN; y.len()];
                let normal = Normal { scale: &scale, shift: &shift, residual };
                level.run(ScaleShift { y: &y, normal, relu, out: &mut out });
                for (got, expected) in out.iter().zip(&expected) {
                    let error = (f64::from(*got) - expected).abs();
                    assert!(error <= 4e-7, "{level:?}, {channels} × {pixels}: {got}, not {expected}");
                }
            }
        }
    });
}

#[test]
fn the_gradient_behind_a_rectified_sum_goes_to_the_residual_where_it_was_positive() {
    for level in Level::available() {
        for len in [1, 15, 16, 35] {
            let out: Vec<f32> = (0..len).map(|k| if k % 3 == 0 { 0.0 } else { k as f32 }).collect();
            let (mut g, mut sum) = (vec![2.0; len], vec![1.0; len]);
            level.run(MaskAndAdd { out: &out, g: &mut g, sum: &mut sum });
            let expected: Vec<f32> = (0..len).map(|k| if k % 3 == 0 { 0.0 } else { 2.0 }).collect();
            assert_eq!(g, expected, "{level:?}, {len}");
            assert_eq!(sum, expected.iter().map(|g| g + 1.0).collect::<Vec<_>>(), "{level:?}, {len}");
        }
    }
}

#[test]
fn a_relu_lets_nan_through() {
    for level in Level::available() {
        let y = [f32::NAN, -1.0, 2.0].repeat(11);
        let mut out = vec![0.0; y.len()];
        let normal = Normal { scale: &[1.0; 11], shift: &[0.0; 11], residual: None };
        level.run(ScaleShift { y: &y, normal, relu: true, out: &mut out });
        let g = Geometry { height: 1, width: 33, inputs: 1, outputs: 1, kernel: 1 };
        let mut convolved = vec![0.0; y.len()];
        let weights = Packed::new(level, g, &[1.0]);
        convolve(&padded(g, 1, &y), &weights, Finish::BiasRelu(&[0.0]), &mut convolved);
        for out in [out, convolved] {
            for three in out.chunks_exact(3) {
                assert!(three[0].is_nan() && three[1..] == [0.0, 2.0], "{level:?}: {three:?}");
            }
        }
    }
}

/// Whether a pre-activation is too near 0 to say on which side f32 finds it.
fn ambiguous(y: f32, scale: f32, shift: f32) -> bool {
    (f64::from(y) * f64::from(scale) + f64::from(shift)).abs() < 1e-6
}

#[test]
fn the_gradient_behind_a_relu_counts_where_it_was_positive() {
    each_image(7, |channels, pixels, random| {
        let len = pixels * channels;
        let [mut y, gradient] = [len, len].map(|len| draw(random, len));
        let [scale, shift, mean] = [channels, channels, channels].map(|len| draw(random, len));
        let factors = [(); 3].map(|()| draw(random, channels));
        for (k, y) in y.iter_mut().enumerate() {
            while ambiguous(*y, scale[k % channels], shift[k % channels]) {
                *y = random.gen_range(-1.0..1.0);
            }
        }
        let (mut sums, mut products) = (Expected::zeros(channels), Expected::zeros(channels));
        let mut of_input = Expected::zeros(len);
        for k in 0..len {
            let c = k % channels;
            let at = |v: &[f32]| f64::from(v[c]);
            let counts = f64::from(y[k]) * at(&scale) + at(&shift) > 0.0;
            let g = if counts { f64::from(gradient[k]) } else { 0.0 };
            let deviation = f64::from(y[k]) - at(&mean);
            sums.add(c, g);
            products.add(c, g * deviation);
            of_input.add(k, at(&factors[0]) * g);
            of_input.add(k, at(&factors[1]) * deviation);
            of_input.add(k, at(&factors[2]));
        }
        let applied = Applied { scale: &scale, shift: &shift, mean: &mean };
        for level in Level::available() {
            let what = format!("{level:?}, {channels} channels, {pixels} pixels");
            let (mut got_sums, mut got_products) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
            let (y, gradient) = (&*y, &*gradient);
            level.run(GradientSums {
                y,
                gradient,
                applied,
                sums: &mut got_sums,
                products: &mut got_products,
            });
            // A thousand terms of one sign after another: f32 loses a little more than elsewhere.
            for expected in [&mut sums, &mut products] {
                expected.sizes.iter_mut().for_each(|size| *size = size.max(1.0));
            }
            sums.assert(&got_sums, &what);
            products.assert(&got_products, &what);
            let mut out = vec![f32::NAN; len];
            level.run(InputGradient { y, gradient, applied, factors: &factors, out: &mut out });
            of_input.assert(&out, &what);
        }
    });
}

#[test]
fn pooling_takes_each_window_s_maximum_and_mean_and_gives_their_gradients_back() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for (height, width) in [(2, 2), (3, 3), (4, 7), (9, 2), (8, 8)] {
        for channels in [1, 3, 16, 33] {
            let image = draw(&mut random, height * width * channels);
            let (rows, columns) = (height / 2, width / 2);
            let gradient = draw(&mut random, rows * columns * 2 * channels);
            let before = draw(&mut random, image.len());
            let mut of_image = Expected::starting_at(before.iter().map(|b| f64::from(*b)));
            let mut expected = Vec::new();
            for row in 0..rows {
                for column in 0..columns {
                    let pixels = [(0, 0), (0, 1), (1, 0), (1, 1)]
                        .map(|(r, c)| ((2 * row + r) * width + 2 * column + c) * channels);
                    let out = (row * columns + column) * 2 * channels;
                    let largest = |c: usize| {
                        pixels.into_iter().max_by(|a, b| image[a + c].total_cmp(&image[b + c])).unwrap() + c
                    };
                    for c in 0..channels {
                        expected.push(f64::from(image[largest(c)]));
                        of_image.add(largest(c), f64::from(gradient[out + c]));
                    }
                    for c in 0..channels {
                        expected.push(pixels.iter().map(|p| f64::from(image[p + c])).sum::<f64>() / 4.0);
                        for pixel in pixels {
                            of_image.add(pixel + c, f64::from(gradient[out + channels + c]) / 4.0);
                        }
                    }
                }
            }
            let what = format!("{height} × {width} × {channels}");
            let mut out = vec![f32::NAN; expected.len()];
            max_mean(height, width, channels, &image, &mut out);
            let mut exact = Expected::starting_at(expected.into_iter());
            exact.sizes.fill(1.0);
            exact.assert(&out, &what);
            for level in Level::available() {
                let mut got = before.clone();
                let (image, gradient, out) = (&*image, &*gradient, &mut *got);
                level.run(AddMaxMeanGradient { height, width, channels, image, gradient, out });
                of_image.assert(&got, &format!("{what}, {}", level.name()));
            }
        }
    }
}

#[test]
fn the_maximum_under_a_window_counts_the_image_alone_and_gives_its_gradient_to_the_largest_pixel() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for (padding, before) in [(Padding::Valid, 0), (Padding::Around(1), 1)] {
        let window = Window { kernel: 3, stride: 2, padding };
        for (height, width, channels) in [(3, 3, 1), (4, 7, 5), (8, 5, 17), (16, 16, 3)] {
            // All below zero: a zero from outside would be the largest.
            let image: Vec<f32> =
                draw(&mut random, height * width * channels).iter().map(|x| x - 2.0).collect();
            let (rows, columns) = ((height + 2 * before - 3) / 2 + 1, (width + 2 * before - 3) / 2 + 1);
            let gradient = draw(&mut random, rows * columns * channels);
            let (mut expected, mut of_image) = (Vec::new(), Expected::zeros(image.len()));
            for (k, gradient) in gradient.iter().enumerate() {
                let (place, channel) = (k / channels, k % channels);
                let (row, column) = (place / columns * 2, place % columns * 2);
                let largest = (row..row + 3)
                    .flat_map(|r| (column..column + 3).map(move |c| (r, c)))
                    .filter(|&(r, c)| r >= before && c >= before && r < height + before && c < width + before)
                    .map(|(r, c)| ((r - before) * width + c - before) * channels + channel)
                    .max_by(|a, b| image[*a].total_cmp(&image[*b]))
                    .unwrap();
                expected.push(image[largest]);
                of_image.add(largest, f64::from(*gradient));
            }
            let places: Vec<_> = window.pixels(height, width).collect();
            let mut out = vec![f32::NAN; expected.len()];
            max(&places, window, channels, &image, &mut out);
            assert_eq!(out, expected, "{height} × {width} × {channels}");
            let mut got = vec![0.0; image.len()];
            add_max_gradient(&places, window, channels, &image, &gradient, &mut got);
            of_image.assert(&got, &format!("{height} × {width} × {channels}"));
        }
    }
}

#[test]
fn a_tied_maximum_sends_its_gradient_to_the_first_pixel() {
    for level in Level::available() {
        for (image, first) in [([0.0, 3.0, 3.0, 3.0], 1), ([0.0; 4], 0), ([1.0, 2.0, 4.0, 4.0], 2)] {
            let mut got = vec![0.0; 4];
            let (image, gradient, out) = (&image, &[1.0, 0.0], &mut *got);
            level.run(AddMaxMeanGradient { height: 2, width: 2, channels: 1, image, gradient, out });
            let expected: Vec<f32> = (0..4).map(|k| if k == first { 1.0 } else { 0.0 }).collect();
            assert_eq!(got, expected, "{image:?}");
        }
    }
}

#[test]
fn the_global_mean_is_over_pixels_and_shares_its_gradient() {
    each_image(9, |channels, pixels, random| {
        let [image, before] = [(); 2].map(|()| draw(random, pixels * channels));
        let gradient = draw(random, channels);
        let (mut of_channels, n) = (Expected::zeros(channels), pixels as f64);
        let mut of_image = Expected::starting_at(before.iter().map(|b| f64::from(*b)));
        for k in 0..image.len() {
            of_channels.add(k % channels, f64::from(image[k]) / n);
            of_image.add(k, f64::from(gradient[k % channels]) / n);
        }
        of_channels.sizes.iter_mut().for_each(|size| *size = size.max(1.0));
        let what = format!("{channels} channels, {pixels} pixels");
        let mut out = vec![f32::NAN; channels];
        mean(&image, &mut out);
        of_channels.assert(&out, &what);
        let mut got = before.clone();
        add_mean_gradient(&gradient, &mut got);
        of_image.assert(&got, &what);
    });
}

#[test]
fn an_update_moves_parameters_and_moments_by_its_rule() {
    let mut random = ChaCha8Rng::seed_from_u64(10);
    let adaptive = Step::Adaptive {
        beta1: 0.9,
        beta2: 0.999,
        momentum: 0.03,
        gradient: 0.01,
        square: 40.0,
        epsilon: 1e-7,
    };
    let momentum = |nesterov| Step::Momentum { learning_rate: 0.05, momentum: 0.9, nesterov };
    for len in [1, 7, 8, 15, 16, 17, 33, 100] {
        let [p, m, g] = [len, len, len].map(|len| draw(&mut random, len));
        let v: Vec<f32> = draw(&mut random, len).iter().map(|v| v.abs()).collect();
        let slowed = Before { kept: 0.75, gradient: 0.5 };
        let steps = [adaptive, momentum(false), momentum(true)];
        let nothing = steps.map(|step| (step, Before::NOTHING));
        for (step, before) in nothing.into_iter().chain(steps.map(|step| (step, slowed))) {
            let expected: Vec<[f64; 3]> = (0..len)
                .map(|k| {
                    let [p, m, v, g] = [&p, &m, &v, &g].map(|x| f64::from(x[k]));
                    let (p, g) = (before.kept * p, before.gradient * g);
                    match step {
                        Step::Adaptive { beta1, beta2, momentum, gradient, square, epsilon } => {
                            let m = beta1 * m + (1.0 - beta1) * g;
                            let v = beta2 * v + (1.0 - beta2) * g * g;
                            [p - (momentum * m + gradient * g) / ((square * v).sqrt() + epsilon), m, v]
                        }
                        Step::Momentum { learning_rate, momentum, nesterov } => {
                            let m = momentum * m + g;
                            [p - learning_rate * if nesterov { g + momentum * m } else { m }, m, v]
                        }
                    }
                })
                .collect();
            for level in Level::available() {
                let (mut p, mut m, mut v) = (p.clone(), m.clone(), v.clone());
                level.run(Update { step, before, p: &mut p, m: &mut m, v: &mut v, g: &g });
                for (k, expected) in expected.iter().enumerate() {
                    for (got, expected) in [p[k], m[k], v[k]].into_iter().zip(expected) {
                        let error = (f64::from(got) - expected).abs();
                        assert!(error < 5e-7, "{level:?}, {step:?}, {len}: {got}, not {expected}");
                    }
                }
            }
        }
    }
}

#[test]
fn products_of_matrices_are_what_a_plain_sum_gives() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for level in Level::available() {
        for columns in CHANNELS {
            // About the rows of a tile, and inner sides about a block's.
            for (rows, inner) in [(1, 1), (2, 5), (5, 128), (6, 129), (13, 300)] {
                let [a, b, start] =
                    [rows * inner, inner * columns, rows * columns].map(|len| draw(&mut random, len));
                for turned in [false, true] {
                    let (row, column) = if turned { (1, rows) } else { (inner, 1) };
                    let mut expected = Expected::starting_at(start.iter().map(|x| f64::from(*x)));
                    for r in 0..rows {
                        for c in 0..columns {
                            for k in 0..inner {
                                let a = f64::from(a[r * row + k * column]);
                                expected.add(r * columns + c, a * f64::from(b[k * columns + c]));
                            }
                        }
                    }
                    let mut y = start.clone();
                    let a = Left { numbers: &a, row, column };
                    level.run(AddProduct { a, b: &b, y: &mut y, columns });
                    expected.assert(&y, &format!("{level:?}, {rows} × {inner} × {columns}, {turned}"));
                }
            }
        }
    }
}

#[test]
fn the_largest_of_a_window_with_nan_is_nan() {
    for place in 0..4 {
        let mut image = [1.0, 2.0, 3.0, 4.0];
        image[place] = f32::NAN;
        let mut out = [0.0; 2];
        max_mean(2, 2, 1, &image, &mut out);
        assert!(out[0].is_nan() && out[1].is_nan(), "{place}: {out:?}");
    }
}

/// Whether it panics, and with these words.
fn panics(words: &str, run: impl FnOnce() + std::panic::UnwindSafe) -> bool {
    let payload = std::panic::catch_unwind(run).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap().contains(words)
}

#[test]
fn slices_of_other_lengths_than_a_kernel_walks_over_are_refused() {
    for level in Level::available() {
        let run =
            |sum: usize, part: usize| level.run(Add { sum: &mut vec![0.0; sum], part: &vec![0.0; part] });
        run(3, 3);
        assert!(panics("unequal lengths", || run(3, 2)));
        let moments = |y: usize, channels: usize| {
            let (mut sums, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
            level.run(Moments { y: &vec![0.0; y], sums: &mut sums, squares: &mut squares });
        };
        moments(6, 3);
        assert!(panics("7 numbers in pixels of 3 channels", || moments(7, 3)));
        assert!(panics("0 numbers in pixels of 0 channels", || moments(0, 0)));
    }
}

#[test]
fn sides_whose_product_wraps_around_are_refused() {
    let most = 1 << (usize::BITS / 2);
    // 2⁶⁴ numbers: in wrapping arithmetic none.
    let geometry = Geometry { height: 1, width: 1, inputs: most, outputs: most, kernel: 1 };
    assert!(panics("sizes that can be counted", || {
        Packed::new(Level::best(), geometry, &[]);
    }));
    let window = Window::same(1);
    let sides = Sides { batch: most, height: most, width: 1, inputs: 1, outputs: 1, window };
    assert!(panics("sizes that can be counted", || {
        sides.output_len();
    }));
    assert!(panics("sizes that can be counted", || {
        let (image, gradient, out) = (&[], &[], &mut []);
        Level::best().run(AddMaxMeanGradient {
            height: most,
            width: most,
            channels: 1,
            image,
            gradient,
            out,
        });
    }));
    assert!(panics("a matrix of 2 rows", || {
        let a = Left { numbers: &[0.0; 4], row: usize::MAX, column: 2 };
        Level::best().run(AddProduct { a, b: &[0.0; 2], y: &mut [0.0; 2], columns: 1 });
    }));
}
