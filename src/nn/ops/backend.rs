//! The operations of networks, each composed of dfdx's own: any device, f32 and f64. What the fused ones are compared
//! with.

use dfdx::prelude::*;
use ndarray::ArrayView4;

use super::{
    Activation, ConvNorm, DenseLayer, Kind, Maps, Matrix, Onto, PixelScores, Rows, Shared, Statistics,
    Vector, Window,
};
use crate::nn::kernels::update::{Before, Step};
use crate::nn::tape::{AnyTape, Taped, fork};

/// A device that networks run on. Every default is composed of dfdx's own operations; its ReLU takes
/// NaN to 0 where the fused one lets it through.
pub(crate) trait Backend<E: Dtype>: Device<E> + Shared {
    /// f(batch norm(x ∗ w + b) + residual) with the batch's own statistics, which it also returns; the residual
    /// (of the output's shape) is optional, f the layer's activation.
    fn conv_norm(
        (x, residual): Onto<E, Self>,
        layer: &ConvNorm<'_, E, Self>,
    ) -> (Maps<E, Self>, Statistics<E, Self>) {
        let y = linear(x, layer);
        let shape = *y.shape();
        let y = y + per_channel(layer.bias, &shape);
        let (y, for_mean) = fork(y);
        let mean: Taped<(usize,), E, Self> = for_mean.mean::<_, Axes3<0, 1, 2>>();
        let kept_mean = mean.retaped::<NoneTape>();
        let centred = y - mean.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
        let (centred, for_variance) = fork(centred);
        let variance: Taped<(usize,), E, Self> = for_variance.square().mean::<_, Axes3<0, 1, 2>>();
        let kept_variance = variance.retaped::<NoneTape>();
        let deviation = (variance + number::<E>(layer.epsilon)).sqrt();
        let scale = layer.scale.retaped::<AnyTape<E, Self>>() / deviation;
        let normal = centred * scale.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
        let out = finish(normal + per_channel(layer.shift, &shape), residual, layer.activation);
        let statistics = Statistics { mean: kept_mean, variance: kept_variance };
        (out, statistics)
    }

    /// As [`conv_norm`](Self::conv_norm) with given statistics: inference.
    fn conv_norm_frozen(
        (x, residual): Onto<E, Self>,
        layer: &ConvNorm<'_, E, Self>,
        statistics: &Statistics<E, Self>,
    ) -> Maps<E, Self> {
        let y = linear(x, layer);
        let shape = *y.shape();
        let deviation = (statistics.variance.clone() + number::<E>(layer.epsilon)).sqrt();
        let scale = layer.scale.retaped::<AnyTape<E, Self>>() / deviation;
        let shift = layer.bias.retaped::<AnyTape<E, Self>>() - statistics.mean.clone();
        let y = (y + shift.broadcast_like::<_, Axes3<0, 1, 2>>(&shape))
            * scale.broadcast_like::<_, Axes3<0, 1, 2>>(&shape);
        finish(y + per_channel(layer.shift, &shape), residual, layer.activation)
    }

    /// Maximum under a window: (B, H, W, C) → (B, H', W', C). What lies outside the maps does not count. Where pixels
    /// tie, dfdx sends the gradient to each of them; behind a ReLU, where ties are zeros, it goes no further.
    fn max_pool(x: Maps<E, Self>, window: Window) -> Maps<E, Self> {
        let (batch, height, width, channels) = *x.shape();
        let (rows, columns) = (window.outputs(height), window.outputs(width));
        // dfdx's maximum works with infinities as with numbers, its gradient does not.
        let max: Taped<(usize, usize, usize), E, Self> = unfolded(x, window, -1e30).max::<_, Axis<2>>();
        max.reshape_like(&(batch, rows, columns, channels))
    }

    /// The channels of both, side by side: (B, H, W, C), (B, H, W, C') → (B, H, W, C + C').
    fn concat(a: Maps<E, Self>, b: Maps<E, Self>) -> Maps<E, Self> {
        (a, b).concat_along(Axis::<3>)
    }

