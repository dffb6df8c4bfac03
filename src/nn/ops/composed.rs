//! Every operation composed of dfdx's own: any device, f32 and f64. The oracle of the fused ones.

use dfdx::prelude::*;

use super::{Backend, ConvNorm, DenseLayer, Maps, Matrix, Rows, Statistics, Vector};
use crate::nn::kernels::update::{Before, Step};
use crate::nn::tape::{AnyTape, Taped, fork};

/// x ∗ w with stride 1 and `same` padding: (B, H, W, C) → (B, H, W, O).
///
/// The pixels under the kernel are gathered into one row an output pixel (a zero stands in for those
/// outside), and the rows are multiplied with the weights. Cross-correlation, as all networks
/// compute; an even kernel has its extra tap after the centre, as in Keras.
pub(crate) fn conv2d<E: Dtype, D: Backend<E>>(
    x: Maps<E, D>,
    weight: &Matrix<E, D>,
    kernel: usize,
) -> Maps<E, D> {
    let (batch, height, width, inputs) = *x.shape();
    let outputs = weight.shape().1;
    let device = x.device().clone();
    let zero: Tensor<_, E, D> = device.zeros_like(&(batch, 1usize, inputs));
    let x = x.reshape_like(&(batch, height * width, inputs));
    let x = (x, zero).concat_along(Axis::<1>); // (B, HW + 1, C)
    let taps = taps(height, width, kernel);
    let gathered = taps.len();
    let taps = device.tensor_from_vec(taps.repeat(batch), (batch, gathered));
    let x: Taped<(usize, usize, usize), E, D> = x.gather(taps); // (B, HW · k², C)
    let rows = x.reshape_like(&(batch * height * width, kernel * kernel * inputs));
    rows.matmul(weight.clone()).reshape_like(&(batch, height, width, outputs))
}

/// For each output pixel and tap, the input pixel under it; H · W stands for one outside.
fn taps(height: usize, width: usize, kernel: usize) -> Vec<usize> {
    let before = (kernel - 1) / 2;
    let mut taps = Vec::with_capacity(height * width * kernel * kernel);
    for row in 0..height {
        for column in 0..width {
            for tap_row in 0..kernel {
                for tap_column in 0..kernel {
                    let (r, c) = (row + tap_row, column + tap_column);
                    let inside =
                        (before..before + height).contains(&r) && (before..before + width).contains(&c);
                    taps.push(if inside { (r - before) * width + c - before } else { height * width });
                }
            }
        }
    }
    taps
}

/// A vector repeated for every pixel.
fn per_channel<E: Dtype, D: Backend<E>>(
    v: &Vector<E, D>,
    shape: &(usize, usize, usize, usize),
) -> Taped<(usize, usize, usize, usize), E, D> {
    v.retaped::<AnyTape<E, D>>().broadcast_like::<_, Axes3<0, 1, 2>>(shape)
}

/// See [`Backend::conv_norm_relu`].
pub(crate) fn conv_norm_relu<E: Dtype, D: Backend<E>>(
    x: Maps<E, D>,
    layer: &ConvNorm<'_, E, D>,
) -> (Maps<E, D>, Statistics<E, D>) {
    let y = conv2d(x, layer.weight, layer.kernel);
    let shape = *y.shape();
    let y = y + per_channel(layer.bias, &shape);
    let (y, for_mean) = fork(y);
    let mean: Taped<(usize,), E, D> = for_mean.mean::<_, Axes3<0, 1, 2>>();
    let kept_mean = mean.retaped::<NoneTape>();
    let centred = y - mean.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
    let (centred, for_variance) = fork(centred);
    let variance: Taped<(usize,), E, D> = for_variance.square().mean::<_, Axes3<0, 1, 2>>();
    let kept_variance = variance.retaped::<NoneTape>();
    let deviation = (variance + number::<E>(layer.epsilon)).sqrt();
    let scale = layer.scale.retaped::<AnyTape<E, D>>() / deviation;
    let normal = centred * scale.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
    let out = (normal + per_channel(layer.shift, &shape)).relu();
    let statistics = Statistics { mean: kept_mean, variance: kept_variance };
    (out, statistics)
}

