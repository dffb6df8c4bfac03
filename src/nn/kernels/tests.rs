//! The kernels on NaN, on ties and on slices of other lengths. That they compute what they should, at every
//! level, is tested where the operations made of them are compared with the composed ones.

use super::conv::{Packed, convolve};
use super::dense::{AddProduct, Left};
use super::geometry::{Geometry, Window};
use super::norm::{Add, Moments, Normal, ScaleShift};
use super::pool::{AddMaxMeanGradient, max_mean};
use super::{Finish, Level};

#[test]
fn moments_keep_the_variance_of_numbers_far_from_zero() {
    // One pass in f32 would lose it.
    let (pixels, channels) = (1024, 17);
    let y: Vec<f32> = (0..pixels * channels).map(|k| 100.0 + (k * 37 % 101) as f32 / 50.0 - 1.0).collect();
    for level in Level::available() {
        let (mut sums, mut squares) = (vec![f32::NAN; channels], vec![f32::NAN; channels]);
        level.run(Moments { y: &y, sums: &mut sums, squares: &mut squares });
        for c in 0..channels {
            let values = || y.iter().skip(c).step_by(channels).map(|y| f64::from(*y));
            let sum: f64 = values().sum();
            let square: f64 = values().map(|y| (y - sum / pixels as f64).powi(2)).sum();
            assert!((f64::from(sums[c]) - sum).abs() <= 2e-6 * sum, "{level:?}: {}, not {sum}", sums[c]);
            // The mean is rounded to 1e-7 of 100, each deviation to as much.
            let found = f64::from(squares[c]);
            assert!((found - square).abs() <= 1e-5 * pixels as f64, "{level:?}: {found}, not {square}");
        }
    }
}

#[test]
fn a_relu_lets_nan_through() {
    for level in Level::available() {
        let y = [f32::NAN, -1.0, 2.0].repeat(11);
        let mut out = vec![0.0; y.len()];
        let normal = Normal { scale: &[1.0; 11], shift: &[0.0; 11], residual: None };
        level.run(ScaleShift { y: &y, normal, relu: true, out: &mut out });
        let window = Window::same(1);
        let g = Geometry { batch: 1, height: 1, width: 33, inputs: 1, outputs: 1, window };
        let (mut frame, mut convolved) = (vec![0.0; g.padded_len(1)], vec![0.0; y.len()]);
        g.pad(1, &y, &mut frame);
        let finish = Finish { bias: &[0.0], residual: None, relu: true };
        convolve(&frame, &Packed::new(level, g, &[1.0]), Some(finish), &mut convolved);
        for out in [out, convolved] {
            for three in out.chunks_exact(3) {
                assert!(three[0].is_nan() && three[1..] == [0.0, 2.0], "{level:?}: {three:?}");
            }
        }
    }
}

#[test]
fn a_tied_maximum_sends_its_gradient_to_the_first_pixel() {
    for level in Level::available() {
        for (image, first) in [([0.0, 3.0, 3.0, 3.0], 1), ([0.0; 4], 0), ([1.0, 2.0, 4.0, 4.0], 2)] {
            let mut got = vec![0.0; 4];
            let (image, gradient, out) = (&image, &[1.0, 0.0], &mut *got);
            level.run(AddMaxMeanGradient { height: 2, width: 2, channels: 1, image, gradient, out });
            let expected: Vec<f32> = (0..4).map(|k| if k == first { 1.0 } else { 0.0 }).collect();
            assert_eq!(got, expected, "{image:?}");
        }
    }
}

#[test]
fn the_largest_of_a_window_with_nan_is_nan() {
    for place in 0..4 {
        let mut image = [1.0, 2.0, 3.0, 4.0];
        image[place] = f32::NAN;
        let mut out = [0.0; 2];
        max_mean(2, 2, 1, &image, &mut out);
        assert!(out[0].is_nan() && out[1].is_nan(), "{place}: {out:?}");
    }
}

#[test]
fn a_product_in_blocks_is_the_sum_of_products() {
    let number = |k: usize| ((k * 7919) % 1009) as f32 / 1009.0 - 0.5;
    let numbers = |n: usize| (0..n).map(number).collect::<Vec<f32>>();
    // Blocks are of 256 × 128, tiles of 6, 4, 2 or 1 rows; blocks are copied from 4 and from 24 rows on.
    for (rows, inner, columns, b_row) in [
        (1, 3, 1, 1),
        (3, 257, 17, 17),
        (4, 5, 17, 40),
        (8, 300, 128, 128),
        (25, 513, 129, 129),
        (31, 256, 300, 301),
    ] {
        let (a, b, y) =
            (numbers(rows * inner), numbers(inner * b_row - (b_row - columns)), numbers(rows * columns));
        for (row, column) in [(inner, 1), (1, rows)] {
            let expected: Vec<f64> = (0..rows * columns)
                .map(|at| {
                    let (r, c) = (at / columns, at % columns);
                    let product = |k| f64::from(a[r * row + k * column]) * f64::from(b[k * b_row + c]);
                    f64::from(y[at]) + (0..inner).map(product).sum::<f64>()
                })
                .collect();
            for level in Level::available() {
                let mut y = y.clone();
                let left = Left { numbers: &a, row, column };
                level.run(AddProduct { a: left, b: &b, b_row, y: &mut y, columns });
                let near = y.iter().zip(&expected).all(|(y, e)| (f64::from(*y) - e).abs() < 1e-4);
                assert!(near, "{level:?}, {rows} × {inner} × {columns}");
            }
        }
    }
}

/// Whether it panics, and with these words.
fn panics(words: &str, run: impl FnOnce() + std::panic::UnwindSafe) -> bool {
    let payload = std::panic::catch_unwind(run).unwrap_err();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap().contains(words)
}

#[test]
fn slices_of_other_lengths_than_a_kernel_walks_over_are_refused() {
    for level in Level::available() {
        let run =
            |sum: usize, part: usize| level.run(Add { sum: &mut vec![0.0; sum], part: &vec![0.0; part] });
        run(3, 3);
        assert!(panics("unequal lengths", || run(3, 2)));
        let moments = |y: usize, channels: usize| {
            let (mut sums, mut squares) = (vec![0.0; channels], vec![0.0; channels]);
            level.run(Moments { y: &vec![0.0; y], sums: &mut sums, squares: &mut squares });
        };
        moments(6, 3);
        assert!(panics("7 numbers in pixels of 3 channels", || moments(7, 3)));
        assert!(panics("0 numbers in pixels of 0 channels", || moments(0, 0)));
    }
}

#[test]
fn sides_whose_product_wraps_around_are_refused() {
    let most = 1 << (usize::BITS / 2);
    // 2⁶⁴ numbers: in wrapping arithmetic none.
    let window = Window::same(1);
    let geometry = Geometry { batch: most, height: most, width: 1, inputs: most, outputs: most, window };
    assert!(panics("sizes that can be counted", || {
        Packed::new(Level::best(), geometry, &[]);
    }));
    assert!(panics("sizes that can be counted", || {
        Geometry { outputs: 1, ..geometry }.output_len();
    }));
    assert!(panics("sizes that can be counted", || {
        let (image, gradient, out) = (&[], &[], &mut []);
        Level::best().run(AddMaxMeanGradient {
            height: most,
            width: most,
            channels: 1,
            image,
            gradient,
            out,
        });
    }));
    assert!(panics("a matrix of 2 rows", || {
        let a = Left { numbers: &[0.0; 4], row: usize::MAX, column: 2 };
        Level::best().run(AddProduct { a, b: &[0.0; 2], b_row: 1, y: &mut [0.0; 2], columns: 1 });
    }));
}
