//! Random resized crops: a part of a patch, stretched to the patch's size (Szegedy et al. 2015, the training of Inception;
//! torchvision's `RandomResizedCrop`).

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Bounds of the aspect ratio of a crop.
const ASPECTS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// How often a crop is drawn that does not fit before the patch is left whole.
const TRIES: usize = 10;

/// The part of a square patch that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Crop {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Crop {
    /// The share of the patch's area uniform in [`smallest`, 1], the aspect ratio log-uniform in [3/4, 4/3], the
    /// place uniform among those that fit.
    pub(super) fn draw(smallest: f64, size: usize, random: &mut ChaCha8Rng) -> Self {
        let whole = (size * size) as f64;
        for _ in 0..TRIES {
            let area = whole * random.gen_range(smallest..=1.0);
            let aspect = random.gen_range(ASPECTS[0].ln()..=ASPECTS[1].ln()).exp();
            let [height, width] = [area / aspect, area * aspect].map(|square| square.sqrt().round() as usize);
            if (1..=size).contains(&height) && (1..=size).contains(&width) {
                let [top, left] = [height, width].map(|side| random.gen_range(0..=size - side));
                return Self { top, left, height, width };
            }
        }
        // The largest in the middle with an allowed aspect ratio: of a square, all of it.
        Self { top: 0, left: 0, height: size, width: size }
    }

    /// Whether all of a patch is kept, which then stays as it is.
    fn is_all_of(self, size: usize) -> bool {
        (self.height, self.width) == (size, size)
    }

    /// The crop, each band stretched to the patch's size bilinearly; pixels beyond its edge are those at the edge.
    /// Shape: (S, S, C).
    pub(super) fn bilinear(self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let size = image.dim().0;
        if self.is_all_of(size) {
            return image.to_owned();
        }
        let rows = between(self.top, self.height, size);
        let columns = between(self.left, self.width, size);
        let mut stretched = Array3::zeros(image.dim());
        for (&(above, below, down), mut line) in rows.iter().zip(stretched.outer_iter_mut()) {
            let [above, below] = [above, below].map(|row| image.index_axis(Axis(0), row));
            for (&(left, right, across), mut pixel) in columns.iter().zip(line.outer_iter_mut()) {
                for (c, value) in pixel.iter_mut().enumerate() {
                    let upper = (1.0 - across) * above[[left, c]] + across * above[[right, c]];
                    let lower = (1.0 - across) * below[[left, c]] + across * below[[right, c]];
                    *value = (1.0 - down) * upper + down * lower;
                }
            }
        }
        stretched
    }

    /// The same crop of what belongs to the pixels, each the nearest one's. Shape: (S, S).
    pub(super) fn nearest<T: Copy>(self, mask: ArrayView2<'_, T>) -> Array2<T> {
        let size = mask.dim().0;
        // ⌊(i + ½) · side / S⌋: the pixel on which the middle of pixel i falls.
        let source = |i: usize, first: usize, side: usize| first + (2 * i + 1) * side / (2 * size);
        Array2::from_shape_fn(mask.dim(), |(row, column)| {
            mask[[source(row, self.top, self.height), source(column, self.left, self.width)]]
        })
    }
}

