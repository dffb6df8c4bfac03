//! Batch normalisation and ReLU over the channels of one image.

use super::{Kernel, Lanes, check_channels, vectors};

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

/// Sum and sum of squared deviations from the image's own mean, per channel.
///
/// Two passes over data that is still in the cache: the usual E\[y²\] − E\[y\]² in f32 loses the
/// variance where the mean is much larger.
pub(crate) struct Moments<'a> {
    pub(crate) y: &'a [f32],
    pub(crate) sums: &'a mut [f32],
    pub(crate) squares: &'a mut [f32],
}

// SAFETY: `check` has whole pixels of as many channels as there are sums.
unsafe impl Kernel for Moments<'_> {
    fn check(&self) {
        check_channels(&[self.y], &[self.sums, self.squares]);
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.sums.len();
        let pixels = self.y.len() / channels;
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: as `check` has it, `n` lanes from `channel` on exist in every pixel.
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

/// scale · y + shift, per channel, plus a residual where there is one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Normal<'a> {
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    /// Of y's size.
    pub(crate) residual: Option<&'a [f32]>,
}

impl Normal<'_> {
    /// Panics unless it fits y.
    pub(super) fn check(self, y: &[f32]) {
        check_channels(&[y, self.residual.unwrap_or(y)], &[self.scale, self.shift]);
    }
}

/// out = the normal of y; with `relu`, max(0, ·), and NaN stays NaN.
pub(crate) struct ScaleShift<'a> {
    pub(crate) y: &'a [f32],
    pub(crate) normal: Normal<'a>,
    pub(crate) relu: bool,
    pub(crate) out: &'a mut [f32],
}

// SAFETY: `check` has y, residual and output of whole pixels of as many channels as there are scales.
unsafe impl Kernel for ScaleShift<'_> {
    fn check(&self) {
        self.normal.check(self.y);
        assert_eq!(self.y.len(), self.out.len(), "an output of another size");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let Normal { scale, shift, residual } = self.normal;
        let channels = scale.len();
        let pixels = self.y.len() / channels;
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `n` lanes from `channel` on exist in every pixel.
            unsafe {
                let scale = L::load_first(scale.as_ptr().add(channel), n);
                let shift = L::load_first(shift.as_ptr().add(channel), n);
                for pixel in 0..pixels {
                    let at = pixel * channels + channel;
                    let mut z = L::load_first(self.y.as_ptr().add(at), n).multiply_add(scale, shift);
                    if let Some(residual) = residual {
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

/// g = 0 where `out`, which a ReLU has given, is not above 0.
pub(crate) struct Mask<'a> {
    pub(crate) out: &'a [f32],
    pub(crate) g: &'a mut [f32],
}

// SAFETY: a plain loop.
unsafe impl Kernel for Mask<'_> {
    fn check(&self) {
        assert_eq!(self.out.len(), self.g.len(), "unequal lengths");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        self.g.iter_mut().zip(self.out).for_each(|(g, out)| *g = if *out > 0.0 { *g } else { 0.0 });
    }
}

/// What a gradient meets on its way back through batch norm + ReLU, per channel: it counts where scale · y + shift is
/// positive.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Applied<'a> {
    /// γ / √(σ² + ε).
    pub(crate) scale: &'a [f32],
    /// β − μ · scale.
    pub(crate) shift: &'a [f32],
    /// μ.
    pub(crate) mean: &'a [f32],
}

/// Some channels of [`Applied`].
#[derive(Clone, Copy)]
struct Behind<L> {
    scale: L,
    shift: L,
    minus_mean: L,
}

impl<L: Lanes> Behind<L> {
    /// The `n` channels from `channel` on.
    ///
    /// # Safety
    /// They must exist; the processor must have the vector's instructions.
    #[inline(always)]
    unsafe fn load(applied: Applied<'_>, channel: usize, n: usize) -> Self {
        // SAFETY: the caller's.
        unsafe {
            let mean = L::load_first(applied.mean.as_ptr().add(channel), n);
            Self {
                scale: L::load_first(applied.scale.as_ptr().add(channel), n),
                shift: L::load_first(applied.shift.as_ptr().add(channel), n),
                minus_mean: mean.multiply_add(L::splat(-1.0), L::splat(0.0)),
            }
        }
    }

    /// The gradient behind the ReLU, and y − μ, of `n` numbers.
    ///
    /// # Safety
    /// They must exist at both places; the processor must have the vector's instructions.
    #[inline(always)]
    unsafe fn at(self, y: *const f32, gradient: *const f32, n: usize) -> (L, L) {
        // SAFETY: the caller's.
        unsafe {
            let (y, gradient) = (L::load_first(y, n), L::load_first(gradient, n));
            (gradient.where_positive(y.multiply_add(self.scale, self.shift)), y.add(self.minus_mean))
        }
    }
}

/// Σ g and Σ g · (y − μ) over the pixels of one image, with g the gradient behind the ReLU.
pub(crate) struct GradientSums<'a> {
    pub(crate) y: &'a [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) applied: Applied<'a>,
    pub(crate) sums: &'a mut [f32],
    pub(crate) products: &'a mut [f32],
}

