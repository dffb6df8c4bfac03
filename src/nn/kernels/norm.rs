//! Batch normalisation and ReLU over the channels of one image.

use super::{Kernel, Lanes, Level};

/// Runs `body(channel, lanes)` for each vector of channels.
#[inline(always)]
fn each_vector<L: Lanes>(channels: usize, mut body: impl FnMut(usize, usize)) {
    let mut channel = 0;
    while channel < channels {
        body(channel, L::WIDTH.min(channels - channel));
        channel += L::WIDTH;
    }
}

/// Sum and sum of squared deviations from the image's own mean, a channel.
///
/// Two passes over data that is still in the cache: the usual E\[y²\] − E\[y\]² in f32 loses the
/// variance where the mean is large beside it.
pub(crate) fn moments(level: Level, y: &[f32], sums: &mut [f32], squares: &mut [f32]) {
    assert!(sums.len() == squares.len() && y.len().is_multiple_of(sums.len()), "unequal channels");
    level.run(Moments { y, sums, squares });
}

struct Moments<'a> {
    y: &'a [f32],
    sums: &'a mut [f32],
    squares: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.sums.len();
        let pixels = self.y.len() / channels;
        each_vector::<L>(channels, |channel, n| {
            // SAFETY: `moments` has checked the lengths; `n` lanes from `channel` on exist.
            unsafe {
                let at = |pixel: usize| L::load_first(self.y.as_ptr().add(pixel * channels + channel), n);
                let zero = L::splat(0.0);
                let mut parts = [zero; 4];
                for pixel in 0..pixels {
                    parts[pixel % 4] = parts[pixel % 4].add(at(pixel));
                }
                let sum = parts[0].add(parts[1]).add(parts[2].add(parts[3]));
                let minus_mean = sum.multiply_add(L::splat(-1.0 / pixels as f32), zero);
                let mut parts = [zero; 4];
                for pixel in 0..pixels {
                    let deviation = at(pixel).add(minus_mean);
                    parts[pixel % 4] = deviation.multiply_add(deviation, parts[pixel % 4]);
                }
                let square = parts[0].add(parts[1]).add(parts[2].add(parts[3]));
                sum.store_first(self.sums.as_mut_ptr().add(channel), n);
                square.store_first(self.squares.as_mut_ptr().add(channel), n);
            }
        });
    }
}

/// out = max(scale · y + shift, 0), a channel.
pub(crate) fn scale_shift_relu(level: Level, y: &[f32], scale: &[f32], shift: &[f32], out: &mut [f32]) {
    assert!(scale.len() == shift.len() && y.len() == out.len(), "unequal channels");
    assert!(y.len().is_multiple_of(scale.len()), "unequal channels");
    level.run(ScaleShiftRelu { y, scale, shift, out });
}

struct ScaleShiftRelu<'a> {
    y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for ScaleShiftRelu<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.scale.len();
        let pixels = self.y.len() / channels;
        each_vector::<L>(channels, |channel, n| {
            // SAFETY: `scale_shift_relu` has checked the lengths.
            unsafe {
                let scale = L::load_first(self.scale.as_ptr().add(channel), n);
                let shift = L::load_first(self.shift.as_ptr().add(channel), n);
                for pixel in 0..pixels {
                    let at = pixel * channels + channel;
                    let y = L::load_first(self.y.as_ptr().add(at), n);
                    let z = y.multiply_add(scale, shift).max(L::splat(0.0));
                    z.store_first(self.out.as_mut_ptr().add(at), n);
                }
            }
        });
    }
}

/// What batch norm + ReLU was applied with, a channel: the pre-activation is
/// `scale · y + shift`, and it counts where that is positive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied<'a> {
    /// γ / √(σ² + ε).
    pub(crate) scale: &'a [f32],
    /// β − μ · scale.
    pub(crate) shift: &'a [f32],
}

impl Applied<'_> {
    /// The gradient behind the ReLU, for channel `c` of a pixel.
    #[inline(always)]
    fn masked(self, c: usize, y: f32, gradient: f32) -> f32 {
        if self.scale[c] * y + self.shift[c] > 0.0 { gradient } else { 0.0 }
    }
}

/// Σ g and Σ g · (y − μ) over the pixels of one image, with g the gradient behind the ReLU.
pub(crate) fn gradient_sums(
    level: Level,
    y: &[f32],
    gradient: &[f32],
    applied: Applied<'_>,
    mean: &[f32],
    sums: &mut [f32],
    products: &mut [f32],
) {
    assert!(y.len() == gradient.len() && y.len().is_multiple_of(sums.len()), "unequal channels");
    level.run(GradientSums { y, gradient, applied, mean, sums, products });
}

struct GradientSums<'a> {
    y: &'a [f32],
    gradient: &'a [f32],
    applied: Applied<'a>,
    mean: &'a [f32],
    sums: &'a mut [f32],
    products: &'a mut [f32],
}

impl Kernel for GradientSums<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.sums.len();
        let (mean, applied) = (&self.mean[..channels], self.applied);
        let (sums, products) = (&mut self.sums[..channels], &mut self.products[..channels]);
        sums.fill(0.0);
        products.fill(0.0);
        // Plain loops: the compiler turns them into this level's vectors.
        for (y, gradient) in self.y.chunks_exact(channels).zip(self.gradient.chunks_exact(channels)) {
            for c in 0..channels {
                let g = applied.masked(c, y[c], gradient[c]);
                sums[c] += g;
                products[c] += g * (y[c] - mean[c]);
            }
        }
    }
}

/// dy = a · g + b · (y − μ) + c, a channel, with g the gradient behind the ReLU; one row of pixels.
pub(crate) fn input_gradient(
    level: Level,
    y: &[f32],
    gradient: &[f32],
    applied: Applied<'_>,
    mean: &[f32],
    factors: &[Vec<f32>; 3],
    out: &mut [f32],
) {
    let channels = mean.len();
    assert!(y.len() == gradient.len() && y.len() == out.len(), "unequal rows");
    assert!(
        y.len().is_multiple_of(channels) && factors.iter().all(|f| f.len() == channels),
        "unequal channels"
    );
    level.run(InputGradient { y, gradient, applied, mean, factors, out });
}

struct InputGradient<'a> {
    y: &'a [f32],
    gradient: &'a [f32],
    applied: Applied<'a>,
    mean: &'a [f32],
    factors: &'a [Vec<f32>; 3],
    out: &'a mut [f32],
}

impl Kernel for InputGradient<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.mean.len();
        let [a, b, c0] = self.factors;
        let (a, b, c0) = (&a[..channels], &b[..channels], &c0[..channels]);
        let (mean, applied) = (self.mean, self.applied);
        let pixels = self.y.chunks_exact(channels).zip(self.gradient.chunks_exact(channels));
        for ((y, gradient), out) in pixels.zip(self.out.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let g = applied.masked(c, y[c], gradient[c]);
                out[c] = a[c] * g + b[c] * (y[c] - mean[c]) + c0[c];
            }
        }
    }
}
