//! Pooling of one image: the maximum under a window, 2 × 2 maximum and mean side by side, and the mean over
//! all pixels.

use super::window::Window;

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
            max[k] = a[k].max(b[k]).max(c[k].max(d[k]));
            mean[k] = 0.25 * ((a[k] + b[k]) + (c[k] + d[k]));
        }
    }
}

/// Adds the gradient of [`max_mean`] to the image's: the maximum's goes to the first largest pixel.
pub(crate) fn add_max_mean_gradient(
    height: usize,
    width: usize,
    channels: usize,
    image: &[f32],
    gradient: &[f32],
    out: &mut [f32],
) {
    for (at, gradient) in windows(height, width, channels).zip(gradient.chunks_exact(2 * channels)) {
        let [a, b, c, d] = at.map(|start| &image[start..start + channels]);
        let (max, mean) = gradient.split_at(channels);
        for k in 0..channels {
            // Strictly larger only: of equals, the first keeps the gradient.
            let mut first = 0;
            let mut largest = a[k];
            for (place, x) in [(1, b[k]), (2, c[k]), (3, d[k])] {
                if x > largest {
                    (first, largest) = (place, x);
                }
            }
            out[at[first] + k] += max[k];
            for start in at {
                out[start + k] += 0.25 * mean[k];
            }
        }
    }
}

/// The maximum under each place of a window; what lies outside the image does not count. `places` are the
/// pixels under each place, one a tap (see [`Window::pixels`]).
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

/// The mean over all pixels, a channel.
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