// SAFETY: `check` has whole pixels of as many channels as there are sums.
unsafe impl Kernel for GradientSums<'_> {
    fn check(&self) {
        let Applied { scale, shift, mean } = self.applied;
        check_channels(&[self.y, self.gradient], &[scale, shift, mean, self.sums, self.products]);
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let (channels, pixels) = (self.sums.len(), self.y.len() / self.sums.len());
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `n` lanes from `channel` on exist in every pixel.
            unsafe {
                let behind = Behind::<L>::load(self.applied, channel, n);
                let (mut sums, mut products) = ([L::splat(0.0); PARTS], [L::splat(0.0); PARTS]);
                each_pixel!(pixels, |pixel, part| {
                    let at = pixel * channels + channel;
                    let (g, deviation) =
                        behind.at(self.y.as_ptr().add(at), self.gradient.as_ptr().add(at), n);
                    sums[part] = sums[part].add(g);
                    products[part] = g.multiply_add(deviation, products[part]);
                });
                total(sums).store_first(self.sums.as_mut_ptr().add(channel), n);
                total(products).store_first(self.products.as_mut_ptr().add(channel), n);
            }
        }
    }
}

/// dy = a · g + b · (y − μ) + c, per channel, with g the gradient behind the ReLU; one row of pixels.
pub(crate) struct InputGradient<'a> {
    pub(crate) y: &'a [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) applied: Applied<'a>,
    /// a, b and c.
    pub(crate) factors: &'a [Vec<f32>; 3],
    pub(crate) out: &'a mut [f32],
}

// SAFETY: `check` has whole pixels of as many channels as there are factors.
unsafe impl Kernel for InputGradient<'_> {
    fn check(&self) {
        let (Applied { scale, shift, mean }, [a, b, c]) = (self.applied, self.factors);
        check_channels(&[self.y, self.gradient, self.out], &[scale, shift, mean, a, b, c]);
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let [a, b, c] = self.factors;
        let channels = a.len();
        for (channel, n) in vectors::<L>(channels) {
            // SAFETY: `n` lanes from `channel` on exist in every pixel.
            unsafe {
                let behind = Behind::<L>::load(self.applied, channel, n);
                let a = L::load_first(a.as_ptr().add(channel), n);
                let b = L::load_first(b.as_ptr().add(channel), n);
                let c = L::load_first(c.as_ptr().add(channel), n);
                for pixel in 0..self.y.len() / channels {
                    let at = pixel * channels + channel;
                    let (g, deviation) =
                        behind.at(self.y.as_ptr().add(at), self.gradient.as_ptr().add(at), n);
                    let dy = a.multiply_add(g, b.multiply_add(deviation, c));
                    dy.store_first(self.out.as_mut_ptr().add(at), n);
                }
            }
        }
    }
}

/// sum += part, number by number.
pub(crate) struct Add<'a> {
    pub(crate) sum: &'a mut [f32],
    pub(crate) part: &'a [f32],
}

// SAFETY: a plain loop.
unsafe impl Kernel for Add<'_> {
    fn check(&self) {
        assert_eq!(self.sum.len(), self.part.len(), "unequal lengths");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        self.sum.iter_mut().zip(self.part).for_each(|(sum, part)| *sum += part);
    }
}
