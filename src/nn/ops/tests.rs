//! The fused operations in f32, at each level of this machine, compared with the composed ones in f64, and those with
//! finite differences.

use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Padding, PixelScores, Rows, Statistics, Window,
};
use crate::nn::module::{cross_entropy, mean_of_logits, mean_of_softmaxes};
use crate::nn::tape::{AnyTape, Taped, backward, fork};
use crate::simd::at_each_level;

/// Channels about the widths of vectors (8, 16) and of register blocks (32, 64).
const CHANNELS: [usize; 9] = [1, 7, 10, 15, 16, 17, 33, 64, 100];

/// The sides of maps: batch, rows, columns, channels.
type Sides = (usize, usize, usize, usize);

/// Numbers between −1 and 1.
fn draw(random: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| random.gen_range(-1.0..1.0)).collect()
}

fn numbers(sides: Sides) -> usize {
    sides.0 * sides.1 * sides.2 * sides.3
}

/// What an operation makes of some tensors: its output, and Σ r · output with fixed random r and its gradients.
struct Trial {
    out: Vec<f64>,
    loss: f64,
    gradients: Vec<Vec<f64>>,
}

fn tensor<S: Shape, E: Dtype>(values: &[f64], shape: S) -> Tensor<S, E, Cpu>
where
    Cpu: Backend<E>,
{
    Cpu::default().tensor_from_vec(values.iter().map(|x| E::from_f64(*x).unwrap()).collect(), shape)
}

fn taped<S: Shape, E: Dtype>(x: &Tensor<S, E, Cpu>) -> Taped<S, E, Cpu>
where
    Cpu: Backend<E>,
{
    x.clone().put_tape(AnyTape::recording())
}

fn plain<E: Dtype>(values: Vec<E>) -> Vec<f64> {
    values.into_iter().map(|x| x.to_f64().unwrap()).collect()
}

fn gradient_of<S: Shape, E: Dtype>(gradients: &mut Gradients<E, Cpu>, x: &Tensor<S, E, Cpu>) -> Vec<f64>
where
    Cpu: Backend<E>,
{
    gradients.get_or_alloc_mut(x).unwrap();
    plain(gradients.get(x).as_vec())
}

/// Σ r · out, with r from the same seed each time.
fn weighted_sum<S: Shape, E: Dtype>(out: Taped<S, E, Cpu>) -> Taped<(), E, Cpu>
where
    Cpu: Backend<E>,
{
    let shape = *out.shape();
    let r = draw(&mut ChaCha8Rng::seed_from_u64(99), shape.num_elements());
    (out * tensor::<S, E>(&r, shape)).sum::<(), _>()
}

/// The trial of an operation that has given `$out` of these tensors.
macro_rules! trial {
    ($out:expr, $($tensor:expr),+) => {{
        let out = $out;
        let values = plain(out.as_vec());
        let loss = weighted_sum(out);
        let value = loss.as_vec()[0].to_f64().unwrap();
        let mut gradients = backward(loss);
        Trial { out: values, loss: value, gradients: vec![$(gradient_of(&mut gradients, $tensor)),+] }
    }};
}

/// The largest difference, relative to the largest number of `expected`.
fn relative(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(1e-3f64, |a, x| a.max(x.abs()));
    got.iter()
        .zip(expected)
        .fold(0.0, |worst, (g, e)| if g.is_nan() { g.abs() } else { (g - e).abs().max(worst) })
        / largest
}

type Run<'a> = &'a (dyn Fn(&[Vec<f64>]) -> Trial + Sync);

#[track_caller]
fn assert_equal(what: &str, tensors: &[Vec<f64>], tolerance: f64, fused: Run<'_>, composed: Run<'_>) {
    let expected = composed(tensors);
    at_each_level(|level| {
        let got = fused(tensors);
        let error = relative(&got.out, &expected.out);
        assert!(error <= tolerance, "{what}, {level:?}: {error:e}");
        for (k, (got, expected)) in got.gradients.iter().zip(&expected.gradients).enumerate() {
            let error = relative(got, expected);
            assert!(error <= 10.0 * tolerance, "{what}, {level:?}, gradient {k}: {error:e}");
        }
    });
}