    /// Each channel of an image times σ(z) of its own: (B, H, W, C), (B, C) → (B, H, W, C).
    fn gate(x: Maps<E, Self>, z: Rows<E, Self>) -> Maps<E, Self> {
        let shape = *x.shape();
        x * z.sigmoid().broadcast_like::<_, Axes2<1, 2>>(&shape)
    }

    /// Each pixel four times, as the nearest of maps of twice the size: (B, H, W, C) → (B, 2H, 2W, C).
    fn doubled(x: Maps<E, Self>) -> Maps<E, Self> {
        let (batch, height, width, channels) = *x.shape();
        let places = (0..4 * height * width).map(|place| {
            let (row, column) = (place / (2 * width), place % (2 * width));
            Some(row / 2 * width + column / 2)
        });
        let x = gathered(x, &places.collect::<Vec<_>>(), 1, 0.0);
        x.reshape_like(&(batch, 2 * height, 2 * width, channels))
    }

    /// ln softmax(x ∗ w + b) of each pixel: (B, H, W, C) → (B H W, K).
    fn pixel_log_softmax(x: Maps<E, Self>, layer: &PixelScores<'_, E, Self>) -> Rows<E, Self> {
        let z = conv2d(x, layer.weight, layer.window);
        let (shape, classes) = (*z.shape(), layer.bias.shape().0);
        let z = z + per_channel(layer.bias, &shape);
        z.reshape_like(&(shape.0 * shape.1 * shape.2, classes)).log_softmax::<Axis<1>>()
    }

    /// c Σ y x over all numbers.
    fn weighted_sum(x: Rows<E, Self>, y: Matrix<E, Self>, c: E) -> Taped<(), E, Self> {
        (x * y).sum::<(), _>() * c
    }

    /// All numbers, last side fastest, off the device.
    fn numbers<S: Shape>(x: &Tensor<S, E, Self>) -> Vec<E> {
        x.as_vec()
    }

    /// Maximum and mean over 2 × 2 windows, side by side: (B, H, W, C) → (B, H/2, W/2, 2C).
    fn max_mean_pool(x: Maps<E, Self>) -> Maps<E, Self> {
        let (batch, height, width, channels) = *x.shape();
        let (rows, columns) = (height / 2, width / 2);
        let x = if height % 2 == 1 || width % 2 == 1 {
            x.slice((0..batch, 0..2 * rows, 0..2 * columns, 0..channels)).realize()
        } else {
            x
        };
        let x = x.reshape_like(&(batch, rows, 2usize, columns, 2usize, channels));
        let (x, for_mean) = fork(x);
        let max: Maps<E, Self> = x.max::<_, Axes2<2, 4>>();
        let mean: Maps<E, Self> = for_mean.mean::<_, Axes2<2, 4>>();
        (max, mean).concat_along(Axis::<3>)
    }

    /// x · factors, number by number; the factors get no gradient.
    fn times<S: Shape>(x: Taped<S, E, Self>, factors: Tensor<S, E, Self>) -> Taped<S, E, Self> {
        x * factors
    }

    /// Mean over all pixels: (B, H, W, C) → (B, C).
    fn global_mean(x: Maps<E, Self>) -> Rows<E, Self> {
        x.mean::<_, Axes2<1, 2>>()
    }

    /// x · w + b, and max(0, ·) of it if the layer has a ReLU: (B, inputs) → (B, outputs).
    fn dense(x: Rows<E, Self>, layer: &DenseLayer<'_, E, Self>) -> Rows<E, Self> {
        let y = x.matmul(layer.weight.clone());
        let shape = *y.shape();
        let y = y + layer.bias.retaped::<AnyTape<E, Self>>().broadcast_like::<_, Axis<0>>(&shape);
        if layer.relu { y.relu() } else { y }
    }

