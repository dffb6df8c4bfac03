//! Augmentation: patches rotated, mirrored and cropped at random; the class stays the same.

mod crops;

use ndarray::{Array4, ArrayBase, ArrayView2, Axis, CowArray, Ix2, Ix3, RawData};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crops::Crop;

/// The augmentation of each training patch in each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augmentation {
    /// Nothing.
    #[default]
    None,
    /// One of the eight orientations of a square: rotated by 0°, 90°, 180° or 270°, mirrored or not.
    FlipsAndTurns,
}

/// Crop and orientation of each patch of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Views {
    /// The crops; empty without crops.
    crops: Vec<Crop>,
    /// Which of the eight orientations; empty without rotations.
    ways: Vec<u8>,
}

impl Views {
    /// Draws crop and orientation of `count` patches of a size; `smallest` is the least share of a patch that a
    /// crop keeps, 1 for no crops.
    pub(super) fn draw(
        augmentation: Augmentation,
        smallest: f64,
        (count, size): (usize, usize),
        random: &mut ChaCha8Rng,
    ) -> Self {
        // The orientations first: they are the same with and without crops.
        let ways = match augmentation {
            Augmentation::None => Vec::new(),
            Augmentation::FlipsAndTurns => (0..count).map(|_| random.gen_range(0..8)).collect(),
        };
        let cropped = if smallest < 1.0 { count } else { 0 };
        Self { crops: (0..cropped).map(|_| Crop::draw(smallest, size, random)).collect(), ways }
    }

    /// The augmented patches. Shape: (N, S, S, C), S × S squares.
    pub(super) fn apply(&self, images: &mut Array4<f32>) {
        if self.crops.is_empty() && self.ways.is_empty() {
            return;
        }
        let images: Vec<_> = images.outer_iter_mut().collect();
        images.into_par_iter().enumerate().for_each(|(n, mut image)| {
            let seen = match self.crops.get(n) {
                Some(crop) => crop.bilinear(image.view()),
                None => image.to_owned(),
            };
            image.assign(&lay(seen, self.way(n)));
        });
    }

    /// What belongs to patch `n`, pixel by pixel, cropped and laid as the patch is.
    pub(super) fn of_mask<'a, T: Copy>(&self, n: usize, mask: ArrayView2<'a, T>) -> CowArray<'a, T, Ix2> {
        let seen = match self.crops.get(n) {
            Some(crop) => CowArray::from(crop.nearest(mask)),
            None => CowArray::from(mask),
        };
        lay(seen.insert_axis(Axis(2)), self.way(n)).remove_axis(Axis(2))
    }

    fn way(&self, n: usize) -> u8 {
        self.ways.get(n).copied().unwrap_or(0)
    }
}

/// One of the eight ways: the bits of `way` transpose, turn rows about and turn columns about, which
/// together make every turn and mirror image.
fn lay<S: RawData>(mut image: ArrayBase<S, Ix3>, way: u8) -> ArrayBase<S, Ix3> {
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
        Views::draw(Augmentation::FlipsAndTurns, 1.0, (20, 5), &mut random).apply(&mut laid);
        assert_ne!(laid, images);
        for pixel in laid.lanes(Axis(3)) {
            assert_eq!(pixel[1], pixel[0] + 0.5);
        }
        let mut same = images.clone();
        Views::draw(Augmentation::None, 1.0, (20, 5), &mut random).apply(&mut same);
        assert_eq!(same, images);
    }

    #[test]
    fn a_patch_is_cropped_and_then_laid_in_the_way_that_it_has_without_crops() {
        let images = Array4::from_shape_fn((30, 16, 16, 3), |(n, r, c, b)| (n + 7 * r + c * c + b) as f32);
        let views = |smallest: f64| {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            Views::draw(Augmentation::FlipsAndTurns, smallest, (30, 16), &mut random)
        };
        let (whole, cropped) = (views(1.0), views(0.2));
        assert_eq!((whole.crops.len(), cropped.crops.len()), (0, 30));
        assert_eq!(whole.ways, cropped.ways);
        let mut seen = images.clone();
        cropped.apply(&mut seen);
        let only_crops = Views { ways: Vec::new(), ..cropped };
        let mut by_steps = images.clone();
        only_crops.apply(&mut by_steps);
        assert_ne!(by_steps, images);
        whole.apply(&mut by_steps);
        assert_eq!(seen, by_steps);
    }
}
