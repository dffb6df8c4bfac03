//! Composed operations in f64 against finite differences; fused ones in f32 against the composed.

use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Matrix, Padding, PixelScores, Rows, Statistics,
    Window, composed,
};
use crate::nn::module::{cross_entropy, mean_of_logits, mean_of_softmaxes};
use crate::nn::tape::{AnyTape, Taped, backward};

/// Numbers between −1 and 1.
fn draw(random: &mut ChaCha8Rng, len: usize) -> Vec<f64> {
    (0..len).map(|_| random.gen_range(-1.0..1.0)).collect()
}

/// An operation on several tensors, as Σ r · out with fixed random r, and its gradients.
///
/// `inputs` are flat; the operation gives them their shapes.
type Loss<'a> = dyn Fn(&[Vec<f64>]) -> (f64, Vec<Vec<f64>>) + 'a;

/// The largest difference between gradients and central differences, beside the largest gradient.
fn against_differences(loss: &Loss<'_>, inputs: &[Vec<f64>]) -> f64 {
    /// Central differences in f64 are best near the cube root of its precision.
    const STEP: f64 = 1e-5;
    let (_, gradients) = loss(inputs);
    let mut worst = 0f64;
    for (k, gradient) in gradients.iter().enumerate() {
        let largest = gradient.iter().fold(1e-3f64, |a, g| a.max(g.abs()));
        for i in 0..inputs[k].len() {
            let at = |step: f64| {
                let mut moved = inputs.to_vec();
                moved[k][i] += step;
                loss(&moved).0
            };
            let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            worst = worst.max((difference - gradient[i]).abs() / largest);
        }
    }
    worst
}

/// Numbers in E.
fn cast<E: Dtype>(values: &[f64]) -> Vec<E> {
    values.iter().map(|x| E::from_f64(*x).unwrap()).collect()
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

/// Σ r · out, with r drawn anew from the same seed.
fn weighted_sum<S: Shape, E: Dtype, D: Backend<E>>(out: Taped<S, E, D>) -> Taped<(), E, D> {
    let shape = *out.shape();
    let r = draw(&mut ChaCha8Rng::seed_from_u64(99), shape.num_elements());
    let r: Tensor<S, E, D> = out.device().tensor_from_vec(cast(&r), shape);
    (out * r).sum::<(), _>()
}

/// The shape of a convolution under test.
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

const ACTIVATIONS: [Activation; 3] = [Activation::Relu, Activation::Swish, Activation::None];

impl Case {
    fn random(random: &mut ChaCha8Rng) -> Self {
        let kernel = [1, 2, 3, 5, 7][random.gen_range(0..5)];
        let padding = [Padding::Same, Padding::Same, Padding::Valid, Padding::Around(kernel / 2)];
        let window =
            Window { kernel, stride: random.gen_range(1..3), padding: padding[random.gen_range(0..4)] };
        let case = Self {
            batch: random.gen_range(1..12),
            height: kernel + random.gen_range(0..6),
            width: kernel + random.gen_range(0..14),
            inputs: random.gen_range(1..20),
            outputs: random.gen_range(1..80),
            kind: Kind::Full,
            window,
            residual: random.r#gen(),
            activation: ACTIVATIONS[random.gen_range(0..3)],
        };
        case.of_kind([Kind::Full, Kind::Full, Kind::Depthwise, Kind::Transposed][random.gen_range(0..4)])
    }

    /// The same of another kind, with what that asks for.
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

    fn maps(self) -> (usize, usize, usize, usize) {
        (self.batch, self.height, self.width, self.inputs)
    }

    fn places(self) -> (usize, usize, usize, usize) {
        let side = |size| match self.kind {
            Kind::Transposed => self.window.stride * size,
            _ => self.window.outputs(size),
        };
        (self.batch, side(self.height), side(self.width), self.outputs)
    }

    /// Input, weight, bias, γ, β, residual.
    fn tensors(self, random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let Self { batch, height, width, inputs, outputs, .. } = self;
        let (_, rows, columns, _) = self.places();
        let weights = self.weights().0 * self.weights().1;
        let residual = batch * rows * columns * outputs;
        [batch * height * width * inputs, weights, outputs, outputs, outputs, residual]
            .map(|len| draw(random, len))
            .to_vec()
    }
}

/// Convolution + batch norm under test: input, residual, parameters, given statistics → output.
type Run<'a, E> = dyn Fn(Maps<E, Cpu>, Option<Maps<E, Cpu>>, &ConvNorm<'_, E, Cpu>, Option<Statistics<E, Cpu>>) -> Maps<E, Cpu>
    + 'a;

