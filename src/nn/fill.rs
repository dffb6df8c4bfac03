//! Random numbers of one stream, drawn by all threads.

use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Fills numbers as one thread would draw them one after the other, by all threads: each number takes `words` words of
/// the stream, whose places are known.
pub(super) fn fill<T: Send>(
    numbers: &mut [T],
    words: u128,
    random: &mut ChaCha8Rng,
    draw: impl Fn(&mut ChaCha8Rng) -> T + Sync,
) {
    /// Numbers that a thread draws at once.
    const PART: usize = 1 << 14;
    let first = random.get_word_pos();
    let place = |n: usize| first + words * n as u128;
    let parts = numbers.par_chunks_mut(PART).enumerate();
    let plain = parts.map(|(n, part)| {
        let mut random = random.clone();
        random.set_word_pos(place(n * PART));
        part.fill_with(|| draw(&mut random));
        random.get_word_pos() == place(n * PART + part.len())
    });
    // One of 2⁵² numbers in a range is rounded up to its end and drawn again, so that all behind it move on.
    if plain.reduce(|| true, |a, b| a && b) {
        random.set_word_pos(place(numbers.len()));
    } else {
        numbers.fill_with(|| draw(random));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};

    #[test]
    fn first_weights_and_dropout_are_drawn_by_any_number_of_threads_as_one_draws_them() {
        fn compare<T: Send + Copy + Default + PartialEq>(words: u128, draw: fn(&mut ChaCha8Rng) -> T) {
            let mut random = ChaCha8Rng::seed_from_u64(4);
            random.set_stream(5);
            let _: u32 = random.r#gen();
            let mut alone = random.clone();
            for len in [0, 7, 1 << 15, 80_001] {
                let mut numbers = vec![T::default(); len];
                fill(&mut numbers, words, &mut random, draw);
                assert!(numbers.into_iter().all(|x| x == draw(&mut alone)), "{words} words, {len} numbers");
            }
            assert_eq!(random.r#gen::<u32>(), alone.r#gen::<u32>());
        }
        compare::<f64>(2, |random| random.gen_range(-0.3..0.3));
        compare::<f32>(1, Rng::r#gen);
    }
}
