//! Patches seen from other sides: a roof or a field is the same zone mirrored or turned.

use ndarray::{Array4, ArrayView3, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// What is done to each training patch, anew in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Nothing.
    #[default]
    None,
    /// One of the eight ways to lay a square: turned by 0°, 90°, 180° or 270°, mirrored or not.
    FlipsAndTurns,
}

impl Augmentation {
    /// How each of so many patches is to lie this time.
    pub(super) fn ways(self, count: usize, random: &mut ChaCha8Rng) -> Ways {
        match self {
            Self::None => Ways(Vec::new()),
            Self::FlipsAndTurns => Ways((0..count).map(|_| random.gen_range(0..8)).collect()),
        }
    }
}

/// How each patch of a batch lies: one of the eight ways to lay a square; empty where all lie as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ways(Vec<u8>);

impl Ways {
    /// The patches as the network is to see them. Shape: (N, S, S, C), S × S squares.
    pub(super) fn apply(&self, images: &mut Array4<f32>) {
        for (way, mut image) in self.0.iter().zip(images.outer_iter_mut()) {
            let laid = lay(image.view(), *way).to_owned();
            image.assign(&laid);
        }
    }

    /// What belongs to patch `n`, pixel by pixel, laid as the patch is.
    pub(super) fn lay<'a, T>(&self, n: usize, image: ArrayView3<'a, T>) -> ArrayView3<'a, T> {
        lay(image, self.0.get(n).copied().unwrap_or(0))
    }
}

/// One of the eight ways: the bits of `way` transpose, turn rows about and turn columns about, which
/// together make every turn and mirror image.
fn lay<T>(mut image: ArrayView3<'_, T>, way: u8) -> ArrayView3<'_, T> {
    if way & 1 != 0 {
        image.swap_axes(0, 1);
    }
    if way & 2 != 0 {
        image.invert_axis(Axis(0));
    }
    if way & 4 != 0 {
        image.invert_axis(Axis(1));
    }
    image
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "pixels are moved, not computed")]
mod tests {
    use super::*;
    use ndarray::{Array3, array};
    use rand::SeedableRng;

    #[test]
    fn there_are_eight_ways_and_each_keeps_the_pixels_neighbours() {
        let square: Array3<f32> = array![[[1.0], [2.0]], [[3.0], [4.0]]];
        let mut seen: Vec<Vec<f32>> =
            (0..8).map(|way| lay(square.view(), way).iter().copied().collect()).collect();
        // Opposite corners stay opposite: 1 and 4, 2 and 3.
        assert!(seen.iter().all(|p| p[0] + p[3] == 5.0 && p[1] + p[2] == 5.0), "{seen:?}");
        seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
        seen.dedup();
        assert_eq!(seen.len(), 8);
    }

    #[test]
    fn the_bands_of_a_pixel_stay_together_and_none_leaves_all_as_it_is() {
        let images = Array4::from_shape_fn((20, 5, 5, 2), |(n, r, c, b)| {
            (n * 100 + r * 10 + c) as f32 + 0.5 * b as f32
        });
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut laid = images.clone();
        Augmentation::FlipsAndTurns.ways(20, &mut random).apply(&mut laid);
        assert_ne!(laid, images);
        for pixel in laid.lanes(Axis(3)) {
            assert_eq!(pixel[1], pixel[0] + 0.5);
        }
        let mut same = images.clone();
        Augmentation::None.ways(20, &mut random).apply(&mut same);
        assert_eq!(same, images);
    }
}