/// Output and gradients of conv + batch norm; with `frozen`, those statistics are given.
fn conv_norm<E: Dtype>(
    case: Case,
    tensors: &[Vec<f64>],
    frozen: Option<[&[f64]; 2]>,
    run: &Run<'_, E>,
) -> (Vec<f64>, f64, Vec<Vec<f64>>)
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let vector = |values: &[f64]| device.tensor_from_vec(cast::<E>(values), (case.outputs,));
    let x = device.tensor_from_vec(cast::<E>(&tensors[0]), case.maps());
    let weight = device.tensor_from_vec(cast::<E>(&tensors[1]), case.weights());
    let [bias, scale, shift] = [2, 3, 4].map(|k| vector(&tensors[k]));
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
    let statistics =
        frozen.map(|[mean, variance]| Statistics { mean: vector(mean), variance: vector(variance) });
    let residual = device.tensor_from_vec(cast::<E>(&tensors[5]), case.places());
    let onto = case.residual.then(|| residual.clone().put_tape(AnyTape::recording()));
    let out = run(x.clone().put_tape(AnyTape::recording()), onto, &layer, statistics);
    assert_eq!(*out.shape(), case.places());
    let values = plain(out.as_vec());
    let loss = weighted_sum(out);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    let mut of = vec![gradient_of(&mut gradients, &x)];
    of.push(gradient_of(&mut gradients, &weight));
    for parameter in [&bias, &scale, &shift] {
        of.push(gradient_of(&mut gradients, parameter));
    }
    of.push(gradient_of(&mut gradients, &residual));
    (values, value, of)
}

#[test]
fn composed_conv_norm_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let windows = [
        Window::same(1),
        Window::same(2),
        Window::same(3),
        Window::same(5),
        Window { kernel: 3, stride: 2, padding: Padding::Same },
        Window { kernel: 2, stride: 1, padding: Padding::Valid },
        Window { kernel: 7, stride: 2, padding: Padding::Around(3) },
        Window { kernel: 2, stride: 2, padding: Padding::Same },
    ];
    for (k, window) in windows.into_iter().enumerate() {
        let (residual, activation, kind) = (k % 2 == 0, ACTIVATIONS[k % 3], Kind::Full);
        let case =
            Case { batch: 2, height: 4, width: 3, inputs: 2, outputs: 3, kind, window, residual, activation };
        let cases = [case, case.of_kind(Kind::Depthwise), case.of_kind(Kind::Transposed)];
        for case in cases {
            let tensors = case.tensors(&mut random);
            let loss = |tensors: &[Vec<f64>]| {
                let (_, value, gradients) =
                    conv_norm::<f64>(case, tensors, None, &|x, residual, layer, _| {
                        composed::conv_norm(x, residual, layer).0
                    });
                (value, gradients)
            };
            let worst = against_differences(&loss, &tensors);
            assert!(worst < 1e-6, "{case:?}: {worst:e}");
        }
    }
}

#[test]
fn composed_frozen_conv_norm_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(2);
    let window = Window::same(3);
    for (k, activation) in ACTIVATIONS.into_iter().enumerate() {
        let (residual, kind) = (k % 2 == 1, Kind::Full);
        let case =
            Case { batch: 2, height: 3, width: 4, inputs: 3, outputs: 2, kind, window, residual, activation };
        let tensors = case.tensors(&mut random);
        let loss = |tensors: &[Vec<f64>]| {
            let given: [&[f64]; 2] = [&[0.3, -0.2], &[0.5, 2.0]];
            let (_, value, gradients) =
                conv_norm::<f64>(case, tensors, Some(given), &|x, residual, layer, statistics| {
                    composed::conv_norm_frozen(x, residual, layer, &statistics.unwrap())
                });
            (value, gradients)
        };
        let worst = against_differences(&loss, &tensors);
        assert!(worst < 1e-6, "{worst:e}");
    }
}

/// Output and input gradient of an operation on maps.
fn on_maps<S: Shape, E: Dtype>(
    shape: (usize, usize, usize, usize),
    x: &[f64],
    run: impl Fn(Maps<E, Cpu>) -> Taped<S, E, Cpu>,
) -> (Vec<f64>, f64, Vec<f64>)
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let x = device.tensor_from_vec(cast::<E>(x), shape);
    let out = run(x.clone().put_tape(AnyTape::recording()));
    let values = plain(out.as_vec());
    let loss = weighted_sum(out);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    (values, value, gradient_of(&mut gradients, &x))
}

