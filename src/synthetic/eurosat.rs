//! A synthetic folder in the layout of EuroSAT: ten classes, each drawn by a recipe of its own.

use std::fs;
use std::path::Path;

use ndarray::Array2;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::scene::SCALING;
use crate::files::Partial;
use crate::scene::eurosat::{BANDS, EuroSat, SIDE};
use crate::scene::{Crs, GeoTiffWriter, Grid};
use crate::{Error, Result};

/// What lies on the ground: reflectance of B2 B3 B4 B5 B6 B7 B8 B8A B11 B12, roughly as tables of spectra have it.
type Cover = &'static [f32; 10];

const SOIL: Cover = &[0.10, 0.13, 0.17, 0.19, 0.21, 0.23, 0.25, 0.27, 0.33, 0.29];
const CROP: Cover = &[0.05, 0.09, 0.06, 0.12, 0.30, 0.38, 0.42, 0.44, 0.22, 0.11];
const GRASS: Cover = &[0.06, 0.10, 0.08, 0.14, 0.26, 0.31, 0.34, 0.36, 0.25, 0.14];
const TREES: Cover = &[0.03, 0.05, 0.03, 0.07, 0.18, 0.23, 0.25, 0.27, 0.12, 0.05];
const SHRUB: Cover = &[0.05, 0.08, 0.07, 0.12, 0.20, 0.24, 0.26, 0.28, 0.22, 0.13];
const WATER: Cover = &[0.06, 0.05, 0.03, 0.03, 0.02, 0.02, 0.02, 0.02, 0.01, 0.01];
const ROOF: Cover = &[0.26, 0.28, 0.30, 0.31, 0.31, 0.32, 0.33, 0.33, 0.34, 0.31];
const TILES: Cover = &[0.09, 0.11, 0.18, 0.20, 0.21, 0.22, 0.23, 0.24, 0.28, 0.25];
const ASPHALT: Cover = &[0.10, 0.11, 0.12, 0.12, 0.13, 0.13, 0.14, 0.14, 0.16, 0.15];

/// A value of each band of a file.
fn of_bands(&[b2, b3, b4, b5, b6, b7, b8, b8a, b11, b12]: Cover) -> [f32; 13] {
    [b2, b2, b3, b4, b5, b6, b7, b8, 0.4 * b8a, 0.002, b11, b12, b8a]
}

/// The ground of an image: what lies where, and how bright it is there.
struct Ground {
    cover: Array2<Cover>,
    tint: Array2<f32>,
}

impl Ground {
    /// Fields: rectangles of random size, each of one cover and tint.
    fn fields(random: &mut ChaCha8Rng, covers: &[Cover], size: std::ops::Range<usize>) -> Self {
        let mut ground = Self {
            cover: Array2::from_elem((SIDE, SIDE), covers[0]),
            tint: Array2::from_elem((SIDE, SIDE), 1.0),
        };
        let (mut top, mut height) = (0, 0);
        while top + height < SIDE {
            top += height;
            height = random.gen_range(size.clone());
            let (mut left, mut width) = (0, 0);
            while left + width < SIDE {
                left += width;
                width = random.gen_range(size.clone());
                let (cover, tint) = (covers[random.gen_range(0..covers.len())], random.gen_range(0.75..1.25));
                for row in top..(top + height).min(SIDE) {
                    for column in left..(left + width).min(SIDE) {
                        ground.cover[[row, column]] = cover;
                        ground.tint[[row, column]] = tint;
                    }
                }
            }
        }
        ground
    }

    /// Sets a cover where a function of the row and the column is true.
    fn lay(&mut self, cover: Cover, tint: f32, is_there: impl Fn(f32, f32) -> bool) {
        for ((row, column), here) in self.cover.indexed_iter_mut() {
            if is_there(row as f32, column as f32) {
                *here = cover;
                self.tint[[row, column]] = tint;
            }
        }
    }

    /// Round spots.
    fn spots(&mut self, random: &mut ChaCha8Rng, cover: Cover, count: usize, radius: f32) {
        for _ in 0..count {
            let (y, x) = (random.gen_range(0.0..SIDE as f32), random.gen_range(0.0..SIDE as f32));
            let (r, tint) = (radius * random.gen_range(0.5..1.0), random.gen_range(0.8..1.2));
            self.lay(cover, tint, |row, column| (row - y).hypot(column - x) < r);
        }
    }

    /// A band of some width across the image, with a given bend.
    fn band(&mut self, random: &mut ChaCha8Rng, cover: Cover, width: f32, bend: f32) {
        let (turn, middle) = (random.gen_range(0.0..std::f32::consts::PI), random.gen_range(24.0..40.0));
        let (phase, length) = (random.gen_range(0.0..6.0), random.gen_range(12.0..20.0));
        let (sine, cosine) = turn.sin_cos();
        self.lay(cover, 1.0, |row, column| {
            let (y, x) = (row - 32.0, column - 32.0);
            let (along, across) = (x * cosine + y * sine, y * cosine - x * sine + 32.0);
            (across - middle - bend * (along / length + phase).sin()).abs() < width
        });
    }

    /// Buildings of a cover in rows along streets.
    fn houses(&mut self, random: &mut ChaCha8Rng, cover: Cover, [every, size]: [usize; 2], share: f64) {
        for top in (0..SIDE).step_by(every) {
            self.lay(ASPHALT, 1.0, |row, _| row as usize == top);
            for left in (0..SIDE).step_by(every) {
                if random.gen_bool(share) {
                    let (y, x, tint) = (top + 1, left + random.gen_range(0..2), random.gen_range(0.7..1.3));
                    let within = |at: f32, first: usize| (first..first + size).contains(&(at as usize));
                    self.lay(cover, tint, |row, column| within(row, y) && within(column, x));
                }
            }
        }
    }