/// Compares an operation in f32 with itself in f64, up to a relative error (ten times as much in gradients).
macro_rules! compare {
    ($tensors:expr, $tolerance:expr, $run:ident($($argument:expr),+)) => {
        assert_equal(
            &format!("{:?}", ($($argument),+)),
            &$tensors,
            $tolerance,
            &|t| $run::<f32>(t, $($argument),+),
            &|t| $run::<f64>(t, $($argument),+),
        )
    };
}

/// Compares the gradients in f64 with central differences.
macro_rules! compare_differences {
    ($tensors:expr, $run:ident($($argument:expr),+)) => {
        let worst = against_differences(&|t| $run::<f64>(t, $($argument),+), &$tensors);
        assert!(worst < 1e-6, "{:?}: {worst:e}", ($($argument),+))
    };
}

/// The largest difference between gradients and central differences, relative to the largest gradient.
fn against_differences(run: Run<'_>, tensors: &[Vec<f64>]) -> f64 {
    /// Central differences in f64 are best near the cube root of its precision.
    const STEP: f64 = 1e-5;
    let mut worst = 0f64;
    for (k, gradient) in run(tensors).gradients.iter().enumerate() {
        let largest = gradient.iter().fold(1e-3f64, |a, g| a.max(g.abs()));
        for i in 0..tensors[k].len() {
            let at = |step: f64| {
                let mut moved = tensors.to_vec();
                moved[k][i] += step;
                run(&moved).loss
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            worst = worst.max((difference - gradient[i]).abs() / largest);
        }
    }
    worst
}

/// A convolution with batch norm under test.
#[derive(Debug, Clone, Copy)]
struct Case {
    batch: usize,
    height: usize,
    width: usize,
    inputs: usize,
    outputs: usize,
    kind: Kind,
    window: Window,
    residual: bool,
    activation: Activation,
}

/// How it passes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pass {
    /// With the batch's statistics.
    Batch,
    /// As the first layer of a network, whose input is data.
    OfData,
    /// With given statistics, recorded.
    Given,
    /// With given statistics, not recorded.
    Folded,
}

impl Case {
    /// The same of another kind, with its arguments.
    fn of_kind(self, kind: Kind) -> Self {
        match kind {
            Kind::Full => self,
            Kind::Depthwise => Self { kind, inputs: self.outputs, ..self },
            Kind::Transposed => {
                Self { kind, window: Window { padding: Padding::Same, ..self.window }, ..self }
            }
        }
    }

    /// The sides of the weights.
    fn weights(self) -> (usize, usize) {
        let taps = self.window.kernel * self.window.kernel;
        match self.kind {
            Kind::Full => (taps * self.inputs, self.outputs),
            Kind::Depthwise => (taps, self.outputs),
            Kind::Transposed => (taps * self.outputs, self.inputs),
        }
    }

    fn maps(self) -> Sides {
        (self.batch, self.height, self.width, self.inputs)
    }

    fn places(self) -> Sides {
        let side = |size| match self.kind {
            Kind::Transposed => self.window.stride * size,
            _ => self.window.outputs(size),
        };
        (self.batch, side(self.height), side(self.width), self.outputs)
    }

    /// Input, weight, bias, γ, β, residual, given mean and variance.
    fn tensors(self, random: &mut ChaCha8Rng) -> [Vec<f64>; 8] {
        let (weights, n) = (self.weights().0 * self.weights().1, self.outputs);
        let lens = [numbers(self.maps()), weights, n, n, n, numbers(self.places()), n, n];
        let mut tensors = lens.map(|len| draw(random, len));
        tensors[7].iter_mut().for_each(|variance| *variance = variance.abs() + 0.1);
        tensors
    }
}

