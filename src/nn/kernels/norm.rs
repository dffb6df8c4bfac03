//! Batch normalisation and ReLU over the channels of one image.

use super::{Kernel, Lanes, Level};

/// The vectors that cover so many channels: first channel and lanes of each.
#[inline(always)]
fn vectors<L: Lanes>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..channels).step_by(L::WIDTH).map(move |channel| (channel, L::WIDTH.min(channels - channel)))
}

/// The `n` numbers of the channels from `channel` on.
///
/// # Safety
/// There must be so many; the processor must have the vector's instructions.
#[inline(always)]
unsafe fn channel_of<L: Lanes>(values: &[f32], channel: usize, n: usize) -> L {
    // SAFETY: the caller's.
    unsafe { L::load_first(values.as_ptr().add(channel), n) }
}

/// Sums kept apart, so that one addition need not wait for the one before it.
const PARTS: usize = 4;

/// Walks over the pixels, PARTS at a time, with `part` known when it is compiled. A macro, not a function
/// of a closure: a closure that is not inlined loses the instruction set.
macro_rules! each_pixel {
    ($pixels:expr, |$pixel:ident, $part:ident| $body:block) => {{
        let whole = $pixels - $pixels % PARTS;
        let mut first = 0;
        while first < whole {
            for $part in 0..PARTS {
                let $pixel = first + $part;
                $body
            }
            first += PARTS;
        }
        for $pixel in whole..$pixels {
            let $part = 0;
            $body
        }
    }};
}

/// The sum of the parts.
///
/// # Safety
/// The processor must have the vector's instructions.
#[inline(always)]
unsafe fn total<L: Lanes>(parts: [L; PARTS]) -> L {
    // SAFETY: the caller's.
    unsafe { parts[0].add(parts[1]).add(parts[2].add(parts[3])) }
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
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `moments` has checked the lengths; `n` lanes from `channel` on exist.
            unsafe {
                let start = self.y.as_ptr().add(channel);
                let zero = L::splat(0.0);
                let mut parts = [zero; PARTS];
                each_pixel!(pixels, |pixel, part| {
                    parts[part] = parts[part].add(L::load_first(start.add(pixel * channels), n));
                });
                let sum = total(parts);
                let minus_mean = sum.multiply_add(L::splat(-1.0 / pixels as f32), zero);
                let mut parts = [zero; PARTS];
                each_pixel!(pixels, |pixel, part| {
                    let deviation = L::load_first(start.add(pixel * channels), n).add(minus_mean);
                    parts[part] = deviation.multiply_add(deviation, parts[part]);
                });
                let square = total(parts);
                sum.store_first(self.sums.as_mut_ptr().add(channel), n);
                square.store_first(self.squares.as_mut_ptr().add(channel), n);
            }
        }
    }
}

/// out = scale · y + shift, a channel, plus a residual where there is one; with `relu`, max(0, ·), and NaN
/// stays NaN.
pub(crate) fn scale_shift(
    level: Level,
    y: &[f32],
    scale: &[f32],
    shift: &[f32],
    residual: Option<&[f32]>,
    relu: bool,
    out: &mut [f32],
) {
    assert!(scale.len() == shift.len() && y.len() == out.len(), "unequal channels");
    assert!(y.len().is_multiple_of(scale.len()), "unequal channels");
    assert!(residual.is_none_or(|r| r.len() == y.len()), "a residual of another size");
    level.run(ScaleShift { y, scale, shift, residual, relu, out });
}

struct ScaleShift<'a> {
    y: &'a [f32],
    scale: &'a [f32],
    shift: &'a [f32],
    residual: Option<&'a [f32]>,
    relu: bool,
    out: &'a mut [f32],
}

impl Kernel for ScaleShift<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.scale.len();
        let pixels = self.y.len() / channels;
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `scale_shift` has checked the lengths.
            unsafe {
                let scale = L::load_first(self.scale.as_ptr().add(channel), n);
                let shift = L::load_first(self.shift.as_ptr().add(channel), n);
                for pixel in 0..pixels {
                    let at = pixel * channels + channel;
                    let mut z = L::load_first(self.y.as_ptr().add(at), n).multiply_add(scale, shift);
                    if let Some(residual) = self.residual {
                        z = z.add(L::load_first(residual.as_ptr().add(at), n));
                    }
                    if self.relu {
                        z = L::splat(0.0).max(z);
                    }
                    z.store_first(self.out.as_mut_ptr().add(at), n);
                }
            }
        }
    }
}