    /// An image of a class, in the order of EuroSAT's names.
    fn of(class: usize, random: &mut ChaCha8Rng) -> Self {
        let (covers, size): (&[Cover], _) = match class {
            0 => (&[SOIL, CROP, CROP, SOIL, GRASS], 12..36),
            1 => (&[TREES], 20..64),
            2 => (&[SHRUB], 20..64),
            3 => (&[CROP, GRASS, SOIL], 14..40),
            4 => (&[ASPHALT], 20..64),
            5 => (&[GRASS], 20..64),
            6 => (&[SOIL], 20..64),
            7 => (&[GRASS, GRASS, TREES], 8..20),
            8 => (&[CROP, GRASS, TREES], 14..40),
            _ => (&[WATER], 20..64),
        };
        let mut ground = Self::fields(random, covers, size);
        match class {
            1 => ground.spots(random, TREES, 60, 5.0),
            2 => {
                ground.spots(random, GRASS, 25, 7.0);
                ground.spots(random, SOIL, 6, 4.0);
            }
            3 => ground.band(random, ASPHALT, 2.2, 1.5),
            4 => ground.houses(random, ROOF, [14, 10], 0.75),
            5 => ground.spots(random, TREES, 5, 2.5),
            6 => {
                let (every, turned) = (random.gen_range(4..7), random.gen_bool(0.5));
                ground.lay(SHRUB, 0.9, |row, column| {
                    (if turned { row } else { column }) as usize % every < every / 2
                });
            }
            7 => ground.houses(random, TILES, [6, 3], 0.8),
            8 => ground.band(random, WATER, 6.0, 5.0),
            _ => {}
        }
        ground
    }

    /// Values of a GeoTIFF: reflectance times 10,000, under the light and the air of a day.
    fn seen(&self, random: &mut ChaCha8Rng) -> Vec<u16> {
        let (light, haze) = (random.gen_range(0.8..1.2), random.gen_range(0.0..0.03_f32));
        let mut values = Vec::with_capacity(SIDE * SIDE * BANDS.len());
        for (&cover, tint) in self.cover.iter().zip(&self.tint) {
            for (band, reflectance) in of_bands(cover).into_iter().enumerate() {
                // Air scatters blue light most.
                let air = if band < 4 { haze * (4 - band) as f32 / 4.0 } else { 0.0 };
                let noise = 1.0 + 0.05 * (random.r#gen::<f32>() + random.r#gen::<f32>() - 1.0);
                values.push((10_000.0 * (reflectance * tint * light * noise + air)).max(1.0) as u16);
            }
        }
        values
    }
}

/// A synthetic folder in EuroSAT's layout, to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyntheticEuroSat {
    /// Images of each class.
    pub each: usize,
    /// The same seed gives the same files.
    pub seed: u64,
}

impl SyntheticEuroSat {
    /// The provenance that the files state.
    pub const PROVENANCE: &str = "synthetic (in the layout of EuroSAT)";

    /// Writes a GeoTIFF for each image, in a folder for each class, whole or not at all.
    ///
    /// # Errors
    /// A folder that exists or cannot be written, a full disk.
    pub fn write(&self, folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let partial = Partial::folder(folder)?;
        let classes = EuroSat::classes();
        let grid = Grid { rows: SIDE, columns: SIDE, transform: None, crs: Crs::Unknown };
        for class in 0..classes.len() {
            let name = EuroSat::folder_name(class);
            let of_class = partial.path().join(name);
            fs::create_dir_all(&of_class).map_err(Error::io(&of_class))?;
            for k in 1..=self.each {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                random.set_stream((class * 100_000 + k) as u64);
                let values = Ground::of(class, &mut random).seen(&mut random);
                let path = of_class.join(format!("{name}_{k}.tif"));
                let writer = GeoTiffWriter::<u16>::create(&path, &grid)?.bands(&BANDS);
                let mut writer = writer.scaled(SCALING, "reflectance").describe(Self::PROVENANCE);
                writer.append(&values)?;
                writer.finish()?;
            }
        }
        partial.become_new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_read_as_eurosat_and_its_classes_differ() {
        let folder = tempfile::tempdir().unwrap();
        let images = folder.path().join("images");
        SyntheticEuroSat { each: 2, seed: 9 }.write(&images).unwrap();
        let set = EuroSat::open(&images).unwrap();
        assert_eq!(set.len(), 20);
        assert_eq!(set.provenance().unwrap(), SyntheticEuroSat::PROVENANCE);
        let pixels = set.images(&(0..20).collect::<Vec<_>>()).unwrap();
        assert_eq!(pixels.dim(), (20, 64, 64, 13));
        assert!(pixels.iter().all(|value| (0.0..1.0).contains(value)));
        let mean = |image: usize, band: usize| {
            let values = pixels.slice(ndarray::s![image, .., .., band]);
            values.iter().sum::<f32>() / values.len() as f32
        };
        // B8 of water is the darkest, B4 of industry the brightest.
        let order = |band: usize| {
            let mut classes: Vec<usize> = (0..10).collect();
            classes.sort_by(|a, b| mean(2 * a, band).total_cmp(&mean(2 * b, band)));
            classes
        };
        assert_eq!(order(7)[0], 9);
        assert_eq!(order(3)[9], 4);
    }
}
