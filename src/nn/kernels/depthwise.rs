//! Depthwise convolution: each channel of an image by a window of its own.
//!
//! A pixel of the maps and a place of the window are linked by a tap. All three sums that a convolution needs run
//! over the same links: the output's over the taps of a place, the input gradient's over the taps of a pixel, the
//! weight gradient's over the links of a tap. No image is padded, no zero outside one is multiplied.

use super::conv::Finish;
use super::window::Window;
use super::{Kernel, Lanes, volume};

/// One term of a sum: which rows of the two factors are multiplied.
#[derive(Debug, Clone, Copy)]
struct Term {
    left: usize,
    right: usize,
}

/// The terms of each row of a result.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Where each row's terms begin, and where the last one's end.
    starts: Vec<usize>,
    all: Vec<Term>,
    /// Rows of the left and the right factor.
    rows: [usize; 2],
}

impl Terms {
    /// place ← pixel · tap: the output from the input and the weights.
    pub(crate) fn of_output(window: Window, height: usize, width: usize) -> Self {
        Self::of(window, height, width, |[pixel, place, tap]| [place, pixel, tap])
    }

    /// pixel ← place · tap: the input's gradient from the output's and the weights.
    pub(crate) fn of_input(window: Window, height: usize, width: usize) -> Self {
        Self::of(window, height, width, |[pixel, place, tap]| [pixel, place, tap])
    }

    /// tap ← pixel · place: the weights' gradient from the input and the output's gradient.
    pub(crate) fn of_weights(window: Window, height: usize, width: usize) -> Self {
        Self::of(window, height, width, |[pixel, place, tap]| [tap, pixel, place])
    }

    /// `roles` puts pixel, place and tap in the order target, left, right.
    fn of(window: Window, height: usize, width: usize, roles: impl Fn([usize; 3]) -> [usize; 3]) -> Self {
        let taps = window.kernel * window.kernel;
        let places = window.outputs(height) * window.outputs(width);
        let [targets, rows @ ..] = roles([height * width, places, taps]);
        let mut of = vec![Vec::new(); targets];
        for (k, pixel) in window.pixels(height, width).enumerate() {
            let Some(pixel) = pixel else { continue };
            let [target, left, right] = roles([pixel, k / taps, k % taps]);
            of[target].push(Term { left, right });
        }
        let mut starts = vec![0];
        for terms in &of {
            starts.push(starts[starts.len() - 1] + terms.len());
        }
        Self { starts, all: of.concat(), rows }
    }

    /// Rows of the result.
    fn targets(&self) -> usize {
        self.starts.len() - 1
    }
}

/// Row by row the sum over its terms of left · right, channel by channel, finished.
pub(crate) struct SumProducts<'a> {
    pub(crate) terms: &'a Terms,
    pub(crate) channels: usize,
    pub(crate) left: &'a [f32],
    pub(crate) right: &'a [f32],
    pub(crate) finish: Finish<'a>,
    pub(crate) out: &'a mut [f32],
}

// SAFETY: `check` has factors and result of as many rows as the terms name.
unsafe impl Kernel for SumProducts<'_> {
    type Output = ();

    fn check(&self) {
        let of_rows = |rows: usize| volume(&[rows, self.channels]);
        let factors = [self.left.len(), self.right.len()] == self.terms.rows.map(of_rows);
        assert!(factors, "factors of another size");
        assert_eq!(self.out.len(), of_rows(self.terms.targets()), "an output of another size");
        if let Finish::Bias(bias) | Finish::BiasRelu(bias) = self.finish {
            assert_eq!(bias.len(), self.channels, "a bias of another layer");
        }
    }

    #[inline(always)]
    unsafe fn run<L: Lanes>(mut self) {
        let channels = self.channels;
        let mut channel = 0;
        // SAFETY: the lanes of each call are channels.
        unsafe {
            while channel + 4 * L::WIDTH <= channels {
                self.block::<L, 4>(channel, L::WIDTH);
                channel += 4 * L::WIDTH;
            }
            while channel < channels {
                self.block::<L, 1>(channel, L::WIDTH.min(channels - channel));
                channel += L::WIDTH;
            }
        }
    }
}

