//! Padding as Keras has it, and the same bits at any number of threads.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::geometry::{Padding, Window};
use super::*;

#[test]
fn same_padding_of_an_even_side_has_its_zero_behind_it_at_stride_2() {
    // tf.keras.layers.Conv2D(1, 3, strides=2, padding="same") of ones by ones: 4 → 2, 5 → 3.
    let of = |side| Geometry {
        batch: 1,
        height: 1,
        width: side,
        inputs: 1,
        outputs: 1,
        window: Window { kernel: 3, stride: 2, padding: Padding::Same },
    };
    for (side, expected) in [(4, vec![3.0, 2.0]), (5, vec![2.0, 3.0, 2.0]), (1, vec![1.0])] {
        let s = of(side);
        let mut y = vec![0.0; s.output_len()];
        let finish = Finish { bias: &[0.0], residual: None, relu: false };
        // Only the middle row of the window lies on the one row of the image.
        convolve(Level::best(), s, &vec![1.0; side], (&[1.0; 9], None), Some(finish), &mut y);
        assert_eq!(y, expected, "side {side}");
    }
}

#[test]
fn a_result_does_not_depend_on_the_number_of_threads() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let s = Geometry { batch: 21, height: 5, width: 4, inputs: 70, outputs: 90, window: Window::same(3) };
    let [x, w, gy] = [s.input_len(), s.weight_len(), s.output_len()]
        .map(|n| (0..n).map(|_| random.gen_range(-1.0..1.0)).collect::<Vec<f32>>());
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (mut y, mut gx, mut gw) = (vec![0.0; gy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            let finish = Finish { bias: &vec![0.5; 90], residual: None, relu: true };
            convolve(Level::best(), s, &x, (&w, None), Some(finish), &mut y);
            add_input_gradient(Level::best(), s, &gy, &w, &mut gx);
            add_weight_gradient(Level::best(), s, &x, &gy, &mut gw);
            (y, gx, gw)
        })
    };
    let one = run(1);
    assert!([2, 3, 5].into_iter().all(|threads| run(threads) == one));
}