#[test]
fn composed_pooling_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for (height, width) in [(4, 4), (5, 4), (2, 7)] {
        let shape = (2, height, width, 3);
        let x = [draw(&mut random, 2 * height * width * 3)];
        let pool = |x: &[Vec<f64>]| {
            let (_, value, gradient) = on_maps::<_, f64>(shape, &x[0], composed::max_mean_pool);
            (value, vec![gradient])
        };
        let mean = |x: &[Vec<f64>]| {
            let (_, value, gradient) = on_maps::<_, f64>(shape, &x[0], composed::global_mean);
            (value, vec![gradient])
        };
        assert!(against_differences(&pool, &x) < 1e-6, "{height} × {width}");
        assert!(against_differences(&mean, &x) < 1e-6, "{height} × {width}");
    }
}

#[test]
fn fused_heads_and_cross_entropy_have_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let heads: Vec<Vec<f64>> = (0..3).map(|_| draw(&mut random, 4 * 5)).collect();
    let y: Vec<f64> = draw(&mut random, 4 * 5).iter().map(|x| x.abs()).collect();
    for fuse in [mean_of_softmaxes::<f64, Cpu>, mean_of_logits::<f64, Cpu>] {
        let loss = |heads: &[Vec<f64>]| {
            let device = Cpu::default();
            let tensors: Vec<Tensor<(usize, usize), f64, Cpu>> =
                heads.iter().map(|z| device.tensor_from_vec(z.clone(), (4usize, 5usize))).collect();
            let taped: Vec<Rows<f64, Cpu>> =
                tensors.iter().map(|z| z.clone().put_tape(AnyTape::recording())).collect();
            let y = device.tensor_from_vec(y.clone(), (4usize, 5usize));
            let loss = cross_entropy(fuse(taped), y, 4);
            let value = loss.as_vec()[0];
            let mut gradients = backward(loss);
            let of = tensors.iter().map(|z| gradient_of(&mut gradients, z)).collect();
            (value, of)
        };
        let worst = against_differences(&loss, &heads);
        assert!(worst < 1e-6, "{worst:e}");
    }
}

/// The largest difference, beside the largest number of `expected`.
fn relative(got: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let largest = expected.iter().fold(1e-3f64, |a, x| a.max(x.abs()));
    got.iter().zip(expected).fold(0.0, |worst, (g, e)| f64::max(worst, (g - e).abs())) / largest
}

#[test]
fn fused_conv_norm_is_the_composed_one_on_random_shapes() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for round in 0..200 {
        let mut case = Case::random(&mut random);
        if round == 0 {
            (case.height, case.width, case.batch, case.window) = (1, 1, 1, Window::same(3));
        }
        let tensors = case.tensors(&mut random);
        let (out, _, gradients) = conv_norm::<f32>(case, &tensors, None, &|x, residual, layer, _| {
            Cpu::conv_norm(x, residual, layer).0
        });
        let (expected, _, expected_gradients) =
            conv_norm::<f64>(case, &tensors, None, &|x, residual, layer, _| {
                composed::conv_norm(x, residual, layer).0
            });
        // A batch norm over a handful of pixels has gradients that cancel: there f32 says little.
        let (batch, rows, columns, _) = case.places();
        let tolerance = if batch * rows * columns < 12 { 1e-2 } else { 1e-4 };
        assert!(relative(&out, &expected) < tolerance, "{case:?}: {:e}", relative(&out, &expected));
        for (k, (got, expected)) in gradients.iter().zip(&expected_gradients).enumerate() {
            let error = relative(got, expected);
            assert!(error < tolerance, "{case:?}, gradient {k}: {error:e}");
        }
    }
}

#[test]
fn folded_conv_norm_is_the_composed_one_on_random_shapes() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..120 {
        let case = Case::random(&mut random);
        let tensors = case.tensors(&mut random);
        let mean = draw(&mut random, case.outputs);
        let variance: Vec<f64> = draw(&mut random, case.outputs).iter().map(|x| x.abs() + 0.1).collect();
        let given = Some([mean.as_slice(), variance.as_slice()]);
        let (out, ..) = conv_norm::<f32>(case, &tensors, given, &|x, residual, layer, statistics| {
            let [x, residual] =
                [Some(x), residual].map(|x| x.map(|x| x.split_tape().0.put_tape(AnyTape::off())));
            let out = Cpu::conv_norm_frozen(x.unwrap(), residual, layer, &statistics.unwrap());
            out.split_tape().0.put_tape(AnyTape::recording())
        });
        let (expected, ..) = conv_norm::<f64>(case, &tensors, given, &|x, residual, layer, statistics| {
            composed::conv_norm_frozen(x, residual, layer, &statistics.unwrap())
        });
        assert!(relative(&out, &expected) < 1e-5, "{case:?}: {:e}", relative(&out, &expected));
    }
}

