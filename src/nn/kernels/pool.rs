//! Pooling of one image: the maximum under a window, 2 × 2 maximum and mean side by side, and the mean over
//! all pixels.

use super::geometry::Window;
use super::{Kernel, Lanes, vectors, volume};

/// Where the four pixels of each 2 × 2 window lie: offsets into an image of `width × channels` rows.
/// An odd last row or column belongs to no window, as in Keras's `valid` pooling.
fn windows(height: usize, width: usize, channels: usize) -> impl Iterator<Item = [usize; 4]> {
    (0..height / 2).flat_map(move |row| {
        (0..width / 2).map(move |column| {
            let corner = (2 * row * width + 2 * column) * channels;
            let below = corner + width * channels;
            [corner, corner + channels, below, below + channels]
        })
    })
}

/// Maximum and mean of each 2 × 2 window: `channels` of the one, then `channels` of the other.
pub(crate) fn max_mean(height: usize, width: usize, channels: usize, image: &[f32], out: &mut [f32]) {
    for (at, out) in windows(height, width, channels).zip(out.chunks_exact_mut(2 * channels)) {
        let [a, b, c, d] = at.map(|start| &image[start..start + channels]);
        let (max, mean) = out.split_at_mut(channels);
        for k in 0..channels {
            // f32::max passes over NaN, which is kept, so that a broken network shows.
            let has_nan = a[k].is_nan() | b[k].is_nan() | c[k].is_nan() | d[k].is_nan();
            let largest = a[k].max(b[k]).max(c[k].max(d[k]));
            max[k] = if has_nan { f32::NAN } else { largest };
            mean[k] = 0.25 * ((a[k] + b[k]) + (c[k] + d[k]));
        }
    }
}

/// Adds the gradient of [`max_mean`] to the image's: the maximum's goes to the first largest pixel.
pub(crate) struct AddMaxMeanGradient<'a> {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) image: &'a [f32],
    pub(crate) gradient: &'a [f32],
    pub(crate) out: &'a mut [f32],
}

// SAFETY: `check` has image and gradients of the sides that are walked over.
unsafe impl Kernel for AddMaxMeanGradient<'_> {
    fn check(&self) {
        let Self { height, width, channels, .. } = *self;
        let len = volume(&[height, width, channels]);
        assert!(self.image.len() == len && self.out.len() == len, "an image of another size");
        let len = volume(&[height / 2, width / 2, 2, channels]);
        assert_eq!(self.gradient.len(), len, "a gradient of another size");
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(self) {
        let channels = self.channels;
        for (window, at) in windows(self.height, self.width, channels).enumerate() {
            for (channel, n) in vectors::<L>(channels) {
                // SAFETY: a window's four pixels and its gradients exist, and `n` lanes from `channel` on in each.
                unsafe {
                    let minus = L::splat(-1.0);
                    let image = self.image.as_ptr().add(channel);
                    let a = L::load_first(image.add(at[0]), n);
                    let b = L::load_first(image.add(at[1]), n);
                    let c = L::load_first(image.add(at[2]), n);
                    let d = L::load_first(image.add(at[3]), n);
                    let gradient = self.gradient.as_ptr().add(window * 2 * channels + channel);
                    let mean = L::load_first(gradient.add(channels), n);
                    let quarter = mean.multiply_add(L::splat(0.25), L::splat(0.0));
                    // What is left for the pixels that follow, of which one is larger; of equals, the first keeps it.
                    let mut left = L::load_first(gradient, n);
                    let behind = [b.max(c.max(d)), c.max(d), d];
                    let mut shares = [left; 4];
                    for (k, (x, largest)) in [a, b, c].into_iter().zip(behind).enumerate() {
                        let passed_on = left.where_positive(x.multiply_add(minus, largest));
                        shares[k] = passed_on.multiply_add(minus, left);
                        left = passed_on;
                    }
                    shares[3] = left;
                    for (start, share) in at.into_iter().zip(shares) {
                        let to = self.out.as_mut_ptr().add(start + channel);
                        L::load_first(to, n).add(share).add(quarter).store_first(to, n);
                    }
                }
            }
        }
    }
}

/// The maximum under each place of a window; what lies outside the image does not count. `places` are the
/// pixels under each place, one per tap (see [`Window::pixels`]).
pub(crate) fn max(places: &[Option<usize>], window: Window, channels: usize, image: &[f32], out: &mut [f32]) {
    let taps = window.kernel * window.kernel;
    for (pixels, out) in places.chunks_exact(taps).zip(out.chunks_exact_mut(channels)) {
        out.fill(f32::NEG_INFINITY);
        for pixel in pixels.iter().flatten() {
            for (out, x) in out.iter_mut().zip(&image[pixel * channels..]) {
                // NaN is kept, so that a broken network shows.
                *out = if *x > *out || x.is_nan() { *x } else { *out };
            }
        }
    }
}

/// Adds the gradient of [`max`] to the image's: it goes to the first largest pixel.
pub(crate) fn add_max_gradient(
    places: &[Option<usize>],
    window: Window,
    channels: usize,
    image: &[f32],
    gradient: &[f32],
    out: &mut [f32],
) {
    let taps = window.kernel * window.kernel;
    for (pixels, gradient) in places.chunks_exact(taps).zip(gradient.chunks_exact(channels)) {
        for (channel, gradient) in gradient.iter().enumerate() {
            let mut largest: Option<usize> = None;
            for at in pixels.iter().flatten().map(|pixel| pixel * channels + channel) {
                if largest.is_none_or(|largest| image[at] > image[largest]) {
                    largest = Some(at);
                }
            }
            if let Some(at) = largest {
                out[at] += gradient;
            }
        }
    }
}

/// The mean over all pixels, per channel.
pub(crate) fn mean(image: &[f32], out: &mut [f32]) {
    let channels = out.len();
    out.fill(0.0);
    for pixel in image.chunks_exact(channels) {
        for (sum, x) in out.iter_mut().zip(pixel) {
            *sum += x;
        }
    }
    let pixels = (image.len() / channels) as f32;
    for sum in out {
        *sum /= pixels;
    }
}

/// Adds the gradient of [`mean`] to the image's.
pub(crate) fn add_mean_gradient(gradient: &[f32], out: &mut [f32]) {
    let channels = gradient.len();
    let share = channels as f32 / out.len() as f32;
    for pixel in out.chunks_exact_mut(channels) {
        for (x, g) in pixel.iter_mut().zip(gradient) {
            *x += share * g;
        }
    }
}