fn conv_norm<E: Dtype>(t: &[Vec<f64>], case: Case, pass: Pass) -> Trial
where
    Cpu: Backend<E>,
{
    let (x, weight) = (tensor::<_, E>(&t[0], case.maps()), tensor(&t[1], case.weights()));
    let [bias, scale, shift, mean, variance] = [2, 3, 4, 6, 7].map(|k| tensor(&t[k], (case.outputs,)));
    let residual = tensor(&t[5], case.places());
    let layer = ConvNorm {
        kind: case.kind,
        weight: &weight,
        bias: &bias,
        scale: &scale,
        shift: &shift,
        epsilon: 1e-3,
        window: case.window,
        activation: case.activation,
    };
    let tape = || match pass {
        Pass::Folded => AnyTape::off(),
        Pass::OfData => AnyTape::recording_from_data(),
        Pass::Batch | Pass::Given => AnyTape::recording(),
    };
    let onto = case.residual.then(|| residual.clone().put_tape(tape()));
    let input = x.clone().put_tape(tape());
    let out = match pass {
        Pass::Batch | Pass::OfData => <Cpu as Backend<E>>::conv_norm((input, onto), &layer).0,
        _ => <Cpu as Backend<E>>::conv_norm_frozen((input, onto), &layer, &Statistics { mean, variance }),
    };
    assert_eq!(*out.shape(), case.places());
    if pass == Pass::Folded {
        // dfdx does not read a tensor without numbers.
        let out = if case.batch > 0 { plain(out.as_vec()) } else { Vec::new() };
        return Trial { out, loss: 0.0, gradients: Vec::new() };
    }
    trial!(out, &x, &weight, &bias, &scale, &shift, &residual)
}

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Swish, Activation::None];

/// All windows, sides on the edges of the kernels' blocks, and some at random.
fn cases() -> Vec<Case> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut cases: Vec<Case> = Vec::new();
    let mut add = |window: Window, [batch, height, width, inputs, outputs]: [usize; 5]| {
        let (residual, activation) = (cases.len().is_multiple_of(2), ACTIVATIONS[cases.len() % 3]);
        let kind = Kind::Full;
        cases.push(Case { batch, height, width, inputs, outputs, kind, window, residual, activation });
    };
    let mut number = 0;
    let mut outputs = || {
        number += 1;
        CHANNELS[number % CHANNELS.len()]
    };
    for (kernel, stride) in [1, 2, 3, 5, 7].into_iter().flat_map(|k| [1, 2, 3].map(|stride| (k, stride))) {
        for padding in [Padding::Same, Padding::Valid, Padding::Around(1), Padding::Around(3)] {
            let window = Window { kernel, stride, padding };
            let smallest = (1..=kernel).find(|&size| window.outputs(size) > 0).unwrap();
            let [batch, rows, columns, inputs] = [(1, 12), (0, 6), (0, 6), (1, 20)]
                .map(|(least, most): (usize, usize)| random.gen_range(least..most));
            add(window, [batch, smallest + rows, smallest + columns, inputs, outputs()]);
        }
    }
    // Pixels of a row side by side.
    for (kernel, channels) in [3, 5, 7].into_iter().flat_map(|k| CHANNELS.map(|channels| (k, channels))) {
        let [batch, height, width, inputs] =
            [(1, 6), (1, 7), (12, 20), (1, 18)].map(|(least, most)| random.gen_range(least..most));
        add(Window::same(kernel), [batch, height, width, inputs, channels]);
    }
    for inputs in CHANNELS {
        add(Window::same(3), [3, 3, 18, inputs, 16]);
    }
    // More channels than are packed at once, more rows than are summed at once, whole groups of images, one pixel.
    add(Window::same(1), [17, 7, 7, 260, 33]);
    add(Window::same(3), [9, 2, 2, 130, 140]);
    add(Window::same(3), [1, 1, 1, 1, 1]);
    let others = [(Kind::Depthwise, 2), (Kind::Transposed, 3)];
    let others =
        others.map(|(kind, every)| cases.iter().step_by(every).map(|case| case.of_kind(kind)).collect());
    let [depthwise, transposed]: [Vec<Case>; 2] = others;
    [cases, depthwise, transposed].concat()
}