#[test]
fn the_gradient_of_data_is_not_worked_out_and_that_of_the_weights_is_the_same() {
    let device = Cpu::default();
    let mut random = ChaCha8Rng::seed_from_u64(8);
    // Pixels of a row side by side, and pixels of several images.
    for width in [20, 3] {
        let x: Tensor<_, f32, Cpu> =
            device.tensor_from_vec(cast(&draw(&mut random, 60 * width)), (4usize, 5usize, width, 3usize));
        let weight = device.tensor_from_vec(cast(&draw(&mut random, 27 * 6)), (27usize, 6usize));
        let [ones, zeros]: [Tensor<(usize,), f32, Cpu>; 2] =
            [device.ones_like(&(6,)), device.zeros_like(&(6,))];
        let (window, epsilon) = (Window::same(3), 1e-3);
        let (bias, scale, shift) = (&zeros, &ones, &zeros.clone().retaped());
        let (kind, activation) = (Kind::Full, Activation::Relu);
        let layer = ConvNorm { kind, weight: &weight, bias, scale, shift, epsilon, window, activation };
        let run = |tape| {
            let mut gradients =
                backward(weighted_sum(Cpu::conv_norm(x.clone().put_tape(tape), None, &layer).0));
            (gradient_of(&mut gradients, &x), gradient_of(&mut gradients, &weight))
        };
        let (of_input, of_weights) = run(AnyTape::recording());
        let (none, same) = run(AnyTape::recording_from_data());
        assert!(of_input.iter().any(|g| *g != 0.0) && none.iter().all(|g| *g == 0.0));
        assert_eq!(of_weights, same);
    }
}

#[test]
fn fused_max_pooling_is_the_composed_one_and_that_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(9);
    for round in 0..20 {
        let padding = [Padding::Valid, Padding::Around(1), Padding::Same][round % 3];
        let window = Window { kernel: 3, stride: 2, padding };
        let shape = (2, random.gen_range(3..8), random.gen_range(3..8), random.gen_range(1..5));
        let x = draw(&mut random, shape.0 * shape.1 * shape.2 * shape.3);
        let (out, _, gradient) = on_maps::<_, f32>(shape, &x, |x| Cpu::max_pool(x, window));
        let (expected, _, expected_gradient) =
            on_maps::<_, f64>(shape, &x, |x| composed::max_pool(x, window));
        assert!(
            relative(&out, &expected) < 1e-6 && relative(&gradient, &expected_gradient) < 1e-6,
            "{shape:?}"
        );
        let loss = |x: &[Vec<f64>]| {
            let (_, value, gradient) = on_maps::<_, f64>(shape, &x[0], |x| composed::max_pool(x, window));
            (value, vec![gradient])
        };
        assert!(against_differences(&loss, &[x]) < 1e-6, "{shape:?}");
    }
}

#[test]
fn fused_pooling_is_the_composed_one_on_random_shapes() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    for _ in 0..30 {
        let shape =
            (random.gen_range(1..5), random.gen_range(2..9), random.gen_range(2..9), random.gen_range(1..40));
        let x = draw(&mut random, shape.0 * shape.1 * shape.2 * shape.3);
        let (out, _, gradient) = on_maps::<_, f32>(shape, &x, Cpu::max_mean_pool);
        let (expected, _, expected_gradient) = on_maps::<_, f64>(shape, &x, composed::max_mean_pool);
        assert!(
            relative(&out, &expected) < 1e-5 && relative(&gradient, &expected_gradient) < 1e-5,
            "{shape:?}"
        );
        let (out, _, gradient) = on_maps::<_, f32>(shape, &x, Cpu::global_mean);
        let (expected, _, expected_gradient) = on_maps::<_, f64>(shape, &x, composed::global_mean);
        assert!(
            relative(&out, &expected) < 1e-5 && relative(&gradient, &expected_gradient) < 1e-5,
            "{shape:?}"
        );
    }
}

