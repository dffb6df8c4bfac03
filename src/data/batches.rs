//! Batches of patches, in order or shuffled, from sets that need not fit in memory.

use std::collections::VecDeque;
use std::ops::Range;

use ndarray::{Array4, Axis};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::Patches;
use crate::Result;

/// Patches of a shuffle block, at least: 64 So2Sat patches are 5 MB in the file, which a disk reads
/// at full speed wherever they lie.
const BLOCK: usize = 64;

/// Bytes of pixels that a shuffle pools. More mixes better and takes more memory.
const POOL_BYTES: usize = 256 << 20;

/// Batches in the order of the view.
pub(super) fn in_order(
    patches: Patches,
    size: usize,
) -> impl Iterator<Item = Result<(Range<usize>, Array4<f32>)>> + Send {
    let (n, size) = (patches.len(), size.max(1));
    (0..n).step_by(size).map(move |start| {
        let range = start..n.min(start + size);
        Ok((range.clone(), patches.images(range)?))
    })
}

/// One epoch in random order; see [`Patches::shuffled`].
pub(super) struct Shuffled {
    patches: Patches,
    batch: usize,
    rng: ChaCha8Rng,
    in_memory: bool,
    /// Blocks yet to be read, in the order of reading.
    blocks: VecDeque<Range<usize>>,
    blocks_a_pool: usize,
    pool: Pool,
    failed: bool,
}

/// Blocks, and the order in which their patches go out.
#[derive(Default)]
struct Pool {
    blocks: Vec<Range<usize>>,
    /// Pixels of each block; empty for patches in memory, which need no second copy.
    images: Vec<Array4<f32>>,
    /// Block and place in it, from the end.
    order: Vec<(usize, usize)>,
}

impl Shuffled {
    pub(super) fn new(patches: Patches, batch: usize, seed: u64) -> Self {
        let imagery = patches.imagery();
        let patch_bytes = imagery.patch_size * imagery.patch_size * imagery.bands.len() * size_of::<f32>();
        let pool = (POOL_BYTES / patch_bytes.max(1)).max(2 * BLOCK);
        // Whole chunks, so that none is decompressed twice.
        let block = patches.rows_a_chunk().map_or(BLOCK, |chunk| BLOCK.div_ceil(chunk) * chunk);
        Self::by_blocks(patches, batch, seed, block, pool)
    }

    /// With blocks of so many patches, as many as make a pool of so many.
    fn by_blocks(patches: Patches, batch: usize, seed: u64, block: usize, pool: usize) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let n = patches.len();
        let in_memory = patches.rows_a_chunk().is_none();
        let mut blocks: Vec<_> = (0..n).step_by(block).map(|start| start..n.min(start + block)).collect();
        let blocks_a_pool = if in_memory || n <= pool {
            blocks.len().max(1)
        } else {
            blocks.shuffle(&mut rng);
            (pool / block).max(2)
        };
        Self {
            patches,
            batch: batch.clamp(1, n.max(1)),
            rng,
            in_memory,
            blocks: blocks.into(),
            blocks_a_pool,
            pool: Pool::default(),
            failed: false,
        }
    }

    /// Reads the next blocks and shuffles their patches; false if there is none left.
    fn refill(&mut self) -> Result<bool> {
        let count = self.blocks_a_pool.min(self.blocks.len());
        // The old pool goes before the new one comes, so that there is never more than one.
        self.pool = Pool { blocks: self.blocks.drain(..count).collect(), ..Pool::default() };
        if !self.in_memory {
            let read = |block: &Range<usize>| self.patches.images(block.clone());
            self.pool.images = self.pool.blocks.iter().map(read).collect::<Result<_>>()?;
        }
        let blocks = self.pool.blocks.iter().enumerate();
        self.pool.order = blocks.flat_map(|(b, block)| (0..block.len()).map(move |n| (b, n))).collect();
        self.pool.order.shuffle(&mut self.rng);
        Ok(!self.pool.order.is_empty())
    }

    fn next_batch(&mut self) -> Result<Option<(Vec<usize>, Array4<f32>)>> {
        let (size, bands) = (self.patches.imagery().patch_size, self.patches.imagery().bands.len());
        let mut positions = Vec::with_capacity(self.batch);
        let mut pixels = Vec::with_capacity(self.batch * size * size * bands);
        while positions.len() < self.batch {
            if self.pool.order.is_empty() && !self.refill()? {
                break;
            }
            let wanted = (self.batch - positions.len()).min(self.pool.order.len());
            for (b, n) in self.pool.order.drain(self.pool.order.len() - wanted..).rev() {
                positions.push(self.pool.blocks[b].start + n);
                if let Some(images) = self.pool.images.get(b) {
                    pixels.extend(images.index_axis(Axis(0), n).iter());
                }
            }
        }
        if positions.is_empty() {
            return Ok(None);
        }
        if self.in_memory {
            let images = self.patches.images_at(&positions)?;
            return Ok(Some((positions, images)));
        }
        let images = Array4::from_shape_vec((positions.len(), size, size, bands), pixels)
            .expect("every patch has the size and the bands of the imagery");
        Ok(Some((positions, images)))
    }
}

impl Iterator for Shuffled {
    type Item = Result<(Vec<usize>, Array4<f32>)>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let batch = self.next_batch();
        self.failed = batch.is_err();
        batch.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::so2sat::{Layout, Rows, So2Sat, Writer};
    use crate::{Bands, Classes, Imagery};

    /// 2,000 patches of one pixel, whose value is their row.
    fn numbered(folder: &std::path::Path) -> Patches {
        let imagery = Imagery { patch_size: 1, bands: Bands::of_count(1), ..Imagery::so2sat() };
        let path = folder.join("numbered.h5");
        let mut writer =
            Writer::create(&path, &Layout::new("sen2", imagery, Classes::lcz(), "a test")).unwrap();
        let pixels = Array4::from_shape_fn((2000, 1, 1, 1), |(n, ..)| n as f32);
        writer.append(Rows::of(pixels.view())).unwrap();
        writer.finish().unwrap();
        So2Sat::open(&path).unwrap().patches().unwrap()
    }

    #[test]
    fn a_set_larger_than_the_pool_is_shuffled_by_blocks_and_given_once() {
        let folder = tempfile::tempdir().unwrap();
        let patches = numbered(folder.path());
        // Blocks are whole chunks: a view of scattered rows has its own.
        let odd = patches.select(&(0..1000).map(|n| 2 * n + 1).collect::<Vec<_>>()).unwrap();
        let shuffle = |seed| Shuffled::by_blocks(odd.clone(), 48, seed, 64, 300);
        let mut order = Vec::new();
        for batch in shuffle(1) {
            let (positions, images) = batch.unwrap();
            assert!(positions.len() == 48 || order.len() + positions.len() == 1000);
            assert!(positions.iter().zip(&images).all(|(&n, &v)| v as usize == 2 * n + 1));
            order.extend(positions);
        }
        // A pool is four blocks of 64, wherever they lie.
        let blocks: std::collections::BTreeSet<usize> = order[..256].iter().map(|n| n / 64).collect();
        assert!(blocks.len() <= 5 && blocks.iter().copied().ne(0..4), "{blocks:?}");
        order.sort_unstable();
        assert!(order.into_iter().eq(0..1000), "every patch once");
        let first = |seed| shuffle(seed).next().unwrap().unwrap().0;
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
    }
}
