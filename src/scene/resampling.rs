//! One axis of a raster brought to another number of pixels over the same extent.
//!
//! Finer pixels by linear interpolation between the centres of the two nearest ones (two axes: bilinear; beyond
//! the outermost centres the outermost pixel); coarser ones by the mean of what they cover, each pixel by
//! the share of it that is covered. A pixel without data (NaN) leaves no data wherever it has a weight.

use std::ops::Range;

/// For each pixel of the new axis, from which old one on, with which weights.
#[derive(Debug, Clone)]
pub(super) struct Resampling {
    taps: Vec<(usize, Vec<f32>)>,
}

impl Resampling {
    /// `from` pixels become `to` over the same extent; both are above 0.
    pub fn new(from: usize, to: usize) -> Self {
        let ratio = from as f64 / to as f64;
        let tap = |k: usize| if to >= from { between(k, ratio, from) } else { covered(k, ratio, from) };
        Self { taps: (0..to).map(tap).collect() }
    }

    /// The old pixels that these new ones are made of.
    pub fn sources(&self, pixels: &Range<usize>) -> Range<usize> {
        let end = |&(first, ref weights): &(usize, Vec<f32>)| first + weights.len();
        let taps = &self.taps[pixels.clone()];
        taps.first().map_or(0, |tap| tap.0)..taps.last().map_or(0, end)
    }

    /// New pixel `k`, where `old` gives the old ones.
    pub fn pixel(&self, k: usize, old: impl Fn(usize) -> f32) -> f32 {
        let (first, weights) = &self.taps[k];
        // A lone weight is 1, exactly.
        if weights.len() == 1 {
            return old(*first);
        }
        weights.iter().enumerate().map(|(n, weight)| weight * old(first + n)).sum()
    }
}

/// The two nearest centres, or one that is met exactly.
fn between(k: usize, ratio: f64, from: usize) -> (usize, Vec<f32>) {
    let centre = (k as f64 + 0.5) * ratio - 0.5;
    let (low, share) = (centre.floor(), (centre - centre.floor()) as f32);
    if low < 0.0 {
        return (0, vec![1.0]);
    }
    let low = low as usize;
    if low + 1 >= from || share == 0.0 {
        return (low.min(from - 1), vec![1.0]);
    }
    (low, vec![1.0 - share, share])
}

/// All that lie in the new pixel, by their share.
fn covered(k: usize, ratio: f64, from: usize) -> (usize, Vec<f32>) {
    let (start, end) = (k as f64 * ratio, (k + 1) as f64 * ratio);
    let first = start.floor() as usize;
    let last = (end.ceil() as usize).clamp(first + 1, from);
    let share = |n: usize| (end.min(n as f64 + 1.0) - start.max(n as f64)).max(0.0);
    let shares: Vec<f64> = (first..last).map(share).collect();
    let total: f64 = shares.iter().sum();
    let (mut first, mut weights): (usize, Vec<f32>) =
        (first, shares.into_iter().map(|share| (share / total) as f32).collect());
    // Rounding may touch a neighbour with a weight of nothing, which would spread its missing data.
    while weights.len() > 1 && weights[weights.len() - 1] < 1e-6 {
        weights.pop();
    }
    while weights.len() > 1 && weights[0] < 1e-6 {
        weights.remove(0);
        first += 1;
    }
    (first, weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resampled(old: &[f32], to: usize) -> Vec<f32> {
        let axis = Resampling::new(old.len(), to);
        (0..to).map(|k| axis.pixel(k, |n| old[n])).collect()
    }

    #[test]
    fn finer_pixels_lie_on_the_line_between_their_neighbours() {
        // Twice as many: a quarter and three quarters of the way between centres.
        assert_eq!(resampled(&[0.0, 4.0, 8.0], 6), [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]);
        assert_eq!(resampled(&[3.0, 1.0, 2.0], 3), [3.0, 1.0, 2.0]);
        // A slope stays that slope, whatever the ratio.
        let fine = resampled(&(0..100).map(|k| k as f32).collect::<Vec<_>>(), 139);
        for (k, value) in fine.iter().enumerate().take(137).skip(2) {
            let wanted = (k as f32 + 0.5) * 100.0 / 139.0 - 0.5;
            assert!((value - wanted).abs() < 1e-4, "{k}: {value}, not {wanted}");
        }
    }

    #[test]
    fn coarser_pixels_are_means_of_what_they_cover() {
        assert_eq!(resampled(&[1.0, 3.0, 5.0, 9.0], 2), [2.0, 7.0]);
        // 3 pixels to 2: one and a half each.
        let two = resampled(&[3.0, 6.0, 9.0], 2);
        assert!((two[0] - 4.0).abs() < 1e-6 && (two[1] - 8.0).abs() < 1e-6, "{two:?}");
        let old: Vec<f32> = (0..97).map(|k| (k * k % 31) as f32).collect();
        let mean = |values: &[f32]| values.iter().sum::<f32>() / values.len() as f32;
        assert!((mean(&resampled(&old, 41)) - mean(&old)).abs() < 1e-3, "the whole keeps its mean");
    }

    #[test]
    fn missing_data_spread_to_the_pixels_that_need_them_and_no_further() {
        let missing = |old: &[f32], to| resampled(old, to).iter().map(|v| v.is_nan()).collect::<Vec<_>>();
        let old = [0.0, f32::NAN, 2.0, 3.0];
        assert_eq!(missing(&old, 4), [false, true, false, false]);
        assert_eq!(missing(&old, 8), [false, true, true, true, true, false, false, false]);
        assert_eq!(missing(&old, 2), [true, false]);
        assert_eq!(Resampling::new(4, 8).sources(&(2..4)), 0..3);
        assert_eq!(Resampling::new(4, 2).sources(&(1..2)), 2..4);
    }
}
