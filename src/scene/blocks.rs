//! Tiles assigned to training, validation and testing by whole blocks of ground.
//!
//! Neighbouring tiles show the same district and may overlap, so a split of single tiles overestimates accuracy. Here squares of
//! several tiles are assigned whole, and no pixel is in two parts: a tile that reaches into blocks of two parts is in none.

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::{CutScene, Fate, Part, Shares};
use crate::{Error, Result};

/// Random assignments, of which the best is taken.
const DRAWS: usize = 500;

/// How the tiles of a cut scene are assigned to the three parts.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockSplit {
    /// Rows and columns of a block, in tiles side by side.
    pub side: usize,
    /// How much goes to each part.
    pub shares: Shares,
    /// Random seed of the split.
    pub seed: u64,
}

/// A tile that is cut, for the split.
pub(super) struct KeptTile {
    /// Row and column of its upper left pixel.
    pub corner: [usize; 2],
    /// Its pixels of each class.
    pub pixels: Vec<usize>,
}

/// Pixels of each class.
pub(super) fn class_counts<'a>(mask: impl Iterator<Item = &'a u8>, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    for &class in mask.filter(|class| usize::from(**class) < classes) {
        counts[usize::from(class)] += 1;
    }
    counts
}

impl Default for BlockSplit {
    /// Blocks of 3 × 3 tiles, 60/15/25, seed 0.
    fn default() -> Self {
        Self { side: 3, shares: Shares::default(), seed: 0 }
    }
}

impl BlockSplit {
    /// The part of each tile that was kept, in the order of the patches; none for one that reaches into blocks of two
    /// parts.
    ///
    /// Of 500 random assignments the one is taken that comes nearest to the shares in the pixels of every class: the
    /// smallest sum over parts and classes of |pixels of the class in the part − its share of all of them|, each class
    /// counting equally. Only positions and classes decide, never the pixels' values.
    ///
    /// # Errors
    /// A block of no tile, or too few blocks with tiles for the parts.
    pub fn split(&self, cut: &CutScene) -> Result<Vec<Option<Part>>> {
        let classes = cut.masks.classes().len();
        let kept = cut.tiles.iter().filter(|tile| tile.fate == Fate::Kept);
        let kept: Vec<KeptTile> = kept
            .zip(cut.masks.view().outer_iter())
            .map(|(tile, mask)| KeptTile { corner: tile.corner, pixels: class_counts(mask.iter(), classes) })
            .collect();
        let assigned = self.assign(&kept, cut.patches.imagery().patch_size)?;
        Ok(assigned.into_iter().map(|(_, part)| part).collect())
    }

    /// The block that each tile begins in, numbered from 1 row by row, and the tile's part. Tiles of several dates show
    /// the same ground.
    pub(super) fn assign(&self, kept: &[KeptTile], patch: usize) -> Result<Vec<(i32, Option<Part>)>> {
        if self.side == 0 {
            return Err(Error::input("blocks", "0 tiles along each", "choose 1 or more"));
        }
        let side = self.side * patch;
        // The blocks that a tile reaches into, by their rows and columns.
        let reached: Vec<Vec<[usize; 2]>> = kept
            .iter()
            .map(|tile| {
                let [rows, columns] = tile.corner.map(|first| first / side..=(first + patch - 1) / side);
                rows.flat_map(|row| columns.clone().map(move |column| [row, column])).collect()
            })
            .collect();
        let classes = kept.first().map_or(0, |tile| tile.pixels.len());
        let mut totals = vec![0.0; classes];
        let mut blocks: BTreeMap<[usize; 2], Vec<f64>> = BTreeMap::new();
        for (reached, tile) in reached.iter().zip(kept) {
            let counts = blocks.entry(reached[0]).or_insert_with(|| vec![0.0; classes]);
            for (class, &pixels) in tile.pixels.iter().enumerate() {
                counts[class] += pixels as f64;
                totals[class] += pixels as f64;
            }
        }
        let parts: Vec<Part> = Part::ALL.into_iter().filter(|&part| self.shares.of(part) > 0.0).collect();
        if blocks.len() < parts.len() {
            let count =
                if blocks.len() == 1 { "1 block".to_owned() } else { format!("{} blocks", blocks.len()) };
            let problem =
                format!("{count} with patches, for {} parts (a block is {side} pixels wide)", parts.len());
            let advice = "choose smaller blocks, or give a larger scene";
            return Err(Error::input("split by blocks", problem, advice));
        }
        let counts: Vec<&Vec<f64>> = blocks.values().collect();
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut best: Option<(f64, Vec<Part>)> = None;
        for _ in 0..DRAWS {
            let drawn = self.draw(&counts, &parts, &mut random);
            let cost = self.cost(&drawn, &counts, &totals);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, drawn));
            }
        }
        let drawn = best.map(|(_, drawn)| drawn).unwrap_or_default();
        // A block that no tile begins in is of the part of its neighbours: of none, so that what reaches in is left out.
        let of_block: BTreeMap<[usize; 2], (i32, Part)> =
            blocks.keys().copied().zip((1..).zip(drawn)).collect();
        let of_tile = |reached: &Vec<[usize; 2]>| {
            let Some(&(number, part)) = of_block.get(&reached[0]) else { return (0, None) };
            let within = reached.iter().all(|block| of_block.get(block).is_some_and(|(_, of)| *of == part));
            (number, within.then_some(part))
        };
        Ok(reached.iter().map(of_tile).collect())
    }

    /// Blocks in random order, each to the part that lacks most of its share of the pixels; every part gets one.
    fn draw(&self, counts: &[&Vec<f64>], parts: &[Part], random: &mut ChaCha8Rng) -> Vec<Part> {
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.shuffle(random);
        let pixels: Vec<f64> = counts.iter().map(|counts| counts.iter().sum()).collect();
        let total: f64 = pixels.iter().sum();
        let mut given = [0.0; 3];
        let mut drawn = vec![parts[0]; counts.len()];
        for (place, &block) in order.iter().enumerate() {
            let lacks = |part: &Part| total * self.shares.of(*part) / 100.0 - given[*part as usize];
            let part = match parts.get(place) {
                Some(part) => *part,
                None => {
                    parts.iter().copied().max_by(|a, b| lacks(a).total_cmp(&lacks(b))).unwrap_or(parts[0])
                }
            };
            given[part as usize] += pixels[block];
            drawn[block] = part;
        }
        drawn
    }

    fn cost(&self, drawn: &[Part], counts: &[&Vec<f64>], totals: &[f64]) -> f64 {
        let mut cost = 0.0;
        for part in Part::ALL {
            for (class, total) in totals.iter().enumerate().filter(|(_, total)| **total > 0.0) {
                let of_part = drawn.iter().zip(counts).filter(|(of, _)| **of == part);
                let pixels: f64 = of_part.map(|(_, counts)| counts[class]).sum();
                cost += (pixels / total - self.shares.of(part) / 100.0).abs();
            }
        }
        cost
    }
}