#[test]
fn fused_and_folded_conv_norm_are_the_composed_one() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for case in cases() {
        let tensors = case.tensors(&mut random);
        // A batch norm over a handful of pixels has gradients that cancel: there f32 is too coarse to compare.
        let places = numbers(case.places()) / case.outputs;
        compare!(tensors, if places < 16 { 1e-3 } else { 1e-5 }, conv_norm(case, Pass::Batch));
        compare!(tensors, 1e-5, conv_norm(case, Pass::Folded));
    }
}

#[test]
fn composed_conv_norm_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut windows = [1, 2, 3, 5].map(Window::same).to_vec();
    windows.extend(
        [(3, 2, Padding::Same), (2, 1, Padding::Valid), (7, 2, Padding::Around(3)), (2, 2, Padding::Same)]
            .map(|(kernel, stride, padding)| Window { kernel, stride, padding }),
    );
    for (k, window) in windows.into_iter().enumerate() {
        let (residual, activation, kind) = (k % 2 == 0, ACTIVATIONS[k % 3], Kind::Full);
        let case =
            Case { batch: 2, height: 4, width: 3, inputs: 2, outputs: 3, kind, window, residual, activation };
        for case in [case, case.of_kind(Kind::Depthwise), case.of_kind(Kind::Transposed)] {
            let tensors = case.tensors(&mut random);
            compare_differences!(tensors, conv_norm(case, Pass::Batch));
            compare_differences!(tensors, conv_norm(case, Pass::Given));
        }
    }
}

#[test]
fn the_gradient_of_data_is_not_worked_out_and_that_of_the_weights_is_the_same() {
    let mut random = ChaCha8Rng::seed_from_u64(8);
    // Pixels of a row side by side, and pixels of several images.
    for width in [20, 3] {
        let (kind, window, residual) = (Kind::Full, Window::same(3), false);
        let (inputs, outputs, activation) = (3, 6, Activation::Relu);
        let case = Case { batch: 4, height: 5, width, inputs, outputs, kind, window, residual, activation };
        let tensors = case.tensors(&mut random);
        let [all, of_data] =
            [Pass::Batch, Pass::OfData].map(|pass| conv_norm::<f32>(&tensors, case, pass).gradients);
        assert!(all[0].iter().any(|g| *g != 0.0) && of_data[0].iter().all(|g| *g == 0.0));
        assert_eq!(all[1..5], of_data[1..5]);
    }
}

#[test]
fn a_transposed_convolution_is_keras_s() {
    // tf.keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same") of [1, 2] by [1, 10, 100] in the middle row:
    // y[2 i + tap] += x[i] w[tap], the first four of five.
    let window = Window { kernel: 3, stride: 2, padding: Padding::Same };
    let (kind, residual, activation) = (Kind::Transposed, false, Activation::None);
    let case =
        Case { batch: 1, height: 1, width: 2, inputs: 1, outputs: 1, kind, window, residual, activation };
    let (weight, zero) = ([vec![1.0, 10.0, 100.0], vec![0.0; 6]].concat(), vec![0.0]);
    let (one, residual) = (vec![1.0], vec![0.0; 8]);
    // ε is 1e-3.
    let tensors = [vec![1.0, 2.0], weight, zero.clone(), one, zero.clone(), residual, zero, vec![1.0 - 1e-3]];
    let y = conv_norm::<f32>(&tensors, case, Pass::Folded).out;
    assert!(relative(&y, &[1.0, 10.0, 102.0, 20.0, 0.0, 0.0, 0.0, 0.0]) < 1e-6, "{y:?}");
}

