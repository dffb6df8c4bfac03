//! Depthwise convolution: each channel of an image by a window of its own.
//!
//! A pixel of the maps and a place of the window are linked by a tap. All three sums that a convolution needs run
//! over the same links: the output's over the taps of a place, the input gradient's over the taps of a pixel, the
//! weight gradient's over the links of a tap. No image is padded, no zero outside one is multiplied.

use super::geometry::Window;
use super::{Finish, Kernel, Lanes, volume};

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
    pub(crate) finish: Option<Finish<'a>>,
    pub(crate) out: &'a mut [f32],
}

// SAFETY: `check` has factors and result of as many rows as the terms name.
unsafe impl Kernel for SumProducts<'_> {
    fn check(&self) {
        let of_rows = |rows: usize| volume(&[rows, self.channels]);
        let factors = [self.left.len(), self.right.len()] == self.terms.rows.map(of_rows);
        assert!(factors, "factors of another size");
        assert_eq!(self.out.len(), of_rows(self.terms.targets()), "an output of another size");
        if let Some(finish) = self.finish {
            finish.check_plain(self.channels);
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
        let relu = self.finish.is_some_and(|finish| finish.relu);
        // SAFETY: terms name rows that exist, and `n` lanes from each vector's first channel on do too.
        unsafe {
            let (left, right) = (self.left.as_ptr().add(channel), self.right.as_ptr().add(channel));
            for (target, ends) in terms.starts.windows(2).enumerate() {
                let out = self.out.as_mut_ptr().add(target * channels + channel);
                let start = self.finish.map_or(out.cast_const(), |finish| finish.bias.as_ptr().add(channel));
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