    /// Runs `forward` on a batch of images in parts of `size`, each with its number, and gives the results in
    /// order. The parts depend on the batch alone, never on the number of threads.
    fn in_parts<T: Send>(
        images: ArrayView4<'_, f32>,
        _size: usize,
        forward: impl Fn(usize, ArrayView4<'_, f32>) -> T + Shared,
    ) -> Vec<T> {
        vec![forward(0, images)]
    }

    /// Σ g² over a tensor's gradient.
    fn squared_norm<S: Shape>(parameters: &Tensor<S, E, Self>, gradients: &mut Gradients<E, Self>) -> f64 {
        gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let sum: Tensor<(), E, Self> = gradients.get(parameters).square().sum();
        sum.as_vec()[0].to_f64().expect("f32 and f64 are numbers")
    }

    /// One optimiser step: parameters, both moments (flat), gradient.
    fn update<S: Shape>(
        (step, before): (Step, Before),
        parameters: &mut Tensor<S, E, Self>,
        moments: &mut [Vector<E, Self>; 2],
        gradients: &mut Gradients<E, Self>,
    ) {
        gradients.get_or_alloc_mut(parameters).expect("memory for a gradient");
        let shape = *parameters.shape();
        let mut g = gradients.get(parameters).reshape_like(&(shape.num_elements(),));
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
                parameters.axpy(1.0, &(direction / spread).reshape_like(&shape), -1.0);
            }
            Step::Momentum { learning_rate, momentum, nesterov } => {
                m.axpy(momentum, &g, 1.0);
                let by_momentum = if nesterov { learning_rate * momentum } else { learning_rate };
                if nesterov {
                    parameters.axpy(1.0, &g.reshape_like(&shape), -learning_rate);
                }
                parameters.axpy(1.0, &m.clone().reshape_like(&shape), -by_momentum);
            }
        }
    }
}

impl Backend<f64> for Cpu {}

#[cfg(feature = "cuda")]
impl Backend<f32> for Cuda {}

/// The pixels under each place of a window, gathered: (B, H, W, C) → (B, places, taps, C). `outside` stands
/// for those outside the maps.
fn unfolded<E: Dtype, D: Backend<E>>(x: Maps<E, D>, window: Window, outside: f64) -> Maps<E, D> {
    let (_, height, width, _) = *x.shape();
    gathered(x, &window.pixels(height, width).collect::<Vec<_>>(), window.kernel * window.kernel, outside)
}

/// Some pixels of each image, `taps` to a place.
fn gathered<E: Dtype, D: Backend<E>>(
    x: Maps<E, D>,
    pixels: &[Option<usize>],
    taps: usize,
    outside: f64,
) -> Maps<E, D> {
    let (batch, height, width, channels) = *x.shape();
    let device = x.device().clone();
    let edge: Tensor<_, E, D> =
        device.tensor_from_vec(vec![number::<E>(outside); batch * channels], (batch, 1usize, channels));
    let x = x.reshape_like(&(batch, height * width, channels));
    let x = (x, edge).concat_along(Axis::<1>); // (B, HW + 1, C)
    let pixels: Vec<usize> = pixels.iter().map(|pixel| pixel.unwrap_or(height * width)).collect();
    let gathered = pixels.len();
    let pixels = device.tensor_from_vec(pixels.repeat(batch), (batch, gathered));
    let x: Taped<(usize, usize, usize), E, D> = x.gather(pixels); // (B, places · taps, C)
    x.reshape_like(&(batch, gathered / taps, taps, channels))
}

/// x ∗ w: (B, H, W, C) → (B, H', W', O). Cross-correlation, as all networks compute.
///
/// The pixels under the window are gathered into one row per output pixel, and the rows are multiplied
/// with the weights.
fn conv2d<E: Dtype, D: Backend<E>>(x: Maps<E, D>, weight: &Matrix<E, D>, window: Window) -> Maps<E, D> {
    let (batch, height, width, inputs) = *x.shape();
    let outputs = weight.shape().1;
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let taps = window.kernel * window.kernel;
    let x = unfolded(x, window, 0.0).reshape_like(&(batch * rows * columns, taps * inputs));
    x.matmul(weight.clone()).reshape_like(&(batch, rows, columns, outputs))
}