/// Operations on maps alone.
#[derive(Debug, Clone, Copy)]
enum OfMaps {
    MaxMean,
    Mean,
    Doubled,
    Max(Window),
}

fn of_maps<E: Dtype>(t: &[Vec<f64>], shape: Sides, operation: OfMaps) -> Trial
where
    Cpu: Backend<E>,
{
    let x = tensor::<_, E>(&t[0], shape);
    match operation {
        OfMaps::MaxMean => trial!(<Cpu as Backend<E>>::max_mean_pool(taped(&x)), &x),
        OfMaps::Mean => trial!(<Cpu as Backend<E>>::global_mean(taped(&x)), &x),
        OfMaps::Doubled => trial!(<Cpu as Backend<E>>::doubled(taped(&x)), &x),
        OfMaps::Max(window) => trial!(<Cpu as Backend<E>>::max_pool(taped(&x), window), &x),
    }
}

#[test]
fn fused_pooling_and_doubling_are_the_composed_ones_with_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let padded = [Padding::Valid, Padding::Around(1), Padding::Same];
    let padded = padded.map(|padding| OfMaps::Max(Window { kernel: 3, stride: 2, padding }));
    for operation in [OfMaps::MaxMean, OfMaps::Mean, OfMaps::Doubled].into_iter().chain(padded) {
        for round in 0..24 {
            let [batch, rows, columns, channels] =
                [(1, 5), (3, 9), (3, 9), (1, 40)].map(|(least, most)| random.gen_range(least..most));
            let shape = if round < 3 { (2, 3 + round, 5, 3) } else { (batch, rows, columns, channels) };
            let tensors = [draw(&mut random, numbers(shape))];
            compare!(tensors, 1e-6, of_maps(shape, operation));
            if round < 3 {
                compare_differences!(tensors, of_maps(shape, operation));
            }
        }
    }
    let row = [1.0, 10.0, 1.0, 10.0, 2.0, 20.0, 2.0, 20.0];
    let twice = of_maps::<f32>(&[vec![1.0, 10.0, 2.0, 20.0]], (1, 1, 2, 2), OfMaps::Doubled);
    assert_eq!(twice.out, [row, row].concat());
}

fn dense<E: Dtype>(t: &[Vec<f64>], (batch, inputs, outputs): (usize, usize, usize), relu: bool) -> Trial
where
    Cpu: Backend<E>,
{
    let (x, weight) = (tensor::<_, E>(&t[0], (batch, inputs)), tensor(&t[1], (inputs, outputs)));
    let bias = tensor(&t[2], (outputs,));
    let layer = DenseLayer { weight: &weight, bias: &bias, relu, passes_back: true };
    trial!(<Cpu as Backend<E>>::dense(taped(&x), &layer), &x, &weight, &bias)
}

#[test]
fn a_fused_dense_layer_is_the_composed_one_with_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    // Small ones, rows and columns about those of a tile, several blocks of inputs, and one row.
    let edges = CHANNELS.map(|outputs| (13, 20, outputs));
    for sides in [(3, 4, 5), (1, 1, 1), (5, 7, 3), (3, 2500, 17), (33, 130, 128), (1, 1024, 40)]
        .into_iter()
        .chain(edges)
    {
        for relu in [false, true] {
            let (batch, inputs, outputs) = sides;
            let tensors = [batch * inputs, inputs * outputs, outputs].map(|len| draw(&mut random, len));
            compare!(tensors, 1e-5, dense(sides, relu));
            if inputs < 5 {
                compare_differences!(tensors, dense(sides, relu));
            }
        }
    }
}