/// Output and gradients (input, weight, bias) of a dense layer.
fn dense<E: Dtype>(
    (batch, inputs, outputs): (usize, usize, usize),
    tensors: &[Vec<f64>],
    relu: bool,
    run: impl Fn(Rows<E, Cpu>, &DenseLayer<'_, E, Cpu>) -> Rows<E, Cpu>,
) -> (Vec<f64>, f64, Vec<Vec<f64>>)
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let x = device.tensor_from_vec(cast::<E>(&tensors[0]), (batch, inputs));
    let weight = device.tensor_from_vec(cast::<E>(&tensors[1]), (inputs, outputs));
    let bias = device.tensor_from_vec(cast::<E>(&tensors[2]), (outputs,));
    let layer = DenseLayer { weight: &weight, bias: &bias, relu, passes_back: true };
    let out = run(x.clone().put_tape(AnyTape::recording()), &layer);
    let values = plain(out.as_vec());
    let loss = weighted_sum(out);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    let of = vec![
        gradient_of(&mut gradients, &x),
        gradient_of(&mut gradients, &weight),
        gradient_of(&mut gradients, &bias),
    ];
    (values, value, of)
}

#[test]
fn a_composed_dense_layer_has_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for relu in [false, true] {
        let tensors = [3 * 4, 4 * 5, 5].map(|len| draw(&mut random, len));
        let loss = |tensors: &[Vec<f64>]| {
            let (_, value, gradients) = dense::<f64>((3, 4, 5), tensors, relu, composed::dense);
            (value, gradients)
        };
        let worst = against_differences(&loss, &tensors);
        assert!(worst < 1e-7, "relu {relu}: {worst:e}");
    }
}

#[test]
fn a_fused_dense_layer_is_the_composed_one() {
    let mut random = ChaCha8Rng::seed_from_u64(6);
    // Small ones, one of several blocks of inputs, and one row.
    for sides in [(1, 1, 1), (5, 7, 3), (3, 2500, 17), (33, 130, 128), (1, 1024, 40)] {
        for relu in [false, true] {
            let (batch, inputs, outputs) = sides;
            let tensors = [batch * inputs, inputs * outputs, outputs].map(|len| draw(&mut random, len));
            let (y, _, gradients) = dense::<f32>(sides, &tensors, relu, <Cpu as Backend<f32>>::dense);
            let (expected, _, of_composed) = dense::<f64>(sides, &tensors, relu, composed::dense);
            let worst = |a: &[f64], b: &[f64]| {
                let largest = b.iter().fold(1.0f64, |largest, b| largest.max(b.abs()));
                assert_eq!(a.len(), b.len());
                a.iter().zip(b).fold(0.0f64, |worst, (a, b)| worst.max((a - b).abs())) / largest
            };
            assert!(worst(&y, &expected) < 1e-5, "{sides:?}: {:e}", worst(&y, &expected));
            for (k, (a, b)) in gradients.iter().zip(&of_composed).enumerate() {
                assert!(worst(a, b) < 1e-5, "{sides:?}, gradient {k}: {:e}", worst(a, b));
            }
        }
    }
}

/// Two maps joined and summed with weights, and both gradients.
fn joined<E: Dtype>(
    shape: (usize, usize, usize),
    [a, b]: [&[f64]; 2],
    run: impl Fn(Maps<E, Cpu>, Maps<E, Cpu>) -> Maps<E, Cpu>,
) -> (Vec<f64>, [Vec<f64>; 2])
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let (batch, height, width) = shape;
    let maps = |values: &[f64]| {
        let channels = values.len() / (batch * height * width);
        device.tensor_from_vec(cast::<E>(values), (batch, height, width, channels))
    };
    let (a, b) = (maps(a), maps(b));
    let [left, right] = [&a, &b].map(|x| x.clone().put_tape(AnyTape::recording()));
    let out = run(left, right);
    let values = plain(out.as_vec());
    let mut gradients = backward(weighted_sum(out));
    (values, [&a, &b].map(|x| gradient_of(&mut gradients, x)))
}

#[test]
fn fused_concatenation_is_the_composed_one() {
    let mut random = ChaCha8Rng::seed_from_u64(10);
    for (shape, of_a, of_b) in [((1, 1, 1), 1, 1), ((2, 3, 4), 5, 2), ((3, 9, 8), 1, 33)] {
        let pixels = shape.0 * shape.1 * shape.2;
        let (a, b) = (draw(&mut random, pixels * of_a), draw(&mut random, pixels * of_b));
        let fused = joined::<f32>(shape, [&a, &b], <Cpu as Backend<f32>>::concat);
        let expected = joined::<f64>(shape, [&a, &b], composed::concat);
        assert_eq!(expected.0[..of_a], a[..of_a], "the first pixel begins with the first maps'");
        assert!(relative(&fused.0, &expected.0) < 1e-6, "{shape:?}");
        for (fused, expected) in fused.1.iter().zip(&expected.1) {
            assert!(relative(fused, expected) < 1e-6, "{shape:?}");
        }
    }
}