/// g = 0 where `out`, which a ReLU has given, is not above 0; then sum += g.
pub(crate) fn mask_and_add(level: Level, out: &[f32], g: &mut [f32], sum: &mut [f32]) {
    assert!(out.len() == g.len() && g.len() == sum.len(), "unequal lengths");
    level.run(MaskAndAdd { out, g, sum });
}

struct MaskAndAdd<'a> {
    out: &'a [f32],
    g: &'a mut [f32],
    sum: &'a mut [f32],
}

impl Kernel for MaskAndAdd<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (at, n) in vectors::<L>(self.out.len()) {
            // SAFETY: `mask_and_add` has checked the lengths.
            unsafe {
                let out = L::load_first(self.out.as_ptr().add(at), n);
                let g = L::load_first(self.g.as_ptr().add(at), n).where_positive(out);
                g.store_first(self.g.as_mut_ptr().add(at), n);
                let to = self.sum.as_mut_ptr().add(at);
                L::load_first(to, n).add(g).store_first(to, n);
            }
        }
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
    /// Whether there is one of each a channel.
    fn is_for(self, channels: usize) -> bool {
        self.scale.len() == channels && self.shift.len() == channels
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
    let channels = sums.len();
    assert!(y.len() == gradient.len() && y.len().is_multiple_of(channels), "unequal channels");
    assert!(
        products.len() == channels && applied.is_for(channels) && mean.len() == channels,
        "unequal channels"
    );
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
        let pixels = self.y.len() / channels;
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `gradient_sums` has checked the lengths.
            unsafe {
                let scale = channel_of::<L>(self.applied.scale, channel, n);
                let shift = channel_of::<L>(self.applied.shift, channel, n);
                let mean = channel_of::<L>(self.mean, channel, n);
                let minus_mean = mean.multiply_add(L::splat(-1.0), L::splat(0.0));
                let (mut sums, mut products) = ([L::splat(0.0); PARTS], [L::splat(0.0); PARTS]);
                each_pixel!(pixels, |pixel, part| {
                    let at = pixel * channels + channel;
                    let y = L::load_first(self.y.as_ptr().add(at), n);
                    let gradient = L::load_first(self.gradient.as_ptr().add(at), n);
                    let g = gradient.where_positive(y.multiply_add(scale, shift));
                    sums[part] = sums[part].add(g);
                    products[part] = g.multiply_add(y.add(minus_mean), products[part]);
                });
                total(sums).store_first(self.sums.as_mut_ptr().add(channel), n);
                total(products).store_first(self.products.as_mut_ptr().add(channel), n);
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
    assert!(y.len().is_multiple_of(channels) && applied.is_for(channels), "unequal channels");
    assert!(factors.iter().all(|f| f.len() == channels), "unequal channels");
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
        let pixels = self.y.len() / channels;
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `input_gradient` has checked the lengths.
            unsafe {
                let scale = channel_of::<L>(self.applied.scale, channel, n);
                let shift = channel_of::<L>(self.applied.shift, channel, n);
                let mean = channel_of::<L>(self.mean, channel, n);
                let minus_mean = mean.multiply_add(L::splat(-1.0), L::splat(0.0));
                let [a, b, c] = self.factors;
                let a = channel_of::<L>(a, channel, n);
                let b = channel_of::<L>(b, channel, n);
                let c = channel_of::<L>(c, channel, n);
                for pixel in 0..pixels {
                    let at = pixel * channels + channel;
                    let y = L::load_first(self.y.as_ptr().add(at), n);
                    let gradient = L::load_first(self.gradient.as_ptr().add(at), n);
                    let g = gradient.where_positive(y.multiply_add(scale, shift));
                    let dy = a.multiply_add(g, b.multiply_add(y.add(minus_mean), c));
                    dy.store_first(self.out.as_mut_ptr().add(at), n);
                }
            }
        }
    }
}

/// sum += part, number by number.
pub(crate) fn add(level: Level, sum: &mut [f32], part: &[f32]) {
    assert_eq!(sum.len(), part.len(), "unequal lengths");
    level.run(Add { sum, part });
}

struct Add<'a> {
    sum: &'a mut [f32],
    part: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        for (at, n) in vectors::<L>(self.sum.len()) {
            // SAFETY: both slices have the length that is walked over.
            unsafe {
                let to = self.sum.as_mut_ptr().add(at);
                let part = L::load_first(self.part.as_ptr().add(at), n);
                L::load_first(to, n).add(part).store_first(to, n);
            }
        }
    }
}