/// Between which two pixels of a patch the middle of each of `size` pixels falls that `side` of them, from `first` on,
/// are stretched to, and how far on the way from one to the other: (i + ½) · side / size − ½.
fn between(first: usize, side: usize, size: usize) -> Vec<(usize, usize, f32)> {
    let step = side as f64 / size as f64;
    let place = |i: usize| {
        let at = ((i as f64 + 0.5) * step - 0.5).max(0.0);
        let before = at as usize;
        (first + before, first + (before + 1).min(side - 1), (at - before as f64) as f32)
    };
    (0..size).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array3;
    use rand::SeedableRng;
    use serde_json::Value;

    /// A number of a crop.
    type Of<'a> = &'a dyn Fn(&Crop) -> f64;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/crops.json")).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    }

    #[test]
    fn crops_are_stretched_as_torchvision_stretches_them_and_masks_too() {
        let vectors = vectors();
        let size = vectors["size"].as_u64().unwrap() as usize;
        let image = numbers(&vectors["image"]).into_iter().map(|x| x as f32).collect();
        let image = Array3::from_shape_vec((size, size, 2), image).unwrap();
        let mask = Array2::from_shape_fn((size, size), |(row, column)| (row * size + column) as u8);
        let boxes = vectors["boxes"].as_array().unwrap();
        assert_eq!(boxes.len(), 7);
        for of_box in boxes {
            let sides: Vec<usize> = numbers(&of_box["box"]).into_iter().map(|x| x as usize).collect();
            let crop = Crop { top: sides[0], left: sides[1], height: sides[2], width: sides[3] };
            let stretched = crop.bilinear(image.view());
            for (ours, theirs) in stretched.iter().zip(numbers(&of_box["bilinear"])) {
                assert!((f64::from(*ours) - theirs).abs() < 1e-6, "{crop:?}: {ours} {theirs}");
            }
            let nearest: Vec<f64> = crop.nearest(mask.view()).iter().map(|&x| f64::from(x)).collect();
            assert_eq!(nearest, numbers(&of_box["nearest"]), "{crop:?}");
        }
    }

    #[test]
    fn crops_are_spread_as_torchvision_draws_them() {
        const DRAWS: usize = 20_000;
        let vectors = vectors();
        let theirs = vectors["draws"].as_f64().unwrap();
        for (seed, spread) in vectors["spread"].as_array().unwrap().iter().enumerate() {
            let (side, smallest) = (spread["size"].as_f64().unwrap(), spread["smallest"].as_f64().unwrap());
            let mut random = ChaCha8Rng::seed_from_u64(seed as u64);
            let crops: Vec<Crop> =
                (0..DRAWS).map(|_| Crop::draw(smallest, side as usize, &mut random)).collect();
            let middle = |first: usize, length: usize| (first as f64 + length as f64 / 2.0) / side;
            let values: [(&str, Of<'_>); 5] = [
                ("area", &|crop| (crop.height * crop.width) as f64 / side.powi(2)),
                ("log_aspect", &|crop| (crop.width as f64 / crop.height as f64).ln()),
                ("whole", &|crop| f64::from(u8::from(crop.is_all_of(side as usize)))),
                ("middle_row", &|crop| middle(crop.top, crop.height)),
                ("middle_column", &|crop| middle(crop.left, crop.width)),
            ];
            for (name, of) in values {
                let (mean, deviation) = (numbers(&spread[name])[0], numbers(&spread[name])[1]);
                let ours = crops.iter().map(of).sum::<f64>() / DRAWS as f64;
                let squares = crops.iter().map(|crop| (of(crop) - ours).powi(2)).sum::<f64>();
                let ours_deviation = (squares / DRAWS as f64).sqrt();
                // Standard errors of a difference of two means; the deviations are of bounded numbers.
                let error = deviation * (1.0 / DRAWS as f64 + 1.0 / theirs).sqrt();
                assert!((ours - mean).abs() < 5.0 * error, "{side}, {smallest}, {name}: {ours} {mean}");
                assert!(
                    (ours_deviation / deviation - 1.0).abs() < if name == "whole" { 0.5 } else { 0.03 },
                    "{side}, {smallest}, {name}: deviations {ours_deviation} {deviation}"
                );
            }
        }
    }

    #[test]
    fn crops_lie_within_the_patch_and_keep_to_area_and_aspect_but_for_whole_pixels() {
        for (size, smallest) in [(64, 0.08), (32, 0.3), (9, 0.5), (5, 0.01), (1, 0.1), (2, 1.0)] {
            let mut random = ChaCha8Rng::seed_from_u64(size as u64);
            for _ in 0..2000 {
                let crop = Crop::draw(smallest, size, &mut random);
                assert!(crop.height > 0 && crop.top + crop.height <= size, "{crop:?}");
                assert!(crop.width > 0 && crop.left + crop.width <= size, "{crop:?}");
                // A side is rounded by half a pixel at most.
                let (height, width) = (crop.height as f64, crop.width as f64);
                assert!((height + 0.5) * (width + 0.5) >= smallest * (size * size) as f64, "{crop:?}");
                assert!((width - 0.5) / (height + 0.5) <= ASPECTS[1], "{crop:?}");
                assert!((width + 0.5) / (height - 0.5) >= ASPECTS[0], "{crop:?}");
            }
        }
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "what is whole is not computed")]
    fn a_whole_patch_stays_as_it_is() {
        let image = Array3::from_shape_fn((8, 8, 3), |(r, c, b)| (r * 7 + c * c + b) as f32 / 10.0);
        let whole = Crop { top: 0, left: 0, height: 8, width: 8 };
        assert_eq!(whole.bilinear(image.view()), image);
    }
}