/// See [`Backend::conv_norm_relu_frozen`].
pub(crate) fn conv_norm_relu_frozen<E: Dtype, D: Backend<E>>(
    x: Maps<E, D>,
    layer: &ConvNorm<'_, E, D>,
    statistics: &Statistics<E, D>,
) -> Maps<E, D> {
    let y = conv2d(x, layer.weight, layer.kernel);
    let shape = *y.shape();
    let deviation = (statistics.variance.clone() + number::<E>(layer.epsilon)).sqrt();
    let scale = layer.scale.retaped::<AnyTape<E, D>>() / deviation;
    let shift = layer.bias.retaped::<AnyTape<E, D>>() - statistics.mean.clone();
    let y = (y + shift.broadcast_like::<_, Axes3<0, 1, 2>>(&shape))
        * scale.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
    (y + per_channel(layer.shift, &shape)).relu()
}

/// See [`Backend::max_mean_pool`]. Where pixels of a window tie, dfdx sends the maximum's gradient to
/// each of them; behind a ReLU, where ties are zeros, that gradient goes no further.
pub(crate) fn max_mean_pool<E: Dtype, D: Backend<E>>(x: Maps<E, D>) -> Maps<E, D> {
    let (batch, height, width, channels) = *x.shape();
    let (rows, columns) = (height / 2, width / 2);
    let x = if height % 2 == 1 || width % 2 == 1 {
        x.slice((0..batch, 0..2 * rows, 0..2 * columns, 0..channels)).realize()
    } else {
        x
    };
    let x = x.reshape_like(&(batch, rows, 2usize, columns, 2usize, channels));
    let (x, for_mean) = fork(x);
    let max: Maps<E, D> = x.max::<_, Axes2<2, 4>>();
    let mean: Maps<E, D> = for_mean.mean::<_, Axes2<2, 4>>();
    (max, mean).concat_along(Axis::<3>)
}

/// See [`Backend::global_mean`].
pub(crate) fn global_mean<E: Dtype, D: Backend<E>>(x: Maps<E, D>) -> Rows<E, D> {
    x.mean::<_, Axes2<1, 2>>()
}

/// See [`Backend::dense`].
pub(crate) fn dense<E: Dtype, D: Backend<E>>(x: Rows<E, D>, layer: &DenseLayer<'_, E, D>) -> Rows<E, D> {
    let y = x.matmul(layer.weight.clone());
    let shape = *y.shape();
    let y = y + layer.bias.retaped::<AnyTape<E, D>>().broadcast_like::<_, Axis<0>>(&shape);
    if layer.relu { y.relu() } else { y }
}

/// See [`Backend::squared_norm`].
pub(crate) fn squared_norm<S: Shape, E: Dtype, D: Backend<E>>(
    parameters: &Tensor<S, E, D>,
    gradients: &mut Gradients<E, D>,
) -> f64 {
    gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
    let sum: Tensor<(), E, D> = gradients.get(parameters).square().sum();
    sum.as_vec()[0].to_f64().expect("f32 and f64 are numbers")
}

/// See [`Backend::update`].
pub(crate) fn update<S: Shape, E: Dtype, D: Backend<E>>(
    (step, before): (Step, Before),
    parameters: &mut Tensor<S, E, D>,
    moments: &mut [Tensor<S, E, D>; 2],
    gradients: &mut Gradients<E, D>,
) {
    gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
    let mut g = gradients.get(parameters);
    let [m, v] = moments;
    if before != Before::NOTHING {
        g = g * number::<E>(before.gradient);
        *parameters = parameters.clone() * number::<E>(before.kept);
    }
    match step {
        Step::Adaptive { beta1, beta2, momentum, gradient, square, epsilon } => {
            m.axpy(beta1, &g, 1.0 - beta1);
            v.axpy(beta2, &g.clone().square(), 1.0 - beta2);
            let mut direction = g;
            direction.axpy(gradient, m, momentum);
            let spread = (v.clone() * number::<E>(square)).sqrt() + number::<E>(epsilon);
            parameters.axpy(1.0, &(direction / spread), -1.0);
        }
        Step::Momentum { learning_rate, momentum, nesterov } => {
            m.axpy(momentum, &g, 1.0);
            if nesterov {
                parameters.axpy(1.0, &g, -learning_rate);
                parameters.axpy(1.0, m, -learning_rate * momentum);
            } else {
                parameters.axpy(1.0, m, -learning_rate);
            }
        }
    }
}

/// A number in the tensors' own type.
fn number<E: Dtype>(x: f64) -> E {
    E::from_f64(x).expect("f32 and f64 hold any number")
}