fn joined<E: Dtype>(t: &[Vec<f64>], shape: (usize, usize, usize), [of_a, of_b]: [usize; 2]) -> Trial
where
    Cpu: Backend<E>,
{
    let a = tensor::<_, E>(&t[0], (shape.0, shape.1, shape.2, of_a));
    let b = tensor(&t[1], (shape.0, shape.1, shape.2, of_b));
    trial!(<Cpu as Backend<E>>::concat(taped(&a), taped(&b)), &a, &b)
}

fn gated<E: Dtype>(t: &[Vec<f64>], shape: Sides) -> Trial
where
    Cpu: Backend<E>,
{
    let (x, z) = (tensor::<_, E>(&t[0], shape), tensor(&t[1], (shape.0, shape.3)));
    trial!(<Cpu as Backend<E>>::gate(taped(&x), taped(&z)), &x, &z)
}

#[test]
fn fused_concatenation_and_gates_are_the_composed_ones_with_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(10);
    for (shape, channels) in [((1, 1, 1), [1, 1]), ((2, 3, 4), [5, 2]), ((3, 9, 8), [1, 33])] {
        let tensors = channels.map(|channels| draw(&mut random, shape.0 * shape.1 * shape.2 * channels));
        compare!(tensors, 1e-6, joined(shape, channels));
        let first = &joined::<f64>(&tensors, shape, channels).out[..channels[0]];
        assert_eq!(first, &tensors[0][..channels[0]], "the first pixel begins with the first maps'");
    }
    for round in 0..20 {
        let [batch, height, width, channels] = [4, 6, 5, 70].map(|most| random.gen_range(1..most));
        let shape = (batch, height, width, if round < 4 { round + 1 } else { channels });
        let tensors = [shape.1 * shape.2, 1].map(|pixels| draw(&mut random, shape.0 * pixels * shape.3));
        compare!(tensors, 1e-6, gated(shape));
        if round < 4 {
            compare_differences!(tensors, gated(shape));
        }
    }
}

fn summed<E: Dtype>(t: &[Vec<f64>], rows: usize) -> Trial
where
    Cpu: Backend<E>,
{
    let (x, y) = (tensor::<_, E>(&t[0], (rows, 5usize)), tensor(&t[1], (rows, 5usize)));
    trial!(<Cpu as Backend<E>>::weighted_sum(taped(&x), y, E::from_f64(-0.37).unwrap()), &x)
}

fn scored<E: Dtype>(t: &[Vec<f64>], shape: Sides, (kernel, classes): (usize, usize)) -> Trial
where
    Cpu: Backend<E>,
{
    let (x, bias) = (tensor::<_, E>(&t[0], shape), tensor(&t[2], (classes,)));
    let weight = tensor(&t[1], (kernel * kernel * shape.3, classes));
    let layer = PixelScores { weight: &weight, bias: &bias, window: Window::same(kernel) };
    let out = <Cpu as Backend<E>>::pixel_log_softmax(taped(&x), &layer);
    assert_eq!(*out.shape(), (shape.0 * shape.1 * shape.2, classes));
    trial!(out, &x, &weight, &bias)
}

#[test]
fn fused_sums_and_scores_of_pixels_are_the_composed_ones_with_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    // One block, and several.
    for rows in [1, 7, 9000] {
        let tensors = [rows * 5; 2].map(|len| draw(&mut random, len));
        compare!(tensors, 1e-5, summed(rows));
    }
    for round in 0..16 {
        let case = ([1, 3][round % 2], [1, 2, 7, 17, 40][round % 5]);
        let [batch, height, width, channels] = [4, 18, 20, 40].map(|most| random.gen_range(1..most));
        // Small enough for finite differences, then as it comes.
        let shape = if round < 4 { (2, 3, 2, 2) } else { (batch, height, width, channels) };
        let lens = [numbers(shape), case.0 * case.0 * shape.3 * case.1, case.1];
        let tensors = lens.map(|len| draw(&mut random, len));
        // Of one class, ln p = 0 whatever the weights: the rest is rounding.
        compare!(tensors, 1e-5, scored(shape, case));
        if round < 4 {
            compare_differences!(tensors, scored(shape, case));
        }
    }
}