impl SumProducts<'_> {
    /// All rows of V vectors of channels; the last vector has `n` lanes.
    #[inline(always)]
    unsafe fn block<L: Lanes, const V: usize>(&mut self, channel: usize, n: usize) {
        let Self { terms, channels, .. } = *self;
        let relu = matches!(self.finish, Finish::BiasRelu(_));
        // SAFETY: terms name rows that exist, and `n` lanes from each vector's first channel on do too.
        unsafe {
            let (left, right) = (self.left.as_ptr().add(channel), self.right.as_ptr().add(channel));
            for (target, ends) in terms.starts.windows(2).enumerate() {
                let out = self.out.as_mut_ptr().add(target * channels + channel);
                let start = match self.finish {
                    Finish::Bias(bias) | Finish::BiasRelu(bias) => bias.as_ptr().add(channel),
                    Finish::Accumulate => out.cast_const(),
                };
                let mut sums = [L::splat(0.0); V];
                for (v, sum) in sums.iter_mut().enumerate() {
                    *sum = L::load_first(start.add(v * L::WIDTH), n);
                }
                for term in terms.all.get_unchecked(ends[0]..ends[1]) {
                    let (a, b) = (left.add(term.left * channels), right.add(term.right * channels));
                    for (v, sum) in sums.iter_mut().enumerate() {
                        let b = L::load_first(b.add(v * L::WIDTH), n);
                        *sum = L::load_first(a.add(v * L::WIDTH), n).multiply_add(b, *sum);
                    }
                }
                for (v, sum) in sums.iter().enumerate() {
                    let sum = if relu { L::splat(0.0).max(*sum) } else { *sum };
                    sum.store_first(out.add(v * L::WIDTH), n);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::super::window::Padding;
    use super::*;
    use crate::simd::Level;

    /// Numbers whose products and short sums are exact in f32, so that any order gives the same bits.
    fn draw(random: &mut ChaCha8Rng, len: usize) -> Vec<f32> {
        (0..len).map(|_| f32::from(random.gen_range(-8i8..9)) / 4.0).collect()
    }

    /// The pixel under a tap by the definition of each padding, rows and columns alike.
    fn pixel(window: Window, size: usize, place: usize, tap: usize) -> Option<usize> {
        let Window { kernel, stride, padding } = window;
        let before = match padding {
            Padding::Valid => 0,
            Padding::Around(zeros) => zeros,
            Padding::Same => ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size) / 2,
        };
        (place * stride + tap).checked_sub(before).filter(|pixel| *pixel < size)
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "the sums are exact")]
    fn outputs_and_both_gradients_are_the_sums_of_the_definition_at_every_level() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for round in 0..60 {
            let kernel = [1, 2, 3, 5][round % 4];
            let padding = [Padding::Same, Padding::Valid, Padding::Around(1)][round % 3];
            let window = Window { kernel, stride: 1 + round / 4 % 2, padding };
            let [height, width] = [0, 0].map(|least: usize| least + kernel + random.gen_range(0..5));
            let channels = [1, 3, 8, 16, 17, 40, 64, 70, 144][round % 9];
            let (rows, columns) = (window.outputs(height), window.outputs(width));
            let [x, w, g, bias] =
                [height * width, kernel * kernel, rows * columns, 1].map(|n| draw(&mut random, n * channels));
            let (mut y, mut gx, mut gw) = (bias.repeat(rows * columns), x.clone(), w.clone());
            for (row, column) in (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c))) {
                for (tap_row, tap_column) in (0..kernel).flat_map(|r| (0..kernel).map(move |c| (r, c))) {
                    let at = (pixel(window, height, row, tap_row), pixel(window, width, column, tap_column));
                    let (Some(r), Some(c)) = at else { continue };
                    for k in 0..channels {
                        let pixel = (r * width + c) * channels + k;
                        let place = (row * columns + column) * channels + k;
                        let tap = (tap_row * kernel + tap_column) * channels + k;
                        y[place] += x[pixel] * w[tap];
                        gx[pixel] += g[place] * w[tap];
                        gw[tap] += g[place] * x[pixel];
                    }
                }
            }
            for level in Level::available() {
                let case = format!("{level:?}, {window:?}, {height} × {width} × {channels}");
                let run = |terms: Terms, left: &[f32], right: &[f32], finish: Finish<'_>, before: &[f32]| {
                    let mut out = before.to_vec();
                    level.run(SumProducts { terms: &terms, channels, left, right, finish, out: &mut out });
                    out
                };
                let nothing = vec![f32::NAN; y.len()];
                let forwards = || Terms::of_output(window, height, width);
                assert_eq!(run(forwards(), &x, &w, Finish::Bias(&bias), &nothing), y, "{case}");
                let rectified: Vec<f32> = y.iter().map(|y| y.max(0.0)).collect();
                assert_eq!(run(forwards(), &x, &w, Finish::BiasRelu(&bias), &nothing), rectified, "{case}");
                let of_input = Terms::of_input(window, height, width);
                assert_eq!(run(of_input, &g, &w, Finish::Accumulate, &x), gx, "{case}, input");
                let of_weights = Terms::of_weights(window, height, width);
                assert_eq!(run(of_weights, &x, &g, Finish::Accumulate, &w), gw, "{case}, weights");
            }
        }
    }
}
