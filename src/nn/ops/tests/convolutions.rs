//! Convolutions with batch norm, and layers that hold them.

use super::*;

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
    use crate::nn::{Builder, Convolution, Initial, Pass};

    /// The output and the count of parameters of a depthwise layer behind a transposed one.
    fn run<E: Dtype>() -> (Vec<f64>, usize)
    where
        Cpu: Backend<E>,
    {
        let (device, mut random) = (Cpu::default(), ChaCha8Rng::seed_from_u64(3));
        let window = Window { kernel: 2, stride: 2, padding: Padding::Same };
        let imagery = crate::Imagery::so2sat();
        let mut build = Builder::new(&device, &mut random, &imagery, 2);
        let mut wider: Convolution<E, Cpu> = build.transposed(Initial::Glorot, "up", window, [6, 20]);
        let own = build.depthwise(Initial::He, "own", Window::same(3), 20);
        let mut own = own.swish().without_bias();
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