/// x ∗ w of each channel by itself: (B, H, W, C) → (B, H', W', C).
fn depthwise<E: Dtype, D: Backend<E>>(x: Maps<E, D>, weight: &Matrix<E, D>, window: Window) -> Maps<E, D> {
    let (batch, height, width, channels) = *x.shape();
    let (rows, columns) = (window.outputs(height), window.outputs(width));
    let x = unfolded(x, window, 0.0);
    let shape = *x.shape();
    let products = x * weight.retaped::<AnyTape<E, D>>().broadcast_like::<_, Axes2<0, 1>>(&shape);
    let sums: Taped<(usize, usize, usize), E, D> = products.sum::<_, Axis<2>>();
    sums.reshape_like(&(batch, rows, columns, channels))
}

/// The transposed convolution: (B, H, W, I) → (B, stride · H, stride · W, O).
///
/// A pixel of the large maps gathers, tap by tap, the pixel of the small maps at whose place of the window that tap
/// lies on it, if there is one.
fn transposed<E: Dtype, D: Backend<E>>(
    x: Maps<E, D>,
    weight: &Matrix<E, D>,
    window: Window,
    outputs: usize,
) -> Maps<E, D> {
    let (batch, height, width, inputs) = *x.shape();
    let (rows, columns) = (height * window.stride, width * window.stride);
    let taps = window.kernel * window.kernel;
    let mut places = vec![None; rows * columns * taps];
    for (k, pixel) in window.pixels(rows, columns).enumerate() {
        if let Some(pixel) = pixel {
            places[pixel * taps + k % taps] = Some(k / taps);
        }
    }
    let x = gathered(x, &places, taps, 0.0).reshape_like(&(batch * rows * columns, taps * inputs));
    let weight = weight.retaped::<AnyTape<E, D>>().reshape_like(&(taps, outputs, inputs));
    let weight = weight.permute::<_, Axes3<0, 2, 1>>().reshape_like(&(taps * inputs, outputs));
    x.matmul(weight).reshape_like(&(batch, rows, columns, outputs))
}

/// The linear part of a layer.
fn linear<E: Dtype, D: Backend<E>>(x: Maps<E, D>, layer: &ConvNorm<'_, E, D>) -> Maps<E, D> {
    match layer.kind {
        Kind::Full => conv2d(x, layer.weight, layer.window),
        Kind::Depthwise => depthwise(x, layer.weight, layer.window),
        Kind::Transposed => transposed(x, layer.weight, layer.window, layer.scale.shape().0),
    }
}

/// A vector repeated for every pixel.
fn per_channel<E: Dtype, D: Backend<E>>(
    v: &Vector<E, D>,
    shape: &(usize, usize, usize, usize),
) -> Taped<(usize, usize, usize, usize), E, D> {
    v.retaped::<AnyTape<E, D>>().broadcast_like::<_, Axes3<0, 1, 2>>(shape)
}

/// z σ(z).
pub(crate) fn swish<S: Shape, E: Dtype, D: Backend<E>>(z: Taped<S, E, D>) -> Taped<S, E, D> {
    let (z, again) = fork(z);
    z * again.sigmoid()
}

/// What comes behind the batch norm.
fn finish<E: Dtype, D: Backend<E>>(
    y: Maps<E, D>,
    residual: Option<Maps<E, D>>,
    activation: Activation,
) -> Maps<E, D> {
    let y = match residual {
        Some(residual) => y + residual,
        None => y,
    };
    match activation {
        Activation::None => y,
        Activation::Relu => y.relu(),
        Activation::Swish => swish(y),
    }
}

/// A number in the tensors' own type.
pub(crate) fn number<E: Dtype>(x: f64) -> E {
    E::from_f64(x).expect("f32 and f64 hold any number")
}