/// Maps times gates, and both gradients.
fn gated<E: Dtype>(
    shape: (usize, usize, usize, usize),
    tensors: &[Vec<f64>],
    run: impl Fn(Maps<E, Cpu>, Rows<E, Cpu>) -> Maps<E, Cpu>,
) -> (Vec<f64>, f64, Vec<Vec<f64>>)
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let x = device.tensor_from_vec(cast::<E>(&tensors[0]), shape);
    let z = device.tensor_from_vec(cast::<E>(&tensors[1]), (shape.0, shape.3));
    let out = run(x.clone().put_tape(AnyTape::recording()), z.clone().put_tape(AnyTape::recording()));
    let values = plain(out.as_vec());
    let loss = weighted_sum(out);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    (values, value, vec![gradient_of(&mut gradients, &x), gradient_of(&mut gradients, &z)])
}

#[test]
fn fused_gates_are_the_composed_ones_and_those_have_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    for round in 0..20 {
        let [batch, height, width, channels] = [4, 6, 5, 70].map(|most| random.gen_range(1..most));
        let shape = (batch, height, width, if round < 4 { round + 1 } else { channels });
        let tensors = [shape.1 * shape.2, 1].map(|pixels| draw(&mut random, shape.0 * pixels * shape.3));
        let (y, _, gradients) = gated::<f32>(shape, &tensors, <Cpu as Backend<f32>>::gate);
        let (expected, _, of_composed) = gated::<f64>(shape, &tensors, composed::gate);
        assert!(relative(&y, &expected) < 1e-6, "{shape:?}");
        for (fused, composed) in gradients.iter().zip(&of_composed) {
            assert!(relative(fused, composed) < 1e-5, "{shape:?}");
        }
        if round < 4 {
            let loss = |tensors: &[Vec<f64>]| {
                let (_, value, gradients) = gated::<f64>(shape, tensors, composed::gate);
                (value, gradients)
            };
            assert!(against_differences(&loss, &tensors) < 1e-7, "{shape:?}");
        }
    }
}

#[test]
fn fused_doubling_is_the_composed_one_and_that_has_the_gradient_of_finite_differences() {
    let device = Cpu::default();
    let x: Tensor<_, f32, Cpu> =
        device.tensor_from_vec(vec![1.0, 10.0, 2.0, 20.0], (1usize, 1usize, 2usize, 2usize));
    let y = Cpu::doubled(x.put_tape(AnyTape::off())).as_vec();
    let row = [1.0, 10.0, 1.0, 10.0, 2.0, 20.0, 2.0, 20.0];
    assert_eq!(y, [row, row].concat());
    let mut random = ChaCha8Rng::seed_from_u64(12);
    for round in 0..12 {
        let [batch, height, width, channels] = [4, 6, 5, 40].map(|most| random.gen_range(1..most));
        let shape = (batch, height, width, if round < 3 { round + 1 } else { channels });
        let x = draw(&mut random, shape.0 * shape.1 * shape.2 * shape.3);
        let (out, _, gradient) = on_maps::<_, f32>(shape, &x, Cpu::doubled);
        let (expected, _, expected_gradient) = on_maps::<_, f64>(shape, &x, composed::doubled);
        assert!(relative(&out, &expected) < 1e-6 && relative(&gradient, &expected_gradient) < 1e-6);
        if round < 3 {
            let loss = |x: &[Vec<f64>]| {
                let (_, value, gradient) = on_maps::<_, f64>(shape, &x[0], composed::doubled);
                (value, vec![gradient])
            };
            assert!(against_differences(&loss, &[x]) < 1e-7, "{shape:?}");
        }
    }
}