#[test]
fn fused_heads_and_cross_entropy_have_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let heads: [Vec<f64>; 3] = [(); 3].map(|()| draw(&mut random, 4 * 5));
    let y: Vec<f64> = draw(&mut random, 4 * 5).iter().map(|x| x.abs()).collect();
    for fuse in [mean_of_softmaxes::<f64, Cpu>, mean_of_logits::<f64, Cpu>] {
        let run = |t: &[Vec<f64>]| {
            let z = [0, 1, 2].map(|k| tensor::<_, f64>(&t[k], (4usize, 5usize)));
            let heads: Vec<Rows<f64, Cpu>> = z.iter().map(taped).collect();
            let loss = cross_entropy(fuse(heads), tensor(&y, (4usize, 5usize)), 4);
            let value = loss.as_vec()[0];
            let mut gradients = backward(loss);
            let gradients = z.iter().map(|z| gradient_of(&mut gradients, z)).collect();
            Trial { out: vec![value], loss: value, gradients }
        };
        let worst = against_differences(&run, &heads);
        assert!(worst < 1e-6, "{worst:e}");
    }
}

#[test]
fn a_tensor_that_is_an_input_twice_gets_both_gradients() {
    // dfdx's own concatenation, the composed one, panics here.
    let values = draw(&mut ChaCha8Rng::seed_from_u64(20), 2 * 3 * 4 * 5);
    let x = tensor::<_, f32>(&values, (2usize, 3usize, 4usize, 5usize));
    let (a, b) = fork(taped(&x));
    let gradient = gradient_of(&mut backward(weighted_sum(Cpu::concat(a, b))), &x);
    let r = draw(&mut ChaCha8Rng::seed_from_u64(99), 2 * values.len());
    // Five channels of one after five of the other.
    let expected: Vec<f64> =
        (0..values.len()).map(|k| r[k / 5 * 10 + k % 5] + r[k / 5 * 10 + 5 + k % 5]).collect();
    assert!(relative(&gradient, &expected) < 1e-6);
}

#[test]
fn a_batch_without_images_gives_none() {
    let (random, none) = (&mut ChaCha8Rng::seed_from_u64(0), |channels| (0, 16, 16, channels));
    for case in cases().into_iter().step_by(5) {
        let case = Case { batch: 0, height: 16, width: 16, ..case };
        assert!(conv_norm::<f32>(&case.tensors(random), case, Pass::Folded).out.is_empty());
    }
    let maps = |channels: usize| -> Maps<f32, Cpu> {
        tensor::<_, f32>(&[], none(channels)).put_tape(AnyTape::off())
    };
    let half = Window { kernel: 2, stride: 2, padding: Padding::Same };
    assert_eq!(*Cpu::max_pool(maps(3), half).shape(), (0, 8, 8, 3));
    assert_eq!(*Cpu::max_mean_pool(maps(3)).shape(), (0, 8, 8, 6));
    assert_eq!(*Cpu::concat(maps(3), maps(2)).shape(), (0, 16, 16, 5));
    assert_eq!(*Cpu::doubled(maps(3)).shape(), (0, 32, 32, 3));
    assert_eq!(*Cpu::global_mean(maps(3)).shape(), (0, 3));
    let (weight, bias) = (tensor(&[0.0; 6], (3usize, 2usize)), tensor(&[0.0; 2], (2usize,)));
    let layer = DenseLayer { weight: &weight, bias: &bias, relu: true, passes_back: true };
    assert_eq!(*Cpu::dense(Cpu::global_mean(maps(3)), &layer).shape(), (0, 2));
    let layer = PixelScores { weight: &weight, bias: &bias, window: Window::same(1) };
    assert_eq!(*Cpu::pixel_log_softmax(maps(3), &layer).shape(), (0, 2));
}