#[cfg(test)]
mod tests {
    use super::super::tiles::Tile;
    use super::*;
    use crate::data::{Masks, Patches};
    use crate::{Bands, Classes, Imagery};
    use ndarray::{Array3, Array4};

    /// Tiles of 4 pixels, `stride` apart, over 48 × 48; the class is the quarter that a tile begins in.
    fn cut(stride: usize) -> CutScene {
        let along: Vec<usize> = (0..=44).step_by(stride).collect();
        let tiles: Vec<Tile> = along
            .iter()
            .flat_map(|&row| {
                along.iter().map(move |&column| Tile { corner: [row, column], fate: Fate::Kept })
            })
            .collect();
        let imagery = Imagery { patch_size: 4, bands: Bands::named(["B2"]).unwrap(), ..Imagery::so2sat() };
        let classes = Classes::from_count(4);
        let mask = Array3::from_shape_fn((tiles.len(), 4, 4), |(n, ..)| {
            let [row, column] = tiles[n].corner.map(|first| first / 24);
            (2 * row + column) as u8
        });
        let images = Array4::zeros((tiles.len(), 4, 4, 1));
        CutScene {
            patches: Patches::in_memory(imagery, classes.clone(), images).unwrap(),
            masks: Masks::new(classes, mask).unwrap(),
            tiles,
        }
    }

    #[test]
    fn blocks_are_assigned_whole_and_every_class_in_about_its_shares() {
        let cut = cut(4);
        let blocks = BlockSplit { side: 2, ..BlockSplit::default() };
        let parts = blocks.split(&cut).unwrap();
        let mut of_block = BTreeMap::new();
        let mut counts = [[0; 3]; 4];
        for (tile, part) in cut.tiles.iter().zip(&parts) {
            let part = part.unwrap();
            assert_eq!(*of_block.entry(tile.corner.map(|first| first / 8)).or_insert(part), part);
            let [row, column] = tile.corner.map(|first| first / 24);
            counts[2 * row + column][part as usize] += 1;
        }
        for [training, validation, testing] in counts {
            assert_eq!(training + validation + testing, 36);
            assert!((16..=24).contains(&training) && (4..=8).contains(&validation), "{counts:?}");
        }
        assert_eq!(parts, blocks.split(&cut).unwrap(), "the same seed, the same split");
        assert_ne!(parts, BlockSplit { seed: 1, ..blocks }.split(&cut).unwrap());
    }

    #[test]
    fn no_pixel_of_overlapping_tiles_is_in_two_parts() {
        let cut = cut(2);
        let parts = BlockSplit { side: 3, seed: 5, ..BlockSplit::default() }.split(&cut).unwrap();
        let mut of_pixel = BTreeMap::new();
        for (tile, part) in cut.tiles.iter().zip(&parts) {
            let Some(part) = part else { continue };
            for at in 0..16 {
                let pixel = [tile.corner[0] + at / 4, tile.corner[1] + at % 4];
                assert_eq!(of_pixel.entry(pixel).or_insert(*part), part, "{pixel:?}");
            }
        }
        assert!(parts.iter().any(Option::is_none));
        for part in Part::ALL {
            assert!(parts.contains(&Some(part)), "{part}");
        }
    }
}