#[test]
fn a_fused_weighted_sum_is_the_composed_one_and_has_its_gradient() {
    fn run<E: Dtype>(
        rows: usize,
        x: &[f64],
        y: &[f64],
        sum: impl Fn(Rows<E, Cpu>, Matrix<E, Cpu>, E) -> Taped<(), E, Cpu>,
    ) -> [Vec<f64>; 2]
    where
        Cpu: Backend<E>,
    {
        let device = Cpu::default();
        let [x, y] = [x, y].map(|values| device.tensor_from_vec(cast::<E>(values), (rows, 5usize)));
        let out = sum(x.clone().put_tape(AnyTape::recording()), y, E::from_f64(-0.37).unwrap());
        let value = plain(out.as_vec());
        let mut gradients = backward(out);
        [value, gradient_of(&mut gradients, &x)]
    }
    let mut random = ChaCha8Rng::seed_from_u64(14);
    // One block, and several.
    for rows in [1, 7, 9000] {
        let (x, y) = (draw(&mut random, rows * 5), draw(&mut random, rows * 5));
        let fused = run::<f32>(rows, &x, &y, <Cpu as Backend<f32>>::weighted_sum);
        let expected = run::<f64>(rows, &x, &y, composed::weighted_sum);
        for (fused, expected) in fused.iter().zip(&expected) {
            assert!(relative(fused, expected) < 1e-5, "{rows} rows");
        }
    }
}

