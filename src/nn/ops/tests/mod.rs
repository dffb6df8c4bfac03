//! Composed operations in f64 against finite differences; fused ones in f32 against the composed.

mod convolutions;

use dfdx::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    Activation, Backend, ConvNorm, DenseLayer, Kind, Maps, Matrix, Padding, PixelScores, Rows, Statistics,
    Window, composed,
};
use crate::nn::module::{cross_entropy, mean_of_logits, mean_of_softmaxes};
use crate::nn::tape::{AnyTape, Taped, backward, fork};

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
fn a_tensor_that_is_an_input_twice_gets_both_gradients() {
    // dfdx's own concatenation, the composed one, panics here.
    let values = draw(&mut ChaCha8Rng::seed_from_u64(20), 2 * 3 * 4 * 5);
    let x = Cpu::default().tensor_from_vec(cast::<f32>(&values), (2usize, 3usize, 4usize, 5usize));
    let (a, b) = fork(x.clone().put_tape(AnyTape::recording()));
    let gradient = gradient_of(&mut backward(weighted_sum(Cpu::concat(a, b))), &x);
    let r = draw(&mut ChaCha8Rng::seed_from_u64(99), 2 * values.len());
    // Five channels of one after five of the other.
    let expected: Vec<f64> =
        (0..values.len()).map(|k| r[k / 5 * 10 + k % 5] + r[k / 5 * 10 + 5 + k % 5]).collect();
    assert!(relative(&gradient, &expected) < 1e-6);
}

#[test]
fn a_batch_without_images_gives_none() {
    let device = Cpu::default();
    let maps = |channels: usize| -> Maps<f32, Cpu> {
        device.zeros_like(&(0usize, 16usize, 16usize, channels)).put_tape(AnyTape::off())
    };
    let vector = |len: usize| device.ones_like(&(len,));
    for (kind, sides, channels) in [
        (Kind::Full, (27, 4), 3),
        (Kind::Full, (3, 4), 3),
        (Kind::Depthwise, (9, 4), 4),
        (Kind::Transposed, (16, 3), 3),
    ] {
        let kernel = if sides == (3, 4) {
            1
        } else if kind == Kind::Transposed {
            2
        } else {
            3
        };
        let stride = if kind == Kind::Transposed { 2 } else { 1 };
        let weight = device.ones_like(&sides);
        let [bias, scale, shift, mean, variance] = [4; 5].map(vector);
        let layer = ConvNorm {
            kind,
            weight: &weight,
            bias: &bias,
            scale: &scale,
            shift: &shift,
            epsilon: 1e-3,
            window: Window { stride, ..Window::same(kernel) },
            activation: Activation::Relu,
        };
        let y = Cpu::conv_norm_frozen(maps(channels), None, &layer, &Statistics { mean, variance });
        assert_eq!(*y.shape(), (0, 16 * stride, 16 * stride, 4), "{kind:?}");
    }
    let half = Window { kernel: 2, stride: 2, padding: Padding::Same };
    assert_eq!(*Cpu::max_pool(maps(3), half).shape(), (0, 8, 8, 3));
    assert_eq!(*Cpu::max_mean_pool(maps(3)).shape(), (0, 8, 8, 6));
    assert_eq!(*Cpu::concat(maps(3), maps(2)).shape(), (0, 16, 16, 5));
    assert_eq!(*Cpu::doubled(maps(3)).shape(), (0, 32, 32, 3));
    assert_eq!(*Cpu::global_mean(maps(3)).shape(), (0, 3));
    let (weight, bias) = (device.ones_like(&(3, 2)), vector(2));
    let layer = DenseLayer { weight: &weight, bias: &bias, relu: true, passes_back: true };
    assert_eq!(*Cpu::dense(Cpu::global_mean(maps(3)), &layer).shape(), (0, 2));
    let layer = PixelScores { weight: &weight, bias: &bias, window: Window::same(1) };
    assert_eq!(*Cpu::pixel_log_softmax(maps(3), &layer).shape(), (0, 2));
}