/// ln p of pixels, and the gradients of the maps, the weight and the bias.
fn scored<E: Dtype>(
    shape: (usize, usize, usize, usize),
    (kernel, classes): (usize, usize),
    tensors: &[Vec<f64>],
    run: impl Fn(Maps<E, Cpu>, &PixelScores<'_, E, Cpu>) -> Rows<E, Cpu>,
) -> (Vec<f64>, f64, Vec<Vec<f64>>)
where
    Cpu: Backend<E>,
{
    let device = Cpu::default();
    let x = device.tensor_from_vec(cast::<E>(&tensors[0]), shape);
    let weight = device.tensor_from_vec(cast::<E>(&tensors[1]), (kernel * kernel * shape.3, classes));
    let bias = device.tensor_from_vec(cast::<E>(&tensors[2]), (classes,));
    let layer = PixelScores { weight: &weight, bias: &bias, window: Window::same(kernel) };
    let out = run(x.clone().put_tape(AnyTape::recording()), &layer);
    assert_eq!(*out.shape(), (shape.0 * shape.1 * shape.2, classes));
    let values = plain(out.as_vec());
    let loss = weighted_sum(out);
    let value = loss.as_vec()[0].to_f64().unwrap();
    let mut gradients = backward(loss);
    let mut of = vec![gradient_of(&mut gradients, &x), gradient_of(&mut gradients, &weight)];
    of.push(gradient_of(&mut gradients, &bias));
    (values, value, of)
}

#[test]
fn fused_scores_of_pixels_are_the_composed_ones_and_those_have_the_gradient_of_finite_differences() {
    let mut random = ChaCha8Rng::seed_from_u64(13);
    for round in 0..16 {
        let (kernel, classes) = ([1, 3][round % 2], [1, 2, 7, 17, 40][round % 5]);
        let [batch, height, width, channels] = [4, 18, 20, 40].map(|most| random.gen_range(1..most));
        // Small enough for finite differences, then as it comes.
        let shape = if round < 4 { (2, 3, 2, 2) } else { (batch, height, width, channels) };
        let pixels = shape.0 * shape.1 * shape.2;
        let tensors = [pixels * shape.3, kernel * kernel * shape.3 * classes, classes]
            .map(|len| draw(&mut random, len));
        let case = (kernel, classes);
        let (y, _, gradients) =
            scored::<f32>(shape, case, &tensors, <Cpu as Backend<f32>>::pixel_log_softmax);
        let (expected, _, of_composed) = scored::<f64>(shape, case, &tensors, composed::pixel_log_softmax);
        assert!(relative(&y, &expected) < 1e-5, "{shape:?}, {case:?}");
        for (k, (fused, composed)) in gradients.iter().zip(&of_composed).enumerate() {
            // Of one class, ln p = 0 whatever the weights: what is left are roundings.
            assert!(relative(fused, composed) < 1e-4, "{shape:?}, {case:?}, {k}");
        }
        if round < 4 {
            let loss = |tensors: &[Vec<f64>]| {
                let (_, value, gradients) = scored::<f64>(shape, case, tensors, composed::pixel_log_softmax);
                (value, gradients)
            };
            assert!(against_differences(&loss, &tensors) < 1e-6, "{shape:?}, {case:?}");
        }
    }
}

#[test]
fn a_transposed_convolution_is_keras_s() {
    // tf.keras.layers.Conv2DTranspose(1, 3, strides=2, padding="same") of [1, 2] by [1, 10, 100] in the middle row:
    // y[2 i + tap] += x[i] w[tap], the first four of five.
    let device = Cpu::default();
    let x = device.tensor_from_vec(vec![1.0, 2.0], (1usize, 1usize, 2usize, 1usize));
    let mut weight = vec![0.0; 9];
    weight[..3].copy_from_slice(&[1.0, 10.0, 100.0]);
    let weight = device.tensor_from_vec(weight, (9usize, 1usize));
    let [zeros, ones]: [Tensor<(usize,), f32, Cpu>; 2] = [device.zeros_like(&(1,)), device.ones_like(&(1,))];
    let layer = ConvNorm {
        kind: Kind::Transposed,
        weight: &weight,
        bias: &zeros,
        scale: &ones,
        shift: &zeros,
        epsilon: 0.0,
        window: Window { kernel: 3, stride: 2, padding: Padding::Same },
        activation: Activation::None,
    };
    let statistics = Statistics { mean: zeros.clone(), variance: ones.clone() };
    let y = Cpu::conv_norm_frozen(x.put_tape(AnyTape::off()), None, &layer, &statistics);
    assert_eq!(*y.shape(), (1, 2, 4, 1));
    assert_eq!(y.as_vec(), [1.0, 10.0, 102.0, 20.0, 0.0, 0.0, 0.0, 0.0]);
}

#[test]
fn layers_have_keras_s_parameters_and_learn_in_f32_what_they_learn_in_f64() {
    use crate::nn::layers::{Convolution, Initial, Pass};

    /// The output and the count of parameters of a depthwise layer behind a transposed one.
    fn run<E: Dtype>() -> (Vec<f64>, usize)
    where
        Cpu: Backend<E>,
    {
        let (device, mut random) = (Cpu::default(), ChaCha8Rng::seed_from_u64(3));
        let window = Window { kernel: 2, stride: 2, padding: Padding::Same };
        let mut wider =
            Convolution::<E, Cpu>::transposed("up", &device, &mut random, Initial::Glorot, window, 6, 20);
        let mut own = Convolution::depthwise("own", &device, &mut random, Initial::He, Window::same(3), 20)
            .swish()
            .without_bias();
        let x = device
            .tensor_from_vec(cast::<E>(&draw(&mut random, 3 * 4 * 5 * 6)), (3usize, 4usize, 5usize, 6usize));
        let mut pass = Pass::training(ChaCha8Rng::seed_from_u64(0));
        let y = own.forward(wider.forward(x.put_tape(AnyTape::recording()), &mut pass), &mut pass);
        assert_eq!(*y.shape(), (3, 8, 10, 20));
        let values = plain(y.as_vec());
        let mut gradients = backward(weighted_sum(y));
        let mut seen = Seen { gradients: &mut gradients, parameters: 0, values };
        wider.visit(&mut seen);
        own.visit(&mut seen);
        (seen.values, seen.parameters)
    }
    let (fused, parameters) = run::<f32>();
    let (composed, same) = run::<f64>();
    // Conv2DTranspose(20, 2) of 6 channels with bias, DepthwiseConv2D(3) of 20 without, two batch norms of 20.
    assert_eq!((parameters, same), (4 * 6 * 20 + 20 + 9 * 20 + 2 * 4 * 20, parameters));
    assert!(relative(&fused, &composed) < 1e-4, "{:e}", relative(&fused, &composed));
}

/// Counts a layer's numbers and keeps their gradients.
struct Seen<'a, E: Dtype> {
    gradients: &'a mut Gradients<E, Cpu>,
    parameters: usize,
    values: Vec<f64>,
}

impl<E: Dtype> Seen<'_, E>
where
    Cpu: Backend<E>,
{
    fn keep<S: Shape>(&mut self, name: &str, tensor: &Tensor<S, E, Cpu>) {
        self.parameters += tensor.shape().num_elements();
        // The gradient of a bias before batch norm is rounding alone.
        if !name.ends_with("bias") {
            self.values.extend(gradient_of(self.gradients, tensor));
        }
    }
}

impl<E: Dtype> crate::nn::layers::Visitor<E, Cpu> for Seen<'_, E>
where
    Cpu: Backend<E>,
{
    fn matrix(&mut self, name: &str, tensor: &mut Tensor<(usize, usize), E, Cpu>) {
        self.keep(name, tensor);
    }

    fn vector(&mut self, name: &str, tensor: &mut Tensor<(usize,), E, Cpu>) {
        self.keep(name, tensor);
    }

    fn statistic(&mut self, _: &str, _: crate::nn::Moment, tensor: &mut Tensor<(usize,), E, Cpu>) {
        self.parameters += tensor.shape().num_elements();
    }
}
